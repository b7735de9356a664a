//! The tables, as one list of steps that is never edited, only continued.

use crate::db::{Db, Val};
use jinyun_base::Fault;

/// Steps by name. A database remembers which it has taken.
const STEPS: &[(&str, &str)] = &[
    (
        "first",
        "
CREATE TABLE resource (
  kind TEXT NOT NULL, id TEXT NOT NULL, domain TEXT NOT NULL, project TEXT NOT NULL,
  name TEXT NOT NULL, generation INTEGER NOT NULL CHECK (generation > 0), spec TEXT NOT NULL,
  created INTEGER NOT NULL, updated INTEGER NOT NULL, delete_asked INTEGER,
  PRIMARY KEY (kind, id));
CREATE INDEX resource_project ON resource (kind, project, id);
CREATE INDEX resource_name ON resource (kind, name);
CREATE TABLE status (
  kind TEXT NOT NULL, id TEXT NOT NULL, observed INTEGER NOT NULL, phase TEXT NOT NULL,
  body TEXT NOT NULL, error TEXT NOT NULL, updated INTEGER NOT NULL, PRIMARY KEY (kind, id));
CREATE TABLE claim (
  space TEXT NOT NULL, word TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
  PRIMARY KEY (space, word));
CREATE INDEX claim_owner ON claim (kind, id);
CREATE TABLE link (
  kind TEXT NOT NULL, id TEXT NOT NULL, role TEXT NOT NULL, to_kind TEXT NOT NULL,
  to_id TEXT NOT NULL, on_delete TEXT NOT NULL, PRIMARY KEY (kind, id, role, to_kind, to_id));
CREATE INDEX link_target ON link (to_kind, to_id);
CREATE TABLE field (
  kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL,
  PRIMARY KEY (kind, name, value, id));
CREATE INDEX field_owner ON field (kind, id);
CREATE TABLE secret (
  kind TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, salt BLOB NOT NULL,
  value BLOB NOT NULL, PRIMARY KEY (kind, id, name));
CREATE TABLE quota (
  project TEXT NOT NULL, item TEXT NOT NULL, used INTEGER NOT NULL CHECK (used >= 0),
  PRIMARY KEY (project, item));
CREATE TABLE meter (
  project TEXT NOT NULL, item TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
  since INTEGER NOT NULL, until INTEGER, amount INTEGER NOT NULL,
  PRIMARY KEY (kind, id, item, since));
CREATE TABLE nudge (
  kind TEXT NOT NULL, id TEXT NOT NULL, due INTEGER NOT NULL, tries INTEGER NOT NULL,
  PRIMARY KEY (kind, id));
CREATE TABLE journal (
  number INTEGER NOT NULL, institution TEXT NOT NULL, place INTEGER NOT NULL,
  time INTEGER NOT NULL, body BLOB NOT NULL, sha256 BLOB NOT NULL, sm3 BLOB NOT NULL,
  PRIMARY KEY (number));
CREATE UNIQUE INDEX journal_institution ON journal (institution, place);
CREATE TABLE checkpoint (
  size INTEGER NOT NULL, tree TEXT NOT NULL, note TEXT NOT NULL, peaks BLOB NOT NULL,
  PRIMARY KEY (size, tree));
CREATE TABLE command (
  id TEXT NOT NULL, state TEXT NOT NULL, body TEXT NOT NULL, created INTEGER NOT NULL,
  PRIMARY KEY (id));
CREATE TABLE lease (
  name TEXT NOT NULL, epoch INTEGER NOT NULL, holder TEXT NOT NULL, PRIMARY KEY (name));
",
    ),
    // Requests that wait for an approval are resources. No action asked for one before.
    ("approvals are resources", "DROP TABLE command;"),
];

/// Brings a database to the newest schema. Each step is one transaction.
pub fn migrate(db: &mut Db) -> Result<(), Fault> {
    db.migrate("CREATE TABLE IF NOT EXISTS schema_step (name TEXT NOT NULL, PRIMARY KEY (name));")?;
    let mut taken = Vec::new();
    db.query("SELECT name FROM schema_step", &[], |mut c| taken.push(c.text(0)))?;
    if let Some(strange) = taken.iter().find(|t| STEPS.iter().all(|(name, _)| name != t)) {
        return Err(Fault::new(format!(
            "the state was written by a newer version (schema step `{strange}` is not known): \
             start that version"
        )));
    }
    for (name, sql) in STEPS.iter().filter(|(name, _)| !taken.iter().any(|t| t == name)) {
        db.batch("BEGIN")?;
        db.migrate(sql)?;
        db.exec("INSERT INTO schema_step (name) VALUES (?1)", &[Val::from(*name)])?;
        db.batch("COMMIT")?;
    }
    Ok(())
}
