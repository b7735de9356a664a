#!/usr/bin/python3
"""Real clients drive identity, unchanged: `openstack`, openstacksdk, and ansible's openstack.cloud.

    tests/clients.py [--binary PATH] [--instance NAME] [--port N] [--management-port N] [--venv DIR] [--only PART ...]

A fresh instance with one institution. Debian's own client (python3-openstackclient) works as the domain's manager, as a
project's member and as each of the provider's administrators, and signs in in every way that is offered. The SDK
(tests/clients/sdk.py) does the same things by its identity proxy. Ansible runs tests/clients/identity.yml twice,
of which
the second run changes nothing, then takes all away, twice; and tests/clients/refused.yml, whose modules ask for what is
not offered and must be told so. SDK and ansible live in a virtual environment that is made once
(tests/clients/requirements.txt).

Each check is a line; the last line is `N passed, N failed`. Passwords stand on command lines here, which everybody on
the machine can read: those of people who exist for a few minutes."""

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import sys
import threading
import time
import traceback

from accounts import STAFF, Institution, Own, arguments, clouds_yaml, in_project, keep, password
from cloud import OPENSTACK, Failed, expect, run, together

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = f"{HERE}/clients"
PATIENCE = 120  # seconds for one command
# Commands that print nothing, and know no output format.
SILENT = re.compile(r" (delete|set|revoke|add|remove|contains) ")


