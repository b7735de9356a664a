//! The catalogue: that it is whole, that its references lead somewhere, and that a malformed row is
//! refused by file, row and field.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_base::{Every, Time};
use jinyun_evidence::checks::CHECKS;
use jinyun_evidence::{
    AREAS, Answer, Catalogue, Catalogues, Clause, Context, Counts, DutyStanding, Level, OWNERS, Report,
    Side, Sort, State, standings,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn all() -> &'static Catalogues {
    Catalogue::shipped().unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn every_standard_is_whole() {
    // Rows, and the standard's own among them.
    let want = [("jrt0167", 302, 286), ("framework", 102, 102), ("guide", 59, 59),
        ("tc608", 139, 123), ("reference", 149, 149)];
    let got: Vec<_> = all().iter()
        .map(|c| (c.key.as_str(), c.clauses.len(), c.own().count())).collect();
    assert_eq!(got, want);
    let main = all().get("jrt0167").unwrap();
    let count = |is: fn(&Clause) -> bool| main.own().filter(|c| is(c)).count();
    assert_eq!([
        count(|c| c.level == Level::Basic), count(|c| c.level == Level::Extended),
        count(|c| c.level == Level::Enhanced),
    ], [117, 128, 41]);
    assert_eq!([
        count(|c| c.kind == Sort::Technical), count(|c| c.kind == Sort::Operational),
        count(|c| c.kind == Sort::Documentary), count(|c| c.kind == Sort::Physical),
    ], [198, 43, 34, 11]);
    assert_eq!([
        count(|c| c.duty == Side::Provider), count(|c| c.duty == Side::Both),
        count(|c| c.duty == Side::User),
    ], [223, 59, 4]);
    assert_eq!(main.own().map(|c| c.items.len()).sum::<usize>(), 17);
}

#[test]
fn each_name_is_a_checks_and_each_check_answers_a_clause() {
    let ours: BTreeSet<&str> = CHECKS.iter().map(|c| c.name).collect();
    assert_eq!(ours.len(), CHECKS.len(), "a check's name stands twice");
    assert_eq!(all().named(), ours);
    let main: BTreeSet<&str> =
        all().get("jrt0167").unwrap().clauses.iter().flat_map(Clause::checks).collect();
    assert_eq!(main, ours, "each check answers a clause of JR/T 0167");
}

#[test]
fn ids_say_which_standard_they_are_of() {
    let known = |key: &str, id: &str| match key {
        "framework" => id.starts_with("IAC-"),
        "guide" => id.starts_with("GD-"),
        "tc608" => id.starts_with("TC-"),
        "reference" => id.starts_with("RC-"),
        _ => id.starts_with(|c: char| c.is_ascii_digit()) || id.starts_with("A.")
            || id.starts_with("B."),
    };
    for (catalogue, clause) in all().clauses() {
        assert!(known(&catalogue.key, &clause.id), "{}: {}", catalogue.key, clause.id);
        assert_eq!(all().of(&clause.id).unwrap().key, catalogue.key);
        assert_eq!(all().clause(&clause.id), Some(clause));
    }
    assert_eq!(all().clause("7.2.5-B-z"), None);
}

#[test]
fn every_area_and_every_owner_has_rows() {
    let areas: BTreeSet<&str> = all().clauses().map(|(_, c)| c.area.as_str()).collect();
    assert_eq!(areas, BTreeSet::from(AREAS.map(|(code, ..)| code)));
    let owners: BTreeSet<&str> = all().duties().map(|(_, duty)| duty.owner.as_str()).collect();
    assert_eq!(owners, BTreeSet::from(OWNERS.map(|(en, _)| en)));
}

#[test]
fn references_lead_somewhere_and_back() {
    for (_, clause) in all().clauses() {
        for id in &clause.see {
            assert!(all().pointing_at(id).any(|c| c.id == clause.id), "{} to {id}", clause.id);
        }
    }
    // What answers a row of another standard leads to a row that is answered by itself.
    for (_, clause) in all().clauses() {
        let mut at = clause;
        for _ in 0..5 {
            let Answer::SameAs { same_as } = &at.answer else { break };
            at = all().clause(&same_as[0]).unwrap();
        }
        assert!(!matches!(at.answer, Answer::SameAs { .. }), "{}", clause.id);
    }
    // Rows that restate a subject of JR/T 0167 point there: most of those standards do.
    let main = all().get("jrt0167").unwrap();
    for (key, least) in [("framework", 95), ("guide", 59), ("tc608", 98), ("reference", 130)] {
        let count = all().get(key).unwrap().own().filter(|clause| match &clause.answer {
            Answer::SameAs { .. } => true,
            _ => clause.see.iter().any(|id| main.clauses.iter().any(|c| c.id == *id)),
        }).count();
        assert!(count >= least, "{key}: {count} rows point at JR/T 0167");
    }
}

/// What a row says in prose: the members' name, English, Chinese.
fn prose(clause: &Clause) -> Vec<(&'static str, &str, &str)> {
    let Clause { platform, platform_zh, evidence, evidence_zh, open, open_zh, note, note_zh, .. } = clause;
    let mut all = vec![("platform", platform, platform_zh), ("evidence", evidence, evidence_zh),
        ("open", open, open_zh), ("note", note, note_zh)];
    match &clause.answer {
        Answer::Checks { missing, missing_zh, .. } => all.push(("missing", missing, missing_zh)),
        Answer::NotBuilt { not_built, not_built_zh } => all.push(("not_built", not_built, not_built_zh)),
        Answer::Tenant { tenant, tenant_zh, seen, seen_zh } => {
            all.extend([("tenant", tenant, tenant_zh), ("seen", seen, seen_zh)]);
        }
        Answer::Facts { facts, facts_zh } => all.push(("facts", facts, facts_zh)),
        Answer::Duty { .. } | Answer::SameAs { .. } => {}
    }
    if let Some(part) = &clause.tenant {
        all.extend([("does", &part.does, &part.does_zh), ("tenant's seen", &part.seen, &part.seen_zh)]);
    }
    all.into_iter().map(|(name, en, zh)| (name, en.as_str(), zh.as_str())).collect()
}

#[test]
fn what_an_assessor_reads_is_in_chinese_too() {
    let han = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let mut without = Vec::new();
    for (catalogue, clause) in all().clauses() {
        for (name, en, zh) in prose(clause) {
            assert!(!han(en), "{} {name} is not in English", clause.id);
            assert!(zh.is_empty() || han(zh), "{} {name}: {zh}", clause.id);
            if catalogue.key == "jrt0167" && !en.is_empty() && zh.is_empty() {
                without.push(format!("{} {name}: {en}", clause.id));
            }
        }
    }
    assert!(without.is_empty(), "{} without Chinese:\n{}", without.len(), without.join("\n"));
}

#[test]
fn duties_come_back_as_the_standard_asks() {
    let every = |id: &str| match &all().clause(id).unwrap().answer {
        Answer::Duty { duty } => String::from(duty.every),
        other => panic!("{id} is no duty: {other:?}"),
    };
    // What the text itself counts.
    for (id, want) in [("6.1-E-f", "P1Y"), ("11.4.5-E-d", "P6M"), ("11.4.6-E-c", "P6M")] {
        assert_eq!(every(id), want, "{id}");
    }
    let start = Time::parse("2026-11-21T08:00:00Z").unwrap();
    for (clause, duty) in all().duties() {
        let first = duty.first_due(start);
        assert!(first > start && first <= start.plus_seconds(366 * 86_400), "{}", clause.id);
        match (duty.next_due(start), duty.every, duty.valid) {
            (Some(next), ..) => assert!(next > start, "{}", clause.id),
            (None, Every::Once, None) => {}
            odd => panic!("{}: {odd:?}", clause.id),
        }
    }
    let drills = match &all().clause("11.4.5-E-d").unwrap().answer {
        Answer::Duty { duty } => duty.next_due(start).unwrap().seconds(),
        _ => String::new(),
    };
    assert_eq!(drills, "2027-05-21T08:00:00Z");
}

#[test]
fn no_record_makes_up_for_what_is_not_there() {
    let (all, kept) = (all(), DutyStanding { last: Some(1), due: i64::MAX });
    let context = Context {
        now: Time(2),
        duties: all.duties().map(|(clause, _)| (clause.id.clone(), kept)).collect(),
        ..Context::default()
    };
    // Every duty is done, and nothing was looked at.
    let mut less = Vec::new();
    for standing in standings(all, &[], &context) {
        let clause = &standing.clause;
        let Answer::Duty { duty } = &clause.answer else { continue };
        assert_eq!(standing.duty_state(Time(2)), Some(State::Recorded), "{}", clause.id);
        if standing.state != State::Recorded {
            assert!(!clause.missing().is_empty(), "{}: reports do not say why", clause.id);
            less.push((clause.id.clone(), standing.state, duty.needs.join(" ")));
        }
    }
    let want = [("7.2.6-B-b", State::NotBuilt, "7.2.6-B-a"), ("9.7-E-b", State::NotBuilt, "9.7-B-1"),
        ("10.5-B-b", State::Partly, "")];
    assert_eq!(less, want.map(|(id, state, needs)| (id.to_string(), state, needs.to_string())));
    assert!(all.pointing_at("9.7-B-1").any(|clause| clause.id == "9.7-E-b"));
}

#[test]
fn without_findings_nothing_is_met() {
    let report =
        Report::new(all(), "test", Time(0), Vec::new(), Vec::new(), &Default::default());
    assert_eq!(report.clauses.len(), 751);
    for tally in &report.standards {
        let Counts { met, partly, failed, stale, recorded, overdue, .. } = tally.counts;
        assert_eq!([met, partly, failed, stale, recorded, overdue], [0; 6], "{}", tally.key);
    }
    assert_eq!(report.counts.all(), 286);
    for one in &report.clauses {
        let shared = one.clause.duty == Side::Both && one.state != State::Informative;
        assert!(!shared || one.tenant_state.is_some(), "{} has no tenant's half", one.clause.id);
        assert!(one.clause.duty == Side::Both || one.tenant_state.is_none(), "{}", one.clause.id);
    }
    // A report is what is sent and kept: it must come back as it went.
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
}

/// A row that is right: a technical one of the provider's, answered by a check.
fn row() -> Value {
    json!({
        "id": "1-B-a", "level": "basic", "duty": "provider", "kind": "technical", "area": "CPL",
        "title_zh": "甲", "title_en": "a", "platform": "p", "evidence": "e",
        "answer": { "checks": ["x"], "missing": "the rest" },
    })
}

fn owed() -> Value {
    json!({ "duty": {
        "owner": "management", "every": "once", "valid": "P3Y", "first": 30, "record": "document",
        "shows_en": "a", "shows_zh": "甲",
    } })
}

fn file(rows: Vec<Value>) -> Result<Catalogues, String> {
    let text = json!({
        "standard": "s", "title_zh": "甲", "title_en": "a", "about": "a", "clauses": rows,
    });
    Catalogue::read("new", &text.to_string()).and_then(|read| Catalogues::join(vec![read]))
        .map_err(|fault| fault.to_string())
}

/// A row with members set; null takes one away.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut row = row();
    for (path, value) in changes {
        let (inner, field) = path.rsplit_once('.').unwrap_or(("", *path));
        let mut at = &mut row;
        for step in inner.split('.').filter(|step| !step.is_empty()) {
            at = &mut at[step];
        }
        let members = at.as_object_mut().unwrap();
        match value {
            Value::Null => drop(members.remove(field)),
            value => drop(members.insert(field.to_string(), value.clone())),
        }
    }
    row
}

