#!/usr/bin/python3
"""The story of a thing that breaks: what stood green turns red within a minute, and green again when it is
mended.

    tests/story_evidence.py [--binary PATH] [--hosts real|simulated]
                            [--lent --instance NAME --port N --management-port N]

Somebody opens the file of the root key to everybody (and, on real hosts, the directory of guests' records):
nothing that the platform would mend by itself. Nobody tells the platform. Which clauses have to turn red is
worked out here, from the rows of the catalogue as the API shows them: those that name the check, and those
that are answered by such a clause. Exactly these must, in the API and on the command line; and all must
stand as before once it is mended. The journal, verified, has both. Without the half of it that looks at all
other clauses a platform that turns everything red would pass, too.

At the end the control process is killed in the middle of an assessment: what that had made in the synthetic
institution goes by itself, the newest report stays the one before, and a new assessment finds what that
one found."""

import os
import re
import stat
import subprocess
import sys
import time

from cloud import Failed, expect, until
from evidence_world import (GREEN, MINUTE, SYNTHETIC, changes, exported, look, on_command_line, settled,
                            told, turned, verdicts)
from story_world import assess, assessed, main


def breaks(at):
    """What is broken: (check, path, mode that is too open)."""
    yield "keys-wrapped", f"{at.state}/control/keys.json", 0o644
    if at.hosts == "real":
        yield "host-files", f"{at.state}/host/guests", 0o755


def shown(story, at, desk):
    """The posture, in each of the ways in which it is asked for."""
    with story.step("the posture: table, one clause, a grade, a time, JSON"):
        table = assess(desk)
        report = assessed(desk, "--latest")
        counts = report["counts"]
        [line] = [line for line in table.splitlines() if line.startswith("JR/T 0167: ")]
        for word, name in ((" met (", "met"), (" partly", "partly"), (" failed", "failed"),
                           (" not proved", "error")):
            expect(f"{counts[name]}{word}" in line, f"the table does not count what is {name} as JSON does",
                   "jinyun assess", f"{line}\n{counts}")
        for row in report["clauses"]:
            if row["state"] in GREEN:
                expect(row["id"] in table, f"clause {row['id']} is not in the table", "jinyun assess",
                       table)
        detail = assess(desk, "--latest", "--clause", "9.3-B-a")
        found = next(f for f in report["findings"] if f["check"] == "keys-wrapped")
        expect(detail.startswith("9.3-B-a") and found["says"] in detail
               and found["says_nothing_about"] in detail,
               "the clause does not say what it rests on", "jinyun assess --clause 9.3-B-a", detail)
        below = {row["id"] for row in assessed(desk, "--latest", "--clause", "9.3")["clauses"]}
        expect(below == {row["id"] for row in report["clauses"]
                         if row["id"].startswith(("9.3-", "9.3."))} and below,
               "--clause shows others than those below it", said=str(sorted(below)))
        for grade in ("basic", "extended", "enhanced"):
            rows = assessed(desk, "--latest", "--tier", grade)["clauses"]
            expect({row["id"] for row in rows} == {row["id"] for row in report["clauses"] if row["level"]
                                                   == grade}
                   and rows, f"--tier {grade} shows others than this grade's")
        fresh = assessed(desk, "--latest", "--since", "1h")
        names = {f["check"] for f in fresh["findings"]}
        expect(names == {f["check"] for f in report["findings"]}, "--since 1h leaves out what is young")
        expect(not assessed(desk, "--latest", "--since", "0s")["clauses"], "--since 0s shows clauses")
        out = desk.do(None, "assess", "--since", "soon", code=2)
        expect("90s" in out, "it does not say what a length of time looks like",
               "jinyun assess --since soon", out)


def attacking(desk, first, since):
    """The entry by which attacks that began after a time (microseconds) made somebody of the synthetic
    institution, and what their requests' ids begin with; None as long as there is none."""
    for entry in exported(desk, first)[0]:
        tag = re.fullmatch(r"(evidence-(\d+))-p\d+", entry["request"])
        if (tag and int(tag[2]) >= since and entry["action"] == "identity:user:create"
                and entry["outcome"] == "done" and entry["institution"]["id"] == SYNTHETIC):
            return entry, tag[1]
    return None


def struck(desk, made, tag):
    """What the synthetic institution had (kind and id of things, with a name those of their secrets) when
    somebody else than these attacks began to take it away; `Failed` unless all of that has gone."""
    entries, _ = exported(desk)
    strike = next((e["number"] for e in entries if e["number"] > made["number"]
                   and e["action"] == "evidence:stage:strike" and e["request"] != tag), None)
    expect(strike is not None, "nobody has begun to take the synthetic institution away")
    things, had = set(), None
    for entry in entries:
        if entry["number"] == strike:
            had = set(things)
        for effect in entry.get("effects", []):
            name = (effect["kind"], effect["id"])
            if effect["op"] in ("secret", "unsecret"):
                name += (effect["name"],)
            if effect["op"] in ("drop", "unsecret"):
                things.discard(name)
            # What is made from then on is that of the next attacks.
            elif had is None and (effect.get("domain") == SYNTHETIC or name[:2] in things):
                things.add(name)
    expect(not things, f"{len(things)} things are still there", "jinyun journal export", str(sorted(things)))
    return had


