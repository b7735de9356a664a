//! The fields of an inventory: headings, what is allowed, the question that a missing one raises.

use crate::words::*;

/// What a field holds.
pub enum Kind {
    /// A short name that others refer to.
    Id,
    /// Names of other rows.
    Ids,
    /// Text.
    Text,
    /// Texts.
    Texts,
    /// A span of time.
    Time,
    /// One word of a list.
    Word(fn() -> Vec<Label>),
    /// Words of a list.
    Words(fn() -> Vec<Label>),
}

/// A field.
pub struct Field {
    /// Its heading in JSON, YAML and CSV.
    pub code: &'static str,
    /// Its Chinese heading.
    pub zh: &'static str,
    /// Its name in English.
    pub en: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// The question, in Chinese and English; empty if nobody is asked.
    pub ask: (&'static str, &'static str),
    /// Why it is asked.
    pub cites: &'static [&'static str],
}

const NOBODY: (&str, &str) = ("", "");

/// About the institution as a whole.
pub const INSTITUTION: &[Field] = &[
    Field { code: "name", zh: "机构名称", en: "institution", kind: Kind::Text, ask: NOBODY, cites: &[] },
    Field {
        code: "stage", zh: "机构阶段", en: "stage", kind: Kind::Word(labels::<Stage>),
        ask: ("机构处于筹建期还是已开业？", "Is the institution being founded, or in business?"),
        cites: &["IAC-4.1-1", "IAC-4.1-2"],
    },
    Field {
        code: "private_cloud", zh: "私有云", en: "private cloud", kind: Kind::Word(labels::<Having>),
        ask: ("有没有自己的私有云，或正在规划？", "Is there a private cloud of its own, or one planned?"),
        cites: &["IAC-4.1-2", "IAC-5.2-1", "GD-N2"],
    },
    Field {
        code: "cloud_team", zh: "云平台团队", en: "cloud team", kind: Kind::Word(labels::<Choice>),
        ask: ("有没有能自己运行云平台的团队？", "Is there a team that can run a cloud platform?"),
        cites: &["GD-N2"],
    },
    Field {
        code: "platform_level", zh: "目标平台等保级别", en: "level of the platform",
        kind: Kind::Word(labels::<Level>),
        ask: ("拟用平台的等保级别是几级？", "At which level of classified protection is the platform?"),
        cites: &["5.2-0-3", "5.2-0-4", "12-E-a"],
    },
    Field {
        code: "two_centres", zh: "同城双中心", en: "two centres in one city",
        kind: Kind::Word(labels::<Choice>),
        ask: ("有没有同城双中心？", "Are there two centres in the same city?"),
        cites: &["IAC-5.2-5", "IAC-7.4-2"],
    },
];

