//! Subnets: IPv4 ranges of a network, with a gateway, pools and what DHCP tells.
//!
//! The gateway's address is claimed by the subnet itself, as a port's is by the port: so no port
//! can take it and it can move to no port's address. A subnet goes with its network.

use crate::address::{self, Pool};
use crate::common::{self, Args, parse, put, wrong};
use crate::network::{Network, yes};
use ipnet::Ipv4Net;
use jinyun_base::{Entropy, Fault, Id, Kind, Refusal, check_name};
use jinyun_engine::{
    Claim, Command, Cost, Failure, Have, Link, OnDelete, Place, Query, Resource, View,
};
use jinyun_rest::{Call, Shape, Words};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// The kind.
pub struct Subnet;

/// Most name servers, as in Neutron.
const MAX_DNS: usize = 5;
/// Most routes, as in Neutron.
const MAX_ROUTES: usize = 20;

/// What a subnet is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubnetSpec {
    /// Need not be unique.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Its network, for ever.
    pub network: Id,
    /// Its range, for ever.
    pub cidr: Ipv4Net,
    /// The way out; none for a subnet without. Left out of a new one: the first address.
    #[serde(default = "first")]
    pub gateway: Option<Ipv4Addr>,
    /// Where addresses are drawn from. Empty in a new one: all but the gateway.
    #[serde(default)]
    pub pools: Vec<Pool>,
    /// Answer DHCP.
    #[serde(default = "yes")]
    pub dhcp: bool,
    /// Name servers to announce; ours where empty.
    #[serde(default)]
    pub dns: Vec<Ipv4Addr>,
    /// Routes to announce.
    #[serde(default)]
    pub host_routes: Vec<HostRoute>,
}

/// A route that DHCP announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRoute {
    /// Where to.
    pub destination: Ipv4Net,
    /// By which neighbour.
    pub nexthop: Ipv4Addr,
}

/// "Choose one": replaced in [`Subnet::fill`], never stored.
fn first() -> Option<Ipv4Addr> {
    Some(Ipv4Addr::UNSPECIFIED)
}

impl Resource for Subnet {
    const SERVICE: &'static str = "network";
    const KIND: Kind = Kind("subnet");
    type Spec = SubnetSpec;
    type Status = ();

    fn name(spec: &SubnetSpec) -> &str {
        &spec.name
    }

