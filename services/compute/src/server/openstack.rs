//! Nova 2.1's operations on servers.

use super::ask;
use super::password::{self, PASSWORD};
use super::show::{self, Names, Words as Stage};
use super::{Server, ServerSpec};
use crate::list;
use jinyun_base::{Fault, Id, OsEntropy, Refusal, Refused, Secret, Time};
use jinyun_engine::{Failure, Have, Query};
use jinyun_kms::Kms;
use jinyun_rest::{Call, Reply, Route};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Asks a host for the last lines of a server's console (all if `None`): host, server, lines.
pub type Console =
    Arc<dyn Fn(&str, &str, Option<u32>) -> Result<String, Failure> + Send + Sync>;

const ALL: &str = "/v2.1/servers";
const ONE: &str = "/v2.1/servers/{id}";

/// Refuses through the reader, so that the denial is journaled.
fn denied(call: &Call<'_>, say: &str) -> Failure {
    let asked = call.command("compute:server:list");
    call.cloud.reader.deny(&asked, Refusal::new(Refused::Forbidden, say))
}

/// Nova's `name` and `ip` are patterns. We offer what clients use of them: a part of the text, held
/// to its beginning by `^` and to its end by `$`, dots literal or escaped.
fn fits(text: &str, pattern: &str) -> bool {
    let pattern = pattern.replace("\\.", ".").replace(".*", "");
    let (pattern, begins) = match pattern.strip_prefix('^') {
        Some(rest) => (rest, true),
        None => (pattern.as_str(), false),
    };
    match (pattern.strip_suffix('$'), begins) {
        (Some(word), true) => text == word,
        (Some(word), false) => text.ends_with(word),
        (None, true) => text.starts_with(pattern),
        (None, false) => text.contains(pattern),
    }
}

/// What can be told from the record alone.
fn matches(have: &Have<Server>, call: &Call<'_>, since: Option<Time>) -> bool {
    let spec: &ServerSpec = &have.spec;
    let is = |name: &str, value: &str| call.ask(name).is_none_or(|asked| asked == value);
    let stage = Stage::of(have);
    is("image", spec.image.as_str())
        && is("flavor", spec.flavor.id.as_str())
        && is("uuid", have.id.as_str())
        && is("key_name", &spec.key_name)
        && is("user_id", spec.user.as_str())
        && is("vm_state", stage.vm)
        && is("task_state", stage.task.unwrap_or_default())
        && is("power_state", &stage.power.to_string())
        && call.ask("status").is_none_or(|asked| asked.eq_ignore_ascii_case(stage.status))
        && call.ask("name").is_none_or(|pattern| fits(&spec.name, pattern))
        && since.is_none_or(|since| have.updated.max(have.phase_since) >= since)
}

fn time(call: &Call<'_>, name: &str) -> Result<Option<Time>, Failure> {
    let Some(text) = call.ask(name) else { return Ok(None) };
    // Without a zone it is UTC.
    let time = Time::parse(text).or_else(|| Time::parse(&format!("{text}Z")));
    let say = format!("must be a time like 2026-01-31T08:00:00Z, not {text}");
    Ok(Some(time.ok_or_else(|| Refusal::invalid(name, say))?))
}

/// Up to so many servers' ports are read one by one.
const FEW: usize = 8;

fn many(call: &Call<'_>, detail: bool) -> Result<Reply, Failure> {
    let asks = |name: &str| {
        call.ask(name).is_some_and(|w| !["", "0", "false"].contains(&w.to_lowercase().as_str()))
    };
    if asks("all_tenants") || asks("all_projects") {
        let say = "Nobody lists the servers of all projects: leave all_tenants out.";
        return Err(denied(call, say));
    }
    let since = time(call, "changes-since")?;
    let project = call.actor.project().cloned().unwrap_or_else(|| Id::new(""));
    let mut found = call.list::<Server>(&Query::project(&project))?;
    found.retain(|have| matches(have, call, since));
    if let Some(pattern) = call.ask("ip") {
        let ports = |have: &Have<Server>| call.view(|view| show::ports(have, view));
        let mut kept = Vec::with_capacity(found.len());
        for have in found {
            let addresses = ports(&have)?.into_iter().flat_map(|port| port.spec.fixed_ips);
            if addresses.into_iter().any(|fixed| fits(&fixed.ip.to_string(), pattern)) {
                kept.push(have);
            }
        }
        found = kept;
    }
    found.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    let path = if detail { "servers/detail" } else { "servers" };
    let page = list::page(found, |have| have.id.clone(), call, path)?;
    if !detail {
        return Ok(page.reply("servers", |have| show::brief(have, call)));
    }
    let shown: Vec<Value> = call.view(|view| {
        let mut names = match page.items().len() {
            0..=FEW => Names::default(),
            _ => Names::of_project(view, &project)?,
        };
        page.items().iter().map(|have| show::full(have, call, view, &mut names)).collect()
    })?;
    Ok(page.shown("servers", shown))
}

