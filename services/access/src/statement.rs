//! Statements: what an institution keeps its own people from, beyond what roles say.
//!
//! A statement says whom it is about, which actions on which things, and either that they may not
//! (`deny`), while its conditions hold, or that they may only while its conditions hold
//! (`allow_only`). Each narrows by itself, and all hold together: no statement can undo another, so
//! nobody becomes more by one, and the order in which they were written does not matter. That is why
//! there is no `allow`: with one, a reader of a role's rights would have to read all statements.

use crate::condition::Conditions;
use crate::keepers;
use crate::pattern::catches;
use crate::{read, target};
use jinyun_base::{Fault, Id, Kind, Refusal, Refused, check_name};
use jinyun_engine::{
    Claim, Command, Ctx, Failure, Link, OnDelete, Place, Query, Resource, View,
};
use jinyun_identity::{Group, Project, User};
use jinyun_policy::{Pattern, Role};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Most statements of an institution.
const STATEMENTS: usize = 1000;
/// Most users, groups or resources that one names.
const NAMED: usize = 100;
/// Most patterns of actions.
const PATTERNS: usize = 50;

/// The kind.
pub struct Statement;

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// They may not, while all conditions hold.
    Deny,
    /// They may only while all conditions hold.
    AllowOnly,
}

impl Effect {
    /// The word that the API uses.
    pub fn word(self) -> &'static str {
        match self {
            Effect::Deny => "deny",
            Effect::AllowOnly => "allow_only",
        }
    }
}

/// People of an institution: whoever is named by any member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct People {
    /// All of them.
    #[serde(default)]
    pub everybody: bool,
    /// These users.
    #[serde(default)]
    pub users: Vec<Id>,
    /// Whoever is in one of these groups.
    #[serde(default)]
    pub groups: Vec<Id>,
    /// Whoever works with exactly this role, where the token holds.
    #[serde(default)]
    pub roles: Vec<Role>,
}

impl People {
    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        *self == People::default()
    }
}

/// What an action is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Whatever lies in this project.
    Project(Id),
    /// Whatever lies in a project with this tag.
    ProjectTag(String),
    /// One thing. One that is still to be made is none.
    Thing {
        /// Its kind.
        kind: String,
        /// Its id.
        id: Id,
    },
}

/// What a statement is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementSpec {
    /// For people; unique in its institution, whatever the case.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// The institution.
    pub domain: Id,
    /// What it does.
    pub effect: Effect,
    /// Whom it is about.
    pub who: People,
    /// But not these.
    #[serde(default)]
    pub except: People,
    /// Which actions.
    pub actions: Vec<Pattern>,
    /// On what; on anything if there is none.
    #[serde(default)]
    pub resources: Vec<Target>,
    /// Under which circumstances.
    #[serde(default)]
    pub conditions: Conditions,
}

fn bounded<T>(field: &str, items: &[T], most: usize) -> Result<(), Refusal> {
    match items.len() > most {
        true => Err(Refusal::invalid(field, format!("holds more than {most}"))),
        false => Ok(()),
    }
}

impl StatementSpec {
    /// Refuses what narrows nothing or says what nobody means.
    fn sensible(&self) -> Result<(), Refusal> {
        let named = !self.who.users.is_empty() || !self.who.groups.is_empty()
            || !self.who.roles.is_empty();
        if self.who.everybody == named {
            let say = "must name users, groups or roles, or else everybody";
            return Err(Refusal::invalid("who", say));
        }
        if self.except.everybody {
            return Err(Refusal::invalid("except", "must not be everybody: that narrows nothing"));
        }
        let conditions = &self.conditions;
        match self.effect {
            Effect::AllowOnly if conditions.is_empty() => {
                let say = "are required with allow_only: without one it narrows nothing. To keep \
                           people from the actions, deny them";
                Err(Refusal::invalid("conditions", say))
            }
            Effect::Deny if conditions.second_factor || conditions.age.is_some() => {
                let say = "of a denial are source and hours: to ask for a second factor or a fresh \
                           sign-in, use allow_only";
                Err(Refusal::invalid("conditions", say))
            }
            _ => Ok(()),
        }
    }
}

impl Resource for Statement {
    const SERVICE: &'static str = "access";
    const KIND: Kind = Kind("statement");
    type Spec = StatementSpec;
    type Status = ();

    fn name(spec: &StatementSpec) -> &str {
        &spec.name
    }

