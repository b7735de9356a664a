//! What the control process lends to evidence: the records, the hosts, its keys' names, its files,
//! and three threads on which it is taken all the time.

use crate::control::{Bell, now, spawn};
use crate::hosts::Links;
use crate::instance::{Instance, Settings};
use crate::say;
use jinyun_base::Fault;
use jinyun_edge::Edge;
use jinyun_evidence::{Catalogue, Evidence, RouteFact, Setup, SiteSetup};
use jinyun_identity::Identity;
use jinyun_kms::Kms;
use jinyun_rest::Cloud;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// How long the listeners and a host get to be there. A time and no event: whether a host comes at all
/// is what is to be found out.
const START: Duration = Duration::from_secs(3);

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
    // The registers of duties, which are opened after this, read the same rows.
    Catalogue::extend(evidence.catalogues())?;
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
pub fn watch(evidence: Arc<Evidence>, bell: Arc<Bell>) -> Result<(), Fault> {
    let quick = evidence.clone();
    spawn("evidence", move || {
        std::thread::sleep(START);
        loop {
            let pause = quick.watch().step();
            // Under load, commits ring all the time: so long nobody listens.
            std::thread::sleep(pause.deaf);
            bell.wait(pause.listening);
        }
    })?;
    let attacks = evidence.clone();
    spawn("evidence-slow", move || {
        if let Err(failure) = evidence.tidy() {
            say::err(&format!("jinyun: the synthetic tenant: {failure}"));
        }
        std::thread::sleep(START);
        loop {
            std::thread::sleep(evidence.watch().toil());
        }
    })?;
    spawn("evidence-raid", move || {
        std::thread::sleep(START);
        loop {
            std::thread::sleep(attacks.watch().raid());
        }
    })
}
