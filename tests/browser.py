"""A real browser for tests: chromium, led by chromedriver over WebDriver (W3C), with an authenticator that is made of
software (Web Authentication, 11: WebDriver extensions).

Headless, in a profile of its own that is removed. Python's standard library only."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request

from cloud import Failed, expect, until

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
PATIENCE = 20  # seconds for a page to become what is waited for
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # what WebDriver calls a reference to an element


class Browser:
    """One window. To be used in a `with`, at whose end everything that was started has ended."""

    def __init__(self, language="en-US"):
        for program in (CHROMIUM, DRIVER):
            expect(os.access(program, os.X_OK), f"there is no {program}: scripts/packages test")
        self.language, self.session, self.process = language, None, None
        self.home = tempfile.mkdtemp(prefix="jinyun-browser-")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        # Its own home: nothing is read from or left in that of whoever tests. A group of its own: it starts processes.
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        env |= {"HOME": self.home, "XDG_CONFIG_HOME": self.home, "XDG_CACHE_HOME": self.home}
        with open(f"{self.home}/driver.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([DRIVER, "--port=0"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=env, start_new_session=True)

        def port():
            expect(self.process.poll() is None, "chromedriver has ended", DRIVER, self.log())
            found = re.search(r"started successfully on port (\d+)", self.log())
            return found and int(found[1])
        self.root = f"http://127.0.0.1:{until('chromedriver answers', PATIENCE, port)}"
        options = {"binary": CHROMIUM, "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--no-proxy-server",
            f"--accept-lang={self.language}", f"--user-data-dir={self.home}/profile"]}
        wish = {"browserName": "chrome", "acceptInsecureCerts": True, "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"}}
        made = self.send("POST", "/session", {"capabilities": {"alwaysMatch": wish}}, patience=60)
        self.session = made["sessionId"]

    def stop(self):
        if self.session:
            with contextlib.suppress(Failed):
                self.do("DELETE", "")
        if self.process:
            # Whatever of the group is left, by the group's own id.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)
        self.session = self.process = None
        shutil.rmtree(self.home, ignore_errors=True)

    def log(self):
        with open(f"{self.home}/driver.log", encoding="utf-8", errors="replace") as file:
            return file.read()

    # WebDriver ---------------------------------------------------------------------------------------------------

    def send(self, method, path, body=None, patience=30):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=patience) as answer:
                return json.loads(answer.read())["value"]
        except urllib.error.HTTPError as e:
            told = json.loads(e.read() or b"{}").get("value") or {}
            said = told.get("message", "")
            raise Failed(f"the browser says: {told.get('error')}", f"{method} {path}", said) from None
        except OSError as e:
            raise Failed("the browser does not answer", f"{method} {path}", str(e)) from None

    def do(self, method, path, body=None):
        return self.send(method, f"/session/{self.session}{path}", body)

    def open(self, url):
        self.do("POST", "/url", {"url": url})

    def script(self, text, *args):
        """What a function with this body returns, or what its promise comes to."""
        return self.do("POST", "/execute/sync", {"script": text, "args": list(args)})

    def find(self, selector):
        found = self.do("POST", "/element", {"using": "css selector", "value": selector})
        return found[ELEMENT]

    def shown(self, selector):
        """Whether it is on the page, for people."""
        return self.script("const e = document.querySelector(arguments[0]);"
                           "return !!e && e.checkVisibility() && e.textContent !== null;", selector)

    def text(self, selector):
        return self.script("const e = document.querySelector(arguments[0]);"
                           "return e && e.checkVisibility() ? e.innerText : '';", selector)

    def value(self, selector):
        return self.script("return document.querySelector(arguments[0]).value;", selector)

    def idle(self):
        """Waits until the page has done what it was told."""
        until("the page is ready", PATIENCE, lambda: self.script(
            "return document.readyState === 'complete' && document.body.getAttribute('aria-busy') !== 'true';"))

    def click(self, selector):
        self.idle()
        self.do("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        """Types it in the place of what is there."""
        element = self.find(selector)
        self.do("POST", f"/element/{element}/clear", {})
        self.do("POST", f"/element/{element}/value", {"text": text})

    def keys(self, *keys):
        """Keys for whatever has the focus."""
        steps = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.do("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})

    def focused(self):
        return self.script("return document.activeElement && document.activeElement.id;")

    def agree(self):
        """Says yes to a question of the page's."""
        def asks():
            self.do("POST", "/alert/accept", {})
            return True
        until("the page asks", PATIENCE, asks)

    def wait(self, selector, words=""):
        """Waits until something shows, with these words if any are given. Returns its text."""
        return until(f"{selector} shows {words!r}", PATIENCE,
                     lambda: self.shown(selector) and words in self.text(selector) and (self.text(selector) or "-"))

    def console(self):
        """What the browser complained of since this was asked before."""
        return [entry["message"] for entry in self.do("POST", "/se/log", {"type": "browser"})]

    # The authenticator -------------------------------------------------------------------------------------------

    def authenticator(self, verified=True):
        """One that keeps passkeys and asks its person, who agrees; with `verified` as themselves."""
        return self.do("POST", "/webauthn/authenticator", {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserConsenting": True, "isUserVerified": verified})

    def verify(self, authenticator, verified):
        """Whether its person is verified from now on."""
        self.do("POST", f"/webauthn/authenticator/{authenticator}/uv", {"isUserVerified": verified})

    def passkeys(self, authenticator):
        """What it keeps, private keys and all."""
        return self.do("GET", f"/webauthn/authenticator/{authenticator}/credentials")

    def hand_over(self, authenticator, passkey):
        """Puts a passkey into it."""
        self.do("POST", f"/webauthn/authenticator/{authenticator}/credential", passkey)

    def unplug(self, authenticator):
        self.do("DELETE", f"/webauthn/authenticator/{authenticator}")

    def assertion(self, options):
        """What a page gets for the options of a sign-in, as JSON; nothing is sent anywhere."""
        return self.script(
            "const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(arguments[0]);"
            "return navigator.credentials.get({publicKey}).then((c) => c.toJSON());", options)
