//! What a server learns about itself at 169.254.169.254.
//!
//! OpenStack's layout, which cloud-init prefers, and the few pages of EC2's that small guests read.
//! Pages are texts under exact paths; the host lists directories by itself. The answer is the same
//! on every port of a server but for EC2's `local-ipv4`, which has room for one address. That there
//! is a password is said by a null; the host, which is told it apart from these pages, puts it in.

use crate::server::Server;
use crate::server::password::PASSWORD;
use jinyun_engine::Have;
use jinyun_network::Port;
use serde_json::{Map, Value, json};

/// A server with what its pages need.
pub struct Guest {
    /// The server.
    pub server: Have<Server>,
    /// Its ports, in order.
    pub ports: Vec<Have<Port>>,
    /// Its user data, if it is text.
    pub user_data: Option<String>,
}

/// The pages for the caller behind one of the server's ports: path and text.
pub fn pages(guest: &Guest, port: &Have<Port>) -> Vec<(String, String)> {
    let (id, spec) = (&guest.server.id, &guest.server.spec);
    let mut pages = vec![
        ("openstack/latest/meta_data.json".into(), meta_data(guest).to_string()),
        ("openstack/latest/network_data.json".into(), network_data(guest).to_string()),
        ("latest/meta-data/instance-id".into(), id.to_string()),
        ("latest/meta-data/hostname".into(), spec.hostname.clone()),
        ("latest/meta-data/local-hostname".into(), spec.hostname.clone()),
    ];
    let mut add = |path: &str, text: String| pages.push((path.into(), text));
    if let Some(first) = port.spec.fixed_ips.first() {
        add("latest/meta-data/local-ipv4", first.ip.to_string());
    }
    if !spec.public_key.is_empty() {
        // EC2 lists keys by number and name, not as a directory does.
        add("latest/meta-data/public-keys", format!("0={}", spec.key_name));
        add("latest/meta-data/public-keys/0/openssh-key", spec.public_key.clone());
    }
    if let Some(user_data) = &guest.user_data {
        add("openstack/latest/user_data", user_data.clone());
        add("latest/user-data", user_data.clone());
    }
    pages
}

fn meta_data(guest: &Guest) -> Value {
    let (id, spec) = (&guest.server.id, &guest.server.spec);
    let mut page = json!({
        "uuid": id,
        "name": spec.name,
        "hostname": spec.hostname,
        "project_id": guest.server.project,
        "availability_zone": crate::server::ZONE,
        "launch_index": 0,
        "meta": spec.metadata,
        "devices": [],
    });
    if spec.has_password {
        page[PASSWORD] = Value::Null;
    }
    if !spec.public_key.is_empty() {
        let mut keys = Map::new();
        keys.insert(spec.key_name.clone(), spec.public_key.clone().into());
        page["public_keys"] = Value::Object(keys);
        page["keys"] = json!([{ "name": spec.key_name, "type": "ssh", "data": spec.public_key }]);
    }
    page
}

/// Addresses come by DHCP: a page that named them would be wrong once a port's address changes.
fn network_data(guest: &Guest) -> Value {
    let link = |port: &Have<Port>| format!("tap{}", port.id.as_str().get(..11).unwrap_or("0"));
    let links: Vec<Value> = guest.ports.iter().map(|port| json!({
        "id": link(port),
        "vif_id": port.id,
        "type": "tap",
        "ethernet_mac_address": port.spec.mac,
    })).collect();
    let networks: Vec<Value> = guest.ports.iter().enumerate().map(|(n, port)| json!({
        "id": format!("network{n}"),
        "type": "ipv4_dhcp",
        "link": link(port),
        "network_id": port.spec.network,
    })).collect();
    json!({ "links": links, "networks": networks, "services": [] })
}
