#!/usr/bin/python3
"""Bad input for every operation of the API, against an instance of its own with simulated hosts.

    tests/abuse.py --binary PATH [--instance NAME] [--port N] [--management-port N] [--postgres STRING] [--keep]

The list of operations is docs/openstack.md; one without a case in CASES is an error. Whatever comes in, the answer is
the protocol's own: no 5xx (but Nova's 501), no broken connection, the service's envelope with words that name what was
wrong, and a request id. What hides a stranger's thing gives the answer for a thing that is not there. Afterwards the
journal has each refusal under its request id and no secret, it verifies, and the cloud still works.
The last line is `N passed, N failed`."""

import argparse
import collections
import concurrent.futures
import copy
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from abuse_cases import (CASES, FINE, HEX, KEY, LARGE, LONG, LONG_NAME, MALFORMED, QUERIES, ROLES, SECRETS, SERVICES,
                         STAFF,
                         TRICKS, UUID, WORKERS, compute_cases, fresh, identity_cases, image_cases, login,
                         network_cases, operations, password, volume_cases, wrong)
from abuse_world import World
from cloud import Failed, expect, run, until
from tour import stand_in_image

HERE = os.path.dirname(os.path.abspath(__file__))

# Judging ----------------------------------------------------------------------------------------------------------

