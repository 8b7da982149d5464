//! Where we listen.

use super::Without::{Refused, Value, Words};
use super::{Section, key};

/// `[[listener]]`.
pub(in crate::config) static LISTENER: Section = Section {
    name: "listener",
    many: true,
    active: true,
    doc: &[
        "A socket on which the web server (or, for serve = \"api\" and \"admin\", a program of yours) reaches Cloakroom.",
        "At least one has serve = \"web\".",
    ],
    keys: &[
        key(
            "address",
            Refused("\"unix:/run/cloakroom/nginx.sock\""),
            "\"unix:/path\", \"ip:port\" or \"systemd:NAME\", such as \"unix:/run/cloakroom/nginx.sock\" or \"127.0.0.1:8470\"",
            "A unix socket (\"unix:/path\"), an address and port (\"127.0.0.1:8470\"), or one that systemd passes (\"systemd:NAME\").",
        ),
        key(
            "serve",
            Value("\"web\""),
            "\"web\", \"api\" or \"admin\"",
            "\"web\": downloads; \"api\": the JSON API, over TCP with a key (`cloakroom apikey new`); \"admin\": health and metrics.",
        ),
        key(
            "dialect",
            Words("Needed for serve = \"web\", and only there", "\"nginx\""),
            "\"nginx\", \"apache\" or \"standalone\"",
            "Who asks: \"nginx\", \"apache\", or \"standalone\" for browsers themselves, with nobody in front.",
        ),
        key(
            "protocol",
            Words("Needed for dialect = \"apache\", and only there", "\"fastcgi\""),
            "\"fastcgi\", \"scgi\" or \"http\"",
            "How Apache asks: \"fastcgi\" whether a request may pass; \"scgi\", or \"http\" with mod_xsendfile, for downloads.",
        ),
        key(
            "secret",
            Words("Without it, whoever reaches the listener is believed", "\"keys/apache\""),
            "the path of a file, absolute or under state_dir, such as \"keys/apache\"",
            "The file of a secret, made by `cloakroom key new`, that Apache says with each request: for TCP, where any user can ask.",
        ),
        key("mode", Value("\"0660\""), "a socket's mode as an octal string such as \"0660\"", "Who may connect to a unix socket."),
        key(
            "group",
            Words("Without it, the group of the socket's directory", "\"www-data\""),
            "the name of a group such as \"www-data\"",
            "The group of a unix socket: the web server's.",
        ),
        key(
            "trusted_peers",
            Words("Without it, loopback", "[\"127.0.0.0/8\", \"::1\"]"),
            "a list of addresses and networks such as [\"127.0.0.1\", \"192.0.2.0/24\"]",
            "Whom a TCP listener believes.",
        ),
        key("connections_max", Value("4096"), "a number from 1 to 1000000", "At most so many connections at once."),
    ],
    later: &[],
};
