//! One request of a web server: read, decided, noted, said.

use std::net::{IpAddr, Ipv4Addr};

use http::request::Parts;

use super::address::Address;
use super::authorize::{No, Pass, authorize};
use super::download::download;
use super::outcome::{Counted, Outcome, Sending};
use super::remembered::Refused;
use super::running::running;
use super::secrecy::{LEFT_OUT, SECRET_LENGTH_MIN, has_jwt};
use super::site::{Event, Site};
use super::trace::Trace;
use crate::clock;
use crate::config::Serve;
use crate::dialect::{Answer, Asked, Dialect, Malformed, Page, Say};
use crate::domain::account::Change;
use crate::domain::delivery::{Delivery, State};
use crate::domain::language::Language;
use crate::domain::moment::Moment;
use crate::domain::path::CanonicalPath;
use crate::domain::policy::Method;
use crate::domain::question::{Kind, Question};
use crate::domain::refusal::Refusal;
use crate::domain::support::SupportCode;
use crate::pages::{HTML, Reader, Running};
use crate::proof::token;

/// What goes onto the wire.
#[derive(Debug)]
pub enum Reply {
    /// An answer with all it has to say.
    Answer(Answer),
    /// The bytes themselves.
    Stream(Box<Sending>, Question),
}

/// Answers one request: reads it in the listener's dialect, decides, notes the outcome, says it.
pub async fn answer(site: &Site, dialect: Dialect, peer: Option<IpAddr>, head: &Parts) -> Reply {
    let now = clock::now();
    match dialect.read(head, &site.public_url().path, peer, super::request_id) {
        Ok(Asked::Question(question)) => decide(site, dialect, question, now).await,
        Ok(Asked::Refused { refusal, request, wants_page, language }) => {
            let support = SupportCode::of(&request);
            let until = until(site, refusal, &support);
            Reply::Answer(refuse(site, dialect, Kind::Download, No { refusal, until }, &support, (wants_page, language), now))
        }
        Err(malformed) => Reply::Answer(not_understood(site, dialect, peer, &malformed)),
    }
}

async fn decide(site: &Site, dialect: Dialect, question: Question, now: Moment) -> Reply {
    // What the log tells of a refusal is the trace of this very decision: a password is hashed and counted once.
    let mut trace = Trace::end();
    let decision = match question.kind {
        Kind::Authorize => authorize(site, &question, now, &mut trace).await.map(Decision::Pass),
        Kind::Download => download(site, &*site.store, dialect, &question, now, &mut trace).await.map(Decision::Download).map_err(No::from),
    };
    match decision {
        Ok(decision) => {
            site.metrics.allowed(question.kind);
            if let Decision::Pass(Pass { observed: Some(refusal), .. }) = &decision {
                note_observed(site, &question, (*refusal).into(), trace.into_end().unwrap_or_default(), now);
            }
            allow(site, dialect, question, decision, now)
        }
        Err(no) => {
            let No { refusal, until } = no;
            keep_refusal(site, &question, no, trace.into_end().unwrap_or_default(), now);
            let running = match refusal {
                Refusal::DownloadRunning if question.wants_page => running(site, &question, now).await,
                _ => None,
            };
            let support = SupportCode::of(&question.request);
            let page = page_of(site, refusal, &support, (question.wants_page, question.language), running.as_ref());
            let lasts = until.map(|until| until.since(now));
            Reply::Answer(
                dialect.write(question.kind, Say::Refuse { refusal, support: &support, page, realm: realm(site, &question), lasts }),
            )
        }
    }
}

/// What a 401 asks for, where the rule takes logins.
fn realm<'a>(site: &'a Site, question: &Question) -> Option<&'a str> {
    if question.kind != Kind::Authorize {
        return None;
    }
    let rule = site.configuration.rule_for(&question.path).filter(|rule| rule.takes_logins())?;
    Some(rule.realm.as_deref().unwrap_or_else(|| site.name()))
}

enum Decision {
    Pass(Pass),
    Download(Outcome),
}

