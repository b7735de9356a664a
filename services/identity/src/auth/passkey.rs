//! Proof by a passkey (`crate::passkey`), and how passkeys come and go.
//!
//! A sign-in names nobody: it is a challenge, the same for everybody, and an answer to it, whose
//! credential says which user it is about. Whatever is wrong with an answer, whoever sent it hears the one
//! refusal of all sign-ins, after the same work; the reason stands in the journal, and the failure makes
//! the passkeys of the user pause whose it would have been. It locks nobody, and no lock shuts a passkey
//! out (`lockout`). An answer that is right goes on as every proof does (`admit`), and is used up by the
//! command that records the sign-in.
//!
//! An answer is good at the listener whose page it was given on: what was signed for the tenants' page, of
//! which more people know the way, opens nothing of staff's.
//!
//! Like a second factor, a passkey is added by whoever has proved the factors that are there, so that a
//! stolen password makes none; whoever has no second factor yet makes the first one with the password.
//! All of it by hand and soon after a sign-in: what is made outlives it.

use super::activity::{self, Activity, Visit};
use super::admit::Attempt;
use super::factors::{BY_HAND, ENROLMENT, both, has_hand};
use super::{Identity, payload};
use crate::lockout;
use crate::names;
use crate::passkey::{
    ALGORITHMS, Assertion, HAS_ONE, Passkey, PasskeySpec, Registration, RelyingParty, Used, challenge,
    digest, find, handle, verify,
};
use crate::token::Token;
use crate::user::{User, UserSpec};
use jinyun_base::{Fault, Id, OsEntropy, Refusal, Refused, Time};
use jinyun_engine::{Command, Ctx, Failure, Have, Query, Registry, Verb};
use jinyun_rest::{Call, Door, Reply, Route, Words};
use serde_json::{Value, json};
use std::sync::Arc;

/// The method's name.
pub(super) const METHOD: &str = "passkey";
const CREATE: &str = "identity:passkey:create";

fn no(say: &str) -> Failure {
    Refusal::new(Refused::Forbidden, say).into()
}

/// The page of a listener, if it has one.
fn page_of(party: &RelyingParty, door: Door) -> Option<&String> {
    match door {
        Door::Tenants => party.origins.first(),
        Door::Management => party.origins.get(1).or(party.origins.first()),
    }
}

/// A passkey as it is shown to its owner.
fn shown(have: &Have<Passkey>) -> Value {
    let spec = &have.spec;
    let used = (spec.used > 0).then(|| Time(spec.used).micros());
    json!({
        "id": have.id, "name": spec.name, "algorithm": spec.algorithm, "backed_up": spec.backed_up,
        "created_at": have.created.micros(), "last_used_at": used,
    })
}

fn held(call: &Call<'_>, user: &Id) -> Result<Vec<Have<Passkey>>, Fault> {
    call.view(|v| v.list::<Passkey>(&Query::field("user", user)))
}

/// Whether a passkey is the first second factor that its user signs in with.
fn first_ever(ctx: &mut Ctx<'_>, before: &Have<Passkey>) -> Result<bool, Failure> {
    let user = &before.spec.user;
    let others = ctx.list::<Passkey>(&Query::field("user", user))?;
    let codes = ctx.view().get::<Activity>(user)?.is_some_and(|a| a.spec.step != 0);
    Ok(!codes && before.spec.used == 0
        && others.iter().all(|p| p.id == before.id || p.spec.used == 0))
}

/// Records a login or a part of one, and uses up the passkey that it was proved with.
fn record(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(used) = command.args.get(METHOD) else { return activity::record(ctx, command) };
    let bad = |e| Refusal::invalid("passkey", format!("cannot be read: {e}"));
    let used: Used = serde_json::from_value(used.clone()).map_err(bad)?;
    let seen = command.args.get("seen").cloned().unwrap_or_default();
    let seen: Visit = serde_json::from_value(seen).map_err(bad)?;
    let before = used.up(ctx)?;
    if before.spec.user != seen.user {
        return Err(Fault::new("a passkey of somebody else than who signs in").into());
    }
    if seen.login && seen.ends_weaker && first_ever(ctx, &before)? {
        // A token that was good for enrolling is good for nothing from now on.
        ctx.change::<User>(&seen.user, None, |user| {
            user.tokens_since = user.tokens_since.max(seen.at);
            Ok(())
        })?;
    }
    let mut rest = command.clone();
    rest.args[METHOD] = json!(used.passkey);
    activity::record(ctx, &rest)
}

/// Registers it, in the place of what records sign-ins without one.
pub(super) fn register(registry: &mut Registry) {
    registry
        .action("identity:token:create", "user", Verb::Own(record))
        .action("identity:receipt:create", "user", Verb::Own(record));
}

