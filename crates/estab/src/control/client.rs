//! The asking side.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{Ask, Line, Request, VERSION};
use super::record::{Counters, Limits, Listener, Memory, Origin, Socket};

/// What a running estab answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Every listener.
    pub listeners: Vec<Listener>,
    /// Every connection.
    pub sockets: Vec<Socket>,
    /// Where connections come from.
    pub origins: Vec<Origin>,
    /// How many there may be.
    pub limits: Limits,
    /// What happened how often.
    pub counters: Counters,
    /// How much memory is used, if it says so.
    pub memory: Option<Memory>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// No socket there, or nobody behind it.
    NobodyThere(PathBuf),
    /// It cannot be reached otherwise.
    Connect(PathBuf, io::Error),
    /// The answer broke off.
    Broken(io::Error),
    /// The other side says why not.
    Refused(String),
    /// The answer is none, or one of another version.
    Foreign(String),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodyThere(path) => write!(
                f,
                "no estab is running at {}: start `estab serve` or `estab run -- COMMAND`, \
                 or name its socket with --control",
                path.display()
            ),
            Self::Connect(path, error) => {
                write!(f, "cannot reach {}: {error}", path.display())
            }
            Self::Broken(error) => write!(f, "the answer broke off: {error}"),
            Self::Refused(message) => write!(f, "the running estab says: {message}"),
            Self::Foreign(what) => write!(f, "cannot understand the answer: {what}"),
        }
    }
}

impl std::error::Error for AskError {}

/// How long to wait for the next piece of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the estab behind `path` for everything. Applications may be idle for `patience` before that is odd; without,
/// for as long as the host's settings say.
pub fn ask(path: &Path, patience: Option<Duration>) -> Result<Answer, AskError> {
    let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            AskError::NobodyThere(path.to_owned())
        }
        _ => AskError::Connect(path.to_owned(), error),
    })?;
    let request = Request {
        version: VERSION,
        ask: Ask::Sockets,
        patience_ns: patience.map(super::record::nanos),
    };
    let mut text = serde_json::to_string(&request).expect("all keys are strings");
    text.push('\n');
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .and_then(|()| (&stream).write_all(text.as_bytes()))
        .map_err(AskError::Broken)?;
    read_answer(BufReader::new(stream))
}

fn read_answer(reader: impl BufRead) -> Result<Answer, AskError> {
    let mut answer = Answer::default();
    let mut is_estab = false;
    for line in reader.lines() {
        let line = line.map_err(AskError::Broken)?;
        let line =
            serde_json::from_str(&line).map_err(|error| AskError::Foreign(error.to_string()))?;
        match line {
            Line::Error { message } => return Err(AskError::Refused(message)),
            Line::Estab { version: VERSION } => is_estab = true,
            Line::Estab { version } => {
                let other = format!("it is of version {version}, this is version {VERSION}");
                return Err(AskError::Foreign(other));
            }
            _ if !is_estab => return Err(AskError::Foreign("it does not begin as one".to_owned())),
            Line::Listener(listener) => answer.listeners.push(listener),
            Line::Socket(socket) => answer.sockets.push(*socket),
            Line::Origin(origin) => answer.origins.push(origin),
            Line::Limits(limits) => answer.limits = limits,
            Line::Counters(counters) => answer.counters = counters,
            Line::Memory(memory) => answer.memory = Some(memory),
            Line::Unknown => {}
            Line::End => return Ok(answer),
        }
    }
    Err(AskError::Broken(io::ErrorKind::UnexpectedEof.into()))
}
