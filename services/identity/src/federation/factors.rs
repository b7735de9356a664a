//! What of an identity provider's word stands for two factors.
//!
//! Problem: an institution whose own provider asks for a second factor would have its people prove
//! another one here, or go without the demand. Mechanism: the provider's tokens say how their bearer
//! signed in there (`amr`, RFC 8176; `acr`, OpenID Connect Core 2), under the same signature as all
//! else; the institution's manager writes which of these words count for two factors, and a token
//! that has them leaves the method `mfa` behind, besides `openid`. Nothing is believed by default:
//! the words mean what a provider makes of them.
//!
//! A rule that takes one factor for two is refused where the words of the RFC show it. What a
//! provider calls by names of its own only its institution can judge.

use super::bearer::{self, LEEWAY};
use jinyun_base::{Refusal, Time, limits};
use jinyun_engine::Failure;
use jinyun_rest::Words;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The member of a provider that holds the rule.
pub(crate) const NAME: &str = "jinyun:multi_factor";
const AMR: &str = "amr_any_of";
const ACR: &str = "acr_any_of";
const AGE: &str = "max_age_seconds";
/// Sets of methods, and classes, at most.
const SETS: usize = 16;
/// Methods of a set at most.
const METHODS: usize = 8;
/// Longest name of a method.
const METHOD: usize = 32;
/// Shortest and longest age of a sign-in that can be asked for, in seconds.
const AGES: (i64, i64) = (60, 86_400);
/// Why a provider's word does not count where nobody has said what counts.
pub(crate) const UNSET: &str = "nothing of its tokens is set to count for two";

/// Which of a provider's words count for two factors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FactorRule {
    /// Sets of methods: all of one have to be in the token's `amr`.
    pub amr_any_of: Vec<Vec<String>>,
    /// Classes: the token's `acr` has to be one.
    pub acr_any_of: Vec<String>,
    /// The sign-in over there (`auth_time`) is at most so many seconds ago.
    pub max_age_seconds: Option<i64>,
}

/// What somebody shows by a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shows {
    Knows,
    Has,
    Is,
    Neither,
}

/// By the words of RFC 8176. None for what can be two factors by itself (`mfa`, a key in hardware or a
/// card that asks for a PIN), and for words that are the provider's own.
fn shows(method: &str) -> Option<Shows> {
    match method {
        "kba" | "pin" | "pwd" => Some(Shows::Knows),
        "otp" | "pop" | "sms" | "swk" | "tel" => Some(Shows::Has),
        "face" | "fpt" | "iris" | "retina" | "vbm" => Some(Shows::Is),
        "geo" | "mca" | "rba" | "user" | "wia" => Some(Shows::Neither),
        _ => None,
    }
}

/// Whether a set of methods can be two factors.
fn two(set: &[String]) -> bool {
    let Some(all) = set.iter().map(|m| shows(m)).collect::<Option<Vec<_>>>() else { return true };
    let kinds = [Shows::Knows, Shows::Has, Shows::Is];
    kinds.iter().filter(|kind| all.contains(kind)).count() > 1
}

