//! Rules that take logins, and rules that only observe.

use std::fs;

use super::servers::cloakroom::Cloakroom;
use super::servers::nginx::{Nginx, NginxSetup};
use super::{mode, one_of, wrong};

/// `alice` with `password`, as `htpasswd -s` writes it.
const PASSWORDS: &str = "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n";

const LOCATIONS: &str =
    "location ^~ /private/ { include cloakroom/protect.conf; }\nlocation ^~ /watched/ { include cloakroom/protect.conf; }\n";

/// Both servers, with a rule that takes logins of `passwords`, which lies in nginx's directory, and one that observes.
fn both(passwords: &str) -> (Nginx, Cloakroom) {
    let nginx = Nginx::start(&NginxSetup { server: LOCATIONS.to_owned(), ..NginxSetup::default() });
    mode(&nginx.downloads(), 0o750);
    let file = nginx.root().parent().unwrap().join(passwords);
    fs::write(&file, PASSWORDS).unwrap();
    mode(&file, 0o640);
    let more = format!(
        "[[rule]]\npath = \"/private/\"\naccept = [\"basic\"]\nhtpasswd = \"{}\"\n\n\
         [[rule]]\npath = \"/watched/\"\naccept = [\"signed-url\"]\nmode = \"observe\"\n",
        file.display()
    );
    let daemon = Cloakroom::behind(&nginx, &more);
    mode(daemon.state(), 0o700);
    (nginx, daemon)
}

#[test]
fn logins_are_asked_for_once_and_what_is_only_observed_is_not_called_open() {
    let (nginx, daemon) = both("passwords");
    let conf = nginx.conf();
    let said = daemon.say(&["check", "--url", "--nginx-conf", conf.to_str().unwrap()]);
    assert!(said.contains("all is well") && said.contains("/watched/ only observes"), "{said}");
    assert!(said.contains("/private/ asks for a proof") && said.contains("htpasswd-shut"), "{said}");
    // What nginx asks itself costs a hash a request.
    nginx.rewrite(&NginxSetup {
        server: LOCATIONS.replace(" }\nlocation ^~ /w", " auth_basic shop; }\nlocation ^~ /w"),
        ..NginxSetup::default()
    });
    let found = wrong(&daemon.command(&["check", "--json", "--nginx-conf", conf.to_str().unwrap()]));
    one_of(&found, "guarded", &["auth_basic shop;", "warning"], "auth_basic");
}

#[test]
fn a_file_with_passwords_below_the_root_of_the_site_is_a_fault() {
    let (nginx, daemon) = both("www/.htpasswd");
    let found = wrong(&daemon.command(&["check", "--json", "--nginx-conf", nginx.conf().to_str().unwrap()]));
    one_of(&found, "htpasswd-shut", &["site.conf:", "root ", "mv "], "a file in the root");
}

#[test]
fn lines_that_nobody_logs_in_by_are_told_with_the_rule_that_names_their_file() {
    let (nginx, daemon) = both("passwords");
    let file = nginx.root().parent().unwrap().join("passwords");
    let conf = nginx.conf();
    let check = ["check", "--json", "--nginx-conf", conf.to_str().unwrap()];
    assert!(wrong(&daemon.command(&check)).is_empty());
    fs::write(&file, format!("{PASSWORDS}bob:$apr1$\ncarol\n")).unwrap();
    let config = fs::read_to_string(daemon.config()).unwrap();
    let line = (1..).zip(config.lines()).find(|(_, line)| line.starts_with("htpasswd")).unwrap().0;
    let place = format!("{}:{line}: `rule[", daemon.config().display());
    let (at, command) = (format!("{}:2: ", file.display()), format!("cloakroom htpasswd lint {}", file.display()));
    one_of(
        &wrong(&daemon.command(&check)),
        "htpasswd",
        &[&at, "and 1 line more", &place, ".htpasswd` names", &command, "warning"],
        "lines",
    );
}
