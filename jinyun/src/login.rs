//! `jinyun login`, `logout`, `whoami`.
//!
//! A login is Keystone's: a password, and a one-time code where the platform asks for one, which it
//! says by giving a receipt for the half that is done; or it is done in a browser (`device`), with a
//! passkey for one. Only the token is kept.

use crate::ask;
use crate::client::{self, Answer, Ask, Client};
use crate::device;
use crate::fail::{FAILED, Failed, SIGN_IN, refused};
use crate::instance::Instance;
use crate::profile::{Profile, Profiles};
use crate::say;
use crate::session::{Session, Wish};
use crate::show;
use jinyun_base::Fault;
use serde_json::{Value, json};
use std::path::PathBuf;

const TOKENS: &str = "/identity/v3/auth/tokens";
const NOTICE: &str = "/identity/v3/OS-JINYUN/notice";
/// The domain of those who name none.
const USUAL: &str = "Default";

/// Who signs in, where, and for what.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// The user's name; asked for if not given. The password is always asked for.
    user: Option<String>,
    /// On the platform's sign-in page, with a passkey for one: prints where to go, and waits.
    #[arg(long, conflicts_with = "user")]
    browser: bool,
    /// The user's domain, by name or id; Default if not given.
    #[arg(long, conflicts_with = "browser")]
    user_domain: Option<String>,
    /// Where: https://host:port. Without it, the instance on this machine (--instance).
    #[arg(long, value_name = "URL", value_parser = client::spoken, requires = "ca")]
    auth_url: Option<String>,
    /// The certificate (PEM) of the CA that has signed the server's; the instance's own if not given.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// For a project, by name or id.
    #[arg(long, conflicts_with_all = ["domain", "system", "unscoped"])]
    project: Option<String>,
    /// The project's domain, by name or id, if it is not the user's.
    #[arg(long, requires = "project")]
    project_domain: Option<String>,
    /// For an institution (domain), by name or id.
    #[arg(long, conflicts_with_all = ["system", "unscoped"])]
    domain: Option<String>,
    /// For the platform itself: the provider's staff, on the management listener.
    #[arg(long, conflicts_with = "unscoped")]
    system: bool,
    /// For nothing yet: to see what there is, or to enrol a second factor.
    #[arg(long)]
    unscoped: bool,
}

/// By id if it looks like one, by name if not.
pub(crate) fn named(text: &str) -> Value {
    let id = text == "default" || (text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()));
    if id { json!({ "id": text }) } else { json!({ "name": text }) }
}

/// The scope that is asked for; none is the user's default project.
fn scope(options: &Options, user_domain: &str) -> Option<Value> {
    if options.system {
        return Some(json!({ "system": { "all": true } }));
    }
    if options.unscoped {
        return Some("unscoped".into());
    }
    if let Some(domain) = &options.domain {
        return Some(json!({ "domain": named(domain) }));
    }
    let mut project = named(options.project.as_ref()?);
    if project.get("name").is_some() {
        project["domain"] = named(options.project_domain.as_deref().unwrap_or(user_domain));
    }
    Some(json!({ "project": project }))
}

/// What a token says of its scope, in words.
fn scope_in_words(token: &Value) -> String {
    let text = |at: &str| token.pointer(at).and_then(Value::as_str).unwrap_or_default();
    if token.get("system").is_some() {
        "the platform".into()
    } else if token.get("project").is_some() {
        format!("project {} of {}", text("/project/name"), text("/project/domain/name"))
    } else if token.get("domain").is_some() {
        format!("institution {}", text("/domain/name"))
    } else {
        "nothing".into()
    }
}

/// Whether the platform waits for a one-time code.
fn wants_code(answer: &Answer) -> bool {
    let ways = answer.body.get("required_auth_methods")
        .or_else(|| answer.body.pointer("/receipt/required_auth_methods"));
    let has = |way: &Value| way.as_array().is_some_and(|way| way.iter().any(|m| m == "totp"));
    answer.status == 401 && answer.receipt.is_some()
        && ways.and_then(Value::as_array).is_some_and(|ways| ways.iter().any(has))
}

/// What whoever signs in is told before.
fn notice(client: &Client) -> Result<(), Failed> {
    let answer = client.ask(&Ask { method: "GET", path: NOTICE, ..Ask::default() })?;
    if answer.status != 200 {
        return Ok(());
    }
    let text = answer.body.pointer("/notice/text").and_then(Value::as_str).unwrap_or_default();
    text.lines().for_each(|line| say::err(&show::plain(line)));
    Ok(())
}

