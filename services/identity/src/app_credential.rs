//! Application credentials: a secret for a program, which gives a part of its user's roles in one
//! project.
//!
//! Nothing is copied that could outlive its source: the roles of a credential are an upper bound,
//! and at each use they are cut down to what its user holds there at that moment
//! (`directory/delegated.rs`). Access rules narrow it to single requests. They are rows of their
//! own, as in Keystone, where they outlive the credential that brought them.

use crate::auth::{BY_HAND, by_hand};
use crate::names;
use jinyun_base::{Entropy, Id, Kind, Refusal, Refused, limits};
use jinyun_engine::{
    Claim, Command, Ctx, Failure, Have, Link, OnDelete, Place, Query, Resource, View,
};
use jinyun_policy::Role;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How many credentials a user has at most.
const MOST: usize = 100;
/// How many access rules a credential has at most.
const RULES: usize = 50;
/// Methods that a rule can be about.
const METHODS: [&str; 6] = ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"];
/// Longest path of a rule, as in Keystone.
const PATH: usize = 225;

/// The kind.
pub struct AppCredential;

/// What an application credential is. The hash of its secret is a secret of the row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppCredentialSpec {
    /// Unique among its user's.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Whose it is.
    pub user: Id,
    /// Where it holds.
    pub project: Id,
    /// The project's domain.
    pub domain: Id,
    /// At most these roles.
    pub roles: Vec<Role>,
    /// When it ends, microseconds.
    #[serde(default)]
    pub expires: Option<i64>,
    /// Whether it may make and delete others of its kind.
    #[serde(default)]
    pub unrestricted: bool,
    /// If there are any, only requests that one of them names.
    #[serde(default)]
    pub access_rules: Vec<AccessRule>,
}

/// A request that a credential may make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessRule {
    /// Id of the rule's row.
    pub id: Id,
    /// Type of the service in the catalog.
    pub service: String,
    /// HTTP method.
    pub method: String,
    /// Path below the service's endpoint, with wildcards.
    pub path: String,
}

impl AccessRule {
    /// Whether a request is the one that the rule names. `*` and `{name}` stand for a part of one
    /// segment of the path, `**` for any number of segments.
    pub fn allows(&self, service: &str, method: &str, path: &str) -> bool {
        self.service == service && self.method == method && fits(&self.path, path)
    }
}

/// A piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Piece {
    Is(char),
    /// One character or more of a segment.
    Part,
    /// Anything.
    Rest,
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let (mut pieces, mut rest) = (Vec::new(), pattern);
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('{').and_then(|r| r.split_once('}'))
            .filter(|(name, _)| !name.contains('/'));
        if let Some(after) = rest.strip_prefix("**") {
            pieces.push(Piece::Rest);
            rest = after;
        } else if let Some((_, after)) = named {
            pieces.push(Piece::Part);
            rest = after;
        } else {
            pieces.push(if first == '*' { Piece::Part } else { Piece::Is(first) });
            rest = &rest[first.len_utf8()..];
        }
    }
    pieces
}

/// Whether a path fits a pattern. The places of the pattern that the path can have reached are
/// kept as a set, so that no pattern takes long.
fn fits(pattern: &str, path: &str) -> bool {
    // `Part` takes one character, and from then on may take more: two places.
    let mut places = Vec::new();
    for piece in pieces(pattern) {
        match piece {
            Piece::Part => places.extend([(Piece::Part, false), (Piece::Part, true)]),
            other => places.push((other, false)),
        }
    }
    let skips = |(piece, more): (Piece, bool)| piece == Piece::Rest || more;
    let mut at = vec![false; places.len() + 1];
    let spread = |at: &mut Vec<bool>| {
        for (i, place) in places.iter().enumerate() {
            if at[i] && skips(*place) {
                at[i + 1] = true;
            }
        }
    };
    at[0] = true;
    spread(&mut at);
    for c in path.chars() {
        let mut next = vec![false; at.len()];
        for (i, (piece, more)) in places.iter().enumerate().filter(|(i, _)| at[*i]) {
            match piece {
                Piece::Is(wanted) if *wanted == c => next[i + 1] = true,
                Piece::Part if c != '/' => next[if *more { i } else { i + 1 }] = true,
                Piece::Rest => next[i] = true,
                _ => {}
            }
        }
        spread(&mut next);
        at = next;
    }
    at.last().copied().unwrap_or(false)
}

