//! Under which circumstances: from where, when, with how many factors, how long after the sign-in.
//!
//! A closed set, each judged to yes, no or not known. What is not known counts against whoever asks:
//! it fulfils nothing that is required, and it is no way out of a denial. Hours are those of UTC+8,
//! as everywhere in the product: a rule that moves with a host's zone cannot be checked on paper.

use jinyun_base::{Net, Refusal, Time, Window};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Most networks of a statement.
const NETWORKS: usize = 64;
/// Youngest and oldest age that can be asked for, in seconds.
pub(crate) const AGE: (i64, i64) = (60, 86_400);
/// The methods that a second factor leaves in a token: one-time codes, and the signed word of the
/// institution's identity provider.
const SECOND: [&str; 3] = ["totp", "passkey", "mfa"];
/// By which a user gets a second factor: to ask for one there would keep it from everybody.
const ENROLS: [&str; 2] = ["identity:credential:create", "identity:passkey:create"];

/// What has to be so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// From one of these networks; any if there is none.
    #[serde(default)]
    pub source: Vec<String>,
    /// In these hours.
    #[serde(default)]
    pub hours: Option<Window>,
    /// With a token that a second factor was proved for.
    #[serde(default)]
    pub second_factor: bool,
    /// At most so many seconds after the sign-in.
    #[serde(default)]
    pub age: Option<i64>,
}

/// How a condition was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It is not asked for.
    Unasked,
    /// So it is.
    Yes,
    /// So it is not.
    No,
    /// Nobody knows.
    Unknown,
}

impl From<bool> for Judged {
    fn from(so: bool) -> Judged {
        if so { Judged::Yes } else { Judged::No }
    }
}

/// What is known of the circumstances of something that is asked.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances {
    /// From where.
    pub source: Option<IpAddr>,
    /// The bearer of the token has proved a second factor, or is about to get one.
    pub second: bool,
    /// When the bearer signed in.
    pub issued: Option<Time>,
    /// It was asked before and runs now because it was approved. Its age was judged then.
    pub approved: bool,
    /// Now.
    pub now: Time,
}

/// Whether somebody who asks for an action has what a second factor is asked for.
pub(crate) fn second(action: &str, methods: &[String]) -> bool {
    ENROLS.contains(&action) || methods.iter().any(|m| SECOND.contains(&m.as_str()))
}

/// Conditions, read and ready to be judged.
pub(crate) struct Test {
    from: Option<Vec<Net>>,
    hours: Option<Window>,
    second_factor: bool,
    age: Option<i64>,
}

impl Test {
    /// Each condition by its name, judged.
    pub fn judge(&self, at: &Circumstances) -> [(&'static str, Judged); 4] {
        let source = match (&self.from, at.source) {
            (None, _) => Judged::Unasked,
            (Some(_), None) => Judged::Unknown,
            (Some(nets), Some(address)) => nets.iter().any(|n| n.holds(address)).into(),
        };
        let hours = self.hours.as_ref().map_or(Judged::Unasked, |h| h.open(at.now).into());
        let second = if self.second_factor { at.second.into() } else { Judged::Unasked };
        let age = match (self.age, at.issued) {
            (None, _) => Judged::Unasked,
            (Some(_), _) if at.approved => Judged::Yes,
            (Some(_), None) => Judged::Unknown,
            (Some(most), Some(issued)) => (at.now <= issued.plus_seconds(most)).into(),
        };
        [("source", source), ("hours", hours), ("second_factor", second), ("age", age)]
    }
}

impl Conditions {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Conditions::default()
    }

    /// The networks, read.
    pub(crate) fn nets(&self) -> Vec<Net> {
        self.source.iter().filter_map(|text| Net::parse(text)).collect()
    }

    /// Ready to be judged.
    pub(crate) fn ready(&self) -> Test {
        Test {
            from: (!self.source.is_empty()).then(|| self.nets()),
            hours: self.hours.clone(),
            second_factor: self.second_factor,
            age: self.age,
        }
    }

    /// Refuses what cannot be.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.source.len() > NETWORKS {
            return Err(Refusal::invalid("source", format!("holds more than {NETWORKS} networks")));
        }
        if self.source.iter().any(|s| Net::parse(s).is_none()) {
            let say = "must hold addresses or networks like 10.1.0.0/16 or 2001:db8::/32";
            return Err(Refusal::invalid("source", say));
        }
        if let Some(window) = &self.hours {
            window.check()?;
        }
        if self.age.is_some_and(|a| !(AGE.0..=AGE.1).contains(&a)) {
            return Err(Refusal::invalid("age", format!("must be {} to {} seconds", AGE.0, AGE.1)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_base::Weekday;

    #[test]
    fn what_is_not_known_is_neither_yes_nor_no() {
        let at = Time::parse("2026-02-02T02:00:00Z").unwrap();
        let days = vec![Weekday::Mon];
        let all = Conditions {
            source: vec!["10.0.0.0/8".into()],
            hours: Some(Window { days, from: 9 * 60, to: 18 * 60 }),
            second_factor: true,
            age: Some(600),
        };
        let known = Circumstances {
            source: "::ffff:10.9.9.9".parse().ok(),
            second: true,
            issued: Some(at.plus_seconds(-600)),
            approved: false,
            now: at,
        };
        use Judged::{No, Unasked, Unknown, Yes};
        let nobody = Circumstances { source: None, second: false, issued: None, ..known.clone() };
        let late = at.plus_seconds(9 * 3600);
        let cases = [
            (&all, known.clone(), [Yes, Yes, Yes, Yes]),
            (&all, nobody.clone(), [Unknown, Yes, No, Unknown]),
            (&all, Circumstances { now: late, ..known.clone() }, [Yes, No, Yes, No]),
            (&all, Circumstances { approved: true, ..nobody }, [Unknown, Yes, No, Yes]),
            (&Conditions::default(), known, [Unasked; 4]),
        ];
        for (conditions, at, want) in cases {
            let got = conditions.ready().judge(&at).map(|(_, judged)| judged);
            assert_eq!(got, want, "{at:?}");
        }
        let methods = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(second("a:b:c", &methods(&["password", "totp"])));
        assert!(second("a:b:c", &methods(&["mfa", "openid"])));
        assert!(second("a:b:c", &methods(&["passkey"])));
        assert!(!second("a:b:c", &methods(&["openid"])));
        assert!(!second("a:b:c", &methods(&["password", "TOTP"])));
        // Who has none can get one.
        assert!(second("identity:credential:create", &methods(&["password"])));
        assert!(second("identity:passkey:create", &methods(&["password"])));
    }
}
