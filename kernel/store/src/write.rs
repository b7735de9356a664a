//! The one writer: group commit, savepoints, and the second line of every rule in SQL.

use crate::db::{Config, Db, Val};
use crate::log::Head;
use crate::read::{Row, Status};
use crate::schema;
use jinyun_base::{Fault, Id, Time};

/// Something exclusive: at most one owner for each word of a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What sort of thing: `address`, `mac`, `project-name`.
    pub space: String,
    /// Which one.
    pub word: String,
    /// What to say if it is taken.
    pub taken: String,
}

/// What happens to the user of a thing when the thing is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// The thing cannot be deleted while it is used.
    Refuse,
    /// The user goes with it.
    Cascade,
}

/// A use of another resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// In which role.
    pub role: &'static str,
    /// Kind of the used thing.
    pub kind: &'static str,
    /// Its id.
    pub id: Id,
    /// What deletion of the used thing does.
    pub on_delete: OnDelete,
}

/// What became of a guarded write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutOutcome {
    /// Written.
    Done,
    /// Another generation stands there.
    Stale,
}

/// A key that the reconcile driver has to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NudgeRow {
    /// Kind.
    pub kind: String,
    /// Id.
    pub id: Id,
    /// Not before.
    pub due: Time,
    /// How often it was tried without reaching its goal.
    pub tries: i64,
}

/// The connection that writes. There is one; a lease with a fencing epoch keeps a second from
/// committing.
pub struct Writer {
    /// For reading inside the transaction.
    pub db: Db,
    pub(crate) head: Head,
    epoch: i64,
    open: bool,
}

impl Writer {
    /// Opens the state for writing: brings the schema up to date and takes the lease.
    pub fn open(config: &Config, holder: &str) -> Result<Writer, Fault> {
        let mut db = Db::open(config)?;
        schema::migrate(&mut db)?;
        db.batch("BEGIN")?;
        db.exec(
            "INSERT INTO lease (name, epoch, holder) VALUES ('writer', 1, ?1) ON CONFLICT (name) \
             DO UPDATE SET epoch = lease.epoch + 1, holder = ?1", &[holder.into()],
        )?;
        let mut epoch = 0;
        db.query("SELECT epoch FROM lease WHERE name = 'writer'", &[], |c| epoch = c.int(0))?;
        db.batch("COMMIT")?;
        let head = Head::load(&mut db)?;
        Ok(Writer { db, head, epoch, open: false })
    }

    /// Begins a group. The lease is checked first: a writer that was replaced stops here.
    pub fn begin(&mut self) -> Result<(), Fault> {
        self.db.batch("BEGIN")?;
        self.open = true;
        let held = self.db.exec(
            "UPDATE lease SET epoch = ?1 WHERE name = 'writer' AND epoch = ?1",
            &[self.epoch.into()],
        )?;
        if held == 0 {
            self.abandon()?;
            return Err(Fault::new("another control process has taken over this state"));
        }
        Ok(())
    }

    /// Commits the group. After an error nothing of it happened.
    pub fn commit(&mut self) -> Result<(), Fault> {
        let done = self.db.batch("COMMIT");
        if done.is_err() {
            self.abandon()?;
        }
        self.open = false;
        done
    }

    /// Gives the whole group up and reads the journal's head again.
    pub fn abandon(&mut self) -> Result<(), Fault> {
        if self.open {
            // After some errors the engine has already rolled back by itself.
            let _ = self.db.batch("ROLLBACK");
            self.open = false;
        }
        self.head = Head::load(&mut self.db)?;
        Ok(())
    }

    /// Begins one command.
    pub fn savepoint(&mut self) -> Result<(), Fault> {
        self.db.batch("SAVEPOINT command")
    }

    /// Ends one command, keeping what it did.
    pub fn release(&mut self) -> Result<(), Fault> {
        self.db.batch("RELEASE SAVEPOINT command")
    }

    /// Takes back what the command did.
    pub fn rollback(&mut self) -> Result<(), Fault> {
        self.db.batch("ROLLBACK TO SAVEPOINT command")?;
        self.release()
    }

