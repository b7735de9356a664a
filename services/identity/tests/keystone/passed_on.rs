//! What is passed on or brought: application credentials, trusts, credentials.

use crate::world::World;
use jinyun_engine::{Command, Job};
use jinyun_policy::Actor;
use serde_json::Value;

#[test]
fn an_application_credential_gives_no_more_than_its_user_has() {
    let mut w = World::new("appcredentials");
    w.run(&[
        ("ann@pay", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"ci","roles":[{"name":"reader"}]}}"#, 201,
            "\"secret\" & \"unrestricted\":false & \"project_id\":\"$pay\" & no \"name\":\"member\"",
            "ci secret1=secret"),
        ("ann@pay", "GET", "/v3/users/$ann/application_credentials/$ci", "", 200, "no \"secret\"", ""),
        ("ann@pay", "GET", "/v3/users/$ann/application_credentials?name=ci", "", 200, "$ci & no \"secret\"", ""),
        ("ann@pay", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"CI"}}"#, 409, "Duplicate", ""),
        // Wider roles, wrong times, another user, another project.
        ("ann@pay", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"x","roles":[{"name":"manager"}]}}"#, 400, "roles", ""),
        ("ann@pay", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"x","roles":[{"name":"audit_admin"}]}}"#, 404, "role", ""),
        ("ann@pay", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"x","expires_at":"2001-01-01T00:00:00"}}"#, 400,
            "expires_at", ""),
        ("ann@pay", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"x","secret":"short"}}"#, 400, "secret", ""),
        ("ann@pay", "POST", "/v3/users/$boss/application_credentials",
            r#"{"application_credential":{"name":"x"}}"#, 403, "another user", ""),
        ("ann@none", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"x"}}"#, 403, "project", ""),
        ("eve@none", "GET", "/v3/users/$ann/application_credentials/$ci", "", 404, "", ""),
        ("boss@bank", "GET", "/v3/users/$ann/application_credentials", "", 200, "$ci", ""),
        ("boss@bank", "GET", "/v3/users/$boss/application_credentials/$ci", "", 404, "", ""),
        ("chief@fund", "GET", "/v3/users/$ann/application_credentials", "", 200,
            "\"application_credentials\":[]", ""),
        // What it is worth.
        ("ann@pay!ci", "GET", "/v3/auth/tokens", "", 200,
            "\"name\":\"reader\" & no \"name\":\"member\" & \"restricted\":true", ""),
        ("ann@none!ci", "GET", "/v3/auth/tokens", "", 401, "", ""),
        ("boss@pay!ci", "GET", "/v3/auth/tokens", "", 401, "", ""),
        ("ann@pay!ci", "GET", "/v3/auth/projects", "", 200, "$pay", ""),
        ("ann@pay!ci", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"x"}}"#, 403, "application_credential", ""),
        ("ann@pay!ci", "DELETE", "/v3/users/$ann/application_credentials/$ci", "", 403, "", ""),
        ("ann@pay!ci", "POST", "/v3/OS-TRUST/trusts", r#"{"trust":{"trustor_user_id":"$ann",
            "trustee_user_id":"$boss","project_id":"$pay","impersonation":false,
            "roles":[{"name":"reader"}]}}"#, 403, "trusts", ""),
        ("ann@pay!ci", "POST", "/v3/credentials", r#"{"credential":{"type":"totp"}}"#, 403, "", ""),
        // One that may make others makes none that is wider than itself.
        ("ann@pay", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"root","unrestricted":true,
            "roles":[{"id":"$reader"}],"expires_at":"2023-11-14T23:00:00.000000"}}"#, 201,
            "\"expires_at\":\"2023-11-14T23:00:00.000000\"", "root"),
        ("ann@pay!root", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"x","roles":[{"name":"member"}]}}"#, 400, "roles", ""),
        ("ann@pay!root", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"leaf"}}"#, 201, "no \"name\":\"member\"", "leaf"),
        ("ann@pay!root", "DELETE", "/v3/users/$ann/application_credentials/$leaf", "", 204, "", ""),
        ("ann@pay!leaf", "GET", "/v3/auth/tokens", "", 401, "", ""),
        // Access rules are rows that outlive the credential, and stay while one has them.
        ("ann@pay", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"narrow","access_rules":[
            {"service":"compute","method":"GET","path":"/v2.1/servers/*/ips"}]}}"#, 201,
            "/v2.1/servers/*/ips", "narrow"),
        ("ann@pay", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"x","access_rules":[]}}"#, 400, "access_rules", ""),
        ("ann@pay", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"x","access_rules":[
            {"service":"compute","method":"FETCH","path":"/"}]}}"#, 400, "method", ""),
        ("ann@pay", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"x","access_rules":[{"id":"none"}]}}"#, 404, "rule", ""),
    ]);
    let rules = w.call("ann@pay", "GET", &w.fill("/v3/users/$ann/access_rules"), Value::Null).1;
    let rule = rules["access_rules"][0]["id"].as_str().unwrap().to_string();
    assert_eq!(rules["access_rules"].as_array().unwrap().len(), 1, "{rules}");
    w.ids.insert("rule".into(), rule);
    w.run(&[
        ("ann@pay", "GET", "/v3/users/$ann/access_rules/$rule", "", 200, "servers", ""),
        ("eve@none", "GET", "/v3/users/$ann/access_rules/$rule", "", 404, "", ""),
        ("ann@pay", "DELETE", "/v3/users/$ann/access_rules/$rule", "", 403, "delete the credential", ""),
        ("ann@pay", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"again","access_rules":[{"id":"$rule"}]}}"#, 201,
            "$rule", "again"),
        ("ann@pay", "DELETE", "/v3/users/$ann/application_credentials/$narrow", "", 204, "", ""),
        ("boss@bank", "DELETE", "/v3/users/$ann/application_credentials/$again", "", 204, "", ""),
        ("ann@pay", "DELETE", "/v3/users/$ann/access_rules/$rule", "", 204, "", ""),
        // The role goes, comes back lower, and the user goes.
        ("boss@bank", "DELETE", "/v3/projects/$pay/users/$ann/roles/$member", "", 204, "", ""),
        ("ann@pay!ci", "GET", "/v3/auth/tokens", "", 401, "", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/users/$ann/roles/$reader", "", 204, "", ""),
        ("ann@pay!ci", "GET", "/v3/auth/tokens", "", 200, "reader", ""),
        ("ann@pay!root", "GET", "/v3/auth/tokens", "", 200, "", ""),
    ]);
    w.pass(3600);
    w.run(&[
        ("ann@pay!root", "GET", "/v3/auth/tokens", "", 401, "", ""),
        ("boss@bank", "DELETE", "/v3/users/$ann", "", 204, "", ""),
        ("boss@bank", "GET", "/v3/users/$ann/application_credentials", "", 200,
            "\"application_credentials\":[]", ""),
    ]);
    assert!(!w.journal().contains(&w.ids["secret1"]), "the secret stands in the journal");
}

