"""How the operations of identity are used rightly."""

from abuse_cases import case, fresh, login, password
from abuse_cases.document import FIXED

RULES = {"lockout_failure_attempts": (1, 10), "lockout_duration": (120, 86_400), "password_expires_days": (1, 365),
         "unique_last_password_count": (3, 24), "minimum_password_age": (0, 30), "minimum_length": (8, 64),
         "character_classes": (3, 4), "disable_user_account_days_inactive": (0, 3650), "idle_seconds": (60, 3600),
         "session_seconds": (300, 28_800)}
FAR = "2099-01-01T00:00:00Z"


def add(which, **settings):
    case("identity", which, **settings)


def identity_cases():
    for cases in (reading, tokens, domains, projects, users, groups, grants, delegation, credentials, limits, accounts,
                  federation):
        cases()
    for service, method, path in FIXED:
        fixed(method, path)


def fixed(method, path):
    """What is refused whoever asks, and whatever is asked."""
    words = {"role": "id=reader prior=manager implied=member", "credential": "id=credential",
             "domain": "id=bank group=rules option=rule", "registered_limit": "id=item", "service": "id=service",
             "endpoint": "id=endpoint", "region": "id=region"}
    kind = path.split("/")[2].removesuffix("s")
    here = " ".join(pair for pair in words[kind].split() if f"{{{pair.split('=')[0]}}}" in path)
    add(f"{method} {path}", here=here, other=None, fixed=True, idle=True, absent={403, 404},
        by="boss" if kind == "domain" else "ann")


def reading():
    add("GET /|GET /v3|GET /v3/OS-JINYUN/notice", other=None)
    add("GET /v3/auth/tokens|HEAD /v3/auth/tokens|DELETE /v3/auth/tokens", other=None)
    add("GET /v3/auth/projects|GET /v3/auth/domains|GET /v3/auth/system|GET /v3/auth/catalog|GET /v3/roles"
        "|GET /v3/role_inferences|GET /v3/limits/model|GET /v3/registered_limits|GET /v3/services|GET /v3/endpoints"
        "|GET /v3/regions|GET /v3/domains/config/default", other=None)
    for path, thing in (("roles", "reader"), ("services", "service"), ("endpoints", "endpoint"), ("regions", "region"),
                        ("registered_limits", "item")):
        add(f"GET /v3/{path}/{{id}}", here=f"id={thing}", other=None)
    add("GET /v3/roles/{prior}/implies", here="prior=manager", other=None)
    add("GET /v3/roles/{prior}/implies/{implied}|HEAD /v3/roles/{prior}/implies/{implied}",
        here="prior=manager implied=member", other=None)
    add("GET /v3/domains/config/{group}/default", here="group=rules", other=None)
    add("GET /v3/domains/config/{group}/{option}/default", here="group=rules option=rule", other=None)


def tokens():
    add("POST /v3/auth/tokens", other=None, body=lambda w: login(w.users["ann"]), unknown=False,
        members="identity!=object scope=object")
    add("POST /v3/ec2tokens", other=None, who="any user", open=True, body=lambda w: {"credentials": w.signed()},
        members="access!=plain signature!=plain verb=long host=long path=long params=pairs headers=pairs "
                "body_hash=long", names=("SignatureVersion",))


def domains():
    add("GET /v3/domains", by="secadmin", other=None, pages=True)
    add("POST /v3/domains", by="secadmin", other=None, body=lambda w: {"domain": {"name": fresh()}},
        members="name!=name description=free enabled=bool options=object tags=tags")
    add("GET /v3/domains/{id}|DELETE /v3/domains/{id}", by="secadmin", other="boss2", here="id=spare_domain")
    add("PATCH /v3/domains/{id}", by="secadmin", other="boss2", here="id=spare_domain",
        body=lambda w: {"domain": {"description": "d"}},
        members="name=name description=free enabled=bool options=object")
    # The rules of a domain. None of what is sent is taken, so they stay as they are.
    base, who = "/v3/domains/{id}/config", "domain manager, security admin"
    places = (("", "id=bank"), ("/{group}", "id=bank group=rules"),
              ("/{group}/{option}", "id=bank group=rules option=rule"))
    for path, here in places:
        add(f"GET {base}{path}|HEAD {base}{path}", by="boss", other="boss2", here=here, who=who)
    whole = lambda w: {"config": {"security_compliance": {"lockout_duration": 900}}}
    numbers = " ".join(f"{name}=int({low},{high})" for name, (low, high) in RULES.items())
    for path, here in places[:2]:
        add(f"PUT {base}{path}|PATCH {base}{path}", by="boss", other="boss2", here=here, who=who, body=whole,
            no="ann rita", at=lambda body: body["config"]["security_compliance"],
            members=f"{numbers} change_password_upon_first_use=bool multi_factor=bool", absent={403, 404})
        add(f"DELETE {base}{path}", by="boss", other="boss2", here=here, who=who, no="ann rita", absent={403, 404})
    add(f"PATCH {base}/{{group}}/{{option}}", by="boss", other="boss2", here=places[2][1], who=who, no="ann rita",
        body=lambda w: {"config": {"lockout_duration": 900}}, at=lambda body: body["config"], absent={400, 403, 404},
        members="lockout_duration=int(120,86400)", names=("config",))