#[test]
fn right_rows_are_taken() {
    let tenant = json!({ "does": "it", "seen": "nothing" });
    for row in [
        with(&[]),
        with(&[("answer.missing", Value::Null)]),
        with(&[("kind", json!("physical")), ("answer", owed())]),
        with(&[("kind", json!("physical")), ("answer", owed()), ("open", json!("o")), ("open_zh", json!("余"))]),
        with(&[("answer", json!({ "not_built": "all" }))]),
        with(&[("duty", json!("user")), ("answer", json!({ "tenant": "it", "seen": "all" }))]),
        with(&[("duty", json!("both")), ("tenant", tenant)]),
        with(&[("duty", json!("both")), ("answer", json!({ "facts": "so" }))]),
        with(&[("modal", json!("should")), ("items", json!([{ "zh": "甲", "en": "a" }])),
            ("supplement", json!(true)), ("note", json!("n")), ("part", json!("p"))]),
        with(&[("platform_zh", json!("甲")), ("evidence_zh", json!("甲")), ("note", json!("n")),
            ("note_zh", json!("注")), ("answer.missing_zh", json!("其余"))]),
        with(&[("answer", json!({ "not_built": "all", "not_built_zh": "全部" }))]),
        with(&[("duty", json!("both")), ("answer", json!({ "facts": "so", "facts_zh": "如此" })),
            ("tenant", json!({ "does": "it", "does_zh": "此事", "seen": "all", "seen_zh": "全部" }))]),
    ] {
        file(vec![row]).unwrap();
    }
    let same = json!({ "same_as": ["1-B-a"] });
    file(vec![row(), with(&[("id", json!("2")), ("answer", same), ("see", json!(["1-B-a"]))])]).unwrap();
    let needing = with(&[("id", json!("2")), ("kind", json!("physical")), ("answer", owed()),
        ("answer.duty.needs", json!(["1-B-a"]))]);
    let read = file(vec![needing, row()]).unwrap();
    let needs: Vec<&[String]> = read.duties().map(|(_, duty)| duty.needs.as_slice()).collect();
    assert_eq!(needs, [["1-B-a".to_string()]]);
}

