//! Passive OPEN and what follows from it: listeners, the ports they hold, and their accept queues.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::{AcceptLinks, SocketId, Stack};
#[cfg(doc)]
use crate::Config;
use crate::config::AcceptPolicy;
use crate::connection::state::Closed;
use crate::demux::{Hold, Listener, ListenerId, Scope, Tally, Towards};
use crate::error::{Exhausted, ListenError, UnknownSocket};
use crate::list::List;
use crate::observe::{Cause, Observer, RefusalReason, StateName};
use crate::origins::{Origin, OriginId};
use crate::{FourTuple, Instant, SocketOptions};

/// What [`Stack::listen`] needs to know.
#[derive(Clone, Copy, Debug)]
pub struct ListenOptions {
    /// Where: an address of ours or an unspecified one; port 0 chooses an ephemeral port. `[::]` takes IPv4,
    /// too.
    pub address: SocketAddr,
    /// Children that may wait for `accept`; at least 1.
    pub backlog: usize,
    /// What happens when they do.
    pub policy: AcceptPolicy,
    /// Half-open children that there may be, besides what [`Config::max_syn_received`] says for all listeners; at
    /// least 1. `None`: the backlog, and at least 128. Beyond, SYNs are answered as
    /// [`Config::syn_cookies`] says.
    pub syn_backlog: Option<usize>,
    /// A child whose peer has said nothing yet stays half-open for so long, or until its data or FIN comes (Linux's
    /// TCP_DEFER_ACCEPT). Rounded up to the next of the times when its SYN-ACK would be sent again: 1, 3, 7, 15, 31
    /// and 63 s by default. Then it may be accepted without.
    pub defer_accept: Option<Duration>,
    /// The options that children inherit; `reuse_address` is for this call.
    pub socket: SocketOptions,
}

impl ListenOptions {
    /// The defaults for an address: a backlog of 1,024, as tokio.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            backlog: 1024,
            policy: AcceptPolicy::default(),
            syn_backlog: None,
            defer_accept: None,
            socket: SocketOptions::default(),
        }
    }
}

impl<O: Observer> Stack<O> {
    /// Passive OPEN (RFC 9293 §3.10.1).
    ///
    /// # Errors
    /// [`ListenError`]; nothing is changed then.
    pub fn listen(
        &mut self,
        now: Instant,
        options: ListenOptions,
    ) -> Result<ListenerId, ListenError> {
        self.set_now(now);
        let address = self.check_bind(options.address, &options.socket)?;
        let life = self.cx.next_listener();
        let listener = Listener {
            state: Closed.listen(),
            life,
            address,
            scope: Scope::of(address.ip()),
            backlog: options.backlog.max(1),
            syn_backlog: options.syn_backlog,
            policy: options.policy,
            defer_accept: options.defer_accept,
            options: options.socket.clamped(),
            queue: List::new(),
            held: VecDeque::new(),
            held_now: 0,
            half_open: 0,
            origin: OriginId::default(),
            tally: Tally::default(),
            told: false,
        };
        let tuple = listening_tuple(address);
        self.cx.transition(
            life,
            tuple,
            (StateName::Closed, StateName::Listen),
            Cause::Listen,
        );
        Ok(self.listeners.insert(listener))
    }

