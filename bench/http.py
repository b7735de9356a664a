#!/usr/bin/python3
"""What requests, memory, start and servers cost, measured from outside. `bench/README.md` says what came out.

    bench/http.py [--binary PATH] requests [--count 2000] [--servers 1000]
    bench/http.py [--binary PATH] memory
    bench/http.py [--binary PATH] start [--runs 5]
    bench/http.py [--binary PATH] servers --image GUEST.qcow2 [--runs 5]

Each brings up an instance of its own, measures, and takes it down. Root; Python's standard library only.

CPU is user and system time of the whole control process by the kernel's account, from the first request until the
process is at rest again: what the driver and the simulated host do after the answer is in it, the client is not."""

import argparse
import contextlib
import fcntl
import json
import multiprocessing
import os
import secrets
import signal
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# This directory would offer this file as the module `http`.
sys.path[0] = os.path.join(os.path.dirname(HERE), "tests")

import http.client  # noqa: E402
from accounts import Institution, Own  # noqa: E402
from cloud import Failed, expect, inside, until  # noqa: E402

HEADERS = {"Content-Type": "application/json"}
TICKS = os.sysconf("SC_CLK_TCK")
REST = 20  # seconds
LISTS = 400  # requests of each load of long lists


def say(*words, sep=" "):
    print(*words, sep=sep, flush=True)


# An instance ----------------------------------------------------------------------------------------------------------


class Cloud(Own):
    """An instance of our own, with one institution, one project and one user. `first_up` is how long `up` took."""

    def up(self):
        self.begin = time.monotonic()
        super().up()
        self.first_up = time.monotonic() - self.begin

    def found(self):
        """A domain with its manager, a project without limits, a user; fills `bank`, `user`, `project` and `token`."""
        self.bank = bank = Institution(self, "bank")
        self.project = bank.project("payments")
        ann = bank.person("ann", "member", self.project)
        limits = "/identity/v3/limits"
        for item in self.by("sysadmin", "GET", "/identity/v3/registered_limits").must()["registered_limits"]:
            self.by("sysadmin", "POST", limits, {"limits": [{"project_id": self.project, "resource_limit": -1,
                    "resource_name": item["resource_name"]}]}).must()
        self.user = bank.entry(ann, project_name="payments", project_domain_name="bank")
        self.token = self.log_in(self.user)[1]
        return self

    def call(self, method, path, body=None, ok=(200, 201, 202, 204)):
        """A request of the user's, which must be granted: what was answered."""
        return self.http(method, self.tenants + path, body, self.token, ok)[2]

    def network(self, name, prefix):
        network = self.call("POST", "/network/v2.0/networks", {"network": {"name": name}})["network"]["id"]
        self.call("POST", "/network/v2.0/subnets", {"subnet": {"network_id": network, "ip_version": 4, "cidr": prefix}})
        return network

    def group(self, name):
        body = {"security_group": {"name": name}}
        return self.call("POST", "/network/v2.0/security-groups", body)["security_group"]["id"]

    def image(self, path, form):
        made = self.call("POST", "/image/v2/images", {"name": "guest", "disk_format": form, "container_format": "bare"})
        connection = http.client.HTTPSConnection("127.0.0.1", self.args.port, context=self.tls, timeout=60)
        with open(path, "rb") as file:
            connection.request("PUT", f"/image/v2/images/{made['id']}/file", file,
                               {"X-Auth-Token": self.token, "Content-Type": "application/octet-stream"})
            answer = connection.getresponse()
            expect(answer.status == 204, "the image is not taken", said=answer.read().decode())
        return made["id"]

    def flavor(self, name):
        found = self.call("GET", "/compute/v2.1/flavors")["flavors"]
        return next(f["id"] for f in found if f["name"] == name)

    def family(self):
        """Our processes by their word."""
        with open(f"{self.run_dir}/supervisor.pid", encoding="ascii") as file:
            found = {"supervise": int(file.read())}
        found["control"] = self.process("control")
        if self.hosts == "real":
            found["agent"] = self.process("agent")
        return found

    def memory(self, when):
        found = {word: pss(pid) for word, pid in self.family().items()}
        parts = ", ".join(f"{word} {mb:.1f}" for word, mb in found.items())
        say(f"PSS {when}: {sum(found.values()):.1f} MB ({parts})")


# The kernel's accounts ------------------------------------------------------------------------------------------------


