//! A shop with one file, and what is asked about it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::servers::cloakroom::Cloakroom;
use crate::servers::http::{Answer, get};
use crate::servers::nginx::{Nginx, NginxSetup};
use crate::servers::until;
use crate::servers::web::{Way, Web};

/// A web server, the daemon and `masters/album.zip`.
pub struct Shop {
    pub web: Web,
    pub cloakroom: Cloakroom,
    pub goods: Vec<u8>,
}

pub const MIB: usize = 1024 * 1024;

/// A line of `[[policy]]` under which a download of some MiB takes seconds: the web server, and not the client's buffers, decides
/// how far it has come.
pub const SLOW: &str = "[[policy]]\nname = \"default\"\nrate = \"1MB/s\"\n";

impl Shop {
    /// Opens one behind nginx with a file of `size` bytes; `more` is added to the configuration.
    #[track_caller]
    pub fn open(size: usize, more: &str) -> Self {
        Self::at(Way::Nginx, size, more)
    }

    /// The same, behind an nginx of this kind.
    #[track_caller]
    pub fn behind(setup: &NginxSetup, size: usize, more: &str) -> Self {
        Self::before(Web::Nginx(Nginx::start(setup)), size, more)
    }

    /// The same, behind a web server that hands downloads over in this way. Where it cannot keep to the rate of a link, it
    /// has one of its own.
    #[track_caller]
    pub fn at(way: Way, size: usize, more: &str) -> Self {
        let rate = rate_of(more);
        let web = way.start(rate);
        if Way::WITH_RATES.contains(&way) {
            return Self::before(web, size, more);
        }
        let more: String = more.split_inclusive('\n').filter(|line| !line.starts_with("rate = ")).collect();
        Self::before(web, size, &more)
    }

    /// The same, behind this one.
    #[track_caller]
    pub fn before(web: Web, size: usize, more: &str) -> Self {
        let goods = goods(size, 1);
        put(&web, &goods);
        let cloakroom = web.reporting(more);
        Self { web, cloakroom, goods }
    }

    /// Opens one whose nginx reports by syslog.
    #[track_caller]
    pub fn by_syslog(size: usize, more: &str) -> Self {
        Self::by_syslog_in(&NginxSetup { syslog: true, ..NginxSetup::default() }, size, more)
    }

    /// The same in this setup.
    #[track_caller]
    pub fn by_syslog_in(setup: &NginxSetup, size: usize, more: &str) -> Self {
        assert!(setup.syslog, "{setup:?}");
        Self::fed(setup, size, more, |nginx| format!("syslog = \"unix:{}\"\nmode = \"0666\"\n", nginx.log_socket().display()))
    }

    /// Opens one that is told by `cloakroom feed` what nginx reports.
    #[track_caller]
    pub fn by_api(size: usize, more: &str) -> Self {
        Self::fed(&NginxSetup::default(), size, more, |_| "from = \"api\"\n".to_owned())
    }

    #[track_caller]
    fn fed(setup: &NginxSetup, size: usize, more: &str, feed: impl Fn(&Nginx) -> String) -> Self {
        let nginx = Nginx::start(setup);
        let goods = goods(size, 1);
        fs::write(nginx.downloads().join("album.zip"), &goods).unwrap();
        let cloakroom = Cloakroom::fed(&nginx, &feed(&nginx), more);
        Self { web: Web::Nginx(nginx), cloakroom, goods }
    }

    /// A counted link of the file: its URL.
    #[track_caller]
    pub fn link(&self, max: u32) -> String {
        self.cloakroom.link("masters/album.zip", max)
    }

