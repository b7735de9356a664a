//! The calls that `openstack` makes, through the routes, with the members that it reads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Many threads at once: here the real clock is as good as any.
#![allow(clippy::disallowed_methods)]

mod common;

use common::{Dir, user};
use jinyun_base::Time;
use jinyun_engine::{Failure, Queue, Reader};
use jinyun_policy::{Actor, Role};
use jinyun_rest::{Body, Call, Cloud, Door, Route};
use jinyun_store::Db;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Time(i64::try_from(since.as_micros()).unwrap())
}

/// A cloud with a writer's thread and a driver's thread.
struct Site {
    cloud: Cloud,
    routes: Vec<Route>,
    stop: Arc<AtomicBool>,
    guard: Mutex<Option<i64>>,
    _dir: Dir,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

impl Site {
    fn open() -> Site {
        let dir = Dir::new();
        let core = common::core(&dir.config());
        let (handle, queue) = Queue::new();
        std::thread::spawn(move || queue.serve(core, now));
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, mut to, config) = (stop.clone(), handle.clone(), dir.config());
        std::thread::spawn(move || {
            let mut db = Db::open(&config).unwrap();
            let mut driver = common::driver();
            while !stopped.load(Ordering::SeqCst) {
                let _ = driver.pass(&mut db, &mut to, &(), now());
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let reader = Reader::new(dir.config(), common::registry(), handle.clone());
        let cloud = Cloud { reader, handle };
        let routes = jinyun_network::routes();
        Site { cloud, routes, stop, guard: Mutex::new(None), _dir: dir }
    }

    /// Status and body; for a refusal 0 and its word.
    fn call_as(&self, actor: &Actor, method: &str, path: &str, body: Value) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let found = self.routes.iter().filter(|r| r.method == method)
            .find_map(|r| Some((r, fit(&r.path, path)?)));
        let Some((route, params)) = found else { return (404, json!("no route")) };
        let guard = self.guard.lock().unwrap().take();
        let call = Call {
            via: Default::default(),
            door: Door::Management,
            cloud: &self.cloud,
            actor,
            path: params,
            query: query.split('&').filter_map(|q| q.split_once('='))
                .map(|(n, v)| (n.to_string(), v.to_string())).collect(),
            body,
            request: "req-1".into(),
            source: None,
            base: "https://127.0.0.1:8443/network".into(),
            version: None,
            token: None,
            headers: guard.map(|g| ("if-match".to_string(), format!("revision_number={g}")))
                .into_iter().collect(),
            input: Mutex::new(None),
        };
        match (route.run)(&call) {
            Ok(reply) => match reply.body {
                Body::Json(value) => (reply.status, value),
                Body::Empty => (reply.status, Value::Null),
                other => panic!("{other:?}"),
            },
            Err(Failure::Refused(refusal)) => (0, json!(refusal.code())),
            Err(Failure::Fault(fault)) => panic!("{fault}"),
        }
    }

    fn call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.call_as(&user(Role::Member, "p"), method, path, body)
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, Value::Null);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Creates something and returns what it is.
    fn make(&self, path: &str, envelope: &str, members: Value) -> Value {
        let (status, body) = self.call("POST", path, json!({ envelope: members }));
        assert_eq!(status, 201, "{path}: {body}");
        body[envelope].clone()
    }

