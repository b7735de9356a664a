//! Trying what needs a change of the synthetic tenant: zones, a port that is switched off, a project
//! at its limit, images of another project; and taking an image out again.
//!
//! Problem: these attacks have to change records and wait for hosts, and whatever they make has to be
//! gone with the stage. Mechanism: everything is done by the tenants' own operations, with actors as
//! the edge would make them from tokens, in the two projects of the stage; images by the image
//! service's own routes, so that what is refused is refused where a client would be. What is left
//! (a group, an image) goes when the stage is struck.
//!
//! Which attacks may go together follows from what they change. Those between ports change nothing.
//! Zones change the groups of two ports of the first network, the cut changes a port of the second one:
//! each has its own steps in order, and neither's probes go where the other's changes are felt (what
//! the cut sends in the first network is allowed in and out of any zone). Limits and images come alone.

use crate::attack::more::{self, Targets, ZONE_TCP};
use crate::attack::{Attempt, INWARD, Judged, Outcome, Posts, Prober, Tried, judge, untried};
use crate::evidence::Setup;
use crate::facts::{doors, site};
use crate::stage::{Built, Stage};
use crate::world::World;
use jinyun_base::{Fault, Id, Refused};
use jinyun_compute::Hosts;
use jinyun_engine::{Answer, Command, Failure, Job};
use jinyun_image::Files;
use jinyun_network::Port;
use jinyun_policy::{Actor, ActorKind, Duty, PROVIDER, Role, Scope};
use jinyun_rest::{Body, Call, Cloud, Door, Reply, Route};
use jinyun_wire::{Answer as Said, Ask, HostWant};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io::{Cursor, Read};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a wait looks, and how often at most.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: u32 = 200;
/// What the limit is tried with: networks cost nothing on a host.
const ITEM: &str = "network";
/// Length of the image that is put in and taken out.
const IMAGE: usize = 64 << 10;
/// The check of the port that is cut.
const CUT: &str = "port-cut";

/// What these trials need beside the stage.
pub struct Rooms<'a> {
    /// The records and the write path.
    pub cloud: &'a Cloud,
    /// What hosts were told and report.
    pub hosts: &'a Hosts,
    /// The stage.
    pub stage: &'a Stage,
    /// Begins the id of every request; unlike that of any other run.
    pub tag: &'a str,
    /// Files of images, if this process has them.
    pub images: Option<&'a Arc<Files>>,
}

/// Something that was put into the platform and taken out again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What.
    pub what: String,
    /// How many bytes came back, or why not the same ones.
    pub same: Result<u64, String>,
}

/// What a guest of a host has no business with.
fn targets(setup: &Setup, host: &str) -> Targets {
    let listeners = [setup.tenants, setup.management].into_iter().filter_map(|at| match at {
        SocketAddr::V4(at) => Some(at),
        SocketAddr::V6(_) => None,
    });
    Targets {
        listeners: listeners.collect(),
        host: site::survey(&setup.ask, host).and_then(|survey| survey.addresses),
    }
}

/// Attacks the platform through a port on this host. Changes nothing and leaves no entry.
pub(crate) fn inward(setup: &Setup, prober: &Prober<'_>, posts: &Posts, host: &str) -> Vec<Tried> {
    let attempts = more::guest_to_platform(prober, posts, &targets(setup, host));
    INWARD.iter().map(|&check| Tried { check, attempts: attempts.clone() }).collect()
}

/// Tries another project's image on what stands of a stage, and takes one out of it.
pub(crate) fn shelves(setup: &Setup, built: &Built, tag: &str, kept: &mut Option<String>,
    world: &mut World) {
    // There is no volume, and no image asks for one.
    let stage = built.stage(Id::new(""));
    let (cloud, hosts, images_of) = (&setup.cloud, &setup.hosts, setup.site.images.as_ref());
    let rooms = Rooms { cloud, hosts, stage: &stage, tag, images: images_of };
    let (attempts, taken) = match images_of {
        Some(files) => images(&rooms, files, kept),
        None => without_files(),
    };
    world.tried.push(Tried { check: "foreign-image", attempts });
    world.site.taken = taken;
}

fn without_files() -> (Vec<Attempt>, Result<Vec<Taken>, String>) {
    let why = "the files of images are not at hand".to_string();
    (vec![not_tried("another project's image", why.clone())], Err(why))
}

