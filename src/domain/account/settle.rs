//! What is known afterwards: reports of what was sent, and deliveries whose time is over.

use super::{Account, Change, Ended, Reported, Seen};
use crate::domain::delivery::{Delivery, Report, Request, State};
use crate::domain::grant::Grant;
use crate::domain::moment::Moment;
use crate::domain::privacy;

impl Account {
    /// Settles one request.
    ///
    /// | if | then |
    /// |---|---|
    /// | the request is not known, or reported already | `None`, nothing changes |
    /// | … but its delivery was sent away, and the report says who asked | it is remembered as if it had been admitted, unless [`Delivery::REQUESTS_MAX`] are in flight |
    /// | the delivery was closed before the last reset of the grant | its own charge becomes what was sent; nothing else |
    /// | the delivery was closed since | its charge, and the grant's, become what was sent; nothing else |
    /// | … in both: it was sent away and released, and this client has every byte now | it is completed, and the unit is used if it was closed since |
    /// | `from` names the version's size | the charge becomes what was sent, and the client's coverage grows |
    /// | … and the delivery is open, and this client has every byte now | the delivery is completed |
    /// | the delivery is open, all its requests are reported, and none of them sent a byte | an offer again, once |
    ///
    /// A status of 300 and above sent nothing of the file and is charged nothing. An empty file is completed by a 200
    /// that ended as it should, and whose `from` is the whole of nothing: HEAD fetches nothing. Of bytes that no answer to the request can have had
    /// ([`Request::bytes_sent_max`](crate::domain::delivery::Request::bytes_sent_max)) nothing is believed: they are told as
    /// beyond, and count nowhere.
    ///
    /// The requests of a delivery that was sent away pass by us, so nobody knows of those that run: a download that is slower
    /// than its grace is released while it runs, and its unit may have been taken by another. When it arrives after all it
    /// counts, beyond `max_downloads` if need be: of what arrived nobody is told that it did not. That is one for each
    /// delivery that was released, which takes a grace. Of such a delivery a report that comes twice, with
    /// hundreds of others between, is charged twice, and still counts once.
    ///
    /// The last row is for what the web server turned into 304, 412 or 416, and for who left before the first byte: the
    /// unit goes back at once, and the offer lives for [`Delivery::OFFER_LIFETIME`] from the end of that answer. Once
    /// only, or questions about a file that is known already would keep an offer alive for ever. And never where the delivery
    /// was sent away: another request may run.
    ///
    /// `reset` is when the grant was last reset, of which its account knows nothing: the grant's charge is of what was
    /// closed since. Both moments are told by our clock. Where that was set meanwhile, at worst a charge stays
    /// the most that the request may have sent, or an old one is corrected once more.
    pub fn report(&mut self, reported: &Reported, reset: Option<Moment>) -> Option<Change> {
        let Self { grant, deliveries } = self;
        let change = deliveries.change(reported.delivery, |delivery| settle(grant, delivery, reported, reset)).flatten()?;
        let is_overdrawn = self.delivery(reported.delivery).is_some_and(|delivery| self.is_overdrawn(delivery));
        Some(Change { is_overdrawn, ..change })
    }

    /// Ends what is due: forgets offers after their lifetime, and closes deliveries after their grace. An open one is
    /// released when every request of it was reported and bytes of the file are missing. It is presumed when of some
    /// request nothing is known, or when what all clients were sent, together with the bytes of which nobody knows where
    /// in the file they stand, may be the whole: one person can come with two cookies, or ask for all parts at once.
    /// Others stay what they are. Of what is closed only a summary is kept, see
    /// [`Delivery::REQUESTS_ENDED_MAX`].
    ///
    /// What was due first ends first, and at most `most` of all: while more is due, [`Account::next_due`] is over.
    pub fn close_due(&mut self, now: Moment, most: usize) -> Ended {
        let Self { grant, deliveries } = self;
        let mut ended = Ended::default();
        while ended.changes.len() + ended.offers < most
            && let Some((_, due)) = deliveries.next_due(&grant.policy).filter(|(ends, _)| *ends <= now)
        {
            let (id, is_offer) = (due.id, due.state == State::Offered);
            if is_offer {
                deliveries.remove(id);
                ended.offers += 1;
            } else {
                ended.changes.extend(deliveries.change(id, |delivery| close(grant, delivery, now)));
            }
        }
        ended
    }

