"""Registers of trust: nobody says yes to what they asked themselves, nothing is unsaid, nothing is signed falsely. And
statements: they take away only, and do not lock an institution out of itself."""

import os
import tempfile
import urllib.parse

from abuse_cases import HEX, UUID, fresh
from abuse_cases.registers import POINT, TO_COME
from cloud import run

REGISTERS, STATEMENTS = "/governance/v1", "/access/v1/statements"
OCTETS = {"Content-Type": "application/octet-stream"}


def registers(s):
    """records, risks, exceptions: for a second person, for a time, in one's own register"""
    w = s.world
    if "/governance" not in w.mounts():
        return
    duty = f"{REGISTERS}/duties/{urllib.parse.quote(w['duty'])}"
    for query, says in (("", "title"), ("title=", "title"), ("title=a&kind=sideways", "kind"),
                        ("title=a&to=2099-01-01", "to"),
                        ("title=a&from=2026-02-01&to=2026-01-01", "from"), ("title=a&nonsense=1", "query"),
                        ("title=a&from=yesterday", "from"), ("title=" + "x" * 300, "title")):
        s.refuse("boss", "POST", f"{duty}/file?{query}", b"what was done", 400, says, headers=OCTETS)
    s.refuse("boss", "POST", f"{duty}/records", {"record": {"title": "a", "statement": ""}}, 400, "statement")
    s.refuse("boss", "POST", f"{duty}/records", {"record": {"title": "a", "statement": "b", "to": "2099-01-01"}}, 400,
             "to")
    for who in (w["bob"], HEX, w["sysadmin"]):
        s.refuse("boss", "PATCH", duty, {"duty": {"user_id": who}}, {400, 404})
    record = f"{REGISTERS}/records/{w['filed']}"
    for who in ("boss2", "secadmin", "sysadmin"):
        s.refuse(who, "GET", f"{record}/file", None, 404)
        s.refuse(who, "POST", f"{record}/withdraw", {"withdrawal": {"reason": "because"}}, {403, 404})
    w.must("boss", "POST", f"{record}/withdraw", {"withdrawal": {"reason": "because"}})
    s.refuse("boss", "POST", f"{record}/withdraw", {"withdrawal": {"reason": "because"}}, 409)
    risk = f"{REGISTERS}/risks/{w['risk']}"
    accept = lambda until: {"acceptance": {"reason": "because", "until": until}}
    s.refuse("boss", "POST", f"{risk}/accept", accept(TO_COME), 403, "wrote")
    for day in ("2020-01-01", "2099-01-01"):
        s.refuse("boss", "POST", f"{risk}/accept", accept(day), 400, "until")
    for who in ("secadmin", "sysadmin", "auditor", "boss2"):
        s.refuse(who, "POST", f"{risk}/accept", accept(TO_COME), {403, 404})
    s.refuse("boss", "PATCH", risk, {"risk": {"clause": "7.2.5-B-a"}}, 400, "clause")
    w.must("boss", "POST", f"{risk}/close", {"closing": {"text": "gone"}})
    for path, body in (("", {"risk": {"title": "again"}}), ("/tell", {"told": {"text": "a"}}),
                       ("/close", {"closing": {"text": "a"}})):
        s.refuse("boss", "PATCH" if not path else "POST", risk + path, body, 409, w["risk"])
    ask = lambda **members: {"exception": {"guardrail": "profile", "project_id": w["still"], "reason": "because",
                                           "expires": TO_COME} | members}
    for members, want, says in (
            ({"project_id": None}, 400, "project_id"), ({"project_id": w["trade"]}, 404, w["trade"]),
            ({"project_id": HEX}, 404, HEX), ({"clause": "7.2.5-B-a"}, 400, "clause"),
            ({"guardrail": None}, 400, "clause"), ({"guardrail": "gravity"}, 400, "guardrail"),
            ({"guardrail": None, "clause": "0.0"}, 400, "clause"),
            ({"expires": "2020-01-01"}, 400, "expires"), ({"expires": "2099-01-01"}, 400, "expires"),
            ({"reason": " "}, 400, "reason")):
        s.refuse("boss", "POST", f"{REGISTERS}/exceptions", ask(**members), want, says)
    vote = f"{REGISTERS}/exceptions/{w['exception']}/vote"
    for who, want in (("boss", 403), ("boss2", 404), ("sysadmin", {403, 404}), ("auditor", 403), ("ann", {403, 404})):
        s.refuse(who, "POST", vote, {"vote": {"approve": True}}, want)
    w.must("secadmin", "POST", vote, {"vote": {"approve": False}})
    s.refuse("secadmin", "POST", vote, {"vote": {"approve": True}}, 409, w["exception"])
    profile = f"{REGISTERS}/profiles/{w['still']}"
    w.must("boss", "PUT", profile, {"profile": {"level": "extended"}})
    s.refuse("boss", "PUT", profile, {"profile": {"level": "basic"}}, {403, 409})
    s.refuse("boss", "PUT", f"{REGISTERS}/profiles/{w['trade']}", {"profile": {"level": "basic"}}, 404)
    s.refuse("secadmin", "PUT", profile, {"profile": {"level": "enhanced"}}, {403, 404})
    for members, says in (({"nonce": "a b"}, "nonce"), ({"nonce": "x" * 65}, "nonce"), ({"report": "zz"}, "report"),
                          ({"clause": "0.0"}, "clause"), ({"sample": ["x"] * 9999}, "sample")):
        s.refuse("auditor", "POST", f"{REGISTERS}/opinions", {"opinion": {
            "assessor": "a", "says": "note", "text": "b"} | members}, 400, says)


