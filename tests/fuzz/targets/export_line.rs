//! Any line of an export: read into what it stands for, or refused with a reason; what was read is written as it was read.
#![no_main]

use cloakroom::domain::api_key::ApiKey;
use cloakroom::domain::catalogue::{File, Product};
use cloakroom::domain::credential::DirectoryCredential;
use cloakroom::domain::deed::Deed;
use cloakroom::domain::delivery::Delivery;
use cloakroom::domain::grant::Grant;
use cloakroom::domain::history::Act;
use cloakroom::domain::link::Link;
use cloakroom::domain::message::Message;
use cloakroom::domain::order::Order;
use cloakroom::domain::place::Place;
use cloakroom::domain::placed::Placed;
use cloakroom::store::record::{
    ApiKeyRecord, CredentialRecord, DeedRecord, DeliveryRecord, FileRecord, GrantRecord, Line, LinkRecord, MessageRecord, OrderRecord,
    PlaceRecord, PlacedRecord, ProductRecord, Unreadable,
};
use libfuzzer_sys::fuzz_target;

fn refused<T>(read: Result<T, Unreadable>) -> Option<T> {
    read.map_err(|unreadable| assert!(!unreadable.to_string().is_empty())).ok()
}

fuzz_target!(|line: &[u8]| {
    let Ok(line) = serde_json::from_slice::<Line>(line) else { return };
    let text = serde_json::to_vec(&line).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<Line>(&text).ok(), Some(line.clone()));
    match line {
        Line::Grant(record) => {
            if let Some(grant) = refused(Grant::try_from(*record)) {
                assert_eq!(Grant::try_from(GrantRecord::from(&grant)).as_ref(), Ok(&grant));
            }
        }
        Line::Link(record) => {
            if let Some(link) = refused(Link::try_from(record)) {
                assert_eq!(Link::try_from(LinkRecord::from(&link)).as_ref(), Ok(&link));
            }
        }
        Line::Delivery(record) => {
            if let Some(delivery) = refused(Delivery::try_from(*record)) {
                assert_eq!(Delivery::try_from(DeliveryRecord::from(&delivery)).as_ref(), Ok(&delivery));
                let _ = (delivery.covered(), delivery.in_flight());
            }
        }
        Line::History(record) => {
            let _ = refused(Act::try_from(record.into_act()));
        }
        Line::Placed(record) => {
            if let Some(placed) = refused(Placed::try_from(*record)) {
                assert_eq!(Placed::try_from(PlacedRecord::from(&placed)).as_ref(), Ok(&placed));
            }
        }
        Line::Place(record) => {
            if let Some(place) = refused(Place::try_from(record)) {
                assert_eq!(Place::try_from(PlaceRecord::from(&place)).as_ref(), Ok(&place));
            }
        }
        Line::Credential(record) => {
            if let Some(credential) = refused(DirectoryCredential::try_from(*record)) {
                assert_eq!(DirectoryCredential::try_from(CredentialRecord::from(&credential)).as_ref(), Ok(&credential));
            }
        }
        Line::File(record) => {
            if let Some(file) = refused(File::try_from(record)) {
                assert_eq!(File::try_from(FileRecord::from(&file)).as_ref(), Ok(&file));
            }
        }
        Line::Product(record) => {
            if let Some(product) = refused(Product::try_from(record)) {
                assert_eq!(Product::try_from(ProductRecord::from(&product)).as_ref(), Ok(&product));
            }
        }
        Line::Order(record) => {
            if let Some(order) = refused(Order::try_from(*record)) {
                assert_eq!(Order::try_from(OrderRecord::from(&order)).as_ref(), Ok(&order));
            }
        }
        Line::Message(record) => {
            if let Some(message) = refused(Message::try_from(*record)) {
                assert_eq!(Message::try_from(MessageRecord::from(&message)).as_ref(), Ok(&message));
            }
        }
        Line::Deed(record) => {
            if let Some(deed) = refused(Deed::try_from(record)) {
                assert_eq!(Deed::try_from(DeedRecord::from(&deed)).as_ref(), Ok(&deed));
            }
        }
        Line::ApiKey(record) => {
            if let Some(key) = refused(ApiKey::try_from(*record)) {
                assert_eq!(ApiKey::try_from(ApiKeyRecord::from(&key)).as_ref(), Ok(&key));
            }
        }
        Line::CloakroomStore(_) | Line::Tally(_) | Line::Feed(_) | Line::End(_) => {}
    }
});
