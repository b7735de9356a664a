"""An instance of one's own, institutions with their people in it, and requests that say everything about their answers.

What tests need that bring their cloud up themselves and take it down again. The provider's three administrators sign in
with password and one-time code, an institution gets its first manager from the security administrator, and everybody
else from that manager: as it would be in life,
since there is no other way in. Every request may come from an address of
its own: the whole of 127.0.0.0/8 is this machine, and to the platform each of it is another source.

Python's standard library only; nothing of the product is imported."""

import contextlib
import html
import http.client
import itertools
import json
import os
import re
import secrets
import subprocess
import threading
import time

from cloud import Failed, Instance, expect
from totp import Administrator, code_of, new_seed, step_now

HOME = "127.0.0.1"  # where honest people sit
SYSTEM = {"system": {"all": True}}
UNSCOPED = "unscoped"
STAFF = {"sysadmin": "system_admin", "secadmin": "security_admin", "auditor": "audit_admin"}
PATIENCE = 180  # seconds for bringing up and taking down


def password():
    return "Jy1-" + secrets.token_urlsafe(24)


def in_project(ident):
    return {"project": {"id": ident}}


def in_domain(ident):
    return {"domain": {"id": ident}}


def by_trust(ident):
    return {"OS-TRUST:trust": {"id": ident}}


def keep(path, text):
    """A file that nobody else can read. Whole, or as it was."""
    part = path + ".part"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(part)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(part, path)


class Answer:
    """What came back. `did` is the request without its body, in which passwords travel."""

    def __init__(self, did, source, status, headers, text, seconds):
        self.did, self.source, self.status, self.headers = did, source, status, headers
        self.text, self.seconds = text, seconds
        self.request = headers.get("x-openstack-request-id", "")
        self.token = headers.get("x-subject-token")
        self.receipt = headers.get("openstack-auth-receipt")

    @property
    def json(self):
        try:
            return json.loads(self.text) if self.text else None
        except ValueError:
            raise Failed("the answer is no JSON", self.did, self.text) from None

    @property
    def message(self):
        """The sentence of a refusal, in whichever service's form; empty where there is none."""
        if "html" in self.headers.get("content-type", ""):
            body = re.search(r"</h1>(.*)<br /><br />", self.text, re.S)
            return html.unescape(body[1].strip()) if body else ""
        said = self.json
        inside = next(iter(said.values()), None) if isinstance(said, dict) and len(said) == 1 else None
        return inside.get("message", "") if isinstance(inside, dict) else ""

    def must(self, *ok):
        """This answer, which has one of these statuses (any of success, if none is named)."""
        right = self.status in ok if ok else 200 <= self.status < 300
        expect(right, f"the answer was {self.status}", self.did, self.text)
        return self

    def __getitem__(self, name):
        return self.json[name]


class Sources:
    """Addresses of this machine, each in a neighbourhood (/24) of its own, so that no two have anything in common."""

    def __init__(self):
        self.count = itertools.count()

    def __call__(self):
        n = next(self.count)
        expect(n < 50_000, "there are no addresses left")
        return f"127.{20 + n // 250}.{n % 250}.9"


