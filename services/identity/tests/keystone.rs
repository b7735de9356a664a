//! Keystone's resources, call by call: who may do what, what is answered, and what follows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "keystone/passed_on.rs"]
mod passed_on;
#[path = "keystone/settings.rs"]
mod settings;
#[path = "keystone/world.rs"]
mod world;

use jinyun_base::{Id, Time};
use jinyun_engine::Effect;
use jinyun_identity::{Directory, Scoped};
use serde_json::{Value, json};
use world::World;

#[test]
fn projects_nest_and_what_is_closed_closes_what_lies_below() {
    let mut w = World::new("projects");
    w.run(&[
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"a","domain_id":"$bank"}}"#, 201,
            "\"parent_id\":\"$bank\" & \"is_domain\":false & /v3/projects/", "a"),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"b","parent_id":"$a"}}"#, 201,
            "\"parent_id\":\"$a\"", "b"),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"c","parent_id":"$b"}}"#, 201, "", "c"),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"d","parent_id":"$c"}}"#, 201, "", "d"),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"e","parent_id":"$d"}}"#, 201, "", "e"),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"f","parent_id":"$e"}}"#, 403,
            "Max hierarchy depth", ""),
        // Names that look alike are one; another institution's parent is none.
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"ＰＡＹ"}}"#, 409, "Duplicate", ""),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"p\u200bay"}}"#, 400, "name", ""),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"x","parent_id":"$risk"}}"#, 400,
            "parent_id", ""),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"x","parent_id":"none"}}"#, 400,
            "parent_id", ""),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"x","is_domain":true}}"#, 400,
            "is_domain", ""),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"x","domain_id":"$fund"}}"#, 403, "", ""),
        // No cycles: a project stays where it was made.
        ("boss@bank", "PATCH", "/v3/projects/$a", r#"{"project":{"parent_id":"$c"}}"#, 403, "parent_id", ""),
        ("boss@bank", "PATCH", "/v3/projects/$a", r#"{"project":{"parent_id":"$a"}}"#, 403, "parent_id", ""),
        ("boss@bank", "PATCH", "/v3/projects/$b", r#"{"project":{"parent_id":"$a","name":"b2"}}"#, 200,
            "b2", ""),
        ("boss@bank", "DELETE", "/v3/projects/$a", "", 403, "not a leaf", ""),
        ("boss@bank", "GET", "/v3/projects/$c?parents_as_ids", "", 200,
            "\"parents\":{\"$b\":{\"$a\":{\"$bank\":null}}}", ""),
        ("boss@bank", "GET", "/v3/projects/$b?subtree_as_ids", "", 200,
            "\"subtree\":{\"$c\":{\"$d\":{\"$e\":null}}}", ""),
        ("boss@bank", "GET", "/v3/projects/$e?subtree_as_ids", "", 200, "\"subtree\":null", ""),
        ("boss@bank", "GET", "/v3/projects/$c?parents_as_list", "", 200,
            "\"parents\":[{\"project\":{ & b2 & no \"name\":\"d\"", ""),
        ("boss@bank", "GET", "/v3/projects/$c?parents_as_list&parents_as_ids", "", 400, "same time", ""),
        ("boss@bank", "GET", "/v3/projects?parent_id=$a", "", 200, "b2 & no \"name\":\"c\"", ""),
        ("boss@bank", "GET", "/v3/projects?name__icontains=B2", "", 200, "b2 & no \"name\":\"c\"", ""),
        ("boss@bank", "GET", "/v3/projects?is_domain=true", "", 200, "\"projects\":[]", ""),
        ("boss@bank", "GET", "/v3/projects?limit=2", "", 200,
            "\"truncated\":true & limit=2&marker= & \"previous\":null", ""),
        ("boss@bank", "GET", "/v3/projects?limit=many", "", 400, "limit", ""),
        // What lies in another institution is not there.
        ("chief@fund", "GET", "/v3/projects/$a", "", 404, "", ""),
        ("chief@fund", "PATCH", "/v3/projects/$a", r#"{"project":{"name":"x"}}"#, 404, "", ""),
        ("chief@fund", "DELETE", "/v3/projects/$a", "", 404, "", ""),
        ("chief@fund", "GET", "/v3/projects", "", 200, "risk & no $pay & no b2", ""),
        ("ann@pay", "GET", "/v3/projects", "", 200, "$pay & no $risk & no b2", ""),
        ("ann@pay", "POST", "/v3/projects", r#"{"project":{"name":"x"}}"#, 403, "", ""),
        // A closed project closes what lies below it.
        ("boss@bank", "PUT", "/v3/projects/$c/users/$ann/roles/$member", "", 204, "", ""),
        ("ann@c", "GET", "/v3/projects/$c", "", 200, "", ""),
        ("boss@bank", "PATCH", "/v3/projects/$a", r#"{"project":{"enabled":false}}"#, 200, "", ""),
        ("ann@c", "GET", "/v3/projects/$c", "", 401, "", ""),
        ("ann@none", "GET", "/v3/auth/projects", "", 200, "$pay & no $c", ""),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"x","parent_id":"$b"}}"#, 400,
            "disabled", ""),
        ("boss@bank", "PATCH", "/v3/projects/$c", r#"{"project":{"enabled":false}}"#, 200, "", ""),
        ("boss@bank", "PATCH", "/v3/projects/$c", r#"{"project":{"enabled":true}}"#, 403, "disabled", ""),
        ("boss@bank", "PATCH", "/v3/projects/$a", r#"{"project":{"enabled":true}}"#, 200, "", ""),
        ("boss@bank", "PATCH", "/v3/projects/$c", r#"{"project":{"enabled":true}}"#, 200, "", ""),
        ("ann@c", "GET", "/v3/projects/$c", "", 200, "", ""),
        ("boss@bank", "DELETE", "/v3/projects/$e", "", 204, "", ""),
        ("boss@bank", "GET", "/v3/projects/$d?subtree_as_ids", "", 200, "\"subtree\":null", ""),
    ]);
    // Pages hold everything once.
    let (mut all, mut marker) = (Vec::new(), String::new());
    loop {
        let (_, page) = w.call("boss@bank", "GET", &format!("/v3/projects?limit=2{marker}"), Value::Null);
        let items = page["projects"].as_array().unwrap();
        all.extend(items.iter().map(|p| p["id"].as_str().unwrap().to_string()));
        match page["links"]["next"].as_str() {
            Some(next) => marker = format!("&marker={}", next.rsplit('=').next().unwrap()),
            None => break,
        }
    }
    let mut once = all.clone();
    once.dedup();
    assert_eq!((all.len(), once), (6, all), "pay, a, b, c, d, and e on its way out");
}

#[test]
fn tags_are_labels_and_say_the_environment_once() {
    let mut w = World::new("tags");
    w.run(&[
        ("boss@bank", "PUT", "/v3/projects/$pay/tags", r#"{"tags":["core","environment:production"]}"#,
            200, "core & /v3/projects/$pay/tags", ""),
        ("boss@bank", "GET", "/v3/projects/$pay/tags/core", "", 204, "", ""),
        ("boss@bank", "HEAD", "/v3/projects/$pay/tags/none", "", 404, "", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/tags/red", "", 201, "", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/tags/red", "", 201, "", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/tags/environment:test", "", 400, "environment:", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/tags", r#"{"tags":["environment:moon"]}"#, 400,
            "disaster-recovery", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/tags", r#"{"tags":["a/b"]}"#, 400, "slash", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/tags", r#"{"tags":["a","a"]}"#, 400, "differ", ""),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"x","tags":["a,b"]}}"#, 400, "comma", ""),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"lab","tags":["red"]}}"#, 201, "", "lab"),
        ("boss@bank", "GET", "/v3/projects?tags=red,core", "", 200, "$pay & no $lab", ""),
        ("boss@bank", "GET", "/v3/projects?tags-any=red,core", "", 200, "$pay & $lab", ""),
        ("boss@bank", "GET", "/v3/projects?not-tags=red,core", "", 200, "$lab & no \"id\":\"$pay\"", ""),
        ("boss@bank", "GET", "/v3/projects?not-tags-any=red", "", 200, "\"projects\":[]", ""),
        ("ann@pay", "GET", "/v3/projects/$pay/tags", "", 200, "red", ""),
        ("ann@pay", "PUT", "/v3/projects/$pay/tags/blue", "", 403, "", ""),
        ("chief@fund", "GET", "/v3/projects/$pay/tags", "", 404, "", ""),
        ("boss@bank", "DELETE", "/v3/projects/$pay/tags/core", "", 204, "", ""),
        ("boss@bank", "DELETE", "/v3/projects/$pay/tags/core", "", 404, "", ""),
        ("boss@bank", "DELETE", "/v3/projects/$pay/tags", "", 204, "", ""),
        ("boss@bank", "GET", "/v3/projects/$pay/tags", "", 200, "\"tags\":[]", ""),
    ]);
}

#[test]
fn groups_give_roles_and_an_institution_keeps_a_manager() {
    let mut w = World::new("groups");
    w.run(&[
        ("boss@bank", "POST", "/v3/groups", r#"{"group":{"name":"ops"}}"#, 201,
            "\"domain_id\":\"$bank\" & /v3/groups/", "ops"),
        ("boss@bank", "POST", "/v3/groups", r#"{"group":{"name":"OPS"}}"#, 409, "Duplicate", ""),
        ("boss@bank", "POST", "/v3/groups", r#"{"group":{"name":"x","domain_id":"$fund"}}"#, 403, "", ""),
        ("ann@pay", "POST", "/v3/groups", r#"{"group":{"name":"x"}}"#, 403, "", ""),
        ("boss@bank", "PATCH", "/v3/groups/$ops", r#"{"group":{"description":"on call"}}"#, 200,
            "on call", ""),
        ("chief@fund", "GET", "/v3/groups/$ops", "", 404, "", ""),
        ("chief@fund", "PUT", "/v3/groups/$ops/users/$eve", "", 404, "", ""),
        ("boss@bank", "PUT", "/v3/groups/$ops/users/$eve", "", 404, "", ""),
        ("boss@bank", "PUT", "/v3/groups/$ops/users/$ann", "", 204, "", ""),
        ("boss@bank", "PUT", "/v3/groups/$ops/users/$ann", "", 204, "", ""),
        ("boss@bank", "HEAD", "/v3/groups/$ops/users/$ann", "", 204, "", ""),
        ("ann@none", "HEAD", "/v3/groups/$ops/users/$ann", "", 204, "", ""),
        ("chief@fund", "HEAD", "/v3/groups/$ops/users/$ann", "", 404, "", ""),
        ("boss@bank", "GET", "/v3/groups/$ops/users", "", 200, "$ann & \"next\":null", ""),
        ("ann@none", "GET", "/v3/users/$ann/groups", "", 200, "on call", ""),
        ("chief@fund", "GET", "/v3/groups", "", 200, "\"groups\":[]", ""),
        // Ann is a member of the project by herself and its manager by the group.
        ("boss@bank", "PUT", "/v3/projects/$pay/groups/$ops/roles/$manager", "", 204, "", ""),
        ("ann@pay", "GET", "/v3/auth/tokens", "", 200, "\"name\":\"manager\"", ""),
        ("boss@bank", "PUT", "/v3/system/groups/$ops/roles/$audit_admin", "", 403, "", ""),
        ("secadmin@system", "PUT", "/v3/system/groups/$ops/roles/$audit_admin", "", 400, "groups", ""),
        ("boss@bank", "DELETE", "/v3/groups/$ops/users/$ann", "", 204, "", ""),
        ("boss@bank", "DELETE", "/v3/groups/$ops/users/$ann", "", 404, "", ""),
        ("ann@pay", "GET", "/v3/auth/tokens", "", 200, "no \"name\":\"manager\" & \"name\":\"member\"", ""),
        // The last manager.
        ("boss@bank", "DELETE", "/v3/domains/$bank/users/$boss/roles/$manager", "", 409, "last manager", ""),
        ("boss@bank", "PATCH", "/v3/users/$boss", r#"{"user":{"enabled":false}}"#, 409, "last manager", ""),
        ("boss@bank", "DELETE", "/v3/users/$boss", "", 409, "last manager", ""),
        ("boss@bank", "PUT", "/v3/domains/$bank/users/$boss/roles/$manager",
            r#"{"role_assignment":{"expires_at":"2099-01-01T00:00:00Z"}}"#, 409, "last manager", ""),
        // A group without people is no manager, one with is.
        ("boss@bank", "PUT", "/v3/domains/$bank/groups/$ops/roles/$manager", "", 204, "", ""),
        ("boss@bank", "DELETE", "/v3/domains/$bank/users/$boss/roles/$manager", "", 409, "last manager", ""),
        ("boss@bank", "PUT", "/v3/groups/$ops/users/$ann", "", 204, "", ""),
        ("boss@bank", "DELETE", "/v3/domains/$bank/users/$boss/roles/$manager", "", 204, "", ""),
        ("boss@bank", "GET", "/v3/users", "", 401, "", ""),
        ("ann@bank", "DELETE", "/v3/groups/$ops/users/$ann", "", 409, "last manager", ""),
        ("ann@bank", "DELETE", "/v3/groups/$ops", "", 409, "last manager", ""),
        ("ann@bank", "PATCH", "/v3/users/$ann", r#"{"user":{"enabled":false}}"#, 409, "last manager", ""),
        ("ann@bank", "DELETE", "/v3/domains/$bank/groups/$ops/roles/$manager", "", 409, "last manager", ""),
        // One whose role ends does not count; one whose role does not, counts.
        ("ann@bank", "PUT", "/v3/domains/$bank/users/$boss/roles/$manager",
            r#"{"role_assignment":{"expires_at":"2099-01-01T00:00:00Z"}}"#, 204, "", ""),
        ("ann@bank", "DELETE", "/v3/groups/$ops", "", 409, "last manager", ""),
        ("ann@bank", "PUT", "/v3/domains/$bank/users/$boss/roles/$manager", "", 204, "", ""),
        ("ann@bank", "DELETE", "/v3/groups/$ops", "", 204, "", ""),
        ("boss@bank", "GET", "/v3/role_assignments?group.id=$ops", "", 200, "\"role_assignments\":[]", ""),
        ("ann@bank", "GET", "/v3/users", "", 401, "", ""),
    ]);
}

#[test]
fn roles_are_fixed_inherited_and_end_when_they_end() {
    let mut w = World::new("assignments");
    w.run(&[
        ("ann@pay", "GET", "/v3/roles?name=member", "", 200, "$member & no $reader & /v3/roles/$member", ""),
        ("ann@pay", "POST", "/v3/roles", r#"{"role":{"name":"admin"}}"#, 403,
            "not authorized to perform the requested action", ""),
        ("sysadmin@system", "DELETE", "/v3/roles/$reader", "", 403, "fixed", ""),
        ("ann@pay", "GET", "/v3/roles/$manager/implies", "", 200, "$member & no $reader", ""),
        ("ann@pay", "GET", "/v3/roles/$manager/implies/$member", "", 200, "prior_role", ""),
        ("ann@pay", "HEAD", "/v3/roles/$manager/implies/$reader", "", 404, "", ""),
        ("sysadmin@system", "PUT", "/v3/roles/$reader/implies/$manager", "", 403, "fixed", ""),
        ("ann@pay", "GET", "/v3/role_inferences", "", 200, "$member & $reader & no $audit_admin", ""),
        // Nobody gives a duty to themselves, nor reaches into an institution.
        ("secadmin@system", "PUT", "/v3/system/users/$secadmin/roles/$system_admin", "", 403,
            "themselves", ""),
        ("secadmin@system", "PUT", "/v3/projects/$pay/users/$ann/roles/$manager", "", 403, "manager", ""),
        ("secadmin@system", "PUT", "/v3/domains/$bank/users/$ann/roles/$reader", "", 403, "manager", ""),
        ("boss@bank", "PUT", "/v3/projects/$risk/users/$ann/roles/$reader", "", 404, "project", ""),
        ("boss@bank", "PUT", "/v3/domains/$fund/users/$ann/roles/$reader", "", 404, "domain", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/users/$eve/roles/$reader", "", 404, "user", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/users/$ann/roles/none", "", 404, "role", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/users/$ann/roles/$audit_admin", "", 400, "duty", ""),
        ("ann@pay", "PUT", "/v3/projects/$pay/users/$ann/roles/$manager", "", 403, "", ""),
        // Inherited: below the place, and not in it.
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"sub","parent_id":"$pay"}}"#, 201,
            "", "sub"),
        ("boss@bank", "POST", "/v3/users", r#"{"user":{"name":"bob"}}"#, 201, "", "bob"),
        ("bob@sub", "GET", "/v3/projects/$sub", "", 401, "", ""),
        ("boss@bank", "PUT", "/v3/OS-INHERIT/projects/$pay/users/$bob/roles/$reader/inherited_to_projects",
            "", 204, "", ""),
        ("bob@sub", "GET", "/v3/projects/$sub", "", 200, "", ""),
        ("bob@pay", "GET", "/v3/projects/$pay", "", 401, "", ""),
        ("boss@bank", "PUT", "/v3/OS-INHERIT/domains/$bank/users/$bob/roles/$member/inherited_to_projects",
            "", 204, "", ""),
        ("bob@pay", "GET", "/v3/auth/tokens", "", 200, "\"name\":\"member\"", ""),
        ("bob@bank", "GET", "/v3/projects", "", 401, "", ""),
        ("bob@none", "GET", "/v3/auth/projects", "", 200, "$pay & $sub & no $risk", ""),
        ("bob@none", "GET", "/v3/users/$bob/projects", "", 200, "$pay & $sub", ""),
        ("ann@pay", "GET", "/v3/users/$bob/projects", "", 404, "", ""),
        ("bob@none", "GET", "/v3/auth/domains", "", 200, "\"domains\":[]", ""),
        ("boss@none", "GET", "/v3/auth/domains", "", 200, "\"id\":\"$bank\"", ""),
        ("boss@none", "GET", "/v3/auth/system", "", 200, "\"system\":[]", ""),
        ("secadmin@none", "GET", "/v3/auth/system", "", 200, "\"all\":true", ""),
        ("boss@bank", "HEAD", "/v3/OS-INHERIT/domains/$bank/users/$bob/roles/$member/inherited_to_projects",
            "", 204, "", ""),
        ("boss@bank", "HEAD", "/v3/domains/$bank/users/$bob/roles/$member", "", 404, "", ""),
        ("boss@bank", "GET", "/v3/OS-INHERIT/domains/$bank/users/$bob/roles/inherited_to_projects", "", 200,
            "$member & no $reader", ""),
        ("boss@bank", "GET", "/v3/projects/$pay/users/$ann/roles", "", 200, "$member & no $reader", ""),
        // Lists: as given, and what they amount to.
        ("boss@bank", "GET", "/v3/role_assignments?user.id=$bob", "", 200,
            "\"OS-INHERIT:inherited_to\":\"projects\" & /v3/OS-INHERIT/domains/$bank/users/$bob/roles/", ""),
        ("boss@bank", "GET", "/v3/role_assignments?user.id=$bob&scope.project.id=$pay", "", 200,
            "$reader & no $member", ""),
        ("boss@bank", "GET", "/v3/role_assignments?user.id=$bob&scope.OS-INHERIT:inherited_to=projects",
            "", 200, "$reader & $member", ""),
        ("boss@bank", "GET", "/v3/role_assignments?effective&user.id=$bob&scope.project.id=$sub", "", 200,
            "\"id\":\"$sub\" & $member & /implies/ & no \"id\":\"$pay\"", ""),
        ("boss@bank", "GET", "/v3/role_assignments?effective=True&include_names&role.id=$manager", "", 200,
            "\"name\":\"boss\" & \"name\":\"bank\" & no $bob", ""),
        ("boss@bank", "GET", "/v3/role_assignments?scope.project.id=$pay&include_subtree=True&effective",
            "", 200, "\"id\":\"$sub\" & \"id\":\"$pay\" & $bob & $ann", ""),
        ("boss@bank", "GET", "/v3/role_assignments?include_subtree=True", "", 400, "scope", ""),
        ("boss@bank", "GET", "/v3/role_assignments?user.id=a&group.id=b", "", 400, "user.id", ""),
        ("boss@bank", "GET", "/v3/role_assignments?effective&group.id=b", "", 400, "group.id", ""),
        ("boss@bank", "GET", "/v3/role_assignments?scope.system=all&scope.domain.id=x", "", 400, "scope", ""),
        ("boss@bank", "GET", "/v3/role_assignments", "", 200, "$ann & $bob & no $eve & no $chief", ""),
        ("chief@fund", "GET", "/v3/role_assignments?user.id=$bob", "", 200, "\"role_assignments\":[]", ""),
        ("auditor@system", "GET", "/v3/role_assignments?scope.system=all", "", 200,
            "$system_admin & $audit_admin & no $manager", ""),
        ("bob@none", "GET", "/v3/role_assignments", "", 200, "$bob & no $ann", ""),
        // A role that ends.
        ("boss@bank", "PUT", "/v3/projects/$pay/users/$bob/roles/$manager",
            r#"{"role_assignment":{"expires_at":"2001-01-01T00:00:00Z"}}"#, 400, "expires_at", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/users/$bob/roles/$manager",
            r#"{"role_assignment":{"expires_at":"soon"}}"#, 400, "expires_at", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/users/$bob/roles/$manager",
            r#"{"role_assignment":{"until":"2001-01-01T00:00:00Z"}}"#, 400, "until", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/users/$bob/roles/$manager",
            r#"{"role_assignment":{"expires_at":"2023-11-14T23:00:00Z"}}"#, 204, "", ""),
        ("bob@pay", "GET", "/v3/auth/tokens", "", 200, "\"name\":\"manager\"", ""),
        ("boss@bank", "GET", "/v3/role_assignments?user.id=$bob&role.id=$manager", "", 200,
            "\"expires_at\":\"2023-11-14T23:00:00.000000Z\"", ""),
        ("secadmin@system", "PUT", "/v3/system/users/$auditor/roles/$audit_admin",
            r#"{"role_assignment":{"expires_at":"2099-01-01T00:00:00Z"}}"#, 409, "last audit_admin", ""),
    ]);
    w.pass(3600);
    w.run(&[
        ("bob@pay", "GET", "/v3/auth/tokens", "", 200, "no \"name\":\"manager\"", ""),
        ("boss@bank", "HEAD", "/v3/projects/$pay/users/$bob/roles/$manager", "", 404, "", ""),
        ("boss@bank", "GET", "/v3/role_assignments?user.id=$bob&role.id=$manager", "", 200,
            "\"role_assignments\":[]", ""),
        ("boss@bank", "PUT", "/v3/projects/$pay/users/$bob/roles/$manager", "", 204, "", ""),
        ("bob@pay", "GET", "/v3/auth/tokens", "", 200, "\"name\":\"manager\"", ""),
        ("boss@bank", "DELETE", "/v3/projects/$pay/users/$bob/roles/$manager", "", 204, "", ""),
        ("boss@bank", "DELETE", "/v3/projects/$pay/users/$bob/roles/$manager", "", 404, "", ""),
    ]);
}

#[test]
fn ten_thousand_users_are_looked_up_by_what_is_asked() {
    let put = |kind: &str, id: String, spec: Value| Effect::Put {
        kind: kind.into(), id, domain: "d".into(), project: String::new(), name: String::new(),
        generation: 1, spec, deleting: false,
    };
    let mut effects = vec![put("domain", "d".into(), json!({ "name": "d", "enabled": true })),
        put("group", "g".into(), json!({ "name": "g", "domain": "d" }))];
    for n in 0..10_000 {
        effects.push(put("user", format!("u{n}"), json!({ "name": format!("user {n}"), "domain": "d",
            "enabled": true })));
        effects.push(put("membership", format!("m{n}"), json!({ "group": "g", "user": format!("u{n}") })));
        effects.push(put("assignment", format!("a{n}"), json!({ "user": format!("u{n}"),
            "role": "member", "scope": { "project": format!("p{}", n % 1000) } })));
    }
    for n in 0..1000 {
        let parent = (n % 10 != 0).then(|| format!("p{}", n - n % 10));
        effects.push(put("project", format!("p{n}"), json!({ "name": format!("p{n}"), "domain": "d",
            "enabled": true, "parent": parent })));
    }
    effects.push(put("assignment", "all".into(), json!({ "group": "g", "role": "reader",
        "scope": { "domain": "d" }, "inherited": true })));
    let directory = Directory::default();
    directory.apply(&effects);
    let begun = std::time::Instant::now();
    for n in 0..20_000 {
        let user = Id::new(format!("u{}", n % 10_000));
        let own = Scoped::Project(Id::new(format!("p{}", n % 1000)));
        let other = Scoped::Project(Id::new(format!("p{}", (n + 1) % 1000)));
        let role = |scope| directory.actor_at(&user, Some(scope), Time(5)).and_then(|a| a.role);
        assert_eq!(role(&own), Some(jinyun_policy::Role::Member));
        assert_eq!(role(&other), Some(jinyun_policy::Role::Reader));
        assert!(directory.user_by_name(&"d".into(), &format!("USER {}", n % 10_000)).is_some());
    }
    // Walking over all users for each of these would be hundreds of millions of steps.
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    assert_eq!(directory.projects_of(&"u1".into(), Time(5)).len(), 1000);
    assert_eq!(directory.above(&"p11".into()), [Id::new("p10")]);
    assert_eq!(directory.below(&"d".into()).len(), 1000);
}
