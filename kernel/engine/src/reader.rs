//! Reading for a caller: the policy decides, what narrows it is asked as for a command, and a denial
//! is journaled.

use crate::command::{Command, Failure, Job};
use crate::driver::Submit;
use crate::queue::Handle;
use crate::registry::Registry;
use crate::resource::{Have, Resource};
use crate::view::View;
use jinyun_base::{Fault, Id, Refusal, Refused};
use jinyun_policy::{Actor, Object};
use jinyun_store::{Config, Db, Query};
use std::sync::{Arc, Mutex};

/// A pool of reading connections.
pub struct Reader {
    config: Config,
    idle: Mutex<Vec<Db>>,
    registry: Arc<Registry>,
    handle: Handle,
}

impl Reader {
    /// Reads what the writer behind `handle` commits.
    pub fn new(config: Config, registry: Arc<Registry>, handle: Handle) -> Reader {
        Reader { config, idle: Mutex::new(Vec::new()), registry, handle }
    }

    /// Lends a connection. Not a decision: for the platform's own work.
    pub fn lend<T>(&self, work: impl FnOnce(&mut Db) -> Result<T, Fault>) -> Result<T, Fault> {
        let idle = self.idle.lock().ok().and_then(|mut i| i.pop());
        let mut db = match idle {
            Some(db) => db,
            None => Db::open(&self.config)?,
        };
        let result = work(&mut db);
        // A connection that failed may be broken: it is not put back.
        if result.is_ok()
            && let Ok(mut idle) = self.idle.lock()
        {
            idle.push(db);
        }
        result
    }

    /// What the services have registered.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Decides about an action on an object; a denial is journaled before it is returned, and so is
    /// what an institution's consent allows.
    pub fn allow(&self, asked: &Command, object: &Object) -> Result<(), Failure> {
        let registry = &self.registry;
        let plain = match registry.policy.decide(&asked.actor, &asked.action, object) {
            Ok(_) => {
                return registry.narrow(asked, object, None).map_err(|r| self.deny(asked, r));
            }
            Err(plain) => plain,
        };
        if registry.approver.is_none() || !registry.policy.wants_consent(&asked.actor, &asked.action) {
            return Err(self.deny(asked, plain));
        }
        let judged = self.lend(|db| {
            match registry.under_consent(&mut View::new(db), asked, object, None, plain) {
                Err(Failure::Fault(fault)) => Err(fault),
                Err(Failure::Refused(refusal)) => Ok(Err(refusal)),
                Ok(_) => Ok(Ok(())),
            }
        })?;
        match judged.and_then(|()| registry.narrow(asked, object, None)) {
            Ok(()) => self.shown(asked, object),
            Err(refusal) => Err(self.deny(asked, refusal)),
        }
    }

    /// Whether a caller may, without a record: for leaving out of a list what it may not see. A
    /// consent opens no list.
    pub fn may(&self, asked: &Command, object: &Object) -> bool {
        let registry = &self.registry;
        registry.policy.decide(&asked.actor, &asked.action, object).is_ok()
            && registry.narrow(asked, object, None).is_ok()
    }

    /// What is shown under a consent stands in the institution's own journal before it is shown. The
    /// writer judges once more: a consent that was revoked in between has no use behind its end.
    fn shown(&self, asked: &Command, object: &Object) -> Result<(), Failure> {
        let (command, object) = (Box::new(asked.clone()), Box::new(object.clone()));
        self.handle.clone().submit(Job::Shown { command, object }).map(drop)
    }

    /// Journals a refusal and returns it.
    pub fn deny(&self, asked: &Command, refusal: Refusal) -> Failure {
        let job = Job::Refused { command: Box::new(asked.clone()), refusal };
        match self.handle.clone().submit(job) {
            Err(failure) => failure,
            Ok(_) => Fault::new("a refusal was not journaled").into(),
        }
    }

    /// One resource for a caller. `asked` names the action (`..:show`) and the target.
    pub fn show<R: Resource>(&self, asked: &Command) -> Result<Have<R>, Failure> {
        let missing = || Refusal::not_found(R::KIND.0, asked.target.as_ref().map_or("", Id::as_str));
        let Some(id) = &asked.target else { return Err(missing().into()) };
        let Some(stored) = self.lend(|db| db.get(R::KIND.0, id))? else {
            return Err(missing().into());
        };
        let object = self.registry.object(&stored)?;
        self.allow(asked, &object)?;
        Ok(Have::decode(stored)?)
    }

    /// All resources that a query finds and the caller may see. What it may not see is left out,
    /// which is no denial: it asked for what it can see. A consent opens no list.
    pub fn list<R: Resource>(&self, asked: &Command, query: &Query)
        -> Result<Vec<Have<R>>, Failure> {
        let rows = self.lend(|db| db.list(R::KIND, query))?;
        let mut seen = Vec::with_capacity(rows.len());
        for stored in rows {
            let have = Have::<R>::decode(stored)?;
            let object = Object {
                what: Some((R::KIND, have.id.clone())),
                domain: Some(have.domain.clone()),
                project: (!have.project.as_str().is_empty()).then(|| have.project.clone()),
                owner: R::owner(&have),
                shared: R::shared(&have.spec),
            };
            if self.may(asked, &object) {
                seen.push(have);
            }
        }
        Ok(seen)
    }

    /// Reads without a caller: for the platform's own work.
    pub fn view<T>(&self, work: impl FnOnce(&mut View<'_>) -> Result<T, Fault>)
        -> Result<T, Fault> {
        self.lend(|db| work(&mut View::new(db)))
    }

    /// A command that only asks, for [`Reader::show`] and [`Reader::list`].
    pub fn asking(action: impl Into<String>, actor: &Actor, request: &str) -> Command {
        Command::new(action, actor.clone(), request)
    }

    /// "You must say who you are", journaled.
    pub fn unauthenticated(&self, asked: &Command, message: &str) -> Failure {
        self.deny(asked, Refusal::new(Refused::Unauthenticated, message))
    }
}
