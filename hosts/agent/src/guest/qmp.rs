//! Speaks QMP, QEMU's control protocol: JSON lines over a unix socket.
//!
//! The other end is a process that runs a stranger's operating system and must be assumed to be in
//! its hands. So every read has a deadline, every line and queue a limit, replies are matched by
//! number, and nothing that comes back is used but as text for people and names to compare.
//!
//! Descriptors (disks, taps) travel over the same socket. QEMU therefore needs permission for no
//! path at all: it owns what it was handed and cannot open anything else.

use super::process::readable;
use crate::secret::{Secret, wipe};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a command may take. Opening an encrypted disk takes half a second on a slow machine.
const PATIENCE: Duration = Duration::from_secs(15);
const LINE_LIMIT: usize = 1 << 20;
const EVENT_LIMIT: usize = 256;

/// Why a command failed.
#[derive(Debug)]
pub enum QmpError {
    /// QEMU understood and refused, in its own words.
    Refused(String),
    /// The conversation is over: the process ended, hangs or talks nonsense.
    Gone(String),
}

impl std::fmt::Display for QmpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            QmpError::Refused(why) => write!(f, "QEMU refused: {why}"),
            QmpError::Gone(why) => write!(f, "QEMU does not answer: {why}"),
        }
    }
}

impl std::error::Error for QmpError {}

impl From<io::Error> for QmpError {
    fn from(e: io::Error) -> QmpError {
        QmpError::Gone(e.to_string())
    }
}

/// A line from QEMU.
#[derive(Debug, PartialEq)]
pub enum Line {
    /// The first line of a conversation.
    Greeting,
    /// What a command with this number gave.
    Return(Option<u64>, Value),
    /// Why a command with this number failed.
    Error(Option<u64>, String),
    /// Something happened; its name and data.
    Event(String, Value),
}

/// Understands one line.
pub fn parse(line: &[u8]) -> Result<Line, String> {
    let mut value: Value = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let id = value.get("id").and_then(Value::as_u64);
    if let Some(event) = value.get("event").and_then(Value::as_str) {
        let event = event.to_owned();
        return Ok(Line::Event(event, value["data"].take()));
    }
    if let Some(error) = value.get("error") {
        let why = error
            .get("desc")
            .and_then(Value::as_str)
            .unwrap_or("(no reason given)");
        return Ok(Line::Error(id, why.to_owned()));
    }
    if value.get("return").is_some() {
        return Ok(Line::Return(id, value["return"].take()));
    }
    if value.get("QMP").is_some() {
        return Ok(Line::Greeting);
    }
    Err("neither a greeting, a reply nor an event".into())
}

/// A conversation with one QEMU. It serves one client at a time.
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    unread: Vec<u8>,
    events: VecDeque<(String, Value)>,
    last: u64,
}

