//! Connections that their applications have forgotten: counted where they come from, and ended if the settings say so.

use alloc::collections::VecDeque;

use hashbrown::HashMap;

use super::{Event, ListenerId, NeglectLinks, SocketId, Stack};
use crate::Readiness;
use crate::connection::{Connection, Owner, Status};
use crate::demux::Keyed;
use crate::error::UnknownSocket;
use crate::observe::{Cause, Observer};
use crate::origins::{Origin, OriginStatus, Standing};

/// Sockets that the stack took from their applications, so that these learn why.
#[derive(Clone, Debug)]
pub(super) struct Reaped {
    causes: HashMap<SocketId, Cause, Keyed>,
    /// The oldest first; some were closed since.
    order: VecDeque<SocketId>,
    /// No event has told of them yet.
    untold: VecDeque<SocketId>,
}

impl Reaped {
    pub(super) fn new(key: [u8; 16]) -> Self {
        Self {
            causes: HashMap::with_hasher(Keyed(key)),
            order: VecDeque::new(),
            untold: VecDeque::new(),
        }
    }

    fn add(&mut self, id: SocketId, cause: Cause, most: usize) {
        self.causes.insert(id, cause);
        self.order.push_back(id);
        self.untold.push_back(id);
        while self.order.len() > most {
            let oldest = self.order.pop_front();
            oldest.map(|oldest| self.causes.remove(&oldest));
        }
        while self.untold.len() > most {
            self.untold.pop_front();
        }
    }

    /// Why a socket is gone.
    pub(super) fn cause(&self, id: SocketId) -> Option<Cause> {
        self.causes.get(&id).copied()
    }

    /// The application gives the socket up, if it had one.
    pub(super) fn forget(&mut self, id: SocketId) -> Result<(), UnknownSocket> {
        self.causes.remove(&id).map(|_| ()).ok_or(UnknownSocket)
    }

    pub(super) fn next_event(&mut self) -> Option<Event> {
        let id = self.untold.pop_front()?;
        Some(Event::Ready(id, ENDED))
    }

    /// No call on such a socket would wait.
    pub(super) fn readiness(&self, id: SocketId) -> Option<Readiness> {
        self.cause(id).map(|_| ENDED)
    }
}

const ENDED: Readiness = Readiness::READABLE
    .union(Readiness::WRITABLE)
    .union(Readiness::ACKNOWLEDGED);

impl<O: Observer> Stack<O> {
    /// A connection counts as something else now.
    pub(super) fn recount(&mut self, index: u32) {
        let Self {
            connections,
            origins,
            neglected,
            reaped,
            cx,
            ..
        } = self;
        let connection = &mut connections[index];
        let to = connection.standing();
        let from = core::mem::replace(&mut connection.counted, to);
        let (life, origin) = (connection.life, connection.origin);
        origins.change(origin, (from, to), cx.now);
        if let Some(cause) = connection.ended.filter(|cause| cause.is_neglect()) {
            origins.reaped(origin);
            reaped.add(SocketId { index, life }, cause, cx.config.max_reaped);
        }
        if from == Standing::Leaked {
            neglected.remove(&mut NeglectLinks(connections), index);
        } else if to == Standing::Leaked {
            neglected.push_back(&mut NeglectLinks(connections), index);
        }
    }

    /// The connection that was neglected first goes: there are too many.
    pub(super) fn cap_neglected(&mut self) {
        if let Some(oldest) = self.neglected.front() {
            self.connections[oldest].abandon(&mut self.cx, Cause::NeglectLimit);
            self.settle(oldest);
        }
    }

    /// Says where a socket comes from: it counts there from now on.
    ///
    /// # Errors
    /// [`UnknownSocket`].
    pub fn set_origin(&mut self, id: SocketId, origin: Origin<'_>) -> Result<(), UnknownSocket> {
        self.connection(id).ok_or(UnknownSocket)?;
        let connection = &mut self.connections[id.index];
        let (counted, now) = (connection.counted, self.cx.now);
        let next = self.origins.find(origin);
        let last = core::mem::replace(&mut connection.origin, next);
        if last != next {
            let origins = &mut self.origins;
            origins.change(last, (counted, Standing::Elsewhere), now);
            origins.change(next, (Standing::Elsewhere, counted), now);
        }
        Ok(())
    }

    /// Gives a socket's origin a label.
    ///
    /// # Errors
    /// [`UnknownSocket`].
    pub fn set_label(&mut self, id: SocketId, label: Option<&str>) -> Result<(), UnknownSocket> {
        let connection = self.connection(id).ok_or(UnknownSocket)?;
        let site = self.origins.site(connection.origin);
        self.set_origin(id, Origin { site, label })
    }

    /// Says where a listener comes from: connections that nobody accepts do, too, and those accepted later inherit the
    /// label.
    ///
    /// # Errors
    /// [`UnknownSocket`] for a listener that was closed.
    pub fn set_listener_origin(
        &mut self,
        id: ListenerId,
        origin: Origin<'_>,
    ) -> Result<(), UnknownSocket> {
        let origin = self.origins.find(origin);
        let listener = self.listeners.get_mut(id).ok_or(UnknownSocket)?;
        listener.origin = origin;
        Ok(())
    }

    /// Gives a listener's origin a label.
    ///
    /// # Errors
    /// As [`set_listener_origin`](Self::set_listener_origin).
    pub fn set_listener_label(
        &mut self,
        id: ListenerId,
        label: Option<&str>,
    ) -> Result<(), UnknownSocket> {
        let listener = self.listeners.get(id).ok_or(UnknownSocket)?;
        let site = self.origins.site(listener.origin);
        self.set_listener_origin(id, Origin { site, label })
    }

    /// What has become of the connections of every origin.
    pub fn origins(&self) -> alloc::vec::Vec<OriginStatus> {
        self.origins.statuses(self.cx.now)
    }

    /// Everything about a connection in a slot.
    pub(super) fn status_of(&self, connection: &Connection) -> Status {
        let origin = match connection.owner {
            Owner::AcceptQueue(listener) => self.listeners.get(listener).map(|one| one.origin),
            Owner::Application | Owner::Nobody => Some(connection.origin),
        };
        let origin = origin.unwrap_or_default();
        let mut status = connection.status(&self.cx.config);
        status.site = self.origins.site(origin);
        status.label = self.origins.label(origin);
        status
    }
}
