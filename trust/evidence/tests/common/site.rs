//! A place in which everything is as it should be, and how each check of it is broken.
#![allow(dead_code)]

use super::halves::ROUTER;
use super::{NETWORK, PORT, VOLUME, stored};
use jinyun_engine::Stored;
use jinyun_evidence::attack::Outcome;
use jinyun_evidence::{
    Answered, DoorTry, Doors, Knock, QuotaLook, RudeTry, Site, StoreFile, SuiteTry, Taken, World,
};
use jinyun_journal::Effect;
use jinyun_wire::{
    CageFound, DiskPlugged, FileFound, FileState, GuestFound, HostWant, Load, MachineFound, ReachFound,
    ReachTry, Survey,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A server that runs.
pub const MACHINE: &str = "55555555-aaaa-4000-8000-000000000002";
/// The agent's program, and ours.
pub const PROGRAM: &str = "p0";

/// Records beside those of the other checks.
pub fn rows() -> Vec<Stored> {
    let mut server = stored("server", MACHINE, super::BANK, super::PROJECT, json!({
        "name": "web", "hostname": "web", "image": "i1", "user": "ann", "root": VOLUME,
        "ports": [PORT], "running": true, "incarnation": 1, "host": "h1",
        "key_name": "k", "public_key": "ssh-ed25519 AAAA",
        "flavor": { "id": "f1", "name": "s", "vcpus": 1, "memory_mib": 64, "disk_gib": 1 },
    }));
    server.status.phase = "ACTIVE".into();
    let host = json!({ "name": "h1", "cpus": 2, "memory_mib": 4096, "kvm": false });
    vec![server, stored("host", "h1", "default", "", host)]
}

fn settings() -> BTreeMap<String, Result<Option<String>, String>> {
    [
        ("proc/sys/fs/protected_hardlinks", "1"), ("proc/sys/fs/protected_symlinks", "1"),
        ("proc/sys/kernel/dmesg_restrict", "1"), ("proc/sys/kernel/kptr_restrict", "1"),
        ("proc/sys/kernel/randomize_va_space", "2"),
        ("proc/sys/kernel/unprivileged_bpf_disabled", "2"),
        ("proc/sys/kernel/yama/ptrace_scope", "1"), ("proc/sys/net/ipv4/ip_forward", "0"),
        ("proc/sys/net/ipv4/conf/*/route_localnet", "0"), ("sys/kernel/mm/ksm/run", "0"),
    ].map(|(path, value)| (path.to_string(), Ok(Some(value.to_string())))).into()
}

/// What a good host shows of itself.
pub fn survey() -> Survey {
    let document = serde_json::to_vec(&HostWant::default()).unwrap();
    let file = |path: &str, directory, mode| FileFound {
        path: path.into(),
        found: Ok(FileState { mode, uid: 0, directory, link: false }),
    };
    let disk = DiskPlugged {
        serial: VOLUME.chars().take(20).collect(),
        bytes: Some(1 << 30),
        encrypted: true,
    };
    let machine = MachineFound {
        age: 5,
        incarnation: 1,
        vcpus: 1,
        memory: 64 << 20,
        merges: false,
        disks: [(VOLUME.to_string(), disk)].into(),
        ports: [(PORT.to_string(), "fa:16:3e:00:00:01".to_string())].into(),
        others: [("device[0]".to_string(), "virtio-rng-pci".to_string())].into(),
    };
    let cage = CageFound {
        path: format!("/jinyun-t/{MACHINE}"),
        members: 1,
        memory: Some((64 + 2 + 512) << 20),
        pids: Some(257),
        weight: Some(100),
    };
    let network = format!("jy-t-n-{}", &NETWORK[..8]);
    let devices: Vec<String> =
        ["lo", "tunl0", "r77777777aaa", "t22222222aaa"].map(String::from).into();
    let router = format!("jy-t-r-{}", &ROUTER[..8]);
    let legs: Vec<String> = ["lo", "n11111111aaa"].map(String::from).into();
    Survey {
        instance: "t".into(),
        settings: settings(),
        weaknesses: Ok([("meltdown", "Not affected"), ("mds", "Mitigation: Clear CPU buffers")]
            .map(|(name, said)| (name.to_string(), said.to_string())).into()),
        kernel: "6.1.0-28-amd64".into(),
        newest_kernel: Ok("6.1.0-28-amd64".into()),
        addresses: Ok(vec![[10, 0, 0, 2].into()]),
        program: Ok(PROGRAM.into()),
        document: Ok(jinyun_journal::to_hex(&Sha256::digest(&document))),
        files: vec![
            file("/s/host", true, 0o700), file("/s/host/want.json", false, 0o600),
            file("/r/control.sock", false, 0o600),
        ],
        load: Ok(Load {
            busy: 500,
            cpus: 2,
            memory_mib: 4096,
            memory_free_mib: 2048,
            disk: 100 << 30,
            disk_free: 50 << 30,
            up: 1000,
        }),
        spaces: Ok([(network, Ok(devices)), (router, Ok(legs))].into()),
        limits: Ok(()),
        guests: Ok(vec![GuestFound {
            id: MACHINE.into(),
            pid: 8,
            cage: Ok(cage),
            machine: Ok(machine),
        }]),
        reach: Ok(vec![ReachFound {
            guest: MACHINE.into(),
            uid: 70_000,
            own: Ok(()),
            tries: vec![
                ReachTry { what: "a file of another user's".into(), errno: Some(13) },
                ReachTry { what: "the agent's memory".into(), errno: Some(1) },
            ],
        }]),
        ..Survey::unread("nobody looked")
    }
}

fn door(what: &str, with: &'static str, status: u16) -> DoorTry {
    DoorTry { listener: "tenants", what: what.into(), with, status: Ok(status) }
}

fn rude(what: &'static str, status: u16, is: u16, body: &str) -> RudeTry {
    let answer = Answered { status: is, head: "http/1.1\r\n".into(), body: body.into() };
    RudeTry { listener: "tenants", what, status, answer: Ok(answer) }
}

fn suite(name: &str, agreed: bool) -> SuiteTry {
    SuiteTry { listener: "tenants", suite: name.into(), agreed: Ok(agreed) }
}

/// What a good place shows.
pub fn site() -> Site {
    Site {
        doors: Ok(Doors {
            locked: vec![door("GET /x", "no token", 401), door("GET /x", "a bad token", 401)],
            open: vec![door("GET /v3", "no token", 200)],
            rude: vec![
                rude("a body that is cut off", 400, 400, "The body is not valid JSON."),
                rude("a body that is too long", 413, 413, "The body is too large."),
            ],
            strong: vec![
                suite("TLS13_AES_256_GCM_SHA384", true),
                suite("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", true),
                suite("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", false),
            ],
            weak: vec![suite("suites of yesterday", false), suite("suites of today", true)],
            damage: Vec::new(),
        }),
        knock: Ok(Knock { mode: 0o600, ours: true, socket: true, let_in: false }),
        quotas: Ok(vec![QuotaLook {
            project: super::PROJECT.into(),
            item: "port".into(),
            used: 1,
            counted: 1,
        }]),
        taken: Ok(vec![Taken { what: "an image".into(), same: Ok(65_536) }]),
    }
}

/// Names of the attacks through ports and commands that are broken on a real kernel or a real cloud
/// in `hosts.rs`, and at a real listener in `doors.rs`.
pub const ELSEWHERE: [&str; 6] = ["guest-to-platform", "group-zones", "port-cut", "spoofed-dhcp",
    "foreign-image", "tls-damage"];

fn host(world: &mut World) -> &mut Survey {
    world.hosts[0].survey.as_mut().unwrap()
}

fn guest(world: &mut World) -> &mut GuestFound {
    &mut host(world).guests.as_mut().unwrap()[0]
}

fn machine(world: &mut World) -> &mut MachineFound {
    guest(world).machine.as_mut().unwrap()
}

fn cage(world: &mut World) -> &mut CageFound {
    guest(world).cage.as_mut().unwrap()
}

fn set(world: &mut World, path: &str, value: &str) {
    host(world).settings.insert(path.into(), Ok(Some(value.into())));
}

pub fn reach(world: &mut World) -> &mut ReachFound {
    &mut host(world).reach.as_mut().unwrap()[0]
}

/// A thing of the store: its directory, the keys, the database.
fn store(world: &mut World, at: usize) -> &mut StoreFile {
    &mut world.store.as_mut().unwrap()[at]
}

fn doors(world: &mut World) -> &mut Doors {
    world.site.doors.as_mut().unwrap()
}

fn row<'w>(world: &'w mut World, id: &str) -> &'w mut Stored {
    world.rows.iter_mut().find(|s| s.row.id.as_str() == id).unwrap()
}

