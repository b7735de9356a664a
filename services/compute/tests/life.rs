//! A server from its creation to its end, over a simulated host.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{HOST, KEY, World, ann, code, user};
use jinyun_base::{Fault, Id, Refusal, Time};
use jinyun_compute::{PASSWORD, PASSWORD_KEPT, Server, forget_password, overdue, untaken};
use jinyun_engine::{Change, Command, Failure, Guard, Query, View};
use jinyun_network::Port;
use jinyun_simulated::SimulatedHost;
use jinyun_volume::Volume;
use jinyun_wire::{HostFacts, HostWant};
use serde_json::{Value, json};
use std::sync::Arc;

/// A document as lines, without what is drawn.
fn lines(document: &HostWant) -> Vec<String> {
    let mut lines = Vec::new();
    for network in &document.networks {
        let ranges: Vec<&str> = network.subnets.iter().map(|s| s.cidr.as_str()).collect();
        lines.push(format!("network {}", ranges.join(" ")));
        for port in &network.ports {
            let pages: Vec<&str> = port.metadata.iter().map(|(path, _)| path.as_str()).collect();
            lines.push(format!("port {} {:?} groups {} pages {}", port.hostname, port.attach,
                port.groups.len(), pages.join(" ")));
        }
    }
    lines.extend(document.groups.iter().map(|g| format!("group of {}", g.members.len())));
    for disk in &document.disks {
        let image = disk.image.as_ref().map_or("-", |image| image.path.as_str());
        lines.push(format!("disk {} GiB {image}", disk.bytes >> 30));
    }
    for guest in &document.guests {
        lines.push(format!("guest {} {}x{} running {} #{} disks {} ports {}", guest.name,
            guest.vcpus, guest.memory_mib, guest.running, guest.incarnation, guest.disks.len(),
            guest.ports.len()));
    }
    lines
}

/// A body of ann's with an image, the flavor 1 and whatever else.
fn body(world: &World, more: Value) -> Value {
    let mut server = json!({ "name": "Web 1", "imageRef": world.image(), "flavorRef": "1" });
    server.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "server": server })
}

fn id_of(answer: (u16, Value)) -> jinyun_base::Id {
    assert_eq!(answer.0, 202, "{}", answer.1);
    answer.1["server"]["id"].as_str().unwrap().into()
}

fn act(world: &World, id: &jinyun_base::Id, action: &str) -> (u16, Value) {
    world.call(&ann(), "POST", &format!("/v2.1/servers/{id}/action"), json!({ action: null }))
}

