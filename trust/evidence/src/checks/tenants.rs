//! What institutions do with their half, where the platform can see it.
//!
//! Problem: half of a shared clause is the tenant's, and "it is on the tenant's own list" is all that
//! was said of it, although some of it stands in the records: who opened a database to the world, who
//! manages without a second factor, which project does not say what it is for. Mechanism: each check
//! counts by institution. Its finding names the institutions and is the provider's to read; a statement
//! of shared responsibility takes that institution's own count alone, so nobody is red for another.
//!
//! Guardrails refuse most of this under some profile, in what is done from then on; here what is there
//! is looked at, whatever the profile and however it came. What counts as the whole world and which
//! ports are meant is written once more and not taken from there: a check that rests on the code that
//! it checks proves nothing.

use super::{Found, all_right, error, halves, rights};
use crate::stage::DOMAIN;
use crate::world::World;
use jinyun_base::Id;
use jinyun_identity::{
    Assignment, Credential, Domain, Grant, Membership, Passkey, Project, Scoped, User,
};
use jinyun_network::{Direction, Network, Port, SecurityGroupRule, SecurityGroupRuleSpec};
use jinyun_policy::{PROVIDER, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What one institution has of what a check looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// So many there are.
    pub count: u64,
    /// So many are not as they should be.
    pub wrong: u64,
    /// The first of those.
    pub first: String,
}

/// By check and institution. A check that could not look is not there.
pub(crate) type Shares = BTreeMap<&'static str, BTreeMap<Id, Share>>;

/// Looks at one thing of all institutions.
pub(super) type Look = fn(&World) -> Result<BTreeMap<Id, Share>, String>;

const LOOKS: [(&str, Look); 9] = [
    ("tenant-doors", doors), ("tenant-managers", managers), ("tenant-projects", projects),
    ("tenant-audits", halves::audits), ("tenant-servers", halves::servers),
    ("tenant-rights", rights::of_institutions), ("tenant-factors", halves::factors),
    ("tenant-rules", halves::rules), ("tenant-sources", halves::sources),
];

/// What each institution has of what these checks look at.
pub(crate) fn shares(world: &World) -> Shares {
    LOOKS.iter().filter_map(|(name, look)| Some((*name, look(world).ok()?))).collect()
}

/// Counts for each institution that is neither the provider nor the synthetic one.
pub(super) struct Count {
    shares: BTreeMap<Id, Share>,
}

impl Count {
    pub fn new(world: &World) -> Result<Count, String> {
        let domains = world.each::<Domain>()?;
        let ours = domains.iter().filter(|have| ![PROVIDER, DOMAIN].contains(&have.id.as_str()));
        Ok(Count { shares: ours.map(|have| (have.id.clone(), Share::default())).collect() })
    }

    /// One more of an institution's; what is wrong with it, if anything.
    pub fn one(&mut self, domain: &Id, wrong: Option<String>) {
        let Some(share) = self.shares.get_mut(domain) else { return };
        share.count += 1;
        if let Some(what) = wrong {
            if share.wrong == 0 {
                share.first = what;
            }
            share.wrong += 1;
        }
    }

    /// Those that have any.
    pub fn done(self) -> BTreeMap<Id, Share> {
        self.shares.into_iter().filter(|(_, share)| share.count > 0).collect()
    }
}

/// The finding of a look: each institution with something wrong, by name.
pub(super) fn found(world: &World, look: Look, what: &str, nothing: &str, good: &str) -> Found {
    let read = || Ok::<_, String>((look(world)?, world.each::<Domain>()?));
    let (shares, domains) = match read() {
        Ok(read) => read,
        Err(why) => return error(why),
    };
    let name = |id: &Id| {
        let have = domains.iter().find(|have| have.id == *id);
        have.map_or(id.as_str(), |have| have.spec.name.as_str()).to_string()
    };
    let wrong: Vec<String> = shares.iter().filter(|(_, share)| share.wrong > 0)
        .map(|(id, share)| format!(
            "institution {}: {} of {} {what}, first {}", name(id), share.wrong, share.count, share.first
        )).collect();
    let count: u64 = shares.values().map(|share| share.count).sum();
    let says = format!("{count} {what} of {} institutions: {good}", shares.len());
    all_right(count, &wrong, nothing, says)
}