fn edit(world: &mut World, id: &str, edit: impl FnOnce(&mut Value)) {
    let row = &mut row(world, id).row;
    let mut spec: Value = serde_json::from_str(&row.spec).unwrap();
    edit(&mut spec);
    row.spec = spec.to_string();
}

/// By check: exactly one thing that is not as it should be.
pub const SABOTAGE: &[(&str, fn(&mut World))] = &[
    ("host-hardened", |w| set(w, "proc/sys/kernel/unprivileged_bpf_disabled", "0")),
    ("host-hardened", |w| set(w, "proc/sys/net/ipv4/ip_forward", "1")),
    ("host-hardened", |w| host(w).newest_kernel = Ok("6.1.0-30-amd64".into())),
    ("cpu-mitigated", |w| {
        let all = host(w).weaknesses.as_mut().unwrap();
        all.insert("retbleed".into(), "Vulnerable".into());
    }),
    ("loopback-closed", |w| set(w, "proc/sys/net/ipv4/conf/*/route_localnet", "1")),
    ("host-files", |w| host(w).program = Ok("p1".into())),
    ("host-files", |w| w.hosts[0].document.generation = 7),
    ("host-files", |w| {
        host(w).files[1].found = Ok(FileState { mode: 0o644, uid: 0, directory: false, link: false });
    }),
    ("host-files", |w| {
        host(w).files[0].found = Ok(FileState { mode: 0o700, uid: 5, directory: true, link: false });
    }),
    ("host-reports", |w| w.hosts.clear()),
    ("host-reports", |w| w.hosts[0].survey = Err("it is not connected".into())),
    ("host-reports", |w| host(w).load.as_mut().unwrap().disk_free = 1),
    ("found-is-recorded", |w| {
        let spaces = host(w).spaces.as_mut().unwrap();
        spaces.insert("jy-t-n-99999999".into(), Ok(Vec::new()));
    }),
    ("found-is-recorded", |w| {
        let devices = host(w).spaces.as_mut().unwrap().values_mut().next().unwrap();
        devices.as_mut().unwrap().push("t99999999aaa".into());
    }),
    ("found-is-recorded", |w| {
        row(w, PORT).status.phase = "ACTIVE".into();
        let devices = host(w).spaces.as_mut().unwrap().values_mut().next().unwrap();
        devices.as_mut().unwrap().pop();
    }),
    ("found-is-recorded", |w| guest(w).id = "unknown".into()),
    ("found-is-recorded", |w| host(w).guests.as_mut().unwrap().clear()),
    ("found-is-recorded", |w| {
        w.hosts[0].installed.as_mut().unwrap().disks[0].id = "a-disk".into();
    }),
    ("guest-as-recorded", |w| machine(w).vcpus = 2),
    ("guest-as-recorded", |w| machine(w).memory = 128 << 20),
    ("guest-as-recorded", |w| machine(w).incarnation = 2),
    ("guest-as-recorded", |w| machine(w).disks.clear()),
    ("guest-as-recorded", |w| {
        machine(w).disks.values_mut().next().unwrap().encrypted = false;
    }),
    ("guest-as-recorded", |w| {
        machine(w).disks.values_mut().next().unwrap().bytes = Some(1);
    }),
    ("guest-as-recorded", |w| {
        machine(w).ports.insert(PORT.into(), "fa:16:3e:00:00:09".into());
    }),
    ("guest-as-recorded", |w| {
        machine(w).others.insert("shared".into(), "ivshmem-plain".into());
    }),
    ("guest-as-recorded", |w| edit(w, MACHINE, |spec| spec["ports"] = json!([]))),
    ("guest-apart", |w| {
        let guests = host(w).guests.as_mut().unwrap();
        guests.push(guests[0].clone());
    }),
    ("guest-apart", |w| cage(w).memory = None),
    ("guest-apart", |w| cage(w).memory = Some(1 << 40)),
    ("guest-apart", |w| cage(w).pids = None),
    ("guest-apart", |w| cage(w).members = 2),
    ("memory-apart", |w| machine(w).merges = true),
    ("memory-apart", |w| set(w, "sys/kernel/mm/ksm/run", "1")),
    ("routes-need-token", |w| doors(w).locked[0].status = Ok(200)),
    ("routes-need-token", |w| doors(w).locked[1].status = Ok(404)),
    ("errors-say-little", |w| doors(w).rude[1] = rude("a body that is too long", 413, 400, "")),
    ("errors-say-little", |w| {
        doors(w).rude[0] = rude("a body that is cut off", 400, 400, "at src/dispatch.rs:7");
    }),
    ("errors-say-little", |w| doors(w).rude[0] = rude("a path that is none", 0, 500, "")),
    ("tls-suites", |w| doors(w).weak[0].agreed = Ok(true)),
    ("host-door", |w| w.site.knock.as_mut().unwrap().let_in = true),
    ("host-door", |w| w.site.knock.as_mut().unwrap().mode = 0o666),
    ("staff-sources", |w| {
        let entries = &mut w.journal.as_mut().unwrap().entries;
        let Effect::Put { spec, .. } = &mut entries[0].effects[0] else { panic!("no user is made") };
        spec["sources"] = json!(["10.1.0.0/16"]);
        entries[1].source = Some("192.0.2.9".into());
    }),
    ("limits-hold", |w| w.site.quotas.as_mut().unwrap()[0].counted = 2),
    ("limits-hold", |w| worked(w, "limits-hold")),
    ("taken-out", |w| w.site.taken.as_mut().unwrap()[0].same = Err("other bytes".into())),
    // It opened; it would have, but is no file; whoever tried is root.
    ("file-reach", |w| reach(w).tries[0].errno = None),
    ("file-reach", |w| reach(w).tries[1].errno = Some(6)),
    ("file-reach", |w| reach(w).uid = 0),
    ("store-closed", |w| store(w, 0).mode = 0o755),
    ("store-closed", |w| store(w, 1).ours = false),
    ("store-closed", |w| store(w, 2).mode = 0o666),
    ("store-closed", |w| store(w, 2).link = true),
];

