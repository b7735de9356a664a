//! Days and lengths of time in the calendar, in UTC+8 without summer time.
//!
//! A duty is due on a day and not at a second: "twice a year" is the same day of the month half a
//! year later, which no count of seconds is, and the day ends when it ends for the people who owe
//! it, whatever the machine's own zone. So everything here counts days, and the zone is used only
//! where a day meets a point in time. By hand: half a page of arithmetic is less than the second
//! part of a library that is here for the writing of times alone.

use crate::hours::{DAY, ZONE};
use crate::{Refusal, Time};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A day of the calendar, written `2026-01-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(i64);

/// Days of a month.
fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date: years are counted from March, so that a leap day is a year's last.
fn number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl Day {
    /// The day on which a moment falls.
    pub fn of(at: Time) -> Day {
        Day((at.0.div_euclid(Time::SECOND) + ZONE).div_euclid(DAY))
    }

    /// Its first moment.
    pub fn start(self) -> Time {
        Time((self.0 * DAY - ZONE) * Time::SECOND)
    }

    /// Its last moment.
    pub fn end(self) -> Time {
        Time(self.plus(1).start().0 - 1)
    }

    /// So many days later.
    pub fn plus(self, days: i64) -> Day {
        Day(self.0 + days)
    }

    /// How many days it is after another one.
    pub fn since(self, earlier: Day) -> i64 {
        self.0 - earlier.0
    }

    /// Year, month, day.
    fn date(self) -> (i64, i64, i64) {
        let number = self.0 + 719_468;
        let (era, day) = (number.div_euclid(146_097), number.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let of_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        (year + era * 400 + i64::from(month <= 2), month, day)
    }

    /// Reads `2026-01-31`; refuses under the name of the field.
    pub fn read(field: &str, text: &str) -> Result<Day, Refusal> {
        Day::try_from(text.to_string())
            .map_err(|_| Refusal::invalid(field, "must be a day of the calendar, like 2026-01-31"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

impl TryFrom<String> for Day {
    type Error = String;

    fn try_from(text: String) -> Result<Day, String> {
        let bad = || "is no day of the calendar such as 2026-01-31".to_string();
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts[..] else { return Err(bad()) };
        let read = |part: &str, length: usize| {
            let digits = part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
            part.parse::<i64>().ok().filter(|_| digits).ok_or_else(bad)
        };
        let (year, month, day) = (read(year, 4)?, read(month, 2)?, read(day, 2)?);
        if year < 1970 || !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
            return Err(bad());
        }
        Ok(Day(number(year, month, day)))
    }
}

/// A length of time as ISO 8601 writes it, in whole months and days: `P6M`, `P1Y`, `P2W`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    months: u16,
    days: u16,
}

impl Period {
    /// One year.
    pub const YEAR: Period = Period { months: 12, days: 0 };

    /// So much later; where that month is too short, on its last day.
    pub fn after(self, from: Day) -> Day {
        let (year, month, day) = from.date();
        let months = year * 12 + month - 1 + i64::from(self.months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        Day(number(year, month, day.min(days_of(year, month))) + i64::from(self.days))
    }

    /// So much later, at the same time of the day.
    pub fn after_moment(self, from: Time) -> Time {
        let day = Day::of(from);
        from.plus_seconds(self.after(day).since(day) * DAY)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (years, months) = (self.months / 12, self.months % 12);
        f.write_str("P")?;
        for (count, unit) in [(years, 'Y'), (months, 'M'), (self.days, 'D')] {
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl From<Period> for String {
    fn from(period: Period) -> String {
        period.to_string()
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Period, String> {
        let bad = || "is no length of time such as P6M, P1Y or P30D".to_string();
        let mut rest = text.strip_prefix('P').ok_or_else(bad)?;
        let (mut months, mut days) = (0_u16, 0_u16);
        let mut units = "YMWD".chars();
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
            let count: u16 = rest[..end].parse().map_err(|_| bad())?;
            let unit = rest[end..].chars().next().ok_or_else(bad)?;
            // Units come in order and once; what is longer than a lifetime is a slip of the pen.
            if !units.any(|u| u == unit) || count > 1000 {
                return Err(bad());
            }
            match unit {
                'Y' => months += count * 12,
                'M' => months += count,
                'W' => days += count * 7,
                _ => days += count,
            }
            rest = &rest[end + 1..];
        }
        match (months, days) {
            (0, 0) => Err(bad()),
            _ => Ok(Period { months, days }),
        }
    }
}

/// How often a duty comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Every {
    /// It is done once.
    Once,
    /// Again and again.
    Period(Period),
}

impl From<Every> for String {
    fn from(every: Every) -> String {
        match every {
            Every::Once => "once".into(),
            Every::Period(period) => period.into(),
        }
    }
}

impl TryFrom<String> for Every {
    type Error = String;

    fn try_from(text: String) -> Result<Every, String> {
        if text == "once" {
            return Ok(Every::Once);
        }
        let period = Period::try_from(text);
        period.map(Every::Period).map_err(|_| "is neither `once` nor a time such as P6M".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::try_from(text.to_string()).unwrap()
    }

    #[test]
    fn periods_follow_the_calendar() {
        let cases = [
            ("P6M", "2026-08-31", "2027-02-28"),
            ("P6M", "2027-08-31", "2028-02-29"),
            ("P1M", "2024-01-31", "2024-02-29"),
            ("P1M", "2024-02-29", "2024-03-29"),
            ("P1M", "2026-03-31", "2026-04-30"),
            ("P3M", "2026-11-30", "2027-02-28"),
            ("P1Y", "2024-02-29", "2025-02-28"),
            ("P4Y", "2024-02-29", "2028-02-29"),
            ("P1Y", "2099-02-28", "2100-02-28"),
            ("P1Y6M", "1999-12-01", "2001-06-01"),
            ("P2W", "2000-02-20", "2000-03-05"),
            ("P30D", "2026-12-15", "2027-01-14"),
            ("P1Y1D", "2099-12-31", "2101-01-01"),
        ];
        for (period, from, want) in cases {
            let after = Period::try_from(period.to_string()).unwrap().after(day(from));
            assert_eq!(after.to_string(), want, "{period} after {from}");
        }
        let moments = [
            ("P6M", "2026-08-31T12:00:00Z", "2027-02-28T12:00:00Z"),
            ("P1Y", "2024-02-29T23:59:59Z", "2025-02-28T23:59:59Z"),
            ("P3M", "2026-11-21T01:02:03Z", "2027-02-21T01:02:03Z"),
            ("P30D", "1969-12-15T08:00:00Z", "1970-01-14T08:00:00Z"),
            // The last of August in the zone, and so the last of September.
            ("P1M", "2026-08-30T16:00:00Z", "2026-09-29T16:00:00Z"),
        ];
        for (period, from, want) in moments {
            let from = Time::parse(from).unwrap();
            let after = Period::try_from(period.to_string()).unwrap().after_moment(from);
            assert_eq!(after.seconds(), want, "{period} after {}", from.seconds());
        }
        // Every day of some four hundred years has its number and back.
        for n in -200_000..200_000 {
            let (year, month, of_month) = Day(n).date();
            assert_eq!(number(year, month, of_month), n);
            assert!((1..=days_of(year, month)).contains(&of_month), "{}", Day(n));
        }
    }

    #[test]
    fn days_begin_and_end_in_utc_plus_8() {
        let cases = [
            ("2026-01-31T15:59:59.999999Z", "2026-01-31"),
            ("2026-01-31T16:00:00Z", "2026-02-01"),
            ("2024-02-28T16:00:00Z", "2024-02-29"),
            ("2024-02-29T15:59:59Z", "2024-02-29"),
            ("1970-01-01T00:00:00Z", "1970-01-01"),
            ("2026-12-31T16:30:00Z", "2027-01-01"),
        ];
        for (at, want) in cases {
            let at = Time::parse(at).unwrap();
            let day = Day::of(at);
            assert_eq!(day.to_string(), want, "{}", at.micros());
            assert!(day.start() <= at && at <= day.end());
            assert_eq!((Day::of(day.start()), Day::of(day.end())), (day, day));
            assert_eq!(Day::of(Time(day.end().0 + 1)), day.plus(1));
        }
        assert_eq!(day("2026-02-01").start().seconds(), "2026-01-31T16:00:00Z");
        assert_eq!(day("2028-03-01").since(day("2028-02-28")), 2);
    }

    #[test]
    fn what_is_no_day_and_no_period_is_refused() {
        for bad in ["", "2026-02-29", "2026-13-01", "2026-00-10", "2026-1-01", "26-01-01",
            "2026-01-32", "2026-01-01T00:00:00Z", "1969-12-31", "+026-01-01", "2026-01-1é"] {
            assert!(Day::try_from(bad.to_string()).is_err(), "{bad}");
        }
        for bad in ["", "P", "6M", "P6", "PM", "P0M", "P6m", "P1M1Y", "P1M1M", "P-1M", "P1.5M", "PT5M",
            "P99999M", "P1é", "P70000D", "Once"] {
            assert!(Period::try_from(bad.to_string()).is_err(), "{bad}");
            assert!(Every::try_from(bad.to_string()).is_err(), "{bad}");
        }
        for (text, written) in [("P6M", "P6M"), ("P12M", "P1Y"), ("P1Y2M3D", "P1Y2M3D"),
            ("P2W", "P14D"), ("P18M", "P1Y6M")] {
            let period = Period::try_from(text.to_string()).unwrap();
            assert_eq!(period.to_string(), written, "{text}");
            assert_eq!(Every::try_from(text.to_string()), Ok(Every::Period(period)));
        }
        assert_eq!(Every::try_from("once".to_string()), Ok(Every::Once));
        assert_eq!(String::from(Every::Once), "once");
    }
}
