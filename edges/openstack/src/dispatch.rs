//! From a request to a route and back.

use crate::errors::{self, Dialect};
use crate::flood::Flood;
use jinyun_base::{Entropy, Id, OsEntropy, Refusal, Refused, limits};
use jinyun_engine::{Command, Failure, Job, Via};
use jinyun_identity::Identity;
use jinyun_policy::{Actor, Scope};
use jinyun_rest::{Body, Call, Cloud, Door, Reply, Route, Takes};
use serde_json::Value;
use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// A service below a path.
pub struct Mount {
    /// `/network`.
    pub prefix: &'static str,
    /// How it writes errors.
    pub dialect: Dialect,
    /// Its routes.
    pub routes: Vec<Route>,
}

/// Which of the two listeners a request came in by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `https://127.0.0.1:8443`.
    pub url: String,
    /// The management network's: system-scoped tokens work only here.
    pub management: bool,
}

/// Everything that a request needs.
pub struct Edge {
    cloud: Arc<Cloud>,
    identity: Arc<Identity>,
    mounts: Vec<Mount>,
    table: HashMap<(usize, usize), Vec<(Vec<Segment>, usize)>>,
    flood: Flood,
    /// Uploads that may run at the same time.
    pub(crate) uploads: Arc<Semaphore>,
    /// Requests without a token that may run at the same time.
    pub(crate) strangers: Arc<Semaphore>,
}

/// How many uploads run at the same time.
const UPLOADS: usize = 32;
/// How many requests without a token run at the same time: well above what one source may have
/// waiting for its password to be hashed, or that bound would never be met.
const STRANGERS: usize = 64;
/// Longest parameter of a path or a query.
const PARAM: usize = 1024;

#[derive(Debug, Clone, PartialEq)]
enum Segment {
    Word(String),
    Param(&'static str),
}

/// A request whose head is read.
pub(crate) struct Head {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub source: String,
}

impl Head {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Where a request is going.
pub(crate) struct Way {
    mount: usize,
    route: usize,
    params: Vec<(&'static str, String)>,
    actor: Actor,
    via: Via,
    pub takes: Takes,
    pub request: String,
}

impl Way {
    /// Whether nobody has said yet who asks.
    pub fn stranger(&self) -> bool {
        self.actor.kind == jinyun_policy::ActorKind::Nobody
    }
}

/// Why there is no route.
enum Lost {
    Mount,
    Path,
    Method,
}

/// A request's id.
fn request() -> String {
    let mut id = [0u8; 16];
    OsEntropy::default().fill(&mut id);
    format!("req-{}", Id::uuid(&mut Fixed(id)))
}

/// A rendered answer.
pub(crate) struct Out {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

/// A body as it came in.
pub(crate) enum In {
    Json(Vec<u8>),
    Stream(Box<dyn Read + Send>),
}

/// Headers that services may look at.
const PASSED: &[&str] =
    &["x-subject-token", "if-match", "content-type", "openstack-auth-receipt", "authorization"];

fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|s| !s.is_empty()).collect()
}

impl Edge {
    /// An edge over the mounted services.
    pub fn new(cloud: Arc<Cloud>, identity: Arc<Identity>, mounts: Vec<Mount>) -> Edge {
        let mut table: HashMap<_, Vec<_>> = HashMap::new();
        for (m, mount) in mounts.iter().enumerate() {
            for (r, route) in mount.routes.iter().enumerate() {
                let parts: Vec<Segment> = segments(&route.path).into_iter().map(|s| {
                    match s.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
                        // Routes live as long as the process; their parameter names may as well.
                        Some(name) => Segment::Param(Box::leak(name.to_string().into_boxed_str())),
                        None => Segment::Word(s.into()),
                    }
                }).collect();
                table.entry((m, parts.len())).or_default().push((parts, r));
            }
        }
        // Words before parameters: `/servers/detail` is no server of that id.
        for routes in table.values_mut() {
            routes.sort_by_key(|(parts, _)| {
                parts.iter().map(|p| matches!(p, Segment::Param(_))).collect::<Vec<_>>()
            });
        }
        let uploads = Arc::new(Semaphore::new(UPLOADS));
        let strangers = Arc::new(Semaphore::new(STRANGERS));
        Edge { cloud, identity, mounts, table, flood: Flood::default(), uploads, strangers }
    }

    /// Every route with its mount's prefix, for coverage tests and documents.
    pub fn routes(&self) -> impl Iterator<Item = (&'static str, &Route)> {
        self.mounts.iter().flat_map(|m| m.routes.iter().map(|r| (m.prefix, r)))
    }

    fn dialect(&self, path: &str) -> Dialect {
        let mount = self.mounts.iter().find(|m| below(path, m.prefix).is_some());
        mount.map_or(Dialect::Own, |m| m.dialect)
    }

