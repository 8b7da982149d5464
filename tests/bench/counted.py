"""What counting costs: durable decisions on the socket and through the front nginx, with few grants and with many, the
settlement of log lines, and a restart with open deliveries."""

import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import stores
from servers import REPOSITORY, SITE, NotMeasured, wait_until

BAR_UNCOUNTED, BAR_STARTS, BAR_P99_MS, BAR_GROWTH, BAR_RESTART_S, BAR_RSS_MB = 0.4, 15000, 10, 1.2, 2, 150
OPEN = 100000
SETTLED_SECONDS_MAX = 120
# A measurement of a row: so many requests, each of another delivery.
STARTS, COLD = 20000, 20000
# Customers between their click and the first byte.
BETWEEN = 4000
SIGNED_SECONDS = 2

PARTS = ["counted", "counted-nginx", "grants", "settling", "restart"]


def progress(text):
    print(text, file=sys.stderr, flush=True)


class Row:
    """One line of the table; a value for each round."""

    def __init__(self, title, unit="/s", against=None, bar=None, show_ratio=None):
        self.title, self.unit, self.against, self.bar, self.show_ratio = title, unit, against, bar, show_ratio
        self.values, self.times, self.cpu = [], [], []

    def ratio(self):
        """The median of the ratios of each round."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.values, self.against.values, strict=True))

    def cells(self):
        middle = statistics.median(self.values)
        digits = 0 if middle >= 100 else 1 if middle >= 10 else 2
        cells = [self.title, f"{middle:,.{digits}f} {self.unit}", f"{min(self.values):,.{digits}f} – {max(self.values):,.{digits}f}"]
        cells.append(" / ".join(f"{statistics.median(of):.1f}" for of in zip(*self.times, strict=True)) if self.times else "")
        cells.append(" / ".join(f"{statistics.median(of):.1f}" for of in zip(*self.cpu, strict=True)) if self.cpu else "")
        cells += [self.show_ratio(self.ratio()), self.against.title] if self.against else ["", ""]
        bars = self.bar(self) if self.bar else []
        cells += ["; ".join(text for text, _ in bars), verdict(all(good for _, good in bars)) if bars else ""]
        return cells


def verdict(good):
    return "met" if good else "**missed**"


def times(ratio):
    return f"{ratio:.2f}"


class Counted:
    """The daemon on one store after the other, and what was measured of it."""

    def __init__(self, bench, sign):
        self.bench, self.sign, self.daemon = bench, sign, None
        self.load, self.tokens = build(), stores.Tokens("main", bench.key)
        self.store = bench.directory / "state/counted.db"
        self.rows, self.customers = {}, 0

    def row(self, key, *arguments, **settings):
        return self.rows.setdefault(key, Row(*arguments, **settings))

    def serve(self, seed=None, durability="full", more=""):
        """Starts the daemon on a fresh copy of the store `seed`, or on the store as it is, with `more` in its configuration."""
        self.stop()
        if seed:
            for end in ("", "-wal", "-shm"):
                self.store.with_name(self.store.name + end).unlink(missing_ok=True)
            shutil.copyfile(seed, self.store)
        # Lines of other stores would be read beside what is measured; nginx appends, and goes on at the start.
        os.truncate(self.bench.directory / "report.log", 0)
        self.bench.write("counted.toml", self.bench.daemon_configuration(store=self.store, durability=durability) + more)
        began = time.monotonic()
        self.daemon = self.bench.start_daemon("counted.toml")
        wait_until("cloakroom", self.bench.ask_daemon, self.daemon, 0.002)
        return time.monotonic() - began

    def stop(self, how=signal.SIGTERM):
        if self.daemon:
            self.bench.stop(self.daemon, how)
            self.daemon = None

    def ask(self, targets, *settings, front=False, wanted="200", followed=None):
        """Asks for `targets` with 64 connections; what the load generator tells, every answer having the wanted status."""
        file = self.bench.write("targets", "\n".join(targets) + "\n")
        to, who = (f"127.0.0.1:{self.bench.front_port}", "customer") if front else (f"unix:{self.bench.socket}", "nginx")
        command = [self.load, "--to", to, "--targets", file, "--host", SITE, "--who", who, *settings]
        before = self.cpu_seconds()
        run = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise NotMeasured(run.stderr)
        told = json.loads(run.stdout)
        told["cpu"] = [now - then for now, then in zip(self.cpu_seconds(), before, strict=True)]
        for kind, status in (("asked", wanted), ("followed", followed)):
            if set(told[kind]["statuses"]) - {status}:
                raise NotMeasured(f"instead of {status} there came {told[kind]['statuses']}")
        return told

    def clicks_and_starts(self, clicks, starts, links, *settings, front=False):
        """Clicks, and starts what they led to: some thousand customers at a time, as many as may be between the two. Notes
        them in the rows `clicks` and `starts`."""
        noted, file = [], self.bench.directory / "locations"
        for at in range(0, len(links), BETWEEN):
            self.customers += BETWEEN
            who = ("--customer", self.customers)
            clicked = self.ask(links[at:at + BETWEEN], *who, "--locations", file, front=front, wanted="303")
            noted.append((clicked, self.ask(file.read_text().split("\n"), *who, *settings, front=front)))
        for row, told in zip((clicks, starts), zip(*noted, strict=True), strict=True):
            self.note(row, *told)

    def cpu_seconds(self):
        """CPU time that the daemon has used so far, and what of it the thread that writes the store."""
        used = {task.name: int((task / "schedstat").read_text().split()[0]) / 1e9
                for task in Path(f"/proc/{self.daemon.pid}/task").iterdir()}
        names = {task.name: (task / "comm").read_text().strip() for task in Path(f"/proc/{self.daemon.pid}/task").iterdir()}
        return sum(used.values()), sum(seconds for task, seconds in used.items() if names[task] == "store")

    def note(self, row, *told, kind="asked"):
        """Notes requests a second, the median and the 99th hundredth of their times in milliseconds, and the CPU time that
        one took in microseconds, of runs taken together."""
        if row is None:
            return
        micros = sorted(micros for one in told for micros in one[kind]["micros"])
        row.values.append(len(micros) / sum(one["seconds"] for one in told))
        row.times.append([micros[math.ceil(len(micros) * part) - 1] / 1000 for part in (0.5, 0.99)])
        row.cpu.append([sum(one["cpu"][which] for one in told) * 1e6 / len(micros) for which in (0, 1)])
        progress(f"  {row.values[-1]:12,.0f} /s   p99 {row.times[-1][1]:6.1f} ms   CPU {row.cpu[-1][0]:5.1f} µs, store {row.cpu[-1][1]:5.1f} µs   "
                 f"{row.title}")

    def deliveries(self, minted, what, count):
        return [self.tokens.delivery(raw) for raw in minted.take(what, count)]

    def signed(self, front=False):
        key, title = ("signed-front", "signed URL, through nginx") if front else ("signed", "signed URL, not counted, on the socket")
        target = self.sign("/dl/f/masters/small.bin", int(time.time()) + 86400, self.bench.key)
        row = self.row(key, title)
        self.note(row, self.ask([target], "--cycle", "--seconds", SIGNED_SECONDS, front=front))
        return row

    def few(self, seed, minted):
        """Starts and joined requests with a thousand grants."""
        def bar(row):
            ratio, speed = row.ratio(), statistics.median(row.values)
            return [(f"≥ {BAR_UNCOUNTED} ×", ratio >= BAR_UNCOUNTED), (f"≥ {BAR_STARTS:,} /s", speed >= BAR_STARTS)]

        self.serve(seed)
        signed = self.signed()
        click, start = self.row("click", "click → 303, 10³ grants"), self.row("start", "counted start after it", against=signed, bar=bar,
                                                                               show_ratio=times)
        links = [self.tokens.link(raw) for raw in minted.links]
        self.clicks_and_starts(click, start, links * (STARTS // len(links)))
        half = self.row("half", "counted start at half of that speed", bar=lambda row: [
            (f"p99 < {BAR_P99_MS} ms", statistics.median(of[1] for of in row.times) < BAR_P99_MS)])
        self.clicks_and_starts(None, half, links * (STARTS // len(links)), "--rate", start.values[-1] / 2)
        self.serve(seed)
        row = self.row("join", "joined request of a delivery that was not in memory, 10³ grants", against=signed, show_ratio=times)
        self.note(row, self.ask([self.tokens.delivery(raw) for raw in minted.open], "--range", "bytes=1-1"))
        row = self.row("cold", "counted start of an offer that was not in memory, 10³ grants", against=signed, show_ratio=times)
        self.note(row, self.ask([self.tokens.delivery(raw) for raw in minted.offers]))
        self.serve(seed, durability="relaxed")
        row = self.row("relaxed", "counted start after its click, `durability = \"relaxed\"`", against=start, show_ratio=times)
        self.clicks_and_starts(None, row, links * (STARTS // len(links)))

    def front(self, seed, minted):
        """Starts through nginx."""
        self.serve(seed)
        signed = self.signed(front=True)
        row = self.row("start-front", "counted start after its click, through nginx", against=signed, show_ratio=times)
        links = [self.tokens.link(raw) for raw in minted.links]
        self.clicks_and_starts(None, row, links * (STARTS // len(links)), front=True)

    def many(self, minted):
        """The same with a million grants."""
        def bar(row):
            return [(f"≤ {BAR_GROWTH} ×", 1 / row.ratio() <= BAR_GROWTH)]

        def growth(ratio):
            return f"{1 / ratio:.2f} × the cost"

        def row(key, title):
            few = self.rows.get(key)
            return self.row(f"{key}-many", title, against=few, bar=bar if few else None, show_ratio=growth)

        links = [self.tokens.link(raw) for raw in minted.take("links", 2 * STARTS)]
        start = row("start", "counted start after it, 10⁶ grants")
        self.clicks_and_starts(row("click", "click → 303, 10⁶ grants"), start, links[:STARTS])
        half = self.row("half-many", "counted start at half of that speed, 10⁶ grants", bar=lambda row: [
            (f"p99 < {BAR_P99_MS} ms", statistics.median(of[1] for of in row.times) < BAR_P99_MS)])
        self.clicks_and_starts(None, half, links[STARTS:], "--rate", start.values[-1] / 2)
        self.note(row("join", "joined request of a delivery that was not in memory, 10⁶ grants"),
                  self.ask(self.deliveries(minted, "open", COLD), "--range", "bytes=1-1"))
        self.note(row("cold", "counted start of an offer that was not in memory, 10⁶ grants"),
                  self.ask(self.deliveries(minted, "offers", COLD)))

    def settle(self, seed, minted, row, more=""):
        """Log lines until all of them are settled."""
        self.serve(seed, more=more)
        line = 'cloakroom_feed_lines_total{outcome="settled"}'
        wait_until("the metrics", lambda: self.bench.metric(line) == 0)
        lines = [stores.log_line(raw, stores.request_of(number)) for number, raw in enumerate(minted.open)]
        began = time.monotonic()
        with open(self.bench.directory / "report.log", "a", encoding="utf-8") as log:
            log.write("\n".join(lines) + "\n")
        while (settled := self.bench.metric(line)) < len(lines):
            if time.monotonic() - began > SETTLED_SECONDS_MAX:
                raise NotMeasured(f"{settled} of {len(lines)} lines are settled after {SETTLED_SECONDS_MAX} s")
            time.sleep(0.01)
        row.values.append(len(lines) / (time.monotonic() - began))
        progress(f"  {row.values[-1]:12,.0f} lines/s                {row.title}")

    def restart(self, seed, minted, rss):
        """A daemon that is killed while it counts, and started again."""
        self.serve(seed)
        self.ask([self.tokens.delivery(raw) for raw in minted.open[:STARTS]], "--range", "bytes=0-0")
        self.stop(signal.SIGKILL)
        row = self.row("restart", f"killed, start to first answer with {OPEN:,} open deliveries", "s",
                       bar=lambda row: [(f"< {BAR_RESTART_S} s", statistics.median(row.values) < BAR_RESTART_S)])
        row.values.append(self.serve())
        progress(f"  {row.values[-1]:12.2f} s                      {row.title}")
        row = self.row("ready-rss", "the same, resident then", "MB",
                       bar=lambda row: [(f"< {BAR_RSS_MB} MB", statistics.median(row.values) < BAR_RSS_MB)])
        row.values.append(rss(self.daemon, "VmRSS"))
        self.ask([self.tokens.delivery(raw) for raw in minted.open[STARTS:]], "--range", "bytes=0-0")
        row = self.row("used-rss", f"the same, after a request of each of {OPEN - STARTS:,} of them", "MB",
                       bar=lambda row: [(f"< {BAR_RSS_MB} MB", statistics.median(row.values) < BAR_RSS_MB)])
        row.values.append(rss(self.daemon, "VmHWM"))
        progress(f"  {row.values[-1]:12.1f} MB                     {row.title}")


def build(program="cloakroom-load"):
    """The path of a program of `load/`: the load generator, or `constant`."""
    progress(f"building {program}")
    manifest = REPOSITORY / "tests/bench/load/Cargo.toml"
    run = subprocess.run(["cargo", "build", "--release", "--locked", "--manifest-path", str(manifest), "--message-format=json-render-diagnostics"],
                         stdout=subprocess.PIPE, text=True, check=False)
    found = [message["executable"] for message in map(json.loads, run.stdout.splitlines()) if message.get("executable")]
    found = [path for path in found if Path(path).name == program]
    if run.returncode != 0 or not found:
        raise NotMeasured("cargo build of tests/bench/load failed")
    return found[-1]


def measure(counted, rss, parts, rounds):
    """Measures `parts`, and notes the rows at `counted`."""
    bench, seeds = counted.bench, {}

    def seed(name, make, *arguments):
        if name not in seeds:
            progress(f"making the store {name}")
            file = bench.directory / f"state/{name}.db"
            seeds[name] = file, make(bench, file, *arguments)
        return seeds[name]

    for number in range(rounds if parts else 0):
        progress(f"counting, round {number + 1}/{rounds}")
        if {"counted", "grants"} & set(parts):
            counted.few(*seed("few", stores.few))
        if "counted-nginx" in parts:
            counted.front(*seed("few", stores.few))
        if "grants" in parts:
            file, minted = seed("many", stores.many)
            counted.stop()
            counted.store, kept = file, counted.store
            counted.serve()
            counted.many(minted)
            counted.stop()
            counted.store = kept
        if "settling" in parts:
            row = counted.row("settling", f"settlement of {OPEN:,} log lines, each of another delivery", "lines/s")
            counted.settle(*seed("running", stores.running, OPEN), row)
        if "restart" in parts:
            counted.restart(*seed("running", stores.running, OPEN), rss)
    counted.stop()


def table(rows):
    yield "| counting | median | lowest – highest | ms, median / p99 | µs of CPU, daemon / its writer | ratio | to | bar | |"
    yield "|---|--:|--:|--:|--:|--:|---|--:|---|"
    for row in rows:
        yield f"| {' | '.join(row.cells())} |"
