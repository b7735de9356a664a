"""openstacksdk's identity proxy against a running instance; started by tests/clients.py, in its virtual environment.

    sdk.py PLAN.json

A line for each check: `ok`, or `FAILED` with what went wrong, separated by tabs."""

import json
import sys
import time
import warnings

import openstack
from keystoneauth1 import exceptions as auth_exceptions
from openstack import exceptions

warnings.simplefilter("ignore")
PASSWORD = "Jy1-" + "Unused4-Anything-Else"


def tell(word, what, said=""):
    print(word, what, str(said).replace("\t", " ").replace("\n", "\\n")[:1500], sep="\t", flush=True)


def check(what, work, want=None):
    """Does something with the SDK. `want` says of its result whether it is right."""
    try:
        got = work()
        if want is not None and not want(got):
            tell("FAILED", what, f"it is {got!r}")
        else:
            tell("ok", what)
        return got
    except Exception as e:  # told to whoever reads the lines
        tell("FAILED", what, f"{type(e).__name__}: {e}")
        return None


def refused(what, work, kind, says):
    """Something that must be refused by this exception, whose words hold `says`."""
    try:
        got = work()
        tell("FAILED", f"refused: {what}", f"it worked: {got!r}")
    except kind as e:
        good = says in str(e) or says in str(getattr(e, "details", ""))
        tell("ok" if good else "FAILED", f"refused: {what}", "" if good else f"it says: {e}")
    except Exception as e:  # another refusal than the one that is right
        tell("FAILED", f"refused: {what}", f"{type(e).__name__}: {e}")


def named(name):
    return lambda found: found is not None and found.name == name


def holds(*names):
    return lambda found: set(names) <= {item.name for item in found}


def projects(i, plan):
    domain = plan["domain"]
    made = check("create_project", lambda: i.create_project(
        name="sdk-shop", domain_id=domain, description="made by the SDK", tags=["web"]), named("sdk-shop"))
    below = check("create_project, nested", lambda: i.create_project(
        name="sdk-till", domain_id=domain, parent_id=made.id), lambda p: p.parent_id == made.id)
    check("find_project by name", lambda: i.find_project("sdk-shop", domain_id=domain), lambda p: p.id == made.id)
    check("find_project by id", lambda: i.find_project(made.id), named("sdk-shop"))
    check("find_project that is not there", lambda: i.find_project("sdk-none"), lambda p: p is None)
    check("get_project", lambda: i.get_project(made.id),
          lambda p: p.description == "made by the SDK" and p.tags == ["web"])
    check("update_project", lambda: i.update_project(made.id, description="changed", is_enabled=False),
          lambda p: p.description == "changed" and not p.is_enabled)
    check("update_project, enable", lambda: i.update_project(made.id, is_enabled=True), lambda p: p.is_enabled)
    check("projects by domain", lambda: list(i.projects(domain_id=domain)), holds("sdk-shop", "sdk-till", "payments"))
    check("projects by parent", lambda: list(i.projects(parent_id=made.id)),
          lambda found: [p.name for p in found] == ["sdk-till"])
    check("projects by tag", lambda: list(i.projects(tags="web")), holds("sdk-shop"))
    check("add_tag", lambda: made.add_tag(i, "desk").tags, lambda tags: "desk" in tags)
    check("fetch_tags", lambda: made.fetch_tags(i).tags, lambda tags: sorted(tags) == ["desk", "web"])
    check("check_tag", lambda: made.check_tag(i, "desk"), bool)
    check("remove_tag", lambda: made.remove_tag(i, "desk").tags, lambda tags: "desk" not in tags)
    refused("a project of that name again", lambda: i.create_project(name="SDK-shop", domain_id=domain),
            exceptions.ConflictException, "Duplicate entry found with name SDK-shop")
    return made, below