def signatures(s):
    """a witness signs what the journal is, once, and not under another's name"""
    w = s.world
    if "/governance" not in w.mounts():
        return
    key = lambda line, role="institution": {"witness": {"key": line, "who": "somebody", "role": role}}
    s.refuse("boss2", "POST", f"{REGISTERS}/witnesses", key(f"bank.example/first ed25519 {POINT}"), 409,
             "bank.example/first")
    for name in (s.args.instance, "plain"):  # an instance's name has no dot, slash or dash
        s.refuse("boss", "POST", f"{REGISTERS}/witnesses", key(f"{name} ed25519 {POINT}"), 400, "key", "name")
    binary, name = [w.instance.binary, "--instance", s.args.instance], fresh("bank.example/w")
    with tempfile.TemporaryDirectory() as scratch:
        file, note = os.path.join(scratch, "key"), os.path.join(scratch, "note")
        line = run([*binary, "cosign", "key", "--name", name, file])[1].strip().splitlines()[-1]
        witness = w.must("boss", "POST", f"{REGISTERS}/witnesses", key(line))["witness"]["id"]
        newest = w.must("boss", "GET", f"{REGISTERS}/checkpoint")["checkpoint"]
        with open(note, "w", encoding="utf-8") as out:
            out.write(newest["trees"][0]["note"])
        signed = run([*binary, "cosign", "sign", "--key", file, note])[1]
        whole = signed if "\n\n" in signed else newest["trees"][0]["note"] + signed
    send = lambda text: {"cosignature": {"note": text}}
    text, lines = whole.split("\n\n", 1)
    forged = text.replace(str(newest["size"]), str(newest["size"] + 1), 1) + "\n\n" + lines
    own = [one for one in lines.splitlines(keepends=True) if name in one]
    for who, sent, want in (("boss2", text + "\n\n" + own[0], 400), ("auditor", text + "\n\n" + own[0], 400),
                            ("boss", forged, {400, 409}), ("boss", text + "\n\n", 400),
                            ("boss", text + "\n\n" + own[0].replace(name, "bank.example/first"), 400),
                            ("boss", text.replace("sha256", "sm3") + "\n\n" + own[0], {400, 409}),
                            ("boss", text + "\n\n" + own[0] * 4000, 400)):
        s.refuse(who, "POST", f"{REGISTERS}/cosignatures", send(sent), want)
    w.must("boss", "POST", f"{REGISTERS}/cosignatures", send(text + "\n\n" + own[0]))
    w.must("boss", "POST", f"{REGISTERS}/witnesses/{witness}/retire")
    s.refuse("boss", "POST", f"{REGISTERS}/witnesses/{witness}/retire", None, 409, witness)
    s.refuse("boss", "POST", f"{REGISTERS}/cosignatures", send(text + "\n\n" + own[0]), {400, 409})
    s.refuse("boss", "POST", f"{REGISTERS}/witnesses", key(line), 409, name)


