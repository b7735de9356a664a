//! What a service needs to answer a REST call, without knowing a web server.
//!
//! A service describes its protocol as [`Route`]s: plain synchronous functions from a [`Call`] to a
//! [`Reply`]. Most of them come from [`crud`] over a [`Shape`]: how a resource is read from and
//! shown in its protocol's JSON. Envelopes of errors, listeners, authentication and microversions
//! are the edge's.

pub mod list;
mod shape;
mod upload;
mod words;

pub use shape::{Shape, crud};
pub use upload::Upload;
pub use words::Words;

use jinyun_base::{Fault, Id, Refusal};
use jinyun_engine::{Answer, Command, Failure, Handle, Have, Job, Reader, Resource, Via};
use jinyun_policy::Actor;
use jinyun_store::Query;
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Mutex;

/// The way to the records: reading and the write path.
pub struct Cloud {
    /// Reads.
    pub reader: Reader,
    /// Writes.
    pub handle: Handle,
}

/// By which listener a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The management network's.
    Management,
    /// The tenants': the provider's staff has no place there.
    Tenants,
}

/// One request, parsed and authenticated.
pub struct Call<'a> {
    /// The records.
    pub cloud: &'a Cloud,
    /// Who asks.
    pub actor: &'a Actor,
    /// The token that they ask with.
    pub via: Via,
    /// The listener.
    pub door: Door,
    /// Values of the path's parameters, by name.
    pub path: Vec<(&'static str, String)>,
    /// The query string, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The JSON body; null if there is none.
    pub body: Value,
    /// Request id.
    pub request: String,
    /// The caller's address.
    pub source: Option<String>,
    /// Where this service is reached, `https://host:port/network`, without a slash at the end.
    pub base: String,
    /// The microversion asked for, where the protocol has them.
    pub version: Option<(u32, u32)>,
    /// The token as it was sent, for calls about tokens.
    pub token: Option<String>,
    /// Headers that a service asked for, by lower-case name.
    pub headers: Vec<(String, String)>,
    /// The body of a route that takes a stream.
    pub input: Mutex<Option<Box<dyn Read + Send>>>,
}

impl Call<'_> {
    /// A parameter of the path; empty if the route has none of this name.
    pub fn param(&self, name: &str) -> &str {
        self.path.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| v)
    }

    /// The first value of a query parameter.
    pub fn ask(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A command of this caller.
    pub fn command(&self, action: impl Into<String>) -> Command {
        let mut command = Command::new(action, self.actor.clone(), self.request.clone());
        command.source = self.source.clone();
        command.via = self.via.clone();
        command
    }

    /// Runs a command.
    pub fn run(&self, command: Command) -> Result<Answer, Failure> {
        self.cloud.handle.run(Job::Command(Box::new(command)))
    }

    /// One resource that the caller may see.
    pub fn show<R: Resource>(&self, id: &str) -> Result<Have<R>, Failure> {
        let action = format!("{}:{}:show", R::SERVICE, R::KIND);
        self.cloud.reader.show(&self.command(action).on(id))
    }

    /// Resources that the caller may see.
    pub fn list<R: Resource>(&self, query: &Query) -> Result<Vec<Have<R>>, Failure> {
        let action = format!("{}:{}:list", R::SERVICE, R::KIND);
        self.cloud.reader.list(&self.command(action), query)
    }

    /// A resource after a command about it, without a second decision.
    pub fn again<R: Resource>(&self, id: &Id) -> Result<Have<R>, Failure> {
        let found = self.cloud.reader.view(|v| v.get::<R>(id))?;
        found.ok_or_else(|| Refusal::not_found(R::KIND.0, id).into())
    }

    /// Reads anything, for shaping an answer that the caller may have; no decision.
    pub fn view<T>(&self, work: impl FnOnce(&mut jinyun_engine::View<'_>) -> Result<T, Fault>)
        -> Result<T, Fault> {
        self.cloud.reader.view(work)
    }

    /// The body's member of this name, which must be an object.
    pub fn words(&self, envelope: &str) -> Result<Words<'_>, Failure> {
        let inside = self.body.get(envelope).and_then(Value::as_object);
        let say = || Refusal::invalid(envelope, "is missing: the body must be a JSON object that \
            holds an object of this name");
        Ok(Words::new(envelope, inside.ok_or_else(say)?))
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Body,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

/// A body.
pub enum Body {
    /// None.
    Empty,
    /// JSON.
    Json(Value),
    /// JSON, already written: for long lists.
    Text(String),
    /// A file, streamed.
    File(PathBuf),
    /// What a reader gives, streamed as the client takes it.
    Stream(Box<dyn Read + Send>),
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Json(value) => f.debug_tuple("Json").field(value).finish(),
            Body::Text(text) => f.debug_tuple("Text").field(text).finish(),
            Body::File(path) => f.debug_tuple("File").field(path).finish(),
            Body::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl Reply {
    /// 200 with JSON.
    pub fn ok(value: Value) -> Reply {
        Reply::with(200, value)
    }

    /// A status with JSON.
    pub fn with(status: u16, value: Value) -> Reply {
        Reply { status, body: Body::Json(value), headers: Vec::new() }
    }

    /// A status without a body.
    pub fn empty(status: u16) -> Reply {
        Reply { status, body: Body::Empty, headers: Vec::new() }
    }

    /// With one header more.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }
}

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A JSON body or none.
    Json,
    /// A stream of any length, read from [`Call::input`].
    Stream,
}

/// The function behind a route.
pub type Run = Box<dyn Fn(&Call<'_>) -> Result<Reply, Failure> + Send + Sync>;

/// One operation of a protocol.
pub struct Route {
    /// `GET`, `POST`, ...
    pub method: &'static str,
    /// Path below the service's root, parameters in braces: `/v2.0/ports/{id}`.
    pub path: String,
    /// The action that its decision is about, for the coverage tests; empty if it has none.
    pub action: String,
    /// Whether a token is needed.
    pub token: bool,
    /// What it takes.
    pub takes: Takes,
    /// Whether it only looks in memory: it may run without a thread that may block.
    pub quick: bool,
    /// What it does.
    pub run: Run,
}

impl Route {
    /// A route that needs a token and takes JSON.
    pub fn new(
        method: &'static str,
        path: impl Into<String>,
        action: impl Into<String>,
        run: impl Fn(&Call<'_>) -> Result<Reply, Failure> + Send + Sync + 'static,
    ) -> Route {
        Route {
            method,
            path: path.into(),
            action: action.into(),
            token: true,
            takes: Takes::Json,
            quick: false,
            run: Box::new(run),
        }
    }

    /// Open to everybody: discovery, authentication.
    pub fn open(mut self) -> Route {
        self.token = false;
        self
    }

    /// Only looks in memory.
    pub fn quick(mut self) -> Route {
        self.quick = true;
        self
    }

    /// Takes a stream.
    pub fn stream(mut self) -> Route {
        self.takes = Takes::Stream;
        self
    }
}