    fn check(new: &StatementSpec, old: Option<&StatementSpec>, at: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_name("name", &new.name)?;
        if new.name.trim().is_empty() {
            return Err(Refusal::invalid("name", "is empty").into());
        }
        crate::check_text("description", &new.description)?;
        if new.domain != at.domain || old.is_some_and(|o| o.domain != new.domain) {
            let say = "stays where it was made: make another statement there";
            return Err(Refusal::invalid("domain_id", say).into());
        }
        if new.actions.is_empty() {
            return Err(Refusal::invalid("actions", "are required").into());
        }
        bounded("actions", &new.actions, PATTERNS)?;
        new.actions.iter().try_for_each(|pattern| pattern.check("actions"))?;
        bounded("resources", &new.resources, NAMED)?;
        for people in [&new.who, &new.except] {
            bounded("users", &people.users, NAMED)?;
            bounded("groups", &people.groups, NAMED)?;
            bounded("roles", &people.roles, 3)?;
        }
        for resource in &new.resources {
            if let Target::ProjectTag(tag) = resource {
                check_name("project_tag", tag)?;
            }
        }
        new.conditions.check()?;
        Ok(new.sensible()?)
    }

    fn claims(spec: &StatementSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "access-statement".into(),
            word: format!("{}/{}", spec.domain, spec.name.to_lowercase()),
            taken: "A statement of this name is there already.".into(),
        }]
    }

    fn links(spec: &StatementSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        vec![Link { role: "home", kind: "domain", id: spec.domain.clone(), on_delete }]
    }
}

/// Refuses a statement about what is not there: it would narrow nothing, and nobody would notice.
fn known(ctx: &mut Ctx<'_>, spec: &StatementSpec) -> Result<(), Failure> {
    for pattern in &spec.actions {
        pattern.check("actions")?;
        if !catches(pattern, ctx.registry()) {
            let say = format!("hold {}, which is no operation that could be narrowed",
                pattern.as_str());
            return Err(Refusal::invalid("actions", say).into());
        }
    }
    let there = |domain: Option<Id>, kind: &str, id: &Id| -> Result<(), Failure> {
        match domain.as_ref() == Some(&spec.domain) {
            true => Ok(()),
            false => Err(Refusal::not_found(kind, id).into()),
        }
    };
    for people in [&spec.who, &spec.except] {
        for id in &people.users {
            there(ctx.view().get::<User>(id)?.map(|u| u.domain), "user", id)?;
        }
        for id in &people.groups {
            there(ctx.view().get::<Group>(id)?.map(|g| g.domain), "group", id)?;
        }
    }
    for resource in &spec.resources {
        match resource {
            Target::Project(id) => {
                there(ctx.view().get::<Project>(id)?.map(|p| p.domain), "project", id)?;
            }
            Target::Thing { kind, .. } if !ctx.registry().kind_names().contains(&kind.as_str()) => {
                return Err(Refusal::invalid("resources", "name a kind that is not offered").into());
            }
            _ => {}
        }
    }
    Ok(())
}

/// An institution's statements are its own manager's.
fn may_write(ctx: &Ctx<'_>, domain: &Id) -> Result<(), Failure> {
    if ctx.actor.domain_of_scope() == Some(domain) {
        return Ok(());
    }
    let say = "An institution's statements are written by its own manager.";
    Err(Refusal::new(Refused::Forbidden, say).into())
}

/// Makes a statement.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec: StatementSpec = read(command, "statement")?;
    may_write(ctx, &spec.domain)?;
    known(ctx, &spec)?;
    let domain = spec.domain.clone();
    let query = Query { domain: Some(domain.clone()), limit: Some(STATEMENTS), ..Query::default() };
    if ctx.list::<Statement>(&query)?.len() >= STATEMENTS {
        let say = format!("There are {STATEMENTS} statements already: remove or merge some first.");
        return Err(Refusal::conflict(say).into());
    }
    let row = keepers::keeping(ctx, &domain, command, |ctx| {
        ctx.create::<Statement>(&domain, &Id::new(""), spec)
    })?;
    Ok(json!({ "id": row.id }))
}

/// Changes members of a statement.
pub(crate) fn update(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let have = ctx.get::<Statement>(id)?;
    may_write(ctx, &have.domain)?;
    let mut value = serde_json::to_value(&have.spec)
        .map_err(|e| Fault::new(format!("a statement cannot be written: {e}")))?;
    if let (Some(members), Some(changes)) = (value.as_object_mut(), command.args.as_object()) {
        members.extend(changes.clone());
    }
    let spec: StatementSpec = serde_json::from_value(value)
        .map_err(|e| Refusal::invalid("statement", format!("cannot be read: {e}")))?;
    known(ctx, &spec)?;
    keepers::keeping(ctx, &have.domain, command, |ctx| {
        ctx.change::<Statement>(id, command.if_generation, |old| {
            *old = spec;
            Ok(())
        })
    })?;
    Ok(json!({ "id": id }))
}

/// Removes a statement. That can only open something.
pub(crate) fn delete(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let have = ctx.get::<Statement>(id)?;
    may_write(ctx, &have.domain)?;
    ctx.delete::<Statement>(id)?;
    Ok(Value::Null)
}
