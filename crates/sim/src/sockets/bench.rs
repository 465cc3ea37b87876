//! estab as the [`Subject`] of a script: sockets, a clock and a wire.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use estab_core::{Checksum, Instant, Secrets};

use super::story::Told;
use super::verify::verify;
use super::{Blocked, Call, Fd, Profile, Sockets, Step, TcpInfo};
use crate::Recorder;
use crate::script::{CallId, Outcome, Sent, Setting, Subject};

/// Where a bench stands.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The host's own addresses.
    pub addresses: Vec<IpAddr>,
    /// The MTU of its link.
    pub mtu: usize,
    /// What its secrets follow from.
    pub seed: u64,
}

impl Settings {
    /// The local addresses that packetdrill has for a TUN: 192.168.0.1 and fd3d:fa7b:d17d::1.
    #[must_use]
    pub fn new() -> Self {
        Self {
            addresses: vec![
                Ipv4Addr::new(192, 168, 0, 1).into(),
                Ipv6Addr::new(0xfd3d, 0xfa7b, 0xd17d, 0, 0, 0, 0, 1).into(),
            ],
            mtu: 1500,
            seed: 0,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

/// The stack's clock when a script begins: not zero, so that nothing mistakes it for "never".
const BEGINNING: Instant = Instant::from_millis(3_600_000);

/// How often calls that wait are tried again without time passing, before the bench gives up on an end: calls
/// only go on when something has changed, and each change is an end of one of them.
const PATIENCE: usize = 100_000;

/// Sockets of estab in virtual time.
#[derive(Debug)]
pub struct Bench {
    sockets: Sockets<Recorder>,
    now: Instant,
    sent: VecDeque<Sent>,
    faults: Vec<String>,
    waiting: BTreeMap<u64, Blocked>,
    outcomes: HashMap<CallId, Outcome>,
    calls: u64,
    told: Told,
}

impl Bench {
    /// A host without sockets, at the beginning of its time.
    #[must_use]
    pub fn new(mut profile: Profile, settings: &Settings) -> Self {
        profile.config.addresses.clone_from(&settings.addresses);
        profile.config.mtu = settings.mtu;
        let secrets = Secrets::from_seed(settings.seed);
        let sockets = Sockets::new(profile, secrets, Recorder::default(), BEGINNING);
        Self {
            sockets,
            now: BEGINNING,
            sent: VecDeque::new(),
            faults: Vec::new(),
            waiting: BTreeMap::new(),
            outcomes: HashMap::new(),
            calls: 0,
            told: Told::default(),
        }
    }

    /// The sockets.
    #[must_use]
    pub fn sockets(&self) -> &Sockets<Recorder> {
        &self.sockets
    }

    /// Everything the stack told: changes of state, discards, refusals and RSTs.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        self.sockets.stack().observer()
    }

    /// The script's time of a moment that the recorder tells.
    #[must_use]
    pub fn since_start(&self, moment: Instant) -> Duration {
        moment - BEGINNING
    }

    /// What was wrong with packets that left: there is nothing unless estab has an error.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// When anything can happen by itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadline().map(|moment| moment - BEGINNING)
    }

    /// Calls that have not ended.
    pub fn waiting(&self) -> impl Iterator<Item = (CallId, &Call)> {
        let waiting = self.waiting.iter();
        waiting.map(|(id, blocked)| (CallId(*id), blocked.call()))
    }

    fn deadline(&self) -> Option<Instant> {
        let calls = self.waiting.values().filter_map(Blocked::deadline);
        calls.chain(self.sockets.next_deadline()).min()
    }

    /// The script's `until` on the stack's clock.
    fn moment(until: Duration) -> Instant {
        BEGINNING + until
    }

    /// Something has happened: sockets hear of it, the stack sends, calls that can end do.
    fn settle(&mut self) {
        for _ in 0..PATIENCE {
            self.sockets.settle(self.now);
            self.transmit();
            if !self.retry() {
                break;
            }
        }
    }

    fn transmit(&mut self) {
        let at = self.now - BEGINNING;
        let (sent, faults) = (&mut self.sent, &mut self.faults);
        let stack = self.sockets.stack_mut();
        while stack.wants_to_transmit() {
            stack.transmit(self.now, &mut |packet: &[u8]| {
                if let Err(fault) = verify(packet) {
                    faults.push(format!("at {at:?}: {fault}"));
                }
                let packet = packet.to_vec();
                sent.push_back(Sent { at, packet });
            });
        }
    }

    /// Tries the calls that wait again. Answers whether one has ended.
    fn retry(&mut self) -> bool {
        let mut ended = false;
        for (id, blocked) in std::mem::take(&mut self.waiting) {
            let step = self.sockets.resume(self.now, blocked);
            ended |= self.note(CallId(id), step);
        }
        ended
    }

    /// Notes what came of trying a call. Answers whether it has ended.
    fn note(&mut self, id: CallId, step: Step) -> bool {
        match step {
            Step::Ended(returned) => {
                let at = self.now - BEGINNING;
                self.outcomes.insert(id, Outcome { returned, at });
                true
            }
            Step::Blocked(blocked) => {
                self.waiting.insert(id.0, blocked);
                false
            }
        }
    }

    /// Lets time pass to the next thing that happens by itself, if that is before `until`. Answers whether it is.
    fn step(&mut self, until: Instant) -> bool {
        match self.deadline() {
            Some(deadline) if deadline <= until => {
                self.now = self.now.max(deadline);
                self.sockets.stack_mut().advance(self.now);
                self.settle();
                true
            }
            _ => {
                self.now = self.now.max(until);
                false
            }
        }
    }
}

impl Subject for Bench {
    fn now(&self) -> Duration {
        self.now - BEGINNING
    }

