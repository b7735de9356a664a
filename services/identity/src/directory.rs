//! Who there is, in memory: what every request needs to know before it can be decided.
//!
//! Loaded from the store at start and kept current by the effects of each commit, before the answer
//! of the command goes out: whoever is told that a role was taken can rely on it. A request asks
//! about one user in one place, so grants are found by their holder and by their place, groups by
//! their member, projects by what they lie in; nothing walks over all users.

mod delegated;
mod effective;
mod present;

pub(crate) use effective::{Effective, Filter, May};

use crate::app_credential::{AppCredential, AppCredentialSpec};
use crate::assignment::{Assignment, AssignmentSpec, Scoped};
use crate::compliance::{Compliance, ComplianceKind};
use crate::domain::{Domain, DomainSpec};
use crate::federation::protocol::{self, Protocol, ProtocolSpec};
use crate::external::{DirectorySpec, UserDirectory};
use crate::federation::provider::{Provider, ProviderSpec};
use crate::group::{Group, GroupSpec, Membership, MembershipSpec};
use crate::lockout::{Lockout, LockoutSpec};
use crate::names::fold;
use crate::project::{Project, ProjectSpec};
use crate::token::{Revocation, RevocationSpec, Token};
use crate::trust::{Trust, TrustSpec};
use crate::user::{User, UserSpec};
use jinyun_base::{Fault, Id, Time};
use jinyun_engine::{Effect, Query, View};
use jinyun_policy::{Actor, PROVIDER, Role};
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::sync::RwLock;
use std::sync::atomic::{AtomicI64, Ordering};

/// Ids that belong to a key.
type Index<K> = HashMap<K, BTreeSet<Id>>;

fn insert<K: Hash + Eq>(index: &mut Index<K>, key: K, id: &Id) {
    index.entry(key).or_default().insert(id.clone());
}

fn remove<K: Hash + Eq>(index: &mut Index<K>, key: &K, id: &Id) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

#[derive(Default)]
struct Inside {
    domains: HashMap<Id, DomainSpec>,
    domain_names: HashMap<String, Id>,
    projects: HashMap<Id, ProjectSpec>,
    project_names: HashMap<(Id, String), Id>,
    /// By the project or domain that they lie directly in.
    children: Index<Id>,
    users: HashMap<Id, UserSpec>,
    names: HashMap<(Id, String), Id>,
    groups: HashMap<Id, GroupSpec>,
    group_names: HashMap<(Id, String), Id>,
    memberships: HashMap<Id, MembershipSpec>,
    /// Ends of memberships that have one, by user and group.
    ends: HashMap<(Id, Id), i64>,
    groups_of: Index<Id>,
    members: Index<Id>,
    grants: HashMap<Id, AssignmentSpec>,
    by_holder: Index<Id>,
    by_scope: Index<Scoped>,
    app_credentials: HashMap<Id, AppCredentialSpec>,
    app_names: HashMap<(Id, String), Id>,
    trusts: HashMap<Id, TrustSpec>,
    compliance: HashMap<Id, Compliance>,
    lockouts: HashMap<Id, LockoutSpec>,
    revoked: HashMap<String, (Id, i64)>,
    providers: HashMap<Id, ProviderSpec>,
    protocols: HashMap<Id, ProtocolSpec>,
    /// Domains whose user directory counts.
    directories: HashSet<Id>,
}

/// The directory.
#[derive(Default)]
pub struct Directory {
    inside: RwLock<Inside>,
    /// The latest time that anybody has named: what [`Directory::actor`] takes for now.
    latest: AtomicI64,
}

impl Directory {
    fn read<T>(&self, look: impl FnOnce(&Inside) -> T) -> T {
        match self.inside.read() {
            Ok(inside) => look(&inside),
            // Whoever panicked while writing left whole entries: each change is one insertion.
            Err(broken) => look(&broken.into_inner()),
        }
    }

    fn write(&self, change: impl FnOnce(&mut Inside)) {
        match self.inside.write() {
            Ok(mut inside) => change(&mut inside),
            Err(broken) => change(&mut broken.into_inner()),
        }
    }

    fn at(&self, now: Time) -> Time {
        // Not the greatest: a clock that was wrong once must not end everybody's tokens.
        self.latest.store(now.0, Ordering::Relaxed);
        now
    }

