//! Lengths of time in the calendar: a duty that is due every six months is due on the same day of
//! the month, which no count of days is. By hand, because half a page of arithmetic is less than a
//! second library for dates beside the one below the kernel.

use jinyun_base::Time;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A length of time as ISO 8601 writes it, in whole months and days: `P6M`, `P1Y`, `P30D`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    months: u16,
    days: u16,
}

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
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date of a day number: year, month, day.
fn date(number: i64) -> (i64, i64, i64) {
    let number = number + 719_468;
    let (era, day) = (number.div_euclid(146_097), number.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

impl Period {
    /// So much later, at the same time of the day; where that month is too short, on its last day.
    pub fn after(self, from: Time) -> Time {
        const DAY: i64 = 86_400 * Time::SECOND;
        let (number, time) = (from.0.div_euclid(DAY), from.0.rem_euclid(DAY));
        let (year, month, day) = date(number);
        let months = year * 12 + month - 1 + i64::from(self.months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let day = day.min(days_of(year, month));
        let number = day_number(year, month, day) + i64::from(self.days);
        Time(number.saturating_mul(DAY).saturating_add(time))
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
            // Units come in order and once.
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

    #[test]
    fn periods_follow_the_calendar() {
        let cases = [
            ("P6M", "2026-08-31T12:00:00Z", "2027-02-28T12:00:00Z"),
            ("P1M", "2024-01-31T00:00:00Z", "2024-02-29T00:00:00Z"),
            ("P1Y", "2024-02-29T23:59:59Z", "2025-02-28T23:59:59Z"),
            ("P3M", "2026-11-21T01:02:03Z", "2027-02-21T01:02:03Z"),
            ("P1Y6M", "1999-12-01T00:00:00Z", "2001-06-01T00:00:00Z"),
            ("P2W", "2000-02-20T00:00:00Z", "2000-03-05T00:00:00Z"),
            ("P30D", "1969-12-15T08:00:00Z", "1970-01-14T08:00:00Z"),
            ("P1Y1D", "2099-12-31T00:00:00Z", "2101-01-01T00:00:00Z"),
        ];
        for (period, from, want) in cases {
            let from = Time::parse(from).unwrap();
            let after = Period::try_from(period.to_string()).unwrap().after(from);
            assert_eq!(after.seconds(), want, "{period} after {}", from.seconds());
        }
        // Every day of four hundred years has its number and back.
        for number in -200_000..200_000 {
            let (year, month, day) = date(number);
            assert_eq!(day_number(year, month, day), number);
            assert!((1..=days_of(year, month)).contains(&day), "{year}-{month}-{day}");
        }
    }

    #[test]
    fn periods_are_read_and_written() {
        for (text, written) in [("P6M", "P6M"), ("P12M", "P1Y"), ("P1Y2M3D", "P1Y2M3D"),
            ("P2W", "P14D"), ("P18M", "P1Y6M")] {
            let period = Period::try_from(text.to_string()).unwrap();
            assert_eq!(period.to_string(), written, "{text}");
            assert_eq!(Every::try_from(text.to_string()), Ok(Every::Period(period)));
        }
        for bad in ["", "P", "6M", "P6", "PM", "P0M", "P6m", "P1M1Y", "P1M1M", "P-1M", "P1.5M", "PT5M",
            "P99999M", "P1é", "P70000D", "Once"] {
            assert!(Period::try_from(bad.to_string()).is_err(), "{bad}");
            assert!(Every::try_from(bad.to_string()).is_err(), "{bad}");
        }
        assert_eq!(Every::try_from("once".to_string()), Ok(Every::Once));
        assert_eq!(String::from(Every::Once), "once");
    }
}