def people(i, plan, project):
    domain = plan["domain"]
    user = check("create_user", lambda: i.create_user(
        name="sdk-user", domain_id=domain, password=PASSWORD, email="u@bank.example", default_project_id=project.id),
        named("sdk-user"))
    check("find_user", lambda: i.find_user("sdk-user", domain_id=domain), lambda u: u.id == user.id)
    check("get_user", lambda: i.get_user(user.id), lambda u: u.email == "u@bank.example" and u.is_enabled)
    check("update_user", lambda: i.update_user(user.id, description="changed", is_enabled=False),
          lambda u: u.description == "changed" and not u.is_enabled)
    check("update_user, enable", lambda: i.update_user(user.id, is_enabled=True), lambda u: u.is_enabled)
    check("update_user, password", lambda: i.update_user(user.id, password=PASSWORD + "2"), named("sdk-user"))
    check("users", lambda: list(i.users(domain_id=domain)), holds("sdk-user", "boss", "ann"))
    check("users by name", lambda: list(i.users(name="sdk-user")), lambda found: [u.id for u in found] == [user.id])
    refused("a weak password", lambda: i.create_user(name="weak", domain_id=domain, password="short"),
            exceptions.BadRequestException, "password must have")
    refused("a user of another institution", lambda: i.create_user(name="x", domain_id="default", password=PASSWORD),
            exceptions.ForbiddenException, "identity:user:create")

    group = check("create_group", lambda: i.create_group(name="sdk-crew", domain_id=domain, description="g"),
                  named("sdk-crew"))
    check("find_group", lambda: i.find_group("sdk-crew", domain_id=domain), lambda g: g.id == group.id)
    check("get_group", lambda: i.get_group(group.id), named("sdk-crew"))
    check("update_group", lambda: i.update_group(group.id, name="sdk-shift"), named("sdk-shift"))
    check("groups", lambda: list(i.groups(domain_id=domain)), holds("sdk-shift"))
    check("check_user_in_group, not yet", lambda: i.check_user_in_group(user.id, group.id),
          lambda there: there is False)
    check("add_user_to_group", lambda: i.add_user_to_group(user.id, group.id))
    check("check_user_in_group", lambda: i.check_user_in_group(user.id, group.id), lambda there: there is True)
    check("group_users", lambda: list(i.group_users(group.id)), lambda found: [u.id for u in found] == [user.id])
    return user, group


