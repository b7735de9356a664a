//! An assessment that somebody asked for, from the stage to the report.
//!
//! ```text
//!   set the stage -> attack -> observe -> strike it -> observe what is left, verify the journal
//!     -> run the checks -> document, digests -> journal entry -> newest report
//! ```
//! Everything anew, whatever the platform has looked at by itself (`watch.rs`): somebody waits for
//! it and wants to see it done. The stage is struck whatever happened, and what went wrong with the
//! assessment itself is part of the report: a check whose facts are missing says "not proved", never
//! "met".

use crate::catalogue::{Catalogue, Catalogues, InForce, Live, Loaded};
use crate::checks::CHECKS;
use crate::checks::tenants::{self, Shares};
use crate::desk::with_nonce;
use crate::finding::{Finding, Report, State};
use crate::full::{Around, Start, Tenant, all_observed, full, period};
use crate::facts::site::SiteSetup;
use crate::govern::{Govern, Registers};
use crate::installed;
use crate::needs::Needs;
use crate::posture::{Mark, key};
use crate::source::{Real, free, lock};
use crate::stage::DOMAIN;
use crate::watch::{Parts, Watch};
use crate::world::{AskHost, World};
use jinyun_base::{Fault, Id, Refusal, Time};
use jinyun_compute::Hosts;
use jinyun_engine::{Answer as Done, Command, Ctx, Failure, Job};
use jinyun_identity::{Domain, Identity};
use jinyun_journal::entry::canonical;
use jinyun_journal::{Entry, Key};
use jinyun_kms::Kms;
use jinyun_policy::{Object, PROVIDER};
use jinyun_rest::Cloud;
use jinyun_verify::pack::document_digest;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// The directory of installed catalogues.
const BROUGHT: &str = "catalogues";
/// The action of an assessment.
pub(crate) const CREATE: &str = "evidence:assessment:create";

/// How institutions' own duties stand, by institution and clause, as these standards have them.
pub type Institutions = Arc<
    dyn Fn(&Arc<Catalogues>, &[Id]) -> Result<BTreeMap<Id, BTreeMap<String, State>>, Fault> + Send + Sync,
>;

/// What an assessment needs of the rest.
pub struct Setup {
    /// The records and the write path.
    pub cloud: Arc<Cloud>,
    /// What hosts report.
    pub hosts: Arc<Hosts>,
    /// Asks a host.
    pub ask: AskHost,
    /// Reads the clock.
    pub clock: Arc<dyn Fn() -> Time + Send + Sync>,
    /// Signing in, as the edge asks it.
    pub identity: Arc<Identity>,
    /// Its keys.
    pub kms: Arc<Kms>,
    /// The keys that sign the journal.
    pub keys: Vec<Key>,
    /// The instance's name.
    pub instance: String,
    /// The file of the root key.
    pub key_file: PathBuf,
    /// The file of the CA's certificate.
    pub ca: PathBuf,
    /// The tenants' listener.
    pub tenants: SocketAddr,
    /// The management listener.
    pub management: SocketAddr,
    /// What is needed to look at the place itself.
    pub site: SiteSetup,
}

/// Makes assessments, keeps the newest report, and watches in between.
pub struct Evidence {
    real: Arc<Real>,
    watch: Watch,
    /// What clauses are judged by.
    live: Arc<Live>,
    newest: Mutex<Option<Value>>,
    /// Held by whom somebody asked for an assessment.
    asked: Mutex<()>,
    program: OnceLock<String>,
    institutions: OnceLock<Institutions>,
    guardrails: OnceLock<Vec<Value>>,
}

/// An assessment with everything that it was judged by: what comes after it speaks of the same.
struct Made {
    report: Report,
    /// What each institution has of what checks of tenants look at.
    shares: Shares,
    registers: Registers,
    catalogues: Arc<Catalogues>,
}

pub(crate) fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// What is said when the control process starts: which program it is.
pub(crate) const STARTED: &str = "evidence:program:start";

/// Writes a file whole or not at all.
pub(crate) fn keep(path: &Path, value: &Value) -> Result<(), Fault> {
    let part = path.with_extension("part");
    std::fs::write(&part, value.to_string()).and_then(|()| std::fs::rename(&part, path))
        .map_err(|e| Fault::new(format!("{}: {e}", path.display())))
}

