//! Trying what people must not do: as users of the synthetic institution, by the operations that
//! they are offered.
//!
//! Problem: rules about signing in, about rights and about agreeing are promises of services, and a
//! look at settings proves none of them. Mechanism: the synthetic institution gets people, made by
//! the commands that every institution's people are made by; they sign in and ask through the same
//! routes that the edge calls, each forbidden thing with the allowed one beside it. Not through
//! HTTP: the edge's own part is tried from outside (`facts::listeners`), and a request that comes
//! from nowhere can have a source of its own here. Sources are of the range for documentation
//! (RFC 3849), so that failures count against nobody, and every request has the assessment's tag,
//! by which the alarms that this raises are known as the platform's own. Staff is made up, as the
//! edge would make it from a token: nobody here has its passwords.
//!
//! What a trial has to leave in the journal is looked for at once: an attempt that must be marked
//! and is not counts as one that got through.

mod agreed;
mod factors;
mod federated;
mod guardrails;
mod guests;
mod logins;
mod passkeys;
mod records;
mod rights;
mod sealed;
mod statements;
mod stranger;

pub use stranger::{Api, By, Came, Inside, Sent};

use crate::attack::{Attempt, Outcome, Tried};
use crate::stage::{DOMAIN, Ground};
use jinyun_base::{Entropy, Id, OsEntropy, Time};
use jinyun_compute::{Keypair, Server, ServerSpec, Size};
use jinyun_engine::{Command, Ctx, Effect, Failure, Place, Query, Via};
use jinyun_identity::{Group, User};
use jinyun_journal::{Entry, Key};
use jinyun_kms::Kms;
use jinyun_policy::{Actor, ActorKind, Duty, PROVIDER, Role, Scope};
use jinyun_rest::Cloud;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What trials need.
pub struct Scene<'a> {
    /// The operations.
    pub api: &'a dyn Api,
    /// The records.
    pub cloud: &'a Cloud,
    /// What is fought over.
    pub ground: &'a Ground,
    /// Begins the id of every request; unlike that of any other run.
    pub tag: &'a str,
    /// Reads the clock.
    pub clock: &'a dyn Fn() -> Time,
    /// The keys that sign the journal.
    pub keys: &'a [Key],
    /// The keys that tokens are sealed with, for a copy of the service.
    pub kms: Arc<Kms>,
    /// Since when there are entries about this stage.
    pub began: Time,
}

/// Two exports of the same period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exports {
    /// Digests of their entries.
    pub digests: [String; 2],
    /// How many entries each has.
    pub entries: [u64; 2],
    /// How many entries a list of the same period has.
    pub listed: u64,
    /// What the verifier complained of.
    pub problems: Vec<String>,
}

/// What trials saw beside what they tried.
#[derive(Debug, Clone, Default)]
pub struct Sights {
    /// What somebody is told before they sign in.
    pub notice: Option<String>,
    /// An institution's journal, exported twice.
    pub exports: Option<Exports>,
}

/// A trial: the check that reads it, and what it does. An error is why it could not be carried out.
type Trial = (&'static str, fn(&mut Play<'_>, &Cast) -> Result<(), String>);

/// All of them.
const TRIALS: &[Trial] = &[
    ("login-notice", logins::notice),
    ("password-policy", logins::password_policy),
    ("lockout", logins::lockout),
    ("unusual-login", logins::unusual),
    ("sources-and-hours", logins::sources_and_hours),
    ("idle-ends", logins::idle),
    ("credential-change", factors::credential_change),
    ("second-factor", factors::second_factor),
    ("sub-accounts", rights::sub_accounts),
    ("passkey-sign-in", passkeys::passkey),
    ("federated-sign-in", federated::sign_in),
    ("credential-records", sealed::records),
    ("keypair-public", guests::keypair),
    ("server-password", guests::password),
    ("approval-holds", agreed::approval),
    ("consent-holds", agreed::consent),
    ("statement-holds", statements::statements),
    ("guardrail-holds", guardrails::guardrails),
    ("no-secret-told", records::marks),
    // At the end: the others have filled the journal.
    ("service-in-journal", records::services),
    ("tenant-journal", records::journal),
];