impl Resource for AppCredential {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("application_credential");
    type Spec = AppCredentialSpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(spec: &AppCredentialSpec) -> &str {
        &spec.name
    }

    fn owner(have: &Have<AppCredential>) -> Option<Id> {
        Some(have.spec.user.clone())
    }

    fn check(new: &AppCredentialSpec, _: Option<&AppCredentialSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        names::check("name", &new.name, limits::NAME)?;
        if new.roles.is_empty() {
            return Err(Refusal::invalid("roles", "are none").into());
        }
        if new.access_rules.len() > RULES {
            return Err(Refusal::invalid("access_rules", format!("are more than {RULES}")).into());
        }
        Ok(())
    }

    fn claims(spec: &AppCredentialSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "application-credential".into(),
            word: format!("{}/{}", spec.user, names::fold(&spec.name)),
            taken: format!("Duplicate entry found with name {}.", spec.name),
        }]
    }

    fn links(spec: &AppCredentialSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        vec![
            Link { role: "user", kind: "user", id: spec.user.clone(), on_delete },
            Link { role: "project", kind: "project", id: spec.project.clone(), on_delete },
        ]
    }

    fn fields(spec: &AppCredentialSpec) -> Vec<(&'static str, String)> {
        vec![("user", spec.user.to_string())]
    }
}

/// The row of an access rule.
pub struct Access;

/// Whose rule it is and what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessSpec {
    /// User.
    pub user: Id,
    /// Type of the service in the catalog.
    pub service: String,
    /// HTTP method.
    pub method: String,
    /// Path with wildcards.
    pub path: String,
}

impl Resource for Access {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("access_rule");
    type Spec = AccessSpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(_: &AccessSpec) -> &str {
        ""
    }

    fn owner(have: &Have<Access>) -> Option<Id> {
        Some(have.spec.user.clone())
    }

    fn check(new: &AccessSpec, _: Option<&AccessSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        if !METHODS.contains(&new.method.as_str()) {
            let say = format!("must be one of {}", METHODS.join(", "));
            return Err(Refusal::invalid("method", say).into());
        }
        if !new.path.starts_with('/') || new.path.chars().count() > PATH {
            let say = format!("must begin with a slash and have at most {PATH} characters");
            return Err(Refusal::invalid("path", say).into());
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if new.service.is_empty() || new.service.len() > 64 || !new.service.chars().all(word) {
            let say = "must be a service's type, as the catalog has it";
            return Err(Refusal::invalid("service", say).into());
        }
        Ok(())
    }

    fn claims(spec: &AccessSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "access-rule".into(),
            word: word(spec),
            taken: "The user has this access rule already.".into(),
        }]
    }

    fn links(spec: &AccessSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        vec![Link { role: "user", kind: "user", id: spec.user.clone(), on_delete }]
    }

    fn fields(spec: &AccessSpec) -> Vec<(&'static str, String)> {
        vec![("user", spec.user.to_string())]
    }
}

fn word(spec: &AccessSpec) -> String {
    format!("{}/{}/{}{}", spec.user, spec.service, spec.method, spec.path)
}

/// What a creation asks for. User, project and the bound on roles are the caller's own.
#[derive(Deserialize)]
struct Asked {
    name: String,
    description: String,
    roles: Vec<Role>,
    expires: Option<i64>,
    unrestricted: bool,
    access_rules: Vec<AskedRule>,
}

/// A rule by what it says, or by the id of one that is there.
#[derive(Deserialize)]
#[serde(untagged)]
enum AskedRule {
    Kept { id: Id },
    New { service: String, method: String, path: String },
}