impl Evidence {
    /// Keeps its files in a directory of its own.
    pub fn open(dir: PathBuf, setup: Setup) -> Result<Evidence, Fault> {
        std::fs::create_dir_all(&dir)
            .map_err(|e| Fault::new(format!("{}: {e}", dir.display())))?;
        let newest = Mutex::new(read_json(&dir.join("newest.json")));
        let live = Arc::new(Live::new(Loaded::new(Catalogue::shared()?)));
        let real = Arc::new(Real::new(dir, setup));
        let (teller, governed) = (real.clone(), real.clone());
        let watch = Watch::new(Parts {
            source: real.clone(),
            tell: Arc::new(move |action, note| teller.tell(action, note)),
            clock: real.setup.clock.clone(),
            govern: Arc::new(move || governed.registers()),
            checks: CHECKS,
            catalogues: live.lend(),
            file: real.dir.join("board.json"),
        });
        let (asked, program) = (Mutex::default(), OnceLock::new());
        let (institutions, guardrails) = (OnceLock::new(), OnceLock::new());
        let evidence = Evidence { real, watch, live, newest, asked, program, institutions, guardrails };
        // Nobody else has it yet.
        evidence.settle()?;
        Ok(evidence)
    }

    /// Takes the registers of duties, exceptions, risks and opinions in. Once; without them there
    /// are none.
    pub fn govern(&self, govern: Govern) {
        // The first holds.
        let _ = self.real.govern.set(govern);
    }

    /// Takes in how institutions' own duties stand. Once; without it their statements have what holds
    /// for all of them.
    pub fn institutions(&self, read: Institutions) {
        // The first holds.
        let _ = self.institutions.set(read);
    }

    /// Takes in the guardrails, each in the form that `docs/reports.md` gives it. Once.
    pub fn guardrails(&self, all: Vec<Value>) {
        // The first holds.
        let _ = self.guardrails.set(all);
    }

    /// The guardrails that name a clause.
    pub(crate) fn guardrails_of(&self, clause: &str) -> Vec<&Value> {
        let names = |rail: &&Value| {
            let clauses = rail.get("clauses").and_then(Value::as_array);
            clauses.is_some_and(|ids| ids.iter().any(|id| id.as_str() == Some(clause)))
        };
        self.guardrails.get().into_iter().flatten().filter(names).collect()
    }

    /// What watches all the time.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The clauses that are judged by now: those that are shipped and those that were installed. The same
    /// for as long as they are held; a moment later others may be in force.
    pub fn catalogues(&self) -> Arc<Catalogues> {
        self.live.now().catalogues.clone()
    }

    /// The same for whoever has to ask again and again.
    pub fn in_force(&self) -> InForce {
        self.live.lend()
    }

    /// Installed catalogues that were not loaded, and why.
    pub fn refused(&self) -> Vec<(String, String)> {
        self.live.now().refused.clone().into_iter().collect()
    }

    /// What is in force.
    pub(crate) fn loaded(&self) -> Arc<Loaded> {
        self.live.now()
    }

    /// Why what is in force is not what is installed, if so.
    pub(crate) fn stuck(&self) -> Option<String> {
        self.live.stuck()
    }

    /// Has clauses judged by what is installed now; whether that is something else than before. For
    /// whoever is told that somebody has installed or removed something: it looks at what is on record,
    /// so it may be called at any time and as often as one likes. If that cannot be read, or the
    /// journal cannot be told, all stays as it is.
    pub fn refresh(&self) -> Result<bool, Fault> {
        let turn = self.live.turn();
        let settled = self.settle();
        drop(turn);
        if matches!(settled, Ok(true)) {
            self.watch.report(false);
        }
        settled
    }

    /// Work of somebody who installs or removes, with what is in force just then; one at a time. What
    /// comes of it is in force when this returns, or it is told why not.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&Loaded) -> Result<T, Failure>)
        -> Result<T, Failure> {
        let turn = self.live.turn();
        let mut new = self.settle()?;
        let came = work(&self.live.now());
        if came.is_ok() {
            // It is on record already. What is wrong is told with the catalogue, and tried again.
            new |= self.settle().unwrap_or_default();
        }
        drop(turn);
        if new {
            self.watch.report(false);
        }
        came
    }

    /// Brings what is in force to what is on record; whether that was something new. For whoever has
    /// the turn.
    fn settle(&self) -> Result<bool, Fault> {
        let came = self.exchange();
        self.live.noted(&came);
        came
    }

