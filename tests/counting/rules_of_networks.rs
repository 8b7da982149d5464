//! From where a grant may be used, and from how many places.

use cloakroom::domain::account::{Account, Ask, Click};
use cloakroom::domain::grant::{Amendment, Standing};
use cloakroom::domain::policy::Policy;
use cloakroom::domain::refusal::Refusal;

use crate::fixtures::*;

/// Three networks, of which two addresses each are given.
const HOME: [&str; 2] = ["198.51.100.1", "::ffff:198.51.100.200"];
const PHONE: [&str; 2] = ["2001:db8:0:100::1", "2001:db8:0:1ff:ffff::2"];
const OFFICE: [&str; 2] = ["203.0.113.1", "203.0.113.255"];

fn only_from(networks: &[&str]) -> Policy {
    Policy { networks: networks.iter().map(|network| network.parse().unwrap()).collect(), ..base() }
}

fn at_most(networks: u32) -> Policy {
    Policy { networks_max: Some(networks), ..base() }
}

fn refused(shop: &mut Shop, ask: &Ask, why: Refusal) {
    let before = shop.account.clone();
    assert_eq!(shop.admit(ask), Err(why), "{ask:?}");
    assert_eq!(shop.account, before);
}

fn refused_click(shop: &mut Shop, click: &Click, why: Refusal) {
    let before = shop.account.clone();
    assert_eq!(shop.click(click), Err(why), "{click:?}");
    assert_eq!(shop.account, before);
}

fn seen(shop: &Shop) -> Vec<String> {
    shop.account.grant.networks_seen.iter().map(ToString::to_string).collect()
}

#[test]
fn clicks_and_requests_from_outside_of_the_networks_are_refused() {
    for (address, inside) in [
        ("10.0.0.0", true),
        ("10.255.255.255", true),
        ("::ffff:10.1.2.3", true),
        ("11.0.0.0", false),
        ("9.255.255.255", false),
        ("::a01:203", false),
        ("2001:db8::", true),
        ("2001:db8:ffff::1", true),
        ("2001:db9::", false),
        ("203.0.113.7", true),
        ("203.0.113.8", false),
    ] {
        let mut shop = Shop::with_policy(only_from(&["10.0.0.0/8", "2001:db8::/32", "203.0.113.7/32"]));
        let delivery = shop.click(&click_from("10.0.0.1", click(1, 1, at(0)))).unwrap().delivery;
        let clicked = click_from(address, click(2, 1, at(0)));
        let asked = ask_from(address, ask(delivery, "a", 1, at(0)));
        if inside {
            assert!(shop.click(&clicked).is_ok() && shop.admit(&asked).unwrap().opened, "{address}");
        } else {
            refused_click(&mut shop, &clicked, Refusal::WrongNetwork);
            refused(&mut shop, &asked, Refusal::WrongNetwork);
        }
        assert!(seen(&shop).is_empty(), "nothing is remembered where the number is not limited");
    }
}

#[test]
fn who_is_outside_learns_only_that_unless_a_person_withdrew_it() {
    let mut shop = Shop::with_policy(only_from(&["192.0.2.0/24"]));
    shop.account.grant.policy.max_downloads = Some(1);
    let delivery = shop.open(1, 1, at(0));
    let outside = click_from(HOME[0], click(2, 1, at(1)));
    let asked = |name| ask_from(HOME[0], ask(delivery, name, 1, at(1)));
    for (standing, why) in
        [(Standing::Active, Refusal::WrongNetwork), (Standing::Suspended, Refusal::Suspended), (Standing::Revoked, Refusal::Revoked)]
    {
        shop.account.grant.amend(&Amendment::Stand(standing));
        shop.account.grant.expires = Some(at(1));
        refused_click(&mut shop, &outside, why);
        for name in ["r1", "new"] {
            refused(&mut shop, &asked(name), why);
        }
    }
}

#[test]
fn a_network_is_remembered_when_a_request_is_admitted_and_not_at_the_click() {
    let mut shop = Shop::with_policy(at_most(2));
    let home = shop.click(&click_from(HOME[0], click(1, 1, at(0)))).unwrap().delivery;
    let phone = shop.click(&click_from(PHONE[0], click(2, 1, at(0)))).unwrap().delivery;
    let office = shop.click(&click_from(OFFICE[0], click(3, 1, at(0)))).unwrap().delivery;
    assert!(seen(&shop).is_empty(), "three offers, no request");
    assert!(shop.admit(&ask_from(OFFICE[0], ask(office, "a", 1, at(1)))).unwrap().opened);
    assert!(shop.admit(&ask_from(PHONE[0], ask(phone, "b", 1, at(1)))).unwrap().opened);
    refused(&mut shop, &ask_from(HOME[0], ask(home, "c", 1, at(1))), Refusal::TooManyNetworks);
    refused_click(&mut shop, &click_from(HOME[1], click(4, 1, at(1))), Refusal::TooManyNetworks);
    assert_eq!(seen(&shop), ["203.0.113.0/24", "2001:db8:0:100::/56"]);
    assert_eq!(shop.units(), (0, 2));
}

#[test]
fn all_addresses_of_a_known_network_go_on() {
    let mut shop = Shop::with_policy(Policy { retry_factor: 10, ..at_most(2) });
    let delivery = shop.click(&click_from(HOME[0], click(1, 1, at(0)))).unwrap().delivery;
    for (number, address) in HOME.into_iter().chain(PHONE).chain(HOME).enumerate() {
        let asked = shop.admit(&ask_from(address, ask(delivery, &format!("r{number}"), 1, at(1))));
        assert!(asked.is_ok(), "{address}: {asked:?}");
    }
    for address in OFFICE {
        refused(&mut shop, &ask_from(address, ask(delivery, "late", 1, at(1))), Refusal::TooManyNetworks);
    }
    assert_eq!(seen(&shop), ["198.51.100.0/24", "2001:db8:0:100::/56"]);
}

