//! What a system is: its information, business, level, class, importance, and what protects it.
//!
//! The sources leave some thresholds to the institution (how much impact makes a business critical);
//! rows that fill such a gap say that they only propose.

use super::{Conclusion, Facts, Reason, Rule};
use crate::words::{Recovery, Word};

/// Type of information: the first row that holds.
pub const INFO: &[Rule] = &[
    Rule {
        when: &[("data", &["state_secret"])],
        then: "secret",
        zh: "含国家秘密，依保密法规管理，不属于云上可处理的信息。",
        en: "It holds state secrets, which secrecy law governs: nothing that a cloud handles.",
        cites: &["GD-I1"],
    },
    Rule {
        when: &[("data", &["personal"])],
        then: "sensitive",
        zh: "含个人信息，属敏感类：防泄露、防丢失、防滥用、防改、防毁，并按个人信息规定保护。",
        en: "It holds personal information: sensitive, and protected as the rules on it demand.",
        cites: &["GD-I2", "9.1-B-b"],
    },
    Rule {
        when: &[("data", &["important", "credentials", "trade_secret", "property", "work_secret",
            "strategic"])],
        then: "sensitive",
        zh: "含不宜公开的数据，属敏感类，要先识别并按敏感程度分类。",
        en: "It holds data that must not become public: sensitive, to be found and graded first.",
        cites: &["GD-I2", "9.1-B-a"],
    },
    Rule {
        when: &[("data", &["public"])],
        then: "public",
        zh: "只含公开信息，属公开类：防改、防丢。",
        en: "It holds public information only: kept from being changed or lost.",
        cites: &["GD-I3"],
    },
];

const GRADED: &str = "按中断影响的范围与程度提出；指南没有给出刻度，由机构确认。";
const GRADED_EN: &str = "Proposed from whom an interruption harms and how badly; the guide gives no \
    scale, so the institution confirms it.";

const fn business(when: &'static [super::Test], then: &'static str) -> Rule {
    Rule { when, then, zh: GRADED, en: GRADED_EN, cites: &["GD-I4"] }
}

/// Type of business, where the inventory does not say it.
pub const BUSINESS: &[Rule] = &[
    business(&[("impact_scope", &["national"])], "critical"),
    business(&[("impact_scope", &["public"]), ("impact_degree", &["serious", "severe"])], "critical"),
    business(&[("impact_scope", &["public"]), ("impact_degree", &["slight"])], "important"),
    business(&[("impact_scope", &["customers"]), ("impact_degree", &["severe"])], "critical"),
    business(&[("impact_scope", &["customers"]), ("impact_degree", &["serious"])], "important"),
    business(&[("impact_scope", &["internal"]), ("impact_degree", &["serious", "severe"])],
        "important"),
    business(&[("impact_scope", &["customers", "internal"]), ("impact_degree", &["slight"])],
        "general"),
];

const LEVELLED: &str = "按 GB/T 22240 的定级矩阵（受侵害的客体与程度）提出，该标准不在所引条款之列；须经定级评审\
    并备案才算数。平台的级别不得低于它。";
const LEVELLED_EN: &str = "Proposed by the matrix of GB/T 22240 (whom harm would befall, and how badly), \
    which is not among the standards cited here; it counts once it is reviewed and filed. The platform's \
    level must not be below it.";

const fn level(when: &'static [super::Test], then: &'static str) -> Rule {
    Rule { when, then, zh: LEVELLED, en: LEVELLED_EN, cites: &["5.2-0-3"] }
}

/// Level of classified protection, where the inventory does not say it.
pub const LEVEL: &[Rule] = &[
    level(&[("impact_scope", &["national"]), ("impact_degree", &["severe"])], "5"),
    level(&[("impact_scope", &["national"]), ("impact_degree", &["serious"])], "4"),
    level(&[("impact_scope", &["public"]), ("impact_degree", &["severe"])], "4"),
    level(&[("impact_scope", &["national"]), ("impact_degree", &["slight"])], "3"),
    level(&[("impact_scope", &["public"]), ("impact_degree", &["serious"])], "3"),
    level(&[("impact_scope", &["public"]), ("impact_degree", &["slight"])], "2"),
    level(&[("impact_scope", &["customers", "internal"]), ("impact_degree", &["serious", "severe"])],
        "2"),
    level(&[("impact_scope", &["customers", "internal"]), ("impact_degree", &["slight"])], "1"),
];

