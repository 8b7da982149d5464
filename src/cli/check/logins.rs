//! The htpasswd files of the rules: read by the daemon, line by line.

use std::collections::BTreeSet;
use std::path::Path;

use super::accounts::Wish;
use super::finding::{Finding, or_ok};
use super::people::People;
use crate::auth::htpasswd::Htpasswd;
use crate::cli::terminal;
use crate::config::Configuration;

/// All about the htpasswd files, each once.
pub(super) fn look(configuration: &Configuration, people: &People) -> Vec<Finding> {
    let files: BTreeSet<&Path> = configuration.rules.iter().filter_map(|rule| rule.htpasswd.as_deref()).collect();
    files.into_iter().flat_map(|file| file_of(configuration, people, file)).collect()
}

fn file_of(configuration: &Configuration, people: &People, file: &Path) -> Vec<Finding> {
    const CHECK: &str = "htpasswd";
    let shown = file.display();
    let named = configuration.places.fault("rule.htpasswd", &file.to_string_lossy(), format!("names {shown}")).to_string();
    let mut found = Vec::new();
    if let Some(obstacle) = people.accounts.obstacle(&people.daemon, file, Wish::Read) {
        let name = &people.daemon.name;
        let fault =
            Finding::fault(CHECK, format!("the daemon, as {name}, cannot read the file: it does not start, and nobody new logs in"))
                .found(format!("{} has mode {}; {named}", obstacle.path.display(), obstacle.shown))
                .right(format!("{name} can read it"))
                .run(format!("setfacl -m u:{name}:{} {}", if obstacle.wish == Wish::Enter { "x" } else { "r" }, obstacle.path.display()));
        found.push(people.or_restart(fault, &obstacle));
    }
    // One that cannot be read at all has ended the check before this.
    let Ok((htpasswd, faulty)) = Htpasswd::load(file) else { return found };
    if let Some(first) = faulty.first() {
        let more = match faulty.len() - 1 {
            0 => String::new(),
            1 => "; and 1 line more".to_owned(),
            more => format!("; and {more} lines more"),
        };
        let warning = Finding::warning(CHECK, "nobody logs in by a line that cannot be used")
            .found(format!("{first}{more}; {named}"))
            .right("every line can be used")
            .run(format!("cloakroom htpasswd lint {shown}"));
        found.push(warning);
    }
    let users = u64::try_from(htpasswd.users()).unwrap_or(u64::MAX);
    or_ok(CHECK, format!("{shown}: {} can log in", terminal::counted(users, "name", "names")), found)
}
