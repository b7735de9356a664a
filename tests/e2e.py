#!/usr/bin/python3
"""The tour through fresh instances beside whatever runs, once with simulated hosts and once with real ones; each is
taken down whatever happens, and nothing of it may be left. On the last of these clouds, once it was toured,
three stories are told: of something that breaks and is seen (story_evidence.py), of somebody with root who spoils
what there is to spoil (story_sabotage.py), and of the assessor's pack, for which the cloud is stopped
(story_pack.py). The last line is `N passed, N failed`."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time

from cloud import all_spaces, processes

HERE = os.path.dirname(os.path.abspath(__file__))
STORIES = ("story_evidence.py", "story_sabotage.py", "story_pack.py")  # in this order: the last one stops the cloud
NAME, PORTS = "tst", ("--port", "28443", "--management-port", "28444")
STATE = f"/var/lib/jinyun/{NAME}"


def left():
    """Whatever still carries the instance's name."""
    found = [f"namespace {space}" for space in all_spaces() if space.startswith(f"jy-{NAME}-")]
    found += [f"process {pid}: {' '.join(words)[:200]}" for pid, words in processes()
              if ("--instance" in words and NAME in words or f"jinyun-{NAME}-" in " ".join(words)) and pid != os.getpid()]
    found += [f"network device {device}" for device in os.listdir("/sys/class/net") if f"jy-{NAME}" in device]
    return found + [path for path in (STATE, f"/run/jinyun/{NAME}") if os.path.exists(path)]


def round_trip(binary, image, hosts, stories):
    """Returns (passed, failed, skipped)."""
    passed = failed = skipped = 0

    def check(what, right, said=""):
        nonlocal passed, failed
        passed, failed = passed + bool(right), failed + (not right)
        if not right:
            print(f"FAILED: {what}\n{said}", flush=True)
        return right

    def jinyun(*words):
        done = subprocess.run([binary, "--instance", NAME, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=180)
        return done.returncode == 0, done.stdout

    def tell(words):
        """A script that goes through the instance and counts."""
        nonlocal passed, failed, skipped
        with tempfile.NamedTemporaryFile("r") as tally:
            code = subprocess.run([sys.executable, *words, "--instance", NAME, "--binary", binary, "--hosts", hosts,
                                   *PORTS, "--tally", tally.name]).returncode
            counts = [int(n) for n in tally.read().split()] or [0, 1, 0]
        passed, skipped = passed + counts[0], skipped + counts[2]
        failed += max(counts[1], int(code != 0))
    jinyun("down")  # what a test that was killed may have left
    try:
        if check("up", *jinyun("up", "--hosts", hosts, *PORTS)):
            tell([f"{HERE}/tour.py", "--cleanup"] + (["--image", image] if hosts == "real" else []))
            for story in stories if not failed else ():
                print(f"-- {story}", flush=True)
                tell([f"{HERE}/{story}", "--lent"])
            with open(f"{STATE}/log", encoding="utf-8", errors="replace") as file:
                log = file.read()
            check("no part of the product panics", "panicked" not in log, log)
            if failed:
                print(f"--- the instance's log\n{log}---", flush=True)
    finally:
        check("down", *jinyun("down"))
        end = time.monotonic() + 10
        while left() and time.monotonic() < end:
            time.sleep(0.1)
        check("nothing is left of the instance", not left(), "\n".join(left()))
    return passed, failed, skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--image", required=True)
    parser.add_argument("--hosts", choices=("real", "simulated"), action="append", help="only these")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` is heard
    total = [0, 0, 0]
    rounds = args.hosts or ["simulated", "real"]
    for number, hosts in enumerate(rounds, 1):
        print(f"-- {hosts} hosts", flush=True)
        stories = STORIES if number == len(rounds) else ()
        total = [a + b for a, b in zip(total, round_trip(args.binary, args.image, hosts, stories))]
        print(flush=True)
    if total[2]:
        print(f"{total[2]} steps were skipped (no guests on simulated hosts) or are not built yet")
    print(f"{total[0]} passed, {total[1]} failed")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