    /// Reads everything from the store.
    pub fn load(&self, view: &mut View<'_>) -> Result<(), Fault> {
        let all = Query::default();
        let mut fresh = Inside::default();
        view.list::<Domain>(&all)?.into_iter().for_each(|h| fresh.domain(h.id, h.spec));
        view.list::<Project>(&all)?.into_iter().filter(|h| !h.deleting)
            .for_each(|h| fresh.project(h.id, h.spec));
        view.list::<User>(&all)?.into_iter().for_each(|h| fresh.user(h.id, h.spec));
        view.list::<Group>(&all)?.into_iter().for_each(|h| fresh.group(h.id, h.spec));
        view.list::<Membership>(&all)?.into_iter().for_each(|h| fresh.member(h.id, h.spec));
        view.list::<Assignment>(&all)?.into_iter().for_each(|h| fresh.grant(h.id, h.spec));
        view.list::<AppCredential>(&all)?.into_iter()
            .for_each(|h| fresh.app_credential(h.id, h.spec));
        view.list::<Trust>(&all)?.into_iter().for_each(|h| fresh.trust(h.id, h.spec));
        view.list::<ComplianceKind>(&all)?.into_iter().for_each(|h| fresh.rules(h.id, h.spec));
        view.list::<Lockout>(&all)?.into_iter().for_each(|h| fresh.lock(h.id, h.spec));
        view.list::<Revocation>(&all)?.into_iter().for_each(|h| fresh.revoke(h.id, h.spec));
        fresh.providers = view.list::<Provider>(&all)?.into_iter().map(|h| (h.id, h.spec)).collect();
        fresh.protocols = view.list::<Protocol>(&all)?.into_iter().map(|h| (h.id, h.spec)).collect();
        fresh.directories = view.list::<UserDirectory>(&all)?.into_iter()
            .filter(|h| h.spec.counts()).map(|h| h.id).collect();
        self.write(|inside| *inside = fresh);
        Ok(())
    }

    /// Takes in what a commit changed.
    pub fn apply(&self, effects: &[Effect]) {
        const MINE: [&str; 14] = ["domain", "project", "user", "group", "membership", "assignment",
            "application_credential", "trust", "compliance", "lockout", "revocation",
            "identity_provider", "federation_protocol", "directory"];
        let about = |e: &Effect| match e {
            Effect::Put { kind, .. } | Effect::Drop { kind, .. } => MINE.contains(&kind.as_str()),
            _ => false,
        };
        if effects.iter().any(about) {
            self.write(|inside| effects.iter().for_each(|e| inside.apply(e)));
        }
    }

    /// A user by name.
    pub fn user_by_name(&self, domain: &Id, name: &str) -> Option<(Id, UserSpec)> {
        // Folded before the lock is taken: a name from outside may be long.
        let key = (domain.clone(), fold(name));
        self.read(|i| {
            let id = i.names.get(&key)?;
            i.users.get(id).map(|u| (id.clone(), u.clone()))
        })
    }

    /// A user by id.
    pub fn user(&self, id: &Id) -> Option<UserSpec> {
        self.read(|i| i.users.get(id).cloned())
    }

    /// A domain.
    pub fn domain(&self, id: &Id) -> Option<DomainSpec> {
        self.read(|i| i.domains.get(id).cloned())
    }

    /// A domain's id by name.
    pub fn domain_by_name(&self, name: &str) -> Option<Id> {
        self.read(|i| i.domain_names.get(&fold(name)).cloned())
    }

    /// A project.
    pub fn project(&self, id: &Id) -> Option<ProjectSpec> {
        self.read(|i| i.projects.get(id).cloned())
    }

    /// A project's id by name.
    pub fn project_by_name(&self, domain: &Id, name: &str) -> Option<Id> {
        self.read(|i| i.project_names.get(&(domain.clone(), fold(name))).cloned())
    }

    /// The projects that one lies in, the nearest first.
    pub fn above(&self, project: &Id) -> Vec<Id> {
        self.read(|i| i.above(project).into_iter().cloned().collect())
    }

    /// What lies directly in a project or domain.
    pub fn children(&self, of: &Id) -> Vec<Id> {
        self.read(|i| i.children.get(of).into_iter().flatten().cloned().collect())
    }

    /// Everything that lies in a project or domain, at any depth.
    pub fn below(&self, of: &Id) -> Vec<Id> {
        self.read(|i| i.below(of))
    }

