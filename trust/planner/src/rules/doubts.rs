//! Answers that do not go together. Each of them may be taken; together one of them is wrong.
//!
//! Problem: a plan that follows contradictory answers is as sure of itself as any other. What cannot be
//! true at all is refused when it is read; what is merely strange is drawn up as it was answered, said
//! at the conclusion that would change, and asked again. `then` is the field to look at again.

use super::Rule;

const fn doubt(field: &'static str, when: &'static [super::Test], zh: &'static str, en: &'static str,
    cites: &'static [&'static str]) -> Rule {
    Rule { when, then: field, zh, en, cites }
}

/// All of them. Rows about the same field do not hold at once where one of them says enough.
pub const DOUBTS: &[Rule] = &[
    doubt("business", &[("business_below", &["yes"])],
        "给定的业务类型低于按影响提出的：是定低了，还是影响填高了？请复核。",
        "The stated type of business is below what its impact suggests: is it too low, or is the impact \
            too high? Look at both again.",
        &["GD-I4"]),
    doubt("business", &[("core", &["yes"]), ("business", &["general", "important"])],
        "说是承载核心业务，又不是关键业务：请复核业务类型与影响。",
        "It is said to carry the core business, and yet not a critical one: look at the type of business \
            and the impact again.",
        &["GD-I4", "IAC-4.4.1-4"]),
    doubt("level", &[("level_below", &["yes"])],
        "给定的等保级别低于按影响提出的：是定低了，还是影响填高了？请复核。",
        "The stated level is below what its impact suggests: is it too low, or is the impact too high? \
            Look at both again.",
        &["5.2-0-3"]),
    doubt("level", &[("business", &["critical"]), ("level", &["1", "2"])],
        "关键业务却只在第二级或以下：受害客户成片时，所损害的已是社会秩序与公共利益，按 GB/T 22240 的\
            矩阵要到第三级以上。请复核影响范围与级别。",
        "A critical business at level 2 or below: harm to customers at large is harm to public order, for \
            which the matrix of GB/T 22240 gives level 3 and above. Look at whom it harms, and at the \
            level, again.",
        &["5.2-0-3", "GD-I4"]),
    doubt("level", &[("business", &["general", "important"]), ("class", &["4"]), ("level", &["1", "2"])],
        "第四类系统一旦故障，企业与用户损失巨大，却只在第二级或以下：按 GB/T 22240 的矩阵，危及公共利益\
            的要到第三级以上。请复核影响范围与级别，或类别所依据的输入。",
        "A failure in class 4 costs the enterprise and its customers dearly, and yet it is at level 2 or \
            below: what endangers the public interest is at level 3 and above by the matrix of GB/T \
            22240. Look at whom it harms and at the level again, or at what put it into this class.",
        &["5.2-0-3", "IAC-4.4.1-4"]),
    doubt("public_loss",
        &[("public_loss", &["none"]), ("data", &["personal", "credentials"]),
            ("amount", &["many", "massive"]), ("business", &["critical"])],
        "大量个人信息或鉴别数据、关键业务，却说不会使公众损失资金或外泄隐私：8-E-b 也讲隐私泄露。\
            请复核；若改为“可能”，去处将是私有云。",
        "Much personal information or many credentials under a critical business, and yet no loss of \
            the public's: 8-E-b is about leaks of privacy too. Look again; `possible` makes it a private \
            cloud.",
        &["8-E-a", "8-E-b"]),
    doubt("public_loss",
        &[("public_loss", &["none"]), ("data", &["personal", "credentials"]), ("amount", &["massive"]),
            ("business", &["important"])],
        "海量个人信息或鉴别数据、重要业务，却说不会使公众损失资金或外泄隐私：8-E-b 也讲隐私泄露。\
            请复核。",
        "A huge amount of personal information or credentials under an important business, and yet no \
            loss of the public's: 8-E-b is about leaks of privacy too. Look again.",
        &["8-E-a", "8-E-b"]),
    doubt("impact_scope", &[("public_loss", &["possible", "major"]), ("impact_scope", &["internal"])],
        "说公众会受损失，影响范围却只在机构内部：请复核。",
        "The public may lose, and yet a failure is said to harm the institution alone: look again.",
        &["8-E-a", "8-E-b", "GD-I4"]),
    doubt("impact_degree", &[("public_loss", &["major"]), ("impact_degree", &["slight"])],
        "说公众会有重大损失，影响程度却只是一般：请复核。",
        "The public may lose much, and yet the harm is said to be slight: look again.",
        &["8-E-a", "GD-I4"]),
    doubt("rto", &[("business", &["critical"]), ("recovery", &["c", "d"])],
        "关键业务只定了较宽的恢复目标：请复核。",
        "A critical business with loose recovery objectives: look at them again.",
        &["GD-N6", "IAC-7.4-6"]),
];
