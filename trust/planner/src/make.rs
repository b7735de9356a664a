//! Making a plan: every conclusion about every system, and what follows for all of them together.
//!
//! A pure function of the inventory: the same inventory gives the same plan, byte by byte. The words
//! are drawn from tables ([`crate::rules`]), the order from a graph ([`crate::waves`]); here they are
//! put together, nothing is decided.

use crate::clauses::{CLAUSES, Clause};
use crate::fields::{self, INSTITUTION, SYSTEM};
use crate::plan::*;
use crate::read::{Inventory, System};
use crate::rules::{self, Conclusion, Facts, Reason, Rule, first, highest, remarks};
use crate::waves::{self, Joint, Node, Placed, State};
use crate::words::*;
use std::collections::{BTreeMap, BTreeSet};

/// A system whose conclusions are drawn, before the systems are put in order.
struct Draft {
    facts: Facts,
    turn: Conclusion<Turn>,
    plan: SystemPlan,
    /// All with which it writes the same data, whichever of the two says so.
    shares: BTreeSet<usize>,
    /// Those of them whose data will be elsewhere.
    apart: Vec<usize>,
}

impl Draft {
    fn stays(&self) -> bool {
        self.plan.model.is == Some(Model::Stay)
    }
}

/// Makes the plan.
pub fn plan(inventory: &Inventory) -> Plan {
    let mut drafts: Vec<Draft> =
        inventory.systems.iter().map(|system| draft(system, &inventory.institution)).collect();
    link(inventory, &mut drafts);
    let nodes: Vec<Node> =
        inventory.systems.iter().zip(&drafts).map(|(system, draft)| node(system, draft)).collect();
    let (placed, joints) = waves::order(&nodes);
    let migrations: Vec<Migration> =
        (0..drafts.len()).map(|i| migration(i, inventory, &drafts, &placed, &joints)).collect();
    for (draft, migration) in drafts.iter_mut().zip(migrations) {
        let wave = migration.wave.map_or_else(|| "none".to_string(), |wave| wave.to_string());
        draft.facts.say("wave", &wave);
        draft.plan.migration = migration;
        finish(draft);
    }
    let projects: Vec<Project> = drafts.iter().flat_map(projects).collect();
    let groups = joints.iter().enumerate().map(|(i, joint)| group(i, joint, &drafts)).collect();
    let conditions = conditions(&joints, &drafts);
    let mut facts = inventory.institution.clone();
    let models: BTreeSet<&str> =
        drafts.iter().filter_map(|draft| draft.plan.model.is).map(Word::code).collect();
    facts.set("models", models.into_iter().map(String::from).collect());
    let systems: Vec<SystemPlan> = drafts.into_iter().map(|draft| draft.plan).collect();
    let questions = questions(&inventory.institution, &systems);
    let mut plan = Plan {
        format: FORMAT,
        name: inventory.institution.text("name").into(),
        institution: INSTITUTION.iter().skip(1).map(|f| inventory.institution.input(f.code)).collect(),
        summary: summary(&systems, &questions, &conditions, projects.len()),
        before: remarks(rules::FOUNDATION, &facts),
        waves: wave_list(&systems),
        groups,
        conditions,
        outside: systems.iter().filter_map(outside).collect(),
        undecided: systems.iter().filter(|s| undecided(s)).map(|s| s.id.clone()).collect(),
        responsibilities: duties(),
        systems,
        questions,
        projects,
        guardrails: guardrails(),
        clauses: Vec::new(),
    };
    plan.clauses = cited(&plan);
    plan
}

/// Whether a system cannot be placed yet.
fn undecided(system: &SystemPlan) -> bool {
    system.migration.wave.is_none() && system.model.is != Some(Model::Stay)
}

