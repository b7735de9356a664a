//! The run loop: one thread that takes documents in, converges, and says what it sees.
//!
//! ```text
//!   link ──Want──> accept ──> want.json          every second, at once after an event
//!                    │
//!                    v
//!             net.converge ──> guests.pass ──> Seen ──> link      questions: on
//!                    ^               │                            their own threads
//!                    └── timer, nudge┘
//! ```
//! The accepted document is kept on disk, so that a host whose agent restarts while the control
//! plane is away still knows what it should be. It holds no keys and no passwords of guests; what
//! needs them waits.
//! Without any document the agent touches nothing: an empty wish is a wish, none is not.

use crate::guest::{self, Guests, Keys, Nudge, Place};
use crate::link::{Ears, Event, Link};
use crate::net::{Net, NetReport};
use crate::survey::Desk;
use crate::{AgentError, Config, facts, files, locked, log};
use jinyun_wire::{Answer, Ask, FromHost, HostSeen, HostWant, Installed};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How soon the stop flag is seen.
const LISTEN: Duration = Duration::from_millis(250);
/// A pass at least this often.
const TICK: Duration = Duration::from_secs(1);
/// A pass that believes nothing at least this often.
const THOROUGH: Duration = Duration::from_secs(30);
/// A report at least this often: its absence is how the control plane knows of a dead host.
const REPORT: Duration = Duration::from_secs(5);
/// So old may a question about probes get before its turn: who asked has given up by then.
const STALE: Duration = Duration::from_secs(10);
/// How many questions about probes are answered at once; each tries up to sixteen things at once.
const PROBERS: usize = 2;

/// Runs until `stop`. Guests and networks stay as they are.
pub fn run(config: &Config, stop: Arc<AtomicBool>) -> Result<(), AgentError> {
    let doing = |what: &'static str| move |source| AgentError::Io { what, source };
    files::private_dir(&config.state_dir).map_err(doing("the state directory"))?;
    let _lock = lock(&config.state_dir)?;
    let place = Arc::new(Place::find(config).map_err(doing("what guests need"))?);
    let net = Net::new(&config.instance).map_err(doing("networks"))?;
    let net = Arc::new(Mutex::new(net));

    let (events_in, events) = channel();
    let (asks_in, asks) = channel();
    let seen_from = Arc::clone(&place);
    let facts = Box::new(move || facts::detect(&seen_from));
    let ears = Ears {
        events: events_in.clone(),
        asks: asks_in,
        facts,
    };
    let link = Link::start(
        config.control_socket.clone(),
        config.host.clone(),
        ears,
        Arc::clone(&stop),
    )
    .map_err(doing("the link"))?;
    let keys: Keys = {
        let link = link.clone();
        Arc::new(move |disk: &str| link.key(disk))
    };
    let taken = events_in.clone();
    locked(&net).on_taken(Box::new(move |guest| {
        // Said by the main loop: a control plane that takes its time must not keep guests waiting.
        let _ = taken.send(Event::Taken(guest));
    }));
    let to_plane = link.clone();
    locked(&net).on_apart(Box::new(move || to_plane.apart()));
    let nudge: Nudge = Arc::new(move || {
        // The loop has ended if nobody listens.
        let _ = events_in.send(Event::Nudge);
    });
    let guests = Guests::open(Arc::clone(&place), keys, nudge).map_err(doing("guests"))?;
    let desk = Desk::new(place, guests.board(), config).map_err(doing("a thread"))?;
    answer_questions(asks, desk, Arc::clone(&net), link.clone()).map_err(doing("a thread"))?;

    let mut agent = Agent::new(&config.state_dir, net, guests, link);
    agent.run(&events, &stop);
    agent.link.close();
    Ok(())
}

