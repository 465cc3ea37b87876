//! The calls of the application, and what they answer.

use std::net::SocketAddr;

use estab_core::error::{ReadError, WriteError};
use estab_core::{ConnectOptions, Shutdown};

use super::{PORT, Socket, Step, World, ours, theirs};

impl World {
    /// The application listens, or listens no more.
    pub(super) fn toggle_listener(&mut self, how: u8) {
        match self.listener.take() {
            Some(listener) => {
                let closed = self.stack.close_listener(self.now, listener);
                closed.expect("it listens");
            }
            None => {
                let mut options = self.settings.listen();
                options.backlog += usize::from(how & 1);
                // A connection of ours may hold the port.
                self.listener = self.stack.listen(self.now, options).ok();
            }
        }
    }

    /// Connects from a port of the stack's choice, or from the listener's.
    pub(super) fn connect(&mut self, step: &Step) {
        let remote = SocketAddr::new(self.settings.theirs(), 7 + u16::from(step.who & 3));
        let local = SocketAddr::new(self.settings.ours(), PORT);
        let options = ConnectOptions {
            local: (step.flags & 1 != 0).then_some(local),
            socket: self.settings.socket(step.flags >> 1),
        };
        if let Ok(id) = self.stack.connect(self.now, remote, options) {
            self.sockets.push(Socket { id, read: 0 });
        }
    }

    pub(super) fn accept(&mut self) {
        let Some(listener) = self.listener else {
            return;
        };
        let accepted = self.stack.accept(self.now, listener).expect("it listens");
        if let Some(id) = accepted {
            self.sockets.push(Socket { id, read: 0 });
        }
    }

    fn which(&self, step: &Step) -> Option<usize> {
        let count = self.sockets.len();
        (count > 0).then(|| usize::from(step.who) % count)
    }

    /// What is read continues the peer's stream; its end is where its FIN was.
    pub(super) fn read(&mut self, step: &Step) {
        let Some(which) = self.which(step) else {
            return;
        };
        let Socket { id, read } = self.sockets[which];
        let mut into = vec![0; step.call_len()];
        let peeked = self.stack.peek(self.now, id, &mut into);
        let peek = into.clone();
        let result = self.stack.read(self.now, id, &mut into);
        if let Ok(count) = peeked {
            assert_eq!(result, Ok(count));
            assert_eq!(peek, into);
        }
        match result {
            Ok(0) | Err(ReadError::WouldBlock | ReadError::Ended(_)) => {}
            Ok(count) => {
                let irs = self.stack.observer_mut().life(id.life()).irs;
                let first = irs.expect("data comes after a SYN") + 1 + read;
                for (place, byte) in into[..count].iter().enumerate() {
                    let seq = first + place as u32;
                    let right = self.garbled || *byte == theirs(seq.0);
                    assert!(right, "the byte at {seq} of {}", id.life());
                }
                self.sockets[which].read += count as u32;
            }
            Err(ReadError::Unknown(error)) => panic!("a socket that is held: {error}"),
        }
    }

    pub(super) fn write(&mut self, step: &Step) {
        let Some(which) = self.which(step) else {
            return;
        };
        let id = self.sockets[which].id;
        let begin = self.stack.observer_mut().life(id.life()).written;
        let data: Vec<u8> = (0..step.call_len() as u32)
            .map(|place| ours(begin + place))
            .collect();
        match self.stack.write(self.now, id, &data) {
            Ok(count) => self.stack.observer_mut().life(id.life()).written += count as u32,
            Err(WriteError::WouldBlock | WriteError::Closed | WriteError::Ended(_)) => {}
            Err(WriteError::Unknown(error)) => panic!("a socket that is held: {error}"),
        }
    }

    pub(super) fn shut_down(&mut self, step: &Step) {
        let Some(which) = self.which(step) else {
            return;
        };
        let how = match step.flags % 3 {
            0 => Shutdown::Write,
            1 => Shutdown::Read,
            _ => Shutdown::Both,
        };
        let id = self.sockets[which].id;
        // A connection that has ended has nothing to shut down.
        let _ = self.stack.shutdown(self.now, id, how);
    }

    pub(super) fn close(&mut self, step: &Step) {
        if let Some(which) = self.which(step) {
            let id = self.sockets.remove(which).id;
            self.stack.close(self.now, id).expect("it is held");
        }
    }

    pub(super) fn abort(&mut self, step: &Step) {
        if let Some(which) = self.which(step) {
            let id = self.sockets.remove(which).id;
            self.stack.abort(self.now, id).expect("it is held");
        }
    }

    pub(super) fn set_options(&mut self, step: &Step) {
        if let Some(which) = self.which(step) {
            let options = self.settings.socket(step.bits);
            let id = self.sockets[which].id;
            let set = self.stack.set_options(self.now, id, options);
            set.expect("it is held");
        }
    }
}
