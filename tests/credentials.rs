//! User names and passwords of a public directory: made, shown, replaced and ended by the real daemon, and asked for by the
//! real nginx and the real Apache.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use servers::apache::{Apache, Public};
use servers::cloakroom::Cloakroom;
use servers::http::{Answer, ask, get};
use servers::nginx::{Nginx, NginxSetup};
use servers::until;
use sha1::{Digest as _, Sha1};

/// A directory that both web servers serve, with one file in it.
struct Goods {
    cloakroom: Cloakroom,
    nginx: Nginx,
    apache: Apache,
}

/// A user name and its password.
type Login = (String, String);

const FILE: &[u8] = b"<?php the goods ?>\n";

impl Goods {
    /// With these lines in the `[[directory]]`.
    #[track_caller]
    fn open(directory: &str) -> Self {
        let nginx = Nginx::start(&NginxSetup { passwords: true, ..NginxSetup::default() });
        // Apache's workers are another user than those of nginx here.
        for path in ["", "goods"].map(|name| nginx.goods().parent().unwrap().join(name)) {
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        for_the_web_server(nginx.htpasswd().parent().unwrap());
        fs::write(nginx.goods().join("a.zip"), FILE).unwrap();
        let apache = Apache::serving(Public::Copies, &nginx.goods(), &nginx.htpasswd());
        let cloakroom = Cloakroom::behind(
            &nginx,
            &format!(
                "[[directory]]\nname = \"goods\"\npath = \"{}\"\nurl = \"/goods/\"\nhtpasswd = \"{}\"\n{directory}\n",
                nginx.goods().display(),
                nginx.htpasswd().display()
            ),
        );
        Self { cloakroom, nginx, apache }
    }

    fn htpasswd(&self) -> String {
        fs::read_to_string(self.nginx.htpasswd()).unwrap_or_default()
    }

    /// The user names that open the directory, the newest first, with their states.
    fn listed(&self) -> Vec<(String, String)> {
        let list = self.cloakroom.json(&["credential", "list", "goods"]);
        let word = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(|entry| (word(entry, "user"), word(entry, "state"))).collect()
    }

    /// The one that is to be told, once it is there.
    #[track_caller]
    fn current(&self) -> Login {
        let user = until("a user name", || self.listed().into_iter().find(|(_, state)| state == "current")).0;
        self.login(&user)
    }

    fn login(&self, user: &str) -> Login {
        let page = self.cloakroom.json(&["credential", "show", user]);
        (user.to_owned(), page["password"].as_str().unwrap_or_else(|| panic!("{page}")).to_owned())
    }

    /// What both servers say, which is the same.
    #[track_caller]
    fn ask(&self, login: &Login) -> u16 {
        let statuses = [self.nginx.port, self.apache.port].map(|port| with(port, "/goods/a.zip", login).status);
        assert_eq!(statuses[0], statuses[1], "nginx and Apache about {}", login.0);
        statuses[0]
    }

    /// Waits until both servers say `status`.
    #[track_caller]
    fn until(&self, login: &Login, status: u16) {
        let says = |port: u16| with(port, "/goods/a.zip", login).status == status;
        until(&format!("{status} for {}", login.0), || (says(self.nginx.port) && says(self.apache.port)).then_some(()));
    }
}

/// The directory of the file is of the web server's group, as the recipe says, where the test may do that.
fn for_the_web_server(directory: &Path) {
    if rustix::process::geteuid().is_root() {
        let groups = fs::read_to_string("/etc/group").unwrap();
        let line = groups.lines().find(|line| line.starts_with("www-data:")).unwrap();
        let group: u32 = line.split(':').nth(2).unwrap().parse().unwrap();
        std::os::unix::fs::chown(directory, None, Some(group)).unwrap();
    }
    fs::set_permissions(directory, Permissions::from_mode(0o2750)).unwrap();
}

fn with(port: u16, target: &str, (user, password): &Login) -> Answer {
    let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    get(port, target, &[("Authorization", &value)])
}

#[test]
fn what_is_shown_opens_the_directory_in_nginx_and_apache_and_nothing_else_does() {
    let goods = Goods::open("credential = \"shared\"");
    let (user, password) = goods.current();
    goods.until(&(user.clone(), password.clone()), 200);
    for port in [goods.nginx.port, goods.apache.port] {
        let answer = with(port, "/goods/a.zip", &(user.clone(), password.clone()));
        assert!(answer.body == FILE, "{}", answer.text());
        let answer = get(port, "/goods/a.zip", &[]);
        assert_eq!(answer.status, 401);
        assert!(answer.header("WWW-Authenticate").is_some_and(|ask| ask.starts_with("Basic realm=\"Downloads\"")));
    }
    for (user, password) in [
        (user.clone(), format!("{password}0")),
        (user.clone(), password[1..].to_owned()),
        (user.clone(), password.to_uppercase()),
        (user.clone(), String::new()),
        (user.to_uppercase(), password.clone()),
        (user.replace('-', ""), password.clone()),
        ("# BEGIN Cloakroom".to_owned(), String::new()),
        (String::new(), password.clone()),
    ] {
        assert_eq!(goods.ask(&(user.clone(), password)), 401, "{user}");
    }
    let file = fs::metadata(goods.nginx.htpasswd()).unwrap();
    let directory = fs::metadata(goods.nginx.htpasswd().parent().unwrap()).unwrap();
    assert_eq!((file.mode() & 0o7777, file.gid()), (0o640, directory.gid()));
    let shown = goods.cloakroom.say(&["credential", "show", &user]);
    assert!(shown.starts_with(&format!("user       {user}  current\npassword   {password}\ndirectory  goods  http://")), "{shown}");
    assert!(!goods.cloakroom.say(&["credential", "list"]).contains(&password));
}

#[test]
fn both_passwords_work_in_the_overlap_and_the_new_one_alone_after_it() {
    let goods = Goods::open("credential = \"shared\"\noverlap = \"4s\"");
    let first = goods.current();
    let told = goods.cloakroom.json(&["credential", "rotate", "goods"]);
    assert_eq!((&told["replaced"], &told["made"]), (&1.into(), &1.into()));
    // The file is written before the command comes back.
    assert_eq!(goods.ask(&first), 200);
    let second = goods.current();
    assert_ne!(first.0, second.0);
    assert_eq!(goods.ask(&second), 200);
    assert_eq!(goods.listed(), [(second.0.clone(), "current".to_owned()), (first.0.clone(), "retiring".to_owned())]);
    goods.until(&first, 401);
    assert_eq!(goods.ask(&second), 200);
    assert_eq!(goods.listed(), [(second.0.clone(), "current".to_owned())]);
    let page = goods.cloakroom.json(&["credential", "show", &first.0]);
    assert_eq!((&page["state"], &page["password"]), (&"ended".into(), &Value::Null));
    // At once, where that is wanted.
    goods.cloakroom.say(&["credential", "rotate", "goods", "--overlap", "0s"]);
    assert_eq!((goods.ask(&second), goods.listed().len()), (401, 1));
    let history = goods.cloakroom.json(&["credential", "show", &goods.current().0]);
    assert!(history["author"].as_str().unwrap().contains("cloakroom credential rotate"), "{history}");
}

#[test]
fn what_is_shared_is_replaced_on_schedule_and_no_name_comes_twice() {
    let goods = Goods::open("credential = \"shared\"\nrotate_every = \"2s\"\noverlap = \"1s\"");
    let mut names = BTreeSet::new();
    let mut last = goods.current();
    for _ in 0..3 {
        assert!(names.insert(last.0.clone()), "{last:?}");
        let next = until("the next user name", || {
            let (user, _) = goods.listed().into_iter().find(|(_, state)| state == "current")?;
            (user != last.0).then_some(user)
        });
        last = goods.login(&next);
        // Its row is written before its line.
        goods.until(&last, 200);
    }
    assert!(goods.htpasswd().lines().count() <= 4, "{}", goods.htpasswd());
}

#[test]
fn lines_of_people_stay_where_they_are_and_what_they_take_away_comes_back() {
    let goods = Goods::open("credential = \"shared\"");
    let ours = goods.current();
    goods.until(&ours, 200);
    let bob = ("bob".to_owned(), "by hand".to_owned());
    let sha = format!("bob:{{SHA}}{}", STANDARD.encode(Sha1::digest("by hand")));
    let block = goods.htpasswd();
    assert!(block.starts_with("# BEGIN Cloakroom") && block.ends_with("# END Cloakroom\n"), "{block}");
    // Written by hand, without our lines.
    fs::write(goods.nginx.htpasswd(), format!("# shop staff\n{sha}")).unwrap();
    until("our lines", || (goods.htpasswd() == format!("# shop staff\n{sha}\n{block}")).then_some(()));
    assert_eq!(goods.ask(&ours), 200);
    assert_eq!(goods.ask(&bob), 200, "by {{SHA}}, which both read");
    // A command of ours writes there, too.
    let file = goods.nginx.htpasswd();
    let made = goods.cloakroom.say(&["htpasswd", "add", file.to_str().unwrap(), "eve", "--method", "apr1", "--generate"]);
    assert!(made.contains("`eve` was added"), "{made}");
    goods.cloakroom.say(&["credential", "rotate", "goods"]);
    let text = goods.htpasswd();
    assert!(text.starts_with(&format!("# shop staff\n{sha}\n# BEGIN")), "{text}");
    assert!(text.lines().last().unwrap().starts_with("eve:$apr1$"), "{text}");
    assert_eq!(text.lines().count(), 7, "{text}");
    // One of ours, copied by hand, and put before it: the first counts.
    let copied = text.lines().find(|line| line.starts_with(&ours.0)).unwrap();
    fs::write(&file, format!("{copied}\n{text}")).unwrap();
    let said = goods.cloakroom.logged(&["htpasswd_clash", &ours.0]);
    assert!(said.contains("line=1") && said.contains("not ours"), "{said}");
}

#[test]
fn a_file_that_is_being_written_when_the_daemon_is_killed_is_whole_all_the_time() {
    let mut goods = Goods::open("credential = \"shared\"\noverlap = \"1h\"");
    let first = goods.current();
    goods.until(&first, 200);
    fs::write(goods.nginx.htpasswd(), format!("bob:{{SHA}}cm4JDzEbTlPP8vOMTlCmLwdh42E=\n{}", goods.htpasswd())).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let (path, stop) = (goods.nginx.htpasswd(), Arc::clone(&over));
    // Whoever reads, as web servers do at each request, sees a whole file each time.
    let reader = thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while !stop.load(Ordering::SeqCst) {
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("bob:{SHA}") && text.ends_with("# END Cloakroom\n"), "{text:?}");
            seen.insert(text.lines().count());
        }
        seen.len()
    });
    let api = goods.cloakroom.state().join("api.sock");
    for round in 0..6 {
        let rotating = {
            let api = api.clone();
            thread::spawn(move || {
                use std::io::Write as _;
                let call = "POST /api/v1/directories/goods/rotate HTTP/1.1\r\nhost: c\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
                // Nobody waits for the answer of the last one.
                while let Ok(mut socket) = std::os::unix::net::UnixStream::connect(&api) {
                    if socket.write_all(call.as_bytes()).is_err() {
                        break;
                    }
                    let mut answer = [0; 64];
                    if std::io::Read::read(&mut socket, &mut answer).unwrap_or(0) == 0 {
                        break;
                    }
                }
            })
        };
        let before = goods.htpasswd().lines().count();
        until("some rotations", || (goods.htpasswd().lines().count() > before + 2 * (round % 3 + 1)).then_some(()));
        goods.cloakroom.kill();
        rotating.join().unwrap();
        goods.cloakroom.start();
        let current = goods.current();
        goods.until(&current, 200);
    }
    over.store(true, Ordering::SeqCst);
    assert!(reader.join().unwrap() > 6);
    assert_eq!(goods.ask(&first), 200, "in the overlap");
    let left: Vec<_> = fs::read_dir(goods.nginx.htpasswd().parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["goods"]);
    // Each row is a line, and each line a row.
    let lines = goods.htpasswd().lines().filter(|line| line.contains(":$apr1$")).count();
    assert_eq!(goods.cloakroom.json(&["credential", "list", "goods", "--limit", "1000"]).as_array().unwrap().len(), lines);
}