/// Carries out what changes ports and groups of what stands of a stage, both at the same time. Probes
/// carry `payload`.
pub(crate) fn turned(setup: &Setup, built: &Built, tag: &str, payload: &str) -> Vec<Tried> {
    // No volume is needed.
    let stage = &built.stage(Id::new(""));
    let ask = |ask: Ask| match (setup.ask)(&stage.host, ask) {
        Ok(said) => said,
        Err(failure) => Said::Failed { why: failure.to_string() },
    };
    let tag = &format!("{tag}-r");
    let rooms = Rooms { cloud: &setup.cloud, hosts: &setup.hosts, stage, tag, images: None };
    let (zoned, cut) = std::thread::scope(|scope| {
        let cut = scope.spawn(|| cut_off(&rooms, &Prober::new(&ask, format!("{payload}-c"))));
        (zoned(&rooms, &Prober::new(&ask, format!("{payload}-z"))), cut.join())
    });
    let mut tried = vec![zoned];
    tried.extend(cut.map_or_else(|_| untried(&[CUT], "the attack broke off"), |cut| vec![cut]));
    tried
}

/// Carries out what changes records alone, on a stage that stands. Images are left out if they are
/// tried again and again elsewhere.
pub(crate) fn attack(setup: &Setup, stage: &Stage, tag: &str, all: bool, world: &mut World) {
    let tag = format!("{tag}-r");
    let images = setup.site.images.as_ref().filter(|_| all);
    let rooms = Rooms { cloud: &setup.cloud, hosts: &setup.hosts, stage, tag: &tag, images };
    let (tried, taken) = quiet(&rooms);
    world.tried.extend(tried);
    world.site.taken = taken;
}

/// Looks at the place itself. What was taken out of the stage stays.
pub(crate) fn look(setup: &Setup, world: &mut World) {
    let listeners = [("tenants", setup.tenants), ("management", setup.management)];
    let seen = site::read(&setup.cloud, &setup.site, &listeners, &setup.ca);
    let taken = std::mem::replace(&mut world.site, seen).taken;
    world.site.taken = taken;
    world.tried.push(doors::as_attack(&world.site.doors));
}

/// Looks again at TLS at the listeners from outside and at the hosts' door: what leaves no entry.
pub(crate) fn knock(setup: &Setup, world: &mut World) {
    let listeners = [("tenants", setup.tenants), ("management", setup.management)];
    world.site = site::often(&setup.site, &listeners, &setup.ca);
    world.tried.push(doors::as_attack(&world.site.doors));
}

/// Carries everything out, one after the other.
pub fn try_rooms(rooms: &Rooms<'_>, prober: &Prober<'_>, targets: &Targets)
    -> (Vec<Tried>, Result<Vec<Taken>, String>) {
    let at = &rooms.stage.posts;
    let mut tried: Vec<Tried> = more::MORE.iter()
        .map(|&(check, attack)| Tried { check, attempts: prober.carry_out(attack(prober, at)) })
        .collect();
    let attempts = more::guest_to_platform(prober, at, targets);
    tried.push(Tried { check: "guest-to-platform", attempts });
    tried.extend([zoned(rooms, prober), cut_off(rooms, prober)]);
    let (others, taken) = quiet(rooms);
    tried.extend(others);
    (tried, taken)
}

/// Zones.
fn zoned(rooms: &Rooms<'_>, prober: &Prober<'_>) -> Tried {
    let mut zone = Zone::default();
    let mut join = |member| zone.turn(rooms, member);
    let attempts = more::group_zones(prober, &rooms.stage.posts, &mut join);
    Tried { check: "group-zones", attempts }
}

/// A port that is cut.
fn cut_off(rooms: &Rooms<'_>, prober: &Prober<'_>) -> Tried {
    let mut up = |on| switch(rooms, on);
    Tried { check: CUT, attempts: more::port_cut(prober, &rooms.stage.posts, &mut up) }
}

/// A limit and images.
fn quiet(rooms: &Rooms<'_>) -> (Vec<Tried>, Result<Vec<Taken>, String>) {
    let (images, taken) = match rooms.images {
        Some(files) => images(rooms, files, &mut None),
        None => without_files(),
    };
    let tried = vec![
        Tried { check: "limits-hold", attempts: limits(rooms, 0) },
        Tried { check: "foreign-image", attempts: images },
    ];
    (tried, taken)
}

