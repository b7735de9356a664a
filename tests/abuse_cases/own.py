"""How the operations of our own APIs are used rightly: approvals and consents, the journal, the planner."""

from abuse_cases import case, fresh


def own_cases():
    approvals()
    consents()
    journal()
    evidence()
    case("planner", "POST /v1/plans", other=None, who="any user", empty=False, at=lambda whole: whole,
         body=lambda w: {"inventory": {"systems": [{"id": "a", "name": "a"}]}}, members="inventory!=inventory",
         names=("institution", "systems"), hollow=[{}, None, [], "x", 1, True])


def rule(w):
    """One for a project in which nothing happens."""
    return {"rule": {"name": fresh(), "action": "network:router:delete", "deadline": 600, "project_id": w["still"],
                     "stages": [{"role": "manager", "in": "domain"}]}}


def approvals():
    add = lambda which, **settings: case("approval", which, **settings)
    writers = "domain manager, security admin"
    add("GET /v1/rules", by="boss", other=None, who="reader, system admin, audit admin", pages=True)
    add("POST /v1/rules", by="boss", other=None, who=writers, body=rule, no="ann rita",
        members="name!=text description=said action!=action when=when stages!=stages deadline!=int(60,2592000) "
                "window=window reason_required=bool guarded=bool project_id=ref",
        names=("in", "role", "duty", "users", "groups", "count", "days", "from", "to", "project_tag", "window"))
    add("GET /v1/rules/{id}", by="boss", other="boss2", here="id=rule_made", who="reader, system admin, audit admin")
    add("PATCH /v1/rules/{id}", by="boss", other="boss2", here="id=rule_made", who=writers, no="ann rita",
        body=lambda w: {"rule": {"description": "d"}},
        members="name=text description=said action=action when=when stages=stages deadline=int(60,2592000) "
                "window=window reason_required=bool guarded=bool",
        names=("in", "role", "duty", "users", "groups", "count", "days", "from", "to", "project_tag", "window"))
    add("DELETE /v1/rules/{id}", by="boss", other="boss2", here="id=rule_made", who=writers, no="ann rita")
    # A request of ann's that waits for boss. Nothing that is sent here is a vote.
    around, flat = "any token", lambda whole: whole
    add("GET /v1/requests", by="boss", other=None, who=around, pages=True)
    add("GET /v1/requests/{id}", by="boss", other="boss2", here="id=request", who="owner", no="rita")
    add("POST /v1/requests/{id}/vote", by="boss", other="boss2", here="id=request", who="owner", no="rita ann-gated",
        tried=False, body=lambda w: {"approve": False}, at=flat, members="approve!=bool comment=said",
        hollow=[{}, [], "x", 1, True])
    add("POST /v1/requests/{id}/reason", by="ann-gated", other="boss2", here="id=request", who="owner", no="boss",
        body=lambda w: {"reason": "because"}, at=flat, members="reason!=said", hollow=[{}, [], "x", 1, True])
    add("POST /v1/requests/{id}/withdraw", by="ann-gated", other="boss2", here="id=request", who="owner", idle=True,
        no="boss rita", tried=False)


def consents():
    add = lambda which, **settings: case("approval", which, **settings)
    flat = lambda whole: whole
    add("GET /v1/consents", by="sysadmin", other=None, who="any token", pages=True)
    add("POST /v1/consents", by="sysadmin", other=None, no="ann rita",
        who="domain manager, system admin, security admin",
        body=lambda w: {"consent": {"domain_id": w["bank"], "actions": ["compute:server:show"], "until": w.soon(),
                                    "reason": "because"}},
        members="domain_id!=ref project_id=ref resource=object duty=word user_id=ref actions!=actions from=moment "
                "until!=time reason!=said standing=bool contract=plain",
        names=("kind", "id", "resource", "staff"))
    add("GET /v1/consents/{id}", by="boss", other="boss2", here="id=consent", who="owner", no="")
    # One that waits for boss, for whom nothing here is a vote; one that boss has given, which nobody takes back.
    add("POST /v1/consents/{id}/vote", by="boss", other="boss2", here="id=consent", who="owner",
        no="ann rita sysadmin secadmin auditor", tried=False, body=lambda w: {"approve": False}, at=flat,
        members="approve!=bool comment=said", hollow=[{}, [], "x", 1, True])
    add("POST /v1/consents/{id}/revoke", by="boss", other="boss2", here="id=granted", who="owner", optional=True,
        no="ann rita sysadmin secadmin auditor", tried=False, body=lambda w: {"comment": "because"}, at=flat,
        members="comment=said",
        hollow=[[], "x", 1, True, {"comment": 7}, {"wrong": 1}])
    add("POST /v1/consents/{id}/withdraw", by="sysadmin", other="boss2", here="id=consent", who="owner", optional=True,
        no="ann rita secadmin auditor", tried=False, body=lambda w: {"comment": "because"}, at=flat,
        members="comment=said",
        hollow=[[], "x", 1, True, {"comment": 7}, {"wrong": 1}])


def journal():
    add = lambda which, **settings: case("journal", which, **settings)
    readers = "domain reader, security admin, audit admin"
    add("GET /v1/entries", by="boss", other=None, who=readers, pages=True, no="ann rita ann-unscoped sysadmin")
    # Numbers are counted in each institution anew, so a foreign one is not there: it is one's own, or none.
    add("GET /v1/entries/{number}", by="boss", other=None, here="number=number", who=readers,
        no="ann rita ann-unscoped sysadmin")
    add("GET /v1/checkpoints", by="boss", other=None, who=readers, no="ann rita ann-unscoped sysadmin")
    add("GET /v1/checkpoints/{size}", by="boss", other=None, here="size=newest", who=readers,
        no="ann rita ann-unscoped sysadmin")
    add("GET /v1/proofs/consistency", query="?from=1", by="boss", other=None, who=readers,
        no="ann rita ann-unscoped sysadmin")
    add("GET /v1/export", by="boss", other=None, who=readers, no="ann rita ann-unscoped sysadmin")


def evidence():
    """An assessment takes long, and the newest is there only after one: its story has both."""
    readers, no = "security admin, audit admin", "ann rita boss ann-unscoped sysadmin"
    add = lambda which, **settings: case("evidence", which, by="auditor", other=None, who=readers, no=no, **settings)
    add("POST /v1/assessments", idle=True, tried=False)
    add("GET /v1/assessments/latest", tried=False)
    add("GET /v1/posture|GET /v1/findings|GET /v1/clauses|GET /v1/violations|GET /v1/freshness")
    add("GET /v1/clauses/{standard}/{id}", here="standard=standard id=clause")
    add("GET /v1/catalogues")
    add = lambda which, **settings: case("evidence", which, by="secadmin", other=None, who="security admin",
                                         no="ann rita boss ann-unscoped sysadmin auditor", **settings)
    # The body is a file, and what is wrong with one has tests of its own.
    add("POST /v1/catalogues", stream=True)
    add("DELETE /v1/catalogues/{key}", here="key=standard", absent={400, 404})
