//! Letters to customers: what they say, to whom they go, and what becomes of those that do not arrive.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::exim::{Exim, PASSWORD, Takes};
use crate::letter::{header, part, plain, urls};
use crate::servers::http::get;
use crate::servers::nginx::{Nginx, NginxSetup};
use crate::servers::site::{Site, content};
use crate::servers::{secrecy, until};

#[test]
fn a_grant_goes_to_its_customer_by_mail_and_the_link_in_the_mailbox_gives_the_file() {
    let exim = Exim::start(Takes::All);
    let site = Site::with(&exim.section(""));
    let goods = content(20_000);
    site.master("set/my album.zip", &goods);
    site.cloakroom.say(&["grant", "add", "--file", "masters/set/my album.zip", "--max", "2", "--mail", "anna@customers.example"]);
    let letter = exim.until("anna", 1).remove(0);
    assert_eq!(header(&letter, "From"), "\"The Shop\" <shop@shop.example>");
    assert_eq!(header(&letter, "To"), "anna@customers.example");
    assert_eq!(header(&letter, "Subject"), "Your download from 127.0.0.1");
    assert_eq!(header(&letter, "Auto-Submitted"), "auto-generated");
    assert!(header(&letter, "Date").ends_with("+0000"));
    let message = until("it is remembered", || {
        let list = site.cloakroom.json(&["outbox", "list"]);
        Some(list[0].clone()).filter(|message| message["state"] == "sent")
    });
    assert_eq!(header(&letter, "Message-ID"), format!("<{}@shop.example>", message["id"].as_str().unwrap()));
    assert!(message["answer"].as_str().unwrap().starts_with("250 OK id="), "{message}");
    let text = plain(&letter);
    assert!(text.contains("my album.zip") && text.contains("2 downloads left") && text.contains(" UTC"), "{text}");
    let found = urls(&site, &text);
    assert_eq!(found.len(), 1, "{text}");
    assert!(part(&letter, "text/html").contains(&found[0].replace('/', "&#x2f;")) || part(&letter, "text/html").contains(&found[0]));
    let click = site.get(&site.target(&found[0]));
    assert_eq!(site.get(click.header("location").unwrap()).body, goods);
    // No URL stands in the store, and the address in no log.
    let token = site.target(&found[0]).split('/').nth(3).unwrap().to_owned();
    let store = fs::read(site.cloakroom.state().join("cloakroom.db")).unwrap();
    let log = fs::read(site.cloakroom.state().join("cloakroom.db-wal")).unwrap_or_default();
    for file in [store, log] {
        assert!(!file.windows(token.len()).any(|window| window == token.as_bytes()));
    }
    assert_eq!(site.cloakroom.said(&["anna@customers.example"]), 0);
    // Again, and to somebody else in another language.
    let id = site.cloakroom.json(&["grant", "list"])[0]["id"].as_str().unwrap().to_owned();
    let said = site.cloakroom.say(&["grant", "mail", &id]);
    assert!(said.starts_with("m-") && said.contains("anna@customers.example"), "{said}");
    exim.until("anna", 2);
    site.cloakroom.say(&["grant", "mail", &id, "--to", "bert@customers.example", "--language", "de-AT"]);
    let german = exim.until("bert", 1).remove(0);
    assert_eq!(header(&german, "Subject"), "Ihr Download von 127.0.0.1");
    assert!(plain(&german).contains("Guten Tag") && plain(&german).contains("zählt einmal"), "{}", plain(&german));
    assert_eq!(site.cloakroom.logged(&["letter_written"]).matches("a…@customers.example").count(), 1);
}

