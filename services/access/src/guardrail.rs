//! Guardrails: what holds whatever anybody's role is, as strictly as a project's profile asks.
//!
//! Problem: a rule of a standard that is kept by everybody remembering it is not kept. Mechanism: a
//! closed list in code, each with the clauses it serves, the least profile it holds in, what it
//! refuses and what to do instead. It judges the rows that a command would leave behind, so it does
//! not matter which action made them: a change instead of a creation, a server that brings its ports
//! along. What a row broke before the command is no reason to refuse it: raising a profile breaks
//! nothing, and lists what is to be mended ([`violations`]). Not a policy language: what a guardrail
//! means is decided by whoever reviews code, and an operator cannot loosen it in a file.

use crate::access::Profiles;
use crate::rails;
use jinyun_base::{Fault, Id, Refusal, Refused};
use jinyun_compute::Server;
use jinyun_engine::{Change, Failure, Query, Resource, View};
use jinyun_identity::Project;
use jinyun_network::{Network, Port, SecurityGroupRule};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How strictly a project is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// What every tenant has to keep.
    #[default]
    Basic,
    /// A community cloud of financial institutions.
    Extended,
    /// The most important systems.
    Enhanced,
}

impl Profile {
    /// The word that the API uses.
    pub fn word(self) -> &'static str {
        match self {
            Profile::Basic => "basic",
            Profile::Extended => "extended",
            Profile::Enhanced => "enhanced",
        }
    }

    /// The profile of this word.
    pub fn from_word(word: &str) -> Option<Profile> {
        [Profile::Basic, Profile::Extended, Profile::Enhanced].into_iter().find(|p| p.word() == word)
    }
}

/// Judges one row: what is wrong with it, in a few words, or nothing.
type Judge = fn(&mut View<'_>, &str, &Value) -> Result<Option<String>, Fault>;

/// How a guardrail is kept.
#[derive(Clone, Copy)]
enum Kept {
    /// By judging rows of these kinds.
    Here(&'static [&'static str], Judge),
    /// By the rules of the thing itself, in every project, with no exception: where.
    There(&'static str),
}

/// One guardrail.
#[derive(Clone, Copy)]
pub struct Guardrail {
    /// Its name, by which an exception excuses from it.
    pub name: &'static str,
    /// The clauses of JR/T 0167 that it serves.
    pub clauses: &'static [&'static str],
    /// The least profile in which it holds.
    pub profile: Profile,
    /// What it refuses.
    pub refuses: &'static str,
    /// How to do it right.
    pub instead: &'static str,
    kept: Kept,
}

const fn here(name: &'static str, clauses: &'static [&'static str], profile: Profile,
    kinds: &'static [&'static str], judge: Judge, says: (&'static str, &'static str)) -> Guardrail {
    Guardrail { name, clauses, profile, refuses: says.0, instead: says.1, kept: Kept::Here(kinds, judge) }
}

