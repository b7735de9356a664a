//! A server from its creation to its end, over a simulated host.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{HOST, KEY, World, ann, code, user};
use jinyun_compute::Server;
use jinyun_engine::{Command, Query};
use jinyun_network::Port;
use jinyun_simulated::SimulatedHost;
use jinyun_volume::Volume;
use jinyun_wire::{HostFacts, HostWant};
use serde_json::{Value, json};

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
