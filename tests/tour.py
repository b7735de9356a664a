#!/usr/bin/python3
"""The guided tour of a running instance, which is also the acceptance test.

    tests/tour.py --instance NAME --binary PATH --image GUEST.qcow2 [--hosts simulated] [--cleanup]

Everything is done as a user would do it: by the real `openstack` client, over HTTPS, and by entering the network
through a port of it. Each step asserts; "proved" means that the forbidden thing was tried, failed, and succeeded
where it is allowed. The first thing that is not as it must be ends the tour with the step, the command, its output
and exit code 1. At its end the cloud stays up with everything the tour made, unless --cleanup is given."""

import argparse
import contextlib
import json
import os
import secrets
import select
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from totp import Administrator
from cloud import (Failed, Instance, all_spaces, dial, expect, hear, inside, run, together, until)

HERE = os.path.dirname(os.path.abspath(__file__))
BOOT = 90  # seconds until an emulated guest on a busy machine must have answered
RANGE = "10.0.0.0/24"  # of both tenants: that is the point
SIDE_RANGE = "10.0.1.0/24"
LUKS = b"LUKS\xba\xbe"
ADMINISTRATORS = {"sysadmin": "system_admin", "secadmin": "security_admin", "auditor": "audit_admin"}


def password():
    return "Jy1-" + secrets.token_urlsafe(24)


