//! Stubs: a link leads to a symbolic link with an unguessable name, which a real nginx or Apache serves as a
//! plain file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use servers::http::{Answer, Download};
use servers::nginx::Nginx;
use servers::nginx::NginxSetup;
use servers::site::content;
use servers::web::{Way, Web, WebSite, feed};
use servers::{names_in, until};

/// A site whose policy holds these lines.
fn site(way: Way, policy: &str) -> WebSite {
    before(way.start(None), &format!("method = [\"stub\"]\n{policy}"))
}

fn before(web: Web, policy: &str) -> WebSite {
    let more = format!(
        "[[directory]]\nname = \"pub\"\npath = \"{}\"\nurl = \"/pub/\"\n\n[[policy]]\nname = \"default\"\n{policy}\n\n{}",
        web.public().display(),
        feed(&web.access_log()),
    );
    WebSite::of(web, "stub = \"pub\"\n", &more)
}

/// What lies in the public directory but for what the site's owner put there.
fn stubs(site: &WebSite) -> Vec<String> {
    names_in(&site.web.public()).into_iter().filter(|name| name != ".htaccess").collect()
}

/// Clicks, and gives where the click leads.
#[track_caller]
fn click(site: &WebSite, link: &str, headers: &[(&str, &str)]) -> String {
    let answer = site.ask("GET", link, headers);
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").unwrap().to_owned()
}

fn get(site: &WebSite, target: &str) -> Answer {
    site.ask("GET", target, &[])
}

