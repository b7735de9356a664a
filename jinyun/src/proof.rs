//! What the control process lends to evidence: the records, the hosts, its keys' names, its files.

use crate::control::{now, spawn};
use crate::hosts::Links;
use crate::instance::{Instance, Settings};
use crate::say;
use jinyun_base::Fault;
use jinyun_evidence::{Evidence, Setup};
use jinyun_kms::Kms;
use jinyun_rest::Cloud;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Evidence over this instance.
pub fn open(instance: &Instance, settings: &Settings, cloud: Arc<Cloud>, links: &Arc<Links>,
    kms: &Kms) -> Result<Arc<Evidence>, Fault> {
    let dir = instance.control_dir();
    let asked = links.clone();
    let here = |port: u16| (Ipv4Addr::LOCALHOST, port).into();
    let evidence = Evidence::open(dir.join("evidence"), Setup {
        cloud,
        hosts: links.hosts.clone(),
        ask: Arc::new(move |host, ask| asked.ask(host, ask)),
        clock: Arc::new(now),
        keys: kms.journal_keys().to_vec(),
        instance: instance.name.clone(),
        key_file: dir.join("keys.json"),
        ca: dir.join("ca.pem"),
        tenants: here(settings.port),
        management: here(settings.management_port),
    })?;
    Ok(Arc::new(evidence))
}

/// Takes away what an assessment left whose process was killed. Hosts must be able to connect.
pub fn tidy(evidence: Arc<Evidence>) -> Result<(), Fault> {
    spawn("tidy", move || {
        if let Err(failure) = evidence.tidy() {
            say::err(&format!("jinyun: the synthetic tenant: {failure}"));
        }
    })
}
