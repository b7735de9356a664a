//! Who there is: people of two institutions and the provider's staff, with roles that are taken and
//! given back while requests of theirs wait.
//!
//! A request that is under way brings the roles that its bearer had when it was let in, so a caller
//! here has sometimes more than the records say by now: whoever counts votes must look for himself.

use crate::world::{PROJECTS, World};
use jinyun_base::{Entropy, Id};
use jinyun_engine::{Command, Failure};
use jinyun_identity::{Grant, Scoped};
use jinyun_policy::{Actor, ActorKind, Duty, Role, Scope};
use serde_json::{Value, json};

/// Somebody with an account.
pub(crate) struct Person {
    pub name: &'static str,
    pub domain: &'static str,
    /// What they hold where, when everything begins.
    pub places: &'static [(&'static str, Grant)],
}

const READER: Grant = Grant::Role(Role::Reader);
const MEMBER: Grant = Grant::Role(Role::Member);
const MANAGER: Grant = Grant::Role(Role::Manager);
const SYSTEM: Grant = Grant::Duty(Duty::SystemAdmin);
const SECURITY: Grant = Grant::Duty(Duty::SecurityAdmin);
const AUDIT: Grant = Grant::Duty(Duty::AuditAdmin);

/// Everybody.
pub(crate) const PEOPLE: &[Person] = &[
    Person { name: "member0", domain: "bank", places: &[("p0", MEMBER)] },
    Person { name: "member1", domain: "bank", places: &[("p1", MEMBER)] },
    Person { name: "member2", domain: "fund", places: &[("p2", MEMBER)] },
    Person { name: "lead0", domain: "bank", places: &[("p0", MANAGER), ("p1", MANAGER)] },
    Person { name: "lead1", domain: "bank", places: &[("p0", MANAGER), ("p1", MANAGER)] },
    Person { name: "lead2", domain: "fund", places: &[("p2", MANAGER)] },
    Person { name: "lead3", domain: "fund", places: &[("p2", MANAGER)] },
    Person { name: "reader", domain: "bank", places: &[("p0", READER)] },
    Person { name: "head0", domain: "bank", places: &[("bank", MANAGER)] },
    Person { name: "head1", domain: "bank", places: &[("bank", MANAGER)] },
    Person { name: "head2", domain: "fund", places: &[("fund", MANAGER)] },
    Person { name: "head3", domain: "fund", places: &[("fund", MANAGER)] },
    Person { name: "ops0", domain: "default", places: &[("system", SYSTEM)] },
    Person { name: "ops1", domain: "default", places: &[("system", SYSTEM)] },
    Person { name: "sec0", domain: "default", places: &[("system", SECURITY)] },
    Person { name: "sec1", domain: "default", places: &[("system", SECURITY)] },
    Person { name: "auditor", domain: "default", places: &[("system", AUDIT)] },
];

/// Who works in each project.
pub(crate) const MEMBERS: [&str; 3] = ["member0", "member1", "member2"];
/// Its two managers.
pub(crate) const LEADS: [(&str, &str); 3] =
    [("lead0", "lead1"), ("lead0", "lead1"), ("lead2", "lead3")];

/// The two managers of an institution.
pub(crate) fn heads(domain: &str) -> [&'static str; 2] {
    if domain == "bank" { ["head0", "head1"] } else { ["head2", "head3"] }
}

impl World {
    /// Accounts, roles, and a group that may vote.
    pub(crate) fn settle_people(&mut self) -> Result<(), Failure> {
        for person in PEOPLE {
            let args = json!({ "name": person.name, "domain": person.domain, "enabled": true });
            let id = self.platform("identity:user:create", args, person.domain)?;
            self.people.insert(person.name, id);
            for (place, grant) in person.places {
                let args = self.assignment(person.name, place, *grant);
                self.platform("identity:assignment:create", args, person.domain)?;
            }
        }
        let head = self.token("head0", "bank");
        let mut make = Command::new("identity:group:create", head.clone(), "s")
            .with(json!({ "name": "board", "domain": "bank" }));
        make.domain = Some("bank".into());
        self.board = self.run(make)?.row.map_or_else(|| Id::new(""), |row| row.id);
        for name in ["lead0", "lead1"] {
            let args = json!({ "group": self.board, "user": self.person(name) });
            self.run(Command::new("identity:membership:create", head.clone(), "s").with(args))?;
        }
        Ok(())
    }

    fn platform(&mut self, action: &str, args: Value, domain: &str) -> Result<Id, Failure> {
        let mut command = Command::new(action, Actor::system("setup"), "s").with(args);
        command.domain = Some(domain.into());
        let answer = self.run(command)?;
        Ok(answer.value["id"].as_str().unwrap_or_default().into())
    }

    /// The id of somebody's account.
    pub fn person(&self, name: &str) -> Id {
        self.people.get(name).cloned().unwrap_or_else(|| Id::new(""))
    }

    /// The project of this short name.
    pub fn project(&self, name: &str) -> Id {
        self.projects.get(name).cloned().unwrap_or_else(|| Id::new(""))
    }

