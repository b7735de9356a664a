//! One-time codes from a shared secret and the time (RFC 6238: SHA-1, 6 digits, 30 seconds).
//!
//! Problem: a code that is seen over a shoulder is good for the rest of its half minute, and one
//! step earlier or later, because clocks differ. Mechanism: a code belongs to a step, and the
//! caller accepts each step of a user once (the step is stored by the command that records the
//! login). Codes are compared without telling by the time where they differ, and every secret and
//! every step is tried, whichever fits.

use jinyun_base::{Secret, Time};
use jinyun_kms::Kms;

/// Seconds of a step.
const STEP: i64 = 30;
/// Steps that a clock may be off, each way.
const SKEW: i64 = 1;
/// Digits of a code.
pub(crate) const DIGITS: usize = 6;
/// Bytes that a shared secret must have (RFC 4226, R6). A shorter one fits no code.
const SECRET: usize = 16;

/// A secret as authenticators write it: base32 (RFC 4648), in groups or not, padded or not.
pub(crate) fn secret(text: &str) -> Option<Secret<Vec<u8>>> {
    let mut out = Vec::new();
    let (mut buffer, mut bits) = (0u32, 0u32);
    for c in text.trim_end_matches('=').bytes().filter(|c| !b" -".contains(c)) {
        let value = match c.to_ascii_uppercase() {
            c @ b'A'..=b'Z' => c - b'A',
            c @ b'2'..=b'7' => c - b'2' + 26,
            _ => return None,
        };
        buffer = (buffer << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    Some(Secret::new(out)).filter(|s| s.expose().len() >= SECRET)
}

/// The step of a moment.
pub(crate) fn step(now: Time) -> i64 {
    now.0.div_euclid(Time::SECOND * STEP)
}

/// The code of a step.
fn code(secret: &[u8], step: i64) -> String {
    let mac = Kms::hmac_sha1(secret, &step.to_be_bytes());
    let at = mac.last().map_or(0, |b| usize::from(b & 15));
    let word = mac.get(at..at + 4).and_then(|w| <[u8; 4]>::try_from(w).ok()).unwrap_or_default();
    let number = (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000;
    format!("{number:0DIGITS$}")
}

/// The step whose code this is, of those that count now.
pub(crate) fn fitting(secrets: &[Secret<Vec<u8>>], passcode: &str, now: Time)
    -> Option<i64> {
    let now = step(now);
    let mut found = None;
    for secret in secrets {
        for step in now - SKEW..=now + SKEW {
            if Kms::same(code(secret.expose(), step).as_bytes(), passcode.as_bytes()) {
                found = found.max(Some(step));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_rfc() {
        let key = b"12345678901234567890";
        // RFC 6238, appendix B, the last six of eight digits.
        for (time, want) in [(59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"),
            (1_234_567_890, "005924"), (2_000_000_000, "279037"), (20_000_000_000, "353130")] {
            assert_eq!(code(key, step(Time(time * Time::SECOND))), want, "{time}");
        }
        let text = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        for text in [text, "gezd gnbv gy3t qojq gezd gnbv gy3t qojq", &format!("{text}====")] {
            assert_eq!(secret(text).unwrap().expose(), key, "{text}");
        }
        for bad in ["", "GEZDGNBV", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", "pass word"] {
            assert!(secret(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn clocks_may_be_off_by_one_step() {
        let secrets = [Secret::new(b"12345678901234567890".to_vec())];
        let at = |seconds: i64| Time(seconds * Time::SECOND);
        let this = step(at(59));
        for (seconds, want) in [(29, Some(this)), (0, Some(this)), (60, Some(this)),
            (89, Some(this)), (90, None), (-1, None)] {
            assert_eq!(fitting(&secrets, "287082", at(seconds)), want, "{seconds}");
        }
        assert_eq!(fitting(&secrets, "287083", at(59)), None);
        assert_eq!(fitting(&secrets, "28708", at(59)), None);
        assert_eq!(fitting(&[], "287082", at(59)), None);
    }
}
