//! The daemon goes and comes back under load, with the shipped configuration of nginx, as systemd would do it: the socket
//! stays open meanwhile. No customer may notice.

use std::time::{Duration, Instant};

use crate::load::{Ask, Ended, Load};
use crate::servers::site::Site;
use crate::servers::until;
use crate::sockets::passed;

/// What customers ask for: files handed off, and pages that the site serves itself.
fn questions(site: &Site) -> Vec<Ask> {
    site.master("a.bin", b"the file");
    site.page("members/a.txt", b"for members");
    // While an answer breaks off, nginx's error log names the whole address: these are in no log of ours all the same.
    let origin = format!("http://127.0.0.1:{}", site.nginx.port);
    let sign = |what: &str| site.cloakroom.sign(what).strip_prefix(&origin).unwrap().to_owned();
    let (file, page) = (sign("masters/a.bin"), sign("/members/a.txt"));
    let ask = |method, target: &str, body: &[u8]| Ask { method, target: target.to_owned(), body: body.to_vec() };
    vec![ask("GET", &file, b"the file"), ask("HEAD", &file, b""), ask("GET", &page, b"for members"), ask("HEAD", &page, b"")]
}

/// Ends the daemon and starts it again, `times` times, each time once all who waited for the one before have had their
/// answer: nobody meets two ends. No pause hides the gap: it is started as soon as it has ended.
fn again_and_again(times: usize, end: impl Fn(&mut Site)) -> Ended {
    let mut site = passed();
    let load = Load::of(site.nginx.port, &questions(&site));
    let mut in_gaps = 0;
    for time in 0..times {
        let (before, lives) = (load.answers(), Instant::now());
        // Most die young, and one in ten when nginx keeps connections to it.
        let long = if time % 10 == 0 { Duration::from_millis(800) } else { Duration::ZERO };
        let all_had_theirs = || load.answers().iter().zip(&before).all(|(now, before)| now > before);
        until("answers of the new one", || (all_had_theirs() && lives.elapsed() > long).then_some(()));
        end(&mut site);
        // Whoever waits now was cut off by its end or has come since: no gap is without load.
        in_gaps += until("a request in the gap", || Some(load.waiting()).filter(|waiting| *waiting > 0));
        site.cloakroom.launch();
    }
    let seen = load.asked();
    until("answers of the last one", || (load.asked() > seen + 40).then_some(()));
    println!("{times} times, {in_gaps} requests waited while it was gone");
    load.end()
}

#[test]
fn a_hundred_restarts_under_load_cost_no_request() {
    let ended = again_and_again(100, |site| assert!(site.cloakroom.stop(), "it ends well"));
    assert!(ended.asked > 4000, "{}", ended.asked);
    ended.assert_good("100 restarts");
}

#[test]
fn a_hundred_sudden_deaths_under_load_cost_no_request() {
    let ended = again_and_again(100, |site| site.cloakroom.kill());
    assert!(ended.asked > 4000, "{}", ended.asked);
    ended.assert_good("100 sudden deaths");
}
