#!/usr/bin/python3
"""The story of an instance that somebody with root spoils by hand, in twenty ways: each is seen by the
checks that it is for and by no others, exactly the clauses that rest on them turn red, and all stand as
before once it is mended.

    tests/story_sabotage.py [--binary PATH] [--hosts real|simulated]
                            [--lent --instance NAME --port N --management-port N]

It has a guest, a disk, an image and a network of its own, so that nobody else's are touched. The ways come
in three waves. In each, all is broken at once, as one look takes half a minute; which check sees which way
is told by what it says: the id, the name or the path of what was spoilt. When one wave is mended the next
is broken, so what is red has to change from one to the other.

On the host (real hosts only): the agent mends within seconds what it finds changed. So its main loop is
held as a debugger holds a thread; its other threads go on to answer questions. A rule that lets in more is
put into a port's filter, a namespace that no record has beside the others, a process of a guest's user
beside the guest's own. These three are not mended by hand: let go, the agent has to, and soon. By hand: a
table that rewrites what a guest lies about before the filter sees it, a disk's header that says it is not
encrypted, and the hosts' door opened to all users.

In the store, in files, at doors: a listener at an address of the network beside the management listener, a
link in the store's directory, an unwrapped key, a password that is no hash, a second duty written into the
database, an entry of the journal that was edited a moment after it was made, a byte of an image, another program in the agent's
place; and a tenant who opens remote login to the world, as any tenant may, by the API.

What only attacks look at is bundled in one assessment: a project's account, an institution's rules without
any demand, a password of nobody's, a record that came by no entry; and with them an old entry of the journal
that was edited.

Left alone is what is the whole machine's, since others live on it: its clock, settings of its kernel.
So is whatever the API refuses to everybody: rules below their floor can only be written past the
platform, and are. And an agent that is stopped altogether: of a host that is not heard nothing is proved,
which is another colour. Those are tried on made-up worlds (trust/evidence/tests).

Everything is put back also when the story fails in the middle; what is held or stopped is let go by the
kernel or by a process that waits for the story's end, should the story itself be killed."""

import contextlib
import ctypes
import json
import os
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import types
import urllib.error
import urllib.request

import yaml

from cloud import Failed, all_spaces, expect, processes, run, until
from evidence_world import (GREEN, MINUTE, SYNTHETIC, Clauses, changes, failing, on_command_line,
                            quiet, settled, told, turned, verdicts)
from story_world import assessed, main
from tour import stand_in_image

PROVIDER = "default"  # the provider's own institution
ELSEWHERE = "192.0.2.77"  # an address that no machine has (RFC 5737)
LIAR, MUTE = "192.0.2.11", "192.0.2.13"  # who attacks on the platform's own stage, and whom it plays
STRANGER = "5ab07a9e"  # no id begins so but with bad luck
RED = "failed"


