//! Link, delivery and order tokens: 40 characters of base64url that name a link, a delivery or an order.
//!
//! Their 30 bytes: version and kind (1), the key's number (1), the id (12), and the first 16 of an HMAC-SHA256 over the
//! site, LF and the bytes before. Where the page of an order has not its first address, the number of that (3) follows the id:
//! 44 characters. Its key is HMAC-SHA256 of `cloakroom link token 1`, `cloakroom delivery token 1` or
//! `cloakroom order token 1` under the configured one. What may be done with it stands in the store; a forged token never
//! reaches it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;

use super::key::{KeyRing, Purpose, SigningKey};
use crate::domain::id::{DeliveryId, ID_BYTES, LinkId, OrderId};
use crate::domain::order::PageNumber;
use crate::domain::refusal::Refusal;

/// Characters in a token.
pub const TOKEN_CHARACTERS: usize = 40;

const MAC_BYTES: usize = 16;

#[derive(Clone, Copy)]
enum Kind {
    Link,
    Delivery,
    Order,
    /// Of an order whose page has not its first address.
    Renewed,
}

impl Kind {
    /// Version 1 in the upper half.
    const fn byte(self) -> u8 {
        match self {
            Self::Link => 0x11,
            Self::Delivery => 0x12,
            Self::Order => 0x13,
            Self::Renewed => 0x14,
        }
    }

    /// Over the site and the named part; that begins with its kind, and has a fixed length by that, so that no site can be taken for another.
    fn mac(self, site: &str, named: &[u8], key: &SigningKey) -> impl Mac {
        let keyed = match self {
            Self::Link => key.link_token(),
            Self::Delivery => key.delivery_token(),
            Self::Order | Self::Renewed => key.order_token(),
        };
        keyed.chain_update(site).chain_update(b"\n").chain_update(named)
    }
}

/// Writes the token of `link`.
pub fn mint_link(site: &str, link: LinkId, key: &SigningKey) -> String {
    mint(Kind::Link, site, link.bits(), key)
}

/// Writes the token of `delivery`.
pub fn mint_delivery(site: &str, delivery: DeliveryId, key: &SigningKey) -> String {
    mint(Kind::Delivery, site, delivery.bits(), key)
}

/// Writes the token of `order`: it opens the page of all its downloads, as long as `page` is its number.
pub fn mint_order(site: &str, (order, page): (OrderId, PageNumber), key: &SigningKey) -> String {
    if page.is_first() {
        return mint(Kind::Order, site, order.bits(), key);
    }
    mint(Kind::Renewed, site, &[&order.bits()[..], &page.bytes()[..]].concat(), key)
}

/// Reads the token of a link. A retired key is told only where the MAC held; all else that is wrong is
/// [`Refusal::BadProof`].
pub fn open_link(site: &str, token: &str, keys: &KeyRing) -> Result<LinkId, Refusal> {
    open(Kind::Link, site, token, keys).map(LinkId::new)
}

/// Reads the token of a delivery; refuses as [`open_link`] does.
pub fn open_delivery(site: &str, token: &str, keys: &KeyRing) -> Result<DeliveryId, Refusal> {
    open(Kind::Delivery, site, token, keys).map(DeliveryId::new)
}

/// Reads the token of an order: which, and of which of its pages. Refuses as [`open_link`] does.
pub fn open_order(site: &str, token: &str, keys: &KeyRing) -> Result<(OrderId, PageNumber), Refusal> {
    if token.len() == TOKEN_CHARACTERS {
        return open(Kind::Order, site, token, keys).map(|id| (OrderId::new(id), PageNumber::default()));
    }
    let said: [u8; ID_BYTES + PageNumber::BYTES] = open(Kind::Renewed, site, token, keys)?;
    let (id, page) = said.split_first_chunk().ok_or(Refusal::BadProof)?;
    let page = PageNumber::of_bytes(page.try_into().map_err(|_| Refusal::BadProof)?);
    // Of the first address there is another token.
    if page.is_first() { Err(Refusal::BadProof) } else { Ok((OrderId::new(*id), page)) }
}