    fn exchange(&self) -> Result<bool, Fault> {
        let (dir, before) = (self.brought(), self.live.now());
        let (next, named) = installed::next(&dir, &self.real.setup.cloud, &before)?;
        let new = !next.same(&before);
        if new {
            // The journal has it before anything is judged by it.
            let told = self.real.tell(installed::LOAD, installed::note(&next));
            told.map_err(|e| Fault::new(format!("loading the installed catalogues: {e}")))?;
            self.live.put(next);
        }
        installed::sweep(&dir, &named)?;
        Ok(new)
    }

    /// Where the files of installed catalogues lie.
    pub(crate) fn brought(&self) -> PathBuf {
        self.real.dir.join(BROUGHT)
    }

    /// Takes away what an assessment left whose process was killed.
    pub fn tidy(&self) -> Result<(), Failure> {
        match self.real.turn() {
            None => Ok(()),
            // Held to the end: nobody builds while this takes away.
            Some(_turn) => self.real.tidy("evidence-tidy"),
        }
    }

    /// Says which program has been started. An assessment names the one that made it; which others ran
    /// between two assessments nobody could tell otherwise.
    pub fn started(&self) -> Result<(), Fault> {
        self.real.tell(STARTED, self.product()).map(drop)
            .map_err(|e| Fault::new(format!("saying which program was started: {e}")))
    }

    /// Up to so many entries an assessment goes through the whole journal; the first call holds.
    pub fn patience(&self, entries: u64) {
        let _ = self.real.longest.set(entries);
    }

    /// Assesses everything. One at a time.
    pub fn assess(&self) -> Result<Report, Failure> {
        self.assessed().map(|made| made.report)
    }

    /// The same, with everything that it was judged by.
    fn assessed(&self) -> Result<Made, Failure> {
        let Some(_asked) = free(&self.asked) else {
            let say = "An assessment is running: wait for it or read the newest report.";
            return Err(Refusal::conflict(say).into());
        };
        let real = &self.real;
        // The platform's own attacks end by themselves.
        let _turn = lock(&real.turn);
        let (began, nonce) = (real.now(), real.registers().nonce());
        let (mut troubles, mut world) = (Vec::new(), World::default());
        real.attack(nonce.as_deref(), true, &mut world, &mut troubles)?;
        real.near(Needs::QUICK, &mut world);
        let long = real.whole(&mut world, &mut troubles)?;
        world.now = real.now();
        let findings = self.judged(&world, long, nonce.as_deref());
        troubles.extend(self.refused().iter()
            .map(|(key, why)| format!("the catalogue {key} is not loaded: {why}")));
        troubles.extend(self.stuck().map(|why| format!("the catalogues are not those installed: {why}")));
        // From here on nothing is asked twice: what changes meanwhile is for the next one.
        let registers = real.registers();
        let catalogues = registers.catalogues.clone().unwrap_or_else(|| self.catalogues());
        let (name, context) = (&real.setup.instance, registers.context(real.now()));
        let report = Report::new(&catalogues, name, began, findings, troubles, &context);
        Ok(Made { report, shares: tenants::shares(&world), registers, catalogues })
    }

    /// What all checks say of the world. Of a journal that was too long to be gone through, those that read
    /// it say what they found when it was followed last, and when that was.
    fn judged(&self, world: &World, long: bool, nonce: Option<&str>) -> Vec<Finding> {
        let held = if long { self.watch.findings() } else { Vec::new() };
        let mut held: BTreeMap<String, Finding> =
            held.into_iter().map(|held| (held.finding.check.clone(), held.finding)).collect();
        let (mut all, mut new) = (Vec::new(), Vec::new());
        for check in CHECKS {
            let reads = [Needs::JOURNAL, Needs::PROOF].iter().any(|needs| check.needs.has(*needs));
            match held.remove(check.name).filter(|_| reads) {
                Some(found) => all.push(found),
                None => {
                    let found = with_nonce(check.find(world), check.needs, nonce);
                    new.push(found.clone());
                    all.push(found);
                }
            }
        }
        self.watch.found(new);
        all
    }

