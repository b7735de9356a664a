#!/usr/bin/python3
"""The story of a pack in an assessor's hands: it is verified far from the cloud, and whatever is done to it
is found.

    tests/story_pack.py [--binary PATH] [--seed N] [--lent --instance NAME --port N --management-port N]

Somebody records a duty with a file (on an instance of its own), and a second assessment is made: its period
begins where the first one ended. The cloud's pack is written, with that file although nobody names a
directory, then the cloud is stopped. Pack, public keys and `jinyun-verify` go to an empty
directory, and the verifier runs there without an environment, without a network, and without the
directories of any instance. One byte of every file is changed, at places that follow from a seed, and in
its header, in the padding and behind the end; files are removed, added, swapped. Each time the verifier has
to fail and to name the file. Assessments that found nothing bad are put into packs that the cloud itself
makes and signs: the journal knows better, and the verifier has to say so. A second verifier reads the
journal, and compliance-trestle judges the OSCAL documents of this very pack (tests/oscal.py). The first run,
of the pack as it is, is what makes the others say anything: a verifier that refuses everything fails it."""

import concurrent.futures
import hashlib
import json
import os
import random
import shutil
import sys
import tarfile
import time

from cloud import Failed, expect, run
from story_world import assess, fresh_code, main, verifier

HERE = os.path.dirname(os.path.abspath(__file__))
BLOCK = 512
NOTE = "manifest.note"
# No network; where instances keep their files there is nothing; neither is there an environment.
ALONE = ["unshare", "--mount", "--net", "sh", "-c",
         "mount -t tmpfs none /var/lib/jinyun && { [ ! -d /run/jinyun ] || "
         'mount -t tmpfs none /run/jinyun; } && cd "$1" && shift && exec env -i "$@"', "alone"]


