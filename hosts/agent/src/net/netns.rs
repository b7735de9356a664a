//! Network namespaces: list, make, remove, enter; opening a tap inside one; what a host lacks.
//!
//! Problem: which namespace a socket or a device belongs to is decided by the thread that makes it.
//!
//! Mechanism: [`enter`] does a piece of work on a thread of its own that joins the namespace and
//! then ends. What it opened stays in the namespace and may be used from anywhere. Switching the
//! caller's thread there and back would be cheaper, but one error on the way back leaves a thread
//! of a root process in a tenant's network.

use super::tools::{feed, tool};
use nix::sched::{CloneFlags, setns, unshare};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

/// Where `ip netns` keeps namespaces.
const DIR: &str = "/run/netns";

/// The namespace of this process: the host's own network.
const OWN: &str = "/proc/self/ns/net";

/// What tells a namespace from all others, by a file that stands for it.
fn place(path: &str) -> io::Result<(u64, u64)> {
    let meta = std::fs::metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}

/// An error if a name stands for the host's own network, whoever gave it that.
pub fn apart(space: &str) -> io::Result<()> {
    let own = place(OWN)?;
    if place(&format!("{DIR}/{space}")).is_ok_and(|there| there == own) {
        return Err(io::Error::other(format!("{space} is the host's own network")));
    }
    Ok(())
}

/// The namespaces whose names begin with `prefix`, each with the number that tells it from another
/// of the same name. The host's own network is nobody's to change and is not among them, whatever
/// name somebody has given it: all that is tried there is to make a namespace of that name, which
/// fails.
pub fn list(prefix: &str) -> io::Result<BTreeMap<String, u64>> {
    let entries = match std::fs::read_dir(DIR) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries?,
    };
    let own = place(OWN)?;
    let mut all = BTreeMap::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix)
            && let Ok(there) = place(&format!("{DIR}/{name}"))
            && there != own
        {
            all.insert(name, there.1);
        }
    }
    Ok(all)
}

/// Makes a namespace.
pub fn add(space: &str) -> io::Result<()> {
    feed(tool("ip").args(["netns", "add", space]), "")?;
    Ok(())
}

/// Removes a namespace and, at once, its devices: a process that still holds a tap or a socket in
/// it would otherwise keep them alive.
pub fn remove(space: &str) -> io::Result<()> {
    if let Ok(devices) = devices(space) {
        let lines: Vec<String> = devices
            .keys()
            .filter(|d| *d != "lo")
            .map(|d| format!("link del dev {d}"))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        if !lines.is_empty() {
            super::tools::ip_undo(space, &lines)?;
        }
    }
    feed(tool("ip").args(["netns", "delete", space]), "")?;
    Ok(())
}

/// Does `work` on a thread that is in the namespace.
pub fn enter<T, F>(space: &str, work: F) -> io::Result<T>
where
    T: Send,
    F: FnOnce() -> io::Result<T> + Send,
{
    let file = File::open(format!("{DIR}/{space}"))
        .map_err(|e| io::Error::new(e.kind(), format!("namespace {space}: {e}")))?;
    on_thread(move || {
        setns(&file, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
        work()
    })
}

/// Does `work` on a thread that is in a new namespace without a name, which ends with it.
fn enter_new<T, F>(work: F) -> io::Result<T>
where
    T: Send,
    F: FnOnce() -> io::Result<T> + Send,
{
    on_thread(move || {
        unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
        work()
    })
}

fn on_thread<T, F>(work: F) -> io::Result<T>
where
    T: Send,
    F: FnOnce() -> io::Result<T> + Send,
{
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("netns".to_owned());
        match thread.spawn_scoped(scope, work)?.join() {
            Ok(result) => result,
            Err(_) => Err(io::Error::other("work in a namespace panicked")),
        }
    })
}

/// The devices of a namespace with their numbers: enough to see that something came or went.
pub fn devices(space: &str) -> io::Result<BTreeMap<String, u32>> {
    enter(space, || {
        let all = nix::net::if_::if_nameindex().map_err(io::Error::from)?;
        Ok(all
            .iter()
            .map(|i| (i.name().to_string_lossy().into_owned(), i.index()))
            .collect())
    })
}

