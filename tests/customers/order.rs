//! The page of all downloads of an order, and asking for more.

use serde_json::Value;

use crate::servers::faketime;
use crate::servers::http::Answer;
use crate::servers::site::{Site, content};
use crate::servers::until;
use crate::shop::{BROWSER, onward};

/// A shop that sells a set of three files, and the path of the page of an order of it.
pub(crate) struct Ordered {
    pub(crate) site: Site,
    pub(crate) page: String,
    pub(crate) links: Vec<String>,
}

pub(crate) const FILES: [&str; 3] = ["The Book.pdf", "The Book.epub", "Maps & more.zip"];
pub(crate) const SIZE: usize = 200_000;

impl Ordered {
    pub(crate) fn open(policy: &str) -> Self {
        let site = Site::with(policy);
        for name in FILES {
            site.master(name, &content(SIZE));
        }
        let ids: Vec<String> = FILES.iter().map(|name| site.cloakroom.say(&["file", "add", &format!("masters/{name}")])).collect();
        let files = ids.iter().flat_map(|id| ["--file", id]);
        site.cloakroom.say(&["product", "add", "set", "--name", "The set"].into_iter().chain(files).collect::<Vec<_>>());
        let order = site.cloakroom.json(&["order", "add", "1001", "--email", "anna@b.example", "--line", "set"]);
        let links = order["lines"][0]["grants"].as_array().unwrap();
        let links = links.iter().map(|sold| site.target(sold["url"].as_str().unwrap())).collect();
        let page = site.target(order["page_url"].as_str().unwrap());
        assert_eq!(site.target(&site.cloakroom.say(&["order", "page", "1001"])), page);
        Self { site, page, links }
    }

    #[track_caller]
    pub(crate) fn look(&self) -> String {
        let answer = self.site.ask("GET", &self.page, BROWSER);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    /// Downloads a file whole, by the button of its page.
    #[track_caller]
    pub(crate) fn download(&self, link: &str) -> Answer {
        let pressed = self.site.ask("POST", link, &[BROWSER, &[("Content-Length", "0")]].concat());
        assert_eq!(pressed.status, 303, "{}", pressed.text());
        let started = self.site.ask("GET", pressed.header("Location").unwrap(), BROWSER);
        self.site.ask("GET", &onward(&started), BROWSER)
    }

    pub(crate) fn used(&self) -> Vec<u64> {
        let list: Value = self.site.cloakroom.json(&["grant", "list"]);
        let grants = list.as_array().or_else(|| list["grants"].as_array()).unwrap();
        grants.iter().map(|grant| grant["used"].as_u64().unwrap() + grant["reserved"].as_u64().unwrap()).collect()
    }
}

/// What the page says of a file: the row of the table.
#[track_caller]
fn row<'a>(page: &'a str, name: &str) -> &'a str {
    let name = name.replace('&', "&amp;");
    let at = page.find(&format!("scope=\"row\">{name}")).unwrap_or_else(|| panic!("{name}: {page}"));
    page[at..].split("</tr>").next().unwrap()
}

#[test]
fn a_page_whose_address_was_passed_on_gets_another_one_and_those_before_show_nothing() {
    let mut shop = Ordered::open("");
    let first = shop.page.clone();
    let seen = cookie_of(&shop.site.ask("GET", &first, BROWSER));
    let renewed = |shop: &Ordered| shop.site.target(&shop.site.cloakroom.say(&["order", "page", "1001", "--renew"]));
    let second = renewed(&shop);
    let third = renewed(&shop);
    assert_eq!((second.len(), third.len()), (first.len() + 4, first.len() + 4), "{second} {third}");
    shop.site.cloakroom.kill();
    shop.site.cloakroom.start();
    let statuses = |shop: &Ordered, pages: [&String; 3]| {
        pages.map(|page| {
            let answer = shop.site.ask("GET", page, BROWSER);
            (answer.status, answer.header("cloakroom-refusal").map(str::to_owned), answer.text().contains("The Book.epub"))
        })
    };
    let reissued = (410, Some("link_reissued".to_owned()), false);
    let pages = [&first, &second, &third];
    assert_eq!(statuses(&shop, pages), [reissued.clone(), reissued.clone(), (200, None, true)]);
    // Neither can more be asked for there, nor is a page that a browser has seen before led to by the links of files.
    let more = [BROWSER, &[("Content-Length", "0")]].concat();
    assert_eq!(shop.site.ask("POST", &format!("{first}/ask/g-00000000000000000000"), &more).status, 410);
    let with = |cookie: &str| shop.site.ask("GET", &shop.links[0], &[BROWSER, &[("Cookie", cookie)]].concat()).text();
    assert!(!with(&seen).contains(third.rsplit('/').next().unwrap()), "who saw the old one does not learn the new one");
    // The shop goes on with it, and so do mails.
    assert_eq!(shop.site.target(&shop.site.cloakroom.say(&["order", "page", "1001"])), third);
    shop.site.cloakroom.say(&["order", "set", "1001", "on_hold"]);
    let order = shop.site.cloakroom.json(&["order", "add", "1001", "--email", "anna@b.example", "--line", "set"]);
    assert_eq!(shop.site.target(order["page_url"].as_str().unwrap()), third);
    let told = shop.site.cloakroom.json(&["order", "list"]).to_string();
    assert!(!told.contains(third.rsplit('/').next().unwrap()), "{told}");
    let id = shop.site.cloakroom.json(&["order", "show", "1001"])["id"].as_str().unwrap().to_owned();
    let done = shop.site.cloakroom.json(&["history", "--about", &id]).to_string();
    assert_eq!(done.matches("renew-page").count(), 2, "{done}");
    // A customer who is forgotten has no page any more.
    shop.site.cloakroom.say(&["customer", "forget", "anna@b.example"]);
    assert_eq!(statuses(&shop, pages), [(); 3].map(|()| reissued.clone()));
    let last = shop.site.target(&shop.site.cloakroom.say(&["order", "page", "1001"]));
    assert_eq!(shop.site.ask("GET", &last, BROWSER).status, 200, "the shop has");
}

