//! The settings of a directory, in Keystone's words.
//!
//! Problem: a directory is described by two dozen options, and one that is wrong lets nobody in, or
//! somebody else. Mechanism: each option that is offered has its form here; one that Keystone knows
//! and this cloud does not do is refused by its name, unless it says what is so anyway. Where
//! Keystone's default would be wrong for nearly everybody (people named by `sn`, known by `cn`), the
//! default is another one: see `docs/ldap.md`.
//!
//! Passwords go to the address that stands in `url`, so: TLS with the institution's own authority, or
//! an address of this machine. The system's list of public authorities is no part of it: a directory
//! is an inner server, and some two hundred strangers should not be able to vouch for it.

use jinyun_base::Refusal;
use jinyun_engine::Failure;
use jinyun_rest::Words;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Longest name (DN) and longest filter, in characters.
const LONG: usize = 1024;
/// At most so many servers of one directory.
const SERVERS: usize = 4;

/// What is known of a directory; what is not set is empty. The service account's password is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LdapSettings {
    /// Its servers, with commas between them: `ldaps://host[:636]`, `ldap://host[:389]`.
    pub url: String,
    /// The service account; without one the search is anonymous.
    pub user: String,
    /// Where people and groups are, if the two trees are not set.
    pub suffix: String,
    /// Where people are.
    pub user_tree_dn: String,
    /// What else holds of people.
    pub user_filter: String,
    /// The class of people.
    pub user_objectclass: String,
    /// What tells people apart for ever; without it `entryUUID` or `objectGUID`.
    pub user_id_attribute: String,
    /// What people sign in by.
    pub user_name_attribute: String,
    /// Their mail address.
    pub user_mail_attribute: String,
    /// What says that an account is open; without it, all are.
    pub user_enabled_attribute: String,
    /// The bits of it that say that the account is closed; 0 if it is a word.
    pub user_enabled_mask: i64,
    /// Its value where an entry has none.
    pub user_enabled_default: String,
    /// It says that the account is closed.
    pub user_enabled_invert: bool,
    /// Where groups are.
    pub group_tree_dn: String,
    /// What else holds of groups.
    pub group_filter: String,
    /// The class of groups.
    pub group_objectclass: String,
    /// What groups are called.
    pub group_name_attribute: String,
    /// What names a group's members.
    pub group_member_attribute: String,
    /// Members are named by what people sign in by (or `user_id_attribute`), not by their entries.
    pub group_members_are_ids: bool,
    /// Groups in groups count, as Active Directory resolves them.
    pub group_ad_nesting: bool,
    /// `one` level below a tree, or all of it (`sub`).
    pub query_scope: String,
    /// TLS is begun on the plain port (StartTLS).
    pub use_tls: bool,
    /// Certificates (PEM) of the authorities that vouch for the servers.
    #[serde(rename = "jinyun:tls_ca")]
    pub tls_ca: String,
}

impl Default for LdapSettings {
    fn default() -> LdapSettings {
        let none = String::new;
        LdapSettings {
            url: none(),
            user: none(),
            suffix: none(),
            user_tree_dn: none(),
            user_filter: none(),
            user_objectclass: "inetOrgPerson".into(),
            user_id_attribute: none(),
            user_name_attribute: "uid".into(),
            user_mail_attribute: "mail".into(),
            user_enabled_attribute: none(),
            user_enabled_mask: 0,
            user_enabled_default: "True".into(),
            user_enabled_invert: false,
            group_tree_dn: none(),
            group_filter: none(),
            group_objectclass: "groupOfNames".into(),
            group_name_attribute: "cn".into(),
            group_member_attribute: "member".into(),
            group_members_are_ids: false,
            group_ad_nesting: false,
            query_scope: "one".into(),
            use_tls: false,
            tls_ca: none(),
        }
    }
}

/// Options that are names (DN), filters, or other free text.
const LONG_TEXTS: [&str; 6] =
    ["user", "suffix", "user_tree_dn", "user_filter", "group_tree_dn", "group_filter"];
/// Options that name an attribute or a class of the directory's schema.
const SCHEMA: [&str; 8] = ["user_objectclass", "user_id_attribute", "user_name_attribute",
    "user_mail_attribute", "user_enabled_attribute", "group_objectclass", "group_name_attribute",
    "group_member_attribute"];