fn draft(system: &System, institution: &Facts) -> Draft {
    let mut facts = institution.clone();
    facts.set("name", Vec::new());
    facts.join(&system.facts);
    let info = first::<Info>(rules::INFO, &facts);
    info.keep("info", &mut facts);
    if rules::below::<Business>("business", rules::BUSINESS, &facts) {
        facts.say("business_below", "yes");
    }
    if rules::below::<Level>("level", rules::LEVEL, &facts) {
        facts.say("level_below", "yes");
    }
    let business = Conclusion::<Business>::stated("business", rules::BUSINESS, &facts, &["GD-I4"]);
    business.keep("business", &mut facts);
    let level = Conclusion::<Level>::stated("level", rules::LEVEL, &facts, &["5.2-0-3"]);
    level.keep("level", &mut facts);
    let class = class(&facts);
    class.keep("class", &mut facts);
    let importance = highest::<Importance>(rules::IMPORTANCE, &facts);
    importance.keep("importance", &mut facts);
    let protection = first::<Protection>(rules::PROTECTION, &facts);
    protection.keep("protection", &mut facts);
    let recovery = rules::recovery(&facts, system.rto, system.rpo);
    recovery.keep("recovery", &mut facts);
    let admission = first::<Admission>(rules::ADMISSION, &facts);
    admission.keep("admission", &mut facts);
    let model = first::<Model>(rules::MODEL, &facts);
    model.keep("model", &mut facts);
    let stays = model.is == Some(Model::Stay);
    let (mut service, mut profile, mut turn) =
        (Conclusion::nothing(), Conclusion::nothing(), Conclusion::nothing());
    if !stays {
        service = first::<Service>(rules::SERVICE, &facts);
        service.keep("service", &mut facts);
        profile = highest::<Profile>(rules::PROFILE, &facts);
        turn = highest::<Turn>(rules::TURN, &facts);
    }
    // A private cloud must not be below what it carries either.
    let moves = model.is.is_some() && !stays;
    let platform = Level::of(facts.text("platform_level"));
    if let (true, Some(level), Some(platform)) = (moves, level.is, platform) {
        facts.say("platform_fits", if platform >= level { "yes" } else { "no" });
    }
    let name = facts.text("name").to_string();
    let english = facts.text("name_en");
    let plan = SystemPlan {
        id: system.id().into(),
        name_en: if english.is_empty() { name.clone() } else { english.into() },
        name,
        about: ["owner", "purpose", "family"].map(|field| facts.input(field)).into(),
        class,
        info,
        business,
        level,
        importance,
        protection,
        recovery,
        admission,
        model,
        service,
        profile,
        needs: Vec::new(),
        responsibilities: Vec::new(),
        residence: Vec::new(),
        before: Vec::new(),
        lacks: Vec::new(),
        exit: Vec::new(),
        migration: Migration { wave: None, place: None, group: None, why: Vec::new() },
        ask: Vec::new(),
        again: Vec::new(),
    };
    Draft { facts, turn, plan, shares: BTreeSet::new(), apart: Vec::new() }
}

/// The class, and which one names this sort of system if that is a lower one.
fn class(facts: &Facts) -> Conclusion<Class> {
    let mut class = highest::<Class>(rules::CLASS, facts);
    if let (Some(is), Some(named)) = (class.is, Class::of(facts.text("family_class")))
        && named < is
    {
        let label = named.label();
        class.why.push(Reason::new(
            format!("标准把这种系统列在{}，此处从高。", label.zh),
            format!("The standard names this sort of system in {}; the higher one holds.", label.en),
            &["IAC-4.4.1-0"]));
        class.rests_on.push(facts.input("family"));
    }
    class
}

/// Whether another system cannot run without this one; `unknown` if some have not said what they need.
fn needed(i: usize, systems: &[System]) -> &'static str {
    let others = || systems.iter().enumerate().filter(move |(j, _)| *j != i).map(|(_, other)| other);
    if others().any(|other| other.depends_on.as_ref().is_some_and(|needs| needs.contains(&i))) {
        return "yes";
    }
    if others().all(|other| other.depends_on.is_some()) { "no" } else { "unknown" }
}

