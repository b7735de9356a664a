//! Names that people cannot tell apart are one name.
//!
//! Problem: `Boss`, `boss` and a full-width `ｂｏｓｓ` look alike to whoever gives a role. Mechanism:
//! names are compared after compatibility composition (NFKC) in small letters, and a name holds no
//! character that does not show. Letters of different scripts that look alike stay different:
//! refusing them would refuse honest names too.

use jinyun_base::Refusal;
use unicode_normalization::UnicodeNormalization;

/// Longest name of a domain or project, in characters, as in Keystone.
pub(crate) const SHORT: usize = 64;

/// What a name is compared by.
pub fn fold(name: &str) -> String {
    let plain: String = name.trim().nfkc().collect();
    let small = plain.to_lowercase();
    small.nfkc().collect()
}

/// Whether a character shows nothing, or turns the direction of what follows.
fn unseen(c: char) -> bool {
    c.is_control() || matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F
        | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// Refuses a name that is empty, too long, or holds what does not show.
pub(crate) fn check(field: &'static str, name: &str, longest: usize) -> Result<(), Refusal> {
    if fold(name).is_empty() {
        return Err(Refusal::invalid(field, "is empty"));
    }
    if name.chars().count() > longest {
        return Err(Refusal::invalid(field, format!("is longer than {longest} characters")));
    }
    if name.chars().any(unseen) {
        return Err(Refusal::invalid(field, "holds a character that does not show"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_are_one_name() {
        for (a, b) in [("Boss", "boss"), ("ｂｏｓｓ", "BOSS"), ("ﬁn", "FIN"), (" pay ", "pay"),
            ("Ａ股", "a股"), ("e\u{301}", "\u{c9}")] {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        assert_ne!(fold("pay"), fold("pаy"), "another script is another letter");
    }

    #[test]
    fn what_does_not_show_is_refused() {
        for bad in ["", "  ", "\u{3000}", "a\u{200b}b", "a\u{202e}b", "a\u{ad}", "a\nb", "12345"] {
            assert!(check("name", bad, 4).is_err(), "{bad:?}");
        }
        for good in ["支付", "a b", "Zoë"] {
            assert!(check("name", good, 4).is_ok(), "{good:?}");
        }
    }
}