class Own(Instance):
    """An instance that is brought up by whoever makes this, and taken down at the end of the `with`. `args` has
    `binary`, `instance`, `port` and `management_port`."""

    def __init__(self, args, hosts="simulated"):
        self.args, self.hosts = args, hosts
        self.jinyun("down")
        self.up()
        super().__init__(args.instance, args.binary, args.port, args.management_port)
        self.administrators, self.staff_ids, self.roles = {}, {}, {}

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            with contextlib.suppress(OSError), open(f"{self.state}/log", encoding="utf-8", errors="replace") as file:
                print("--- the end of the instance's log", *file.read().splitlines()[-20:], "---", sep="\n", flush=True)
        self.jinyun("down")

    def words(self, *words):
        return [self.args.binary, "--instance", self.args.instance, *words]

    def jinyun(self, *words):
        done = subprocess.run(self.words(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE)
        expect(done.returncode == 0, "it failed", " ".join(words), done.stdout + done.stderr)
        return done.stdout

    def up_words(self):
        return ("up", "--hosts", self.hosts, "--port", str(self.args.port), "--management-port",
                str(self.args.management_port))

    def up(self):
        self.jinyun(*self.up_words())

    # Requests ----------------------------------------------------------------------------------------------------

    def connect(self, listener, source=HOME):
        """A connection from an address of this machine, its handshake done."""
        host, _, port = listener.removeprefix("https://").partition(":")
        made = http.client.HTTPSConnection(host, int(port), timeout=60, context=self.tls, source_address=(source, 0))
        made.connect()
        return made

    def ask(self, method, url, body=None, token=None, source=HOME, headers=None):
        """A request on a connection of its own, whatever the answer. `url` begins with the listener's."""
        root = "/".join(url.split("/")[:3])
        sent = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token else {}) | (headers or {})
        did = f"{method} {url} (from {source})"
        try:
            made = self.connect(root, source)
            try:
                begin = time.perf_counter()
                made.request(method, url.removeprefix(root), None if body is None else json.dumps(body), sent)
                got = made.getresponse()
                text = got.read().decode(errors="replace")
                seconds = time.perf_counter() - begin
            finally:
                made.close()
        except (OSError, http.client.HTTPException) as e:
            raise Failed("no answer", did, f"{type(e).__name__}: {e}") from None
        return Answer(did, source, got.status, {k.lower(): v for k, v in got.getheaders()}, text, seconds)

    # The provider's staff ----------------------------------------------------------------------------------------

    def administrator(self, name):
        """One of the three, with the initial password changed and a second factor; the same one each time."""
        if name not in self.administrators:
            with open(f"{self.state}/initial/{name}", encoding="utf-8") as file:
                first = file.read().strip()
            user = {"auth_url": f"{self.management}/identity/v3", "username": name, "user_domain_id": "default",
                    "system_scope": "all", "password": password()}
            self.enter(user, first)
            made = Administrator(self, user)
            self.staff_ids[name] = made.enrol()
            self.administrators[name] = made
        return self.administrators[name]

    def enter(self, user, first):
        """Changes an initial password, which lets nobody in, into the user's own. `user` is an entry of clouds.yaml."""
        answer = self.log_in(user | {"password": first}, (401,))[2]
        ident = answer["error"]["message"].rstrip(".").split()[-1]
        self.http("POST", f"{user['auth_url']}/users/{ident}/password",
                  {"user": {"password": user["password"], "original_password": first}})

    def by(self, name, method, path, body=None, source=HOME):
        """An administrator's request to the management listener."""
        return self.ask(method, self.management + path, body, self.administrator(name).token(), source)

    def role(self, name):
        if not self.roles:
            found = self.by("secadmin", "GET", "/identity/v3/roles").must()["roles"]
            self.roles = {role["name"]: role["id"] for role in found}
        return self.roles[name]


class Person:
    """Somebody with an account in an institution. A token is kept for each scope."""

    def __init__(self, at, ident, name, domain, secret):
        self.at, self.id, self.name, self.domain, self.password = at, ident, name, domain, secret
        self.seed, self.step, self.kept, self.lock = None, 0, {}, threading.RLock()

    def named(self):
        return {"name": self.name, "domain": {"id": self.domain}}

    def proofs(self, secret=None, code=None):
        """The members of `identity` that prove the password, and a one-time code if one is given."""
        proofs = {"password": {"user": self.named() | {"password": secret or self.password}}}
        if code:
            proofs["totp"] = {"user": self.named() | {"passcode": code}}
        return proofs

    def sign_in(self, scope=UNSCOPED, secret=None, code=None, source=HOME, listener=None, proofs=None, headers=None):
        proofs = proofs or self.proofs(secret, code)
        auth = {"identity": {"methods": list(proofs), **proofs}}
        if scope is not None:
            auth["scope"] = scope
        url = (listener or self.at.tenants) + "/identity/v3/auth/tokens"
        return self.at.ask("POST", url, {"auth": auth}, source=source, headers=headers)

    def fresh(self, scope=UNSCOPED, source=HOME):
        """A token that nobody else has."""
        return self.sign_in(scope, code=self.code() if self.seed else None, source=source).must(201).token

    def token(self, scope=UNSCOPED):
        with self.lock:
            key = json.dumps(scope)
            if key not in self.kept:
                self.kept[key] = self.fresh(scope)
            return self.kept[key]

    def ask(self, method, path, body=None, scope=UNSCOPED, source=HOME, headers=None):
        return self.at.ask(method, self.at.tenants + path, body, self.token(scope), source, headers)

    # The second factor -------------------------------------------------------------------------------------------

    def enrol(self):
        """Makes a device for one-time codes."""
        seed = new_seed()
        body = {"credential": {"type": "totp", "blob": seed, "user_id": self.id}}
        self.ask("POST", "/identity/v3/credentials", body).must(201)
        self.seed = seed
        self.kept.clear()
        return self

    def code(self):
        """A code that was not given before. A clock may be off by one step, so three are good at any time; if all are
        used, waits for the next."""
        with self.lock:
            step = max(self.step + 1, step_now() - 1)
            while step > step_now() + 1:
                time.sleep(0.2)
            self.step = step
            return code_of(self.seed, step)


