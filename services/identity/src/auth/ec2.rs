//! Signed requests: a pair of keys (`ec2` credential) proves itself by a signature as Amazon's
//! protocols make it, version 2 and 4.
//!
//! A signature is good for one request, but here it buys a token that is good for many. So, as
//! Keystone does since it was found that whoever sees a signed link could trade it in, the caller
//! has to be signed in; and since there are no service accounts here, as the user whose keys they
//! are. The signature must be fresh (it carries its time), and a process takes it once. Versions 0
//! and 1 do not cover the host, and are refused by name.

use super::admit::Attempt;
use super::{Identity, denied};
use crate::credential;
use crate::token::Signed;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jinyun_base::{Id, Refusal, Secret, Time};
use jinyun_engine::Failure;
use jinyun_kms::Kms;
use jinyun_policy::ActorKind;
use jinyun_rest::list::quoted;
use jinyun_rest::{Call, Words};
use serde_json::{Map, Value};

/// How old a signature may be, in seconds; Keystone's `auth_ttl`.
const AGE: i64 = 900;
/// How far its clock may be ahead.
const AHEAD: i64 = 300;
/// At most so many parameters and headers.
const PARAMS: usize = 200;

const V4: &str = "AWS4-HMAC-SHA256";

/// A request as it was signed.
struct Request {
    verb: String,
    host: String,
    path: String,
    params: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body_hash: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn find<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
}

fn wrong(field: &str, say: &str) -> Failure {
    Refusal::invalid(field, say).into()
}

/// The members of an object as text, sorted by name.
fn pairs(words: &Words<'_>, name: &'static str) -> Result<Vec<(String, String)>, Failure> {
    let Some(value) = words.value(name) else { return Ok(Vec::new()) };
    let members: &Map<String, Value> =
        value.as_object().ok_or_else(|| wrong(name, "must be an object"))?;
    if members.len() > PARAMS {
        return Err(wrong(name, "has too many members"));
    }
    let mut pairs = Vec::new();
    for (key, value) in members {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(wrong(name, "must hold text and numbers")),
        };
        pairs.push((key.clone(), text));
    }
    pairs.sort();
    Ok(pairs)
}

