//! What the product is made of and which clauses it answers; and how the instance carries each.
//!
//! A component of type `validation` stands for each check: it is what says whether a mechanism is
//! there. The plan for the system is written from states alone, so it cannot promise more than was
//! found. What is the tenant's is exported as a responsibility.

use super::*;
use crate::model::Side;

pub(super) fn documents(source: &Source<'_>) -> Vec<(String, Value)> {
    vec![
        ("component-definition.json".into(), definition(source)),
        ("system-security-plan.json".into(), plan(source)),
    ]
}

/// The clauses of all standards that a component answers.
fn implementations(source: &Source<'_>, key: [&str; 2], chosen: impl Fn(&Clause) -> bool,
    describe: impl Fn(&Clause) -> String) -> Vec<Value> {
    let [kind, name] = key;
    let mut made = Vec::new();
    for standard in &source.of.standards {
        let requirements: Vec<Value> = standard.clauses.iter().filter(|c| chosen(c)).map(|c| {
            let id = control(standard, &c.id);
            json!({
                "uuid": uid(&["requirement", kind, name, &id]),
                "control-id": id,
                "description": describe(c),
            })
        }).collect();
        if !requirements.is_empty() {
            made.push(json!({
                "uuid": uid(&["implementation", kind, name, &standard.id]),
                "source": catalog_file(standard),
                "description": line(&standard.name),
                "implemented-requirements": requirements,
            }));
        }
    }
    made
}

/// What the platform does about a clause.
fn does(clause: &Clause) -> Option<String> {
    (!clause.platform.is_empty()).then(|| prose(&clause.platform))
}

fn definition(source: &Source<'_>) -> Value {
    let product = &source.of.product;
    let mut software = object([
        ("uuid", uid(&["component", "software", &product.name]).into()),
        ("type", "software".into()),
        ("title", line(&format!("{} {}", product.name, product.version)).into()),
        ("description", "A finance-grade cloud in one binary".into()),
    ]);
    put(&mut software, "props", list([prop("binary-sha256", &product.binary_sha256)]));
    let answered = |c: &Clause| !c.checks.is_empty();
    let describe = |c: &Clause| does(c).unwrap_or_else(|| title(c));
    put(&mut software, "control-implementations",
        implementations(source, ["software", &product.name], answered, describe));
    let mut components = vec![Value::from(software)];
    for check in source.checks() {
        let mut one = object([
            ("uuid", uid(&["component", "check", check]).into()),
            ("type", "validation".into()),
            ("title", line(check).into()),
            ("description", source.about(check).into()),
        ]);
        let named = |c: &Clause| c.checks.iter().any(|n| n == check);
        let describe = |c: &Clause| {
            format!("The check {} answers this clause{}", line(check), open(c, ", not: "))
        };
        put(&mut one, "control-implementations",
            implementations(source, ["check", check], named, describe));
        components.push(one.into());
    }
    json!({ "component-definition": {
        "uuid": uid(&["component-definition", source.version()]),
        "metadata": source.metadata("Mechanisms of Jinyun and the clauses that they answer"),
        "components": components,
    } })
}

/// A state as the status of an implementation. A tenant's has none of ours.
fn status(state: State) -> Option<&'static str> {
    Some(match state {
        State::Met | State::Recorded => "implemented",
        State::Partly | State::Failed | State::Error | State::Stale | State::Overdue
            | State::Due => "partial",
        State::Duty | State::NotBuilt => "planned",
        State::NotApplicable => "not-applicable",
        State::Tenant | State::Informative | State::Other => return None,
    })
}

/// What the tenant has to do.
fn theirs(clause: &Clause) -> String {
    match clause.tenant_does.is_empty() {
        true => format!("The tenant's part of: {}", title(clause)),
        false => prose(&clause.tenant_does),
    }
}

