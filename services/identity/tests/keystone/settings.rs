//! The catalog, limits, security rules, users and the end of an institution.

use crate::world::World;
use jinyun_identity::{Directory, Scoped};

#[test]
fn the_catalog_is_read_and_limits_are_set_together() {
    let mut w = World::new("catalog");
    w.run(&[
        ("ann@pay", "GET", "/v3/services?type=identity", "", 200, "keystone & /v3/services/s1", ""),
        ("ann@pay", "GET", "/v3/services?type=compute", "", 200, "\"services\":[]", ""),
        ("ann@pay", "GET", "/v3/services/s2", "", 404, "", ""),
        ("ann@pay", "GET", "/v3/endpoints?interface=public", "", 200, "s1-public & no s1-internal", ""),
        ("ann@pay", "GET", "/v3/endpoints/s1-public", "", 200, "\"service_id\":\"s1\"", ""),
        ("ann@pay", "GET", "/v3/regions/RegionOne", "", 200, "parent_region_id", ""),
        ("sysadmin@system", "POST", "/v3/services", r#"{"service":{"type":"x"}}"#, 403, "catalog", ""),
        ("sysadmin@system", "DELETE", "/v3/endpoints/s1-public", "", 403, "catalog", ""),
        ("sysadmin@system", "PATCH", "/v3/regions/RegionOne", r#"{"region":{}}"#, 403, "catalog", ""),
        ("ann@pay", "GET", "/v3/auth/catalog", "", 200, "keystone", ""),
        ("ann@pay", "GET", "/v3/auth/tokens?nocatalog", "", 200, "no keystone", ""),
        ("ann@pay", "GET", "/v3/registered_limits/cores", "", 200, "\"default_limit\":20", ""),
        ("ann@pay", "GET", "/v3/registered_limits/none", "", 404, "", ""),
        ("sysadmin@system", "PATCH", "/v3/registered_limits/cores", r#"{"registered_limit":{}}"#, 403, "", ""),
        ("ann@pay", "GET", "/v3/limits/model", "", 200, "flat", ""),
        ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"lab"}}"#, 201, "", "lab"),
        ("sysadmin@system", "POST", "/v3/limits", r#"{"limits":[
            {"resource_name":"cores","resource_limit":1,"project_id":"$pay"},
            {"resource_name":"cores","resource_limit":2,"project_id":"$risk"}]}"#, 400, "one domain", ""),
        ("sysadmin@system", "GET", "/v3/limits", "", 200, "\"limits\":[]", ""),
        ("sysadmin@system", "POST", "/v3/limits", r#"{"limits":[
            {"resource_name":"cores","resource_limit":1,"project_id":"$pay"},
            {"resource_name":"cores","resource_limit":2,"project_id":"$lab"}]}"#, 201, "$pay & $lab", ""),
        ("sysadmin@system", "POST", "/v3/limits", r#"{"limits":[
            {"resource_name":"cores","resource_limit":1,"project_id":"$pay"}]}"#, 409, "", ""),
        ("sysadmin@system", "POST", "/v3/limits", r#"{"limits":[]}"#, 400, "limits", ""),
        ("sysadmin@system", "POST", "/v3/limits", r#"{"limits":[{"resource_name":"moons",
            "resource_limit":1,"project_id":"$pay"}]}"#, 400, "resource_name", ""),
        ("boss@bank", "POST", "/v3/limits", r#"{"limits":[{"resource_name":"cores",
            "resource_limit":9,"project_id":"$pay"}]}"#, 403, "", ""),
        ("ann@pay", "GET", "/v3/limits", "", 200, "$pay & no $lab", ""),
        ("chief@fund", "GET", "/v3/limits", "", 200, "\"limits\":[]", ""),
    ]);
}

