//! Applications: what they write, how much they read, when they close.

use estab_core::error::{ReadError, WriteError};
use estab_core::observe::Cause;
use estab_core::{Instant, Shutdown, SocketId};

use crate::Node;

/// What an application means to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Bytes to write, all together; then the sending side is shut down.
    pub bytes: usize,
    /// Chooses the bytes.
    pub seed: u64,
    /// The largest piece written or read at once.
    pub piece: usize,
}

/// An application on one end of a connection: writes reproducible bytes, checks those it reads.
#[derive(Debug)]
pub struct Application {
    socket: SocketId,
    plan: Plan,
    expected: Plan,
    written: usize,
    read: usize,
    shut: bool,
    /// The peer's end of file came, at the right place.
    pub at_end: bool,
    /// The connection ended for this cause instead.
    pub failed: Option<Cause>,
}

impl Application {
    /// One that follows `plan` and expects its peer to follow `expected`.
    #[must_use]
    pub fn new(socket: SocketId, plan: Plan, expected: Plan) -> Self {
        Self {
            socket,
            plan,
            expected,
            written: 0,
            read: 0,
            shut: false,
            at_end: false,
            failed: None,
        }
    }

    /// Whether all was written, shut down and read to the end, or the connection failed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.failed.is_some() || (self.shut && self.at_end)
    }

    /// Does what can be done now.
    ///
    /// # Panics
    /// If a byte is not the one the peer wrote, or the stream ends elsewhere.
    pub fn poll(&mut self, node: &mut Node, now: Instant) {
        self.write(node, now);
        self.read(node, now);
        node.flush(now);
    }

    fn write(&mut self, node: &mut Node, now: Instant) {
        while self.failed.is_none() && self.written < self.plan.bytes {
            let end = self.plan.bytes.min(self.written + self.plan.piece);
            let data: Vec<u8> = (self.written..end)
                .map(|at| byte(self.plan.seed, at))
                .collect();
            match node.stack.write(now, self.socket, &data) {
                Ok(count) => self.written += count,
                Err(WriteError::WouldBlock) => return,
                Err(WriteError::Ended(cause)) => self.failed = Some(cause),
                Err(error) => panic!("write: {error}"),
            }
        }
        if !self.shut && self.failed.is_none() {
            self.shut = true;
            let _ = node.stack.shutdown(now, self.socket, Shutdown::Write);
        }
    }

    fn read(&mut self, node: &mut Node, now: Instant) {
        let mut buffer = vec![0; self.plan.piece];
        while self.failed.is_none() && !self.at_end {
            match node.stack.read(now, self.socket, &mut buffer) {
                Ok(0) => {
                    assert_eq!(self.read, self.expected.bytes, "the stream ended elsewhere");
                    self.at_end = true;
                }
                Ok(count) => {
                    for (offset, got) in buffer[..count].iter().enumerate() {
                        let at = self.read + offset;
                        assert_eq!(*got, byte(self.expected.seed, at), "byte {at} is another");
                    }
                    self.read += count;
                }
                Err(ReadError::WouldBlock) => return,
                Err(ReadError::Ended(cause)) => self.failed = Some(cause),
                Err(error) => panic!("read: {error}"),
            }
        }
    }
}

/// The byte at a place of a stream.
fn byte(seed: u64, at: usize) -> u8 {
    let mixed = (at as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}