class Site:
    """What the story has of its own on the instance, and the database behind it."""

    def __init__(self, at, desk):
        self.at, self.desk = at, desk
        self.control = f"{at.state}/control"

    # The API ----------------------------------------------------------------------------------------------

    def ask(self, method, path, body=None, ok=(200, 201, 202, 204)):
        return self.at.http(method, self.at.tenants + path, body, self.token, ok)[2]

    def gone(self, path):
        return self.at.http("GET", self.at.tenants + path, token=self.token, ok=(200, 404))[0] == 404

    def sign_in(self):
        """Somebody who may make things in a project."""
        if self.at.lent:
            with open(self.at.clouds, encoding="utf-8") as file:
                auth = yaml.safe_load(file)["clouds"]["tour"]["auth"]
        else:
            ann = self.at.bank.person("ann", "member", self.at.pay)
            auth = self.at.bank.entry(ann, project_name="payments", project_domain_name="bank")
        _, self.token, answer = self.at.log_in(auth)
        self.user, self.project = answer["token"]["user"]["id"], answer["token"]["project"]["id"]

    def upload(self, image):
        with open(stand_in_image(types.SimpleNamespace(instance=self.at.name)), "rb") as file:
            data = file.read()
        url = f"{self.at.tenants}/image/v2/images/{image}/file"
        headers = {"Content-Type": "application/octet-stream", "X-Auth-Token": self.token}
        request = urllib.request.Request(url, data, headers, method="PUT")
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=self.at.tls),
                                             urllib.request.ProxyHandler({}))
        try:
            opener.open(request, timeout=30).close()
        except urllib.error.URLError as e:
            raise Failed("the image is not taken", f"PUT {url}", str(e)) from None

    def make(self):
        """A guest, a disk, an image, a network."""
        self.sign_in()
        self.image = self.ask("POST", "/image/v2/images", {
            "name": "sabotage", "disk_format": "qcow2", "container_format": "bare"})["id"]
        self.upload(self.image)
        named = {"name": "sabotage"}
        self.volume = self.ask("POST", f"/volume/v3/{self.project}/volumes",
                               {"volume": named | {"size": 1}})["volume"]["id"]
        self.network = self.ask("POST", "/network/v2.0/networks", {"network": named})["network"]["id"]
        self.ask("POST", "/network/v2.0/subnets", {"subnet": {
            "network_id": self.network, "ip_version": 4, "cidr": "10.77.0.0/24"}})
        self.server = self.ask("POST", "/compute/v2.1/servers", {"server": named | {
            "imageRef": self.image, "flavorRef": "1",
            "networks": [{"uuid": self.network}]}})["server"]["id"]

        def made():
            server = self.ask("GET", f"/compute/v2.1/servers/{self.server}")["server"]
            volume = self.ask("GET", f"/volume/v3/{self.project}/volumes/{self.volume}")["volume"]
            return server["status"] == "ACTIVE" and volume["status"] == "available"
        until("guest and disk are there", MINUTE, made, 0.3)
        [port] = self.ask("GET", f"/network/v2.0/ports?device_id={self.server}")["ports"]
        self.device = "t" + port["id"].replace("-", "")[:11]
        self.space = f"jy-{self.at.name}-n-{self.network.replace('-', '')[:8]}"

    def delete(self):
        for path in (f"/compute/v2.1/servers/{self.server}",
                     f"/volume/v3/{self.project}/volumes/{self.volume}",
                     f"/network/v2.0/networks/{self.network}", f"/image/v2/images/{self.image}"):
            # What is still in use is refused as long as it is.
            until(f"{path} is deleted", 30, lambda path=path: [self.ask("DELETE", path)], 0.3)
            until(f"{path} is gone", 30, lambda path=path: self.gone(path))

    # The database -----------------------------------------------------------------------------------------

    def execute(self, sql, values):
        """A statement past the platform, which goes on to use its store: what it gives, and how many rows
        it changed."""
        with contextlib.closing(sqlite3.connect(f"file:{self.control}/state.db?mode=rw", timeout=10,
                                                isolation_level=None, uri=True)) as store:
            made = store.execute(sql, values)
            return made.fetchall(), made.rowcount

    def rows(self, sql, *values):
        return self.execute(sql, values)[0]

    def write(self, sql, *values):
        """A statement that changes one row."""
        count = self.execute(sql, values)[1]
        expect(count == 1, f"{count} rows were changed, not one", sql.split("?")[0])

    @contextlib.contextmanager
    def edited(self, do, undo):
        """Two statements with their values: what is done, and what takes it back."""
        self.write(*do)
        try:
            yield
        finally:
            self.write(*undo)

    def nft(self, space, *words):
        return run(["ip", "netns", "exec", space, "nft", *words])[1]


def breaks(*checks):
    """Notes which checks see a way of breaking something."""
    def note(way):
        way.checks = checks
        return way
    return note


# On the host: mended by the agent -------------------------------------------------------------------------
#
# Each breaks something and gives what checks have to say, what is looked for once the agent is let go,
# whether it is so, and how it is done by hand should it not be.

