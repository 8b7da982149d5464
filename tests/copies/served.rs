//! What customers see of copies: clicks, downloads, ends.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};

use crate::filling::sha256;
use crate::servers::cloakroom::Cloakroom;
use crate::servers::http::Answer;
use crate::servers::site::{Site, content};
use crate::servers::{names_in, until};
use crate::shop::{aside, copies, until_copy, until_trouble};

/// What a customer is told.
pub struct Bought {
    /// The grant.
    pub id: String,
    /// The path of its link.
    pub link: String,
    /// The path of its copy.
    pub copy: String,
    /// `Authorization`.
    pub login: String,
}

/// A grant for `masters/FILE`.
pub fn buy(site: &Site, file: &str, more: &[&str]) -> Bought {
    let made = site.cloakroom.json(&[&["grant", "add", "--file", file][..], more].concat());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let copy = &made["copy"];
    let login = STANDARD.encode(format!("{}:{}", text(&copy["user"]), text(&copy["password"])));
    Bought {
        id: text(&made["grant"]["id"]),
        link: site.target(&text(&made["url"])),
        copy: site.target(&text(&copy["url"])),
        login: format!("Basic {login}"),
    }
}

impl Bought {
    /// Fetches the copy, with what opens it.
    pub fn fetch(&self, site: &Site) -> Answer {
        self.fetch_from(site, &self.copy, &[])
    }

    fn fetch_from(&self, site: &Site, target: &str, more: &[(&str, &str)]) -> Answer {
        site.ask("GET", target, &[&[("Authorization", self.login.as_str())], more].concat())
    }
}

pub fn get(site: &Site, target: &str) -> Answer {
    site.ask("GET", target, &[])
}

pub fn used(cloakroom: &Cloakroom, grant: &str) -> u64 {
    cloakroom.json(&["grant", "show", grant])["used"].as_u64().unwrap()
}

#[test]
fn a_grant_has_a_copy_which_is_served_counted_once_each_time_and_gone_when_it_is_used_up() {
    let site = Site::with_copies("", true);
    let bytes = content(300_000);
    site.master("set/Grüße & Küsse.zip", &bytes);
    let bought = buy(&site, "masters/set/Grüße & Küsse.zip", &["--max", "2"]);
    let Bought { id, link, copy, .. } = &bought;
    assert!(copy.starts_with("/goods/Gr%C3%BC%C3%9Fe%20%26%20K%C3%BCsse-"), "{copy}");
    let live = until_copy(&site.cloakroom, id, "live");
    assert_eq!(live["size"], bytes.len());
    assert_eq!((names_in(&site.nginx.goods()).len(), aside(&site.nginx.goods()).len()), (1, 0));

    let answer = get(&site, link);
    assert_eq!((answer.status, answer.header("location")), (303, Some(copy.as_str())));
    assert_eq!(site.cloakroom.states(), Vec::<String>::new(), "a click begins nothing");
    assert_eq!(get(&site, copy).status, 401, "it asks for a password");
    for time in 1..=2 {
        let answer = bought.fetch(&site);
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
        until("the download is counted", || (used(&site.cloakroom, id) == time).then_some(()));
    }
    assert_eq!(site.cloakroom.states(), ["completed", "completed"]);
    until_copy(&site.cloakroom, id, "gone");
    let answer = bought.fetch(&site);
    assert_eq!(answer.status, 401, "nobody is let in any more: {}", answer.text());
    assert!(names_in(&site.nginx.goods()).is_empty());
    assert_eq!(get(&site, link).status, 403, "all downloads are used");
}

