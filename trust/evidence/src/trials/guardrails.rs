//! What no role makes possible in a project that is kept strictly.
//!
//! Problem: "a guardrail makes it impossible" is a sentence about a list in code until somebody tries
//! it on the instance. Mechanism: the attacked project is set to the strictest profile, and each row
//! that a guardrail of it forbids is tried by a command of the project's own people, with a row beside
//! it that none forbids. A refusal has to name the guardrail: a role, a quota or a bad value would
//! refuse as well and prove nothing. A command proves more here than a route would: guardrails judge
//! the rows that a command leaves, and a command may leave what no route asks for.
//!
//! Then the profile is to be loosened: by a member, without an exception, under one that nobody has
//! agreed to; and under one that two managers agreed to, until it ends. All that is made here is taken
//! away again; the profile lies in its project and goes with it, a moment later, when the stage is
//! struck.

use super::factors::FORBIDDEN;
use super::{By, Came, Cast, Play};
use jinyun_base::{Day, Id};
use serde_json::{Value, json};

const CHECK: &str = "guardrail-holds";
/// The refusals of whoever may not, or may not even know.
const MAY_NOT: &[&str] = &["forbidden", "not_found"];
/// What it conflicts with is the profile that stands.
const STANDS: &[&str] = &["conflict"];
/// A day, in seconds.
const DAY: i64 = 86_400;

/// First and last port, and from where; from anywhere if from nowhere.
type Opened = (u16, u16, Option<&'static str>);

/// Rules to the whole world, each of which one guardrail alone forbids.
const OPENED: &[(&str, &str, Opened)] = &[
    ("remote login from anywhere", "login_from_anywhere", (22, 22, None)),
    ("remote login from half of the world", "login_from_anywhere", (3389, 3389, Some("128.0.0.0/1"))),
    ("a database from anywhere", "database_from_anywhere", (5432, 5432, None)),
    ("administration from anywhere", "admin_port_from_anywhere", (6443, 6443, None)),
    ("two thousand ports from anywhere", "all_ports_from_anywhere", (30_000, 31_999, None)),
];

/// Opens ports in a group.
fn open(play: &mut Play<'_>, by: &By, group: &Id, (low, high, from): Opened) -> Came {
    let mut args = json!({
        "group": group, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
        "port_min": low, "port_max": high,
    });
    if let Some(net) = from {
        args["remote_cidr"] = net.into();
    }
    play.run(by, "network:security_group_rule:create", None, args)
}

/// A row that a guardrail of this name refuses.
fn refused(play: &mut Play<'_>, what: &'static str, came: &Came, rail: &str) {
    play.named(CHECK, what, came, "forbidden", &format!("Guardrail {rail} "));
}

/// Sets the profile of the attacked project.
fn set(play: &mut Play<'_>, by: &By, level: &str) -> Came {
    let project = play.scene.ground.theirs.clone();
    let args = json!({ "level": level });
    play.tell(by, "governance:profile:set", args, |command| command.project = Some(project))
}

/// Each row that the strictest profile forbids, and what may loosen it.
pub(super) fn guardrails(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    let came = set(play, &cast.ann, "enhanced");
    play.stopped(CHECK, "a profile that a member sets", &came, MAY_NOT);
    let came = set(play, &cast.boss, "enhanced");
    play.works(CHECK, "the strictest profile, set by a manager", &came);
    let args = json!({ "name": format!("rails-{}", play.ending) });
    let made = play.run(&cast.ann, "network:security_group:create", None, args);
    play.works(CHECK, "a security group", &made);
    let group = Id::from(made.text("/id")?);
    let tried = forbidden(play, cast, &group).and_then(|()| loosened(play, cast, &group));
    // With its rules; the others go on without them, however far this came.
    let came = play.run(&cast.ann, "network:security_group:delete", Some(&group), Value::Null);
    tried.and(came.done("taking the group away"))
}

/// What is tried while the strictest profile holds.
fn forbidden(play: &mut Play<'_>, cast: &Cast, group: &Id) -> Result<(), String> {
    for &(what, rail, opened) in OPENED {
        let came = open(play, &cast.ann, group, opened);
        refused(play, what, &came, rail);
    }
    let came = open(play, &cast.ann, group, (22, 22, Some("203.0.113.0/24")));
    play.works(CHECK, "remote login from one network", &came);
    let came = open(play, &cast.ann, group, (443, 443, None));
    play.works(CHECK, "a service that is offered to everybody", &came);
    networks(play, cast)?;
    ports(play, cast)?;
    servers(play, cast);
    tags(play, cast);
    Ok(())
}

fn networks(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    let name = format!("rails-{}", play.ending);
    let args = |secure: bool| json!({ "name": name, "port_security": secure });
    let open = play.run(&cast.ann, "network:network:create", None, args(false));
    refused(play, "a network without port security", &open, "port_security");
    let made = play.run(&cast.ann, "network:network:create", None, args(true));
    play.works(CHECK, "a network with port security", &made);
    let id = Id::from(made.text("/id")?);
    play.run(&cast.ann, "network:network:delete", Some(&id), Value::Null).done("the network")
}

fn ports(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    let network = play.scene.ground.network.clone();
    // As a server's port is; there is none behind it, and no host has it. It has the default group.
    let args = json!({ "network": network, "device_owner": "compute:evidence" });
    let made = play.run(&cast.ann, "network:port:create", None, args);
    play.works(CHECK, "a server's port with a security group", &made);
    let port = Id::from(made.text("/id")?);
    let update = |play: &mut Play<'_>, args: Value| {
        play.run(&cast.ann, "network:port:update", Some(&port), args)
    };
    let came = update(play, json!({ "security_groups": [] }));
    refused(play, "a server's port without a security group", &came, "security_group_required");
    let came = update(play, json!({ "security_groups": [], "port_security": false }));
    refused(play, "a port without port security", &came, "port_security");
    let came = update(play, json!({ "name": "still there" }));
    play.works(CHECK, "another change of that port", &came);
    play.run(&cast.ann, "network:port:delete", Some(&port), Value::Null).done("the port")
}

