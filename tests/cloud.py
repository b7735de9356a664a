"""What a test needs to deal with a running instance from outside: the real client, HTTP, the host's processes,
namespaces and disks. Python's standard library only; nothing of the product is imported.

Whatever goes wrong is a `Failed`, with the command or request and what came back."""

import concurrent.futures
import ctypes
import errno
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

OPENSTACK = "/usr/bin/openstack"
CLIENT_PATIENCE = 120  # seconds for one command of the client


class Failed(Exception):
    """Something is not as it must be. `what` is a sentence, `did` the command or request, `said` what came back."""

    def __init__(self, what, did="", said=""):
        super().__init__(what)
        self.what, self.did, self.said = what, did, said

    def __str__(self):
        """All of it, for whoever did not expect it and shows a traceback."""
        return f"{self.what}\n  did  {self.did}\n  said {self.said[:2000]}"


def expect(right, what, did="", said=""):
    if not right:
        raise Failed(what, did, said if isinstance(said, str) else repr(said))


def until(what, seconds, look, pause=0.1):
    """Waits until `look()` gives something true, and returns it. `Failed` from `look` counts as "not yet"."""
    end, why = time.monotonic() + seconds, None
    while True:
        try:
            found = look()
            why = None
            if found:
                return found
        except Failed as e:
            why = e
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s" + (f"; the last attempt: {why.what}" if why else ""),
                         why.did if why else "", why.said if why else "")
        time.sleep(pause)


def together(*works):
    """Runs functions side by side; returns their results, or raises the first one's failure once all have ended."""
    with concurrent.futures.ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(work) for work in works]
    return [future.result() for future in futures]