def environment(where):
    """The virtual environment with what requirements.txt says; made where it is missing or holds something else."""
    pinned = f"{PARTS}/requirements.txt"
    with open(pinned, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    stamp = f"{where}/requirements.sha256"
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as file:
            if file.read() == digest:
                return
    wanted = [line.strip() for line in open(pinned, encoding="utf-8") if "==" in line]
    if os.path.exists(f"{where}/bin/pip"):
        held = run([f"{where}/bin/pip", "freeze"], 120, ok=False)[1].splitlines()
        if set(wanted) <= set(held):
            keep(stamp, digest)
            return
    print(f"Making {where} (once)", flush=True)
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    if run(["/usr/bin/python3", "-m", "venv", where], 120, ok=False)[0] != 0:
        shutil.rmtree(where)
        expect(shutil.which("virtualenv"), "neither venv nor virtualenv is there: apt-get install python3-venv")
        run(["virtualenv", "-p", "/usr/bin/python3", where], 120)
    run([f"{where}/bin/pip", "install", "-q", "--no-input", "-r", pinned], 1800)
    keep(stamp, digest)


class Checks:
    """What came of each check."""

    def __init__(self):
        self.passed, self.failed, self.lock = 0, 0, threading.Lock()

    def tell(self, part, what, trouble=None):
        with self.lock:
            self.passed, self.failed = self.passed + (not trouble), self.failed + bool(trouble)
            print(f"{'FAILED' if trouble else 'ok':6}  {part}: {what}", flush=True)
            if trouble:
                print(f"          {trouble.what}\n          did   {trouble.did}", flush=True)
                for line in str(trouble.said).strip().splitlines()[-25:]:
                    print(f"          said  {line[:300]}", flush=True)


class Client:
    """`openstack` as one of the clouds, or with an environment of its own."""

    def __init__(self, checks, at, path, cloud=None, env=None):
        self.checks, self.cloud, self.path = checks, cloud, path
        clean = {k: v for k, v in os.environ.items() if not k.startswith("OS_") and not k.lower().endswith("_proxy")}
        self.env = clean | ({"OS_CLIENT_CONFIG_FILE": path} if cloud else {"OS_CACERT": at.ca} | (env or {}))
        self.name = cloud or (env or {}).get("OS_AUTH_TYPE", "?")

    def words(self, line):
        return [OPENSTACK] + (["--os-cloud", self.cloud] if self.cloud else []) + shlex.split(line)

    def ok(self, line, lists=None, lacks=None, says=None, **want):
        """A command that works. `want`: members of what it shows; `lists`: members of a row that it lists; `lacks`: of
        one that it does not; `says`: what its text holds."""
        form = None if says or SILENT.search(line + " ") and not want else "json"
        command = self.words(line) + (["-f", form] if form else [])
        shown, trouble = None, None
        try:
            _, out, errors = run(command, PATIENCE, env=self.env)
            did = shlex.join(command)
            if says:
                expect(re.search(says, out + errors), f'it does not say "{says}"', did, out + errors)
            if form:
                try:
                    shown = json.loads(out)
                except ValueError:
                    raise Failed("it did not answer in JSON", did, out + errors) from None
            for name, value in want.items():
                expect(name in shown and shown[name] == value, f"{name} is not {value!r}", did, out)
            fits = lambda row, members: all(row.get(k) == v for k, v in members.items())
            expect(lists is None or any(fits(row, lists) for row in shown), f"{lists} is not listed", did, out)
            expect(lacks is None or not any(fits(row, lacks) for row in shown), f"{lacks} is listed", did, out)
        except Failed as e:
            trouble = e
        self.checks.tell("openstack", f"{self.name}: {concealed(line)}", trouble)
        return shown

    def no(self, line, says):
        """A command that is refused, in words that hold `says`."""
        command = self.words(line)
        trouble = None
        try:
            code, out, errors = run(command, PATIENCE, env=self.env, ok=False)
            expect(code != 0, "it should have been refused", shlex.join(command), out + errors)
            expect(re.search(says, out + errors), f'it does not say "{says}"', shlex.join(command), out + errors)
        except Failed as e:
            trouble = e
        self.checks.tell("openstack", f"{self.name}: refused: {concealed(line)}", trouble)


def concealed(line):
    """A command as it is told: without ids and secrets, which differ each time."""
    line = re.sub(r"Jy1-\S+|(?<=--secret )\S+|(?<=token revoke )\S+", "...", line)
    line = re.sub(r"\b[0-9a-f]{32}\b", "ID", line)
    return line if len(line) < 110 else line[:107] + "..."


class World:
    """The institution, its people, and the clouds.yaml for them."""

    def __init__(self, args, at, checks):
        self.args, self.at, self.checks = args, at, checks
        self.path = f"{at.state}/clouds.yaml"
        self.bank = bank = Institution(at, "bank")
        self.pay = bank.project("payments")
        self.ann = bank.person("ann", "member", self.pay)
        self.bert = bank.person("bert", "reader", bank.project("side"))
        self.entries = {"boss": bank.entry(bank.boss, domain_name="bank")}
        self.entries["ann"] = bank.entry(self.ann, project_name="payments", project_domain_name="bank")
        self.entries["bert"] = bank.entry(self.bert, project_name="side", project_domain_name="bank")
        for name in STAFF:
            entry = at.administrator(name).cloud()
            # Where the SDK looks for it; the older client looks in `auth`.
            self.entries[name] = entry | {"token": entry["auth"]["token"]}
        clouds_yaml(at, self.path, self.entries)

    def trust(self, role, impersonation=False, **more):
        """From ann to bert, without a client."""
        words = {"trustor_user_id": self.ann.id, "trustee_user_id": self.bert.id, "project_id": self.pay,
                 "impersonation": impersonation, "roles": [{"name": role}], **more}
        return self.ann.ask("POST", "/identity/v3/OS-TRUST/trusts", {"trust": words},
                            in_project(self.pay)).must()["trust"]

    def client(self, cloud):
        return Client(self.checks, self.at, self.path, cloud)

    def by_env(self, **words):
        """A client that has everything from its environment."""
        env = {"OS_AUTH_URL": f"{self.at.tenants}/identity/v3", "OS_IDENTITY_API_VERSION": "3",
               "OS_REGION_NAME": "RegionOne"}
        return Client(self.checks, self.at, None, env=env | {f"OS_{k.upper()}": v for k, v in words.items()})

    def by_entry(self, name, entry):
        """A client with a clouds.yaml of its own: what the environment cannot say."""
        path = f"{self.at.state}/{name}.yaml"
        clouds_yaml(self.at, path, {name: entry})
        return Client(self.checks, self.at, path, name)


# The command line --------------------------------------------------------------------------------------------------


def manager(world):
    """projects, users, groups, roles: as the domain's manager"""
    boss, bank = world.client("boss"), world.bank
    shop = boss.ok("project create --domain bank --description 'sells things' --tag web shop", name="shop",
                   domain_id=bank.id, enabled=True, tags=["web"], description="sells things")["id"]
    till = boss.ok("project create --domain bank --parent shop till", name="till", parent_id=shop)["id"]
    boss.ok("project list --domain bank", lists={"ID": till, "Name": "till"})
    boss.ok("project list --long --tags web", lists={"Name": "shop", "Enabled": True}, lacks={"Name": "till"})
    boss.ok(f"project list --parent {shop}", lists={"Name": "till"}, lacks={"Name": "shop"})
    boss.ok("project show --parents till", id=till)
    boss.ok("project set --name counter --description 'where one pays' --tag desk till")
    boss.ok("project show counter", id=till, description="where one pays", tags=["desk"])
    boss.ok("project set --disable shop")
    boss.ok("project show shop", enabled=False)
    boss.ok("project set --enable shop")
    boss.no("project create --domain bank shop", "Duplicate entry found with name shop")
    boss.no("project create --domain bank --property color=red painted", "color")
    boss.no("project delete shop", "HTTP 40[39]|in use|leaf|holds")

    secret = password()
    carl = boss.ok("user create --domain bank --project shop --email carl@bank.example --description teller --password "
                   f"{secret} carl", name="carl", domain_id=bank.id, enabled=True, email="carl@bank.example",
                   default_project_id=shop)["id"]
    boss.ok("user list --domain bank --long", lists={"ID": carl, "Name": "carl", "Email": "carl@bank.example"})
    boss.ok("user show --domain bank carl", id=carl, description="teller")
    boss.ok("user set --domain bank --name karl --email karl@bank.example --description 'first teller' carl")
    boss.ok("user show karl", id=carl, email="karl@bank.example", description="first teller")
    boss.ok("user set --disable karl")
    boss.ok("user show karl", enabled=False)
    boss.ok("user set --enable karl")
    boss.ok("user set --ignore-password-expiry --enable-multi-factor-auth --multi-factor-auth-rule password,totp karl")
    boss.ok("user show karl", options={"ignore_password_expiry": True, "multi_factor_auth_enabled": True,
                                       "multi_factor_auth_rules": [["password", "totp"]]})
    boss.ok(f"user set --password {password()} karl")
    boss.no("user create --domain bank --password short weak", "password")
    boss.no(f"user create --domain bank --password {password()} karl", "Duplicate entry found with name karl")

    crew = boss.ok("group create --domain bank --description 'who is in' crew", name="crew", domain_id=bank.id)["id"]
    boss.ok("group list --domain bank --long", lists={"ID": crew, "Description": "who is in"})
    boss.ok("group set --name shift --description 'who is on' crew")
    boss.ok("group show shift", id=crew, description="who is on")
    boss.ok("group add user shift karl")
    boss.ok("group contains user shift karl", says="karl in group shift")
    boss.ok("user list --group shift", lists={"Name": "karl"}, lacks={"Name": "ann"})
    boss.ok("group list --user karl", lists={"Name": "shift"})

    boss.ok("role list", lists={"Name": "member"})
    boss.ok("role show manager", name="manager")
    boss.ok("implied role list", lists={"Prior Role Name": "manager", "Implied Role Name": "member"})
    boss.ok("role add --user karl --project shop reader")
    boss.ok("role add --group shift --project counter member")
    boss.ok("role add --user karl --domain bank --inherited reader")
    boss.ok("role assignment list --user karl --project shop --names", lists={
        "Role": "reader", "User": "karl@bank", "Project": "shop@bank", "Inherited": False})
    boss.ok("role assignment list --group shift --names", lists={"Role": "member", "Group": "shift@bank"})
    boss.ok("role assignment list --effective --names --user karl", lists={
        "Role": "member", "User": "karl@bank", "Project": "counter@bank"})
    boss.ok("role assignment list --effective --names --project counter", lists={"Role": "reader", "User": "karl@bank"})
    boss.ok("role assignment list --names --domain bank --user karl --inherited", lists={"Inherited": True})
    boss.ok("role assignment list --role manager --names",
            lists={"Role": "manager", "User": "boss@bank", "Domain": "bank"})
    boss.ok("user list --project shop", lists={"Name": "karl"})
    boss.ok("role remove --user karl --domain bank --inherited reader")
    boss.ok("role remove --group shift --project counter member")
    boss.ok("role remove --user karl --project shop reader")
    boss.ok("role assignment list --user karl", lacks={"User": carl})
    boss.no("role add --user karl --domain bank system_admin", "duty")
    boss.no("role remove --user boss --domain bank manager", "last manager")

    for kind, name, ident in (("domain", "bank", bank.id), ("project", "counter", till), ("user", "karl", carl)):
        boss.ok(f"{kind} show {name}", id=ident)
    boss.ok("domain list", lists={"ID": bank.id, "Name": "bank"}, lacks={"Name": "Default"})
    catalog(boss)
    boss.ok("limit list", lacks={"Service ID": "none"})
    boss.ok("versions show --service identity", lists={"Version": "3.14"})
    boss.ok("credential list", lacks={"Type": "none"})
    boss.ok("group remove user shift karl")
    boss.ok("user list --group shift", lacks={"Name": "karl"})
    boss.ok("group delete shift")
    boss.ok("group list", lacks={"Name": "shift"})
    boss.ok("user delete karl")
    boss.ok("user list", lacks={"Name": "karl"})
    boss.ok("project delete counter shop")
    boss.ok("project list", lacks={"Name": "shop"})


def catalog(client):
    """Services, endpoints, regions: for everybody to read, for nobody to change."""
    client.ok("catalog list", lists={"Name": "keystone", "Type": "identity"})
    client.ok("catalog show compute", type="compute")
    service = client.ok("service list --long", lists={"Type": "identity", "Enabled": True})
    client.ok("service show identity", type="identity", enabled=True)
    endpoint = client.ok("endpoint list --service identity --interface public", lists={"Interface": "public"})
    client.ok(f"endpoint show {endpoint[0]['ID']}", service_type="identity")
    client.ok("region list", lists={"Region": "RegionOne"})
    client.ok("region show RegionOne", region="RegionOne")
    limits = client.ok("registered limit list", lacks={"Resource Name": "none"})
    client.ok(f"registered limit show {limits[0]['ID']}", id=limits[0]["ID"])
    return service


def member(world):
    """what is one's own: as a project's member"""
    ann, pay = world.client("ann"), world.pay
    ann.ok("token issue", project_id=pay, user_id=world.ann.id)
    spare = ann.ok("token issue")["id"]
    ann.ok(f"token revoke {spare}")
    ann.no(f"token revoke {spare}", "could not be found|404")
    ann.ok("project list", lists={"ID": pay}, lacks={"Name": "shop"})
    ann.ok("project list --my-projects", lists={"ID": pay})
    ann.ok("project show payments", id=pay)
    ann.ok(f"user show {world.ann.id}", name="ann")
    ann.ok(f"role assignment list --names --user {world.ann.id}", lists={"Role": "member", "Project": "payments@bank"})
    ann.ok("catalog list", lists={"Type": "volumev3"})
    ann.ok("limit list", lacks={"Project ID": "none"})
    ann.no(f"user create --password {password()} mine", "HTTP 403")
    ann.no(f"user show {world.bert.id}", "No user|HTTP 40[34]|could not be found")
    ann.no("project create mine", "HTTP 403")
    ann.no("group create mine", "HTTP 403")

    rules = json.dumps([{"service": "network", "method": "GET", "path": "/v2.0/networks"},
                        {"service": "identity", "method": "POST", "path": "/v3/auth/tokens"},
                        {"service": "identity", "method": "GET", "path": "/v3/auth/tokens"}])
    later = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 3600))
    made = ann.ok(f"application credential create --role reader --description 'looks only' --expiration {later} looker",
                  name="looker", roles="reader", project_id=pay, unrestricted=False)
    ann.ok("application credential list", lists={"Name": "looker", "Project ID": pay})
    ann.ok("application credential show looker", id=made["id"], description="looks only")
    ann.no("application credential create looker", "Duplicate entry found with name looker")
    ann.no("application credential create --role manager high", "role")
    narrow = ann.ok(f"application credential create --access-rules {shlex.quote(rules)} narrow", name="narrow")
    wide = ann.ok("application credential create --unrestricted --secret sixteen-characters-or-more wide",
                  secret="sixteen-characters-or-more", unrestricted=True)
    found = ann.ok("access rule list", lists={"Service": "network", "Method": "GET", "Path": "/v2.0/networks"})
    rule = next(r["ID"] for r in found if r["Service"] == "network")
    ann.ok(f"access rule show {rule}", service="network", path="/v2.0/networks")
    ann.no(f"access rule delete {rule}", "delete the credential first|Failed to delete")
    programs(world, made, narrow, wide)
    ann.ok("application credential delete looker narrow wide")
    ann.ok("application credential list", lacks={"Name": "narrow"})
    ann.ok(f"access rule delete {rule}")
    ann.ok("access rule list", lacks={"ID": rule})

    ends = later + "Z"
    trust = ann.ok(f"trust create --project payments --role reader --expiration {later} {world.ann.id} {world.bert.id}",
                   project_id=pay, trustee_user_id=world.bert.id, impersonation=False, roles="reader")
    # What follows is about trusts, however they were made.
    trust = (trust or world.trust("reader", expires_at=ends))["id"]
    named = world.trust("member", impersonation=True)["id"]
    ann.ok("trust list", lists={"ID": trust, "Trustor User ID": world.ann.id})
    ann.ok(f"trust show {trust}", id=trust, project_id=pay)
    world.client("bert").ok("trust list", lists={"ID": trust})
    trusted(world, trust, named)
    ann.ok(f"trust delete {trust} {named}")
    ann.ok("trust list", lacks={"ID": trust})

    pair = ann.ok("ec2 credentials create --project payments", user_id=world.ann.id, project_id=pay)
    ann.ok("ec2 credentials list", lists={"Access": pair["access"], "Project ID": pay})
    ann.ok(f"ec2 credentials show {pair['access']}", access=pair["access"])
    ann.ok(f"ec2 credentials delete {pair['access']}")
    ann.ok("ec2 credentials list", lacks={"Access": pair["access"]})
    blob = json.dumps({"access": "a" * 32, "secret": "s" * 32})
    kept = ann.ok(f"credential create --type ec2 --project payments {world.ann.id} {shlex.quote(blob)}", type="ec2",
                  user_id=world.ann.id)["id"]
    ann.ok("credential list", lists={"ID": kept, "Type": "ec2"})
    ann.ok(f"credential show {kept}", id=kept, project_id=pay)
    ann.no(f"credential set --user {world.ann.id} --type ec2 --data {shlex.quote(blob)} {kept}", "does not change")
    ann.no(f"credential create --type cert {world.ann.id} x", "must be ec2 or totp")
    ann.ok(f"credential delete {kept}")
    ann.ok("credential list", lacks={"ID": kept})
    catalog(ann)

    new, person = password(), world.bank.person("petra", "member", pay)
    words = {"username": "petra", "user_domain_name": "bank", "project_name": "payments", "project_domain_name": "bank"}
    petra = world.by_env(auth_type="password", password=person.password, **words)
    petra.ok(f"user password set --password {new} --original-password {person.password}")
    petra.no("token issue", "HTTP 401")
    world.by_env(auth_type="password", password=new, **words).ok("token issue", project_id=pay)
    world.by_env(auth_type="v3password", password=new, **words).ok("network list")


