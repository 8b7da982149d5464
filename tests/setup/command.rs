//! The command: what is printed, what is written and what is left alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::servers::program::Program;
use super::{body, json, shipped, text, written};

#[test]
fn for_the_shipped_configurations_the_shipped_examples_are_printed() {
    let mut seen = 0;
    let (_home, config) = written(&shipped("apache/cloakroom.toml"));
    let apache = json(&config, &["apache"]);
    for name in ["cloakroom.conf", "members.conf", "downloads.conf", "log.conf"] {
        let expected = body(&shipped(&format!("apache/{name}")));
        let expected = expected.replace("/etc/apache2/cloakroom-secret.conf", "/etc/apache2/cloakroom/cloakroom-secret.conf");
        assert_eq!(text(&apache, name), expected, "{name}");
        seen += 1;
    }
    let rewriting = json(&config, &["apache", "--downloads", "rewrite-map"]);
    let prg = text(&rewriting, "rewrite-map.conf").lines().find(|line| line.contains("prg:")).unwrap().to_owned();
    let expected = body(&shipped("apache/rewrite-map.conf"));
    let shipped_prg = expected.lines().find(|line| line.contains("prg:")).unwrap().to_owned();
    assert_eq!(text(&rewriting, "rewrite-map.conf").replace(&prg, &shipped_prg), expected);
    assert!(prg.contains(" --config ") && prg.ends_with(" rewrite-map\" cloakroom:www-data"), "{prg}");
    let by_http = shipped("apache/cloakroom.toml").replace("\"scgi\"", "\"http\"").replace("apache.sock", "apache-http.sock");
    let (_home, config) = written(&by_http);
    let expected = body(&shipped("apache/xsendfile.conf"));
    assert_eq!(text(&json(&config, &["apache"]), "xsendfile.conf"), expected);
    let htaccess = json(&config, &["apache", "--htaccess"]);
    assert_eq!(text(&htaccess, "members.htaccess"), body(&shipped("apache/members.htaccess")));

    let directories = "\n[[directory]]\nname = \"pub\"\npath = \"/srv/www/pub\"\nurl = \"/pub/\"\n\n\
        [[directory]]\nname = \"goods\"\npath = \"/srv/www/goods\"\nurl = \"/goods/\"\nhtpasswd = \"/var/lib/cloakroom-htpasswd/goods\"\n\n\
        [[rule]]\npath = \"/members/\"\naccept = [\"signed-url\"]\n";
    let toml = shipped("cloakroom.toml").replacen("#stub = \"pub\"\n", "stub = \"pub\"\n", 1) + directories;
    let (_home, config) = written(&toml.replacen("#copy = \"pub\"\n", "copy = \"goods\"\n", 1));
    let nginx = json(&config, &["nginx"]);
    for (name, example) in [
        ("cloakroom.conf", "cloakroom.conf"),
        ("headers.conf", "headers.conf"),
        ("locations.conf", "locations.conf"),
        ("protect.conf", "protect.conf"),
        ("members.conf", "members.conf"),
        ("directory-pub.conf", "pub.conf"),
        ("directory-goods.conf", "goods.conf"),
    ] {
        assert_eq!(text(&nginx, name), body(&shipped(&format!("nginx/{example}"))), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 11);
    let vhost = text(&nginx, "vhost.conf");
    assert_eq!(vhost.lines().count(), 4, "{vhost}");
}

#[test]
fn the_htaccess_of_copies_is_the_shipped_one_and_that_of_stubs_lets_links_lead() {
    let toml = shipped("apache/cloakroom.toml").replace("[[rule]]", "stub = \"pub\"\ncopy = \"goods\"\n\n[[rule]]")
        + "\n[[directory]]\nname = \"pub\"\npath = \"/srv/www/pub\"\nurl = \"/pub/\"\n\n\
           [[directory]]\nname = \"goods\"\npath = \"/srv/www/goods\"\nurl = \"/goods/\"\nhtpasswd = \"/var/lib/cloakroom-htpasswd/goods\"\n";
    let (_home, config) = written(&toml);
    let made = json(&config, &["apache", "--htaccess"]);
    assert_eq!(text(&made, "directory-goods.htaccess"), body(&shipped("apache/goods.htaccess")));
    let stubs = text(&made, "directory-pub.htaccess");
    assert_eq!(stubs, body(&shipped("apache/pub.htaccess")));
    let inside = json(&config, &["apache"]);
    let stubs = text(&inside, "directory-pub.conf");
    assert!(stubs.starts_with("Alias \"/pub/\" \"/srv/www/pub/\"\n<Directory \"/srv/www/pub\">\n    AllowOverride None\n"), "{stubs}");
    assert!(text(&inside, "vhost.conf").contains("cloakroom_public \"expr="), "{inside}");
}

#[test]
fn a_configuration_without_a_listener_is_told_the_lines_that_it_lacks() {
    let (_home, apache) = written(&shipped("apache/cloakroom.toml"));
    let (_other, nginx) = written(&shipped("cloakroom.toml"));
    for (config, server, lines) in [
        (&apache, "nginx", "dialect = \"nginx\""),
        (&nginx, "apache", "protocol = \"scgi\""),
        (&nginx, "apache", "cloakroom key new apache"),
    ] {
        let output = Program::configured(config).args(["setup", server]).output();
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("[[listener]]") && said.contains(lines), "{said}");
    }
}