fn not_tried(what: &'static str, why: String) -> Attempt {
    Attempt { what, forbidden: true, outcome: Outcome::Untried(why) }
}

fn text(failure: Failure) -> String {
    failure.to_string()
}

/// A manager of one of the projects.
fn tenant(rooms: &Rooms<'_>, project: &Id) -> Actor {
    let domain = rooms.stage.ground.domain.clone();
    Actor {
        kind: ActorKind::User,
        id: "evidence-tenant".into(),
        domain: domain.clone(),
        scope: Scope::Project { project: project.clone(), domain },
        role: Some(Role::Manager),
        duty: None,
    }
}

impl Rooms<'_> {
    fn run(&self, command: Command) -> Result<Answer, Failure> {
        self.cloud.handle.run(Job::Command(Box::new(command)))
    }

    /// A command of the attacking project's manager.
    fn ask(&self, action: &str, args: Value) -> Command {
        Command::new(action, tenant(self, &self.stage.ground.mine), self.tag).with(args)
    }

    /// Waits until the stage's ports are on their host as a document says that is as it must be. The
    /// rest of that host is nothing to wait for: it may be making a disk.
    fn wait(&self, is_so: impl Fn(&HostWant) -> bool) -> Result<(), String> {
        let Stage { host, posts, .. } = self.stage;
        for _ in 0..LOOKS {
            let told = self.hosts.document(host);
            let done = self.hosts.reported(host).map(|(report, _)| report);
            if let (Some(told), Some(done)) = (told, done)
                && is_so(&told) && done.generation >= told.generation
                && posts.all().iter().all(|seat| {
                    done.ports.iter().any(|port| port.id == seat.id && port.ready)
                })
            {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Err("the host did not carry the change out in time".into())
    }
}

fn made(answer: &Answer) -> Result<Id, String> {
    let row = answer.row.as_ref().map(|row| row.id.clone());
    row.or_else(|| answer.value.get("id")?.as_str().map(Id::from))
        .ok_or_else(|| "what was made has no id".into())
}

/// A zone of the attacking project.
#[derive(Default)]
struct Zone {
    group: Option<Id>,
    /// The groups that the sender had before.
    before: Vec<Id>,
}

impl Zone {
    /// Makes the zone if there is none, with the receiver in it; lets the sender in or out.
    fn turn(&mut self, rooms: &Rooms<'_>, member: bool) -> Result<(), String> {
        let (sender, receiver) = (&rooms.stage.posts.sender, &rooms.stage.posts.receiver);
        let group = match &self.group {
            Some(group) => group.clone(),
            None => {
                let group = make_zone(rooms)?;
                self.before = groups(rooms, &sender.id)?;
                let mut both = groups(rooms, &receiver.id)?;
                both.push(group.clone());
                set_groups(rooms, &receiver.id, &both)?;
                self.group = Some(group.clone());
                group
            }
        };
        let mut now = self.before.clone();
        now.extend(member.then(|| group.clone()));
        set_groups(rooms, &sender.id, &now)?;
        let wanted = [(sender.id.as_str(), member), (receiver.id.as_str(), true)];
        rooms.wait(|told| {
            let rules = told.groups.iter().find(|g| g.id == group.as_str()).map(|g| g.rules.len());
            // What goes out, and what members may.
            rules >= Some(2) && wanted.iter().all(|(id, inside)| {
                told.networks.iter().flat_map(|n| &n.ports).find(|p| p.id == *id)
                    .is_some_and(|p| p.groups.iter().any(|g| g == group.as_str()) == *inside)
            })
        })
    }
}

/// A group that lets its members, and nobody else, in at one port.
fn make_zone(rooms: &Rooms<'_>) -> Result<Id, String> {
    let group = rooms.ask("network:security_group:create", json!({ "name": "zone" }));
    let group = made(&rooms.run(group).map_err(text)?)?;
    let rule = rooms.ask("network:security_group_rule:create", json!({
        "group": group, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
        "port_min": ZONE_TCP, "port_max": ZONE_TCP, "remote_group": group,
    }));
    rooms.run(rule).map_err(text)?;
    Ok(group)
}

fn groups(rooms: &Rooms<'_>, port: &str) -> Result<Vec<Id>, String> {
    let found = rooms.cloud.reader.view(|view| view.get::<Port>(&Id::new(port)))
        .map_err(|fault| fault.to_string())?;
    found.map(|port| port.spec.security_groups).ok_or_else(|| format!("port {port} is gone"))
}

fn set_groups(rooms: &Rooms<'_>, port: &str, groups: &[Id]) -> Result<(), String> {
    let change = rooms.ask("network:port:update", json!({ "security_groups": groups }));
    rooms.run(change.on(port)).map(drop).map_err(text)
}

/// Switches the last port of the second network off or on.
fn switch(rooms: &Rooms<'_>, on: bool) -> Result<(), String> {
    let port = rooms.stage.posts.other_mate.id.as_str();
    let change = rooms.ask("network:port:update", json!({ "admin_state_up": on }));
    rooms.run(change.on(port)).map_err(text)?;
    rooms.wait(|told| {
        let mut ports = told.networks.iter().flat_map(|n| &n.ports);
        ports.any(|p| p.id == port && p.up == on)
    })
}

/// A project at its limit: one more is refused, and one more than a limit that is one higher. How far
/// the limit is above the use is 0, but in a test that wants to see this fail.
pub fn limits(rooms: &Rooms<'_>, slack: i64) -> Vec<Attempt> {
    let mut tried = Vec::new();
    if let Err(why) = limit(rooms, slack, &mut tried) {
        tried.push(not_tried("one more than a project may have", why));
    }
    tried
}

fn limit(rooms: &Rooms<'_>, slack: i64, tried: &mut Vec<Attempt>) -> Result<(), String> {
    let project = &rooms.stage.ground.mine;
    let system = Actor {
        kind: ActorKind::User,
        id: "evidence-sysadmin".into(),
        domain: PROVIDER.into(),
        scope: Scope::System,
        role: None,
        duty: Some(Duty::SystemAdmin),
    };
    let used = rooms.cloud.reader.lend(|db| db.used(project, ITEM))
        .map_err(|fault: Fault| fault.to_string())?;
    let mut set = Command::new("identity:limit:create", system.clone(), rooms.tag).with(json!({
        "limits": [{ "item": ITEM, "project": project, "limit": used + slack }],
    }));
    set.domain = Some(rooms.stage.ground.domain.clone());
    let limit = made(&rooms.run(set).map_err(text)?)?;
    let more = |what, forbidden| {
        let outcome = match rooms.run(rooms.ask("network:network:create", json!({ "name": "over" }))) {
            Ok(_) => Outcome::Worked("it was made".into()),
            Err(Failure::Refused(refusal)) => match refusal.why {
                Refused::OverQuota { .. } => Outcome::Stopped(refusal.message),
                _ => Outcome::Untried(refusal.message),
            },
            Err(Failure::Fault(fault)) => Outcome::Untried(fault.to_string()),
        };
        Attempt { what, forbidden, outcome }
    };
    tried.push(more("one more than a project may have", true));
    let raise = Command::new("identity:limit:update", system, rooms.tag)
        .on(limit).with(json!({ "limit": used + slack + 1 }));
    rooms.run(raise).map_err(text)?;
    tried.push(more("one more after the limit was raised by one", false));
    tried.push(more("one more than the raised limit", true));
    Ok(())
}

/// The image service's routes, asked as the edge would ask.
struct Service<'a> {
    rooms: &'a Rooms<'a>,
    routes: Vec<Route>,
}

