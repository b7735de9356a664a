#!/usr/bin/python3
"""OpenStack's own tests against the product: the real tempest, in a virtual environment, through a fresh instance.

    tests/tempest.py [--binary PATH] [--hosts simulated|real] [--services identity,image,...] [--required-only]

It makes an institution with its people and projects as anybody would, hands tempest their accounts, and says for each
service what passed, failed and was skipped: of the tests that an "OpenStack Powered" cloud has to pass
(tests/tempest/required.txt), and of all. There is no global administrator to give to tempest. Tests for one are run
twice: as a manager of the domain at the tenants' door, and as a security administrator at the provider's; either counts.

For identity the outcome is judged: docs/tempest.md names the tests that cannot pass here by design, each with its
reason. A test that fails and is not named there fails the script, and so does one that is named there and passes."""

import argparse
import collections
import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import string
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cloud import Failed, Instance, expect, run, together  # noqa: E402
from totp import Administrator  # noqa: E402
from tour import stand_in_image  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = f"{HERE}/tempest"
ROOT = os.path.dirname(HERE)
LIST = f"{ROOT}/docs/tempest.md"
GUEST = "/var/cache/jinyun/guest/guest.qcow2"
SERVICES = ("identity", "image", "network", "volume", "compute")
PREFIXES = {f"tempest.api.{name}": name for name in SERVICES} | {
    "keystone_tempest_plugin": "identity", "neutron_tempest_plugin.api": "network"}
DOMAIN = "tempest"
PROJECTS = 6  # with two workers, each of which takes at most two users of different projects at a time
ROLES = ("member", "reader", "manager")
STAFF = {"secadmin": "security_admin", "sysadmin": "system_admin", "auditor": "audit_admin"}
# What the domain's people have to put up with; tempest's tests try it out.
POLICY = {"lockout_failure_attempts": 3, "lockout_duration": 120, "unique_last_password_count": 3}
WORDS = ("passed", "failed", "skipped")
TEARDOWN = "tearDownClass"


# What tempest needs ------------------------------------------------------------------------------------------------