impl Qmp {
    /// Begins the conversation; the greeting must come within `patience`.
    pub fn connect(path: &Path, patience: Duration) -> Result<Qmp, QmpError> {
        let stream = UnixStream::connect(path)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut qmp = Qmp {
            stream,
            unread: Vec::new(),
            events: VecDeque::new(),
            last: 0,
        };
        let until = Instant::now() + patience;
        while qmp.line(until)? != Line::Greeting {}
        qmp.call_within(patience, "qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// One command and its result.
    pub fn call(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        self.call_within(PATIENCE, command, arguments)
    }

    /// The same, for a caller who cannot wait long.
    pub fn call_within(
        &mut self,
        patience: Duration,
        command: &str,
        arguments: Value,
    ) -> Result<Value, QmpError> {
        let text = self.compose(command, arguments);
        self.stream.write_all(&text)?;
        self.reply(patience)
    }

    /// A command whose refusal does not matter: to remove what may not be there.
    pub fn try_call(&mut self, command: &str, arguments: Value) -> Result<(), QmpError> {
        match self.call(command, arguments) {
            Ok(_) | Err(QmpError::Refused(_)) => Ok(()),
            Err(gone) => Err(gone),
        }
    }

    /// A command that comes with a descriptor (`add-fd`, `getfd`).
    pub fn call_with_fd(
        &mut self,
        command: &str,
        arguments: Value,
        fd: BorrowedFd<'_>,
    ) -> Result<Value, QmpError> {
        let text = self.compose(command, arguments);
        let fds = [fd.as_raw_fd()];
        let sent = sendmsg::<()>(
            self.stream.as_raw_fd(),
            &[IoSlice::new(&text)],
            &[ControlMessage::ScmRights(&fds)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .map_err(io::Error::from)?;
        self.stream
            .write_all(text.get(sent..).unwrap_or_default())?;
        self.reply(PATIENCE)
    }

    /// Hands over a disk's passphrase under a name. The text is composed by hand in one buffer
    /// that is overwritten afterwards; a JSON library would leave copies behind.
    pub fn add_secret(&mut self, name: &str, secret: &Secret) -> Result<(), QmpError> {
        self.last += 1;
        let head = format!(
            "{{\"execute\":\"object-add\",\"id\":{},\"arguments\":{{\"qom-type\":\"secret\",\
             \"id\":\"{name}\",\"format\":\"base64\",\"data\":\"",
            self.last
        );
        let data = secret.base64();
        let mut text = Vec::with_capacity(head.len() + data.len() + 8);
        text.extend_from_slice(head.as_bytes());
        text.extend_from_slice(data);
        text.extend_from_slice(b"\"}}\n");
        let sent = self.stream.write_all(&text);
        wipe(&mut text);
        sent?;
        self.reply(PATIENCE).map(drop)
    }

    /// Events that have come, without waiting. An error means that the conversation is over.
    pub fn events(&mut self) -> Result<Vec<(String, Value)>, QmpError> {
        self.gather()?;
        Ok(self.events.drain(..).collect())
    }

    /// Waits until something happens, `patience` at most.
    pub fn wait(&mut self, patience: Duration) -> Result<(), QmpError> {
        if readable(self.stream.as_fd(), Some(patience))? {
            self.gather()
        } else {
            Ok(())
        }
    }

    fn gather(&mut self) -> Result<(), QmpError> {
        self.stream.set_nonblocking(true)?;
        let result = self.drain();
        self.stream.set_nonblocking(false)?;
        result
    }

    /// Whether the guest runs, and QEMU's word for its state (`running`, `prelaunch`, `paused`,
    /// `io-error`, ...).
    pub fn status(&mut self, patience: Duration) -> Result<(bool, String), QmpError> {
        let status = self.call_within(patience, "query-status", json!({}))?;
        let running = status
            .get("running")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let word = status
            .get("status")
            .and_then(Value::as_str)
            .unwrap_or("unknown");
        Ok((running, word.to_owned()))
    }

    fn compose(&mut self, command: &str, arguments: Value) -> Vec<u8> {
        self.last += 1;
        let command = json!({ "execute": command, "arguments": arguments, "id": self.last });
        let mut text = command.to_string().into_bytes();
        text.push(b'\n');
        text
    }

    fn reply(&mut self, patience: Duration) -> Result<Value, QmpError> {
        let until = Instant::now() + patience;
        loop {
            match self.line(until)? {
                Line::Return(id, value) if id == Some(self.last) => return Ok(value),
                // QEMU cannot always tell which command it did not understand.
                Line::Error(id, why) if id.is_none() || id == Some(self.last) => {
                    return Err(QmpError::Refused(why));
                }
                Line::Event(name, data) => self.remember(name, data),
                // A late reply to a command that was given up.
                Line::Greeting | Line::Return(..) | Line::Error(..) => {}
            }
        }
    }

    /// The oldest events give way: a guest can cause events, but not memory use.
    fn remember(&mut self, name: String, data: Value) {
        if self.events.len() == EVENT_LIMIT {
            self.events.pop_front();
        }
        self.events.push_back((name, data));
    }

    fn line(&mut self, until: Instant) -> Result<Line, QmpError> {
        loop {
            // Asked even when a line is there: one that never stops talking is given up, too.
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(QmpError::Gone("no answer in time".into()));
            }
            if let Some(line) = self.take_line()? {
                return Ok(line);
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.fill() {
                Ok(()) => {}
                Err(e) if is_wait(&e) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn drain(&mut self) -> Result<(), QmpError> {
        // What comes faster than this is read in the next pass.
        for _ in 0..64 {
            while let Some(line) = self.take_line()? {
                if let Line::Event(name, data) = line {
                    self.remember(name, data);
                }
            }
            match self.fill() {
                Ok(()) => {}
                Err(e) if is_wait(&e) => break,
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn take_line(&mut self) -> Result<Option<Line>, QmpError> {
        let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') else {
            if self.unread.len() > LINE_LIMIT {
                return Err(QmpError::Gone("a line without end".into()));
            }
            return Ok(None);
        };
        let line: Vec<u8> = self.unread.drain(..=end).collect();
        parse(&line).map(Some).map_err(QmpError::Gone)
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut part = [0u8; 16 << 10];
        match self.stream.read(&mut part)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            got => {
                self.unread
                    .extend_from_slice(part.get(..got).unwrap_or_default());
                Ok(())
            }
        }
    }
}

fn is_wait(e: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(e.kind(), Interrupted | TimedOut | WouldBlock)
}

#[cfg(test)]
#[path = "qmp_tests.rs"]
mod tests;
