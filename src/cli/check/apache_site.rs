//! What holds where in Apache's configuration: its virtual hosts, what each inherits, and which of them are the site. Pure.

use std::path::Path;

use super::apache_conf::{Line, Tree};
use super::apache_elsewhere::{self, Leads};
use super::nginx_conf::matches;
use crate::cli::setup::{self, MadeBy};
use crate::config::{Address, Configuration, Listener, Serve};
use crate::dialect::Dialect;

/// A `<VirtualHost>`; or the main server, which serves what none of them is there for.
#[derive(Clone, Debug)]
pub(super) struct Host<'t> {
    /// What stands in it itself, sections and what is in them.
    pub(super) own: Vec<&'t Line>,
    /// What holds in it: what stands outside of every host, and then its own.
    pub(super) lines: Vec<&'t Line>,
    /// What stands in it and in no section.
    inside: Vec<&'t Line>,
    /// The ports that it is for; none where it is for each.
    ports: Vec<&'t str>,
    section: Option<&'t Line>,
    main: &'t str,
}

/// A host by which who asks for the site in an unusual way gets its files.
#[derive(Clone, Debug)]
pub(super) struct Beside<'t> {
    /// The host.
    pub(super) host: Host<'t>,
    /// How.
    pub(super) way: BesideBy,
}

/// How a host shows files of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BesideBy {
    /// It has another name, and the same files.
    Name,
    /// It is the site's, and leads elsewhere who asks as usual.
    Unled,
}

/// A configuration, taken apart.
#[derive(Debug)]
pub(super) struct ApacheSite<'t> {
    /// The configuration.
    pub(super) tree: &'t Tree,
    /// What makes our files once more.
    pub(super) made_by: MadeBy,
    /// All lines, those of sections too, whichever host they are for.
    pub(super) everywhere: Vec<&'t Line>,
    /// All hosts.
    pub(super) all: Vec<Host<'t>>,
    /// The hosts of the site, but for those that only lead elsewhere.
    pub(super) hosts: Vec<Host<'t>>,
    /// The hosts that show its files, too.
    pub(super) beside: Vec<Beside<'t>>,
}

/// What makes our files once more: as they say it themselves, or as `usual`.
pub(super) fn made_by(tree: &Tree, usual: &MadeBy) -> MadeBy {
    let said = tree.made_by.iter().find_map(|line| MadeBy::of(line));
    said.map_or_else(|| usual.clone(), |said| MadeBy { program: usual.program.clone(), ..said })
}

/// All lines, those of sections too.
pub(super) fn all(lines: &[Line]) -> Vec<&Line> {
    lines.iter().flat_map(|line| std::iter::once(line).chain(line.inside.iter().flat_map(|inside| all(inside)))).collect()
}

/// Those that stand in no host.
fn outside(lines: &[Line]) -> Vec<&Line> {
    let outer = lines.iter().filter(|line| line.name != "virtualhost");
    outer.flat_map(|line| std::iter::once(line).chain(line.inside.iter().flat_map(|inside| outside(inside)))).collect()
}

/// The hosts, those in a `<Macro>` too, as if it were used as it stands.
fn sections(lines: &[Line]) -> Vec<&Line> {
    let mut all = Vec::new();
    for line in lines {
        if line.name == "virtualhost" {
            all.push(line);
        } else {
            all.extend(line.inside.iter().flat_map(|inside| sections(inside)));
        }
    }
    all
}

impl<'t> ApacheSite<'t> {
    /// Takes a tree apart, for the site of this configuration.
    pub(super) fn of(tree: &'t Tree, configuration: &Configuration, usual: &MadeBy) -> Self {
        let everywhere = all(&tree.lines);
        let outside = outside(&tree.lines);
        let sections = sections(&tree.lines);
        let ports = unserved(&outside, &sections);
        let mut hosts: Vec<Host<'t>> = sections.iter().map(|section| Host::of(section, &outside, &tree.main)).collect();
        if hosts.is_empty() || !ports.is_empty() {
            hosts.push(Host::main(tree, outside, if hosts.is_empty() { Vec::new() } else { ports }));
        }
        let ours = Self::site(&hosts, configuration);
        let roots: Vec<&str> = ours.iter().filter_map(|host| host.root()).collect();
        let (mut serving, mut beside) = (Vec::new(), Vec::new());
        for host in &hosts {
            let leads = match apache_elsewhere::leads(host) {
                Leads::Names if !host.is_first(&sections) => Leads::All,
                leads => leads,
            };
            let is_ours = ours.iter().any(|one| std::ptr::eq(*one, host));
            let shows = || host.root().is_some_and(|there| roots.iter().any(|root| Path::new(root).starts_with(there)));
            match (leads, is_ours) {
                (Leads::All, _) => {}
                (Leads::Part, true) => serving.push(host.clone()),
                (Leads::Names | Leads::Usual, true) => beside.push(Beside { host: host.clone(), way: BesideBy::Unled }),
                (_, false) if shows() => beside.push(Beside { host: host.clone(), way: BesideBy::Name }),
                (_, false) => {}
            }
        }
        Self { tree, made_by: made_by(tree, usual), everywhere, all: hosts, hosts: serving, beside }
    }

