//! What clients read: Nova 2.1's answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{KEY, World, ann, on_duty, user};
use jinyun_policy::Duty;
use jinyun_simulated::SimulatedHost;
use serde_json::{Value, json};

/// The refusal of a call that was not answered.
fn refused(answer: (u16, Value)) -> String {
    assert_eq!(answer.0, 0, "{}", answer.1);
    answer.1.as_str().unwrap().into()
}

fn names(answer: &(u16, Value), list: &str) -> Vec<String> {
    let items = answer.1[list].as_array().unwrap();
    items.iter().map(|item| item["name"].as_str().unwrap().to_string()).collect()
}

#[test]
fn flavors() {
    let world = World::new("flavors");
    world.run(jinyun_compute::first_start()).unwrap();
    let get = |url: &str| world.call(&ann(), "GET", url, Value::Null);
    let all = get("/v2.1/flavors/detail?is_public=None");
    assert_eq!(names(&all, "flavors"), ["m1.tiny", "m1.small", "m1.medium"]);
    assert_eq!(all.1["flavors"][0], json!({
        "id": "1", "name": "m1.tiny", "vcpus": 1, "ram": 128, "disk": 1, "swap": "",
        "rxtx_factor": 1.0, "OS-FLV-EXT-DATA:ephemeral": 0, "OS-FLV-DISABLED:disabled": false,
        "os-flavor-access:is_public": true,
        "links": [
            { "rel": "self", "href": "https://cloud/compute/v2.1/flavors/1" },
            { "rel": "bookmark", "href": "https://cloud/compute/flavors/1" },
        ],
    }));
    let page = get("/v2.1/flavors?limit=1&marker=1");
    assert_eq!(names(&page, "flavors"), ["m1.small"]);
    assert_eq!(page.1["flavors_links"], json!([{
        "rel": "next", "href": "https://cloud/compute/v2.1/flavors?limit=1&marker=2",
    }]));
    assert_eq!(get("/v2.1/flavors/2/os-extra_specs").1, json!({ "extra_specs": {} }));
    assert_eq!(names(&get("/v2.1/flavors?minRam=512&minDisk=6"), "flavors"), ["m1.medium"]);

    let body = json!({ "flavor": { "id": null, "name": "big", "ram": 4096, "vcpus": 4, "disk": 40,
        "swap": 0, "rxtx_factor": 1.0, "OS-FLV-EXT-DATA:ephemeral": 0,
        "os-flavor-access:is_public": true } });
    let denied = refused(world.call(&ann(), "POST", "/v2.1/flavors", body.clone()));
    assert!(denied.starts_with("forbidden"), "{denied}");
    let admin = on_duty(Duty::SystemAdmin);
    let (status, made) = world.call(&admin, "POST", "/v2.1/flavors", body.clone());
    assert_eq!((status, &made["flavor"]["ram"]), (200, &json!(4096)));
    assert!(refused(world.call(&admin, "POST", "/v2.1/flavors", body)).starts_with("taken"));
    let url = format!("/v2.1/flavors/{}", made["flavor"]["id"].as_str().unwrap());
    assert_eq!(world.call(&admin, "DELETE", &url, Value::Null).0, 202);
    assert!(refused(get(&url)).starts_with("not_found"));
}

#[test]
fn keypairs() {
    let world = World::new("keypairs");
    let url = "/v2.1/os-keypairs";
    let body = |key: Value| json!({ "keypair": { "name": "desk", "public_key": key } });
    let say = refused(world.call(&ann(), "POST", url, body("".into())));
    assert!(say.starts_with("invalid: public_key has no key in it"), "{say}");
    let print = "0f:a2:0a:d7:38:3e:65:45:08:6b:63:84:1c:ff:dc:ba";
    let made = world.call(&ann(), "POST", url, body(KEY.into()));
    let one = json!({ "name": "desk", "public_key": KEY, "fingerprint": print });
    let mut with_user = one.clone();
    with_user["user_id"] = "ann".into();
    assert_eq!(made, (200, json!({ "keypair": with_user })));
    assert!(refused(world.call(&ann(), "POST", url, body(KEY.into()))).starts_with("taken"));
    let list = |who: &str| world.call(&user(who, "p"), "GET", url, Value::Null).1;
    assert_eq!(list("ann"), json!({ "keypairs": [{ "keypair": one }] }));
    // Another user of the same project has key pairs of its own.
    assert_eq!(list("bob"), json!({ "keypairs": [] }));
    let desk = "/v2.1/os-keypairs/desk";
    let bob = user("bob", "p");
    assert!(refused(world.call(&bob, "GET", desk, Value::Null)).starts_with("not_found"));
    assert!(refused(world.call(&bob, "DELETE", desk, Value::Null)).starts_with("not_found"));
    assert_eq!(world.call(&bob, "POST", url, body(KEY.into())).0, 200);
    let (_, shown) = world.call(&ann(), "GET", desk, Value::Null);
    assert!(shown["keypair"]["id"].is_i64(), "{shown}");
    assert_eq!(shown["keypair"]["fingerprint"], print);
    assert_eq!(world.call(&ann(), "DELETE", desk, Value::Null).0, 202);
    assert_eq!(list("ann"), json!({ "keypairs": [] }));
}

