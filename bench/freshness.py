#!/usr/bin/python3
"""How old the proof of each clause is while tenants work, and what taking it costs, measured from outside.

    bench/freshness.py [--binary PATH] [--minutes 10] [--pause 2] [--idle] [--hosts simulated|real]

Brings up an instance of its own, with one institution whose user makes and deletes networks, ports and servers all the
time (`--pause`: seconds between two rounds; `--idle`: nobody works). On real hosts servers are real guests, of a disk
with nothing on it, and a round takes as long as they take. Once each check has run, the product's own figures are read
each second (GET /evidence/v1/freshness). Ages of clauses are also worked out here, from
`/v1/findings` and `/v1/clauses`, because the product has to agree with somebody who counts for themselves: a clause is
as old as the oldest finding that it rests on, and one that is the same as others as old as the oldest of those.

CPU is that of the threads that take evidence, by the kernel's account, beside that of the whole control process: what
the writer, the driver and the listeners do on behalf of evidence is in the second figure only, so `--idle` shows the
most that all of it can cost. Entries are those whose request evidence made, those of its synthetic institution, and
what it says itself. The last lines are the figures; nothing is judged. Root; Python's standard library only."""

import argparse
import contextlib
import json
import os
import statistics
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# This directory would offer its `http.py` as the module `http`.
sys.path[0] = os.path.join(os.path.dirname(HERE), "tests")

from accounts import Institution, Own, arguments  # noqa: E402
from cloud import Failed, until  # noqa: E402

STAGE = "6a0e71de9ce04f6c8e6f00000000e000"
TICKS = os.sysconf("SC_CLK_TCK")
COMPLETE = 600  # seconds until each check has run
PATIENCE = 120  # seconds for something that tenants wait for


def say(*words):
    print(*words, flush=True)


# The kernel's accounts ------------------------------------------------------------------------------------------------


def cpu(pid):
    """Seconds of CPU of a process, and of each thread's name in it."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    whole, threads = (int(fields[11]) + int(fields[12])) / TICKS, {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as file:
                name = file.read().strip()
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                threads[name] = threads.get(name, 0) + int(file.read().split()[0]) / 1e9
    return whole, threads


def memory(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024 / 1e6


# Tenants at work ------------------------------------------------------------------------------------------------------


class Work(threading.Thread):
    """Networks, ports and servers that come and go. What fails is counted and told at the end."""

    def __init__(self, at, pause):
        super().__init__(daemon=True)
        self.pause, self.over, self.rounds, self.troubles = pause, threading.Event(), 0, []
        bank = Institution(at, "bank")
        self.project = bank.project("payments")
        self.ann = bank.person("ann", "member", self.project)
        self.scope = {"project": {"id": self.project}}
        self.flavor = self.ask("GET", "/compute/v2.1/flavors")["flavors"][0]["id"]
        made = self.ask("POST", "/image/v2/images", {"name": "blank", "disk_format": "raw", "container_format": "bare"})
        self.upload(at, made["id"])
        self.image = made["id"]

    def upload(self, at, ident):
        made = at.connect(at.tenants)
        made.request("PUT", f"/image/v2/images/{ident}/file", bytes(1 << 20), {
            "X-Auth-Token": self.ann.token(self.scope), "Content-Type": "application/octet-stream"})
        answer = made.getresponse()
        answer.read()
        made.close()
        if answer.status != 204:
            raise Failed(f"the image is not taken: {answer.status}")

    def ask(self, method, path, body=None):
        return self.ann.ask(method, path, body, self.scope).must().json

    def run(self):
        began = time.monotonic()
        while not self.over.wait(self.pause):
            if time.monotonic() - began > 3000:
                self.ann.kept.clear()
                began = time.monotonic()
            try:
                self.round()
                self.rounds += 1
            except Failed as e:
                self.troubles.append(f"{e.what}: {e.did}: {str(e.said)[:200]}")

    def round(self):
        network = self.ask("POST", "/network/v2.0/networks", {"network": {"name": "n"}})["network"]["id"]
        self.ask("POST", "/network/v2.0/subnets", {"subnet": {
            "network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"}})
        ports = [self.ask("POST", "/network/v2.0/ports", {"port": {"network_id": network}})["port"]["id"]
                 for _ in range(2)]
        server = self.ask("POST", "/compute/v2.1/servers", {"server": {
            "name": "s", "imageRef": self.image, "flavorRef": self.flavor,
            "networks": [{"port": ports[0]}]}})["server"]["id"]
        path = f"/compute/v2.1/servers/{server}"
        until("the server runs", PATIENCE, lambda: self.ask("GET", path)["server"]["status"] == "ACTIVE", 0.2)
        self.ann.ask("DELETE", path, None, self.scope).must()
        until("the server is gone", PATIENCE, lambda: self.ann.ask("GET", path, None, self.scope).status == 404, 0.2)
        for port in ports:
            self.ann.ask("DELETE", f"/network/v2.0/ports/{port}", None, self.scope).must(204, 404)
        path = f"/network/v2.0/networks/{network}"
        gone = lambda: self.ann.ask("DELETE", path, None, self.scope).status in (204, 404)
        until("the network can go", PATIENCE, gone, 0.2)


# What the product says ------------------------------------------------------------------------------------------------


class Reader:
    """The auditor's questions."""

    def __init__(self, at):
        self.at = at

    def get(self, path):
        return self.at.by("auditor", "GET", path).must(200).json

    def freshness(self):
        return self.get("/evidence/v1/freshness")["freshness"]

    def rests(self):
        """The checks that each automatic clause rests on, by standard and id."""
        rows = {row["id"]: row for row in self.get("/evidence/v1/clauses")["clauses"]}

        def checks(ident):
            answer = rows[ident]["answer"]
            if "checks" in answer:
                return set(answer["checks"])
            return set().union(*map(checks, answer["same_as"])) if "same_as" in answer else set()
        found = {(row["standard"], ident): checks(ident) for ident, row in rows.items()}
        return {key: names for key, names in found.items() if names}

    def entries(self, first):
        """Entries from a number on, oldest first."""
        marker, found = first - 1, []
        while True:
            behind = f"&marker={marker}" if marker >= 0 else ""
            page = self.get(f"/journal/v1/entries?order=oldest&limit=1000&institution=*{behind}")
            found += [entry for entry in page["entries"] if entry["number"] >= first]
            if page.get("next") is None:
                return found
            marker = page["next"]