class Institution:
    """A domain with its first manager, `boss`."""

    def __init__(self, at, name):
        self.at, self.name, self.projects, self.people = at, name, {}, {}
        self.id = at.by("secadmin", "POST", "/identity/v3/domains",
                        {"domain": {"name": name}}).must(201)["domain"]["id"]
        first = password()
        body = {"user": {"name": "boss", "domain_id": self.id, "password": first}}
        ident = at.by("secadmin", "POST", "/identity/v3/users", body).must(201)["user"]["id"]
        path = f"/identity/v3/domains/{self.id}/users/{ident}/roles/{at.role('manager')}"
        at.by("secadmin", "PUT", path).must(204)
        self.boss = Person(at, ident, "boss", self.id, password())
        change = {"user": {"password": self.boss.password, "original_password": first}}
        at.ask("POST", f"{at.tenants}/identity/v3/users/{ident}/password", change).must(204)
        self.scope = in_domain(self.id)
        self.people["boss"] = self.boss

    def manage(self, method, path, body=None):
        """A request of the manager's, which must be granted."""
        return self.boss.ask(method, path, body, self.scope).must()

    def project(self, name, parent=None):
        body = {"name": name, "domain_id": self.id} | ({"parent_id": parent} if parent else {})
        made = self.manage("POST", "/identity/v3/projects", {"project": body})["project"]["id"]
        self.projects[name] = made
        return made

    def person(self, name, role=None, project=None, **more):
        """A user, with a role in a project or, if none is named, in the domain."""
        secret = password()
        body = {"user": {"name": name, "domain_id": self.id, "password": secret, **more}}
        ident = self.manage("POST", "/identity/v3/users", body)["user"]["id"]
        made = self.people[name] = Person(self.at, ident, name, self.id, secret)
        if role:
            self.give(made, role, project)
        return made

    def give(self, person, role, project=None, method="PUT"):
        place = f"projects/{project}" if project else f"domains/{self.id}"
        self.manage(method, f"/identity/v3/{place}/users/{person.id}/roles/{self.at.role(role)}")

    def take(self, person, role, project=None):
        self.give(person, role, project, "DELETE")

    def policy(self, **rules):
        """Changes what the institution demands of passwords and sessions."""
        self.manage("PATCH", f"/identity/v3/domains/{self.id}/config", {"config": {"security_compliance": rules}})

    def entry(self, person, **scope):
        """The entry of clouds.yaml for somebody."""
        return {"auth_url": f"{self.at.tenants}/identity/v3", "username": person.name, "password": person.password,
                "user_domain_name": self.name, **scope}


def clouds_yaml(at, path, entries):
    """Writes a clouds.yaml: for each cloud what stands in `auth`, or the whole entry where it has an `auth` of its own.
    JSON is YAML, too."""
    usual = {"identity_api_version": "3", "region_name": "RegionOne", "cacert": at.ca}
    clouds = {name: usual | (entry if "auth" in entry else {"auth": entry}) for name, entry in entries.items()}
    keep(path, json.dumps({"clouds": clouds}, indent=2) + "\n")


def arguments(parser, instance, port):
    """The arguments that `Own` needs. `port` is below 32768: from there on the kernel hands out ports to whoever connects
    (`ip_local_port_range`), and one that was handed out a minute ago cannot be listened on."""
    parser.add_argument("--binary", default="target/release/jinyun")
    parser.add_argument("--instance", default=instance)
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--management-port", type=int, default=port + 1)
    parser.add_argument("--hosts", choices=("real", "simulated"), default="simulated")