/// Options that are yes or no.
const FLAGS: [&str; 4] =
    ["user_enabled_invert", "group_members_are_ids", "group_ad_nesting", "use_tls"];
/// The authorities' certificates.
const CA: &str = "jinyun:tls_ca";
/// Those that none of the lists above holds.
const OTHERS: [&str; 6] =
    ["url", "user_enabled_mask", "user_enabled_default", "query_scope", CA, "password"];
/// What Keystone knows beside them, and a value that says what is so anyway.
const ABSENT: [(&str, &str); 30] = [
    ("page_size", "0"),
    ("alias_dereferencing", "never"),
    ("debug_level", ""),
    ("chase_referrals", "false"),
    ("user_description_attribute", ""),
    ("user_pass_attribute", ""),
    ("user_attribute_ignore", ""),
    ("user_default_project_id_attribute", ""),
    ("user_enabled_emulation", "false"),
    ("user_enabled_emulation_dn", ""),
    ("user_enabled_emulation_use_group_config", "false"),
    ("user_additional_attribute_mapping", ""),
    ("user_allow_create", "false"),
    ("user_allow_update", "false"),
    ("user_allow_delete", "false"),
    ("group_id_attribute", ""),
    ("group_desc_attribute", ""),
    ("group_attribute_ignore", ""),
    ("group_additional_attribute_mapping", ""),
    ("group_allow_create", "false"),
    ("group_allow_update", "false"),
    ("group_allow_delete", "false"),
    ("tls_cacertfile", ""),
    ("tls_cacertdir", ""),
    ("tls_req_cert", "demand"),
    ("use_pool", "false"),
    ("use_auth_pool", "false"),
    ("use_dumb_member", "false"),
    ("dumb_member", ""),
    ("allow_subtree_delete", "false"),
];

/// What to use instead of an option that is not offered.
fn instead(name: &str) -> &'static str {
    match name {
        "tls_cacertfile" | "tls_cacertdir" => {
            "is not offered, it would name a file of the control process: send the certificates' text \
             as jinyun:tls_ca"
        }
        "tls_req_cert" => "is not offered other than `demand`: a certificate is always checked",
        "page_size" => "is not offered other than 0: nothing here lists a directory",
        _ => "is known and not offered",
    }
}

/// Refuses options that are not offered, and those that nobody knows.
fn known(words: &Words<'_>) -> Result<(), Failure> {
    for (name, same) in ABSENT {
        let Some(value) = words.value(name) else { continue };
        let text = match value {
            Value::String(text) => text.to_ascii_lowercase(),
            Value::Bool(on) => on.to_string(),
            Value::Number(n) => n.to_string(),
            _ => String::new(),
        };
        if same.is_empty() || text != same {
            return Err(Refusal::invalid(name, instead(name)).into());
        }
    }
    let mut all: Vec<&str> = ABSENT.iter().map(|(name, _)| *name).collect();
    all.extend(LONG_TEXTS.iter().chain(&SCHEMA).chain(&FLAGS).chain(&OTHERS));
    words.only(&all)
}

