"""What is passed on to programs and other people, and whose people, groups, projects and roles are whose."""

import concurrent.futures
import json

from abuse_cases import HEX, ROLES, fresh, login, password
from abuse_stories.signing import TOKENS, V3, race, wants_401, with_program, words


def passing_on(s):
    """application credentials, trusts and pairs of keys give what was given, where and as long as it is given"""
    programs(s)
    trusts(s)
    keys(s)


def programs(s):
    w = s.world
    many = f"{V3}/users/{w['ann']}/application_credentials"
    ask = lambda **members: {"application_credential": {"name": fresh()} | members}
    rule = {"service": "network", "method": "GET", "path": "/v2.0/networks"}
    for members, want, says in (
            ({"name": "PROGRAM"}, 409, "PROGRAM"), ({"secret": "fifteen-letters"}, 400, "secret"),
            ({"secret": "x" * 256}, 400, "secret"), ({"secret": [password()]}, 400, "secret"),
            ({"roles": [{"name": "manager"}]}, 400, "roles"), ({"roles": [{"id": HEX}]}, 404, "role"),
            ({"roles": [{"name": "system_admin"}]}, 404, "role"), ({"roles": [{"more": 1}]}, 400, "more"),
            ({"expires_at": "2001-01-01T00:00:00Z"}, 400, "expires_at"), ({"access_rules": []}, 400, "access_rules"),
            ({"access_rules": [rule | {"method": "BREW"}]}, 400, "method"),
            ({"access_rules": [rule | {"path": "v2.0"}]}, 400, "path"),
            ({"access_rules": [rule | {"path": "/" + "*" * 5000}]}, 400, "path"),
            ({"access_rules": [rule | {"service": "net work"}]}, 400, "service"),
            ({"access_rules": [{"id": HEX}]}, 404, HEX), ({"access_rules": [{"service": "network"}]}, 400, "method"),
            ({"access_rules": [rule | {"path": f"/{n}"} for n in range(2000)]}, 400, "access_rules"),
            ({"project_id": w["trade"]}, 400, "project_id")):
        s.refuse("ann", "POST", many, ask(**members), want, says)
    s.refuse("rita", "POST", f"{V3}/users/{w['rita']}/application_credentials", ask(roles=[{"name": "member"}]), 400,
             "roles")
    s.refuse("boss", "POST", f"{V3}/users/{w['boss']}/application_credentials", ask(), 403, "project")
    s.refuse("bob", "POST", f"{V3}/users/{w['bob']}/application_credentials",
             ask(access_rules=[{"id": w["access_rule"]}]), 404, w["access_rule"])
    s.refuse("ann", "DELETE", f"{V3}/users/{w['ann']}/access_rules/{w['access_rule']}", None, 403, "credential")
    plain = w.must("ann", "POST", many, ask(roles=[{"name": "reader"}]))["application_credential"]
    narrow = w.must("ann", "POST", many, ask(access_rules=[rule]))["application_credential"]
    words(s, "application credentials", [with_program(*pair) for pair in (
        (plain["id"], password()), (HEX, plain["secret"]), (narrow["id"], plain["secret"]))])
    answer = w.attempt(with_program(plain["id"], plain["secret"], {"project": {"id": w["pay"]}}), w.wire.elsewhere())
    s.judge("a scope with an application credential", "identity", answer, {401}, ("scope",))
    for name, made in (("plain", plain), ("narrow", narrow)):
        answer = w.attempt(with_program(made["id"], made["secret"]))
        s.judge("an application credential", "identity", answer, {201})
        w.tokens[name] = answer.headers["x-subject-token"]
    for who, method, path, body in (
            ("plain", "POST", "/network/v2.0/networks", {"network": {}}),  # a reader's
            ("plain", "POST", many, ask()), ("plain", "DELETE", f"{many}/{narrow['id']}", None),
            ("plain", "DELETE", f"{V3}/users/{w['ann']}/access_rules/{w['access_rule']}", None),
            ("plain", "GET", f"{V3}/credentials", None),
            ("plain", "POST", f"{V3}/credentials", {"credential": {"type": "totp"}}),
            ("plain", "POST", f"{V3}/OS-TRUST/trusts", {"trust": {}}), ("plain", "GET", f"{V3}/OS-TRUST/trusts", None),
            ("plain", "POST", f"{V3}/users/{w['ann']}/OS-JINYUN/recovery_codes", None),
            ("narrow", "GET", "/network/v2.0/subnets", None),
            ("narrow", "POST", "/network/v2.0/networks", {"network": {}}),
            ("narrow", "GET", "/network/v2.0/networks/", None), ("narrow", "GET", "/network/v2.0//networks/x", None),
            ("narrow", "GET", f"/network/v2.0/networks/{w['network']}", None), ("narrow", "GET", many, None),
            ("narrow", "GET", "/compute/v2.1/servers", None), ("narrow", "GET", "/approval/v1/requests", None),
            ("narrow", "POST", "/planner/v1/plans", {"inventory": {"systems": []}}),
            ("narrow", "GET", f"{V3}/auth/projects", None)):
        if (who, path) != ("narrow", "/network/v2.0/networks/"):
            s.refuse(who, method, path, body, 403 if "//" not in path else {403, 404})
    s.judge("what an access rule allows", "network", w.do("narrow", "GET", "/network/v2.0/networks"), {200})
    for scope in ({"project": {"id": w["pay"]}}, "unscoped"):
        again = {"auth": {"identity": {"methods": ["token"], "token": {"id": w.tokens["plain"]}}, "scope": scope}}
        s.refuse("nobody", "POST", TOKENS, again, 403, "scope", source=w.wire.elsewhere())
    w.must("ann", "DELETE", f"{many}/{plain['id']}")
    wants_401(s, "plain", "GET", "/network/v2.0/networks")
    words(s, "an application credential that is gone", [with_program(plain["id"], plain["secret"])])