/// About one system.
pub const SYSTEM: &[Field] = &[
    Field { code: "id", zh: "系统编号", en: "system id", kind: Kind::Id, ask: NOBODY, cites: &[] },
    Field { code: "name", zh: "系统名称", en: "system name", kind: Kind::Text, ask: NOBODY, cites: &[] },
    Field { code: "name_en", zh: "英文名称", en: "name in English", kind: Kind::Text, ask: NOBODY,
        cites: &[] },
    Field {
        code: "owner", zh: "责任部门", en: "responsible department", kind: Kind::Text,
        ask: ("由哪个部门对它的安全负责？", "Which department answers for its security?"),
        cites: &["GD-A2", "GD-B1"],
    },
    Field { code: "purpose", zh: "业务说明", en: "purpose", kind: Kind::Text, ask: NOBODY, cites: &[] },
    Field {
        code: "family", zh: "系统类别", en: "sort of system", kind: Kind::Word(families),
        ask: ("对应标准列举的哪一种系统？都不是则填“其他”。",
            "Which of the systems that the standard names is it? `other` if none."),
        cites: &["IAC-4.4.1-0"],
    },
    Field {
        code: "data", zh: "数据种类", en: "kinds of data", kind: Kind::Words(labels::<Data>),
        ask: ("保存或处理哪些种类的数据？", "Which kinds of data does it keep or handle?"),
        cites: &["GD-I1", "GD-I2", "GD-I3", "8-E-a"],
    },
    Field {
        code: "amount", zh: "敏感数据量", en: "amount of sensitive data", kind: Kind::Word(labels::<Amount>),
        ask: ("敏感数据有多少？", "How much sensitive data does it hold?"),
        cites: &["IAC-4.4.1-0"],
    },
    Field {
        code: "encryption", zh: "加解密可靠性", en: "reliability of encryption",
        kind: Kind::Word(labels::<Reliability>),
        ask: ("数据加解密方案的可靠性如何？", "How far can its encryption be relied on?"),
        cites: &["IAC-4.4.1-0", "IAC-4.4.2-2", "9.3-B-b"],
    },
    Field {
        code: "rework", zh: "改造难度", en: "rework", kind: Kind::Word(labels::<Rework>),
        ask: ("上云要做哪一种改造？", "What has to be rebuilt for a cloud?"),
        cites: &["IAC-4.4.1-0", "IAC-4.4.3-1"],
    },
    Field {
        code: "core", zh: "承载核心业务", en: "carries the core business",
        kind: Kind::Word(labels::<Choice>),
        ask: ("是否承载核心业务？", "Does it carry the core business?"),
        cites: &["IAC-4.4.1-4"],
    },
    Field {
        code: "impact_scope", zh: "影响范围", en: "whom a failure harms", kind: Kind::Word(labels::<Scope>),
        ask: ("故障或泄密会损害谁？", "Whom would a failure or a leak harm?"),
        cites: &["GD-I4", "8-E-a"],
    },
    Field {
        code: "impact_degree", zh: "影响程度", en: "how badly", kind: Kind::Word(labels::<Degree>),
        ask: ("损害到什么程度？", "How badly?"),
        cites: &["GD-I4", "8-E-a"],
    },
    Field {
        code: "public_loss", zh: "公众损失", en: "loss of the public", kind: Kind::Word(labels::<Loss>),
        ask: ("故障会不会使公众损失资金或使其隐私外泄？有其一即填“可能”，两者都会且重大填“重大”。",
            "May a failure cost the public money, or lay open its privacy? Either is `possible`; both, and \
                to a major extent, is `major`."),
        cites: &["8-E-a", "8-E-b"],
    },
    Field {
        code: "regulator_bars", zh: "监管禁用金融云", en: "barred by a regulator",
        kind: Kind::Word(labels::<Choice>),
        ask: ("监管部门有没有明令它不得使用金融云？", "Has a regulator said that it must not use a finance cloud?"),
        cites: &["8-E-a"],
    },
    Field {
        code: "business", zh: "业务类型", en: "type of business", kind: Kind::Word(labels::<Business>),
        ask: ("承载的是一般、重要还是关键业务？", "Is the business that it carries general, important or critical?"),
        cites: &["GD-I4"],
    },
    Field {
        code: "level", zh: "等保级别", en: "level of classified protection",
        kind: Kind::Word(labels::<Level>),
        ask: ("等保定为几级？", "At which level of classified protection is it?"),
        cites: &["5.2-0-3"],
    },
    Field {
        code: "software", zh: "软件来源", en: "origin of the software",
        kind: Kind::Word(labels::<Software>),
        ask: ("软件是自研、外购还是通用软件？", "Is the software one's own, a package, or common?"),
        cites: &["GD-N1"],
    },
    Field {
        code: "customization", zh: "定制程度", en: "customisation", kind: Kind::Word(labels::<Extent>),
        ask: ("定制程度如何？", "How much of it is customised?"),
        cites: &["GD-N1", "GD-N3"],
    },
    Field {
        code: "os_access", zh: "需掌管操作系统", en: "needs the operating system",
        kind: Kind::Word(labels::<Choice>),
        ask: ("是否必须自己掌管操作系统或使用专用硬件？", "Must the operating system or special hardware be in its hands?"),
        cites: &["GD-N1"],
    },
    Field {
        code: "change_rate", zh: "需求变化", en: "change of demands", kind: Kind::Word(labels::<Extent>),
        ask: ("业务需求变化多不多？", "How often do its functions change?"),
        cites: &["GD-N3"],
    },
    Field {
        code: "load", zh: "负载特征", en: "load", kind: Kind::Word(labels::<Load>),
        ask: ("负载平稳、周期波动还是有突发高峰？", "Is its load steady, periodic, or with sudden peaks?"),
        cites: &["GD-N4"],
    },
    Field {
        code: "latency", zh: "时延要求", en: "latency", kind: Kind::Word(labels::<Latency>),
        ask: ("对时延的要求如何？", "How long may an answer take?"),
        cites: &["GD-N5"],
    },
    Field {
        code: "rto", zh: "恢复时间目标", en: "recovery time objective", kind: Kind::Time,
        ask: ("中断后多久必须恢复？", "How soon must it be back after an interruption?"),
        cites: &["GD-N6", "IAC-7.4-6"],
    },
    Field {
        code: "rpo", zh: "恢复点目标", en: "recovery point objective", kind: Kind::Time,
        ask: ("最多可丢失多长时间的数据？", "How much time's data may be lost?"),
        cites: &["GD-N6", "IAC-7.4-6"],
    },
    Field {
        code: "internet", zh: "面向互联网", en: "faces the internet", kind: Kind::Word(labels::<Choice>),
        ask: ("是否面向互联网提供服务？", "Does it serve the internet?"),
        cites: &["7.2.5-E-c", "7.2.5-E-d", "IAC-5.3-0"],
    },
    Field {
        code: "split", zh: "前台可拆分", en: "front can be split off", kind: Kind::Word(labels::<Choice>),
        ask: ("前台能否与核心数据拆开部署？", "Can its front be deployed apart from its core data?"),
        cites: &["IAC-5.3-0"],
    },
    Field {
        code: "depends_on", zh: "依赖系统", en: "depends on", kind: Kind::Ids,
        ask: ("离了哪些系统就不能运行？没有则填“无”。",
            "Without which systems can it not run? `none` if there is none."),
        cites: &["GD-N8"],
    },
    Field {
        code: "shares_data_with", zh: "共享数据系统", en: "shares data with", kind: Kind::Ids,
        ask: ("与哪些系统共用同一份数据？没有则填“无”。",
            "With which systems does it share the same data? `none` if with none."),
        cites: &["GD-N8"],
    },
    Field {
        code: "interfaces", zh: "其他接口", en: "other interfaces", kind: Kind::Texts,
        ask: ("另有哪些接口要保持？没有则填“无”。",
            "Which other interfaces have to be kept? `none` if there is none."),
        cites: &["GD-N8"],
    },
    Field {
        code: "environments", zh: "环境", en: "environments", kind: Kind::Words(labels::<Environment>),
        ask: ("要生产、开发测试、灾备中的哪些环境？", "Which of production, test and recovery does it need?"),
        cites: &["IAC-7.1-1"],
    },
    Field {
        code: "location", zh: "数据所在地", en: "place of data", kind: Kind::Text,
        ask: ("数据与副本现在何处、要放何处？", "Where are its data and copies, and where are they to be?"),
        cites: &["GD-N9"],
    },
    Field {
        code: "abroad", zh: "出境需求", en: "need abroad", kind: Kind::Word(labels::<Choice>),
        ask: ("有没有数据出境或境外访问的需求？", "Must data leave the country or be reached from abroad?"),
        cites: &["GD-N9", "9.5-B-d"],
    },
    Field {
        code: "exit_plan", zh: "退出计划", en: "exit plan", kind: Kind::Word(labels::<Choice>),
        ask: ("有没有退出计划？", "Is there an exit plan?"),
        cites: &["GD-N7", "11.3.5-E-a"],
    },
    Field {
        code: "proprietary", zh: "专有技术依赖", en: "proprietary technology",
        kind: Kind::Word(labels::<Choice>),
        ask: ("是否依赖只有一家提供的技术？", "Does it depend on technology that one vendor alone has?"),
        cites: &["GD-N7", "IAC-7.3-1"],
    },
    Field {
        code: "supervision", zh: "监督条款", en: "supervision", kind: Kind::Word(labels::<Choice>),
        ask: ("合同是否给了监督接口与日志查询？", "Does the contract give supervision and log queries?"),
        cites: &["GD-N10"],
    },
    Field {
        code: "gains", zh: "上云收益", en: "gains", kind: Kind::Words(labels::<Gain>),
        ask: ("上云有哪些明显收益？", "What is gained by the move?"),
        cites: &["IAC-4.4.3-2"],
    },
];