    /// The word with which a creation is refused.
    fn refused(&self, path: &str, envelope: &str, members: Value) -> String {
        let (status, body) = self.call("POST", path, json!({ envelope: members }));
        assert_eq!(status, 0, "{path}: {members} was taken");
        body.as_str().unwrap().to_string()
    }
}

/// The parameters of a path that fits a route's.
fn fit(route: &str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let (a, b): (Vec<&str>, Vec<&str>) = (route.split('/').collect(), path.split('/').collect());
    let mut params = Vec::new();
    for (want, is) in a.iter().zip(&b) {
        match *want {
            "{id}" => params.push(("id", is.to_string())),
            "{alias}" => params.push(("alias", is.to_string())),
            "{project}" => params.push(("project", is.to_string())),
            word if word == *is => {}
            _ => return None,
        }
    }
    (a.len() == b.len()).then_some(params)
}

fn id(value: &Value) -> &str {
    value["id"].as_str().unwrap()
}

const COMMON: &[&str] = &["id", "name", "description", "project_id", "tenant_id", "created_at",
    "updated_at", "revision_number", "tags"];

fn has(value: &Value, members: &[&str]) {
    for name in COMMON.iter().chain(members).filter(|n| **n != "name") {
        assert!(value.get(*name).is_some(), "{name} is missing in {value}");
    }
}

#[test]
fn a_network_with_a_subnet() {
    let s = Site::open();
    let net = s.make("/v2.0/networks", "network", json!({ "name": "n", "admin_state_up": true }));
    has(&net, &["admin_state_up", "mtu", "shared", "router:external", "status", "subnets",
        "port_security_enabled", "availability_zones", "dns_domain"]);
    let routes = json!([{ "destination": "10.7.0.0/16", "nexthop": "10.0.0.9" }]);
    let sub = s.make("/v2.0/subnets", "subnet", json!({
        "name": "s", "network_id": id(&net), "cidr": "10.0.0.0/24", "ip_version": 4,
        "enable_dhcp": true, "dns_nameservers": ["9.9.9.9"], "host_routes": routes,
    }));
    has(&sub, &["network_id", "ip_version", "enable_dhcp", "ipv6_ra_mode", "service_types"]);
    assert_eq!(sub["gateway_ip"], "10.0.0.1");
    assert_eq!(sub["allocation_pools"], json!([{ "start": "10.0.0.2", "end": "10.0.0.254" }]));
    assert_eq!(sub["host_routes"], routes);
    let found = s.get("/v2.0/networks?name=n");
    assert_eq!(found["networks"][0]["subnets"], json!([id(&sub)]));
    assert_eq!(s.get("/v2.0/networks?name=other")["networks"], json!([]));
    let by_net = s.get(&format!("/v2.0/subnets?network_id={}&enable_dhcp=True", id(&net)));
    assert_eq!(by_net["subnets"][0]["cidr"], "10.0.0.0/24");
    // `openstack subnet set --gateway none`, guarded by the revision.
    let path = format!("/v2.0/subnets/{}", id(&sub));
    let change = json!({ "subnet": { "gateway_ip": null } });
    *s.guard.lock().unwrap() = Some(7);
    assert_eq!(s.call("PUT", &path, change.clone()), (0, json!("stale")));
    *s.guard.lock().unwrap() = Some(1);
    let (status, body) = s.call("PUT", &path, change);
    assert_eq!((status, &body["subnet"]["gateway_ip"]), (200, &Value::Null));
    assert_eq!(body["subnet"]["revision_number"], 2);
    assert_eq!(s.call("DELETE", &format!("/v2.0/networks/{}", id(&net)), Value::Null).0, 204);
    assert_eq!(s.call("GET", &path, Value::Null), (0, json!("not_found")));
}

#[test]
fn a_port_is_made_found_and_gone_when_the_call_returns() {
    let s = Site::open();
    let net = s.make("/v2.0/networks", "network", json!({ "name": "n" }));
    let sub = s.make("/v2.0/subnets", "subnet", json!({
        "network_id": id(&net), "cidr": "10.0.0.0/24", "ip_version": 4,
        "allocation_pools": [{ "start": "10.0.0.50", "end": "10.0.0.99" }],
    }));
    let port = s.make("/v2.0/ports", "port", json!({
        "name": "p", "network_id": id(&net), "admin_state_up": true, "device_id": "d1",
        "binding:vnic_type": "normal", "binding:profile": {},
        "fixed_ips": [{ "subnet_id": id(&sub), "ip_address": "10.0.0.9" }],
    }));
    has(&port, &["network_id", "mac_address", "fixed_ips", "device_id", "device_owner", "status",
        "security_groups", "port_security_enabled", "binding:vnic_type", "allowed_address_pairs"]);
    assert_eq!(port["fixed_ips"], json!([{ "subnet_id": id(&sub), "ip_address": "10.0.0.9" }]));
    assert_eq!(port["status"], "DOWN");
    let group = port["security_groups"][0].as_str().unwrap().to_string();
    s.make("/v2.0/ports", "port", json!({ "network_id": id(&net) }));
    for (query, count) in [
        (String::new(), 2),
        (format!("network_id={}", id(&net)), 2),
        ("device_id=d1".into(), 1),
        ("device_id=".into(), 1),
        (format!("mac_address={}", port["mac_address"].as_str().unwrap()), 1),
        ("fixed_ips=ip_address=10.0.0.9".into(), 1),
        (format!("fixed_ips=subnet_id={}", id(&sub)), 2),
        (format!("security_groups={group}"), 2),
        ("status=ACTIVE".into(), 0),
        ("name=p&fields=id&fields=name".into(), 1),
        ("limit=1".into(), 1),
        ("project_id=q".into(), 0),
    ] {
        let list = s.get(&format!("/v2.0/ports?{query}"));
        assert_eq!(list["ports"].as_array().unwrap().len(), count, "{query}");
    }
    let path = format!("/v2.0/ports/{}", id(&port));
    let change = json!({ "port": { "name": "q", "security_groups": [],
        "port_security_enabled": false,
        "fixed_ips": [{ "subnet_id": id(&sub), "ip_address": "10.0.0.9" },
            { "subnet_id": id(&sub), "ip_address": "10.0.0.10" }] } });
    let (status, body) = s.call("PUT", &path, change);
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["port"]["fixed_ips"].as_array().unwrap().len(), 2);
    assert_eq!(s.call("DELETE", &path, Value::Null), (204, Value::Null));
    assert_eq!(s.call("GET", &path, Value::Null), (0, json!("not_found")));
}