/// Two agents on one state directory would start every guest twice.
pub fn lock(state_dir: &Path) -> Result<File, AgentError> {
    let open = || {
        File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(state_dir.join("lock"))
    };
    let file = open().map_err(|source| AgentError::Io {
        what: "the lock",
        source,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => {
            let dir = state_dir.display();
            Err(AgentError::Refused(format!(
                "another agent runs on {dir}; stop it first"
            )))
        }
    }
}

struct Agent {
    saved: PathBuf,
    net: Arc<Mutex<Net>>,
    guests: Guests,
    link: Link,
    want: Option<HostWant>,
    /// Why the document could not be saved, if so.
    unsaved: Option<String>,
    network: NetReport,
    /// When networks are looked at again, and how long after that if they still are not right.
    network_due: Instant,
    network_wait: Duration,
    thorough_due: Instant,
    said: HostSeen,
    said_at: Option<Instant>,
}

impl Agent {
    fn new(state_dir: &Path, net: Arc<Mutex<Net>>, guests: Guests, link: Link) -> Agent {
        let saved = state_dir.join("want.json");
        let now = Instant::now();
        Agent {
            want: load(&saved),
            saved,
            net,
            guests,
            link,
            unsaved: None,
            network: NetReport {
                ports: vec![],
                errors: vec![],
                converged: false,
            },
            network_due: now,
            network_wait: TICK,
            thorough_due: now + THOROUGH,
            said: HostSeen::default(),
            said_at: None,
        }
    }

    fn run(&mut self, events: &Receiver<Event>, stop: &AtomicBool) {
        let mut due = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let left = due.saturating_duration_since(Instant::now());
            match events.recv_timeout(left.min(LISTEN)) {
                Ok(event) => {
                    self.take(event);
                    // Many at once (a reconnect, several ends) are one reason for one pass.
                    while let Ok(event) = events.try_recv() {
                        self.take(event);
                    }
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < due => continue,
                // The senders cannot all be gone while the link lives.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            self.pass();
            due = Instant::now() + TICK;
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connected => self.said_at = None,
            Event::Nudge => {}
            Event::Want(want) => self.accept(*want),
            Event::Passwords(all) => locked(&self.net).hand_over(all),
            // Lost, it is said again when the control plane tells the password again.
            Event::Taken(guest) => {
                self.link.send(&FromHost::Taken { guest });
            }
        }
    }

    fn accept(&mut self, want: HostWant) {
        if let Some(have) = &self.want {
            if want.generation < have.generation {
                let (old, new) = (want.generation, have.generation);
                log::warn(format_args!(
                    "document {old} is refused: {new} was accepted before"
                ));
                return;
            }
            if want == *have && self.unsaved.is_none() {
                return;
            }
        }
        self.unsaved = save(&self.saved, &want).err().map(|e| {
            format!("the document cannot be saved, a restart would know an older one: {e}")
        });
        self.network_due = Instant::now();
        self.network_wait = TICK;
        self.want = Some(want);
    }

    fn pass(&mut self) {
        let seen = match self.want.take() {
            Some(want) => {
                let seen = self.converge(&want);
                self.want = Some(want);
                seen
            }
            None => HostSeen::default(),
        };
        let now = Instant::now();
        let silent = self.said_at.is_none_or(|at| now >= at + REPORT);
        if (silent || seen != self.said) && self.link.send(&FromHost::Seen(seen.clone())) {
            self.said = seen;
            self.said_at = Some(now);
        }
    }

    fn converge(&mut self, want: &HostWant) -> HostSeen {
        let now = Instant::now();
        if now >= self.thorough_due {
            self.thorough_due = now + THOROUGH;
            self.network_due = now;
            self.guests.look_closely();
            locked(&self.net).look_closely();
        }
        if now >= self.network_due {
            self.network = locked(&self.net).converge(want);
            let (pause, wait) = next_look(self.network.converged, self.network_wait);
            self.network_wait = wait;
            self.network_due = now + pause;
        }
        let ports = &self.network.ports;
        let ready: BTreeSet<String> = ports
            .iter()
            .filter(|port| port.ready)
            .map(|port| port.id.clone())
            .collect();
        let net = &self.net;
        let mut taps = |port: &str| locked(net).open_tap(port);
        let report = self.guests.pass(want, &ready, &mut taps);
        let mut errors = self.network.errors.clone();
        errors.extend(report.errors);
        errors.extend(self.unsaved.clone());
        HostSeen {
            generation: want.generation,
            converged: self.network.converged && report.converged && errors.is_empty(),
            ports: self.network.ports.clone(),
            disks: report.disks,
            guests: report.guests,
            errors,
        }
    }
}

/// How long after a pass networks are looked at again, and from where the next failure's wait goes on.
/// What was mended in a pass is told by it as what went wrong: only the next one finds all as it should
/// be, and evidence waits for that, so the first wait after a while of peace is a short one.
fn next_look(converged: bool, wait: Duration) -> (Duration, Duration) {
    if converged {
        return (THOROUGH, TICK);
    }
    let longer = (wait * 2).min(THOROUGH);
    (longer, longer)
}

/// The document that an earlier agent accepted.
fn load(path: &Path) -> Option<HostWant> {
    let read = std::fs::read(path).and_then(|text| Ok(serde_json::from_slice(&text)?));
    match read {
        Ok(want) => Some(want),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => {
            // The control plane sends it again; until then nothing is touched.
            log::warn(format_args!("{} is unreadable: {e}", path.display()));
            None
        }
    }
}

fn save(path: &Path, want: &HostWant) -> io::Result<()> {
    files::replace(path, &serde_json::to_vec(want)?)
}

/// Questions have threads of their own: a probe takes seconds, and a pass must not wait for one.
fn answer_questions(
    asks: Receiver<Question>,
    desk: Desk,
    net: Arc<Mutex<Net>>,
    link: Link,
) -> io::Result<()> {
    let find = move |ask| answer(ask, &desk, &net);
    let tell = move |n, answer| {
        link.send(&FromHost::Answer { n, answer });
    };
    share(asks, find, tell)
}

/// A question with its number.
type Question = (u64, Ask);

/// Answers questions: those about probes on threads of their own, [`PROBERS`] of them at once, all
/// others one after the other, so that a console waits for no probe.
fn share(
    asks: Receiver<Question>,
    find: impl Fn(Ask) -> Answer + Send + Sync + 'static,
    tell: impl Fn(u64, Answer) + Send + Sync + 'static,
) -> io::Result<()> {
    let reply = Arc::new(move |(n, ask): Question, since: Instant| {
        let answer = if since.elapsed() < STALE {
            find(ask)
        } else {
            let why = "Others were asked before, and it took too long.".to_owned();
            Answer::Failed { why }
        };
        tell(n, answer);
    });
    let (to_probers, probes) = channel::<(Question, Instant)>();
    let probes = Arc::new(Mutex::new(probes));
    for _ in 0..PROBERS {
        let (probes, reply) = (Arc::clone(&probes), Arc::clone(&reply));
        let work = move || loop {
            // Let go of before it is answered: the next one takes the next question.
            let next = locked(&probes).recv();
            let Ok((question, since)) = next else { return };
            reply(question, since);
        };
        std::thread::Builder::new()
            .name("probes".into())
            .spawn(work)?;
    }
    let work = move || {
        while let Ok(question) = asks.recv() {
            if matches!(question.1, Ask::Probe(_) | Ask::Probes { .. }) {
                // Whoever takes them lives as long as this.
                let _ = to_probers.send((question, Instant::now()));
            } else {
                reply(question, Instant::now());
            }
        }
    };
    std::thread::Builder::new()
        .name("answers".into())
        .spawn(work)
        .map(drop)
}

fn answer(ask: Ask, desk: &Desk, net: &Mutex<Net>) -> Answer {
    let place = desk.place();
    let answered = match ask {
        Ask::Survey => Ok(Answer::Survey(Box::new(desk.survey()))),
        Ask::Console { guest, lines } => {
            guest::console(place, &guest, lines).map(|text| Answer::Console { text })
        }
        // Not under the lock: a probe waits for what may never come, and a pass must not wait.
        Ask::Probe(probe) => {
            let prober = locked(net).prober();
            Ok(prober.probe(&probe))
        }
        Ask::Probes { probes } => {
            let prober = locked(net).prober();
            let answers = prober.probes(&probes);
            Ok(Answer::Probes { answers })
        }
        Ask::Facts => guest::facts(place).map(|(disks, guests)| {
            let filters = locked(net).installed();
            Answer::Facts(Installed {
                filters,
                disks,
                guests,
            })
        }),
    };
    answered.unwrap_or_else(|e| Answer::Failed { why: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_testdb::Dir;

    #[test]
    fn a_document_survives_and_a_damaged_one_is_none() {
        let dir = Dir::new("agent-want");
        files::private_dir(&dir).unwrap();
        let path = dir.join("want.json");
        assert_eq!(load(&path), None);
        let want = HostWant {
            generation: 5,
            ..HostWant::default()
        };
        save(&path, &want).unwrap();
        assert_eq!(load(&path), Some(want));
        std::fs::write(&path, b"{\"generation\": 5").unwrap();
        assert_eq!(load(&path), None);
    }

    /// Probes wait for what does not come: a survey is answered meanwhile, and no more probes are begun
    /// than there are threads for them.
    #[test]
    fn a_probe_that_waits_keeps_nobody_else_waiting() {
        const LIMIT: Duration = Duration::from_secs(20);
        let (asks_in, asks) = channel();
        let (begins, begun) = channel();
        let (go, gate) = channel::<()>();
        let (tells, told) = channel();
        let gate = Mutex::new(gate);
        let find = move |ask: Ask| {
            if let Ask::Probes { .. } = ask {
                begins.send(()).unwrap();
                locked(&gate).recv().unwrap();
            }
            Answer::Failed { why: String::new() }
        };
        share(asks, find, move |n, _| tells.send(n).unwrap()).unwrap();
        let all = PROBERS as u64 + 1;
        for n in 0..all {
            let probes = Vec::new();
            asks_in.send((n, Ask::Probes { probes })).unwrap();
        }
        asks_in.send((all, Ask::Survey)).unwrap();
        for _ in 0..PROBERS {
            begun.recv_timeout(LIMIT).unwrap();
        }
        assert_eq!(told.recv_timeout(LIMIT), Ok(all));
        assert!(begun.try_recv().is_err(), "one more than there are threads");
        for _ in 0..all {
            go.send(()).unwrap();
        }
        let mut probed: Vec<u64> = (0..all)
            .map(|_| told.recv_timeout(LIMIT).unwrap())
            .collect();
        probed.sort_unstable();
        assert!(probed.into_iter().eq(0..all));
    }

    #[test]
    fn networks_are_looked_at_soon_after_something_went_wrong_and_then_ever_later() {
        let mut wait = TICK;
        let mut look = |converged| {
            let (pause, next) = next_look(converged, wait);
            wait = next;
            pause.as_secs()
        };
        let failed: Vec<u64> = (0..6).map(|_| look(false)).collect();
        assert_eq!(failed, [2, 4, 8, 16, 30, 30]);
        assert_eq!(look(true), 30);
        assert_eq!([look(false), look(true), look(false)], [2, 30, 2]);
    }

    #[test]
    fn one_agent_for_one_state_directory() {
        let dir = Dir::new("agent-lock");
        files::private_dir(&dir).unwrap();
        let first = lock(&dir).unwrap();
        assert!(matches!(lock(&dir), Err(AgentError::Refused(_))));
        drop(first);
        lock(&dir).unwrap();
    }
}