#[test]
fn a_key_pair_that_the_platform_makes_is_shown_once_and_kept_by_halves() {
    let world = World::new("pairs");
    let url = "/v2.1/os-keypairs";
    let make = |name: &str| {
        let body = json!({ "keypair": { "name": name } });
        let (status, made) = world.call(&ann(), "POST", url, body);
        assert_eq!(status, 200, "{made}");
        made["keypair"].clone()
    };
    let made = make("made");
    let mut members: Vec<&str> = made.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["fingerprint", "name", "private_key", "public_key", "user_id"]);
    let private = made["private_key"].as_str().unwrap();
    assert!(private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
    let (line, print) = jinyun_compute::read_key(made["public_key"].as_str().unwrap()).unwrap();
    assert_eq!((&made["public_key"], &made["fingerprint"]), (&json!(line), &json!(print)));
    assert_ne!(make("other")["private_key"], made["private_key"]);
    let twice = json!({ "keypair": { "name": "made" } });
    assert!(refused(world.call(&ann(), "POST", url, twice)).starts_with("taken"));

    // From now on there is one half of it.
    let (_, shown) = world.call(&ann(), "GET", "/v2.1/os-keypairs/made", Value::Null);
    assert_eq!(shown["keypair"]["public_key"], made["public_key"]);
    let (_, list) = world.call(&ann(), "GET", url, Value::Null);
    let entries = world.cloud.reader.lend(|db| db.entries(0, 1000)).unwrap();
    assert!(entries.len() > 2);
    let journal: String = entries.iter().map(|e| String::from_utf8_lossy(e).into_owned()).collect();
    assert!(journal.contains(made["public_key"].as_str().unwrap()), "this would show nothing");
    // The lines that hold the seed.
    for line in private.lines().skip(3).take(3) {
        for (place, text) in [("answer", shown.to_string()), ("list", list.to_string()),
            ("journal", journal.clone())] {
            assert!(!text.contains(line), "the private key stands in the {place}");
        }
    }
    let kept = world.cloud.reader.lend(|db| db.secrets()).unwrap();
    assert!(kept.iter().all(|(kind, ..)| kind != "keypair"), "a half of a pair is kept as a secret");
}

