//! What the control plane and a host say to each other.
//!
//! Problem: a host must do what the records want even though messages are lost, doubled and
//! reordered, and either side may die at any moment. Mechanism: the control plane sends one whole
//! document, [`HostWant`], with a generation; the host converges to it and reports what it sees,
//! [`HostSeen`]. There is no verb per change ("attach this", "open that port"): a verb that is lost
//! is a difference for ever, a document that is lost is sent again. The only messages that are not
//! state are questions whose answers nobody stores (a key, a console, a probe), and a guest's word
//! that it has its password, which may be said twice.
//!
//! Frames are JSON objects, one a line, over a stream socket. Keys and passwords travel only in
//! [`ToHost::Key`] and [`ToHost::Passwords`] and are never part of a document that somebody may
//! store or log.

mod survey;

pub use survey::{
    CageFound, DiskPlugged, FileFound, FileState, GuestFound, Known, Load, MachineFound, ReachFound,
    ReachTry, Survey,
};

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use zeroize::Zeroize;

/// The longest line that either side accepts, in bytes.
pub const MAX_FRAME: usize = 64 << 20;

/// From the control plane to a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ToHost {
    /// The whole desired state of the host. Refused if its generation is older than the last one.
    Want(HostWant),
    /// The answer to [`FromHost::NeedKey`]: the disk's passphrase, or why there is none.
    Key {
        /// The question's number.
        n: u64,
        /// Base64 of the passphrase; `None` when the key is destroyed or unknown.
        key: Option<SecretText>,
    },
    /// The passwords that guests of the host have not taken yet, all of them: what was said before
    /// is forgotten. A host keeps them in memory alone and tells each to its guest. A page of
    /// metadata whose `admin_pass` is null says that there is one.
    Passwords {
        /// One for each such guest.
        all: Vec<PasswordFor>,
    },
    /// A question; answered by [`FromHost::Answer`] with the same number.
    Ask {
        /// The question's number.
        n: u64,
        /// What is asked.
        ask: Ask,
    },
}

/// From a host to the control plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum FromHost {
    /// First message on every connection.
    Hello {
        /// The host's name, unique in the instance.
        host: String,
        /// What the machine can do, as detected.
        facts: HostFacts,
    },
    /// What the host sees, whole.
    Seen(HostSeen),
    /// The host needs the key of a disk that the current document wants in use.
    NeedKey {
        /// Chosen by the host; the reply carries it.
        n: u64,
        /// The disk.
        disk: String,
    },
    /// A guest says that it has taken its password: nobody needs it any more.
    Taken {
        /// The guest.
        guest: String,
    },
    /// The answer to [`ToHost::Ask`].
    Answer {
        /// The question's number.
        n: u64,
        /// What was found.
        answer: Answer,
    },
}

/// Text that must not be printed: its `Debug` shows only that it is there. It is overwritten when it
/// goes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(pub String);

impl SecretText {
    /// The text, for whoever overwrites it from here on.
    #[must_use]
    pub fn into_text(mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// The password of one guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordFor {
    /// The guest.
    pub guest: String,
    /// Its ports on this host: whoever asks through one of them is the guest.
    pub ports: Vec<String>,
    /// Base64 of the password.
    pub password: SecretText,
}

/// A question to a host about something that is not state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// The last `lines` lines of a guest's serial console (all that is kept if `None`).
    Console {
        /// The guest.
        guest: String,
        /// How many lines from the end.
        lines: Option<u32>,
    },
    /// Try something through real ports of probe type and say what happened.
    Probe(Probe),
    /// Several, at the same time: most of a probe's time is waiting for what does not come. Those that
    /// need the same receiver take turns there, the others go together, sixteen at most. They must not
    /// rest on each other: in which order they are tried is not said.
    Probes {
        /// What is tried.
        probes: Vec<Probe>,
    },
    /// The packet filter and disks as they are installed, for a comparison with the records.
    Facts,
    /// Everything that the host shows of itself, which costs it no process; see [`Survey`].
    Survey,
}

