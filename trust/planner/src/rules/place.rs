//! Where a system goes: whether a finance cloud may take it, on which model, as which service, when.

use super::Rule;

/// Whether a finance cloud may take the system: the first row that holds.
pub const ADMISSION: &[Rule] = &[
    Rule {
        when: &[("data", &["state_secret", "work_secret", "strategic"])],
        then: "barred",
        zh: "含国家或工作秘密，或含重要战略决策内容。",
        en: "It holds state secrets, work secrets or important strategic decisions.",
        cites: &["8-E-a"],
    },
    Rule {
        when: &[("impact_scope", &["national"]), ("impact_degree", &["serious", "severe"])],
        then: "barred",
        zh: "一旦故障或泄密，会严重影响国家金融安全。",
        en: "A failure or a leak would seriously harm the nation's financial security.",
        cites: &["8-E-a"],
    },
    Rule {
        when: &[("level", &["5"])],
        then: "barred",
        zh: "等保第五级意味着对国家安全的特别严重损害；对平台只要求原则上第四级起，不足以说它不低于此。",
        en: "Level 5 means grave harm to the nation's security; of a platform level 4 and above is asked \
            in principle, which does not say that it is no lower.",
        cites: &["8-E-a", "12-E-a", "5.2-0-3"],
    },
    Rule {
        when: &[("public_loss", &["major"])],
        then: "barred",
        zh: "故障可能使公众蒙受重大资金损失并泄露隐私。",
        en: "A failure may cost the public dearly and lay open its privacy.",
        cites: &["8-E-a"],
    },
    Rule {
        when: &[("regulator_bars", &["yes"])],
        then: "barred",
        zh: "金融管理部门明令不得使用。",
        en: "A financial regulator has said that it must not.",
        cites: &["8-E-a"],
    },
    Rule {
        when: &[
            ("data", &["public", "personal", "important", "credentials", "trade_secret", "property"]),
            ("impact_scope", &["internal", "customers", "public", "national"]),
            ("impact_degree", &["slight", "serious", "severe"]),
            ("public_loss", &["none", "possible"]),
            ("regulator_bars", &["no"]),
        ],
        then: "admitted",
        zh: "不属于禁用金融云的四种情形。",
        en: "None of the four cases in which a finance cloud is out of the question.",
        cites: &["8-E-a", "5.1-0-1"],
    },
];