/// Proves who one is: a password, and a code if it is asked for.
fn sign_in(client: &Client, user: &str, domain: &str, scope: Option<Value>)
    -> Result<Answer, Failed> {
    let whole = |methods: Value, name: &str, proof: Value| {
        let mut auth = json!({ "identity": { "methods": methods } });
        auth["identity"][name] = json!({ "user": proof });
        if let Some(scope) = &scope {
            auth["scope"] = scope.clone();
        }
        json!({ "auth": auth })
    };
    let password = ask::secret("Password")?;
    let body = whole(json!(["password"]), "password", json!({
        "name": user, "domain": named(domain), "password": password.expose(),
    }));
    let ask = Ask { method: "POST", path: TOKENS, body: Some(&body), ..Ask::default() };
    let answer = client.ask(&ask)?;
    let Some(receipt) = answer.receipt.as_ref().filter(|_| wants_code(&answer)) else {
        return Ok(answer);
    };
    let code = ask::secret("One-time code")?;
    let mut who = match answer.body.pointer("/receipt/user/id") {
        Some(id) => json!({ "id": id }),
        None => json!({ "name": user, "domain": named(domain) }),
    };
    who["passcode"] = code.expose().as_str().into();
    let body = whole(json!(["totp"]), "totp", who);
    let headers = [("openstack-auth-receipt", receipt)];
    client.ask(&Ask { body: Some(&body), headers: &headers, ..ask })
}

/// Why a login was refused, and what to do.
fn turned_away(user: &str, domain: &str, answer: &Answer) -> Failed {
    let said = answer.body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
    if said.contains("needs to be changed for user") {
        return Failed::new(SIGN_IN, format!(
            "the password of {user} has to be changed before it is of any use: \
             `jinyun passwd {user} --domain {domain}`"
        ));
    }
    let failed = refused(&format!("signing in as {user} of {domain}"), answer);
    let say = failed.say.trim_end_matches(": sign in with `jinyun login`");
    match failed.code {
        SIGN_IN => Failed::new(SIGN_IN, format!("{say}: look at the name, its domain and the scope")),
        code => Failed::new(code, say),
    }
}

/// `jinyun login`.
pub fn login(instance: &Instance, options: &Options, wish: &Wish) -> Result<(), Failed> {
    // All that may be wrong here comes before the password: a token that cannot be kept would be lost.
    let profiles = Profiles::of_user()?;
    let (url, ca) = match (&options.auth_url, &options.ca) {
        (Some(url), Some(ca)) => (url.clone(), ca.clone()),
        (_, ca) => {
            let settings = instance.settings()?;
            let port = if options.system { settings.management_port } else { settings.port };
            let own = || instance.state.join("ca.pem");
            (format!("https://127.0.0.1:{port}"), ca.clone().unwrap_or_else(own))
        }
    };
    let client = Client::at(&url, &ca)?;
    let ca = ca.canonicalize().map_err(|e| Fault::new(format!("{}: {e}", ca.display())))?;
    if ca.to_str().is_none() {
        let say = format!("{}: a profile cannot name this file, whose path is not UTF-8", ca.display());
        return Err(Failed::new(FAILED, say));
    }
    notice(&client)?;
    let answer = match options.browser {
        true => by_browser(&client, options)?,
        false => by_password(&client, options)?,
    };
    let name = profiles.name(wish.profile.as_deref());
    keep(&client, ca, &answer, &profiles, &name)
}

/// Somebody lets this program in, whoever that is: a project without a domain is of the usual one.
fn by_browser(client: &Client, options: &Options) -> Result<Answer, Failed> {
    let answer = device::sign_in(client, scope(options, USUAL).as_ref())?;
    if answer.status == 201 {
        return Ok(answer);
    }
    let failed = refused("signing in by the browser", &answer);
    let say = failed.say.trim_end_matches(": sign in with `jinyun login`");
    Err(match failed.code {
        SIGN_IN => Failed::new(SIGN_IN, format!("{say}: look at the scope, and begin again")),
        code => Failed::new(code, say),
    })
}

fn by_password(client: &Client, options: &Options) -> Result<Answer, Failed> {
    let user = match &options.user {
        Some(user) => user.clone(),
        None => ask::line("User", None)?,
    };
    let domain = match &options.user_domain {
        Some(domain) => domain.clone(),
        None if options.user.is_none() => ask::line("Domain", Some(USUAL))?,
        None => USUAL.into(),
    };
    let answer = sign_in(client, &user, &domain, scope(options, &domain))?;
    match answer.status {
        201 => Ok(answer),
        _ => Err(turned_away(&user, &domain, &answer)),
    }
}

