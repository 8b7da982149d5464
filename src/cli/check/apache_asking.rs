//! Whether Apache asks: its modules, the listeners, the secret.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::apache_conf::{Line, SECRET, Tree};
use super::apache_site::{ApacheSite, Host, Pass, all, is_ours, is_reached, passes};
use super::finding::{Finding, or_ok};
use crate::cli::setup;
use crate::config::{Address, Configuration, Listener, Serve};
use crate::dialect::Dialect;
use crate::dialect::apache::Protocol;
use crate::keys;

/// Whether anything in it is for us.
pub(super) fn knows_us(tree: &Tree, configuration: &Configuration) -> bool {
    let lines = all(&tree.lines);
    let names_us = |line: &&Line| match line.name.as_str() {
        "authnzfcgidefineprovider" => line.word(1) == "cloakroom",
        "rewritemap" => line.word(0) == "cloakroom",
        _ => false,
    };
    tree.defined.contains_key(SECRET) || lines.iter().any(names_us) || passes(&lines).iter().any(|pass| is_ours(pass, configuration))
}

/// All of it.
pub(super) fn look(site: &ApacheSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let mut found = modules(site, configuration);
    let mut asked = Vec::new();
    for listener in &configuration.listeners {
        if let Serve::Web(Dialect::Apache(protocol)) = listener.serve {
            asked.extend(asks(site, listener, protocol));
        }
    }
    found.extend(or_ok("asks", "Apache asks the listeners that are there", asked));
    found.extend(secret(site, configuration));
    found.extend(downloads(site, configuration));
    found
}

/// A finding about a host that lacks something: mended by the shipped files, where it has none of them or another host has what
/// it lacks, else by writing them anew.
pub(super) fn mended(fault: Finding, host: &Host<'_>, others_have: bool, site: &ApacheSite<'_>, configuration: &Configuration) -> Finding {
    if others_have || !host.knows_us(configuration) {
        fault.add(&site.made_by.include, host.shown())
    } else {
        fault.run(&site.made_by.command)
    }
}

/// Whether each host of the site asks for what lies below the path of `public_url`.
fn downloads(site: &ApacheSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let hands_out = |listener: &Listener| matches!(listener.serve, Serve::Web(Dialect::Apache(Protocol::Scgi | Protocol::Http)));
    let (path, name) = (&configuration.public_url.path, &configuration.public_url.host);
    if site.hosts.is_empty() {
        let fault = Finding::fault("download", format!("nobody reaches Cloakroom at {path}: no host of Apache's serves {name}"));
        let there = site.all.iter().map(Host::shown).collect::<Vec<_>>().join(", ");
        let into = format!("the <VirtualHost> of {name}");
        let right = format!("a <VirtualHost> with ServerName {name}, which does not only lead elsewhere");
        return vec![fault.found(there).right(right).add(&site.made_by.include, into)];
    }
    if !configuration.listeners.iter().any(hands_out) {
        return Vec::new();
    }
    let (asking, silent): (Vec<&Host<'_>>, Vec<&Host<'_>>) = site.hosts.iter().partition(|host| host.asks_for_downloads(configuration));
    let is_meant =
        |host: &Host<'_>| asking.is_empty() || host.ports().is_empty() || host.ports().contains(&port(&configuration.public_url.origin));
    let missing = silent.into_iter().map(|host| {
        let finding = if is_meant(host) {
            Finding::fault("download", format!("nobody reaches Cloakroom at {path}: each link is answered by the site, mostly with 404"))
        } else {
            Finding::warning("download", format!("links open at another host alone: here {path} is answered by the site, mostly with 404"))
        };
        if let Some(Pass { line, section, .. }) = host.taken(configuration) {
            if let Some(section) = section {
                let there = format!("{}: a ProxyPass in {} takes {path}: {}", host.shown(), section.shown(), line.shown());
                let right = "no other ProxyPass in a <Location> for it, as that goes before all outside of sections, in whatever order: \
                    let the section be for another path, or its ProxyPass stand outside, behind the Include";
                return finding.found(there).right(right).remove(line.place.clone());
            }
            let there = format!("{} has another ProxyPass for {path} before that of Cloakroom: {}", host.shown(), line.shown());
            let right = "the first ProxyPass that fits is the one that holds";
            return finding.found(there).right(right).moved(&site.made_by.include, line.place.clone());
        }
        let finding = finding.found(format!("{} has no ProxyPass and no RewriteMap of Cloakroom for {path}", host.shown()));
        let right = "each <VirtualHost> of the site asks, or leads to one that does";
        mended(finding.right(right), host, !asking.is_empty(), site, configuration)
    });
    let says = format!("{} for what lies below {path}", in_hosts("Cloakroom is asked", asking.len()));
    or_ok("download", says, missing.collect())
}

/// The port of an origin.
fn port(origin: &str) -> &str {
    let said =
        origin.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()));
    said.unwrap_or(if origin.starts_with("https:") { "443" } else { "80" })
}

/// `what`, and in how many hosts that holds, where it is more than one.
pub(super) fn in_hosts(what: &str, number: usize) -> String {
    if number > 1 { format!("{what} in each of {number} hosts") } else { what.to_owned() }
}

fn modules(site: &ApacheSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let tree = site.tree;
    let rewrites = site.all.iter().any(Host::rewrites);
    let sends = site.hosts.iter().any(|host| host.lines.iter().any(|line| line.name == "xsendfile"));
    let missing: Vec<&str> =
        setup::apache_modules(configuration, rewrites, sends).into_iter().filter(|module| !tree.modules.contains(*module)).collect();
    if missing.is_empty() {
        return vec![Finding::ok("modules", "each that is needed is enabled")];
    }
    let names = missing.join(" ");
    let fault = Finding::fault("modules", "without its modules Apache does not start, or sends what it should not");
    vec![fault.found(format!("not enabled: {names}")).right("enabled").run(format!("a2enmod {names} && systemctl restart apache2"))]
}

