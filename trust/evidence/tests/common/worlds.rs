//! A world in which everything is as it should be, to be broken in one place by each test.

#[path = "halves.rs"]
pub mod halves;

#[path = "people.rs"]
pub mod people;

#[path = "site.rs"]
pub mod site;

#[path = "together.rs"]
pub mod together;

use jinyun_base::{Id, Time};
use jinyun_engine::{Row, Status, Stored};
use jinyun_evidence::attack::{Attempt, Outcome, Tried};
use jinyun_evidence::commands::Asked;
use jinyun_evidence::{
    Form, HostLook, ImageLook, Journal, KeyFile, Left, ListenerLook, Reach, SecretFact, StoreFile,
    World,
};
use jinyun_journal::{Actor, Effect, Entry, Institution, Reason, Target};
use jinyun_policy::Duty;
use jinyun_wire::{
    DiskHeader, GuestDisk, GuestProcess, GuestWant, HostFacts, HostWant, Installed,
};
use serde_json::{Value, json};

pub const BANK: &str = "b0000000000000000000000000000001";
pub const PROJECT: &str = "p0000000000000000000000000000001";
pub const NETWORK: &str = "11111111-aaaa-4000-8000-000000000001";
pub const PORT: &str = "22222222-aaaa-4000-8000-000000000001";
pub const GROUP: &str = "33333333-aaaa-4000-8000-000000000001";
pub const VOLUME: &str = "44444444-aaaa-4000-8000-000000000001";
pub const GONE: &str = "44444444-aaaa-4000-8000-000000000002";
pub const SERVER: &str = "55555555-aaaa-4000-8000-000000000001";
const ADMINS: [&str; 3] = ["u1", "u2", "u3"];

pub fn stored(kind: &str, id: &str, domain: &str, project: &str, spec: Value) -> Stored {
    Stored {
        row: Row {
            kind: kind.into(),
            id: Id::new(id),
            domain: domain.into(),
            project: project.into(),
            name: String::new(),
            generation: 1,
            spec: spec.to_string(),
            created: Time(1),
            updated: Time(1),
            delete_asked: None,
        },
        status: Status { observed: 1, ..Status::default() },
    }
}

fn rows() -> Vec<Stored> {
    let ours = |kind, id, spec| stored(kind, id, BANK, PROJECT, spec);
    let mut rows = vec![
        stored("project", PROJECT, BANK, PROJECT,
            json!({ "name": "pay", "enabled": true, "domain": BANK, "tags": ["environment:production"] })),
        ours("network", NETWORK, json!({ "name": "n" })),
        ours("port", PORT, json!({
            "network": NETWORK, "mac": "fa:16:3e:00:00:01", "host": "h1",
            "fixed_ips": [{ "subnet": "s", "ip": "10.0.0.5" }], "security_groups": [GROUP],
        })),
        ours("security_group_rule", "r1",
            json!({ "group": GROUP, "direction": "egress", "ethertype": "IPv4" })),
        ours("security_group_rule", "r2", json!({
            "group": GROUP, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
            "port_min": 22, "port_max": 22, "remote_cidr": "10.0.0.0/8",
        })),
        ours("security_group_rule", "r3", json!({
            "group": GROUP, "direction": "ingress", "ethertype": "IPv4", "protocol": "icmp",
            "port_min": 8, "remote_group": GROUP,
        })),
        ours("security_group_rule", "r4",
            json!({ "group": GROUP, "direction": "egress", "ethertype": "IPv6" })),
        ours("volume", VOLUME, json!({ "gib": 1, "host": "h1", "volume_type": "encrypted" })),
    ];
    for (user, duty) in ADMINS.iter().zip(["system_admin", "security_admin", "audit_admin"]) {
        rows.push(stored("user", user, "default", "",
            json!({ "name": user, "domain": "default", "enabled": true,
                "sources": ["10.1.0.0/16"] })));
        rows.push(stored("assignment", &format!("a-{user}"), "default", "",
            json!({ "user": user, "role": duty, "scope": "system" })));
    }
    rows.extend(site::rows());
    rows.extend(halves::rows());
    rows
}

