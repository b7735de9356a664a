//! What is concluded of one system, why, and what is asked instead.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{cites, one};

/// A complete row, what differs in it, and the conclusions (empty: none) with clauses they cite.
const CASES: &[(&str, &[(&str, &str)], &[(&str, &str, &[&str])])] = &[
    ("some sensitive data, general business",
        &[],
        &[("class", "2", &["IAC-4.4.1-0", "IAC-4.4.1-2"]),
          ("info", "sensitive", &["GD-I2", "9.1-B-b"]), ("business", "general", &["GD-I4"]),
          ("level", "1", &["12-E-a"]), ("importance", "low", &["IAC-7.3-0"]),
          ("protection", "enhanced", &["GD-P4"]), ("recovery", "b", &["IAC-7.4-6"]),
          ("admission", "admitted", &["8-E-a"]),
          ("model", "community", &["IAC-4.4.1-2", "IAC-5.1-2"]),
          ("service", "paas", &["GD-S7"]), ("profile", "extended", &["5.1-0-2"])]),
    ("public information, general business",
        &[("data", "public"), ("amount", "none"), ("software", "standard")],
        &[("class", "1", &["IAC-4.4.1-1"]), ("info", "public", &["GD-I3"]),
          ("protection", "general", &["GD-P1"]), ("model", "public", &["GD-P1", "IAC-5.1-3"]),
          ("service", "saas", &["GD-S6", "IAC-8-L5-0"]), ("profile", "extended", &["5.2-0-5"])]),
    ("public information, important business",
        &[("data", "public"), ("amount", "none"), ("impact_degree", "serious")],
        &[("business", "important", &["GD-I4"]), ("protection", "enhanced", &["GD-P2"]),
          ("model", "community", &["GD-P2", "GD-P3"])]),
    ("public information, critical business",
        &[("data", "public"), ("amount", "none"), ("impact_degree", "severe")],
        &[("protection", "enhanced", &["GD-P3"]), ("importance", "high", &["GD-I4"])]),
    ("a little sensitive data, very well encrypted",
        &[("amount", "few"), ("encryption", "very_high")],
        &[("class", "1", &["IAC-4.4.1-1"]), ("model", "community", &["IAC-4.4.1-1", "GD-I2"])]),
    ("a little sensitive data, not so well encrypted",
        &[("amount", "few"), ("encryption", "average")],
        &[("class", "2", &["IAC-4.4.2-1"])]),
    ("named in class 1, with much sensitive data",
        &[("family", "office"), ("amount", "many")],
        &[("class", "3", &["IAC-4.4.1-3"])]),
    ("named in class 4",
        &[("family", "solvency"), ("amount", "few"), ("encryption", "very_high")],
        &[("class", "4", &["IAC-4.4.1-4"])]),
    ("state secrets",
        &[("data", "state_secret")],
        &[("info", "secret", &["GD-I1"]), ("protection", "", &[]),
          ("admission", "barred", &["8-E-a"]), ("model", "stay", &["GD-I1", "8-E-a"]),
          ("service", "", &[]), ("profile", "", &[])]),
    ("strategic decisions beside public information",
        &[("data", "public;strategic")],
        &[("info", "sensitive", &["GD-I2"]), ("admission", "barred", &["8-E-a"]),
          ("model", "stay", &["8-E-a"])]),
    ("the nation's financial security",
        &[("impact_scope", "national"), ("impact_degree", "serious")],
        &[("level", "4", &["12-E-a"]), ("admission", "barred", &["8-E-a"]),
          ("model", "stay", &["8-E-a"])]),
    ("level 5",
        &[("level", "5")],
        &[("level", "5", &["12-E-a"]), ("admission", "barred", &["8-E-a", "12-E-a"]),
          ("model", "stay", &["5.2-0-3"])]),
    ("a regulator bars it",
        &[("regulator_bars", "yes")],
        &[("admission", "barred", &["8-E-a"]), ("model", "stay", &["8-E-a"])]),
    ("a failure may cost the public dearly",
        &[("public_loss", "major")],
        &[("admission", "barred", &["8-E-a"]), ("model", "private", &["8-E-a", "8-E-b"])]),
    ("a failure may cost the public something",
        &[("public_loss", "possible")],
        &[("admission", "admitted", &["8-E-a"]), ("model", "private", &["8-E-b"])]),
    ("core business",
        &[("core", "yes")],
        &[("class", "4", &["IAC-4.4.1-4"]), ("importance", "high", &["IAC-4.4.1-4"]),
          ("model", "private", &["IAC-4.4.2-2", "IAC-5.3-0"]),
          ("profile", "enhanced", &["IAC-4.4.1-4"])]),
    ("core business with a front that can be split off",
        &[("core", "yes"), ("internet", "yes"), ("split", "yes")],
        &[("model", "hybrid", &["IAC-5.3-0"])]),
    ("core business of an institution being founded",
        &[("core", "yes"), ("stage", "new"), ("private_cloud", "no")],
        &[("model", "community", &["IAC-4.1-1"])]),
    ("much sensitive data, well encrypted",
        &[("amount", "many")],
        &[("class", "3", &["IAC-4.4.1-3"]),
          ("model", "community", &["IAC-4.4.2-2", "IAC-5.1-2"])]),
    ("much sensitive data, not so well encrypted",
        &[("amount", "many"), ("encryption", "average")],
        &[("class", "3", &["IAC-4.4.1-3"]), ("model", "private", &["IAC-4.4.2-2"])]),
    ("much sensitive data, badly encrypted",
        &[("amount", "many"), ("encryption", "low")],
        &[("class", "4", &["IAC-4.4.1-3", "IAC-4.4.1-4"])]),
    ("hard to rebuild, without a gain",
        &[("amount", "many"), ("encryption", "low"), ("rework", "hard"), ("gains", "none")],
        &[("model", "stay", &["IAC-4.4.3-2"])]),
    ("hard to rebuild, with a gain",
        &[("amount", "many"), ("encryption", "low"), ("rework", "hard"), ("gains", "growth")],
        &[("model", "private", &["IAC-4.4.2-2"]), ("service", "iaas", &["GD-S8"])]),
    ("sensitive information, critical business",
        &[("impact_degree", "severe")],
        &[("protection", "high", &["GD-P6"]), ("profile", "enhanced", &["GD-P6"])]),
    ("a bought package",
        &[("software", "package")],
        &[("service", "iaas", &["GD-S8", "IAC-8-L3-0"])]),
    ("the operating system in its own hands",
        &[("software", "standard"), ("os_access", "yes")],
        &[("service", "iaas", &["GD-N1", "GD-S8"])]),
    ("back at once",
        &[("rto", "30m")],
        &[("recovery", "a", &["GD-N6"])]),
    ("back some day",
        &[("rto", "3d"), ("rpo", "2d")],
        &[("recovery", "d", &["GD-N6"])]),
];