#[test]
fn servers() {
    let mut world = World::new("servers");
    world.connect(SimulatedHost::facts());
    let net = world.network("inner", "10.0.0.0/24");
    let image = world.image();
    let create = |world: &World, name: &str, flavor: &str| {
        let body = json!({ "server": { "name": name, "imageRef": image, "flavorRef": flavor } });
        let answer = world.call(&ann(), "POST", "/v2.1/servers", body);
        assert_eq!(answer.0, 202, "{}", answer.1);
        answer.1["server"].clone()
    };
    let mut made = create(&world, "web", "1");
    let password = made.as_object_mut().unwrap().remove("adminPass").unwrap();
    assert_eq!(password.as_str().unwrap().len(), 20);
    let id = made["id"].as_str().unwrap().to_string();
    let links = json!([
        { "rel": "self", "href": format!("https://cloud/compute/v2.1/servers/{id}") },
        { "rel": "bookmark", "href": format!("https://cloud/compute/servers/{id}") },
    ]);
    assert_eq!(made, json!({ "id": id, "links": links, "OS-DCF:diskConfig": "MANUAL",
        "security_groups": [{ "name": "default" }] }));
    create(&world, "db", "2");
    let url = format!("/v2.1/servers/{id}");
    let get = |world: &World, url: &str| world.call(&ann(), "GET", url, Value::Null);
    let state = |shown: &Value| {
        let names = ["status", "OS-EXT-STS:vm_state", "OS-EXT-STS:task_state",
            "OS-EXT-STS:power_state"];
        json!(names.map(|name| shown["server"][name].clone()))
    };
    let (_, fresh) = get(&world, &url);
    assert_eq!(state(&fresh), json!(["BUILD", "building", "scheduling", 0]));
    world.settle();
    let (_, mut shown) = get(&world, &url);
    assert_eq!(state(&shown), json!(["ACTIVE", "active", null, 1]));
    let (_, interfaces) = get(&world, &format!("{url}/os-interface"));
    let port = &interfaces["interfaceAttachments"][0];
    assert_eq!((&port["net_id"], &port["port_state"]), (&json!(net), &json!("ACTIVE")));
    let server = shown["server"].as_object_mut().unwrap();
    assert_eq!(server.remove("addresses"), Some(json!({ "inner": [{
        "addr": port["fixed_ips"][0]["ip_address"], "version": 4,
        "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": port["mac_addr"],
    }] })));
    for drawn in ["created", "updated", "OS-SRV-USG:launched_at"] {
        assert!(server.remove(drawn).unwrap().is_string(), "{drawn}");
    }
    assert_eq!(server.remove("hostId").unwrap().as_str().unwrap().len(), 56);
    assert_eq!(server.remove("links"), Some(links));
    let bookmark = |many: &str, id: &str| {
        json!([{ "rel": "bookmark", "href": format!("https://cloud/compute/{many}/{id}") }])
    };
    assert_eq!(shown["server"], json!({
        "id": id, "name": "web", "tenant_id": "p", "user_id": "ann",
        "status": "ACTIVE", "OS-EXT-STS:vm_state": "active", "OS-EXT-STS:task_state": null,
        "OS-EXT-STS:power_state": 1, "OS-EXT-AZ:availability_zone": "nova",
        "OS-SRV-USG:terminated_at": null, "OS-DCF:diskConfig": "MANUAL",
        "image": { "id": image, "links": bookmark("images", image.as_str()) },
        "flavor": { "id": "1", "links": bookmark("flavors", "1") },
        "key_name": null, "accessIPv4": "", "accessIPv6": "", "config_drive": "",
        "os-extended-volumes:volumes_attached": [], "metadata": {}, "progress": 0,
        "security_groups": [{ "name": "default" }],
    }));

    // Lists and their filters; the newest first.
    let listed = |world: &World, query: &str| {
        names(&get(world, &format!("/v2.1/servers?{query}")), "servers")
    };
    assert_eq!(listed(&world, ""), ["db", "web"]);
    for (query, expect) in [
        ("name=we", vec!["web"]), ("name=^web$", vec!["web"]), ("name=^eb", vec![]),
        ("status=ACTIVE", vec!["db", "web"]), ("status=error", vec![]),
        ("flavor=2", vec!["db"]), ("image=nothing", vec![]), ("ip=10.0.0.", vec!["db", "web"]),
        ("limit=1", vec!["db"]), ("changes-since=2100-01-01T00:00:00Z", vec![]),
    ] {
        assert_eq!(listed(&world, query), expect, "{query}");
    }
    let (_, page) = get(&world, "/v2.1/servers/detail?limit=1");
    assert_eq!(page["servers"].as_array().unwrap().len(), 1);
    assert!(page["servers_links"][0]["href"].as_str().unwrap().contains("detail?limit=1&marker="));
    for (query, say) in [
        ("limit=-1", "invalid: limit"), ("limit=few", "invalid: limit"),
        ("marker=nobody", "invalid: marker"), ("changes-since=then", "invalid: changes-since"),
        ("all_tenants=True", "forbidden"),
    ] {
        let told = refused(get(&world, &format!("/v2.1/servers?{query}")));
        assert!(told.starts_with(say), "{query}: {told}");
    }

    // Changes and actions.
    let named = json!({ "server": { "name": "web2" } });
    let (status, renamed) = world.call(&ann(), "PUT", &url, named);
    assert_eq!((status, &renamed["server"]["name"]), (200, &json!("web2")));
    let act = |body: Value| world.call(&ann(), "POST", &format!("{url}/action"), body);
    let output = act(json!({ "os-getConsoleOutput": { "length": 5 } }));
    assert_eq!(output, (200, json!({ "output": "h1 36 Some(5)\n" })));
    assert!(refused(act(json!({ "reboot": { "type": "SOFT" } }))).starts_with("not_offered"));
    assert!(refused(act(json!({ "os-start": null }))).contains("Cannot 'start' instance"));
    assert!(refused(act(json!({}))).starts_with("invalid"));
    assert_eq!(get(&world, &format!("{url}/os-volume_attachments")).1,
        json!({ "volumeAttachments": [] }));
}

