//! The control process: the write path, the driver, the listeners. It runs as a user id of the
//! instance's own and needs no privilege.
//!
//! ```text
//! writer thread    one group of commands after the other
//! driver thread    looks at what was nudged or is due
//! clerk thread     signs checkpoints, counts refusals
//! catalogues       brings what clauses are judged by to what is installed
//! runtime          TLS and HTTP; each request runs on a blocking thread
//! ```

use crate::hosts::{self, Links};
use crate::instance::{Instance, Settings};
use crate::say;
use jinyun_base::{Day, Fault, Id, OsEntropy, Time};
use jinyun_compute::Hosts;
use jinyun_edge::{Dialect, Edge, Listener, Mount, serve, tls, with_discovery};
use jinyun_engine::{Core, Driver, Effect, Handle, Job, Maker, Queue, Reader, Registry, Resource, View};
use jinyun_evidence::{Evidence, Installed};
use jinyun_identity::{Directory, Domain, Identity, RelyingParty, Service, first_start};
use jinyun_kms::Kms;
use jinyun_policy::PROVIDER;
use jinyun_rest::Cloud;
use jinyun_store::{Db, Writer};
use nix::sys::signal::{SigSet, Signal};
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often committed entries are signed.
const CHECKPOINT: Duration = Duration::from_secs(1);

/// The one place of the control process that reads the clock.
#[allow(clippy::disallowed_methods)]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Wakes a thread that waits for work.
#[derive(Default)]
pub struct Bell {
    rung: Mutex<bool>,
    wake: Condvar,
}

impl Bell {
    /// Rings.
    pub fn ring(&self) {
        if let Ok(mut rung) = self.rung.lock() {
            *rung = true;
        }
        self.wake.notify_all();
    }

    /// Waits for a ring, at most so long.
    pub fn wait(&self, at_most: Duration) {
        if let Ok(rung) = self.rung.lock()
            && let Ok((mut rung, _)) = self.wake.wait_timeout_while(rung, at_most, |r| !*r)
        {
            *rung = false;
        }
    }
}

fn services() -> Vec<Service> {
    vec![
        Service { id: "0d3e0c7a1b0e4f6c8e6f00000000a001", kind: "identity", name: "keystone",
            path: "/identity/v3" },
        Service { id: "0d3e0c7a1b0e4f6c8e6f00000000a002", kind: "image", name: "glance",
            path: "/image" },
        Service { id: "0d3e0c7a1b0e4f6c8e6f00000000a003", kind: "volumev3", name: "cinderv3",
            path: "/volume/v3/{project}" },
        Service { id: "0d3e0c7a1b0e4f6c8e6f00000000a004", kind: "network", name: "neutron",
            path: "/network" },
        Service { id: "0d3e0c7a1b0e4f6c8e6f00000000a005", kind: "compute", name: "nova",
            path: "/compute/v2.1" },
    ]
}

/// Everything that the services offer.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    jinyun_identity::register(&mut registry);
    jinyun_approval::register(&mut registry);
    jinyun_access::register(&mut registry);
    jinyun_governance::register(&mut registry);
    jinyun_image::register(&mut registry);
    jinyun_volume::register(&mut registry);
    jinyun_network::register(&mut registry);
    jinyun_compute::register(&mut registry);
    jinyun_evidence::register(&mut registry);
    jinyun_audit::register(&mut registry);
    jinyun_planner::register(&mut registry);
    hosts::register(&mut registry);
    registry
}

/// How strictly a project is kept, and what it is excused from: the rows of governance.
pub fn profiles() -> jinyun_access::Profiles {
    use jinyun_access::Profile;
    use jinyun_governance::{Level, excepted, profile};
    let of = |view: &mut View<'_>, project: &Id| -> Result<(Profile, Vec<String>), Fault> {
        let today = Day::of(now());
        let level = match profile(view, project, today)? {
            None | Some(Level::Basic) => Profile::Basic,
            Some(Level::Extended) => Profile::Extended,
            Some(Level::Enhanced) => Profile::Enhanced,
        };
        Ok((level, excepted(view, project, today)?))
    };
    Arc::new(of)
}

