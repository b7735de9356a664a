"""Our own APIs: who may agree to what, whose journal is whose, and inventories that are none."""

from abuse_cases import HEX, UUID, fresh, password
from abuse_stories.signing import race
from cloud import until

RULES, REQUESTS, CONSENTS = "/approval/v1/rules", "/approval/v1/requests", "/approval/v1/consents"


def approvals(s):
    """what waits for an approval is approved by those whom the rule names, once each, and by nobody else"""
    w = s.world
    net = "/network/v2.0/networks"
    again = s.refuse("ann-gated", "POST", net, {"network": {"name": "waits"}}, 403, w["request"])
    s.check("the same command is another request", w["request"] in str(again), str(again))
    vote = f"{REQUESTS}/{w['request']}/vote"
    for who, want in (("ann-gated", 403), ("rita", 404), ("eve", 404), ("boss2", 404), ("bob", 404), ("auditor", 403),
                      ("sysadmin", {403, 404}), ("secadmin", {403, 404})):
        s.refuse(who, "POST", vote, {"approve": True}, want)
    s.refuse("boss", "POST", vote, {"approve": True, "user_id": w["eve"]}, 400, "user_id")
    s.refuse("boss", "POST", f"{REQUESTS}/{w['request']}/withdraw", None, 403)
    race(s, "a vote", [lambda: w.do("boss", "POST", vote, {"approve": True})] * 8, 200, {409})
    made = w.must("boss", "GET", f"{REQUESTS}/{w['request']}")["request"]
    s.check("the last yes does not carry it out", made["state"] == "done", str(made)[:300])
    for path, who, body in ((vote, "boss", {"approve": True}), (vote, "boss", {"approve": False}),
                            (f"{REQUESTS}/{w['request']}/reason", "ann-gated", {"reason": "late"}),
                            (f"{REQUESTS}/{w['request']}/withdraw", "ann-gated", None)):
        s.refuse(who, "POST", path, body, 409, w["request"])
    # Each command of its own is a request of its own, and nobody has more than a hundred.
    name = fresh("first")
    s.refuse("ann-gated", "POST", net, {"network": {"name": name}}, 403)
    [first] = [r["id"] for r in w.must("ann-gated", "GET", f"{REQUESTS}?state=waiting")["requests"]]
    for n in range(99):
        w.do("ann-gated", "POST", net, {"network": {"name": fresh("many")}})
    s.refuse("ann-gated", "POST", net, {"network": {"name": fresh("many")}}, 409, "100")
    w.must("ann-gated", "POST", f"{REQUESTS}/{first}/withdraw")
    s.refuse("boss", "POST", f"{REQUESTS}/{first}/vote", {"approve": True}, 409, first)
    s.refuse("ann-gated", "POST", f"{REQUESTS}/{first}/withdraw", None, 409, first)
    names = [n["name"] for n in w.must("ann-gated", "GET", net)["networks"]]
    s.check("a network is there that nobody agreed to", names == ["waits"], str(names))
    written(s)
    guarded(s)


def rule(**members):
    return {"rule": {"name": fresh(), "action": "network:router:delete", "deadline": 600,
                     "stages": [{"role": "manager", "in": "domain"}]} | members}


def written(s):
    """Rules are written by those whose things they are about."""
    w = s.world
    stage = lambda **who: {"stages": [who]}
    for who, members, want, says in (
            ("boss", {"project_id": w["trade"]}, 404, w["trade"]), ("boss", {"project_id": HEX}, 404, HEX),
            ("boss", stage(users=[w["bob"]]), 404, w["bob"]), ("boss", stage(users=[HEX]), 404, HEX),
            ("boss", stage(groups=[HEX]), 404, HEX), ("boss2", stage(groups=[w["team"]]), 404, w["team"]),
            ("boss", stage(duty="security_admin"), 400, "stages"),
            ("boss", stage(users=[w["ann"]], count=2), 400, "stages"),
            ("boss", stage(users=[w["ann"]] * 51), 400, "stages"),
            ("secadmin", {}, 400, "stages"), ("secadmin", {"project_id": w["pay"]}, 400, "project_id"),
            ("sysadmin", stage(duty="security_admin"), 403, "approval_rule"),
            ("auditor", stage(duty="security_admin"), 403, "approval_rule"),
            ("ann", {}, 403, "approval_rule"), ("rita", {}, 403, "approval_rule"),
            ("boss", {"action": "network:router:show"}, 400, "action"),
            ("boss", {"action": "approval:*:*"}, 400, "action")):
        s.refuse(who, "POST", RULES, rule(**members), want, says)
    for who in ("secadmin", "sysadmin"):
        s.refuse(who, "PATCH", f"{RULES}/{w['rule_made']}", {"rule": {"description": "d"}}, {403, 404})
    for query in ("limit=0", "limit=501", "limit=x", "marker=x", "nonsense=1"):
        s.refuse("boss", "GET", f"{RULES}?{query}", None, 400, query.split("=")[0], "query")