def roles(c, i, plan, project, user, group):
    domain = plan["domain"]
    role = check("find_role", lambda: i.find_role("member"), named("member"))
    reader = check("find_role reader", lambda: i.find_role("reader"), named("reader"))
    check("get_role", lambda: i.get_role(role.id), named("member"))
    check("roles", lambda: list(i.roles()), holds("reader", "member", "manager", "audit_admin"))
    check("assign_project_role_to_user", lambda: i.assign_project_role_to_user(project.id, user.id, role.id))
    check("validate_user_has_project_role", lambda: i.validate_user_has_project_role(project.id, user.id, role.id),
          bool)
    check("validate_user_has_project_role, another", lambda: i.validate_user_has_project_role(
        project.id, user.id, reader.id), lambda there: not there)
    check("assign_domain_role_to_user", lambda: i.assign_domain_role_to_user(domain, user.id, reader.id))
    check("validate_user_has_domain_role", lambda: i.validate_user_has_domain_role(domain, user.id, reader.id), bool)
    check("assign_domain_role_to_user, inherited", lambda: i.assign_domain_role_to_user(
        domain, user.id, reader.id, inherited=True))
    check("validate_user_has_domain_role, inherited", lambda: i.validate_user_has_domain_role(
        domain, user.id, reader.id, inherited=True), bool)
    check("assign_project_role_to_group", lambda: i.assign_project_role_to_group(project.id, group.id, reader.id))
    check("validate_group_has_project_role",
          lambda: i.validate_group_has_project_role(project.id, group.id, reader.id), bool)
    check("assign_domain_role_to_group", lambda: i.assign_domain_role_to_group(domain, group.id, reader.id))
    check("validate_group_has_domain_role", lambda: i.validate_group_has_domain_role(domain, group.id, reader.id), bool)
    check("role_assignments of a user", lambda: list(i.role_assignments(user_id=user.id)),
          lambda found: len(found) == 3)
    check("role_assignments, effective, with names", lambda: list(i.role_assignments(
        effective=True, include_names=True, scope_project_id=project.id)),
        lambda found: {"member", "reader"} <= {a.role["name"] for a in found if a.user["name"] == "sdk-user"})
    check("role_assignments_filter", lambda: list(i.role_assignments_filter(project=project.id, user=user.id)),
          holds("member"))
    check("user_projects", lambda: list(i.user_projects(user.id)), holds("sdk-shop"))
    check("cloud layer: list_role_assignments", lambda: c.list_role_assignments({"user": user.id}),
          lambda found: len(found) == 3)
    check("cloud layer: grant_role, there already", lambda: c.grant_role("member", user=user.id, project=project.id),
          lambda changed: changed is False)
    check("cloud layer: revoke_role", lambda: c.revoke_role("member", user=user.id, project=project.id),
          lambda changed: changed is True)
    check("cloud layer: revoke_role, gone already", lambda: c.revoke_role("member", user=user.id, project=project.id),
          lambda changed: changed is False)
    check("unassign_domain_role_from_user", lambda: i.unassign_domain_role_from_user(domain, user.id, reader.id))
    check("unassign_domain_role_from_user, inherited", lambda: i.unassign_domain_role_from_user(
        domain, user.id, reader.id, inherited=True))
    check("unassign_project_role_from_group",
          lambda: i.unassign_project_role_from_group(project.id, group.id, reader.id))
    check("unassign_domain_role_from_group", lambda: i.unassign_domain_role_from_group(domain, group.id, reader.id))
    check("role_assignments of the user, none", lambda: list(i.role_assignments(user_id=user.id)),
          lambda found: found == [])
    for what, work in (("create_role", lambda: i.create_role(name="sdk-role")),
                       ("update_role", lambda: i.update_role(role.id, name="sdk-role")),
                       ("delete_role", lambda: i.delete_role(role.id, ignore_missing=False))):
        refused(what, work, exceptions.ForbiddenException, "Roles and what they imply are fixed")


def catalog(i):
    check("services", lambda: list(i.services()), holds("keystone", "nova", "neutron"))
    service = check("find_service", lambda: i.find_service("keystone"), lambda s: s.type == "identity")
    check("get_service", lambda: i.get_service(service.id), named("keystone"))
    ends = check("endpoints", lambda: list(i.endpoints(service_id=service.id)), lambda found: len(found) >= 1)
    check("get_endpoint", lambda: i.get_endpoint(ends[0].id), lambda e: e.service_id == service.id)
    check("regions", lambda: list(i.regions()), lambda found: [r.id for r in found] == ["RegionOne"])
    check("get_region", lambda: i.get_region("RegionOne"), lambda r: r.id == "RegionOne")
    limits = check("registered_limits", lambda: list(i.registered_limits()), lambda found: len(found) > 3)
    check("get_registered_limit", lambda: i.get_registered_limit(limits[0].id), lambda one: one.id == limits[0].id)
    fixed = "The catalog follows from how the cloud was started"
    for what, work in (("create_service", lambda: i.create_service(name="x", type="x")),
                       ("create_endpoint", lambda: i.create_endpoint(
                           service_id=service.id, interface="public", url="https://evil.example")),
                       ("delete_endpoint", lambda: i.delete_endpoint(ends[0].id, ignore_missing=False)),
                       ("create_region", lambda: i.create_region(id="Elsewhere"))):
        refused(what, work, exceptions.ForbiddenException, fixed)