/// With which others each system shares data. Two of which one names the other share.
fn sharing(inventory: &Inventory) -> Vec<BTreeSet<usize>> {
    let mut with = vec![BTreeSet::new(); inventory.systems.len()];
    for (i, system) in inventory.systems.iter().enumerate() {
        for j in system.shares.iter().flatten() {
            with[i].insert(*j);
            with[*j].insert(i);
        }
    }
    with
}

/// Where a system of this model keeps its data: of a hybrid one the core is private.
fn home(model: Model) -> Model {
    if model == Model::Hybrid { Model::Private } else { model }
}

/// Says of each system with whom it shares data, whether it is linked to others, and whether those will
/// be elsewhere.
fn link(inventory: &Inventory, drafts: &mut [Draft]) {
    let models: Vec<Option<Model>> = drafts.iter().map(|draft| draft.plan.model.is).collect();
    let sharing = sharing(inventory);
    for (i, (system, draft)) in inventory.systems.iter().zip(drafts).enumerate() {
        let with = &sharing[i];
        draft.shares.clone_from(with);
        draft.facts.say("needed", needed(i, &inventory.systems));
        if let Some(mine) = models[i].filter(|mine| *mine != Model::Stay) {
            let apart = |j: &usize| models[*j].map(|theirs| home(theirs) != home(mine));
            draft.apart = with.iter().copied().filter(|j| apart(j) == Some(true)).collect();
            if !draft.apart.is_empty() {
                draft.facts.say("shared_apart", "yes");
            } else if with.iter().all(|j| apart(j).is_some()) {
                draft.facts.say("shared_apart", "no");
            }
        }
        if system.shares.is_some() && !with.is_empty() {
            let ids = with.iter().map(|j| inventory.systems[*j].id().to_string()).collect();
            draft.facts.set("shares_data_with", ids);
        }
        let (Some(needs), Some(_)) = (&system.depends_on, &system.shares) else { continue };
        let others: BTreeSet<usize> = needs.iter().chain(with).copied().collect();
        draft.facts.say("links", if others.is_empty() { "none" } else { "some" });
        let Some(mine) = models[i] else { continue };
        let apart = |j: &usize| models[*j].map(|theirs| theirs != mine || mine == Model::Hybrid);
        let known: Option<Vec<bool>> = others.iter().map(apart).collect();
        // One that is elsewhere is enough; without one, all have to be known.
        let crossing = match known {
            Some(all) => Some(all.contains(&true)),
            None => others.iter().any(|j| apart(j) == Some(true)).then_some(true),
        };
        if let Some(crossing) = crossing {
            draft.facts.say("crossing", if crossing { "yes" } else { "no" });
        }
    }
}

/// What puts a system early in its wave (less) or late (more).
const SCORES: &[(&str, &str, i32)] = &[
    ("change_rate", "low", -1),
    ("change_rate", "high", 1),
    ("load", "periodic", -1),
    ("load", "burst", -1),
    ("rework", "smooth", -1),
    ("importance", "low", -1),
    ("importance", "high", 1),
];

fn node(system: &System, draft: &Draft) -> Node {
    let known = system.depends_on.is_some() && system.shares.is_some();
    let state = match (draft.plan.model.is, draft.turn.is) {
        (Some(Model::Stay), _) => State::Stays,
        (Some(_), Some(turn)) if known => {
            let met = SCORES.iter().filter(|(field, word, _)| draft.facts.text(field) == *word);
            State::Moves { turn: turn.rank() + 1, score: met.map(|(_, _, points)| points).sum() }
        }
        _ => State::Waits,
    };
    let list = |places: &Option<Vec<usize>>| places.clone().unwrap_or_default();
    Node { state, needs: list(&system.depends_on), shares: list(&system.shares) }
}

/// At most so many are named: a circle of hundreds would repeat itself for each of them.
const NAMED: usize = 12;

