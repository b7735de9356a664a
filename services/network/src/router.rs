//! Routers: which subnets are joined.
//!
//! An interface is a member of the router, not a port: a network's gateway address and MAC are the
//! same on every port, so a router has nothing of its own in a subnet that could be taken or
//! spoofed. Its `port_id` is made once, kept and shown, for clients that remember it; there is no
//! port of that id. A subnet is joined by one router at most: it has one gateway.

use crate::address;
use crate::common::{self, Args, wrong};
use crate::network::yes;
use crate::subnet::Subnet;
use ipnet::Ipv4Net;
use jinyun_base::{Fault, Id, Kind, Refusal, Refused, check_name};
use jinyun_engine::{
    Claim, Command, Cost, Ctx, Failure, Have, Link, OnDelete, Place, Query, Resource, View,
};
use jinyun_rest::{Call, Reply, Route, Shape, Words};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub struct Router;

/// The space of claims for joined subnets.
pub(crate) const JOINED: &str = "router-subnet";

/// What a router is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouterSpec {
    /// Need not be unique.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Off: it joins nothing.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// What it joins.
    #[serde(default)]
    pub interfaces: Vec<Interface>,
}

/// A joined subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Subnet.
    pub subnet: Id,
    /// Its network.
    pub network: Id,
    /// What the protocol calls the interface's port.
    pub port: Id,
}

impl Resource for Router {
    const SERVICE: &'static str = "network";
    const KIND: Kind = Kind("router");
    type Spec = RouterSpec;
    type Status = ();

    fn name(spec: &RouterSpec) -> &str {
        &spec.name
    }

    fn check(new: &RouterSpec, old: Option<&RouterSpec>, at: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        check_name("name", &new.name)?;
        check_name("description", &new.description)?;
        let before = old.map(|o| o.interfaces.as_slice()).unwrap_or_default();
        let mut joined: Vec<(&Id, Ipv4Net)> = Vec::new();
        for interface in &new.interfaces {
            let subnet = common::own::<Subnet>(view, &interface.subnet, &at.project)?;
            let cidr = subnet.spec.cidr;
            if subnet.spec.gateway.is_none() && !before.contains(interface) {
                let say = format!("Subnet {} for router interface must have a gateway IP: set \
                    its gateway_ip.", subnet.id);
                return Err(wrong("subnet_id", say));
            }
            if let Some((other, range)) = joined.iter().find(|(_, r)| address::overlap(r, &cidr)) {
                return Err(wrong("subnet_id", format!(
                    "Cidr {cidr} of subnet {} overlaps with cidr {range} of subnet {other}.",
                    subnet.id
                )));
            }
            joined.push((&interface.subnet, cidr));
        }
        Ok(())
    }

    fn claims(spec: &RouterSpec, _: &Place) -> Vec<Claim> {
        spec.interfaces.iter().map(|i| Claim {
            space: JOINED.into(),
            word: i.subnet.to_string(),
            taken: format!("Subnet {} is joined by another router already.", i.subnet),
        }).collect()
    }

    fn links(spec: &RouterSpec) -> Vec<Link> {
        spec.interfaces.iter().map(|i| Link {
            role: "interface",
            kind: "subnet",
            id: i.subnet.clone(),
            on_delete: OnDelete::Refuse,
        }).collect()
    }

    fn cost(_: &RouterSpec) -> Vec<Cost> {
        vec![Cost { item: "router", amount: 1 }]
    }

    fn fields(spec: &RouterSpec) -> Vec<(&'static str, String)> {
        spec.interfaces.iter().map(|i| ("network", i.network.to_string())).collect()
    }

    fn keep(have: &Have<Router>, _: &mut View<'_>) -> Result<(), Failure> {
        match have.spec.interfaces.len() {
            0 => Ok(()),
            n => Err(Refusal::conflict(format!(
                "Router {} still has {n} interface(s): remove its subnets first.", have.id
            )).into()),
        }
    }
}

/// What adding and removing an interface answers.
fn told(router: &Have<Router>, interface: &Interface) -> Value {
    json!({
        "id": router.id, "project_id": router.project, "tenant_id": router.project,
        "port_id": interface.port, "network_id": interface.network,
        "subnet_id": interface.subnet, "subnet_ids": [interface.subnet],
    })
}

fn word<'a>(command: &'a Command, name: &str) -> Option<&'a str> {
    command.args.get(name).and_then(Value::as_str)
}