/// Class of the system: the highest row that holds. A system that the standard names is in the class
/// that names it, or in a higher one that its data, its encryption or its rework put it in.
pub const CLASS: &[Rule] = &[
    Rule {
        when: &[("family_class", &["1"])],
        then: "1",
        zh: "标准把这种系统列在第一类。",
        en: "The standard names this sort of system in class 1.",
        cites: &["IAC-4.4.1-1"],
    },
    Rule {
        when: &[("family_class", &["2"])],
        then: "2",
        zh: "标准把这种系统列在第二类。",
        en: "The standard names this sort of system in class 2.",
        cites: &["IAC-4.4.1-2"],
    },
    Rule {
        when: &[("family_class", &["3"])],
        then: "3",
        zh: "标准把这种系统列在第三类。",
        en: "The standard names this sort of system in class 3.",
        cites: &["IAC-4.4.1-3"],
    },
    Rule {
        when: &[("family_class", &["4"])],
        then: "4",
        zh: "标准把这种系统列在第四类。",
        en: "The standard names this sort of system in class 4.",
        cites: &["IAC-4.4.1-4"],
    },
    Rule {
        when: &[("core", &["yes"])],
        then: "4",
        zh: "承载核心业务，一旦故障损失巨大。",
        en: "It carries the core business; a failure would cost dearly.",
        cites: &["IAC-4.4.1-4"],
    },
    Rule {
        when: &[("amount", &["none", "few"])],
        then: "1",
        zh: "敏感数据没有或较少。",
        en: "It holds little or no sensitive data.",
        cites: &["IAC-4.4.1-0", "IAC-4.4.1-1"],
    },
    Rule {
        when: &[("amount", &["some"])],
        then: "2",
        zh: "有一部分敏感数据。",
        en: "It holds some sensitive data.",
        cites: &["IAC-4.4.1-0", "IAC-4.4.1-2"],
    },
    Rule {
        when: &[("amount", &["many"])],
        then: "3",
        zh: "敏感数据较多。",
        en: "It holds much sensitive data.",
        cites: &["IAC-4.4.1-0", "IAC-4.4.1-3"],
    },
    Rule {
        when: &[("amount", &["massive"])],
        then: "4",
        zh: "敏感数据数量庞大。",
        en: "It holds a huge amount of sensitive data.",
        cites: &["IAC-4.4.1-0", "IAC-4.4.1-4"],
    },
    Rule {
        when: &[("amount", &["few"]), ("encryption", &["high", "average", "low"])],
        then: "2",
        zh: "敏感数据虽少，但加解密方案还达不到第一类所要的很高可靠性。",
        en: "There is little sensitive data, but its encryption is not as reliable as class 1 takes \
            it to be.",
        cites: &["IAC-4.4.1-1", "IAC-4.4.2-1"],
    },
    Rule {
        when: &[("amount", &["some"]), ("encryption", &["average", "low"])],
        then: "3",
        zh: "加解密方案的可靠性够不上第二类。",
        en: "Its encryption is not as reliable as class 2 takes it to be.",
        cites: &["IAC-4.4.1-2", "IAC-4.4.1-3"],
    },
    Rule {
        when: &[("amount", &["many"]), ("encryption", &["low"])],
        then: "4",
        zh: "敏感数据较多而加解密方案可靠性低，按第四类从严对待。",
        en: "There is much sensitive data and its encryption is weak: treated as class 4.",
        cites: &["IAC-4.4.1-3", "IAC-4.4.1-4"],
    },
    Rule {
        when: &[("rework", &["interfaces"])],
        then: "2",
        zh: "上云要改接口与数据对接。",
        en: "Interfaces and data feeds have to be rebuilt.",
        cites: &["IAC-4.4.1-2"],
    },
    Rule {
        when: &[("rework", &["distributed", "hard"])],
        then: "3",
        zh: "上云要做分布式改造，或改造困难。",
        en: "It needs a distributed redesign, or is hard to rebuild at all.",
        cites: &["IAC-4.4.1-3"],
    },
];

