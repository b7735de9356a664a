//! Who agrees and who allows: rules, votes, consents, and what time does to them.
//!
//! Rules are written, changed and lifted while commands wait for them; voters say yes, no, twice, of
//! their own request, too late, with too little, or all at once; institutions consent and end it.
//! Whether any of that is to be believed is not asked here: `agreed` and `consented` judge.

use crate::people::{LEADS, PEOPLE, heads};
use crate::world::{PROJECTS, World};
use jinyun_base::{Entropy, Id, Kind};
use jinyun_engine::{Answer, Command, Failure, View};
use jinyun_policy::Actor;
use jinyun_store::Query;
use serde_json::{Value, json};

/// What institutions have rules about.
const RULED: [&str; 10] = ["network:network:create", "network:network:delete", "network:port:*",
    "network:*:delete", "network:security_group:create", "volume:volume:create", "volume:volume:*",
    "compute:server:delete", "compute:server:stop", "compute:server:*"];
/// Most rules of one institution at a time: with more of them everything waits.
const MANY: usize = 3;
const VOTE: &str = "approval:approval:vote";

impl World {
    /// One thing around approvals and consents. Most of what is refused here is meant to be.
    pub(crate) fn decide(&mut self) {
        let _ = match self.dice.below(30) {
            0 => self.make_rule(),
            1 | 24 => self.change_rule(),
            2..=8 => self.ballot(),
            9 => {
                self.crowd();
                Ok(())
            }
            10 => self.take_back(),
            11 | 12 => self.change_people(),
            13 => self.change_limit(),
            14 | 15 => self.make_consent(),
            16 | 25 => self.change_consent(),
            17 | 18 | 26..=28 => self.act_under_consent(),
            19..=21 => {
                self.tend();
                Ok(())
            }
            22 => self.too_late(),
            _ => {
                let most = if self.dice.below(4) == 0 { 6 * 3600 } else { 90 };
                let pause = self.dice.below(most) as i64;
                self.wait(pause * 1_000_000);
                Ok(())
            }
        };
    }

    /// What time brings, as the product does it every few seconds.
    pub fn tend(&mut self) {
        let now = self.tick();
        let due = jinyun_approval::due(&mut View::new(&mut self.db), now).unwrap_or_default();
        for command in due {
            let _ = self.run(command);
        }
    }