def programs(world, looker, narrow, wide):
    """Sign-ins by application credentials."""
    base = dict(auth_type="v3applicationcredential")
    by_id = world.by_env(**base, application_credential_id=looker["id"], application_credential_secret=looker["secret"])
    by_id.ok("token issue", project_id=world.pay, user_id=world.ann.id)
    by_id.ok("network list")
    by_id.no("network create made-by-looker", "HttpException: 403|ForbiddenException: 403")
    by_id.no("application credential create more", "HTTP 403|ForbiddenException: 403")
    by_name = world.by_env(**base, application_credential_name="narrow", username="ann", user_domain_name="bank",
                           application_credential_secret=narrow["secret"])
    by_name.ok("network list")
    by_name.no("subnet list", "does not allow this request")
    free = world.by_env(**base, application_credential_id=wide["id"], application_credential_secret=wide["secret"])
    free.ok("application credential create --restricted child", name="child", unrestricted=False)
    free.ok("application credential delete child")
    free.no("trust list", "HTTP 403|ForbiddenException: 403")
    world.by_env(**base, application_credential_id=wide["id"], application_credential_secret="wrong").no(
        "token issue", "HTTP 401")


def trusted(world, trust, named):
    """Sign-ins by trusts."""
    words = dict(auth_type="v3password", username="bert", user_domain_name="bank", password=world.bert.password)
    reader = world.by_env(**words, trust_id=trust)
    reader.ok("token issue", project_id=world.pay, user_id=world.bert.id)
    reader.ok("network list")
    reader.no("network create by-trust", "HttpException: 403|ForbiddenException: 403")
    world.by_env(**words, trust_id=named).ok("token issue", user_id=world.ann.id)
    world.by_env(**words, trust_id="0" * 32).no("token issue", "HTTP 401")


