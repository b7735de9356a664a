//! How the namespaces look, read from the kernel.
//!
//! Problem: memory of what was done is wrong after a restart, and whenever somebody with root does
//! something by hand. Reading everything on every pass would cost a dozen processes per network.
//!
//! Mechanism: what was read is kept. A pass asks the kernel only for each namespace's identity and
//! devices, which takes no process; a namespace where these differ is read anew, and so are a few
//! others in turn, so that any change by hand is found within some passes. What a pass changes
//! itself, it reads again.
//!
//! The packet filter cannot be compared with its text: the kernel gives it back in other words. So
//! the first listing after a filter was loaded is kept beside the text; as long as listings stay
//! equal to it, that text is in force. A listing that has a table of somebody else is never kept:
//! loading takes such tables away, but for those that a living process owns, and as long as one is
//! there no text is in force. After a restart nothing is known and every filter is loaded again,
//! which changes nothing for packets.

use super::netns;
use super::plan::{Seen, SeenLink, SeenSpace};
use super::render::{Space, Spaces};
use super::tools::{feed, tool};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// Of how many namespaces a pass reads one although nothing points at a change.
const SHARE: usize = 8;
/// How many it reads at least.
const TURN: usize = 8;

/// A filter that was loaded.
struct Loaded {
    text: String,
    listing: Option<String>,
}

/// What is known about the namespaces of the instance.
#[derive(Default)]
pub struct Eyes {
    /// As last read.
    pub seen: Seen,
    /// The next look believes nothing of that.
    pub closely: bool,
    filters: BTreeMap<String, Loaded>,
    next: usize,
}

impl Eyes {
    /// Looks at all namespaces, at most of them cheaply. Returns what is worth telling.
    pub fn look(&mut self, prefix: &str, want: &Spaces) -> Vec<String> {
        let mut told = Vec::new();
        let present = match netns::list(prefix) {
            Ok(present) => present,
            Err(e) => return vec![format!("The namespaces cannot be listed: {e}.")],
        };
        let known: Vec<String> = self.seen.keys().cloned().collect();
        for name in known {
            if self.seen.get(&name).map(|s| s.inode) != present.get(&name).copied() {
                self.forget(&name);
            }
        }
        let count = present.len();
        let turn = if std::mem::take(&mut self.closely) {
            count
        } else {
            count.div_ceil(SHARE).max(TURN)
        };
        for (i, (name, inode)) in present.iter().enumerate() {
            let due = (i + count - self.next % count) % count < turn;
            if due || !self.unchanged(name) {
                told.extend(self.read(name, *inode, want.get(name)));
            }
        }
        self.next = self.next.wrapping_add(turn);
        told
    }

    /// Reads again the namespaces that were worked on.
    pub fn again(
        &mut self,
        prefix: &str,
        want: &Spaces,
        touched: &BTreeSet<String>,
    ) -> Vec<String> {
        let mut told = Vec::new();
        let present = netns::list(prefix).unwrap_or_default();
        for name in touched {
            match present.get(name) {
                Some(inode) => told.extend(self.read(name, *inode, want.get(name))),
                None => self.forget(name),
            }
        }
        told
    }

    /// The filter `text` was loaded.
    pub fn loaded(&mut self, space: &str, text: &str) {
        let loaded = Loaded {
            text: text.to_owned(),
            listing: None,
        };
        self.filters.insert(space.to_owned(), loaded);
    }

    /// Nothing that is known about the namespace holds any more.
    pub fn forget(&mut self, space: &str) {
        self.seen.remove(space);
        self.filters.remove(space);
    }

    fn unchanged(&self, name: &str) -> bool {
        let Some(seen) = self.seen.get(name) else {
            return false;
        };
        let now = netns::devices(name).unwrap_or_default();
        let then = seen.links.iter().map(|(n, l)| (n, l.index));
        then.eq(now.iter().map(|(n, i)| (n, *i)))
    }

