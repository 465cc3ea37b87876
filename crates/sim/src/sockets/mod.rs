//! BSD sockets over a [`Stack`], in virtual time: a table of file descriptors, and what each call answers in
//! each state. Semantics and numbers are Linux's; where FreeBSD differs, the [`Profile`] says so.
//!
//! Nothing waits: a call that blocks is handed back as [`Blocked`], to be tried again with
//! [`Sockets::resume`] after whatever may have let it end.

mod bench;
mod call;
mod control;
mod ending;
mod errno;
mod info;
mod naming;
mod opening;
mod options;
mod profile;
mod readiness;
mod socket;
mod story;
pub mod symbols;
mod transfer;
mod urgent;
mod verify;

use std::collections::BTreeMap;
use std::time::Duration;

use estab_core::observe::{Observer, StateName};
use estab_core::{Instant, Secrets, SocketId, Stack, Status};

pub use bench::{Bench, Settings as BenchSettings};
pub use call::{Call, Errno, Fd, NULL_BUFFER, OptionValue, Output, Returned};
pub use info::TcpInfo;
pub use profile::{Profile, System};
pub use symbols::symbol;

use socket::{Association, Endpoint, Socket};

/// The first descriptor handed out: below are standard input, output and error.
const FIRST_FD: Fd = 3;

/// How many descriptors there may be, as `ulimit -n` has it by default.
const MAX_FDS: Fd = 1024;

/// File descriptors over one stack.
#[derive(Debug)]
pub struct Sockets<O: Observer> {
    stack: Stack<O>,
    profile: Profile,
    table: BTreeMap<Fd, Socket>,
    now: Instant,
}

/// What came of trying a call.
#[derive(Debug)]
pub enum Step {
    /// It has ended.
    Ended(Returned),
    /// It waits.
    Blocked(Blocked),
}

/// A call that waits, and how far it has come.
#[derive(Debug)]
pub struct Blocked {
    call: Call,
    progress: Progress,
}

/// How far a call has come.
#[derive(Debug, Default)]
struct Progress {
    /// It has been tried before.
    begun: bool,
    /// When it stops waiting.
    deadline: Option<Instant>,
    /// It was told to wait no longer than `deadline`, which has passed.
    expired: bool,
    /// Bytes received.
    received: Vec<u8>,
    /// Bytes taken from the caller, or thrown away for it.
    moved: usize,
    /// The connection a `close` waits for.
    closing: Option<SocketId>,
}

impl Blocked {
    /// When it stops waiting, if it waits only so long.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.progress.deadline
    }

    /// The call.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.call
    }
}

/// The answer of one try: `Ok(None)` is to wait.
type Tried = Result<Option<Returned>, Errno>;

impl<O: Observer> Sockets<O> {
    /// A stack as `profile` has it, without sockets. `now` begins its time.
    pub fn new(profile: Profile, secrets: Secrets, observer: O, now: Instant) -> Self {
        let stack = Stack::new(profile.config.clone(), secrets, observer, now);
        Self {
            stack,
            profile,
            table: BTreeMap::new(),
            now,
        }
    }

    /// The stack.
    pub fn stack(&self) -> &Stack<O> {
        &self.stack
    }

    /// The stack, to hand it packets and time.
    pub fn stack_mut(&mut self) -> &mut Stack<O> {
        &mut self.stack
    }

    /// What kind of system this is.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Changes a setting by its sysctl name: sockets and connections to come have it.
    ///
    /// # Errors
    /// What is wrong with it, or what estab does instead.
    pub fn sysctl(&mut self, name: &str, value: &str) -> Result<(), String> {
        self.profile.sysctl(name, value)?;
        let config = self.stack.config_mut();
        let addresses = std::mem::take(&mut config.addresses);
        *config = self.profile.config.clone();
        config.addresses = addresses;
        Ok(())
    }

    /// Tries a call.
    pub fn call(&mut self, now: Instant, call: Call) -> Step {
        self.resume(
            now,
            Blocked {
                call,
                progress: Progress::default(),
            },
        )
    }

    /// Tries a call again that waits.
    pub fn resume(&mut self, now: Instant, mut blocked: Blocked) -> Step {
        self.settle(now);
        let Blocked { call, progress } = &mut blocked;
        progress.expired = progress.deadline.is_some_and(|deadline| deadline <= now);
        let tried = self.attempt(call, progress);
        progress.begun = true;
        self.settle(now);
        match tried {
            Ok(Some(returned)) => Step::Ended(returned),
            Err(errno) => Step::Ended(Returned::error(errno)),
            Ok(None) => Step::Blocked(blocked),
        }
    }