#[test]
fn groups_are_there_before_anybody_makes_one() {
    let s = Site::open();
    let list = s.get("/v2.0/security-groups?fields=id&fields=name");
    let default = list["security_groups"][0].clone();
    assert_eq!((default["name"].as_str(), default["stateful"].as_bool()),
        (Some("default"), Some(true)));
    assert_eq!(default["security_group_rules"].as_array().unwrap().len(), 4);
    let again = s.get("/v2.0/security-groups?name=default");
    assert_eq!(id(&again["security_groups"][0]), id(&default));
    let group = s.make("/v2.0/security-groups", "security_group",
        json!({ "name": "web", "description": "web" }));
    has(&group, &["security_group_rules", "stateful"]);
    // `openstack security group rule create --dst-port 22 web`
    let ssh = json!({ "protocol": "TCP", "direction": "ingress", "ethertype": "ipv4",
        "port_range_min": 22, "port_range_max": "22", "remote_ip_prefix": "0.0.0.0/0",
        "remote_group_id": null, "security_group_id": id(&group) });
    let rule = s.make("/v2.0/security-group-rules", "security_group_rule", ssh.clone());
    has(&rule, &["security_group_id", "direction", "ethertype", "protocol", "port_range_min",
        "port_range_max", "remote_ip_prefix", "remote_group_id"]);
    assert_eq!((&rule["protocol"], &rule["ethertype"]), (&json!("tcp"), &json!("IPv4")));
    assert_eq!(s.refused("/v2.0/security-group-rules", "security_group_rule", ssh), "taken");
    let one = s.make("/v2.0/security-group-rules", "security_group_rule", json!({
        "security_group_id": id(&group), "direction": "ingress", "protocol": 17,
        "remote_ip_prefix": "10.0.0.7",
    }));
    assert_eq!((&one["remote_ip_prefix"], &one["protocol"]), (&json!("10.0.0.7/32"), &json!("17")));
    let shown = s.get(&format!("/v2.0/security-groups/{}", id(&group)));
    assert_eq!(shown["security_group"]["security_group_rules"].as_array().unwrap().len(), 4);
    let rules = s.get(&format!("/v2.0/security-group-rules?security_group_id={}&direction=egress",
        id(&group)));
    assert_eq!(rules["security_group_rules"].as_array().unwrap().len(), 2);
    for path in [format!("/v2.0/security-group-rules/{}", id(&rule)),
        format!("/v2.0/security-groups/{}", id(&group))] {
        assert_eq!(s.call("DELETE", &path, Value::Null).0, 204);
    }
}

#[test]
fn a_router_joins_and_parts() {
    let s = Site::open();
    let net = s.make("/v2.0/networks", "network", json!({}));
    let sub = s.make("/v2.0/subnets", "subnet",
        json!({ "network_id": id(&net), "cidr": "10.0.0.0/24" }));
    let router = s.make("/v2.0/routers", "router", json!({ "name": "r", "admin_state_up": true,
        "external_gateway_info": null }));
    has(&router, &["admin_state_up", "external_gateway_info", "routes", "status"]);
    let path = format!("/v2.0/routers/{}", id(&router));
    let body = json!({ "subnet_id": id(&sub) });
    let (status, told) = s.call("PUT", &format!("{path}/add_router_interface"), body.clone());
    assert_eq!(status, 200, "{told}");
    assert_eq!((&told["id"], &told["subnet_ids"]), (&router["id"], &json!([id(&sub)])));
    assert_eq!(told["network_id"], net["id"]);
    assert_eq!(told["port_id"].as_str().unwrap().len(), 36);
    let by_port = json!({ "port_id": told["port_id"] });
    let (_, word) = s.call("PUT", &format!("{path}/add_router_interface"), by_port);
    assert_eq!(word, "invalid");
    assert_eq!(s.call("DELETE", &path, Value::Null), (0, json!("conflict")));
    let (_, parted) = s.call("PUT", &format!("{path}/remove_router_interface"), body);
    assert_eq!(parted, told);
    let gateway = json!({ "router": { "external_gateway_info": { "network_id": id(&net) } } });
    assert_eq!(s.call("PUT", &path, gateway).1, "invalid");
    let unset = json!({ "router": { "external_gateway_info": {}, "name": "r2" } });
    assert_eq!(s.call("PUT", &path, unset).1["router"]["name"], "r2");
    assert_eq!(s.call("DELETE", &path, Value::Null).0, 204);
}

