//! One subject in a namespace of its own, with a client's thread that works when it is asked to.

use std::fs;
use std::process::Command;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use estab_device::{Tun, bring_up_loopback};
use nix::sched::{CloneFlags, unshare};

use super::stop::Stop;
use super::{NEAR, PREFIX, far_addresses, servers};

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Estab,
    Smoltcp,
    Ipstack,
    TcpIp,
    /// The kernel in another namespace, at the other end of a veth pair.
    Kernel,
}

impl Kind {
    /// How figures call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Estab => "estab",
            Self::Smoltcp => "smoltcp",
            Self::Ipstack => "ipstack",
            Self::TcpIp => "tcp_ip",
            Self::Kernel => "kernel, veth",
        }
    }
}

/// What the client's thread is asked to do.
type Job = Box<dyn FnOnce() + Send>;

/// See the module. Everything is gone when it is dropped.
pub(crate) struct Stage {
    jobs: Option<Sender<Job>>,
    client: Option<JoinHandle<()>>,
}

impl Stage {
    /// Makes a namespace and a server of this kind in it, ready for so many connections at once.
    ///
    /// # Errors
    /// What is not permitted or not there.
    pub(crate) fn set(kind: Kind, at_once: usize) -> anyhow::Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (told, is_set) = mpsc::channel();
        let client = std::thread::spawn(move || play(kind, at_once, &inbox, &told));
        is_set
            .recv()
            .map_err(|_| anyhow!("the client's thread died"))??;
        Ok(Self {
            jobs: Some(jobs),
            client: Some(client),
        })
    }

    /// Lets the client's thread do something, and waits for it.
    ///
    /// # Errors
    /// Its own.
    pub(crate) fn play<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let (told, answer) = mpsc::channel();
        let job: Job = Box::new(move || drop(told.send(act())));
        let jobs = self.jobs.as_ref().context("the stage is set")?;
        jobs.send(job)
            .map_err(|_| anyhow!("the client's thread died"))?;
        answer
            .recv()
            .map_err(|_| anyhow!("the client's thread died"))?
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(client) = self.client.take() {
            // It has told its own panic.
            let _panicked = client.join();
        }
    }
}

/// The client's thread: makes everything, then does what it is asked to until nobody asks any more.
fn play(kind: Kind, at_once: usize, inbox: &Receiver<Job>, told: &Sender<anyhow::Result<()>>) {
    let stop = Stop::default();
    match build(kind, at_once, &stop) {
        Ok(server) => {
            let _nobody_waits = told.send(Ok(()));
            for job in inbox {
                job();
            }
            stop.set();
            part_with(server);
        }
        Err(error) => drop(told.send(Err(error))),
    }
}

/// Waits for a server to end, but not for ever: it may be its stack that has stalled.
fn part_with(server: JoinHandle<()>) {
    let start = Instant::now();
    while !server.is_finished() {
        if start.elapsed() > Duration::from_secs(3) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // It has told its own panic.
    let _panicked = server.join();
}

/// Leaves the network, and begins a server.
fn build(kind: Kind, at_once: usize, stop: &Stop) -> anyhow::Result<JoinHandle<()>> {
    leave_the_network()?;
    fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65535")?;
    if kind == Kind::Kernel {
        return build_veth(stop);
    }
    let tun = Tun::builder()
        .name("bench0")
        .address(format!("{NEAR}/{PREFIX}").parse()?)
        .plain_queue()
        .up()
        .build()?;
    let stop = stop.clone();
    let (told, ready) = mpsc::channel();
    let server = std::thread::spawn(move || {
        let outcome = match kind {
            Kind::Estab => servers::estab(tun, &stop, &told),
            Kind::Smoltcp => servers::smoltcp(tun, at_once, &stop, &told),
            Kind::Ipstack => servers::ipstack(tun, &stop, &told),
            _ => servers::tcp_ip(tun, &stop, &told),
        };
        if let Err(error) = outcome {
            drop(told.send(Err(error)));
        }
    });
    wait_for(&ready)?;
    Ok(server)
}

fn leave_the_network() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("a network namespace wants root")?;
    bring_up_loopback().context("the loopback")
}

/// The server's thread has left for a namespace of its own; one end of the pair follows it.
fn build_veth(stop: &Stop) -> anyhow::Result<JoinHandle<()>> {
    let (told, ready) = mpsc::channel();
    let (gave, given) = mpsc::channel::<()>();
    let (tid_told, tid) = mpsc::channel();
    let stop = stop.clone();
    let server = std::thread::spawn(move || {
        let outcome = leave_the_network().and_then(|()| {
            let _nobody_waits = tid_told.send(rustix::thread::gettid().as_raw_nonzero().get());
            given.recv().context("no veth pair")?;
            configure_far_side()?;
            servers::kernel(&stop, &told)
        });
        if let Err(error) = outcome {
            drop(told.send(Err(error)));
        }
    });
    let Ok(tid) = tid.recv() else {
        wait_for(&ready)?;
        anyhow::bail!("the server's thread died");
    };
    ip(&format!(
        "link add bench0 type veth peer name bench1 netns {tid}"
    ))?;
    ip("link set bench0 up")?;
    ip(&format!("addr add {NEAR}/{PREFIX} dev bench0"))?;
    gave.send(())
        .map_err(|_| anyhow!("the server's thread died"))?;
    wait_for(&ready)?;
    Ok(server)
}

/// The far end is a point-to-point one: what is for anybody in the prefix goes to the near side, and no ARP asks for
/// the thousands of addresses a flood comes from.
fn configure_far_side() -> anyhow::Result<()> {
    ip("link set bench1 up")?;
    for address in far_addresses() {
        ip(&format!("addr add {address}/32 dev bench1"))?;
    }
    ip(&format!("route add {NEAR}/32 dev bench1"))?;
    ip(&format!(
        "route add 198.18.0.0/{PREFIX} via {NEAR} dev bench1 onlink"
    ))?;
    fs::write("/proc/sys/net/ipv4/tcp_syncookies", "1")?;
    fs::write("/proc/sys/net/core/somaxconn", "4096")?;
    fs::write("/proc/sys/net/ipv4/tcp_max_syn_backlog", "4096")?;
    Ok(())
}

fn ip(arguments: &str) -> anyhow::Result<()> {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .context("no ip")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {arguments}: {}", said.trim());
    Ok(())
}

fn wait_for(ready: &Receiver<anyhow::Result<()>>) -> anyhow::Result<()> {
    let told = ready.recv_timeout(Duration::from_secs(10));
    told.map_err(|_| anyhow!("the server does not begin"))?
}
