//! The contract of a resource.

use crate::view::{Seen, View};
use crate::{Command, Place};
use jinyun_base::{Entropy, Fault, Id, Kind, Time};
use jinyun_store::{Claim, Link, Stored};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What something costs of a quota item; metering reads the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// The item, as registered.
    pub item: &'static str,
    /// How much.
    pub amount: i64,
}

/// Something that a compliance check may read.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// What it is about, `volume.encrypted`.
    pub name: &'static str,
    /// The value.
    pub value: Value,
}

/// A kind of thing that the cloud offers.
pub trait Resource: Sized + 'static {
    /// Which service offers it; the first word of its actions.
    const SERVICE: &'static str;
    /// What it is; the second word of its actions.
    const KIND: Kind;
    /// Whether it has to be made real by the driver. One that is only a record is dropped the
    /// moment its deletion is asked.
    const LIVE: bool = false;
    /// Version of the stored spec. See [`Resource::migrate`].
    const VERSION: i64 = 1;

    /// What the user asked for. No secrets: those go to [`crate::Ctx::put_secret`].
    type Spec: Serialize + DeserializeOwned + Clone + PartialEq + Send + 'static;
    /// What is known of how far it is.
    type Status: Serialize + DeserializeOwned + Default + Clone + PartialEq + Send + 'static;

    /// Makes an id.
    fn id(dice: &mut dyn Entropy) -> Id {
        Id::uuid(dice)
    }

    /// The name by which lists are filtered.
    fn name(spec: &Self::Spec) -> &str;

    /// Defaults, and whatever is allocated in the transaction.
    fn fill(
        _new: &mut Self::Spec,
        _at: &Place,
        _view: &mut View<'_>,
        _dice: &mut dyn Entropy,
    ) -> Result<(), crate::Failure> {
        Ok(())
    }

    /// Rules. `old` is there for a change.
    fn check(
        new: &Self::Spec,
        old: Option<&Self::Spec>,
        at: &Place,
        view: &mut View<'_>,
    ) -> Result<(), crate::Failure>;

    /// What it holds exclusively.
    fn claims(_spec: &Self::Spec, _at: &Place) -> Vec<Claim> {
        Vec::new()
    }

    /// What it uses.
    fn links(_spec: &Self::Spec) -> Vec<Link> {
        Vec::new()
    }

    /// What it costs.
    fn cost(_spec: &Self::Spec) -> Vec<Cost> {
        Vec::new()
    }

    /// Values for filters.
    fn fields(_spec: &Self::Spec) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The user that it belongs to, for rules about oneself.
    fn owner(_have: &Have<Self>) -> Option<Id> {
        None
    }

    /// Offered to everybody.
    fn shared(_spec: &Self::Spec) -> bool {
        false
    }

    /// Why it cannot be deleted now, beyond its links.
    fn keep(_have: &Have<Self>, _view: &mut View<'_>) -> Result<(), crate::Failure> {
        Ok(())
    }

    /// What is to be done next. Pure: the same want, status and world give the same plan.
    fn plan(want: &Have<Self>, _world: &mut View<'_>, _seen: &dyn Seen)
        -> Result<Plan<Self::Status>, Fault> {
        Ok(if want.deleting {
            Plan::finish(want.status.clone())
        } else {
            Plan::done("active", want.status.clone())
        })
    }

    /// What compliance checks read.
    fn facts(_have: &Have<Self>) -> Vec<Fact> {
        Vec::new()
    }

    /// Brings a stored spec of an older version one version further.
    fn migrate(from: i64, _spec: Value) -> Result<Value, String> {
        Err(format!("no way from version {from} of {}", Self::KIND))
    }
}

/// A resource as the engine has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Have<R: Resource> {
    /// Id.
    pub id: Id,
    /// Owning domain.
    pub domain: Id,
    /// Owning project; empty where there is none.
    pub project: Id,
    /// Grows with each change.
    pub generation: i64,
    /// What was asked.
    pub spec: R::Spec,
    /// Its status.
    pub status: R::Status,
    /// How far it is.
    pub phase: String,
    /// The generation that the phase is about.
    pub observed: i64,
    /// What went wrong last; empty if nothing.
    pub error: String,
    /// When it was created.
    pub created: Time,
    /// When the spec was changed last.
    pub updated: Time,
    /// When the phase was changed last.
    pub phase_since: Time,
    /// Its deletion was asked.
    pub deleting: bool,
}