def cpu(pid):
    """Seconds of CPU that a process has used, its ended threads included."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def settled(pid, patience=300):
    """Waits until a process is at rest; its CPU then."""
    last, end = cpu(pid), time.monotonic() + patience
    while time.monotonic() < end:
        time.sleep(1)
        now = cpu(pid)
        if now - last <= 0.02:
            return now
        last = now
    raise Failed(f"process {pid} does not come to rest within {patience} s")


def pss(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024 / 1e6


# Loads ----------------------------------------------------------------------------------------------------------------


def client(port, ca, make, worker, count, gate, result):
    """One keep-alive connection and its requests. The first, which shakes hands, is not counted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        context = ssl.create_default_context(cafile=ca)
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=120)
        connection.request("GET", "/identity/v3")
        connection.getresponse().read()
        times = []
        gate.wait()
        for i in range(count):
            method, path, body, headers, want = make(worker, i)
            begin = time.perf_counter()
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
            times.append(time.perf_counter() - begin)
            if answer.status != want or answer.will_close:
                raise Failed(f"the answer was {answer.status}", f"{method} {path}", said[:300].decode(errors="replace"))
        result.send((times, len(said)))
    except BaseException as e:  # handed to the parent
        gate.abort()
        result.send(f"{e} {getattr(e, 'did', '')} {getattr(e, 'said', '')}")


def load(cloud, name, clients, count, make):
    """Runs `count` requests on `clients` connections, each a process of its own, and says what they cost."""
    pid = cloud.process("control")
    gate, workers = multiprocessing.Barrier(clients + 1), []
    for worker in range(clients):
        here, there = multiprocessing.Pipe(False)
        process = multiprocessing.Process(target=client, args=(cloud.args.port, cloud.ca, make, worker,
                                                               count // clients, gate, there))
        process.start()
        workers.append((process, here))
    time.sleep(0.5)
    settled(pid)
    others, before = os.getloadavg()[0], cpu(pid)
    with contextlib.suppress(multiprocessing.context.TimeoutError, Exception):
        gate.wait(60)
    begin, times, failed = time.perf_counter(), [], []
    for process, here in workers:
        got = here.recv()
        failed, times, size = (failed + [got], times, 0) if isinstance(got, str) else (failed, times + got[0], got[1])
    wall = time.perf_counter() - begin
    answered = cpu(pid)
    for process, _ in workers:
        process.join()
    expect(not failed, f"{name}: a client failed", said="\n".join(failed))
    used = settled(pid) - before
    times.sort()
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))] * 1000
    say(f"| {name} | {clients} | {len(times)} | {used * 1000 / len(times):.3f} "
        f"| {(answered - before) * 1000 / len(times):.3f} | {len(times) / wall:.0f} | {at(0.5):.2f} / {at(0.99):.2f} "
        f"| {size} | {others:.1f} |")
    return used * 1000 / len(times)


TABLE = ("| request | clients | count | CPU ms/request | of it until answered | req/s | p50 / p99 ms | bytes | load before |\n"
         "|---|---|---|---|---|---|---|---|---|")


