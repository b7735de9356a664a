//! Bringing an instance up, keeping it up, taking it down.
//!
//! The supervisor is a plain parent process: it starts the control process (as a user id of the
//! instance's own) and the agent (as root), and starts them again when they end. It does not need
//! an init system, so it works in a container and beside any. Guests are nobody's children: they
//! outlive all three.

use crate::instance::{Instance, Options, Settings};
use crate::say;
use crate::show::{self, Output};
use jinyun_base::Fault;
use jinyun_edge::tls;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, chown, geteuid};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take until the control process answers.
const START: Duration = Duration::from_secs(60);
/// How long a process may take to end before it is killed.
const END: Duration = Duration::from_secs(10);
/// A process that lived this long is started again at once; a shorter life waits.
const LIFE: Duration = Duration::from_secs(5);

fn io(what: impl std::fmt::Display) -> impl Fn(std::io::Error) -> Fault {
    move |e| Fault::new(format!("{what}: {e}"))
}

fn make_dir(path: &Path, mode: u32, uid: u32) -> Result<(), Fault> {
    let bad = io(path.display());
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(&bad)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(&bad)?;
    chown(path, Some(uid.into()), Some(uid.into())).map_err(|e| bad(e.into()))
}

/// The supervisor's process id, if it lives.
fn supervisor(instance: &Instance) -> Option<Pid> {
    let text = fs::read_to_string(instance.pid_file()).ok()?;
    let pid: i32 = text.trim().parse().ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words: Vec<&[u8]> = line.split(|b| *b == 0).collect();
    let ours = words.contains(&b"supervise".as_slice())
        && words.contains(&instance.name.as_bytes());
    ours.then(|| Pid::from_raw(pid))
}

/// `jinyun up`.
pub fn up(instance: &Instance, options: Options, output: Output) -> Result<(), Fault> {
    if !geteuid().is_root() {
        return Err(Fault::new(
            "this needs root: the agent makes network namespaces and starts guests (try `sudo`)",
        ));
    }
    let simulated = options.hosts == "simulated";
    if !simulated {
        let missing = jinyun_agent::missing();
        if !missing.is_empty() {
            return Err(Fault::new(format!(
                "this machine cannot carry guests:\n  {}\nMend that, or try the API on simulated \
                 hosts: `make up HOSTS=simulated`", missing.join("\n  ")
            )));
        }
    }
    if supervisor(instance).is_some() {
        return Err(Fault::new(format!(
            "instance `{0}` is running already: see `jinyun status --instance {0}`, or take it \
             down first with `jinyun down --instance {0}`", instance.name
        )));
    }
    let settings = Settings {
        simulated,
        port: options.port,
        management_port: options.management_port,
        postgres: options.postgres,
        uid: instance.uid(),
        public_name: instance.public_name(options.public_name),
    };
    let fresh = !instance.state.exists();
    let done = bring_up(instance, &settings);
    if done.is_err() && fresh {
        // A first start that failed leaves nothing half-made.
        let _ = stop(instance);
        let _ = fs::remove_dir_all(&instance.state);
        let _ = fs::remove_dir_all(&instance.run);
    }
    // Where it answers, as it was asked for.
    done.and_then(|()| status(instance, output))
}

