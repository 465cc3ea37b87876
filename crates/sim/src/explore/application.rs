//! What an application has done so far, and whether what it was given to read is what its peer wrote.

use super::scenario::{Scenario, Step};
use crate::ladder::Side;

/// An application: its place in the scenario's plan, and its stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Application {
    /// Steps taken.
    at: usize,
    /// Connections begun or accepted. Bytes carry it, so that one of another connection is known.
    incarnation: u8,
    written: u8,
    /// The incarnation of the peer whose bytes are read, and how many were.
    reading: Option<(u8, u8)>,
    /// The last incarnation read from on an earlier connection: none may come back.
    past: u8,
    /// The end of file, or of the connection, was read.
    pub at_end: bool,
}

impl Application {
    /// The step that is next, if there is one. A listener begins again when it is through.
    #[must_use]
    pub fn next_step(&self, scenario: &Scenario, side: Side) -> Option<Step> {
        scenario.plan(side).get(self.at).copied()
    }

    /// Whether everything planned is done, or waits only for another client.
    #[must_use]
    pub fn is_done(&self, scenario: &Scenario, side: Side) -> bool {
        match self.next_step(scenario, side) {
            None => true,
            Some(step) => self.at == 0 && step == Step::Accept,
        }
    }

    /// Whether anything was read from this connection.
    #[must_use]
    pub fn has_read(&self) -> bool {
        self.reading.is_some()
    }

    pub(super) fn step_done(&mut self, scenario: &Scenario, side: Side) {
        let plan = scenario.plan(side);
        self.at += 1;
        if self.at == plan.len() && scenario.repeats(side) {
            self.at = 0;
        }
    }

    /// A connection begins.
    pub(super) fn open(&mut self) {
        self.forget();
        self.incarnation = self.incarnation.wrapping_add(1);
    }

    /// A connection is given up.
    pub(super) fn forget(&mut self) {
        self.past = self.reading.map_or(self.past, |(which, _)| which);
        self.reading = None;
        self.written = 0;
        self.at_end = false;
    }

    /// The host restarts, and the application with it.
    pub(super) fn restart(&mut self) {
        self.forget();
        self.at = 0;
    }

    /// The next connection is number `first`.
    pub(super) fn count_from(&mut self, first: u8) {
        self.incarnation = first.wrapping_sub(1);
    }

    /// The byte to write next: it says which connection it belongs to and which byte of it it is.
    pub(super) fn next_byte(&mut self) -> u8 {
        let byte = self.incarnation << 4 | self.written;
        self.written += 1;
        byte
    }

    /// Takes a byte read.
    pub(super) fn take(&mut self, byte: u8) -> Result<(), String> {
        let (incarnation, number) = (byte >> 4, byte & 15);
        if incarnation == OLD {
            return Err("data of an earlier incarnation is delivered".to_owned());
        }
        let expected = match self.reading {
            None if incarnation > self.past => (incarnation, 0),
            None => return Err("data of a connection that has ended is delivered again".to_owned()),
            Some((which, count)) => (which, count),
        };
        if (incarnation, number) != expected {
            return Err(format!(
                "byte {number} of connection {incarnation} is delivered where byte {} of {} belongs",
                expected.1, expected.0
            ));
        }
        self.reading = Some((incarnation, number + 1));
        Ok(())
    }
}

/// The incarnation that was over before the exploration began.
pub(super) const OLD: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_peers_bytes_of_this_connection_in_order_are_taken() {
        let mut reader = Application::default();
        assert!(reader.take(0x10).is_ok() && reader.take(0x11).is_ok());
        assert!(reader.clone().take(0x13).is_err(), "a byte is missing");
        assert!(reader.clone().take(0x11).is_err(), "a byte comes twice");
        assert!(reader.clone().take(0x20).is_err(), "another connection's");
        assert!(reader.clone().take(0x00).is_err(), "an old one's");
        reader.open();
        assert!(reader.clone().take(0x10).is_err(), "it was over");
        assert!(reader.take(0x20).is_ok());
    }
}
