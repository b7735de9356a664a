#!/usr/bin/python3
"""Passkeys by a real browser: chromium makes and uses them on the sign-in page.

    tests/passkey.py [--binary PATH] [--instance NAME] [--port N] [--management-port N]

A fresh instance with simulated hosts and one institution, which demands two factors. People sign in on the page with a
password, with a code, with a passkey (an authenticator made of software, by WebDriver); they let `jinyun login
--browser` in; staff does the same on the management listener. What a passkey signs is then sent a second time, altered,
from another page, without the person's verification and by a copy, and refused each time. In the end all of it stands
in the journal, and no secret does.

Each check is a line; the last line is `N passed, N failed`."""

import argparse
import base64
import contextlib
import http.server
import json
import os
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from accounts import UNSCOPED, Institution, Own, arguments, in_project
from browser import Browser
from clients import Checks
from cloud import Failed, expect, run, until
from totp import new_seed

API = "/identity/v3"
OWN = f"{API}/OS-JINYUN"
SYNTHETIC = "6a0e71de9ce04f6c8e6f00000000e000"
NOT_LET_IN = "Not let in with this passkey"
ENTER = "\ue007"


def unpacked(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def packed(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Elsewhere:
    """A page of somebody else's, on this machine: another origin of the same name."""

    def __init__(self, where):
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{where}/key.pem",
             "-out", f"{where}/cert.pem"])

        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                text = b"<!doctype html><title>Another page</title>"
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(f"{where}/cert.pem", f"{where}/key.pem")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.server.daemon_threads = True
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}/"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


class Program:
    """`jinyun login --browser`, which waits until it is let in."""

    def __init__(self, world, *words):
        self.out, self.errors = (tempfile.TemporaryFile("w+", dir=world.scratch) for _ in range(2))
        command = [world.at.binary, "--profile", "ann", "login", "--browser", "--auth-url", world.at.tenants, "--ca",
                   world.at.ca, *words]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.errors,
                                        env=world.env)
        world.programs.append(self)

        def asked():
            found = re.search(r"(https://\S+/sign-in\?code=([A-Z]{4}-[A-Z]{4}))", self.said())
            expect(found or self.process.poll() is None, "it ended", " ".join(command), self.said())
            return found
        self.url, self.code = until("the program says where to go", 20, asked).groups()

    def said(self):
        """All that it has written."""
        texts = []
        for file in (self.out, self.errors):
            file.seek(0)
            texts.append(file.read())
        return "\n".join(texts)

    def end(self):
        """The code that it ends with."""
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            raise Failed("it waits for ever", "jinyun login --browser", self.said()) from None

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self.out.close()
        self.errors.close()