fn allow(site: &Site, dialect: Dialect, question: Question, decision: Decision, now: Moment) -> Reply {
    match decision {
        Decision::Pass(pass) => Reply::Answer(dialect.write(question.kind, Say::Allow { rate: pass.rate, user: pass.user.as_deref() })),
        Decision::Download(Outcome::Redirect(redirect)) => {
            if redirect.fresh {
                site.due(now + Delivery::OFFER_LIFETIME);
            }
            if let Some(counted) = redirect.counted.filter(|counted| counted.opened) {
                let is_seen = redirect.method == Method::Stub && site.configuration.is_measured();
                note_opened(site, &question, counted, redirect.version.size, is_seen, now);
            }
            for change in &redirect.closed {
                super::settle::note(site, change);
            }
            tracing::debug!(client = %question.client.address, event = "clicked", delivery = %redirect.delivery, fresh = redirect.fresh);
            Reply::Answer(dialect.write(question.kind, Say::Redirect { to: &redirect.to, cookie: redirect.cookie.as_deref() }))
        }
        Decision::Download(Outcome::Show(shown)) => {
            tracing::debug!(client = %question.client.address, event = "shown", request = %question.request);
            let page = Page { media_type: HTML, text: shown.text, policy: site.pages.content_security_policy_of_forms() };
            Reply::Answer(
                dialect.write(question.kind, Say::Show { page, onward: shown.onward.as_deref(), cookie: shown.cookie.as_deref() }),
            )
        }
        Decision::Download(Outcome::Lead(to)) => {
            tracing::debug!(client = %question.client.address, event = "led_on", request = %question.request);
            Reply::Answer(dialect.write(question.kind, Say::Redirect { to: &to.0, cookie: None }))
        }
        Decision::Download(Outcome::Copy(to)) => {
            tracing::debug!(client = %question.client.address, event = "led_to_copy", request = %question.request);
            Reply::Answer(dialect.write(question.kind, Say::Redirect { to: &to.0, cookie: None }))
        }
        Decision::Download(Outcome::Send(sending)) => {
            note_opening(site, &question, &sending, now);
            match sending.method {
                Method::Stream => Reply::Stream(Box::new(sending), question),
                Method::Stub | Method::Copy | Method::Public => {
                    let say = Say::Describe { version: &sending.version, name: &sending.name };
                    Reply::Answer(dialect.write(Kind::Download, say))
                }
                _ => Reply::Answer(hand_off(site, dialect, &sending)),
            }
        }
    }
}

fn hand_off(site: &Site, dialect: Dialect, sending: &Sending) -> Answer {
    let storage = site.storages.named(&sending.file.storage);
    let prefix = storage.and_then(|storage| storage.entry.handoff.as_deref()).unwrap_or_default();
    let directory = storage.map(|storage| storage.entry.path.to_string_lossy()).unwrap_or_default();
    dialect.write(
        Kind::Download,
        Say::HandOff {
            prefix,
            directory: &directory,
            path: &sending.file.path,
            version: &sending.version,
            name: &sending.name,
            rate: sending.rate,
            delivery: sending.counted.map(|counted| counted.delivery),
        },
    )
}

/// The answer that says no.
fn refuse(site: &Site, dialect: Dialect, kind: Kind, no: No, support: &SupportCode, wants: (bool, Language), now: Moment) -> Answer {
    let page = page_of(site, no.refusal, support, wants, None);
    let lasts = no.until.map(|until| until.since(now));
    dialect.write(kind, Say::Refuse { refusal: no.refusal, support, page, realm: None, lasts })
}

/// Until when a refusal lasts whose page is asked for: the question itself was answered before.
fn until(site: &Site, refusal: Refusal, support: &SupportCode) -> Option<Moment> {
    if refusal != Refusal::LockedOut {
        return None;
    }
    site.remembered.find(support).filter(|before| before.refusal == refusal)?.until
}

/// What is said to whoever wants a page, or not, in a language.
fn page_of<'a>(site: &'a Site, refusal: Refusal, support: &SupportCode, wants: (bool, Language), running: Option<&Running>) -> Page<'a> {
    let (wants_page, language) = wants;
    let reader = Reader { language, site: site.name() };
    let (media_type, text) = match running {
        Some(running) => site.pages.download_running(running, support, wants_page, reader),
        None => site.pages.refusal(refusal, support, wants_page, reader),
    };
    Page { media_type, text, policy: site.pages.content_security_policy() }
}

fn not_understood(site: &Site, dialect: Dialect, peer: Option<IpAddr>, malformed: &Malformed) -> Answer {
    site.metrics.malformed(Serve::Web(dialect));
    // The client's address could not be read for sure; what is sure is the request id, if there is one.
    let request = malformed.request.clone().unwrap_or_else(super::request_id);
    // A standalone listener's peer is the client; any other's is the web server, whom nobody should ban.
    let client = peer.filter(|_| dialect == Dialect::Standalone);
    let now = clock::now();
    let refused = Refused {
        at: now,
        refusal: Refusal::BadRequest,
        until: None,
        kind: malformed.kind,
        client: client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        request: request.clone(),
        subject: "a request that was not understood".to_owned(),
        detail: malformed.reason.clone(),
    };
    remember(site, refused);
    refuse(site, dialect, malformed.kind, Refusal::BadRequest.into(), &SupportCode::of(&request), (false, Language::default()), now)
}

