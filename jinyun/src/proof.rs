//! What the control process lends to evidence: the records, the hosts, its keys' names, its files,
//! and three threads on which it is taken all the time.

use crate::control::{Bell, now, spawn};
use crate::hosts::Links;
use crate::instance::{Instance, Settings};
use crate::say;
use jinyun_base::{Fault, Id};
use jinyun_compute::Hosts;
use jinyun_edge::Edge;
use jinyun_engine::Seen;
use jinyun_evidence::{Evidence, RouteFact, Setup, SiteSetup};
use jinyun_identity::Identity;
use jinyun_kms::Kms;
use jinyun_rest::Cloud;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a host gets at most to be there and at rest before the first look: whether one comes at all
/// is what is to be found out.
const START: Duration = Duration::from_secs(10);
/// How often is looked whether it is.
const LOOK: Duration = Duration::from_millis(50);

/// Whether a host is connected, and every connected one has done its newest document. The listeners need
/// no waiting: their sockets have been there from before, and who connects early is answered late.
fn settled(hosts: &Hosts) -> bool {
    let seen = hosts.seen("hosts", &Id::new("")).unwrap_or_default();
    let alive = seen.get("alive").and_then(|alive| alive.as_array()).map(Vec::as_slice).unwrap_or_default();
    let done = |name: &str| {
        let told = hosts.document(name).map_or(0, |document| document.generation);
        hosts.reported(name).is_some_and(|(report, _)| report.converged && report.generation >= told)
    };
    !alive.is_empty() && alive.iter().all(|name| name.as_str().is_some_and(done))
}

/// Waits until there is something to look at, or until it is clear that it does not come soon.
fn first(hosts: &Hosts) {
    let began = Instant::now();
    while !settled(hosts) && began.elapsed() < START {
        std::thread::sleep(LOOK);
    }
}

/// Evidence over this instance.
pub fn open(instance: &Instance, settings: &Settings, cloud: Arc<Cloud>, links: &Arc<Links>,
    identity: Arc<Identity>, kms: Arc<Kms>, site: SiteSetup) -> Result<Arc<Evidence>, Fault> {
    let dir = instance.control_dir();
    let asked = links.clone();
    let here = |port: u16| (Ipv4Addr::LOCALHOST, port).into();
    let evidence = Evidence::open(dir.join("evidence"), Setup {
        cloud,
        hosts: links.hosts.clone(),
        ask: Arc::new(move |host, ask| asked.ask(host, ask)),
        clock: Arc::new(now),
        keys: kms.journal_keys().to_vec(),
        identity,
        kms,
        instance: instance.name.clone(),
        key_file: dir.join("keys.json"),
        ca: dir.join("ca.pem"),
        tenants: here(settings.port),
        management: here(settings.management_port),
        site,
    })?;
    for (key, why) in evidence.refused() {
        say::err(&format!("jinyun: the catalogue {key} is not loaded: {why}"));
    }
    Ok(Arc::new(evidence))
}

/// The operations that are tried from outside: where the doors are, and which should be locked.
pub fn table(edge: &Edge) -> Vec<RouteFact> {
    edge.routes().map(|(prefix, route)| RouteFact {
        method: route.method.into(),
        path: format!("{prefix}{}", route.path),
        token: route.token,
    }).collect()
}

/// Takes evidence from here on. Whoever commits something rings the bell. What an assessment left
/// whose process was killed goes first; for that, hosts must be able to connect.
pub fn watch(evidence: Arc<Evidence>, bell: Arc<Bell>, hosts: Arc<Hosts>) -> Result<(), Fault> {
    evidence.started()?;
    let (quick, here) = (evidence.clone(), hosts.clone());
    spawn("evidence", move || {
        first(&here);
        loop {
            let pause = quick.watch().step();
            // Under load, commits ring all the time: so long nobody listens.
            std::thread::sleep(pause.deaf);
            bell.wait(pause.listening);
        }
    })?;
    let (attacks, here) = (evidence.clone(), hosts.clone());
    spawn("evidence-slow", move || {
        if let Err(failure) = evidence.tidy() {
            say::err(&format!("jinyun: the synthetic tenant: {failure}"));
        }
        first(&here);
        loop {
            std::thread::sleep(evidence.watch().toil());
        }
    })?;
    spawn("evidence-raid", move || {
        first(&hosts);
        loop {
            std::thread::sleep(attacks.watch().raid());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_wire::{HostFacts, HostSeen, HostWant};

    #[test]
    fn a_host_is_waited_for_until_it_has_done_what_it_was_told() {
        let hosts = Hosts::new();
        assert!(!settled(&hosts), "no host");
        hosts.connected("h1", HostFacts::default());
        assert!(!settled(&hosts), "one that has reported nothing");
        hosts.compose("h1", HostWant::default(), Vec::new(), 7);
        let report = |generation, converged| {
            hosts.report("h1", HostSeen { generation, converged, ..HostSeen::default() });
        };
        report(6, true);
        assert!(!settled(&hosts), "one that has done an older document");
        report(7, false);
        assert!(!settled(&hosts), "one that is at it");
        report(7, true);
        assert!(settled(&hosts));
        // Another one that is not done: all are waited for.
        hosts.compose("h2", HostWant::default(), Vec::new(), 7);
        assert!(settled(&hosts), "one that is not connected is not waited for");
        hosts.connected("h2", HostFacts::default());
        assert!(!settled(&hosts));
        hosts.disconnected("h2");
        assert!(settled(&hosts));
    }
}