fn one(call: &Call<'_>, have: &Have<Server>) -> Result<Reply, Failure> {
    let shown = call.view(|view| show::full(have, call, view, &mut Names::default()))?;
    Ok(Reply::ok(json!({ "server": shown })))
}

/// A password that the platform makes for a server that is there: kept sealed, and shown once. What
/// was created by an approval has none, since nobody would be shown it. One that cannot be kept is
/// none, and on record: the server is there, and whoever hears otherwise makes a second one.
fn made_password(call: &Call<'_>, kms: &Kms, id: &Id) -> Option<Secret<String>> {
    let made = password::random(&mut OsEntropy::default());
    let kept = password::seal(kms, id, &made).map_err(Failure::from)
        .and_then(|sealed| call.run(password::keep(&call.request, id, sealed)));
    match kept {
        Ok(_) => Some(made),
        // The engine has put it on record.
        Err(Failure::Refused(_)) => None,
        Err(Failure::Fault(fault)) => {
            let say = format!("the password of server {id} is not kept, its guest has none: {fault}");
            let asked = password::keeping(&call.request, id);
            drop(call.cloud.reader.deny(&asked, Refusal::conflict(say)));
            None
        }
    }
}

fn create(call: &Call<'_>, kms: &Kms) -> Result<Reply, Failure> {
    for hints in ["os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"] {
        if call.body.get(hints).and_then(Value::as_object).is_some_and(|h| !h.is_empty()) {
            return Err(Refusal::invalid(hints, "are not offered: leave them out").into());
        }
    }
    let ask::Asked { mut ask, user_data, password } = ask::read(&call.words("server")?)?;
    let mut command = call.command("compute:server:create");
    if let Some(bytes) = user_data {
        command = command.secret("user_data", bytes);
    }
    if let Some(given) = &password {
        // Sealed before it goes on, for the server that is to be.
        let id = Id::uuid(&mut OsEntropy::default());
        command = command.secret(PASSWORD, password::seal(kms, &id, given)?);
        ask.id = Some(id);
    }
    let args = serde_json::to_value(&ask)
        .map_err(|e| Fault::new(format!("encoding what was asked: {e}")))?;
    let answer = call.run(command.with(args))?;
    let id: Id = answer.value.get("id").and_then(Value::as_str).unwrap_or_default().into();
    let password = password.or_else(|| made_password(call, kms, &id));
    let have = call.again::<Server>(&id)?;
    let full = call.view(|view| show::full(&have, call, view, &mut Names::default()))?;
    let mut server = json!({
        "id": id,
        "links": list::self_links(call, "servers", &id),
        "OS-DCF:diskConfig": "MANUAL",
    });
    if let Some(password) = &password {
        server["adminPass"] = json!(password.expose());
    }
    if let Some(groups) = full.get("security_groups") {
        server["security_groups"] = groups.clone();
    }
    let at = format!("{}/v2.1/servers/{id}", call.base);
    Ok(Reply::with(202, json!({ "server": server })).header("location", at))
}

fn update(call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("server")?;
    words.only(&["name", "accessIPv4", "accessIPv6", "OS-DCF:diskConfig"])?;
    for member in ["accessIPv4", "accessIPv6"] {
        if words.value(member).is_some_and(|v| v.as_str() != Some("")) {
            return Err(Refusal::invalid(member, "is not offered: leave it out").into());
        }
    }
    let have = call.show::<Server>(call.param("id"))?;
    let mut args = Map::new();
    if let Some(name) = words.text("name")? {
        args.insert("name".into(), name.trim().into());
    }
    let command = call.command("compute:server:update").with(Value::Object(args));
    call.run(command.on(have.id.clone()))?;
    one(call, &call.again::<Server>(&have.id)?)
}

fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    call.run(call.command("compute:server:delete").on(call.param("id")))?;
    Ok(Reply::empty(204))
}

