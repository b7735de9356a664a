//! Signing in, and what a token is worth at each use.
//!
//! Whoever fails learns nothing: a wrong name, a wrong password, a locked and a disabled account
//! get the same words after the same work (an unknown name is checked against a hash that nobody's
//! password fits). What was wrong stands in the journal.
//!
//! A sign-in goes one way: each method is proved (`password`, `totp`, `passkey`, `token`,
//! `application_credential`, `device`) and admitted (`admit`), then it is asked whether the proofs
//! are enough (`factors`), then where the token holds (`scope`), then the login is recorded and the
//! token goes out (`issue`). What must not happen twice (a one-time code, the answer to a challenge,
//! a use of a trust) is settled by a command before the token goes out, because only commands are
//! one after the other.

mod activity;
mod admit;
mod application_credential;
mod breached;
mod ec2;
mod elsewhere;
mod factors;
mod issue;
mod passkey;
mod password;
mod pool;
mod recovery;
mod routes;
mod rules;
mod scope;
mod token;
mod totp;

use crate::app_credential::AppCredentialSpec;
use crate::device::Devices;
use crate::directory::Directory;
use crate::external::{Desk, Directories};
use crate::lockout::Guard;
use crate::passkey::{RelyingParty, Used};
use crate::receipt::{RECEIPT_HEADER, Receipt};
use crate::session::Sessions;
use crate::token::{Federation, Signed, Token};
use crate::user::{METHODS, MFA, OPENID, UserSpec};
use crate::window;
use admit::Attempt;
use breached::Breached;
use factors::Enough;
pub(crate) use factors::{BY_HAND, both, by_hand, has_hand};
use issue::Place;
use jinyun_base::{Fault, Id, OsEntropy, Refusal, Refused, Secret, Time};
use jinyun_engine::{Command, Failure, Handle, Job, Registry, Via};
use jinyun_kms::{Kms, hash_password};
use jinyun_policy::Actor;
use jinyun_rest::{Call, Route, Words};
use pool::Pool;
use scope::Asked;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

/// Reads the clock.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// The words of every refused sign-in.
pub(crate) const DENIED: &str = "The request you have made requires authentication.";

/// What somebody who has not signed in is told, if the operator says nothing else.
const NOTICE: &str = "This system is for authorized use only. What you do is recorded and may be \
    given to auditors and to the authorities. Unauthorized access, or use beyond what you were \
    authorized to do, is prosecuted. Leave now if you are not authorized.\n\
    本系统仅供授权用户使用。您的操作将被记录，并可能提供给审计和监管机关。未经授权的访问或超越权限的使用，\
    将依法追究责任。如未获授权，请立即退出。";

/// Refusals of a source that nobody looked at are journaled with their number so often, in seconds.
const FLUSH: i64 = 10;

/// The service's state.
pub struct Identity {
    /// Who there is.
    pub directory: Arc<Directory>,
    kms: Arc<Kms>,
    clock: Clock,
    pool: Pool,
    guard: Guard,
    sessions: Sessions,
    nobody: String,
    two_factors: AtomicBool,
    breached: RwLock<Breached>,
    /// Signatures of requests that were taken, with their times.
    signatures: Mutex<HashMap<Vec<u8>, Time>>,
    notice: RwLock<String>,
    flushed: AtomicI64,
    desk: Desk,
    /// Whose passkeys are taken, or why none are.
    party: RwLock<Result<Arc<RelyingParty>, &'static str>>,
    devices: Devices,
}

/// Registers what signing in does and keeps.
pub(crate) fn register(registry: &mut Registry) {
    rules::register(registry);
    passkey::register(registry);
}

/// The routes of signing in.
pub(crate) fn routes(identity: &Arc<Identity>) -> Vec<Route> {
    let mut all = routes::routes(identity);
    all.extend(passkey::routes(identity));
    all
}

/// A refused sign-in. What is said here is for the journal.
pub(crate) fn denied(why: impl Into<String>) -> Refusal {
    Refusal::new(Refused::Unauthenticated, why)
}

