//! The checkers of approvals and consents catch planted bugs: an engine that does not ask, votes that
//! do not count, an approver or a consent that is careless.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_approval::{Approval, State, Vote};
use jinyun_base::{Fault, Id, Refusal, Refused, Time};
use jinyun_engine::{Approver, Command, Ctx, Failure, Job, Need, Registry, Verb, View};
use jinyun_policy::{Actor, ActorKind, Duty, Object, Role, Rule, Scope, Who};
use jinyun_sim::world::registry;
use jinyun_sim::{World, check};
use serde_json::{Value, json};
use std::sync::Arc;

const SECOND: i64 = 1_000_000;

/// A cloud without faults and without a workload.
fn quiet(seed: u64) -> World {
    let mut world = World::new(seed).unwrap();
    world.calm().unwrap();
    world
}

fn caught(result: Result<(), String>, word: &str) {
    let say = result.expect_err("the planted bug was not caught");
    assert!(say.contains(word), "{say}");
}

fn sound(world: &mut World) {
    check::approvals(world).unwrap();
    check::runs(world).unwrap();
    check::votes(world).unwrap();
    check::consents(world).unwrap();
}

/// A stage: managers of the project or of the domain.
fn managers(within: &str, count: u64) -> Value {
    json!({ "who": { "role": { "role": "manager", "within": within } }, "count": count })
}

/// The bank has networks made by approval only; the rule's id.
fn rule(world: &mut World, stages: Value, reason: bool) -> Id {
    let head = world.token("head0", "bank");
    let args = json!({ "name": "r", "domain": "bank", "project": "", "stages": stages,
        "action": "network:network:create", "deadline": 3600, "reason_required": reason });
    let make = Command::new("approval:approval_rule:create", head, "t").with(args);
    world.run(make).unwrap().value["id"].as_str().unwrap().into()
}

fn network(world: &World) -> Command {
    Command::new("network:network:create", world.member("p0"), "t").with(json!({ "name": "n" }))
}

/// A network that waits for an approval: its request.
fn held(world: &mut World) -> Id {
    let make = network(world);
    match world.run(make) {
        Err(Failure::Refused(Refusal { why: Refused::NeedsApproval(id), .. })) => id.into(),
        other => panic!("it did not wait: {other:?}"),
    }
}

/// Takes a role in p0 away.
fn dismiss(world: &mut World, name: &str, role: &str) {
    let args = json!({ "user": world.person(name), "role": role,
        "scope": { "project": world.project("p0") } });
    let by = world.token("head0", "bank");
    world.run(Command::new("identity:assignment:delete", by, "t").with(args)).unwrap();
}

/// What an approver does not look at.
#[derive(Clone, PartialEq)]
enum Careless {
    /// The rules, when what was approved runs.
    Judging,
    /// How long there is time to vote.
    Keeping,
    /// What somebody holds today.
    People,
    /// Whether this consent covers anything.
    Consent(Id),
}

struct Lax {
    sound: Arc<dyn Approver>,
    careless: Careless,
}

