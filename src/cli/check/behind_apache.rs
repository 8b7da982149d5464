//! What is found of a site behind Apache, in Apache's words: much of what can be wrong is the same behind every web server, and
//! is told with the name of the one that is there, its files, and what mends it there. Pure.

use super::finding::{Finding, Mend};

/// Words of Nginx, and what stands for them; the longer ones first, as they hold the shorter.
const WORDS: &[(&str, &str)] = &[
    ("nginx -t && systemctl reload nginx", "apache2ctl configtest && systemctl restart apache2"),
    ("the log_format `cloakroom` of conf-examples/nginx/cloakroom.conf", "the LogFormat `cloakroom` of conf-examples/apache/log.conf"),
    ("with the shipped locations.conf", "with the shipped log.conf and its CustomLog"),
    ("the shipped headers.conf, in the location itself", "the shipped files"),
    ("nginx's own $request_id", "the UNIQUE_ID of mod_unique_id"),
    ("/var/log/nginx/", "/var/log/apache2/"),
    ("systemctl status nginx", "systemctl status apache2"),
    ("nginx's error_log", "Apache's error log"),
    ("customers see 502", "customers see 503"),
    ("a location ^~ ", "a ProxyPass for "),
    ("no root and no alias", "no DocumentRoot and no other Alias"),
    ("`path` and `alias`", "`path` and the Alias"),
    ("nginx", "Apache"),
];

/// Where lines of Nginx's configuration are added or changed.
const NGINX_PLACES: [&str; 4] = ["location ", "server {", "upstream ", "nginx"];

/// The same finding behind Apache, whose files `setup` makes once more.
pub(super) fn told(finding: Finding, setup: &str) -> Finding {
    let mend = finding.mend.map(|mend| match mend {
        Mend::Add { into: place, .. } | Mend::Replace { at: place, .. } if NGINX_PLACES.iter().any(|words| place.contains(words)) => {
            Mend::Run { command: setup.to_owned() }
        }
        Mend::Add { line, into } => Mend::Add { line: in_words(&line), into },
        Mend::Run { command } => Mend::Run { command: in_words(&command) },
        other @ (Mend::Replace { .. } | Mend::Move { .. } | Mend::Remove { .. }) => other,
    });
    Finding { says: in_words(&finding.says), right: finding.right.as_deref().map(in_words), mend, ..finding }
}

fn in_words(text: &str) -> String {
    WORDS.iter().fold(text.to_owned(), |text, (of_nginx, of_apache)| text.replace(of_nginx, of_apache))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_nginx_is_left_in_what_is_told_of_apache() {
        let finding = Finding::fault("reach", "nginx does not reach Cloakroom").found("GET /nginx.zip: 503");
        let found = told(finding.right("nginx's error_log tells why").run("tail -n 5 /var/log/nginx/error.log"), "setup");
        assert_eq!(found.says, "Apache does not reach Cloakroom");
        assert_eq!(found.found.as_deref(), Some("GET /nginx.zip: 503"), "what was seen stays");
        assert_eq!(found.right.as_deref(), Some("Apache's error log tells why"));
        assert_eq!(found.mend, Some(Mend::Run { command: "tail -n 5 /var/log/apache2/error.log".to_owned() }));
        let found = told(Finding::fault("bytes", "x").add("gzip off;", "location ^~ /_cloakroom/masters/ { … }"), "setup");
        assert_eq!(found.mend, Some(Mend::Run { command: "setup".to_owned() }));
        let ours = Finding::fault("secret", "x").add("secret = \"keys/apache\"", "the [[listener]] of cloakroom.toml");
        assert_eq!(told(ours.clone(), "setup"), ours);
    }
}
