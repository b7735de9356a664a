//! Everything that checks may read, as it was observed at one time.
//!
//! A check is a pure function of this, so that a test can make a world in which exactly one thing
//! is wrong. What could not be observed is an error text here and never an empty list: "nothing
//! found" and "not looked" are different findings.

use crate::attack::Tried;
use crate::commands::Asked;
use crate::facts::crypto::Answers;
use crate::facts::hosts::{HostLook, Left};
use crate::facts::images::ImageLook;
use crate::facts::journal::Journal;
use crate::facts::listeners::ListenerLook;
use crate::facts::remains::Remains;
use crate::facts::secrets::{KeyFile, SecretFact, StoreFile};
use crate::facts::site::Site;
use crate::needs::Needs;
use crate::pieces::{self, Each};
use crate::trials::Sights;
use jinyun_base::{Id, Time};
use jinyun_engine::{Failure, Have, Registry, Resource, Stored};
use jinyun_policy::{Actor, ActorKind, Duty, Object, Role, Scope};
use jinyun_wire::{Answer, Ask};
use std::net::SocketAddr;
use std::sync::Arc;

/// Asks a host something.
pub type AskHost = Arc<dyn Fn(&str, Ask) -> Result<Answer, Failure> + Send + Sync>;

/// A decision of the policy about a tenant's thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The action.
    pub action: String,
    /// Whether a manager of the project may.
    pub owner: bool,
    /// Which duties may.
    pub duties: Vec<Duty>,
}

/// What was observed.
#[derive(Debug, Clone)]
pub struct World {
    /// When the observation ended.
    pub now: Time,
    /// Hosts and what is installed on them, while the stage stood.
    pub hosts: Vec<HostLook>,
    /// All records of the same moment.
    pub rows: Vec<Stored>,
    /// What is known of the secrets of the same moment.
    pub secrets: Vec<SecretFact>,
    /// Disks after the stage was struck.
    pub left: Vec<Left>,
    /// Secrets after that.
    pub secrets_left: Vec<SecretFact>,
    /// The journal, verified and replayed.
    pub journal: Result<Journal, String>,
    /// Attacks that were carried out.
    pub tried: Vec<Tried>,
    /// Why there are none, if so.
    pub no_stage: String,
    /// Refusals that must be on record.
    pub asked: Vec<Asked>,
    /// What trials saw beside what they tried.
    pub sights: Sights,
    /// What was left of the synthetic tenant.
    pub remains: Result<Remains, String>,
    /// What the national algorithms answered.
    pub answers: Result<Answers, String>,
    /// What the policy says about tenants' things.
    pub reach: Vec<Reach>,
    /// The listeners.
    pub listeners: Vec<ListenerLook>,
    /// All sockets on which the control process listens.
    pub sockets: Result<Vec<SocketAddr>, String>,
    /// The root key's file.
    pub key_file: Result<KeyFile, String>,
    /// Where it lies, with all that lies there.
    pub store: Result<Vec<StoreFile>, String>,
    /// Images read again.
    pub images: Vec<ImageLook>,
    /// What the place itself shows.
    pub site: Site,
}

impl Default for World {
    fn default() -> World {
        let unseen = || "it was not looked at".to_string();
        World {
            now: Time(0),
            hosts: Vec::new(),
            rows: Vec::new(),
            secrets: Vec::new(),
            left: Vec::new(),
            secrets_left: Vec::new(),
            journal: Err(unseen()),
            tried: Vec::new(),
            no_stage: unseen(),
            asked: Vec::new(),
            sights: Sights::default(),
            remains: Err(unseen()),
            answers: Err(unseen()),
            reach: Vec::new(),
            listeners: Vec::new(),
            sockets: Err(unseen()),
            key_file: Err(unseen()),
            store: Err(unseen()),
            images: Vec::new(),
            site: Site::default(),
        }
    }
}

impl World {
    /// All resources of a kind. One that cannot be decoded is an error, as it would be elsewhere.
    pub fn all<R: Resource>(&self) -> Result<Vec<Have<R>>, String> {
        pieces::each::<R>(self).map(Each::copies)
    }