class Sweep:
    def __init__(self, args):
        self.args, self.passed, self.failed = args, 0, 0
        self.world, self.lock, self.kept = None, threading.Lock(), collections.Counter()
        self.operations = operations()

    def check(self, what, right, said="", kind=""):
        """`kind`: failures of a kind are shown a few times only."""
        with self.lock:
            self.passed, self.failed = self.passed + bool(right), self.failed + (not right)
            if not right:
                self.kept[kind or what] += 1
                if self.kept[kind or what] <= self.args.show:
                    short = lambda text, most: re.sub(r"(.)\1{30,}", r"\1\1\1(...)", text)[:most]
                    print(f"FAILED: {short(what, 300)}\n    {short(said, 1200)}", flush=True)
        return right

    def judge(self, what, service, answer, want, says=(), recorded=True, kind=""):
        """One request's answer: its code, its form, its words, its record. `says`: one of these is in the words."""
        found = self.faults(service, answer, want, says)
        if 400 <= answer.status < 500 and recorded and answer.request:
            self.world.wire.refused.append((answer.request, answer.asked))
        return self.check(f"{service}: {what}: {'; '.join(found)}", not found, f"{answer.asked}\n    -> {answer}",
                          kind or f"{service} {what.split(':')[0]} {found[:1]}")

    def faults(self, service, answer, want, says):
        if answer.lost:
            return ["the connection broke"]
        found = []
        if answer.status not in want:
            found.append(f"{answer.status}, not {' or '.join(map(str, sorted(want)))}")
        if answer.status >= 500 and answer.status != 501:
            return found
        if not re.fullmatch(r"req-[0-9a-f-]{36}", answer.request):
            found.append("no x-openstack-request-id")
        if "x-evil" in answer.headers:
            found.append("the request wrote a header of the answer")
        if answer.status < 400 or answer.asked.startswith("HEAD"):
            return found
        try:
            words = answer.message(service)
            if not words.strip():
                found.append("no words")
            if len(words) > LONG:
                found.append(f"the words are {len(words)} characters long")
            if says and answer.status in want and not any(word in words for word in says):
                found.append(f"the words do not name {' or '.join(says)}")
            if any(secret in words for secret in SECRETS):
                found.append("the words hold a secret")
            if re.search(r"/var/lib|panicked|\.rs:\d|SQL|sqlite|postgres|Permit|Some\(|Err\(", words):
                found.append("the words tell of the inside")
        except Failed as e:
            found.append(e.what)
        return found

    def all(self, probes):
        """Runs probes, functions without parameters, side by side."""
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for future in [pool.submit(probe) for probe in probes]:
                try:
                    future.result()
                except Exception as e:  # a broken probe is a failure, not an end
                    self.check(f"a probe ended with {type(e).__name__}: {e}", False, kind="probe")

    # Paths -------------------------------------------------------------------------------------------------------

    def path(self, service, path, case, **other):
        """The path of an operation with ann's things in it, or with others (quoted already) in their place."""
        here = {name: urllib.parse.quote(self.world[thing], safe="") for name, thing in case.here.items()} | other
        return SERVICES[service] + re.sub(r"\{(\w+)\}", lambda found: here[found[1]], path)

    def body(self, case):
        return None if case.body is None else case.body(self.world)

    def unknown(self, service, param):
        return HEX if service == "identity" else UUID

    # The sweep ---------------------------------------------------------------------------------------------------

    def document(self):
        """every operation of the document has a case, and every case is an operation"""
        for add in (identity_cases, image_cases, volume_cases, network_cases, compute_cases):
            add()
        listed = [(service, method, path) for service, method, path, _ in self.operations]
        self.check("the document has operations of each service", len(listed) > 150
                   and {service for service, _, _ in listed} == set(SERVICES), str(len(listed)))
        for key in sorted(set(listed) | set(CASES)):
            self.check(f"{' '.join(key)}: {'no such operation' if key in CASES else 'no case'}",
                       key in CASES and key in listed)
        return [entry for entry in self.operations if entry[:3] in CASES]

    def strangers(self, service, method, path, who, case):
        """Whoever has no token, or none that is good; staff at the tenants' listener."""
        w, url = self.world, self.path(service, path, case)
        if who == "anybody":
            return
        bad = [None, "garbage", "", w.tokens["ann"][:-4] + "AAAA"] if method != "HEAD" else [None]
        for token in bad:
            answer = w.wire.ask(method, w.listener(case.by) + url, self.body(case), token)
            w.wire.strangers += 1
            self.judge(f"without a good token: {method} {path}", service, answer, {401}, recorded=False)
        answer = w.do("sysadmin", method, url, self.body(case), listener=w.instance.tenants)
        self.judge(f"staff at the tenants' listener: {method} {path}", service, answer, {403})

    def foreigners(self, service, method, path, who, case):
        """Another tenant's user gets the same answer for ann's thing as for none."""
        w = self.world
        params = [name for name in case.here if name not in case.free + ["role", "key", "tag"]]
        if not case.other or not params:
            return
        body = self.body(case)
        for who_else in {case.other, "bob", "boss2"} if service == "identity" else {case.other}:
            own = {"project_id": w["trade"]} if "project_id" in params and len(params) > 1 else {}
            asked = [name for name in params if name not in own]
            real = w.do(who_else, method, self.path(service, path, case, **own), body)
            none = w.do(who_else, method, self.path(service, path, case, **own | {
                name: self.unknown(service, name) for name in asked}), body)
            want = case.hides if who_else == case.other else case.hides | {403}
            self.judge(f"a foreign thing: {method} {path} by {who_else}", service, real, want)
            self.judge(f"a foreign thing that is not there: {method} {path} by {who_else}", service, none, want)

            def plain(answer):
                text = answer.data.decode()
                for name in asked:
                    text = text.replace(w[case.here[name]], "ID").replace(self.unknown(service, name), "ID")
                return answer.status, text
            self.check(f"{service}: {method} {path} tells {who_else} that there is one", plain(real) == plain(none),
                       f"{plain(real)}\n    {plain(none)}", f"{service} tells")

    def duties(self, service, method, path, who, case):
        """Staff reach nothing of a tenant's; a reader changes nothing; nobody does anything without a scope."""
        w, url = self.world, self.path(service, path, case)
        if who in ("anybody", "any token", "any user") or "owner" in who:
            return
        if not re.search("system|audit|security|any project", who) and (case.here or method != "GET"):
            for name in STAFF:
                self.judge(f"{name} at a tenant's thing: {method} {path}", service,
                           w.do(name, method, url, self.body(case)), {400, 403, 404})
        if method != "GET" and service != "identity":
            reader = {403} if who.startswith("member") or who == "system admin" else {403, 404}
            self.judge(f"a reader changes something: {method} {path}", service,
                       w.do("rita", method, url, self.body(case)), reader)
            self.judge(f"without a scope: {method} {path}", service,
                       w.do("ann-unscoped", method, url, self.body(case)), {400, 401, 403, 404})
        if who.endswith("admin") and " " in who and "," not in who:
            for name in ("ann", "boss", "bob", *(set(STAFF) - {case.by})):
                self.judge(f"{name} does staff's work: {method} {path}", service,
                           w.do(name, method, url, self.body(case)), {403, 404})

    def ids(self, service, method, path, who, case):
        """Ids that nobody has, and such as lead elsewhere."""
        w = self.world
        for param in [name for name in case.here if name not in case.free]:
            own = {"user": "sysadmin"}.get(param) if "system" in path else None
            if not (method in ("PUT", "DELETE") and param == "role" and own):
                answer = w.do(case.by, method, self.path(service, path, case, **{param: self.unknown(service, param)}),
                              self.body(case))
                self.judge(f"an unknown {param}: {method} {path}", service, answer, case.absent)
            for trick in TRICKS:
                answer = w.do(case.by, method, self.path(service, path, case, **{param: trick}), self.body(case))
                self.judge(f"a trick as {param}: {method} {path}", service, answer, case.absent | {400, 404})
        for param in case.free:
            for trick in TRICKS:
                answer = w.do(case.by, method, self.path(service, path, case, **{param: trick}), self.body(case))
                self.judge(f"a trick as {param}: {method} {path}", service, answer, FINE | {400, 404})

    def bodies(self, service, method, path, who, case):
        """What is no JSON, no object, nothing at all, or far too much."""
        if method not in ("POST", "PUT", "PATCH") or case.stream:
            return
        w, url = self.world, self.path(service, path, case)
        for text in MALFORMED:
            self.judge(f"malformed JSON: {method} {path}", service, w.do(case.by, method, url, text), {400},
                       says=("JSON", "json"))
        huge = b'{"' + b"x" * LARGE + b'": 1}'
        answer = w.wire.ask(method, w.listener(case.by) + url, huge, w.tokens[case.by], alone=True)
        self.judge(f"a body of 2 MiB: {method} {path}", service, answer, {413}, says=("larger", "large"))
        if case.idle:
            return
        good = self.body(case)
        if case.empty:
            hollow = [[{}]] if isinstance(good, list) else [{}, {next(iter(good)): None}, {next(iter(good)): []},
                                                           {next(iter(good)): "x"}, {"wrong": {}}]
            hollow += [None, [], "x", 1, True] if not isinstance(good, list) else [None, {}, "x", 1, [7], [[]]]
            if (service, path) == ("compute", "/v2.1/servers/{id}/action"):
                hollow = [{}, None, [], "x", 1, {"os-start": None, "os-stop": None}]
        else:
            hollow = [None, [], "x", 1, True]
        for thing in hollow:
            self.judge(f"a hollow body: {method} {path}", service,
                       w.do(case.by, method, url, json.dumps(thing).encode()),
                       {400})
        self.judge(f"no body: {method} {path}", service, w.do(case.by, method, url), {400})
        for kind in ("text/plain", "application/xml", "image/png", "", "application/json; charset=utf-16", "x" * 3000):
            self.judge(f"content type {kind[:40]}: {method} {path}", service,
                       w.do(case.by, method, url, b"<a>no JSON</a>", {"Content-Type": kind}), {400, 415})

    def members(self, service, method, path, who, case):
        """Each member with each wrong value; unknown members; many of them."""
        w, url = self.world, self.path(service, path, case)
        if not case.body or method == "DELETE":
            return

        def send(label, name, value, want, says, absent=False):
            whole = copy.deepcopy(self.body(case))
            inside = case.at(whole)
            inside[name] = value
            if absent:
                del inside[name]
            answer = w.do(case.by, method, url, whole)
            shown = repr(value)[:60]
            self.judge(f"{label}: {method} {path}: {name} = {shown}", service, answer, want, says,
                       kind=f"{service} {method} {path} {name} {answer.status}")
        names = []
        for entry in case.members.split():
            name, kind = entry.split("=")
            names.append(needed := name.rstrip("!"))
            for value, want in wrong(kind):
                # A missing thing is named by its id, a member by its name.
                says = (needed, *case.names, *([str(value)[:40]] if isinstance(value, str) and kind in ("ref", "gone",
                    "ids", "label") else []))
                says += ("volume_type", "snapshot", "backup") if kind in ("ref", "gone") else ()
                says += ("identity:", "network:", "not permitted", "could not be found") if want & {403, 404} else ()
                send(f"wrong {kind.partition('(')[0]}", needed, value, want, says)
            if name.endswith("!"):
                send("nothing where something is needed", needed, None, {400}, (needed,))
                send("a member is missing", needed, None, {400}, (needed,), absent=True)
        if case.unknown and (service, path) != ("compute", "/v2.1/servers/{id}/action"):
            send("an unknown member", "nonsense", 1, {400}, ("nonsense",))
            send("an unknown member", "__proto__", {"a": 1}, {400}, ("__proto__",))
            if path.split("/")[-1] in ("domains", "volumes", "networks", "servers"):
                send("an unknown member", "n" * 100_000, 1, {400}, ("n" * 20,))

    def queries(self, service, method, path, who, case):
        """Strange query strings."""
        if method != "GET":
            return
        w, url = self.world, self.path(service, path, case)
        want = case.absent | FINE | {400, 403, 404}
        for query in QUERIES:
            sure = case.pages and query in ("limit=-1", "limit=abc", f"marker={UUID}")
            self.judge(f"query {query[:40]}: {path}", service, w.do(case.by, method, f"{url}?{query}"),
                       {400, 404} if sure else want, says=(query.split("=")[0],) if sure else ())
        answer = w.do(case.by, method, url, b"{")
        self.judge(f"a body with GET: {path}", service, answer, FINE | {400, 404})

    def methods(self):
        """A method that a path does not have is 405, whatever it is."""
        w, paths = self.world, collections.defaultdict(set)
        for service, method, path, _ in self.operations:
            paths[service, path].add(method)

        def fits(pattern, path):
            parts = pattern.split("/"), path.split("/")
            return len(parts[0]) == len(parts[1]) and all(a.startswith("{") or a == b for a, b in zip(*parts))
        probes = []
        for (service, path), _ in paths.items():
            case = next(CASES[key] for key in CASES if key[0] == service and key[2] == path)
            url = self.path(service, path, case)
            offered = {m for (s, p), ms in paths.items() if s == service
                       and fits(p, url.removeprefix(SERVICES[service]) or "/") for m in ms}
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get"} - offered:
                probes.append(lambda service=service, method=method, path=path, case=case, url=url: self.judge(
                    f"no such method: {method} {path}", service, w.do(case.by, method, url), {405}, recorded=False))
            for more in ("/nonsense/at/all", "/%2e%2e/%2e%2e/x/y", "/../x/y/z"):
                probes.append(lambda service=service, path=path, case=case, url=url, more=more: self.judge(
                    f"no such path: {path}{more}", service, w.do(case.by, "GET", url.rstrip("/") + more), {404},
                    recorded=False))
        self.all(probes)

    def sweep(self):
        """every operation: strangers, foreigners, duties, ids, bodies, members, queries"""
        known = self.document()
        probes = []
        for service, method, path, who in known:
            for look in (self.strangers, self.foreigners, self.duties, self.ids, self.bodies, self.members,
                         self.queries):
                if (service, method, path) == ("identity", "DELETE", "/v3/auth/tokens"):
                    continue  # would end the token that everybody uses: `signing` has it
                probes.append(lambda look=look, entry=(service, method, path, who): look(*entry, CASES[entry[:3]]))
        self.all(probes)
        self.methods()

    # Stories -----------------------------------------------------------------------------------------------------

    def refuse(self, who, method, path, body, want, *says, headers=None):
        service = path.split("/")[1]
        answer = self.world.do(who, method, path, body, headers)
        self.judge(f"{method} {path[:80]}: {str(body)[:200]}", service, answer,
                   {want} if isinstance(want, int) else want,
                   says, kind=f"{method} {path} {body}"[:120])
        return answer

    def signing(self):
        """signing in: wrong in every way, and never a word too much"""
        w = self.world
        url, ann = "/identity/v3/auth/tokens", w.users["ann"]

        def attempt(change, want, *says, who="ann-less"):
            whole = login(ann)
            change(whole["auth"])
            return self.refuse(who, "POST", url, whole, want, *says)
        same = []
        for change in (lambda a: user(a).update(password=password()), lambda a: user(a).update(name="nobody-there"),
                       lambda a: user(a).update(domain={"id": HEX}), lambda a: user(a).update(name="ann'--"),
                       lambda a: a.update(scope={"project": {"id": w["trade"]}}),
                       lambda a: a.update(scope={"project": {"id": HEX}}),
                       lambda a: a.update(scope={"domain": {"id": w["bank"]}}),
                       lambda a: a.update(scope={"system": {"all": True}})):
            answer = attempt(change, 401)
            same.append((answer.status, answer.data))
        self.check("identity: refused sign-ins differ in their words", len(set(same)) == 1, str(set(same)))
        for change, says in (
                (lambda a: a["identity"].pop("methods"), "methods"),
                (lambda a: a["identity"].update(methods=[]), "methods"),
                (lambda a: a["identity"].update(methods="password"), "methods"),
                (lambda a: a["identity"].update(methods=[7]), "methods"),
                (lambda a: a["identity"].update(methods=["totp"]), "methods"),
                (lambda a: a["identity"].update(methods=["password", "totp"]), "methods"),  # asks for more than it gets
                (lambda a: a["identity"].update(methods=["x" * 500_000]), "methods"),
                (lambda a: a["identity"].update(methods=["token"]), "token"),
                (lambda a: a["identity"].update(password="x"), "password"),
                (lambda a: user(a).pop("password"), "password"),
                (lambda a: user(a).update(password=[password()]), "password"),
                (lambda a: user(a).update(password={"is": password()}), "password"),
                (lambda a: user(a).update(name=["ann"]), "name"), (lambda a: user(a).update(name="a\0b"), "name"),
                (lambda a: user(a).update(name=LONG_NAME), "name"), (lambda a: user(a).pop("domain"), "domain"),
                (lambda a: user(a).update(domain="bank"), "domain"), (lambda a: user(a).update(domain={}), "name"),
                (lambda a: a.update(scope=7), "scope"), (lambda a: a.update(scope={}), "scope"),
                (lambda a: a.update(scope="everything"), "scope"),
                (lambda a: a.update(scope={"project": "x"}), "project"),
                (lambda a: a.update(scope={"project": {"name": "pay"}}), "domain"),
                (lambda a: a.update(scope={"system": {"all": False}}), "system"),
                (lambda a: a.update(scope={"system": "x"}), "system"),
                (lambda a: a.update(nonsense=1), "nonsense"), (lambda a: user(a).update(nonsense=1), "nonsense")):
            attempt(change, 400, says)
        inner = {"auth": {"identity": {"methods": ["token"], "token": {"id": [w.tokens["ann"]]}}}}
        self.refuse("ann-less", "POST", url, inner, 400, "id")
        inner["auth"]["identity"]["token"]["id"] = w.tokens["ann"] + "x"
        self.refuse("ann-less", "POST", url, inner, 401)
        # An institution's first manager has to change the password that the security administrator gave.
        domain = w.must("secadmin", "POST", "/identity/v3/domains", {"domain": {"name": fresh()}})["domain"]["id"]
        first = {"name": "first", "domain": domain, "password": password(), "scope": {"domain": {"id": domain}}}
        made = w.must("secadmin", "POST", "/identity/v3/users",
                      {"user": {"name": "first", "domain_id": domain, "password": first["password"]}})
        w.give("secadmin", "domains", domain, made["user"]["id"], "manager")
        self.refuse("ann-less", "POST", url, login(first), 401,
                    f"expired and needs to be changed for user: {made['user']['id']}")
        wrong_one = self.refuse("ann-less", "POST", url, login(first | {"password": password()}), 401)
        self.check("identity: a wrong password of somebody who must change it has other words",
                   (wrong_one.status, wrong_one.data) == same[0])
        subject = lambda text: {"X-Subject-Token": text}
        self.refuse("ann", "GET", url, None, 400, "X-Subject-Token")
        for text in ("garbage", w.tokens["bob"], w.tokens["boss"], "x" * 9000):
            for method in ("GET", "HEAD", "DELETE"):
                self.refuse("ann", method, url, None, 404, headers=subject(text))
        w.users["spent"] = ann
        w.sign_in("spent")
        w.must("spent", "DELETE", url, headers=subject(w.tokens["spent"]))
        self.refuse("spent", "GET", "/network/v2.0/networks", None, 401)
        w.wire.strangers += 1
        w.wire.refused.pop()
        # Passwords: too weak, the old one again, not one's own.
        path, old = f"/identity/v3/users/{w['eve']}/password", w.users["eve"]["password"]
        for new in ("short", "alllowercaseletters", "x" * 999, old):
            self.refuse("eve", "POST", path, {"user": {"password": new, "original_password": old}}, 400, "password")
        self.refuse("bob", "POST", path, {"user": {"password": password(), "original_password": password()}}, 401)
        self.refuse("eve", "POST", path, {"user": {"password": password(), "original_password": old, "more": 1}}, 400,
                    "more")

    def taken(self):
        """names, ids and addresses that somebody has"""
        w, pay = self.world, self.world["pay"]
        for name in ("bank", "BANK"):
            self.refuse("secadmin", "POST", "/identity/v3/domains", {"domain": {"name": name}}, 409, "bank", "BANK")
        self.refuse("secadmin", "PATCH", f"/identity/v3/domains/{w['spare_domain']}", {"domain": {"name": "fund"}}, 409,
                    "fund")
        self.refuse("boss", "POST", "/identity/v3/projects", {"project": {"name": "pay"}}, 409, "pay")
        self.refuse("boss", "POST", "/identity/v3/users", {"user": {"name": "Ann", "domain_id": w["bank"]}}, 409, "Ann")
        self.refuse("sysadmin", "POST", "/compute/v2.1/flavors",
                    {"flavor": {"name": "m1.tiny", "ram": 1, "vcpus": 1, "disk": 1}},
                    409, "m1.tiny")
        self.refuse("sysadmin", "POST", "/compute/v2.1/flavors",
                    {"flavor": {"name": fresh(), "id": "1", "ram": 1, "vcpus": 1, "disk": 1}}, 409, "1")
        self.refuse("ann", "POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "mine", "public_key": KEY}}, 409,
                    "mine")
        self.refuse("ann", "POST", "/image/v2/images", {"id": w["image"]}, 409, w["image"])
        self.refuse("sysadmin", "POST", "/identity/v3/limits",
                    {"limits": [{"project_id": pay, "resource_name": "volumes", "resource_limit": 1}]}, 409, "volumes")
        rule = {"security_group_id": w["security_group"], "direction": "ingress", "protocol": "17",
                "port_range_min": 53,
                "port_range_max": 53}
        self.refuse("ann", "POST", "/network/v2.0/security-group-rules", {"security_group_rule": rule}, 409,
                    w["security_group"])
        self.refuse("ann", "POST", "/network/v2.0/security-groups", {"security_group": {"name": "default"}}, 409,
                    "efault")
        self.refuse("ann", "POST", "/network/v2.0/subnets",
                    {"subnet": {"network_id": w["network"], "cidr": "10.0.0.128/25", "ip_version": 4}}, 400, "overlaps")
        port = {"network_id": w["network"]}
        taken = w.must("ann", "GET", f"/network/v2.0/ports/{w['port']}")["port"]
        for ip in ("10.0.0.77", "10.0.0.1"):
            self.refuse("ann", "POST", "/network/v2.0/ports", {"port": port | {"fixed_ips": [{"ip_address": ip}]}}, 409,
                        ip)
        for ip in ("10.9.9.9", "10.0.0.0", "10.0.0.255", "255.255.255.255"):
            self.refuse("ann", "POST", "/network/v2.0/ports", {"port": port | {"fixed_ips": [{"ip_address": ip}]}}, 400,
                        ip, "fixed_ips")
        self.refuse("ann", "POST", "/network/v2.0/ports",
                    {"port": port | {"mac_address": taken["mac_address"].upper()}}, 409,
                    taken["mac_address"])
        self.refuse("ann", "PUT", f"/network/v2.0/routers/{w['router']}/add_router_interface",
                    {"subnet_id": w["joined"]}, 400,
                    w["joined"])
        self.refuse("ann", "PUT", f"/network/v2.0/routers/{w['router']}/remove_router_interface",
                    {"subnet_id": w["subnet"]}, 404, w["subnet"])

    def in_use(self):
        """what is in use stays, and what is in another state does not do it"""
        w, net = self.world, "/network/v2.0"
        used = ((f"{net}/networks/{w['network']}", 409), (f"{net}/subnets/{w['subnet']}", 409),
                (f"{net}/subnets/{w['joined']}", 409), (f"{net}/routers/{w['router']}", 409),
                (f"{net}/security-groups/{w['security_group']}", 409),
                (f"/volume/v3/{w['pay']}/volumes/{w['attached']}", 400))
        for path, want in used:
            self.refuse("ann", "DELETE", path, None, want, path.split("/")[-1])
        groups = w.must("ann", "GET", f"{net}/security-groups?name=default")["security_groups"]
        self.refuse("ann", "DELETE", f"{net}/security-groups/{groups[0]['id']}", None, 409, "default")
        self.refuse("ann", "PUT", f"{net}/security-groups/{groups[0]['id']}", {"security_group": {"name": "x"}}, 409,
                    "default")
        [own] = w.must("ann", "GET", f"{net}/ports?device_id={w['server']}")["ports"]
        self.refuse("ann", "DELETE", f"{net}/ports/{own['id']}", None, 409, w["server"])
        self.refuse("ann", "PUT", f"{net}/ports/{own['id']}", {"port": {"mac_address": "fa:16:3e:00:00:99"}}, 409,
                    own["id"])
        self.refuse("ann", "PUT", f"{net}/ports/{w['port']}", {"port": {"device_owner": "network:dhcp"}}, {400, 403},
                    "device_owner")
        for guard, want in (("revision_number=999", 412), ("revision_number=abc", 400), ("*", 400), ("", 400)):
            self.refuse("ann", "PUT", f"{net}/networks/{w['network']}", {"network": {"name": "n"}}, want,
                        headers={"If-Match": guard})
        self.refuse("boss", "DELETE", f"/identity/v3/projects/{w['pay']}", None, 409, w["pay"])
        self.refuse("secadmin", "DELETE", f"/identity/v3/domains/{w['bank']}", None, 403, "disable")
        w.must("secadmin", "PATCH", f"/identity/v3/domains/{w['fund']}", {"domain": {"enabled": False}})
        self.refuse("secadmin", "DELETE", f"/identity/v3/domains/{w['fund']}", None, 409, w["fund"])
        self.refuse("bob", "GET", "/network/v2.0/networks", None, 401)
        w.wire.strangers += 1
        w.wire.refused.pop()
        w.must("secadmin", "PATCH", f"/identity/v3/domains/{w['fund']}", {"domain": {"enabled": True}})
        self.refuse("secadmin", "DELETE", "/identity/v3/domains/default", None, {403, 409}, "default", "provider")
        for user, role, want in ((w["sysadmin"], "system_admin", 409), (w["sysadmin"], "audit_admin", 409),
                                 (w["ann"], "audit_admin", 400), (w["sysadmin"], "member", 400)):
            self.refuse("secadmin", "DELETE" if want == 409 and role == "system_admin" else "PUT",
                        f"/identity/v3/system/users/{user}/roles/{ROLES[role]}", None, want)
        self.refuse("secadmin", "PUT", f"/identity/v3/domains/default/users/{w['auditor']}/roles/{ROLES['manager']}",
                    None, {400, 403})
        self.refuse("secadmin", "PUT", f"/identity/v3/domains/{w['bank']}/users/{w['ann']}/roles/{ROLES['manager']}",
                    None, 403)
        self.refuse("secadmin", "POST", "/identity/v3/users", {"user": {"name": fresh(), "domain_id": w["bank"]}}, 403)
        self.refuse("boss", "POST", "/identity/v3/projects", {"project": {"name": fresh(), "domain_id": w["fund"]}},
                    {403, 404})
        self.refuse("boss", "PUT", f"/identity/v3/projects/{w['pay']}/users/{w['bob']}/roles/{ROLES['member']}", None,
                    404, w["bob"])
        same = [self.refuse(who, "POST", "/identity/v3/limits", {"limits": [
            {"project_id": project, "resource_name": "volumes", "resource_limit": 1}]}, {403, 404})
            for who, project in (("bob", w["pay"]), ("bob", HEX))]
        self.check("identity: POST /v3/limits tells anybody which projects there are",
                   len({(a.status, a.data.replace(w["pay"].encode(), b"ID").replace(HEX.encode(),
                       b"ID")) for a in same}) == 1,
                   "\n    ".join(map(str, same)))
        image = f"/image/v2/images/{w['image']}"
        octets = {"Content-Type": "application/octet-stream"}
        self.refuse("ann", "PUT", image + "/file", b"more", 409, "active", headers=octets)
        self.refuse("ann", "PATCH", image, [{"op": "replace", "path": "/disk_format", "value": "raw"}], 403,
                    "disk_format")
        w.must("ann", "PATCH", image, [{"op": "replace", "path": "/protected", "value": True}])
        self.refuse("ann", "DELETE", image, None, 403, "protected")
        w.must("ann", "PATCH", image, [{"op": "replace", "path": "/protected", "value": False}])
        for step in ({"op": "replace", "path": "/status", "value": "x"}, {"op": "remove", "path": "/name"},
                     {"op": "add", "path": "/visibility", "value": "public"},
                     {"op": "replace", "path": "/owner", "value": w["trade"]}):
            self.refuse("ann", "PATCH", image, [step], 403)
        for step in ({"op": "replace", "path": "/nothing", "value": "x"}, {"op": "remove", "path": "/nothing"}):
            self.refuse("ann", "PATCH", image, [step], 409, "nothing")
        for step in ({"op": "test", "path": "/name"}, {"op": "replace", "path": "name", "value": "x"},
                     {"op": "add", "path": "/a/b"},
                     {"op": "replace", "path": "/name"}, {"op": "add", "path": "/p", "value": {}},
                     {"op": "add", "path": "/" + "p" * 300,
                      "value": "x"}, {"op": "add", "path": "/\0", "value": "x"}):
            self.refuse("ann", "PATCH", image, [step], 400)
        self.refuse("ann", "PATCH", image, [{"op": "replace", "path": "/" + "n" * 500_000, "value": "x"}], {400, 409})
        queued = f"/image/v2/images/{w['queued']}/file"
        for data in (b"", b"no qcow2 at all", b"QFI\xfb" + b"\xff" * 600, b"\0" * LARGE, backing_file(w.args)):
            self.refuse("ann", "PUT", queued, data, 400, "data", "qcow2", "backing", headers=octets)
        server = f"/compute/v2.1/servers/{w['server']}"
        self.refuse("ann", "POST", server + "/action", {"os-start": None}, 409, w["server"])
        self.refuse("ann", "POST", f"/compute/v2.1/servers/{w['off']}/action", {"os-stop": None}, 409, w["off"])
        for action in ("reboot", "rebuild", "resize", "os-getVNCConsole", "createImage", "x\0y", "", "é",
                       "a" * 500_000):
            self.refuse("ann", "POST", server + "/action", {action: {}}, 501, "os-start")
            self.refuse("bob", "POST", server + "/action", {action: {}}, 404)
        for body in ({"os-getConsoleOutput": "x"}, {"os-getConsoleOutput": [1]},
                     {"os-getConsoleOutput": {"nonsense": 1}}):
            self.refuse("ann", "POST", server + "/action", body, 400)
        self.refuse("ann", "PUT", server, {"server": {"name": "  "}}, 400, "name")

    def named_in_bodies(self):
        """another tenant's things, named in a body, are not there"""
        w = self.world
        theirs = {"image": w["image"], "network": w["network"], "port": w["port"], "volume": w["volume"],
                  "group": w["security_group"],
                  "subnet": w["subnet"], "key": "mine"}
        w["own_image"] = w.image("bob", "own")
        for name, path in (("own_network", "networks"), ("own_router", "routers"), ("own_group", "security-groups")):
            w.make(name, f"/network/v2.0/{path}", path[:-1].replace("-", "_"), "bob", name=name)
        server = {"name": "s", "imageRef": w["own_image"], "flavorRef": "1", "networks": "none"}
        disk = lambda ident: [{"uuid": ident, "source_type": "volume", "destination_type": "volume", "boot_index": -1}]
        attempts = [
            ("/compute/v2.1/servers", "image", lambda i: {"server": server | {"imageRef": i}}),
            ("/compute/v2.1/servers", "network", lambda i: {"server": server | {"networks": [{"uuid": i}]}}),
            ("/compute/v2.1/servers", "port", lambda i: {"server": server | {"networks": [{"port": i}]}}),
            ("/compute/v2.1/servers", "volume", lambda i: {"server": server | {"block_device_mapping_v2": disk(i)}}),
            ("/compute/v2.1/servers", "group", lambda i: {"server": server | {"security_groups": [{"name": i}]}}),
            ("/compute/v2.1/servers", "key", lambda i: {"server": server | {"key_name": i}}),
            (f"/volume/v3/{w['trade']}/volumes", "image", lambda i: {"volume": {"size": 1, "imageRef": i}}),
            (f"/volume/v3/{w['trade']}/volumes", "volume", lambda i: {"volume": {"size": 1, "source_volid": i}}),
            ("/network/v2.0/ports", "network", lambda i: {"port": {"network_id": i}}),
            ("/network/v2.0/ports", "group", lambda i: {"port": {"network_id": w["own_network"],
                                                                 "security_groups": [i]}}),
            ("/network/v2.0/ports", "subnet", lambda i: {"port": {"network_id": w["own_network"],
                                                                  "fixed_ips": [{"subnet_id": i}]}}),
            ("/network/v2.0/subnets", "network", lambda i: {"subnet": {"network_id": i, "cidr": "10.7.0.0/24"}}),
            ("/network/v2.0/security-group-rules", "group", lambda i: {"security_group_rule": {
                "security_group_id": i, "direction": "ingress"}}),
            ("/network/v2.0/security-group-rules", "group", lambda i: {"security_group_rule": {
                "security_group_id": w["own_group"], "direction": "ingress", "remote_group_id": i}}),
        ]
        for path, kind, body in attempts:
            answers = [self.refuse("bob", "POST", path, body(ident), {400, 404}, ident)
                       for ident in (theirs[kind], "theirs" if kind == "key" else UUID)]
            plain = {(a.status, a.data.decode().replace(theirs[kind], "ID").replace(UUID, "ID").replace("theirs", "ID"))
                     for a in answers}
            self.check(f"{path} tells that there is such a {kind}", len(plain) == 1, str(plain))
        for verb in ("add", "remove"):
            self.refuse("bob", "PUT", f"/network/v2.0/routers/{w['own_router']}/{verb}_router_interface",
                        {"subnet_id": w["subnet"]}, 404, w["subnet"])
        # Members inside members.
        server = {"name": "s", "imageRef": w["image"], "flavorRef": "1"}
        for nic in ({"uuid": 7}, {"uuid": w["network"], "fixed_ip": "x"}, {"uuid": w["network"], "fixed_ip": 7},
                    {"nonsense": 1}, {},
                    {"uuid": w["network"], "fixed_ip": "10.9.9.9"}, {"port": w["port"], "fixed_ip": "10.0.0.9"},
                    {"uuid": "../../x"}, {"uuid": w["network"], "tag": "t"}, {"port": ["x"]}):
            self.refuse("ann", "POST", "/compute/v2.1/servers", {"server": server | {"networks": [nic]}}, 400)
        self.refuse("ann", "POST", "/compute/v2.1/servers",
                    {"server": server | {"networks": [{"port": w["lent"]}] * 2}}, 400, w["lent"])
        self.refuse("ann", "POST", "/compute/v2.1/servers",
                    {"server": server | {"networks": [{"uuid": w["network"]}] * 40}}, 400, "networks")
        self.refuse("ann", "POST", "/compute/v2.1/servers", {"server": server}, 409, "network")
        volume = disk(w["attached"])[0]
        for device, want in ((volume, {400, 409}), (volume | {"boot_index": 0}, 400),
                             (volume | {"source_type": "snapshot"}, 400),
                             (volume | {"delete_on_termination": True}, 400), (volume | {"uuid": 7}, 400),
                             (volume | {"uuid": ""}, 400),
                             (volume | {"boot_index": "x"}, 400), (volume | {"nonsense": 1}, 400), ({}, 400)):
            self.refuse("ann", "POST", "/compute/v2.1/servers",
                        {"server": server | {"networks": "none", "block_device_mapping_v2": [device]}}, want)
        for reference in ("x" * 500_000, "https://elsewhere/" + UUID, "\0", "/", 10 ** 25):
            self.refuse("ann", "POST", "/compute/v2.1/servers", {"server": server | {"imageRef": reference}}, 400,
                        "imageRef")
        for group in ({"name": 7}, {"name": "x" * 500_000}, {"name": "\0"}, {}, {"id": UUID}):
            self.refuse("ann", "POST", "/compute/v2.1/servers",
                        {"server": server | {"networks": [{"uuid": w["network"]}], "security_groups": [group]}}, 400,
                        "security_groups")
        subnet = {"network_id": w["empty"], "cidr": "10.5.0.0/24", "ip_version": 4}
        for more, want in (({"allocation_pools": [{"start": "10.5.0.9", "end": "10.5.0.2"}]}, 400),
                           ({"allocation_pools": [{"start": 7}]}, 400),
                           ({"allocation_pools": [{"start": "10.6.0.1", "end": "10.6.0.9"}]}, 409),
                           ({"allocation_pools": [{}]}, 400),
                           ({"allocation_pools": [{"start": "10.5.0.1", "end": "10.5.0.9"}]}, 409),
                           ({"allocation_pools": [{"start": "0.0.0.0", "end": "255.255.255.255"}]}, {400, 409}),
                           ({"host_routes": [{"destination": "x", "nexthop": "10.5.0.1"}]}, 400),
                           ({"host_routes": [{}]}, 400),
                           ({"host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.5.0.1"}] * 99}, 400),
                           ({"gateway_ip": "10.6.0.1"}, 400), ({"gateway_ip": "10.5.0.255"}, 400),
                           ({"ip_version": 6}, 400)):
            self.refuse("ann", "POST", "/network/v2.0/subnets", {"subnet": subnet | more}, want, *more)
        for ips in ([{"ip_address": 7}], [{"ip_address": "x"}], [{"subnet_id": 7}], [{}], [{"nonsense": 1}],
                    [{"subnet_id": UUID}], [],
                    [{"ip_address": f"10.0.0.{n}"} for n in range(100, 120)], [{"ip_address": "10.0.0.99"}] * 2):
            self.refuse("ann", "POST", "/network/v2.0/ports", {"port": {"network_id": w["network"], "fixed_ips": ips}},
                        {400, 404})
        rule = {"security_group_id": w["security_group"], "direction": "ingress"}
        for more, says in (({"protocol": "tcp", "port_range_min": 9, "port_range_max": 2}, "port_range_min"),
                           ({"port_range_min": 1}, "rotocol"),
                           ({"protocol": "tcp", "port_range_min": 0, "port_range_max": 0}, "port"),
                           ({"protocol": 256}, "protocol"),
                           ({"protocol": "icmp", "port_range_min": 999}, "port_range_min"),
                           ({"protocol": "icmpv6"}, "IPv4"),
                           ({"remote_ip_prefix": "::/0"}, "remote_ip_prefix"),
                           ({"remote_ip_prefix": "10.0.0.0/99"}, "remote_ip_prefix"),
                           ({"remote_ip_prefix": "0.0.0.0/0", "remote_group_id": w["security_group"]},
                            "remote_group_id")):
            self.refuse("ann", "POST", "/network/v2.0/security-group-rules", {"security_group_rule": rule | more}, 400,
                        says)
        self.refuse("sysadmin", "POST", "/identity/v3/limits", {"limits": []}, 400, "limits")
        limit = {"project_id": w["spare_project"], "resource_name": "volumes", "resource_limit": 1}
        self.refuse("sysadmin", "POST", "/identity/v3/limits", {"limits": [limit, limit | {"resource_name": "cores"}]},
                    400, "limits")

    def quotas(self):
        """more than a project may have: each service's own code"""
        w, items = self.world, {}
        for item, value in (("instances", 0), ("network", 2), ("subnet", 0), ("port", 0), ("router", 0),
                            ("security_group", 1),
                            ("security_group_rule", 4), ("volumes", 1), ("gigabytes", 3), ("images", 1)):
            items[item] = w.must("sysadmin", "POST", "/identity/v3/limits", {"limits": [
                {"project_id": w["small"], "resource_name": item, "resource_limit": value}]})["limits"][0]["id"]
        who, small = "ann-small", w["small"]
        w["small_image"] = w.image(who, "small")
        net = w.make("small_network", "/network/v2.0/networks", "network", who, name="one")
        w.make("small_network2", "/network/v2.0/networks", "network", who, name="two")
        group = w.must(who, "GET", "/network/v2.0/security-groups")["security_groups"][0]["id"]
        over = "xceeded"
        server = {"server": {"name": "s", "imageRef": w["small_image"], "flavorRef": "1", "networks": "none"}}
        for path, body, want in (
                ("/network/v2.0/networks", {"network": {}}, 409), ("/network/v2.0/routers", {"router": {}}, 409),
                ("/network/v2.0/subnets", {"subnet": {"network_id": net, "cidr": "10.0.0.0/24"}}, 409),
                ("/network/v2.0/ports", {"port": {"network_id": net}}, 409),
                ("/network/v2.0/security-groups", {"security_group": {"name": "g"}}, 409),
                ("/network/v2.0/security-group-rules", {"security_group_rule": {"security_group_id": group,
                    "direction": "ingress",
                                                                               "protocol": "tcp"}}, 409),
                ("/compute/v2.1/servers", server, 403), (f"/volume/v3/{small}/volumes", {"volume": {"size": 4}}, 413),
                ("/image/v2/images", {"name": "more"}, 413)):
            answer = self.refuse(who, "POST", path, body, want, over)
            if want == 409:
                self.check(f"network: {path} over quota is no OverQuota",
                           (answer.json or {}).get("NeutronError", {}).get("type") == "OverQuota",
                           str(answer))
        w.must("sysadmin", "PATCH", f"/identity/v3/limits/{items['instances']}", {"limit": {"resource_limit": -1}})
        for item in ("cores", "ram"):
            ident = w.must("sysadmin", "POST", "/identity/v3/limits", {"limits": [
                {"project_id": small, "resource_name": item, "resource_limit": 0}]})["limits"][0]["id"]
            self.refuse(who, "POST", "/compute/v2.1/servers", server, 403, item)
            w.must("sysadmin", "DELETE", f"/identity/v3/limits/{ident}")
        w.must(who, "POST", f"/volume/v3/{small}/volumes", {"volume": {"size": 1}})
        self.refuse(who, "POST", f"/volume/v3/{small}/volumes", {"volume": {"size": 1}}, 413, "volumes")
        self.refuse(who, "POST", f"/volume/v3/{small}/volumes", {"volume": {"size": 1 << 20}}, 413, "xceeded")

    def protocol(self):
        """what is hardly HTTP: heads, lengths, encodings, versions, sizes"""
        w = self.world
        at, ann, wire = w.instance.tenants, w.tokens["ann"], w.wire
        nets = f"{at}/network/v2.0/networks"
        for headers in ({"X-Auth-Token": "x" * 60_000}, {"X-Auth-Token": "\xff\xfe"}, {"X-Auth-Token": "a, b"},
                        {"X-Auth-Token": w.tokens["ann"].swapcase()}):
            wire.strangers += 1
            self.judge("a strange token: GET /v2.0/networks", "network", wire.ask("GET", nets, headers=headers), {401},
                       recorded=False)
        for version, want in (("compute 2.79", 406), ("compute 9999999999999.1", {200, 400, 406}),
                              ("compute latest", {200, 400, 406}),
                              ("\xff", {200, 400}), ("compute -1.-1", {200, 400, 406}), ("x" * 5000, {200, 400})):
            answer = wire.ask("GET", f"{at}/compute/v2.1/servers", token=ann,
                              headers={"OpenStack-API-Version": version})
            self.judge(f"version {version[:20]}", "compute", answer, {want} if isinstance(want, int) else want,
                       recorded=False)
        self.judge("a long id: GET /v2.0/networks/{id}", "network",
                   wire.ask("GET", f"{nets}/{'x' * 30_000}", token=ann), {404})
        self.judge("a long query: GET /v2.0/networks", "network", wire.ask("GET", f"{nets}?{'a=b&' * 7000}", token=ann),
                   {200, 400})
        self.judge("many segments", "network", wire.ask("GET", nets + "/x" * 10_000, token=ann), {404}, recorded=False)
        answer = wire.ask("GET", f"{at}/../../etc/passwd")
        self.check("a path outside of the services", answer.status == 404 and answer.request, str(answer))
        for who, method, path, status in (("nobody", "POST", "/network/v2.0/networks", 401),
                                          ("nobody", "POST", "/nothing/here", 404),
                                          ("ann", "DELETE", "/network/v2.0/networks", 405),
                                          ("nobody", "PUT", f"/image/v2/images/{UUID}/file", 401),
                                          ("ann", "PUT", f"/image/v2/images/{UUID}/file", 404),
                                          ("bob", "PUT", f"/image/v2/images/{w['image']}/file", 404),
                                          ("ann", "PUT", f"/image/v2/images/{w['image']}/file", 409),
                                          ("ann", "POST", "/network/v2.0/networks", 413)):
            # Refused before the body is read: the answer must get through all the same.
            answer = wire.ask(method, at + path, b"x" * (8 << 20), w.tokens.get(who), alone=True)
            wire.strangers += status == 401
            self.check(f"a large body, refused early: {who} {method} {path}", answer.status == status, str(answer),
                       "refused early")
            if status in (404, 409) and who != "nobody" and answer.request:
                wire.refused.append((answer.request, answer.asked))
        host = "Host: 127.0.0.1\r\n"
        for what, more in (("no token", ""), ("a token", f"X-Auth-Token: {w.tokens['rita']}\r\n")):
            path = f"/image/v2/images/{UUID}/file" if more else "/network/v2.0/networks"
            wire.strangers += not more
            self.check(f"refused before its body ({what}): the connection goes on, or the answer says that it ends",
                       self.goes_on(f"PUT {path}" if more else f"POST {path}", host + more), kind="goes on")
        token = f"X-Auth-Token: {ann}\r\n"
        for what, text, want in (
                ("a target of 70 KB", f"GET /network/v2.0/networks?{'x' * 70_000} HTTP/1.1\r\n{host}\r\n",
                 b"414 431 400"),
                ("a head of 1 MB", f"GET /network/v2.0/networks HTTP/1.1\r\n{host}X: {'x' * 1_000_000}\r\n\r\n",
                 b"431 400"),
                ("1000 headers",
                 f"GET /network/v2.0/networks HTTP/1.1\r\n{host}" + "".join(f"X-{n}: 1\r\n" for n in range(1000))
                 + "\r\n",
                 b"431 400"),
                ("no HTTP", "\x16\x03\x01\r\n\r\n", b"400"), ("HTTP/9", f"GET / HTTP/9.9\r\n{host}\r\n", b"400 505"),
                ("two lengths",
                 f"POST /network/v2.0/networks HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                 b"400"),
                ("a negative length", f"POST /network/v2.0/networks HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n",
                 b"400"),
                ("length and chunks", f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}Content-Length: 2\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
                ("bad chunks",
                 f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                 b"400"),
                ("an unknown encoding",
                 f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}Transfer-Encoding: gzip\r\n\r\nx", b"400 501"),
                ("a NUL in the target", f"GET /network/\0 HTTP/1.1\r\n{host}\r\n", b"400"),
                ("a folded header", f"GET /network/ HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n", b"400"),
                ("a target without a slash", f"GET network HTTP/1.1\r\n{host}\r\n", b"400 404"),
                ("a whole URL", f"GET http://elsewhere/network/v2.0/networks HTTP/1.1\r\n{host}\r\n", b"401")):
            got = wire.raw(at, text.encode("latin-1"))
            wire.strangers += want == b"401"
            line = got.split(b"\r\n")[0]
            self.check(f"HTTP: {what}", line.startswith(b"HTTP/1.1 ") and line.split()[1] in want.split(),
                       repr(got[:200]), "HTTP")

        # A body that breaks off is no request, even if what came of it reads like one.
        whole = b'{"network": {"name": "cut-off"}}'
        head = f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}".encode()
        for text in (head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nzz\r\n" % (len(whole), whole),
                     head + b"Content-Length: 500\r\n\r\n" + whole):
            with wire.open(at) as made:
                made.sendall(text)
        end = time.monotonic() + 1
        made = []
        while time.monotonic() < end and not made:
            made = w.must("ann", "GET", "/network/v2.0/networks?name=cut-off")["networks"]
        self.check("HTTP: a body that broke off is not carried out", not made, str(made))

    def floods(self):
        """many at a time who never end, and many who guess: nobody else waits for them"""
        w, at = self.world, self.world.instance.tenants
        host, token = "Host: 127.0.0.1\r\n", f"X-Auth-Token: {w.tokens['bob']}\r\n"
        body = json.dumps(login(w.users["bob"] | {"password": "Jy1-wrong-wrong"})).encode()
        uploads = [w.make("some", "/image/v2/images", None, "bob", disk_format="raw",
                          container_format="bare") for _ in range(80)]
        large = w.make("large", "/image/v2/images", None, "bob", disk_format="raw", container_format="bare")
        w.must("bob", "PUT", f"/image/v2/images/{large}/file", bytes(16 << 20),
               {"Content-Type": "application/octet-stream"})
        for what, requests in (
                ("unread downloads",
                 [f"GET /image/v2/images/{large}/file HTTP/1.1\r\n{host}{token}\r\n".encode()] * 150),
                ("unfinished bodies",
                 [f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}Content-Length: 100\r\n\r\n{{".encode()] * 80),
                ("unfinished uploads",
                 [f"PUT /image/v2/images/{i}/file HTTP/1.1\r\n{host}{token}Content-Length: 100000\r\n\r\nx".encode()
                  for i in uploads]),
                ("sign-ins",
                 [f"POST /identity/v3/auth/tokens HTTP/1.1\r\n{host}Content-Length: {len(body)}\r\n\r\n".encode()
                  + body] * 500)):
            made = []
            try:
                with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
                    made = list(pool.map(lambda _: w.wire.open(at), requests))
                for connection, request in zip(made, requests):
                    connection.sendall(request)
                lines, took = set(), 0.0
                for _ in range(10):  # the first may be before they are all at work
                    begin = time.monotonic()
                    try:
                        with w.wire.open(at, 5) as other:
                            mine = f"X-Auth-Token: {w.tokens['ann']}\r\n"
                            other.sendall(f"GET /network/v2.0/networks HTTP/1.1\r\n{host}{mine}\r\n".encode())
                            lines.add(other.recv(4096).split(b"\r\n")[0].decode())
                    except OSError as e:
                        lines.add(f"{type(e).__name__}: {e}")
                    took = max(took, time.monotonic() - begin)
                    if took > 2:
                        break
                self.check(f"{len(requests)} {what} of another tenant hold ann up",
                           lines == {"HTTP/1.1 200 OK"} and took < 2, f"{lines}, {took:.1f} s")
            finally:
                for connection in made:
                    connection.close()
            until("the flood is over", 60, lambda: w.do("ann", "GET", "/network/v2.0/networks").status == 200)

    def goes_on(self, line, head):
        """Whether another request is answered on a connection where one was refused before its body had come."""
        wire, at = self.world.wire, self.world.instance.tenants
        try:
            with wire.open(at, 20) as made:
                made.sendall(f"{line} HTTP/1.1\r\n{head}Content-Length: 20\r\n\r\n".encode())
                first = http.client.HTTPResponse(made)
                first.begin()
                first.read()
                if first.will_close:
                    return True
                time.sleep(0.1)
                made.sendall(b"x" * 20 + f"GET /network/ HTTP/1.1\r\n{head}\r\n".encode())
                second = http.client.HTTPResponse(made)
                second.begin()
                return second.status == 200
        except (OSError, http.client.HTTPException):
            return False

    def lock_out(self):
        """the provider's own domain cannot be closed to its staff"""
        w = self.world
        for body in ({"enabled": False}, {"name": "taken-over"}):
            answer = w.do("secadmin", "PATCH", "/identity/v3/domains/default", {"domain": body})
            w.wire.strangers += answer.status == 401
            self.judge(f"PATCH of the provider's domain: {body}", "identity", answer, {400, 403, 409},
                       recorded=answer.status != 401)
        answer = w.do("sysadmin", "GET", "/compute/v2.1/os-services")
        w.wire.strangers += answer.status == 401
        self.judge("staff can work after it", "compute", answer, {200}, recorded=answer.status != 401)

    def afterwards(self):
        """the journal has each refusal and no secret; the cloud still works"""
        w, at = self.world, self.world.instance
        for name, path, one, body in (("end", "/network/v2.0/networks", "network", {"name": "end"}),
                                      ("end2", f"/volume/v3/{w['pay']}/volumes", "volume", {"size": 1}),
                                      ("end3", "/compute/v2.1/servers", "server",
                                       {"name": "end", "imageRef": w["image"],
                                       "flavorRef": "1", "networks": [{"uuid": w["network"]}]})):
            try:
                w.make(name, path, one, **body)
                self.check(f"{path}: a create still succeeds", True)
            except Failed as e:
                self.check(f"{path}: a create still succeeds", False, f"{e.what} {e.said}")
        try:
            expect("end3" in w.things, "it was not made")
            w.server("end3", "ACTIVE")
            self.check("a new server becomes ACTIVE", True)
        except Failed as e:
            self.check("a new server becomes ACTIVE", False, f"{e.what} {e.said}")
        last = w.do("ann", "GET", f"/network/v2.0/networks/{UUID}").request
        with tempfile.TemporaryDirectory() as scratch:
            export = f"{scratch}/export"

            def look():
                run([at.binary, "--instance", at.name, "journal", "export", export])
                with open(export, encoding="utf-8") as file:
                    found = [line for line in file if line.startswith('{"action"')]
                return any(last in line for line in found) and counted(found) == w.wire.strangers and found
            try:
                lines = until("the journal has the last request, and all without a token are counted", 25, look, 0.5)
            except Failed as e:
                with open(export, encoding="utf-8") as file:
                    lines = [line for line in file if line.startswith('{"action"')]
                self.check(f"{e.what}: {counted(lines)} of {w.wire.strangers}", False,
                           f"the last request is {'' if any(last in line for line in lines) else 'not '}there")
            else:
                self.check("requests without a good token are counted exactly", True)
            self.journal(lines)
            with open(export, "rb") as file:
                journal = file.read()
            code, out, errors = run([sys.executable, f"{HERE}/verify.py", "--keys", f"{at.state}/journal.keys", export],
                                    60, ok=False)
            self.check("the journal verifies", code == 0, out[-800:] + errors[-800:])
        with open(f"{at.state}/log", "rb") as file:
            log = file.read()
        self.check("no part of the product panics", b"panicked" not in log, log[-2000:].decode(errors="replace"))
        for what, text in (("journal", journal), ("log", log)):
            found = [secret for secret in SECRETS if secret.encode() in text]
            where = [re.search(rb".{0,120}" + re.escape(secret.encode()), text)[0].decode(errors="replace")
                     for secret in found[:3]]
            self.check(f"{len(found)} of {len(SECRETS)} secrets stand in the {what}", not found, "\n    ".join(where))

    def journal(self, lines):
        refusals = collections.defaultdict(list)
        for line in lines:
            entry = json.loads(line)
            if entry["outcome"] == "refused":
                refusals[entry["request"]].append(entry)
        missing = [(request, asked) for request, asked in self.world.wire.refused if request not in refusals]
        self.check(f"{len(missing)} of {len(self.world.wire.refused)} refusals are not in the journal", not missing,
                   "\n    ".join(f"{request} {asked}" for request, asked in missing[:8]))
        twice = [entries[0] for request, entries in refusals.items() if len(entries) > 1 and request != "edge"]
        self.check(f"{len(twice)} refusals are in the journal twice", not twice,
                   "\n    ".join(str(e)[:300] for e in twice[:4]))
        long = sorted((line for line in lines if '"outcome":"refused"' in line and len(line) > 2 * LONG), key=len)
        longest = len(long[-1]) if long else 0
        self.check(f"{len(long)} refusals have entries of more than {2 * LONG} characters (the longest {longest})",
                   not long, "\n    ".join(line[:150] for line in long[-5:]))

    STORIES = (sweep, signing, taken, named_in_bodies, in_use, quotas, protocol, floods, lock_out, afterwards)


def user(auth):
    return auth["identity"]["password"]["user"]


def counted(lines):
    """How many requests without a good token the journal speaks of: the first of a window, and the others' number."""
    total = 0
    for line in lines:
        entry = json.loads(line)
        reason = entry.get("reason") or {}
        more = re.fullmatch(r"(\d+) more requests without a good token", reason.get("message", ""))
        first = reason.get("message") in ("no token was sent", "the token is not good")
        total += int(more[1]) if more else first and entry["action"] != "identity:token:create"
    return total


def backing_file(args):
    """A qcow2 that names another file."""
    with open(stand_in_image(args), "rb") as file:
        content = bytearray(file.read())
    content[8:20] = (0x200).to_bytes(8, "big") + (11).to_bytes(4, "big")
    content[0x200:0x20b] = b"/etc/passwd"
    return bytes(content)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", required=True, help="the jinyun to run the instance with")
    parser.add_argument("--instance", default="abuse")
    parser.add_argument("--port", type=int, default=58443)
    parser.add_argument("--management-port", type=int, default=58444)
    parser.add_argument("--postgres", metavar="STRING", help="PostgreSQL instead of SQLite")
    parser.add_argument("--show", type=int, default=3, help="how many failures of a kind to show")
    parser.add_argument("--keep", action="store_true", help="leave the instance up at the end")
    args = parser.parse_args()

    def jinyun(*words):
        done = subprocess.run([args.binary, "--instance", args.instance, *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        return done.returncode == 0, done.stdout
    sweep = Sweep(args)
    jinyun("down")  # what a test that was killed may have left
    try:
        ports = ["--port", str(args.port), "--management-port", str(args.management_port)]
        ports += ["--postgres", args.postgres] if args.postgres else []
        if sweep.check("up", *jinyun("up", "--hosts", "simulated", *ports)):
            sweep.world = World(args)
            sweep.world.people()
            sweep.world.resources()
            for story in Sweep.STORIES:
                begin, before = time.monotonic(), (sweep.passed, sweep.failed)
                try:
                    story(sweep)
                except Failed as e:
                    sweep.check(f"{story.__name__}: {e.what}", False, f"{e.did}\n    {e.said}")
                print(f"{story.__doc__.strip()}: {sweep.passed - before[0]} passed, {sweep.failed - before[1]} failed, "
                      f"{time.monotonic() - begin:.0f} s", flush=True)
    except Failed as e:
        sweep.check(e.what, False, f"{e.did}\n    {e.said}")
    finally:
        if not args.keep:
            sweep.check("down", *jinyun("down"))
    for kind, number in sweep.kept.most_common():
        if number > args.show:
            print(f"{number} failures of the kind: {kind[:150]}")
    print(f"{sweep.passed} passed, {sweep.failed} failed")
    return 1 if sweep.failed else 0


if __name__ == "__main__":
    sys.exit(main())