class Pack:
    """The bytes of a pack, and where its files lie."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        with tarfile.open(path) as tar:
            self.files = {one.name: (one.offset, one.offset_data, one.size) for one in tar}

    def part(self, name):
        """A file with its header and what it is filled up with."""
        begin, data, size = self.files[name]
        return self.bytes[begin:data + -(-size // BLOCK) * BLOCK]

    def whole(self, parts):
        return b"".join(parts) + bytes(2 * BLOCK)

    def flipped(self, at, bit=1):
        return self.bytes[:at] + bytes([self.bytes[at] ^ bit]) + self.bytes[at + 1:]


def header(name, size):
    """As docs/pack-format.md has it."""
    text = bytearray(BLOCK)
    text[:len(name)] = name.encode()
    for place, word in ((100, b"0000644\0"), (108, b"0000000\0"), (116, b"0000000\0"),
                        (124, b"%011o\0" % size),
                        (136, b"00000000000\0"), (148, b" " * 8), (156, b"0"), (257, b"ustar\0" b"00")):
        text[place:place + len(word)] = word
    text[148:156] = b"%06o\0 " % sum(text)
    return bytes(text)


class Assessor:
    """Somebody who has the pack, the keys as they were handed over, and the verifier."""

    def __init__(self, where, at, pack):
        self.where = where
        os.mkdir(where)
        for path, name in ((verifier(at.binary), "jinyun-verify"), (f"{at.state}/journal.keys", "keys"),
                           (pack, "pack")):
            shutil.copy(path, f"{where}/{name}")

    def alone(self, *words, ok=True):
        return run([*ALONE, self.where, *words], 60, ok=ok)

    def verify(self, *words, ok=True):
        return self.alone("./jinyun-verify", "pack", *words, ok=ok)

    def names(self, what, content, *files):
        """The verifier finds what was done to the pack, and names these files."""
        with open(f"{self.where}/spoilt", "wb") as file:
            file.write(content)
        code, out, errors = self.verify("spoilt", "--keys", "keys", "--json", ok=False)
        expect(code == 1, f"{what}: it ended with {code}", "jinyun-verify pack", out + errors)
        found = json.loads(out)
        # Of the manifest and its signature the verifier cannot tell which was changed, and says so.
        named = {problem["file"] for problem in found["problems"]}
        named |= {NOTE for problem in found["problems"] if problem["what"]
                  == "signature" and NOTE in problem["say"]}
        expect(not found["ok"] and named >= set(files), f"{what}: not all of {', '.join(files)} are named",
               "jinyun-verify pack", out)
        return found["problems"]


def sorts(files):
    """Files by their sort: the directory, and the way the name ends."""
    found = {}
    for name in files:
        found.setdefault((os.path.dirname(name), os.path.splitext(name)[1]), []).append(name)
    return list(found.values())


def spoil(story, at, assessor, pack):
    """Everything that is done to the pack."""
    dice, names = random.Random(at.seed), list(pack.files)
    with story.step(f"one byte of every file, changed (seed {at.seed})") as words:
        count = 0
        for name in names:
            _, data, size = pack.files[name]
            for place in {0, size - 1, dice.randrange(size)}:
                problems = assessor.names(f"byte {place} of {name}",
                                          pack.flipped(data + place, 1 << dice.randrange(8)),
                                          name)
                where = [p for p in problems if p["file"] == name and p["what"] == "changed"]
                # The manifest has ranges for all but itself and its signature.
                if name not in names[:2]:
                    expect(any(p["from"] <= place <= p["to"] for p in where),
                           f"byte {place} of {name}: the range is not told", said=str(problems))
                count += 1
        words.append(f"{count} copies of {len(names)} files")
    with story.step("one byte of every header, of what fills a file up, and behind the end"):
        for name in names:
            begin, data, size = pack.files[name]
            assessor.names(f"the header of {name}", pack.flipped(begin + dice.randrange(BLOCK)), name)
            if size % BLOCK:
                assessor.names(f"the padding of {name}", pack.flipped(data + size), name)
        code = assessor.names("a byte of the end", pack.flipped(len(pack.bytes) - 1))
        expect(any(p["what"] == "end" for p in code), "the end is not named", said=str(code))
        assessor.names("a byte more", pack.bytes + b"\0")
    with story.step("a file removed, added, put in another's place; the pack cut off") as words:
        parts = {name: pack.part(name) for name in names}
        for some in sorts(names):
            name = dice.choice(some)
            assessor.names(f"without {name}", pack.whole(parts[n] for n in names if n != name), name)
        words.append(f"{len(sorts(names))} sorts of files")
        for added in ("evidence/" + "0" * 64, "oscal/zz.json", "aaa"):
            more = header(added, 3) + b"{}\n".ljust(BLOCK, b"\0")
            for place in (2, dice.randrange(3, len(names)), len(names)):
                order = [parts[n] for n in names]
                order.insert(place, more)
                assessor.names(f"{added} added", pack.whole(order), added)
            problems = assessor.names(f"{added} added first", pack.whole([more, *parts.values()]), names[0])
            expect(added in problems[0]["say"], f"{added} is not named", said=str(problems))
        name = dice.choice(names[2:])
        assessor.names(f"{name} twice", pack.whole([parts[n] for n in names] + [parts[name]]), name)
        for _ in range(6):
            one, other = dice.sample(names[2:], 2)
            moved = {one: parts[other], other: parts[one]}
            problems = assessor.names(f"{one} and {other} in each other's place",
                                      pack.whole(moved.get(n, parts[n]) for n in names))
            # It reads forwards once: whichever it takes to be in its place, the other one is not.
            expect({one, other} & {p["file"] for p in problems}, "neither is named", said=str(problems))
            # Under each other's name: as if the one were the other.
            swapped = {to: header(to, pack.files[of][2]) + parts[of][BLOCK:] for to,
                       of in ((one, other), (other, one))}
            assessor.names(f"{one} and {other} swapped",
                           pack.whole(swapped.get(n, parts[n]) for n in names), one, other)
        _, data, size = pack.files[names[-1]]
        assessor.names("cut off in the last file", pack.bytes[:data + size // 2], names[-1])


def recorded(at, desk):
    """A duty that is recorded with a file. Returns the file's content."""
    staff, text = at.administrator("secadmin"), b"what was agreed\n"
    desk.login("secadmin", "secadmin", staff.user["password"], "--system", code=fresh_code(staff))
    duties = desk.ask("secadmin", "duty", "list", "--standard", "jrt0167", "--state", "due")
    # What no administrator owes by the catalogue is the security administrator's to record.
    duty = next(one["id"] for one in duties if one["record"] == "document"
                and one["owner"] not in ("system administrator", "audit administrator"))
    path = f"{desk.where}/minutes"
    with open(path, "wb") as file:
        file.write(text)
    desk.ask("secadmin", "duty", "record", duty, "--title", "what was agreed", "--file", path, "--kind",
             "document")
    os.unlink(path)
    return text