/// What the provider must be able to do: information against business.
pub const PROTECTION: &[Rule] = &[
    Rule {
        when: &[("info", &["public"]), ("business", &["general"])],
        then: "general",
        zh: "公开类信息、一般业务。",
        en: "Public information, general business.",
        cites: &["GD-P1"],
    },
    Rule {
        when: &[("info", &["public"]), ("business", &["important"])],
        then: "enhanced",
        zh: "公开类信息、重要业务。",
        en: "Public information, important business.",
        cites: &["GD-P2"],
    },
    Rule {
        when: &[("info", &["public"]), ("business", &["critical"])],
        then: "enhanced",
        zh: "公开类信息、关键业务。",
        en: "Public information, critical business.",
        cites: &["GD-P3"],
    },
    Rule {
        when: &[("info", &["sensitive"]), ("business", &["general"])],
        then: "enhanced",
        zh: "敏感类信息、一般业务。",
        en: "Sensitive information, general business.",
        cites: &["GD-P4"],
    },
    Rule {
        when: &[("info", &["sensitive"]), ("business", &["important"])],
        then: "enhanced",
        zh: "敏感类信息、重要业务。",
        en: "Sensitive information, important business.",
        cites: &["GD-P5"],
    },
    Rule {
        when: &[("info", &["sensitive"]), ("business", &["critical"])],
        then: "high",
        zh: "敏感类信息、关键业务，并以私有云或社区云为宜。",
        en: "Sensitive information, critical business; a private or community cloud is preferred.",
        cites: &["GD-P6"],
    },
];

/// Importance among the institution's systems: the highest row that holds.
pub const IMPORTANCE: &[Rule] = &[
    Rule {
        when: &[("business", &["general"]), ("level", &["1", "2"])],
        then: "low",
        zh: "一般业务，等保级别不高。",
        en: "General business at a low level of classified protection.",
        cites: &["GD-I4", "IAC-7.3-0"],
    },
    Rule {
        when: &[("business", &["important"])],
        then: "medium",
        zh: "重要业务。",
        en: "Important business.",
        cites: &["GD-I4", "IAC-7.3-0"],
    },
    Rule {
        when: &[("business", &["critical"])],
        then: "high",
        zh: "关键业务。",
        en: "Critical business.",
        cites: &["GD-I4", "IAC-7.3-0"],
    },
    Rule {
        when: &[("level", &["3", "4", "5"])],
        then: "high",
        zh: "等保第三级及以上。",
        en: "Classified protection of level 3 or above.",
        cites: &["5.2-0-3", "IAC-7.3-0"],
    },
    Rule {
        when: &[("class", &["4"])],
        then: "high",
        zh: "第四类系统。",
        en: "A system of class 4.",
        cites: &["IAC-4.4.1-4"],
    },
];

/// Guardrails of its projects: the highest row that holds.
pub const PROFILE: &[Rule] = &[
    Rule {
        when: &[("class", &["1"])],
        then: "basic",
        zh: "第一类系统用基本护栏。",
        en: "A system of class 1 gets the basic guardrails.",
        cites: &["5.1-0-2", "IAC-4.4.1-1"],
    },
    Rule {
        when: &[("class", &["2", "3"])],
        then: "extended",
        zh: "第二、三类系统用扩展护栏。",
        en: "A system of class 2 or 3 gets the extended guardrails.",
        cites: &["5.1-0-2", "IAC-4.4.1-2", "IAC-4.4.1-3"],
    },
    Rule {
        when: &[("class", &["4"])],
        then: "enhanced",
        zh: "第四类系统用增强护栏。",
        en: "A system of class 4 gets the enhanced guardrails.",
        cites: &["5.1-0-2", "IAC-4.4.1-4"],
    },
    Rule {
        when: &[("protection", &["general"])],
        then: "basic",
        zh: "所需保护能力为一般。",
        en: "General protection is enough.",
        cites: &["GD-P1"],
    },
    Rule {
        when: &[("protection", &["enhanced"])],
        then: "extended",
        zh: "所需保护能力为增强。",
        en: "It needs enhanced protection.",
        cites: &["GD-P2", "GD-P3", "GD-P4", "GD-P5"],
    },
    Rule {
        when: &[("protection", &["high"])],
        then: "enhanced",
        zh: "所需保护能力为高级。",
        en: "It needs high protection.",
        cites: &["GD-P6"],
    },
    Rule {
        when: &[("model", &["public", "community", "hybrid"])],
        then: "extended",
        zh: "部署在多家共用的云上，扩展条款一并适用。",
        en: "On a cloud that others share the extended clauses apply too.",
        cites: &["5.1-0-2", "5.2-0-5"],
    },
];