impl Service<'_> {
    fn ask(&self, by: &Id, method: &str, path: &str, id: &str, body: Value, data: Option<Vec<u8>>)
        -> Result<Reply, Failure> {
        let route = self.routes.iter().find(|r| r.method == method && r.path == path);
        let route = route.ok_or_else(|| Fault::new(format!("there is no route {method} {path}")))?;
        let actor = tenant(self.rooms, by);
        let input = data.map(|data| Box::new(Cursor::new(data)) as Box<dyn Read + Send>);
        let call = Call {
            via: Default::default(),
            door: Door::Management,
            cloud: self.rooms.cloud,
            actor: &actor,
            path: vec![("id", id.into())],
            query: Vec::new(),
            body,
            request: self.rooms.tag.into(),
            source: None,
            base: String::new(),
            version: None,
            token: None,
            headers: Vec::new(),
            input: Mutex::new(input),
        };
        (route.run)(&call)
    }
}

const ALL: &str = "/v2/images";
const ONE: &str = "/v2/images/{id}";
const FILE: &str = "/v2/images/{id}/file";

/// Another project's image: looked at, fetched, replaced, deleted. And fetched by its own project, with
/// the bytes that were put in. The image is put in unless it is there from the last time; it stays if
/// everything is as it should be.
fn images(rooms: &Rooms<'_>, files: &Arc<Files>, kept: &mut Option<String>)
    -> (Vec<Attempt>, Result<Vec<Taken>, String>) {
    let service = Service { rooms, routes: jinyun_image::routes(Arc::clone(files)) };
    let (mine, theirs) = (&rooms.stage.ground.mine, &rooms.stage.ground.theirs);
    // Not all alike, and begins with what no format does.
    let data: Vec<u8> = (0..IMAGE).map(|n| (n % 251) as u8).collect();
    let id = match kept.take().map_or_else(|| put(&service, theirs, &data), Ok) {
        Ok(id) => id,
        Err(why) => return (vec![not_tried("another project's image", why.clone())], Err(why)),
    };
    let ask = |what: &'static str, forbidden: bool, by: &Id, method: &str, path: &str| {
        let sent = (method == "PUT").then(|| data.clone());
        let outcome = match service.ask(by, method, path, &id, Value::Null, sent) {
            Ok(_) => Outcome::Worked(format!("{method} was carried out")),
            Err(Failure::Refused(refusal)) => match refusal.why {
                Refused::NotFound | Refused::Forbidden => Outcome::Stopped(refusal.message),
                _ => Outcome::Untried(refusal.message),
            },
            Err(Failure::Fault(fault)) => Outcome::Untried(fault.to_string()),
        };
        Attempt { what, forbidden, outcome }
    };
    let tried = vec![
        ask("its own project looks at the image", false, theirs, "GET", ONE),
        ask("its own project fetches the image", false, theirs, "GET", FILE),
        ask("another project looks at the image", true, mine, "GET", ONE),
        ask("another project fetches the image", true, mine, "GET", FILE),
        ask("another project replaces the image", true, mine, "PUT", FILE),
        ask("another project deletes the image", true, mine, "DELETE", ONE),
    ];
    let taken = Taken { what: "an image".into(), same: fetch(&service, theirs, &id, &data) };
    if taken.same.is_ok() && matches!(judge(&tried), Judged::Held(_)) {
        *kept = Some(id);
    }
    (tried, Ok(vec![taken]))
}