class World:
    def __init__(self, args, at, checks, browser, scratch):
        self.at, self.checks, self.browser, self.scratch = at, checks, browser, scratch
        self.page = {at.tenants: f"https://localhost:{args.port}/sign-in",
                     at.management: f"https://localhost:{args.management_port}/sign-in"}
        self.env = {k: v for k, v in os.environ.items() if k != "XDG_CONFIG_HOME"} | {"HOME": scratch}
        self.programs, self.secrets, self.refused = [], [], []
        self.part, self.ann_key, self.authenticator = "", None, None
        self.bank = Institution(at, "bank")
        self.pay = self.bank.project("payments")
        self.ann = self.bank.person("ann", "member", self.pay)
        self.dora = self.bank.person("dora", "member", self.pay)
        self.bank.boss.enrol()
        self.bank.policy(multi_factor=True, lockout_failure_attempts=5)
        self.secrets += [p.password for p in (self.bank.boss, self.ann, self.dora)] + [self.bank.boss.seed]

    def check(self, what, right, said=""):
        self.checks.tell(self.part, what, None if right else Failed("it is not so", what, str(said)))
        return right

    # On the page -------------------------------------------------------------------------------------------------

    def open(self, query="", listener=None):
        """The page, anew: nobody is signed in."""
        self.browser.open("about:blank")
        self.browser.open(self.page[listener or self.at.tenants] + query)
        self.browser.wait("#outside")

    def by_password(self, name, domain, password, code=None):
        for field, text in (("#user", name), ("#domain", domain), ("#password", password)):
            self.browser.type(field, text)
        self.browser.keys(ENTER)
        if code:
            self.browser.wait("#second")
            self.browser.idle()
            self.browser.type("#passcode", code)
            self.browser.click("#enter")
        self.inside()

    def by_passkey(self):
        self.browser.click("#by-passkey")
        self.inside()

    def inside(self):
        def there():
            expect(not self.browser.shown("#trouble"), "the page is not entered", "", self.browser.text("main"))
            return self.browser.shown("#inside")
        until("somebody is signed in", 20, there)
        self.browser.idle()

    def add_passkey(self, name):
        self.browser.type("#name", name)
        self.browser.click("#make")
        self.browser.wait("#done", "The passkey is added")

    def leave(self):
        self.browser.click("#leave")
        self.browser.wait("#done", "You are signed out")

    # Beside it ---------------------------------------------------------------------------------------------------

    def challenge(self, listener=None):
        body = self.at.ask("POST", f"{listener or self.at.tenants}{OWN}/passkeys/challenge", {}).must(200)
        return body["passkey_challenge"]["publicKey"]

    def assertion(self, listener=None, **options):
        """What the browser gives a page for a sign-in. It must stand on one of the platform's pages, or another."""
        return self.browser.assertion(self.challenge(listener) | options)

    def send(self, credential, scope=UNSCOPED, listener=None):
        identity = {"methods": ["passkey"], "passkey": {"credential": credential}}
        url = f"{listener or self.at.tenants}{API}/auth/tokens"
        answer = self.at.ask("POST", url, {"auth": {"identity": identity, "scope": scope}})
        if answer.token:
            self.secrets.append(answer.token)
        return answer

    def good(self):
        """That the passkey works after something was refused: so it was that, and nothing else, that was wrong."""
        self.send(self.assertion()).must(201)

    def refuse(self, what, credential, listener=None):
        answer = self.send(credential, listener=listener)
        self.check(f"{what} is refused", answer.status == 401 and "requires authentication" in answer.message,
                   f"{answer.status} {answer.text}")
        self.refused.append((what, answer.request))
        return answer.message

    def jinyun(self, *words, code=0):
        got, out, errors = run([self.at.binary, "--profile", "ann", *words], 60, ok=False, env=self.env)
        expect(got == code, f"it ended with {got}, not {code}", " ".join(words), out + errors)
        return out if code == 0 else out + errors

    def works(self, token):
        url = f"{self.at.tenants}{API}/auth/tokens"
        return self.at.ask("GET", url, token=token, headers={"X-Subject-Token": token}).status == 200


