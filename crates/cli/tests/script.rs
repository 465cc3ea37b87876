//! `estab script`: what is printed, and how it exits.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::*;

const GOOD: &str = "\
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 1000 <mss 1000>
+0 > S. 0:0(0) ack 1 win 65535 <mss 1460>
";

/// A directory of scripts, gone with the test.
struct Scripts(PathBuf);

impl Scripts {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("estab-script-{name}-{}", std::process::id()));
        for (file, text) in files {
            let file = path.join(file);
            fs::create_dir_all(file.parent().expect("a directory")).expect("it can be made");
            fs::write(file, text).expect("it can be written");
        }
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// Exit status, and standard output without the path and the time.
fn run(options: &str, scripts: &Scripts) -> (i32, String) {
    let path = scripts.path().display().to_string();
    let output = output(estab(&format!("script {options} {path}")));
    let status = output.status.code().expect("it exits");
    (status, stdout(&output).replace(&path, "DIR"))
}

fn without_time(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split(" (0.").next().unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn scripts_in_directories_pass_in_the_order_of_their_names() {
    let scripts = Scripts::new(
        "pass",
        &[
            ("b.pkt", GOOD),
            ("a/z.pkt", GOOD),
            ("a/notes.txt", "no script"),
        ],
    );
    let (status, text) = run("", &scripts);
    assert_eq!(status, 0);
    assert_eq!(
        without_time(&text),
        "PASS DIR/a/z.pkt\nPASS DIR/b.pkt\n2 passed, 0 failed"
    );
    let (status, text) = run("-q", &scripts);
    assert_eq!(
        (status, without_time(&text)),
        (0, "2 passed, 0 failed".to_owned())
    );
    let (_, text) = run("-v", &scripts);
    assert!(
        text.contains("LISTEN → SYN-RECEIVED: SYN received (RFC 9293"),
        "{text}"
    );
}

#[test]
fn a_failure_is_told_with_line_expectation_and_ladder() {
    let bad = GOOD.replace("win 65535", "win 4");
    let scripts = Scripts::new("fail", &[("bad.pkt", &bad), ("good.pkt", GOOD)]);
    let (status, text) = run("", &scripts);
    assert_eq!(status, 1);
    for part in [
        "FAIL DIR/bad.pkt:5: the stack sent something else\n",
        "    statement  +0 > S. 0:0(0) ack 1 win 4 <mss 1460>\n",
        "    expected   S. 0:0(0) ack 1 win 4 <mss 1460>\n",
        "    seen       S. 0:0(0) ack 1 win 65535 <mss 1460>\n",
        "               win: expected 4, was 65535\n",
        "        0.000000  < S 0:0(0) win 1000 <mss 1000>\n",
        "PASS DIR/good.pkt\n1 passed, 1 failed (",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    let (_, text) = run("-q", &scripts);
    assert_eq!(
        without_time(&text),
        "FAIL DIR/bad.pkt:5: the stack sent something else\n1 passed, 1 failed"
    );
}

/// A connection may go on behind the last packet that a script expects; nobody is told that all of it was expected.
#[test]
fn what_left_unexpected_is_told_beside_what_passed() {
    let goes_on = format!(
        "{GOOD}+.1 < . 1:1(0) ack 1 win 1000\n+0 accept(3, ..., ...) = 4\n+0 write(4, ..., 10) = 10\n"
    );
    let scripts = Scripts::new("goes-on", &[("on.pkt", &goes_on), ("good.pkt", GOOD)]);
    let (status, text) = run("", &scripts);
    assert_eq!(status, 0);
    assert_eq!(
        without_time(&text),
        "PASS DIR/good.pkt\nPASS DIR/on.pkt (1 packet left unexpected)\n2 passed, 0 failed"
    );
    let (_, text) = run("--json", &scripts);
    assert!(text.contains("\"unexpected\":1"), "{text}");
    let (status, text) = run("--strict", &scripts);
    assert_eq!(status, 1);
    assert!(
        text.contains("a packet left that the script does not expect"),
        "{text}"
    );
}

#[test]
fn a_script_is_skipped_where_it_says_that_it_is_for_others() {
    let v4 = format!("// A case.\n// only: ipv4 plain\n{GOOD}");
    let scripts = Scripts::new(
        "only",
        &[("v4.pkt", &v4), ("odd.pkt", "// only: ipv4\n0 f(\n")],
    );
    for options in ["--ip_version=ipv6", "--with-timestamps"] {
        let (status, text) = run(options, &scripts);
        assert!(
            text.contains("SKIPPED DIR/v4.pkt: is for ipv4 plain only\n"),
            "{text}"
        );
        assert!(
            text.contains("0 passed, 0 failed, 1 skipped, 1 unreadable ("),
            "{text}"
        );
        assert_eq!(status, 2);
    }
    assert!(
        run("", &scripts)
            .1
            .contains("1 passed, 0 failed, 1 unreadable")
    );
}

#[test]
fn what_cannot_be_read_exits_with_2() {
    let scripts = Scripts::new(
        "unreadable",
        &[("odd.pkt", "0 socket(\n"), ("good.pkt", GOOD)],
    );
    let (status, text) = run("", &scripts);
    assert_eq!(status, 2);
    assert!(text.contains("ERROR DIR/odd.pkt:"), "{text}");
    assert!(
        text.contains("1 passed, 0 failed, 1 unreadable ("),
        "{text}"
    );
    let (status, text) = run("--mtu=12", &scripts);
    assert_eq!(status, 2);
    assert!(
        text.contains("ERROR DIR/good.pkt: --mtu cannot be 12"),
        "{text}"
    );
    for line in [
        "script",
        "script --dialect windows x.pkt",
        "script --no-such x.pkt",
    ] {
        assert_eq!(output(estab(line)).status.code(), Some(2), "{line}");
    }
    let missing = output(estab("script /nonexistent.pkt"));
    assert_eq!(missing.status.code(), Some(2));
    assert!(stdout(&missing).contains("ERROR /nonexistent.pkt: cannot be read"));
    let empty = Scripts::new("empty", &[("readme", "")]);
    let output = output(estab(&format!("script {}", empty.path().display())));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("there is no script (*.pkt) in"));
}

/// What a script holds is not for the terminal to obey, nor to scroll by.
#[test]
fn a_scripts_control_characters_and_long_lines_are_not_for_the_terminal() {
    let escapes = "\x1b[31mHELLO\x07\n".to_owned();
    let long = format!("+0 f({}) = 0\n", "x".repeat(100_000));
    let scripts = Scripts::new("junk", &[("esc.pkt", &escapes), ("long.pkt", &long)]);
    for options in ["", "-q", "-v"] {
        let (_, text) = run(options, &scripts);
        let is_shown = |c: char| c == '\n' || !c.is_control();
        assert!(text.chars().all(is_shown), "{text:?}");
        assert!(text.lines().all(|line| line.chars().count() < 500));
    }
    let (_, text) = run("", &scripts);
    assert!(text.contains("\\u{1b}[31mHELLO\\u{7}"), "{text}");
}

#[test]
fn json_has_a_line_for_each_script_and_the_sum() {
    let bad = GOOD.replace("win 65535", "win 4");
    let scripts = Scripts::new("json", &[("bad.pkt", &bad), ("good.pkt", GOOD)]);
    let (status, text) = run("--json", &scripts);
    assert_eq!(status, 1);
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let [bad, good, sum] = lines.as_slice() else {
        panic!("three lines, not {}", lines.len());
    };
    assert_eq!(bad["verdict"], "fail");
    assert_eq!(bad["failure"]["line"], 5);
    assert_eq!(
        bad["failure"]["differences"][0],
        "win: expected 4, was 65535"
    );
    assert_eq!(good["verdict"], "pass");
    assert_eq!(good["ladder"][0]["kind"], "call");
    assert_eq!((&sum["passed"], &sum["failed"]), (&1.into(), &1.into()));
}

#[test]
fn junit_is_written_for_build_servers() {
    let bad = GOOD.replace("win 65535", "win 4");
    let scripts = Scripts::new(
        "junit",
        &[
            ("bad<.pkt", &bad),
            ("good.pkt", GOOD),
            ("odd.pkt", "0 socket(\n"),
        ],
    );
    let file = scripts.path().join("results.xml");
    let (status, _) = run(&format!("--junit {}", file.display()), &scripts);
    assert_eq!(status, 2);
    let xml = fs::read_to_string(&file).expect("it is written");
    for part in [
        "<testsuite name=\"estab script\" tests=\"3\" failures=\"1\" errors=\"1\"",
        "bad&lt;.pkt\"",
        "<failure message=\"line 5: the stack sent something else\">",
        "<error message=\"line ",
        "win: expected 4, was 65535",
    ] {
        assert!(xml.contains(part), "`{part}` is not in:\n{xml}");
    }
    let nowhere = run("--junit /nonexistent/results.xml", &scripts);
    assert_eq!(nowhere.0, 2);
}

#[test]
fn the_command_line_has_the_last_word() {
    let late = GOOD.replace("+0 > S.", "+.05 > S.");
    let script = format!("--tolerance_usecs=4000\n{late}");
    let scripts = Scripts::new("options", &[("late.pkt", &script)]);
    assert_eq!(run("", &scripts).0, 1);
    assert_eq!(run("--tolerance_usecs=60000", &scripts).0, 0);
    let defined = Scripts::new("defined", &[("d.pkt", &GOOD.replace("65535", "WINDOW"))]);
    assert_eq!(run("-D WINDOW=65535", &defined).0, 0);
    assert_eq!(run("-D WINDOW=5", &defined).0, 1);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scripts = Scripts::new("pipe", &[("a.pkt", GOOD), ("b.pkt", GOOD)]);
    let line = format!(
        "{} script -v {} | head -1",
        env!("CARGO_BIN_EXE_estab"),
        scripts.path().display()
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &line])
        .output()
        .expect("sh");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("PASS"));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
