//! `estab run` with real programs on the real kernel.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use common::*;

const UPLOAD: &str = "head -c 1048576 /dev/zero | curl -s -T - http://198.18.0.1/sha256";
/// Of 2^20 zeros.
const DIGEST: &str = "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58\n";

#[test]
fn a_program_gets_the_bytes_it_asks_for_over_ipv4_and_ipv6() {
    if !can_run(
        "a_program_gets_the_bytes_it_asks_for_over_ipv4_and_ipv6",
        &["curl"],
    ) {
        return;
    }
    let get = |host: &str| {
        let url = format!("http://{host}/bytes/100000?seed=7");
        let output = output(estab_run("", &format!("curl -sg '{url}'")));
        assert_eq!(output.status.code(), Some(0));
        output.stdout
    };
    let bytes = get("198.18.0.1");
    assert_eq!(bytes.len(), 100_000);
    assert_eq!(get("[fd00:e57a:b::1]"), bytes);
}

#[test]
fn an_upload_arrives_whole_also_over_a_bad_link() {
    if !can_run("an_upload_arrives_whole_also_over_a_bad_link", &["curl"]) {
        return;
    }
    assert_eq!(stdout(&output(estab_run("", UPLOAD))), DIGEST);
    let bad = "--loss 5 --reorder 10 --duplicate 2% --corrupt 1 --delay 1ms --seed 3";
    assert_eq!(stdout(&output(estab_run(bad, UPLOAD))), DIGEST);
}

#[test]
fn every_connections_life_is_told_after_the_program() {
    if !can_run(
        "every_connections_life_is_told_after_the_program",
        &["curl"],
    ) {
        return;
    }
    let twice = "curl -s http://198.18.0.1/bytes/1 && curl -s http://198.18.0.1:81/; true";
    let told = stderr(&output(estab_run("", twice)));
    for words in [
        "ESTABLISHED",
        "CLOSE-WAIT",
        "LAST-ACK",
        "RFC 9293 §3.6",
        "closed first by the peer",
    ] {
        assert!(told.contains(words), "no {words} in: {told}");
    }
    assert!(!told.contains('\x1b'), "colours where no terminal is");
    let output = output(estab_run("--json", twice));
    let objects = stderr(&output);
    assert!(objects.lines().count() > 0);
    for line in objects.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(object.is_object(), "{line}");
    }
}

#[test]
fn the_connections_of_the_moment_are_on_a_page() {
    if !can_run("the_connections_of_the_moment_are_on_a_page", &["curl"]) {
        return;
    }
    let page = stdout(&output(estab_run("", "curl -s http://198.18.0.1/")));
    assert!(
        page.contains("<td>ESTABLISHED</td>") && page.contains("198.18.0.2:"),
        "{page}"
    );
}