    /// Writes a resource. `old` is the generation that must stand there; 0 for a new one.
    pub fn put(&mut self, row: &Row, old: i64) -> Result<PutOutcome, Fault> {
        let vals = [
            Val::from(&row.kind), Val::from(&row.id), Val::from(&row.domain),
            Val::from(&row.project), Val::from(&row.name), row.generation.into(),
            Val::from(&row.spec), row.created.into(), row.updated.into(),
            Val::from(row.delete_asked),
        ];
        let touched = if old == 0 {
            self.db.exec(
                "INSERT INTO resource (kind, id, domain, project, name, generation, spec, created, \
                 updated, delete_asked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
                 ON CONFLICT (kind, id) DO NOTHING", &vals,
            )?
        } else {
            let mut vals = vals.to_vec();
            vals.push(old.into());
            self.db.exec(
                "UPDATE resource SET domain = ?3, project = ?4, name = ?5, generation = ?6, \
                 spec = ?7, created = ?8, updated = ?9, delete_asked = ?10 \
                 WHERE kind = ?1 AND id = ?2 AND generation = ?11", &vals,
            )?
        };
        Ok(if touched == 1 { PutOutcome::Done } else { PutOutcome::Stale })
    }

    /// Removes a resource with its status, claims, links, fields and secrets.
    pub fn drop_resource(&mut self, kind: &str, id: &Id) -> Result<(), Fault> {
        for table in ["resource", "status", "claim", "link", "field", "secret", "nudge"] {
            self.db.exec(
                &format!("DELETE FROM {table} WHERE kind = ?1 AND id = ?2"),
                &[kind.into(), id.into()],
            )?;
        }
        Ok(())
    }

    /// Takes a claim; who holds it, if somebody else does.
    pub fn claim(&mut self, claim: &Claim, kind: &str, id: &Id)
        -> Result<Option<(String, Id)>, Fault> {
        let taken = self.db.exec(
            "INSERT INTO claim (space, word, kind, id) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (space, word) DO NOTHING",
            &[Val::from(&claim.space), Val::from(&claim.word), kind.into(), id.into()],
        )?;
        if taken == 1 {
            return Ok(None);
        }
        let holder = self.db.claimed(&claim.space, &claim.word)?;
        Ok(holder.filter(|(k, i)| (k.as_str(), i) != (kind, id)))
    }

    /// Gives a claim back.
    pub fn unclaim(&mut self, claim: &Claim, kind: &str, id: &Id) -> Result<(), Fault> {
        let sql = "DELETE FROM claim WHERE space = ?1 AND word = ?2 AND kind = ?3 AND id = ?4";
        let vals = [Val::from(&claim.space), Val::from(&claim.word), kind.into(), id.into()];
        self.db.exec(sql, &vals).map(drop)
    }

