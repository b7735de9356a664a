"""Every value that is wrong: for a member of a kind, for an id in a path, for a query string, for a body."""

import base64
import re
import secrets

from abuse_cases import FINE, KEY, SECRETS, UUID, fresh, password

# What stands in for an id. None may be found, lead elsewhere, or upset anything.
TRICKS = ["..%2f..%2f", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "%00", f"{UUID}%00", "%ff%fe", "%", "%zz", "%0d%0aX-Evil:1",
          "'%20OR%20'1'='1", "%25s%25n", "%E2%80%AE%F0%9F%98%80", "-1", "null", "x" * 4000]
QUERIES = ["limit=-1", "limit=abc", "limit=99999999999999999999999", "limit=1&limit=2", "limit=0", f"marker={UUID}",
           "marker=", "sort_key=nonsense&sort_dir=sideways", "sort=nonsense:sideways", "fields=id&fields=%00",
           "name=%00",
           "name=%ff%fe&id=..%2f..%2f", "&&&===&", "%", "%zz=%zz", "name=" + "x" * 8000, "all_tenants=1&all_projects=1",
           "=1;--", "changes-since=yesterday", "changes-since=9999-12-31T23:59:60%2B23:59", "offset=-1",
           "with_count=maybe",
           "status=nonsense&status=%0a", "created_at=gt:garbage", "minDisk=-9999999999999999999", "is_public=garbage",
           "name[]=1&name[a][b]=2", "usage=%F0%9F%98%80", "tenant_id=..%2f..", "size_min=-1", "ip=%28%5B%2A",
           "user.id=%00",
           # Keystone's filters and views.
           "name__contains=%25&name__nonsense=x&__=", "enabled=maybe", "tags=,,,&not-tags=,&tags-any=%2c",
           "password_expires_at=sideways", "password_expires_at=lt:9999-99-99",
           "effective&include_names&include_subtree",
           f"user.id={UUID}&group.id={UUID}", f"scope.project.id={UUID}&scope.system=all", "role.id=%27%3B--",
           "scope.OS-INHERIT:inherited_to=nothing&effective", f"domain_id={UUID}&parent_id={UUID}&is_domain=maybe",
           "parents_as_list&parents_as_ids&subtree_as_list&subtree_as_ids", f"trustor_user_id={UUID}&trustee_user_id=x",
           "type=nonsense", f"user_id={UUID}",
           # Those of our own APIs.
           "institution=*", f"institution={UUID}", "institution=..%2f..", "action=%7C%7C", "action=" + "*" * 900,
           "since=yesterday&until=tomorrow", "since=-1", "until=99999999999999999999", "outcome=sideways",
           "order=sideways", "provider=maybe", "from=0&to=99999999999", "from=2&to=1", "from=x", "compare=x",
           "compare=1&compare=1", "marker=18446744073709551616", "mine=maybe&waiting_for_me=perhaps", "state=sideways",
           "open=2", "at=9999-12-31T23:59:59Z", "at=-9223372036854775808",
           "since=-9223372036854775808&until=9223372036854775807", "since=9223372036854775807", "verdict=sideways",
           "check=%27&standard=nothing", "level=sideways&area=none", "format=pdf"]
MALFORMED = [b"{", b'{"a":}', b"[1,", b"nul", b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "\xff\xfe"}', b'{"a": "\\ud800"}',
             b'\xef\xbb\xbf{"a": 1}', b'{"a": 1} trailing', b"{'a': 1}", b"[" * 100_000, b'{"a":' * 50_000, b"\0\0\0",
             b"<xml/>", b"a=1&b=2", b'{"a": "\x01"}', b'{"a": 01}']
REFUSED, NOT_THERE, ODD = {400}, {400, 403, 404}, FINE | {400}
LONG_NAME, CONTROLS = "x" * 300, ["a\0b", "a\nb", "\x07", "a\x7f", "a\x85b"]
UNSEEN = ["", "  ", "\u3000", "a\u200bb", "\u202eabc", "a\u00adb", "\ufeffa", "a\u2066b"]
NO_TEXT = [7, True, [], {}, -1.5, 10 ** 30]
NO_LIST = [7, "x", True, {}, {"0": "x"}]
NO_OBJECT = [7, "x", True, [], [{}]]
NO_TIME = NO_TEXT + CONTROLS + [LONG_NAME, "", "yesterday", "2030-13-01T00:00:00Z", "2030-02-30T00:00:00Z",
                                "2030-01-01T25:00:00Z", "0x7fffffff", "99999999999999", "2030-01-01T00:00:00+99:99",
                                "２０３０-01-01T00:00:00Z"]
