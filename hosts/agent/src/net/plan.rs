//! The difference between how the namespaces must look and how they look.
//!
//! Problem: after any crash, of the agent or of a half-made change, the host must get to where the
//! document wants it, and nothing that is right already may be touched: a guest holds its tap.
//!
//! Mechanism: [`plan`] is a pure function; it compares sets and orders the difference so that every
//! step finds what it needs and nothing is open before its filter is in force:
//!
//! ```text
//!   remove namespaces -> make namespaces -> settings -> take away routes, neighbours, devices
//!     -> filters -> make devices -> addresses, up -> routes, neighbours
//! ```
//! Planning again after the steps must give nothing; what is left says what is not ready.

use super::render::{self, Kind, Link, Space, Spaces};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// All namespaces of the instance that exist, by name.
pub type Seen = BTreeMap<String, SeenSpace>;

/// One namespace as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenSpace {
    /// Tells this namespace from an earlier one of the same name.
    pub inode: u64,
    /// Those settings that matter.
    pub sysctls: BTreeMap<String, String>,
    /// Devices by name.
    pub links: BTreeMap<String, SeenLink>,
    /// Routes of the main table, in the words of [`Space::routes`].
    pub routes: BTreeSet<String>,
    /// Permanent neighbours, in the words of [`Space::neighbours`].
    pub neighbours: BTreeSet<String>,
    /// The text of the packet filter, if what is installed is known to be that text.
    pub filter: Option<String>,
}

/// One device as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenLink {
    /// Its number in the kernel.
    pub index: u32,
    /// `tap`, `veth`, `loopback`, or whatever else it is.
    pub kind: String,
    /// MAC address.
    pub mac: String,
    /// MTU.
    pub mtu: u32,
    /// It is switched on.
    pub up: bool,
    /// IPv4 addresses with their prefix; one without `noprefixroute` has a word behind it.
    pub addrs: BTreeSet<String>,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// In which namespace.
    pub space: String,
    /// For which port alone.
    pub owner: Option<String>,
    /// What.
    pub act: Act,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Remove the namespace and all in it.
    Remove,
    /// Make the namespace.
    Add,
    /// Write a setting.
    Sysctl(String, String),
    /// Take something away with `ip`; that it is gone already is as good.
    Undo(String),
    /// Install the packet filter.
    Filter(String),
    /// Put something there with `ip`.
    Ip(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = &self.space;
        match &self.act {
            Act::Remove => write!(f, "namespace {space} must go"),
            Act::Add => write!(f, "namespace {space} is missing"),
            Act::Sysctl(path, value) => write!(f, "{path} in {space} is not {value}"),
            Act::Undo(line) => write!(f, "`ip {line}` in {space} is to be done"),
            Act::Ip(line) => write!(f, "`ip {line}` in {space} is to be done"),
            Act::Filter(_) => write!(f, "the packet filter of {space} is not in force"),
        }
    }
}

/// What has to be done, in order.
pub fn plan(want: &Spaces, seen: &Seen) -> Vec<Step> {
    let nothing = SeenSpace::default();
    let gone = gone(want, seen);
    let mut steps = Steps::default();
    for space in seen.keys().filter(|s| !want.contains_key(*s)) {
        steps.push(space, &None, Act::Remove);
    }
    for (name, space) in want.iter().filter(|(n, _)| !seen.contains_key(*n)) {
        steps.push(name, &space.owner, Act::Add);
    }
    let both: Vec<(&String, &Space, &SeenSpace)> = want
        .iter()
        .map(|(name, space)| (name, space, seen.get(name).unwrap_or(&nothing)))
        .collect();
    for (name, space, seen) in &both {
        steps.settings(name, space, seen, false);
    }
    for (name, space, seen) in &both {
        steps.take_away(name, space, seen, &gone);
    }
    for (name, space, seen) in &both {
        if seen.filter.as_ref() != Some(&space.filter) {
            steps.push(name, &space.owner, Act::Filter(space.filter.clone()));
        }
        // These settings exist only once something in the kernel tracks connections.
        steps.settings(name, space, seen, true);
    }
    for (name, space, seen) in &both {
        for (device, link) in &space.links {
            if living(name, device, seen, &gone).is_none() {
                let line = render::add_line(device, &link.kind).map(Act::Ip);
                line.into_iter()
                    .for_each(|act| steps.push(name, &link.owner, act));
            }
        }
    }
    for (name, space, seen) in &both {
        for (device, link) in &space.links {
            steps.dress(name, device, link, living(name, device, seen, &gone), seen);
        }
    }
    for (name, space, seen) in &both {
        steps.lay(name, space, seen, &gone);
    }
    steps.all
}

