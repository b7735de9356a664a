#!/usr/bin/python3
"""The story of many hands: approvals, consents, registers of trust and signatures of witnesses, by the
command line alone.

    tests/story_hands.py [--binary PATH]

An institution wants a second pair of eyes before a volume is deleted. A member deletes with the real
`openstack` client and is told that it waits; the approver sees exactly what will run; approved, refused and
expired ones end as they must, which is looked for in the volumes themselves, not in what the request says.
A provider's administrator looks at a tenant's server without a consent, with one, after it was taken back;
the tenant reads what was done in its own journal (what was refused stands in the provider's, which the
auditor reads), exports it, and two verifiers take the export. A clause fails (the root key's file is opened
by hand), so a risk is there without anybody's doing; it is assessed, accepted, excepted, and all of it
ends. A duty gets its record. The institution signs a checkpoint on a machine of its own. What a command
lists is the same as table, JSON and YAML."""

import json
import os
import re
import sys
import time

from accounts import Institution, clouds_yaml, in_project, keep, password
from cloud import expect, run, together, until
from story_world import Desk, assessed, fresh_code, main, verifier
from totp import Administrator
from tour import stand_in_image

HERE = os.path.dirname(os.path.abspath(__file__))
CLAUSE = "10.5-B-a"  # rests on the mode of the root key's file
DEADLINE = 60  # the shortest that a rule may have
MISSING, FORBIDDEN, REFUSED, SIGN_IN = 5, 4, 6, 3  # codes of docs/cli.md


def day(days):
    """A day of the calendar in UTC+8."""
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + 8 * 3600 + days * 86400))