#[test]
fn a_file_that_cannot_be_written_is_said_and_written_as_soon_as_it_can_be() {
    let goods = Goods::open("credential = \"shared\"\noverlap = \"1h\"");
    let first = goods.current();
    goods.until(&first, 200);
    let directory = goods.nginx.htpasswd().parent().unwrap().to_owned();
    let away = directory.with_extension("away");
    fs::rename(&directory, &away).unwrap();
    let failed = goods.cloakroom.command(&["credential", "rotate", "goods"]);
    let said = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(said.contains("the web server does not know them yet") && said.contains("cannot open its directory"), "{said}");
    goods.cloakroom.logged(&["htpasswd_not_written", "goods"]);
    fs::rename(&away, &directory).unwrap();
    goods.cloakroom.logged(&["htpasswd_written", "goods"]);
    let second = goods.current();
    assert_ne!(first.0, second.0);
    goods.until(&second, 200);
    // A file that is gone comes back.
    fs::remove_file(goods.nginx.htpasswd()).unwrap();
    goods.until(&first, 200);
}

#[test]
fn what_a_retired_key_made_opens_nothing_and_another_one_takes_its_place() {
    let goods = Goods::open("credential = \"shared\"");
    let first = goods.current();
    goods.until(&first, 200);
    let config = fs::read_to_string(goods.cloakroom.config()).unwrap();
    let config = config.replace("use = \"sign\"", "use = \"retired\"");
    fs::write(goods.cloakroom.config(), config + "\n[[key]]\nid = \"next\"\nfile = \"keys/next\"\nuse = \"sign\"\n").unwrap();
    goods.cloakroom.say(&["key", "new", "next"]);
    let pid = rustix::process::Pid::from_raw(i32::try_from(goods.cloakroom.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    goods.until(&first, 401);
    goods.cloakroom.logged(&["credentials_without_key"]);
    let page = goods.cloakroom.json(&["credential", "show", &first.0]);
    assert!(page["why"].as_str().unwrap().contains("key is retired"), "{page}");
    goods.cloakroom.say(&["credential", "rotate", "goods"]);
    let second = goods.current();
    assert_eq!((goods.ask(&second), goods.ask(&first)), (200, 401));
}

#[test]
fn commands_say_what_is_wrong_with_what_they_are_asked() {
    let goods = Goods::open("");
    for (arguments, code, words) in [
        (&["credential", "list", "nowhere"][..], 1, "there are: goods"),
        (&["credential", "list", "a/../b"], 1, "there are: goods"),
        (&["credential", "list", "--limit", "0"], 2, "1..=1000"),
        (&["credential", "list", "--before", "zzzz-zzzz"], 1, "no user name zzzz-zzzz"),
        (&["credential", "show", "zzzz-zzzz"], 1, "there is no such user name"),
        (&["credential", "show", "bob"], 2, "must be a user name"),
        (&["credential", "show"], 2, "<USER>"),
        (&["credential", "rotate"], 2, "<DIRECTORY>"),
        (&["credential", "rotate", "nowhere"], 1, "there are: goods"),
        (&["credential", "rotate", "goods", "--overlap", "a week"], 2, "must be a duration"),
    ] {
        let output = goods.cloakroom.command(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    assert_eq!(goods.cloakroom.say(&["credential", "list", "goods"]), "no such user names");
    assert!(goods.cloakroom.say(&["credential", "list"]).starts_with("no user names yet"));
    assert_eq!(goods.cloakroom.say(&["credential", "rotate", "goods"]), "goods: there is no user name to replace");
    let answer = ask(goods.nginx.port, "POST", "/goods/a.zip", &[]);
    assert!([401, 403].contains(&answer.status), "{}", answer.status);
}
