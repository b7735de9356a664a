"""What tests/abuse.py deals with: requests as raw as they have to be, answers judged by each protocol's form, and two
institutions with things in them."""

import base64
import contextlib
import hashlib
import hmac
import html
import http.client
import itertools
import json
import re
import secrets
import socket
import ssl
import threading
import time
import urllib.parse

from abuse_cases import passkeys
from abuse_cases.registers import POINT
from abuse_cases import FINE, KEY, NOVA, OPENSTACK, ROLES, SECRETS, STAFF, TITLES, counter, login, password
from cloud import Instance, expect, until
from totp import Administrator, code_of, new_seed, step_now
from tour import stand_in_image


# One request ------------------------------------------------------------------------------------------------------

class Answer:
    def __init__(self, asked, status=0, headers=None, data=b"", lost=""):
        self.asked, self.status, self.headers, self.data, self.lost = asked, status, headers or {}, data, lost
        self.request = self.headers.get("x-openstack-request-id", "")

    @property
    def json(self):
        try:
            return json.loads(self.data)
        except ValueError:
            return None

    def message(self, service):
        """The words of a refusal, if it is in the service's own form; else a `Failed`."""
        def form(right):
            expect(right, f"{self.status} is not in the form of {service}")
        kind = self.headers.get("content-type", "")
        if service == "image" and "html" in kind:
            text, title = self.data.decode(), f"{self.status} {TITLES.get(self.status)}"
            body = re.fullmatch(r"<html>\s*<head>\s*<title>(.*)</title>\s*</head>\s*<body>\s*<h1>(.*)</h1>(.*)"
                                r"<br /><br />\s*</body>\s*</html>", text, re.S)
            form(body and body[1] == body[2] == title and not re.search("<(?!br /)", body[3]))
            return html.unescape(body[3].strip())
        whole = self.json
        form(kind.startswith("application/json") and isinstance(whole, dict) and len(whole) == 1)
        [(word, inside)] = whole.items()
        form(isinstance(inside, dict))
        if service == "identity" or service not in OPENSTACK or self.status == 401:
            form(word == "error" and inside.get("code") == self.status
                 and inside.get("title") == TITLES.get(self.status))
        elif service == "network":
            form(word == "NeutronError" and set(inside) == {"type", "message", "detail"} and inside["type"])
        else:
            form(service != "image" and word == NOVA.get(self.status) and inside.get("code") == self.status)
        form(isinstance(inside.get("message"), str))
        return inside["message"]

    def __str__(self):
        return self.lost or f"{self.status} {self.data[:300].decode(errors='replace')}"


HERE = "127.0.0.2"  # where requests come from; what the platform tries on itself comes from 127.0.0.1


UNUSED = 10  # seconds


