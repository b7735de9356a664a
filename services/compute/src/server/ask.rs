//! What a creation of a server asks for, read from Nova's body.
//!
//! Members that are known and not offered are refused by name with what to do instead: dropping one
//! silently would make a server that is not the one that was asked for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jinyun_base::{Id, Refusal, Secret, limits};
use jinyun_engine::Failure;
use jinyun_rest::Words;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Its name.
    pub name: String,
    /// What to make it from.
    pub image: Id,
    /// How large.
    pub flavor: Id,
    /// Name of one of the caller's key pairs.
    #[serde(default)]
    pub key_name: Option<String>,
    /// Where to.
    pub networks: Networks,
    /// Security groups of the ports that are made, by name or id; where empty, the default one.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Volumes to attach, in order.
    #[serde(default)]
    pub volumes: Vec<Id>,
    /// Labels.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// What it is to be called by, where a secret was sealed for it before it is there. No member of
    /// a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
}

/// A body, read.
pub struct Asked {
    /// What is asked for.
    pub ask: Ask,
    /// User data, decoded.
    pub user_data: Option<Vec<u8>>,
    /// A password for the guest.
    pub password: Option<Secret<String>>,
}

/// Which networks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Networks {
    /// The project's network, if it has exactly one.
    Auto,
    /// None.
    None,
    /// These, in order.
    These(Vec<Nic>),
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nic {
    /// A port that is there.
    Port(Id),
    /// A new port in a network, with this address if one is given.
    Network {
        /// The network.
        id: Id,
        /// The address.
        ip: Option<Ipv4Addr>,
    },
}

/// What Nova's body may hold in 2.1.
const KNOWN: &[&str] = &["name", "imageRef", "flavorRef", "key_name", "networks",
    "security_groups", "user_data", "metadata", "availability_zone", "config_drive", "min_count",
    "max_count", "adminPass", "block_device_mapping", "block_device_mapping_v2",
    "OS-DCF:diskConfig", "accessIPv4", "accessIPv6", "return_reservation_id", "personality"];
/// Members of a block device that change nothing for a volume that is attached as it is.
const DEVICE: &[&str] = &["uuid", "source_type", "destination_type", "boot_index", "device_name",
    "delete_on_termination", "volume_size", "disk_bus", "device_type", "no_device", "guest_format"];

fn bad(field: &str, say: impl std::fmt::Display) -> Failure {
    Refusal::invalid(field, say).into()
}

/// Whether a member says nothing.
fn idle(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::String(text) => text.is_empty() || text.eq_ignore_ascii_case("false"),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Number(_) => false,
    }
}

fn unused(words: &Words<'_>, name: &str, instead: &str) -> Result<(), Failure> {
    match words.value(name) {
        Some(value) if !idle(value) => Err(bad(name, format!("is not offered: {instead}"))),
        _ => Ok(()),
    }
}

/// An id, or the link that ends with it.
fn reference(words: &Words<'_>, name: &str) -> Result<Option<Id>, Failure> {
    let text = match words.value(name) {
        None => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(n)) => n.to_string(),
        Some(_) => return Err(bad(name, "must be an id")),
    };
    let id = text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    Ok((!id.is_empty()).then(|| Id::new(id)))
}

/// Reads the body.
pub fn read(words: &Words<'_>) -> Result<Asked, Failure> {
    words.only(KNOWN)?;
    for count in ["min_count", "max_count"] {
        if words.int(count, 1, 1_000_000)?.is_some_and(|n| n != 1) {
            return Err(bad(count, "must be 1: make one server at a time"));
        }
    }
    unused(words, "config_drive", "guests read their data at 169.254.169.254")?;
    unused(words, "personality", "hand files over in user_data")?;
    unused(words, "block_device_mapping", "use block_device_mapping_v2")?;
    unused(words, "return_reservation_id", "make one server at a time")?;
    unused(words, "accessIPv4", "leave it out")?;
    unused(words, "accessIPv6", "leave it out")?;
    zone(words)?;
    if let Some(how) = words.text("OS-DCF:diskConfig")?
        && how != "AUTO"
        && how != "MANUAL"
    {
        return Err(bad("OS-DCF:diskConfig", "must be AUTO or MANUAL"));
    }
    let image = reference(words, "imageRef")?.ok_or_else(|| {
        bad("imageRef", "is required: to start from a volume is not offered, give an image")
    })?;
    let flavor = reference(words, "flavorRef")?.ok_or_else(|| bad("flavorRef", "is required"))?;
    let ask = Ask {
        name: words.need("name")?.trim().to_string(),
        key_name: words.text("key_name")?.filter(|name| !name.is_empty()),
        networks: networks(words)?,
        groups: groups(words)?,
        volumes: volumes(words, &image)?,
        metadata: labels(words)?,
        image,
        flavor,
        id: None,
    };
    Ok(Asked { ask, user_data: user_data(words)?, password: password(words)? })
}

/// What is wrong about a password.
const PASSWORD: &str = "must have 8 to 128 letters, digits and signs of ASCII, without blanks: it \
    goes through terminals and files that know no others";

/// A password for the guest. Its institution's rules for passwords are about its people: what is
/// good enough for a machine of its own the tenant decides.
fn password(words: &Words<'_>) -> Result<Option<Secret<String>>, Failure> {
    let Some(text) = words.text("adminPass")? else { return Ok(None) };
    let text = Secret::new(text);
    let fits = (8..=128).contains(&text.expose().len())
        && text.expose().chars().all(|c| c.is_ascii_graphic());
    if fits { Ok(Some(text)) } else { Err(bad("adminPass", PASSWORD)) }
}

