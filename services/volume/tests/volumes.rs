//! Volumes: the plan as a table, the host's document, and a life from creation to certificate.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_base::{Id, Kind, Secret, SeedEntropy, Time};
use jinyun_engine::*;
use jinyun_image::Image;
use jinyun_policy::{Actor, ActorKind, Role, Rule, Scope, Who};
use jinyun_store::{Config, Db, Writer};
use jinyun_volume::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A server as volumes see one; its actions attach and detach as the real one's would.
struct Toy;

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct ToySpec {
    name: String,
}

impl Resource for Toy {
    const SERVICE: &'static str = "compute";
    const KIND: Kind = Kind("server");
    const LIVE: bool = true;
    type Spec = ToySpec;
    type Status = ();

    fn name(spec: &ToySpec) -> &str {
        &spec.name
    }

    fn check(_: &ToySpec, _: Option<&ToySpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        Ok(())
    }
}

const MEMBER: &[Who] = &[Who::Project(Role::Member)];
const TOY_RULES: &[Rule] = &[
    Rule { action: "compute:server:create", allow: MEMBER },
    Rule { action: "compute:server:delete", allow: MEMBER },
];

/// What hosts say.
#[derive(Default)]
struct Eyes {
    hosts: Vec<&'static str>,
    volume: Option<Value>,
}

impl Seen for Eyes {
    fn seen(&self, kind: &str, _: &Id) -> Option<Value> {
        match kind {
            "hosts" => Some(json!({ "alive": self.hosts })),
            "volume" => self.volume.clone(),
            _ => None,
        }
    }
}

struct World {
    core: Core,
    db: Db,
    dir: PathBuf,
    now: i64,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn registry() -> Arc<Registry> {
    let mut registry = Registry::default();
    jinyun_image::register(&mut registry);
    register(&mut registry);
    registry.add::<Toy>().rules(TOY_RULES);
    Arc::new(registry)
}

fn world(name: &str) -> World {
    let dir = std::env::temp_dir().join(format!("jyvolume-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
    let writer = Writer::open(&config, "test").unwrap();
    let core = Core::new(writer, registry(), Box::new(SeedEntropy::new(7)));
    World { core, db: Db::open(&config).unwrap(), dir, now: 1_700_000_000_000_000 }
}

fn user(role: Role, project: &str) -> Actor {
    Actor {
        kind: ActorKind::User,
        id: "ann".into(),
        domain: "bank".into(),
        scope: Scope::Project { project: project.into(), domain: "bank".into() },
        role: Some(role),
        duty: None,
    }
}

impl World {
    fn tick(&mut self) -> Time {
        self.now += 1_000_000;
        Time(self.now)
    }

    fn run(&mut self, actor: &Actor, action: &str, target: Option<&Id>, args: Value)
        -> Result<Answer, Failure> {
        let now = self.tick();
        let mut command = Command::new(action, actor.clone(), "req-1").with(args);
        command.target = target.cloned();
        self.core.one(Job::Command(Box::new(command)), now)
    }

    fn make(&mut self, kind: &str, args: Value) -> Id {
        let ann = user(Role::Member, "p");
        self.run(&ann, &format!("{kind}:create"), None, args).unwrap().row.unwrap().id
    }

    /// An active raw image of 2 GiB that needs a disk of 3.
    fn image(&mut self, project: &str) -> Id {
        let ann = user(Role::Member, project);
        let args = json!({ "name": "i", "disk_format": "raw", "container_format": "bare",
            "min_disk": 3 });
        let id = self.run(&ann, "image:image:create", None, args).unwrap().row.unwrap().id;
        let arrived = json!({ "path": format!("/images/{id}"), "disk_format": "raw",
            "bytes": 100, "virtual_bytes": 2i64 << 30,
            "sha256": "a".repeat(64), "sha512": "b".repeat(128) });
        self.run(&ann, "image:image:activate", Some(&id), arrived).unwrap();
        id
    }

    fn image_ref(&mut self, id: &Id) -> ImageRef {
        ImageRef::of(&View::new(&mut self.db).get::<Image>(id).unwrap().unwrap())
    }

    fn key(&mut self, id: &str) {
        let writer = &mut self.core.writer;
        writer.begin().unwrap();
        writer.put_secret("volume", &id.into(), "key", &[0; 32], b"wrapped").unwrap();
        writer.commit().unwrap();
    }

    fn get(&mut self, id: &Id) -> Option<Have<Volume>> {
        View::new(&mut self.db).get::<Volume>(id).unwrap()
    }

    /// Looks at everything that is due, some times.
    fn drive(&mut self, seen: &Eyes) {
        struct Direct<'a>(&'a mut Core, Time);
        impl Submit for Direct<'_> {
            fn submit(&mut self, job: Job) -> Result<Answer, Failure> {
                self.0.one(job, self.1)
            }
        }
        let maker: Maker = Box::new(|_, kind, _, request| {
            assert_eq!((kind, request), ("volume", &json!({ "project": "p" })));
            Ok(Secret::new(b"wrapped key".to_vec()))
        });
        let mut driver = Driver::new(registry(), maker);
        for _ in 0..6 {
            self.now += 60_000_000;
            let now = self.tick();
            driver.pass(&mut self.db, &mut Direct(&mut self.core, now), seen, now).unwrap();
        }
    }
}

fn code(result: Result<Answer, Failure>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(Failure::Refused(r)) => r.code().into(),
        Err(Failure::Fault(f)) => format!("fault: {f}"),
    }
}

