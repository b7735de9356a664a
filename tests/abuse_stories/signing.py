"""Signing in: refused in the same words whatever was wrong, locked by guesses, opened by two factors."""

import concurrent.futures
import copy
import time

from abuse_cases import HEX, KEY, fresh, login, password
from abuse_cases.values import LONG_NAME
from cloud import until

TOKENS, V3 = "/identity/v3/auth/tokens", "/identity/v3"


def user(auth):
    return auth["identity"]["password"]["user"]


def wants_401(s, who, method, path, headers=None):
    """A token that is not good any more."""
    s.refuse(who, method, path, None, 401, headers=headers)
    s.world.wire.stranger()
    s.world.wire.refused.pop()


def words(s, what, bodies, source=None):
    """Sign-ins that are refused: all with the same words, so that nobody learns why."""
    w = s.world
    answers = []
    for body in bodies:
        answer = w.attempt(body, source or w.wire.elsewhere())
        s.judge(f"{what}: a sign-in is refused", "identity", answer, {401})
        answers.append((answer.status, answer.data))
    answers.append(w.same)
    s.check(f"{what}: refused sign-ins differ in their words", len(set(answers)) == 1, str(set(answers)))


def race(s, what, tries, right, others):
    """The same at the same time: once it is done, and otherwise refused."""
    with concurrent.futures.ThreadPoolExecutor(len(tries)) as pool:
        answers = [future.result() for future in [pool.submit(one) for one in tries]]
    done = [answer for answer in answers if answer.status == right]
    s.check(f"{what}, {len(tries)} times at once, is done {len(done)} times", len(done) == 1,
            "\n    ".join(str(a)[:200] for a in answers))
    for answer in answers:
        if answer.status != right:
            s.judge(f"{what} at the same time", answer.asked.split("/")[1], answer, others)


def with_program(ident, secret, scope=None):
    auth = {"identity": {"methods": ["application_credential"], "application_credential": {"id": ident,
                                                                                          "secret": secret}}}
    return {"auth": auth | ({"scope": scope} if scope else {})}


