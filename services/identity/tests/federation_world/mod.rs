//! An institution with an identity provider of its own. The keys are made for these tests and open
//! nothing.

#![allow(dead_code)]

use crate::login_world::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jinyun_base::{Refused, Time};
use jinyun_engine::Failure;
use jinyun_identity::RECEIPT_HEADER;
use jinyun_policy::Actor;
use jinyun_rest::{Body, Call, Door};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::Ordering;

pub const FIRST: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRLQFtf0eSWBWXl7uwpLJqU3PFkLt4Y2LHJ99zhNdkVihRANC\
    AARtXv0httUv9gmDwByjSSpe46hlKzSiz7HdG5h9WiCNlkpn0DScdXswZoIzv8AB8Cy4L_v9c7A1-97meFMMM0tX";
pub const FIRST_PUBLIC: &str = r#"{"kty": "EC", "crv": "P-256", "x": "bV79IbbVL_YJg8Aco0kqXuOoZSs0os-x3RuYfVogjZY", "y": "SmfQNJx1ezBmgjO_wAHwLLgv-_1zsDX73uZ4UwwzS1c"}"#;
pub const SECOND: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCMb__zp0BJXOSnenPuyuiQRn9xsX9L2w5e0eLmHQ2IqhRANC\
    AATemXIcRkxzvE1i6pq1qy9sNnKQwS1aznCMSGZtPPAzvwwtAFHNaTaxV-Ns0b421wGtEPMvC6dG0AmLq5DjTixn";
pub const SECOND_PUBLIC: &str = r#"{"kty": "EC", "crv": "P-256", "x": "3plyHEZMc7xNYuqatasvbDZykMEtWs5wjEhmbTzwM78", "y": "DC0AUc1pNrFX42zRvjbXAa0Q8y8Lp0bQCYurkONOLGc"}"#;
pub const EDWARDS: &str = "MC4CAQAwBQYDK2VwBCIEIEhnzTYCjkIEpg2d1dZJ3RELft06JrXnJbx8eQ6XwacL";
pub const EDWARDS_PUBLIC: &str = r#"{"kty": "OKP", "crv": "Ed25519", "x": "Zt9Xx8J_aaIbfvqNmr-8N9PsPo_S8YCBJO6Zd1DzFJI"}"#;
pub const RIVEST: &str = "\
    MIIEpQIBAAKCAQEAkUhelKsg6CAIEWNfEFpourhzs17KDflA3TeGYimbR_H2KB3loIJBQYKP7wS-CtULoBJpkiu-IVmPc_Ew\
    joHWup9IRM528uGjn6MD2uef8qjogUePd1bGSPGNoGB7-sRWL1m7TdD5mon-5H19Ctd7O3PNd00AChgaTk0p5EHqaABdx5vO\
    -qldfH_OkfHiF7_-yrBAc2PiseVF5_G-nU9wPV3I0ISgMmjvxu4_xlNSX_X0Slq6OmJ2iIjwojXXUmtFx57yy-4F50P2VBba\
    g454W1wWmJj3cAKlL1E_XPjmbMTia51iu3uuWIPeZXPYcSEo_OdEZ_oY3fU6D5DdHBILhwIDAQABAoIBABDSZK5-zhWdN9yY\
    4_X8cenvgj4U-KemN7N67WLKVyzSaw0kFmV_uiyVVd3Nb8Ud-_WcjCrHnoE1Yd3WjH0ZCD2dmdGVvRd3DD9nXFfpao9qAq84\
    E6LezPYUj1swMMrNbFPukOMmvO_-5cubwscRl4w_vAesm8I6Hjmjck6irzs8EDveR3aBJjWW3ai2UQ0jTuDSS8Y_ydcdTwAZ\
    xHjdekqcSVkE-JuNUANhAasgMsN_4UB69q1XUQnmSpJGZVYL3ZdOCGLhHcHVZADgtyEg4nl1CBBStjVEtZs-K6zhbkM6ijDm\
    2NE3-Js6ySB1_p7lqApPQvYACSaiRY84mOlWX9kCgYEAy1-MMak9PEgod6yKftrU_FqFVTHFCNBzzm4_u9MM9deQhgL-iAv3\
    PcKSV5LMeCLEePqb_i7ngMXW1aUlNHjXrhcvc27ZAx1wfKGYfch8cuu79NFFDYHgr-gM4TIJ8d1ncIyuXMBvDlDx6imSuCUd\
    N13uFC53a-a_TYDPv_qnA-UCgYEAtuCdu60vppU6eby1M7vMV8wPAqxXm-CMwVfpNMbXwS8eZb41SWX4wVf0xkUHbJLQ52aW\
    mxu1IWs6ya1KrNfk6JUWnROk88FMEIh30TQ0Y52Lrn2iKdOs15qDNaNHAz8lwUgfCgbaUcQ7KWp_mpf1ADrVs0H3kNdLGo6R\
    svFssvsCgYEAkBF9pOh44q1TTYPDEJ5A5wvRDEsXg2j3wLLFH28g7T7puKWCXinr2apuNO9fPXOTrwgJXYUopkaALBSzSHqa\
    f08ZZDKQNO6z8vYeqmxODLMGESX2Pt1UqAhAp37lIJtxXX-rPTVs9r1Mwk71CtHv4nr93voTyzJJLsQjZ6JOkikCgYEAlKcQ\
    kDW-vhIfbkVOpbbJ67Qbn3in3jUxNRhYoGXhi07ZzqpGdltFUSRF-8SwvDi7Rt3FHl_vZDLdnoIWaVk04ToPH6-QLfO5-NZ1\
    TsC4tSCjIjtNTeKaZMdcUIVge-sgrXQKhwP7AuwXixrejrNmm8E3ZHcC3eGjUvsAxAwq53ECgYEAnXL7XDxsiQJRzzH0bhV3\
    L0wACbBwMwmXj7Rb-MLVYSh-xSVwz_q9WutFP08dDPhRFM7daedHyaobdzrPGlkJPUULcyO4yWQwceZ6YNExlD6Absj40GjR\
    3MlfEO7IiaRbWzCtonUH14el8purUA4SRKS5sBD1vD_bCvy1ZdDnX1Y";