const fn guard(profile: &'static str, zh: &'static str, en: &'static str,
    cites: &'static [&'static str]) -> Rule {
    Rule { when: &[], then: profile, zh, en, cites }
}

/// What a profile's guardrails refuse, on top of those before it: no more than what the platform does.
/// Whoever changes the list of guardrails changes this, and a test compares their clauses.
pub const GUARDS: &[Rule] = &[
    guard("basic",
        "不许：不设端口安全的端口与网络。各档都有而不能关的：卷一律加密；镜像须核对摘要，公共镜像只由服务商发布；\
            来宾口令加封保存；口令规则有下限。",
        "Refused: ports and networks without port security. Always kept: every volume is encrypted; images \
            are checked against their digests, and public ones are the provider's; a guest's password is \
            sealed; rules for passwords have a floor.",
        &["7.2.5-B-a", "7.2.5-B-b", "7.3-E-e", "7.4.7-B-b", "7.4.7-B-c", "9.3-B-b", "10.1-B-d", "10.1-E-b",
            "10.1-E-c"]),
    guard("extended",
        "另不许：向任意来源（或大于/8的网段）开放远程登录、数据库与管理端口；服务器没有密钥对，或有端口不归安全组\
            过滤；项目不标环境。",
        "Refused too: remote login, databases and ports of administration open to the world or to more \
            than a /8; servers without a key pair, or with a port that no security group filters; projects \
            that do not say what they are for.",
        &["7.2.3-B-a", "7.2.3-B-e", "7.2.3-E-b", "7.4.2-B-1", "7.4.2-E-a", "10.1-E-d", "11.3.4-E-a",
            "A.3-B-c", "A.3-B-d"]),
    guard("enhanced",
        "另不许：向任意来源（或大于/8的网段）开放不限协议或超过1024个端口的规则。",
        "Refused too: rules without a protocol, or over more than 1024 ports, open to the world or to more \
            than a /8.",
        &["7.2.3-E-b", "7.2.3-E-d"]),
];

/// A step of recovery: at most so many minutes for recovery time, and for the data that may be lost.
const RECOVERY: &[(u32, u32, Recovery)] = &[
    (30, 1, Recovery::A),
    (4 * 60, 30, Recovery::B),
    (24 * 60, 24 * 60, Recovery::C),
];

/// The step that the recovery objectives ask for: the stricter of the two decides.
pub fn recovery(facts: &Facts, rto: Option<u32>, rpo: Option<u32>) -> Conclusion<Recovery> {
    let cites: &[&'static str] = &["IAC-7.4-6", "GD-N6"];
    let rests_on = ["rto", "rpo"].map(|field| facts.input(field)).to_vec();
    let (Some(time), Some(point)) = (rto, rpo) else {
        let missing = [("rto", rto), ("rpo", rpo)];
        let ask = missing.iter().filter(|(_, given)| given.is_none()).map(|(field, _)| *field);
        return Conclusion {
            is: None,
            given: false,
            why: vec![Reason::new(
                "恢复时间与恢复点目标不全，不分档。",
                "Without both recovery objectives no step is chosen.",
                cites,
            )],
            rests_on,
            ask: ask.collect(),
            after: Vec::new(),
        };
    };
    let step = RECOVERY.iter().find(|(t, p, _)| time <= *t || point <= *p);
    let step = step.map_or(Recovery::D, |(_, _, step)| *step);
    let label = step.label();
    Conclusion {
        is: Some(step),
        given: false,
        why: vec![Reason::new(
            format!("两项目标取严者，落在“{}”。档次是本规划自设的，不是 JR/T 0168 的等级；T/IAC 只要求与\
                系统类别相称。", label.zh),
            format!("The stricter objective puts it into \"{}\". The steps are the planner's own \
                and not the levels of JR/T 0168; T/IAC asks that recovery fits the class.", label.en),
            cites,
        )],
        rests_on,
        ask: Vec::new(),
        after: Vec::new(),
    }
}
