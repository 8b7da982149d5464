//! What Cloakroom counts about itself, for Prometheus.
//!
//! All series exist from the start and their labels are small fixed sets: nothing that a client sends becomes a label.
//! Counting takes no lock and looks nothing up; each place of counting is one or two atomic additions.

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::outbox::OutboxNumbers;
use super::upkeep::PublicNumbers;
use crate::auth::counters::Counters;
use crate::config::Serve;
use crate::domain::account::Change;
use crate::domain::delivery::State;
use crate::domain::moment::Moment;
use crate::domain::question::Kind;
use crate::domain::refusal::Refusal;

/// The `Content-Type` of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const KINDS: [Kind; 2] = [Kind::Authorize, Kind::Download];
const STATES: [State; 6] = [State::Offered, State::Open, State::Completed, State::Released, State::Presumed, State::Started];
const LISTENERS: [&str; 3] = ["web", "api", "admin"];

/// What became of one line of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeedLine {
    /// It reported a request of a delivery, and was settled.
    Settled,
    /// It names no delivery: some other request of the site.
    Other,
    /// It names a delivery or a request that is not known, or was reported before.
    Unknown,
    /// It has not the form of the shipped log format.
    Malformed,
    /// It was thrown away unread, as too many waited to be settled.
    Lost,
}

impl FeedLine {
    const ALL: [Self; 5] = [Self::Settled, Self::Other, Self::Unknown, Self::Malformed, Self::Lost];

    /// The word of the metrics and the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Other => "other",
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
            Self::Lost => "lost",
        }
    }
}

/// A label whose values are words of ours.
type Labels = Vec<(&'static str, &'static str)>;

/// The counters of one label set, found by their place.
struct Row<const N: usize>([Counter; N]);

impl<const N: usize> Row<N> {
    fn new(family: &Family<Labels, Counter>, labels: impl Fn(usize) -> Labels) -> Self {
        Self(std::array::from_fn(|place| family.get_or_create_owned(&labels(place))))
    }

    fn add(&self, place: usize, amount: u64) {
        if let Some(counter) = self.0.get(place) {
            counter.inc_by(amount);
        }
    }
}

const REFUSALS: usize = Refusal::ALL.len();

/// Everything that is counted. Share it in an `Arc`.
pub struct Metrics {
    registry: Registry,
    allowed: Row<2>,
    refused: Row<2>,
    /// One row of refusals for each kind of question.
    refusals: [Row<REFUSALS>; 2],
    observed: Row<REFUSALS>,
    /// What becomes of logins.
    pub logins: Counters,
    deliveries: Row<6>,
    reported_bytes: Counter,
    feed_lines: Row<5>,
    feed_settled: Gauge,
    feed_lag: Gauge,
    /// What is told of public directories.
    pub(super) public: PublicNumbers,
    pub(super) outbox: OutboxNumbers,
    malformed: Row<3>,
    connections: [Gauge; 3],
    taken: Row<3>,
    turned_away: Row<3>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// All at zero, for a program that started at `started`.
    pub fn new(started: Moment) -> Self {
        let mut root = Registry::default();
        root.register("process_start_time_seconds", "When this process started, in seconds since 1970", start_time(started));
        let registry = root.sub_registry_with_prefix("cloakroom");
        registry.register("build", "The program that answers", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));

        let questions = family(registry, "questions", "Questions of web servers that were decided");
        let question =
            |outcome: &'static str| Row::new(&questions, |place| labels([("kind", word(&KINDS, place, Kind::word)), ("outcome", outcome)]));
        let (allowed, refused) = (question("allowed"), question("refused"));

        let by_code = family(registry, "refusals", "Questions that were refused, by the code of the refusal");
        let refusals = KINDS
            .map(|kind| Row::new(&by_code, |place| labels([("kind", kind.word()), ("code", word(Refusal::ALL, place, Refusal::code))])));