NO_DAY = NO_TEXT + CONTROLS + [LONG_NAME, "yesterday", "2026-13-01", "2026-02-30", "2026-1-1", "20260101",
                               "2026-01-01T00:00:00Z", "-2026-01-01", "２０２６-01-01", "2026-01-01-01",
                               "0000-00-00"]
NOBODY = [{"everybody": "maybe"}, {"users": "x"}, {"users": [7]}, {"roles": ["admin"]}, {"roles": "reader"},
          {"groups": [None]}, {"more": 1}, {"users": ["a\0"]}]
HOURS = [{"days": [], "from": 0, "to": 60}, {"days": [0], "from": 0, "to": 60}, {"days": [8], "from": 0, "to": 60},
         {"days": [1, 1], "from": 0, "to": 60}, {"days": "1", "from": 0, "to": 60}, {"days": [1], "from": 60, "to": 60},
         {"days": [1], "from": -1, "to": 60}, {"days": [1], "from": 0, "to": 1441}, {"days": [1], "from": 0},
         {"days": [1.5], "from": 0, "to": 60}, {"days": [1], "from": 1440, "to": 60}, {"days": [1] * 999, "from": 0,
                                                                                      "to": 1}]


def plain_texts(longest=LONG_NAME):
    return NO_TEXT + CONTROLS + [longest]


