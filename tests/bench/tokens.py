"""JWTs for the bench: a key of each algorithm, made and used by openssl."""

import json
import subprocess

from servers import SITE, NotMeasured, base64url

SECRET_ID = "main"

# The id of each private key, how openssl makes it, and its algorithm.
KEYS = {
    "ed": (["-algorithm", "ed25519"], "EdDSA"),
    "ec": (["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "ES256"),
    "rsa": (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "RS256"),
}


def openssl(*arguments, data=None):
    run = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=False)
    if run.returncode != 0:
        raise NotMeasured(f"openssl {arguments[0]}: {run.stderr.decode(errors='replace')}")
    return run.stdout


def make_keys(directory):
    """Writes `ID.pem`, for the daemon, and `ID.private.pem`; gives the `[[key]]` sections."""
    sections = ""
    for key_id, (kind, _) in KEYS.items():
        private, public = directory / f"{key_id}.private.pem", directory / f"{key_id}.pem"
        openssl("genpkey", *kind, "-out", private)
        public.write_bytes(openssl("pkey", "-in", private, "-pubout"))
        public.chmod(0o644)
        sections += f'\n[[key]]\nid = "{key_id}"\nfile = "{public}"\nuse = "accept"\n'
    return sections


def mint(bench, algorithm, path, expires):
    """A token for `path`."""
    key_id = next((key_id for key_id, (_, known) in KEYS.items() if known == algorithm), SECRET_ID)
    parts = {"alg": algorithm, "kid": key_id}, {"aud": SITE, "exp": expires, "path": path}
    text = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{text}.{base64url(signature(bench, algorithm, key_id, text))}"


def signature(bench, algorithm, key_id, text):
    file, private = bench.directory / "to-be-signed", bench.directory / f"{key_id}.private.pem"
    file.write_text(text)
    if algorithm == "HS256":
        return openssl("dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{bench.key.hex()}", "-binary", file)
    if algorithm == "EdDSA":
        return openssl("pkeyutl", "-sign", "-rawin", "-inkey", private, "-in", file)
    signed = openssl("dgst", "-sha256", "-sign", private, "-binary", file)
    if algorithm == "RS256":
        return signed
    # Two numbers of 32 bytes, which openssl wraps: SEQUENCE, length, INTEGER, length, r, INTEGER, length, s.
    r = signed[4:4 + signed[3]]
    s = signed[6 + signed[3]:]
    return b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in (r, s))