/// What the kernel has for those rows: as `nft -j list ruleset` prints it.
pub fn ruleset() -> Value {
    let (port, group) = ("t22222222aaa", "g_33333333aaaa40008000000000000001");
    let chain = |family: &str, name: &str| {
        json!({ "chain": { "family": family, "name": name, "policy": "drop" } })
    };
    let rule = |family: &str, chain: &str, expr: Value| {
        json!({ "rule": { "family": family, "chain": chain, "expr": expr } })
    };
    let is = |protocol: &str, field: &str, op: &str, right: Value| {
        let left = json!({ "payload": { "protocol": protocol, "field": field } });
        json!({ "match": { "op": op, "left": left, "right": right } })
    };
    let meta = |kind: &str, key: &str, op: &str, right: Value| {
        json!({ "match": { "op": op, "left": { kind: { "key": key } }, "right": right } })
    };
    let (accept, drop) = (json!({ "accept": null }), json!({ "drop": null }));
    let count = json!({ "counter": { "packets": 7, "bytes": 9 } });
    let way = |key: &str, stem: &str| json!([{ "vmap": {
        "key": { "meta": { "key": key } },
        "data": { "set": [["lo", { "accept": null }],
            [port, { "goto": { "target": format!("{stem}_{port}") } }]] },
    } }]);
    let sender = format!("as_{port}");
    let mac = json!("fa:16:3e:00:00:01");
    let (out, inward) = (format!("out_{port}"), format!("in_{port}"));
    let jump = |way: &str| json!([{ "jump": { "target": format!("{group}_{way}") } }]);
    let known = meta("ct", "state", "in", json!(["established", "related"]));
    let invalid = meta("ct", "state", "in", json!("invalid"));
    let mut all = vec![
        chain("inet", "from_ports"), chain("inet", "egress"), chain("inet", "ingress"),
        chain("inet", "input"), chain("arp", "input"),
        json!({ "set": { "family": "inet", "name": group, "elem": ["10.0.0.5"] } }),
        rule("inet", "from_ports", way("iifname", "as")),
        rule("inet", "from_ports", json!([count, drop])),
        rule("inet", "egress", way("iifname", "out")),
        rule("inet", "ingress", way("oifname", "in")),
        rule("inet", "input", json!([meta("meta", "iifname", "==", json!("lo")), accept])),
        rule("inet", "input", way("iifname", "sv")),
        rule("inet", "input", json!([count, drop])),
        rule("arp", "input", way("iifname", "as")),
        rule("arp", "input", json!([count, drop])),
        rule("inet", &out, jump("out")),
        rule("inet", &out, json!([count, drop])),
        rule("inet", &inward, jump("in")),
        rule("inet", &inward, json!([count, drop])),
        rule("inet", &sender, json!([meta("meta", "nfproto", "==", json!("ipv6")), count, drop])),
        rule("inet", &sender, json!([is("ether", "saddr", "!=", mac.clone()), count, drop])),
        rule("inet", &sender, json!([is("ip", "saddr", "==", json!("10.0.0.5")), accept])),
        rule("inet", &sender, json!([is("ip", "saddr", "==", json!("0.0.0.0")),
            is("ip", "daddr", "==", json!("255.255.255.255")), is("udp", "sport", "==", json!(68)),
            is("udp", "dport", "==", json!(67)), accept])),
        rule("inet", &sender, json!([count, drop])),
        rule("arp", &sender, json!([is("ether", "saddr", "!=", mac.clone()), count, drop])),
        rule("arp", &sender, json!([is("arp", "saddr ether", "!=", mac), count, drop])),
        rule("arp", &sender, json!([is("arp", "saddr ip", "==",
            json!({ "set": ["0.0.0.0", "10.0.0.5"] })), accept])),
        rule("arp", &sender, json!([count, drop])),
        rule("inet", &format!("{group}_out"), json!([accept])),
        rule("inet", &format!("{group}_in"), json!([is("tcp", "dport", "==", json!(22)),
            is("ip", "saddr", "==", json!({ "prefix": { "addr": "10.0.0.0", "len": 8 } })),
            accept])),
        rule("inet", &format!("{group}_in"), json!([is("icmp", "type", "==",
            json!("echo-request")), is("ip", "saddr", "==", json!(format!("@{group}"))), accept])),
    ];
    for base in ["egress", "ingress"] {
        all.push(rule("inet", base, json!([known, accept])));
        all.push(rule("inet", base, json!([invalid, count, drop])));
        all.push(rule("inet", base, json!([count, drop])));
    }
    json!({ "nftables": all })
}

