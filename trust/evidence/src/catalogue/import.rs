//! From a table of requirements to a catalogue.
//!
//! Problem: standards that may not be shipped, and an institution's own rules, lie in somebody's
//! spreadsheet. Mechanism: a row says which clauses of the shipped standards answer it, and then its
//! state follows theirs; or who owes it and how often; or why it does not apply. It cannot say that
//! it is met. A row that is technical and names nothing is "not built", in so many words, never a
//! duty: paper does not stand in for a mechanism.
//!
//! Everything that is wrong is told at once, by row and column. What comes out is read again by the
//! reader of every other catalogue, so there is one place that knows what a catalogue is.

use super::read::{Flaw, LONGEST, Malformed};
use super::sheet::{self, Line};
use super::tree::plain;
use super::{AREAS, Answer, Catalogue, Catalogues, OWNERS, good_id};
use jinyun_base::{Every, Period};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a table does not say of itself.
#[derive(Debug, Clone, Default)]
pub struct Titles {
    /// The catalogue's short name.
    pub key: String,
    /// The number or name of the standard; the English title if empty.
    pub standard: String,
    /// In English.
    pub title_en: String,
    /// In Chinese.
    pub title_zh: String,
    /// Version or year; may be empty.
    pub version: String,
}

/// What has become of a table.
#[derive(Debug)]
pub struct Imported {
    /// The catalogue.
    pub catalogue: Catalogue,
    /// How many rows are answered by other rows.
    pub answered: usize,
    /// How many are duties, the tenants' own among them.
    pub duties: usize,
    /// How many nothing answers.
    pub not_built: usize,
    /// How many do not apply, or ask for nothing.
    pub silent: usize,
}

/// The longest grade of a standard's own, in characters.
const GRADE: usize = 40;

/// Words of a column: how the catalogue writes one, and what people write.
type Words = &'static [(&'static str, &'static [&'static str])];

const TIERS: Words = &[
    ("basic", &["basic", "基本", "基础", "基本要求"]),
    ("extended", &["extended", "扩展", "扩展要求"]),
    ("enhanced", &["enhanced", "增强", "增强要求"]),
];
const SIDES: Words = &[
    ("provider", &["provider", "platform", "服务商", "云服务商", "平台", "提供方"]),
    ("user", &["user", "tenant", "租户", "用户", "使用者", "使用方"]),
    ("both", &["both", "双方", "共同", "服务商与租户"]),
];
const KINDS: Words = &[
    ("technical", &["technical", "技术"]),
    ("operational", &["operational", "运维", "管理", "运营"]),
    ("documentary", &["documentary", "文档", "制度"]),
    ("physical", &["physical", "物理", "机房"]),
];
const RECORDS: Words = &[
    ("document", &["document", "文件", "文档"]),
    ("statement", &["statement", "声明", "说明"]),
    ("certificate", &["certificate", "证书", "证明"]),
    ("report", &["report", "报告", "记录"]),
];
const PERIODS: Words = &[
    ("once", &["once", "一次", "一次性"]),
    ("P1M", &["monthly", "每月", "月"]),
    ("P3M", &["quarterly", "每季度", "每季", "季度"]),
    ("P6M", &["halfyearly", "每半年", "半年"]),
    ("P1Y", &["yearly", "annually", "每年", "年"]),
    ("P2Y", &["每两年"]),
    ("P3Y", &["每三年"]),
];

fn word(words: Words, text: &str) -> Option<&'static str> {
    let text = text.trim().to_lowercase();
    let is = |(code, names): &&(&str, &[&str])| *code == text || names.contains(&text.as_str());
    words.iter().find(is).map(|(code, _)| *code)
}

fn allowed(words: Words) -> String {
    let words = words.iter().map(|(code, names)| {
        let zh = names.iter().find(|name| !name.is_ascii());
        zh.map_or_else(|| (*code).to_string(), |zh| format!("{code} ({zh})"))
    });
    words.collect::<Vec<_>>().join(", ")
}

/// A row that is being made into one of a catalogue.
struct Maker<'a> {
    file: &'a str,
    line: &'a Line,
    flaws: Vec<Flaw>,
}

