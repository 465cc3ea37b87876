//! Settings by the names that Linux and FreeBSD have for them.

use std::time::Duration;

use estab_core::{Algorithm, SynCookies, SynFin};

use super::Profile;
use crate::script::Setting;

/// What becomes of a setting.
enum Effect {
    /// It changes the profile.
    Number(fn(&mut Profile, i64)),
    /// It has three numbers.
    Triple(fn(&mut Profile, [i64; 3])),
    /// It is a name.
    Word(fn(&mut Profile, &str) -> Result<(), String>),
    /// estab does what these values ask for, whatever was set before; other values are refused with a sentence
    /// that says what it does instead.
    Always(&'static [i64], &'static str),
    /// Any value will do: the sentence says why nothing depends on it.
    Any(&'static str),
}

use Effect::{Always, Any, Number, Triple, Word};

impl Profile {
    /// Changes a setting by its sysctl name; `/proc/sys/net/ipv4/tcp_sack` is understood, too.
    ///
    /// # Errors
    /// That nobody knows the name, that the value is none, or what estab does instead.
    pub fn sysctl(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (dotted, effect) = find(name);
        let Some(effect) = effect else {
            return Err(format!("estab knows no setting {dotted}"));
        };
        let value = value.trim().trim_matches('"');
        let number = || number(value).ok_or_else(|| format!("{dotted}: {value:?} is no number"));
        match effect {
            Number(set) => set(self, number()?),
            Triple(set) => {
                let numbers: Option<Vec<_>> = value.split_whitespace().map(self::number).collect();
                let numbers = numbers.and_then(|numbers| <[i64; 3]>::try_from(numbers).ok());
                let numbers =
                    numbers.ok_or_else(|| format!("{dotted}: {value:?} is not three numbers"))?;
                set(self, numbers);
            }
            Word(set) => set(self, value).map_err(|why| format!("{dotted}={value}: {why}"))?,
            Always(values, instead) => {
                if !values.contains(&number()?) {
                    return Err(format!("{dotted}={value}: {instead}"));
                }
            }
            Any(_) => {}
        }
        Ok(())
    }

