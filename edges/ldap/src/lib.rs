//! A client of user directories (LDAP v3): finds one entry, proves one password, reads its groups.
//!
//! Problem: an institution's directory is a server of the institution's. Whoever may sign in there
//! can send us any name, and the server can answer anything, while the control process belongs to
//! everybody. Mechanism:
//! - One connection for one sign-in, with a deadline for all of it, so a dead or dripping server holds
//!   a thread for seconds and no longer.
//! - What a person types never is text of a filter: filters are built as trees and written as BER.
//!   Only the administrator's own `user_filter` is parsed, when it is set and with bounds.
//! - Answers are read without recursion, one message at a time, into bounded memory; whatever does not
//!   fit the protocol ends the connection. Referrals are not followed, controls not used.
//! - A password is sent over TLS whose server the institution's authority vouches for, or to this
//!   machine. Never an empty one, and never for an empty name: both would be "let me in without"
//!   (RFC 4513, 5.1.2), which many servers answer with success.
//!
//! The same steps are done for a name that nobody has: search, groups, bind, with the name of an entry
//! that does not exist.
//!
//! Why not a library: of LDAP we need four operations. The one that is commonly used (`ldap3`) reads
//! answers by a recursion that has no bound, so a server can end the whole process by nesting; it has
//! no bound on an answer's size either, and brings some fifteen packages. Why not SSSD or PAM: see
//! `services/identity/src/external.rs`.

mod ber;
mod filter;
mod talk;
mod wire;

use filter::Filter;
use jinyun_base::{Refusal, Secret};
use jinyun_identity::{
    Answer, Directories, Entry, LONGEST_PASSWORD, LdapSettings, Unreachable, fold,
};
use std::time::{Duration, Instant};
use talk::{Found, Limits};
use wire::Wire;

/// A sign-in at a directory takes at most so long.
const WHOLE: Duration = Duration::from_secs(8);
/// Groups of one person.
const GROUPS: i64 = 1000;
/// The longest name and the longest id that are taken over, in bytes.
const TEXT: usize = 255;
/// Success, and an answer that was cut off because more entries fit (RFC 4511, 4.1.9).
const SUCCESS: i64 = 0;
const TOO_MANY: i64 = 4;
/// What a server says of a password that is not this entry's: also where the entry has none, is locked
/// or may not sign in. Any other code says nothing about the password.
const WRONG: [i64; 6] = [19, 32, 48, 49, 50, 53];
/// Attributes that tell entries apart for ever: of most servers, and of Active Directory.
const UNIQUE: [&str; 2] = ["entryUUID", "objectGUID"];

/// The client.
pub struct Client {
    patience: Duration,
}

impl Default for Client {
    fn default() -> Client {
        Client { patience: WHOLE }
    }
}

impl Client {
    /// A client that gives a directory so long for one sign-in.
    pub fn patient(patience: Duration) -> Client {
        Client { patience }
    }
}

/// Why nothing can be said about the password.
pub(crate) type Trouble = Unreachable;

pub(crate) fn trouble(what: impl Into<String>) -> Trouble {
    Unreachable(what.into().chars().take(300).collect())
}

/// Conditions that an entry has to meet.
fn conditions(class: &str, own: Vec<Filter>, filter: &str) -> Result<Filter, Refusal> {
    let mut all = vec![Filter::equal("objectClass", class.as_bytes())];
    all.extend(own);
    if !filter.trim().is_empty() {
        all.push(filter::parse(filter.trim()).map_err(|say| Refusal::invalid("filter", say))?);
    }
    Ok(Filter::And(all))
}

/// A value as text; bytes that are none, in hex.
fn readable(attribute: &str, value: &[u8]) -> String {
    let text = std::str::from_utf8(value).ok()
        .filter(|t| attribute != "objectguid" && !t.chars().any(char::is_control));
    match text {
        Some(text) => text.to_string(),
        None => value.iter().map(|b| format!("{b:02x}")).collect(),
    }
}

/// Whether an entry's account is open.
fn enabled(settings: &LdapSettings, entry: &Found) -> bool {
    let attribute = &settings.user_enabled_attribute;
    if attribute.is_empty() {
        return true;
    }
    let value = entry.text(attribute).unwrap_or_else(|| settings.user_enabled_default.clone());
    let value = value.trim().to_ascii_lowercase();
    if settings.user_enabled_mask != 0 {
        // What cannot be read opens nothing.
        return value.parse::<i64>().is_ok_and(|bits| {
            bits & settings.user_enabled_mask != settings.user_enabled_mask
        });
    }
    match value.as_str() {
        "true" => !settings.user_enabled_invert,
        "false" => settings.user_enabled_invert,
        _ => false,
    }
}

