//! The clauses of the standards, as data.
//!
//! A row says what a clause asks, of whom, and the one way in which it is answered: by checks, as a
//! duty with a due date, by the tenant, by other rows, by nothing yet. It says no state: the state
//! follows from findings and records, so nobody can write "met" into a file. A technical clause
//! cannot be answered by a duty, and a duty that is about a mechanism is no better than the row of
//! that mechanism: paper does not stand in for it.
//!
//! A malformed row is refused with the whole catalogue, and the error names file, row and field: one
//! that is half read would report less than the standards ask. What the files hold is described in
//! `docs/catalogue.md`.

use jinyun_base::{Every, Fault, Period, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

mod import;
mod live;
mod read;
mod sheet;
mod tree;
mod write;

pub use import::{Imported, Titles, import};
pub use live::InForce;
pub(crate) use live::{Live, Loaded};
pub use read::{BYTES, FLAWS, Flaw, Malformed};

/// The key of JR/T 0167, against which the platform is judged.
pub const MAIN: &str = "jrt0167";

/// The standards' keys and files.
const FILES: [(&str, &str); 5] = [
    (MAIN, include_str!("../standards/jrt0167.json")),
    ("framework", include_str!("../standards/framework.json")),
    ("guide", include_str!("../standards/guide.json")),
    ("tc608", include_str!("../standards/tc608.json")),
    ("reference", include_str!("../standards/reference.json")),
];

/// What the platform has to be able to do, by areas: code, Chinese, English.
pub const AREAS: [(&str, &str, &str); 26] = [
    ("APP", "应用安全与研发", "application security and development"),
    ("AUD", "审计与时间", "audit and time"),
    ("BDR", "备份容灾与连续性", "backup, recovery and continuity"),
    ("BIZ", "软件服务与业务风险", "software services and business risk"),
    ("CHG", "变更与资产", "changes and assets"),
    ("CMP", "计算", "computing"),
    ("CPL", "合规与评估", "compliance and assessment"),
    ("DAT", "数据保护", "data protection"),
    ("EXT", "迁移与退出", "migration and exit"),
    ("GOV", "制度岗位与例行职责", "rules, posts and recurring duties"),
    ("HIN", "主机与虚机完整性", "integrity of hosts and guests"),
    ("IAM", "身份与权限", "identity and permissions"),
    ("KMS", "密钥与密码", "keys and cryptography"),
    ("MON", "监控", "monitoring"),
    ("MTR", "计量与服务水平", "metering and service levels"),
    ("NET", "虚拟网络", "virtual networks"),
    ("NTD", "网络威胁防御", "defence against threats from the network"),
    ("PAM", "特权访问", "privileged access"),
    ("PAS", "数据库中间件与容器", "databases, middleware and containers"),
    ("PHY", "机房与硬件", "machine rooms and hardware"),
    ("PRT", "接口与部署", "interfaces and deployment"),
    ("SOC", "应急与安全运营", "incidents and security operations"),
    ("STO", "存储", "storage"),
    ("SUP", "供应链", "supply chain"),
    ("TEN", "租户与数据位置", "tenancy and location of data"),
    ("VTI", "漏洞与威胁情报", "vulnerabilities and threat intelligence"),
];

/// Who can owe a duty: English, as rows name them, and Chinese.
pub const OWNERS: [(&str, &str); 15] = [
    ("audit administrator", "审计管理员"),
    ("compliance officer", "合规主管"),
    ("continuity manager", "业务连续性主管"),
    ("development manager", "研发主管"),
    ("facility manager", "机房主管"),
    ("incident manager", "应急主管"),
    ("management", "管理层"),
    ("network administrator", "网络管理员"),
    ("operations manager", "运维主管"),
    ("privacy officer", "个人信息保护负责人"),
    ("security administrator", "安全管理员"),
    ("security officer", "安全主管"),
    ("service manager", "客户服务主管"),
    ("supplier manager", "供应商主管"),
    ("system administrator", "系统管理员"),
];

/// Which of the standard's three grades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For every finance cloud.
    Basic,
    /// For community clouds.
    Extended,
    /// Looking ahead.
    Enhanced,
}

/// Who has to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The provider of the cloud.
    Provider,
    /// Who uses it.
    User,
    /// Each a part.
    Both,
}