    fn read(&mut self, name: &str, inode: u64, want: Option<&Space>) -> Option<String> {
        match read_space(name, want) {
            Ok((mut space, listing)) => {
                space.inode = inode;
                let (filter, told) = self.compare(name, listing);
                space.filter = filter;
                self.seen.insert(name.to_owned(), space);
                told
            }
            Err(e) => {
                self.forget(name);
                // A crash of `ip netns add` leaves a name with no namespace behind it.
                if e.raw_os_error() == Some(libc::EINVAL) {
                    let _ = netns::remove(name);
                }
                Some(format!("Namespace {name} cannot be read: {e}."))
            }
        }
    }

    /// The text that is in force, and whether somebody else changed it.
    fn compare(&mut self, name: &str, now: String) -> (Option<String>, Option<String>) {
        let Some(loaded) = self.filters.get_mut(name) else {
            return (None, None);
        };
        let strange = strangers(&now, &loaded.text);
        let told = if strange.is_empty() {
            let listing = loaded.listing.get_or_insert_with(|| now.clone());
            if *listing == now {
                return (Some(loaded.text.clone()), None);
            }
            format!("The packet filter of {name} was changed by somebody else.")
        } else {
            let strange = strange.into_iter().collect::<Vec<_>>().join(", ");
            format!("The packet filter of {name} has what is somebody else's: {strange}.")
        };
        self.filters.remove(name);
        (None, Some(told))
    }
}

/// The tables of a listing that a text has not.
fn strangers<'a>(listing: &'a str, text: &str) -> BTreeSet<&'a str> {
    let ours: BTreeSet<&str> = tables(text).collect();
    tables(listing)
        .filter(|table| !ours.contains(table))
        .collect()
}

/// The tables of a text or of a listing: `table inet jinyun`.
fn tables(text: &str) -> impl Iterator<Item = &str> {
    let heads = text.lines().filter(|line| line.starts_with("table "));
    heads.map(|line| line.split(" {").next().unwrap_or(line))
}

fn read_space(name: &str, want: Option<&Space>) -> io::Result<(SeenSpace, String)> {
    let paths: Vec<&String> = want.map(setting_paths).unwrap_or_default();
    netns::enter(name, || {
        let mut space = SeenSpace {
            links: links(&ask(&["-d", "addr", "show"])?),
            routes: routes(&ask(&["-4", "route", "show", "table", "main"])?),
            neighbours: neighbours(&ask(&["-4", "neigh", "show", "nud", "permanent"])?),
            ..SeenSpace::default()
        };
        for path in paths {
            let value = netns::read_sysctl(path);
            space.sysctls.extend(value.map(|v| (path.clone(), v)));
        }
        let listing = feed(tool("nft").args(["-s", "list", "ruleset"]), "")?;
        Ok((space, listing))
    })
}

fn setting_paths(space: &Space) -> Vec<&String> {
    let of_links = space.links.values().flat_map(|l| &l.sysctls);
    let of_links = of_links.map(|(path, _)| path);
    space.sysctls.keys().chain(of_links).collect()
}

/// Asks `ip`; nothing at all means an empty list.
fn ask(args: &[&str]) -> io::Result<Value> {
    let text = feed(tool("ip").arg("-j").args(args), "")?;
    if text.trim().is_empty() {
        return Ok(Value::Array(Vec::new()));
    }
    Ok(serde_json::from_str(&text)?)
}

fn items(json: &Value) -> impl Iterator<Item = &Value> {
    json.as_array().into_iter().flatten()
}

fn text<'a>(json: &'a Value, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_default()
}

fn has(json: &Value, key: &str, word: &str) -> bool {
    items(&json[key]).any(|v| v.as_str() == Some(word))
}

/// Devices from `ip -j -d addr show`.
pub fn links(json: &Value) -> BTreeMap<String, SeenLink> {
    items(json)
        .map(|link| {
            let info = &link["linkinfo"];
            let kind = match (text(info, "info_kind"), text(link, "link_type")) {
                ("tun", _) => text(&info["info_data"], "type"),
                ("", "loopback") => "loopback",
                (kind, _) => kind,
            };
            let seen = SeenLink {
                index: number(link, "ifindex"),
                kind: kind.to_owned(),
                mac: text(link, "address").to_owned(),
                mtu: number(link, "mtu"),
                up: has(link, "flags", "UP"),
                addrs: items(&link["addr_info"]).filter_map(addr).collect(),
            };
            (text(link, "ifname").to_owned(), seen)
        })
        .collect()
}

