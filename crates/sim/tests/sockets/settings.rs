//! Settings by their sysctl names, and the two systems' defaults.

use estab_core::SynFin;
use estab_sim::script::{Setting, Subject as _};
use estab_sim::sockets::symbols::*;
use estab_sim::sockets::{Errno, Profile};

use crate::harness::*;

/// The options of the SYN that a connect sends.
fn syn(story: &mut Story) -> Seg {
    let fd = story.nonblocking();
    assert_eq!(story.connect(fd), Err(Errno::EINPROGRESS));
    story.expect()
}

/// What a SYN says of window scaling.
fn shift(segment: &Seg) -> Option<u8> {
    let options = &segment.options;
    let at = options.windows(2).position(|pair| pair == [3, 3])?;
    options.get(at + 2).copied()
}

#[test]
fn a_syn_scales_as_the_systems_do() {
    assert_eq!(shift(&syn(&mut Story::linux())), Some(8));
    let mut story = Story::freebsd();
    let first = syn(&mut story);
    assert_eq!((shift(&first), first.window), (Some(6), 65_535));
    for (most, expected) in [("73728", 1), ("2097152", 6), ("4294967295", 14)] {
        story.bench.sysctl("kern.ipc.maxsockbuf", most).unwrap();
        assert_eq!(shift(&syn(&mut story)), Some(expected), "{most}");
    }
}

#[test]
fn options_are_offered_as_the_settings_say() {
    let mut story = Story::linux();
    let kinds = |segment: &Seg| {
        let has = |wanted: [u8; 2]| segment.options.windows(2).any(|pair| pair == wanted);
        (has([8, 10]), has([4, 2]), has([3, 3]))
    };
    assert_eq!(kinds(&syn(&mut story)), (true, true, true));
    story.bench.sysctl("net.ipv4.tcp_timestamps", "0").unwrap();
    assert_eq!(kinds(&syn(&mut story)), (false, true, true));
    let path = "/proc/sys/net/ipv4/tcp_sack";
    story.bench.sysctl(path, "0").unwrap();
    assert_eq!(kinds(&syn(&mut story)), (false, false, true));
    story
        .bench
        .sysctl("net.ipv4.tcp_window_scaling", "0")
        .unwrap();
    assert_eq!(kinds(&syn(&mut story)), (false, false, false));
    let mut story = Story::freebsd();
    story.bench.sysctl("net.inet.tcp.rfc1323", "0").unwrap();
    assert_eq!(kinds(&syn(&mut story)), (false, true, false));
}

/// FreeBSD's TCP_NOOPT; Linux has no such option.
#[test]
fn a_socket_without_options_sends_a_bare_syn() {
    let mut story = Story::freebsd();
    let fd = story.nonblocking();
    assert_eq!(story.get(fd, IPPROTO_TCP, TCP_NOOPT), Ok(0));
    assert_eq!(story.set(fd, IPPROTO_TCP, TCP_NOOPT, 1), Ok(0));
    assert_eq!(story.get(fd, IPPROTO_TCP, TCP_NOOPT), Ok(1));
    assert_eq!(story.connect(fd), Err(Errno::EINPROGRESS));
    assert!(story.expect().options.is_empty());
    let mut story = Story::linux();
    let fd = story.nonblocking();
    let refused = story.set(fd, IPPROTO_TCP, TCP_NOOPT, 1);
    assert_eq!(refused, Err(Errno::ENOPROTOOPT));
}

