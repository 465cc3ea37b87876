//! A namespace, a TUN, the kernel on one side and estab on the other.

use std::future::Future;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use estab::device::{Impair, Impairment, Tun, Verdict};
use estab::observe::{Direction, LifeId, Observer, StateName, Transition};
use estab::{Config, Host, Status, TcpListener, TcpSocket, TcpStream};
use nix::sched::{CloneFlags, unshare};

/// Which addresses a scene plays at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const ACK: u8 = 16;
/// Instead of control bits: the ACK that follows when both FINs have passed.
pub(crate) const LAST_ACK: u8 = 1 << 7;

/// A segment that the wire loses: the first one with these control bits, PSH aside, in this direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost(pub(crate) Direction, pub(crate) u8);

/// Both ends of a wire.
pub(crate) struct Scene {
    pub(crate) host: Host,
    pub(crate) family: Family,
    transitions: Arc<Mutex<Vec<Transition>>>,
    lost: Arc<AtomicBool>,
}

struct Recorder(Arc<Mutex<Vec<Transition>>>);

impl Observer for Recorder {
    fn transition(&mut self, event: &Transition) {
        self.0.lock().unwrap().push(*event);
    }
}

/// Plays a story over IPv4, then over IPv6.
pub(crate) fn play<S: Future<Output = ()>>(name: &str, story: impl Fn(Scene) -> S + Send + Sync) {
    play_losing(name, None, story);
}

/// The same, with a segment lost on the way.
pub(crate) fn play_losing<S: Future<Output = ()>>(
    name: &str,
    lost: Option<Lost>,
    story: impl Fn(Scene) -> S + Send + Sync,
) {
    for family in [Family::V4, Family::V6] {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| perform(name, family, lost, &story));
            if let Err(panic) = thread.join() {
                eprintln!("in {name} over {family:?}");
                std::panic::resume_unwind(panic);
            }
        });
    }
}

fn perform<S: Future<Output = ()>>(
    name: &str,
    family: Family,
    lost: Option<Lost>,
    story: &impl Fn(Scene) -> S,
) {
    if let Err(why) = leave_the_host() {
        return skip(name, &why);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let was_lost = Arc::new(AtomicBool::new(lost.is_none()));
        let scene = Scene::set(family, lost, Arc::clone(&was_lost));
        let play = tokio::time::timeout(Duration::from_secs(60), story(scene));
        play.await.expect("a story ends within a minute");
        assert!(
            was_lost.load(Ordering::Relaxed),
            "the segment to be lost was never sent"
        );
    });
}

