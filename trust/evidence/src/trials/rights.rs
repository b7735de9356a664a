//! Rights: accounts, groups and roles that an institution's manager gives, and what others must not
//! give or take.

use super::logins::NO;
use super::{Cast, Play, Sent, grant, in_project};
use crate::stage::DOMAIN;
use jinyun_policy::{PROVIDER, Role};
use serde_json::json;

/// The refusals of whoever may not, or may not even know.
const MAY_NOT: &[&str] = &["forbidden", "not_found"];

/// Accounts and groups with the least that their work needs.
pub(super) fn sub_accounts(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    const CHECK: &str = "sub-accounts";
    let project = play.scene.ground.theirs.clone();
    let place = format!("/v3/projects/{project}");
    let bob = play.person(&cast.boss, "bob")?;
    let came = play.sign(&bob, None, in_project(&project), 0);
    play.stopped(CHECK, "work in a project without a role there", &came, NO);
    let group = json!({ "group": { "name": format!("desk-{}", play.ending) } });
    let came = play.go(Sent::new("identity", "POST", "/v3/groups").by(&cast.boss).with(group));
    play.works(CHECK, "a group", &came);
    let group = came.id("group")?;
    let came = play.go(grant("PUT", &place, "groups", &group, Role::Reader).by(&cast.boss));
    play.works(CHECK, "a role for the group", &came);
    let inside = format!("/v3/groups/{group}/users/{}", bob.id);
    let came = play.go(Sent::new("identity", "PUT", inside.clone()).by(&cast.boss));
    play.works(CHECK, "a user in the group", &came);
    let session = play.enter(&bob, in_project(&project))?;
    let volume = play.scene.ground.volume.clone();
    let came = play.run(&session, "volume:volume:update", Some(&volume),
        json!({ "description": "by a reader" }));
    play.stopped(CHECK, "a change by somebody who may only read", &came, MAY_NOT);
    let came = play.go(Sent::new("identity", "DELETE", inside).by(&cast.boss));
    play.works(CHECK, "a user out of the group", &came);
    let came = play.go(Sent::new("identity", "GET", "/v3/auth/projects").by(&session));
    play.stopped(CHECK, "a session whose role was taken", &came, NO);
    let came = play.make(&cast.ann, &format!("mine-{}", play.ending), &super::password());
    play.stopped(CHECK, "an account made by a member", &came, MAY_NOT);
    let came = play.go(grant("PUT", &place, "users", &cast.ann_is.id, Role::Manager).by(&cast.ann));
    play.stopped(CHECK, "a role that a member gives itself", &came, MAY_NOT);
    let elsewhere = format!("/v3/domains/{PROVIDER}");
    let came = play.go(grant("PUT", &elsewhere, "users", &bob.id, Role::Manager).by(&cast.boss));
    play.stopped(CHECK, "a role that a manager gives in another domain", &came, MAY_NOT);
    let user = json!({ "user": { "name": format!("theirs-{}", play.ending), "domain_id": PROVIDER } });
    let came = play.go(Sent::new("identity", "POST", "/v3/users").by(&cast.boss).with(user));
    play.stopped(CHECK, "an account that a manager makes in another domain", &came, MAY_NOT);
    let path = format!("/v3/domains/{DOMAIN}/config");
    let rules = json!({ "config": { "security_compliance": { "lockout_failure_attempts": 10 } } });
    let came = play.go(Sent::new("identity", "PATCH", path).by(&cast.ann).with(rules));
    play.stopped(CHECK, "security rules that a member changes", &came, MAY_NOT);
    Ok(())
}