type Device = (String, String);

/// What the kernel puts into every namespace once it knows their kind. They cannot be removed, and no
/// filter lets them in.
/// By name and kind: somebody else's device can have any name.
const KERNELS: [(&str, &str); 9] = [
    ("tunl0", "ipip"),
    ("sit0", "sit"),
    ("gre0", "gre"),
    ("gretap0", "gretap"),
    ("erspan0", "erspan"),
    ("ip_vti0", "vti"),
    ("ip6_vti0", "vti6"),
    ("ip6tnl0", "ip6tnl"),
    ("ip6gre0", "ip6gre"),
];

/// Whether an unwanted device goes. One without a kind is hardware that somebody has moved here: it
/// cannot be deleted, and what is to be done about it is not for us to say.
fn stray(device: &str, kind: &str) -> bool {
    !kind.is_empty() && kind != "loopback" && !KERNELS.contains(&(device, kind))
}

/// Devices that are there and will not stay: unwanted, of the wrong kind, or one end of a pair
/// whose other end does not stay.
fn gone(want: &Spaces, seen: &Seen) -> BTreeSet<Device> {
    let mut gone = BTreeSet::new();
    for (name, space) in seen {
        for (device, link) in &space.links {
            let wanted = want.get(name).and_then(|w| w.links.get(device));
            let goes = match wanted {
                Some(wanted) => !same_kind(&wanted.kind, &link.kind),
                None => stray(device, &link.kind),
            };
            if goes {
                gone.insert((name.clone(), device.clone()));
            }
        }
    }
    for (name, space) in want {
        for (device, link) in &space.links {
            let Kind::Veth(far_space, far_device) = &link.kind else {
                continue;
            };
            let near = (name.clone(), device.clone());
            let far = (far_space.clone(), far_device.clone());
            let there = |d: &Device| seen.get(&d.0).is_some_and(|s| s.links.contains_key(&d.1));
            let whole = [&near, &far]
                .into_iter()
                .all(|d| there(d) && !gone.contains(d));
            if !whole {
                gone.extend([near, far].into_iter().filter(there));
            }
        }
    }
    gone
}

fn same_kind(want: &Kind, seen: &str) -> bool {
    seen == match want {
        Kind::Loopback => "loopback",
        Kind::Tap => "tap",
        Kind::Veth(..) | Kind::VethEnd => "veth",
    }
}

/// The device as it is, if it stays.
fn living<'a>(
    space: &str,
    device: &str,
    seen: &'a SeenSpace,
    gone: &BTreeSet<Device>,
) -> Option<&'a SeenLink> {
    let stays = !gone.contains(&(space.to_owned(), device.to_owned()));
    seen.links.get(device).filter(|_| stays)
}

/// The device that a route or a neighbour goes through.
fn device_of(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|w| *w != "dev");
    words.nth(1)
}

#[derive(Default)]
struct Steps {
    all: Vec<Step>,
}

impl Steps {
    fn push(&mut self, space: &str, owner: &Option<String>, act: Act) {
        self.all.push(Step {
            space: space.to_owned(),
            owner: owner.clone(),
            act,
        });
    }

