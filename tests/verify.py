#!/usr/bin/env python3
"""A second, independent verifier of journal exports (docs/journal-format.md, version 1), of a period and of one
institution's entries.

    python3 tests/verify.py --keys KEYSFILE [--checkpoint NOTEFILE ...] EXPORT

Works offline, with nothing but Python's standard library; SM3, SM2 and Ed25519 are its own (OpenSSL's SM3 is
used where Python offers it). Prints one line of JSON and ends with 0 only if nothing is wrong:

    {"ok": bool, "entries": n, "problems": [{"at": entry or null, "what": word, "say": sentence}],
     "signers": [{"algorithm": ..., "name": ..., "notes": checkpoints with this key's valid signature}]}

The words: `file` (something cannot be read or has no place in an export), `header`, `number` (an entry is missing,
moved, doubled or renumbered), `institution` (an institution's chain is broken: numbers or `previous`), `root`
(entries and the root of a checkpoint in the export differ), `signature`, `checkpoint` (a checkpoint's text, place,
or its contradiction with one kept outside), `canonical` (an entry is not the canonical JSON of an entry), `end`.
What could not be compared without being wrong is said on stderr, and so are timestamps (RFC 3161) among the
signature lines: they are recognised and not checked (`jinyun-verify --tsa-root` does).
"""

import array
import base64
import binascii
import bisect
import hashlib
import itertools
import json
import re
import struct
import sys

# ---------------------------------------------------------------------------------------------------------------
# SM3 (GB/T 32905). The compression function works on many messages at once: a word of every message stands in its
# own 64 bit lane of one large integer, so that the interpreter's cost for a step is shared by all lanes.

_SM3_IV = (0x7380166F, 0x4914B2B9, 0x172442D7, 0xDA8A0600, 0xA96F30BC, 0x163138AA, 0xE38DEE4D, 0xB0FB0E4E)


def _rotl32(x, k):
    k %= 32
    return ((x << k) | (x >> (32 - k))) & 0xFFFFFFFF


_SM3_T = tuple(_rotl32(0x79CC4519 if j < 16 else 0x7A879D8A, j) for j in range(64))
_SM3_LANES = 512
_lanes = {}


def _sm3_constants(count):
    if count in _lanes:
        return _lanes[count]
    ones = int.from_bytes(b"\x01\0\0\0\0\0\0\0" * count, "little")
    made = (ones * 0xFFFFFFFF, tuple(t * ones for t in _SM3_T), tuple(v * ones for v in _SM3_IV))
    if count in (1, _SM3_LANES):
        _lanes[count] = made
    return made


def _sm3_compress(v, w, m, t):
    """One block in every lane: state `v`, the 16 words `w`, lane mask `m`, lane constants `t`."""
    w = list(w)
    for j in range(16, 68):
        x = w[j - 3]
        x = w[j - 16] ^ w[j - 9] ^ (((x | x << 32) >> 17) & m)
        y = x | x << 32
        x ^= (y >> 17) ^ (y >> 9)
        y = w[j - 13]
        w.append((x ^ ((y | y << 32) >> 25) ^ w[j - 6]) & m)
    a, b, c, d, e, f, g, h = v
    for j in range(64):
        a12 = ((a | a << 32) >> 20) & m
        s1 = (a12 + e + t[j]) & m
        s1 = ((s1 | s1 << 32) >> 25) & m
        wj = w[j]
        if j < 16:
            t1 = (a ^ b ^ c) + d + (s1 ^ a12) + (wj ^ w[j + 4])
            t2 = ((e ^ f ^ g) + h + s1 + wj) & m
        else:
            t1 = ((a & b) | (c & (a | b))) + d + (s1 ^ a12) + (wj ^ w[j + 4])
            t2 = ((g ^ (e & (f ^ g))) + h + s1 + wj) & m
        d, c, b, a = c, ((b | b << 32) >> 23) & m, a, t1 & m
        y = t2 | t2 << 32
        h, g, f, e = g, ((f | f << 32) >> 13) & m, e, (t2 ^ (y >> 23) ^ (y >> 15)) & m
    return (a ^ v[0], b ^ v[1], c ^ v[2], d ^ v[3], e ^ v[4], f ^ v[5], g ^ v[6], h ^ v[7])


def _sm3_pad(message):
    return message + b"\x80" + b"\0" * ((55 - len(message)) % 64) + struct.pack(">Q", 8 * len(message))


def sm3_own(message):
    """SM3 of one message, without OpenSSL."""
    m, t, v = _sm3_constants(1)
    message = _sm3_pad(message)
    for at in range(0, len(message), 64):
        v = _sm3_compress(v, struct.unpack_from(">16I", message, at), m, t)
    return struct.pack(">8I", *v)


