//! `[feed]`: where reports of what was sent come from.

use std::path::PathBuf;

/// Where reports of what the web server sent come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// The access log in the shipped format, at this path.
    AccessLog(PathBuf),
    /// A datagram socket to which the web server sends the same lines by syslog.
    Syslog {
        /// The socket's path.
        path: PathBuf,
        /// Its mode, default 0660.
        mode: u32,
        /// The name of its group, default that of the directory.
        group: Option<String>,
    },
    /// `POST /api/v1/reports`: what `cloakroom feed` reads from its standard input.
    Api,
}

impl Feed {
    /// Its word in the API and in what commands print.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::AccessLog(_) => "access-log",
            Self::Syslog { .. } => "syslog",
            Self::Api => "api",
        }
    }
}