def killed(story, at, desk):
    """The control process ends in the middle of an assessment."""
    with story.step("the control process is killed in an assessment; the report before it stays") as words:
        before = assessed(desk, "--latest")
        first = exported(desk)[0][-1]["number"] + 1
        since = int(time.time() * 1_000_000)
        command = desk.words(None, ["assess"])
        with subprocess.Popen(command, env=desk.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True) as doing:
            try:
                # Attacks that the platform had begun by itself go first.
                found = until("an assessment makes people in the synthetic institution", 2 * MINUTE,
                              lambda: doing.poll() is not None or attacking(desk, first, since), 0.2)
                expect(found is not True and doing.poll() is None,
                       "it ended before anything could be killed: this shows nothing", " ".join(command))
                made, tag = found
                at.kill("control")
                said, _ = doing.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                raise Failed("the command waits although nobody answers it", " ".join(command)) from None
            finally:
                doing.kill()  # nothing to do if it has ended
        expect(doing.returncode != 0, "the command takes half an assessment for a whole one",
               " ".join(command), said)
        until("the platform answers again", MINUTE, lambda: look(at, "freshness"), 0.2)
        expect(assessed(desk, "--latest") == before, "the newest report is not the one before",
               "jinyun assess --latest")
        words.append(f"at entry {made['number']} or soon after")
    with story.step("what the killed assessment made goes, on record") as words:
        begin = time.monotonic()
        had = until("the synthetic institution's things are gone", 2 * MINUTE,
                    lambda: struck(desk, made, tag), 0.5)
        user = next(e["id"] for e in made["effects"] if e["op"] == "put" and e["kind"] == "user")
        for kind, ident in (("user", user), ("domain", SYNTHETIC)):
            expect((kind, ident) in had, f"{kind} {ident} had gone before anything was killed: this shows "
                   "nothing", said=str(sorted(had)))
        ports = {name[1] for name in had if name[0] == "port"}
        volumes = {name[1] for name in had if name[0] == "volume"}
        expect(ports and volumes, "it had no port and no volume: this shows little", said=str(sorted(had)))
        spaces = {f"jy-{at.name}-p-{port[:8]}" for port in ports} & set(at.spaces("p"))
        expect(not spaces, "the host still has namespaces of its ports", said=str(sorted(spaces)))
        disks = [file for file in at.disk_files() if any(volume in file for volume in volumes)]
        expect(not disks, "the host still has its disks", said=str(disks))
        words.append(f"{len(had)} records and secrets, {time.monotonic() - begin:.0f} s after it answered")
    with story.step("a new assessment finds what the one before the kill found"):
        after = assessed(desk)
        expect(after["began"] > before["ended"], "it is the report of before", "jinyun assess")
        expect(not after["troubles"], "something went wrong with it", "jinyun assess", str(after["troubles"]))
        states = [{(row["id"], row["state"], row.get("tenant_state")) for row in report["clauses"]}
                  for report in (before, after)]
        expect(states[0] == states[1], "clauses stand otherwise than before", "jinyun assess",
               str(sorted(map(str, states[0] ^ states[1]))))


def tell(story, at, desk):
    shown(story, at, desk)
    with story.step("at rest: all facts that are read all the time are young") as words:
        base = settled(at)
        wanted, spoilt = set(), []
        found = verdicts(at)
        for check, path, mode in breaks(at):
            rests = base.on(check)
            expect(found[check] == "met", f"{check} is not met before anything was broken",
                   said=found[check])
            expect(any(base.states[key] in GREEN for key in rests),
                   f"nothing that rests on {check} stands well",
                   said=told(rests))
            wanted |= rests
            spoilt.append((check, path, stat.S_IMODE(os.stat(path).st_mode), mode))
        words.append(f"{len(base.states)} states, {len(base.red())} of them failed")
    turning = wanted - base.red()
    red = base.states | {key: "failed" for key in wanted}
    try:
        with story.step("broken by hand: exactly what rests on it turns red") as words:
            for _, path, _, mode in spoilt:
                os.chmod(path, mode)
            took = turned(at, base.states, red, "the clauses that rest on it are red")
            words += [f"after {took:.0f} s", told(turning)]
        with story.step("the command line says so, too"):
            on_command_line(desk, base.red() | wanted, "while it is broken")
            detail = assess(desk, "--latest", "--clause", "9.3-B-a")
            expect("FAILED" in detail and "can be read by others" in detail,
                   "it does not say what is wrong",
                   "jinyun assess --clause 9.3-B-a", detail)
    finally:
        for _, path, mode, _ in spoilt:
            os.chmod(path, mode)
    with story.step("mended by hand: all stand as before") as words:
        took = turned(at, red, base.states, "the clauses stand as before")
        words.append(f"after {took:.0f} s")
    with story.step("the command line says so, too"):
        on_command_line(desk, base.red(), "once it is mended")
    with story.step("the journal has both changes, and verifies") as words:
        def both():
            notes = changes(at, desk)
            for check, *_ in spoilt:
                ways = [n["to"] for n in notes if n.get("check") == check]
                expect(ways[-2:] == ["failed", "met"],
                       f"the journal does not say that {check} broke and was mended",
                       "jinyun journal export", str(ways))
            for ident, half in turning:
                states = [(n["from"], n["to"]) for n in notes
                          if n.get("clause") == ident and n.get("tenant", False) == (half == "tenant")]
                was = base.states[ident, half]
                expect(states[-2:] == [(was, "failed"), ("failed", was)],
                       f"the journal does not say that {ident} "
                       "turned red and stood as before again", "jinyun journal export", str(states))
            return notes
        notes = until("the journal has both changes", 15, both, 0.5)
        words.append(f"{len(notes)} entries about evidence")
    killed(story, at, desk)


if __name__ == "__main__":
    sys.exit(main(__doc__, "evidence", 17443, tell))