/// Joins a subnet.
pub(crate) fn add_interface(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let router = ctx.get::<Router>(&common::target(command)?)?;
    let named = word(command, "subnet").map(Id::new)
        .ok_or_else(|| Refusal::invalid("subnet_id", "is required"))?;
    let subnet = common::own::<Subnet>(&mut ctx.view(), &named, &router.project)?;
    if router.spec.interfaces.iter().any(|i| i.subnet == subnet.id) {
        let say = format!("Router already has a port on subnet {}.", subnet.id);
        return Err(wrong("subnet_id", say));
    }
    let port = Id::uuid(ctx.dice());
    let interface = Interface { subnet: subnet.id, network: subnet.spec.network, port };
    let answer = told(&router, &interface);
    ctx.change::<Router>(&router.id, None, |spec| {
        spec.interfaces.push(interface);
        Ok(())
    })?;
    Ok(answer)
}

/// Parts a subnet, named by itself or by the interface's `port_id`.
pub(crate) fn remove_interface(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let router = ctx.get::<Router>(&common::target(command)?)?;
    let (subnet, port) = (word(command, "subnet"), word(command, "port"));
    if subnet.is_none() && port.is_none() {
        return Err(Refusal::invalid("subnet_id", "is required").into());
    }
    let found = router.spec.interfaces.iter().find(|i| {
        subnet.is_none_or(|s| s == i.subnet.as_str()) && port.is_none_or(|p| p == i.port.as_str())
    });
    let say = || Refusal::new(Refused::NotFound, format!(
        "Router {} has no interface on subnet {}", router.id, subnet.or(port).unwrap_or_default()
    ));
    let gone = found.ok_or_else(say)?;
    ctx.change::<Router>(&router.id, None, |spec| {
        spec.interfaces.retain(|i| i != gone);
        Ok(())
    })?;
    Ok(told(&router, gone))
}

const MEMBERS: &[&str] = &["name", "description", "admin_state_up", "external_gateway_info",
    "routes", "ha", "distributed", "availability_zone_hints", "flavor_id", "enable_ndp_proxy"];
const ONCE: &[&str] = &["project_id", "tenant_id"];
/// Known, and not offered.
const UNUSED: &[&str] = &["routes", "ha", "distributed", "availability_zone_hints", "flavor_id",
    "enable_ndp_proxy"];

fn args(words: &Words<'_>) -> Result<Args, Failure> {
    common::unused(words, UNUSED)?;
    let gateway = words.object("external_gateway_info")?;
    if gateway.is_some_and(|g| g.names().next().is_some()) {
        let say = "must be null: floating addresses and gateways are not offered yet";
        return Err(Refusal::invalid("external_gateway_info", say).into());
    }
    common::plain(words)
}

impl Shape for Router {
    const ONE: &'static str = "router";
    const MANY: &'static str = "routers";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("router")?;
        words.only(&[MEMBERS, ONCE].concat())?;
        common::creation(call, &words, Self::action("create"), args(&words)?)
    }

    fn update(call: &Call<'_>, _: &Have<Router>) -> Result<Command, Failure> {
        let words = call.words("router")?;
        words.only(MEMBERS)?;
        common::change(call, Self::action("update"), args(&words)?)
    }

    fn show(have: &Have<Router>, _: &Call<'_>) -> Result<Value, Fault> {
        Ok(common::shown(have, json!({
            "name": have.spec.name, "description": have.spec.description, "status": "ACTIVE",
            "admin_state_up": have.spec.admin_state_up, "external_gateway_info": null,
            "routes": [], "flavor_id": null, "availability_zones": [],
            "availability_zone_hints": [],
        })))
    }

    fn query(call: &Call<'_>) -> Query {
        common::query(call, &[])
    }
}

/// The body of both calls has no envelope: `{"subnet_id": ".."}`.
fn interface(call: &Call<'_>, action: &str) -> Result<Reply, Failure> {
    let members = call.body.as_object()
        .ok_or_else(|| Refusal::invalid("subnet_id", "is required, in a JSON object"))?;
    let words = Words::new("router", members);
    words.only(&["subnet_id", "port_id"])?;
    let (subnet, port) = (words.text("subnet_id")?, words.text("port_id")?);
    if action == "add_interface" && port.is_some() {
        let say = "is not offered: add the interface by subnet_id";
        return Err(Refusal::invalid("port_id", say).into());
    }
    let command = call.command(Router::action(action)).on(call.param("id"))
        .with(json!({ "subnet": subnet, "port": port }));
    Ok(Reply::ok(call.run(command)?.value))
}

/// What is beyond the plain operations.
pub fn routes() -> Vec<Route> {
    [("add_router_interface", "add_interface"), ("remove_router_interface", "remove_interface")]
        .into_iter()
        .map(|(path, action)| {
            Route::new("PUT", format!("/v2.0/routers/{{id}}/{path}"), Router::action(action),
                move |call| interface(call, action))
        }).collect()
}