#[test]
fn a_trust_is_never_more_than_what_lies_above_it() {
    let mut w = World::new("trusts");
    let trust = "/v3/OS-TRUST/trusts";
    w.run(&[
        ("boss@bank", "POST", "/v3/users", r#"{"user":{"name":"bob"}}"#, 201, "", "bob"),
        ("boss@bank", "POST", "/v3/users", r#"{"user":{"name":"cat"}}"#, 201, "", "cat"),
        ("ann@pay", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$bob",
            "project_id":"$pay","impersonation":true,"roles":[{"name":"member"}],
            "allow_redelegation":true,"expires_at":"2023-11-14T23:00:00Z"}}"#, 201,
            "\"redelegation_count\":3 & \"expires_at\":\"2023-11-14T23:00:00.000000Z\" & \
             /v3/OS-TRUST/trusts/ & roles_links", "t1"),
        // What is refused.
        ("ann@pay", "POST", trust, r#"{"trust":{"trustor_user_id":"$boss","trustee_user_id":"$bob",
            "project_id":"$pay","impersonation":true,"roles":[{"name":"member"}]}}"#, 403, "trustor", ""),
        ("ann@pay", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$eve",
            "project_id":"$pay","impersonation":true,"roles":[{"name":"member"}]}}"#, 404, "user", ""),
        ("ann@pay", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$bob",
            "project_id":"$pay","impersonation":true,"roles":[{"name":"manager"}]}}"#, 404, "role", ""),
        ("ann@pay", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$bob",
            "project_id":"$pay","impersonation":true}}"#, 403, "role", ""),
        ("ann@pay", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$bob",
            "project_id":"$risk","impersonation":true,"roles":[{"name":"member"}]}}"#, 403, "token", ""),
        ("ann@pay", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$bob",
            "project_id":"$pay","impersonation":true,"roles":[{"name":"member"}],
            "expires_at":"bad.123Z"}}"#, 400, "expires_at", ""),
        ("ann@pay", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$bob",
            "project_id":"$pay","impersonation":true,"roles":[{"name":"member"}],
            "allow_redelegation":true,"remaining_uses":2}}"#, 400, "remaining_uses", ""),
        ("ann@pay", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$bob",
            "project_id":"$pay","roles":[{"name":"member"}]}}"#, 400, "impersonation", ""),
        // Who sees it, and what it is worth.
        ("bob@none", "GET", "/v3/OS-TRUST/trusts/$t1", "", 200, "\"trustee_user_id\":\"$bob\"", ""),
        ("cat@none", "GET", "/v3/OS-TRUST/trusts/$t1", "", 404, "", ""),
        ("chief@fund", "GET", "/v3/OS-TRUST/trusts/$t1", "", 404, "", ""),
        ("bob@none", "GET", "/v3/OS-TRUST/trusts?trustee_user_id=$bob", "", 200, "$t1 & no \"roles\":", ""),
        ("cat@none", "GET", "/v3/OS-TRUST/trusts?trustee_user_id=$bob", "", 200, "\"trusts\":[]", ""),
        ("boss@bank", "GET", trust, "", 200, "$t1", ""),
        ("bob@none", "GET", "/v3/OS-TRUST/trusts/$t1/roles", "", 200, "$member & no $reader", ""),
        ("bob@none", "HEAD", "/v3/OS-TRUST/trusts/$t1/roles/$member", "", 200, "", ""),
        ("bob@none", "GET", "/v3/OS-TRUST/trusts/$t1/roles/$reader", "", 404, "", ""),
        ("bob@pay", "GET", "/v3/auth/tokens", "", 401, "", ""),
        ("bob@pay~t1", "GET", "/v3/auth/tokens", "", 200,
            "\"user\":{\"domain\": & \"id\":\"$ann\" & \"impersonation\":true & \"name\":\"member\"", ""),
        ("cat@pay~t1", "GET", "/v3/auth/tokens", "", 401, "", ""),
        ("bob@pay~t1", "POST", "/v3/users/$ann/application_credentials",
            r#"{"application_credential":{"name":"x"}}"#, 403, "delegation", ""),
        ("bob@pay~t1", "GET", "/v3/users/$ann/application_credentials", "", 403, "", ""),
        ("bob@pay~t1", "DELETE", "/v3/OS-TRUST/trusts/$t1", "", 403, "", ""),
        ("bob@pay~t1", "GET", "/v3/credentials", "", 403, "", ""),
        // Passing it on: within its limits.
        ("bob@pay~t1", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$cat",
            "project_id":"$pay","impersonation":true,"roles":[{"name":"reader"}],
            "expires_at":"2024-11-14T23:00:00Z"}}"#, 403, "expiration", ""),
        ("bob@pay~t1", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$cat",
            "project_id":"$pay","impersonation":true,"roles":[{"name":"reader"}],
            "remaining_uses":1}}"#, 403, "remaining_uses", ""),
        ("bob@pay~t1", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$cat",
            "project_id":"$pay","impersonation":true,"roles":[{"name":"reader"}],
            "allow_redelegation":true,"redelegation_count":1}}"#, 403, "redelegation_count", ""),
        ("bob@pay~t1", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$cat",
            "project_id":"$pay","impersonation":false,"roles":[{"name":"reader"}]}}"#, 201,
            "\"redelegated_trust_id\":\"$t1\" & \"redelegation_count\":0 & 2023-11-14T23:00:00", "t2"),
        ("cat@pay~t2", "GET", "/v3/auth/tokens", "", 200,
            "\"id\":\"$cat\" & \"name\":\"reader\" & no \"name\":\"member\"", ""),
        ("cat@pay~t2", "POST", trust, r#"{"trust":{"trustor_user_id":"$cat","trustee_user_id":"$bob",
            "project_id":"$pay","impersonation":false,"roles":[{"name":"reader"}]}}"#, 403,
            "passed on", ""),
        // What lies above goes: the chain ends.
        ("boss@bank", "PATCH", "/v3/users/$bob", r#"{"user":{"enabled":false}}"#, 200, "", ""),
        ("cat@pay~t2", "GET", "/v3/auth/tokens", "", 401, "", ""),
        ("boss@bank", "PATCH", "/v3/users/$bob", r#"{"user":{"enabled":true}}"#, 200, "", ""),
        ("boss@bank", "DELETE", "/v3/projects/$pay/users/$ann/roles/$member", "", 204, "", ""),
        ("cat@pay~t2", "GET", "/v3/auth/tokens", "", 401, "", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/users/$ann/roles/$reader", "", 204, "", ""),
        ("bob@pay~t1", "GET", "/v3/auth/tokens", "", 200, "no \"name\":\"member\"", ""),
        ("cat@pay~t2", "GET", "/v3/auth/tokens", "", 200, "", ""),
        // The trustee does not take it back, the trustor does, and what was made from it goes.
        ("bob@none", "DELETE", "/v3/OS-TRUST/trusts/$t1", "", 404, "", ""),
        ("ann@none", "DELETE", "/v3/OS-TRUST/trusts/$t1", "", 204, "", ""),
        ("cat@pay~t2", "GET", "/v3/auth/tokens", "", 401, "", ""),
        ("boss@bank", "GET", trust, "", 200, "\"trusts\":[]", ""),
        ("ann@pay", "POST", trust, r#"{"trust":{"trustor_user_id":"$ann","trustee_user_id":"$bob",
            "project_id":"$pay","impersonation":false,"roles":[{"name":"reader"}],
            "remaining_uses":1,"expires_at":"2023-11-14T22:20:00Z"}}"#, 201, "\"remaining_uses\":1", "t3"),
        ("bob@pay~t3", "GET", "/v3/auth/tokens", "", 200, "\"id\":\"$bob\"", ""),
    ]);
    let consume = || {
        let command = Command::new("identity:trust:consume", Actor::system("identity"), "req-1");
        w.cloud.handle.run(Job::Command(Box::new(command.on(w.id("t3")))))
    };
    assert!(consume().is_ok());
    assert!(consume().unwrap_err().to_string().contains("no remaining uses"));
    let mut by_user = Command::new("identity:trust:consume", w.bearer("bob@none").unwrap().0, "req-1");
    by_user.target = Some(w.id("t3"));
    assert!(w.cloud.handle.run(Job::Command(Box::new(by_user))).is_err(), "the platform counts");
    w.pass(600);
    w.run(&[("bob@pay~t3", "GET", "/v3/auth/tokens", "", 401, "", "")]);
}