def guarded(s):
    """A guarded rule is not taken away by who wrote it, and what carries a secret does not wait."""
    w = s.world
    stages = {"stages": [{"users": [w["lou"]]}]}
    made = w.must("keeper", "POST", RULES, rule(guarded=True, **stages))["rule"]["id"]
    for method, body in (("PATCH", {"rule": {"deadline": 60, "guarded": False}}), ("DELETE", None)):
        answer = w.do("keeper", method, f"{RULES}/{made}", body)
        s.judge(f"{method} of a guarded rule", "approval", answer, {202})
        s.check("what waits is shown", (answer.json or {}).get("request", {}).get("state") == "waiting", str(answer))
    kept = w.must("keeper", "GET", f"{RULES}/{made}")["rule"]
    s.check("a guarded rule was changed", kept["guarded"] and kept["deadline"] == 600, str(kept))
    for waiting in w.must("keeper", "GET", f"{REQUESTS}?state=waiting")["requests"]:
        s.refuse("keeper", "POST", f"{REQUESTS}/{waiting['id']}/vote", {"approve": True}, 403)
    w.must("keeper", "POST", RULES, rule(action="identity:user:update", **stages))
    s.refuse("keeper", "PATCH", f"/identity/v3/users/{w['lou']}", {"user": {"password": password()}}, {400, 403, 409})
    waits = [r for r in w.must("keeper", "GET", f"{REQUESTS}?state=waiting")["requests"]
             if r["action"] == "identity:user:update"]
    s.check("a command with a secret waits", not waits, str(waits)[:300])


