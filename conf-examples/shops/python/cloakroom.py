"""Cloakroom from Python, 3.8 or newer, nothing else. Copy this file into the shop.

    cloakroom = Cloakroom("http://127.0.0.1:8471", os.environ["CLOAKROOM_KEY"])
    url = cloakroom.grant("masters/album.zip", "anna@example.org", max_downloads="3")["url"]
    order = cloakroom.order(external_id="1007", state="paid", lines=[{"sku": "ALBUM"}])
    cloakroom.order_state(order["id"], "refunded")

The key is made by `cloakroom apikey new shop-python --scope grants --scope orders`.
"""
import base64, hashlib, hmac, json, time, urllib.error, urllib.request, uuid


PAUSE_MAX = 10  # Who is asked to wait for longer, in seconds, is told so at once: a customer waits, too.


class Problem(Exception):
    """What Cloakroom said (RFC 9457): status, title, detail, code, errors."""

    def __init__(self, problem):
        super().__init__(problem["detail"])
        self.problem = problem


class Cloakroom:
    def __init__(self, url, key):
        self.url, self.key = url.rstrip("/"), key

    def grant(self, file, customer="", once=None, **limits):
        """A grant with its first link. `once` names what is sold ("order 1007 line 2"): asked again, it is the same grant."""
        return self.call("POST", "/api/v1/grants", {"file": file, "customer": customer, **limits}, once or str(uuid.uuid4()))

    def order(self, **order):
        """What the shop knows of an order; the same number is the same order. Gives it with the URLs of what it opens."""
        return self.call("POST", "/api/v1/orders", order, str(uuid.uuid4()))

    def order_state(self, id, state):
        """What became of an order: pending, paid, on_hold, refunded, cancelled, charged_back."""
        return self.call("POST", f"/api/v1/orders/{id}/state", {"state": state})

    def call(self, method, path, body=None, once=None):
        """Any call of the API. One that did not get through is tried again, and so is one that is to wait (Retry-After: the
        same call runs already); `once` keeps it from being done twice."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if once is not None:
            headers["Idempotency-Key"] = hashlib.sha256(once.encode()).hexdigest()
        data = None if body is None else json.dumps(body).encode()
        for left in (2, 1, 0):
            pause = 1
            try:
                request = urllib.request.Request(self.url + path, data, headers, method=method)
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as fault:
                problem = json.load(fault)
                asked = fault.headers.get("Retry-After", "")
                pause = int(asked) if asked.isdecimal() else 1
                again = fault.code == 503 or (fault.code == 409 and asked.isdecimal())
                if left == 0 or not again or pause > PAUSE_MAX:
                    raise Problem(problem) from None
            except OSError as fault:
                if left == 0:
                    detail = f"Cloakroom does not answer at {self.url}: {fault}"
                    raise Problem({"status": 0, "title": "No answer", "detail": detail}) from None
            time.sleep(pause)


def is_webhook(secret, headers, body, now=None):
    """Whether a webhook came from Cloakroom within five minutes (https://www.standardwebhooks.com). `body` is as it came."""
    headers = {name.lower(): value for name, value in headers.items()}
    id, sent, signed = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not id or not sent.isdecimal() or abs((time.time() if now is None else now) - int(sent)) > 300:
        return False
    key = base64.b64decode(secret[6:] if secret.startswith("whsec_") else secret)
    wanted = "v1," + base64.b64encode(hmac.digest(key, f"{id}.{sent}.".encode() + body, hashlib.sha256)).decode()
    return any(hmac.compare_digest(wanted, one) for one in signed.split())