    /// What a setting is to estab.
    #[must_use]
    pub fn setting(name: &str) -> Setting {
        match find(name).1 {
            None => Setting::Unknown,
            Some(Any(why)) => Setting::WithoutEffect(why),
            Some(_) => Setting::Known,
        }
    }
}

/// A setting's name with dots, and what becomes of it.
fn find(name: &str) -> (String, Option<&'static Effect>) {
    let dotted = name.strip_prefix("/proc/sys/").unwrap_or(name);
    let dotted = dotted.replace('/', ".");
    let known = TABLE.iter().find(|(known, _)| *known == dotted);
    (dotted, known.map(|(_, effect)| effect))
}

fn number(word: &str) -> Option<i64> {
    match word.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

fn small(value: i64) -> u8 {
    u8::try_from(value.max(0)).unwrap_or(u8::MAX)
}

fn size(value: i64) -> usize {
    usize::try_from(value).unwrap_or(0)
}

fn seconds(value: i64) -> Duration {
    Duration::from_secs(value.unsigned_abs())
}

fn millis(value: i64) -> Duration {
    Duration::from_millis(value.unsigned_abs())
}

fn congestion(profile: &mut Profile, name: &str) -> Result<(), String> {
    profile.config.congestion = match name {
        "cubic" => Algorithm::Cubic,
        "reno" | "newreno" => Algorithm::NewReno,
        _ => return Err("estab has cubic and reno".to_owned()),
    };
    Ok(())
}

/// What says why nothing depends on a setting.
const NO_CACHE: &str = "estab remembers nothing of a peer from one connection to the next";
const NO_FAST_OPEN: &str = "estab has no TCP Fast Open: a SYN carries no data and no cookie";
const NO_PACING: &str = "estab does not pace";
const NO_OFFLOAD: &str = "estab sends single segments";
const NO_ECN: &str = "estab does not negotiate ECN";
const NO_UDP: &str = "estab does not tunnel through UDP";

/// Every setting that means something here.
const TABLE: &[(&str, Effect)] = &[
    // Linux.
    (
        "net.ipv4.tcp_rmem",
        Triple(|profile, [_, default, most]| {
            profile.receive_buffer = size(default);
            profile.config.max_receive_buffer = size(most);
            profile.rmem_max = size(most);
        }),
    ),
    (
        "net.ipv4.tcp_wmem",
        Triple(|profile, [_, default, most]| {
            profile.send_buffer = size(default);
            profile.wmem_max = size(most);
        }),
    ),
    ("net.core.rmem_max", Number(|p, v| p.rmem_max = size(v))),
    ("net.core.wmem_max", Number(|p, v| p.wmem_max = size(v))),
    ("net.core.somaxconn", Number(|p, v| p.somaxconn = size(v))),
    (
        "net.ipv4.tcp_timestamps",
        Number(|p, v| p.config.timestamps = v != 0),
    ),
    ("net.ipv4.tcp_sack", Number(|p, v| p.config.sack = v != 0)),
    (
        "net.ipv4.tcp_window_scaling",
        Number(|p, v| p.config.window_scaling = v != 0),
    ),
    (
        "net.ipv4.tcp_syn_retries",
        Number(|p, v| p.config.syn_retries = small(v)),
    ),
    (
        "net.ipv4.tcp_synack_retries",
        Always(&[5], "estab sends a SYN,ACK again five times"),
    ),
    (
        "net.ipv4.tcp_retries1",
        Any("estab asks for no other route after some retries"),
    ),
    (
        "net.ipv4.tcp_retries2",
        Number(|p, v| p.config.data_retries = small(v)),
    ),
    (
        "net.ipv4.tcp_orphan_retries",
        Number(|p, v| p.config.orphan_retries = if v == 0 { 8 } else { small(v) }),
    ),
    (
        "net.ipv4.tcp_fin_timeout",
        Number(|p, v| p.config.fin_wait_2 = seconds(v)),
    ),
    (
        "net.ipv4.tcp_keepalive_time",
        Number(|p, v| p.keep_alive.idle = seconds(v)),
    ),
    (
        "net.ipv4.tcp_keepalive_intvl",
        Number(|p, v| p.keep_alive.interval = seconds(v)),
    ),
    (
        "net.ipv4.tcp_keepalive_probes",
        Number(|p, v| p.keep_alive.count = small(v)),
    ),
    ("net.ipv4.tcp_congestion_control", Word(congestion)),
    (
        "net.ipv4.tcp_rfc1337",
        Number(|p, v| p.config.reset_ends_time_wait = v == 0),
    ),
    (
        "net.ipv4.tcp_notsent_lowat",
        Number(|p, v| {
            p.not_sent_low_water = if v >= u32::MAX.into() {
                usize::MAX
            } else {
                size(v)
            };
        }),
    ),
    (
        "net.ipv4.ip_local_port_range",
        Word(|profile, range| {
            let mut ends = range.split_whitespace().map(str::parse);
            match (ends.next(), ends.next()) {
                (Some(Ok(first)), Some(Ok(last))) if first <= last => {
                    profile.config.ephemeral_ports = first..=last;
                    Ok(())
                }
                _ => Err("two ports are needed".to_owned()),
            }
        }),
    ),
    ("net.ipv4.tcp_ecn", Always(&[0, 2], NO_ECN)),
    ("net.ipv4.tcp_ecn_option", Any(NO_ECN)),
    ("net.ipv4.tcp_ecn_fallback", Any(NO_ECN)),
    (
        "net.ipv4.tcp_abort_on_overflow",
        Always(&[0], "a child for which there is no room waits"),
    ),
    (
        "net.ipv4.tcp_adv_win_scale",
        Always(
            &[1],
            "estab offers half of the receive buffer as Linux counts it",
        ),
    ),
    (
        "net.ipv4.tcp_moderate_rcvbuf",
        Any("estab's receive buffers have one size"),
    ),
    ("net.ipv4.tcp_min_tso_segs", Any(NO_OFFLOAD)),
    ("net.ipv4.tcp_tso_win_divisor", Any(NO_OFFLOAD)),
    ("net.ipv4.tcp_tso_rtt_log", Any(NO_OFFLOAD)),
    (
        "net.ipv4.tcp_autocorking",
        Any("estab writes what it may at once"),
    ),
    ("net.ipv4.tcp_pacing_ss_ratio", Any(NO_PACING)),
    ("net.ipv4.tcp_pacing_ca_ratio", Any(NO_PACING)),
    ("net.ipv4.tcp_no_metrics_save", Any(NO_CACHE)),
    ("net.ipv4.tcp_metrics_save", Any(NO_CACHE)),
    (
        "net.ipv4.tcp_syncookies",
        Number(|profile, mode| {
            profile.config.syn_cookies = match mode {
                0 => SynCookies::Off,
                2.. => SynCookies::Always,
                _ => SynCookies::Auto,
            };
        }),
    ),
    (
        "net.ipv4.tcp_max_syn_backlog",
        Number(|profile, most| profile.config.max_syn_received = size(most)),
    ),
    ("net.ipv4.tcp_frto", Any("estab has no F-RTO (RFC 5682)")),
    ("net.ipv4.tcp_fack", Always(&[0], "estab has no FACK")),
    (
        "net.ipv4.tcp_dsack",
        Always(&[1], "estab reports what arrives twice (RFC 2883)"),
    ),
    (
        "net.ipv4.tcp_reordering",
        Always(&[3], "three duplicate ACKs are a loss"),
    ),
    (
        "net.ipv4.tcp_slow_start_after_idle",
        Number(|p, v| p.config.slow_start_after_idle = v != 0),
    ),
    (
        "net.ipv4.tcp_early_retrans",
        Any("estab sends no tail loss probes"),
    ),
    ("net.ipv4.tcp_recovery", Any("estab has no RACK yet")),
    (
        "net.ipv4.tcp_thin_linear_timeouts",
        Always(&[0], "estab backs off exponentially"),
    ),
    (
        "net.ipv4.tcp_mtu_probing",
        Always(&[0], "estab sends no probes of the path MTU"),
    ),
    (
        "net.ipv4.tcp_tw_reuse",
        Always(&[0, 2], "connect never takes a port in TIME-WAIT"),
    ),
    (
        "net.ipv4.tcp_invalid_ratelimit",
        Always(&[500], "challenge ACKs come twice a second at most"),
    ),
    ("net.ipv4.tcp_fastopen", Any(NO_FAST_OPEN)),
    ("net.ipv4.tcp_fastopen_key", Any(NO_FAST_OPEN)),
    ("net.ipv4.tcp_fastopen_cookies", Any(NO_FAST_OPEN)),
    // FreeBSD.
    (
        "net.inet.tcp.rfc1323",
        Number(|p, v| {
            p.config.timestamps = matches!(v, 1 | 3);
            p.config.window_scaling = matches!(v, 1 | 2);
        }),
    ),
    (
        "net.inet.tcp.sack.enable",
        Number(|p, v| p.config.sack = v != 0),
    ),
    (
        "net.inet.tcp.recvspace",
        Number(|p, v| p.receive_buffer = size(v)),
    ),
    (
        "net.inet.tcp.sendspace",
        Number(|p, v| p.send_buffer = size(v)),
    ),
    (
        "kern.ipc.maxsockbuf",
        Number(|p, v| {
            p.max_socket_buffer = size(v);
            p.config.max_receive_buffer = size(v);
        }),
    ),
    (
        "net.inet.tcp.delacktime",
        Number(|p, v| p.config.delayed_ack = millis(v)),
    ),
    (
        "net.inet.tcp.keepidle",
        Number(|p, v| p.keep_alive.idle = millis(v)),
    ),
    (
        "net.inet.tcp.keepintvl",
        Number(|p, v| p.keep_alive.interval = millis(v)),
    ),
    (
        "net.inet.tcp.keepcnt",
        Number(|p, v| p.keep_alive.count = small(v)),
    ),
    (
        "net.inet.tcp.keepinit",
        Number(|p, v| p.connect_timeout = Some(millis(v))),
    ),
    (
        "net.inet.tcp.finwait2_timeout",
        Number(|p, v| p.config.fin_wait_2 = millis(v)),
    ),
    (
        "net.inet.tcp.msl",
        Number(|p, v| p.config.time_wait = millis(v) * 2),
    ),
    (
        "net.inet.tcp.rexmit_initial",
        Number(|p, v| p.config.rto.initial = millis(v)),
    ),
    (
        "net.inet.tcp.rexmit_slop",
        Number(|p, v| p.config.rto.min = millis(v) + Duration::from_millis(30)),
    ),
    ("net.inet.tcp.cc.algorithm", Word(congestion)),
    (
        "net.inet.tcp.rexmit_drop_options",
        Always(&[0], "estab offers its options with every SYN"),
    ),
    (
        "net.inet.tcp.insecure_rst",
        Number(|p, v| p.config.exact_resets = v == 0),
    ),
    (
        "net.inet.tcp.insecure_syn",
        Number(|p, v| p.config.challenge_syns = v == 0),
    ),
    (
        "net.inet.tcp.drop_synfin",
        Number(|p, v| {
            p.config.syn_fin = if v == 0 {
                SynFin::Taken
            } else {
                SynFin::Dropped
            };
        }),
    ),
    (
        "net.inet.tcp.icmp_may_rst",
        Always(
            &[1],
            "an ICMP error ends a connection that is being opened (RFC 5461 §4)",
        ),
    ),
    (
        "net.inet.tcp.blackhole",
        Always(&[0], "a segment for nobody draws a RST"),
    ),
    ("net.inet.tcp.ecn.enable", Always(&[0, 2], NO_ECN)),
    ("net.inet.tcp.ecn.maxretries", Any(NO_ECN)),
    (
        "net.inet.tcp.syncookies",
        Number(|profile, on| {
            profile.config.syn_cookies = match (on, profile.config.syn_cookies) {
                (0, _) => SynCookies::Off,
                (_, SynCookies::Always) => SynCookies::Always,
                _ => SynCookies::Auto,
            };
        }),
    ),
    (
        "net.inet.tcp.syncookies_only",
        Number(|profile, on| {
            profile.config.syn_cookies = match (on, profile.config.syn_cookies) {
                (0, SynCookies::Off) => SynCookies::Off,
                (0, _) => SynCookies::Auto,
                _ => SynCookies::Always,
            };
        }),
    ),
    ("net.inet.tcp.hostcache.purgenow", Any(NO_CACHE)),
    ("net.inet.tcp.hostcache.purge", Any(NO_CACHE)),
    ("net.inet.tcp.hostcache.enable", Any(NO_CACHE)),
    (
        "net.inet.tcp.path_mtu_discovery",
        Always(&[1], "estab believes ICMP that a segment was too big"),
    ),
    (
        "net.inet.tcp.pmtud_blackhole_detection",
        Always(&[0], "estab does not look for black holes of the path MTU"),
    ),
    (
        "net.inet.tcp.pmtud_blackhole_mss",
        Any("estab does not look for black holes"),
    ),
    (
        "net.inet.tcp.v6pmtud_blackhole_mss",
        Any("estab does not look for black holes"),
    ),
    (
        "net.inet.tcp.mssdflt",
        Always(&[536], "a peer that says nothing gets 536 bytes"),
    ),
    (
        "net.inet.tcp.v6mssdflt",
        Always(&[1220], "a peer that says nothing gets 1220 bytes"),
    ),
    (
        "net.inet.tcp.tolerate_missing_ts",
        Always(
            &[0],
            "a segment without the agreed timestamps is dropped (RFC 7323 §3.2)",
        ),
    ),
    (
        "net.inet.tcp.fastopen.client_enable",
        Always(&[0], NO_FAST_OPEN),
    ),
    (
        "net.inet.tcp.fastopen.server_enable",
        Always(&[0], NO_FAST_OPEN),
    ),
    ("net.inet.tcp.udp_tunneling_port", Always(&[0], NO_UDP)),
    ("net.inet.tcp.udp_tunneling_overhead", Any(NO_UDP)),
    (
        "net.inet.tcp.recvbuf_auto",
        Any("estab's buffers have one size"),
    ),
    (
        "net.inet.tcp.sendbuf_auto",
        Any("estab's buffers have one size"),
    ),
    ("net.inet.tcp.tso", Any(NO_OFFLOAD)),
    ("net.inet.tcp.functions_default", Any("estab has one stack")),
];
