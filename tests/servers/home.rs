//! Where a private web server lies: a temporary directory with the same places in it, whichever web server it is.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The directory of a web server, and its port.
pub struct Home {
    directory: TempDir,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

impl Home {
    /// An empty one.
    pub fn new(server: &str, port: u16) -> Self {
        Self { directory: tempfile::Builder::new().prefix(&format!("cloakroom-{server}-")).tempdir().unwrap(), port }
    }

    /// The directory itself.
    pub fn home(&self) -> &Path {
        self.directory.path()
    }

    /// A place in it.
    pub fn place(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// The directory of the masters: `/srv/downloads` in the examples.
    pub fn downloads(&self) -> PathBuf {
        self.place("downloads")
    }

    /// The public directory of stubs: `/srv/www/pub` in the examples.
    pub fn public(&self) -> PathBuf {
        self.place("pub")
    }

    /// The public directory of copies: `/srv/www/goods` in the examples.
    pub fn goods(&self) -> PathBuf {
        self.place("goods")
    }

    /// The file by which it asks for a password there: `/var/lib/cloakroom-htpasswd/goods` in the examples.
    pub fn htpasswd(&self) -> PathBuf {
        self.place("htpasswd/goods")
    }

    /// The site's document root.
    pub fn root(&self) -> PathBuf {
        self.place("www")
    }

    /// The report that Cloakroom follows: `cloakroom.log` in the examples.
    pub fn access_log(&self) -> PathBuf {
        self.place("log/cloakroom.log")
    }

    /// The lines of the report so far, whole ones only.
    pub fn reported(&self) -> Vec<String> {
        let text = fs::read_to_string(self.access_log()).unwrap_or_default();
        text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
    }

    /// What the web server says of itself.
    pub fn error_log(&self) -> String {
        fs::read_to_string(self.place("log/error.log")).unwrap_or_default()
    }
}