impl<'a> Maker<'a> {
    fn wrong(&mut self, field: &str, says: impl Into<String>) {
        let (file, row) = (self.file.into(), self.line.name.clone());
        self.flaws.push(Flaw { file, row, field: field.into(), says: says.into() });
    }

    fn get(&self, column: &str) -> Option<&'a str> {
        self.line.cells.get(column).map(String::as_str)
    }

    /// A text that a row of a catalogue may hold: in one line, not too long.
    fn text(&mut self, column: &str) -> Option<String> {
        let text = self.get(column)?.split_whitespace().collect::<Vec<_>>().join(" ");
        // A grade stands in front of a note.
        let most = if column == "note" { LONGEST - GRADE - 30 } else { LONGEST };
        if text.chars().count() > most {
            self.wrong(column, format!("is longer than {most} characters: shorten it"));
            return None;
        }
        Some(text)
    }

    /// A word of a closed list.
    fn one(&mut self, column: &str, words: Words) -> Option<&'static str> {
        let text = self.get(column)?;
        let found = word(words, text);
        if found.is_none() {
            self.wrong(column, format!("must be one of {}", allowed(words)));
        }
        found
    }

    /// Ids in a cell.
    fn ids(&mut self, column: &str, among: &Among<'_>) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let cell = self.get(column).unwrap_or_default();
        let apart = |c: char| c.is_whitespace() || ",;，；、".contains(c);
        for asked in cell.split(apart).filter(|part| !part.is_empty()) {
            match among.id(asked) {
                Err(says) => self.wrong(column, says),
                Ok(id) if Some(id) == self.get("id") => {
                    self.wrong(column, "names its own row: name the clauses that answer it");
                }
                Ok(id) if found.iter().any(|other| other == id) => {
                    self.wrong(column, format!("names {} twice", plain(id)));
                }
                Ok(id) => found.push(id.to_string()),
            }
        }
        found
    }

    /// Texts in the two languages; where there is one, it stands for both.
    fn titles(&mut self) -> [String; 2] {
        let both = self.text("title");
        let (en, zh) = (self.text("title_en"), self.text("title_zh"));
        let told = |own: Option<String>, other: Option<String>| own.or(both.clone()).or(other);
        let titles = [told(en.clone(), zh.clone()), told(zh, en)];
        // One that is too long has been told of.
        let there = ["title", "title_en", "title_zh"].iter().any(|name| self.get(name).is_some());
        if !there {
            self.wrong("title", "is missing: give title (标题), or title_en and title_zh");
        }
        titles.map(Option::unwrap_or_default)
    }

    /// The standard's own grade, and the catalogue's.
    fn levels(&mut self) -> (&'static str, String) {
        let tier = self.one("tier", TIERS);
        let Some(level) = self.text("level") else { return (tier.unwrap_or("basic"), String::new()) };
        if level.chars().count() > GRADE {
            self.wrong("level", format!("is longer than {GRADE} characters: give the grade alone"));
        }
        match (tier, word(TIERS, &level)) {
            (None, Some(known)) => (known, String::new()),
            (tier, _) => (tier.unwrap_or("basic"), level),
        }
    }

    fn area(&mut self) -> &'static str {
        let Some(asked) = self.get("area") else { return "CPL" };
        let is = |(code, zh, en): &&(&str, &str, &str)| {
            code.eq_ignore_ascii_case(asked) || *zh == asked || en.eq_ignore_ascii_case(asked)
        };
        match AREAS.iter().find(is) {
            Some(&(code, ..)) => code,
            None => {
                let codes: Vec<&str> = AREAS.iter().map(|(code, ..)| *code).collect();
                self.wrong("area", format!("must be one of {}", codes.join(", ")));
                "CPL"
            }
        }
    }

    fn period(&mut self, column: &str) -> Option<String> {
        let text = self.get(column)?;
        let text = word(PERIODS, &text.replace('-', "")).unwrap_or(text).to_string();
        let good = match column {
            "valid" => Period::try_from(text.clone()).is_ok(),
            _ => Every::try_from(text.clone()).is_ok(),
        };
        if !good {
            let once = if column == "valid" { "" } else { ", or once (一次)" };
            let words = "every month (每月), quarter (每季度), half year (每半年), year (每年)";
            let says = format!("is no period: write P1M, P3M, P6M or P1Y for {words}{once}");
            self.wrong(column, says);
            return None;
        }
        Some(text)
    }

    /// A duty of the provider's.
    fn owed(&mut self, titles: &[String; 2]) -> Value {
        let mut owed = Map::new();
        let owner = self.get("owner").unwrap_or_default();
        let known = OWNERS.iter().find(|(en, zh)| en.eq_ignore_ascii_case(owner) || *zh == owner);
        match known {
            Some((en, _)) => drop(owed.insert("owner".into(), (*en).into())),
            None => {
                let all: Vec<String> = OWNERS.iter().map(|(en, zh)| format!("{en} ({zh})")).collect();
                let what = if owner.is_empty() { "is missing: a duty has an owner" } else { "is no role" };
                self.wrong("owner", format!("{what}; there are {}", all.join(", ")));
            }
        }
        if self.get("period").is_none() {
            self.wrong("period", "is missing: a duty says how often it is due: P1Y, 每年, once");
        }
        let every = self.period("period");
        let valid = self.period("valid");
        if let (Some(_), Some(every)) = (&valid, &every)
            && every != "once"
        {
            self.wrong("valid", "is for what is done once: leave it empty, it comes back by itself");
        }
        let first = self.get("first").unwrap_or("90").parse::<u16>().unwrap_or_else(|_| {
            self.wrong("first", "must be a number of days, 0 to 65535");
            0
        });
        let record = self.one("record", RECORDS).unwrap_or("report");
        let shows = self.text("shows");
        let [en, zh] = titles;
        for (name, value) in [("every", every), ("valid", valid), ("on", self.text("on")),
            ("shows_en", Some(shows.clone().unwrap_or_else(|| en.clone()))),
            ("shows_zh", Some(shows.unwrap_or_else(|| zh.clone())))]
        {
            if let Some(value) = value {
                owed.insert(name.into(), value.into());
            }
        }
        owed.insert("first".into(), first.into());
        owed.insert("record".into(), record.into());
        owed.into()
    }

    /// Refuses columns that say nothing where a row is answered in another way.
    fn without(&mut self, columns: &[&str], says: &str) {
        for column in columns {
            if self.get(column).is_some() {
                self.wrong(column, says);
            }
        }
    }

    /// The row.
    fn make(&mut self, among: &Among<'_>) -> Value {
        match self.get("id") {
            None => self.wrong("id", "is missing: each row has an id (编号) of its own"),
            Some(id) if !good_id(id) => self.wrong("id", super::ID),
            Some(id) => {
                if let Some(says) = among.taken(id, &self.line.name) {
                    self.wrong("id", says);
                }
            }
        }
        let titles = self.titles();
        let (tier, grade) = self.levels();
        let who = self.one("who", SIDES).unwrap_or("provider");
        let kind = self.one("kind", KINDS);
        let (refs, see) = (self.ids("refs", among), self.ids("see", among));
        let area = self.area();
        let mut row = Map::new();
        let mut put = |name: &str, value: Value| drop(row.insert(name.into(), value));
        put("id", self.get("id").unwrap_or_default().into());
        put("level", tier.into());
        put("duty", who.into());
        put("area", area.into());
        put("title_en", titles[0].clone().into());
        put("title_zh", titles[1].clone().into());
        if !see.is_empty() {
            put("see", json!(see));
        }
        if let Some(text) = self.get("text") {
            put("items", json!([{ "en": text, "zh": text }]));
        }
        for column in ["open", "not_applicable"] {
            if let Some(text) = self.text(column) {
                put(column, text.into());
            }
        }
        let graded = (!grade.is_empty()).then(|| format!("Grade in the standard: {grade}."));
        let note: Vec<String> = graded.into_iter().chain(self.text("note")).collect();
        if !note.is_empty() {
            put("note", note.join(" ").into());
        }
        let (how, by) = match self.way(who, kind) {
            Some(way) => self.answered(way, who, &titles, refs),
            None => (Value::Null, "nothing"),
        };
        put("kind", kind.unwrap_or(match self.way_kind() {
            Way::Refs | Way::NotBuilt => "technical",
            Way::Duty => "operational",
            Way::NotApplicable | Way::Facts => "documentary",
        }).into());
        put("platform", format!("What its own rules ask; answered by {by}.").into());
        put("evidence", format!("That of {by}.").into());
        if !how.is_null() {
            put("answer", how);
        }
        let told = self.get("tenant_does").is_some();
        let half = match self.way_kind() {
            Way::Duty | Way::NotBuilt => who == "both",
            Way::Refs => who == "both" && told,
            Way::NotApplicable | Way::Facts => false,
        };
        if half {
            let does = self.text("tenant_does").unwrap_or_else(|| titles[0].clone());
            put("tenant", json!({ "does": does, "seen": "nothing" }));
        } else if who != "user" || self.way_kind() != Way::Duty {
            let says = "is for a duty of the tenant's own, or a shared one: leave it empty";
            self.without(&["tenant_does"], says);
        }
        row.into()
    }

    /// In which way the row is answered, as far as its cells say.
    fn way_kind(&self) -> Way {
        const SAID: [(&str, Way); 4] = [("refs", Way::Refs), ("not_applicable", Way::NotApplicable),
            ("not_built", Way::NotBuilt), ("facts", Way::Facts)];
        let said = SAID.iter().find(|(column, _)| self.get(column).is_some());
        said.map_or(Way::Duty, |(_, way)| *way)
    }

    /// The one way in which it is answered, if there is exactly one.
    fn way(&mut self, who: &str, kind: Option<&str>) -> Option<Way> {
        let has = |column: &str| self.get(column).is_some();
        let duty = has("owner") || has("period");
        let said: Vec<&str> = ["refs", "not_applicable", "not_built", "facts"].into_iter()
            .filter(|column| has(column))
            .chain(duty.then_some(if has("owner") { "owner" } else { "period" })).collect();
        if said.len() > 1 {
            let says = format!("is a second answer beside {}: keep one of them", said[0]);
            self.wrong(said[1], says);
            return None;
        }
        let way = self.way_kind();
        let technical = kind == Some("technical");
        match way {
            Way::Duty if who == "user" => {
                self.without(&["owner", "period"], "is for the provider's duties: who (责任) says that \
                    the tenant owes it, on a list of its own");
            }
            Way::Duty if said.is_empty() => {
                self.wrong("refs", "is empty, and nothing else answers the row: name the clauses that \
                    answer it (对应), or give owner and period (责任人, 周期), or not_built (未建成), or a \
                    reason in not_applicable (不适用)");
                return None;
            }
            Way::Duty if technical => {
                self.wrong("kind", "is technical, and a duty does not stand in for a mechanism: name the \
                    clauses that answer it in refs (对应), or say what is missing in not_built (未建成)");
                return None;
            }
            Way::NotBuilt if who == "user" => {
                self.wrong("not_built", "is for the provider: the tenant owes this row by itself");
                return None;
            }
            Way::NotBuilt if kind.is_some() && !technical => {
                self.wrong("kind", "must be technical (技术) where nothing is built: anything else is a \
                    duty with owner and period");
                return None;
            }
            _ => {}
        }
        if way != Way::Refs {
            self.without(&["open"], "is for rows that refs (对应) answer: what those leave open");
        }
        if way != Way::Duty || who == "user" {
            let says = "is for duties: leave it empty, or give owner and period instead";
            self.without(&["valid", "on", "first", "record", "shows"], says);
        }
        Some(way)
    }

    /// The answer, and what it rests on in words.
    fn answered(&mut self, way: Way, who: &str, titles: &[String; 2], refs: Vec<String>)
        -> (Value, &'static str) {
        match way {
            Way::Refs => (json!({ "same_as": refs }), "the rows that it refers to"),
            Way::NotApplicable => (Value::Null, "the reason why it does not apply"),
            Way::NotBuilt => {
                (json!({ "not_built": self.text("not_built").unwrap_or_default() }), "nothing yet")
            }
            Way::Facts => (json!({ "facts": self.text("facts").unwrap_or_default() }), "nobody"),
            Way::Duty if who == "user" => {
                let does = self.text("tenant_does").unwrap_or_else(|| titles[0].clone());
                (json!({ "tenant": does, "seen": "nothing" }), "the tenant")
            }
            Way::Duty => (json!({ "duty": self.owed(titles) }), "the records of the duty"),
        }
    }
}

