//! The rules of a mapping: what a token says becomes a user and groups.
//!
//! The language is Keystone's (schema version 1.0): each rule has conditions on claims (`remote`)
//! and, if all of them hold, gives something (`local`); `{0}` stands for what the first claim without
//! `any_one_of` and `not_any_of` has. All rules are looked at; the first user that is given counts,
//! groups come together. Where Keystone finds out at a sign-in that a rule makes no sense, or makes
//! text of a list, the rule is refused here when it is made.
//!
//! Values come from a person's own profile as well as from an administrator, so nothing in a value
//! means anything: a semicolon parts no groups, a brace is no placeholder. Lists are the token's own.
//! A rule reaches no domain but its own, and `projects` is refused by name: who works where is
//! decided by roles of groups here.
//!
//! Regular expressions run in time linear in pattern and value; what would need more (looking
//! around, references back) does not exist in them.

use jinyun_base::{Id, Refusal};
use regex_lite::{Regex, RegexBuilder};
use serde_json::{Map, Value};

/// Rules, conditions and gifts of a rule, and words of a condition at most.
const RULES: usize = 100;
const PARTS: usize = 32;
const WORDS: usize = 500;
/// Regular expressions of a mapping at most, and the size of one.
const REGEXES: usize = 8;
const REGEX_SIZE: usize = 16 * 1024;
/// Longest text in a rule.
const TEXT: usize = 255;
/// Groups that a sign-in looks for at most.
const GROUPS: usize = 500;
/// Bytes of one value of a claim and of one text that is made of it.
const VALUE: usize = 1024;
/// Bytes of all texts that one template makes.
const MADE: usize = 64 * 1024;

fn wrong(say: impl std::fmt::Display) -> Refusal {
    Refusal::invalid("rules", say)
}

/// What a rule makes of the values that its conditions picked.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Value(usize),
}

/// Text with places for values.
#[derive(Debug, Clone, PartialEq)]
struct Template(Vec<Piece>);

/// The values of claims, one list for each `{n}`.
type Picked = [Vec<String>];

impl Template {
    /// As in Python's format strings, of which only `{n}`, `{{` and `}}` make sense here.
    fn read(text: &str, picks: usize) -> Result<Template, Refusal> {
        if text.chars().count() > TEXT {
            return Err(wrong(format!("hold a text of more than {TEXT} characters")));
        }
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match (c, rest.peek()) {
                ('{', Some('{')) | ('}', Some('}')) => {
                    rest.next();
                    plain.push(c);
                }
                ('{', _) => {
                    let mut inside = String::new();
                    let mut closed = false;
                    for c in rest.by_ref() {
                        if c == '}' {
                            closed = true;
                            break;
                        }
                        inside.push(c);
                    }
                    // `parse` of a number would take a sign.
                    let digits = closed && inside.bytes().all(|b| b.is_ascii_digit());
                    let number = inside.parse::<usize>().ok().filter(|n| digits && *n < picks);
                    let Some(number) = number else {
                        return Err(wrong("hold a placeholder without its value: the number in braces \
                            counts the types of its own rule that have neither any_one_of nor \
                            not_any_of, from 0; a brace itself is written twice"));
                    };
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Value(number));
                }
                ('}', _) => return Err(wrong("hold a brace that closes nothing")),
                _ => plain.push(c),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Template(pieces))
    }

    /// One text; every claim in it must have one value.
    fn one(&self, picked: &Picked) -> Result<String, &'static str> {
        let mut made = self.all(picked)?;
        match (made.pop(), made.is_empty()) {
            (Some(one), true) if !one.is_empty() => Ok(one),
            (Some(_), true) | (None, _) => Err("the mapping makes an empty text of a claim"),
            _ => Err("a claim has several values where the mapping needs one"),
        }
    }

    /// A text for each value of the one claim that has several; none where a claim has none.
    fn all(&self, picked: &Picked) -> Result<Vec<String>, &'static str> {
        let mut made = vec![String::new()];
        let mut several = None;
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => made.iter_mut().for_each(|m| m.push_str(text)),
                Piece::Value(n) => {
                    let values = picked.get(*n).map_or(&[][..], Vec::as_slice);
                    match (values, several) {
                        ([one], _) => made.iter_mut().for_each(|m| m.push_str(one)),
                        (_, Some(before)) if before != *n => {
                            return Err("a text of the mapping has two claims with several values");
                        }
                        (values, Some(_)) => {
                            made.iter_mut().zip(values).for_each(|(m, v)| m.push_str(v));
                        }
                        (values, None) => {
                            several = Some(*n);
                            let base = made.pop().unwrap_or_default();
                            made = values.iter().map(|v| format!("{base}{v}")).collect();
                        }
                    }
                }
            }
            // A manager owns keys, claims and mapping: texts must not grow with all three.
            if made.iter().map(String::len).sum::<usize>() > MADE {
                return Err("the mapping makes too long texts of a claim");
            }
        }
        match made.iter().any(|m| m.len() > VALUE) {
            true => Err("the mapping makes a too long text of a claim"),
            false => Ok(made),
        }
    }
}