/// Whether some line leads to the listener, at its address.
fn asks(site: &ApacheSite<'_>, listener: &Listener, protocol: Protocol) -> Vec<Finding> {
    let (tree, lines) = (site.tree, &site.everywhere);
    let mut found = Vec::new();
    if matches!(listener.address, Address::Tcp(_)) && listener.secret.is_none() {
        let warning = Finding::warning("secret", "any user of this machine can ask Cloakroom as if it were Apache");
        found.push(
            warning
                .found(format!("the listener {} has no `secret`", listener.address))
                .right("a secret that Apache says")
                .add("secret = \"keys/apache\"", format!("the [[listener]] {} of cloakroom.toml", listener.address)),
        );
    }
    let targets: Vec<(&Line, &str)> = match protocol {
        Protocol::FastCgi => {
            lines.iter().filter(|line| line.name == "authnzfcgidefineprovider").map(|line| (*line, line.word(2))).collect()
        }
        Protocol::Scgi | Protocol::Http => {
            let scheme = if protocol == Protocol::Scgi { "scgi://" } else { "http://" };
            passes(lines).into_iter().filter(|pass| pass.target.contains(scheme)).map(|pass| (pass.line, pass.target)).collect()
        }
    };
    if matches!(listener.address, Address::Passed(_)) {
        // Where it lies, its unit says.
        return found;
    }
    // The relay asks by the first listener that speaks SCGI, whatever Apache knows of it.
    let is_relayed = protocol == Protocol::Scgi && site.all.iter().any(Host::rewrites);
    if is_relayed || targets.iter().any(|(_, target)| is_reached(target, listener)) {
        return found;
    }
    let why = match protocol {
        Protocol::FastCgi => "Apache cannot ask whether a request may pass: members see 500",
        Protocol::Scgi | Protocol::Http => "nobody asks this listener: downloads do not reach it",
    };
    let ours = targets.iter().find(|(line, target)| target.contains("://cloakroom/") || line.word(1) == "cloakroom");
    let fault = Finding::fault("asks", why);
    let right = format!("the listener is {}, protocol = \"{}\"", listener.address, protocol.word());
    found.push(match ours {
        Some((line, _)) => fault.found(line.shown()).right(right).run(&site.made_by.command),
        None if protocol == Protocol::FastCgi && configuration_has_no_use(tree) => return found,
        None => {
            let there = Finding::warning("asks", why).found("no line of Apache's configuration leads to it");
            there.right(right).run(&site.made_by.command)
        }
    });
    found
}

/// Whether nothing in Apache's configuration asks a provider.
fn configuration_has_no_use(tree: &Tree) -> bool {
    all(&tree.lines).iter().all(|line| line.name != "authnzfcgicheckauthnprovider")
}

/// Whether both sides have one secret, which is shown nowhere.
fn secret(site: &ApacheSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let (tree, again) = (site.tree, site.made_by.command.as_str());
    let is_apache = |listener: &&Listener| matches!(listener.serve, Serve::Web(Dialect::Apache(_)));
    let mut found = Vec::new();
    let Some(defined) = tree.defined.get(SECRET) else {
        // Nothing has to be said where nobody asks for it, as over a socket.
        let variable = format!("${{{SECRET}}}");
        let is_used = site.everywhere.iter().any(|line| line.written.contains(&variable));
        if !is_used && configuration.listeners.iter().filter(is_apache).all(|listener| listener.secret.is_none()) {
            return found;
        }
        // It stands in a file that root alone reads.
        if !tree.unread.is_empty() {
            return found;
        }
        let fault = Finding::fault("secret", "Apache says no secret: it is not answered, or the masters are open to those who redirect");
        return vec![fault.found(format!("no `Define {SECRET}`")).right("the line of the listener's `secret`").run(again)];
    };
    for listener in configuration.listeners.iter().filter(is_apache) {
        let Some(file) = &listener.secret else { continue };
        match keys::secret_line(file) {
            Ok(line) if *line == defined.value => {}
            Ok(_) => {
                let fault = Finding::fault("secret", "Cloakroom does not answer Apache: the secrets differ");
                found.push(
                    fault
                        .found(format!("{} says another one than {}", defined.file, file.display()))
                        .right("one and the same")
                        .run(format!("{again} && systemctl restart apache2")),
                );
            }
            Err(cause) => {
                let fault = Finding::fault("secret", "the secret of a listener cannot be read");
                let name = file.file_name().unwrap_or_default().display();
                found.push(
                    fault
                        .found(format!("{}: {cause}", file.display()))
                        .right("one line")
                        .run(format!("{} key new {name}; {again}", site.made_by.program)),
                );
            }
        }
    }
    let mode = fs::metadata(Path::new(&defined.file)).map_or(0, |there| there.permissions().mode());
    if mode & 0o077 != 0 {
        let fault = Finding::fault("secret", "others can read the secret, and ask as if they were Apache");
        found.push(
            fault
                .found(format!("{} has mode {:04o}", defined.file, mode & 0o7777))
                .right("0600")
                .run(format!("chmod 0600 {}", setup::shell(&defined.file))),
        );
    }
    or_ok("secret", "Apache says the listeners' secret, and nobody else can read it", found)
}