/// Makes a credential for the caller in the project of the caller's token. Not for a program that was let
/// in by a browser: the credential would be there when whoever let it in has signed out.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    if !by_hand(&command.via.methods) {
        return Err(Refusal::new(Refused::Forbidden, BY_HAND).into());
    }
    let asked: Asked = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("application_credential", format!("cannot be read: {e}")))?;
    let (user, now) = (ctx.actor.id.clone(), ctx.now.0);
    let here = ctx.actor.project().cloned().zip(ctx.actor.domain_of_scope().cloned());
    let (Some((project, domain)), Some(highest)) = (here, ctx.actor.role) else {
        let say = "An application credential is made with a token for the project it is for.";
        return Err(Refusal::new(Refused::Forbidden, say).into());
    };
    if asked.roles.iter().any(|r| *r > highest) {
        let say = "name a role that the token does not give";
        return Err(Refusal::invalid("roles", say).into());
    }
    if asked.expires.is_some_and(|at| at <= now) {
        return Err(Refusal::invalid("expires_at", "must not be before now").into());
    }
    let held = ctx.list::<AppCredential>(&Query::field("user", &user))?.len();
    if held >= MOST {
        let say = format!("A user has at most {MOST} application credentials: delete one first.");
        return Err(Refusal::new(Refused::Forbidden, say).into());
    }
    let mut access_rules = Vec::new();
    for rule in asked.access_rules {
        access_rules.push(keep_rule(ctx, &user, &domain, rule)?);
    }
    let spec = AppCredentialSpec {
        name: asked.name,
        description: asked.description,
        user,
        project,
        domain: domain.clone(),
        roles: asked.roles,
        expires: asked.expires,
        unrestricted: asked.unrestricted,
        access_rules,
    };
    // In no project: it is its user's, and whoever else works in the project need not know of it.
    let row = ctx.create::<AppCredential>(&domain, &"".into(), spec)?;
    for (name, secret) in &command.secrets {
        ctx.put_secret("application_credential", &row.id, name, secret.expose())?;
    }
    Ok(json!({ "id": row.id }))
}

/// The user's rule that is meant, made if there is none.
fn keep_rule(ctx: &mut Ctx<'_>, user: &Id, domain: &Id, asked: AskedRule)
    -> Result<AccessRule, Failure> {
    let spec = match asked {
        AskedRule::Kept { id } => {
            let found = ctx.view().get::<Access>(&id)?.filter(|r| r.spec.user == *user);
            found.ok_or_else(|| Refusal::not_found("access_rule", &id))?.spec
        }
        AskedRule::New { service, method, path } => {
            AccessSpec { user: user.clone(), service, method, path }
        }
    };
    let id = match ctx.view().claimed("access-rule", &word(&spec))? {
        Some((_, id)) => id,
        None => ctx.create::<Access>(domain, &"".into(), spec.clone())?.id,
    };
    Ok(AccessRule { id, service: spec.service, method: spec.method, path: spec.path })
}

/// Deletes a rule that no credential of its user has.
pub(crate) fn delete_rule(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("access_rule_id", "is missing").into());
    };
    let rule = ctx.get::<Access>(id)?;
    let held = ctx.list::<AppCredential>(&Query::field("user", &rule.spec.user))?;
    if let Some(user) = held.iter().find(|c| c.spec.access_rules.iter().any(|r| r.id == *id)) {
        return Err(Refusal::new(Refused::Forbidden, format!(
            "Application credential {} uses access rule {id}: delete the credential first.", user.id
        )).into());
    }
    ctx.delete::<Access>(id)?;
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_patterns() {
        let cases = [
            ("/v3/users", "/v3/users", true),
            ("/v3/users", "/v3/users/", false),
            ("/v2.1/servers/*/ips", "/v2.1/servers/a1/ips", true),
            ("/v2.1/servers/*/ips", "/v2.1/servers//ips", false),
            ("/v2.1/servers/*/ips", "/v2.1/servers/a/b/ips", false),
            ("/v2.1/servers/{server_id}", "/v2.1/servers/a1", true),
            ("/v2.1/servers/{server_id}", "/v2.1/servers/a1/action", false),
            ("/v2.1/**", "/v2.1/servers/a/b", true),
            ("/v2.1/**", "/v2.1/", true),
            ("/v2.1/**", "/v2.1", false),
            ("**", "", true),
            ("/a/**/z", "/a/b/c/z", true),
            ("/a/**/z", "/a/b/c/y", false),
            ("/v2.1/*.json", "/v2.1/a.json", true),
            ("/v2.1/x", "/v2x1/x", false),
            ("/{a/b}", "/{a/b}", true),
            ("/{open", "/{open", true),
            ("/**********************a", "/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", false),
        ];
        for (pattern, path, want) in cases {
            assert_eq!(fits(pattern, path), want, "{pattern} {path}");
        }
        let rule = AccessRule {
            id: "r".into(), service: "compute".into(), method: "GET".into(), path: "/**".into(),
        };
        assert!(rule.allows("compute", "GET", "/x"));
        assert!(!rule.allows("compute", "POST", "/x") && !rule.allows("network", "GET", "/x"));
    }
}
