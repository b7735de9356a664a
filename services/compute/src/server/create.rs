//! Making a server with all its parts, in one command.
//!
//! Either everything is there (the row, its root disk, its ports, what was lent to it, its user
//! data, all in one journal entry) or nothing is. Whatever the request names is looked up here, at
//! the moment it is used: a name that a route had resolved before could mean something else by now.
//! What belongs to somebody else is "not found".

use super::ask::{Ask, Networks, Nic};
use super::password::PASSWORD;
use super::{Attached, OWNER, Server, ServerSpec, Size, hostname};
use crate::flavor::{Flavor, FlavorSpec};
use crate::keypair;
use jinyun_base::{Id, Refusal, Refused, limits};
use jinyun_engine::{Command, Ctx, Failure, Have, Place, Query};
use jinyun_image::{Image, usable};
use jinyun_network::{
    FixedIp, Network, Port, PortSpec, SecurityGroup, Subnet, ensure_default_group,
};
use jinyun_volume::{ImageRef, TYPE, Volume, VolumeSpec, attach};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// What a guest has room for: disks and network cards.
const DEVICES: usize = 16;
/// The member of the body that names disks.
const DISKS: &str = "block_device_mapping_v2";

/// A port of the new server.
enum Wanted {
    /// One that is there.
    Lent(Id),
    /// One to be made.
    New(NewPort),
}

/// A port to be made.
struct NewPort {
    id: Id,
    network: Id,
    /// The network's ports have port security.
    secure: bool,
    ip: Option<Ipv4Addr>,
}

impl Wanted {
    fn id(&self) -> &Id {
        match self {
            Wanted::Lent(id) => id,
            Wanted::New(port) => &port.id,
        }
    }
}

fn bad(field: &str, say: impl std::fmt::Display) -> Failure {
    Refusal::invalid(field, say).into()
}

/// "Not found" of something that the body names is a wrong value of the body.
fn named(field: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Refused(refusal) if refusal.why == Refused::NotFound => {
            bad(field, format!("names something that is not there: {}", refusal.message))
        }
        other => other,
    }
}

/// The action.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let ask: Ask = serde_json::from_value(command.args.clone())
        .map_err(|e| bad("server", format!("cannot be read: {e}")))?;
    let (Some(project), Some(domain)) =
        (ctx.actor.project().cloned(), ctx.actor.domain_of_scope().cloned())
    else {
        return Err(bad("project_id", "is required: use a project's token"));
    };
    let id = ask.id.unwrap_or_else(|| Id::uuid(ctx.dice()));
    let flavor = ctx.view().get::<Flavor>(&ask.flavor)?.ok_or_else(|| {
        bad("flavorRef", format!("names no flavor: {} could not be found", ask.flavor))
    })?;
    let image = usable(&mut ctx.view(), &project, &ask.image).map_err(|e| named("imageRef", e))?;
    fits(&image, &flavor.spec)?;
    let (key_name, public_key) = key(ctx, ask.key_name.as_deref())?;
    let wanted = ports(ctx, &project, &ask.networks)?;
    let groups = groups(ctx, &project, &ask.groups)?;
    let volumes = volumes(ctx, &project, &ask.volumes)?;
    if 1 + volumes.len() + wanted.len() > DEVICES {
        let say = format!("and volumes are too many: a server has room for {DEVICES} devices");
        return Err(bad("networks", say));
    }
    let root = Id::uuid(ctx.dice());
    let own = wanted.iter().filter(|w| matches!(w, Wanted::New(_)));
    let carries = |secret: &str| command.secrets.iter().any(|(name, _)| name == secret);
    let spec = ServerSpec {
        hostname: hostname(&ask.name, &id),
        flavor: Size {
            id: flavor.id.clone(),
            name: flavor.spec.name.clone(),
            vcpus: flavor.spec.vcpus,
            memory_mib: flavor.spec.memory_mib,
            disk_gib: flavor.spec.disk_gib,
        },
        image: image.id.clone(),
        key_name,
        public_key,
        user: ctx.actor.id.clone(),
        ports: wanted.iter().map(|w| w.id().clone()).collect(),
        own_ports: own.map(|w| w.id().clone()).collect(),
        root: root.clone(),
        volumes: volumes.clone(),
        metadata: ask.metadata,
        running: true,
        incarnation: 1,
        host: String::new(),
        has_user_data: carries("user_data"),
        has_password: carries(PASSWORD),
        name: ask.name,
    };
    let at = |id: Id| Place { domain: domain.clone(), project: project.clone(), id };
    // First the server: its parts hang on it, so it has to be there before them.
    let name = spec.name.clone();
    ctx.create_at::<Server>(at(id.clone()), spec)?;
    for (secret, value) in &command.secrets {
        ctx.put_secret("server", &id, secret, value.expose())?;
    }
    ctx.create_at::<Volume>(at(root), root_disk(&id, &name, &image, &flavor.spec))?;
    for wanted in wanted {
        match wanted {
            Wanted::Lent(port) => lend_port(ctx, &port, &id)?,
            Wanted::New(port) => {
                let spec = new_port(ctx, &at(id.clone()), &port, &groups)?;
                ctx.create_at::<Port>(at(port.id), spec)?;
            }
        }
    }
    for attached in &volumes {
        attach(ctx, &attached.id, &id, &attached.device).map_err(|e| named(DISKS, e))?;
    }
    Ok(json!({ "id": id }))
}