    fn settings(&mut self, name: &str, space: &Space, seen: &SeenSpace, late: bool) {
        for (path, value) in &space.sysctls {
            let due = path.starts_with("netfilter/") == late;
            if due && seen.sysctls.get(path) != Some(value) {
                let act = Act::Sysctl(path.clone(), value.clone());
                self.push(name, &space.owner, act);
            }
        }
    }

    fn take_away(&mut self, name: &str, space: &Space, seen: &SeenSpace, gone: &BTreeSet<Device>) {
        let vanishes =
            |line: &str| device_of(line).is_some_and(|d| living(name, d, seen, gone).is_none());
        for route in &seen.routes {
            if !space.routes.contains_key(route) && !vanishes(route) {
                self.push(name, &None, Act::Undo(format!("route del {route}")));
            }
        }
        for line in &seen.neighbours {
            if space.neighbours.contains_key(line) || vanishes(line) {
                continue;
            }
            if let (Some(ip), Some(device)) = (line.split(' ').next(), device_of(line)) {
                self.push(
                    name,
                    &None,
                    Act::Undo(format!("neigh del {ip} dev {device}")),
                );
            }
        }
        for device in seen.links.keys() {
            let Some(wanted) = space.links.get(device) else {
                if gone.contains(&(name.to_owned(), device.clone())) {
                    self.push(name, &None, Act::Undo(format!("link del dev {device}")));
                }
                continue;
            };
            if living(name, device, seen, gone).is_none() {
                let line = format!("link del dev {device}");
                self.push(name, &wanted.owner, Act::Undo(line));
            }
        }
    }

    /// Gives a device its address, its settings and so on, and switches it on last.
    fn dress(
        &mut self,
        name: &str,
        device: &str,
        link: &Link,
        now: Option<&SeenLink>,
        seen: &SeenSpace,
    ) {
        let mut lines = Vec::new();
        if let Some(mac) = &link.mac
            && now.is_none_or(|n| n.mac != *mac)
        {
            lines.push(format!("link set dev {device} address {mac}"));
        }
        if let Some(mtu) = link.mtu
            && now.is_none_or(|n| n.mtu != mtu)
        {
            lines.push(format!("link set dev {device} mtu {mtu}"));
        }
        for addr in &link.addrs {
            if now.is_none_or(|n| !n.addrs.contains(addr)) {
                lines.push(format!("addr add {addr} dev {device} noprefixroute"));
            }
        }
        for line in lines {
            self.push(name, &link.owner, Act::Ip(line));
        }
        for (path, value) in &link.sysctls {
            if now.is_none() || seen.sysctls.get(path) != Some(value) {
                let act = Act::Sysctl(path.clone(), value.clone());
                self.push(name, &link.owner, act);
            }
        }
        if now.is_none_or(|n| !n.up) {
            let line = format!("link set dev {device} up");
            self.push(name, &link.owner, Act::Ip(line));
        }
        // Last: with a device's only address the kernel also takes its routes.
        let addrs = now.into_iter().flat_map(|n| &n.addrs);
        for addr in addrs.filter(|a| !link.addrs.contains(*a)) {
            let addr = addr.split(' ').next().unwrap_or_default();
            let line = format!("addr del {addr} dev {device}");
            self.push(name, &link.owner, Act::Undo(line));
        }
    }

    fn lay(&mut self, name: &str, space: &Space, seen: &SeenSpace, gone: &BTreeSet<Device>) {
        // What went through a device that goes is not there any more when these steps run.
        let there = |line: &String, now: &BTreeSet<String>| {
            let stays = device_of(line).is_none_or(|d| living(name, d, seen, gone).is_some());
            stays && now.contains(line)
        };
        for (route, owner) in &space.routes {
            if !there(route, &seen.routes) {
                self.push(name, owner, Act::Ip(format!("route add {route}")));
            }
        }
        for (line, owner) in &space.neighbours {
            if !there(line, &seen.neighbours) {
                let line = format!("neigh replace {line} nud permanent");
                self.push(name, owner, Act::Ip(line));
            }
        }
    }
}
