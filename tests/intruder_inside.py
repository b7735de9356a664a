"""The intruder who is inside already: a program, a trustee, a sub-account, another institution's manager, each of the
provider's administrators."""

import base64
import hashlib
import hmac
import re
import time
import urllib.parse

from accounts import SYSTEM, UNSCOPED, by_trust, in_project, password
from cloud import expect, until
from intruder_watch import World, names


class Inside(World):
    # What was passed on ------------------------------------------------------------------------------------------

    def application_credentials(self):
        """a program's token, beyond what its credential says"""
        watch, bank = self.watch, self.bank
        pete = bank.person("pete", "member", self.pay)
        base = f"/identity/v3/users/{pete.id}/application_credentials"

        def make(name, ok=201, **more):
            body = {"application_credential": {"name": name, **more}}
            return pete.ask("POST", base, body, self.inside).must(ok)

        def enter(made, **more):
            proofs = {"application_credential": {"id": made["id"], "secret": made["secret"], **more}}
            return pete.sign_in(None, proofs=proofs, source=self.sources())
        rule = [{"service": "network", "method": "GET", "path": "/v2.0/networks"}]
        narrow = make("narrow", access_rules=rule)["application_credential"]
        token = enter(narrow).must(201).token
        watch.works("what the access rule names", self.raw(token), 200)
        for what, method, path, body in [
                ("another method", "POST", "/network/v2.0/networks", {"network": {"name": "x"}}),
                ("another path", "GET", "/network/v2.0/ports", None),
                ("a path below it", "GET", f"/network/v2.0/networks/{self.net}", None),
                ("the same path of another service", "GET", f"/volume/v3/{self.pay}/volumes", None),
                ("the path with another slash", "GET", "/network/v2.0/networks/", None),
                ("the path with two slashes", "GET", "/network//v2.0//networks", None),
                ("its own user", "GET", f"/identity/v3/users/{pete.id}", None),
                ("a credential", "POST", base, {"application_credential": {"name": "more"}}),
                ("another token", "POST", "/identity/v3/auth/tokens", None)]:
            if body or method == "GET":
                watch.stopped(f"outside of its access rules: {what}", self.raw(token, method, path, body), 403, bank,
                              "does not allow")
        watch.stopped("outside of its access rules: through a token made of it", self.raw(
            self.exchange(token, None).must(201).token, "POST", body={"network": {"name": "x"}}), 403, bank,
            "does not allow")
        plain = make("plain")["application_credential"]
        token = enter(plain).must(201).token
        watch.works("what its user may, without rules",
                    self.raw(token, "POST", body={"network": {"name": "by-program"}}), 201)
        self.passed_on("a program's token", token, pete, plain["id"])
        watch.stopped("a program's token for another project", self.exchange(token, self.inside_treasury), 403, bank)
        watch.stopped("a program's token for its user without a scope", self.exchange(token, UNSCOPED), 403, bank)
        watch.stopped("a program signs in for a scope of its choice", pete.sign_in(self.inside_treasury, proofs={
            "application_credential": {"id": plain["id"], "secret": plain["secret"]}}), 401, None, "scope",
            says="cannot request a scope")
        for n in range(6):
            last = enter(plain | {"secret": f"not-the-secret-{n}-"})
        watch.stopped("its secret guessed", last, 401, bank, "pause|wrong secret")
        watch.works("its user is not locked by that", pete.sign_in(), 201)
        wide = make("wide", unrestricted=True)["application_credential"]
        token = enter(wide).must(201).token
        made = self.raw(token, "POST", base, {"application_credential": {"name": "child"}})
        watch.works("an unrestricted one makes another", made, 201)
        watch.stopped("an unrestricted one makes a pair of keys", self.raw(
            token, "POST", f"/identity/v3/users/{pete.id}/credentials/OS-EC2", {"tenant_id": self.pay}), 403, bank)
        body = {"application_credential": {"name": "high", "roles": [{"name": "manager"}]}}
        watch.stopped("one with a role that its user lacks", pete.ask("POST", base, body, self.inside), 400, bank)
        watch.stopped("one for somebody else", pete.ask(
            "POST", f"/identity/v3/users/{self.ann.id}/application_credentials", body, self.inside), 403, bank)
        end = int(time.time()) + 8
        short = make("short", expires_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end)))
        short = short["application_credential"]
        token = enter(short).must(201).token
        gone = enter(make("gone")["application_credential"]).must(201).token
        kept = until("the pause is over", 20, lambda: enter(plain).token, 0.5)
        ident = next(c["id"] for c in pete.ask("GET", base, scope=self.inside).must()["application_credentials"]
                     if c["name"] == "gone")
        pete.ask("DELETE", f"{base}/{ident}", scope=self.inside).must(204)
        watch.stopped("a token of one that was deleted", self.raw(gone), 401, None, "not good")
        time.sleep(max(0.0, end + 1 - time.time()))
        watch.stopped("a token of one that has ended", self.raw(token), 401, None, "not good")
        watch.stopped("a sign-in with one that has ended", enter(short), 401, bank, "expired")
        watch.works("one that has no end", self.raw(kept), 200)
        bank.take(pete, "member", self.pay)
        watch.stopped("a token of one whose user has lost the role", self.raw(kept), 401, None, "not good")
        watch.stopped("a sign-in with it", enter(plain), 401, bank)

    def pairs_of_keys(self):
        """signed requests, replayed"""
        watch, bank = self.watch, self.bank
        kim = bank.person("kim", "member", self.pay)
        made = kim.ask("POST", f"/identity/v3/users/{kim.id}/credentials/OS-EC2", {"tenant_id": self.pay}, self.inside)
        keys = made.must(201)["credential"]

        def signed(secret=keys["secret"], age=0, **params):
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age))
            params = {"AWSAccessKeyId": keys["access"], "Action": "Test", "SignatureMethod": "HmacSHA256",
                      "SignatureVersion": "2", "Timestamp": at, **params}
            query = urllib.parse.urlencode(sorted(params.items()), quote_via=urllib.parse.quote, safe="-_.~")
            text = f"GET\nec2.example\n/\n{query}"
            mac = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()
            return {"access": keys["access"], "signature": mac, "verb": "GET", "host": "ec2.example", "path": "/",
                    "params": params}

        def trade(request, who=kim):
            return who.ask("POST", "/identity/v3/ec2tokens", {"credentials": request}, self.inside, self.sources())
        request, why = signed(), "signature, time or user is wrong, or that came twice"
        answer = watch.works("a signed request of one's own", trade(request), 200)
        watch.stopped("the same one again", trade(request), 401, bank, why)
        watch.stopped("one by somebody else", trade(signed(n=1), self.mole), 401, because=why)
        watch.stopped("one without being signed in", self.at.ask("POST", f"{self.at.tenants}/identity/v3/ec2tokens", {
            "credentials": signed(n=2)}, source=self.sources()), 401, None, "no token was sent")
        watch.stopped("one of an hour ago", trade(signed(age=3600)), 401, bank, why)
        watch.stopped("one with another secret", trade(signed("not-the-secret")), 401, bank, why + "|pause")
        changed = signed(n=3)
        watch.stopped("one whose parameters were changed",
                      trade(changed | {"params": changed["params"] | {"Action": "More"}}),
                      401, bank, why + "|pause")
        watch.stopped("the token of it for another scope", self.exchange(answer.token, self.inside), 403, bank)
        watch.stopped("the token of it makes a program", self.raw(answer.token, "POST",
                      f"/identity/v3/users/{kim.id}/application_credentials",
                      {"application_credential": {"name": "x"}}), 403,
                      bank)
        watch.stopped("the token of it makes another pair", self.raw(answer.token, "POST",
                      f"/identity/v3/users/{kim.id}/credentials/OS-EC2", {"tenant_id": self.pay}), 403, bank)

    def passed_on(self, whose, token, user, own=None):
        """What a token that was passed on makes or reads of its giver's."""
        base, ident = f"/identity/v3/users/{user.id}", own or "0" * 32
        trust = {"trust": {"trustor_user_id": user.id, "trustee_user_id": self.ann.id, "project_id": self.pay,
                           "impersonation": True, "roles": [{"name": "reader"}]}}
        for what, method, path, body in [
                ("makes an application credential", "POST", f"{base}/application_credentials",
                 {"application_credential": {"name": "more"}}),
                ("deletes one", "DELETE", f"{base}/application_credentials/{ident}", None),
                ("makes a pair of keys", "POST", f"{base}/credentials/OS-EC2", {"tenant_id": self.pay}),
                ("makes a second factor", "POST", "/identity/v3/credentials", {"credential": {"type": "totp"}}),
                ("lists credentials", "GET", "/identity/v3/credentials", None),
                ("passes its roles on", "POST", "/identity/v3/OS-TRUST/trusts", trust)]:
            self.watch.stopped(f"{whose} {what}", self.raw(token, method, path, body), 403, self.bank)

    def trusts(self):
        """chains of trusts, to get more than was given"""
        watch, bank = self.watch, self.bank
        tara, bert, carl, dave = (bank.person(name, "member" if name == "tara" else None, self.pay)
                                  for name in ("tara", "bert", "carl", "dave"))
        path = "/identity/v3/OS-TRUST/trusts"

        def words(trustor, trustee, role="member", **more):
            return {"trust": {"trustor_user_id": trustor.id, "trustee_user_id": trustee.id, "project_id": self.pay,
                              "impersonation": False, "roles": [{"name": role}], **more}}

        def make(*args, **more):
            return tara.ask("POST", path, words(tara, *args, **more), self.inside)

        def enter(who, trust):
            return who.sign_in(by_trust(trust), source=self.sources())
        new = {"network": {"name": "by-trust"}}
        low = make(bert, "reader").must(201)["trust"]["id"]
        token = enter(bert, low).must(201).token
        watch.works("a reader by a trust reads", self.raw(token), 200)
        watch.stopped("a reader by a trust writes", self.raw(token, "POST", body=new), 403, bank)
        watch.stopped("a trust's token for another scope", self.exchange(token, self.inside), 403, bank)
        watch.stopped("a trust's token for no scope", self.exchange(token, UNSCOPED), 403, bank)
        self.passed_on("a trust's token", token, bert)
        watch.stopped("a trust that may not be passed on", self.raw(token, "POST", path, words(bert, carl, "reader")),
                      403,
                      bank, "cannot be passed on")
        watch.stopped("the trustee makes the trust last", bert.ask("DELETE", f"{path}/{low}"), (403, 404), bank)
        watch.stopped("somebody else's trust", enter(carl, low), 401, bank, "somebody else's")
        watch.stopped("a trust with a role that one lacks", make(bert, "manager"), 404, bank)
        watch.stopped("a trust in somebody else's name", tara.ask("POST", path, words(self.ann, bert), self.inside),
                      403, bank)
        watch.stopped("a trust for a project that the token is not for", make(bert, project_id=self.treasury), 403,
                      bank)
        watch.stopped("a trust for another institution's user", make(self.bob), 404, bank)
        once = make(bert, remaining_uses=1).must(201)["trust"]["id"]
        watch.works("a trust for one sign-in", enter(bert, once), 201)
        watch.stopped("the second one", enter(bert, once), 403, bank, "no remaining uses")

        end = lambda seconds: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        chain = make(bert, "reader", allow_redelegation=True, redelegation_count=2, expires_at=end(600))
        token = enter(bert, chain.must(201)["trust"]["id"]).must(201).token
        on = lambda *args, **more: self.raw(token, "POST", path, words(bert, carl, *args, **more))
        watch.stopped("passed on with a higher role", on("member"), (403, 404), bank)
        watch.stopped("passed on in the trustor's name", on("reader", impersonation=True), 403, bank)
        watch.stopped("passed on for longer", on("reader", expires_at=end(1200)), 403, bank)
        watch.stopped("passed on further than allowed", on("reader", allow_redelegation=True, redelegation_count=3),
                      403, bank)
        middle = on("reader", allow_redelegation=True).must(201)["trust"]["id"]
        token = enter(carl, middle).must(201).token
        last = self.raw(token, "POST", path, words(carl, dave, "reader")).must(201)["trust"]["id"]
        token = enter(dave, last).must(201).token
        watch.works("passed on as allowed, twice", self.raw(token), 200)
        watch.stopped("the last of the chain writes", self.raw(token, "POST", body=new), 403, bank)
        watch.stopped("the last of the chain passes it on",
                      self.raw(token, "POST", path, words(dave, self.ann, "reader")),
                      403, bank)
        bank.take(tara, "member", self.pay)
        watch.stopped("the chain, after its first has lost the role", self.raw(token), 401, None, "not good")
        bank.give(tara, "member", self.pay)
        watch.works("the role is back", self.raw(token), 200)
        bank.manage("PATCH", f"/identity/v3/users/{carl.id}", {"user": {"enabled": False}})
        watch.stopped("the chain, after one in its middle was disabled", self.raw(token), 401, None, "not good")
        bank.manage("PATCH", f"/identity/v3/users/{carl.id}", {"user": {"enabled": True}})
        token = dave.sign_in(by_trust(last)).must(201).token
        bert.ask("DELETE", f"{path}/{middle}").must(204)
        watch.stopped("the chain, after its middle was taken back", self.raw(token), 401, None, "not good")

    # A tenant's own people ---------------------------------------------------------------------------------------

    def sub_account(self):
        """a sub-account that wants more: roles, neighbours, other institutions, groups"""
        watch, bank, fund, mole = self.watch, self.bank, self.fund, self.mole
        pam, rita = bank.person("pam", "manager", self.pay), bank.person("rita", "reader", self.pay)
        role, v3 = self.at.role, "/identity/v3"
        group = bank.manage("POST", f"{v3}/groups", {"group": {"name": "keepers", "domain_id": bank.id}})["group"]["id"]
        bank.manage("PUT", f"{v3}/domains/{bank.id}/groups/{group}/roles/{role('manager')}")

        def grasps(who):
            return [
                ("the manager's role in the institution", "PUT",
                 f"{v3}/domains/{bank.id}/users/{who.id}/roles/{role('manager')}", None, 403),
                ("the manager's role in its project", "PUT",
                 f"{v3}/projects/{self.pay}/users/{who.id}/roles/{role('manager')}", None, 403),
                ("a role in the project beside it", "PUT",
                 f"{v3}/projects/{self.treasury}/users/{who.id}/roles/{role('reader')}", None, 403),
                ("a role by inheritance", "PUT", f"{v3}/OS-INHERIT/domains/{bank.id}/users/{who.id}/roles/"
                 f"{role('manager')}/inherited_to_projects", None, 403),
                ("a duty of the provider's", "PUT", f"{v3}/system/users/{who.id}/roles/{role('system_admin')}", None,
                 403),
                ("the managers' group", "PUT", f"{v3}/groups/{group}/users/{who.id}", None, 404),
                ("a group of its own", "POST", f"{v3}/groups", {"group": {"name": "mine", "domain_id": bank.id}}, 403),
                ("an account of its own", "POST", f"{v3}/users", {"user": {
                    "name": "mine", "domain_id": bank.id, "password": password()}}, 403),
                ("a project of its own", "POST", f"{v3}/projects",
                 {"project": {"name": "mine", "domain_id": bank.id}}, 403),
                ("another name", "PATCH", f"{v3}/users/{who.id}", {"user": {"name": "b\u043ess"}}, (403, 404)),
                ("a password that does not expire", "PATCH", f"{v3}/users/{who.id}", {"user": {
                    "options": {"ignore_password_expiry": True}}}, (403, 404)),
                ("milder rules for passwords", "PATCH", f"{v3}/domains/{bank.id}/config", {"config": {
                    "security_compliance": {"minimum_length": 8}}}, 403),
                ("a higher limit", "POST", f"{v3}/limits", {"limits": [{
                    "project_id": self.pay, "resource_name": "instances", "resource_limit": 999}]}, (403, 400)),
                ("an approval rule", "POST", "/approval/v1/rules", self.rule(), 403)]
        self.all(mole, self.inside, [(f"a member gives itself {w}", *rest) for w, *rest in grasps(mole)], bank)
        self.all(pam, self.inside, [(f"a project's manager gives itself {w}", *rest) for w, *rest in grasps(pam)], bank)
        watch.works("a project's manager works in it", pam.ask("POST", "/network/v2.0/networks", {
            "network": {"name": "pams"}}, self.inside), 201)
        self.all(rita, self.inside, [
            ("a reader makes a network", "POST", "/network/v2.0/networks", {"network": {"name": "x"}}, 403),
            ("a reader deletes a server", "DELETE", f"/compute/v2.1/servers/{self.server}", None, 403),
            ("a reader stops a server", "POST", f"/compute/v2.1/servers/{self.server}/action", {"os-stop": None}, 403),
            ("a reader reads a console", "POST", f"/compute/v2.1/servers/{self.server}/action", {
                "os-getConsoleOutput": {}}, 403)], bank)
        watch.works("a reader reads", rita.ask("GET", f"/compute/v2.1/servers/{self.server}", scope=self.inside), 200)

        reads = [("a colleague's account", "GET", f"{v3}/users/{self.ann.id}", None, 404),
                 ("a colleague's password", "PATCH", f"{v3}/users/{self.ann.id}", {"user": {"password": password()}},
                  404),
                 ("a colleague's programs", "POST", f"{v3}/users/{self.ann.id}/application_credentials", {
                     "application_credential": {"name": "x"}}, 403),
                 ("a colleague's factors", "POST", f"{v3}/users/{self.ann.id}/OS-JINYUN/reset_factors", None, 404),
                 ("the other project's network", "GET", f"/network/v2.0/networks/{self.far_net}", None, 404),
                 ("the other project's network, to delete", "DELETE", f"/network/v2.0/networks/{self.far_net}", None,
                  404),
                 ("the other project's volumes", "GET", f"/volume/v3/{self.treasury}/volumes", None, (400, 404)),
                 ("the other project", "GET", f"{v3}/projects/{self.treasury}", None, 404),
                 ("the other institution", "GET", f"{v3}/domains/{fund.id}", None, 404),
                 ("its project", "GET", f"{v3}/projects/{self.trading}", None, 404),
                 ("its user", "GET", f"{v3}/users/{self.bob.id}", None, 404),
                 ("its network", "GET", f"/network/v2.0/networks/{self.fund_net}", None, 404),
                 ("its journal", "GET", f"/journal/v1/entries?institution={fund.id}", None, 404),
                 ("its own institution's journal", "GET", "/journal/v1/entries", None, 403),
                 ("everybody's journal", "GET", "/journal/v1/entries?institution=*", None, 403),
                 ("the provider's journal", "GET", "/journal/v1/entries?institution=default", None, (403, 404)),
                 ("its own institution's export", "GET", "/journal/v1/export", None, 403),
                 ("one entry", "GET", "/journal/v1/entries/3", None, 403)]
        self.all(mole, self.inside, [(f"a member reaches for {w}", *rest) for w, *rest in reads], bank)
        for what, scope in [("the other project", self.inside_treasury),
                            ("the other institution's project", self.inside_fund),
                            ("the institution", bank.scope), ("the other institution", fund.scope),
                            ("the system", SYSTEM)]:
            watch.stopped(f"a member signs in to {what}", mole.sign_in(scope), 401, bank, "no role")
        ask = lambda path: mole.ask("GET", path, scope=self.inside).must(200)
        users = mole.ask("GET", f"{v3}/users", scope=self.inside)
        watch.holds("a list of users is refused, or holds itself alone",
                    users.status == 403 or names(users.must(200), "users") == {mole.id}, users.text)
        others = [line for line in ask(f"{v3}/role_assignments")["role_assignments"] if line["user"]["id"] != mole.id]
        watch.holds("a list of roles holds its own alone", not others, others)
        watch.holds("a list of projects holds its own alone", names(ask(f"{v3}/projects"), "projects") == {self.pay})
        nets = names(ask("/network/v2.0/networks"), "networks")
        watch.holds("a list of networks holds its project's alone", self.net in nets and not nets & {
            self.far_net, self.fund_net}, nets)

    def another_manager(self):
        """another institution's manager: people, projects, journal, names that look alike"""
        watch, bank, fund = self.watch, self.bank, self.fund
        boss, role, v3 = fund.boss, self.at.role, "/identity/v3"
        group = fund.manage("POST", f"{v3}/groups", {"group": {"name": "crew", "domain_id": fund.id}})["group"]["id"]
        theirs = bank.manage("POST", f"{v3}/groups", {"group": {"name": "theirs", "domain_id": bank.id}})["group"]["id"]
        here = lambda who: f"{v3}/projects/{self.trading}/users/{who}/roles/{role('member')}"
        self.all(boss, fund.scope, [(f"another manager: {w}", *rest) for w, *rest in [
            ("itself as the institution's manager", "PUT",
             f"{v3}/domains/{bank.id}/users/{boss.id}/roles/{role('manager')}",
             None, 404),
            ("itself in its project", "PUT", f"{v3}/projects/{self.pay}/users/{boss.id}/roles/{role('reader')}", None,
             404),
            ("itself as a system administrator", "PUT", f"{v3}/system/users/{boss.id}/roles/{role('system_admin')}",
             None,
             (403, 404)),
            ("its user into one's own project", "PUT", here(self.ann.id), None, 404),
            ("its user into one's own group", "PUT", f"{v3}/groups/{group}/users/{self.ann.id}", None, 404),
            ("oneself into its group", "PUT", f"{v3}/groups/{theirs}/users/{boss.id}", None, 404),
            ("its group into one's own project", "PUT", f"{v3}/projects/{self.trading}/groups/{theirs}/roles/"
             f"{role('member')}", None, 404),
            ("an account in it", "POST", f"{v3}/users", {"user": {
                "name": "guest", "domain_id": bank.id, "password": password()}}, (403, 404)),
            ("a project in it", "POST", f"{v3}/projects", {"project": {"name": "guest", "domain_id": bank.id}},
             (403, 404)),
            ("a project below its project", "POST", f"{v3}/projects", {"project": {
                "name": "guest", "domain_id": fund.id, "parent_id": self.pay}}, 400),
            ("the institution itself", "GET", f"{v3}/domains/{bank.id}", None, 404),
            ("the institution disabled", "PATCH", f"{v3}/domains/{bank.id}", {"domain": {"enabled": False}},
             (403, 404)),
            ("its rules for passwords", "PATCH", f"{v3}/domains/{bank.id}/config", {"config": {"security_compliance": {
                "minimum_length": 8}}}, 404),
            ("its user's password", "PATCH", f"{v3}/users/{self.ann.id}", {"user": {"password": password()}}, 404),
            ("its user's factors", "POST", f"{v3}/users/{self.ann.id}/OS-JINYUN/reset_factors", None, 404),
            ("its user's networks", "PUT", f"{v3}/users/{self.ann.id}/OS-JINYUN/access", {"access": {"sources": []}},
             404),
            ("its journal", "GET", f"/journal/v1/entries?institution={bank.id}", None, 404),
            ("an entry of it", "GET",
             f"/journal/v1/entries/{bank.manage('GET', '/journal/v1/entries')['entries'][0]['number']}",
             None, 404),
            ("an export of it", "GET", f"/journal/v1/export?institution={bank.id}", None, 404),
            ("everybody's journal", "GET", "/journal/v1/entries?institution=*", None, 403),
            ("the provider's journal", "GET", "/journal/v1/entries?institution=default", None, (403, 404)),
            ("a consent in its name", "POST", "/approval/v1/consents", {"consent": {
                "domain_id": bank.id, "duty": "system_admin", "actions": ["compute:server:show"], "reason": "x",
                "until": "2037-01-01T00:00:00Z"}}, (403, 404)),
            ("a server of its own institution", "GET", f"/compute/v2.1/servers/{self.server}", None, (403, 404)),
            ("the last manager's role away from itself", "DELETE",
             f"{v3}/domains/{fund.id}/users/{boss.id}/roles/{role('manager')}", None, 409),
            ("itself disabled, the last manager", "PATCH", f"{v3}/users/{boss.id}", {"user": {"enabled": False}},
             409)]], fund)
        ask = lambda path: boss.ask("GET", path, scope=fund.scope).must(200)
        watch.holds("another manager: lists of the institution's users and projects are empty",
                    not ask(f"{v3}/users?domain_id={bank.id}")["users"]
                    and not ask(f"{v3}/projects?domain_id={bank.id}")["projects"])
        for what, name, status in [
                ("in capitals", "BOSS", 409), ("full width", "\uff42\uff4f\uff53\uff53", 409),
                ("with a space behind it", "boss ", 409), ("with a Cyrillic letter", "b\u043ess", 400),
                ("with a Greek letter", "b\u03bfss", 400), ("with a character that does not show", "bo\u200bss", 400),
                ("written backwards by a control", "\u202essob", 400), ("with a soft hyphen", "bo\u00adss", 400)]:
            body = {"user": {"name": name, "domain_id": fund.id, "password": password()}}
            watch.stopped(f"an account that looks like the manager's: {what}", boss.ask("POST", f"{v3}/users", body,
                          fund.scope), status, fund)
            watch.stopped(f"an account renamed to that: {what}", boss.ask("PATCH", f"{v3}/users/{self.bob.id}", {
                "user": {"name": name}}, fund.scope), status, fund)
        for many, one, name in [("projects", "project", "\uff34\uff32\uff21\uff24\uff29\uff2e\uff27"),
                                ("groups", "group", "CREW ")]:
            watch.stopped(f"a {one} whose name looks like another's", boss.ask("POST", f"{v3}/{many}", {
                one: {"name": name, "domain_id": fund.id}}, fund.scope), 409, fund)
        watch.stopped("an institution whose name looks like another's",
                      self.at.by("secadmin", "POST", f"{v3}/domains", {
            "domain": {"name": "\uff22\uff21\uff2e\uff2b"}}), 409)
        watch.works("another manager: a role in one's own project",
                    boss.ask("PUT", here(self.bob.id), scope=fund.scope), 204)
        watch.works("another manager: one's own journal", boss.ask("GET", "/journal/v1/entries", scope=fund.scope), 200)

    # The provider's administrators -------------------------------------------------------------------------------

    def staff(self, name, rows, own=None):
        for what, method, path, body, status, *more in rows:
            self.watch.stopped(f"{name}: {what}", self.at.by(name, method, path, body), status, *(more or [own]))

    def into_tenants(self):
        """What no duty opens, whoever has it."""
        server, net = f"/compute/v2.1/servers/{self.server}", f"/network/v2.0/networks/{self.net}"
        return [("a tenant's server", "GET", server, None, 403),
                ("a tenant's server, to stop", "POST", f"{server}/action", {"os-stop": None}, 403),
                ("a tenant's server, to delete", "DELETE", server, None, 403),
                ("a tenant's console", "POST", f"{server}/action", {"os-getConsoleOutput": {}}, 403),
                ("all tenants' servers", "GET", "/compute/v2.1/servers?all_tenants=1", None, 403),
                ("a tenant's network", "GET", net, None, 403),
                ("a tenant's network, to delete", "DELETE", net, None, 403),
                ("a tenant's volumes", "GET", f"/volume/v3/{self.pay}/volumes", None, (400, 403)),
                ("a tenant's volume", "DELETE", f"/volume/v3/{self.pay}/volumes/{self.volume}", None, (400, 403)),
                ("a tenant's image", "GET", f"/image/v2/images/{self.image}", None, (403, 404)),
                ("a tenant's image, its data", "GET", f"/image/v2/images/{self.image}/file", None, (403, 404)),
                ("a server in a tenant's name", "POST", "/compute/v2.1/servers", {"server": {
                    "name": "x", "imageRef": self.image, "flavorRef": self.tiny, "networks": "none"}}, 403)]

    def people(self):
        """What only people's administrators do, or nobody."""
        v3, ann = "/identity/v3", self.ann.id
        return [("a role in a tenant's project", "PUT", f"{v3}/projects/{self.pay}/users/{ann}/roles/"
                 f"{self.at.role('manager')}", None, 403),
                ("an account in an institution", "POST", f"{v3}/users", {"user": {
                    "name": "planted", "domain_id": self.bank.id, "password": password()}}, 403),
                ("an account of staff", "POST", f"{v3}/users", {"user": {
                    "name": "planted", "domain_id": "default", "password": password()}}, 403),
                ("a user's password", "PATCH", f"{v3}/users/{ann}", {"user": {"password": password()}}, 403),
                ("a user's account, to close", "PATCH", f"{v3}/users/{ann}", {"user": {"enabled": False}}, 403),
                ("a user's account, to delete", "DELETE", f"{v3}/users/{ann}", None, 403),
                ("a user's factors", "POST", f"{v3}/users/{ann}/OS-JINYUN/reset_factors", None, 403),
                ("a user's lock", "DELETE", f"{v3}/users/{ann}/OS-JINYUN/lockout", None, 403),
                ("a user's networks", "PUT", f"{v3}/users/{ann}/OS-JINYUN/access", {"access": {"sources": []}}, 403),
                ("an institution", "POST", f"{v3}/domains", {"domain": {"name": "planted"}}, 403),
                ("an institution, to close", "PATCH", f"{v3}/domains/{self.bank.id}", {"domain": {"enabled": False}},
                 403),
                ("an institution's rules", "PATCH", f"{v3}/domains/{self.bank.id}/config", {"config": {
                    "security_compliance": {"minimum_length": 8}}}, 403),
                ("a project", "POST", f"{v3}/projects", {"project": {"name": "x", "domain_id": self.bank.id}}, 403),
                ("a group", "POST", f"{v3}/groups", {"group": {"name": "x", "domain_id": self.bank.id}}, 403),
                ("an approval rule", "POST", "/approval/v1/rules", self.rule(stages=[{"duty": "security_admin"}]), 403)]

    def administrators(self):
        """each of the provider's administrators, beyond the duty"""
        watch, bank, at, v3, role = self.watch, self.bank, self.at, "/identity/v3", self.at.role
        ids = at.staff_ids
        for name in ("sysadmin", "secadmin", "auditor"):
            at.administrator(name)
            self.staff(name, self.into_tenants())
        duty = lambda who, word: f"{v3}/system/users/{ids[who]}/roles/{role(word)}"
        self.staff("sysadmin", self.people() + [
            ("itself as security administrator", "PUT", duty("sysadmin", "security_admin"), None, 403),
            ("the security administrator's duty away", "DELETE", duty("secadmin", "security_admin"), None, 403),
            ("a user", "GET", f"{v3}/users/{self.ann.id}", None, 403),
            ("everybody's journal", "GET", "/journal/v1/entries?institution=*", None, 403),
            ("an institution's journal", "GET", f"/journal/v1/entries?institution={bank.id}", None, 403),
            ("the provider's journal", "GET", "/journal/v1/entries?institution=default", None, 403)])
        users = at.by("sysadmin", "GET", f"{v3}/users?domain_id={bank.id}")
        watch.holds("sysadmin: the list of an institution's users is refused, or empty",
                    users.status == 403 or users.must(200)["users"] == [], users.text)
        watch.works("sysadmin: hosts", at.by("sysadmin", "GET", "/compute/v2.1/os-hypervisors"), 200)
        watch.works("sysadmin: a limit", at.by("sysadmin", "POST", f"{v3}/limits", {"limits": [{
            "project_id": self.pay, "resource_name": "instances", "resource_limit": 50}]}), 201)

        mine = f"{v3}/domains/{bank.id}/users/{{}}/roles/{role('manager')}"
        self.staff("secadmin", [
            ("a second duty for itself", "PUT", duty("secadmin", "system_admin"), None, 403),
            ("a second duty for another", "PUT", duty("auditor", "system_admin"), None, 409),
            ("its own duty away", "DELETE", duty("secadmin", "security_admin"), None, 403),
            ("the last auditor's duty away", "DELETE", duty("auditor", "audit_admin"), None, 409),
            ("the last auditor's account closed", "PATCH", f"{v3}/users/{ids['auditor']}",
             {"user": {"enabled": False}}, 409),
            ("another's password", "PATCH", f"{v3}/users/{ids['auditor']}", {"user": {"password": password()}}, 403),
            ("a limit", "POST", f"{v3}/limits", {"limits": [{"project_id": self.pay, "resource_name": "instances",
                                                            "resource_limit": 1}]}, 403),
            ("everybody's journal", "GET", "/journal/v1/entries?institution=*", None, 403),
            ("an institution's journal", "GET", f"/journal/v1/entries?institution={bank.id}", None, 403)])
        # Here policy lets the duty come near, and the institution's manager is in the way: it is their business too.
        self.staff("secadmin", [
            ("an account in an institution with a manager", "POST", f"{v3}/users", {"user": {
                "name": "planted", "domain_id": bank.id, "password": password()}}, 403),
            ("a role in a project there", "PUT",
             f"{v3}/projects/{self.pay}/users/{self.ann.id}/roles/{role('manager')}",
             None, 403),
            ("a manager of its own there", "PUT", mine.format(self.mole.id), None, 403),
            ("itself as the manager there", "PUT", mine.format(ids["secadmin"]), None, 403),
            ("the manager's role away", "DELETE", mine.format(bank.boss.id), None, 403),
            ("the manager's password", "PATCH", f"{v3}/users/{bank.boss.id}", {"user": {"password": password()}}, 403),
            ("the manager's account closed", "PATCH", f"{v3}/users/{bank.boss.id}", {"user": {"enabled": False}}, 403),
            ("the manager's account deleted", "DELETE", f"{v3}/users/{bank.boss.id}", None, 403),
            ("the manager's factors", "POST", f"{v3}/users/{bank.boss.id}/OS-JINYUN/reset_factors", None, 403),
            ("a user's lock", "DELETE", f"{v3}/users/{self.ann.id}/OS-JINYUN/lockout", None, 403),
            ("a user's networks", "PUT", f"{v3}/users/{self.ann.id}/OS-JINYUN/access", {"access": {"sources": []}},
             403),
            ("the institution's rules", "PATCH", f"{v3}/domains/{bank.id}/config", {"config": {
                "security_compliance": {"minimum_length": 8}}}, 403)], bank)
        watch.stopped("secadmin: a token for the institution", self.staff_sign_in(
            "secadmin", bank.scope), 401, None, "no role")
        # What the duty may do to an institution is not stopped, and seen by it.
        token = self.bob.token(self.inside_fund)
        closed = at.by("secadmin", "PATCH", f"{v3}/domains/{self.fund.id}", {"domain": {"enabled": False}}).must(200)
        used, entered = self.raw(token), self.bob.sign_in(source=self.sources())
        at.by("secadmin", "PATCH", f"{v3}/domains/{self.fund.id}", {"domain": {"enabled": True}}).must(200)
        for person in self.fund.people.values():
            person.kept.clear()
        watch.stopped("a token of an institution that is closed", used, 401, None, "not good")
        watch.stopped("a sign-in to it", entered, 401, self.fund, "disabled")
        watch.stopped("the token, after the institution is open again", self.raw(token), 401, None, "not good")
        own = watch.entries({"request": closed.request}, self.fund)
        watch.holds("secadmin: an institution closed (the duty may): its own journal has it", len(own) == 1, own,
                    f"fund {own[0]['number'] if own else '-'}: {own[0]['action'] if own else ''}")
        made = at.by("secadmin", "POST", f"{v3}/domains", {"domain": {"name": "young"}})
        watch.works("secadmin: an institution, and its first user while it has no manager", made, 201)
        watch.works("secadmin: that user", at.by("secadmin", "POST", f"{v3}/users", {"user": {
            "name": "first", "domain_id": made["domain"]["id"], "password": password()}}), 201)

        self.staff("auditor", self.people() + [
            ("itself as system administrator", "PUT", duty("auditor", "system_admin"), None, 403),
            ("a duty away", "DELETE", duty("sysadmin", "system_admin"), None, 403),
            ("a limit", "POST", f"{v3}/limits", {"limits": [{"project_id": self.pay, "resource_name": "instances",
                                                            "resource_limit": 1}]}, 403),
            ("a flavor", "POST", "/compute/v2.1/flavors", {"flavor": {"name": "x", "ram": 64, "vcpus": 1, "disk": 1}},
             403),
            ("a flavor, to delete", "DELETE", f"/compute/v2.1/flavors/{self.tiny}", None, 403),
            ("a public image", "POST", "/image/v2/images",
             {"name": "x", "disk_format": "raw", "container_format": "bare",
                                                           "visibility": "public"}, 403),
            ("a consent", "POST", "/approval/v1/consents", {"consent": {
                "domain_id": bank.id, "duty": "system_admin", "actions": ["compute:server:show"], "reason": "x",
                "until": "2037-01-01T00:00:00Z"}}, 403)])
        watch.works("auditor: the institution's journal", at.by(
            "auditor", "GET", f"/journal/v1/entries?institution={bank.id}"), 200)
        watch.works("auditor: users", at.by("auditor", "GET", f"{v3}/users?domain_id={bank.id}"), 200)

    def listeners(self):
        """the wrong listener"""
        watch, at, bank, v3 = self.watch, self.at, self.bank, "/identity/v3"
        for name in ("sysadmin", "secadmin", "auditor"):
            token = at.administrator(name).token()
            for path in (f"{v3}/domains", "/compute/v2.1/os-hypervisors", "/journal/v1/entries"):
                watch.stopped(f"{name}'s token at the tenants' listener: {path}", self.raw(token, path=path), 403, None,
                              "management listener only")
        watch.works("at the management listener", at.by("secadmin", "GET", f"{v3}/domains"), 200)
        token, boss = self.ann.token(self.inside), bank.boss.token(bank.scope)
        for what, who, method, path, body in [
                ("a member", token, "PATCH", f"{v3}/users/{at.staff_ids['auditor']}",
                 {"user": {"password": password()}}),
                ("a member", token, "POST", "/compute/v2.1/flavors",
                 {"flavor": {"name": "x", "ram": 64, "vcpus": 1, "disk": 1}}),
                ("a manager", boss, "POST", f"{v3}/domains", {"domain": {"name": "x"}}),
                ("a manager", boss, "GET", "/journal/v1/entries?institution=*", None),
                ("a manager", boss, "POST", f"{v3}/limits", {"limits": [{
                    "project_id": self.pay, "resource_name": "instances", "resource_limit": 99}]})]:
            watch.stopped(f"{what} at the management listener: {method} {path}", at.ask(
                method, at.management + path, body, who, self.sources()), (403, 404), bank)
        watch.stopped("a tenant signs in there for the system", self.ann.sign_in(SYSTEM, listener=at.management), 401,
                      bank,
                      "no role")
        # Whoever is at the tenants' door must not shut staff out: five guesses that count, in the pace that counts.
        user, source = at.administrator("sysadmin").name(), self.sources()
        for n, pause in enumerate((0, 0, 0, 1.2, 2.2)):
            time.sleep(pause)
            proofs = {"password": {"user": user | {"password": f"Winter-2025-{n}"}}}
            auth = {"identity": {"methods": ["password"], **proofs}, "scope": SYSTEM}
            answer = at.ask("POST", f"{at.tenants}{v3}/auth/tokens", {"auth": auth}, source=source)
            watch.stopped(f"an administrator's password, guessed at the tenants' listener ({n + 1})", answer, 401)
        answer = self.staff_sign_in("sysadmin", SYSTEM)
        watch.holds("that does not shut the administrator out of the management listener", answer.status == 201,
                    answer.text,
                    did=answer.did)
        if answer.status != 201:
            at.by("secadmin", "DELETE", f"{v3}/users/{at.staff_ids['sysadmin']}/OS-JINYUN/lockout").must(204)

    # Approvals and consents --------------------------------------------------------------------------------------

    def approvals(self):
        """approvals, got around"""
        watch, bank, v1 = self.watch, self.bank, "/approval/v1"
        place = bank.project("guarded")
        scope = in_project(place)
        amy = bank.person("amy", "manager", place)
        bank.give(amy, "manager")  # in the domain, too: she may vote, not on what she asked for
        second, third, gone = (bank.person(name, "manager") for name in ("second", "third", "gone"))
        rule = bank.manage("POST", f"{v1}/rules", self.rule(project_id=place, guarded=True, stages=[
            {"role": "manager", "in": "domain", "count": 2}]))["rule"]["id"]

        def ask():
            net = self.network(amy, scope)
            answer = amy.ask("DELETE", f"/network/v2.0/networks/{net}", scope=scope)
            found = re.search(r"request ([0-9a-f-]{32,36})", answer.message)
            expect(answer.status == 403 and found, "it does not wait", answer.did, answer.text)
            return net, found[1], answer

        def vote(who, ident, approve=True, at=None):
            return who.ask("POST", f"{v1}/requests/{ident}/vote", {"approve": approve}, at or bank.scope)
        net, ident, answer = ask()
        watch.stopped("done without asking: it waits", answer, 403, bank, "waits as request", outcome="waiting")
        watch.works("it is not done", amy.ask("GET", f"/network/v2.0/networks/{net}", scope=scope), 200)
        watch.stopped("one's own vote", vote(amy, ident), 403, bank, "cannot approve it")
        watch.stopped("one's own vote, with the project's token", vote(amy, ident, at=scope), 403, bank)
        watch.stopped("a member's vote", vote(self.mole, ident, at=self.inside), 404, bank)
        watch.stopped("another institution's manager's vote", self.fund.boss.ask(
            "POST", f"{v1}/requests/{ident}/vote", {"approve": True}, self.fund.scope), 404, self.fund)
        for name in ("sysadmin", "secadmin", "auditor"):
            watch.stopped(f"{name}'s vote", self.at.by(name, "POST", f"{v1}/requests/{ident}/vote", {"approve": True}),
                          (403, 404), None if name != "auditor" else bank)
        watch.works("a first vote", vote(second, ident), 200)
        watch.stopped("the same one's second vote", vote(second, ident), 409, bank, "have voted")
        token = gone.token(bank.scope)
        bank.take(gone, "manager")
        watch.stopped("a vote after the role was taken", self.raw(token, "POST", f"{v1}/requests/{ident}/vote", {
            "approve": True}), 401, None, "not good")
        watch.stopped("the reason changed after a vote", amy.ask("POST", f"{v1}/requests/{ident}/reason", {
            "reason": "another one"}, bank.scope), 409, bank)
        answer = amy.ask("PATCH", f"{v1}/rules/{rule}", {"rule": {"stages": [{"users": [amy.id]}]}}, bank.scope)
        watch.stopped("the rule made milder first", answer, 202, bank, outcome="waiting")
        watch.stopped("the rule taken away first", amy.ask("DELETE", f"{v1}/rules/{rule}", scope=bank.scope), 202, bank,
                      outcome="waiting")
        watch.holds("the rule is as it was",
                    bank.boss.ask("GET", f"{v1}/rules/{rule}", scope=bank.scope).must()["rule"][
            "stages"] == [{"role": "manager", "in": "domain", "count": 2}])
        watch.works("the request still waits", amy.ask("GET", f"/network/v2.0/networks/{net}", scope=scope), 200)
        watch.works("the second vote, of somebody else: it runs", vote(third, ident), 200)
        watch.works("it is done", amy.ask("GET", f"/network/v2.0/networks/{net}", scope=scope), 404)
        watch.stopped("a vote on what is over", vote(bank.boss, ident), 409, bank, "done already")
        net, ident, _ = ask()
        bank.take(amy, "manager", place)
        bank.take(amy, "manager")
        for who in (second, third):
            vote(who, ident).must(200)
        state = third.ask("GET", f"{v1}/requests/{ident}", scope=bank.scope).must()["request"]
        watch.holds("approved after whoever asked has lost the role: it fails",
                    state["state"] == "failed" and state["outcome"]["refused"]["code"] == "forbidden", state)
        bank.give(amy, "manager", place)
        watch.works("and is not done", amy.ask("GET", f"/network/v2.0/networks/{net}", scope=scope), 200)
        self.votes_passed_on(amy, second, place)
        loose = bank.manage("POST", f"{v1}/rules", self.rule("network:network:update", project_id=place))["rule"]["id"]
        answer = amy.ask("PUT", f"/network/v2.0/networks/{net}", {"network": {"name": "renamed"}}, scope)
        ident = re.search(r"request ([0-9a-f-]{32,36})", answer.message)[1]
        bank.manage("PATCH", f"{v1}/rules/{loose}", {"rule": {"stages": [{"users": [third.id]}]}})
        vote(second, ident).must(200)
        state = second.ask("GET", f"{v1}/requests/{ident}", scope=bank.scope).must()["request"]
        watch.holds("votes under a rule that was changed meanwhile do not count: it fails",
                    state["state"] == "failed" and state["outcome"]["refused"]["code"] == "conflict", state)

    def votes_passed_on(self, amy, second, place):
        """Whoever asks must not vote in somebody else's name, nor have a program vote."""
        watch, bank, v1, scope = self.watch, self.bank, "/approval/v1", in_project(place)
        bank.give(second, "manager", place)
        rule = bank.manage("POST", f"{v1}/rules", self.rule("network:network:update", project_id=place, stages=[
            {"role": "manager", "in": "project"}]))["rule"]["id"]
        trust = second.ask("POST", "/identity/v3/OS-TRUST/trusts", {"trust": {
            "trustor_user_id": second.id, "trustee_user_id": amy.id, "project_id": place, "impersonation": True,
            "roles": [{"name": "manager"}]}}, scope).must(201)["trust"]["id"]
        program = second.ask("POST", f"/identity/v3/users/{second.id}/application_credentials", {
            "application_credential": {"name": "voter"}}, scope).must(201)["application_credential"]
        proofs = {"application_credential": {"id": program["id"], "secret": program["secret"]}}
        net = self.network(amy, scope)
        for what, token in [("by the trust of somebody who may vote, in that one's name",
                             amy.sign_in(by_trust(trust)).token),
                            ("by a program of somebody who may vote", second.sign_in(None, proofs=proofs).token)]:
            answer = amy.ask("PUT", f"/network/v2.0/networks/{net}", {"network": {"name": what[:20]}}, scope)
            ident = re.search(r"request ([0-9a-f-]{32,36})", answer.message)[1]
            stopped = watch.stopped(f"a vote {what}", self.raw(token, "POST", f"{v1}/requests/{ident}/vote", {
                "approve": True}), 403, bank)
        if stopped:
            watch.works("a vote of that one's own", second.ask("POST", f"{v1}/requests/{ident}/vote", {"approve": True},
                                                               scope), 200)
        bank.manage("DELETE", f"{v1}/rules/{rule}")

    def consents(self):
        """staff with a tenant's consent, and beyond it"""
        watch, at, bank, v1 = self.watch, self.at, self.bank, "/approval/v1"
        one, other = (f"/compute/v2.1/servers/{ident}" for ident in (self.server, self.other_server))
        show = lambda path=one, name="sysadmin": at.by(name, "GET", path)
        until_ = lambda seconds: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))

        def asks(seconds=3600, **more):
            body = {"consent": {"domain_id": bank.id, "actions": ["compute:server:show"],
                                "reason": "a fault to look into",
                                "until": until_(seconds), "resource": {"kind": "server", "id": self.server}, **more}}
            return at.by("sysadmin", "POST", f"{v1}/consents", body)
        ident = asks().must(201)["consent"]["id"]
        path = f"{v1}/consents/{ident}"
        watch.stopped("used before it is granted", show(), 403)
        watch.stopped("granted by whoever asked", at.by("sysadmin", "POST", f"{path}/vote", {"approve": True}), 403)
        watch.stopped("granted by the security administrator",
                      at.by("secadmin", "POST", f"{path}/vote", {"approve": True}), 403)
        watch.stopped("granted by another institution", self.fund.boss.ask("POST", f"{path}/vote", {"approve": True},
                      self.fund.scope), 404, self.fund)
        watch.stopped("granted by a member", self.mole.ask("POST", f"{path}/vote", {"approve": True}, self.inside),
                      (403, 404),
                      bank)
        watch.stopped("asked for what no consent can open", asks(actions=["network:network:delete"]), 400, bank)
        bank.manage("POST", f"{path}/vote", {"approve": True})
        answer = watch.works("used after it is granted", show(), 200)
        used = watch.entries({"request": answer.request}, bank)
        watch.holds("the use", len(used) == 1 and used[0]["approval"] == ident, used,
                    f"bank {used[0]['number'] if used else '-'}: {used[0]['action'] if used else ''}")
        watch.stopped("beyond it: another server", show(other), 403)
        watch.stopped("beyond it: another action", at.by("sysadmin", "POST", f"{one}/action", {"os-stop": None}), 403)
        watch.stopped("beyond it: deletion", at.by("sysadmin", "DELETE", one), 403)
        shown = at.by("sysadmin", "GET", "/compute/v2.1/servers").must(200)["servers"]
        watch.holds("beyond it: the list is empty", shown == [], shown)
        watch.stopped("beyond it: another duty", show(name="secadmin"), 403)
        watch.stopped("beyond it: at the tenants' listener", self.raw(at.administrator("sysadmin").token(), path=one),
                      403)
        bank.manage("POST", f"{path}/revoke")
        watch.stopped("used after it was revoked", show(), 403)
        watch.stopped("revived by a vote", bank.boss.ask("POST", f"{path}/vote", {"approve": True}, bank.scope), 409,
                      bank)
        end = time.time() + 8
        short = asks(8).must(201)["consent"]["id"]
        bank.manage("POST", f"{v1}/consents/{short}/vote", {"approve": True})
        watch.works("one for a few seconds", show(), 200)
        time.sleep(max(0.0, end + 1 - time.time()))
        watch.stopped("used after its end", show(), 403)

