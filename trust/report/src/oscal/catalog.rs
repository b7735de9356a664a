//! Catalogues, a document for each standard, and profiles: which of their clauses are asked for.
//!
//! The three grades of JR/T 0167 hold each other: a profile names the clauses of its grade and of
//! those below.

use super::*;

pub(super) fn documents(source: &Source<'_>) -> Vec<(String, Value)> {
    let standards = &source.of.standards;
    let mut made: Vec<_> =
        standards.iter().map(|s| (catalog_file(s), catalog(source, s))).collect();
    for standard in standards.iter().filter(|s| s.id == "jrt0167") {
        let grades = ["basic", "extended", "enhanced"];
        for (i, grade) in grades.iter().enumerate() {
            if let Some(profile) = tier(source, standard, grade, &grades[..=i]) {
                made.push((format!("profile-jrt0167-{grade}.json"), profile));
            }
        }
    }
    let imports: Vec<Value> =
        standards.iter().map(|s| json!({ "href": catalog_file(s), "include-all": {} })).collect();
    made.push(("profile-all.json".into(), json!({ "profile": {
        "uuid": uid(&["profile", "all", source.version()]),
        "metadata": source.metadata("All standards that Jinyun is assessed against"),
        "imports": imports,
        "merge": { "as-is": true },
    } })));
    made
}

fn catalog(source: &Source<'_>, standard: &Standard) -> Value {
    let groups: Vec<Value> = words::chapters(&standard.clauses).into_iter().map(|(name, clauses)| {
        let controls: Vec<Value> = clauses.into_iter().map(|c| entry(standard, c)).collect();
        json!({
            "id": format!("{}_chapter", control(standard, &name)),
            "class": "chapter",
            "title": line(&format!("{} {name}", standard.name)),
            "controls": controls,
        })
    }).collect();
    json!({ "catalog": {
        "uuid": uid(&["catalog", &standard.id, source.version()]),
        "metadata": source.metadata(&format!("{}: clauses in paraphrase", standard.name)),
        "groups": groups,
    } })
}

fn entry(standard: &Standard, clause: &Clause) -> Value {
    let id = control(standard, &clause.id);
    let mut statement = object([
        ("id", format!("{id}_smt").into()),
        ("name", "statement".into()),
        ("prose", title(clause).into()),
    ]);
    let bullets = clause.items.iter().enumerate().map(|(i, bullet)| json!({
        "id": format!("{id}_smt.{}", i + 1),
        "name": "item",
        "prose": both(&bullet.en, &bullet.zh),
    })).collect();
    put(&mut statement, "parts", bullets);
    let mut parts = vec![Value::from(statement)];
    let guidance: Vec<&str> = [clause.platform.as_str(), clause.note.as_str()].into_iter()
        .filter(|t| !t.is_empty()).collect();
    if !guidance.is_empty() {
        let prose = prose(&guidance.join(". "));
        parts.push(json!({ "id": format!("{id}_gdn"), "name": "guidance", "prose": prose }));
    }
    let objective = match clause.evidence.is_empty() {
        true => title(clause),
        false => prose(&clause.evidence),
    };
    let name = "assessment-objective";
    parts.push(json!({ "id": format!("{id}_obj"), "name": name, "prose": objective }));
    let mut made = object([
        ("id", id.into()),
        ("title", title(clause).into()),
        ("parts", parts.into()),
    ]);
    if !clause.level.is_empty() {
        made.insert("class".into(), token(&clause.level).into());
    }
    put(&mut made, "props", list([
        Some(json!({ "name": "label", "value": line(&clause.id) })),
        prop("duty", words::side_code(clause.duty)),
        prop("kind", &clause.kind),
        prop("area", &clause.area),
        prop("missing", &clause.missing),
        prop("same-as", &clause.same_as.join(" ")),
        prop("supplement", if clause.supplement { "true" } else { "" }),
    ]));
    let links: Vec<Value> = clause.see.iter().chain(&clause.same_as)
        .filter(|id| standard.clauses.iter().any(|c| c.id == **id))
        .map(|id| json!({ "href": format!("#{}", control(standard, id)), "rel": "related" }))
        .collect();
    put(&mut made, "links", links);
    made.into()
}

fn tier(source: &Source<'_>, standard: &Standard, name: &str, grades: &[&str]) -> Option<Value> {
    let ids: Vec<String> = standard.clauses.iter()
        .filter(|c| grades.contains(&c.level.as_str()))
        .map(|c| control(standard, &c.id)).collect();
    let about = format!("{}: {name} tier, with those below it", standard.name);
    (!ids.is_empty()).then(|| json!({ "profile": {
        "uuid": uid(&["profile", &standard.id, name, source.version()]),
        "metadata": source.metadata(&about),
        "imports": [{ "href": catalog_file(standard), "include-controls": [{ "with-ids": ids }] }],
        "merge": { "as-is": true },
    } }))
}
