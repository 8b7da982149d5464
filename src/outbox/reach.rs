//! To which addresses a webhook may lead. Whoever can write its URL, or answers for the name in it, must not make us ask what
//! only this machine or its network can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Webhook;

/// Of the addresses of a name so many are tried.
const ADDRESSES_MAX: usize = 4;

/// So long one of them is waited for: all of them together leave time for the message.
const CONNECT_PATIENCE: Duration = Duration::from_secs(4);

/// Where a webhook may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// In the internet.
    Public,
    /// On this machine, as its URL says.
    Here,
    /// Anywhere: the configuration allows it.
    Anywhere,
}

impl Reach {
    pub(super) fn of(webhook: &Webhook) -> Self {
        match (webhook.private_network, webhook.url.is_loopback()) {
            (true, _) => Self::Anywhere,
            (false, true) => Self::Here,
            (false, false) => Self::Public,
        }
    }

    fn includes(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::Public => is_public(address),
            Self::Here => address.is_loopback(),
            Self::Anywhere => true,
        }
    }
}

/// Connects to `host`, at an address that is within `reach`. What the name leads to is asked once, and the very address that was
/// looked at is connected to.
pub(super) async fn connect(host: &str, port: u16, reach: Reach) -> Result<TcpStream, String> {
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| format!("the name {host} leads nowhere: {error}"))?;
    let found: Vec<SocketAddr> = found.collect();
    let (within, outside): (Vec<SocketAddr>, Vec<SocketAddr>) = found.into_iter().partition(|address| reach.includes(address.ip()));
    if let (None, Some(first)) = (within.first(), outside.first()) {
        return Err(match reach {
            Reach::Public => {
                format!("{host} is at {}, which is no public address: private_network = true would allow it", first.ip())
            }
            Reach::Here | Reach::Anywhere => format!("{host} is at {}, which is not this machine", first.ip()),
        });
    }
    let connected = first_of(&within, CONNECT_PATIENCE).await;
    connected.map_err(|wrong| wrong.unwrap_or_else(|| format!("the name {host} has no address")))
}

/// Connects to the first of `addresses` that can be connected to in time. The error says what is wrong with the last.
async fn first_of(addresses: &[SocketAddr], patience: Duration) -> Result<TcpStream, Option<String>> {
    let mut wrong = None;
    for address in addresses.iter().take(ADDRESSES_MAX) {
        match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => wrong = Some(format!("cannot connect to {address}: {error}")),
            Err(_) => wrong = Some(format!("cannot connect to {address}: nothing answers there")),
        }
    }
    Err(wrong)
}

/// Whether everybody reaches the same host under this address.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// All but what the registry of special addresses (RFC 6890 and those after it) keeps for other uses.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || first == 0
        || first >= 224
        || (first == 100 && (64..128).contains(&second))
        || (first == 192 && second == 0 && third == 0)
        || (first == 192 && second == 88 && third == 99)
        || (first == 198 && (18..20).contains(&second));
    !is_special
}

/// Of `2000::/3`, which alone is given out, all but what is kept for other uses or carries an IPv4 address inside.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_given_out = (0x2000..0x4000).contains(&first);
    let is_special = match first {
        0x2001 => second < 0x0200 || second == 0x0db8,
        0x2002 => true,
        0x3fff => second < 0x1000,
        _ => false,
    };
    is_given_out && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_everybody_reaches_is_public() {
        for (address, public) in [
            ("93.184.216.34", true),
            ("1.1.1.1", true),
            ("100.63.0.1", true),
            ("100.128.0.1", true),
            ("172.32.0.1", true),
            ("2606:2800:220:1:248:1893:25c8:1946", true),
            ("2a00:1450:4001::1", true),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("127.1.2.3", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("192.0.0.8", false),
            ("192.0.2.1", false),
            ("192.168.1.1", false),
            ("198.18.0.1", false),
            ("203.0.113.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::a00:1", false),
            ("64:ff9b:1::1", false),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("2002:a00:1::1", false),
            ("3fff::1", false),
            ("fc00::1", false),
            ("fd12:3456::1", false),
            ("fe80::1", false),
            ("ff02::1", false),
        ] {
            let parsed: IpAddr = address.parse().expect(address);
            assert_eq!(Reach::Public.includes(parsed), public, "{address}");
            assert!(Reach::Anywhere.includes(parsed));
        }
    }

    #[test]
    fn what_is_said_to_be_here_must_be_here() {
        for (address, here) in
            [("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("::ffff:127.0.0.1", true), ("10.0.0.1", false), ("1.1.1.1", false)]
        {
            assert_eq!(Reach::Here.includes(address.parse().expect(address)), here, "{address}");
        }
    }

    #[tokio::test]
    async fn an_address_that_goes_nowhere_leaves_time_for_the_next() {
        let patience = Duration::from_millis(300);
        // Whom nobody accepts, and has no more room, answers nobody.
        let silent = tokio::net::TcpSocket::new_v4().expect("a socket");
        silent.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let silent = silent.listen(1).expect("a listener");
        let nowhere = silent.local_addr().expect("its address");
        let mut waiting = Vec::new();
        while let Ok(stream) = timeout(patience, TcpStream::connect(nowhere)).await {
            waiting.push(stream.expect("a place in the queue"));
            assert!(waiting.len() < 100, "the queue is never full");
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let there = listener.local_addr().expect("its address");
        let reached = first_of(&[nowhere, there], patience).await.expect("the second");
        assert_eq!(reached.peer_addr().expect("its address"), there);
        let wrong = first_of(&[nowhere], patience).await.expect_err("nobody").expect("a reason");
        assert!(wrong.contains(&nowhere.to_string()) && wrong.contains("nothing answers"), "{wrong}");
        assert_eq!(first_of(&[], patience).await.expect_err("no address"), None);
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_before_anything_is_connected() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its number").port();
        for host in ["127.0.0.1", "localhost"] {
            let refused = connect(host, port, Reach::Public).await.expect_err(host);
            assert!(refused.contains("no public address") && refused.contains("private_network"), "{refused}");
            connect(host, port, Reach::Here).await.expect(host);
        }
        assert!(connect("nothing.invalid", port, Reach::Anywhere).await.is_err());
    }
}
