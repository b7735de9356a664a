//! Reading a JSON object from outside: every wrong member is refused by its name.

use jinyun_base::{Refusal, Weekday, Window, hours};
use jinyun_engine::Failure;
use serde_json::{Map, Value};

/// The members of a request's object.
pub struct Words<'a> {
    envelope: String,
    members: &'a Map<String, Value>,
}

impl<'a> Words<'a> {
    /// The members of the object that the envelope holds.
    pub fn new(envelope: &str, members: &'a Map<String, Value>) -> Words<'a> {
        Words { envelope: envelope.into(), members }
    }

    /// Refuses members that the protocol does not have (or that we do not offer).
    pub fn only(&self, known: &[&str]) -> Result<(), Failure> {
        let strange: Vec<_> =
            self.members.keys().map(String::as_str).filter(|k| !known.contains(k)).collect();
        if strange.is_empty() {
            return Ok(());
        }
        let say = format!("has unrecognized attribute(s) '{}'", strange.join(", "));
        Err(Refusal::invalid(&self.envelope, say).into())
    }

    /// Whether a member is there, even null.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A member that is there and not null.
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|v| !v.is_null())
    }

    fn wrong(&self, name: &str, what: &str) -> Failure {
        // The sort of what came, never the value: it may be a secret, and the sentence is journaled.
        let got = match self.members.get(name) {
            None | Some(Value::Null) => "null",
            Some(Value::Bool(_)) => "a boolean",
            Some(Value::Number(_)) => "this number",
            Some(Value::String(_)) => "this string",
            Some(Value::Array(_)) => "an array",
            Some(Value::Object(_)) => "an object",
        };
        Refusal::invalid(name, format!("must be {what}, not {got}")).into()
    }

    /// Text of at most 255 characters without control characters.
    pub fn text(&self, name: &'static str) -> Result<Option<String>, Failure> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(s)) => {
                jinyun_base::check_name(name, s)?;
                Ok(Some(s.clone()))
            }
            Some(_) => Err(self.wrong(name, "a string")),
        }
    }

    /// Text that must be there.
    pub fn need(&self, name: &'static str) -> Result<String, Failure> {
        self.text(name)?.ok_or_else(|| Refusal::invalid(name, "is required").into())
    }

    /// Text of any content, as long as a description may be.
    pub fn long_text(&self, name: &str) -> Result<Option<String>, Failure> {
        let longest = jinyun_base::limits::TEXT;
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(s)) if s.chars().count() > longest => {
                let say = format!("is longer than {longest} characters");
                Err(Refusal::invalid(name, say).into())
            }
            Some(Value::String(s)) => Ok(Some(s.clone())),
            Some(_) => Err(self.wrong(name, "a string")),
        }
    }

    /// A boolean; the words that OpenStack clients send for one are taken too.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(b)) => Ok(Some(*b)),
            Some(Value::String(s)) => match s.to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(Some(true)),
                "false" | "0" => Ok(Some(false)),
                _ => Err(self.wrong(name, "a boolean")),
            },
            Some(_) => Err(self.wrong(name, "a boolean")),
        }
    }

    /// A whole number in a range; digits in a string are taken too.
    pub fn int(&self, name: &str, low: i64, high: i64) -> Result<Option<i64>, Failure> {
        let n = match self.value(name) {
            None => return Ok(None),
            Some(Value::Number(n)) => n.as_i64(),
            Some(Value::String(s)) => s.parse().ok(),
            Some(_) => None,
        };
        match n {
            Some(n) if (low..=high).contains(&n) => Ok(Some(n)),
            _ => Err(self.wrong(name, &format!("a whole number from {low} to {high}"))),
        }
    }

    /// An array.
    pub fn array(&self, name: &str) -> Result<Option<&'a Vec<Value>>, Failure> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Array(a)) => Ok(Some(a)),
            Some(_) => Err(self.wrong(name, "an array")),
        }
    }

    /// An array of strings.
    pub fn texts(&self, name: &'static str) -> Result<Option<Vec<String>>, Failure> {
        let Some(items) = self.array(name)? else { return Ok(None) };
        let texts: Option<Vec<String>> =
            items.iter().map(|v| v.as_str().map(String::from)).collect();
        let texts = texts.ok_or_else(|| self.wrong(name, "an array of strings"))?;
        texts.iter().try_for_each(|t| jinyun_base::check_name(name, t))?;
        Ok(Some(texts))
    }

    /// An object.
    pub fn object(&self, name: &str) -> Result<Option<Words<'a>>, Failure> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Words::new(name, members))),
            Some(_) => Err(self.wrong(name, "an object")),
        }
    }

    /// Hours on days of the week, which these members are.
    pub fn window(&self) -> Result<Window, Failure> {
        self.only(&["days", "from", "to"])?;
        let mut days = Vec::new();
        for name in self.texts("days")?.unwrap_or_default() {
            let say = || Refusal::invalid("days", "must be among mon, tue, wed, thu, fri, sat, sun");
            let day = Weekday::read(&name).ok_or_else(say)?;
            if !days.contains(&day) {
                days.push(day);
            }
        }
        let at = |name: &'static str| -> Result<i64, Failure> {
            let text = self.need(name)?;
            let say = || Refusal::invalid(name, "must be a time of day in UTC+8, like 22:30");
            Ok(hours::minute(&text).ok_or_else(say)?)
        };
        Ok(Window { days, from: at("from")?, to: at("to")? })
    }

    /// Names of all members.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.members.keys().map(String::as_str)
    }
}