        let would = family(registry, "observed_refusals", "Questions that a rule with mode = observe let pass, by the code of the refusal");
        let observed = Row::new(&would, |place| labels([("code", word(Refusal::ALL, place, Refusal::code))]));
        let logins = Counters::default();
        for (name, help, counter) in [
            ("password_hashes", "Password hashes that were computed", &logins.hashed),
            ("logins_remembered", "Logins that were right before, and cost no hash", &logins.remembered),
            ("logins_repeated", "Wrong logins that came again from their network, and cost no hash", &logins.repeated),
            ("logins_joined", "Logins that waited for the hash of another request", &logins.joined),
            ("logins_locked_out", "Logins that were refused unseen after too many wrong ones", &logins.locked_out),
            ("logins_queue_full", "Logins that were refused unseen, as too many hashes waited", &logins.queue_full),
        ] {
            registry.register(name, help, counter.clone());
        }

        let states = family(registry, "deliveries", "Deliveries that came into this state");
        let deliveries = Row::new(&states, |place| labels([("state", word(&STATES, place, State::word))]));

        let reported_bytes = Counter::default();
        registry.register_with_unit("reported", "Body bytes that the feed reported as sent", Unit::Bytes, reported_bytes.clone());
        let lines = family(registry, "feed_lines", "Lines of the feed that were read, by what became of them");
        let feed_lines = Row::new(&lines, |place| labels([("outcome", word(&FeedLine::ALL, place, FeedLine::word))]));
        let (feed_settled, feed_lag) = (Gauge::default(), Gauge::default());
        registry.register_with_unit("feed_settled", "How far the current log of the feed is settled", Unit::Bytes, feed_settled.clone());
        registry.register_with_unit("feed_lag", "What of the current log of the feed is not settled yet", Unit::Bytes, feed_lag.clone());

        let public = PublicNumbers::in_registry(registry);
        let outbox = OutboxNumbers::in_registry(registry);

        let by_listener = |place: usize| labels([("listener", word(&LISTENERS, place, |name| name))]);
        let malformed = family(registry, "malformed_requests", "Requests that were not understood");
        let turned_away = family(registry, "connections_turned_away", "Connections that were closed because their peer is not trusted");
        let taken = family(registry, "connections_taken", "Connections that were taken");
        let open = Family::<Labels, Gauge>::default();
        registry.register("connections", "Connections that are open now", open.clone());
        Self {
            allowed,
            refused,
            refusals,
            observed,
            logins,
            deliveries,
            reported_bytes,
            feed_lines,
            feed_settled,
            feed_lag,
            malformed: Row::new(&malformed, by_listener),
            outbox,
            public,
            turned_away: Row::new(&turned_away, by_listener),
            taken: Row::new(&taken, by_listener),
            connections: std::array::from_fn(|place| open.get_or_create_owned(&by_listener(place))),
            registry: root,
        }
    }

    /// A question was answered with yes: passed, handed off, or sent on to its delivery.
    pub fn allowed(&self, kind: Kind) {
        self.allowed.add(kind as usize, 1);
    }

    /// A question was answered with no.
    pub fn refused(&self, kind: Kind, refusal: Refusal) {
        self.refused.add(kind as usize, 1);
        if let Some(row) = self.refusals.get(kind as usize) {
            row.add(refusal as usize, 1);
        }
    }

    /// A question passed that its rule would refuse.
    pub fn observed(&self, refusal: Refusal) {
        self.observed.add(refusal as usize, 1);
    }

    /// A delivery came into `state`, for the first time or from another one.
    pub fn delivery(&self, state: State) {
        self.deliveries.add(state as usize, 1);
    }

    /// A decision of the store changed a delivery; counts only if it came into another state.
    pub fn changed(&self, change: &Change) {
        if change.state != change.before {
            self.delivery(change.state);
        }
    }

    /// The feed reported so many body bytes as sent.
    pub fn reported(&self, bytes: u64) {
        self.reported_bytes.inc_by(bytes);
    }

    /// So many lines of the feed were read, with this outcome.
    pub fn feed_lines(&self, outcome: FeedLine, lines: u64) {
        self.feed_lines.add(outcome as usize, lines);
    }

    /// The feed's log has `size` bytes, `settled` of which are settled.
    pub fn feed_position(&self, settled: u64, size: u64) {
        self.feed_settled.set(i64::try_from(settled).unwrap_or(i64::MAX));
        self.feed_lag.set(i64::try_from(size.saturating_sub(settled)).unwrap_or(i64::MAX));
    }

    /// A request was not understood.
    pub fn malformed(&self, serve: Serve) {
        self.malformed.add(place(serve), 1);
    }

    /// A connection was taken; it is counted as open until what is returned is dropped.
    #[must_use = "the connection counts as open while this lives"]
    pub fn connection(&self, serve: Serve) -> OpenConnection {
        let gauge = self.connections.get(place(serve)).cloned().unwrap_or_default();
        gauge.inc();
        self.taken.add(place(serve), 1);
        OpenConnection(gauge)
    }

    /// How many connections were taken so far by listeners of this kind.
    pub fn connections_taken(&self, serve: Serve) -> u64 {
        self.taken.0.get(place(serve)).map_or(0, Counter::get)
    }

    /// A connection was closed at once, because its peer is not trusted.
    pub fn turned_away(&self, serve: Serve) {
        self.turned_away.add(place(serve), 1);
    }

    /// All of it as `OpenMetrics` text, of the type [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail; a text without its last line `# EOF` is refused by who reads it.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A connection that counts as open while this lives.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn family(registry: &mut Registry, name: &str, help: &str) -> Family<Labels, Counter> {
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay exact in 53 bits for 285,000 years")]
fn start_time(started: Moment) -> ConstGauge<f64> {
    ConstGauge::new(started.millis() as f64 / 1000.0)
}

