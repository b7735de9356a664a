//! Reading the world inside a rule or a plan.

use crate::resource::{Have, Resource};
use jinyun_base::{Fault, Id};
use jinyun_store::{Db, Query};
use serde_json::Value;

/// The records as they are at one moment: inside a command the uncommitted ones, inside a plan the
/// committed ones. Only reads.
pub struct View<'a> {
    db: &'a mut Db,
}

impl<'a> View<'a> {
    /// Looks through a connection.
    pub fn new(db: &'a mut Db) -> View<'a> {
        View { db }
    }

    /// One resource.
    pub fn get<R: Resource>(&mut self, id: &Id) -> Result<Option<Have<R>>, Fault> {
        self.db.get(R::KIND.0, id)?.map(Have::decode).transpose()
    }

    /// Resources by id order.
    pub fn list<R: Resource>(&mut self, query: &Query) -> Result<Vec<Have<R>>, Fault> {
        self.db.list(R::KIND, query)?.into_iter().map(Have::decode).collect()
    }

    /// Who holds a claim: kind and id.
    pub fn claimed(&mut self, space: &str, word: &str) -> Result<Option<(String, Id)>, Fault> {
        self.db.claimed(space, word)
    }

    /// Who uses a thing: kind, id, role, and whether it goes with the thing.
    pub fn used_by(&mut self, kind: &str, id: &Id)
        -> Result<Vec<(String, Id, String, bool)>, Fault> {
        self.db.linked_from(kind, id)
    }

    /// Whether a resource has a secret of this name.
    pub fn has_secret(&mut self, kind: &str, id: &Id, name: &str) -> Result<bool, Fault> {
        Ok(self.db.secret(kind, id, name)?.is_some())
    }

    /// How many rows lie in a project beside the project itself.
    pub fn rows_in(&mut self, project: &Id) -> Result<i64, Fault> {
        self.db.rows_in(project)
    }

    /// How much of a quota a project uses.
    pub fn used(&mut self, project: &Id, item: &str) -> Result<i64, Fault> {
        self.db.used(project, item)
    }
}

/// What hosts report about things, by kind and id. Never stored: a host tells it again.
pub trait Seen {
    /// The newest report about a thing.
    fn seen(&self, kind: &str, id: &Id) -> Option<Value>;
}

impl Seen for () {
    fn seen(&self, _: &str, _: &Id) -> Option<Value> {
        None
    }
}
