//! The network half of the agent: brings this host's namespaces, devices, filters and services to
//! where a document wants them, and says how far it got.
//!
//! ```text
//!   document --sift--> what can be carried --render--> how all must look --.
//!                                                                           plan -> steps
//!   kernel ---------------------- seen ------------> how all looks --------'
//! ```
//! [`Net::converge`] runs the steps, reads again what it worked on, and plans once more: what is
//! left is what is not ready. Nothing is remembered that the kernel does not know, so an agent that
//! starts anew adopts what is there, and a device that a guest holds is never made again.
//!
//! There is no undo and no record of changes: whatever was interrupted is a difference, and the
//! next pass ends it.

mod dhcp;
mod dns;
mod flows;
mod held;
mod metadata;
mod names;
mod netns;
mod nft;
mod plan;
mod probe;
mod reach;
mod render;
mod rules;
mod seen;
mod serve;
mod sift;
#[cfg(test)]
mod tests;
mod tools;

use self::held::Held;
use self::names::Names;
use self::plan::{Act, Step};
use self::probe::Seat;
use self::seen::Eyes;
use self::serve::{Post, Services, Task};
use self::sift::Sifted;
use jinyun_wire::{Answer, Attach, Fault, HostWant, Known, PasswordFor, Probe, Thing};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

pub use self::metadata::{Apart, OnTaken};
pub use self::netns::missing;

/// How often a pass may plan and work.
const ROUNDS: usize = 3;

/// The networks of an instance on this host.
pub struct Net {
    names: Names,
    eyes: Eyes,
    services: Services,
    /// Networks, routers and probe ports of the last document: id and namespace.
    filtered: Vec<(String, String)>,
    /// Ports of the last document: namespace and device.
    devices: BTreeMap<String, (String, String)>,
    prober: Prober,
}

/// How many probes run at once: each has a thread.
const AT_ONCE: usize = 16;

/// Carries out probes without the rest: a probe takes its time, and a pass must not wait for it.
#[derive(Debug, Clone, Default)]
pub struct Prober {
    seats: Arc<BTreeMap<String, Seat>>,
    held: Arc<Held>,
}

impl Prober {
    /// Tries something through real ports. Takes three seconds at most, and waits five at most for
    /// others that need the same receiver.
    pub fn probe(&self, probe: &Probe) -> Answer {
        probe::run(&self.seats, &self.held, probe)
    }

    /// Tries several at the same time, not more than [`AT_ONCE`] of them. Those that need the same
    /// receiver take turns there.
    pub fn probes(&self, probes: &[Probe]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(probes.len());
        for some in probes.chunks(AT_ONCE) {
            std::thread::scope(|scope| {
                let thread = std::thread::Builder::new;
                // Where no thread can be made, that probe has no answer, and the others have theirs.
                let tried: Vec<_> = some
                    .iter()
                    .map(|probe| thread().spawn_scoped(scope, || self.probe(probe)))
                    .collect();
                answers.extend(tried.into_iter().map(|tried| {
                    let why = "The probe ended before it had an answer.".to_owned();
                    let answer = tried.ok().and_then(|tried| tried.join().ok());
                    answer.unwrap_or(Answer::Failed { why })
                }));
            });
        }
        answers
    }
}

/// What came of a pass.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NetReport {
    /// All ports of the document.
    pub ports: Vec<Thing>,
    /// What went wrong that belongs to no port.
    pub errors: Vec<String>,
    /// Everything is as wanted.
    pub converged: bool,
}

/// What went wrong in a pass, by where it belongs.
#[derive(Default)]
struct Trouble {
    owners: BTreeMap<String, String>,
    spaces: BTreeMap<String, String>,
    errors: Vec<String>,
}

impl Trouble {
    /// The first reason is the one that counts.
    fn add(&mut self, space: &str, owner: Option<&String>, why: String) {
        match owner {
            Some(owner) => self.owners.entry(owner.clone()).or_insert(why),
            None => self.spaces.entry(space.to_owned()).or_insert(why),
        };
    }

    fn stops(&self, step: &Step) -> bool {
        let owner = step.owner.as_ref();
        self.spaces.contains_key(&step.space) || owner.is_some_and(|o| self.owners.contains_key(o))
    }
}