    /// The route of a request, with the path's parameters.
    fn find(&self, head: &Head) -> Result<(usize, usize, Vec<(&'static str, String)>), Lost> {
        let (mount, rest) = self.mounts.iter().enumerate()
            .find_map(|(i, m)| Some((i, below(&head.path, m.prefix)?))).ok_or(Lost::Mount)?;
        let parts = segments(rest);
        let mut lost = Lost::Path;
        for (pattern, r) in self.table.get(&(mount, parts.len())).into_iter().flatten() {
            let Some(params) = fit(pattern, &parts) else { continue };
            if self.mounts[mount].routes[*r].method == head.method {
                return Ok((mount, *r, params));
            }
            lost = Lost::Method;
        }
        Err(lost)
    }

    /// Answers at once what can be answered from memory. `None`: ask again where it may block,
    /// because a refusal waits for its entry in the journal.
    pub(crate) fn quick(&self, listener: &Listener, head: &Head) -> Option<Out> {
        let (mount, route, params) = self.find(head).ok()?;
        let entry = &self.mounts[mount].routes[route];
        if !entry.quick || microversion(head).is_some() {
            return None;
        }
        let (actor, via, may) = self.bearer(head, mount)?;
        if !may || (actor.scope == Scope::System && !listener.management) {
            return None;
        }
        let (takes, request) = (entry.takes, request());
        let mut way = Way { mount, route, params, actor, via, takes, request };
        if strange(&mut way, head).is_some() {
            return None;
        }
        let call = self.asked(listener, head, &mut way, Value::Null, None);
        let reply = (entry.run)(&call).ok()?;
        Some(answer(reply, &call.request, self.mounts[mount].dialect))
    }

    /// Finds the route and authenticates; no body has been read.
    pub(crate) fn way(&self, listener: &Listener, head: &Head) -> Result<Way, Out> {
        let request = request();
        let plain = |status: u16, say: &str| {
            let word = if status == 404 { "HTTPNotFound" } else { "HTTPMethodNotAllowed" };
            out(errors::body(self.dialect(&head.path), status, word, say), &request)
        };
        let (mount, route, params) = match self.find(head) {
            Ok(found) => found,
            Err(Lost::Mount) => {
                let prefixes: Vec<_> = self.mounts.iter().map(|m| m.prefix).collect();
                let say = format!("Nothing is here. Services: {}", prefixes.join(" "));
                return Err(plain(404, &say));
            }
            Err(Lost::Method) => {
                return Err(plain(405, "The method is not allowed for this resource."));
            }
            Err(Lost::Path) => return Err(plain(404, "The resource could not be found.")),
        };
        let entry = &self.mounts[mount].routes[route];
        let dialect = self.mounts[mount].dialect;
        if let (Some((_, only)), Some(asked)) = (spoken(dialect), microversion(head))
            && asked > only
        {
            let say = format!(
                "Version {}.{} is not supported by the API. Minimum and maximum are {}.{}.",
                asked.0, asked.1, only.0, only.1
            );
            return Err(out(errors::body(dialect, 406, "", &say), &request));
        }
        let (actor, via) = match self.who(listener, head, mount, entry, &request) {
            Ok(who) => who,
            Err(failure) => return Err(self.refuse(dialect, &failure, &request)),
        };
        let mut way = Way { mount, route, params, actor, via, takes: entry.takes, request };
        match strange(&mut way, head) {
            None => Ok(way),
            Some(refusal) => Err(self.refused_early(head, &way, refusal)),
        }
    }

    /// Who is behind the token that was sent, how they signed in, and whether it allows this
    /// request.
    fn bearer(&self, head: &Head, mount: usize) -> Option<(Actor, Via, bool)> {
        let sent = head.header("x-auth-token")?;
        let (actor, token) = self.identity.actor(sent, Some(head.source.as_str()))?;
        let prefix = self.mounts[mount].prefix;
        // The service's type in the catalog, as access rules name it.
        let service = match prefix {
            "/volume" => "volumev3",
            other => other.trim_start_matches('/'),
        };
        let path = below(&head.path, prefix).unwrap_or_default();
        let may = self.identity.may_request(&token, service, &head.method, path);
        Some((actor, Identity::via(&token), may))
    }

    fn who(&self, listener: &Listener, head: &Head, mount: usize, route: &Route, request: &str)
        -> Result<(Actor, Via), Failure> {
        let sent = head.header("x-auth-token");
        let Some((actor, via, may)) = self.bearer(head, mount) else {
            if !route.token {
                return Ok((Actor::nobody(&head.source), Via::default()));
            }
            let why = if sent.is_some() { "the token is not good" } else { "no token was sent" };
            let refusal = Refusal::new(Refused::Unauthenticated, why);
            if self.flood.first(&head.source) {
                let nobody = Actor::nobody(&head.source);
                let mut asked = Command::new(action_of(route), nobody, request);
                asked.source = Some(head.source.clone());
                self.cloud.reader.deny(&asked, refusal);
            }
            let say = "The request you have made requires authentication.";
            return Err(Refusal::new(Refused::Unauthenticated, say).into());
        };
        if !may {
            let mut asked = Command::new(action_of(route), actor, request);
            asked.source = Some(head.source.clone());
            let say = "The token does not allow this request.";
            return Err(self.cloud.reader.deny(&asked, Refusal::new(Refused::Forbidden, say)));
        }
        if actor.scope == Scope::System && !listener.management {
            let mut asked = Command::new(action_of(route), actor, request);
            asked.source = Some(head.source.clone());
            let say = "System-scoped tokens work on the management listener only.";
            return Err(self.cloud.reader.deny(&asked, Refusal::new(Refused::Forbidden, say)));
        }
        Ok((actor, via))
    }

    /// What a route is given.
    fn asked<'a>(&'a self, listener: &Listener, head: &Head, way: &'a mut Way, body: Value,
        input: Option<Box<dyn Read + Send>>) -> Call<'a> {
        Call {
            cloud: &self.cloud,
            path: std::mem::take(&mut way.params),
            actor: &way.actor,
            via: way.via.clone(),
            door: if listener.management { Door::Management } else { Door::Tenants },
            query: query(&head.query),
            body,
            request: way.request.clone(),
            source: Some(head.source.clone()),
            base: format!("{}{}", listener.url, self.mounts[way.mount].prefix),
            version: microversion(head),
            token: head.header("x-auth-token").map(String::from),
            headers: head.headers.iter().filter(|(n, _)| PASSED.contains(&n.as_str())).cloned()
                .collect(),
            input: Mutex::new(input),
        }
    }