/// The devices of many namespaces. One thread goes from one to the next and ends: a thread for
/// each would cost more than the reading.
pub fn devices_of(spaces: &[String]) -> io::Result<BTreeMap<String, Result<Vec<String>, String>>> {
    let read = |space: &String| -> io::Result<Vec<String>> {
        let file = File::open(format!("{DIR}/{space}"))?;
        setns(&file, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
        let all = nix::net::if_::if_nameindex().map_err(io::Error::from)?;
        Ok(all
            .iter()
            .map(|i| i.name().to_string_lossy().into_owned())
            .collect())
    };
    on_thread(|| {
        let all = spaces.iter();
        Ok(all
            .map(|space| (space.clone(), read(space).map_err(|e| e.to_string())))
            .collect())
    })
}

/// Writes a setting in the namespace that the calling thread is in.
pub fn write_sysctl(path: &str, value: &str) -> io::Result<()> {
    std::fs::write(format!("/proc/sys/net/{path}"), value)
        .map_err(|e| io::Error::new(e.kind(), format!("/proc/sys/net/{path}: {e}")))
}

/// Reads a setting in the namespace that the calling thread is in. Without IPv6 in the kernel it
/// counts as switched off.
pub fn read_sysctl(path: &str) -> Option<String> {
    match std::fs::read_to_string(format!("/proc/sys/net/{path}")) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(e) if e.kind() == io::ErrorKind::NotFound && path.starts_with("ipv6/") => {
            Some("1".to_owned())
        }
        Err(_) => None,
    }
}

/// Opens the tap `device` of a namespace for a guest: frames with a virtio header.
pub fn open_tap(space: &str, device: &str) -> io::Result<OwnedFd> {
    enter(space, || attach_tap(device))
}

fn attach_tap(device: &str) -> io::Result<OwnedFd> {
    let tun = File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")?;
    let mut name = [0 as libc::c_char; libc::IFNAMSIZ];
    if device.len() >= name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in name.iter_mut().zip(device.bytes()) {
        *to = from as libc::c_char;
    }
    let flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    let mut request = libc::ifreq {
        ifr_name: name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_flags: flags as libc::c_short,
        },
    };
    // SAFETY: TUNSETIFF reads one `ifreq` through the pointer and writes one back; the pointer is
    // to a whole, live `ifreq` that only we use, and the descriptor is open.
    let result = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if result < 0 {
        let error = io::Error::last_os_error();
        let why = format!("tap {device}: {error}");
        return Err(io::Error::new(error.kind(), why));
    }
    Ok(OwnedFd::from(tun))
}

/// A ruleset with one of everything that ours use.
const TRIAL: &str = "table inet jinyun {
	set s {
		type ipv4_addr
		elements = { 10.0.0.1 }
	}
	chain a {
		ip saddr @s udp dport 53 limit rate 500/second burst 1000 packets accept
		ether saddr != 02:00:00:00:00:01 counter log group 2 prefix \"spoof-mac \" drop
		icmp type 8 accept
	}
	chain b {
		type filter hook prerouting priority raw; policy drop;
		iifname vmap { \"lo\" : accept, \"t1\" : goto a }
	}
	chain c {
		type filter hook forward priority filter - 10; policy drop;
		ct state established,related accept
	}
}
table arp jinyun {
	chain d {
		type filter hook input priority filter; policy drop;
		arp saddr ether != 02:00:00:00:00:01 counter log group 2 prefix \"spoof-arp \" drop
		arp saddr ip { 0.0.0.0, 10.0.0.11 } accept
	}
}
";

/// What this machine lacks for carrying networks. Each is a sentence that says what to do. Kernel
/// features are tried, not looked up: in a namespace that nobody else sees and that ends at once.
pub fn missing() -> Vec<String> {
    if !nix::unistd::geteuid().is_root() {
        return vec!["Carrying networks needs root: start the agent as root.".to_owned()];
    }
    let mut lacks = Vec::new();
    let packages = [
        ("ip", "-V", "iproute2"),
        ("nft", "-v", "nftables"),
        ("conntrack", "-V", "conntrack"),
    ];
    for (name, version, package) in packages {
        if feed(tool(name).arg(version), "").is_err() {
            lacks.push(format!(
                "`{name}` does not run: install it with `apt-get install {package}`."
            ));
        }
    }
    if !std::path::Path::new("/dev/net/tun").exists() {
        lacks.push("There is no /dev/net/tun: load the module with `modprobe tun`.".to_owned());
    }
    if !lacks.is_empty() {
        return lacks;
    }
    let devices = "tuntap add dev t1 mode tap\nlink add dev v1 type veth peer name v2\n";
    let tried = enter_new(|| {
        let made = feed(tool("ip").args(["-batch", "-"]), devices);
        let loaded = feed(tool("nft").args(["-f", "-"]), TRIAL);
        Ok((made, loaded))
    });
    match tried {
        Err(e) => lacks.push(format!(
            "The kernel makes no network namespace ({e}): it needs CONFIG_NET_NS and the right to \
             unshare."
        )),
        Ok((made, loaded)) => {
            if let Err(e) = made {
                lacks.push(format!(
                    "The kernel refuses taps or veths ({e}): `modprobe -a tun veth`."
                ));
            }
            if let Err(e) = loaded {
                lacks.push(format!(
                    "The kernel refuses the packet filter ({e}): \
                     `modprobe -a nf_tables nft_ct nft_log nft_limit nfnetlink_log nf_conntrack`."
                ));
            }
        }
    }
    lacks
}