#[test]
fn an_open_download_that_moves_to_a_third_network_goes_on_from_where_it_was_known() {
    let mut shop = Shop::with_policy(at_most(1));
    let delivery = shop.click(&click_from(HOME[0], click(1, 1, at(0)))).unwrap().delivery;
    assert!(shop.admit(&ask_from(HOME[0], ask(delivery, "a", 1, at(0)))).unwrap().opened);
    shop.report(delivery, "a", sent(0, 400, SIZE, at(1))).unwrap();
    // Row 1 of clicks, with the cookie; row 2, a later part; row 6, a new one; row 8, what is idle.
    let away = |click| click_from(PHONE[0], click);
    refused_click(&mut shop, &away(Click { cookie: Some(cookie(1)), ..click(2, 1, at(2)) }), Refusal::TooManyNetworks);
    refused_click(&mut shop, &away(Click { range: range("bytes=400-"), ..click(2, 1, at(2)) }), Refusal::TooManyNetworks);
    refused_click(&mut shop, &away(click(2, 1, at(2))), Refusal::TooManyNetworks);
    refused(&mut shop, &ask_from(PHONE[0], Ask { range: range("bytes=400-"), ..ask(delivery, "b", 1, at(2)) }), Refusal::TooManyNetworks);
    let back = Click { cookie: Some(cookie(1)), ..click_from(HOME[1], click(2, 1, at(3))) };
    assert_eq!(shop.click(&back).unwrap().delivery, delivery);
    shop.admit(&ask_from(HOME[0], Ask { range: range("bytes=400-"), ..ask(delivery, "c", 1, at(3)) })).map(drop).unwrap();
    shop.report(delivery, "c", sent(400, 600, SIZE, at(4))).unwrap();
    assert_eq!(shop.units(), (1, 0));
}

#[test]
fn what_no_other_network_changes_is_told_first_and_what_may_pass_last() {
    let full = |max| {
        let mut shop = Shop::with_policy(Policy { max_downloads: Some(max), ..at_most(1) });
        let delivery = shop.click(&click_from(HOME[0], click(1, 1, at(0)))).unwrap().delivery;
        let offer = shop.click(&click_from(PHONE[0], click(2, 1, at(0)))).unwrap().delivery;
        assert!(shop.admit(&ask_from(HOME[0], ask(delivery, "a", 1, at(0)))).unwrap().opened);
        (shop, delivery, offer)
    };
    let new = click_from(PHONE[0], click(3, 1, at(2)));
    let asked = |delivery| ask_from(PHONE[0], ask(delivery, "b", 1, at(2)));
    // The last download runs elsewhere: waiting for its end does not help here.
    let (mut shop, delivery, offer) = full(1);
    refused_click(&mut shop, &new, Refusal::TooManyNetworks);
    refused(&mut shop, &asked(offer), Refusal::TooManyNetworks);
    assert_eq!(Account::clone(&shop.account).click(&click(3, 1, at(2)), &shop.link), Err(Refusal::TooManyNetworks));
    // All are used: going home does not help.
    shop.report(delivery, "a", sent(0, SIZE, SIZE, at(1))).unwrap();
    refused_click(&mut shop, &new, Refusal::LimitReached);
    refused(&mut shop, &asked(offer), Refusal::LimitReached);
    // The time is over: the same.
    let (mut shop, delivery, offer) = full(5);
    shop.account.grant.expires = Some(at(1));
    shop.report(delivery, "a", sent(0, SIZE, SIZE, at(1))).unwrap();
    refused_click(&mut shop, &new, Refusal::Expired);
    refused(&mut shop, &asked(offer), Refusal::Expired);
    refused(&mut shop, &asked(delivery), Refusal::TooManyNetworks);
    refused(&mut shop, &Ask { now: at(2 * DAY), ..asked(delivery) }, Refusal::LinkExpired);
    // Connections and bytes are of the download, the network is of the grant.
    let (mut shop, delivery, _) = full(5);
    shop.account.grant.policy.connections_max = 1;
    refused(&mut shop, &asked(delivery), Refusal::TooManyNetworks);
}

#[test]
fn a_request_that_is_asked_twice_is_one_network_and_a_reset_forgets_all() {
    let mut shop = Shop::with_policy(at_most(1));
    let delivery = shop.click(&click_from(HOME[0], click(1, 1, at(0)))).unwrap().delivery;
    let first = ask_from(HOME[0], ask(delivery, "a", 1, at(0)));
    for _ in 0..3 {
        shop.admit(&first).map(drop).unwrap();
    }
    assert_eq!(seen(&shop).len(), 1);
    shop.account.grant.amend(&Amendment::Reset);
    assert!(seen(&shop).is_empty());
    let moved = Ask { range: range("bytes=0-9"), ..ask_from(PHONE[0], ask(delivery, "b", 1, at(1))) };
    shop.admit(&moved).map(drop).unwrap();
    assert_eq!(seen(&shop), ["2001:db8:0:100::/56"]);
    refused(&mut shop, &ask_from(HOME[0], ask(delivery, "c", 1, at(1))), Refusal::TooManyNetworks);
}