/// Keeps what a successful sign-in gave.
fn keep(client: &Client, ca: PathBuf, answer: &Answer, profiles: &Profiles, name: &str)
    -> Result<(), Failed> {
    let Some(token) = &answer.token else {
        return Err(Failed::new(FAILED, "the platform has answered a sign-in without a token"));
    };
    let said = &answer.body["token"];
    let text = |at: &str| said.pointer(at).and_then(Value::as_str).unwrap_or_default().to_string();
    let profile = Profile {
        url: client.url(),
        ca,
        user: text("/user/name"),
        user_id: text("/user/id"),
        domain: text("/user/domain/name"),
        scope: scope_in_words(said),
        expires: text("/expires_at"),
        token: Some(token.clone()),
    };
    profiles.keep(name, &profile)?;
    say::out(&format!(
        "Signed in as {} of {}, for {}, until {} (profile `{name}`).", show::plain(&profile.user),
        show::plain(&profile.domain), show::plain(&profile.scope), show::plain(&profile.expires)
    ));
    last_login(said);
    Ok(())
}

/// When and from where one signed in before: whoever did not will notice.
fn last_login(token: &Value) {
    let text = |name: &str| {
        token["jinyun_last_login"][name].as_str().map(show::plain).filter(|text| !text.is_empty())
    };
    if let Some(at) = text("last_login_at") {
        let source = text("last_login_source").unwrap_or_else(|| "an unknown address".into());
        say::out(&format!("The sign-in before was at {at} from {source}."));
    }
    if let Some(line) = unusual(token) {
        say::out(&line);
    }
}

/// The newest sign-in that was unlike those before it, while the platform still tells of it.
fn unusual(token: &Value) -> Option<String> {
    let told = &token["jinyun_last_login"]["unusual"];
    let text = |name: &str| show::plain(&show::cell(&told[name]));
    told.is_object().then(|| format!(
        "An unusual sign-in ({}) was at {} from {}. If that was not you, change the password \
         (`jinyun passwd`) and tell your manager.", text("what"), text("at"), text("source")
    ))
}

/// `jinyun logout`.
pub fn logout(wish: &Wish) -> Result<(), Failed> {
    let profiles = Profiles::of_user()?;
    let name = profiles.name(wish.profile.as_deref());
    let mut profile = profiles.load(&name)?;
    let revoked = match Session::open(wish) {
        Ok(session) => {
            let answer = session.ask_of_token("DELETE")?;
            match answer.status {
                // Not good any more: there is nothing to revoke.
                401 | 404 => false,
                _ => session.good("signing out", answer).map(|_| true)?,
            }
        }
        Err(failed) if failed.code == SIGN_IN => false,
        Err(failed) => return Err(failed),
    };
    (profile.token, profile.expires) = (None, String::new());
    profiles.keep(&name, &profile)?;
    let what = if revoked { "its token is revoked" } else { "its token was void already" };
    say::out(&format!("Profile `{name}` is signed out; {what}."));
    Ok(())
}

