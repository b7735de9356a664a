"""What tests/abuse.py sends: how each operation is used rightly (CASES), and every value that is wrong.

Nothing is asked here. The tables of operations themselves are docs/openstack.md and docs/api/*.json (document.py); how
each is used stands by service in identity.py, openstack.py and own.py; wrong values in values.py."""

import itertools
import secrets

from cloud import expect

WORKERS = 8
LARGE = 2 << 20  # more than a JSON body may have
LONG = 4096  # characters that the words of a refusal may have, whatever was sent
OPENSTACK = ("identity", "image", "volume", "network", "compute")  # all others are ours: errors as Keystone's
STAFF = {"sysadmin": "system_admin", "secadmin": "security_admin", "auditor": "audit_admin"}
UUID, HEX = "0badc0de-0bad-4bad-8bad-00000badc0de", "0badc0de0bad4bad8bad00000badc0de"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
ROLES = {name: f"9f1c1d6ad4a94b2f8a2f6c8b6e0a10{n}" for name, n in
         (("reader", "01"), ("member", "02"), ("manager", "03"), ("system_admin", "11"), ("security_admin", "12"),
          ("audit_admin", "13"))}
TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
          406: "Not Acceptable", 409: "Conflict", 412: "Precondition Failed", 413: "Request Entity Too Large",
          415: "Unsupported Media Type"}
NOVA = {400: "badRequest", 403: "forbidden", 404: "itemNotFound", 405: "badMethod", 406: "badRequest",
        409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 501: "notImplemented"}
FINE = {200, 201, 202, 204, 300}
SECRETS = []  # nothing of these may be written down anywhere or stand in an answer a second time


class Case:
    """How an operation is used rightly, and so how wrongly.

    `by` may do it. `here` names the things of the world that stand in the path: all of ann's institution. `other`
    must not learn of them. `body` makes a body that would do, `at` finds its members, `members` says what they are.
    `hides` are the codes that a stranger may get, `absent` those for ids that nobody has. `who` says whose it is where
    the document says "as for ..."."""

    def __init__(self, by="ann", here="", other="bob", body=None, members="", at=None, empty=True, **more):
        self.by, self.other, self.body, self.members, self.empty = by, other, body, members, empty
        self.here = dict(pair.split("=") for pair in here.split())
        self.at = at or (lambda whole: next(iter(whole.values())))
        self.hides, self.absent = more.pop("hides", {404}), more.pop("absent", {404})
        self.pages = more.pop("pages", False)
        self.free = more.pop("free", "").split()  # parameters that are no ids of things
        self.idle = more.pop("idle", False)  # takes no body
        self.stream = more.pop("stream", False)
        self.names = more.pop("names", ())  # what a member is called in a refusal, beside its name
        self.unknown = more.pop("unknown", True)  # refuses members that it does not know
        self.hollow = more.pop("hollow", None)  # bodies that hold nothing of use, where the usual ones will not do
        self.optional = more.pop("optional", False)  # a body may be left out
        self.who = more.pop("who", None)
        self.fixed = more.pop("fixed", False)  # answered 403, whoever asks
        self.away = more.pop("away", False)  # a proof that fails: each request from an address of its own
        self.open = more.pop("open", False)  # nobody is turned away before it is read: a refusal on record
        self.no = more.pop("no", "").split()  # others who may not
        self.query = more.pop("query", "")  # that the right use needs
        self.tried = more.pop("tried", True)  # that the right use is right is tried, once
        expect(not more, f"a case has {more}")


CASES = {}


def case(service, which, **settings):
    """Settings for operations, `METHOD /path`, several separated by `|`."""
    for operation in which.split("|"):
        key = (service, *operation.split())
        expect(key not in CASES, f"{key} has two cases")
        CASES[key] = Case(**settings)


def login(user):
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": {
        "name": user["name"], "domain": {"id": user["domain"]}, "password": user["password"]}}},
                     "scope": user["scope"]}}


counter = itertools.count(1)


def fresh(word="abuse"):
    return f"{word}-{next(counter)}"


def password():
    made = "Jy1-" + secrets.token_urlsafe(18)
    SECRETS.append(made)
    return made