fn entry(number: u64, action: &str, actor: (&str, &str, &str), institution: &str,
    effects: Vec<Effect>) -> Entry {
    let (kind, id, domain) = actor;
    Entry {
        action: action.into(),
        actor: Actor { domain: domain.into(), id: id.into(), kind: kind.into() },
        approval: None,
        effects,
        institution: Institution { id: institution.into(), number, previous: None },
        note: None,
        number,
        outcome: "done".into(),
        reason: None,
        request: format!("r{number}"),
        source: None,
        target: None,
        time: 1_000 + number as i64,
    }
}

fn put(kind: &str, id: &str, domain: &str, spec: Value) -> Effect {
    Effect::Put {
        kind: kind.into(),
        id: id.into(),
        domain: domain.into(),
        project: String::new(),
        name: String::new(),
        generation: 1,
        spec,
        deleting: false,
    }
}

fn journal() -> Journal {
    let system = ("system", "driver", "default");
    let mut entries = Vec::new();
    for (initial, user) in ADMINS.iter().flat_map(|u| [(true, *u), (false, *u)]) {
        let number = entries.len() as u64;
        let effect = put("user", user, "default", json!({ "must_change": initial }));
        let (action, actor) = match initial {
            true => ("identity:user:create", system),
            false => ("identity:user:change_password", ("user", user, "default")),
        };
        entries.push(entry(number, action, actor, "default", vec![effect]));
    }
    let key = |op: fn(String, String, String) -> Effect| {
        op("volume".into(), GONE.into(), "key".into())
    };
    let made = key(|kind, id, name| Effect::Secret { kind, id, name, digest: "d".into() });
    let unmade = key(|kind, id, name| Effect::Unsecret { kind, id, name });
    let ann = ("user", "ann", BANK);
    entries.push(entry(6, "volume:volume:create", ann, BANK,
        vec![put("volume", GONE, BANK, json!({}))]));
    entries.push(entry(7, "engine:secret:make", system, BANK, vec![made]));
    let mut destroyed = entry(8, "engine:secret:destroy", system, BANK, vec![unmade]);
    destroyed.note = Some(json!({ "certificate": "erasure" }));
    entries.push(destroyed);
    let gone = Effect::Drop { kind: "volume".into(), id: GONE.into() };
    entries.push(entry(9, "engine:resource:finish", system, BANK, vec![gone]));
    let mut refused = entry(10, "network:network:update", ("user", "stranger", BANK), BANK, vec![]);
    refused.outcome = "refused".into();
    refused.reason = Some(Reason { code: "not_found".into(), message: "no".into() });
    refused.target = Some(Target { id: NETWORK.into(), kind: "network".into() });
    entries.push(refused);
    Journal { verified: 11, rows: 9, entries, ..Journal::default() }
}

fn hash(salt: &str) -> Form {
    Form::Argon2id { memory: 19_456, passes: 2, salt: salt.repeat(22) }
}

fn secret(kind: &str, id: &str, name: &str, form: Form, bytes: usize) -> SecretFact {
    let mark = format!("{kind}/{id}");
    SecretFact { kind: kind.into(), id: id.into(), name: name.into(), form, bytes, mark }
}