    fn next_packet(&mut self, until: Duration) -> Option<Sent> {
        let until = Self::moment(until);
        while self.sent.is_empty() && self.step(until) {}
        self.sent.pop_front()
    }

    fn wait(&mut self, until: Duration) {
        while self.step(Self::moment(until)) {}
    }

    fn inject(&mut self, packet: &[u8]) {
        let now = self.now;
        self.sockets
            .stack_mut()
            .receive(now, packet, Checksum::Unknown);
        self.settle();
    }

    fn call(&mut self, call: Call) -> CallId {
        self.calls += 1;
        let id = CallId(self.calls);
        let step = self.sockets.call(self.now, call);
        self.note(id, step);
        self.settle();
        id
    }

    fn outcome(&mut self, id: CallId) -> Option<Outcome> {
        self.outcomes.get(&id).cloned()
    }

    fn wait_for(&mut self, id: CallId, until: Duration) -> Option<Outcome> {
        let until = Self::moment(until);
        while !self.outcomes.contains_key(&id) && self.step(until) {}
        self.outcome(id)
    }

    fn story(&mut self) -> Vec<(Duration, String)> {
        let recorder = self.sockets.stack().observer();
        let told = self.told.go_on(recorder);
        told.into_iter()
            .map(|(at, text)| (at - BEGINNING, text))
            .collect()
    }

    fn tcp_info(&mut self, fd: Fd) -> Option<TcpInfo> {
        // Time may have passed without an event: ages are told as of now.
        self.sockets.settle(self.now);
        self.sockets.tcp_info(fd)
    }

    fn sysctl(&mut self, name: &str, value: &str) -> Result<(), String> {
        self.sockets.sysctl(name, value)
    }

    fn setting(&self, name: &str) -> Setting {
        Profile::setting(name)
    }

    fn states(&mut self) -> Vec<(String, u16)> {
        self.sockets.states()
    }

    fn drop_state(&mut self, state: &str) {
        self.sockets.drop_state(state);
        self.settle();
    }
}