def trusts(s):
    w, many = s.world, f"{V3}/OS-TRUST/trusts"
    right = {"trustor_user_id": w["ann"], "trustee_user_id": w["rita"], "project_id": w["pay"], "impersonation": False,
             "roles": [{"name": "member"}]}
    for members, want, says in (
            ({"trustor_user_id": w["boss"]}, 403, "trustor"), ({"trustee_user_id": w["bob"]}, 404, w["bob"]),
            ({"trustee_user_id": HEX}, 404, HEX), ({"project_id": w["small"]}, 403, "project"),
            ({"project_id": w["trade"]}, 403, "project"), ({"roles": []}, 403, "role"),
            ({"roles": [{"name": "manager"}]}, 404, "role"), ({"roles": [{"name": "audit_admin"}]}, 404, "role"),
            ({"expires_at": "2001-01-01T00:00:00Z"}, 400, "expires_at"), ({"remaining_uses": 0}, 400, "remaining_uses"),
            ({"remaining_uses": 2, "allow_redelegation": True}, 400, "remaining_uses"),
            ({"allow_redelegation": True, "redelegation_count": 4}, 400, "redelegation_count"),
            ({"redelegated_trust_id": w["trust"]}, 400, "redelegated_trust_id")):
        s.refuse("ann", "POST", many, {"trust": right | members}, want, says)
    s.refuse("boss", "POST", many, {"trust": right | {"trustor_user_id": w["boss"]}}, 403, "project")
    s.refuse("rita", "POST", many, {"trust": right | {"trustor_user_id": w["rita"], "trustee_user_id": w["ann"]}}, 404,
             "role")
    scoped = lambda who, ident: login(w.users[who] | {"scope": {"OS-TRUST:trust": {"id": ident}}})
    answer = w.attempt(scoped("rita", w["trust"]))
    s.judge("a trust", "identity", answer, {201})
    w.tokens["trusted"] = answer.headers["x-subject-token"]
    words(s, "somebody else's trust", [scoped("eve", w["trust"]), scoped("ann", w["trust"]), scoped("rita", HEX)])
    for method, path, body in (
            ("POST", many, {"trust": right | {"trustor_user_id": w["rita"], "trustee_user_id": w["eve"]}}),
            ("POST", f"{V3}/users/{w['rita']}/application_credentials", {"application_credential": {"name": fresh()}}),
            ("POST", f"{V3}/users/{w['ann']}/application_credentials", {"application_credential": {"name": fresh()}}),
            ("GET", f"{V3}/users/{w['rita']}/application_credentials", None),
            ("POST", f"{V3}/credentials", {"credential": {"type": "totp"}}), ("GET", f"{V3}/credentials", None),
            ("POST", f"{V3}/users/{w['rita']}/credentials/OS-EC2", {"tenant_id": w["pay"]}),
            ("DELETE", f"{many}/{w['trust']}", None)):
        s.refuse("trusted", method, path, body, 403)
    again = {"auth": {"identity": {"methods": ["token"], "token": {"id": w.tokens["trusted"]}}, "scope": "unscoped"}}
    s.refuse("nobody", "POST", TOKENS, again, 403, "rust", source=w.wire.elsewhere())
    s.refuse("rita", "DELETE", f"{many}/{w['trust']}", None, {403, 404})  # sees it, and may not take it back
    once = w.must("ann", "POST", many, {"trust": right | {"remaining_uses": 1}})["trust"]["id"]
    race(s, "the one use of a trust", [lambda: w.attempt(scoped("rita", once))] * 8, 201, {401, 403})
    s.judge("a trust without uses left", "identity", w.attempt(scoped("rita", once), w.wire.elsewhere()), {401, 403})
    gone = w.must("ann", "POST", many, {"trust": right})["trust"]["id"]
    w.tokens["gone"] = w.attempt(scoped("rita", gone)).headers["x-subject-token"]
    w.must("ann", "DELETE", f"{many}/{gone}")
    wants_401(s, "gone", "GET", "/network/v2.0/networks")
    s.refuse("rita", "GET", f"{many}/{gone}", None, 404, gone)