#[test]
fn what_is_not_offered_is_refused_by_name() {
    let s = Site::open();
    let net = s.make("/v2.0/networks", "network",
        json!({ "shared": false, "router:external": false, "is_default": false }));
    let n = id(&net);
    for (path, envelope, members, want) in [
        ("networks", "network", json!({ "shared": true }), "invalid"),
        ("networks", "network", json!({ "router:external": true }), "invalid"),
        ("networks", "network", json!({ "provider:network_type": "vlan" }), "invalid"),
        ("networks", "network", json!({ "colour": "red" }), "invalid"),
        ("networks", "network", json!({ "mtu": 100 }), "invalid"),
        ("networks", "network", json!({ "project_id": "q" }), "forbidden"),
        ("subnets", "subnet", json!({ "network_id": n, "cidr": "fd00::/64", "ip_version": 6 }),
            "invalid"),
        ("subnets", "subnet", json!({ "network_id": n, "cidr": "ten" }), "invalid"),
        ("subnets", "subnet", json!({ "network_id": n }), "invalid"),
        ("subnets", "subnet", json!({ "network_id": n, "cidr": "10.0.0.0/24",
            "subnetpool_id": "x" }), "invalid"),
        ("subnets", "subnet", json!({ "network_id": n, "cidr": "10.0.0.0/24",
            "allocation_pools": [{ "start": "10.0.0.2" }] }), "invalid"),
        ("ports", "port", json!({}), "invalid"),
        ("ports", "port", json!({ "network_id": n, "fixed_ips": [] }), "invalid"),
        ("ports", "port", json!({ "network_id": n, "fixed_ips": [{}] }), "invalid"),
        ("ports", "port", json!({ "network_id": n, "binding:host_id": "h1" }), "invalid"),
        ("ports", "port", json!({ "network_id": n, "binding:vnic_type": "direct" }), "invalid"),
        ("ports", "port", json!({ "network_id": n, "device_owner": "network:dhcp" }),
            "forbidden"),
        ("ports", "port", json!({ "network_id": n,
            "allowed_address_pairs": [{ "ip_address": "10.0.0.9" }] }), "invalid"),
        ("ports", "port", json!({ "network_id": "nowhere" }), "not_found"),
        ("routers", "router", json!({ "external_gateway_info": { "network_id": n } }), "invalid"),
        ("routers", "router", json!({ "routes": [{ "destination": "0.0.0.0/0" }] }), "invalid"),
        ("security-groups", "security_group", json!({ "name": "x", "stateful": false }),
            "invalid"),
        ("security-groups", "security_group", json!({ "name": "default" }), "taken"),
    ] {
        let say = format!("{path} {members}");
        assert_eq!(s.refused(&format!("/v2.0/{path}"), envelope, members), want, "{say}");
    }
    for path in ["/v2.0/subnetpools", "/v2.0/floatingips", "/v2.0/agents"] {
        assert_eq!(s.call("GET", path, Value::Null).0, 404);
    }
}

#[test]
fn quotas_and_extensions_tell_what_is_there() {
    let s = Site::open();
    s.make("/v2.0/networks", "network", json!({}));
    assert_eq!(s.get("/v2.0/quotas/p")["quota"]["port"], 500);
    assert_eq!(s.get("/v2.0/quotas/p/default")["quota"]["network"], 100);
    assert_eq!(s.get("/v2.0/quotas/p/details")["quota"]["network"],
        json!({ "limit": 100, "used": 1, "reserved": 0 }));
    assert_eq!(s.call("GET", "/v2.0/quotas/q", Value::Null), (0, json!("forbidden")));
    let all = s.get("/v2.0/extensions");
    assert!(all["extensions"].as_array().unwrap().iter().any(|e| e["alias"] == "security-group"));
    assert_eq!(s.get("/v2.0/extensions/router")["extension"]["alias"], "router");
    let (status, word) = s.call("GET", "/v2.0/extensions/dns-integration", Value::Null);
    assert_eq!((status, word), (0, json!("not_found")));
}

#[test]
fn others_see_nothing() {
    let s = Site::open();
    let net = s.make("/v2.0/networks", "network", json!({}));
    let eve = user(Role::Manager, "q");
    let path = format!("/v2.0/networks/{}", id(&net));
    let call = |method: &str, path: &str| {
        s.call_as(&eve, method, path, json!({ "network": { "name": "x" } }))
    };
    assert_eq!(call("GET", &path), (0, json!("not_found")));
    assert_eq!(call("PUT", &path), (0, json!("not_found")));
    assert_eq!(call("DELETE", &path), (0, json!("not_found")));
    assert_eq!(call("GET", "/v2.0/networks"), (200, json!({ "networks": [] })));
    let query = format!("/v2.0/networks?id={}", id(&net));
    assert_eq!(call("GET", &query), (200, json!({ "networks": [] })));
}