def signing(s):
    """signing in: wrong in every way, and never a word too much"""
    w = s.world
    ann = w.users["ann"]

    def changed(change):
        whole = login(ann)
        change(whole["auth"])
        return whole
    nobody = w.attempt(changed(lambda a: user(a).update(name="nobody-there")), w.wire.elsewhere())
    s.judge("a name that nobody has", "identity", nobody, {401})
    w.same = (nobody.status, nobody.data)
    words(s, "names, passwords, scopes", [changed(change) for change in (
        lambda a: user(a).update(password=password()), lambda a: user(a).update(domain={"id": HEX}),
        lambda a: user(a).update(name="ann'--"), lambda a: a.update(scope={"project": {"id": w["trade"]}}),
        lambda a: a.update(scope={"project": {"id": HEX}}), lambda a: a.update(scope={"domain": {"id": w["bank"]}}),
        lambda a: a.update(scope={"OS-TRUST:trust": {"id": HEX}}),
        lambda a: a.update(scope={"system": {"all": True}}))])
    # Secrets in the wrong place: people type a password where the name belongs. Nothing of it is written down.
    where = {"id": password(), "name": password(), "secret": password()}
    words(s, "secrets in the wrong place", [changed(change) for change in (
        lambda a: user(a).update(name=password()), lambda a: user(a).update(name=password(), domain={"id": password()}),
        lambda a: user(a).update(domain={"name": password()}), lambda a: a["identity"]["password"].update(user={
            "id": password(), "password": password()}),
        lambda a: a.update(scope={"project": {"id": password()}}),
        lambda a: a.update(scope={"project": {"name": password(), "domain": {"name": password()}}}))]
        + [with_program(where["id"], where["secret"])])
    both = {"methods": ["password", "totp"]}
    for change, says in (
            (lambda a: a["identity"].pop("methods"), "methods"),
            (lambda a: a["identity"].update(methods=[]), "methods"),
            (lambda a: a["identity"].update(methods="password"), "methods"),
            (lambda a: a["identity"].update(methods=[7]), "methods"),
            (lambda a: a["identity"].update(methods=["oauth1"]), "methods"),
            (lambda a: a["identity"].update(methods=["totp"]), "totp"),
            (lambda a: a["identity"].update(both), "totp"),  # asks for more than it brings
            (lambda a: a["identity"].update(both | {"totp": {}}), "user"),
            (lambda a: a["identity"].update(both | {"totp": {"user": {"name": "ann", "domain": {"id": w["bank"]}}}}),
             "passcode"),
            (lambda a: a["identity"].update(methods=["application_credential"]), "application_credential"),
            (lambda a: a["identity"].update(methods=["application_credential"], application_credential={"id": HEX}),
             "secret"),
            (lambda a: a["identity"].update(methods=["application_credential"], application_credential={
                "name": "program", "secret": password()}), "user"),
            (lambda a: a["identity"].update(methods=["x" * 500_000]), "methods"),
            (lambda a: a["identity"].update(methods=["token"]), "token"),
            (lambda a: a["identity"].update(password="x"), "password"),
            (lambda a: user(a).pop("password"), "password"),
            (lambda a: user(a).update(password=[password()]), "password"),
            (lambda a: user(a).update(password={"is": password()}), "password"),
            (lambda a: user(a).update(name=["ann"]), "name"), (lambda a: user(a).update(name="a\0b"), "name"),
            (lambda a: user(a).update(name=LONG_NAME), "name"), (lambda a: user(a).pop("domain"), "domain"),
            (lambda a: user(a).update(domain="bank"), "domain"), (lambda a: user(a).update(domain={}), "name"),
            (lambda a: a.update(scope=7), "scope"), (lambda a: a.update(scope={}), "scope"),
            (lambda a: a.update(scope="everything"), "scope"),
            (lambda a: a.update(scope={"project": {"id": w["pay"]}, "system": {"all": True}}), "scope"),
            (lambda a: a.update(scope={"project": "x"}), "project"),
            (lambda a: a.update(scope={"project": {"name": "pay"}}), "domain"),
            (lambda a: a.update(scope={"system": {"all": False}}), "system"),
            (lambda a: a.update(scope={"system": "x"}), "system"),
            (lambda a: a.update(scope={"OS-TRUST:trust": {}}), "id"),
            (lambda a: a.update(nonsense=1), "nonsense"), (lambda a: user(a).update(nonsense=1), "nonsense")):
        s.refuse("ann-less", "POST", TOKENS, changed(change), 400, says)
    inner = {"auth": {"identity": {"methods": ["token"], "token": {"id": [w.tokens["ann"]]}}}}
    s.refuse("ann-less", "POST", TOKENS, inner, 400, "id")
    inner["auth"]["identity"]["token"]["id"] = w.tokens["ann"] + "x"
    s.refuse("ann-less", "POST", TOKENS, inner, {401, 404})
    # Two methods are about one user.
    whole = login(ann)
    whole["auth"]["identity"] |= {"methods": ["password", "token"], "token": {"id": w.tokens["bob"]}}
    words(s, "methods of two users", [whole])
    for receipt in ("garbage", w.tokens["ann"], "x" * 9000):
        answer = w.do("ann-less", "POST", TOKENS, login(ann), {"Openstack-Auth-Receipt": receipt},
                      source=w.wire.elsewhere())
        s.judge("a receipt that is none", "identity", answer, {401})
    first_manager(s)
    about_tokens(s)
    # Passwords: too weak, the old one again, not one's own.
    path, old = f"{V3}/users/{w['eve']}/password", w.users["eve"]["password"]
    for new in ("short", "alllowercaseletters", "x" * 999, "Eve-is-my-name-1", old):
        s.refuse("eve", "POST", path, {"user": {"password": new, "original_password": old}}, 400, "password")
    s.refuse("bob", "POST", path, {"user": {"password": password(), "original_password": password()}}, 401,
             source=w.wire.elsewhere())
    s.refuse("eve", "POST", path, {"user": {"password": password(), "original_password": old, "more": 1}}, 400, "more")