def keys(s):
    w, path = s.world, f"{V3}/ec2tokens"
    pair = {"access": "A" * 20, "secret": password()}
    blob = lambda **members: {"credential": {"type": "ec2", "project_id": w["pay"], "blob": json.dumps(pair | members)}}
    w.must("ann", "POST", f"{V3}/credentials", blob())
    s.refuse("ann", "POST", f"{V3}/credentials", blob(secret=password()), 409, "access", "A" * 20)
    s.refuse("bob", "POST", f"{V3}/credentials", {"credential": blob()["credential"] | {"project_id": w["trade"]}}, 409,
             "access", "A" * 20)
    s.refuse("ann", "POST", f"{V3}/credentials", {"credential": {"type": "ec2", "project_id": w["trade"]}}, 404,
             w["trade"])
    s.refuse("ann", "POST", f"{V3}/credentials", {"credential": {"type": "ec2", "project_id": w["pay"],
                                                                 "user_id": w["rita"]}}, 403)
    s.refuse("ann", "POST", f"{V3}/credentials", {"credential": {"type": "ec2"}}, 400, "project_id")
    s.refuse("ann", "POST", f"{V3}/credentials", {"credential": {"type": "totp", "project_id": w["pay"]}}, 400)
    for seed in ("short", "x" * 70_000, "not base32 at all, is it?"):
        s.refuse("ann", "POST", f"{V3}/credentials", {"credential": {"type": "totp", "blob": seed}}, 400, "blob")
    signed = w.signed()
    race(s, "one signed request", [lambda: w.do("ann", "POST", path, {"credentials": signed},
                                                source=w.wire.elsewhere())] * 8, 200, {401})
    stale = {"Timestamp": "2020-01-01T00:00:00Z"}
    for who, body in (("ann", signed), ("bob", w.signed()), ("rita", w.signed()), ("ann", w.signed(key=password())),
                      ("ann", w.signed(access="B" * 32)), ("ann", w.signed(access=password())),
                      ("ann", w.signed(**stale)), ("ann", w.signed(Timestamp="soon")),
                      ("ann", w.signed() | {"host": "elsewhere"}), ("ann", w.signed() | {"path": "/"})):
        s.refuse(who, "POST", path, {"credentials": body}, 401, source=w.wire.elsewhere())
    for body in (w.signed(SignatureVersion="1"), w.signed(SignatureVersion="0"), w.signed() | {"params": {}}):
        s.refuse("ann", "POST", path, {"credentials": body}, 400, "SignatureVersion", "params")
    s.refuse("ann", "DELETE", f"{V3}/users/{w['rita']}/credentials/OS-EC2/{w['access']}", None, 404, w["access"])