def soon(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class Hands:
    """The institution's people and the provider's staff, each at the same desk with a profile of their
    own."""

    def __init__(self, story, at, desk):
        self.story, self.at, self.desk = story, at, desk
        self.do, self.ask, self.alike = desk.do, desk.ask, desk.alike
        self.begin = time.time()

    # People -----------------------------------------------------------------------------------------------

    def people(self):
        """What is there before: a member, a second manager, a second security administrator; a server and
        volumes."""
        at, bank = self.at, self.at.bank
        self.ann, self.mira = bank.person("ann", "member", at.pay), bank.person("mira", "manager")
        self.other = Institution(at, "fund")
        self.staff = {name: at.administrator(name) for name in ("sysadmin", "secadmin", "auditor")}
        body = {"user": {"name": "secadmin2", "domain_id": "default", "password": password()}}
        ident = at.by("secadmin", "POST", "/identity/v3/users", body).must(201)["user"]["id"]
        at.by("secadmin", "PUT",
              f"/identity/v3/system/users/{ident}/roles/{at.role('security_admin')}").must(204)
        user = self.staff["secadmin"].user | {"username": "secadmin2", "password": password()}
        at.enter(user, body["user"]["password"])
        self.staff["secadmin2"] = Administrator(at, user)
        self.staff["secadmin2"].enrol()
        clouds_yaml(at, at.clouds,
                    {"ann": bank.entry(self.ann, project_name="payments", project_domain_name="bank"),
                                    "sysadmin": self.staff["sysadmin"].cloud()})
        scope = in_project(at.pay)

        def volume(name):
            made = self.ann.ask("POST", f"/volume/v3/{at.pay}/volumes",
                                {"volume": {"name": name, "size": 1}}, scope)
            return made.must()["volume"]["id"]
        self.volumes = {name: volume(name) for name in ("late", "yes", "no")}
        image = self.ann.ask("POST", "/image/v2/images", {"name": "i", "disk_format": "qcow2",
                                                          "container_format": "bare"}, scope).must()["id"]
        self.upload(image)
        made = self.ann.ask("POST", "/compute/v2.1/servers", {"server": {
            "name": "till", "imageRef": image, "flavorRef": "1", "networks": "none"}}, scope).must()
        self.server = made["server"]["id"]

    def upload(self, image):
        with open(stand_in_image(self.at.args), "rb") as file:
            data = file.read()
        made = self.at.connect(self.at.tenants)
        made.request("PUT", f"/image/v2/images/{image}/file", data, {
            "Content-Type": "application/octet-stream",
            "X-Auth-Token": self.ann.token(in_project(self.at.pay))})
        answer = made.getresponse()
        expect(answer.status == 204, f"the image is not taken: {answer.status}",
               said=answer.read().decode())
        made.close()

    def sign_in(self):
        desk, bank = self.desk, self.at.bank
        self.do(None, "whoami", code=SIGN_IN, says="jinyun login")
        self.do("wrong", "login", "ann", "--user-domain", "bank", "--project", "payments", code=SIGN_IN,
                given="not-the-password\n")
        desk.login("ann", "ann", self.ann.password, "--project", "payments", domain="bank")
        desk.login("boss", "boss", bank.boss.password, "--domain", "bank", domain="bank")
        desk.login("mira", "mira", self.mira.password, "--domain", "bank", domain="bank")
        desk.login("stranger", "boss", self.other.boss.password, "--domain", "fund", domain="fund")
        for name, staff in self.staff.items():
            secret = staff.user["password"]
            self.do("wrong", "login", name, "--system", code=SIGN_IN, given=f"{secret}\n000000\n")
            desk.login(name, name, secret, "--system", code=fresh_code(staff))
        shown = self.alike("secadmin", "whoami")
        expect("security_admin" in json.dumps(shown), "the security administrator has another role",
               said=str(shown))
        names = {one["name"] for one in self.alike(None, "profile", "list")}
        expect(names == {"ann", "boss", "mira", "stranger", *self.staff}, "other profiles are there",
               said=str(names))
        self.do(None, "profile", "use", "boss")
        expect(self.alike(None, "profile", "show")["user"] == "boss",
               "the profile that was chosen is not used")
        kept = f"{desk.where}/config/jinyun/profiles"
        for name in os.listdir(kept):
            expect(os.stat(f"{kept}/{name}").st_mode & 0o077 == 0,
                   f"the profile {name} can be read by others")
            with open(f"{kept}/{name}", encoding="utf-8") as file:
                text = file.read()
            expect(bank.boss.password not in text and self.ann.password not in text,
                   "a profile holds a password")
        table = self.do(None, "policy")
        expect("| `volume:volume:delete` |" in table, "the table of who may do what does not have it",
               said=table[:500])

    # Approvals --------------------------------------------------------------------------------------------

    def rule(self):
        made = self.ask("boss", "approval", "rule", "add", "--name", "two pairs of eyes", "--action",
                        "volume:volume:delete", "--project", self.at.pay, "--stage", "manager:domain",
                        "--deadline", str(DEADLINE))
        [listed] = self.alike("boss", "approval", "rule", "list")
        expect(listed == self.alike("boss", "approval", "rule", "show", made["id"]),
               "another rule is listed", said=str(listed))
        self.do("ann", "approval", "rule", "remove", made["id"], code=FORBIDDEN)

    def deletes(self, name):
        """The member deletes a volume with the real client. Returns the request that it waits as."""
        said = self.at.cli("ann", "volume", "delete", self.volumes[name], ok=False)
        found = re.search(r"waits as request ([0-9a-f-]{32,36})", said)
        expect(found, "the client is not told that it waits", "openstack volume delete", said)
        expect(self.there(name), f"volume {name} is gone though it waits", said=said)
        return found[1]

    def there(self, name):
        path = f"/volume/v3/{self.at.pay}/volumes/{self.volumes[name]}"
        return self.ann.ask("GET", path, scope=in_project(self.at.pay)).must(200, 404).status == 200

    def state(self, ident):
        return self.ask("mira", "approval", "show", ident)["state"]

    def approvals(self, words):
        self.requests = {}
        self.requests["late"] = self.deletes("late")
        self.late = time.monotonic() + DEADLINE
        self.requests["yes"], self.requests["no"] = together(lambda: self.deletes("yes"),
                                                             lambda: self.deletes("no"))
        yes, no = self.requests["yes"], self.requests["no"]
        waiting = self.alike("mira", "approval", "list", "--waiting")
        expect({one["id"] for one in waiting} == set(self.requests.values()),
               "others wait for the approver",
               "jinyun approval list --waiting", str(waiting))
        mine = self.alike("ann", "approval", "list", "--mine")
        expect({one["id"] for one in mine} == set(self.requests.values()), "others are the member's",
               said=str(mine))
        shown = self.alike("mira", "approval", "show", yes)
        expect(shown["action"] == "volume:volume:delete" and shown["state"] == "waiting"
               and shown["target"] == {"kind": "volume", "id": self.volumes["yes"], "name": "yes"}
               and shown["asked_by"] == self.ann.id and shown["project_id"] == self.at.pay
               and shown["stages"] == [{"role": "manager", "in": "domain", "count": 1, "approved": 0}],
               "the approver does not see what will run", "jinyun approval show", json.dumps(shown))
        self.do("ann", "approval", "approve", yes, code=FORBIDDEN)
        self.do("stranger", "approval", "approve", yes, code=MISSING)
        self.do("stranger", "approval", "show", yes, code=MISSING)
        expect(self.there("yes"), "it has run without an approval")
        done = self.ask("mira", "approval", "approve", yes, "--comment", "seen the contract")
        expect(done["state"] == "done" and done["outcome"]["refused"] is None, "it is not done",
               said=str(done))
        until("the approved volume is gone", 10, lambda: not self.there("yes"))
        done = self.ask("mira", "approval", "refuse", no, "--comment", "still in use")
        expect(done["state"] == "refused" and done["outcome"] is None, "it is not refused", said=str(done))
        self.do("boss", "approval", "approve", no, code=REFUSED)
        expect(self.state(no) == "refused", "a refused request was revived")
        words.append("one approved and run, one refused")

    def expired(self, words):
        ident = self.requests["late"]
        until("the request expires", max(self.late - time.monotonic(), 0) + 15, lambda: self.state(ident)
              == "expired",
              0.5)
        expect(time.monotonic() >= self.late - 2, "it expired before its deadline")
        self.do("mira", "approval", "approve", ident, code=REFUSED)
        for name in ("late", "no"):
            expect(self.there(name), f"volume {name} is gone though nobody approved it")
        listed = {state: {one["id"] for one in self.alike("boss", "approval", "list", "--state", state)}
                  for state in ("done", "refused", "expired", "waiting")}
        want = {"done": {self.requests["yes"]}, "refused": {self.requests["no"]}, "expired": {ident},
                "waiting": set()}
        expect(listed == want, "requests are listed in other states", "jinyun approval list --state",
               str(listed))
        words.append(f"deadline {DEADLINE} s")

    # Consents ---------------------------------------------------------------------------------------------

    def looks(self, ok):
        """The provider's administrator looks at the tenant's server with the real client."""
        if ok:
            shown = self.at.cli("sysadmin", "server", "show", self.server)
            expect(shown["id"] == self.server and shown["name"] == "till", "another server is shown",
                   said=str(shown))
        else:
            said = self.at.cli("sysadmin", "server", "show", self.server, ok=False)
            expect("403" in said or "No server" in said, "it is not refused", said=said)

    def consents(self, words):
        self.looks(False)
        asked = self.ask("sysadmin", "consent", "ask", "--institution", self.at.bank.id, "--action",
                         "compute:server:show", "--resource", f"server:{self.server}", "--reason",
                         "it does not start",
                         "--until", soon(3600))
        self.consent = asked["id"]
        expect(asked["state"] == "waiting", "it is not asked for", said=str(asked))
        self.looks(False)
        self.do("sysadmin", "consent", "grant", self.consent, code=FORBIDDEN)
        [listed] = self.alike("boss", "consent", "list", "--open")
        shown = self.alike("boss", "consent", "show", self.consent)
        expect(listed["id"] == self.consent and shown["actions"] == ["compute:server:show"]
               and shown["resource"] == {"kind": "server", "id": self.server}
               and shown["reason"] == "it does not start", "the tenant does not see what it is asked for",
               "jinyun consent show", json.dumps(shown))
        self.ask("boss", "consent", "grant", self.consent, "--comment", "for this fault")
        self.looks(True)
        self.ask("boss", "consent", "revoke", self.consent, "--comment", "mended")
        self.looks(False)
        expect(self.alike("boss", "consent", "list", "--open") == [], "a consent is still open")
        expect(self.ask("sysadmin", "consent", "show", self.consent)["state"] == "revoked",
               "it is not revoked")
        words.append("refused, refused while asked, used, refused after it was revoked")

    # Its own journal --------------------------------------------------------------------------------------

    def journal(self, words):
        """What the provider did and tried, in the institution's own journal."""
        about = ("--target-id", self.server, "--action", "compute:server:show", "--oldest-first")
        boss = self.ask("boss", "journal", "list", *about, "--provider")
        expect({(one["outcome"], one["approval"], one["institution"]["id"]) for one in boss}
               == {("done", self.consent, self.at.bank.id)},
               "the tenant does not read how the provider looked",
               "jinyun journal list --provider", json.dumps(boss))
        # What was refused stands where whoever tried it belongs.
        refused = self.alike("auditor", "journal", "list", *about, "--outcome", "refused")
        times = [one["time"] for one in refused]
        expect(len(refused) >= 3 and times[1] < boss[0]["time"] <= boss[-1]["time"] < times[-1],
               "the refused looks are not on record before and after", "jinyun journal list",
               json.dumps(refused))
        everything = self.alike("boss", "journal", "list", "--oldest-first", "--until", soon(0), "--limit",
                                "500")
        did = [(one["action"], one["outcome"]) for one in everything]
        for action in ("approval:approval_rule:create", "approval:approval:vote",
                       "approval:approval:expire",
                       "approval:consent:create", "approval:consent:vote", "approval:consent:revoke"):
            expect(any(a == action for a, _ in did), f"{action} is not in the journal",
                   said=str(sorted(set(did))))
        numbers = [one["institution"]["number"] for one in everything]
        expect(numbers == list(range(numbers[0], numbers[0] + len(numbers))),
               "the tenant's numbers have gaps",
               said=str(numbers))
        run_ = [one for one in everything if one["action"] == "volume:volume:delete" and one["outcome"]
                == "done"]
        expect([one.get("approval") for one in run_] == [self.requests["yes"]],
               "the approved deletion does not name its "
               "request", said=json.dumps(run_))
        keys = f"{self.at.state}/journal.keys"

        def proved():
            shown = self.ask("boss", "journal", "show", str(boss[-1]["institution"]["number"]), "--keys",
                             keys)
            return len(shown["verified"]) == 2 and all("signed" in line and "not checked" not in line
                                                       for line in shown["verified"])
        until("the entry stands under signed checkpoints", 15, proved, 0.5)
        strangers = self.ask("stranger", "journal", "list", "--target-id", self.server)
        expect(strangers == [], "another institution reads it", said=str(strangers))
        export = f"{self.desk.where}/bank.export"
        self.do("boss", "journal", "export", "--api", export)
        self.two_verifiers(export, keys)
        with open(export, "rb") as file:
            content = file.read()
        expect(self.consent.encode() in content and self.requests["yes"].encode() in content,
               "the export does not have it")
        place = content.index(self.consent.encode())
        with open(export + ".forged", "wb") as file:
            file.write(content[:place] + bytes([content[place] ^ 1]) + content[place + 1:])
        self.two_verifiers(export + ".forged", keys, good=False)
        words.append(f"{len(everything)} entries")

    def two_verifiers(self, export, keys, good=True):
        said = []
        for words in ([verifier(self.at.binary)], [sys.executable, f"{HERE}/verify.py"]):
            code, out, errors = run([*words, "--keys", keys, export], 120, ok=False)
            expect((code == 0) == good, f"it ended with {code}", " ".join([*words, "--keys", keys, export]),
                   out + errors)
            said.append(out)
        return said

    # Registers of trust -----------------------------------------------------------------------------------

    def broken(self, mode):
        os.chmod(f"{self.at.state}/control/keys.json", mode)

    def stands(self):
        [row] = assessed(self.desk, "--clause", CLAUSE)["clauses"]
        return row["state"]

    def fails(self, words):
        """From here on a clause fails; the register is told by itself."""
        self.broken(0o644)
        state = self.stands()
        expect(state == "failed", f"{CLAUSE} does not fail", said=state)
        self.failing = time.monotonic()

    def risks(self, words):
        [risk] = until("a failed clause raises a risk", max(self.failing + 75 - time.monotonic(), 5),
                       lambda: self.ask("secadmin", "risk", "list", "--clause", CLAUSE), 0.5)
        words.append(f"raised after {time.monotonic() - self.failing:.0f} s at most")
        ident = risk["id"]
        shown = self.alike("secadmin", "risk", "show", ident)
        expect(shown["clause"] == CLAUSE and shown["state"] == "identified", "it is another risk",
               said=str(shown))
        self.do("secadmin", "risk", "add", "--clause", CLAUSE, "--title", "the same again", code=REFUSED)
        about = ("--likelihood", "2", "--impact", "5", "--treatment", "accept", "--plan",
                 "the file is closed tonight")
        shown = self.ask("sysadmin", "risk", "assess", ident, *about)
        expect(shown["state"] == "treated" and shown["score"] == 10, "it is not assessed", said=str(shown))
        end = ("--reason", "no guests yet", "--until", day(30))
        self.do("sysadmin", "risk", "accept", ident, *end, code=FORBIDDEN)
        self.do("secadmin", "risk", "accept", ident, "--reason", "for ever", "--until", day(800),
                code=REFUSED)
        shown = self.ask("secadmin", "risk", "accept", ident, *end)
        expect(shown["state"] == "accepted" and shown["accepted_until"] == day(30), "it is not accepted",
               said=str(shown))
        self.ask("secadmin", "risk", "tell", ident, "the board, by letter")
        listed = self.alike("secadmin", "risk", "list", "--state", "accepted")
        expect([one["id"] for one in listed] == [ident], "others are accepted", said=str(listed))
        shown = self.ask("sysadmin", "risk", "assess", ident, "--impact", "4")
        expect(shown["state"] == "treated", "another risk is accepted, too", said=str(shown))
        self.ask("secadmin", "risk", "accept", ident, *end)
        self.risk = ident

    def exceptions(self, words):
        asked = self.ask("secadmin", "exception", "ask", "--clause", CLAUSE, "--reason",
                         "a trial without data",
                         "--expires", day(10))
        ident = asked["id"]
        expect(asked["state"] == "asked", "it is not asked for", said=str(asked))
        for name in ("secadmin", "auditor"):
            self.do(name, "exception", "approve", ident, code=FORBIDDEN)
        expect(self.live() == "failed", "an exception holds that nobody has approved")
        shown = self.ask("secadmin2", "exception", "approve", ident, "--comment", "ten days")
        expect(shown["state"] == "approved", "it is not approved", said=str(shown))
        listed = self.alike("secadmin", "exception", "list", "--state", "approved")
        expect([one["id"] for one in listed] == [ident], "others are approved", said=str(listed))
        expect(self.alike("secadmin", "exception", "show", ident)["expires"] == day(10),
               "it ends on another day")
        expect(self.live() == "not_applicable", "the exception does not hold", said=self.live())
        shown = self.ask("secadmin", "exception", "end", ident, "--reason", "the trial is over")
        expect(shown["state"] == "ended", "it has not ended", said=str(shown))
        expect(self.live() == "failed", "it holds though it has ended", said=self.live())
        self.broken(0o600)
        shown = self.ask("secadmin", "risk", "close", self.risk, "--reason", "the file is closed")
        expect(shown["state"] == "closed", "the risk is not closed", said=str(shown))
        expect(self.stands() in ("met", "partly"), f"{CLAUSE} still fails")

    def live(self):
        """How the clause stands now, by what was found before."""
        url = f"{self.at.management}/evidence/v1/clauses/jrt0167/{CLAUSE}"
        return self.at.http("GET", url, token=self.at.auditor)[2]["clause"]["state"]

    def duties(self, words):
        listed = self.alike("secadmin", "duty", "list", "--standard", "jrt0167", "--state", "due")
        duty = next(one for one in listed if one["record"] == "statement")["id"]
        self.do("ann", "duty", "record", duty, "--title", "not mine", "--statement", "done", code=MISSING)
        about = ("duty", "record", duty, "--title", "the yearly look", "--statement")
        self.do("secadmin", *about, "looked", "--to", day(5), code=REFUSED)
        record = self.ask("secadmin", *about, "looked at all of it")
        shown = self.alike("secadmin", "duty", "show", duty)
        expect(shown["state"] == "recorded" and shown["last"] == day(0), "the duty is not recorded",
               said=str(shown))
        [row] = assessed(self.desk, "--latest", "--clause", duty)["clauses"]
        records = self.alike("secadmin", "duty", "records", "--duty", duty)
        expect([one["id"] for one in records] == [record["id"]], "other records are there",
               said=str(records))
        file = f"{self.desk.where}/minutes.txt"
        keep(file, "minutes of the meeting\n")
        own = next(one for one in self.ask("boss", "duty", "list")
                   if one["record"] in (None, "document"))["id"]
        made = self.ask("boss", "duty", "record", own, "--title", "minutes", "--file", file, "--kind",
                        "document")
        expect(made["file"]["bytes"] == os.path.getsize(file), "the file is another one", said=str(made))
        shown = self.ask("secadmin", "duty", "withdraw", record["id"], "--reason", "a page is missing")
        expect(shown["withdrawn"], "it is not withdrawn", said=str(shown))
        expect(self.ask("secadmin", "duty", "show", duty)["state"] == "due", "a withdrawn record counts")
        self.ask("secadmin", *about, "looked at all of it, all pages")
        words.append(f"{len(listed)} duties due, {duty} ({row['state']} in the assessment before)")

    # A witness --------------------------------------------------------------------------------------------

    def witness(self, words):
        where, keys = self.desk.where, f"{self.at.state}/journal.keys"
        away = Desk(self.at.binary, "nowhere",
                    f"{where}/away")  # a machine of the institution's: it knows no instance
        os.mkdir(f"{where}/kept")
        self.do("boss", "journal", "checkpoints", "--save", f"{where}/kept")
        self.alike("boss", "journal", "checkpoints", "--limit", "1")
        line = away.do(None, "cosign", "key", "--name", "bank.example/audit", f"{where}/away/key").strip()
        expect(os.stat(f"{where}/away/key").st_mode & 0o077 == 0, "others can read the witness's key")
        shown = self.ask("boss", "cosign", "register", line, "--who", "the bank's audit", "--role",
                         "institution")
        expect(shown["name"] == "bank.example/audit", "another witness is registered", said=str(shown))
        [note] = [name for name in os.listdir(f"{where}/kept") if name.endswith(".sha256")]
        signed = away.do(None, "cosign", "sign", "--key", f"{where}/away/key", "--keys", keys, "--note",
                         f"{where}/kept/{note}")
        keep(f"{where}/signed", signed)
        forged = signed.replace(signed.splitlines()[1], str(int(signed.splitlines()[1]) + 1), 1)
        keep(f"{where}/forged", forged)
        self.do("boss", "cosign", "send", f"{where}/forged", code=REFUSED)
        away.do(None, "cosign", "sign", "--key", f"{where}/away/key", "--keys", keys, f"{where}/forged",
                code=1)
        self.ask("boss", "cosign", "send", f"{where}/signed")
        # Whoever has the whole journal now sees who has signed it.
        export = f"{where}/whole.export"
        self.do(None, "journal", "export", export)
        with open(keys, encoding="utf-8") as file:
            keep(f"{where}/keys", file.read() + line + "\n")
        for said in self.two_verifiers(export, f"{where}/keys"):
            expect("bank.example/audit" in said, "the verifier does not name the witness", said=said)
        for said in self.two_verifiers(export, keys):
            named = [row for row in said.splitlines() if "bank.example/audit" in row]
            expect(all("not checked, for want of a key" in row for row in named),
                   "a witness counts whose key is not there", said=said)
        words.append(f"checkpoint {note}")

    def gone(self):
        for name in ("ann", "boss"):
            self.do(name, "logout")
            self.do(name, "journal", "list", code=SIGN_IN)
        self.do(None, "profile", "delete", "ann")
        expect("ann" not in {one["name"] for one in self.alike(None, "profile", "list")},
               "the profile is still there")


def tell(story, at, desk):
    hands = Hands(story, at, desk)
    with story.step("an institution with its people, a server, volumes; a second security administrator"):
        hands.people()
    with story.step("signing in, with one-time codes where they are due; profiles; who may do what"):
        hands.sign_in()
    with story.step("a manager has the deletion of volumes wait for another manager"):
        hands.rule()
    with story.step("deleted by the real client: it waits; seen, approved, refused") as words:
        hands.approvals(words)
    with story.step(f"clause {CLAUSE} fails, by hand") as words:
        hands.fails(words)
    with story.step("a tenant's server and the provider's administrator") as words:
        hands.consents(words)
    with story.step("a duty gets its record; one is withdrawn, one comes as a file") as words:
        hands.duties(words)
    with story.step("a checkpoint is signed by the institution, away from the cloud") as words:
        hands.witness(words)
    with story.step("the failed clause is a risk: assessed, accepted for a time") as words:
        hands.risks(words)
    with story.step("an exception: asked, approved by a second one, holds, ends; the risk closed") as words:
        hands.exceptions(words)
    with story.step("nobody votes in time: it expires and does not run") as words:
        hands.expired(words)
    with story.step("the tenant reads it in its own journal, exports it, verifies it twice") as words:
        hands.journal(words)
    with story.step("signed out"):
        hands.gone()


if __name__ == "__main__":
    sys.exit(main(__doc__, "hands", 19443, tell))