#[test]
fn a_malformed_row_is_named_with_its_field() {
    let null = || Value::Null;
    let text = |t: &str| json!(t);
    let duty = |field: &str, value: Value| {
        let mut owed = owed();
        owed["duty"][field] = value;
        with(&[("kind", json!("physical")), ("answer", owed)])
    };
    let same = |ids: Value| with(&[("answer", json!({ "same_as": ids }))]);
    let shared = |part: Value| with(&[("duty", json!("both")), ("tenant", part)]);
    let cases: Vec<(Value, &str)> = vec![
        (with(&[("id", null())]), "row 1, field id: is missing"),
        (with(&[("id", json!(7))]), "row 1, field id: "),
        (with(&[("level", text("easy"))]), "field level: "),
        (with(&[("level", null())]), "field level: is missing"),
        (with(&[("duty", text("nobody"))]), "field duty: "),
        (with(&[("kind", json!(["technical"]))]), "field kind: "),
        (with(&[("area", text("XYZ"))]), "field area: `XYZ` is not one"),
        (with(&[("title_zh", null())]), "field title_zh: is missing"),
        (with(&[("title_en", text(""))]), "field title_en: is empty"),
        (with(&[("title_en", text(" a"))]), "field title_en: begins or ends with a blank"),
        (with(&[("platform", json!("p".repeat(401)))]), "field platform: is longer than 400"),
        (with(&[("evidence", null())]), "field evidence: is missing"),
        (with(&[("modal", text("must"))]), "field modal: "),
        (with(&[("items", json!([{ "zh": "甲" }]))]), "field items: "),
        (with(&[("supplement", text("yes"))]), "field supplement: "),
        (with(&[("see", json!([]))]), "field see: is empty"),
        (with(&[("see", json!(["2", "2"]))]), "field see: names something twice"),
        (with(&[("see", json!(["1-B-a"]))]), "field see: points at its own row"),
        (with(&[("see", json!(["9"]))]), "field see: there is no row 9"),
        (with(&[("state", text("met"))]), "field state: is not known"),
        (with(&[("checks", json!(["x"]))]), "field checks: is not known"),
        (with(&[("answer", null())]), "field answer: is missing"),
        (with(&[("answer", text("met"))]), "field answer: "),
        (with(&[("answer", json!({}))]), "field answer: takes exactly one of checks, duty"),
        (with(&[("answer.facts", text("so"))]), "field answer: takes exactly one of"),
        (with(&[("answer.checks", null())]), "field answer: takes exactly one of"),
        (with(&[("answer.checks", json!([]))]), "field answer.checks: is empty"),
        (with(&[("answer.checks", json!(["x", "x"]))]), "field answer.checks: names something twice"),
        (with(&[("answer.checks", text("x"))]), "field answer.checks: "),
        (with(&[("answer.missing", text(""))]), "field answer.missing: is empty"),
        (with(&[("answer.seen", text("x"))]), "field answer.seen: is not known"),
        (with(&[("answer.facts_zh", text("x"))]), "field answer.facts_zh: is not known"),
        (with(&[("answer.missing_zh", text(""))]), "field answer.missing_zh: is empty"),
        (with(&[("answer.missing", null()), ("answer.missing_zh", text("其余"))]),
            "field answer.missing_zh: stands without `missing`"),
        (with(&[("platform_zh", json!(7))]), "field platform_zh: "),
        (with(&[("platform_zh", json!("甲".repeat(401)))]), "field platform_zh: is longer than 400"),
        (with(&[("note_zh", text("注"))]), "field note_zh: stands without `note`"),
        (with(&[("open_zh", text("注"))]), "field open_zh: stands without `open`"),
        (with(&[("title_fr", text("a"))]), "field title_fr: is not known"),
        (with(&[("answer", json!({ "not_built": "" }))]), "field answer.not_built: is empty"),
        (with(&[("answer", json!({ "facts": 1 }))]), "field answer.facts: "),
        (with(&[("answer", owed())]), "field answer: a technical clause is not answered by a duty"),
        (with(&[("kind", text("documentary"))]), "field answer: checks and not_built are for technical"),
        (with(&[("duty", text("user"))]), "field answer: the user's duties are answered by"),
        (with(&[("duty", text("user")), ("answer", json!({ "tenant": "it" }))]),
            "field answer.seen: is missing"),
        (with(&[("answer", json!({ "tenant": "it", "seen": "all" }))]), "field answer: tenant is for"),
        (duty("owner", text("somebody")), "field answer.duty.owner: `somebody` is not one"),
        (duty("every", text("yearly")), "field answer.duty.every: is neither"),
        (duty("every", text("P1Y")), "field answer.duty.valid: is for what is done once"),
        (duty("valid", text("3Y")), "field answer.duty.valid: is no length of time"),
        (duty("first", json!(-1)), "field answer.duty.first: "),
        (duty("record", text("photo")), "field answer.duty.record: "),
        (duty("shows_zh", text("")), "field answer.duty.shows_zh: is empty"),
        (duty("state", text("met")), "field answer.duty.state: is not known"),
        (duty("needs", json!([])), "field answer.duty.needs: is empty"),
        (duty("needs", text("9")), "field answer.duty.needs: "),
        (duty("needs", json!(["9", "9"])), "field answer.duty.needs: names something twice"),
        (duty("needs", json!(["9"])), "field answer.duty.needs: there is no row 9"),
        (duty("needs", json!(["1-B-a"])), "field answer.duty.needs: leads back to its own row"),
        (with(&[("open", text("x"))]), "field open: is for rows that others answer"),
        (with(&[("duty", text("both"))]), "field tenant: is missing"),
        (with(&[("tenant", json!({ "does": "it", "seen": "all" }))]), "field tenant: is for clauses"),
        (shared(json!({ "does": "it" })), "field tenant.seen: is missing"),
        (shared(json!({ "does": "it", "seen": "all", "checks": [] })), "field tenant.checks: is empty"),
        (same(json!(["9"])), "field answer.same_as: there is no row 9"),
        (same(json!(["1-B-a"])), "field answer.same_as: leads back to its own row"),
    ];
    for (row, want) in cases {
        let said = file(vec![row.clone()]).unwrap_err();
        let named = if want.starts_with("row ") { "new.json, " } else { "new.json, row 1-B-a, " };
        assert!(said.starts_with(&format!("{named}{want}")), "{row}: {said}");
    }
}

