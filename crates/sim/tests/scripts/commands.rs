//! Commands: the known ones are interpreted, and nothing else is done.

use super::*;

#[test]
fn the_known_idioms_are_interpreted() {
    passes(
        "\
`../../common/defaults.sh
../../common/set_sysctls.py /proc/sys/net/ipv4/tcp_timestamps=0 /proc/sys/net/ipv4/tcp_sack=0`
 0 `sysctl -q net.ipv4.tcp_rmem=\"4096 30000 $((100*1000))\" # a comment`
+0 `ip tcp_metrics flush all > /dev/null 2>&1; true && echo done`
+0 `tc qdisc add dev tun0 root pfifo`
+.5 `sleep 0.5`
1 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 1000 <mss 1000,sackOK,TS val 1 ecr 0,nop,wscale 7>
+0 > S. 0:0(0) ack 1 win 15000 <mss 1460,nop,wscale 1>
`/tmp/sysctl_restore_${PPID}.sh`
",
    );
}

#[test]
fn sockstat_counts_states() {
    let count = |wanted: u8| {
        server(&format!(
            "+0 `sockstat -4 -P tcp -p 8080 -s | grep packetdril | grep -c ESTABLISHED | grep {wanted}`\n"
        ))
    };
    passes(&count(1));
    fails(&count(0), 11, &["0 in ESTABLISHED", "1; all connections"]);
    passes(&server(
        "+0 `tcpdrop -s ESTABLISHED`\n+0 `sockstat -4 -P tcp -s | grep -c ESTABLISHED | grep 0`\n",
    ));
}

#[test]
fn nothing_else_is_done_and_the_script_fails_by_name() {
    let marker = std::env::temp_dir().join(format!("estab-no-shell-{}", std::process::id()));
    for command in [
        format!("touch {}", marker.display()),
        format!("true; touch {}", marker.display()),
        format!("echo x | tee {}", marker.display()),
        "tc qdisc replace dev tun0 root pfifo limit 0".to_owned(),
        "sysctl net.ipv4.tcp_sack".to_owned(),
        "sleep forever".to_owned(),
    ] {
        let report = fails(
            &server(&format!("+0 `{command}`\n")),
            11,
            &["is not understood; scripts never run a shell"],
        );
        assert!(report.failure.is_some_and(|failure| failure.is_unsupported));
    }
    assert!(!marker.exists());
}

#[test]
fn a_setting_is_echoed_into_its_file() {
    let echo = |command: &str| {
        format!(
            "\
`{command}`
 0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 1000 <mss 1000,sackOK,nop,nop>
+0 > S. 0:0(0) ack 1 <mss 1460>
"
        )
    };
    passes(&echo("echo 0 > /proc/sys/net/ipv4/tcp_sack"));
    passes(&echo(
        "echo -n \"0\" >/proc/sys/net/ipv4/tcp_sack 2>/dev/null",
    ));
    fails(
        &echo("echo 1 > /proc/sys/net/ipv4/tcp_sack"),
        6,
        &["sackOK"],
    );
    fails(
        &echo("echo 0 > /proc/sys/net/ipv4/tcp_nonesuch"),
        1,
        &["not supported: ", "net.ipv4.tcp_nonesuch"],
    );
}

#[test]
fn what_would_go_elsewhere_is_refused_by_name() {
    for (command, said) in [
        ("true > /etc/passwd", "(it writes to /etc/passwd)"),
        ("echo 0 >> /tmp/log", "(it writes to /tmp/log)"),
        ("true 2> /tmp/log", "(it writes to /tmp/log)"),
        ("true &>/tmp/log", "(it writes to /tmp/log)"),
        ("echo x > /tmp/log | grep x", "(it writes to /tmp/log)"),
        ("true < /etc/passwd", "(it reads from a file)"),
        ("true & touch x", "(it goes on in the background)"),
        ("echo $(touch x)", "(it has a command within)"),
    ] {
        let script = server(&format!("+0 `{command}`\n"));
        let report = fails(&script, 11, &[said, "scripts never run a shell"]);
        assert!(report.failure.is_some_and(|failure| failure.is_unsupported));
    }
}

#[test]
fn a_setting_without_effect_is_told() {
    let report = run(&server("+0 `sysctl -q net.ipv4.tcp_frto=0`\n"));
    assert_passed(&report);
    let told = "net.ipv4.tcp_frto = 0 changes nothing: estab has no F-RTO (RFC 5682)";
    assert_eq!(report.notes, [told]);
    assert!(report.ladder.to_string().contains(told));
}

#[test]
fn what_arrives_twice_is_reported_and_cannot_be_switched_off() {
    let script = |value: u8| {
        format!(
            "`sysctl -q net.ipv4.tcp_dsack={value}`\n{}",
            server(
                "\
+0 < P. 1:101(100) ack 1 win 257
+0 > . 1:1(0) ack 101
+0 < P. 1:101(100) ack 1 win 257
+0 > . 1:1(0) ack 101 <nop,nop,sack 1:101>
"
            )
        )
    };
    passes(&script(1));
    fails(&script(0), 1, &["estab reports what arrives twice"]);
}

#[test]
fn sysctl_passes_over_unknown_names_if_told_to() {
    passes("`sysctl -e -q net.ipv4.tcp_no_such_thing=1`\n0 `true`\n");
    passes("`sysctl -eq net.ipv4.tcp_no_such_thing=1 net.ipv4.tcp_sack=0`\n0 `true`\n");
    fails(
        "`sysctl -e net.ipv4.tcp_ecn=1`\n0 `true`\n",
        1,
        &["net.ipv4.tcp_ecn=1: "],
    );
    fails(
        "`sysctl -p net.ipv4.tcp_sack=0`\n0 `true`\n",
        1,
        &["is not understood"],
    );
}

#[test]
fn the_scripts_time_begins_behind_the_first_command() {
    passes(&format!("`sleep 1`\n{SERVER}"));
}

#[test]
fn a_setting_that_cannot_be_is_the_scripts_failure() {
    fails(
        "0 `sysctl -q net.ipv4.tcp_no_such_thing=1`\n",
        1,
        &["net.ipv4.tcp_no_such_thing"],
    );
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for (text, line, said) in [
        ("0 socket(..., = 3\n", 1, "a value"),
        ("--colour=red\n0 `true`\n", 1, "unknown option: --colour"),
    ] {
        let report = run(text);
        assert_eq!(report.verdict, Verdict::Error);
        assert_failed(&report, line, &[said]);
    }
}

#[test]
fn what_is_read_and_not_supported_is_a_failure_by_name() {
    for option in ["udp_encapsulation=tcp", "tcp_md5_secret=xyz"] {
        let report = run(&format!("--{option}\n0 `true`\n"));
        assert_eq!(report.verdict, Verdict::Fail);
        assert_failed(&report, 1, &["not supported: "]);
        assert!(report.failure.is_some_and(|failure| failure.is_unsupported));
    }
}
