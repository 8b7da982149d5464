"""The four ways by which a stock Apache asks Cloakroom, each beside the same way to a program that decides nothing
(`load/src/bin/constant.rs`), and beside what Apache does by itself. One Apache has a virtual host for each way; it loads
`conf-examples/apache/` as it is shipped, with paths replaced."""

import os
import re
import secrets
import statistics
import struct
from pathlib import Path

import counted
import logins
from servers import REPOSITORY, SITE, SMALL_BYTES, NotMeasured, base64url, free_ports, reaches, wait_until

PARTS = ["apache"]
BAR = 0.9
MODULES = Path("/usr/lib/apache2/modules")
NEEDED = ["mpm_event", "authz_core", "authz_user", "authn_core", "authn_file", "auth_basic", "authnz_fcgi", "headers", "env", "mime",
          "alias", "setenvif", "unique_id", "proxy", "proxy_scgi", "proxy_http", "ratelimit", "rewrite", "xsendfile"]
# What a unique id, a client's headers and Apache's own environment come to is the same for all.
CONSTANT_ALLOW = b"Status: 200 OK\r\nvariable-cloakroom_user: -\r\ncontent-length: 0\r\n\r\n"


class Way:
    """One virtual host, and what is asked of it."""

    def __init__(self, key, title, target, against=None, bar=None, user=None, decided=False):
        self.key, self.title, self.target, self.against, self.bar, self.user, self.decided = key, title, target, against, bar, user, decided
        self.speeds, self.port = [], None

    def ratio_to(self, other):
        return statistics.median(mine / theirs for mine, theirs in zip(self.speeds, other.speeds, strict=True))


def ways(sign, expires, key):
    member = sign("/members/small.bin", expires, key)
    download = sign("/dl/f/masters/small.bin", expires, key)
    return [
        Way("apache-plain", "plain Apache", "/plain/small.bin"),
        Way("apache-basic", "Apache `auth_basic`, bcrypt, cost 10", "/own/small.bin", against="apache-plain", user="bcrypt"),
        Way("apache-a-constant", "(a) `mod_authnz_fcgi` → constant authorizer, TCP", member, against="apache-plain"),
        Way("apache-a", "(a) `mod_authnz_fcgi` → Cloakroom, TCP, signed URL", member, against="apache-a-constant", bar=BAR, decided=True),
        Way("apache-b-constant", "(b) X-Sendfile ← constant HTTP backend, unix", download, against="apache-plain"),
        Way("apache-b", "(b) X-Sendfile ← Cloakroom, unix, signed URL", download, against="apache-b-constant", bar=BAR, decided=True),
        Way("apache-c-constant", "(c) X-Accel-Redirect ← constant SCGI backend, unix", download, against="apache-plain"),
        Way("apache-c", "(c) X-Accel-Redirect ← Cloakroom by SCGI, unix, signed URL", download, against="apache-c-constant", bar=BAR, decided=True),
        Way("apache-d-constant", "(d) `RewriteMap prg:` → constant program", download, against="apache-plain"),
        Way("apache-d", "(d) `RewriteMap prg:` → `cloakroom rewrite-map` → Cloakroom", download, against="apache-d-constant", decided=True),
    ]


def records(content):
    """The answer of an authorizer, as FastCGI frames it."""
    def record(kind, text):
        return struct.pack(">BBHHBB", 1, kind, 1, len(text), 0, 0) + text
    return record(6, content) + record(6, b"") + record(3, bytes(8))


