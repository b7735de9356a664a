"""Bytes that are hardly HTTP, floods, and that the provider cannot lock itself out."""

import concurrent.futures
import http.client
import json
import time

from abuse_cases import UUID, WORKERS, login
from cloud import until


def protocol(s):
    """what is hardly HTTP: heads, lengths, encodings, versions, sizes"""
    w = s.world
    at, ann, wire = w.instance.tenants, w.tokens["ann"], w.wire
    nets = f"{at}/network/v2.0/networks"
    for headers in ({"X-Auth-Token": "x" * 60_000}, {"X-Auth-Token": "\xff\xfe"}, {"X-Auth-Token": "a, b"},
                    {"X-Auth-Token": w.tokens["ann"].swapcase()}):
        wire.stranger()
        s.judge("a strange token: GET /v2.0/networks", "network", wire.ask("GET", nets, headers=headers), {401},
                   recorded=False)
    for version, want in (("compute 2.79", 406), ("compute 9999999999999.1", {200, 400, 406}),
                          ("compute latest", {200, 400, 406}),
                          ("\xff", {200, 400}), ("compute -1.-1", {200, 400, 406}), ("x" * 5000, {200, 400})):
        answer = wire.ask("GET", f"{at}/compute/v2.1/servers", token=ann,
                          headers={"OpenStack-API-Version": version})
        s.judge(f"version {version[:20]}", "compute", answer, {want} if isinstance(want, int) else want,
                   recorded=False)
    s.judge("a long id: GET /v2.0/networks/{id}", "network",
               wire.ask("GET", f"{nets}/{'x' * 30_000}", token=ann), {404})
    s.judge("a long query: GET /v2.0/networks", "network", wire.ask("GET", f"{nets}?{'a=b&' * 7000}", token=ann),
               {200, 400})
    s.judge("many segments", "network", wire.ask("GET", nets + "/x" * 10_000, token=ann), {404}, recorded=False)
    answer = wire.ask("GET", f"{at}/../../etc/passwd")
    s.check("a path outside of the services", answer.status == 404 and answer.request, str(answer))
    for who, method, path, status in (("nobody", "POST", "/network/v2.0/networks", 401),
                                      ("nobody", "POST", "/nothing/here", 404),
                                      ("ann", "DELETE", "/network/v2.0/networks", 405),
                                      ("nobody", "PUT", f"/image/v2/images/{UUID}/file", 401),
                                      ("ann", "PUT", f"/image/v2/images/{UUID}/file", 404),
                                      ("bob", "PUT", f"/image/v2/images/{w['image']}/file", 404),
                                      ("ann", "PUT", f"/image/v2/images/{w['image']}/file", 409),
                                      ("ann", "POST", "/network/v2.0/networks", 413)):
        # Refused before the body is read: the answer must get through all the same.
        answer = wire.ask(method, at + path, b"x" * (8 << 20), w.tokens.get(who), alone=True)
        wire.stranger(status == 401)
        s.check(f"a large body, refused early: {who} {method} {path}", answer.status == status, str(answer),
                   "refused early")
        if status in (404, 409) and who != "nobody" and answer.request:
            wire.refused.append((answer.request, answer.asked))
    host = "Host: 127.0.0.1\r\n"
    for what, more in (("no token", ""), ("a token", f"X-Auth-Token: {w.tokens['rita']}\r\n")):
        path = f"/image/v2/images/{UUID}/file" if more else "/network/v2.0/networks"
        wire.stranger(not more)
        s.check(f"refused before its body ({what}): the connection goes on, or the answer says that it ends",
                   goes_on(s, f"PUT {path}" if more else f"POST {path}", host + more), kind="goes on")
    token = f"X-Auth-Token: {ann}\r\n"
    for what, text, want in (
            ("a target of 70 KB", f"GET /network/v2.0/networks?{'x' * 70_000} HTTP/1.1\r\n{host}\r\n",
             b"414 431 400"),
            ("a head of 1 MB", f"GET /network/v2.0/networks HTTP/1.1\r\n{host}X: {'x' * 1_000_000}\r\n\r\n",
             b"431 400"),
            ("1000 headers",
             f"GET /network/v2.0/networks HTTP/1.1\r\n{host}" + "".join(f"X-{n}: 1\r\n" for n in range(1000))
             + "\r\n",
             b"431 400"),
            ("no HTTP", "\x16\x03\x01\r\n\r\n", b"400"), ("HTTP/9", f"GET / HTTP/9.9\r\n{host}\r\n", b"400 505"),
            ("two lengths",
             f"POST /network/v2.0/networks HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
             b"400"),
            ("a negative length", f"POST /network/v2.0/networks HTTP/1.1\r\n{host}Content-Length: -1\r\n\r\n",
             b"400"),
            ("length and chunks", f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}Content-Length: 2\r\n"
             "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
            ("bad chunks",
             f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}Transfer-Encoding: chunked\r\n\r\nzz\r\n",
             b"400"),
            ("an unknown encoding",
             f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}Transfer-Encoding: gzip\r\n\r\nx", b"400 501"),
            ("a NUL in the target", f"GET /network/\0 HTTP/1.1\r\n{host}\r\n", b"400"),
            ("a folded header", f"GET /network/ HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n", b"400"),
            ("a target without a slash", f"GET network HTTP/1.1\r\n{host}\r\n", b"400 404"),
            ("a whole URL", f"GET http://elsewhere/network/v2.0/networks HTTP/1.1\r\n{host}\r\n", b"401")):
        got = wire.raw(at, text.encode("latin-1"))
        wire.stranger(want == b"401")
        line = got.split(b"\r\n")[0]
        s.check(f"HTTP: {what}", line.startswith(b"HTTP/1.1 ") and line.split()[1] in want.split(),
                   repr(got[:200]), "HTTP")

    # A body that breaks off is no request, even if what came of it reads like one.
    whole = b'{"network": {"name": "cut-off"}}'
    head = f"POST /network/v2.0/networks HTTP/1.1\r\n{host}{token}".encode()
    for text in (head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\nzz\r\n" % (len(whole), whole),
                 head + b"Content-Length: 500\r\n\r\n" + whole):
        with wire.open(at) as made:
            made.sendall(text)
    end = time.monotonic() + 1
    made = []
    while time.monotonic() < end and not made:
        made = w.must("ann", "GET", "/network/v2.0/networks?name=cut-off")["networks"]
    s.check("HTTP: a body that broke off is not carried out", not made, str(made))