def refused(kind):
    """Values that are refused by the name of their member."""
    low, high = (int(n) for n in re.findall(r"-?\d+", kind)) if kind.startswith("int") else (0, 0)
    texts = plain_texts()
    return {
        "text": texts, "plain": texts, "label": texts, "free": NO_TEXT, "long": NO_TEXT,
        "saying": NO_TEXT + ["x" * 4001, "a\0b", "a\tb", "\x1b[2J"],
        "title": texts + ["", "  "],
        "day": NO_DAY + [""], "someday": NO_DAY,
        "period": NO_TEXT + CONTROLS + [LONG_NAME, "P", "P1", "1Y", "P-1Y", "P0D", "PT1S", "P99999999999999Y", "P1.5Y",
                                        "sideways"],
        "key_line": texts + ["", "x", "a.b", "a.b ed25519", "a.b ed25519 00", "a.b rsa " + "00" * 32,
                             "a.b ed25519 " + "zz" * 32, f"a.b ed25519 {'00' * 32} more",
                             "nothing ed25519 " + "66" * 32, "a.b sm2 " + "00" * 64, " a.b ed25519 " + "66" * 32,
                             "a.b  ed25519  " + "66" * 32],
        "note": NO_TEXT + ["", "x", "jinyun/x\n1\nAA==\n\n\u2014 a AAAA\n", "x" * 20_000, "\u2014 a\n" * 100, "a\0b"],
        "people": NO_OBJECT + NOBODY, "somebody": NO_OBJECT + NOBODY + [{}],
        "patterns": NO_LIST + [[], [7], [None], [[]], ["x"], ["a:b"], ["network:po*:create"], ["a\0:b:c"], [""],
                               ["nothing:at:all"], ["network:router:delete"] * 999],
        "resources": NO_LIST + [[7], ["x"], [{}], [{"project_id": 7}], [{"project_id": UUID, "project_tag": "t"}],
                                [{"kind": "server"}], [{"more": 1}], [{"project_tag": "a\0"}],
                                [{"project_tag": "t"}] * 999],
        "conditions": NO_OBJECT + [{"more": 1}, {"source": "10.0.0.0/8"}, {"source": []}, {"source": ["x"]},
                                   {"source": ["10.0.0.0/33"]}, {"second_factor": False}, {"second_factor": "maybe"},
                                   {"age": 0}, {"age": -1}, {"age": "old"}, {"age": 10 ** 30}, {"hours": {}},
                                   {"hours": {"days": ["mon"], "from": "25:00", "to": "01:00"}},
                                   {"hours": {"days": ["someday"], "from": "01:00", "to": "02:00"}},
                                   {"hours": {"days": [], "from": "01:00", "to": "02:00"}}, {"hours": "always"}],
        "place": NO_OBJECT + [{}, {"more": 1}, {"project_id": 7}, {"project_id": "a\0"}, {"kind": "server"},
                              {"project_id": UUID, "domain_id": UUID}],
        "said": NO_TEXT + ["x" * 2001, "a\0b", "a\tb", "\x1b[2J"],
        "user": texts + UNSEEN + ["Ρау" + fresh(), "bоss", "annа"],  # letters of alphabets that look alike
        "name": texts + UNSEEN + ["Ρау" + fresh(), "bоss"] + ([] if "255" in kind else ["x" * 65]),
        "bool": ["maybe", 7, -1, 1.5, [], {}, "yes\0", [True]],
        "int": ["abc", "", " 5", "0x10", "1e3", 1.5, 0.1, True, [], {}, [5], low - 1, high + 1, -10 ** 30, 10 ** 30,
                "9" * 300, "٣", "NaN"],
        "zero": ["abc", 1.5, True, [], {}, 1, -1, 10 ** 30], "number": ["abc", [], {}, True, -1],
        "list": NO_LIST + [[7], ["x"], [[]], [None]], "texts": NO_LIST + [[7], [{}], [None], [["x"]], ["x" * 300],
            ["a\0"]],
        "tags": NO_LIST + [[7], [{}], [None], ["x" * 300], ["a\0"], ["a/b"], ["a,b"], ["t", "t"], [""],
                           ["environment:nowhere"], ["environment:test", "environment:production"],
                           [f"t{n}" for n in range(99)]],
        "ips": NO_LIST + [[7], [{}], [None], ["x"], ["10.0.0"], ["fe80::1"], ["1.2.3.4"] * 99],
        "sources": NO_LIST + [[7], [{}], [None], ["x"], [""], ["10.0.0.0/33"], ["10.0.0.0/+8"], ["::/129"],
                              ["10.0.0/8"], ["10.0.0.0/"], ["١٠.٠.٠.١"], ["10.0.0.0/8"] * 99, ["a\0"]],
        "hours": NO_OBJECT + HOURS,
        "ids": NO_LIST + [[7], [{}], [None]], "object": NO_OBJECT,
        "strings": NO_OBJECT + [{"k": 7}, {"k": {}}, {"k": []}, {"k": None}, {"": "v"}, {"k": "v" * 300},
                                {"k" * 300: "v"}, {str(n): "v" for n in range(999)}],
        "pairs": NO_OBJECT + [{"k": []}, {"k": {}}, {"k": None}, {"k": True}, {str(n): "v" for n in range(999)}],
        "word": [7.5, True, [], {}, "sideways", LONG_NAME, "a\0b", "\u202e", "ｔｃｐ"],
        "domain": [7.5, True, [], {}, LONG_NAME, "a\0b", "-a", "a..b", "ｔｃｐ", "a b", "\u202e"],
        "ip": NO_TEXT + ["x", "999.1.1.1", "10.0.0", "::1", "10.0.0.1/24", "١٠.٠.٠.١", "0.0.0.0",
                         "255.255.255.255"],
        "cidr": NO_TEXT + ["x", "10.0.0.0/33", "10.0.0.0/-1", "0.0.0.0/0", "300.0.0.0/8", "fd00::/64", "127.0.0.0/8",
                           "169.254.0.0/16", "224.0.0.0/4", "10.0.0.0/31", "10.0.0.0/32", "10.0.0.0/8/8"],
        "mac": NO_TEXT + ["x", "fa:16:3e:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00",
                          "02:fe:ee:ee:ee:ee", "fa:16:3e:00:00:0g", "fa-16-3e-00-00-01"],
        "uuid": NO_TEXT + ["x", "..", "../../etc/passwd", UUID + "\0", LONG_NAME, UUID.replace("0", "０")],
        "ref": [True, [], {}, ["x"]], "gone": [True, {"a": 1}, ["x"], 7], "none": [{"a": 1}, ["a"], 7, "x"],
        "property": [[], {}, ["x"], {"a": "b"}],
        "key_name": NO_TEXT + ["", " ", "a/b", "..\0", "a\nb", "кey", LONG_NAME, "a:b", "<b>"],
        "public_key": NO_TEXT + ["", "x", "ssh-rsa AAAA", KEY + "\n" + KEY, "ssh-ed25519 " + "A" * 20000, KEY[:30]],
        "base64": NO_TEXT + ["%%%", "é", "AAA", base64.b64encode(b"\xff\xfe").decode(), "QUFB" * 20000],
        "flavor": [True, [], {}, "", "a/b", "..\0", "é", "f" * 300, -1.5],
        "moment": NO_TIME, "time": NO_TIME + ["2001-01-01T00:00:00Z"],
        "action": texts + ["", "x", "network", "network:port", "*:*:*", "identity:*:create", "Network:port:create",
                           "network:po*:create", "network:port:create:now", "identity:token:create",
                           "approval:approval_rule:delete", "nothing:at:all", "network::create",
                           "nétwork:port:create"],
        "actions": NO_LIST + [[7], [None], [[]], ["x"], ["network:port:create"], ["*:*:*"], ["a\0"], [""],
                              ["compute:server:show"] * 99],
        "stages": NO_LIST + [[], [7], ["x"], [None], [{}], [{"role": "manager"}], [{"role": "reader", "in": "domain"}],
                             [{"role": "manager", "in": "elsewhere"}],
                             [{"role": "manager", "in": "domain", "count": 0}],
                             [{"role": "manager", "in": "domain", "count": 11}], [{"duty": "audit_admin"}],
                             [{"duty": "nothing"}], [{"users": []}], [{"users": "x"}],
                             [{"role": "manager", "in": "domain", "duty": "security_admin"}],
                             [{"groups": [7]}], [{"users": [UUID], "in": "domain"}],
                             [{"role": "manager", "in": "domain", "more": 1}],
                             [{"role": "manager", "in": "domain"}] * 6],
        "when": NO_LIST + [[7], ["x"], [{}], [{"project_tag": 7}], [{"project_tag": "a", "no_project_tag": "b"}],
                           [{"moon": "full"}], [{"project_tag": "a\0"}], [{"project_tag": "t"}] * 9],
        "window": NO_OBJECT + [{}, {"days": ["someday"], "from": "01:00", "to": "02:00"},
                               {"days": ["mon"], "from": "25:00", "to": "02:00"}, {"days": ["mon"], "from": "01:00"},
                               {"days": ["mon"], "from": "1", "to": "2"}, {"days": [], "from": "01:00", "to": "02:00"},
                               {"days": ["mon"], "from": "01:00", "to": "02:00", "zone": "UTC"},
                               {"days": ["mon"], "from": "٠١:٠٠", "to": "02:00"},
                               {"days": ["mon"], "from": 60, "to": 120}],
        "inventory": NO_OBJECT + [{"nonsense": 1}, {"systems": 7}, {"systems": [7]}, {"systems": [{}]},
                                  {"systems": [{"id": "a"}]}, {"systems": [{"id": 7, "name": "a"}]},
                                  {"systems": [{"id": "-a", "name": "a"}]}, {"systems": [{"id": "A B", "name": "a"}]},
                                  {"systems": [{"id": "a", "name": "a", "more": 1}]},
                                  {"systems": [{"id": "a", "name": "a", "depends_on": ["b"]}]},
                                  {"systems": [{"id": "a", "name": "a", "level": "9"}]},
                                  {"systems": [{"id": "a", "name": "a", "rto": "soon"}]},
                                  {"systems": [{"id": "a", "name": "x" * 300}]},
                                  {"systems": [{"id": "a", "name": "a\0"}]},
                                  {"systems": [{"id": "a", "name": "a"}] * 2},
                                  {"systems": [{"id": f"a{n}", "name": "a"} for n in range(301)]},
                                  {"institution": 7, "systems": []}, {"institution": {"stage": "sideways"}},
                                  {"institution": {"more": 1}}],
        "blob": NO_TEXT + ["x", "{}", "[]", '{"access": "short", "secret": "short"}',
                           '{"access": "' + "a" * 20 + '", "secret": 7}', '{"access": "' + "é" * 20 + '"}'],
        "secret": [], "fixed": [],
    }[kind.partition("(")[0]]


