//! Another user who may write in the directory of copies does all the harm that can be done there, for half a minute.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::served::{Bought, buy, get};
use crate::servers::compiled::Compiled;
use crate::servers::site::{Site, content};
use crate::servers::{names_in, until};

/// Does harm in a directory of copies.
static HOSTILE: Compiled = Compiled::of("copies/hostile.c", &[]);

const SECONDS: &str = "30";

/// `nobody` of most systems.
const OTHER: u32 = 65_534;

/// So many customers have copies at a time.
const CUSTOMERS: usize = 12;

/// Sizes of the master's versions.
const SIZES: [usize; 4] = [20_000, 20_001, 30_000, 50_000];

/// What lies below a directory.
#[derive(Debug, Default)]
struct Tree {
    files: usize,
    links: usize,
    /// Files that looked like copies, and their second names.
    twins: usize,
    names: usize,
    /// Copies.
    ours: usize,
}

fn is_version(bytes: &[u8]) -> bool {
    SIZES.iter().any(|size| bytes == content(*size))
}

/// What the hostile process wrote itself, as far as it is written: who may put a file at a name makes the web server send it.
fn is_theirs(bytes: &[u8]) -> bool {
    b"theirs".starts_with(bytes) || bytes.iter().all(|byte| *byte == b'x')
}

fn look(directory: &Path, tree: &mut Tree) {
    // What is ours may go while we look.
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        let Ok(about) = path.symlink_metadata() else { continue };
        let is_theirs = about.uid() == OTHER;
        if about.is_symlink() {
            assert!(is_theirs, "we placed a link: {}", path.display());
            tree.links += 1;
        } else if about.is_dir() {
            look(&path, tree);
        } else if is_theirs {
            let is_twin = path.file_name().unwrap().to_str().unwrap().starts_with("twin-");
            let is_file = fs::read(&path).is_ok_and(|bytes| bytes == b"theirs");
            tree.files += usize::from(is_file);
            tree.twins += usize::from(is_twin);
            tree.names += usize::from(!is_file && !is_twin);
        } else {
            let Ok(bytes) = fs::read(&path) else { continue };
            assert!(is_version(&bytes), "{} of ours holds foreign bytes", path.display());
            assert_eq!((about.uid(), about.mode() & 0o7777), (0, 0o640), "{}", path.display());
            tree.ours += 1;
        }
    }
}

#[test]
fn a_hostile_process_in_the_directory_of_copies_loses_nothing_and_makes_us_copy_and_serve_nothing_else() {
    assert!(rustix::process::geteuid().is_root(), "the hostile process is another user: this test must be root for it");
    let site = Site::with_copies("max_downloads = \"unlimited\"", true);
    site.master("a.zip", &content(SIZES[0]));
    let (there, private) = (site.nginx.goods(), tempfile::tempdir().unwrap());
    let target = private.path().join("private");
    fs::write(&target, "private").unwrap();
    fs::set_permissions(&target, PermissionsExt::from_mode(0o600)).unwrap();
    let untouched = target.metadata().unwrap();
    // Whoever may write in the directory must be able to come there.
    fs::set_permissions(there.parent().unwrap(), PermissionsExt::from_mode(0o711)).unwrap();
    fs::set_permissions(&there, PermissionsExt::from_mode(0o777)).unwrap();
    let other = OTHER.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &other, "--regid", &other, "--clear-groups", HOSTILE.path()]);
    command.arg(&there).args([SECONDS, target.to_str().unwrap()]).stdout(Stdio::piped());
    let running = command.spawn().expect("setpriv is installed (tests/run does it)");
    let reading = thread::spawn(move || running.wait_with_output().unwrap());
    let mut customers: Vec<Bought> = Vec::new();
    let (mut sold, mut led, mut whole, mut theirs, mut refused) = (0, 0, 0, 0, 0);
    while !reading.is_finished() {
        sold += 1;
        customers.push(buy(&site, "masters/a.zip", &[]));
        if customers.len() > CUSTOMERS {
            site.cloakroom.say(&["grant", "revoke", &customers.remove(0).id]);
        }
        if sold % 8 == 0 {
            site.master("a.zip", &content(SIZES[sold / 8 % SIZES.len()]));
        }
        for bought in &customers {
            let clicked = get(&site, &bought.link);
            led += usize::from(clicked.status == 303);
            assert!([303, 503].contains(&clicked.status), "{clicked:?}");
            let target = clicked.header("location").unwrap_or(&bought.copy).to_owned();
            let got = site.ask("GET", &target, &[("Authorization", &bought.login)]);
            match got.status {
                200 if is_version(&got.body) => whole += 1,
                200 => {
                    assert!(is_theirs(&got.body), "foreign bytes: {}", got.text());
                    theirs += 1;
                }
                301 | 403 | 404 => refused += 1,
                status => panic!("{status} {}", got.text()),
            }
        }
    }
    let output = reading.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    let left = |what: &str| told.lines().filter(|line| line.starts_with(what)).count();
    let (files, links, twins, seconds) = (left("file "), left("link "), left("twin "), left("name "));
    println!(
        "{sold} grants; {led} clicks led to a copy; {whole} times the whole file came, {theirs} times what the other user had put \
         at its name, {refused} times nothing; {files} files, {links} links and {twins} look-alikes of others"
    );
    assert!(sold > 8 && led > 10 && whole > 10 && files > 3 && links > 3 && seconds > 0, "{told}");

    for bought in &customers {
        site.cloakroom.say(&["grant", "revoke", &bought.id]);
    }
    until("what was copied is over", || {
        let listed = site.cloakroom.json(&["stub", "list"]);
        listed["placed"].as_array().unwrap().is_empty().then_some(())
    });
    // What is theirs may be on its way back to where it was.
    let tree = until("everything of others is still there", || {
        let mut tree = Tree::default();
        look(&there, &mut tree);
        ((tree.files, tree.links, tree.twins, tree.names) == (files, links, twins, seconds)).then_some(tree)
    });
    assert!(tree.ours > 0, "it took some away: {tree:?}");
    let after = target.metadata().unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "private");
    let state = |about: &fs::Metadata| (about.mode(), about.gid(), about.mtime_nsec(), about.ctime(), about.ctime_nsec(), about.nlink());
    assert_eq!(state(&after), state(&untouched));
    assert!(is_version(&fs::read(site.nginx.downloads().join("a.zip")).unwrap()));
    // And then everything goes on.
    let before = names_in(&there);
    let bought = buy(&site, "masters/a.zip", &[]);
    until("the copy", || (bought.fetch(&site).status == 200).then_some(()));
    assert!(is_version(&bought.fetch(&site).body));
    assert_eq!(names_in(&there).len(), before.len() + 1);
}