/// What was proved by one request.
#[derive(Default)]
struct Proof {
    user: Option<(Id, UserSpec)>,
    /// The token that was sent as a proof.
    parent: Option<Token>,
    /// The application credential.
    with: Option<(Id, AppCredentialSpec)>,
    /// The step of a one-time code, to be used up.
    step: Option<i64>,
    /// A recovery code, to be used up.
    recovery: Option<recovery::Code>,
    /// The answer of a passkey, to be used up.
    passkey: Option<Used>,
    /// The identity provider whose word it is.
    federation: Option<Federation>,
    /// The user proved something that only they know or have, not just a token.
    fresh: bool,
    /// The parent is that of somebody who has let this one in.
    let_in: bool,
    /// Methods that were proved here and before.
    methods: Vec<String>,
}

impl Proof {
    /// All methods of a request are about one user.
    fn takes(&mut self, user: (Id, UserSpec)) -> Result<(), &'static str> {
        match &self.user {
            Some((id, _)) if *id != user.0 => Err("the methods are about different users"),
            _ => {
                self.user = Some(user);
                Ok(())
            }
        }
    }

    fn adds(&mut self, methods: impl IntoIterator<Item = String>) {
        self.methods.extend(methods);
        self.methods.sort();
        self.methods.dedup();
    }
}

/// A method's own object in `identity`.
fn payload<'a>(identity: &Words<'a>, method: &'static str) -> Result<Words<'a>, Failure> {
    let say = "is required: it stands in methods";
    identity.object(method)?.ok_or_else(|| Refusal::invalid(method, say).into())
}

impl Identity {
    /// A service over the keys and the clock. Duties need two factors.
    pub fn new(directory: Arc<Directory>, kms: Arc<Kms>, clock: Clock) -> Result<Identity, Fault> {
        let nobody = hash_password("nobody's password", &mut OsEntropy::default())?;
        let sessions = Sessions::new(clock());
        Ok(Identity {
            directory,
            kms,
            clock,
            pool: Pool::new(),
            guard: Guard::default(),
            sessions,
            nobody,
            two_factors: AtomicBool::new(true),
            breached: RwLock::default(),
            signatures: Mutex::default(),
            notice: RwLock::new(NOTICE.into()),
            flushed: AtomicI64::new(0),
            desk: Desk::default(),
            party: RwLock::new(Err("the instance has no public name")),
            devices: Devices::default(),
        })
    }

    /// The keys.
    pub fn kms(&self) -> &Kms {
        &self.kms
    }

    /// The time.
    pub fn now(&self) -> Time {
        (self.clock)()
    }

    /// Whether the three duties need two factors. They do unless somebody says no, which only
    /// tests and simulations should.
    pub fn duties_need_two_factors(&self, on: bool) {
        self.two_factors.store(on, Ordering::Relaxed);
    }

    /// Brings the client of institutions' own user directories. Without one, none can be set up.
    pub fn bring_directories(&self, client: Arc<dyn Directories>) {
        self.desk.bring(client);
    }

    /// Programs that wait to be let in.
    pub(crate) fn devices(&self) -> &Devices {
        &self.devices
    }

    /// Counts an attempt that is refused without a look at it: the journal gets the number.
    pub(crate) fn turned_away(&self, call: &Call<'_>) {
        self.guard.turned_away(call.source.as_deref().unwrap_or("unknown"), self.now());
    }

    /// What whoever has not signed in is told.
    pub fn set_notice(&self, text: &str) {
        match self.notice.write() {
            Ok(mut notice) => *notice = text.into(),
            Err(broken) => *broken.into_inner() = text.into(),
        }
    }

    fn notice(&self) -> String {
        match self.notice.read() {
            Ok(notice) => notice.clone(),
            Err(broken) => broken.into_inner().clone(),
        }
    }

    /// A new password's hash.
    pub fn hash(&self, password: &str) -> Result<Secret<Vec<u8>>, Fault> {
        let work = || hash_password(password, &mut OsEntropy::default());
        let busy = || Fault::new("too many passwords are waiting to be hashed");
        Ok(Secret::new(self.pool.run("", work).ok_or_else(busy)??.into_bytes()))
    }

    /// Does a hash's work when its turn comes. The 503 of a source that fills the queue is honest:
    /// nothing was looked at.
    pub(crate) fn hashing<T>(&self, call: &Call<'_>, work: impl FnOnce() -> T) -> Result<T, Failure> {
        let source = call.source.as_deref().unwrap_or("unknown");
        self.pool.run(source, work).ok_or_else(|| {
            self.guard.turned_away(source, self.now());
            Fault::new("too many sign-ins of one source wait for their turn").into()
        })
    }

