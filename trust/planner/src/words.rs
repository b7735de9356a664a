//! The closed lists of words that an inventory and a plan are written in.
//!
//! Problem: one and the same value is a word of the standard (Chinese), a word for a reader of
//! English, and a code in JSON. Mechanism: each list is one enum whose three forms stand side by side;
//! where a list has an order, it goes from the least to the most. Why a macro: it keeps the three
//! forms of a word on one line, where a reviewer sees a wrong translation; it makes nothing else.

use serde::Serialize;

/// A word in its three forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// In JSON, YAML and CSV.
    pub code: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
}

/// A word of a closed list.
pub trait Word: Copy + PartialEq + 'static {
    /// The list; from the least to the most, where there is an order.
    const ALL: &'static [(Self, Label)];

    /// The word of this code.
    fn of(code: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, label)| label.code == code).map(|(word, _)| *word)
    }

    /// Its three forms.
    fn label(self) -> Label {
        let none = Label { code: "", zh: "", en: "" };
        Self::ALL.iter().find(|(word, _)| *word == self).map_or(none, |(_, label)| *label)
    }

    /// Its code.
    fn code(self) -> &'static str {
        self.label().code
    }

    /// Its place in the list.
    fn rank(self) -> usize {
        Self::ALL.iter().position(|(word, _)| *word == self).unwrap_or_default()
    }
}

/// The forms of a whole list.
pub fn labels<W: Word>() -> Vec<Label> {
    W::ALL.iter().map(|(_, label)| *label).collect()
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident: $($word:ident $code:tt $zh:tt $en:tt),+ $(,)?) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum $name {
            $(
                #[doc = $en]
                #[serde(rename = $code)]
                $word,
            )+
        }

        impl Word for $name {
            const ALL: &'static [($name, Label)] = &[
                $(($name::$word, Label { code: $code, zh: $zh, en: $en }),)+
            ];
        }
    };
}

// What an inventory says.

words! {
    /// A question with two answers.
    Choice:
    No "no" "否" "no",
    Yes "yes" "是" "yes",
}

words! {
    /// Whether the institution has a private cloud.
    Having:
    No "no" "无" "no",
    Planned "planned" "规划中" "planned",
    Yes "yes" "有" "yes",
}

words! {
    /// How long the institution has existed.
    Stage:
    New "new" "筹建期" "being founded",
    Existing "existing" "已开业" "in business",
}

words! {
    /// How much sensitive data a system holds (T/IAC CCSA 32, 4.4.1).
    Amount:
    Absent "none" "无" "none",
    Few "few" "较少" "little",
    Part "some" "部分" "some",
    Much "many" "较多" "much",
    Huge "massive" "海量" "a huge amount",
}

words! {
    /// How far the scheme by which data are encrypted can be relied on, best first.
    Reliability:
    VeryHigh "very_high" "很高" "very high",
    High "high" "较高" "high",
    Average "average" "一般" "average",
    Low "low" "较低" "low",
}

words! {
    /// What has to be rebuilt before a system can run on a cloud.
    Rework:
    Smooth "smooth" "平滑" "nothing to speak of",
    Interfaces "interfaces" "接口改造" "interfaces and data feeds",
    Distributed "distributed" "分布式改造" "a distributed redesign",
    Hard "hard" "改造困难" "hard to do at all",
}

words! {
    /// Whom a failure or a leak of the system harms.
    Scope:
    Internal "internal" "机构内部" "the institution itself",
    Customers "customers" "客户" "customers",
    Public "public" "社会公众" "the public",
    National "national" "国家金融安全" "the nation's financial security",
}

words! {
    /// How badly.
    Degree:
    Slight "slight" "一般" "slightly",
    Serious "serious" "严重" "seriously",
    Severe "severe" "特别严重" "very seriously",
}

words! {
    /// Whether a failure may cost the public money or lay open its privacy: either is possible loss, both
    /// and to a major extent is major (JR/T 0167, 8-E-a and 8-E-b).
    Loss:
    Negligible "none" "不会" "no",
    Possible "possible" "可能" "possible",
    Major "major" "重大" "to a major extent",
}

