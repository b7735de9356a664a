"""What tests/abuse.py deals with: requests as raw as they have to be, answers judged by each protocol's form, and two
institutions with things in them."""

import base64
import html
import http.client
import json
import re
import secrets
import socket
import ssl
import threading

from abuse_cases import FINE, KEY, NOVA, ROLES, SECRETS, STAFF, TITLES, counter, login, password
from cloud import Instance, expect, until
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
        if service == "identity" or self.status == 401:
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


class Wire:
    """Connections that are kept; one in each thread to each listener."""

    def __init__(self, instance):
        self.instance, self.local = instance, threading.local()
        self.refused = []  # (request id, what was asked) of what must be in the journal
        self.strangers = 0  # answers 401 to requests without a good token

    def connection(self, root):
        if root not in self.local.__dict__:
            self.local.__dict__[root] = self.open(root)
        return self.local.__dict__[root]

    def open(self, root, seconds=30):
        host, port = root.removeprefix("https://").split(":")
        return self.instance.tls.wrap_socket(socket.create_connection((host, int(port)), seconds), server_hostname=host)

    def ask(self, method, url, body=None, token=None, headers=None, alone=False):
        """`url` begins with the listener's. A body of bytes goes as it is. `alone`: on a connection of its own."""
        root = "/".join(url.split("/")[:3])
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
            connection = self.connection(root)
            connection.sendall(head.encode("latin-1") + (data or b""))
            got = http.client.HTTPResponse(connection, method=method)
            got.begin()
            answer = Answer(asked, got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        except (OSError, http.client.HTTPException) as e:
            self.forget(root)
            return Answer(asked, lost=f"no answer: {type(e).__name__}: {e}")
        if alone or got.will_close:
            self.forget(root)
        return answer

    def forget(self, root):
        """Closes this thread's connection."""
        if connection := self.local.__dict__.pop(root, None):
            connection.close()

    def raw(self, url, text):
        """Bytes as they are on a connection of their own; what comes back until the end or silence."""
        try:
            with self.open(url) as made:
                made.settimeout(3)
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

class World:
    """Two institutions with things in them, and whoever uses them."""

    def __init__(self, args):
        self.args, self.instance = args, Instance(args.instance, args.binary, args.port, args.management_port)
        self.wire, self.things, self.users, self.tokens = Wire(self.instance), {"word": "word", "flavor": "1"}, {}, {}

    def __getitem__(self, name):
        return self.things[name]

    def filled(self, value):
        if value == "$range":
            n = next(counter)
            return f"172.{16 + n // 256 % 16}.{n % 256}.0/24"
        return self.things[value[1:]] if isinstance(value, str) and value.startswith("$") else value

    def listener(self, who):
        return self.instance.management if who in STAFF else self.instance.tenants

    def do(self, who, method, path, body=None, headers=None, listener=None):
        return self.wire.ask(method, (listener or self.listener(who)) + path, body, self.tokens.get(who), headers)

    def must(self, who, method, path, body=None, headers=None):
        answer = self.do(who, method, path, body, headers)
        expect(answer.status in FINE, "the world cannot be made", answer.asked, str(answer))
        return answer.json

    def sign_in(self, who):
        answer = self.wire.ask("POST", f"{self.listener(who)}/identity/v3/auth/tokens", login(self.users[who]))
        expect(answer.status == 201, f"{who} cannot sign in", said=str(answer))
        self.tokens[who] = answer.headers["x-subject-token"]
        SECRETS.append(self.tokens[who])
        return answer.json["token"]

    def takes_over(self, who, ident, initial):
        """Changes an initial password and signs in."""
        answer = self.wire.ask("POST", f"{self.listener(who)}/identity/v3/users/{ident}/password",
                               {"user": {"password": self.users[who]["password"], "original_password": initial}})
        expect(answer.status == 204, f"{who}'s password cannot be changed", said=str(answer))
        self.sign_in(who)

    def people(self):
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
        for domain, project, boss, people in (("bank", "pay", "boss",
                                               {"ann": "member", "rita": "reader", "eve": "reader"}),
                                              ("fund", "trade", "boss2", {"bob": "member"})):
            ident = self[domain] = self.must("secadmin", "POST", "/identity/v3/domains",
                                             {"domain": {"name": domain}})["domain"]["id"]
            self.person("secadmin", boss, ident, {"domain": {"id": ident}}, "manager")
            self[project] = self.must(boss, "POST", "/identity/v3/projects",
                                      {"project": {"name": project}})["project"]["id"]
            for name, role in people.items():
                self.person(boss, name, ident, {"project": {"id": self[project]}}, role)
        self["small"] = self.must("boss", "POST", "/identity/v3/projects",
                                  {"project": {"name": "small"}})["project"]["id"]
        self.give("boss", "projects", self["small"], self["ann"], "member")
        self.users["ann-small"] = self.users["ann"] | {"scope": {"project": {"id": self["small"]}}}
        self.sign_in("ann-small")
        self.users["ann-unscoped"] = self.users["ann"] | {"scope": "unscoped"}
        self.sign_in("ann-unscoped")

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

    def resources(self):
        self.things |= {name: ROLES[name] for name in ("reader", "system_admin")} | {"extension": "router",
            "keypair": "mine"}
        self["service"] = self.must("ann", "GET", "/identity/v3/services")["services"][0]["id"]
        self["type"] = self.must("ann", "GET", f"/volume/v3/{self['pay']}/types/default")["volume_type"]["id"]
        for item in (i["id"] for i in self.must("ann", "GET", "/identity/v3/registered_limits")["registered_limits"]):
            made = self.must("sysadmin", "POST", "/identity/v3/limits", {"limits": [
                {"project_id": self["pay"], "resource_name": item, "resource_limit": 100_000}]})
            self["limit"] = made["limits"][0]["id"]
        self.make("spare_domain", "/identity/v3/domains", "domain", "secadmin", name="spare")
        self.make("spare_project", "/identity/v3/projects", "project", "boss", name="spare")
        self.make("spare_user", "/identity/v3/users", "user", "boss", name="spare", domain_id=self["bank"])
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
