//! Names that people cannot tell apart are one name.
//!
//! Problem: `Boss`, `boss` and a full-width `ｂｏｓｓ` look alike to whoever gives a role, and `аdmin` with
//! a Cyrillic first letter looks like `admin`. Mechanism: names are compared after compatibility
//! composition (NFKC) in small letters; a name holds no character that does not show; and no word of
//! it mixes alphabets whose letters look alike. Not the whole table of confusable letters of Unicode:
//! it would refuse honest names in one alphabet, so a whole word that looks like one of another
//! alphabet stays a name of its own. Chinese with Latin letters is nothing that looks like another.

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
        | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xFE00..=0xFE0F
        | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// Whether a character ends a word: whatever is no letter, no digit and no mark on one.
fn ends_word(c: char) -> bool {
    let mark = matches!(u32::from(c), 0x300..=0x36F | 0x483..=0x489 | 0x1AB0..=0x1AFF
        | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF | 0x2DE0..=0x2DFF | 0xFE20..=0xFE2F);
    !c.is_alphanumeric() && !mark
}

/// Whether one word of a name mixes Latin letters with those of an alphabet that has the like.
fn mixes(name: &str) -> bool {
    // Letters that are another letter in another dress count as that one.
    let plain: String = name.nfkc().collect();
    plain.split(ends_word).any(|word| {
        let of = |letters: fn(u32) -> bool| {
            word.chars().any(|c| c.is_alphabetic() && letters(u32::from(c)))
        };
        let latin = of(|c| matches!(c, 0x41..=0x2AF | 0x1D00..=0x1D25
            | 0x1E00..=0x1EFF | 0x2C60..=0x2C7F | 0xA720..=0xA7FF | 0xAB30..=0xAB5A));
        let greek = of(|c| matches!(c, 0x370..=0x3FF | 0x1D26..=0x1D2A | 0x1F00..=0x1FFF));
        let cyrillic = of(|c| matches!(c, 0x400..=0x52F | 0x1C80..=0x1C8F | 0x1D2B
            | 0x2DE0..=0x2DFF | 0xA640..=0xA69F));
        let armenian = of(|c| matches!(c, 0x531..=0x58F));
        let cherokee = of(|c| matches!(c, 0x13A0..=0x13FF | 0xAB70..=0xABBF));
        [latin, greek, cyrillic, armenian, cherokee].into_iter().filter(|has| *has).count() > 1
    })
}

/// Refuses a name that is empty, too long, holds what does not show, or has a word that reads as
/// another one.
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
    if mixes(name) {
        let say = "mixes letters of alphabets that look alike in one word (such as Latin with \
                   Cyrillic or Greek): write each word in one alphabet";
        return Err(Refusal::invalid(field, say));
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
        for bad in ["", "  ", "\u{3000}", "a\u{200b}b", "a\u{202e}b", "a\u{2066}", "a\u{ad}", "a\nb",
            "a\u{2800}", "\u{feff}a", "a\u{fe0f}", "12345"] {
            assert!(check("name", bad, 4).is_err(), "{bad:?}");
        }
        for good in ["支付", "a b", "Zoë"] {
            assert!(check("name", good, 4).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_word_is_of_one_alphabet_where_letters_look_alike() {
        for (name, bad) in [
            ("admin", false), ("Иванов", false), ("Иванов IT", false), ("ops-иван", false),
            ("ops_иван.ru", false), ("αβγ", false), ("αβγ core", false), ("Zoë", false),
            ("张三ops", false), ("支付system", false), ("тест1", false), ("市场Отдел", false),
            ("カード-pay", false), ("Ａ股", false), ("Łódź", false), ("Việt", false),
            // The first letter, one inside, the last one; small and large; next to a digit.
            ("аdmin", true), ("pаyroll", true), ("payrollа", true), ("ADMIN\u{410}", true),
            ("p4yа", true), ("αdmin", true), ("bοss", true), ("Вοss", true), ("аο", true),
            ("ops аdmin", true), ("支付аpp", true), ("\u{561}dmin", true), ("\u{13aa}dmin", true),
            // Dresses of Latin letters, and a mark between two letters.
            ("ａdmiн", true), ("\u{1d41a}дmin", true), ("p\u{327}ау", true),
        ] {
            let came = check("name", name, 255);
            assert_eq!(came.is_err(), bad, "{name}");
            if let Err(refusal) = came {
                let say = refusal.to_string();
                assert!(say.starts_with("name mixes letters") && !say.contains(name), "{say}");
            }
        }
    }
}