def sign_ins(world):
    """second factors and tokens, as ways to sign in"""
    bank, pay = world.bank, world.pay
    where = {"project_name": "payments", "project_domain_name": "bank"}
    tina = bank.person("tina", "member", pay)
    tina.enrol()
    url = f"/identity/v3/users/{tina.id}"
    bank.manage("PATCH", url, {"user": {"options": {"multi_factor_auth_rules": [["password", "totp"]]}}})

    def both(**more):
        auth = bank.entry(tina, **where) | {"passcode": tina.code()}
        return {"auth_type": "v3multifactor", "auth_methods": ["v3password", "v3totp"], "auth": auth, **more}
    world.by_entry("both", both()).ok("token issue", user_id=tina.id, project_id=pay)
    world.by_entry("once", used := both()).ok("token issue", user_id=tina.id)
    world.by_entry("twice", used).no("token issue", "HTTP 401")
    half = re.escape("Not all required auth rules were satisfied: [['password', 'totp']]")
    world.by_entry("password", bank.entry(tina, **where)).no("token issue", half)
    codes = bank.entry(tina, **where) | {"passcode": tina.code()}
    codes.pop("password")
    world.by_entry("code", {"auth_type": "v3totp", "auth": codes}).no("token issue", half)
    # Where the manager says that a code is enough, it is.
    bank.manage("PATCH", url, {"user": {"options": {"multi_factor_auth_rules": [["totp"], ["password", "totp"]]}}})
    world.by_entry("codes", {"auth_type": "v3totp", "auth": codes | {"passcode": tina.code()}}).ok(
        "token issue", user_id=tina.id)
    token = world.ann.fresh()
    world.by_env(auth_type="v3token", token=token, project_name="payments", project_domain_name="bank").ok(
        "token issue", project_id=pay, user_id=world.ann.id)
    world.by_env(auth_type="v3password", username="ann", user_domain_name="bank", password=world.ann.password).ok(
        "project list --my-projects", lists={"ID": pay})
    world.by_env(auth_type="v3password", username="ann", user_domain_name="bank", password="wrong", **where).no(
        "token issue", "HTTP 401")


