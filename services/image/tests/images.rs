//! Images through the write path: who may do what, what can be changed, when a file goes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_base::{Id, Kind, SeedEntropy, Time};
use jinyun_engine::*;
use jinyun_image::*;
use jinyun_policy::{Actor, ActorKind, Duty, Role, Rule, Scope, Who};
use jinyun_store::{Config, Db, Writer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// A volume as images see one.
struct Toy;

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct ToySpec {
    image: Id,
}

impl Resource for Toy {
    const SERVICE: &'static str = "volume";
    const KIND: Kind = Kind("volume");
    const LIVE: bool = true;
    type Spec = ToySpec;
    type Status = Value;

    fn name(_: &ToySpec) -> &str {
        "toy"
    }

    fn check(_: &ToySpec, _: Option<&ToySpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        Ok(())
    }

    fn fields(spec: &ToySpec) -> Vec<(&'static str, String)> {
        vec![("image", spec.image.to_string())]
    }
}

const TOY_RULES: &[Rule] =
    &[Rule { action: "volume:volume:create", allow: &[Who::Project(Role::Member)] }];

struct World {
    core: Core,
    db: Db,
    files: Files,
    dir: PathBuf,
    now: i64,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn world(name: &str) -> World {
    let dir = std::env::temp_dir().join(format!("jyimage-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
    let writer = Writer::open(&config, "test").unwrap();
    let mut registry = Registry::default();
    register(&mut registry);
    registry.add::<Toy>().rules(TOY_RULES);
    let core = Core::new(writer, Arc::new(registry), Box::new(SeedEntropy::new(7)));
    let db = Db::open(&config).unwrap();
    let files = Files::open(dir.join("images")).unwrap();
    World { core, db, files, dir, now: 1_700_000_000_000_000 }
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

fn staff(duty: Duty) -> Actor {
    let (kind, id, domain) = (ActorKind::User, "sam".into(), "default".into());
    Actor { kind, id, domain, scope: Scope::System, role: None, duty: Some(duty) }
}

impl World {
    fn run(&mut self, actor: &Actor, action: &str, target: Option<&Id>, args: Value)
        -> Result<Answer, Failure> {
        self.now += 1000;
        let mut command = Command::new(action, actor.clone(), "req-1").with(args);
        command.target = target.cloned();
        self.core.one(Job::Command(Box::new(command)), Time(self.now))
    }

    fn make(&mut self, actor: &Actor, args: Value) -> Id {
        let public = args["visibility"] == "public";
        let action = if public { "image:image:publicize" } else { "image:image:create" };
        self.run(actor, action, None, args).unwrap().row.unwrap().id
    }

    fn get(&mut self, id: &Id) -> Option<Have<Image>> {
        View::new(&mut self.db).get::<Image>(id).unwrap()
    }
}

fn code(result: Result<Answer, Failure>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(Failure::Refused(r)) => r.code().into(),
        Err(Failure::Fault(f)) => format!("fault: {f}"),
    }
}

fn raw(name: &str) -> Value {
    json!({ "name": name, "disk_format": "raw", "container_format": "bare" })
}

fn arrived() -> Value {
    json!({ "path": "/images/x", "disk_format": "raw", "bytes": 512, "virtual_bytes": 512,
        "sha256": "a".repeat(64), "sha512": "b".repeat(128) })
}

#[test]
fn what_can_be_created() {
    let mut w = world("create");
    let (ann, ray) = (user(Role::Member, "p"), user(Role::Reader, "p"));
    let (sam, sue) = (staff(Duty::SystemAdmin), staff(Duty::SecurityAdmin));
    let (create, publicize) = ("image:image:create", "image:image:publicize");
    let with = |name: &str, value: Value| {
        let mut args = raw("x");
        args[name] = value;
        args
    };
    let many: Vec<String> = (0..129).map(|n| n.to_string()).collect();
    let public = with("visibility", json!("public"));
    let cases: Vec<(&str, &Actor, &str, Value, &str)> = vec![
        ("plain", &ann, create, raw("x"), "ok"),
        ("without formats", &ann, create, json!({ "name": "later" }), "ok"),
        ("with an id", &ann, create, with("id", json!("11111111-2222-4333-8444-555555555555")),
            "ok"),
        ("with a taken id", &ann, create,
            with("id", json!("11111111-2222-4333-8444-555555555555")), "taken"),
        ("an id that leads out", &ann, create, with("id", json!("../../etc/passwd")), "invalid"),
        ("a format we cannot judge", &ann, create, with("disk_format", json!("vmdk")), "invalid"),
        ("a container", &ann, create, with("container_format", json!("ova")), "invalid"),
        ("a negative disk", &ann, create, with("min_disk", json!(-1)), "invalid"),
        ("too many tags", &ann, create, with("tags", json!(many)), "invalid"),
        ("active from the start", &ann, create, with("status", json!("active")), "invalid"),
        ("digests from the start", &ann, create, with("sha256", json!("a".repeat(64))), "invalid"),
        ("a public one under the plain name", &ann, create, public.clone(), "invalid"),
        ("a tenant's public one", &ann, publicize, public.clone(), "forbidden"),
        ("a reader's", &ray, create, raw("x"), "forbidden"),
        ("the provider's", &sam, publicize, public.clone(), "ok"),
        ("the provider's private one", &sam, publicize, raw("x"), "invalid"),
        ("another duty's", &sue, publicize, public, "forbidden"),
        ("the provider in a tenant's name", &sam, create, raw("x"), "forbidden"),
    ];
    for (what, actor, action, args, want) in cases {
        assert_eq!(code(w.run(actor, action, None, args)), want, "{what}");
    }
}

#[test]
fn an_image_is_filled_once_and_its_data_never_changes() {
    let mut w = world("fill");
    let ann = user(Role::Member, "p");
    let id = w.make(&ann, raw("x"));
    let cases: Vec<(&str, &str, Value, &str)> = vec![
        ("another format than declared", "activate", {
            let mut a = arrived();
            a["disk_format"] = json!("qcow2");
            a
        }, "conflict"),
        ("no digest", "activate", {
            let mut a = arrived();
            a["sha256"] = json!("");
            a
        }, "invalid"),
        ("the format while queued", "update", json!({ "disk_format": "qcow2" }), "ok"),
        ("and back", "update", json!({ "disk_format": "raw" }), "ok"),
        ("filled", "activate", arrived(), "ok"),
        ("filled twice", "activate", arrived(), "conflict"),
        ("the format once active", "update", json!({ "disk_format": "qcow2" }), "forbidden"),
        ("its name", "update", json!({ "name": "y" }), "ok"),
        ("public", "update", json!({ "visibility": "public" }), "forbidden"),
        ("shared", "update", json!({ "visibility": "shared" }), "invalid"),
        ("said again", "update", json!({ "visibility": "private" }), "ok"),
        ("protected", "update", json!({ "protected": true }), "ok"),
        ("deleted while protected", "delete", Value::Null, "forbidden"),
        ("unprotected", "update", json!({ "protected": false }), "ok"),
        ("deleted", "delete", Value::Null, "ok"),
        ("changed after that", "update", json!({ "name": "z" }), "conflict"),
    ];
    for (what, verb, args, want) in cases {
        let action = format!("image:image:{verb}");
        assert_eq!(code(w.run(&ann, &action, Some(&id), args)), want, "{what}");
    }
    let have = w.get(&id).unwrap();
    assert_eq!((have.spec.name.as_str(), have.spec.bytes, have.deleting), ("y", 512, true));
}

#[test]
fn the_provider_reaches_its_own_images_and_no_tenants() {
    let mut w = world("reach");
    let (ann, eve, sam) =
        (user(Role::Member, "p"), user(Role::Manager, "q"), staff(Duty::SystemAdmin));
    let own = w.make(&ann, raw("ann's"));
    let mut public = raw("everybody's");
    public["visibility"] = json!("public");
    let public = w.make(&sam, public);
    let rename = json!({ "name": "mine" });
    let cases: Vec<(&str, &Actor, &str, &Id, Value, &str)> = vec![
        ("a stranger's", &eve, "update", &own, rename.clone(), "not_found"),
        ("a stranger's data", &eve, "activate", &own, arrived(), "not_found"),
        ("a tenant changes the public one", &ann, "update", &public, rename.clone(), "forbidden"),
        ("a tenant fills it", &ann, "activate", &public, arrived(), "forbidden"),
        ("a tenant under the other name", &ann, "amend", &own, rename.clone(), "forbidden"),
        ("staff changes a tenant's", &sam, "update", &own, rename.clone(), "forbidden"),
        ("staff under its own name", &sam, "amend", &own, rename.clone(), "not_found"),
        ("staff fills a tenant's", &sam, "supply", &own, arrived(), "not_found"),
        ("staff deletes a tenant's", &sam, "withdraw", &own, Value::Null, "not_found"),
        ("staff fills its own", &sam, "supply", &public, arrived(), "ok"),
        ("staff changes its own", &sam, "amend", &public, rename, "ok"),
        ("a tenant deletes it", &ann, "delete", &public, Value::Null, "forbidden"),
        ("staff deletes it", &sam, "withdraw", &public, Value::Null, "ok"),
    ];
    for (what, actor, verb, id, args, want) in cases {
        let action = format!("image:image:{verb}");
        assert_eq!(code(w.run(actor, &action, Some(id), args)), want, "{what}");
    }
    let mut view = View::new(&mut w.db);
    for (what, project, id, want) in [
        ("queued", "p", &own, "invalid"),
        ("foreign", "q", &own, "not_found"),
        ("deleted", "p", &public, "not_found"),
    ] {
        let got = match usable(&mut view, &project.into(), id) {
            Err(Failure::Refused(r)) => r.code(),
            Err(Failure::Fault(f)) => panic!("{what}: {f}"),
            Ok(_) => "ok",
        };
        assert_eq!(got, want, "{what}");
    }
}

#[test]
fn patches_change_whole_members() {
    let spec = ImageSpec {
        name: "old".into(),
        tags: vec!["a".into(), "b".into()],
        properties: [("os_distro".to_string(), "debian".to_string())].into(),
        ..ImageSpec::default()
    };
    let step = |op: &str, path: &str, value: Value| {
        json!([{"op": op, "path": path, "value": value}])
    };
    let cases: Vec<(&str, Value, Result<Value, &str>)> = vec![
        ("a name", step("replace", "/name", json!("new")), Ok(json!({"name": "new"}))),
        ("no name", step("replace", "/name", json!(null)), Ok(json!({"name": ""}))),
        ("the older notation", json!([{"replace": "/name", "value": "new"}]),
            Ok(json!({"name": "new"}))),
        ("add replaces", step("add", "/name", json!("new")), Ok(json!({"name": "new"}))),
        ("numbers", step("replace", "/min_disk", json!(3)), Ok(json!({"min_disk": 3}))),
        ("a flag", step("replace", "/protected", json!(true)), Ok(json!({"protected": true}))),
        ("all tags", step("add", "/tags", json!(["c", "c"])), Ok(json!({"tags": ["c"]}))),
        ("one tag", step("add", "/tags/0", json!("c")), Err("invalid")),
        ("a property", step("add", "/os_version", json!("12")),
            Ok(json!({"properties": {"os_distro": "debian", "os_version": "12"}}))),
        ("an odd name", step("add", "/a~1b~0c", json!("1")),
            Ok(json!({"properties": {"os_distro": "debian", "a/b~c": "1"}}))),
        ("a property replaced", step("replace", "/os_distro", json!("x")),
            Ok(json!({"properties": {"os_distro": "x"}}))),
        ("one that is not there", step("replace", "/os_x", json!("x")), Err("conflict")),
        ("a property removed", json!([{"op": "remove", "path": "/os_distro"}]),
            Ok(json!({"properties": {}}))),
        ("removed twice", json!([{"op": "remove", "path": "/os_distro"},
            {"op": "remove", "path": "/os_distro"}]), Err("conflict")),
        ("removed and added", json!([{"op": "remove", "path": "/os_distro"},
            {"op": "add", "path": "/os_distro", "value": "z"}]),
            Ok(json!({"properties": {"os_distro": "z"}}))),
        ("a base member removed", json!([{"op": "remove", "path": "/name"}]), Err("forbidden")),
        ("the status", step("replace", "/status", json!("active")), Err("forbidden")),
        ("the digest", step("add", "/os_hash_value", json!("0")), Err("forbidden")),
        ("the other digest", step("add", "/jinyun_sha256", json!("0")), Err("forbidden")),
        ("its own owner", step("replace", "/owner", json!("p")), Ok(json!({}))),
        ("another owner", step("replace", "/owner", json!("q")), Err("forbidden")),
        ("hidden", step("replace", "/os_hidden", json!(true)), Err("invalid")),
        ("public", step("replace", "/visibility", json!("public")), Err("forbidden")),
        ("no value", json!([{"op": "add", "path": "/name"}]), Err("invalid")),
        ("an object as a property", step("add", "/x", json!({"y": 1})), Err("invalid")),
        ("an unknown step", step("move", "/name", json!("x")), Err("invalid")),
        ("no array", json!({"name": "x"}), Err("invalid")),
    ];
    for (what, patch, want) in cases {
        let mut got = spec.clone();
        let result = parse_patch(&patch, &spec, "p")
            .and_then(|change| change.apply(&mut got).map_err(Failure::from));
        match (result, want) {
            (Ok(()), Ok(members)) => {
                let mut expected = serde_json::to_value(&spec).unwrap();
                for (name, value) in members.as_object().unwrap() {
                    expected[name.as_str()] = value.clone();
                }
                assert_eq!(serde_json::to_value(&got).unwrap(), expected, "{what}");
            }
            (Err(Failure::Refused(r)), Err(code)) => assert_eq!(r.code(), code, "{what}: {r}"),
            (got, want) => panic!("{what}: {got:?}, not {want:?}"),
        }
    }
}

#[test]
fn files_are_whole_or_not_there() {
    let mut w = world("files");
    let ann = user(Role::Member, "p");
    let (id, other) = (w.make(&ann, raw("x")), w.make(&ann, raw("y")));
    let on_disk = |files: &Files| std::fs::read(files.path(&id)).ok();
    {
        let held = w.files.reserve(&id).unwrap();
        assert_eq!(w.files.reserve(&id).unwrap_err().code(), "conflict", "one at a time");
        drop(w.files.reserve(&other).unwrap());
        let refused = |r: Result<Arrived, Failure>| match r {
            Err(Failure::Refused(r)) => r.code(),
            _ => "taken",
        };
        let mut long = &[0u8; 100][..];
        assert_eq!(refused(held.receive(&mut long, "raw", 99)), "too_large");
        let mut wrong = &b"QFI\xfb"[..];
        assert_eq!(refused(held.receive(&mut wrong, "raw", 99)), "invalid");
        let mut data = &b"abc"[..];
        let got = held.receive(&mut data, "raw", 99).unwrap();
        assert_eq!((got.bytes, got.virtual_bytes), (3, 3));
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(got.sha256, sha256);
        assert!(got.sha512.starts_with("ddaf35a193617aba"));
        assert_eq!(on_disk(&w.files), None, "not before it is kept");
        assert_eq!(w.files.sweep(&mut View::new(&mut w.db)).unwrap(), 0, "somebody uploads it");
        held.keep().unwrap();
    }
    assert_eq!(on_disk(&w.files).as_deref(), Some(&b"abc"[..]));
    // What an interrupted upload and a row that is gone left.
    let left = w.dir.join("images").join(format!(".upload-{other}"));
    std::fs::write(&left, b"part").unwrap();
    std::fs::write(w.dir.join("images").join("no-such-image"), b"old").unwrap();
    assert_eq!(w.files.sweep(&mut View::new(&mut w.db)).unwrap(), 2);
    assert!(!left.exists());
    assert!(on_disk(&w.files).is_some());
    let driver = Actor::system("driver");
    w.run(&ann, "image:image:delete", Some(&id), Value::Null).unwrap();
    let finish = json!({ "kind": "image", "id": id });
    w.run(&driver, "engine:resource:finish", None, finish).unwrap();
    assert_eq!(w.files.sweep(&mut View::new(&mut w.db)).unwrap(), 1);
    assert_eq!(on_disk(&w.files), None);
}

#[test]
fn a_deleted_image_waits_for_volumes_that_are_being_made_from_it() {
    let mut w = world("plan");
    let ann = user(Role::Member, "p");
    let id = w.make(&ann, raw("x"));
    let (wait, go) = ("deleting", "deleted");
    let cases: &[(&str, Option<(&str, Value)>, bool, &str)] = &[
        ("queued", None, false, "queued"),
        ("active", None, true, "active"),
        ("deleting, unused", None, true, go),
        ("a volume that nobody has looked at", Some(("", Value::Null)), true, wait),
        ("a volume that is being made", Some(("creating", json!({"made": false}))), true, wait),
        ("a volume that is made", Some(("available", json!({"made": true}))), true, go),
        ("a volume that failed", Some(("error", json!({"made": false}))), true, go),
    ];
    let mut volume = None;
    for (what, status, active, want) in cases {
        let mut have = w.get(&id).unwrap();
        have.spec.status = if *active { ACTIVE } else { QUEUED }.into();
        have.deleting = [wait, go].contains(want);
        if let Some((phase, body)) = status {
            if volume.is_none() {
                let args = json!({ "image": id });
                let made = w.run(&ann, "volume:volume:create", None, args).unwrap();
                volume = made.row.map(|r| r.id);
            }
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let status = Status { phase: (*phase).into(), body, ..Status::default() };
            let writer = &mut w.core.writer;
            writer.begin().unwrap();
            writer.put_status("volume", volume.as_ref().unwrap(), &status).unwrap();
            writer.commit().unwrap();
        }
        let plan = Image::plan(&have, &mut View::new(&mut w.db), &()).unwrap();
        assert_eq!(plan.phase, *want, "{what}");
        assert_eq!(plan.done, !have.deleting, "{what}");
        let finishes = plan.steps.iter().any(|s| matches!(s, Step::Finish { .. }));
        assert_eq!(finishes, *want == go, "{what}");
    }
}
