//! The kernel as a script's subject: it is there, answers, blocks and wakes, and leaves nothing behind. Each test has
//! a network namespace of its own, as root only.
#![cfg(target_os = "linux")]

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use estab_sim::differ::hunt;
use estab_sim::kernel::{Kernel, KernelError, Network};
use estab_sim::script::{CallId, Subject as _};
use estab_sim::sockets::{Call, Errno, Fd, OptionValue, Output, Returned};
use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::icmpv6::DestUnreachableCode;
use etherparse::{Icmpv4Type, Icmpv6Type, PacketBuilder, SlicedPacket, TcpHeader, TransportSlice};

const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;
const SOCK_STREAM: i32 = 1;
const SOCK_NONBLOCK: i32 = 0o4000;
const ECONNREFUSED: Errno = Errno(111);
const EINPROGRESS: Errno = Errno(115);
const ESTABLISHED: i64 = 1;

/// How long an answer may take: stalls of a busy machine are no failures.
const SOON: Duration = Duration::from_secs(5);
/// For what should not come.
const A_WHILE: Duration = Duration::from_millis(20);

/// Held by the tests that share the process, and alone by the one that looks at its threads.
static OTHERS: RwLock<()> = RwLock::new(());

/// One test's kernel, seen from its peer.
struct Scene {
    kernel: Kernel,
    local: SocketAddr,
    remote: SocketAddr,
}

/// What a segment looks like without its options.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    flags: &'static str,
    seq: u32,
    ack: u32,
    len: usize,
}

/// Plays a story over IPv4, then over IPv6.
fn play(name: &str, story: impl Fn(Scene)) {
    play_in(name, &Network::default(), story);
}

fn play_in(name: &str, network: &Network, story: impl Fn(Scene)) {
    let shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    perform(name, network, story);
    drop(shared);
}

fn perform(name: &str, network: &Network, story: impl Fn(Scene)) {
    for (local, remote) in [
        ("192.168.0.2:8080", "192.0.2.1:40000"),
        ("[fd3d:fa7b:d17d::2]:8080", "[2001:db8::1]:40000"),
    ] {
        let kernel = match Kernel::new(network) {
            Err(KernelError::Namespace(why)) => return skip(name, &why.to_string()),
            made => made.expect("a network in a namespace of its own"),
        };
        story(Scene {
            kernel,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
        });
    }
}

/// Says that a test could not be made, also in the log of `cargo xtask test`.
fn skip(name: &str, why: &str) {
    println!("skipped: {name}: {why}");
    if let Some(log) = std::env::var_os("ESTAB_SKIP_LOG") {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(log);
        if let Ok(mut file) = file {
            let _ = writeln!(file, "{name}: {why}");
        }
    }
}

impl Scene {
    /// A call that ends at once.
    #[track_caller]
    fn call(&mut self, call: Call) -> Returned {
        let text = format!("{call:?}");
        let id = self.kernel.call(call);
        let outcome = self.kernel.outcome(id);
        outcome.unwrap_or_else(|| panic!("{text} blocks")).returned
    }

    #[track_caller]
    fn ok(&mut self, call: Call) -> i64 {
        let text = format!("{call:?}");
        let returned = self.call(call);
        assert_eq!(returned.errno, None, "{text}");
        returned.value
    }

    /// A call that blocks.
    #[track_caller]
    fn blocked(&mut self, call: Call) -> CallId {
        let text = format!("{call:?}");
        let id = self.kernel.call(call);
        let outcome = self.kernel.outcome(id);
        assert_eq!(outcome, None, "{text} does not block");
        id
    }

    /// What came of a call that has blocked.
    #[track_caller]
    fn woken(&mut self, id: CallId) -> Returned {
        let until = self.kernel.now() + SOON;
        while self.kernel.now() < until {
            if let Some(outcome) = self.kernel.outcome(id) {
                return outcome.returned;
            }
            let next = self.kernel.now() + Duration::from_millis(1);
            self.kernel.wait(next);
        }
        panic!("the call still blocks");
    }

