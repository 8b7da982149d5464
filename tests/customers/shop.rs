//! A shop with one file, and what a browser says of itself.

use serde_json::Value;

use crate::servers::http::Answer;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::{Site, content};
use crate::servers::until;

/// What Firefox and Chromium send where somebody opens an address.
pub(crate) const BROWSER: &[(&str, &str)] = &[
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "none"),
    ("Sec-Fetch-User", "?1"),
];

/// The name of the file, which wants escaping everywhere.
pub(crate) const NAME: &str = "The <Book> & 'more'.zip";

pub(crate) struct Shop {
    pub(crate) site: Site,
    pub(crate) bytes: Vec<u8>,
}

impl Shop {
    /// Files are handed off.
    pub(crate) fn handing_off(policy: &str) -> Self {
        let policy = if policy.is_empty() { String::new() } else { format!("[[policy]]\nname = \"default\"\n{policy}\n") };
        Self::of(Site::with(&policy))
    }

    /// Files are reached by stubs.
    pub(crate) fn with_stubs() -> Self {
        Self::of(Site::with_stubs(&NginxSetup::default(), "method = [\"stub\"]", true))
    }

    /// Files are copied to a directory that asks for a password.
    pub(crate) fn with_copies() -> Self {
        Self::of(Site::with_copies("max_downloads = 3", true))
    }

    fn of(site: Site) -> Self {
        let bytes = content(300_000);
        site.master(NAME, &bytes);
        Self { site, bytes }
    }

    /// The path of a fresh link for `max` downloads.
    #[track_caller]
    pub(crate) fn link(&self, max: u32) -> String {
        self.site.target(&self.site.cloakroom.link(&format!("masters/{NAME}"), max))
    }

    #[track_caller]
    pub(crate) fn visit(&self, target: &str) -> Answer {
        self.site.ask("GET", target, BROWSER)
    }

    /// Presses the button of the page at `target`, and gives where that leads.
    #[track_caller]
    pub(crate) fn press(&self, target: &str) -> String {
        let form = [BROWSER, &[("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", "0")]].concat();
        let answer = self.site.ask("POST", target, &form);
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.header("Location").unwrap().to_owned()
    }

    /// Used and reserved units of the newest grant.
    pub(crate) fn units(&self) -> (u64, u64) {
        let list = self.site.cloakroom.json(&["grant", "list"]);
        let grant = &rows(&list, "grants")[0];
        (grant["used"].as_u64().unwrap(), grant["reserved"].as_u64().unwrap())
    }

    /// Waits until so many units are used, and nothing is reserved.
    #[track_caller]
    pub(crate) fn until_used(&self, used: u64) {
        until("the units", || (self.units() == (used, 0)).then_some(()));
    }

    /// How the deliveries stand, the newest first.
    pub(crate) fn states(&self) -> Vec<String> {
        let list = self.site.cloakroom.json(&["delivery", "list"]);
        rows(&list, "deliveries").iter().map(|delivery| delivery["state"].as_str().unwrap().to_owned()).collect()
    }
}

fn rows<'a>(list: &'a Value, key: &str) -> &'a Vec<Value> {
    list.as_array().or_else(|| list[key].as_array()).unwrap_or_else(|| panic!("{list}"))
}

/// Where the page goes on to by itself.
#[track_caller]
pub(crate) fn onward(page: &Answer) -> String {
    let refresh = page.header("Refresh").unwrap_or_else(|| panic!("no Refresh: {:?}", page.headers));
    refresh.strip_prefix("0; url=").unwrap_or_else(|| panic!("{refresh}")).to_owned()
}

/// A text as a page has it.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#x27;")
}