/// Makes an image of these bytes.
fn put(service: &Service<'_>, by: &Id, data: &[u8]) -> Result<String, String> {
    let body = json!({ "name": "evidence", "disk_format": "raw", "container_format": "bare" });
    let reply = service.ask(by, "POST", ALL, "", body, None).map_err(text)?;
    let Body::Json(shown) = reply.body else { return Err("a new image is not shown".into()) };
    let id = shown.get("id").and_then(Value::as_str).ok_or("a new image has no id")?;
    service.ask(by, "PUT", FILE, id, Value::Null, Some(data.to_vec())).map_err(text)?;
    Ok(id.into())
}

/// Fetches an image and compares it with what was put in, and with the digest that the service shows.
fn fetch(service: &Service<'_>, by: &Id, id: &str, data: &[u8]) -> Result<u64, String> {
    let reply = service.ask(by, "GET", FILE, id, Value::Null, None).map_err(text)?;
    let mut back = Vec::new();
    let read = match reply.body {
        Body::File(path) => std::fs::File::open(path).and_then(|f| {
            f.take(2 * IMAGE as u64).read_to_end(&mut back)
        }),
        Body::Stream(stream) => stream.take(2 * IMAGE as u64).read_to_end(&mut back),
        _ => return Err("what was fetched is no file".into()),
    };
    read.map_err(|e| format!("what was fetched cannot be read: {e}"))?;
    if back != data {
        return Err("what was fetched is not what was put in".into());
    }
    let shown = service.ask(by, "GET", ONE, id, Value::Null, None).map_err(text)?;
    let Body::Json(shown) = shown.body else { return Err("the image is not shown".into()) };
    let digest = jinyun_journal::to_hex(&Sha256::digest(data));
    match shown.get("jinyun_sha256").and_then(Value::as_str) {
        Some(told) if told == digest => Ok(data.len() as u64),
        _ => Err("the digest that is shown is not that of what was put in".into()),
    }
}