#[test]
fn rows_must_fit_each_other() {
    let two = |answer: Value| with(&[("id", json!("2")), ("answer", answer)]);
    let same = |ids: &[&str]| json!({ "same_as": ids });
    let users = with(&[("id", json!("2")), ("duty", json!("user")),
        ("answer", json!({ "tenant": "it", "seen": "all" }))]);
    let both = with(&[("duty", json!("both")), ("answer", same(&["2"]))]);
    let needing = || with(&[("kind", json!("physical")), ("answer", owed()),
        ("answer.duty.needs", json!(["2"]))]);
    for (rows, want) in [
        (vec![row(), row()], "new.json, row 1-B-a, field id: another row has it"),
        (vec![with(&[("answer", same(&["2"]))]), two(same(&["1-B-a"]))],
            "new.json, row 1-B-a, field answer.same_as: leads back to its own row"),
        (vec![with(&[("answer", same(&["2"]))]), users.clone()],
            "new.json, row 1-B-a, field answer.same_as: none of those rows has a provider's half"),
        (vec![needing(), users.clone()],
            "new.json, row 1-B-a, field answer.duty.needs: the row 2 has no provider's half"),
        (vec![needing(), two(same(&["1-B-a"]))],
            "new.json, row 1-B-a, field answer.duty.needs: leads back to its own row"),
        (vec![both.clone(), two(json!({ "not_built": "all" }))],
            "new.json, row 1-B-a, field answer.same_as: none of those rows has a tenant's half"),
    ] {
        let said = file(rows).unwrap_err();
        assert!(said.starts_with(want), "{said}");
    }
    // A circle that a row leads into without being a part of it is found at a row that is.
    let three = with(&[("id", json!("3")), ("answer", same(&["1-B-a"]))]);
    let said = file(vec![three, with(&[("answer", same(&["2"]))]), two(same(&["1-B-a"]))]).unwrap_err();
    assert!(said.contains("leads back to its own row"), "{said}");
    for (text, want) in [
        ("{", "new.json: "),
        ("[]", "new.json: "),
        (r#"{"clauses": []}"#, "new.json, top, field standard: is missing"),
        (r#"{"standard": "s", "title_zh": "z", "title_en": "e", "about": "a"}"#,
            "new.json, top, field clauses: is missing"),
        (r#"{"standard": "s", "title_zh": "z", "title_en": "e", "about": "a", "clauses": [], "met": 1}"#,
            "new.json, top, field met: is not known"),
    ] {
        let said = Catalogue::read("new", text).unwrap_err().to_string();
        assert!(said.starts_with(want), "{said}");
    }
}