    /// The same to look at, without copies: what was decoded for an earlier look is taken again.
    pub fn each<R: Resource>(&self) -> Result<Each<'_, R>, String> {
        pieces::each(self)
    }

    /// Exchanges what was tried of these sorts.
    fn exchange(&mut self, facts: Needs, from: &mut World) {
        let its = |tried: &Tried| facts.has(Needs::of_attack(tried.check));
        let (given, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut from.tried).into_iter().partition(its);
        let (former, mut ours): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.tried).into_iter().partition(its);
        ours.extend(given);
        self.tried = ours;
        from.tried = kept;
        from.tried.extend(former);
    }

    /// Takes facts of these sorts from another world, which gets the former ones.
    pub fn adopt(&mut self, facts: Needs, from: &mut World) {
        use std::mem::swap;
        if facts.has(Needs::ROWS) {
            swap(&mut self.rows, &mut from.rows);
            swap(&mut self.secrets, &mut from.secrets);
        }
        if facts.has(Needs::POLICY) {
            swap(&mut self.reach, &mut from.reach);
        }
        if facts.has(Needs::LISTENERS) {
            swap(&mut self.listeners, &mut from.listeners);
            swap(&mut self.sockets, &mut from.sockets);
        }
        if facts.has(Needs::KEY_FILE) {
            swap(&mut self.key_file, &mut from.key_file);
            swap(&mut self.store, &mut from.store);
        }
        if facts.meets(Needs::JOURNAL.and(Needs::PROOF)) {
            swap(&mut self.journal, &mut from.journal);
        }
        if facts.has(Needs::HOSTS) {
            swap(&mut self.hosts, &mut from.hosts);
            swap(&mut self.left, &mut from.left);
            swap(&mut self.secrets_left, &mut from.secrets_left);
        }
        if facts.meets(Needs::DOORS.and(Needs::CAMP).and(Needs::ATTACKS)) {
            self.exchange(facts, from);
        }
        if facts.has(Needs::DOORS) {
            swap(&mut self.answers, &mut from.answers);
            swap(&mut self.site.knock, &mut from.site.knock);
            swap(&mut self.site.doors, &mut from.site.doors);
            if !facts.has(Needs::ATTACKS)
                && let (Ok(ours), Ok(theirs)) = (&mut self.site.doors, &mut from.site.doors)
            {
                // Requests leave entries: they were sent with the other attacks.
                swap(&mut ours.locked, &mut theirs.locked);
                swap(&mut ours.open, &mut theirs.open);
                swap(&mut ours.rude, &mut theirs.rude);
            }
        }
        if facts.has(Needs::SHELVES) {
            swap(&mut self.site.taken, &mut from.site.taken);
        }
        if facts.has(Needs::ATTACKS) {
            swap(&mut self.asked, &mut from.asked);
            swap(&mut self.no_stage, &mut from.no_stage);
            swap(&mut self.site.quotas, &mut from.site.quotas);
            swap(&mut self.sights, &mut from.sights);
            swap(&mut self.remains, &mut from.remains);
        }
        if facts.has(Needs::IMAGES) {
            swap(&mut self.images, &mut from.images);
        }
    }

    /// Why nothing can be said about hosts, if so: none, simulated, silent, or changing.
    pub fn hosts_silent(&self) -> Option<String> {
        if self.hosts.is_empty() {
            return Some("no host is known".into());
        }
        let simulated = self.hosts.iter().filter(|h| h.facts.simulated).count();
        if simulated > 0 {
            return Some("hosts are simulated: not proved".into());
        }
        self.hosts.iter().find_map(|h| h.installed.as_ref().err())
            .map(|why| format!("a host could not be read: {why}"))
    }
}

/// The actions whose object is always a tenant's.
fn is_tenants(action: &str) -> bool {
    const PREFIXES: [&str; 3] = ["network:", "volume:", "compute:server:"];
    // How much a project has is the provider's business too; it opens no data.
    PREFIXES.iter().any(|p| action.starts_with(p)) && !action.ends_with(":quota:show")
}

/// Asks the policy about every action on a tenant's thing, for its owner and for each duty.
pub fn reach(registry: &Registry) -> Vec<Reach> {
    let (domain, project) = (Id::new("a-domain"), Id::new("a-project"));
    let object = Object {
        what: None,
        domain: Some(domain.clone()),
        project: Some(project.clone()),
        owner: None,
        shared: false,
    };
    let owner = Actor {
        kind: ActorKind::User,
        id: "somebody".into(),
        domain: domain.clone(),
        scope: Scope::Project { project, domain },
        role: Some(Role::Manager),
        duty: None,
    };
    let on = |duty| Actor { scope: Scope::System, role: None, duty: Some(duty), ..owner.clone() };
    let may = |actor: &Actor, action: &str| registry.policy.decide(actor, action, &object).is_ok();
    registry.action_names().into_iter().filter(|a| is_tenants(a)).map(|action| Reach {
        action: action.into(),
        owner: may(&owner, action),
        duties: [Duty::SystemAdmin, Duty::SecurityAdmin, Duty::AuditAdmin].into_iter()
            .filter(|duty| may(&on(*duty), action)).collect(),
    }).collect()
}