def requests(args):
    """CPU per request, on simulated hosts and SQLite."""
    with Cloud(args, "simulated") as cloud:
        pid = cloud.process("control")
        time.sleep(REST)
        cloud.memory(f"fresh, after {REST} s of rest")
        before = cpu(pid)
        time.sleep(REST)
        say(f"CPU at rest: {(cpu(pid) - before) / REST:.4f} of a core")
        cloud.found()
        auth = HEADERS | {"X-Auth-Token": cloud.token}
        count = args.count

        def post(path, one, make, want=201):
            def request(worker, i):
                return "POST", path, json.dumps({one: make(worker, i)}).encode(), auth, want
            return request

        def get(path, headers, want=200):
            return lambda worker, i: ("GET", path, None, headers, want)
        wide = cloud.network("wide", "10.0.0.0/16")
        groups = {clients: cloud.group(f"group {clients}") for clients in (1, 8)}
        networks = post("/network/v2.0/networks", "network", lambda w, i: {"name": f"net-{w}-{i}"})
        ports = post("/network/v2.0/ports", "port", lambda w, i: {"network_id": wide, "name": f"port-{w}-{i}"})

        def rules(clients):
            return post("/network/v2.0/security-group-rules", "security_group_rule", lambda w, i: {
                "security_group_id": groups[clients], "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
                "port_range_min": 1 + w * (count // clients) + i, "port_range_max": 1 + w * (count // clients) + i})
        domain = {"name": cloud.user["user_domain_name"]}
        scope = {"project": {"name": cloud.user["project_name"], "domain": domain}}

        def issue(methods):
            body = json.dumps({"auth": {"identity": methods, "scope": scope}}).encode()
            return lambda worker, i: ("POST", "/identity/v3/auth/tokens", body, HEADERS, 201)
        password = issue({"methods": ["password"], "password": {"user": {
            "name": cloud.user["username"], "password": cloud.user["password"], "domain": domain}}})
        by_token = issue({"methods": ["token"], "token": {"id": cloud.token}})
        say(TABLE)
        for clients in (1, 8):
            load(cloud, "GET /identity/v3 (TLS and HTTP alone)", clients, count * 5, get("/identity/v3", {}))
        for clients in (1, 8):
            load(cloud, "GET /v3/auth/tokens (validate)", clients, count * 5,
                 get("/identity/v3/auth/tokens", auth | {"X-Subject-Token": cloud.token}))
        for clients in (1, 8):
            load(cloud, "POST /v3/auth/tokens (by token)", clients, count, by_token)
        for clients in (1, 8):
            load(cloud, "POST /v3/auth/tokens (password)", clients, count, password)
        for clients in (1, 8):
            load(cloud, "POST /v2.0/networks", clients, count, networks)
        for clients in (1, 8):
            load(cloud, "POST /v2.0/ports", clients, count, ports)
        for clients in (1, 8):
            load(cloud, "POST /v2.0/security-group-rules", clients, count, rules(clients))
        with_servers(args, cloud, auth, post, get, networks)
        cloud.memory("after these loads, at once")
        time.sleep(REST)
        cloud.memory(f"after these loads and {REST} s of rest")


def with_servers(args, cloud, auth, post, get, networks):
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(1 << 20)
        image = cloud.image(file.name, "raw")
    tiny, count = cloud.flavor("m1.tiny"), args.servers
    net = cloud.network("servers", "10.9.0.0/16")

    def made(networks):
        return post("/compute/v2.1/servers", "server", lambda w, i: {
            "name": f"server-{w}-{i}", "imageRef": image, "flavorRef": tiny, "networks": networks}, 202)

    def active(want):
        def look():
            found, query = 0, "?limit=1000&status=ACTIVE"
            while query:
                page = cloud.call("GET", "/compute/v2.1/servers" + query)
                found += len(page["servers"])
                link = page.get("servers_links", [])
                query = "?" + link[0]["href"].partition("?")[2] if link else ""
            return found >= want
        begin = time.monotonic()
        until(f"{want} servers are ACTIVE", 1200, look, 1)
        say(f"{want} servers are ACTIVE {time.monotonic() - begin:.1f} s after the load has settled")
    load(cloud, "POST /v2.1/servers, no port", 8, count, made("none"))
    active(count)
    detail = get("/compute/v2.1/servers/detail", auth)
    for clients in (1, 8):
        load(cloud, f"GET /v2.1/servers/detail, {count} servers without ports", clients, LISTS,
             detail)
    load(cloud, f"POST /v2.0/networks, {count} servers on the host", 8, args.count, networks)
    for clients in (1, 8):
        load(cloud, f"GET /v3/auth/tokens (validate), {count} servers", clients, args.count,
             get("/identity/v3/auth/tokens", auth | {"X-Subject-Token": cloud.token}))
    # The same number with a port each; the ones without go first.
    for page in iter(lambda: cloud.call("GET", "/compute/v2.1/servers?limit=1000")["servers"], []):
        for server in page:
            cloud.call("DELETE", f"/compute/v2.1/servers/{server['id']}", ok=(204, 404))
        time.sleep(2)
    load(cloud, "POST /v2.1/servers, one port", 8, count, made([{"uuid": net}]))
    active(count)
    for clients in (1, 8):
        load(cloud, f"GET /v2.1/servers/detail, {count} servers with a port each", clients,
             LISTS, detail)


# Memory, start --------------------------------------------------------------------------------------------------------


def memory(args):
    """PSS at rest, with simulated and with real hosts."""
    for hosts in ("simulated", "real"):
        with Cloud(args, hosts) as cloud:
            time.sleep(REST)
            cloud.memory(f"hosts {hosts}, fresh, after {REST} s of rest")


def start(args):
    """From `jinyun up` to the first token."""
    def token(cloud, user):
        def look():
            with contextlib.suppress(OSError, ssl.SSLError):
                return cloud.log_in(user)[1]
        return until("a token", 60, look, 0.002)

    def figures(name, all):
        all = sorted(all)
        say(f"{name}: {all[0]:.3f} / {statistics.median(all):.3f} / {all[-1]:.3f} s (min / median / max of {len(all)})")
    ups, firsts = [], []
    for _ in range(args.runs):
        with Cloud(args, "simulated") as cloud:
            cloud.administrator("secadmin").token()
            firsts.append(time.monotonic() - cloud.begin)
            ups.append(cloud.first_up)
    figures("first start ever, `up` returns", ups)
    figures("first start ever, with the change of the initial password, token", firsts)
    for hosts in ("simulated", "real"):
        with Cloud(args, hosts) as cloud:
            cloud.found()
            login, times = [], []
            for _ in range(args.runs):
                begin = time.monotonic()
                cloud.log_in(cloud.user)
                login.append(time.monotonic() - begin)
            for _ in range(args.runs):
                cloud.jinyun("stop")
                begin = time.monotonic()
                with subprocess.Popen(cloud.words(*cloud.up_words()), stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL):
                    token(cloud, cloud.user)
                    times.append(time.monotonic() - begin)
            figures(f"hosts {hosts}: a login by itself", login)
            figures(f"hosts {hosts}: stop, up, token", times)


# A server and the same by hand -----------------------------------------------------------------------------------------

LUKS = ("encrypt.format=luks,encrypt.key-secret=s0,encrypt.cipher-alg=aes-256,encrypt.cipher-mode=xts,"
        "encrypt.iter-time=20")


def speaks(path, begin, seconds=120):
    """Seconds from `begin` until the guest on this console says that SSH answers, and its own uptime by then."""
    while time.monotonic() < begin + seconds:
        with contextlib.suppress(OSError), open(path, "rb") as file:
            for line in file.read().split(b"\n")[:-1]:
                if line.startswith(b"JY ssh-up"):
                    return time.monotonic() - begin, float(line.split()[-1])
        time.sleep(0.005)
    raise Failed(f"no SSH within {seconds} s", said=path)


def by_hand(args, where, space, tap, mac):
    """Disk and guest as the agent makes them, by qemu-img and QEMU alone, without confinement. Returns seconds until
    QEMU is started, until SSH answers, and the guest's uptime by then."""
    disk, key, console = (f"{where}/{name}" for name in ("disk.qcow2", "key", "console.log"))
    for path in (disk, console):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
    with open(key, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(secrets.token_hex(32))
    secret = f"secret,id=s0,file={key}"
    begin = time.monotonic()
    while True:  # on an idle machine qemu-img sometimes cannot calibrate its key derivation
        done = subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "--object", secret, "-o", LUKS, disk, "1G"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode == 0:
            break
        expect("accurate CPU usage" in done.stderr, "qemu-img create failed", said=done.stderr)
    target = f"driver=qcow2,encrypt.format=luks,encrypt.key-secret=s0,file.driver=file,file.filename={disk}"
    subprocess.run(["qemu-img", "convert", "-n", "--target-is-zero", "-t", "writeback", "-T", "writeback", "--object",
                    secret, "--image-opts", "--target-image-opts",
                    f"driver=qcow2,file.driver=file,file.filename={args.image}", target], check=True)

    def open_tap():
        fd = os.open("/dev/net/tun", os.O_RDWR)
        # IFF_TAP, IFF_NO_PI, IFF_VNET_HDR
        fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", tap.encode(), 0x2 | 0x1000 | 0x4000))
        return fd
    fd = inside(space, open_tap)
    words = ["qemu-system-x86_64", "-name", "by-hand", "-machine", "q35,dump-guest-core=off,mem-merge=off", "-accel",
             "tcg,tb-size=64", "-cpu", "max", "-m", "128", "-smp", "1", "-display", "none", "-sandbox",
             "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", "-boot", "strict=on",
             "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console", "-device", "virtio-rng-pci"]
    for slot in range(16):
        words += ["-device", f"pcie-root-port,id=rp{slot},chassis={slot},slot={slot},io-reserve=0"]
    words += ["-nodefaults", "-no-user-config", "-object", secret, "-blockdev", "node-name=disk,discard=unmap," + target,
              "-device", "virtio-blk-pci,drive=disk,bus=rp0,bootindex=1", "-netdev", f"tap,id=net,fd={fd},vhost=off",
              "-device", f"virtio-net-pci,netdev=net,bus=rp1,mac={mac},romfile="]
    started = time.monotonic() - begin
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, pass_fds=[fd]) as qemu:
        os.close(fd)
        try:
            return started, *speaks(console, begin)
        finally:
            qemu.kill()


def servers(args):
    """A server through the API, and the same disk and guest by hand on the tap of a stopped server, in turn."""
    expect(args.image, "give the guest's image with --image")
    with Cloud(args, "real") as cloud, tempfile.TemporaryDirectory() as where:
        cloud.found()
        image, tiny, net = cloud.image(args.image, "qcow2"), cloud.flavor("m1.tiny"), cloud.network("n", "10.0.0.0/24")
        guests = f"{cloud.state}/host/guests"

        def server(name):
            """Seconds until the answer, until QEMU is started, until SSH answers; the guest's uptime by then."""
            begin = time.monotonic()
            ident = cloud.call("POST", "/compute/v2.1/servers", {"server": {"name": name, "imageRef": image,
                              "flavorRef": tiny, "networks": [{"uuid": net}]}})["server"]["id"]
            answered, console = time.monotonic() - begin, f"{guests}/{ident}/console.log"
            until("QEMU is started", 120, lambda: os.path.exists(console), 0.002)
            started = time.monotonic() - begin
            return ident, answered, started, *speaks(console, begin)
        own = lambda: sum(cpu(pid) for word, pid in cloud.family().items() if word != "supervise")
        first = server("lender")[0]
        cloud.call("POST", f"/compute/v2.1/servers/{first}/action", {"os-stop": None})
        until("the lender is off", 60, lambda: first not in cloud.guests())
        port = cloud.call("GET", f"/compute/v2.1/servers/{first}/os-interface")["interfaceAttachments"][0]
        space = cloud.spaces("n")[0]
        links = json.loads(subprocess.run(["ip", "-n", space, "-j", "link"], check=True, capture_output=True).stdout)
        tap = next(link["ifname"] for link in links if link["ifname"] != "lo")
        api, hand, used = [], [], []
        say("| pair | API: answer | QEMU starts | SSH | uptime | by hand: QEMU starts | SSH | uptime | difference | load |")
        say("|---|---|---|---|---|---|---|---|---|---|")
        for pair in range(args.runs):
            time.sleep(1)
            others, before = os.getloadavg()[0], own()
            ident, *took = server(f"server-{pair}")
            used.append(own() - before)
            api.append(took)
            cloud.call("DELETE", f"/compute/v2.1/servers/{ident}")
            until("the server is gone", 60, lambda: not cloud.guests() and ident not in os.listdir(guests))
            time.sleep(1)
            hand.append(by_hand(args, where, space, tap, port["mac_addr"]))
            cells = [f"{n:.3f}" for n in (*took, *hand[-1], took[2] - hand[-1][1])]
            say(f"| {pair + 1} | {' | '.join(cells)} | {others:.1f} |")
        middle = statistics.median
        say(f"medians: API {middle(a[2] for a in api):.3f} s, by hand {middle(h[1] for h in hand):.3f} s, of the "
            f"differences {middle(a[2] - h[1] for a, h in zip(api, hand)):.3f} s")
        say(f"until QEMU starts: API {middle(a[1] for a in api):.3f} s, by hand {middle(h[0] for h in hand):.3f} s, of "
            f"the differences {middle(a[1] - h[0] for a, h in zip(api, hand)):.3f} s")
        say(f"from QEMU's start to SSH: API {middle(a[2] - a[1] for a in api):.3f} s, by hand "
            f"{middle(h[1] - h[0] for h in hand):.3f} s, of the differences "
            f"{middle(a[2] - a[1] - h[1] + h[0] for a, h in zip(api, hand)):.3f} s")
        say(f"CPU of control process and agent for one server until SSH: {middle(used) * 1000:.0f} ms (of qemu-img and "
            "QEMU: not counted)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", default="target/release/jinyun")
    parser.add_argument("--instance", default="bench")
    parser.add_argument("--port", type=int, default=18743)
    parser.add_argument("--management-port", type=int, default=18744)
    parser.add_argument("--count", type=int, default=2000, help="requests of each load")
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--image", help="guest image, built by images/guest/build")
    whats = {"requests": requests, "memory": memory, "start": start, "servers": servers}
    parser.add_argument("what", choices=whats)
    args = parser.parse_args()
    args.image = args.image and os.path.abspath(args.image)
    args.binary = os.path.abspath(args.binary)
    try:
        whats[args.what](args)
    except Failed as e:
        sys.exit(f"FAILED: {e.what}\n{e.did}\n{e.said}")


if __name__ == "__main__":
    main()
