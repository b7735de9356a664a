//! The kernel with two toy kinds, on both databases: what every resource may rely on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "kernel/narrow.rs"]
mod narrow;

use jinyun_base::{Fault, Id, Kind, Refusal, Refused, SeedEntropy, Secret, Time};
use jinyun_engine::*;
use jinyun_journal::Entry;
use jinyun_policy::{Actor, ActorKind, Duty, Object, Role, Rule, Scope, Who};
use jinyun_store::{Config, Db, Writer};
use jinyun_testdb::Dir;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// A box with a colour; names are exclusive in a project.
struct Crate;

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct CrateSpec {
    name: String,
    #[serde(default)]
    size: i64,
}

impl Resource for Crate {
    const SERVICE: &'static str = "toy";
    const KIND: Kind = Kind("crate");
    type Spec = CrateSpec;
    type Status = ();

    fn name(spec: &CrateSpec) -> &str {
        &spec.name
    }

    fn check(new: &CrateSpec, _: Option<&CrateSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        if new.size < 0 {
            return Err(jinyun_base::Refusal::invalid("size", "is negative").into());
        }
        Ok(())
    }

    fn claims(spec: &CrateSpec, at: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "crate-name".into(),
            word: format!("{}/{}", at.project, spec.name),
            taken: format!("a crate named {} exists", spec.name),
        }]
    }

    fn cost(spec: &CrateSpec) -> Vec<Cost> {
        vec![Cost { item: "crates", amount: 1 }, Cost { item: "volume", amount: spec.size }]
    }
}

/// A live thing in a crate, with a key.
struct Lamp;

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct LampSpec {
    name: String,
    crate_id: Id,
    #[serde(default)]
    part: bool,
}

impl Resource for Lamp {
    const SERVICE: &'static str = "toy";
    const KIND: Kind = Kind("lamp");
    const LIVE: bool = true;
    type Spec = LampSpec;
    type Status = i64;

    fn name(spec: &LampSpec) -> &str {
        &spec.name
    }

    fn check(_: &LampSpec, _: Option<&LampSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        Ok(())
    }

    fn links(spec: &LampSpec) -> Vec<Link> {
        let on_delete = if spec.part { OnDelete::Cascade } else { OnDelete::Refuse };
        vec![Link { role: "crate", kind: "crate", id: spec.crate_id.clone(), on_delete }]
    }

    fn plan(want: &Have<Lamp>, world: &mut View<'_>, seen: &dyn Seen)
        -> Result<Plan<i64>, jinyun_base::Fault> {
        let key = world.has_secret("lamp", &want.id, "key")?;
        if want.deleting {
            let certificate = json!({"destroyed": "key"});
            let mut steps = vec![];
            if key {
                steps.push(Step::DestroySecret { name: "key", certificate });
            }
            steps.push(Step::Finish { note: None });
            return Ok(Plan::going("dark", want.status, steps));
        }
        if !key {
            let make = Step::MakeSecret { name: "key", request: Value::Null };
            return Ok(Plan::going("building", 1, vec![make]));
        }
        Ok(match seen.seen("lamp", &want.id) {
            Some(_) => Plan::done("lit", 2),
            None => Plan::going("waiting", 1, vec![]),
        })
    }
}

const RULES: &[Rule] = &[
    Rule { action: "toy:crate:create", allow: &[Who::Project(Role::Member)] },
    Rule { action: "toy:crate:update", allow: &[Who::Project(Role::Member), CONSENTED] },
    Rule { action: "toy:crate:delete", allow: &[Who::Project(Role::Member)] },
    Rule { action: "toy:crate:show", allow: &[Who::Project(Role::Reader), CONSENTED] },
    Rule { action: "toy:lamp:create", allow: &[Who::Project(Role::Member)] },
    Rule { action: "toy:lamp:delete", allow: &[Who::Project(Role::Member)] },
    Rule { action: "toy:slip:vote", allow: &[Who::Project(Role::Manager)] },
    Rule { action: "toy:slip:settle", allow: &[Who::System] },
];

const CONSENTED: Who = Who::Consented(Duty::SystemAdmin);

fn kinds() -> Registry {
    let mut registry = Registry::default();
    registry.add::<Crate>().add::<Lamp>().rules(RULES).quota("crates", 3).quota("volume", -1);
    registry
}

fn registry() -> Arc<Registry> {
    Arc::new(kinds())
}

/// A command that waits for two votes.
struct Slip;

#[derive(Serialize, Deserialize, Clone, PartialEq)]
struct SlipSpec {
    command: Command,
    votes: Vec<Id>,
    state: String,
    came: Value,
}

impl Resource for Slip {
    const SERVICE: &'static str = "toy";
    const KIND: Kind = Kind("slip");
    type Spec = SlipSpec;
    type Status = ();

