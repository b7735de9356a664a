"""What the stories share: steps that are told as they are done, the command line as a person uses it, and
an instance of one's own where none is lent.

A story is a chain: each step rests on those before it, so the first thing that is not as it must be ends
it, with what was done and what was said. Passwords and one-time codes reach `jinyun login` on standard
input, profiles lie in a directory that lasts as long as the story. Python's standard library, and PyYAML,
which the OpenStack client brings along."""

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import yaml

from accounts import Institution, Own, arguments, keep
from cloud import Failed, Instance, expect
from totp import code_of, step_now

PATIENCE = 120  # seconds for one command


def verifier(binary):
    """The jinyun-verify that was built with a jinyun."""
    path = os.path.join(os.path.dirname(os.path.realpath(binary)), "jinyun-verify")
    expect(os.path.exists(path), f"{path} is not built")
    return path


class Story:
    """What came of each step."""

    def __init__(self, name):
        self.name, self.passed = name, 0

    @contextlib.contextmanager
    def step(self, what):
        """A step; whatever is raised in it ends the story. Words that are put into what it gives are told
        beside it."""
        begin, words = time.monotonic(), []
        try:
            yield words
        except BaseException:
            print(f"{'FAILED':6}  {self.name}: {what}", flush=True)
            raise
        self.passed += 1
        print(f"{'ok':6}  {self.name}: {what}{''.join(f'; {w}' for w in words)} "
              f"({time.monotonic() - begin:.1f} s)", flush=True)


class Desk:
    """A place with a command line: profiles of its own, and nothing of OpenStack's variables."""

    def __init__(self, binary, instance, where):
        self.binary, self.instance, self.where = binary, instance, where
        os.makedirs(f"{where}/config", 0o700, exist_ok=True)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("OS_")
                 and not k.lower().endswith("_proxy")}
        self.env = clean | {"XDG_CONFIG_HOME": f"{where}/config"}

    def words(self, profile, words):
        return [self.binary, "--instance", self.instance] + (["--profile", profile]
                                                             if profile else []) + list(words)

    def do(self, profile, *words, code=0, given=None, says=""):
        """A command that ends with this code; `says` has to stand in what it says. Returns what it
        printed."""
        command = self.words(profile, words)
        try:
            done = subprocess.run(command, input=given or "", capture_output=True, text=True,
                                  timeout=PATIENCE,
                                  env=self.env)
        except subprocess.TimeoutExpired:
            raise Failed(f"no end within {PATIENCE} s", shlex.join(command)) from None
        said = done.stdout + done.stderr
        expect(done.returncode == code, f"it ended with {done.returncode}, not {code}", shlex.join(command),
               said)
        expect(says in said, f'it does not say "{says}"', shlex.join(command), said)
        return said if code else done.stdout

    def ask(self, profile, *words):
        """A command's answer, as a program reads it."""
        out = self.do(profile, *words, "--output", "json")
        try:
            return json.loads(out)
        except ValueError:
            raise Failed("it did not answer in JSON", shlex.join(words), out) from None

    def alike(self, profile, *words):
        """What a command shows, in each of its forms; all say the same."""
        for _ in range(10):
            shown = self.ask(profile, *words)
            text = self.do(profile, *words, "--output", "yaml")
            table = self.do(profile, *words)
            if self.ask(profile, *words) == shown:
                break  # nothing has come between the three
        else:
            raise Failed("it never stands still", shlex.join(words), text)
        try:
            same = yaml.safe_load(text)
        except yaml.YAMLError as e:
            raise Failed(f"it did not answer in YAML: {e}", shlex.join(words), text) from None
        expect(same == shown, "YAML says something else than JSON", shlex.join(words), text)
        if isinstance(shown, list):
            lines = table.splitlines()
            expect(len(lines) == 1 + len(shown), "the table has not a line for each", shlex.join(words),
                   table)
            expect(lines[0] == lines[0].upper() and len(lines[0].split()) > 1, "the table has no head",
                   shlex.join(words), table)
            for line, row in zip(lines[1:], shown):
                name = str(row.get("id") or row.get("name") or row.get("size") or row.get("duty")
                           or row["institution"]["number"])
                expect(name in line, "a line of the table is not about its row", shlex.join(words), table)
        else:
            lines = [line for line in table.splitlines() if line[:1].strip()]
            names = {line.split(":")[0].split()[0].strip('"') for line in lines}
            expect(names == set(shown), "the table has other members", shlex.join(words), table)
        return shown

    def login(self, profile, name, secret, *scope, code=None, domain=None):
        words = ["login", name, *(["--user-domain", domain] if domain else []), *scope]
        return self.do(profile, *words, given=f"{secret}\n" + (f"{code}\n" if code else ""))


def fresh_code(staff):
    """A code of an administrator's that the platform has not seen: those of the steps around now are all
    good."""
    with staff.lock:
        step = max(staff.step + 1, step_now() - 1)
        while step > step_now() + 1:
            time.sleep(0.2)
        staff.step = step
        return code_of(staff.seed, step)


class Lent(Instance):
    """An instance that somebody else has brought up and takes down, after tests/tour.py."""

    def __init__(self, args):
        super().__init__(args.instance, args.binary, args.port, args.management_port)
        self.hosts = args.hosts
        with open(f"{self.state}/auditor.json", encoding="utf-8") as file:
            self.auditor = json.load(file)["token"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Fresh(Own):
    """An instance of one's own, with an institution that has a project."""

    def __init__(self, args):
        super().__init__(args, args.hosts)
        try:
            self.bank = Institution(self, "bank")
            self.pay = self.bank.project("payments")
            self.auditor = self.administrator("auditor").token()
            keep(f"{self.state}/auditor.json", json.dumps({"token": self.auditor}) + "\n")
        except BaseException:
            self.jinyun("down")
            raise


def assess(desk, *words):
    """`jinyun assess` as the instance's auditor."""
    return desk.do(None, "assess", *words)


def assessed(desk, *words):
    """The same, as a program reads it."""
    return json.loads(assess(desk, *words, "--format", "json"))["report"]


def main(doc, name, port, stories):
    """Tells stories, each of (story, instance, desk), of one instance: its own, or with --lent
    another's."""
    parser = argparse.ArgumentParser(description=doc.split("\n\n")[0])
    arguments(parser, name, port)
    parser.add_argument("--lent", action="store_true", help="the instance is up, toured, and stays")
    parser.add_argument("--seed", type=int, default=int(time.time()),
                        help="for whatever is chosen at random")
    parser.add_argument("--tally", metavar="FILE",
                        help="write `passed failed skipped` there, for whoever counts")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `with` is heard
    begin, story, failed = time.monotonic(), Story(name), 0
    try:
        opened = Lent if args.lent else Fresh
        with opened(args) as at, tempfile.TemporaryDirectory(prefix="jinyun-story-") as where:
            at.seed, at.lent = args.seed, args.lent
            stories(story, at, Desk(args.binary, args.instance, where))
    except Failed as e:
        failed = 1
        print(f"          {e.what}\n          did   {e.did}", flush=True)
        for line in str(e.said).strip().splitlines()[-25:]:
            print(f"          said  {line[:400]}", flush=True)
    except Exception:  # a mistake of this script is a failure, too
        failed = 1
        traceback.print_exc()
    if args.tally:
        with open(args.tally, "w", encoding="ascii") as file:
            file.write(f"{story.passed} {failed} 0\n")
    print(f"in {time.monotonic() - begin:.0f} s\n{story.passed} passed, {failed} failed", flush=True)
    return failed
