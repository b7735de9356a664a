//! Reading rows. The same functions serve the writer inside its transaction and the readers.

use crate::db::{Db, Val};
use jinyun_base::{Fault, Id, Kind, Time};

/// A resource as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Kind.
    pub kind: String,
    /// Id.
    pub id: Id,
    /// Owning domain.
    pub domain: Id,
    /// Owning project; empty where there is none.
    pub project: Id,
    /// Name.
    pub name: String,
    /// Grows with each change.
    pub generation: i64,
    /// The spec, canonical JSON.
    pub spec: String,
    /// When it was created.
    pub created: Time,
    /// When it was changed last.
    pub updated: Time,
    /// When its deletion was asked.
    pub delete_asked: Option<Time>,
}

/// How far a resource has become real.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The generation that this is about.
    pub observed: i64,
    /// A word of the resource's own.
    pub phase: String,
    /// The resource's own status, JSON.
    pub body: String,
    /// What went wrong last; empty if nothing.
    pub error: String,
    /// When it changed.
    pub updated: Time,
}

/// A resource with its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The row.
    pub row: Row,
    /// Its status; empty before the first pass.
    pub status: Status,
}

/// Use of a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Project.
    pub project: Id,
    /// Item.
    pub item: String,
    /// How much.
    pub used: i64,
}

/// Which rows to list. Everything that is set must match.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// In this project.
    pub project: Option<Id>,
    /// In this domain.
    pub domain: Option<Id>,
    /// Of this name.
    pub name: Option<String>,
    /// Field values that the kind has declared.
    pub fields: Vec<(&'static str, String)>,
    /// After this id.
    pub after: Option<Id>,
    /// At most so many.
    pub limit: Option<usize>,
}

impl Query {
    /// Everything in a project.
    pub fn project(id: &Id) -> Query {
        Query { project: Some(id.clone()), ..Query::default() }
    }

    /// Whatever has this field value.
    pub fn field(name: &'static str, value: impl ToString) -> Query {
        Query { fields: vec![(name, value.to_string())], ..Query::default() }
    }
}

const COLUMNS: &str = "r.id, r.domain, r.project, r.name, r.generation, r.spec, r.created, \
    r.updated, r.delete_asked, s.observed, s.phase, s.body, s.error, s.updated, r.kind";
const FROM: &str = "FROM resource r LEFT JOIN status s ON s.kind = r.kind AND s.id = r.id";

fn stored(mut c: crate::db::Cells) -> Stored {
    Stored {
        row: Row {
            id: c.text(0).into(),
            domain: c.text(1).into(),
            project: c.text(2).into(),
            name: c.text(3),
            generation: c.int(4),
            spec: c.text(5),
            created: Time(c.int(6)),
            updated: Time(c.int(7)),
            delete_asked: (!c.is_null(8)).then(|| Time(c.int(8))),
            kind: c.text(14),
        },
        status: Status {
            observed: c.int(9),
            phase: c.text(10),
            body: c.text(11),
            error: c.text(12),
            updated: Time(c.int(13)),
        },
    }
}

impl Db {
    /// One resource.
    pub fn get(&mut self, kind: &str, id: &Id) -> Result<Option<Stored>, Fault> {
        let sql = format!("SELECT {COLUMNS} {FROM} WHERE r.kind = ?1 AND r.id = ?2");
        let mut found = None;
        self.query(&sql, &[kind.into(), id.into()], |c| found = Some(stored(c)))?;
        Ok(found)
    }

    /// Resources of a kind by id order.
    pub fn list(&mut self, kind: Kind, query: &Query) -> Result<Vec<Stored>, Fault> {
        let mut sql = format!("SELECT {COLUMNS} {FROM}");
        let mut vals = vec![Val::from(kind.0)];
        let mut conditions = String::from(" WHERE r.kind = ?1");
        for (name, value) in &query.fields {
            let n = vals.len();
            sql.push_str(&format!(
                " JOIN field f{n} ON f{n}.kind = r.kind AND f{n}.id = r.id \
                 AND f{n}.name = ?{} AND f{n}.value = ?{}", n + 1, n + 2
            ));
            vals.extend([Val::from(*name), Val::from(value)]);
        }
        let equal = [
            ("r.project =", query.project.as_ref().map(Id::as_str)),
            ("r.domain =", query.domain.as_ref().map(Id::as_str)),
            ("r.name =", query.name.as_deref()),
            ("r.id >", query.after.as_ref().map(Id::as_str)),
        ];
        for (test, value) in equal {
            if let Some(value) = value {
                vals.push(value.into());
                conditions.push_str(&format!(" AND {test} ?{}", vals.len()));
            }
        }
        sql.push_str(&conditions);
        sql.push_str(" ORDER BY r.id");
        if let Some(limit) = query.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
        let mut rows = Vec::new();
        self.query(&sql, &vals, |c| rows.push(stored(c)))?;
        Ok(rows)
    }

    /// Every row of every kind, for checkers.
    pub fn everything(&mut self) -> Result<Vec<Stored>, Fault> {
        let mut rows = Vec::new();
        let sql = format!("SELECT {COLUMNS} {FROM} ORDER BY r.kind, r.id");
        self.query(&sql, &[], |c| rows.push(stored(c)))?;
        Ok(rows)
    }

    /// Who holds a claim.
    pub fn claimed(&mut self, space: &str, word: &str) -> Result<Option<(String, Id)>, Fault> {
        let mut found = None;
        let sql = "SELECT kind, id FROM claim WHERE space = ?1 AND word = ?2";
        self.query(sql, &[space.into(), word.into()], |mut c| {
            found = Some((c.text(0), c.text(1).into()));
        })?;
        Ok(found)
    }