/// An attempt to do what must not be possible, entered through a port with `attach = probe`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "snake_case")]
pub enum Probe {
    /// Send one UDP datagram from `from` to `to` in a raw Ethernet frame with the given source
    /// addresses (the port's own where `None`), and see whether it arrives.
    Frame {
        /// Sending port.
        from: String,
        /// Receiving port.
        to: String,
        /// Source MAC to claim, `aa:bb:cc:dd:ee:ff`.
        mac: Option<String>,
        /// Source IPv4 address to claim.
        ip: Option<Ipv4Addr>,
        /// UDP destination port.
        udp: u16,
        /// Carried in the datagram, so that an old one cannot be taken for this one.
        nonce: String,
    },
    /// Send an ARP request from `from` that claims `ip`, and see whether the gateway answers.
    Arp {
        /// Sending port.
        from: String,
        /// The sender address to claim (the port's own where `None`).
        ip: Option<Ipv4Addr>,
    },
    /// Listen for TCP behind `to` and connect to it from `from`.
    Connect {
        /// Connecting port.
        from: String,
        /// Listening port.
        to: String,
        /// Address to connect to (that of `to` where `None`).
        ip: Option<Ipv4Addr>,
        /// TCP port.
        tcp: u16,
        /// Sent by the connecting side, echoed by the listener.
        nonce: String,
    },
    /// Begin a TCP connection from `from`, by a raw frame, to an address that need not be a
    /// port's, and see whether anybody answers: by accepting or by refusing.
    Reach {
        /// Sending port.
        from: String,
        /// Address to connect to.
        ip: Ipv4Addr,
        /// TCP port.
        tcp: u16,
    },
    /// Send one UDP datagram to everybody (the broadcast address of Ethernet and of IP) from
    /// `from`, and see whether it arrives at `to`.
    Shout {
        /// Sending port.
        from: String,
        /// Receiving port.
        to: String,
        /// UDP destination port.
        udp: u16,
        /// Carried in the datagram.
        nonce: String,
    },
    /// Open a TCP connection from `from` to a listener behind `to`, and keep it for a minute at
    /// most.
    Hold {
        /// Connecting port.
        from: String,
        /// Listening port.
        to: String,
        /// TCP port.
        tcp: u16,
        /// What the connection is called.
        session: String,
    },
    /// Send something each way over a connection that is kept, and see whether any of it arrives.
    Pass {
        /// The connection.
        session: String,
        /// What is sent.
        nonce: String,
    },
    /// Close a connection that is kept.
    Close {
        /// The connection.
        session: String,
    },
}

/// What came of an [`Ask`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Console text.
    Console {
        /// The text, lossily decoded.
        text: String,
    },
    /// The probe ran. `arrived` says whether the forbidden thing worked.
    Probe {
        /// The datagram arrived, the ARP reply came, the connection was made and echoed.
        arrived: bool,
        /// How that was observed, for the record.
        how: String,
    },
    /// One answer for each of [`Ask::Probes`], in their order.
    Probes {
        /// The answers.
        answers: Vec<Answer>,
    },
    /// Installed facts; see [`Installed`].
    Facts(Installed),
    /// What the host shows of itself.
    Survey(Box<Survey>),
    /// The question could not be carried out. Never a proof of anything.
    Failed {
        /// Why.
        why: String,
    },
}

/// What is installed on the host, read back from the kernel and the disks, not from memory.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Installed {
    /// For the namespace of each network, router and probe port, by its id: the ruleset as
    /// `nft -j list ruleset` prints it.
    pub filters: Vec<(String, serde_json::Value)>,
    /// For each disk file present: what its header says.
    pub disks: Vec<DiskHeader>,
    /// For each running guest: how its process is confined.
    pub guests: Vec<GuestProcess>,
}

/// What the header of a disk's file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskHeader {
    /// The disk.
    pub id: String,
    /// `luks` when qcow2's crypt method is LUKS, else what was found.
    pub cipher: String,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// How a guest's process is confined, read from `/proc`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuestProcess {
    /// The guest.
    pub id: String,
    /// Process id.
    pub pid: u32,
    /// Effective user id.
    pub uid: u32,
    /// `NoNewPrivs` is set.
    pub no_new_privs: bool,
    /// Seccomp mode (2 = filter).
    pub seccomp: u32,
    /// Effective capabilities as a bit mask.
    pub capabilities: u64,
    /// Its network namespace differs from the host's and from every VPC's.
    pub own_netns: bool,
}

/// What a machine can do, detected at start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostFacts {
    /// Hardware virtualisation works (a guest can be started with it).
    pub kvm: bool,
    /// Nothing behind this host is real; it was made for trying the API.
    pub simulated: bool,
    /// Logical processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Free bytes where disks are kept.
    pub disk_free: u64,
    /// The kernel's release.
    pub kernel: String,
    /// QEMU's version.
    pub qemu: String,
    /// The machine's boot id: changes when the machine restarts.
    pub boot_id: String,
    /// Offset of the system clock from its source in microseconds and the source's name, where a
    /// time daemon tells.
    pub clock: Option<(String, i64)>,
}

/// The desired state of one host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostWant {
    /// Grows with every change. A host refuses a document older than the last it accepted.
    pub generation: u64,
    /// Networks that this host carries.
    pub networks: Vec<NetworkWant>,
    /// Routers that join some of them.
    pub routers: Vec<RouterWant>,
    /// Security groups that the ports refer to.
    pub groups: Vec<GroupWant>,
    /// Disks that must exist. Any other disk in the host's pool is removed.
    pub disks: Vec<DiskWant>,
    /// Guests that must exist. Any other guest is ended.
    pub guests: Vec<GuestWant>,
}

/// One network: an address space of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkWant {
    /// Network id.
    pub id: String,
    /// Largest packet that its ports carry.
    pub mtu: u32,
    /// Domain name that its DNS answers for, without a leading dot.
    pub dns_domain: String,
    /// Subnets.
    pub subnets: Vec<SubnetWant>,
    /// Ports on this host.
    pub ports: Vec<PortWant>,
}