def administrators(world):
    """the provider's three, at the management listener"""
    sec, system, audit, bank = (*map(world.client, ("secadmin", "sysadmin", "auditor")), world.bank)
    for client, name in ((sec, "secadmin"), (system, "sysadmin"), (audit, "auditor")):
        client.ok("token issue", user_id=world.at.staff_ids[name])
        client.ok("domain list", lists={"ID": bank.id, "Name": "bank"})
        client.ok("project list --domain bank", lists={"ID": world.pay})
    young = sec.ok("domain create --description 'new here' young", name="young", enabled=True)["id"]
    sec.ok("domain set --name grown --description 'not so new' young")
    sec.ok("domain show grown", id=young, description="not so new")
    first = sec.ok(f"user create --domain grown --password {password()} first", domain_id=young)["id"]
    sec.ok(f"role add --user {first} --domain grown manager")
    sec.ok("role assignment list --domain grown --names", lists={"Role": "manager", "User": "first@grown"})
    sec.no(f"user create --domain grown --password {password()} second", "has a manager")
    sec.no(f"role add --user {world.ann.id} --project payments manager", "HTTP 403")
    sec.no("domain delete grown", "disable it first")
    sec.ok("domain set --disable grown")
    sec.ok("domain delete grown")
    sec.ok("domain list", lacks={"ID": young})
    third = sec.ok(f"user create --domain default --password {password()} operator", domain_id="default")["id"]
    sec.ok(f"role add --user {third} --system all system_admin")
    sec.ok("role assignment list --system all --names", lists={"Role": "system_admin", "User": "operator@Default",
                                                              "System": "all"})
    sec.no(f"role add --user {third} --system all audit_admin", "duties exclude each other|another duty")
    sec.ok(f"role remove --user {third} --system all system_admin")
    sec.ok(f"user set --disable {third}")
    sec.ok(f"user show {third}", enabled=False)
    sec.ok(f"user delete {third}")
    sec.ok("group list --domain bank", lacks={"Name": "none"})

    service = next(s["ID"] for s in system.ok("service list") if s["Type"] == "compute")
    limit = system.ok(f"limit create --project payments --service {service} --resource-limit 7 instances",
                      resource_limit=7, project_id=world.pay)["id"]
    system.ok("limit list --resource-name instances", lists={"ID": limit, "Resource Limit": 7})
    system.ok(f"limit set --resource-limit 8 {limit}", resource_limit=8)
    system.ok(f"limit show {limit}", id=limit, resource_limit=8)
    audit.ok(f"limit show {limit}", id=limit)
    world.client("ann").ok("limit list", lists={"ID": limit})
    system.ok(f"limit delete {limit}")
    system.ok("limit list", lacks={"ID": limit})
    system.no("domain create planted", "HTTP 403")
    system.no(f"user show {world.ann.id}", "HTTP 403|No user")
    audit.ok("user list --domain bank", lists={"Name": "ann"})
    audit.ok("role assignment list --names --project payments", lists={"Role": "member", "User": "ann@bank"})
    audit.ok("group list --domain bank", lacks={"Name": "none"})
    audit.ok(f"user show {world.ann.id}", name="ann")
    audit.no("domain create planted", "HTTP 403")
    audit.no("user set --disable ann --domain bank", "HTTP 403")
    audit.no("project create --domain bank planted", "HTTP 403")