def first_manager(s):
    """An institution's first manager has to change the password that the security administrator gave."""
    w = s.world
    domain = w.must("secadmin", "POST", f"{V3}/domains", {"domain": {"name": fresh()}})["domain"]["id"]
    first = {"name": "first", "domain": domain, "password": password(), "scope": {"domain": {"id": domain}}}
    made = w.must("secadmin", "POST", f"{V3}/users",
                  {"user": {"name": "first", "domain_id": domain, "password": first["password"]}})
    w.give("secadmin", "domains", domain, made["user"]["id"], "manager")
    s.refuse("ann-less", "POST", TOKENS, login(first), 401,
             f"expired and needs to be changed for user: {made['user']['id']}")
    words(s, "a wrong password of somebody who must change it", [login(first | {"password": password()})])


def about_tokens(s):
    """Tokens are shown to their own bearer only, and an ended one is none."""
    w = s.world
    subject = lambda text: {"X-Subject-Token": text}
    s.refuse("ann", "GET", TOKENS, None, 400, "X-Subject-Token")
    for text in ("garbage", w.tokens["bob"], w.tokens["boss"], w.tokens["sysadmin"], "x" * 9000):
        for method in ("GET", "HEAD", "DELETE"):
            s.refuse("ann", method, TOKENS, None, 404, headers=subject(text))
    w.users["spent"] = w.users["ann"]
    w.sign_in("spent")
    w.must("spent", "DELETE", TOKENS, headers=subject(w.tokens["spent"]))
    wants_401(s, "spent", "GET", "/network/v2.0/networks")


def guessing(s):
    """guessed passwords lock an account, and an address that tries many accounts: in the same words as ever"""
    w = s.world
    vault = w.institution("vault", "keeper")
    w.second_factor("keeper")
    config = f"{V3}/domains/{vault}/config"
    w.must("keeper", "PATCH", config, {"config": {"security_compliance": {"lockout_failure_attempts": 3}}})
    w.project("keeper", "strong")
    w.person("keeper", "lou", vault, {"project": {"id": w["strong"]}}, "member")
    lou, lock = w.users["lou"], f"{V3}/users/{w['lou']}/OS-JINYUN/lockout"
    show = lambda: w.must("keeper", "GET", lock)["lockout"]["locked"]
    right = lambda: w.attempt(login(lou), w.wire.elsewhere())
    words(s, "guesses that lock", [login(lou | {"password": password()}) for _ in range(3)], w.wire.elsewhere())
    s.check("three guesses do not lock the account", show())
    words(s, "the right password of a locked account", [login(lou)])
    s.refuse("lou", "POST", f"{V3}/users/{w['lou']}/password",
             {"user": {"password": password(), "original_password": lou["password"]}}, 401, source=w.wire.elsewhere())
    for who, want in (("boss2", 404), ("ann", 404), ("lou", {403, 404}), ("secadmin", 403), ("sysadmin", 403)):
        s.refuse(who, "DELETE", lock, None, want)
    w.must("keeper", "DELETE", lock)
    s.judge("the right password after the lock was lifted", "identity", right(), {201})
    entries = w.must("keeper", "GET", "/journal/v1/entries?action=identity:lockout:set")["entries"]
    s.check("the lock is not in the institution's journal", len(entries) == 1, str(entries)[:300])
    # Networks and hours: judged at the sign-in and at each use.
    access = f"{V3}/users/{w['lou']}/OS-JINYUN/access"
    w.sign_in("lou")
    for body in ({"sources": ["10.0.0.0/8"]}, {"hours": {"days": [other_day()], "from": 0, "to": 1}}):
        w.must("keeper", "PUT", access, {"access": body})
        words(s, f"outside of {next(iter(body))}", [login(lou)])
        wants_401(s, "lou", "GET", "/network/v2.0/networks")
        w.must("keeper", "PUT", access, {"access": {"sources": [], "hours": None}})
    s.judge("inside again", "identity", right(), {201})
    own = {"access": {"sources": ["10.0.0.0/8"]}}
    s.refuse("keeper", "PUT", f"{V3}/users/{w['keeper']}/OS-JINYUN/access", own, 403, "own")
    s.refuse("secadmin", "PUT", access, own, 403)
    # One address at many accounts.
    address = w.wire.elsewhere()
    for _ in range(10):
        s.judge("many names of one address", "identity",
                w.attempt(login(lou | {"name": fresh("guess")}), address), {401})
    refused = w.attempt(login(lou), address)
    s.judge("a refused address", "identity", refused, {401}, recorded=False)
    s.check("a refused address is told so", (refused.status, refused.data) == w.same, str(refused))
    s.judge("another address", "identity", right(), {201})
    journal = f"/journal/v1/entries?action=identity:*&source={address}&limit=1000"

    def told():
        found = str(w.must("auditor", "GET", journal)["entries"])
        return "1 more sign-ins, refused without looking at them" in found and "one source, many accounts" in found
    s.check("the journal counts what was refused without a look, and has an alarm",
            until("the journal has both", 30, told, 1))