def consents(s):
    """staff touches a tenant's thing under the tenant's consent only, and only what it names"""
    w = s.world
    ask = lambda **members: {"consent": {"actions": ["compute:server:show"], "until": w.soon(), "reason": "why",
                                         "domain_id": w["bank"], "duty": "system_admin"} | members}
    server = f"/compute/v2.1/servers/{w['server']}"
    s.refuse("sysadmin", "GET", server, None, 403)
    given = w.must("boss", "POST", CONSENTS, ask(project_id=w["pay"]))["consent"]["id"]
    s.judge("staff under a consent", "compute", w.do("sysadmin", "GET", server), {200})
    s.refuse("sysadmin", "POST", server + "/action", {"os-stop": None}, 403)
    s.refuse("sysadmin", "POST", server + "/action", {"os-getConsoleOutput": {}}, 403)
    s.refuse("sysadmin", "DELETE", server, None, 403)
    for who in ("secadmin", "auditor"):
        s.refuse(who, "GET", server, None, 403)
    for path in ("/network/v2.0/networks/" + w["network"], "/image/v2/images/" + w["image"]):
        s.refuse("sysadmin", "GET", path, None, {403, 404})
    lists = w.do("sysadmin", "GET", "/compute/v2.1/servers")
    s.check("a consent opens a list", w["server"] not in str(lists.data), str(lists))
    for who, want in (("ann", {403, 404}), ("boss2", 404), ("sysadmin", 403), ("secadmin", 403)):
        s.refuse(who, "POST", f"{CONSENTS}/{given}/revoke", None, want)
    w.must("boss", "POST", f"{CONSENTS}/{given}/revoke")
    s.refuse("sysadmin", "GET", server, None, 403)
    s.refuse("boss", "POST", f"{CONSENTS}/{given}/revoke", None, 409, given)
    s.refuse("boss", "POST", f"{CONSENTS}/{w['consent']}/revoke", None, 409, w["consent"])
    for who, want in (("sysadmin", 403), ("secadmin", 403), ("auditor", 403), ("ann", {403, 404}), ("boss2", 404)):
        s.refuse(who, "POST", f"{CONSENTS}/{w['consent']}/vote", {"approve": True}, want)
    w.must("boss", "POST", f"{CONSENTS}/{w['consent']}/vote", {"approve": False})
    s.refuse("boss", "POST", f"{CONSENTS}/{w['consent']}/vote", {"approve": True}, 409, w["consent"])
    s.refuse("sysadmin", "POST", f"{CONSENTS}/{w['consent']}/withdraw", None, 409, w["consent"])
    for who, members, want, says in (
            ("boss", {"domain_id": w["fund"]}, {403, 404}, "consent"),
            ("boss", {"project_id": w["trade"]}, 404, w["trade"]), ("boss", {"project_id": HEX}, 404, HEX),
            ("sysadmin", {"project_id": w["trade"]}, 404, w["trade"]),
            ("sysadmin", {"domain_id": "default"}, 400, "domain_id"),
            ("boss", {"resource": {"kind": "server", "id": UUID}}, 404, UUID),
            ("boss2", {"domain_id": w["fund"], "resource": {"kind": "server", "id": w["server"]}}, 404, w["server"]),
            ("boss", {"resource": {"kind": "user", "id": w["ann"]}}, 400, "kind"),
            ("boss", {"resource": {"kind": "server"}}, 400, "id"),
            ("boss", {"actions": ["compute:server:delete"]}, 400, "actions"), ("boss", {"actions": []}, 400, "actions"),
            ("boss", {"duty": "audit_admin"}, 400, "duty"),
            ("boss", {"duty": None, "user_id": w["ann"]}, 400, "user_id"),
            ("boss", {"user_id": w["sysadmin"]}, 400, "user_id"), ("boss", {"duty": None}, 400, "duty"),
            ("boss", {"until": w.soon(40 * 86400)}, 400, "until"), ("boss", {"until": None}, 400, "until"),
            ("boss", {"from": w.soon(9000)}, 400, "until"), ("boss", {"standing": True}, 400, "contract"),
            ("boss", {"contract": "C-1"}, 400, "contract"), ("boss", {"reason": "  "}, 400, "reason"),
            ("ann", {}, 403, "consent"), ("auditor", {}, 403, "consent")):
        s.refuse(who, "POST", CONSENTS, ask(**members), want, says)
    real, none = (w.do("boss", "POST", CONSENTS, ask(domain_id=ident)) for ident in (w["fund"], HEX))
    s.check("approval: POST /v1/consents tells that there is an institution", (real.status, real.data) ==
            (none.status, none.data), f"{real}\n    {none}")
    w.wire.refused += [(real.request, real.asked), (none.request, none.asked)]


def journal(s):
    """everybody reads the journal of their own institution, and of no other"""
    w, at = s.world, "/journal/v1"
    plain = lambda answer, ident: (answer.status, answer.data.decode().replace(ident, "ID"))
    for path in ("entries", "entries/0", "export"):
        real = s.refuse("boss", "GET", f"{at}/{path}?institution={w['fund']}", None, {403, 404})
        none = s.refuse("boss", "GET", f"{at}/{path}?institution={HEX}", None, {403, 404})
        s.check(f"journal: {path} tells that there is an institution", plain(real, w["fund"]) == plain(none, HEX),
                f"{real}\n    {none}")
        for who, query in (("boss", "*"), ("boss", "default"), ("ann", w["bank"]), ("bob", w["bank"]),
                           ("sysadmin", w["bank"]), ("sysadmin", "*"), ("secadmin", w["bank"]), ("secadmin", "*"),
                           ("sysadmin", "default"), ("ann-unscoped", w["bank"])):
            s.refuse(who, "GET", f"{at}/{path}?institution={query}", None, {400, 403, 404})
    for query in ("limit=0", "limit=1001", "limit=x", "marker=-1", "marker=x", "order=sideways", "outcome=maybe",
                  "provider=maybe", "since=yesterday", "until=2030-13-01T00:00:00Z", "action=", "action=A%3BB",
                  "nonsense=1", "actor=a&actor=b"):
        s.refuse("boss", "GET", f"{at}/entries?{query}", None, 400, query.split("=")[0])
    for number in ("-1", "x", "99999999999999999999999", "18446744073709551615", "1.5", "0x1"):
        s.refuse("boss", "GET", f"{at}/entries/{number}", None, 404)
        s.refuse("boss", "GET", f"{at}/checkpoints/{number}", None, 404)
    for query in ("", "from=0", "from=x", "from=1&to=999999999", "from=5&to=4", "from=1&from=1", "from=1&more=1"):
        s.refuse("boss", "GET", f"{at}/proofs/consistency?{query}", None, 400, "from", "to", "more")
    for query in ("compare=0", "compare=x", "compare=999999999", "since=x", "nonsense=1", "&".join(["compare=1"] * 17)):
        s.refuse("boss", "GET", f"{at}/export?{query}", None, 400, query.split("=")[0])
    s.refuse("boss", "GET", f"{at}/export?since=2099-01-01T00:00:00Z", None, 404)
    s.refuse("auditor", "GET", f"{at}/export", None, 400, "institution")
    # No page of the bank's tells of the fund but what the fund's people tried at the bank.
    marker, strange, pages = "", [], 0
    while marker is not None and pages < 100:
        page = w.must("boss", "GET", f"{at}/entries?limit=1000{marker and f'&marker={marker}'}")
        strange += [e for e in page["entries"] if w["trade"] in str(e) and w["bob"] not in str(e)
                    and e["outcome"] == "done"]
        marker, pages = page["next"], pages + 1
    s.check("the bank's journal tells of what happened at the fund", not strange, str(strange[:2])[:600])
    for who in ("bob", "boss2"):
        found = w.must("boss", "GET", f"{at}/entries?actor={w[who]}&limit=1000")["entries"]
        s.check(f"the bank's journal has {len(found)} entries of {who}", not found, str(found[:3])[:1500])
    until("there is a checkpoint", 10, lambda: w.do("boss", "GET", f"{at}/checkpoints/newest").status == 200)