/// Names of systems, in both languages.
fn names(places: &[usize], drafts: &[Draft]) -> (String, String) {
    let plans = || places.iter().take(NAMED).map(|i| &drafts[*i].plan);
    let zh: Vec<String> = plans().map(|plan| format!("“{}”", plan.name)).collect();
    let en: Vec<String> = plans().map(|plan| format!("\"{}\"", plan.name_en)).collect();
    let (mut zh, mut en) = (zh.join("、"), en.join(", "));
    if places.len() > NAMED {
        zh.push_str(&format!("等{}个系统", places.len()));
        en.push_str(&format!(" and {} others", places.len() - NAMED));
    }
    (zh, en)
}

fn migration(i: usize, inventory: &Inventory, drafts: &[Draft], placed: &[Placed],
    joints: &[Joint]) -> Migration {
    let (draft, at) = (&drafts[i], &placed[i]);
    let mut why = Vec::new();
    if draft.stays() {
        why.push(Reason::new("留在原处，不排批次。", "It stays; no wave.", &["8-E-b"]));
        return Migration { wave: None, place: None, group: None, why };
    }
    why.extend(draft.turn.why.iter().cloned());
    let system = &inventory.systems[i];
    if draft.plan.model.is.is_none() {
        why.push(Reason::new("部署模型未定，暂不排批次。",
            "Its deployment model is undecided: no wave yet.", &["GD-L1"]));
    }
    if system.depends_on.is_none() || system.shares.is_none() {
        why.push(Reason::new("依赖或共享数据的系统不明，暂不排批次。",
            "What it depends on or shares data with is unknown: no wave yet.", &["GD-N8"]));
    }
    if !at.waits_for.is_empty() {
        let (zh, en) = names(&at.waits_for, drafts);
        why.push(Reason::new(format!("先要定下{zh}。"), format!("{en} has to be decided first."),
            &["GD-N8"]));
    }
    if !at.held_by.is_empty() {
        let (zh, en) = names(&at.held_by, drafts);
        why.push(Reason::new(format!("不能早于{zh}，因此推后。"),
            format!("It cannot move before {en}, and so moves later."), &["GD-N8", "9.5-B-b"]));
    }
    if let Some(group) = at.group {
        let mut others = joints[group].members.clone();
        others.retain(|j| *j != i);
        let (zh, en) = names(&others, drafts);
        why.push(Reason::new(format!("与{zh}作为一组同批迁移。"), format!("It moves as one with {en}."),
            &["GD-N8", "9.5-B-b"]));
    }
    if !draft.apart.is_empty() {
        let (zh, en) = names(&draft.apart, drafts);
        why.push(Reason::new(
            format!("与{zh}写同一份数据而将不在一处：先定唯一主存处，另一端经专线与接口读写。"),
            format!("It writes the same data as {en}, which will be elsewhere: settle first where the data \
                are kept; from the other place they are read and written over the dedicated line."),
            &["GD-N8", "IAC-5.3-1", "9.2-B-a"]));
    }
    let linked = system.depends_on.iter().flatten().chain(&draft.shares);
    let behind: BTreeSet<usize> = linked.copied().filter(|j| drafts[*j].stays()).collect();
    if !behind.is_empty() {
        let behind: Vec<usize> = behind.into_iter().collect();
        let (zh, en) = names(&behind, drafts);
        why.push(Reason::new(format!("{zh}不上云：保留到原环境的加密链路，先测带宽与时延。"),
            format!("{en} stays: keep an encrypted link to it, and measure bandwidth and delay first."),
            &["9.5-B-a", "9.2-B-a", "IAC-5.3-1"]));
    }
    Migration { wave: at.wave, place: at.place, group: at.group.map(|group| group + 1), why }
}