    /// The hosts that are the site: by their name, because they ask us, or because they show the files of one that does.
    fn site<'h>(hosts: &'h [Host<'t>], configuration: &Configuration) -> Vec<&'h Host<'t>> {
        let name = &configuration.public_url.host;
        let is_named = |host: &Host<'_>| host.is_called(name);
        let is_alone = hosts.len() == 1 && hosts.iter().all(Host::is_main);
        let is_ours = |host: &Host<'_>| is_alone || is_named(host) || host.knows_us(configuration);
        let roots: Vec<&str> = hosts.iter().filter(|host| is_ours(host)).filter_map(Host::root).collect();
        let any_is_named = hosts.iter().any(is_named);
        let is_unnamed = |host: &Host<'_>| {
            let shows = host.root().is_some_and(|root| roots.contains(&root));
            // A main server without files of its own has nothing to show.
            let has_nothing = host.is_main() && host.root().is_none();
            host.names().is_empty() && (shows || !(any_is_named || has_nothing))
        };
        hosts.iter().filter(|host| is_ours(host) || is_unnamed(host)).collect()
    }

    /// Whether downloads are handed off by `mod_rewrite`, wherever the site hands them off.
    pub(super) fn rewrites(&self, configuration: &Configuration) -> bool {
        let hosts = self.handing_off(configuration);
        !hosts.is_empty() && hosts.iter().all(|host| host.rewrites())
    }

    /// The hosts of the site that ask for downloads; where none does, all of the site.
    pub(super) fn handing_off(&self, configuration: &Configuration) -> Vec<&Host<'t>> {
        let asking: Vec<&Host<'t>> = self.hosts.iter().filter(|host| host.asks_for_downloads(configuration)).collect();
        if asking.is_empty() { self.hosts.iter().collect() } else { asking }
    }
}

