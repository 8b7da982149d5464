//! Downloads through a real nginx and the real daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;

use servers::cloakroom::Cloakroom;
use servers::http::get;
use servers::nginx::{Nginx, NginxSetup};

#[test]
fn a_signed_url_opens_its_file_and_nothing_else_does() {
    let nginx = Nginx::start(&NginxSetup::default());
    fs::write(nginx.downloads().join("a.zip"), b"the goods").unwrap();
    let cloakroom = Cloakroom::behind(&nginx, "");
    let url = cloakroom.sign("masters/a.zip");
    let target = url.strip_prefix(&format!("http://127.0.0.1:{}", nginx.port)).unwrap();
    let answer = get(nginx.port, target, &[]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "the goods"));
    let bare = get(nginx.port, "/dl/f/masters/a.zip", &[]);
    assert_eq!((bare.status, bare.header("cloakroom-refusal")), (401, Some("no_proof")));
    nginx.assert_calm();
}
