"""What selling costs: orders that shops report, new and again, and webhooks that are told of what arrived. The shops are threads
of this program, so that an order costs what Python needs for a call, too; the column of CPU is the daemon's."""

import concurrent.futures
import http.client
import http.server
import json
import socket
import statistics
import threading
import time

import stores
from counted import OPEN, progress, times
from servers import NotMeasured

PARTS = ["orders", "webhooks"]
SHOPS, ORDERS = 4, 500
FILES = 3
BAR_TOLD = 0.8


class Api(http.client.HTTPConnection):
    """The API by its unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def call(self, method, target, body):
        self.request(method, target, json.dumps(body), {"Content-Type": "application/json"})
        answer = self.getresponse()
        told = answer.read()
        if answer.status // 100 != 2:
            raise NotMeasured(f"{method} {target}: {answer.status} {told[:300]}")
        return json.loads(told)


def report(path, shop):
    """What one shop reports, an order after the other; the milliseconds that each took."""
    api, taken = Api(path), []
    for number in range(ORDERS):
        order = {"external_id": f"{shop}-{number}", "state": "paid", "customer": {"email": f"{shop}-{number}@b.example"},
                 "lines": [{"sku": "set"}, {"sku": "poster", "quantity": 2}]}
        began = time.monotonic()
        sold = api.call("POST", "/api/v1/orders", order)
        taken.append((time.monotonic() - began) * 1000)
        if sum(len(line["grants"]) for line in sold["lines"]) != FILES:
            raise NotMeasured(f"{FILES} grants are wanted: {sold}")
    return taken


def orders(counted, seed):
    """Orders of two products with three files, from several shops at once: each one durable step."""
    counted.serve(seed)
    path = counted.bench.directory / "api.sock"
    api = Api(path)
    api.call("POST", "/api/v1/files", {"file": "masters/small.bin"})
    file = api.call("GET", "/api/v1/files", None)
    file = (file if isinstance(file, list) else file["files"])[0]["id"]
    api.call("PUT", "/api/v1/products/set", {"files": [{"file": file}]})
    api.call("PUT", "/api/v1/products/poster", {"files": [{"file": file}], "units": "per_unit"})
    first = counted.row("orders", f"orders of 2 products, 3 grants with links, from {SHOPS} shops at once")
    again = counted.row("orders-again", "the same orders reported again", against=first, show_ratio=times)
    for row in (first, again):
        began, cpu = time.monotonic(), counted.cpu_seconds()
        with concurrent.futures.ThreadPoolExecutor(SHOPS) as shops:
            taken = sorted(milliseconds for one in shops.map(report, [path] * SHOPS, range(SHOPS)) for milliseconds in one)
        row.values.append(len(taken) / (time.monotonic() - began))
        row.times.append([statistics.median(taken), taken[len(taken) * 99 // 100]])
        row.cpu.append([(now - then) * 1e6 / len(taken) for now, then in zip(counted.cpu_seconds(), cpu, strict=True)])
        progress(f"  {row.values[-1]:12,.0f} /s   p99 {row.times[-1][1]:6.1f} ms   {row.title}")


class Receiver(http.server.BaseHTTPRequestHandler):
    """A webhook that takes everything."""

    protocol_version = "HTTP/1.1"
    taken = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        Receiver.taken += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def webhooks(counted, seed, minted):
    """Settlement with a webhook that is told of each download, beside the same without."""
    quiet = counted.row("settling-quiet", f"settlement of {OPEN:,} log lines, nobody is told", "lines/s")
    counted.settle(seed, minted, quiet)
    bench = counted.bench
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    bench.write("webhook", "whsec_" + "A" * 43 + "=\n", 0o600)
    told = counted.row("settling-told", "the same, a webhook is told of each", "lines/s", against=quiet, show_ratio=times,
                       bar=lambda row: [(f"≥ {BAR_TOLD} ×", row.ratio() >= BAR_TOLD)])
    more = (f'[[webhook]]\nname = "bench"\nurl = "http://127.0.0.1:{receiver.server_port}/"\nevents = ["delivery.completed"]\n'
            f'secret = "{bench.directory}/webhook"\nprivate_network = true\n')
    counted.settle(seed, minted, told, more)
    progress(f"  the webhook took {Receiver.taken:,} meanwhile")
    counted.stop()
    receiver.shutdown()


def measure(counted, parts, rounds):
    """Measures `parts`, and notes the rows at `counted`."""
    if not parts:
        return
    progress("making the stores of orders and webhooks")
    bench = counted.bench
    running = bench.directory / "state/sold.db"
    minted = stores.running(bench, running, OPEN) if "webhooks" in parts else None
    few = bench.directory / "state/orders.db"
    if "orders" in parts:
        stores.few(bench, few)
    for _ in range(rounds):
        if "orders" in parts:
            orders(counted, few)
        if "webhooks" in parts:
            webhooks(counted, running, minted)
    counted.stop()
