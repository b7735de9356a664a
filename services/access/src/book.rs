//! An institution's statements, made ready for the question that is asked most: does any of them
//! refuse this?
//!
//! Every decision asks, also for each row of a list, so it must not get slower with a thousand
//! statements. Statements are found by the eight patterns that an action fits; users, groups,
//! projects, tags and things are numbers, so what is left is a comparison of small numbers. Nothing
//! is cached that could grow old: a book is made anew from the rows when one of them changes.

use crate::condition::{Circumstances, Judged, Test};
use crate::pattern::forms;
use crate::statement::{Effect, People, StatementSpec, Target};
use jinyun_base::Id;
use jinyun_policy::Role;
use std::collections::HashMap;

/// A statement of a book.
pub(crate) struct Held {
    /// Its id.
    pub id: Id,
    /// What it says.
    pub spec: StatementSpec,
}

/// What of a statement is looked at, apart from its text: a thousand of them have to lie close
/// together.
struct Ready {
    deny: bool,
    who: Ring,
    except: Ring,
    on: Option<Vec<u32>>,
    test: Test,
}

/// People as numbers.
struct Ring {
    everybody: bool,
    roles: u8,
    keys: Vec<u32>,
}

/// Roles as bits.
fn bit(role: &Role) -> u8 {
    match role {
        Role::Reader => 1,
        Role::Member => 2,
        Role::Manager => 4,
    }
}

/// Numbers of words.
#[derive(Default)]
struct Words(HashMap<String, u32>);

impl Words {
    fn number(&mut self, word: String) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(word).or_insert(next)
    }

    fn ring(&mut self, people: &People) -> Ring {
        let users = people.users.iter().map(user_word);
        let groups = people.groups.iter().map(group_word);
        let keys = users.chain(groups).map(|word| self.number(word)).collect();
        let roles = people.roles.iter().map(bit).fold(0, |all, bit| all | bit);
        Ring { everybody: people.everybody, roles, keys }
    }
}

fn user_word(id: &Id) -> String {
    format!("user {id}")
}

fn group_word(id: &Id) -> String {
    format!("group {id}")
}

fn target_word(target: &Target) -> String {
    match target {
        Target::Project(id) => format!("project {id}"),
        Target::ProjectTag(tag) => format!("tag {tag}"),
        Target::Thing { kind, id } => format!("thing {kind} {id}"),
    }
}

/// What is asked, as far as statements look at it.
pub(crate) struct Asked<'a> {
    /// Who asks.
    pub user: &'a Id,
    /// The groups of whoever asks.
    pub groups: &'a [Id],
    /// The role where the token holds.
    pub role: Option<Role>,
    /// What.
    pub action: &'a str,
    /// The thing, its project, and the project's tags.
    pub on: &'a [Target],
    /// Under which circumstances.
    pub at: Circumstances,
}

/// [`Asked`] in the numbers of one book.
struct Numbered<'a> {
    people: Vec<u32>,
    on: Vec<u32>,
    role: u8,
    at: &'a Circumstances,
}