impl<'t> Host<'t> {
    fn of(section: &'t Line, outside: &[&'t Line], main: &'t str) -> Self {
        let own = all(section.inside.as_deref().unwrap_or_default());
        let says = |lines: &[&Line], word: &str| {
            let of = |line: &&Line| line.name == "rewriteoptions" && line.words.iter().any(|said| said.to_ascii_lowercase().contains(word));
            lines.iter().any(of)
        };
        // Rules and maps for rewriting are those of the host alone, unless somebody says otherwise.
        let inherits = says(&own, "inherit") || says(outside, "inheritdown");
        let holds = |line: &&&'t Line| inherits || !matches!(line.name.as_str(), "rewritemap" | "rewriterule" | "rewritecond");
        let lines = outside.iter().filter(holds).chain(own.iter()).copied().collect();
        let inside = section.inside.iter().flatten().collect();
        let ports = section.words.iter().filter_map(|word| port(word)).collect();
        Self { own, lines, inside, ports, section: Some(section), main }
    }

    /// What stands outside of every `<VirtualHost>`, for these ports.
    fn main(tree: &'t Tree, outside: Vec<&'t Line>, ports: Vec<&'t str>) -> Self {
        let inside = tree.lines.iter().filter(|line| line.name != "virtualhost").collect();
        Self { own: outside.clone(), lines: outside, inside, ports, section: None, main: &tree.main }
    }

    const fn is_main(&self) -> bool {
        self.section.is_none()
    }

    /// Whether it is the first for some address and port, and so answers whoever says a name that no host has.
    fn is_first(&self, sections: &[&Line]) -> bool {
        let Some(own) = self.section else { return true };
        let place = |word: &str| word.replace("_default_", "*");
        let first = |word: &String| sections.iter().find(|section| section.words.iter().any(|other| place(other) == place(word)));
        own.words.iter().any(|word| first(word).is_some_and(|first| std::ptr::eq(*first, own)))
    }

    /// `file:line: <VirtualHost *:443>`
    pub(super) fn shown(&self) -> String {
        self.section.map_or_else(|| format!("{}, outside of every section", self.main), Line::shown)
    }

    /// What stands in it, in its order, without what is in sections.
    pub(super) fn inside(&self) -> impl Iterator<Item = &'t Line> {
        self.inside.iter().copied()
    }

    /// The names that it is asked for by, as they are written, without ports.
    pub(super) fn names(&self) -> Vec<&'t str> {
        let lines = self.inside().filter(|line| matches!(line.name.as_str(), "servername" | "serveralias"));
        lines.flat_map(|line| &line.words).map(|word| without_port(word)).collect()
    }

    /// Whether it speaks TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.own.iter().any(|line| line.name == "sslengine" && line.word(0).eq_ignore_ascii_case("on"))
    }

    /// The ports that it is for; none where it is for each.
    pub(super) fn ports(&self) -> &[&'t str] {
        &self.ports
    }

    fn is_called(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.names()
            .iter()
            .map(|there| there.to_ascii_lowercase())
            .any(|there| there == name || there.contains(['*', '?']) && matches(&there, &name))
    }

    /// Where its files lie.
    pub(super) fn root(&self) -> Option<&'t str> {
        self.lines.iter().rfind(|line| line.name == "documentroot").map(|line| line.word(0).trim_end_matches('/'))
    }

    /// The place of the line that says where its files lie.
    pub(super) fn shown_root(&self) -> String {
        self.lines.iter().rfind(|line| line.name == "documentroot").map_or_else(|| self.shown(), |line| line.place.clone())
    }

    /// Whether somebody else is asked for what lies below `path`.
    pub(super) fn passes_on(&self, path: &str) -> bool {
        passes(&self.lines).into_iter().find(|pass| pass.is_for(path)).is_some_and(|pass| pass.target != "!")
    }

    /// Whether it asks us anything, by its own lines.
    pub(super) fn knows_us(&self, configuration: &Configuration) -> bool {
        passes(&self.own).iter().any(|pass| is_ours(pass, configuration))
            || self.own.iter().any(|line| match line.name.as_str() {
                "rewritemap" | "authnzfcgicheckauthnprovider" => line.word(0) == "cloakroom",
                _ => false,
            })
    }

    /// Whether it asks us for what lies below the path of `public_url`.
    pub(super) fn asks_for_downloads(&self, configuration: &Configuration) -> bool {
        self.rewrites() || self.passed(configuration).is_some_and(|pass| is_ours(&pass, configuration))
    }

    /// What passes to somebody else what another line of it would pass to us.
    pub(super) fn taken(&self, configuration: &Configuration) -> Option<Pass<'t>> {
        let passes_to_us = |pass: &Pass<'_>| pass.is_for(&configuration.public_url.path) && is_ours(pass, configuration);
        let first = self.passed(configuration).filter(|pass| !is_ours(pass, configuration))?;
        passes(&self.lines).iter().any(passes_to_us).then_some(first)
    }

    /// What is done with what lies below the path of `public_url`.
    fn passed(&self, configuration: &Configuration) -> Option<Pass<'t>> {
        passes(&self.lines).into_iter().find(|pass| pass.is_for(&configuration.public_url.path))
    }

    /// Whether it asks by `mod_rewrite`.
    pub(super) fn rewrites(&self) -> bool {
        self.lines.iter().any(|line| line.name == "rewritemap" && line.word(0) == "cloakroom")
            && self.lines.iter().any(|line| line.name == "rewriterule" && line.written.contains("${cloakroom:"))
    }

    /// The lines that write its log in this format: its own, which take the place of all that stand outside.
    pub(super) fn logs(&self, format: &str) -> Vec<&'t Line> {
        let of = |lines: &[&'t Line], names: &[&str]| -> Vec<&'t Line> {
            lines.iter().copied().filter(|line| names.contains(&line.name.as_str())).collect()
        };
        let own = of(&self.own, &["customlog", "transferlog"]);
        let mut logs = if own.is_empty() { of(&self.lines, &["customlog"]) } else { own };
        logs.extend(of(&self.lines, &["globallog"]));
        logs.retain(|line| line.word(1) == format);
        logs
    }
}

/// A `ProxyPass`.
pub(super) struct Pass<'t> {
    path: &'t str,
    /// Where to.
    pub(super) target: &'t str,
    /// The line.
    pub(super) line: &'t Line,
    /// The `<Location>` in which it stands.
    pub(super) section: Option<&'t Line>,
}

impl Pass<'_> {
    fn is_for(&self, path: &str) -> bool {
        path.strip_prefix(self.path).is_some_and(|rest| rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/'))
    }
}

/// The port of an address, where it has one.
fn port(word: &str) -> Option<&str> {
    word.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()))
}

