//! How strict a project's guardrails are: the grade of the standard that it has to meet.
//!
//! The institution's manager sets it, upwards only: what was promised for a project with real data
//! is not taken back by whoever finds it in the way. A lower grade holds while an exception about
//! the guardrail `profile` does, and the higher one by itself behind it.

use crate::exception::excepted;
use crate::{domain_of, home, read};
use jinyun_base::{Day, Fault, Id, Kind, Refusal};
use jinyun_engine::{Command, Ctx, Failure, Link, Place, Resource, View};
use jinyun_identity::Project;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The guardrail that an exception has to name.
pub(crate) const GUARDRAIL: &str = "profile";

/// A grade of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For every finance cloud.
    Basic,
    /// For community clouds.
    Extended,
    /// Looking ahead.
    Enhanced,
}

/// The kind.
pub struct Profile;

/// What a profile is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileSpec {
    /// The project.
    pub project: Id,
    /// Its domain.
    pub domain: Id,
    /// The highest grade that was set.
    pub level: Level,
    /// A lower one, which holds while an exception does.
    pub lowered: Option<Level>,
    /// Who set it last.
    pub by: Id,
}

impl Resource for Profile {
    const SERVICE: &'static str = "governance";
    const KIND: Kind = Kind("profile");
    type Spec = ProfileSpec;
    type Status = ();

    fn name(spec: &ProfileSpec) -> &str {
        spec.project.as_str()
    }

    fn check(_: &ProfileSpec, _: Option<&ProfileSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        // Nobody but this module makes one.
        Ok(())
    }

    fn links(spec: &ProfileSpec) -> Vec<Link> {
        home(&spec.domain, &spec.project)
    }
}

impl Level {
    /// The word that the API uses.
    pub fn word(self) -> &'static str {
        match self {
            Level::Basic => "basic",
            Level::Extended => "extended",
            Level::Enhanced => "enhanced",
        }
    }
}

fn loosened(view: &mut View<'_>, project: &Id, today: Day) -> Result<bool, Fault> {
    Ok(excepted(view, project, today)?.iter().any(|name| name == GUARDRAIL))
}

#[derive(Deserialize)]
struct Asked {
    level: Level,
}

/// Sets a project's grade.
pub(crate) fn set(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Asked { level } = read(command, "profile")?;
    let domain = domain_of(ctx, command);
    let id = command.project.clone().unwrap_or_else(|| "".into());
    let project = ctx.view().get::<Project>(&id)?;
    if project.is_none_or(|have| have.domain != domain) {
        return Err(Refusal::not_found("project", &id).into());
    }
    let (by, today) = (ctx.actor.id.clone(), Day::of(ctx.now));
    let found = ctx.view().get::<Profile>(&id)?;
    let Some(have) = found else {
        let at = Place { domain: domain.clone(), project: id.clone(), id: id.clone() };
        let spec = ProfileSpec { project: id.clone(), domain, level, lowered: None, by };
        ctx.create_at::<Profile>(at, spec)?;
        return Ok(json!({ "id": id }));
    };
    let lower = level < have.spec.level;
    if lower && !loosened(&mut ctx.view(), &id, today)? {
        let say = "A project's profile is set upwards only: a lower one takes an exception about the \
                   guardrail `profile` of this project.";
        return Err(Refusal::conflict(say).into());
    }
    ctx.change::<Profile>(&id, command.if_generation, |spec| {
        match lower {
            true => spec.lowered = Some(level),
            false => (spec.level, spec.lowered) = (level, None),
        }
        spec.by = by;
        Ok(())
    })?;
    Ok(json!({ "id": id }))
}

/// The grade that holds in a project on a day; none if nobody has set one.
pub fn profile(view: &mut View<'_>, project: &Id, today: Day) -> Result<Option<Level>, Fault> {
    let Some(have) = view.get::<Profile>(project)? else { return Ok(None) };
    match have.spec.lowered {
        Some(lowered) if loosened(view, project, today)? => Ok(Some(lowered)),
        _ => Ok(Some(have.spec.level)),
    }
}
