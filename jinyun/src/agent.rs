//! `jinyun agent`: this machine as a host of the instance.

use crate::instance::Instance;
use jinyun_agent::{Accel, Config};
use jinyun_base::Fault;
use nix::sys::signal::{SigSet, Signal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The name of this machine in its instance; one machine is all there is so far.
pub const HOST: &str = "local";

/// What the agent is told.
pub fn config(instance: &Instance) -> Result<Config, Fault> {
    let settings = instance.settings()?;
    Ok(Config {
        instance: instance.name.clone(),
        host: HOST.into(),
        state_dir: instance.host_dir(),
        run_dir: instance.run.clone(),
        control_socket: instance.socket(),
        uid_base: settings.uid,
        accel: Accel::Auto,
    })
}

/// Runs until it is told to end. Guests run on.
pub fn run(instance: &Instance) -> Result<(), Fault> {
    let config = config(instance)?;
    let mut signals = SigSet::empty();
    [Signal::SIGTERM, Signal::SIGINT].iter().for_each(|s| signals.add(*s));
    signals.thread_block().map_err(|e| Fault::new(format!("signals: {e}")))?;
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    crate::control::spawn("signals", move || {
        // Blocked in every thread, so it waits for us.
        let _ = signals.wait();
        flag.store(true, Ordering::SeqCst);
    })?;
    jinyun_agent::run(config, stop).map_err(|e| Fault::new(e.to_string()))
}
