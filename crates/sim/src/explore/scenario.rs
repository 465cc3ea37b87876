//! What is explored: the plans of both applications, what may go wrong and how often, and how it must end.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use estab_core::{Config, Flags, Instant, SeqNumber};

use super::application::OLD;
use super::core_end::{CoreEnd, Mutation, Seat};
use super::endpoint::Endpoint;
use super::net::{Action, Faults, Net};
use super::packet::{Numbers, Packet};
use super::thin::Thin;
use crate::ladder::Side;
use crate::world::{CLIENT, SERVER, config};

/// One step of an application. It is taken when it can be, and at any time after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Active OPEN; possible unless the port is held.
    Connect,
    /// Takes a connection from the accept queue, when there is one.
    Accept,
    /// Writes a byte, once there is a connection or it has failed.
    Write,
    /// Waits for the first byte, or the end.
    AwaitByte,
    /// Waits for the end of file, or of the connection.
    AwaitEnd,
    /// Shuts the sending side down.
    Shutdown,
    /// Gives the socket up.
    Close,
    /// Waits for 900 ms.
    Pause,
}

/// What may be left when everything has come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing, at either end; and both applications are through.
    Nothing,
    /// A connection that both ends hold, or nothing.
    BothOrNothing,
    /// Anything: only what holds in every state is looked at.
    Anything,
}

/// What is explored.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name, for the command line.
    pub name: &'static str,
    /// What the applications do, left and right. They read whatever comes at once.
    pub plans: [&'static [Step]; 2],
    /// Whether the right end listens; it then begins its plan again when it is through.
    pub listens: bool,
    /// Whether the exploration begins with the connection established and accepted.
    pub open: bool,
    /// What may be left in the end.
    pub ending: Ending,
    /// Whether timestamps are in use.
    pub timestamps: bool,
    /// What may go wrong, and how often.
    pub bounds: Faults,
    /// Segments of an earlier incarnation that may arrive.
    pub old: Vec<(Side, Packet)>,
}

