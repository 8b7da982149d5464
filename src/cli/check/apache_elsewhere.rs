//! Whether a virtual host of Apache's serves nothing, because whatever it is asked for leads elsewhere. Pure.

use super::apache_conf::Line;
use super::apache_site::Host;

/// Regular expressions that fit each path, without `^`; the first ones without `$`, too.
const EVERYTHING: [&str; 10] = ["", "/", "/?", ".?", ".*", "(.*)", "/.*", "/(.*)", "/?.*", "/?(.*)"];
const EVERYTHING_TO_ITS_END: [&str; 6] = [".*", "(.*)", "/.*", "/(.*)", "/?.*", "/?(.*)"];

/// Whether all that `host` is asked for leads elsewhere.
pub(super) fn is_all(host: &Host<'_>) -> bool {
    // A `ProxyPass` goes before a `Redirect`, and behind a rule.
    host.inside().any(redirects) && !host.lines.iter().any(|line| passes_on(line)) || rewrites(host)
}

/// Whether a line passes something on that is more than what asks for certificates.
fn passes_on(line: &Line) -> bool {
    matches!(line.name.as_str(), "proxypass" | "proxypassmatch") && line.word(1) != "!" && !line.word(0).contains("well-known")
}

/// `Redirect` and its kin, of everything. One without an address refuses everything, which shows as little.
fn redirects(line: &Line) -> bool {
    let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
    let (path, target) = match (line.name.as_str(), words.as_slice()) {
        ("redirect" | "redirectmatch", [_, path, target])
        | ("redirect" | "redirectmatch" | "redirectpermanent" | "redirecttemp", [path, target]) => (*path, *target),
        _ => return false,
    };
    let fits = if line.name == "redirectmatch" { is_everything(path) } else { path == "/" };
    fits && target.contains("://")
}

/// A rule of `mod_rewrite` that leads everything elsewhere, before any other one is asked.
fn rewrites(host: &Host<'_>) -> bool {
    let mut conditions = Vec::new();
    let engine = host.own.iter().rfind(|line| line.name == "rewriteengine");
    let is_on = engine.is_some_and(|line| line.word(0).eq_ignore_ascii_case("on"));
    for line in host.inside() {
        match line.name.as_str() {
            "rewritecond" => conditions.push(line),
            "rewriterule" => {
                let conditions = std::mem::take(&mut conditions);
                if leads_away(line) && is_everything(line.word(0)) && hold(&conditions, host) {
                    return is_on;
                }
                // Some other rule may keep something from those that follow.
                if !leads_away(line) && !line.word(0).contains("well-known") {
                    return false;
                }
            }
            _ => {}
        }
    }
    false
}

/// Whether a rule answers with the address of another site, or of this one by another scheme.
fn leads_away(rule: &Line) -> bool {
    let flags = rule.word(2).trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_redirect =
        flags.split(',').map(|flag| flag.trim().split('=').next().unwrap_or_default()).any(|flag| matches!(flag, "r" | "redirect"));
    is_redirect && (rule.word(1).starts_with("https://") || rule.word(1).starts_with("http://"))
}

/// Whether conditions hold for whatever `host` is asked for.
fn hold(conditions: &[&Line], host: &Host<'_>) -> bool {
    let mut fitting: Vec<&str> = Vec::new();
    for condition in conditions {
        let (test, pattern) = (condition.word(0).to_ascii_uppercase(), condition.word(1));
        let plain = |patterns: &[&str]| !host.is_tls() && patterns.iter().any(|one| one.eq_ignore_ascii_case(pattern));
        let holds = match test.as_str() {
            "%{HTTPS}" => plain(&["off", "=off", "^off$", "!on", "!=on", "!^on$"]),
            "%{REQUEST_SCHEME}" => plain(&["http", "=http", "^http$", "!https", "!=https", "!^https$"]),
            "%{SERVER_PORT}" => {
                let is_80 = host.ports().iter().all(|port| *port == "80");
                plain(&["!443", "!=443", "!^443$"]) || is_80 && plain(&["80", "=80", "^80$"])
            }
            // What asks for certificates is no part of the site.
            "%{REQUEST_URI}" => pattern.starts_with('!') && pattern.contains("well-known"),
            "%{SERVER_NAME}" | "%{HTTP_HOST}" => pattern.strip_prefix('=').is_some_and(|name| {
                fitting.push(name);
                true
            }),
            _ => false,
        };
        if !holds {
            return false;
        }
    }
    let names = host.names();
    // As certbot writes it: one condition for each name, with `[OR]` between them.
    fitting.is_empty() || !names.is_empty() && names.iter().all(|name| fitting.iter().any(|one| one.eq_ignore_ascii_case(name)))
}