/// Whether a word can name a part of a schema: letters, digits, hyphens, or an OID.
fn descriptor(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
        && word.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The members of settings that a request changes. The password is no part of them.
pub(crate) fn patch(words: &Words<'_>) -> Result<Value, Failure> {
    known(words)?;
    let mut patch = Map::new();
    for name in LONG_TEXTS {
        let Some(text) = words.long_text(name)? else { continue };
        if text.chars().count() > LONG || text.chars().any(char::is_control) {
            let say = format!("must be at most {LONG} characters without control characters");
            return Err(Refusal::invalid(name, say).into());
        }
        patch.insert(name.into(), text.into());
    }
    for name in SCHEMA {
        let Some(text) = words.text(name)? else { continue };
        if !text.is_empty() && !descriptor(&text) {
            let say = "must name a part of the directory's schema: letters, digits and hyphens";
            return Err(Refusal::invalid(name, say).into());
        }
        patch.insert(name.into(), text.into());
    }
    for name in FLAGS {
        if let Some(on) = words.flag(name)? {
            patch.insert(name.into(), on.into());
        }
    }
    for name in ["url", CA] {
        if let Some(text) = words.long_text(name)? {
            patch.insert(name.into(), text.into());
        }
    }
    if let Some(mask) = words.int("user_enabled_mask", 0, i64::from(i32::MAX))? {
        patch.insert("user_enabled_mask".into(), mask.into());
    }
    // A word or a number, which clients send as one.
    let default = match words.value("user_enabled_default") {
        Some(Value::Bool(on)) => Some(on.to_string()),
        Some(Value::Number(n)) => Some(n.to_string()),
        _ => words.text("user_enabled_default")?,
    };
    if let Some(text) = default {
        patch.insert("user_enabled_default".into(), text.into());
    }
    if let Some(scope) = words.text("query_scope")? {
        if !["one", "sub"].contains(&scope.as_str()) {
            return Err(Refusal::invalid("query_scope", "must be one or sub").into());
        }
        patch.insert("query_scope".into(), scope.into());
    }
    Ok(Value::Object(patch))
}

impl LdapSettings {
    /// Where people are.
    pub fn user_tree(&self) -> &str {
        if self.user_tree_dn.is_empty() { &self.suffix } else { &self.user_tree_dn }
    }

    /// Where groups are.
    pub fn group_tree(&self) -> &str {
        if self.group_tree_dn.is_empty() { &self.suffix } else { &self.group_tree_dn }
    }

    /// Refuses settings that do not fit together.
    pub fn check(&self) -> Result<(), Refusal> {
        servers(self)?;
        for (name, text) in [("user_objectclass", &self.user_objectclass),
            ("user_name_attribute", &self.user_name_attribute),
            ("group_objectclass", &self.group_objectclass),
            ("group_name_attribute", &self.group_name_attribute),
            ("group_member_attribute", &self.group_member_attribute)] {
            if text.is_empty() {
                return Err(Refusal::invalid(name, "is empty"));
            }
        }
        for (name, tree) in [("user_tree_dn", self.user_tree()), ("group_tree_dn", self.group_tree())] {
            if tree.trim().is_empty() {
                return Err(Refusal::invalid(name, "is required, or suffix in its place"));
            }
        }
        let number = self.user_enabled_default.parse::<i64>().is_ok();
        if self.user_enabled_mask != 0 && (self.user_enabled_attribute.is_empty() || !number) {
            let say = "needs user_enabled_attribute and a number as user_enabled_default (Active \
                       Directory: 2, userAccountControl, 512)";
            return Err(Refusal::invalid("user_enabled_mask", say));
        }
        let word = ["true", "false"].contains(&self.user_enabled_default.to_lowercase().as_str());
        if self.user_enabled_mask == 0 && !word {
            let say = "must be True or False where user_enabled_mask is 0";
            return Err(Refusal::invalid("user_enabled_default", say));
        }
        Ok(())
    }
}

/// One server of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS from the first byte.
    pub tls: bool,
}

impl Server {
    /// Whether it is this machine by its name already, without asking anybody.
    pub fn is_here(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
    }

