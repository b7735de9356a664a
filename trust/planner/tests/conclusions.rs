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
          ("level", "1", &["5.2-0-3"]), ("importance", "low", &["IAC-7.3-0"]),
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
    ("named in class 1, and said so where it is put higher",
        &[("family", "mobile"), ("rework", "interfaces")],
        &[("class", "2", &["IAC-4.4.1-0", "IAC-4.4.1-2"])]),
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
        &[("level", "4", &["5.2-0-3"]), ("admission", "barred", &["8-E-a"]),
          ("model", "stay", &["8-E-a"])]),
    ("level 5",
        &[("level", "5")],
        &[("level", "5", &["5.2-0-3"]), ("admission", "barred", &["8-E-a", "12-E-a"]),
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
    let (plan, system) = one(&[("level", "3"), ("business", "general")], &[]);
    assert_eq!(system["level"]["is"], "3");
    assert_eq!(system["level"]["given"], true);
    let why = system["level"]["why"].to_string();
    assert!(why.contains("suggest level 1") && why.contains("stricter and stands"), "{why}");
    assert_eq!(system["business"]["why"].as_array().unwrap().len(), 1, "nothing differs");
    assert_eq!(system["class"]["given"], false);
    assert!(plan.questions.is_empty(), "more than its impact asks for is no question");
}

/// What differs, and for each doubt the field, the conclusion that tells it, and a word of the sentence.
/// Where there is none, nothing is asked again.
const DOUBTS: &[(&str, &[(&str, &str)], &[(&str, &str, &str)])] = &[
    ("nothing strange", &[], &[]),
    ("a level below its impact", &[("level", "1"), ("impact_degree", "serious")],
        &[("level", "level", "stated level is below")]),
    ("a business below its impact", &[("business", "general"), ("impact_degree", "serious")],
        &[("business", "business", "stated type of business is below")]),
    ("core business that is not critical", &[("core", "yes"), ("level", "3")],
        &[("business", "business", "look at the type of business")]),
    ("critical at level 2", &[("impact_degree", "severe")],
        &[("level", "level", "harm to public order")]),
    ("the same at level 3", &[("impact_degree", "severe"), ("level", "3")], &[]),
    ("class 4 at level 2",
        &[("amount", "many"), ("encryption", "low"), ("impact_degree", "serious")],
        &[("level", "level", "failure in class 4")]),
    ("class 3 at level 2", &[("amount", "many"), ("impact_degree", "serious")], &[]),
    ("much of personal information that nobody would miss",
        &[("amount", "many"), ("impact_degree", "severe"), ("level", "3")],
        &[("public_loss", "model", "8-E-b")]),
    ("the same, admitted", &[("amount", "many"), ("impact_degree", "severe"), ("level", "3"),
        ("public_loss", "possible")], &[]),
    ("a huge amount of it, important",
        &[("data", "credentials"), ("amount", "massive"), ("impact_degree", "serious"), ("level", "3")],
        &[("public_loss", "model", "8-E-b")]),
    ("trade secrets are not the public's",
        &[("data", "trade_secret"), ("amount", "massive"), ("impact_degree", "serious"), ("level", "3")],
        &[]),
    ("the public loses and is not harmed", &[("public_loss", "possible"), ("impact_scope", "internal")],
        &[("impact_scope", "admission", "harm the institution alone")]),
    ("the public loses much and slightly", &[("public_loss", "major")],
        &[("impact_degree", "admission", "said to be slight")]),
    ("critical, and back some day",
        &[("impact_degree", "severe"), ("level", "3"), ("rto", "3d"), ("rpo", "2d")],
        &[("rto", "recovery", "loose recovery objectives")]),
    ("also of what stays", &[("regulator_bars", "yes"), ("impact_degree", "severe")],
        &[("level", "level", "harm to public order")]),
];

#[test]
fn strange_answers_are_told_and_asked_again() {
    for (what, differs, wants) in DOUBTS {
        let (plan, system) = one(differs, &[]);
        let again: Vec<&str> = plan.questions.iter().map(|question| {
            assert!(question.again, "{what}: {} was answered", question.field);
            assert!(!question.cites.is_empty());
            question.field
        }).collect();
        let fields: Vec<&str> = wants.iter().map(|(field, ..)| *field).collect();
        assert_eq!(again, fields, "{what}");
        assert_eq!(plan.summary.again, fields.len());
        for (field, conclusion, words) in *wants {
            let why = system[*conclusion]["why"].to_string();
            assert!(why.contains(words), "{what}: {field} is not told at {conclusion}: {why}");
            assert!(!system[*conclusion]["is"].is_null(), "{what}: it is drawn up as it was answered");
        }
    }
}

#[test]
fn a_raised_class_says_which_one_names_it() {
    let why = |differs: &[(&str, &str)]| one(differs, &[]).1["class"]["why"].to_string();
    let raised = why(&[("family", "mobile"), ("rework", "interfaces")]);
    assert!(raised.contains("in class 1; the higher one holds"), "{raised}");
    let as_named = why(&[("family", "crm"), ("amount", "many")]);
    assert!(!as_named.contains("the higher one holds"), "{as_named}");
}

#[test]
fn steps_of_recovery_promise_no_more_than_their_objectives() {
    let (_, system) = one(&[("rto", "2d"), ("rpo", "1d")], &[]);
    assert_eq!(system["recovery"]["is"], "c");
    let why = system["recovery"]["why"].to_string();
    assert!(why.contains("a day, of time or of data") && !why.contains("within a day"), "{why}");
}

#[test]
fn a_private_cloud_must_be_fit_too() {
    let before = |level: &str| {
        one(&[("core", "yes"), ("level", "3"), ("platform_level", level)], &[]).1["before"].to_string()
    };
    assert!(before("2").contains("must not move in"));
    assert!(!before("3").contains("must not move in"));
}

#[test]
fn what_this_platform_lacks_is_apart() {
    let lists = |differs: &[(&str, &str)]| {
        let system = one(differs, &[]).1;
        (system["before"].to_string(), system["lacks"].to_string(), system["profile"].to_string())
    };
    let (before, lacks, profile) = lists(&[("core", "yes"), ("internet", "yes")]);
    for (words, what) in [("Resource pools", "IAC-4.4.1-4"), ("third party's custody", "10.5-E-1"),
        ("scrubbing", "7.2.5-E-c"), ("installed on servers only", "A.3-E-1")] {
        assert!(lacks.contains(words) && lacks.contains(what), "{words}: {lacks}");
        assert!(!before.contains(words) && !profile.contains(words), "{words}");
    }
    let open = [("data", "public"), ("amount", "none"), ("software", "package"), ("rto", "4h")];
    let (_, lacks, _) = lists(&open);
    assert!(!lacks.contains("custody") && !lacks.contains("Resource pools"), "{lacks}");
    assert_eq!(lists(&[("regulator_bars", "yes")]).1, "[]", "what stays needs nothing of it");
}

#[test]
fn guardrails_are_said_once_and_for_each_profile() {
    let (plan, _) = one(&[], &[]);
    let plan = serde_json::to_value(&plan).unwrap();
    let said = plan["guardrails"].as_array().unwrap();
    let profiles: Vec<&str> = said.iter().map(|guard| guard["profile"].as_str().unwrap()).collect();
    assert_eq!(profiles, ["basic", "extended", "enhanced"]);
    for claim in ["pools", "keys of its own", "zones"] {
        assert!(!plan["guardrails"].to_string().contains(claim), "no guardrail gives {claim}");
    }
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
