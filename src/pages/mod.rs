//! What a refused customer sees: a page, or one line of text.
//!
//! A page has no script, loads nothing and links nowhere. Its style stands in it, and the hash of that style in
//! [`Pages::content_security_policy`]: the browser applies that one and nothing else.

mod running;
mod templates;
mod words;

use std::path::Path;

use http::StatusCode;
use minijinja::value::Value;
use minijinja::{Environment, context};

use crate::domain::refusal::Refusal;
use crate::domain::support::SupportCode;

pub use running::Running;
pub use templates::TemplateFault;

/// The media type of a page.
const HTML: &str = "text/html; charset=utf-8";
/// The media type of a line.
const TEXT: &str = "text/plain; charset=utf-8";

/// The style of the built-in pages, for others that shall look like them.
pub const fn style() -> &'static str {
    templates::BUILT_IN_STYLE
}

/// The pages, ready to be written: every template in it has been rendered for every refusal.
#[derive(Debug)]
pub struct Pages {
    templates: Environment<'static>,
    style: Value,
    policy: String,
}

impl Pages {
    /// The built-in templates, those of the directory `overrides` taking the place of the built-in ones of the same
    /// name: `layout.html`, `refusal.html`, `download-running.html`, `style.css`.
    ///
    /// A template knows `code`, `status`, `sentence`, `why`, `advice`, `support` (the code to quote, which it must show),
    /// `site`, `style`, `passing` (whether coming back later may help), and `running`: what is known of the download that
    /// stands in the way, or none. It has `since` (`12 minutes ago`), `network` (`203.0.113.0/24`), `here` (whether that
    /// is the customer's network, too) and `done` (`40 %`, as far as reported, or none). `layout.html` is what the others
    /// extend.
    ///
    /// Every page is rendered here, so that a template that cannot work is refused now and not when a customer
    /// comes. All the faults are told at once.
    pub fn load(overrides: Option<&Path>) -> Result<Self, Vec<TemplateFault>> {
        let sources = overrides.map_or_else(|| Ok(templates::Sources::built_in()), templates::Sources::read)?;
        let style = Value::from_safe_string(sources.style().to_owned());
        let templates = sources.environment()?;
        let policy = templates::examine(&sources, &templates, &style)?;
        Ok(Self { templates, style, policy })
    }

    /// Media type and body of the answer for `refusal`: a page where `wants_page`, else one line of text, which is
    /// also what is left if a page cannot be written. `site` is what customers call the place.
    pub fn refusal(&self, refusal: Refusal, support: &SupportCode, wants_page: bool, site: &str) -> (&'static str, String) {
        self.answer(refusal, None, support, wants_page, site)
    }

    /// The same for [`Refusal::DownloadRunning`], where something is known of the download that stands in the way.
    pub fn download_running(&self, running: &Running, support: &SupportCode, wants_page: bool, site: &str) -> (&'static str, String) {
        self.answer(Refusal::DownloadRunning, Some(running), support, wants_page, site)
    }

    fn answer(
        &self,
        refusal: Refusal,
        running: Option<&Running>,
        support: &SupportCode,
        wants_page: bool,
        site: &str,
    ) -> (&'static str, String) {
        let page = if wants_page { render(&self.templates, &self.style, refusal, running, support, site).ok() } else { None };
        page.map_or_else(|| (TEXT, line(refusal, support)), |page| (HTML, page))
    }

    /// The value of the `Content-Security-Policy` header that a page needs; ASCII. A line of text may carry it too.
    pub fn content_security_policy(&self) -> &str {
        &self.policy
    }
}

/// The page for `refusal`.
fn render(
    templates: &Environment<'_>,
    style: &Value,
    refusal: Refusal,
    running: Option<&Running>,
    support: &SupportCode,
    site: &str,
) -> Result<String, minijinja::Error> {
    let name = match refusal {
        Refusal::DownloadRunning => templates::DOWNLOAD_RUNNING,
        _ => templates::REFUSAL,
    };
    templates.get_template(name)?.render(context! {
        code => refusal.code(),
        status => refusal.status(),
        sentence => refusal.sentence(),
        why => words::why(refusal),
        advice => refusal.advice(),
        passing => refusal.is_passing(),
        running => running.map(Running::value),
        support => support.to_string(),
        site => site,
        style => style,
    })
}

/// `gone: This link has expired. Open your order for a fresh one, or ask the shop. (link_expired, R-7F3K-22AB)`
fn line(refusal: Refusal, support: &SupportCode) -> String {
    let kind = StatusCode::from_u16(refusal.status()).ok().and_then(|status| status.canonical_reason()).unwrap_or("refused");
    format!("{}: {} {} ({refusal}, {support})\n", kind.to_ascii_lowercase(), refusal.sentence(), refusal.advice())
}
