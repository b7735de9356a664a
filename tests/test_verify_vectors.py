"""Published test vectors for the algorithms of verify.py, and damage of every sort to small exports.

    python3 -m unittest tests/test_verify_vectors.py
"""

import base64
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import verify as v  # noqa: E402


def h(text):
    return bytes.fromhex(text.replace(" ", ""))


class Sm3(unittest.TestCase):
    """GB/T 32905-2016, annex A; the empty message as in draft-sca-cfrg-sm3 and OpenSSL."""

    VECTORS = [
        (b"abc", "66c7f0f4 62eeedd9 d1f2d46b dc10e4e2 4167c487 5cf2f7a2 297da02b 8f4ba8e0"),
        (b"abcd" * 16, "debe9ff9 2275b8a1 38604889 c18e5a4d 6fdb70e5 387e5765 293dcba3 9c0c5732"),
        (b"", "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b"),
    ]

    def test_vectors(self):
        for message, digest in self.VECTORS:
            self.assertEqual(v.sm3_own(message), h(digest))
            self.assertEqual(v.sm3(message), h(digest))

    def test_many_at_once(self):
        messages = [m for m, _ in self.VECTORS] * 5
        self.assertEqual(v.sm3_own_many(messages), [h(d) for _, d in self.VECTORS] * 5)
        messages = [bytes([i % 251]) * (i % 200) for i in range(2500)]
        self.assertEqual(v.sm3_own_many(messages[:300]), [v.sm3_own(m) for m in messages[:300]])
        self.assertEqual(v.sm3_own_many(messages), v.sm3_many(messages))


class Sm2(unittest.TestCase):
    """GM/T 0003.5-2012 (GB/T 32918.5-2017), A.2: signature over the recommended curve."""

    PRIVATE = 0x3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8
    PUBLIC = h("04 09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
               "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13")
    NONCE = 0x59276E27D506861A16680F3AD9C02DCCEF3CC1FA3CDBE4CE6D54B80DEAC1BC21
    SIGNATURE = h("F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
                  "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA")

    def test_curve(self):
        self.assertIsNotNone(v.sm2_point(b"\x04" + b"".join(c.to_bytes(32, "big") for c in v.SM2_G)))
        self.assertIsNone(v.sm2_affine(v.sm2_multiply(v.sm2_table(v.SM2_G), v.SM2_N)))

    def test_public_key(self):
        self.assertEqual(sm2_public(self.PRIVATE), self.PUBLIC)

    def test_signer_and_digest(self):
        self.assertEqual(v.sm2_za(self.PUBLIC),
                         h("B2E14C5C79C6DF5B85F4FE7ED8DB7A262B9DA7E07CCB0EA9F4747B8CCDA8A4F3"))
        self.assertEqual(v.sm3_own(v.sm2_za(self.PUBLIC) + b"message digest"),
                         h("F0B43E94BA45ACCAACE692ED534382EB17E6AB5A19CE7B31F4486FDFC0D28640"))

    def test_signature(self):
        self.assertTrue(v.sm2_verify(self.PUBLIC, b"message digest", self.SIGNATURE))
        self.assertEqual(sm2_sign(self.PRIVATE, b"message digest", self.NONCE), self.SIGNATURE)

    def test_refused(self):
        public, sig = self.PUBLIC, self.SIGNATURE
        n = v.SM2_N.to_bytes(32, "big")
        zero = bytes(32)
        self.assertFalse(v.sm2_verify(public, b"message digesT", sig))
        self.assertFalse(v.sm2_verify(public, b"message digest", sig, b"1234567812345679"))
        for i in range(64):
            self.assertFalse(v.sm2_verify(public, b"message digest", flip(sig, i)))
        for bad in (sig[:63], sig + b"\0", b"", zero + sig[32:], sig[:32] + zero, n + sig[32:], sig[:32] + n,
                    sig[:32] + (v.SM2_N - int.from_bytes(sig[:32], "big")).to_bytes(32, "big")):
            self.assertFalse(v.sm2_verify(public, b"message digest", bad))
        for bad in (flip(public, 0), flip(public, 20), public[:64], b"\x02" + public[1:33], b"\x04" + b"\xff" * 64):
            self.assertFalse(v.sm2_verify(bad, b"message digest", sig))


class Ed25519(unittest.TestCase):
    """RFC 8032, 7.1."""

    VECTORS = [
        ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
         "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
         "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
         "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
        ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
         "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
         "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
         "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
        ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
         "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
         "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
         "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
        ("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
         "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
         "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
         "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"),
    ]

    def test_vectors(self):
        for secret, public, message, signature in self.VECTORS:
            self.assertTrue(v.ed_verify(h(public), h(message), h(signature)))
            self.assertEqual(ed_public(h(secret)), h(public))
            self.assertEqual(ed_sign(h(secret), h(message)), h(signature))

    def test_refused(self):
        _, public, message, signature = map(h, self.VECTORS[2])
        self.assertFalse(v.ed_verify(public, message + b"\0", signature))
        for i in range(64):
            self.assertFalse(v.ed_verify(public, message, flip(signature, i)))
        for i in range(32):
            self.assertFalse(v.ed_verify(flip(public, i), message, signature))
        s = int.from_bytes(signature[32:], "little") + v.ED_L
        for bad in (b"", signature[:63], signature + b"\0", signature[:32] + s.to_bytes(32, "little")):
            self.assertFalse(v.ed_verify(public, message, bad))

    def test_points_of_small_order(self):
        self.assertEqual(len(v.ED_SMALL), 8)
        for point in v.ED_SMALL:
            self.assertFalse(v.ed_verify(point, b"", point + bytes(32)))

    def test_encodings_that_are_none(self):
        self.assertIsNone(v.ed_decode((v.ED_P + 1).to_bytes(32, "little")))
        self.assertIsNone(v.ed_decode(bytes([1]) + bytes(30) + b"\x80"))
        self.assertIsNone(v.ed_decode(bytes([2]) + bytes(31)))


