//! The planner over our own API: an inventory in, the plan out. Nothing is stored.
//!
//! Not a command: it changes nothing. It is a read that anybody with an account may ask for; a
//! refusal is journaled like every other.

use crate::read::{Malformed, Place, json};
use crate::{make, plan::Plan};
use jinyun_base::{Fault, Refusal};
use jinyun_engine::{Failure, Registry, Verb};
use jinyun_policy::{Object, Rule, Who};
use jinyun_rest::{Body, Call, Reply, Route, Words};
use serde::Serialize;

const CREATE: &str = "planner:plan:create";

/// Who may do what.
pub const RULES: &[Rule] = &[Rule { action: CREATE, allow: &[Who::User] }];

/// Registers the action.
pub fn register(registry: &mut Registry) {
    registry.action(CREATE, "", Verb::Read).rules(RULES);
}

/// The routes, below `/planner`.
pub fn routes() -> Vec<Route> {
    vec![Route::new("POST", "/v1/plans", CREATE, create)]
}

#[derive(Serialize)]
struct Answer<'p> {
    plan: &'p Plan,
}

fn create(call: &Call<'_>) -> Result<Reply, Failure> {
    call.cloud.reader.allow(&call.command(CREATE), &Object::default())?;
    let members = call.body.as_object()
        .ok_or_else(|| Refusal::invalid("body", "must be a JSON object with a member `inventory`"))?;
    Words::new("body", members).only(&["inventory"])?;
    let inventory = members.get("inventory")
        .ok_or_else(|| Refusal::invalid("inventory", "is required"))?;
    let inventory = json::read(inventory).map_err(|malformed| refusal(&malformed))?;
    let plan = make::plan(&inventory);
    let text = serde_json::to_string(&Answer { plan: &plan })
        .map_err(|e| Fault::new(format!("writing a plan: {e}")))?;
    Ok(Reply { status: 200, body: Body::Text(text), headers: Vec::new() })
}

/// The first flaw by the path of its member, and how many more there are.
fn refusal(malformed: &Malformed) -> Refusal {
    let Some(flaw) = malformed.flaws.first() else {
        return Refusal::invalid("inventory", "cannot be read");
    };
    let at = match flaw.place {
        Place::Whole => "inventory".to_string(),
        Place::Institution => "inventory.institution".into(),
        Place::Row(row) => format!("inventory.systems[{}]", row - 1),
    };
    let field = if flaw.field.is_empty() { at } else { format!("{at}.{}", flaw.field) };
    let others = malformed.flaws.len() - 1 + malformed.more;
    let more = match others {
        0 => String::new(),
        n => format!(" ({n} more flaws)"),
    };
    Refusal::invalid(&field, format!("{}{more}", flaw.says))
}