def served(world):
    """the page as it is served"""
    at = world.at
    for listener in (at.tenants, at.management):
        for path, kind in (("", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")):
            answer = at.ask("GET", f"{listener}/sign-in{path}").must(200)
            rules = [rule.split() for rule in answer.headers["content-security-policy"].split(";")]
            policy = {rule[0]: rule[1:] for rule in rules}
            strict = policy["default-src"] == ["'none'"] and policy["script-src"] == ["'self'"] \
                and policy["style-src"] == ["'self'"] and policy["connect-src"] == ["'self'"] \
                and policy["form-action"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
            world.check(f"{listener[-5:]}/sign-in{path} is shut in", strict, answer.headers)
            names = ("content-type", "cache-control", "x-content-type-options", "referrer-policy")
            said = [answer.headers.get(name, "").split(";")[0] for name in names]
            world.check(f"{listener[-5:]}/sign-in{path} is kept nowhere and leads nowhere",
                        said == [kind, "no-store", "nosniff", "no-referrer"], said)
    world.check("nothing is written to it", at.ask("POST", f"{at.tenants}/sign-in", {}).status == 405)
    world.open()
    browser = world.browser
    notice = at.ask("GET", f"{at.tenants}{OWN}/notice").must(200)["notice"]["text"]
    world.check("it shows the notice", notice.split("\n")[0] in browser.wait("#notice", "authorized"))
    world.check("it speaks the browser's language", browser.text("#t-sign-in") == "Sign in")
    browser.click("#language")
    world.check("and another one", browser.text("#t-sign-in") == "登录" and browser.script(
        "return document.documentElement.lang") == "zh-CN", browser.text("main"))
    browser.click("#language")
    world.browser.open(world.page[at.tenants].replace("localhost", "127.0.0.1"))
    said = browser.wait("#no-passkey", "https://localhost:")
    shut = browser.script("return document.querySelector('#by-passkey').disabled;")
    world.check("by an address there are no passkeys, and it says where there are",
                world.page[at.tenants] in said and shut, said)


def enrolment(world):
    """the first factor beside a password is a passkey"""
    browser, ann = world.browser, world.ann
    world.authenticator = browser.authenticator()
    world.open()
    for field, text in (("#user", "ann"), ("#domain", "bank"), ("#password", "Wrong-" + ann.password)):
        browser.type(field, text)
    browser.click("#enter")
    world.check("a wrong password opens nothing", "Not let in" in browser.wait("#trouble"))
    browser.type("#password", ann.password)
    browser.click("#enter")
    world.inside()
    answer = ann.sign_in(in_project(world.pay))
    world.check("a password alone is good for nothing but enrolling", answer.status == 401, answer.text)
    browser.type("#device-code", "BCDF-GHJK")
    browser.click("#look")
    world.check("and lets no program in", "second factor" in browser.wait("#trouble"), browser.text("main"))
    world.add_passkey("ann's first")
    kept = browser.passkeys(world.authenticator)
    world.check("the authenticator keeps one, for this name", len(kept) == 1 and kept[0]["rpId"] == "localhost"
                and kept[0]["isResidentCredential"], [{**k, "privateKey": ""} for k in kept])
    world.secrets.append(kept[0]["privateKey"])
    handle = unpacked(kept[0]["userHandle"])
    world.check("it does not tell who she is", len(handle) >= 16 and b"ann" not in handle
                and ann.id.encode() not in handle, handle)
    world.leave()
    world.by_passkey()
    world.check("she signs in with it, and nothing else", "ann of bank" in browser.text("#who"), browser.text("main"))
    world.check("and sees it", "ann's first" in browser.text("#list"), browser.text("#list"))
    browser.click("#make")
    world.check("one device has one", "already" in browser.wait("#trouble"), browser.text("main"))
    world.leave()
    # A password by itself does not add another.
    half = ann.sign_in()
    if half.status == 201:
        half = world.at.ask("POST", f"{world.at.tenants}{OWN}/passkeys/options", {}, half.token)
    world.check("a password alone adds no second one", half.status in (401, 403), half.text)


def altered(world):
    """An answer whose signature is not the passkey's."""
    credential = world.assertion()
    signature = unpacked(credential["response"]["signature"])
    credential["response"]["signature"] = packed(signature[:-1] + bytes([signature[-1] ^ 1]))
    return credential


def tokens(world):
    """what a passkey signs is good once, as it is, for this page, from its person"""
    browser, at = world.browser, world.at
    world.open()
    first = world.assertion()
    token = world.send(first, in_project(world.pay)).must(201)
    world.check("it meets a demand for two factors", token["token"]["methods"] == ["passkey"], token.text)
    at.ask("GET", f"{at.tenants}/network/v2.0/networks", token=token.token).must(200)
    world.refuse("the same answer a second time", first)
    world.good()
    wrong = world.refuse("an altered signature", altered(world))
    world.good()
    strange = world.assertion()
    strange["id"] = strange["rawId"] = packed(secrets.token_bytes(32))
    unknown = world.refuse("a passkey that nobody has", strange)
    world.check("what is unknown and what is wrong sound alike", unknown == wrong, f"{unknown} / {wrong}")
    edited = world.assertion()
    said = json.loads(unpacked(edited["response"]["clientDataJSON"])) | {"origin": "https://evil.example"}
    edited["response"]["clientDataJSON"] = packed(json.dumps(said).encode())
    world.refuse("an answer whose origin was edited", edited)
    world.good()
    someone = world.assertion()
    someone["response"]["userHandle"] = packed(secrets.token_bytes(32))
    world.refuse("an answer for another user", someone)
    world.good()
    world.refuse("what was signed for the tenants' page, by the management listener,",
                 world.assertion(at.management), at.management)
    world.good()
    old = world.assertion(challenge=packed(secrets.token_bytes(64)))
    world.refuse("a challenge that is not the platform's", old)
    world.good()
    browser.verify(world.authenticator, False)
    unverified = world.assertion(userVerification="discouraged")
    browser.verify(world.authenticator, True)
    flags = unpacked(unverified["response"]["authenticatorData"])[32]
    expect(flags & 4 == 0, "the authenticator says that it verified her", said=hex(flags))
    world.refuse("an answer without her PIN or finger", unverified)
    world.good()
    elsewhere = Elsewhere(world.scratch)
    try:
        browser.open(elsewhere.url)
        phished = world.assertion()
    finally:
        elsewhere.stop()
    origin = json.loads(unpacked(phished["response"]["clientDataJSON"]))["origin"]
    expect(origin == elsewhere.url.rstrip("/"), "the browser says another page", said=origin)
    world.refuse("what was signed for another page", phished)
    world.open()
    world.good()
    copied(world)


def copied(world):
    """A copy of the passkey, which has signed less often than the platform has seen."""
    browser = world.browser
    now = browser.passkeys(world.authenticator)[0]
    expect(now["signCount"] > 2, "the authenticator does not count", said=str(now["signCount"]))
    browser.unplug(world.authenticator)
    thief = browser.authenticator()
    browser.hand_over(thief, now | {"signCount": 1})
    world.refuse("a copy of the passkey", world.assertion())
    browser.unplug(thief)
    world.authenticator = browser.authenticator()
    browser.hand_over(world.authenticator, now)
    world.good()


def lock_out(world):
    """wrong passwords lock nobody out who has a passkey, and wrong answers of one lock nobody"""
    bank, ann = world.bank, world.ann
    path = f"{API}/users/{ann.id}/OS-JINYUN/lockout"
    is_locked = lambda: bank.manage("GET", path)["lockout"]["locked"]
    world.open()
    world.good()

    def locked():
        if is_locked():
            return True
        expect(ann.sign_in(secret="Wrong-" + ann.password, source="127.7.7.7").status == 401, "a wrong password is taken")
        return False
    # Attempts that come too early do not count: each pause is longer than the one before.
    until("five wrong passwords lock the account", 30, locked, 0.7)
    half = ann.sign_in()
    world.check("locked, the right password does not begin a sign-in", half.status == 401 and not half.receipt, half.text)
    answer = world.send(world.assertion())
    world.check("a passkey passes the lock", answer.status == 201, answer.text)
    world.check("and does not lift it", is_locked() and not ann.sign_in().receipt)
    bank.manage("DELETE", path)
    half = ann.sign_in()
    world.check("a manager lifts it", not is_locked() and half.receipt, half.text)
    for _ in range(6):
        expect(world.send(altered(world)).status == 401, "an altered signature is taken")
    early = world.send(world.assertion())
    world.check("after wrong answers a right one has to wait", early.status == 401, early.text)
    world.check("which lock nobody", not is_locked() and ann.sign_in().receipt)
    until("the pause is over", 20, lambda: world.send(world.assertion()).status == 201, 0.7)


def codes(world):
    """password and one-time code on the page, and a passkey beside them"""
    browser, dora = world.browser, world.dora
    dora.seed = new_seed()
    half = dora.sign_in().must(201)
    world.secrets.append(dora.seed)
    world.at.ask("POST", f"{world.at.tenants}{API}/credentials", {"credential": {
        "type": "totp", "blob": dora.seed, "user_id": dora.id}}, half.token).must(201)
    world.ann_key = browser.passkeys(world.authenticator)[0]
    browser.unplug(world.authenticator)
    hers = browser.authenticator()
    before = dora.fresh()
    world.secrets.append(before)
    world.open("?add")
    world.by_password("dora", "bank", dora.password, dora.code())
    world.check("she is let in with both", "dora of bank" in browser.text("#who"), browser.text("main"))
    world.check("?add leads to the passkeys", browser.focused() == "name", browser.focused())
    world.add_passkey("dora's")
    world.leave()
    world.by_passkey()
    world.check("and with her passkey", "dora of bank" in browser.text("#who"), browser.text("main"))
    browser.click("#list button")
    browser.agree()
    browser.wait("#done", "The passkey is deleted")
    world.check("with it ends what she has signed in to", browser.shown("#outside") and not world.works(before),
                browser.text("main"))
    browser.click("#by-passkey")
    world.check("a deleted passkey opens nothing", NOT_LET_IN in browser.wait("#trouble"), browser.text("main"))
    token = dora.fresh()
    world.secrets.append(token)
    url = f"{world.at.tenants}{API}/credentials"
    device = world.at.ask("GET", f"{url}?type=totp", token=token).must(200)["credentials"][0]["id"]
    expect(world.works(token), "her token is not good")
    world.at.ask("DELETE", f"{url}/{device}", token=token).must(204)
    world.check("a device that is taken away ends it, too", not world.works(token))
    browser.unplug(hers)
    world.authenticator = browser.authenticator()
    browser.hand_over(world.authenticator, world.ann_key)


def programs(world):
    """`jinyun login --browser` is let in on the page"""
    browser, at = world.browser, world.at
    program = Program(world, "--project", world.pay)
    world.check("it leads to the page by its name", program.url.startswith(world.page[at.tenants] + "?code="),
                program.url)
    world.open(f"?code={program.code}")
    world.by_passkey()
    browser.wait("#asked")
    shown = {part: browser.text(f"#asked-{part}") for part in ("code", "client", "source")}
    world.check("the page says what asks", shown["code"] == program.code and shown["source"] == "127.0.0.1"
                and shown["client"].startswith("jinyun login"), shown)
    browser.click("#allow")
    browser.wait("#done", "The program is let in")
    world.check("it is let in", program.end() == 0, program.said())
    whoami = json.loads(world.jinyun("--output", "json", "whoami"))
    world.check("it is ann, in her project, as she has signed in", whoami["user"] == "ann"
                and "payments" in whoami["scope"] and whoami["methods"] == ["device", "passkey"], whoami)
    listed = json.loads(world.jinyun("--output", "json", "factor", "list"))
    kinds = [(factor["type"], factor["name"]) for factor in listed]
    world.check("it lists her passkey", kinds == [("passkey", "ann's first")], listed)
    where = world.jinyun("factor", "add", "--passkey").strip()
    world.check("it says where a passkey is made", where == world.page[at.tenants] + "?add", where)
    with open(f"{world.scratch}/.config/jinyun/profiles/ann.json", encoding="utf-8") as file:
        world.secrets.append(json.load(file)["token"])
    # Her signing out on the page ends what she let in.
    world.leave()
    world.jinyun("whoami", code=3)
    world.check("signing out on the page ends the program's sign-in", True)
    second = Program(world)
    world.open()
    world.by_passkey()
    # As somebody would who has the code from another machine's screen.
    browser.type("#device-code", second.code.lower().replace("-", " "))
    browser.click("#look")
    browser.wait("#asked")
    browser.click("#refuse")
    browser.wait("#done", "The program was refused")
    world.check("one that is refused ends with 3", second.end() == 3 and "refused on the sign-in page" in second.said(),
                second.said())
    browser.type("#device-code", second.code)
    browser.click("#look")
    world.check("its code is good for nothing more", "No program waits" in browser.wait("#trouble"))
    world.leave()


def devices(world):
    """the same without a program: a long code is good once, and for what it says"""
    browser, at = world.browser, world.at
    ask = {"device": {"client": "a program <b>of</b> ann's"}}
    made = at.ask("POST", f"{at.tenants}{OWN}/device", ask, source="127.9.9.9").must(201)["device"]
    world.secrets.append(made["device_code"])
    body = {"auth": {"identity": {"methods": ["device"], "device": {"device_code": made["device_code"]}},
                     "scope": in_project(world.pay)}}
    poll = lambda: at.ask("POST", f"{at.tenants}{API}/auth/tokens", body, source="127.9.9.9")
    world.check("it waits", "authorization_pending" in poll().message)
    world.check("too quick is too quick", "slow_down" in poll().message)
    world.open(f"?code={made['user_code']}")
    world.by_passkey()
    browser.wait("#asked")
    world.check("its words are text, and its address is another one", browser.text("#asked-client") ==
                ask["device"]["client"] and browser.shown("#elsewhere"), browser.text("#asked"))
    browser.click("#allow")
    browser.wait("#done", "The program is let in")
    # As slowly as it was told to.
    time.sleep(made["interval"] + 6)
    got = poll().must(201)
    world.secrets.append(got.token)
    world.check("it has a token of hers", got["token"]["user"]["id"] == world.ann.id
                and got["token"]["methods"] == ["device", "passkey"], got.text)
    time.sleep(made["interval"])
    world.check("it has one", poll().status == 401)
    at.ask("GET", f"{at.tenants}/network/v2.0/networks", token=got.token, source="127.9.9.9").must(200)
    again = at.ask("GET", f"{at.tenants}{OWN}/device/{made['user_code']}", token=got.token)
    world.check("the short code is over", again.status == 404, again.text)
    world.leave()


def staff(world):
    """an administrator, on the management listener"""
    browser, at = world.browser, world.at
    admin = at.administrator("sysadmin")
    admin.token()
    world.secrets += [admin.user["password"], admin.seed]
    world.ann_key = browser.passkeys(world.authenticator)[0]
    browser.unplug(world.authenticator)
    key = browser.authenticator()
    world.open(listener=at.management)
    world.by_password("sysadmin", "Default", admin.user["password"], admin.code())
    world.add_passkey("sysadmin's")
    world.leave()
    world.by_passkey()
    world.check("signs in by passkey alone", "sysadmin of Default" in browser.text("#who"), browser.text("main"))
    world.leave()
    whole = {"system": {"all": True}}
    answer = world.send(world.assertion(at.management), whole, at.management)
    world.check("which is enough for a duty", answer.status == 201 and "system" in answer.json["token"], answer.text)
    at.ask("GET", f"{at.management}{API}/limits", token=answer.token).must(200)
    world.refuse("the same at the tenants' listener", world.assertion(at.management))
    world.open()
    browser.click("#by-passkey")
    world.check("and on the tenants' page", NOT_LET_IN in browser.wait("#trouble"), browser.text("main"))
    browser.unplug(key)
    world.authenticator = browser.authenticator()
    browser.hand_over(world.authenticator, world.ann_key)


def removal(world):
    """a passkey is taken away by hand, and by no program that was let in"""
    browser, at, ann = world.browser, world.at, world.ann
    program = Program(world, "--project", world.pay)
    world.open(f"?code={program.code}")
    world.by_passkey()
    browser.wait("#asked")
    browser.click("#allow")
    expect(program.end() == 0, "it is not let in", "jinyun login --browser", program.said())
    ident = json.loads(world.jinyun("--output", "json", "factor", "list"))[0]["id"]
    for words in (("remove", ident), ("add",)):
        said = world.jinyun("factor", *words, code=4)
        world.check(f"factor {words[0]}: the command line says where to go", world.page[at.tenants] in said, said)
    with open(f"{world.scratch}/.config/jinyun/profiles/ann.json", encoding="utf-8") as file:
        token = json.load(file)["token"]
    world.secrets.append(token)
    user = f"{API}/users/{ann.id}"
    for what, method, path, body in (
            ("adds a passkey", "POST", f"{OWN}/passkeys/options", {}),
            ("deletes one", "DELETE", f"{OWN}/passkeys/{ident}", None),
            ("makes recovery codes", "POST", f"{user}/OS-JINYUN/recovery_codes", None),
            ("makes a device for codes", "POST", f"{API}/credentials", {"credential": {"type": "totp"}}),
            ("makes a pair of keys", "POST", f"{user}/credentials/OS-EC2", {"tenant_id": world.pay}),
            ("makes an application credential", "POST", f"{user}/application_credentials",
             {"application_credential": {"name": "stays"}}),
            ("lets the next one in", "POST", f"{OWN}/device/BCDF-GHJK", {"device": {"answer": "allow"}})):
        answer = at.ask(method, at.tenants + path, body, token)
        world.check(f"a program that was let in never {what}", answer.status == 403
                    and "let in by a browser" in answer.message, f"{answer.status} {answer.text}")
    last = world.assertion()
    browser.click("#list button")
    browser.agree()
    browser.wait("#done", "The passkey is deleted")
    world.jinyun("whoami", code=3)
    world.check("with the passkey ends the program's sign-in", True)
    world.refuse("what the deleted passkey signs", last)
    complaints = [line for line in browser.console() if "Failed to load resource" not in line]
    world.check("the browser complained of nothing on the pages", not complaints, "\n".join(complaints))


def journal(world):
    """all of it stands in the journal, and no secret does"""
    at = world.at
    export, last = f"{world.scratch}/export", world.refused[-1][1]

    def exported():
        """The journal once it has the last refusal: an export ends with the newest checkpoint."""
        at.jinyun("journal", "export", export)
        with open(export, "rb") as file:
            text = file.read()
        expect(last.encode() in text, "the last refusal is not exported yet", "jinyun journal export")
        return text

    text = until("an export with the last refusal", 30, exported)
    entries = [json.loads(line) for line in text.splitlines() if line.startswith(b'{"action"')]
    # What evidence tries in its synthetic institution is on record, too.
    entries = [e for e in entries if (e["institution"] or {}).get("id") != SYNTHETIC]
    done = [e for e in entries if e["outcome"] == "done"]
    of = lambda action: [e for e in done if e["action"] == action]
    world.check("passkeys that were made and deleted", len(of("identity:passkey:create")) == 3
                and len(of("identity:passkey:delete")) == 2, [(e["action"], e["actor"]) for e in done if "passkey" in e["action"]])
    by_key = [e for e in of("identity:token:create") if (e.get("note") or {}).get("methods") == ["passkey"]]
    world.check("sign-ins by a passkey", len(by_key) > 10, len(by_key))
    opened, allowed = of("identity:device:open"), of("identity:device:allow")
    counts = (len(opened), len(allowed), len(of("identity:device:refuse")))
    world.check("programs that asked, and what was answered", counts == (4, 3, 1), counts)
    both = [(e["source"], e["note"]["asked_from"]) for e in allowed]
    world.check("with both addresses", ("127.0.0.1", "127.9.9.9") in both, both)
    notes = [e["note"] for e in of("identity:token:create") if "let_in_by" in (e.get("note") or {})]
    world.check("what was let in names what let it in", sorted(note["let_in_by"] for note in notes)
                == sorted(e["note"]["audit_id"] for e in allowed), notes)
    world.check("the one from another address stands out", [note.get("unusual") for note in notes].count(["network"])
                == 1, notes)
    world.check("the lock", len(of("identity:lockout:set")) == 1 and len(of("identity:lockout:lift")) == 1,
                [(e["action"], e["actor"]) for e in done if "lockout" in e["action"]])
    refusals = {e["request"]: e for e in entries if e["outcome"] == "refused"}
    for what, request in world.refused:
        world.check(f"the refusal: {what}", request in refusals, request)
    reasons = {refusals[request]["reason"]["message"] for _, request in world.refused if request in refusals}
    world.check("with reasons that the answers did not tell", len(reasons) > 4, reasons)
    with open(f"{at.state}/log", "rb") as file:
        log = file.read()
    for where, said in (("journal", text), ("log", log)):
        found = [secret for secret in world.secrets if secret and secret.encode() in said]
        world.check(f"none of {len(world.secrets)} secrets stands in the {where}", not found, f"{len(found)} do")


PARTS = (served, enrolment, tokens, lock_out, codes, programs, devices, staff, removal, journal)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    arguments(parser, "passkey", 25743)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    begin, checks = time.monotonic(), Checks()
    with contextlib.ExitStack() as stack:
        at = stack.enter_context(Own(args, args.hosts))
        scratch = tempfile.mkdtemp(prefix="jinyun-passkey-")
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        browser = stack.enter_context(Browser())
        world = World(args, at, checks, browser, scratch)
        stack.callback(lambda: [program.stop() for program in world.programs])
        for part in PARTS:
            world.part = part.__name__
            try:
                part(world)
            except Failed as e:
                checks.tell(part.__name__, "cannot go on", e)
            except Exception as e:  # a mistake of this script is a failure, too
                checks.tell(part.__name__, "cannot go on", Failed(repr(e), "", traceback.format_exc()))
    print(f"in {time.monotonic() - begin:.0f} s\n{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