    /// Calls the route. Blocks.
    pub(crate) fn call(&self, listener: &Listener, head: Head, mut way: Way, body: In) -> Out {
        let mount = &self.mounts[way.mount];
        let route = &mount.routes[way.route];
        let (json, input) = match body {
            In::Stream(reader) => (Value::Null, Some(reader)),
            In::Json(bytes) if bytes.is_empty() => (Value::Null, None),
            In::Json(bytes) => match serde_json::from_slice(&bytes) {
                Ok(value) => (value, None),
                Err(e) => {
                    let say = format!("The body is not valid JSON: {e}.");
                    let refusal = Refusal::new(Refused::Invalid("body".into()), say);
                    return self.refused_early(&head, &way, refusal);
                }
            },
        };
        let request = way.request.clone();
        let call = self.asked(listener, &head, &mut way, json, input);
        match (route.run)(&call) {
            Ok(reply) => answer(reply, &request, mount.dialect),
            Err(Failure::Refused(refusal)) if !refusal.recorded => {
                let mut asked = call.command(action_of(route));
                asked.target = call.path.last().map(|(_, id)| Id::new(id));
                let failure = self.cloud.reader.deny(&asked, refusal);
                self.refuse(mount.dialect, &failure, &request)
            }
            Err(failure) => self.refuse(mount.dialect, &failure, &request),
        }
    }

    /// Refuses a request whose body cannot be taken, on record.
    pub(crate) fn refused_early(&self, head: &Head, way: &Way, refusal: Refusal) -> Out {
        let mount = &self.mounts[way.mount];
        let action = action_of(&mount.routes[way.route]);
        let mut asked = Command::new(action, way.actor.clone(), way.request.clone());
        asked.source = Some(head.source.clone());
        let failure = self.cloud.reader.deny(&asked, refusal);
        self.refuse(mount.dialect, &failure, &way.request)
    }

    /// "It broke off", on record.
    pub(crate) fn broke_off(&self, head: &Head, way: &Way) -> Out {
        let say = "The body broke off before its end: nothing was done.";
        self.refused_early(head, way, Refusal::new(Refused::Invalid("body".into()), say))
    }

    /// "Too large", on record.
    pub(crate) fn too_large(&self, head: &Head, way: &Way) -> Out {
        let say = format!("The body is larger than {} bytes.", limits::BODY);
        self.refused_early(head, way, Refusal::new(Refused::TooLarge, say))
    }

    fn refuse(&self, dialect: Dialect, failure: &Failure, request: &str) -> Out {
        if let Failure::Fault(fault) = failure {
            log(&format!("{request}: {fault}"));
        }
        out(errors::render(dialect, failure, request), request)
    }

