//! What is asked and what is answered.

use jinyun_base::{Fault, Id, Refusal, Secret, Time};
use jinyun_journal::Effect;
use jinyun_policy::{Actor, Object};
use jinyun_store::{Row, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is known of the token that somebody asks with, for whoever makes conditions of it. Not a part
/// of the actor: who somebody is does not change with the way they signed in. A part of the platform
/// has no token; what is not known is not guessed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Via {
    /// How its bearer proved who they are: `password`, `totp`.
    #[serde(default)]
    pub methods: Vec<String>,
    /// When its bearer proved it; none if that is not known.
    #[serde(default)]
    pub issued: Option<Time>,
    /// It was made from what somebody passed on (an application credential, a trust, keys of a
    /// program), and not by a sign-in of one's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delegated: bool,
}

impl Via {
    fn unknown(&self) -> bool {
        *self == Via::default()
    }
}

/// Something that somebody wants done. Plain data, so that it can wait for an approval and be run
/// later by the same path.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Command {
    /// `service:resource:verb`.
    pub action: String,
    /// Who asks.
    pub actor: Actor,
    /// Which resource; none for a new one.
    #[serde(default)]
    pub target: Option<Id>,
    /// Domain of a new resource, where it is not the actor's scope.
    #[serde(default)]
    pub domain: Option<Id>,
    /// Project of a new resource, where it is not the actor's scope.
    #[serde(default)]
    pub project: Option<Id>,
    /// The spec of a new resource, the changed members of a spec, or an action's own words.
    #[serde(default)]
    pub args: Value,
    /// Secrets that the command carries. They are not stored: a command that has to wait for an
    /// approval must not have any.
    #[serde(skip)]
    pub secrets: Vec<(String, Secret<Vec<u8>>)>,
    /// Only if this generation stands there.
    #[serde(default)]
    pub if_generation: Option<i64>,
    /// Request id.
    pub request: String,
    /// Network address of the one who asks.
    #[serde(default)]
    pub source: Option<String>,
    /// The token that it came with.
    #[serde(default, skip_serializing_if = "Via::unknown")]
    pub via: Via,
    /// The approval or the consent under which it runs.
    #[serde(default)]
    pub approval: Option<String>,
}

impl PartialEq for Command {
    fn eq(&self, other: &Command) -> bool {
        (&self.action, &self.actor, &self.target, &self.args)
            == (&other.action, &other.actor, &other.target, &other.args)
    }
}

impl Command {
    /// A command without target and words.
    pub fn new(action: impl Into<String>, actor: Actor, request: impl Into<String>) -> Command {
        Command {
            action: action.into(),
            actor,
            target: None,
            domain: None,
            project: None,
            args: Value::Null,
            secrets: Vec::new(),
            if_generation: None,
            request: request.into(),
            source: None,
            via: Via::default(),
            approval: None,
        }
    }

    /// About this resource.
    pub fn on(mut self, target: impl Into<Id>) -> Command {
        self.target = Some(target.into());
        self
    }

    /// With these words.
    pub fn with(mut self, args: Value) -> Command {
        self.args = args;
        self
    }

    /// In this domain and project.
    pub fn at(mut self, domain: &Id, project: &Id) -> Command {
        self.domain = Some(domain.clone());
        self.project = Some(project.clone());
        self
    }

    /// Carrying a secret.
    pub fn secret(mut self, name: &str, value: Vec<u8>) -> Command {
        self.secrets.push((name.into(), Secret::new(value)));
        self
    }
}

/// How far a resource is, as the driver found it.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusReport {
    /// Kind.
    pub kind: String,
    /// Id.
    pub id: Id,
    /// The generation that the plan was made for.
    pub planned: i64,
    /// The nudge that the driver followed: a newer one stays.
    pub nudge: Time,
    /// The status; its time is set when it is written.
    pub status: Status,
    /// The goal is reached: no further look until somebody nudges.
    pub settled: bool,
    /// The next look, in microseconds from now, and how many tries there were.
    pub again: Option<(i64, i64)>,
    /// Whether the phase changed: that is journaled, a mere report is not.
    pub changed_from: Option<String>,
}

/// What the writer does.
#[derive(Debug, Clone)]
pub enum Job {
    /// Run a command.
    Command(Box<Command>),
    /// Remember that something was shown under an institution's consent, if that stands when this
    /// job's turn comes. A read needs no entry; one that the institution had to allow does.
    Shown {
        /// What was asked.
        command: Box<Command>,
        /// What was looked at. The entry stands in its institution's journal.
        object: Box<Object>,
    },
    /// Remember a refusal that was decided elsewhere (a read, a login, a malformed request).
    Refused {
        /// What was asked.
        command: Box<Command>,
        /// What was answered.
        refusal: Refusal,
    },
    /// Keep how far a resource is.
    Status(StatusReport),
    /// Look at a resource soon: a host reported something about it.
    Nudge {
        /// Kind.
        kind: String,
        /// Id.
        id: Id,
    },
}

/// What a command has started: a job behind it in the same transaction, and the command that keeps
/// what came of it.
#[derive(Debug)]
pub(crate) struct Follow {
    pub job: Job,
    pub report: Command,
}

/// What came of a job.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The row, for a command about one resource.
    pub row: Option<Row>,
    /// Whatever an action of its own returns.
    pub value: Value,
    /// The journal entry's number.
    pub entry: u64,
    /// What changed.
    pub effects: Vec<Effect>,
}

/// Why nothing came of it.
#[derive(Debug)]
pub enum Failure {
    /// The rules say no.
    Refused(Refusal),
    /// The machinery failed.
    Fault(Fault),
}

impl From<Refusal> for Failure {
    fn from(r: Refusal) -> Failure {
        Failure::Refused(r)
    }
}

impl From<Fault> for Failure {
    fn from(f: Fault) -> Failure {
        Failure::Fault(f)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Refused(r) => r.fmt(f),
            Failure::Fault(e) => e.fmt(f),
        }
    }
}
