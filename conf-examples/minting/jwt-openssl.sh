#!/bin/sh
# A JWT by HS256 or RS256. A POSIX shell with openssl and od:
#   sh jwt-openssl.sh KEY_FILE KID SITE PATH SECONDS [HS256|RS256]
#   sh jwt-openssl.sh /var/lib/cloakroom/keys/main main shop.example '/members/a b.zip' 3600
set -eu
file=$1 kid=$2 site=$3 path=$4 seconds=$5 algorithm=${6-HS256}
base64url() { openssl base64 -A | tr '/+' '_-' | tr -d =; }
# In JSON `\` and `"` are written with a `\` before them.
path=$(printf %s "$path" | sed 's/[\\"]/\\&/g')

text=$(printf '{"alg":"%s","kid":"%s"}' "$algorithm" "$kid" | base64url)
text=$text.$(printf '{"aud":"%s","exp":%d,"path":"%s"}' "$site" $(($(date +%s) + seconds)) "$path" | base64url)
if [ "$algorithm" = RS256 ]; then
    set -- -sign "$file"
else
    key=$(tr '_-' '/+' <"$file")
    while [ $((${#key} % 4)) -ne 0 ]; do key=$key=; done
    # openssl takes the key in hexadecimal, so that it can have any bytes. Whoever may list processes sees it there.
    set -- -mac HMAC -macopt "hexkey:$(printf %s "$key" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')"
fi
echo "$text.$(printf %s "$text" | openssl dgst -sha256 "$@" -binary | base64url)"