    /// Records a use.
    pub fn link(&mut self, kind: &str, id: &Id, link: &Link) -> Result<(), Fault> {
        let on_delete = if link.on_delete == OnDelete::Cascade { "cascade" } else { "refuse" };
        self.db.exec(
            "INSERT INTO link (kind, id, role, to_kind, to_id, on_delete) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            &[kind.into(), id.into(), link.role.into(), link.kind.into(), Val::from(&link.id),
              on_delete.into()],
        ).map(drop)
    }

    /// Takes a use back.
    pub fn unlink(&mut self, kind: &str, id: &Id, link: &Link) -> Result<(), Fault> {
        self.db.exec(
            "DELETE FROM link WHERE kind = ?1 AND id = ?2 AND role = ?3 AND to_kind = ?4 \
             AND to_id = ?5",
            &[kind.into(), id.into(), link.role.into(), link.kind.into(), Val::from(&link.id)],
        ).map(drop)
    }

    /// Records a value for filters.
    pub fn field(&mut self, kind: &str, id: &Id, name: &str, value: &str) -> Result<(), Fault> {
        self.db.exec(
            "INSERT INTO field (kind, name, value, id) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO NOTHING",
            &[kind.into(), name.into(), value.into(), id.into()],
        ).map(drop)
    }

    /// Takes a value back.
    pub fn unfield(&mut self, kind: &str, id: &Id, name: &str, value: &str) -> Result<(), Fault> {
        self.db.exec(
            "DELETE FROM field WHERE kind = ?1 AND name = ?2 AND value = ?3 AND id = ?4",
            &[kind.into(), name.into(), value.into(), id.into()],
        ).map(drop)
    }

    /// Sets a secret.
    pub fn put_secret(&mut self, kind: &str, id: &Id, name: &str, salt: &[u8], value: &[u8])
        -> Result<(), Fault> {
        self.db.exec(
            "INSERT INTO secret (kind, id, name, salt, value) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (kind, id, name) DO UPDATE SET salt = ?4, value = ?5",
            &[kind.into(), id.into(), name.into(), salt.into(), value.into()],
        ).map(drop)
    }

    /// Destroys a secret; whether there was one.
    pub fn drop_secret(&mut self, kind: &str, id: &Id, name: &str) -> Result<bool, Fault> {
        let sql = "DELETE FROM secret WHERE kind = ?1 AND id = ?2 AND name = ?3";
        Ok(self.db.exec(sql, &[kind.into(), id.into(), name.into()])? > 0)
    }

    /// Changes the use of a quota.
    pub fn use_quota(&mut self, project: &Id, item: &str, by: i64) -> Result<(), Fault> {
        let vals = [Val::from(project), item.into(), by.into()];
        let sql = "UPDATE quota SET used = used + ?3 WHERE project = ?1 AND item = ?2";
        if self.db.exec(sql, &vals)? == 0 {
            self.db.exec("INSERT INTO quota (project, item, used) VALUES (?1, ?2, ?3)", &vals)?;
        }
        Ok(())
    }

    /// Opens an interval of a meter.
    pub fn meter_open(&mut self, project: &Id, item: &str, kind: &str, id: &Id, now: Time,
        amount: i64) -> Result<(), Fault> {
        self.db.exec(
            "INSERT INTO meter (project, item, kind, id, since, until, amount) \
             VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6) \
             ON CONFLICT (kind, id, item, since) DO UPDATE SET amount = ?6, until = NULL",
            &[project.into(), item.into(), kind.into(), id.into(), now.into(), amount.into()],
        ).map(drop)
    }

    /// Closes the open interval of a meter.
    pub fn meter_close(&mut self, item: &str, kind: &str, id: &Id, now: Time)
        -> Result<(), Fault> {
        self.db.exec(
            "UPDATE meter SET until = ?4 WHERE kind = ?2 AND id = ?3 AND item = ?1 \
             AND until IS NULL",
            &[item.into(), kind.into(), id.into(), now.into()],
        ).map(drop)
    }

    /// Writes a status.
    pub fn put_status(&mut self, kind: &str, id: &Id, s: &Status) -> Result<(), Fault> {
        self.db.exec(
            "INSERT INTO status (kind, id, observed, phase, body, error, updated) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (kind, id) DO UPDATE SET \
             observed = ?3, phase = ?4, body = ?5, error = ?6, updated = ?7",
            &[kind.into(), id.into(), s.observed.into(), Val::from(&s.phase),
              Val::from(&s.body), Val::from(&s.error), s.updated.into()],
        ).map(drop)
    }

    /// Asks the driver to look at a resource.
    pub fn nudge(&mut self, kind: &str, id: &Id, due: Time, tries: i64) -> Result<(), Fault> {
        self.db.exec(
            "INSERT INTO nudge (kind, id, due, tries) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (kind, id) DO UPDATE SET due = ?3, tries = ?4",
            &[kind.into(), id.into(), due.into(), tries.into()],
        ).map(drop)
    }

    /// Takes a nudge back: the goal is reached.
    pub fn settle(&mut self, kind: &str, id: &Id) -> Result<(), Fault> {
        self.db.exec("DELETE FROM nudge WHERE kind = ?1 AND id = ?2", &[kind.into(), id.into()])
            .map(drop)
    }
}

impl Db {
    /// When a resource is to be looked at.
    pub fn nudged(&mut self, kind: &str, id: &Id) -> Result<Option<Time>, Fault> {
        let mut due = None;
        let sql = "SELECT due FROM nudge WHERE kind = ?1 AND id = ?2";
        self.query(sql, &[kind.into(), id.into()], |c| due = Some(Time(c.int(0))))?;
        Ok(due)
    }

    /// What the driver has to look at, by due time.
    pub fn nudges(&mut self) -> Result<Vec<NudgeRow>, Fault> {
        let mut all = Vec::new();
        let sql = "SELECT kind, id, due, tries FROM nudge ORDER BY due, kind, id";
        self.query(sql, &[], |mut c| {
            all.push(NudgeRow {
                kind: c.text(0),
                id: c.text(1).into(),
                due: Time(c.int(2)),
                tries: c.int(3),
            });
        })?;
        Ok(all)
    }
}