    fn socket(&mut self, kind: i32) -> Fd {
        let domain = if self.local.is_ipv4() {
            AF_INET
        } else {
            AF_INET6
        };
        let socket = Call::Socket {
            domain,
            kind,
            protocol: 0,
        };
        self.ok(socket).try_into().unwrap()
    }

    fn listener(&mut self) -> Fd {
        let fd = self.socket(SOCK_STREAM);
        let address = self.local;
        self.ok(Call::Bind { fd, address });
        self.ok(Call::Listen { fd, backlog: 5 });
        fd
    }

    /// A packet of the peer's, its checksums right.
    fn packet(&self, header: &TcpHeader, payload: &[u8]) -> Vec<u8> {
        let builder = match (self.remote.ip(), self.local.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                PacketBuilder::ipv6(from.octets(), to.octets(), 64)
            }
            _ => unreachable!("one family a scene"),
        };
        let builder = builder.tcp_header(header.clone());
        let mut packet = vec![0; builder.size(payload.len())];
        builder.write_to_slice(&mut packet, payload).unwrap();
        packet
    }

    fn send(&mut self, flags: &str, seq: u32, ack: u32, payload: &[u8]) {
        let mut header = TcpHeader::new(self.remote.port(), self.local.port(), seq, 65535);
        header.acknowledgment_number = ack;
        header.syn = flags.contains('S');
        header.ack = flags.contains('.');
        header.fin = flags.contains('F');
        header.rst = flags.contains('R');
        let packet = self.packet(&header, payload);
        self.kernel.inject(&packet);
    }

    /// The next segment.
    #[track_caller]
    fn seen(&mut self) -> Seen {
        let until = self.kernel.now() + SOON;
        let sent = self.kernel.next_packet(until).expect("a packet leaves");
        let sliced = SlicedPacket::from_ip(&sent.packet).unwrap();
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
            panic!("no TCP: {:?}", sliced.transport);
        };
        let flags = match (tcp.syn(), tcp.ack(), tcp.fin(), tcp.rst()) {
            (true, false, false, false) => "S",
            (true, true, false, false) => "S.",
            (false, true, true, false) => "F.",
            (false, true, false, false) => ".",
            (false, _, false, true) => "R",
            other => panic!("{other:?}"),
        };
        Seen {
            flags,
            seq: tcp.sequence_number(),
            ack: tcp.acknowledgment_number(),
            len: tcp.payload().len(),
        }
    }

    #[track_caller]
    fn nothing_leaves(&mut self) {
        let until = self.kernel.now() + A_WHILE;
        assert_eq!(self.kernel.next_packet(until), None);
    }

    /// A connection that the peer opened: its socket, and the kernel's first sequence number.
    fn accepted(&mut self) -> (Fd, u32) {
        let fd = self.listener();
        self.send("S", 100, 0, b"");
        let syn_ack = self.seen();
        assert_eq!((syn_ack.flags, syn_ack.ack), ("S.", 101));
        self.send(".", 101, syn_ack.seq.wrapping_add(1), b"");
        let accepted = self.ok(Call::Accept { fd, flags: 0 });
        (accepted.try_into().unwrap(), syn_ack.seq.wrapping_add(1))
    }

    fn states(&mut self) -> Vec<String> {
        let mut states: Vec<_> = self
            .kernel
            .states()
            .into_iter()
            .map(|(state, _)| state)
            .collect();
        states.sort();
        states
    }
}

fn receive(fd: Fd) -> Call {
    Call::Receive {
        fd,
        len: 1000,
        flags: 0,
    }
}

