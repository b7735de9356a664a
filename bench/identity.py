#!/usr/bin/python3
r"""What identity costs, beside a Keystone from Debian's packages, in one run and in turn. `bench/identity.md` says what
came out.

    bench/identity.py [--binary PATH] [--memcached PATH] [--scale 1.0]

    apt-get install --no-install-recommends python3-keystone uwsgi-plugin-python3 python3-pymysql \
        mariadb-server-core mariadb-client-core

None of these packages has a service. That of memcached has one: its program can be taken out with `dpkg-deb -x`. The
Keystone lives in a temporary directory: MariaDB, uWSGI and, where there is one, memcached, on loopback ports of their
own as the user nobody; they end with this script. The instance of Jinyun is brought up with simulated hosts and taken
down. Root; Python's standard library only.

CPU is user and system time of all processes of a server by the kernel's account, its database included, from the first
request until they are at rest again; the client is not in it. Why not wall time: client and servers share the machine,
so only CPU says what a request costs the server."""

import argparse
import contextlib
import ctypes
import importlib.util
import json
import multiprocessing
import os
import signal
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# This directory would offer http.py as the module `http`.
sys.path[0] = os.path.join(os.path.dirname(HERE), "tests")

import http.client  # noqa: E402
from accounts import password  # noqa: E402
from cloud import Failed, expect, parent, processes, until  # noqa: E402