/// `{"os-start": null}`: one member that names the action.
fn act(call: &Call<'_>, console: &Console) -> Result<Reply, Failure> {
    let say = "must be an object with one member, the action's name";
    let wrong = || Failure::from(Refusal::invalid("body", say));
    let members = call.body.as_object().filter(|m| m.len() == 1).ok_or_else(wrong)?;
    let (action, words) = members.iter().next().ok_or_else(wrong)?;
    let id = call.param("id");
    match action.as_str() {
        "os-start" => call.run(call.command("compute:server:start").on(id))?,
        "os-stop" => call.run(call.command("compute:server:stop").on(id))?,
        "os-getConsoleOutput" => return output(call, words, console),
        other => {
            // Whoever may not see the server does not learn what is offered for it.
            call.show::<Server>(id)?;
            let other: String = other.chars().take(60).collect();
            return Err(Refusal::new(Refused::NotOffered, format!(
                "The action {other} is not offered. Offered are os-start, os-stop and \
                 os-getConsoleOutput."
            )).into());
        }
    };
    Ok(Reply::empty(202))
}

fn output(call: &Call<'_>, words: &Value, console: &Console) -> Result<Reply, Failure> {
    let asked = call.command("compute:server:console").on(call.param("id"));
    let have: Have<Server> = call.cloud.reader.show(&asked)?;
    let members = match words {
        Value::Null => serde_json::Map::new(),
        Value::Object(members) => members.clone(),
        _ => {
            let say = "must be an object or null";
            return Err(Refusal::invalid("os-getConsoleOutput", say).into());
        }
    };
    jinyun_rest::Words::new("os-getConsoleOutput", &members).only(&["length"])?;
    let lines = match members.get("length") {
        None | Some(Value::Null) => None,
        Some(length) => {
            let n = length.as_i64().or_else(|| length.as_str().and_then(|t| t.parse().ok()));
            let say = || Refusal::invalid("length", "must be a whole number, -1 for all lines");
            match n.ok_or_else(say)? {
                -1 => None,
                n => Some(u32::try_from(n).map_err(|_| say())?),
            }
        }
    };
    if have.spec.host.is_empty() {
        let say = format!("Instance {} is not on a host yet: it has no console.", have.id);
        return Err(Refusal::conflict(say).into());
    }
    let text = console(&have.spec.host, have.id.as_str(), lines)?;
    Ok(Reply::ok(json!({ "output": text })))
}

fn interfaces(call: &Call<'_>) -> Result<Reply, Failure> {
    let have = call.show::<Server>(call.param("id"))?;
    let ports = call.view(|view| show::ports(&have, view))?;
    let shown: Vec<Value> = ports.iter().map(|port| {
        let ips: Vec<Value> = port.spec.fixed_ips.iter().map(|fixed| json!({
            "subnet_id": fixed.subnet,
            "ip_address": fixed.ip.to_string(),
        })).collect();
        json!({
            "port_id": port.id,
            "net_id": port.spec.network,
            "mac_addr": port.spec.mac,
            "port_state": if port.phase == "ACTIVE" { "ACTIVE" } else { "DOWN" },
            "fixed_ips": ips,
        })
    }).collect();
    Ok(Reply::ok(json!({ "interfaceAttachments": shown })))
}

fn attachments(call: &Call<'_>) -> Result<Reply, Failure> {
    let have = call.show::<Server>(call.param("id"))?;
    let shown: Vec<Value> = have.spec.volumes.iter().map(|attached| json!({
        "id": attached.id,
        "volumeId": attached.id,
        "serverId": have.id,
        "device": attached.device,
    })).collect();
    Ok(Reply::ok(json!({ "volumeAttachments": shown })))
}

/// The operations.
pub(crate) fn routes(console: Console, kms: Arc<Kms>) -> Vec<Route> {
    let (list, show) = ("compute:server:list", "compute:server:show");
    let below = |word: &str| format!("{ONE}/{word}");
    vec![
        Route::new("GET", ALL, list, |call| many(call, false)),
        Route::new("GET", format!("{ALL}/detail"), list, |call| many(call, true)),
        Route::new("POST", ALL, "compute:server:create", move |call| create(call, &kms)),
        Route::new("GET", ONE, show, |call| one(call, &call.show(call.param("id"))?)),
        Route::new("PUT", ONE, "compute:server:update", update),
        Route::new("DELETE", ONE, "compute:server:delete", delete),
        Route::new("POST", below("action"), "compute:server:start", move |call| {
            act(call, &console)
        }),
        Route::new("GET", below("os-interface"), show, interfaces),
        Route::new("GET", below("os-volume_attachments"), show, attachments),
    ]
}