def not_offered(world):
    """what is not offered, and says so"""
    boss, sec = world.client("boss"), world.client("secadmin")
    fixed = "Roles and what they imply are fixed"
    sec.no("role create auditor2", fixed)
    sec.no("role set --name viewer reader", fixed)
    sec.no("role delete reader", fixed)
    sec.no("implied role create reader --implied-role manager", fixed)
    from_start = "The catalog follows from how the cloud was started"
    sec.no("service create --name mine compute", from_start)
    sec.no("endpoint create keystone public https://evil.example", from_start)
    sec.no("region create Elsewhere", from_start)
    sec.no("registered limit create --service keystone --default-limit 1 things", "identity:registered_limit:create")
    boss.no("domain create mine", "identity:domain:create")
    for line in ("service provider list", "consumer list", "policy list", "endpoint group list"):
        sec.no(line, "not offered")


# The SDK and ansible -----------------------------------------------------------------------------------------------


def sdk(world):
    """the SDK's identity proxy"""
    plan = f"{world.at.state}/sdk.json"
    people = {name: {"id": person.id, "password": person.password} for name, person in world.bank.people.items()}
    other = world.bank.person("sina", "member", world.pay).enrol()
    keep(plan, json.dumps({"domain": world.bank.id, "project": world.pay, "people": people, "staff": world.at.staff_ids,
                           "second": {"entry": world.bank.entry(other, project_id=world.pay), "id": other.id,
                                      "passcode": other.code()}}))
    env = world.client("boss").env
    code, out, errors = run([f"{world.args.venv}/bin/python", f"{PARTS}/sdk.py", plan], 600, ok=False, env=env)
    lines = [line.split("\t") for line in out.splitlines() if line.startswith(("ok\t", "FAILED\t"))]
    for word, what, *said in lines:
        said = "".join(said).replace("\\n", "\n")
        world.checks.tell("openstacksdk", what,
                          Failed("it is not so", "tests/clients/sdk.py", said) if word == "FAILED" else None)
    right = code == 0 and lines or any(word == "FAILED" for word, *_ in lines)
    world.checks.tell("openstacksdk", "ran to its end", None if right else Failed("it did not", "sdk.py", out + errors))


