//! TUN against the kernel, each test in a network namespace of its own. As root only.
#![cfg(target_os = "linux")]

use std::fs::OpenOptions;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use estab_core::Instant;
use estab_device::{Device, IpNet, Tun, TunError, bring_up_loopback};
use nix::sched::{CloneFlags, unshare};
use rustix::thread::{CapabilitySet, Uid, capabilities, set_capabilities, set_thread_uid};

/// Runs `test` in a thread that has left the host's network for an empty one, which ends with the thread.
fn in_a_fresh_network(test: impl FnOnce() + Send + 'static) {
    let tun = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun");
    if let Err(error) = tun {
        println!("skipped: /dev/net/tun: {error}");
        return;
    }
    let thread = std::thread::spawn(move || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => test(),
        Err(error) => println!("skipped: no network namespace of our own: {error}"),
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn estab0() -> Tun {
    Tun::builder()
        .name("estab0")
        .mtu(1400)
        .address(net("198.18.0.2/15"))
        .address(net("fd00:e57a:b::2/64"))
        .ipv6_optional(true)
        .up()
        .build()
        .unwrap()
}

fn exists(name: &str) -> bool {
    // The thread's own view; /proc/net is that of the process's first thread.
    let interfaces = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    interfaces.contains(&format!("{name}:"))
}

/// The next UDP packet that the kernel sends, past what IPv6 says of its own accord.
fn receive_udp(tun: &mut Tun) -> Vec<u8> {
    let mut packet = Vec::new();
    loop {
        match tun.receive(Instant::ZERO, &mut packet) {
            Ok(()) if protocol(&packet) == 17 => return packet,
            Ok(()) => {}
            Err(error) => panic!("no packet: {error}"),
        }
    }
}

fn protocol(packet: &[u8]) -> u8 {
    if packet[0] >> 4 == 4 {
        packet[9]
    } else {
        packet[6]
    }
}

/// Turns a UDP packet without IPv4 options back to its sender; the checksums are sums and stay right.
fn turned_back(packet: &[u8]) -> Vec<u8> {
    let (address, first, header) = match packet[0] >> 4 {
        4 => (4, 12, 20),
        _ => (16, 8, 40),
    };
    let mut answer = packet.to_vec();
    let (source, destination) = answer[first..].split_at_mut(address);
    source.swap_with_slice(&mut destination[..address]);
    answer[header..header + 4].rotate_left(2);
    answer
}

fn asks_and_is_answered(from: &str, to: &str) {
    let mut tun = estab0();
    let socket = match UdpSocket::bind(from) {
        Err(error) if from.starts_with('[') && tun.addresses().len() == 1 => {
            println!("skipped: no IPv6 here: {error}");
            return;
        }
        socket => socket.unwrap(),
    };
    let far: SocketAddr = to.parse().unwrap();
    socket.send_to(b"question", far).unwrap();
    let packet = receive_udp(&mut tun);
    assert!(packet.ends_with(b"question"));
    tun.transmit(Instant::ZERO, &turned_back(&packet)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut answer = [0; 64];
    let (length, sender) = socket.recv_from(&mut answer).unwrap();
    assert_eq!((&answer[..length], sender), (&b"question"[..], far));
    assert_eq!(tun.refused(), 0);
}

#[test]
fn the_kernel_sends_to_its_prefix_and_takes_the_answer() {
    in_a_fresh_network(|| asks_and_is_answered("198.18.0.2:4000", "198.18.0.1:5000"));
}

#[test]
fn an_ipv6_address_can_be_used_at_once() {
    in_a_fresh_network(|| asks_and_is_answered("[fd00:e57a:b::2]:4000", "[fd00:e57a:b::1]:5000"));
}

#[test]
fn an_empty_device_would_block() {
    in_a_fresh_network(|| {
        let mut tun = Tun::builder()
            .address(net("198.18.0.2/15"))
            .build()
            .unwrap();
        let mut packet = Vec::new();
        let error = tun.receive(Instant::ZERO, &mut packet).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(tun.mtu(), 1500);
    });
}

#[test]
fn the_kernel_chooses_a_name_and_the_interface_vanishes_on_drop() {
    in_a_fresh_network(|| {
        let first = Tun::builder().build().unwrap();
        let second = Tun::builder().name("estab%d").build().unwrap();
        assert_eq!((first.name(), second.name()), ("tun0", "estab0"));
        assert!(exists("tun0") && exists("estab0"));
        drop((first, second));
        assert!(!exists("tun0") && !exists("estab0"));
    });
}

#[test]
fn a_taken_name_is_told_apart() {
    in_a_fresh_network(|| {
        let _tun = estab0();
        for taken in ["estab0", "lo"] {
            let error = Tun::builder().name(taken).build().unwrap_err();
            assert!(matches!(&error, TunError::NameTaken(name) if name == taken));
            assert_eq!(io::Error::from(error).kind(), io::ErrorKind::AlreadyExists);
        }
    });
}

#[test]
fn without_the_capability_the_device_opens_but_creates_nothing() {
    in_a_fresh_network(|| {
        // Capabilities are the thread's own, too.
        let mut sets = capabilities(None).unwrap();
        sets.effective.remove(CapabilitySet::NET_ADMIN);
        set_capabilities(None, sets).unwrap();
        let error = Tun::builder().build().unwrap_err();
        assert!(matches!(error, TunError::CreateDenied(_)), "{error}");
        let error = bring_up_loopback().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    });
}

#[test]
fn a_user_without_access_to_the_device_is_told_so() {
    in_a_fresh_network(|| {
        let mode = std::fs::metadata("/dev/net/tun").unwrap().mode();
        set_thread_uid(Uid::from_raw(65534)).unwrap();
        let error = Tun::builder().build().unwrap_err();
        if mode & 0o006 == 0 {
            assert!(matches!(error, TunError::OpenDenied(_)), "{error}");
        } else {
            assert!(matches!(error, TunError::CreateDenied(_)), "{error}");
        }
    });
}

#[test]
fn an_address_the_kernel_refuses_is_told_and_leaves_nothing_behind() {
    in_a_fresh_network(|| {
        let address = net("198.18.0.2/15");
        let twice = Tun::builder().name("estab1").address(address);
        let error = twice.address(address).build().unwrap_err();
        assert!(matches!(error, TunError::Address { address: a, .. } if a == address));
        assert!(!exists("estab1"));
    });
}

#[test]
fn disabled_ipv6_fails_only_if_it_is_needed() {
    in_a_fresh_network(|| {
        // The kernel shows each thread the settings of its own namespace.
        let setting = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
        if let Err(error) = std::fs::write(setting, "1") {
            println!("skipped: IPv6 cannot be disabled here: {error}");
            return;
        }
        let v6 = net("fd00:e57a:b::2/64");
        let tun = || {
            Tun::builder()
                .address(net("198.18.0.2/15"))
                .address(v6)
                .up()
        };
        let error = tun().build().unwrap_err();
        assert!(matches!(error, TunError::Address { address, .. } if address == v6));
        let tun = tun().ipv6_optional(true).build().unwrap();
        assert_eq!(tun.addresses(), [net("198.18.0.2/15")]);
    });
}

#[test]
fn a_packet_that_is_no_ip_is_refused_and_counted() {
    in_a_fresh_network(|| {
        let mut tun = estab0();
        tun.transmit(Instant::ZERO, &[0xff; 40]).unwrap();
        assert_eq!(tun.refused(), 1);
    });
}

#[test]
fn loopback_carries_traffic_once_it_is_up() {
    in_a_fresh_network(|| {
        let local = SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 0);
        let listener = TcpListener::bind(local).unwrap();
        let address = listener.local_addr().unwrap();
        assert!(std::net::TcpStream::connect(address).is_err());
        bring_up_loopback().unwrap();
        std::net::TcpStream::connect(address).unwrap();
        let _maybe_without_ipv6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0));
    });
}

