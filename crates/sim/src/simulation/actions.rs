//! What happens in a world besides packets and timers: programs start, listeners restart, paths break.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use estab_core::{ConnectOptions, Instant};

use super::Failure;
use super::draw::Draw;
use super::host::{Accepting, Host, Server};
use super::profile::{CLIENT_PORTS, CLOSED_PORT, Profile, SERVER_PORTS, listening, v4, v6};
use super::world::{Event, World};

/// Something that happens at a time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Listen {
        host: usize,
        server: usize,
    },
    Connect {
        from: usize,
        remote: SocketAddr,
        local: Option<SocketAddr>,
    },
    /// The listener closes, and opens again if there is time left.
    Restart {
        host: usize,
        server: usize,
    },
    CloseListener {
        host: usize,
        server: usize,
    },
    /// The next listener takes over everybody who waits, and this one closes if it is told to.
    HandOver {
        host: usize,
        server: usize,
        closes: bool,
    },
    Cut {
        from: usize,
        to: usize,
        time: Duration,
    },
    Mtu {
        from: usize,
        to: usize,
        mtu: usize,
        tells: bool,
    },
    Comb {
        from: usize,
        to: usize,
        time: Duration,
    },
    Stall {
        host: usize,
        time: Duration,
    },
    ShutDown {
        host: usize,
        orderly: bool,
    },
    Heal,
}

impl World {
    /// Draws everything that will happen in the storm.
    pub(super) fn draw_actions(&mut self) {
        let (start, storm) = (self.profile.start, self.profile.storm);
        for host in 0..self.hosts.len() {
            self.draw_servers(host);
        }
        let mut actions = Vec::new();
        let families: Vec<_> = self.hosts.iter().map(Families::of).collect();
        let (draw, profile) = (&mut self.draw, &self.profile);
        for number in 0..profile.connections {
            if profile.reincarnates {
                actions.push(reincarnation(draw, profile, families[0].v4, number as u32));
            } else {
                draw_connect(draw, profile, &families, &mut actions);
            }
        }
        if !profile.calm && !profile.holes {
            draw_troubles(draw, profile, &mut actions);
        }
        if profile.holes {
            // By then slow start has filled the path with more segments than there may be holes.
            let at = start + draw.time(650_000..=1_000_000);
            let time = Duration::from_millis(250);
            actions.push((
                at,
                Action::Comb {
                    from: 0,
                    to: 1,
                    time,
                },
            ));
            actions.push((
                at,
                Action::Comb {
                    from: 1,
                    to: 0,
                    time,
                },
            ));
        }
        actions.push((start + storm, Action::Heal));
        for (at, action) in actions {
            self.push(at, Event::Act(action));
        }
    }

    fn draw_servers(&mut self, host: usize) {
        let (draw, profile) = (&mut self.draw, &self.profile);
        let count = draw.range(1..=SERVER_PORTS.len());
        for port in &SERVER_PORTS[..count] {
            let addresses = &self.hosts[host].stack.config().addresses;
            let ip: IpAddr = match draw.range(0..=5) {
                0 => draw.pick(addresses),
                1 => std::net::Ipv4Addr::UNSPECIFIED.into(),
                _ => std::net::Ipv6Addr::UNSPECIFIED.into(),
            };
            let mut options = listening(draw, profile, SocketAddr::new(ip, *port));
            let twins = if draw.chance(0.2) && !profile.holes {
                options.socket.reuse_port = true;
                draw.range(2..=3)
            } else {
                1
            };
            for _ in 0..twins {
                let accepting = match draw.range(0..=9) {
                    _ if profile.holes => Accepting::Eager,
                    0..=6 => Accepting::Eager,
                    7 | 8 => Accepting::Slow(draw.time(5_000..=2_000_000)),
                    _ => Accepting::Never,
                };
                self.hosts[host].servers.push(Server {
                    id: None,
                    options,
                    accepting,
                });
            }
        }
        for server in 0..self.hosts[host].servers.len() {
            let late = self.draw.chance(0.1);
            let after = if late {
                self.draw.within(self.profile.storm / 2)
            } else {
                Duration::ZERO
            };
            let listen = Action::Listen { host, server };
            self.push(self.profile.start + after, Event::Act(listen));
        }
    }