def other_day():
    """A day of the week that is neither today nor about to begin, in any zone."""
    return (time.gmtime().tm_wday + 3) % 7 + 1


def half(s, what, body, source=None, headers=None):
    """A sign-in of which a part is right: 401 with a receipt, which is no refusal in the journal. Returns that."""
    answer = s.world.do("nobody", "POST", TOKENS, body, headers, s.world.listener(body_user(body)), source)
    given = answer.headers.get("openstack-auth-receipt", "")
    right = answer.status == 401 and given and set(answer.json or {}) == {"receipt", "required_auth_methods"}
    s.check(f"{what}: 401 with a receipt", right and "x-subject-token" not in answer.headers, str(answer))
    return given


def body_user(body):
    """The name of whose password stands in a sign-in."""
    identity = body["auth"]["identity"]
    return identity[identity["methods"][0]]["user"]["name"]


def factors(s):
    """second factors: one alone opens nothing, each code opens once, and nobody takes another's away"""
    w = s.world
    for name in ("sysadmin", "secadmin", "auditor"):
        for scope in ({"system": {"all": True}}, "unscoped"):
            receipt = half(s, f"{name} with a password alone", login(w.users[name] | {"scope": scope}))
    answer = w.do("nobody", "GET", "/network/v2.0/networks", None, {"X-Auth-Token": receipt})
    s.judge("a receipt as a token", "network", answer, {401}, recorded=False)
    w.wire.stranger()
    tina = w.users["tina"]
    body = w.with_code("tina")
    only = copy.deepcopy(body)
    only["auth"]["identity"]["methods"] = ["totp"]
    receipt = half(s, "a code alone", only)
    # What is missing, with the receipt: but not of somebody else, nor from elsewhere.
    for whole, source in ((login(tina), w.wire.elsewhere()), (login(w.users["eve"]), None)):
        answer = w.do("nobody", "POST", TOKENS, whole, {"Openstack-Auth-Receipt": receipt}, source=source)
        s.judge("a receipt of another address or user", "identity", answer, {401})
    words(s, "a code that was used", [body])
    made = w.must("tina", "POST", f"{V3}/users/{w['tina']}/OS-JINYUN/recovery_codes")["recovery_codes"]["codes"]

    def recovery(code):
        whole = copy.deepcopy(body)
        whole["auth"]["identity"]["totp"]["user"]["passcode"] = code
        return whole
    s.judge("a recovery code", "identity", w.attempt(recovery(made[0])), {201})
    words(s, "a recovery code that was used", [recovery(made[0])])
    again = w.must("tina", "POST", f"{V3}/users/{w['tina']}/OS-JINYUN/recovery_codes")["recovery_codes"]["codes"]
    words(s, "a recovery code that others have replaced", [recovery(made[1])])
    s.judge("a new recovery code", "identity", w.attempt(recovery(again[0])), {201})
    lock = f"{V3}/users/{w['tina']}/OS-JINYUN/lockout"
    race(s, "one recovery code", [lambda: w.attempt(recovery(again[3]), w.wire.elsewhere())] * 8, 201, {401})
    w.must("boss", "DELETE", lock)
    words(s, "no code at all", [recovery(code) for code in ("000000", "x" * 200)])
    s.judge("a new recovery code", "identity", w.attempt(recovery(again[1])), {201})
    # Whoever has a password only must not touch what the second factor protects.
    w.users["tina-half"] = tina
    w.tokens["tina-half"] = w.attempt(login(tina)).headers["x-subject-token"]
    codes = f"{V3}/users/{w['tina']}/OS-JINYUN/recovery_codes"
    s.refuse("tina-half", "POST", codes, None, 403, "totp")
    s.refuse("ann", "POST", f"{V3}/users/{w['ann']}/OS-JINYUN/recovery_codes", None, 403, "totp")
    [device] = [c["id"] for c in w.must("tina", "GET", f"{V3}/credentials?type=totp")["credentials"]]
    for who, want in (("tina-half", 403), ("boss", 403), ("ann", 404), ("boss2", 404), ("secadmin", 403)):
        s.refuse(who, "DELETE", f"{V3}/credentials/{device}", None, want)
    reset = f"{V3}/users/{w['tina']}/OS-JINYUN/reset_factors"
    for wrong in (None, {}, {"reset": {}}, {"reset": {"password": tina["password"]}}, {"reset": 7},
                  {"reset": {"password": tina["password"], "passcode": "000000", "more": 1}}):
        s.refuse("tina", "POST", reset, wrong, 400)
    s.refuse("tina", "POST", reset, {"reset": {"password": password(), "passcode": again[2]}}, 401,
             source=w.wire.elsewhere())
    s.refuse("tina", "POST", reset, {"reset": {"password": tina["password"], "passcode": "000000"}}, 401,
             source=w.wire.elsewhere())
    for who, want in (("ann", {403, 404}), ("boss2", 404), ("secadmin", 403), ("sysadmin", 403)):
        s.refuse(who, "POST", reset, None, want)
    w.must("boss", "POST", reset)
    wants_401(s, "tina", "GET", "/network/v2.0/networks")
    s.refuse("nobody", "POST", TOKENS, login(tina), 401, "expired and needs to be changed for user")
    enrolment(s)