/// In which way a row is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Refs,
    NotApplicable,
    NotBuilt,
    Facts,
    Duty,
}

/// The rows that a row can refer to.
struct Among<'a> {
    shipped: &'a Catalogues,
    /// The file's own: id, and the row that had it first.
    own: BTreeMap<&'a str, &'a str>,
    /// The catalogue that is made.
    key: &'a str,
}

impl<'a> Among<'a> {
    fn new(shipped: &'a Catalogues, lines: &'a [Line], key: &'a str) -> Among<'a> {
        let mut own = BTreeMap::new();
        for line in lines {
            if let Some(id) = line.cells.get("id") {
                own.entry(id.as_str()).or_insert(line.name.as_str());
            }
        }
        Among { shipped, own, key }
    }

    /// Why an id cannot be this row's.
    fn taken(&self, id: &str, row: &str) -> Option<String> {
        if let Some(other) = self.shipped.of(id) {
            let says = format!("is an id of {} already: put letters of your own before it", other.key);
            return Some(says);
        }
        let first = self.own.get(id).filter(|first| **first != row)?;
        Some(format!("stands in {first} too: each id once"))
    }

    /// The id of a row as it was asked for: `7.1-E-a`, or with its standard `jrt0167:7.1-E-a`.
    fn id<'i>(&self, asked: &'i str) -> Result<&'i str, String> {
        let (key, id) = match asked.split_once([':', '：']) {
            Some((key, id)) => (Some(key), id),
            None => (None, asked),
        };
        if let Some(key) = key.filter(|key| *key != self.key && self.shipped.get(key).is_none()) {
            let keys: Vec<&str> = self.shipped.iter().map(|one| one.key.as_str()).collect();
            return Err(format!("names a standard {} that there is not; there are {}", plain(key),
                keys.join(", ")));
        }
        let whose = match self.shipped.of(id) {
            Some(catalogue) => Some(catalogue.key.as_str()),
            None => self.own.contains_key(id).then_some(self.key),
        };
        match (whose, key) {
            (Some(whose), Some(key)) if whose != key => {
                Err(format!("names {} of {key}, but that is a row of {whose}", plain(id)))
            }
            (Some(_), _) => Ok(id),
            (None, _) => Err(format!("names a row {} that there is not{}", plain(id), self.near(id))),
        }
    }

    /// Rows below what somebody asked for.
    fn near(&self, id: &str) -> String {
        let below = |other: &str| {
            let rest = other.strip_prefix(id).filter(|_| !id.is_empty());
            rest.is_some_and(|rest| rest.starts_with(['-', '.']))
        };
        let found: Vec<&str> = self.shipped.clauses().map(|(_, clause)| clause.id.as_str())
            .filter(|other| below(other)).take(4).collect();
        match found.is_empty() {
            true => ": ids look like jrt0167:7.2.5-B-a (jinyun assess --standard all shows them)".into(),
            false => format!(": name its rows one by one, {} and so on", found.join(", ")),
        }
    }
}