class Wire:
    """Connections that are kept; one in each thread to each listener."""

    def __init__(self, instance):
        self.instance, self.local, self.lock = instance, threading.local(), threading.Lock()
        self.refused = []  # (request id, what was asked) of what must be in the journal
        self.strangers = 0  # answers 401 to requests without a good token
        self.sources = itertools.count(1)

    def stranger(self, number=1):
        with self.lock:
            self.strangers += number

    def elsewhere(self):
        """An address of this machine that nothing came from before, nor from its neighbours. Whoever fails too often is
        paused with all who come from the same address, so failures come from where nobody else works."""
        n = next(self.sources)
        return f"127.{1 + n // 256}.{n % 256}.1"

    def connection(self, root):
        now, used = time.monotonic(), self.local.__dict__.setdefault("used", {})
        # The platform closes what nobody uses, and a request may meet the end of its connection.
        if root not in self.local.__dict__ or now - used.get(root, now) > UNUSED:
            self.forget(root)
            self.local.__dict__[root] = self.open(root)
        used[root] = now
        return self.local.__dict__[root]

    def open(self, root, seconds=30, source=HERE):
        host, port = root.removeprefix("https://").split(":")
        made = socket.create_connection((host, int(port)), seconds, (source, 0))
        return self.instance.tls.wrap_socket(made, server_hostname=host)

    def ask(self, method, url, body=None, token=None, headers=None, alone=False, source=None):
        """`url` begins with the listener's. A body of bytes goes as it is. `alone`: on a connection of its own, as
        always from another `source`."""
        root = "/".join(url.split("/")[:3])
        alone = alone or source is not None
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token is not None else {})
        sent |= headers or {}
        if alone:
            self.forget(root)
        asked = f"{method} {url.removeprefix(root)[:200]}" + (f" {data[:150]!r}" if data is not None else "")
        sent |= {"Host": root.removeprefix("https://")} | ({} if data is None else {"Content-Length": str(len(data))})
        head = f"{method} {url.removeprefix(root)} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k,
            v in sent.items()) + "\r\n"
        try:
            connection = self.local.__dict__[root] = self.open(root, source=source) if source else self.connection(root)
            connection.sendall(head.encode("latin-1") + (data or b""))
            got = http.client.HTTPResponse(connection, method=method)
            got.begin()
            answer = Answer(asked, got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        except (OSError, http.client.HTTPException) as e:
            self.forget(root)
            return Answer(asked, lost=f"no answer: {type(e).__name__}: {e}")
        if alone or got.will_close:
            self.forget(root)
        self.keep_secrets(answer)
        return answer

    def keep_secrets(self, answer):
        """What an answer shows once. (One-time codes are too short to be looked for.)"""
        for name in ("x-subject-token", "openstack-auth-receipt"):
            if text := answer.headers.get(name):
                self.secret(text)
        if answer.status not in (200, 201) or not re.search(rb'"(secret|blob|codes)"', answer.data):
            return
        things = [answer.json or {}]
        while things:
            thing = things.pop()
            for name, value in thing.items() if isinstance(thing, dict) else enumerate(thing):
                if name in ("secret", "blob", "codes") and value:
                    for text in [value] if isinstance(value, str) else value:
                        self.secret(text)
                        self.secret(text.replace("-", ""))
                elif isinstance(value, (dict, list)):
                    things.append(value)

    def secret(self, text):
        with self.lock:
            if text not in SECRETS:
                SECRETS.append(text)

    def forget(self, root):
        """Closes this thread's connection."""
        if connection := self.local.__dict__.pop(root, None):
            connection.close()

    def raw(self, url, text):
        """Bytes as they are on a connection of their own; what comes back until the end or silence."""
        try:
            with self.open(url) as made:
                made.settimeout(3)
                with contextlib.suppress(OSError):  # what is refused early need not be read to its end
                    made.sendall(text)
                got = b""
                while part := made.recv(65536):
                    got += part
                    if b"\r\n\r\n" in got:
                        break
                return got
        except socket.timeout:
            return b""
        except (OSError, ssl.SSLError) as e:
            return f"no answer: {type(e).__name__}: {e}".encode()


# The world --------------------------------------------------------------------------------------------------------

MAPPING = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-preferred_username"}]}]


class World:
    """Two institutions with things in them, and whoever uses them."""

    def __init__(self, args):
        self.args, self.instance = args, Instance(args.instance, args.binary, args.port, args.management_port)
        self.wire, self.users, self.tokens = Wire(self.instance), {}, {}
        self.staff, self.seeds, self.steps = {}, {}, {}  # administrators; second factors of others, and codes they used
        self.things = {"word": "word", "flavor": "1", "rules": "security_compliance", "rule": "lockout_duration",
                       "region": "RegionOne", "number": "0", "newest": "newest", "standard": "jrt0167",
                       "clause": "7.2.5-B-a"}

    def __getitem__(self, name):
        return self.things[name]

    def mounts(self):
        """What the product says that it offers, to whoever asks for something else."""
        return re.findall(r"/[\w-]+", self.do("nobody", "GET", "/nothing").json["error"]["message"])

    def filled(self, value):
        if value == "$range":
            n = next(counter)
            return f"172.{16 + n // 256 % 16}.{n % 256}.0/24"
        return self.things[value[1:]] if isinstance(value, str) and value.startswith("$") else value

    def listener(self, who):
        return self.instance.management if who in STAFF else self.instance.tenants

    def do(self, who, method, path, body=None, headers=None, listener=None, source=None):
        return self.wire.ask(method, (listener or self.listener(who)) + path, body, self.tokens.get(who), headers,
                             source=source)

    def must(self, who, method, path, body=None, headers=None):
        answer = self.do(who, method, path, body, headers)
        expect(answer.status in FINE, "the world cannot be made", answer.asked, str(answer))
        return answer.json

    def attempt(self, body, source=None, listener=None):
        """A sign-in, from somewhere."""
        url = f"{listener or self.instance.tenants}/identity/v3/auth/tokens"
        return self.wire.ask("POST", url, body, source=source)

    def sign_in(self, who):
        if who in self.staff:
            self.tokens[who] = self.staff[who].token()
            SECRETS.append(self.tokens[who])
            return None
        body = login(self.users[who])
        if seed := self.seeds.get(who):
            body = self.with_code(who, seed)
        answer = self.attempt(body)
        expect(answer.status == 201, f"{who} cannot sign in", said=str(answer))
        self.tokens[who] = answer.headers["x-subject-token"]
        return answer.json["token"]

    def code(self, who):
        """A one-time code that was not used. Waits for the next if need be: each is taken once."""
        until("there is another one-time code", 40, lambda: step_now() > self.steps.get(who, 0), 0.2)
        self.steps[who] = step_now()
        return code_of(self.seeds[who], self.steps[who])

    def with_code(self, who, seed=None):
        """A sign-in with both factors."""
        body = login(self.users[who])
        identity = body["auth"]["identity"]
        user = {k: v for k, v in identity["password"]["user"].items() if k != "password"}
        identity["methods"] = ["password", "totp"]
        identity["totp"] = {"user": user | {"passcode": self.code(who)}}
        return body

    def second_factor(self, who):
        """Makes a second factor for somebody and signs in with it."""
        SECRETS.append(seed := new_seed())
        self.must(who, "POST", "/identity/v3/credentials",
                  {"credential": {"type": "totp", "blob": seed, "user_id": self[who]}})
        self.seeds[who] = seed
        self.sign_in(who)

    def takes_over(self, who, ident, initial):
        """Changes an initial password and signs in."""
        answer = self.wire.ask("POST", f"{self.listener(who)}/identity/v3/users/{ident}/password",
                               {"user": {"password": self.users[who]["password"], "original_password": initial}})
        expect(answer.status == 204, f"{who}'s password cannot be changed", said=str(answer))
        if who not in STAFF:
            self.sign_in(who)

    def administrators(self):
        """The three: the initial password changed, a second factor made, one sign-in that is kept."""
        at = self.instance
        for name in STAFF:
            self.users[name] = {"name": name, "domain": "default", "password": password(),
                                "scope": {"system": {"all": True}}}
            with open(f"{at.state}/initial/{name}", encoding="utf-8") as file:
                SECRETS.append(initial := file.read().strip())
            said = self.wire.ask("POST", f"{at.management}/identity/v3/auth/tokens",
                                 login(self.users[name] | {"password": initial})).json
            self[name] = said["error"]["message"].rstrip(".").split()[-1]
            self.takes_over(name, self[name], initial)
            self.staff[name] = Administrator(at, {
                "auth_url": f"{at.management}/identity/v3", "username": name, "user_domain_id": "default",
                "password": self.users[name]["password"]})
            self.staff[name].enrol()
            SECRETS.append(self.staff[name].seed)
            self.sign_in(name)

    def people(self):
        self.administrators()
        for domain, project, boss, people in (
                ("bank", "pay", "boss", {"ann": "member", "rita": "reader", "eve": "reader", "tina": "member"}),
                ("fund", "trade", "boss2", {"bob": "member"})):
            ident = self.institution(domain, boss)
            self.project(boss, project)
            for name, role in people.items():
                self.person(boss, name, ident, {"project": {"id": self[project]}}, role)
        self.second_factor("tina")
        for project in ("small", "gated"):
            self.project("boss", project)
            self.give("boss", "projects", self[project], self["ann"], "member")
            self.users[f"ann-{project}"] = self.users["ann"] | {"scope": {"project": {"id": self[project]}}}
            self.sign_in(f"ann-{project}")
        self.users["ann-unscoped"] = self.users["ann"] | {"scope": "unscoped"}
        self.sign_in("ann-unscoped")

    def institution(self, name, boss):
        """A domain with its first manager. Returns its id."""
        ident = self[name] = self.must("secadmin", "POST", "/identity/v3/domains",
                                       {"domain": {"name": name}})["domain"]["id"]
        self.person("secadmin", boss, ident, {"domain": {"id": ident}}, "manager")
        return ident

    def project(self, by, name, **more):
        return self.make(name, "/identity/v3/projects", "project", by, name=name, **more)

    def __setitem__(self, name, value):
        self.things[name] = value

    def person(self, by, who, domain, scope, role):
        initial = password()
        self.users[who] = {"name": who, "domain": domain, "password": password(), "scope": scope}
        made = self.must(by, "POST", "/identity/v3/users", {"user": {"name": who, "domain_id": domain,
                                                                     "password": initial}})
        self[who] = made["user"]["id"]
        [(place, ident)] = [(f"{k}s", v["id"]) for k, v in scope.items()]
        self.give(by, place, ident, self[who], role)
        self.takes_over(who, self[who], initial)

    def give(self, by, place, ident, user, role):
        self.must(by, "PUT", f"/identity/v3/{place}/{ident}/users/{user}/roles/{ROLES[role]}")

    def make(self, thing, path, one, who="ann", /, **members):
        body = {one: members} if one else members
        made = self.must(who, "POST", path, body)
        self[thing] = (made[one] if one else made)["id"]
        return self[thing]

    def delegations(self):
        """What identity has beside people: groups, tags, roles of groups, what ann has passed on."""
        base = "/identity/v3"
        self.things |= {name: ROLES[name] for name in ("reader", "member", "manager", "system_admin")}
        self["service"] = self.must("ann", "GET", f"{base}/services")["services"][0]["id"]
        self["endpoint"] = self.must("ann", "GET", f"{base}/endpoints")["endpoints"][0]["id"]
        self["item"] = "volumes"
        for name in ("tagged", "tagged2", "tagged3"):
            self.project("boss", name, tags=["word"])
        self.project("boss", "still")
        for name in ("team", "spare_group"):
            self.make(name, f"{base}/groups", "group", "boss", name=name)
        self.must("boss", "PUT", f"{base}/groups/{self['team']}/users/{self['rita']}")
        for place, ident in (("projects", self["pay"]), ("domains", self["bank"])):
            for kind, who in (("users", self["rita"]), ("groups", self["team"])):
                path = f"{place}/{ident}/{kind}/{who}/roles/{ROLES['reader']}"
                self.must("boss", "PUT", f"{base}/{path}")
                self.must("boss", "PUT", f"{base}/OS-INHERIT/{path}/inherited_to_projects")
        trusted, self["protocol"] = f"{base}/OS-FEDERATION", "openid"
        self["idp"] = self["mapping"] = f"abuse@{self['bank']}"
        self.must("boss", "PUT", f"{trusted}/identity_providers/abuse", {"identity_provider": {
            "domain_id": self["bank"], "remote_ids": ["https://id.example"], "jinyun:audiences": ["jinyun"]}})
        self.must("boss", "PUT", f"{trusted}/mappings/abuse", {"mapping": {"rules": MAPPING}})
        self.must("boss", "PUT", f"{trusted}/identity_providers/abuse/protocols/openid",
                  {"protocol": {"mapping_id": "abuse"}})
        made = self.must("ann", "POST", f"{base}/users/{self['ann']}/application_credentials", {
            "application_credential": {"name": "program", "access_rules": [
                {"service": "network", "method": "GET", "path": "/v2.0/networks"}]}})["application_credential"]
        self["app_credential"], self["access_rule"] = made["id"], made["access_rules"][0]["id"]
        self.make("trust", f"{base}/OS-TRUST/trusts", "trust", trustor_user_id=self["ann"], impersonation=False,
                  trustee_user_id=self["rita"], project_id=self["pay"], roles=[{"name": "member"}])
        made = self.must("ann", "POST", f"{base}/users/{self['ann']}/credentials/OS-EC2", {"tenant_id": self["pay"]})
        self["access"], self.key = made["credential"]["access"], made["credential"]["secret"]
        self["credential"] = self.must("ann", "GET", f"{base}/credentials")["credentials"][0]["id"]

    def signed(self, access=None, key=None, **more):
        """A request signed with ann's pair of keys (version 2), as `ec2tokens` takes it."""
        params = {"SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "AWSAccessKeyId": access or self["access"],
                  "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "Action": f"A{next(counter)}"} | more
        query = "&".join(f"{urllib.parse.quote(k, safe='-_~.')}={urllib.parse.quote(str(v), safe='-_~.')}"
                         for k, v in sorted(params.items()))
        text = f"GET\n127.0.0.1\n/services/Cloud/\n{query}"
        mac = hmac.new((key or self.key).encode(), text.encode(), hashlib.sha256).digest()
        return {"access": access or self["access"], "signature": base64.b64encode(mac).decode(), "verb": "GET",
                "host": "127.0.0.1", "path": "/services/Cloud/", "params": params, "headers": {}, "body_hash": ""}

    def soon(self, seconds=7200):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))

    def agreements(self):
        """A rule of the institution, a request that waits by it, a consent that waits, one that is given."""
        stages = [{"role": "manager", "in": "domain"}]
        self.make("rule_made", "/approval/v1/rules", "rule", "boss", name="two pairs of eyes", deadline=86400,
                  action="network:network:create", project_id=self["gated"], stages=stages)
        answer = self.do("ann-gated", "POST", "/network/v2.0/networks", {"network": {"name": "waits"}})
        expect(answer.status == 403, "a command that needs approval is carried out", said=str(answer))
        waiting = self.must("ann-gated", "GET", "/approval/v1/requests?mine=true")["requests"]
        self["request"] = waiting[0]["id"]
        expect(self["request"] in str(answer), "the answer does not name the request", said=str(answer))
        words = {"actions": ["compute:server:show"], "until": self.soon(), "reason": "to look at a disk"}
        self.make("consent", "/approval/v1/consents", "consent", "sysadmin", domain_id=self["bank"], **words)
        self.make("granted", "/approval/v1/consents", "consent", "boss", domain_id=self["bank"], duty="system_admin",
                  project_id=self["still"], **words)

    def registers(self):
        """A duty of the institution's with records, a risk, an exception, an opinion, a witness; a statement."""
        base = "/governance/v1"
        duties = self.must("boss", "GET", f"{base}/duties")["duties"]
        self["duty"] = next(duty["id"] for duty in duties if duty["record"] in (None, "statement"))
        duty = urllib.parse.quote(self["duty"])
        about = "title=a+file&kind=statement&statement=done"
        self["filed"] = self.must("boss", "POST", f"{base}/duties/{duty}/file?{about}", b"what was done",
                                  {"Content-Type": "application/octet-stream"})["record"]["id"]
        self.make("risk", f"{base}/risks", "risk", "boss", title="a risk", treatment="accept", likelihood=1, impact=1)
        self.make("exception", f"{base}/exceptions", "exception", "boss", guardrail="profile", project_id=self["still"],
                  reason="because", expires=self.soon(30 * 86400)[:10])
        self.make("opinion", f"{base}/opinions", "opinion", "auditor", assessor="an assessor", says="note",
                  text="noted")
        self.must("boss", "PUT", f"{base}/profiles/{self['still']}", {"profile": {"level": "basic"}})
        self.make("witness", f"{base}/witnesses", "witness", "boss", who="somebody", role="institution",
                  key=f"bank.example/first ed25519 {POINT}")

    def statements(self):
        self.make("statement", "/access/v1/statements", "statement", "boss", name="nobody", effect="deny",
                  who={"users": [self["spare_user"]]}, actions=["network:router:delete"])
        self["refusal"] = self.do("boss", "POST", "/access/v1/statements", {"statement": {}}).request

    def resources(self):
        self.things |= {"extension": "router", "keypair": "mine"}
        self.delegations()
        self.agreements()
        self["type"] = self.must("ann", "GET", f"/volume/v3/{self['pay']}/types/default")["volume_type"]["id"]
        for item in (i["id"] for i in self.must("ann", "GET", "/identity/v3/registered_limits")["registered_limits"]):
            made = self.must("sysadmin", "POST", "/identity/v3/limits", {"limits": [
                {"project_id": self["pay"], "resource_name": item, "resource_limit": 100_000}]})
            self["limit"] = made["limits"][0]["id"]
        self.make("spare_domain", "/identity/v3/domains", "domain", "secadmin", name="spare")
        self.make("spare_project", "/identity/v3/projects", "project", "boss", name="spare")
        for name in ("spare_user", "guessed_user"):
            self.make(name, "/identity/v3/users", "user", "boss", name=name, domain_id=self["bank"])
        for service, make in (("governance", self.registers), ("access", self.statements)):
            if f"/{service}" in self.mounts():
                make()
        self["image"] = self.image("ann", "image")
        self.must("ann", "PUT", f"/image/v2/images/{self['image']}/tags/word")
        self.make("queued", "/image/v2/images", None, name="queued", disk_format="qcow2", container_format="bare")
        for name in ("network", "empty", "other_network"):
            self.make(name, "/network/v2.0/networks", "network", name=name)
        for name, net, cidr in (("subnet", "network", "10.0.0.0/24"), ("free_subnet", "network", "10.0.1.0/24"),
                                ("joined", "other_network", "10.0.2.0/24")):
            self.make(name, "/network/v2.0/subnets", "subnet", name=name, network_id=self[net], cidr=cidr, ip_version=4)
        self.make("router", "/network/v2.0/routers", "router", name="router")
        self.must("ann", "PUT", f"/network/v2.0/routers/{self['router']}/add_router_interface",
                  {"subnet_id": self["joined"]})
        self.make("security_group", "/network/v2.0/security-groups", "security_group", name="group")
        self.make("security_group_rule", "/network/v2.0/security-group-rules", "security_group_rule",
                  security_group_id=self["security_group"], direction="ingress", protocol="udp", port_range_min=53,
                  port_range_max=53)
        self.make("port", "/network/v2.0/ports", "port", name="port", network_id=self["network"],
                  security_groups=[self["security_group"]], fixed_ips=[{"ip_address": "10.0.0.77"}])
        self.make("lent", "/network/v2.0/ports", "port", name="lent", network_id=self["network"])
        self.must("ann", "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "mine", "public_key": KEY}})
        for name in ("volume", "attached"):
            self.make(name, f"/volume/v3/{self['pay']}/volumes", "volume", name=name, size=1)
            self.volume(name, "available")
        self.must("ann", "POST", f"/volume/v3/{self['pay']}/volumes/{self['volume']}/metadata",
                  {"metadata": {"word": "v"}})
        devices = [{"uuid": self["attached"], "source_type": "volume", "destination_type": "volume", "boot_index": -1}]
        SECRETS.append(script := "user-data-" + secrets.token_hex(12))
        common = {"imageRef": self["image"], "flavorRef": "1", "user_data": base64.b64encode(script.encode()).decode()}
        self.make("server", "/compute/v2.1/servers", "server", name="server", networks=[{"uuid": self["network"]}],
                  block_device_mapping_v2=devices, **common)
        self.make("off", "/compute/v2.1/servers", "server", name="off", networks="none", **common)
        self.server("server", "ACTIVE")
        self.server("off", "ACTIVE")
        self.must("ann", "POST", f"/compute/v2.1/servers/{self['off']}/action", {"os-stop": None})
        self.server("off", "SHUTOFF")
        made = self.must("nobody", "POST", "/identity/v3/OS-JINYUN/device", {"device": {"client": "abuse"}})["device"]
        self["user_code"] = made["user_code"]
        SECRETS.append(made["device_code"])
        self["passkey"] = passkeys.keep(self, "tina")

    def image(self, who, name):
        ident = self.must(who, "POST", "/image/v2/images", {"name": name, "disk_format": "qcow2",
                                                           "container_format": "bare"})["id"]
        with open(stand_in_image(self.args), "rb") as file:
            self.must(who, "PUT", f"/image/v2/images/{ident}/file", file.read(),
                      {"Content-Type": "application/octet-stream"})
        return ident

    def becomes(self, path, one, want):
        def look():
            found = self.must("ann", "GET", path)[one]["status"]
            expect(found not in ("ERROR", "error"), f"{path} went to {found}")
            return found == want
        until(f"{path} becomes {want}", 30, look, 0.05)

    def server(self, name, want):
        self.becomes(f"/compute/v2.1/servers/{self[name]}", "server", want)

    def volume(self, name, want):
        self.becomes(f"/volume/v3/{self['pay']}/volumes/{self[name]}", "volume", want)
