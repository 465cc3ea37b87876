//! A server with made-up sockets, and clients of it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use estab_core::observe::{
    Cause, DiscardReason, Initiator, LifeId, RefusalReason, ResetReason, StateName,
};
use estab_core::{
    AcceptPolicy, Call, CallResult, CongestionState, Counters, FourTuple, Instant, LastCall,
    ListenerStatus, Outstanding, SeqNumber, Status, Timer, TimerKind,
};

use super::*;

const NOW: Instant = Instant::from_millis(100_000);

fn ago(millis: u64) -> Instant {
    Instant::from_millis(100_000 - millis)
}

fn status(life: u32, state: StateName, remote: &str) -> Status {
    let remote: SocketAddr = remote.parse().unwrap();
    let local = match remote {
        SocketAddr::V4(_) => "198.18.0.1:80",
        SocketAddr::V6(_) => "[fd00::1]:80",
    };
    Status {
        life: LifeId(life),
        tuple: FourTuple::new(local.parse().unwrap(), remote),
        state,
        entered_at: ago(12_400),
        opened_at: ago(20_000),
        is_owned: true,
        awaits_accept: false,
        first_closer: None,
        ended: None,
        ended_in: None,
        soft_error: None,
        timer: None,
        snd_una: SeqNumber(1),
        snd_nxt: SeqNumber(1),
        snd_wnd: 65_535,
        rcv_nxt: SeqNumber(1),
        rcv_wnd: 65_535,
        unread: 0,
        urgent: None,
        out_of_order: 0,
        unacknowledged: 0,
        unsent: 0,
        in_flight: 0,
        cwnd: 14_600,
        ssthresh: u32::MAX,
        congestion: CongestionState::Open,
        outstanding: Outstanding::default(),
        reordering: 3,
        rtt: Some(Duration::from_micros(121)),
        rttvar: None,
        latest_rtt: None,
        min_rtt: None,
        rto: Duration::from_millis(200),
        backoff: 0,
        doublings: 0,
        timeouts: 0,
        probes: 0,
        delayed_ack: Duration::from_millis(40),
        mss: 1460,
        peer_mss: 1460,
        advertised_mss: 1460,
        rcv_mss: 536,
        path_mtu: 1500,
        window_shifts: (7, 7),
        window_scaling: true,
        timestamps: true,
        sack: true,
        segs_in: 5,
        segs_out: 4,
        data_segs_in: 1,
        data_segs_out: 1,
        delivered: 2,
        retransmissions: 0,
        bytes_received: 78,
        bytes_acked: 1204,
        bytes_sent: 1204,
        bytes_retransmitted: 0,
        end_of_file_delivered: false,
        last_call: None,
        heard_at: ago(12_400),
        data_sent_at: ago(12_400),
        data_received_at: ago(12_400),
    }
}

fn snapshot() -> Snapshot {
    let mut established = status(2, StateName::Established, "198.18.0.2:41234");
    established.unacknowledged = 1204;
    established.backoff = 1;
    established.timer = Some(Timer {
        kind: TimerKind::Retransmission,
        at: Instant::from_millis(101_200),
    });
    let mut close_wait = status(3, StateName::CloseWait, "[fd00::2]:50000");
    close_wait.unread = 512;
    close_wait.first_closer = Some(Initiator::Peer);
    close_wait.last_call = Some(LastCall {
        call: Call::Read,
        at: ago(3_000),
        result: CallResult::Done(100),
    });
    let mut ended = status(1, StateName::Closed, "198.18.0.2:41000");
    ended.ended = Some(Cause::Reset);
    ended.first_closer = Some(Initiator::Peer);
    let mut time_wait = status(4, StateName::TimeWait, "198.18.0.2:41001");
    time_wait.timer = Some(Timer {
        kind: TimerKind::TimeWait,
        at: Instant::from_millis(147_600),
    });
    let mut counters = Counters {
        passive_opens: 1204,
        ..Counters::default()
    };
    counters.discards[DiscardReason::OutsideWindow as usize] = 12;
    counters.discards[DiscardReason::Paws as usize] = 3;
    counters.resets[ResetReason::CloseUnread as usize] = 1;
    let mut refusals = [0; RefusalReason::ALL.len()];
    refusals[RefusalReason::SynQueueFull as usize] = 5;
    Snapshot {
        now: NOW,
        statuses: vec![established, close_wait, ended, time_wait],
        listeners: vec![ListenerStatus {
            life: LifeId(9),
            address: "0.0.0.0:80".parse().unwrap(),
            accept_queue: 1,
            backlog: 128,
            policy: AcceptPolicy::Hold,
            oldest_opened_at: Some(ago(2_300)),
            half_open: 7,
            syn_backlog: 1024,
            held: 1,
            accepted: 3,
            cookies_sent: 1204,
            cookies_accepted: 2,
            cookies_failed: 1,
            refused: 5,
            refusals,
        }],
        counters,
    }
}