def period(inside, second):
    """What an assessment says of its period: times that lie in it, and the states at its end."""
    whole = inside["period"]
    expect(whole["from"] < whole["to"], "it has no period", said=str(whole))
    times = [one for row in inside["violations"] for one in row["times"]] + inside["gaps"]
    expect(all(whole["from"] <= one["from"] < one["to"] <= whole["to"] for one in times),
           "a time lies outside of the period", said=str(times)[:400])
    rows = [row for standard in inside["standards"] for row in standard["clauses"]]
    bad = {row["id"] for row in rows
           if {row["state"], row.get("tenant_state")} & {"failed", "overdue"}}
    lasts = {row["clause"] for row in inside["violations"] if row["lasts"]}
    expect(lasts == bad, "other clauses are in violation than stand so", said=f"{lasts} and {bad}")
    took = (whole["to"] - whole["from"]) / 1e6
    expect(not second or took < 3600, "it does not begin where the last one ended", said=str(whole))
    expect(inside["guardrails"], "it names no guardrail", said=str(list(inside)))


def inside_of(pack):
    """The assessment in a pack, its entry in the journal, and where the export of the journal ends."""
    with tarfile.open(pack) as tar:
        inside = json.load(tar.extractfile("assessment.json"))
        lines = tar.extractfile("journal/export").read().split(b"\n")
    place = json.loads(lines[1])
    at = inside["entry"] - place["from"]
    return inside, json.loads(lines[2 + at]) if inside["entry"] < place["to"] else None


def written(desk, pack):
    """A pack whose journal reaches to the assessment: the next checkpoint comes within a second."""
    for _ in range(20):
        out = desk.do(None, "report", "--format", "pack", pack)
        inside, entry = inside_of(pack)
        if entry:
            return out, inside, entry
        time.sleep(0.5)
    raise Failed("no checkpoint covers the assessment", "jinyun report --format pack", out)


def without(inside):
    """What the entry of an assessment has the digest of, as docs/pack-format.md has it."""
    rest = {name: value for name, value in inside.items()
            if name not in ("entry", "gaps", "journal", "period", "violations")}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def prettier(desk, inside):
    """Packs that the cloud makes and signs of assessments that somebody has changed, with the words by
    which the verifier has to name what was."""
    def verdict(of):
        one = of["findings"][0]
        was, one["verdict"] = one["verdict"], "met" if one["verdict"] != "met" else "partly"
        return f'the check {one["check"]} is "{one["verdict"]}" in it and "{was}" in entry'

    def state(of):
        one = of["standards"][0]["clauses"][0]
        was, one["state"] = one["state"], "met" if one["state"] != "met" else "partly"
        return f'the clause {one["id"]} is "{one["state"]}" in it and "{was}" in entry'

    def sentence(of):
        of["findings"][-1]["says"] = "all is well"
        return "it has not the digest that entry"

    def entry(of):
        of["entry"] = 0
        return "it names entry 0 of the journal, which is of no assessment"

    made, changed, pack = [], f"{desk.where}/changed.json", f"{desk.where}/prettier"
    for change in (verdict, state, sentence, entry):
        of = json.loads(json.dumps(inside))
        says = change(of)
        with open(changed, "w", encoding="utf-8") as file:
            json.dump(of, file, ensure_ascii=False)
        desk.do(None, "report", "--format", "pack", "--assessment", changed, pack)
        made.append((change.__name__, says, Pack(pack).bytes))
    os.unlink(changed)
    os.unlink(pack)
    return made


def trestle(pack):
    return run([sys.executable, f"{HERE}/oscal.py", pack], 600)[1]