fn requirement(source: &Source<'_>, standard: &Standard, clause: &Clause) -> Value {
    let id = control(standard, &clause.id);
    let says = stands(clause.state);
    let mut part = object([
        ("component-uuid", source.own(&["component", "this-system"]).into()),
        ("uuid", source.own(&["by-component", &id]).into()),
        ("description", does(clause).unwrap_or_else(|| format!("Stands as: {says}")).into()),
    ]);
    if let Some(status) = status(clause.state) {
        let remarks = format!("Stands as: {says}{}", open(clause, "; not answered: "));
        part.insert("implementation-status".into(), json!({ "state": status, "remarks": remarks }));
    }
    if matches!(clause.duty, Side::User | Side::Both) {
        let mut part_of_theirs = object([
            ("uuid", source.own(&["responsibility", &id]).into()),
            ("description", theirs(clause).into()),
            ("responsible-roles", roles(&["tenant"]).into()),
        ]);
        let state = clause.tenant_state.map(words::code).unwrap_or_default();
        put(&mut part_of_theirs, "props", list([prop("tenant-state", state)]));
        part.insert("export".into(), json!({ "responsibilities": [part_of_theirs] }));
    }
    let own = if clause.kind == "technical" { "system-specific" } else { "organization" };
    let (origins, who) = match clause.duty {
        Side::Provider => (vec![own], vec!["provider"]),
        Side::User => (vec!["customer-provided"], vec!["tenant"]),
        Side::Both => (vec![own, "customer-provided"], vec!["provider", "tenant"]),
        Side::Other => (vec![], vec![]),
    };
    let mut props: Vec<Value> = origins.iter()
        .map(|o| json!({ "name": "control-origination", "value": o })).collect();
    props.extend(prop("state", words::code(clause.state)));
    let mut made = object([
        ("uuid", source.own(&["requirement", &id]).into()),
        ("control-id", id.into()),
        ("by-components", json!([part])),
    ]);
    put(&mut made, "props", props);
    put(&mut made, "responsible-roles", roles(&who));
    made.into()
}

const USERS: [(&str, &str, &str); 4] = [
    ("system-admin", "System administrator", "Runs hosts, flavors and limits"),
    ("security-admin", "Security administrator", "Decides over institutions, staff and duties"),
    ("audit-admin", "Audit administrator",
        "Reads the journal, findings and configuration; changes nothing"),
    ("tenant", "Tenant", "Uses the cloud in its own projects"),
];

fn plan(source: &Source<'_>) -> Value {
    let product = &source.of.product;
    let instance = line(&source.of.instance);
    let requirements: Vec<Value> = source.of.clauses()
        .filter(|(_, c)| c.state != State::Informative)
        .map(|(s, c)| requirement(source, s, c)).collect();
    let users: Vec<Value> = USERS.iter().map(|&(role, title, does)| json!({
        "uuid": source.own(&["user", role]), "title": title, "description": does, "role-ids": [role],
    })).collect();
    let mut software = object([
        ("uuid", source.own(&["component", "software"]).into()),
        ("type", "software".into()),
        ("title", line(&format!("{} {}", product.name, product.version)).into()),
        ("description", "The one binary".into()),
        ("status", json!({ "state": "operational" })),
    ]);
    put(&mut software, "props", list([prop("binary-sha256", &product.binary_sha256)]));
    let whole = json!({
        "uuid": source.own(&["component", "this-system"]),
        "type": "this-system",
        "title": format!("Instance {instance}"),
        "description": "The instance as a whole",
        "status": { "state": "operational" },
    });
    let information = json!([
        { "uuid": uid(&["information", "tenants"]), "title": "Data of tenants",
          "description": "Disks, images and settings of servers of finance institutions" },
        { "uuid": uid(&["information", "records"]), "title": "Records and journal",
          "description": "What was asked, decided and changed, and the keys that seal it" },
    ]);
    json!({ "system-security-plan": {
        "uuid": source.own(&["ssp", &time(source.made)]),
        "metadata": source.metadata(&format!("System security plan of the instance {instance}")),
        "import-profile": { "href": "profile-all.json" },
        "system-characteristics": {
            "system-ids": [{ "id": instance }],
            "system-name": line(&format!("{} {instance}", product.name)),
            "description": "A cloud for finance institutions: identity, compute, networks, volumes, \
                images, and the evidence about them",
            "system-information": { "information-types": information },
            "status": { "state": "operational" },
            "authorization-boundary": { "description": "The control process, the agents of its \
                hosts and the guests that they run; not the buildings, the networks outside, and \
                what tenants run in their guests" },
        },
        "system-implementation": { "users": users, "components": [whole, software] },
        "control-implementation": {
            "description": "How each clause stands, as the assessment found it; nothing here was \
                written by hand",
            "implemented-requirements": requirements,
        },
    } })
}