    /// Does what was drawn.
    pub(super) fn act(&mut self, action: Action) -> Result<(), Failure> {
        let now = self.now;
        match action {
            Action::Heal => return self.heal(),
            Action::Cut { from, to, time } => self.network.path(from, to).cut_until = now + time,
            Action::Comb { from, to, time } => self.network.path(from, to).comb_until = now + time,
            Action::Mtu {
                from,
                to,
                mtu,
                tells,
            } => {
                let path = self.network.path(from, to);
                (path.mtu, path.tells) = (mtu, tells);
            }
            Action::Stall { host, time } => self.hosts[host].stalled_until = now + time,
            Action::ShutDown { host, orderly } => {
                let stack = &mut self.hosts[host].stack;
                if orderly {
                    stack.begin_shut_down(now);
                } else {
                    stack.shut_down(now);
                }
                self.hosts[host]
                    .servers
                    .iter_mut()
                    .for_each(|server| server.id = None);
                return self.settle(host);
            }
            Action::Listen { host, server } => return self.listen(host, server),
            Action::CloseListener { host, server } => {
                self.close_listener(host, server)?;
                return self.settle(host);
            }
            Action::Restart { host, server } => {
                self.close_listener(host, server)?;
                self.settle(host)?;
                let after = self.draw.pick(&[0, 0, 20, 3000]);
                let listen = Action::Listen { host, server };
                self.push(now + Duration::from_millis(after), Event::Act(listen));
            }
            Action::HandOver {
                host,
                server,
                closes,
            } => {
                let server = server % self.hosts[host].servers.len();
                self.hand_over(host, server)?;
                if closes {
                    self.close_listener(host, server)?;
                }
                return self.settle(host);
            }
            Action::Connect {
                from,
                remote,
                local,
            } => return self.connect(from, remote, local),
        }
        let note = format!("{action:?}");
        self.note(None, note);
        Ok(())
    }

    fn listen(&mut self, host: usize, number: usize) -> Result<(), Failure> {
        if self.limit.is_some() {
            return Ok(());
        }
        let (now, reuse) = (self.now, self.draw.chance(0.5));
        let host_of_server = &mut self.hosts[host];
        let server = &mut host_of_server.servers[number];
        if server.id.is_none() {
            server.options.socket.reuse_address |= reuse;
            server.id = host_of_server.stack.listen(now, server.options).ok();
            if server.id.is_none() {
                server.options.socket.reuse_address = reuse;
            }
        }
        if server.id.is_none() && self.draw.chance(0.7) {
            let again = Action::Listen {
                host,
                server: number,
            };
            self.push(now + Duration::from_secs(1), Event::Act(again));
        }
        self.settle(host)
    }

    fn hand_over(&mut self, host: usize, number: usize) -> Result<(), Failure> {
        let now = self.now;
        let Host {
            servers,
            stack,
            has_handed_over,
            ..
        } = &mut self.hosts[host];
        let next = (number + 1) % servers.len();
        let (Some(from), Some(to)) = (servers[number].id, servers[next].id) else {
            return Ok(());
        };
        let waiting = |stack: &estab_core::Stack<_>, id| {
            let status = stack.listener_status(id);
            status.map_or((0, 0), |status| (status.accept_queue, status.half_open))
        };
        let (theirs, ours) = (waiting(stack, from), waiting(stack, to));
        let done = stack.hand_over(now, from, to);
        let after = waiting(stack, to);
        *has_handed_over = true;
        // A held child may have moved up.
        let (before, after) = (theirs.0 + ours.0 + theirs.1 + ours.1, after.0 + after.1);
        let is_whole =
            from == to || after == before || stack.slots() >= stack.config().max_connections;
        if done.is_err() || !is_whole {
            let what = format!("{before} waited, {after} after they were handed over: {done:?}");
            return Err(self.failure(None, format!("host {host}: {what}")));
        }
        Ok(())
    }

    fn close_listener(&mut self, host: usize, number: usize) -> Result<(), Failure> {
        let now = self.now;
        let host = &mut self.hosts[host];
        match host.servers[number].id.take() {
            Some(id) if host.stack.close_listener(now, id).is_err() => {
                Err(self.failure(None, "a listener is not known that was not closed"))
            }
            _ => Ok(()),
        }
    }

