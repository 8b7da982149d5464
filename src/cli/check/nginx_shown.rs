//! What nginx would show of what is ours: the storages' files, and the files with passwords. Pure.

use std::path::Path;

use super::finding::{Finding, or_ok};
use super::nginx_conf::Directive;
use super::nginx_site::NginxSite;
use crate::config::Configuration;

/// All that must lie below no root and no alias.
pub(super) fn look(site: &NginxSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let mut found = Vec::new();
    // What everybody may fetch is no master.
    for storage in configuration.storages.iter().filter(|storage| storage.public.is_none()) {
        let path = storage.path.display();
        for shows in showing(site, &storage.path, storage.handoff.as_deref()) {
            let says = format!("everybody can fetch the files of the storage `{}` past Cloakroom", storage.name);
            found.push(
                Finding::fault("masters-shut", says)
                    .found(format!("{}, above {path}", shows.shown()))
                    .right("the directory of a storage lies below no root and no alias of the site; move it, and change `path` and `alias`")
                    .run(format!("mv {path} /srv/downloads")),
            );
        }
    }
    let mut found = or_ok("masters-shut", "no other location shows the files of a storage", found);
    let of_directories = configuration.directories.iter().filter_map(|directory| Some(&*directory.credentials.as_ref()?.htpasswd));
    let mut files: Vec<&Path> = configuration.rules.iter().filter_map(|rule| rule.htpasswd.as_deref()).chain(of_directories).collect();
    files.sort_unstable();
    files.dedup();
    if files.is_empty() {
        return found;
    }
    let is_of_rule = |file: &Path| configuration.rules.iter().any(|rule| rule.htpasswd.as_deref() == Some(file));
    let mut shown = Vec::new();
    for file in files {
        for shows in showing(site, file, None) {
            shown.push(
                Finding::fault("htpasswd-shut", "everybody can fetch the file with the passwords, and try them at home")
                    .found(format!("{}, above {}", shows.shown(), file.display()))
                    .right("a htpasswd file lies below no root and no alias of the site; change `htpasswd` in the configuration with it")
                    .run(format!(
                        "mv {} {}",
                        file.display(),
                        if is_of_rule(file) { "/etc/cloakroom/" } else { "/var/lib/cloakroom-htpasswd/" }
                    )),
            );
        }
    }
    found.extend(or_ok("htpasswd-shut", "no location shows a file with passwords", shown));
    found
}

/// The `root` and `alias` that `path` lies below, those of internal locations and of `handoff` apart.
fn showing<'a>(site: &NginxSite<'a>, path: &Path, handoff: Option<&str>) -> Vec<&'a Directive> {
    let servers = site.servers.iter().filter_map(|server| server.value("root"));
    let open =
        site.locations.iter().filter(|location| location.own("internal").is_none() && !(handoff.is_some() && location.path() == handoff));
    let locations = open.filter_map(|location| ["root", "alias"].iter().find_map(|name| location.own(name)));
    let is_above = |one: &&Directive| !one.argument(0).contains('$') && path.starts_with(one.argument(0));
    let mut showing: Vec<&Directive> = servers.chain(locations).filter(is_above).collect();
    showing.dedup_by(|one, other| one.place == other.place);
    showing
}