/// What values are compared with.
#[derive(Debug)]
enum Wanted {
    Words(Vec<String>),
    Regexes(Vec<Regex>),
}

impl Wanted {
    fn has(&self, value: &str) -> bool {
        match self {
            Wanted::Words(words) => words.iter().any(|w| w == value),
            Wanted::Regexes(all) => all.iter().any(|r| r.is_match(value)),
        }
    }
}

#[derive(Debug)]
enum Test {
    There,
    AnyOneOf(Wanted),
    NotAnyOf(Wanted),
    Only(Wanted),
    Without(Wanted),
}

/// A condition on a claim.
#[derive(Debug)]
struct Remote {
    claim: String,
    test: Test,
}

/// A group that a rule gives.
#[derive(Debug, Clone, PartialEq)]
enum Gift {
    Id(Template),
    Name(Template),
}

/// A user that a rule gives.
#[derive(Debug, Clone, PartialEq)]
struct Person {
    id: Option<Template>,
    name: Option<Template>,
    email: Option<Template>,
    local: bool,
}

#[derive(Debug)]
struct Rule {
    remote: Vec<Remote>,
    users: Vec<Person>,
    gifts: Vec<Gift>,
}

/// The rules of a mapping.
#[derive(Debug)]
pub(crate) struct Rules(Vec<Rule>);

/// A group by what a mapping calls it. It is one of the mapping's own domain or none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    Id(String),
    Name(String),
}

/// What a mapping makes of a token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mapped {
    /// What the user is called for ever, if the mapping says so.
    pub id: Option<String>,
    /// The user's name.
    pub name: Option<String>,
    /// Its mail address.
    pub email: Option<String>,
    /// Whether it is a user of the domain's own, who has to be there.
    pub local: bool,
    /// Its groups, sorted, each once.
    pub groups: Vec<Named>,
}

/// Reads rules, knowing the one domain that they may name.
struct Reading<'a> {
    domain: &'a Id,
    domain_name: &'a str,
    regexes: usize,
}

fn object<'v>(value: &'v Value, what: &str) -> Result<&'v Map<String, Value>, Refusal> {
    value.as_object().ok_or_else(|| wrong(format!("hold {what} that is no object")))
}

fn list<'v>(from: &'v Map<String, Value>, name: &str, least: usize, most: usize)
    -> Result<&'v Vec<Value>, Refusal> {
    let items = from.get(name).and_then(Value::as_array);
    let items = items.ok_or_else(|| wrong(format!("lack a list: {name}")))?;
    if !(least..=most).contains(&items.len()) {
        return Err(wrong(format!("hold a list {name} of other than {least} to {most} items")));
    }
    Ok(items)
}

fn only(of: &Map<String, Value>, known: &[&str], what: &str) -> Result<(), Refusal> {
    match of.keys().find(|k| !known.contains(&k.as_str())) {
        Some(name) if matches!(name.as_str(), "projects" | "projects_json") => Err(wrong(
            "hold projects, which are not offered: give a group a role in the project, and map the group"
        )),
        Some(_) => Err(wrong(format!("hold {what} with a member other than {}", known.join(", ")))),
        None => Ok(()),
    }
}

fn text<'v>(of: &'v Map<String, Value>, name: &str) -> Result<Option<&'v str>, Refusal> {
    match of.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(format!("hold a {name} that is no string"))),
    }
}