    /// Who uses a thing: kind, id, role and whether deletion of the thing takes the user with it.
    pub fn linked_from(&mut self, kind: &str, id: &Id)
        -> Result<Vec<(String, Id, String, bool)>, Fault> {
        let mut found = Vec::new();
        let sql = "SELECT kind, id, role, on_delete FROM link WHERE to_kind = ?1 AND to_id = ?2 \
                   ORDER BY kind, id";
        self.query(sql, &[kind.into(), id.into()], |mut c| {
            found.push((c.text(0), c.text(1).into(), c.text(2), c.text(3) == "cascade"));
        })?;
        Ok(found)
    }

    /// A secret's value.
    pub fn secret(&mut self, kind: &str, id: &Id, name: &str) -> Result<Option<Vec<u8>>, Fault> {
        let mut found = None;
        let sql = "SELECT value FROM secret WHERE kind = ?1 AND id = ?2 AND name = ?3";
        self.query(sql, &[kind.into(), id.into(), name.into()], |mut c| found = Some(c.blob(0)))?;
        Ok(found)
    }

    /// Kind, id, name and salted digest input of every secret, for checkers.
    pub fn secrets(&mut self) -> Result<Vec<(String, Id, String, Vec<u8>, Vec<u8>)>, Fault> {
        let mut found = Vec::new();
        let sql = "SELECT kind, id, name, salt, value FROM secret ORDER BY kind, id, name";
        self.query(sql, &[], |mut c| {
            found.push((c.text(0), c.text(1).into(), c.text(2), c.blob(3), c.blob(4)));
        })?;
        Ok(found)
    }

    /// How much of a quota a project uses.
    pub fn used(&mut self, project: &Id, item: &str) -> Result<i64, Fault> {
        let mut used = 0;
        let sql = "SELECT used FROM quota WHERE project = ?1 AND item = ?2";
        self.query(sql, &[project.into(), item.into()], |c| used = c.int(0))?;
        Ok(used)
    }

    /// All use of all quotas.
    pub fn usage(&mut self) -> Result<Vec<Usage>, Fault> {
        let mut all = Vec::new();
        let sql = "SELECT project, item, used FROM quota WHERE used > 0 ORDER BY project, item";
        self.query(sql, &[], |mut c| {
            all.push(Usage { project: c.text(0).into(), item: c.text(1), used: c.int(2) });
        })?;
        Ok(all)
    }

    /// The derived rows (claims, links, fields, open and closed meters) as text, for checkers that
    /// compare two databases.
    pub fn derived(&mut self) -> Result<Vec<String>, Fault> {
        let mut all = Vec::new();
        let tables = [
            ("claim", "SELECT space, word, kind, id FROM claim ORDER BY space, word"),
            ("link", "SELECT kind, id, role, to_kind || ' ' || to_id || ' ' || on_delete FROM link \
                      ORDER BY kind, id, role, to_kind, to_id"),
            ("field", "SELECT kind, name, value, id FROM field ORDER BY kind, name, value, id"),
        ];
        for (name, sql) in tables {
            self.query(sql, &[], |mut c| {
                all.push([name, &c.text(0), &c.text(1), &c.text(2), &c.text(3)].join("|"));
            })?;
        }
        let sql = "SELECT project, item, kind, id, since, until, amount FROM meter \
                   ORDER BY kind, id, item, since";
        self.query(sql, &[], |mut c| {
            let until = if c.is_null(5) { "open".into() } else { c.int(5).to_string() };
            let (since, amount) = (c.int(4).to_string(), c.int(6).to_string());
            all.push(["meter", &c.text(0), &c.text(1), &c.text(2), &c.text(3), &since, &until,
                &amount].join("|"));
        })?;
        Ok(all)
    }
}

impl Db {
    /// How many rows lie in a project beside the row of the same id. Parts, which go with the
    /// thing that they belong to, do not count.
    pub fn rows_in(&mut self, project: &Id) -> Result<i64, Fault> {
        let mut count = 0;
        let sql = "SELECT COUNT(*) FROM resource r WHERE r.project = ?1 AND r.id <> ?1 AND NOT \
                   EXISTS (SELECT 1 FROM link l WHERE l.kind = r.kind AND l.id = r.id \
                   AND l.on_delete = 'cascade')";
        self.query(sql, &[project.into()], |c| count = c.int(0))?;
        Ok(count)
    }

    /// Names of a resource's secrets.
    pub fn secrets_of(&mut self, kind: &str, id: &Id) -> Result<Vec<(String, Id, String)>, Fault> {
        let mut found = Vec::new();
        let sql = "SELECT kind, id, name FROM secret WHERE kind = ?1 AND id = ?2 ORDER BY name";
        self.query(sql, &[kind.into(), id.into()], |mut c| {
            found.push((c.text(0), c.text(1).into(), c.text(2)));
        })?;
        Ok(found)
    }

    /// The limit that somebody set for a project and item: a resource that claims the word
    /// `<project>/<item>` in the space `limit` and has a member `limit` in its spec.
    pub fn limit(&mut self, project: &Id, item: &str) -> Result<Option<i64>, Fault> {
        let Some((kind, id)) = self.claimed("limit", &format!("{project}/{item}"))? else {
            return Ok(None);
        };
        let Some(stored) = self.get(&kind, &id)? else { return Ok(None) };
        let spec: serde_json::Value = serde_json::from_str(&stored.row.spec)
            .map_err(|e| Fault::new(format!("limit {id}: {e}")))?;
        Ok(spec.get("limit").and_then(serde_json::Value::as_i64))
    }
}