#[test]
fn accept_and_read_block_until_the_peer_acts() {
    play("accept_and_read_block_until_the_peer_acts", |mut scene| {
        let listener = scene.listener();
        let accept = scene.blocked(Call::Accept {
            fd: listener,
            flags: 0,
        });
        scene.send("S", 100, 0, b"");
        let syn_ack = scene.seen();
        assert_eq!((syn_ack.flags, syn_ack.ack), ("S.", 101));
        let next = syn_ack.seq.wrapping_add(1);
        scene.send(".", 101, next, b"");
        let accepted = scene.woken(accept);
        assert_eq!(accepted.output, Output::Address(scene.remote));
        let fd = accepted.value.try_into().unwrap();

        let read = scene.blocked(receive(fd));
        scene.send(".", 101, next, b"hello");
        let bytes = Output::Bytes(b"hello".to_vec(), 0);
        assert_eq!(scene.woken(read), Returned::with(5, bytes));
        let seen = scene.seen();
        assert_eq!((seen.flags, seen.ack), (".", 106));

        let info = scene.kernel.tcp_info(fd).unwrap();
        assert_eq!((info.state, info.bytes_received), (ESTABLISHED, 5));
        let default = if scene.local.is_ipv4() { 536 } else { 1220 };
        assert_eq!(info.snd_mss, default, "the SYN had no MSS option");
        assert_eq!(scene.states(), ["ESTAB", "LISTEN"]);
        assert_eq!(scene.kernel.tcp_info(9999), None);
    });
}

#[test]
fn connect_blocks_until_the_peer_answers_or_refuses() {
    play(
        "connect_blocks_until_the_peer_answers_or_refuses",
        |mut scene| {
            let fd = scene.socket(SOCK_STREAM);
            let (address, local) = (Some(scene.remote), scene.local);
            scene.ok(Call::Bind { fd, address: local });
            let connect = scene.blocked(Call::Connect { fd, address });
            let syn = scene.seen();
            assert_eq!(syn.flags, "S");
            let next = syn.seq.wrapping_add(1);
            scene.send("S.", 500, next, b"");
            assert_eq!(scene.woken(connect), Returned::ok(0));
            let ack = scene.seen();
            assert_eq!((ack.flags, ack.seq, ack.ack), (".", next, 501));
            let name = scene.call(Call::Name { fd, peer: true });
            assert_eq!(name.output, Output::Address(scene.remote));
            scene.send("R.", 501, next, b"");
            scene.ok(Call::Close { fd });

            let fd = scene.socket(SOCK_STREAM | SOCK_NONBLOCK);
            scene.ok(Call::Bind { fd, address: local });
            let returned = scene.call(Call::Connect { fd, address });
            assert_eq!(returned, Returned::error(EINPROGRESS));
            let syn = scene.seen();
            scene.send("R.", 0, syn.seq.wrapping_add(1), b"");
            let returned = scene.call(Call::GetOption {
                fd,
                level: 1,
                name: 4,
                len: 4,
            });
            let error = OptionValue::Int(ECONNREFUSED.0);
            assert_eq!(returned.output, Output::Option(error));
        },
    );
}

#[test]
fn an_icmp_message_about_a_syn_refuses_the_connection() {
    play(
        "an_icmp_message_about_a_syn_refuses_the_connection",
        |mut scene| {
            let fd = scene.socket(SOCK_STREAM);
            let address = Some(scene.remote);
            let connect = scene.blocked(Call::Connect { fd, address });
            let until = scene.kernel.now() + SOON;
            let syn = scene.kernel.next_packet(until).unwrap().packet;
            let mut message = [0; 200];
            let mut room = &mut message[..];
            match (scene.remote.ip(), scene.local.ip()) {
                (IpAddr::V4(from), IpAddr::V4(to)) => {
                    let kind = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::Port);
                    let builder = PacketBuilder::ipv4(from.octets(), to.octets(), 64).icmpv4(kind);
                    let len = builder.size(syn.len());
                    room = &mut room[..len];
                    builder.write_to_slice(room, &syn).unwrap();
                }
                (IpAddr::V6(from), IpAddr::V6(to)) => {
                    let kind = Icmpv6Type::DestinationUnreachable(DestUnreachableCode::Port);
                    let builder = PacketBuilder::ipv6(from.octets(), to.octets(), 64).icmpv6(kind);
                    let len = builder.size(syn.len());
                    room = &mut room[..len];
                    builder.write_to_slice(room, &syn).unwrap();
                }
                _ => unreachable!("one family a scene"),
            }
            scene.kernel.inject(room);
            assert_eq!(scene.woken(connect), Returned::error(ECONNREFUSED));
        },
    );
}

