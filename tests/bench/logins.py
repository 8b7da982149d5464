"""Names and passwords: a login that is remembered beside nginx's `auth_basic`, logins that were never seen, and what tokens
wait for while others try wrong passwords."""

import base64
import json
import subprocess
import time

from servers import SITE, NotMeasured

PARTS = ["logins"]
BAR_TIMES, BAR_P99_MS = 1000, 5
# Each name that logs in for the first time is another one; all have the same line.
FIRST_TIMERS = 4000
TOKENS_PER_SECOND = 2000
SECONDS = 4
PASSWORD = "correct horse"
# Wrong logins, each of another name, one after the other; how much faster or slower those of a stranger may be refused.
WRONG, BAR_STRANGER = 40, 1.25
USERS = {"sha": ["-s"], "apr1": ["-m"], "bcrypt": ["-B", "-C", "10"]}


def header(user, password=PASSWORD):
    """What a client brings."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if user else None


def write_file(bench):
    """The file that nginx and Cloakroom read: a name for each method, and names that log in once."""
    made = {}
    for user, how in USERS.items():
        run = subprocess.run(["htpasswd", "-n", "-i", *how, user], input=PASSWORD, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise NotMeasured(f"htpasswd: {run.stderr}")
        made[user] = run.stdout.strip().split(":", 1)[1]
    lines = [f"{user}:{text}" for user, text in made.items()]
    lines += [f"first{number}:{made['bcrypt']}" for number in range(FIRST_TIMERS)]
    bench.write("htpasswd", "\n".join(lines) + "\n").chmod(0o644)


def rows(row):
    """The rows of the first table."""
    all_rows = []
    for user, name in (("sha", "{SHA}"), ("apr1", "apr1"), ("bcrypt", "bcrypt, cost 10")):
        all_rows.append(row(f"own-{user}", f"nginx `auth_basic`, {name}", "/own/small.bin", against="plain", user=user))
        all_rows.append(row(f"club-{user}", f"`auth_request` → Cloakroom, unix, login, {name}, remembered", "/club/small.bin",
                            against=f"own-{user}", bar=BAR_TIMES if user == "bcrypt" else None, user=user))
    return all_rows


def bars(row):
    return [(f"p99 < {BAR_P99_MS} ms", max(of[1] for of in row.times) < BAR_P99_MS)]


def stranger_bars(row):
    ratio = row.ratio()
    return [(f"1 / {BAR_STRANGER} – {BAR_STRANGER}", 1 / BAR_STRANGER <= ratio <= BAR_STRANGER)]


def strangers(counted):
    """Wrong passwords of names that are in the file and of names that are not, one at a time: who hears the difference
    learns who is a member. nginx is asked at its front; Cloakroom on the socket, by other networks each time, as the
    lock-out would answer otherwise."""
    def ask(key, title, user, target, against=None, bar=None, front=False):
        brought = [header(f"{user}{number}", f"wrong {counted.customers}") for number in range(WRONG)]
        wrong = counted.bench.write("logins-wrong", "\n".join(brought) + "\n")
        counted.customers += 1 << 20
        settings = ("--logins", wrong, "--connections", 1, "--customer", counted.customers, *(() if front else ("--authorize",)))
        row = counted.row(key, title, against=against, bar=bar, show_ratio=(lambda ratio: f"{ratio:.2f}") if against else None)
        counted.note(row, counted.ask([target] * WRONG, *settings, front=front, wanted="401"))
        return row

    known = ask("own-known", "nginx `auth_basic`: wrong password of a member, bcrypt 10", "first", "/own/small.bin", front=True)
    ask("own-stranger", "nginx `auth_basic`: login of a name that is not in the file", "nobody", "/own/small.bin", known, front=True)
    known = ask("club-known", "Cloakroom: wrong password of a member, bcrypt 10", "first", "/club/small.bin")
    ask("club-stranger", "Cloakroom: login of a name that is not in the file", "nobody", "/club/small.bin", known, stranger_bars)


class Asking:
    """A load generator that asks whether a page may be seen, beside others."""

    def __init__(self, counted, name, target, brought, seconds, *settings):
        bench = counted.bench
        command = [counted.load, "--to", f"unix:{bench.socket}", "--targets", bench.write(f"targets-{name}", target + "\n"), "--host", SITE,
                   "--who", "nginx", "--authorize", "--cycle", "--seconds", seconds, *settings]
        if brought:
            command += ["--logins", bench.write(f"logins-{name}", "\n".join(brought) + "\n")]
        self.counted, self.before = counted, counted.cpu_seconds()
        self.process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def told(self):
        """What it tells at its end."""
        said, wrong = self.process.communicate()
        if self.process.returncode != 0:
            raise NotMeasured(wrong)
        told = json.loads(said)
        told["cpu"] = [now - then for now, then in zip(self.counted.cpu_seconds(), self.before, strict=True)]
        return told


def only(told, statuses):
    if set(told["asked"]["statuses"]) - set(statuses):
        raise NotMeasured(f"instead of {statuses} there came {told['asked']['statuses']}")
    return told


def round_of(counted):
    """Logins that were never seen, and tokens without and beside a flood of wrong ones."""
    counted.serve()
    names = [header(f"first{number}") for number in range(FIRST_TIMERS)]
    row = counted.row("login-first", "login that was never seen, bcrypt 10, on the socket")
    counted.note(row, only(Asking(counted, "first", "/club/small.bin", names, SECONDS, "--connections", 16).told(), ["200"]))
    strangers(counted)
    target = counted.sign("/members/small.bin", int(time.time()) + 86400, counted.bench.key)
    rate = ("--rate", TOKENS_PER_SECOND, "--connections", 16)
    row = counted.row("token-alone", f"signed URL, {TOKENS_PER_SECOND:,} a second, on the socket")
    counted.note(row, only(Asking(counted, "token", target, None, SECONDS, *rate).told(), ["200"]))
    # Others each time, from ever other networks, so that nothing is remembered and the lock-out does not help.
    counted.customers += 1 << 20
    wrong = [header("bcrypt", f"wrong {number}") for number in range(FIRST_TIMERS)]
    flood = Asking(counted, "flood", "/club/small.bin", wrong, SECONDS + 2, "--connections", 96, "--customer", counted.customers)
    time.sleep(1)
    row = counted.row("token-flooded", "the same during a flood of wrong bcrypt logins", bar=bars)
    counted.note(row, only(Asking(counted, "token", target, None, SECONDS, *rate).told(), ["200"]))
    told = only(flood.told(), ["401", "403"])
    hashes = counted.bench.metric("cloakroom_password_hashes_total")
    counted.note(counted.row("flood", "the flood itself: refused, most of it unseen"), told)
    if hashes < 10:
        raise NotMeasured(f"the flood was no flood: {hashes} hashes")


def measure(counted, parts, rounds):
    """Measures `parts`, and notes the rows at `counted`."""
    for _ in range(rounds if parts else 0):
        round_of(counted)
    counted.stop()
