"""Reads a run's subunit stream from standard input and writes one line of JSON for each test: `id`, `status` (of subunit:
success, fail, skip, xfail, uxsuccess), `why` (an error's first line, or why it was skipped), `asked` (the requests, with
what came back). For the Python of tempest's virtual environment; tests/tempest.py reads what it writes."""

import io
import json
import re
import sys

import subunit
import testtools

ERROR = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Failure|Timeout|Skip\w*|[A-Z]\w*))(?::|$)")


def first_line(trace):
    """The last error's own words, its details on the same line. (One error may stand after another.)"""
    lines, found = trace.strip().splitlines(), ""
    for number, line in enumerate(lines):
        if line.startswith(" ") or not ERROR.match(line):
            continue
        rest = []
        for more in lines[number + 1:]:
            if not more.strip() or more.startswith((" ", "Traceback", "During handling", "---")):
                break
            rest.append(more.strip())
        if not found:
            found = " ".join([line, *rest])
    return re.sub(r"\s+", " ", found or (lines[-1] if lines else ""))[:600]


def requests(log):
    """What tempest's clients noted: the request with the status, and both bodies."""
    found = []
    for line in log.splitlines():
        if match := re.search(r"Request \(([^)]*)\): (\d{3}) ([A-Z]+) (\S+)", line):
            found.append({"by": match[1], "status": int(match[2]), "method": match[3], "url": match[4]})
        elif found and (match := re.search(r"\bBody: (.*)$", line)):
            found[-1]["answer" if "sent" in found[-1] else "sent"] = match[1][:2000]
    return found


def main():
    tests = {}

    def ended(test):
        details = {name: content.as_text() for name, content in test["details"].items() if content.content_type.type == "text"}
        trace = next((text for name, text in sorted(details.items()) if name.startswith("traceback")), "")
        log = "".join(text for name, text in details.items() if name.startswith("pythonlogging"))
        why = details.get("reason", "").strip() or first_line(trace)
        tests[test["id"]] = {"id": test["id"], "status": test["status"], "why": why, "asked": requests(log)[-12:],
                             "trace": trace[-6000:] if test["status"] == "fail" else ""}
    result = testtools.StreamToDict(ended)
    result.startTestRun()
    subunit.ByteStreamToStreamResult(io.BytesIO(sys.stdin.buffer.read()), non_subunit_name="stdout").run(result)
    result.stopTestRun()
    for test in tests.values():
        print(json.dumps(test))


if __name__ == "__main__":
    main()
