//! Inventories for tests, from a complete row and what differs from it.
#![allow(dead_code)]

use jinyun_planner::{Inventory, Malformed, Plan, plan, read};
use serde_json::{Map, Value, json};

/// A row in which every field is known.
pub fn row(id: &str, differs: &[(&str, &str)]) -> Value {
    let mut row = json!({
        "id": id, "name": id, "owner": "IT", "family": "other", "data": "personal",
        "amount": "some", "encryption": "high", "rework": "smooth", "core": "no",
        "impact_scope": "customers", "impact_degree": "slight", "public_loss": "none",
        "regulator_bars": "no", "software": "own", "customization": "low", "os_access": "no",
        "change_rate": "low", "load": "steady", "latency": "normal", "rto": "4h", "rpo": "1h",
        "internet": "no", "split": "no", "depends_on": "none", "shares_data_with": "none",
        "interfaces": "none", "environments": "production", "location": "境内", "abroad": "no",
        "exit_plan": "yes", "proprietary": "no", "supervision": "yes", "gains": "cost",
    });
    for (field, value) in differs.iter().filter(|(field, _)| !INSTITUTION.contains(field)) {
        row[*field] = json!(value);
    }
    row
}

/// Fields that are the institution's.
const INSTITUTION: &[&str] =
    &["stage", "private_cloud", "cloud_team", "platform_level", "two_centres"];

/// An institution of which everything is known.
pub fn institution(differs: &[(&str, &str)]) -> Value {
    let mut all = json!({ "stage": "existing", "private_cloud": "yes", "cloud_team": "yes",
        "platform_level": "4", "two_centres": "yes" });
    for (field, value) in differs.iter().filter(|(field, _)| INSTITUTION.contains(field)) {
        all[*field] = json!(value);
    }
    all
}

/// Without these fields.
pub fn without(mut row: Value, fields: &[&str]) -> Value {
    if let Some(members) = row.as_object_mut() {
        fields.iter().for_each(|field| drop(members.remove(*field)));
    }
    row
}

/// Reads rows.
pub fn read_rows(institution: Value, systems: Vec<Value>) -> Result<Inventory, Malformed> {
    let mut whole = Map::new();
    whole.insert("institution".into(), institution);
    whole.insert("systems".into(), systems.into());
    read::json::read(&Value::Object(whole))
}

/// The plan of rows.
pub fn plan_of(systems: Vec<Value>) -> Plan {
    plan(&read_rows(institution(&[]), systems).unwrap())
}

/// The plan of one row that differs, and its first system as JSON.
pub fn one(differs: &[(&str, &str)], missing: &[&str]) -> (Plan, Value) {
    let row = without(row("a", differs), missing);
    let plan = plan(&read_rows(institution(differs), vec![row]).unwrap());
    let system = serde_json::to_value(&plan.systems[0]).unwrap();
    (plan, system)
}

/// The clauses under a conclusion.
pub fn cites(conclusion: &Value) -> Vec<String> {
    let reasons = conclusion["why"].as_array().unwrap();
    let all = reasons.iter().flat_map(|reason| reason["cites"].as_array().unwrap());
    all.map(|cite| cite.as_str().unwrap().to_string()).collect()
}