pub const RIVEST_PUBLIC: &str = r#"{"kty": "RSA", "n": "kUhelKsg6CAIEWNfEFpourhzs17KDflA3TeGYimbR_H2KB3loIJBQYKP7wS-CtULoBJpkiu-IVmPc_EwjoHWup9IRM528uGjn6MD2uef8qjogUePd1bGSPGNoGB7-sRWL1m7TdD5mon-5H19Ctd7O3PNd00AChgaTk0p5EHqaABdx5vO-qldfH_OkfHiF7_-yrBAc2PiseVF5_G-nU9wPV3I0ISgMmjvxu4_xlNSX_X0Slq6OmJ2iIjwojXXUmtFx57yy-4F50P2VBbag454W1wWmJj3cAKlL1E_XPjmbMTia51iu3uuWIPeZXPYcSEo_OdEZ_oY3fU6D5DdHBILhw", "e": "AQAB"}"#;
pub const ISSUER: &str = "https://id.bank.example";
pub const PROVIDERS: &str = "/v3/OS-FEDERATION/identity_providers";

pub fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub fn public(key: &str, kid: Option<&str>) -> Value {
    let mut key: Value = serde_json::from_str(key).unwrap();
    if let Some(kid) = kid {
        key["kid"] = kid.into();
    }
    key
}

/// A token of these parts, signed.
pub fn signed(head: &Value, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let text = format!("{}.{}", part(&head.to_string()), part(claims));
    let signature = crypto::sign(text.as_bytes(), key, algorithm).unwrap();
    format!("{text}.{signature}")
}

pub fn first() -> EncodingKey {
    EncodingKey::from_ec_der(&bytes(FIRST))
}

