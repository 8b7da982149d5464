//! What customers see: the page of an order, of a link, and of a download, and, refused, a page or one line of text.
//!
//! A page has no script, loads nothing, and links to nothing but other pages of its own. Its style stands in it, and the
//! hash of that style in its `Content-Security-Policy`: the browser applies that one and nothing else. Every page comes in
//! every [`Language`].

mod landing;
mod order;
mod running;
mod said;
mod samples;
mod started;
mod templates;
mod words;

use std::path::Path;

use http::StatusCode;
use jiff::tz::TimeZone;
use minijinja::value::Value;
use minijinja::{Environment, Error, context};

use self::samples::Sample;
use self::templates::{Policies, TryOut};
use self::words::Words;
use crate::domain::language::Language;
use crate::domain::moment::Moment;
use crate::domain::refusal::Refusal;
use crate::domain::support::SupportCode;

pub use landing::{Landing, Left, Shown};
pub use order::{OrderPage, Row, Standing, Ways};
pub use running::Running;
pub use started::{Progress, Started};
pub use templates::TemplateFault;

/// The media type of a page.
pub const HTML: &str = "text/html; charset=utf-8";
/// The media type of a line.
const TEXT: &str = "text/plain; charset=utf-8";

/// The style of the built-in pages, for others that shall look like them.
pub const fn style() -> &'static str {
    templates::BUILT_IN_STYLE
}

/// The pages, ready to be written: every template in it has been rendered in every state and language.
#[derive(Debug)]
pub struct Pages {
    templates: Environment<'static>,
    style: Value,
    words: Vec<(Language, Words)>,
    policies: Policies,
}

impl Pages {
    /// The built-in templates, those of the directory `overrides` taking the place of the built-in ones of the same
    /// name: `layout.html`, `refusal.html`, `download-running.html`, `landing.html`, `started.html`,
    /// `order.html`, `style.css`.
    ///
    /// Each knows `site`, `language` (`en`, `de`), `words` (the table of that language, such as `words.landing.resume`;
    /// `| fill(name=…)` fills in its `{name}`), `style` and `sentence`, what the page is about.
    ///
    /// The page of a refusal also knows `code`, `status`, `why`, `advice`, `support` (the code to quote, which it must
    /// show), `passing` (whether coming back later may help), and `running`: what is known of the download that
    /// stands in the way, or none. It has `since` (`12 minutes ago`), `network` (`203.0.113.0/24`), `here` (whether that
    /// is the customer's network, too) and `done` (`40 %`, as far as reported, or none).
    ///
    /// The page of a link and that of a download know `file` (`name`, `size`, `bytes`, `kind`, `media_type`, `changed`,
    /// `sha256` or none), `ends` (or none), `command` and `login`; moments have `iso`, `date`, `day` and `when`. The first
    /// knows `left`, `mine`, `is_measured` and `all`, and must have the form; the second `state`, `why`, `received`, `way`,
    /// `back` and `all`. The page of an order knows `number`, `shut`, `rows`, `before`, `behind` and `told`. `layout.html` is what the others extend.
    ///
    /// Every page is rendered here, so that a template that cannot work is refused now and not when a customer
    /// comes. All the faults are told at once.
    pub fn load(overrides: Option<&Path>) -> Result<Self, Vec<TemplateFault>> {
        let sources = overrides.map_or_else(|| Ok(templates::Sources::built_in()), templates::Sources::read)?;
        let mut words = Vec::new();
        for &language in Language::ALL {
            words.push((language, Words::built_in(language).map_err(|problem| vec![sources.at_fault(problem)])?));
        }
        let mut pages = Self {
            style: Value::from_safe_string(sources.style().to_owned()),
            templates: sources.environment()?,
            words,
            policies: Policies::default(),
        };
        let render = |sample: &Sample, language, site: &str| pages.sample(sample, Reader { language, site });
        pages.policies = templates::examine(&sources, &TryOut { environment: &pages.templates, render: &render })?;
        Ok(pages)
    }

    /// The same pages with times of this zone; before that they are of UTC.
    #[must_use]
    pub fn in_zone(mut self, zone: &TimeZone) -> Self {
        for (_, words) in &mut self.words {
            words.zone = zone.clone();
        }
        self
    }

    /// A moment as a line of text has it, in the zone of the pages: `2030-03-17 17:46 UTC`.
    pub fn moment(&self, moment: Moment) -> String {
        let at = self.words.first().and_then(|(_, words)| said::at(&words.zone, moment));
        at.map_or_else(|| moment.to_string(), |at| at.strftime("%Y-%m-%d %H:%M %Z").to_string())
    }