def federation():
    base, flat = "/v3/OS-FEDERATION", {"by": "boss", "no": "ann rita"}
    idp, mapping = f"{base}/identity_providers/{{id}}", f"{base}/mappings/{{id}}"
    protocol = f"{base}/identity_providers/{{idp}}/protocols/{{id}}"
    add(f"GET {base}/projects|GET {base}/domains", other=None)
    readers = "domain manager, security admin, audit admin"
    add(f"GET {base}/identity_providers|GET {base}/mappings", by="boss", other=None, who="any token")
    add(f"GET {base}/identity_providers/{{idp}}/protocols", other="boss2", here="idp=idp", who=readers, **flat)
    words = lambda w: {"identity_provider": {"description": "d"}}
    plan = lambda w: {"mapping": {"rules": [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "sub"}]}]}}
    follows = lambda w: {"protocol": {"mapping_id": w["mapping"]}}
    for path, here, body, members in ((idp, "id=idp", words, "enabled=bool authorization_ttl=int(0,43200)"),
                                      (mapping, "id=mapping", plan, "rules=list"),
                                      (protocol, "idp=idp id=protocol", follows, "")):
        # The client chooses the id of a PUT, and what is tried as an id, `null` among it, may be made. The others then
        # find it. Ids are an institution's own: what another one has is not taken.
        made = {200, 204, 404}
        add(f"GET {path}|DELETE {path}", other="boss2", here=here, who=readers, absent=made, **flat)
        add(f"PATCH {path}", other="boss2", here=here, body=body, members=members, absent=made, **flat)
        add(f"PUT {path}", other=None, here=here, body=body, members=members, tried=False,
            absent={201, 400, 403, 404, 409}, free="id", **flat)
    auth = f"{base}/identity_providers/{{idp}}/protocols/{{protocol}}/auth"
    # A provider's token is the proof; there is none here that is good.
    add(f"GET {auth}|POST {auth}", other=None, who="anybody", here="idp=idp protocol=protocol", stream=True,
        open=True, tried=False, away=True, absent={401, 404})


def projects():
    add("GET /v3/projects", by="boss", other=None, pages=True)
    add("POST /v3/projects", by="boss", other=None, body=lambda w: {"project": {"name": fresh()}}, no="ann rita",
        members="name!=name description=free enabled=bool domain_id=ref parent_id=ref is_domain=bool tags=tags "
                "options=object")
    add("GET /v3/projects/{id}|DELETE /v3/projects/{id}", by="boss", other="boss2", here="id=spare_project")
    add("PATCH /v3/projects/{id}", by="boss", other="boss2", here="id=spare_project", no="ann rita",
        body=lambda w: {"project": {"description": "d"}},
        members="name=name description=free enabled=bool tags=tags options=object")
    # Each with a project of its own: tags are changed only if nobody changed the project meanwhile.
    tags, tag, who = "/v3/projects/{id}/tags", "/v3/projects/{id}/tags/{tag}", "domain manager"
    add(f"GET {tags}", by="boss", other="boss2", here="id=tagged", who="reader, system admin")
    add(f"PUT {tags}", by="boss", other="boss2", here="id=tagged", who=who, no="ann rita", empty=False,
        body=lambda w: {"tags": ["word"]}, at=lambda whole: whole, members="tags!=tags")
    add(f"DELETE {tags}", by="boss", other="boss2", here="id=tagged", who=who, no="ann rita")
    add(f"GET {tag}|HEAD {tag}", by="boss", other="boss2", here="id=tagged tag=word", free="tag",
        who="reader, system admin")
    add(f"PUT {tag}", by="boss", other="boss2", here="id=tagged2 tag=word", free="tag", who=who, no="ann rita",
        idle=True)
    add(f"DELETE {tag}", by="boss", other="boss2", here="id=tagged3 tag=word", free="tag", who=who, no="ann rita")


