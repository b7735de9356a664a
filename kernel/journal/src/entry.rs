//! One entry and its canonical bytes.

use crate::merkle::{Hash, HashKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The actor's own domain.
    pub domain: String,
    /// User id, name of a part of the platform, or source address.
    pub id: String,
    /// `user`, `system` or `nobody`.
    pub kind: String,
}

/// What the request was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Id.
    pub id: String,
    /// Kind of resource.
    pub kind: String,
}

/// Why it was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// A stable word.
    pub code: String,
    /// The sentence that the caller got.
    pub message: String,
}

/// An institution's place for the entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Institution {
    /// Domain id.
    pub id: String,
    /// The institution's own gap-free number.
    pub number: u64,
    /// Leaf hashes of its entry before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
}

/// The leaf hashes of an institution's entry before, lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// In the SHA-256 tree.
    pub sha256: String,
    /// In the SM3 tree.
    pub sm3: String,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Effect {
    /// The whole resource as it is now.
    Put {
        /// Kind of resource.
        kind: String,
        /// Id.
        id: String,
        /// Owning domain.
        domain: String,
        /// Owning project, empty where there is none.
        project: String,
        /// Name.
        name: String,
        /// Generation.
        generation: i64,
        /// The spec; holds no secret.
        spec: Value,
        /// Its deletion was asked.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deleting: bool,
    },
    /// The resource is gone.
    Drop {
        /// Kind of resource.
        kind: String,
        /// Id.
        id: String,
    },
    /// A secret was set.
    Secret {
        /// Kind of resource.
        kind: String,
        /// Id.
        id: String,
        /// Which of its secrets.
        name: String,
        /// Salted SHA-256, hex.
        digest: String,
    },
    /// A secret was destroyed.
    Unsecret {
        /// Kind of resource.
        kind: String,
        /// Id.
        id: String,
        /// Which of its secrets.
        name: String,
    },
}

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// `service:resource:verb`.
    pub action: String,
    /// Who.
    pub actor: Actor,
    /// The stored command that was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// What changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
    /// Whose entry it is.
    pub institution: Institution,
    /// Remembered beside the effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Value>,
    /// Place in the whole journal.
    pub number: u64,
    /// `done`, `refused` or `waiting`.
    pub outcome: String,
    /// Why refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Request id.
    pub request: String,
    /// Network address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// When, microseconds.
    pub time: i64,
}

/// The leaf hashes of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// In the SHA-256 tree.
    pub sha256: Hash,
    /// In the SM3 tree.
    pub sm3: Hash,
}

impl Leaf {
    /// Both leaf hashes of an entry's bytes.
    pub fn of(bytes: &[u8]) -> Leaf {
        Leaf { sha256: HashKind::Sha256.leaf(bytes), sm3: HashKind::Sm3.leaf(bytes) }
    }

    /// As the next entry of the institution names it.
    pub fn previous(&self) -> Previous {
        Previous { sha256: crate::to_hex(&self.sha256), sm3: crate::to_hex(&self.sm3) }
    }

    /// The hash in one of the trees.
    pub fn get(&self, kind: HashKind) -> Hash {
        match kind {
            HashKind::Sha256 => self.sha256,
            HashKind::Sm3 => self.sm3,
        }
    }
}

/// Canonical JSON of anything serialisable: `serde_json` keeps the members of an object sorted and
/// writes no white space. Fractions have no canonical form here and are refused.
pub fn canonical<T: Serialize>(value: &T) -> Result<String, String> {
    let value = serde_json::to_value(value).map_err(|e| e.to_string())?;
    check_no_fraction(&value)?;
    serde_json::to_string(&value).map_err(|e| e.to_string())
}

fn check_no_fraction(value: &Value) -> Result<(), String> {
    match value {
        Value::Number(n) if !n.is_i64() && !n.is_u64() => Err(format!("{n} is a fraction")),
        Value::Array(items) => items.iter().try_for_each(check_no_fraction),
        Value::Object(members) => members.values().try_for_each(check_no_fraction),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn canonical_bytes_are_as_the_format_says() {
        let value = json!({"b": "a\"\\\n\u{1}é\u{7f}", "a": [1, -2], "c": {"z": null, "y": true}});
        assert_eq!(
            canonical(&value).unwrap(),
            "{\"a\":[1,-2],\"b\":\"a\\\"\\\\\\n\\u0001é\u{7f}\",\"c\":{\"y\":true,\"z\":null}}"
        );
        assert!(canonical(&json!({"x": 1.5})).is_err());
    }
}
