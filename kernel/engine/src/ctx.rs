//! The inside of a command: the only place from which a row can be written.
//!
//! A [`Ctx`] cannot be had without a [`Permit`], and everything that it writes becomes an effect of
//! the one journal entry that the pipeline appends when the command ends (I1, I3).

use crate::command::{Command, Failure, Follow, Job};
use crate::derive;
use crate::registry::Registry;
use crate::resource::{Derived, Have, Resource, encode_spec};
use crate::view::View;
use jinyun_base::{Entropy, Fault, Id, Refusal, Refused, Time};
use jinyun_journal::Effect;
use jinyun_policy::{Actor, Permit};
use jinyun_store::{OnDelete, PutOutcome, Query, Row, Stored, Writer};
use serde_json::Value;
use sha2::Digest;

/// Where a resource lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Domain.
    pub domain: Id,
    /// Project; empty where there is none.
    pub project: Id,
    /// The resource's own id.
    pub id: Id,
}

/// What a command has made of one row, from before it to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Kind.
    pub kind: String,
    /// Id.
    pub id: Id,
    /// Owning domain.
    pub domain: Id,
    /// Owning project; empty where there is none.
    pub project: Id,
    /// The spec before the command; none if there was no row.
    pub old: Option<Value>,
    /// The spec after it; none if the row is gone or on its way out.
    pub new: Option<Value>,
}

/// A command while it runs.
pub struct Ctx<'a> {
    pub(crate) writer: &'a mut Writer,
    pub(crate) registry: &'a Registry,
    pub(crate) dice: &'a mut dyn Entropy,
    /// The command's time: also that of every row it touches.
    pub now: Time,
    /// Who asks.
    pub actor: &'a Actor,
    pub(crate) permit: Permit,
    pub(crate) effects: Vec<Effect>,
    /// Of the kinds that the guard watches.
    pub(crate) changes: Vec<Change>,
    pub(crate) note: Option<Value>,
    pub(crate) follow: Option<Box<Follow>>,
}