#[test]
fn files_are_served_in_ranges_and_none_from_outside_their_directory() {
    if !can_run(
        "files_are_served_in_ranges_and_none_from_outside_their_directory",
        &["curl"],
    ) {
        return;
    }
    let directory = temporary("files");
    fs::create_dir_all(directory.join("public")).unwrap();
    fs::write(directory.join("public/digits"), "0123456789").unwrap();
    fs::write(directory.join("secret"), "secret").unwrap();
    let fifo = directory.join("public/fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let options = format!("--http {}", directory.join("public").display());
    let shell = "curl -s -r 3-5 http://198.18.0.1/digits; \
                 for path in ../secret ..%2fsecret none fifo; do \
                 curl -s -m 5 --path-as-is -o /dev/null -w ' %{http_code}' http://198.18.0.1/$path; done; \
                 curl -s http://198.18.0.1/ | grep -o '<h1>estab'";
    let output = output(estab_run(&options, shell));
    assert_eq!(stdout(&output), "345 404 404 404 404<h1>estab\n");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn echo_sends_back_until_the_peer_has_finished() {
    if !can_run("echo_sends_back_until_the_peer_has_finished", &["socat"]) {
        return;
    }
    let output = output(estab_run(
        "",
        "head -c 300000 /dev/zero | socat -t 10 - TCP:198.18.0.1:7 | wc -c",
    ));
    assert_eq!(stdout(&output).trim(), "300000");
}

#[test]
fn the_exit_status_is_the_commands() {
    if !can_run("the_exit_status_is_the_commands", &[]) {
        return;
    }
    assert_eq!(output(estab_run("", "exit 7")).status.code(), Some(7));
    assert_eq!(
        output(estab_run("", "kill -KILL $$")).status.code(),
        Some(137)
    );
}

#[test]
fn a_command_that_cannot_be_run_leaves_one_line() {
    assert_fails(
        &output(estab("run -- no-such-program-anywhere")),
        127,
        "no such program",
    );
    assert_fails(&output(estab("run -- /dev/null")), 126, "not executable");
}

#[test]
fn what_cannot_be_begun_leaves_one_line_and_no_command() {
    assert_fails(
        &output(estab("run --delay 5 -- true")),
        2,
        "a time needs its unit",
    );
    assert_fails(&output(estab("run --http /no/such -- true")), 2, "/no/such");
    assert_fails(
        &output(estab("run --http /dev/null -- true")),
        2,
        "name the directory",
    );
    if can_run("what_cannot_be_begun_leaves_one_line_and_no_command", &[]) {
        let output = output(estab("run -w /no/such/file -- echo begun"));
        assert_fails(&output, 2, "/no/such/file");
        assert_fails(&output, 2, "make its directory first");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_capture_that_finds_no_room_stops_with_a_warning_at_once_and_the_connections_go_on() {
    let name =
        "a_capture_that_finds_no_room_stops_with_a_warning_at_once_and_the_connections_go_on";
    if !can_run(name, &["curl"]) {
        return;
    }
    let file = temporary("limited.pcapng");
    // The shell's limit is on files that estab writes; in the pipe curl's upload is none.
    let mut command = std::process::Command::new("sh");
    let script = format!(
        "ulimit -f 64; trap '' XFSZ; exec {} run -w {} -- sh -c '{UPLOAD}; sleep 2; echo late >&2'",
        env!("CARGO_BIN_EXE_estab"),
        file.display()
    );
    command.args(["-c", &script]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let output = output(command);
    assert_eq!(stdout(&output), DIGEST);
    let said = stderr(&output);
    let (early, late) = said.split_once("late\n").unwrap();
    let warnings = |text: &str| text.matches("estab: warning: the capture").count();
    assert_eq!((warnings(early), warnings(late)), (1, 0), "{said}");
    fs::remove_file(file).unwrap();
}

#[test]
fn tshark_reads_the_capture_and_its_comments_without_complaint() {
    if !can_run(
        "tshark_reads_the_capture_and_its_comments_without_complaint",
        &["curl", "tshark"],
    ) {
        return;
    }
    let file = temporary("life.pcapng");
    let options = format!("-w {}", file.display());
    output(estab_run(
        &options,
        "curl -s -o /dev/null http://198.18.0.1/bytes/100000",
    ));
    let tshark = |filter: &str| {
        let mut command = std::process::Command::new("tshark");
        command.args([
            "-o",
            "tcp.check_checksum:TRUE",
            "-o",
            "ip.check_checksum:TRUE",
            "-r",
        ]);
        command.arg(&file).args(["-Y", filter]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    assert_eq!(
        tshark("tcp.checksum.status == 0 or ip.checksum.status == 0 or _ws.malformed"),
        ""
    );
    assert!(
        tshark("frame.comment contains \"ESTABLISHED\"")
            .lines()
            .count()
            > 0
    );
    assert_eq!(tshark("tcp.flags.fin == 1").lines().count(), 2);
    fs::remove_file(file).unwrap();
}

#[test]
fn sigterm_is_passed_on_and_the_command_decides() {
    if !can_run("sigterm_is_passed_on_and_the_command_decides", &[]) {
        return;
    }
    let shell = "trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = estab_run("", shell).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    kill(pid(&child), Signal::SIGTERM).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "told");
    assert_eq!(finish(child).status.code(), Some(5));
}

#[test]
fn a_signal_after_the_command_ends_the_waiting_and_the_lives_are_told() {
    let name = "a_signal_after_the_command_ends_the_waiting_and_the_lives_are_told";
    if !can_run(name, &["socat"]) {
        return;
    }
    // What socat leaves behind would be waited for, longer than this test may take.
    let shell = "(sleep 20 | socat - TCP:198.18.0.1:7) >/dev/null 2>&1 & sleep 3; echo ending";
    let mut child = estab_run("--delay 1500ms", shell).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ending");
    std::thread::sleep(Duration::from_millis(500));
    // Not SIGINT, which a shell's background commands are started to ignore, and so all that they start.
    kill(pid(&child), Signal::SIGTERM).unwrap();
    let told = finish_within(child, Duration::from_secs(4));
    assert_eq!(told.status.code(), Some(0));
    assert!(stderr(&told).contains("SYN-RECEIVED"), "{}", stderr(&told));
}

#[test]
fn the_only_ways_out_lead_to_estab() {
    if !can_run("the_only_ways_out_lead_to_estab", &["ip"]) {
        return;
    }
    let routes = stdout(&output(estab_run(
        "",
        "ip -4 route; ip -6 route show root fd00::/8",
    )));
    assert_eq!(routes.lines().count(), 2, "{routes}");
    assert!(routes.starts_with("198.18.0.0/15 dev estab0"), "{routes}");
    assert!(routes.contains("fd00:e57a:b::/64 dev estab0"), "{routes}");
}
