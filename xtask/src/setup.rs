//! `cargo xtask setup`: the programs which the tests drive, from Debian's packages.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// A program some tests drive, and the Debian package it comes in.
struct Tool {
    program: &'static str,
    package: &'static str,
}

const TOOLS: [Tool; 5] = [
    Tool::new("curl", "curl"),
    Tool::new("tshark", "tshark"),
    Tool::new("iperf3", "iperf3"),
    Tool::new("socat", "socat"),
    Tool::new("ip", "iproute2"),
];

impl Tool {
    const fn new(program: &'static str, package: &'static str) -> Self {
        Self { program, package }
    }

    fn is_missing(&self) -> bool {
        !is_on_path(self.program)
    }
}

/// Installs what is missing, or says what is missing where installing is not ours to do.
///
/// An error means that an installation was tried and failed.
pub(crate) fn run() -> anyhow::Result<()> {
    let missing: Vec<&Tool> = TOOLS.iter().filter(|tool| tool.is_missing()).collect();
    if missing.is_empty() {
        println!("setup: every program the tests drive is installed");
        return Ok(());
    }
    match obstacle() {
        None => install(&missing),
        Some(obstacle) => {
            println!("{}", advice(&missing, obstacle));
            Ok(())
        }
    }
}

/// Why nothing can be installed from here, if so.
fn obstacle() -> Option<&'static str> {
    if !is_on_path("apt-get") {
        return Some("there is no apt-get");
    }
    if !is_root() {
        return Some("only root installs packages");
    }
    None
}

fn install(missing: &[&Tool]) -> anyhow::Result<()> {
    println!("setup: installing {}", packages(missing));
    apt_get(&["update", "--quiet"])?;
    let mut install = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    install.extend(missing.iter().map(|tool| tool.package));
    apt_get(&install)?;
    match missing.iter().find(|tool| tool.is_missing()) {
        None => Ok(()),
        Some(tool) => bail!(
            "package {} is installed, yet there is no program {}",
            tool.package,
            tool.program
        ),
    }
}

/// Runs apt-get so that it asks nothing (tshark's package would), and waits for another's lock.
fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("apt-get")
        .args(["-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=120"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context("apt-get could not be run")?;
    if !status.success() {
        bail!("apt-get {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}

fn advice(missing: &[&Tool], obstacle: &str) -> String {
    let programs: Vec<_> = missing.iter().map(|tool| tool.program).collect();
    format!(
        "setup: missing: {}; {obstacle}. The tests that need them are skipped by name.\n\
         setup: to run them too: apt-get install {}",
        programs.join(", "),
        packages(missing)
    )
}

fn packages(tools: &[&Tool]) -> String {
    let packages: Vec<_> = tools.iter().map(|tool| tool.package).collect();
    packages.join(" ")
}

/// Debian keeps some programs in directories that only root has on its path.
fn is_on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|directory| directory.join(program).is_file())
}

/// The owner of our own entry in /proc is our effective user.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_program_every_system_has_and_no_other() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program-anywhere"));
    }

    #[test]
    fn advice_names_programs_and_packages() {
        let missing: Vec<&Tool> = TOOLS.iter().collect();
        let advice = advice(&missing, "there is no apt-get");
        assert!(advice.contains("missing: curl, tshark, iperf3, socat, ip; there is no apt-get."));
        assert!(advice.ends_with("apt-get install curl tshark iperf3 socat iproute2"));
    }
}