    /// Assesses for a caller: the report, its digest, and the journal's entry about it.
    pub fn run(&self, asked: Command) -> Result<Value, Failure> {
        let setup = &self.real.setup;
        setup.cloud.reader.allow(&asked, &Object::default())?;
        let start = self.before()?;
        // An assessment makes everything new, so this is of before.
        let fresh = self.watch.freshness();
        let made = self.assessed()?;
        let report = &made.report;
        let text = canonical(report).map_err(|e| Fault::new(format!("the report: {e}")))?;
        let digest = jinyun_journal::to_hex(&Sha256::digest(text.as_bytes()));
        let verdicts: Value = report.findings.iter()
            .map(|f| (f.check.clone(), json!(f.verdict))).collect::<serde_json::Map<_, _>>().into();
        // Before the entry, which holds its digest.
        let mut full = self.full(&made, start, (digest.as_str(), &fresh))?;
        let document = document_digest(&full).map_err(|e| Fault::new(format!("the assessment: {e}")))?;
        let asked = asked.with(json!({
            "standard": report.standard,
            "sha256": digest,
            "counts": report.counts,
            "findings": verdicts,
            "clauses": states(report),
            "document": document,
            // Where the next one's period begins.
            "ended": report.ended,
        }));
        let done: Done = setup.cloud.handle.run(Job::Command(Box::new(asked)))?;
        let (entries, checkpoints) = self.reaches()?;
        full["entry"] = done.entry.into();
        full["journal"]["entries"] = entries.into();
        full["journal"]["checkpoints"] = json!(checkpoints);
        keep(&self.full_file(), &full)?;
        let mut whole = json!({ "report": report, "sha256": digest, "entry": done.entry });
        for member in ["period", "violations", "gaps", "freshness"] {
            whole[member] = full.get(member).cloned().unwrap_or_default();
        }
        whole["observed"] = all_observed(&full);
        keep(&self.real.dir.join("newest.json"), &whole)?;
        *lock(&self.newest) = Some(whole.clone());
        Ok(whole)
    }

    fn full_file(&self) -> PathBuf {
        self.real.dir.join("newest-full.json")
    }

    /// Where the assessment before ended. The file says which entry that was, the journal says the rest:
    /// without the one the period is all the time that the journal knows, never a shorter one.
    fn before(&self) -> Result<Option<Start>, Fault> {
        let number = self.newest_full().and_then(|full| full.get("entry")?.as_u64());
        let Some(number) = number else { return Ok(None) };
        let (reader, next) = (&self.real.setup.cloud.reader, number.saturating_add(1));
        let bodies = reader.lend(|db| db.entries(number, next))?;
        let read = |body: &Vec<u8>| serde_json::from_slice::<Entry>(body).ok();
        let entry = bodies.first().and_then(read);
        let entry = entry.filter(|entry| entry.action == CREATE && entry.outcome == "done");
        Ok(entry.map(|entry| {
            let ended = entry.note.as_ref().and_then(|note| note.get("ended")?.as_i64());
            Start { at: ended.unwrap_or(entry.time).min(entry.time), entry: next }
        }))
    }

    /// How the own duties of these institutions stand, and what went wrong with reading that.
    fn duties(&self, catalogues: &Arc<Catalogues>, ids: &[Id])
        -> (BTreeMap<Id, BTreeMap<String, State>>, Vec<String>) {
        match self.institutions.get().map(|read| read(catalogues, ids)) {
            None => (BTreeMap::new(), Vec::new()),
            Some(Ok(duties)) => (duties, Vec::new()),
            Some(Err(fault)) => {
                (BTreeMap::new(), vec![format!("the institutions' own duties: {fault}")])
            }
        }
    }

    /// How many entries the journal has, and its newest checkpoints.
    fn reaches(&self) -> Result<(u64, Vec<String>), Fault> {
        let reader = &self.real.setup.cloud.reader;
        let (entries, newest) =
            reader.lend(|db| Ok((db.journal_length()?, db.newest_checkpoint()?)))?;
        Ok((entries, newest.map(|(_, notes)| notes).unwrap_or_default()))
    }

