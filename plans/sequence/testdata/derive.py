"""The derivation of sequences and tokens a second time, from its description alone: Python's hmac and hashlib.

Reads one JSON object a line and answers each with one line: a sequence in short form, or a token.
"""

import hashlib
import hmac
import json
import struct
import sys

KNOWN = {
    1080, 1194, 1698, 1699, 1701, 1723, 1812, 1813, 1900, 1966, 2000, 2210, 2211, 2828, 3799, 4500, 5246, 5247, 5350,
    5351, 5678, 6343, 8080, 8291, 8728, 8729, 13231, 20561, 51820,
    1433, 1434, 3128, 4444, 5060, 5061, 7547, 11211, 12345, 17185, 27374, 30005, 31337, 32764,
    1521, 1883, 2049, 2222, 2375, 2376, 3306, 3389, 3478, 4786, 5353, 5432, 5555, 5938, 6379, 6443, 6667, 8443, 8888,
    9090, 9100, 9200, 10050, 10051, 19132, 25565, 27015, 27017, 37777, 49152,
    *range(1025, 1031), *range(5900, 5910), *range(6881, 6890), *range(33434, 33535),
}
USUAL = {68, 84, 92, 98, 576, 604, 1006, 1034, 1111}


def obvious(port):
    digits = [int(d) for d in str(port)]
    steps = {b - a for a, b in zip(digits, digits[1:])}
    return port % 1000 == 0 or (len(steps) == 1 and steps <= {0, 1, -1})


def unusual(size):
    return size not in USUAL and all(n % 50 and n % 64 for n in (size, size - 28))


def fields(*parts):
    return b"".join(struct.pack(">I", len(p)) + p for p in parts)


def numbers(secret, prefix, attempt):
    block = 0
    while True:
        out = hmac.new(secret, prefix + struct.pack(">QQ", attempt, block), hashlib.sha256).digest()
        yield from struct.unpack(">8I", out)
        block += 1


def choose(source, n):
    while True:
        number = next(source)
        if number < 2**32 - 2**32 % n:
            return number % n


def within(source, low, high, good):
    while True:
        value = low + choose(source, high - low + 1)
        if good(value):
            return value


def runs(values):
    return any(a < b < c or a > b > c for a, b, c in zip(values, values[1:], values[2:]))


def sound(knock, protocols, near):
    ports = [value for protocol, value in knock if protocol != "icmp"]
    sizes = [value for protocol, value in knock if protocol == "icmp"]
    if {protocol for protocol, _ in knock} != set(protocols) or 3 * len(sizes) > len(knock):
        return False
    if len(set(sizes)) < len(sizes) or runs(ports) or runs(sizes):
        return False
    ordered = sorted(ports)
    return all(b - a >= near for a, b in zip(ordered, ordered[1:]))


def names(q):
    return [q[key].encode() for key in ("plan", "door", "router", "user")]


def sequence(q):
    low, high, stages = q["low"], q["high"], q["stages"]
    protocols, avoid = sorted(set(q["protocols"])), sorted(set(q["avoid"] or []))
    free = {p for p in range(low, high + 1) if p not in KNOWN and not obvious(p) and p not in avoid}
    near = min(100, len(free) // stages**2)
    prefix = fields(b"rosknock sequence v1", *names(q), struct.pack(">q", q["window"]), struct.pack(">I", stages),
                    struct.pack(">HH", low, high), ",".join(protocols).encode(), struct.pack(">%dH" % len(avoid), *avoid))
    attempt = 0
    while True:
        source, knock = numbers(bytes.fromhex(q["secret"]), prefix, attempt), []
        for _ in range(stages):
            protocol = protocols[choose(source, len(protocols))]
            if protocol == "icmp":
                knock.append((protocol, within(source, 64, 1200, unusual)))
            else:
                knock.append((protocol, within(source, low, high, free.__contains__)))
        if sound(knock, protocols, near):
            return " ".join("%s/%d" % stage for stage in knock)
        attempt += 1


def token(q):
    message = fields(b"rosknock token v1", *names(q), *(struct.pack(">q", q[key]) for key in ("window", "stage", "size")))
    return hmac.new(bytes.fromhex(q["secret"]), message, hashlib.sha256).hexdigest()[:q["size"]]


for line in sys.stdin:
    question = json.loads(line)
    print(token(question) if question["stage"] else sequence(question))
