//! Any line of a htpasswd file: an entry, nothing, or refused with a reason that says nothing of its hash. What is cheap is
//! computed; no password that was not asked for opens anything. A name put into any file is found there, and gone when
//! removed.
#![no_main]

use cloakroom::proof::htpasswd::file::{self, Line};
use cloakroom::proof::htpasswd::hash::Hash;
use cloakroom::proof::htpasswd::method::Method;
use cloakroom::proof::htpasswd::{edit, make};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for line in file::lines(bytes) {
        match file::read(line) {
            Line::Nothing => {}
            Line::Entry { user, hash } => {
                assert!(line.windows(user.len()).any(|part| part == user.as_bytes()));
                assert_eq!(Hash::parse(hash.text()).as_ref(), Ok(&*hash));
                assert!(!format!("{hash:?}").contains(hash.text()));
                if is_cheap(&hash) {
                    assert!(!hash.holds(b"nobody chose this password \xff"));
                }
            }
            Line::Faulty { wrong, .. } => assert!(!wrong.is_empty()),
        }
    }
    let hash = make::hash(make::New::Apr1, b"secret", [7; 16]).expect("it can be made");
    let (with, number, _) = edit::put(bytes, "alice", &hash);
    let found = file::lines(&with).nth(number - 1).map(file::read);
    // A line that is as long as none may be stays as it is.
    assert!(matches!(found, Some(Line::Entry { user: "alice", .. })) || with.len() > 4096, "{found:?}");
    let (without, count) = edit::remove(&with, "alice");
    assert!(count >= 1 && edit::remove(&without, "alice").1 == 0);
});

/// Whether a try costs less than a fuzzer has for it.
fn is_cheap(hash: &Hash) -> bool {
    match hash.method() {
        Method::Apr1 | Method::Md5Crypt | Method::Sha | Method::Ssha => true,
        Method::Bcrypt => hash.cost() == "cost 4",
        Method::Yescrypt | Method::Scrypt => hash.cost() == "1 MiB",
        Method::Sha256Crypt | Method::Sha512Crypt => hash.cost().len() < "10000 rounds".len(),
        Method::Argon2 | Method::Des | Method::Bsdi => false,
    }
}