/// Runs `check` against a server.
fn with_server(name: &str, check: impl FnOnce(&Path)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let path = std::env::temp_dir().join(format!("estab-{}-{name}.sock", std::process::id()));
    let _guard = runtime.enter();
    let (listener, bound) = bind(&path).unwrap();
    assert_eq!(bound.path(), path);
    let server = runtime.spawn(serve(listener, snapshot));
    check(&path);
    server.abort();
    drop(bound);
    assert!(!path.exists());
}

fn args(path: &Path, filter: &str) -> SsArgs {
    SsArgs {
        control: Some(path.to_owned()),
        filter: filter.split(' ').map(str::to_owned).collect(),
        ..SsArgs::default()
    }
}

fn shown(path: &Path, filter: &str) -> String {
    show(&args(path, filter)).unwrap()
}

#[test]
fn the_table_has_the_columns_of_ss_and_more() {
    let expected = "\
State       Recv-Q  Send-Q  Local Address:Port  Peer Address:Port  Age    First-Closer  Timer
LISTEN      1       128     0.0.0.0:80          0.0.0.0:*          2.3s   -
          half-open 7 of 1,024, 1 held; hold; 3 accepted; cookies: 1,204 sent, 2 accepted, 1 failed; refused: 5 SynQueueFull
UNCONN      0       0       198.18.0.1:80       198.18.0.2:41000   12.4s  peer
          ended: RST received at exactly RCV.NXT  RFC 5961 §3.2
ESTAB       0       1204    198.18.0.1:80       198.18.0.2:41234   12.4s  -             timer:(on,1.2sec,1) sends again what is not acknowledged
CLOSE-WAIT  512     0       [fd00::1]:80        [fd00::2]:50000    12.4s  peer
          512 B unread; end of file not delivered; last call read 3s ago: 100 B
TIME-WAIT   0       0       198.18.0.1:80       198.18.0.2:41001   12.4s  -             timer:(timewait,47sec,0) ends TIME-WAIT
";
    with_server("table", |path| {
        assert_eq!(shown(path, "state all"), expected);
        let all = SsArgs {
            all: true,
            ..args(path, "")
        };
        assert_eq!(show(&all).unwrap(), expected);
    });
}

#[test]
fn without_a_filter_the_connected_are_shown() {
    with_server("default", |path| {
        let shown = shown(path, "");
        assert_eq!(shown.lines().count(), 4); // header, two sockets, one line below
        assert!(shown.contains("ESTAB") && shown.contains("CLOSE-WAIT"));
    });
}