def domain(i, plan):
    ident = plan["domain"]
    check("get_domain", lambda: i.get_domain(ident), named("bank"))
    check("find_domain", lambda: i.find_domain("bank"), lambda d: d.id == ident)
    check("domains", lambda: list(i.domains()), lambda found: [d.id for d in found] == [ident])
    refused("create_domain", lambda: i.create_domain(name="mine"), exceptions.ForbiddenException,
            "identity:domain:create")
    refused("update_domain", lambda: i.update_domain(ident, name="mine"), exceptions.ForbiddenException,
            "identity:domain:update")
    # The SDK's own class knows the settings of other drivers only; what it asks of the API is the same.
    config = f"/domains/{ident}/config"
    check("a domain's settings", lambda: i.get(config).json()["config"]["security_compliance"]["minimum_length"],
          lambda length: length == 10)
    change = {"config": {"security_compliance": {"minimum_length": 12}}}
    check("a domain's settings, changed", lambda: i.patch(config, json=change).json()["config"]["security_compliance"],
          lambda rules: rules["minimum_length"] == 12)
    check("a domain's settings, taken back", lambda: i.delete(config).status_code, lambda status: status == 204)
    refused("weaker settings than the floor", lambda: exceptions.raise_from_response(i.patch(config, json={
        "config": {"security_compliance": {"minimum_length": 1}}})), exceptions.BadRequestException, "minimum_length")