words! {
    /// Kinds of data that a system keeps or handles.
    Data:
    Open "public" "公开信息" "public information",
    Personal "personal" "个人信息" "personal information",
    Important "important" "重要数据" "important data",
    Credentials "credentials" "鉴别与密钥" "credentials and keys",
    TradeSecret "trade_secret" "商业秘密" "trade secrets",
    Property "property" "未公开知识产权" "unpublished intellectual property",
    WorkSecret "work_secret" "工作秘密" "work secrets",
    Strategic "strategic" "重要战略决策" "important strategic decisions",
    StateSecret "state_secret" "国家秘密" "state secrets",
}

words! {
    /// Where the software comes from.
    Software:
    Own "own" "自研" "written by the institution",
    Package "package" "外购软件" "a bought package",
    Standard "standard" "通用软件" "common software that is sold as a service too",
}

words! {
    /// Little or much of something.
    Extent:
    Low "low" "低" "low",
    Medium "medium" "中" "medium",
    High "high" "高" "high",
}

words! {
    /// How the load goes.
    Load:
    Steady "steady" "平稳" "steady",
    Periodic "periodic" "周期波动" "periodic",
    Burst "burst" "突发高峰" "sudden peaks",
}

words! {
    /// How long an answer may take.
    Latency:
    Tolerant "tolerant" "宽松" "delays do no harm",
    Normal "normal" "一般" "as usual for people",
    Strict "strict" "严格" "strict",
}

words! {
    /// What a project is for (T/IAC CCSA 32, 7).
    Environment:
    Production "production" "生产" "production",
    Test "test" "开发测试" "development and test",
    Recovery "recovery" "灾备" "disaster recovery",
}

words! {
    /// What the institution gains by a move (T/IAC CCSA 32, 4.4.3).
    Gain:
    Nothing "none" "无明显收益" "nothing in particular",
    Growth "growth" "承接业务暴涨" "carries explosive growth",
    Concurrency "concurrency" "扛住并发访问" "carries concurrent access",
    Iteration "iteration" "加快开发迭代" "faster development",
    Cost "cost" "降低运维成本" "cheaper operation",
}

// What an inventory may say and a plan else proposes.

words! {
    /// How much depends on the business that a system carries.
    Business:
    General "general" "一般业务" "general business",
    Important "important" "重要业务" "important business",
    Critical "critical" "关键业务" "critical business",
}

words! {
    /// Level of classified protection.
    Level:
    First "1" "第一级" "level 1",
    Second "2" "第二级" "level 2",
    Third "3" "第三级" "level 3",
    Fourth "4" "第四级" "level 4",
    Fifth "5" "第五级" "level 5",
}

// What a plan says.

words! {
    /// Class of a system (T/IAC CCSA 32, 4.4.1).
    Class:
    First "1" "第一类" "class 1",
    Second "2" "第二类" "class 2",
    Third "3" "第三类" "class 3",
    Fourth "4" "第四类" "class 4",
}

words! {
    /// Type of information.
    Info:
    Open "public" "公开类" "public",
    Sensitive "sensitive" "敏感类" "sensitive",
    Secret "secret" "涉密" "secret",
}

words! {
    /// What the provider must be able to do.
    Protection:
    General "general" "一般保护" "general protection",
    Enhanced "enhanced" "增强保护" "enhanced protection",
    High "high" "高级保护" "high protection",
}

words! {
    /// Importance of a system among the others.
    Importance:
    Low "low" "低" "low",
    Medium "medium" "中" "medium",
    High "high" "高" "high",
}

words! {
    /// Whether a finance cloud may take the system at all.
    Admission:
    Admitted "admitted" "可用金融云" "may use a finance cloud",
    Barred "barred" "不应用金融云" "must not use a finance cloud",
}

words! {
    /// Where the system goes.
    Model:
    Public "public" "公有云" "public cloud",
    Community "community" "行业云" "industry (community) cloud",
    Private "private" "私有云" "private cloud",
    Hybrid "hybrid" "混合云" "hybrid cloud",
    Stay "stay" "不上云" "stays where it is",
}

words! {
    /// What is bought of the cloud.
    Service:
    Iaas "iaas" "IaaS" "IaaS",
    Paas "paas" "PaaS" "PaaS",
    Saas "saas" "SaaS" "SaaS",
}

words! {
    /// Which guardrails a project gets: the standard's three tiers.
    Profile:
    Basic "basic" "基本" "basic",
    Extended "extended" "扩展" "extended",
    Enhanced "enhanced" "增强" "enhanced",
}