def wrong(kind):
    """Values for a member of a kind: (value, the codes that may come)."""
    values = [(value, REFUSED) for value in refused(kind)]
    if kind == "text":
        values += [(value, FINE) for value in ("Ρау" + fresh(), "\u202egnp" + fresh(), fresh().ljust(255, "x"),
                                               (fresh() + "😀" * 255)[:255], "a'; DROP TABLE users; --" + fresh())]
    if kind.startswith(("name", "user")):
        most = 255 if "255" in kind else 64
        values += [(value, FINE) for value in ("支付" + fresh(), fresh().ljust(most, "x"),
                                               (fresh() + "😀" * most)[:most], "a'; DROP TABLE users; --" + fresh())]
    if kind == "free":
        values += [("d\n" * 100, FINE), ("x" * 500_000, REFUSED)]  # what nobody can read is no description
    if kind in ("ref", "gone", "label", "ids"):
        for name in (UUID, LONG_NAME, "../../etc/passwd", "a\0b", ".."):
            values.append(([name] if kind == "ids" else name, ODD | NOT_THERE if kind == "label" else NOT_THERE))
    if kind in ("none", "bool"):
        values.append(("\u0000", REFUSED))
    if kind == "fixed":
        values += [("x", {403}), (7, {403}), ([], {403})]
    if kind in ("secret", "blob"):  # in the wrong place, but still the secret that somebody meant
        one, other = password(), password()
        values += [([one], REFUSED), ({"is": other}, REFUSED), (31_337_000_000 + secrets.randbelow(10 ** 9), REFUSED)]
        SECRETS.append(str(values[-1][0]))
    # A client's "no such thing" may be a wrong value or a missing thing; that of a right type is never taken.
    return values