    /// The report, of which the digest and the freshness before it are told, with everything around it, as
    /// of the next entry.
    fn full(&self, made: &Made, start: Option<Start>, told: (&str, &Value)) -> Result<Value, Fault> {
        let Made { report, shares, registers, catalogues } = made;
        let (sha256, freshness) = told;
        let reader = &self.real.setup.cloud.reader;
        let (entries, checkpoints) = self.reaches()?;
        let institutions = reader.view(|v| v.list::<Domain>(&Default::default()))?;
        let tenants: Vec<_> = institutions.into_iter()
            .filter(|domain| ![PROVIDER, DOMAIN].contains(&domain.id.as_str())).collect();
        let ids: Vec<Id> = tenants.iter().map(|domain| domain.id.clone()).collect();
        let (mut duties, troubles) = self.duties(catalogues, &ids);
        let tenants: Vec<Tenant> = tenants.into_iter().map(|domain| {
            let duties = duties.remove(&domain.id).unwrap_or_default();
            Tenant { id: domain.id, name: domain.spec.name, duties }
        }).collect();
        let product = self.product();
        Ok(self.watch.marks(|marks| full(report, &Around {
            catalogues,
            registers,
            marks,
            product,
            start,
            journal: json!({ "entries": entries, "checkpoints": checkpoints }),
            guardrails: self.guardrails.get().map(Vec::as_slice).unwrap_or_default(),
            tenants,
            shares,
            freshness,
            troubles,
            sha256,
            entry: entries,
        })))
    }

    /// The program that looked: the file from which this process was started, read once.
    fn product(&self) -> Value {
        let sha256 = self.program.get_or_init(|| {
            let read = || -> std::io::Result<String> {
                let mut file = std::fs::File::open("/proc/self/exe")?;
                let (mut sum, mut part) = (Sha256::new(), vec![0; 1 << 20]);
                loop {
                    match file.read(&mut part)? {
                        0 => break,
                        n => sum.update(&part[..n]),
                    }
                }
                Ok(jinyun_journal::to_hex(&sum.finalize()))
            };
            read().unwrap_or_default()
        });
        let measured = if sha256.is_empty() { "" } else { "the file of the control process" };
        json!({
            "name": "Jinyun",
            "version": env!("CARGO_PKG_VERSION"),
            "binary_sha256": sha256,
            "measured": measured,
        })
    }

    /// The newest report.
    pub fn newest(&self) -> Option<Value> {
        lock(&self.newest).clone()
    }

    /// The newest report with everything around it.
    pub fn newest_full(&self) -> Option<Value> {
        read_json(&self.full_file())
    }

    /// The same about the time since a moment, microseconds: its period, and what the journal says of
    /// that. Findings and states stay those of the assessment.
    pub(crate) fn newest_since(&self, since: i64) -> Result<Option<Value>, Refusal> {
        let Some(mut full) = self.newest_full() else { return Ok(None) };
        let to = full.pointer("/period/to").and_then(Value::as_i64).unwrap_or_default();
        if since > to {
            return Err(Refusal::invalid("since", "is later than the newest assessment"));
        }
        self.watch.marks(|marks| {
            if !marks.iter().any(|mark| mark.at >= since) {
                return Err(Refusal::conflict("The journal has not been read yet: ask again."));
            }
            period(&mut full, marks, Start { at: since, entry: first_since(marks, since) });
            Ok(Some(full))
        })
    }
}

/// Clauses by state, as seals have them: whoever holds a document against the entry can so say which
/// clause is other, and not only that one is.
fn states(report: &Report) -> BTreeMap<State, BTreeSet<String>> {
    let mut all: BTreeMap<State, BTreeSet<String>> = BTreeMap::new();
    for one in &report.clauses {
        for (state, tenant) in [(Some(one.state), false), (one.tenant_state, true)] {
            if let Some(state) = state {
                all.entry(state).or_default().insert(key(&one.clause.id, tenant));
            }
        }
    }
    all
}

/// The first entry that can be of the time since a moment: the one after the last about evidence before
/// it. Others between the two are in, whenever they were made: rather a few too many than one too few.
fn first_since(marks: &[Mark], since: i64) -> u64 {
    let before = marks.iter().take_while(|mark| mark.at < since).last();
    before.map_or(0, |mark| mark.entry.saturating_add(1))
}

/// The entry of something about evidence: its words. Of an assessment that is what was found, and
/// the digest by which its report is recognised.
pub(crate) fn record(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    ctx.note(command.args.clone());
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posture::What;

    #[test]
    fn a_period_begins_behind_what_was_said_before_it() {
        let marks: Vec<Mark> = [(10, 3), (20, 5), (20, 6), (30, 9)].into_iter()
            .map(|(at, entry)| Mark { at, entry, what: What::Seal(Box::default()) }).collect();
        for (since, want) in [(0, 0), (10, 0), (11, 4), (20, 4), (21, 7), (30, 7), (31, 10)] {
            assert_eq!(first_since(&marks, since), want, "{since}");
        }
        assert_eq!(first_since(&[], 5), 0);
    }
}
