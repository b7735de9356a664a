"""The intruder who comes from outside: guesses, looks who has an account, and uses what was stolen."""

import concurrent.futures
import json
import statistics
import threading
import time

from accounts import HOME, Person, by_trust, in_project, password
from cloud import expect, until
from intruder_watch import PROVIDER, World


class Outside(World):
    # Guessing ----------------------------------------------------------------------------------------------------

    def wordlist(self):
        """a word list on one account"""
        watch, bank = self.watch, self.bank
        victim, source, told = bank.person("wanda", "member", self.pay), self.sources(), set()
        spelled = ["wanda", "WANDA", "\uff57\uff41\uff4e\uff44\uff41"]  # one account, however it is spelled

        def guess(word, n=0):
            proofs = {"password": {"user": {"name": spelled[n % 3], "domain": {"name": "BANK"}, "password": word}}}
            answer = victim.sign_in(proofs=proofs, source=source)
            told.add((answer.status, answer.text))
            return answer
        guesses, lucky = [guess(f"Winter-2025-{n}", n) for n in range(3)], guess(victim.password)
        for n, answer in enumerate(guesses):
            watch.stopped(f"guess {n + 1}", answer, 401, bank, "wrong password")
        watch.stopped("the right password, but in the pause that follows", lucky, 401, bank, "has to pause")
        path, tries = f"/identity/v3/users/{victim.id}/OS-JINYUN/lockout", 0

        def locked():
            nonlocal tries
            tries += 1
            guess(f"Summer-2025-{tries}", tries)
            return bank.manage("GET", path)["lockout"]["locked"]
        until("the account is locked", 30, locked, 0.3)
        before = bank.manage("GET", path)["lockout"]["until"]
        watch.stopped("the right password on the locked account", guess(victim.password), 401, bank, "locked")
        watch.stopped("the same from the owner's place", victim.sign_in(), 401, bank, "locked")
        watch.holds("attempts on a locked account do not lock it for longer",
                    bank.manage("GET", path)["lockout"]["until"] == before)
        watch.holds("each of these refusals is the same", len(told) == 1, told)
        locks = [e for e in watch.entries({"action": "identity:lockout:set"}, bank)
                 if any(f.get("id") == victim.id and f["kind"] == "lockout" for f in e.get("effects", []))]
        watch.holds("the lock", len(locks) == 1 and locks[0]["source"] == source, locks,
                    f"bank {locks[0]['number'] if locks else '-'}: identity:lockout:set")
        watch.works("somebody else signs in from there", self.mole.sign_in(source=source), 201)
        bank.manage("DELETE", path)
        answer = watch.works("the manager lifts the lock, and the owner signs in", victim.sign_in(), 201)
        failures = answer["token"]["jinyun_last_login"]["failures_since"]
        watch.holds("the owner is told of the failures", failures >= 5, failures)

    def spraying(self):
        """one password over many accounts, from one source"""
        watch, bank, source = self.watch, self.bank, self.sources()
        worker = bank.person("worker", "member", self.pay)
        worker.sign_in(source=source).must(201)
        clerks = [bank.person(f"clerk{n}", "member", self.pay) for n in range(7)]
        nobody = [Person(self.at, "", f"nobody{n}", bank.id, "") for n in range(4)]
        for n, who in enumerate(clerks[:6] + nobody):
            there = who in clerks
            watch.stopped(f"Spring-2025 on account {n + 1}", who.sign_in(secret="Spring-2025", source=source), 401,
                          bank if there else None, "wrong password" if there else "no such user")
        alarms = lambda: [e for e in watch.entries({"action": "identity:alarm:raise"})
                          if e["note"]["source"] == source and e["note"]["what"] == "one source, many accounts"]
        for n in range(3):
            watch.turned_away("the right password of another account, from there", clerks[6].sign_in(source=source))
        watch.turned_away("a name that nobody has, from there", nobody[0].sign_in(secret="x" * 12, source=source))
        found = alarms()
        watch.holds("one alarm", len(found) == 1 and found[0]["institution"]["id"] == PROVIDER, found,
                    f"provider {found[0]['number'] if found else '-'}: {found[0]['note']['what'] if found else ''}")
        watch.works("the same password from elsewhere", clerks[6].sign_in(), 201)
        watch.works("whoever has worked there before is not shut out", worker.sign_in(source=source), 201)
        open_ = [bank.manage("GET", f"/identity/v3/users/{c.id}/OS-JINYUN/lockout")["lockout"][
            "locked"] for c in clerks]
        watch.holds("none of the accounts is locked by one guess", not any(open_), open_)

    def many_sources(self):
        """many sources on one account"""
        watch, fund = self.watch, self.fund
        fund.policy(lockout_failure_attempts=10)  # so that the lock is not what stops it
        victim, sources = fund.person("vera", "member", self.trading), [self.sources() for _ in range(6)]

        def counted(source):
            """A guess that is looked at: one in a pause is not."""
            def look():
                answer = victim.sign_in(secret="Autumn-2025", source=source)
                reason = watch.entries({"request": answer.request})[0]["reason"]["message"]
                return answer if reason == "wrong password" else None
            return until("a guess counts", 20, look, 0.3)
        for n, source in enumerate(sources[:5]):
            watch.stopped(f"a guess from source {n + 1}", counted(source), 401, fund, "wrong password")
        alarms = lambda: [e for e in watch.entries({"action": "identity:alarm:raise"}, fund)
                          if e["note"].get("user") == victim.id]
        watch.turned_away("the right password from the fifth", victim.sign_in(source=sources[4]))
        watch.stopped("a guess from a sixth", counted(sources[5]), 401, fund, "wrong password")
        watch.turned_away("the right password from it", victim.sign_in(source=sources[5]))
        found = alarms()
        watch.holds("one alarm, the institution's own", len(found) == 1, found,
                    f"fund {found[0]['number'] if found else '-'}: {found[0]['note']['what'] if found else ''}")
        answer = until("the pause is over", 30, lambda: (a := victim.sign_in()).status == 201 and a, 0.5)
        watch.works("the owner signs in from home, once the pause is over", answer, 201)

    # Enumeration -------------------------------------------------------------------------------------------------

    def words(self):
        """who has an account, by the words of refusals"""
        watch, bank = self.watch, self.bank
        known, off, out = (bank.person(name, "member", self.pay) for name in ("known", "off", "outside"))
        nobody = Person(self.at, "0" * 32, "nobody", bank.id, "Wrong-Password-1")
        nowhere = Person(self.at, "0" * 32, "nobody", "f" * 32, "Wrong-Password-1")
        bank.manage("PATCH", f"/identity/v3/users/{off.id}", {"user": {"enabled": False}})
        bank.manage("PUT", f"/identity/v3/users/{out.id}/OS-JINYUN/access", {"access": {"sources": ["10.9.8.0/24"]}})
        wrong, ask = "Wrong-Password-1", lambda who, **more: who.sign_in(source=self.sources(), **more)
        tried = [("an unknown name", ask(nobody), None, "no such user"),
                 ("an unknown domain", ask(nowhere), None, "no such user"),
                 ("a wrong password", ask(known, secret=wrong), bank, "wrong password"),
                 ("a disabled account's right password", ask(off), bank, "disabled"),
                 ("the right password outside of the user's networks", ask(out), bank,
                  "outside of the user's networks"),
                 ("a project that one has no role in", ask(known, scope=self.inside_treasury), bank, "no role"),
                 ("a project that is not there", ask(known, scope=in_project("0" * 32)), bank, "no role"),
                 ("somebody else's trust", ask(known, scope=by_trust("0" * 32)), bank, "not there, or is somebody"),
                 ("a wrong one-time code", ask(known, proofs={"totp": {"user": known.named() | {
                     "passcode": "000000"}}}),
                  bank, "wrong or used"),
                 ("a one-time code of nobody", ask(nobody, proofs={"totp": {"user": nobody.named() | {
                     "passcode": "000000"}}}), None, "wrong or used|no such user")]
        for name, ident in (("a program that is not there", "0" * 32),
                            ("a program's wrong secret", self.program(known))):
            tried.append((name, ask(known, scope=None, proofs={"application_credential": {
                "id": ident, "secret": "not-the-secret-of-it"}}), bank if name.endswith("secret") else None, None))
        for name, who in (("an unknown id's password", nobody), ("a known id's password", known)):
            url = f"{self.at.tenants}/identity/v3/users/{who.id}/password"
            body = {"user": {"password": password(), "original_password": wrong}}
            tried.append((f"change of {name}", self.at.ask("POST", url, body, source=self.sources()),
                          bank if who is known else None, None))
        two = known.proofs() | {"totp": {"user": off.named() | {"passcode": "000000"}}}
        tried.append(("one's own password with another user's code", ask(known, proofs=two), bank, "wrong or used"))
        spoof = {"X-Forwarded-For": "10.9.8.7", "X-Real-IP": "10.9.8.7", "Forwarded": "for=10.9.8.7"}
        tried.append(("headers that name a source which is allowed", ask(out, headers=spoof), bank, "networks"))
        for what, answer, own, because in tried:
            watch.stopped(what, answer, 401, own, because)
        skip = ("date", "x-openstack-request-id")
        told = {(a.text, tuple((k, v) for k, v in a.headers.items() if k not in skip)) for _, a, _, _ in tried}
        watch.holds(f"all {len(tried)} refusals are the same, with their headers", len(told) == 1, told)
        watch.works("the one who is known signs in", known.sign_in(), 201)

    def timing(self):
        """who has an account, by the time that refusals take"""
        watch, bank, samples, rounds = self.watch, self.bank, 40, 3
        known = [bank.person(f"timed{n}") for n in range(samples * rounds // 3 + 1)]
        locked, off = bank.person("timed-locked"), bank.person("timed-off")
        bank.manage("PATCH", f"/identity/v3/users/{off.id}", {"user": {"enabled": False}})
        self.lock_out(bank, locked)
        count, wrong = iter(range(10 ** 6)), "Wrong-Password-1"
        sorts = {
            # Three failures on one account are free of a pause, which is another way through the code.
            "unknown": lambda n: ({"name": f"nobody{n // 3}", "domain": {"id": bank.id}}, wrong),
            "known": lambda n: (known[n // 3].named(), wrong),
            "locked": lambda n: (locked.named(), locked.password),
            "disabled": lambda n: (off.named(), off.password),
            # What an answer without a hash would take: refused before it, for its form.
            "no hash": lambda n: ({"name": f"nobody{n // 3}", "domain": {"id": bank.id}}, None)}

        def sample(sort, n):
            user, secret = sorts[sort](n)
            body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user | (
                {"password": secret} if secret else {})}}}}
            made = self.at.connect(self.at.tenants, self.sources())
            try:
                begin = time.perf_counter()
                made.request("POST", "/identity/v3/auth/tokens", json.dumps(body),
                             {"Content-Type": "application/json"})
                got = made.getresponse()
                got.read()
                took = time.perf_counter() - begin
            finally:
                made.close()
            expect(got.status == (401 if secret else 400), f"the answer was {got.status}", sort)
            return took
        told = ""
        for _ in range(rounds):
            times = {sort: [] for sort in sorts}
            for _ in range(samples):
                n = next(count)
                for sort in sorts:
                    times[sort].append(sample(sort, n))
            middle = {sort: statistics.median(t) for sort, t in times.items()}
            hash_ = middle["unknown"] - middle["no hash"]
            apart = {sort: statistics.median(a - b for a, b in zip(times[sort], times["unknown"]))
                     for sort in ("known", "locked", "disabled")}
            worst = max(map(abs, apart.values()))
            told = (f"medians {', '.join(f'{s} {m * 1000:.1f}' for s, m in middle.items())} ms; differences to unknown "
                    f"{', '.join(f'{s} {d * 1000:+.1f}' for s, d in apart.items())} ms")
            if hash_ > 0.004 and worst < hash_ / 3:
                break
        watch.holds("a hash takes a time that can be told", hash_ > 0.004, told)
        watch.holds(f"unknown, known, locked, disabled take the same time within a third of a hash "
                    f"({hash_ * 333:.1f} ms): {told}", worst < hash_ / 3, told)

    def lock_out(self, institution, victim):
        path, source = f"/identity/v3/users/{victim.id}/OS-JINYUN/lockout", self.sources()

        def locked():
            victim.sign_in(secret="Wrong-Password-1", source=source).must(401)
            return institution.manage("GET", path)["lockout"]["locked"]
        until("the account is locked", 30, locked, 0.3)

    # Stolen things -----------------------------------------------------------------------------------------------

    def stolen_tokens(self):
        """a stolen token, after what must end it"""
        watch, bank, why = self.watch, self.bank, "token is not good"

        def person(name, **more):
            made = bank.person(name, "member", self.pay, **more)
            return made, made.fresh(self.inside)

        def ended(what, token):
            watch.stopped(what, self.raw(token), 401, None, why)
        tom, token = person("tom")
        first = tom.fresh()
        made = self.exchange(first, self.inside).must(201).token
        watch.works("a token works for whoever has it, while it is good", self.raw(token), 200)
        for each in (token, first):
            self.at.ask("DELETE", f"{self.at.tenants}/identity/v3/auth/tokens", None, each, headers={
                "X-Subject-Token": each}).must(204)
        ended("after it was revoked", token)
        watch.stopped("exchanged for another one, after it was revoked", self.exchange(token, self.inside), 404, None,
                      "could not be found")
        ended("one that the thief made of it before it was revoked", made)
        ended("with one letter changed", token[:-9] + ("A" if token[-9] != "A" else "B") + token[-8:])

        user, token = person("una")
        body = {"user": {"password": password(), "original_password": user.password}}
        user.ask("POST", f"/identity/v3/users/{user.id}/password", body).must(204)
        ended("after its owner changed the password", token)
        user.password = body["user"]["password"]
        watch.works("a token of the new password", self.raw(user.fresh(self.inside)), 200)

        user, token = person("uri")
        bank.manage("PATCH", f"/identity/v3/users/{user.id}", {"user": {"password": password()}})
        ended("after the manager set the password", token)
        user, token = person("ulf")
        bank.manage("PATCH", f"/identity/v3/users/{user.id}", {"user": {"enabled": False}})
        ended("after the account was disabled", token)
        watch.stopped("a sign-in on the disabled account", user.sign_in(source=self.sources()), 401, bank, "disabled")
        bank.manage("PATCH", f"/identity/v3/users/{user.id}", {"user": {"enabled": True}})
        watch.works("it is enabled again, and its owner signs in", user.sign_in(), 201)
        ended("after the account was disabled and enabled again", token)
        place = bank.project("brief")
        bank.give(user, "member", place)
        token = user.fresh(in_project(place))
        watch.works("a token of a project", self.raw(token), 200)
        bank.manage("PATCH", f"/identity/v3/projects/{place}", {"project": {"enabled": False}})
        ended("after the project was disabled", token)
        bank.manage("PATCH", f"/identity/v3/projects/{place}", {"project": {"enabled": True}})
        ended("after the project was disabled and enabled again", token)
        user, token = person("ute")
        bank.take(user, "member", self.pay)
        ended("after the role was taken", token)
        watch.stopped("a sign-in for the project", user.sign_in(self.inside), 401, bank, "no role")
        user, token = person("uma")
        bank.manage("DELETE", f"/identity/v3/users/{user.id}")
        ended("after the account was deleted", token)

        user = bank.person("ugo")
        group = bank.manage("POST", "/identity/v3/groups",
                            {"group": {"name": "shift", "domain_id": bank.id}})["group"]["id"]
        bank.manage("PUT", f"/identity/v3/projects/{self.pay}/groups/{group}/roles/{self.at.role('member')}")
        bank.manage("PUT", f"/identity/v3/groups/{group}/users/{user.id}")
        token = user.fresh(self.inside)
        watch.works("a role by a group", self.raw(token), 200)
        bank.manage("DELETE", f"/identity/v3/groups/{group}/users/{user.id}")
        ended("after its owner left the group", token)
        self.bound(person, ended)

        eve = self.mole
        head = {"X-Subject-Token": self.ann.token(self.inside)}
        tokens = "/identity/v3/auth/tokens"
        watch.stopped("looked into by somebody else", eve.ask("GET", tokens, headers=head), 404, bank)
        watch.stopped("revoked by somebody else", eve.ask("DELETE", tokens, headers=head), 404, bank)
        watch.works("it still works", self.ann.ask("GET", "/network/v2.0/networks", scope=self.inside), 200)

    def bound(self, person, ended):
        """Tokens of users who may work from some networks, or in some hours."""
        watch, bank = self.watch, self.bank
        user, token = person("uwe")
        access, place = f"/identity/v3/users/{user.id}/OS-JINYUN/access", self.sources()
        bank.manage("PUT", access, {"access": {"sources": [f"{place}/32", "10.1.0.0/16"]}})
        watch.works("from the user's networks", self.raw(token, source=place), 200)
        ended("from elsewhere than the user's networks", token)
        watch.stopped("the right password from elsewhere", user.sign_in(source=self.sources()), 401, bank, "networks")
        own = user.sign_in(source=place).must(201).token
        watch.stopped("the networks set by the user", self.raw(own, "PUT", access, {"access": {"sources": []}}, place),
                      (403, 404), bank)
        watch.stopped("from elsewhere, with headers that name another source", self.raw(token, headers={
            "X-Forwarded-For": place, "X-Real-IP": place, "Forwarded": f"for={place}"}), 401, None, "not good")
        bank.manage("PUT", access, {"access": {"sources": []}})
        minute = (int(time.time()) + 8 * 3600) // 60 % 1440
        far, days = {"from": (minute + 300) % 1440, "to": (minute + 360) % 1440}, [1, 2, 3, 4, 5, 6, 7]
        bank.manage("PUT", access, {"access": {"hours": {"days": days, **far}}})
        ended("outside of the user's hours", token)
        watch.stopped("the right password outside of the hours", user.sign_in(), 401, bank, "hours")
        near = {"from": (minute + 1320) % 1440, "to": (minute + 120) % 1440}
        bank.manage("PUT", access, {"access": {"hours": {"days": days, **near}}})
        watch.works("in the user's hours", self.raw(token), 200)

    def sessions_begin(self):
        """An institution whose sessions end after a minute: two of them, of which one is used on."""
        quiet = self.quiet
        self.desk = quiet.project("desk")
        inside = in_project(self.desk)
        left, busy = (quiet.person(name, "member", self.desk) for name in ("left", "busy"))
        quiet.policy(idle_seconds=60)
        self.left, self.busy = left.fresh(inside), busy.fresh(inside)
        self.since, self.going = time.monotonic(), threading.Event()

        def use():
            while not self.going.wait(15):
                self.raw(self.busy, source=HOME)
        self.user = threading.Thread(target=use, daemon=True)
        self.user.start()

    def sessions(self):
        """a session that somebody left open"""
        time.sleep(max(0.0, 62 - (time.monotonic() - self.since)))
        self.watch.stopped("after a minute without use (the institution's rule)", self.raw(self.left), 401, None,
                           "not good")
        self.watch.stopped("exchanged for another one then", self.exchange(self.left, None), 404, None,
                           "could not be found")
        self.watch.works("one of the same age that is in use", self.raw(self.busy), 200)
        self.going.set()
        self.user.join()

    # Second factors ----------------------------------------------------------------------------------------------

    def two_factors(self, name):
        """Somebody who needs both."""
        made = self.bank.person(name, "member", self.pay)
        made.enrol()
        options = {"multi_factor_auth_rules": [["password", "totp"]]}
        self.bank.manage("PATCH", f"/identity/v3/users/{made.id}", {"user": {"options": options}})
        return made

    def one_time_codes(self):
        """one-time codes, replayed and guessed"""
        watch, bank = self.watch, self.bank
        tina, used = self.two_factors("tina"), "wrong or used one-time code"
        answer = tina.sign_in(source=self.sources())
        watch.stopped("the password alone: half a sign-in", answer, 401, bank, outcome="done")
        watch.holds("that is no token", answer.token is None and answer.receipt, answer.headers)
        earlier, code = tina.code(), tina.code()
        watch.works("password and code", tina.sign_in(self.inside, code=code), 201)
        watch.stopped("the code again", tina.sign_in(self.inside, code=code), 401, bank, used)
        watch.stopped("the code again, from elsewhere", tina.sign_in(code=code, source=self.sources()), 401, bank, used)
        watch.stopped("the code of a step before it", tina.sign_in(code=earlier), 401, bank, used)
        other = self.two_factors("otto")
        watch.stopped("a code of somebody else's device", tina.sign_in(code=other.code()), 401, bank, "wrong|pause")
        twin, code = self.two_factors("twin"), None
        code = twin.code()
        answers = self.race(*[lambda: twin.sign_in(code=code, source=self.sources())] * 4)
        watch.holds("four sign-ins at once with one code: one is let in",
                    [a.status for a in answers] == [201] + [401] * 3,
                    [a.status for a in answers])
        for answer in answers[1:]:
            watch.stopped("one of the three", answer, 401, bank, "used before|wrong or used")
        victim = self.two_factors("gwen")
        path, tries = f"/identity/v3/users/{victim.id}/OS-JINYUN/lockout", 0

        def locked():
            nonlocal tries
            tries += 1
            victim.sign_in(code=f"{tries:06d}", source=HOME).must(401)
            return bank.manage("GET", path)["lockout"]["locked"]
        until("guessed codes lock the account", 30, locked, 0.3)
        watch.stopped("codes guessed with a stolen password: locked, for the right one too", victim.sign_in(
            code=victim.code()), 401, bank, "locked")
        bank.manage("DELETE", path)
        watch.works("the manager lifts the lock", victim.sign_in(code=victim.code()), 201)

        # A device that nobody demands; a thief of the password must not take it away or add to it.
        dora = bank.person("dora", "member", self.pay)
        dora.enrol()
        weak = dora.sign_in().must(201).token
        device = self.at.ask("GET", f"{self.at.tenants}/identity/v3/credentials",
                             token=weak).must()["credentials"][0]["id"]
        watch.stopped("a device deleted with a token of the password alone",
                      self.raw(weak, "DELETE", f"/identity/v3/credentials/{device}"), 403, bank)
        watch.stopped("recovery codes made with it",
                      self.raw(weak, "POST", f"/identity/v3/users/{dora.id}/OS-JINYUN/recovery_codes"), 403, bank)
        strong = dora.fresh()
        watch.works("the device deleted with both factors",
                    self.raw(strong, "DELETE", f"/identity/v3/credentials/{device}"), 204)

    def recovery_codes(self):
        """recovery codes, used again"""
        watch, bank = self.watch, self.bank
        rosa = self.two_factors("rosa")
        path = f"/identity/v3/users/{rosa.id}/OS-JINYUN/recovery_codes"
        strong = rosa.fresh()
        make = lambda: self.raw(strong, "POST", path).must(201)["recovery_codes"]["codes"]
        codes = make()
        watch.works("a recovery code in the place of a one-time code", rosa.sign_in(code=codes[0]), 201)
        watch.stopped("the same one again", rosa.sign_in(code=codes[0]), 401, bank, "wrong or used")
        watch.stopped("the same one in capitals", rosa.sign_in(code=codes[0].upper().replace("-", " ")), 401, bank,
                      "wrong")
        answers = self.race(*[lambda: rosa.sign_in(code=codes[1], source=self.sources())] * 3)
        watch.holds("three sign-ins at once with one code: one is let in",
                    [a.status for a in answers] == [201, 401, 401],
                    [a.status for a in answers])
        for answer in answers[1:]:
            watch.stopped("one of the two", answer, 401, bank, "used before|wrong or used|pause")
        fresh = make()
        watch.stopped("one of an older set", rosa.sign_in(code=codes[2]), 401, bank, "wrong|pause")
        answer = until("the pause is over", 20, lambda: (a := rosa.sign_in(code=fresh[0])).status == 201 and a, 0.5)
        watch.works("one of the new set", answer, 201)

    def receipts(self):
        """half a sign-in in other hands"""
        watch, bank, bad = self.watch, self.bank, "receipt is not good"
        nina, olga = self.two_factors("nina"), self.two_factors("olga")
        begin = lambda who, source=HOME: who.sign_in(source=source).receipt
        mine, theirs = nina.code(), olga.code()  # a code is not used up by a receipt that is no good

        def finish(who, receipt, code, source=HOME):
            proofs = {"totp": {"user": who.named() | {"passcode": code}}}
            return who.sign_in(proofs=proofs, source=source, headers={"Openstack-Auth-Receipt": receipt})
        watch.stopped("somebody else's receipt with one's own code", finish(olga, begin(nina), theirs), 401, bank, bad)
        watch.stopped("a receipt from elsewhere", finish(nina, begin(nina), mine, self.sources()), 401, bank, bad)
        receipt, new = begin(nina), password()
        watch.stopped("a receipt as a token", self.raw(receipt), 401, None, "not good")
        watch.works("one's own, from the same place", finish(nina, receipt, mine), 201)
        receipt, mine = begin(nina), nina.code()
        self.at.ask("POST", f"{self.at.tenants}/identity/v3/users/{nina.id}/password", {"user": {
            "password": new, "original_password": nina.password}}).must(204)
        watch.stopped("a receipt after the password was changed", finish(nina, receipt, mine), 401, bank,
                      bad)
        nina.password = new
        watch.works("a receipt of the new password", finish(nina, begin(nina), mine), 201)

    def program(self, who):
        body = {"application_credential": {"name": "probe"}}
        path = f"/identity/v3/users/{who.id}/application_credentials"
        return who.ask("POST", path, body, self.inside).must(201)["application_credential"]["id"]

    def race(self, *works):
        """Side by side; the answers with the successful ones first."""
        with concurrent.futures.ThreadPoolExecutor(len(works)) as pool:
            futures = [pool.submit(work) for work in works]
        return sorted((f.result() for f in futures), key=lambda a: a.status)