def users():
    add("GET /v3/users", by="boss", other=None, pages=True)
    add("POST /v3/users", by="boss", other=None, body=lambda w: {"user": {"name": fresh(), "domain_id": w["bank"]}},
        members="name!=user(255) description=free email=text enabled=bool domain_id=ref default_project_id=label "
                "project_id=label password=secret options=object")
    add("GET /v3/users/{id}|DELETE /v3/users/{id}|GET /v3/users/{id}/projects|GET /v3/users/{id}/groups", by="boss",
        other="boss2", here="id=spare_user")
    add("PATCH /v3/users/{id}", by="boss", other="boss2", here="id=spare_user", no="ann rita",
        body=lambda w: {"user": {"description": "d"}},
        members="name=user(255) description=free email=text enabled=bool default_project_id=label password=secret "
                "project_id=label options=object")
    add("POST /v3/users/{id}/password", other=None, here="id=guessed_user", absent={401}, away=True,
        body=lambda w: {"user": {"password": password(), "original_password": password()}},
        members="password!=secret original_password!=secret")


def groups():
    add("GET /v3/groups", by="boss", other=None, pages=True)
    add("POST /v3/groups", by="boss", other=None, body=lambda w: {"group": {"name": fresh()}}, no="ann rita",
        members="name!=name(255) description=free domain_id=ref")
    add("GET /v3/groups/{id}|DELETE /v3/groups/{id}", by="boss", other="boss2", here="id=team", no="ann rita")
    add("PATCH /v3/groups/{id}", by="boss", other="boss2", here="id=spare_group", no="ann rita",
        body=lambda w: {"group": {"description": "d"}}, members="name=name(255) description=free")
    add("GET /v3/groups/{group}/users", by="boss", other="boss2", here="group=team", no="ann rita")
    add("GET /v3/groups/{group}/users/{user}|HEAD /v3/groups/{group}/users/{user}", by="boss", other="boss2",
        here="group=team user=rita")
    add("PUT /v3/groups/{group}/users/{user}", by="boss", other="boss2", here="group=team user=rita", idle=True,
        no="ann rita")
    add("DELETE /v3/groups/{group}/users/{user}", by="boss", other="boss2", here="group=team user=rita", no="ann rita")


def grants():
    add("GET /v3/role_assignments", by="boss", other=None)
    below = "/inherited_to_projects"
    for inherited in (False, True):
        for scope, place in (("domains", "bank"), ("projects", "pay"), ("system", None)):
            for kind, who in (("users", "rita"), ("groups", "team")):
                if scope == "system" and inherited:
                    continue
                if scope == "system":
                    path, here = f"/v3/system/{kind}/{{who}}/roles", f"who={'sysadmin' if kind == 'users' else who}"
                else:
                    path = f"/v3{'/OS-INHERIT' if inherited else ''}/{scope}/{{scope}}/{kind}/{{who}}/roles"
                    here = f"scope={place} who={who}"
                role = "system_admin" if scope == "system" else "reader"
                one, many = path + "/{role}", path
                if inherited:
                    one, many = one + below, path + below
                grant(one, many, here, role, scope == "system", kind == "groups")


def grant(one, many, here, role, system, group):
    """The operations of one sort of roles. Groups have none in the system: giving one is refused in itself."""
    by, who = ("secadmin", "security admin, domain manager") if system else ("boss", "domain manager, security admin")
    one_here, lost = f"{here} role={role}", {403, 404}
    # Of what a foreigner may not see a list shows nothing; neither does it of what is not there.
    add(f"GET {many}", by=by, other="boss2", here=here, who=who, hides={200, 403, 404}, absent={200, 404})
    add(f"GET {one}|HEAD {one}", by=by, other="boss2", here=one_here, who=who, tried=not (system and group))
    none = {400, 403, 404} if system and group else lost
    add(f"PUT {one}", by=by, other="boss2", here=one_here, who=who, hides=lost, absent=none, no="ann rita",
        body=lambda w: {"role_assignment": {"expires_at": FAR}}, members="expires_at=time", optional=True,
        hollow=[[], "x", 1, True, {"role_assignment": []}, {"role_assignment": "x"}, {"wrong": {}}],
        names=("role",) if system else (), tried=not system)
    add(f"DELETE {one}", by=by, other="boss2", here=one_here, who=who, hides=lost, absent=none | {409}, no="ann rita")