impl Ctx<'_> {
    /// Why it is allowed.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Reads, including what this command has written.
    pub fn view(&mut self) -> View<'_> {
        View::new(&mut self.writer.db)
    }

    /// Randomness.
    pub fn dice(&mut self) -> &mut dyn Entropy {
        self.dice
    }

    /// What the services have registered.
    pub fn registry(&self) -> &Registry {
        self.registry
    }

    /// Has a job run after this command, in the same transaction, by the same path as any other.
    /// The report runs behind it; its words get `entry` (the job's place in the journal), `made`
    /// (the id of what it made) or `refused` (a code and a sentence).
    pub fn then(&mut self, job: Job, report: Command) {
        self.follow = Some(Box::new(Follow { job, report }));
    }

    /// One resource or "not found".
    pub fn get<R: Resource>(&mut self, id: &Id) -> Result<Have<R>, Failure> {
        let found = self.view().get::<R>(id)?;
        found.ok_or_else(|| Refusal::not_found(R::KIND.0, id).into())
    }

    /// Resources by id order.
    pub fn list<R: Resource>(&mut self, query: &Query) -> Result<Vec<Have<R>>, Failure> {
        Ok(self.view().list::<R>(query)?)
    }

    /// Remembers something beside the effects.
    pub fn note(&mut self, note: Value) {
        self.note = Some(note);
    }

    /// Makes a resource in a domain and project.
    pub fn create<R: Resource>(&mut self, domain: &Id, project: &Id, spec: R::Spec)
        -> Result<Row, Failure> {
        let id = R::id(self.dice);
        self.create_at::<R>(Place { domain: domain.clone(), project: project.clone(), id }, spec)
    }

    /// Makes a resource with an id of the caller's.
    pub fn create_at<R: Resource>(&mut self, at: Place, mut spec: R::Spec)
        -> Result<Row, Failure> {
        R::fill(&mut spec, &at, &mut View::new(&mut self.writer.db), self.dice)?;
        R::check(&spec, None, &at, &mut View::new(&mut self.writer.db))?;
        let derived = Derived::of::<R>(&spec, &at);
        let row = self.row::<R>(&at, &spec, 1, self.now, None)?;
        if self.writer.put(&row, 0)? == PutOutcome::Stale {
            return Err(Refusal::new(Refused::Taken, format!("{} {} exists", R::KIND, at.id)).into());
        }
        self.derive(&row, &Derived::default(), &derived)?;
        if R::LIVE {
            self.writer.nudge(R::KIND.0, &at.id, self.now, 0)?;
        }
        self.effects.push(effect(&row)?);
        self.changed(&row, None, true)?;
        Ok(row)
    }

    /// Changes a resource's spec. Nothing is written if nothing changed.
    pub fn change<R: Resource>(
        &mut self,
        id: &Id,
        guard: Option<i64>,
        edit: impl FnOnce(&mut R::Spec) -> Result<(), Failure>,
    ) -> Result<Row, Failure> {
        let have = self.get::<R>(id)?;
        if let Some(guard) = guard
            && guard != have.generation
        {
            return Err(Refusal::new(Refused::Stale, format!(
                "{} {id} has changed: its revision is {}, not {guard}", R::KIND, have.generation
            )).into());
        }
        if have.deleting {
            return Err(Refusal::conflict(format!("{} {id} is being deleted", R::KIND)).into());
        }
        let at = have.place();
        let mut spec = have.spec.clone();
        edit(&mut spec)?;
        R::check(&spec, Some(&have.spec), &at, &mut View::new(&mut self.writer.db))?;
        if spec == have.spec {
            return self.row::<R>(&at, &spec, have.generation, have.created, None);
        }
        let row = self.row::<R>(&at, &spec, have.generation + 1, have.created, None)?;
        if self.writer.put(&row, have.generation)? == PutOutcome::Stale {
            return Err(Fault::new(format!("{} {id} changed inside a transaction", R::KIND)).into());
        }
        let before = Derived::of::<R>(&have.spec, &at);
        self.derive(&row, &before, &Derived::of::<R>(&spec, &at))?;
        if R::LIVE {
            self.writer.nudge(R::KIND.0, id, self.now, 0)?;
        }
        self.effects.push(effect(&row)?);
        let old = self.before::<R>(&have.spec)?;
        self.changed(&row, old, true)?;
        Ok(row)
    }

    /// Deletes a resource: drops it, or marks it for teardown if it is live. What hangs on it by a
    /// cascading link goes with it; any other use refuses.
    pub fn delete<R: Resource>(&mut self, id: &Id) -> Result<Row, Failure> {
        let have = self.get::<R>(id)?;
        let at = have.place();
        let row = self.row::<R>(&at, &have.spec, have.generation, have.created, None)?;
        if have.deleting {
            return Ok(row);
        }
        R::keep(&have, &mut View::new(&mut self.writer.db))?;
        let users = self.writer.db.linked_from(R::KIND.0, id)?;
        if let Some((kind, user, role, _)) = users.iter().find(|(.., cascade)| !cascade) {
            return Err(Refusal::conflict(format!(
                "{} {id} is in use: {kind} {user} uses it as its {role}", R::KIND
            )).into());
        }
        if !R::LIVE {
            self.cascade(users)?;
            self.drop_row(&row)?;
            return Ok(row);
        }
        let generation = have.generation + 1;
        let marked = self.row::<R>(&at, &have.spec, generation, have.created, Some(self.now))?;
        if self.writer.put(&marked, have.generation)? == PutOutcome::Stale {
            return Err(Fault::new("a row changed inside a transaction").into());
        }
        self.writer.nudge(R::KIND.0, id, self.now, 0)?;
        self.effects.push(effect(&marked)?);
        let old = self.before::<R>(&have.spec)?;
        self.changed(&marked, old, false)?;
        // After the mark: what goes only with this sees that this goes.
        self.cascade(users)?;
        Ok(marked)
    }

    /// Deletes what goes with a thing.
    fn cascade(&mut self, users: Vec<(String, Id, String, bool)>) -> Result<(), Failure> {
        let registry = self.registry;
        for (kind, user, ..) in users {
            registry.kind(&kind)?.delete(self, &user)?;
        }
        Ok(())
    }

    /// Deletes a resource by the name of its kind.
    pub fn delete_any(&mut self, kind: &str, id: &Id) -> Result<Row, Failure> {
        let registry = self.registry;
        registry.kind(kind)?.delete(self, id)
    }

    /// Drops a row whose teardown is complete.
    pub(crate) fn finish(&mut self, stored: Stored) -> Result<(), Failure> {
        if stored.row.delete_asked.is_none() {
            return Err(Refusal::conflict(format!(
                "{} {} is not being deleted", stored.row.kind, stored.row.id
            )).into());
        }
        let (kind, id) = (stored.row.kind.as_str(), &stored.row.id);
        if let Some((user_kind, user, ..)) = self.writer.db.linked_from(kind, id)?.first() {
            let say = format!("{kind} {id} waits for {user_kind} {user} to be gone");
            return Err(Refusal::conflict(say).into());
        }
        self.drop_row(&stored.row)
    }

    fn drop_row(&mut self, row: &Row) -> Result<(), Failure> {
        for (kind, id, name, ..) in self.writer.db.secrets_of(&row.kind, &row.id)? {
            self.effects.push(Effect::Unsecret { kind, id: id.to_string(), name });
        }
        // What it used may wait for it to be gone.
        for link in self.registry.derived(row)?.links {
            let used = self.writer.db.get(link.kind, &link.id)?;
            if used.is_some_and(|u| u.row.delete_asked.is_some()) {
                self.writer.nudge(link.kind, &link.id, self.now, 0)?;
            }
        }
        derive::drop_row(self.writer, self.registry, row, self.now)?;
        let old = if self.watched(&row.kind) { Some(value(row)?) } else { None };
        self.changed(row, old, false)?;
        self.effects.push(Effect::Drop { kind: row.kind.clone(), id: row.id.to_string() });
        Ok(())
    }

    fn watched(&self, kind: &str) -> bool {
        self.registry.guard.as_ref().is_some_and(|guard| guard.watches(kind))
    }

    /// A spec as it was, if the guard wants to see it.
    fn before<R: Resource>(&self, spec: &R::Spec) -> Result<Option<Value>, Fault> {
        self.watched(R::KIND.0).then(|| encode_spec::<R>(spec)).transpose()
    }

    /// Remembers for the guard what became of a row: one change, however often it was written.
    fn changed(&mut self, row: &Row, old: Option<Value>, stays: bool) -> Result<(), Fault> {
        if !self.watched(&row.kind) {
            return Ok(());
        }
        let new = stays.then(|| value(row)).transpose()?;
        if let Some(known) = self.changes.iter_mut().find(|c| c.id == row.id && c.kind == row.kind) {
            known.new = new;
            return Ok(());
        }
        self.changes.push(Change {
            kind: row.kind.clone(),
            id: row.id.clone(),
            domain: row.domain.clone(),
            project: row.project.clone(),
            old,
            new,
        });
        Ok(())
    }

    /// Keeps a secret of a resource; the journal gets its salted digest.
    pub fn put_secret(&mut self, kind: &str, id: &Id, name: &str, value: &[u8])
        -> Result<(), Failure> {
        let mut salt = [0u8; 32];
        self.dice.fill(&mut salt);
        self.writer.put_secret(kind, id, name, &salt, value)?;
        let hash = sha2::Sha256::new().chain_update(salt).chain_update(value).finalize();
        self.effects.push(Effect::Secret {
            kind: kind.into(),
            id: id.to_string(),
            name: name.into(),
            digest: jinyun_journal::to_hex(&hash),
        });
        Ok(())
    }

    /// Destroys a secret; whether there was one.
    pub fn drop_secret(&mut self, kind: &str, id: &Id, name: &str) -> Result<bool, Failure> {
        let had = self.writer.drop_secret(kind, id, name)?;
        if had {
            self.effects.push(Effect::Unsecret {
                kind: kind.into(),
                id: id.to_string(),
                name: name.into(),
            });
        }
        Ok(had)
    }

    fn row<R: Resource>(&self, at: &Place, spec: &R::Spec, generation: i64, created: Time,
        delete_asked: Option<Time>) -> Result<Row, Failure> {
        let value = encode_spec::<R>(spec)?;
        Ok(Row {
            kind: R::KIND.0.into(),
            id: at.id.clone(),
            domain: at.domain.clone(),
            project: at.project.clone(),
            name: R::name(spec).into(),
            generation,
            spec: value.to_string(),
            created,
            updated: self.now,
            delete_asked,
        })
    }

    /// Writes what follows from the new spec, after the checks that a command has to pass.
    fn derive(&mut self, row: &Row, old: &Derived, new: &Derived) -> Result<(), Failure> {
        for link in new.links.iter().filter(|l| !old.links.contains(l)) {
            self.check_link(link)?;
        }
        for (item, was, is) in derive::charges(old, new) {
            if is > was {
                self.check_quota(&row.project, item, is - was)?;
            }
        }
        match derive::write(self.writer, row, old, new, self.now)? {
            Some(claim) => Err(Refusal::new(Refused::Taken, claim.taken).into()),
            None => Ok(()),
        }
    }

    /// A used thing must exist and must not be on its way out.
    fn check_link(&mut self, link: &jinyun_store::Link) -> Result<(), Failure> {
        match self.writer.db.get(link.kind, &link.id)? {
            None => Err(Refusal::not_found(link.kind, &link.id).into()),
            Some(s) if s.row.delete_asked.is_some() && link.on_delete == OnDelete::Refuse => {
                let say = format!("{} {} is being deleted", link.kind, link.id);
                Err(Refusal::conflict(say).into())
            }
            Some(_) => Ok(()),
        }
    }

    fn check_quota(&mut self, project: &Id, item: &str, asked: i64) -> Result<(), Failure> {
        let Some(default) = self.registry.default_limit(item) else {
            return Err(Fault::new(format!("quota item `{item}` is not registered")).into());
        };
        let set = self.writer.db.limit(project, item)?;
        let limit = set.unwrap_or(default);
        let used = self.writer.db.used(project, item)?;
        if limit >= 0 && used + asked > limit {
            let why = Refused::OverQuota { item: item.into(), asked, used, limit };
            return Err(Refusal::new(why, format!(
                "Quota exceeded for {item}: Requested {asked}, but already used {used} of {limit} \
                 {item}. Ask the provider's system administrator to raise the limit."
            )).into());
        }
        Ok(())
    }
}

/// A row's spec.
fn value(row: &Row) -> Result<Value, Fault> {
    serde_json::from_str(&row.spec).map_err(|e| Fault::new(format!("{} {}: {e}", row.kind, row.id)))
}

/// The journal's form of a row.
fn effect(row: &Row) -> Result<Effect, Fault> {
    Ok(Effect::Put {
        kind: row.kind.clone(),
        id: row.id.to_string(),
        domain: row.domain.to_string(),
        project: row.project.to_string(),
        name: row.name.clone(),
        generation: row.generation,
        spec: value(row)?,
        deleting: row.delete_asked.is_some(),
    })
}
