//! SYNs from addresses that are nobody's, at a steady rate, from a raw socket.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use etherparse::PacketBuilder;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto};

use super::stop::Stop;
use super::{ANSWER, far};

/// How often the flood catches up with its rate.
const BEAT: Duration = Duration::from_millis(1);

/// A flood that ends when it is dropped, and by itself after a minute.
pub(crate) struct Flood {
    stop: Stop,
    thread: Option<JoinHandle<u64>>,
    started: Instant,
}

const LONGEST: Duration = Duration::from_secs(60);

impl Flood {
    /// Begins a flood of so many SYNs a second, in the namespace of the calling thread.
    ///
    /// # Errors
    /// A raw socket is not permitted.
    pub(crate) fn start(rate: u64) -> anyhow::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::INET,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(ipproto::RAW),
        )?;
        let stop = Stop::default();
        let told = stop.clone();
        let thread = std::thread::spawn(move || pour(&socket, rate, &told));
        Ok(Self {
            stop,
            thread: Some(thread),
            started: Instant::now(),
        })
    }

    /// Ends it; answers the rate that was reached, a second.
    pub(crate) fn end(mut self) -> f64 {
        let elapsed = self.started.elapsed().as_secs_f64();
        self.stop.set();
        let sent = self.thread.take().and_then(|thread| thread.join().ok());
        sent.unwrap_or(0) as f64 / elapsed
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.set();
    }
}

/// Answers how many were sent.
fn pour(socket: &std::os::fd::OwnedFd, rate: u64, stop: &Stop) -> u64 {
    let mut random = fastrand::Rng::with_seed(rate);
    let target = far(0, ANSWER);
    let start = Instant::now();
    let mut sent = 0;
    let mut packet = Vec::new();
    while !stop.is_set() && start.elapsed() < LONGEST {
        let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
        while sent < due {
            write_syn(&mut packet, &mut random, target);
            let _lost_on_the_way =
                rustix::net::sendto(socket, &packet, SendFlags::empty(), &target);
            sent += 1;
        }
        std::thread::sleep(BEAT);
    }
    sent
}

fn write_syn(packet: &mut Vec<u8>, random: &mut fastrand::Rng, target: SocketAddrV4) {
    let source =
        Ipv4Addr::from_bits(Ipv4Addr::new(198, 19, 0, 0).to_bits() + random.u32(1..65_535));
    packet.clear();
    let builder = PacketBuilder::ipv4(source.octets(), target.ip().octets(), 64);
    let builder = builder
        .tcp(random.u16(1024..), target.port(), random.u32(..), 64_240)
        .syn();
    let written = builder
        .options_raw(&[2, 4, 5, 180])
        .map(|builder| builder.write(packet, &[]));
    assert!(matches!(written, Ok(Ok(()))), "a SYN can be written");
}