/// What needed the other systems' models: remarks, aspects, questions.
fn finish(draft: &mut Draft) {
    let stays = draft.stays();
    let Draft { facts, turn, plan, .. } = draft;
    let facts: &Facts = facts;
    plan.needs = rules::ASPECTS.iter().map(|aspect| {
        let known = |field: &&&'static str| facts.get(field).is_some();
        let missing = aspect.fields.iter().filter(|field| !known(field) && !stays);
        Need {
            clause: aspect.clause,
            zh: aspect.zh,
            en: aspect.en,
            given: aspect.fields.iter().filter(known).map(|field| facts.input(field)).collect(),
            follows: remarks(aspect.rules, facts),
            ask: missing.copied().collect(),
        }
    }).collect();
    plan.residence = remarks(rules::RESIDENCE, facts);
    doubt(facts, plan);
    if stays {
        return;
    }
    plan.before = remarks(rules::BEFORE, facts);
    plan.lacks = remarks(rules::LACKS, facts);
    plan.exit = remarks(rules::EXIT, facts);
    if let Some(service) = plan.service.is {
        let part = |layer: &rules::Layer| Part { layer: layer.code, party: layer.party(service) };
        plan.responsibilities = rules::LAYERS.iter().map(part).collect();
    }
    let mut asked: BTreeSet<&'static str> = BTreeSet::new();
    for asks in [&plan.class.ask, &plan.info.ask, &plan.business.ask, &plan.level.ask,
        &plan.importance.ask, &plan.protection.ask, &plan.recovery.ask, &plan.admission.ask,
        &plan.model.ask, &plan.service.ask, &plan.profile.ask, &turn.ask] {
        asked.extend(asks);
    }
    asked.extend(plan.needs.iter().flat_map(|need| &need.ask));
    let always = ["owner", "environments"];
    asked.extend(always.iter().filter(|field| facts.get(field).is_none()));
    let of_system = SYSTEM.iter().map(|field| field.code).filter(|code| asked.contains(code));
    plan.ask = of_system.collect();
}

/// Answers that do not go together: said at the conclusion that would change, and asked again once.
fn doubt(facts: &Facts, plan: &mut SystemPlan) {
    for rule in rules::DOUBTS.iter().filter(|rule| rule.holds(facts) == Some(true)) {
        let why = match rule.then {
            "level" => &mut plan.level.why,
            "public_loss" => &mut plan.model.why,
            "impact_scope" | "impact_degree" => &mut plan.admission.why,
            "rto" => &mut plan.recovery.why,
            _ => &mut plan.business.why,
        };
        why.push(rule.reason());
        if !plan.again.iter().any(|again| again.field == rule.then) {
            plan.again.push(Again { field: rule.then, zh: rule.zh, en: rule.en, cites: rule.cites });
        }
    }
}

fn projects(draft: &Draft) -> Vec<Project> {
    let plan = &draft.plan;
    let (Some(model), Some(profile)) = (plan.model.is, plan.profile.is) else { return Vec::new() };
    let parts: Vec<(&'static str, Model)> = match model {
        Model::Stay => Vec::new(),
        Model::Hybrid => vec![("front", Model::Community), ("core", Model::Private)],
        Model::Public | Model::Community | Model::Private => vec![("", model)],
    };
    let words = draft.facts.get("environments").unwrap_or_default();
    let environments = words.iter().filter_map(|word| Environment::of(word));
    environments.flat_map(|environment| parts.iter().copied().map(move |(part, at)| {
        // Without production's data, and without core data, a project needs less.
        let lesser = if at == Model::Private { Profile::Basic } else { Profile::Extended };
        let (profile, cites) = match (environment, part) {
            (Environment::Test, _) => (lesser, vec!["IAC-7.1-1", "IAC-7.1-2", "5.1-0-2"]),
            (_, "front") => (Profile::Extended, vec!["IAC-7.1-1", "IAC-5.3-0", "5.1-0-2"]),
            (Environment::Recovery, _) => (profile, vec!["IAC-7.1-1", "IAC-4.3-1", "IAC-7.4-6"]),
            (Environment::Production, _) => (profile, vec!["IAC-7.1-1", "IAC-7.3-0", "5.1-0-2"]),
        };
        let short = match environment {
            Environment::Production => "prod",
            Environment::Test => "test",
            Environment::Recovery => "dr",
        };
        // An id has no full stop, so no two names are alike.
        let name = match part.is_empty() {
            true => format!("{}.{short}", plan.id),
            false => format!("{}.{part}.{short}", plan.id),
        };
        Project {
            name,
            system: plan.id.clone(),
            environment,
            part,
            model: at,
            service: plan.service.is,
            profile,
            wave: plan.migration.wave,
            cites,
        }
    })).collect()
}