/// One subnet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubnetWant {
    /// Subnet id.
    pub id: String,
    /// `10.0.0.0/24`.
    pub cidr: String,
    /// Gateway address, on every port of the subnet. `None`: the subnet has no way out.
    pub gateway: Option<Ipv4Addr>,
    /// Answer DHCP.
    pub dhcp: bool,
    /// DNS servers to announce; the gateway where empty.
    pub dns: Vec<Ipv4Addr>,
    /// Extra routes to announce: destination and next hop.
    pub host_routes: Vec<(String, Ipv4Addr)>,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PortWant {
    /// Port id.
    pub id: String,
    /// `fa:16:3e:..`.
    pub mac: String,
    /// Its addresses with the subnet each is from. The first is the one that DHCP gives.
    pub ips: Vec<(String, Ipv4Addr)>,
    /// Host name for DHCP and DNS.
    pub hostname: String,
    /// Down: nothing passes.
    pub up: bool,
    /// Anti-spoofing and security groups apply. `false` only for a port whose owner switched
    /// port security off.
    pub filtered: bool,
    /// Security groups.
    pub groups: Vec<String>,
    /// What is at the other end.
    pub attach: Attach,
    /// What the metadata service answers to this port: path below `/` and body.
    pub metadata: Vec<(String, String)>,
}

/// What is at the other end of a port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attach {
    /// A tap device for a guest.
    Tap,
    /// A network namespace of its own on the host, to enter the network as a guest would.
    Probe,
}

/// A router: the networks whose subnets it joins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouterWant {
    /// Router id.
    pub id: String,
    /// Networks with the ranges that are reached through each.
    pub networks: Vec<(String, Vec<String>)>,
}

/// A security group with the addresses of all its members, on whichever host they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupWant {
    /// Group id.
    pub id: String,
    /// Addresses of member ports.
    pub members: Vec<Ipv4Addr>,
    /// What is allowed; everything else is dropped.
    pub rules: Vec<RuleWant>,
}

/// One allowance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleWant {
    /// Into the port rather than out of it.
    pub ingress: bool,
    /// IP protocol number; `None` is any.
    pub protocol: Option<u8>,
    /// Port range for TCP and UDP; ICMP type and code for ICMP.
    pub ports: Option<(u16, u16)>,
    /// ICMP code, where `ports` holds the type alone.
    pub icmp_code: Option<u8>,
    /// Only from or to this range.
    pub remote_cidr: Option<String>,
    /// Only from or to members of this group.
    pub remote_group: Option<String>,
}

/// One disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskWant {
    /// Disk id.
    pub id: String,
    /// Size in bytes that the guest sees.
    pub bytes: u64,
    /// Made from this image rather than empty.
    pub image: Option<ImageSource>,
}

/// An image to make a disk from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageSource {
    /// Image id.
    pub id: String,
    /// Where the host reads it.
    pub path: String,
    /// `raw` or `qcow2`; never guessed.
    pub format: String,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256, hex; checked before anything reads the image.
    pub sha256: String,
    /// SHA-512, hex; checked likewise.
    pub sha512: String,
}

/// One guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuestWant {
    /// Guest id (a UUID).
    pub id: String,
    /// Name, for people.
    pub name: String,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Must run; otherwise it must be off.
    pub running: bool,
    /// Disks in order; the first boots.
    pub disks: Vec<GuestDisk>,
    /// Ports in order.
    pub ports: Vec<String>,
    /// Grows when the guest has to be started anew although it runs (a reboot is a new number).
    pub incarnation: u64,
}

/// A disk as a guest has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuestDisk {
    /// Disk id.
    pub id: String,
    /// What the guest reads as the disk's serial number (20 bytes at most).
    pub serial: String,
}

/// What a host sees.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostSeen {
    /// The document that this report is about; 0 before the first.
    pub generation: u64,
    /// Everything in that document is as wanted.
    pub converged: bool,
    /// Ports that exist.
    pub ports: Vec<Thing>,
    /// Disks that exist.
    pub disks: Vec<Thing>,
    /// Guests that exist or should.
    pub guests: Vec<GuestSeen>,
    /// What went wrong with parts that belong to no port, disk or guest.
    pub errors: Vec<String>,
}

/// A port or a disk as seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thing {
    /// Its id.
    pub id: String,
    /// It is as wanted.
    pub ready: bool,
    /// Why not, and whether trying again may help.
    pub error: Option<Fault>,
}

/// Something that went wrong on a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// One sentence.
    pub why: String,
    /// Trying again cannot help (a damaged image, a key that is gone).
    pub fatal: bool,
}

/// A guest as seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuestSeen {
    /// Its id.
    pub id: String,
    /// What its process does.
    pub state: GuestState,
    /// The incarnation that runs or ran last.
    pub incarnation: u64,
    /// What went wrong.
    pub error: Option<Fault>,
}

/// What a guest's process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestState {
    /// There is no process and none was wanted, or it was ended as wanted.
    Off,
    /// It runs.
    Running,
    /// It ran and ended by itself: the guest switched off, or the process was killed.
    Ended,
    /// It could not be started.
    Failed,
}
