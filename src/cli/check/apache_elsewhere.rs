//! Whether a virtual host of Apache's serves nothing, because whatever it is asked for leads elsewhere. Pure.

use super::apache_conf::Line;
use super::apache_site::Host;

/// Regular expressions that fit each path, without `^`; the first ones without `$`, too.
const EVERYTHING: [&str; 10] = ["", "/", "/?", ".?", ".*", "(.*)", "/.*", "/(.*)", "/?.*", "/?(.*)"];
const EVERYTHING_TO_ITS_END: [&str; 6] = [".*", "(.*)", "/.*", "/(.*)", "/?.*", "/?(.*)"];

/// How much of what a host is asked for leads elsewhere, from little to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Leads {
    /// Not all of it.
    Part,
    /// What is asked for as browsers ask; a client may say `Host: shop.example:80`, and is answered by the host itself.
    Usual,
    /// What is asked for by the names of the host. Whoever says another name is answered by the host itself where it is the
    /// first for its address and port.
    Names,
    /// Everything.
    All,
}

/// How much of what `host` is asked for leads elsewhere.
pub(super) fn leads(host: &Host<'_>) -> Leads {
    // A `ProxyPass` goes before a `Redirect`, and behind a rule.
    if host.inside().any(redirects) && !host.lines.iter().any(|line| passes_on(line)) {
        return Leads::All;
    }
    rewrites(host)
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

/// What rules of `mod_rewrite` lead elsewhere, before any other one is asked.
fn rewrites(host: &Host<'_>) -> Leads {
    let mut conditions = Vec::new();
    let mut led = Leads::Part;
    let engine = host.own.iter().rfind(|line| line.name == "rewriteengine");
    if !engine.is_some_and(|line| line.word(0).eq_ignore_ascii_case("on")) {
        return led;
    }
    for line in host.inside() {
        match line.name.as_str() {
            "rewritecond" => conditions.push(line),
            "rewriterule" => {
                let conditions = std::mem::take(&mut conditions);
                if leads_away(line) && is_everything(line.word(0)) {
                    led = led.max(hold(&conditions, host));
                }
                // Some other rule may keep something from those that follow.
                if led == Leads::All || !leads_away(line) && !line.word(0).contains("well-known") {
                    return led;
                }
            }
            _ => {}
        }
    }
    led
}

/// Whether a rule answers with the address of another site, or of this one by another scheme.
fn leads_away(rule: &Line) -> bool {
    let flags = rule.word(2).trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_redirect =
        flags.split(',').map(|flag| flag.trim().split('=').next().unwrap_or_default()).any(|flag| matches!(flag, "r" | "redirect"));
    is_redirect && (rule.word(1).starts_with("https://") || rule.word(1).starts_with("http://"))
}

/// For how much of what `host` is asked for conditions hold: each of them, or one of those that `[OR]` joins.
fn hold(conditions: &[&Line], host: &Host<'_>) -> Leads {
    let is_joined = |condition: &&Line| has_flag(condition, &["or", "ornext"]);
    conditions.split_inclusive(|condition| !is_joined(condition)).map(|group| one_holds(group, host)).min().unwrap_or(Leads::All)
}

/// For how much one of these conditions holds.
fn one_holds(conditions: &[&Line], host: &Host<'_>) -> Leads {
    let (mut by_server, mut by_client) = (Vec::new(), Vec::new());
    let mut held = Leads::Part;
    for condition in conditions {
        let (test, pattern) = (condition.word(0).to_ascii_uppercase(), condition.word(1));
        let plain = |patterns: &[&str]| !host.is_tls() && patterns.iter().any(|one| one.eq_ignore_ascii_case(pattern));
        let holds = match test.as_str() {
            "%{HTTPS}" => plain(&["off", "=off", "^off$", "!on", "!=on", "!^on$"]),
            "%{REQUEST_SCHEME}" => plain(&["http", "=http", "^http$", "!https", "!=https", "!^https$"]),
            // What asks for certificates is no part of the site.
            "%{REQUEST_URI}" => pattern.starts_with('!') && pattern.contains("well-known"),
            _ => false,
        };
        // The port is what the client says, too, where Apache does not know a name of its own.
        let is_80 = || host.ports().iter().all(|port| *port == "80");
        let is_port = test == "%{SERVER_PORT}" && (plain(&["!443", "!=443", "!^443$"]) || is_80() && plain(&["80", "=80", "^80$"]));
        held = held.max(if holds {
            Leads::All
        } else if is_port {
            Leads::Usual
        } else {
            Leads::Part
        });
        if let Some(name) = pattern.strip_prefix('=') {
            match test.as_str() {
                "%{SERVER_NAME}" => by_server.push((name, has_flag(condition, &["nc", "nocase"]))),
                "%{HTTP_HOST}" => by_client.push((name, has_flag(condition, &["nc", "nocase"]))),
                _ => {}
            }
        }
    }
    let names = host.names();
    // As certbot writes it: one condition for each name, with `[OR]` between them. Apache knows names in small letters.
    let covers = |fitting: &[(&str, bool)]| {
        let fits = |name: &str| fitting.iter().any(|(one, any_case)| *one == name || *any_case && one.eq_ignore_ascii_case(name));
        !names.is_empty() && names.iter().all(|name| !name.contains(['*', '?']) && fits(&name.to_ascii_lowercase()))
    };
    if covers(&by_server) {
        return held.max(Leads::Names);
    }
    by_server.append(&mut by_client);
    if covers(&by_server) { held.max(Leads::Usual) } else { held }
}

/// Whether the flags of a condition have one of these.
fn has_flag(condition: &Line, flags: &[&str]) -> bool {
    let said = condition.word(2).trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    said.split(',').any(|flag| flags.contains(&flag.trim()))
}

/// Whether a regular expression fits each path.
pub(super) fn is_everything(pattern: &str) -> bool {
    let plain = pattern.strip_prefix('^').unwrap_or(pattern);
    plain.strip_suffix('$').map_or_else(|| EVERYTHING.contains(&plain), |plain| EVERYTHING_TO_ITS_END.contains(&plain))
}

#[cfg(test)]
mod tests {
    use super::super::apache_conf::read;
    use super::super::apache_site::host_of;
    use super::*;

    fn leads_of(inside: &str) -> Leads {
        let text = format!("<VirtualHost *:80>\n{inside}\n</VirtualHost>\n");
        let tree = read("/etc/apache2/apache2.conf", &text, &[], &mut |_| Vec::new()).unwrap();
        leads(&host_of(&tree, 0))
    }

    #[test]
    fn what_only_leads_elsewhere_is_told_from_what_serves_something() {
        let certbot = "ServerName shop.example\nServerAlias www.shop.example\nRewriteEngine on\n\
            RewriteCond %{SERVER_NAME} =shop.example [OR]\nRewriteCond %{SERVER_NAME} =www.shop.example\n\
            RewriteRule ^ https://%{SERVER_NAME}%{REQUEST_URI} [END,NE,R=permanent]";
        let to = "https://shop.example";
        let all = [
            format!("Redirect / {to}/"),
            format!("Redirect permanent / {to}/"),
            format!("Redirect 301 \"/\" \"{to}/\""),
            format!("RedirectPermanent / {to}/"),
            format!("RedirectMatch 301 ^/(.*)$ {to}/$1"),
            format!("RedirectMatch ^ {to}/"),
            format!("ProxyPass /.well-known/acme-challenge/ http://127.0.0.1:8402/\nProxyPass /a !\nRedirect / {to}/"),
            format!("RewriteEngine On\nRewriteRule ^/?(.*) {to}/$1 [R=301,L]"),
            format!("RewriteEngine On\nRewriteCond %{{HTTPS}} !=on\nRewriteRule (.*) {to}%{{REQUEST_URI}} [redirect]"),
            format!("RewriteRule ^/.well-known/ - [L]\nRewriteRule ^ {to}%{{REQUEST_URI}} [R]\nRewriteEngine on"),
            format!("RewriteEngine On\nRewriteCond %{{REQUEST_URI}} !^/.well-known/acme\nRewriteRule ^ {to} [R]"),
            format!("RewriteEngine On\nRewriteCond %{{HTTP_HOST}} ^a [OR]\nRewriteCond %{{HTTPS}} off\nRewriteRule ^ {to} [R]"),
            format!("{certbot}\nRewriteRule ^ {to}%{{REQUEST_URI}} [R]"),
        ];
        let names = [
            certbot.to_owned(),
            certbot.replace("RewriteEngine", "ProxyPass /members/ http://127.0.0.1:3000/\nRewriteEngine"),
            certbot.replace("ServerName shop", "ServerName Shop"),
            certbot.replace("=www.shop.example", "=WWW.shop.example [NC]"),
            certbot.replace("RewriteRule", "RewriteCond %{HTTPS} off\nRewriteRule"),
        ];
        let usual = [
            certbot.replace("SERVER_NAME} =", "HTTP_HOST} ="),
            certbot.replace("SERVER_NAME} =www", "HTTP_HOST} =www"),
            format!("RewriteEngine On\nRewriteCond %{{SERVER_PORT}} !^443$\nRewriteRule ^ {to} [R]"),
            format!("RewriteEngine On\nRewriteCond %{{SERVER_PORT}} 80\nRewriteRule ^ {to} [R]"),
        ];
        let part = [
            String::new(),
            "DocumentRoot /var/www/html".to_owned(),
            certbot.replace("RewriteEngine on", ""),
            certbot.replace("=www.", "=ww2."),
            certbot.replace("=www.", "=WWW."),
            certbot.replace(" [OR]", ""),
            certbot.replace("www.shop.example", "*.shop.example"),
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
        let rows = [(Leads::All, &all[..]), (Leads::Names, &names), (Leads::Usual, &usual), (Leads::Part, &part)];
        for (expected, hosts) in rows {
            for inside in hosts {
                assert_eq!(leads_of(inside), expected, "{inside}");
            }
        }
    }
}