#[test]
fn a_paid_order_is_one_letter_with_all_its_links_however_often_it_is_reported() {
    let exim = Exim::start(Takes::All);
    let site = Site::with(&exim.section(""));
    let names = ["book.pdf", "book.epub", "poster.pdf"];
    let ids: Vec<String> = names
        .iter()
        .map(|name| {
            site.master(name, &content(2000));
            site.cloakroom.say(&["file", "add", &format!("masters/{name}")])
        })
        .collect();
    site.cloakroom.say(&["product", "add", "set", "--file", &ids[0], "--file", &ids[1]]);
    site.cloakroom.say(&["product", "add", "poster", "--file", &ids[2]]);
    let order = |state: &str| {
        let mail = "anna@customers.example";
        let words = ["order", "add", "1001", "--email", mail, "--language", "de", "--line", "set", "--line", "poster", "--state", state];
        site.cloakroom.say(&words)
    };
    order("pending");
    let printed = order("paid");
    let letter = exim.until("anna", 1).remove(0);
    assert_eq!(header(&letter, "Subject"), "Ihre Downloads von 127.0.0.1");
    let (pages, found): (Vec<_>, Vec<_>) = urls(&site, &plain(&letter)).into_iter().partition(|url| url.contains("/dl/o/"));
    assert_eq!(found, printed.lines().collect::<Vec<_>>());
    let page = site.ask("GET", &site.target(&pages[0]), &[("Accept", "text/html")]);
    assert!(pages.len() == 1 && page.status == 200 && names.iter().all(|name| page.text().contains(name)), "{page:?}");
    assert!(names.iter().all(|name| plain(&letter).contains(name)));
    for url in &found {
        assert_eq!(site.get(&site.target(url)).status, 303);
    }
    order("paid");
    site.cloakroom.say(&["order", "set", "1001", "on_hold"]);
    let shut = site.cloakroom.command(&["order", "mail", "1001"]);
    assert!(!shut.status.success() && String::from_utf8_lossy(&shut.stderr).contains("on hold"), "{shut:?}");
    site.cloakroom.say(&["order", "set", "1001", "paid"]);
    site.cloakroom.say(&["order", "mail", "1001"]);
    assert_eq!(exim.until("anna", 2).len(), 2, "the first, and the one that was asked for");
}

#[test]
fn user_and_password_of_a_copy_stand_in_the_letter_and_open_it() {
    let exim = Exim::start(Takes::All);
    let nginx = Nginx::start(&NginxSetup { passwords: true, ..NginxSetup::default() });
    let directory = format!("htpasswd = \"{}\"", nginx.htpasswd().display());
    let (path, policy) = (nginx.goods(), "max_downloads = \"unlimited\"\n".to_owned() + &exim.section(""));
    let site = Site::copying_to(nginx, &path, &directory, &policy, true);
    site.master("a.zip", &content(2000));
    site.cloakroom.say(&["grant", "add", "--file", "masters/a.zip", "--mail", "anna@customers.example"]);
    let text = plain(&exim.until("anna", 1)[0]);
    let word = |label: &str| text.split(label).nth(1).unwrap_or_else(|| panic!("{text}")).split_whitespace().next().unwrap().to_owned();
    let (user, password) = (word("User name:"), word("Password:"));
    secrecy::learn_password(&password);
    let link = site.target(&urls(&site, &text)[0]);
    let copy = until("the copy is there", || {
        let click = site.get(&link);
        click.header("location").filter(|_| click.status == 303).map(str::to_owned)
    });
    let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    until("the web server knows the name", || (get(site.nginx.port, &copy, &[("Authorization", &login)]).status == 200).then_some(()));
}