    /// A URL without scheme and host.
    #[track_caller]
    pub fn target<'a>(&self, url: &'a str) -> &'a str {
        url.strip_prefix(&format!("http://127.0.0.1:{}", self.web.port)).unwrap()
    }

    /// Asks for a URL with GET, follows nothing.
    #[track_caller]
    pub fn get(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        get(self.web.port, self.target(url), headers)
    }

    /// Clicks on a link: the URL of the delivery.
    #[track_caller]
    pub fn click(&self, link: &str) -> String {
        self.click_with(link, &[])
    }

    /// Clicks on a link with these headers.
    #[track_caller]
    pub fn click_with(&self, link: &str, headers: &[(&str, &str)]) -> String {
        let answer = self.get(link, headers);
        assert_eq!(answer.status, 303, "{answer:?}");
        format!("http://127.0.0.1:{}{}", self.web.port, answer.header("location").unwrap())
    }

    /// The newest delivery.
    #[track_caller]
    pub fn newest(&self) -> Value {
        self.cloakroom.json(&["delivery", "show"])
    }

    /// The delivery `id`.
    #[track_caller]
    pub fn delivery(&self, id: &str) -> Value {
        self.cloakroom.json(&["delivery", "show", id])
    }

    /// All deliveries, the newest first.
    #[track_caller]
    pub fn deliveries(&self) -> Vec<Value> {
        let all = self.cloakroom.json(&["delivery", "list", "--limit", "1000"]);
        all.as_array().unwrap().clone()
    }

    /// Waits until the newest delivery is in this state, and gives it.
    #[track_caller]
    pub fn becomes(&self, state: &str) -> Value {
        self.comes_to(&format!("a delivery that is {state}"), |delivery| delivery["state"] == state)
    }

    /// Waits until every request of the newest delivery is reported, and gives it.
    #[track_caller]
    pub fn settled(&self) -> Value {
        self.comes_to("every request reported", |delivery| in_flight(delivery) == 0)
    }

    /// Waits until the newest delivery is as wanted, and gives it.
    #[track_caller]
    pub fn comes_to(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let found = until_some(|| {
            last = self.newest();
            wanted(&last).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("{what}: {last:#}"))
    }
}

/// Puts `masters/album.zip` there, an hour old: Apache calls the tag of a file weak that was written a moment ago.
fn put(web: &Web, goods: &[u8]) {
    let path = web.downloads().join("album.zip");
    fs::write(&path, goods).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    let now = file.metadata().unwrap().modified().unwrap();
    file.set_modified(now - Duration::from_hours(1)).unwrap();
}

/// KiB per second of the policy in this configuration.
fn rate_of(configuration: &str) -> Option<u64> {
    let value = configuration.lines().find_map(|line| line.strip_prefix("rate = "))?.trim_matches('"');
    let digits = value.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match &value[digits.len()..] {
        "MB/s" => 1_000_000,
        "k/s" => 1024,
        "" => 1,
        other => panic!("a rate in {other:?}"),
    };
    Some(digits.parse::<u64>().unwrap() * unit / 1024)
}

fn until_some<T>(condition: impl FnMut() -> Option<T>) -> Option<T> {
    let mut condition = condition;
    let mut looks = 0;
    until("a look", || {
        looks += 1;
        // Each look starts a program, so there are fewer of them than until() would take.
        match condition() {
            Some(found) => Some(Some(found)),
            None => (looks == 1000).then_some(None),
        }
    })
}

/// Bytes of a file that differ everywhere, and from those of another `seed`.
pub fn goods(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Used and reserved downloads of the delivery's grant.
#[track_caller]
pub fn units(delivery: &Value) -> (u64, u64) {
    let of = |name: &str| delivery["grant"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {delivery:#}"));
    (of("used"), of("reserved"))
}

/// Requests that nobody reported yet.
#[track_caller]
pub fn in_flight(delivery: &Value) -> usize {
    requests(delivery).iter().filter(|request| request["report"].is_null()).count()
}

/// The requests, the oldest first.
#[track_caller]
pub fn requests(delivery: &Value) -> &Vec<Value> {
    delivery["requests"].as_array().unwrap()
}

/// The sum of the bytes that were reported.
#[track_caller]
pub fn bytes_sent(delivery: &Value) -> u64 {
    requests(delivery).iter().filter_map(|request| request["report"]["bytes"].as_u64()).sum()
}

/// The lines of the report that name a delivery. Apache writes one for each request.
pub fn named(shop: &Shop) -> Vec<String> {
    shop.web.reported().into_iter().filter(|line| line.contains("\"d-")).collect()
}

/// The bytes of the file that the web server itself wrote down, over all requests of which each ended whole where it is
/// Apache: it writes what was to be sent.
#[track_caller]
pub fn bytes_logged(shop: &Shop) -> u64 {
    let lines: Vec<Value> = named(shop).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let bytes = |line: &Value| line.get("bytes").or_else(|| line.get("body")).unwrap().as_str().unwrap().parse::<u64>().unwrap();
    lines.iter().map(bytes).sum()
}

/// Whether every byte of the file was sent to one client.
pub fn is_covered(delivery: &Value) -> bool {
    delivery["covered"] == delivery["size"]
}

/// How often each outcome came: `200`, or the refusal's code.
pub fn outcomes<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        let outcome = answer.header("cloakroom-refusal").map_or_else(|| answer.status.to_string(), str::to_owned);
        *counts.entry(outcome).or_default() += 1;
    }
    counts
}