    fn institution(&mut self) -> &'static str {
        if self.dice.below(3) == 0 { "fund" } else { "bank" }
    }

    fn head(&mut self, domain: &str) -> &'static str {
        heads(domain)[self.pick(2)]
    }

    fn stage(&mut self, domain: &str) -> Value {
        let role = |role: &str, within: &str, count: u64| {
            json!({ "who": { "role": { "role": role, "within": within } }, "count": count })
        };
        let count = 1 + self.dice.below(2);
        match self.dice.below(8) {
            0..=2 => role("manager", "project", count),
            3 | 4 => role("manager", "domain", 1),
            5 => role("member", "project", 1),
            6 if domain == "bank" => json!({ "who": { "groups": [self.board] }, "count": count }),
            _ => {
                let named = self.person(if domain == "bank" { "lead0" } else { "lead2" });
                json!({ "who": { "users": [named] }, "count": 1 })
            }
        }
    }

    fn stages(&mut self, domain: &str) -> Value {
        let many = 1 + self.dice.below(5) / 4;
        (0..many).map(|_| self.stage(domain)).collect()
    }

    fn window(&mut self) -> Value {
        if self.dice.below(4) > 0 {
            return Value::Null;
        }
        let days = match self.dice.below(3) {
            0 => json!(["wed", "sat"]),
            _ => json!(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]),
        };
        let (from, to) = (self.dice.below(1440), self.dice.below(1440));
        json!({ "days": days, "from": from, "to": to })
    }

    fn deadline(&mut self) -> u64 {
        [60, 300, 3600][self.pick(3)]
    }

    fn rules_of(&mut self, domain: &str) -> Vec<Id> {
        let rows = self.db.list(Kind("approval_rule"), &Query::field("home", domain));
        rows.unwrap_or_default().into_iter().map(|s| s.row.id).collect()
    }

    /// A rule is written.
    pub(crate) fn make_rule(&mut self) -> Result<(), Failure> {
        if self.dice.below(6) == 0 {
            return self.make_platform_rule();
        }
        let domain = self.institution();
        if self.rules_of(domain).len() >= MANY {
            return self.change_rule();
        }
        let inside: Vec<&str> =
            PROJECTS.iter().filter(|(_, d)| *d == domain).map(|(p, _)| *p).collect();
        let one = inside[self.pick(inside.len())];
        let project = if self.dice.below(3) == 0 { self.project(one) } else { Id::new("") };
        let when = match self.dice.below(8) {
            0 => json!([{ "project_tag": "environment:production" }]),
            1 => json!([{ "no_project_tag": "environment:production" }]),
            _ => json!([]),
        };
        let (reason, guarded) = (self.dice.below(6) == 0, self.dice.below(8) == 0);
        let stages = match guarded {
            // Somebody has to be able to change it again.
            true => json!([{ "who": { "role": { "role": "manager", "within": "domain" } },
                "count": 1 }]),
            false => self.stages(domain),
        };
        let action = RULED[self.pick(RULED.len())];
        let (window, deadline) = (self.window(), self.deadline());
        let head = self.head(domain);
        let by = self.caller(head, domain);
        let args = json!({ "name": "r", "domain": domain, "project": project, "action": action,
            "when": when, "stages": stages, "deadline": deadline, "window": window,
            "reason_required": reason, "guarded": guarded });
        self.run(Command::new("approval:approval_rule:create", by, "r").with(args)).map(drop)
    }

    /// What staff does to limits waits for the security administrators, or no longer.
    fn make_platform_rule(&mut self) -> Result<(), Failure> {
        let by = self.caller("sec0", "system");
        let command = match self.rules_of("default").first() {
            Some(id) => Command::new("approval:approval_rule:delete", by, "r").on(id.clone()),
            None => {
                let deadline = self.deadline();
                let args = json!({ "name": "r", "domain": "default", "project": "",
                    "action": "identity:limit:*", "deadline": deadline,
                    "stages": [{ "who": { "duty": "security_admin" }, "count": 1 }] });
                Command::new("approval:approval_rule:create", by, "r").with(args)
            }
        };
        self.run(command).map(drop)
    }

    /// A rule is changed or lifted, perhaps while something waits for it.
    fn change_rule(&mut self) -> Result<(), Failure> {
        let domain = self.institution();
        let rules = self.rules_of(domain);
        if rules.is_empty() {
            return Ok(());
        }
        let id = rules[self.pick(rules.len())].clone();
        let head = self.head(domain);
        let by = self.caller(head, domain);
        let change = match self.dice.below(6) {
            0 => json!({ "stages": self.stages(domain) }),
            1 => json!({ "deadline": self.deadline() }),
            2 => json!({ "window": self.window() }),
            _ => Value::Null,
        };
        let command = match change {
            Value::Null => Command::new("approval:approval_rule:delete", by, "r").on(id),
            change => Command::new("approval:approval_rule:update", by, "r").on(id).with(change),
        };
        self.run(command).map(drop)
    }

    /// Some request that waits.
    fn some_request(&mut self) -> Option<(Id, Value)> {
        let open = self.db.list(Kind("approval"), &Query::field("open", "yes")).ok()?;
        let at = self.pick(open.len());
        let row = open.into_iter().nth(at)?.row;
        let spec = serde_json::from_str(&row.spec).ok()?;
        Some((row.id, spec))
    }

    /// People who could say yes at the stage that a request waits at, and where.
    fn fitting(&self, spec: &Value) -> Vec<(&'static str, &'static str)> {
        let none = Vec::new();
        let votes = spec["votes"].as_array().unwrap_or(&none);
        let stages = spec["stages"].as_array().unwrap_or(&none);
        let waits = stages.iter().enumerate().find(|(n, stage)| {
            let yes = votes.iter().filter(|v| v["approve"] == true && v["stage"] == *n).count();
            stage["count"].as_u64().is_some_and(|count| (yes as u64) < count)
        });
        let Some((_, stage)) = waits else { return Vec::new() };
        let who = &stage["who"];
        let project = spec["project"].as_str().unwrap_or_default();
        let at = PROJECTS.iter().position(|(p, _)| {
            self.projects.get(p).is_some_and(|id| id.as_str() == project)
        });
        if !who["duty"].is_null() {
            return vec![("sec0", "system"), ("sec1", "system")];
        }
        match at {
            Some(at) if who["role"]["within"] != "domain" => {
                let (place, (one, other)) = (PROJECTS[at].0, LEADS[at]);
                vec![(one, place), (other, place)]
            }
            _ => {
                let domain = if spec["domain"] == "bank" { "bank" } else { "fund" };
                heads(domain).map(|head| (head, domain)).to_vec()
            }
        }
    }

    fn asker(spec: &Value) -> Option<Actor> {
        serde_json::from_value(spec["command"]["actor"].clone()).ok()
    }

    /// A vote of somebody who may, of somebody who may not, or of whoever asked.
    fn vote_on(&mut self, id: &Id, spec: &Value) -> Command {
        let fitting = self.fitting(spec);
        let anybody = fitting.is_empty() || self.dice.below(5) == 0;
        let (name, place) = if anybody {
            let person = &PEOPLE[self.pick(PEOPLE.len())];
            (person.name, person.places[self.pick(person.places.len())].0)
        } else {
            fitting[self.pick(fitting.len())]
        };
        let mut by = self.caller(name, place);
        if self.dice.below(10) == 0
            && let Some(asker) = Self::asker(spec)
        {
            by = asker;
        }
        let approve = self.dice.below(7) > 0;
        Command::new(VOTE, by, "v").on(id.clone())
            .with(json!({ "approve": approve, "comment": "looked at it" }))
    }

    /// Somebody votes, with what they held when everything began.
    pub fn vote(&mut self, name: &str, place: &str, request: &Id, yes: bool) -> Result<(), Failure> {
        let args = json!({ "approve": yes, "comment": "looked at it" });
        let vote = Command::new(VOTE, self.token(name, place), "v").on(request.clone()).with(args);
        let answer = self.run(vote.clone());
        self.counted(&vote, &answer);
        answer.map(drop)
    }

    /// Remembers a vote that was acknowledged.
    fn counted(&mut self, vote: &Command, answer: &Result<Answer, Failure>) {
        if answer.is_ok()
            && let Some(request) = &vote.target
        {
            let yes = vote.args["approve"] == true;
            self.votes.push((request.clone(), vote.actor.id.clone(), yes));
            self.outcome.votes += 1;
        }
    }

    /// Somebody votes; now and then whoever asked gives a reason first or asks again, or the same
    /// vote comes twice.
    pub(crate) fn ballot(&mut self) -> Result<(), Failure> {
        let Some((id, spec)) = self.some_request() else { return self.tenant() };
        if spec["reason_required"] == true && spec["reason"] == "" && self.dice.below(4) > 0
            && let Some(asker) = Self::asker(&spec)
        {
            let why = json!({ "reason": "it is needed" });
            let _ = self.run(Command::new("approval:approval:explain", asker, "v")
                .on(id.clone()).with(why));
        }
        if self.dice.below(12) == 0 {
            return self.ask_again(&spec);
        }
        let vote = self.vote_on(&id, &spec);
        let twice = self.dice.below(8) == 0;
        let answer = self.run(vote.clone());
        self.counted(&vote, &answer);
        if twice {
            let again = self.run(vote.clone());
            self.counted(&vote, &again);
        }
        answer.map(drop)
    }

    fn ask_again(&mut self, spec: &Value) -> Result<(), Failure> {
        match serde_json::from_value::<Command>(spec["command"].clone()) {
            Ok(command) => self.run(command).map(drop),
            Err(_) => Ok(()),
        }
    }

    /// Several things happen at the same moment: votes, and perhaps before each the end of somebody's
    /// role. They are one group, and one commit.
    fn crowd(&mut self) {
        let mut commands = Vec::new();
        for _ in 0..2 + self.dice.below(3) {
            if self.dice.below(3) == 0 {
                commands.extend(self.changes_of_people());
            }
            if let Some((id, spec)) = self.some_request() {
                commands.push(self.vote_on(&id, &spec));
            }
        }
        if commands.is_empty() {
            return;
        }
        let answers = self.run_all(commands.clone());
        for (command, answer) in commands.iter().zip(&answers) {
            if command.action == VOTE {
                self.counted(command, answer);
            }
        }
    }

    fn take_back(&mut self) -> Result<(), Failure> {
        let Some((id, spec)) = self.some_request() else { return Ok(()) };
        match Self::asker(&spec) {
            Some(asker) => {
                self.run(Command::new("approval:approval:withdraw", asker, "v").on(id)).map(drop)
            }
            None => Ok(()),
        }
    }

    /// The deadline passes, nobody has said so yet, and somebody votes or asks again.
    fn too_late(&mut self) -> Result<(), Failure> {
        let Some((id, spec)) = self.some_request() else { return Ok(()) };
        let left = spec["deadline"].as_i64().unwrap_or(0) - self.now().0;
        if left > 0 {
            self.wait(left);
        }
        if self.dice.below(3) == 0 {
            return self.ask_again(&spec);
        }
        let vote = self.vote_on(&id, &spec);
        let answer = self.run(vote.clone());
        self.counted(&vote, &answer);
        answer.map(drop)
    }

    /// Staff asks for a consent, or an institution gives one of its own accord.
    fn make_consent(&mut self) -> Result<(), Failure> {
        let domain = self.institution();
        let at = self.pick(PROJECTS.len());
        let (name, home) = PROJECTS[at];
        let project = match self.dice.below(3) == 0 && home == domain {
            true => self.project(name),
            false => Id::new(""),
        };
        let resource = match self.dice.below(5) == 0 && home == domain {
            true => self.some("server", name).map(|id| json!({ "kind": "server", "id": id })),
            false => None,
        };
        let now = self.now().0;
        let standing = self.dice.below(4) == 0;
        let until = (!standing).then(|| now + 1_000_000 * (20 + self.dice.below(600) as i64));
        let from = (self.dice.below(6) == 0).then_some(now + 15_000_000);
        let actions = ["compute:server:stop", "compute:server:start", "compute:server:*"];
        let action = actions[self.pick(3)];
        let own = self.dice.below(3) == 0;
        let by = match own {
            true => {
                let head = self.head(domain);
                self.caller(head, domain)
            }
            false => {
                let name = ["ops0", "ops1", "sec0"][self.pick(3)];
                self.caller(name, "system")
            }
        };
        let (duty, user) = match self.dice.below(4) {
            0 => (None, Some(self.person("ops1"))),
            _ => (Some("system_admin"), None),
        };
        let contract = if standing { "hosting" } else { "" };
        let args = json!({ "domain": domain, "project": project, "resource": resource,
            "duty": duty, "user": user, "actions": [action], "from": from, "until": until,
            "reason": "a service has to stay up", "standing": standing, "contract": contract });
        let command = Command::new("approval:consent:create", by, "c").with(args);
        self.run(command.at(&domain.into(), &project)).map(drop)
    }

    /// A consent is granted, refused, revoked or taken back, also by those who may not.
    fn change_consent(&mut self) -> Result<(), Failure> {
        let open = self.db.list(Kind("consent"), &Query::field("open", "yes"))?;
        let at = self.pick(open.len());
        let Some(row) = open.into_iter().nth(at).map(|s| s.row) else { return Ok(()) };
        let spec: Value = serde_json::from_str(&row.spec).unwrap_or_default();
        let right = if spec["domain"] == "bank" { "bank" } else { "fund" };
        let domain = if self.dice.below(6) == 0 { self.institution() } else { right };
        let head = self.head(domain);
        let by = self.caller(head, domain);
        let verb = match (spec["state"] == "waiting", self.dice.below(4)) {
            (true, 0..=2) => "vote",
            (false, 0 | 1) => "revoke",
            (false, 2) => return Ok(()),
            _ => "withdraw",
        };
        let by = match verb {
            "withdraw" => self.caller("ops0", "system"),
            _ => by,
        };
        let args = json!({ "approve": self.dice.below(6) > 0, "comment": "" });
        let command = Command::new(format!("approval:consent:{verb}"), by, "c");
        self.run(command.on(row.id).with(args)).map(drop)
    }

    /// Staff turns a tenant's server on or off, with a consent or without.
    fn act_under_consent(&mut self) -> Result<(), Failure> {
        let mut servers = self.db.list(Kind("server"), &Query::default())?;
        // Mostly what somebody has consented to: elsewhere all is refused.
        let open = self.db.list(Kind("consent"), &Query::field("open", "yes"))?;
        let mut given: Vec<Value> = open.iter()
            .filter_map(|c| serde_json::from_str(&c.row.spec).ok())
            .filter(|c: &Value| c["state"] == "granted").collect();
        let mut name = ["ops0", "ops1", "ops0", "sec0"][self.pick(4)];
        let at = self.pick(given.len());
        if at < given.len() && self.dice.below(4) > 0 {
            let consent = given.swap_remove(at);
            servers.retain(|s| {
                let mine = |what: &Value, id: &Id| {
                    what.as_str().is_none_or(|w| w.is_empty() || w == id.as_str())
                };
                s.row.domain.as_str() == consent["domain"] && mine(&consent["project"], &s.row.project)
                    && mine(&consent["resource"]["id"], &s.row.id) && s.status.phase != "BUILD"
            });
            name = if consent["user"].is_null() { "ops0" } else { "ops1" };
        }
        let at = self.pick(servers.len());
        let Some(server) = servers.into_iter().nth(at) else { return Ok(()) };
        let staff = self.caller(name, "system");
        let verb = self.turn(Some(&server.row.id));
        let command = Command::new(verb, staff, "c");
        self.run(command.on(server.row.id))?;
        self.outcome.consented += 1;
        Ok(())
    }
}
