//! Bodies of creations: what is understood, and what is refused with which words.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_compute::server::ask::{Asked, read};
use jinyun_engine::Failure;
use jinyun_rest::Words;
use serde_json::{Value, json};

/// A body with a name, an image and a flavor, and these members in their place or beside them.
fn told(more: Value) -> String {
    let mut body = json!({ "name": " web ", "imageRef": "i", "flavorRef": "1" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    match read(&Words::new("server", body.as_object().unwrap())) {
        Ok(Asked { ask, user_data, password }) => {
            let mut shown = serde_json::to_value(ask).unwrap();
            let members = shown.as_object_mut().unwrap();
            let plain = [("name", json!("web")), ("image", json!("i")), ("flavor", json!("1")),
                ("key_name", Value::Null), ("networks", json!("auto")), ("groups", json!([])),
                ("volumes", json!([])), ("metadata", json!({}))];
            for (name, value) in plain {
                if members.get(name) == Some(&value) {
                    members.remove(name);
                }
            }
            let data = user_data.map(|d| format!(" + {}", String::from_utf8(d).unwrap()));
            let password = password.map(|p| format!(" with {}", p.expose())).unwrap_or_default();
            format!("{shown}{}{password}", data.unwrap_or_default())
        }
        Err(Failure::Refused(r)) => format!("{}: {}", r.code(), r.message),
        Err(Failure::Fault(f)) => format!("fault: {f}"),
    }
}

const BAD_PASSWORD: &str = "invalid: adminPass must have 8 to 128 letters, digits and signs of ASCII, \
    without blanks: it goes through terminals and files that know no others";

#[test]
fn bodies() {
    let device = |more: Value| {
        let mut one = json!({ "source_type": "volume", "destination_type": "volume", "uuid": "v" });
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one
    };
    let devices = |list: Vec<Value>| json!({ "block_device_mapping_v2": list });
    let image = json!({ "uuid": "i", "source_type": "image", "destination_type": "local",
        "boot_index": 0, "delete_on_termination": true });
    let longest = format!("{{}} with {}", "x".repeat(128));
    let cases: Vec<(&str, Value, &str)> = vec![
        ("as little as possible", json!({}), "{}"),
        ("as openstackclient sends it", json!({ "min_count": 1, "max_count": 1, "networks": [] }),
            "{}"),
        ("links instead of ids", json!({ "imageRef": "https://c/images/i", "flavorRef": 1 }), "{}"),
        ("no image", json!({ "imageRef": "" }),
            "invalid: imageRef is required: to start from a volume is not offered, give an image"),
        ("no name", json!({ "name": null }), "invalid: name is required"),
        ("what nobody knows", json!({ "colour": 1 }),
            "invalid: server has unrecognized attribute(s) 'colour'"),
        ("two at once", json!({ "min_count": 1, "max_count": 2 }),
            "invalid: max_count must be 1: make one server at a time"),
        ("a password", json!({ "adminPass": "a:b\\c\"d$e%f" }), "{} with a:b\\c\"d$e%f"),
        ("the longest password", json!({ "adminPass": "x".repeat(128) }), longest.as_str()),
        ("no password", json!({ "adminPass": null }), "{}"),
        ("a short password", json!({ "adminPass": "seven77" }), BAD_PASSWORD),
        ("a long password", json!({ "adminPass": "x".repeat(129) }), BAD_PASSWORD),
        ("a password of blanks", json!({ "adminPass": "two words" }), BAD_PASSWORD),
        ("a password that terminals cannot type", json!({ "adminPass": "pässword" }), BAD_PASSWORD),
        ("a password of two lines", json!({ "adminPass": "password\nroot:x" }),
            "invalid: adminPass holds a control character"),
        ("a password in a list", json!({ "adminPass": ["pass-word"] }),
            "invalid: adminPass must be a string, not an array"),
        ("no configuration drive", json!({ "config_drive": false }), "{}"),
        ("a configuration drive", json!({ "config_drive": true }),
            "invalid: config_drive is not offered: guests read their data at 169.254.169.254"),
        ("the zone", json!({ "availability_zone": "nova" }), "{}"),
        ("a host", json!({ "availability_zone": "nova:h1" }),
            "invalid: availability_zone must not name a host: the platform chooses it"),
        ("networks", json!({ "networks": [{ "uuid": "n", "fixed_ip": "10.0.0.5" }, { "port": "p" },
            { "uuid": "m" }] }),
            concat!(r#"{"networks":{"these":[{"network":{"id":"n","ip":"10.0.0.5"}},"#,
                r#"{"port":"p"},{"network":{"id":"m","ip":null}}]}}"#)),
        ("no network", json!({ "networks": "none" }), r#"{"networks":"none"}"#),
        ("a network without a name", json!({ "networks": [{}] }),
            "invalid: networks must name a uuid or a port each"),
        ("an address of a port", json!({ "networks": [{ "port": "p", "fixed_ip": "10.0.0.5" }] }),
            "invalid: fixed_ip cannot be given with a port, which has its own"),
        ("an address of six", json!({ "networks": [{ "uuid": "n", "fixed_ip": "fe80::1" }] }),
            "invalid: fixed_ip must be an IPv4 address, not 'fe80::1'"),
        ("groups",
            json!({ "security_groups": [{ "name": "a" }, { "name": "b" }, { "name": "a" }] }),
            r#"{"groups":["a","b"]}"#),
        ("the image again, and a volume", devices(vec![image.clone(), device(json!({}))]),
            r#"{"volumes":["v"]}"#),
        ("a volume as nova's old form has it", devices(vec![image,
            device(json!({ "boot_index": -1, "device_name": "vdb", "volume_size": "3" }))]),
            r#"{"volumes":["v"]}"#),
        ("from a volume", devices(vec![device(json!({ "boot_index": "0" }))]),
            "invalid: block_device_mapping_v2 starts from a volume, which is not offered: give an \
             image"),
        ("a volume twice", devices(vec![device(json!({})), device(json!({}))]),
            "invalid: block_device_mapping_v2 names volume v twice"),
        ("a volume that goes along",
            devices(vec![device(json!({ "delete_on_termination": true }))]),
            "invalid: delete_on_termination is not offered: delete the volume after the server"),
        ("an empty disk", devices(vec![json!({ "source_type": "blank" })]),
            "invalid: block_device_mapping_v2 may attach volumes that are there (source_type and \
             destination_type volume), nothing else is offered"),
        ("labels", json!({ "metadata": { "a": "b" } }), r#"{"metadata":{"a":"b"}}"#),
        ("a label that is a number", json!({ "metadata": { "a": 1 } }),
            "invalid: metadata must hold strings only; 'a' is none"),
        ("user data", json!({ "user_data": "aGk=" }), "{} + hi"),
        ("user data as it is", json!({ "user_data": "#!" }), "invalid: user_data is not base64"),
        ("user data, compressed", json!({ "user_data": "H4sI/w==" }),
            "invalid: user_data must be text (UTF-8) after decoding: give it uncompressed"),
        ("much user data", json!({ "user_data": "A".repeat(65_536) }),
            "invalid: user_data is longer than 65535 characters"),
    ];
    for (what, more, expect) in cases {
        assert_eq!(told(more), expect, "{what}");
    }
}
