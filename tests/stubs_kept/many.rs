//! Very many stubs, due at once: whoever asks meanwhile is answered.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use cloakroom::domain::id::DeliveryId;
use rusqlite::{Connection, params};
use tokio::time::Instant;

use crate::pub_directory::{agree, click, clicked, link, master, names, rows, site, store};
use crate::servers::until;

const MANY: usize = 10_000;

/// No answer may take longer; a debug build on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many that the daemon asks its store what it knows while it reads them.
const CROWD: usize = 130_000;

/// A name of 26 letters.
fn name(number: usize) -> String {
    format!("{number:026}")
}

#[test]
fn very_many_that_are_due_at_once_delay_no_answer_and_are_all_gone() {
    let mut site = site("");
    let url = master(&site, "a.zip", 1000);
    let to = click(&site, &url, "stays");
    site.cloakroom.kill();
    let mut database = Connection::open(store(&site.cloakroom)).unwrap();
    let together = database.transaction().unwrap();
    for number in 0..MANY {
        let directory = site.nginx.public().join(name(number));
        fs::create_dir(&directory).unwrap();
        symlink(site.nginx.downloads().join("a.zip"), directory.join("a.zip")).unwrap();
        // The deliveries of these are over, and forgotten.
        let mut over = [7; 12];
        over[..8].copy_from_slice(&number.to_be_bytes());
        let copied = together.execute(
            "INSERT INTO placed (name, directory, what, delivery, grant_id, storage, path, leaf, placed, due, stay, gone) \
             SELECT ?1, directory, what, ?2, grant_id, storage, path, leaf, placed, 1, stay, gone FROM placed WHERE name = ?3",
            params![name(number), DeliveryId::new(over).to_string(), crate::pub_directory::name(&to)],
        );
        assert_eq!(copied.unwrap(), 1);
    }
    together.commit().unwrap();
    drop(database);
    let began = Instant::now();
    site.cloakroom.start();
    let ready = began.elapsed();
    let other = link(&site, "a.zip", 1000);
    let mut took = Vec::new();
    until("all are gone", || {
        for customer in 0..20 {
            let asked = Instant::now();
            assert_eq!(clicked(&site, &other, &format!("customer {customer}")).status, 303);
            took.push(asked.elapsed());
        }
        rows(&site.cloakroom, "going").is_empty().then_some(()).filter(|()| names(&site).len() <= 21)
    });
    let gone = began.elapsed();
    took.sort_unstable();
    let (middle, late, last) = (took[took.len() / 2], took[took.len() * 99 / 100], took[took.len() - 1]);
    println!(
        "{MANY} due at once: ready after {ready:?}, gone after {gone:?}; {} clicks meanwhile: half within {middle:?}, 99 % within {late:?}, all within {last:?}",
        took.len()
    );
    assert!(took.len() >= 40 && last < PATIENCE, "{last:?}");
    assert_eq!(agree(&site).len(), 21);
    assert_eq!(site.get(&to).status, 200);
}

#[test]
fn a_crowd_of_names_that_look_like_ours_is_counted_and_what_is_ours_among_them_stays() {
    let mut site = site("");
    let url = master(&site, "a.zip", 1000);
    let (stays, goes) = (click(&site, &url, "stays"), click(&site, &url, "goes"));
    site.cloakroom.kill();
    let public = site.nginx.public();
    for number in 0..CROWD {
        fs::File::create(public.join(name(number))).unwrap();
    }
    // Nobody lists a directory in the order in which it was filled: one of ours is told early, one late, or neither.
    fs::remove_dir_all(public.join(crate::pub_directory::name(&goes))).unwrap();
    site.cloakroom.start();
    let directory = || site.cloakroom.json(&["stub", "list"])["directories"][0].clone();
    let logged = site.cloakroom.logged(&["foreign_files"]);
    assert!(logged.contains(&format!("more={}", CROWD - 100)), "{logged}");
    let found = directory();
    assert_eq!(found["foreign_total"], CROWD, "{found}");
    let first: Vec<&str> = found["foreign"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(first, (0..100).map(name).collect::<Vec<_>>());
    assert_eq!(rows(&site.cloakroom, "live"), [crate::pub_directory::name(&stays)]);
    assert_eq!((site.get(&stays).status, site.get(&goes).status), (200, 404));
    assert_eq!(names(&site).len(), CROWD + 1, "nothing of others is touched");
}