const fn there(name: &'static str, clauses: &'static [&'static str], place: &'static str,
    says: (&'static str, &'static str)) -> Guardrail {
    let profile = Profile::Basic;
    Guardrail { name, clauses, profile, refuses: says.0, instead: says.1, kept: Kept::There(place) }
}

use Profile::{Basic, Enhanced, Extended};

const RULE: &[&str] = &["security_group_rule"];

/// All of them.
const ALL: &[Guardrail] = &[
    here("port_security", &["7.2.5-B-a", "7.2.5-B-b"], Basic, &["port", "network"],
        rails::port_security,
        ("A port without port security could send with any address, and a network without would make \
          such ports.",
         "Leave port_security_enabled true.")),
    here("login_from_anywhere", &["7.2.3-B-a", "7.4.2-E-a"], Extended, RULE,
        rails::login_from_anywhere,
        ("A rule that opens remote login (22, 23, 3389, 5900-5909, 5985-5986) to the whole world, or \
          to a network larger than a /8.",
         "Name the network or the security group that administrators come from.")),
    here("database_from_anywhere", &["7.2.3-B-a", "A.3-B-c", "A.3-B-d"], Extended, RULE,
        rails::database_from_anywhere,
        ("A rule that opens a database (1433, 1521, 2881, 2883, 3306, 5236, 5432, 6379, 9200, 11211, \
          27017, 54321) to the whole world, or to a network larger than a /8.",
         "Name the security group of the application that uses the database.")),
    here("admin_port_from_anywhere", &["7.2.3-B-a", "7.2.3-B-e"], Extended, RULE,
        rails::admin_port_from_anywhere,
        ("A rule that opens a port of administration (135, 139, 161, 445, 2375, 2376, 2379, 2380, 6443, \
          10250) to the whole world, or to a network larger than a /8.",
         "Name the network or the security group that administrators come from.")),
    here("all_ports_from_anywhere", &["7.2.3-E-b", "7.2.3-E-d"], Enhanced, RULE,
        rails::all_ports_from_anywhere,
        ("A rule without a protocol, or one that opens more than 1024 ports, to the whole world, or to \
          a network larger than a /8.",
         "Name the protocol and the ports of the service that is offered.")),
    here("key_pair_required", &["10.1-E-d", "7.4.2-B-1"], Extended, &["server"],
        rails::key_pair_required,
        ("A server without a key pair, which would have to be entered with a password. What user data \
          sets up inside cannot be seen.",
         "Name a key pair (key_name).")),
    here("security_group_required", &["7.2.3-B-a", "7.2.3-E-b"], Extended, &["server", "port"],
        rails::security_group_required,
        ("A server with a port that no security group filters.",
         "Give each port of the server a security group.")),
    here("environment_tag_required", &["11.3.4-E-a"], Extended, &["project"],
        rails::environment_tag_required,
        ("A project that does not say what it is for.",
         "Give the project a tag `environment:production`, or the environment it is.")),
    there("public_images_are_the_providers", &["7.4.7-B-c"],
        "services/image: visibility follows from the owner",
        ("A public image that belongs to a project.",
         "Ask the provider's system administrator to publish it.")),
    there("image_digest_known", &["7.4.7-B-b"],
        "services/image: an image is active with both digests only, and hosts check them again",
        ("An image, or a disk made from one, whose content is not the one that was judged.",
         "Upload the image again.")),
    there("volume_encrypted", &["7.3-E-e", "9.3-B-b"],
        "services/volume: there is one volume type, and it is encrypted",
        ("A disk that is not encrypted.", "Nothing has to be done: every disk is.")),
    there("guest_password_sealed", &["10.1-E-c"],
        "services/compute: a guest's password is sealed before it is written, and destroyed once taken",
        ("A password for a guest that can be read again, by anybody.",
         "Note the password when the server is made, or enter with a key pair.")),
    there("password_floor", &["10.1-E-b", "10.1-B-d"],
        "services/identity: security rules of a domain may be stricter than the built-in ones only \
         within bounds",
        ("Rules for passwords below the floor, and passwords below the rules.",
         "Choose a value within the bounds that the refusal names.")),
];

impl Guardrail {
    /// Where it is kept, if it is one that always holds; none for one that a profile switches on.
    pub fn always(&self) -> Option<&'static str> {
        match self.kept {
            Kept::There(place) => Some(place),
            Kept::Here(..) => None,
        }
    }

    /// Kinds whose rows it judges.
    pub(crate) fn kinds(&self) -> &'static [&'static str] {
        match self.kept {
            Kept::Here(kinds, _) => kinds,
            Kept::There(_) => &[],
        }
    }

    /// Whether it holds in a project of this profile with these exceptions.
    pub(crate) fn holds(&self, profile: Profile, excepted: &[String]) -> bool {
        let excused = || excepted.iter().any(|name| name == self.name);
        self.always().is_some() || (self.profile <= profile && !excused())
    }

    fn judge(&self, view: &mut View<'_>, kind: &str, spec: &Value)
        -> Result<Option<String>, Fault> {
        match self.kept {
            Kept::Here(kinds, judge) if kinds.contains(&kind) => judge(view, kind, spec),
            _ => Ok(None),
        }
    }
}

