//! Looking back: an institution's own entries, the newest first, in pieces and only so many.

use jinyun_base::{Fault, Time};
use jinyun_store::{Db, Line, Sequence, Stretch};
use serde::Deserialize;

/// So many entries are read at a time.
const PIECE: u64 = 256;

/// What of an entry is looked at here.
#[derive(Debug, Deserialize)]
pub(crate) struct Light {
    pub action: String,
    pub actor: LightActor,
    pub institution: LightPlace,
    pub outcome: String,
    pub reason: Option<LightReason>,
    pub request: String,
    pub source: Option<String>,
    pub target: Option<LightTarget>,
    pub number: u64,
    pub time: i64,
    #[serde(default)]
    pub effects: Vec<LightEffect>,
}

/// Who.
#[derive(Debug, Deserialize)]
pub(crate) struct LightActor {
    pub id: String,
    pub kind: String,
}

/// Where it stands.
#[derive(Debug, Deserialize)]
pub(crate) struct LightPlace {
    pub number: u64,
}

/// Why not.
#[derive(Debug, Deserialize)]
pub(crate) struct LightReason {
    pub code: String,
    pub message: String,
}

/// On what.
#[derive(Debug, Deserialize)]
pub(crate) struct LightTarget {
    pub id: String,
    pub kind: String,
}

/// In which project.
#[derive(Debug, Deserialize)]
pub(crate) struct LightEffect {
    #[serde(default)]
    pub project: String,
}

impl Light {
    fn read(line: &Line) -> Result<Light, Fault> {
        serde_json::from_slice(&line.body)
            .map_err(|e| Fault::new(format!("entry {} in the state: {e}", line.number)))
    }

    /// When.
    pub fn at(&self) -> Time {
        Time(self.time)
    }
}

/// How far was looked back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Back {
    /// So many entries were looked at.
    pub entries: u64,
    /// There is none before them in the time that was asked for.
    pub complete: bool,
}

/// Shows an institution's entries since a time to `each`, the newest first, until it says that it
/// has seen enough, or for at most so many.
pub(crate) fn back(db: &mut Db, institution: &str, since: Option<Time>, most: u64,
    mut each: impl FnMut(Light) -> bool) -> Result<Back, Fault> {
    let of = Sequence::Of(institution);
    let (low, mut high) = db.period(of, since, None)?;
    let mut entries = 0;
    while low < high && entries < most {
        let limit = PIECE.min(most - entries);
        let lines = db.lines(of, Stretch { low, high, newest_first: true, limit })?;
        if lines.is_empty() {
            return Err(Fault::new("the journal in the state has a gap"));
        }
        for line in lines {
            (entries, high) = (entries + 1, line.place);
            let entry = Light::read(&line)?;
            // The clock may have been set back in between.
            if since.is_none_or(|t| entry.at() >= t) && !each(entry) {
                return Ok(Back { entries, complete: true });
            }
        }
    }
    Ok(Back { entries, complete: low >= high })
}