#[test]
fn domains_have_rules_of_their_own_and_go_with_their_people() {
    let mut w = World::new("domains");
    let (config, group) = ("/v3/domains/$bank/config", "/v3/domains/$bank/config/security_compliance");
    w.run(&[
        ("ann@pay", "GET", "/v3/domains/$bank", "", 200, "bank", ""),
        ("ann@pay", "GET", "/v3/domains/$fund", "", 404, "", ""),
        ("chief@fund", "GET", "/v3/domains", "", 200, "$fund & no $bank", ""),
        ("secadmin@system", "POST", "/v3/domains", r#"{"domain":{"name":"ＢＡＮＫ"}}"#, 409, "", ""),
        ("secadmin@system", "PATCH", "/v3/domains/default", r#"{"domain":{"enabled":false}}"#, 409, "", ""),
        ("boss@bank", "PATCH", "/v3/domains/$bank", r#"{"domain":{"name":"x"}}"#, 403, "", ""),
        // Security rules.
        ("ann@pay", "GET", "/v3/domains/config/default", "", 200, "lockout_duration", ""),
        ("ann@pay", "GET", "/v3/domains/config/security_compliance/minimum_length/default", "", 200,
            "{\"config\":{\"minimum_length\":10}}", ""),
        ("ann@pay", "GET", "/v3/domains/config/ldap/default", "", 404, "", ""),
        ("ann@pay", "GET", group, "", 200, "\"minimum_length\":10", ""),
        ("ann@pay", "GET", "/v3/domains/$fund/config", "", 404, "", ""),
        ("ann@pay", "PATCH", group, r#"{"config":{"security_compliance":{"minimum_length":12}}}"#, 403, "", ""),
        ("chief@fund", "PATCH", group, r#"{"config":{"security_compliance":{"minimum_length":12}}}"#, 404,
            "", ""),
        ("secadmin@system", "PATCH", group, r#"{"config":{"security_compliance":{"minimum_length":12}}}"#,
            403, "", ""),
        ("boss@bank", "PATCH", group, r#"{"config":{"security_compliance":{"minimum_length":12}}}"#, 200,
            "\"minimum_length\":12", ""),
        ("boss@bank", "PATCH", "/v3/domains/$bank/config/security_compliance/idle_seconds",
            r#"{"config":{"idle_seconds":600}}"#, 200, "{\"config\":{\"idle_seconds\":600}}", ""),
        ("boss@bank", "GET", config, "", 200, "\"minimum_length\":12 & \"idle_seconds\":600", ""),
        ("boss@bank", "PATCH", group, r#"{"config":{"security_compliance":{"minimum_length":1}}}"#, 400,
            "minimum_length", ""),
        ("boss@bank", "PATCH", group, r#"{"config":{"security_compliance":{"password_regex":"."}}}"#, 400,
            "password_regex", ""),
        ("boss@bank", "PUT", config, r#"{"config":{"security_compliance":{"idle_seconds":900}}}"#, 200,
            "\"minimum_length\":10 & \"idle_seconds\":900", ""),
        ("secadmin@system", "PATCH", "/v3/domains/default/config/security_compliance",
            r#"{"config":{"security_compliance":{"minimum_length":14}}}"#, 200, "14", ""),
        ("chief@fund", "GET", "/v3/domains/$fund/config", "", 200, "\"minimum_length\":14", ""),
        ("boss@bank", "GET", config, "", 200, "\"minimum_length\":10", ""),
        ("boss@bank", "DELETE", config, "", 204, "", ""),
        ("boss@bank", "DELETE", config, "", 404, "", ""),
        ("boss@bank", "GET", config, "", 200, "\"minimum_length\":14", ""),
        // Users: paging, filters, what another institution sees.
        ("boss@bank", "GET", "/v3/users?limit=1", "", 200, "\"truncated\":true", ""),
        ("boss@bank", "GET", "/v3/users?name=ann&enabled=false", "", 200, "\"users\":[]", ""),
        ("boss@bank", "GET", "/v3/users?name__startswith=an", "", 200, "$ann & no $boss", ""),
        ("boss@bank", "POST", "/v3/users", r#"{"user":{"name":"ＡＮＮ"}}"#, 409, "Duplicate", ""),
        ("boss@bank", "PATCH", "/v3/users/$eve", r#"{"user":{"enabled":false}}"#, 404, "", ""),
        ("boss@bank", "PATCH", "/v3/users/$ann", r#"{"user":{"domain_id":"$fund"}}"#, 400, "domain_id", ""),
        ("boss@bank", "PATCH", "/v3/users/$ann", r#"{"user":{"options":{"lock_password":true}}}"#, 200,
            "lock_password", ""),
        ("boss@bank", "PATCH", "/v3/users/$ann", r#"{"user":{"options":{"moon":true}}}"#, 400, "moon", ""),
        ("secadmin@system", "PATCH", "/v3/users/$ann", r#"{"user":{"enabled":false}}"#, 403, "manager", ""),
        ("secadmin@system", "PATCH", "/v3/users/$auditor", r#"{"user":{"enabled":false}}"#, 409,
            "last audit_admin", ""),
        ("secadmin@system", "POST", "/v3/users", r#"{"user":{"name":"aud2","domain_id":"default"}}"#, 201,
            "", "aud2"),
        ("secadmin@system", "PUT", "/v3/system/users/$aud2/roles/$audit_admin", "", 204, "", ""),
        ("secadmin@system", "PATCH", "/v3/users/$auditor", r#"{"user":{"enabled":false}}"#, 200, "", ""),
        ("secadmin@system", "DELETE", "/v3/users/$secadmin", "", 403, "own account", ""),
        // An institution goes: projects, then closed, then with its people.
        ("secadmin@system", "DELETE", "/v3/domains/$bank", "", 403, "disable it", ""),
        ("secadmin@system", "PATCH", "/v3/domains/$bank", r#"{"domain":{"enabled":false}}"#, 200, "", ""),
        ("boss@bank", "GET", "/v3/users", "", 401, "", ""),
        ("secadmin@system", "DELETE", "/v3/domains/$bank", "", 409, "projects", ""),
        ("secadmin@system", "PATCH", "/v3/domains/$bank", r#"{"domain":{"enabled":true}}"#, 200, "", ""),
        ("boss@bank", "DELETE", "/v3/projects/$pay", "", 204, "", ""),
        ("boss@bank", "POST", "/v3/groups", r#"{"group":{"name":"ops"}}"#, 201, "", "ops"),
        ("boss@bank", "PUT", "/v3/groups/$ops/users/$ann", "", 204, "", ""),
        ("secadmin@system", "PATCH", "/v3/domains/$bank", r#"{"domain":{"enabled":false}}"#, 200, "", ""),
    ]);
    w.drive();
    w.run(&[
        ("secadmin@system", "DELETE", "/v3/domains/$bank", "", 204, "", ""),
        ("secadmin@system", "GET", "/v3/domains/$bank", "", 404, "", ""),
        ("secadmin@system", "GET", "/v3/users/$boss", "", 404, "", ""),
        ("secadmin@system", "GET", "/v3/groups/$ops", "", 404, "", ""),
        ("chief@fund", "GET", "/v3/users", "", 200, "$eve", ""),
    ]);
    // A fresh directory, loaded from the rows, says what the one says that followed the effects.
    let fresh = Directory::default();
    w.cloud.reader.view(|v| fresh.load(v)).unwrap();
    let now = w.identity.now();
    for user in ["chief", "eve", "auditor", "secadmin", "boss"] {
        for scope in [Scoped::System, Scoped::Domain(w.id("fund")), Scoped::Project(w.id("risk"))] {
            let (a, b) = (fresh.actor_at(&w.id(user), Some(&scope), now),
                w.identity.directory.actor_at(&w.id(user), Some(&scope), now));
            assert_eq!(a, b, "{user} {scope:?}");
        }
    }
}
