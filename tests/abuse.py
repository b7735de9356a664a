#!/usr/bin/python3
"""Bad input for every operation of every API, against an instance of its own with simulated hosts.

    tests/abuse.py --binary PATH [--instance NAME] [--port N] [--management-port N] [--postgres STRING] [--keep]

The list of operations is docs/openstack.md and docs/api/*.json, for all that the product says it offers. An operation
without a case in abuse_cases is a failure; so is a method that a path answers and no document has, and what a document
has and is not there. Whatever comes in, the answer is the protocol's own: no 5xx (but Nova's 501), no broken
connection, the service's envelope with words that name what was wrong, and a request id. What hides a stranger's thing
gives the answer for a thing that is not there. Afterwards the journal has each refusal under its request id and no
secret, it verifies, and the cloud still works.

Whoever fails to sign in too often is paused with all who come from the same address. So what has to fail comes from
addresses of its own (127.0.0.0/8 is this machine's), and what floods is at the end.
The last line is `N passed, N failed`."""

import argparse
import collections
import concurrent.futures
import copy
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from abuse_cases import CASES, FINE, HEX, LARGE, LONG, OPENSTACK, SECRETS, STAFF, UUID, WORKERS
from abuse_cases.device import device_cases
from abuse_cases.document import NOBODY, operations, written
from abuse_cases.identity import identity_cases
from abuse_cases.openstack import compute_cases, image_cases, network_cases, volume_cases
from abuse_cases.own import own_cases
from abuse_cases.passkeys import passkey_cases
from abuse_cases.registers import register_cases
from abuse_cases.values import MALFORMED, QUERIES, TRICKS, wrong
from abuse_stories import identity, openstack, own, registers, signing, wire
from abuse_world import World
from cloud import Failed, expect, run, until

HERE = os.path.dirname(os.path.abspath(__file__))

# Judging ----------------------------------------------------------------------------------------------------------