/// No port is open to the whole world that only administrators and applications need, and no port is
/// without its filter.
pub(super) fn tenant_doors(world: &World) -> Found {
    found(world, doors, "rules and ports", "no institution has a rule or a port",
        "none opens remote login, a database or administration to the whole world, and none is \
         without port security")
}

/// Who manages an institution or a project of it has a second factor.
pub(super) fn tenant_managers(world: &World) -> Found {
    found(world, managers, "managers", "no institution has a manager of its own with a password",
        "each has a device for one-time codes or a passkey")
}

/// Every project says what it is for.
pub(super) fn tenant_projects(world: &World) -> Found {
    found(world, projects, "projects", "no institution has a project",
        "each has a tag that says what it is for")
}

/// A narrower network than this is somebody; a wider one is everybody.
const NARROW: (u8, u8) = (8, 16);
/// Where IPv6 keeps the addresses of IPv4.
const MAPPED: u128 = 0xffff_0000_0000;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Ports that nobody offers to the world: protocol, first, last, for what.
const PRIVATE: [(u8, u16, u16, &str); 27] = [
    (TCP, 22, 23, "remote login"), (TCP, 3389, 3389, "remote login"), (UDP, 3389, 3389, "remote login"),
    (TCP, 5900, 5909, "remote login"), (TCP, 5985, 5986, "remote login"),
    (TCP, 1433, 1433, "a database"), (TCP, 1521, 1521, "a database"), (TCP, 2881, 2881, "a database"),
    (TCP, 2883, 2883, "a database"), (TCP, 3306, 3306, "a database"), (TCP, 5236, 5236, "a database"),
    (TCP, 5432, 5432, "a database"), (TCP, 6379, 6379, "a database"), (TCP, 9200, 9200, "a database"),
    (TCP, 11211, 11211, "a database"), (UDP, 11211, 11211, "a database"),
    (TCP, 27017, 27017, "a database"), (TCP, 54321, 54321, "a database"),
    (TCP, 135, 135, "administration"), (TCP, 139, 139, "administration"),
    (UDP, 161, 161, "administration"), (TCP, 445, 445, "administration"),
    (TCP, 2375, 2376, "administration"), (TCP, 2379, 2379, "administration"),
    (TCP, 2380, 2380, "administration"), (TCP, 6443, 6443, "administration"),
    (TCP, 10250, 10250, "administration"),
];

fn everybody(address: IpAddr, length: u8) -> bool {
    match address {
        IpAddr::V4(_) => length < NARROW.0,
        IpAddr::V6(v6) => {
            let beside = u128::from(v6) ^ MAPPED;
            // IPv4 written as IPv6 has 96 bits before it.
            match beside >> 32 {
                0 if length >= 96 => length - 96 < NARROW.0,
                _ => {
                    let around = beside.checked_shr(128 - u32::from(length.min(128))).unwrap_or(0);
                    length < NARROW.1 || around == 0
                }
            }
        }
    }
}

/// What a rule opens to whoever wants to come in.
fn opens(rule: &SecurityGroupRuleSpec) -> Option<(u16, &'static str)> {
    let world = rule.remote_cidr.is_none_or(|net| everybody(net.addr(), net.prefix_len()));
    if rule.direction != Direction::Ingress || rule.remote_group.is_some() || !world {
        return None;
    }
    let (low, high) = (rule.port_min.unwrap_or(0), rule.port_max.unwrap_or(u16::MAX));
    let protocol = rule.number();
    PRIVATE.iter().find(|(of, first, last, _)| {
        protocol.is_none_or(|protocol| protocol == *of) && low <= *last && *first <= high
    }).map(|(_, first, _, what)| ((*first).max(low), *what))
}