impl Identity {
    /// Says whose passkeys are taken here. Before that, none are; nor where browsers would make none.
    pub fn rely_on(&self, party: RelyingParty) {
        let party = party.ready().map(Arc::new);
        match self.party.write() {
            Ok(mut place) => *place = party,
            Err(broken) => *broken.into_inner() = party,
        }
    }

    /// Whose passkeys are taken, or why none are.
    fn known_party(&self) -> Result<Arc<RelyingParty>, &'static str> {
        match self.party.read() {
            Ok(party) => party.clone(),
            Err(broken) => broken.into_inner().clone(),
        }
    }

    fn party(&self) -> Result<Arc<RelyingParty>, Failure> {
        let no = |why| Refusal::new(Refused::NotOffered, format!("Passkeys are not set up here: {why}."));
        Ok(self.known_party().map_err(no)?)
    }

    /// The same with the page of one listener alone: an answer is good where it was asked for.
    fn party_at(&self, door: Door) -> Result<RelyingParty, Failure> {
        let party = self.party()?;
        let origins = page_of(&party, door).into_iter().cloned().collect();
        Ok(RelyingParty { id: party.id.clone(), name: party.name.clone(), origins })
    }

    /// Where people reach our pages by a listener: `https://name:port`. None if there is no name.
    pub(crate) fn place_of(&self, door: Door) -> Option<String> {
        let party = self.known_party().ok()?;
        page_of(&party, door).cloned()
    }

    /// Whether a user has a passkey.
    pub(super) fn has_passkey(&self, call: &Call<'_>, user: &Id) -> Result<bool, Fault> {
        Ok(!held(call, user)?.is_empty())
    }

    /// The user of an answer that is right, and what it uses up.
    pub(super) fn by_passkey(&self, call: &Call<'_>, identity: &Words<'_>)
        -> Result<((Id, UserSpec), Used), Failure> {
        let words = payload(identity, METHOD)?;
        words.only(&["credential"])?;
        let sent = Assertion::read(&words)?;
        let party = self.party_at(call.door)?;
        let have = find(&call.cloud.reader, &sent.id)?;
        let now = self.now();
        let judged = verify::asserted(&party, have.as_ref(), &sent, |text| {
            challenge::open(&self.kms, challenge::SIGN_IN, text, now)
        });
        let owner = have.map(|have| have.spec.user);
        let account = match &owner {
            Some(id) => lockout::by_passkey(id),
            None => format!("no passkey {}", digest(&sent.id)),
        };
        let user = owner.and_then(|id| self.directory.user(&id).map(|spec| (id, spec)));
        let fits = judged.is_ok() && user.is_some();
        let wrong = judged.as_ref().err().copied().unwrap_or("the passkey's user is not there");
        let (id, spec) = self.admit(call, Attempt { user, account, fits, wrong, locks: false })?;
        let policy = self.directory.compliance(&spec.domain);
        if spec.password_expires(&policy).is_some_and(|end| end <= now.0) {
            // As for whoever has proved the password: an order to change it holds for every way in.
            let say = format!("The password is expired and needs to be changed for user: {id}.");
            return Err(self.tell(call, (&id, &spec), "the password has to be changed", say));
        }
        let used = judged.map_err(|_| Fault::new("a passkey that fits is none"))?;
        Ok(((id, spec), used))
    }

    /// The caller, who may add a passkey now. Whether it has to be the first second factor is looked at
    /// again by the command.
    fn may_add_passkey(&self, call: &Call<'_>) -> Result<(Id, UserSpec), Failure> {
        call.cloud.reader.allow(&call.command(CREATE), &Default::default())?;
        let id = call.actor.id.clone();
        let (Some(token), Some(spec)) = (self.own_token(call, &id), self.directory.user(&id)) else {
            return Err(no("A passkey is made by the user whose it is, with a token of their own sign-in."));
        };
        if !has_hand(&token) {
            return Err(no(BY_HAND));
        }
        let both = both(&token.methods);
        if !both && self.has_second(call, &id)? {
            return Err(no(HAS_ONE));
        }
        // Somebody from there has a passkey as half a sign-in; a user of our own would have a whole one,
        // which would stay when the provider takes its word back.
        if !both && token.federation.is_some() && spec.federated.is_none() {
            return Err(no("An identity provider's word makes no passkey for a user of the cloud's own: \
                           sign in with the password."));
        }
        if self.now().0 - token.signed_in() > ENROLMENT * Time::SECOND {
            return Err(no("Sign in again first: a passkey is made within ten minutes of a sign-in."));
        }
        Ok((id, spec))
    }

    /// What a browser needs to make a passkey for the caller.
    fn passkey_options(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let (id, spec) = self.may_add_passkey(call)?;
        let party = self.party()?;
        let domain = self.directory.domain(&spec.domain).map(|d| d.name).unwrap_or_default();
        let challenge = challenge::issue(&self.kms, &challenge::enrolment(&id), self.now())?;
        let algorithms: Vec<Value> =
            ALGORITHMS.iter().map(|(alg, _)| json!({ "type": "public-key", "alg": alg })).collect();
        let own: Vec<Value> = held(call, &id)?.iter()
            .map(|p| json!({ "type": "public-key", "id": p.spec.credential })).collect();
        let options = json!({
            "rp": { "id": party.id, "name": party.name },
            "user": {
                "id": encoded(&handle(&id)), "name": format!("{}@{domain}", spec.name),
                "displayName": spec.name,
            },
            "challenge": challenge,
            "pubKeyCredParams": algorithms,
            "timeout": challenge::LIFE * 1000,
            "excludeCredentials": own,
            "authenticatorSelection": {
                "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
            },
            "attestation": "none",
        });
        Ok(Reply::ok(json!({ "passkey_options": { "publicKey": options } })))
    }

    /// Keeps a passkey that a browser has made for the caller.
    fn add_passkey(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let words = call.words("passkey")?;
        words.only(&["name", "credential"])?;
        let name = words.need("name")?;
        names::check("name", &name, names::SHORT)?;
        let sent = Registration::read(&words)?;
        let (user, _) = self.may_add_passkey(call)?;
        let (party, now) = (self.party_at(call.door)?, self.now());
        let made = verify::registered(&party, &sent, |text| {
            challenge::open(&self.kms, &challenge::enrolment(&user), text, now)
        });
        // Whoever enrols a key of their own may know what is wrong with it.
        let made = made.map_err(|why| Refusal::invalid("credential", format!("is not taken: {why}")))?;
        let spec = PasskeySpec {
            user,
            name,
            credential: sent.id,
            key: made.key,
            algorithm: made.algorithm.into(),
            count: made.count,
            may_be_copied: made.may_be_copied,
            backed_up: made.backed_up,
            challenge: made.challenge,
            used: 0,
            // The command says what it is.
            first: true,
        };
        let id = Id::hex(&mut OsEntropy::default());
        let mut args = serde_json::to_value(spec).map_err(|e| Fault::new(format!("a passkey: {e}")))?;
        args["id"] = id.as_str().into();
        call.run(call.command(CREATE).with(args))?;
        let have = call.again::<Passkey>(&id)?;
        Ok(Reply::with(201, json!({ "passkey": shown(&have) })))
    }

    /// Whether the caller comes by a sign-in of its own: what was passed on reads no credentials.
    fn own_sign_in(&self, call: &Call<'_>) -> Result<Token, Failure> {
        let say = "Passkeys are seen and deleted with a token of one's own sign-in.";
        self.own_token(call, &call.actor.id).ok_or_else(|| no(say))
    }

    fn passkeys(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        self.own_sign_in(call)?;
        let own = call.list::<Passkey>(&Query::field("user", &call.actor.id))?;
        let own: Vec<Value> = own.iter().map(shown).collect();
        Ok(Reply::ok(json!({ "passkeys": own })))
    }

    fn delete_passkey(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let token = self.own_sign_in(call)?;
        let have = call.show::<Passkey>(call.param("id"))?;
        if !has_hand(&token) {
            return Err(no(BY_HAND));
        }
        // Whoever has stolen a password must not be able to take a factor away.
        if !both(&token.methods) {
            return Err(no("A passkey is deleted with a token that was got with a passkey, or with \
                           password and totp."));
        }
        call.run(call.command("identity:passkey:delete").on(have.id))?;
        Ok(Reply::empty(204))
    }

    /// What a browser needs to sign somebody in. Nothing of it depends on who asks.
    fn passkey_challenge(&self) -> Result<Reply, Failure> {
        let party = self.party()?;
        let challenge = challenge::issue(&self.kms, challenge::SIGN_IN, self.now())?;
        let options = json!({
            "challenge": challenge,
            "timeout": challenge::LIFE * 1000,
            "rpId": party.id,
            "allowCredentials": [],
            "userVerification": "required",
        });
        Ok(Reply::ok(json!({ "passkey_challenge": { "publicKey": options } })))
    }
}

fn encoded(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// The routes.
pub(super) fn routes(identity: &Arc<Identity>) -> Vec<Route> {
    type Work = fn(&Identity, &Call<'_>) -> Result<Reply, Failure>;
    let with = |method: &'static str, path: &str, action: &str, work: Work| {
        let identity = identity.clone();
        Route::new(method, path, action, move |call| work(&identity, call))
    };
    const MANY: &str = "/v3/OS-JINYUN/passkeys";
    vec![
        with("POST", "/v3/OS-JINYUN/passkeys/challenge", "", |i, _| i.passkey_challenge()).open(),
        with("POST", "/v3/OS-JINYUN/passkeys/options", CREATE, Identity::passkey_options),
        with("POST", MANY, CREATE, Identity::add_passkey),
        with("GET", MANY, "identity:passkey:list", Identity::passkeys),
        with("DELETE", "/v3/OS-JINYUN/passkeys/{id}", "identity:passkey:delete",
            Identity::delete_passkey),
    ]
}