    /// A group.
    pub fn group(&self, id: &Id) -> Option<GroupSpec> {
        self.read(|i| i.groups.get(id).cloned())
    }

    /// A group's id by name.
    pub fn group_by_name(&self, domain: &Id, name: &str) -> Option<Id> {
        let key = (domain.clone(), fold(name));
        self.read(|i| i.group_names.get(&key).cloned())
    }

    /// The groups that a user is in.
    pub fn groups_of(&self, user: &Id) -> Vec<Id> {
        let now = Time(self.latest.load(Ordering::Relaxed));
        self.read(|i| {
            let groups = i.groups_of.get(user).into_iter().flatten();
            groups.filter(|g| i.belongs(user, g, now)).cloned().collect()
        })
    }

    /// The users that are in a group.
    pub fn members(&self, group: &Id) -> Vec<Id> {
        let now = Time(self.latest.load(Ordering::Relaxed));
        self.read(|i| {
            let members = i.members.get(group).into_iter().flatten();
            members.filter(|u| i.belongs(u, group, now)).cloned().collect()
        })
    }

    /// An identity provider.
    pub(crate) fn provider(&self, id: &Id) -> Option<ProviderSpec> {
        self.read(|i| i.providers.get(id).cloned())
    }

    /// A protocol of an identity provider.
    pub(crate) fn protocol(&self, idp: &str, protocol: &str) -> Option<ProtocolSpec> {
        self.read(|i| i.protocols.get(&protocol::row(idp, protocol)).cloned())
    }

    /// All grants that name a user, also those that have ended; none of the user's groups.
    pub fn grants(&self, user: &Id) -> Vec<AssignmentSpec> {
        self.read(|i| {
            let ids = i.by_holder.get(user).into_iter().flatten();
            ids.filter_map(|id| i.grants.get(id)).cloned().collect()
        })
    }

    /// An application credential.
    pub fn app_credential(&self, id: &Id) -> Option<AppCredentialSpec> {
        self.read(|i| i.app_credentials.get(id).cloned())
    }

    /// An application credential of a user by its name.
    pub fn app_credential_by_name(&self, user: &Id, name: &str)
        -> Option<(Id, AppCredentialSpec)> {
        self.read(|i| {
            let id = i.app_names.get(&(user.clone(), fold(name)))?;
            i.app_credentials.get(id).map(|c| (id.clone(), c.clone()))
        })
    }

    /// A trust.
    pub fn trust(&self, id: &Id) -> Option<TrustSpec> {
        self.read(|i| i.trusts.get(id).cloned())
    }

    /// The security rules that hold in a domain: its own, else the provider's, else the built-in.
    pub fn compliance(&self, domain: &Id) -> Compliance {
        let own = self.read(|i| {
            i.compliance.get(domain).or_else(|| i.compliance.get(&Id::new(PROVIDER))).cloned()
        });
        own.unwrap_or_default()
    }

    /// Whether a domain has security rules of its own.
    pub fn has_compliance(&self, domain: &Id) -> bool {
        self.read(|i| i.compliance.contains_key(domain))
    }

    /// Until when a user is locked out, if it is.
    pub fn locked(&self, user: &Id, now: Time) -> Option<Time> {
        self.read(|i| i.lockouts.get(user).map(|l| Time(l.until))).filter(|until| *until > now)
    }

    /// Whether a token still says something true: not expired, not revoked, its user enabled, and
    /// what it was made with still there.
    pub fn accepts(&self, token: &Token, now: Time) -> bool {
        let now = self.at(now);
        self.read(|i| i.accepts(token, now))
    }

    /// The actor that a user is in a scope: `None` if the scope is gone or gives no role.
    pub fn actor(&self, user: &Id, scope: Option<&Scoped>) -> Option<Actor> {
        self.actor_at(user, scope, Time(self.latest.load(Ordering::Relaxed)))
    }

    /// The same at a time: roles that have ended by then do not count.
    pub fn actor_at(&self, user: &Id, scope: Option<&Scoped>, now: Time) -> Option<Actor> {
        let now = self.at(now);
        self.read(|i| i.actor(user, scope, now))
    }

    /// The actor behind a token: no more than what the credential or trust gives that it was made
    /// with. `None` if the token is not accepted any more.
    pub fn actor_of(&self, token: &Token, now: Time) -> Option<Actor> {
        let now = self.at(now);
        self.read(|i| i.accepts(token, now).then(|| i.actor_of(token, now)).flatten())
    }