/// What an attack tried has worked.
pub fn worked(world: &mut World, name: &str) {
    let tried = world.tried.iter_mut().find(|t| t.check == name).unwrap();
    tried.attempts[1].outcome = Outcome::Worked("so".into());
}

/// By check: something that could not be seen, after which nothing may be taken for proved.
pub const BLIND: &[(&str, fn(&mut World))] = &[
    ("host-hardened", |w| set_unread(w, "proc/sys/kernel/kptr_restrict")),
    ("host-hardened", |w| host(w).newest_kernel = Err("no Debian".into())),
    ("host-hardened", |w| {
        host(w).settings.insert("proc/sys/kernel/yama/ptrace_scope".into(), Ok(None));
    }),
    ("cpu-mitigated", |w| {
        let all = host(w).weaknesses.as_mut().unwrap();
        all.insert("l1tf".into(), "Mitigation: PTE Inversion; VMX: SMT vulnerable".into());
    }),
    ("loopback-closed", |w| set_unread(w, "proc/sys/net/ipv4/conf/*/route_localnet")),
    ("host-files", |w| host(w).program = Err("still being read".into())),
    ("host-files", |w| w.hosts[0].settled = false),
    ("host-reports", |w| w.hosts[0].settled = false),
    ("found-is-recorded", |w| w.hosts[0].settled = false),
    ("found-is-recorded", |w| host(w).spaces = Err("no".into())),
    ("guest-as-recorded", |w| guest(w).machine = Err("it was not asked".into())),
    ("guest-apart", |w| host(w).limits = Err("version 1".into())),
    ("memory-apart", |w| guest(w).machine = Err("it was not asked".into())),
    ("routes-need-token", |w| doors(w).locked[0].status = Err("refused".into())),
    ("routes-need-token", |w| doors(w).open[0].status = Ok(500)),
    ("routes-need-token", |w| doors(w).open.clear()),
    ("errors-say-little", |w| doors(w).open.clear()),
    ("errors-say-little", |w| doors(w).rude[0].answer = Err("reset".into())),
    ("tls-suites", |w| doors(w).weak[1].agreed = Ok(false)),
    ("tls-suites", |w| doors(w).strong[0].agreed = Err("refused".into())),
    ("host-door", |w| w.site.knock = Err("this process is root".into())),
    ("host-door", |w| w.hosts[0].survey = Err("it is not connected".into())),
    ("staff-sources", |w| edit(w, "u2", |user| user["sources"] = json!([]))),
    ("limits-hold", |w| w.site.quotas = Err("busy".into())),
    ("taken-out", |w| w.site.taken = Err("no stage".into())),
    ("file-reach", |w| reach(w).own = Err("error 13".into())),
    ("file-reach", |w| host(w).reach = Err("the agent is not root".into())),
    ("file-reach", |w| host(w).reach = Ok(Vec::new())),
    // Nothing beside its own file; and all that was to be tried went meanwhile.
    ("file-reach", |w| reach(w).tries.clear()),
    ("file-reach", |w| reach(w).tries.iter_mut().for_each(|one| one.errno = Some(3))),
    ("no-way-out", |w| w.hosts[0].settled = false),
    ("no-way-out", |w| host(w).spaces = Err("no".into())),
    ("no-way-out", |w| host(w).spaces.as_mut().unwrap().clear()),
    ("lies-counted", |w| w.hosts[0].installed.as_mut().unwrap().filters.clear()),
    // The port is on a network of which the filter is another's.
    ("lies-counted", |w| {
        w.hosts[0].installed.as_mut().unwrap().filters[0].0 = "another".into();
    }),
    // The security administrator can lift them alone; nobody is there who would wait.
    ("approvals-set", |w| edit(w, "rule-0", |rule| rule["guarded"] = false.into())),
    ("approvals-set", |w| w.rows.retain(|s| s.row.kind != "assignment")),
    ("risks-treated", |w| w.rows.retain(|s| s.row.kind != "risk")),
    ("risks-treated", |w| edit(w, "risk-open", |risk| risk["review"] = "soon".into())),
    ("tenant-audits", |w| w.journal = Err("not read".into())),
    ("store-closed", |w| w.store = Err("no such directory".into())),
    ("store-closed", |w| drop(w.store.as_mut().unwrap().pop())),
];

fn set_unread(world: &mut World, path: &str) {
    host(world).settings.insert(path.into(), Err("not allowed".into()));
}
