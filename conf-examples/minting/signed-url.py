# A signed URL. Python 3.7 or newer, nothing else:
#   python3 signed-url.py KEY_FILE KID SITE PATH SECONDS
#   python3 signed-url.py /var/lib/cloakroom/keys/main main shop.example '/members/a b.zip' 3600
import base64, hashlib, hmac, sys, time, urllib.parse
file, kid, site, path, seconds = sys.argv[1:]

key = base64.urlsafe_b64decode(open(file).read().strip() + "==")
url = f"{urllib.parse.quote(path, safe='/')}?kid={kid}&exp={int(time.time()) + int(seconds)}"
sig = base64.urlsafe_b64encode(hmac.digest(key, f"cloakroom-1\n{site}\n{url}".encode(), hashlib.sha256)).decode().rstrip("=")

print(f"{url}&sig={sig}")