impl Reading<'_> {
    /// The domain that a rule names has to be the mapping's own.
    fn domain(&self, of: &Map<String, Value>) -> Result<bool, Refusal> {
        let Some(domain) = of.get("domain") else { return Ok(false) };
        let domain = object(domain, "a domain")?;
        only(domain, &["id", "name"], "a domain")?;
        let own = match (text(domain, "id")?, text(domain, "name")?) {
            (None, None) => return Err(wrong("hold a domain without id and name")),
            (id, name) => {
                id.is_none_or(|id| id == self.domain.as_str())
                    && name.is_none_or(|name| name == self.domain_name)
            }
        };
        match own {
            true => Ok(true),
            false => Err(wrong(
                "name another domain: a mapping gives users and groups of its own domain only"
            )),
        }
    }

    fn template(&self, of: &Map<String, Value>, name: &str, picks: usize)
        -> Result<Option<Template>, Refusal> {
        text(of, name)?.map(|t| Template::read(t, picks)).transpose()
    }

    fn wanted(&mut self, of: &Map<String, Value>, name: &str) -> Result<Wanted, Refusal> {
        let mut words = Vec::new();
        for item in list(of, name, 0, WORDS)? {
            let word = item.as_str().filter(|w| w.chars().count() <= TEXT);
            let say = || wrong(format!("hold a value of {name} that is no string of up to {TEXT}"));
            words.push(word.ok_or_else(say)?.to_string());
        }
        match of.get("regex") {
            None | Some(Value::Bool(false)) => return Ok(Wanted::Words(words)),
            Some(Value::Bool(true)) => {}
            Some(_) => return Err(wrong("hold a regex that is neither true nor false")),
        }
        self.regexes += words.len();
        if self.regexes > REGEXES {
            return Err(wrong(format!("hold more than {REGEXES} regular expressions")));
        }
        let mut all = Vec::new();
        for word in &words {
            let mut builder = RegexBuilder::new(word);
            builder.size_limit(REGEX_SIZE).nest_limit(PARTS as u32);
            all.push(builder.build().map_err(|_| wrong(
                "hold a regular expression that cannot be read, is too large, or looks around or back"
            ))?);
        }
        Ok(Wanted::Regexes(all))
    }

    fn remote(&mut self, value: &Value) -> Result<Remote, Refusal> {
        let of = object(value, "a condition")?;
        let known = ["type", "any_one_of", "not_any_of", "whitelist", "blacklist", "regex"];
        only(of, &known, "a condition")?;
        let claim = text(of, "type")?.filter(|c| !c.is_empty() && c.chars().count() <= TEXT)
            .ok_or_else(|| wrong("hold a condition without type"))?;
        let named: Vec<&str> =
            known[1..5].iter().copied().filter(|name| of.contains_key(*name)).collect();
        let test = match named[..] {
            [] if of.contains_key("regex") => {
                return Err(wrong("hold a regex without values to compare with"));
            }
            [] => Test::There,
            ["any_one_of"] => Test::AnyOneOf(self.wanted(of, "any_one_of")?),
            ["not_any_of"] => Test::NotAnyOf(self.wanted(of, "not_any_of")?),
            ["whitelist"] => Test::Only(self.wanted(of, "whitelist")?),
            ["blacklist"] => Test::Without(self.wanted(of, "blacklist")?),
            _ => return Err(wrong("hold a condition with more than one of any_one_of, not_any_of, \
                whitelist and blacklist")),
        };
        Ok(Remote { claim: claim.into(), test })
    }

    fn person(&self, of: &Map<String, Value>, picks: usize) -> Result<Person, Refusal> {
        only(of, &["id", "name", "email", "domain", "type"], "a user")?;
        self.domain(of)?;
        let local = match text(of, "type")? {
            None | Some("ephemeral") => false,
            Some("local") => true,
            Some(_) => return Err(wrong("hold a user whose type is neither ephemeral nor local")),
        };
        let template = |name: &str| self.template(of, name, picks);
        Ok(Person { id: template("id")?, name: template("name")?, email: template("email")?, local })
    }

    fn group(&self, of: &Map<String, Value>, picks: usize) -> Result<Gift, Refusal> {
        only(of, &["id", "name", "domain"], "a group")?;
        let own = self.domain(of)?;
        match (self.template(of, "id", picks)?, self.template(of, "name", picks)?) {
            (Some(id), None) if !own => Ok(Gift::Id(id)),
            (None, Some(name)) if own => Ok(Gift::Name(name)),
            _ => Err(wrong("hold a group with neither an id alone nor a name and its domain")),
        }
    }

    fn rule(&mut self, value: &Value) -> Result<Rule, Refusal> {
        let of = object(value, "a rule")?;
        only(of, &["local", "remote"], "a rule")?;
        let mut remote = Vec::new();
        for item in list(of, "remote", 1, PARTS)? {
            remote.push(self.remote(item)?);
        }
        let picks = remote.iter()
            .filter(|r| !matches!(r.test, Test::AnyOneOf(_) | Test::NotAnyOf(_))).count();
        let mut rule = Rule { remote, users: Vec::new(), gifts: Vec::new() };
        for item in list(of, "local", 0, PARTS)? {
            let of = object(item, "a local part")?;
            only(of, &["user", "group", "groups", "group_ids", "domain"], "a local part")?;
            let own = self.domain(of)?;
            if let Some(user) = of.get("user") {
                rule.users.push(self.person(object(user, "a user")?, picks)?);
            }
            if let Some(group) = of.get("group") {
                rule.gifts.push(self.group(object(group, "a group")?, picks)?);
            }
            // Several names in the rule's own text; those in a claim are the claim's list.
            if let Some(groups) = text(of, "groups")? {
                if !own {
                    return Err(wrong("hold groups without their domain"));
                }
                for name in groups.split(';').map(str::trim).filter(|n| !n.is_empty()) {
                    rule.gifts.push(Gift::Name(Template::read(name, picks)?));
                }
            }
            if let Some(ids) = self.template(of, "group_ids", picks)? {
                rule.gifts.push(Gift::Id(ids));
            }
        }
        Ok(rule)
    }
}

