//! The conversation with the control plane: JSON lines over a unix socket.
//!
//! Problem: the control plane restarts, hangs and floods, and guests must not notice. Mechanism: a
//! thread of its own connects again and again, with a bounded wait; what it reads it passes on and
//! forgets. Writing is for whoever has something to say, with a time limit; a connection that does
//! not take it is given up, because the next one begins with the whole state anyway. Nothing is
//! queued for later: there are no messages that matter, only state that is sent again.

use crate::guest::{damaged, failed};
use crate::locked;
use crate::log;
use crate::secret::{Secret, wipe};
use jinyun_wire::{
    Ask, Fault, FromHost, HostFacts, HostWant, MAX_FRAME, PasswordFor, SecretText, ToHost,
};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// For the control plane to answer with a key.
const KEY_PATIENCE: Duration = Duration::from_secs(5);
/// For the control plane to take a frame.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What the main loop is told.
pub enum Event {
    /// A new connection: the control plane knows nothing of what was said before.
    Connected,
    /// A document.
    Want(Box<HostWant>),
    /// The passwords that guests have not taken yet.
    Passwords(Vec<PasswordFor>),
    /// A guest has taken its password.
    Taken(String),
    /// Something has changed by itself.
    Nudge,
}

/// Where what is read goes.
pub struct Ears {
    /// To the main loop.
    pub events: Sender<Event>,
    /// To the thread that answers questions.
    pub asks: Sender<(u64, Ask)>,
    /// What to say of this machine at the beginning.
    pub facts: Box<dyn Fn() -> HostFacts + Send>,
}

/// The conversation. Clones are the same one.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

struct Shared {
    socket: PathBuf,
    host: String,
    stop: Arc<AtomicBool>,
    /// The connection, while there is one.
    out: Mutex<Option<UnixStream>>,
    /// Since when there is none.
    apart: Mutex<Option<Instant>>,
    keys: Mutex<Waiting>,
}

/// Who waits for which answer.
#[derive(Default)]
struct Waiting {
    last: u64,
    open: BTreeMap<u64, SyncSender<Option<SecretText>>>,
}