/// What sort of requirement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Software can do it.
    Technical,
    /// People do it again and again.
    Operational,
    /// It has to be written down.
    Documentary,
    /// It is a thing or a place.
    Physical,
}

/// How strongly it is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modal {
    /// It must be so.
    #[default]
    Shall,
    /// It is recommended.
    Should,
    /// It is allowed.
    May,
}

impl Modal {
    fn is_shall(&self) -> bool {
        *self == Modal::Shall
    }
}

/// A bullet of a clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// What sort of record fulfils a duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A rule, a plan, a contract.
    Document,
    /// Somebody says how it is and signs.
    Statement,
    /// Somebody outside has attested it.
    Certificate,
    /// What was done and what came of it.
    Report,
}

/// A duty that people fulfil and prove by a record. Its default; an instance may set it otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// Whose: one of [`OWNERS`].
    pub owner: String,
    /// How often.
    pub every: Every,
    /// How long a record of something that is done once is good; for ever if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<Period>,
    /// What makes it due beside the calendar: each such event needs a part in the next record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// How many days after the start of the instance the first record is due.
    pub first: u16,
    /// What sort of record.
    pub record: RecordKind,
    /// What the record must show, in English.
    pub shows_en: String,
    /// The same in Chinese.
    pub shows_zh: String,
    /// The rows of what has to be there, so that a record can show anything: the clause stands no
    /// better than the worst of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
}

impl Owed {
    /// When the first record is due in an instance that started then.
    pub fn first_due(&self, start: Time) -> Time {
        start.plus_seconds(i64::from(self.first) * 86_400)
    }

    /// When the next record is due after one of that time; never if it is done once and for ever.
    pub fn next_due(&self, done: Time) -> Option<Time> {
        match self.every {
            Every::Period(period) => Some(period.after_moment(done)),
            Every::Once => self.valid.map(|valid| valid.after_moment(done)),
        }
    }
}

/// In which way a clause is answered. Exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// By checks, automatically.
    Checks {
        /// Their names.
        checks: Vec<String>,
        /// What of the clause none of them answers; empty if all is answered.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        missing: String,
        /// The same in Chinese; empty if nobody has said it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        missing_zh: String,
    },
    /// By people, with a due date and a record.
    Duty {
        /// The duty.
        duty: Owed,
    },
    /// By nothing: the mechanism, or the check of it, does not exist. Counts as failed.
    NotBuilt {
        /// What is missing.
        not_built: String,
        /// The same in Chinese; empty if nobody has said it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        not_built_zh: String,
    },
    /// By the tenant, on its own list.
    Tenant {
        /// What the tenant has to do.
        tenant: String,
        /// The same in Chinese; empty if nobody has said it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        tenant_zh: String,
        /// What the platform sees of it.
        seen: String,
        /// The same in Chinese; empty if nobody has said it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        seen_zh: String,
    },
    /// By other rows: the worst of them.
    SameAs {
        /// Their ids.
        same_as: Vec<String>,
    },
    /// It asks for nothing; a fact to know or to compare with.
    Facts {
        /// What it says.
        facts: String,
        /// The same in Chinese; empty if nobody has said it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        facts_zh: String,
    },
}

impl Answer {
    /// The rows by whose states the clause's own follows: those that answer it, or what its duty needs.
    pub fn leans_on(&self) -> &[String] {
        match self {
            Answer::SameAs { same_as } => same_as,
            Answer::Duty { duty } => &duty.needs,
            _ => &[],
        }
    }
}

/// The tenant's half of a clause that both sides share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What the tenant has to do.
    pub does: String,
    /// The same in Chinese; empty if nobody has said it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub does_zh: String,
    /// What the platform sees of it.
    pub seen: String,
    /// The same in Chinese; empty if nobody has said it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub seen_zh: String,
    /// Checks that answer it; none if it is on the tenant's own list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
}

