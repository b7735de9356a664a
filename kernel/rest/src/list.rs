//! What lists of all protocols share: the order that is asked for, and the same question again from
//! another place.

use crate::Call;
use jinyun_base::Refusal;

/// Keys and whether each descends, from `sort`, `sort_key` and `sort_dir`. What is not asked comes
/// newest first. Only these keys can be asked.
pub fn order(call: &Call<'_>, keys: &[&str]) -> Result<Vec<(String, bool)>, Refusal> {
    let all = |name: &str| {
        call.query.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect::<Vec<_>>()
    };
    let mut asked: Vec<(String, String)> = Vec::new();
    for part in all("sort").iter().flat_map(|s| s.split(',')) {
        let (key, dir) = part.split_once(':').unwrap_or((part, "desc"));
        asked.push((key.trim().into(), dir.trim().into()));
    }
    let dirs = all("sort_dir");
    for (i, key) in all("sort_key").into_iter().enumerate() {
        let dir = dirs.get(i).or(dirs.last()).map_or("desc", String::as_str);
        asked.push((key, dir.into()));
    }
    if asked.is_empty() {
        asked.push(("created_at".into(), dirs.first().map_or("desc", String::as_str).into()));
    }
    asked.push(("created_at".into(), "desc".into()));
    asked.push(("id".into(), "desc".into()));
    asked.into_iter().map(|(key, dir)| {
        if !keys.contains(&key.as_str()) {
            let say = format!("must be one of {}, not '{key}'", keys.join(", "));
            return Err(Refusal::invalid("sort_key", say));
        }
        match dir.as_str() {
            "asc" => Ok((key, false)),
            "desc" => Ok((key, true)),
            _ => Err(Refusal::invalid("sort_dir", format!("must be asc or desc, not '{dir}'"))),
        }
    }).collect()
}

/// The query string of this call without some parameters and with others, quoted. Empty, or with
/// its question mark.
pub fn again(call: &Call<'_>, without: &[&str], with: &[(&str, &str)]) -> String {
    let kept = call.query.iter().filter(|(name, _)| !without.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let pairs: Vec<String> = kept.chain(with.iter().copied())
        .map(|(name, value)| format!("{}={}", quoted(name), quoted(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// Text as a query string has it.
pub fn quoted(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn query_strings_are_quoted() {
        assert_eq!(quoted("a b&c=d/é"), "a%20b%26c%3Dd%2F%C3%A9");
    }
}
