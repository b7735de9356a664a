//! What is asked of the journal: the query string, and whether an entry fits it.
//!
//! Entries are canonical bytes, not columns: a filter reads each entry of the stretch that is asked
//! for. An index for each filter would be paid by every command, and reading is bounded instead: a
//! page stops after so many entries, says where, and the next one goes on from there.

use jinyun_base::{Fault, Refusal, Time};
use jinyun_policy::PROVIDER;
use jinyun_rest::Call;
use jinyun_store::{Db, Line, Sequence, Stretch};
use serde::Deserialize;

/// The most entries of a page.
const MOST: u64 = 1000;
/// Entries of a page if nobody says how many.
const USUAL: u64 = 100;
/// At most so many entries are looked at for a page.
const LOOKED: usize = 20_000;
/// So many are read at a time.
const WINDOW: u64 = 128;
/// At most so many bytes of entries in a page; one entry is always given.
const BYTES: usize = 4 << 20;

/// Parameters of a list of entries.
const LIST: &[&str] = &["institution", "action", "actor", "target_kind", "target_id", "outcome",
    "reason", "since", "until", "request", "source", "provider", "limit", "marker", "order"];

/// Refuses parameters that are not offered, and those that stand there twice.
pub fn only(call: &Call<'_>, known: &[&str]) -> Result<(), Refusal> {
    for (i, (name, _)) in call.query.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            return Err(Refusal::invalid(name, format!("is not offered: {}", known.join(", "))));
        }
        if name != "compare" && call.query[..i].iter().any(|(other, _)| other == name) {
            return Err(Refusal::invalid(name, "is there twice"));
        }
    }
    Ok(())
}

/// A whole number in a range.
pub fn number(call: &Call<'_>, name: &str, low: u64, high: u64) -> Result<Option<u64>, Refusal> {
    let Some(text) = call.ask(name) else { return Ok(None) };
    match text.parse() {
        Ok(n) if (low..=high).contains(&n) && text.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(n)),
        _ => Err(Refusal::invalid(name, format!("must be a whole number from {low} to {high}"))),
    }
}

/// A point in time: RFC 3339, or microseconds since 1970.
pub fn time(call: &Call<'_>, name: &str) -> Result<Option<Time>, Refusal> {
    let Some(text) = call.ask(name) else { return Ok(None) };
    let micros = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let time = if micros { text.parse().ok().map(Time) } else { Time::parse(text) };
    let say = "must be a time like 2026-01-31T08:00:00Z, or microseconds since 1970";
    time.map(Some).ok_or_else(|| Refusal::invalid(name, say))
}

/// What a list is asked for.
#[derive(Debug, Default)]
pub struct Asked {
    action: Option<String>,
    actor: Option<String>,
    target_kind: Option<String>,
    target_id: Option<String>,
    outcome: Option<String>,
    reason: Option<String>,
    request: Option<String>,
    source: Option<String>,
    provider: Option<bool>,
    since: Option<Time>,
    until: Option<Time>,
    limit: u64,
    marker: Option<u64>,
    newest_first: bool,
}

/// What of an entry a filter looks at.
#[derive(Deserialize)]
struct Light {
    action: String,
    actor: LightActor,
    outcome: String,
    reason: Option<LightReason>,
    request: String,
    source: Option<String>,
    target: Option<LightTarget>,
}

#[derive(Deserialize)]
struct LightActor {
    domain: String,
    id: String,
    kind: String,
}

#[derive(Deserialize)]
struct LightReason {
    code: String,
}

#[derive(Deserialize)]
struct LightTarget {
    id: String,
    kind: String,
}

impl Light {
    /// The provider's staff did it, or the platform by itself.
    fn by_provider(&self) -> bool {
        match self.actor.kind.as_str() {
            "system" => true,
            "user" => self.actor.domain == PROVIDER,
            _ => false,
        }
    }
}

/// One of a few words.
fn word(call: &Call<'_>, name: &str, words: &[&str]) -> Result<Option<String>, Refusal> {
    match call.ask(name) {
        None => Ok(None),
        Some(text) if words.contains(&text) => Ok(Some(text.into())),
        Some(_) => Err(Refusal::invalid(name, format!("must be one of {}", words.join(", ")))),
    }
}