/// The attribute that tells a person from everybody else, and its value.
fn unique(settings: &LdapSettings, entry: &Found) -> Result<(String, String), Trouble> {
    let own = [settings.user_id_attribute.as_str()];
    let names: &[&str] = if own[0].is_empty() { &UNIQUE } else { &own };
    for name in names {
        let values = entry.values(name);
        let attribute = name.to_ascii_lowercase();
        match values {
            [] => {}
            [one] if !one.is_empty() && one.len() <= TEXT => {
                let value = readable(&attribute, one);
                return Ok((attribute, value));
            }
            _ => return Err(trouble(format!("the entry has not one value of {attribute}"))),
        }
    }
    Err(trouble(format!("the entry has no {}: see user_id_attribute", names.join(" and no "))))
}

/// What a member of a group is named by there.
fn member(settings: &LdapSettings, name: &str, entry: Option<&Found>, dn: &str) -> String {
    if !settings.group_members_are_ids {
        return dn.to_string();
    }
    let own = &settings.user_id_attribute;
    let attribute = if own.is_empty() { &settings.user_name_attribute } else { own };
    entry.and_then(|e| e.text(attribute)).unwrap_or_else(|| name.to_string())
}

impl Directories for Client {
    fn check(&self, settings: &LdapSettings) -> Result<(), Refusal> {
        if !settings.tls_ca.trim().is_empty() {
            wire::tls(settings)?;
        }
        for (name, text) in
            [("user_filter", &settings.user_filter), ("group_filter", &settings.group_filter)] {
            if !text.trim().is_empty() {
                filter::parse(text.trim()).map_err(|say| Refusal::invalid(name, say))?;
            }
        }
        Ok(())
    }

    fn prove(&self, settings: &LdapSettings, service: &Secret<String>, name: &str,
        password: &Secret<String>) -> Result<Answer, Unreachable> {
        if password.expose().is_empty() || password.expose().len() > LONGEST_PASSWORD {
            return Ok(Answer::Wrong("an empty or overlong password"));
        }
        let filters = |r: Refusal| trouble(r.message);
        let mut wire = Wire::connect(settings, Instant::now() + self.patience)?;
        if !settings.user.is_empty() {
            if service.expose().is_empty() {
                return Err(trouble("the service account has no password"));
            }
            match wire.bind(&settings.user, service)? {
                SUCCESS => {}
                code => return Err(trouble(format!("the service account is not let in: code {code}"))),
            }
        }
        let own = vec![Filter::equal(&settings.user_name_attribute, name.as_bytes())];
        let people = conditions(&settings.user_objectclass, own, &settings.user_filter)
            .map_err(filters)?;
        let mut wanted = vec![settings.user_name_attribute.as_str(),
            settings.user_mail_attribute.as_str(), settings.user_enabled_attribute.as_str(),
            settings.user_id_attribute.as_str()];
        wanted.extend(UNIQUE);
        // Two, so that a second one is seen.
        let at = Limits { whole: settings.query_scope == "sub", most: 2 };
        let (mut found, cut) = wire.search(settings.user_tree(), at, &people, &wanted)?;
        let many = cut || found.len() > 1;
        // Directories find more spellings than we take for one name. Such an entry is nobody's here, and
        // its password is not tried: each spelling would be another account to guess for.
        let spelled = |e: &Found| {
            e.texts(&settings.user_name_attribute).iter().any(|n| fold(n) == fold(name))
        };
        let entry = found.pop().filter(|e| !many && !e.dn.trim().is_empty() && spelled(e));
        let dn = match &entry {
            Some(entry) => entry.dn.clone(),
            None => format!("cn=jinyun-nobody,{}", settings.user_tree()),
        };
        let member = member(settings, name, entry.as_ref(), &dn);
        let groups = groups(&mut wire, settings, &member)?;
        let code = wire.bind(&dn, password)?;
        wire.leave();
        let Some(entry) = entry else {
            return Ok(Answer::Wrong(match many {
                true => "more than one entry of the directory has this name",
                false => "the directory has no entry of this name",
            }));
        };
        match code {
            SUCCESS => {}
            code if WRONG.contains(&code) => return Ok(Answer::Wrong("wrong password")),
            code => return Err(trouble(format!("the directory answers a bind with code {code}"))),
        }
        // About this entry, and not about the directory: others go on.
        let (attribute, unique) = match unique(settings, &entry) {
            Ok(unique) => unique,
            Err(Unreachable(why)) => return Ok(Answer::Unusable(why)),
        };
        let Some(groups) = groups else {
            return Ok(Answer::Unusable(format!("somebody is in more than {GROUPS} groups")));
        };
        Ok(Answer::Proved(Entry {
            attribute,
            unique,
            names: entry.texts(&settings.user_name_attribute),
            mail: entry.text(&settings.user_mail_attribute),
            enabled: enabled(settings, &entry),
            groups,
            dn,
        }))
    }
}