    /// When [`Account::close_due`] has something to do next, if ever.
    pub fn next_due(&self) -> Option<Moment> {
        self.deliveries.next_due(&self.grant.policy).map(|(ends, _)| ends)
    }
}

fn settle(grant: &mut Grant, delivery: &mut Delivery, reported: &Reported, reset: Option<Moment>) -> Option<Change> {
    // What comes late must not bring back what was forgotten.
    let stays = delivery.closed.and_then(|_| privacy::stays(delivery));
    take_in(delivery, reported);
    let request = delivery.requests.get_mut(&reported.request).filter(|request| request.report.is_none())?;
    let most = request.bytes_sent_max(delivery.version.size);
    let report = Report { bytes: reported.report.bytes.min(most), ..reported.report.clone() };
    let (client, held, sent) = (request.client, request.bytes_max, report.bytes_charged());
    request.report = Some(report.clone());
    let before = delivery.state;
    let corrected = |charged: u64| charged.saturating_sub(held).saturating_add(sent);
    delivery.bytes_charged = corrected(delivery.bytes_charged);
    if let Some(closed) = delivery.closed {
        let counts = reset.is_none_or(|reset| reset < closed);
        if counts {
            grant.bytes_closed = corrected(grant.bytes_closed);
        }
        // How long the slowest request of what was sent away takes, nobody knows while it runs.
        if delivery.away && delivery.state == State::Released && delivery.cover(client, &report) {
            delivery.state = State::Completed;
            delivery.completed = Some(report.ended);
            if counts {
                grant.spend();
            }
        }
        delivery.fold();
        if let Some(keep) = stays {
            privacy::anonymise(delivery, keep);
        }
    } else {
        delivery.active = delivery.active.max(report.ended);
        let whole = delivery.cover(client, &report);
        if delivery.state == State::Open && whole {
            delivery.state = State::Completed;
            delivery.completed = Some(report.ended);
            grant.release();
            grant.spend();
        } else if delivery.state == State::Open && !delivery.away && delivery.has_sent_nothing() && delivery.offered_again.is_none() {
            delivery.offer_again(report.ended);
            grant.release();
        }
    }
    let bytes_beyond = reported.report.bytes - report.bytes;
    Some(Change { bytes: report.bytes, bytes_beyond, ..Change::of(delivery, before) })
}

/// A request in a public directory was admitted by nobody: it begins to be known with its report.
fn take_in(delivery: &mut Delivery, reported: &Reported) {
    let Some(Seen { client, address }) = reported.seen.filter(|_| delivery.away) else { return };
    if delivery.requests.contains_key(&reported.request) || !delivery.has_room() {
        return;
    }
    let client = delivery.known_as(client);
    let request = Request { admitted: reported.report.ended, client, address, bytes_max: 0, report: None };
    delivery.remember(reported.request.clone(), request);
}

/// Ends one delivery: its unit, if it holds one, is given back or used.
pub(super) fn close(grant: &mut Grant, delivery: &mut Delivery, now: Moment) -> Change {
    let before = delivery.state;
    if delivery.state == State::Open {
        grant.release();
        if delivery.in_flight() == 0 && !delivery.may_have_arrived() {
            delivery.state = State::Released;
        } else {
            grant.spend();
            delivery.state = State::Presumed;
        }
    }
    delivery.closed = Some(now);
    grant.bytes_closed = grant.bytes_closed.saturating_add(delivery.bytes_charged);
    let change = Change::of(delivery, before);
    delivery.fold();
    change
}