/// `jinyun control`.
pub fn run(instance: &Instance) -> Result<(), Fault> {
    // The supervisor blocks these to wait for them, and a child begins with its parent's mask: it
    // would not hear that it is to end, and every stop would last until it is killed.
    let mut signals = SigSet::empty();
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].iter().for_each(|s| signals.add(*s));
    signals.thread_unblock().map_err(|e| Fault::new(format!("signals: {e}")))?;
    let settings = instance.settings()?;
    let dir = instance.control_dir();
    let _lock = lock(instance)?;
    // Ports first: whoever cannot listen has changed nothing.
    let sockets = [settings.port, settings.management_port].map(listen);
    let [tenants, management] = sockets;
    let (tenants, management) = (tenants?, management?);
    let files = tls::Files::in_dir(&dir);
    let mut names = vec!["127.0.0.1".to_string(), "localhost".to_string()];
    if !names.iter().any(|name| name == settings.host()) {
        names.push(settings.host().into());
    }
    tls::ensure(&files, &names)?;
    // A name that was given has to be right. If none ever was, what an operator has put there from before
    // there were passkeys is no reason not to start: there are none (the supervisor says so).
    let named = match tls::names(&files, settings.host()) {
        Err(fault) if settings.public_name.is_some() => return Err(fault),
        named => named.is_ok(),
    };
    let tls_config = tls::server(&files)?;
    let kms = Kms::open(&dir.join("keys.json"), &instance.name, Box::<OsEntropy>::default())?;
    let kms = Arc::new(kms);

    let directory = Arc::new(Directory::default());
    let mut registry = registry();
    jinyun_approval::install(&mut registry, Arc::new(now));
    // Last: it reads what all services have registered.
    let access = jinyun_access::install(&mut registry, directory.clone(), Arc::new(now), profiles());
    let registry = Arc::new(registry);
    let config = instance.store(&settings);
    let mut core = Core::new(
        Writer::open(&config, &format!("{}:{}", instance.name, std::process::id()))?,
        registry.clone(), Box::<OsEntropy>::default(),
    );
    directory.load(&mut View::new(&mut core.writer.db))?;
    access.load(&mut View::new(&mut core.writer.db))?;
    let bell = Arc::new(Bell::default());
    let composer = Arc::new(Bell::default());
    let looker = Arc::new(Bell::default());
    let librarian = Arc::new(Bell::default());
    let (watch, ring, compose) = (directory.clone(), bell.clone(), composer.clone());
    let statements = access.clone();
    let (look, load) = (looker.clone(), librarian.clone());
    core.observe(Box::new(move |effects| {
        watch.apply(effects);
        statements.apply(effects);
        ring.ring();
        compose.ring();
        look.ring();
        if effects.iter().any(installs) {
            load.ring();
        }
    }));
    let (handle, queue) = Queue::new();
    spawn("writer", move || queue.serve(core, now))?;
    let reader = Reader::new(config.clone(), registry.clone(), handle.clone());
    let cloud = Arc::new(Cloud { reader, handle: handle.clone() });
    first(instance, &cloud)?;
    let live = Arc::new(Hosts::new());
    let links = Links::new(cloud.clone(), kms.clone(), live.clone(), bell.clone(), composer);
    links.compose_forever()?;

    let mut db = Db::open(&config)?;
    let maker_kms = kms.clone();
    let maker: Maker = Box::new(move |db, kind, id, request| maker_kms.make(db, kind, id, request));
    let mut driver = Driver::new(registry.clone(), maker);
    let (mut to, wake) = (handle.clone(), bell.clone());
    spawn("driver", move || loop {
        let pause = match driver.pass(&mut db, &mut to, live.as_ref(), now()) {
            Ok((_, next)) => next.map_or(60_000_000, |at| at.0 - now().0),
            Err(fault) => {
                say::err(&format!("jinyun: driver: {fault}"));
                1_000_000
            }
        };
        wake.wait(Duration::from_micros(pause.clamp(0, 60_000_000).unsigned_abs()));
    })?;

    let identity = Arc::new(Identity::new(directory, kms.clone(), Arc::new(now))?);
    identity.bring_directories(Arc::new(jinyun_ldap::Client::default()));
    if named {
        identity.rely_on(RelyingParty {
            id: settings.host().into(),
            name: "Jinyun".into(),
            // The tenants' first: it is the one that people are sent to.
            origins: [settings.port, settings.management_port].map(|port| settings.place(port)).into(),
        });
    }
    // Passwords that nobody may choose, if the operator has a list of them.
    let breached = dir.join("breached.txt");
    if breached.exists() {
        identity.load_breached(&breached)?;
    }
    let images = Arc::new(jinyun_image::Files::open(dir.join("images"))?);
    sweep(images.clone(), cloud.clone())?;
    tend(cloud.clone())?;
    let asked = links.clone();
    let console: jinyun_compute::Console =
        Arc::new(move |host, server, lines| asked.console(host, server, lines));
    // The edge's table does not exist yet: evidence is one of the edge's services.
    let table = Arc::new(std::sync::OnceLock::new());
    let site = jinyun_evidence::SiteSetup {
        socket: instance.socket(),
        routes: table.clone(),
        images: Some(images.clone()),
    };
    let evidence = crate::proof::open(instance, &settings, cloud.clone(), &links,
        identity.clone(), kms.clone(), site)?;
    let shelf = Arc::new(crate::governance::Shelf::new(evidence.in_force()));
    let governance = crate::governance::open(instance, &kms, &cloud, &shelf, Vec::new())?;
    evidence.govern(crate::governance::lend(shelf.clone(), cloud.clone()));
    evidence.institutions(Arc::new(crate::governance::institutions(shelf.clone(), cloud.clone())));
    evidence.guardrails(jinyun_access::guardrails().iter().map(|rail| serde_json::json!({
        "name": rail.name, "clauses": rail.clauses, "profile": rail.profile.word(),
        "always": rail.always().is_some(), "refuses": rail.refuses, "instead": rail.instead,
    })).collect());
    crate::governance::tend(governance.clone(), shelf, evidence.clone(), cloud.clone())?;
    keep_loaded(evidence.clone(), librarian)?;
    let audit = jinyun_audit::Audit::new(cloud.clone(), instance.name.clone())
        .dressed(Arc::new(jinyun_governance::cosigned));
    let audit = Arc::new(audit);
    let mount = |prefix, service: &'static str, dialect, routes| Mount {
        prefix,
        dialect,
        routes: with_discovery(service, routes),
    };
    let mounts = vec![
        mount("/identity", "identity", Dialect::Identity,
            jinyun_identity::routes(identity.clone(), services())),
        mount("/image", "image", Dialect::Image, jinyun_image::routes(images)),
        mount("/volume", "volume", Dialect::Volume, jinyun_volume::routes()),
        mount("/network", "network", Dialect::Network, jinyun_network::routes()),
        mount("/compute", "compute", Dialect::Compute, jinyun_compute::routes(console, kms.clone())),
        mount("/approval", "approval", Dialect::Own, jinyun_approval::routes()),
        mount("/access", "access", Dialect::Own, jinyun_access::routes(access)),
        mount("/planner", "planner", Dialect::Own, jinyun_planner::routes()),
        mount("/governance", "governance", Dialect::Own, jinyun_governance::routes(governance)),
        mount("/evidence", "evidence", Dialect::Own, jinyun_evidence::routes(evidence.clone())),
        mount("/journal", "journal", Dialect::Own, jinyun_audit::routes(audit)),
        mount("/sign-in", "sign-in", Dialect::Own, jinyun_edge::page()),
    ];
    let edge = Arc::new(Edge::new(cloud, identity, mounts));
    // Nobody else sets it.
    let _ = table.set(crate::proof::table(&edge));
    clerk(instance, handle, kms.clone(), edge.clone())?;
    publish(instance, &kms)?;
    if settings.simulated {
        links.simulate()?;
    } else {
        links.listen(instance)?;
    }
    crate::proof::watch(evidence, looker, links.hosts.clone())?;
    answer(instance, &settings, edge, tls_config, tenants, management)
}

pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Fault> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop)
        .map_err(|e| Fault::new(format!("starting the {name}'s thread: {e}")))
}

/// One control process on a state: the lock is the file's, so a killed process leaves none.
fn lock(instance: &Instance) -> Result<nix::fcntl::Flock<fs::File>, Fault> {
    let path = instance.control_dir().join("lock");
    let file = fs::File::create(&path)
        .map_err(|e| Fault::new(format!("{}: {e}", path.display())))?;
    nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock).map_err(|_| {
        Fault::new(format!("instance `{}` is running already on this state", instance.name))
    })
}

fn listen(port: u16) -> Result<std::net::TcpListener, Fault> {
    let socket = std::net::TcpListener::bind(("127.0.0.1", port)).map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => Fault::new(format!(
            "port {port} on 127.0.0.1 is in use: end what listens there or choose another with \
             --port and --management-port"
        )),
        _ => Fault::new(format!("listening on 127.0.0.1:{port}: {e}")),
    })?;
    socket.set_nonblocking(true).map_err(|e| Fault::new(format!("port {port}: {e}")))?;
    Ok(socket)
}

/// The first start: administrators, whose passwords go into files that only root can read.
fn first(instance: &Instance, cloud: &Cloud) -> Result<(), Fault> {
    if cloud.reader.view(|v| v.get::<Domain>(&PROVIDER.into()))?.is_some() {
        return Ok(());
    }
    let flavors = Job::Command(Box::new(jinyun_compute::first_start()));
    cloud.handle.run(flavors).map_err(|e| Fault::new(format!("the first start: {e}")))?;
    let made = first_start(&mut cloud.handle.clone(), &mut OsEntropy::default())
        .map_err(|e| Fault::new(format!("the first start: {e}")))?;
    let dir = instance.control_dir().join("initial");
    fs::create_dir_all(&dir).map_err(|e| Fault::new(format!("{}: {e}", dir.display())))?;
    for admin in made {
        let path = dir.join(admin.name);
        let written = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600)
            .open(&path).and_then(|mut f| writeln!(f, "{}", admin.password.expose()));
        written.map_err(|e| Fault::new(format!("{}: {e}", path.display())))?;
    }
    Ok(())
}