/// All guardrails there are.
pub fn guardrails() -> &'static [Guardrail] {
    ALL
}

/// Whether rows of a kind are judged by any.
pub(crate) fn watches(kind: &str) -> bool {
    ALL.iter().any(|rail| rail.kinds().contains(&kind))
}

/// Refuses a command that would leave behind what a guardrail forbids. What was as bad before is
/// none of its doing.
pub(crate) fn judge(view: &mut View<'_>, profiles: &Profiles, changes: &[Change])
    -> Result<(), Failure> {
    let mut known: Vec<(&Id, Profile, Vec<String>)> = Vec::new();
    for change in changes.iter().filter(|c| watches(&c.kind) && !c.project.as_str().is_empty()) {
        let Some(new) = &change.new else { continue };
        if !known.iter().any(|(project, ..)| **project == change.project) {
            let (profile, excepted) = profiles(view, &change.project)?;
            known.push((&change.project, profile, excepted));
        }
        let found = known.iter().find(|(project, ..)| **project == change.project);
        let Some((_, profile, excepted)) = found else { continue };
        for rail in ALL.iter().filter(|rail| rail.holds(*profile, excepted)) {
            let Some(wrong) = rail.judge(view, &change.kind, new)? else { continue };
            let before = match &change.old {
                Some(old) => rail.judge(view, &change.kind, old)?,
                None => None,
            };
            if before.is_none() {
                return Err(refusal(rail, *profile, &wrong).into());
            }
        }
    }
    Ok(())
}

fn refusal(rail: &Guardrail, profile: Profile, wrong: &str) -> Refusal {
    Refusal::new(Refused::Forbidden, format!(
        "Guardrail {} (JR/T 0167 {}; this project's profile is {}) refuses this: {wrong}. {}",
        rail.name, rail.clauses.join(", "), profile.word(), rail.instead
    ))
}

/// A row that a guardrail would refuse today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The guardrail.
    pub guardrail: &'static str,
    /// Its clauses.
    pub clauses: &'static [&'static str],
    /// The row's kind.
    pub kind: &'static str,
    /// The row.
    pub id: Id,
    /// What is wrong with it.
    pub says: String,
}

/// What of a project a profile's guardrails would refuse today. Reads rows and changes nothing, so
/// it answers for a profile before it is set, and for evidence.
pub fn violations(view: &mut View<'_>, project: &Id, profile: Profile, excepted: &[String])
    -> Result<Vec<Violation>, Fault> {
    let mut rows: Vec<(&'static str, Id, Value)> = Vec::new();
    of::<Project>(view, project, &mut rows)?;
    of::<Network>(view, project, &mut rows)?;
    of::<Port>(view, project, &mut rows)?;
    of::<SecurityGroupRule>(view, project, &mut rows)?;
    of::<Server>(view, project, &mut rows)?;
    let mut found = Vec::new();
    for rail in ALL.iter().filter(|rail| rail.holds(profile, excepted)) {
        for (kind, id, spec) in &rows {
            if let Some(says) = rail.judge(view, kind, spec)? {
                let (guardrail, clauses) = (rail.name, rail.clauses);
                found.push(Violation { guardrail, clauses, kind, id: id.clone(), says });
            }
        }
    }
    Ok(found)
}

fn of<R: Resource>(view: &mut View<'_>, project: &Id, rows: &mut Vec<(&'static str, Id, Value)>)
    -> Result<(), Fault> {
    for have in view.list::<R>(&Query::project(project))? {
        if !have.deleting {
            let spec = serde_json::to_value(&have.spec)
                .map_err(|e| Fault::new(format!("{} {}: {e}", R::KIND, have.id)))?;
            rows.push((R::KIND.0, have.id, spec));
        }
    }
    Ok(())
}