fn mint(kind: Kind, site: &str, id: &[u8], key: &SigningKey) -> String {
    let mut bytes = Vec::with_capacity(2 + id.len() + MAC_BYTES);
    bytes.extend([kind.byte(), key.number()]);
    bytes.extend(id);
    let mac = kind.mac(site, &bytes, key).finalize().into_bytes();
    bytes.extend(mac.iter().take(MAC_BYTES));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a token of this kind says, in `N` bytes.
fn open<const N: usize>(kind: Kind, site: &str, token: &str, keys: &KeyRing) -> Result<[u8; N], Refusal> {
    let named_bytes = 2 + N;
    if token.len() != (named_bytes + MAC_BYTES) / 3 * 4 {
        return Err(Refusal::BadProof);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Refusal::BadProof)?;
    let (named, tag) = bytes.split_at_checked(named_bytes).ok_or(Refusal::BadProof)?;
    let &[version, number, ref id @ ..] = named else { return Err(Refusal::BadProof) };
    let id = <[u8; N]>::try_from(id).map_err(|_| Refusal::BadProof)?;
    if version != kind.byte() || tag.len() != MAC_BYTES {
        return Err(Refusal::BadProof);
    }
    let held = |key: &SigningKey| kind.mac(site, named, key).verify_truncated_left(tag).is_ok();
    match keys.iter().find(|(key, _)| key.number() == number && held(key)) {
        Some((_, Purpose::Sign | Purpose::Accept)) => Ok(id),
        Some((_, Purpose::Retired)) => Err(Refusal::KeyRetired),
        None => Err(Refusal::BadProof),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "shop.example";

    fn key(id: &str, first: char) -> SigningKey {
        SigningKey::from_base64(id, &format!("{first}AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")).expect("a key")
    }

    #[test]
    fn a_token_opens_what_it_was_made_for_and_nothing_else() {
        let keys = KeyRing::new([(key("main", 'A'), Purpose::Sign), (key("next", 'B'), Purpose::Accept)]);
        let bits = [7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        let link = mint_link(SITE, LinkId::new(bits), &key("main", 'A'));
        let delivery = mint_delivery(SITE, DeliveryId::new(bits), &key("next", 'B'));
        assert_eq!((link.len(), delivery.len()), (TOKEN_CHARACTERS, TOKEN_CHARACTERS));
        assert_eq!(open_link(SITE, &link, &keys), Ok(LinkId::new(bits)));
        assert_eq!(open_delivery(SITE, &delivery, &keys), Ok(DeliveryId::new(bits)));
        let order = mint_order(SITE, (OrderId::new(bits), PageNumber::default()), &key("main", 'A'));
        assert_eq!(open_order(SITE, &order, &keys), Ok((OrderId::new(bits), PageNumber::default())));
        for other in [&link, &delivery] {
            assert_eq!(open_order(SITE, other, &keys), Err(Refusal::BadProof));
        }
        assert_eq!(open_link(SITE, &order, &keys), Err(Refusal::BadProof));
        assert_eq!(open_delivery(SITE, &order, &keys), Err(Refusal::BadProof));
        assert_eq!(open_link(SITE, &delivery, &keys), Err(Refusal::BadProof));
        assert_eq!(open_delivery(SITE, &link, &keys), Err(Refusal::BadProof));
        assert_eq!(open_link("shop.example.", &link, &keys), Err(Refusal::BadProof));
        // The same secret under another id is another key, and the same id with another secret too.
        let other_id = KeyRing::new([(key("other", 'A'), Purpose::Sign)]);
        let other_secret = KeyRing::new([(key("main", 'B'), Purpose::Sign)]);
        for ring in [other_id, other_secret, KeyRing::default()] {
            assert_eq!(open_link(SITE, &link, &ring), Err(Refusal::BadProof));
        }
    }

    #[test]
    fn a_page_that_has_another_address_has_another_token() {
        let (main, keys) = (key("main", 'A'), KeyRing::new([(key("main", 'A'), Purpose::Sign)]));
        let order = OrderId::new([7; ID_BYTES]);
        let (first, mut seen) = (PageNumber::default(), Vec::new());
        for page in [first, first.next(), first.next().next(), PageNumber::of_bytes([255; 3])] {
            let token = mint_order(SITE, (order, page), &main);
            assert_eq!(open_order(SITE, &token, &keys), Ok((order, page)));
            assert_eq!(token.len(), if page.is_first() { 40 } else { 44 });
            for other in [open_link(SITE, &token, &keys).is_ok(), open_delivery(SITE, &token, &keys).is_ok()] {
                assert!(!other);
            }
            for at in 0..token.len() {
                let mut forged = token.clone().into_bytes();
                forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
                assert_eq!(open_order(SITE, &String::from_utf8(forged).unwrap(), &keys), Err(Refusal::BadProof), "{at}");
            }
            seen.push(token);
        }
        seen.dedup();
        assert_eq!((seen.len(), PageNumber::of_bytes([255; 3]).next()), (4, PageNumber::of_bytes([255; 3])));
        // What would be the first address in the form of the others.
        let forged = mint(Kind::Renewed, SITE, &[&[7; ID_BYTES][..], &[0; 3]].concat(), &main);
        assert_eq!(open_order(SITE, &forged, &keys), Err(Refusal::BadProof));
    }

    #[test]
    fn a_retired_key_is_told_only_to_those_who_have_its_token() {
        let keys = KeyRing::new([(key("main", 'A'), Purpose::Retired)]);
        let good = mint_link(SITE, LinkId::new([1; ID_BYTES]), &key("main", 'A'));
        let forged = mint_link(SITE, LinkId::new([1; ID_BYTES]), &key("main", 'B'));
        assert_eq!(open_link(SITE, &good, &keys), Err(Refusal::KeyRetired));
        assert_eq!(open_link(SITE, &forged, &keys), Err(Refusal::BadProof));
    }

    #[test]
    fn keys_of_one_number_are_all_tried() {
        let first = key("k0", 'A');
        let twin = (1..5000).map(|n| key(&format!("k{n}"), 'B')).find(|key| key.number() == first.number()).expect("a twin");
        let token = mint_link(SITE, LinkId::new([1; ID_BYTES]), &twin);
        let keys = KeyRing::new([(first, Purpose::Retired), (twin, Purpose::Accept)]);
        assert_eq!(open_link(SITE, &token, &keys), Ok(LinkId::new([1; ID_BYTES])));
    }

    // Computed by the description at the top of this file, in another language.
    #[test]
    fn the_format_stays_as_it_was_published() {
        let bits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        let main = SigningKey::from_base64("main", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").expect("a key");
        assert_eq!(mint_link(SITE, LinkId::new(bits), &main), "EQ0AAQIDBAUGBwgJCgtRlKx0dN6a6pvUxLWuaJzY");
        assert_eq!(mint_delivery(SITE, DeliveryId::new(bits), &main), "Eg0AAQIDBAUGBwgJCgsnq3JfUhr5oBCiXp9-JhOw");
        assert_eq!(mint_order(SITE, (OrderId::new(bits), PageNumber::default()), &main), "Ew0AAQIDBAUGBwgJCgtkb-MDGVAo-Wvue-qcGlyx");
    }
}
