//! When an approved change may be made: days of the week, from one time of day to another.
//!
//! Times are China Standard Time, UTC+8 without summer time, whatever the machine's own zone: an
//! institution's change calendar does not move with a host.

use jinyun_base::{Refusal, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// UTC+8, in seconds.
const ZONE: i64 = 8 * 3600;
const DAY: i64 = 86_400;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Day {
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

/// All days with their words.
pub(crate) const DAYS: [(&str, Day); 7] = [("mon", Day::Mon), ("tue", Day::Tue), ("wed", Day::Wed),
    ("thu", Day::Thu), ("fri", Day::Fri), ("sat", Day::Sat), ("sun", Day::Sun)];

/// A change window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The days on which it opens.
    pub days: Vec<Day>,
    /// From this minute of the day.
    pub from: i64,
    /// To this minute, which is no part of it. If it is not later than `from`, it is the next day's.
    pub to: i64,
}

impl Window {
    /// Whether it is open at a moment.
    pub fn open(&self, at: Time) -> bool {
        let local = at.0.div_euclid(Time::SECOND) + ZONE;
        let (day, minute) = (local.div_euclid(DAY), local.rem_euclid(DAY) / 60);
        // 1970-01-01 was a Thursday, the fourth day of a week that begins on Monday.
        let is = |day: i64| {
            let at = usize::try_from((day + 3).rem_euclid(7)).unwrap_or(0);
            DAYS.get(at).is_some_and(|(_, day)| self.days.contains(day))
        };
        if self.from < self.to {
            return is(day) && (self.from..self.to).contains(&minute);
        }
        (is(day) && minute >= self.from) || (is(day - 1) && minute < self.to)
    }

    /// Refuses what is no window.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.days.is_empty() || self.days.len() > DAYS.len() {
            return Err(Refusal::invalid("window", "must name one to seven days"));
        }
        if ![self.from, self.to].iter().all(|m| (0..24 * 60).contains(m)) {
            return Err(Refusal::invalid("window", "must be from 00:00 to 23:59"));
        }
        Ok(())
    }

    /// As the API shows it.
    pub(crate) fn show(&self) -> Value {
        json!({ "days": self.days, "from": clock(self.from), "to": clock(self.to) })
    }
}

fn clock(minute: i64) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// The minute of the day that `22:30` is.
pub(crate) fn minute(text: &str) -> Option<i64> {
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
        let night = Window { days: vec![Day::Sat], from: 22 * 60, to: 4 * 60 };
        let noon = Window { days: vec![Day::Mon, Day::Fri], from: 12 * 60, to: 13 * 60 };
        let whole = Window { days: vec![Day::Sun], from: 0, to: 0 };
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
    }

    #[test]
    fn times_of_day_are_read() {
        let cases = [("00:00", Some(0)), ("22:30", Some(1350)), ("24:00", None), ("7:00", None),
            ("07:60", None), ("+7:00", None), ("0700", None), ("07:00:00", None)];
        for (text, want) in cases {
            assert_eq!(minute(text), want, "{text}");
        }
    }
}