    /// What a sent token says, if it is good.
    pub fn open(&self, text: &str) -> Option<Token> {
        let plain = self.kms.open_token("token", text)?;
        let token: Token = serde_json::from_slice(plain.expose()).ok()?;
        self.directory.accepts(&token, self.now()).then_some(token)
    }

    /// The actor behind a sent token, from a source. `None` also where the user may not work from
    /// there or now, where the session has ended, and where the token lacks a factor.
    pub fn actor(&self, text: &str, source: Option<&str>) -> Option<(Actor, Token)> {
        let token = self.open(text)?;
        let now = self.now();
        if !self.usable(&token, source, now) {
            return None;
        }
        let actor = self.directory.actor_of(&token, now)?;
        Some((actor, token))
    }

    /// Whether a good token may be used now. Using it keeps its session.
    pub(crate) fn usable(&self, token: &Token, source: Option<&str>, now: Time) -> bool {
        let Some(user) = self.directory.user(&token.user) else { return false };
        let policy = self.directory.compliance(&user.domain);
        let end = Time(token.issued).plus_seconds(policy.session_seconds);
        window::judge(&user.sources, user.hours.as_ref(), source, now).is_ok()
            && end > now
            && (token.scope.is_none() || !self.lacks_factor(token, &policy))
            && self.sessions.touch(token, policy.idle_seconds, now)
    }

    /// Whether a request may be made with a token at all: one of an application credential with
    /// access rules only as they say, and one that lacks a second factor only to get it. `path` is
    /// below the service's endpoint.
    pub fn may_request(&self, token: &Token, service: &str, method: &str, path: &str) -> bool {
        if let Some(id) = &token.app_credential {
            let rules = self.directory.app_credential(id).map(|c| c.access_rules);
            // A token whose credential is gone is not accepted; here it may nothing.
            let Some(rules) = rules else { return false };
            if !rules.is_empty() && !rules.iter().any(|r| r.allows(service, method, path)) {
                return false;
            }
        }
        !self.enrolling(token) || factors::enrols(token, service, method, path)
    }

    /// What of a token whoever makes conditions of it may know.
    pub fn via(token: &Token) -> Via {
        Via {
            methods: token.methods.clone(),
            issued: Some(Time(token.signed_in())),
            // Keys are handed to programs as application credentials are.
            delegated: token.delegated() || token.methods.iter().any(|m| m == "ec2credential"),
        }
    }

    /// What the bearer of a token is told about the login before: null, or when and from where it
    /// was, and how many sign-ins failed since.
    pub fn last_login(&self, token: &Token) -> Value {
        self.sessions.notice(token)
    }

    /// Journals how many sign-ins were refused without looking at them, for each source.
    pub fn flush(&self, handle: &Handle) {
        self.flushed.store(self.now().0, Ordering::Relaxed);
        for (source, count) in self.guard.drain() {
            let mut command =
                Command::new("identity:token:create", Actor::nobody(&source), "identity");
            command.source = Some(source);
            let refusal = denied(format!("{count} more sign-ins, refused without looking at them"));
            handle.send(Job::Refused { command: Box::new(command), refusal }, |_| {});
        }
    }