def sm3_own_many(messages):
    """SM3 of every message, without OpenSSL."""
    out = [b""] * len(messages)
    groups = {}
    for i, message in enumerate(messages):
        groups.setdefault((len(message) + 72) // 64, []).append(i)
    for blocks, members in groups.items():
        for start in range(0, len(members), _SM3_LANES):
            some = members[start:start + _SM3_LANES]
            count = len(some)
            if count < 3:
                for i in some:
                    out[i] = sm3_own(messages[i])
                continue
            m, t, v = _sm3_constants(count)
            padded = [_sm3_pad(messages[i]) for i in some]
            for block in range(blocks):
                words = struct.unpack(">%dI" % (16 * count), b"".join(p[64 * block:64 * block + 64] for p in padded))
                w = [_lanes_in(words[j::16]) for j in range(16)]
                v = _sm3_compress(v, w, m, t)
            columns = [_lanes_out(word, count) for word in v]
            for i, digest in zip(some, zip(*columns)):
                out[i] = struct.pack(">8I", *digest)
    return out


def _lanes_in(words):
    lanes = array.array("Q", words)
    if sys.byteorder == "big":
        lanes.byteswap()
    return int.from_bytes(lanes.tobytes(), "little")


def _lanes_out(number, count):
    lanes = array.array("Q")
    lanes.frombytes(number.to_bytes(8 * count, "little"))
    if sys.byteorder == "big":
        lanes.byteswap()
    return lanes


def _openssl_sm3():
    try:
        new = hashlib.new
        if new("sm3", b"abc").hexdigest() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0":
            return lambda message: new("sm3", message).digest()
    except Exception:
        pass
    return None


_sm3_fast = _openssl_sm3()


def sm3(message):
    """SM3 of one message."""
    return _sm3_fast(message) if _sm3_fast else sm3_own(message)


def sm3_many(messages):
    """SM3 of every message."""
    return [_sm3_fast(x) for x in messages] if _sm3_fast else sm3_own_many(messages)


def sha256(message):
    """SHA-256 of one message."""
    return hashlib.sha256(message).digest()


def sha256_many(messages):
    """SHA-256 of every message."""
    return [hashlib.sha256(x).digest() for x in messages]


ONE = {"sha256": sha256, "sm3": lambda m: sm3(m)}
MANY = {"sha256": sha256_many, "sm3": lambda m: sm3_many(m)}
TREES = ("sha256", "sm3")


def _inverses(values, p):
    """The inverses modulo `p` of values that are not 0, at the cost of one inversion."""
    before, product = [], 1
    for value in values:
        before.append(product)
        product = product * value % p
    product = pow(product, -1, p)
    out = [0] * len(values)
    for i in range(len(values) - 1, -1, -1):
        out[i] = product * before[i] % p
        product = product * values[i] % p
    return out


# ---------------------------------------------------------------------------------------------------------------
# SM2 signatures (GB/T 32918.2, 32918.5) over the recommended curve sm2p256v1.

SM2_P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
SM2_A = SM2_P - 3
SM2_B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
SM2_N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
SM2_G = (0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
         0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0)
SM2_ID = b"1234567812345678"


def _sm2_double(point):
    x, y, z = point
    p = SM2_P
    if not z or not y:
        return (1, 1, 0)
    delta = z * z % p
    gamma = y * y % p
    beta = x * gamma % p
    alpha = 3 * (x - delta) * (x + delta) % p
    x3 = (alpha * alpha - 8 * beta) % p
    return (x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % p, 2 * y * z % p)


def _sm2_add(point, x2, y2):
    """A Jacobian point plus an affine one."""
    x1, y1, z1 = point
    p = SM2_P
    if not z1:
        return (x2, y2, 1)
    zz = z1 * z1 % p
    h = (x2 * zz - x1) % p
    r = (y2 * z1 * zz - y1) % p
    if not h:
        return (1, 1, 0) if r else _sm2_double(point)
    hh = h * h % p
    hhh = h * hh % p
    v = x1 * hh % p
    x3 = (r * r - hhh - 2 * v) % p
    return (x3, (r * (v - x3) - y1 * hhh) % p, z1 * h % p)


def sm2_affine(point):
    """Affine coordinates, or None for the point at infinity."""
    x, y, z = point
    if not z:
        return None
    i = pow(z, -1, SM2_P)
    return (x * i * i % SM2_P, y * i * i * i % SM2_P)


def sm2_table(point):
    """Multiples 1..15 of 16^i times an affine point, for fast multiplication by it."""
    rows, base = [], point
    for _ in range(64):
        row = [(base[0], base[1], 1)]
        row.append(_sm2_double(row[0]))
        while len(row) < 16:
            row.append(_sm2_add(row[-1], *base))
        inverses = _inverses([z for _, _, z in row], SM2_P)
        flat = [(x * i * i % SM2_P, y * i * i * i % SM2_P) for (x, y, _), i in zip(row, inverses)]
        rows.append([None] + flat[:15])
        base = flat[15]
    return rows


def sm2_multiply(table, scalar, start=(1, 1, 0)):
    """`start` plus `scalar` times the table's point, Jacobian."""
    for row in table:
        digit = scalar & 15
        scalar >>= 4
        if digit:
            start = _sm2_add(start, *row[digit])
    return start


def sm2_point(public):
    """The point of a 65 byte uncompressed public key, or None if it is none."""
    if len(public) != 65 or public[0] != 4:
        return None
    x, y = int.from_bytes(public[1:33], "big"), int.from_bytes(public[33:], "big")
    if x >= SM2_P or y >= SM2_P or (y * y - (x * x * x + SM2_A * x + SM2_B)) % SM2_P:
        return None
    return (x, y)


def sm2_za(public, signer=SM2_ID):
    """The hash of signer and key that is put before the message."""
    numbers = (SM2_A, SM2_B) + SM2_G
    return sm3(struct.pack(">H", 8 * len(signer)) + signer + b"".join(n.to_bytes(32, "big") for n in numbers)
               + public[1:])


_tables = {}


def _table(name, make):
    if name not in _tables:
        _tables[name] = make()
    return _tables[name]


def sm2_verify(public, message, signature, signer=SM2_ID):
    """Whether `signature` (r || s) over `message` is valid for the 65 byte key."""
    point = sm2_point(public)
    if point is None or len(signature) != 64:
        return False
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not (0 < r < SM2_N and 0 < s < SM2_N):
        return False
    e = int.from_bytes(sm3(sm2_za(public, signer) + message), "big")
    t = (r + s) % SM2_N
    if not t:
        return False
    sum_ = sm2_multiply(_table("sm2", lambda: sm2_table(SM2_G)), s)
    sum_ = sm2_affine(sm2_multiply(_table(public, lambda: sm2_table(point)), t, sum_))
    return sum_ is not None and (e + sum_[0]) % SM2_N == r


# ---------------------------------------------------------------------------------------------------------------
# Ed25519 (RFC 8032).

ED_P = 2 ** 255 - 19
ED_L = 2 ** 252 + 27742317777372353535851937790883648493
ED_D = -121665 * pow(121666, -1, ED_P) % ED_P
_ED_I = pow(2, (ED_P - 1) // 4, ED_P)


def ed_decode(data):
    """The affine point of 32 bytes (RFC 8032, 5.1.3), or None."""
    if len(data) != 32:
        return None
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= ED_P:
        return None
    u, v = (y * y - 1) % ED_P, (ED_D * y * y + 1) % ED_P
    x = u * pow(v, 3, ED_P) * pow(u * pow(v, 7, ED_P), (ED_P - 5) // 8, ED_P) % ED_P
    if (v * x * x - u) % ED_P:
        x = x * _ED_I % ED_P
        if (v * x * x - u) % ED_P:
            return None
    if x == 0 and sign:
        return None
    return (ED_P - x if x & 1 != sign else x, y)


def ed_encode(point):
    """The 32 bytes of an extended point."""
    x, y, z = point[:3]
    i = pow(z, -1, ED_P)
    return (y * i % ED_P | (x * i % ED_P & 1) << 255).to_bytes(32, "little")


def _ed_add(a, b):
    """Sum of extended points; complete on this curve, so it doubles as well."""
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    p = ED_P
    k, m = (y1 - x1) * (y2 - x2) % p, (y1 + x1) * (y2 + x2) % p
    c, d = 2 * t1 * t2 * ED_D % p, 2 * z1 * z2 % p
    e, f, g, h = m - k, d - c, d + c, m + k
    return (e * f % p, g * h % p, f * g % p, e * h % p)


_ED_ZERO = (0, 1, 1, 0)


def ed_table(point):
    """Multiples 1..15 of 16^i times an affine point, as (y-x, y+x, 2dxy)."""
    rows, p = [], ED_P
    base = (point[0], point[1], 1, point[0] * point[1] % p)
    for _ in range(64):
        row = [base]
        while len(row) < 16:
            row.append(_ed_add(row[-1], base))
        inverses = _inverses([q[2] for q in row], p)
        flat = [(q[0] * i % p, q[1] * i % p) for q, i in zip(row, inverses)]
        rows.append([None] + [((y - x) % p, (y + x) % p, 2 * ED_D * x * y % p) for x, y in flat[:15]])
        x, y = flat[15]
        base = (x, y, 1, x * y % p)
    return rows


def ed_multiply(table, scalar, start=_ED_ZERO):
    """`start` plus `scalar` times the table's point, extended."""
    x, y, z, t = start
    p = ED_P
    for row in table:
        digit = scalar & 15
        scalar >>= 4
        if digit:
            minus, plus, xy = row[digit]
            k, m, c, d = (y - x) * minus % p, (y + x) * plus % p, t * xy % p, 2 * z
            e, f, g, h = m - k, d - c, d + c, m + k
            x, y, z, t = e * f % p, g * h % p, f * g % p, e * h % p
    return (x, y, z, t)


ED_B = ed_decode(bytes([0x58]) + bytes([0x66]) * 31)


def _small_points():
    point = ed_decode(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"))
    base = (point[0], point[1], 1, point[0] * point[1] % ED_P)
    out, at = set(), _ED_ZERO
    for _ in range(8):
        out.add(ed_encode(at))
        at = _ed_add(at, base)
    return out


ED_SMALL = _small_points()


def ed_verify(public, message, signature):
    """Whether `signature` over `message` is valid. Points of small order, which no honest key uses, are refused."""
    point = ed_decode(public)
    if point is None or len(signature) != 64 or public in ED_SMALL or signature[:32] in ED_SMALL:
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= ED_L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ED_L
    sum_ = ed_multiply(_table("ed", lambda: ed_table(ED_B)), s)
    sum_ = ed_multiply(_table(public, lambda: ed_table((-point[0] % ED_P, point[1]))), k, sum_)
    return ed_encode(sum_) == signature[:32]


# ---------------------------------------------------------------------------------------------------------------
# Keys and notes.

class Wrong(Exception):
    """Something is not as the format says; the text is a sentence."""


class Key:
    """A public key of the keys file."""

    def __init__(self, name, algorithm, public):
        self.name, self.algorithm, self.public = name, algorithm, public
        tag = b"\x01" if algorithm == "ed25519" else b"\xffsm2"
        self.id = sha256(name.encode() + b"\n" + tag + public)[:4]
        self.notes = 0

    def verifies(self, text, signature):
        """Whether the signature over the bytes is this key's."""
        check = ed_verify if self.algorithm == "ed25519" else sm2_verify
        return check(self.public, text, signature)


def is_key_name(name):
    """C2SP signed-note: not empty, no space, no plus."""
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)


def read_keys(data):
    """The keys of a keys file."""
    keys = []
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise Wrong("The keys file is not UTF-8.") from None
    for number, line in enumerate(lines, 1):
        line = line.removesuffix("\r")
        if not line:
            continue
        parts = line.split(" ")
        if len(parts) != 3 or not is_key_name(parts[0]) or not re.fullmatch("(?:[0-9a-fA-F]{2})+", parts[2]):
            raise Wrong(f"Line {number} of the keys file is not '<name> <ed25519|sm2> <hex>'.")
        public = bytes.fromhex(parts[2])
        if parts[1] == "ed25519":
            good = ed_decode(public) is not None and public not in ED_SMALL
        elif parts[1] == "sm2":
            good = sm2_point(public) is not None
        else:
            raise Wrong(f"Line {number} of the keys file names an unknown algorithm.")
        if not good:
            raise Wrong(f"Line {number} of the keys file holds no valid {parts[1]} key.")
        keys.append(Key(parts[0], parts[1], public))
    if not keys:
        raise Wrong("The keys file holds no key.")
    return keys


def base64_exact(text):
    """Strict standard base64 with padding, or None."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


_NATURAL = "(?:0|[1-9][0-9]{0,19})"
_INTEGER = "(?:0|-?[1-9][0-9]{0,19})"
_TIME = re.compile(f"time {_INTEGER} [^\\s]+ {_INTEGER}")
_NATURAL = re.compile(_NATURAL)


_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_TST_INFO = bytes.fromhex("060b2a864886f70d0109100104")
_STATED = re.compile(rb"\x18.([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})(?:\.[0-9]+)?Z", re.DOTALL)


def timestamp(blob):
    """The time that a timestamp token states, which nothing here vouches for; '' without one, None if it is none."""
    if blob[:1] != b"\x30" or _SIGNED_DATA not in blob[:20] or _TST_INFO not in blob[:200]:
        return None
    stated = _STATED.search(blob)
    return "%s-%s-%sT%s:%s:%sZ" % tuple(g.decode() for g in stated.groups()) if stated else ""


class Note:
    """A checkpoint; raises Wrong unless its bytes are exactly as the page says."""

    def __init__(self, note):
        self.kept = None
        self.signed = False
        self.stamps = []
        self.bytes = note
        cut = note.rfind("\n\n")
        if cut < 0:
            raise Wrong("it has no empty line between text and signatures")
        self.text, lines = note[:cut + 1], note[cut + 2:]
        if not lines.endswith("\n"):
            raise Wrong("its last line is not ended")
        self.signatures = []
        for line in lines[:-1].split("\n"):
            parts = line.split(" ")
            blob = base64_exact(parts[2]) if len(parts) == 3 else None
            if blob is None or parts[0] != "\u2014" or not is_key_name(parts[1]) or len(blob) < 5:
                raise Wrong("one of its signature lines is malformed")
            self.signatures.append((parts[1], blob[:4], blob[4:]))
        lines = self.text.split("\n")
        if len(lines) != 5:
            raise Wrong("its text has not four lines")
        self.origin, size, root, time, _ = lines
        if not re.fullmatch("jinyun/.*/(?:0|[1-9][0-9]*)/(?:sha256|sm3)", self.origin):
            raise Wrong("its first line is not 'jinyun/<instance>/<epoch>/<sha256|sm3>'")
        self.tree = self.origin.rsplit("/", 1)[1]
        if not _NATURAL.fullmatch(size):
            raise Wrong("its size is not a decimal number")
        self.size = int(size)
        self.root = base64_exact(root)
        if self.root is None or len(self.root) != 32:
            raise Wrong("its root is not the base64 of 32 bytes")
        if not _TIME.fullmatch(time):
            raise Wrong("its fourth line is not 'time <microseconds> <source> <offset>'")

    def check(self, keys, algorithms):
        """Checks all signatures by known keys; counts them; returns sentences on what is wrong."""
        wrong, good, unknown = [], [], []
        text = self.text.encode()
        names = {key.name for key in keys}
        for name, id_, signature in self.signatures:
            key = next((k for k in keys if k.name == name and k.id == id_), None)
            if key is not None:
                if not key.verifies(text, signature):
                    wrong.append(f"the signature of {name} ({key.algorithm}) does not verify")
                elif key not in good:
                    good.append(key)
            elif name in names:
                wrong.append(f"a signature line of {name} has the id of a key that the keys file does not hold")
            else:
                stated = timestamp(signature)
                if stated is None:
                    unknown.append(name)
                else:
                    said = f" (says {stated})" if stated else ""
                    self.stamps.append(f"{name} on {self.tree} of {self.size}{said}")
        for key in good:
            key.notes += 1
        if not wrong and not any(k.algorithm in algorithms for k in good):
            wrong.append(f"no key of the keys file signed it by {' or '.join(algorithms)}")
        self.signed = not wrong
        self.signers = [k.name for k in good]
        self.unknown = unknown
        return wrong


# ---------------------------------------------------------------------------------------------------------------
# Trees.

class Tree:
    """All complete subtrees that leaves from number `first` on, behind given peaks of [0,first), make up."""

    def __init__(self, tree, first, peaks, leaves):
        self.one = ONE[tree]
        many = MANY[tree]
        self.first, self.size = first, first + len(leaves)
        self.levels = []
        peaks = list(peaks)
        row, start = leaves, first
        while True:
            level = len(self.levels)
            if first >> level & 1:
                start -= 1
                row = [peaks.pop()] + row
            self.levels.append((start, row))
            if not (first >> level + 1 or len(row) > 1):
                break
            row = many([b"\x01" + row[i] + row[i + 1] for i in range(start & 1, len(row) - 1, 2)])
            start = start + 1 >> 1

    def root(self, size):
        """The root at a size from `first` to the tree's own; None elsewhere."""
        if not self.first <= size <= self.size:
            return None
        if size == 0:
            return self.one(b"")
        hash_, level = None, 0
        while size >> level:
            if size >> level & 1:
                start, row = self.levels[level]
                left = row[(size >> level) - 1 - start]
                hash_ = left if hash_ is None else self.one(b"\x01" + left + hash_)
            level += 1
        return hash_


# ---------------------------------------------------------------------------------------------------------------
# Entries.

def _no_fraction(text):
    raise ValueError("a number with fraction or exponent")


def _no_constant(text):
    raise ValueError("not JSON: " + text)


_decoder = json.JSONDecoder(parse_float=_no_fraction, parse_constant=_no_constant)
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def canonical(value):
    """Canonical bytes of a JSON value."""
    return _encode(value).encode("utf-8")


def read_json(data):
    """The value of JSON bytes and whether they are canonical; Wrong if they are no JSON of ours."""
    try:
        value = _decoder.decode(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise Wrong("is not UTF-8") from None
    except RecursionError:
        raise Wrong("is nested too deeply") from None
    except ValueError as e:
        raise Wrong(f"is not JSON with integers only ({str(e)[:100]})") from None
    try:
        return value, canonical(value) == data
    except (ValueError, RecursionError):
        return value, False


def is_int(value):
    return type(value) is int


def is_natural(value):
    return type(value) is int and 0 <= value < 1 << 64


def is_str(value):
    return type(value) is str


def is_object(value, **members):
    """Whether it is an object with exactly these members, each passing its test."""
    return type(value) is dict and value.keys() == members.keys() and all(t(value[m]) for m, t in members.items())


_HASH = re.compile("[0-9a-f]{64}")


def is_hash(value):
    return type(value) is str and _HASH.fullmatch(value) is not None


def is_effect(value):
    if type(value) is not dict:
        return False
    value = dict(value)
    op = value.pop("op", None)
    if op == "put":
        if "deleting" in value and value.pop("deleting") is not True:
            return False
        return is_object(value, kind=is_str, id=is_str, domain=is_str, project=is_str, name=is_str,
                         generation=is_int, spec=lambda v: True)
    if op == "drop":
        return is_object(value, kind=is_str, id=is_str)
    if op == "secret":
        return is_object(value, kind=is_str, id=is_str, name=is_str, digest=is_hash)
    return op == "unsecret" and is_object(value, kind=is_str, id=is_str, name=is_str)


_MEMBERS = {
    "action": lambda v: is_str(v) and v.count(":") == 2,
    "actor": lambda v: is_object(v, domain=is_str, id=is_str, kind=lambda k: k in ("user", "system", "nobody")),
    "approval": is_str,
    "effects": lambda v: type(v) is list and bool(v) and all(map(is_effect, v)),
    "institution": lambda v: True,  # looked at with its chain
    "note": lambda v: True,
    "number": lambda v: True,  # looked at with the order
    "outcome": lambda v: is_str(v) and v in ("done", "refused", "waiting"),
    "reason": lambda v: is_object(v, code=is_str, message=is_str),
    "request": is_str,
    "source": is_str,
    "target": lambda v: is_object(v, id=is_str, kind=is_str),
    "time": is_int,
}
_REQUIRED = ("action", "actor", "institution", "number", "outcome", "request", "time")


def entry_faults(value):
    """What is wrong with the members of an entry, apart from its numbers and its institution."""
    faults = [f"member '{m}' is missing" for m in _REQUIRED if m not in value]
    for member, content in value.items():
        test = _MEMBERS.get(member)
        try:
            if test is None:
                faults.append(f"member '{member[:40]}' is unknown")
            elif not test(content):
                faults.append(f"member '{member}' is not as the format says")
        except TypeError:
            faults.append(f"member '{member}' is not as the format says")
    if value.get("outcome") == "refused" and "reason" not in value:
        faults.append("it is refused without a reason")
    return faults


class Entry:
    """A line of an export that should be an entry."""

    __slots__ = ("line", "data", "number", "institution", "count", "previous", "leaf", "slot")

    def __init__(self, line, data):
        self.line, self.data = line, data
        self.number = self.institution = self.count = self.previous = self.slot = None
        self.leaf = {}


def spans(numbers):
    """Ascending numbers as ranges (first, last)."""
    out = []
    for n in numbers:
        if out and out[-1][1] + 1 == n:
            out[-1][1] = n
        else:
            out.append([n, n])
    return out


def named(first, last):
    return f"entry {first}" if first == last else f"entries {first} to {last}"


def listed(numbers):
    """Numbers for a sentence."""
    text = ", ".join(named(a, b).split(" ", 1)[1] for a, b in spans(numbers)[:8])
    return text + (", ..." if len(spans(numbers)) > 8 else "")


def longest_increasing(numbers):
    """Positions of a longest strictly increasing subsequence; None values are left out."""
    ends, at, back = [], [], [None] * len(numbers)
    for i, n in enumerate(numbers):
        if n is None:
            continue
        k = bisect.bisect_left(ends, n)
        back[i] = at[k - 1] if k else None
        if k == len(ends):
            ends.append(n)
            at.append(i)
        else:
            ends[k], at[k] = n, i
    out, i = [], at[-1] if at else None
    while i is not None:
        out.append(i)
        i = back[i]
    return out[::-1]


# ---------------------------------------------------------------------------------------------------------------
# The verification.

_AT_MOST = 40  # problems of one kind that are told one by one


class Verification:
    """One export against keys and kept checkpoints."""

    def __init__(self, keys):
        self.keys = keys
        self.problems = []
        self.remarks = []
        self.told = {}
        self.entries = []
        self.slots = {}
        self.missing = []
        self.notes = []
        self.kept = []
        self.removed = {}
        self.alone = False
        self.mended = []
        self.peaks = {}

    def remark_stamps(self, note):
        for stamp in note.stamps:
            self.remarks.append(f"a timestamp that is not checked here: {stamp}")

    def problem(self, what, at, say):
        self.told[what] = self.told.get(what, 0) + 1
        if self.told[what] <= _AT_MOST:
            self.problems.append({"at": at, "what": what, "say": say})

    def result(self):
        problems = list(self.problems)
        for what, count in self.told.items():
            if count > _AT_MOST:
                problems.append({"at": None, "what": what, "say": f"There are {count - _AT_MOST} more of this kind."})
        signers = [{"algorithm": k.algorithm, "name": k.name, "notes": k.notes} for k in self.keys if k.notes]
        problems.sort(key=lambda p: p["at"] is None)  # what names an entry first
        return {"ok": not problems, "entries": len(self.entries), "problems": problems, "signers": signers}

    # -- the file's parts

    def run(self, data, kept):
        """Verifies the bytes of an export; `kept` are pairs of file name and bytes."""
        lines = data.split(b"\n")
        if lines[-1]:
            lines_complete = False
        else:
            lines_complete = True
            lines.pop()
        if not lines or lines[0] != b"jinyun-journal-export/1":
            self.problem("file", None, "The file does not begin with the line 'jinyun-journal-export/1'.")
        body = self.read_end(data, lines, lines_complete)
        header = self.read_header(lines[1] if len(lines) > 1 and body > 1 else b"")
        if header:
            tail = self.read_entries(lines, body)
            self.read_tail(lines[tail:body], tail + 1)
        self.read_kept(kept)
        if not header:
            return
        self.check_notes()
        self.check_numbers()
        self.check_chains()
        self.check_roots()

    def read_end(self, data, lines, complete):
        """Checks the end line; returns the number of lines before it."""
        ends = [i for i, line in enumerate(lines) if i > 1 and line.startswith(b"end ")]
        if not ends:
            self.problem("end", None, "The file has no end line: it is cut off.")
            if not complete:
                self.problem("end", None, f"The last line ({len(lines)}) is not ended by a line feed.")
            return len(lines)
        at = ends[-1]
        if at != len(lines) - 1 or not complete:
            if at == len(lines) - 1:
                self.problem("end", None, "The end line is not ended by a line feed.")
            else:
                self.problem("end", None, f"There are {len(lines) - 1 - at} lines behind the end line "
                             f"(line {at + 1}).")
        sum_ = lines[at][4:].decode("latin-1")
        before = sum(map(len, lines[:at])) + at
        if not _HASH.fullmatch(sum_):
            self.problem("end", None, "The end line does not hold the lower-case hex of a SHA-256.")
        elif sha256(data[:before]).hex() != sum_:
            self.problem("end", None, "The bytes of the file are not those that its end line was made for.")
        return at

    def read_header(self, line):
        try:
            value, exact = read_json(line)
        except Wrong as e:
            self.problem("header", None, f"The header (line 2) {e}.")
            return False
        if not is_object(value, epoch=is_natural, instance=is_str, to=is_natural, **{"from": is_natural}):
            self.problem("header", None, "The header (line 2) is not "
                         "{\"epoch\":E,\"from\":A,\"instance\":\"...\",\"to\":B}.")
            return False
        if not exact:
            self.problem("header", None, "The header (line 2) is not canonical.")
        self.instance, self.epoch = value["instance"], value["epoch"]
        self.first, self.to = value["from"], value["to"]
        if self.first > self.to:
            self.problem("header", None, f"The header's period ends ({self.to}) before it begins ({self.first}).")
            return False
        return True

    def read_entries(self, lines, body):
        """Reads the entries; returns the index of the first line behind them."""
        def first(*words):
            return next((i for i in range(2, body) if lines[i].startswith(words)), None)

        tail = 2 + self.to - self.first
        if not (tail < body and lines[tail].startswith(b"proof sha256")):
            found = first(b"proof sha256")
            if found is None and (tail > body or tail < body and lines[tail].startswith(b"{")):
                # The first proof line is lost or damaged, and the header's count does not lead to it either.
                found = first(b"proof", b"note")
            tail = found if found is not None else min(tail, body)
        for i in range(2, tail):
            entry = Entry(i + 1, lines[i])
            self.entries.append(entry)
            at = self.first + i - 2
            try:
                value, exact = read_json(entry.data)
            except Wrong as e:
                self.problem("canonical", at, f"Line {i + 1}, at the place of entry {at}, {e}.")
                continue
            if type(value) is not dict:
                self.problem("canonical", at, f"Line {i + 1}, at the place of entry {at}, is not a JSON object.")
                continue
            number = value.get("number")
            if is_natural(number):
                entry.number = at = number
            elif "number" in value:
                self.problem("number", at, f"The entry on line {i + 1}, at the place of entry {at}, has no "
                             "natural number as its number.")
            if not exact:
                self.problem("canonical", at, f"Entry {at} (line {i + 1}) is not in canonical bytes.")
            faults = entry_faults(value)
            if faults:
                self.problem("canonical", at, f"Entry {at} (line {i + 1}) is not an entry: {'; '.join(faults[:4])}.")
            if "institution" in value:
                self.read_institution(entry, value["institution"], at)
        datas = [b"\0" + e.data for e in self.entries]
        for tree in TREES:
            for entry, leaf in zip(self.entries, MANY[tree](datas)):
                entry.leaf[tree] = leaf
        return tail

    def read_institution(self, entry, value, at):
        where = f"Entry {at} (line {entry.line})"
        rest = dict(value) if type(value) is dict else {}
        previous = rest.pop("previous", None)
        if not is_object(rest, id=is_str, number=is_natural):
            self.problem("institution", at, f"{where} does not name its institution as the format says.")
            return
        entry.institution, entry.count = rest["id"], rest["number"]
        if previous is None and "previous" not in value:
            if entry.count:
                self.problem("institution", at, f"{where} is its institution's number {entry.count} but does not "
                             "say the hashes of the one before.")
        elif not is_object(previous, sha256=is_hash, sm3=is_hash):
            self.problem("institution", at, f"{where}: the hashes of its institution's entry before are malformed.")
        elif not entry.count:
            self.problem("institution", at, f"{where} is its institution's first but names one before.")
        else:
            entry.previous = {t: bytes.fromhex(previous[t]) for t in TREES}

    def read_tail(self, lines, number):
        """Proofs and notes."""
        lines = list(enumerate(lines, number))
        for tree in TREES:
            word = b"proof " + tree.encode()
            if lines and (lines[0][1] == word or lines[0][1].startswith(word + b" ")):
                at, line = lines.pop(0)
                peaks = line.decode("latin-1").split(" ")[2:]
                if not all(map(_HASH.fullmatch, peaks)):
                    self.problem("file", None, f"Line {at}, the {tree} proof, is malformed.")
                elif len(peaks) != self.first.bit_count():
                    self.problem("file", None, f"Line {at}, the {tree} proof, has {len(peaks)} hashes; a period that "
                                 f"starts at {self.first} needs {self.first.bit_count()}.")
                else:
                    self.peaks[tree] = [bytes.fromhex(p) for p in peaks]
            elif lines and not lines[0][1].startswith((b"proof ", b"note ")):
                at, _ = lines.pop(0)
                self.problem("file", None, f"Line {at} should be the {tree} proof.")
            else:
                self.problem("file", None, f"The {tree} proof is missing.")
            if not self.first:
                self.peaks.setdefault(tree, [])
        for at, line in lines:
            if not line.startswith(b"note "):
                self.problem("file", None, f"Line {at} has no place in an export: after the proofs come notes.")
                continue
            try:
                value, exact = read_json(line[5:])
            except Wrong as e:
                self.problem("checkpoint", None, f"The note on line {at} {e}.")
                continue
            try:
                if not is_str(value):
                    raise Wrong("it is not a JSON string")
                if not exact:
                    self.problem("checkpoint", None, f"The note on line {at} is not in canonical bytes.")
                    value.encode("utf-8")
                note = Note(value)
            except UnicodeEncodeError:
                continue
            except Wrong as e:
                self.problem("checkpoint", None, f"The note on line {at} is not a checkpoint: {e}.")
                continue
            note.where = f"the {note.tree} checkpoint of size {note.size} (line {at})"
            self.notes.append(note)

    def read_kept(self, kept):
        for name, data in kept:
            try:
                note = Note(data.decode("utf-8"))
            except UnicodeDecodeError:
                self.problem("checkpoint", None, f"The kept checkpoint {name} is not UTF-8.")
            except Wrong as e:
                self.problem("checkpoint", None, f"The kept file {name} is not a checkpoint: {e}.")
            else:
                note.kept = name
                note.where = f"the kept {note.tree} checkpoint {name} of size {note.size}"
                wrong = note.check(self.keys, ("ed25519", "sm2"))
                self.remark_stamps(note)
                if wrong:
                    self.problem("signature", None, f"In {note.where}, {'; '.join(wrong)}.")
                self.kept.append(note)

    # -- notes by themselves

    def check_notes(self):
        before, good = None, []
        for note in self.notes:
            origin = f"jinyun/{self.instance}/{self.epoch}/{note.tree}"
            note.wrong = note.check(self.keys, ("ed25519",) if note.tree == "sha256" else ("sm2",))
            self.remark_stamps(note)
            fits = True
            if note.origin != origin:
                self.problem("checkpoint", None, f"{upper(note.where)} is of '{note.origin}', not of this journal, "
                             f"'{origin}'.")
                fits = False
            if not self.first < note.size <= self.to:
                self.problem("checkpoint", None, f"{upper(note.where)} does not belong to the period {self.first} to "
                             f"{self.to}.")
                fits = False
            place = (note.size, TREES.index(note.tree))
            if before is not None and place <= before:
                self.problem("checkpoint", None, f"{upper(note.where)} is out of order or there twice.")
            before = place
            if fits:
                good.append(note)
            elif note.wrong:
                self.problem("signature", None, f"In {note.where}, {'; '.join(note.wrong)}.")
        if [(n.size, n.tree) for n in self.notes[-2:]] != [(self.to, t) for t in TREES]:
            self.problem("checkpoint", None, f"The last two notes are not the two checkpoints of size {self.to}, so "
                         "nothing signed covers the whole period.")
        unknown = sorted({name for note in self.notes for name in note.unknown})
        if unknown:
            self.remarks.append("signatures that could not be checked, for want of a key: " + ", ".join(unknown))
        self.notes = good
        for note in self.kept:
            origin = f"jinyun/{self.instance}/{self.epoch}/{note.tree}"
            if note.origin != origin:
                self.problem("checkpoint", None, f"{upper(note.where)} is of '{note.origin}', not of this journal, "
                             f"'{origin}'; it cannot be compared.")
            elif note.size > self.to:
                doubt = "" if note.signed else " (whose signature is not good)"
                self.problem("checkpoint", None, f"The export is shorter than {note.where}{doubt}: "
                             f"{named(self.to, note.size - 1)} are not in it." if note.size - self.to > 1 else
                             f"The export is shorter than {note.where}{doubt}: entry {self.to} is not in it.")
            elif note.size < self.first:
                self.remarks.append(f"{note.where} lies before the period and was not compared")
            else:
                note.compared = True
                continue
            note.compared = False
        self.kept = [n for n in self.kept if n.compared]

    # -- the order of the entries

    def check_numbers(self):
        entries, first, to = self.entries, self.first, self.to
        expected = to - first
        numbers = [e.number if e.number is not None and first <= e.number < to else None for e in entries]
        if len(entries) == expected and all(n == first + i for i, n in enumerate(numbers)):
            for entry in entries:
                entry.slot = entry.number
            self.slots = {e.number: e for e in entries}
            return
        anchors = longest_increasing(numbers)
        if len(entries) == expected:
            fixed = [i for i, n in enumerate(numbers) if n == first + i]
            if len(fixed) >= len(anchors) - 1:
                anchors = fixed
        for i in anchors:
            entries[i].slot = numbers[i]
        self.slots = {numbers[i]: entries[i] for i in anchors}
        moved = []
        for i, n in enumerate(numbers):
            if entries[i].slot is None and n is not None and n not in self.slots:
                entries[i].slot = n
                self.slots[n] = entries[i]
                moved.append(i)
        # What is left stands, if there is room, for what is missing between its neighbours.
        left, before, anchored = [], first - 1, set(anchors)
        for i, entry in enumerate(entries):
            if i in anchored:
                before = entry.slot
            elif entry.slot is None:
                n = before + 1
                if n < to and n not in self.slots:
                    entry.slot = n
                    self.slots[n] = entry
                    before = n
                    if entry.number is not None:
                        self.problem("number", n, f"At the place of entry {n} (line {entry.line}) stands an entry "
                                     f"that says it is number {entry.number}.")
                else:
                    left.append(entry)
        for i in moved:
            entry = entries[i]
            place = first + i
            where = f", at the place of entry {place}" if len(entries) == expected else ""
            neighbour = f" behind entry {entries[i - 1].number}" if i and entries[i - 1].number is not None else \
                " before all others" if not i else ""
            self.problem("number", entry.slot, f"The order was changed: entry {entry.slot} stands on line "
                         f"{entry.line}{neighbour}{where}.")
        foreign = []
        for entry in left:
            if entry.number is None:
                self.problem("number", None, f"Line {entry.line} is one too many: no entry of the period is missing "
                             "at its place.")
            elif entry.number in self.slots:
                other = self.slots[entry.number]
                same = "the same bytes as" if other.data == entry.data else "other bytes than"
                self.problem("number", entry.number, f"There is a second entry {entry.number} on line {entry.line}, "
                             f"{same} that on line {other.line}.")
            else:
                foreign.append(entry.number)
        for a, b in spans(sorted(foreign)):
            self.problem("number", a, f"{upper(named(a, b))} does not belong to the period {first} to {to}."
                         if a == b else f"{upper(named(a, b))} do not belong to the period {first} to {to}.")
        known, at = sorted(self.slots), first
        for n in known + [to]:
            if at < n:
                self.missing.append((at, n - 1))
            at = n + 1
        for a, b in self.missing:
            if a == b:
                self.removed[a] = True
            else:
                self.problem("number", a, f"Entries {a} to {b} are missing.")
        if not self.told.get("number") and not self.removed and len(entries) != expected:
            self.problem("number", None, f"The header says {expected} entries; there are {len(entries)}.")

    # -- the institutions' chains

    def check_chains(self):
        """Collects what the entries say of each other; check_roots decides whom to believe."""
        self.confirmed = {}   # entry -> the one that names its hashes rightly
        self.broken = []      # (entry, the one that names other hashes for it)
        self.doubtful = []    # the same where the institution's numbers do not fit either
        self.guesses = {}     # entry that is missing or unreadable -> those that may name its hashes
        self.strangers = []   # (entry of another institution, the one that may name its hashes)
        self.gaps = []        # (number, sentence, entries lost in the gap, number of the entry before)
        self.fresh = set()    # entries before which the export has none of their institution
        seen, counts = {}, {}
        lost = sorted(list(self.removed) + [n for n, e in self.slots.items() if e.institution is None])
        hole = next((a for a, b in self.missing if a < b), None)
        for n in sorted(self.slots):
            entry = self.slots[n]
            if entry.institution is None:
                continue
            name = entry.institution
            before, should, good = seen.get(name, (None, None, None))
            if before is None:
                self.fresh.add(n)
            if before is None and (self.first or hole is not None and hole < n):
                seen[name] = entry, None, None
                if entry.count > n:
                    self.gaps.append((n, f"Entry {n} cannot be number {entry.count} of its institution '{name}'.",
                                      [], n))
                if entry.previous:
                    for k in lost:
                        if k < n:
                            self.guesses.setdefault(k, []).append(entry)
                counts.setdefault(entry.count, []).append(n)
                continue
            have = before.count if before else -1
            if good and entry.previous and entry.count == good.count + 1 and \
                    all(entry.previous[t] == good.leaf[t] for t in TREES):
                # What stood between did not fit and was no entry of this institution.
                self.confirmed[good.slot] = n
                for pair in [p for p in self.broken if p[0] is good]:
                    self.broken.remove(pair)
                    self.doubtful.append(pair)
                    self.gaps.append((pair[1].slot, f"Entry {pair[1].slot} does not follow entry {good.slot} of its "
                                      f"institution '{name}', whose next is entry {n}.", [], good.slot))
                seen[name] = entry, None, None
                counts.setdefault(entry.count, []).append(n)
                continue
            # If it does not fit: the number it should have had, and the one that the next may still follow.
            seen[name] = entry, have + 1 if entry.count != have + 1 else None, good or before
            joined = bool(before and entry.previous) and \
                all(entry.previous[t] == before.leaf[t] for t in TREES)
            if joined:
                self.confirmed[before.slot] = n
            if entry.count == have + 1 or should is not None and entry.count == should + 1:
                if before and entry.previous and not joined:
                    self.broken.append((before, entry))
                seen[name] = entry, None, (good or before) if not joined else None
                counts.setdefault(entry.count, []).append(n)
                continue
            low = before.slot if before else self.first - 1
            if before and entry.previous and not joined:
                self.doubtful.append((before, entry))
            if joined:
                self.gaps.append((n, f"Entry {n} is number {entry.count} of its institution '{name}' but tells the "
                                  f"hashes of entry {low}, which is number {have}.", [], low))
            elif entry.count > have + 1:
                inside = [k for k in lost if low < k < n]
                if entry.previous:
                    for k in inside:
                        self.guesses.setdefault(k, []).append(entry)
                    self.strangers += [(k, entry) for k in counts.get(entry.count - 1, ())
                                       if k > low and self.slots[k].institution != name]
                lacks = f"number {have + 1}" if entry.count == have + 2 else f"numbers {have + 1} to {entry.count - 1}"
                behind = f"entry {low}" if before else "the beginning"
                self.gaps.append((n, f"Entry {n} is number {entry.count} of its institution '{name}', whose {lacks} "
                                  f"{'is' if entry.count == have + 2 else 'are'} missing between {behind} and it.",
                                  inside, low))
            else:
                self.gaps.append((n, f"Entry {n} is number {entry.count} of its institution '{name}', but entry "
                                  f"{low} before it is already number {have}.", [], low))
            counts.setdefault(entry.count, []).append(n)

    # -- the roots

    def trees(self, changed, which):
        """The trees as far as they can be made, with the hashes in `changed` instead of the entries'."""
        out = {}
        for tree in which:
            if tree in self.peaks:
                leaves = []
                for n in range(self.first, self.to):
                    if n in changed:
                        leaves.append(changed[n][tree])
                    elif n in self.slots:
                        leaves.append(self.slots[n].leaf[tree])
                    else:
                        break
                out[tree] = Tree(tree, self.first, self.peaks[tree], leaves)
        return out

    def fits(self, changed, signed):
        """Whether with these hashes all signed checkpoints fit, one of them behind all of the changes."""
        which = [t for t in TREES if any(n.tree == t for n in signed)][:1]
        trees = self.trees(changed, which)
        signed = [n for n in signed if n.tree in trees]
        self.reach = max([n.size for n in signed], default=self.first)
        return any(n.size > max(changed) for n in signed) and \
            all(trees[n.tree].root(n.size) == n.root for n in signed)

    def explain(self, signed):
        """The smallest set of changed or removed entries, with their old hashes, that explains everything signed."""
        if not signed:
            return None
        self.links = links = {before.slot: after for before, after in self.doubtful + self.broken}
        sure = {before.slot for before, _ in self.broken}
        differ = {k for k in links if all(links[k].previous[t] != self.slots[k].leaf[t] for t in TREES)}
        choices = []
        for wrong in (differ & sure, differ):
            # First without those that are explained by a change of the next one itself.
            choices += [{k: links[k].previous for k in wrong if links[k].slot not in wrong},
                        {k: links[k].previous for k in wrong}]
        if len(differ) <= 8:
            choices += [{k: links[k].previous} for k in sorted(differ)]
        odd = {n for n, *_ in self.gaps} | {low for *_, low in self.gaps} | \
            {e.slot for pair in self.doubtful + self.broken for e in pair}
        self.mend(odd)
        choices += [{k: leaf} for k, leaf, _ in self.mended]
        strangers = sorted(self.strangers, key=lambda s: s[0] not in odd)
        choices += [c | {k: e.previous} for k, e in strangers[:12] for c in ({}, choices[0])]
        lost = sorted(self.guesses)[:4]
        told = [sorted(self.guesses[k], key=lambda e: e.slot)[:6] for k in lost]
        tries = []
        for who in itertools.islice(itertools.product(*told), 64):
            if len({e.slot for e in who}) < len(who):
                continue
            base = {k: e.previous for k, e in zip(lost, who)}
            for some in choices:
                made = base | some
                if made and made not in tries and len(tries) < 96:
                    tries.append(made)
        return next((t for t in tries if self.fits(t, signed)), None)

    def mend(self, odd):
        """What single entries would be if only their institution's part was changed: (number, hashes, sentence)."""
        def put(entry, name, before):
            value = _decoder.decode(entry.data.decode("utf-8"))
            value["institution"] = {"id": name, "number": before.count + 1,
                                    "previous": {t: before.leaf[t].hex() for t in TREES}}
            try:
                line = b"\0" + canonical(value)
            except (ValueError, RecursionError):
                return
            self.mended.append((entry.slot, {t: ONE[t](line) for t in TREES},
                                f"in what it says of its institution: as the one that follows entry {before.slot} of "
                                f"'{name}'"))

        for before, after in (self.doubtful + self.broken)[:12]:
            put(after, after.institution, before)
        where = {e.leaf["sha256"]: e for e in self.slots.values()}
        for n in sorted(odd & self.slots.keys())[:12]:
            entry = self.slots[n]
            before = where.get(entry.previous["sha256"]) if entry.previous else None
            if before and before.institution is not None and before.slot < n:
                put(entry, before.institution, before)

    def check_roots(self):
        trees = self.trees({}, TREES)
        signed = [n for n in self.notes + self.kept if n.signed]
        for note in self.notes + self.kept:
            tree = trees.get(note.tree)
            note.made = tree.root(note.size) if tree else None
            note.good = note.made == note.root
        proven = max([n.size for n in signed if n.good], default=self.first)
        bad = [n for n in self.notes if not n.good]
        bad_kept = [n for n in self.kept if not n.good]
        signed_bad = [n for n in signed if not n.good]
        explained = self.explain(signed) if signed_bad else None
        # That only an entry before a broken link was changed is out of the question once it does not explain all.
        self.refuted = bool(signed_bad) and explained is None and all(
            n.good is False and n.size > before.slot for n in signed_bad for before, _ in self.broken) and \
            bool(trees)
        unreadable = {n for n, e in self.slots.items() if e.institution is None}

        # Removed, changed and unfitting entries.
        other = "no other entry" if explained and self.reach == self.to else \
            f"no other entry before {self.reach}" if explained else ""
        for k in self.removed:
            if explained and k in explained:
                after = next(e for e in self.guesses[k] if e.previous == explained[k])
                whose = f"number {after.count - 1} of institution '{after.institution}'"
                self.problem("number", k, f"Entry {k} was removed: it was {whose}, as entry {after.slot} says; with "
                             f"the hash told there all signed checkpoints fit, so {other} was "
                             + ("touched." if len(explained) == 1 else "touched but " +
                                listed(sorted(set(explained) - {k})) + "."))
            else:
                self.problem("number", k, f"Entry {k} is missing.")
        if explained:
            for k in sorted(explained):
                if k in self.removed:
                    continue
                how = next((say for n, leaf, say in self.mended if n == k and leaf == explained[k]), None)
                if how:
                    self.problem("institution", k, f"Entry {k} (line {self.slots[k].line}) was changed {how} all "
                                 f"signed checkpoints fit; {other} was changed.")
                    continue
                tellers = [self.links[k]] if k in self.links else []
                tellers += self.guesses.get(k, []) + [e for n, e in self.strangers if n == k]
                after = next(e for e in tellers if e.previous == explained[k])
                others = sorted(set(explained) - {k})
                self.problem("institution", k, f"Entry {k} (line {self.slots[k].line}) was changed: entry "
                             f"{after.slot} of the same institution tells another hash of it, with which all signed "
                             f"checkpoints fit; {other} was changed"
                             + (f" but {listed(others)}." if others else "."))
            loose = [g for g in self.gaps if not any(g[3] <= k <= g[0] for k in explained)]
        else:
            loose = self.gaps
            blamed = {before.slot for before, _ in self.broken}
            alone = self.alone = self.refuted and len(self.broken) == 1 and not self.gaps and not self.missing and \
                not unreadable
            for before, after in self.broken:
                k, n = before.slot, after.slot
                only = [t for t in TREES if after.previous[t] != before.leaf[t]]
                if len(only) == 1:
                    self.problem("institution", n, f"Entry {n} tells a wrong {only[0]} hash of entry {k}, its "
                                 f"institution's one before, but the right other hash: entry {n} was changed.")
                elif k < proven:
                    self.problem("institution", n, f"Entry {n} tells wrong hashes of entry {k}, its institution's one "
                                 f"before, for which a signed checkpoint vouches: entry {n} "
                                 + ("was changed." if n >= proven else "was written so."))
                elif n in blamed:
                    self.problem("institution", n, f"Entry {n} was changed, for a later entry of its institution tells "
                                 f"other hashes of it; entry {n} in turn tells other hashes of entry {k}, so entry "
                                 f"{k} may have been changed too.")
                elif alone and k in self.fresh:
                    self.problem("institution", None, f"Entry {k} (line {before.line}) or entry {n} (line "
                                 f"{after.line}), which should follow it in institution '{after.institution}', was "
                                 "changed.")
                elif alone:
                    self.problem("institution", n, f"Entry {n} (line {after.line}) was changed: it tells hashes of "
                                 f"entry {k}, its institution's one before, with which no signed checkpoint fits.")
                elif n in self.confirmed:
                    self.problem("institution", k, f"Entry {k} (line {before.line}) was changed: entry {n} of the "
                                 f"same institution tells other hashes of it, and entry {self.confirmed[n]} vouches "
                                 f"for entry {n}.")
                else:
                    self.problem("institution", k, f"Entry {k} (line {before.line}) was changed, or else what entry "
                                 f"{n}, the next of the same institution, tells of it.")
        high = min([n.size for n in signed_bad], default=None)
        for n, say, inside, low in loose:
            cause = f" It may be {listed(inside)}." if inside else ""
            at = n
            if low in self.fresh - self.confirmed.keys() - {n} and low >= proven:
                at = low if high is not None and high <= n else None
                cause += f" Entry {low} was changed." if at == low else f" One of the two was changed, {low} or {n}."
            self.problem("institution", at, say + cause)

        # Roots of the checkpoints in the export.
        hole = next((a for a, _ in self.missing), None)
        lost = [n for n in bad if n.made is None and n.tree in trees]
        wrong = [n for n in bad if n.made is not None]
        for tree in TREES:
            if tree not in trees and any(n.tree == tree for n in bad):
                self.problem("root", None, f"The {tree} roots cannot be recomputed without the {tree} proof.")
        if lost and not (explained and any(k in explained for k in self.removed)):
            self.problem("root", hole, f"The roots of {len(lost)} checkpoints, from size "
                         f"{min(n.size for n in lost)} on, cannot be recomputed because entry {hole} is missing.")
        for note in [n for n in wrong if n.size <= proven]:
            self.problem("root", None, f"The root in {note.where} is not that of the entries, for which other signed "
                         "checkpoints vouch: " + (f"what was changed is the {note.tree} proof, or the signer signed a "
                                                  "wrong root." if note.signed else "this note was changed."))
        behind = [n for n in wrong if n.size > proven]
        if behind:
            self.tell_roots(behind, proven, explained, unreadable)

        # Signatures.
        unsigned = [n for n in self.notes if n.wrong]
        nearest = min([n.size for n in unsigned if n.size > proven], default=None)
        for note in unsigned:
            at, say = None, ""
            if note.size > proven and note.good:
                at = proven if nearest - proven == 1 and note.size == nearest else None
                say = f" It fits the entries, but nothing signed vouches for {named(proven, note.size - 1)}: they " \
                    "may be forged." if note.size - proven > 1 else \
                    f" It fits the entries, but nothing signed vouches for entry {proven}: it may be forged."
            elif note.size <= proven:
                say = " The entries are vouched for by other checkpoints; this note was changed or forged."
            self.problem("signature", at, f"In {note.where}, {'; '.join(note.wrong)}.{say}")

        # Checkpoints that were kept outside.
        kept_good = max([n.size for n in self.kept if n.good and n.signed], default=-1)
        for note in bad_kept:
            doubt = "" if note.signed else ", whose own signature is not good,"
            if note.made is None:
                why = f"entry {hole} is missing" if note.tree in trees else f"the {note.tree} proof is missing"
                self.problem("checkpoint", hole, f"{upper(note.where)}{doubt} cannot be compared: {why}.")
                continue
            if note.size <= kept_good:
                self.problem("checkpoint", None, f"{upper(note.where)}{doubt} contradicts the export, which fits "
                             "another kept checkpoint of that size or more.")
                continue
            a, b = max(kept_good, self.first), min(n.size for n in bad_kept if n.size > kept_good and n.made) - 1
            if explained:
                at, which = min(explained), f" (see {listed(sorted(explained))})"
            elif b < a:
                at, which = None, ": the hashes of the entries before the period are others"
            else:
                at = a if a == b else self.suspect(a, b + 1, proven)[0] if self.broken or self.gaps else None
                which = f": {named(a, b)} was changed, removed or forged" if a == b else \
                    f": one of the {named(a, b)} was changed, removed or forged"
                if self.first and not any(n.good and n.signed for n in self.kept):
                    which += ", or what the proof lines say of those before"
            signers = sorted({s for n in self.notes if n.good and n.signed and n.size >= note.size for s in n.signers})
            both = [s for s in signers if s in note.signers]
            twice = f"; {', '.join(both)} signed both histories" if note.signed and both else \
                f"; the export's checkpoints are signed by {', '.join(signers)}" if signers else ""
            self.problem("checkpoint", at, f"The export contradicts {note.where}{doubt}{which}{twice}.")

        # Whatever has not been told so far but keeps a note from being good must not pass.
        if (bad or bad_kept) and not self.told:
            self.problem("root", None, "A checkpoint does not fit the entries.")

    def blamed(self, proven):
        """The entries that the institutions' chains show to be changed, if those before `proven` are not."""
        out = set()
        for before, after in self.broken:
            if self.alone and before.slot in self.fresh:
                continue
            whole = all(after.previous[t] != before.leaf[t] for t in TREES)
            out.add(before.slot if whole and before.slot >= proven and not self.alone else after.slot)
        unsure = self.fresh - self.confirmed.keys()
        return out | {n for n, _, _, low in self.gaps if n >= proven and (low == n or low not in unsure)}

    def suspect(self, low, high, proven):
        """The entry in [low,high) that must have been changed, if there is only one choice; and the choices."""
        blamed = sorted({n for n in self.blamed(proven) if low <= n < high})
        if blamed:
            return blamed[0], blamed
        loose = [n for n in range(low, min(high, low + 100000)) if n not in self.confirmed]
        return (loose[0] if len(loose) == 1 else None), loose

    def tell_roots(self, bad, proven, explained, unreadable):
        """Checkpoints behind everything proven whose roots are not those of the entries."""
        least = min(n.size for n in bad)
        high = min([n.size for n in bad if n.signed], default=least)
        trees = " and ".join(t for t in TREES if any(n.tree == t for n in bad))
        say = f"The {trees} roots of {len(bad)} checkpoints in the export, the first of size {least}, are not those " \
            "of the entries"
        if explained:
            changed = sorted(k for k in explained if k not in self.removed)
            if changed:
                self.problem("root", changed[0], f"{say}: {listed(changed)} was changed.")
            return
        blamed = [n for n in self.blamed(proven) if proven <= n < high]
        hidden = sorted(n for n in unreadable if proven <= n < high)
        at, loose = self.suspect(proven, high, proven)
        sure = ""
        if self.first and not any(n.good and n.signed for n in self.notes + self.kept):
            sure = ", or else the proof lines or the header's period"
            at = at if blamed else None
        if all(not n.signed for n in bad):
            sure += "; these checkpoints are not signed validly themselves, so they may be what was changed"
        alone = "it alone" if len(loose) == 1 else "those alone"
        if hidden:
            at, cause = hidden[0], f"entry {listed(hidden)} cannot be read"
        elif blamed:
            cause = f"by the institutions' chains, entry {listed(sorted(blamed))} was changed"
        elif high - proven == 1:
            at, cause = (None if sure else proven), f"entry {proven} was changed"
        else:
            cause = f"one of the {named(proven, high - 1)} was changed"
            if 0 < len(loose) < high - proven:
                cause += f"; if without the later ones of its institution, then {listed(loose)}, for {alone} no " \
                    "later entry vouches"
        self.problem("root", at, f"{say}: {cause}{sure}.")


class Institution(Verification):
    """An export of one institution's entries: its own, and the roots of complete subtrees for all others."""

    FIRST = b"jinyun-journal-institution/1"

    def run(self, data, kept):
        lines = data.split(b"\n")
        complete = not lines[-1]
        if complete:
            lines.pop()
        body = self.read_end(data, lines, complete)
        if not self.read_header(lines[1] if len(lines) > 1 and body > 1 else b""):
            return
        self.read_kept(kept)
        self.peaks = {tree: [] for tree in TREES}   # of each tree: (level, root), largest first
        self.position, self.before, self.next = 0, None, self.first
        self.own_kept()
        at = 2
        while at < body and not lines[at].startswith(b"note "):
            read = self.own_entry if lines[at].startswith(b"{") else self.own_skip
            if not read(lines[at], at + 1):
                return
            self.own_kept()
            at += 1
        self.own_end()
        self.own_notes(lines[at:body], at + 1)

    def read_header(self, line):
        try:
            value, exact = read_json(line)
        except Wrong as e:
            self.problem("header", None, f"The header (line 2) {e}.")
            return False
        if not is_object(value, epoch=is_natural, instance=is_str, institution=is_str, size=is_natural, to=is_natural,
                         **{"from": is_natural}):
            self.problem("header", None, "The header (line 2) does not name an institution's entries.")
            return False
        if not exact:
            self.problem("header", None, "The header (line 2) is not canonical.")
        self.instance, self.epoch, self.name = value["instance"], value["epoch"], value["institution"]
        self.first, self.to, self.size = value["from"], value["to"], value["size"]
        if not self.first < self.to <= self.size:
            self.problem("header", None, f"The header promises the institution's entries {self.first} to {self.to} "
                         f"among {self.size}, which cannot be.")
            return False
        return True

    def graft(self, level, roots):
        """Adds a complete subtree of 2^level leaves."""
        for tree in TREES:
            peaks, root, high = self.peaks[tree], roots[tree], level
            while peaks and peaks[-1][0] == high:
                root = ONE[tree](b"\x01" + peaks.pop()[1] + root)
                high += 1
            peaks.append((high, root))
        self.position += 1 << level

    def root(self, tree):
        peaks = self.peaks[tree]
        if not peaks:
            return ONE[tree](b"")
        root = peaks[-1][1]
        for _, left in reversed(peaks[:-1]):
            root = ONE[tree](b"\x01" + left + root)
        return root

    def own_entry(self, data, line):
        """Reads an entry; whether it makes sense to go on."""
        at, entry = self.position, Entry(line, data)
        try:
            value, exact = read_json(data)
        except Wrong as e:
            self.problem("canonical", at, f"Line {line}, at the place of entry {at}, {e}.")
            return False
        if not exact:
            self.problem("canonical", at, f"Entry {at} (line {line}) is not in canonical bytes.")
        faults = entry_faults(value) if type(value) is dict else ["it is no object"]
        if faults:
            self.problem("canonical", at, f"Entry {at} (line {line}) is not an entry: {'; '.join(faults[:4])}.")
            return False
        if value["number"] != at or not is_natural(value["number"]):
            self.problem("number", at, f"At the place of entry {at} (line {line}) stands another: something was "
                         "removed, moved or doubled.")
            return False
        told = self.told.get("institution", 0)
        self.read_institution(entry, value["institution"], at)
        if self.told.get("institution", 0) > told:
            return False
        if entry.institution != self.name:
            self.problem("institution", at, f"Entry {at} (line {line}) is not of institution '{self.name}'.")
            return False
        if entry.count != self.next:
            self.problem("institution", at, f"Entry {at} is number {entry.count} of its institution, where "
                         f"{self.next} belongs.")
            return False
        entry.leaf = {tree: ONE[tree](b"\0" + data) for tree in TREES}
        if self.before and any(entry.previous[t] != self.before.leaf[t] for t in TREES):
            self.problem("institution", self.before.slot, f"Entry {self.before.slot} was changed: entry {at}, the next "
                         "of the institution, tells other hashes of it (or was forged itself).")
        entry.slot = at
        self.before, self.next = entry, self.next + 1
        self.entries.append(entry)
        self.graft(0, entry.leaf)
        return True

    def own_skip(self, data, line):
        """Reads a line that passes over entries; whether it makes sense to go on."""
        words = data.decode("latin-1").split(" ")
        good = len(words) == 4 and words[0] == "skip" and _NATURAL.fullmatch(words[1]) and \
            all(map(_HASH.fullmatch, words[2:]))
        count = int(words[1]) if good else 0
        if not good or count.bit_count() != 1 or self.position % count or self.position + count >= 1 << 64:
            self.problem("file", self.position, f"Line {line}, at entry {self.position}, is no entry and passes over "
                         "none.")
            return False
        self.graft(count.bit_length() - 1, {t: bytes.fromhex(w) for t, w in zip(TREES, words[2:])})
        return True

    def own_kept(self):
        """Compares with kept checkpoints of just this size."""
        for note in [n for n in self.kept if n.size == self.position and not hasattr(n, "compared")]:
            note.compared = True
            origin = f"jinyun/{self.instance}/{self.epoch}/{note.tree}"
            if note.origin != origin:
                self.problem("checkpoint", None, f"{upper(note.where)} is of '{note.origin}', not of this journal, "
                             f"'{origin}'; it cannot be compared.")
            elif note.root != self.root(note.tree):
                self.problem("root", None, f"{upper(note.where)} has another root than the export: something before "
                             "was changed.")

    def own_end(self):
        for note in self.kept:
            if hasattr(note, "compared"):
                continue
            if note.size > self.size:
                self.problem("checkpoint", None, f"The export is shorter than {note.where}.")
            else:
                self.problem("checkpoint", None, f"{upper(note.where)} cannot be compared: the export passes over more "
                             f"entries at once there. Ask for one with compare={note.size}.")
        if self.next != self.to:
            self.problem("institution", None, f"The header promises the institution's entries {self.first} to "
                         f"{self.to - 1}; the file ends before its number {self.next}.")
        if self.position != self.size:
            self.problem("number", None, f"The header promises {self.size} entries in all; the file reaches "
                         f"{self.position}.")

    def own_notes(self, lines, number):
        """Exactly the two checkpoints of the export's size."""
        if len(lines) != len(TREES):
            self.problem("checkpoint", None, f"There are {len(lines)} lines where the two notes belong.")
        for (at, line), tree in zip(enumerate(lines, number), TREES):
            try:
                if not line.startswith(b"note "):
                    raise Wrong("it is no note")
                value, exact = read_json(line[5:])
                if not is_str(value) or not exact:
                    raise Wrong("it is not a JSON string in canonical bytes")
                note = Note(value)
            except Wrong as e:
                self.problem("checkpoint", None, f"Line {at} is not a checkpoint: {e}.")
                continue
            note.where = f"the {note.tree} checkpoint of size {note.size} (line {at})"
            wrong = note.check(self.keys, ("ed25519",) if tree == "sha256" else ("sm2",))
            self.remark_stamps(note)
            if note.origin != f"jinyun/{self.instance}/{self.epoch}/{tree}" or note.size != self.size:
                self.problem("checkpoint", None, f"{upper(note.where)} is not the {tree} checkpoint of "
                             f"{self.size} entries of this journal.")
                continue
            if wrong:
                self.problem("signature", None, f"In {note.where}, {'; '.join(wrong)}.")
            if note.root != self.root(tree):
                self.problem("root", None, f"{upper(note.where)} has another root than the file: an entry, or what "
                             "stands for the others, was changed.")


def upper(text):
    return text[:1].upper() + text[1:]


def verify(keys, export, kept=()):
    """Verifies the bytes of an export with the bytes of a keys file; `kept` are pairs of name and bytes."""
    try:
        known = read_keys(keys)
    except Wrong as e:
        return failed(str(e)), []
    run = (Institution if export.split(b"\n", 1)[0] == Institution.FIRST else Verification)(known)
    try:
        run.run(export, kept)
        return run.result(), run.remarks
    except Exception as e:  # whatever damaged bytes may do
        run.problem("file", None, f"The verification could not be finished: {type(e).__name__}: {str(e)[:200]}.")
        return run.result(), run.remarks


def failed(say):
    return {"ok": False, "entries": 0, "problems": [{"at": None, "what": "file", "say": say}], "signers": []}


def arguments(words):
    """Keys file, kept checkpoints and export of a command line."""
    keys, kept, own, after = None, [], [], []
    words = list(words)
    while words:
        word = words.pop(0)
        name, is_, value = word.partition("=")
        if name in ("--keys", "--checkpoint"):
            if not is_:
                if not words:
                    raise Wrong(f"{name} needs a file name.")
                value = words.pop(0)
            if name == "--keys":
                if keys is not None:
                    raise Wrong("--keys is there twice.")
                keys = value
            else:
                kept.append(value)
        elif word.startswith("--"):
            raise Wrong(f"{word} is not known.")
        else:
            (after if kept else own).append(word)
    if not own and after:
        own.append(after.pop())
    if keys is None or len(own) != 1:
        raise Wrong("Usage: verify.py --keys KEYSFILE [--checkpoint NOTEFILE ...] EXPORT")
    return keys, kept + after, own[0]


def main(words):
    if words in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    remarks = []
    try:
        keys, kept, export = arguments(words)
        data = []
        for name in [keys, export] + kept:
            with open(name, "rb") as file:
                data.append(file.read())
        result, remarks = verify(data[0], data[1], list(zip(kept, data[2:])))
    except Wrong as e:
        result = failed(str(e))
    except OSError as e:
        result = failed(f"A file cannot be read: {e}.")
    except Exception as e:
        result = failed(f"{type(e).__name__}: {str(e)[:200]}.")
    print(json.dumps(result))
    for remark in remarks:
        print("note: " + remark.encode("ascii", "backslashreplace").decode(), file=sys.stderr)
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