/// A token of the provider's, as its first key signs it.
pub fn token(claims: &Value) -> String {
    let head = json!({ "alg": "ES256", "typ": "JWT", "kid": "a" });
    signed(&head, &claims.to_string(), &first(), Algorithm::ES256)
}

/// A sign-in by a protocol of a provider.
pub fn knock(w: &World, idp: &str, sent: Option<&str>, source: &str) -> Answer {
    let route = w.routes.iter()
        .find(|r| r.method == "POST" && r.path.ends_with("/protocols/{protocol}/auth")).unwrap();
    assert!(!route.token, "whoever signs in has no token");
    let actor = Actor::nobody(source);
    let header = |text: &str| ("authorization".to_string(), text.to_string());
    let call = Call {
        via: Default::default(),
        door: Door::Tenants,
        cloud: &w.cloud,
        actor: &actor,
        path: vec![("idp", idp.into()), ("protocol", "openid".into())],
        query: Vec::new(),
        body: Value::Null,
        request: "req-1".into(),
        source: Some(source.into()),
        base: "https://cloud/identity".into(),
        version: None,
        token: None,
        headers: sent.map(header).into_iter().collect(),
        input: Mutex::new(None),
    };
    match (route.run)(&call) {
        Ok(reply) => {
            let header = |name: &str| {
                let found = reply.headers.iter().find(|(n, _)| *n == name);
                found.map(|(_, v)| v.clone()).unwrap_or_default()
            };
            let (token, receipt) = (header("x-subject-token"), header(RECEIPT_HEADER));
            let body = match reply.body {
                Body::Json(value) => value,
                _ => Value::Null,
            };
            Answer { status: reply.status, body, token, receipt }
        }
        Err(Failure::Refused(r)) => {
            let status = if r.why == Refused::Unauthenticated { 401 } else { 400 };
            Answer::refused(status, &r.message)
        }
        Err(Failure::Fault(f)) => Answer::refused(503, &f.to_string()),
    }
}

/// An institution with a provider, two groups, and a project for each of them.
pub struct House {
    pub w: World,
    pub bank: String,
    pub boss: String,
    pub ops: String,
    pub risk: String,
    pub pay: String,
    pub watch: String,
}

pub fn rules() -> Value {
    json!([
        { "local": [{ "user": { "name": "{0}", "email": "{1}" } }],
          "remote": [{ "type": "preferred_username" }, { "type": "HTTP_OIDC_EMAIL" }] },
        { "local": [{ "groups": "{0}", "domain": { "name": "bank" } }],
          "remote": [{ "type": "groups" }] },
    ])
}

pub fn provider() -> Value {
    json!({ "identity_provider": { "enabled": true, "remote_ids": [ISSUER],
        "jinyun:audiences": ["jinyun"], "jinyun:jwks": { "keys": [public(FIRST_PUBLIC, Some("a"))] } } })
}

impl House {
    pub fn new(name: &str) -> House {
        let w = World::new(name);
        let (bank, boss) = w.institution("bank");
        let mut house = House { w, bank, boss, ops: String::new(), risk: String::new(),
            pay: String::new(), watch: String::new() };
        (house.ops, house.pay) = house.group("ops", "pay");
        (house.risk, house.watch) = house.group("risk", "watch");
        house.set_up("corp", provider(), rules());
        // What was signed in the second before it was made is not good.
        house.w.pass(1);
        house
    }

