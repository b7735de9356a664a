//! What the engine asks: is this narrowed, and is what a command leaves behind as it must be.
//!
//! Statements are kept in memory, made ready, and follow the effects of each commit before its
//! answers go out, as the directory of people does: whoever is told that a statement is there can
//! rely on it. Groups and tags are asked of that directory at each use.

use crate::book::{Asked, Book, Held, Verdict};
use crate::condition::{Circumstances, second};
use crate::guardrail::{self, Profile};
use crate::keepers::{self, Origin};
use crate::pattern::never;
use crate::statement::{Statement, StatementSpec, Target};
use jinyun_base::{Fault, Id, Refusal, Refused, Time};
use jinyun_engine::{
    Change, Command, Effect, Failure, Guard, Limiter, Query, Resource, View,
};
use jinyun_identity::Directory;
use jinyun_policy::{Actor, ActorKind, Object, PROVIDER};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, RwLock};

/// Reads the clock.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// The profile of a project, and the guardrails that an exception excuses it from. They are rows of
/// another service; a project that nobody has said anything about is basic.
pub type Profiles =
    Arc<dyn Fn(&mut View<'_>, &Id) -> Result<(Profile, Vec<String>), Fault> + Send + Sync>;

/// An institution's statements, as rows and made ready.
#[derive(Default)]
struct Shelf {
    rows: BTreeMap<Id, StatementSpec>,
    book: Arc<Book>,
}

impl Shelf {
    fn bind(&mut self) {
        let rows = self.rows.iter().map(|(id, spec)| (id.clone(), spec.clone()));
        self.book = Arc::new(Book::new(rows));
    }
}

/// The service's state.
pub struct Access {
    pub(crate) directory: Arc<Directory>,
    pub(crate) clock: Clock,
    pub(crate) profiles: Profiles,
    keys: Vec<&'static str>,
    shelves: RwLock<HashMap<Id, Shelf>>,
}

/// Kinds whose change can take an institution its last manager who is let do anything.
const PEOPLE: [&str; 4] = ["assignment", "membership", "user", "group"];

/// What a statement says to something, by its id and its name.
pub(crate) struct Looked {
    pub id: Id,
    pub spec: StatementSpec,
    pub verdict: Verdict,
}

impl Access {
    pub(crate) fn new(directory: Arc<Directory>, clock: Clock, profiles: Profiles,
        keys: Vec<&'static str>) -> Access {
        Access { directory, clock, profiles, keys, shelves: RwLock::default() }
    }

    /// Reads all statements from the store.
    pub fn load(&self, view: &mut View<'_>) -> Result<(), Fault> {
        let mut fresh: HashMap<Id, Shelf> = HashMap::new();
        for have in view.list::<Statement>(&Query::default())? {
            fresh.entry(have.domain).or_default().rows.insert(have.id, have.spec);
        }
        fresh.values_mut().for_each(Shelf::bind);
        self.change(|shelves| *shelves = fresh);
        Ok(())
    }

    /// Takes in what a commit changed.
    pub fn apply(&self, effects: &[Effect]) {
        let mine = |effect: &&Effect| match effect {
            Effect::Put { kind, .. } | Effect::Drop { kind, .. } => kind == Statement::KIND.0,
            _ => false,
        };
        if !effects.iter().any(|e| mine(&e)) {
            return;
        }
        self.change(|shelves| {
            let mut changed: BTreeSet<Id> = BTreeSet::new();
            for effect in effects.iter().filter(mine) {
                match effect {
                    Effect::Put { id, domain, spec, .. } => {
                        // A spec that was just written by us can be read by us.
                        if let Ok(spec) = serde_json::from_value(spec.clone()) {
                            let domain = Id::new(domain);
                            let shelf = shelves.entry(domain.clone()).or_default();
                            shelf.rows.insert(Id::new(id), spec);
                            changed.insert(domain);
                        }
                    }
                    Effect::Drop { id, .. } => {
                        let id = Id::new(id);
                        for (domain, shelf) in shelves.iter_mut() {
                            if shelf.rows.remove(&id).is_some() {
                                changed.insert(domain.clone());
                            }
                        }
                    }
                    _ => {}
                }
            }
            for domain in changed {
                if let Some(shelf) = shelves.get_mut(&domain) {
                    shelf.bind();
                }
            }
            shelves.retain(|_, shelf| !shelf.rows.is_empty());
        });
    }

    fn change(&self, work: impl FnOnce(&mut HashMap<Id, Shelf>)) {
        match self.shelves.write() {
            Ok(mut shelves) => work(&mut shelves),
            // Whoever panicked while writing left whole books.
            Err(broken) => work(&mut broken.into_inner()),
        }
    }

    fn look<T>(&self, work: impl FnOnce(&HashMap<Id, Shelf>) -> T) -> T {
        match self.shelves.read() {
            Ok(shelves) => work(&shelves),
            Err(broken) => work(&broken.into_inner()),
        }
    }

    fn book(&self, domain: &Id) -> Option<Arc<Book>> {
        self.look(|shelves| shelves.get(domain).map(|shelf| shelf.book.clone()))
    }

    /// Asks a book about something.
    fn ask<T>(&self, book: &Book, asked: &Command, object: &Object, now: Time,
        question: impl FnOnce(&Asked<'_>) -> T) -> T {
        let user = &asked.actor.id;
        let groups = if book.groups { self.directory.groups_of(user) } else { Vec::new() };
        let mut on: Vec<Target> = Vec::new();
        if let Some(project) = &object.project {
            on.push(Target::Project(project.clone()));
            if book.tags
                && let Some(spec) = self.directory.project(project)
            {
                on.extend(spec.tags.into_iter().map(Target::ProjectTag));
            }
        }
        on.extend(object.what.iter().map(|(kind, id)| {
            Target::Thing { kind: kind.0.into(), id: id.clone() }
        }));
        question(&Asked {
            user,
            groups: &groups,
            role: asked.actor.role,
            action: &asked.action,
            on: &on,
            at: Circumstances {
                source: asked.source.as_deref().and_then(|s| s.parse().ok()),
                second: second(&asked.action, &asked.via.methods),
                issued: asked.via.issued,
                approved: asked.approval.is_some(),
                now,
            },
        })
    }

    /// Every statement of an institution about an action, with what it says at a moment.
    pub(crate) fn verdicts(&self, domain: &Id, asked: &Command, object: &Object, now: Time)
        -> Vec<Looked> {
        let book = self.book(domain).filter(|_| narrowed(asked));
        let Some(book) = book else { return Vec::new() };
        self.ask(&book, asked, object, now, |question| {
            book.verdicts(question).into_iter().map(|(held, verdict)| Looked {
                id: held.id.clone(),
                spec: held.spec.clone(),
                verdict,
            }).collect()
        })
    }

    fn keep_managers(&self, view: &mut View<'_>, changes: &[Change], now: Time)
        -> Result<(), Failure> {
        let domains: BTreeSet<&Id> = changes.iter()
            .filter(|c| PEOPLE.contains(&c.kind.as_str())).map(|c| &c.domain).collect();
        for domain in domains {
            // The rows are asked, not the books: those of this transaction count as well.
            if !keepers::open(view, domain, &self.keys, Origin::Anywhere, now)? {
                let say = "The managers who would be left are kept by the institution's statements \
                           from what a manager has to do: change the statements first.";
                return Err(Refusal::conflict(say).into());
            }
        }
        Ok(())
    }
}

/// Whether statements are asked at all.
fn narrowed(asked: &Command) -> bool {
    asked.actor.kind == ActorKind::User && !never(&asked.action)
}

/// Whose statements bind an actor: those of its own institution wherever it works, and those of the
/// institution whose role it uses, which somebody may have passed on to it. The provider has none.
fn homes(actor: &Actor) -> impl Iterator<Item = &Id> {
    let place = actor.domain_of_scope().filter(|d| **d != actor.domain);
    std::iter::once(&actor.domain).chain(place).filter(|d| d.as_str() != PROVIDER)
}

/// The sentence of a refusal. Only the institution's own people are told by which statement.
fn refusal(asked: &Command, domain: &Id, held: &Held, condition: Option<&str>) -> Refusal {
    let action = &asked.action;
    if *domain != asked.actor.domain {
        let say = format!("You are not authorized to perform the requested action: {action}.");
        return Refusal::new(Refused::Forbidden, say);
    }
    let name = format!("Statement {} ({}) of your institution", held.id, held.spec.name);
    let only = match condition {
        None => return Refusal::new(Refused::Forbidden, format!("{name} denies {action}.")),
        Some("source") => "from the networks that it names",
        Some("hours") => "in the hours that it names",
        Some("second_factor") => "with a second factor: sign in with one",
        Some("age") => "shortly after signing in: sign in again",
        Some(_) => "under its conditions",
    };
    Refusal::new(Refused::Forbidden, format!("{name} allows {action} only {only}."))
}

impl Limiter for Access {
    fn limit(&self, asked: &Command, object: &Object, now: Option<Time>) -> Result<(), Refusal> {
        if !narrowed(asked) {
            return Ok(());
        }
        for domain in homes(&asked.actor) {
            let Some(book) = self.book(domain) else { continue };
            let now = now.unwrap_or_else(|| (self.clock)());
            let found = self.ask(&book, asked, object, now, |question| {
                book.refusing(question).map(|(held, why)| refusal(asked, domain, held, why))
            });
            if let Some(refusal) = found {
                return Err(refusal);
            }
        }
        Ok(())
    }
}

impl Guard for Access {
    fn watches(&self, kind: &str) -> bool {
        guardrail::watches(kind) || PEOPLE.contains(&kind)
    }

    fn judge(&self, view: &mut View<'_>, command: &Command, changes: &[Change], now: Time)
        -> Result<(), Failure> {
        // The platform carries out what was judged when somebody asked for it.
        if command.actor.kind != ActorKind::User {
            return Ok(());
        }
        guardrail::judge(view, &self.profiles, changes)?;
        self.keep_managers(view, changes, now)
    }
}