/// Whether a server of this size can be made from the image.
fn fits(image: &Have<Image>, flavor: &FlavorSpec) -> Result<(), Failure> {
    let gib = |bytes: i64| bytes.div_euclid(1 << 30) + i64::from(bytes.rem_euclid(1 << 30) > 0);
    let disk = image.spec.min_disk.max(gib(image.spec.virtual_bytes));
    if flavor.memory_mib < image.spec.min_ram {
        return Err(bad("flavorRef", format!(
            "is too small: the image needs {} MiB of memory, {} has {}", image.spec.min_ram,
            flavor.name, flavor.memory_mib
        )));
    }
    if flavor.disk_gib < disk {
        return Err(bad("flavorRef", format!(
            "is too small: the image needs a disk of {disk} GiB, {} has {}", flavor.name,
            flavor.disk_gib
        )));
    }
    Ok(())
}

/// Name and public key of one of the caller's key pairs.
fn key(ctx: &mut Ctx<'_>, name: Option<&str>) -> Result<(String, String), Failure> {
    let Some(name) = name else { return Ok((String::new(), String::new())) };
    let user = ctx.actor.id.clone();
    match keypair::find(&mut ctx.view(), &user, name)? {
        Some(pair) => Ok((pair.spec.name, pair.spec.public_key)),
        None => Err(bad("key_name", format!("names no key pair of yours: '{name}'"))),
    }
}

/// The ports that the request asks for.
fn ports(ctx: &mut Ctx<'_>, project: &Id, networks: &Networks) -> Result<Vec<Wanted>, Failure> {
    let nics = match networks {
        Networks::None => return Ok(Vec::new()),
        Networks::These(nics) => nics.clone(),
        Networks::Auto => {
            let all = ctx.list::<Network>(&Query::project(project))?;
            match all.as_slice() {
                [] => return Ok(Vec::new()),
                [network] => vec![Nic::Network { id: network.id.clone(), ip: None }],
                _ => {
                    let say = "Multiple possible networks found, use a Network ID to be more \
                               specific.";
                    return Err(Refusal::conflict(say).into());
                }
            }
        }
    };
    let mut wanted: Vec<Wanted> = Vec::with_capacity(nics.len());
    for nic in nics {
        match nic {
            Nic::Port(id) => {
                let twice = wanted.iter().any(|w| matches!(w, Wanted::Lent(port) if *port == id));
                if twice {
                    return Err(bad("networks", format!("names port {id} twice")));
                }
                usable_port(ctx, project, &id)?;
                wanted.push(Wanted::Lent(id));
            }
            Nic::Network { id, ip } => {
                let network = ctx.view().get::<Network>(&id)?.filter(|n| n.project == *project);
                let network = network.ok_or_else(|| {
                    bad("networks", format!("names no network: {id} could not be found"))
                })?;
                let subnets = ctx.list::<Subnet>(&Query::field("network", &id))?;
                if subnets.is_empty() {
                    return Err(bad("networks", format!(
                        "names network {id}, which requires a subnet in order to boot instances on"
                    )));
                }
                let secure = network.spec.port_security;
                let port = NewPort { id: Id::uuid(ctx.dice()), network: id, secure, ip };
                wanted.push(Wanted::New(port));
            }
        }
    }
    Ok(wanted)
}

