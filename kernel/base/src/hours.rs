//! The product's zone, days of the week, and hours of the day: when somebody may sign in, when a
//! statement holds, when an approved change may be made.
//!
//! Hours are those of China Standard Time, UTC+8 without summer time, whatever the machine's own
//! zone: a rule that moves with a host's setting is one that nobody can check on paper. Minutes of
//! the day and not a library's times: what is written in a rule has no date and no offset.

use crate::{Refusal, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The zone, in seconds east of UTC.
pub const ZONE: i64 = 8 * 3600;
/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;

/// Day of the week (1 is Monday and 7 is Sunday) and minute of the day, in the zone.
pub fn local(at: Time) -> (i64, i64) {
    let seconds = at.0.div_euclid(Time::SECOND) + ZONE;
    // 1970-01-01 was a Thursday, the fourth day of a week that begins on Monday.
    let day = (seconds.div_euclid(DAY) + 3).rem_euclid(7) + 1;
    (day, seconds.rem_euclid(DAY) / 60)
}

/// Whether a moment lies between two minutes of the day, the second of which is no part. If that is
/// not later than the first, it is the next day's; `opens` says on which days of the week it begins.
pub fn between(at: Time, from: i64, to: i64, opens: impl Fn(i64) -> bool) -> bool {
    let (day, minute) = local(at);
    if from < to {
        return opens(day) && (from..to).contains(&minute);
    }
    let before = if day == 1 { 7 } else { day - 1 };
    (opens(day) && minute >= from) || (opens(before) && minute < to)
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// All days with their words.
    const ALL: [(&'static str, Weekday); 7] = [
        ("mon", Weekday::Mon), ("tue", Weekday::Tue), ("wed", Weekday::Wed), ("thu", Weekday::Thu),
        ("fri", Weekday::Fri), ("sat", Weekday::Sat), ("sun", Weekday::Sun),
    ];

    /// The day that a word such as `mon` names.
    pub fn read(word: &str) -> Option<Weekday> {
        Weekday::ALL.iter().find(|(name, _)| *name == word).map(|(_, day)| *day)
    }

    /// 1 is Monday and 7 is Sunday.
    pub fn number(self) -> i64 {
        self as i64 + 1
    }
}

/// Hours on days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The days on which it opens.
    pub days: Vec<Weekday>,
    /// From this minute of the day.
    pub from: i64,
    /// To this minute, which is no part of it. If it is not later than `from`, it is the next day's.
    pub to: i64,
}

impl Window {
    /// Whether it is open at a moment.
    pub fn open(&self, at: Time) -> bool {
        between(at, self.from, self.to, |day| self.days.iter().any(|d| d.number() == day))
    }

    /// Refuses what is no window.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.days.is_empty() || self.days.len() > Weekday::ALL.len() {
            return Err(Refusal::invalid("window", "must name one to seven days"));
        }
        if ![self.from, self.to].iter().all(|m| (0..24 * 60).contains(m)) {
            return Err(Refusal::invalid("window", "must be from 00:00 to 23:59"));
        }
        Ok(())
    }

    /// As APIs show it.
    pub fn show(&self) -> Value {
        json!({ "days": self.days, "from": clock(self.from), "to": clock(self.to) })
    }
}

fn clock(minute: i64) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// The minute of the day that `22:30` is.
pub fn minute(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let part = |text: &str, below: i64| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i64>().ok().filter(|n| digits && *n < below)
    };
    Some(part(hour, 24)? * 60 + part(minute, 60)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_open_by_the_clock_of_utc_plus_8() {
        let night = Window { days: vec![Weekday::Sat], from: 22 * 60, to: 4 * 60 };
        let noon = Window { days: vec![Weekday::Mon, Weekday::Fri], from: 12 * 60, to: 13 * 60 };
        let whole = Window { days: vec![Weekday::Sun], from: 0, to: 0 };
        // 2026-01-31 is a Saturday.
        let cases = [
            (&night, "2026-01-31T13:59:59Z", false),
            (&night, "2026-01-31T14:00:00Z", true),
            (&night, "2026-01-31T19:59:59Z", true),
            (&night, "2026-01-31T20:00:00Z", false),
            (&night, "2026-01-30T19:00:00Z", false),
            (&noon, "2026-01-30T04:00:00Z", true),
            (&noon, "2026-01-30T05:00:00Z", false),
            (&noon, "2026-01-31T04:30:00Z", false),
            (&whole, "2026-01-31T16:00:00Z", true),
            (&whole, "2026-02-01T15:59:59Z", true),
            (&whole, "2026-02-01T16:00:00Z", false),
            (&noon, "1969-12-29T04:30:00Z", true),
        ];
        for (window, at, want) in cases {
            assert_eq!(window.open(Time::parse(at).unwrap()), want, "{at} {window:?}");
        }
        // Wednesday 2024-02-28 23:30 UTC is Thursday 07:30.
        assert_eq!(local(Time::parse("2024-02-28T23:30:00Z").unwrap()), (4, 450));
    }

    #[test]
    fn times_of_day_and_days_are_read() {
        let cases = [("00:00", Some(0)), ("22:30", Some(1350)), ("24:00", None), ("7:00", None),
            ("07:60", None), ("+7:00", None), ("0700", None), ("07:00:00", None)];
        for (text, want) in cases {
            assert_eq!(minute(text), want, "{text}");
        }
        for (n, (word, day)) in (1..).zip(Weekday::ALL) {
            assert_eq!((Weekday::read(word), day.number()), (Some(day), n));
            assert_eq!(json!(day), json!(word));
        }
        for word in ["", "Mon", "monday", "1"] {
            assert_eq!(Weekday::read(word), None, "{word}");
        }
        let night = Window { days: vec![Weekday::Sat], from: 22 * 60 + 5, to: 0 };
        assert_eq!(night.show(), json!({ "days": ["sat"], "from": "22:05", "to": "00:00" }));
    }
}
