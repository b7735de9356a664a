//! Mappings as a table: the rules, what a token says, and what comes of both. The examples of
//! Keystone's documentation are among them, with other names.

use super::rules::{Mapped, Named, Rules};
use serde_json::{Value, json};

/// What is wanted: a user by id and name, mail address, whether it is a local one, and its groups
/// (ids with a `#` before them).
struct Want(&'static str, &'static str, &'static str, bool, &'static [&'static str]);

fn seen(mapped: Mapped) -> (String, String, String, bool, Vec<String>) {
    let groups = mapped.groups.into_iter().map(|g| match g {
        Named::Id(id) => format!("#{id}"),
        Named::Name(name) => name,
    }).collect();
    let text = Option::unwrap_or_default;
    (text(mapped.id), text(mapped.name), text(mapped.email), mapped.local, groups)
}

fn read(rules: &Value) -> Result<Rules, String> {
    Rules::read(rules, &"d1".into(), "Bank").map_err(|e| e.message)
}

fn apply(rules: &Value, claims: &Value) -> Result<Mapped, String> {
    read(rules)?.apply(claims.as_object().unwrap()).map_err(String::from)
}

/// One rule.
fn rule(local: Value, remote: Value) -> Value {
    json!([{ "local": local, "remote": remote }])
}

/// One user by its name, and what else the rule gives.
fn ann(more: Value) -> Value {
    json!([{ "user": { "name": "{0}" } }, more])
}

fn ones() -> Value {
    json!({
        "iss": "https://id.bank", "sub": "7", "name": "Ann Chan", "email": "ann@bank",
        "given_name": "Ann", "family_name": "Chan", "preferred_username": "ann",
        "groups": ["payments", "risk", "staff"], "email_verified": true, "level": 3,
        "realm_access": { "roles": ["ops", "dev"] }, "none": [], "empty": "", "semi": "a;b",
        "deep": [["x"], { "y": 1 }, "z"], "brace": "{1}", "half": 1.5, "nothing": null,
        "group-ids": ["g1", "g2"], "a-b": "1", "a_b": "2", "cost_center": "4711",
    })
}

#[test]
fn rules_make_a_user_and_groups() {
    let by_name = |n: usize| json!({ "group": { "name": format!("{{{n}}}"), "domain": { "id": "d1" } } });
    let groups = |t: &str| json!({ "groups": t, "domain": { "id": "d1" } });
    let with = |list: &str, words: Value| {
        json!([{ "type": "preferred_username" }, { "type": "groups", list: words }])
    };
    let matching = |list: &str, words: Value| json!([{ "type": "preferred_username" },
        { "type": "groups", list: words, "regex": true }]);
    let name = json!([{ "type": "preferred_username" }]);
    let both = json!([{ "type": "preferred_username" }, { "type": "groups" }]);
    let plain = || ann(json!({}));
    let fixed = || ann(json!({ "group": { "id": "0cd5e9" } }));
    let a = |groups| Want("", "ann", "", false, groups);
    let cases: Vec<(&str, Value, Want)> = vec![
        // Keystone's documentation.
        ("names put together", rule(json!([{ "user": { "name": "{0} {1}", "email": "{2}" },
            "group": { "name": "{3}", "domain": { "id": "d1" } } }]),
            json!([{ "type": "given_name" }, { "type": "family_name" }, { "type": "email" },
                { "type": "OIDC_CLAIM_groups" }])),
            Want("", "Ann Chan", "ann@bank", false, &["payments", "risk", "staff"])),
        ("any one of", rule(fixed(), with("any_one_of", json!(["risk"]))), a(&["#0cd5e9"])),
        ("not any of", rule(fixed(), with("not_any_of", json!(["guests"]))), a(&["#0cd5e9"])),
        ("a whitelist", rule(ann(groups("{1}")), with("whitelist", json!(["payments", "other"]))),
            a(&["payments"])),
        ("a blacklist", rule(ann(groups("{1}")), with("blacklist", json!(["staff"]))),
            a(&["payments", "risk"])),
        ("a whitelist by expressions", rule(ann(groups("{1}")), matching("whitelist", json!([".*s$"]))),
            a(&["payments"])),
        ("a group by its domain's name", rule(ann(json!({ "group": { "name": "ops",
            "domain": { "name": "Bank" } } })), name.clone()), a(&["ops"])),
        ("a local user", rule(json!([{ "user": { "name": "{0}", "type": "local",
            "domain": { "id": "d1" } } }]), name.clone()), Want("", "ann", "", true, &[])),
        ("a local user by id", rule(json!([{ "user": { "id": "u1", "type": "local" } }]), name.clone()),
            Want("u1", "", "", true, &[])),
        ("two rules", json!([
            { "local": [{ "user": { "name": "{0}" } }], "remote": [{ "type": "preferred_username" }] },
            { "local": [{ "group": { "id": "emp" } }],
              "remote": [{ "type": "groups", "any_one_of": ["staff"] }] },
            { "local": [{ "group": { "id": "ext" } }],
              "remote": [{ "type": "groups", "any_one_of": ["partners"] }] }]), a(&["#emp"])),
        ("the first user counts", json!([
            { "local": [{ "user": { "name": "first" } }], "remote": [{ "type": "sub" }] },
            { "local": [{ "user": { "name": "second" }, "group": { "id": "g" } }],
              "remote": [{ "type": "sub" }] }]), Want("", "first", "", false, &["#g"])),
        ("a rule that does not hold gives no user", json!([
            { "local": [{ "user": { "name": "no" } }], "remote": [{ "type": "absent" }] },
            { "local": [{ "user": { "name": "yes" } }], "remote": [{ "type": "sub" }] }]),
            Want("", "yes", "", false, &[])),
        ("ids of groups", rule(ann(json!({ "group_ids": "{1}" })),
            json!([{ "type": "preferred_username" }, { "type": "group-ids", "whitelist": ["g2", "x"] }])),
            a(&["#g2"])),
        // Whom it is about.
        ("an id for ever", rule(json!([{ "user": { "id": "{0}", "name": "{1}" } }]),
            json!([{ "type": "sub" }, { "type": "name" }])), Want("7", "Ann Chan", "", false, &[])),
        ("an ephemeral user", rule(json!([{ "user": { "name": "{0}", "type": "ephemeral",
            "domain": { "name": "Bank" } } }]), name.clone()), a(&[])),
        ("a fixed name", rule(json!([{ "user": { "name": "robot" } }]), json!([{ "type": "sub" }])),
            Want("", "robot", "", false, &[])),
        ("one claim twice", rule(json!([{ "user": { "name": "{0}-{0}" } }]), name.clone()),
            Want("", "ann-ann", "", false, &[])),
        ("conditions do not count", rule(json!([{ "user": { "name": "{0}", "email": "{1}" } }]),
            json!([{ "type": "groups", "any_one_of": ["risk"] }, { "type": "preferred_username" },
                { "type": "sub", "not_any_of": ["8"] }, { "type": "email" }])),
            Want("", "ann", "ann@bank", false, &[])),
        // Names of claims.
        ("as a header", rule(plain(), json!([{ "type": "HTTP_OIDC_PREFERRED_USERNAME" }])), a(&[])),
        ("with the usual prefix", rule(plain(), json!([{ "type": "OIDC-preferred_username" }])), a(&[])),
        ("as a variable", rule(plain(), json!([{ "type": "OIDC_CLAIM_preferred_username" }])), a(&[])),
        ("the issuer", rule(plain(), json!([{ "type": "preferred_username" },
            { "type": "HTTP_OIDC_ISS", "any_one_of": ["https://id.bank"] }])), a(&[])),
        ("a dash in a header", rule(ann(json!({ "group_ids": "{1}" })),
            json!([{ "type": "preferred_username" }, { "type": "HTTP_OIDC_GROUP_IDS" }])),
            a(&["#g1", "#g2"])),
        ("inside an object", rule(ann(groups("{1}")),
            json!([{ "type": "preferred_username" }, { "type": "realm_access.roles" }])),
            a(&["dev", "ops"])),
        ("two names of one header, by its own name", rule(json!([{ "user": { "name": "{0}" } }]),
            json!([{ "type": "OIDC-a-b" }])), Want("", "1", "", false, &[])),
        // Values.
        ("true is 1", rule(plain(), json!([{ "type": "preferred_username" },
            { "type": "email_verified", "any_one_of": ["1"] }])), a(&[])),
        ("a number", rule(json!([{ "user": { "name": "l{0}" } }]), json!([{ "type": "level" }])),
            Want("", "l3", "", false, &[])),
        ("a semicolon parts nothing", rule(ann(groups("{1}")),
            json!([{ "type": "preferred_username" }, { "type": "semi" }])), a(&["a;b"])),
        ("a brace in a value is a brace", rule(json!([{ "user": { "name": "{0}" } }]),
            json!([{ "type": "brace" }])), Want("", "{1}", "", false, &[])),
        ("lists inside lists have no values", rule(ann(groups("{1}")),
            json!([{ "type": "preferred_username" }, { "type": "deep" }])), a(&["z"])),
        // Groups.
        ("a list in a name", rule(ann(by_name(1)), both.clone()), a(&["payments", "risk", "staff"])),
        ("text around a list", rule(ann(groups("os-{1}")), both.clone()),
            a(&["os-payments", "os-risk", "os-staff"])),
        ("a list and one value", rule(ann(groups("{2}-{1}-{2}")), json!([
            { "type": "preferred_username" }, { "type": "groups" }, { "type": "cost_center" }])),
            a(&["4711-payments-4711", "4711-risk-4711", "4711-staff-4711"])),
        ("several names in the rule", rule(ann(groups("one; two;;{0}")), name.clone()),
            a(&["ann", "one", "two"])),
        ("each once", rule(ann(groups("risk;{1}")), both.clone()), a(&["payments", "risk", "staff"])),
        ("a whitelist that nothing passes", rule(ann(groups("{1}")), with("whitelist", json!(["x"]))),
            a(&[])),
        ("an empty whitelist", rule(ann(groups("{1}")), with("whitelist", json!([]))), a(&[])),
        ("an empty blacklist", rule(ann(groups("{1}")), with("blacklist", json!([]))),
            a(&["payments", "risk", "staff"])),
        ("braces of the rule's own", rule(ann(groups("{{{1}}}")),
            with("whitelist", json!(["risk"]))), a(&["{risk}"])),
        // Expressions.
        ("anywhere in the value", rule(fixed(), matching("any_one_of", json!(["is"]))), a(&["#0cd5e9"])),
        ("whatever its case", rule(ann(groups("{1}")),
            matching("blacklist", json!(["(?i)^(RISK|STAFF)$"]))),
            a(&["payments"])),
        ("none of them", rule(fixed(), matching("not_any_of", json!(["^x", "y$"]))), a(&["#0cd5e9"])),
        ("regex is false", rule(ann(groups("{1}")), json!([{ "type": "preferred_username" },
            { "type": "groups", "whitelist": ["ris."], "regex": false }])), a(&[])),
    ];
    assert!(cases.len() >= 40, "{} cases", cases.len());
    for (what, rules, Want(id, name, email, local, groups)) in cases {
        let made = apply(&rules, &ones()).map(seen);
        let want = (id.into(), name.into(), email.into(), local,
            groups.iter().map(|g| g.to_string()).collect());
        assert_eq!(made, Ok(want), "{what}");
    }
}

#[test]
fn rules_that_give_nobody_say_why() {
    let user = || json!([{ "user": { "name": "{0}" } }]);
    for (what, rules, why) in [
        ("no claim", rule(user(), json!([{ "type": "absent" }])), "no rule"),
        ("an empty list", rule(user(), json!([{ "type": "none" }])), "no rule"),
        ("null", rule(user(), json!([{ "type": "nothing" }])), "no rule"),
        ("an object", rule(user(), json!([{ "type": "realm_access" }])), "no rule"),
        ("a part of a number", rule(user(), json!([{ "type": "half" }])), "no rule"),
        ("two claims of one header", rule(user(), json!([{ "type": "HTTP_OIDC_A_B" }])), "no rule"),
        ("inside text", rule(user(), json!([{ "type": "email.x" }])), "no rule"),
        ("a header's name is no claim's", rule(user(), json!([{ "type": "HTTP_OIDC_" }])), "no rule"),
        ("any one of others", rule(user(), json!([{ "type": "sub" },
            { "type": "groups", "any_one_of": ["x", "ris"] }])), "no rule"),
        ("not any of these", rule(user(), json!([{ "type": "sub" },
            { "type": "groups", "not_any_of": ["x", "risk"] }])), "no rule"),
        ("not any of, and not there", rule(user(), json!([{ "type": "sub" },
            { "type": "absent", "not_any_of": ["x"] }])), "no rule"),
        ("case matters", rule(user(), json!([{ "type": "sub" },
            { "type": "groups", "any_one_of": ["RISK"] }])), "no rule"),
        ("groups alone", rule(json!([{ "group": { "id": "g" } }]), json!([{ "type": "sub" }])),
            "give no user"),
        ("nothing at all", rule(json!([]), json!([{ "type": "sub" }])), "give no user"),
        ("a user of nothing", rule(json!([{ "user": { "email": "{0}" } }]), json!([{ "type": "email" }])),
            "without id and name"),
        ("a list as a name", rule(user(), json!([{ "type": "groups" }])), "several values"),
        ("an empty name", rule(user(), json!([{ "type": "empty" }])), "empty text"),
        ("nothing left for a name", rule(user(), json!([{ "type": "groups", "whitelist": ["x"] }])),
            "empty text"),
        ("two lists in one text", rule(json!([{ "user": { "name": "a" } },
            { "group_ids": "{0}{1}" }]), json!([{ "type": "groups" }, { "type": "realm_access.roles" }])),
            "two claims"),
    ] {
        let said = apply(&rules, &ones()).unwrap_err();
        assert!(said.contains(why), "{what}: {said}");
    }
}

#[test]
fn rules_that_make_no_sense_are_refused_when_they_are_made() {
    let sub = || json!([{ "type": "sub" }]);
    let user = |user: Value| rule(json!([{ "user": user }]), sub());
    let local = |local: Value| rule(json!([local]), sub());
    let remote = |remote: Value| rule(json!([{ "user": { "name": "a" } }]), json!([remote]));
    let wide = |regexes: usize| {
        let words: Vec<String> = (0..regexes).map(|n| n.to_string()).collect();
        remote(json!({ "type": "sub", "any_one_of": words, "regex": true }))
    };
    for (what, rules, why) in [
        ("no list", json!({}), "list of 1 to"),
        ("no rules", json!([]), "list of 1 to"),
        ("many rules", json!(vec![user(json!({ "name": "a" }))[0].clone(); 101]), "list of 1 to"),
        ("a rule that is text", json!(["x"]), "no object"),
        ("a member more", json!([{ "local": [], "remote": sub(), "name": "x" }]), "other than local"),
        ("no conditions", json!([{ "local": [] }]), "lack a list: remote"),
        ("conditions of nothing", rule(json!([]), json!([])), "other than 1 to"),
        ("nothing local", json!([{ "remote": sub() }]), "lack a list: local"),
        ("no type", remote(json!({ "any_one_of": ["a"] })), "without type"),
        ("an empty type", remote(json!({ "type": "" })), "without type"),
        ("two conditions in one", remote(json!({ "type": "a", "any_one_of": [], "whitelist": [] })),
            "more than one"),
        ("a regex of nothing", remote(json!({ "type": "a", "regex": true })), "without values"),
        ("a regex that is text", remote(json!({ "type": "a", "whitelist": [], "regex": "yes" })),
            "neither true nor false"),
        ("values that are no text", remote(json!({ "type": "a", "whitelist": [1] })), "no string"),
        ("a long value", remote(json!({ "type": "a", "whitelist": ["x".repeat(256)] })), "no string"),
        ("looking ahead", remote(json!({ "type": "a", "whitelist": ["a(?=b)"], "regex": true })),
            "regular expression"),
        ("looking back", remote(json!({ "type": "a", "whitelist": ["(a)\\1"], "regex": true })),
            "regular expression"),
        ("half an expression", remote(json!({ "type": "a", "whitelist": ["("], "regex": true })),
            "regular expression"),
        ("a vast expression", remote(json!({ "type": "a", "whitelist": ["((a{99}){99}){99}"],
            "regex": true })), "regular expression"),
        ("many expressions", wide(9), "more than 8"),
        ("another domain's user", user(json!({ "name": "a", "domain": { "id": "d2" } })), "another domain"),
        ("another domain by name", user(json!({ "name": "a", "domain": { "name": "Fund" } })),
            "another domain"),
        ("the domain of another case", user(json!({ "name": "a", "domain": { "name": "bank" } })),
            "another domain"),
        ("its own id and another name", user(json!({ "name": "a",
            "domain": { "id": "d1", "name": "Fund" } })), "another domain"),
        ("a domain from a claim", user(json!({ "name": "a", "domain": { "id": "{0}" } })),
            "another domain"),
        ("a domain of nothing", user(json!({ "name": "a", "domain": {} })), "without id and name"),
        ("another domain's group", local(json!({ "group": { "name": "a", "domain": { "id": "d2" } } })),
            "another domain"),
        ("another domain's groups", local(json!({ "groups": "a", "domain": { "id": "d2" } })),
            "another domain"),
        ("a group without domain", local(json!({ "group": { "name": "a" } })), "neither an id"),
        ("a group by both", local(json!({ "group": { "id": "a", "name": "a",
            "domain": { "id": "d1" } } })), "neither an id"),
        ("a group of nothing", local(json!({ "group": {} })), "neither an id"),
        ("groups without domain", local(json!({ "groups": "a" })), "without their domain"),
        ("groups that are a list", local(json!({ "groups": ["a"], "domain": { "id": "d1" } })),
            "no string"),
        ("projects", local(json!({ "projects": [{ "name": "a", "roles": [] }] })), "not offered"),
        ("projects of later versions", local(json!({ "projects_json": "{0}" })), "not offered"),
        ("an unknown member", local(json!({ "role": "a" })), "other than user"),
        ("an unknown member of a user", user(json!({ "name": "a", "password": "b" })), "other than id"),
        ("a type that is none", user(json!({ "name": "a", "type": "admin" })), "neither ephemeral"),
        ("a name that is a number", user(json!({ "name": 7 })), "no string"),
        ("a long name", user(json!({ "name": "x".repeat(256) })), "more than 255"),
        ("a placeholder of nothing", user(json!({ "name": "{1}" })), "without its value"),
        ("a placeholder without number", user(json!({ "name": "{}" })), "without its value"),
        ("a placeholder by name", user(json!({ "name": "{sub}" })), "without its value"),
        ("a placeholder into a value", user(json!({ "name": "{0.x}" })), "without its value"),
        ("a placeholder with a sign", user(json!({ "name": "{+0}" })), "without its value"),
        ("half a placeholder", user(json!({ "name": "{0" })), "without its value"),
        ("a brace that closes nothing", user(json!({ "name": "0}" })), "closes nothing"),
        ("a condition's value", rule(json!([{ "user": { "name": "{0}" } }]),
            json!([{ "type": "sub", "any_one_of": ["7"] }])), "without its value"),
    ] {
        let said = read(&rules).unwrap_err();
        assert!(said.starts_with("rules ") && said.contains(why), "{what}: {said}");
    }
    assert!(read(&wide(8)).is_ok());
}

/// Keys, claims and mapping are one manager's: what is made of them does not grow with all three.
#[test]
fn texts_of_claims_stay_small() {
    let group = |name: String| rule(ann(json!({ "group": { "name": name,
        "domain": { "id": "d1" } } })), json!([{ "type": "sub" }, { "type": "groups" }, { "type": "name" }]));
    let many = |n: usize| json!({ "sub": "7", "name": "n".repeat(1000),
        "groups": (0..n).map(|i| i.to_string()).collect::<Vec<_>>() });
    for (what, rules, claims, why) in [
        ("too many values", group("{1}".into()), many(501), "too many or too long values"),
        ("a long value", group("{2}".into()), json!({ "sub": "7", "groups": "g", "name": "n".repeat(1025) }),
            "too many or too long values"),
        ("long texts of many", group(format!("{{1}}{}", "{2}".repeat(80))), many(400), "too long texts"),
        ("one long text", group(format!("{{1}}{}", "{2}".repeat(2))), many(1), "a too long text"),
    ] {
        let said = apply(&rules, &claims).map(|m| m.groups.len());
        assert!(said.as_ref().is_err_and(|e| e.contains(why)), "{what}: {said:?}");
    }
    assert_eq!(apply(&group("{1}".into()), &many(500)).unwrap().groups.len(), 500);
}