fn group(i: usize, joint: &Joint, drafts: &[Draft]) -> Group {
    let mut why = Vec::new();
    if !joint.circle.is_empty() {
        let (zh, en) = names(&joint.circle, drafts);
        why.push(Reason::new(format!("{zh}相互依赖成环，拆不出先后，整组一次迁移。"),
            format!("{en} depend on each other in a circle: no order among them, they move at once."),
            &["GD-N8", "9.5-B-b"]));
    }
    if !joint.sharing.is_empty() {
        let (zh, en) = names(&joint.sharing, drafts);
        why.push(Reason::new(format!("{zh}共享数据，分开迁移会两头读写，须同批。"),
            format!("{en} share data, which would be written at both ends: they move together."),
            &["GD-N8", "9.5-B-b", "9.5-B-c"]));
    }
    why.extend(condition(joint, drafts));
    let named = |i: &usize| joint.circle.contains(i) || joint.sharing.contains(i);
    if !joint.members.iter().all(named) {
        why.push(Reason::new("其余成员夹在依赖与共享数据合成的环中，只能一起走。",
            "The others stand between, in a circle of dependencies and shared data.", &["GD-N8"]));
    }
    Group { group: i + 1, systems: ids(&joint.members, drafts), why }
}

fn ids(places: &[usize], drafts: &[Draft]) -> Vec<String> {
    places.iter().map(|i| drafts[*i].plan.id.clone()).collect()
}

/// What a group has to settle before it moves: data that two clouds would write.
fn condition(joint: &Joint, drafts: &[Draft]) -> Option<Reason> {
    let apart = |i: &usize| drafts[*i].apart.iter().any(|j| joint.members.contains(j));
    let apart: Vec<usize> = joint.members.iter().copied().filter(apart).collect();
    if apart.is_empty() {
        return None;
    }
    let (zh, en) = names(&apart, drafts);
    let models: BTreeSet<Model> = apart.iter().filter_map(|i| drafts[*i].plan.model.is).collect();
    let labels = || models.iter().map(|model| model.label());
    let [in_zh, in_en] = [
        labels().map(|label| label.zh).collect::<Vec<_>>().join("、"),
        labels().map(|label| label.en).collect::<Vec<_>>().join(", "),
    ];
    Some(Reason::new(
        format!("未决条件：{zh}写同一份数据，却分在不同的云（{in_zh}）。须先定唯一主存处，宜随要求\
            更高的一侧；另一端经专线与接口读写，不得两头各写一份。此条未定，本组不迁。"),
        format!("Open condition: {en} write the same data and would be in different clouds ({in_en}). \
            Settle first where the data are kept, rather where more is asked for; from the other \
            place they are read and written by an interface over the dedicated line, and no second \
            copy is written. Until then this group does not move."),
        &["GD-N8", "IAC-5.3-0", "IAC-5.3-1", "9.2-B-a"]))
}

