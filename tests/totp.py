"""The second factor of the provider's administrators: one-time codes (RFC 6238) and one sign-in that is kept.

An administrator needs password and code, and the platform takes each code once. So a test does not sign in for each
request: `Administrator` signs in once, and its token is used until it is old. Python's standard library only."""

import base64
import hashlib
import hmac
import secrets
import struct
import threading
import time

from cloud import expect

STEP = 30  # seconds of a code
IDLE = 1500  # seconds after which a kept token is not trusted to be good (the platform ends idle sessions at 1800)
LIFE = 3300  # seconds after which a new one is got (tokens end at 3600)


def new_seed():
    """A shared secret, in base32 as authenticators read it."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def code_of(seed, step):
    """The code of a step of thirty seconds."""
    mac = hmac.new(base64.b32decode(seed), struct.pack(">q", step), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def step_now():
    return int(time.time()) // STEP


class Administrator:
    """One of the three, with a device of their own. `user` is an entry of clouds.yaml: auth_url, username, password,
    user_domain_id."""

    def __init__(self, instance, user, seed=None):
        self.instance, self.user, self.seed = instance, user, seed
        self.lock, self.kept, self.got, self.used, self.step = threading.Lock(), None, 0.0, 0.0, 0

    def name(self):
        return {"name": self.user["username"], "domain": {"id": self.user["user_domain_id"]}}

    def sign_in(self, methods, scope, ok=(201,)):
        body = {"auth": {"identity": {"methods": list(methods), **methods}, "scope": scope}}
        return self.instance.http("POST", self.user["auth_url"] + "/auth/tokens", body, ok=ok)

    def password(self):
        return {"password": {"user": self.name() | {"password": self.user["password"]}}}

    def enrol(self):
        """The first time: the password alone gives a token that is good for making the second factor only."""
        whole = {"system": {"all": True}}
        said = self.sign_in(self.password(), whole, ok=(401,))[2]
        expect("second factor" in said["error"]["message"], "an administrator without a second factor is let in",
               said=str(said))
        _, headers, answer = self.sign_in(self.password(), "unscoped")
        begin, ident = headers["X-Subject-Token"], answer["token"]["user"]["id"]
        url, seed = self.user["auth_url"] + "/credentials", new_seed()
        body = {"credential": {"type": "totp", "blob": seed, "user_id": ident}}
        self.instance.http("GET", self.user["auth_url"] + "/users", token=begin, ok=(403,))
        self.instance.http("POST", url, body, begin, ok=(201,))
        self.instance.http("POST", url, body, begin, ok=(403,))
        self.seed = seed
        return ident

    def code(self):
        """A code that was not used: the platform takes each step once. Waits for the next one if need be."""
        while (step := step_now()) <= self.step:
            time.sleep(0.2)
        self.step = step
        return code_of(self.seed, step)

    def token(self):
        """A token in system scope; the same one as long as it is good."""
        with self.lock:
            now = time.monotonic()
            if not self.kept or now - self.used > IDLE or now - self.got > LIFE:
                methods = self.password() | {"totp": {"user": self.name() | {"passcode": self.code()}}}
                headers = self.sign_in(methods, {"system": {"all": True}})[1]
                self.kept, self.got = headers["X-Subject-Token"], now
            self.used = now
            return self.kept

    def cloud(self):
        """The lines of an entry of clouds.yaml that works for as long as the token does: the real client makes a
        token from it, which needs no code."""
        return {"auth_type": "v3token", "auth": {"auth_url": self.user["auth_url"], "token": self.token(),
                                                 "system_scope": "all"}}


def check():
    """RFC 6238, appendix B."""
    seed = base64.b32encode(b"12345678901234567890").decode()
    for at, want in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
        expect(code_of(seed, at // STEP) == want, f"the code at {at} is wrong")


if __name__ == "__main__":
    check()
