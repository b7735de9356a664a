//! The user directory of an institution (LDAP, Active Directory) as a way to prove a password.
//!
//! Problem: an institution has its people in a directory, with passwords, closed accounts and groups,
//! and will not keep them a second time here. Mechanism: a domain has settings of a directory (kind
//! `directory`, a row with the id of its domain; the service account's password is a sealed secret
//! beside it). A sign-in by password of somebody who is no local user of the domain is proved over
//! there (`auth::elsewhere`), and whoever comes back becomes a user here (`federation::shadow`) with
//! the groups of the domain that have the names of the groups over there.
//!
//! - *Who decides.* The settings are the security administrator's: the control process connects to
//!   the address in them, and no tenant may make it connect anywhere. But whoever chooses the
//!   directory chooses who the institution's people are, and the provider's reach into an institution
//!   ends with its first manager: then a directory counts only once a manager has agreed to exactly
//!   these settings, and a change of them (other than of the service account's password) needs that
//!   again.
//! - *Local users stay.* A user with a password here (the first manager) proves it here, also while
//!   the directory is away.
//! - *The provider's own domain has none.* Its duties need a password and a second factor of ours.
//!
//! This crate has no network: the client is behind [`Directories`] (`edges/ldap`). Why not by the
//! machine's name service (SSSD, PAM): that is one directory for the machine, not one for each
//! institution, with settings in files that only root changes and no journal sees.

mod kind;
mod lanes;
mod settings;

pub use kind::{DirectorySpec, UserDirectory};
pub use settings::{LdapSettings, Server, servers};
pub(crate) use kind::{PASSWORD, password_of, register, sealed};
pub(crate) use settings::patch;

use jinyun_base::{Fault, Refusal, Secret};
use lanes::Lanes;
use std::sync::{Arc, OnceLock};

/// Longest password that is sent to a directory, in bytes. More is nobody's password.
pub const LONGEST_PASSWORD: usize = 1024;

/// Somebody whose password a directory has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entry's distinguished name.
    pub dn: String,
    /// The attribute that tells this person from everybody else, ever, in small letters.
    pub attribute: String,
    /// Its value.
    pub unique: String,
    /// Values of the attribute that names people.
    pub names: Vec<String>,
    /// Mail address.
    pub mail: Option<String>,
    /// Whether the account is open.
    pub enabled: bool,
    /// Names of the groups that the entry is in.
    pub groups: Vec<String>,
}

/// What a directory says about a name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The password is this entry's.
    Proved(Entry),
    /// It is not; why, for the journal.
    Wrong(&'static str),
    /// The password is right, and the entry cannot be somebody here; why, for the journal.
    Unusable(String),
}

/// Nothing can be said about the password: no answer in time, no trust in the certificate, a service
/// account that is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable(pub String);

/// A client of directories.
pub trait Directories: Send + Sync {
    /// Refuses settings that the client cannot use (a filter or a certificate that cannot be read),
    /// without a connection.
    fn check(&self, settings: &LdapSettings) -> Result<(), Refusal>;

    /// Finds the one entry of a name with the service account, and proves that the password is its.
    /// Does the same work for a name that nobody has.
    fn prove(&self, settings: &LdapSettings, service: &Secret<String>, name: &str,
        password: &Secret<String>) -> Result<Answer, Unreachable>;
}

/// The client, and what keeps a dead directory from holding up everybody.
#[derive(Default)]
pub(crate) struct Desk {
    client: OnceLock<Arc<dyn Directories>>,
    /// Turns at directories.
    pub lanes: Lanes,
}

impl Desk {
    /// Brings the client; the first one stays.
    pub fn bring(&self, client: Arc<dyn Directories>) {
        let _ = self.client.set(client);
    }

    /// The client, if this platform has one.
    pub fn client(&self) -> Option<&Arc<dyn Directories>> {
        self.client.get()
    }

    /// The client of a domain that has settings.
    pub fn need(&self) -> Result<&Arc<dyn Directories>, Fault> {
        self.client.get().ok_or_else(|| Fault::new("there is no client for directories"))
    }
}