impl Net {
    /// Fails where the machine cannot carry networks, with a sentence that says what it lacks.
    pub fn new(instance: &str) -> io::Result<Net> {
        let names = Names::new(instance)?;
        let lacks = missing();
        if !lacks.is_empty() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, lacks.join(" ")));
        }
        Ok(Net {
            names,
            eyes: Eyes::default(),
            services: Services::new()?,
            filtered: Vec::new(),
            devices: BTreeMap::new(),
            prober: Prober::default(),
        })
    }

    /// One whole pass. Never panics; what fails is in the report and tried again by the next.
    pub fn converge(&mut self, want: &HostWant) -> NetReport {
        let sifted = sift::sift(want);
        let spaces = render::spaces(&self.names, &sifted.want);
        let prefix = self.names.prefix();
        let mut trouble = Trouble::default();
        self.adopt(&sifted.want);
        trouble.errors.extend(self.eyes.look(&prefix, &spaces));
        // A namespace lives as long as a socket in it: those that go lose theirs first.
        let seen = &self.eyes.seen;
        self.services.keep_only(|post| {
            let same = seen.get(&post.space).is_some_and(|s| s.inode == post.inode);
            same && spaces.contains_key(&post.space)
        });
        let mut left = plan::plan(&spaces, &self.eyes.seen);
        // The kernel may take more with a thing than the thing; once more finds that.
        for _ in 0..ROUNDS {
            let touched = self.execute(&left, &sifted.want, &mut trouble);
            if touched.is_empty() {
                break;
            }
            let told = self.eyes.again(&prefix, &spaces, &touched);
            trouble.errors.extend(told);
            left = plan::plan(&spaces, &self.eyes.seen);
        }
        self.serve(&sifted.want, &mut trouble);
        self.report(want, sifted, &left, trouble)
    }

    /// The next pass reads everything that it otherwise reads a part of.
    pub fn look_closely(&mut self) {
        self.eyes.closely = true;
    }

    /// The passwords that guests have not taken yet, from now on these.
    pub fn hand_over(&self, passwords: Vec<PasswordFor>) {
        self.services.book.passwords.replace(passwords);
    }

    /// Who hears which guest has taken its password. Whoever hears must not wait for anything.
    pub fn on_taken(&self, hears: OnTaken) {
        self.services.book.passwords.on_taken(hears);
    }

    /// Who knows for how long there has been no control plane.
    pub fn on_apart(&self, knows: Apart) {
        self.services.book.passwords.on_apart(knows);
    }

    /// Opens the tap of a port for its guest.
    pub fn open_tap(&self, port: &str) -> io::Result<OwnedFd> {
        let (space, device) = self.devices.get(port).ok_or_else(|| {
            let why = format!("Port {port} is not in the document.");
            io::Error::new(io::ErrorKind::NotFound, why)
        })?;
        netns::open_tap(space, device)
    }

    /// For each network, router and probe port, the packet filter of its namespace as the kernel has
    /// it. One that cannot be read is left out: nothing is said about it.
    pub fn installed(&self) -> Vec<(String, serde_json::Value)> {
        let filtered = self.filtered.iter();
        filtered
            .filter_map(|(id, space)| Some((id.clone(), tools::list_filter(space).ok()?)))
            .collect()
    }

    /// An instance's namespaces with the devices in each, as the kernel has them.
    pub fn spaces(instance: &str) -> io::Result<BTreeMap<String, Known<Vec<String>>>> {
        let prefix = Names::new(instance)?.prefix();
        let names: Vec<String> = netns::list(&prefix)?.into_keys().collect();
        netns::devices_of(&names)
    }

    /// Tries something through real ports. Takes some seconds; whoever holds a lock on this should
    /// let it go and use [`Net::prober`].
    pub fn probe(&self, probe: &Probe) -> Answer {
        self.prober.probe(probe)
    }

    /// For probes through the ports of the last document.
    pub fn prober(&self) -> Prober {
        self.prober.clone()
    }

    /// Removes every namespace of an instance.
    pub fn remove_all(instance: &str) -> io::Result<()> {
        let names = Names::new(instance)?;
        let mut first = Ok(());
        for space in netns::list(&names.prefix())?.keys() {
            first = first.and(netns::remove(space));
        }
        first
    }

    /// Remembers where things are, for questions, and what the services answer.
    fn adopt(&mut self, want: &HostWant) {
        self.filtered.clear();
        self.devices.clear();
        let mut book = BTreeMap::new();
        for network in &want.networks {
            let space = self.names.network(&network.id);
            self.filtered.push((network.id.clone(), space.clone()));
            for port in &network.ports {
                let place = (space.clone(), names::port_device(&port.id));
                self.devices.insert(port.id.clone(), place);
                if port.attach == Attach::Probe {
                    let probe = self.names.probe(&port.id);
                    self.filtered.push((port.id.clone(), probe));
                }
            }
            book.insert(space, Arc::new(network.clone()));
        }
        for router in &want.routers {
            let space = self.names.router(&router.id);
            self.filtered.push((router.id.clone(), space));
        }
        self.prober.seats = Arc::new(probe::seats(&self.names, want));
        self.prober.held.tidy();
        self.services.book.replace(book);
    }

    /// Does the steps in order; steps of one kind for one port go to one process. Where something
    /// failed, what builds on it is left to the next pass. Returns the namespaces it worked on.
    fn execute(
        &mut self,
        steps: &[Step],
        want: &HostWant,
        trouble: &mut Trouble,
    ) -> BTreeSet<String> {
        let mut touched = BTreeSet::new();
        for run in steps.chunk_by(together) {
            let first = &run[0];
            if trouble.stops(first) {
                continue;
            }
            touched.insert(first.space.clone());
            if let Err(e) = self.perform(first, run, want) {
                let space = &first.space;
                let why = format!("{e} (in {space}).");
                trouble.add(space, first.owner.as_ref(), why);
            }
        }
        touched
    }

    fn perform(&mut self, first: &Step, run: &[Step], want: &HostWant) -> io::Result<()> {
        let space = first.space.as_str();
        match &first.act {
            Act::Remove => {
                self.eyes.forget(space);
                netns::remove(space)
            }
            Act::Add => {
                self.eyes.forget(space);
                netns::add(space)
            }
            Act::Sysctl(..) => netns::enter(space, || {
                for step in run {
                    if let Act::Sysctl(path, value) = &step.act {
                        netns::write_sysctl(path, value)?;
                    }
                }
                Ok(())
            }),
            Act::Undo(_) => tools::ip_undo(space, &lines(run)),
            Act::Ip(_) => {
                let lines = lines(run);
                // Nor may the other end of a pair come into the host's own network.
                let ends = lines.iter().filter_map(|line| line.rsplit_once(" netns "));
                for end in ends.map(|(_, far)| far).chain([space]) {
                    netns::apart(end)?;
                }
                tools::ip_batch(space, &lines)
            }
            Act::Filter(text) => {
                tools::load_filter(space, text)?;
                end_flows(&self.names, space, want)?;
                // Only now: a filter whose flows were not judged is loaded again.
                self.eyes.loaded(space, text);
                Ok(())
            }
        }
    }

    /// Opens and closes services to match.
    fn serve(&mut self, want: &HostWant, trouble: &mut Trouble) {
        let mut posts = BTreeSet::new();
        for network in &want.networks {
            let space = self.names.network(&network.id);
            if let Some(seen) = self.eyes.seen.get(&space) {
                let links = seen.links.iter();
                let devices: BTreeMap<String, u32> =
                    links.map(|(n, l)| (n.clone(), l.index)).collect();
                posts.extend(serve::posts(&space, seen.inode, network, &devices));
            }
        }
        self.services.keep_only(|post| posts.contains(post));
        for (Post { space, task, .. }, e) in self.services.start(posts) {
            let (owner, what) = match task {
                Task::Dhcp { port, .. } => (Some(port), "DHCP".to_owned()),
                Task::Dns(address) => (None, format!("DNS at {address}")),
                Task::Metadata => (None, "the metadata service".to_owned()),
            };
            let why = format!("{what} cannot be served in {space}: {e}.");
            trouble.add(&space, owner.as_ref(), why);
        }
    }

    fn report(
        &self,
        want: &HostWant,
        sifted: Sifted,
        left: &[Step],
        mut trouble: Trouble,
    ) -> NetReport {
        for step in left {
            let why = format!("Not yet as wanted: {step}.");
            trouble.add(&step.space, step.owner.as_ref(), why);
        }
        let mut ports = Vec::new();
        for network in &want.networks {
            let space = self.names.network(&network.id);
            for port in &network.ports {
                let here = trouble.owners.get(&port.id);
                let why = here.or_else(|| trouble.spaces.get(&space)).cloned();
                let later = why.map(|why| Fault { why, fatal: false });
                let error = sifted.ports.get(&port.id).cloned().or(later);
                ports.push(Thing {
                    id: port.id.clone(),
                    ready: error.is_none(),
                    error,
                });
            }
        }
        let mut errors = sifted.errors;
        errors.extend(trouble.errors);
        errors.extend(trouble.spaces.into_values());
        NetReport {
            converged: errors.is_empty() && ports.iter().all(|p| p.ready),
            ports,
            errors,
        }
    }
}