/// The answer to a question that was allowed, when what is to be sent turns out to be gone.
pub fn refuse_late(site: &Site, dialect: Dialect, question: &Question, refusal: Refusal) -> Answer {
    let now = clock::now();
    keep_refusal(site, question, refusal.into(), "the file was there a moment ago and cannot be opened now".to_owned(), now);
    refuse(site, dialect, question.kind, refusal.into(), &SupportCode::of(&question.request), (question.wants_page, question.language), now)
}

fn keep_refusal(site: &Site, question: &Question, no: No, detail: String, now: Moment) {
    site.metrics.refused(question.kind, no.refusal);
    remember(site, refused(site, question, no, detail, now));
}

/// A rule that only observes has let something pass that it would refuse.
fn note_observed(site: &Site, question: &Question, no: No, detail: String, now: Moment) {
    site.metrics.observed(no.refusal);
    log("would_refuse", &refused(site, question, no, detail, now).shortened());
}

fn refused(site: &Site, question: &Question, No { refusal, until }: No, detail: String, now: Moment) -> Refused {
    let (subject, client) = (subject(site, question), question.client.address);
    Refused { at: now, refusal, until, kind: question.kind, client, request: question.request.clone(), subject, detail }
}

/// Counts and logs a refusal, tells it to those who follow, and keeps it for `explain`.
fn remember(site: &Site, refused: Refused) {
    site.refusals.add(refused.refusal, refused.at);
    let refused = refused.shortened();
    log("refused", &refused);
    site.tell(|| Event::Refused(refused.clone()));
    super::outbox::note_refused(site, &refused);
    site.remembered.keep(refused);
}

fn log(event: &'static str, refused: &Refused) {
    let Refused { refusal, kind, client, request, subject, detail, .. } = refused;
    let support = SupportCode::of(request);
    let client = (!client.is_unspecified()).then(|| tracing::field::display(client));
    tracing::info!(client, event, %refusal, question = kind.word(), subject, %request, %support, detail);
}

/// What was asked for, without any token: the path, or the id that the token carries.
pub fn subject(site: &Site, question: &Question) -> String {
    match Address::read(&question.path, &site.public_path) {
        Some(Address::Link(token)) => {
            token::open_link(site.name(), token, &site.keys).map_or_else(|_| "a link token".to_owned(), |id| id.to_string())
        }
        Some(Address::Delivery(token)) => {
            token::open_delivery(site.name(), token, &site.keys).map_or_else(|_| "a delivery token".to_owned(), |id| id.to_string())
        }
        Some(Address::Started(token)) => token::open_delivery(site.name(), token, &site.keys).map_or_else(
            |_| token::open_link(site.name(), token, &site.keys).map_or_else(|_| "a delivery token".to_owned(), |id| id.to_string()),
            |id| id.to_string(),
        ),
        Some(Address::Order(token, _)) => {
            token::open_order(site.name(), token, &site.keys).map_or_else(|_| "an order token".to_owned(), |(id, _)| id.to_string())
        }
        Some(Address::File(file)) if site.storages.named(&file.storage).is_some() => without(has_jwt, &question.path),
        // A mistyped address may have a token anywhere.
        _ if question.kind == Kind::Download => without(|segment| is_token(segment) || has_jwt(segment), &question.path),
        _ => without(has_jwt, &question.path),
    }
}

/// A path in which the segments that are secret are left out.
fn without(is_secret: impl Fn(&str) -> bool, path: &CanonicalPath) -> String {
    path.encoded().split('/').map(|segment| if is_secret(segment) { LEFT_OUT } else { segment }).collect::<Vec<_>>().join("/")
}

/// Whether a segment could be a token, or most of one.
fn is_token(segment: &str) -> bool {
    segment.len() >= SECRET_LENGTH_MIN && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn note_opening(site: &Site, question: &Question, sending: &Sending, now: Moment) {
    let Some(counted) = sending.counted.filter(|counted| counted.opened) else {
        tracing::debug!(client = %question.client.address, event = "sent", file = %sending.file, request = %question.request);
        return;
    };
    note_opened(site, question, counted, sending.version.size, site.is_reported(sending.method), now);
}

/// A delivery opened; `is_reported` is whether anybody tells what of it is sent.
fn note_opened(site: &Site, question: &Question, counted: Counted, bytes: u64, is_reported: bool, now: Moment) {
    site.due(counted.ends);
    let change = Change {
        delivery: counted.delivery,
        grant: counted.grant,
        client: question.client.clone(),
        at: now,
        before: State::Offered,
        state: if is_reported { State::Open } else { State::Started },
        covered: 0,
        size: bytes,
        bytes: 0,
        bytes_beyond: 0,
        is_overdrawn: false,
    };
    super::settle::note(site, &change);
}
