//! How a port looks in Neutron.

use super::{Port, PortSpec};
use crate::common::{self, Args, parse, put, wrong};
use jinyun_base::{Fault, Id, Refusal};
use jinyun_engine::{Command, Failure, Have, Query};
use jinyun_rest::{Call, Reply, Route, Shape, Words};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::Duration;

const CHANGEABLE: &[&str] = &["name", "description", "admin_state_up", "mac_address", "fixed_ips",
    "device_id", "device_owner", "security_groups", "port_security_enabled", "binding:vnic_type",
    "binding:host_id", "binding:profile", "allowed_address_pairs", "extra_dhcp_opts",
    "qos_policy_id", "dns_name", "dns_domain", "numa_affinity_policy", "device_profile",
    "data_plane_status"];
const ONCE: &[&str] = &["network_id", "tags", "project_id", "tenant_id"];
/// Known, and not offered.
const UNUSED: &[&str] = &["binding:host_id", "binding:profile", "allowed_address_pairs",
    "extra_dhcp_opts", "qos_policy_id", "dns_name", "dns_domain", "numa_affinity_policy",
    "device_profile", "data_plane_status", "tags"];

/// So often is looked whether a deleted port is gone, with this pause.
const LOOKS: u32 = 250;
const PAUSE: Duration = Duration::from_millis(20);

/// Entries of `fixed_ips`, each with a subnet, an address, or both.
fn fixed_ips(words: &Words<'_>) -> Result<Option<Value>, Failure> {
    let Some(items) = words.array("fixed_ips")? else { return Ok(None) };
    let mut asked = Vec::with_capacity(items.len());
    for item in items {
        let members = item.as_object()
            .ok_or_else(|| Refusal::invalid("fixed_ips", "must be an array of objects"))?;
        let entry = Words::new("fixed_ips", members);
        entry.only(&["subnet_id", "ip_address"])?;
        let mut one = Args::new();
        put(&mut one, "subnet", entry.text("subnet_id")?);
        if let Some(text) = entry.text("ip_address")? {
            let ip: Ipv4Addr = parse("ip_address", &text, "an IPv4 address")?;
            if ip.is_unspecified() {
                return Err(Refusal::invalid("ip_address", "must be a host's address").into());
            }
            one.insert("ip".into(), json!(ip));
        }
        if one.is_empty() {
            let say = "fixed_ips: IP allocation requires subnet_id or ip_address.";
            return Err(wrong("fixed_ips", say));
        }
        asked.push(Value::Object(one));
    }
    Ok(Some(asked.into()))
}

fn args(words: &Words<'_>) -> Result<Args, Failure> {
    common::unused(words, UNUSED)?;
    if words.text("binding:vnic_type")?.is_some_and(|t| t != "normal") {
        return Err(Refusal::invalid("binding:vnic_type", "must be normal").into());
    }
    let mut args = common::plain(words)?;
    put(&mut args, "mac", words.text("mac_address")?.map(|m| m.to_lowercase()));
    put(&mut args, "device_id", words.text("device_id")?);
    put(&mut args, "device_owner", words.text("device_owner")?);
    put(&mut args, "port_security", words.flag("port_security_enabled")?);
    put(&mut args, "fixed_ips", fixed_ips(words)?);
    if let Some(mut groups) = words.texts("security_groups")? {
        groups.sort();
        groups.dedup();
        args.insert("security_groups".into(), json!(groups));
    }
    Ok(args)
}

impl Shape for Port {
    const ONE: &'static str = "port";
    const MANY: &'static str = "ports";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("port")?;
        words.only(&[CHANGEABLE, ONCE].concat())?;
        let mut args = args(&words)?;
        args.insert("network".into(), words.need("network_id")?.into());
        if words.array("fixed_ips")?.is_some_and(Vec::is_empty) {
            let say = "must not be empty in a new port: leave it out, or take the addresses away \
                       later";
            return Err(Refusal::invalid("fixed_ips", say).into());
        }
        common::creation(call, &words, Self::action("create"), args)
    }

    fn update(call: &Call<'_>, _: &Have<Port>) -> Result<Command, Failure> {
        let words = call.words("port")?;
        words.only(CHANGEABLE)?;
        common::change(call, Self::action("update"), args(&words)?)
    }

    fn show(have: &Have<Port>, _: &Call<'_>) -> Result<Value, Fault> {
        let spec: &PortSpec = &have.spec;
        let fixed_ips: Vec<Value> = spec.fixed_ips.iter()
            .map(|f| json!({ "subnet_id": f.subnet, "ip_address": f.ip })).collect();
        let status = if have.phase.is_empty() { "DOWN" } else { have.phase.as_str() };
        Ok(common::shown(have, json!({
            "name": spec.name, "description": spec.description, "network_id": spec.network,
            "mac_address": spec.mac, "fixed_ips": fixed_ips, "status": status,
            "security_groups": spec.security_groups, "admin_state_up": spec.admin_state_up,
            "device_id": spec.device_id, "device_owner": spec.device_owner,
            "port_security_enabled": spec.port_security, "binding:vnic_type": "normal",
            "allowed_address_pairs": [], "extra_dhcp_opts": [],
        })))
    }

    fn query(call: &Call<'_>) -> Query {
        common::query(call, &[
            ("network_id", "network"),
            ("device_id", "device_id"),
            ("security_groups", "security_group"),
        ])
    }
}

/// Deletes and waits a while for the port to be gone: clients delete a port and then, at once, its
/// subnet and network, and take 204 for "it is gone". A host that does not answer cannot hold the
/// call longer than that; then the port goes when the host is back.
fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    let id = Id::new(call.param("id"));
    call.run(call.command(Port::action("delete")).on(id.clone()))?;
    for _ in 0..LOOKS {
        if call.view(|v| v.get::<Port>(&id))?.is_none() {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(Reply::empty(204))
}

/// What is beyond the plain operations.
pub fn routes() -> Vec<Route> {
    vec![Route::new("DELETE", "/v2.0/ports/{id}", Port::action("delete"), delete)]
}