#[test]
fn conclusions_follow_and_cite() {
    for (what, differs, wants) in CASES {
        let (_, system) = one(differs, &[]);
        for (name, want, clauses) in *wants {
            let conclusion = &system[*name];
            let is = conclusion["is"].as_str().unwrap_or("");
            assert_eq!(is, *want, "{what}: {name}");
            let cited = cites(conclusion);
            for clause in *clauses {
                assert!(cited.iter().any(|c| c == clause), "{what}: {name} cites {cited:?}, not {clause}");
            }
        }
        let asked = system["ask"].as_array().unwrap();
        assert!(asked.is_empty(), "{what}: everything is known, but {asked:?} is asked");
    }
}

/// What is missing, what differs else, and which conclusion then asks for which field.
const OPEN: &[(&str, &[&str], &[(&str, &str)], &[(&str, &str)])] = &[
    ("kinds of data", &["data"], &[],
        &[("info", "data"), ("admission", "data"), ("model", "data")]),
    ("what regulators said", &["regulator_bars"], &[],
        &[("admission", "regulator_bars"), ("model", "regulator_bars")]),
    ("whom a failure harms", &["impact_scope"], &[],
        &[("business", "impact_scope"), ("level", "impact_scope"), ("model", "level")]),
    ("encryption of a little data", &["encryption"], &[("amount", "few")],
        &[("class", "encryption")]),
    ("encryption of much data", &["encryption"], &[("amount", "many")],
        &[("class", "encryption")]),
    ("core business or not", &["core"], &[],
        &[("class", "core")]),
    ("origin of the software", &["software"], &[],
        &[("service", "software")]),
    ("recovery time", &["rto"], &[],
        &[("recovery", "rto")]),
];

#[test]
fn what_is_missing_is_asked_and_not_guessed() {
    for (what, missing, differs, wants) in OPEN {
        let (plan, system) = one(differs, missing);
        for (name, field) in *wants {
            let conclusion = &system[*name];
            assert!(conclusion["is"].is_null(), "{what}: {name} is guessed: {conclusion}");
            let ask = conclusion["ask"].as_array().unwrap();
            assert!(ask.iter().any(|f| f == field), "{what}: {name} asks {ask:?}, not {field}");
            let asked = plan.questions.iter().any(|q| q.field == *field && q.system.is_some());
            assert!(asked, "{what}: {field} is not among the questions");
        }
    }
}

