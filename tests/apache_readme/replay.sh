# Plays conf-examples/apache/README.md on a stock Debian, in namespaces of its own: what is written goes into layers above the
# machine's directories, what listens does so on a loopback of its own, and all of it ends with this shell.
#
#   replay.sh STEPS HTACCESS PROGRAM
#
# STEPS and HTACCESS are the commands of README, PROGRAM the program. Prints `NAME=VALUE` lines, one for each thing that was seen.
set -euo pipefail
steps=$1 htaccess=$2 program=$3
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
# The scripts of Debian's apache2 belong to a machine without them in the environment.
unset APACHE_CONFDIR APACHE_ENVVARS || true

layers=/mnt
mount -t tmpfs tmpfs $layers
for directory in etc var srv usr/local; do
    layer=$layers/${directory//\//_}
    mkdir -p "$layer/upper" "$layer/work"
    mount -t overlay overlay -o "lowerdir=/$directory,upperdir=$layer/upper,workdir=$layer/work" "/$directory"
done
# The program and the sources may lie below what is hidden next.
mkdir $layers/sources && mount --bind "$PWD" $layers/sources
cp "$steps" $layers/steps.sh && cp "$htaccess" $layers/htaccess.sh
steps=$layers/steps.sh htaccess=$layers/htaccess.sh
cd $layers/sources
mkdir $layers/program && install -m 0755 "$program" $layers/program/cloakroom
mount -t tmpfs tmpfs /run
mkdir -p /run/lock
ip link set lo up
echo '127.0.0.1 shop.example' >> /etc/hosts

# Debian's apache2 as its package leaves it: these modules, these files, this site, whatever the machine has besides.
rm -f /etc/apache2/mods-enabled/* /etc/apache2/sites-enabled/* /etc/apache2/conf-enabled/*
a2enmod -q mpm_event access_compat alias auth_basic authn_core authn_file authz_core authz_host authz_user autoindex deflate dir \
    env filter mime negotiation reqtimeout setenvif status > /dev/null
a2enconf -q charset localized-error-pages other-vhosts-access-log security serve-cgi-bin > /dev/null
a2ensite -q 000-default > /dev/null
install -d -o root -g adm -m 0750 /var/log/apache2
rm -f /var/log/apache2/*
install -d /var/www/html/members /srv/downloads
echo 'the members page' > /var/www/html/members/a.html
echo 'the front page' > /var/www/html/index.html
head -c 3000000 /dev/urandom > /srv/downloads/a.zip

# In place of systemd, which is no part of a namespace: what the unit would start, as whom it would.
daemon=
stop_daemon() {
    if [ -n "$daemon" ]; then
        kill "$daemon" && wait "$daemon" || true
        daemon=
    fi
}
start_daemon() {
    stop_daemon
    setpriv --reuid=cloakroom --regid=cloakroom --init-groups cloakroom serve > /tmp/cloakroom-replay.log 2>&1 &
    daemon=$!
    until_true 'the daemon answers' runuser -u cloakroom -- cloakroom delivery list
}
systemctl() {
    case "$*" in
        daemon-reload) ;;
        'enable --now cloakroom' | 'restart cloakroom') start_daemon ;;
        'restart apache2')
            apache2ctl stop > /dev/null 2>&1 || true
            until_true 'Apache ends' test ! -e /run/apache2/apache2.pid
            apache2ctl start
            until_true 'Apache answers' curl -s -o /dev/null http://shop.example/
            ;;
        *) echo "no such service: systemctl $*" >&2; return 1 ;;
    esac
}
until_true() {
    local what=$1 looks=400
    shift
    until "$@" > /dev/null 2>&1; do
        looks=$((looks - 1))
        if [ $looks -eq 0 ]; then
            echo "$what: not in time" >&2
            cat /tmp/cloakroom-replay.log /var/log/apache2/error.log >&2 || true
            exit 1
        fi
        read -r -t 0.05 <> <(:) || true
    done
}
seen() { echo "$1=$2"; }
status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
refusal() { curl -s -o /dev/null -D - "$@" | tr -d '\r' | sed -n 's/^Cloakroom-Refusal: //pI'; }
local_address() { sed 's#https://#http://#'; }
cloakroom_as() { runuser -u cloakroom -- cloakroom "$@"; }

mount -t tmpfs -o mode=1777 tmpfs /tmp
install -d $layers/release/target/release && ln -s $layers/program/cloakroom $layers/release/target/release/cloakroom
begun=$SECONDS
# shellcheck disable=SC1090
. "$steps"
seen seconds $((SECONDS - begun))
seen modules "$(ls /etc/apache2/mods-enabled | grep -c load)"
seen unit "$(systemd-analyze verify /etc/systemd/system/cloakroom.service 2>&1 | grep -c cloakroom || true)"

base=http://shop.example
seen stranger "$(status $base/dl/f/masters/a.zip) $(refusal $base/dl/f/masters/a.zip)"
seen page "$(curl -s -H 'Accept: text/html' $base/dl/f/masters/a.zip | grep -c 'R-[0-9A-Z]\{4\}-')"
seen internal "$(status $base/_cloakroom/masters/a.zip)"
seen front "$(curl -s $base/)"
url=$(cloakroom_as sign masters/a.zip --for 1h | local_address)
seen signed "$(status --compressed "$url")"
curl -s --compressed "$url" | cmp - /srv/downloads/a.zip && seen bytes same
seen altered "$(status "${url%??}AA") $(refusal "${url%??}AA")"
seen member_stranger "$(status $base/members/a.html) $(refusal $base/members/a.html)"
member=$(cloakroom_as sign /members/a.html --for 1h | local_address)
seen member "$(curl -s "$member")"

# A download that breaks off, is resumed, and is counted once.
link=$(cloakroom_as grant add --file masters/a.zip --max 3 | local_address)
cd /tmp
delivery=$(curl -s -o /dev/null -w '%{redirect_url}' -c jar "$link" | local_address)
curl -s -b jar -r 0-999999 -o got "$delivery"
seen before "$(cloakroom_as delivery list --json | grep -c '"completed"' || true)"
curl -s -b jar -C - -o got "$delivery"
cmp got /srv/downloads/a.zip && seen resumed same
until_true 'a completed delivery' sh -c "runuser -u cloakroom -- cloakroom delivery list --json | grep -q '\"completed\"'"
seen used "$(cloakroom_as grant list --json | tr -d ' \n' | grep -o '"used":[0-9]*' | head -1)"

# What Cloakroom says of all this.
cloakroom check --url > /tmp/check.txt 2>&1 || true
seen check_wrong "$(grep -c '^  \(FAULT\|WARNING\)' /tmp/check.txt || true)"
sed 's/^/check: /' /tmp/check.txt

# The owner of a directory has nothing but .htaccess.
cd "$OLDPWD"
. "$htaccess"
seen htaccess_stranger "$(status $base/members/a.html) $(refusal $base/members/a.html)"
seen htaccess_member "$(curl -s "$member")"
mv /var/www/html/members/.htaccess /tmp/htaccess
seen without_htaccess "$(status $base/members/a.html)"
mv /tmp/htaccess /var/www/html/members/.htaccess

# It fails closed.
stop_daemon
seen down_member "$(status "$member")"
seen down_download "$(status "$url")"
seen down_front "$(status $base/)"
apache2ctl stop