#[test]
fn from_creation_to_deletion() {
    let mut world = World::new("life");
    world.connect(SimulatedHost::facts());
    world.make("compute:keypair:create", json!({ "name": "desk", "public_key": KEY }));
    let net = world.network("inner", "10.0.0.0/24");
    let lent = world.make("network:port:create", json!({ "network": net, "name": "lent" }));
    let data = world.make("volume:volume:create",
        json!({ "name": "data", "gib": 3, "volume_type": jinyun_volume::TYPE }));
    world.settle();
    assert_eq!(world.get::<Volume>(&data).unwrap().phase, "available");
    let more = json!({
        "key_name": "desk",
        "networks": [{ "uuid": net }, { "port": lent }],
        "user_data": "IyEvYmluL3NoCg==",
        "metadata": { "role": "web" },
        "block_device_mapping_v2": [
            { "source_type": "volume", "destination_type": "volume", "uuid": data }
        ],
    });
    let id = id_of(world.call(&ann(), "POST", "/v2.1/servers", body(&world, more)));
    assert_eq!(world.phase(&id), "");
    world.settle();
    assert_eq!(world.phase(&id), "ACTIVE");
    let pages = "openstack/latest/meta_data.json openstack/latest/network_data.json \
        latest/meta-data/instance-id latest/meta-data/hostname latest/meta-data/local-hostname \
        latest/meta-data/local-ipv4 latest/meta-data/public-keys \
        latest/meta-data/public-keys/0/openssh-key openstack/latest/user_data latest/user-data";
    let document = world.document();
    let mut told = lines(&document);
    told.sort();
    assert_eq!(told, [
        "disk 1 GiB /images/mini".to_string(),
        "disk 3 GiB -".to_string(),
        "group of 2".to_string(),
        "guest Web 1 1x128 running true #1 disks 2 ports 2".to_string(),
        "network 10.0.0.0/24".to_string(),
        format!("port web-1 Tap groups 1 pages {pages}"),
        format!("port web-1 Tap groups 1 pages {pages}"),
    ]);
    let spec = world.server(&id).unwrap().spec;
    assert_eq!(document.guests[0].disks[0].id, spec.root.as_str(), "the first disk boots");
    assert_eq!(document.guests[0].ports[1], lent.as_str(), "ports come in the order asked for");
    let page = |name: &str| {
        let port = &document.networks[0].ports[0];
        port.metadata.iter().find(|(path, _)| path.ends_with(name)).unwrap().1.clone()
    };
    assert_eq!(page("user_data"), "#!/bin/sh\n");
    let meta: Value = serde_json::from_str(&page("meta_data.json")).unwrap();
    assert_eq!(meta["public_keys"]["desk"], KEY);
    assert_eq!((&meta["uuid"], &meta["meta"]["role"]), (&json!(id), &json!("web")));
    assert_eq!(world.document().generation, document.generation, "nothing has changed");

    // Things in use stay.
    let remove = |action: &str, target: &jinyun_base::Id| {
        code(world.run(Command::new(action, ann(), "r").on(target.clone())))
    };
    assert_eq!(remove("network:port:delete", &lent), "conflict");
    assert_eq!(remove("network:port:delete", &spec.ports[0]), "conflict");
    assert_ne!(remove("volume:volume:delete", &data), "ok");

    // Off and on again.
    assert_eq!(act(&world, &id, "os-start").0, 0, "it runs already");
    assert_eq!(act(&world, &id, "os-stop").0, 202);
    world.settle();
    assert_eq!(world.phase(&id), "SHUTOFF");
    assert_eq!(act(&world, &id, "os-stop").0, 0, "it is off already");
    assert_eq!(act(&world, &id, "os-start").0, 202);
    world.settle();
    assert_eq!((world.phase(&id), world.server(&id).unwrap().spec.incarnation),
        ("ACTIVE".into(), 2));

    // Its process is killed: seen, recorded, and not started again.
    assert!(world.host.end_guest(id.as_str()));
    world.settle();
    assert_eq!(world.phase(&id), "SHUTOFF");
    assert!(!world.server(&id).unwrap().spec.running);
    let entries = world.cloud.reader.lend(|db| db.entries(0, 10_000)).unwrap();
    let ended = entries.iter().filter(|entry| {
        let entry: Value = serde_json::from_slice(entry).unwrap();
        entry["action"] == "compute:server:ended"
    });
    assert_eq!(ended.count(), 1);
    let text: String = entries.iter().map(|e| String::from_utf8_lossy(e).into_owned()).collect();
    assert!(!text.contains("/bin/sh"), "user data stands in the journal");

    // Deleted: its own parts go with it, what was lent stays.
    let url = format!("/v2.1/servers/{id}");
    assert_eq!(world.call(&ann(), "DELETE", &url, Value::Null).0, 204);
    world.settle();
    assert_eq!(world.phase(&id), "gone");
    assert!(world.get::<Volume>(&spec.root).is_none());
    assert!(world.get::<Port>(&spec.own_ports[0]).is_none());
    let port = world.get::<Port>(&lent).unwrap();
    assert_eq!((port.spec.device_id.as_str(), port.spec.host.as_str()), ("", ""));
    assert_eq!(world.get::<Volume>(&data).unwrap().spec.server, None);
    assert_eq!(lines(&world.document()), ["disk 3 GiB -"]);
    let project = "p".into();
    let used = world.cloud.reader.lend(|db| db.used(&project, "instances")).unwrap();
    assert_eq!(used, 0);
    assert_eq!(world.call(&ann(), "GET", &url, Value::Null).0, 0);
}

/// Lets no password be kept behind a creation: by a refusal, or because the platform fails.
struct Without {
    fails: bool,
}

impl Guard for Without {
    fn watches(&self, kind: &str) -> bool {
        kind == "server"
    }