/// Makes a catalogue of a table. The name's ending says what it is: `.csv` (also with semicolons or
/// tabs), `.yaml`. It may refer to the rows of the catalogues that are given, and to its own.
pub fn import(file: &str, bytes: &[u8], titles: &Titles, shipped: &Catalogues)
    -> Result<Imported, Malformed> {
    let ending = file.rsplit_once('.').map_or(String::new(), |(_, end)| end.to_ascii_lowercase());
    let (lines, mut flaws) = match ending.as_str() {
        "csv" | "tsv" | "txt" => sheet::table(file, bytes)?,
        "yaml" | "yml" => sheet::list(file, bytes)?,
        "xlsx" | "xls" | "ods" | "et" => {
            let says = "is a spreadsheet program's own file, which is not read: save the sheet as CSV \
                        (\"CSV UTF-8\") and import that";
            return Err(Malformed::whole(file, says));
        }
        _ => {
            let says = "must end in .csv or .yaml, so that it is known what it is";
            return Err(Malformed::whole(file, says));
        }
    };
    let among = Among::new(shipped, &lines, &titles.key);
    let mut rows = Vec::with_capacity(lines.len());
    for line in lines.iter().filter(|line| !line.torn) {
        let mut maker = Maker { file, line, flaws: Vec::new() };
        rows.push(maker.make(&among));
        flaws.append(&mut maker.flaws);
    }
    if !flaws.is_empty() {
        let place = |flaw: &Flaw| lines.iter().position(|line| line.name == flaw.row);
        flaws.sort_by_cached_key(place);
        return Err(Malformed::of(flaws));
    }
    let standard = if titles.standard.is_empty() { &titles.title_en } else { &titles.standard };
    let mut whole = Map::from_iter([
        ("key".to_string(), titles.key.clone().into()),
        ("standard".to_string(), standard.clone().into()),
        ("title_en".to_string(), titles.title_en.clone().into()),
        ("title_zh".to_string(), titles.title_zh.clone().into()),
        ("about".to_string(), "Imported from a table of requirements; docs/catalogue.md.".into()),
        ("clauses".to_string(), rows.into()),
    ]);
    if !titles.version.is_empty() {
        whole.insert("version".into(), titles.version.clone().into());
    }
    let named = |malformed: Malformed| found(malformed, &lines);
    let catalogue = Catalogue::take(file, None, whole).and_then(Catalogue::brought).map_err(named)?;
    let joined = shipped.with([catalogue.clone()]).map_err(named)?;
    let empty = silent(&joined, &catalogue);
    if !empty.is_empty() {
        let says = "names only rows that ask for nothing: name clauses that are answered, or give facts \
                    (说明) instead";
        let flaws = empty.into_iter().map(|id| {
            let (file, row, says) = (file.into(), format!("row {id}"), says.into());
            Flaw { file, row, field: "refs".into(), says }
        });
        return Err(found(Malformed::of(flaws.collect()), &lines));
    }
    Ok(counted(catalogue))
}

