//! `cargo xtask conformance --packetdrill PROGRAM`: the corpus under the original packetdrill, which loads estab as a
//! library. What that interface cannot pass on is taken out of the scripts: sysctls in back quotes, which packetdrill
//! would have a shell set on this machine, become `--so_flags`, and `%{ … }%` is left out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::{reasons, scripts};

const REASONS: &str = "conformance/packetdrill.txt";

/// packetdrill draws its addresses if it is not told; these are the library's own.
const ADDRESSES: [&str; 3] = [
    "--local_ip=192.168.0.1",
    "--gateway_ip=192.168.0.2",
    "--remote_ip=192.0.2.1",
];

/// How long a script may take, in seconds of real time: nothing in it sleeps.
const LIMIT: &str = "10";

/// Runs every script that is not for IPv6 alone; answers whether each either passes or has a reason.
pub(super) fn run(root: &Path, program: &Path) -> anyhow::Result<bool> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "-p", "estab-ffi"]);
    let built = cargo.current_dir(root).status().context("no cargo")?;
    ensure!(built.success(), "the library could not be built");
    let library = root.join("target/release/libestab_packetdrill.so");
    let folder = root.join("target/packetdrill");
    fs::create_dir_all(&folder)?;
    let copy = folder.join("script.pkt");
    let mut results = BTreeMap::new();
    for script in scripts::read_all(root)? {
        if script.only.split_whitespace().any(|word| word == "ipv6") {
            continue;
        }
        let name = script.path.display().to_string();
        let text = fs::read_to_string(root.join("conformance").join(&script.path))?;
        let prepared = prepare(&text).context(name.clone())?;
        fs::write(&copy, &prepared.text)?;
        let mut packetdrill = Command::new("timeout");
        packetdrill.arg(LIMIT).arg(program).args(ADDRESSES);
        packetdrill.arg(format!("--so_filename={}", library.display()));
        packetdrill.arg(format!("--so_flags={}", prepared.flags.join(",")));
        let output = packetdrill.arg(&copy).output().context("no timeout")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim_end().lines().last().unwrap_or("not a word");
            println!("{name}: {} ({})", last.trim_end(), output.status);
        }
        results.insert(name, output.status.success());
    }
    let passing = results.values().filter(|passes| **passes).count();
    println!("{passing} of {} scripts pass", results.len());
    let text = fs::read_to_string(root.join(REASONS)).context(REASONS)?;
    let wrong = reasons::contradictions(&results, &reasons::read(&text)?, REASONS);
    for line in &wrong {
        println!("{line}");
    }
    Ok(wrong.is_empty())
}

/// A script for packetdrill, and what stands behind `--so_flags`.
#[derive(Debug, PartialEq, Eq)]
struct Prepared {
    text: String,
    flags: Vec<String>,
}

/// Keeps every line at its number.
fn prepare(text: &str) -> anyhow::Result<Prepared> {
    let mut flags = Vec::new();
    let mut kept = Vec::new();
    for line in text.lines() {
        if let Some(commands) = line.strip_prefix('`') {
            let commands = commands
                .strip_suffix('`')
                .context("no end of the command")?;
            for command in commands.split(';') {
                let setting = command.trim().strip_prefix("sysctl -q ");
                flags.push(setting.context("a command that is no sysctl")?.to_owned());
            }
            kept.push("");
            continue;
        }
        if let Some(mtu) = line.strip_prefix("--mtu=") {
            flags.push(format!("mtu={mtu}"));
        }
        // Every block follows what it asks about at once, so that its going changes no time.
        let asks = line.trim_start().strip_prefix("+0 %{");
        if asks.is_some_and(|asks| asks.ends_with("}%")) {
            kept.push("");
        } else {
            ensure!(!line.contains(['`']) && !line.contains("%{"), "{line}");
            kept.push(line);
        }
    }
    Ok(Prepared {
        text: kept.join("\n") + "\n",
        flags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_interface_cannot_pass_on_becomes_flags_or_goes() {
        let script = "// x\n`sysctl -q net.a=0; sysctl -q net.b=\"1 2\"`\n--mtu=9000\n+0 close(3) = 0\n\
            +0 %{ assert x == 1 }%\n+1 close(4) = 0\n";
        let prepared = prepare(script).expect("nothing else is in it");
        assert_eq!(prepared.flags, ["net.a=0", "net.b=\"1 2\"", "mtu=9000"]);
        let kept = "// x\n\n--mtu=9000\n+0 close(3) = 0\n\n+1 close(4) = 0\n";
        assert_eq!(prepared.text, kept);
    }

    #[test]
    fn a_script_that_would_run_a_command_is_refused() {
        for script in [
            "`rm x`\n",
            "+0 `sysctl -q net.a=0`\n",
            "+1 %{ print(1) }%\n",
        ] {
            assert!(prepare(script).is_err(), "{script}");
        }
    }
}
