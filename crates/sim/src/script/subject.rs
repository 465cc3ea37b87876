//! What a script is run against: estab in virtual time, or this machine's kernel in real time.

use std::time::Duration;

use crate::sockets::{Call, Fd, Returned, TcpInfo};

/// A stack under test, with the time it lives in. All times count from the start of the script.
pub trait Subject {
    /// The time.
    fn now(&self) -> Duration;

    /// Lets time pass until `until`, or until a packet leaves, whichever comes first; answers the packet and
    /// when it left. With `until` in the past it answers what has already left.
    fn next_packet(&mut self, until: Duration) -> Option<Sent>;

    /// Lets time pass until `until`; what leaves meanwhile is kept for [`next_packet`](Self::next_packet).
    fn wait(&mut self, until: Duration);

    /// A packet arrives from the wire.
    fn inject(&mut self, packet: &[u8]);

    /// Begins a call. One that does not block has ended when this returns.
    fn call(&mut self, call: Call) -> CallId;

    /// What came of a call, once it has ended.
    fn outcome(&mut self, id: CallId) -> Option<Outcome>;

    /// Lets time pass until a call ends, but not beyond `until`; what leaves meanwhile is kept.
    fn wait_for(&mut self, id: CallId, until: Duration) -> Option<Outcome> {
        /// Nobody knows when a call will end: time passes in steps, far below any tolerance.
        const SMALLEST_STEP: Duration = Duration::from_micros(100);
        let begun = self.now();
        loop {
            let ended = self.outcome(id);
            let now = self.now();
            if ended.is_some() || now >= until {
                return ended;
            }
            let step = now.saturating_sub(begun) / 1000;
            self.wait(until.min(now + step.max(SMALLEST_STEP)));
        }
    }

    /// What the stack tells of its connections since it was last asked: when, and what happened why. A stack that
    /// tells nothing is no worse a subject.
    fn story(&mut self) -> Vec<(Duration, String)> {
        Vec::new()
    }

    /// What `TCP_INFO` tells of a socket.
    fn tcp_info(&mut self, fd: Fd) -> Option<TcpInfo>;

    /// Changes a setting by its Linux or FreeBSD sysctl name.
    ///
    /// # Errors
    /// What is wrong with it, if the subject cannot be set so.
    fn sysctl(&mut self, name: &str, value: &str) -> Result<(), String>;

    /// What a setting of this name is here.
    fn setting(&self, _name: &str) -> Setting {
        Setting::Known
    }

    /// The states of all its TCP endpoints, as `ss` and `sockstat` name them, with their local ports.
    fn states(&mut self) -> Vec<(String, u16)>;

    /// Ends all connections in a state without a word on the wire (`tcpdrop`).
    fn drop_state(&mut self, state: &str);
}

/// What a setting is to a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// It can be changed, though perhaps not to any value.
    Known,
    /// It is taken with any value, and nothing depends on it, for this reason.
    WithoutEffect(&'static str),
    /// There is none of this name.
    Unknown,
}

/// A packet that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Duration,
    /// The IP packet.
    pub packet: Vec<u8>,
}

/// Which call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(pub u64);

/// What came of a call, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it answered.
    pub returned: Returned,
    /// When it ended.
    pub at: Duration,
}