/// Carries all trials out.
pub fn try_people(scene: &Scene<'_>) -> (Vec<Tried>, Sights) {
    try_some(scene, |_| true)
}

/// Carries some of them out, by the names of their checks.
pub fn try_some(scene: &Scene<'_>, wanted: impl Fn(&str) -> bool) -> (Vec<Tried>, Sights) {
    let mut play = Play::new(scene);
    let chosen: Vec<Trial> =
        TRIALS.iter().copied().filter(|(check, _)| wanted(check)).collect();
    let cast = match Cast::new(&mut play) {
        Ok(cast) => cast,
        Err(why) => {
            for (check, _) in chosen {
                play.broke(check, why.clone());
            }
            return (play.tried, play.sights);
        }
    };
    for (check, trial) in chosen {
        if let Err(why) = trial(&mut play, &cast) {
            play.broke(check, why);
        }
    }
    guests::search(&mut play);
    (play.tried, play.sights)
}

/// Somebody of the synthetic institution.
#[derive(Clone)]
pub(crate) struct Person {
    id: String,
    name: String,
    password: String,
}

/// Those whom every trial needs.
pub(crate) struct Cast {
    /// A manager whom the edge would make from a token: first there is nobody who could sign in.
    manager: By,
    /// Managers of the institution, signed in to it.
    boss: By,
    vice: By,
    /// A member of the attacked project, signed in to that.
    ann: By,
    ann_is: Person,
}

impl Cast {
    fn new(play: &mut Play<'_>) -> Result<Cast, String> {
        let scope = Scope::Domain(DOMAIN.into());
        let manager = made_up("evidence-manager", DOMAIN, scope, Some(Role::Manager), None);
        // Said in full: what the provider has set for itself would hold otherwise.
        play.rules(&manager, json!({
            "lockout_failure_attempts": 3, "lockout_duration": 300, "password_expires_days": 90,
            "unique_last_password_count": 3, "minimum_password_age": 0, "minimum_length": 12,
            "character_classes": 3, "disable_user_account_days_inactive": 0, "idle_seconds": 60,
            "session_seconds": 900, "change_password_upon_first_use": false,
            "multi_factor": false,
        }))?;
        let boss = play.person(&manager, "boss")?;
        let vice = play.person(&manager, "vice")?;
        let ann = play.person(&manager, "ann")?;
        for person in [&boss, &vice] {
            play.give(&manager, &format!("/v3/domains/{DOMAIN}"), person, Role::Manager)?;
        }
        let project = play.scene.ground.theirs.clone();
        play.give(&manager, &format!("/v3/projects/{project}"), &ann, Role::Member)?;
        let inside = json!({ "domain": { "id": DOMAIN } });
        Ok(Cast {
            boss: play.enter(&boss, inside.clone())?,
            vice: play.enter(&vice, inside)?,
            ann: play.enter(&ann, in_project(&project))?,
            ann_is: ann,
            manager,
        })
    }
}

/// The scope of a project.
fn in_project(project: &Id) -> Value {
    json!({ "project": { "id": project } })
}

/// An actor as the edge would make it from a token.
fn made_up(id: &str, domain: &str, scope: Scope, role: Option<Role>, duty: Option<Duty>) -> By {
    let (kind, id, domain) = (ActorKind::User, id.into(), domain.into());
    By::Actor(Box::new(Actor { kind, id, domain, scope, role, duty }))
}

/// One of the provider's staff.
fn staff(id: &str, duty: Duty) -> By {
    made_up(id, PROVIDER, Scope::System, None, Some(duty))
}