class Site:
    """A front Apache, the daemon and the constant programs."""

    def __init__(self, bench, sign, expires):
        self.bench, self.directory = bench, bench.directory / "apache"
        self.directory.mkdir()
        for path in (bench.directory, self.directory, bench.directory / "masters"):
            path.chmod(0o755)
        self.constant = counted.build("constant")
        self.ways = ways(sign, expires, bench.key)
        self.fastcgi_port, self.constant_port, *ports = free_ports(2 + len(self.ways))
        for way, port in zip(self.ways, ports, strict=True):
            way.port = port
        self.secret = base64url(secrets.token_bytes(32))
        self.write_daemon()
        self.write_apache()

    def write(self, name, text, mode=0o644):
        return self.bench.write(f"apache/{name}", text, mode)

    def write_daemon(self):
        self.write("state/keys/main", base64url(self.bench.key) + "\n", 0o600)
        self.write("state/keys/apache", self.secret + "\n", 0o600)
        for name in ("state", "state/keys"):
            (self.directory / name).chmod(0o700)
        self.write("cloakroom.toml", f"""
[server]
state_dir  = "{self.directory}/state"
public_url = "http://{SITE}/dl/"
threads = 1

[[listener]]
address  = "127.0.0.1:{self.fastcgi_port}"
dialect  = "apache"
protocol = "fastcgi"
secret   = "keys/apache"

[[listener]]
address  = "unix:{self.directory}/scgi.sock"
mode     = "0666"
dialect  = "apache"
protocol = "scgi"

[[listener]]
address  = "unix:{self.directory}/http.sock"
mode     = "0666"
dialect  = "apache"
protocol = "http"

[[listener]]
address = "unix:{self.directory}/admin.sock"
serve   = "admin"

[[key]]
id   = "main"
file = "keys/main"
use  = "sign"

[[storage]]
name    = "masters"
path    = "{self.bench.directory}/masters"
handoff = "/_cloakroom/masters/"

[[rule]]
path   = "/members/"
accept = ["signed-url"]
""")

    def shipped(self, name, **replaced):
        """A file of conf-examples/apache, with paths replaced, each of which it must name."""
        text = (REPOSITORY / "conf-examples/apache" / name).read_text()
        for old, new in replaced.items():
            old = {"fastcgi": "127.0.0.1:8471", "scgi": "/run/cloakroom/apache.sock", "http": "/run/cloakroom/apache-http.sock",
                   "masters": "/srv/downloads", "secret": "/etc/apache2/cloakroom-secret.conf",
                   "program": "/usr/local/bin/cloakroom rewrite-map\" cloakroom:www-data"}[old]
            if old not in text:
                raise NotMeasured(f"conf-examples/apache/{name} does not name {old}")
            text = text.replace(old, new)
        return text

    def constants(self):
        """What the programs say that decide nothing: what Cloakroom says to the same questions."""
        handed = (f"content-type: application/octet-stream\r\ncontent-disposition: attachment; filename=\"small.bin\"\r\n"
                  f"cache-control: private, no-store\r\ncontent-length: 0\r\n")
        masters = self.bench.directory / "masters"
        return {
            "fastcgi": (f"127.0.0.1:{self.constant_port}", records(CONSTANT_ALLOW)),
            "scgi": (f"unix:{self.directory}/constant-scgi.sock",
                     f"Status: 200 OK\r\nx-accel-redirect: /_cloakroom/masters/small.bin\r\n{handed}\r\n".encode()),
            "http": (f"unix:{self.directory}/constant-http.sock",
                     (f"HTTP/1.1 200 OK\r\nx-sendfile: {masters}/small.bin\r\netag: \"0-{SMALL_BYTES:x}\"\r\n"
                      f"last-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n{handed}\r\n").encode()),
            "rewrite-map": (None, b"file\t-\t-\tattachment; filename=\"small.bin\"\t/_cloakroom/masters/small.bin\n"),
        }

    def write_apache(self):
        masters = f"{self.bench.directory}/masters"
        self.write("secret.conf", f"Define CLOAKROOM_SECRET {self.secret}\n")
        server = self.shipped("cloakroom.conf", fastcgi=f"127.0.0.1:{self.fastcgi_port}", secret=f"{self.directory}/secret.conf")
        provider = f"AuthnzFcgiDefineProvider authn constant fcgi://127.0.0.1:{self.constant_port}/\n"
        members = self.shipped("members.conf") + f'Alias "/members/" "{masters}/"\n'
        own = (f'Alias "/plain/" "{masters}/"\nAlias "/own/" "{masters}/"\n<Location "/own/">\nAuthType Basic\nAuthName own\n'
               f"AuthUserFile {self.bench.directory}/htpasswd\nRequire valid-user\n</Location>\n")
        program = f"{self.bench.binary} --config {self.directory}/cloakroom.toml rewrite-map\""
        constant = f"{self.constant} --protocol rewrite-map --lines --says {self.directory}/says-rewrite-map\""
        hosts = {
            "apache-plain": own, "apache-basic": own,
            "apache-a": members, "apache-a-constant": members.replace("Provider cloakroom", "Provider constant"),
            "apache-b": self.shipped("xsendfile.conf", http=f"{self.directory}/http.sock", masters=masters),
            "apache-b-constant": self.shipped("xsendfile.conf", http=f"{self.directory}/constant-http.sock", masters=masters),
            "apache-c": self.shipped("downloads.conf", scgi=f"{self.directory}/scgi.sock", masters=masters),
            "apache-c-constant": self.shipped("downloads.conf", scgi=f"{self.directory}/constant-scgi.sock", masters=masters),
            "apache-d": self.shipped("rewrite-map.conf", program=program, masters=masters),
            "apache-d-constant": self.shipped("rewrite-map.conf", program=constant, masters=masters),
        }
        modules = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in NEEDED)
        vhosts = "".join(f"Listen 127.0.0.1:{way.port}\n<VirtualHost 127.0.0.1:{way.port}>\nServerName {SITE}\n"
                         f"<Location />\nRequire all granted\n</Location>\n{hosts[way.key]}</VirtualHost>\n" for way in self.ways)
        self.write("apache.conf", f"""{modules}
ServerName {SITE}
PidFile {self.directory}/apache.pid
ErrorLog {self.directory}/apache-error.log
Mutex file:{self.directory}
User www-data
Group www-data
DocumentRoot {self.directory}
TypesConfig /dev/null
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
<Directory />
    Require all denied
    AllowOverride None
</Directory>
<Directory "{masters}">
    Require all granted
</Directory>
{provider}{server}{vhosts}""")

    def start(self):
        for protocol, (address, says) in self.constants().items():
            path = self.directory / f"says-{protocol}"
            path.write_bytes(says)
            if address:
                self.bench.start(self.constant, "--protocol", protocol, "--listen", address, "--says", str(path))
        self.bench.start_daemon("apache/cloakroom.toml")
        wait_until("the daemon behind Apache", lambda: reaches(("127.0.0.1", self.fastcgi_port)))
        for name in ("constant-scgi.sock", "constant-http.sock"):
            wait_until(name, (self.directory / name).exists)
            (self.directory / name).chmod(0o666)
        self.bench.start("apache2", "-D", "FOREGROUND", "-f", str(self.directory / "apache.conf"))
        for way in self.ways:
            wait_until(way.title, lambda way=way: reaches(("127.0.0.1", way.port)))

    def verify(self):
        """Each way sends the file, and what decides refuses an altered URL."""
        wanted = (self.bench.directory / "masters/small.bin").read_bytes()
        for way in self.ways:
            status, body = self.ask(way, way.target)
            if status != 200 or body != wanted:
                raise NotMeasured(f"{way.title}: {way.target} gave {status} and {len(body)} bytes instead of the file")
            if way.decided:
                status, _ = self.ask(way, re.sub(r"sig=(.)", lambda found: f"sig={'A' if found[1] != 'A' else 'B'}", way.target))
                if status != 403:
                    raise NotMeasured(f"{way.title}: an altered URL gave {status} instead of 403")

    def ask(self, way, target):
        front, self.bench.front_port = self.bench.front_port, way.port
        try:
            return self.bench.ask_front(target, logins.header(way.user))
        finally:
            self.bench.front_port = front

    def wrk(self, way, options):
        requests, _, microseconds = self.bench.load(way.port, way.target, way.title, options.connections, options.seconds,
                                                    logins.header(way.user))
        way.speeds.append(requests / microseconds * 1e6)


