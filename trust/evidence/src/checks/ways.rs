//! Ways out of a network that no record has.
//!
//! Problem: a packet leaves a network by a device and by nothing else, and whoever is root on a host
//! can put one there; its filter drops what comes from it and tells nobody. Mechanism: from the records
//! alone the names of all devices are made that may be in a namespace: of ports, of the legs of routers
//! that join the network, the ends of probes. Every other device of every namespace is named. Not by
//! what the agent wants there: it takes most foreign devices away at its next close look and says no more
//! of them, and hardware it leaves alone.

use super::hosts::{Sum, head, surveys};
use super::{Found, error};
use crate::world::World;
use jinyun_engine::Have;
use jinyun_network::{PROBE, Port, Router};
use std::collections::{BTreeMap, BTreeSet};

/// Devices that the kernel puts into every namespace once it knows their kind. They carry nothing.
pub(super) const KERNELS: [&str; 9] = ["tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0",
    "ip6tnl0", "ip6gre0"];
/// Everybody's own.
const LOOPBACK: &str = "lo";

/// The devices that may be in each namespace of a host, by what follows the instance in its name.
type Known = BTreeMap<String, BTreeSet<String>>;

fn known(ports: &[Have<Port>], routers: &[Have<Router>], host: &str) -> Known {
    let mut known = Known::new();
    let mut add = |space: String, device: String| {
        known.entry(space).or_default().insert(device);
    };
    for port in ports.iter().filter(|port| port.spec.host == host) {
        let id = port.id.as_str();
        add(format!("n-{}", head(port.spec.network.as_str(), 8)), format!("t{}", head(id, 11)));
        if port.spec.device_owner == PROBE {
            add(format!("p-{}", head(id, 8)), "eth0".into());
        }
    }
    for router in routers {
        let id = router.id.as_str();
        for leg in &router.spec.interfaces {
            let network = leg.network.as_str();
            add(format!("n-{}", head(network, 8)), format!("r{}", head(id, 11)));
            add(format!("r-{}", head(id, 8)), format!("n{}", head(network, 11)));
        }
    }
    known
}

/// In every namespace there are the devices of recorded ports, legs and probes, and no others.
pub(super) fn no_way_out(world: &World) -> Found {
    let surveys = match surveys(world) {
        Ok(surveys) => surveys,
        Err(found) => return found,
    };
    if let Some(host) = world.hosts.iter().find(|host| !host.settled) {
        return error(format!("host {} was changing while it was looked at", host.name));
    }
    let (ports, routers) = match (world.all::<Port>(), world.all::<Router>()) {
        (Ok(ports), Ok(routers)) => (ports, routers),
        (Err(why), _) | (_, Err(why)) => return error(why),
    };
    let (mut sum, mut spaces) = (Sum::default(), 0u64);
    for (host, survey) in &surveys {
        let name = host.name.as_str();
        let all = match &survey.spaces {
            Ok(all) => all,
            Err(why) => {
                sum.piece(&format!("networks of {name}"), Err(why.clone()));
                continue;
            }
        };
        let known = known(&ports, &routers, name);
        let prefix = format!("jy-{}-", survey.instance);
        for (space, devices) in all {
            spaces += 1;
            let devices = match devices {
                Ok(devices) => devices,
                Err(why) => {
                    sum.piece(&format!("devices of {space} on {name}"), Err(why.clone()));
                    continue;
                }
            };
            let may = space.strip_prefix(&prefix).and_then(|space| known.get(space));
            for device in devices.iter().map(String::as_str) {
                if device == LOOPBACK || KERNELS.contains(&device) {
                    continue;
                }
                let recorded = may.is_some_and(|may| may.contains(device));
                let found = if recorded { Ok(()) } else { Err("no record has it".to_string()) };
                sum.piece(&format!("device {device} in {space} on {name}"), Ok(found));
            }
        }
    }
    let all = sum.all;
    sum.found("no network is on a host", format!(
        "{all} devices in {spaces} namespaces of {} host(s): ports, legs of the routers that join the \
         network, ends of probes; none besides by which something could leave or come in", surveys.len()
    ))
}
