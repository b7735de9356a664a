"""What the stories share in which something breaks and is seen: every clause as it stands, which of them
rest on a check, and waiting until exactly those have turned, by the API, on the command line and in the
journal.

Which clauses have to turn is worked out from the rows of the catalogue, as the API shows them: those that
name the check, and those that are answered by such a clause. Without the half of it that looks at all other
clauses a platform that turns everything red would pass, too. Python's standard library."""

import calendar
import json
import time

from cloud import Failed, expect, run, until
from story_world import assess, assessed, verifier

MINUTE = 60  # seconds within which a change has to show
SORTS = ("records", "policy", "listeners", "key file", "journal",
         "hosts")  # facts that are read all the time
GREEN = ("met", "partly")
SYNTHETIC = "6a0e71de9ce04f6c8e6f00000000e000"  # the institution in which the platform attacks itself
STILL = 9 * MINUTE  # so long the platform makes no attacks that change something, after those before


def look(at, path):
    return at.http("GET", f"{at.management}/evidence/v1/{path}", token=at.auditor, ok=(200,))[2]


class Clauses:
    """Every clause of every standard, as one answer of the API shows it."""

    def __init__(self, at):
        self.rows = {row["id"]: row for row in look(at, "clauses")["clauses"]}
        self.states = {(ident, half): row[member] for ident, row in self.rows.items()
                       for half, member in (("own", "state"), ("tenant", "tenant_state"))
                       if row.get(member)}

    def red(self):
        return {key for key, state in self.states.items() if state == "failed"}

    def rests(self, ident, half, check):
        """Whether a half of a clause rests on a check: it names it, or a clause that answers it does."""
        row = self.rows[ident]
        both, answer = row["duty"] == "both", row["answer"]
        own = "tenant" if row["duty"] == "user" else "provider"
        if row.get("exception") or not both and half != own:
            return False
        if both and half == "tenant" and row.get("tenant"):
            return check in row["tenant"].get("checks", [])
        if "same_as" in answer:
            return any(self.rests(other, half, check) for other in answer["same_as"])
        return not (both and half == "tenant") and check in answer.get("checks", [])

    def on(self, *checks):
        """The keys of all states that rest on any of these checks."""
        found = set()
        for ident, half in self.states:
            own = "tenant" if self.rows[ident]["duty"] == "user" else "provider"
            if any(self.rests(ident, "tenant" if half == "tenant" else own, check) for check in checks):
                found.add((ident, half))
        return found


def told(keys):
    return ", ".join(sorted(ident + ("" if half == "own" else f" ({half}'s half)") for ident, half in keys))


def verdicts(at):
    """What each check found last."""
    return {found["check"]: found["verdict"] for found in look(at, "findings")["findings"]}


def failing(at):
    """The checks that fail, with what they say."""
    return {found["check"]: found["says"] for found in look(at, "findings?verdict=failed")["findings"]}


def moment(text):
    """A time as the API words it, in seconds."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


def ages(at):
    """How many seconds ago each sort of facts was read; those that never were are not there."""
    fresh = look(at, "freshness")["freshness"]
    return {sort: moment(fresh["now"]) - moment(when) for sort, when in fresh["facts"].items() if when}


def settled(at, sorts=SORTS):
    """The clauses once everything that is read all the time was read without the assessment's synthetic
    tenant."""
    begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def whole():
        read = look(at, "freshness")["freshness"]["facts"]
        return all(read.get(sort) and read[sort] > begin for sort in sorts)
    until("everything was looked at again", MINUTE + 30, whole, 0.5)
    return Clauses(at)


def quiet(at, desk, seconds):
    """For so long the platform will make no attacks that change something. They come by themselves, and
    never soon after an assessment that somebody has asked for: if need be, one is."""
    status, _, answer = at.http("GET", f"{at.management}/evidence/v1/assessments/latest", token=at.auditor,
                                ok=(200, 404))
    since = [time.time() - answer["assessment"]["report"]["ended"] / 1e6] if status == 200 else []
    age = ages(at).get("attacks")
    since += [age] if age is not None else []
    if not since or min(since) > STILL - seconds:
        assess(desk)


def turned(at, before, want, what, first=None):
    """Waits until exactly the clauses are as they should be (and `first`, which is asked before them,
    raises nothing); returns the seconds that it took."""
    begin = time.monotonic()

    def right():
        if first:
            first()
        now = Clauses(at).states
        wrong = {key for key in set(now) | set(want) if now.get(key) != want.get(key)}
        stray = {key for key in wrong if want.get(key) == before.get(key)}
        said = "\n".join(f"{told({key})}: is {now.get(key)}, should be {want.get(key)}"
                         for key in sorted(wrong))
        if stray and not wrong - stray:
            raise Failed("clauses have changed that do not rest on it", "GET /evidence/v1/clauses", said)
        expect(not wrong, "clauses are not as they should be", "GET /evidence/v1/clauses", said)
        return True
    until(what, MINUTE, right, 0.25)
    return time.monotonic() - begin


def on_command_line(desk, keys, what):
    """A new assessment at the command line shows exactly these as failed."""
    words = ("--standard", "all", "--state", "failed")
    rows = assessed(desk, *words)["clauses"]
    found = {(row["id"], half) for row in rows for half,
             member in (("own", "state"), ("tenant", "tenant_state"))
             if row.get(member) == "failed"}
    expect(found == keys, f"the command line shows others as failed {what}", "jinyun assess --state failed",
           f"too many: {told(found - keys)}\nmissing: {told(keys - found)}")
    table = assess(desk, "--latest", *words)
    named, clause = set(), None
    for line in filter(None, table.splitlines()):
        if not line.startswith(" "):
            clause, *others = line.split(None, 3)
            if others[1:2] == ["FAILED"]:
                named.add((clause, "own"))
        elif line.strip() == "tenant's half: FAILED":
            named.add((clause, "tenant"))
    expect(named == keys, "the table shows others", "jinyun assess --state failed", table)


def exported(desk, first=0):
    """The journal's entries from one on, those that are signed; and the file."""
    export = f"{desk.where}/journal.export"
    desk.do(None, "journal", "export", "--from", str(first), export)
    with open(export, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.startswith('{"action"')], export


def changes(at, desk, first=0):
    """What entries say about evidence, from one on, in an export of the whole journal, which verifies."""
    entries, export = exported(desk)
    run([verifier(at.binary), "--keys", f"{at.state}/journal.keys", export])
    return [e["note"] for e in entries if e["number"] >= first
            and e["action"] in ("evidence:finding:change", "evidence:clause:change")]
