#!/usr/bin/python3
"""An intruder who has to be stopped and seen.

    tests/intruder.py [--binary PATH] [--instance NAME] [--port N] [--management-port N] [--only PART ...]

A fresh instance with institutions as honest people use them, and somebody who tries what must not work: from outside,
with stolen things, as a tenant's sub-account, as another institution's manager, as each of the provider's
administrators. For each attempt three things are looked at: the refusal's form; that the audit administrator finds it
in the journal by its request, with the right reason and source; and that it stands in the sequence of the institution
whose business it is, where that one's manager finds it, and in nobody else's. Beside the attempts stand controls: the
allowed thing works.

Prints a table, and `N passed, N failed` as the last line. What is tried, and what is not: docs/intruder.md."""

import argparse
import re
import signal
import sys
import time
import traceback

from accounts import Own, arguments
from cloud import Failed
from intruder_inside import Inside
from intruder_outside import Outside
from intruder_watch import Watch


class Intruder(Outside, Inside):
    # The session that was left open comes last: its minute passes meanwhile.
    PARTS = (Outside.wordlist, Outside.spraying, Outside.many_sources, Outside.words, Outside.timing,
             Outside.stolen_tokens, Outside.one_time_codes, Outside.recovery_codes, Outside.receipts,
             Inside.application_credentials,
             Inside.pairs_of_keys, Inside.trusts, Inside.sub_account, Inside.another_manager, Inside.administrators,
             Inside.listeners, Inside.approvals, Inside.consents, Outside.sessions)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    arguments(parser, "int", 24443)
    known = {part.__name__: part for part in Intruder.PARTS}
    parser.add_argument("--only", nargs="+", choices=known, help="these parts")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin = time.monotonic()
    with Own(args, args.hosts) as at:
        watch = Watch(at)
        intruder = Intruder(at, watch)
        intruder.prepare()
        parts = [part for part in Intruder.PARTS if not args.only or part.__name__ in args.only]
        if Intruder.sessions in parts:
            intruder.sessions_begin()
        print("| attempt | stopped | in the journal |\n|---|---|---|", flush=True)
        for part in parts:
            print(f"| **{part.__doc__}** | | |", flush=True)
            try:
                part(intruder)
            except Failed as e:
                watch.row(f"{part.__name__} cannot go on", "NO", "", e)
            except Exception as e:  # a mistake of this script is a failure, too
                watch.row(f"{part.__name__} cannot go on", "NO", "", Failed(str(e), "", traceback.format_exc()))
        watch.counts()
        with open(f"{at.state}/log", encoding="utf-8", errors="replace") as file:
            log = file.read()
        watch.holds("nothing of the product panicked or failed", not re.search("panicked|500", log), log[-2000:])
    print(f"in {time.monotonic() - begin:.0f} s\n{watch.passed} passed, {watch.failed} failed")
    return 1 if watch.failed else 0


if __name__ == "__main__":
    sys.exit(main())
