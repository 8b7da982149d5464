//! Why, in steps: a URL, what lies in public, a support code, a request id, a link, a delivery or a grant.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod click;
mod ended;
mod ids;
mod public;
mod remedy;
mod zen_cart;

use self::ids::Id;
use self::public::Public;
use self::zen_cart::InZenCart;
use super::address::Address;
use super::authorize::authorize;
use super::download::download;
use super::outcome::Outcome;
use super::rehearsal::Rehearsal;
use super::secrecy::without_jwts;
use super::site::Site;
use super::trace::{Step, Trace};
use crate::clock;
use crate::dialect::Dialect;
use crate::domain::client::Client;
use crate::domain::id::RequestId;
use crate::domain::language::Language;
use crate::domain::moment::Moment;
use crate::domain::path::CanonicalPath;
use crate::domain::question::{Kind, Method, Question};
use crate::domain::range::Range;
use crate::domain::refusal::Refusal;
use crate::domain::support::SupportCode;
use crate::proof::{signed_url, token};

/// What `explain` found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// What was explained, without any token.
    pub subject: String,
    /// The outcome in a word: `allowed`, or a refusal's code.
    pub outcome: String,
    /// The steps of the decision, in order.
    pub steps: Vec<Step>,
    /// What mends it, where something is wrong.
    pub advice: Option<String>,
}

/// Why nothing can be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexplained(pub String);

/// What `explain` was given.
enum Named<'a> {
    /// Something in a public directory.
    Public(Public<'a>),
    /// Something in Zen Cart's own `pub/`.
    ZenCart(InZenCart<'a>),
    /// A URL, whole or from its path on.
    Url,
    /// A refusal.
    Refusal(SupportCode, Option<RequestId>),
    /// An id of ours.
    Id(Id),
    /// What has the length of a token and could be one; it is not said back.
    Token,
    /// What begins as a JWT does; it is not said back.
    Jwt,
    /// Nothing that is known.
    Junk,
}

fn named<'a>(site: &'a Site, what: &str) -> Named<'a> {
    if let Some(public) = Public::read(site, what) {
        return Named::Public(public);
    }
    if let Some(link) = InZenCart::read(site, what) {
        return Named::ZenCart(link);
    }
    if what.starts_with('/') || what.contains("://") {
        return Named::Url;
    }
    if let Some(id) = Id::parse(what) {
        return Named::Id(id);
    }
    if let Ok(code) = what.parse::<SupportCode>() {
        return Named::Refusal(code, None);
    }
    if what.len() == token::TOKEN_CHARACTERS {
        return Named::Token;
    }
    // `{"`, in base64.
    if what.starts_with("eyJ") {
        return Named::Jwt;
    }
    RequestId::parse(what).map_or(Named::Junk, |request| Named::Refusal(SupportCode::of(&request), Some(request)))
}

/// Whether only the daemon that was asked can explain `what`: a refusal, a grant, a link, a delivery, or what lies in public.
/// Everything else follows from the configuration.
pub fn is_remembered(site: &Site, what: &str) -> bool {
    let what = what.trim();
    match named(site, what) {
        Named::Url => {
            let path = target_of(site, what).ok().and_then(|target| CanonicalPath::parse(split(target).0).ok());
            let address = path.as_ref().and_then(|path| Address::read(path, &site.public_path));
            matches!(address, Some(Address::Link(_) | Address::Delivery(_) | Address::Started(_) | Address::Order(..)))
        }
        Named::Public(_) | Named::ZenCart(_) | Named::Refusal(..) | Named::Id(_) => true,
        Named::Token | Named::Jwt | Named::Junk => false,
    }
}

/// Explains `what`: a URL of the site (whole, or from its path on), a path or URL of something in a public directory, a
/// support code or request id of a refusal, or the id of a grant, a link or a delivery.
/// `from` is the address of the client that shall be assumed.
pub async fn explain(site: &Site, what: &str, from: Option<IpAddr>) -> Result<Explanation, Unexplained> {
    let what = what.trim();
    match named(site, what) {
        Named::Public(public) => {
            let found = public::explain(site, public).await?;
            // A request id of our own has the form of a name in public.
            let request = if found.outcome == public::UNKNOWN { RequestId::parse(what) } else { None };
            let refused = request.and_then(|request| explain_refusal(site, &SupportCode::of(&request), Some(&request)).ok());
            Ok(refused.unwrap_or(found))
        }
        Named::ZenCart(link) => Ok(zen_cart::explain(site, &link).await),
        Named::Url => explain_url(site, what, from).await,
        Named::Refusal(code, request) => explain_refusal(site, &code, request.as_ref()),
        Named::Id(id) => ids::explain(site, id).await,
        Named::Token => {
            Err(Unexplained("this has the length of a link's or a delivery's token: explain the whole URL that it is in".to_owned()))
        }
        Named::Jwt => {
            Err(Unexplained("this is a JWT: explain it behind the path that it shall open, as '/members/a.zip?jwt=…'".to_owned()))
        }
        Named::Junk => Err(Unexplained(without_jwts(format!(
            "`{what}` must be a URL of {}, a path that begins with `/`, a name in a public directory, a support code such as R-7F3K-22AB, a request id, or an id (g-…, l-…, d-…)",
            site.public_url().origin
        )))),
    }
}

