//! A row that somebody spoilt while the daemon runs.

use crate::servers::free_port;
use crate::servers::http::get;
use crate::servers::until;
use crate::shop::Shop;

#[test]
fn a_row_that_cannot_be_read_closes_the_counted_downloads_and_nothing_else() {
    let admin = free_port();
    let mut shop = Shop::open("", &format!("[[listener]]\naddress = \"127.0.0.1:{admin}\"\nserve = \"admin\"\n"));
    let port = shop.nginx.port;
    let signed = shop.cloakroom.sign("masters/small.bin");
    let signed = signed.strip_prefix(&format!("http://127.0.0.1:{port}")).unwrap().to_owned();
    let (spoilt, first) = shop.link("small.bin", 2).unwrap();
    let (_, second) = shop.link("small.bin", 2).unwrap();
    let delivery = get(port, &second, &[]).header("location").unwrap().to_owned();
    // What is in memory is not read again.
    shop.crash();
    let change = |sql: &str| {
        let database = rusqlite::Connection::open(shop.file()).unwrap();
        database.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
        assert_eq!(database.execute(sql, [&spoilt]).unwrap(), 1);
    };
    change("UPDATE grants SET policy = '{' || policy WHERE id = ?1");
    for round in 0..3 {
        for target in [&first, &second, &delivery] {
            // What does not need the row is refused once it was met.
            let answer = get(port, target, &[]);
            assert_eq!((answer.status, answer.header("cloakroom-refusal")), (503, Some("store_down")), "{round}: {answer:?}");
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        }
        assert_eq!(get(port, &signed, &[]).status, 200);
        let health = get(admin, "/health", &[]);
        assert_eq!(health.status, 503, "{health:?}");
        assert!(health.text().starts_with("store: its file is damaged: `policy` holds"), "{}", health.text());
    }
    let said: Vec<String> = shop.cloakroom.log().into_iter().filter(|line| line.contains("store_")).collect();
    assert_eq!(said.iter().filter(|line| line.contains("store_damaged")).count(), 1, "{said:#?}");
    assert!(!said.iter().any(|line| line.contains("store_back") || line.contains("store_unread")), "{said:#?}");

    let verified = shop.cloakroom.command(&["store", "verify"]);
    assert!(!verified.status.success(), "{verified:?}");
    // A person mends it, and nothing else is needed than a start.
    change("UPDATE grants SET policy = substr(policy, 2) WHERE id = ?1");
    shop.crash();
    until("health", || (get(admin, "/health", &[]).status == 200).then_some(()));
    for target in [&first, &second] {
        assert_eq!(get(port, target, &[("User-Agent", "new")]).status, 303);
    }
    assert_eq!(get(port, &delivery, &[]).status, 200);
    let verified = shop.cloakroom.command(&["store", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}