fn have(id: &str, spec: VolumeSpec) -> Have<Volume> {
    Have {
        id: id.into(),
        domain: "bank".into(),
        project: "p".into(),
        generation: 2,
        spec,
        status: VolumeStatus::default(),
        phase: "creating".into(),
        observed: 0,
        error: String::new(),
        created: Time(1),
        updated: Time(1),
        phase_since: Time(1),
        deleting: false,
    }
}

fn edited(mut have: Have<Volume>, edit: impl Fn(&mut Have<Volume>)) -> Have<Volume> {
    edit(&mut have);
    have
}

fn eyes(hosts: &[&'static str], volume: Option<Value>) -> Eyes {
    Eyes { hosts: hosts.to_vec(), volume }
}

fn ready() -> Option<Value> {
    Some(json!({ "id": "v", "ready": true, "error": null }))
}

fn faulty(fatal: bool) -> Option<Value> {
    let error = json!({ "why": "no space", "fatal": fatal });
    Some(json!({ "id": "v", "ready": false, "error": error }))
}

fn pending() -> Option<Value> {
    Some(json!({ "state": "pending" }))
}

fn step(step: &Step) -> String {
    match step {
        Step::MakeSecret { name, request } => format!("make {name} for {}", request["project"]),
        Step::Run(command) => format!("{} {}", command.action, command.args["host"]),
        Step::DestroySecret { name, certificate } => {
            let text = certificate.to_string();
            for part in ["aes-256-xts", "volume v", "write-ahead log", "SSD", "outside"] {
                assert!(text.contains(part), "the certificate does not name {part}: {text}");
            }
            format!("destroy {name}")
        }
        Step::Finish { .. } => "finish".into(),
    }
}

#[test]
fn the_plan_as_a_table() {
    let mut w = world("plan");
    let alive = w.make("compute:server", json!({ "name": "alive" }));
    let dying = w.make("compute:server", json!({ "name": "dying" }));
    w.run(&user(Role::Member, "p"), "compute:server:delete", Some(&dying), Value::Null).unwrap();
    w.key("v");
    let spec = VolumeSpec { gib: 1, host: "h1".into(), ..VolumeSpec::default() };
    let here = || have("v", spec.clone());
    let (make, place) = ("make key for \"p\"", "volume:volume:place \"h1\"");
    let none: &[&str] = &[];
    let made = |v: &mut Have<Volume>| v.status.made = true;
    let new = |v: &mut Have<Volume>| {
        v.id = "new".into();
        v.spec.host.clear();
    };
    let root = |v: &mut Have<Volume>| {
        new(v);
        v.spec.root_of = Some(alive.clone());
    };
    let attached = |v: &mut Have<Volume>| {
        made(v);
        v.spec.server = Some(alive.clone());
    };
    let going = |v: &mut Have<Volume>| v.deleting = true;
    let (both, first, second) = (&[make, place][..], &[make][..], &[place][..]);
    type Case<'a> = (&'a str, Have<Volume>, Eyes, &'a str, bool, &'a [&'a str]);
    let cases: Vec<Case<'_>> = vec![
        // What it is, how it is, what is seen; phase, settled, steps.
        ("new", edited(here(), new), eyes(&["h1", "h2"], None), "creating", false, both),
        ("new, no host", edited(here(), new), eyes(&[], None), "creating", false, first),
        ("with a key, no place", edited(here(), |v| v.spec.host.clear()), eyes(&["h1"], None),
            "creating", false, second),
        ("a root disk waits for its server's place", edited(here(), root), eyes(&["h1"], None),
            "creating", false, first),
        ("placed by its server, without a key", edited(here(), |v| v.id = "new".into()),
            eyes(&["h1"], None), "creating", false, first),
        ("placed, not seen", here(), eyes(&[], None), "creating", false, none),
        ("placed, pending", here(), eyes(&[], pending()), "creating", false, none),
        ("placed, in trouble", here(), eyes(&[], faulty(false)), "creating", false, none),
        ("placed, damaged", here(), eyes(&[], faulty(true)), "error", true, none),
        ("ready", here(), eyes(&[], ready()), "available", true, none),
        ("attached", edited(here(), attached), eyes(&[], ready()), "in-use", true, none),
        ("a root disk", edited(here(), |v| v.spec.root_of = Some(alive.clone())),
            eyes(&[], ready()), "in-use", true, none),
        ("made, its host is silent", edited(here(), made),
            eyes(&[], pending()), "available", false, none),
        ("attached, its host is silent", edited(here(), attached),
            eyes(&[], None), "in-use", false, none),
        ("made, then damaged", edited(here(), made),
            eyes(&[], faulty(true)), "error", true, none),
        ("deleted, still there", edited(here(), going),
            eyes(&[], ready()), "deleting", false, none),
        ("deleted, the host has not said", edited(here(), going), eyes(&[], pending()),
            "deleting", false, none),
        ("deleted, confirmed", edited(here(), going), eyes(&[], None), "deleting", false,
            &["destroy key", "finish"]),
        ("deleted before it was placed", edited(here(), |v| {
            new(v);
            going(v);
        }), eyes(&[], pending()), "deleting", false, &["finish"]),
        ("deleted, of a server that stays", edited(here(), |v| {
            going(v);
            v.spec.root_of = Some(alive.clone());
        }), eyes(&[], None), "deleting", false, none),
        ("deleted with its server", edited(here(), |v| {
            going(v);
            v.spec.root_of = Some(dying.clone());
        }), eyes(&[], None), "deleting", false, &["destroy key", "finish"]),
        ("deleted after its server", edited(here(), |v| {
            going(v);
            v.spec.root_of = Some("gone".into());
        }), eyes(&[], None), "deleting", false, &["destroy key", "finish"]),
    ];
    for (what, have, seen, phase, done, steps) in cases {
        let plan = Volume::plan(&have, &mut View::new(&mut w.db), &seen).unwrap();
        assert_eq!((plan.phase, plan.done), (phase, done), "{what}");
        let got: Vec<String> = plan.steps.iter().map(step).collect();
        assert_eq!(got, steps, "{what}");
        let again = Volume::plan(&have, &mut View::new(&mut w.db), &seen).unwrap();
        assert!(plan == again, "{what}: the plan is not pure");
        let troubled = seen.volume == faulty(true) || seen.volume == faulty(false);
        let waits = what == "new, no host";
        assert_eq!(plan.error.is_empty(), !troubled && !waits, "{what}: {}", plan.error);
    }
}

#[test]
fn what_can_be_created() {
    let mut w = world("create");
    let (own, foreign) = (w.image("p"), w.image("q"));
    let queued = w.make("image:image", json!({ "name": "queued" }));
    let (named, foreign, queued) =
        (w.image_ref(&own), w.image_ref(&foreign), w.image_ref(&queued));
    let ann = user(Role::Member, "p");
    let from = |gib: i64, image: &ImageRef| json!({ "name": "v", "gib": gib, "image": image });
    let other = ImageRef { sha256: "c".repeat(64), ..named.clone() };
    let many: serde_json::Map<String, Value> =
        (0..129).map(|n| (n.to_string(), json!("x"))).collect();
    let cases: Vec<(&str, Value, &str)> = vec![
        ("plain", json!({ "gib": 1 }), "ok"),
        ("no size", json!({}), "invalid"),
        ("a negative size", json!({ "gib": -1 }), "invalid"),
        ("larger than a host can make", json!({ "gib": (1 << 20) + 1 }), "invalid"),
        ("a size that is none", json!({ "gib": "many" }), "invalid"),
        ("over the project's limit", json!({ "gib": 1000 }), "over_quota"),
        ("another type", json!({ "gib": 1, "volume_type": "plain" }), "not_found"),
        ("too much metadata", json!({ "gib": 1, "metadata": many }), "invalid"),
        ("a long name", json!({ "gib": 1, "name": "x".repeat(256) }), "invalid"),
        ("a device without a server", json!({ "gib": 1, "device": "/dev/vdb" }), "invalid"),
        ("from an image", from(3, &named), "ok"),
        ("smaller than its min_disk", from(2, &named), "invalid"),
        ("from a queued image", from(3, &queued), "invalid"),
        ("from another project's image", from(3, &foreign), "not_found"),
        ("from other bytes under its name", from(3, &other), "conflict"),
    ];
    for (what, args, want) in cases {
        assert_eq!(code(w.run(&ann, "volume:volume:create", None, args)), want, "{what}");
    }
    let ray = user(Role::Reader, "p");
    assert_eq!(code(w.run(&ray, "volume:volume:create", None, json!({ "gib": 1 }))), "forbidden");
    assert_eq!(w.db.used(&"p".into(), "volumes").unwrap(), 2);
    assert_eq!(w.db.used(&"p".into(), "gigabytes").unwrap(), 4);
    // The root disk of a server costs none of these.
    let server = w.make("compute:server", json!({ "name": "s" }));
    let root = json!({ "gib": 3, "image": named, "root_of": server });
    let root = w.run(&ann, "volume:volume:create", None, root).unwrap().row.unwrap().id;
    assert_eq!(w.db.used(&"p".into(), "volumes").unwrap(), 2);
    assert_eq!(w.db.used(&"p".into(), "root_gigabytes").unwrap(), 3);
    // And goes with it, never before: a guest would lose its disk under its feet.
    let alone = w.run(&ann, "volume:volume:delete", Some(&root), Value::Null);
    assert_eq!(code(alone), "conflict");
    assert!(!w.get(&root).unwrap().deleting);
    w.run(&ann, "compute:server:delete", Some(&server), Value::Null).unwrap();
    assert!(w.get(&root).unwrap().deleting);
}

#[test]
fn what_can_be_changed() {
    let mut w = world("change");
    let (ann, driver) = (user(Role::Member, "p"), Actor::system("driver"));
    let id = w.make("volume:volume", json!({ "gib": 2, "metadata": { "a": "1" } }));
    let cases: Vec<(&str, &Actor, &str, Value, &str)> = vec![
        ("its name", &ann, "update", json!({ "name": "n", "description": "d" }), "ok"),
        ("its size", &ann, "update", json!({ "gib": 3 }), "invalid"),
        ("a pair", &ann, "label", json!({ "set": { "b": "2" } }), "ok"),
        ("a pair that is not there", &ann, "label", json!({ "unset": ["c"] }), "not_found"),
        ("a pair that is", &ann, "label", json!({ "unset": ["a"] }), "ok"),
        ("its place, by its owner", &ann, "place", json!({ "host": "h1" }), "forbidden"),
        ("nowhere", &driver, "place", json!({}), "invalid"),
        ("its place", &driver, "place", json!({ "host": "h1" }), "ok"),
        ("again", &driver, "place", json!({ "host": "h2" }), "ok"),
        ("a move", &ann, "update", json!({ "host": "h2" }), "conflict"),
    ];
    for (what, actor, verb, args, want) in cases {
        let action = format!("volume:volume:{verb}");
        assert_eq!(code(w.run(actor, &action, Some(&id), args)), want, "{what}");
    }
    let have = w.get(&id).unwrap();
    assert_eq!((have.spec.host.as_str(), have.spec.name.as_str()), ("h1", "n"));
    assert_eq!(have.spec.metadata, BTreeMap::from([("b".to_string(), "2".to_string())]));
    let eve = user(Role::Manager, "q");
    let foreign = w.run(&eve, "volume:volume:update", Some(&id), json!({ "name": "eve's" }));
    assert_eq!(code(foreign), "not_found");
}

#[test]
fn a_life_from_creation_to_certificate() {
    let mut w = world("life");
    let (ann, eve) = (user(Role::Member, "p"), user(Role::Member, "q"));
    let server = w.make("compute:server", json!({ "name": "s" }));
    let stranger = w.run(&eve, "compute:server:create", None, json!({ "name": "t" }));
    let stranger = stranger.unwrap().row.unwrap().id;
    let image = w.image("p");
    let image = w.image_ref(&image);
    let id = w.make("volume:volume", json!({ "gib": 3, "image": image }));
    let want = |w: &mut World, host: &str| want(&mut View::new(&mut w.db), host).unwrap();
    let attach = |server: &Id| json!({ "server": server, "device": "/dev/vdb" });
    let (tie, untie) = ("volume:volume:attach", "volume:volume:detach");
    // Without a host it waits; then it has a key and a place.
    w.drive(&Eyes::default());
    assert_eq!(w.get(&id).unwrap().phase, "creating");
    assert!(want(&mut w, "h1").is_empty());
    w.drive(&Eyes { hosts: vec!["h1"], volume: None });
    assert_eq!(w.get(&id).unwrap().spec.host, "h1");
    let disks = want(&mut w, "h1");
    assert_eq!((disks.len(), disks[0].bytes), (1, 3 << 30));
    let source = disks[0].image.as_ref().unwrap();
    assert_eq!((source.format.as_str(), source.bytes), ("raw", 100));
    assert_eq!(source.sha512, image.sha512);
    assert!(want(&mut w, "h2").is_empty());
    assert_eq!(code(w.run(&ann, tie, Some(&id), attach(&server))), "conflict", "being created");
    // The host has made it.
    w.drive(&Eyes { hosts: vec!["h1"], volume: ready() });
    assert_eq!(w.get(&id).unwrap().phase, "available");
    assert_eq!(code(w.run(&ann, tie, Some(&id), attach(&stranger))), "not_found", "not its own");
    assert_eq!(code(w.run(&ann, untie, Some(&id), Value::Null)), "conflict", "not attached");
    assert_eq!(code(w.run(&ann, tie, Some(&id), attach(&server))), "ok");
    assert_eq!(code(w.run(&ann, tie, Some(&id), attach(&server))), "conflict", "twice");
    w.drive(&Eyes { hosts: vec!["h1"], volume: ready() });
    assert_eq!(w.get(&id).unwrap().phase, "in-use");
    assert_eq!(code(w.run(&ann, "volume:volume:delete", Some(&id), Value::Null)), "invalid");
    assert_eq!(code(w.run(&ann, untie, Some(&id), Value::Null)), "ok");
    assert_eq!(code(w.run(&ann, "volume:volume:delete", Some(&id), Value::Null)), "ok");
    // It leaves the document, and its key stays until the host has confirmed that it is gone.
    assert!(want(&mut w, "h1").is_empty());
    w.drive(&Eyes { hosts: vec!["h1"], volume: pending() });
    assert_eq!(w.get(&id).unwrap().phase, "deleting");
    assert!(View::new(&mut w.db).has_secret("volume", &id, "key").unwrap());
    w.drive(&Eyes { hosts: vec!["h1"], volume: None });
    assert!(w.get(&id).is_none());
    assert_eq!(w.db.used(&"p".into(), "gigabytes").unwrap(), 0);
    let entries = w.db.entries(0, 1000).unwrap();
    let entries: Vec<Value> = entries.iter().map(|b| serde_json::from_slice(b).unwrap()).collect();
    let certificate = entries.iter().find(|e| e["action"] == "engine:secret:destroy").unwrap();
    assert_eq!(certificate["note"]["volume"], json!(id));
    assert!(certificate["note"]["destroyed"]["blocks"].as_str().unwrap().contains("h1"));
    let text = serde_json::to_string(&entries).unwrap();
    assert!(!text.contains("wrapped key"), "a key stands in the journal");
}