impl Asked {
    /// Reads the query string.
    pub fn read(call: &Call<'_>) -> Result<Asked, Refusal> {
        only(call, LIST)?;
        let text = |name: &str| call.ask(name).map(String::from);
        let action = text("action");
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:-*".contains(c);
        if action.as_ref().is_some_and(|a| a.is_empty() || !a.chars().all(good)) {
            let say = "must be an action like network:port:create, where * stands for anything";
            return Err(Refusal::invalid("action", say));
        }
        let order = word(call, "order", &["newest", "oldest"])?;
        Ok(Asked {
            action,
            actor: text("actor"),
            target_kind: text("target_kind"),
            target_id: text("target_id"),
            outcome: word(call, "outcome", &["done", "refused", "waiting"])?,
            reason: text("reason"),
            request: text("request"),
            source: text("source"),
            provider: word(call, "provider", &["true", "false"])?.map(|w| w == "true"),
            since: time(call, "since")?,
            until: time(call, "until")?,
            limit: number(call, "limit", 1, MOST)?.unwrap_or(USUAL),
            marker: number(call, "marker", 0, i64::MAX as u64)?,
            newest_first: order.as_deref() != Some("oldest"),
        })
    }

    /// Whether an entry is one of those that are asked for.
    fn fits(&self, line: &Line) -> Result<bool, Fault> {
        if self.since.is_some_and(|t| line.time < t) || self.until.is_some_and(|t| line.time >= t) {
            return Ok(false);
        }
        let entry: Light = serde_json::from_slice(&line.body)
            .map_err(|e| Fault::new(format!("entry {} in the state: {e}", line.number)))?;
        let same = |asked: &Option<String>, have: Option<&str>| {
            asked.as_deref().is_none_or(|asked| have == Some(asked))
        };
        let target = entry.target.as_ref();
        Ok(self.action.as_ref().is_none_or(|pattern| like(pattern, &entry.action))
            && same(&self.actor, Some(entry.actor.id.as_str()))
            && same(&self.target_kind, target.map(|t| t.kind.as_str()))
            && same(&self.target_id, target.map(|t| t.id.as_str()))
            && same(&self.outcome, Some(entry.outcome.as_str()))
            && same(&self.reason, entry.reason.as_ref().map(|r| r.code.as_str()))
            && same(&self.request, Some(entry.request.as_str()))
            && same(&self.source, entry.source.as_deref())
            && self.provider.is_none_or(|asked| asked == entry.by_provider()))
    }

    /// One page: the entries' bytes joined by commas, and the marker from which the next goes on.
    pub fn page(&self, db: &mut Db, of: Sequence<'_>) -> Result<(String, Option<u64>), Fault> {
        let (mut low, mut high) = db.period(of, self.since, self.until)?;
        match self.marker {
            Some(marker) if self.newest_first => high = high.min(marker),
            Some(marker) => low = low.max(marker.saturating_add(1)),
            None => {}
        }
        let mut text = String::new();
        let (mut found, mut looked, mut last) = (0, 0, None);
        'page: while low < high && looked < LOOKED {
            let newest_first = self.newest_first;
            let lines = db.lines(of, Stretch { low, high, newest_first, limit: WINDOW })?;
            if lines.is_empty() {
                return Err(Fault::new("the journal in the state has a gap"));
            }
            for line in lines {
                if self.fits(&line)? {
                    if found > 0 && text.len() + line.body.len() > BYTES {
                        break 'page;
                    }
                    if found > 0 {
                        text.push(',');
                    }
                    // Canonical bytes are JSON already.
                    text.push_str(&String::from_utf8_lossy(&line.body));
                    found += 1;
                }
                let at = of.at(&line);
                (looked, last) = (looked + 1, Some(at));
                if newest_first {
                    high = at;
                } else {
                    low = at + 1;
                }
                if found == self.limit {
                    break 'page;
                }
            }
        }
        Ok((text, last.filter(|_| low < high)))
    }
}

/// Whether a text is like a pattern, in which `*` stands for any characters.
fn like(pattern: &str, text: &str) -> bool {
    let parts: Vec<&str> = pattern.split('*').collect();
    let [first, middle @ .., last] = &parts[..] else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_like_actions() {
        for (pattern, text, want) in [
            ("network:port:create", "network:port:create", true),
            ("network:port:create", "network:port:created", false),
            ("network:*", "network:port:create", true),
            ("*:delete", "network:port:delete", true),
            ("*:delete", "network:port:deleted", false),
            ("network:*:delete", "network:port:delete", true),
            ("network:*:delete", "network:delete", false),
            ("*port*", "network:port:create", true),
            ("*port*", "compute:server:create", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*b*a", "axbya", true),
            ("a*b*a", "aba", true),
            ("a*b*a", "aab", false),
        ] {
            assert_eq!(like(pattern, text), want, "{pattern} {text}");
        }
    }
}