/// The server of the stage has a key pair, by its record.
fn servers(play: &mut Play<'_>, cast: &Cast) {
    let server = play.scene.ground.server.clone();
    let update = |play: &mut Play<'_>, args: Value| {
        play.run(&cast.ann, "compute:server:update", Some(&server), args)
    };
    let came = update(play, json!({ "key_name": "" }));
    refused(play, "a server without a key pair", &came, "key_pair_required");
    let came = update(play, json!({ "metadata": { "tried": "yes" } }));
    play.works(CHECK, "another change of that server", &came);
}

/// Labels of the attacked project.
fn label(play: &mut Play<'_>, by: &By, tags: &[&str]) -> Came {
    let project = play.scene.ground.theirs.clone();
    play.run(by, "identity:project:update", Some(&project), json!({ "tags": tags }))
}

fn tags(play: &mut Play<'_>, cast: &Cast) {
    let came = label(play, &cast.boss, &["environment:test"]);
    play.works(CHECK, "a project that says what it is for", &came);
    let came = label(play, &cast.boss, &[]);
    refused(play, "a project that says it no more", &came, "environment_tag_required");
}

/// What may loosen a profile, and for how long.
fn loosened(play: &mut Play<'_>, cast: &Cast, group: &Id) -> Result<(), String> {
    let came = set(play, &cast.boss, "basic");
    play.named(CHECK, "a looser profile without an exception", &came, "conflict", "exception");
    let project = play.scene.ground.theirs.clone();
    let args = json!({
        "clause": "", "guardrail": "profile", "reason": "the platform tries itself",
        "expires": Day::of(play.now().plus_seconds(DAY)),
    });
    let came = play.tell(&cast.boss, "governance:exception:create", args, |command| {
        command.project = Some(project);
    });
    play.works(CHECK, "an exception that a manager asks for", &came);
    let exception = Id::from(came.text("/id")?);
    let tried = excused(play, cast, group, &exception);
    let ended = play.run(&cast.boss, "governance:exception:end", Some(&exception),
        json!({ "reason": "it was tried" }));
    play.works(CHECK, "the end of that exception", &ended);
    tried?;
    // The strict one holds again by itself.
    let came = open(play, &cast.ann, group, (23, 23, None));
    refused(play, "remote login once the exception is over", &came, "login_from_anywhere");
    let came = set(play, &cast.boss, "extended");
    play.stopped(CHECK, "a looser profile once the exception is over", &came, STANDS);
    Ok(())
}

/// What is tried with an exception, asked for and agreed to.
fn excused(play: &mut Play<'_>, cast: &Cast, group: &Id, exception: &Id) -> Result<(), String> {
    let came = set(play, &cast.boss, "basic");
    play.stopped(CHECK, "a looser profile under an exception that nobody has agreed to", &came, STANDS);
    let yes = || json!({ "approve": true, "comment": "looked at it" });
    let vote = "governance:exception:vote";
    let came = play.run(&cast.boss, vote, Some(exception), yes());
    play.stopped(CHECK, "an exception agreed to by the one who asked", &came, FORBIDDEN);
    let came = play.run(&cast.vice, vote, Some(exception), yes());
    play.works(CHECK, "an exception agreed to by another manager", &came);
    let came = set(play, &cast.boss, "basic");
    play.works(CHECK, "a looser profile under that exception", &came);
    let came = open(play, &cast.ann, group, (22, 22, None));
    play.works(CHECK, "remote login from anywhere, while it is let", &came);
    let came = label(play, &cast.boss, &[]);
    play.works(CHECK, "a project without a purpose, while it is let", &came);
    Ok(())
}
