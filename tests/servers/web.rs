//! The web server of a shop, whichever it is: scenes that hold for each of them are played before all.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::thread;

use super::apache::{Apache, ApacheSetup, Downloads};
use super::cloakroom::Cloakroom;
use super::desk::Desk;
use super::home::Home;
use super::nginx::{Nginx, NginxSetup};

/// How a download gets from Cloakroom's answer to the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// nginx, by `X-Accel-Redirect`.
    Nginx,
    /// Apache, by `mod_proxy_scgi` and `ProxySCGIInternalRedirect`.
    Scgi,
    /// Apache, by `mod_proxy_http` and `mod_xsendfile`.
    Xsendfile,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::Nginx, Self::Scgi, Self::Xsendfile];

    /// Those that need no module from elsewhere.
    pub const STOCK: [Self; 2] = [Self::Nginx, Self::Scgi];

    /// Those in which the web server keeps to the rate of a link.
    pub const WITH_RATES: [Self; 2] = [Self::Nginx, Self::Scgi];

    /// Plays a scene in each of these ways, all at the same time; a thread's name says which one failed.
    #[track_caller]
    pub fn each(ways: &[Self], scene: impl Fn(Self) + Sync) {
        assert!(!ways.is_empty());
        let scene = &scene;
        thread::scope(|scope| {
            for way in ways.iter().copied() {
                thread::Builder::new().name(format!("{way:?}")).spawn_scoped(scope, move || scene(way)).unwrap();
            }
        });
    }

    /// The same in all of them.
    #[track_caller]
    pub fn every(scene: impl Fn(Self) + Sync) {
        Self::each(&Self::ALL, scene);
    }

    /// Starts a web server that hands downloads over in this way. `rate`, in KiB/s, is that of all its downloads where it
    /// cannot keep to that of a link.
    #[track_caller]
    pub fn start(self, rate: Option<u64>) -> Web {
        let apache = |setup: ApacheSetup| Web::Apache(Apache::start(&setup));
        match self {
            Self::Nginx => Web::Nginx(Nginx::start(&NginxSetup::default())),
            Self::Scgi => apache(ApacheSetup { downloads: Downloads::Scgi, ..ApacheSetup::default() }),
            Self::Xsendfile => {
                let host = rate.map_or_else(String::new, |rate| {
                    format!("<Location \"/dl/\">\n  SetOutputFilter RATE_LIMIT\n  SetEnvIfExpr true rate-limit={rate}\n</Location>\n")
                });
                apache(ApacheSetup { downloads: Downloads::Xsendfile, host, modules: &["ratelimit"], ..ApacheSetup::default() })
            }
        }
    }
}

/// A running web server. Ends with this value.
pub enum Web {
    Nginx(Nginx),
    Apache(Apache),
}

impl Deref for Web {
    type Target = Home;

    fn deref(&self) -> &Home {
        match self {
            Self::Nginx(nginx) => nginx,
            Self::Apache(apache) => apache,
        }
    }
}

impl Web {
    /// Fails the test if it had something grave to say.
    #[track_caller]
    pub fn assert_calm(&self) {
        match self {
            Self::Nginx(nginx) => nginx.assert_calm(),
            Self::Apache(apache) => apache.assert_calm(),
        }
    }

    /// What is about nginx alone.
    #[track_caller]
    pub fn nginx(&self) -> &Nginx {
        match self {
            Self::Nginx(nginx) => nginx,
            Self::Apache(_) => panic!("this web server is Apache"),
        }
    }

    /// A daemon behind it, with these lines under `[[storage]]` and in `cloakroom.toml`, and no feed but what these say.
    #[track_caller]
    pub fn cloakroom(&self, storage: &str, more: &str) -> Cloakroom {
        match self {
            Self::Nginx(nginx) => Cloakroom::storing(nginx, storage, more),
            Self::Apache(apache) => Cloakroom::storing_behind_apache(apache, storage, more),
        }
    }

    /// A daemon behind it that reads its report, with these lines in `cloakroom.toml`.
    #[track_caller]
    pub fn reporting(&self, more: &str) -> Cloakroom {
        self.cloakroom("", &format!("{}\n{more}", feed(&self.access_log())))
    }
}

/// The lines of `[feed]` for this file.
pub fn feed(log: &Path) -> String {
    format!("[feed]\naccess_log = \"{}\"\n", log.display())
}

/// A web server and the daemon behind it. When this value ends, no log may hold a secret that went through it.
pub struct WebSite {
    desk: Desk,
    pub web: Web,
}

impl Deref for WebSite {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.desk
    }
}

impl DerefMut for WebSite {
    fn deref_mut(&mut self) -> &mut Desk {
        &mut self.desk
    }
}

impl WebSite {
    /// As [`Web::cloakroom`].
    #[track_caller]
    pub fn of(web: Web, storage: &str, more: &str) -> Self {
        let cloakroom = web.cloakroom(storage, more);
        Self { desk: Desk::new(cloakroom, &web), web }
    }
}

impl Drop for WebSite {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.desk.close(&self.web);
            self.web.assert_calm();
        }
    }
}