def plans(s):
    """inventories that are none: the first flaw by its place, and none of the values"""
    w, path = s.world, "/planner/v1/plans"
    row = {"id": "a", "name": "a"}
    fields = ("family amount encryption rework core impact_scope impact_degree public_loss business level software "
              "customization os_access change_rate load latency rto rpo internet split abroad exit_plan proprietary "
              "supervision").split()
    ask = lambda **members: {"inventory": {"systems": [row | members]}}
    for field in fields:
        for value in (password(), 7.5, [password()], {"a": 1}, True, -1):
            s.refuse("ann", "POST", path, ask(**{field: value}), 400, f"systems[0].{field}")
    for field in ("data", "depends_on", "shares_data_with", "interfaces", "environments", "gains"):
        for value in ([password() * 20], [7], {"a": 1}, [["x"]], 7):
            s.refuse("ann", "POST", path, ask(**{field: value}), 400, f"systems[0].{field}")
    for field in ("stage", "private_cloud", "cloud_team", "platform_level", "two_centres"):
        s.refuse("ann", "POST", path, {"inventory": {"institution": {field: password()}, "systems": [row]}}, 400,
                 f"institution.{field}")
    circle = [{"id": f"s{n}", "name": "n" * 200, "depends_on": [f"s{(n + 1) % 300}"]} for n in range(300)]
    dense = [{"id": f"s{n}", "name": "s", "shares_data_with": [f"s{(n + m) % 300}" for m in range(1, 31)]}
             for n in range(300)]
    for what, systems in (("a circle", circle), ("a net", dense)):
        answer = w.do("ann", "POST", path, {"inventory": {"systems": systems}})
        s.judge(f"300 systems in {what}", "planner", answer, {200, 413})
        s.check(f"the plan of 300 systems in {what} has {len(answer.data) >> 20} MiB", len(answer.data) < 10 << 20)
    s.refuse("ann", "POST", path, {"inventory": {"systems": [row]}, "more": 1}, 400, "more")
    for who in ("ann-unscoped", "sysadmin", "rita", "bob"):
        s.judge(f"a plan by {who}", "planner", w.do(who, "POST", path, {"inventory": {"systems": [row]}}), {200})


def assessments(s):
    """assessments run one at a time, leave nothing behind, and tell staff's readers alone"""
    w, path = s.world, "/evidence/v1/assessments"
    s.refuse("auditor", "GET", f"{path}/latest", None, 404)
    before = w.must("secadmin", "GET", "/identity/v3/domains")["domains"]
    race(s, "an assessment", [lambda: w.do("auditor", "POST", path)] * 4, 201, {409})
    s.judge("the newest assessment", "evidence", w.do("secadmin", "GET", f"{path}/latest"), {200})
    # Others that the platform runs by itself may be at work.
    after = lambda: len(w.must("secadmin", "GET", "/identity/v3/domains")["domains"]) <= len(before)
    s.check("an assessment leaves no tenant behind", until("its tenant is gone", 60, after, 1))


STORIES = (approvals, consents, journal, plans, assessments)