fn bring_up(instance: &Instance, settings: &Settings) -> Result<(), Fault> {
    prepare(instance, settings)?;
    let exe = std::env::current_exe().map_err(io("finding this program"))?;
    let log = OpenOptions::new().create(true).append(true)
        .open(instance.state.join("log")).map_err(io("the log"))?;
    let mut command = Command::new(exe);
    command.args(["--instance", &instance.name, "supervise"]).current_dir("/")
        .stdin(Stdio::null()).stdout(log.try_clone().map_err(io("the log"))?).stderr(log)
        .process_group(0);
    let mut child = command.spawn().map_err(io("starting the supervisor"))?;
    let started = Instant::now();
    loop {
        if instance.ready_file().exists() {
            return hand_over(instance);
        }
        if let Ok(Some(_)) = child.try_wait() {
            let why = fs::read_to_string(instance.failure_file()).unwrap_or_default();
            let why = why.trim().trim_start_matches("jinyun: ");
            return Err(Fault::new(if why.is_empty() {
                let log = fs::read_to_string(instance.state.join("log")).unwrap_or_default();
                format!("the start failed: {}", log.lines().last().unwrap_or("no reason was given"))
            } else {
                why.to_string()
            }));
        }
        if started.elapsed() > START {
            stop(instance)?;
            return Err(Fault::new(format!(
                "the control process did not answer within {} s; see {}", START.as_secs(),
                instance.state.join("log").display()
            )));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Takes from the control process's own directory what others need: the CA and the journal's public
/// keys for everybody, the initial passwords (mode 0600) for root.
fn hand_over(instance: &Instance) -> Result<(), Fault> {
    let from = instance.control_dir();
    for name in ["ca.pem", "journal.keys"] {
        let to = instance.state.join(name);
        fs::copy(from.join(name), &to).map_err(io(to.display()))?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o644)).map_err(io(to.display()))?;
    }
    let initial = from.join("initial");
    let Ok(files) = fs::read_dir(&initial) else { return Ok(()) };
    let dir = instance.state.join("initial");
    make_dir(&dir, 0o700, 0)?;
    for file in files.flatten() {
        let to = dir.join(file.file_name());
        fs::rename(file.path(), &to).map_err(io(to.display()))?;
        chown(&to, Some(0.into()), Some(0.into())).map_err(|e| io(to.display())(e.into()))?;
    }
    fs::remove_dir(&initial).map_err(io(initial.display()))
}

/// Makes the directories. Whatever is there already stays.
fn prepare(instance: &Instance, settings: &Settings) -> Result<(), Fault> {
    make_dir(Path::new("/var/lib/jinyun"), 0o755, 0)?;
    make_dir(Path::new("/run/jinyun"), 0o755, 0)?;
    make_dir(&instance.state, 0o755, 0)?;
    make_dir(&instance.control_dir(), 0o700, settings.uid)?;
    make_dir(&instance.host_dir(), 0o711, 0)?;
    make_dir(&instance.run, 0o711, settings.uid)?;
    for file in [instance.ready_file(), instance.failure_file()] {
        let _ = fs::remove_file(file);
    }
    instance.keep(settings)
}

/// One supervised process.
struct Ward {
    word: &'static str,
    uid: Option<u32>,
    child: Option<Child>,
    started: Instant,
}

impl Ward {
    fn start(&mut self, instance: &Instance) -> Result<(), Fault> {
        // The program that runs, whatever lies under its name by now, and even if its directory is
        // closed to the control process's user.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("jinyun").args(["--instance", &instance.name, self.word]).stdin(Stdio::null())
            .current_dir("/").process_group(0);
        if let Some(uid) = self.uid {
            // The standard library drops supplementary groups when a uid is set by root.
            command.uid(uid).gid(uid);
        }
        // glibc would keep the 19 MiB of a password's hash in every thread's arena: large blocks are
        // mapped and given back instead, and there are few arenas.
        command.env("MALLOC_ARENA_MAX", "2").env("MALLOC_MMAP_THRESHOLD_", "262144");
        // What it says last is why it could not start.
        let errors = File::create(instance.failure_file()).map_err(io("the failure file"))?;
        if !instance.ready_file().exists() {
            command.stderr(errors);
        }
        self.child = Some(command.spawn().map_err(io(format!("starting {}", self.word)))?);
        self.started = Instant::now();
        Ok(())
    }

    fn ended(&mut self) -> bool {
        match &mut self.child {
            Some(child) => !matches!(child.try_wait(), Ok(None)),
            None => true,
        }
    }

    fn end(&mut self) {
        let Some(child) = &mut self.child else { return };
        let Ok(pid) = i32::try_from(child.id()) else { return };
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let asked = Instant::now();
        while asked.elapsed() < END && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Says in the log that there are no passkeys: the certificate is an operator's own and names another
/// host than the usual one, and nobody has said by which name browsers come.
fn look_at_name(instance: &Instance, settings: &Settings) {
    let files = tls::Files::in_dir(&instance.control_dir());
    // One that is not there yet will name it.
    if settings.public_name.is_none() && files.certificate.exists()
        && let Err(fault) = tls::names(&files, settings.host())
    {
        say::err(&format!("jinyun: no passkeys are offered, since no --public-name was given: {fault}"));
    }
}

/// `jinyun supervise`.
pub fn run(instance: &Instance) -> Result<(), Fault> {
    let settings = instance.settings()?;
    look_at_name(instance, &settings);
    fs::write(instance.pid_file(), std::process::id().to_string())
        .map_err(io("the supervisor's pid file"))?;
    let mut signals = SigSet::empty();
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].iter().for_each(|s| signals.add(*s));
    signals.thread_block().map_err(|e| Fault::new(format!("signals: {e}")))?;
    let (ask, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Blocked in every thread, so it waits for us.
        let _ = signals.wait();
        let _ = ask.send(());
    });
    let mut wards = vec![Ward {
        word: "control",
        uid: Some(settings.uid),
        child: None,
        started: Instant::now(),
    }];
    if !settings.simulated {
        wards.push(Ward { word: "agent", uid: None, child: None, started: Instant::now() });
    }
    wards[0].start(instance)?;
    let mut first = true;
    loop {
        if asked.recv_timeout(Duration::from_millis(20)).is_ok() {
            wards.iter_mut().rev().for_each(Ward::end);
            let _ = fs::remove_file(instance.ready_file());
            let _ = fs::remove_file(instance.pid_file());
            return Ok(());
        }
        let ready = instance.ready_file().exists();
        if ready && first {
            first = false;
            for ward in &mut wards[1..] {
                ward.start(instance)?;
            }
        }
        for ward in &mut wards {
            if ward.child.is_none() || !ward.ended() {
                continue;
            }
            if !ready {
                let _ = fs::remove_file(instance.pid_file());
                return Err(Fault::new(format!("{} could not start", ward.word)));
            }
            let since = ward.started.elapsed();
            if since > LIFE {
                say::err(&format!("jinyun: {} ended; it is started again", ward.word));
            } else if since < Duration::from_secs(1) {
                continue;
            }
            if let Err(fault) = ward.start(instance) {
                // Tried again in a second: guests and the other process go on meanwhile.
                say::err(&format!("jinyun: {fault}"));
                ward.started = Instant::now();
            }
        }
    }
}

/// `jinyun stop`.
pub fn stop(instance: &Instance) -> Result<(), Fault> {
    let Some(pid) = supervisor(instance) else { return Ok(()) };
    kill(pid, Signal::SIGTERM).map_err(|e| Fault::new(format!("ending the supervisor: {e}")))?;
    let asked = Instant::now();
    while supervisor(instance).is_some() {
        if asked.elapsed() > END * 3 {
            return Err(Fault::new(format!("the supervisor (pid {pid}) does not end")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// `jinyun down`.
pub fn down(instance: &Instance) -> Result<(), Fault> {
    if !instance.state.exists() && !instance.run.exists() {
        say::out(&format!("There is no instance `{}`: nothing to do.", instance.name));
        return Ok(());
    }
    if !geteuid().is_root() {
        return Err(Fault::new("this needs root (try `sudo`)"));
    }
    stop(instance)?;
    jinyun_agent::remove_all(&instance.name, &instance.host_dir(), &instance.run)
        .map_err(io("removing guests and networks"))?;
    for dir in [&instance.state, &instance.run] {
        if dir.exists() {
            fs::remove_dir_all(dir).map_err(io(dir.display()))?;
        }
    }
    // The parents go too if this was the last instance.
    for dir in ["/var/lib/jinyun", "/run/jinyun"] {
        let _ = fs::remove_dir(dir);
    }
    say::out(&format!("Instance `{}` is gone: processes, guests, networks, state.", instance.name));
    Ok(())
}

/// `jinyun status`.
pub fn status(instance: &Instance, output: Output) -> Result<(), Fault> {
    let settings = instance.settings()?;
    let lives = supervisor(instance).is_some() && instance.ready_file().exists();
    let state = if lives { "running" } else { "stopped" };
    let hosts = if settings.simulated { "SIMULATED: nothing runs behind the API" } else { "real" };
    let at = |port: u16| format!("https://127.0.0.1:{port}/identity/v3");
    let (tenants, management) = (at(settings.port), at(settings.management_port));
    let sign_in = format!("{}/sign-in", settings.place(settings.port));
    let ca = instance.state.join("ca.pem");
    let value = json!({
        "instance": instance.name, "state": state, "simulated": settings.simulated,
        "tenants": tenants, "management": management, "sign_in": sign_in, "ca": ca,
    });
    show::print(output, &value, || format!(
        "Jinyun · instance \"{}\" · {state} · hosts: {hosts}\nTenants     {tenants}\n\
         Management  {management}\nSign-in     {sign_in}\nCA          {}", instance.name, ca.display()
    ));
    Ok(())
}