class Sweep:
    def __init__(self, args):
        self.args, self.passed, self.failed = args, 0, 0
        self.world, self.lock, self.kept = None, threading.Lock(), collections.Counter()
        self.operations = []

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
            if answer.asked.startswith("GET") and any(secret.encode() in answer.data for secret in list(SECRETS)):
                found.append("the answer holds a secret")
            return found
        try:
            words = answer.message(service)
            if not words.strip():
                found.append("no words")
            if len(words) > LONG:
                found.append(f"the words are {len(words)} characters long")
            if says and answer.status in want and not any(word in words for word in says):
                found.append(f"the words do not name {' or '.join(says)}")
            if any(secret in words for secret in list(SECRETS)):
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
        return f"/{service}" + re.sub(r"\{(\w+)\}", lambda found: here[found[1]], path)

    def body(self, case):
        return None if case.body is None else case.body(self.world)

    def unknown(self, service, param):
        return HEX if service == "identity" else "987654321" if service == "journal" else UUID

    # The sweep ---------------------------------------------------------------------------------------------------

    def document(self):
        """Every operation of the documents has a case, and every case is an operation. What is mounted is what the
        product says to whoever asks for something else."""
        mounts = self.world.mounts()
        self.operations = operations(mounts)
        for add in (identity_cases, image_cases, volume_cases, network_cases, compute_cases, own_cases,
                    register_cases, device_cases, passkey_cases):
            add()
        listed = [(service, method, path) for service, method, path, _ in self.operations]
        self.check("the documents have operations of each service", len(listed) > 300
                   and {f"/{service}" for service, _, _ in listed} == set(mounts), f"{len(listed)} of {mounts}")
        for mount in mounts:
            service = mount.removeprefix("/")
            self.check(f"{mount} is offered, and no document says what it is", service in (*OPENSTACK, *written()))
        twice = [key for key, number in collections.Counter(listed).items() if number > 1]
        self.check("no operation stands twice in the documents", not twice, str(twice))
        for key in sorted(set(listed) | set(CASES)):
            if f"/{key[0]}" in mounts:  # an older product may offer less
                self.check(f"{' '.join(key)}: {'no such operation' if key in CASES else 'no case'}",
                           key in CASES and key in listed)
        known = [(*entry[:3], CASES[entry[:3]].who or entry[3]) for entry in self.operations if entry[:3] in CASES]
        self.operations = [entry for entry in known if self.offered(*entry, CASES[entry[:3]])]
        return self.operations

    def offered(self, service, method, path, who, case):
        """Whether there is such an operation: a token is asked for before anything is looked for."""
        w = self.world
        answer = w.wire.ask(method, w.listener(case.by) + self.path(service, path, case))
        w.wire.stranger(answer.status == 401 and not case.open)
        return self.check(f"{service} {method} {path}: described, and not offered", answer.status not in (404, 405),
                          str(answer))

    def rightly(self, service, method, path, who, case):
        """The right use of an operation is right: else all that is tried below would prove nothing."""
        w = self.world
        if not case.tried or case.stream or case.fixed or case.away or method == "DELETE":
            return
        headers = {"X-Subject-Token": w.tokens[case.by]} if path == "/v3/auth/tokens" else None
        answer = w.do(case.by, method, self.path(service, path, case) + case.query, self.body(case), headers)
        self.judge(f"used rightly: {method} {path}", service, answer, FINE)

    def strangers(self, service, method, path, who, case):
        """Whoever has no token, or none that is good; staff at the tenants' listener."""
        w, url = self.world, self.path(service, path, case)
        if who == "anybody":
            return
        bad = [None, "garbage", "", w.tokens["ann"][:-4] + "AAAA"] if method != "HEAD" else [None]
        for token in bad:
            answer = w.wire.ask(method, w.listener(case.by) + url, self.body(case), token)
            w.wire.stranger(not case.open)
            self.judge(f"without a good token: {method} {path}", service, answer, {401}, recorded=case.open)
        answer = w.do("sysadmin", method, url, self.body(case), listener=w.instance.tenants)
        self.judge(f"staff at the tenants' listener: {method} {path}", service, answer, {403})

    def foreigners(self, service, method, path, who, case):
        """Another tenant's user gets the same answer for ann's thing as for none."""
        w = self.world
        params = [name for name in case.here if name not in case.free + ["role", "key", "tag", "group", "option"]
                  or name == "group" and case.here[name] != "rules"]
        if not case.other or not params:
            return
        body = self.body(case)
        for who_else in {case.other, "bob", "boss2"} if service in ("identity", "approval") else {case.other}:
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
        for name in case.no:
            self.judge(f"{name} may not: {method} {path}", service, w.do(name, method, url, self.body(case)),
                       {403, 404})
        if case.fixed:
            for name in ("ann", "boss", *STAFF):
                self.judge(f"{name} at what is fixed: {method} {path}", service,
                           w.do(name, method, url, self.body(case)), {403, 404})
            return
        if who in ("anybody", "any token", "any user", NOBODY) or "owner" in who:
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
            for what, ident, want in (("an unknown", self.unknown(service, param), case.absent),
                                      *(("a trick as", trick, case.absent | {400, 404}) for trick in TRICKS)):
                source = w.wire.elsewhere() if case.away else None
                answer = w.do(case.by, method, self.path(service, path, case, **{param: ident}), self.body(case),
                              source=source)
                self.judge(f"{what} {param}: {method} {path}", service, answer, want)
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
        if case.hollow is not None:
            hollow = case.hollow
        elif case.empty:
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
        if not case.optional:
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
            answer = w.do(case.by, method, url, whole, source=w.wire.elsewhere() if case.away else None)
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
                says += ("identity:", "network:", "approval:", "not permitted", "could not be found") \
                    if want & {403, 404} else ()
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
        sure_of = ("limit=-1", "limit=abc") + ((f"marker={UUID}",) if service != "identity" else ())
        for query in QUERIES:
            sure = case.pages and query in sure_of
            source = w.wire.elsewhere() if case.away else None
            self.judge(f"query {query[:40]}: {path}", service, w.do(case.by, method, f"{url}?{query}", source=source),
                       {400, 404} if sure else want, says=(query.split("=")[0],) if sure else ())
        if case.away:
            return
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
                       and fits(p, url.removeprefix(f"/{service}") or "/") for m in ms}
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
        self.all([lambda entry=entry: self.rightly(*entry, CASES[entry[:3]]) for entry in known])
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

    def refuse(self, who, method, path, body, want, *says, headers=None, source=None):
        service = path.split("/")[1]
        answer = self.world.do(who, method, path, body, headers, source=source)
        self.judge(f"{method} {path[:80]}: {str(body)[:200]}", service, answer,
                   {want} if isinstance(want, int) else want,
                   says, kind=f"{method} {path} {body}"[:120])
        return answer

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
            if entry["outcome"] in ("refused", "waiting"):
                refusals[entry["request"]].append(entry)
        missing = [(request, asked) for request, asked in self.world.wire.refused if request not in refusals]
        self.check(f"{len(missing)} of {len(self.world.wire.refused)} refusals are not in the journal", not missing,
                   "\n    ".join(f"{request} {asked}" for request, asked in missing[:8]))
        twice = [entries[0] for request, entries in refusals.items() if len(entries) > 1
                 and request.startswith("req-")]  # others are the platform's own, or numbers in place of requests
        self.check(f"{len(twice)} refusals are in the journal twice", not twice,
                   "\n    ".join(str(e)[:300] for e in twice[:4]))
        long = sorted((line for line in lines if '"outcome":"refused"' in line and len(line) > 2 * LONG), key=len)
        longest = len(long[-1]) if long else 0
        self.check(f"{len(long)} refusals have entries of more than {2 * LONG} characters (the longest {longest})",
                   not long, "\n    ".join(line[:150] for line in long[-5:]))


STORIES = (Sweep.sweep, *signing.STORIES, *identity.STORIES, *openstack.STORIES, *own.STORIES, *registers.STORIES,
           *wire.STORIES, Sweep.afterwards)


def counted(lines):
    """How many requests without a good token the journal speaks of: the first of a window, and the others' number."""
    total = 0
    for line in lines:
        entry = json.loads(line)
        if entry.get("source") == "127.0.0.1":
            continue  # the platform's own attempts
        reason = entry.get("reason") or {}
        more = re.fullmatch(r"(\d+) more requests without a good token", reason.get("message", ""))
        first = reason.get("message") in ("no token was sent", "the token is not good")
        total += int(more[1]) if more else first and entry["action"] != "identity:token:create"
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", required=True, help="the jinyun to run the instance with")
    parser.add_argument("--instance", default="abuse")
    parser.add_argument("--port", type=int, default=27443)
    parser.add_argument("--management-port", type=int, default=27444)
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
            for story in STORIES:
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
