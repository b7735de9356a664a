//! An assessment, from the stage to the report.
//!
//! ```text
//!   set the stage -> attack -> observe -> strike it -> observe what is left, verify the journal
//!     -> run the checks -> digest -> journal entry -> newest report
//! ```
//! The stage is struck whatever happened, and what went wrong with the assessment itself is part of
//! the report: a check whose facts are missing says "not proved", never "met".

use crate::attack::{ATTACKS, Prober, Tried};
use crate::catalogue::{Catalogue, Catalogues};
use crate::checks::CHECKS;
use crate::commands::try_commands;
use crate::facts::{hosts, images, journal, listeners, secrets};
use crate::finding::{Context, Finding, Report};
use crate::stage::{self, Stage};
use crate::world::{AskHost, World, reach};
use jinyun_base::{Fault, Refusal, Time};
use jinyun_compute::Hosts;
use jinyun_engine::{Answer as Done, Command, Ctx, Failure, Job};
use jinyun_image::Image;
use jinyun_journal::Key;
use jinyun_journal::entry::canonical;
use jinyun_policy::Object;
use jinyun_rest::{Call, Cloud, Reply, Route};
use jinyun_wire::{Answer, Ask};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

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
}

/// Makes assessments and keeps the newest report.
pub struct Evidence {
    setup: Setup,
    catalogues: &'static Catalogues,
    dir: PathBuf,
    newest: Mutex<Option<Value>>,
    turn: Mutex<()>,
}

fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Writes a file whole or not at all.
fn keep(path: &Path, value: &Value) -> Result<(), Fault> {
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
        let catalogues = Catalogue::all()?;
        Ok(Evidence { setup, catalogues, dir, newest, turn: Mutex::default() })
    }

    fn now(&self) -> Time {
        (self.setup.clock)()
    }

    /// Takes away what an assessment left whose process was killed.
    pub fn tidy(&self) -> Result<(), Failure> {
        match self.turn.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(()),
            // Held to the end: nobody builds while this takes away.
            _turn => stage::clear(&self.setup.cloud, "evidence-tidy"),
        }
    }

    /// Assesses everything. One at a time.
    pub fn assess(&self) -> Result<Report, Failure> {
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(broken)) => broken.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let say = "An assessment is running: wait for it or read the newest report.";
                return Err(Refusal::conflict(say).into());
            }
        };
        let began = self.now();
        let mut troubles = Vec::new();
        let world = self.observe(began, &mut troubles)?;
        let findings: Vec<Finding> = CHECKS.iter().map(|check| check.find(&world)).collect();
        // Duties and exceptions come in here.
        let context = Context { now: self.now(), ..Context::default() };
        let name = &self.setup.instance;
        Ok(Report::new(self.catalogues, name, began, findings, troubles, &context))
    }

    fn observe(&self, began: Time, troubles: &mut Vec<String>) -> Result<World, Failure> {
        let cloud = &*self.setup.cloud;
        // Unlike that of any other run: the clock does not stand still between two.
        let tag = format!("evidence-{}", began.0);
        let mut world = World::default();
        let stage = if hosts::alive(&self.setup.hosts).is_empty() {
            Err(Fault::new("no host is connected").into())
        } else {
            stage::set(cloud, &tag)
        };
        match &stage {
            Ok(stage) => {
                (world.tried, world.asked) = try_commands(cloud, &stage.ground, &tag);
                world.tried.extend(self.attack(stage, &tag));
                world.no_stage = String::new();
            }
            Err(failure) => {
                world.no_stage = format!("there is no synthetic tenant ({failure})");
                troubles.push(world.no_stage.clone());
            }
        }
        let seen = hosts::read(cloud, &self.setup.hosts, &self.setup.ask);
        let struck = stage::clear(cloud, &tag);
        if let Err(failure) = struck {
            troubles.push(format!("taking the synthetic tenant away: {failure}"));
        }
        (world.hosts, world.rows, world.secrets) = seen?;
        self.rest(&mut world, troubles)?;
        world.now = self.now();
        Ok(world)
    }

    /// What is observed after the stage is gone.
    fn rest(&self, world: &mut World, troubles: &mut Vec<String>) -> Result<(), Fault> {
        let setup = &self.setup;
        let cloud = &*setup.cloud;
        world.left = hosts::left(&world.hosts, &setup.ask);
        world.secrets_left = cloud.reader.lend(secrets::read)?;
        world.key_file = secrets::key_file(&setup.key_file);
        world.reach = reach(cloud.reader.registry());
        world.listeners = vec![
            listeners::read("tenants", setup.tenants, &setup.ca),
            listeners::read("management", setup.management, &setup.ca),
        ];
        world.sockets = listeners::sockets();
        world.images = images::read(&cloud.reader.view(|v| v.list::<Image>(&Default::default()))?);
        let path = self.dir.join("checkpoint.json");
        let kept: Vec<String> =
            read_json(&path).and_then(|v| serde_json::from_value(v).ok()).unwrap_or_default();
        match journal::read(cloud, &setup.keys, &setup.instance, &kept, &self.dir) {
            Ok((journal, notes)) => {
                world.journal = Ok(journal);
                keep(&path, &json!(notes))?;
            }
            Err(fault) => {
                troubles.push(format!("the journal: {fault}"));
                world.journal = Err(fault.to_string());
            }
        }
        Ok(())
    }

    /// Attacks through ports. On a simulated host there is nothing to attack.
    fn attack(&self, stage: &Stage, tag: &str) -> Vec<Tried> {
        let ask = |ask: Ask| match (self.setup.ask)(&stage.host, ask) {
            Ok(answer) => answer,
            Err(failure) => Answer::Failed { why: failure.to_string() },
        };
        let prober = Prober::new(&ask, tag);
        ATTACKS.iter().map(|&(check, attack)| {
            Tried { check, attempts: attack(&prober, &stage.posts) }
        }).collect()
    }

    /// Assesses for a caller: the report, its digest, and the journal's entry about it.
    pub fn run(&self, asked: Command) -> Result<Value, Failure> {
        self.setup.cloud.reader.allow(&asked, &Object::default())?;
        let report = self.assess()?;
        let text = canonical(&report).map_err(|e| Fault::new(format!("the report: {e}")))?;
        let digest = jinyun_journal::to_hex(&Sha256::digest(text.as_bytes()));
        let verdicts: Value = report.findings.iter()
            .map(|f| (f.check.clone(), json!(f.verdict))).collect::<serde_json::Map<_, _>>().into();
        let asked = asked.with(json!({
            "standard": report.standard,
            "sha256": digest,
            "counts": report.counts,
            "findings": verdicts,
        }));
        let done: Done = self.setup.cloud.handle.run(Job::Command(Box::new(asked)))?;
        let whole = json!({ "report": report, "sha256": digest, "entry": done.entry });
        keep(&self.dir.join("newest.json"), &whole)?;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = Some(whole.clone());
        Ok(whole)
    }

    /// The newest report.
    pub fn newest(&self) -> Option<Value> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The entry of an assessment: what was found, and the digest by which its report is recognised.
pub(crate) fn record(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    ctx.note(command.args.clone());
    Ok(Value::Null)
}

/// Runs and shows assessments. Below `/evidence`; the management listener's tokens alone may.
pub fn routes(evidence: Arc<Evidence>) -> Vec<Route> {
    const CREATE: &str = "evidence:assessment:create";
    const SHOW: &str = "evidence:assessment:show";
    let (runs, shows) = (evidence.clone(), evidence);
    vec![
        Route::new("POST", "/v1/assessments", CREATE, move |call: &Call<'_>| {
            let whole = runs.run(call.command(CREATE))?;
            Ok(Reply::with(201, json!({ "assessment": whole })))
        }),
        Route::new("GET", "/v1/assessments/latest", SHOW, move |call: &Call<'_>| {
            call.cloud.reader.allow(&call.command(SHOW), &Object::default())?;
            let newest = shows.newest().ok_or_else(|| Refusal::new(
                jinyun_base::Refused::NotFound,
                "There is no assessment yet: run one with POST /evidence/v1/assessments.",
            ))?;
            Ok(Reply::ok(json!({ "assessment": newest })))
        }),
    ]
}