    /// Ends the window of counted refusals: one entry a source with the exact number.
    pub fn flush_counts(&self) {
        self.identity.flush(&self.cloud.handle);
        for (source, count) in self.flood.drain() {
            let mut command =
                Command::new("edge:request:refused", Actor::nobody(&source), "edge");
            command.source = Some(source);
            let say = format!("{count} more requests without a good token");
            let refusal = Refusal::new(Refused::Unauthenticated, say);
            self.cloud.handle.send(Job::Refused { command: Box::new(command), refusal }, |_| {});
        }
    }
}

/// Parameters that no thing has, and that no database should be asked for. They do not go into the
/// journal either.
fn strange(way: &mut Way, head: &Head) -> Option<Refusal> {
    let odd = |text: &str| text.len() > PARAM || text.chars().any(char::is_control);
    if way.params.iter().any(|(_, v)| odd(v)) {
        way.params.clear();
        return Some(Refusal::new(Refused::NotFound, "The resource could not be found."));
    }
    let (name, _) = query(&head.query).into_iter().find(|(n, v)| odd(n) || odd(v))?;
    let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    Some(Refusal::invalid(&name, "is too long or holds a control character"))
}

/// What a refusal of a route is journaled as.
fn action_of(route: &Route) -> &str {
    if route.action.is_empty() { "edge:request:refused" } else { &route.action }
}

/// The one microversion of a service, which its answers name: what it is called in the header.
fn spoken(dialect: Dialect) -> Option<(&'static str, (u32, u32))> {
    match dialect {
        Dialect::Compute => Some(("compute", (2, 1))),
        Dialect::Volume => Some(("volume", (3, 0))),
        _ => None,
    }
}

/// One line for the operator.
fn log(line: &str) {
    use std::io::Write;
    // Nobody can be told that stderr is gone.
    let _ = writeln!(std::io::stderr(), "jinyun: {line}");
}

struct Fixed([u8; 16]);

impl Entropy for Fixed {
    fn fill(&mut self, out: &mut [u8]) {
        let n = out.len().min(16);
        out[..n].copy_from_slice(&self.0[..n]);
    }
}

fn below<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

fn fit(pattern: &[Segment], parts: &[&str]) -> Option<Vec<(&'static str, String)>> {
    let mut params = Vec::new();
    for (segment, part) in pattern.iter().zip(parts) {
        match segment {
            Segment::Word(word) if word == part => {}
            Segment::Word(_) => return None,
            Segment::Param(name) => params.push((*name, decode(part))),
        }
    }
    Some(params)
}

/// Percent-decoding; what is no valid escape stays as it is.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok());
        match hex.filter(|_| bytes[i] == b'%').and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn query(text: &str) -> Vec<(String, String)> {
    text.split('&').filter(|p| !p.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
    }).collect()
}

/// `OpenStack-API-Version: compute 2.79`, or Nova's older header.
fn microversion(head: &Head) -> Option<(u32, u32)> {
    let text = head.header("openstack-api-version").and_then(|v| v.split(' ').nth(1))
        .or_else(|| head.header("x-openstack-nova-api-version"))?;
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn out((status, kind, text): (u16, &'static str, String), request: &str) -> Out {
    let mut headers = vec![
        ("content-type".to_string(), kind.to_string()),
        ("x-openstack-request-id".to_string(), request.to_string()),
    ];
    if status == 401 {
        headers.push(("www-authenticate".into(), "Keystone uri=\"/identity/v3\"".into()));
    }
    Out { status, headers, body: Body::Text(text) }
}

fn answer(reply: Reply, request: &str, dialect: Dialect) -> Out {
    let kind = match &reply.body {
        Body::Empty => None,
        Body::Json(_) | Body::Text(_) => Some("application/json"),
        Body::File(_) | Body::Stream(_) => Some("application/octet-stream"),
    };
    let mut headers = vec![("x-openstack-request-id".to_string(), request.to_string())];
    headers.extend(reply.headers.into_iter().map(|(n, v)| (n.to_string(), v)));
    if let Some((name, (major, minor))) = spoken(dialect) {
        headers.push(("openstack-api-version".into(), format!("{name} {major}.{minor}")));
        headers.push(("vary".into(), "OpenStack-API-Version".into()));
    }
    if let Some(kind) = kind
        && !headers.iter().any(|(n, _)| n == "content-type")
    {
        headers.push(("content-type".into(), kind.into()));
    }
    Out { status: reply.status, headers, body: reply.body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries() {
        assert_eq!(below("/network/v2.0", "/network"), Some("/v2.0"));
        assert_eq!(below("/networks", "/network"), None);
        assert_eq!(decode("a%20b%zz%"), "a b%zz%");
        assert_eq!(query("name=a+b&x=%2F&flag"), [
            ("name".into(), "a b".into()), ("x".into(), "/".into()), ("flag".into(), String::new()),
        ]);
    }
}
