//! What disks are made from: images, kept as files, judged before anything reads them. Glance v2.
//!
//! An image belongs to a project and is private, or to the provider and is public; there is no
//! sharing between projects yet. The records hold what an image is and both of its digests, a
//! directory ([`Files`]) holds its bytes, and a host takes them only if they have those digests.
//!
//! The tenants' actions name no duty, so no administrator can read or change a tenant's image. What
//! the system administrator does with the provider's own images has names of its own (`publicize`,
//! `amend`, `withdraw`, `supply`, `provided`), and those refuse every image that lies in a project.

mod files;
mod header;
mod image;

pub use files::{Arrived, Files, LARGEST, Reserved};
pub use header::{HEAD, judge};
pub use image::{ACTIVE, Change, Image, ImageSpec, QUEUED, parse_patch, usable};

use jinyun_engine::{Registry, Verb};
use jinyun_policy::{Duty, Role, Rule, Who};
use jinyun_rest::Route;
use std::sync::Arc;

const READER: Who = Who::Project(Role::Reader);
const MEMBER: Who = Who::Project(Role::Member);
const SYSTEM: Who = Who::Duty(Duty::SystemAdmin);

/// Who may do what.
pub const RULES: &[Rule] = &[
    Rule { action: "image:image:create", allow: &[MEMBER] },
    Rule { action: "image:image:update", allow: &[MEMBER] },
    Rule { action: "image:image:delete", allow: &[MEMBER] },
    Rule { action: "image:image:activate", allow: &[MEMBER] },
    Rule { action: "image:image:show", allow: &[READER, Who::Shared] },
    Rule { action: "image:image:list", allow: &[READER, Who::Shared] },
    Rule { action: "image:image:download", allow: &[READER, Who::Shared] },
    // The provider's own images, and no others.
    Rule { action: "image:image:publicize", allow: &[SYSTEM] },
    Rule { action: "image:image:amend", allow: &[SYSTEM] },
    Rule { action: "image:image:withdraw", allow: &[SYSTEM] },
    Rule { action: "image:image:supply", allow: &[SYSTEM] },
    Rule { action: "image:image:provided", allow: &[SYSTEM] },
];

/// Registers the service.
pub fn register(registry: &mut Registry) {
    let kind = "image";
    registry.add::<Image>()
        .action("image:image:update", kind, Verb::Own(image::update))
        .action("image:image:activate", kind, Verb::Own(image::activate))
        .action("image:image:download", kind, Verb::Read)
        .action("image:image:publicize", kind, Verb::Create)
        .action("image:image:amend", kind, Verb::Own(image::update))
        .action("image:image:withdraw", kind, Verb::Own(image::withdraw))
        .action("image:image:supply", kind, Verb::Own(image::activate))
        .action("image:image:provided", kind, Verb::Read)
        .quota("images", 100)
        .rules(RULES);
}

/// All operations, below the service's root.
pub fn routes(files: Arc<Files>) -> Vec<Route> {
    image::routes(&files)
}
