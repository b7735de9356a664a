//! How a conclusion is drawn: tables of rules, and three ways to read them.
//!
//! Problem: a plan that a supervisor reads must say for each sentence on which clause and on which
//! input it rests, and must not invent what nobody told it. Mechanism: rules are rows of data. A
//! row's condition is true, false, or unknown because an input is missing. A conclusion that an
//! unknown row could change is not drawn: its inputs are asked for. Why not code with `if`: nobody
//! can read off from code what it cites, and every `if` would have to think of "unknown" again.

mod doubts;
mod grade;
mod notes;
mod place;
mod split;

pub use doubts::DOUBTS;
pub use grade::{BUSINESS, CLASS, GUARDS, IMPORTANCE, INFO, LEVEL, PROFILE, PROTECTION, recovery};
pub use notes::{ASPECTS, Aspect, BEFORE, EXIT, FOUNDATION, LACKS, RESIDENCE};
pub use place::{ADMISSION, MODEL, SERVICE, TURN};
pub use split::{LAYERS, Layer};

use crate::words::Word;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is known, by the name of the field or of the conclusion. What is not there is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<&'static str, Vec<String>>);

impl Facts {
    /// What is known of this.
    pub fn get(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// The first value, or nothing.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }

    /// Keeps values.
    pub fn set(&mut self, name: &'static str, values: Vec<String>) {
        self.0.insert(name, values);
    }

    /// Keeps one value.
    pub fn say(&mut self, name: &'static str, value: &str) {
        self.set(name, vec![value.into()]);
    }

    /// Takes all that the other knows.
    pub fn join(&mut self, other: &Facts) {
        self.0.extend(other.0.iter().map(|(name, values)| (*name, values.clone())));
    }

    /// One of them as a plan shows it.
    pub fn input(&self, field: &'static str) -> Input {
        Input { field, value: self.get(field).map(<[String]>::to_vec) }
    }
}

/// An input that a conclusion rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Input {
    /// Field of the inventory, or another conclusion.
    pub field: &'static str,
    /// Its values; none if it is unknown.
    pub value: Option<Vec<String>>,
}

/// A sentence with the clauses it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
    /// Ids of clauses.
    pub cites: Vec<&'static str>,
}