impl Request {
    fn read(words: &Words<'_>) -> Result<Request, Failure> {
        words.only(&["access", "signature", "verb", "host", "path", "params", "headers", "body_hash",
            "token"])?;
        let text = |name: &'static str| -> Result<String, Failure> {
            Ok(words.long_text(name)?.unwrap_or_default())
        };
        Ok(Request {
            verb: text("verb")?,
            host: text("host")?,
            path: text("path")?,
            params: pairs(words, "params")?,
            headers: pairs(words, "headers")?,
            body_hash: text("body_hash")?,
        })
    }

    fn is_v4(&self) -> bool {
        match find(&self.headers, "Authorization") {
            Some(header) => header.starts_with(V4),
            None => find(&self.params, "X-Amz-Algorithm") == Some(V4),
        }
    }

    /// When it was signed.
    fn signed(&self) -> Option<Time> {
        let text = find(&self.params, "Timestamp").or_else(|| self.date())?;
        // `20240229T235958Z`, as version 4 has it, or RFC 3339 with or without a zone.
        if let (15 | 16, true, Some(b'T')) = (text.len(), text.is_ascii(), text.as_bytes().get(8)) {
            let (date, time) = (&text[..8], &text[9..15]);
            return Time::parse(&format!("{}-{}-{}T{}:{}:{}Z", &date[..4], &date[4..6], &date[6..],
                &time[..2], &time[2..4], &time[4..]));
        }
        Time::parse(text).or_else(|| Time::parse(&format!("{text}Z")))
    }

    fn date(&self) -> Option<&str> {
        find(&self.headers, "X-Amz-Date").or_else(|| find(&self.params, "X-Amz-Date"))
    }

    fn query(&self, more: Option<(&str, &str)>) -> String {
        let mut all: Vec<(&str, &str)> =
            self.params.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        if let Some((name, value)) = more {
            all.retain(|(n, _)| *n != name);
            all.push((name, value));
        }
        all.sort();
        let pairs: Vec<String> =
            all.iter().map(|(n, v)| format!("{}={}", quoted(n), quoted(v))).collect();
        pairs.join("&")
    }

    /// Version 2: HMAC-SHA-256 over verb, host, path and parameters.
    fn v2(&self, secret: &str, host: &str) -> String {
        let query = self.query(Some(("SignatureMethod", "HmacSHA256")));
        let text = format!("{}\n{host}\n{}\n{query}", self.verb, self.path);
        STANDARD.encode(Kms::hmac_sha256(secret.as_bytes(), text.as_bytes()))
    }

    /// A part of the authorization: of the header, or a parameter.
    fn auth(&self, name: &str) -> Option<&str> {
        match find(&self.headers, "Authorization") {
            Some(header) => {
                let (_, after) = header.split_once(&format!("{name}="))?;
                after.split(',').next()
            }
            None => find(&self.params, &format!("X-Amz-{name}")),
        }
    }

    /// Version 4: the key is derived from the day, the region and the service.
    fn v4(&self, secret: &str) -> Option<String> {
        let (signed, credential, date) =
            (self.auth("SignedHeaders")?, self.auth("Credential")?, self.date()?);
        let lower: Vec<(String, String)> = self.headers.iter()
            .map(|(n, v)| (n.trim().to_lowercase(), v.trim().to_string())).collect();
        let headers: Vec<String> = signed.split(';')
            .filter_map(|h| find(&lower, h).map(|v| format!("{h}:{v}"))).collect();
        let verb = self.verb.to_uppercase();
        let query = if verb == "POST" { String::new() } else { self.query(None) };
        let request = format!("{verb}\n{}\n{query}\n{}\n\n{signed}\n{}", self.path,
            headers.join("\n"), self.body_hash);
        let scope: Vec<&str> = credential.split('/').collect();
        let [_, day, region, service, ..] = scope[..] else { return None };
        if day.is_empty() || !date.starts_with(day) {
            return None;
        }
        let text = format!("{V4}\n{date}\n{}\n{}", scope[1..].join("/"),
            hex(&Kms::sha256(request.as_bytes())));
        let mut key = Secret::new(format!("AWS4{secret}").into_bytes());
        for part in [day, region, service, "aws4_request"] {
            key = Secret::new(Kms::hmac_sha256(key.expose(), part.as_bytes()));
        }
        Some(hex(&Kms::hmac_sha256(key.expose(), text.as_bytes())))
    }

    /// Whether a signature is this request's. Some clients sign the host without its port.
    fn fits(&self, secret: &str, signature: &str) -> bool {
        let same = |made: &str| Kms::same(made.as_bytes(), signature.as_bytes());
        if find(&self.params, "SignatureVersion").is_none() {
            return self.v4(secret).is_some_and(|made| same(&made));
        }
        let bare = self.host.rsplit_once(':').map_or(self.host.as_str(), |(host, _)| host);
        let (with, without) = (same(&self.v2(secret, &self.host)), same(&self.v2(secret, bare)));
        with || without
    }

    /// Refuses what cannot be checked, by name.
    fn check(&self) -> Result<(), Failure> {
        match find(&self.params, "SignatureVersion") {
            Some("2") => Ok(()),
            Some(_) => Err(wrong("SignatureVersion", "is not offered: sign with version 2 or 4")),
            None if self.is_v4() => Ok(()),
            None => Err(wrong("params", "name no version of a signature: use 2 or 4")),
        }
    }
}

/// The secret key, whether it is kept by itself or in Keystone's form of a blob.
fn secret_key(blob: &Secret<String>) -> Secret<String> {
    let inside = serde_json::from_str::<Value>(blob.expose()).ok();
    let secret = inside.as_ref().and_then(|v| v.get("secret")).and_then(Value::as_str);
    Secret::new(secret.unwrap_or(blob.expose()).to_string())
}

impl Identity {
    /// `POST /v3/ec2tokens`: a token for whoever signed with a pair of keys.
    pub fn ec2_sign_in(&self, call: &Call<'_>) -> Result<Signed, Failure> {
        let names = ["credentials", "credential", "ec2Credentials"];
        let envelope = names.into_iter().find(|n| call.body.get(n).is_some_and(Value::is_object));
        let words = call.words(envelope.unwrap_or("credentials"))?;
        let request = Request::read(&words)?;
        let need = |what| Refusal::invalid(what, "is required");
        let access = words.need("access")?;
        let signature = words.text("signature")?.ok_or_else(|| need("signature"))?;
        request.check()?;
        if call.actor.kind != ActorKind::User {
            return Err(self.deny(call, None, denied("no token was sent with a signed request")));
        }
        let found = credential::ec2(&self.kms, &call.cloud.reader, &access)?;
        let secret = found.as_ref().map(|(_, blob)| secret_key(blob));
        // The same work for keys that nobody has.
        let made_up = Secret::new(String::from("nobody's secret key"));
        let right = request.fits(secret.as_ref().unwrap_or(&made_up).expose(), &signature);
        let now = self.now();
        let fresh = request.signed().is_some_and(|at| {
            at <= now.plus_seconds(AHEAD) && at >= now.plus_seconds(-AGE)
        });
        let pair = found.map(|(spec, _)| spec).filter(|spec| spec.user == call.actor.id);
        let user = pair.as_ref()
            .and_then(|p| self.directory.user(&p.user).map(|spec| (p.user.clone(), spec)));
        let fits = right && fresh && user.is_some() && self.once(&signature, now);
        let attempt = Attempt {
            user,
            account: format!("access key {access}"),
            fits,
            wrong: "a signed request whose signature, time or user is wrong, or that came twice",
            locks: false,
        };
        let (id, spec) = self.admit(call, attempt)?;
        let policy = self.directory.compliance(&spec.domain);
        let weak = self.two_due(&id, &policy) && !self.has_second(call, &id)?;
        let project: Option<Id> = pair.and_then(|p| p.project).filter(|_| !weak);
        let Some(project) = project else {
            let why = denied("keys without a project, or of a user without a second factor");
            return Err(self.deny(call, Some((&id, &spec)), why));
        };
        self.issue_for_keys(call, (&id, &spec), project)
    }