def own(plan):
    """As the project's member."""
    c = openstack.connect(cloud="ann")
    i, me, project = c.identity, plan["people"]["ann"]["id"], plan["project"]
    check("member: current_user_id", lambda: c.current_user_id, lambda ident: ident == me)
    check("member: current_project_id", lambda: c.current_project_id, lambda ident: ident == project)
    check("member: get_user, oneself", lambda: i.get_user(me), named("ann"))
    refused("member: get_user, somebody else", lambda: i.get_user(plan["people"]["boss"]["id"]),
            exceptions.NotFoundException,
            "could not be found")
    refused("member: create_project", lambda: i.create_project(name="mine"), exceptions.ForbiddenException,
            "identity:project:create")
    made = check("create_application_credential", lambda: i.create_application_credential(
        me, "sdk-program", description="d", roles=[{"name": "reader"}],
        access_rules=[{"service": "network", "method": "GET", "path": "/v2.0/networks"}]), lambda a: bool(a.secret))
    check("find_application_credential", lambda: i.find_application_credential(me, "sdk-program"),
          lambda a: a.id == made.id)
    check("get_application_credential", lambda: i.get_application_credential(me, made.id),
          lambda a: a.roles[0]["name"] == "reader" and not a.unrestricted)
    check("application_credentials", lambda: list(i.application_credentials(me)), holds("sdk-program"))
    rules = check("access_rules", lambda: list(i.access_rules(me)), lambda found: len(found) >= 1)
    rule = next(r for r in rules if r.path == "/v2.0/networks")
    check("get_access_rule", lambda: i.get_access_rule(me, rule.id), lambda r: r.service == "network")
    base = {"auth_url": c.config.auth["auth_url"]}
    program = openstack.connect(auth_type="v3applicationcredential", region_name="RegionOne",
                                cacert=c.config.config["cacert"],
                                auth=base | {"application_credential_id": made.id,
                                             "application_credential_secret": made.secret})
    check("sign-in by an application credential", lambda: list(program.network.networks()))
    refused("beyond its access rules", lambda: list(program.network.subnets()), exceptions.ForbiddenException,
            "does not allow this request")
    check("delete_application_credential", lambda: i.delete_application_credential(me, made.id, ignore_missing=False))
    check("delete_access_rule", lambda: i.delete_access_rule(me, rule.id, ignore_missing=False))
    refused("sign-in by one that was deleted", lambda: openstack.connect(
        auth_type="v3applicationcredential", cacert=c.config.config["cacert"], auth=base | {
            "application_credential_id": made.id, "application_credential_secret": made.secret}).authorize(),
        (auth_exceptions.Unauthorized, exceptions.SDKException), "requires authentication")

    bert = plan["people"]["bert"]
    trust = check("create_trust", lambda: i.create_trust(
        trustor_user_id=me, trustee_user_id=bert["id"], project_id=project, impersonation=False,
        roles=[{"name": "reader"}],
        expires_at=time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() + 600))),
        lambda t: t.trustee_user_id == bert["id"])
    check("get_trust", lambda: i.get_trust(trust.id),
          lambda t: t.project_id == project and t.roles[0]["name"] == "reader")
    check("find_trust", lambda: i.find_trust(trust.id), lambda t: t.id == trust.id)
    check("trusts", lambda: list(i.trusts(trustor_user_id=me)), lambda found: trust.id in {t.id for t in found})
    by_trust = openstack.connect(auth_type="v3password", region_name="RegionOne", cacert=c.config.config["cacert"],
                                 auth=base | {"user_id": bert["id"], "password": bert["password"],
                                              "trust_id": trust.id})
    check("sign-in by a trust", lambda: list(by_trust.network.networks()))
    refused("beyond the trust's role", lambda: by_trust.network.create_network(name="x"), exceptions.ForbiddenException,
            "network:network:create")
    check("delete_trust", lambda: i.delete_trust(trust.id, ignore_missing=False))
    refused("get_trust of a deleted one", lambda: i.get_trust(trust.id), exceptions.NotFoundException,
            "could not be found")

    blob = json.dumps({"access": "b" * 32, "secret": "s" * 32})
    kept = check("create_credential",
                 lambda: i.create_credential(type="ec2", blob=blob, user_id=me, project_id=project),
                 lambda x: x.type == "ec2")
    check("get_credential", lambda: i.get_credential(kept.id), lambda x: x.user_id == me and x.project_id == project)
    check("find_credential", lambda: i.find_credential(kept.id), lambda x: x.id == kept.id)
    check("credentials", lambda: list(i.credentials()), lambda found: kept.id in {x.id for x in found})
    check("credentials by type", lambda: list(i.credentials(type="totp")),
          lambda found: kept.id not in {x.id for x in found})
    refused("update_credential", lambda: i.update_credential(kept.id, blob="x"), exceptions.ForbiddenException,
            "does not change")
    check("delete_credential", lambda: i.delete_credential(kept.id, ignore_missing=False))
    check("limits", lambda: list(i.limits()))
    check("authorize and revoke", lambda: i.delete("/auth/tokens", headers={
        "X-Subject-Token": openstack.connect(cloud="ann").authorize()}).status_code, lambda status: status == 204)
    return c


def sign_ins(plan, cacert):
    second = plan["second"]
    auth = second["entry"] | {"passcode": second["passcode"]}
    c = openstack.connect(auth_type="v3multifactor", auth_methods=["v3password", "v3totp"], auth=auth, cacert=cacert,
                          region_name="RegionOne")
    check("sign-in by v3multifactor", lambda: c.current_user_id, lambda ident: ident == second["id"])
    again = openstack.connect(auth_type="v3multifactor", auth_methods=["v3password", "v3totp"], auth=auth,
                              cacert=cacert)
    refused("the same code again", again.authorize, (auth_exceptions.Unauthorized, exceptions.SDKException),
            "requires authentication")