    /// Media type and body of the answer for `refusal`: a page where `wants_page`, else one line of text, which is
    /// also what is left if a page cannot be written.
    pub fn refusal(&self, refusal: Refusal, support: &SupportCode, wants_page: bool, reader: Reader<'_>) -> (&'static str, String) {
        self.answer(refusal, None, support, wants_page, reader)
    }

    /// The same for [`Refusal::DownloadRunning`], where something is known of the download that stands in the way.
    pub fn download_running(
        &self,
        running: &Running,
        support: &SupportCode,
        wants_page: bool,
        reader: Reader<'_>,
    ) -> (&'static str, String) {
        self.answer(Refusal::DownloadRunning, Some(running), support, wants_page, reader)
    }

    /// The page of a link; `None` if it cannot be written.
    pub fn landing(&self, landing: &Landing, reader: Reader<'_>) -> Option<String> {
        self.render(templates::LANDING, landing.value(self.words(reader.language)?), reader).ok()
    }

    /// The page of a download; `None` if it cannot be written.
    pub fn started(&self, started: &Started, reader: Reader<'_>) -> Option<String> {
        self.render(templates::STARTED, started.value(self.words(reader.language)?), reader).ok()
    }

    /// The page of an order; `None` if it cannot be written.
    pub fn order(&self, order: &OrderPage, reader: Reader<'_>) -> Option<String> {
        self.render(templates::ORDER, order.value(self.words(reader.language)?), reader).ok()
    }

    fn answer(
        &self,
        refusal: Refusal,
        running: Option<&Running>,
        support: &SupportCode,
        wants_page: bool,
        reader: Reader<'_>,
    ) -> (&'static str, String) {
        let page = if wants_page { self.refused(refusal, running, support, reader).ok() } else { None };
        page.map_or_else(|| (TEXT, self.line(refusal, support, reader.language)), |page| (HTML, page))
    }

    fn sample(&self, sample: &Sample, reader: Reader<'_>) -> Result<String, Error> {
        let said = |name, value: Option<Value>| self.render(name, value.unwrap_or_default(), reader);
        match sample {
            Sample::Refusal(refusal, running, support) => self.refused(*refusal, running.as_ref(), support, reader),
            Sample::Landing(landing) => said(templates::LANDING, self.words(reader.language).map(|words| landing.value(words))),
            Sample::Order(order) => said(templates::ORDER, self.words(reader.language).map(|words| order.value(words))),
            Sample::Started(started) => said(templates::STARTED, self.words(reader.language).map(|words| started.value(words))),
        }
    }

    /// The page for `refusal`.
    fn refused(&self, refusal: Refusal, running: Option<&Running>, support: &SupportCode, reader: Reader<'_>) -> Result<String, Error> {
        let name = match refusal {
            Refusal::DownloadRunning => templates::DOWNLOAD_RUNNING,
            _ => templates::REFUSAL,
        };
        let words = self.words(reader.language);
        let said = |what| words.map_or("", |words| words.of(refusal, what));
        let value = context! {
            code => refusal.code(),
            status => refusal.status(),
            sentence => said("sentence"),
            why => said("why"),
            advice => said("advice"),
            passing => refusal.is_passing(),
            running => running.zip(words).map(|(running, words)| running.value(words)),
            support => support.to_string(),
        };
        self.render(name, value, reader)
    }

    fn render(&self, name: &str, value: Value, Reader { language, site }: Reader<'_>) -> Result<String, Error> {
        let words = self.words(language).map(Words::value);
        let page = context! { site => site, language => language.tag(), words => words, style => self.style.clone(), ..value };
        self.templates.get_template(name)?.render(page)
    }

    fn words(&self, language: Language) -> Option<&Words> {
        self.words.iter().find(|(there, _)| *there == language).map(|(_, words)| words)
    }

    /// `gone: This link has expired. Open your order for a fresh one, or ask the shop. (link_expired, R-7F3K-22AB)`
    fn line(&self, refusal: Refusal, support: &SupportCode, language: Language) -> String {
        let kind = StatusCode::from_u16(refusal.status()).ok().and_then(|status| status.canonical_reason()).unwrap_or("refused");
        let said = |what| self.words(language).map_or("", |words| words.of(refusal, what));
        format!("{}: {} {} ({refusal}, {support})\n", kind.to_ascii_lowercase(), said("sentence"), said("advice"))
    }

    /// The value of the `Content-Security-Policy` header that the page of a refusal needs; ASCII. A line of text may carry
    /// it too.
    pub fn content_security_policy(&self) -> &str {
        &self.policies.refusals
    }

    /// The same for pages with a button.
    pub fn content_security_policy_of_forms(&self) -> &str {
        &self.policies.forms
    }
}

/// Who reads a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader<'a> {
    /// In which language.
    pub language: Language,
    /// What customers call the place.
    pub site: &'a str,
}