#[test]
fn a_copy_goes_with_its_grant_and_one_that_is_good_again_gets_another_one() {
    let site = Site::with_copies("", true);
    site.master("a.zip", &content(1000));
    let goods = site.nginx.goods();
    let bought = buy(&site, "masters/a.zip", &[]);
    let (id, link, first) = (&bought.id.clone(), &bought.link.clone(), bought.copy.clone());
    until_copy(&site.cloakroom, id, "live");
    site.cloakroom.say(&["grant", "suspend", id]);
    until_copy(&site.cloakroom, id, "gone");
    assert_eq!((bought.fetch(&site).status, get(&site, link).status, names_in(&goods).len()), (401, 403, 0));

    site.cloakroom.say(&["grant", "resume", id]);
    let second = site.target(until_copy(&site.cloakroom, id, "live")["url"].as_str().unwrap());
    assert_ne!(first, second, "a name is never used twice");
    let given = site.cloakroom.json(&["link", "new", id]);
    let [user, password] = ["user", "password"].map(|key| given["copy"][key].as_str().unwrap().to_owned());
    let again = Bought { login: format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))), copy: second, ..bought };
    assert_eq!((again.fetch_from(&site, &first, &[]).status, again.fetch(&site).status), (404, 200));
    until("it is counted", || (used(&site.cloakroom, id) == 1).then_some(()));

    site.cloakroom.say(&["grant", "extend", id, "--max", "1"]);
    until_copy(&site.cloakroom, id, "gone");
    assert_eq!(get(&site, link).status, 403, "all downloads are used");
    site.cloakroom.say(&["grant", "reset", id]);
    until_copy(&site.cloakroom, id, "live");
    assert_eq!(get(&site, link).status, 303);
    site.cloakroom.say(&["grant", "revoke", id]);
    until_copy(&site.cloakroom, id, "gone");
    assert_eq!((names_in(&goods).len(), aside(&goods).len(), copies(&site.cloakroom, id).len()), (0, 0, 3));
}

#[test]
fn who_has_begun_before_the_end_can_go_on_after_it() {
    let site = Site::with_copies("resume_grace = \"4s\"\n", true);
    let bytes = content(200_000);
    site.master("a.zip", &bytes);
    let bought = buy(&site, "masters/a.zip", &["--for", "2s"]);
    let Bought { id, link, copy, .. } = &bought;
    until_copy(&site.cloakroom, id, "live");
    assert_eq!(bought.fetch_from(&site, copy, &[("Range", "bytes=0-99999")]).status, 206);
    until("the grant is over", || (get(&site, link).status == 410).then_some(()));
    let rest = bought.fetch_from(&site, copy, &[("Range", "bytes=100000-")]);
    assert!(rest.status == 206 && rest.body == bytes[100_000..], "{}", rest.status);
    until("the download is completed", || (site.cloakroom.states() == ["completed"]).then_some(()));
    until_copy(&site.cloakroom, id, "gone");
    assert_eq!((bought.fetch(&site).status, used(&site.cloakroom, id)), (401, 1));
}

#[test]
fn a_copy_that_others_took_away_is_made_again_under_its_name() {
    let site = Site::with_copies("", true);
    site.master("a.zip", &content(1000));
    let bought = buy(&site, "masters/a.zip", &[]);
    let Bought { id, link, copy: first, .. } = &bought;
    until_copy(&site.cloakroom, id, "live");
    fs::remove_file(site.nginx.goods().join(&names_in(&site.nginx.goods())[0])).unwrap();
    // A click is told to wait, unless it is there again already.
    let answer = get(&site, link);
    assert!(answer.status == 303 || answer.header("retry-after").is_some(), "{} {}", answer.status, answer.text());
    site.cloakroom.logged(&["copy_missing"]);
    let to = until("the copy", || Some(get(&site, link)).filter(|answer| answer.status == 303));
    assert_eq!(to.header("location"), Some(first.as_str()), "customers have its URL");
    assert_eq!(bought.fetch(&site).status, 200);

    // Nobody clicks.
    fs::remove_file(site.nginx.goods().join(&names_in(&site.nginx.goods())[0])).unwrap();
    until("the copy, without a click", || (bought.fetch(&site).status == 200).then_some(()));
    // Of the first, who clicked and who watches may have noticed at the same moment.
    assert!((2..=3).contains(&site.cloakroom.said(&["copy_missing"])), "{:#?}", site.cloakroom.log());

    // Something else has its place.
    let place = site.nginx.goods().join(&names_in(&site.nginx.goods())[0]);
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    fs::write(place.join("theirs"), "theirs").unwrap();
    let to = until("another copy", || Some(get(&site, link)).filter(|answer| answer.status == 303));
    let second = to.header("location").unwrap().to_owned();
    assert_ne!(*first, second);
    assert_eq!(bought.fetch_from(&site, &second, &[]).status, 200);
    assert_eq!(fs::read_to_string(place.join("theirs")).unwrap(), "theirs");
}