/// All that is open although there is a wave: of groups, and of systems whose shared data stay behind.
fn conditions(joints: &[Joint], drafts: &[Draft]) -> Vec<Condition> {
    let mut all: Vec<Condition> = joints.iter().enumerate().filter_map(|(i, joint)| {
        let why = condition(joint, drafts)?;
        Some(Condition { group: Some(i + 1), systems: ids(&joint.members, drafts), why })
    }).collect();
    for draft in drafts {
        let behind: Vec<usize> =
            draft.apart.iter().copied().filter(|j| drafts[*j].stays()).collect();
        if behind.is_empty() {
            continue;
        }
        let (zh, en) = names(&behind, drafts);
        let (name, name_en) = (&draft.plan.name, &draft.plan.name_en);
        let why = Reason::new(
            format!("未决条件：“{name}”与不上云的{zh}写同一份数据。须先定唯一主存处，另一端经专线与接口读写。\
                此条未定，“{name}”不迁。"),
            format!("Open condition: \"{name_en}\" writes the same data as {en}, which stays. Settle first \
                where the data are kept; from the other place they are read and written by an interface \
                over the dedicated line. Until then \"{name_en}\" does not move."),
            &["GD-N8", "IAC-5.3-1", "9.2-B-a"]);
        all.push(Condition { group: None, systems: vec![draft.plan.id.clone()], why });
    }
    all
}

/// What the guardrails of each profile refuse.
fn guardrails() -> Vec<Guard> {
    let guard = |rule: &Rule| Some(Guard { profile: Profile::of(rule.then)?, refuses: rule.reason() });
    rules::GUARDS.iter().filter_map(guard).collect()
}

fn wave_list(systems: &[SystemPlan]) -> Vec<Wave> {
    let numbers: BTreeSet<usize> = systems.iter().filter_map(|s| s.migration.wave).collect();
    numbers.into_iter().map(|wave| {
        let mut here: Vec<&SystemPlan> =
            systems.iter().filter(|s| s.migration.wave == Some(wave)).collect();
        here.sort_by_key(|s| s.migration.place);
        Wave {
            wave,
            systems: here.iter().map(|s| s.id.clone()).collect(),
            why: Reason::new(
                "风险低者先行，被依赖者不晚于依赖者，共享数据者同批；批内以功能稳定、负载波动大、\
                 改造平滑、重要性低者在前。",
                "Low risk first, what is needed not after what needs it, shared data together; \
                    within a \
                 wave, stable functions, varying load, little rework and low importance go first.",
                &["IAC-4.4.1-0", "IAC-4.4.3-1", "GD-N3", "GD-N4", "GD-N8"],
            ),
        }
    }).collect()
}

fn outside(system: &SystemPlan) -> Option<Outside> {
    let barred = system.admission.is == Some(Admission::Barred);
    let stays = system.model.is == Some(Model::Stay);
    (barred || stays).then(|| {
        let mut why = if barred { system.admission.why.clone() } else { Vec::new() };
        why.extend(system.model.why.iter().cloned());
        Outside {
            system: system.id.clone(),
            admission: system.admission.is,
            model: system.model.is,
            why,
        }
    })
}

fn duties() -> Vec<Duty> {
    rules::LAYERS.iter().map(|layer| {
        let [iaas, paas, saas] = layer.parties;
        Duty { layer: layer.code, zh: layer.zh, en: layer.en, iaas, paas, saas, cites: layer.cites }
    }).collect()
}

fn questions(institution: &Facts, systems: &[SystemPlan]) -> Vec<Question> {
    let question = |system: Option<&str>, code: &str| {
        let fields = if system.is_none() { INSTITUTION } else { SYSTEM };
        let field = fields::find(fields, code).filter(|field| !field.ask.0.is_empty())?;
        let (zh, en) = field.ask;
        let system = system.map(String::from);
        Some(Question { system, field: field.code, zh, en, cites: field.cites, again: false })
    };
    let silent = INSTITUTION.iter().filter(|field| institution.get(field.code).is_none());
    let mut all: Vec<Question> = silent.filter_map(|field| question(None, field.code)).collect();
    for system in systems {
        all.extend(system.ask.iter().filter_map(|code| question(Some(system.id.as_str()), code)));
        all.extend(system.again.iter().map(|again| Question {
            system: Some(system.id.clone()),
            field: again.field,
            zh: again.zh,
            en: again.en,
            cites: again.cites,
            again: true,
        }));
    }
    all
}