/// Where it goes: the first row that holds.
pub const MODEL: &[Rule] = &[
    Rule {
        when: &[("data", &["state_secret"])],
        then: "stay",
        zh: "国家秘密依保密法规处理，留在涉密环境。",
        en: "State secrets are handled under secrecy law: it stays in its classified environment.",
        cites: &["GD-I1", "8-E-a"],
    },
    Rule {
        when: &[("data", &["work_secret", "strategic"])],
        then: "stay",
        zh: "工作秘密与重要战略决策信息不上金融云，留在原环境。",
        en: "Work secrets and strategic decisions do not go to a finance cloud: it stays.",
        cites: &["8-E-a"],
    },
    Rule {
        when: &[("impact_scope", &["national"]), ("impact_degree", &["serious", "severe"])],
        then: "stay",
        zh: "关乎国家金融安全，不上金融云，留在原环境。",
        en: "The nation's financial security depends on it: it stays.",
        cites: &["8-E-a"],
    },
    Rule {
        when: &[("level", &["5"])],
        then: "stay",
        zh: "等保第五级，没有相称的平台可承载。",
        en: "Level 5: no platform is fit to carry it.",
        cites: &["8-E-a", "12-E-a", "5.2-0-3"],
    },
    Rule {
        when: &[("regulator_bars", &["yes"])],
        then: "stay",
        zh: "监管明令不得使用金融云，留在原环境；能否自建私有云须向监管确认。",
        en: "A regulator bars finance clouds: it stays. Whether a private cloud is allowed is theirs \
            to say.",
        cites: &["8-E-a"],
    },
    Rule {
        when: &[("public_loss", &["major"])],
        then: "private",
        zh: "不得用金融云服务；要云化只能在机构自己掌控的私有云上。",
        en: "No finance cloud; if at all, a private cloud that the institution itself controls.",
        cites: &["8-E-a", "8-E-b"],
    },
    Rule {
        when: &[
            ("rework", &["hard"]),
            ("amount", &["many", "massive"]),
            ("encryption", &["low"]),
            ("gains", &["none"]),
        ],
        then: "stay",
        zh: "改造难、敏感数据多、加密不可靠，又说不出明显收益：暂不迁移。",
        en: "Hard to rebuild, much sensitive data, weak encryption and no clear gain: not now.",
        cites: &["IAC-4.4.3-2"],
    },
    Rule {
        when: &[("public_loss", &["possible"])],
        then: "private",
        zh: "故障可能使公众损失资金或外泄隐私，以私有云为宜。",
        en: "A failure may cost the public money or privacy: a private cloud is preferred.",
        cites: &["8-E-b"],
    },
    Rule {
        when: &[("class", &["3", "4"]), ("internet", &["yes"]), ("split", &["yes"])],
        then: "hybrid",
        zh: "前台面向互联网且可拆分：前台放行业云，核心数据留在私有云。",
        en: "Its front faces the internet and can be split off: that part on an industry cloud, core \
            data private.",
        cites: &["IAC-5.3-0", "IAC-4.4.2-2", "8-E-b"],
    },
    Rule {
        when: &[("class", &["4"]), ("stage", &["new"]), ("private_cloud", &["no"])],
        then: "community",
        zh: "筹建期机构没有私有云，可整体使用行业云，但要最后迁入并从严管控。",
        en: "An institution being founded without a private cloud may use an industry cloud, this \
            system last.",
        cites: &["IAC-4.1-1", "IAC-4.4.1-4", "GD-P6"],
    },
    Rule {
        when: &[("class", &["4"])],
        then: "private",
        zh: "承载核心业务或海量敏感数据，放私有云以保自主掌控。",
        en: "Core business or a huge amount of sensitive data: private, under one's own control.",
        cites: &["IAC-4.4.2-2", "IAC-5.3-0", "8-E-b"],
    },
    Rule {
        when: &[("class", &["3"]), ("encryption", &["very_high", "high"])],
        then: "community",
        zh: "敏感数据较多而加密可靠，可用满足监管要求的行业云。",
        en: "Much sensitive data, reliably encrypted: an industry cloud that meets regulation.",
        cites: &["IAC-4.4.2-2", "IAC-5.1-2"],
    },
    Rule {
        when: &[("class", &["3"]), ("amount", &["none", "few", "some"])],
        then: "community",
        zh: "敏感数据不多，归入第三类是因名列其中或改造量大，可用行业云。",
        en: "Not much sensitive data; it is class 3 by name or by its rework: an industry cloud.",
        cites: &["IAC-4.4.2-2", "IAC-5.1-2"],
    },
    Rule {
        when: &[("class", &["3"]), ("stage", &["new"]), ("private_cloud", &["no"])],
        then: "community",
        zh: "筹建期机构没有私有云，可用行业云，但须先补强加密。",
        en: "An institution being founded without a private cloud may use an industry cloud, \
            encryption mended first.",
        cites: &["IAC-4.1-1", "IAC-4.4.2-2"],
    },
    Rule {
        when: &[("class", &["3"]), ("encryption", &["average", "low"])],
        then: "private",
        zh: "敏感数据较多而加密不够可靠，审慎起见放私有云。",
        en: "Much sensitive data, not reliably encrypted: private, for prudence.",
        cites: &["IAC-4.4.2-2"],
    },
    Rule {
        when: &[("class", &["2"])],
        then: "community",
        zh: "部分敏感数据、加密较可靠，放行业云。",
        en: "Some sensitive data, well encrypted: an industry cloud.",
        cites: &["IAC-4.4.1-2", "IAC-5.1-2"],
    },
    Rule {
        when: &[("class", &["1"]), ("info", &["sensitive"])],
        then: "community",
        zh: "虽属第一类，仍含敏感类信息，放行业云。",
        en: "Class 1, but it holds sensitive information: an industry cloud.",
        cites: &["IAC-4.4.1-1", "GD-I2"],
    },
    Rule {
        when: &[("class", &["1"]), ("business", &["important", "critical"])],
        then: "community",
        zh: "信息公开而业务重要，需要增强保护，放行业云。",
        en: "Public information, but an important business that needs enhanced protection: an \
            industry cloud.",
        cites: &["GD-P2", "GD-P3"],
    },
    Rule {
        when: &[("class", &["1"]), ("info", &["public"]), ("business", &["general"])],
        then: "public",
        zh: "公开类信息、一般业务，公有云即可，仍须守外包监管要求。",
        en: "Public information, general business: a public cloud will do, within the rules on \
            outsourcing.",
        cites: &["GD-P1", "IAC-4.4.1-1", "IAC-5.1-3"],
    },
];