#[test]
fn who_gets_back_what_was_refunded_is_written_to_only_where_user_and_password_are_others() {
    let exim = Exim::start(Takes::All);
    let nginx = Nginx::start(&NginxSetup { passwords: true, ..NginxSetup::default() });
    let directory = format!("htpasswd = \"{}\"", nginx.htpasswd().display());
    let (path, policy) = (nginx.goods(), "max_downloads = \"unlimited\"\n".to_owned() + &exim.section(""));
    let mut site = Site::copying_to(nginx, &path, &directory, &policy, true);
    site.master("a.zip", &content(2000));
    let file = site.cloakroom.say(&["file", "add", "masters/a.zip"]);
    site.cloakroom.say(&["product", "add", "a", "--file", &file]);
    site.cloakroom.say(&["order", "add", "1", "--email", "anna@customers.example", "--line", "a"]);
    let login = |letter: &str| {
        let text = plain(letter);
        ["User name:", "Password:"].map(|label| text.split(label).nth(1).unwrap().split_whitespace().next().unwrap().to_owned())
    };
    let first = login(&exim.until("anna", 1)[0]);
    secrecy::learn_password(&first[1]);
    let users = |site: &Site| site.cloakroom.json(&["credential", "list", "goods"]).as_array().unwrap().len();
    let refund = |site: &Site| {
        site.cloakroom.say(&["order", "set", "1", "refunded"]);
        until("nobody is let in", || (users(site) == 0).then_some(()));
    };
    refund(&site);
    site.cloakroom.say(&["order", "set", "1", "paid"]);
    refund(&site);
    // What there was cannot come back.
    site.cloakroom.stop();
    let database = rusqlite::Connection::open(site.cloakroom.state().join("cloakroom.db")).unwrap();
    assert_eq!(database.execute("DELETE FROM credentials", []).unwrap(), 1);
    drop(database);
    site.cloakroom.start();
    site.cloakroom.say(&["order", "set", "1", "paid"]);
    let letters = exim.until("anna", 2);
    let logins: Vec<_> = letters.iter().map(|letter| login(letter)).collect();
    secrecy::learn_password(&logins[0][1]);
    secrecy::learn_password(&logins[1][1]);
    assert!(letters.len() == 2 && logins.contains(&first) && logins[0] != logins[1], "the second is told another");
}

#[test]
fn mail_leaves_by_tls_and_with_a_login_where_the_server_wants_it() {
    for takes in [Takes::StartTls, Takes::Tls] {
        let exim = Exim::start(takes);
        let mut site = Site::with(&exim.section(""));
        site.cloakroom.stop();
        site.cloakroom.environment.push(("SSL_CERT_FILE", exim.authority()));
        site.cloakroom.start();
        site.cloakroom.say(&["outbox", "test", "anna@customers.example"]);
        let letter = exim.until("anna", 1).remove(0);
        assert_eq!(header(&letter, "Subject"), "A test from 127.0.0.1");
        assert!(exim.log().contains("A=plain:shop") && exim.log().contains("X=TLS1"), "{takes:?}: {}", exim.log());
    }
}

#[test]
fn a_server_that_is_not_who_it_should_be_gets_no_password() {
    let exim = Exim::start(Takes::StartTls);
    let site = Site::with(&exim.section(""));
    site.cloakroom.say(&["outbox", "test", "anna@customers.example"]);
    site.cloakroom.logged(&["lane_fails", "lane=mail"]);
    assert!(!exim.log().contains("A=plain") && exim.letters("anna").is_empty());
    assert_eq!(site.cloakroom.said(&[PASSWORD]), 0);
}