    fn attempt(&mut self, call: &Call, progress: &mut Progress) -> Tried {
        let now = |result: Result<Returned, Errno>| result.map(Some);
        match *call {
            Call::Socket {
                domain,
                kind,
                protocol,
            } => now(self.socket(domain, kind, protocol)),
            Call::Bind { fd, address } => now(self.bind(fd, address)),
            Call::Listen { fd, backlog } => now(self.listen(fd, backlog)),
            Call::Accept { fd, flags } => self.accept(fd, flags, progress),
            Call::Connect { fd, address } => self.connect(fd, address, progress),
            Call::Receive { fd, len, flags } => self.receive(fd, len, flags, progress),
            Call::Send {
                fd,
                ref data,
                flags,
                address: _,
            } => self.send(fd, data, flags, progress),
            Call::Shutdown { fd, how } => now(self.shutdown(fd, how)),
            Call::Close { fd } => self.close(fd, progress),
            Call::Poll { ref fds, timeout } => Ok(self.poll(fds, timeout, progress)),
            Call::Fcntl {
                fd,
                command,
                argument,
            } => now(self.fcntl(fd, command, argument)),
            Call::Ioctl { fd, request } => now(self.ioctl(fd, request)),
            Call::SetOption {
                fd,
                level,
                name,
                ref value,
            } => now(self.set_option(fd, (level, name), value)),
            Call::GetOption {
                fd,
                level,
                name,
                len,
            } => now(self.get_option(fd, (level, name), len)),
            Call::Name { fd, peer } => now(self.name(fd, peer)),
        }
    }

    /// What has happened to connections becomes known to their sockets. To be called after the stack was given
    /// packets or time, before it sends.
    pub fn settle(&mut self, now: Instant) {
        self.now = self.now.max(now);
        while self.stack.next_event().is_some() {}
        let connected = self.table.iter();
        let connected = connected.filter(|(_, socket)| socket.connection().is_some());
        let connected: Vec<_> = connected.map(|(fd, _)| *fd).collect();
        for fd in connected {
            self.notice(fd);
        }
    }

    /// When [`settle`](Self::settle) is to be called next, at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        let own = self.table.values().filter_map(|socket| socket.give_up_at);
        own.chain(self.stack.next_deadline()).min()
    }

    fn get(&self, fd: Fd) -> Result<&Socket, Errno> {
        self.table.get(&fd).ok_or(Errno::EBADF)
    }

    fn get_mut(&mut self, fd: Fd) -> Result<&mut Socket, Errno> {
        self.table.get_mut(&fd).ok_or(Errno::EBADF)
    }

    /// The status of a socket's connection, also after its end.
    fn status(&self, socket: &Socket) -> Option<Status> {
        socket.connection().and_then(|id| self.stack.status(id))
    }

    /// Puts a socket at the smallest free descriptor.
    fn insert(&mut self, socket: Socket) -> Result<Fd, Errno> {
        let fd = self.free_fd()?;
        self.table.insert(fd, socket);
        Ok(fd)
    }

    fn free_fd(&self) -> Result<Fd, Errno> {
        let fd = (FIRST_FD..MAX_FDS).find(|fd| !self.table.contains_key(fd));
        fd.ok_or(Errno::EMFILE)
    }

    /// Whether a call may wait: its deadline is set the first time, `limit` from now.
    fn may_wait(&self, progress: &mut Progress, blocks: bool, limit: Option<Duration>) -> bool {
        if !blocks || progress.expired {
            return false;
        }
        if let (None, Some(limit)) = (progress.deadline, limit) {
            progress.deadline = Some(self.now + limit);
        }
        true
    }

    /// The states of all TCP endpoints as the system's `ss` or `sockstat` names them, with their local ports.
    pub fn states(&self) -> Vec<(String, u16)> {
        let name = |state: StateName| match self.profile.system {
            System::Linux => state.ss().to_owned(),
            System::FreeBsd if state == StateName::SynReceived => "SYN_RCVD".to_owned(),
            System::FreeBsd => state.rfc().replace('-', "_"),
        };
        let connections = self.stack.statuses().into_iter();
        let connections = connections.map(|status| (status.state, status.tuple.local().port()));
        let listeners = self.stack.listeners().into_iter();
        let listeners = listeners.map(|listener| (StateName::Listen, listener.address.port()));
        let idle = self.table.values();
        let idle = idle.filter(|socket| socket.endpoint == Endpoint::None);
        let idle = idle.map(|socket| {
            let port = socket.local.map_or(0, |local| local.port());
            (StateName::Closed, port)
        });
        let all = connections.chain(listeners).chain(idle);
        all.map(|(state, port)| (name(state), port)).collect()
    }

    /// Ends all connections in a state, named as [`states`](Self::states) names it, without a word.
    pub fn drop_state(&mut self, state: &str) {
        let plain = |name: &str| name.replace('_', "-").to_uppercase();
        let wanted = plain(state);
        for status in self.stack.statuses() {
            let (rfc, ss) = (status.state.rfc(), status.state.ss());
            let freebsd = rfc.replace("RECEIVED", "RCVD");
            if [rfc, ss, &freebsd].contains(&wanted.as_str()) {
                let _it_was_there = self.stack.forget(self.now, &status.tuple);
            }
        }
    }

    /// What `TCP_INFO` tells of a socket.
    pub fn tcp_info(&self, fd: Fd) -> Option<TcpInfo> {
        let socket = self.table.get(&fd)?;
        Some(info::of(self, socket))
    }
}
