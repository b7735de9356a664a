//! Everything that the services have registered: kinds, actions, rules, quota items.

use crate::command::{Command, Failure};
use crate::ctx::{Change, Ctx, Place};
use crate::resource::{Derived, Have, Plan, Resource, Step};
use crate::view::{Seen, View};
use jinyun_base::{Entropy, Fault, Id, Refusal, Time};
use jinyun_policy::{Actor, Object, Permit, Policy, Rule, Scope, Who};
use jinyun_store::{Row, Stored};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// What an action does.
#[derive(Clone, Copy)]
pub enum Verb {
    /// Makes a resource of the kind.
    Create,
    /// Changes members of its spec.
    Update,
    /// Deletes it, or asks for its teardown.
    Delete,
    /// Reads; never runs as a command, but has a rule.
    Read,
    /// Something of the service's own.
    Own(fn(&mut Ctx<'_>, &Command) -> Result<Value, Failure>),
}

/// An action.
#[derive(Clone, Copy)]
pub struct ActionDef {
    /// Kind that its target is of.
    pub kind: &'static str,
    /// What it does.
    pub verb: Verb,
}

/// What a command has to wait for.
#[derive(Debug, Clone)]
pub struct Need {
    /// In the approver's own words, for [`Approver::keep`].
    pub words: Value,
}

/// The service that knows who has to agree. The engine asks it, and knows neither its rules nor its
/// kinds.
pub trait Approver: Send + Sync {
    /// What a command that may be done has to wait for; none if it may run now. A command that says
    /// under which approval it runs is judged again: by the rules and votes as they are.
    fn needs(&self, view: &mut View<'_>, command: &Command, object: &Object)
        -> Result<Option<Need>, Failure>;

    /// Keeps a command that has to wait, and returns the request's id.
    fn keep(&self, ctx: &mut Ctx<'_>, command: &Command, need: Need) -> Result<Id, Failure>;

    /// An institution's consent that covers this actor, action and object at this time.
    fn consent(&self, view: &mut View<'_>, asked: &Command, object: &Object, now: Time)
        -> Result<Option<Id>, Fault>;

    /// The time, for a read: it has no job to bring it.
    fn now(&self) -> Time;

    /// The actor that a user is in a scope at present. None for a user who is gone or disabled, or
    /// who has no role there.
    fn actor(&self, view: &mut View<'_>, user: &Id, scope: &Scope) -> Result<Option<Actor>, Fault>;

    /// Whether a user is in a group at present.
    fn in_group(&self, view: &mut View<'_>, user: &Id, group: &Id) -> Result<bool, Fault>;
}

/// Whoever narrows what policy allows, for commands and for reads alike. It can say no and nothing
/// else: it is asked after the decision, gets no permit and makes none, so nobody becomes more by it.
pub trait Limiter: Send + Sync {
    /// Refuses what policy has allowed, or does not. `now` is the job's time; a read has none. Asked
    /// for each row of a list: it has to be quick, and looks at no database.
    fn limit(&self, asked: &Command, object: &Object, now: Option<Time>) -> Result<(), Refusal>;
}

/// Whoever judges what a command would leave behind, whatever its action and by whatever way the
/// rows came about. Asked after all rules, before the entry is appended.
pub trait Guard: Send + Sync {
    /// Whether rows of this kind are to be shown to it.
    fn watches(&self, kind: &str) -> bool;

    /// Refuses what the command has made of those rows. The view shows them as they would be.
    fn judge(&self, view: &mut View<'_>, command: &Command, changes: &[Change], now: Time)
        -> Result<(), Failure>;
}

/// The typed resource behind an untyped face.
pub(crate) trait AnyResource: Send + Sync {
    fn live(&self) -> bool;
    fn new_id(&self, dice: &mut dyn Entropy) -> Id;
    fn create(&self, ctx: &mut Ctx<'_>, at: Place, args: Value) -> Result<Row, Failure>;
    fn update(&self, ctx: &mut Ctx<'_>, id: &Id, patch: &Value, guard: Option<i64>)
        -> Result<Row, Failure>;
    fn delete(&self, ctx: &mut Ctx<'_>, id: &Id) -> Result<Row, Failure>;
    fn object(&self, stored: &Stored) -> Result<Object, Fault>;
    fn derived(&self, row: &Row) -> Result<Derived, Fault>;
    fn plan(&self, stored: Stored, world: &mut View<'_>, seen: &dyn Seen)
        -> Result<AnyPlan, Fault>;
}

/// A plan with its status encoded.
pub(crate) struct AnyPlan {
    pub phase: &'static str,
    pub body: String,
    pub error: String,
    pub done: bool,
    pub steps: Vec<Step>,
}

struct Typed<R>(std::marker::PhantomData<fn() -> R>);

impl<R: Resource> AnyResource for Typed<R> {
    fn live(&self) -> bool {
        R::LIVE
    }

    fn new_id(&self, dice: &mut dyn Entropy) -> Id {
        R::id(dice)
    }

    fn create(&self, ctx: &mut Ctx<'_>, at: Place, args: Value) -> Result<Row, Failure> {
        let spec: R::Spec = serde_json::from_value(args)
            .map_err(|e| Refusal::invalid(R::KIND.0, format!("cannot be read: {e}")))?;
        ctx.create_at::<R>(at, spec)
    }

    fn update(&self, ctx: &mut Ctx<'_>, id: &Id, patch: &Value, guard: Option<i64>)
        -> Result<Row, Failure> {
        ctx.change::<R>(id, guard, |spec| {
            let mut value = serde_json::to_value(&*spec)
                .map_err(|e| Fault::new(format!("{}: {e}", R::KIND)))?;
            if let (Some(members), Some(changes)) = (value.as_object_mut(), patch.as_object()) {
                members.extend(changes.clone());
            }
            *spec = serde_json::from_value(value)
                .map_err(|e| Refusal::invalid(R::KIND.0, format!("cannot be read: {e}")))?;
            Ok(())
        })
    }

    fn delete(&self, ctx: &mut Ctx<'_>, id: &Id) -> Result<Row, Failure> {
        ctx.delete::<R>(id)
    }

    fn object(&self, stored: &Stored) -> Result<Object, Fault> {
        let have = Have::<R>::decode(stored.clone())?;
        Ok(Object {
            what: Some((R::KIND, have.id.clone())),
            domain: Some(have.domain.clone()),
            project: (!have.project.as_str().is_empty()).then(|| have.project.clone()),
            owner: R::owner(&have),
            shared: R::shared(&have.spec),
        })
    }

    fn derived(&self, row: &Row) -> Result<Derived, Fault> {
        let stored = Stored { row: row.clone(), status: Default::default() };
        let have = Have::<R>::decode(stored)?;
        Ok(Derived::of::<R>(&have.spec, &have.place()))
    }

    fn plan(&self, stored: Stored, world: &mut View<'_>, seen: &dyn Seen)
        -> Result<AnyPlan, Fault> {
        let have = Have::<R>::decode(stored)?;
        let Plan { phase, status, error, done, steps } = R::plan(&have, world, seen)?;
        let body = serde_json::to_string(&status)
            .map_err(|e| Fault::new(format!("{}: encoding the status: {e}", R::KIND)))?;
        Ok(AnyPlan { phase, body, error, done, steps })
    }
}

/// What the driver itself does to resources, each a command like any other.
const OWN_RULES: &[Rule] = &[
    Rule { action: "engine:resource:finish", allow: &[Who::System] },
    Rule { action: "engine:secret:make", allow: &[Who::System] },
    Rule { action: "engine:secret:destroy", allow: &[Who::System] },
];

fn words(command: &Command) -> Result<(String, Id), Failure> {
    let word = |name: &str| command.args.get(name).and_then(Value::as_str).map(String::from)
        .ok_or_else(|| Failure::from(Refusal::invalid(name, "is missing")));
    Ok((word("kind")?, word("id")?.into()))
}

fn finish(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let (kind, id) = words(command)?;
    // Gone already: a step may run twice.
    if let Some(stored) = ctx.writer.db.get(&kind, &id)? {
        ctx.finish(stored)?;
    }
    ctx.note = command.args.get("note").cloned();
    Ok(Value::Null)
}

fn make_secret(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let (kind, id) = words(command)?;
    for (name, value) in &command.secrets {
        let there = ctx.writer.db.get(&kind, &id)?.is_some();
        // The first one holds: a second run of the step must not change a key that is in use.
        if there && ctx.writer.db.secret(&kind, &id, name)?.is_none() {
            ctx.put_secret(&kind, &id, name, value.expose())?;
        }
    }
    Ok(Value::Null)
}

fn destroy_secret(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let (kind, id) = words(command)?;
    let name = command.args.get("name").and_then(Value::as_str).unwrap_or_default();
    if ctx.drop_secret(&kind, &id, name)? {
        ctx.note = command.args.get("certificate").cloned();
    }
    Ok(Value::Null)
}

/// Kinds, actions, rules and quota items of all services.
pub struct Registry {
    kinds: HashMap<&'static str, Box<dyn AnyResource>>,
    actions: HashMap<String, ActionDef>,
    quotas: HashMap<&'static str, i64>,
    /// Who may do what.
    pub policy: Policy,
    /// Who is asked what needs approval. Without one nothing does, and there are no consents.
    pub approver: Option<Arc<dyn Approver>>,
    /// Who narrows what policy allows. Without one nothing is narrowed.
    pub limiter: Option<Arc<dyn Limiter>>,
    /// Who judges what commands leave behind. Without one only their own rules do.
    pub guard: Option<Arc<dyn Guard>>,
}

impl Default for Registry {
    fn default() -> Registry {
        let mut registry = Registry {
            kinds: HashMap::new(),
            actions: HashMap::new(),
            quotas: HashMap::new(),
            policy: Policy::default(),
            approver: None,
            limiter: None,
            guard: None,
        };
        registry.rules(OWN_RULES)
            .action("engine:resource:finish", "", Verb::Own(finish))
            .action("engine:secret:make", "", Verb::Own(make_secret))
            .action("engine:secret:destroy", "", Verb::Own(destroy_secret));
        registry
    }
}

impl Registry {
    /// Registers a kind with its five plain actions: create, update, delete, show, list.
    pub fn add<R: Resource>(&mut self) -> &mut Registry {
        self.kinds.insert(R::KIND.0, Box::new(Typed::<R>(std::marker::PhantomData)));
        let plain = [("create", Verb::Create), ("update", Verb::Update), ("delete", Verb::Delete),
            ("show", Verb::Read), ("list", Verb::Read)];
        for (word, verb) in plain {
            self.action(format!("{}:{}:{word}", R::SERVICE, R::KIND), R::KIND.0, verb);
        }
        self
    }

    /// Registers an action of a service's own, or takes the place of a plain one.
    pub fn action(&mut self, name: impl Into<String>, kind: &'static str, verb: Verb)
        -> &mut Registry {
        self.actions.insert(name.into(), ActionDef { kind, verb });
        self
    }

    /// Registers a quota item with the limit that holds where nobody set another; -1 is none.
    pub fn quota(&mut self, item: &'static str, limit: i64) -> &mut Registry {
        self.quotas.insert(item, limit);
        self
    }

    /// Adds a table of rules.
    pub fn rules(&mut self, rules: &'static [Rule]) -> &mut Registry {
        // A rule that stands twice is found by the coverage test; the first one holds.
        let _ = self.policy.add(rules);
        self
    }

    /// The limit of an item where nobody set another; `None` for an unknown item.
    pub fn default_limit(&self, item: &str) -> Option<i64> {
        self.quotas.get(item).copied()
    }

    /// All quota items, sorted.
    pub fn quota_items(&self) -> Vec<(&'static str, i64)> {
        let mut items: Vec<_> = self.quotas.iter().map(|(i, l)| (*i, *l)).collect();
        items.sort();
        items
    }

    /// An action.
    pub fn find_action(&self, name: &str) -> Option<ActionDef> {
        self.actions.get(name).copied()
    }

    /// All actions, sorted.
    pub fn action_names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.actions.keys().map(String::as_str).collect();
        names.sort();
        names
    }

    /// All kinds, sorted.
    pub fn kind_names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.kinds.keys().copied().collect();
        names.sort();
        names
    }

    pub(crate) fn kind(&self, name: &str) -> Result<&dyn AnyResource, Fault> {
        self.kinds.get(name).map(AsRef::as_ref)
            .ok_or_else(|| Fault::new(format!("no service has registered the kind `{name}`")))
    }

    /// What a decision needs to know of a stored resource.
    pub fn object(&self, stored: &Stored) -> Result<Object, Fault> {
        self.kind(&stored.row.kind)?.object(stored)
    }

    /// What is asked of each thing that policy has allowed.
    pub(crate) fn narrow(&self, asked: &Command, object: &Object, now: Option<Time>)
        -> Result<(), Refusal> {
        match &self.limiter {
            Some(limiter) => limiter.limit(asked, object, now),
            None => Ok(()),
        }
    }

    /// Decides again after a refusal, where a rule speaks of a consent and there is one now.
    pub(crate) fn under_consent(&self, view: &mut View<'_>, asked: &Command, object: &Object,
        now: Option<Time>, plain: Refusal) -> Result<Permit, Failure> {
        let wanted = self.policy.wants_consent(&asked.actor, &asked.action);
        let Some(approver) = self.approver.as_ref().filter(|_| wanted) else {
            return Err(plain.into());
        };
        let now = now.unwrap_or_else(|| approver.now());
        match approver.consent(view, asked, object, now)? {
            None => Err(plain.into()),
            Some(consent) => Ok(self.policy
                .decide_under(&asked.actor, &asked.action, object, Some(&consent))?),
        }
    }

    /// What follows from a stored resource, for checkers.
    pub fn derived(&self, row: &Row) -> Result<Derived, Fault> {
        self.kind(&row.kind)?.derived(row)
    }
}