/// Names of the groups that somebody is in; none if there are too many.
fn groups(wire: &mut Wire, settings: &LdapSettings, member: &str)
    -> Result<Option<Vec<String>>, Trouble> {
    let attribute = &settings.group_member_attribute;
    let own = match settings.group_ad_nesting {
        true => Filter::in_chain(attribute, member.as_bytes()),
        false => Filter::equal(attribute, member.as_bytes()),
    };
    let filter = conditions(&settings.group_objectclass, vec![own], &settings.group_filter)
        .map_err(|r| trouble(r.message))?;
    let at = Limits { whole: settings.query_scope == "sub", most: GROUPS };
    let name = settings.group_name_attribute.as_str();
    let (found, cut) = wire.search(settings.group_tree(), at, &filter, &[name])?;
    if cut {
        // Some of the groups would be some of the roles, others each time.
        return Ok(None);
    }
    let short = |text: &String| text.len() <= TEXT;
    Ok(Some(found.iter().filter_map(|group| group.text(name)).filter(short).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry with these values; a name that stands there twice has two.
    fn entry(given: &[(&str, &str)]) -> Found {
        let mut values: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
        for (name, value) in given {
            match values.iter_mut().find(|(n, _)| n == name) {
                Some((_, all)) => all.push(value.as_bytes().to_vec()),
                None => values.push((name.to_string(), vec![value.as_bytes().to_vec()])),
            }
        }
        Found { dn: "uid=ann,dc=x".into(), values }
    }

    #[test]
    fn accounts_are_open_as_the_settings_say() {
        let word = LdapSettings { user_enabled_attribute: "on".into(), ..LdapSettings::default() };
        let lock = LdapSettings { user_enabled_invert: true, user_enabled_default: "False".into(),
            ..word.clone() };
        let ad = LdapSettings { user_enabled_mask: 2, user_enabled_default: "512".into(), ..word.clone() };
        let without = LdapSettings::default();
        for (settings, value, want) in [
            (&without, Some("false"), true),
            (&word, Some("TRUE"), true), (&word, Some("False"), false), (&word, None, true),
            (&word, Some("yes"), false), (&word, Some(""), false),
            (&lock, Some("true"), false), (&lock, Some("FALSE"), true), (&lock, None, true),
            (&ad, Some("512"), true), (&ad, Some("514"), false), (&ad, None, true),
            (&ad, Some("66048"), true), (&ad, Some("66050"), false), (&ad, Some("x"), false),
        ] {
            let found = match value {
                Some(value) => entry(&[("ON", value)]),
                None => entry(&[]),
            };
            assert_eq!(enabled(settings, &found), want, "{value:?}");
        }
    }

    #[test]
    fn people_are_told_apart_by_what_never_changes() {
        let plain = LdapSettings::default();
        let by_number =
            LdapSettings { user_id_attribute: "employeeNumber".into(), ..LdapSettings::default() };
        let guid = "\u{1}\u{2}abcdefghijklmn";
        let cases: [(&LdapSettings, Found, &str); 7] = [
            (&plain, entry(&[("entryUUID", "11-22")]), "entryuuid 11-22"),
            (&plain, entry(&[("objectGUID", guid)]), "objectguid 01026162636465666768696a6b6c6d6e"),
            (&plain, entry(&[("uid", "ann")]), "the entry has no entryUUID and no objectGUID"),
            (&plain, entry(&[("entryUUID", "1"), ("entryUUID", "2")]), "the entry has not one value"),
            (&plain, entry(&[("entryUUID", "")]), "the entry has not one value"),
            (&by_number, entry(&[("entryUUID", "1"), ("employeenumber", "7")]), "employeenumber 7"),
            (&by_number, entry(&[("entryUUID", "1")]), "the entry has no employeeNumber"),
        ];
        for (settings, found, want) in cases {
            let got = match unique(settings, &found) {
                Ok((attribute, value)) => format!("{attribute} {value}"),
                Err(Unreachable(why)) => why,
            };
            assert!(got.starts_with(want), "{got}");
        }
    }

    #[test]
    fn settings_that_cannot_be_used_are_refused_by_their_option() {
        let client = Client::default();
        let ok = LdapSettings { user_filter: " (memberOf=cn=staff,dc=x) ".into(), ..Default::default() };
        assert!(client.check(&ok).is_ok());
        for (settings, names) in [
            (LdapSettings { user_filter: "(uid=*".into(), ..Default::default() }, "user_filter"),
            (LdapSettings { group_filter: "cn=x".into(), ..Default::default() }, "group_filter"),
            (LdapSettings { tls_ca: "no certificate".into(), ..Default::default() }, "jinyun:tls_ca"),
            (LdapSettings { tls_ca: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(),
                ..Default::default() }, "jinyun:tls_ca"),
        ] {
            let said = client.check(&settings).unwrap_err().message;
            assert!(said.starts_with(names), "{said}");
        }
    }
}