fn doors(world: &World) -> Result<BTreeMap<Id, Share>, String> {
    let mut count = Count::new(world)?;
    for rule in world.each::<SecurityGroupRule>()?.iter().filter(|have| !have.deleting) {
        count.one(&rule.domain, opens(&rule.spec).map(|(port, what)| {
            format!("rule {} (port {port}, {what})", rule.id)
        }));
    }
    for port in world.each::<Port>()?.iter().filter(|have| !have.deleting) {
        let off = !port.spec.port_security;
        count.one(&port.domain, off.then(|| format!("port {} (port security is off)", port.id)));
    }
    for network in world.each::<Network>()?.iter().filter(|have| !have.deleting) {
        // One that would make such ports; as it should be it is not counted among the ports.
        if !network.spec.port_security {
            let what = format!("network {} (port security is off)", network.id);
            count.one(&network.domain, Some(what));
        }
    }
    Ok(count.done())
}

/// The type of credentials that are a second factor. A passkey, two in one, is a kind of its own.
const FACTOR: &str = "totp";

/// Who manages an institution or a project of it, as pairs: somebody with five projects is one person.
pub(super) fn managing(world: &World) -> Result<BTreeSet<(Id, Id)>, String> {
    let (grants, groups) = (world.each::<Assignment>()?, world.each::<Membership>()?);
    let projects = world.each::<Project>()?;
    let homes: BTreeMap<&Id, &Id> = projects.iter().map(|have| (&have.id, &have.domain)).collect();
    let mut managing = BTreeSet::new();
    for grant in grants.iter().map(|have| &have.spec) {
        if grant.role != Grant::Role(Role::Manager) || !grant.holds(world.now) {
            continue;
        }
        let domain = match &grant.scope {
            Scoped::System => continue,
            Scoped::Domain(domain) => domain,
            Scoped::Project(project) => match homes.get(project) {
                Some(domain) => *domain,
                None => continue,
            },
        };
        match grant.of_group() {
            false => {
                managing.insert((domain.clone(), grant.user.clone()));
            }
            true => managing.extend(groups.iter().map(|have| &have.spec)
                .filter(|member| member.group == grant.group)
                .filter(|member| member.until.is_none_or(|until| until > world.now.0))
                .map(|member| (domain.clone(), member.user.clone()))),
        }
    }
    Ok(managing)
}

/// Who has a second factor.
pub(super) fn with_factor(world: &World) -> Result<BTreeSet<Id>, String> {
    let (credentials, keys) = (world.each::<Credential>()?, world.each::<Passkey>()?);
    Ok(credentials.iter().map(|have| &have.spec)
        .filter(|credential| credential.kind == FACTOR)
        .map(|credential| credential.user.clone())
        .chain(keys.iter().map(|have| have.spec.user.clone())).collect())
}

fn managers(world: &World) -> Result<BTreeMap<Id, Share>, String> {
    let (managing, with) = (managing(world)?, with_factor(world)?);
    let (people, mut count) = (world.each::<User>()?, Count::new(world)?);
    let people: BTreeMap<&Id, _> = people.iter().map(|have| (&have.id, &have.spec)).collect();
    for (domain, user) in &managing {
        // Who is known by a provider's word alone has his factors there.
        let counts = people.get(user).is_some_and(|user| user.enabled && user.federated.is_none());
        if counts {
            count.one(domain, (!with.contains(user)).then(|| format!("user {user}")));
        }
    }
    Ok(count.done())
}

/// Begins the tag that says what a project is for.
const PURPOSE: &str = "environment:";

fn projects(world: &World) -> Result<BTreeMap<Id, Share>, String> {
    let mut count = Count::new(world)?;
    for project in world.each::<Project>()?.iter().filter(|have| !have.deleting) {
        let says = project.spec.tags.iter().any(|tag| tag.starts_with(PURPOSE));
        count.one(&project.domain, (!says).then(|| format!("project {}", project.id)));
    }
    Ok(count.done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_who_is_not_somebody() {
        for (net, length, want) in [
            ("0.0.0.0", 0, true), ("128.0.0.0", 1, true), ("10.0.0.0", 8, false), ("::", 0, true),
            ("2001:db8::", 32, false), ("2000::", 3, true), ("::ffff:0:0", 96, true),
            ("::ffff:8000:0", 97, true), ("::ffff:a00:0", 104, false), ("::", 80, true),
            ("::1:0:0:0", 80, false), ("::ffff:a00:1", 128, false), ("::1", 128, false),
        ] {
            assert_eq!(everybody(net.parse().unwrap(), length), want, "{net}/{length}");
        }
    }
}