def tell(story, at, desk):
    pack, place = f"{desk.where}/pack", f"{desk.where}/assessor"
    with story.step("the pack is written") as words:
        text = None
        if not at.lent:  # a lent one was assessed on its tour
            assess(desk)
            text = recorded(at, desk)
            assess(desk)
        out, inside, entry = written(desk, pack)
        left = set(os.listdir(desk.where)) - {"pack", "config"}
        expect(not left, "making it has left files", said=str(left))
        whole = Pack(pack)
        if text:
            name = f"evidence/{hashlib.sha256(text).hexdigest()}"
            expect(name in whole.files, "the file of the record is not in the pack", said=out)
            expect(whole.part(name)[BLOCK:].startswith(text), "another file has its name")
        words.append(f"{len(whole.files)} files, {len(whole.bytes) // 1024} KiB")
        others = prettier(desk, inside)
    with story.step("the cloud is stopped"):
        desk.do(None, "stop")
        out = desk.do(None, "status")
        expect("not run" in out or "stopped" in out, "it still runs", "jinyun status", out)
        code, out, _ = run([at.binary, "--instance", at.name, "assess", "--latest"], ok=False)
        expect(code != 0, "somebody still answers", "jinyun assess --latest", out)
    assessor = Assessor(place, at, pack)
    with story.step("it is verified alone: no cloud, no network, no environment") as words:
        there = assessor.alone("sh", "-c",
                               "ls -A /var/lib/jinyun; env; cat /proc/net/route | tail -n +2")[1].split()
        expect(all(word.startswith(("PWD=", "_=", "SHLVL=", "OLDPWD=")) for word in there),
               "it is not alone",
               said=str(there))
        out = assessor.verify("pack", "--keys", "keys")[1]
        expect("verified" in out and "NOT" not in out and f'pack of "{at.name}"' in out,
               "it is not verified", said=out)
        told = ("and no others", f"manifest.note: signed by {at.name} (ed25519)",
                f"manifest.note: signed by {at.name} (sm2)", f'of the journal of "{at.name}"',
                f"assessment.json: is the assessment of entry {inside['entry']} of the journal: ",
                "the digest of the rest is the same", "not verified: that reports")
        expect(all(one in out for one in told), f"it does not say all of {', '.join(told)}", said=out)
        words.append(out.splitlines()[0])
        code, out, _ = assessor.verify("pack", ok=False)
        expect(code == 3 and "no keys were given" in out and "signed by" not in out,
               "without keys it says more than that it is whole", said=out)
    with story.step("assessments that were changed, and signed by the cloud itself") as words:
        note = entry["note"]
        expect(entry["action"] == "evidence:assessment:create" and note["document"] == without(inside),
               "the entry has another digest", said=str(entry)[:400])
        for what, says, content in others:
            problems = assessor.names(f"another {what}", content, "assessment.json")
            expect({one["what"] for one in problems} == {"assessment"}
                   and any(says in one["say"] for one in problems),
                   f"another {what} is not named", said=str(problems)[:400])
        words.append(f"{len(others)} packs")
    with story.step("its parts: the newest checkpoints, the journal by a second verifier"):
        with tarfile.open(pack) as tar:
            for name in ("export", "keys", "checkpoint-sha256", "checkpoint-sm3"):
                with open(f"{place}/{name}.own", "wb") as file:
                    file.write(tar.extractfile(f"journal/{name}").read())
        expect(inside["instance"] == at.name, "the assessment is of another instance",
               said=str(list(inside)))
        period(inside, bool(text))
        out = assessor.verify("pack", "--keys", "keys", "--kept", "checkpoint-sha256.own", "--kept",
                              "checkpoint-sm3.own")[1]
        expect("2 of 2 checkpoint(s)" in out and "2 of them the same" in out, "they were not compared", said=out)
        run([sys.executable, f"{HERE}/verify.py", "--keys", f"{place}/keys", f"{place}/export.own"], 300)
        with open(f"{place}/checkpoint-sha256.own", encoding="utf-8") as file:
            lines = file.read().split("\n")
        # Another root of the same size, as somebody would keep it to whom something else was shown.
        lines[2] = ("B" if lines[2][0] == "A" else "A") + lines[2][1:]
        with open(f"{place}/other", "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        code, out, _ = assessor.verify("pack", "--keys", "keys", "--kept", "other", ok=False)
        expect(code != 0, "a kept checkpoint with another root is taken", said=out)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        judged = pool.submit(trestle, pack)
        spoil(story, at, assessor, whole)
        with story.step("its OSCAL documents, judged by compliance-trestle") as words:
            words.append(judged.result().strip().splitlines()[-1].partition(": ")[2])


if __name__ == "__main__":
    sys.exit(main(__doc__, "pack", 18543, tell))
