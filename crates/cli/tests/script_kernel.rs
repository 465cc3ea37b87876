//! `estab script --against kernel` and `--compare`: the same scripts on this machine's Linux. As root only.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{can_run, estab, output};

const OPENING: &str = "\
    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
   +0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
   +0 bind(3, ..., ...) = 0
   +0 listen(3, 1) = 0
 +.01 < S 0:0(0) win 60000 <mss 1000>
   +0 > S. 0:0(0) ack 1 <...>
";

/// Both stacks do this.
const SAME: &str = " +.01 < . 1:1(0) ack 1 win 60000
   +0 accept(3, ..., ...) = 4
 +.01 < P. 1:1001(1000) ack 1 win 60000
   +0 > . 1:1(0) ack 1001
";

/// estab returns to LISTEN without a word here, Linux resets.
const OTHER_SYN: &str = " +.01 < S 1:1(0) win 60000 <mss 1000>
 +.05 close(3) = 0
";

const DECLARATION: &str = "// linux: RST\n// why: the new incarnation would be refused\n";

/// Scripts in a directory of the test's own, gone with it.
struct Scripts(PathBuf);

impl Scripts {
    fn new(test: &str, scripts: &[(&str, String)]) -> Self {
        let directory = std::env::temp_dir().join(format!("estab-{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for (name, text) in scripts {
            fs::write(directory.join(name), text).unwrap();
        }
        Self(directory)
    }

    /// Runs `estab script` on them: its status and what it says. `None` where the kernel cannot be had.
    fn run(&self, test: &str, options: &str) -> Option<(i32, String)> {
        if !can_run(test, &[]) {
            return None;
        }
        let output = output(estab(&format!("script {options} {}", self.0.display())));
        let said = String::from_utf8(output.stdout).unwrap();
        Some((output.status.code().unwrap(), said))
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_both_do_passes_on_the_kernel_and_is_the_same() {
    let test = "what_both_do_passes_on_the_kernel_and_is_the_same";
    let scripts = Scripts::new(test, &[("same.pkt", format!("{OPENING}{SAME}"))]);
    let Some((status, said)) = scripts.run(test, "--against kernel") else {
        return;
    };
    assert!(status == 0 && said.contains("1 passed, 0 failed"), "{said}");
    let (status, said) = scripts.run(test, "--compare").unwrap();
    assert!(status == 0 && said.contains("1 the same"), "{said}");
}

#[test]
fn a_difference_fails_unless_it_is_declared() {
    let test = "a_difference_fails_unless_it_is_declared";
    let script = format!("{OPENING}{OTHER_SYN}");
    let scripts = Scripts::new(test, &[("other-syn.pkt", script.clone())]);
    let Some((status, said)) = scripts.run(test, "--compare") else {
        return;
    };
    assert!(status == 1 && said.contains("DIFFERS"), "{said}");
    assert!(said.contains("estab  all as the script says"), "{said}");
    assert!(said.contains("seen     R."), "{said}");
    let (status, said) = scripts.run(test, "--against kernel").unwrap();
    assert!(status == 1 && said.contains("1 failed"), "{said}");
    drop(scripts);

    let scripts = Scripts::new(test, &[("other-syn.pkt", format!("{DECLARATION}{script}"))]);
    let (status, said) = scripts.run(test, "--compare").unwrap();
    assert!(status == 0 && said.contains("DIFFERS (declared)"), "{said}");
    let (status, said) = scripts.run(test, "--against kernel").unwrap();
    assert!(
        status == 0 && said.contains("1 differ as declared"),
        "{said}"
    );
}

#[test]
fn a_declared_difference_that_is_not_there_fails() {
    let test = "a_declared_difference_that_is_not_there_fails";
    let script = format!("{DECLARATION}{OPENING}{SAME}");
    let scripts = Scripts::new(test, &[("same.pkt", script)]);
    for options in ["--compare", "--against kernel"] {
        let Some((status, said)) = scripts.run(test, options) else {
            return;
        };
        assert_eq!(status, 1, "{said}");
    }
}

#[test]
fn a_script_that_cannot_be_read_is_not_the_same_on_both() {
    let test = "a_script_that_cannot_be_read_is_not_the_same_on_both";
    let scripts = Scripts::new(test, &[("odd.pkt", "0 socket(\n".to_owned())]);
    let Some((status, said)) = scripts.run(test, "--compare") else {
        return;
    };
    assert!(status == 2 && said.contains("ERROR"), "{said}");
    assert!(
        said.contains("0 the same") && said.contains("1 unreadable"),
        "{said}"
    );
    let missing = output(estab("script --compare /nonexistent.pkt"));
    assert_eq!(missing.status.code(), Some(2));
    let impossible = scripts.run(test, "--compare --mtu=12").unwrap();
    assert_eq!(impossible.0, 2, "{}", impossible.1);
}

#[test]
fn a_script_that_asks_for_what_there_is_not_is_not_compared() {
    let test = "a_script_that_asks_for_what_there_is_not_is_not_compared";
    let script = format!("{OPENING}{SAME}+0 `tee /dev/null`\n");
    let scripts = Scripts::new(test, &[("shell.pkt", script)]);
    let Some((status, said)) = scripts.run(test, "--compare") else {
        return;
    };
    assert!(status == 1 && said.contains("not compared"), "{said}");
    assert!(
        said.contains("0 the same") && said.contains("1 not supported"),
        "{said}"
    );
}

#[test]
fn what_fails_alike_on_both_is_told() {
    let test = "what_fails_alike_on_both_is_told";
    let script = format!("{OPENING}{SAME}").replace("ack 1001", "ack 999");
    let scripts = Scripts::new(test, &[("wrong.pkt", script)]);
    let Some((status, said)) = scripts.run(test, "--compare -q") else {
        return;
    };
    assert!(status == 0 && said.contains("both fail"), "{said}");
    assert!(
        said.contains("line 10: ") && said.contains("ack 1001"),
        "{said}"
    );
    assert!(
        said.contains("1 the same (1 of them fail on both)"),
        "{said}"
    );
}

/// What MSG_TRUNC reads, Linux throws away: there are no bytes to hold against those that were sent. And an option's
/// name may fill no more than four bytes.
#[test]
fn what_only_linux_hands_back_is_understood() {
    let test = "what_only_linux_hands_back_is_understood";
    let script = format!(
        "{OPENING}{SAME}\
+0 recv(4, ..., 100, MSG_TRUNC) = 100
+0 setsockopt(4, SOL_TCP, TCP_CONGESTION, \"reno\", 4) = 0
+0 getsockopt(4, SOL_TCP, TCP_CONGESTION, \"reno\", [4]) = 0
+0 read(4, ..., 1000) = 900
"
    );
    let scripts = Scripts::new(test, &[("trunc.pkt", script.clone())]);
    let Some((status, said)) = scripts.run(test, "--against kernel") else {
        return;
    };
    assert_eq!(status, 0, "{said}");
    drop(scripts);
    let wrong = script.replace("\"reno\", [4]", "\"rena\", [4]");
    let scripts = Scripts::new(test, &[("name.pkt", wrong)]);
    let (status, said) = scripts.run(test, "--against kernel").unwrap();
    assert!(status == 1 && said.contains("value \"rena\""), "{said}");
}

#[test]
fn what_is_for_another_variant_is_left_out_on_both() {
    let test = "what_is_for_another_variant_is_left_out_on_both";
    let script = format!("// only: ipv6\n{OPENING}{SAME}");
    let scripts = Scripts::new(test, &[("v6.pkt", script)]);
    for options in ["--compare", "--against kernel"] {
        let Some((status, said)) = scripts.run(test, options) else {
            return;
        };
        assert!(status == 0 && said.contains("1 skipped"), "{said}");
    }
}

#[test]
fn what_takes_too_long_in_real_time_is_left_out() {
    let test = "what_takes_too_long_in_real_time_is_left_out";
    let script = format!("{OPENING} +7200 < . 1:1(0) ack 1 win 60000\n");
    let scripts = Scripts::new(test, &[("long.pkt", script)]);
    let Some((status, said)) = scripts.run(test, "--against kernel") else {
        return;
    };
    assert!(status == 0 && said.contains("1 skipped"), "{said}");
}
