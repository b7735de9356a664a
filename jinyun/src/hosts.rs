//! The control plane's side of the hosts: connections, documents, questions.
//!
//! One thread for each connection, one that composes. A commit, a report or a connection rings the
//! composer's bell; it reads the records and sends each host its whole document if the content has
//! changed. A host that misses one gets the next: there is nothing else to keep.
//!
//! What guests have to be told in secret goes beside the document, which hosts keep on disk: keys
//! when a host asks, passwords of guests whenever there are others than the host was told of.

use crate::control::{Bell, now, spawn};
use crate::instance::Instance;
use crate::say;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jinyun_base::{Fault, Id, Refusal, Refused, Secret};
use jinyun_compute::{Hosts, Server};
use jinyun_engine::{Command, Ctx, Failure, Job, Registry, Verb};
use jinyun_kms::Kms;
use jinyun_policy::{Actor, Rule, Who};
use jinyun_rest::Cloud;
use jinyun_simulated::SimulatedHost;
use jinyun_wire::{
    Answer, Ask, FromHost, HostWant, MAX_FRAME, PasswordFor, SecretText, ToHost,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a question to a host may take.
const PATIENCE: Duration = Duration::from_secs(10);

const RULES: &[Rule] = &[Rule { action: "kms:key:release", allow: &[Who::System] }];

/// Registers what the hosts' side itself does: a key that is handed to a host is on record.
pub fn register(registry: &mut Registry) {
    registry.rules(RULES).action("kms:key:release", "volume", Verb::Own(release));
}

fn release(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    ctx.note(command.args.clone());
    Ok(Value::Null)
}

/// A connected host.
struct Link {
    number: u64,
    sender: Sender<ToHost>,
}

/// Servers whose passwords a host was told, with their ports.
type Told = Vec<(Id, Vec<Id>)>;

/// All connections.
pub struct Links {
    cloud: Arc<Cloud>,
    kms: Arc<Kms>,
    /// What hosts report.
    pub hosts: Arc<Hosts>,
    driver: Arc<Bell>,
    composer: Arc<Bell>,
    links: Mutex<HashMap<String, Link>>,
    /// By host. A password never changes, so whose they are says which.
    told: Mutex<HashMap<String, Told>>,
    asks: Mutex<HashMap<u64, SyncSender<Answer>>>,
    next: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Links {
    /// No connection yet.
    pub fn new(cloud: Arc<Cloud>, kms: Arc<Kms>, hosts: Arc<Hosts>, driver: Arc<Bell>,
        composer: Arc<Bell>) -> Arc<Links> {
        Arc::new(Links {
            cloud, kms, hosts, driver, composer,
            links: Mutex::default(), told: Mutex::default(), asks: Mutex::default(),
            next: AtomicU64::new(1),
        })
    }

    /// Starts the composer. Every host that has a record is composed once before this returns: the
    /// driver must not take a host that it does not know for one that has nothing.
    pub fn compose_forever(self: &Arc<Links>) -> Result<(), Fault> {
        self.compose()?;
        let links = self.clone();
        spawn("composer", move || loop {
            links.composer.wait(Duration::from_secs(60));
            if let Err(fault) = links.compose() {
                say::err(&format!("jinyun: composing: {fault}"));
            }
        })
    }

    fn compose(&self) -> Result<(), Fault> {
        // The floor first: whatever is read afterwards is at least as new.
        let floor = self.cloud.reader.lend(|db| db.journal_length())?;
        let names: Vec<String> = self.cloud.reader.view(|v| {
            v.list::<jinyun_compute::Host>(&Default::default())
        })?.into_iter().map(|h| h.spec.name).collect();
        for id in self.cloud.reader.view(|v| jinyun_compute::overdue(v, now()))? {
            self.forget(&id, "not taken in time");
        }
        for name in names {
            let secret = |id: &Id| {
                self.cloud.reader.lend(|db| db.secret("server", id, "user_data")).ok().flatten()
            };
            let (document, placed, untaken) = self.cloud.reader.view(|v| {
                let document = jinyun_compute::want(v, &name, &secret)?;
                let untaken = jinyun_compute::untaken(v, &name)?;
                Ok((document, jinyun_compute::placed(v, &name)?, untaken))
            })?;
            // First: a page that says that there is a password is of no use without.
            self.tell_passwords(&name, untaken)?;
            if self.hosts.compose(&name, document, placed, floor)
                && let Some(document) = self.hosts.document(&name)
            {
                self.send(&name, ToHost::Want(document));
            }
        }
        Ok(())
    }

    /// Tells a connected host the passwords of its guests, if they are others than it was told.
    fn tell_passwords(&self, host: &str, untaken: Told) -> Result<(), Fault> {
        // Nothing is opened for a host that is not there.
        if !lock(&self.links).contains_key(host) {
            return Ok(());
        }
        let mut told = lock(&self.told);
        if told.get(host).map(Vec::as_slice).unwrap_or_default() == untaken.as_slice() {
            return Ok(());
        }
        let mut all = Vec::with_capacity(untaken.len());
        for (id, ports) in &untaken {
            let sealed = self.cloud.reader.lend(|db| {
                db.secret("server", id, jinyun_compute::PASSWORD)
            })?;
            // It may have been taken since.
            let Some(sealed) = sealed else { continue };
            let about = jinyun_compute::about_password(id);
            let Some(password) = self.kms.open_record(&about, &sealed) else {
                say::err(&format!("jinyun: the password of server {id} does not open"));
                continue;
            };
            all.push(PasswordFor {
                guest: id.to_string(),
                ports: ports.iter().map(Id::to_string).collect(),
                password: SecretText(STANDARD.encode(password.expose())),
            });
        }
        self.send(host, ToHost::Passwords { all });
        told.insert(host.into(), untaken);
        Ok(())
    }

    /// Destroys a guest's password.
    fn forget(&self, id: &Id, why: &str) {
        let command = jinyun_compute::forget_password(id, why);
        if let Err(e) = self.cloud.handle.run(Job::Command(Box::new(command))) {
            say::err(&format!("jinyun: destroying the password of server {id}: {e}"));
        }
    }

    /// A guest of this host has its password. Asked first: a guest may say it as often as it likes,
    /// and each command is an entry.
    fn taken(&self, host: &str, guest: &str) {
        let id = Id::new(guest);
        match self.cloud.reader.view(|v| v.get::<Server>(&id)) {
            Ok(Some(server)) if server.spec.host == host && server.spec.has_password => {
                self.forget(&id, "taken");
            }
            Ok(_) => {}
            Err(fault) => say::err(&format!("jinyun: the password of server {id}: {fault}")),
        }
    }

    fn send(&self, host: &str, message: ToHost) {
        if let Some(link) = lock(&self.links).get(host) {
            // A closed link is noticed by its own thread.
            let _ = link.sender.send(message);
        }
    }

    fn nudge(&self, changed: Vec<(&'static str, Id)>) {
        for (kind, id) in changed {
            let bell = self.driver.clone();
            let job = Job::Nudge { kind: kind.into(), id };
            self.cloud.handle.send(job, move |_| bell.ring());
        }
    }

    /// Asks a host something and waits for the answer.
    pub fn ask(&self, host: &str, ask: Ask) -> Result<Answer, Failure> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = sync_channel(1);
        lock(&self.asks).insert(n, sender);
        self.send(host, ToHost::Ask { n, ask });
        let answer = receiver.recv_timeout(PATIENCE);
        lock(&self.asks).remove(&n);
        answer.map_err(|_| {
            Refusal::new(Refused::Conflict, format!("host {host} does not answer")).into()
        })
    }

    /// A guest's console, for Nova.
    pub fn console(&self, host: &str, guest: &str, lines: Option<u32>)
        -> Result<String, Failure> {
        match self.ask(host, Ask::Console { guest: guest.into(), lines })? {
            Answer::Console { text } => Ok(text),
            Answer::Failed { why } => Err(Refusal::conflict(why).into()),
            _ => Err(Fault::new("a host answered another question").into()),
        }
    }

    /// A disk's key for a host, on record before it is handed over.
    fn key(&self, host: &str, disk: &str) -> Option<SecretText> {
        let id = Id::new(disk);
        let found = self.cloud.reader.lend(|db| {
            let Some(row) = db.get("volume", &id)?.map(|s| s.row) else { return Ok(None) };
            // A host gets the keys of its own disks only.
            let spec: Value = serde_json::from_str(&row.spec).unwrap_or_default();
            if spec.get("host").and_then(Value::as_str) != Some(host) {
                return Ok(None);
            }
            self.kms.volume_key(db, &row.project, &id)
        });
        let key = match found {
            Ok(key) => key?,
            Err(fault) => {
                say::err(&format!("jinyun: key of {disk}: {fault}"));
                return None;
            }
        };
        let command = Command::new("kms:key:release", Actor::system("hosts"), format!("host-{host}"))
            .on(id).with(json!({ "to": host }));
        self.cloud.handle.run(Job::Command(Box::new(command))).ok()?;
        Some(SecretText(jinyun_kms::encode_key(&key)))
    }

    fn hello(self: &Arc<Links>, name: &str, facts: jinyun_wire::HostFacts, sender: Sender<ToHost>)
        -> u64 {
        let command = jinyun_compute::registration(name, &facts);
        if let Err(e) = self.cloud.handle.run(Job::Command(Box::new(command))) {
            say::err(&format!("jinyun: registering host {name}: {e}"));
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.links).insert(name.into(), Link { number, sender });
        // What it was told before it may have lost. After the new link is there: what the composer
        // is just telling the old one is told again.
        lock(&self.told).remove(name);
        let mut changed = self.hosts.connected(name, facts);
        let waiting = self.cloud.reader.view(jinyun_compute::waiting).unwrap_or_default();
        changed.extend(waiting.into_iter().map(|id| ("server", id)));
        changed.extend(self.unplaced());
        if let Some(document) = self.hosts.document(name) {
            self.send(name, ToHost::Want(document));
        }
        self.composer.ring();
        self.nudge(changed);
        number
    }

    /// Volumes and probe ports that wait for a host.
    fn unplaced(&self) -> Vec<(&'static str, Id)> {
        let nudges = self.cloud.reader.lend(|db| db.nudges()).unwrap_or_default();
        nudges.into_iter().filter_map(|n| match n.kind.as_str() {
            "volume" => Some(("volume", n.id)),
            "port" => Some(("port", n.id)),
            _ => None,
        }).collect()
    }

    fn goodbye(&self, name: &str, number: u64) {
        let mut links = lock(&self.links);
        // A newer connection of the same host has taken over.
        if links.get(name).is_none_or(|l| l.number != number) {
            return;
        }
        links.remove(name);
        drop(links);
        let changed = self.hosts.disconnected(name);
        self.nudge(changed);
    }

    fn heard(&self, name: &str, message: FromHost, sender: &Sender<ToHost>) {
        match message {
            FromHost::Hello { .. } => {}
            FromHost::Seen(seen) => {
                let changed = self.hosts.report(name, seen);
                self.nudge(changed);
            }
            FromHost::NeedKey { n, disk } => {
                let key = self.key(name, &disk);
                let _ = sender.send(ToHost::Key { n, key });
            }
            FromHost::Taken { guest } => self.taken(name, &guest),
            FromHost::Answer { n, answer } => {
                if let Some(waiting) = lock(&self.asks).remove(&n) {
                    let _ = waiting.send(answer);
                }
            }
        }
    }

    /// Takes connections of agents on the instance's socket.
    pub fn listen(self: &Arc<Links>, instance: &Instance) -> Result<(), Fault> {
        let path = instance.socket();
        let bad = |e: std::io::Error| Fault::new(format!("{}: {e}", path.display()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(bad)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(bad)?;
        let links = self.clone();
        spawn("hosts", move || {
            for stream in listener.incoming().flatten() {
                let links = links.clone();
                let served = spawn("host", move || {
                    if let Err(e) = links.serve(stream) {
                        say::err(&format!("jinyun: host connection: {e}"));
                    }
                });
                if let Err(fault) = served {
                    say::err(&format!("jinyun: {fault}"));
                }
            }
        })
    }

    fn serve(self: &Arc<Links>, stream: UnixStream) -> std::io::Result<()> {
        let peer = nix::sys::socket::getsockopt(&stream, nix::sys::socket::sockopt::PeerCredentials)?;
        if peer.uid() != 0 {
            return Err(std::io::Error::other(format!(
                "user {} is no agent: only root may be one", peer.uid()
            )));
        }
        let mut lines = BufReader::new(stream.try_clone()?);
        let Some(FromHost::Hello { host, facts }) = read(&mut lines)? else {
            return Err(std::io::Error::other("the first message was no hello"));
        };
        let (sender, receiver) = channel::<ToHost>();
        let mut out = stream;
        let written = spawn("host-out", move || {
            for message in receiver {
                // It may hold a key or a password, and is overwritten when it has gone out.
                let Ok(line) = serde_json::to_vec(&message).map(Secret::new) else { continue };
                if out.write_all(line.expose()).and_then(|()| out.write_all(b"\n")).is_err() {
                    // The reader's end notices too and says goodbye.
                    let _ = out.shutdown(std::net::Shutdown::Both);
                    return;
                }
            }
        });
        written.map_err(|e| std::io::Error::other(e.to_string()))?;
        let number = self.hello(&host, facts, sender.clone());
        let ended = loop {
            match read(&mut lines) {
                Ok(Some(message)) => self.heard(&host, message, &sender),
                Ok(None) => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        self.goodbye(&host, number);
        ended
    }

    /// A host that is not there, in this process.
    pub fn simulate(self: &Arc<Links>) -> Result<(), Fault> {
        let links = self.clone();
        spawn("simulated", move || {
            let (sender, receiver) = channel::<ToHost>();
            let name = "simulated";
            links.hello(name, SimulatedHost::facts(), sender);
            let mut host = SimulatedHost::default();
            for message in receiver {
                match message {
                    ToHost::Want(want) => links.simulated_pass(name, &mut host, &want),
                    ToHost::Ask { n, ask } => {
                        if let Some(waiting) = lock(&links.asks).remove(&n) {
                            let _ = waiting.send(SimulatedHost::answer(&ask));
                        }
                    }
                    // No guest is there to read one.
                    ToHost::Key { .. } | ToHost::Passwords { .. } => {}
                }
            }
        })
    }

    fn simulated_pass(&self, name: &str, host: &mut SimulatedHost, want: &HostWant) {
        let seen = host.apply(want, &mut |disk| self.key(name, disk).is_some());
        let changed = self.hosts.report(name, seen);
        self.nudge(changed);
    }
}

fn read(lines: &mut BufReader<UnixStream>) -> std::io::Result<Option<FromHost>> {
    let mut line = Vec::new();
    let limit = MAX_FRAME as u64 + 1;
    let n = lines.by_ref().take(limit).read_until(b'\n', &mut line)?;
    if n == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(std::io::Error::other("a frame is cut off or too long"));
    }
    serde_json::from_slice(&line).map(Some).map_err(std::io::Error::other)
}