/// A run of trials.
pub(crate) struct Play<'a> {
    scene: &'a Scene<'a>,
    next: u32,
    /// Ends the names of people, so that two runs on one stage do not meet.
    ending: String,
    /// Of its networks.
    net: [u16; 2],
    /// The journal's length at the beginning.
    from: u64,
    tried: Vec<Tried>,
    sights: Sights,
    /// What is searched for when all trials are done.
    sought: Vec<guests::Sought>,
}

impl<'a> Play<'a> {
    fn new(scene: &'a Scene<'a>) -> Play<'a> {
        let from = scene.cloud.reader.lend(|db| db.journal_length()).unwrap_or(0);
        let mut dice = OsEntropy::default();
        let net = [(); 2].map(|()| u16::try_from(dice.below(1 << 16)).unwrap_or(0));
        let (tried, sights) = (Vec::new(), Sights::default());
        Play { scene, next: 0, ending: letters(6), net, from, tried, sights, sought: Vec::new() }
    }

    fn now(&self) -> Time {
        (self.scene.clock)()
    }

    /// An address in a network of its own; 0 is where everybody usually is. Each run has other
    /// networks, so what one run's failures lead to ends with it.
    fn place(&self, n: u16) -> String {
        let [low, high] = self.net;
        format!("2001:db8:{:x}:{high:x}::1", low.wrapping_add(n))
    }

    fn request(&mut self) -> String {
        let request = format!("{}-p{}", self.scene.tag, self.next);
        self.next += 1;
        request
    }

    /// Sends a request, from the usual place if it names none.
    fn go(&mut self, mut sent: Sent) -> Came {
        sent.request = self.request();
        if sent.source.is_empty() {
            sent.source = self.place(0);
        }
        let request = sent.request.clone();
        Came { request, ..self.scene.api.send(sent) }
    }

    /// Runs a command of whoever is behind a token, for services whose routes nothing here needs.
    fn run(&mut self, by: &By, action: &str, target: Option<&Id>, args: Value) -> Came {
        self.tell(by, action, args, |command| command.target = target.cloned())
    }

    /// The same, with whatever else the command says.
    fn tell(&mut self, by: &By, action: &str, args: Value, more: impl FnOnce(&mut Command))
        -> Came {
        let Some(mut command) = self.command(by, action) else {
            return Came::refused("unauthenticated", "nobody asks");
        };
        command.args = args;
        more(&mut command);
        let request = command.request.clone();
        Came { request, ..self.scene.api.run(command) }
    }

    /// A command as the edge would make it, from the usual place; none of nobody's.
    fn command(&mut self, by: &By, action: &str) -> Option<Command> {
        let source = self.place(0);
        let (actor, via) = match by {
            By::Token(token) => self.scene.api.actor(token, &source)?,
            By::Actor(actor) => (Actor::clone(actor), Via::default()),
            By::Nobody => return None,
        };
        let mut command = Command::new(action, actor, self.request());
        (command.source, command.via) = (Some(source), via);
        Some(command)
    }

    /// Sets the synthetic institution's security rules.
    fn rules(&mut self, by: &By, rules: Value) -> Result<(), String> {
        let body = json!({ "config": { "security_compliance": rules } });
        let path = format!("/v3/domains/{DOMAIN}/config");
        self.go(Sent::new("identity", "PATCH", path).by(by).with(body)).done("the rules")
    }

    /// Asks for a new user.
    fn make(&mut self, by: &By, name: &str, password: &str) -> Came {
        let user = json!({ "name": name, "domain_id": DOMAIN, "password": password });
        let body = json!({ "user": user });
        self.go(Sent::new("identity", "POST", "/v3/users").by(by).with(body))
    }

    /// A new user with a password that fits.
    fn person(&mut self, by: &By, name: &str) -> Result<Person, String> {
        let (name, password) = (format!("{name}-{}", self.ending), password());
        let came = self.make(by, &name, &password);
        came.done(&name)?;
        Ok(Person { id: came.id("user")?, name, password })
    }

    /// Gives a role in a place.
    fn give(&mut self, by: &By, place: &str, to: &Person, role: Role) -> Result<(), String> {
        self.go(grant("PUT", place, "users", &to.id, role).by(by)).done("giving a role")
    }

    /// A sign-in by password, and by a code if there is one.
    fn sign(&mut self, who: &Person, code: Option<&str>, scope: Value, place: u16) -> Came {
        let mut identity = json!({ "methods": ["password"] });
        identity["password"] = json!({ "user": { "id": who.id, "password": who.password } });
        if let Some(code) = code {
            identity["methods"] = json!(["password", "totp"]);
            identity["totp"] = json!({ "user": { "id": who.id, "passcode": code } });
        }
        let source = self.place(place);
        self.go(sign_in(identity, scope).at(source))
    }

    /// Somebody who has signed in.
    fn enter(&mut self, who: &Person, scope: Value) -> Result<By, String> {
        let came = self.sign(who, None, scope, 0);
        came.done(&who.name)?;
        Ok(By::Token(came.token))
    }

    /// Changes somebody's own password.
    fn change(&mut self, id: &str, old: &str, new: &str) -> Came {
        let body = json!({ "user": { "original_password": old, "password": new } });
        self.go(Sent::new("identity", "POST", format!("/v3/users/{id}/password")).with(body))
    }

    fn note(&mut self, check: &'static str, what: &'static str, forbidden: bool,
        outcome: Outcome) {
        let attempt = Attempt { what, forbidden, outcome };
        match self.tried.iter_mut().find(|t| t.check == check) {
            Some(tried) => tried.attempts.push(attempt),
            None => self.tried.push(Tried { check, attempts: vec![attempt] }),
        }
    }

    /// It could not be tried to its end.
    fn broke(&mut self, check: &'static str, why: String) {
        self.note(check, "the trial", true, Outcome::Untried(why));
    }

    /// A control: what is allowed.
    fn works(&mut self, check: &'static str, what: &'static str, came: &Came) {
        let outcome = match came.code {
            "ok" => Outcome::Worked("it was done".into()),
            "fault" => Outcome::Untried(came.says.clone()),
            _ => Outcome::Stopped(came.says.clone()),
        };
        self.note(check, what, false, outcome);
    }

    /// A control of another sort: something that has to be so.
    fn control(&mut self, check: &'static str, what: &'static str, so: bool) {
        let outcome = match so {
            true => Outcome::Worked("it is so".into()),
            false => Outcome::Stopped("it is not so".into()),
        };
        self.note(check, what, false, outcome);
    }

    /// Something forbidden, and the words of a refusal that is about that. Another refusal came
    /// past the decision and failed for another reason.
    fn stopped(&mut self, check: &'static str, what: &'static str, came: &Came, words: &[&str]) {
        let outcome = match came.code {
            "ok" => Outcome::Worked("it was done".into()),
            code if words.contains(&code) => Outcome::Stopped(came.says.clone()),
            code => Outcome::Untried(format!("{code}: {}", came.says)),
        };
        self.note(check, what, true, outcome);
    }

    /// Something forbidden whose refusal has to hold a word that no other refusal has: what a rule
    /// is called by.
    fn named(&mut self, check: &'static str, what: &'static str, came: &Came, code: &str,
        name: &str) {
        let codes = [code];
        let words: &[&str] = if came.says.contains(name) { &codes } else { &[] };
        self.stopped(check, what, came, words);
    }

    /// Something that must not be so.
    fn never(&mut self, check: &'static str, what: &'static str, so: bool) {
        self.unless(check, what, so.then(|| "it is so".into()));
    }

    /// Something that must not be so, and how it shows if it is.
    fn unless(&mut self, check: &'static str, what: &'static str, so: Option<String>) {
        let outcome = match so {
            Some(how) => Outcome::Worked(how),
            None => Outcome::Stopped("it is not so".into()),
        };
        self.note(check, what, true, outcome);
    }

    /// Entries of a request among those since the beginning.
    fn entries(&self, request: &str) -> Result<Vec<Entry>, String> {
        let from = self.from;
        let bytes = self.scene.cloud.reader.lend(|db| {
            let to = db.journal_length()?;
            db.entries(from, to)
        });
        let parse = |bytes: Vec<u8>| serde_json::from_slice::<Entry>(&bytes).ok();
        Ok(bytes.map_err(|e| e.to_string())?.into_iter().filter_map(parse)
            .filter(|entry| entry.request == request).collect())
    }

    /// That something stands in the journal: what it must not be is missing.
    fn recorded(&mut self, check: &'static str, what: &'static str, request: &str,
        is: impl Fn(&Entry) -> bool) -> Result<(), String> {
        let there = self.entries(request)?.iter().any(is);
        self.never(check, what, !there);
        Ok(())
    }
}