#[cfg(feature = "tokio")]
#[test]
fn tokio_wakes_a_task_for_each_packet() {
    use std::future::poll_fn;

    in_a_fresh_network(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut tun = Tun::builder()
                .address(net("198.18.0.2/15"))
                .up()
                .build()
                .unwrap();
            let socket = UdpSocket::bind("198.18.0.2:4000").unwrap();
            for _ in 0..3 {
                let mut packet = Vec::new();
                while tun.receive(Instant::ZERO, &mut packet).is_ok() {}
                let idle = Duration::from_millis(50);
                let wait = poll_fn(|cx| tun.poll_readable(cx));
                // IPv6 may speak of its own accord; a wake for that is right as well.
                let _quiet = tokio::time::timeout(idle, wait).await;
                let send = async { socket.send_to(b"question", "198.18.0.1:5000").unwrap() };
                let wait = poll_fn(|cx| tun.poll_readable(cx));
                let both = async { tokio::join!(wait, send) };
                let (ready, _) = tokio::time::timeout(Duration::from_secs(5), both)
                    .await
                    .unwrap();
                ready.unwrap();
                assert!(receive_udp(&mut tun).ends_with(b"question"));
            }
        });
    });
}

#[cfg(not(feature = "tokio"))]
#[test]
fn without_tokio_waiting_is_unsupported_and_readiness_is_told() {
    use std::task::{Context, Poll, Waker};

    in_a_fresh_network(|| {
        let mut tun = Tun::builder()
            .address(net("198.18.0.2/15"))
            .build()
            .unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Err(error)) = tun.poll_readable(&mut cx) else {
            panic!("nothing to read");
        };
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    });
}