    fn connect(
        &mut self,
        from: usize,
        remote: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<(), Failure> {
        let now = self.now;
        let socket = self.profile.options(&mut self.draw);
        let options = ConnectOptions { local, socket };
        let (draw, profile) = (&mut self.draw, &self.profile);
        let begun = self.hosts[from].connect(draw, profile, now, remote, options);
        begun.map_err(|what| self.failure(None, format!("host {from}: {what}")))?;
        self.settle(from)
    }
}

/// The address families of a host.
#[derive(Clone, Copy, Debug)]
struct Families {
    v4: bool,
    v6: bool,
}

impl Families {
    fn of(host: &Host) -> Self {
        let addresses = &host.stack.config().addresses;
        Self {
            v4: addresses.iter().any(IpAddr::is_ipv4),
            v6: addresses.iter().any(IpAddr::is_ipv6),
        }
    }
}

/// A connection, or two that cross each other.
fn draw_connect(
    draw: &mut Draw,
    profile: &Profile,
    families: &[Families],
    actions: &mut Vec<(Instant, Action)>,
) {
    let at = profile.start
        + draw.within(if profile.holes {
            Duration::from_millis(10)
        } else {
            profile.storm
        });
    let (from, to) = pair(draw, profile);
    let address = |host, is_v4| -> IpAddr {
        if is_v4 {
            v4(host).into()
        } else {
            v6(host).into()
        }
    };
    let (ours, theirs) = (families[from], families[to]);
    let is_v4 = match (ours.v4 && theirs.v4, ours.v6 && theirs.v6) {
        (true, false) => !draw.chance(0.02),
        (false, true) => draw.chance(0.02),
        _ => draw.chance(0.5),
    };
    let local_port = draw.pick(&CLIENT_PORTS);
    if draw.chance(0.12) && !profile.holes {
        // Simultaneous open: both know the other's port.
        let other_port = draw.pick(&CLIENT_PORTS);
        let ours = SocketAddr::new(address(from, is_v4), local_port);
        let theirs = SocketAddr::new(address(to, is_v4), other_port);
        let connect = |from, local, remote| Action::Connect {
            from,
            remote,
            local: Some(local),
        };
        actions.push((at, connect(from, ours, theirs)));
        let later = at + draw.time(1..=200_000);
        return actions.push((later, connect(to, theirs, ours)));
    }
    let port = match draw.range(0..=19) {
        _ if profile.holes => SERVER_PORTS[0],
        0 => CLOSED_PORT,
        1..=12 => SERVER_PORTS[0],
        _ => draw.pick(&SERVER_PORTS),
    };
    let remote = SocketAddr::new(address(to, is_v4), port);
    let local = match draw.range(0..=19) {
        0..=8 => None,
        9 if draw.chance(0.2) => Some(SocketAddr::new(address(to, is_v4), local_port)), // not ours
        _ => Some(SocketAddr::new(address(from, is_v4), local_port)),
    };
    actions.push((
        at,
        Action::Connect {
            from,
            remote,
            local,
        },
    ));
}

/// The same two sockets once more.
fn reincarnation(
    draw: &mut Draw,
    profile: &Profile,
    is_v4: bool,
    number: u32,
) -> (Instant, Action) {
    let address = |host| -> IpAddr {
        if is_v4 {
            v4(host).into()
        } else {
            v6(host).into()
        }
    };
    let at = profile.start + Duration::from_millis(120) * number + draw.time(1..=60_000);
    let connect = Action::Connect {
        from: 0,
        remote: SocketAddr::new(address(1), SERVER_PORTS[0]),
        local: Some(SocketAddr::new(address(0), CLIENT_PORTS[0])),
    };
    (at, connect)
}

fn pair(draw: &mut Draw, profile: &Profile) -> (usize, usize) {
    let from = draw.range(0..=profile.hosts - 1);
    let step = draw.range(1..=profile.hosts - 1);
    (from, (from + step) % profile.hosts)
}

fn draw_troubles(draw: &mut Draw, profile: &Profile, actions: &mut Vec<(Instant, Action)>) {
    let count = draw.range(0..=5);
    for _ in 0..count {
        let at = profile.start + draw.within(profile.storm);
        let (from, to) = pair(draw, profile);
        let time = draw.time(50_000..=60_000_000);
        match draw.range(0..=9) {
            0..=2 => {
                actions.push((at, Action::Cut { from, to, time }));
                if draw.chance(0.7) {
                    actions.push((
                        at,
                        Action::Cut {
                            from: to,
                            to: from,
                            time,
                        },
                    ));
                }
            }
            3 | 4 => {
                let (mtu, tells) = (draw.pick(&[1280, 1400, 9000]), draw.chance(0.7));
                actions.push((
                    at,
                    Action::Mtu {
                        from,
                        to,
                        mtu,
                        tells,
                    },
                ));
            }
            5 => {
                let mtu = draw.pick(&[65_535, 1500]);
                actions.push((
                    at,
                    Action::Mtu {
                        from,
                        to,
                        mtu,
                        tells: true,
                    },
                ));
            }
            6 => {
                let time = draw.time(1_000..=20_000_000);
                actions.push((at, Action::Stall { host: from, time }));
            }
            7 => {
                let server = draw.range(0..=1);
                let closes = draw.chance(0.7);
                actions.push((
                    at,
                    Action::HandOver {
                        host: from,
                        server,
                        closes,
                    },
                ));
            }
            9 if draw.chance(0.2) => {
                let orderly = draw.chance(0.5);
                actions.push((
                    at,
                    Action::ShutDown {
                        host: from,
                        orderly,
                    },
                ));
            }
            _ => {
                let server = 0;
                actions.push((at, Action::Restart { host: from, server }));
            }
        }
    }
}