words! {
    /// How fast a system must be back. Four steps of the planner's own; the standards set none here.
    Recovery:
    D "d" "D 备份恢复" "D: restored from backups",
    C "c" "C 日级恢复" "C: a day, of time or of data",
    B "b" "B 温备" "B: warm standby",
    A "a" "A 双活或热备" "A: active-active or hot standby",
}

words! {
    /// When a system moves, for itself alone.
    Turn:
    First "1" "第一批" "wave 1",
    Second "2" "第二批" "wave 2",
    Third "3" "第三批" "wave 3",
    Fourth "4" "第四批" "wave 4",
}

words! {
    /// Who answers for a layer.
    Party:
    Provider "provider" "服务商" "provider",
    Shared "shared" "双方共担" "shared",
    Tenant "tenant" "使用方" "tenant",
}

/// A sort of system that the standard names.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Its name.
    pub label: Label,
    /// The class that it is named in.
    pub class: Option<Class>,
}

const fn family(class: Class, code: &'static str, zh: &'static str, en: &'static str) -> Family {
    Family { label: Label { code, zh, en }, class: Some(class) }
}

/// The 40 systems that T/IAC CCSA 32, 4.4.1 names, in its order, and one for all others.
pub const FAMILIES: &[Family] = &[
    family(Class::First, "mobile", "移动系统", "mobile system"),
    family(Class::First, "im", "IM系统", "instant messaging"),
    family(Class::First, "office", "办公系统", "office system"),
    family(Class::First, "training", "培训系统", "training system"),
    family(Class::First, "call_centre", "呼叫中心", "call centre"),
    family(Class::First, "points", "积分系统", "loyalty points"),
    family(Class::First, "outlets", "网点管理", "outlet management"),
    family(Class::First, "public_query", "公示信息查询", "enquiry of published information"),
    family(Class::First, "room_operations", "机房运维管理", "machine-room operations"),
    family(Class::First, "sms", "短信平台", "text messages"),
    family(Class::Second, "online_sales", "网上投保", "online sales"),
    family(Class::Second, "third_party_payment", "第三方支付", "third-party payment"),
    family(Class::Second, "payment", "电子支付", "electronic payment"),
    family(Class::Second, "self_service", "自助查询系统", "self-service enquiry"),
    family(Class::Second, "reporting", "监管报送", "reports to supervisors"),
    family(Class::Second, "telecom_fraud", "电信反欺诈", "defence against telecom fraud"),
    family(Class::Second, "analysis", "经营分析", "business analysis"),
    family(Class::Second, "expenses", "费控", "expense control"),
    family(Class::Second, "funds", "资金", "funds"),
    family(Class::Second, "documents", "单证系统", "documents and certificates"),
    family(Class::Second, "appraisal", "绩效考核", "appraisal of staff"),
    family(Class::Second, "mail", "邮件系统", "mail"),
    family(Class::Third, "customers", "统一客户信息", "unified customer information"),
    family(Class::Third, "crm", "客户关系系统", "customer relations"),
    family(Class::Third, "marketing", "营销系统", "marketing"),
    family(Class::Third, "audit", "审计", "audit"),
    family(Class::Third, "risk", "智能风控", "risk control"),
    family(Class::Third, "finance", "财务管理", "finance and accounting"),
    family(Class::Third, "staff", "人力资源", "human resources"),
    family(Class::Third, "laundering", "反洗钱", "anti-money-laundering"),
    family(Class::Third, "recording", "智能双录", "recording of sales"),
    family(Class::Third, "supervision", "事后监督", "supervision after the event"),
    family(Class::Third, "monitoring", "统一监控", "unified monitoring"),
    family(Class::Fourth, "core", "核心业务系统", "core business system"),
    family(Class::Fourth, "receipts", "收付系统", "receipts and payments"),
    family(Class::Fourth, "policies", "管理策略平台", "management policy platform"),
    family(Class::Fourth, "configuration", "平台配置", "platform configuration"),
    family(Class::Fourth, "sign_on", "单点登录", "single sign-on"),
    family(Class::Fourth, "reserves", "准备金", "reserves"),
    family(Class::Fourth, "solvency", "偿付能力", "solvency"),
    Family { label: Label { code: "other", zh: "其他", en: "other" }, class: None },
];

/// The forms of all families.
pub fn families() -> Vec<Label> {
    FAMILIES.iter().map(|family| family.label).collect()
}