impl Approver for Lax {
    fn needs(&self, view: &mut View<'_>, command: &Command, object: &Object)
        -> Result<Option<Need>, Failure> {
        if self.careless == Careless::Judging && command.approval.is_some() {
            return Ok(None);
        }
        self.sound.needs(view, command, object)
    }

    fn keep(&self, ctx: &mut Ctx<'_>, command: &Command, mut need: Need) -> Result<Id, Failure> {
        if self.careless == Careless::Keeping {
            need.words["seconds"] = json!(86_400);
        }
        self.sound.keep(ctx, command, need)
    }

    fn consent(&self, view: &mut View<'_>, asked: &Command, object: &Object, now: Time)
        -> Result<Option<Id>, Fault> {
        match &self.careless {
            Careless::Consent(id) => Ok(Some(id.clone())),
            _ => self.sound.consent(view, asked, object, now),
        }
    }

    fn now(&self) -> Time {
        self.sound.now()
    }

    fn actor(&self, view: &mut View<'_>, user: &Id, scope: &Scope) -> Result<Option<Actor>, Fault> {
        if self.careless != Careless::People {
            return self.sound.actor(view, user, scope);
        }
        let (kind, id, domain) = (ActorKind::User, user.clone(), Id::new("bank"));
        let role = Some(Role::Manager);
        Ok(Some(Actor { kind, id, domain, scope: scope.clone(), role, duty: None }))
    }

    fn in_group(&self, view: &mut View<'_>, user: &Id, group: &Id) -> Result<bool, Fault> {
        self.sound.in_group(view, user, group)
    }
}

fn careless(world: &mut World, careless: Careless, mut registry: Registry) {
    let sound = world.approver().unwrap();
    registry.approver = Some(Arc::new(Lax { sound, careless }));
    world.restart_with(registry).unwrap();
}

/// Counts whoever comes.
fn count(ctx: &mut Ctx<'_>, command: &Command, enough: usize) -> Result<Value, Failure> {
    let id = command.target.clone().unwrap();
    let (who, at) = (ctx.actor.id.clone(), ctx.now);
    let mut runs = None;
    ctx.change::<Approval>(&id, None, |spec| {
        let (comment, source) = (String::new(), None);
        spec.votes.push(Vote { who, at, stage: 0, approve: true, comment, source });
        if spec.votes.len() >= enough {
            (spec.state, spec.decided) = (State::Approved, Some(at));
            runs = Some(spec.command.clone());
        }
        Ok(())
    })?;
    if let Some(mut command) = runs {
        command.approval = Some(id.to_string());
        let report = Command::new("approval:approval:settle", Actor::system("approval"), "t")
            .with(json!({ "kind": "approval", "id": id }));
        ctx.then(Job::Command(Box::new(command)), report);
    }
    Ok(json!({ "id": id }))
}

fn sloppy(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    count(ctx, command, 2)
}

fn hasty(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    count(ctx, command, 1)
}

#[test]
fn a_rule_that_nobody_heeds() {
    let mut world = quiet(51);
    rule(&mut world, json!([managers("project", 1)]), false);
    sound(&mut world);
    world.restart_with(registry()).unwrap();
    let make = network(&world);
    world.run(make).unwrap();
    caught(check::approvals(&mut world), "without an approval");
}

#[test]
fn votes_that_do_not_count() {
    type Voters = &'static [(&'static str, &'static str)];
    type Count = fn(&mut Ctx<'_>, &Command) -> Result<Value, Failure>;
    let one = json!([managers("project", 1)]);
    let two = json!([managers("project", 1), managers("domain", 1)]);
    let both = json!([managers("project", 2)]);
    // The stages, whether a reason is asked for, who votes, after how long, how they are counted,
    // and what is said of it.
    let cases: [(&Value, bool, Voters, i64, Count, &str); 8] = [
        (&one, false, &[("member0", "p0")], 0, sloppy, "their own request"),
        (&both, false, &[("lead0", "p0"), ("lead0", "p0")], 0, sloppy, "votes twice"),
        (&one, false, &[("reader", "p0")], 0, sloppy, "not one of its voters"),
        (&two, false, &[("head0", "bank")], 0, sloppy, "not one of its voters"),
        (&one, false, &[("lead0", "p0")], 3600, sloppy, "after its deadline"),
        (&one, true, &[("lead0", "p0")], 0, sloppy, "before there is a reason"),
        (&both, false, &[("lead0", "p0")], 0, hasty, "without the votes of its stage 1"),
        (&two, false, &[("lead0", "p0"), ("head0", "bank"), ("head1", "bank")], 0, sloppy,
            "which is done"),
    ];
    for (n, (stages, reason, voters, after, counting, word)) in cases.into_iter().enumerate() {
        let mut world = quiet(60 + n as u64);
        rule(&mut world, stages.clone(), reason);
        let request = held(&mut world);
        sound(&mut world);
        let mut registry = registry();
        registry.action("approval:approval:vote", "approval", Verb::Own(counting));
        registry.approver = world.approver();
        world.restart_with(registry).unwrap();
        world.wait(after * SECOND);
        for (name, place) in voters {
            world.vote(name, place, &request, true).unwrap();
        }
        caught(check::approvals(&mut world), word);
    }
}

#[test]
fn what_runs_is_judged_by_the_rules_of_that_moment() {
    let mut world = quiet(71);
    let rule = rule(&mut world, json!([managers("project", 1)]), false);
    let request = held(&mut world);
    let head = world.token("head0", "bank");
    let change = Command::new("approval:approval_rule:update", head, "t").on(rule)
        .with(json!({ "stages": [managers("project", 2)] }));
    world.run(change).unwrap();
    careless(&mut world, Careless::Judging, registry());
    world.vote("lead0", "p0", &request, true).unwrap();
    caught(check::approvals(&mut world), "without the votes of its stage 1");
}

#[test]
fn a_window_that_is_closed() {
    let mut world = quiet(72);
    let rule = rule(&mut world, json!([managers("project", 1)]), false);
    let request = held(&mut world);
    // A minute that is over when the vote comes, whatever the time is.
    let minute = (world.now().0 / SECOND + 8 * 3600).rem_euclid(86_400) / 60;
    let head = world.token("head0", "bank");
    let window = json!({ "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "from": minute, "to": (minute + 1) % 1440 });
    let change = Command::new("approval:approval_rule:update", head, "t").on(rule)
        .with(json!({ "window": window }));
    world.run(change).unwrap();
    world.wait(120 * SECOND);
    careless(&mut world, Careless::Judging, registry());
    world.vote("lead0", "p0", &request, true).unwrap();
    caught(check::approvals(&mut world), "outside of its window");
}

#[test]
fn a_deadline_that_no_rule_gave() {
    let mut world = quiet(73);
    rule(&mut world, json!([managers("project", 1)]), false);
    careless(&mut world, Careless::Keeping, registry());
    held(&mut world);
    caught(check::approvals(&mut world), "another deadline");
}

#[test]
fn roles_that_were_taken() {
    // Whose role goes between request and vote, and what is said of it.
    for (n, (who, role, word)) in [("lead0", "manager", "not one of its voters"),
        ("member0", "member", "holds nothing there")].into_iter().enumerate() {
        let mut world = quiet(74 + n as u64);
        rule(&mut world, json!([managers("project", 1)]), false);
        let request = held(&mut world);
        dismiss(&mut world, who, role);
        careless(&mut world, Careless::People, registry());
        world.vote("lead0", "p0", &request, true).unwrap();
        caught(check::approvals(&mut world), word);
    }
}

#[test]
fn a_request_that_runs_twice() {
    let mut world = quiet(81);
    rule(&mut world, json!([managers("project", 1)]), false);
    let request = held(&mut world);
    world.vote("lead0", "p0", &request, true).unwrap();
    sound(&mut world);
    world.restart_with(registry()).unwrap();
    let again = Command { approval: Some(request.to_string()), ..network(&world) };
    world.run(again).unwrap();
    caught(check::runs(&mut world), "ran 2 times");
}

#[test]
fn a_request_that_says_something_else_than_the_journal() {
    let mut world = quiet(82);
    rule(&mut world, json!([managers("project", 1)]), false);
    let request = held(&mut world);
    world.vote("lead0", "p0", &request, true).unwrap();
    let change = "UPDATE resource SET spec = replace(spec, '\"state\":\"done\"', \
                  '\"state\":\"waiting\"') WHERE kind = 'approval'";
    world.core().unwrap().writer.db.batch(change).unwrap();
    caught(check::runs(&mut world), "is waiting and ran");
}

#[test]
fn a_vote_that_is_lost() {
    let mut world = quiet(83);
    rule(&mut world, json!([managers("project", 2)]), false);
    let request = held(&mut world);
    world.vote("lead0", "p0", &request, true).unwrap();
    check::votes(&mut world).unwrap();
    let core = world.core().unwrap();
    core.writer.db.batch("DELETE FROM resource WHERE kind = 'approval'").unwrap();
    caught(check::votes(&mut world), "lost");
}

#[test]
fn a_request_that_nobody_ends() {
    let mut world = quiet(84);
    rule(&mut world, json!([managers("project", 1)]), false);
    held(&mut world);
    check::overdue(&mut world).unwrap();
    world.wait(3600 * SECOND);
    caught(check::overdue(&mut world), "past its time");
    world.tend();
    check::overdue(&mut world).unwrap();
}

#[test]
fn a_request_that_its_rules_have_left_behind() {
    let mut world = quiet(85);
    let rule = rule(&mut world, json!([managers("project", 1)]), false);
    let request = held(&mut world);
    check::overdue(&mut world).unwrap();
    let head = world.token("head0", "bank");
    world.run(Command::new("approval:approval_rule:delete", head, "t").on(rule)).unwrap();
    caught(check::overdue(&mut world), "without its rules");
    careless(&mut world, Careless::Judging, registry());
    world.vote("lead0", "p0", &request, true).unwrap();
    caught(check::approvals(&mut world), "left behind");
}

#[test]
fn a_rule_of_somebody_who_decides_nothing() {
    let mut world = quiet(86);
    let gone = json!({ "user": world.person("head1"), "role": "manager",
        "scope": { "domain": "bank" } });
    let head = world.token("head0", "bank");
    world.run(Command::new("identity:assignment:delete", head, "t").with(gone)).unwrap();
    careless(&mut world, Careless::People, registry());
    let args = json!({ "name": "r", "domain": "bank", "project": "",
        "stages": [managers("project", 1)], "action": "network:network:create", "deadline": 3600 });
    let head = world.token("head1", "bank");
    world.run(Command::new("approval:approval_rule:create", head, "t").with(args)).unwrap();
    caught(check::approvals(&mut world), "does not hold the role");
}

/// An action on networks that no service has.
fn spying(rules: &'static [Rule]) -> Registry {
    let mut registry = registry();
    registry.action("spy:network:update", "network", Verb::Update).rules(rules);
    registry
}

fn spy(world: &mut World) {
    let make = network(world);
    let net: Id = world.run(make).unwrap().value["id"].as_str().unwrap().into();
    let staff = world.token("ops0", "system");
    let touch = Command::new("spy:network:update", staff, "t").on(net).with(json!({ "name": "m" }));
    world.run(touch).unwrap();
}

#[test]
fn staff_that_asks_nobody() {
    const BAD: &[Rule] =
        &[Rule { action: "spy:network:update", allow: &[Who::Duty(Duty::SystemAdmin)] }];
    let mut world = quiet(91);
    world.restart_with(spying(BAD)).unwrap();
    spy(&mut world);
    caught(check::consents(&mut world), "without a consent");
}

/// A consent for servers of the bank, of its manager's own accord.
fn consent(world: &mut World) -> Id {
    let until = world.now().0 + 60 * SECOND;
    let args = json!({ "domain": "bank", "project": "", "duty": "system_admin",
        "actions": ["compute:server:stop"], "until": until, "reason": "it has to stay up",
        "standing": false, "contract": "" });
    let head = world.token("head0", "bank");
    let make = Command::new("approval:consent:create", head, "t").with(args);
    world.run(make).unwrap().value["id"].as_str().unwrap().into()
}

#[test]
fn consents_that_cover_nothing() {
    const BAD: &[Rule] =
        &[Rule { action: "spy:network:update", allow: &[Who::Consented(Duty::SystemAdmin)] }];
    for (n, word) in ["does not cover the action", "does not stand", "is not of this time"]
        .into_iter().enumerate() {
        let mut world = quiet(92 + n as u64);
        let consent = consent(&mut world);
        match n {
            0 => {}
            1 => {
                let head = world.token("head1", "bank");
                let end = Command::new("approval:consent:revoke", head, "t").on(consent.clone());
                world.run(end.with(json!({}))).unwrap();
            }
            _ => world.wait(61 * SECOND),
        }
        sound(&mut world);
        careless(&mut world, Careless::Consent(consent), spying(BAD));
        spy(&mut world);
        caught(check::consents(&mut world), word);
    }
}

#[test]
fn a_consent_of_somebody_who_decides_nothing() {
    let mut world = quiet(96);
    let staff = world.token("ops0", "system");
    let until = world.now().0 + 600 * SECOND;
    let args = json!({ "domain": "bank", "project": "", "actions": ["compute:server:stop"],
        "until": until, "reason": "it has to stay up", "standing": false, "contract": "" });
    let ask = Command::new("approval:consent:create", staff, "t").with(args);
    let ask = ask.at(&"bank".into(), &"".into());
    let id: Id = world.run(ask).unwrap().value["id"].as_str().unwrap().into();
    let head = world.token("head0", "bank");
    let gone = json!({ "user": world.person("head1"), "role": "manager", "scope": { "domain": "bank" } });
    world.run(Command::new("identity:assignment:delete", head, "t").with(gone)).unwrap();
    careless(&mut world, Careless::People, registry());
    let vote = Command::new("approval:consent:vote", world.token("head1", "bank"), "t").on(id)
        .with(json!({ "approve": true }));
    world.run(vote).unwrap();
    caught(check::consents(&mut world), "not granted by a manager");
}