/// A claim's name as a web server writes it in a header: `email_verified` is `EMAIL_VERIFIED`.
fn as_header(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect()
}

/// The claim that a condition names. Two claims with one header's name are none: which of both would
/// be meant is nobody's to guess.
fn claim<'v>(claims: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    let header = |rest: &str| {
        let mut found = claims.iter().filter(|(n, _)| as_header(n) == as_header(rest));
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    };
    for prefix in ["HTTP_OIDC_", "OIDC_CLAIM_"] {
        if let Some(rest) = name.strip_prefix(prefix) {
            return header(rest);
        }
    }
    if let Some(rest) = name.strip_prefix("OIDC-") {
        return claims.get(rest).or_else(|| header(rest));
    }
    // `realm_access.roles`: the member of an object, where no claim has the whole name.
    claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        claim(claims.get(first)?.as_object()?, rest)
    })
}

/// A claim's values: text, numbers and truth as mod_auth_openidc writes them. Anything deeper has
/// none.
fn values(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(n) if n.is_i64() || n.is_u64() => vec![n.to_string()],
        Value::Bool(yes) => vec![if *yes { "1" } else { "0" }.to_string()],
        Value::Array(items) => {
            items.iter().filter(|i| !i.is_array()).flat_map(values).collect()
        }
        _ => Vec::new(),
    }
}

impl Rule {
    /// What the conditions picked; none if one of them does not hold.
    fn picks(&self, claims: &Map<String, Value>)
        -> Result<Option<Vec<Vec<String>>>, &'static str> {
        let mut picked = Vec::new();
        for remote in &self.remote {
            let mut found = claim(claims, &remote.claim).map(values).unwrap_or_default();
            if found.is_empty() {
                return Ok(None);
            }
            if found.len() > GROUPS || found.iter().any(|v| v.len() > VALUE) {
                return Err("a claim that the mapping reads has too many or too long values");
            }
            match &remote.test {
                Test::AnyOneOf(wanted) if found.iter().any(|v| wanted.has(v)) => continue,
                Test::NotAnyOf(wanted) if !found.iter().any(|v| wanted.has(v)) => continue,
                Test::AnyOneOf(_) | Test::NotAnyOf(_) => return Ok(None),
                Test::Only(wanted) => found.retain(|v| wanted.has(v)),
                Test::Without(wanted) => found.retain(|v| !wanted.has(v)),
                Test::There => {}
            }
            picked.push(found);
        }
        Ok(Some(picked))
    }
}

impl Rules {
    /// Reads the rules of a mapping of a domain.
    pub fn read(rules: &Value, domain: &Id, domain_name: &str) -> Result<Rules, Refusal> {
        let items = rules.as_array().filter(|r| !r.is_empty() && r.len() <= RULES)
            .ok_or_else(|| wrong(format!("must be a list of 1 to {RULES} rules")))?;
        let mut reading = Reading { domain, domain_name, regexes: 0 };
        Ok(Rules(items.iter().map(|r| reading.rule(r)).collect::<Result<_, _>>()?))
    }

    /// What they make of a token; why nothing, for the journal.
    pub fn apply(&self, claims: &Map<String, Value>) -> Result<Mapped, &'static str> {
        let mut mapped = None;
        let mut groups = Vec::new();
        let mut met = false;
        for rule in &self.0 {
            let Some(picked) = rule.picks(claims)? else { continue };
            met = true;
            if let Some(person) = rule.users.first().filter(|_| mapped.is_none()) {
                let one = |t: &Option<Template>| t.as_ref().map(|t| t.one(&picked)).transpose();
                mapped = Some(Mapped {
                    id: one(&person.id)?,
                    name: one(&person.name)?,
                    email: one(&person.email)?,
                    local: person.local,
                    groups: Vec::new(),
                });
            }
            for gift in &rule.gifts {
                match gift {
                    Gift::Id(t) => groups.extend(t.all(&picked)?.into_iter().map(Named::Id)),
                    Gift::Name(t) => groups.extend(t.all(&picked)?.into_iter().map(Named::Name)),
                }
                if groups.len() > GROUPS {
                    return Err("the mapping makes too many groups of the token");
                }
            }
        }
        match mapped {
            Some(mapped) if mapped.id.is_some() || mapped.name.is_some() => {
                groups.sort();
                groups.dedup();
                Ok(Mapped { groups, ..mapped })
            }
            Some(_) => Err("the mapping gives a user without id and name"),
            None if met => Err("the rules of the mapping that hold give no user"),
            None => Err("no rule of the mapping holds for the token"),
        }
    }
}