fn zone(words: &Words<'_>) -> Result<(), Failure> {
    match words.text("availability_zone")?.as_deref() {
        None | Some("" | super::ZONE) => Ok(()),
        Some(zone) if zone.contains(':') => {
            Err(bad("availability_zone", "must not name a host: the platform chooses it"))
        }
        Some(_) => Err(bad("availability_zone",
            format!("is not available: there is one, '{}'", super::ZONE))),
    }
}

fn networks(words: &Words<'_>) -> Result<Networks, Failure> {
    match words.value("networks") {
        None => return Ok(Networks::Auto),
        Some(Value::String(word)) if word == "auto" => return Ok(Networks::Auto),
        Some(Value::String(word)) if word == "none" => return Ok(Networks::None),
        Some(_) => {}
    }
    let mut nics = Vec::new();
    for item in words.array("networks")?.into_iter().flatten() {
        let Some(members) = item.as_object() else {
            return Err(bad("networks", "must be an array of objects"));
        };
        let nic = Words::new("networks", members);
        nic.only(&["uuid", "port", "fixed_ip", "tag"])?;
        unused(&nic, "tag", "leave it out")?;
        let ip = match nic.text("fixed_ip")? {
            None => None,
            Some(text) => Some(text.parse::<Ipv4Addr>()
                .map_err(|_| bad("fixed_ip", format!("must be an IPv4 address, not '{text}'")))?),
        };
        nics.push(match (nic.text("port")?, nic.text("uuid")?, ip) {
            (Some(_), _, Some(_)) => {
                return Err(bad("fixed_ip", "cannot be given with a port, which has its own"));
            }
            (Some(port), ..) => Nic::Port(port.into()),
            (None, Some(network), ip) => Nic::Network { id: network.into(), ip },
            (None, None, _) => return Err(bad("networks", "must name a uuid or a port each")),
        });
    }
    // An empty array says nothing, as in Nova.
    Ok(if nics.is_empty() { Networks::Auto } else { Networks::These(nics) })
}

fn groups(words: &Words<'_>) -> Result<Vec<String>, Failure> {
    let mut groups = Vec::new();
    for item in words.array("security_groups")?.into_iter().flatten() {
        match item.get("name").and_then(Value::as_str) {
            Some(name) if !groups.iter().any(|g| g == name) => groups.push(name.to_string()),
            Some(_) => {}
            None => return Err(bad("security_groups", "must be objects with a name")),
        }
    }
    Ok(groups)
}

/// Volumes to attach. The client names the image again as the first device.
fn volumes(words: &Words<'_>, image: &Id) -> Result<Vec<Id>, Failure> {
    let field = "block_device_mapping_v2";
    let mut volumes = Vec::new();
    for item in words.array(field)?.into_iter().flatten() {
        let Some(members) = item.as_object() else {
            return Err(bad(field, "must be an array of objects"));
        };
        let device = Words::new(field, members);
        device.only(DEVICE)?;
        let source = device.text("source_type")?.unwrap_or_default();
        let usual = if source == "volume" { "volume" } else { "local" };
        let target = device.text("destination_type")?.unwrap_or_else(|| usual.to_string());
        let uuid = device.text("uuid")?.unwrap_or_default();
        let boots = device.int("boot_index", -1, 0)? == Some(0);
        match (source.as_str(), target.as_str()) {
            ("image", "local") if boots && uuid == image.as_str() => {}
            ("volume", "volume") if boots => {
                return Err(bad(field, "starts from a volume, which is not offered: give an image"));
            }
            ("volume", "volume") if uuid.is_empty() => {
                return Err(bad(field, "must name the volume as uuid"));
            }
            ("volume", "volume") => {
                unused(&device, "delete_on_termination", "delete the volume after the server")?;
                let id = Id::new(uuid);
                if volumes.contains(&id) {
                    return Err(bad(field, format!("names volume {id} twice")));
                }
                volumes.push(id);
            }
            _ => {
                let say = "may attach volumes that are there (source_type and destination_type \
                           volume), nothing else is offered";
                return Err(bad(field, say));
            }
        }
    }
    Ok(volumes)
}

/// Labels of a server.
pub fn labels(words: &Words<'_>) -> Result<BTreeMap<String, String>, Failure> {
    let mut labels = BTreeMap::new();
    let Some(given) = words.object("metadata")? else { return Ok(labels) };
    for name in given.names() {
        match given.value(name) {
            Some(Value::String(value)) => labels.insert(name.to_string(), value.clone()),
            _ => return Err(bad("metadata", format!("must hold strings only; '{name}' is none"))),
        };
    }
    Ok(labels)
}

/// User data, decoded. It has to be text: the metadata service hands out text.
fn user_data(words: &Words<'_>) -> Result<Option<Vec<u8>>, Failure> {
    let Some(encoded) = words.long_text("user_data")? else { return Ok(None) };
    if encoded.len() > limits::USER_DATA {
        let say = format!("is longer than {} bytes (encoded)", limits::USER_DATA);
        return Err(bad("user_data", say));
    }
    let bare: String = encoded.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(bare).map_err(|_| bad("user_data", "is not base64"))?;
    if std::str::from_utf8(&bytes).is_err() {
        let say = "must be text (UTF-8) after decoding: give it uncompressed";
        return Err(bad("user_data", say));
    }
    Ok((!bytes.is_empty()).then_some(bytes))
}
