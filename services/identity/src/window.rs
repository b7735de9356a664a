//! From where and when a user may sign in and work.
//!
//! Problem: an account that is used only from the operators' room in office hours is open to the
//! whole world at night. Mechanism: a user has networks (CIDR) and hours; both are judged at
//! sign-in and again at each use of a token, so a session does not outlast its hours and a stolen
//! token is of no use elsewhere. Hours are those of the product's zone and networks those of all its
//! rules (`kernel/base`): what is read here is only how a user's spec has them.

use jinyun_base::{Net, Refusal, Time, hours};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Minutes of a day.
const DAY: i64 = 24 * 60;
/// At most so many networks of a user.
const NETWORKS: usize = 32;

/// Hours in which a user may work, in UTC+8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// Days of the week, 1 is Monday and 7 is Sunday. For hours over midnight: the day they begin.
    pub days: Vec<i64>,
    /// The first minute of the day.
    pub from: i64,
    /// The minute that no longer belongs to it. Smaller than `from`: over midnight.
    pub to: i64,
}

impl Hours {
    /// Refuses hours that cannot be.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let mut days = self.days.clone();
        days.sort_unstable();
        days.dedup();
        let in_week = days.iter().all(|d| (1..=7).contains(d));
        if days.is_empty() || days.len() != self.days.len() || !in_week {
            let say = "must hold different days of the week, from 1 (Monday) to 7 (Sunday)";
            return Err(Refusal::invalid("days", say));
        }
        if !(0..DAY).contains(&self.from) || !(0..=DAY).contains(&self.to) || self.from == self.to {
            let say = "must be a minute of the day (0 to 1439; `to` up to 1440), other than `to`";
            return Err(Refusal::invalid("from", say));
        }
        Ok(())
    }

    fn hold(&self, now: Time) -> bool {
        hours::between(now, self.from, self.to, |day| self.days.contains(&day))
    }
}

/// Refuses networks that cannot be read.
pub(crate) fn check_sources(sources: &[String]) -> Result<(), Refusal> {
    if sources.len() > NETWORKS {
        return Err(Refusal::invalid("sources", format!("holds more than {NETWORKS} networks")));
    }
    if sources.iter().any(|s| Net::parse(s).is_none()) {
        let say = "must hold addresses or networks like 10.1.0.0/16 or 2001:db8::/32";
        return Err(Refusal::invalid("sources", say));
    }
    Ok(())
}

/// Why a user may not be here now, for the journal. A source that is not known lies in no network.
pub(crate) fn judge(sources: &[String], hours: Option<&Hours>, source: Option<&str>, now: Time)
    -> Result<(), &'static str> {
    let address = source.and_then(|s| s.parse::<IpAddr>().ok());
    let inside = |list: &[String]| address.is_some_and(|a| {
        list.iter().filter_map(|s| Net::parse(s)).any(|n| n.holds(a))
    });
    if !sources.is_empty() && !inside(sources) {
        return Err("the source is outside of the user's networks");
    }
    match hours {
        Some(hours) if !hours.hold(now) => Err("it is outside of the user's hours"),
        _ => Ok(()),
    }
}

/// The neighbourhood of a source: /24 of IPv4, /48 of IPv6. For "was it here before?".
pub(crate) fn neighbourhood(source: &str) -> String {
    match source.parse::<IpAddr>().map(|a| a.to_canonical()) {
        Ok(IpAddr::V4(a)) => {
            let [a, b, c, _] = a.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Ok(IpAddr::V6(a)) => {
            let [a, b, c, ..] = a.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
        Err(_) => source.chars().take(64).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    #[test]
    fn hours_are_those_of_the_zone() {
        let office = Hours { days: vec![1, 2, 3, 4, 5], from: 540, to: 1080 };
        let night = Hours { days: vec![5], from: 1320, to: 360 };
        let cases = [
            (&office, "2024-02-29T01:00:00Z", true),  // Thursday 09:00
            (&office, "2024-02-29T00:59:59Z", false), // 08:59
            (&office, "2024-02-29T10:00:00Z", false), // 18:00
            (&office, "2024-03-02T02:00:00Z", false), // Saturday 10:00
            (&office, "2024-03-03T23:30:00Z", false), // Monday 07:30
            (&office, "2024-03-04T01:30:00Z", true),  // Monday 09:30
            (&night, "2024-03-01T14:00:00Z", true),   // Friday 22:00
            (&night, "2024-03-01T21:59:00Z", true),   // Saturday 05:59
            (&night, "2024-03-01T22:00:00Z", false),  // Saturday 06:00
            (&night, "2024-02-29T21:00:00Z", false),  // Friday 05:00: Thursday has none
        ];
        for (hours, time, want) in cases {
            assert_eq!(hours.hold(at(time)), want, "{time}");
        }
        for (days, from, to) in [(vec![], 0, 1), (vec![8], 0, 1), (vec![1, 1], 0, 1),
            (vec![1], 5, 5), (vec![1], 1440, 5), (vec![1], 0, 1441), (vec![0], 0, 1)] {
            assert!(Hours { days: days.clone(), from, to }.check().is_err(), "{days:?} {from} {to}");
        }
        assert!(night.check().is_ok());
    }

    #[test]
    fn sources_are_judged_by_their_network() {
        let cases = [
            ("10.1.0.0/16", "10.1.255.3", true), ("10.1.0.0/16", "10.2.0.1", false),
            ("10.1.2.3", "10.1.2.3", true), ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "8.8.8.8", true), ("0.0.0.0/0", "::1", false),
            ("10.1.0.0/16", "::ffff:10.1.2.3", true), ("2001:db8::/32", "2001:db8:9::1", true),
            ("2001:db8::/32", "2001:db9::1", false), ("::/0", "10.0.0.1", false),
            ("10.1.2.0/31", "10.1.2.1", true), ("10.1.2.0/31", "10.1.2.2", false),
            ("::ffff:10.1.0.0/112", "10.1.2.3", true), ("::ffff:10.1.0.0/112", "10.2.2.3", false),
            ("::ffff:10.1.0.0/112", "::ffff:10.1.2.3", true), ("::ffff:10.1.2.3", "10.1.2.3", true),
        ];
        for (net, source, want) in cases {
            let got = judge(&[net.to_string()], None, Some(source), Time(0)).is_ok();
            assert_eq!(got, want, "{net} {source}");
        }
        assert!(judge(&["10.0.0.0/8".into()], None, None, Time(0)).is_err(), "unknown source");
        assert!(judge(&["10.0.0.0/8".into()], None, Some("unknown"), Time(0)).is_err());
        assert!(judge(&[], None, None, Time(0)).is_ok());
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/+8", "10.0.0.0/", "host"] {
            assert!(check_sources(&[bad.to_string()]).is_err(), "{bad}");
        }
        assert_eq!(neighbourhood("10.9.8.7"), "10.9.8.0/24");
        assert_eq!(neighbourhood("::ffff:10.9.8.7"), "10.9.8.0/24");
        assert_eq!(neighbourhood("2001:db8:1:2::3"), "2001:db8:1::/48");
    }
}