#[test]
fn what_a_web_server_cannot_be_told_is_refused_with_the_reason() {
    let toml = shipped("apache/cloakroom.toml");
    let nginx = shipped("cloakroom.toml");
    let mut seen = 0;
    for (server, toml, more, words) in [
        ("apache", toml.replace("/srv/downloads", "/srv/a${b}"), &[][..], "a variable"),
        ("apache", toml.replace("/srv/downloads", "/srv/a\\nb"), &[], "control character"),
        ("apache", toml.replace("\"127.0.0.1:8471\"", "\"unix:/run/cloakroom/a.sock\""), &[], "127.0.0.1:8471"),
        ("apache", toml.replace("unix:/run/cloakroom/apache.sock", "unix:/run/a|b.sock"), &[], "plain path"),
        ("apache", toml.replace("access_log = \"/var/log/apache2/cloakroom.log\"", "syslog = \"unix:/run/log.sock\""), &[], "access_log"),
        ("apache", toml.clone(), &["--downloads", "xsendfile"], "protocol = \"http\""),
        ("apache", toml.replace("shop.example/dl/", "shop.example/"), &[], "public_url"),
        ("nginx", nginx.replace("/srv/downloads", "/srv/$a"), &[], "a variable"),
        ("nginx", nginx.replace("unix:/run/cloakroom/nginx.sock", "systemd:web"), &[], "--passed web="),
    ] {
        let (_home, config) = written(&toml);
        let output = Program::configured(&config).args(["setup", server]).args(more).output();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(78) && said.contains(words), "{words}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        seen += 1;
    }
    assert_eq!(seen, 9);
    let (_home, config) = written(&nginx.replace("unix:/run/cloakroom/nginx.sock", "systemd:web"));
    let passed = json(&config, &["nginx", "--passed", "web=unix:/run/there.sock"]);
    assert!(text(&passed, "cloakroom.conf").contains("server unix:/run/./there.sock"), "{passed}");
}

#[test]
fn what_somebody_changed_stays_and_then_nothing_is_written() {
    let (home, config) = written("");
    let toml = shipped("apache/cloakroom.toml").replace("/var/lib/cloakroom", home.path().to_str().unwrap());
    fs::write(&config, toml).unwrap();
    let target = home.path().join("made here");
    let setup = |more: &[&str]| Program::configured(&config).args(["setup", "apache", "--write"]).arg(&target).args(more).output();
    let early = setup(&[]);
    assert!(String::from_utf8_lossy(&early.stderr).contains("cloakroom key new apache"), "{early:?}");
    assert!(!target.exists());
    for id in ["main", "apache"] {
        assert!(Program::configured(&config).args(["key", "new", id]).output().status.success());
    }
    let first = setup(&[]);
    let said = String::from_utf8(first.stdout.clone()).unwrap();
    assert!(first.status.success() && said.contains("  written    cloakroom-secret.conf") && said.contains("a2enmod "), "{first:?}");
    assert!(said.contains("Include \"") && said.contains("vhost.conf"), "a path with a blank stands in quotes: {said}");
    let mode = |name: &str| fs::metadata(target.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("cloakroom-secret.conf"), mode("downloads.conf")), (0o600, 0o644));
    let secret = fs::read_to_string(target.join("cloakroom-secret.conf")).unwrap();
    let key = fs::read_to_string(home.path().join("keys/apache")).unwrap();
    assert_eq!(secret.lines().last(), Some(format!("Define CLOAKROOM_SECRET {}", key.trim()).as_str()));
    let again = String::from_utf8(setup(&[]).stdout).unwrap();
    assert!(again.contains("as it was") && !again.contains("written"), "{again}");

    let read = |name: &str| fs::read_to_string(target.join(name)).unwrap();
    let (downloads, members) = (read("downloads.conf"), read("members.conf"));
    fs::write(target.join("downloads.conf"), "# mine\n").unwrap();
    fs::remove_file(target.join("members.conf")).unwrap();
    let refused = setup(&[]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("downloads.conf"), "{refused:?}");
    assert!(read("downloads.conf") == "# mine\n" && !target.join("members.conf").exists());
    let forced = setup(&["--force"]);
    assert!(forced.status.success(), "{forced:?}");
    assert_eq!((read("downloads.conf"), read("members.conf")), (downloads, members));
    assert_eq!(fs::read_dir(&target).unwrap().count(), 7, "nothing is left aside");
}