    fn parse(url: &str) -> Result<Server, Refusal> {
        let wrong = || {
            let say = format!(
                "must hold at most {SERVERS} servers like ldaps://host or ldap://host:389, with commas \
                 between them"
            );
            Refusal::invalid("url", say)
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ldaps" => true,
            "ldap" => false,
            _ => return Err(wrong()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(inner) => {
                let (host, port) = inner.split_once(']').ok_or_else(wrong)?;
                (host, port.strip_prefix(':'))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        // What follows the bracket is a port or nothing.
        if rest.starts_with('[') && !rest.ends_with(']') && port.is_none() {
            return Err(wrong());
        }
        let name = |c: char| c.is_ascii_alphanumeric() || ['-', '.', '_'].contains(&c);
        let good = host.parse::<IpAddr>().is_ok() || (!host.is_empty() && host.chars().all(name));
        if !good || host.len() > 253 || (rest.starts_with('[') != host.contains(':')) {
            return Err(wrong());
        }
        let port = match port {
            None => if tls { 636 } else { 389 },
            Some(port) => port.parse::<u16>().ok().filter(|p| *p != 0).ok_or_else(wrong)?,
        };
        Ok(Server { host: host.to_ascii_lowercase(), port, tls })
    }
}

/// The servers of a directory, in their order, if passwords may be sent to all of them.
pub fn servers(settings: &LdapSettings) -> Result<Vec<Server>, Refusal> {
    let parts: Vec<&str> =
        settings.url.split(',').map(str::trim).filter(|u| !u.is_empty()).collect();
    if parts.is_empty() {
        return Err(Refusal::invalid("url", "is required"));
    }
    if parts.len() > SERVERS {
        return Err(Refusal::invalid("url", format!("holds more than {SERVERS} servers")));
    }
    let servers = parts.into_iter().map(Server::parse).collect::<Result<Vec<_>, _>>()?;
    for server in &servers {
        if server.tls && settings.use_tls {
            let say = "is for ldap:// only: ldaps:// begins with TLS already";
            return Err(Refusal::invalid("use_tls", say));
        }
        if !server.tls && !settings.use_tls && !server.is_here() {
            let say = "names a server over plain LDAP, where everybody on the way reads passwords: use \
                       ldaps://, or set use_tls";
            return Err(Refusal::invalid("url", say));
        }
        if (server.tls || settings.use_tls) && settings.tls_ca.trim().is_empty() {
            let say = "is required with TLS: the certificates (PEM) of the authorities that vouch for \
                       the directory's servers";
            return Err(Refusal::invalid(CA, say));
        }
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(url: &str, use_tls: bool, ca: &str) -> LdapSettings {
        let (url, tls_ca, suffix) = (url.into(), ca.into(), "dc=x".into());
        LdapSettings { url, use_tls, tls_ca, suffix, ..LdapSettings::default() }
    }

    #[test]
    fn passwords_go_over_tls_or_stay_on_this_machine() {
        for (url, use_tls, ca, want) in [
            ("ldaps://dir.bank.example", false, "pem", "dir.bank.example:636 tls"),
            ("LDAPS://Dir.Bank.example:6360/", false, "pem", "dir.bank.example:6360 tls"),
            ("ldap://dir.bank.example", true, "pem", "dir.bank.example:389 plain"),
            ("ldaps://a, ldaps://b:1", false, "pem", "a:636 tls b:1 tls"),
            ("ldaps://[2001:db8::1]:7", false, "pem", "2001:db8::1:7 tls"),
            ("ldap://[::1]", false, "", "::1:389 plain"),
            ("ldap://127.0.0.1:1389", false, "", "127.0.0.1:1389 plain"),
            ("ldap://127.9.9.9", false, "", "127.9.9.9:389 plain"),
            ("ldap://localhost", false, "", "localhost:389 plain"),
            ("ldap://dir.bank.example", false, "pem", "url names a server over plain LDAP"),
            ("ldap://10.0.0.1", false, "", "url names a server over plain LDAP"),
            ("ldap://localhost.bank.example", false, "", "url names a server over plain LDAP"),
            ("ldap://127.0.0.1,ldap://10.0.0.1", false, "", "url names a server over plain LDAP"),
            ("ldaps://a", true, "pem", "use_tls is for ldap:// only"),
            ("ldaps://a", false, " ", "jinyun:tls_ca is required"),
            ("ldap://a", true, "", "jinyun:tls_ca is required"),
            ("", false, "", "url is required"),
            ("ldaps://a,ldaps://b,ldaps://c,ldaps://d,ldaps://e", false, "pem", "url holds more than"),
            ("http://a", false, "pem", "url must hold"),
            ("ldapi://%2frun%2fslapd", false, "pem", "url must hold"),
            ("ldaps://a:0", false, "pem", "url must hold"),
            ("ldaps://a:65536", false, "pem", "url must hold"),
            ("ldaps://a/dc=x?uid", false, "pem", "url must hold"),
            ("ldaps://user@a", false, "pem", "url must hold"),
            ("ldaps://::1", false, "pem", "url must hold"),
            ("ldaps://[::1", false, "pem", "url must hold"),
            ("ldaps://[::1]x", false, "pem", "url must hold"),
            ("ldaps://[a]", false, "pem", "url must hold"),
            ("ldaps://", false, "pem", "url must hold"),
        ] {
            let got = match servers(&settings(url, use_tls, ca)) {
                Ok(all) => all.iter().map(|s| {
                    format!("{}:{} {}", s.host, s.port, if s.tls { "tls" } else { "plain" })
                }).collect::<Vec<_>>().join(" "),
                Err(refusal) => refusal.message,
            };
            assert!(got.starts_with(want), "{url}: {got}");
        }
    }

    #[test]
    fn options_are_read_by_their_form_and_absent_ones_refused_by_name() {
        let read = |value: Value| -> Result<Value, String> {
            let words = Words::new("ldap", value.as_object().unwrap());
            patch(&words).map_err(|e| e.to_string())
        };
        let good = json!({ "url": "ldaps://a", "user_enabled_mask": 2, "query_scope": "sub",
            "user_filter": "(ou=x)", "use_tls": false, "jinyun:tls_ca": "-----BEGIN\nx" });
        assert_eq!(read(good.clone()).unwrap(), good);
        assert_eq!(read(json!({ "user_enabled_default": 512, "password": "x" })).unwrap(),
            json!({ "user_enabled_default": "512" }));
        let same = json!({ "page_size": 0, "chase_referrals": false, "tls_req_cert": "demand",
            "user_allow_create": "False" });
        assert_eq!(read(same).unwrap(), json!({}));
        for (bad, names) in [
            (json!({ "page_size": 100 }), "page_size"),
            (json!({ "tls_req_cert": "never" }), "tls_req_cert"),
            (json!({ "tls_cacertfile": "/etc/ssl/x" }), "tls_cacertfile"),
            (json!({ "user_allow_create": true }), "user_allow_create"),
            (json!({ "user_enabled_emulation": true }), "user_enabled_emulation"),
            (json!({ "chase_referrals": {} }), "chase_referrals"),
            (json!({ "nonsense": 1 }), "nonsense"),
            (json!({ "query_scope": "base" }), "query_scope"),
            (json!({ "user_name_attribute": "uid)(x=*" }), "user_name_attribute"),
            (json!({ "user_objectclass": "-x" }), "user_objectclass"),
            (json!({ "suffix": "dc=x\n" }), "suffix"),
            (json!({ "user_filter": "x".repeat(1025) }), "user_filter"),
            (json!({ "user_enabled_mask": -1 }), "user_enabled_mask"),
            (json!({ "url": 7 }), "url"),
        ] {
            let said = read(bad.clone()).unwrap_err();
            assert!(said.contains(names), "{bad}: {said}");
        }
    }

    #[test]
    fn settings_fit_together() {
        let base = settings("ldap://127.0.0.1", false, "");
        assert!(base.check().is_ok());
        let ad = LdapSettings {
            user_enabled_attribute: "userAccountControl".into(),
            user_enabled_mask: 2,
            user_enabled_default: "512".into(),
            ..base.clone()
        };
        assert!(ad.check().is_ok());
        let none = String::new;
        for (bad, names) in [
            (LdapSettings { suffix: none(), ..base.clone() }, "user_tree_dn"),
            (LdapSettings { suffix: none(), user_tree_dn: "ou=p".into(), ..base.clone() }, "group_tree_dn"),
            (LdapSettings { user_name_attribute: none(), ..base.clone() }, "user_name_attribute"),
            (LdapSettings { user_enabled_default: "True".into(), ..ad.clone() }, "user_enabled_mask"),
            (LdapSettings { user_enabled_attribute: none(), ..ad.clone() }, "user_enabled_mask"),
            (LdapSettings { user_enabled_default: "512".into(), ..base.clone() }, "user_enabled_default"),
        ] {
            let said = bad.check().unwrap_err().message;
            assert!(said.starts_with(names), "{said}");
        }
        // What is kept names each option as a request does.
        let kept = serde_json::to_value(&base).unwrap();
        let mut names: Vec<&str> = LONG_TEXTS.iter().chain(&SCHEMA).chain(&FLAGS).chain(&OTHERS)
            .copied().filter(|n| *n != "password").collect();
        names.sort_unstable();
        let mut members: Vec<&str> =
            kept.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, names);
    }
}
