//! What is written in C for these tests, compiled once.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Compiles `source` of the tests' folder with these arguments; where it lies.
fn compiled(source: &str, arguments: &[&str]) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(source);
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&path).arg(source).args(arguments);
    let output = cc.output().expect("cc is installed (tests/run does it)");
    assert!(output.status.success(), "{output:?}");
    // Others than this user run it, too.
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let text = path.to_str().unwrap().to_owned();
    (directory, text)
}

/// A library that ends the daemon at a step of copying.
pub fn steps() -> &'static str {
    static MADE: OnceLock<(TempDir, String)> = OnceLock::new();
    &MADE.get_or_init(|| compiled("stubs_kept/steps.c", &["-DCOPIES", "-shared", "-fPIC"])).1
}

/// A program that does harm in a directory of copies.
pub fn hostile() -> &'static str {
    static MADE: OnceLock<(TempDir, String)> = OnceLock::new();
    &MADE.get_or_init(|| compiled("copies/hostile.c", &[])).1
}