fn host() -> HostLook {
    let disk = DiskHeader { id: VOLUME.into(), cipher: "luks".into(), bytes: 200_000 };
    let guest = GuestProcess {
        id: SERVER.into(),
        pid: 7,
        uid: 70_000,
        no_new_privs: true,
        seccomp: 2,
        capabilities: 0,
        own_netns: true,
    };
    HostLook {
        name: "h1".into(),
        facts: HostFacts { clock: Some(("kernel-ntp".into(), 250)), ..HostFacts::default() },
        document: HostWant::default(),
        settled: true,
        installed: Ok(Installed {
            filters: vec![(NETWORK.into(), ruleset())],
            disks: vec![disk],
            guests: vec![guest],
        }),
        survey: Ok(site::survey()),
        program: Ok(site::PROGRAM.into()),
    }
}

/// A guest of a document with one disk.
pub fn guest(id: &str, disk: &str) -> GuestWant {
    GuestWant {
        id: id.into(),
        name: String::new(),
        vcpus: 1,
        memory_mib: 64,
        running: true,
        disks: vec![GuestDisk { id: disk.into(), serial: String::new() }],
        ports: Vec::new(),
        incarnation: 1,
    }
}

fn listener(name: &'static str, port: u16) -> ListenerLook {
    ListenerLook {
        name,
        address: ([127, 0, 0, 1], port).into(),
        tls: Ok(("TLSv1_3".into(), "TLS13_AES_256_GCM_SHA384".into())),
        plain: Ok(false),
        old: Ok(false),
    }
}

/// Everything is as it should be.
pub fn good() -> World {
    let held = |check| Tried {
        check,
        attempts: vec![
            Attempt { what: "control", forbidden: false, outcome: Outcome::Worked("so".into()) },
            Attempt { what: "lie", forbidden: true, outcome: Outcome::Stopped("so".into()) },
        ],
    };
    let listeners = vec![listener("tenants", 8443), listener("management", 8444)];
    let mut secrets = vec![
        secret("project", PROJECT, "kek", Form::Bytes, 60),
        secret("volume", VOLUME, "key", Form::Bytes, 60),
    ];
    secrets.extend(ADMINS.iter().zip(["a", "b", "c"])
        .map(|(user, salt)| secret("user", user, "password", hash(salt), 97)));
    let reach = |action: &str| Reach { action: action.into(), owner: true, duties: Vec::new() };
    let mut world = World {
        now: Time(5_000),
        hosts: vec![host()],
        rows: rows(),
        secrets_left: secrets.clone(),
        secrets,
        left: vec![Left {
            host: "h1".into(),
            disks: Ok(vec![DiskHeader { id: VOLUME.into(), cipher: "luks".into(), bytes: 1 }]),
        }],
        journal: Ok(journal()),
        tried: ["spoofed-mac", "spoofed-ip", "spoofed-arp", "closed-port", "other-network",
            "other-tenant", "foreign-command", "duty-command", "limits-hold", "guest-to-platform",
            "group-zones", "port-cut", "spoofed-dhcp", "foreign-image", "tls-damage"]
            .map(held).into(),
        no_stage: String::new(),
        asked: vec![Asked {
            request: "r10".into(),
            action: "network:network:update",
            actor: "stranger".into(),
            target: NETWORK.into(),
        }],
        reach: vec![reach("volume:volume:delete"), reach("network:port:update")],
        sockets: Ok(listeners.iter().map(|l| l.address).collect()),
        listeners,
        key_file: Ok(KeyFile { mode: 0o600, ours: true }),
        store: Ok([(".", 0o700), ("keys.json", 0o600), ("state.db", 0o644)]
            .map(|(name, mode)| StoreFile { name: name.into(), mode, ours: true, link: false })
            .into()),
        images: vec![ImageLook { id: "i1".into(), intact: Some(Ok(())) }],
        site: site::site(),
        ..World::default()
    };
    people::add(&mut world);
    world
}

/// Lets a duty reach a tenant's thing.
pub fn reached(world: &mut World) {
    world.reach[0].duties.push(Duty::SystemAdmin);
}