impl Link {
    /// Begins to connect.
    pub fn start(
        socket: PathBuf,
        host: String,
        ears: Ears,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Link> {
        let link = Link(Arc::new(Shared {
            socket,
            host,
            stop,
            out: Mutex::new(None),
            apart: Mutex::new(Some(Instant::now())),
            keys: Mutex::default(),
        }));
        let shared = Arc::clone(&link.0);
        std::thread::Builder::new()
            .name("link".into())
            .spawn(move || shared.keep(&ears))?;
        Ok(link)
    }

    /// Says something; whether it was taken. Not being connected is no error.
    pub fn send(&self, message: &FromHost) -> bool {
        self.0.send(message)
    }

    /// Asks for a disk's key. Not having got one may pass; there being none does not.
    pub fn key(&self, disk: &str) -> Result<Secret, Fault> {
        let (sender, receiver) = sync_channel(1);
        let n = {
            let mut keys = locked(&self.0.keys);
            keys.last += 1;
            let n = keys.last;
            keys.open.insert(n, sender);
            n
        };
        let asked = self.send(&FromHost::NeedKey {
            n,
            disk: disk.to_owned(),
        });
        let answer = asked.then(|| receiver.recv_timeout(KEY_PATIENCE));
        locked(&self.0.keys).open.remove(&n);
        match answer {
            Some(Ok(Some(text))) => Secret::from_base64(text.into_text())
                .ok_or_else(|| damaged(format!("disk {disk}: its key is not base64"))),
            Some(Ok(None)) => Err(damaged(format!("disk {disk}: its key is gone"))),
            Some(Err(_)) => Err(failed(format!("disk {disk}: no answer about its key"))),
            None => Err(failed(format!(
                "disk {disk}: no control plane to give its key"
            ))),
        }
    }

    /// For how long there has been no connection; none while there is one.
    pub fn apart(&self) -> Option<Duration> {
        locked(&self.0.apart).map(|since| since.elapsed())
    }

    /// Ends the conversation; the thread goes with the stop flag.
    pub fn close(&self) {
        if let Some(stream) = locked(&self.0.out).take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn send(&self, message: &FromHost) -> bool {
        let frame = match frame_of(message) {
            Ok(frame) => frame,
            Err(e) => {
                log::warn(format_args!("a message cannot be sent: {e}"));
                return false;
            }
        };
        let mut out = locked(&self.out);
        let Some(stream) = out.as_mut() else {
            return false;
        };
        if let Err(e) = stream.write_all(&frame) {
            // Half a frame may be out: this connection is of no more use.
            log::warn(format_args!(
                "the control plane does not take messages: {e}"
            ));
            let _ = stream.shutdown(Shutdown::Both);
            *out = None;
            return false;
        }
        true
    }

    fn keep(&self, ears: &Ears) {
        let mut wait = FIRST_WAIT;
        let mut missed = false;
        while !self.stop.load(Ordering::Relaxed) {
            match UnixStream::connect(&self.socket) {
                Ok(stream) => {
                    missed = false;
                    match self.converse(stream, ears) {
                        Ok(0) => {}
                        // Only a control plane that talks is one to come back to quickly.
                        Ok(_) => wait = FIRST_WAIT,
                        Err(e) => log::warn(format_args!("the control plane's connection: {e}")),
                    }
                }
                Err(e) if !missed => {
                    missed = true;
                    let path = self.socket.display();
                    log::warn(format_args!(
                        "no control plane at {path}: {e}; guests run on"
                    ));
                }
                Err(_) => {}
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// One connection, to its end. How many frames came.
    fn converse(&self, mut stream: UnixStream, ears: &Ears) -> io::Result<u64> {
        stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        // Said before others get to speak: it must be the first.
        let hello = FromHost::Hello {
            host: self.host.clone(),
            facts: (ears.facts)(),
        };
        stream.write_all(&frame_of(&hello)?)?;
        *locked(&self.out) = Some(stream);
        *locked(&self.apart) = None;
        let _ = ears.events.send(Event::Connected);
        let result = self.listen(&mut reader, ears);
        *locked(&self.out) = None;
        *locked(&self.apart) = Some(Instant::now());
        // Whoever waits for a key on this connection waits in vain.
        locked(&self.keys).open.clear();
        result
    }

    fn listen(&self, reader: &mut BufReader<UnixStream>, ears: &Ears) -> io::Result<u64> {
        let mut frames = 0;
        let mut frame = Vec::new();
        while !self.stop.load(Ordering::Relaxed) && read_frame(reader, &mut frame)? {
            let message = serde_json::from_slice::<ToHost>(&frame);
            // It may have held a key or a password.
            wipe(&mut frame);
            match message {
                Ok(message) => self.hear(message, ears),
                // The text may be a secret's, so only where and what kind is told.
                Err(e) => {
                    let (kind, column) = (e.classify(), e.column());
                    log::warn(format_args!("a frame is unreadable: {kind:?} at {column}"));
                }
            }
            frames += 1;
        }
        Ok(frames)
    }

    fn hear(&self, message: ToHost, ears: &Ears) {
        match message {
            ToHost::Want(want) => {
                let _ = ears.events.send(Event::Want(Box::new(want)));
            }
            ToHost::Passwords { all } => {
                let _ = ears.events.send(Event::Passwords(all));
            }
            ToHost::Ask { n, ask } => {
                let _ = ears.asks.send((n, ask));
            }
            ToHost::Key { n, key } => match locked(&self.keys).open.remove(&n) {
                Some(waiting) => {
                    let _ = waiting.try_send(key);
                }
                // Nobody waits any more; it is overwritten like any other.
                None => drop(key),
            },
        }
    }
}

fn frame_of(message: &FromHost) -> io::Result<Vec<u8>> {
    let mut frame = serde_json::to_vec(message)?;
    if frame.len() >= MAX_FRAME {
        let why = format!("{} bytes are too long for a frame", frame.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    frame.push(b'\n');
    Ok(frame)
}

/// The next line, without its end, into `frame`; `false` at the end of the stream.
fn read_frame(reader: &mut impl BufRead, frame: &mut Vec<u8>) -> io::Result<bool> {
    frame.clear();
    reader.take(MAX_FRAME as u64 + 1).read_until(b'\n', frame)?;
    match frame.pop() {
        None => Ok(false),
        Some(b'\n') => Ok(true),
        Some(_) if frame.len() >= MAX_FRAME => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a frame is too long",
        )),
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