def enrolment(s):
    """A domain that asks everybody for two factors: whoever has one gets no further than to make the second."""
    w = s.world
    config = f"{V3}/domains/{w['vault']}/config/security_compliance"
    w.must("keeper", "PATCH", config, {"config": {"security_compliance": {"multi_factor": True}}})
    lou = w.users["lou"]
    s.refuse("nobody", "POST", TOKENS, login(lou), 401, "second factor is needed")
    begin = w.attempt(login(lou | {"scope": "unscoped"}))
    s.judge("a sign-in to make the second factor", "identity", begin, {201})
    w.tokens["lou-half"] = begin.headers["x-subject-token"]
    mine = f"{V3}/users/{w['lou']}"
    for method, path, body in (
            ("GET", "/network/v2.0/networks", None), ("GET", f"{V3}/users/{w['lou']}", None),
            ("GET", f"{V3}/auth/projects", None), ("GET", f"{V3}/credentials", None),
            ("POST", f"{mine}/application_credentials", {"application_credential": {"name": fresh()}}),
            ("POST", f"{mine}/credentials/OS-EC2", {"tenant_id": w["strong"]}),
            ("POST", f"{mine}/OS-JINYUN/recovery_codes", None), ("POST", f"{mine}/OS-JINYUN/reset_factors", None),
            ("POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "k", "public_key": KEY}}),
            ("GET", "/approval/v1/requests", None), ("GET", "/journal/v1/entries", None),
            ("POST", "/planner/v1/plans", {"inventory": {"systems": []}}),
            ("POST", f"{V3}/credentials", {"credential": {"type": "ec2", "project_id": w["strong"]}})):
        s.refuse("lou-half", method, path, body, 403)
    scoped = {"auth": {"identity": {"methods": ["token"], "token": {"id": w.tokens["lou-half"]}},
                       "scope": {"project": {"id": w["strong"]}}}}
    s.refuse("lou-half", "POST", TOKENS, scoped, 401)
    w.tokens["lou"] = w.tokens["lou-half"]
    w.second_factor("lou")
    wants_401(s, "lou-half", "GET", f"{V3}/auth/tokens", {"X-Subject-Token": w.tokens["lou-half"]})
    half(s, "a password alone where two are asked for", login(lou))


STORIES = (signing, guessing, factors)
