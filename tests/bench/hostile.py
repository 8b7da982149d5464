"""What strangers cost: tokens that nobody minted, and connections that never finish their question."""

import os
import re
import shutil
import subprocess
import time

from counted import progress
from servers import NotMeasured, wait_until

PARTS = ["forged", "slow"]
SLOW = 4000
# In the middle of the seconds that slowhttptest holds its connections.
SLOW_SECONDS, OPEN_SECONDS, ASKED_SECONDS = 25, 8, 8
BAR_P99_MS = 5


def small(row):
    return [(f"p99 < {BAR_P99_MS} ms", max(of[1] for of in row.times) < BAR_P99_MS)]


def forged(counted, rss, count):
    """So many tokens, each another one, none of them good: what they cost and what of them stays in memory."""
    counted.serve()
    signed = counted.signed()
    wait_until("the daemon", counted.bench.ask_daemon)
    before = rss(counted.daemon, "VmRSS")
    expires = int(time.time()) + 86400
    targets = [f"/dl/f/masters/small.bin?kid=main&exp={expires}&sig={{n}}00000000000", "/dl/l/{n}00000000/small.bin",
               "/dl/d/{n}00000000/small.bin", f"/dl/f/masters/small.bin?kid={{n}}&exp={expires}&sig={{n}}00000000000"]
    row = counted.row("forged", "forged tokens, each another one, on the socket", against=signed, show_ratio=lambda ratio: f"{ratio:.2f}")
    counted.note(row, counted.ask(targets * (count // len(targets)), wanted="403"))
    after = rss(counted.daemon, "VmRSS")
    row = counted.row("forged-rss", f"resident after {count:,} of them ({before:.1f} MB before)", "MB")
    row.values.append(after)
    progress(f"  {after:12.1f} MB                     {row.title}")


def slow(counted, front):
    """Signed URLs while thousands of connections send their heads a line at a time, to nginx or to the daemon itself."""
    if not shutil.which("slowhttptest"):
        raise NotMeasured("slowhttptest is missing: apt-get install slowhttptest")
    counted.serve()
    who, port = ("nginx", counted.bench.front_port) if front else ("the daemon's own port", counted.bench.daemon_port)
    target = counted.sign("/dl/f/masters/small.bin", int(time.time()) + 86400, counted.bench.key)
    attack = subprocess.Popen(["slowhttptest", "-H", "-c", str(SLOW), "-r", "1000", "-i", "5", "-l", str(SLOW_SECONDS), "-x", "24", "-p", "5",
                               "-u", f"http://127.0.0.1:{port}/dl/"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(OPEN_SECONDS)
        row = counted.row(f"slow-{front}", f"signed URL while {SLOW:,} slow connections are held to {who}", bar=small)
        counted.note(row, counted.ask([target], "--cycle", "--seconds", ASKED_SECONDS, "--rate", 2000, front=front))
        said, _ = attack.communicate(timeout=3 * SLOW_SECONDS)
    finally:
        attack.kill()
        attack.wait()
    connected = re.findall(r"connected:\s*(?:\x1b\[[0-9;]*m)*\s*([0-9]+)", said)
    if not connected or max(map(int, connected)) < 100:
        raise NotMeasured(f"slowhttptest held no connections:\n{said}")
    progress(f"  at most {max(map(int, connected)):,} of them were open at once")


def measure(counted, rss, parts, rounds, count):
    """Measures `parts`, and notes the rows at `counted`."""
    for _ in range(rounds if parts else 0):
        if "forged" in parts:
            forged(counted, rss, count)
        if "slow" in parts:
            slow(counted, front=True)
            slow(counted, front=False)
    counted.stop()