#[test]
fn what_a_server_refuses_for_good_is_dead_with_its_words_and_what_it_refuses_for_now_waits() {
    let exim = Exim::start(Takes::All);
    let site = Site::with(&exim.section(""));
    for name in ["nobody", "later"] {
        site.cloakroom.say(&["outbox", "test", &format!("{name}@customers.example")]);
    }
    let dead = until("one is dead", || site.cloakroom.json(&["outbox", "list", "--dead"]).as_array().unwrap().first().cloned());
    assert_eq!((dead["to"].as_str(), dead["tries"].as_u64()), (Some("nobody@customers.example"), Some(1)));
    assert!(
        dead["answer"].as_str().unwrap().starts_with("550 ") && dead["answer"].as_str().unwrap().contains("nobody of this name"),
        "{dead}"
    );
    let waits = until("one waits", || {
        let list = site.cloakroom.json(&["outbox", "list", "--waiting"]);
        list.as_array().unwrap().iter().find(|message| message["answer"].is_string()).cloned()
    });
    assert!(waits["answer"].as_str().unwrap().contains("greylisted: come back later"), "{waits}");
    let list = site.cloakroom.say(&["outbox", "list"]);
    assert!(list.contains("550 ") && list.contains("greylisted"), "{list}");
    let id = dead["id"].as_str().unwrap();
    assert!(site.cloakroom.logged(&["message_dead", id, "550"]).contains("outbox retry"), "{:#?}", site.cloakroom.log());
    for words in ["nobody of this name", "greylisted"] {
        assert_eq!(site.cloakroom.said(&[words]), 0, "{:#?}", site.cloakroom.log());
    }
    assert!(site.cloakroom.say(&["outbox", "retry", id]).contains("1 message is sent again"));
}

#[test]
fn a_letter_outlives_the_daemon_that_wrote_it_and_a_server_that_is_away() {
    let mut exim = Exim::open(Takes::All);
    let mut site = Site::with(&exim.section(""));
    site.master("a.zip", b"goods");
    site.cloakroom.say(&["grant", "add", "--file", "masters/a.zip", "--mail", "anna@customers.example"]);
    site.cloakroom.kill();
    exim.run();
    site.cloakroom.start();
    let letter = exim.until("anna", 1).remove(0);
    assert_eq!(site.get(&site.target(&urls(&site, &plain(&letter))[0])).status, 303);
}

#[test]
fn nothing_that_a_caller_says_leads_out_of_its_header() {
    let exim = Exim::start(Takes::All);
    let site = Site::with(&exim.section(""));
    site.master("a.zip", b"goods");
    for address in [
        "anna@customers.example\r\nBcc: bert@customers.example",
        "anna@customers.example, bert@customers.example",
        "<anna@customers.example>",
        "",
    ] {
        let body = serde_json::json!({ "file": "masters/a.zip", "email": address });
        let answer = call(&site, "/api/v1/grants", &body);
        assert!(answer.starts_with("HTTP/1.1 422") && answer.contains("must be a mail address"), "{address:?}: {answer}");
    }
    assert_eq!(site.cloakroom.json(&["grant", "list"]).as_array().unwrap().len(), 0, "and no grant was made");
    let answer =
        call(&site, "/api/v1/grants", &serde_json::json!({ "file": "masters/a.zip", "email": "anna@customers.example", "language": "xx" }));
    assert!(answer.starts_with("HTTP/1.1 422") && answer.contains("en, de"), "{answer}");
    let nameless = "a\r\nBcc: bert@customers.example\r\n\r\nx.zip";
    let customer = serde_json::json!({ "file": "masters/a.zip", "email": "anna@customers.example", "customer": nameless });
    assert!(call(&site, "/api/v1/grants", &customer).starts_with("HTTP/1.1 422"));
    assert!(exim.letters("bert").is_empty());
}