/// Whether a text can be a method or a class: what is seen is what is compared.
fn plain(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn texts(item: &Value) -> Option<Vec<String>> {
    item.as_array()?.iter().map(|word| word.as_str().map(String::from)).collect()
}

impl FactorRule {
    /// Reads one as a client sends it.
    pub fn read(words: &Words<'_>) -> Result<FactorRule, Failure> {
        words.only(&[AMR, ACR, AGE])?;
        let mut sets = Vec::new();
        for item in words.array(AMR)?.into_iter().flatten() {
            let say = "must hold lists of texts, like [[\"mfa\"], [\"pwd\", \"otp\"]]";
            sets.push(texts(item).ok_or_else(|| Refusal::invalid(AMR, say))?);
        }
        let rule = FactorRule {
            amr_any_of: sets,
            acr_any_of: words.texts(ACR)?.unwrap_or_default(),
            max_age_seconds: words.int(AGE, AGES.0, AGES.1)?,
        };
        rule.check()?;
        Ok(rule)
    }

    /// Refuses a rule that nothing meets, that is too long, or that one factor meets.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.amr_any_of.is_empty() && self.acr_any_of.is_empty() {
            let say = format!("names nothing that counts for two factors: send {AMR} or {ACR}, or null \
                for the whole, so that nothing does");
            return Err(Refusal::invalid(NAME, say));
        }
        if self.amr_any_of.len() > SETS {
            return Err(Refusal::invalid(AMR, format!("holds more than {SETS} sets")));
        }
        for (n, set) in self.amr_any_of.iter().enumerate() {
            let good = |(k, m): (usize, &String)| plain(m, METHOD) && !set[..k].contains(m);
            if set.is_empty() || set.len() > METHODS || !set.iter().enumerate().all(good) {
                let say = format!("must hold sets of 1 to {METHODS} different methods, each of 1 to \
                    {METHOD} characters of ASCII without spaces");
                return Err(Refusal::invalid(AMR, say));
            }
            let same = |other: &Vec<String>| other.len() == set.len()
                && other.iter().all(|m| set.contains(m));
            if self.amr_any_of[..n].iter().any(same) {
                return Err(Refusal::invalid(AMR, "holds a set twice"));
            }
            if !two(set) {
                let say = format!("holds a set that is one factor by RFC 8176 (set {}): name methods of \
                    two sorts, of what somebody knows, has and is, or one like mfa", n + 1);
                return Err(Refusal::invalid(AMR, say));
            }
        }
        let acr = &self.acr_any_of;
        let good = |(k, c): (usize, &String)| plain(c, limits::NAME) && !acr[..k].contains(c);
        if acr.len() > SETS || !acr.iter().enumerate().all(good) {
            let say = format!("must hold at most {SETS} different classes, each of 1 to {} characters of \
                ASCII without spaces", limits::NAME);
            return Err(Refusal::invalid(ACR, say));
        }
        if self.max_age_seconds.is_some_and(|s| !(AGES.0..=AGES.1).contains(&s)) {
            let say = format!("must be a whole number from {} to {}", AGES.0, AGES.1);
            return Err(Refusal::invalid(AGE, say));
        }
        Ok(())
    }

    /// By what a token shows that its issuer has asked for two factors, in words of the rule and not of
    /// the token; or why it does not.
    pub fn shown(&self, claims: &Map<String, Value>, now: Time) -> Result<String, &'static str> {
        if let Some(most) = self.max_age_seconds {
            let when = bearer::seconds(claims, "auth_time")
                .map_err(|_| "the auth_time of its token cannot be read")?
                .ok_or("its token does not say when the sign-in was (auth_time)")?;
            let ago = now.0.div_euclid(Time::SECOND) - when;
            if ago > most + LEEWAY || ago < -LEEWAY {
                return Err("the sign-in there (auth_time) is too long ago, or not yet");
            }
        }
        let amr: Option<Vec<&str>> = match claims.get("amr") {
            None => Some(Vec::new()),
            Some(Value::Array(all)) => all.iter().map(Value::as_str).collect(),
            Some(_) => None,
        };
        let met = |set: &&Vec<String>| {
            amr.as_ref().is_some_and(|amr| set.iter().all(|m| amr.contains(&m.as_str())))
        };
        if let Some(set) = self.amr_any_of.iter().find(met) {
            return Ok(format!("amr={}", set.join(",")));
        }
        let acr = claims.get("acr").and_then(Value::as_str);
        if let Some(class) = self.acr_any_of.iter().find(|class| acr == Some(class.as_str())) {
            return Ok(format!("acr={class}"));
        }
        match amr {
            None => Err("the amr of its token is no list of texts"),
            Some(_) => Err("neither amr nor acr of its token is what is set to count for two"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(rule: &Value) -> Result<FactorRule, String> {
        let words = Words::new(NAME, rule.as_object().unwrap());
        FactorRule::read(&words).map_err(|e| e.to_string())
    }

    #[test]
    fn a_rule_says_what_two_factors_are() {
        let long = |n: usize| "x".repeat(n);
        let many: Vec<Vec<String>> = (0..17).map(|n| vec![format!("own{n}")]).collect();
        for good in [json!({ "amr_any_of": [["mfa"], ["pwd", "otp"], ["hwk"]] }),
            json!({ "acr_any_of": ["urn:example:two"], "max_age_seconds": 60 }),
            json!({ "amr_any_of": [["fpt", "swk"], ["pwd", "geo", "sms"]] }),
            json!({ "amr_any_of": [["ngcmfa"], [long(32)]], "acr_any_of": [long(255)] }),
            json!({ "amr_any_of": many[..16] })] {
            assert!(read(&good).is_ok(), "{good}: {:?}", read(&good));
        }
        for (bad, why) in [
            (json!({}), "names nothing"), (json!({ "max_age_seconds": 60 }), "names nothing"),
            (json!({ "amr_any_of": [], "acr_any_of": [] }), "names nothing"),
            (json!({ "amr_any_of": "mfa" }), "amr_any_of must be an array"),
            (json!({ "amr_any_of": ["mfa"] }), "lists of texts"),
            (json!({ "amr_any_of": [[7]] }), "lists of texts"),
            (json!({ "amr_any_of": [[]] }), "1 to 8 different"),
            (json!({ "amr_any_of": [["mfa", "mfa"]] }), "1 to 8 different"),
            (json!({ "amr_any_of": [["m fa"]] }), "1 to 8 different"),
            (json!({ "amr_any_of": [["m\u{66b}a"]] }), "1 to 8 different"),
            (json!({ "amr_any_of": [[long(33)]] }), "1 to 8 different"),
            (json!({ "amr_any_of": [many[..9].concat()] }), "1 to 8 different"),
            (json!({ "amr_any_of": many }), "more than 16"),
            (json!({ "amr_any_of": [["pwd", "otp"], ["otp", "pwd"]] }), "twice"),
            (json!({ "amr_any_of": [["mfa"], ["pwd"]] }), "one factor by RFC 8176 (set 2)"),
            (json!({ "amr_any_of": [["otp"]] }), "one factor"),
            (json!({ "amr_any_of": [["pwd", "pin", "kba"]] }), "one factor"),
            (json!({ "amr_any_of": [["fpt", "face"]] }), "one factor"),
            (json!({ "amr_any_of": [["sms", "tel", "geo"]] }), "one factor"),
            (json!({ "amr_any_of": [["mca"]] }), "one factor"),
            (json!({ "acr_any_of": [""] }), "different classes"),
            (json!({ "acr_any_of": ["a", "a"] }), "different classes"),
            (json!({ "acr_any_of": ["a b"] }), "different classes"),
            (json!({ "acr_any_of": [7] }), "array of strings"),
            (json!({ "amr_any_of": [["mfa"]], "max_age_seconds": 59 }), "from 60 to 86400"),
            (json!({ "amr_any_of": [["mfa"]], "max_age_seconds": "soon" }), "from 60 to 86400"),
            (json!({ "amr_any_of": [["mfa"]], "amr_all_of": [] }), "amr_all_of"),
        ] {
            let said = read(&bad).unwrap_err();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }

    #[test]
    fn a_token_shows_it_or_not() {
        let now = Time(10_000 * Time::SECOND);
        let rule = read(&json!({ "amr_any_of": [["mfa"], ["pwd", "otp"]],
            "acr_any_of": ["urn:example:two"] })).unwrap();
        let aged = FactorRule { max_age_seconds: Some(600), ..rule.clone() };
        let shown = |rule: &FactorRule, claims: &Value| rule.shown(claims.as_object().unwrap(), now);
        for (claims, want) in [(json!({ "amr": ["mfa"] }), "amr=mfa"),
            (json!({ "amr": ["otp", "user", "pwd"] }), "amr=pwd,otp"),
            (json!({ "amr": ["pwd"], "acr": "urn:example:two" }), "acr=urn:example:two"),
            // What cannot be read does not count; what can be read does.
            (json!({ "amr": "mfa", "acr": "urn:example:two" }), "acr=urn:example:two")] {
            assert_eq!(shown(&rule, &claims).as_deref(), Ok(want), "{claims}");
        }
        for (claims, why) in [(json!({}), "neither"), (json!({ "amr": [] }), "neither"),
            (json!({ "amr": ["pwd"] }), "neither"), (json!({ "amr": ["otp"] }), "neither"),
            (json!({ "amr": ["MFA"] }), "neither"), (json!({ "amr": ["mfa "] }), "neither"),
            (json!({ "amr": ["pwd,otp"] }), "neither"), (json!({ "acr": "urn:example:one" }), "neither"),
            (json!({ "acr": ["urn:example:two"] }), "neither"),
            (json!({ "acr": "mfa" }), "neither"), (json!({ "amr": ["urn:example:two"] }), "neither"),
            (json!({ "amr": "mfa" }), "no list"), (json!({ "amr": ["mfa", 7] }), "no list"),
            (json!({ "amr": { "mfa": true } }), "no list")] {
            let said = shown(&rule, &claims).unwrap_err();
            assert!(said.contains(why), "{claims}: {said}");
        }
        let at = |when: Value| json!({ "amr": ["mfa"], "auth_time": when });
        for (when, want) in [(json!(10_000), true), (json!(9340), true), (json!(9339), false),
            (json!(10_060), true), (json!(10_061), false), (json!("9999"), false), (json!(1e300), false),
            (json!(9_999.5), true)] {
            assert_eq!(shown(&aged, &at(when.clone())).is_ok(), want, "{when}");
            assert!(shown(&rule, &at(when)).is_ok(), "nobody asks for the time");
        }
        assert!(shown(&aged, &json!({ "amr": ["mfa"] })).unwrap_err().contains("auth_time"));
    }
}