fn number(json: &Value, key: &str) -> u32 {
    let number = json[key].as_u64().unwrap_or_default();
    u32::try_from(number).unwrap_or_default()
}

fn addr(json: &Value) -> Option<String> {
    let local = text(json, "local");
    if text(json, "family") != "inet" || local.starts_with("127.") {
        return None;
    }
    let mut addr = format!("{local}/{}", number(json, "prefixlen"));
    if json["noprefixroute"] != Value::Bool(true) {
        addr.push_str(" with a route");
    }
    Some(addr)
}

/// Routes from `ip -j -4 route show`, in the words in which they are added.
pub fn routes(json: &Value) -> BTreeSet<String> {
    items(json)
        .map(|route| {
            let mut words = Vec::new();
            if let Some(kind) = route["type"].as_str() {
                words.push(kind.to_owned());
            }
            let to = text(route, "dst");
            let one = to != "default" && !to.contains('/');
            words.push(if one {
                format!("{to}/32")
            } else {
                to.to_owned()
            });
            for (word, key) in [("via", "gateway"), ("dev", "dev")] {
                if let Some(value) = route[key].as_str() {
                    words.push(format!("{word} {value}"));
                }
            }
            if has(route, "flags", "onlink") {
                words.push("onlink".to_owned());
            }
            if let Some(metric) = route["metric"].as_u64() {
                words.push(format!("metric {metric}"));
            }
            words.join(" ")
        })
        .collect()
}

/// Neighbours from `ip -j -4 neigh show nud permanent`.
pub fn neighbours(json: &Value) -> BTreeSet<String> {
    items(json)
        .map(|n| {
            let (ip, mac, device) = (text(n, "dst"), text(n, "lladdr"), text(n, "dev"));
            format!("{ip} lladdr {mac} dev {device}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `nft -s list ruleset` prints it.
    fn listing(more: &str) -> String {
        let head = "table inet jinyun {\n\tchain input {\n\t\tcounter drop\n\t}\n}\n";
        format!("{head}table arp jinyun {{\n}}\n{more}")
    }

    #[test]
    fn a_listing_with_what_is_anothers_is_never_the_one_to_compare_with() {
        let own = "flush ruleset\ntable inet jinyun {\n}\ntable arp jinyun {\n}\n";
        let strange = listing("table ip nat { # progname other\n\tflags owner\n}\n");
        let mut eyes = Eyes::default();
        assert_eq!(
            eyes.compare("a", listing("")),
            (None, None),
            "nothing was loaded"
        );
        eyes.loaded("a", own);
        // It is there when the filter is listed first: nothing took it away.
        let (filter, told) = eyes.compare("a", strange.clone());
        let why = "The packet filter of a has what is somebody else's: table ip nat.";
        assert_eq!((filter, told.as_deref()), (None, Some(why)));
        // And later.
        eyes.loaded("a", own);
        let in_force = (Some(own.to_owned()), None);
        assert_eq!(eyes.compare("a", listing("")), in_force);
        assert_eq!(eyes.compare("a", listing("")), in_force);
        assert_eq!(eyes.compare("a", strange).0, None);
        // What is in our own tables.
        eyes.loaded("a", own);
        assert_eq!(eyes.compare("a", listing("")), in_force);
        let (filter, told) = eyes.compare("a", listing("").replace("drop", "accept"));
        assert_eq!(filter, None);
        assert!(told.unwrap().ends_with("was changed by somebody else."));
        // A namespace without a filter.
        eyes.loaded("p", "flush ruleset\n");
        let in_force = (Some("flush ruleset\n".to_owned()), None);
        assert_eq!(eyes.compare("p", String::new()), in_force);
        assert_eq!(eyes.compare("p", listing("")).0, None);
    }
}