    fn name(spec: &SlipSpec) -> &str {
        &spec.state
    }

    fn check(_: &SlipSpec, _: Option<&SlipSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        Ok(())
    }
}

/// Two votes for the deletion of a crate; a consent of the bank's until some moment.
#[derive(Default)]
struct Toy {
    lost: Mutex<Vec<Id>>,
    broken: AtomicBool,
    until: AtomicI64,
    clock: AtomicI64,
}

impl Approver for Toy {
    fn needs(&self, view: &mut View<'_>, command: &Command, _: &Object)
        -> Result<Option<Need>, Failure> {
        if command.action != "toy:crate:delete" {
            return Ok(None);
        }
        let Some(id) = &command.approval else {
            return Ok(Some(Need { words: json!({ "state": "waiting" }) }));
        };
        let slip = view.get::<Slip>(&id.as_str().into())?;
        let covered = slip.is_some_and(|s| {
            s.spec.state == "approved" && s.spec.command.target == command.target
        });
        if covered { Ok(None) } else { Err(Refusal::conflict("no slip covers this").into()) }
    }

    fn keep(&self, ctx: &mut Ctx<'_>, command: &Command, need: Need) -> Result<Id, Failure> {
        let scope = &command.actor;
        let (domain, project) = (scope.domain_of_scope().unwrap(), scope.project().unwrap());
        let state = need.words["state"].as_str().unwrap().into();
        let spec = SlipSpec { command: command.clone(), votes: vec![], state, came: Value::Null };
        Ok(ctx.create::<Slip>(domain, project, spec)?.id)
    }

    fn consent(&self, _: &mut View<'_>, _: &Command, object: &Object, now: Time)
        -> Result<Option<Id>, Fault> {
        let bank = object.domain == Some("bank".into());
        Ok((bank && now.0 < self.until.load(Ordering::SeqCst)).then(|| "consent-1".into()))
    }

    fn now(&self) -> Time {
        Time(self.clock.load(Ordering::SeqCst))
    }

    fn actor(&self, _: &mut View<'_>, user: &Id, scope: &Scope) -> Result<Option<Actor>, Fault> {
        let Scope::Project { project, .. } = scope else { return Ok(None) };
        let there = !self.lost.lock().unwrap().contains(user);
        Ok(there.then(|| crate::user(user.as_str(), Role::Manager, project.as_str())))
    }

    fn in_group(&self, _: &mut View<'_>, _: &Id, _: &Id) -> Result<bool, Fault> {
        match self.broken.load(Ordering::SeqCst) {
            true => Err(Fault::new("the groups cannot be read")),
            false => Ok(false),
        }
    }
}

fn vote(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = command.target.clone().unwrap();
    let slip = ctx.get::<Slip>(&id)?;
    let who = ctx.actor.id.clone();
    if slip.spec.command.actor.id == who {
        return Err(Refusal::new(Refused::Forbidden, "one's own request").into());
    }
    if slip.spec.state != "waiting" || slip.spec.votes.contains(&who) {
        return Err(Refusal::conflict("voted already").into());
    }
    let last = slip.spec.votes.len() == 1;
    ctx.change::<Slip>(&id, None, |spec| {
        spec.votes.push(who);
        spec.state = if last { "approved" } else { "waiting" }.into();
        Ok(())
    })?;
    if last {
        let mut asked = slip.spec.command;
        asked.approval = Some(id.to_string());
        let approver = ctx.registry().approver.clone().unwrap();
        let present = approver.actor(&mut ctx.view(), &asked.actor.id, &asked.actor.scope)?;
        let job = match present {
            Some(actor) => {
                asked.actor = actor;
                Job::Command(Box::new(asked))
            }
            None => Job::Refused {
                command: Box::new(asked),
                refusal: Refusal::new(Refused::Forbidden, "lost the role"),
            },
        };
        let report = Command::new("toy:slip:settle", Actor::system("slips"), "r")
            .with(json!({ "kind": "slip", "id": id }));
        ctx.then(job, report);
    }
    Ok(Value::Null)
}

fn settle(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let came = command.args.clone();
    let id: Id = came["id"].as_str().unwrap().into();
    let approver = ctx.registry().approver.clone().unwrap();
    approver.in_group(&mut ctx.view(), &id, &id)?;
    ctx.change::<Slip>(&id, None, |spec| {
        spec.state = if came["refused"].is_null() { "done" } else { "failed" }.into();
        spec.came = came;
        Ok(())
    })?;
    Ok(Value::Null)
}

fn approving(toy: &Arc<Toy>) -> Arc<Registry> {
    let mut registry = kinds();
    registry.add::<Slip>()
        .action("toy:slip:vote", "slip", Verb::Own(vote))
        .action("toy:slip:settle", "", Verb::Own(settle));
    registry.approver = Some(toy.clone());
    Arc::new(registry)
}

/// When the tests' clock starts.
const NOON: i64 = 1_700_000_000_000_000;

struct World {
    core: Core,
    now: i64,
    config: Config,
}

impl World {
    fn open(config: Config) -> World {
        World::with(config, registry())
    }

    fn with(config: Config, registry: Arc<Registry>) -> World {
        let writer = Writer::open(&config, "test").unwrap();
        let seed = 1 + writer.next_number();
        let core = Core::new(writer, registry, Box::new(SeedEntropy::new(seed)));
        World { core, now: NOON, config }
    }

    fn tick(&mut self) -> Time {
        self.now += 1000;
        Time(self.now)
    }

    fn run(&mut self, command: Command) -> Result<Answer, Failure> {
        let now = self.tick();
        self.core.one(Job::Command(Box::new(command)), now)
    }

    fn entries(&mut self) -> Vec<Entry> {
        let all = self.core.writer.db.entries(0, u64::MAX >> 1).unwrap();
        all.iter().map(|b| serde_json::from_slice(b).unwrap()).collect()
    }

    fn last(&mut self) -> Entry {
        self.entries().pop().unwrap()
    }
}

fn user(id: &str, role: Role, project: &str) -> Actor {
    Actor {
        kind: ActorKind::User,
        id: id.into(),
        domain: "bank".into(),
        scope: Scope::Project { project: project.into(), domain: "bank".into() },
        role: Some(role),
        duty: None,
    }
}

fn make(name: &str) -> Command {
    Command::new("toy:crate:create", user("ann", Role::Member, "p"), "req-1")
        .with(json!({"name": name, "size": 5}))
}

fn code(result: Result<Answer, Failure>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(Failure::Refused(r)) => r.code().into(),
        Err(Failure::Fault(f)) => format!("fault: {f}"),
    }
}

/// Runs a test on SQLite and on PostgreSQL.
fn on_both(test: impl Fn(Config)) {
    let dir = Dir::new("kernel");
    test(Config::Sqlite { path: dir.join("state.db"), durable: false });
    if let Some(server) = jinyun_testdb::Server::start() {
        let (conninfo, schema) = server.database();
        test(Config::Postgres { conninfo, schema });
    } else {
        assert!(std::env::var_os("JINYUN_ROOT_TESTS").is_none(), "PostgreSQL must be there");
    }
}

#[test]
fn a_command_is_a_row_its_claims_quota_meter_and_one_entry() {
    on_both(|config| {
        let mut w = World::open(config);
        let row = w.run(make("a")).unwrap().row.unwrap();
        assert_eq!(row.generation, 1);
        let entry = w.last();
        assert_eq!((entry.action.as_str(), entry.outcome.as_str()), ("toy:crate:create", "done"));
        assert_eq!(entry.institution.id, "bank");
        assert_eq!(entry.effects.len(), 1);
        assert_eq!(w.core.writer.db.used(&"p".into(), "volume").unwrap(), 5);
        assert_eq!(code(w.run(make("a"))), "taken");
        assert_eq!(w.last().outcome, "refused");
        // A changed size changes quota and meter, and nothing else.
        let grow = Command::new("toy:crate:update", user("ann", Role::Member, "p"), "r")
            .on(row.id.clone()).with(json!({"size": 9}));
        assert_eq!(w.run(grow).unwrap().row.unwrap().generation, 2);
        assert_eq!(w.core.writer.db.used(&"p".into(), "volume").unwrap(), 9);
        let mut stale = Command::new("toy:crate:update", user("ann", Role::Member, "p"), "r")
            .on(row.id.clone()).with(json!({"size": 1}));
        stale.if_generation = Some(1);
        assert_eq!(code(w.run(stale)), "stale");
        // Three of three, not four.
        assert_eq!(code(w.run(make("b"))), "ok");
        assert_eq!(code(w.run(make("c"))), "ok");
        let over = w.run(make("d"));
        let Err(Failure::Refused(r)) = over else { panic!("over quota was allowed") };
        assert_eq!(r.why, Refused::OverQuota { item: "crates".into(), asked: 1, used: 3, limit: 3 });
        // Bad input and foreign things.
        let bad = make("x").with(json!({"name": "x", "size": -1}));
        assert_eq!(code(w.run(bad)), "invalid");
        assert_eq!(code(w.run(make("x").with(json!({"size": "large"})))), "invalid");
        let other = Command::new("toy:crate:update", user("eve", Role::Manager, "q"), "r")
            .on(row.id.clone()).with(json!({"size": 1}));
        assert_eq!(code(w.run(other)), "not_found");
        // The refusal of a foreigner stands in the foreigner's own journal.
        assert_eq!(w.last().actor.id, "eve");
        assert_eq!(code(w.run(make("x").on("nothing"))), "not_found");
        let reader = Command::new("toy:crate:create", user("ray", Role::Reader, "p"), "r");
        assert_eq!(code(w.run(reader.with(json!({"name": "x"})))), "forbidden");
        assert_eq!(code(w.run(Command::new("toy:crate:burn", Actor::system("x"), "r"))),
            "not_offered");
    });
}

#[test]
fn numbers_have_no_gap_and_each_institution_has_its_own_chain() {
    on_both(|config| {
        let mut w = World::open(config);
        for (domain, name) in [("bank", "a"), ("fund", "b"), ("bank", "c"), ("fund", "d")] {
            let mut actor = user("ann", Role::Member, domain);
            actor.domain = domain.into();
            actor.scope = Scope::Project { project: domain.into(), domain: domain.into() };
            let command = Command::new("toy:crate:create", actor, "r").with(json!({"name": name}));
            w.run(command).unwrap();
        }
        let bytes = w.core.writer.db.entries(0, 100).unwrap();
        let entries = w.entries();
        assert_eq!(entries.iter().map(|e| e.number).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(entries.iter().map(|e| e.institution.number).collect::<Vec<_>>(), [0, 0, 1, 1]);
        let leaf = jinyun_journal::entry::Leaf::of(&bytes[0]);
        assert_eq!(entries[2].institution.previous, Some(leaf.previous()));
        // Continued after a restart.
        let mut w = World::open(w.config);
        w.run(make("z")).unwrap();
        let last = w.last();
        assert_eq!((last.number, last.institution.number), (4, 2));
    });
}

#[test]
fn a_used_thing_stays_a_part_goes_and_a_live_one_is_torn_down() {
    on_both(|config| {
        let mut w = World::open(config.clone());
        let ann = || user("ann", Role::Member, "p");
        let home = w.run(make("home")).unwrap().row.unwrap().id;
        let lamp = |part: bool| Command::new("toy:lamp:create", ann(), "r")
            .with(json!({"name": "l", "crate_id": home, "part": part}));
        let lost = Command::new("toy:lamp:create", ann(), "r")
            .with(json!({"name": "l", "crate_id": "nowhere"}));
        assert_eq!(code(w.run(lost)), "not_found");
        let used = w.run(lamp(false)).unwrap().row.unwrap().id;
        let part = w.run(lamp(true)).unwrap().row.unwrap().id;
        let remove = Command::new("toy:crate:delete", ann(), "r").on(home.clone());
        assert_eq!(code(w.run(remove.clone())), "conflict");
        // The driver makes a key for each lamp, then waits for a host to see it.
        let maker: Maker = Box::new(|_, _, _, _| Ok(Secret::new(b"key of a lamp".to_vec())));
        let mut driver = Driver::new(registry(), maker);
        let mut reader = Db::open(&config).unwrap();
        struct Lit(Id);
        impl Seen for Lit {
            fn seen(&self, _: &str, id: &Id) -> Option<Value> {
                (*id == self.0).then_some(json!(true))
            }
        }
        let mut drive = |w: &mut World, rounds: usize| {
            for _ in 0..rounds {
                let now = w.tick();
                struct Direct<'a>(&'a mut Core, Time);
                impl Submit for Direct<'_> {
                    fn submit(&mut self, job: Job) -> Result<Answer, Failure> {
                        self.0.one(job, self.1)
                    }
                }
                let mut to = Direct(&mut w.core, now);
                driver.pass(&mut reader, &mut to, &Lit(used.clone()), now).unwrap();
            }
        };
        drive(&mut w, 6);
        let phase = |w: &mut World, id: &Id| {
            w.core.writer.db.get("lamp", id).unwrap().map(|s| s.status.phase)
        };
        assert_eq!(phase(&mut w, &used).as_deref(), Some("lit"));
        assert_eq!(phase(&mut w, &part).as_deref(), Some("waiting"));
        let off = Command::new("toy:lamp:delete", ann(), "r").on(used.clone());
        w.run(off).unwrap();
        drive(&mut w, 3);
        assert_eq!(phase(&mut w, &used), None);
        let entries = w.entries();
        let certificate = entries.iter().find(|e| e.action == "engine:secret:destroy").unwrap();
        assert_eq!(certificate.note, Some(json!({"destroyed": "key"})));
        // Now only the part is left, which goes with its crate: the crate's row is gone at once,
        // so the part is torn down by itself.
        w.run(remove).unwrap();
        drive(&mut w, 3);
        assert_eq!(phase(&mut w, &part), None);
        let text = serde_json::to_string(&entries).unwrap();
        assert!(!text.contains("key of a lamp"), "a secret stands in the journal");
    });
}

/// Has somebody vote; the code, the slip's state, and whether the crate is still there.
fn cast(w: &mut World, slip: &Id, who: Actor, home: &Id) -> (String, String, bool) {
    let code = code(w.run(Command::new("toy:slip:vote", who, "r").on(slip.clone())));
    let slip = View::new(&mut w.core.writer.db).get::<Slip>(slip).unwrap().unwrap();
    (code, slip.spec.state, w.core.writer.db.get("crate", home).unwrap().is_some())
}

fn stored(w: &mut World, command: Command) -> Id {
    let Err(Failure::Refused(r)) = w.run(command) else { panic!("not stored") };
    let Refused::NeedsApproval(id) = r.why else { panic!("{r}") };
    assert!(r.recorded);
    id.into()
}

#[test]
fn an_approval_runs_the_stored_command_by_the_same_path() {
    on_both(|config| {
        let toy = Arc::new(Toy::default());
        let mut w = World::with(config.clone(), approving(&toy));
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = told.clone();
        w.core.observe(Box::new(move |effects| hears.lock().unwrap().extend(effects.to_vec())));
        let home = w.run(make("home")).unwrap().row.unwrap().id;
        let ann = user("ann", Role::Manager, "p");
        let ask = || Command::new("toy:crate:delete", ann.clone(), "r").on(home.clone());
        let slip = stored(&mut w, ask());
        // The request stands in the journal with its row, and nothing else happened.
        let entry = w.last();
        assert_eq!((entry.outcome.as_str(), entry.effects.len()), ("waiting", 1));
        assert_eq!(entry.note, Some(json!({ "approval": slip })));
        assert!(matches!(told.lock().unwrap().last(),
            Some(Effect::Put { kind, .. }) if kind == "slip"));
        let [bob, cat] = ["bob", "cat"].map(|name| user(name, Role::Manager, "p"));
        let cases = [
            (ann.clone(), "forbidden waiting true"),
            (user("mo", Role::Member, "p"), "forbidden waiting true"),
            (user("eve", Role::Manager, "q"), "not_found waiting true"),
            (bob.clone(), "ok waiting true"),
            (bob, "conflict waiting true"),
            (cat.clone(), "ok done false"),
            (cat, "conflict done false"),
        ];
        for (who, want) in cases {
            let what = format!("{} votes", who.id);
            let (code, state, there) = cast(&mut w, &slip, who, &home);
            assert_eq!(format!("{code} {state} {there}"), want, "{what}");
        }
        // Vote, command and report are three entries in a row; observers heard of all effects.
        let entries = w.entries();
        let ran = entries.iter().position(|e| e.approval.is_some()).unwrap();
        let three: Vec<_> = entries[ran - 1..ran + 2].iter()
            .map(|e| (e.action.as_str(), e.actor.id.as_str(), e.outcome.as_str())).collect();
        assert_eq!(three, [("toy:slip:vote", "cat", "done"), ("toy:crate:delete", "ann", "done"),
            ("toy:slip:settle", "slips", "done")]);
        assert_eq!(entries[ran].approval.as_deref(), Some(slip.as_str()));
        let kept = View::new(&mut w.core.writer.db).get::<Slip>(&slip).unwrap().unwrap();
        assert_eq!(kept.spec.came["entry"], json!(entries[ran].number));
        assert!(told.lock().unwrap().iter().any(|e| matches!(e, Effect::Drop { kind, .. }
            if kind == "crate")));
        // What the rules refuse anyway asks nobody; a secret is not kept.
        assert_eq!(code(w.run(ask())), "not_found");
        let home = w.run(make("full")).unwrap().row.unwrap().id;
        w.run(Command::new("toy:lamp:create", ann.clone(), "r")
            .with(json!({"name": "l", "crate_id": home}))).unwrap();
        let ask = || Command::new("toy:crate:delete", ann.clone(), "r").on(home.clone());
        assert_eq!(code(w.run(ask())), "conflict");
        assert_eq!(code(w.run(ask().secret("pin", b"1234".to_vec()))), "invalid");
        // No slip, no way round: a made-up approval is looked up.
        let mut forged = ask();
        forged.approval = Some(slip.to_string());
        assert_eq!(code(w.run(forged)), "conflict");
        let text = serde_json::to_string(&w.entries()).unwrap();
        assert!(!text.contains("1234"), "a secret stands in the journal");
    });
}

#[test]
fn an_approved_command_is_judged_on_the_world_as_it_is_then() {
    for (what, want) in [("role", "forbidden"), ("target", "not_found"), ("use", "conflict")] {
        on_both(|config| {
            let toy = Arc::new(Toy::default());
            let mut w = World::with(config, approving(&toy));
            let ann = user("ann", Role::Member, "p");
            let home = w.run(make("home")).unwrap().row.unwrap().id;
            let ask = || Command::new("toy:crate:delete", ann.clone(), "r").on(home.clone());
            let slip = stored(&mut w, ask());
            match what {
                "role" => toy.lost.lock().unwrap().push("ann".into()),
                "target" => {
                    let other = stored(&mut w, ask());
                    for name in ["x", "y"] {
                        cast(&mut w, &other, user(name, Role::Manager, "p"), &home);
                    }
                }
                _ => {
                    w.run(Command::new("toy:lamp:create", ann.clone(), "r")
                        .with(json!({"name": "l", "crate_id": home}))).unwrap();
                }
            }
            let there = w.core.writer.db.get("crate", &home).unwrap().is_some();
            cast(&mut w, &slip, user("bob", Role::Manager, "p"), &home);
            let last = cast(&mut w, &slip, user("cat", Role::Manager, "p"), &home);
            assert_eq!(last, ("ok".into(), "failed".into(), there), "{what}");
            // The refusal of the command is on record, under the approval.
            let entries = w.entries();
            let ran = &entries[entries.len() - 2];
            assert_eq!(ran.approval.as_deref(), Some(slip.as_str()), "{what}");
            assert_eq!(ran.reason.as_ref().unwrap().code, want, "{what}");
        });
    }
}

#[test]
fn the_last_vote_and_what_it_runs_are_one_transaction() {
    on_both(|config| {
        let toy = Arc::new(Toy::default());
        let mut w = World::with(config.clone(), approving(&toy));
        let home = w.run(make("home")).unwrap().row.unwrap().id;
        let ask = Command::new("toy:crate:delete", user("ann", Role::Member, "p"), "r")
            .on(home.clone());
        let slip = stored(&mut w, ask);
        cast(&mut w, &slip, user("bob", Role::Manager, "p"), &home);
        let before = w.entries().len();
        // The machinery fails after the vote and the deletion, where a kill would hit.
        toy.broken.store(true, Ordering::SeqCst);
        let (code, state, there) = cast(&mut w, &slip, user("cat", Role::Manager, "p"), &home);
        assert!(code.starts_with("fault"), "{code}");
        assert_eq!((state.as_str(), there, w.entries().len()), ("waiting", true, before));
        // The next process finds the request as it was, and the vote can be given again.
        toy.broken.store(false, Ordering::SeqCst);
        let mut w = World::with(config, approving(&toy));
        let (code, state, there) = cast(&mut w, &slip, user("cat", Role::Manager, "p"), &home);
        assert_eq!((code.as_str(), state.as_str(), there), ("ok", "done", false));
    });
}

#[test]
fn a_consent_opens_what_a_rule_offers_for_its_time_and_each_use_is_on_record() {
    on_both(|config| {
        let toy = Arc::new(Toy::default());
        let registry = approving(&toy);
        let mut w = World::with(config.clone(), registry.clone());
        let home = w.run(make("home")).unwrap().row.unwrap().id;
        let staff = |duty| Actor {
            domain: "default".into(),
            scope: Scope::System,
            role: None,
            duty: Some(duty),
            ..user("sid", Role::Reader, "p")
        };
        let act = |action: &str, duty| Command::new(action, staff(duty), "r")
            .on(home.clone()).with(json!({ "size": 1 }));
        let (update, system) = ("toy:crate:update", Duty::SystemAdmin);
        assert_eq!(code(w.run(act(update, system))), "forbidden");
        assert_eq!(w.last().institution.id, "default");
        toy.until.store(NOON + Time::SECOND, Ordering::SeqCst);
        assert_eq!(code(w.run(act(update, Duty::SecurityAdmin))), "forbidden", "another duty");
        assert_eq!(code(w.run(act("toy:crate:delete", system))), "forbidden", "no rule offers it");
        assert_eq!(code(w.run(act(update, system))), "ok");
        let used = w.last();
        assert_eq!((used.institution.id.as_str(), used.approval.as_deref()),
            ("bank", Some("consent-1")));
        w.now += 2 * Time::SECOND;
        assert_eq!(code(w.run(act(update, system))), "forbidden", "its time is over");
        // The same for a read, which has an entry for this reason alone.
        let clock = w.now;
        let (handle, queue) = Queue::new();
        let core = w.core;
        let writer = std::thread::spawn(move || queue.serve(core, move || Time(clock)));
        let reader = Reader::new(config.clone(), registry, handle);
        let show = || reader.show::<Crate>(&act("toy:crate:show", system)).map(|_| Answer::default());
        // It stood when it was looked up, and had ended when the look was put on record.
        toy.clock.store(NOON, Ordering::SeqCst);
        assert_eq!(code(show()), "forbidden");
        toy.until.store(clock + Time::SECOND, Ordering::SeqCst);
        toy.clock.store(clock, Ordering::SeqCst);
        assert_eq!(code(show()), "ok");
        // A list leaves out what it takes a consent to see.
        assert!(reader.list::<Crate>(&act("toy:crate:show", system), &Query::default()).unwrap()
            .is_empty());
        toy.clock.store(clock + Time::SECOND, Ordering::SeqCst);
        assert_eq!(code(show()), "forbidden");
        drop(reader);
        writer.join().unwrap();
        let mut db = Db::open(&config).unwrap();
        let all: Vec<Entry> = db.entries(0, 1000).unwrap().iter()
            .map(|b| serde_json::from_slice(b).unwrap()).collect();
        let shown: Vec<_> = all.iter().filter(|e| e.action == "toy:crate:show").map(|e| (
            e.outcome.as_str(), e.institution.id.as_str(), e.approval.as_deref()
        )).collect();
        let refused = ("refused", "default", None);
        assert_eq!(shown, [refused, ("done", "bank", Some("consent-1")), refused]);
    });
}

#[test]
fn the_journal_replayed_on_an_empty_store_equals_the_tables() {
    on_both(|config| {
        let mut w = World::open(config.clone());
        let a = w.run(make("a")).unwrap().row.unwrap().id;
        w.run(make("b").secret("pin", b"1234".to_vec())).unwrap();
        let ann = user("ann", Role::Member, "p");
        w.run(Command::new("toy:crate:update", ann.clone(), "r").on(a.clone())
            .with(json!({"name": "a2", "size": 2}))).unwrap();
        w.run(Command::new("toy:lamp:create", ann, "r")
            .with(json!({"name": "l", "crate_id": a}))).unwrap();
        let entries = w.core.writer.db.entries(0, 1000).unwrap();
        let dir = Dir::new("replay");
        let empty = Config::Sqlite { path: dir.join("r.db"), durable: false };
        let mut copy = Writer::open(&empty, "replay").unwrap();
        let secrets = replay(entries.into_iter(), &registry(), &mut copy).unwrap();
        let rows = |db: &mut Db| -> Vec<Row> {
            db.everything().unwrap().into_iter().map(|s| s.row).collect()
        };
        assert_eq!(rows(&mut copy.db), rows(&mut w.core.writer.db));
        assert_eq!(copy.db.derived().unwrap(), w.core.writer.db.derived().unwrap());
        assert_eq!(copy.db.usage().unwrap(), w.core.writer.db.usage().unwrap());
        assert_eq!(secrets.len(), 1);
    });
}

#[test]
fn a_second_writer_takes_over_and_the_first_can_no_longer_commit() {
    on_both(|config| {
        let mut first = World::open(config.clone());
        first.run(make("a")).unwrap();
        let mut second = World::open(config);
        assert!(code(first.run(make("b"))).contains("another control process"));
        second.run(make("c")).unwrap();
        assert_eq!(second.entries().len(), 2);
    });
}

#[test]
fn a_group_is_one_transaction_and_a_refused_job_spoils_no_other() {
    on_both(|config| {
        let mut w = World::open(config);
        let jobs = ["a", "a", "b"].map(|n| Job::Command(Box::new(make(n)))).into();
        let now = w.tick();
        let codes: Vec<_> = w.core.run(jobs, now).into_iter().map(code).collect();
        assert_eq!(codes, ["ok", "taken", "ok"]);
        let outcomes: Vec<_> = w.entries().into_iter().map(|e| e.outcome).collect();
        assert_eq!(outcomes, ["done", "refused", "done"]);
    });
}

#[test]
fn duties_do_not_reach_into_projects() {
    on_both(|config| {
        let mut w = World::open(config);
        w.run(make("a")).unwrap();
        for duty in [Duty::SystemAdmin, Duty::SecurityAdmin, Duty::AuditAdmin] {
            let mut actor = user("root", Role::Manager, "p");
            actor.scope = Scope::System;
            (actor.role, actor.duty) = (None, Some(duty));
            let mut command = make("b");
            command.actor = actor;
            command.project = Some("p".into());
            assert_eq!(code(w.run(command)), "forbidden", "{duty:?}");
        }
    });
}