def play(world, book, **words):
    """Runs a playbook. Returns {task: {changed, failed, msg ...}} in order."""
    where = f"{world.at.state}/ansible"
    os.makedirs(where, 0o700, exist_ok=True)
    variables = f"{where}/words.json"
    keep(variables, json.dumps(words))
    keep(f"{where}/ansible.cfg", "")
    env = world.client("boss").env | {
        "ANSIBLE_HOME": where, "ANSIBLE_LOCAL_TEMP": f"{where}/tmp", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False", "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_CONFIG": f"{where}/ansible.cfg", "ANSIBLE_DEPRECATION_WARNINGS": "False", "LC_ALL": "C.UTF-8"}
    words = [f"{world.args.venv}/bin/ansible-playbook", "-i", "localhost,", "-c", "local", "-e", f"@{variables}",
             "-e", f"ansible_python_interpreter={world.args.venv}/bin/python", f"{PARTS}/{book}"]
    code, out, errors = run(words, 900, ok=False, env=env)
    try:
        told = json.loads(out[out.index("{"):])
    except ValueError:
        raise Failed("ansible did not answer in JSON", shlex.join(words), out + errors) from None
    done = {}
    for part in told["plays"]:
        for task in part["tasks"]:
            done[task["task"]["name"]] = task["hosts"].get("localhost", {})
    return code, done


def ansible(world):
    """ansible's modules, twice"""
    words = {"domain": "bank", "domain_id": world.bank.id, "password": password(), "member": world.ann.id}
    for turn, state, want in (("first", "present", True), ("second", "present", False), ("third", "absent", True),
                              ("fourth", "absent", False)):
        code, done = play(world, "identity.yml", state=state, **words)
        expect(done, "the playbook did nothing")
        for name, came in done.items():
            if came.get("skipped"):
                continue
            what, trouble = f"{state}, {turn} run: {name}", None
            changes = "[changes]" in name
            if came.get("failed"):
                trouble = Failed("the module failed", name, f"{came.get('msg')} {came.get('module_stderr', '')}")
            elif came.get("changed", False) != (want and changes):
                trouble = Failed(f"changed is {came.get('changed')}", name, str(came)[:1500])
            world.checks.tell("ansible", what, trouble)
        world.checks.tell("ansible", f"{state}, {turn} run: ends well",
                          None if code == 0 else Failed(f"it ended with {code}"))
    _, done = play(world, "programs.yml", **words)
    for name, came in done.items():
        world.checks.tell("ansible", name,
                          Failed("the module failed", name, str(came.get("msg"))) if came.get("failed") else None)
    _, done = play(world, "refused.yml", **words)
    for name, came in done.items():
        says = name.partition(": ")[2]
        said = " ".join(str(came.get(k, "")) for k in ("msg", "extra_data", "module_stderr"))
        trouble = None
        if not came.get("failed"):
            trouble = Failed("it should have been refused", name, str(came))
        elif not re.search(says, said):
            trouble = Failed(f'it does not say "{says}"', name, said)
        world.checks.tell("ansible", f"refused: {name.partition(':')[0]}", trouble)


# Parts of a line run one after the other, lines side by side: each client takes a second to start.
LINES = {"openstack": ((manager, not_offered), (member, sign_ins), (administrators,)), "sdk": ((sdk,),),
         "ansible": ((ansible,),)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments(parser, "cli", 25443)
    parser.add_argument("--venv", default="/var/cache/jinyun/clients")
    parser.add_argument("--only", nargs="+", choices=LINES, default=list(LINES))
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin, checks = time.monotonic(), Checks()
    if {"sdk", "ansible"} & set(args.only):
        environment(args.venv)
    with Own(args, args.hosts) as at:
        world = World(args, at, checks)

        def line(*parts):
            """One part after the other; what goes wrong in one does not keep the next from being tried."""
            for part in parts:
                try:
                    part(world)
                except Failed as e:
                    checks.tell(part.__name__, "cannot go on", e)
                except Exception as e:  # a mistake of this script is a failure, too
                    checks.tell(part.__name__, "cannot go on", Failed(repr(e), "", traceback.format_exc()))
        together(*[lambda parts=parts: line(*parts) for name in args.only for parts in LINES[name]])
    print(f"in {time.monotonic() - begin:.0f} s\n{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