class SignedNote(unittest.TestCase):
    """The example of golang.org/x/mod/sumdb/note: key id and signature of a note."""

    def test_example(self):
        public = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
        key = v.Key("PeterNeumann", "ed25519", public)
        self.assertEqual(key.id.hex(), "c74f20a3")
        text = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
        blob = base64.b64decode("x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg"
                                "KvqfqdngotpRZb6KE6RyyBwJnAM=")
        self.assertEqual(blob[:4], key.id)
        self.assertTrue(key.verifies(text, blob[4:]))


class Merkle(unittest.TestCase):
    """The test tree of RFC 6962's reference implementation (certificate-transparency, merkle_tree_test)."""

    LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    ROOTS = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]

    def test_roots(self):
        leaves = [v.sha256(b"\0" + h(leaf)) for leaf in self.LEAVES]
        for first in range(9):
            peaks = subtrees("sha256", leaves, first)
            tree = v.Tree("sha256", first, peaks, leaves[first:])
            for size in range(9):
                self.assertEqual(tree.root(size), h(self.ROOTS[size]) if size >= first else None)

    def test_every_period_up_to_forty(self):
        for kind in v.TREES:
            leaves = [v.ONE[kind](b"\0" + bytes([i])) for i in range(40)]
            roots = [root(kind, leaves[:n]) for n in range(41)]
            for first in range(41):
                tree = v.Tree(kind, first, subtrees(kind, leaves, first), leaves[first:])
                self.assertEqual([tree.root(n) for n in range(first, 41)], roots[first:])


class Canonical(unittest.TestCase):
    def test_bytes(self):
        value = {"b": 'a"\\\n\b\f\r\t/\u0001\u001fé\u007f\u2028😀', "a": [1, -2, {}], "c": {"z": None, "y": True}}
        made = '{"a":[1,-2,{}],"b":"a\\"\\\\\\n\\b\\f\\r\\t/\\u0001\\u001fé\u007f\u2028😀","c":{"y":true,"z":null}}'
        self.assertEqual(v.canonical(value), made.encode())
        self.assertEqual(v.read_json(made.encode()), (value, True))

    def test_order_is_that_of_bytes(self):
        self.assertEqual(v.canonical({"😀": 1, "\uffee": 2, "a": 3, "Z": 4, "aa": 5}),
                         '{"Z":4,"a":3,"aa":5,"\uffee":2,"😀":1}'.encode())

    def test_others(self):
        for text in ('{"a":1, "b":2}', '{"b":1,"a":2}', '{"a":1,"a":1}', '{"a":"\\u0041"}', '{"a":"\\/"}', "-0", " 1",
                     '"\\u001F"', '"\\ud800"'):
            self.assertFalse(v.read_json(text.encode())[1], text)
        for text in ("1.0", "1e3", "NaN", "-Infinity", "01", "{", "", "[" * 100000, "9" * 10000, '"\n"', "\ufeff1"):
            with self.assertRaises(v.Wrong, msg=text[:20]):
                v.read_json(text.encode())
        with self.assertRaises(v.Wrong):
            v.read_json(b'"\xff"')


# ---------------------------------------------------------------------------------------------------------------
# Making exports, from the page. Signing is here and not in verify.py, which has no use for it.

def flip(data, i, bit=1):
    return data[:i] + bytes([data[i] ^ bit]) + data[i + 1:]


def sm2_public(secret):
    x, y = v.sm2_affine(v.sm2_multiply(v._table("sm2", lambda: v.sm2_table(v.SM2_G)), secret))
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def sm2_sign(secret, message, nonce):
    e = int.from_bytes(v.sm3(v.sm2_za(sm2_public(secret)) + message), "big")
    x = int.from_bytes(sm2_public(nonce)[1:33], "big")
    r = (e + x) % v.SM2_N
    s = pow(1 + secret, -1, v.SM2_N) * (nonce - r * secret) % v.SM2_N
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def ed_base(scalar):
    return v.ed_encode(v.ed_multiply(v._table("ed", lambda: v.ed_table(v.ED_B)), scalar))


def ed_expand(secret):
    wide = hashlib.sha512(secret).digest()
    return int.from_bytes(wide[:32], "little") & (1 << 254) - 8 | 1 << 254, wide[32:]


def ed_public(secret):
    return ed_base(ed_expand(secret)[0])


def ed_sign(secret, message):
    a, prefix = ed_expand(secret)
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % v.ED_L
    point = ed_base(r)
    k = int.from_bytes(hashlib.sha512(point + ed_base(a) + message).digest(), "little")
    return point + ((r + k * a) % v.ED_L).to_bytes(32, "little")