#[test]
fn credentials_are_shown_once_and_to_their_owner() {
    let mut w = World::new("credentials");
    let ec2 = "/v3/users/$ann/credentials/OS-EC2";
    w.run(&[
        ("ann@pay", "POST", "/v3/credentials", r#"{"credential":{"type":"totp","user_id":"$ann",
            "blob":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}}"#, 201, "GEZDGNBV", "totp"),
        ("ann@pay", "POST", "/v3/credentials", r#"{"credential":{"type":"totp"}}"#, 201, "blob",
            "made seed=blob"),
        ("ann@pay", "POST", "/v3/credentials", r#"{"credential":{"type":"totp","blob":"GEZDG"}}"#, 400,
            "blob & no GEZDG", ""),
        ("ann@pay", "POST", "/v3/credentials", r#"{"credential":{"type":"cert"}}"#, 400, "type", ""),
        ("ann@pay", "POST", "/v3/credentials", r#"{"credential":{"type":"totp","project_id":"$pay"}}"#,
            400, "project_id", ""),
        ("boss@bank", "POST", "/v3/credentials", r#"{"credential":{"type":"totp","user_id":"$ann"}}"#,
            403, "the user whose", ""),
        ("ann@pay", "GET", "/v3/credentials/$totp", "", 200, "\"blob\":null & no GEZDG", ""),
        ("ann@pay", "GET", "/v3/credentials?type=totp", "", 200, "$totp & $made & no GEZDG", ""),
        ("ann@pay", "PATCH", "/v3/credentials/$totp", r#"{"credential":{"blob":"x"}}"#, 403, "", ""),
        ("eve@none", "GET", "/v3/credentials/$totp", "", 404, "", ""),
        ("chief@fund", "DELETE", "/v3/credentials/$totp", "", 404, "", ""),
        ("chief@fund", "GET", "/v3/credentials", "", 200, "\"credentials\":[]", ""),
        ("boss@bank", "GET", "/v3/credentials", "", 200, "$totp & no GEZDG", ""),
        ("secadmin@system", "DELETE", "/v3/credentials/$totp", "", 403, "reset_factors", ""),
        ("boss@bank", "DELETE", "/v3/credentials/$totp", "", 403, "reset_factors", ""),
        ("ann@pay", "DELETE", "/v3/credentials/$totp", "", 204, "", ""),
        ("ann@pay", "DELETE", "/v3/credentials/$totp", "", 404, "", ""),
        // Pairs of keys, in both of Keystone's faces.
        ("ann@pay", "POST", "/v3/credentials", r#"{"credential":{"type":"ec2","project_id":"$pay",
            "blob":"{\"access\":\"0123456789abcdef\",\"secret\":\"fedcba9876543210\"}"}}"#, 201,
            "fedcba9876543210", ""),
        ("ann@pay", "POST", "/v3/credentials", r#"{"credential":{"type":"ec2","project_id":"$pay",
            "blob":"{\"access\":\"0123456789abcdef\",\"secret\":\"another-secret-of-hers\"}"}}"#, 409,
            "access key & no another", ""),
        ("ann@pay", "POST", "/v3/credentials", r#"{"credential":{"type":"ec2","project_id":"$pay",
            "blob":"{\"access\":\"short\",\"secret\":\"fedcba9876543210\"}"}}"#, 400, "blob & no fedcba", ""),
        ("ann@pay", "POST", "/v3/credentials", r#"{"credential":{"type":"ec2"}}"#, 400, "project_id", ""),
        ("ann@pay", "POST", ec2, r#"{"tenant_id":"$risk"}"#, 404, "project", ""),
        ("boss@bank", "POST", ec2, r#"{"tenant_id":"$pay"}"#, 403, "", ""),
        ("ann@pay", "POST", ec2, r#"{"tenant_id":"$pay"}"#, 201, "\"tenant_id\":\"$pay\" & secret",
            "key=access hidden=secret"),
        ("ann@pay", "GET", ec2, "", 200, "$key & 0123456789abcdef & no secret", ""),
        ("ann@pay", "GET", "/v3/users/$ann/credentials/OS-EC2/$key", "", 200, "no secret", ""),
        ("eve@none", "GET", "/v3/users/$ann/credentials/OS-EC2/$key", "", 404, "", ""),
        ("ann@pay", "DELETE", "/v3/users/$ann/credentials/OS-EC2/$key", "", 204, "", ""),
        ("ann@pay", "GET", "/v3/users/$ann/credentials/OS-EC2/$key", "", 404, "", ""),
    ]);
    let journal = w.journal();
    let shown = ["seed", "hidden"].map(|name| w.ids[name].as_str());
    for secret in ["GEZDGNBV", "fedcba9876543210", "another-secret"].into_iter().chain(shown) {
        assert!(!journal.contains(secret), "{secret} stands in the journal");
    }
    // Sealed in the store, and for its own row.
    let made = w.id("made");
    let sealed = w.cloud.reader.lend(|db| db.secret("credential", &made, "blob")).unwrap().unwrap();
    let seed = w.ids["seed"].as_bytes();
    assert!(!sealed.windows(seed.len()).any(|part| part == seed));
    let opened = w.kms.open_record(&format!("credential {made}"), &sealed).unwrap();
    assert_eq!(opened.expose(), seed);
    assert!(w.kms.open_record("credential other", &sealed).is_none());
}
