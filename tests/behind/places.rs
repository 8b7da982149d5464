//! The same site behind each web server, and the ways in which they ask.

use std::fs::File;
use std::time::Duration;

use crate::servers::apache::{ApacheSetup, Downloads, Members};
use crate::servers::desk::Desk;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::{ApacheSite, Site};

/// How a web server asks and hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// nginx: `auth_request`, or `proxy_pass` and `X-Accel-Redirect`.
    Nginx,
    /// (a) Apache: `mod_authnz_fcgi` from a `<Location>`.
    Location,
    /// (a) the same from `.htaccess`.
    Htaccess,
    /// (b) Apache: `mod_proxy_http` and `mod_xsendfile`.
    Xsendfile,
    /// (c) Apache: `mod_proxy_scgi` and `ProxySCGIInternalRedirect`.
    Scgi,
    /// (d) Apache: `RewriteMap prg:` and `cloakroom rewrite-map`.
    RewriteMap,
}

impl Way {
    /// Every way of Apache's.
    pub const APACHE: [Self; 5] = [Self::Location, Self::Htaccess, Self::Xsendfile, Self::Scgi, Self::RewriteMap];

    /// Those in which Apache asks about a page of its own.
    pub const AUTHORIZERS: [Self; 2] = [Self::Location, Self::Htaccess];
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// May this page pass?
    Authorize,
    /// Give me this download.
    Download,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Authorize, Self::Download];

    /// What the addresses of the files of [`Places::put`] begin with.
    pub const fn base(self) -> &'static str {
        match self {
            Self::Authorize => "/members",
            Self::Download => "/dl/f/masters",
        }
    }
}

/// Four sites with the same files and the same configuration: every way is one of them.
pub struct Places {
    pub nginx: Site,
    /// `members.conf` and `downloads.conf`.
    pub main: ApacheSite,
    /// `members.htaccess` and `xsendfile.conf`.
    pub other: ApacheSite,
    /// `rewrite-map.conf`.
    pub mapped: ApacheSite,
}

/// What nginx says of a file, Apache says too: these lines stand in the host.
const LIKE_NGINX: &str = "  DirectoryIndex index.html\n";

impl Places {
    /// With these lines in `cloakroom.toml`.
    #[track_caller]
    pub fn open(more: &str) -> Self {
        let apache = |members, downloads| {
            ApacheSite::around(&ApacheSetup { members, downloads, host: LIKE_NGINX.to_owned(), ..ApacheSetup::default() }, more)
        };
        Self {
            nginx: Site::around(&NginxSetup::default(), more),
            main: apache(Members::Location, Downloads::Scgi),
            other: apache(Members::Htaccess, Downloads::Xsendfile),
            mapped: apache(Members::Location, Downloads::RewriteMap),
        }
    }

    fn desks(&self) -> [&Desk; 4] {
        [&self.nginx, &self.main, &self.other, &self.mapped]
    }

    /// Puts a file where pages lie and where masters lie, on each site; an hour old, since Apache calls the tag of a file weak
    /// that was written a moment ago.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        for desk in self.desks() {
            for path in [desk.master(name, bytes), desk.page(&format!("members/{name}"), bytes)] {
                let file = File::options().write(true).open(path).unwrap();
                let now = file.metadata().unwrap().modified().unwrap();
                file.set_modified(now - Duration::from_hours(1)).unwrap();
            }
        }
    }

    /// The ways in which this is asked.
    pub fn ways(&self, kind: Kind) -> Vec<(Way, &Desk)> {
        let [nginx, main, other, mapped] = self.desks();
        match kind {
            Kind::Authorize => vec![(Way::Nginx, nginx), (Way::Location, main), (Way::Htaccess, other)],
            Kind::Download => vec![(Way::Nginx, nginx), (Way::Scgi, main), (Way::Xsendfile, other), (Way::RewriteMap, mapped)],
        }
    }
}