impl Reason {
    /// A sentence.
    pub fn new(zh: impl Into<String>, en: impl Into<String>, cites: &[&'static str]) -> Reason {
        Reason { zh: zh.into(), en: en.into(), cites: cites.to_vec() }
    }
}

/// A field and the words of which it must have one.
pub type Test = (&'static str, &'static [&'static str]);

/// A row of a table.
pub struct Rule {
    /// All of these have to hold; none means always.
    pub when: &'static [Test],
    /// What then is the case; in a table of doubts the field to look at again; empty in tables that only
    /// remark.
    pub then: &'static str,
    /// Why, in Chinese.
    pub zh: &'static str,
    /// Why, in English.
    pub en: &'static str,
    /// The clauses it comes from.
    pub cites: &'static [&'static str],
}

impl Rule {
    /// Whether it holds; none if that depends on what nobody has said.
    pub fn holds(&self, facts: &Facts) -> Option<bool> {
        let mut known = true;
        for (field, words) in self.when {
            match facts.get(field) {
                None => known = false,
                Some(values) if values.iter().any(|v| words.contains(&v.as_str())) => {}
                Some(_) => return Some(false),
            }
        }
        known.then_some(true)
    }

    /// What it says.
    pub fn reason(&self) -> Reason {
        Reason::new(self.zh, self.en, self.cites)
    }
}

/// Something that was concluded, or has to be asked.
#[derive(Debug, Clone, Serialize)]
pub struct Conclusion<T> {
    /// What is the case. None: it has to be asked, or (if nothing is asked) it does not apply.
    pub is: Option<T>,
    /// The inventory said so; nothing was concluded.
    pub given: bool,
    /// Why.
    pub why: Vec<Reason>,
    /// The inputs that it rests on.
    pub rests_on: Vec<Input>,
    /// Fields of the inventory that are missing.
    pub ask: Vec<&'static str>,
    /// Other conclusions that have to be drawn before.
    pub after: Vec<&'static str>,
}

impl<T> Conclusion<T> {
    /// It does not apply.
    pub fn nothing() -> Conclusion<T> {
        Conclusion::open(&[], &Facts::default())
    }

    /// A conclusion from these rules. Without any condition it rests on what the others ask.
    fn by(is: T, met: &[&Rule], table: &[Rule], facts: &Facts) -> Conclusion<T> {
        let bare = met.iter().all(|rule| rule.when.is_empty());
        let asked: Vec<&Rule> = if bare { table.iter().collect() } else { met.to_vec() };
        let mut fields: Vec<&'static str> = Vec::new();
        for (field, _) in asked.iter().flat_map(|rule| rule.when) {
            if !fields.contains(field) {
                fields.push(field);
            }
        }
        Conclusion {
            is: Some(is),
            given: false,
            why: met.iter().map(|rule| rule.reason()).collect(),
            rests_on: fields.into_iter().map(|field| facts.input(field)).collect(),
            ask: Vec::new(),
            after: Vec::new(),
        }
    }

    /// Nothing can be concluded before these rules can be read.
    fn open(rules: &[&Rule], facts: &Facts) -> Conclusion<T> {
        let (mut ask, mut after, mut cites) = (Vec::new(), Vec::new(), Vec::new());
        for rule in rules {
            for (field, _) in rule.when.iter().filter(|(field, _)| facts.get(field).is_none()) {
                let list = if crate::fields::is_input(field) { &mut ask } else { &mut after };
                if !list.contains(field) {
                    list.push(*field);
                }
            }
            for cite in rule.cites {
                if !cites.contains(cite) {
                    cites.push(*cite);
                }
            }
        }
        let why = match rules.is_empty() {
            true => Vec::new(),
            false => vec![Reason {
                zh: "缺少必要的输入，不作推断，答复之后再定。".into(),
                en: "An input is missing. Nothing is guessed; it is decided once the answer is there."
                    .into(),
                cites,
            }],
        };
        Conclusion { is: None, given: false, why, rests_on: Vec::new(), ask, after }
    }
}

impl<T: Word> Conclusion<T> {
    /// What the inventory says itself, beside what would have been proposed.
    pub fn stated(field: &'static str, table: &'static [Rule], facts: &Facts,
        cites: &[&'static str]) -> Conclusion<T> {
        let proposed = first::<T>(table, facts);
        let Some(is) = T::of(facts.text(field)) else { return proposed };
        let mut why = vec![Reason::new("清单已给定。", "Stated in the inventory.", cites)];
        let mut rests_on = vec![facts.input(field)];
        if let Some(other) = proposed.is.filter(|other| *other != is) {
            let label = other.label();
            // Less than its impact suggests is a doubt of its own (`DOUBTS`).
            why.push(match is.rank() < other.rank() {
                true => Reason::new(format!("按影响范围与程度会提出{}，高于给定的。", label.zh),
                    format!("Its impact would suggest {}, which is more than is stated.", label.en), cites),
                false => Reason::new(
                    format!("按影响范围与程度会提出{}；给定的更严，以给定的为准。", label.zh),
                    format!("Its impact would suggest {}; what is stated is stricter and stands.",
                        label.en),
                    cites),
            });
            rests_on.extend(proposed.rests_on);
        }
        Conclusion {
            is: Some(is),
            given: true,
            why,
            rests_on,
            ask: Vec::new(),
            after: Vec::new(),
        }
    }

    /// Makes it known to the tables that come later.
    pub fn keep(&self, name: &'static str, facts: &mut Facts) {
        if let Some(word) = self.is {
            facts.say(name, word.code());
        }
    }
}

/// Whether the inventory states less than would have been proposed.
pub fn below<T: Word>(field: &str, table: &'static [Rule], facts: &Facts) -> bool {
    let proposed = first::<T>(table, facts).is;
    match (T::of(facts.text(field)), proposed) {
        (Some(stated), Some(proposed)) => stated.rank() < proposed.rank(),
        _ => false,
    }
}

/// Reads a table from the top: the first row that holds decides, unless a row before it that cannot
/// be read yet would decide otherwise.
pub fn first<T: Word>(table: &'static [Rule], facts: &Facts) -> Conclusion<T> {
    let mut open: Vec<&Rule> = Vec::new();
    let mut hit: Option<&Rule> = None;
    for rule in table {
        match rule.holds(facts) {
            Some(true) => {
                hit = Some(rule);
                break;
            }
            Some(false) => {}
            None => open.push(rule),
        }
    }
    open.retain(|rule| hit.is_none_or(|hit| hit.then != rule.then));
    match hit.and_then(|rule| Some((rule, T::of(rule.then)?))) {
        Some((rule, is)) if open.is_empty() => Conclusion::by(is, &[rule], table, facts),
        _ => Conclusion::open(&open, facts),
    }
}

fn rank<T: Word>(rule: &Rule) -> usize {
    T::of(rule.then).map_or(0, T::rank)
}

/// Reads a table whose rows each say "at least": the highest holds, unless a row that cannot be
/// read yet would go beyond it.
pub fn highest<T: Word>(table: &'static [Rule], facts: &Facts) -> Conclusion<T> {
    let met: Vec<&Rule> = table.iter().filter(|rule| rule.holds(facts) == Some(true)).collect();
    let top = met.iter().map(|rule| rank::<T>(rule)).max();
    let high: Vec<&Rule> = met.into_iter().filter(|rule| Some(rank::<T>(rule)) == top).collect();
    let beyond = |rule: &&Rule| {
        rule.holds(facts).is_none() && top.is_none_or(|top| rank::<T>(rule) > top)
    };
    let open: Vec<&Rule> = table.iter().filter(beyond).collect();
    match high.first().and_then(|rule| T::of(rule.then)) {
        Some(is) if open.is_empty() => Conclusion::by(is, &high, table, facts),
        _ => {
            let mut undecided = Conclusion::open(&open, facts);
            // What is certain so far may be said: it can only rise.
            let mut why: Vec<Reason> = high.iter().map(|rule| rule.reason()).collect();
            why.append(&mut undecided.why);
            undecided.why = why;
            undecided
        }
    }
}

/// All remarks of a table that apply.
pub fn remarks(table: &'static [Rule], facts: &Facts) -> Vec<Reason> {
    let holds = table.iter().filter(|rule| rule.holds(facts) == Some(true));
    holds.map(Rule::reason).collect()
}
