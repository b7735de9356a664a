//! Federation: people of an institution who sign in by the word of the institution's own identity
//! provider (OpenID Connect), as Keystone's OS-FEDERATION has it.
//!
//! Problem: an institution has its people in a directory of its own, and an account that has to be
//! closed here as well is one that is forgotten. Mechanism: a manager says which issuer is believed,
//! by which keys and for whom (`provider`), how what it says becomes a user and groups here
//! (`mapping`, `rules`), and which of both belong together (`protocol`). A sign-in brings a token
//! that the issuer has signed (`bearer`, `jwks`); what it amounts to is set down before anything is
//! issued (`sign_in`, `shadow`).
//!
//! The service asks nobody over the network: the keys are a part of the provider's row and are
//! changed by its manager. Fetching what an address of a tenant's names would make this service the
//! tenant's hand inside the provider's network.
//!
//! Everything belongs to one institution and reaches no further: its own manager makes it, its
//! groups are the only ones, and the provider's staff cannot be signed in by it.

pub(crate) mod bearer;
pub(crate) mod factors;
pub(crate) mod jwks;
pub(crate) mod mapping;
pub(crate) mod protocol;
pub(crate) mod provider;
pub(crate) mod rules;
pub(crate) mod shadow;
mod sign_in;

#[cfg(test)]
mod rules_tests;

use crate::{AUDIT, MANAGER, SECURITY};
use jinyun_base::{Id, Refusal};
use jinyun_engine::{Registry, Verb};
use jinyun_policy::{PROVIDER, Role, Rule, Who};
use mapping::Mapping;
use protocol::Protocol;
use provider::Provider;

/// Longest id of a provider, a protocol or a mapping, as in Keystone.
const ID: usize = 64;

const READER: Who = Who::Domain(Role::Reader);

const RULES: &[Rule] = &[
    Rule { action: "identity:identity_provider:create", allow: &[MANAGER] },
    Rule { action: "identity:identity_provider:update", allow: &[MANAGER] },
    Rule { action: "identity:identity_provider:delete", allow: &[MANAGER] },
    Rule { action: "identity:identity_provider:show", allow: &[MANAGER, READER, SECURITY, AUDIT] },
    Rule { action: "identity:identity_provider:list", allow: &[MANAGER, READER, SECURITY, AUDIT] },
    Rule { action: "identity:federation_protocol:create", allow: &[MANAGER] },
    Rule { action: "identity:federation_protocol:update", allow: &[MANAGER] },
    Rule { action: "identity:federation_protocol:delete", allow: &[MANAGER] },
    Rule { action: "identity:federation_protocol:show", allow: &[MANAGER, READER, SECURITY, AUDIT] },
    Rule { action: "identity:federation_protocol:list", allow: &[MANAGER, READER, SECURITY, AUDIT] },
    Rule { action: "identity:mapping:create", allow: &[MANAGER] },
    Rule { action: "identity:mapping:update", allow: &[MANAGER] },
    Rule { action: "identity:mapping:delete", allow: &[MANAGER] },
    Rule { action: "identity:mapping:show", allow: &[MANAGER, READER, SECURITY, AUDIT] },
    Rule { action: "identity:mapping:list", allow: &[MANAGER, READER, SECURITY, AUDIT] },
    // Before anything is issued to somebody who was vouched for.
    Rule { action: "identity:user:shadow", allow: &[Who::System] },
];

/// Registers it.
pub(crate) fn register(registry: &mut Registry) {
    registry.add::<Provider>().add::<Protocol>().add::<Mapping>()
        .action("identity:identity_provider:create", "identity_provider",
            Verb::Own(provider::create))
        .action("identity:identity_provider:update", "identity_provider",
            Verb::Own(provider::update))
        .action("identity:federation_protocol:create", "federation_protocol",
            Verb::Own(protocol::create))
        .action("identity:federation_protocol:update", "federation_protocol",
            Verb::Own(protocol::update))
        .action("identity:mapping:create", "mapping", Verb::Own(mapping::create))
        .action("identity:mapping:delete", "mapping", Verb::Own(mapping::delete))
        .action("identity:user:shadow", "user", Verb::Own(shadow::keep))
        .rules(RULES);
}

/// Refuses an id that a client may not choose. No colon: that is what tells other sources of people
/// from providers, and the parts of a protocol's row apart.
fn check_id(field: &'static str, id: &str) -> Result<(), Refusal> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    // Two dots would lead elsewhere in a path.
    let begins = id.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || id.len() > ID || !id.chars().all(known) {
        let say = format!("must have 1 to {ID} letters, digits, dots, dashes, underscores or tildes, and \
            begin with a letter or digit");
        return Err(Refusal::invalid(field, say));
    }
    Ok(())
}

/// Between the id of a provider or mapping, which its institution chooses, and the institution's own.
pub(crate) const OF: char = '@';

/// The row of what an institution calls so: two institutions can use one id, and neither learns of it.
pub(crate) fn own(id: &str, domain: &Id) -> Id {
    Id::new(format!("{id}{OF}{domain}"))
}

/// What its institution calls a row of its own.
pub(crate) fn called<'i>(row: &'i Id, domain: &Id) -> &'i str {
    match row.as_str().split_once(OF) {
        Some((id, of)) if of == domain.as_str() => id,
        _ => row.as_str(),
    }
}

/// Refuses a row that is not its institution's by its id. Rows that were made before institutions
/// stood in them stay as they are.
fn check_row(field: &'static str, row: &Id, domain: &Id, there: bool) -> Result<(), Refusal> {
    match row.as_str().split_once(OF) {
        Some((id, of)) if of == domain.as_str() => check_id(field, id),
        Some(_) => Err(Refusal::invalid(field, format!("names another institution behind its {OF}"))),
        None if there => check_id(field, row.as_str()),
        None => Err(Refusal::invalid(field, "is made by an institution, with a token for its domain")),
    }
}

/// Refuses federation of the provider's own domain.
fn check_domain(domain: &str) -> Result<(), Refusal> {
    if domain == PROVIDER {
        let say = "is the provider's own, which takes no identity provider and no mapping: staff \
                   duties need password and TOTP";
        return Err(Refusal::invalid("domain_id", say));
    }
    Ok(())
}
