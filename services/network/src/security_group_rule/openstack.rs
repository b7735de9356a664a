//! How a rule looks in Neutron.

use super::{SecurityGroupRule, SecurityGroupRuleSpec};
use crate::common::{self, Args, parse, put};
use ipnet::IpNet;
use jinyun_base::{Fault, Refusal};
use jinyun_engine::{Command, Failure, Have, Query};
use jinyun_rest::{Call, Shape, Words};
use serde_json::{Value, json};
use std::net::IpAddr;

/// A range, or one address.
fn range(text: &str) -> Result<IpNet, Failure> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Ok(IpNet::from(ip)),
        Err(_) => parse::<IpNet>("remote_ip_prefix", text, "a range like 10.0.0.0/24"),
    }
}

/// A name in any case or a number, as text or not; `any` is nothing.
fn protocol(words: &Words<'_>) -> Result<Option<String>, Failure> {
    match words.value("protocol") {
        None => Ok(None),
        Some(Value::Number(n)) => Ok(Some(n.to_string())),
        Some(Value::String(text)) => {
            let word = text.to_lowercase();
            Ok(if word.is_empty() || word == "any" { None } else { Some(word) })
        }
        Some(_) => Err(Refusal::invalid("protocol", "must be a name, a number or null").into()),
    }
}

/// One of two words.
fn either(words: &Words<'_>, name: &'static str, two: [&str; 2])
    -> Result<Option<String>, Failure> {
    let Some(text) = words.text(name)? else { return Ok(None) };
    match two.into_iter().find(|w| w.eq_ignore_ascii_case(&text)) {
        Some(word) => Ok(Some(word.into())),
        None => {
            let say = format!("must be {} or {}, not '{text}'", two[0], two[1]);
            Err(Refusal::invalid(name, say).into())
        }
    }
}

impl Shape for SecurityGroupRule {
    const ONE: &'static str = "security_group_rule";
    const MANY: &'static str = "security_group_rules";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("security_group_rule")?;
        words.only(&["security_group_id", "direction", "ethertype", "protocol", "port_range_min",
            "port_range_max", "remote_ip_prefix", "remote_group_id", "remote_address_group_id",
            "description", "project_id", "tenant_id"])?;
        common::unused(&words, &["remote_address_group_id"])?;
        let direction = either(&words, "direction", ["ingress", "egress"])?
            .ok_or_else(|| Refusal::invalid("direction", "is required: ingress or egress"))?;
        let ethertype = either(&words, "ethertype", ["IPv4", "IPv6"])?;
        let mut args = Args::new();
        args.insert("group".into(), words.need("security_group_id")?.into());
        args.insert("direction".into(), direction.into());
        args.insert("ethertype".into(), ethertype.unwrap_or_else(|| "IPv4".into()).into());
        put(&mut args, "protocol", protocol(&words)?);
        put(&mut args, "port_min", words.int("port_range_min", 0, 65_535)?);
        put(&mut args, "port_max", words.int("port_range_max", 0, 65_535)?);
        if let Some(text) = words.text("remote_ip_prefix")?.filter(|t| !t.is_empty()) {
            args.insert("remote_cidr".into(), json!(range(&text)?.trunc()));
        }
        put(&mut args, "remote_group", words.text("remote_group_id")?.filter(|t| !t.is_empty()));
        put(&mut args, "description", words.text("description")?);
        common::creation(call, &words, Self::action("create"), args)
    }

    /// There is no such route, nor a rule that would allow it.
    fn update(call: &Call<'_>, _: &Have<SecurityGroupRule>) -> Result<Command, Failure> {
        Ok(call.command(Self::action("update")))
    }

    fn show(have: &Have<SecurityGroupRule>, _: &Call<'_>) -> Result<Value, Fault> {
        Ok(rule_json(have))
    }

    fn query(call: &Call<'_>) -> Query {
        common::query(call, &[("security_group_id", "group")])
    }
}

/// A rule, alone and in its group.
pub(crate) fn rule_json(have: &Have<SecurityGroupRule>) -> Value {
    let spec: &SecurityGroupRuleSpec = &have.spec;
    common::shown(have, json!({
        "security_group_id": spec.group, "direction": spec.direction,
        "ethertype": spec.ethertype, "protocol": spec.protocol,
        "port_range_min": spec.port_min, "port_range_max": spec.port_max,
        "remote_ip_prefix": spec.remote_cidr, "remote_group_id": spec.remote_group,
        "remote_address_group_id": null, "description": spec.description,
    }))
}
