# Mints with PyJWT: a JSON list of {key, algorithm, claims, headers} on standard input, a token a line on standard output.
# `key` is a file: base64url of a secret for HS256, a private key in PEM for the others, nothing for `none`.
import base64, json, sys

import jwt

for wanted in json.load(sys.stdin):
    algorithm = wanted["algorithm"]
    key = None if algorithm == "none" else open(wanted["key"]).read()
    if algorithm.startswith("HS"):
        key = base64.urlsafe_b64decode(key.strip() + "==")
    print(jwt.encode(wanted["claims"], key, algorithm, headers=wanted["headers"]))
