//! Killed at each single step that reaches the disk, one after the other: what was answered is durable.

use std::fs;
use std::thread;

use crate::books::{Books, integrity};
use crate::customers::delivery_of;
use crate::disk::LIBRARY;
use crate::servers::http::try_get;
use crate::servers::until;
use crate::shop::Shop;

/// Hands that work at it at once.
const HANDS: u32 = 2;

/// More steps than the play has.
const STEPS_MAX: u32 = 1000;

/// What was answered before the end.
#[derive(Debug, Default)]
struct Answered {
    /// The grant, and its link.
    issued: Option<(String, String)>,
    /// Where the click led.
    clicked: Option<String>,
    sent: bool,
    settled: bool,
}

/// Issues, clicks, fetches, settles and stops, as far as it comes.
fn play(shop: &mut Shop) -> Answered {
    let mut answered = Answered::default();
    let port = shop.nginx.port;
    let api = shop.cloakroom.state().join("api.sock");
    let begun = until("the daemon listens or ends", || {
        if shop.cloakroom.has_ended() {
            return Some(false);
        }
        std::os::unix::net::UnixStream::connect(&api).is_ok().then_some(true)
    });
    if !begun {
        return answered;
    }
    answered.issued = shop.link("small.bin", 2);
    let Some((_, link)) = &answered.issued else { return answered };
    answered.clicked =
        try_get(port, link).filter(|answer| answer.status == 303).and_then(|answer| Some(answer.header("location")?.to_owned()));
    let Some(delivery) = &answered.clicked else { return answered };
    answered.sent = try_get(port, delivery).is_some_and(|answer| answer.status == 200 && answer.body.len() == 20_000);
    if !answered.sent {
        return answered;
    }
    let id = delivery_of(delivery);
    answered.settled = until("the report or the end", || {
        if shop.cloakroom.has_ended() {
            return Some(false);
        }
        let known = shop.api("GET", &format!("/api/v1/deliveries/{id}"), "")?;
        (known["state"] == "completed").then_some(true)
    });
    answered
}

#[test]
fn killed_at_each_step_that_reaches_the_disk_it_keeps_what_it_answered() {
    let played: Vec<(u32, u32)> = thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS).map(|hand| scope.spawn(move || every_other_step(hand))).collect();
        hands.into_iter().map(|hand| hand.join().unwrap()).collect()
    });
    let steps: u32 = played.iter().map(|(steps, _)| steps).sum();
    let kept: u32 = played.iter().map(|(_, kept)| kept).sum();
    println!("killed at {steps} steps, {kept} times after an answer");
    assert!(steps > 60, "only {steps} steps: the library does not see them");
    assert!(kept > 20, "only {kept} of {steps} times something was answered before");
}

/// Gives how often it was killed, and how often something had been answered before.
fn every_other_step(hand: u32) -> (u32, u32) {
    let mut shop = Shop::open("resume_grace = \"1h\"", "");
    let (mut killed, mut kept) = (0, 0);
    for step in (1 + hand..STEPS_MAX).step_by(HANDS as usize) {
        shop.cloakroom.kill();
        for entry in fs::read_dir(shop.cloakroom.state()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("cloakroom.db") {
                fs::remove_file(path).unwrap();
            }
        }
        // The lines of other plays tell of deliveries that are not there, and that is all that is read of them.
        shop.cloakroom.environment = vec![("LD_PRELOAD", LIBRARY.path().to_owned()), ("CLOAKROOM_KILL_AT", step.to_string())];
        shop.cloakroom.launch();
        let answered = play(&mut shop);
        if !shop.cloakroom.has_ended() && shop.cloakroom.stop() {
            assert!(answered.settled, "step {step}: it ran to its end: {answered:?}");
            return (killed, kept);
        }
        killed += 1;
        kept += u32::from(answered.issued.is_some());
        shop.cloakroom.kill();
        shop.cloakroom.environment.clear();
        shop.cloakroom.launch();
        shop.listens();
        until("an answer", || shop.api("GET", "/api/v1/deliveries", ""));
        assert_kept(&shop, step, &answered);
        assert!(shop.cloakroom.stop(), "step {step}: it ends well");
        assert_eq!(integrity(&shop.file()), "ok", "step {step}");
    }
    panic!("the play has more than {STEPS_MAX} steps");
}

#[track_caller]
fn assert_kept(shop: &Shop, step: u32, answered: &Answered) {
    let Some((grant, link)) = &answered.issued else { return };
    let books = Books::read(&shop.file());
    books.assert_true(&format!("step {step}"));
    assert!(books.grants.contains_key(grant), "step {step}: {answered:?}");
    let Some(delivery) = &answered.clicked else {
        let again = try_get(shop.nginx.port, link).unwrap();
        assert_eq!(again.status, 303, "step {step}: the link leads on: {again:?}");
        return;
    };
    let id = delivery_of(delivery);
    assert!(books.deliveries.contains_key(&id), "step {step}: {answered:?}");
    if answered.sent {
        let books = until("the report", || {
            let books = Books::read(&shop.file());
            (books.deliveries[&id].state == "completed").then_some(books)
        });
        books.assert_true(&format!("step {step}"));
        assert_eq!((books.grants[grant].used, books.grants[grant].reserved), (1, 0), "step {step}: {answered:?}");
    }
}