#[test]
fn what_estab_does_not_do_is_refused_with_what_it_does_instead() {
    let mut profile = Profile::freebsd();
    let refused = profile.sysctl("net.inet.tcp.tolerate_missing_ts", "1");
    assert!(refused.unwrap_err().contains("RFC 7323"));
    let taken = profile.sysctl("net.inet.tcp.tolerate_missing_ts", "0");
    assert_eq!(taken, Ok(()));
    assert!(profile.sysctl("net.ipv4.tcp_ecn", "1").is_err());
    assert_eq!(profile.sysctl("net.ipv4.tcp_ecn", "0"), Ok(()));
    let unknown = profile.sysctl("net.ipv4.tcp_nonsense", "1");
    assert!(unknown.unwrap_err().contains("tcp_nonsense"));
    assert!(profile.sysctl("net.ipv4.tcp_sack", "yes").is_err());
    assert!(profile.sysctl("net.ipv4.tcp_rmem", "1 2").is_err());
    let offload = Profile::setting("net.ipv4.tcp_min_tso_segs");
    assert!(matches!(offload, Setting::WithoutEffect(_)), "{offload:?}");
    let nonsense = Profile::setting("net.ipv4.tcp_nonsense");
    assert_eq!(nonsense, Setting::Unknown);
    assert_eq!(Profile::setting("net/ipv4/tcp_sack"), Setting::Known);
}

/// Both values, since scripts take back what they set.
#[test]
fn freebsds_protections_are_switched_by_their_names() {
    let mut profile = Profile::freebsd();
    let of = |profile: &Profile| {
        let config = &profile.config;
        (config.exact_resets, config.challenge_syns, config.syn_fin)
    };
    assert_eq!(of(&profile), (true, true, SynFin::Taken));
    for (value, expected) in [
        ("1", (false, false, SynFin::Dropped)),
        ("0", (true, true, SynFin::Taken)),
    ] {
        for name in ["insecure_rst", "insecure_syn", "drop_synfin"] {
            let name = format!("net.inet.tcp.{name}");
            assert_eq!(profile.sysctl(&name, value), Ok(()));
        }
        assert_eq!(of(&profile), expected);
    }
}

#[test]
fn the_defaults_of_public_scripts_are_all_taken() {
    let mut story = Story::linux();
    for (name, value) in [
        ("net.ipv4.tcp_rmem", "4096 540000 15728640"),
        ("net.ipv4.tcp_wmem", "4096 262144 4194304"),
        ("net.ipv4.tcp_timestamps", "1"),
        ("net.ipv4.tcp_syn_retries", "5"),
        ("net.ipv4.tcp_synack_retries", "5"),
        ("net.ipv4.tcp_frto", "2"),
        ("net.ipv4.tcp_sack", "1"),
        ("net.ipv4.tcp_dsack", "1"),
        ("net.ipv4.tcp_fack", "0"),
        ("net.ipv4.tcp_reordering", "3"),
        ("net.ipv4.tcp_congestion_control", "cubic"),
        ("net.ipv4.tcp_slow_start_after_idle", "0"),
        ("net.ipv4.tcp_early_retrans", "4"),
        ("net.ipv4.tcp_recovery", "1"),
        ("net.ipv4.tcp_tso_win_divisor", "3"),
        ("net.ipv4.tcp_ecn", "0"),
        ("net.ipv4.tcp_ecn_option", "2"),
        ("net.ipv4.tcp_pacing_ss_ratio", "200"),
        ("net.ipv4.tcp_pacing_ca_ratio", "120"),
        ("net.ipv4.tcp_notsent_lowat", "4294967295"),
        ("net.ipv4.tcp_fastopen", "0x70403"),
        (
            "net.ipv4.tcp_fastopen_key",
            "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4",
        ),
        ("net.ipv4.tcp_syncookies", "1"),
    ] {
        assert_eq!(story.bench.sysctl(name, value), Ok(()), "{name}");
    }
    let fd = story.socket();
    assert_eq!(story.get(fd, SOL_SOCKET, SO_RCVBUF), Ok(540_000));
    assert_eq!(story.get(fd, SOL_SOCKET, SO_SNDBUF), Ok(262_144));
    assert_eq!(shift(&syn(&mut story)), Some(8));
}

#[test]
fn the_profile_of_linux_is_that_of_public_scripts() {
    let mut told = Profile::linux();
    let fresh = format!("{told:?}");
    told.sysctl("net.ipv4.tcp_rmem", "4096 540000 15728640")
        .unwrap();
    told.sysctl("net.ipv4.tcp_wmem", "4096 262144 4194304")
        .unwrap();
    assert_eq!(format!("{told:?}"), fresh);
}