def institutions(s):
    """an institution's people, groups and projects are its own; the last one stays"""
    w = s.world
    people(s)
    trees(s)
    roles(s)
    racing(s)
    # Lists leave out what lies elsewhere, whatever is asked for.
    for who, path, many in (
            ("boss", f"users?domain_id={w['fund']}", "users"), ("boss", "users?name=bob", "users"),
            ("boss", f"projects?domain_id={w['fund']}", "projects"),
            ("ann", f"projects?domain_id={w['fund']}", "projects"),
            ("boss", f"groups?domain_id={w['fund']}", "groups"), ("boss", "domains?name=fund", "domains"),
            ("boss", f"role_assignments?user.id={w['bob']}", "role_assignments"),
            ("boss", f"role_assignments?scope.project.id={w['trade']}&include_names", "role_assignments"),
            ("boss", f"role_assignments?scope.domain.id={w['fund']}&effective", "role_assignments"),
            ("bob", f"role_assignments?user.id={w['ann']}", "role_assignments"),
            ("bob", f"OS-TRUST/trusts?trustor_user_id={w['ann']}", "trusts"),
            ("bob", f"credentials?user_id={w['ann']}", "credentials"),
            ("boss2", f"limits?project_id={w['pay']}", "limits")):
        found = w.must(who, "GET", f"{V3}/{path}")[many]
        s.check(f"GET /v3/{path.split('?')[0]} shows {who} another institution's", not found, str(found)[:300])