@breaks("filter-as-recorded")
def wide_rule(site):
    chain, rule = f"in_{site.device}", "tcp dport 4444 accept"
    site.nft(site.space, "insert", "rule", "inet", "jinyun", chain, *rule.split())

    def listed(*options):
        return site.nft(site.space, *options, "list", "chain", "inet", "jinyun", chain)

    def by_hand():
        handle = re.search(f"{rule} # handle ([0-9]+)", listed("-a"))[1]
        site.nft(site.space, "delete", "rule", "inet", "jinyun", chain, "handle", handle)
    expect(rule in listed(), "the rule is not in the filter", said=listed())
    return ({"filter-as-recorded": f"(chain {chain})"}, "the agent takes the rule away",
            lambda: rule not in listed(), by_hand)


@breaks("found-is-recorded")
def strange_space(site):
    space = f"jy-{site.at.name}-n-{STRANGER}"
    run(["ip", "netns", "add", space])
    return ({"found-is-recorded": space}, "the agent removes the namespace",
            lambda: space not in all_spaces(), lambda: run(["ip", "netns", "delete", space]))


@breaks("guest-confined", "guest-apart")
def strange_process(site):
    with open(f"/proc/{site.at.guests()[site.server]}/status", encoding="ascii") as file:
        user = int(re.search(r"^Uid:\s+(\d+)", file.read(), re.M)[1])
    expect(user > 0, "the guest's user is root")
    made = subprocess.Popen(["/bin/sleep", "600"], cwd="/", user=user, group=user, extra_groups=[],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def by_hand():
        made.kill()
        made.wait()
    words = f"guest {site.server}"
    return ({"guest-confined": words, "guest-apart": words}, "the agent ends the process",
            lambda: made.poll() is not None, by_hand)


MENDED = (wide_rule, strange_space, strange_process)
# linux/ptrace.h, linux/wait.h
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 17, 0x4206, 0x4207, 0x40000000
FUTEX = ("202", "98")  # its number on x86-64 and on arm64


@contextlib.contextmanager
def held(site):
    """The agent's main loop stands still, as under a debugger; its other threads go on. Held where it waits
    for something to do (a wait with an end, unlike one for a lock), it holds no lock that others need. The
    kernel lets it go with the thread that holds it."""
    pid = site.at.process("agent")
    expect(pid, "there is no agent to hold")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype = ctypes.c_long
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def trace(request, name):
        if libc.ptrace(request, pid, None, None) != 0:
            raise Failed(f"the agent cannot be held: {os.strerror(ctypes.get_errno())}",
                         f"ptrace {name} {pid}")

    def idle():
        with open(f"/proc/{pid}/task/{pid}/syscall", encoding="ascii") as file:
            words = file.read().split()
        return words[0] in FUTEX and int(words[4], 16) != 0

    def hold():
        trace(PTRACE_SEIZE, "seize")
        good = False
        try:
            trace(PTRACE_INTERRUPT, "interrupt")
            os.waitpid(pid, WALL)
            good = idle()
        finally:
            if not good:
                trace(PTRACE_DETACH, "detach")
        return good
    until("the agent waits for something to do", 20, hold, 0.07)
    try:
        yield
    finally:
        trace(PTRACE_DETACH, "detach")


def let_mend(mends):
    """Waits until the agent has mended; what it has not is mended by hand, and told, unless something else
    has gone wrong before."""
    late = []
    for _, what, good, by_hand in mends:
        try:
            until(what, MINUTE, good, 0.2)
        except Failed as e:
            late.append(e)
            by_hand()
    if late and not sys.exc_info()[0]:
        raise late[0]


# On the host: mended by hand ------------------------------------------------------------------------------

@breaks("spoofed-ip", "filter-as-recorded")
@contextlib.contextmanager
def believed_lie(site):
    """On the platform's own stage, where it attacks itself all the time."""
    def stage():
        # The host counts as gone after a minute and a half without a report, which is another colour.
        for space in site.at.spaces("n"):
            listed = run(["ip", "netns", "exec", space, "ip", "-j", "-4", "route", "show"], ok=False)[1]
            routes = {route["dst"]: route.get("dev") for route in json.loads(listed or "[]")}
            if MUTE in routes and routes.get(LIAR):
                return space, routes[LIAR]
        return None
    space, device = until("the platform's own stage stands", MINUTE, stage, 0.5)
    site.nft(space, "add table ip sabotage; "
             "add chain ip sabotage lies { type filter hook prerouting priority -310; policy accept; }; "
             f"add rule ip sabotage lies iifname {device} ip saddr {MUTE} ip saddr set {LIAR}")
    try:
        yield {"spoofed-ip": "a neighbour's address", "filter-as-recorded": "table ip sabotage"}
    finally:
        if space in all_spaces():
            site.nft(space, "delete", "table", "ip", "sabotage")


@breaks("disk-encrypted")
@contextlib.contextmanager
def plain_disk(site):
    """The header of a disk that nobody uses: how it is encrypted stands in bytes 32 to 35."""
    def write(new):
        with open(f"{site.at.disks}/{site.volume}.qcow2", "r+b", buffering=0) as file:
            file.seek(32)
            old = file.read(4)
            file.seek(32)
            file.write(new)
        return old
    old = write(bytes(4))
    try:
        expect(old == b"\0\0\0\2", "the disk was not encrypted before", said=old.hex())
        yield {"disk-encrypted": f"disk {site.volume}"}
    finally:
        write(old)


@breaks("host-door", "host-files")
@contextlib.contextmanager
def open_door(site):
    path = f"{site.at.run_dir}/control.sock"
    mode = os.stat(path).st_mode & 0o7777
    os.chmod(path, 0o666)
    try:
        yield {"host-door": "open to others", "host-files": path}
    finally:
        os.chmod(path, mode)


# In the store, in files, at doors -------------------------------------------------------------------------

@breaks("management-apart", "tls-only")
@contextlib.contextmanager
def second_listener(site):
    """As if the control process itself had opened it: the socket is its user's. Nobody gets there."""
    port = int(site.at.management.rpartition(":")[2])
    with socket.socket() as made:
        made.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND: an address that is not ours
        made.bind((ELSEWHERE, port))
        made.listen()
        os.fchown(made.fileno(), os.stat(f"{site.control}/keys.json").st_uid, -1)
        words = f"{ELSEWHERE}:{port}"
        yield {"management-apart": words, "tls-only": words}


@breaks("store-closed")
@contextlib.contextmanager
def strange_link(site):
    path = f"{site.control}/sabotage"
    os.symlink("state.db", path)
    try:
        yield {"store-closed": "sabotage in the store's directory"}
    finally:
        os.unlink(path)


SECRET = "UPDATE secret SET value = ? WHERE kind = ? AND id = ? AND name = ?"


def secret(site, *name):
    [[value]] = site.rows("SELECT value FROM secret WHERE kind = ? AND id = ? AND name = ?", *name)
    return value


@breaks("keys-wrapped", "journal-replays")
@contextlib.contextmanager
def bare_key(site):
    name = ("volume", site.volume, "key")
    with site.edited((SECRET, secrets.token_bytes(32), *name), (SECRET, secret(site, *name), *name)):
        yield {"keys-wrapped": f"volume {site.volume}", "journal-replays": "secrets"}


@breaks("password-hashed", "journal-replays")
@contextlib.contextmanager
def plain_password(site):
    name = ("user", site.user, "password")
    plain = f"Jy1-{secrets.token_urlsafe(24)}".encode()
    with site.edited((SECRET, plain, *name), (SECRET, secret(site, *name), *name)):
        yield {"password-hashed": f"user {site.user}", "journal-replays": "secrets"}


def copied(site, kind, ident, new, **changed):
    """Statements that make a copy of a record under another id, with other members, and take it away."""
    [[spec]] = site.rows("SELECT spec FROM resource WHERE kind = ? AND id = ?", kind, ident)
    text = canonical(json.loads(spec) | changed)
    do = ("INSERT INTO resource SELECT kind, ?, domain, project, name, generation, ?, created, updated, "
          "delete_asked FROM resource WHERE kind = ? AND id = ?", new, text, kind, ident)
    return do, ("DELETE FROM resource WHERE kind = ? AND id = ?", kind, new)


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@breaks("duty-exclusive", "journal-replays")
@contextlib.contextmanager
def second_duty(site):
    """The system administrator becomes an auditor of their own work."""
    held_by = {spec["role"]: (ident, spec) for ident, spec in
               ((ident, json.loads(text)) for ident, text in
                site.rows("SELECT id, spec FROM resource WHERE kind = 'assignment'"))}
    ident, spec = held_by["system_admin"]
    new = secrets.token_hex(16)
    with site.edited(*copied(site, "assignment", ident, new, role="audit_admin")):
        yield {"duty-exclusive": f"user {spec['user']} holds 2 duties",
               "journal-replays": f"assignment {new} is not in the journal"}


@breaks("tenant-doors")
@contextlib.contextmanager
def open_to_the_world(site):
    """By the API: a tenant may."""
    group = site.ask("POST", "/network/v2.0/security-groups",
                     {"security_group": {"name": "sabotage"}})["security_group"]["id"]
    try:
        rule = site.ask("POST", "/network/v2.0/security-group-rules", {"security_group_rule": {
            "security_group_id": group, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
            "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "0.0.0.0/0"}})
        yield {"tenant-doors": f"rule {rule['security_group_rule']['id']}"}
    finally:
        site.ask("DELETE", f"/network/v2.0/security-groups/{group}")


@breaks("image-intact")
@contextlib.contextmanager
def other_byte(site):
    path = f"{site.control}/images/{site.image}"

    def flip():
        with open(path, "r+b", buffering=0) as file:
            file.seek(os.fstat(file.fileno()).st_size // 2)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1]))
    flip()
    try:
        yield {"image-intact": f"image {site.image}"}
    finally:
        flip()


# Waits until it is told that all is done, or until the story has ended, however: then the program has to
# end, and the supervisor goes on.
KEEPER = """read -r pid
read -r rest
[ "$rest" = done ] || [ -z "$pid" ] || kill -9 "$pid"
kill -CONT "$0"
"""


@breaks("host-files")
@contextlib.contextmanager
def other_program(site):
    """Another program than the platform's takes the agent's place, with a byte more. The supervisor, which
    would start the right one at once, is stopped meanwhile."""
    at, program = site.at, f"{site.desk.where}/jinyun"
    shutil.copy(os.path.realpath(at.binary), program)
    with open(program, "ab") as file:
        file.write(b"\n")
    with open(f"{at.run_dir}/supervisor.pid", encoding="ascii") as file:
        supervisor = int(file.read())
    right, wrong = at.process("agent"), None
    expect(right, "there is no agent to replace")
    keeper = subprocess.Popen(["sh", "-c", KEEPER, str(supervisor)], stdin=subprocess.PIPE, text=True)
    try:
        os.kill(supervisor, signal.SIGSTOP)
        os.kill(right, signal.SIGKILL)
        until("the agent has ended", 15, lambda: right not in dict(processes()))
        with open(f"{at.state}/log", "ab") as log:
            wrong = subprocess.Popen([program, "--instance", at.name, "agent"], cwd="/",
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        keeper.stdin.write(f"{wrong.pid}\n")
        keeper.stdin.flush()
        yield {"host-files": "the agent's program"}
        expect(wrong.poll() is None, "the other program has ended by itself", program,
               str(wrong.returncode))
    finally:
        if wrong:
            wrong.kill()
            wrong.wait()
        keeper.communicate(("" if wrong else "\n") + "done\n", timeout=15)
        os.unlink(program)
        until("the supervisor has started the agent again", 30,
              lambda: at.process("agent") not in (None, right))


def tampered(body):
    """An entry whose request has another name in its last letter: an entry all the same."""
    begin = body.index(b'"request":"') + len(b'"request":"')
    end = body.index(b'"', begin)
    expect(end > begin, "the entry has no request", said=body.decode())
    other = b"a" if body[end - 1:end] != b"a" else b"b"
    return body[:end - 1] + other + body[end:]


@contextlib.contextmanager
def edited_entry(site, number, body):
    sql = "UPDATE journal SET body = ? WHERE number = ? AND body = ?"
    new = tampered(body)
    with site.edited((sql, new, number, body), (sql, body, number, new)):
        yield {"journal-verifies": "was changed"}


@breaks("journal-verifies")
@contextlib.contextmanager
def new_entry(site):
    at = site.at
    [[first]] = site.rows("SELECT MAX(number) + 1 FROM journal")
    at.http("POST", f"{at.management}/identity/v3/domains", {"domain": {"name": "sabotage"}}, at.auditor,
            ok=(403,))

    def refused():
        """It is signed, too."""
        [[size]] = site.rows("SELECT MAX(size) FROM checkpoint")
        found = site.rows("SELECT number, body FROM journal WHERE number >= ? AND number < ?", first, size)
        return next((row for row in found if b'"action":"identity:domain:create"' in row[1]), None)
    with edited_entry(site, *until("the refusal is in the journal", 15, refused, 0.2)) as says:
        yield says


# What only attacks look at --------------------------------------------------------------------------------

@breaks("limits-hold", "journal-replays")
@contextlib.contextmanager
def other_account(site):
    """A project's account of what it uses."""
    sql = "UPDATE quota SET used = used + ? WHERE project = ? AND item = ?"
    [[item]] = site.rows("SELECT item FROM quota WHERE project = ? AND used > 0 ORDER BY item LIMIT 1",
                         site.project)
    with site.edited((sql, 7, site.project, item), (sql, -7, site.project, item)):
        yield {"limits-hold": f"project {site.project}"}


@breaks("idle-ends", "password-policy", "tenant-rules", "journal-replays")
@contextlib.contextmanager
def no_rules(site):
    """An institution's rules of passwords and sessions, without any demand: the API knows floors."""
    [[domain]] = site.rows(
        "SELECT id FROM resource d WHERE kind = 'domain' AND id NOT IN (?, ?) AND NOT EXISTS (SELECT 1 "
        "FROM resource c WHERE c.kind = 'compliance' AND c.id = d.id) ORDER BY name LIMIT 1",
        PROVIDER, SYNTHETIC)
    spec = dict.fromkeys((
        "lockout_failure_attempts", "lockout_duration", "password_expires_days",
        "unique_last_password_count", "minimum_password_age", "minimum_length", "character_classes",
        "disable_user_account_days_inactive", "idle_seconds", "session_seconds"), 0) | {"domain": domain}
    now = int(time.time() * 1_000_000)
    do = ("INSERT INTO resource (kind, id, domain, project, name, generation, spec, created, updated) "
          "VALUES ('compliance', ?, ?, '', '', 1, ?, ?, ?)", domain, domain, canonical(spec), now, now)
    with site.edited(do, ("DELETE FROM resource WHERE kind = 'compliance' AND id = ?", domain)):
        yield {"idle-ends": f"domain {domain}", "password-policy": f"domain {domain}"}


@breaks("credentials-erased", "credential-inventory", "journal-replays")
@contextlib.contextmanager
def nobodys_password(site):
    """As if it had stayed when its user went."""
    user, salt, hashed = secrets.token_hex(16), secrets.token_hex(11), secrets.token_hex(22)[:43]
    text = f"$argon2id$v=19$m=19456,t=2,p=1${salt}${hashed}".encode()
    do = ("INSERT INTO secret (kind, id, name, salt, value) VALUES ('user', ?, 'password', ?, ?)", user,
          secrets.token_bytes(32), text)
    with site.edited(do, ("DELETE FROM secret WHERE kind = 'user' AND id = ?", user)):
        yield {"credentials-erased": f"user {user}", "credential-inventory": f"user {user}"}


@breaks("service-in-journal", "journal-replays")
@contextlib.contextmanager
def unmade_record(site):
    [[ident]] = site.rows("SELECT id FROM resource WHERE kind = 'flavor' ORDER BY id LIMIT 1")
    with site.edited(*copied(site, "flavor", ident, "sabotage", name="sabotage")):
        words = "flavor sabotage"
        yield {"service-in-journal": words, "journal-replays": words}


@breaks("journal-verifies")
@contextlib.contextmanager
def old_entry(site):
    # One that changed nothing: replayed it makes what it made.
    def fits(body):
        entry = json.loads(body)
        return entry["outcome"] == "refused" and entry["request"] and not entry.get("effects")
    found = site.rows("SELECT number, body FROM journal "
                      "WHERE number < (SELECT MAX(number) / 2 FROM journal) ORDER BY number")
    fit = next((row for row in found if fits(row[1])), None)
    expect(fit, f"nothing was refused in the first {len(found)} entries")
    with edited_entry(site, *fit) as says:
        yield says


BY_HAND = (believed_lie, plain_disk, open_door)
# The entry at the end: it is timed.
STORE = (second_listener, strange_link, bare_key, plain_password, second_duty, open_to_the_world,
         other_byte)
REPLACED = (other_program,)
LAST = (new_entry,)
ATTACKED = (other_account, no_rules, nobodys_password, unmade_record, old_entry)


# The story ------------------------------------------------------------------------------------------------

class Spoilt:
    """How all stood before, and what has to be red now."""

    def __init__(self, at, ways):
        self.at = at
        checks = {check for way in ways for check in way.checks}

        def whole():
            found = verdicts(at)
            bad = {check: found.get(check) for check in checks if found.get(check) not in GREEN}
            expect(not bad, "not all is met before anything was broken", "GET /evidence/v1/findings",
                   str(bad))
            return True
        until("what is to be broken is whole", 2 * MINUTE, whole, 0.5)
        self.found, self.failing, self.base = verdicts(at), set(failing(at)), Clauses(at)

    def states(self, checks):
        return self.base.states | {key: RED for key in self.base.on(*checks)}

    def turning(self, checks):
        keys = self.base.on(*checks) - self.base.red()
        expect(keys, f"nothing that rests on {', '.join(checks)} stands well")
        return keys

    def exactly(self, says, wanted):
        """The checks that fail are those of before and these, and these say what was done."""
        should = self.failing | set(wanted)
        expect(set(says) == should, "other checks fail than should", "GET /evidence/v1/findings",
               f"too many: {sorted(set(says) - should)}\nmissing: {sorted(should - set(says))}")
        for check, texts in wanted.items():
            for text in texts:
                expect(text in says[check], f'{check} does not say "{text}"', "GET /evidence/v1/findings",
                       says[check])

    def seen(self, before, wanted, what):
        """Waits until exactly what rests on these checks is red. Returns how all stand then."""
        want = self.states(wanted)
        took = turned(self.at, self.states(before), want, what,
                      lambda: self.exactly(failing(self.at), wanted))
        return f"after {took:.0f} s"


def gather(wanted, says):
    for check, text in says.items():
        wanted.setdefault(check, set()).add(text)


def broken(stack, site, ways):
    """Breaks each way; returns what each check has to say."""
    wanted = {}
    for way in ways:
        says = stack.enter_context(way(site))
        expect(set(says) <= set(way.checks), f"{way.__name__} is seen by others than its checks")
        gather(wanted, dict.fromkeys(way.checks, "") | says)
    return wanted


def broken_on_host(stack, site):
    """The same on the host, whose agent is held meanwhile."""
    wanted, mends = {}, []
    stack.callback(let_mend, mends)  # the last thing, once the agent is let go
    stack.enter_context(held(site))
    for way in MENDED:
        mends.append(way(site))
        gather(wanted, mends[-1][0])
    for check, texts in broken(stack, site, BY_HAND).items():
        wanted.setdefault(check, set()).update(texts)
    return wanted


def named(words, wanted, ways, spoilt):
    words += [f"{ways} ways, {len(wanted)} checks", told(spoilt.turning(wanted))]


def tell(story, at, desk):
    site, real = Site(at, desk), at.hosts == "real"
    on_host = MENDED + BY_HAND if real else ()
    in_store = STORE + (REPLACED if real else ()) + LAST
    with story.step("a guest, a disk, an image of its own; all that will be broken is whole") as words:
        quiet(at, desk, 4 * MINUTE)
        site.make()
        settled(at, ("hosts",))
        spoilt = Spoilt(at, on_host + in_store + ATTACKED)
        [[first]] = site.rows("SELECT MAX(number) + 1 FROM journal")
        words.append(f"{len(spoilt.base.states)} states, {len(spoilt.base.red())} of them failed")
    every, before = set(), {}
    with contextlib.ExitStack() as host, contextlib.ExitStack() as store, contextlib.ExitStack() as deep:
        if real:
            with story.step("on the host, its agent held: exactly what rests on it turns red") as words:
                before = broken_on_host(host, site)
                words.append(spoilt.seen({}, before, "the clauses that rest on it are red"))
                named(words, before, len(on_host), spoilt)
                every |= set(before)
            with story.step("the agent is let go: it mends three of them itself") as words:
                begin = time.monotonic()
                host.close()
                words.append(f"after {time.monotonic() - begin:.0f} s")
        with story.step("in the store, in files, at doors: that is red, and nothing else") as words:
            wanted = broken(store, site, in_store)
            words.append(spoilt.seen(before, wanted, "the clauses that rest on it are red"))
            named(words, wanted, len(in_store), spoilt)
            every |= set(wanted)
            store.close()
            if real:
                settled(at, ("hosts",))  # the agent has come back
        with story.step("what only attacks look at: an assessment says so, on the command line") as words:
            wanted = broken(deep, site, ATTACKED)
            on_command_line(desk, spoilt.base.red() | spoilt.base.on(*wanted), "while it is broken")
            report = assessed(desk, "--latest", "--standard", "all")
            says = {one["check"]: one["says"] for one in report["findings"] if one["verdict"] == RED}
            spoilt.exactly(says, wanted)
            named(words, wanted, len(ATTACKED), spoilt)
            every |= set(wanted)
    with story.step("all mended: another assessment finds all as before"):
        on_command_line(desk, spoilt.base.red(), "once it is mended")
        spoilt.seen(wanted, {}, "the clauses stand as before")
    with story.step("the journal has it all, and verifies") as words:
        def whole():
            notes = changes(at, desk, first)
            for check in every:
                ways = [note["to"] for note in notes if note.get("check") == check]
                expect(RED in ways and ways[-1] == spoilt.found[check],
                       f"the journal does not say that {check} broke and was mended",
                       "jinyun journal export", str(ways))
            for ident, half in spoilt.turning(every):
                ways = [note["to"] for note in notes if note.get("clause") == ident
                        and note.get("tenant", False) == (half == "tenant")]
                expect(RED in ways and ways[-1] == spoilt.base.states[ident, half],
                       f"the journal does not say that {ident} turned red and stood as before again",
                       "jinyun journal export", str(ways))
            return notes
        words.append(f"{len(until('the journal has it all', 15, whole, 0.5))} entries about evidence")
    with story.step("what it had of its own is deleted"):
        site.delete()


if __name__ == "__main__":
    sys.exit(main(__doc__, "sabotage", 20443, tell))