    fn judge(&self, _: &mut View<'_>, command: &Command, _: &[Change], _: Time)
        -> Result<(), Failure> {
        match command.action.as_str() {
            "compute:server:password" if self.fails => Err(Fault::new("the disk is full").into()),
            "compute:server:password" => Err(Refusal::conflict("not now").into()),
            _ => Ok(()),
        }
    }
}

#[test]
fn a_server_whose_password_is_not_kept_is_there_all_the_same() {
    for (fails, why) in [(false, "not now"), (true, "the disk is full")] {
        let mut registry = common::registry();
        registry.guard = Some(Arc::new(Without { fails }));
        let mut world = World::of(&format!("without-{fails}"), registry);
        world.connect(SimulatedHost::facts());
        world.network("inner", "10.0.0.0/24");
        let (status, answer) = world.call(&ann(), "POST", "/v2.1/servers", body(&world, json!({})));
        assert_eq!((status, answer["server"].get("adminPass")), (202, None), "{answer}");
        let id = Id::new(answer["server"]["id"].as_str().unwrap());
        assert_eq!((world.password(&id), world.server(&id).unwrap().spec.has_password), (None, false));
        world.settle();
        assert_eq!(world.phase(&id), "ACTIVE");
        let entries = world.cloud.reader.lend(|db| db.entries(0, 10_000)).unwrap();
        let entries = entries.iter().map(|e| serde_json::from_slice::<Value>(e).unwrap());
        let told: Vec<Value> = entries.filter(|e| e["action"] == "compute:server:password").collect();
        assert_eq!(told.len(), 1);
        assert_eq!((&told[0]["outcome"], &told[0]["target"]["id"]), (&json!("refused"), &json!(id)));
        assert!(told[0]["reason"]["message"].as_str().unwrap().contains(why), "{told:?}");
        // One that is given is a part of the creation.
        let more = body(&world, json!({ "name": "Web 2", "adminPass": "pass-word" }));
        let (status, answer) = world.call(&ann(), "POST", "/v2.1/servers", more);
        assert_eq!((status, &answer["server"]["adminPass"]), (202, &json!("pass-word")), "{answer}");
    }
}

#[test]
fn a_password_is_sealed_until_its_guest_has_taken_it() {
    const CHOSEN: &str = "a:b\\c\"d$e%f&<g>";
    let mut world = World::new("password");
    world.connect(SimulatedHost::facts());
    world.network("inner", "10.0.0.0/24");
    let create = |world: &World, more: Value| {
        let (status, answer) = world.call(&ann(), "POST", "/v2.1/servers", body(world, more));
        assert_eq!(status, 202, "{answer}");
        let text = |name: &str| answer["server"][name].as_str().unwrap().to_string();
        (Id::new(text("id")), text("adminPass"))
    };
    let (given, shown) = create(&world, json!({ "adminPass": CHOSEN }));
    let (made, random) = create(&world, json!({}));
    let (third, other) = create(&world, json!({ "adminPass": null }));
    assert_eq!(shown, CHOSEN);
    assert_ne!(random, other);
    assert_eq!(world.password(&given).as_deref(), Some(CHOSEN));
    assert_eq!(world.password(&made), Some(random.clone()));
    world.settle();

    // The host is told that there is one; which, not by a document that it keeps.
    let page = |world: &mut World, id: &Id| {
        let port = world.server(id).unwrap().spec.ports[0].to_string();
        let document = world.document();
        let mut ports = document.networks.iter().flat_map(|network| &network.ports);
        let pages = &ports.find(|p| p.id == port).unwrap().metadata;
        let text = &pages.iter().find(|(path, _)| path.ends_with("meta_data.json")).unwrap().1;
        serde_json::from_str::<Value>(text).unwrap().get(PASSWORD).cloned()
    };
    assert_eq!(page(&mut world, &given), Some(Value::Null));
    let told = |world: &World| world.cloud.reader.view(|v| untaken(v, HOST)).unwrap();
    let mut all: Vec<(Id, Vec<Id>)> = [&given, &made, &third].into_iter()
        .map(|id| (id.clone(), world.server(id).unwrap().spec.ports)).collect();
    all.sort();
    assert_eq!(told(&world), all);
    assert!(world.cloud.reader.view(|v| untaken(v, "elsewhere")).unwrap().is_empty());

    // Nobody reads it anywhere.
    let get = |path: &str| world.call(&ann(), "GET", path, Value::Null).1.to_string();
    let mut texts = vec![get(&format!("/v2.1/servers/{given}")), get("/v2.1/servers/detail")];
    let entries = world.cloud.reader.lend(|db| db.entries(0, 10_000)).unwrap();
    texts.extend(entries.iter().map(|e| String::from_utf8_lossy(e).into_owned()));
    let secrets = world.cloud.reader.lend(|db| db.secrets()).unwrap();
    assert_eq!(secrets.iter().filter(|(_, _, name, ..)| name == PASSWORD).count(), 3);
    texts.extend(secrets.iter().map(|(.., value)| String::from_utf8_lossy(value).into_owned()));
    texts.push(serde_json::to_string(&world.document()).unwrap());
    for (word, sort) in [(CHOSEN, "given"), (random.as_str(), "made")] {
        let written = serde_json::to_string(word).unwrap();
        let found = texts.iter().find(|t| t.contains(word) || t.contains(written.trim_matches('"')));
        assert_eq!(found, None, "the password that was {sort}");
    }

    // Taken, and said twice: it is destroyed, and the others are not.
    for _ in 0..2 {
        world.run(forget_password(&given, "taken")).unwrap();
    }
    assert_eq!((world.password(&given), page(&mut world, &given)), (None, None));
    assert!(!world.server(&given).unwrap().spec.has_password);
    assert_eq!(told(&world).len(), 2);
    assert_eq!(world.password(&made), Some(random));

    // Not taken within an hour of the first start.
    let server = world.server(&made).unwrap();
    let first = match server.status.launched {
        0 => server.phase_since.0,
        at => at,
    };
    let late = |world: &World, at: i64| world.cloud.reader.view(|v| overdue(v, Time(at))).unwrap();
    assert!(first > 0 && late(&world, first + PASSWORD_KEPT - 1).iter().all(|id| *id != made));
    assert!(late(&world, first + PASSWORD_KEPT).contains(&made));
    assert!(!late(&world, i64::MAX).contains(&given), "it is gone already");

    // It goes with its server.
    world.call(&ann(), "DELETE", &format!("/v2.1/servers/{made}"), Value::Null);
    assert!(!told(&world).iter().any(|(id, _)| *id == made));
    world.settle();
    assert_eq!(world.password(&made), None);
}

#[test]
fn without_a_host_it_waits_and_without_room_it_fails() {
    let mut world = World::new("room");
    let id = id_of(world.call(&ann(), "POST", "/v2.1/servers", body(&world, json!({}))));
    world.settle();
    assert_eq!(world.phase(&id), "BUILD");
    let small = HostFacts { memory_mib: 200, ..SimulatedHost::facts() };
    world.connect(small);
    world.settle();
    assert_eq!(world.phase(&id), "ACTIVE");
    let other = id_of(world.call(&ann(), "POST", "/v2.1/servers", body(&world, json!({}))));
    world.settle();
    assert_eq!(world.phase(&other), "ERROR");
    let url = format!("/v2.1/servers/{other}");
    let (_, shown) = world.call(&ann(), "GET", &url, Value::Null);
    let fault = &shown["server"]["fault"];
    assert_eq!(fault["code"], 500);
    assert!(fault["message"].as_str().unwrap().starts_with("No valid host was found."), "{fault}");
    // It can be deleted all the same.
    assert_eq!(world.call(&ann(), "DELETE", &url, Value::Null).0, 204);
    world.settle();
    assert_eq!(world.phase(&other), "gone");
}

#[test]
fn a_silent_host_keeps_what_it_has() {
    let mut world = World::new("silent");
    world.connect(SimulatedHost::facts());
    let id = id_of(world.call(&ann(), "POST", "/v2.1/servers", body(&world, json!({}))));
    world.settle();
    assert_eq!(world.phase(&id), "ACTIVE");
    world.nudge(world.hosts.disconnected(HOST));
    world.settle_without_host();
    assert_eq!(world.phase(&id), "ACTIVE", "nothing is known to have changed");
    let url = format!("/v2.1/servers/{id}");
    assert_eq!(world.call(&ann(), "DELETE", &url, Value::Null).0, 204);
    world.settle_without_host();
    assert_eq!(world.phase(&id), "deleting", "the guest may still run");
    world.nudge(world.hosts.connected(HOST, SimulatedHost::facts()));
    world.settle();
    assert_eq!(world.phase(&id), "gone");
}

#[test]
fn nobody_sees_or_uses_what_is_not_theirs() {
    let world = World::new("foreign");
    let net = world.network("inner", "10.0.0.0/24");
    let own = body(&world, json!({ "networks": [{ "uuid": net }] }));
    let id = id_of(world.call(&ann(), "POST", "/v2.1/servers", own.clone()));
    let eve = user("eve", "q");
    for (method, path, say) in [
        ("GET", format!("/v2.1/servers/{id}"), "not_found"),
        ("DELETE", format!("/v2.1/servers/{id}"), "not_found"),
        ("GET", format!("/v2.1/servers/{id}/os-interface"), "not_found"),
    ] {
        let (status, answer) = world.call(&eve, method, &path, Value::Null);
        assert_eq!(status, 0, "{method} {path}: {answer}");
        assert!(answer.as_str().unwrap().starts_with(say), "{method} {path}: {answer}");
    }
    let (_, all) = world.call(&eve, "GET", "/v2.1/servers/detail", Value::Null);
    assert_eq!(all, json!({ "servers": [] }));
    // Neither the image nor the network of ann's project is there for eve.
    let (status, answer) = world.call(&eve, "POST", "/v2.1/servers", own);
    assert_eq!(status, 0);
    assert!(answer.as_str().unwrap().contains("imageRef"), "{answer}");
    let found = world.cloud.reader.view(|v| v.list::<Server>(&Query::default())).unwrap();
    assert_eq!(found.len(), 1);
}