/// The ports that are listened to and that no `<VirtualHost>` is for.
fn unserved<'t>(outside: &[&'t Line], sections: &[&Line]) -> Vec<&'t str> {
    let is_served =
        |wanted: &str| sections.iter().flat_map(|section| &section.words).any(|word| port(word).is_none_or(|port| port == wanted));
    let listens = outside.iter().filter(|line| line.name == "listen").map(|line| port(line.word(0)).unwrap_or_else(|| line.word(0)));
    listens.filter(|port| !is_served(port)).collect()
}

/// `shop.example` of `https://shop.example:443`.
fn without_port(word: &str) -> &str {
    let name = word.rsplit_once("://").map_or(word, |(_, name)| name);
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
    name.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(name, |(name, _)| name)
}

/// What is passed on, in the order in which it is looked for: the path, where to, and the line that says so.
pub(super) fn passes<'t>(lines: &[&'t Line]) -> Vec<Pass<'t>> {
    let of_section = |section: &&'t Line| {
        let passes = section.own("proxypass").filter(|line| !line.word(0).starts_with('/'));
        passes.map(|line| Pass { path: section.word(0), target: line.word(0), line, section: Some(section) }).collect::<Vec<_>>()
    };
    // Of sections the last one holds, and before what stands in none, of which the first one does.
    let in_sections = lines.iter().rev().filter(|line| line.name == "location").flat_map(of_section);
    let plain = lines.iter().filter(|line| line.name == "proxypass" && line.word(0).starts_with('/'));
    in_sections.chain(plain.map(|line| Pass { path: line.word(0), target: line.word(1), line, section: None })).collect()
}

/// Whether what is passed on is passed to us.
pub(super) fn is_ours(pass: &Pass<'_>, configuration: &Configuration) -> bool {
    let listeners = configuration.listeners.iter().filter(|listener| matches!(listener.serve, Serve::Web(Dialect::Apache(_))));
    pass.target.contains("://cloakroom/")
        || listeners.into_iter().any(|listener| match &listener.address {
            // Where it lies, its unit says.
            Address::Passed(_) => pass.path == configuration.public_url.path,
            Address::Unix { .. } | Address::Tcp(_) => is_reached(pass.target, listener),
        })
}

/// Whether `target` is the address of this listener.
pub(super) fn is_reached(target: &str, listener: &Listener) -> bool {
    match &listener.address {
        Address::Unix { path, .. } => target.starts_with(&format!("unix:{}|", path.display())),
        Address::Tcp(address) => {
            let host = target.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
            !target.starts_with("unix:") && host == Some(&setup::reached(*address).to_string())
        }
        Address::Passed(_) => false,
    }
}

/// The host at this place of a tree, from 0.
#[cfg(test)]
#[allow(clippy::indexing_slicing)]
pub(super) fn host_of(tree: &Tree, at: usize) -> Host<'_> {
    Host::of(sections(&tree.lines)[at], &outside(&tree.lines), &tree.main)
}

#[cfg(test)]
mod tests {
    use super::super::apache_conf::read;
    use super::*;

    const CONFIGURATION: &str = include_str!("../../../conf-examples/apache/cloakroom.toml");

    /// What stands outside of every host.
    const MAIN: &str = "Listen 80\nListen 443 https\nDocumentRoot /www";

    /// Heads of hosts, and what stands in them.
    type Hosts<'a> = &'a [(&'a str, &'a str)];

    /// The heads of the hosts that are the site, of these.
    fn site(hosts: Hosts<'_>) -> Vec<String> {
        let configuration = crate::config::parse(CONFIGURATION, "cloakroom.toml").unwrap();
        let section = |(head, inside): &(&str, &str)| {
            let (outside, inside) = if *inside == MAIN { (MAIN, "") } else { ("", *inside) };
            format!("{outside}\n<VirtualHost {head}>\n{inside}\n</VirtualHost>\n")
        };
        let text = hosts.iter().map(section).collect::<String>();
        let tree = read("/etc/apache2/apache2.conf", &text, &[], &mut |_| Vec::new()).unwrap();
        let site = ApacheSite::of(&tree, &configuration, &MadeBy::usual(Path::new("/etc/cloakroom/cloakroom.toml")));
        site.hosts.iter().map(|host| host.section.map_or("main", |section| section.word(0)).to_owned()).collect()
    }

