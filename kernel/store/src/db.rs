//! Two databases behind one face.
//!
//! Statements are written once, with parameters `?1..?9`, and the types `INTEGER`, `TEXT`, `BLOB`.
//! For PostgreSQL the parameters become `$n` and the types `BIGINT` and `BYTEA`. (SQLite numbers
//! `$n` by appearance, not by digit: the source form has to be `?n`.)

use jinyun_base::{Fault, Id, Time};
use rusqlite::types::ValueRef;
use std::collections::HashMap;
use std::path::PathBuf;

/// Where the state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Config {
    /// A file. `durable` is off only for simulations, which crash nothing but the program.
    Sqlite {
        /// The database's path.
        path: PathBuf,
        /// fsync at each commit.
        durable: bool,
    },
    /// A connection string and a schema of its own.
    Postgres {
        /// `host=/run/postgresql user=jinyun dbname=jinyun`.
        conninfo: String,
        /// The schema that holds the tables.
        schema: String,
    },
}

/// A parameter or a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Val {
    /// Integer.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
    /// Nothing.
    Null,
}

impl From<i64> for Val {
    fn from(v: i64) -> Val {
        Val::Int(v)
    }
}

impl From<Time> for Val {
    fn from(v: Time) -> Val {
        Val::Int(v.0)
    }
}

impl From<&str> for Val {
    fn from(v: &str) -> Val {
        Val::Text(v.into())
    }
}

impl From<&String> for Val {
    fn from(v: &String) -> Val {
        Val::Text(v.clone())
    }
}

impl From<&Id> for Val {
    fn from(v: &Id) -> Val {
        Val::Text(v.as_str().into())
    }
}

impl From<&[u8]> for Val {
    fn from(v: &[u8]) -> Val {
        Val::Blob(v.into())
    }
}

impl<T: Into<Val>> From<Option<T>> for Val {
    fn from(v: Option<T>) -> Val {
        v.map_or(Val::Null, Into::into)
    }
}

/// Cells of one row, read by position.
pub struct Cells(Vec<Val>);

impl Cells {
    /// Integer at a position; 0 for nothing.
    pub fn int(&self, i: usize) -> i64 {
        match self.0.get(i) {
            Some(Val::Int(n)) => *n,
            _ => 0,
        }
    }

    /// Whether there is nothing.
    pub fn is_null(&self, i: usize) -> bool {
        matches!(self.0.get(i), None | Some(Val::Null))
    }

    /// Text at a position.
    pub fn text(&mut self, i: usize) -> String {
        match self.0.get_mut(i) {
            Some(Val::Text(t)) => std::mem::take(t),
            _ => String::new(),
        }
    }

    /// Bytes at a position.
    pub fn blob(&mut self, i: usize) -> Vec<u8> {
        match self.0.get_mut(i) {
            Some(Val::Blob(b)) => std::mem::take(b),
            _ => Vec::new(),
        }
    }
}

/// A connection.
pub enum Db {
    /// SQLite.
    Sqlite(rusqlite::Connection),
    /// PostgreSQL with its prepared statements.
    Postgres {
        /// The client.
        client: Box<postgres::Client>,
        /// Prepared statements by their text.
        prepared: HashMap<String, postgres::Statement>,
    },
}

fn lite(e: rusqlite::Error) -> Fault {
    use rusqlite::ErrorCode;
    match e.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Fault::new("the disk that holds the state is full"),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Fault::new(format!("the state file is damaged: {e}"))
        }
        _ => Fault::new(format!("SQLite: {e}")),
    }
}

fn pg(e: postgres::Error) -> Fault {
    match e.as_db_error() {
        Some(db) => Fault::new(format!("PostgreSQL: {} ({})", db.message(), db.code().code())),
        None => Fault::new(format!("PostgreSQL: {e}")),
    }
}

impl Db {
    /// Opens a connection. Nothing is created but, for SQLite, the file.
    pub fn open(config: &Config) -> Result<Db, Fault> {
        match config {
            Config::Sqlite { path, durable } => {
                let db = rusqlite::Connection::open(path).map_err(lite)?;
                db.busy_timeout(std::time::Duration::from_secs(10)).map_err(lite)?;
                db.set_prepared_statement_cache_capacity(256);
                // Without it SQLite prepares a statement anew for other values of its parameters:
                // that is half of the time of a read by key, for plans that never differ here.
                db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
                    .map_err(lite)?;
                let sync = if *durable { "FULL" } else { "OFF" };
                // A destroyed key must not survive in a free page (I7).
                db.execute_batch(&format!(
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous={sync}; PRAGMA secure_delete=ON;
                     PRAGMA cache_size=-8192; PRAGMA wal_autocheckpoint=4000;"
                )).map_err(lite)?;
                Ok(Db::Sqlite(db))
            }
            Config::Postgres { conninfo, schema } => {
                let mut client = postgres::Client::connect(conninfo, postgres::NoTls).map_err(pg)?;
                // The schema's name is ours (an instance name), never a tenant's text.
                client.batch_execute(&format!(
                    "CREATE SCHEMA IF NOT EXISTS \"{schema}\"; SET search_path TO \"{schema}\";
                     SET client_min_messages TO warning;"
                )).map_err(pg)?;
                Ok(Db::Postgres { client: Box::new(client), prepared: HashMap::new() })
            }
        }
    }

