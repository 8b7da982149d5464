//! `[[policy]]`: what each one says, laid over the policy `default`, laid over what is built in.

use std::ops::Range;

use crate::dialect::Dialect;
use crate::domain::delivery::Delivery;
use crate::domain::moment::Span;
use crate::domain::policy::{Edition, Ending, Method, Policy};
use crate::domain::question::Kind;
use crate::domain::units::{Rate, Unreadable, parse_network};
use ipnet::IpNet;

use super::fault::Faults;
use super::possible::{Limit, possible};
use super::reader::{Once, Placed, Read, Table};
use super::values::{self, Wrong};
use super::zones;

/// The policy that holds where none is named.
pub(super) const DEFAULT: &str = "default";

/// More copies of a file than this for one download are no longer a limit.
const RETRY_FACTOR_LIMIT: u32 = 100;

/// A policy is copied into each grant, and its networks with it.
const NETWORKS_LIMIT: usize = 64;

/// A grant remembers as many networks; a link for more places than this is for everybody.
const NETWORKS_MAX_LIMIT: u32 = 256;

/// The shortest time that means anything.
const SPAN_MIN: Span = Span::from_seconds(1);

/// One `[[policy]]`: what it says, `None` where it says nothing.
pub(super) struct Part {
    pub(super) section: String,
    /// Whether all of it could be read.
    pub(super) good: bool,
    pub(super) name: Option<String>,
    pub(super) methods: Option<Vec<Placed<Method>>>,
    /// The limits that it sets, and where.
    pub(super) limits: Vec<(Limit, Range<usize>)>,
    /// Whether the methods could be read.
    pub(super) methods_known: bool,
    max_downloads: Option<Bound<u32>>,
    valid_for: Option<Bound<Span>>,
    link_ttl: Option<Span>,
    resume_grace: Option<Span>,
    retry_factor: Option<u32>,
    connections_max: Option<u32>,
    rate: Option<Rate>,
    networks: Option<Vec<IpNet>>,
    networks_max: Option<Bound<u32>>,
    pub(super) version: Option<Placed<Edition>>,
    landing: Option<bool>,
    expires: Option<Placed<Expires>>,
    zone: Option<Placed<String>>,
    /// Whether `expires` and `zone` could be read.
    ending_known: bool,
}

/// The words of `expires`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expires {
    Exact,
    EndOfDay,
}

const VERSIONS: [(&str, Edition); 2] = [(Edition::Latest.word(), Edition::Latest), (Edition::Purchased.word(), Edition::Purchased)];

const EXPIRES: [(&str, Expires); 2] = [("exact", Expires::Exact), ("end-of-day", Expires::EndOfDay)];

/// A limit that can be lifted.
#[derive(Clone, Copy)]
enum Bound<T> {
    Unlimited,
    At(T),
}

impl<T> Bound<T> {
    fn limit(self) -> Option<T> {
        match self {
            Self::Unlimited => None,
            Self::At(limit) => Some(limit),
        }
    }
}

const UNLIMITED: &str = "unlimited";

const METHODS: [(&str, Method); 5] = [
    (Method::Handoff.word(), Method::Handoff),
    (Method::Stub.word(), Method::Stub),
    (Method::Copy.word(), Method::Copy),
    (Method::Public.word(), Method::Public),
    (Method::Stream.word(), Method::Stream),
];
const METHODS_LATER: [&str; 2] = [Method::Presigned.word(), Method::Proxy.word()];

