//! What tenants ask for. Much of it is refused, which is as good a question as any; what a rule
//! catches is kept and waits.

use crate::people::{LEADS, MEMBERS};
use crate::world::{PROJECTS, World};
use jinyun_base::{Entropy, Id};
use jinyun_engine::{Command, Failure};
use jinyun_store::Query;
use serde_json::{Value, json};

impl World {
    /// Some row of a kind: usually the project's own, sometimes anybody's.
    pub(crate) fn some(&mut self, kind: &'static str, project: &'static str) -> Option<Id> {
        let foreign = self.dice.below(12) == 0;
        let query = match self.projects.get(project) {
            Some(id) if !foreign => Query::project(id),
            _ => Query::default(),
        };
        let rows = self.db.list(jinyun_base::Kind(kind), &query).ok()?;
        if rows.is_empty() {
            return None;
        }
        let at = self.pick(rows.len());
        rows.into_iter().nth(at).map(|s| s.row.id)
    }

    /// What would turn a server off or on again; now and then what it is already.
    pub(crate) fn turn(&mut self, server: Option<&Id>) -> &'static str {
        let stored = server.and_then(|id| self.db.get("server", id).ok().flatten());
        let spec: Option<Value> = stored.and_then(|s| serde_json::from_str(&s.row.spec).ok());
        let on = spec.is_some_and(|spec| spec["running"] == true);
        if on != (self.dice.below(5) == 0) { "compute:server:stop" } else { "compute:server:start" }
    }

    /// One thing that a tenant asks for; much of it is refused.
    pub(crate) fn tenant(&mut self) -> Result<(), Failure> {
        let at = self.pick(PROJECTS.len());
        let project = PROJECTS[at].0;
        let (lead, other) = LEADS[at];
        let who = match self.dice.below(8) {
            0 => lead,
            1 => other,
            _ => MEMBERS[at],
        };
        // A request that is under way knows nothing of a role that was taken meanwhile.
        let actor = self.token(who, project);
        let none = || Id::new("nothing");
        let name = format!("n{}", self.dice.below(6));
        let create = |action: &str, args: Value| {
            Command::new(format!("{action}:create"), actor.clone(), "t").with(args)
        };
        let on = |action: &str, id: Option<Id>| {
            Command::new(action, actor.clone(), "t").on(id.unwrap_or_else(none))
        };
        let command = match self.dice.below(18) {
            0 => create("network:network", json!({ "name": name })),
            1 => {
                let net = self.some("network", project).unwrap_or_else(none);
                let third = self.dice.below(3);
                create("network:subnet",
                    json!({ "network": net, "cidr": format!("10.{third}.0.0/28") }))
            }
            2 | 3 => {
                let net = self.some("network", project).unwrap_or_else(none);
                create("network:port", json!({ "network": net, "name": name }))
            }
            4 => create("network:security_group", json!({ "name": name })),
            5 => on("network:port:delete", self.some("port", project)),
            6 => on("network:network:delete", self.some("network", project)),
            7 => on("network:security_group:delete", self.some("security_group", project)),
            8 => {
                let id = self.some("network", project);
                on("network:network:update", id).with(json!({ "name": name }))
            }
            9 | 10 => {
                let gib = 1 + self.dice.below(4) as i64;
                create("volume:volume", json!({ "name": name, "gib": gib,
                    "volume_type": jinyun_volume::TYPE }))
            }
            11 => on("volume:volume:delete", self.some("volume", project)),
            12 | 13 => {
                let net = self.some("network", project).unwrap_or_else(none);
                let image = self.some("image", project).unwrap_or_else(none);
                let networks = json!({ "these": [{ "network": { "id": net, "ip": null } }] });
                let mut args = json!({ "name": name, "image": image, "flavor": "1",
                    "networks": networks });
                if self.dice.below(3) == 0 {
                    let volume = self.some("volume", project).unwrap_or_else(none);
                    args["volumes"] = json!([volume]);
                }
                create("compute:server", args)
            }
            14 => on("compute:server:delete", self.some("server", project)),
            15 | 16 => {
                let server = self.some("server", project);
                on(self.turn(server.as_ref()), server)
            }
            _ => create("network:port", json!({ "network": 7 })),
        };
        self.run(command).map(drop)
    }
}
