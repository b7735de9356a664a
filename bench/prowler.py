#!/usr/bin/python3
"""A scan of a project by prowler's OpenStack provider beside Jinyun's own evidence, in one run. `bench/README.md` says
what came out.

    bench/prowler.py [--binary PATH] [--prowler PROWLER] [--networks 250] [--open 3] [--runs 3]

An instance of its own with simulated hosts gets one institution and one project, with networks, subnets, security
groups, rules, ports and encrypted volumes in it; some of the groups let SSH in from everywhere. Then prowler scans the
project as an outsider with a member's account does: by the API. Measured are its wall time and CPU, what
answering it costs the control process, and whether it sees the open groups; and beside it what the
control process takes to evaluate all clauses continuously, over the same resources, at rest.

prowler comes from PyPI: `python3 -m venv V; V/bin/pip install prowler`, then `--prowler V/bin/prowler`. It looks for
news on the network when it starts, which is refused where there is none; it takes no harm from that."""

import argparse
import csv
import glob
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# This directory has a file `http.py`, which is not Python's module `http`.
sys.path[0] = os.path.join(os.path.dirname(HERE), "tests")

from accounts import Institution, Own, arguments, clouds_yaml, in_project  # noqa: E402
from cloud import Failed, expect, until  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
REST = 60  # seconds
SSH = "networking_security_group_allows_ssh_from_internet"
SERVICES = ("networking", "blockstorage", "image")


def say(*words):
    print(*words, flush=True)


def cpu(pid):
    """Seconds of CPU that a process has used, its ended threads included."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def fill(cloud, args):
    """The project and its member; how many resources there are."""
    bank = Institution(cloud, "bank")
    project = bank.project("payments")
    ann = bank.person("ann", "member", project)
    for item in cloud.by("sysadmin", "GET", "/identity/v3/registered_limits").must()["registered_limits"]:
        limit = {"project_id": project, "resource_name": item["resource_name"], "resource_limit": -1}
        cloud.by("sysadmin", "POST", "/identity/v3/limits", {"limits": [limit]}).must()
    # A manager's password is the manager's: whoever was given one changes it.
    first, ann.password = ann.password, ann.password + "x"
    change = {"user": {"password": ann.password, "original_password": first}}
    cloud.ask("POST", f"{cloud.tenants}/identity/v3/users/{ann.id}/password", change).must(204)

    def make(path, one, **body):
        return ann.ask("POST", path, {one: body}, in_project(project)).must()[one]["id"]
    net, count = "/network/v2.0", 0
    for n in range(args.networks):
        network = make(f"{net}/networks", "network", name=f"net-{n}")
        make(f"{net}/subnets", "subnet", network_id=network, ip_version=4, cidr="10.0.0.0/24")
        group = make(f"{net}/security-groups", "security_group", name=f"group-{n}")
        anywhere = {"remote_ip_prefix": "0.0.0.0/0"} if n < args.open else {"remote_ip_prefix": "10.0.0.0/24"}
        make(f"{net}/security-group-rules", "security_group_rule", security_group_id=group, direction="ingress",
             ethertype="IPv4", protocol="tcp", port_range_min=22, port_range_max=22, **anywhere)
        make(f"{net}/ports", "port", network_id=network, security_groups=[group])
        # Each group also comes with two rules of its own.
        count += 7
    for n in range(args.volumes):
        make(f"/volume/v3/{project}/volumes", "volume", name=f"volume-{n}", size=1)
        count += 1
    return project, ann, count


def scan(args, cloud, yaml, where):
    """One scan: seconds, its CPU, the control process's CPU, and its findings as (check, status)."""
    pid = cloud.process("control")
    before, children, begin = cpu(pid), resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    words = [args.prowler, "openstack", "--clouds-yaml-file", yaml, "--clouds-yaml-cloud", "scan", "--output-formats",
             "csv", "--output-directory", where, "--output-filename", "scan", "--no-banner", "--ignore-exit-code-3",
             "--service", *SERVICES]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1800,
                          env=os.environ | {"REQUESTS_CA_BUNDLE": cloud.ca})
    seconds = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime
    found = glob.glob(f"{where}/scan.csv")
    expect(found, f"prowler ended with {done.returncode} and left no findings", " ".join(words),
           done.stdout[-2000:] + done.stderr[-2000:])
    with open(found[0], encoding="utf-8", newline="") as file:
        rows = [(row["CHECK_ID"], row["STATUS"]) for row in csv.DictReader(file, delimiter=";")]
    os.unlink(found[0])
    return seconds, own, cpu(pid) - before, rows


def measure(args):
    with Own(args) as cloud, tempfile.TemporaryDirectory() as where:
        project, ann, count = fill(cloud, args)
        yaml = f"{where}/clouds.yaml"
        clouds_yaml(cloud, yaml, {"scan": {
            "auth_url": f"{cloud.tenants}/identity/v3", "username": ann.name, "password": ann.password,
            "user_domain_name": "bank", "project_id": project}})
        say(f"{count} resources in one project, {args.open} groups open to everybody")
        runs = [scan(args, cloud, yaml, where) for _ in range(args.runs)]
        checks = sorted({check for check, _ in runs[0][3]})
        opened = sum(1 for check, status in runs[0][3] if check == SSH and status == "FAIL")
        expect(opened == args.open, f"prowler sees {opened} open groups instead of {args.open}")
        wall, own, served = (statistics.median(run[n] for run in runs) for n in range(3))
        say(f"prowler: {len(checks)} checks, {len(runs[0][3])} findings: {wall:.1f} s, {own:.1f} s of CPU, and "
            f"{served:.2f} s of CPU to answer it (medians of {args.runs})")
        pid = cloud.process("control")
        until("the first evaluation", 300, lambda: cloud.by("auditor", "GET", "/evidence/v1/posture").status == 200, 1)
        before = cpu(pid)
        time.sleep(REST)
        used = (cpu(pid) - before) / REST
        say(f"Jinyun: everything it does at rest, all clauses evaluated each half minute: {used * 100:.2f} % of a core, "
            f"{used * 30:.3f} s for each evaluation")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    arguments(parser, "prowler", 18640)
    parser.add_argument("--prowler", default="prowler")
    parser.add_argument("--networks", type=int, default=250)
    parser.add_argument("--volumes", type=int, default=50)
    parser.add_argument("--open", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    try:
        measure(args)
    except Failed as e:
        sys.exit(f"{e.what}\n{e.did}\n{e.said}")


if __name__ == "__main__":
    main()
