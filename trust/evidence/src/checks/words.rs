//! What checks say of themselves, in Chinese.
//!
//! Problem: an assessor who reads Chinese has to see where a check is silent, in Chinese. Mechanism: a
//! file beside the checks holds the sentence for each name, so that whoever translates needs no Rust, and
//! a check stays one line of its list. A test below fails for a check without a sentence and for a
//! sentence without a check. What checks find is not here: that sentence is evidence, made each time from
//! what was seen, and stands as it was made.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const TEXT: &str = include_str!("words.zh.json");

/// The sentences of one check.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    /// Where it is silent.
    silent: String,
}

fn read(text: &str) -> Result<BTreeMap<String, Words>, serde_json::Error> {
    serde_json::from_str(text)
}

/// Where the check of this name is silent, in Chinese; empty if nobody has said it.
pub fn silent_zh(check: &str) -> &'static str {
    static ALL: OnceLock<BTreeMap<String, Words>> = OnceLock::new();
    // That the file can be read is tested; without it reports would have the English half.
    let all = ALL.get_or_init(|| read(TEXT).unwrap_or_default());
    all.get(check).map_or("", |words| &words.silent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::CHECKS;

    #[test]
    fn each_check_has_its_sentence_and_no_other_has_one() {
        let all = read(TEXT).unwrap();
        let ours: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
        let without: Vec<&&str> = ours.iter().filter(|name| !all.contains_key(**name)).collect();
        assert!(without.is_empty(), "words.zh.json has nothing for {without:?}");
        let strange: Vec<&String> = all.keys().filter(|name| !ours.contains(&name.as_str())).collect();
        assert!(strange.is_empty(), "words.zh.json names what is no check: {strange:?}");
        // Of a name that stands twice, one would be lost.
        assert_eq!(TEXT.matches("\"silent\"").count(), all.len());
        for (name, Words { silent }) in &all {
            let han = silent.chars().filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c)).count();
            assert!(han >= 2 && silent.trim() == silent, "{name}: {silent}");
            assert_eq!(silent_zh(name), silent);
        }
        assert_eq!(silent_zh("no-such-check"), "");
    }
}