def statements(s):
    """statements narrow one's own people only, and leave somebody who can take them back"""
    w = s.world
    if "/access" not in w.mounts():
        return
    ask = lambda **members: {"statement": {"name": fresh(), "effect": "deny", "who": {"users": [w["spare_user"]]},
                                           "actions": ["network:router:delete"]} | members}
    w.must("boss", "POST", STATEMENTS, ask(name="taken"))
    for who, members, want, says in (
            ("boss", {"who": {"users": [w["bob"]]}}, 404, w["bob"]), ("boss", {"who": {"groups": [HEX]}}, 404, HEX),
            ("boss", {"except": {"users": [w["bob"]]}}, 404, w["bob"]),
            ("boss", {"except": {"everybody": True}}, 400, "except"),
            ("boss", {"resources": [{"project_id": w["trade"]}]}, 404, w["trade"]),
            ("boss", {"effect": "allow_only"}, 400, "conditions"), ("boss", {"conditions": {"age": 600}}, 400, "age"),
            ("boss", {"conditions": {"second_factor": True}}, 400, "second_factor"),
            ("boss", {"effect": "allow"}, 400, "effect"), ("boss", {"name": "TAKEN"}, 409, "name"),
            ("boss", {"who": {"everybody": True}, "actions": ["access:statement:*"]}, 409, "manager"),
            ("boss", {"who": {"users": [w["boss"]]}, "actions": ["identity:user:update"]}, 409, "manager"),
            ("boss", {"who": {"everybody": True}, "actions": ["*:*:*"]}, 409, "manager"),
            ("ann", {}, 403, "statement"), ("rita", {}, 403, "statement"), ("secadmin", {}, 403, "statement"),
            ("sysadmin", {}, 403, "statement"), ("auditor", {}, 403, "statement")):
        s.refuse(who, "POST", STATEMENTS, ask(**members), want, says, "conditions")
    made = w.must("boss", "POST", STATEMENTS, ask(who={"users": [w["ann"]]}, actions=["network:*:create"],
                                                  resources=[{"project_id": w["small"]}]))["statement"]["id"]
    s.refuse("ann-small", "POST", "/network/v2.0/routers", {"router": {}}, 403)
    answer = w.do("ann", "POST", "/network/v2.0/routers", {"router": {}})
    s.judge("what no statement is about", "network", answer, {201})
    w.must("boss", "DELETE", f"{STATEMENTS}/{made}")
    hidden = ask(who={"users": [w["ann"]]}, actions=["network:network:show"])
    hidden = w.must("boss", "POST", STATEMENTS, hidden)["statement"]["id"]
    s.refuse("ann", "GET", f"/network/v2.0/networks/{w['network']}", None, {403, 404})
    shown = w.must("ann", "GET", "/network/v2.0/networks")["networks"]
    s.check("a list shows what a statement forbids to be shown", not shown, str(shown)[:300])
    w.must("boss", "DELETE", f"{STATEMENTS}/{hidden}")
    why(s)


def why(s):
    """What is told of decisions is told to those whom they are about."""
    w, path = s.world, "/access/v1"
    ask = lambda **members: {"scope": {"project_id": w["pay"]}, "action": "network:network:create",
                             "user_id": w["ann"]} | members
    for who, members, want, says in (
            ("boss", {"user_id": w["bob"]}, 404, w["bob"]), ("boss", {"user_id": HEX}, 404, HEX),
            ("boss", {"scope": {"project_id": w["trade"]}}, 404, w["trade"]),
            ("boss", {"scope": {"domain_id": w["fund"]}}, 404, w["fund"]),
            ("boss", {"resource": {"project_id": w["trade"]}}, 404, w["trade"]),
            ("boss", {"resource": {"kind": "server", "id": UUID}}, 404, UUID),
            ("boss2", {"user_id": w["bob"], "scope": {"project_id": w["trade"]},
                       "resource": {"kind": "server", "id": w["server"]}}, 404, w["server"]),
            ("boss", {"action": "nothing:at:all"}, 400, "action"), ("boss", {"source": "everywhere"}, 400, "source"),
            ("boss", {"methods": ["magic"]}, 400, "methods"), ("boss", {"self": True}, 400, "user_id"),
            ("boss", {"user_id": None}, 400, "user_id"), ("boss", {"scope": None}, 400, "scope"),
            ("ann", {"user_id": w["rita"]}, 403, "simulate"), ("rita", {}, 403, "simulate"),
            ("secadmin", {}, 403, "simulate"), ("sysadmin", {}, 403, "simulate")):
        s.refuse(who, "POST", f"{path}/simulate", ask(**members), want, says)
    refused = w.do("bob", "GET", f"/network/v2.0/networks/{w['network']}").request
    for who in ("boss", "ann", "rita"):
        s.refuse(who, "POST", f"{path}/explain", {"request": refused}, 404)
    s.refuse("ann", "POST", f"{path}/explain", {"request": w["refusal"]}, 404)
    for project, want in ((w["trade"], 404), (HEX, 404), ("", {400, 404})):
        s.refuse("boss", "GET", f"{path}/guardrails/violations?project={project}", None, want)
    for query, says in (("profile=none", "profile"), ("nonsense=1", "query")):
        s.refuse("ann", "GET", f"{path}/guardrails/violations?{query}", None, 400, says)
    s.refuse("boss", "GET", f"{path}/unused?domain_id={w['fund']}", None, 404, w["fund"])
    for query in ("days=0", "days=99999", "days=x"):
        s.refuse("boss", "GET", f"{path}/unused?{query}", None, 400, "days")


STORIES = (registers, signatures, statements)