#[test]
fn while_a_copy_is_prepared_the_next_method_sends_the_file() {
    let site = Site::with_copies("", true);
    let config = fs::read_to_string(site.cloakroom.config()).unwrap();
    let both = config.replace("method = [\"copy\"]", "method = [\"copy\", \"handoff\"]");
    assert_ne!(config, both);
    fs::write(site.cloakroom.config(), both).unwrap();
    let pid = Pid::from_raw(i32::try_from(site.cloakroom.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    site.cloakroom.logged(&["reloaded"]);
    let bytes = content(1000);
    let master = site.master("a.zip", &bytes);
    let Bought { id, link, .. } = buy(&site, "masters/a.zip", &[]);
    until_copy(&site.cloakroom, &id, "live");
    assert!(get(&site, &link).header("location").unwrap().starts_with("/goods/a-"));
    // Nothing can be made there any more, before something has to be.
    let goods = site.nginx.goods();
    let before = fs::metadata(&master).unwrap();
    fs::remove_dir(goods.join(".cloakroom")).unwrap();
    fs::write(goods.join(".cloakroom"), "theirs").unwrap();
    fs::remove_file(goods.join(&names_in(&goods)[0])).unwrap();
    let answer = get(&site, &link);
    let to = answer.header("location").unwrap().to_owned();
    assert!(answer.status == 303 && to.starts_with("/dl/d/"), "{} {to}", answer.status);
    assert!(get(&site, &to).body == bytes && before.is_file());
    // Whichever is first: the copy that cannot be made, or the look at what was done to the directory.
    let is_said = |line: &String| line.contains("directory_lost") || (line.contains("not_copied") && line.contains(&id));
    until("a line about it", || site.cloakroom.log().into_iter().find(is_said));
}

#[test]
fn without_a_feed_a_number_of_downloads_is_refused_and_others_are_served() {
    let site = Site::with_copies("max_downloads = \"unlimited\"\n", false);
    site.master("a.zip", &content(1000));
    let refused = site.cloakroom.command(&["grant", "add", "--file", "masters/a.zip", "--max", "3"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("`max_downloads` must be `unlimited`"), "{said}");
    let bought = buy(&site, "masters/a.zip", &[]);
    until_copy(&site.cloakroom, &bought.id, "live");
    assert_eq!((get(&site, &bought.link).status, bought.fetch(&site).status), (303, 200));
}

#[test]
fn what_a_copy_was_is_known_after_its_master_was_replaced_and_what_to_do_where_it_has_to_be_made_again() {
    let site = Site::with_copies("version = \"purchased\"", true);
    let master = site.master("a.zip", &content(300_000));
    let (sold, goods) = (sha256(&master), site.nginx.goods());
    let bought = buy(&site, "masters/a.zip", &[]);
    until_copy(&site.cloakroom, &bought.id, "live");
    assert_eq!(bought.fetch(&site).status, 200);
    until("it is counted", || (used(&site.cloakroom, &bought.id) == 1).then_some(()));
    site.master("a.zip", &content(200_000));
    site.cloakroom.say(&["grant", "suspend", &bought.id]);
    until("it is gone", || names_in(&goods).is_empty().then_some(()));

    let evidence = site.cloakroom.json(&["grant", "evidence", &bought.id]);
    let version = &evidence["deliveries"][0]["version"];
    assert_eq!((version["size"].as_u64(), version["sha256"].as_str()), (Some(300_000), Some(sold.as_str())), "{evidence:#}");
    assert!(version["sha256_note"].as_str().unwrap().contains("when the copy of this version was made"), "{version}");
    assert!(evidence["limits"].to_string().contains("is of its bytes at that time"), "{evidence:#}");

    site.cloakroom.say(&["grant", "resume", &bought.id]);
    until_trouble(&site.cloakroom, &bought.id, "another version than the one that was sold");
    assert!(names_in(&goods).is_empty(), "no other version takes its place");
    let explained = site.cloakroom.json(&["explain", &bought.id]);
    let advice = explained["advice"].as_str().unwrap();
    assert!(advice.contains("put the version that was sold back") && advice.contains("300000 bytes"), "{explained:#}");
}