/// Reads one `[[policy]]`.
pub(super) fn part(table: &mut Table<'_, '_>, seen: &mut Once) -> Part {
    let faults_before = table.faults.count();
    let name = table.needed_text("name", values::id).map(|name| name.value);
    if let Some(name) = &name {
        table.once(seen, "name", name);
    }
    let max_downloads = table.number_or_text(
        "max_downloads",
        |number| u32::try_from(number).map(Bound::At).map_err(|_| Wrong::Shape),
        |text| if text == UNLIMITED { Ok(Bound::Unlimited) } else { Err(Wrong::Shape) },
    );
    let valid_for = table
        .text("valid_for", |text| if text == UNLIMITED { Ok(Bound::Unlimited) } else { span(text, ", or \"unlimited\"").map(Bound::At) });
    let link_ttl = table.text("link_ttl", |text| span(text, ""));
    let resume_grace = table.text("resume_grace", |text| {
        let span = span(text, "")?;
        if span <= Policy::RESUME_CAP { Ok(span) } else { Err(Wrong::Shape) }
    });
    let retry_factor = table.number("retry_factor", 0..=RETRY_FACTOR_LIMIT);
    let methods = table.words("method", &METHODS, &METHODS_LATER);
    let connections_max = table.number_or_text("connections_max", connections, |_| Err(Wrong::Shape));
    let wanted = |wrong: Unreadable| Wrong::Must(wrong.wanted().to_owned());
    let rate = table.number_or_text("rate", |bytes| Rate::new(bytes).map_err(wanted), |text| text.parse().map_err(wanted));
    let networks = networks(table);
    let networks_max = table.number_or_text(
        "networks_max",
        |number| u32::try_from(number).ok().filter(|most| (1..=NETWORKS_MAX_LIMIT).contains(most)).map(Bound::At).ok_or(Wrong::Shape),
        |text| if text == UNLIMITED { Ok(Bound::Unlimited) } else { Err(Wrong::Shape) },
    );
    let version = table.word("version", &VERSIONS, &[]);
    let landing = table.flag("landing").optional();
    let expires = table.word("expires", &EXPIRES, &[]);
    let zone = table.text("zone", zones::zone);
    let is_limited = |bound: &Read<Bound<u32>>| matches!(bound, Read::Good(Placed { value: Bound::At(_), .. }));
    let limits = [
        (Limit::Downloads, max_downloads.span().filter(|_| is_limited(&max_downloads))),
        (Limit::Bytes, retry_factor.span()),
        (Limit::Connections, connections_max.span()),
        (Limit::Rate, rate.span()),
        (Limit::Networks, networks.span()),
        (Limit::NetworksMax, networks_max.span().filter(|_| is_limited(&networks_max))),
    ];
    Part {
        limits: limits.into_iter().filter_map(|(limit, span)| Some((limit, span?))).collect(),
        max_downloads: max_downloads.optional(),
        valid_for: valid_for.optional(),
        link_ttl: link_ttl.optional(),
        resume_grace: resume_grace.optional(),
        retry_factor: retry_factor.optional(),
        connections_max: connections_max.optional(),
        rate: rate.optional(),
        networks: networks.optional(),
        networks_max: networks_max.optional(),
        version: version.placed(),
        landing,
        ending_known: !matches!(expires, Read::Faulty) && !matches!(zone, Read::Faulty),
        expires: expires.placed(),
        zone: zone.placed(),
        methods_known: !matches!(methods, Read::Faulty),
        methods: methods.optional(),
        section: table.name(),
        good: name.is_some() && table.faults.count() == faults_before,
        name,
    }
}

/// Requests in flight are remembered one by one, in [`Delivery::REQUESTS_MAX`] places: a higher number would be
/// accepted here and not held there.
fn connections(number: u64) -> Result<u32, Wrong> {
    const MOST: usize = Delivery::REQUESTS_MAX;
    let most = || Wrong::Must(format!("a number from 1 to {MOST} (of one download no more requests at once can be followed)"));
    match u32::try_from(number) {
        Ok(0) => Err(Wrong::Shape),
        Ok(number) if usize::try_from(number).is_ok_and(|number| number <= MOST) => Ok(number),
        Ok(_) | Err(_) => Err(most()),
    }
}

fn networks(table: &mut Table<'_, '_>) -> Read<Vec<IpNet>> {
    let read = table.texts("networks", |text| parse_network(text).map_err(|wrong| Wrong::Must(wrong.wanted().to_owned())));
    match read {
        Read::Good(Placed { value, .. }) if value.len() > NETWORKS_LIMIT => {
            table.misplaced("networks", &format!("must be at most {NETWORKS_LIMIT} addresses and networks, found {}", value.len()));
            Read::Faulty
        }
        Read::Good(Placed { value, span }) => Read::Good(Placed { value: value.into_iter().map(|network| network.value).collect(), span }),
        Read::Absent => Read::Absent,
        Read::Faulty => Read::Faulty,
    }
}

/// A duration of a second at least; `or` is what else would be right.
pub(super) fn span(text: &str, or: &str) -> Result<Span, Wrong> {
    let span: Span = text.parse().map_err(|wrong: Unreadable| Wrong::Must(format!("{}{or}", wrong.wanted())))?;
    if span >= SPAN_MIN { Ok(span) } else { Err(Wrong::Must(format!("a duration of at least \"1s\"{or}"))) }
}