/// One clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clause {
    /// As in the standard, with the letter of the grade: `7.2.5-B-a`. Unlike any other row's.
    pub id: String,
    /// The part of the standard, where the id does not tell it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// Grade.
    pub level: Level,
    /// Whose duty.
    pub duty: Side,
    /// Sort.
    pub kind: Sort,
    /// Who of the platform's parts owns it: a code of [`AREAS`].
    pub area: String,
    /// A paraphrase in Chinese.
    pub title_zh: String,
    /// A paraphrase in English.
    pub title_en: String,
    /// What a platform would do about it: an aim and no claim.
    pub platform: String,
    /// The same in Chinese; empty if nobody has said it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform_zh: String,
    /// Which evidence would show it.
    pub evidence: String,
    /// The same in Chinese; empty if nobody has said it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence_zh: String,
    /// How strongly it is asked.
    #[serde(default, skip_serializing_if = "Modal::is_shall")]
    pub modal: Modal,
    /// Its bullets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// It stands beside the standard's own clauses and is not counted among them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub supplement: bool,
    /// Rows about the same subject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub see: Vec<String>,
    /// What of it the rows or the records that answer it leave open; empty if nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub open: String,
    /// The same in Chinese; empty if nobody has said it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub open_zh: String,
    /// Why it does not apply, if somebody who brought the catalogue says so; empty if it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub not_applicable: String,
    /// How it is answered; if it is shared, how the provider's half is.
    pub answer: Answer,
    /// The tenant's half, if it is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Part>,
    /// A remark.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The same in Chinese; empty if nobody has said it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note_zh: String,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Clause {
    /// The checks that answer either half.
    pub fn checks(&self) -> impl Iterator<Item = &str> {
        let own: &[String] = match &self.answer {
            Answer::Checks { checks, .. } => checks,
            _ => &[],
        };
        let tenants = self.tenant.iter().flat_map(|part| &part.checks);
        own.iter().chain(tenants).map(String::as_str)
    }

    /// What of it is not answered, where checks, other rows or records answer the rest.
    pub fn missing(&self) -> &str {
        match &self.answer {
            Answer::Checks { missing, .. } => missing,
            _ => &self.open,
        }
    }

    /// The same in Chinese; empty if nobody has said it.
    pub fn missing_zh(&self) -> &str {
        match &self.answer {
            Answer::Checks { missing_zh, .. } => missing_zh,
            _ => &self.open_zh,
        }
    }
}

/// A standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// The file that it was read from.
    pub file: String,
    /// Its short name; of a shipped one its file's: `jrt0167`.
    pub key: String,
    /// Its number or name.
    pub standard: String,
    /// Its title in Chinese.
    pub title_zh: String,
    /// Its title in English.
    pub title_en: String,
    /// What its rows are.
    pub about: String,
    /// Its version or year, where the number does not tell it.
    pub version: String,
    /// Its rows, in the standard's order.
    pub clauses: Vec<Clause>,
}

/// All standards, joined.
#[derive(Debug)]
pub struct Catalogues {
    all: Vec<Catalogue>,
    at: BTreeMap<String, (usize, usize)>,
}

/// What a key that somebody brings must be.
const KEY: &str = "must be 2 to 24 of a-z, 0-9 and dash, a letter first, and not `all`";
/// What the id of a row that somebody brings must be: it is a part of a path.
const ID: &str = "must be 1 to 64 of a-z, A-Z, 0-9, dot, dash and underscore, a letter or digit first";
/// The most rows that somebody brings.
const ROWS: usize = 2000;

