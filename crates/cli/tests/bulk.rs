//! Real programs on the kernel's TCP talk to estab's: much data, many connections, a bad wire.

mod common;

use std::io::{self, Read as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use common::*;

/// Long enough for a bad wire on a busy machine.
const MINUTES: Duration = Duration::from_secs(300);

const V4: &str = "198.18.0.1";
const V6: &str = "[fd00:e57a:b::1]";

/// Sends `bytes` to estab and takes as many from it, and compares the digests made at both ends.
fn both_ways(name: &str, options: &str, bytes: u64, address: &str) {
    if !can_run(name, &["curl", "sha256sum"]) {
        return;
    }
    let shell = format!(
        "ones() {{ head -c {bytes} /dev/zero | tr '\\0' 1; }}
         up=$(ones | curl -gsS -T - http://{address}/sha256)
         test \"$up  -\" = \"$(ones | sha256sum)\" || echo \"up: $up\"
         down() {{ curl -gsS 'http://{address}/bytes/{bytes}?seed=7'; }}
         down=$(down | sha256sum)
         test \"$down\" = \"$(down | curl -gsS -T - http://{address}/sha256)  -\" || echo \"down: $down\"
         echo done"
    );
    let output = output_within(estab_run(options, &shell), MINUTES);
    assert_eq!(stdout(&output), "done\n", "{}", stderr(&output));
}

#[test]
fn a_quarter_of_a_gigabyte_each_way_over_ipv4() {
    both_ways(
        "a_quarter_of_a_gigabyte_each_way_over_ipv4",
        "",
        256 << 20,
        V4,
    );
}

#[test]
fn a_quarter_of_a_gigabyte_each_way_over_ipv6() {
    both_ways(
        "a_quarter_of_a_gigabyte_each_way_over_ipv6",
        "",
        256 << 20,
        V6,
    );
}

const BAD: &str = "--loss 5 --reorder 10 --duplicate 2 --corrupt 1 --delay 5ms --seed 7";

#[test]
fn eight_megabytes_each_way_over_a_bad_wire() {
    both_ways("eight_megabytes_each_way_over_a_bad_wire", BAD, 8 << 20, V4);
}

#[test]
fn eight_megabytes_each_way_over_a_bad_wire_and_ipv6() {
    both_ways(
        "eight_megabytes_each_way_over_a_bad_wire_and_ipv6",
        BAD,
        8 << 20,
        V6,
    );
}

#[test]
fn a_hundred_connections_at_once() {
    let name = "a_hundred_connections_at_once";
    if !can_run(name, &["curl", "sha256sum"]) {
        return;
    }
    let script = format!(
        "set -e
         urls=$(seq 1 100 | sed 's|.*|url=\"http://{V4}/bytes/200000?seed=&\"\\noutput=/dev/null|')
         printf '%s\\n' \"$urls\" | curl -sS --parallel --parallel-immediate --parallel-max 100 \
            -w '%{{http_code}} %{{size_download}}\\n' -K - | sort | uniq -c"
    );
    let told = stdout(&output_within(estab_run("", &script), MINUTES));
    assert_eq!(
        told.split_whitespace().collect::<Vec<_>>(),
        ["100", "200", "200000"]
    );
}

#[test]
fn a_hundred_connections_at_once_over_a_bad_wire() {
    let name = "a_hundred_connections_at_once_over_a_bad_wire";
    if !can_run(name, &["socat", "sha256sum"]) {
        return;
    }
    let script = format!(
        "for i in $(seq 1 100); do
             (head -c 20000 /dev/zero | socat -t 100 - TCP:{V4}:7 | wc -c) &
         done | sort | uniq -c; wait"
    );
    let told = stdout(&output_within(estab_run(BAD, &script), MINUTES));
    assert_eq!(
        told.split_whitespace().collect::<Vec<_>>(),
        ["100", "20000"]
    );
}

#[test]
fn the_small_services_answer() {
    let name = "the_small_services_answer";
    if !can_run(name, &["socat"]) {
        return;
    }
    let script = format!(
        "printf 'to and fro' | socat -t 5 - TCP:{V4}:7; echo
         printf 'into the void' | socat -t 5 - TCP:{V4}:9; echo \"discarded $?\"
         socat -u TCP:{V4}:19 - | head -c 148 | tail -c 74"
    );
    let told = stdout(&output_within(estab_run("", &script), MINUTES));
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[0], "to and fro");
    assert_eq!(lines[1], "discarded 0");
    assert!(
        lines[2].starts_with("!\"#$%&'()"),
        "RFC 864: the second line is shifted by one"
    );
}

/// The active role: estab connects to a server on the kernel's TCP.
#[test]
fn a_quarter_of_a_gigabyte_each_way_from_our_own_connection() {
    let name = "a_quarter_of_a_gigabyte_each_way_from_our_own_connection";
    if !can_run(name, &["sha256sum"]) {
        return;
    }
    const SIZE: u64 = 256 << 20;
    in_a_fresh_network(|| {
        for host in ["198.18.0.2", "fd00:e57a:b::2"] {
            let listener = TcpListener::bind("[::]:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let server = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let received = io::copy(&mut stream, &mut io::sink()).unwrap();
                io::copy(&mut io::repeat(7).take(SIZE), &mut stream).unwrap();
                received
            });
            let mut shell = std::process::Command::new("sh");
            let estab = env!("CARGO_BIN_EXE_estab");
            let script =
                format!("head -c {SIZE} /dev/zero | {estab} connect {host} {port} | sha256sum");
            shell
                .args(["-c", &script])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let output = output_within(shell, MINUTES);
            assert_eq!(server.join().unwrap(), SIZE);
            let mut digest = Sha256::new();
            (0..SIZE >> 20).for_each(|_| digest.update([7; 1 << 20]));
            let expected: String = digest
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(
                stdout(&output),
                format!("{expected}  -\n"),
                "{}",
                stderr(&output)
            );
        }
    });
}