    #[test]
    fn the_hosts_of_the_site_are_those_of_its_name_and_those_that_ask() {
        let pass = "ProxyPass \"/dl/\" \"unix:/run/cloakroom/apache.sock|scgi://cloakroom/dl/\"";
        let rows: [(Hosts<'_>, &[&str]); 16] = [
            (&[], &["main"]),
            (&[("*:80", ""), ("*:443", "")], &["*:80", "*:443"]),
            (&[("*:80", "ServerName other.example"), ("*:443", "ServerName Shop.Example:443")], &["*:443"]),
            (&[("*:80", "ServerName a.example\nServerAlias b.example *.example"), ("*:81", "")], &["*:80"]),
            (&[("*:80", "ServerName other.example"), ("*:81", "")], &["*:81"]),
            (&[("*:80", "ServerName https://shop.example"), ("*:81", "ServerName shop.example.org")], &["*:80"]),
            (&[("*:80", ""), ("*:443", "ServerName shop.example")], &["*:443"]),
            (&[("*:80", "DocumentRoot /www/"), ("*:443", "ServerName shop.example\nDocumentRoot /www")], &["*:80", "*:443"]),
            (&[("*:80", pass), ("*:443", "ServerName shop.example"), ("*:81", "ServerName other.example")], &["*:80", "*:443"]),
            (&[("*:80", "ServerName other.example\nRewriteMap cloakroom prg:x"), ("*:81", "RewriteMap other prg:y")], &["*:80", "*:81"]),
            (&[("*:80", "ServerName shop.example\nRedirect / https://shop.example/"), ("*:443", "ServerName shop.example")], &["*:443"]),
            (&[("*:80", "ServerName other.example")], &[]),
            // What no host is there for, the main server serves.
            (&[("*:80 [::1]:443", MAIN), ("*:443", "")], &["*:80", "*:443"]),
            (&[("*:81", MAIN), ("*:443", "")], &["*:81", "*:443", "main"]),
            (&[("*:81", MAIN), ("*", "")], &["*:81", "*"]),
            (&[("*:81", MAIN), ("*:443", "ServerName shop.example\nDocumentRoot /other")], &["*:443"]),
        ];
        for (hosts, expected) in rows {
            assert_eq!(site(hosts), expected, "{hosts:?}");
        }
    }

    #[test]
    fn what_leads_to_a_listener_is_its_whole_address() {
        let configuration = crate::config::parse(&CONFIGURATION.replace("\"127.0.0.1:8471", "\"0.0.0.0:8471"), "cloakroom.toml").unwrap();
        for (target, is_there) in [
            ("fcgi://127.0.0.1:8471/", [true, false]),
            ("fcgi://127.0.0.1:8471", [true, false]),
            ("fcgi://127.0.0.1:84711/", [false, false]),
            ("fcgi://127.0.0.1:847/", [false, false]),
            ("fcgi://1127.0.0.1:8471/", [false, false]),
            ("http://other/?//127.0.0.1:8471/", [false, false]),
            ("unix:/run/cloakroom/apache.sock|scgi://any/dl/", [false, true]),
            ("unix:/run/cloakroom/apache.sock2|scgi://127.0.0.1:8471/", [false, false]),
        ] {
            let reached = [0, 1].map(|at| is_reached(target, &configuration.listeners[at]));
            assert_eq!(reached, is_there, "{target}");
        }
    }

    #[test]
    fn a_host_inherits_what_stands_outside_of_every_host_and_nothing_of_another_one() {
        let text = "DocumentRoot /www/\nProxyPass /a x\nCustomLog /all common\nRewriteMap cloakroom prg:x\n<VirtualHost *:80>\nServerName a.example\n\
            <Location /b>\nRequire all granted\n</Location>\n</VirtualHost>\n<Macro Site>\n<VirtualHost *:81>\nCustomLog /own common\n\
            RewriteOptions Inherit\n</VirtualHost>\n</Macro>\n";
        let tree = read("/etc/apache2/apache2.conf", text, &[], &mut |_| Vec::new()).unwrap();
        let names = |at| host_of(&tree, at).lines.iter().map(|line| line.name.clone()).collect::<Vec<_>>().join(" ");
        assert_eq!(names(0), "documentroot proxypass customlog macro servername location require");
        assert_eq!(names(1), "documentroot proxypass customlog rewritemap macro customlog rewriteoptions");
        assert_eq!(host_of(&tree, 1).root(), Some("/www"));
        let logs = |at| host_of(&tree, at).logs("common").iter().map(|line| line.word(0).to_owned()).collect::<Vec<_>>();
        assert_eq!((logs(0), logs(1)), (vec!["/all".to_owned()], vec!["/own".to_owned()]));
        assert_eq!(host_of(&tree, 1).shown(), "/etc/apache2/apache2.conf:12: <VirtualHost *:81>");
    }
}