fn explain_refusal(site: &Site, code: &SupportCode, request: Option<&RequestId>) -> Result<Explanation, Unexplained> {
    let Some(refused) = site.remembered.find(code) else {
        let what = request.map_or_else(|| format!("the support code {code}"), |request| format!("the request id `{request}`"));
        let sought = request.map_or_else(|| format!("support={code}"), |request| format!("request={request}"));
        return Err(Unexplained(format!(
            "{what} is none of the last refusals since the daemon was started: look for `{sought}` in its older log"
        )));
    };
    let step = |held, text: String| Step { held, text };
    let client = if refused.client.is_unspecified() { "an unknown client".to_owned() } else { refused.client.to_string() };
    Ok(Explanation {
        subject: refused.subject.clone(),
        outcome: refused.refusal.code().to_owned(),
        steps: vec![
            step(true, format!("{client} asked `{}` at {}, request {}", refused.kind.word(), refused.at, refused.request)),
            step(true, format!("for {}", refused.subject)),
            step(false, if refused.detail.is_empty() { refused.refusal.sentence().to_owned() } else { refused.detail }),
        ],
        advice: advice(refused.refusal),
    })
}

async fn explain_url(site: &Site, url: &str, from: Option<IpAddr>) -> Result<Explanation, Unexplained> {
    let target = target_of(site, url)?;
    let (path, query) = split(target);
    let path = match CanonicalPath::parse(path) {
        Ok(path) => path,
        Err(fault) => {
            let steps = vec![Step { held: false, text: format!("the path is refused: {fault}") }];
            return Ok(Explanation {
                subject: "a path".to_owned(),
                outcome: Refusal::BadRequest.code().to_owned(),
                steps,
                advice: advice(Refusal::BadRequest),
            });
        }
    };
    let kind = if path.below(&site.public_path).is_some() { Kind::Download } else { Kind::Authorize };
    let question = Question {
        kind,
        request: super::request_id(),
        method: Method::Get,
        path,
        query: query.map(str::to_owned),
        client: Client::new(from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), "cloakroom explain"),
        range: Range::Whole,
        cookie: None,
        order_cookie: None,
        jwt_cookies: None,
        authorization: None,
        wants_page: false,
        navigates: false,
        language: Language::default(),
        looks_ahead: false,
    };
    let mut trace = Trace::on();
    trace.held(|| format!("the path is canonical; the question is `{}`", kind.word()));
    let outcome = decide(site, dialect_of(site), &question, clock::now(), &mut trace).await;
    Ok(Explanation {
        subject: super::answer::subject(site, &question),
        outcome: outcome.map_or_else(|refusal| refusal.code().to_owned(), |()| "allowed".to_owned()),
        steps: trace.into_steps(),
        advice: outcome.err().and_then(|refusal| advice_on(site, &question, refusal, from)),
    })
}

/// The path and the query of a target. What follows `#` never leaves the browser.
fn split(target: &str) -> (&str, Option<&str>) {
    let target = target.split_once('#').map_or(target, |(sent, _)| sent);
    target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)))
}

fn advice_on(site: &Site, question: &Question, refusal: Refusal, from: Option<IpAddr>) -> Option<String> {
    let text = match (refusal, Address::read(&question.path, &site.public_path)) {
        (Refusal::WrongNetwork | Refusal::TooManyNetworks, _) if from.is_none() => {
            "no client was given: say with --from ADDRESS for whom the URL shall be explained".to_owned()
        }
        (Refusal::BadProof | Refusal::Expired | Refusal::WrongPath, Some(Address::File(_)) | None)
            if super::jwt::is_brought(question) && !signed_url::is_brought(question.query.as_deref()) =>
        {
            "mint it again, with what the step above asks for; conf-examples/minting/README.md tells every claim".to_owned()
        }
        (Refusal::BadProof, Some(Address::Link(_) | Address::Delivery(_))) => {
            "copy the link again, whole, or make a new one with `cloakroom link new`".to_owned()
        }
        (Refusal::NoProof, Some(Address::File(file))) => {
            format!("the URL carries no proof: make one with `cloakroom sign '{file}' --for 7d`")
        }
        (Refusal::NoProof, None) => {
            format!("the URL carries no proof: make one with `cloakroom sign '{}' --for 7d`", question.path.decoded())
        }
        _ => return advice(refusal),
    };
    Some(without_jwts(text))
}

fn target_of<'a>(site: &Site, url: &'a str) -> Result<&'a str, Unexplained> {
    let origin = &site.public_url().origin;
    if url.starts_with('/') {
        return Ok(url);
    }
    url.strip_prefix(origin.as_str())
        .filter(|rest| rest.starts_with('/'))
        .ok_or_else(|| Unexplained(format!("the URL must begin with {origin}/: this configuration answers for no other site")))
}

