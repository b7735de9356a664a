//! What the registers of duties, exceptions, risks and opinions say, as evidence takes it in.
//!
//! They are kept by a service of their own, which evidence does not know: whoever wires the two lends
//! a function that reads them. Without one there are no records, no exceptions and no nonce, and
//! duties stand as ones of which nothing is known.

use crate::catalogue::Catalogues;
use crate::finding::{Context, DutyStanding, Exception};
use jinyun_base::Time;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the registers say at one moment. Members that are JSON have the form that `docs/reports.md`
/// gives them.
#[derive(Debug, Clone, Default)]
pub struct Registers {
    /// The standards whose duties these are: what is judged with these registers is judged by those.
    /// Nothing if nobody keeps registers.
    pub catalogues: Option<Arc<Catalogues>>,
    /// Duties by the ids of their clauses.
    pub duties: BTreeMap<String, DutyStanding>,
    /// Who owes a duty, where that is not the catalogue's owner.
    pub owners: BTreeMap<String, String>,
    /// What shows that a duty was done: `records`, by clause.
    pub records: BTreeMap<String, Vec<Value>>,
    /// Clauses that do not apply.
    pub exceptions: BTreeMap<String, Exception>,
    /// The same with their times: `exceptions`.
    pub departures: Vec<Value>,
    /// Known risks: `risks`.
    pub risks: Vec<Value>,
    /// What an assessor wrote: `assessor`.
    pub opinions: Vec<Value>,
    /// What an assessor wants the next probes to carry, so that they are known to be new.
    pub nonce: Option<String>,
}

/// Reads the registers.
pub type Govern = Arc<dyn Fn() -> Registers + Send + Sync>;

/// The longest nonce, in characters.
const NONCE: usize = 64;

impl Registers {
    /// What states follow from, at a time.
    pub fn context(&self, now: Time) -> Context {
        Context {
            now,
            duties: self.duties.clone(),
            exceptions: self.exceptions.clone(),
            ..Context::default()
        }
    }

    /// The nonce, as probes carry it and findings name it.
    pub(crate) fn nonce(&self) -> Option<String> {
        let letters = self.nonce.iter().flat_map(|nonce| nonce.chars());
        let nonce: String = letters.filter(char::is_ascii_graphic).take(NONCE).collect();
        (!nonce.is_empty()).then_some(nonce)
    }
}