#[test]
fn all_files_of_an_order_stand_on_one_page_and_each_leads_to_its_own() {
    let shop = Ordered::open("");
    let page = shop.look();
    assert!(page.contains("Your downloads") && page.contains("Order 1001"), "{page}");
    assert!(!page.contains("anna"), "whoever has the page learns no name: {page}");
    for (name, link) in FILES.iter().zip(&shop.links) {
        let row = row(&page, name);
        assert!(row.contains("Ready") && row.contains("5 of 5") && row.contains("not yet"), "{row}");
        assert!(row.replace("&#x2f;", "/").contains("href=\"/dl/l/"), "{row}");
        assert!(row.replace("&#x2f;", "/").contains(&format!("href=\"{link}\"")), "{link} {row}");
    }
    assert_eq!(shop.used(), [0, 0, 0], "looking uses nothing up");
    assert_eq!(shop.download(&shop.links[0]).body, content(SIZE));
    let has_arrived = |row: &str| row.contains("4 of 5") && !row.contains("not yet");
    let page = until("that it is counted", || Some(shop.look()).filter(|page| has_arrived(row(page, FILES[0]))));
    assert!(row(&page, FILES[1]).contains("5 of 5"), "{page}");
}

/// The name and the value of the cookie that an answer sets.
#[track_caller]
fn cookie_of(answer: &Answer) -> String {
    let set = answer.header("Set-Cookie").unwrap_or_else(|| panic!("no cookie: {:?}", answer.headers));
    assert!(set.contains("; Path=/dl/") && set.contains("; HttpOnly") && set.contains("; SameSite=Lax"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

#[test]
fn what_is_passed_on_opens_its_own_file_and_leads_to_no_other() {
    let shop = Ordered::open("");
    let other = shop.site.cloakroom.json(&["order", "add", "1002", "--line", "set"]);
    let other = cookie_of(&shop.site.ask("GET", &shop.site.target(other["page_url"].as_str().unwrap()), BROWSER));
    let seen = cookie_of(&shop.site.ask("GET", &shop.page, BROWSER));
    assert!(seen.starts_with("cloakroom_order="), "{seen}");
    let pressed = shop.site.ask("POST", &shop.links[1], &[BROWSER, &[("Content-Length", "0")]].concat());
    let clicked = cookie_of(&pressed);
    assert!(clicked.starts_with("cloakroom="), "{clicked}");
    let started = format!("{}?seen", pressed.header("Location").unwrap());
    let both = format!("{seen}; {clicked}");
    let twice = format!("{seen}; {seen}");
    let mut looked = 0;
    for (target, cookie, leads_to_all, leads_back) in [
        (&shop.links[1], "", false, true),
        (&shop.links[1], &*other, false, true),
        (&shop.links[1], "cloakroom_order=x", false, true),
        (&shop.links[1], &*twice, false, true),
        (&shop.links[1], &*seen, true, true),
        (&started, "", false, false),
        (&started, &*other, false, false),
        (&started, "cloakroom=another", false, false),
        (&started, &*clicked, false, true),
        (&started, &*seen, true, false),
        (&started, &*both, true, true),
    ] {
        let answer = shop.site.ask("GET", target, &[BROWSER, &[("Cookie", cookie)]].concat());
        let page = answer.text().replace("&#x2f;", "/");
        assert_eq!(answer.status, 200, "{target} {cookie}: {page}");
        // A page's own form says no address, and the line for tools says the link's.
        assert_eq!(page.contains("/dl/o/"), leads_to_all, "{target} {cookie}: {page}");
        assert_eq!(page.contains(&format!("href=\"{}\"", shop.page)), leads_to_all, "{target} {cookie}: {page}");
        assert_eq!(page.contains("/dl/l/"), leads_back, "{target} {cookie}: {page}");
        assert_eq!(answer.header("Set-Cookie"), None, "{target} {cookie}");
        looked += 1;
    }
    assert_eq!(looked, 11);
}

#[test]
fn a_download_that_broke_off_shows_how_far_it_came() {
    let shop = Ordered::open("");
    let click = shop.site.get(&shop.links[2]);
    let part = shop.site.ask("GET", click.header("Location").unwrap(), &[("Range", "bytes=0-99999")]);
    assert_eq!(part.status, 206);
    let page = until("what was received", || Some(shop.look()).filter(|page| row(page, FILES[2]).contains("Interrupted")));
    assert!(row(&page, FILES[2]).contains("at least 50\u{a0}% (100\u{a0}kB)"), "{page}");
}

#[test]
fn what_the_order_shuts_is_shut_with_its_reason_until_it_is_paid_again() {
    let shop = Ordered::open("");
    let mut seen = 0;
    for (state, says) in [
        ("on_hold", "This order is on hold."),
        ("refunded", "This order was refunded."),
        ("cancelled", "This order was cancelled."),
        ("pending", "The payment has not arrived yet."),
    ] {
        shop.site.cloakroom.say(&["order", "set", "1001", state]);
        let page = shop.look();
        assert!(page.matches(says).count() > FILES.len(), "{state}: {page}");
        assert!(!page.replace("&#x2f;", "/").contains("/dl/l/"), "{state}: nothing leads to a file: {page}");
        shop.site.cloakroom.say(&["order", "set", "1001", "paid"]);
        assert!(shop.look().contains("Ready"));
        seen += 1;
    }
    assert_eq!(seen, 4);
}

#[test]
fn who_has_used_all_asks_for_more_once_and_the_shop_hears_of_it() {
    let shop = Ordered::open("[[policy]]\nname = \"default\"\nmax_downloads = 1\n");
    assert_eq!(shop.download(&shop.links[0]).body, content(SIZE));
    until("that it is counted", || (shop.used().iter().sum::<u64>() == 1).then_some(()));
    // Whoever downloaded may repeat it for a while; somebody else has none left.
    let other: Vec<_> = BROWSER.iter().map(|&(name, value)| (name, if name == "User-Agent" { "another" } else { value })).collect();
    let page = until("that it is settled", || {
        let page = shop.site.ask("GET", &shop.page, &other).text();
        row(&page, FILES[0]).contains("All used").then_some(page)
    });
    let asks = row(&page, FILES[0]).replace("&#x2f;", "/");
    let action = asks.split("action=\"").nth(1).unwrap_or_else(|| panic!("{asks}")).split('"').next().unwrap().to_owned();
    assert!(action.starts_with(&format!("{}/ask/g-", shop.page)), "{action}");
    for _ in 0..3 {
        let told = shop.site.ask("POST", &action, &[other.as_slice(), &[("Content-Length", "0")]].concat());
        assert_eq!((told.status, told.header("Location")), (303, Some(format!("{}?told", shop.page).as_str())), "{}", told.text());
    }
    let page = shop.site.ask("GET", &format!("{}?told", shop.page), &other).text();
    assert!(page.contains("was told that you ask for more"), "{page}");
    assert!(row(&page, FILES[0]).contains("You have asked the shop."), "{page}");
    shop.site.cloakroom.logged(&["asked_for_more", "limit_reached"]);
    assert_eq!(shop.site.cloakroom.said(&["asked_for_more"]), 1, "told once");
    let mut seen = 0;
    for path in ["ask/g-00000000000000000000", "ask/", "ask", "more", "ask/g-x/y"] {
        let answer = shop.site.ask("POST", &format!("{}/{path}", shop.page), &other);
        assert_eq!((answer.status, answer.header("Cloakroom-Refusal")), (400, Some("bad_request")), "{path}");
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn an_order_opens_by_its_own_token_only() {
    let shop = Ordered::open("");
    let token = |path: &str| path.split('/').nth(3).unwrap().to_owned();
    let (order, link) = (token(&shop.page), token(&shop.links[0]));
    let mut forged = order.clone();
    forged.replace_range(39..40, if forged.ends_with('A') { "B" } else { "A" });
    let mut seen = 0;
    for target in [
        format!("/dl/o/{link}"),
        format!("/dl/l/{order}/a"),
        format!("/dl/d/{order}/a"),
        format!("/dl/s/{order}/a"),
        format!("/dl/o/{forged}"),
        "/dl/o/x".to_owned(),
    ] {
        let answer = shop.site.ask("GET", &target, BROWSER);
        assert_eq!((answer.status, answer.header("Cloakroom-Refusal")), (403, Some("bad_proof")), "{target}");
        seen += 1;
    }
    assert_eq!(seen, 6);
    let answer = shop.site.ask("GET", &format!("{}/more", shop.page), BROWSER);
    assert_eq!(answer.header("Cloakroom-Refusal"), Some("unknown_link"));
}

#[test]
fn the_page_leads_to_its_files_when_the_time_of_all_links_is_over_and_that_of_the_grants_is_not() {
    let mut shop = Ordered::open("[[policy]]\nname = \"default\"\nvalid_for = \"unlimited\"\nlink_ttl = \"30d\"\n");
    faketime::set(&mut shop.site.cloakroom, 31 * 86400);
    let hrefs = |page: &str| {
        let page = page.replace("&#x2f;", "/");
        let found: Vec<String> =
            page.split("href=\"/dl/l/").skip(1).map(|rest| format!("/dl/l/{}", rest.split('"').next().unwrap())).collect();
        for target in &found {
            shop.site.remember(target);
        }
        found
    };
    let made = |shop: &Ordered| shop.site.cloakroom.json(&["store", "info"])["links"].as_u64().unwrap();
    let before = made(&shop);
    shop.site.cloakroom.say(&["explain", &shop.page]);
    assert_eq!(shop.site.ask("HEAD", &shop.page, BROWSER).status, 200);
    assert_eq!(made(&shop), before, "who only asks what would be makes none");
    let fresh = hrefs(&shop.look());
    assert!(fresh.len() == FILES.len() && fresh.iter().all(|link| !shop.links.contains(link)), "{fresh:?}");
    assert_eq!(hrefs(&shop.look()), fresh, "as long as they last, there are no others");
    assert_eq!(shop.site.get(&shop.links[0]).header("Cloakroom-Refusal"), Some("link_expired"));
    assert_eq!(shop.download(&fresh[0]).body, content(SIZE));
    // The shop learns of them when it reports the order again.
    let again = shop.site.cloakroom.json(&["order", "add", "1001"]);
    assert_eq!(shop.site.target(again["lines"][0]["grants"][0]["url"].as_str().unwrap()), fresh[0]);
    let grant = again["lines"][0]["grants"][1]["grant"]["id"].as_str().unwrap();
    let shown = shop.site.cloakroom.json(&["grant", "show", grant]);
    assert!(shown["history"].to_string().contains("the page of the order"), "{shown}");
    // What a person withdraws stays withdrawn.
    shop.site.cloakroom.say(&["link", "revoke", shown["links"][0]["id"].as_str().unwrap()]);
    assert_eq!(hrefs(&shop.look()).len(), FILES.len() - 1);
}

#[test]
fn customers_read_times_of_the_shops_own_zone() {
    let shop = Ordered::open("[pages]\nzone = \"Asia/Tokyo\"\n");
    let page = shop.look();
    assert!(row(&page, FILES[0]).contains(" JST") && !page.contains(" UTC"), "{page}");
    assert!(shop.site.ask("GET", &shop.links[0], BROWSER).text().contains(" JST"));
}

#[test]
fn a_large_order_has_pages() {
    let shop = Ordered::open("");
    shop.site.master("seat.zip", &content(SIZE));
    let id = shop.site.cloakroom.say(&["file", "add", "masters/seat.zip"]);
    shop.site.cloakroom.say(&["product", "add", "seats", "--file", &id, "--per-unit"]);
    let order = shop.site.cloakroom.json(&["order", "add", "1002", "--line", "seats x120"]);
    let page = shop.site.target(order["page_url"].as_str().unwrap());
    let mut rows = Vec::new();
    for query in ["", "?page=2", "?page=3", "?page=4", "?page=99999999999999999999", "?page=18446744073709551615"] {
        let text = shop.site.ask("GET", &format!("{page}{query}"), BROWSER).text();
        assert!(text.len() < 128 * 1024, "{query}: {} bytes", text.len());
        rows.push(text.matches("scope=\"row\"").count());
    }
    assert_eq!(rows, [50, 50, 20, 0, 50, 0]);
}
