//! What is written in C for tests.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Something written in C, compiled once.
pub struct Compiled {
    /// In the folder of the tests.
    source: &'static str,
    arguments: &'static [&'static str],
    made: OnceLock<(TempDir, String)>,
}

impl Compiled {
    /// `source`, with what more the compiler is told: `-shared -fPIC` for a library that is put before those of the daemon.
    pub const fn of(source: &'static str, arguments: &'static [&'static str]) -> Self {
        Self { source, arguments, made: OnceLock::new() }
    }

    /// Where it lies.
    pub fn path(&self) -> &str {
        &self.made.get_or_init(|| self.make()).1
    }

    fn make(&self) -> (TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(self.source);
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&path).arg(source).args(self.arguments);
        let output = cc.output().expect("cc is installed (tests/run does it)");
        assert!(output.status.success(), "{output:?}");
        // Others than this user run it, too.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let text = path.to_str().unwrap().to_owned();
        (directory, text)
    }
}
