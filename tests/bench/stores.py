"""Stores to measure on, written as `cloakroom store import` reads them, and the tokens of what is in them."""

import base64
import hashlib
import hmac
import json
import subprocess
import time

from servers import SITE, SMALL_BYTES, NotMeasured, base64url

CROCKFORD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz")
CLIENT = "0123456789abcdef"
LINES_AT_ONCE = 2000

POLICY = {"landing": False, "max_downloads": 100, "valid_for": 2592000000, "link_ttl": 2592000000, "resume_grace": 86400000, "retry_factor": 1,
          "methods": ["handoff"], "connections_max": 16, "rate": None}


class Minted:
    """What was put into a store: the bits of ids, in an order that has nothing to do with that of the file."""

    def __init__(self, name):
        self.name, self.links, self.offers, self.open = name, [], [], []
        self.taken = {"links": 0, "offers": 0, "open": 0}

    def take(self, what, count):
        """The next ones, of which each is taken once."""
        begin = self.taken[what]
        self.taken[what] = begin + count
        found = getattr(self, what)[begin:begin + count]
        if len(found) < count:
            raise NotMeasured(f"the store {self.name} has no {count} {what} more")
        return found


def bits(kind, number):
    """96 bits that look random and are the same for the same number."""
    return hashlib.blake2b(f"{kind}{number}".encode(), digest_size=12).digest()


def written(prefix, raw):
    """An id as Cloakroom writes it."""
    return prefix + base64.b32encode(raw)[:20].translate(CROCKFORD).decode()


def request_of(number):
    """The request that opened the open delivery `number`, as nginx names requests."""
    return hashlib.blake2b(f"request{number}".encode(), digest_size=16).hexdigest()


class Tokens:
    """Mints tokens as the daemon does."""

    def __init__(self, key_id, key):
        self.number = hashlib.sha256(key_id.encode()).digest()[0]
        self.keys = {kind: hmac.digest(key, f"cloakroom {word} token 1".encode(), "sha256")
                     for kind, word in ((0x11, "link"), (0x12, "delivery"))}

    def mint(self, kind, raw):
        named = bytes([kind, self.number]) + raw
        return base64url(named + hmac.digest(self.keys[kind], SITE.encode() + b"\n" + named, "sha256")[:16])

    def link(self, raw):
        return f"/dl/l/{self.mint(0x11, raw)}/small.bin"

    def delivery(self, raw):
        return f"/dl/d/{self.mint(0x12, raw)}/small.bin"