fn call(site: &Site, path: &str, body: &serde_json::Value) -> String {
    use std::io::{Read as _, Write as _};
    let body = body.to_string();
    let mut stream = std::os::unix::net::UnixStream::connect(site.cloakroom.state().join("api.sock")).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}",
        body.len()
    );
    write!(stream, "{head}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn templates_of_the_shop_are_used_and_faulty_ones_are_told_before_anybody_waits_for_a_mail() {
    let exim = Exim::start(Takes::All);
    let templates = exim.root().join("templates");
    fs::create_dir(&templates).unwrap();
    fs::write(templates.join("files.en.txt"), "Subject: {{ files|length }} for you\n\nTake {{ files[0].url if files else '-' }}\n")
        .unwrap();
    let mut site = Site::with(&exim.section(&format!("templates = \"{}\"\n", templates.display())));
    site.master("a.zip", b"goods");
    site.cloakroom.say(&["grant", "add", "--file", "masters/a.zip", "--mail", "anna@customers.example"]);
    let letter = exim.until("anna", 1).remove(0);
    assert_eq!(header(&letter, "Subject"), "1 for you");
    let url = plain(&letter).trim().strip_prefix("Take ").unwrap().to_owned();
    assert_eq!(site.get(&site.target(&url)).status, 303);
    site.cloakroom.stop();
    fs::write(templates.join("files.de.txt"), "Subject: {{ file }}\n").unwrap();
    let refused = site.cloakroom.command(&["serve"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(78) && said.contains("mail.templates") && said.contains("files.de.txt:1"), "{said}");
}

#[test]
fn a_letter_tells_the_end_in_the_zone_of_the_shop() {
    let exim = Exim::start(Takes::All);
    let site = Site::with(&(exim.section("") + "[pages]\nzone = \"Asia/Tokyo\"\n"));
    site.master("a.zip", b"goods");
    site.cloakroom.say(&["grant", "add", "--file", "masters/a.zip", "--mail", "anna@customers.example"]);
    let text = plain(&exim.until("anna", 1)[0]);
    urls(&site, &text);
    assert!(text.contains(" JST"), "{text}");
}

#[test]
fn who_asks_for_mail_where_there_is_none_is_told_so() {
    let site = Site::open();
    site.master("a.zip", b"goods");
    let refused = site.cloakroom.command(&["grant", "add", "--file", "masters/a.zip", "--mail", "anna@customers.example"]);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("there is no [mail]"), "{refused:?}");
    assert_eq!(site.cloakroom.json(&["grant", "list"]).as_array().unwrap().len(), 0);
}

#[test]
fn an_order_that_no_mail_can_go_to_is_paid_and_says_so() {
    let exim = Exim::start(Takes::All);
    let site = Site::with(&exim.section(""));
    site.master("book.pdf", b"goods");
    let file = site.cloakroom.say(&["file", "add", "masters/book.pdf"]);
    site.cloakroom.say(&["product", "add", "book", "--file", &file]);
    let wrong = ["Anna <a@b.example>", "a@exämple.de", "anna"];
    for (number, email) in wrong.iter().enumerate() {
        let number = number.to_string();
        let add = ["order", "add", &number, "--email", email, "--line", "book"];
        let order = site.cloakroom.json(&add);
        let problem = order["problems"][0].as_str().unwrap_or_else(|| panic!("{email}: {order}"));
        assert!(problem.contains(&format!("`{email}` must be a mail address")), "{problem}");
        assert_eq!((&order["state"], order["lines"][0]["grants"].as_array().unwrap().len()), (&"paid".into(), 1), "{order}");
        site.cloakroom.logged(&["order_not_mailed", order["id"].as_str().unwrap()]);
        assert_eq!(site.cloakroom.said(&[email]), 0, "the log says who it is");
        let again = site.cloakroom.command(&add);
        assert!(again.status.success() && String::from_utf8_lossy(&again.stderr).contains("must be a mail address"), "{again:?}");
        assert!(site.cloakroom.say(&["order", "show", &number]).contains("! customer.email: `"));
    }
    assert_eq!(site.cloakroom.json(&["outbox", "list"]).as_array().map(Vec::len), Some(0));
    for email in ["", " anna@customers.example "] {
        let order = site.cloakroom.json(&["order", "add", "9", "--email", email, "--line", "book"]);
        assert!(order["problems"].is_null(), "{order}");
    }
}

#[test]
fn where_orders_are_not_told_of_by_mail_any_address_will_do() {
    let exim = Exim::start(Takes::All);
    for site in [Site::open(), Site::with(&exim.section("orders = false\n"))] {
        let order = site.cloakroom.json(&["order", "add", "1", "--email", "Anna <a@b.example>", "--state", "pending", "--line", "book"]);
        assert!(order["problems"].is_null() && order["id"].is_string(), "{order}");
    }
}