/// What is built in: every method that a listener can do, the hand-off first.
fn built_in(dialects: &[Dialect]) -> Policy {
    let can = |method: &Method| dialects.iter().any(|dialect| possible(Kind::Download, *dialect, *method).is_ok());
    let methods: Vec<Method> = [Method::Handoff, Method::Stream].into_iter().filter(can).collect();
    let built_in = Policy::default();
    if methods.is_empty() { built_in } else { Policy { methods, ..built_in } }
}

/// All policies, `default` first, for web listeners of these dialects.
pub(super) fn policies(parts: &[Part], dialects: &[Dialect]) -> Vec<(String, Policy)> {
    let is_default = |part: &&Part| part.name.as_deref() == Some(DEFAULT);
    let built_in = built_in(dialects);
    let default = parts.iter().find(is_default).map_or_else(|| built_in.clone(), |part| part.over(&built_in));
    let others = parts.iter().filter(|part| !is_default(part));
    let others: Vec<_> = others.filter_map(|part| Some((part.name.clone()?, part.over(&default)))).collect();
    std::iter::once((DEFAULT.to_owned(), default)).chain(others).collect()
}

/// Tells where a day's end has no zone, and where a zone has no day's end.
pub(super) fn endings(faults: &mut Faults<'_>, parts: &[Part]) {
    let default = parts.iter().find(|part| part.name.as_deref() == Some(DEFAULT));
    // Of a default that could not be read nobody knows what the others take from it.
    if default.is_some_and(|part| !part.ending_known) {
        return;
    }
    let inherited = default.map_or(Ending::Exact, |part| part.ending(&Ending::Exact));
    for part in parts.iter().filter(|part| part.ending_known) {
        let base = if part.name.as_deref() == Some(DEFAULT) { &Ending::Exact } else { &inherited };
        let ends_with_a_day = part.ends_with_a_day(base);
        if let (Some(expires), None, true, Ending::Exact) = (&part.expires, &part.zone, ends_with_a_day, base) {
            let message = "needs a `zone` beside it, such as zone = \"Europe/Berlin\": a day ends at another moment in each";
            faults.whole(expires.span.clone(), &format!("{}.expires", part.section), message.to_owned());
        }
        if let (Some(zone), false) = (&part.zone, ends_with_a_day) {
            let message = "has its place with expires = \"end-of-day\" only";
            faults.whole(zone.span.clone(), &format!("{}.zone", part.section), message.to_owned());
        }
    }
}

impl Part {
    fn ends_with_a_day(&self, base: &Ending) -> bool {
        self.expires.as_ref().map_or(*base != Ending::Exact, |expires| expires.value == Expires::EndOfDay)
    }

    fn ending(&self, base: &Ending) -> Ending {
        if !self.ends_with_a_day(base) {
            return Ending::Exact;
        }
        self.zone.as_ref().map_or_else(|| base.clone(), |zone| Ending::EndOfDay(zone.value.clone()))
    }

    /// What it says, and what `base` says where it says nothing.
    fn over(&self, base: &Policy) -> Policy {
        let methods = self.methods.as_ref().map(|methods| methods.iter().map(|method| method.value).collect());
        Policy {
            max_downloads: self.max_downloads.map_or(base.max_downloads, Bound::limit),
            valid_for: self.valid_for.map_or(base.valid_for, Bound::limit),
            link_ttl: self.link_ttl.unwrap_or(base.link_ttl),
            resume_grace: self.resume_grace.unwrap_or(base.resume_grace),
            retry_factor: self.retry_factor.unwrap_or(base.retry_factor),
            methods: methods.unwrap_or_else(|| base.methods.clone()),
            connections_max: self.connections_max.unwrap_or(base.connections_max),
            rate: self.rate.or(base.rate),
            ending: self.ending(&base.ending),
            networks: self.networks.clone().unwrap_or_else(|| base.networks.clone()),
            networks_max: self.networks_max.map_or(base.networks_max, Bound::limit),
            edition: self.version.as_ref().map_or(base.edition, |version| version.value),
            landing: self.landing.unwrap_or(base.landing),
        }
    }
}