    /// Whether a signature comes for the first time. Those that are too old to be taken are
    /// forgotten.
    fn once(&self, signature: &str, now: Time) -> bool {
        let mut taken = match self.signatures.lock() {
            Ok(taken) => taken,
            Err(broken) => broken.into_inner(),
        };
        taken.retain(|_, at| *at > now.plus_seconds(-(AGE + AHEAD)));
        taken.insert(Kms::sha256(signature.as_bytes()), now).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(value: &Value) -> Request {
        Request::read(&Words::new("credentials", value.as_object().unwrap())).unwrap()
    }

    #[test]
    fn signatures_are_those_of_keystones_clients() {
        // Made with python-keystoneclient's `Ec2Signer`.
        let v2 = json!({ "verb": "GET", "host": "127.0.0.1:8773", "path": "/services/Cloud/",
            "params": { "SignatureVersion": "2", "AWSAccessKeyId": "foo", "Key": "a b/c~é",
                "Number": 7, "Timestamp": "2024-02-29T23:59:58Z" } });
        let v4 = json!({ "verb": "POST", "host": "iam.amazonaws.com:80", "path": "/",
            "params": { "Action": "CreateUser", "UserName": "NewUser", "Version": "2010-05-08" },
            "headers": { "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
                "X-Amz-Date": "20110909T233600Z", "Host": "iam.amazonaws.com:80",
                "Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20110909/\
                    us-east-1/iam/aws4_request,SignedHeaders=content-type;host;x-amz-date,\
                    Signature=x" },
            "body_hash": "b6359072c78d70ebee1e81adcbab4f01bf2c23245fa365ef83fe8f1f955085e2" });
        let by_query = json!({ "verb": "GET", "host": "localhost", "path": "/a%20b",
            "params": { "Action": "Test", "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
                "X-Amz-Date": "20240229T235958Z", "X-Amz-SignedHeaders": "host",
                "X-Amz-Credential": "key/20240229/RegionOne/ec2/aws4_request" },
            "headers": { "Host": "localhost" }, "body_hash": "e3b0" });
        let cases = [
            (&v2, "5nhXqAwgBd+82eGAmfewOolyR5JdNIZikInMrlN2igE="),
            (&v2, "qAoijMgyUbjGRFbk41LFZZCsEJ5FRGePYek6K8S75bU="),
            (&v4, "ac7922a6d4d320b5df26756dfe185745c98b216d77c93587484d776d9011e593"),
            (&by_query, "e01abb88b514be67c60b40501cd34697104f6a6ecadfce0d1e461bc62315732f"),
        ];
        for (value, signature) in cases {
            let request = request(value);
            assert!(request.check().is_ok());
            assert!(request.fits("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", signature), "{value}");
            assert!(!request.fits("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEX", signature));
            let other = Request { path: "/other".into(), ..request };
            assert!(!other.fits("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", signature));
        }
    }

    #[test]
    fn times_and_versions() {
        let signed = |key: &str, text: &str| {
            request(&json!({ "params": { key: text } })).signed().map(Time::seconds)
        };
        let want = Some("2024-02-29T23:59:58Z".to_string());
        for text in ["2024-02-29T23:59:58Z", "2024-02-29T23:59:58.000000Z", "20240229T235958Z",
            "2024-02-29T23:59:58"] {
            assert_eq!(signed("Timestamp", text), want, "{text}");
            assert_eq!(signed("X-Amz-Date", text), want, "{text}");
        }
        for text in ["", "yesterday", "20240230T235958Z", "2024022xT235958Z"] {
            assert_eq!(signed("Timestamp", text), None, "{text}");
        }
        for (params, good) in [(json!({ "SignatureVersion": "2" }), true),
            (json!({ "SignatureVersion": "1" }), false), (json!({}), false),
            (json!({ "X-Amz-Algorithm": "AWS4-HMAC-SHA256" }), true)] {
            assert_eq!(request(&json!({ "params": params })).check().is_ok(), good, "{params}");
        }
    }
}
