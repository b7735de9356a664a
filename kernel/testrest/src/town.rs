//! Two institutions and the provider, with their projects and people.
//!
//! Made by the platform's own commands, so that tests begin with rows that the services would have.
//! Roles and places are written as the commands take them: this crate knows no service.

use jinyun_base::Id;
use jinyun_engine::{Command, Failure, Job};
use jinyun_policy::Actor;
use jinyun_rest::Cloud;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Somebody: name, institution, and roles with the places where they hold.
pub type Person<R> = (&'static str, &'static str, &'static [(&'static str, R)]);

const INSTITUTIONS: [&str; 3] = ["default", "bank", "fund"];
const PROJECTS: [(&str, &str, &str); 3] = [("p", "bank", "environment:production"),
    ("q", "bank", "environment:test"), ("f", "fund", "environment:production")];

/// Who and what there is, by name.
#[derive(Default)]
pub struct Town {
    users: HashMap<&'static str, Id>,
    projects: HashMap<&'static str, Id>,
}

impl Town {
    /// The provider, a bank with the projects `p` and `q`, a fund with the project `f`, and people.
    pub fn furnish<R: Serialize>(cloud: &Cloud, people: &[Person<R>]) -> Town {
        let mut town = Town::default();
        for domain in INSTITUTIONS {
            let args = json!({ "id": domain, "name": domain, "enabled": true });
            make(cloud, "identity:domain:create", args, domain);
        }
        for (project, domain, tag) in PROJECTS {
            let args = json!({ "name": project, "domain": domain, "enabled": true, "tags": [tag] });
            town.projects.insert(project, make(cloud, "identity:project:create", args, domain));
        }
        for &(name, domain, roles) in people {
            let args = json!({ "name": name, "domain": domain, "enabled": true });
            let user = make(cloud, "identity:user:create", args, domain);
            for (place, role) in roles {
                let args = json!({ "user": user, "role": role, "scope": town.place(place) });
                make(cloud, "identity:assignment:create", args, domain);
            }
            town.users.insert(name, user);
        }
        town
    }

    /// A user's id.
    pub fn user(&self, name: &str) -> Id {
        self.users[name].clone()
    }

    /// A project's id.
    pub fn project(&self, name: &str) -> Id {
        self.projects[name].clone()
    }

    /// Where a role holds, as an assignment has it: `system`, an institution, or a project.
    pub fn place(&self, name: &str) -> Value {
        match name {
            "system" => json!("system"),
            domain if INSTITUTIONS.contains(&domain) => json!({ "domain": domain }),
            project => json!({ "project": self.project(project) }),
        }
    }
}

/// Runs a command as the platform. The id of what it made.
fn make(cloud: &Cloud, action: &str, args: Value, domain: &str) -> Id {
    let mut command = Command::new(action, Actor::system("test"), "setup").with(args);
    command.domain = Some(domain.into());
    match cloud.handle.run(Job::Command(Box::new(command))) {
        Ok(answer) => answer.value["id"].as_str().expect("what was made has an id").into(),
        Err(Failure::Refused(refusal)) => panic!("{action}: {refusal}"),
        Err(Failure::Fault(fault)) => panic!("{action}: {fault}"),
    }
}