    pub fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        self.w.send(with(&self.boss), method, path, body)
    }

    /// A group with a role in a project of its own.
    pub fn group(&self, name: &str, project: &str) -> (String, String) {
        let made = self.ask("POST", "/v3/groups", json!({ "group": { "name": name } }));
        let group = made.id("group");
        let project = self.w.project(&self.boss, project, &[]);
        let grant = format!("/v3/projects/{project}/groups/{group}/roles/{}", role("member"));
        assert_eq!(self.ask("PUT", &grant, Value::Null).status, 204);
        (group, project)
    }

    pub fn set_up(&self, idp: &str, provider: Value, rules: Value) {
        let made = self.ask("PUT", &format!("{PROVIDERS}/{idp}"), provider);
        assert_eq!(made.status, 201, "{made:?}");
        let mapping = format!("/v3/OS-FEDERATION/mappings/{idp}");
        let made = self.ask("PUT", &mapping, json!({ "mapping": { "rules": rules } }));
        assert_eq!(made.status, 201, "{made:?}");
        let protocol = format!("{PROVIDERS}/{idp}/protocols/openid");
        let made = self.ask("PUT", &protocol, json!({ "protocol": { "mapping_id": idp } }));
        assert_eq!(made.status, 201, "{made:?}");
    }

    /// What the provider says of Ann, ten minutes long.
    pub fn ann(&self, groups: &[&str]) -> Value {
        let now = self.w.clock.load(Ordering::SeqCst) / Time::SECOND;
        json!({ "iss": ISSUER, "aud": "jinyun", "sub": "ann-7", "iat": now, "exp": now + 600,
            "preferred_username": "ann", "email": "ann@bank.example", "groups": groups })
    }

    /// What the provider is called in the address of a sign-in.
    pub fn corp(&self) -> String {
        format!("corp@{}", self.bank)
    }

    pub fn knock(&self, claims: &Value) -> Answer {
        knock(&self.w, &self.corp(), Some(&format!("Bearer {}", token(claims))), HOME)
    }

    /// The ids of a list of providers, as its manager asks for it.
    pub fn page(&self, query: &[(&str, &str)]) -> Vec<String> {
        let route = self.w.routes.iter().find(|r| r.method == "GET" && r.path == PROVIDERS).unwrap();
        let (actor, _) = self.w.identity.actor(&self.boss, Some(HOME)).unwrap();
        let call = Call {
            via: Default::default(),
            door: Door::Tenants,
            cloud: &self.w.cloud,
            actor: &actor,
            path: Vec::new(),
            query: query.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
            body: Value::Null,
            request: "req-1".into(),
            source: Some(HOME.into()),
            base: "https://cloud/identity".into(),
            version: None,
            token: None,
            headers: Vec::new(),
            input: Mutex::new(None),
        };
        let Body::Json(value) = (route.run)(&call).unwrap().body else { panic!("no JSON") };
        let shown = value["identity_providers"].as_array().unwrap().iter();
        shown.filter_map(|p| p["id"].as_str().map(String::from)).collect()
    }

    /// From now on everybody in the institution needs two factors; its manager has them.
    pub fn demand_two(&mut self) {
        assert_eq!(self.w.enrol("boss", &self.bank, OWN).status, 201);
        let scope = json!({ "domain": { "id": self.bank } });
        let both = self.w.both("boss", &self.bank, OWN, scope);
        assert_eq!(both.status, 201, "{both:?}");
        self.boss = both.token;
        let floor = json!({ "config": { "security_compliance": { "multi_factor": true } } });
        let config = format!("/v3/domains/{}/config", self.bank);
        assert_eq!(self.ask("PATCH", &config, floor).status, 200);
    }

    /// Changes the provider.
    pub fn change(&self, member: &str, value: Value) -> Answer {
        let body = json!({ "identity_provider": { member: value } });
        self.ask("PATCH", &format!("{PROVIDERS}/corp"), body)
    }

    /// Ann signs in, in these groups over there.
    pub fn come(&self, groups: &[&str]) -> Answer {
        let answer = self.knock(&self.ann(groups));
        assert_eq!(answer.status, 201, "{answer:?}");
        answer
    }

    /// A token for a project, made from another one.
    pub fn enter(&self, token: &str, project: &str) -> Answer {
        self.w.sign(Via::default(), &[("token", json!({ "id": token }))], in_project(project))
    }

    pub fn user(&self, name: &str) -> Option<String> {
        let found = self.w.identity.directory.user_by_name(&self.bank.as_str().into(), name);
        found.map(|(id, _)| id.to_string())
    }

    /// Why the last sign-in was refused.
    pub fn why(&self) -> String {
        let all = self.w.journal("identity:token:create");
        all.last().unwrap()["reason"]["message"].to_string()
    }
}