def ours(entry):
    """Why an entry is evidence's, if it is."""
    action, request = entry["action"], entry.get("request") or ""
    if action.startswith("evidence:"):
        return "its own words"
    if entry["institution"]["id"] == STAGE:
        return "synthetic institution"
    if request.startswith("evidence-"):
        return "attempts elsewhere"
    # Nobody else here asks without a token, or for what is none.
    at_listeners = action == "edge:request:refused" or (
        action == "identity:token:create" and (entry.get("reason") or {}).get("code") in ("invalid", "too_large"))
    return "tried at listeners" if at_listeners else None


# Figures --------------------------------------------------------------------------------------------------------------


class Ages:
    """Samples of one median and one worst."""

    def __init__(self):
        self.medians, self.worsts = [], []

    def add(self, ages):
        ages = sorted(ages)
        self.medians.append(ages[len(ages) // 2])
        self.worsts.append(ages[-1])

    def tell(self, what):
        if not self.medians:
            return say(f"{what:<34} no samples")
        at = lambda all, share: sorted(all)[min(len(all) - 1, int(len(all) * share))]
        under = sum(m < 60 for m in self.medians) / len(self.medians)
        say(f"{what:<34} median: {statistics.median(self.medians):5.0f} s, p95 {at(self.medians, 0.95):5.0f} s, "
            f"most {max(self.medians):5.0f} s, under 60 s in {under:6.1%} of samples; "
            f"worst: {max(self.worsts):5.0f} s, p95 {at(self.worsts, 0.95):5.0f} s")


def measure(args):
    with Own(args, args.hosts) as at:
        work = Work(at, args.pause)
        reader = Reader(at)
        begin = time.monotonic()
        until("each check has run", COMPLETE, lambda: not reader.freshness()["never"], 1)
        say(f"Each check had run {time.monotonic() - begin:.0f} s after the start")
        rests = reader.rests()
        standards = sorted({standard for standard, _ in rests})
        say(f"{len(rests)} automatic clauses: " + ", ".join(
            f"{standard} {sum(key[0] == standard for key in rests)}" for standard in standards))
        if not args.idle:
            work.start()
        pid = at.process("control")
        first = len(reader.entries(0))
        before, start = cpu(pid), time.monotonic()
        told, counted, checks = Ages(), Ages(), Ages()
        each = {standard: Ages() for standard in standards}
        troubles, objective, attained, samples, without = {}, None, 0, 0, None
        while time.monotonic() - start < args.minutes * 60:
            tick = time.monotonic()
            try:
                fresh = reader.freshness()
                checks.medians.append(fresh["median_seconds"])
                checks.worsts.append(fresh["worst_seconds"])
                troubles.update(fresh["troubles"])
                clauses = fresh.get("clauses")
                if clauses:
                    # On simulated hosts nothing is proved of hosts: ages of looks, whatever came of them.
                    told.medians.append(clauses["median_look_seconds"])
                    told.worsts.append(clauses["worst_look_seconds"])
                    without = clauses["without_proof"]
                objective = fresh.get("objective") or objective
                attained += bool(objective and objective.get("attained"))
                samples += 1
                found = {f["check"]: f["age_seconds"] for f in reader.get("/evidence/v1/findings")["findings"]}
                ages = {key: max(found[name] for name in names) for key, names in rests.items()}
                counted.add(ages.values())
                for standard, one in each.items():
                    one.add(age for key, age in ages.items() if key[0] == standard)
            except Failed as e:
                troubles["sampling"] = f"{e.what}: {e.did}"
            time.sleep(max(0.0, 1 - (time.monotonic() - tick)))
        wall = time.monotonic() - start
        after = cpu(pid)
        work.over.set()
        entries = reader.entries(first)
        if args.keep:
            with open(args.keep, "w", encoding="utf-8") as file:
                json.dump(entries, file)
        report(args, work, wall, before, after, entries, troubles)
        checks.tell("checks, as the product says")
        told.tell("clauses, as the product says")
        counted.tell("clauses, counted here")
        for standard, one in each.items():
            one.tell(f"  {standard}")
        if objective:
            why = "" if args.hosts == "real" else " (what rests on hosts has none on simulated ones)"
            say(f"the product: {json.dumps(objective)}; attained in {attained} of {samples} samples; {without} clauses "
                f"have no proof now{why}")
        say(f"memory of the control process: {memory(pid):.1f} MB PSS")


def report(args, work, wall, before, after, entries, troubles):
    hours = wall / 3600
    say(f"{wall:.0f} s, {work.rounds} rounds of tenants' work{' (idle)' if args.idle else ''}, "
        f"{len(work.troubles)} of them failed")
    for line in sorted(set(work.troubles))[:3]:
        say(f"  {line}")
    for what, line in troubles.items():
        say(f"  trouble: {what}: {line}")
    used = {name: after[1][name] - before[1].get(name, 0) for name in after[1]}
    mine = {name: share for name, share in used.items() if name.startswith("evidence")}
    parts = ", ".join(f"{name} {share / wall:.4f}" for name, share in sorted(mine.items()))
    say(f"CPU: control process {(after[0] - before[0]) / wall:.4f} of a core; threads of evidence "
        f"{sum(mine.values()) / wall:.4f} ({parts})")
    rest = sorted(((share, name) for name, share in used.items() if not name.startswith("evidence")), reverse=True)
    say("  others: " + ", ".join(f"{name} {share / wall:.4f}" for share, name in rest[:5]))
    why = {}
    for entry in entries:
        reason = ours(entry)
        if reason:
            why[reason] = why.get(reason, 0) + 1
    mine = sum(why.values())
    say(f"journal: {len(entries) / hours:.0f} entries an hour, {mine / hours:.0f} of them by evidence ("
        + ", ".join(f"{reason} {count / hours:.0f}" for reason, count in sorted(why.items())) + ")")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser, "freshness", 29470)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--pause", type=float, default=2)
    parser.add_argument("--idle", action="store_true")
    parser.add_argument("--hosts", choices=("simulated", "real"), default="simulated")
    parser.add_argument("--keep", metavar="FILE", help="writes the entries that came, as JSON")
    try:
        measure(parser.parse_args())
    except Failed as e:
        say(f"FAILED {e.what}\n  did  {e.did}\n  said {str(e.said)[:500]}")
        sys.exit(1)


if __name__ == "__main__":
    main()