#[test]
fn a_click_leads_to_a_plain_file_whose_download_is_counted_once() {
    Way::each(&Way::STOCK, |way| {
        let site = site(way, "");
        let bytes = content(300_000);
        site.master("set/Grüße & Küsse.zip", &bytes);
        let link = site.target(&site.cloakroom.link("masters/set/Grüße & Küsse.zip", 1));
        let to = click(&site, &link, &[]);
        assert!(to.starts_with("/pub/") && to.ends_with("/Gr%C3%BC%C3%9Fe%20%26%20K%C3%BCsse.zip"), "{to}");
        assert_eq!(to.split('/').nth(2).unwrap().len(), 26, "{to}");
        assert_eq!(site.cloakroom.states(), ["open"]);

        let answer = get(&site, &to);
        assert_eq!((answer.status, answer.body.len()), (200, bytes.len()));
        assert!(answer.body == bytes);
        for (name, value) in [
            ("Content-Type", "application/octet-stream"),
            ("Content-Disposition", "attachment"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "private, no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        until("the download is completed", || (site.cloakroom.states() == ["completed"]).then_some(()));
        assert_eq!(get(&site, &to).status, 200, "it stays for the rest of its grace");
        assert_eq!(click(&site, &link, &[]), to, "whoever clicks again goes on with it");
        assert_eq!(stubs(&site).len(), 1);
    });
}

#[test]
fn a_stub_goes_when_its_delivery_is_over_and_a_revoked_one_at_once() {
    Way::each(&Way::STOCK, |way| {
        let site = site(way, "resume_grace = \"2s\"");
        site.master("a.zip", &content(1000));
        let link = site.target(&site.cloakroom.link("masters/a.zip", 1));
        let to = click(&site, &link, &[]);
        assert_eq!(get(&site, &to).status, 200);
        until("the stub is gone", || stubs(&site).is_empty().then_some(()));
        assert_eq!(get(&site, &to).status, 404);

        let made = site.cloakroom.json(&["grant", "add", "--file", "masters/a.zip", "--max", "1"]);
        let (url, grant) = (made["url"].as_str().unwrap(), made["grant"]["id"].as_str().unwrap());
        let to = click(&site, &site.target(url), &[]);
        assert_eq!(get(&site, &to).status, 200);
        site.cloakroom.say(&["grant", "revoke", grant]);
        until("the stub is gone", || stubs(&site).is_empty().then_some(()));
        assert_eq!(get(&site, &to).status, 404);
    });
}

#[test]
fn a_stub_whose_address_went_round_goes_when_its_bytes_are_used_up() {
    Way::each(&Way::STOCK, |way| {
        let site = site(way, "");
        site.master("a.zip", &content(1000));
        let link = site.target(&site.cloakroom.link("masters/a.zip", 1));
        let to = click(&site, &link, &[]);
        // Three times the size; what is fetched once more is known afterwards.
        for agent in ["one", "two", "three", "four"] {
            assert_eq!(site.ask("GET", &to, &[("User-Agent", agent)]).status, 200, "{agent}");
        }
        until("the stub is gone", || stubs(&site).is_empty().then_some(()));
        assert_eq!(get(&site, &to).status, 404);
        let path = site.web.public().join(to.strip_prefix("/pub/").unwrap());
        let told = site.cloakroom.say(&["explain", path.to_str().unwrap()]);
        assert!(told.contains("more was sent of it than its grant has bytes for"), "{told}");
    });
}

#[test]
fn a_stub_that_others_took_away_is_made_again_under_another_name() {
    Way::each(&Way::STOCK, |way| {
        let site = site(way, "");
        site.master("a.zip", &content(1000));
        let link = site.target(&site.cloakroom.link("masters/a.zip", 1));
        let first = click(&site, &link, &[]);
        fs::remove_dir_all(site.web.public().join(first.split('/').nth(2).unwrap())).unwrap();
        assert_eq!(get(&site, &first).status, 404);
        let second = click(&site, &link, &[]);
        assert_ne!(first, second);
        assert_eq!(get(&site, &second).status, 200);
        site.cloakroom.logged(&["stub_missing"]);
        until("the download is completed", || (site.cloakroom.states() == ["completed"]).then_some(()));
    });
}

#[test]
fn a_directory_that_is_away_at_the_start_keeps_nothing_else_down_and_is_filled_when_it_is_back() {
    Way::each(&Way::STOCK, |way| {
        let mut site = before(way.start(None), "method = [\"stub\", \"handoff\"]");
        site.master("a.zip", &content(1000));
        let (public, away) = (site.web.public(), site.web.public().with_extension("away"));
        assert!(site.cloakroom.stop(), "the daemon ends well");
        fs::rename(&public, &away).unwrap();
        site.cloakroom.start();
        site.cloakroom.logged(&["directory_lost"]);
        let link = site.target(&site.cloakroom.link("masters/a.zip", 2));
        let to = click(&site, &link, &[]);
        assert!(to.starts_with("/dl/d/"), "it falls back: {to}");
        assert_eq!(get(&site, &to).status, 200);
        fs::rename(&away, &public).unwrap();
        site.cloakroom.logged(&["directory_back"]);
        let another = site.target(&site.cloakroom.link("masters/a.zip", 1));
        let to = click(&site, &another, &[("User-Agent", "another")]);
        assert!(to.starts_with("/pub/"), "{to}");
        assert_eq!(get(&site, &to).status, 200);
    });
}

#[test]
fn a_reload_leaves_no_stub_behind_in_a_directory_that_is_moved_or_left_out() {
    Way::each(&Way::STOCK, |way| {
        let site = site(way, "");
        site.master("a.zip", &content(1000));
        let made = site.cloakroom.json(&["grant", "add", "--file", "masters/a.zip", "--max", "1"]);
        let (link, grant) = (site.target(made["url"].as_str().unwrap()), made["grant"]["id"].as_str().unwrap());
        let to = click(&site, &link, &[]);
        let good = fs::read_to_string(site.cloakroom.config()).unwrap();
        let (public, other) = (site.web.public(), site.web.public().with_extension("other"));
        fs::create_dir(&other).unwrap();
        let (path, other_path) = (format!("path = \"{}\"", public.display()), format!("path = \"{}\"", other.display()));
        let moved = good.replacen(&path, &other_path, 1);
        let start = good.find("[[directory]]").unwrap();
        let end = start + good[start..].find("\n\n").unwrap();
        let left_out = format!("{}{}", &good[..start], &good[end..]).replace("stub = \"pub\"\n", "").replace("method = [\"stub\"]\n", "");
        for (config, words) in [(&moved, "cannot be another directory"), (&left_out, "cannot be left out")] {
            assert_ne!(*config, good);
            fs::write(site.cloakroom.config(), config).unwrap();
            reload(&site, "reload_refused");
            let told = site.cloakroom.logged(&["reload_fault", words]);
            for word in ["1 thing of ours", public.to_str().unwrap(), "cloakroom stub list --directory pub", "cloakroom stub sweep"] {
                assert!(told.contains(word), "{word}: {told}");
            }
            assert_eq!(get(&site, &to).status, 200);
        }
        site.cloakroom.say(&["grant", "revoke", grant]);
        until("the stub is gone", || stubs(&site).is_empty().then_some(()));
        until("its row is gone", || site.cloakroom.say(&["stub", "list"]).starts_with("nothing of ours lies in public").then_some(()));
        fs::write(site.cloakroom.config(), &moved).unwrap();
        reload(&site, "reloaded");
        click(&site, &site.target(&site.cloakroom.link("masters/a.zip", 1)), &[]);
        assert_eq!(stubs(&site).len(), 0);
        assert_eq!(fs::read_dir(&other).unwrap().count(), 2, "the stub and what is half made");
    });
}

/// Sends SIGHUP and waits until the log tells one `event` more.
#[track_caller]
fn reload(site: &WebSite, event: &str) {
    let lines = || site.cloakroom.log().iter().filter(|line| line.contains(event)).count();
    let before = lines();
    kill_process(Pid::from_raw(i32::try_from(site.cloakroom.pid()).unwrap()).unwrap(), Signal::HUP).unwrap();
    until(event, || (lines() > before).then_some(()));
}

/// Asks with a client that calls itself by these bytes.
#[track_caller]
fn asked_as(site: &WebSite, target: &str, agent: &[u8]) -> u16 {
    let head = format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nUser-Agent: ");
    let request = [head.as_bytes(), agent, b"\r\n\r\n"].concat();
    Download::send(site.web.port, &request, false).finish().status
}

#[test]
fn a_download_is_counted_whatever_its_client_calls_itself() {
    Way::each(&Way::STOCK, |way| {
        let site = site(way, "");
        site.master("a.zip", &content(1000));
        let agents = [
            b"curl/8.14".to_vec(),
            b"x\xff".to_vec(),
            vec![0xff; 8000],
            vec![1; 3000],
            vec![1; 8000],
            [vec![b'x'; 199], "\u{e9}".as_bytes().to_vec(), vec![b'"'; 7000]].concat(),
            b"\\u0000\"},{\"v\":\"2".to_vec(),
        ];
        // A control character is no header to Apache, and the request none.
        let is_taken = |agent: &[u8]| way == Way::Nginx || !agent.contains(&1);
        let mut done = 0;
        for agent in &agents {
            let link = site.target(&site.cloakroom.link("masters/a.zip", 1));
            let to = click(&site, &link, &[]);
            if !is_taken(agent) {
                assert_eq!(asked_as(&site, &to, agent), 400);
                continue;
            }
            assert_eq!(asked_as(&site, &to, agent), 200);
            done += 1;
            let completed = || site.cloakroom.states().iter().filter(|state| *state == "completed").count();
            until("the download is counted", || (completed() == done).then_some(()));
        }
        assert!(done >= 5, "{done}");
        assert!(site.web.access_log().metadata().unwrap().len() < 7 * 4096, "an agent makes no line long");
    });
}

#[test]
fn a_path_with_slashes_too_many_is_counted_like_any_other() {
    Way::each(&Way::STOCK, |way| {
        let web = if way == Way::Nginx {
            Web::Nginx(Nginx::start(&NginxSetup { server: "merge_slashes off;".to_owned(), ..NginxSetup::default() }))
        } else {
            way.start(None)
        };
        let site = before(web, "method = [\"stub\"]");
        site.master("a.zip", &content(1000));
        for (done, odd) in ["/pub//", "/pub////"].into_iter().enumerate() {
            let link = site.target(&site.cloakroom.link("masters/a.zip", 1));
            let to = click(&site, &link, &[]);
            let to = to.replacen("/pub/", odd, 1).replace("/a.zip", "//a.zip");
            assert_eq!(get(&site, &to).status, 200, "{to}");
            let completed = || site.cloakroom.states().iter().filter(|state| *state == "completed").count();
            until("the download is counted", || (completed() == done + 1).then_some(()));
        }
    });
}