def racing(s):
    """What may be there once is there once, however many ask at once."""
    w, name = s.world, fresh("once")
    ann = f"{V3}/users/{w['ann']}/application_credentials"
    blob = json.dumps({"access": "C" * 24, "secret": password()})
    for who, path, body in (
            ("secadmin", f"{V3}/domains", {"domain": {"name": name}}),
            ("boss", f"{V3}/projects", {"project": {"name": name}}),
            ("boss", f"{V3}/users", {"user": {"name": name, "domain_id": w["bank"]}}),
            ("boss", f"{V3}/groups", {"group": {"name": name}}),
            ("ann", ann, {"application_credential": {"name": name}}),
            ("ann", f"{V3}/credentials", {"credential": {"type": "ec2", "project_id": w["pay"], "blob": blob}}),
            ("sysadmin", f"{V3}/limits", {"limits": [{"project_id": w["still"], "resource_name": "volumes",
                                                      "resource_limit": 5}]})):
        race(s, f"POST {path.split('/')[-1]}", [lambda: w.do(who, "POST", path, body)] * 8, 201, {409})
    tags = [lambda n=n: w.do("boss", "PUT", f"{V3}/projects/{w['tagged3']}/tags/t{n}") for n in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = [future.result() for future in [pool.submit(one) for one in tags]]
    for answer in answers:
        s.judge("a tag at the same time as others", "identity", answer, {201, 412})
    kept = w.must("boss", "GET", f"{V3}/projects/{w['tagged3']}/tags")["tags"]
    s.check("tags that were answered 201 are there", sum(a.status == 201 for a in answers)
            == len([t for t in kept if t.startswith("t")]), str(kept))


def people(s):
    w = s.world
    for name in ("ANN", "ａｎｎ", " ann "):
        s.refuse("boss", "POST", f"{V3}/users", {"user": {"name": name, "domain_id": w["bank"]}}, 409, "name")
    s.refuse("boss", "POST", f"{V3}/users", {"user": {"name": fresh(), "domain_id": w["fund"]}}, {403, 404})
    s.refuse("boss", "POST", f"{V3}/users", {"user": {"name": fresh(), "domain_id": "default"}}, {403, 404})
    s.refuse("boss", "PATCH", f"{V3}/users/{w['spare_user']}", {"user": {"domain_id": w["fund"]}}, 400, "domain_id")
    for options in ({"lock_password": "maybe"}, {"nonsense": True}, {"multi_factor_auth_rules": "password"},
                    {"multi_factor_auth_rules": [["nothing"]]}, {"multi_factor_auth_rules": [[]]},
                    {"multi_factor_auth_rules": [["password", "password"]]}, {"multi_factor_auth_rules": [7]},
                    {"multi_factor_auth_rules": [["password"]] * 2}, {"ignore_password_expiry": 7}):
        s.refuse("boss", "PATCH", f"{V3}/users/{w['spare_user']}", {"user": {"options": options}}, 400, *options)
    mine, duty = f"{V3}/users/{w['boss']}", f"{V3}/users/{w['sysadmin']}"
    s.refuse("boss", "PATCH", mine, {"user": {"enabled": False}}, 409, "last manager")
    s.refuse("boss", "DELETE", mine, None, 409, "last manager")
    s.refuse("secadmin", "PATCH", duty, {"user": {"enabled": False}}, 409, "last")
    s.refuse("secadmin", "DELETE", duty, None, 409, "last")
    s.refuse("secadmin", "PATCH", duty, {"user": {"password": password()}}, {400, 403})
    s.refuse("secadmin", "PATCH", f"{V3}/users/{w['secadmin']}", {"user": {"description": "me"}}, 403, "own")
    s.refuse("secadmin", "PATCH", f"{V3}/users/{w['ann']}", {"user": {"enabled": False}}, 403)
    s.refuse("secadmin", "PATCH", f"{V3}/domains/{w['bank']}/config", {"config": {"security_compliance": {
        "minimum_length": 8}}}, 403)
    s.refuse("boss", "PATCH", f"{V3}/domains/{w['bank']}/config", {"config": {"nonsense": {}}}, 400, "nonsense")
    s.refuse("boss", "PATCH", f"{V3}/domains/{w['bank']}/config", {"config": {"security_compliance": {
        "minimum_password_age": 30, "password_expires_days": 10}}}, 400, "minimum_password_age")
    users = f"{V3}/groups/{w['team']}/users"
    for who in (w["bob"], w["sysadmin"], HEX):
        s.refuse("boss", "PUT", f"{users}/{who}", None, 404, who)
    s.refuse("boss2", "PUT", f"{users}/{w['bob']}", None, 404, w["team"])
    s.refuse("boss", "DELETE", f"{users}/{w['eve']}", None, 404, w["eve"])
    s.refuse("boss", "POST", f"{V3}/groups", {"group": {"name": "TEAM"}}, 409, "TEAM")
    s.refuse("boss", "POST", f"{V3}/groups", {"group": {"name": fresh(), "domain_id": w["fund"]}}, {403, 404})
    s.refuse("secadmin", "POST", f"{V3}/groups", {"group": {"name": fresh(), "domain_id": "default"}}, 403)


def trees(s):
    """Projects that lie in projects."""
    w, at = s.world, f"{V3}/projects"
    ask = lambda **members: {"project": {"name": fresh()} | members}
    parent, names = None, []
    for depth in range(5):
        names.append(w.project("boss", fresh("deep"), **({"parent_id": parent} if parent else {})))
        parent = names[-1]
    s.refuse("boss", "POST", at, ask(parent_id=parent), 403, "depth")
    s.refuse("boss", "DELETE", f"{at}/{names[0]}", None, 403, names[0])
    s.refuse("boss", "PATCH", f"{at}/{names[1]}", {"project": {"parent_id": names[4]}}, {400, 403}, "parent")
    s.refuse("boss", "PATCH", f"{at}/{names[1]}", {"project": {"domain_id": w["fund"]}}, {400, 403}, "domain_id")
    for ident in (w["trade"], HEX, w["fund"]):
        s.refuse("boss", "POST", at, ask(parent_id=ident), {400, 404}, "parent_id")
    for name in ("PAY", "ｐａｙ"):
        s.refuse("boss", "POST", at, ask(name=name, parent_id=names[0]), 409, name)
    s.refuse("boss", "POST", at, ask(is_domain=True), 400, "is_domain")
    s.refuse("boss", "POST", at, ask(options={"immutable": True}), 400, "immutable")
    w.must("boss", "PATCH", f"{at}/{names[0]}", {"project": {"enabled": False}})
    s.refuse("boss", "POST", at, ask(parent_id=names[1]), 400, "parent_id")
    w.must("boss", "PATCH", f"{at}/{names[0]}", {"project": {"enabled": True}})
    s.refuse("boss", "GET", f"{at}/{names[0]}?parents_as_list&parents_as_ids", None, 400, "parents_as")
    for tags in (["environment:production", "environment:test"], ["a,b"], ["a/b"], ["t"] * 2):
        s.refuse("boss", "PUT", f"{at}/{names[0]}/tags", {"tags": tags}, 400, "tags")


def roles(s):
    w, role = s.world, ROLES["reader"]
    pay, bank = f"{V3}/projects/{w['pay']}", f"{V3}/domains/{w['bank']}"
    grant = lambda **members: {"role_assignment": members}
    manager = f"{bank}/users/{w['boss']}/roles/{ROLES['manager']}"
    s.refuse("boss", "DELETE", manager, None, 409, "last manager")
    s.refuse("boss", "PUT", manager, grant(expires_at="2099-01-01T00:00:00Z"), 409, "last manager")
    for path, want in ((f"{pay}/users/{w['bob']}/roles/{role}", 404), (f"{pay}/users/{HEX}/roles/{role}", 404),
                       (f"{pay}/groups/{HEX}/roles/{role}", 404), (f"{pay}/users/{w['eve']}/roles/{HEX}", 404),
                       (f"{V3}/projects/{w['trade']}/users/{w['eve']}/roles/{role}", 404),
                       (f"{V3}/domains/{w['fund']}/users/{w['eve']}/roles/{role}", 404),
                       (f"{V3}/domains/default/users/{w['eve']}/roles/{role}", {400, 403, 404}),
                       (f"{bank}/users/{w['eve']}/roles/{ROLES['security_admin']}", 400),
                       (f"{pay}/users/{w['sysadmin']}/roles/{role}", 404),
                       (f"{V3}/system/users/{w['eve']}/roles/{ROLES['audit_admin']}", {403, 404})):
        s.refuse("boss", "PUT", path, None, want)
    for path in (f"{pay}/groups/{w['team']}/roles/{role}", f"{bank}/groups/{w['team']}/roles/{role}"):
        for method in ("PUT", "DELETE", "GET", "HEAD"):
            s.refuse("boss2", method, path, None, 404)
    s.refuse("boss", "PUT", f"{pay}/users/{w['eve']}/roles/{role}", grant(expires_at="2001-01-01T00:00:00Z"), 400,
             "expires_at")
    free = w.must("secadmin", "POST", f"{V3}/domains", {"domain": {"name": fresh()}})["domain"]["id"]
    made = w.must("secadmin", "POST", f"{V3}/users", {"user": {"name": "one", "domain_id": free}})["user"]["id"]
    first = f"/domains/{free}/users/{made}/roles/{ROLES['manager']}"
    s.refuse("secadmin", "PUT", f"{V3}/OS-INHERIT{first}/inherited_to_projects", None, 403)
    s.refuse("secadmin", "PUT", f"{V3}{first}", grant(expires_at="2099-01-01T00:00:00Z"), 403)
    s.refuse("secadmin", "PUT", f"{V3}/system/groups/{w['team']}/roles/{ROLES['audit_admin']}", None, {400, 403, 404})
    s.refuse("secadmin", "PUT", f"{V3}/system/users/{w['secadmin']}/roles/{ROLES['security_admin']}", None, {403, 409})


STORIES = (passing_on, institutions)