def neighbour(name):
    """A script of this directory as a module, under a name that nothing else has."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", os.path.join(HERE, f"{name}.py"))
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


bench = neighbour("http")
say, HEADERS, TICKS = bench.say, bench.HEADERS, bench.TICKS
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's packages
AIM = 100  # validation: this many times less CPU
USERS, PROJECTS, GROUPS, DIRECT = 10_000, 1_000, 200, 2_000


# The kernel's accounts ------------------------------------------------------------------------------------------------


def family(roots):
    """These processes and all that descend from them."""
    found, grown = set(roots), True
    everyone = [(pid, parent(pid)) for pid, _ in processes()]
    while grown:
        more = {pid for pid, of in everyone if of in found} - found
        grown = bool(more)
        found |= more
    return found


def cpu(roots):
    """Seconds of CPU of these processes and their descendants, the ended ones that were waited for included."""
    total = 0
    for pid in family(roots):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS


def settled(roots, patience=120):
    last, end = cpu(roots), time.monotonic() + patience
    while time.monotonic() < end:
        time.sleep(1)
        now = cpu(roots)
        if now - last <= 0.02:
            return now
        last = now
    raise Failed(f"the processes {sorted(roots)} do not come to rest within {patience} s")


# Loads ----------------------------------------------------------------------------------------------------------------


class Server:
    """What a load needs to know: where it answers, how, and whose CPU counts."""

    def __init__(self, name, port, base, roots, tls=None):
        self.name, self.port, self.base, self.roots, self.tls = name, port, base, roots, tls

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=600)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)

    def ask(self, method, path, body=None, token=None, ok=(200, 201, 204)):
        """One request. Returns (headers, JSON)."""
        connection = self.connect()
        headers = HEADERS | ({"X-Auth-Token": token} if token else {})
        connection.request(method, self.base + path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        expect(answer.status in ok, f"{self.name}: the answer was {answer.status}", f"{method} {path}", text)
        return answer.headers, json.loads(text) if text else None


def client(server, make, worker, count, gate, result):
    """`count` requests; on one connection if the server keeps it, as Jinyun does and Debian's uWSGI does not."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        connection = server.connect()
        if server.tls:
            connection.request("GET", server.base)
            connection.getresponse().read()
        gate.wait()
        for i in range(count):
            method, path, body, headers, want = make(worker, i)
            connection.request(method, server.base + path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != want:
                raise Failed(f"the answer was {answer.status}", f"{method} {path}", said[:300].decode(errors="replace"))
            if not server.tls:
                connection.close()
        result.send(len(said))
    except BaseException as e:  # handed to the parent
        gate.abort()
        result.send(f"{e} {getattr(e, 'did', '')} {getattr(e, 'said', '')}")


def load(server, clients, count, make):
    """Returns CPU ms of each request, requests per second, bytes of the last answer, and the load average before."""
    count = max(1, count // clients)
    gate, workers = multiprocessing.Barrier(clients + 1), []
    for worker in range(clients):
        here, there = multiprocessing.Pipe(False)
        process = multiprocessing.Process(target=client, args=(server, make, worker, count, gate, there))
        process.start()
        workers.append((process, here))
    others, before = os.getloadavg()[0], settled(server.roots)
    with contextlib.suppress(Exception):  # a broken barrier: the client says why
        gate.wait(60)
    begin = time.perf_counter()
    got = [here.recv() for _, here in workers]
    wall = time.perf_counter() - begin
    for process, _ in workers:
        process.join()
    failed = [one for one in got if isinstance(one, str)]
    expect(not failed, f"{server.name}: a client failed", said="\n".join(failed))
    used, count = settled(server.roots) - before, count * clients
    return used * 1000 / count, count / wall, got[-1], others, count


# A Keystone -----------------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Keystone:
    """Keystone on uWSGI and MariaDB in a temporary directory. Everything that is not said here is as the packages have
    it: fernet tokens, bcrypt with twelve rounds."""

    def __init__(self, memcached):
        self.memcached, self.running, self.password = memcached, [], password()
        self.secret = password()
        self.ids = {}

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="keystone-")
        try:
            shutil.chown(self.dir, "nobody", "nogroup")
            self.bring_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, kind=None, *_):
        for log in sorted(os.listdir(self.dir)) if kind else ():
            if log.endswith(".log"):
                with open(f"{self.dir}/{log}", encoding="utf-8", errors="replace") as file:
                    say(f"--- the end of {log}", *file.read().splitlines()[-20:], "---", sep="\n")
        for process in reversed(self.running):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def options(self):
        return {"user": "nobody", "group": "nogroup", "extra_groups": [], "cwd": self.dir, "stdin": subprocess.DEVNULL,
                "env": {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.dir, "LANG": "C.UTF-8"}}

    def run(self, *words):
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, **self.options())
        expect(done.returncode == 0, f"it ended with {done.returncode}", words[0], (done.stdout + done.stderr)[-3000:])
        return done.stdout

    def start(self, name, port, *words):
        with open(f"{self.dir}/{name}.log", "wb") as log:
            made = subprocess.Popen(words, stdout=log, stderr=log, **self.options())
        self.running.append(made)

        def up():
            if made.poll() is not None:
                with open(f"{self.dir}/{name}.log", encoding="utf-8", errors="replace") as file:
                    raise Failed(f"{name} has ended", " ".join(words), file.read()[-3000:])
            return listens(port)
        until(f"{name} answers", 90, up)
        return made.pid

    def file(self, name, text):
        path = f"{self.dir}/{name}"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        shutil.chown(path, "nobody", "nogroup")
        return path

    def manage(self, *words):
        start = "import sys; sys.argv[0] = 'keystone-manage'; from keystone.cmd.manage import main; main()"
        return self.run(PYTHON, "-c", start, "--config-file", f"{self.dir}/plain.conf", *words)

    def bring_up(self):
        port = free_port()
        self.db = {"host": "127.0.0.1", "port": port, "user": "keystone", "password": self.secret,
                   "database": "keystone"}
        self.run("mariadb-install-db", "--no-defaults", f"--datadir={self.dir}/db", "--skip-test-db",
                 "--auth-root-authentication-method=normal")
        init = self.file("init.sql", "DELETE FROM mysql.global_priv WHERE User IN ('root', '');\nFLUSH PRIVILEGES;\n"
                         "CREATE DATABASE keystone CHARACTER SET utf8;\n"
                         f"GRANT ALL ON keystone.* TO keystone@127.0.0.1 IDENTIFIED BY '{self.secret}';\n")
        database = self.start("mariadb", port, "mariadbd", "--no-defaults", f"--datadir={self.dir}/db",
                              f"--socket={self.dir}/db.sock", f"--pid-file={self.dir}/db.pid", f"--init-file={init}",
                              f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve",
                              "--max-connections=500")
        roots, kinds = [database], {"plain": ""}
        if self.memcached:
            port = free_port()
            roots.append(self.start("memcached", port, self.memcached, "-l", "127.0.0.1", "-p", str(port), "-U", "0"))
            kinds["cached"] = ("[cache]\nenabled = true\nbackend = oslo_cache.memcache_pool\n"
                               f"memcache_servers = 127.0.0.1:{port}\n")
        for kind, more in kinds.items():
            self.file(f"{kind}.conf", f"""[DEFAULT]
use_stderr = true
[database]
connection = mysql+pymysql://keystone:{self.secret}@127.0.0.1:{self.db["port"]}/keystone
[fernet_tokens]
key_repository = {self.dir}/fernet
[fernet_receipts]
key_repository = {self.dir}/fernet
[credential]
key_repository = {self.dir}/credential
{more}""")
        self.manage("db_sync")
        for what in ("fernet_setup", "credential_setup"):
            self.manage(what, "--keystone-user", "nobody", "--keystone-group", "nogroup")
        wsgi = self.file("wsgi.py", "from keystone.server.wsgi import initialize_public_application\n"
                         "application = initialize_public_application()\n")
        self.servers, ports = {}, {kind: free_port() for kind in kinds}
        url = f"http://127.0.0.1:{ports['plain']}/v3"
        self.manage("bootstrap", "--bootstrap-password", self.password, "--bootstrap-region-id", "RegionOne",
                    "--bootstrap-public-url", url, "--bootstrap-admin-url", url, "--bootstrap-internal-url", url)
        for kind, port in ports.items():
            # As Debian's keystone-uwsgi.ini, with its advice of two processes for each core, but one thread in each:
            # with its 32, some of the first requests that came together were answered 403 or not at all.
            pid = self.start(kind, port, "uwsgi", "--plugins", "python3", "--http-socket", f"127.0.0.1:{port}",
                             "--buffer-size", "65535", "--rem-header", "Content-Length", "--master", "--thunder-lock",
                             "--lazy-apps", "--no-orphans", "--die-on-term", "--enable-threads", "--processes",
                             str(2 * os.cpu_count()), "--threads", "1", "--listen", "100", "--wsgi-file", wsgi,
                             "--pyargv", f"--config-file={self.dir}/{kind}.conf")
            name = {"plain": "Keystone", "cached": "Keystone, memcached"}[kind]
            self.servers[kind] = Server(name, port, "/v3", [pid, *roots])
        self.plain = self.servers["plain"]
        until("Keystone answers", 60, lambda: self.plain.ask("GET", "", ok=(200,)))

    def found(self):
        """The same as in Jinyun: a domain, a project, a user who is a member of it."""
        who = {"name": "admin", "password": self.password, "domain": {"id": "default"}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": who}},
                         "scope": {"system": {"all": True}}}}
        self.admin = self.plain.ask("POST", "/auth/tokens", body)[0]["X-Subject-Token"]

        def make(many, one, body):
            return self.plain.ask("POST", f"/{many}", {one: body}, self.admin)[1][one]["id"]
        self.roles = {role["name"]: role["id"] for role in
                      self.plain.ask("GET", "/roles", token=self.admin)[1]["roles"]}
        self.domain = make("domains", "domain", {"name": "bank"})
        self.project = make("projects", "project", {"name": "payments", "domain_id": self.domain})
        secret = password()
        ann = make("users", "user", {"name": "ann", "domain_id": self.domain, "password": secret})
        self.plain.ask("PUT", f"/projects/{self.project}/users/{ann}/roles/{self.roles['member']}", token=self.admin)
        self.user = {"username": "ann", "password": secret, "user_domain_name": "bank", "project_name": "payments"}
        return self

    def populate(self, plan):
        """Straight into its tables: its API takes many minutes for the same rows."""
        names = {"domain": self.domain, **{name: self.roles[name] for name in ("reader", "member")}}
        path = self.file("plan.json", json.dumps({"db": self.db, "plan": plan, "names": names}))
        return json.loads(self.run(PYTHON, "-c", POPULATE, path))