/// What is missing, what differs else, and a conclusion that is certain all the same.
const CERTAIN: &[(&str, &[&str], &[(&str, &str)], &str, &str)] = &[
    ("its class is the highest anyway", &["amount", "encryption"], &[("core", "yes")],
        "class", "4"),
    ("private in either case", &["public_loss"], &[("core", "yes")],
        "model", "private"),
    ("IaaS whatever the software is", &["software"], &[("os_access", "yes")],
        "service", "iaas"),
    ("it stays whatever it is worth", &["amount", "gains"], &[("regulator_bars", "yes")],
        "model", "stay"),
];

#[test]
fn what_no_answer_could_change_is_concluded() {
    for (what, missing, differs, name, want) in CERTAIN {
        let (_, system) = one(differs, missing);
        assert_eq!(system[*name]["is"], *want, "{what}");
    }
}

#[test]
fn what_was_stated_stands_and_a_difference_is_told() {
    let (_, system) = one(&[("level", "3"), ("business", "general")], &[]);
    assert_eq!(system["level"]["is"], "3");
    assert_eq!(system["level"]["given"], true);
    let why = system["level"]["why"].to_string();
    assert!(why.contains("level 1") && why.contains("look at it again"), "{why}");
    assert_eq!(system["business"]["why"].as_array().unwrap().len(), 1, "nothing differs");
    assert_eq!(system["class"]["given"], false);
}

#[test]
fn conclusions_name_their_inputs() {
    let (_, system) = one(&[("amount", "many"), ("encryption", "average")], &[]);
    let rests = &system["model"]["rests_on"];
    let want = serde_json::json!([{ "field": "class", "value": ["3"] },
        { "field": "encryption", "value": ["average"] }]);
    assert_eq!(*rests, want);
}

#[test]
fn ten_aspects_say_what_is_given_what_follows_and_what_is_asked() {
    let (_, system) = one(&[("load", "burst")], &["latency"]);
    let needs = system["needs"].as_array().unwrap();
    let ids: Vec<&str> = needs.iter().map(|n| n["clause"].as_str().unwrap()).collect();
    let want: Vec<String> = (1..=10).map(|n| format!("GD-N{n}")).collect();
    assert_eq!(ids, want);
    for need in needs {
        let latency = need["clause"] == "GD-N5";
        assert_eq!(need["ask"].as_array().unwrap().is_empty(), !latency, "{need}");
        assert_eq!(need["follows"].as_array().unwrap().is_empty(), latency, "{need}");
    }
    assert!(needs[3]["follows"].to_string().contains("Sudden peaks"), "{}", needs[3]);
}

#[test]
fn responsibilities_have_one_shared_layer_each() {
    for (software, service, shared) in [
        ("package", "iaas", "virtual"),
        ("own", "paas", "platform"),
        ("standard", "saas", "application"),
    ] {
        let (plan, system) = one(&[("software", software)], &[]);
        assert_eq!(system["service"]["is"], service);
        let parts = system["responsibilities"].as_array().unwrap();
        assert_eq!(parts.len(), plan.responsibilities.len(), "no layer is without an owner");
        let part = parts.iter().find(|p| p["layer"] == shared).unwrap();
        assert_eq!(part["party"], "shared", "{service}");
        let last = parts.iter().find(|p| p["layer"] == "final").unwrap();
        assert_eq!(last["party"], "tenant", "the final responsibility is never handed over");
    }
}

#[test]
fn remarks_depend_on_the_inputs() {
    let texts = |differs: &[(&str, &str)], list: &str| one(differs, &[]).1[list].to_string();
    assert!(texts(&[("abroad", "yes")], "before").contains("9.5-B-d"));
    assert!(!texts(&[], "before").contains("9.5-B-d"));
    assert!(texts(&[("abroad", "yes")], "residence").contains("closed until assessed"));
    assert!(texts(&[("platform_level", "1"), ("level", "2")], "before").contains("must not move in"));
    assert!(!texts(&[("level", "2")], "before").contains("must not move in"));
    assert!(texts(&[("proprietary", "yes")], "exit").contains("IAC-7.3-1"));
    assert!(texts(&[("core", "yes"), ("private_cloud", "planned")], "before").contains("IAC-5.2-1"));
    assert_eq!(texts(&[("regulator_bars", "yes")], "before"), "[]", "what stays prepares nothing");
}