    fn scoped(&self, place: &str) -> Scoped {
        match self.projects.get(place) {
            Some(project) => Scoped::Project(project.clone()),
            None if place == "system" => Scoped::System,
            None => Scoped::Domain(place.into()),
        }
    }

    fn assignment(&self, name: &str, place: &str, grant: Grant) -> Value {
        json!({ "user": self.person(name), "role": grant, "scope": self.scoped(place) })
    }

    /// A member of a project.
    pub fn member(&self, project: &'static str) -> Actor {
        let at = PROJECTS.iter().position(|(p, _)| *p == project).unwrap_or(0);
        self.token(MEMBERS[at], project)
    }

    /// Somebody with what they held in a place when everything began.
    pub fn token(&self, name: &str, place: &str) -> Actor {
        let person = PEOPLE.iter().find(|p| p.name == name);
        let grant = person.and_then(|p| p.places.iter().find(|(at, _)| *at == place));
        let (role, duty) = match grant {
            Some((_, Grant::Role(role))) => (Some(*role), None),
            Some((_, Grant::Duty(duty))) => (None, Some(*duty)),
            None => (None, None),
        };
        let domain = PROJECTS.iter().find(|(p, _)| *p == place).map_or(place, |(_, d)| *d);
        let scope = match self.scoped(place) {
            Scoped::System => Scope::System,
            Scoped::Domain(domain) => Scope::Domain(domain),
            Scoped::Project(project) => Scope::Project { project, domain: domain.into() },
        };
        let home = person.map_or("", |p| p.domain);
        let (kind, id) = (ActorKind::User, self.person(name));
        Actor { kind, id, domain: home.into(), scope, role, duty }
    }

    /// Somebody with what they hold in a place at present, if that is anything.
    pub(crate) fn present(&self, name: &str, place: &str) -> Option<Actor> {
        let id = self.person(name);
        let enabled = self.directory.user(&id).is_some_and(|u| u.enabled);
        let found = self.directory.actor_at(&id, Some(&self.scoped(place)), self.now());
        found.filter(|_| enabled)
    }

    /// Somebody who asks for something: mostly with what they hold now, sometimes with a request
    /// that has been under way since before.
    pub(crate) fn caller(&mut self, name: &str, place: &str) -> Actor {
        let before = self.token(name, place);
        if self.dice.below(4) == 0 {
            return before;
        }
        self.present(name, place).unwrap_or(before)
    }

    /// Somebody's role or account is taken away, or given back.
    pub(crate) fn change_people(&mut self) -> Result<(), Failure> {
        for command in self.changes_of_people() {
            self.run(command)?;
        }
        Ok(())
    }

    /// The commands for that.
    pub(crate) fn changes_of_people(&mut self) -> Vec<Command> {
        let at = self.pick(PEOPLE.len());
        let person = &PEOPLE[at];
        let at = self.pick(person.places.len());
        let (place, grant) = person.places[at];
        let (who, office) = match (person.domain, person.name) {
            ("default", "sec0") => ("sec1", "system"),
            ("default", _) => ("sec0", "system"),
            ("bank", "head0") => ("head1", "bank"),
            ("bank", _) => ("head0", "bank"),
            (_, "head2") => ("head3", "fund"),
            _ => ("head2", "fund"),
        };
        let by = self.token(who, office);
        let id = self.person(person.name);
        let account = |on: bool| {
            Command::new("identity:user:update", by.clone(), "i").on(id.clone())
                .with(json!({ "enabled": on }))
        };
        let role = self.assignment(person.name, place, grant);
        let board = json!({ "group": self.board, "user": id });
        let assign = |verb: &str| {
            Command::new(format!("identity:assignment:{verb}"), by.clone(), "i").with(role.clone())
        };
        let seat = |verb: &str| {
            Command::new(format!("identity:membership:{verb}"), by.clone(), "i").with(board.clone())
        };
        match self.dice.below(8) {
            0 | 1 => vec![assign("delete")],
            2 => vec![account(false)],
            3 if place != "system" => vec![seat("delete")],
            4 if person.name.starts_with("lead") => vec![seat("create")],
            _ => vec![account(true), assign("create")],
        }
    }

    /// How much a project may have is set anew: just what it has, a little more, or anything.
    pub(crate) fn change_limit(&mut self) -> Result<(), Failure> {
        let at = self.pick(PROJECTS.len());
        let (name, domain) = PROJECTS[at];
        let project = self.project(name);
        let item = ["network", "port", "security_group"][self.pick(3)];
        let limit = match self.dice.below(4) {
            0 => self.db.used(&project, item)?,
            1 => self.db.used(&project, item)? + 1,
            _ => -1,
        };
        let by = self.caller("ops0", "system");
        let set = self.db.claimed("limit", &format!("{project}/{item}"))?;
        let command = match set {
            Some((_, id)) => {
                Command::new("identity:limit:update", by, "i").on(id).with(json!({ "limit": limit }))
            }
            None => {
                let one = json!({ "item": item, "project": project, "limit": limit });
                let mut make = Command::new("identity:limit:create", by, "i")
                    .with(json!({ "limits": [one] }));
                make.domain = Some(domain.into());
                make
            }
        };
        self.run(command).map(drop)
    }
}