def torrents(w):
    """What floods consist of: a name, and requests that each have a connection of their own."""
    host, token = "Host: 127.0.0.1\r\n", f"X-Auth-Token: {w.tokens['bob']}\r\n"
    manager = f"X-Auth-Token: {w.tokens['boss2']}\r\n"
    head = lambda line, length, more="": f"{line} HTTP/1.1\r\n{host}{more}Content-Length: {length}\r\n\r\n".encode()
    guess = json.dumps(login(w.users["bob"] | {"password": "Jy1-wrong-wrong"})).encode()
    rows = [{"id": f"s{n}", "name": "n" * 150, "purpose": "p" * 200,
             "depends_on": [f"s{(n + m) % 300}" for m in range(1, 9)]} for n in range(300)]
    plan = json.dumps({"inventory": {"systems": rows}}).encode()
    uploads = [w.make("some", "/image/v2/images", None, "bob", disk_format="raw",
                      container_format="bare") for _ in range(80)]
    large = w.make("large", "/image/v2/images", None, "bob", disk_format="raw", container_format="bare")
    w.must("bob", "PUT", f"/image/v2/images/{large}/file", bytes(16 << 20),
           {"Content-Type": "application/octet-stream"})
    sign_in = "POST /identity/v3/auth/tokens"
    return (("unread downloads", [f"GET /image/v2/images/{large}/file HTTP/1.1\r\n{host}{token}\r\n".encode()] * 150),
            ("unread exports", [f"GET /journal/v1/export HTTP/1.1\r\n{host}{manager}\r\n".encode()] * 80),
            ("large plans", [head("POST /planner/v1/plans", len(plan), token) + plan] * 16),
            ("unfinished bodies", [head("POST /network/v2.0/networks", 100, token) + b"{"] * 80),
            ("unfinished uploads", [head(f"PUT /image/v2/images/{i}/file", 100_000, token) + b"x" for i in uploads]),
            ("unfinished sign-ins", [head(sign_in, len(guess)) + b"{"] * 80),
            ("sign-ins", [head(sign_in, len(guess)) + guess] * 500))