impl Scenario {
    /// What an application does.
    #[must_use]
    pub fn plan(&self, side: Side) -> &'static [Step] {
        self.plans[side.index()]
    }

    /// Whether it begins again when it is through.
    #[must_use]
    pub fn repeats(&self, side: Side) -> bool {
        self.listens && side == Side::Right && self.ending == Ending::Nothing
    }

    /// A scenario by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all()
            .into_iter()
            .find(|scenario| scenario.name == name)
    }

    /// Every scenario of the real core: openings, then closings.
    #[must_use]
    pub fn all() -> Vec<Self> {
        use Step::{Accept, AwaitEnd, Close, Connect, Pause, Shutdown, Write};
        let opening = |name, listens, left, right| Self {
            name,
            plans: [left, right],
            listens,
            open: false,
            ending: Ending::BothOrNothing,
            timestamps: false,
            bounds: Faults::default(),
            old: Vec::new(),
        };
        let closing = |name, left, right| Self {
            open: true,
            ending: Ending::Nothing,
            ..opening(name, true, left, right)
        };
        vec![
            opening("passive-open", true, &[Connect, Write], &[Accept, Write]),
            opening(
                "simultaneous-open",
                false,
                &[Connect, Write],
                &[Connect, Write],
            ),
            Self {
                ending: Ending::Nothing,
                ..opening(
                    "close-while-opening",
                    true,
                    &[Connect, Close],
                    &[Accept, AwaitEnd, Close],
                )
            },
            closing(
                "client-closes",
                &[Connect, Write, Shutdown, AwaitEnd, Close],
                &[Accept, AwaitEnd, Write, Close],
            ),
            closing(
                "server-closes",
                &[Connect, AwaitEnd, Close],
                &[Accept, Write, Close],
            ),
            closing(
                "simultaneous-close",
                &[Connect, Shutdown, AwaitEnd, Close],
                &[Accept, Shutdown, AwaitEnd, Close],
            ),
            closing(
                "both-give-up",
                &[Connect, Write, Close],
                &[Accept, Write, Close],
            ),
            closing(
                "half-close",
                &[Connect, Shutdown, AwaitEnd, Close],
                &[Accept, AwaitEnd, Write, Write, Close],
            ),
            Self {
                open: false,
                ..closing(
                    "reopen",
                    &[Connect, AwaitEnd, Close, Pause, Connect, Write, Close],
                    &[Accept, Close],
                )
            },
            Self {
                timestamps: true,
                ..opening(
                    "passive-open-timestamps",
                    true,
                    &[Connect, Write],
                    &[Accept, Write],
                )
            },
            Self {
                timestamps: true,
                ..closing(
                    "client-closes-timestamps",
                    &[Connect, Write, Shutdown, AwaitEnd, Close],
                    &[Accept, AwaitEnd, Write, Close],
                )
            },
        ]
    }

    /// The scenarios of the handshakes, which thin ends and the real core are put through alike: nobody is at the left,
    /// or somebody who connects, and segments of an earlier incarnation arrive, or the server restarts.
    #[must_use]
    pub fn handshakes() -> [Self; 3] {
        use Step::{Accept, Connect, Write};
        let scenario = |name, left, ending, bounds| Self {
            name,
            plans: [left, &[Accept]],
            listens: true,
            open: false,
            ending,
            timestamps: false,
            bounds,
            old: Vec::new(),
        };
        let none = Faults::default();
        let ghost = Faults {
            old: 1,
            losses: 1,
            ..none
        };
        let replay = Faults { old: 2, ..none };
        let restart = Faults {
            restarts: 1,
            duplicates: 1,
            ..none
        };
        [
            scenario("ghost", &[], Ending::BothOrNothing, ghost),
            scenario("replay", &[], Ending::Anything, replay),
            scenario("restart", &[Connect, Write], Ending::Anything, restart),
        ]
    }

    /// The same with other bounds.
    #[must_use]
    pub fn within(mut self, bounds: Faults) -> Self {
        self.bounds = bounds;
        self
    }

    /// The world this scenario begins in, with the real core at both ends; the right one may be a mutant.
    #[must_use]
    pub fn real(&mut self, mutation: Mutation) -> Net<CoreEnd> {
        let (numbers, old) = self.earlier_incarnation();
        self.old = old;
        let mut net = self.world(BEGIN, numbers, mutation);
        if self.open {
            self.open(&mut net);
        }
        net
    }

    /// The world this scenario begins in, with thin ends whose handshake has so many messages.
    #[must_use]
    pub fn thin(&mut self, messages: u8) -> Net<Thin> {
        let ends = [
            Thin::new(messages, false),
            Thin::new(messages, self.listens),
        ];
        let before = Instant::from_nanos(BEGIN.as_nanos() - BEFORE.as_nanos() as u64);
        let [client, server] = [&ends[0], &ends[1]].map(|end| end.isn(before));
        let mut numbers = Numbers::default();
        numbers.learn(Side::Left, client);
        numbers.learn(Side::Right, server);
        numbers.all_are_old();
        let syn = Packet::bare(Flags::SYN, client, SeqNumber(0), &[]);
        let data = Packet::bare(Flags::ACK, client + 1, server + 1, &[OLD << 4]);
        self.old = vec![(Side::Right, syn), (Side::Right, data)];
        let [left, right] = ends;
        Net::new(BEGIN, left, right, numbers)
    }

    fn world(&self, now: Instant, numbers: Numbers, mutation: Mutation) -> Net<CoreEnd> {
        let seat = |side: Side| {
            let (addresses, seed) = match side {
                Side::Left => (CLIENT, 11),
                Side::Right => (SERVER, 12),
            };
            let is_right = side == Side::Right;
            let config = Config {
                timestamps: self.timestamps,
                ..config(addresses)
            };
            Rc::new(Seat {
                config,
                seed,
                local: self.address(side),
                remote: self.address(side.other()),
                listens: self.listens && is_right,
                mutation: if is_right { mutation } else { Mutation::None },
            })
        };
        let [left, right] = Side::BOTH.map(|side| CoreEnd::new(seat(side), now));
        Net::new(now, left, right, numbers)
    }

    fn address(&self, side: Side) -> SocketAddr {
        match side {
            Side::Left => CLIENT.v4(40_000),
            Side::Right => SERVER.v4(80),
        }
    }

    /// Lets a connection live and die between the same two ports, before the exploration's time; answers its ISNs and
    /// all its segments.
    fn earlier_incarnation(&self) -> (Numbers, Vec<(Side, Packet)>) {
        use Step::{Accept, AwaitEnd, Close, Connect, Shutdown, Write};
        let scenario = Self {
            plans: [
                &[Connect, Write, Shutdown, AwaitEnd, Close],
                &[Accept, Write, AwaitEnd, Close],
            ],
            listens: true,
            ..self.clone()
        };
        let begin = Instant::from_nanos(BEGIN.as_nanos() - BEFORE.as_nanos() as u64);
        let mut net = scenario.world(begin, Numbers::default(), Mutation::None);
        net.count_from(OLD);
        let mut seen: Vec<(Side, Packet)> = Vec::new();
        while let Some(action) = net.fair_action(&scenario) {
            if action == Action::Deliver(0) {
                let flying = &net.flight()[0];
                let new = (flying.to, flying.packet.clone());
                if !seen.contains(&new) {
                    seen.push(new);
                }
            }
            net.apply(action, &scenario);
        }
        net.numbers.all_are_old();
        (net.numbers, seen)
    }

    /// Lets the connection come about without faults, as far as the first step after `Connect` and `Accept`.
    fn open<E: Endpoint>(&self, net: &mut Net<E>) {
        for side in Side::BOTH {
            net.apply(Action::Step(side), self);
            while !net.flight().is_empty() {
                net.apply(Action::Deliver(0), self);
            }
        }
        net.clear_news();
    }
}

/// When explorations begin.
const BEGIN: Instant = Instant::from_millis(1_000_000);
/// How long before that the earlier incarnation was opened.
const BEFORE: Duration = Duration::from_secs(120);