# Runs with Debian's Python, which has the driver of the database.
POPULATE = """
import json, sys, uuid
import pymysql
with open(sys.argv[1]) as file:
    given = json.load(file)
db, plan, names = pymysql.connect(**given["db"]), given["plan"], given["names"]
new, domain = lambda: uuid.uuid4().hex, names["domain"]
users, projects, groups = ([new() for _ in range(plan[k])] for k in ("users", "projects", "groups"))
def put(table, columns, rows):
    marks = ", ".join(["%s"] * len(columns.split(",")))
    db.cursor().executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
put("user", "id, extra, enabled, domain_id, created_at", [(u, "{}", 1, domain, "2020-01-01") for u in users])
put("local_user", "domain_id, user_id, name, failed_auth_count",
    [(domain, u, f"user-{n}", 0) for n, u in enumerate(users)])
put("project", "id, name, extra, description, enabled, domain_id, parent_id, is_domain",
    [(p, f"project-{n}", "{}", "", 1, domain, domain, 0) for n, p in enumerate(projects)])
put("`group`", "id, domain_id, name, description, extra",
    [(g, domain, f"group-{n}", "", "{}") for n, g in enumerate(groups)])
put("user_group_membership", "user_id, group_id", [(users[u], groups[g]) for u, g in plan["members"]])
put("assignment", "type, actor_id, target_id, role_id, inherited",
    [("GroupProject", groups[g], projects[p], names["reader"], 0) for g, p in plan["grants"]]
    + [("UserProject", users[u], projects[p], names["member"], 0) for u, p in plan["direct"]])
db.commit()
print(json.dumps({"user": users[0], "project": projects[0]}))
"""


