"""The programs of a bench: a front nginx with the shipped configuration, a second nginx to compare with, the daemon."""

import base64
import http.client
import os
import re
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SITE = "shop.example"
SMALL_BYTES = 1024
READY_SECONDS = 10


class NotMeasured(Exception):
    """Something could not be measured; its text says what and why."""


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Bench:
    """Temporary directory, configurations and processes of one run."""

    def __init__(self, directory, binary, large_bytes, public_keys=""):
        self.directory, self.binary, self.processes = directory, binary, []
        # The `[[key]]` sections of keys that only accept.
        self.public_keys = public_keys
        self.front_port, self.second_port, self.daemon_port = free_ports(3)
        self.socket = directory / "cloakroom.sock"
        self.admin_socket = directory / "admin.sock"
        self.key = secrets.token_bytes(32)
        masters = directory / "masters"
        masters.mkdir()
        (masters / "small.bin").write_bytes(secrets.token_bytes(SMALL_BYTES))
        with open(masters / "large.bin", "wb") as large:
            for _ in range(large_bytes // (1 << 20)):
                large.write(secrets.token_bytes(1 << 20))
        (directory / "pub").mkdir()
        # Where masters and public directory lie for the daemon, and how it copies.
        self.home, self.hard_links = directory, False
        self.write_daemon_configuration()
        self.write_front()
        self.write_second()

    def write(self, name, text, mode=0o644):
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def write_daemon_configuration(self):
        (self.directory / "state").mkdir(mode=0o700)
        self.write("state/keys/main", base64url(self.key) + "\n", 0o600)
        (self.directory / "state/keys").chmod(0o700)
        self.write("report.log", "")
        self.write("cloakroom.toml", self.daemon_configuration())

    def daemon_configuration(self, store=None, durability="full"):
        """With its store in the file `store`, else where it is by default."""
        file = f'file = "{store}"' if store else ""
        return f"""
[server]
state_dir  = "{self.directory}/state"
public_url = "http://{SITE}/dl/"
# As many as each nginx has.
threads = 1

[[listener]]
address = "unix:{self.socket}"
dialect = "nginx"
serve   = "web"

[[listener]]
address = "127.0.0.1:{self.daemon_port}"
dialect = "nginx"
serve   = "web"

[[listener]]
address = "unix:{self.admin_socket}"
serve   = "admin"

[[key]]
id   = "main"
file = "keys/main"
use  = "sign"

[[storage]]
name    = "masters"
path    = "{self.home}/masters"
handoff = "/_cloakroom/masters/"
stub    = "pub"
copy    = "pub"

[[directory]]
name = "pub"
path = "{self.home}/pub"
url  = "/pub/"
hard_links = {str(self.hard_links).lower()}

[[policy]]
name   = "copies"
method = ["copy"]

[[listener]]
address = "unix:{self.directory}/api.sock"
serve   = "api"

[[rule]]
path   = "/members/"
accept = ["signed-url"]

[[rule]]
path     = "/club/"
accept   = ["basic"]
htpasswd = "{self.directory}/htpasswd"

[[rule]]
path   = "/members-tcp/"
accept = ["signed-url"]

[[rule]]
path   = "/tokens/"
accept = ["jwt"]
{self.public_keys}

[feed]
access_log = "{self.directory}/report.log"

[store]
{file}
durability = "{durability}"
"""

    def write_front(self):
        """The front nginx: the shipped snippets, and the same again for the servers that they are compared with."""
        shipped = REPOSITORY / "conf-examples/nginx"
        replaced = {
            "unix:/run/cloakroom/nginx.sock": f"unix:{self.socket}",
            "unix:/run/cloakroom/./nginx.sock": f"unix:{self.socket}",
            "unix:/run/cloakroom/././nginx.sock": f"unix:{self.socket}",
            "/srv/downloads/": f"{self.directory}/masters/",
            "/srv/www/pub/": f"{self.directory}/pub/",
            "/var/log/nginx/cloakroom.log": f"{self.directory}/report.log",
        }
        texts = {path.name: path.read_text() for path in sorted(shipped.glob("*.conf"))}
        if not texts:
            raise NotMeasured(f"{shipped} has no configuration")
        for old, new in replaced.items():
            if not any(old in text for text in texts.values()):
                raise NotMeasured(f"conf-examples/nginx does not name {old}")
            texts = {name: text.replace(old, new) for name, text in texts.items()}
        for name, text in texts.items():
            self.write(f"cloakroom/{name}", text)
        asked, locations = "/_cloakroom/authorize", ""
        for name, upstream in [("second-unix", "second_unix"), ("second-tcp", "second_tcp"), ("members-tcp", "cloakroom_tcp")]:
            if asked not in texts["protect.conf"]:
                raise NotMeasured(f"protect.conf does not ask {asked}")
            self.write(f"bench/{name}.conf", texts["protect.conf"].replace(asked, f"/_bench/{name}"))
            locations += f"""
        location = /_bench/{name} {{
            internal;
            proxy_pass http://{upstream}{asked};
            proxy_pass_request_headers off;
            include cloakroom/headers.conf;
        }}
        location ^~ /{name}/ {{ alias {self.directory}/masters/; include bench/{name}.conf; }}"""
        self.write("front.conf", self.nginx("front", f"""
    include cloakroom/cloakroom.conf;
    {self.upstream("cloakroom_tcp", f"127.0.0.1:{self.daemon_port}")}
    {self.upstream("second_unix", f"unix:{self.directory}/second.sock")}
    {self.upstream("second_tcp", f"127.0.0.1:{self.second_port}")}
    server {{
        listen 127.0.0.1:{self.front_port};
        server_name {SITE};
        root {self.directory}/site;
        include cloakroom/locations.conf;
        location ^~ /members/ {{ alias {self.directory}/masters/; include cloakroom/protect.conf; }}
        location ^~ /tokens/ {{ alias {self.directory}/masters/; include cloakroom/protect.conf; }}
        location ^~ /club/ {{ alias {self.directory}/masters/; include cloakroom/protect.conf; }}
        location ^~ /own/ {{
            alias {self.directory}/masters/;
            auth_basic "own";
            auth_basic_user_file {self.directory}/htpasswd;
        }}
        location ^~ /plain/ {{ alias {self.directory}/masters/; }}
        location ^~ /secure/ {{
            alias {self.directory}/masters/;
            secure_link $arg_md5,$arg_expires;
            secure_link_md5 "$secure_link_expires$uri bench";
            if ($secure_link = "") {{ return 403; }}
            if ($secure_link = "0") {{ return 410; }}
        }}
        location ^~ /constant/ {{ proxy_pass http://second_unix; include cloakroom/headers.conf; }}{locations}
    }}"""))

    def write_second(self):
        """The second nginx: lets everything pass, and hands off always the same file with the headers that we would send."""
        self.write("second.conf", self.nginx("second", f"""
    server {{
        listen unix:{self.directory}/second.sock;
        listen 127.0.0.1:{self.second_port};
        location = /_cloakroom/authorize {{ add_header Cloakroom-Rate 0; return 204; }}
        location /constant/ {{
            default_type application/octet-stream;
            add_header X-Accel-Redirect /_cloakroom/masters/small.bin;
            add_header ETag '"0-{SMALL_BYTES:x}"';
            add_header Content-Disposition 'attachment; filename="small.bin"';
            add_header Cache-Control 'private, no-store';
            return 200 "";
        }}
    }}"""))

    @staticmethod
    def upstream(name, address):
        """As the shipped one: the same number of kept connections, the same second try."""
        server = f"server {address} max_fails=0;"
        return f"upstream {name} {{ {server} {server} keepalive 32; }}"

    def nginx(self, name, http_block):
        user = "user root root;" if os.geteuid() == 0 else ""
        temporary = "".join(f"    {kind}_temp_path {self.directory}/{name}-{kind};\n"
                            for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        return f"""{user}
daemon off;
worker_processes 1;
pid {self.directory}/{name}.pid;
error_log {self.directory}/{name}-error.log;
events {{ worker_connections 16384; }}
worker_rlimit_nofile 32768;
http {{
{temporary}    access_log off;
    sendfile on;
    keepalive_timeout 600s;
    keepalive_requests 100000000;
{http_block}
}}
"""

    def start(self, *command):
        log = open(self.directory / "output.log", "ab")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        self.processes.append(process)
        return process

    def start_nginx(self, name):
        self.start("nginx", "-p", str(self.directory), "-e", f"{self.directory}/{name}-error.log", "-c",
                   str(self.directory / f"{name}.conf"))

    def start_daemon(self, configuration="cloakroom.toml"):
        return self.start(str(self.binary), "serve", "--config", str(self.directory / configuration))

    def front_cpu_seconds(self):
        """CPU time that the front's worker has used so far."""
        master = (self.directory / "front.pid").read_text().strip()
        workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        if len(workers) != 1:
            raise NotMeasured(f"the front nginx has {len(workers)} workers")
        return int(Path(f"/proc/{workers[0]}/schedstat").read_text().split()[0]) / 1e9

    def stop(self, process, how=signal.SIGTERM):
        self.processes.remove(process)
        process.send_signal(how)
        try:
            process.wait(READY_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop_all(self):
        for process in list(self.processes):
            self.stop(process)

    def logs(self):
        """The ends of all logs, for the message of a failure."""
        tails = []
        for path in sorted(self.directory.glob("*.log")):
            if lines := path.read_text(errors="replace").splitlines()[-8:]:
                tails.append(f"{path.name}:\n  " + "\n  ".join(lines))
        return "\n".join(tails)

    def ask_daemon(self):
        """One question straight to the socket; whether any answer came."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(READY_SECONDS)
                connection.connect(str(self.socket))
                connection.sendall(b"GET /_cloakroom/authorize HTTP/1.1\r\nHost: shop.example\r\nX-Original-URI: /members/small.bin\r\n"
                                   b"X-Original-Method: GET\r\nX-Request-Id: 0123456789abcdef0123456789abcdef\r\n"
                                   b"X-Real-IP: 127.0.0.1\r\n\r\n")
                return connection.recv(4096).startswith(b"HTTP/1.1 ")
        except OSError:
            return False

    def load(self, port, target, title, connections, seconds, login=None):
        """Asks a web server by wrk: requests, bytes and microseconds. `login` is brought as `Authorization`."""
        run = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s",
                              str(self.write("exact.lua", WRK_SCRIPT)), "-H", f"Host: {SITE}",
                              *(["-H", f"Authorization: {login}"] if login else []), f"http://127.0.0.1:{port}{target}"],
                             capture_output=True, text=True, check=False)
        found = re.search(r"^exact (\d+) (\d+) (\d+) (\d+) (\d+)$", run.stdout, re.MULTILINE)
        if run.returncode != 0 or not found:
            raise NotMeasured(f"wrk, {title}: {run.stdout}{run.stderr}")
        requests, read_bytes, microseconds, refused, broken = map(int, found.groups())
        if refused or broken or not read_bytes:
            raise NotMeasured(f"wrk, {title}: {refused} answers were errors, {broken} connections broke, {read_bytes} bytes came")
        return requests, read_bytes, microseconds

    def metric(self, line):
        """A number of the daemon's metrics, by all that stands before it on its line."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(READY_SECONDS)
            connection.connect(str(self.admin_socket))
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            said = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        for found in said.splitlines():
            if found.startswith(f"{line} "):
                return int(found.removeprefix(line))
        raise NotMeasured(f"the metrics have no {line}")

    def ask_front(self, target, login=None):
        """Status and body that a customer gets who brings `login` as `Authorization`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.front_port, timeout=READY_SECONDS)
        try:
            connection.request("GET", target, headers={"Host": SITE, **({"Authorization": login} if login else {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


# wrk prints three digits; its script interface knows all of them.
WRK_SCRIPT = """
done = function(summary)
    local errors = summary.errors
    print(string.format("exact %d %d %d %d %d", summary.requests, summary.bytes, summary.duration, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_until(what, condition, process=None, pause_seconds=0.01):
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if process is not None and process.poll() is not None:
            raise NotMeasured(f"{what}: the program ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise NotMeasured(f"{what}: not within {READY_SECONDS} s")
        time.sleep(pause_seconds)


def reaches(address):
    try:
        socket.create_connection(address, 1).close()
        return True
    except OSError:
        return False