/// `PUT` or `DELETE` of a role of a user or group in a place.
fn grant(method: &'static str, place: &str, sort: &str, who: &str, role: Role) -> Sent {
    let (role, _) = jinyun_identity::assignment::role_of(jinyun_identity::Grant::Role(role));
    Sent::new("identity", method, format!("{place}/{sort}/{who}/roles/{role}"))
}

/// A sign-in.
fn sign_in(identity: Value, scope: Value) -> Sent {
    let mut auth = json!({ "identity": identity });
    if !scope.is_null() {
        auth["scope"] = scope;
    }
    Sent::new("identity", "POST", "/v3/auth/tokens").with(json!({ "auth": auth }))
}

/// Random letters.
fn letters(count: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
    let mut dice = OsEntropy::default();
    (0..count).map(|_| {
        let n = usize::try_from(dice.below(LETTERS.len() as u64)).unwrap_or(0);
        LETTERS.get(n).map_or('x', |letter| char::from(*letter))
    }).collect()
}

/// A password that fits the synthetic institution's rules.
fn password() -> String {
    format!("Jy-{}-Z9", letters(24))
}

/// A server that never runs, since its disk is not there: a record of a tenant's to ask for.
pub(crate) fn server(ctx: &mut Ctx<'_>, project: &Id) -> Result<Id, Failure> {
    let (id, root) = (Id::uuid(ctx.dice()), Id::uuid(ctx.dice()));
    let word = || "evidence".to_string();
    let flavor = Size { id: word().into(), name: word(), vcpus: 1, memory_mib: 1, disk_gib: 1 };
    let spec = ServerSpec {
        name: word(), hostname: word(), flavor, image: word().into(), key_name: word(),
        public_key: String::new(), user: word().into(), ports: Vec::new(), own_ports: Vec::new(),
        root, volumes: Vec::new(), metadata: BTreeMap::new(), running: false, incarnation: 1,
        host: String::new(), has_user_data: false, has_password: false,
    };
    let at = Place { domain: DOMAIN.into(), project: project.clone(), id };
    Ok(ctx.create_at::<Server>(at, spec)?.id)
}

/// Takes people and what they brought away; whether something needs a host's word first.
pub(crate) fn take_away(ctx: &mut Ctx<'_>) -> Result<bool, Failure> {
    let here = Query { domain: Some(DOMAIN.into()), ..Query::default() };
    for user in ctx.list::<User>(&here)? {
        ctx.delete::<User>(&user.id)?;
    }
    for group in ctx.list::<Group>(&here)? {
        ctx.delete::<Group>(&group.id)?;
    }
    for pair in ctx.list::<Keypair>(&here)? {
        ctx.delete::<Keypair>(&pair.id)?;
    }
    let servers = ctx.list::<Server>(&here)?;
    for server in &servers {
        ctx.delete::<Server>(&server.id)?;
    }
    Ok(!servers.is_empty())
}

/// Whether an entry put a resource of a kind, or this one.
fn puts(entry: &Entry, sort: &str, this: Option<&str>) -> bool {
    entry.effects.iter().any(|effect| match effect {
        Effect::Put { kind, id, .. } => kind == sort && this.is_none_or(|this| id == this),
        _ => false,
    })
}