/// One in which downloads are asked for: only they depend on it.
fn dialect_of(site: &Site) -> Dialect {
    site.configuration.web_dialects().find(|dialect| dialect.can_ask(Kind::Download)).unwrap_or(Dialect::Standalone)
}

async fn decide(site: &Site, dialect: Dialect, question: &Question, now: Moment, trace: &mut Trace) -> Result<(), Refusal> {
    match question.kind {
        Kind::Authorize => authorize(site, question, now, trace).await.map(|_pass| ()).map_err(|no| no.refusal),
        Kind::Download => {
            let rehearsal = Rehearsal::over(&*site.store);
            match download(site, &rehearsal, dialect, question, now, trace).await? {
                Outcome::Send(sending) => trace.held(|| format!("{} would be sent as `{}`", sending.file, sending.name)),
                Outcome::Redirect(redirect) => click::told(site, &redirect, trace),
                Outcome::Show(_) => trace.held(|| "the page would be shown".to_owned()),
                Outcome::Lead(_) => trace.held(|| "the customer would be led to another page".to_owned()),
                Outcome::Copy(_) => trace.held(|| "the click would be answered by 303 to the copy of its grant".to_owned()),
            }
            Ok(())
        }
    }
}

/// What mends it, for the sysadmin.
fn advice(refusal: Refusal) -> Option<String> {
    let text = match refusal {
        Refusal::NoProof => "the URL carries no proof: make one with `cloakroom sign PATH --for 7d`",
        Refusal::BadProof => {
            "the URL was altered, cut off, or signed with another key, site or path: sign it again with `cloakroom sign`, or, for a link, `cloakroom link new GRANT`"
        }
        Refusal::Expired | Refusal::LinkExpired => {
            "make a new one with `cloakroom sign` or `cloakroom link new`; a grant whose time is over gets more with `cloakroom grant extend`"
        }
        Refusal::NotYetValid => "wait, or compare the clocks of the signer and this host",
        Refusal::WrongNetwork => {
            "the client comes from another network than the link was made for: sign it again without --network, or with the right one; a counted link follows `networks` in its policy"
        }
        Refusal::TooManyNetworks => {
            "the grant was used from as many networks as its policy allows (networks_max; /24 of IPv4, /56 of IPv6): issue a new link, with a higher networks_max in its policy if that was one person"
        }
        Refusal::WrongPath => "the proof was made for another path: sign this one",
        Refusal::KeyRetired => {
            "the key has use = \"retired\": sign again with the current one, or set use = \"accept\" for the time of the rotation"
        }
        Refusal::LoginRequired => {
            "the rule opens with a user name and a password: `cloakroom htpasswd add FILE NAME` makes one in its file"
        }
        Refusal::BadPassword => {
            "`cloakroom htpasswd verify FILE NAME` tells whether a password is right, `cloakroom htpasswd lint FILE` whether the file is"
        }
        Refusal::LockedOut => {
            "10 wrong passwords for a name, or 100 wrong logins, came from one network within 10 minutes (/24 of IPv4, /56 of IPv6): it ends by itself 10 minutes later, at once by a restart"
        }
        Refusal::Overloaded => {
            "more waited than can be answered: decisions for the store, or passwords to be hashed (cloakroom_logins_queue_full counts those)"
        }
        Refusal::NoRule => "add a [[rule]] for the path to the configuration",
        Refusal::UnknownLink => "the link is not in the store: issue a new one with `cloakroom grant add`",
        Refusal::FileMissing => "put the file back, or check the path and the owner of the storage's directory",
        Refusal::Suspended => {
            "somebody suspended the grant, as its history in `cloakroom grant show` tells: `cloakroom grant resume` opens it again"
        }
        Refusal::Revoked => {
            "the link or the grant was withdrawn for good, as its history in `cloakroom grant show` tells: make a new one with `cloakroom link new` or `cloakroom grant add`"
        }
        Refusal::StoreDown => {
            "the daemon's log tells why its store does not answer; `cloakroom check` and `cloakroom store info` look at the file"
        }
        Refusal::Preparing => "wait: its copy is being made, as `cloakroom grant show GRANT` tells",
        Refusal::CannotPrepare => {
            "nothing can be placed in public: `cloakroom stub list` names the directory and what is wrong with it, `cloakroom check` what mends it; it is tried again by itself"
        }
        Refusal::LimitReached => "give the grant another download with `cloakroom grant extend --max +1`",
        Refusal::DownloadRunning => {
            "the last download of the grant is running: `cloakroom delivery list` shows it; it can be finished from anywhere once no request is in flight"
        }
        Refusal::ByteBudget => {
            "more than (1 + retry_factor) times the file was asked for in one delivery: raise retry_factor in the policy if clients need it"
        }
        Refusal::TooManyConnections => "raise connections_max in the policy, or let the client use fewer connections",
        Refusal::BadRequest => {
            "compare the web server's snippet with conf-examples; a path must be spelled in the one way that all web servers understand alike"
        }
        _ => return None,
    };
    Some(text.to_owned())
}
