//! Flavors: the sizes that servers come in. Rows of the provider's, offered to everybody.
//!
//! A server copies its flavor when it is made: a flavor can be deleted at any time, and a server
//! never changes its size because somebody edited a row. So nothing links to a flavor.

use crate::list::{self, self_links};
use jinyun_base::{Fault, Id, Kind, Refusal, check_name};
use jinyun_engine::{Claim, Command, Ctx, Failure, Have, Place, Query, Resource, View};
use jinyun_policy::{Actor, PROVIDER};
use jinyun_rest::{Call, Reply, Route};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub struct Flavor;

/// What a flavor is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlavorSpec {
    /// Unique among flavors.
    pub name: String,
    /// Virtual processors.
    pub vcpus: i64,
    /// Memory in MiB.
    pub memory_mib: i64,
    /// Root disk in GiB.
    pub disk_gib: i64,
}

impl Resource for Flavor {
    const SERVICE: &'static str = "compute";
    const KIND: Kind = Kind("flavor");
    type Spec = FlavorSpec;
    type Status = ();

    fn name(spec: &FlavorSpec) -> &str {
        &spec.name
    }

    fn check(new: &FlavorSpec, _: Option<&FlavorSpec>, at: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_name("name", &new.name)?;
        if new.name.trim().is_empty() {
            return Err(Refusal::invalid("name", "is empty").into());
        }
        let word = |c: char| c.is_ascii_alphanumeric() || "._- ".contains(c);
        if at.id.as_str().is_empty() || !at.id.as_str().chars().all(word) {
            let say = "may hold letters, digits, dots, dashes, underscores and spaces only";
            return Err(Refusal::invalid("id", say).into());
        }
        let ranges = [
            ("vcpus", new.vcpus, 256),
            ("ram", new.memory_mib, 4 << 20),
            ("disk", new.disk_gib, 64 << 10),
        ];
        for (field, value, most) in ranges {
            if !(1..=most).contains(&value) {
                let say = format!("must be a whole number from 1 to {most}, not {value}");
                return Err(Refusal::invalid(field, say).into());
            }
        }
        Ok(())
    }

    fn claims(spec: &FlavorSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "flavor-name".into(),
            word: spec.name.clone(),
            taken: format!("Flavor with name {} already exists.", spec.name),
        }]
    }

    fn shared(_: &FlavorSpec) -> bool {
        true
    }
}

/// Id, name, processors, MiB, GiB of the flavors that every installation begins with.
const FIRST: &[(&str, &str, i64, i64, i64)] = &[
    ("1", "m1.tiny", 1, 128, 1),
    ("2", "m1.small", 1, 512, 5),
    ("3", "m1.medium", 2, 2048, 20),
];

/// The command that makes the first flavors. It may be run at every start: what is there stays.
pub fn first_start() -> Command {
    Command::new("compute:flavor:bootstrap", Actor::system("first-start"), "first-start")
}

/// Makes those first flavors of which neither the id nor the name is there.
pub(crate) fn bootstrap(ctx: &mut Ctx<'_>, _: &Command) -> Result<Value, Failure> {
    for (id, name, vcpus, memory_mib, disk_gib) in FIRST.iter().copied() {
        let id = Id::new(id);
        let there = ctx.view().get::<Flavor>(&id)?.is_some()
            || ctx.view().claimed("flavor-name", name)?.is_some();
        if !there {
            let at = Place { domain: PROVIDER.into(), project: "".into(), id };
            let spec = FlavorSpec { name: name.into(), vcpus, memory_mib, disk_gib };
            ctx.create_at::<Flavor>(at, spec)?;
        }
    }
    Ok(Value::Null)
}

/// A flavor as Nova 2.1 shows it.
fn show(have: &Have<Flavor>, call: &Call<'_>) -> Value {
    json!({
        "id": have.id,
        "name": have.spec.name,
        "vcpus": have.spec.vcpus,
        "ram": have.spec.memory_mib,
        "disk": have.spec.disk_gib,
        "swap": "",
        "rxtx_factor": 1.0,
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": false,
        "os-flavor-access:is_public": true,
        "links": self_links(call, "flavors", &have.id),
    })
}

