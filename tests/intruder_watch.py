"""What tests/intruder.py works with: the world that is attacked, and the watch that looks at each attempt: whether it
was refused in the right form, and whether the journal has it where it belongs."""

import re
import threading
import time
import urllib.parse

from accounts import HOME, Institution, Sources, in_project
from cloud import Failed, expect, until
from tour import stand_in_image

CODES = {400: ("invalid",), 401: ("unauthenticated",), 403: ("forbidden", "needs_approval"),
         404: ("not_found", "not_offered"), 409: ("conflict", "taken"), 501: ("not_offered",)}
DENIED = "The request you have made requires authentication."
# Where nobody is known to be asking, the entry is the provider's.
PROVIDER = "default"


def names(found, what):
    return {item.get("id") or item.get("name") for item in found[what]}


class Watch:
    """What was tried, what came of it, and whether the journal tells."""

    def __init__(self, at):
        self.at, self.rows, self.lock, self.passed, self.failed = at, [], threading.Lock(), 0, 0
        self.institutions, self.counted, self.began = {}, {}, int((time.time() - 5) * 1e6)

    def row(self, what, result, seen, trouble=None):
        with self.lock:
            self.passed, self.failed = self.passed + (not trouble), self.failed + bool(trouble)
            self.rows.append(f"| {what} | {result} | {seen} |")
            print(self.rows[-1], flush=True)
            if trouble:
                print(f"  FAILED: {trouble.what}\n    did   {trouble.did}\n    said  {trouble.said[:1200]}", flush=True)
        return not trouble

    def entries(self, query, reader=None, newest=True):
        """Entries of the journal since the run began, as the audit administrator finds them, or somebody else."""
        words = query | {"since": self.began, "limit": 1000, "order": "newest" if newest else "oldest"}
        path = "/journal/v1/entries?" + urllib.parse.urlencode(words)
        if reader is None:
            return self.at.by("auditor", "GET", path).must(200)["entries"]
        return reader.boss.ask("GET", path, scope=reader.scope).must(200)["entries"]

    def stopped(self, what, answer, status, own=None, because=None, says=None, outcome="refused"):
        """An attempt that must have been refused with this status. `own`: the institution in whose sequence it stands
        (none: the provider's). `because`: what the journal's reason holds; `says`: what the refusal's words hold."""
        seen = "-"
        try:
            statuses = status if isinstance(status, tuple) else (status,)
            expect(answer.status in statuses, f"the answer was {answer.status}, not {status}", answer.did, answer.text)
            if answer.status == 401 and says is None and not answer.receipt:
                says = DENIED
            words = answer.message or answer.receipt or answer.status < 300  # what waits is accepted, not refused
            expect(words, "the refusal has no words", answer.did, answer.text)
            expect(says is None or says in answer.message, f'the refusal does not say "{says}"', answer.did,
                   answer.text)
            seen = self.seen(answer, own, because, outcome)
        except Failed as e:
            return self.row(what, f"NO: {answer.status}" if "answer was" in e.what else f"yes: {answer.status}",
                            "NO" if seen == "-" else seen, e)
        return self.row(what, f"yes: {answer.status}", seen)

    def seen(self, answer, own, because, outcome="refused"):
        """Where the entry of a request stands. Raises if it does not, or stands elsewhere too."""
        expect(answer.request, "the answer names no request", answer.did, answer.text)
        found = self.entries({"request": answer.request})
        fits = [e for e in found if e["outcome"] == outcome and
                (outcome != "refused" or e["reason"]["code"] in CODES[answer.status])]
        expect(fits, "the journal does not have it", answer.did, f"{answer.request}: {found}")
        entry, home = fits[0], own.id if own else PROVIDER
        reason = entry.get("reason", {})
        expect(because is None or re.search(because, reason.get("message", "")),
               f'the journal does not say "{because}"', answer.did, str(reason))
        expect(entry["institution"]["id"] == home, f"the entry is not {own.name if own else 'the provider'}'s",
               answer.did, str(entry))
        for institution in self.institutions.values():
            theirs = [e["number"] for e in self.entries({"request": answer.request}, institution)]
            if institution is own:
                expect(entry["number"] in theirs, f"the manager of {own.name} does not find it", answer.did, str(entry))
            else:
                expect(not theirs, f"the manager of {institution.name} sees it", answer.did, str(theirs))
        expect(entry.get("source") == answer.source, "the entry has another source", answer.did, str(entry))
        return f"{own.name if own else 'provider'} {entry['number']}: {entry['action']}"

    def works(self, what, answer, *ok):
        """The allowed thing beside an attempt."""
        try:
            answer.must(*ok)
        except Failed as e:
            self.row(f"control: {what}", f"refused: {answer.status}", "", e)
            return answer
        self.row(f"control: {what}", f"let through: {answer.status}", "")
        return answer

    def holds(self, what, right, said="", seen="", did=""):
        """Anything else that has to be so."""
        trouble = None if right else Failed("it is not so", did, str(said))
        self.row(what, "yes" if right else "NO", seen, trouble)
        return right

    def turned_away(self, what, answer):
        """Refused without a look, since its source is: counted, with the number in the journal later."""
        try:
            expect(answer.status == 401 and answer.message == DENIED, f"the answer was {answer.status}", answer.did,
                   answer.text)
            expect(not self.entries({"request": answer.request}), "it has an entry of its own", answer.did)
        except Failed as e:
            return self.row(what, f"{answer.status}", "NO", e)
        with self.lock:
            self.counted[answer.source] = self.counted.get(answer.source, 0) + 1
        return self.row(what, f"yes: {answer.status}", "counted, see the end")

    def counts(self):
        """What was only counted is in the journal with its exact number."""
        for source, count in sorted(self.counted.items()):
            def told():
                found = self.entries({"source": source, "action": "identity:token:create"})
                found += self.entries({"source": source + "/32", "action": "identity:token:create"})
                said = [re.match(r"(\d+) more sign-ins, refused without", e.get("reason", {}).get("message", ""))
                        for e in found]
                return sum(int(m[1]) for m in said if m) == count and f"provider: {count} more sign-ins"
            try:
                self.row(f"turned away from {source}: the journal has their number", "yes",
                         until("the number is in the journal", 40, told, 1))
            except Failed as e:
                self.row(f"turned away from {source}: the journal has their number", "NO", "NO", e)