class Tour:
    def __init__(self, args):
        self.args, self.real = args, args.hosts == "real"
        self.instance = Instance(args.instance, args.binary, args.port, args.management_port)
        self.cli = self.instance.cli
        self.dir = f"{self.instance.state}/tour"
        self.key = f"{self.dir}/key"
        self.users = {}  # entries of clouds.yaml
        self.notes = []  # lines for the end
        self.tokens = {}
        self.staff = {}  # administrators, with their devices

    # Credentials -------------------------------------------------------------------------------------------------

    def person(self, cloud, listener, **auth):
        self.users[cloud] = {"auth_url": f"{listener}/identity/v3", "password": password(), **auth}
        return self.users[cloud]

    def keep_credentials(self):
        """Before a password is set, so that none is ever lost. JSON strings are YAML, too."""
        lines = ["clouds:"]
        for cloud, auth in self.users.items():
            lines += [f"  {cloud}:", "    identity_api_version: 3", "    region_name: RegionOne",
                      f"    cacert: {json.dumps(self.instance.ca)}"]
            if cloud in self.staff:
                # A code is taken once, so the client gets a token: good for an hour, like each.
                entry = self.staff[cloud].cloud()
                auth = entry["auth"]
                lines.append(f"    auth_type: {entry['auth_type']}")
            lines.append("    auth:")
            lines += [f"      {name}: {json.dumps(value)}" for name, value in auth.items()]
        write_private(self.instance.clouds, "\n".join(lines) + "\n")

    def token(self, cloud):
        if cloud in self.staff:
            return self.staff[cloud].token()
        if cloud not in self.tokens:
            self.tokens[cloud] = self.instance.log_in(self.users[cloud])[1]
        return self.tokens[cloud]

    def make_user(self, by, cloud, domain_id):
        """With an initial password, which the user changes. Not by a command line, which everybody on the machine can
        read."""
        user, initial = self.users[cloud], password()
        body = {"user": {"name": user["username"], "domain_id": domain_id, "password": initial}}
        ident = self.instance.http("POST", self.users[by]["auth_url"] + "/users", body, self.token(by))[2]["user"]["id"]
        self.instance.http("POST", f"{user['auth_url']}/users/{ident}/password",
                           {"user": {"password": user["password"], "original_password": initial}})
        return ident

    def server(self, ident, by="tour"):
        """A server as the API shows it, or None."""
        url = f"{self.instance.tenants}/compute/v2.1/servers/{ident}"
        status, _, answer = self.instance.http("GET", url, token=self.token(by), ok=(200, 404))
        return answer["server"] if status == 200 else None

    def volume(self, ident):
        url = f"{self.instance.tenants}/volume/v3/{self.project}/volumes/{ident}"
        status, _, answer = self.instance.http("GET", url, token=self.token("tour"), ok=(200, 404))
        return answer["volume"] if status == 200 else None

    def becomes(self, ident, want, seconds=60):
        """Waits for a server's status; an ERROR ends the wait."""
        def look():
            server = self.server(ident)
            expect(server, f"server {ident} is gone")
            if server["status"] == "ERROR":
                raise SystemError(json.dumps(server.get("fault")))
            return server["status"] == want and server
        try:
            return until(f"server {ident} becomes {want}", seconds, look, 0.2)
        except SystemError as e:
            raise Failed(f"server {ident} went to ERROR", "GET servers/" + ident, str(e)) from None

    # Steps -------------------------------------------------------------------------------------------------------

    def administrators(self):
        """three administrators, none above the others; initial passwords changed, a second factor for each"""
        at, found = self.instance, {}
        os.makedirs(self.dir, 0o700, exist_ok=True)
        expect(not os.path.exists(at.clouds), f"{at.clouds} exists: this instance has been toured. Take it down first "
               f"(make down), or use it: OS_CLIENT_CONFIG_FILE={at.clouds} openstack --os-cloud tour server list")
        for name in ADMINISTRATORS:
            self.person(name, at.management, username=name, user_domain_id="default", system_scope="all")
            with open(f"{at.state}/initial/{name}", encoding="utf-8") as file:
                found[name] = file.read().strip()
        self.keep_credentials()

        def change(name):
            user = self.users[name]
            status, token, answer = at.log_in(user | {"password": found[name]}, ok=None)
            expect(status == 401 and not token, f"{name}'s initial password lets in", said=str(answer))
            ident = answer["error"]["message"].rstrip(".").split()[-1]
            at.http("POST", f"{user['auth_url']}/users/{ident}/password",
                    {"user": {"password": user["password"], "original_password": found[name]}})
            expect(at.log_in(user | {"password": found[name]}, ok=None)[0] == 401, f"{name}'s old password still works")
            administrator = Administrator(at, user)
            administrator.enrol()
            write_private(f"{self.dir}/{name}.totp", administrator.seed + "\n")
            expect(at.log_in(user, ok=None)[0] == 401, f"{name} is let in without a second factor")
            token = administrator.token()
            _, _, said = at.http("GET", user["auth_url"] + "/auth/tokens", token=token,
                                 headers={"X-Subject-Token": token})
            roles = [role["name"] for role in said["token"]["roles"]]
            expect(roles == [ADMINISTRATORS[name]], f"{name} has other roles than {ADMINISTRATORS[name]}", said=roles)
            return name, administrator
        self.staff = dict(together(*(lambda name=name: change(name) for name in ADMINISTRATORS)))
        self.keep_credentials()
        # What `jinyun assess` asks with, where OS_TOKEN says nothing else.
        write_private(f"{at.state}/auditor.json", json.dumps({"token": self.staff["auditor"].token()}) + "\n")
        # Duties exclude each other, and staff have no place at the tenants' door.
        for name in ("sysadmin", "auditor"):
            at.http("POST", self.users[name]["auth_url"] + "/domains", {"domain": {"name": "intruder"}},
                    self.token(name), ok=(403,))
        at.http("GET", f"{at.tenants}/identity/v3/domains", token=self.token("secadmin"), ok=(401, 403))
        return "proved"

    def institutions(self):
        """two institutions: a manager, a project and a user each"""
        at = self.instance
        for domain, project, manager, user in (("bank", "payments", "bank-manager", "tour"),
                                               ("fund", "trading", "fund-manager", "fund")):
            self.person(manager, at.tenants, username="boss", user_domain_name=domain, domain_name=domain)
            self.person(user, at.tenants, username={"tour": "ann", "fund": "bob"}[user], user_domain_name=domain,
                        project_name=project, project_domain_name=domain)
        self.keep_credentials()
        env = {"OS_CACERT": at.ca, "OS_IDENTITY_API_VERSION": "3", "OS_REGION_NAME": "RegionOne"}
        env |= {f"OS_{name.upper()}": value for name, value in self.users["tour"].items()}
        write_private(f"{at.state}/openrc", "".join(f"export {k}='{v}'\n" for k, v in env.items()))

        def found_institution(domain, project, manager, user):
            ident = self.cli("secadmin", "domain", "create", domain)["id"]
            boss = self.make_user("secadmin", manager, ident)
            self.cli("secadmin", "role", "add", "--user", boss, "--domain", ident, "manager", form=None)
            made = self.cli(manager, "project", "create", "--domain", domain, project)["id"]
            someone = self.make_user(manager, user, ident)
            self.cli(manager, "role", "add", "--user", someone, "--project", made, "member", form=None)
            return made
        self.project, _ = together(lambda: found_institution("bank", "payments", "bank-manager", "tour"),
                                   lambda: found_institution("fund", "trading", "fund-manager", "fund"))
        # From its first manager on the institution's people are its own: not even the security administrator ...
        domain = at.http("GET", f"{at.management}/identity/v3/domains?name=bank",
                         token=self.token("secadmin"))[2]["domains"][0]["id"]
        at.http("POST", f"{at.management}/identity/v3/users",
                {"user": {"name": "mole", "domain_id": domain, "password": password()}}, self.token("secadmin"),
                ok=(403,))
        # What staff could never take back waits for somebody else from here on; the rules change by their own stages.
        for action, other in (("identity:assignment:create", "system_admin"), ("identity:domain:delete", "system_admin"),
                              ("evidence:catalogue:*", "system_admin"), ("compute:host:delete", "security_admin")):
            at.http("POST", f"{at.management}/approval/v1/rules",
                    {"rule": {"name": f"a second person: {action}", "action": action, "deadline": 86400, "guarded": True,
                              "stages": [{"duty": other}]}}, self.token("secadmin"))
        return "ok"

    def resources(self):
        """image, two networks, a router, a group, a key pair, a volume"""
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tour", "-f", self.key])
        cli = self.cli

        def network():
            cli("tour", "network", "create", "front")
            cli("tour", "subnet", "create", "--network", "front", "--subnet-range", RANGE, "front")
            together(lambda: cli("tour", "router", "add", "subnet", "gate", "front", form=None), self.door)

        def side():
            cli("tour", "router", "create", "gate")
            cli("tour", "network", "create", "side")
            cli("tour", "subnet", "create", "--network", "side", "--subnet-range", SIDE_RANGE, "side")
            cli("tour", "router", "add", "subnet", "gate", "side", form=None)
            self.peer = self.probe("tour", "side", "peer")

        def others():
            image = cli("tour", "image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--file",
                        self.args.image, "guest")
            # The client shows what it was told before the upload.
            _, _, image = self.instance.http("GET", f"{self.instance.tenants}/image/v2/images/{image['id']}",
                                             token=self.token("tour"))
            expect(image["status"] == "active", "the image is not active", said=str(image))
            cli("tour", "security", "group", "create", "web")
            cli("tour", "security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "22", "web")
            cli("tour", "keypair", "create", "--public-key", self.key + ".pub", "tour")
            self.data = cli("tour", "volume", "create", "--size", "1", "data")["id"]
        self.door = lambda: setattr(self, "front", self.probe("tour", "front", "door"))
        together(side, network, others)
        volume = until("the volume is made", 30, lambda: (v := self.volume(self.data))["status"] == "available" and v)
        expect(volume["encrypted"], "the volume is not encrypted", said=volume)
        return "ok"

    def probe(self, cloud, network, name, *more):
        """A port that a namespace on the host stands behind: whoever is in it enters the network as a guest would."""
        port = self.cli(cloud, "port", "create", "--network", network, "--device-owner", "jinyun:probe", *more, name)
        port["space"] = f"jy-{self.instance.name}-p-{port['id'][:8]}"
        port["ip"] = port["fixed_ips"][0]["ip_address"]
        return port

    def ready(self, port):
        if self.real:
            until(f"the namespace of port {port['name']} is there", 20, lambda: port["space"] in all_spaces())
        return port["space"]

    def ssh_words(self, command, port=None, address=None):
        """What runs a command in web (or at another address), entering by a probe port."""
        return ["ip", "netns", "exec", self.ready(port or self.front), "ssh", "-i", self.key, "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                "-o", "ConnectTimeout=3", f"root@{address or self.address}", command]

    def ssh(self, command, seconds=20, address=None):
        return run(self.ssh_words(command, None, address), seconds)[1].strip()

    @contextlib.contextmanager
    def session(self, port):
        """An SSH session that stays open; gives a function that says whether it still answers."""
        words = self.ssh_words("cat", port)
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as ssh:
            def alive(seconds=5):
                with contextlib.suppress(BrokenPipeError):
                    ssh.stdin.write(b"still there\n")
                    ssh.stdin.flush()
                return bool(select.select([ssh.stdout], [], [], seconds)[0]) and ssh.stdout.readline() != b""
            try:
                expect(alive(10), "an SSH session does not come about", " ".join(words))
                yield alive
            finally:
                ssh.kill()

    def boot(self):
        """server "web" from image to SSH"""
        begin = time.monotonic()
        made = self.cli("tour", "server", "create", "--image", "guest", "--flavor", "m1.tiny", "--network", "front",
                        "--security-group", "web", "--key-name", "tour", "--wait", "web")
        expect(made["status"] == "ACTIVE", "the server is not ACTIVE", said={**made, "adminPass": "..."})
        self.guest_password = made.get("adminPass") or ""
        expect(len(self.guest_password) >= 20, "the server was given no password")
        expect(self.guest_password not in json.dumps(self.server(made["id"])), "the server's password is shown again")
        self.web, self.address = made["id"], made["addresses"]["front"][0]
        if not self.real:
            return "ok"
        active = time.monotonic() - begin
        name = until("SSH into web from another port of its network", BOOT,
                     lambda: self.ssh("hostname", 15), 0.3)
        expect(name == "web", "the guest has another name than its server", "hostname", name)
        # The guest has the password that its owner was shown, and nobody reads it at the metadata service any more.
        shadow = self.ssh("grep ^root: /etc/shadow").split(":")[1]
        scheme, salt = shadow.split("$")[1:3]
        hashed = subprocess.run(["openssl", "passwd", f"-{scheme}", "-salt", salt, "-stdin"], text=True,
                                input=self.guest_password, capture_output=True, check=True).stdout.strip()
        expect(hashed == shadow, "the guest has another password than its owner was shown")
        ask = "(printf 'GET /openstack/latest/meta_data.json HTTP/1.0\\r\\n\\r\\n'; sleep 1) | nc -w 3 169.254.169.254 80"
        page = until("the metadata service has the guest's page", 10,
                     lambda: (said := self.ssh(ask)).find('"uuid"') >= 0 and said)
        expect("admin_pass" not in page and self.guest_password not in page, "the password is told again")
        self.notes.append(f'Server      "web" {self.address}: ACTIVE after {active:.1f} s, SSH after '
                          f"{time.monotonic() - begin:.1f} s")
        expect(set(self.instance.guests()) == {self.web}, "there are other guests than web",
               said=str(self.instance.guests()))
        return "ok"

    def groups(self):
        """closed port stays closed; opened, it answers; closed again"""
        peer, http = self.ready(self.peer), b"GET / HTTP/1.0\r\n\r\n"

        def opens(port):
            connection = dial(peer, self.address, port)
            if connection:
                connection.close()
            return connection is not None
        # The way is there, through the router and from another network; only the group is in it.
        expect(opens(22), "port 22 is open to all and yet cannot be reached from the other network")
        expect(not opens(80), "port 80 answers though no rule opens it")
        rule = self.cli("tour", "security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "80", "web")
        until("port 80 answers once the group opens it", 10, lambda: opens(80))
        used, kept = dial(peer, self.address, 80), dial(peer, self.address, 80)
        expect(used and kept, "a second connection does not come about")
        with used, kept, self.session(self.peer) as alive:
            expect(hear(used, http).startswith(b"HTTP/1."), "an open connection does not answer")
            self.cli("tour", "security", "group", "rule", "delete", rule["id"], form=None)
            until("port 80 is closed again", 10, lambda: not opens(80))
            expect(not opens(80), "port 80 answers again")
            expect(hear(kept, http) == b"", "a connection from before goes on though its rule is gone")
            expect(opens(22) and alive(), "closing port 80 took port 22 with it")
        return "proved"

    def tenants(self):
        """another tenant with the same range is another world"""
        said = []

        def network():
            self.cli("fund", "network", "create", "front")
            self.cli("fund", "subnet", "create", "--network", "front", "--subnet-range", RANGE, "front")
            return self.probe("fund", "front", "neighbour")

        def look():
            said.append(self.cli("fund", "server", "show", self.web, ok=False))
            expect(self.cli("fund", "server", "list") == [], "the other tenant sees servers")
            self.token("fund")
        neighbour, _ = together(network, look)
        expect(said[0].startswith("No server"), "not the words for what does not exist", "openstack --os-cloud fund "
               f"server show {self.web}", said[0])
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/action")):
            url = f"{self.instance.tenants}/compute/v2.1/servers/{self.web}{path}"
            body = {"reboot": {"type": "HARD"}} if path else None
            self.instance.http(method, url, body, self.token("fund"), ok=(404,))
        if not self.real:
            return "proved"
        # At web's address there is nobody in this world, then somebody else, while web goes on answering in its own.
        here, there = self.ready(neighbour), self.ready(self.front)
        expect(not dial(here, self.address, 22, absent=True), "web answers in another tenant's network")
        twin = self.ready(self.probe("fund", "front", "twin", "--fixed-ip", f"ip-address={self.address}"))
        listener = inside(twin, lambda: socket.create_server(("", 22)))
        listener.settimeout(3)

        def greeting():
            connection = dial(here, self.address, 22, absent=True)
            if not connection:
                return None
            with connection, listener.accept()[0] as other:
                other.sendall(b"the twin\n")
                return hear(connection)
        with listener:
            expect(until("the twin answers its neighbour", 10, greeting) == b"the twin\n", "somebody else answers")
            with dial(there, self.address, 22) as connection:
                expect(hear(connection).startswith(b"SSH-2.0-"), "web does not answer in its own network")
        return "proved"

    def crash_control(self):
        """control process killed during a create; nothing lost or left"""
        before = self.instance.guests()
        made = self.cli("tour", "server", "create", "--image", "guest", "--flavor", "m1.tiny", "--network", "front",
                        "--security-group", "web", "--key-name", "tour", "--block-device",
                        f"uuid={self.data},source_type=volume,destination_type=volume,boot_index=-1", "second")
        begin = time.monotonic()
        if self.real:
            expect(made["id"] not in self.instance.guests(), "the server ran before anything could be killed: this "
                   "shows nothing")
        self.instance.kill("control")
        self.becomes(made["id"], "ACTIVE")
        took = time.monotonic() - begin
        self.second = made["id"]
        names = sorted(s["Name"] for s in self.cli("tour", "server", "list"))
        expect(names == ["second", "web"], "there are other servers than web and second", said=str(names))
        if not self.real:
            self.cli("tour", "server", "delete", "--wait", "second", form=None)
            expect(self.server(self.second) is None, "the deleted server is still there")
            return "proved"
        expect(self.instance.guests().items() >= before.items(), "a running guest did not live through it",
               said=f"{before}, then {self.instance.guests()}")
        self.nothing_left({self.web, self.second}, disks=3)
        self.notes.append(f"Crash       control process killed while a server was made: it was ACTIVE {took:.1f} s later")
        return "proved"

    def nothing_left(self, servers, disks):
        """The host has these guests, so many disks and the probe ports' namespaces, and nothing half-made."""
        def look():
            files = self.instance.disk_files()
            expect(all(f.endswith(".qcow2") and not f.startswith(".") for f in files) and len(files) == disks,
                   f"there should be {disks} disks and nothing else", f"ls -a {self.instance.disks}", "\n".join(files))
            expect(set(self.instance.guests()) == servers, "the guests' processes are not the servers'",
                   said=f"servers {sorted(servers)}\nprocesses {self.instance.guests()}")
            records = set(os.listdir(f"{self.instance.state}/host/guests"))
            expect(records == servers, "the agent's records are not the servers'", said=str(records))
            return True
        until("the host carries what the records say", 20, look)

    def encryption(self):
        """disks are encrypted: what a guest writes is not in the file"""
        for name in self.instance.disk_files():
            info = json.loads(run(["qemu-img", "info", "--output", "json", "-U", f"{self.instance.disks}/{name}"])[1])
            luks = info.get("format-specific", {}).get("data", {}).get("encrypt", {})
            expect(info.get("encrypted") and luks.get("format") == "luks", f"{name} is not encrypted", said=str(info))
        [address] = self.server(self.second)["addresses"]["front"]
        until("SSH into second", BOOT, lambda: self.ssh("hostname", 15, address["addr"]) == "second", 0.3)
        # The guest writes words to its second disk and finds them on the disk itself; nobody finds them in the file.
        words = "TOUR-PLAINTEXT-" + secrets.token_hex(16)
        with open(self.data_file(), "rb") as file:
            before = file.read()
        said = self.ssh(f"d=$(disk {self.data}) && echo {words} | dd of=$d bs=512 conv=sync 2>/dev/null && sync && "
                        f"echo 3 >/proc/sys/vm/drop_caches && dd if=$d bs=512 count=1 2>/dev/null | grep -c {words}",
                        address=address["addr"])
        expect(said == "1", "the guest does not read what it wrote", said=said)
        with open(self.data_file(), "rb") as file:
            content = file.read()
        expect(LUKS in content, "the disk's file has no LUKS header")
        expect(content != before, "what the guest wrote has not come to the file: that shows nothing")
        expect(words.encode() not in content, "the disk's file holds what the guest wrote in the clear")
        return "proved"

    def data_file(self):
        return f"{self.instance.disks}/{self.data}.qcow2"

    def crash_agent(self):
        """agent killed under running guests; they run on, and it finds them"""
        before = self.instance.guests()
        up = float(self.ssh("cat /proc/uptime").split()[0])
        with self.session(self.peer) as alive:
            self.instance.kill("agent")
            expect(alive(), "a connection broke when the agent was killed")
        expect(self.instance.guests() == before, "the guests are not the same processes",
               said=f"{before}, then {self.instance.guests()}")
        expect(float(self.ssh("cat /proc/uptime").split()[0]) > up, "the guest has started again")
        # The new agent has them in hand: what it is told to end ends, and the rest stays.
        self.cli("tour", "server", "delete", "--wait", "second", form=None)
        expect(self.server(self.second) is None, "the deleted server is still there")
        self.nothing_left({self.web}, disks=2)
        expect(self.instance.guests()[self.web] == before[self.web], "web is another process")
        expect(self.becomes(self.web, "ACTIVE", 20), "web is not ACTIVE")
        return "proved"

    def erasure(self):
        """a deleted volume is erased, not only unlinked"""
        until("the volume is detached", 30, lambda: self.volume(self.data)["status"] == "available")
        with open(self.data_file(), "rb") as file:
            content = file.read()
            begin = content.find(LUKS)
            expect(begin >= 0, "the disk's file has no LUKS header")
            keys = content[begin:begin + (1 << 20)]
            self.cli("tour", "volume", "delete", self.data, form=None)
            until("the volume is gone", 30, lambda: self.volume(self.data) is None)
            self.nothing_left({self.web}, disks=1)
            # It has no name any more; whoever had it open sees what is left.
            file.seek(0)
            left = file.read()
        pieces = {keys[i:i + 512] for i in range(0, len(keys), 512)} - {bytes(512)}
        expect(LUKS not in left and not any(left[i:i + 512] in pieces for i in range(0, len(left), 512)),
               "the header or the key area of the erased disk can still be read")
        return "proved"

    def assessment(self):
        """assessment against the standards"""
        at = self.instance
        if run([at.binary, "--instance", at.name, "assess", "--help"], ok=False)[0] != 0:
            return "not built"
        # An institution takes its own part of the journal away first: whether it ever does is part of its half.
        ask = urllib.request.Request(f"{at.tenants}/journal/v1/export", headers={"X-Auth-Token": self.token("bank-manager")})
        with urllib.request.build_opener(urllib.request.HTTPSHandler(context=at.tls),
                                         urllib.request.ProxyHandler({})).open(ask, timeout=30) as answer:
            expect(b'"action"' in answer.read(), "an institution's part of the journal is empty")
        _, out, _ = run([at.binary, "--instance", at.name, "assess"], 120)
        lines = [line.strip() for line in out.splitlines() if line.strip()]
        expect(lines, "the assessment says nothing")
        self.notes += [line for line in lines if line.startswith("JR/T")] or [lines[-1]]
        return "ok"

    def journal(self):
        """journal exported, verified offline; a changed byte is found"""
        at, export = self.instance, f"{self.dir}/journal.export"
        if not self.real:
            self.cli("tour", "volume", "delete", self.data, form=None)
            until("the volume is gone", 30, lambda: self.volume(self.data) is None)

        def certified():
            run([at.binary, "--instance", at.name, "journal", "export", export])
            with open(export, encoding="utf-8") as file:
                entries = [json.loads(line) for line in file if line.startswith('{"action"')]
            notes = [e["note"] for e in entries if isinstance(e.get("note"), dict)]
            return any(n.get("certificate") == "erasure" and n.get("volume") == self.data for n in notes) and entries
        entries = until("the certificate of erasure is in a signed journal", 15, certified, 0.5)
        refused = [e for e in entries if e["outcome"] == "refused"]
        expect(any(e["action"] == "identity:domain:create" for e in refused), "the refused attempts are not on record")
        with open(export, "rb") as file:
            content = file.read()
        with open(f"{at.state}/log", "rb") as file:
            said = file.read()
        for secret in [user["password"] for user in self.users.values()] + [self.guest_password]:
            expect(secret.encode() not in content + said, "a password stands in the journal or in the log")
        for folder in ("control", "host") if self.real else ("control",):
            with os.scandir(f"{at.state}/{folder}") as found:
                for entry in found:
                    if entry.is_file():
                        with open(entry.path, "rb") as file:
                            expect(self.guest_password.encode() not in file.read(),
                                   f"the guest's password stands in {folder}/{entry.name}")

        python = [sys.executable, f"{HERE}/verify.py"]
        own = os.path.join(os.path.dirname(os.path.realpath(at.binary)), "jinyun-verify")
        ours = [own] if os.path.exists(own) else None
        verifiers = [words + ["--keys", f"{at.state}/journal.keys"] for words in (ours, python) if words]
        begin = time.monotonic()
        for words in verifiers:
            run(words + [export], 60)
            first = time.monotonic() - begin if words is verifiers[0] else first
        with tempfile.TemporaryDirectory() as scratch:
            forged = f"{scratch}/forged"
            middle = content.index(b'"outcome":"', len(content) // 2) + 11
            for place in (middle, 40, len(content) - 3):
                with open(forged, "wb") as file:
                    file.write(content[:place] + bytes([content[place] ^ 1]) + content[place + 1:])
                for words in verifiers:
                    expect(run(words + [forged], 60, ok=False)[0] != 0, f"a changed byte at {place} was not found",
                           " ".join(words))
        who = "jinyun-verify and a second verifier" if ours else "the Python verifier alone (no jinyun-verify built)"
        self.notes.append(f"Journal     {len(entries)} entries, {len(refused)} refusals among them; signed, verified "
                          f"offline in {first * 1000:.0f} ms by {who}")
        return "proved"

    def taken_apart(self):
        """everything deleted again; nothing left on the host"""
        cli = self.cli
        cli("tour", "server", "delete", "--wait", "web", form=None)

        def bank():
            cli("tour", "port", "delete", "door", "peer", form=None)
            together(lambda: cli("tour", "router", "remove", "subnet", "gate", "front", form=None),
                     lambda: cli("tour", "router", "remove", "subnet", "gate", "side", form=None))
            cli("tour", "router", "delete", "gate", form=None)
            cli("tour", "network", "delete", "front", "side", form=None)

        def rest():
            if self.real:
                cli("fund", "port", "delete", "neighbour", "twin", form=None)
            else:
                cli("fund", "port", "delete", "neighbour", form=None)
            cli("fund", "network", "delete", "front", form=None)
            cli("tour", "security", "group", "delete", "web", form=None)
            cli("tour", "keypair", "delete", "tour", form=None)
            cli("tour", "image", "delete", "guest", form=None)
        together(bank, rest)
        expect(cli("tour", "port", "list") == [], "there are ports left")
        if self.real:
            self.nothing_left(set(), disks=0)
            until("no namespace is left but the platform's own", 20,
                  lambda: not set(self.instance.spaces()) - self.stage())
        return "ok"

    def stage(self):
        """Namespaces of the synthetic institution, in which the platform attacks itself all the time."""
        at, export = self.instance, f"{self.dir}/stage.export"
        run([at.binary, "--instance", at.name, "journal", "export", export])
        with open(export, encoding="utf-8") as file:
            built = [json.loads(line) for line in file if line.startswith('{"action":"evidence:stage:build"')]
        kinds = {"network": "n", "port": "p"}
        return {f"jy-{at.name}-{kinds[effect['kind']]}-{effect['id'][:8]}" for entry in built
                for effect in entry.get("effects", []) if effect["kind"] in kinds}

    STEPS = (administrators, institutions, resources, boot, groups, tenants, crash_control, encryption, crash_agent,
             erasure, assessment, journal, taken_apart)
    # What a step says if nothing runs behind the API, and so less was shown.
    SIMULATED = {boot: 'server "web" becomes ACTIVE, as far as the API goes', tenants: "another tenant's API calls find none "
                 "of it", crash_control: "control process killed after a create; nothing lost",
                 taken_apart: "everything deleted again"}
    NEED_GUESTS = (groups, encryption, crash_agent, erasure)


def write_private(path, text):
    part = path + ".part"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(part)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(part, path)


# The terminal -----------------------------------------------------------------------------------------------------

def tint(code, text):
    return f"\033[{code}m{text}\033[0m" if sys.stdout.isatty() else text


def say(text=""):
    print(text, flush=True)


def headline(args):
    """What this runs on, and whether anything about it is not the real thing."""
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) / (1 << 20)
    words = [f'Jinyun · instance "{args.instance}"', f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB"]
    loud = None
    if args.hosts == "simulated":
        loud = "hosts are SIMULATED: nothing runs behind the API, and steps that need guests are left out"
    else:
        with open(f"/var/lib/jinyun/{args.instance}/log", encoding="utf-8", errors="replace") as file:
            emulated = [line for line in file if "EMULATED" in line]
        if emulated:
            why = emulated[-1].partition("EMULATED")[2].strip(" :\n")
            loud = "guests are EMULATED" + (f" ({why})" if why else "")
            words.append("KVM: no")
        else:
            words.append("KVM: yes")
        words.append("namespaces, nftables: yes")
    say(tint(1, " · ".join(words)))
    if loud:
        say(tint("1;33", loud))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--instance", default="tour")
    parser.add_argument("--binary", required=True, help="the jinyun that runs the instance")
    parser.add_argument("--image", help="qcow2 of the test guest (images/guest/build makes it)")
    parser.add_argument("--port", type=int, default=8443)
    parser.add_argument("--management-port", type=int, default=8444)
    parser.add_argument("--hosts", choices=("real", "simulated"), default="real")
    ending = parser.add_mutually_exclusive_group()
    ending.add_argument("--keep", action="store_true", help="leave everything in place at the end (the default)")
    ending.add_argument("--cleanup", action="store_true", help="delete everything through the API at the end, and see")
    parser.add_argument("--prepared", type=float, metavar="SECONDS", help="what packages, build and image took before")
    parser.add_argument("--tally", metavar="FILE", help="write `passed failed skipped` there, for whoever counts")
    args = parser.parse_args()
    return tour(args)


def tour(args):
    started = time.monotonic()
    steps = [step for step in Tour.STEPS if args.cleanup or step is not Tour.taken_apart]
    first = 0 if args.prepared is None else 1
    total, passed, skipped, failed = len(steps) + first, 0, 0, 0

    def line(number, what, word, seconds):
        color = {"ok": 32, "proved": "1;32", "FAILED": "1;31"}.get(word, 33)
        say(f"{number:2}/{total} {what:<73} {tint(color, f'{word:<9}')} {seconds:4.0f} s")
    try:
        expect(os.geteuid() == 0, "the tour needs root: it enters networks and looks at the host (try sudo)")
        if args.hosts == "simulated" and not args.image:
            args.image = stand_in_image(args)
        expect(args.image and os.path.exists(args.image), "there is no guest image: give --image "
               "(images/guest/build OUT.qcow2 makes one)")
        headline(args)
        if first:
            line(1, "packages, binary, guest image", "ok", args.prepared)
        at = Tour(args)
        for number, step in enumerate(steps, 1 + first):
            what = step.__doc__.strip()
            if args.hosts == "simulated":
                what = Tour.SIMULATED.get(step, what)
            if args.hosts == "simulated" and step in Tour.NEED_GUESTS:
                line(number, what, "skipped", 0)
                skipped += 1
                continue
            if sys.stdout.isatty():
                print(f"{number:2}/{total} {what} ...", end="\r", flush=True)
            begin = time.monotonic()
            try:
                word = step(at)
            except BaseException:
                line(number, what, "FAILED", time.monotonic() - begin)
                raise
            line(number, what, word, time.monotonic() - begin)
            passed += word != "not built"
            skipped += word == "not built"
    except Failed as e:
        failed = 1
        say()
        say(tint("1;31", f"Failed: {e.what}"))
        if e.did:
            say(f"  did   {e.did}")
        for part in e.said.strip().splitlines()[-40:]:
            say(f"  said  {part}")
        say(f"The instance is left as it is: its log is /var/lib/jinyun/{args.instance}/log, `make down` removes it.")
    except KeyboardInterrupt:
        failed = 1
        say("\nInterrupted. `make down` removes the instance.")
    finally:
        if args.tally:
            with open(args.tally, "w", encoding="ascii") as file:
                file.write(f"{passed} {failed} {skipped}\n")
    if not failed:
        ending(args, at, time.monotonic() - started + (args.prepared or 0))
    return failed


def stand_in_image(args):
    """Simulated hosts run nothing: an empty qcow2 of 1 MiB (header, no clusters) does."""
    path = f"/var/lib/jinyun/{args.instance}/empty.qcow2"
    header = bytes.fromhex("514649fb 00000002 0000000000000000 00000000 00000010 0000000000100000 00000000 00000001 "
                           "0000000000030000 0000000000010000 00000001 00000000 0000000000000000")
    with open(path, "wb") as file:
        file.write(header.ljust(0x10000, b"\0") + (0x20000).to_bytes(8, "big").ljust(0x10000, b"\0"))
        # refcounts of the four clusters, then an empty table
        file.write((b"\0\1" * 4).ljust(0x10000, b"\0") + bytes(0x10000))
    return path


def ending(args, at, seconds):
    for note in at.notes:
        say(note)
    where = f"/var/lib/jinyun/{args.instance}"
    say(f"Tenants     {at.instance.tenants}/identity/v3      management  {at.instance.management}/identity/v3")
    say(f"Credentials {at.instance.clouds} (0600)")
    if not args.cleanup:
        say(f"Try         export OS_CLIENT_CONFIG_FILE={where}/clouds.yaml")
        say("            openstack --os-cloud tour server list   ·   openstack --os-cloud auditor domain list")
        say(f"            administrators' tokens end after an hour, then: jinyun login auditor --system --profile auditor")
        say(f"            (one-time codes from the seeds in {at.dir}/*.totp), jinyun assess --profile auditor")
        if args.hosts == "real":
            say(f"            ip netns exec {at.front['space']} ssh -i {at.key} root@{at.address}")
        say(f"            make down{'' if args.instance == 'tour' else ' INSTANCE=' + args.instance}")
    say(f"Done in {seconds:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())
