"""How passkeys are used rightly. An enrolment without an attestation is signed by nobody, so one can be made here without a
key: of a point that lies on its curve. What would have to be signed (a sign-in) is tried by tests/passkey.py."""

import base64
import hashlib
import json
import secrets
import threading
import time

from abuse_cases import case

V3 = "/identity/v3/OS-JINYUN/passkeys"
# The generator of P-256, and what is before each of its coordinates in COSE.
KEY = (bytes.fromhex("a5010203262001215820"), 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
       bytes.fromhex("225820"), 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)
PRESENT_AND_VERIFIED, NEW_KEY = 5, 64


def text(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def credential(options, origin):
    """What a browser would hand over for these options: a new id, our point."""
    ident = secrets.token_bytes(32)
    key = b"".join(part if isinstance(part, bytes) else part.to_bytes(32, "big") for part in KEY)
    data = hashlib.sha256(options["rp"]["id"].encode()).digest() + bytes([PRESENT_AND_VERIFIED | NEW_KEY]) + bytes(4)
    data += bytes(16) + len(ident).to_bytes(2, "big") + ident + key
    client = {"type": "webauthn.create", "challenge": options["challenge"], "origin": origin, "crossOrigin": False}
    attestation = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58" + bytes([len(data)]) + data
    return {"id": text(ident), "rawId": text(ident), "type": "public-key", "clientExtensionResults": {},
            "response": {"clientDataJSON": text(json.dumps(client).encode()), "attestationObject": text(attestation)}}


LOCK, SIGNED = threading.Lock(), {}


def recent(world, who):
    """A passkey is made within ten minutes of a sign-in. Returns an empty body."""
    with LOCK:
        if time.monotonic() - SIGNED.get(who, float("-inf")) > 300:
            world.sign_in(who)
            SIGNED[who] = time.monotonic()
    return {}


def made(world, who):
    """A passkey that somebody may keep now."""
    recent(world, who)
    options = world.must(who, "POST", f"{V3}/options")["passkey_options"]["publicKey"]
    port = world.instance.tenants.rsplit(":", 1)[1]
    return {"passkey": {"name": "a key", "credential": credential(options, f"https://{options['rp']['id']}:{port}")}}


def keep(world, who):
    """Keeps one for somebody who has a second factor; its id."""
    return world.must(who, "POST", V3, made(world, who))["passkey"]["id"]


def passkey_cases():
    many = "/v3/OS-JINYUN/passkeys"

    def add(which, **settings):
        case("identity", which, **settings)
    add(f"POST {many}/challenge", other=None, idle=True)
    # Tina has a second factor and has proved it: whoever has one and has not gets 403.
    add(f"POST {many}/options", by="tina", other=None, idle=True, body=lambda w: recent(w, "tina"), unknown=False)
    add(f"GET {many}", by="tina", other=None)
    add(f"POST {many}", by="tina", other=None, body=lambda w: made(w, "tina"), members="name!=name credential!=object")
    add(f"DELETE {many}/{{id}}", by="tina", here="id=passkey", no="ann rita boss")
