//! The synthetic tenant in which attacks are made: built for one assessment, struck after it.
//!
//! Problem: attacks need ports, networks and a volume that belong to nobody, and nothing of them
//! may stay. Mechanism: two commands of the platform's own make and take away everything in a
//! domain of its own, by the same functions that the tenants' commands use. Not by the tenants' own
//! actions: the platform would have to be allowed to make networks anywhere. Its people are made by
//! trials, with passwords that nobody is told, and go first when the stage is struck.
//!
//! ```text
//!   build --> ports ACTIVE --> volume made --> attacks --> strike --> ports, volume gone
//!     strike --> networks, groups gone, projects on their way --> strike --> domain gone
//! ```
//! Each strike does what can be done now and says what it waits for, so one that was interrupted is
//! ended by the next.
//!
//! Between two strikes all but the volume stands ([`Built`]): attacks from port to port leave no
//! entry, so they can be made every half minute, and building costs more entries than all that is
//! tried. A host takes seconds to encrypt a volume, so attacks that need none are made meanwhile. The
//! stage's id never changes and its ranges are nobody's, so whoever finds it may take it away: a
//! process does so when it begins, and the next attacks do.

use crate::attack::{OPEN_TCP, OPEN_UDP, Posts, Seat};
use crate::trials;
use jinyun_base::{Fault, Id};
use jinyun_compute::Server;
use jinyun_engine::{Command, Ctx, Failure, Have, Job, Place, Query, View};
use jinyun_identity::{Domain, DomainSpec, Project, ProjectSpec};
use jinyun_image::Image;
use jinyun_network::{
    Choice, Direction, Ethertype, FixedIp, Network, NetworkSpec, PROBE, Port, PortSpec,
    SecurityGroup, SecurityGroupRule, SecurityGroupRuleSpec, SecurityGroupSpec, Subnet,
    SubnetSpec, create_port,
};
use jinyun_policy::Actor;
use jinyun_rest::Cloud;
use jinyun_volume::Volume;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::Duration;

/// The domain. Its id never changes, so that what a killed process left is found again.
pub const DOMAIN: &str = "6a0e71de9ce04f6c8e6f00000000e000";
/// The projects: one attacks, the other is attacked.
pub const PROJECTS: [(&str, &str); 2] = [
    ("6a0e71de9ce04f6c8e6f00000000e001", "one"),
    ("6a0e71de9ce04f6c8e6f00000000e002", "two"),
];
const NAME: &str = "jinyun-evidence";

/// How often a wait looks, and how often at most.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: u32 = 600;

/// What commands are tried on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// The domain of both projects.
    pub domain: Id,
    /// The project that attacks.
    pub mine: Id,
    /// The project that is attacked.
    pub theirs: Id,
    /// A network of theirs.
    pub network: Id,
    /// A volume of theirs.
    pub volume: Id,
    /// The record of a server of theirs, which never runs.
    pub server: Id,
}

/// The part of a stage that may stand for a while, because it holds nothing of a host's but ports:
/// no disk, so that nobody who takes a host out of service has to wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// For probes.
    pub posts: Posts,
    /// The host that has the posts.
    pub host: String,
    network: Id,
    server: Id,
}

/// A stage that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// For probes.
    pub posts: Posts,
    /// For commands.
    pub ground: Ground,
    /// The host that has the posts.
    pub host: String,
}

/// Reads a spec from its words, with the defaults that a client gets.
fn made<S: DeserializeOwned>(words: Value) -> Result<S, Failure> {
    serde_json::from_value(words).map_err(|e| Fault::new(format!("the stage: {e}")).into())
}

fn network(ctx: &mut Ctx<'_>, project: &Id, name: &str, cidr: &str) -> Result<Id, Failure> {
    let domain = Id::new(DOMAIN);
    let spec: NetworkSpec = made(json!({ "name": name }))?;
    let id = ctx.create::<Network>(&domain, project, spec)?.id;
    let spec: SubnetSpec = made(json!({ "network": id, "cidr": cidr, "dhcp": false }))?;
    ctx.create::<Subnet>(&domain, project, spec)?;
    Ok(id)
}