    /// Journals why, answers in words that tell nothing.
    pub(crate) fn deny(&self, call: &Call<'_>, user: Option<(&Id, &UserSpec)>, why: Refusal)
        -> Failure {
        let mut command = call.command("identity:token:create");
        command.actor = Actor::nobody(call.source.as_deref().unwrap_or("unknown"));
        if let Some((id, spec)) = user {
            command.actor.domain = spec.domain.clone();
            command.target = Some(id.clone());
        }
        let tells = !matches!(why.why, Refused::Unauthenticated);
        let shown = if tells { why.clone() } else { denied(DENIED) };
        match call.cloud.reader.deny(&command, why) {
            Failure::Refused(_) => Refusal { recorded: true, ..shown }.into(),
            fault => fault,
        }
    }

    /// Refuses in words of its own somebody who has proved to be the user.
    fn tell(&self, call: &Call<'_>, user: (&Id, &UserSpec), why: &str, say: String) -> Failure {
        match self.deny(call, Some(user), denied(why)) {
            Failure::Refused(_) => Refusal { recorded: true, ..denied(say) }.into(),
            fault => fault,
        }
    }

    /// A command that settles what must not happen twice. That a proof was used tells nothing.
    fn settle(&self, call: &Call<'_>, mut command: Command) -> Result<Value, Failure> {
        command.source = call.source.clone();
        match call.cloud.handle.run(Job::Command(Box::new(command))) {
            Ok(answer) => Ok(answer.value),
            Err(Failure::Refused(r)) if r.why == Refused::Unauthenticated => {
                Err(Refusal { recorded: true, ..denied(DENIED) }.into())
            }
            Err(failure) => Err(failure),
        }
    }

    /// `POST /v3/auth/tokens`.
    pub fn sign_in(&self, call: &Call<'_>) -> Result<Signed, Failure> {
        if self.now().0 - self.flushed.load(Ordering::Relaxed) > FLUSH * Time::SECOND {
            self.flush(&call.cloud.handle);
        }
        let auth = call.words("auth")?;
        auth.only(&["identity", "scope"])?;
        let identity = auth.object("identity")?
            .ok_or_else(|| Refusal::invalid("identity", "is required"))?;
        let methods = self.methods(call, &identity)?;
        let asked = self.asked(&auth)?;
        let proof = self.proof(call, &identity, &methods, asked.given())?;
        let (user, spec) = proof.user.clone().ok_or_else(|| denied(DENIED))?;
        let enough = self.enough(call, (&user, &spec), &proof, &asked)?;
        let place = self.place(call, (&user, &spec), &proof, asked, enough)?;
        self.issue(call, (&user, &spec), &proof, place)
    }

    /// A user whom somebody outside has vouched for, if it may sign in here and now. It need not have
    /// a row yet. There is no secret to guess, so nothing locks the account.
    pub(crate) fn admit_outsider(&self, call: &Call<'_>, user: (Id, UserSpec), account: String)
        -> Result<(Id, UserSpec), Failure> {
        let wrong = "nobody has vouched for the user";
        self.admit(call, Attempt { user: Some(user), account, fits: true, wrong, locks: false })
    }

    /// Refuses a sign-in by somebody's word, and counts it.
    pub(crate) fn refuse_outsider<T>(&self, call: &Call<'_>, account: String, why: &str)
        -> Result<T, Failure> {
        let attempt = Attempt { user: None, account, fits: false, wrong: why, locks: false };
        self.admit(call, attempt)?;
        Err(denied(DENIED).into())
    }

    /// The unscoped token of a user whom an identity provider has vouched for, until then at most.
    /// `lacks` says why its word does not stand for two factors, where it does not.
    pub(crate) fn begin_by_provider(&self, call: &Call<'_>, user: (&Id, &UserSpec),
        through: Federation, lacks: &str, until: Time) -> Result<Signed, Failure> {
        let (id, spec) = user;
        let (idp, two) = (through.idp.clone(), through.factors.is_some());
        let mut proof = Proof {
            user: Some((id.clone(), spec.clone())),
            fresh: true,
            federation: Some(through),
            ..Proof::default()
        };
        proof.adds([OPENID.to_string()]);
        if two {
            proof.adds([MFA.to_string()]);
        }
        if !self.meets(id, &proof.methods, &self.directory.compliance(&spec.domain)) {
            let say = format!(
                "Two factors are asked for, and identity provider {idp} has not shown that it asked for \
                 them: {lacks}. Sign in there with a second factor; what counts for two is said by the \
                 institution's manager (jinyun:multi_factor of the provider)."
            );
            let why = format!("two factors are asked for: {lacks}");
            return Err(self.tell(call, user, &why, say));
        }
        if self.enough(call, user, &proof, &Asked::Unscoped)? != Enough::All {
            let why = "two factors are asked for, which a provider's word is not";
            return Err(self.deny(call, Some(user), denied(why)));
        }
        let longest = Some(until.seconds_since(self.now()).max(1));
        self.issue(call, user, &proof, Place { longest, ..Place::default() })
    }

    /// The methods that are asked for, each once.
    fn methods(&self, call: &Call<'_>, identity: &Words<'_>) -> Result<Vec<String>, Failure> {
        let methods = identity.texts("methods")?
            .ok_or_else(|| Refusal::invalid("methods", "is required"))?;
        let known: Vec<&str> = ["methods"].iter().chain(METHODS).copied().collect();
        identity.only(&known)?;
        // A method that is asked for and not checked would be a promise that nobody keeps.
        if let Some(other) = methods.iter().find(|m| !METHODS.contains(&m.as_str())) {
            let say = format!("`{other}` is not offered: use {}", METHODS.join(", "));
            return Err(self.deny(call, None, Refusal::invalid("methods", say)));
        }
        if methods.is_empty() {
            return Err(Refusal::invalid("methods", "is empty").into());
        }
        Ok(methods)
    }

    /// Proves each method. What is wrong with the form is said before any work is done.
    fn proof(&self, call: &Call<'_>, identity: &Words<'_>, methods: &[String], scoped: bool)
        -> Result<Proof, Failure> {
        let asks = |method: &str| methods.iter().any(|m| m == method);
        for &method in METHODS {
            if asks(method) {
                payload(identity, method)?;
            }
        }
        if asks("device") && methods.len() > 1 {
            // Both would be the parent of what comes of them.
            let say = "device stands alone: whoever allowed it has proved the rest";
            return Err(Refusal::invalid("methods", say).into());
        }
        let mut proof = Proof::default();
        let differ = |why: &str| self.deny(call, None, denied(why));
        if asks("password") {
            let user = self.by_password(call, identity)?;
            proof.takes(user).map_err(differ)?;
            proof.fresh = true;
        }
        if asks("application_credential") {
            let (user, with) = self.by_application_credential(call, identity, scoped)?;
            proof.takes(user).map_err(differ)?;
            proof.with = Some(with);
        }
        if asks("token") {
            let token = self.by_token(call, identity, scoped)?;
            let spec = self.directory.user(&token.user).ok_or_else(|| denied(DENIED))?;
            proof.takes((token.user.clone(), spec)).map_err(differ)?;
            proof.adds(token.methods.iter().cloned());
            proof.parent = Some(token);
        }
        if asks("device") {
            // Whoever allowed it is its parent: the new token has their methods and ends with theirs.
            let token = self.by_device(call, identity)?;
            let spec = self.directory.user(&token.user).ok_or_else(|| denied(DENIED))?;
            proof.takes((token.user.clone(), spec)).map_err(differ)?;
            proof.adds(token.methods.iter().cloned());
            proof.parent = Some(token);
            proof.let_in = true;
        }
        if asks("totp") {
            let (user, code) = self.by_totp(call, identity)?;
            proof.takes(user).map_err(differ)?;
            match code {
                totp::Code::Step(step) => proof.step = Some(step),
                totp::Code::Recovery(code) => proof.recovery = Some(code),
            }
            proof.fresh = true;
        }
        if asks("passkey") {
            let (user, used) = self.by_passkey(call, identity)?;
            proof.takes(user).map_err(differ)?;
            proof.passkey = Some(used);
            proof.fresh = true;
        }
        proof.adds(methods.iter().cloned());
        self.by_receipt(call, &mut proof)?;
        Ok(proof)
    }

    /// Adds what a receipt says was proved before.
    fn by_receipt(&self, call: &Call<'_>, proof: &mut Proof) -> Result<(), Failure> {
        let sent = call.headers.iter().find(|(name, _)| name == RECEIPT_HEADER);
        let (Some((_, text)), Some((id, spec))) = (sent, &proof.user) else { return Ok(()) };
        let source = call.source.as_deref();
        match Receipt::open(&self.kms, text, id, spec, source, self.now()) {
            // What was shut or made anew since then takes its word with it.
            Some(receipt) if receipt.federation.as_ref()
                .is_some_and(|f| !self.directory.stood(f, &spec.domain, receipt.issued)) =>
            {
                let why = denied("the identity provider of the receipt does not stand any more");
                Err(self.deny(call, Some((id, spec)), why))
            }
            Some(receipt) => {
                proof.adds(receipt.methods);
                proof.federation = proof.federation.take().or(receipt.federation);
                Ok(())
            }
            None => {
                let why = denied("the receipt is not good for this user, source and time");
                Err(self.deny(call, Some((id, spec)), why))
            }
        }
    }
}
