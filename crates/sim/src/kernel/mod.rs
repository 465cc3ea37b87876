//! This machine's Linux kernel as the subject of scripts, in real time: in a network namespace of its own, through
//! a TUN.
//!
//! A thread, the [`Home`], moves into a fresh namespace and opens sockets there; the rest of the process stays
//! outside. Calls that may block run in threads of a pool. Everything is gone with the [`Kernel`].

mod calls;
mod clock;
mod home;
mod info;
mod network;
mod packets;
mod pool;
mod settings;
mod states;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use estab_device::kernel_sockets::{Sockets, destroy_all};
use estab_device::{Device, Tun};

use crate::script::{CallId, Outcome, Sent, Setting, Subject};
use crate::sockets::{Call, Fd, TcpInfo};
use clock::Clock;
use home::Home;
use pool::Pool;

pub use network::{KernelError, Network};

/// All the states an endpoint of the kernel's can be in.
const ANY_STATE: u32 = u32::MAX;

/// Longer a packet is not waited for in real time, even if any time will do.
const LONGEST_WAIT: Duration = Duration::from_secs(150);

/// The kernel, with nothing but a script's side of the world around it.
pub struct Kernel {
    clock: Arc<Clock>,
    tun: Tun,
    home: Home,
    sockets: Arc<Sockets>,
    /// What every new socket is given: the kernel lets a namespace have no default that is not allowed outside.
    congestion_control: String,
    pool: Pool,
    /// Packets that left while something else was waited for.
    left: VecDeque<Sent>,
    calls: u64,
    /// What came of the calls that did not go through the pool.
    ended: HashMap<CallId, Outcome>,
}

impl Kernel {
    /// Makes a network and its only interface. The script's time begins with the first call, packet or wait.
    ///
    /// # Errors
    /// What stands in the way: without root nearly everything does.
    pub fn new(network: &Network) -> Result<Self, KernelError> {
        let home = Home::new()?;
        let congestion_control = network.congestion_control.clone();
        let network = network.clone();
        let tun = home.run(move || network.build())?;
        let clock = Arc::<Clock>::default();
        Ok(Self {
            clock: Arc::clone(&clock),
            tun,
            home,
            sockets: Arc::default(),
            congestion_control,
            pool: Pool::new(clock),
            left: VecDeque::new(),
            calls: 0,
            ended: HashMap::new(),
        })
    }

    /// Begins anew: nothing is left of sockets and packets, and time starts again. Settings stay.
    pub fn clear(&mut self) {
        self.end_all();
        self.take_in();
        self.left.clear();
        self.ended.clear();
        self.clock = Arc::default();
        self.pool = Pool::new(Arc::clone(&self.clock));
    }

    /// Ends all endpoints and closes all sockets. Whoever waits in a call is woken by the end of its socket.
    fn end_all(&mut self) {
        let _ = self.destroy(ANY_STATE);
        for fd in self.sockets.open() {
            let _ = self.sockets.shutdown(fd, 2);
            let _ = self.sockets.close(fd);
        }
    }

    /// Takes in what the kernel has sent by now.
    fn take_in(&mut self) {
        let mut packet = Vec::new();
        while self
            .tun
            .receive(estab_core::Instant::ZERO, &mut packet)
            .is_ok()
        {
            let at = self.now();
            if packets::are_told(&packet) {
                let packet = packet.clone();
                self.left.push_back(Sent { at, packet });
            }
        }
    }

    /// Ends endpoints; the RSTs that Linux sends as it does so are not told.
    fn destroy(&mut self, states: u32) -> std::io::Result<()> {
        self.take_in();
        let told = self.left.len();
        let done = self.home.run(move || destroy_all(states));
        self.take_in();
        self.left.truncate(told);
        done
    }
}

impl Subject for Kernel {
    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn next_packet(&mut self, until: Duration) -> Option<Sent> {
        self.clock.start();
        let until = until.min(self.now() + LONGEST_WAIT);
        loop {
            self.take_in();
            let left = self.left.pop_front();
            let rest = until.saturating_sub(self.now());
            if left.is_some() || rest.is_zero() {
                return left;
            }
            // An error would be the interface's end, which nothing but this value's brings.
            let _ = self.tun.wait(rest);
        }
    }

    fn wait(&mut self, until: Duration) {
        self.clock.start();
        loop {
            self.take_in();
            let rest = until.saturating_sub(self.now());
            if rest.is_zero() {
                return;
            }
            let _ = self.tun.wait(rest);
        }
    }

    fn inject(&mut self, packet: &[u8]) {
        self.clock.start();
        // The kernel takes a packet at once, or counts it as refused.
        let _ = self.tun.transmit(estab_core::Instant::ZERO, packet);
    }

    fn call(&mut self, call: Call) -> CallId {
        self.clock.start();
        self.calls += 1;
        let id = CallId(self.calls);
        let sockets = Arc::clone(&self.sockets);
        if matches!(call, Call::Socket { .. }) {
            let congestion_control = self.congestion_control.clone();
            let returned = self
                .home
                .run(move || calls::make_socket(&sockets, &call, &congestion_control));
            let at = self.now();
            self.ended.insert(id, Outcome { returned, at });
        } else if calls::may_block(&sockets, &call) {
            self.pool.begin(id, move || calls::make(&sockets, &call));
        } else {
            let returned = calls::make(&sockets, &call);
            let at = self.now();
            self.ended.insert(id, Outcome { returned, at });
        }
        id
    }

    fn outcome(&mut self, id: CallId) -> Option<Outcome> {
        let ended = self.ended.get(&id).cloned();
        ended.or_else(|| self.pool.outcome(id))
    }

    fn tcp_info(&mut self, fd: Fd) -> Option<TcpInfo> {
        info::read(&self.sockets, fd)
    }

    fn sysctl(&mut self, name: &str, value: &str) -> Result<(), String> {
        if settings::is_congestion_control(name) {
            settings::check_congestion_control(value)?;
            value.clone_into(&mut self.congestion_control);
            return Ok(());
        }
        let (name, value) = (name.to_owned(), value.to_owned());
        self.home.run(move || settings::set(&name, &value))
    }

    fn setting(&self, name: &str) -> Setting {
        let name = name.to_owned();
        if self.home.run(move || settings::is_there(&name)) {
            Setting::Known
        } else {
            Setting::Unknown
        }
    }

    fn states(&mut self) -> Vec<(String, u16)> {
        self.home.run(states::list)
    }

    fn drop_state(&mut self, state: &str) {
        if let Some(number) = states::number(state) {
            // A kernel that is built without cannot; the script will see that they are still there.
            let _ = self.destroy(1 << number);
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.end_all();
    }
}