/// What is bought: the first row that holds. A system that stays buys nothing.
pub const SERVICE: &[Rule] = &[
    Rule {
        when: &[("os_access", &["yes"])],
        then: "iaas",
        zh: "要自己掌管操作系统或专用硬件，只有 IaaS 给到这一层。",
        en: "It needs the operating system or special hardware in its own hands, which only IaaS \
            gives.",
        cites: &["GD-N1", "GD-S8"],
    },
    Rule {
        when: &[
            ("software", &["standard"]),
            ("customization", &["low"]),
            ("model", &["public", "community"]),
        ],
        then: "saas",
        zh: "通用软件、几乎不定制，可直接用 SaaS；外包与安全要求逐项核对。",
        en: "Common software, hardly changed: SaaS will do; rules on outsourcing and security are \
            checked one by one.",
        cites: &["GD-N1", "GD-S6", "IAC-8-L5-0"],
    },
    Rule {
        when: &[("software", &["package", "standard"])],
        then: "iaas",
        zh: "软件整套安装、自行维护，用 IaaS 对原有运维改动最小。",
        en: "The software is installed and kept as a whole: IaaS changes least.",
        cites: &["GD-N1", "GD-S8", "IAC-8-L3-0"],
    },
    Rule {
        when: &[("software", &["own"]), ("rework", &["hard"])],
        then: "iaas",
        zh: "自研而改造困难，先原样迁到 IaaS。",
        en: "Own software that is hard to rebuild: moved as it is, to IaaS.",
        cites: &["GD-N1", "GD-S8"],
    },
    Rule {
        when: &[("software", &["own"]), ("rework", &["smooth", "interfaces", "distributed"])],
        then: "paas",
        zh: "自研且可云化，数据库、中间件与容器交给 PaaS，团队专注应用。",
        en: "Own software that can be rebuilt: databases, middleware and containers from PaaS.",
        cites: &["GD-N1", "GD-S7", "IAC-8-L4-0", "5.2-0-6"],
    },
];

/// When it moves, for itself alone: the highest row that holds.
pub const TURN: &[Rule] = &[
    Rule {
        when: &[("class", &["1"])],
        then: "1",
        zh: "第一类系统首先上云。",
        en: "Class 1 goes first.",
        cites: &["IAC-4.4.1-1", "IAC-4.4.2-1"],
    },
    Rule {
        when: &[("class", &["2"])],
        then: "2",
        zh: "第二类系统其次。",
        en: "Class 2 goes second.",
        cites: &["IAC-4.4.1-2"],
    },
    Rule {
        when: &[("class", &["3"])],
        then: "3",
        zh: "第三类系统再下一阶段。",
        en: "Class 3 goes at the next stage.",
        cites: &["IAC-4.4.1-3"],
    },
    Rule {
        when: &[("class", &["4"])],
        then: "4",
        zh: "第四类系统最后。",
        en: "Class 4 goes last.",
        cites: &["IAC-4.4.1-4"],
    },
    Rule {
        when: &[("importance", &["high"])],
        then: "2",
        zh: "重要性高，不进第一批，先由低风险系统积累经验。",
        en: "It is too important for the first wave, in which low-risk systems gather experience.",
        cites: &["IAC-7.3-0", "5.1-0-1"],
    },
    Rule {
        when: &[("protection", &["high"])],
        then: "3",
        zh: "敏感类信息加关键业务，待前两批站稳再动。",
        en: "Sensitive information and critical business: once the first two waves have settled.",
        cites: &["GD-P6", "IAC-7.3-0"],
    },
    Rule {
        when: &[("rework", &["hard"])],
        then: "4",
        zh: "改造困难，放到最后，收益讲清楚再动。",
        en: "Hard to rebuild: last, once the gain is clear.",
        cites: &["IAC-4.4.3-1", "IAC-4.4.3-2"],
    },
];
