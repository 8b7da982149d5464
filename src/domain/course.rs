//! How a delivery went: how fast its requests were, and when nothing was sent.

use super::delivery::{Delivery, Report, Request};
use super::moment::{Moment, Span};

/// A shorter pause is a client that asks for its next part, and nobody's interruption.
pub const INTERRUPTION_MIN: Span = Span::from_seconds(1);

/// A time in which no request ran, between two that did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interruption {
    /// When the last request before it ended.
    pub from: Moment,
    /// When the first one after it was admitted.
    pub to: Moment,
}

/// The interruptions of a delivery until it was whole, as far as its requests are remembered and reported. Nobody knows
/// what was in a time in which a request of which nothing was reported may have run, and so there is none in it.
/// Of requests that did not pass by us nobody knows when they began, and so nothing is told.
pub fn interruptions(delivery: &Delivery) -> Vec<Interruption> {
    if delivery.is_led_away() {
        return Vec::new();
    }
    let mut requests: Vec<&Request> = delivery.requests.values().collect();
    requests.sort_by_key(|request| request.admitted);
    let completed = delivery.completed;
    let mut found = Vec::new();
    let mut reached: Option<Moment> = None;
    for request in requests {
        if completed.is_some_and(|completed| request.admitted >= completed) {
            break;
        }
        if let Some(from) = reached.filter(|from| request.admitted.since(*from) >= INTERRUPTION_MIN) {
            found.push(Interruption { from, to: request.admitted });
        }
        let Some(report) = &request.report else { break };
        reached = reached.max(Some(report.ended));
    }
    found
}

impl Request {
    /// Bytes per second, from its admission to the end of its answer; `None` where that cannot be told.
    pub fn bytes_per_second(&self) -> Option<u64> {
        let report = self.report.as_ref().filter(|report| report.status < 300)?;
        let millis = u128::from(report.ended.since(self.admitted).millis());
        u64::try_from((u128::from(report.bytes) * 1000).checked_div(millis)?).ok()
    }
}

impl Report {
    /// The part of the file that was sent, from its first byte up to, not including, its end; `None` where the bytes say
    /// nothing about the file.
    pub fn part(&self) -> Option<(u64, u64)> {
        let (first, total) = self.from.filter(|_| self.status < 300)?;
        Some((first.min(total), first.saturating_add(self.bytes).min(total)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::Click;
    use crate::domain::client::Client;
    use crate::domain::delivery::State;
    use crate::domain::file::Version;
    use crate::domain::id::{DeliveryId, GrantId, LinkId, RequestId};
    use crate::domain::range::Range;

    /// Requests as (admitted, ended) in seconds; one that did not end was not reported.
    fn delivery(requests: &[(u64, Option<u64>)], state: State) -> Delivery {
        let client = Client::new([192, 0, 2, 1].into(), "curl");
        let click = Click {
            link: LinkId::new([1; 12]),
            version: Version { size: 1000, modified: Moment::EPOCH, etag: "\"1\"".to_owned(), media_type: "a/b".to_owned() },
            range: Range::Whole,
            fresh: DeliveryId::new([2; 12]),
            fresh_cookie: client.key(),
            cookie: None,
            client: client.clone(),
            now: Moment::EPOCH,
        };
        let mut delivery = Delivery::offer(GrantId::new([3; 12]), &click);
        delivery.state = state;
        for (number, (admitted, ended)) in requests.iter().enumerate() {
            let report = ended.map(|ended| Report {
                ended: Moment::from_seconds(ended),
                status: 206,
                bytes: 300,
                finished: true,
                from: Some((350 * number as u64, 1000)),
            });
            let request = Request {
                admitted: Moment::from_seconds(*admitted),
                client: client.key(),
                address: client.address,
                bytes_max: 500,
                report,
            };
            delivery.requests.insert(RequestId::parse(&format!("r{number}")).expect("an id"), request);
        }
        delivery
    }

    #[test]
    fn only_a_time_in_which_certainly_nothing_ran_is_an_interruption() {
        for (requests, state, expected) in [
            (&[][..], State::Offered, &[][..]),
            (&[(0, Some(5))], State::Open, &[]),
            // Side by side, touching, apart.
            (&[(0, Some(9)), (1, Some(4)), (9, Some(12))], State::Open, &[]),
            (&[(0, Some(5)), (20, Some(30)), (31, Some(40))], State::Open, &[(5, 20), (30, 31)]),
            // A short one inside a long one.
            (&[(0, Some(50)), (1, Some(2)), (20, Some(30))], State::Open, &[]),
            // What was lost may have run all the time.
            (&[(0, Some(5)), (10, None), (90, Some(99))], State::Open, &[(5, 10)]),
        ] {
            let found: Vec<_> = interruptions(&delivery(requests, state)).iter().map(|it| (it.from.seconds(), it.to.seconds())).collect();
            assert_eq!(found, expected, "{requests:?}");
        }
    }

    #[test]
    fn speed_and_part_are_told_where_they_are_known() {
        let delivery = delivery(&[(0, Some(3)), (4, Some(4)), (5, None)], State::Open);
        let told: Vec<_> =
            delivery.requests.values().map(|it| (it.bytes_per_second(), it.report.as_ref().and_then(Report::part))).collect();
        assert_eq!(told, [(Some(100), Some((0, 300))), (None, Some((350, 650))), (None, None)]);
    }

    #[test]
    fn who_looks_into_a_file_that_is_whole_interrupts_nothing() {
        let mut whole = delivery(&[(0, Some(5)), (50, Some(60)), (90, Some(95))], State::Completed);
        whole.version.size = 600;
        for request in whole.requests.values_mut() {
            // 0-300, 300-600, and once more 300-600.
            request.report.as_mut().expect("a report").from = Some((if request.admitted == Moment::EPOCH { 0 } else { 300 }, 600));
        }
        whole.completed = Some(Moment::from_seconds(60));
        assert_eq!(interruptions(&whole), [Interruption { from: Moment::from_seconds(5), to: Moment::from_seconds(50) }]);
    }
}