/// A new network namespace for this thread, gone with it.
fn leave_the_host() -> Result<(), String> {
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .map_err(|error| format!("/dev/net/tun: {error}"))?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(|error| format!("no network namespace: {error}"))?;
    Command::new("ss")
        .arg("-V")
        .output()
        .map_err(|error| format!("ss: {error}"))?;
    Ok(())
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
    fn set(family: Family, lost: Option<Lost>, was_lost: Arc<AtomicBool>) -> Self {
        let tun = Tun::builder()
            .name("estab0")
            .address("198.18.0.2/15".parse().unwrap())
            .address("fd00:e57a:b::2/64".parse().unwrap())
            .up()
            .build()
            .expect("a TUN can be made in a namespace of one's own");
        let mut loser = Loser {
            lost,
            was_lost: Arc::clone(&was_lost),
            fins: [false; 2],
        };
        let device = Impair::new(tun, 1, Impairment::default())
            .unwrap()
            .with_filter(move |direction, packet| loser.judge(direction, packet));
        let transitions = Arc::new(Mutex::new(Vec::new()));
        let config = Config {
            addresses: vec![Family::V4.estab(0).ip(), Family::V6.estab(0).ip()],
            time_wait: Duration::from_secs(2),
            ..Config::default()
        };
        let host = Host::builder(config)
            .observer(Recorder(Arc::clone(&transitions)))
            .start(device)
            .expect("a host starts");
        Self {
            host,
            family,
            transitions,
            lost: was_lost,
        }
    }

    /// estab's end.
    pub(crate) fn estab(&self, port: u16) -> SocketAddr {
        self.family.estab(port)
    }

    /// The kernel's end.
    pub(crate) fn kernel(&self, port: u16) -> SocketAddr {
        self.family.kernel(port)
    }

    /// An estab socket of the scene's family.
    pub(crate) fn socket(&self) -> TcpSocket {
        match self.family {
            Family::V4 => TcpSocket::new_v4(&self.host),
            Family::V6 => TcpSocket::new_v6(&self.host),
        }
    }

    pub(crate) async fn listen(&self, port: u16) -> TcpListener {
        TcpListener::bind(&self.host, self.estab(port))
            .await
            .unwrap()
    }

    /// The kernel connects to an estab listener.
    pub(crate) async fn passive(&self) -> (TcpListener, TcpStream, tokio::net::TcpStream) {
        let listener = self.listen(80).await;
        let kernel = tokio::net::TcpStream::connect(self.estab(80));
        let (accepted, kernel) = tokio::join!(listener.accept(), kernel);
        (listener, accepted.unwrap().0, kernel.unwrap())
    }

    /// estab connects to a kernel listener.
    pub(crate) async fn active(
        &self,
    ) -> (tokio::net::TcpListener, TcpStream, tokio::net::TcpStream) {
        let listener = tokio::net::TcpListener::bind(self.kernel(8080))
            .await
            .unwrap();
        let ours = TcpStream::connect(&self.host, self.kernel(8080));
        let (ours, kernel) = tokio::join!(ours, listener.accept());
        (listener, ours.unwrap(), kernel.unwrap().0)
    }

    /// The states a life of estab's went through.
    pub(crate) fn path(&self, life: LifeId) -> Vec<StateName> {
        let all = self.transitions.lock().unwrap();
        let own: Vec<_> = all.iter().filter(|event| event.life == life).collect();
        own.first()
            .map(|event| event.from)
            .into_iter()
            .chain(own.iter().map(|e| e.to))
            .collect()
    }

    /// The state of the kernel's only connection with estab, as `ss` says; `None` when there is none.
    pub(crate) fn kernel_state(&self) -> Option<String> {
        let output = Command::new("ss")
            .args(["-tanH"])
            .output()
            .expect("ss runs");
        let text = String::from_utf8(output.stdout).unwrap();
        let states = text
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        let mut connections = states.filter(|state| *state != "LISTEN");
        connections.next().map(str::to_owned)
    }

    /// estab's connections, those in listeners' queues included.
    pub(crate) fn statuses(&self) -> Vec<Status> {
        self.host.statuses()
    }

    /// Waits until estab's life has come to `state`, and the kernel's end to `kernel` (`ss`'s word).
    pub(crate) async fn until(&self, life: LifeId, state: StateName, kernel: Option<&str>) {
        for _ in 0..3000 {
            let ours = self.path(life).last().copied();
            if ours == Some(state) && self.kernel_state().as_deref() == kernel {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let path = self.path(life);
        panic!(
            "estab: {path:?}, kernel: {:?}; wanted {state} and {kernel:?}",
            self.kernel_state()
        );
    }

    /// Whether the segment that was to be lost was lost.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Loses the one segment that a story wants lost.
struct Loser {
    lost: Option<Lost>,
    was_lost: Arc<AtomicBool>,
    /// Whether a FIN was received, and sent.
    fins: [bool; 2],
}

impl Loser {
    fn judge(&mut self, direction: Direction, packet: &[u8]) -> Verdict {
        let (Some(Lost(wanted, what)), Some(bits)) = (self.lost, control_bits(packet)) else {
            return Verdict::Pass;
        };
        self.fins[usize::from(direction == Direction::Sent)] |= bits & FIN != 0;
        let is_it = if what == LAST_ACK {
            bits == ACK && self.fins == [true; 2]
        } else {
            bits == what
        };
        if direction == wanted && is_it && !self.was_lost.swap(true, Ordering::Relaxed) {
            return Verdict::Drop;
        }
        Verdict::Pass
    }
}

impl Family {
    fn estab(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address(1), port)
    }

    fn kernel(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address(2), port)
    }

    fn address(self, host: u8) -> IpAddr {
        match self {
            Self::V4 => format!("198.18.0.{host}").parse().unwrap(),
            Self::V6 => format!("fd00:e57a:b::{host}").parse().unwrap(),
        }
    }
}

/// The control bits of a TCP packet, PSH aside.
fn control_bits(packet: &[u8]) -> Option<u8> {
    let (protocol, header) = match packet.first()? >> 4 {
        4 => (*packet.get(9)?, usize::from(packet[0] & 15) * 4),
        _ => (*packet.get(6)?, 40),
    };
    (protocol == 6).then(|| packet.get(header + 13).map(|bits| bits & 0b1_0111))?
}
