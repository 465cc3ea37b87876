//! The examples run, each in a network of its own.

use std::io::Write as _;

use nix::sched::{CloneFlags, unshare};

#[path = "../examples/on_a_tun.rs"]
mod on_a_tun;

#[test]
fn the_example_on_a_tun_runs() {
    let name = "the_example_on_a_tun_runs";
    let obstacle = std::fs::File::open("/dev/net/tun")
        .map_err(|error| format!("/dev/net/tun: {error}"))
        .and_then(|_| {
            unshare(CloneFlags::CLONE_NEWNET)
                .map_err(|error| format!("no network namespace: {error}"))
        });
    if let Err(why) = obstacle {
        return skip(name, &why);
    }
    on_a_tun::main().unwrap();
}

/// Tells the runner, which names skipped tests.
fn skip(name: &str, why: &str) {
    println!("skipped: {name}: {why}");
    if let Some(log) = std::env::var_os("ESTAB_SKIP_LOG") {
        let file = std::fs::File::options().append(true).create(true).open(log);
        if let Ok(mut file) = file {
            let _untold = writeln!(file, "{name}: {why}");
        }
    }
}