class Writer:
    """Writes an export into a running import."""

    def __init__(self, stream, small):
        self.stream, self.waiting = stream, []
        self.totals = {"grants": 0, "links": 0, "history": 0, "deliveries": 0, "tallies": 0, "feeds": 0}
        stat = small.stat()
        self.now = int(time.time() * 1000)
        self.version = {"size": stat.st_size, "modified": stat.st_mtime_ns // 1000000,
                        "etag": f'"{stat.st_mtime_ns // 1000000000:x}-{stat.st_size:x}"', "media_type": "application/octet-stream"}
        self.put({"cloakroom_store": {"format": 1, "program": "bench"}})

    def put(self, line, counted=None):
        self.waiting.append(json.dumps(line))
        if counted:
            self.totals[counted] += 1
        if len(self.waiting) >= LINES_AT_ONCE:
            self.flush()

    def flush(self):
        self.stream.write(("\n".join(self.waiting) + "\n").encode())
        self.waiting.clear()

    def grant(self, number, is_open, policy=POLICY):
        """A grant with its link; `is_open` of its deliveries are open."""
        grant, link = written("g-", bits("grant", number)), written("l-", bits("link", number))
        self.put({"grant": {
            "id": grant, "storage": "masters", "path": "small.bin", "customer": f"customer-{number}@shop.example", "policy": policy,
            "created": self.now - 60000, "expires": self.now + 2592000000, "standing": "active", "used": 0, "reserved": is_open,
            "bytes_closed": 0, "size_largest": SMALL_BYTES if is_open else 0}}, "grants")
        self.put({"link": {"id": link, "grant": grant, "created": self.now - 60000, "expires": self.now + 2592000000,
                           "revoked": False}}, "links")
        self.put({"history": {"grant": grant, "at": self.now - 60000, "author": "cli:root", "act": {"issued": link}}}, "history")
        return grant, link

    def delivery(self, raw, grant, link, request=None, reported=False):
        """An offer; with `request` open, by that request, of which the first byte was reported or nothing at all."""
        made = {"id": written("d-", raw), "grant": grant, "link": link, **self.version, "state": "offered", "offered": self.now,
                "offered_again": None, "opened": None, "opened_by": None, "active": self.now, "closed": None, "cookie": CLIENT,
                "address": "192.0.2.7", "agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                "bytes_charged": 0, "bytes_unplaced": 0, "requests_folded": 0, "requests": [], "coverage": {}}
        if request:
            charged = 1 if reported else SMALL_BYTES
            report = {"ended": self.now, "status": 206, "bytes": 1, "finished": True, "from": [0, SMALL_BYTES]} if reported else None
            made |= {"state": "open", "opened": self.now, "opened_by": request, "bytes_charged": charged, "requests": [{
                "id": request, "admitted": self.now, "client": CLIENT, "address": "192.0.2.7", "bytes_max": charged, "report": report}],
                "coverage": {CLIENT: "0-1"} if reported else {}}
        self.put({"delivery": made}, "deliveries")

    def end(self):
        self.put({"end": self.totals})
        self.flush()
        self.stream.close()


def import_into(bench, file, write):
    """Makes the store `file` of what `write` writes."""
    configuration = bench.write("import.toml", bench.daemon_configuration(store=file))
    command = [str(bench.binary), "store", "import", "-", "--config", str(configuration)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        try:
            write(Writer(run.stdin, bench.directory / "masters/small.bin"))
        except BrokenPipeError:
            pass
        said = run.stderr.read().decode()
    if run.returncode != 0:
        raise NotMeasured(f"store import: {said}")


def few(bench, file):
    """A thousand grants with a link each: half of them have thirty offers, half thirty open deliveries of which a byte was sent."""
    minted = Minted("of 10³ grants")

    def write(out):
        for number in range(1000):
            is_open = number % 2 == 1
            of = out.grant(number, 30 if is_open else 0)
            minted.links.append(bits("link", number))
            for raw in (bits("delivery", number * 30 + place) for place in range(30)):
                out.delivery(raw, *of, raw.hex() if is_open else None, reported=True)
                (minted.open if is_open else minted.offers).append(raw)
        out.end()

    import_into(bench, file, write)
    return shuffled(minted)


def many(bench, file):
    """A million grants: each fifth has an offer, each tenth an open delivery of which a byte was sent, two fifths a link to click."""
    minted = Minted("of 10⁶ grants")

    def write(out):
        for number in range(1000000):
            is_open = number % 10 == 1
            of = out.grant(number, int(is_open))
            raw = bits("delivery", number)
            if is_open:
                out.delivery(raw, *of, raw.hex(), reported=True)
                minted.open.append(raw)
            elif number % 5 == 0:
                out.delivery(raw, *of)
                minted.offers.append(raw)
            elif number % 5 >= 3:
                minted.links.append(bits("link", number))
        out.end()

    import_into(bench, file, write)
    return shuffled(minted)


def linked(bench, file, count, policy):
    """So many grants, each with a link to click, under a policy that differs from the usual one by `policy`."""
    minted = Minted("of links")

    def write(out):
        for number in range(count):
            out.grant(number, 0, {**POLICY, **policy})
            minted.links.append(bits("link", number))
        out.end()

    import_into(bench, file, write)
    return shuffled(minted)


def running(bench, file, count):
    """So many grants, each with an open delivery of which nothing was reported."""
    minted = Minted("of open deliveries")

    def write(out):
        for number in range(count):
            of = out.grant(number, 1)
            raw = bits("delivery", number)
            out.delivery(raw, *of, request_of(number))
            minted.open.append(raw)
        out.end()

    import_into(bench, file, write)
    return minted


def shuffled(minted):
    """Customers do not come in the order of the file."""
    for which in (minted.links, minted.offers, minted.open):
        which.sort(key=lambda raw: hashlib.blake2b(raw, digest_size=8).digest())
    return minted


def log_line(raw, request):
    """What nginx writes of a whole download, in the shipped log_format."""
    return json.dumps({
        "v": "1", "time": f"{time.time():.3f}", "request": request, "delivery": written("d-", raw), "status": "200", "method": "GET",
        "bytes": str(SMALL_BYTES), "done": "OK", "range": "", "length": str(SMALL_BYTES), "encoding": "",
        "type": "application/octet-stream", "client": "192.0.2.7", "took": "0.001"}, separators=(",", ":"))