    /// Whether a listener could be bound to `address` now; answers it with its port chosen.
    ///
    /// # Errors
    /// As [`listen`](Self::listen).
    pub fn check_bind(
        &mut self,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> Result<SocketAddr, ListenError> {
        let refuse = |stack: &mut Self, reason, error| {
            stack.cx.refuse(Some(listening_tuple(address)), reason);
            Err(error)
        };
        let ip = address.ip();
        if !ip.is_unspecified() && !self.is_ours(ip) {
            return refuse(
                self,
                RefusalReason::AddressNotOurs,
                ListenError::AddressNotOurs,
            );
        }
        if self.listeners.len() >= self.cx.config.max_listeners {
            return refuse(
                self,
                RefusalReason::ListenerLimit,
                ListenError::LimitReached,
            );
        }
        let scope = Scope::of(ip);
        if address.port() == 0 {
            return match self.choose_port(&Towards::nobody(ip)) {
                Ok(port) => Ok(SocketAddr::new(ip, port)),
                Err(Exhausted { held, .. }) => refuse(
                    self,
                    RefusalReason::PortsExhausted,
                    ListenError::PortsExhausted { held },
                ),
            };
        }
        if self
            .listeners
            .conflicts(scope, address.port(), options.reuse_port)
        {
            return refuse(self, RefusalReason::AddressInUse, ListenError::AddressInUse);
        }
        let Hold { live, time_wait } = self.ports.holders(&self.cx.config, scope, address.port());
        // The connections of a group that is joined are no obstacle.
        let joins = options.reuse_port && self.listeners.shares(scope, address.port());
        if !options.reuse_address && !joins && live + time_wait > 0 {
            let reason = if live > 0 {
                RefusalReason::AddressInUse
            } else {
                RefusalReason::TimeWaitHoldsPort
            };
            return refuse(self, reason, ListenError::PortHeld { time_wait, live });
        }
        Ok(address)
    }

    /// Keeps a port for a socket that is bound and does not listen or connect yet: it is chosen for nobody else,
    /// as long as [`release_port`](Self::release_port) was not called as often.
    pub fn hold_port(&mut self, address: SocketAddr) {
        self.ports.hold(Scope::of(address.ip()), address.port());
    }

    /// Takes back one [`hold_port`](Self::hold_port).
    pub fn release_port(&mut self, address: SocketAddr) {
        self.ports.release(Scope::of(address.ip()), address.port());
    }

    /// Changes how many children may wait for `accept`; at least 1. Those that wait now stay.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed.
    pub fn set_backlog(
        &mut self,
        now: Instant,
        id: ListenerId,
        backlog: usize,
    ) -> Result<(), UnknownSocket> {
        self.set_now(now);
        let listener = self.listeners.get_mut(id).ok_or(UnknownSocket)?;
        listener.backlog = backlog.max(1);
        self.promote_held(id);
        Ok(())
    }

    /// Changes how many half-open children there may be, as [`ListenOptions::syn_backlog`] says. Those that are stay.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed.
    pub fn set_syn_backlog(
        &mut self,
        id: ListenerId,
        syn_backlog: Option<usize>,
    ) -> Result<(), UnknownSocket> {
        let listener = self.listeners.get_mut(id).ok_or(UnknownSocket)?;
        listener.syn_backlog = syn_backlog;
        Ok(())
    }

    /// Changes how long a listener waits for data, as [`ListenOptions::defer_accept`] says.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed.
    pub fn set_defer_accept(
        &mut self,
        id: ListenerId,
        time: Option<Duration>,
    ) -> Result<(), UnknownSocket> {
        let listener = self.listeners.get_mut(id).ok_or(UnknownSocket)?;
        listener.defer_accept = time;
        Ok(())
    }

    /// Changes the options that children to come inherit. Whether the listener shares its port stays.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed.
    pub fn set_listener_options(
        &mut self,
        id: ListenerId,
        options: SocketOptions,
    ) -> Result<(), UnknownSocket> {
        let listener = self.listeners.get_mut(id).ok_or(UnknownSocket)?;
        listener.options = SocketOptions {
            reuse_port: listener.options.reuse_port,
            ..options.clamped()
        };
        Ok(())
    }

    /// Takes the connection that has waited longest in a listener's accept queue.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed. `Ok(None)`: nobody waits.
    pub fn accept(
        &mut self,
        now: Instant,
        id: ListenerId,
    ) -> Result<Option<SocketId>, UnknownSocket> {
        self.accept_from(now, id, Origin::default())
    }

    /// As [`accept`](Self::accept), told where in the program. What is left out is taken from the listener's origin.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_from(
        &mut self,
        now: Instant,
        id: ListenerId,
        origin: Origin<'_>,
    ) -> Result<Option<SocketId>, UnknownSocket> {
        self.set_now(now);
        let listener = self.listeners.get_mut(id).ok_or(UnknownSocket)?;
        let Some(index) = listener
            .queue
            .pop_front(&mut AcceptLinks(&mut self.connections))
        else {
            return Ok(None);
        };
        listener.tally.accepted += 1;
        let (site, label) = (origin.site, self.origins.label(listener.origin));
        let origin = Origin {
            site: site.or_else(|| self.origins.site(listener.origin)),
            label: origin.label.or(label.as_deref()),
        };
        let connection = &mut self.connections[index];
        connection.origin = self.origins.find(origin);
        connection.be_accepted(&self.cx);
        let life = connection.life;
        self.settle(index);
        self.promote_held(id);
        Ok(Some(SocketId { index, life }))
    }

    /// Closes a listener. Children nobody accepted are reset; half-open ones get a RST when they are heard
    /// of again.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed.
    pub fn close_listener(&mut self, now: Instant, id: ListenerId) -> Result<(), UnknownSocket> {
        self.set_now(now);
        self.end_listener(id, Cause::Close)
    }

    fn end_listener(&mut self, id: ListenerId, cause: Cause) -> Result<(), UnknownSocket> {
        let listener = self.listeners.remove(id).ok_or(UnknownSocket)?;
        let tuple = listening_tuple(listener.address);
        let states = (StateName::Listen, StateName::Closed);
        self.ports.stopped_listening(listener.address.port());
        let Closed = listener.state.close();
        self.cx.transition(id.life, tuple, states, cause);
        self.close_children(listener);
        Ok(())
    }

    pub(super) fn end_listeners(&mut self) {
        let listeners: Vec<_> = self.listeners.ids().collect();
        for id in listeners {
            let _it_was_there = self.end_listener(id, Cause::Shutdown);
        }
    }
}

/// A listener's place in events: its peer is unspecified.
fn listening_tuple(address: SocketAddr) -> FourTuple {
    let nobody: IpAddr = match address.ip() {
        IpAddr::V4(_) => core::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => core::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    FourTuple::new(address, SocketAddr::new(nobody, 0))
}