fn many(call: &Call<'_>, detail: bool) -> Result<Reply, Failure> {
    let least = |name: &str| -> Result<i64, Failure> {
        match call.ask(name) {
            None => Ok(0),
            Some(text) => text.parse().map_err(|_| {
                Refusal::invalid(name, format!("must be a whole number, not {text}")).into()
            }),
        }
    };
    let (disk, memory) = (least("minDisk")?, least("minRam")?);
    let private = call.ask("is_public").is_some_and(|w| w.eq_ignore_ascii_case("false"));
    let mut found = call.list::<Flavor>(&Query::default())?;
    found.retain(|f| !private && f.spec.disk_gib >= disk && f.spec.memory_mib >= memory);
    found.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    let path = if detail { "flavors/detail" } else { "flavors" };
    let page = list::page(found, |f| f.id.clone(), call, path)?;
    Ok(page.reply("flavors", |f| {
        if detail {
            show(f, call)
        } else {
            let links = self_links(call, "flavors", &f.id);
            json!({ "id": f.id, "name": f.spec.name, "links": links })
        }
    }))
}

fn create(call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("flavor")?;
    words.only(&["id", "name", "ram", "vcpus", "disk", "swap", "rxtx_factor",
        "OS-FLV-EXT-DATA:ephemeral", "os-flavor-access:is_public"])?;
    for member in ["swap", "OS-FLV-EXT-DATA:ephemeral"] {
        if words.value(member).is_some_and(|v| v.as_str() != Some("")) {
            words.int(member, 0, 0)?;
        }
    }
    if words.flag("os-flavor-access:is_public")? == Some(false) {
        let say = "is false, but only public flavors are offered: leave it out";
        return Err(Refusal::invalid("os-flavor-access:is_public", say).into());
    }
    let size = |name: &str| -> Result<i64, Failure> {
        let found = words.int(name, 1, i64::MAX)?;
        found.ok_or_else(|| Refusal::invalid(name, "is required").into())
    };
    let mut args = json!({
        "name": words.need("name")?,
        "vcpus": size("vcpus")?,
        "memory_mib": size("ram")?,
        "disk_gib": size("disk")?,
    });
    let bad_id = "must be text of letters, digits, dots, dashes and underscores, or a number from 0";
    match words.value("id") {
        None => {}
        Some(Value::String(s)) if s == "auto" => {}
        Some(Value::Number(n)) if n.is_u64() => args["id"] = n.to_string().into(),
        Some(Value::String(s))
            if (1..=255).contains(&s.len())
                && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) =>
        {
            args["id"] = s.clone().into();
        }
        Some(_) => return Err(Refusal::invalid("id", bad_id).into()),
    }
    if words.value("rxtx_factor").is_some_and(|v| v.as_f64() != Some(1.0)) {
        let say = "must be 1.0: shares of bandwidth are not offered";
        return Err(Refusal::invalid("rxtx_factor", say).into());
    }
    let row = call.run(call.command("compute:flavor:create").with(args))?.row;
    let row = row.ok_or_else(|| Fault::new("a creation returned no row"))?;
    let have = call.again::<Flavor>(&row.id)?;
    Ok(Reply::ok(json!({ "flavor": show(&have, call) })))
}

fn show_one(call: &Call<'_>) -> Result<Reply, Failure> {
    let have = call.show::<Flavor>(call.param("id"))?;
    Ok(Reply::ok(json!({ "flavor": show(&have, call) })))
}

/// There are none, but clients ask for them one flavor after the other.
fn extra_specs(call: &Call<'_>) -> Result<Reply, Failure> {
    call.show::<Flavor>(call.param("id"))?;
    Ok(Reply::ok(json!({ "extra_specs": {} })))
}

fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    call.run(call.command("compute:flavor:delete").on(call.param("id")))?;
    Ok(Reply::empty(202))
}

/// The operations.
pub(crate) fn routes() -> Vec<Route> {
    let (all, one) = ("compute:flavor:list", "compute:flavor:show");
    vec![
        Route::new("GET", "/v2.1/flavors", all, |call| many(call, false)),
        Route::new("GET", "/v2.1/flavors/detail", all, |call| many(call, true)),
        Route::new("POST", "/v2.1/flavors", "compute:flavor:create", create),
        Route::new("GET", "/v2.1/flavors/{id}", one, show_one),
        Route::new("DELETE", "/v2.1/flavors/{id}", "compute:flavor:delete", delete),
        Route::new("GET", "/v2.1/flavors/{id}/os-extra_specs", one, extra_specs),
    ]
}