/// `jinyun whoami`.
pub fn whoami(wish: &Wish) -> Result<(), Failed> {
    let session = Session::open(wish)?;
    let body = session.good("asking who is signed in", session.ask_of_token("GET")?)?;
    let token = &body["token"];
    let text = |at: &str| token.pointer(at).map(show::cell).unwrap_or_default();
    let roles = token["roles"].as_array().into_iter().flatten().map(|role| role["name"].clone());
    let shown = json!({
        "profile": session.name, "url": session.profile.url, "user": text("/user/name"),
        "user_id": text("/user/id"), "domain": text("/user/domain/name"),
        "scope": scope_in_words(token), "roles": roles.collect::<Vec<Value>>(),
        "methods": token["methods"], "expires": text("/expires_at"),
    });
    let words =
        ["user", "user_id", "domain", "scope", "roles", "methods", "expires", "profile", "url"];
    let rows = words.map(|word| (word, show::cell(&shown[word])));
    show::print(wish.output, &shown, || show::members(&rows));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use jinyun_base::Secret;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(words: &[&str]) -> Result<Options, clap::Error> {
        Line::try_parse_from([&["login"][..], words].concat()).map(|line| line.options)
    }

    #[test]
    fn scopes_are_asked_for_as_keystone_reads_them() {
        let id = "0123456789abcdef0123456789abcdef";
        let cases: [(&[&str], Value); 9] = [
            (&["ann"], Value::Null),
            (&["ann", "--system"], json!({ "system": { "all": true } })),
            (&["ann", "--unscoped"], json!("unscoped")),
            (&["ann", "--domain", "bank"], json!({ "domain": { "name": "bank" } })),
            (&["ann", "--domain", id], json!({ "domain": { "id": id } })),
            (&["ann", "--domain", "default"], json!({ "domain": { "id": "default" } })),
            (&["ann", "--project", id], json!({ "project": { "id": id } })),
            (&["ann", "--project", "pay"],
                json!({ "project": { "name": "pay", "domain": { "name": "bank" } } })),
            (&["ann", "--project", "pay", "--project-domain", "fund"],
                json!({ "project": { "name": "pay", "domain": { "name": "fund" } } })),
        ];
        for (words, want) in cases {
            let got = scope(&options(words).unwrap(), "bank");
            assert_eq!(got.unwrap_or_default(), want, "{words:?}");
        }
        for words in [&["ann", "--system", "--domain", "x"][..], &["ann", "--project-domain", "x"],
            &["ann", "--auth-url", "https://x"], &["ann", "--password", "x"],
            &["ann", "--browser"], &["--browser", "--user-domain", "x"]] {
            assert!(options(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn what_is_not_spoken_to_is_said_first() {
        for (url, want) in [("http://cloud.example:8443", "only https is spoken"),
            ("cloud.example", "is no address"), ("https://a:0", "is no address")] {
            let others: [&[&str]; 3] = [&[], &["--ca", "/none.pem"], &["--browser", "--unscoped"]];
            for more in others {
                let words = [&["--auth-url", url][..], more].concat();
                let said = options(&words).unwrap_err().to_string();
                assert!(said.contains(want) && said.contains("--auth-url"), "{words:?}: {said}");
            }
        }
        let said = options(&["ann", "--auth-url", "https://cloud.example"]).unwrap_err().to_string();
        assert!(said.contains("--ca"), "{said}");
    }

    #[test]
    fn half_a_login_is_told_from_a_refused_one() {
        let ways = json!([["password", "totp"]]);
        let receipt = || Some(Secret::new("r".to_string()));
        for (status, receipt, body, want) in [
            (401, receipt(), json!({ "receipt": {}, "required_auth_methods": ways }), true),
            (401, receipt(), json!({ "receipt": { "required_auth_methods": ways } }), true),
            (401, None, json!({ "required_auth_methods": ways }), false),
            (401, receipt(), json!({ "required_auth_methods": [["password", "x509"]] }), false),
            (401, receipt(), json!({ "error": { "message": "no" } }), false),
            (201, receipt(), json!({ "required_auth_methods": ways }), false),
        ] {
            let answer = Answer { status, receipt, body, token: None };
            assert_eq!(wants_code(&answer), want, "{:?}", answer.body);
        }
    }

    #[test]
    fn who_is_turned_away_is_told_what_to_do() {
        let answer = |status, say: &str| Answer {
            status, body: json!({ "error": { "message": say } }), ..Answer::default()
        };
        let say = "The password is expired and needs to be changed for user: 1.";
        let failed = turned_away("ann", "bank", &answer(401, say));
        assert!(failed.say.contains("jinyun passwd ann --domain bank"), "{}", failed.say);
        let failed = turned_away("ann", "bank", &answer(401, "requires authentication."));
        assert_eq!(failed.code, SIGN_IN);
        assert!(!failed.say.contains("jinyun login") && failed.say.contains("domain"), "{}", failed.say);
        assert_eq!(turned_away("ann", "bank", &answer(503, "busy")).code, crate::fail::UNREACHABLE);
    }

    #[test]
    fn an_unusual_sign_in_is_said() {
        let token = |unusual: Value| json!({ "jinyun_last_login": { "unusual": unusual } });
        for none in [json!({}), token(Value::Null), json!({ "jinyun_last_login": {} })] {
            assert_eq!(unusual(&none), None, "{none}");
        }
        let line = unusual(&token(json!({
            "at": "2026-01-31T08:00:00Z", "source": "192.0.2.44\u{1b}[2J", "what": ["network", "hour"],
        }))).unwrap();
        assert!(line.contains("(network, hour) was at 2026-01-31T08:00:00Z from 192.0.2.44"), "{line}");
        assert!(!line.contains('\u{1b}'), "an answer must not steer the terminal");
    }

    #[test]
    fn a_scope_reads_like_one() {
        for (token, want) in [
            (json!({ "system": { "all": true } }), "the platform"),
            (json!({ "project": { "name": "pay", "domain": { "name": "bank" } } }),
                "project pay of bank"),
            (json!({ "domain": { "name": "bank" } }), "institution bank"),
            (json!({}), "nothing"),
        ] {
            assert_eq!(scope_in_words(&token), want);
        }
    }
}
