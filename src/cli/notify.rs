//! What systemd is told of the daemon: `sd_notify(3)`, and the watchdog. Costs nothing where nobody listens.

use std::env;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::clock;

/// Tells systemd, or nobody.
pub(super) struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Tells whom the environment names: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`. What cannot be used is logged.
    pub(super) fn of_environment() -> Self {
        let told = |name: &str| env::var(name).unwrap_or_default();
        let to = match told("NOTIFY_SOCKET").as_str() {
            "" => None,
            name => address(name).and_then(|address| Ok((UnixDatagram::unbound()?, address))).map_or_else(
                |error| {
                    tracing::warn!(
                        "NOTIFY_SOCKET=\"{}\" cannot be used, nobody is told that the daemon is ready: {error}",
                        name.escape_debug()
                    );
                    None
                },
                Some,
            ),
        };
        Self { to, watchdog: watchdog(&told("WATCHDOG_USEC"), &told("WATCHDOG_PID"), std::process::id()) }
    }

    /// Within which time systemd wants to be told again and again that all is alive; `None` where nobody waits for it.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.to.is_some())
    }

    /// Everything answers.
    pub(super) fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// A reload begins; [`Notifier::ready`] ends it.
    pub(super) fn reloading(&self) {
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reading the configuration", clock::monotonic_micros()));
    }

    /// The end begins.
    pub(super) fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=letting what runs end");
    }

    /// All is alive.
    pub(super) fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, text: &str) {
        if let Some((socket, address)) = &self.to
            && let Err(error) = socket.send_to_addr(text.as_bytes(), address)
        {
            tracing::warn!("systemd cannot be told ({}): {error}", text.split('\n').next().unwrap_or_default());
        }
    }
}

/// A path, or `@` and a name in the abstract namespace.
fn address(name: &str) -> std::io::Result<SocketAddr> {
    match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None if name.starts_with('/') => SocketAddr::from_pathname(name),
        None => Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "it must be a path, or `@` and a name")),
    }
}

/// The time of the watchdog, where it waits for this process.
fn watchdog(micros: &str, pid: &str, own: u32) -> Option<Duration> {
    let is_ours = pid.is_empty() || pid.parse() == Ok(own);
    micros.parse().ok().filter(|micros| *micros > 0 && is_ours).map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_heard_where_it_waits_for_us() {
        for (micros, pid, expected) in [
            ("30000000", "7", Some(30)),
            ("30000000", "", Some(30)),
            ("30000000", "8", None),
            ("30000000", "x", None),
            ("0", "7", None),
            ("", "7", None),
            ("-1", "7", None),
            ("soon", "", None),
        ] {
            assert_eq!(watchdog(micros, pid, 7), expected.map(Duration::from_secs), "{micros} {pid}");
        }
    }

    #[test]
    fn an_address_is_a_path_or_an_abstract_name() {
        assert_eq!(address("/run/systemd/notify").expect("a path").as_pathname(), Some(std::path::Path::new("/run/systemd/notify")));
        assert_eq!(address("@notify").expect("a name").as_abstract_name(), Some(&b"notify"[..]));
        for bad in ["notify", "vsock:2:1234", "./a"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