def environment(where):
    """The virtual environment with what requirements.txt says; made once, and again when that file changes."""
    with open(f"{PARTS}/requirements.txt", "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    stamp = f"{where}/requirements.sha256"
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as file:
            if file.read() == digest:
                return where
    print(f"Making {where} (once)", flush=True)
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    if run([sys.executable, "-m", "venv", where], 120, ok=False)[0] != 0:
        shutil.rmtree(where)
        expect(shutil.which("virtualenv"), "neither venv nor virtualenv is there: apt-get install python3-venv")
        run(["virtualenv", "-p", sys.executable, where], 120)
    run([f"{where}/bin/pip", "install", "-q", "--no-input", "-r", f"{PARTS}/requirements.txt"], 1200)
    with open(stamp, "w", encoding="ascii") as file:
        file.write(digest)
    return where


# What tempest is given ---------------------------------------------------------------------------------------------

class World:
    """An institution with projects and people, images, limits; and the administrators."""

    def __init__(self, instance, image):
        self.at, self.guest, self.tokens, self.roles, self.images = instance, image, {}, {}, []
        self.kept = {}
        # What the accounts' file says of a user, and the role, by where the role is held.
        self.accounts = {kind: [] for kind in ("project", "domain", "system", "office", "resets", "passwords")}
        self.staff()
        self.institution()
        self.resources()

    def listener(self, who):
        return self.at.management if who in STAFF else self.at.tenants

    def ask(self, who, method, path, body=None, ok=(200, 201, 202, 204)):
        return self.at.http(method, self.listener(who) + path, body, self.tokens.get(who), ok)[2]

    def sign_in(self, who, words, **scope):
        user = {"auth_url": f"{self.listener(who)}/identity/v3", "user_domain_name": words["domain"], **scope}
        self.tokens[who] = self.at.log_in(user | {name: words[name] for name in ("username", "password")})[1]

    def settled(self, by, ident, initial):
        """The user's own password, in place of the initial one."""
        mine = password()
        self.ask(by, "POST", f"/identity/v3/users/{ident}/password",
                 {"user": {"password": mine, "original_password": initial}})
        return mine

    def staff(self):
        for name, role in STAFF.items():
            with open(f"{self.at.state}/initial/{name}", encoding="utf-8") as file:
                initial = file.read().strip()
            user = {"auth_url": f"{self.at.management}/identity/v3", "username": name, "password": initial,
                    "user_domain_id": "default", "system_scope": "all"}
            said = self.at.log_in(user, ok=None)[2]["error"]["message"]
            words = {"username": name, "domain": "Default"}
            words["id"] = said.rstrip(".").split()[-1]
            words["password"] = self.settled(name, words["id"], initial)
            self.tokens[name] = self.two_factors(words)
            self.accounts["system"].append((words, role))
        for role in self.ask("secadmin", "GET", "/identity/v3/roles")["roles"]:
            self.roles[role["name"]] = role["id"]
        for name, role in STAFF.items():  # another of each: two workers
            self.person("secadmin", f"{name}2", "default", "system", None, role, domain="Default")

    def two_factors(self, words):
        """A token of an administrator, who gets a device for it; kept for tempest, which knows passwords only."""
        user = {"auth_url": f"{self.at.management}/identity/v3", "username": words["username"],
                "password": words["password"], "user_domain_id": "default"}
        administrator = Administrator(self.at, user)
        administrator.enrol()
        kept = {"token": administrator.token(), "password": words["password"]}
        self.kept |= {words["username"]: kept, words["id"]: kept}
        return kept["token"]

    def person(self, by, name, domain_id, kind, ident, role, **more):
        """A user with a role, who has changed the initial password; what the accounts' file says of it."""
        initial = password()
        made = self.ask(by, "POST", "/identity/v3/users",
                        {"user": {"name": name, "domain_id": domain_id, "password": initial}})["user"]["id"]
        self.give(by, kind, ident, made, role)
        words = {"username": name, "id": made, "domain": DOMAIN, "domain_id": domain_id, **more}
        words["password"] = self.settled(by, made, initial)
        if kind == "system":
            self.two_factors(words)
        self.accounts[kind].append((words, role))
        return words

    def give(self, by, kind, ident, user, role):
        place = "system" if kind == "system" else f"{kind}s/{ident}"
        self.ask(by, "PUT", f"/identity/v3/{place}/users/{user}/roles/{self.roles[role]}")

    def project(self, name):
        body = {"project": {"name": name, "domain_id": self.domain}}
        return self.ask("manager", "POST", "/identity/v3/projects", body)["project"]["id"]

    def institution(self):
        self.domain = self.ask("secadmin", "POST", "/identity/v3/domains", {"domain": {"name": DOMAIN}})["domain"]["id"]
        first = self.person("secadmin", "manager1", self.domain, "domain", self.domain, "manager")
        self.sign_in("manager", first, domain_name=DOMAIN)
        policy = {"config": {"security_compliance": POLICY}}
        if "error" in self.ask("manager", "PATCH", f"/identity/v3/domains/{self.domain}/config", policy, ok=(200, 404)):
            print("There is no password policy to set: tests of it will fail")
        for role, count in (("manager", 3), ("member", 2), ("reader", 2)):
            for n in range(count):
                self.person("manager", f"{role}{n + 2}", self.domain, "domain", self.domain, role)
        # Tempest's administrator has a project, too.
        office = self.project("office")
        for words, role in self.accounts["domain"]:
            if role == "manager":
                self.give("manager", "project", office, words["id"], role)
                self.accounts["office"].append((words | {"project": "office", "project_id": office}, role))
        self.projects = {}
        few = [(f"{sort}{n}", sort, ("member",)) for sort in ("resets", "passwords") for n in (1, 2)]
        for project, sort, roles in few + [(f"project{n}", "project", ROLES) for n in range(PROJECTS)]:
            ident = self.projects[project] = self.project(project)
            for role in roles:
                self.person("manager", f"{project}-{role}", self.domain, "project", ident, role, project=project)
                self.accounts[sort].append(self.accounts["project"].pop())

    def resources(self):
        """Limits that tests do not meet, images for everybody, and a network called `private` in each project."""
        for item in self.ask("manager", "GET", "/identity/v3/registered_limits")["registered_limits"]:
            for ident in self.projects.values():
                limit = {"project_id": ident, "resource_name": item["resource_name"], "resource_limit": 10_000}
                self.ask("sysadmin", "POST", "/identity/v3/limits", {"limits": [limit]})
        for name in ("guest", "guest-too"):
            self.images.append(self.image(name))
        for n, (words, role) in enumerate(self.accounts["project"]):
            if role == "member":
                who = words["username"]
                self.sign_in(who, words, project_name=words["project"], project_domain_name=DOMAIN)
                net = self.ask(who, "POST", "/network/v2.0/networks", {"network": {"name": "private"}})["network"]["id"]
                self.ask(who, "POST", "/network/v2.0/subnets", {"subnet": {
                    "name": "private", "network_id": net, "ip_version": 4, "cidr": f"172.20.{n}.0/24"}})

    def image(self, name):
        image = {"name": name, "disk_format": "qcow2", "container_format": "bare", "visibility": "public"}
        url = "/image/v2/images/" + self.ask("sysadmin", "POST", "/image/v2/images", image)["id"]
        with open(self.guest, "rb") as file:
            request = urllib.request.Request(f"{self.at.management}{url}/file", file.read(), method="PUT", headers={
                "X-Auth-Token": self.tokens["sysadmin"], "Content-Type": "application/octet-stream"})
        with urllib.request.build_opener(urllib.request.HTTPSHandler(context=self.at.tls),
                                         urllib.request.ProxyHandler({})).open(request, timeout=120):
            return url.rpartition("/")[2]


def password():
    return "Jy1-" + secrets.token_urlsafe(24)


# Runs --------------------------------------------------------------------------------------------------------------

class Round:
    """One configuration of tempest: at which listener, with whom as its administrator, for which tests."""

    def __init__(self, name, takes, labels, management=False, admin="nobody", system_scope=False, but=None):
        self.name, self.labels, self.management = name, labels, management
        self.admin, self.system_scope = admin, system_scope
        self.takes = re.compile(f"(?!{but}){takes}" if but else takes)


# What the accounts' file calls a user of a kind and role; who is not here is not in it. `!` before it: tempest's
# administrator. Tempest looks an administrator's account up by the name of a role that exists, so it is `manager` where
# the domain's managers are meant.
TENANT = {("project", "member"): "member", ("project", "reader"): "reader"}
DUTIES = {("system", "security_admin"): "admin", ("system", "system_admin"): "member", ("system", "audit_admin"): "reader"}
PERSONAS = TENANT | DUTIES | {("project", "manager"): "manager, admin", ("domain", "manager"): "manager, admin",
                              ("domain", "member"): "member", ("domain", "reader"): "reader"}
# These two modules of the plugin keep their accounts for themselves if their preparation fails: others would find none.
GREEDY = r"keystone_tempest_plugin\.tests\.rbac\.v3\.test_(protocol|endpoint)\."
# These change, lock and expire the passwords of the accounts they get: so each has its own.
PASSWORDS = r"tempest\.api\.identity\.v3\.test_users\."
RESETS = r"tempest\.api\.identity\.admin\.v3\.test_users\."
MANAGERS = {("office", "manager"): "!manager", ("system", "audit_admin"): "reader"}
ROUNDS = (
    Round("people", r"tempest\.api\.identity\.", TENANT | MANAGERS, admin="manager", but=f"{PASSWORDS}|{RESETS}"),
    Round("resets", RESETS, {("resets", "member"): "member"} | MANAGERS, admin="manager"),
    Round("institutions", r"tempest\.api\.identity\.admin\.", TENANT | DUTIES | {("system", "security_admin"): "!admin"},
          management=True, admin="admin", system_scope=True, but=RESETS),
    Round("personas", r"keystone_tempest_plugin\.", PERSONAS, management=True, system_scope=True, but=GREEDY),
    Round("greedy", GREEDY, PERSONAS, management=True, system_scope=True),
    Round("resources", r"(tempest|neutron_tempest_plugin)\.api\.(?!identity)",
          TENANT | {("project", "manager"): "manager"}),
    Round("passwords", PASSWORDS, {("passwords", "member"): "member"} | MANAGERS, admin="manager"),
)


class Tempest:
    """The tests, and how to run some of them."""

    def __init__(self, venv, world, scratch, patience):
        self.venv, self.world, self.dir, self.patience = venv, world, scratch, patience
        self.running, self.stopped = set(), False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        self.site = run([f"{venv}/bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])[1].strip()

    def config(self, round_):
        """A directory with the round's accounts, tempest.conf and .stestr.conf."""
        at, where = self.world.at, f"{self.dir}/{round_.name}"
        os.makedirs(f"{where}/lock", mode=0o700)
        write(f"{where}/accounts.yaml", self.accounts(round_))
        write(f"{where}/tokens.json", json.dumps(self.world.kept))
        listener = at.management if round_.management else at.tenants
        with open(f"{PARTS}/tempest.conf.in", encoding="utf-8") as file:
            text = string.Template(file.read()).substitute(
                POLICY, dir=where, accounts=f"{where}/accounts.yaml", listener=listener, ca=at.ca, domain=DOMAIN,
                domain_id=self.world.domain, admin_role=round_.admin, system_scope=round_.system_scope,
                domain_scope=not round_.system_scope, image=self.world.images[0], image_alt=self.world.images[1],
                patience=self.patience, **self.administrator())
        write(f"{where}/tempest.conf", text)
        write(f"{where}/.stestr.conf", f"[DEFAULT]\ntest_path={PARTS}/loader\ntop_dir={PARTS}/loader\n"
              "group_regex=([^\\.]*\\.)*\n")
        _, errors, code = self.call(where, "init", seconds=60)
        expect(code == 0, "stestr cannot begin", "stestr init", errors.decode(errors="replace"))
        return where

    def administrator(self):
        """For the few tests that take tempest's own administrator: a security administrator."""
        user = next(user for user, role in self.world.accounts["system"] if role == "security_admin")
        return {"admin": user["username"], "admin_password": user["password"]}

    def accounts(self, round_):
        with open(f"{PARTS}/accounts.yaml.in", encoding="utf-8") as file:
            head, *parts = re.split(r"^--- (\w+)\n", file.read(), flags=re.M)
        parts = {kind: string.Template(text) for kind, text in zip(parts[::2], parts[1::2])}
        lines = []
        for (kind, role), label in round_.labels.items():
            for words, has in self.world.accounts[kind]:
                if has == role:
                    admin = label.startswith("!")
                    part = parts.get(kind, parts["project"])
                    lines.append(part.substitute(words, roles=label.lstrip("!"), types="admin" if admin else ""))
        return head + "".join(lines)

    def call(self, where, *words, seconds):
        env = {k: v for k, v in os.environ.items() if not k.startswith("OS_") and not k.lower().endswith("_proxy")}
        env |= {"PATH": f"{self.venv}/bin:{env.get('PATH', '')}", "TEMPEST_CONFIG_DIR": where, "JINYUN_TOKENS": f"{where}/tokens.json", "OS_LOG_CAPTURE": "1",
                "TEMPEST_CONFIG": "tempest.conf", "PYTHON": f"{self.venv}/bin/python", "PYTHONDONTWRITEBYTECODE": "1",
                "OS_TEST_TIMEOUT": str(self.patience + 400), "PYTHONWARNINGS": "ignore",
                "SSL_CERT_FILE": self.world.at.ca}  # for the clients that tests make without asking for one
        expect(not self.stopped, "interrupted")
        process = subprocess.Popen([f"{self.venv}/bin/stestr", *words], cwd=where, env=env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.running.add(process)
        try:
            return *process.communicate(timeout=seconds), process.returncode
        except subprocess.TimeoutExpired:
            raise Failed(f"tempest has no end within {seconds} s", f"stestr {' '.join(words)}") from None
        finally:
            self.running.discard(process)
            end(process)

    def stop(self, *_):
        """Ends the workers, too, and whoever waits for them."""
        self.stopped = True
        for process in list(self.running):
            end(process)
        sys.exit(143)

    def tests(self, where):
        """Every test that tempest finds: name without ids, and the whole."""
        out, errors, code = self.call(where, "list", seconds=600)
        found = {}
        for line in out.decode(errors="replace").splitlines():
            if match := re.fullmatch(r"([\w.]+)(\[.*\])?(\([\w ]*\))?", line.strip()):
                found[match[1] + (match[3] or "")] = line.strip()
        expect(code == 0 and found, "tempest finds no tests", "stestr list", (out + errors).decode(errors="replace"))
        return found

    def run(self, where, tests, workers, seconds):
        """Runs tests (whole ids). Returns what became of each, by name."""
        write(f"{where}/selected", "\n".join(sorted(tests.values())) + "\n")
        self.call(where, "run", "--concurrency", str(workers), "--load-list", f"{where}/selected",
                  seconds=seconds)
        stream = self.call(where, "last", "--subunit", seconds=300)[0]
        done = subprocess.run([f"{self.venv}/bin/python", f"{PARTS}/outcome.py"], input=stream, capture_output=True,
                              timeout=300)
        expect(done.returncode == 0, "the outcome cannot be read", "outcome.py", done.stderr.decode(errors="replace")[-2000:])
        found, classes = {}, {}
        for line in done.stdout.decode().splitlines():
            test = json.loads(line)
            if match := re.fullmatch(r"(setUp|tearDown)Class \((.*)\)", test["id"]):
                classes.setdefault(match[2], []).append(test | {"part": match[1]})
            else:
                found[re.sub(r"\[.*\]", "", test["id"])] = test
        for name in tests:
            of = re.sub(r"\(.*\)$", "", name).rpartition(".")[0]
            begun = next((part for part in classes.get(of, []) if part["part"] == "setUp"), None)
            found.setdefault(name, begun or {"id": name, "status": "fail", "why": "tempest did not run it", "asked": []})
        for of, parts in classes.items():
            # What a class cannot take away again is no test's failure, and one of the whole.
            found |= {f"{of}.{TEARDOWN}": part for part in parts if part["part"] == "tearDown" and word(part) == "failed"}
        with open(f"{where}/outcome.json", "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)
        return found


def end(process):
    """Ends a process that still runs, with all that it has started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def write(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


# Lists -------------------------------------------------------------------------------------------------------------

def required():
    """Name of each required test with its id and remarks."""
    found = {}
    with open(f"{PARTS}/required.txt", encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                _, _, name, ident, *remarks = line.rstrip("\n").split("\t")
                found[name] = (ident, " ".join(remarks).split())
    return found


def excepted():
    """docs/tempest.md: pattern of names -> reason. A line is `| `name` | reason |`; a `*` stands for anything."""
    found = {}
    with open(LIST, encoding="utf-8") as file:
        for line in file:
            if match := re.fullmatch(r"\| `([\w.*]+)` \| (.+) \|", line.strip()):
                expect(match[1] not in found, f"{LIST} names {match[1]} twice")
                found[match[1]] = match[2]
    return found


def service_of(name):
    return next((service for prefix, service in PREFIXES.items() if name.startswith(prefix + ".")), None)


def word(outcome):
    return {"success": "passed", "xfail": "passed", "skip": "skipped"}.get(outcome["status"], "failed")


def better(one, other):
    """Of two rounds' outcomes of a test, the one that counts."""
    if one is None or other is None:
        return one or other
    order = ("passed", "failed", "skipped")
    return min(one, other, key=lambda o: order.index(word(o)))


def judge(outcomes, existing, listed):
    """What is wrong with the list of docs/tempest.md, as sentences; and the tests that it excuses."""
    wrong, excused = [], set()
    # What a class leaves behind is known if all of it was run.
    ran = {name.rpartition(".")[0] for name in outcomes} - {n.rpartition(".")[0] for n in existing - set(outcomes)}
    for pattern in listed:
        regex = re.compile(re.escape(pattern).replace(r"\*", ".*"))
        if pattern.endswith("." + TEARDOWN):
            names = [pattern] if pattern.removesuffix("." + TEARDOWN) in ran else []
        else:
            names = [name for name in outcomes if regex.fullmatch(name)]
            if not any(map(regex.fullmatch, existing)):
                wrong.append(f"{pattern} is on the list, and there is no such test")
        excused.update(names)
        wrong += [f"{name} passes: take it off the list" for name in names
                  if name not in outcomes or word(outcomes[name]) == "passed"]
    return wrong, excused


# Telling -----------------------------------------------------------------------------------------------------------

def table(outcomes, needed, services):
    print(f"{'':<12}{'required':>27}{'all':>27}\n{'':<12}" + "".join(f"{w:>9}" for w in WORDS * 2))
    for service in services:
        line = f"{service:<12}"
        for names in ([n for n in outcomes if n in needed], [n for n in outcomes if not n.endswith(TEARDOWN)]):
            tally = collections.Counter(word(outcomes[n]) for n in names if service_of(n) == service)
            line += "".join(f"{tally[w]:>9}" for w in WORDS)
        print(line)


def failures(outcomes, needed, excused, services):
    for service in services:
        of = sorted(n for n in outcomes if service_of(n) == service)
        for sort, names in (("failed", [n for n in of if word(outcomes[n]) == "failed" and n not in excused]),
                            ("required and skipped", [n for n in of if word(outcomes[n]) == "skipped" and n in needed])):
            if names:
                print(f"\n{service}: {len(names)} {sort}")
            for name in names:
                print(f"  {name}{' (required)' if name in needed else ''}\n      {outcomes[name]['why'][:400]}")


# ---------------------------------------------------------------------------------------------------------------------

def measure(args, tempest, services):
    """Runs what was asked for. Returns the outcomes by name, and the names of all tests that tempest has."""
    needed, wanted = required(), None
    if args.list:
        with open(args.list, encoding="utf-8") as file:
            wanted = {line.split("[")[0].strip() for line in file if line.strip() and not line.startswith("#")}
    places = {round_.name: tempest.config(round_) for round_ in ROUNDS}
    existing = tempest.tests(places[ROUNDS[0].name])
    for name, (ident, remarks) in needed.items():
        if "gone" not in remarks:
            expect(ident in existing.get(name, ""), f"required test {name} with {ident} is not in this tempest")
    if wanted:
        expect(wanted <= set(existing), f"{args.list} names tests that do not exist", said=" ".join(wanted - set(existing)))

    def one(round_):
        chosen = {name: whole for name, whole in existing.items()
                  if service_of(name) in services and round_.takes.match(name)
                  and (not args.required_only or name in needed) and (wanted is None or name in wanted)}
        if not chosen:
            return {}
        begin = time.monotonic()
        found = tempest.run(places[round_.name], chosen, 1 if round_ is ROUNDS[-1] else args.workers, args.seconds)
        print(f"{round_.name}: {len(chosen)} tests in {time.monotonic() - begin:.0f} s", flush=True)
        return found
    outcomes = {}
    # The last one mostly waits until an account opens again.
    for found in together(lambda: [one(round_) for round_ in ROUNDS[:-1]], lambda: [one(ROUNDS[-1])]):
        for part in found:
            for name, outcome in part.items():
                outcomes[name] = better(outcomes.get(name), outcome)
    return outcomes, set(existing)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", default=f"{ROOT}/target/release/jinyun")
    parser.add_argument("--hosts", choices=("simulated", "real"), default="simulated")
    parser.add_argument("--image", default=GUEST, help="guest image for real hosts")
    parser.add_argument("--services", default=",".join(SERVICES), help="of " + ", ".join(SERVICES))
    parser.add_argument("--required-only", action="store_true", help="only the tests of tests/tempest/required.txt")
    parser.add_argument("--list", metavar="FILE", help="only the tests that stand there, a name a line")
    parser.add_argument("--venv", default="/var/cache/jinyun/tempest/venv", help="virtual environment, made if need be")
    parser.add_argument("--instance", default="tempest")
    parser.add_argument("--port", type=int, default=18443)
    parser.add_argument("--management-port", type=int, default=18444)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=7200, help="after which a round of tests is given up")
    parser.add_argument("--keep", metavar="DIR", help="leave configuration, logs and outcomes there, with the accounts")
    args = parser.parse_args()
    services = args.services.split(",")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` is heard
    try:
        for name in services:
            expect(name in SERVICES, f"there is no service {name}: {', '.join(SERVICES)}")
        expect(os.geteuid() == 0, "an instance needs root (try sudo)")
        return whole(args, services)
    except Failed as e:
        print("\n  ".join(filter(None, [f"Failed: {e.what}", e.did, e.said[-3000:]])), file=sys.stderr)
        return 1


def whole(args, services):
    venv = environment(args.venv)
    jinyun = [args.binary, "--instance", args.instance]
    run([*jinyun, "down"], 180, ok=False)  # what a run that was killed may have left
    scratch = args.keep or tempfile.mkdtemp(prefix="jinyun-tempest-")
    os.makedirs(scratch, mode=0o700, exist_ok=True)
    try:
        run([*jinyun, "up", "--hosts", args.hosts, "--port", str(args.port), "--management-port",
             str(args.management_port)], 180)
        at = Instance(args.instance, args.binary, args.port, args.management_port)
        image = args.image if args.hosts == "real" else stand_in_image(args)  # simulated hosts run nothing
        tempest = Tempest(venv, World(at, image), scratch, 900 if args.hosts == "real" else 60)
        outcomes, existing = measure(args, tempest, services)
        with open(f"{at.state}/log", encoding="utf-8", errors="replace") as file:
            wrong = [f"the product panicked: {line.strip()}" for line in file if "panicked" in line]
    finally:
        run([*jinyun, "down"], 180, ok=False)
        if not args.keep:
            shutil.rmtree(scratch)
    needed, excused, short, bad = required(), set(), [], []
    if "identity" in services:
        identity = {n: o for n, o in outcomes.items() if service_of(n) == "identity"}
        disagreements, excused = judge(identity, existing, excepted())
        wrong += disagreements
        short = [n for n in needed if n in identity and word(identity[n]) != "passed"]
        bad = [n for n, o in identity.items() if word(o) == "failed" and n not in excused]
    failures(outcomes, needed, excused, services)
    print()
    table(outcomes, needed, services)
    print("\n".join(["", *wrong]))
    if "identity" in services:
        print(f"identity: {len(short)} required tests do not pass; {len(bad)} tests fail that docs/tempest.md does not name, "
              f"it names {len(excused)} of those that ran")
    return 1 if short or bad or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