def staff(plan):
    """As the administrators."""
    sec, system, audit = (openstack.connect(cloud=name) for name in ("secadmin", "sysadmin", "auditor"))
    i = sec.identity
    made = check("secadmin: create_domain", lambda: i.create_domain(name="sdk-young"), named("sdk-young"))
    check("secadmin: find_domain", lambda: i.find_domain("sdk-young"), lambda d: d.id == made.id)
    check("secadmin: update_domain", lambda: i.update_domain(made.id, description="x", is_enabled=False),
          lambda d: not d.is_enabled)
    check("secadmin: delete_domain", lambda: i.delete_domain(made.id, ignore_missing=False))
    operator = check("secadmin: create_user of staff", lambda: i.create_user(
        name="sdk-operator", domain_id="default", password=PASSWORD), named("sdk-operator"))
    role = i.find_role("audit_admin")
    check("secadmin: assign_system_role_to_user", lambda: i.assign_system_role_to_user(operator.id, role.id, "all"))
    check("secadmin: validate_user_has_system_role",
          lambda: i.validate_user_has_system_role(operator.id, role.id, "all"), bool)
    check("secadmin: unassign_system_role_from_user",
          lambda: i.unassign_system_role_from_user(operator.id, role.id, "all"))
    check("secadmin: delete_user", lambda: i.delete_user(operator.id, ignore_missing=False))
    i = system.identity
    service = i.find_service("nova")
    check("sysadmin: create_limit", lambda: i.create_limit(
        service_id=service.id, project_id=plan["project"], resource_name="cores", resource_limit=9),
        lambda x: x.resource_limit == 9)
    # This version of the SDK does not find the id in Keystone's answer, which is a list.
    limit = check("sysadmin: limits", lambda: list(i.limits(project_id=plan["project"], resource_name="cores")),
                  lambda found: len(found) == 1 and found[0].resource_limit == 9)[0]
    check("sysadmin: get_limit", lambda: i.get_limit(limit.id), lambda x: x.project_id == plan["project"])
    check("sysadmin: update_limit", lambda: i.update_limit(limit.id, resource_limit=11),
          lambda x: x.resource_limit == 11)
    check("auditor: limits", lambda: list(audit.identity.limits()), lambda found: limit.id in {x.id for x in found})
    check("sysadmin: delete_limit", lambda: i.delete_limit(limit.id, ignore_missing=False))
    refused("sysadmin: create_domain", lambda: i.create_domain(name="x"), exceptions.ForbiddenException,
            "identity:domain:create")
    i = audit.identity
    check("auditor: users", lambda: list(i.users(domain_id=plan["domain"])), holds("boss", "ann"))
    check("auditor: role_assignments", lambda: list(i.role_assignments(scope_domain_id=plan["domain"])), bool)
    refused("auditor: update_user", lambda: i.update_user(plan["people"]["ann"]["id"], is_enabled=False),
            exceptions.ForbiddenException, "identity:user:update")
    for what, work in (("policies", lambda: list(i.policies())),
                       ("service_providers", lambda: list(i.service_providers()))):
        refused(what, work, exceptions.SDKException, "not offered")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    c = openstack.connect(cloud="boss")
    i = c.identity
    project, below = projects(i, plan)
    user, group = people(i, plan, project)
    roles(c, i, plan, project, user, group)
    catalog(i)
    domain(i, plan)
    cacert = own(plan).config.config["cacert"]
    sign_ins(plan, cacert)
    staff(plan)
    check("remove_user_from_group", lambda: i.remove_user_from_group(user.id, group.id))
    check("delete_group", lambda: i.delete_group(group.id, ignore_missing=False))
    check("delete_user", lambda: i.delete_user(user.id, ignore_missing=False))
    check("delete_project, nested", lambda: i.delete_project(below.id, ignore_missing=False))
    check("delete_project", lambda: i.delete_project(project.id, ignore_missing=False))
    check("delete_project, gone already", lambda: i.delete_project(project.id), lambda none: none is None)
    # A project's row goes a moment after its deletion was accepted, when what belongs to it is gone.
    check("nothing is left", lambda: gone(i, "sdk-user", "sdk-shift", "sdk-shop", "sdk-till"), lambda left: not left)


def gone(i, *names):
    """Waits for these to be gone; those that are not."""
    end = time.monotonic() + 30
    while True:
        left = {item.name for item in [*i.users(), *i.groups(), *i.projects()]} & set(names)
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.5)


if __name__ == "__main__":
    main()