    /// The projects in which a user can work.
    pub fn projects_of(&self, user: &Id, now: Time) -> Vec<Id> {
        let now = self.at(now);
        self.read(|i| i.projects_of(user, now))
    }

    /// The domains in which a user has a role.
    pub fn domains_of(&self, user: &Id, now: Time) -> Vec<Id> {
        let now = self.at(now);
        self.read(|i| i.domains_of(user, now))
    }

    /// Assignments as they were given, by id; those that have ended are left out.
    pub(crate) fn assignments(&self, filter: &Filter, now: Time, may: May<'_>)
        -> Vec<AssignmentSpec> {
        let now = self.at(now);
        self.read(|i| i.assignments(filter, now, may))
    }

    /// What assignments give to whom, at most so many; whether that is all. `may` is asked while
    /// the directory is being read: it must not turn to the directory itself.
    pub(crate) fn effective(&self, filter: &Filter, most: usize, now: Time, may: May<'_>)
        -> (Vec<Effective>, bool) {
        let now = self.at(now);
        self.read(|i| i.effective(filter, most, now, may))
    }

    /// The domain that an assignment in this place belongs to.
    pub fn home(&self, scope: &Scoped) -> Option<Id> {
        self.read(|i| i.home(scope))
    }
}

impl Inside {
    fn domain(&mut self, id: Id, spec: DomainSpec) {
        self.forget_domain(&id);
        self.domain_names.insert(fold(&spec.name), id.clone());
        self.domains.insert(id, spec);
    }

    fn forget_domain(&mut self, id: &Id) {
        if let Some(old) = self.domains.remove(id) {
            self.domain_names.remove(&fold(&old.name));
        }
    }

    fn project(&mut self, id: Id, spec: ProjectSpec) {
        self.forget_project(&id);
        self.project_names.insert((spec.domain.clone(), fold(&spec.name)), id.clone());
        insert(&mut self.children, spec.parent.as_ref().unwrap_or(&spec.domain).clone(), &id);
        self.projects.insert(id, spec);
    }

    fn forget_project(&mut self, id: &Id) {
        if let Some(old) = self.projects.remove(id) {
            remove(&mut self.children, old.parent.as_ref().unwrap_or(&old.domain), id);
            self.project_names.remove(&(old.domain, fold(&old.name)));
        }
    }

    fn user(&mut self, id: Id, spec: UserSpec) {
        self.forget_user(&id);
        self.names.insert((spec.domain.clone(), fold(&spec.name)), id.clone());
        self.users.insert(id, spec);
    }

    fn forget_user(&mut self, id: &Id) {
        if let Some(old) = self.users.remove(id) {
            self.names.remove(&(old.domain, fold(&old.name)));
        }
    }

    fn group(&mut self, id: Id, spec: GroupSpec) {
        self.forget_group(&id);
        self.group_names.insert((spec.domain.clone(), fold(&spec.name)), id.clone());
        self.groups.insert(id, spec);
    }

    fn forget_group(&mut self, id: &Id) {
        if let Some(old) = self.groups.remove(id) {
            self.group_names.remove(&(old.domain, fold(&old.name)));
        }
    }

    fn member(&mut self, id: Id, spec: MembershipSpec) {
        self.forget_member(&id);
        if let Some(end) = spec.until {
            self.ends.insert((spec.user.clone(), spec.group.clone()), end);
        }
        insert(&mut self.groups_of, spec.user.clone(), &spec.group);
        insert(&mut self.members, spec.group.clone(), &spec.user);
        self.memberships.insert(id, spec);
    }

    fn forget_member(&mut self, id: &Id) {
        if let Some(old) = self.memberships.remove(id) {
            remove(&mut self.groups_of, &old.user, &old.group);
            remove(&mut self.members, &old.group, &old.user);
            self.ends.remove(&(old.user, old.group));
        }
    }

    /// Whether a membership that is there holds at a time.
    fn belongs(&self, user: &Id, group: &Id, now: Time) -> bool {
        self.ends.is_empty()
            || self.ends.get(&(user.clone(), group.clone())).is_none_or(|end| *end > now.0)
    }

    fn grant(&mut self, id: Id, spec: AssignmentSpec) {
        self.forget_grant(&id);
        insert(&mut self.by_holder, spec.holder().clone(), &id);
        insert(&mut self.by_scope, spec.scope.clone(), &id);
        self.grants.insert(id, spec);
    }

    fn forget_grant(&mut self, id: &Id) {
        if let Some(old) = self.grants.remove(id) {
            remove(&mut self.by_holder, old.holder(), id);
            remove(&mut self.by_scope, &old.scope, id);
        }
    }

    fn app_credential(&mut self, id: Id, spec: AppCredentialSpec) {
        self.app_names.insert((spec.user.clone(), fold(&spec.name)), id.clone());
        self.app_credentials.insert(id, spec);
    }

    fn forget_app_credential(&mut self, id: &Id) {
        if let Some(old) = self.app_credentials.remove(id) {
            self.app_names.remove(&(old.user, fold(&old.name)));
        }
    }

    fn trust(&mut self, id: Id, spec: TrustSpec) {
        self.trusts.insert(id, spec);
    }

    fn rules(&mut self, id: Id, spec: Compliance) {
        self.compliance.insert(id, spec);
    }

    fn lock(&mut self, id: Id, spec: LockoutSpec) {
        self.lockouts.insert(id, spec);
    }

    fn revoke(&mut self, id: Id, spec: RevocationSpec) {
        self.revoked.insert(spec.audit, (id, spec.expires));
    }

    fn apply(&mut self, effect: &Effect) {
        match effect {
            // On its way out: it gives nothing any more, though its row stays for a while.
            Effect::Put { kind, id, deleting: true, .. } if kind == "project" => {
                self.forget_project(&Id::new(id));
            }
            Effect::Put { kind, id, spec, .. } => {
                let id = Id::new(id);
                match kind.as_str() {
                    "domain" => self.take(spec, |i, s| i.domain(id, s)),
                    "project" => self.take(spec, |i, s| i.project(id, s)),
                    "user" => self.take(spec, |i, s| i.user(id, s)),
                    "group" => self.take(spec, |i, s| i.group(id, s)),
                    "membership" => self.take(spec, |i, s| i.member(id, s)),
                    "assignment" => self.take(spec, |i, s| i.grant(id, s)),
                    "application_credential" => self.take(spec, |i, s| i.app_credential(id, s)),
                    "trust" => self.take(spec, |i, s| i.trust(id, s)),
                    "compliance" => self.take(spec, |i, s| i.rules(id, s)),
                    "lockout" => self.take(spec, |i, s| i.lock(id, s)),
                    "revocation" => self.take(spec, |i, s| i.revoke(id, s)),
                    "identity_provider" => self.take(spec, |i, s| {
                        i.providers.insert(id, s);
                    }),
                    "federation_protocol" => self.take(spec, |i, s| {
                        i.protocols.insert(id, s);
                    }),
                    "directory" => self.take(spec, |i, s: DirectorySpec| {
                        if s.counts() { i.directories.insert(id) } else { i.directories.remove(&id) };
                    }),
                    _ => {}
                }
            }
            Effect::Drop { kind, id } => {
                let id = Id::new(id);
                match kind.as_str() {
                    "domain" => self.forget_domain(&id),
                    "project" => self.forget_project(&id),
                    "user" => self.forget_user(&id),
                    "group" => self.forget_group(&id),
                    "membership" => self.forget_member(&id),
                    "assignment" => self.forget_grant(&id),
                    "application_credential" => self.forget_app_credential(&id),
                    "trust" => {
                        self.trusts.remove(&id);
                    }
                    "compliance" => {
                        self.compliance.remove(&id);
                    }
                    "lockout" => {
                        self.lockouts.remove(&id);
                    }
                    "revocation" => self.revoked.retain(|_, (row, _)| *row != id),
                    "identity_provider" => {
                        self.providers.remove(&id);
                    }
                    "federation_protocol" => {
                        self.protocols.remove(&id);
                    }
                    "directory" => {
                        self.directories.remove(&id);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// A spec that was just written by us can be read by us.
    fn take<S: DeserializeOwned>(&mut self, spec: &serde_json::Value,
        put: impl FnOnce(&mut Inside, S)) {
        if let Ok(spec) = serde_json::from_value(spec.clone()) {
            put(self, spec);
        }
    }
}

/// The roles that a highest role includes.
pub(crate) fn implied(role: Role) -> &'static [Role] {
    match role {
        Role::Reader => &[Role::Reader],
        Role::Member => &[Role::Member, Role::Reader],
        Role::Manager => &[Role::Manager, Role::Member, Role::Reader],
    }
}
