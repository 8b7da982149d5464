"""What public directories cost: stubs that are placed, that lie there by the hundred thousand, and that are due at once; copies
beside `cp`."""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import threading
import time

import stores
from counted import BETWEEN, progress, times
from servers import NotMeasured

PARTS = ["stubs", "stubs-live", "stubs-due", "copies"]
CLICKS, LIVE = 20000, 100000
VISIBLE_RATE, VISIBLE = 500, 2000
GRACE_DUE_S = 40
DUE_SECONDS_MAX = 300
IDLE_SECONDS, QUIET_SECONDS = 5, 15
SMALL_COPIES, LARGE_MB, XFS_MB = 200, 1024, 4096
BAR_VISIBLE_MS, BAR_RESTART_S, BAR_RSS_MB, BAR_GONE_S = 50, 2, 150, 1


def below(most, unit):
    return lambda row: [(f"< {most} {unit}", statistics.median(row.values) < most)]


class Placed:
    """The daemon with a public directory."""

    def __init__(self, counted, rss, wake_ups):
        self.counted, self.bench, self.rss, self.wake_ups = counted, counted.bench, rss, wake_ups
        self.public = self.bench.directory / "pub"
        self.links, self.seeds = [], {}

    def seed(self, name, count, **policy):
        """A store with so many grants, each with a link."""
        if name not in self.seeds:
            progress(f"making the store {name}")
            file = self.bench.directory / f"state/{name}.db"
            self.seeds[name] = file, stores.linked(self.bench, file, count, policy)
        file, minted = self.seeds[name]
        return file, [self.counted.tokens.link(raw) for raw in minted.links]

    def empty(self, public=None):
        self.counted.stop()
        self.public = public or self.public
        shutil.rmtree(self.public, ignore_errors=True)
        self.public.mkdir()

    def serve(self, seed):
        self.empty()
        return self.counted.serve(seed)

    def names(self):
        return sum(1 for entry in os.scandir(self.public) if not entry.name.startswith("."))

    def click(self, links, row=None, *settings):
        """Clicks on each, some customers after others."""
        told = []
        for at in range(0, len(links), BETWEEN):
            self.counted.customers += BETWEEN
            told.append(self.counted.ask(links[at:at + BETWEEN], "--customer", self.counted.customers, *settings, wanted="303"))
        self.counted.note(row, *told)

    def stubs(self):
        """Clicks that place a stub, beside clicks of a hand-off on a store of the same size."""
        seed, links = self.seed("handed-off", CLICKS, methods=["handoff"])
        self.serve(seed)
        handed = self.counted.row("click-handoff", "click → 303, hand-off, 2·10⁴ grants")
        self.click(links, handed)
        seed, links = self.seed("stubs", CLICKS, methods=["stub"])
        self.serve(seed)
        self.click(links, self.counted.row("stub", "click → 303 to a stub that is there", against=handed, show_ratio=times))
        if self.names() != CLICKS:
            raise NotMeasured(f"{self.names()} stubs after {CLICKS} clicks")
        self.serve(seed)
        row = self.counted.row("stub-visible", f"the same at {VISIBLE_RATE}/s: the stub is there before the answer", bar=lambda row: [
            (f"p99 < {BAR_VISIBLE_MS} ms", statistics.median(of[1] for of in row.times) < BAR_VISIBLE_MS)])
        self.click(links[:VISIBLE], row, "--rate", VISIBLE_RATE)

    def live(self):
        """A hundred thousand stubs that stay: a restart, and what waiting costs."""
        seed, links = self.seed("live", LIVE, methods=["stub"])
        self.serve(seed)
        self.click(links)
        if self.names() != LIVE:
            raise NotMeasured(f"{self.names()} stubs after {LIVE} clicks")
        self.counted.stop(signal.SIGKILL)
        row = self.counted.row("stub-restart", f"killed, start to first answer with {LIVE:,} live stubs", "s", bar=below(BAR_RESTART_S, "s"))
        row.values.append(self.counted.serve())
        progress(f"  {row.values[-1]:12.2f} s                      {row.title}")
        # What lies there is compared with what is remembered, beside the first answers.
        time.sleep(QUIET_SECONDS)
        row = self.counted.row("stub-rss", "the same, resident then", "MB", bar=below(BAR_RSS_MB, "MB"))
        row.values.append(self.rss(self.counted.daemon, "VmRSS"))
        progress(f"  {row.values[-1]:12.1f} MB                     {row.title}")
        before, woken = self.counted.cpu_seconds()[0], self.wake_ups(self.counted.daemon.pid)
        time.sleep(IDLE_SECONDS)
        row = self.counted.row("stub-idle", f"the same, CPU while nobody asks ({self.wake_ups(self.counted.daemon.pid, woken)} wake-ups in "
                               f"{IDLE_SECONDS} s)", "ms/s")
        row.values.append((self.counted.cpu_seconds()[0] - before) / IDLE_SECONDS * 1000)
        progress(f"  {row.values[-1]:12.2f} ms/s                   {row.title}")
        if self.names() != LIVE:
            raise NotMeasured(f"{self.names()} stubs are left of {LIVE}")

    def due(self):
        """A hundred thousand stubs that are due at once, with customers beside; and one after the other."""
        seed, links = self.seed("due", LIVE, methods=["stub"], resume_grace=GRACE_DUE_S * 1000)
        self.serve(seed)
        self.click(links)
        self.counted.stop()
        there = self.names()
        time.sleep(GRACE_DUE_S)
        began = time.monotonic()
        self.counted.serve()
        row = self.counted.row("signed-due", "signed URLs at 2,000/s while they go", bar=lambda row: [
            ("p99 < 5 ms", statistics.median(of[1] for of in row.times) < 5)])
        target = self.counted.sign("/dl/f/masters/small.bin", int(time.time()) + 86400, self.bench.key)
        asking = threading.Thread(target=lambda: self.counted.note(row, self.counted.ask([target], "--cycle", "--seconds", 3, "--rate", 2000)))
        asking.start()
        while self.names():
            if time.monotonic() - began > DUE_SECONDS_MAX:
                raise NotMeasured(f"{self.names()} of {there} stubs are there after {DUE_SECONDS_MAX} s")
            time.sleep(0.1)
        taken = time.monotonic() - began
        asking.join()
        row = self.counted.row("stubs-due", f"stubs that go when {LIVE:,} are due at once", "/s")
        row.values.append(there / taken)
        progress(f"  {row.values[-1]:12,.0f} /s                     {row.title}")
        self.one_by_one()

    def one_by_one(self):
        """How long after its time a stub is still there."""
        seed, links = self.seed("short", VISIBLE, methods=["stub"], resume_grace=2000)
        self.serve(seed)
        asking = threading.Thread(target=lambda: self.click(links[:200], None, "--rate", 50))
        asking.start()
        seen, late = {}, []
        deadline = time.monotonic() + 30
        while (asking.is_alive() or seen) and time.monotonic() < deadline:
            now = time.time()
            names = {entry.name for entry in os.scandir(self.public) if not entry.name.startswith(".")}
            for name in names - seen.keys():
                seen[name] = now
            for name in seen.keys() - names:
                late.append(now - seen.pop(name) - 2)
            time.sleep(0.002)
        asking.join()
        if len(late) < 200:
            raise NotMeasured(f"{len(late)} of 200 stubs have gone")
        row = self.counted.row("stub-gone", "a stub is gone after it is due, the latest of 200", "s", bar=below(BAR_GONE_S, "s"))
        row.values.append(max(late))
        progress(f"  {row.values[-1]:12.3f} s                      {row.title}")

    def copies(self):
        """Grants that are copies, until each is there, beside `cp` of the same file as often; on xfs, where blocks are shared, too."""
        self.copies_at(self.bench.directory, "", ["cp", "--reflink=never"], {"copy": False, "link": True})
        with xfs(self.bench.directory, XFS_MB) as home:
            self.copies_at(home, ", xfs", ["cp", "--reflink=always"], {"reflink": False})

    def copies_at(self, home, where, command, ways):
        """Copies in `home` by each of `ways`, which says whether hard links are allowed, beside those of `command`."""
        titles = {"copy": "copy", "link": "copy as a hard link", "reflink": "copy as a reflink"}
        for name, size, count in (("copied.bin", 1 << 20, SMALL_COPIES), ("large-copied.bin", LARGE_MB << 20, 1)):
            with open(home / "masters" / name, "wb") as file:
                for _ in range(size >> 20):
                    file.write(os.urandom(1 << 20))
                # The first who copies would wait for the disk.
                os.fsync(file.fileno())
            shown = f"{size >> 20} MB{where}"
            by_cp = self.counted.row(f"cp-{name}{where}", f"`{' '.join(command)}`, then `sync` of the file, {shown}", "/s")
            self.empty(home / "pub")
            began = time.monotonic()
            for number in range(count):
                subprocess.run([*command, home / "masters" / name, self.public / f"{number}.bin"], check=True)
                subprocess.run(["sync", self.public / f"{number}.bin"], check=True)
            by_cp.values.append(count / (time.monotonic() - began))
            progress(f"  {by_cp.values[-1]:12,.2f} /s                     {by_cp.title}")
            for way, hard_links in ways.items():
                row = self.counted.row(f"{way}-{name}", f"{titles[way]}, {shown}", "/s", against=by_cp, show_ratio=times)
                row.values.append(count / self.copied(home, name, count, hard_links))
                progress(f"  {row.values[-1]:12,.2f} /s                     {row.title}")
            (home / "masters" / name).unlink()
        self.empty(self.bench.directory / "pub")

    def copied(self, home, name, count, hard_links):
        """Seconds from the first grant to the last copy."""
        self.empty(home / "pub")
        self.bench.home, self.bench.hard_links = home, hard_links
        seed, _ = self.seed("none", 1, methods=["handoff"])
        self.counted.serve(seed)
        self.bench.home, self.bench.hard_links = self.bench.directory, False
        began = time.monotonic()
        for _ in range(count):
            run = subprocess.run([str(self.bench.binary), "grant", "add", "--file", f"masters/{name}", "--policy", "copies", "--json",
                                  "--config", str(self.bench.directory / "counted.toml")], capture_output=True, text=True, check=False)
            if run.returncode != 0:
                raise NotMeasured(run.stderr)
            json.loads(run.stdout)
        wait_until_all(lambda: self.names() >= count, DUE_SECONDS_MAX)
        return time.monotonic() - began


@contextlib.contextmanager
def xfs(directory, megabytes):
    """A file system that shares blocks, in a file, with a directory of masters and an empty public one."""
    image, home = directory / "xfs.img", directory / "xfs"
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    home.mkdir(exist_ok=True)
    for command in (["mkfs.xfs", "-q", "-m", "reflink=1", image], ["mount", "-o", "loop", image, home]):
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise NotMeasured(f"{' '.join(map(str, command))}: {made.stderr}\nrows on xfs need root, and loop devices")
    try:
        for name in ("masters", "pub"):
            (home / name).mkdir()
        yield home
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)
        image.unlink()


def wait_until_all(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise NotMeasured(f"not within {seconds} s")
        time.sleep(0.005)


def measure(counted, rss, wake_ups, parts, rounds):
    """Measures `parts`, and notes the rows at `counted`."""
    placed = Placed(counted, rss, wake_ups)
    for _ in range(rounds if parts else 0):
        for part, work in (("stubs", placed.stubs), ("stubs-live", placed.live), ("stubs-due", placed.due), ("copies", placed.copies)):
            if part in parts:
                work()
    if parts:
        placed.empty()