def root(kind, leaves):
    """RFC 9162, 2.1.1, as it is written there."""
    if not leaves:
        return v.ONE[kind](b"")
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return v.ONE[kind](b"\x01" + root(kind, leaves[:k]) + root(kind, leaves[k:]))


def subtrees(kind, leaves, size):
    out, at = [], 0
    for bit in range(size.bit_length() - 1, -1, -1):
        if size >> bit & 1:
            out.append(root(kind, leaves[at:at + (1 << bit)]))
            at += 1 << bit
    return out


class Signer:
    def __init__(self, name, algorithm, seed):
        self.name, self.algorithm = name, algorithm
        self.secret = v.sha256(seed)
        self.scalar = int.from_bytes(self.secret, "big") % v.SM2_N
        self.public = ed_public(self.secret) if algorithm == "ed25519" else sm2_public(self.scalar)
        tag = b"\x01" if algorithm == "ed25519" else b"\xffsm2"
        self.id = v.sha256(name.encode() + b"\n" + tag + self.public)[:4]

    def key(self):
        return f"{self.name} {self.algorithm} {self.public.hex()}\n"

    def line(self, text):
        text = text.encode()
        if self.algorithm == "ed25519":
            made = ed_sign(self.secret, text)
        else:
            made = sm2_sign(self.scalar, text, int.from_bytes(v.sha256(self.secret + text), "big") % v.SM2_N)
        return f"\u2014 {self.name} {base64.b64encode(self.id + made).decode()}\n"


ED = Signer("jinyun.test/ed", "ed25519", b"platform")
SM = Signer("jinyun.test/sm", "sm2", b"platform")
BANK = Signer("bank.test", "ed25519", b"bank")
KEYS = (ED.key() + SM.key()).encode()


class Journal:
    """Entries with their chains; `choose` gives the institution of an entry."""

    def __init__(self, count, instance="test", epoch=1, choose=None):
        self.instance, self.epoch = instance, epoch
        choose = choose or (lambda n: ("default", "bank-a", "bank-b")[n * n % 7 % 3])
        self.values = []
        for n in range(count):
            value = {"action": "compute:server:create", "actor": {"domain": choose(n), "id": f"u{n}", "kind": "user"},
                     "institution": {"id": choose(n)}, "number": n, "outcome": "done", "request": f"req-{n}",
                     "time": 1700000000000000 + n}
            if n % 5 == 1:
                value.update(outcome="refused", reason={"code": "quota", "message": "Zu viel: „é“"})
            elif n % 3 == 0:
                value["effects"] = [
                    {"op": "put", "kind": "server", "id": f"s{n}", "domain": "d", "project": "", "name": "n\n",
                     "generation": 1, "spec": {"b": [1, None], "a": True}},
                    {"op": "drop", "kind": "port", "id": "p"},
                    {"op": "secret", "kind": "user", "id": "u", "name": "password", "digest": "0" * 64},
                    {"op": "unsecret", "kind": "user", "id": "u", "name": "password"}]
            self.values.append(value)
        self.chain()

    def chain(self, start=0):
        """Canonical bytes and leaf hashes, with chains made anew."""
        last, self.lines = {}, []
        for value in self.values:
            place = value["institution"]
            count, leaf = last.get(place["id"], (-1, None))
            place["number"] = count + 1
            if leaf:
                place["previous"] = leaf
            line = v.canonical(value)
            last[place["id"]] = (count + 1, {k: v.ONE[k](b"\0" + line).hex() for k in v.TREES})
            self.lines.append(line)
        self.rehash()

    def rehash(self):
        self.leaves = {k: v.MANY[k]([b"\0" + line for line in self.lines]) for k in v.TREES}

    def note(self, size, kind, signers=None):
        made = base64.b64encode(root(kind, self.leaves[kind][:size])).decode()
        text = f"jinyun/{self.instance}/{self.epoch}/{kind}\n{size}\n{made}\ntime {1700000000000000 + size} ntp -12\n"
        signers = signers or [ED if kind == "sha256" else SM]
        return text + "\n" + "".join(s.line(text) for s in signers)

    def notes(self, sizes, signers=None):
        return [self.note(size, kind, signers) for size in sizes for kind in v.TREES]

    def export(self, first, to, notes, lines=None, header=None, proof=None):
        if notes and type(notes[0]) is int:
            notes = self.notes(notes)
        header = header or {"epoch": self.epoch, "from": first, "instance": self.instance, "to": to}
        out = [b"jinyun-journal-export/1", v.canonical(header)]
        out += self.lines[first:to] if lines is None else lines
        for kind in v.TREES:
            peaks = subtrees(kind, self.leaves[kind], first) if proof is None else proof[kind]
            out.append(" ".join(["proof", kind] + [p.hex() for p in peaks]).encode())
        out += [b"note " + v.canonical(n) for n in notes]
        return ended(out)


def ended(lines):
    data = b"".join(line + b"\n" for line in lines)
    return data + b"end " + hashlib.sha256(data).hexdigest().encode() + b"\n"


def resum(data):
    """The export with an end line that fits again."""
    return ended(data.split(b"\n")[:-2])


def check(data, kept=(), keys=KEYS):
    kept = [(f"kept{i}", n.encode() if type(n) is str else n) for i, n in enumerate(kept)]
    return v.verify(keys, data, kept)[0]