fn word<T: Copy>(all: &[T], place: usize, word: impl Fn(T) -> &'static str) -> &'static str {
    all.get(place).map_or("", |&value| word(value))
}

fn labels<const N: usize>(all: [(&'static str, &'static str); N]) -> Labels {
    all.into()
}

const fn place(serve: Serve) -> usize {
    match serve {
        Serve::Web(_) => 0,
        Serve::Api => 1,
        Serve::Admin => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::domain::client::Client;
    use crate::domain::id::{DeliveryId, GrantId};

    fn metrics() -> Metrics {
        Metrics::new(Moment::from_millis(1_900_000_000_250))
    }

    /// The value of the series that is written as `series`.
    fn value(metrics: &Metrics, series: &str) -> f64 {
        let text = metrics.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series).and_then(|rest| rest.strip_prefix(' ')));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    }

    fn assert_value(metrics: &Metrics, series: &str, expected: u32) {
        let found = value(metrics, series);
        assert!((found - f64::from(expected)).abs() < f64::EPSILON, "{series} is {found}, not {expected}");
    }

    #[test]
    fn every_refusal_of_each_kind_has_a_counter_of_its_own() {
        let metrics = metrics();
        let mut seen = 0;
        for kind in KINDS {
            for (times, &refusal) in (1_u32..).zip(Refusal::ALL) {
                let series = format!("cloakroom_refusals_total{{kind=\"{}\",code=\"{refusal}\"}}", kind.word());
                assert_value(&metrics, &series, 0);
                (0..times).for_each(|_| metrics.refused(kind, refusal));
                assert_value(&metrics, &series, times);
                seen += times;
            }
        }
        let of = |kind: Kind| format!("cloakroom_questions_total{{kind=\"{}\",outcome=\"refused\"}}", kind.word());
        assert_value(&metrics, &of(Kind::Authorize), seen / 2);
        assert_value(&metrics, &of(Kind::Download), seen / 2);
        assert_eq!(seen, 32 * 33);
    }

    #[test]
    fn allowed_questions_are_counted_by_kind() {
        let metrics = metrics();
        metrics.allowed(Kind::Authorize);
        metrics.allowed(Kind::Download);
        metrics.allowed(Kind::Download);
        assert_value(&metrics, "cloakroom_questions_total{kind=\"authorize\",outcome=\"allowed\"}", 1);
        assert_value(&metrics, "cloakroom_questions_total{kind=\"download\",outcome=\"allowed\"}", 2);
    }

    #[test]
    fn a_delivery_counts_when_it_comes_into_another_state() {
        let metrics = metrics();
        for (times, state) in (1_u32..).zip(STATES) {
            (0..times).for_each(|_| metrics.delivery(state));
        }
        let mut change = Change {
            delivery: DeliveryId::new([1; 12]),
            grant: GrantId::new([2; 12]),
            at: Moment::EPOCH,
            client: Client::new([192, 0, 2, 1].into(), ""),
            state: State::Open,
            before: State::Open,
            covered: 1,
            size: 2,
            bytes: 0,
            bytes_beyond: 0,
            is_overdrawn: false,
        };
        metrics.changed(&change);
        change.state = State::Completed;
        metrics.changed(&change);
        for (times, state) in [1, 2, 3 + 1, 4, 5, 6].into_iter().zip(STATES) {
            assert_value(&metrics, &format!("cloakroom_deliveries_total{{state=\"{}\"}}", state.word()), times);
        }
    }

    #[test]
    fn the_feed_shows_its_lines_its_bytes_and_how_far_behind_it_is() {
        let metrics = metrics();
        for (lines, outcome) in (1_u32..).zip(FeedLine::ALL) {
            metrics.feed_lines(outcome, lines.into());
            assert_value(&metrics, &format!("cloakroom_feed_lines_total{{outcome=\"{}\"}}", outcome.word()), lines);
        }
        metrics.reported(48_123_456);
        metrics.reported(1);
        assert_value(&metrics, "cloakroom_reported_bytes_total", 48_123_457);
        for (settled, size, lag) in [(100, 250, 150), (250, 250, 0), (250, 0, 0)] {
            metrics.feed_position(settled, size);
            assert_value(&metrics, "cloakroom_feed_settled_bytes", u32::try_from(settled).unwrap());
            assert_value(&metrics, "cloakroom_feed_lag_bytes", lag);
        }
        metrics.feed_position(u64::MAX, u64::MAX);
        assert_value(&metrics, "cloakroom_feed_lag_bytes", 0);
    }

    #[test]
    fn a_connection_is_open_until_it_is_dropped() {
        let metrics = metrics();
        for (serve, name) in [(Serve::Web(Dialect::Nginx), "web"), (Serve::Api, "api"), (Serve::Admin, "admin")] {
            let series = |of: &str| format!("cloakroom_{of}{{listener=\"{name}\"}}");
            let (one, two) = (metrics.connection(serve), metrics.connection(serve));
            assert_value(&metrics, &series("connections"), 2);
            drop(one);
            assert_value(&metrics, &series("connections"), 1);
            drop(two);
            assert_value(&metrics, &series("connections"), 0);
            metrics.turned_away(serve);
            metrics.malformed(serve);
            assert_value(&metrics, &series("connections_turned_away_total"), 1);
            assert_value(&metrics, &series("malformed_requests_total"), 1);
        }
    }

    #[test]
    fn the_text_names_the_program_and_ends_as_open_metrics_ends() {
        let metrics = metrics();
        let text = metrics.text();
        assert!(text.ends_with("# EOF\n"), "{text}");
        assert!(text.contains(&format!("cloakroom_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"))), "{text}");
        assert!(text.contains("\nprocess_start_time_seconds 1900000000.25\n"), "{text}");
        let helps = text.lines().filter(|line| line.starts_with("# HELP")).count();
        let types = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        assert_eq!((helps, types), (23, 23), "{text}");
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(series, 1 + 1 + 4 + 3 * 32 + 6 + 6 + 1 + 5 + 2 + 3 + 4 * 3, "{text}");
    }

    #[test]
    fn counting_at_once_from_many_threads_loses_nothing() {
        let metrics = metrics();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| metrics.refused(Kind::Download, Refusal::Expired)));
            }
        });
        assert_value(&metrics, "cloakroom_refusals_total{kind=\"download\",code=\"expired\"}", 4000);
    }
}
