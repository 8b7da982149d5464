//! Another user who may write in the public directory does all the harm that can be done there, for half a minute.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::pub_directory::{around, clicked, link, master, rows};
use crate::servers::compiled::Compiled;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::content;
use crate::servers::until;

/// Does harm in a public directory.
static HOSTILE: Compiled = Compiled::of("stubs_kept/hostile.c", &[]);

const SECONDS: &str = "30";

/// `nobody` of most systems.
const OTHER: &str = "65534";

/// What lies below a directory.
#[derive(Debug, Default)]
struct Tree {
    /// Files of the hostile process, by what stands in them.
    files: usize,
    /// Its links.
    links: usize,
    /// Links of the daemon, and where they lead.
    ours: Vec<String>,
}

fn look(directory: &Path, target: &str, tree: &mut Tree) {
    // What is ours may go while we look.
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        let Ok(about) = path.symlink_metadata() else { continue };
        if about.is_symlink() {
            let Ok(to) = fs::read_link(&path).map(|to| to.to_str().unwrap().to_owned()) else { continue };
            if to == target {
                assert_ne!((about.uid(), rustix::process::geteuid().is_root()), (0, true), "we placed a link to {to}");
                tree.links += 1;
            } else {
                tree.ours.push(to);
            }
        } else if about.is_dir() {
            look(&path, target, tree);
        } else {
            tree.files += usize::from(fs::read_to_string(&path).is_ok_and(|text| text == "theirs"));
        }
    }
}

#[test]
fn a_hostile_process_in_the_public_directory_loses_nothing_and_makes_us_place_and_serve_nothing() {
    let site = around(&NginxSetup::default(), "resume_grace = \"1s\"", true);
    let bytes = content(10_000);
    master(&site, "a.zip", bytes.len());
    let link = link(&site, "a.zip", 1_000_000);
    let (there, private) = (site.nginx.public(), tempfile::tempdir().unwrap());
    let target = private.path().join("private");
    fs::write(&target, "private").unwrap();
    let target = target.to_str().unwrap().to_owned();
    // Whoever may write in the directory must be able to come there.
    fs::set_permissions(there.parent().unwrap(), PermissionsExt::from_mode(0o711)).unwrap();
    fs::set_permissions(&there, PermissionsExt::from_mode(0o777)).unwrap();
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", OTHER, "--regid", OTHER, "--clear-groups", HOSTILE.path()]);
        command
    } else {
        println!("not root: the hostile process is the daemon's own user, which owns and may enter what others may not");
        Command::new(HOSTILE.path())
    };
    command.arg(&there).args([SECONDS, &target]).stdout(Stdio::piped());
    let running = command.spawn().expect("setpriv is installed (tests/run does it)");
    let reading = thread::spawn(move || running.wait_with_output().unwrap());
    let (mut led, mut whole, mut refused) = (0, 0, 0);
    while !reading.is_finished() {
        let answer = clicked(&site, &link, &format!("customer {}", led % 50));
        if answer.status == 303 {
            led += 1;
            let got = site.get(answer.header("location").unwrap());
            if got.status == 200 {
                assert!(got.body == bytes, "a foreign byte");
                whole += 1;
            }
        } else {
            refused += 1;
        }
    }
    let output = reading.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    let files = told.lines().filter(|line| line.ends_with("/theirs") || !line.starts_with("theirs-")).count();
    println!(
        "{led} clicks led to a stub, {whole} of them to the whole file, {refused} were refused; {} things of others",
        told.lines().count()
    );
    assert!(led > 100 && whole > 20 && files > 20, "{led} {whole} {refused} {files}");

    until("what was placed is over", || rows(&site.cloakroom, "live").is_empty().then_some(()));
    // What is theirs may be on its way back to where it was.
    let tree = until("everything of others is still there", || {
        let mut tree = Tree::default();
        look(&there, &target, &mut tree);
        (tree.files + tree.links == told.lines().count()).then_some(tree)
    });
    assert_eq!(fs::read_to_string(&target).unwrap(), "private");
    let master = site.nginx.downloads().join("a.zip");
    assert!(tree.ours.iter().all(|to| Path::new(to) == master), "{tree:?}");
    assert!(fs::read(&master).unwrap() == bytes);
    assert!(site.cloakroom.said(&["foreign_file"]) > 0);
    // And then everything goes on.
    let to = until("a click leads to a stub", || {
        let answer = clicked(&site, &link, "afterwards");
        assert!([303, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 303).then(|| answer.header("location").unwrap().to_owned())
    });
    assert!(site.get(&to).body == bytes);
}