# Jinyun ---------------------------------------------------------------------------------------------------------------


class Own(bench.Cloud):
    """An instance that can be filled and measured like another."""

    def by_boss(self):
        """A token of the institution's manager."""
        return self.bank.boss.token(self.bank.scope)

    def server(self):
        with open(f"{self.run_dir}/supervisor.pid", encoding="ascii") as file:
            return Server("Jinyun", self.args.port, "/identity/v3", [int(file.read())], self.tls)

    def populate(self, server, plan):
        """Through the API, by the institution's manager, on eight connections."""
        by = self.by_boss()
        roles = {r["name"]: r["id"] for r in server.ask("GET", "/roles", token=by)[1]["roles"]}
        domain = next(d["id"] for d in server.ask("GET", "/auth/domains", token=by)[1]["domains"])

        pool, made = multiprocessing.Pool(8, _connect, (server, HEADERS | {"X-Auth-Token": by})), {}
        all_of = lambda work: pool.map_async(_send, work, 50).get(600)
        for many, one in (("users", "user"), ("projects", "project"), ("groups", "group")):
            made[many] = all_of([("POST", f"/{many}", {one: {"name": f"{one}-{n}", "domain_id": domain}}, one)
                                 for n in range(plan[many])])
        users, projects, groups = made["users"], made["projects"], made["groups"]
        all_of([("PUT", f"/groups/{groups[g]}/users/{users[u]}", None, None) for u, g in plan["members"]])
        all_of([("PUT", f"/projects/{projects[p]}/groups/{groups[g]}/roles/{roles['reader']}", None, None)
                for g, p in plan["grants"]])
        all_of([("PUT", f"/projects/{projects[p]}/users/{users[u]}/roles/{roles['member']}", None, None)
                for u, p in plan["direct"]])
        pool.close()
        pool.join()
        self.roles = roles
        return {"user": users[0], "project": projects[0]}


def _connect(server, headers):
    """What a process of the pool keeps."""
    global kept
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    kept = server, server.connect(), headers