class Whole(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.journal = Journal(30)
        cls.all = cls.journal.notes([8, 13, 21, 30])
        cls.whole = cls.journal.export(0, 30, cls.all)
        cls.part = cls.journal.export(11, 30, cls.all[2:])

    def assertGood(self, result):
        self.assertEqual(result["problems"], [])
        self.assertIs(result["ok"], True)

    def assertProblem(self, result, what, at=..., say=""):
        self.assertFalse(result["ok"])
        found = [p for p in result["problems"] if p["what"] == what and say in p["say"] and at in (..., p["at"])]
        self.assertTrue(found, f"no {what!r} at {at!r} saying {say!r} in {json.dumps(result, indent=1)}")
        for p in result["problems"]:
            self.assertNotEqual((p["what"], "could not be finished" in p["say"]), ("file", True), p)
        return result

    def only(self, result, *whats):
        self.assertEqual({p["what"] for p in result["problems"]}, set(whats), result["problems"])

    def lines(self, data=None):
        return (data or self.whole).split(b"\n")[:-2]

    # -- nothing wrong

    def test_intact(self):
        result = check(self.whole, [self.journal.note(8, "sm3"), self.journal.note(5, "sha256"), self.all[-1]])
        self.assertGood(result)
        self.assertEqual(result["entries"], 30)
        self.assertEqual(result["signers"], [{"algorithm": "ed25519", "name": ED.name, "notes": 5},
                                             {"algorithm": "sm2", "name": SM.name, "notes": 6}])

    def test_every_period(self):
        journal = Journal(17)
        notes = [None] + [journal.notes([n]) for n in range(1, 18)]
        for first in range(17):
            for to in range(first + 1, 18):
                self.assertGood(check(journal.export(first, to, notes[to]), [journal.note(first, "sha256")]))

    def test_cosigned(self):
        notes = self.journal.notes([8]) + [self.journal.note(30, "sha256", [ED, BANK, SM]),
                                           self.journal.note(30, "sm3", [BANK, SM])]
        data = self.journal.export(0, 30, notes)
        self.assertGood(check(data))
        self.assertEqual([s["name"] for s in check(data, keys=KEYS + BANK.key().encode())["signers"]],
                         [ED.name, SM.name, BANK.name])
        # An institution's signature of the wrong algorithm does not stand for the platform's.
        data = self.journal.export(0, 30, [self.journal.note(30, "sha256"), self.journal.note(30, "sm3", [BANK])])
        self.assertProblem(check(data, keys=KEYS + BANK.key().encode()), "signature", None, "no key of the keys file")
        # A known key's signature that does not verify is not made good by another's.
        bad = self.journal.note(30, "sha256", [ED, BANK]).replace(BANK.line("").split()[1] + " ", "bank.test ")
        line = bad.split("\n")[-2]
        blob = flip(base64.b64decode(line.split(" ")[2]), 20)
        bad = bad.replace(line.split(" ")[2], base64.b64encode(blob).decode())
        data = self.journal.export(0, 30, [bad, self.journal.note(30, "sm3")])
        self.assertGood(check(data))
        self.only(check(data, keys=KEYS + BANK.key().encode()), "signature")

    def test_timestamped(self):
        """What an authority has added is named with the time that it states, and is no reason to complain."""
        # The frame of a token: SignedData over a TSTInfo, with its time.
        token = h("30 82 0100 06092a864886f70d010702 a0 81f0 30 81ed 020103 3100 3081e0 060b2a864886f70d0109100104"
                  "a0 20 04 1e") + b"\x18\x0f20260131040000Z" + bytes(150)
        for tail, stated in ((token, "2026-01-31T04:00:00Z"), (token[:60], None)):
            line = "\u2014 bank.test/clock " + base64.b64encode(b"abcd" + tail).decode() + "\n"
            data = self.journal.export(0, 30, [self.journal.note(30, "sha256") + line, self.journal.note(30, "sm3")])
            result, remarks = v.verify(KEYS, data)
            self.assertGood(result)
            said = [r for r in remarks if "bank.test/clock on sha256 of 30" in r]
            self.assertEqual(len(said), 1, remarks)
            self.assertEqual(said[0].endswith(f"(says {stated})"), stated is not None, said)
        self.assertIsNone(v.timestamp(bytes(64)))
        self.assertIsNone(v.timestamp(b""))

    def test_without_openssl(self):
        fast, v._sm3_fast = v._sm3_fast, None
        try:
            self.assertGood(check(self.part))
        finally:
            v._sm3_fast = fast

    # -- any damage

    def test_every_byte(self):
        """Whichever byte is changed, also under a fitting end line, it is noticed and nothing breaks."""
        journal = Journal(4)
        data = journal.export(1, 4, [4])
        self.assertGood(check(data))
        rng = random.Random(1)
        for i in range(len(data)):
            for bad in {flip(data, i, 1 << rng.randrange(8)), data[:i] + data[i + 1:], data[:i] + b"\n" + data[i:]}:
                result = check(bad)
                self.assertFalse(result["ok"], i)
                self.assertFalse([p for p in result["problems"] if "could not be finished" in p["say"]], result)
        covered = data.rindex(b"end ")
        for i in range(covered):
            result = check(resum(flip(data, i, 1 << rng.randrange(7))))
            self.assertFalse(result["ok"], i)
            self.assertFalse([p for p in result["problems"] if "could not be finished" in p["say"]], result)

    def test_cut_anywhere(self):
        for i in range(0, len(self.part), 17):
            self.assertProblem(check(self.part[:i]), "end")

    def test_noise(self):
        rng = random.Random(2)
        for n in range(300):
            data = bytearray(self.part)
            for _ in range(rng.randrange(1, 30)):
                kind, at = rng.randrange(4), rng.randrange(len(data))
                if kind == 0:
                    data[at] = rng.randrange(256)
                elif kind == 1:
                    del data[at:at + rng.randrange(300)]
                elif kind == 2:
                    data[at:at] = rng.randbytes(rng.randrange(5))
                else:
                    data[at:at] = data[rng.randrange(len(data)):][:rng.randrange(900)]
            result = check(resum(bytes(data)) if n & 1 else bytes(data))
            self.assertFalse(result["ok"])
            self.assertFalse([p for p in result["problems"] if "could not be finished" in p["say"]], result)

    def test_shuffled_lines(self):
        rng = random.Random(3)
        for _ in range(100):
            lines = self.lines(self.part)
            for _ in range(rng.randrange(1, 5)):
                i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
                if rng.random() < 0.5:
                    lines[i], lines[j] = lines[j], lines[i]
                elif rng.random() < 0.5:
                    lines.insert(i, lines.pop(j))
                else:
                    lines.insert(i, lines[j])
            if lines != self.lines(self.part):
                result = check(ended(lines))
                self.assertFalse(result["ok"])
                self.assertFalse([p for p in result["problems"] if "could not be finished" in p["say"]], result)

    def test_no_export_at_all(self):
        for data in (b"", b"\n", b"x", b"\n" * 9, b"\xff" * 99, b"jinyun-journal-export/1\n", b"end \n",
                     b"jinyun-journal-export/1\n" + b"[" * 100000 + b"\n",
                     ended([b"jinyun-journal-export/1"]), ended([b"jinyun-journal-export/1", b"{}"]),
                     ended([b"jinyun-journal-export/1",
                            b'{"epoch":1,"from":0,"instance":"t","to":' + b"9" * 19 + b"}"])):
            self.assertFalse(check(data)["ok"])

    def test_trailing_bytes(self):
        self.only(check(self.whole + b"x"), "end")
        self.only(check(self.whole + b"\n"), "end")
        self.only(check(self.whole[:-1]), "end")

    # -- the header, the proofs

    def header(self, line):
        lines = self.lines()
        lines[1] = line
        return check(ended(lines))

    def test_header(self):
        self.assertProblem(self.header(b'{"epoch":1,"from":0,"instance":"test","to":30 }'), "header", None)
        self.assertProblem(self.header(b'{"from":0,"instance":"test","to":30}'), "header", None)
        self.assertProblem(self.header(b'{"epoch":1,"from":31,"instance":"test","to":30}'), "header", None)
        self.assertProblem(self.header(b'{"epoch":1,"from":-1,"instance":"test","to":30}'), "header", None)
        self.assertProblem(self.header(b'{"epoch":true,"from":0,"instance":"test","to":30}'), "header", None)
        self.only(self.header(b'{"epoch":2,"from":0,"instance":"test","to":30}'), "checkpoint")
        self.only(self.header(b'{"epoch":1,"from":0,"instance":"tset","to":30}'), "checkpoint")
        self.assertProblem(self.header(b'{"epoch":1,"from":0,"instance":"test","to":31}'), "number", 30, "missing")
        self.assertProblem(self.header(b'{"epoch":1,"from":0,"instance":"test","to":29}'), "number", 29, "not belong")
        self.assertProblem(self.header(b'{"epoch":1,"from":1,"instance":"test","to":30}'), "number", 0, "not belong")

    def test_proof(self):
        proof = {k: subtrees(k, self.journal.leaves[k], 11) for k in v.TREES}
        proof["sm3"] = [proof["sm3"][0], bytes(32), proof["sm3"][2]]
        result = check(self.journal.export(11, 30, self.all[2:], proof=proof))
        self.assertProblem(result, "root", None, "the sm3 proof")
        self.only(result, "root")
        proof["sm3"] = proof["sm3"][:2]
        self.assertProblem(check(self.journal.export(11, 30, self.all[2:], proof=proof)), "file", None, "needs 3")
        lines = self.lines()
        lines.remove(b"proof sm3")
        self.only(check(ended(lines)), "file")

    def test_empty_period(self):
        self.assertProblem(check(self.journal.export(8, 8, [])), "checkpoint", None, "nothing signed")

    # -- changed entries

    def changed(self, n, old, new, data=None, first=0):
        lines = self.lines(data)
        at = 2 + n - first
        self.assertIn(old, lines[at])
        lines[at] = lines[at].replace(old, new)
        return lines

    def next_of(self, n):
        name = self.journal.values[n]["institution"]["id"]
        return next((m for m in range(n + 1, 30) if self.journal.values[m]["institution"]["id"] == name), None)

    def test_changed(self):
        for data, first in ((self.whole, 0), (self.part, 11)):
            for n in range(first, 30):
                result = check(ended(self.changed(n, b'"req-', b'"rEq-', data, first)))
                if self.next_of(n):
                    self.only(result, "institution", "root")
                    self.assertEqual({p["at"] for p in result["problems"]}, {n})
                    self.assertProblem(result, "institution", n, "no other entry was changed.")
                else:
                    self.only(result, "root")

    def test_changed_last_of_its_institution(self):
        notes = self.journal.notes(range(20, 31))
        for n in range(20, 30):
            if not self.next_of(n):
                lines = self.lines(self.journal.export(0, 30, notes))
                lines[2 + n] = lines[2 + n].replace(b'"req-', b'"rEq-')
                result = check(ended(lines))
                self.assertProblem(result, "root", n)
                self.only(result, "root")

    def test_changed_without_end(self):
        data = self.whole.replace(b'"req-7"', b'"req-8"')
        result = check(data)
        self.assertProblem(result, "end", None)
        self.assertProblem(result, "institution", 7)
        self.assertEqual(result["problems"][0]["at"], 7)

    def test_changed_two(self):
        lines = self.changed(7, b'"req-7"', b'"req-x"')
        lines[2 + 20] = lines[2 + 20].replace(b'"req-20"', b'"req-y"')
        result = check(ended(lines))
        self.assertProblem(result, "institution", 7)
        self.assertProblem(result, "institution", 20)
        self.assertEqual({p["at"] for p in result["problems"]}, {7, 20})

    def test_changed_two_in_a_row_of_one_institution(self):
        lines = self.changed(7, b'"req-7"', b'"req-x"')
        m = self.next_of(7)
        lines[2 + m] = lines[2 + m].replace(b'"req-', b'"rEq-')
        result = check(ended(lines))
        self.assertEqual({p["at"] for p in result["problems"]}, {7, m})

    def test_changed_previous(self):
        for n in range(4, 30):
            before = self.journal.values[n]["institution"]
            if "previous" in before and self.next_of(n):
                for kind in v.TREES:
                    old = before["previous"][kind].encode()
                    result = check(ended(self.changed(n, old, old[1:] + old[:1])))
                    self.assertProblem(result, "institution", n)
                    self.assertEqual({p["at"] for p in result["problems"]}, {n})

    def test_changed_institution(self):
        for n in (5, 9, 16):
            old = json.dumps(self.journal.values[n]["institution"]["id"]).encode()
            lines = self.lines()
            lines[2 + n] = lines[2 + n].replace(b'"institution":{"id":' + old, b'"institution":{"id":"other"')
            self.assertProblem(check(ended(lines)), "institution", n)

    def test_not_canonical(self):
        result = check(ended(self.changed(9, b'"number":', b'"number": ')))
        self.assertProblem(result, "canonical", 9)
        for old, new in ((b'"request":"req-9",', b""), (b'"outcome":"done"', b'"outcome":"gone"'),
                         (b'"time":', b'"tome":'), (b'"kind":"user"', b'"kind":"use"'),
                         (b'"effects":[', b'"effects":[1,'), (b'"request":"req-9"', b'"request":9')):
            self.assertProblem(check(ended(self.changed(9, old, new))), "canonical", 9)

    def test_unreadable(self):
        for n in range(29):
            lines = self.lines()
            lines[2 + n] = b"\x00garbage"
            result = check(ended(lines))
            self.assertProblem(result, "canonical", n)
            self.assertEqual({p["at"] for p in result["problems"]}, {n}, result)

    def test_one_damage_is_never_blamed_on_another_entry(self):
        rng = random.Random(4)
        for _ in range(250):
            count = rng.randrange(3, 40)
            names = [f"i{rng.randrange(rng.randrange(1, 6))}" for _ in range(count)]
            journal = Journal(count, choose=lambda n: names[n])
            first = rng.choice([0, rng.randrange(count - 1)])
            sizes = {count, *rng.sample(range(first + 1, count + 1), rng.randrange(1, min(6, count - first) + 1))}
            lines = self.lines(journal.export(first, count, sorted(sizes)))
            n = rng.randrange(first, count)
            at, line = 2 + n - first, lines[2 + n - first]
            place = dict(journal.values[n]["institution"])
            kind = rng.choice(["content", "removed", "previous", "number", "id", "byte"])
            if kind == "removed":
                del lines[at]
            elif kind == "content":
                lines[at] = line.replace(b'"req-', b'"rEq-')
            elif kind == "byte":
                lines[at] = flip(line, rng.randrange(len(line)), 1 << rng.randrange(8)).replace(b"\n", b"\r")
            else:
                if kind == "previous" and "previous" in place:
                    place["previous"] = {k: x[::-1] if rng.random() < 0.7 else x for k, x in place["previous"].items()}
                elif kind == "number":
                    place["number"] += rng.choice([1, 2, 50])
                else:
                    place["id"] = rng.choice(["i0", "i1", "new"])
                value = dict(journal.values[n], institution=place)
                lines[at] = v.canonical(value)
                if lines[at] == line:
                    continue
            result = check(ended(lines), [journal.note(rng.randrange(1, count + 1), "sm3")])
            self.assertFalse(result["ok"])
            self.assertLessEqual({p["at"] for p in result["problems"]}, {n, None}, (kind, n, result))

    # -- removed, added and moved entries

    def test_removed(self):
        for data, first in ((self.whole, 0), (self.part, 11)):
            for n in range(first, 30):
                lines = self.lines(data)
                del lines[2 + n - first]
                result = check(ended(lines))
                self.assertProblem(result, "number", n, "removed" if self.next_of(n) else "missing")
                if self.next_of(n):
                    self.assertEqual(len(result["problems"]), 1, result)

    def test_removed_two_and_many(self):
        lines = self.lines()
        del lines[2 + 20], lines[2 + 7]
        result = check(ended(lines))
        self.assertProblem(result, "number", 7)
        self.assertProblem(result, "number", 20)
        self.assertEqual({p["at"] for p in result["problems"]}, {7, 20}, result)
        lines = self.lines()
        del lines[2 + 7:2 + 20]
        self.assertProblem(check(ended(lines)), "number", 7, "7 to 19")

    def test_moved(self):
        for i, j in ((3, 4), (5, 17), (0, 29)):
            lines = self.lines()
            lines[2 + i], lines[2 + j] = lines[2 + j], lines[2 + i]
            result = check(ended(lines))
            self.only(result, "number")
            self.assertEqual({p["at"] for p in result["problems"]}, {i, j})
        lines = self.lines()
        lines.insert(2 + 20, lines.pop(2 + 3))
        result = check(ended(lines))
        self.only(result, "number")
        self.assertEqual({p["at"] for p in result["problems"]}, {3})

    def test_doubled(self):
        lines = self.lines()
        lines.insert(2 + 9, lines[2 + 4])
        result = check(ended(lines))
        self.only(result, "number")
        self.assertProblem(result, "number", 4, "second")

    def test_renumbered(self):
        for new in (b"8", b"12", b"99", b"-1", b'"x"'):
            result = check(ended(self.changed(7, b'"number":7,"outcome"', b'"number":' + new + b',"outcome"')))
            self.assertProblem(result, "number", 7)
            self.assertEqual({p["at"] for p in result["problems"]}, {7}, result)

    def test_removed_and_renumbered(self):
        """Removed with all numbers and chains behind it made anew, but under the old notes."""
        other = Journal(30)
        del other.values[12]
        for n, value in enumerate(other.values):
            value["number"] = n
            value["institution"].pop("previous", None)
        other.chain()
        result = check(other.export(0, 29, self.all[:-2], header={"epoch": 1, "from": 0, "instance": "test", "to": 30}))
        self.assertProblem(result, "number", 29)
        self.assertProblem(result, "root", ..., "entries 8 to 12 was changed")
        result = check(other.export(0, 29, self.all[:-2]))
        self.assertProblem(result, "checkpoint", None, "nothing signed")
        # Forged with the provider's key, it still contradicts what was kept.
        result = check(other.export(0, 29, [8, 29]), [self.all[0], self.all[3]])
        self.only(result, "checkpoint")
        self.assertProblem(result, "checkpoint", None, "entries 8 to 12 was changed, removed or forged; "
                           "jinyun.test/sm signed both")

    # -- notes

    def forged(self, n):
        other = Journal(30)
        other.values[n]["request"] = "forged"
        for value in other.values:
            value["institution"].pop("previous", None)
        other.chain()
        return other

    def test_forged_without_the_key(self):
        thief = [Signer(ED.name, "ed25519", b"thief"), Signer(SM.name, "sm2", b"thief")]
        other = self.forged(12)
        notes = self.all[:2] + [other.note(n, k, [s]) for n in (13, 21, 30) for k, s in zip(v.TREES, thief)]
        result = check(other.export(0, 30, notes))
        self.only(result, "signature")
        self.assertProblem(result, "signature", None, "entries 8 to 12: they may be forged")
        for s, real in zip(thief, (ED, SM)):
            s.id = real.id
        notes = self.journal.notes([8, 12]) + [other.note(n, k, [s]) for n in (13, 30) for k, s in zip(v.TREES, thief)]
        result = check(other.export(0, 30, notes))
        self.only(result, "signature")
        self.assertProblem(result, "signature", 12, "does not verify")

    def test_forged_with_the_key(self):
        other = self.forged(12)
        data = other.export(0, 30, [8, 13, 21, 30])
        self.assertGood(check(data))
        self.assertGood(check(data, self.journal.notes([8, 12])))
        result = check(data, self.journal.notes([12, 13]))
        self.only(result, "checkpoint")
        self.assertProblem(result, "checkpoint", 12, "signed both histories")
        self.assertProblem(check(data, [self.all[7]]), "checkpoint", None, "entries 0 to 29")

    def test_forged_before_the_period(self):
        other = self.forged(3)
        result = check(other.export(13, 30, [30]), [self.all[2]])
        self.only(result, "checkpoint")
        self.assertProblem(result, "checkpoint", None, "before the period")

    def test_cut_off(self):
        data = self.journal.export(0, 21, self.all[:-2])
        self.assertGood(check(data, [self.all[2]]))
        self.assertProblem(check(data, [self.all[7]]), "checkpoint", None, "shorter than the kept")

    def test_kept_is_bad(self):
        self.assertProblem(check(self.whole, [b"\xff"]), "checkpoint", None)
        self.assertProblem(check(self.whole, [b""]), "checkpoint", None)
        self.assertProblem(check(self.whole, [self.all[0] + "\n"]), "checkpoint", None)
        self.assertProblem(check(self.whole, [self.all[0].replace("ntp", "gps")]), "signature", None)
        self.assertProblem(check(self.whole, [self.journal.note(8, "sm3", [BANK])]), "signature", None)
        self.assertProblem(check(self.whole, [Journal(8, epoch=2).note(8, "sm3")]), "checkpoint", None, "of this")
        self.assertGood(check(self.part, [self.all[0]]))

    def test_notes(self):
        def of(notes):
            return check(self.journal.export(0, 30, notes))
        a = self.all
        self.assertGood(of(a[:3] + a[4:]))
        self.only(of([]), "checkpoint")
        self.only(of(a[:-2]), "checkpoint")
        self.only(of(a[:-1]), "checkpoint")
        self.only(of(a[:2] + a[4:6] + a[2:4] + a[6:]), "checkpoint")
        self.only(of([a[1], a[0]] + a[2:]), "checkpoint")
        self.only(of(a[:2] + a), "checkpoint")
        self.only(of(self.journal.notes([0]) + a), "checkpoint")
        self.only(of(Journal(8, instance="other").notes([8]) + a[2:]), "checkpoint")
        self.only(of([a[0].replace("ntp", "gps")] + a[1:]), "signature")
        self.only(of([a[0].replace(" ntp ", "  ntp ")] + a[1:]), "checkpoint")
        self.only(of([a[0].replace("\n8\n", "\n08\n")] + a[1:]), "checkpoint")
        self.only(of([a[0].replace("\n\n", "\nextra\n\n")] + a[1:]), "checkpoint")
        self.only(of([a[0][:-1]] + a[1:]), "checkpoint")
        self.only(of([a[0] + "\u2014 unknown AAAAAAA=\n"] + a[1:]))
        self.only(of([a[0] + "\u2014 unknown AAAAAAB=\n"] + a[1:]), "checkpoint")
        self.only(of([a[0] + "unknown AAAAAAA=\n"] + a[1:]), "checkpoint")
        self.only(of([a[0] + f"\u2014 {ED.name} AAAAAAA=\n"] + a[1:]), "signature")
        wrong = Journal(30, choose=lambda n: "x").note(13, "sm3")
        self.only(of(a[:3] + [wrong] + a[4:]), "root")
        self.assertProblem(of(a[:3] + [wrong] + a[4:]), "root", None, "signed a wrong root")
        root8, root13 = a[0].split("\n")[2], a[2].split("\n")[2]
        self.only(of([a[0].replace(root8, root13)] + a[1:]), "root", "signature")

    def test_note_line(self):
        lines = self.lines()
        at = next(i for i, x in enumerate(lines) if x.startswith(b"note "))
        for bad, what in ((lines[at].replace(b"\xe2\x80\x94", b"\\u2014"), "checkpoint"), (b"note 1", "checkpoint"),
                          (b"note {}", "checkpoint"), (b'note "\\ud800"', "checkpoint"), (b"note", "file"),
                          (b"note  " + lines[at][5:], "checkpoint"), (b"{}", "file"), (b"", "file")):
            self.assertProblem(check(ended(lines[:at] + [bad] + lines[at:])), what, None)

    # -- keys and the command line

    def test_keys(self):
        for bad in (b"", b"\xff", b"name\n", b"a rsa 00\n", b"a ed25519 00\n", b"a ed25519 " + b"0" * 63 + b"\n",
                    b"a sm2 04" + b"0" * 128 + b"\n", b"a b ed25519 " + ED.public.hex().encode() + b"\n",
                    b"a ed25519 01" + b"0" * 62):
            result = check(self.whole, keys=bad)
            self.assertEqual([p["what"] for p in result["problems"]], ["file"])
        self.assertGood(check(self.whole, keys=KEYS.replace(b"\n", b"\r\n") + b"\n"))
        self.assertProblem(check(self.whole, keys=BANK.key().encode()), "signature", None)

    def test_command_line(self):
        with tempfile.TemporaryDirectory() as folder:
            def put(name, data):
                path = os.path.join(folder, name)
                with open(path, "wb") as file:
                    file.write(data)
                return path
            keys, good = put("keys", KEYS), put("good", self.whole)
            bad = put("bad", self.whole.replace(b"req-7", b"req-x"))
            kept = [put(f"note{i}", n.encode()) for i, n in enumerate(self.all)]
            for words, code in ((["--keys", keys, good], 0), ([good, f"--keys={keys}"], 0), (["--keys", keys, bad], 1),
                                (["--keys", keys, "--checkpoint", kept[0], "--checkpoint", kept[1], good], 0),
                                (["--keys", keys, "--checkpoint"] + kept + [good], 0),
                                (["--keys", keys, good, "--checkpoint"] + kept, 0),
                                (["--keys", keys, "--checkpoint", keys, good], 1),
                                (["--keys", keys, folder], 1), (["--keys", good, good], 1), ([good], 1), ([], 1),
                                (["--keys"], 1), (["--keys", keys, good, "--what"], 1), (["--keys", keys, "x\0"], 1)):
                out = io.StringIO()
                with redirect_stdout(out), redirect_stderr(io.StringIO()):
                    self.assertEqual(v.main(words), code, words)
                self.assertEqual(out.getvalue().count("\n"), 1)
                self.assertIs(json.loads(out.getvalue())["ok"], code == 0)
            program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "verify.py")
            for path, code in ((good, 0), (bad, 1)):
                done = subprocess.run([sys.executable, program, "--keys", keys, path], capture_output=True)
                self.assertEqual((done.returncode, done.stderr), (code, b""))
                self.assertIs(json.loads(done.stdout)["ok"], code == 0)


if __name__ == "__main__":
    unittest.main()
