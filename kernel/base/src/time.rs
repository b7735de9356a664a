//! Points in time, in microseconds since 1970 (UTC).

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// One second in the unit of [`Time`].
    pub const SECOND: i64 = 1_000_000;

    /// This time and so many seconds more.
    pub fn plus_seconds(self, seconds: i64) -> Time {
        Time(self.0.saturating_add(seconds.saturating_mul(Self::SECOND)))
    }

    /// Whole seconds from `earlier` to this time.
    pub fn seconds_since(self, earlier: Time) -> i64 {
        (self.0 - earlier.0) / Self::SECOND
    }

    fn date(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// `2026-01-31T08:00:00Z`: Nova, Neutron, Glance.
    pub fn seconds(self) -> String {
        let d = self.date();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            d.year(), u8::from(d.month()), d.day(), d.hour(), d.minute(), d.second()
        )
    }

    /// `2026-01-31T08:00:00.000000Z`: Keystone.
    pub fn micros(self) -> String {
        let d = self.date();
        let head = self.seconds();
        format!("{}.{:06}Z", &head[..head.len() - 1], d.microsecond())
    }

    /// `2026-01-31T08:00:00.000000` without a zone: Cinder.
    pub fn naive(self) -> String {
        let mut text = self.micros();
        text.pop();
        text
    }

    /// Reads RFC 3339.
    pub fn parse(text: &str) -> Option<Time> {
        let d = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(d.unix_timestamp_nanos() / 1000).ok().map(Time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_protocols_write_them() {
        let t = Time::parse("2024-02-29T23:59:58.012345Z").unwrap();
        assert_eq!(t.seconds(), "2024-02-29T23:59:58Z");
        assert_eq!(t.micros(), "2024-02-29T23:59:58.012345Z");
        assert_eq!(t.naive(), "2024-02-29T23:59:58.012345");
        assert_eq!(t.plus_seconds(3).seconds_since(t), 3);
    }
}