#[test]
fn what_a_creation_names_must_be_there_and_usable() {
    let world = World::new("names");
    let image = world.image();
    let one = world.network("one", "10.0.0.0/24");
    let bare = world.make("network:network:create", json!({ "name": "bare" }));
    let port = world.make("network:port:create", json!({ "network": one }));
    let volume = world.make("volume:volume:create",
        json!({ "name": "v", "gib": 1, "volume_type": jinyun_volume::TYPE }));
    let create = |more: Value| {
        let mut server = json!({ "name": "web", "imageRef": image, "flavorRef": "1",
            "networks": [{ "uuid": one }] });
        server.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.call(&ann(), "POST", "/v2.1/servers", json!({ "server": server }))
    };
    let disk = |id: &Value| json!({ "block_device_mapping_v2": [{ "source_type": "volume",
        "destination_type": "volume", "uuid": id }] });
    for (more, say) in [
        (json!({ "imageRef": "nope" }), "invalid: imageRef"),
        (json!({ "flavorRef": "nope" }), "invalid: flavorRef"),
        (json!({ "key_name": "nope" }), "invalid: key_name"),
        (json!({ "networks": [{ "uuid": "nope" }] }), "invalid: networks"),
        (json!({ "networks": [{ "uuid": bare }] }), "invalid: networks"),
        (json!({ "networks": [{ "port": "nope" }] }), "invalid: networks"),
        (json!({ "networks": [{ "port": port }, { "port": port }] }), "invalid: networks"),
        (json!({ "networks": "auto" }), "conflict: Multiple possible networks found"),
        (json!({ "networks": [{ "uuid": one, "fixed_ip": "10.9.9.9" }] }), "invalid"),
        (json!({ "security_groups": [{ "name": "nope" }] }), "invalid: security_groups"),
        (disk(&json!("nope")), "invalid: block_device_mapping_v2"),
        // It is not made yet: no host is there.
        (disk(&json!(volume)), "conflict"),
        (json!({ "name": "  " }), "invalid: name"),
        (json!({ "name": "x".repeat(256) }), "invalid: name"),
        (json!({ "metadata": { "a": "x".repeat(256) } }), "invalid: metadata"),
    ] {
        let told = refused(create(more.clone()));
        assert!(told.starts_with(say), "{more}: {told}");
    }
    // None of these has left anything behind.
    let servers = world.call(&ann(), "GET", "/v2.1/servers", Value::Null).1;
    assert_eq!(servers, json!({ "servers": [] }));
    let ports = world.cloud.reader.lend(|db| db.used(&"p".into(), "port")).unwrap();
    assert_eq!(ports, 1);
    // A port serves one server.
    let lend = json!({ "networks": [{ "port": port }] });
    assert_eq!(create(lend.clone()).0, 202);
    assert!(refused(create(lend)).starts_with("conflict"));
    let by_name = json!({ "security_groups": [{ "name": "default" }] });
    assert_eq!(create(by_name).0, 202);
    // Two of ten; ten is the most.
    for _ in 2..10 {
        assert_eq!(create(json!({ "networks": "none" })).0, 202);
    }
    assert!(refused(create(json!({ "networks": "none" }))).starts_with("over_quota"));
    let (_, limits) = world.call(&ann(), "GET", "/v2.1/limits", Value::Null);
    let absolute = &limits["limits"]["absolute"];
    assert_eq!((&absolute["totalInstancesUsed"], &absolute["maxTotalInstances"]),
        (&json!(10), &json!(10)));
    let (_, set) = world.call(&ann(), "GET", "/v2.1/os-quota-sets/p/detail", Value::Null);
    assert_eq!(set["quota_set"]["cores"], json!({ "in_use": 10, "reserved": 0, "limit": 20 }));
    let foreign = refused(world.call(&ann(), "GET", "/v2.1/os-quota-sets/q", Value::Null));
    assert!(foreign.starts_with("forbidden"), "{foreign}");
}

#[test]
fn hosts_are_for_staff() {
    let world = World::new("staff");
    world.connect(SimulatedHost::facts());
    for path in ["/v2.1/os-hypervisors/detail", "/v2.1/os-services",
        "/v2.1/os-availability-zone/detail"] {
        let admin = world.call(&on_duty(Duty::SystemAdmin), "GET", path, Value::Null);
        assert_eq!(admin.0, 200, "{path}");
        assert!(admin.1.to_string().contains("h1"), "{path}: {}", admin.1);
        let member = world.call(&ann(), "GET", path, Value::Null);
        assert!(!member.1.to_string().contains("h1"), "{path}: {}", member.1);
    }
    let zones = world.call(&ann(), "GET", "/v2.1/os-availability-zone", Value::Null);
    assert_eq!(zones.1, json!({ "availabilityZoneInfo": [{
        "zoneName": "nova", "zoneState": { "available": true }, "hosts": null }] }));
}