def floods(s):
    """many at a time who never end, and many who guess: nobody else waits for them"""
    w, at = s.world, s.world.instance.tenants
    address = w.wire.elsewhere()
    for what, requests in torrents(w):
        what, made = f"{len(requests)} {what}", []
        try:
            with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
                made = list(pool.map(lambda _: w.wire.open(at, source=address), requests))
            for connection, request in zip(made, requests):
                connection.sendall(request)
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                begin = time.monotonic()
                beside = pool.submit(lambda: (w.attempt(login(w.users["eve"]), w.wire.elsewhere()), time.monotonic()))
                lines, took = gets_through(w)
                answer, end = beside.result()
            s.check(f"{what} of another tenant hold ann up", lines == {"HTTP/1.1 200 OK"} and took < 2,
                    f"{lines}, {took:.1f} s")
            s.judge(f"a sign-in beside {what}", "identity", answer, {201})
            s.check(f"{what} of one address hold a sign-in of another up", end - begin < 3, f"{end - begin:.1f} s")
        finally:
            for connection in made:
                connection.close()
        until("the flood is over", 60, lambda: w.do("ann", "GET", "/network/v2.0/networks").status == 200)
    # Whoever was guessed at may be locked, and the institution's manager opens the lock. The last guesses may still be
    # on their way.
    lock = f"/identity/v3/users/{w['bob']}/OS-JINYUN/lockout"
    lift = lambda: w.do("boss2", "DELETE", lock).status == 204 and w.attempt(login(w.users["bob"])).status == 201
    s.check("the right password does after the lock was lifted", until("bob can sign in", 60, lift, 1))


def gets_through(w):
    """What ann is answered on new connections, and how long the longest took."""
    lines, longest = set(), 0.0
    for _ in range(10):  # the first may be before they are all at work
        begin = time.monotonic()
        try:
            with w.wire.open(w.instance.tenants, 5) as other:
                mine = f"Host: 127.0.0.1\r\nX-Auth-Token: {w.tokens['ann']}\r\n"
                other.sendall(f"GET /network/v2.0/networks HTTP/1.1\r\n{mine}\r\n".encode())
                lines.add(other.recv(4096).split(b"\r\n")[0].decode())
        except OSError as e:
            lines.add(f"{type(e).__name__}: {e}")
        longest = max(longest, time.monotonic() - begin)
        if longest > 2:
            break
    return lines, longest


def goes_on(s, line, head):
    """Whether another request is answered on a connection where one was refused before its body had come."""
    wire, at = s.world.wire, s.world.instance.tenants
    try:
        with wire.open(at, 20) as made:
            made.sendall(f"{line} HTTP/1.1\r\n{head}Content-Length: 20\r\n\r\n".encode())
            first = http.client.HTTPResponse(made)
            first.begin()
            first.read()
            if first.will_close:
                return True
            time.sleep(0.1)
            made.sendall(b"x" * 20 + f"GET /network/ HTTP/1.1\r\n{head}\r\n".encode())
            second = http.client.HTTPResponse(made)
            second.begin()
            return second.status == 200
    except (OSError, http.client.HTTPException):
        return False


def lock_out(s):
    """the provider's own domain cannot be closed to its staff"""
    w = s.world
    for body in ({"enabled": False}, {"name": "taken-over"}):
        answer = w.do("secadmin", "PATCH", "/identity/v3/domains/default", {"domain": body})
        w.wire.stranger(answer.status == 401)
        s.judge(f"PATCH of the provider's domain: {body}", "identity", answer, {400, 403, 409},
                   recorded=answer.status != 401)
    answer = w.do("sysadmin", "GET", "/compute/v2.1/os-services")
    w.wire.stranger(answer.status == 401)
    s.judge("staff can work after it", "compute", answer, {200}, recorded=answer.status != 401)


STORIES = (protocol, lock_out, floods)