    /// Several statements without parameters.
    pub fn batch(&mut self, sql: &str) -> Result<(), Fault> {
        match self {
            Db::Sqlite(db) => db.execute_batch(sql).map_err(lite),
            Db::Postgres { client, .. } => client.batch_execute(sql).map_err(pg),
        }
    }

    /// A number that SQLite tells about itself, for simulations of a full disk.
    pub fn pragma_number(&mut self, name: &str, out: &mut i64) -> Result<(), Fault> {
        self.query(&format!("PRAGMA {name}"), &[], |c| *out = c.int(0))
    }

    /// One step of the schema, in the engine's own types.
    pub fn migrate(&mut self, sql: &str) -> Result<(), Fault> {
        match self {
            Db::Sqlite(_) => self.batch(&sql.replace("));", ")) STRICT;")),
            Db::Postgres { .. } => {
                self.batch(&sql.replace("INTEGER", "BIGINT").replace("BLOB", "BYTEA"))
            }
        }
    }

    /// Runs a statement; how many rows it touched.
    pub fn exec(&mut self, sql: &str, vals: &[Val]) -> Result<u64, Fault> {
        match self {
            Db::Sqlite(db) => {
                let mut statement = db.prepare_cached(sql).map_err(lite)?;
                bind(&mut statement, vals)?;
                statement.raw_execute().map(|n| n as u64).map_err(lite)
            }
            Db::Postgres { client, prepared } => {
                let statement = prepare(client, prepared, sql)?;
                let params = params(vals);
                client.execute(&statement, &refs(&params)).map_err(pg)
            }
        }
    }

    /// Runs a query and hands each row to `each`.
    pub fn query(&mut self, sql: &str, vals: &[Val], mut each: impl FnMut(Cells))
        -> Result<(), Fault> {
        match self {
            Db::Sqlite(db) => {
                let mut statement = db.prepare_cached(sql).map_err(lite)?;
                bind(&mut statement, vals)?;
                let columns = statement.column_count();
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next().map_err(lite)? {
                    let mut cells = Vec::with_capacity(columns);
                    for i in 0..columns {
                        cells.push(match row.get_ref(i).map_err(lite)? {
                            ValueRef::Integer(n) => Val::Int(n),
                            ValueRef::Text(t) => Val::Text(String::from_utf8_lossy(t).into_owned()),
                            ValueRef::Blob(b) => Val::Blob(b.to_vec()),
                            ValueRef::Null | ValueRef::Real(_) => Val::Null,
                        });
                    }
                    each(Cells(cells));
                }
                Ok(())
            }
            Db::Postgres { client, prepared } => {
                let statement = prepare(client, prepared, sql)?;
                let params = params(vals);
                for row in client.query(&statement, &refs(&params)).map_err(pg)? {
                    each(cells(&row));
                }
                Ok(())
            }
        }
    }
}

fn bind(statement: &mut rusqlite::CachedStatement<'_>, vals: &[Val]) -> Result<(), Fault> {
    for (i, val) in vals.iter().enumerate() {
        match val {
            Val::Int(n) => statement.raw_bind_parameter(i + 1, n),
            Val::Text(t) => statement.raw_bind_parameter(i + 1, t),
            Val::Blob(b) => statement.raw_bind_parameter(i + 1, b),
            Val::Null => statement.raw_bind_parameter(i + 1, rusqlite::types::Null),
        }.map_err(lite)?;
    }
    Ok(())
}

fn prepare(
    client: &mut postgres::Client,
    prepared: &mut HashMap<String, postgres::Statement>,
    sql: &str,
) -> Result<postgres::Statement, Fault> {
    if let Some(found) = prepared.get(sql) {
        return Ok(found.clone());
    }
    // No statement of ours has a question mark in a literal.
    let statement = client.prepare(&sql.replace('?', "$")).map_err(pg)?;
    prepared.insert(sql.into(), statement.clone());
    Ok(statement)
}

type Param = Box<dyn postgres::types::ToSql + Sync>;

fn params(vals: &[Val]) -> Vec<Param> {
    vals.iter().map(|v| -> Param {
        match v {
            Val::Int(n) => Box::new(*n),
            Val::Text(t) => Box::new(t.clone()),
            Val::Blob(b) => Box::new(b.clone()),
            Val::Null => Box::new(AnyNull),
        }
    }).collect()
}

/// NULL of whatever type the statement expects.
#[derive(Debug)]
struct AnyNull;

impl postgres::types::ToSql for AnyNull {
    fn to_sql(&self, _: &postgres::types::Type, _: &mut postgres::types::private::BytesMut)
        -> Result<postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        Ok(postgres::types::IsNull::Yes)
    }

    fn accepts(_: &postgres::types::Type) -> bool {
        true
    }

    postgres::types::to_sql_checked!();
}

fn refs(params: &[Param]) -> Vec<&(dyn postgres::types::ToSql + Sync)> {
    params.iter().map(AsRef::as_ref).collect()
}

fn cells(row: &postgres::Row) -> Cells {
    use postgres::types::Type;
    Cells(row.columns().iter().enumerate().map(|(i, column)| {
        match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(i).ok().flatten().map(Val::Int),
            Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(i).ok().flatten().map(Val::Blob),
            _ => row.try_get::<_, Option<String>>(i).ok().flatten().map(Val::Text),
        }.unwrap_or(Val::Null)
    }).collect())
}
