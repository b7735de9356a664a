"""How the operations of the registers of trust (`/governance`) and of statements and guardrails (`/access`) are used
rightly."""

import time

from abuse_cases import case, fresh

POINT = "58" + "66" * 31  # Ed25519's base point: a public key that nobody uses
TO_COME = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86400))
FLAT = {"at": lambda whole: whole}
AROUND = "domain manager, domain reader, system admin, audit admin"
WRITERS = "domain manager, security admin"


def register_cases():
    duties()
    risks()
    exceptions()
    witnesses()
    access()


def add(which, **settings):
    case("governance", which, **({"by": "boss", "other": "boss2"} | settings))


def duties():
    for path in ("duties", "records", "reminders"):
        add(f"GET /v1/{path}", other=None, who=AROUND, pages=True)
    add("GET /v1/duties/{id}", here="id=duty", who=AROUND, no="ann rita")
    add("PATCH /v1/duties/{id}", here="id=duty", who=WRITERS, no="ann rita", body=lambda w: {"duty": {"due": TO_COME}},
        members="owner=plain user_id=ref due=someday every=period")
    add("POST /v1/duties/{id}/records", here="id=duty", who=WRITERS, no="ann rita",
        body=lambda w: {"record": {"title": fresh(), "statement": "it was done"}},
        members="title!=title from=day to=day kind=word statement=saying")
    add("POST /v1/duties/{id}/file", here="id=duty", who=WRITERS, no="ann rita", stream=True)
    add("GET /v1/records/{id}|GET /v1/records/{id}/file", here="id=filed", who=AROUND, no="ann rita")
    add("POST /v1/records/{id}/withdraw", here="id=filed", who=WRITERS, no="ann rita", tried=False,
        body=lambda w: {"withdrawal": {"reason": "because"}}, members="reason!=saying")


def risks():
    members = ("title=title description=saying clause=word owner=plain likelihood=int(1,5) impact=int(1,5) "
               "treatment=word plan=saying review=day")
    add("GET /v1/risks", other=None, who=AROUND, pages=True)
    add("POST /v1/risks", other=None, who=WRITERS, no="ann rita auditor", body=lambda w: {"risk": {"title": fresh()}},
        members=members.replace("title=", "title!=", 1))
    add("GET /v1/risks/{id}", here="id=risk", who=AROUND, no="ann rita")
    add("PATCH /v1/risks/{id}", here="id=risk", who=WRITERS, no="ann rita auditor",
        body=lambda w: {"risk": {"likelihood": 2}}, members=members)
    # Whoever wrote it up does not accept it, so nothing that boss sends here is taken.
    add("POST /v1/risks/{id}/accept", here="id=risk", who=WRITERS, no="ann rita boss", tried=False,
        body=lambda w: {"acceptance": {"reason": "because", "until": TO_COME}}, members="reason!=saying until!=day")
    for path, name in (("tell", "told"), ("close", "closing")):
        add(f"POST /v1/risks/{{id}}/{path}", here="id=risk", who=WRITERS, no="ann rita auditor", tried=path == "tell",
            body=lambda w, name=name: {name: {"text": "because"}}, members="text!=saying")


def exceptions():
    add("GET /v1/exceptions", other=None, who=f"{AROUND}, reader", pages=True)
    add("POST /v1/exceptions", other=None, who=WRITERS, no="ann rita auditor", body=lambda w: {"exception": {
        "guardrail": "profile", "project_id": w["still"], "reason": "because", "expires": TO_COME}},
        members="clause=word guardrail=word project_id=ref reason!=saying expires!=day")
    add("GET /v1/exceptions/{id}", here="id=exception", who=AROUND)
    add("POST /v1/exceptions/{id}/vote", here="id=exception", who=WRITERS, no="ann rita boss auditor", tried=False,
        body=lambda w: {"vote": {"approve": True}}, members="approve!=bool comment=saying")
    add("POST /v1/exceptions/{id}/end", here="id=exception", who=WRITERS, no="ann rita auditor", tried=False,
        body=lambda w: {"end": {"reason": "because"}}, members="reason!=saying")
    staff, no = "system admin, security admin, audit admin", "ann rita boss"
    add("GET /v1/opinions", by="auditor", other=None, who=staff, pages=True)
    add("POST /v1/opinions", by="auditor", other=None, who="audit admin", no=no + " secadmin sysadmin",
        body=lambda w: {"opinion": {"assessor": "an assessor", "says": "note", "text": "noted"}},
        members="clause=word assessor!=title says!=word text!=saying sample=texts nonce=plain report=word")
    add("GET /v1/opinions/{id}", by="auditor", here="id=opinion", who=staff, no=no, hides={403, 404})
    add("GET /v1/profiles", other=None, who="domain manager, reader, audit admin", pages=True)
    add("GET /v1/profiles/{id}", here="id=still", who="domain manager, reader, audit admin", no="sysadmin secadmin")
    add("PUT /v1/profiles/{id}", here="id=still", who="domain manager", no="ann rita auditor", members="level!=word",
        body=lambda w: {"profile": {"level": "basic"}})