impl<R: Resource> Have<R> {
    /// Decodes a stored row.
    pub fn decode(stored: Stored) -> Result<Have<R>, Fault> {
        let bad = |what: &str, e: &dyn std::fmt::Display| {
            Fault::new(format!("{} {}: stored {what}: {e}", R::KIND, stored.row.id))
        };
        let spec = decode_spec::<R>(&stored.row.spec).map_err(|e| bad("spec", &e))?;
        let status = if stored.status.body.is_empty() {
            R::Status::default()
        } else {
            serde_json::from_str(&stored.status.body).map_err(|e| bad("status", &e))?
        };
        Ok(Have {
            id: stored.row.id,
            domain: stored.row.domain,
            project: stored.row.project,
            generation: stored.row.generation,
            spec,
            status,
            phase: stored.status.phase,
            observed: stored.status.observed,
            error: stored.status.error,
            created: stored.row.created,
            updated: stored.row.updated,
            phase_since: stored.status.updated,
            deleting: stored.row.delete_asked.is_some(),
        })
    }

    /// Where it lives.
    pub fn place(&self) -> Place {
        Place { domain: self.domain.clone(), project: self.project.clone(), id: self.id.clone() }
    }

    /// Whether the newest spec has become real.
    pub fn settled(&self) -> bool {
        !self.deleting && self.observed >= self.generation
    }
}

fn decode_spec<R: Resource>(text: &str) -> Result<R::Spec, String> {
    if R::VERSION == 1 {
        return serde_json::from_str(text).map_err(|e| e.to_string());
    }
    let mut value: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    loop {
        let version = value.get("v").and_then(Value::as_i64).unwrap_or(1);
        if version >= R::VERSION {
            return serde_json::from_value(value).map_err(|e| e.to_string());
        }
        value = R::migrate(version, value)?;
        if let Some(members) = value.as_object_mut() {
            members.insert("v".into(), (version + 1).into());
        }
    }
}

/// A spec as it is stored and journaled.
pub(crate) fn encode_spec<R: Resource>(spec: &R::Spec) -> Result<Value, Fault> {
    let mut value = serde_json::to_value(spec)
        .map_err(|e| Fault::new(format!("{}: encoding the spec: {e}", R::KIND)))?;
    if R::VERSION > 1
        && let Some(members) = value.as_object_mut()
    {
        members.insert("v".into(), R::VERSION.into());
    }
    Ok(value)
}

/// What follows from a spec and is stored in tables of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Derived {
    /// Exclusive things.
    pub claims: Vec<Claim>,
    /// Uses.
    pub links: Vec<Link>,
    /// Quota and meters.
    pub costs: Vec<Cost>,
    /// Filters.
    pub fields: Vec<(&'static str, String)>,
}

impl Derived {
    /// All that follows from a spec.
    pub fn of<R: Resource>(spec: &R::Spec, at: &Place) -> Derived {
        Derived {
            claims: R::claims(spec, at),
            links: R::links(spec),
            costs: R::cost(spec),
            fields: R::fields(spec),
        }
    }
}

/// What is to be done next for a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan<S> {
    /// How far it is, in a word of the resource's own.
    pub phase: &'static str,
    /// The status to keep.
    pub status: S,
    /// What is wrong, for the user.
    pub error: String,
    /// The newest spec is real: nothing more to do until somebody nudges.
    pub done: bool,
    /// In order; each is carried out and committed before the next.
    pub steps: Vec<Step>,
}

impl<S> Plan<S> {
    /// Everything is as wanted.
    pub fn done(phase: &'static str, status: S) -> Plan<S> {
        Plan { phase, status, error: String::new(), done: true, steps: Vec::new() }
    }

    /// Not there yet: steps to take now, then look again.
    pub fn going(phase: &'static str, status: S, steps: Vec<Step>) -> Plan<S> {
        Plan { phase, status, error: String::new(), done: false, steps }
    }

    /// It cannot be made real as it is; a change or a deletion will be looked at again.
    pub fn failed(phase: &'static str, status: S, error: impl Into<String>) -> Plan<S> {
        Plan { phase, status, error: error.into(), done: true, steps: Vec::new() }
    }

    /// Torn down: the row may go.
    pub fn finish(status: S) -> Plan<S> {
        Plan::going("deleted", status, vec![Step::Finish { note: None }])
    }
}

/// One step of a plan. Each is idempotent.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A command of the platform itself, through the same write path.
    Run(Box<Command>),
    /// Make a secret with the resource's maker and keep it under this name, if there is none yet.
    MakeSecret {
        /// Name of the secret.
        name: &'static str,
        /// What the maker needs to know.
        request: Value,
    },
    /// Destroy a secret and keep the certificate in the journal.
    DestroySecret {
        /// Name of the secret.
        name: &'static str,
        /// What was destroyed and what this cannot speak for.
        certificate: Value,
    },
    /// Drop the row: the teardown is complete.
    Finish {
        /// To be remembered in the journal.
        note: Option<Value>,
    },
}