/// Conclusions that other conclusions and remarks rest on.
pub const DERIVED: &[Field] = &[
    derived("family_class", "列名类别", "class of its sort", Kind::Word(labels::<Class>)),
    derived("class", "系统分类", "class", Kind::Word(labels::<Class>)),
    derived("info", "信息类型", "type of information", Kind::Word(labels::<Info>)),
    derived("protection", "保护能力", "protection", Kind::Word(labels::<Protection>)),
    derived("importance", "重要性", "importance", Kind::Word(labels::<Importance>)),
    derived("recovery", "恢复档次", "step of recovery", Kind::Word(labels::<Recovery>)),
    derived("admission", "金融云准入", "admission", Kind::Word(labels::<Admission>)),
    derived("model", "部署模型", "deployment model", Kind::Word(labels::<Model>)),
    derived("service", "服务类别", "category of service", Kind::Word(labels::<Service>)),
    derived("profile", "护栏档", "guardrail profile", Kind::Word(labels::<Profile>)),
];

const fn derived(code: &'static str, zh: &'static str, en: &'static str, kind: Kind) -> Field {
    Field { code, zh, en, kind, ask: NOBODY, cites: &[] }
}

/// A field by its code.
pub fn field(code: &str) -> Option<&'static Field> {
    SYSTEM.iter().chain(INSTITUTION).chain(DERIVED).find(|field| field.code == code)
}