class World:
    """The honest people with their things, and what an intruder does all the time."""

    def __init__(self, at, watch):
        self.at, self.watch, self.sources = at, watch, Sources()

    # The honest people -------------------------------------------------------------------------------------------

    def prepare(self):
        at = self.at
        self.bank, self.fund, self.quiet = (Institution(at, name) for name in ("bank", "fund", "quiet"))
        self.watch.institutions = {i.name: i for i in (self.bank, self.fund, self.quiet)}
        self.pay, self.treasury = self.bank.project("payments"), self.bank.project("treasury")
        self.trading = self.fund.project("trading")
        self.inside, self.inside_treasury, self.inside_fund = map(in_project, (self.pay, self.treasury, self.trading))
        self.ann, self.mole = (self.bank.person(name, "member", self.pay) for name in ("ann", "mole"))
        self.bob = self.fund.person("bob", "member", self.trading)
        self.tess = self.bank.person("treasurer", "member", self.treasury)
        self.net = self.network(self.ann, self.inside)
        self.far_net = self.network(self.tess, self.inside_treasury)
        self.fund_net = self.network(self.bob, self.inside_fund)
        self.server, self.other_server = (self.make_server(self.ann, self.inside) for _ in range(2))
        self.volume = self.ann.ask("POST", f"/volume/v3/{self.pay}/volumes", {"volume": {"size": 1, "name": "ledger"}},
                                   self.inside).must(202)["volume"]["id"]
        until("the server is ACTIVE", 60, lambda: self.ann.ask(
            "GET", f"/compute/v2.1/servers/{self.server}", scope=self.inside)["server"]["status"] == "ACTIVE")

    def network(self, who, scope, name="net"):
        return who.ask("POST", "/network/v2.0/networks", {"network": {"name": name}}, scope).must(201)["network"]["id"]

    def make_server(self, who, scope):
        if not hasattr(self, "image"):
            body = {"name": "guest", "disk_format": "qcow2", "container_format": "bare"}
            self.image = who.ask("POST", "/image/v2/images", body, scope).must(201)["id"]
            with open(stand_in_image(self.at.args), "rb") as file:
                made = self.at.connect(self.at.tenants)
                made.request("PUT", f"/image/v2/images/{self.image}/file", file.read(), {
                    "X-Auth-Token": who.token(scope), "Content-Type": "application/octet-stream"})
                expect(made.getresponse().status == 204, "the image is not taken")
            flavors = who.ask("GET", "/compute/v2.1/flavors", scope=scope).must()["flavors"]
            self.tiny = next(f["id"] for f in flavors if f["name"] == "m1.tiny")
        body = {"server": {"name": "guest", "imageRef": self.image, "flavorRef": self.tiny, "networks": "none"}}
        return who.ask("POST", "/compute/v2.1/servers", body, scope).must(202)["server"]["id"]

    def raw(self, token, method="GET", path="/network/v2.0/networks", body=None, source=None, headers=None):
        """A request with a stolen token, from somewhere else."""
        return self.at.ask(method, self.at.tenants + path, body, token, source or self.sources(), headers)

    def all(self, who, scope, rows, own):
        """Attempts as data: what, method, path, body, status."""
        for what, method, path, body, status in rows:
            self.watch.stopped(what, who.ask(method, path, body, scope, self.sources()), status, own)

    def exchange(self, token, scope, source=None):
        auth = {"identity": {"methods": ["token"], "token": {"id": token}}} | ({"scope": scope} if scope else {})
        return self.at.ask("POST", f"{self.at.tenants}/identity/v3/auth/tokens", {"auth": auth},
                           source=source or self.sources())

    def staff_sign_in(self, name, scope, listener=None, source=HOME):
        """Password and code of an administrator, for a scope and at a listener of the intruder's choice."""
        who = self.at.administrator(name)
        proofs = who.password() | {"totp": {"user": who.name() | {"passcode": who.code()}}}
        url = (listener or self.at.management) + "/identity/v3/auth/tokens"
        auth = {"identity": {"methods": list(proofs), **proofs}, "scope": scope}
        return self.at.ask("POST", url, {"auth": auth}, source=source)

    def rule(self, action="network:network:delete", stages=None, **more):
        return {"rule": {"name": "two look at it", "action": action, "deadline": 3600,
                         "stages": stages or [{"role": "manager", "in": "domain"}], **more}}