def run(words, seconds=60, ok=True, env=None):
    """A program without a terminal or input. Returns (exit code, output, errors)."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              timeout=seconds, env=env)
    except subprocess.TimeoutExpired as e:
        said = "".join(part.decode(errors="replace") for part in (e.stdout, e.stderr) if part)
        raise Failed(f"no end within {seconds} s", " ".join(words), said) from None
    except OSError as e:
        raise Failed(f"{words[0]} cannot be started: {e}", " ".join(words)) from None
    if ok and done.returncode != 0:
        raise Failed(f"it ended with {done.returncode}", " ".join(words), done.stdout + done.stderr)
    return done.returncode, done.stdout, done.stderr


class Instance:
    """A running instance: its name, its listeners, its files."""

    def __init__(self, name, binary, port, management_port):
        self.name, self.binary = name, binary
        self.state, self.run_dir = f"/var/lib/jinyun/{name}", f"/run/jinyun/{name}"
        self.tenants, self.management = f"https://127.0.0.1:{port}", f"https://127.0.0.1:{management_port}"
        self.ca, self.clouds = f"{self.state}/ca.pem", f"{self.state}/clouds.yaml"
        self.disks = f"{self.state}/host/disks"
        expect(os.path.exists(self.ca), f'instance "{name}" is not up: {self.ca} does not exist')
        self.tls = ssl.create_default_context(cafile=self.ca)

    # The real client ---------------------------------------------------------------------------------------------

    def client_env(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("OS_") and not k.lower().endswith("_proxy")}
        return kept | {"OS_CLIENT_CONFIG_FILE": self.clouds}

    def cli(self, cloud, *words, ok=True, form="json"):
        """`openstack --os-cloud CLOUD ...`: the answer as JSON (`form` None: the output's text). With `ok` False the
        command must be refused, and what it said is returned."""
        command = [OPENSTACK, "--os-cloud", cloud, *words] + (["-f", form] if form and ok else [])
        code, out, errors = run(command, CLIENT_PATIENCE, env=self.client_env(), ok=ok)
        if not ok:
            expect(code != 0, "this should have been refused", " ".join(command), out + errors)
            return (out + errors).strip()
        if not form:
            return out
        try:
            return json.loads(out)
        except ValueError:
            raise Failed("the client did not answer in JSON", " ".join(command), out + errors) from None

    # HTTP --------------------------------------------------------------------------------------------------------

    def http(self, method, url, body=None, token=None, ok=(200, 201, 202, 204), headers=None):
        """A request; passwords travel in its body. Returns (status, headers, JSON). Bodies are never in a `Failed`."""
        headers = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token else {}) | (headers or {})
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.build_opener(urllib.request.HTTPSHandler(context=self.tls),
                                             urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
                status, got, text = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as e:
            status, got, text = e.code, e.headers, e.read()
        except OSError as e:
            raise Failed("no answer", f"{method} {url}", str(e)) from None
        expect(ok is None or status in ok, f"the answer was {status}", f"{method} {url}", text.decode(errors="replace"))
        if status >= 400 and got.get_content_type() == "text/html":
            return status, got, None  # images' errors are pages
        try:
            return status, got, json.loads(text) if text else None
        except ValueError:
            raise Failed("the answer is no JSON", f"{method} {url}", text.decode(errors="replace")) from None

    def log_in(self, user, ok=(201,)):
        """A token for an entry of clouds.yaml (see `entry`). Returns (status, token or None, JSON)."""
        who = {"name": user["username"], "password": user["password"]}
        who["domain"] = {"id": user["user_domain_id"]} if "user_domain_id" in user else {"name": user["user_domain_name"]}
        if "system_scope" in user:
            scope = {"system": {"all": True}}
        elif "project_name" in user:
            scope = {"project": {"name": user["project_name"], "domain": {"name": user["project_domain_name"]}}}
        else:
            scope = {"domain": {"name": user["domain_name"]}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": who}}, "scope": scope}}
        status, headers, answer = self.http("POST", user["auth_url"] + "/auth/tokens", body, ok=ok)
        return status, headers.get("X-Subject-Token"), answer

    # Processes ---------------------------------------------------------------------------------------------------

    def process(self, word):
        """The id of the instance's `control` or `agent` process: the supervisor's child of that name."""
        with open(f"{self.run_dir}/supervisor.pid", encoding="ascii") as file:
            supervisor = int(file.read())
        found = [pid for pid, words in processes() if words[-3:] == ["--instance", self.name, word]
                 and parent(pid) == supervisor]
        expect(len(found) <= 1, f"there are {len(found)} {word} processes", said=str(found))
        return found[0] if found else None

    def kill(self, word):
        """kill -9. Returns the id of the one that the supervisor has started in its place."""
        pid = self.process(word)
        expect(pid, f"there is no {word} process to kill")
        os.kill(pid, signal.SIGKILL)
        return until(f"the {word} process is started again", 15,
                     lambda: (new := self.process(word)) not in (None, pid) and new, 0.02)

    def guests(self):
        """The server's id of each QEMU process of the instance, with its process id."""
        found = {}
        for pid, words in processes():
            name = words[words.index("-name") + 1] if "-name" in words[:-1] else ""
            if "qemu" in words[0] and (match := re.fullmatch(f"jinyun-{self.name}-([0-9a-f-]{{36}})", name)):
                expect(match[1] not in found, f"server {match[1]} has two processes", said=f"{pid}, {found.get(match[1])}")
                found[match[1]] = pid
        return found

    def disk_files(self):
        return sorted(os.listdir(self.disks)) if os.path.isdir(self.disks) else []

    def spaces(self, kind=""):
        """Network namespaces of the instance (`kind`: n of a network, r of a router, p of a probe port)."""
        return sorted(n for n in all_spaces() if n.startswith(f"jy-{self.name}-{kind}"))


def all_spaces():
    return os.listdir("/run/netns") if os.path.isdir("/run/netns") else []


def processes():
    """Every process: (id, words of its command line)."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace").rstrip("\0").split("\0")
        except OSError:
            continue
        if words != [""]:
            yield int(entry), words


def parent(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


# The network from inside ------------------------------------------------------------------------------------------

CLONE_NEWNET = 0x40000000


def inside(space, make):
    """Runs `make` in a network namespace. A socket stays in the namespace where it was made, so the rest of its life
    may be here; the thread that entered ends."""
    result = []

    def enter():
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/run/netns/{space}", "rb") as file:
                if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            result.append((make(), None))
        except BaseException as e:  # handed to the caller
            result.append((None, e))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    value, error = result[0]
    if error:
        raise error
    return value


def dial(space, address, port, seconds=1.5, absent=False):
    """A connection from a namespace, or None if the network does not let it through. A reset, or a way that does not
    exist, is no refusal by the network's rules, and so a `Failed`: it would prove nothing (unless nobody is expected
    there: `absent`)."""
    def make():
        made = socket.socket()
        made.settimeout(seconds)
        try:
            made.connect((address, port))
        except BaseException:
            made.close()
            raise
        return made
    try:
        return inside(space, make)
    except socket.timeout:
        return None
    except OSError as e:
        if absent and e.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
            return None
        raise Failed(f"the attempt says nothing about the rules: {e}", f"{space}: connect {address}:{port}") from None


def hear(connection, say=b"", seconds=3.0):
    """Says something and hears what comes back: b"" for a closed or a silent connection."""
    connection.settimeout(seconds)
    try:
        if say:
            connection.sendall(say)
        return connection.recv(4096)
    except OSError:
        return b""