fn is_everything(pattern: &str) -> bool {
    let plain = pattern.strip_prefix('^').unwrap_or(pattern);
    plain.strip_suffix('$').map_or_else(|| EVERYTHING.contains(&plain), |plain| EVERYTHING_TO_ITS_END.contains(&plain))
}

#[cfg(test)]
mod tests {
    use super::super::apache_conf::read;
    use super::super::apache_site::host_of;
    use super::*;

    fn leads_elsewhere(inside: &str) -> bool {
        let text = format!("<VirtualHost *:80>\n{inside}\n</VirtualHost>\n");
        let tree = read("/etc/apache2/apache2.conf", &text, &[], &mut |_| Vec::new()).unwrap();
        is_all(&host_of(&tree, 0))
    }

    #[test]
    fn what_only_leads_elsewhere_is_told_from_what_serves_something() {
        let certbot = "ServerName shop.example\nServerAlias www.shop.example\nRewriteEngine on\n\
            RewriteCond %{SERVER_NAME} =shop.example [OR]\nRewriteCond %{SERVER_NAME} =www.shop.example\n\
            RewriteRule ^ https://%{SERVER_NAME}%{REQUEST_URI} [END,NE,R=permanent]";
        let to = "https://shop.example";
        let good = [
            certbot.to_owned(),
            format!("Redirect / {to}/"),
            format!("Redirect permanent / {to}/"),
            format!("Redirect 301 \"/\" \"{to}/\""),
            format!("RedirectPermanent / {to}/"),
            format!("RedirectMatch 301 ^/(.*)$ {to}/$1"),
            format!("RedirectMatch ^ {to}/"),
            format!("ProxyPass /.well-known/acme-challenge/ http://127.0.0.1:8402/\nProxyPass /a !\nRedirect / {to}/"),
            certbot.replace("RewriteEngine", "ProxyPass /members/ http://127.0.0.1:3000/\nRewriteEngine"),
            format!("RewriteEngine On\nRewriteRule ^/?(.*) {to}/$1 [R=301,L]"),
            format!("RewriteEngine On\nRewriteCond %{{HTTPS}} !=on\nRewriteRule (.*) {to}%{{REQUEST_URI}} [redirect]"),
            format!("RewriteRule ^/.well-known/ - [L]\nRewriteRule ^ {to}%{{REQUEST_URI}} [R]\nRewriteEngine on"),
            format!("RewriteEngine On\nRewriteCond %{{REQUEST_URI}} !^/.well-known/acme\nRewriteRule ^ {to} [R]"),
        ];
        for inside in &good {
            assert!(leads_elsewhere(inside), "{inside}");
        }
        let bad = [
            String::new(),
            "DocumentRoot /var/www/html".to_owned(),
            certbot.replace("RewriteEngine on", ""),
            certbot.replace("=www.", "=ww2."),
            certbot.replace("ServerName shop.example\nServerAlias www.shop.example\n", ""),
            certbot.replace("%{SERVER_NAME} =", "%{REQUEST_URI} "),
            certbot.replace("[END,NE,R=permanent]", "[P]"),
            certbot.replace("RewriteRule", "RewriteRule ^/members/ - [L]\nRewriteRule"),
            certbot.replace("^ https", "^/$ https"),
            format!("Redirect /old {to}/"),
            "Redirect / /shop/".to_owned(),
            format!("ProxyPass /members/ http://127.0.0.1:3000/\nRedirect / {to}/"),
            format!("RedirectMatch ^/$ {to}/"),
            format!("<Location /a>\nRedirect / {to}/\n</Location>"),
            format!("SSLEngine on\nRewriteEngine On\nRewriteCond %{{HTTPS}} off\nRewriteRule ^ {to} [R]"),
            format!("RewriteEngine On\nRewriteCond %{{HTTP_HOST}} ^www\\.\nRewriteRule ^ {to} [R]"),
            "RewriteEngine On\nRewriteRule ^ /index.php [L]".to_owned(),
        ];
        for inside in &bad {
            assert!(!leads_elsewhere(inside), "{inside}");
        }
    }
}