#[test]
fn a_filter_chooses() {
    with_server("filter", |path| {
        let only = shown(path, "state close-wait sport = :80");
        assert!(only.contains("[fd00::2]:50000") && !only.contains("ESTAB"));
        assert_eq!(
            shown(path, "state last-ack").lines().count(),
            1,
            "the header alone"
        );
        let v4 = SsArgs {
            ipv4: true,
            no_header: true,
            ..args(path, "")
        };
        assert_eq!(show(&v4).unwrap().lines().count(), 1);
        let listening = SsArgs {
            listening: true,
            no_header: true,
            ..args(path, "")
        };
        assert!(show(&listening).unwrap().starts_with("LISTEN"));
    });
}

#[test]
fn json_is_an_object_a_line() {
    with_server("json", |path| {
        let json = SsArgs {
            json: true,
            ..args(path, "state close-wait")
        };
        let shown = show(&json).unwrap();
        assert_eq!(shown.lines().count(), 1);
        let socket: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(socket["kind"], "socket");
        assert_eq!(socket["state"], "CLOSE-WAIT");
        assert_eq!(socket["local"], "[fd00::1]:80");
        assert_eq!(socket["recv_q"], 512);
        assert_eq!(socket["age_ns"], 12_400_000_000u64);
        assert_eq!(socket["first_closer"], "peer");
        assert_eq!(socket["last_call"]["bytes"], 100);
        assert_eq!(socket["info"]["rtt_ns"], 121_000);
    });
}

#[test]
fn the_summary_tells_totals_and_reasons() {
    let expected = "\
Total: 4 connections, 1 listener

States
  1  LISTEN
  1  ESTABLISHED
  1  CLOSE-WAIT
  1  TIME-WAIT
  1  CLOSED

Counters
  1,204  passive_opens

Packets not used
  12  OutsideWindow  outside the receive window            RFC 9293 §3.10.7.4
   3  Paws           its timestamp is older than the last  RFC 7323 §5.3

RSTs sent
  1  CloseUnread  the application closes with data unread  RFC 2525 §2.17
";
    with_server("summary", |path| {
        let mut summary = SsArgs {
            summary: true,
            ..args(path, "")
        };
        assert_eq!(show(&summary).unwrap(), expected);
        summary.json = true;
        let json: serde_json::Value = serde_json::from_str(&show(&summary).unwrap()).unwrap();
        assert_eq!(json["states"]["TIME-WAIT"], 1);
        assert_eq!(json["discards"][0]["reason"], "OutsideWindow");
        assert_eq!(json["counts"]["passive_opens"], 1204);
    });
}

#[test]
fn nobody_there_says_what_to_do() {
    let path = std::env::temp_dir().join(format!("estab-{}-nobody.sock", std::process::id()));
    let error = show(&args(&path, "")).unwrap_err().to_string();
    assert!(error.contains("no estab is running at"), "{error}");
    assert!(error.contains("estab serve") && error.contains("--control"));
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn a_bad_filter_needs_nobody_to_answer() {
    let error = show(&args(Path::new("nowhere.sock"), "state clos-wait")).unwrap_err();
    assert!(error.to_string().starts_with("filter, column 7"));
}

#[test]
fn a_request_that_is_none_is_told_why() {
    use std::io::{Read, Write};
    with_server("request", |path| {
        for (request, why) in [
            ("{\"version\":2,\"ask\":\"sockets\"}\n", "speaks version 1"),
            ("{\"version\":1,\"ask\":\"weather\"}\n", "not a request"),
            ("GET / HTTP/1.1\n", "not a request"),
        ] {
            let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(
                answer.contains("\"error\"") && answer.contains(why),
                "{answer}"
            );
        }
    });
}

#[test]
fn a_socket_left_behind_is_replaced_and_a_live_one_is_not() {
    with_server("bind", |path| {
        let error = bind(path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    });
    let path = std::env::temp_dir().join(format!("estab-{}-stale.sock", std::process::id()));
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let error = show(&args(&path, "")).unwrap_err().to_string();
    assert!(error.contains("no estab is running"), "{error}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _guard = runtime.enter();
    let (_listener, bound) = bind(&path).unwrap();
    drop(bound);
    assert!(!path.exists());
}
