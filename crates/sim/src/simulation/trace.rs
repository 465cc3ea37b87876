//! What a failing world did, as a ladder and as a capture.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::task::{Context, Poll};
use std::time::SystemTime;

use estab_core::observe::Transition;
use estab_core::{FourTuple, Instant};
use estab_device::{Capture, Device};

use super::Failure;
use super::network::{Origin, Packet};

/// Lines of the failing connection that are kept.
const LADDER: usize = 400;

/// A device that leads nowhere: the capture writes down what is handed to it.
#[derive(Debug)]
struct Nowhere;

impl Device for Nowhere {
    fn mtu(&self) -> usize {
        65_535
    }

    fn receive(&mut self, _: Instant, _: &mut Vec<u8>) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn transmit(&mut self, _: Instant, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

struct Line {
    at: Instant,
    /// The connection as either end names it.
    tuple: Option<FourTuple>,
    text: String,
}

/// Writes down what happens.
pub(super) struct Trace {
    start: Instant,
    lines: Vec<Line>,
    capture: Capture<Nowhere, File>,
}

impl Trace {
    /// Writes the capture into `directory`, which is made if need be.
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let file = File::create(directory.join("world.pcapng"))?;
        Ok(Self {
            start: Instant::ZERO,
            lines: Vec::new(),
            capture: Capture::new(Nowhere, file, "simulation", SystemTime::UNIX_EPOCH)?,
        })
    }

    pub(super) fn note(&mut self, at: Instant, tuple: Option<FourTuple>, text: String) {
        if self.lines.is_empty() {
            self.start = at;
        }
        self.lines.push(Line { at, tuple, text });
    }

    /// A packet, and what becomes of it.
    pub(super) fn packet(&mut self, at: Instant, packet: &Packet, what: &str) {
        let Packet { from, to, .. } = packet;
        let origin = match packet.origin {
            Origin::Genuine => "",
            Origin::Damaged => "damaged ",
            Origin::Forged => "forged ",
        };
        let text = match packet.header {
            Some(header) => format!(
                "h{from} -> h{to} {origin}{} seq {} ack {} len {} wnd {}: {what}",
                flags(header.flags),
                header.seq.0,
                header.ack.0,
                header.len,
                header.wnd
            ),
            None => format!(
                "h{from} -> h{to} {origin}{} bytes: {what}",
                packet.bytes.len()
            ),
        };
        self.note(at, packet.header.map(|header| header.tuple), text);
    }

    pub(super) fn capture(&mut self, at: Instant, packet: &[u8]) {
        // What cannot be written is told by the capture's status; the ladder is there still.
        let _ = self.capture.transmit(at, packet);
    }

    pub(super) fn annotate(&mut self, transition: &Transition) {
        self.capture.annotate(transition);
    }

    /// Writes the ladder of the failing connection into `directory`, and the whole story beside it.
    pub(super) fn finish(mut self, directory: &Path, failure: &Failure) -> io::Result<()> {
        self.capture.flush();
        let mut all = io::BufWriter::new(File::create(directory.join("world.txt"))?);
        for line in &self.lines {
            self.write(&mut all, line)?;
        }
        writeln!(all, "{}", failure.what)?;
        let same = |tuple: FourTuple| {
            failure
                .tuple
                .is_none_or(|failed| failed == tuple || failed == tuple.reversed())
        };
        let own: Vec<_> = self
            .lines
            .iter()
            .filter(|line| line.tuple.is_none_or(same))
            .collect();
        let mut ladder = io::BufWriter::new(File::create(directory.join("ladder.txt"))?);
        if let Some(tuple) = failure.tuple {
            writeln!(ladder, "{} <-> {}", tuple.local(), tuple.remote())?;
        }
        for line in &own[own.len().saturating_sub(LADDER)..] {
            self.write(&mut ladder, line)?;
        }
        writeln!(ladder, "{}", failure.what)?;
        ladder.flush()?;
        all.flush()
    }

    fn write(&self, out: &mut impl io::Write, line: &Line) -> io::Result<()> {
        let at = line.at - self.start;
        let port = |tuple: FourTuple| format!("{}>{}", tuple.local_port(), tuple.remote_port());
        let ports = line.tuple.map(port).unwrap_or_default();
        writeln!(out, "{:>16.6} {ports:11} {}", at.as_secs_f64(), line.text)
    }
}

fn flags(flags: estab_core::Flags) -> String {
    let names: Vec<_> = flags.iter_names().map(|(name, _)| name).collect();
    if names.is_empty() {
        "-".into()
    } else {
        names.join(",")
    }
}