/// Ends the connections of a network that its rules do not allow any more.
fn end_flows(names: &Names, space: &str, want: &HostWant) -> io::Result<()> {
    let mut networks = want.networks.iter();
    let Some(network) = networks.find(|n| names.network(&n.id) == space) else {
        return Ok(());
    };
    let judge = flows::Judge::new(network, &want.groups);
    let mut batch = String::new();
    for flow in tools::connections(space)?.lines().filter_map(flows::parse) {
        if !judge.allows(&flow) {
            batch.push_str(&flows::forget(&flow));
            batch.push('\n');
        }
    }
    if batch.is_empty() {
        return Ok(());
    }
    tools::conntrack_batch(space, &batch)
}

/// Whether two steps can go to one process.
fn together(one: &Step, other: &Step) -> bool {
    let same_kind = matches!(
        (&one.act, &other.act),
        (Act::Sysctl(..), Act::Sysctl(..))
            | (Act::Undo(_), Act::Undo(_))
            | (Act::Ip(_), Act::Ip(_))
    );
    same_kind && one.space == other.space && one.owner == other.owner
}

fn lines(run: &[Step]) -> Vec<&str> {
    run.iter()
        .filter_map(|step| match &step.act {
            Act::Undo(line) | Act::Ip(line) => Some(line.as_str()),
            _ => None,
        })
        .collect()
}
