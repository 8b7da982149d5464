# A JWT, with PyJWT 2 (apt install python3-jwt python3-cryptography, or pip install 'pyjwt[crypto]'):
#   python3 jwt-pyjwt.py KEY_FILE KID SITE PATH SECONDS [HS256|EdDSA|ES256|RS256]
#   python3 jwt-pyjwt.py private.pem shop shop.example '/members/a b.zip' 3600 EdDSA
import base64, jwt, sys, time
file, kid, site, path, seconds = sys.argv[1:6]
algorithm = sys.argv[6] if len(sys.argv) > 6 else "HS256"

# HS256 takes the bytes that the one line of the key file stands for, the others a private key in PEM.
key = open(file).read()
key = base64.urlsafe_b64decode(key.strip() + "==") if algorithm == "HS256" else key
claims = {"aud": site, "exp": time.time() + int(seconds), "path": path}

print(jwt.encode(claims, key, algorithm, headers={"kid": kid}))