/// Flaws that name a row by its id, with the row of the table that has it.
fn found(mut malformed: Malformed, lines: &[Line]) -> Malformed {
    for flaw in &mut malformed.flaws {
        let id = flaw.row.strip_prefix("row ").unwrap_or_default();
        if let Some(line) = lines.iter().find(|line| line.cells.get("id").is_some_and(|own| own == id)) {
            flaw.row.clone_from(&line.name);
        }
        if flaw.field == "answer.same_as" {
            flaw.field = "refs".into();
            flaw.says = flaw.says.replace("give `tenant`", "say in tenant_does (租户须做) what it has to do");
        }
    }
    malformed
}

/// Rows that are answered by rows that ask for nothing.
fn silent(joined: &Catalogues, catalogue: &Catalogue) -> BTreeSet<String> {
    fn asks(joined: &Catalogues, id: &str) -> bool {
        match joined.clause(id).map(|clause| &clause.answer) {
            // Circles were refused before.
            Some(Answer::SameAs { same_as }) => same_as.iter().any(|id| asks(joined, id)),
            Some(Answer::Facts { .. }) | None => false,
            Some(_) => true,
        }
    }
    let others = catalogue.clauses.iter().filter(|c| matches!(c.answer, Answer::SameAs { .. }));
    others.filter(|clause| !asks(joined, &clause.id)).map(|clause| clause.id.clone()).collect()
}

fn counted(catalogue: Catalogue) -> Imported {
    let (mut answered, mut duties, mut not_built, mut silent) = (0, 0, 0, 0);
    for clause in &catalogue.clauses {
        let count: &mut usize = match &clause.answer {
            Answer::SameAs { .. } | Answer::Checks { .. } => &mut answered,
            Answer::Duty { .. } | Answer::Tenant { .. } => &mut duties,
            Answer::NotBuilt { .. } => &mut not_built,
            Answer::Facts { .. } => &mut silent,
        };
        *count += 1;
    }
    Imported { catalogue, answered, duties, not_built, silent }
}