/// Signs what is committed, and closes the windows of counted refusals.
fn clerk(instance: &Instance, handle: Handle, kms: Arc<Kms>, edge: Arc<Edge>)
    -> Result<(), Fault> {
    let name = instance.name.clone();
    spawn("clerk", move || {
        let pause = Bell::default();
        for round in 0u64.. {
            pause.wait(CHECKPOINT);
            if round % 5 == 4 {
                edge.flush_counts();
            }
            let (name, kms) = (name.clone(), kms.clone());
            let signed = handle.with(move |core| {
                let mut sign = |tree, text: &str| kms.sign(tree, text);
                core.writer.checkpoint(&name, now(), ("system", 0), &mut sign).map(drop)
            });
            match signed {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => say::err(&format!("jinyun: checkpoint: {fault}")),
                Err(_) => return,
            }
        }
    })
}

/// Removes files of images whose row is gone, now and every minute.
fn sweep(images: Arc<jinyun_image::Files>, cloud: Arc<Cloud>) -> Result<(), Fault> {
    spawn("sweeper", move || {
        let pause = Bell::default();
        loop {
            if let Err(fault) = cloud.reader.view(|v| images.sweep(v)) {
                say::err(&format!("jinyun: sweeping images: {fault}"));
            }
            pause.wait(Duration::from_secs(60));
        }
    })
}

/// How often is looked for requests whose window has opened and for what is over.
const DUE: Duration = Duration::from_secs(5);

/// Runs approved commands when their window opens, and ends requests and consents.
fn tend(cloud: Arc<Cloud>) -> Result<(), Fault> {
    spawn("approvals", move || {
        let pause = Bell::default();
        loop {
            if let Err(fault) = jinyun_approval::tend(&cloud, now()) {
                say::err(&format!("jinyun: approvals: {fault}"));
            }
            pause.wait(DUE);
        }
    })
}

/// How often is looked whether clauses are judged by what is installed, if nobody rings.
const LOOK: Duration = Duration::from_secs(60);

/// Whether other clauses are to be judged from here on: a command did that, or a vote that ran one.
fn installs(effect: &Effect) -> bool {
    match effect {
        Effect::Put { kind, .. } | Effect::Drop { kind, .. } => kind == Installed::KIND.0,
        _ => false,
    }
}

/// Has clauses judged by the catalogues that are installed, as soon as one comes or goes.
fn keep_loaded(evidence: Arc<Evidence>, bell: Arc<Bell>) -> Result<(), Fault> {
    spawn("catalogues", move || loop {
        match evidence.refresh() {
            Ok(false) => {}
            Ok(true) => {
                for (key, why) in evidence.refused() {
                    say::err(&format!("jinyun: the catalogue {key} is not loaded: {why}"));
                }
            }
            Err(fault) => say::err(&format!("jinyun: catalogues: {fault}")),
        }
        bell.wait(LOOK);
    })
}

/// The journal's public keys, for whoever verifies.
fn publish(instance: &Instance, kms: &Kms) -> Result<(), Fault> {
    let keys: Vec<String> = kms.journal_keys().iter().map(|k| k.line()).collect();
    let path = instance.control_dir().join("journal.keys");
    fs::write(&path, keys.join("\n") + "\n")
        .map_err(|e| Fault::new(format!("{}: {e}", path.display())))
}

fn answer(instance: &Instance, settings: &Settings, edge: Arc<Edge>,
    tls: Arc<tls::ServerConfig>, tenants: std::net::TcpListener,
    management: std::net::TcpListener) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2)
        .max_blocking_threads(128).enable_all().build()
        .map_err(|e| Fault::new(format!("starting the runtime: {e}")))?;
    runtime.block_on(async {
        let bad = |e: std::io::Error| Fault::new(format!("listening: {e}"));
        let tenants = tokio::net::TcpListener::from_std(tenants).map_err(bad)?;
        let management = tokio::net::TcpListener::from_std(management).map_err(bad)?;
        let url = |port| format!("https://127.0.0.1:{port}");
        let open = Listener { url: url(settings.port), management: false };
        let inner = Listener { url: url(settings.management_port), management: true };
        fs::write(instance.ready_file(), "").map_err(bad)?;
        tokio::join!(
            serve(edge.clone(), open, tenants, tls.clone()),
            serve(edge, inner, management, tls),
        );
        Ok(())
    })
}