def _send(work):
    """One request that makes something; its id."""
    (server, connection, headers), (method, path, body, one) = kept, work
    connection.request(method, server.base + path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status not in (201, 204):
        raise RuntimeError(f"{method} {path}: {answer.status} {text}")
    return json.loads(text)[one]["id"] if one else None


def population(scale):
    """Each group has an equal share of the users and is reader in an equal share of the projects; the first users are
    members of a project each besides."""
    users, projects, groups, direct = (max(10, int(n * scale)) for n in (USERS, PROJECTS, GROUPS, DIRECT))
    return {"users": users, "projects": projects, "groups": groups,
            "members": [(u, u % groups) for u in range(users)],
            "grants": [(p % groups, p) for p in range(projects)],
            "direct": [(u, u % projects) for u in range(min(direct, users))]}


# Hashing alone --------------------------------------------------------------------------------------------------------


def argon2id(count):
    """CPU ms of one hash with the parameters of the product, by the reference implementation."""
    library = ctypes.CDLL("libargon2.so.1")
    out = ctypes.create_string_buffer(32)
    begin = time.process_time()
    for _ in range(count):
        code = library.argon2id_hash_raw(ctypes.c_uint32(2), ctypes.c_uint32(19_456), ctypes.c_uint32(1), b"p" * 36,
                                         ctypes.c_size_t(36), b"s" * 16, ctypes.c_size_t(16), out, ctypes.c_size_t(32))
        expect(code == 0, f"argon2 failed with {code}")
    return (time.process_time() - begin) * 1000 / count


def bcrypt(count):
    """CPU ms of one hash with Keystone's default of twelve rounds, by the library that Keystone uses."""
    program = ("import bcrypt, time\nsalt, begin = bcrypt.gensalt(12), time.process_time()\n"
               f"for _ in range({count}): bcrypt.hashpw(b'p' * 36, salt)\n"
               f"print((time.process_time() - begin) * 1000 / {count})")
    return float(subprocess.run([PYTHON, "-c", program], check=True, capture_output=True, text=True).stdout)


# The measurement ------------------------------------------------------------------------------------------------------


def issue(user, methods):
    domain = {"name": user["user_domain_name"]}
    scope = {"project": {"name": user["project_name"], "domain": domain}}
    body = json.dumps({"auth": {"identity": methods, "scope": scope}}).encode()
    return lambda worker, i: ("POST", "/auth/tokens", body, HEADERS, 201)


def by_password(user):
    who = {"name": user["username"], "password": user["password"], "domain": {"name": user["user_domain_name"]}}
    return issue(user, {"methods": ["password"], "password": {"user": who}})


def by_token(user, token):
    return issue(user, {"methods": ["token"], "token": {"id": token}})


def get(path, token, **more):
    headers = HEADERS | {"X-Auth-Token": token, **more}
    return lambda worker, i: ("GET", path, None, headers, 200)


def row(name, clients, results, per=1):
    """Jinyun's result first; a ratio for each of the others."""
    own = results[0][1]
    for n, (server, got) in enumerate(results):
        ratio = "" if n == 0 else f"{got[0] / own[0]:.0f}" if own[0] and got[0] / own[0] >= 10 else \
            f"{got[0] / own[0]:.1f}" if own[0] else "?"
        say(f"| {name} | {clients} | {server.name} | {got[4]} | {got[0] / per:.3f} | {got[1]:.1f} | {got[2]} "
            f"| {ratio} | {got[3]:.1f} |")


TABLE = ("| request | clients | server | count | CPU ms/request | req/s | bytes | CPU, times Jinyun's | load before |\n"
         "|---|---|---|---|---|---|---|---|---|")
LISTS = ("| effective assignments | server | lines | count | CPU ms/request | CPU ms/1,000 lines | MB "
         "| CPU for each line, times Jinyun's | load before |\n|---|---|---|---|---|---|---|---|---|")


def tokens(args, own, cloud, keystone):
    """Issue and validation, in turn; what validation costs each of the others, times Jinyun's."""
    say("### Tokens\n")
    say(TABLE)
    n = lambda count: max(8, int(count * args.scale))
    others, ratios = list(keystone.servers.values()), {}
    first = {s.name: s.ask("POST", "/auth/tokens", json.loads(by_password(keystone.user)(0, 0)[2]))[0]
             ["X-Subject-Token"] for s in others}
    validate = lambda token: get("/auth/tokens", token, **{"X-Subject-Token": token})
    for server, token in [(own, cloud.token), *((s, first[s.name]) for s in others)]:
        load(server, 8, 160, validate(token))  # every worker process is awake and has its connections
    for clients in (1, 8):
        results = [(own, load(own, clients, n(10_000), validate(cloud.token)))]
        results += [(s, load(s, clients, n(240), validate(first[s.name]))) for s in others]
        row("validate a token", clients, results)
        ratios[clients] = {s.name: got[0] / results[0][1][0] for s, got in results[1:]}
    for clients in (1, 8):
        results = [(own, load(own, clients, n(2_000), by_token(cloud.user, cloud.token)))]
        results += [(s, load(s, clients, n(160), by_token(keystone.user, first[s.name]))) for s in others]
        row("issue from a token", clients, results)
    for clients in (1, 8):
        results = [(own, load(own, clients, n(400), by_password(cloud.user)))]
        results += [(s, load(s, clients, n(24), by_password(keystone.user))) for s in others]
        row("issue by password", clients, results)
    ours, theirs = argon2id(50), bcrypt(8)
    say(f"\nHashing alone: argon2id (19 MiB, two passes) {ours:.1f} ms CPU, bcrypt (twelve rounds) {theirs:.1f} ms: "
        f"{theirs / ours:.1f} times.\n")
    return ratios


def lists(args, own, cloud, keystone):
    plan = population(args.scale)
    begin = time.monotonic()
    ours = cloud.populate(own, plan)
    took = time.monotonic() - begin
    theirs = keystone.populate(plan)
    say(f"### Effective role assignments\n\n{plan['users']} users in {plan['groups']} groups, {plan['projects']} "
        f"projects; {len(plan['grants'])} grants to groups (reader), {len(plan['direct'])} to users (member). Made in "
        f"Jinyun by {sum(plan[k] if isinstance(plan[k], int) else len(plan[k]) for k in plan)} requests within "
        f"{took:.0f} s, in Keystone's tables directly.\n")
    say(LISTS)
    by = cloud.by_boss()
    asked = [("of one user", "&user.id={user}", 400, 20), ("of one project", "&scope.project.id={project}", 400, 20),
             ("of one role", "&role.id={role}", 20, 3), ("of one institution", "", 10, 1)]
    for name, query, often, seldom in asked:
        results = []
        for server, ids, roles, token, count in (
                (own, ours, cloud.roles, by, often),
                *((s, theirs, keystone.roles, keystone.admin, seldom) for s in keystone.servers.values())):
            path = "/role_assignments?effective" + query.format(**ids, role=roles["member"])
            said = server.ask("GET", path, token=token)[1]
            lines, whole = len(said["role_assignments"]), not said.get("truncated")
            got = load(server, 1, max(1, int(count * args.scale)), get(path, token))
            results.append((server, lines, whole, got))
        for n, (server, lines, whole, got) in enumerate(results):
            mine, each = results[0][3][0] / results[0][1], got[0] / lines
            ratio = "" if n == 0 else f"{each / mine:.0f}" if mine else "?"
            say(f"| {name} | {server.name} | {lines}{'' if whole else ' (its bound)'} | {got[4]} | {got[0]:.2f} "
                f"| {each * 1000:.2f} | {got[2] / 1e6:.3f} | {ratio} | {got[3]:.1f} |")


def missing():
    """What is not there for a Keystone."""
    needs = ("uwsgi", "mariadbd", "mariadb-install-db", "my_print_defaults")
    lacks = [word for word in needs if not shutil.which(word)]
    for module in ("keystone", "pymysql", "bcrypt"):
        found = subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, cwd="/")
        lacks += [f"python3-{module}"] if found.returncode else []
    return lacks


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--binary", default="target/release/jinyun")
    parser.add_argument("--instance", default="identity")
    parser.add_argument("--port", type=int, default=28643)
    parser.add_argument("--management-port", type=int, default=28644)
    parser.add_argument("--memcached", default=shutil.which("memcached"), help="the program; without, a row less")
    parser.add_argument("--scale", type=float, default=1.0, help="of counts and population")
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    lacks = missing()
    if lacks:
        sys.exit(f"no Keystone can be run, these are missing: {', '.join(lacks)} (packages: see the head of this file)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    try:
        with Keystone(args.memcached) as keystone, Own(args, "simulated") as cloud:
            keystone.found()
            cloud.found()
            own = cloud.server()
            ratios = tokens(args, own, cloud, keystone)
            lists(args, own, cloud, keystone)
        low = min(min(by.values()) for by in ratios.values())
        said = "; ".join(f"{name}, {clients} client(s): {times:.0f}" for clients, by in ratios.items()
                         for name, times in by.items())
        say(f"\nValidation, times Jinyun's CPU: {said}. Aim {AIM}: {'met' if low >= AIM else 'not met'}.")
    except Failed as e:
        sys.exit(f"FAILED: {e.what}\n{e.did}\n{e.said}")


if __name__ == "__main__":
    main()