fn good_id(id: &str) -> bool {
    // Reports make ids of other formats of it, which have no other signs.
    (1..=64).contains(&id.len())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Those that are shipped: what is in force with them is an instance's own (`live.rs`).
static SHIPPED: OnceLock<Result<Arc<Catalogues>, String>> = OnceLock::new();

impl Catalogue {
    /// The standards that are shipped. The files are read once.
    pub fn shipped() -> Result<&'static Catalogues, Fault> {
        Catalogue::once().map(|shipped| &**shipped)
    }

    /// The same, to stand where others can take their place.
    pub fn shared() -> Result<Arc<Catalogues>, Fault> {
        Catalogue::once().cloned()
    }

    fn once() -> Result<&'static Arc<Catalogues>, Fault> {
        let shipped = SHIPPED.get_or_init(|| {
            let read: Result<Vec<Catalogue>, Fault> =
                FILES.iter().map(|(key, text)| Catalogue::read(key, text)).collect();
            read.and_then(Catalogues::join).map(Arc::new).map_err(|fault| fault.to_string())
        });
        shipped.as_ref().map_err(Fault::new)
    }

    /// Reads a standard that somebody brings: YAML, which one JSON object a line is too. What its
    /// references lead to is looked at when it is joined to others ([`Catalogues::with`]).
    pub fn bring(file: &str, bytes: &[u8]) -> Result<Catalogue, Malformed> {
        Catalogue::take(file, None, tree::members(file, bytes)?)?.brought()
    }

    /// Refuses a key, an id or a number of rows that nobody may bring.
    fn brought(self) -> Result<Catalogue, Malformed> {
        let catalogue = self;
        let file = catalogue.file.as_str();
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let key = &catalogue.key;
        let fits = (2..=24).contains(&key.len()) && key.chars().all(good)
            && key.starts_with(|c: char| c.is_ascii_lowercase()) && key != "all";
        let flaw = |row: String, field: &str, says: &str| Flaw {
            file: file.into(),
            row,
            field: field.into(),
            says: says.into(),
        };
        let mut flaws = Vec::new();
        if !fits {
            flaws.push(flaw("top".into(), "key", KEY));
        }
        if catalogue.clauses.is_empty() || catalogue.clauses.len() > ROWS {
            flaws.push(flaw("top".into(), "clauses", &format!("must hold 1 to {ROWS} rows")));
        }
        let strange = catalogue.clauses.iter().filter(|clause| !good_id(&clause.id));
        flaws.extend(strange.map(|clause| flaw(format!("row {}", clause.id), "id", ID)));
        match flaws.is_empty() {
            true => Ok(catalogue),
            false => Err(Malformed::of(flaws)),
        }
    }

    /// It as a file that can be brought: one JSON object a line, which is YAML.
    pub fn write(&self) -> Result<String, Fault> {
        write::text(self)
    }

    /// The standard's own clauses, without the rows that stand beside them.
    pub fn own(&self) -> impl Iterator<Item = &Clause> {
        self.clauses.iter().filter(|clause| !clause.supplement)
    }
}

impl Catalogues {
    /// Joins standards: refuses ids that stand twice, references that lead nowhere or in circles, and
    /// shared clauses whose half nothing answers.
    pub fn join(all: Vec<Catalogue>) -> Result<Catalogues, Fault> {
        Catalogues::joined(all).map_err(|malformed| malformed.first())
    }

    /// These with further ones, all looked at anew.
    pub fn with(&self, more: impl IntoIterator<Item = Catalogue>) -> Result<Catalogues, Malformed> {
        let (mut all, known) = (self.all.clone(), self.named());
        let mut flaws = Vec::new();
        for catalogue in more {
            for clause in &catalogue.clauses {
                let strange = clause.checks().filter(|name| !known.contains(name));
                flaws.extend(strange.map(|_| Flaw {
                    file: catalogue.file.clone(),
                    row: format!("row {}", clause.id),
                    field: "answer.checks".into(),
                    says: "names a check that there is not: name a clause in same_as instead".into(),
                }));
            }
            all.push(catalogue);
        }
        match flaws.is_empty() {
            true => Catalogues::joined(all),
            false => Err(Malformed::of(flaws)),
        }
    }

    /// Joins standards, and says everything that does not fit.
    fn joined(all: Vec<Catalogue>) -> Result<Catalogues, Malformed> {
        let (mut at, mut flaws, mut keys) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
        let flaw = |catalogue: &Catalogue, row: String, field: &str, says: String| Flaw {
            file: catalogue.file.clone(),
            row,
            field: field.into(),
            says,
        };
        for (file, catalogue) in all.iter().enumerate() {
            if !keys.insert(catalogue.key.clone()) {
                let says = "another standard has it: choose another one, or remove that".to_string();
                flaws.push(flaw(catalogue, "top".into(), "key", says));
            }
            for (row, clause) in catalogue.clauses.iter().enumerate() {
                if let Some((other, _)) = at.insert(clause.id.clone(), (file, row)) {
                    let whose = match all.get(other).filter(|_| other != file) {
                        Some(other) => format!("another row has it, in {}", other.key),
                        None => "another row has it".into(),
                    };
                    flaws.push(flaw(catalogue, format!("row {}", clause.id), "id", whose));
                }
            }
        }
        if !flaws.is_empty() {
            return Err(Malformed::of(flaws));
        }
        let joined = Catalogues { all, at };
        for (catalogue, clause) in joined.clauses() {
            let wrong = joined.leads(clause).into_iter();
            flaws.extend(wrong.map(|(field, what)| {
                flaw(catalogue, format!("row {}", clause.id), field, what)
            }));
        }
        match flaws.is_empty() {
            true => Ok(joined),
            false => Err(Malformed::of(flaws)),
        }
    }