fn summary(systems: &[SystemPlan], questions: &[Question], conditions: &[Condition], projects: usize)
    -> Summary {
    fn count<'s>(systems: &'s [SystemPlan], key: impl Fn(&'s SystemPlan) -> Option<String>)
        -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for system in systems {
            *counts.entry(key(system).unwrap_or_else(|| "undecided".into())).or_default() += 1;
        }
        counts
    }
    fn code<W: Word>(word: Option<W>) -> Option<String> {
        word.map(|word| word.code().to_string())
    }
    let stays = |s: &SystemPlan| s.model.is == Some(Model::Stay);
    let stay = || Some("stay".to_string());
    Summary {
        systems: systems.len(),
        class: count(systems, |s| code(s.class.is)),
        model: count(systems, |s| code(s.model.is)),
        service: count(systems, |s| if stays(s) { stay() } else { code(s.service.is) }),
        wave: count(systems, |s| match stays(s) {
            true => stay(),
            false => s.migration.wave.map(|wave| wave.to_string()),
        }),
        barred: systems.iter().filter(|s| s.admission.is == Some(Admission::Barred)).count(),
        questions: questions.len(),
        again: questions.iter().filter(|question| question.again).count(),
        conditions: conditions.len(),
        conditional: conditions.iter().flat_map(|c| &c.systems).collect::<BTreeSet<_>>().len(),
        projects,
    }
}

/// The sentences of a system's conclusions and remarks.
fn reasons(system: &SystemPlan) -> impl Iterator<Item = &Reason> {
    let lists = [&system.class.why, &system.info.why, &system.business.why, &system.level.why,
        &system.importance.why, &system.protection.why, &system.recovery.why,
        &system.admission.why, &system.model.why, &system.service.why, &system.profile.why,
        &system.residence, &system.before, &system.lacks, &system.exit, &system.migration.why];
    lists.into_iter().chain(system.needs.iter().map(|need| &need.follows)).flatten()
}

/// The clauses that a plan cites, in the order of the table.
fn cited(plan: &Plan) -> Vec<&'static Clause> {
    let mut ids: BTreeSet<&'static str> = BTreeSet::new();
    let waves = plan.waves.iter().map(|wave| &wave.why);
    let groups = plan.groups.iter().flat_map(|group| &group.why);
    let of_systems = plan.systems.iter().flat_map(reasons);
    let conditions = plan.conditions.iter().map(|condition| &condition.why);
    let guards = plan.guardrails.iter().map(|guard| &guard.refuses);
    let whole = plan.before.iter().chain(waves).chain(groups).chain(conditions).chain(guards);
    for reason in whole.chain(of_systems) {
        ids.extend(&reason.cites);
    }
    plan.responsibilities.iter().for_each(|duty| ids.extend(duty.cites));
    plan.questions.iter().for_each(|question| ids.extend(question.cites));
    plan.projects.iter().for_each(|project| ids.extend(&project.cites));
    plan.systems.iter().for_each(|s| ids.extend(s.needs.iter().map(|need| need.clause)));
    CLAUSES.iter().filter(|clause| ids.contains(clause.id)).collect()
}

/// All rules that there are, for whoever checks them.
pub fn tables() -> Vec<(&'static str, &'static [Rule])> {
    let mut all = vec![
        ("info", rules::INFO), ("business", rules::BUSINESS), ("level", rules::LEVEL),
        ("class", rules::CLASS), ("importance", rules::IMPORTANCE),
        ("protection", rules::PROTECTION), ("admission", rules::ADMISSION),
        ("model", rules::MODEL), ("service", rules::SERVICE), ("profile", rules::PROFILE),
        ("turn", rules::TURN), ("foundation", rules::FOUNDATION), ("before", rules::BEFORE),
        ("lacks", rules::LACKS), ("exit", rules::EXIT), ("residence", rules::RESIDENCE),
        ("guards", rules::GUARDS), ("doubts", rules::DOUBTS),
    ];
    all.extend(rules::ASPECTS.iter().map(|aspect| (aspect.clause, aspect.rules)));
    all
}