#[test]
fn what_is_written_leaves_in_segments_of_the_mtu() {
    let network = Network {
        mtu: 1300,
        ..Network::default()
    };
    play_in(
        "what_is_written_leaves_in_segments_of_the_mtu",
        &network,
        |mut scene| {
            let fd = scene.listener();
            let mut header = TcpHeader::new(scene.remote.port(), scene.local.port(), 100, 65535);
            header.syn = true;
            header.set_options_raw(&[2, 4, 0x22, 0x60]).unwrap(); // mss 8800
            let syn = scene.packet(&header, b"");
            scene.kernel.inject(&syn);
            let next = scene.seen().seq.wrapping_add(1);
            scene.send(".", 101, next, b"");
            let fd = scene.ok(Call::Accept { fd, flags: 0 });
            let sent = scene.ok(Call::Send {
                fd: fd.try_into().unwrap(),
                data: vec![7; 3000],
                flags: 0,
                address: None,
            });
            assert_eq!(sent, 3000);
            let mss = if scene.local.is_ipv4() { 1260 } else { 1240 };
            let lengths = [scene.seen().len, scene.seen().len, scene.seen().len];
            assert_eq!(lengths, [mss, mss, 3000 - 2 * mss]);
        },
    );
}

#[test]
fn a_setting_is_that_of_the_namespace() {
    play("a_setting_is_that_of_the_namespace", |mut scene| {
        let syn_len = |scene: &mut Scene| {
            let fd = scene.socket(SOCK_STREAM | SOCK_NONBLOCK);
            let address = Some(scene.remote);
            scene.call(Call::Connect { fd, address });
            let until = scene.kernel.now() + SOON;
            let len = scene.kernel.next_packet(until).unwrap().packet.len();
            scene.ok(Call::Close { fd });
            len
        };
        let with = syn_len(&mut scene);
        scene.kernel.sysctl("net.ipv4.tcp_timestamps", "0").unwrap();
        let without = syn_len(&mut scene);
        assert_eq!(
            with - without,
            8,
            "ten bytes; the two of sackOK no longer share their word"
        );
        let refusal = scene.kernel.sysctl("net.inet.tcp.sack.enable", "1");
        assert!(refusal.unwrap_err().contains("FreeBSD"));
        let outside = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_timestamps");
        assert_eq!(outside.unwrap().trim(), "1");
    });
}

#[test]
fn sockets_have_the_congestion_control_that_was_set() {
    play(
        "sockets_have_the_congestion_control_that_was_set",
        |mut scene| {
            let of_a_new_socket = |scene: &mut Scene| {
                let fd = scene.socket(SOCK_STREAM);
                let answer = scene.call(Call::GetOption {
                    fd,
                    level: 6,
                    name: 13,
                    len: 16,
                });
                let Output::Option(OptionValue::Bytes(name)) = answer.output else {
                    panic!("{answer:?}");
                };
                String::from_utf8(name)
                    .unwrap()
                    .trim_end_matches('\0')
                    .to_owned()
            };
            assert_eq!(of_a_new_socket(&mut scene), "cubic");
            let name = "net.ipv4.tcp_congestion_control";
            scene.kernel.sysctl(name, "reno").unwrap();
            assert_eq!(of_a_new_socket(&mut scene), "reno");
            let refusal = scene.kernel.sysctl(name, "fastest").unwrap_err();
            assert!(refusal.contains("reno"), "{refusal}");
            assert_eq!(of_a_new_socket(&mut scene), "reno");
        },
    );
}

