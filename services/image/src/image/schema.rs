//! The JSON schemas that Glance serves: glanceclient builds its objects from them.

use serde_json::{Map, Value, json};

/// The schemas that there are, by the last word of their path.
pub(crate) const NAMES: [&str; 4] = ["image", "images", "member", "members"];

/// A schema by its name.
pub(crate) fn of(name: &str) -> Value {
    match name {
        "image" => image(),
        "images" => many("images", image()),
        "members" => many("members", member()),
        _ => member(),
    }
}

/// Name, type, whether it is read-only, and what it is.
const IMAGE: &[(&str, &[&str], bool, &str)] = &[
    ("id", &["string"], false, "An identifier for the image (a UUID)"),
    ("name", &["null", "string"], false, "Descriptive name for the image"),
    ("status", &["string"], true, "queued or active"),
    ("visibility", &["string"], false, "private or public"),
    ("owner", &["null", "string"], false, "Owner of the image"),
    ("size", &["null", "integer"], true, "Size of image file in bytes"),
    ("virtual_size", &["null", "integer"], true, "Size of the disk in the image in bytes"),
    ("checksum", &["null", "string"], true, "Always null: use os_hash_value"),
    ("os_hash_algo", &["null", "string"], true, "Algorithm of os_hash_value: sha512"),
    ("os_hash_value", &["null", "string"], true, "Digest of the image file, hex"),
    ("jinyun_sha256", &["null", "string"], true, "SHA-256 of the image file, hex"),
    ("disk_format", &["null", "string"], false, "raw or qcow2"),
    ("container_format", &["null", "string"], false, "bare"),
    ("min_disk", &["integer"], false, "Disk space in GiB that the image needs"),
    ("min_ram", &["integer"], false, "Memory in MiB that the image needs"),
    ("protected", &["boolean"], false, "If true, image will not be deletable"),
    ("os_hidden", &["boolean"], false, "Always false: hidden images are not offered"),
    ("tags", &["array"], false, "List of strings related to the image"),
    ("created_at", &["string"], true, "Date and time of image registration"),
    ("updated_at", &["string"], true, "Date and time of the last image modification"),
    ("self", &["string"], true, "Where the image is"),
    ("file", &["string"], true, "Where the image's data is"),
    ("schema", &["string"], true, "Where this schema is"),
];

const MEMBER: &[(&str, &[&str], bool, &str)] = &[
    ("created_at", &["string"], true, "Date and time of image member creation"),
    ("image_id", &["string"], true, "An identifier for the image"),
    ("member_id", &["string"], true, "An identifier for the image member (a project)"),
    ("status", &["string"], false, "The status of this image member"),
    ("updated_at", &["string"], true, "Date and time of last modification of image member"),
    ("schema", &["string"], true, "Where this schema is"),
];

fn properties(of: &[(&str, &[&str], bool, &str)]) -> Value {
    let mut all = Map::new();
    for (name, types, read_only, what) in of {
        let mut one = Map::new();
        one.insert("type".into(), match types {
            [only] => json!(only),
            several => json!(several),
        });
        one.insert("description".into(), json!(what));
        if *read_only {
            one.insert("readOnly".into(), true.into());
        }
        match *name {
            "tags" => {
                one.insert("items".into(), json!({ "type": "string", "maxLength": 255 }));
            }
            "visibility" => {
                one.insert("enum".into(), json!(["private", "public"]));
            }
            "disk_format" => {
                one.insert("enum".into(), json!([null, "raw", "qcow2"]));
            }
            "container_format" => {
                one.insert("enum".into(), json!([null, "bare"]));
            }
            _ => {}
        }
        all.insert((*name).into(), Value::Object(one));
    }
    Value::Object(all)
}

fn image() -> Value {
    json!({
        "name": "image",
        "properties": properties(IMAGE),
        "additionalProperties": { "type": "string" },
        "links": [
            { "rel": "self", "href": "{self}" },
            { "rel": "enclosure", "href": "{file}" },
            { "rel": "describedby", "href": "{schema}" },
        ],
    })
}

fn member() -> Value {
    json!({ "name": "member", "properties": properties(MEMBER) })
}

fn many(name: &str, item: Value) -> Value {
    let mut all = Map::new();
    all.insert(name.into(), json!({ "type": "array", "items": item }));
    for word in ["first", "next", "schema"] {
        all.insert(word.into(), json!({ "type": "string" }));
    }
    json!({
        "name": name,
        "properties": all,
        "links": [
            { "rel": "first", "href": "{first}" },
            { "rel": "next", "href": "{next}" },
            { "rel": "describedby", "href": "{schema}" },
        ],
    })
}