/// Whether an inventory may say it.
pub fn is_input(code: &str) -> bool {
    SYSTEM.iter().chain(INSTITUTION).any(|field| field.code == code)
}

/// A field by one of its headings.
pub fn find(fields: &'static [Field], heading: &str) -> Option<&'static Field> {
    let plain = plain(heading);
    fields.iter().find(|f| f.code == plain || f.zh == plain || self::plain(f.en) == plain)
}

/// Capitals, spaces and hyphens make no difference.
pub fn plain(text: &str) -> String {
    let text = text.trim();
    text.chars().map(|c| if c == ' ' || c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

impl Field {
    /// The forms of the words that it may hold; empty if it is free.
    pub fn labels(&self) -> Vec<Label> {
        match self.kind {
            Kind::Word(labels) | Kind::Words(labels) => labels(),
            Kind::Id | Kind::Ids | Kind::Text | Kind::Texts | Kind::Time => Vec::new(),
        }
    }

    /// What is allowed, for whoever wrote something else.
    pub fn allowed(&self) -> String {
        let words = || {
            let labels = self.labels();
            let both: Vec<String> = labels.iter().map(|l| format!("{} ({})", l.code, l.zh)).collect();
            both.join(", ")
        };
        match self.kind {
            Kind::Id => "1 to 32 small letters, digits and hyphens, no hyphen first".into(),
            Kind::Ids => "ids of other rows, or none (无)".into(),
            Kind::Text => "text of at most 200 characters without line breaks".into(),
            Kind::Texts => "texts of at most 200 characters, or none (无)".into(),
            Kind::Time => "a whole number with m, h or d (分钟, 小时, 天), such as 30m".into(),
            Kind::Word(_) => format!("one of {}, or unknown (未知)", words()),
            Kind::Words(_) => format!("some of {}, or unknown (未知)", words()),
        }
    }
}