def measure(bench, sign, expires, options, progress):
    """The ways, each measured once a round."""
    for module in NEEDED:
        if not (MODULES / f"mod_{module}.so").exists():
            raise NotMeasured(f"Apache has no mod_{module}; `tests/run --only install` brings it")
    if os.geteuid() != 0:
        raise NotMeasured("Apache is measured as root, who lets it serve as www-data")
    site = Site(bench, sign, expires)
    site.start()
    site.verify()
    for number in range(options.rounds):
        for way in site.ways if number % 2 == 0 else reversed(site.ways):
            site.wrk(way, options)
            progress(f"round {number + 1}/{options.rounds}: {way.speeds[-1]:12,.0f} /s {way.title}")
    return site.ways


def table(all_ways):
    by_key = {way.key: way for way in all_ways}
    yield "| behind Apache | median | lowest – highest | ratio | to | bar | |"
    yield "|---|--:|--:|--:|---|--:|---|"
    for way in all_ways:
        cells = [way.title, f"{statistics.median(way.speeds):,.0f} /s", f"{min(way.speeds):,.0f} – {max(way.speeds):,.0f}", "", "", "", ""]
        if way.against:
            ratio = way.ratio_to(by_key[way.against])
            cells[3:5] = [f"{ratio:.2f}", by_key[way.against].title]
            if way.bar:
                cells[5:7] = [f"≥ {way.bar:.2f}", "met" if ratio >= way.bar else "**missed**"]
        yield f"| {' | '.join(cells)} |"
