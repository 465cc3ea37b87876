//! What `-w` writes, read by tshark.

mod common;

use std::path::Path;
use std::process::Command;

use common::*;

fn tshark(capture: &Path, arguments: &[&str]) -> String {
    let output = Command::new("tshark")
        .args([
            "-o",
            "tcp.check_checksum:TRUE",
            "-o",
            "ip.check_checksum:TRUE",
            "-r",
        ])
        .arg(capture)
        .args(arguments)
        .output()
        .expect("tshark runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_three_and_a_four_segment_close_are_in_the_capture() {
    let name = "a_three_and_a_four_segment_close_are_in_the_capture";
    if !can_run(name, &["curl", "tshark", "socat"]) {
        return;
    }
    let capture = temporary("closes.pcapng");
    // The first segments of a connection are acknowledged at once, a FIN among them: four segments. After an
    // upload the ACK of curl's FIN is delayed, and ours rides on it: three.
    let script = "printf x | socat -u - TCP:198.18.0.1:9
                  sleep 0.2
                  head -c 200000 /dev/zero | curl -sS -T - http://198.18.0.1/sha256
                  sleep 0.2";
    let options = format!("-w {}", capture.display());
    let report = output(estab_run(&options, script));
    assert!(report.status.success());
    // Where the machine is slow, the kernel probes for a lost tail: its FIN comes twice.
    let fields = [
        "-Y",
        "tcp and not tcp.analysis.flags",
        "-T",
        "fields",
        "-e",
        "tcp.stream",
        "-e",
        "tcp.flags",
    ];
    let text = tshark(&capture, &fields);
    let mut closes = Vec::new();
    for stream in ["0", "1"] {
        let flags = text.lines().filter_map(|line| line.split_once('\t'));
        let own = flags.filter(|(number, _)| *number == stream);
        let bits =
            own.filter_map(|(_, bits)| u32::from_str_radix(bits.trim_start_matches("0x"), 16).ok());
        closes.push(bits.skip_while(|bits| bits & 1 == 0).count());
    }
    closes.sort_unstable();
    assert_eq!(closes, [3, 4], "{text}\n{}", stderr(&report));
    std::fs::remove_file(capture).unwrap();
}
