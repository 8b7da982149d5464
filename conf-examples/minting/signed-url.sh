#!/bin/sh
# A signed URL. A POSIX shell with openssl, od and sed:
#   sh signed-url.sh KEY_FILE KID SITE PATH SECONDS
#   sh signed-url.sh /var/lib/cloakroom/keys/main main shop.example '/members/a b.zip' 3600
set -eu
file=$1 kid=$2 site=$3 path=$4 seconds=$5
# RFC 3986 unreserved characters and `/` as they are, all else %XX.
encoded=$(printf %s "$path" | od -An -v -tx1 | tr -d ' \n' | tr a-f A-F | sed 's/../%&/g' | LC_ALL=C awk 'BEGIN {
    for (i = 33; i < 127; i++) { c = sprintf("%c", i); if (c ~ /[A-Za-z0-9._~\/-]/) plain[sprintf("%%%02X", i)] = c }
} { for (i = 1; i <= length($0); i += 3) { b = substr($0, i, 3); printf "%s", (b in plain ? plain[b] : b) } }')

# openssl takes the key in hexadecimal, so that it can have any bytes. Whoever may list processes sees it there.
key=$(tr '_-' '/+' <"$file")
while [ $((${#key} % 4)) -ne 0 ]; do key=$key=; done
key=$(printf %s "$key" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
url="$encoded?kid=$kid&exp=$(($(date +%s) + seconds))"
sig=$(printf 'cloakroom-1\n%s\n%s' "$site" "$url" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A | tr '/+' '_-' | tr -d =)

echo "$url&sig=$sig"