/// A group; one that is not open allows nothing at all.
fn group(ctx: &mut Ctx<'_>, project: &Id, open: bool) -> Result<Id, Failure> {
    let domain = Id::new(DOMAIN);
    let name = if open { "open" } else { "shut" };
    let spec: SecurityGroupSpec = made(json!({ "name": name }))?;
    let id = ctx.create::<SecurityGroup>(&domain, project, spec)?.id;
    if open {
        let any = |direction| SecurityGroupRuleSpec::any(id.clone(), direction, Ethertype::V4);
        let inward = |protocol: &str, port: u16| SecurityGroupRuleSpec {
            protocol: Some(protocol.into()),
            port_min: Some(port),
            port_max: Some(port),
            ..any(Direction::Ingress)
        };
        for rule in [any(Direction::Egress), inward("udp", OPEN_UDP), inward("tcp", OPEN_TCP)] {
            ctx.create::<SecurityGroupRule>(&domain, project, rule)?;
        }
    }
    Ok(id)
}

fn seat(ctx: &mut Ctx<'_>, project: &Id, network: &Id, group: &Id, ip: [u8; 4])
    -> Result<Seat, Failure> {
    let ip = Ipv4Addr::from(ip);
    let mut spec = PortSpec::on(network.clone());
    spec.device_owner = PROBE.into();
    // The subnet is the one that has the address.
    spec.fixed_ips = vec![FixedIp { subnet: Id::new(""), ip }];
    let choice = Choice { security_groups: Some(vec![group.clone()]), port_security: Some(true) };
    let row = create_port(ctx, &Id::new(DOMAIN), project, spec, choice)?;
    let spec: PortSpec = serde_json::from_str(&row.spec)
        .map_err(|e| Fault::new(format!("the stage: a port's row: {e}")))?;
    Ok(Seat { id: row.id.to_string(), mac: spec.mac, ip })
}

/// Makes everything but the volume, which needs its project's key first.
pub(crate) fn build(ctx: &mut Ctx<'_>, _: &Command) -> Result<Value, Failure> {
    let (domain, none) = (Id::new(DOMAIN), Id::new(""));
    let at = Place { domain: domain.clone(), project: none, id: domain.clone() };
    ctx.create_at::<Domain>(at, DomainSpec {
        name: NAME.into(),
        description: "The platform attacks itself here; made anew every few minutes".into(),
        enabled: true,
        tokens_since: 0,
    })?;
    let projects = PROJECTS.map(|(id, _)| Id::new(id));
    for (id, (_, name)) in projects.iter().zip(PROJECTS) {
        let at = Place { domain: domain.clone(), project: id.clone(), id: id.clone() };
        ctx.create_at::<Project>(at, ProjectSpec {
            name: name.into(),
            description: String::new(),
            enabled: true,
            domain: domain.clone(),
            tags: Vec::new(),
            parent: None,
            tokens_since: 0,
        })?;
    }
    let [one, two] = &projects;
    // The ranges are for documentation: no tenant's route can lead to one. The same one twice.
    let first = network(ctx, one, "first", "192.0.2.0/24")?;
    let second = network(ctx, one, "second", "198.51.100.0/24")?;
    let other = network(ctx, two, "other", "192.0.2.0/24")?;
    let (open, shut) = (group(ctx, one, true)?, group(ctx, one, false)?);
    let open_two = group(ctx, two, true)?;
    let posts = Posts {
        sender: seat(ctx, one, &first, &open, [192, 0, 2, 11])?,
        receiver: seat(ctx, one, &first, &open, [192, 0, 2, 12])?,
        mute: seat(ctx, one, &first, &shut, [192, 0, 2, 13])?,
        other: seat(ctx, one, &second, &open, [198, 51, 100, 11])?,
        other_mate: seat(ctx, one, &second, &open, [198, 51, 100, 12])?,
        foreign: seat(ctx, two, &other, &open_two, [192, 0, 2, 31])?,
        foreign_mate: seat(ctx, two, &other, &open_two, [192, 0, 2, 12])?,
    };
    let server = trials::server(ctx, two)?;
    Ok(json!({ "posts": posts, "network": other, "server": server }))
}

/// Takes away what can go now; says what it waits for.
pub(crate) fn strike(ctx: &mut Ctx<'_>, _: &Command) -> Result<Value, Failure> {
    let mut waits = trials::take_away(ctx)?;
    for (project, _) in PROJECTS {
        let here = Query::project(&Id::new(project));
        for port in ctx.list::<Port>(&here)? {
            waits = true;
            ctx.delete::<Port>(&port.id)?;
        }
        for volume in ctx.list::<Volume>(&here)? {
            waits = true;
            ctx.delete::<Volume>(&volume.id)?;
        }
        for image in ctx.list::<Image>(&here)? {
            waits = true;
            ctx.delete::<Image>(&image.id)?;
        }
    }
    if waits {
        return Ok(json!({ "waits_for": "hosts" }));
    }
    for (project, _) in PROJECTS {
        let project = Id::new(project);
        let here = Query::project(&project);
        for network in ctx.list::<Network>(&here)? {
            ctx.delete::<Network>(&network.id)?;
        }
        for group in ctx.list::<SecurityGroup>(&here)? {
            // The default one goes with its project.
            if group.spec.part_of.is_none() {
                ctx.delete::<SecurityGroup>(&group.id)?;
            }
        }
        if ctx.view().get::<Project>(&project)?.is_some() {
            waits = true;
            ctx.delete::<Project>(&project)?;
        }
    }
    if waits {
        return Ok(json!({ "waits_for": "projects" }));
    }
    let domain = Id::new(DOMAIN);
    if ctx.view().get::<Domain>(&domain)?.is_some() {
        ctx.change::<Domain>(&domain, None, |spec| {
            spec.enabled = false;
            Ok(())
        })?;
        ctx.delete::<Domain>(&domain)?;
    }
    Ok(json!({ "waits_for": null }))
}

/// Runs a command of the platform's in the stage's domain: its entries are that institution's.
fn run(cloud: &Cloud, action: &str, tag: &str) -> Result<Value, Failure> {
    let mut command = Command::new(action, Actor::system("evidence"), tag);
    command.domain = Some(DOMAIN.into());
    Ok(cloud.handle.run(Job::Command(Box::new(command)))?.value)
}

/// Looks until it is so; whether it came to be in time.
fn wait(cloud: &Cloud, mut is_so: impl FnMut(&mut View<'_>) -> Result<bool, Fault>)
    -> Result<bool, Fault> {
    for _ in 0..LOOKS {
        if cloud.reader.view(&mut is_so)? {
            return Ok(true);
        }
        std::thread::sleep(LOOK);
    }
    Ok(false)
}

fn ports(view: &mut View<'_>) -> Result<Vec<Have<Port>>, Fault> {
    let mut all = Vec::new();
    for (project, _) in PROJECTS {
        all.extend(view.list::<Port>(&Query::project(&Id::new(project)))?);
    }
    Ok(all)
}

/// Builds the stage and waits until hosts have it. Whatever an earlier assessment left goes first.
pub fn set(cloud: &Cloud, tag: &str) -> Result<Stage, Failure> {
    furnish(cloud, tag, &raise(cloud, tag)?)
}

/// Builds all but the volume and waits until hosts have it. Whatever was left goes first.
pub(crate) fn raise(cloud: &Cloud, tag: &str) -> Result<Built, Failure> {
    clear(cloud, tag)?;
    let built = run(cloud, "evidence:stage:build", tag)?;
    let posts: Posts = made(built.get("posts").cloned().unwrap_or_default())?;
    let network: Id = made(built.get("network").cloned().unwrap_or_default())?;
    let server: Id = made(built.get("server").cloned().unwrap_or_default())?;
    let theirs = Id::new(PROJECTS[1].0);
    let up = wait(cloud, |view| {
        let keys = view.has_secret("project", &theirs, "kek")?;
        Ok(keys && ports(view)?.iter().all(|p| p.phase == "ACTIVE" && p.settled()))
    })?;
    if !up {
        let say = "the ports of the synthetic tenant did not come up: is a host connected?";
        return Err(Fault::new(say).into());
    }
    let found = cloud.reader.view(ports)?;
    let host = found.first().map(|p| p.spec.host.clone()).unwrap_or_default();
    Ok(Built { posts, host, network, server })
}

/// Whether what was built is still there: all of its ports, on their host.
pub(crate) fn stands(cloud: &Cloud, built: &Built) -> Result<bool, Fault> {
    let there = cloud.reader.view(ports)?;
    Ok(built.posts.all().iter().all(|seat| {
        there.iter().any(|port| port.id.as_str() == seat.id && port.spec.host == built.host)
    }))
}

/// Adds the volume to what stands, and waits until its host has made it.
pub(crate) fn furnish(cloud: &Cloud, tag: &str, built: &Built) -> Result<Stage, Failure> {
    let theirs = Id::new(PROJECTS[1].0);
    let command = Command::new("volume:volume:create", Actor::system("evidence"), tag)
        .with(json!({ "name": "evidence", "gib": 1 }))
        .at(&DOMAIN.into(), &theirs);
    let row = cloud.handle.run(Job::Command(Box::new(command)))?.row;
    let volume = row.map(|row| row.id).ok_or_else(|| Fault::new("a new volume has no row"))?;
    let there = wait(cloud, |view| {
        Ok(view.get::<Volume>(&volume)?.is_some_and(|v| v.phase == "available"))
    })?;
    if !there {
        return Err(Fault::new("the volume of the synthetic tenant was not made").into());
    }
    Ok(built.stage(volume))
}

impl Built {
    /// The whole stage, with its volume.
    pub(crate) fn stage(&self, volume: Id) -> Stage {
        let Built { posts, host, network, server } = self.clone();
        let [mine, theirs] = PROJECTS.map(|(id, _)| Id::new(id));
        let ground = Ground { domain: DOMAIN.into(), mine, theirs, network, volume, server };
        Stage { posts, ground, host }
    }
}

/// Takes everything away and waits until it is gone.
pub fn clear(cloud: &Cloud, tag: &str) -> Result<(), Failure> {
    // Hosts, projects, domain: three steps, and one more for what came between.
    for _ in 0..4 {
        let domain = Id::new(DOMAIN);
        if cloud.reader.view(|v| v.get::<Domain>(&domain))?.is_none() {
            return Ok(());
        }
        let waits = run(cloud, "evidence:stage:strike", tag)?;
        let gone = match waits.get("waits_for").and_then(Value::as_str) {
            Some("hosts") => wait(cloud, |view| {
                let mut left = ports(view)?.len();
                for (project, _) in PROJECTS {
                    let here = Query::project(&Id::new(project));
                    left += view.list::<Volume>(&here)?.len() + view.list::<Server>(&here)?.len();
                    left += view.list::<Image>(&here)?.len();
                }
                Ok(left == 0)
            })?,
            Some(_) => wait(cloud, |view| {
                let mut left = false;
                for (project, _) in PROJECTS {
                    left |= view.get::<Project>(&Id::new(project))?.is_some();
                }
                Ok(!left)
            })?,
            None => true,
        };
        if !gone {
            break;
        }
    }
    let left = cloud.reader.view(|v| v.get::<Domain>(&DOMAIN.into()))?.is_some();
    if left {
        let say = "the synthetic tenant is not gone yet: a host that had a part of it does not \
                   answer; the next assessment tries again";
        return Err(Fault::new(say).into());
    }
    Ok(())
}