def delegation():
    many, one = "/v3/users/{user}/application_credentials", "/v3/users/{user}/application_credentials/{id}"
    add(f"GET {many}", here="user=ann", hides={200, 404}, absent={200, 404})
    add(f"POST {many}", here="user=ann", hides={403}, absent={403}, no="rita boss",
        body=lambda w: {"application_credential": {"name": fresh()}},
        members="name!=name(255) description=free secret=secret expires_at=time roles=list unrestricted=bool "
                "access_rules=list project_id=ref", names=("expires_at",))
    add(f"GET {one}|DELETE {one}", here="user=ann id=app_credential", no="rita")
    rules, rule = "/v3/users/{user}/access_rules", "/v3/users/{user}/access_rules/{id}"
    add(f"GET {rules}", here="user=ann", hides={200, 404}, absent={200, 404})
    add(f"GET {rule}|DELETE {rule}", here="user=ann id=access_rule", no="rita")
    many, one = "/v3/OS-TRUST/trusts", "/v3/OS-TRUST/trusts/{id}"
    add(f"GET {many}", other=None)
    add(f"POST {many}", other=None, no="rita boss", body=lambda w: {"trust": {
        "trustor_user_id": w["ann"], "trustee_user_id": w["rita"], "project_id": w["pay"], "impersonation": False,
        "roles": [{"name": "member"}]}},
        members="trustor_user_id!=ref trustee_user_id!=ref project_id!=ref impersonation!=bool roles=list "
                "expires_at=time remaining_uses=int(1,2147483647) allow_redelegation=bool "
                "redelegation_count=int(0,3) redelegated_trust_id=ref",
        names=("should match the trustor", "for the project it is for"))
    add(f"GET {one}|DELETE {one}|GET {one}/roles", here="id=trust", no="eve")
    add(f"GET {one}/roles/{{role}}|HEAD {one}/roles/{{role}}", here="id=trust role=member", no="eve")


def credentials():
    owner = "owner"
    many, one = "/v3/credentials", "/v3/credentials/{id}"
    add(f"GET {many}", other=None, pages=True)
    add(f"POST {many}", other=None, body=lambda w: {"credential": {
        "type": "ec2", "project_id": w["pay"], "user_id": w["ann"]}}, members="type!=word blob=blob user_id=ref "
        "project_id=ref", names=("the user whose it is", "access", "secret"))
    add(f"GET {one}|DELETE {one}", here="id=credential", no="rita")
    many, one = "/v3/users/{user}/credentials/OS-EC2", "/v3/users/{user}/credentials/OS-EC2/{access}"
    add(f"GET {many}", here="user=ann", who=owner, hides={200, 404}, absent={200, 404})
    add(f"POST {many}", here="user=ann", who=owner, hides={403}, absent={403}, no="rita boss", empty=False,
        body=lambda w: {"tenant_id": w["pay"]}, at=lambda whole: whole, members="tenant_id!=ref", unknown=False)
    add(f"GET {one}|DELETE {one}", here="user=ann access=access", who=owner, no="rita")


def limits():
    add("GET /v3/limits", by="sysadmin", other=None, pages=True)
    add("POST /v3/limits", by="sysadmin", other=None, tried=False, at=lambda whole: whole["limits"][0],
        body=lambda w: {"limits": [{"project_id": w["spare_project"], "resource_name": "volumes",
                                    "resource_limit": 5}]},
        members="resource_name!=plain project_id!=ref resource_limit!=int(-1,9223372036854775807) description=plain "
                "domain_id=none")
    add("GET /v3/limits/{id}|DELETE /v3/limits/{id}", by="sysadmin", other="boss2", here="id=limit")
    add("PATCH /v3/limits/{id}", by="sysadmin", other="boss2", here="id=limit",
        body=lambda w: {"limit": {"description": "d"}},
        members="resource_limit=int(-1,9223372036854775807) description=text")


def accounts():
    """Recovery codes, factors, locks, places and hours of a user."""
    base = "/v3/users/{id}/OS-JINYUN"
    add(f"GET {base}/recovery_codes", by="tina", here="id=tina", no="rita boss")
    add(f"POST {base}/recovery_codes", by="tina", here="id=tina", no="rita boss", idle=True)
    who = "domain manager, security admin"
    add(f"POST {base}/reset_factors", by="boss", other="boss2", here="id=spare_user", who=who, idle=True, no="ann rita")
    add(f"GET {base}/lockout|GET {base}/access", by="boss", other="boss2", here="id=spare_user", who=who, no="ann rita")
    add(f"DELETE {base}/lockout", by="boss", other="boss2", here="id=spare_user", who=who, no="ann rita")
    add(f"PUT {base}/access", by="boss", other="boss2", here="id=spare_user", who=who, no="ann rita",
        body=lambda w: {"access": {"sources": ["10.0.0.0/8"]}}, members="sources=sources hours=hours",
        names=("days", "from", "to"))