/// What a statement says to something that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is about other people.
    Others,
    /// It is about other things.
    Elsewhere,
    /// A denial that does not hold now, because of this condition.
    Holds(&'static str),
    /// All that it asks for is so.
    Fulfilled,
    /// It refuses; by this condition, if it is one that allows only.
    Refuses(Option<&'static str>),
}

/// All statements of an institution.
#[derive(Default)]
pub(crate) struct Book {
    all: Vec<Held>,
    ready: Vec<Ready>,
    words: Words,
    by: HashMap<String, Vec<usize>>,
    /// Some statement names a group.
    pub groups: bool,
    /// Some statement names a tag of a project.
    pub tags: bool,
}

fn any(keys: &[u32], have: &[u32]) -> bool {
    keys.iter().any(|key| have.contains(key))
}

impl Ring {
    fn has(&self, asked: &Numbered<'_>) -> bool {
        self.everybody || self.roles & asked.role != 0 || any(&self.keys, &asked.people)
    }
}

impl Ready {
    fn verdict(&self, asked: &Numbered<'_>) -> Verdict {
        if !self.who.has(asked) || self.except.has(asked) {
            return Verdict::Others;
        }
        if self.on.as_ref().is_some_and(|on| !any(on, &asked.on)) {
            return Verdict::Elsewhere;
        }
        let judged = self.test.judge(asked.at);
        let first = |wrong: &[Judged]| {
            judged.iter().find(|(_, judged)| wrong.contains(judged)).map(|(name, _)| *name)
        };
        // What is not known is no way out of a denial, and fulfils nothing that is required.
        if self.deny {
            return first(&[Judged::No]).map_or(Verdict::Refuses(None), Verdict::Holds);
        }
        match first(&[Judged::No, Judged::Unknown]) {
            Some(condition) => Verdict::Refuses(Some(condition)),
            None => Verdict::Fulfilled,
        }
    }
}

impl Book {
    /// A book of these statements.
    pub fn new(rows: impl IntoIterator<Item = (Id, StatementSpec)>) -> Book {
        let mut book = Book::default();
        for (id, spec) in rows {
            let place = book.all.len();
            for pattern in &spec.actions {
                let places = book.by.entry(pattern.as_str().to_string()).or_default();
                // One that names a pattern twice is looked at once.
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
            book.groups |= !spec.who.groups.is_empty() || !spec.except.groups.is_empty();
            book.tags |= spec.resources.iter().any(|t| matches!(t, Target::ProjectTag(_)));
            let on: Vec<u32> =
                spec.resources.iter().map(|t| book.words.number(target_word(t))).collect();
            book.ready.push(Ready {
                deny: spec.effect == Effect::Deny,
                who: book.words.ring(&spec.who),
                except: book.words.ring(&spec.except),
                on: (!on.is_empty()).then_some(on),
                test: spec.conditions.ready(),
            });
            book.all.push(Held { id, spec });
        }
        book
    }

    fn numbered<'a>(&self, asked: &'a Asked<'a>) -> Numbered<'a> {
        let number = |word: String| self.words.0.get(&word).copied();
        let people = std::iter::once(user_word(asked.user))
            .chain(asked.groups.iter().map(group_word));
        Numbered {
            people: people.filter_map(number).collect(),
            on: asked.on.iter().map(target_word).filter_map(number).collect(),
            role: asked.role.as_ref().map_or(0, bit),
            at: &asked.at,
        }
    }

    /// Places of the statements about an action.
    fn about<'a>(&'a self, action: &str) -> impl Iterator<Item = usize> + use<'a> {
        // What may not be looked at by itself does not stand in a list either.
        let shown = action.strip_suffix(":list").map(|start| format!("{start}:show"));
        let names = forms(action).into_iter().chain(shown.iter().flat_map(|s| forms(s)));
        let places: Vec<&Vec<usize>> = names.filter_map(|form| self.by.get(&form)).collect();
        places.into_iter().flatten().copied()
    }

    /// A statement that refuses, and by which condition.
    pub fn refusing(&self, asked: &Asked<'_>) -> Option<(&Held, Option<&'static str>)> {
        let numbered = self.numbered(asked);
        self.about(asked.action).find_map(|place| match self.ready.get(place)?.verdict(&numbered) {
            Verdict::Refuses(condition) => self.all.get(place).map(|held| (held, condition)),
            _ => None,
        })
    }

    /// Every statement about an action with what it says, by id.
    pub fn verdicts(&self, asked: &Asked<'_>) -> Vec<(&Held, Verdict)> {
        let numbered = self.numbered(asked);
        let mut places: Vec<usize> = self.about(asked.action).collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|place| {
            Some((self.all.get(place)?, self.ready.get(place)?.verdict(&numbered)))
        }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Conditions;
    use jinyun_base::Time;
    use jinyun_policy::Pattern;

    fn statement(effect: Effect, who: People, actions: &[&str]) -> StatementSpec {
        StatementSpec {
            name: "s".into(),
            description: String::new(),
            domain: "bank".into(),
            effect,
            who,
            except: People::default(),
            actions: actions.iter().copied().map(Pattern::new).collect(),
            resources: Vec::new(),
            conditions: Conditions::default(),
        }
    }

    #[test]
    fn a_statement_is_about_people_things_and_circumstances() {
        let all = || People { everybody: true, ..People::default() };
        let users = |id: &str| People { users: vec![id.into()], ..People::default() };
        let groups = |id: &str| People { groups: vec![id.into()], ..People::default() };
        let roles = |role| People { roles: vec![role], ..People::default() };
        let deny = |who| statement(Effect::Deny, who, &["a:b:delete"]);
        let on = |target| StatementSpec { resources: vec![target], ..deny(all()) };
        let but = |except| StatementSpec { except, ..deny(all()) };
        let from = |effect| StatementSpec {
            conditions: Conditions { source: vec!["10.0.0.0/8".into()], ..Conditions::default() },
            ..statement(effect, all(), &["a:b:delete"])
        };
        let thing = |kind: &str| Target::Thing { kind: kind.into(), id: "x".into() };
        use Verdict::{Elsewhere, Fulfilled, Holds, Others, Refuses};
        let cases = [
            (deny(all()), "delete", Some("10.1.1.1"), Refuses(None)),
            (deny(users("ann")), "delete", None, Refuses(None)),
            (deny(users("bob")), "delete", None, Others),
            // A user is no group of the same id, and ids have no case.
            (deny(groups("ann")), "delete", None, Others),
            (deny(users("Ann")), "delete", None, Others),
            (deny(groups("ops")), "delete", None, Refuses(None)),
            (deny(roles(Role::Member)), "delete", None, Refuses(None)),
            (deny(roles(Role::Reader)), "delete", None, Others),
            (but(groups("ops")), "delete", None, Others),
            (but(roles(Role::Manager)), "delete", None, Refuses(None)),
            (on(Target::Project("p".into())), "delete", None, Refuses(None)),
            (on(Target::Project("q".into())), "delete", None, Elsewhere),
            (on(Target::ProjectTag("environment:production".into())), "delete", None, Refuses(None)),
            (on(Target::ProjectTag("p".into())), "delete", None, Elsewhere),
            (on(thing("b")), "delete", None, Refuses(None)),
            // Another kind of the same id is another thing.
            (on(thing("c")), "delete", None, Elsewhere),
            (from(Effect::Deny), "delete", Some("10.1.1.1"), Refuses(None)),
            (from(Effect::Deny), "delete", Some("::ffff:10.1.1.1"), Refuses(None)),
            (from(Effect::Deny), "delete", Some("192.0.2.1"), Holds("source")),
            (from(Effect::Deny), "delete", None, Refuses(None)),
            (from(Effect::AllowOnly), "delete", Some("10.1.1.1"), Fulfilled),
            (from(Effect::AllowOnly), "delete", Some("192.0.2.1"), Refuses(Some("source"))),
            (from(Effect::AllowOnly), "delete", None, Refuses(Some("source"))),
        ];
        let on = [Target::Project("p".into()), Target::ProjectTag("environment:production".into()),
            thing("b")];
        for (n, (spec, verb, source, want)) in cases.into_iter().enumerate() {
            let book = Book::new([("s1".into(), spec)]);
            let action = format!("a:b:{verb}");
            let asked = Asked {
                user: &"ann".into(),
                groups: &["ops".into(), "all".into()],
                role: Some(Role::Member),
                action: &action,
                on: &on,
                at: Circumstances {
                    source: source.map(|s| s.parse().unwrap()),
                    second: false,
                    issued: None,
                    approved: false,
                    now: Time(0),
                },
            };
            let got: Vec<Verdict> = book.verdicts(&asked).into_iter().map(|(_, v)| v).collect();
            assert_eq!(got, [want], "case {n}");
            let refused = matches!(want, Refuses(_));
            assert_eq!(book.refusing(&asked).is_some(), refused, "case {n}");
        }
    }

    #[test]
    fn statements_are_found_by_action_and_lists_follow_what_may_be_shown() {
        let all = || People { everybody: true, ..People::default() };
        let book = |patterns: &[&str]| {
            Book::new([("s".into(), statement(Effect::Deny, all(), patterns))])
        };
        let cases: [(&[&str], &str, bool); 8] = [
            (&["a:b:show"], "a:b:show", true),
            (&["a:b:show"], "a:b:list", true),
            (&["a:b:list"], "a:b:show", false),
            (&["a:*:show"], "a:b:list", true),
            (&["*:*:*", "*:*:*"], "a:b:list", true),
            (&["a:b:delete", "a:b:create"], "a:b:create", true),
            (&["a:b:delete"], "a:bb:delete", false),
            (&["a:b:delete"], "a:b", false),
        ];
        for (patterns, action, want) in cases {
            let book = book(patterns);
            let asked = Asked {
                user: &"ann".into(),
                groups: &[],
                role: None,
                action,
                on: &[],
                at: Circumstances {
                    source: None,
                    second: false,
                    issued: None,
                    approved: false,
                    now: Time(0),
                },
            };
            assert_eq!(book.refusing(&asked).is_some(), want, "{patterns:?} {action}");
            assert_eq!(book.verdicts(&asked).len(), usize::from(want), "{patterns:?} {action}");
        }
    }
}
