//! Disks that outlive servers, each encrypted with a key of its own. Cinder v3.
//!
//! A volume is a record here, a wrapped key in the store, and a LUKS-encrypted file on one host,
//! which makes it because the host's document lists it ([`want`]). The root disk of a server is a
//! volume too, but a part of its server: it costs another quota item and the volume API does not
//! know of it. Snapshots, backups, clones and extending are not offered yet.

mod host;
mod project;
mod volume;

pub use host::want;
pub use project::{TYPE, ZONE};
pub use volume::{ImageRef, Volume, VolumeSpec, VolumeStatus, attach, detach};

use jinyun_engine::{Registry, Verb};
use jinyun_policy::{Role, Rule, Who};
use jinyun_rest::{Call, Route, Run};

const READER: Who = Who::Project(Role::Reader);
const MEMBER: Who = Who::Project(Role::Member);

/// Who may do what.
pub const RULES: &[Rule] = &[
    Rule { action: "volume:volume:create", allow: &[MEMBER, Who::System] },
    Rule { action: "volume:volume:update", allow: &[MEMBER] },
    Rule { action: "volume:volume:delete", allow: &[MEMBER, Who::System] },
    Rule { action: "volume:volume:show", allow: &[READER] },
    Rule { action: "volume:volume:list", allow: &[READER] },
    Rule { action: "volume:volume:label", allow: &[MEMBER] },
    Rule { action: "volume:volume:place", allow: &[Who::System] },
    Rule { action: "volume:volume:attach", allow: &[MEMBER, Who::System] },
    Rule { action: "volume:volume:detach", allow: &[MEMBER, Who::System] },
    Rule { action: "volume:quota:show", allow: &[READER] },
];

/// Registers the service.
pub fn register(registry: &mut Registry) {
    let kind = "volume";
    registry.add::<Volume>()
        .action("volume:volume:label", kind, Verb::Own(volume::label))
        .action("volume:volume:place", kind, Verb::Own(volume::place))
        .action("volume:volume:attach", kind, Verb::Own(volume::attach_command))
        .action("volume:volume:detach", kind, Verb::Own(volume::detach_command))
        .action("volume:quota:show", "", Verb::Read)
        .rules(RULES);
    for (item, limit) in project::ITEMS {
        registry.quota(item, *limit);
    }
}

/// All operations, below the service's root. The path names the project again: another than the
/// token's is refused, as in Cinder, before anything is looked at.
pub fn routes() -> Vec<Route> {
    let routes = volume::routes().into_iter().chain(project::routes());
    routes.map(|route| {
        let Route { method, path, action, token, takes, quick, run } = route;
        let run: Run = Box::new(move |call: &Call<'_>| {
            project::same(call)?;
            run(call)
        });
        Route { method, path, action, token, takes, quick, run }
    }).collect()
}