def witnesses():
    writers = "domain manager, audit admin"
    for path in ("witnesses", "cosignatures"):
        add(f"GET /v1/{path}", other=None, who=AROUND, pages=True)
    add("POST /v1/witnesses", other=None, who=writers, no="ann rita secadmin sysadmin", body=lambda w: {"witness": {
        "key": f"{fresh('bank.example/w')} ed25519 {POINT}", "who": "somebody", "role": "institution"}},
        members="key!=key_line who!=title role!=word")
    add("GET /v1/witnesses/{id}", here="id=witness", who=AROUND, no="ann rita")
    add("POST /v1/witnesses/{id}/retire", here="id=witness", who=writers, no="ann rita secadmin sysadmin", idle=True,
        tried=False)
    add("GET /v1/checkpoint", other=None, who=AROUND, no="ann rita")
    add("POST /v1/cosignatures", other=None, who=writers, no="ann rita secadmin sysadmin", tried=False,
        body=lambda w: {"cosignature": {"note": "none"}}, members="note!=note")


def access():
    put = lambda which, **settings: case("access", which, **({"by": "boss", "other": "boss2"} | settings))
    readers, writers = "domain manager, domain reader, audit admin", "domain manager"
    members = ("effect!=word who!=somebody except=people actions!=patterns resources=resources conditions=conditions "
               "description=said")
    names = ("everybody", "users", "groups", "roles", "source", "hours", "days", "from", "to", "second_factor", "age",
             "project_id", "project_tag", "kind", "id")
    put("GET /v1/statements", other=None, who=readers, pages=True)
    put("POST /v1/statements", other=None, who=writers, no="ann rita", names=names, body=lambda w: {"statement": {
        "name": fresh(), "effect": "deny", "who": {"users": [w["spare_user"]]}, "actions": ["network:router:delete"]}},
        members=f"name!=title {members}")
    put("GET /v1/statements/{id}", here="id=statement", who=readers, no="ann rita")
    put("PATCH /v1/statements/{id}", here="id=statement", who=writers, no="ann rita", names=names,
        body=lambda w: {"statement": {"description": "d"}}, members=f"name=title {members.replace('!', '')}")
    put("DELETE /v1/statements/{id}", here="id=statement", who=writers, no="ann rita")
    put("POST /v1/simulate", other=None, who="any user", **FLAT, hollow=[{}, [], "x", 1, True], body=lambda w: {
        "user_id": w["ann"], "scope": {"project_id": w["pay"]}, "action": "network:network:create"},
        members="user_id!=ref self=bool scope!=place action!=plain resource=place source=plain time=moment "
                "methods=texts token_age=int(0,864000)", names=("project_id", "domain_id", "kind", "id"))
    put("POST /v1/explain", other=None, who="any user", **FLAT, hollow=[{}, [], "x", 1, True],
        body=lambda w: {"request": w["refusal"]},
        members="request!=plain scope=place methods=texts token_age=int(0,864000)", names=("project_id", "domain_id"))
    put("GET /v1/unused", other=None, who=readers, no="ann rita")
    put("GET /v1/guardrails", other=None, who="any user")
    put("GET /v1/guardrails/violations", by="ann", other=None, who="reader")