    fn fill(new: &mut SubnetSpec, _: &Place, _: &mut View<'_>, _: &mut dyn Entropy)
        -> Result<(), Failure> {
        new.cidr = new.cidr.trunc();
        check_range(&new.cidr)?;
        if new.gateway == first() {
            new.gateway = Some(Pool::hosts(&new.cidr).start);
        }
        if new.pools.is_empty() {
            new.pools = address::default_pools(&new.cidr, new.gateway);
        }
        Ok(())
    }

    fn check(new: &SubnetSpec, old: Option<&SubnetSpec>, at: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        check_name("name", &new.name)?;
        check_name("description", &new.description)?;
        check_gateway_and_pools(new)?;
        if new.dns.len() > MAX_DNS {
            let say = format!("has more than {MAX_DNS} entries");
            return Err(Refusal::invalid("dns_nameservers", say).into());
        }
        if new.host_routes.len() > MAX_ROUTES {
            let say = format!("has more than {MAX_ROUTES} entries");
            return Err(Refusal::invalid("host_routes", say).into());
        }
        match old {
            None => check_place(new, at, view),
            Some(old) if (&old.network, &old.cidr) != (&new.network, &new.cidr) => {
                Err(Refusal::invalid("cidr", "cannot be changed: make another subnet").into())
            }
            Some(_) if new.gateway.is_none() => {
                match view.claimed(crate::router::JOINED, at.id.as_str())? {
                    Some((_, router)) => Err(Refusal::conflict(format!(
                        "gateway_ip of subnet {} is in use by router {router}: remove its \
                         interface first", at.id
                    )).into()),
                    None => Ok(()),
                }
            }
            Some(_) => Ok(()),
        }
    }

    fn claims(spec: &SubnetSpec, at: &Place) -> Vec<Claim> {
        spec.gateway.iter().map(|gateway| Claim {
            space: address::SPACE.into(),
            word: address::word(&at.id, *gateway),
            taken: format!("gateway_ip {gateway} is in use by a port of subnet {}", at.id),
        }).collect()
    }

    fn links(spec: &SubnetSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        vec![Link { role: "network", kind: "network", id: spec.network.clone(), on_delete }]
    }

    fn cost(_: &SubnetSpec) -> Vec<Cost> {
        vec![Cost { item: "subnet", amount: 1 }]
    }

    fn fields(spec: &SubnetSpec) -> Vec<(&'static str, String)> {
        vec![("network", spec.network.to_string())]
    }
}

/// Ranges that hosts can have. 169.254.0.0/16 carries the metadata service and the routers' links.
fn check_range(cidr: &Ipv4Net) -> Result<(), Refusal> {
    let (ip, bad) = (cidr.network(), |say: &str| Err(Refusal::invalid("cidr", say)));
    if !(8..=30).contains(&cidr.prefix_len()) {
        return bad("must have a prefix from /8 to /30");
    }
    if ip.is_loopback() || ip.is_link_local() || ip.octets()[0] == 0 || ip.octets()[0] >= 224
        || cidr.contains(&Ipv4Addr::new(169, 254, 0, 0))
    {
        return bad("must be a range of host addresses: not 0/8, 127/8, 169.254/16 or 224/3");
    }
    Ok(())
}

fn check_gateway_and_pools(new: &SubnetSpec) -> Result<(), Failure> {
    let hosts = Pool::hosts(&new.cidr);
    if let Some(gateway) = new.gateway
        && !hosts.contains(gateway)
    {
        let say = format!("{gateway} is not a host's address of {}", new.cidr);
        return Err(Refusal::invalid("gateway_ip", say).into());
    }
    for (i, pool) in new.pools.iter().enumerate() {
        let named = format!("allocation_pools: {}-{}", pool.start, pool.end);
        if pool.start > pool.end {
            return Err(wrong("allocation_pools", format!("{named} ends before it starts.")));
        }
        if !hosts.contains(pool.start) || !hosts.contains(pool.end) {
            let say = format!("{named} is not within the hosts of {}.", new.cidr);
            return Err(Refusal::conflict(say).into());
        }
        if let Some(gateway) = new.gateway.filter(|g| pool.contains(*g)) {
            let say = format!("Gateway ip {gateway} conflicts with {named}.");
            return Err(Refusal::conflict(say).into());
        }
        if let Some(other) = new.pools.iter().take(i).find(|o| o.overlaps(pool)) {
            let say = format!("{named} overlaps {}-{}.", other.start, other.end);
            return Err(Refusal::conflict(say).into());
        }
    }
    Ok(())
}

fn check_place(new: &SubnetSpec, at: &Place, view: &mut View<'_>) -> Result<(), Failure> {
    common::own::<Network>(view, &new.network, &at.project)?;
    let others = view.list::<Subnet>(&Query::field("network", &new.network))?;
    match others.iter().find(|o| address::overlap(&o.spec.cidr, &new.cidr)) {
        None => Ok(()),
        Some(other) => Err(wrong("cidr", format!(
            "Requested subnet with cidr: {} for network: {} overlaps with another subnet: {} ({}).",
            new.cidr, new.network, other.id, other.spec.cidr
        ))),
    }
}

const CHANGEABLE: &[&str] = &["name", "description", "gateway_ip", "allocation_pools",
    "enable_dhcp", "dns_nameservers", "host_routes", "service_types", "segment_id",
    "dns_publish_fixed_ip"];
const ONCE: &[&str] = &["network_id", "cidr", "ip_version", "subnetpool_id", "prefixlen",
    "use_default_subnetpool", "ipv6_address_mode", "ipv6_ra_mode", "project_id", "tenant_id"];
/// Known, and not offered.
const UNUSED: &[&str] = &["service_types", "segment_id", "dns_publish_fixed_ip", "subnetpool_id",
    "prefixlen", "use_default_subnetpool", "ipv6_address_mode", "ipv6_ra_mode"];

/// A member of an object in a list, read from text.
fn part<T: std::str::FromStr>(list: &str, item: &Value, name: &str, what: &str)
    -> Result<T, Failure> {
    let text = item.get(name).and_then(Value::as_str);
    let say = || wrong(list, format!("{list}: each entry needs `{name}`, {what}."));
    parse(list, text.ok_or_else(say)?, what)
}

fn args(words: &Words<'_>) -> Result<Args, Failure> {
    const IP: &str = "an IPv4 address";
    common::unused(words, UNUSED)?;
    let mut args = Args::new();
    put(&mut args, "name", words.text("name")?);
    put(&mut args, "description", words.text("description")?);
    put(&mut args, "dhcp", words.flag("enable_dhcp")?);
    if words.has("gateway_ip") {
        let gateway = words.text("gateway_ip")?;
        let gateway = gateway.map(|g| parse::<Ipv4Addr>("gateway_ip", &g, IP)).transpose()?;
        if gateway.is_some_and(|g| g.is_unspecified()) {
            return Err(Refusal::invalid("gateway_ip", "is no host's address").into());
        }
        args.insert("gateway".into(), json!(gateway));
    }
    if let Some(items) = words.array("allocation_pools")? {
        let pools: Result<Vec<Pool>, Failure> = items.iter().map(|i| Ok(Pool {
            start: part("allocation_pools", i, "start", IP)?,
            end: part("allocation_pools", i, "end", IP)?,
        })).collect();
        args.insert("pools".into(), json!(pools?));
    }
    if let Some(servers) = words.texts("dns_nameservers")? {
        let servers: Result<Vec<Ipv4Addr>, Failure> =
            servers.iter().map(|s| parse("dns_nameservers", s, IP)).collect();
        args.insert("dns".into(), json!(servers?));
    }
    if let Some(items) = words.array("host_routes")? {
        let routes: Result<Vec<HostRoute>, Failure> = items.iter().map(|i| Ok(HostRoute {
            destination: part::<Ipv4Net>("host_routes", i, "destination", "an IPv4 range")?
                .trunc(),
            nexthop: part("host_routes", i, "nexthop", IP)?,
        })).collect();
        args.insert("host_routes".into(), json!(routes?));
    }
    Ok(args)
}

impl Shape for Subnet {
    const ONE: &'static str = "subnet";
    const MANY: &'static str = "subnets";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("subnet")?;
        words.only(&[CHANGEABLE, ONCE].concat())?;
        if words.int("ip_version", 0, 99)?.is_some_and(|v| v != 4) {
            let say = "must be 4: networks carry IPv4 only";
            return Err(Refusal::invalid("ip_version", say).into());
        }
        let mut args = args(&words)?;
        args.insert("network".into(), words.need("network_id")?.into());
        let cidr: Ipv4Net =
            parse("cidr", &words.need("cidr")?, "an IPv4 range like 10.0.0.0/24")?;
        args.insert("cidr".into(), json!(cidr.trunc()));
        common::creation(call, &words, Self::action("create"), args)
    }

    fn update(call: &Call<'_>, _: &Have<Subnet>) -> Result<Command, Failure> {
        let words = call.words("subnet")?;
        words.only(CHANGEABLE)?;
        common::change(call, Self::action("update"), args(&words)?)
    }

    fn show(have: &Have<Subnet>, _: &Call<'_>) -> Result<Value, Fault> {
        let spec = &have.spec;
        Ok(common::shown(have, json!({
            "name": spec.name, "description": spec.description, "network_id": spec.network,
            "ip_version": 4, "cidr": spec.cidr, "gateway_ip": spec.gateway,
            "allocation_pools": spec.pools, "enable_dhcp": spec.dhcp,
            "dns_nameservers": spec.dns, "host_routes": spec.host_routes,
            "ipv6_address_mode": null, "ipv6_ra_mode": null, "subnetpool_id": null,
            "segment_id": null, "service_types": [], "dns_publish_fixed_ip": false,
        })))
    }

    fn query(call: &Call<'_>) -> Query {
        common::query(call, &[("network_id", "network")])
    }
}