#[test]
fn a_state_is_dropped_without_a_word() {
    play("a_state_is_dropped_without_a_word", |mut scene| {
        let (fd, _) = scene.accepted();
        let read = scene.blocked(receive(fd));
        scene.kernel.drop_state("ESTABLISHED");
        assert!(scene.woken(read).errno.is_some());
        scene.nothing_leaves();
        assert_eq!(scene.states(), ["LISTEN"]);
    });
}

#[test]
fn time_wait_and_half_open_connections_are_listed() {
    play(
        "time_wait_and_half_open_connections_are_listed",
        |mut scene| {
            let (fd, next) = scene.accepted();
            scene.ok(Call::Close { fd });
            assert_eq!(scene.seen().flags, "F.");
            scene.send("F.", 101, next.wrapping_add(1), b"");
            assert_eq!(scene.seen().ack, 102);
            scene.remote.set_port(40001);
            scene.send("S", 100, 0, b"");
            assert_eq!(scene.seen().flags, "S.");
            assert_eq!(scene.states(), ["LISTEN", "SYN-RECV", "TIME-WAIT"]);
        },
    );
}

#[test]
fn descriptors_that_are_not_its_own_are_closed_ones() {
    play(
        "descriptors_that_are_not_its_own_are_closed_ones",
        |mut scene| {
            let ebadf = Returned::error(Errno(9));
            assert_eq!(scene.call(Call::Close { fd: 1 }), ebadf);
            assert_eq!(scene.call(receive(0)), ebadf);
            let fds = vec![(1, 4)];
            let timeout = Some(Duration::ZERO);
            let poll = scene.call(Call::Poll { fds, timeout });
            assert_eq!(
                poll,
                Returned::with(1, Output::Events(vec![0x20])),
                "POLLNVAL"
            );
        },
    );
}

#[test]
fn several_live_side_by_side_at_the_same_addresses() {
    let name = "several_live_side_by_side_at_the_same_addresses";
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                play(name, |mut scene| {
                    let (fd, next) = scene.accepted();
                    scene.send(".", 101, next, b"hello");
                    assert_eq!(scene.seen().ack, 106);
                    assert_eq!(scene.ok(receive(fd)), 5);
                    assert_eq!(scene.states(), ["ESTAB", "LISTEN"]);
                });
            });
        }
    });
}

#[test]
fn no_thread_is_left_of_calls_that_block() {
    let name = "no_thread_is_left_of_calls_that_block";
    let alone = OTHERS.write().unwrap_or_else(PoisonError::into_inner);
    perform(name, &Network::default(), |mut scene| {
        let (fd, _) = scene.accepted();
        scene.blocked(receive(fd));
        let fds = vec![(fd, 1)];
        scene.blocked(Call::Poll { fds, timeout: None });
        let fd = scene.socket(SOCK_STREAM);
        let address = Some(scene.remote);
        scene.blocked(Call::Connect { fd, address });
        assert_eq!(scene.seen().flags, "S");
        assert_eq!(threads(), ["call", "call", "call", "namespace"]);
        drop(scene);
        for _ in 0..5000 {
            if threads().is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("left: {:?}", threads());
    });
    drop(alone);
}

/// The threads of kernels in this process.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let mut names: Vec<_> = names
        .map(|name| name.trim().to_owned())
        .filter(|name| matches!(&**name, "call" | "namespace"))
        .collect();
    names.sort();
    names
}

#[test]
fn random_plots_differ_from_the_kernels_only_as_is_meant() {
    let name = "random_plots_differ_from_the_kernels_only_as_is_meant";
    let shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let findings = match hunt(0..60, 4) {
        Err(KernelError::Namespace(why)) => return skip(name, &why.to_string()),
        found => found.expect("networks in namespaces of their own"),
    };
    drop(shared);
    assert_eq!(findings.plots, 60);
    assert!(!findings.known.is_empty(), "some of them do differ");
    let unknown: Vec<_> = findings
        .unknown
        .values()
        .map(|found| found.script.to_string())
        .collect();
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}