/// A port that nobody uses.
fn usable_port(ctx: &mut Ctx<'_>, project: &Id, id: &Id) -> Result<(), Failure> {
    let port = ctx.view().get::<Port>(id)?.filter(|p| p.project == *project && !p.deleting);
    let port = port.ok_or_else(|| {
        bad("networks", format!("names no port: {id} could not be found"))
    })?;
    let spec = &port.spec;
    if !spec.device_id.is_empty() || !spec.device_owner.is_empty() || !spec.host.is_empty() {
        return Err(Refusal::conflict(format!("Port {id} is still in use.")).into());
    }
    if spec.fixed_ips.is_empty() {
        return Err(bad("networks", format!("names port {id}, which has no fixed IP address")));
    }
    Ok(())
}

/// Ties a port to the server until the server is gone.
fn lend_port(ctx: &mut Ctx<'_>, port: &Id, server: &Id) -> Result<(), Failure> {
    ctx.change::<Port>(port, None, |there| {
        there.device_id = server.to_string();
        there.device_owner = OWNER.into();
        Ok(())
    })?;
    Ok(())
}

/// A port of the server's own.
fn new_port(ctx: &mut Ctx<'_>, server: &Place, port: &NewPort, groups: &[Id])
    -> Result<PortSpec, Failure> {
    let mut spec = PortSpec::on(port.network.clone());
    spec.port_security = port.secure;
    spec.security_groups = match groups {
        [] if port.secure => vec![ensure_default_group(ctx, &server.domain, &server.project)?],
        groups => groups.to_vec(),
    };
    // An empty subnet is the one that holds the address.
    spec.fixed_ips = port.ip.into_iter().map(|ip| FixedIp { subnet: "".into(), ip }).collect();
    spec.device_id = server.id.to_string();
    spec.device_owner = OWNER.into();
    spec.part_of = Some(server.id.clone());
    Ok(spec)
}

/// Security groups by id or by name.
fn groups(ctx: &mut Ctx<'_>, project: &Id, asked: &[String]) -> Result<Vec<Id>, Failure> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let all = ctx.list::<SecurityGroup>(&Query::project(project))?;
    let mut found = Vec::with_capacity(asked.len());
    for word in asked {
        let by_id = all.iter().find(|group| group.id.as_str() == word);
        let mut by_name = all.iter().filter(|group| group.spec.name == *word);
        let group = match (by_id, by_name.next(), by_name.next()) {
            (Some(group), ..) | (None, Some(group), None) => group,
            (None, Some(_), Some(_)) => {
                return Err(Refusal::conflict(format!(
                    "Multiple security_group matches found for name '{word}', use an ID to be more \
                     specific."
                )).into());
            }
            (None, None, _) => {
                return Err(bad("security_groups", format!("names no group: '{word}'")));
            }
        };
        if !found.contains(&group.id) {
            found.push(group.id.clone());
        }
    }
    Ok(found)
}

/// Volumes with the names that the guest will see. Whether they can be attached is told by
/// [`attach`].
fn volumes(ctx: &mut Ctx<'_>, project: &Id, asked: &[Id]) -> Result<Vec<Attached>, Failure> {
    let mut attached = Vec::with_capacity(asked.len());
    for (id, letter) in asked.iter().zip('b'..='z') {
        let volume = ctx.view().get::<Volume>(id)?
            .filter(|v| v.project == *project && v.spec.root_of.is_none() && !v.deleting);
        if volume.is_none() {
            return Err(bad(DISKS, format!("names no volume: {id} could not be found")));
        }
        attached.push(Attached { id: id.clone(), device: format!("/dev/vd{letter}") });
    }
    Ok(attached)
}

/// The disk that the server starts from.
fn root_disk(server: &Id, name: &str, image: &Have<Image>, flavor: &FlavorSpec) -> VolumeSpec {
    VolumeSpec {
        name: format!("root disk of {name}").chars().take(limits::NAME).collect(),
        gib: flavor.disk_gib,
        image: Some(ImageRef::of(image)),
        root_of: Some(server.clone()),
        volume_type: TYPE.into(),
        ..VolumeSpec::default()
    }
}
