//! May this request pass? The web server serves its own file.

use ipnet::IpNet;

use super::jwt;
use super::login::login;
use super::site::Site;
use super::trace::Trace;
use crate::config::{Mode, ProofKind, Rule};
use crate::domain::moment::Moment;
use crate::domain::question::Question;
use crate::domain::refusal::Refusal;
use crate::domain::units::Rate;
use crate::proof::signed_url;

/// Leave to pass. Only [`authorize`] makes one; answering consumes it.
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub struct Pass {
    /// Bytes per second, if limited.
    pub rate: Option<Rate>,
    /// Who it is, where the proof tells.
    pub user: Option<String>,
    /// Why it would have been refused, if its rule refused anything.
    pub observed: Option<Refusal>,
}

/// No, and until when, where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct No {
    /// Why.
    pub refusal: Refusal,
    /// When it may be otherwise.
    pub until: Option<Moment>,
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, until: None }
    }
}

/// The rule that covers the path, then a proof that it accepts, then leave to pass.
pub async fn authorize(site: &Site, question: &Question, now: Moment, trace: &mut Trace) -> Result<Pass, No> {
    let rule = rule(site, question, trace)?;
    let pass = match (prove(site, rule, question, now, trace).await, rule.mode) {
        (Ok(pass), _) => pass,
        (Err(no), Mode::Enforce) => return Err(no),
        (Err(No { refusal, .. }), Mode::Observe) => {
            trace.held(|| format!("mode = \"observe\": it passes all the same, and would have been refused as {refusal}"));
            Pass { rate: None, user: None, observed: Some(refusal) }
        }
    };
    trace.held(|| "the request may pass: the web server sends its own file".to_owned());
    Ok(pass)
}

fn rule<'a>(site: &'a Site, question: &Question, trace: &mut Trace) -> Result<&'a Rule, Refusal> {
    let found = site.configuration.rule_for(&question.path);
    match found {
        Some(rule) => trace.held(|| format!("the rule for `{}` covers the path", rule.path.encoded())),
        None => {
            trace.failed(|| format!("no [[rule]] covers `{}`: add one, or take the location out of auth_request", question.path.encoded()));
        }
    }
    found.ok_or(Refusal::NoRule)
}

/// Tries the proofs that the rule accepts, in its order. The first that was brought decides.
async fn prove(site: &Site, rule: &Rule, question: &Question, now: Moment, trace: &mut Trace) -> Result<Pass, No> {
    let mut answer = Err(No::from(Refusal::NoProof));
    for kind in &rule.accept {
        answer = match kind {
            ProofKind::SignedUrl => open_signed_url(site, question, now, trace)
                .map(|claim| Pass { rate: claim.rate(), user: None, observed: None })
                .map_err(No::from),
            ProofKind::Jwt => match jwt::open(site, question, None, now, trace) {
                Ok(claim) => Ok(Pass { rate: claim.rate(), user: claim.user().map(str::to_owned), observed: None }),
                // A cookie comes along unasked: a stale one must not keep a browser from asking for the password.
                Err(_) if rule.takes_logins() && jwt::is_ambient(question) => Err(Refusal::NoProof.into()),
                Err(refusal) => Err(refusal.into()),
            },
            ProofKind::Basic => {
                login(site, rule, question, now, trace).await.map(|user| Pass { rate: None, user: Some(user), observed: None })
            }
        };
        if !matches!(answer, Err(No { refusal: Refusal::NoProof, .. })) {
            break;
        }
    }
    // Who brings nothing to a rule that takes logins can do something about it at once.
    answer.map_err(|no| if no.refusal == Refusal::NoProof && rule.takes_logins() { Refusal::LoginRequired.into() } else { no })
}

/// Opens the signed URL that a question brings.
pub(super) fn open_signed_url(site: &Site, question: &Question, now: Moment, trace: &mut Trace) -> Result<signed_url::Claim, Refusal> {
    signed_url::open_traced(site.name(), &question.path, question.query.as_deref(), question.client.address, &site.keys, now, &mut |step| {
        let held = !matches!(step, signed_url::Step::Failed(_));
        trace.step(held, || words(&step));
    })
}

/// A step of the proof in words for the sysadmin.
fn words(step: &signed_url::Step<'_>) -> String {
    use signed_url::Step;
    match step {
        Step::KeyNamed(id) => format!("the query names the key `{id}`"),
        Step::KeyKnown(purpose) => format!("the key is known, use = \"{}\"", purpose.word()),
        Step::Text(text) => format!("the text that must have been signed is {:?}", text.to_string()),
        Step::MacHeld => "the signature is that of the text".to_owned(),
        Step::InTime { not_before, expires } => in_time(*not_before, *expires),
        Step::InNetwork(network) => in_network(*network),
        Step::PathOpened => "the path is the one that was signed".to_owned(),
        Step::Failed(fault) => fault.to_string(),
    }
}

/// That the clock is inside the window of a proof, in words.
pub(super) fn in_time(not_before: Option<Moment>, expires: Moment) -> String {
    match not_before {
        Some(from) => format!("the time is right: from {from} until {expires}"),
        None => format!("the time is right: until {expires}"),
    }
}

/// That the client is in the network of a proof, in words.
pub(super) fn in_network(network: Option<IpNet>) -> String {
    network.map_or_else(|| "no network is asked for".to_owned(), |network| format!("the client is in {network}"))
}