    /// What is wrong with where a row's references lead.
    fn leads(&self, clause: &Clause) -> Vec<(&'static str, String)> {
        let nowhere = |field, ids: &[String]| -> Vec<(&'static str, String)> {
            let gone = ids.iter().filter(|id| self.clause(id).is_none());
            gone.map(|id| (field, format!("there is no row {id}"))).collect()
        };
        let mut wrong = nowhere("see", &clause.see);
        let (field, others) = match &clause.answer {
            Answer::SameAs { same_as } => ("answer.same_as", same_as),
            Answer::Duty { duty } => ("answer.duty.needs", &duty.needs),
            _ => return wrong,
        };
        let gone = nowhere(field, others);
        if !gone.is_empty() {
            wrong.extend(gone);
            return wrong;
        }
        if self.circle(clause, &clause.id, &mut BTreeSet::new()) {
            wrong.push((field, "leads back to its own row".into()));
            return wrong;
        }
        if let Answer::Duty { .. } = &clause.answer {
            // A row without that half would be passed over in silence.
            let none = others.iter().filter(|id| !self.has_half(id, false));
            wrong.extend(none.map(|id| (field, format!("the row {id} has no provider's half"))));
            return wrong;
        }
        let part = |tenant| others.iter().any(|id| self.has_half(id, tenant));
        if clause.duty != Side::User && !part(false) {
            wrong.push((field, "none of those rows has a provider's half".into()));
        }
        if clause.duty != Side::Provider && clause.tenant.is_none() && !part(true) {
            wrong.push((field, "none of those rows has a tenant's half: give `tenant`".into()));
        }
        wrong
    }

    fn circle<'a>(&'a self, clause: &'a Clause, start: &str, seen: &mut BTreeSet<&'a str>) -> bool {
        clause.answer.leans_on().iter().any(|id| {
            if id == start {
                return true;
            }
            seen.insert(id) && match self.clause(id) {
                Some(next) => self.circle(next, start, seen),
                None => false,
            }
        })
    }

    /// Whether a row has a verdict for that half.
    fn has_half(&self, id: &str, tenant: bool) -> bool {
        let Some(clause) = self.clause(id) else { return false };
        match clause.duty {
            Side::Provider => !tenant,
            Side::User => tenant,
            Side::Both => !tenant || clause.tenant.is_some()
                || matches!(clause.answer, Answer::SameAs { .. } | Answer::Facts { .. }),
        }
    }

    /// The standards.
    pub fn iter(&self) -> impl Iterator<Item = &Catalogue> {
        self.all.iter()
    }

    /// The standard of this key.
    pub fn get(&self, key: &str) -> Option<&Catalogue> {
        self.all.iter().find(|catalogue| catalogue.key == key)
    }

    /// All rows with their standards.
    pub fn clauses(&self) -> impl Iterator<Item = (&Catalogue, &Clause)> {
        self.all.iter().flat_map(|catalogue| catalogue.clauses.iter().map(move |c| (catalogue, c)))
    }

    /// The row of this id.
    pub fn clause(&self, id: &str) -> Option<&Clause> {
        let (file, row) = self.at.get(id)?;
        self.all.get(*file)?.clauses.get(*row)
    }

    /// The standard that has the row.
    pub fn of(&self, id: &str) -> Option<&Catalogue> {
        self.all.get(self.at.get(id)?.0)
    }

    /// The rows that point at this one, as the same subject, as what answers them or as what they need.
    pub fn pointing_at<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Clause> {
        self.clauses().map(|(_, clause)| clause).filter(move |clause| {
            clause.see.iter().chain(clause.answer.leans_on()).any(|other| other == id)
        })
    }

    /// The duties with the ids of their clauses.
    pub fn duties(&self) -> impl Iterator<Item = (&Clause, &Owed)> {
        self.clauses().filter_map(|(_, clause)| match &clause.answer {
            Answer::Duty { duty } => Some((clause, duty)),
            _ => None,
        })
    }

    /// The names of all checks that some row names.
    pub fn named(&self) -> BTreeSet<&str> {
        self.clauses().flat_map(|(_, clause)| clause.checks()).collect()
    }
}
