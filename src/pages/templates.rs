//! Where templates come from, and what is asked of them before they are used.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use sha2::{Digest, Sha256};

use super::samples::{self, Sample, Samples};
use super::words;
use crate::domain::language::Language;

/// The page of every refusal without one of its own.
pub(super) const REFUSAL: &str = "refusal.html";
/// The page of the refusal `download_running`.
pub(super) const DOWNLOAD_RUNNING: &str = "download-running.html";
/// The page that a link opens.
pub(super) const LANDING: &str = "landing.html";
/// The page that stays while a download runs.
pub(super) const STARTED: &str = "started.html";
/// The page of all downloads of an order.
pub(super) const ORDER: &str = "order.html";
/// The style; the only one that is no template.
const STYLE: &str = "style.css";

/// The built-in style.
pub(super) const BUILT_IN_STYLE: &str = include_str!("templates/style.css");

/// The built-in templates.
const BUILT_IN: [(&str, &str); 7] = [
    ("layout.html", include_str!("templates/layout.html")),
    (REFUSAL, include_str!("templates/refusal.html")),
    (DOWNLOAD_RUNNING, include_str!("templates/download-running.html")),
    (LANDING, include_str!("templates/landing.html")),
    (STARTED, include_str!("templates/started.html")),
    (ORDER, include_str!("templates/order.html")),
    (STYLE, BUILT_IN_STYLE),
];

/// The names that every page has.
const NAMES: [&str; 5] = ["language", "sentence", "site", "style", "words"];
/// Those of refusals.
const NAMES_OF_REFUSALS: [&str; 7] = ["advice", "code", "passing", "running", "status", "support", "why"];
/// Those of the page of a link.
const NAMES_OF_LANDING: [&str; 9] = ["all", "command", "ends", "file", "is_measured", "left", "login", "mine", "notes"];
/// Those of the page of a download.
const NAMES_OF_STARTED: [&str; 10] = ["all", "back", "command", "ends", "file", "login", "received", "state", "way", "why"];
/// Those of the page of an order.
const NAMES_OF_ORDER: [&str; 6] = ["before", "behind", "number", "rows", "shut", "told"];

/// The names that the template `name` may use, in order. What others extend or include may use all of them.
fn names_of(name: &str) -> BTreeSet<&'static str> {
    let (refusals, landing, started) = (NAMES_OF_REFUSALS.iter(), NAMES_OF_LANDING.iter(), NAMES_OF_STARTED.iter());
    let (order, names) = (NAMES_OF_ORDER.iter(), NAMES.iter());
    match name {
        REFUSAL | DOWNLOAD_RUNNING => names.chain(refusals).copied().collect(),
        LANDING => names.chain(landing).copied().collect(),
        STARTED => names.chain(started).copied().collect(),
        ORDER => names.chain(order).copied().collect(),
        _ => names.chain(refusals).chain(landing).chain(started).chain(order).copied().collect(),
    }
}

fn known_names(name: &str) -> String {
    names_of(name).into_iter().collect::<Vec<_>>().join(", ")
}

/// More is not a page that says "no" to a customer on a telephone.
const SOURCE_BYTES_MAX: u64 = 64 * 1024;
/// The web server keeps the answer in memory while it sends it.
const PAGE_BYTES_MAX: usize = 128 * 1024;
/// Deeper includes are a circle.
const RECURSION_MAX: usize = 32;

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFault {
    /// The file, or the directory.
    pub path: PathBuf,
    /// The line, counted from 1, where there is one.
    pub line: Option<usize>,
    /// What was found and what would be right.
    pub problem: String,
}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.problem)
    }
}

impl std::error::Error for TemplateFault {}

/// One template as it will be used.
struct Source {
    name: &'static str,
    text: String,
    /// Where it was read, if it is not built in.
    path: Option<PathBuf>,
}

/// All templates as they will be used.
pub(super) struct Sources {
    all: Vec<Source>,
    directory: PathBuf,
}

impl Sources {
    /// The built-in ones.
    pub(super) fn built_in() -> Self {
        let all = BUILT_IN.map(|(name, text)| Source { name, text: text.to_owned(), path: None }).into();
        Self { all, directory: PathBuf::from("built-in templates") }
    }

    /// The built-in ones, where `directory` does not have its own.
    pub(super) fn read(directory: &Path) -> Result<Self, Vec<TemplateFault>> {
        let fault = |path: &Path, problem: String| TemplateFault { path: path.to_owned(), line: None, problem };
        let mut faults = Vec::new();
        let mut sources = Self { directory: directory.to_owned(), ..Self::built_in() };
        let entries = std::fs::read_dir(directory)
            .map_err(|error| vec![fault(directory, format!("cannot be read ({error}); it must be a directory of templates"))])?;
        for entry in entries {
            let path = match entry {
                Ok(entry) => entry.path(),
                Err(error) => {
                    faults.push(fault(directory, format!("cannot be read to its end ({error})")));
                    break;
                }
            };
            if let Some(source) = sources.all.iter_mut().find(|source| path.file_name() == Some(OsStr::new(source.name))) {
                match read(&path) {
                    Ok(text) => (source.text, source.path) = (text, Some(path)),
                    Err(problem) => faults.push(fault(&path, problem)),
                }
            } else if looks_like_a_template(&path) {
                // A misspelt name would be passed over in silence.
                let known = BUILT_IN.map(|(name, _)| name).join(", ");
                faults.push(fault(&path, format!("is not the name of a template; they are {known}")));
            }
        }
        faults.sort_by(|one, other| one.path.cmp(&other.path));
        if faults.is_empty() { Ok(sources) } else { Err(faults) }
    }

    /// The style sheet.
    pub(super) fn style(&self) -> &str {
        self.all.iter().find(|source| source.name == STYLE).map_or("", |source| &source.text)
    }

    /// The templates, compiled. A name that is not known is an error, and what is put in is escaped.
    pub(super) fn environment(&self) -> Result<Environment<'static>, Vec<TemplateFault>> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Tags on lines of their own leave no empty lines in the page.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
        environment.set_syntax(syntax.map_err(|error| vec![self.fault_of(REFUSAL, &error)])?);
        environment.set_recursion_limit(RECURSION_MAX);
        environment.add_filter("fill", words::fill);
        let mut faults = Vec::new();
        for source in self.all.iter().filter(|source| source.name != STYLE) {
            if let Err(error) = environment.add_template_owned(source.name, source.text.clone()) {
                faults.push(self.fault_of(source.name, &error));
            }
        }
        if faults.is_empty() { Ok(environment) } else { Err(faults) }
    }

    /// What is wrong with none of them.
    pub(super) fn at_fault(&self, problem: String) -> TemplateFault {
        TemplateFault { path: self.directory.clone(), line: None, problem }
    }

    fn fault(&self, name: &str, line: Option<usize>, problem: impl Into<String>) -> TemplateFault {
        let path = self.all.iter().find(|source| source.name == name).and_then(|source| source.path.clone());
        TemplateFault { path: path.unwrap_or_else(|| self.directory.join(name)), line, problem: problem.into() }
    }

    fn fault_of(&self, name: &str, error: &Error) -> TemplateFault {
        let what = error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
        let right = match error.kind() {
            ErrorKind::UndefinedError => format!("; known are {}", known_names(error.name().unwrap_or(name))),
            ErrorKind::TemplateNotFound => format!("; there are {}", BUILT_IN.map(|(name, _)| name).join(", ")),
            _ => String::new(),
        };
        self.fault(error.name().unwrap_or(name), error.line(), format!("{what}{right}"))
    }
}

fn looks_like_a_template(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let ending = path.extension().is_some_and(|ending| ["html", "css"].iter().any(|known| ending.eq_ignore_ascii_case(known)));
    ending && !hidden
}

/// The text of a template, with the line ends that a browser will see: it hashes the style after making them so.
fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let metadata = std::fs::metadata(path).map_err(|error| format!("cannot be read ({error})"))?;
    if !metadata.is_file() {
        return Err("must be a file".to_owned());
    }
    File::open(path)
        .and_then(|file| file.take(SOURCE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot be read ({error}); it must be UTF-8 and readable by Cloakroom"))?;
    if text.len() as u64 > SOURCE_BYTES_MAX {
        return Err(format!("has more than {SOURCE_BYTES_MAX} bytes; that is the most a template may have"));
    }
    if text.contains('\0') {
        return Err("has a zero byte; it must be text".to_owned());
    }
    Ok(text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n"))
}

/// The policies under which all pages look and work as they should.
#[derive(Debug, Default)]
pub(super) struct Policies {
    /// Of those of refusals.
    pub(super) refusals: String,
    /// Of those with a button, which sends a form to where it came from.
    pub(super) forms: String,
}

/// Looks at every template, renders every page in every language, and returns the policies of all of them.
pub(super) fn examine(sources: &Sources, try_out: &TryOut<'_>) -> Result<Policies, Vec<TemplateFault>> {
    let mut faults: Vec<_> = sources.all.iter().flat_map(|source| unsuitable(sources, source)).collect();
    for source in sources.all.iter().filter(|source| source.name != STYLE) {
        faults.extend(unknown_names(sources, try_out.environment, source));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut styles = BTreeSet::new();
    for samples in samples::all() {
        match sample(sources, try_out, &samples) {
            Ok(found) => styles.extend(found),
            // The same mistake shows in every page that has it.
            Err(fault) if faults.contains(&fault) => {}
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(Policies { refusals: policy(&styles, "'none'"), forms: policy(&styles, "'self'") }) } else { Err(faults) }
}

/// What a page must not have: a browser would not run, load or apply it, and would not say so to anybody who looks.
const UNSUITABLE: [(&str, &str); 8] = [
    ("<script", "a page has no script; leave it out"),
    ("javascript:", "a page has no script; leave it out"),
    (" style=", "write it into style.css, as a class"),
    ("<link", "a page loads nothing; write styles into style.css"),
    ("<iframe", "a page loads nothing; leave it out"),
    ("<img", "a page loads nothing; draw it as <svg>"),
    ("@import", "a style loads nothing; write the rules here"),
    ("url(", "a style loads nothing; draw it as <svg> in layout.html"),
];

fn unsuitable(sources: &Sources, source: &Source) -> Vec<TemplateFault> {
    let closing = (source.name == STYLE).then_some(("</", "a style has no tags; leave it out"));
    let mut faults = Vec::new();
    for (index, text) in source.text.lines().enumerate() {
        let text = text.to_ascii_lowercase();
        for (found, right) in UNSUITABLE.into_iter().chain(closing).filter(|(banned, _)| text.contains(banned)) {
            faults.push(sources.fault(source.name, Some(index + 1), format!("`{}` cannot work: {right}", found.trim())));
        }
    }
    faults
}

/// Names that no page has, also where no page comes by.
fn unknown_names(sources: &Sources, environment: &Environment<'_>, source: &Source) -> Vec<TemplateFault> {
    let Ok(template) = environment.get_template(source.name) else { return Vec::new() };
    let provided: BTreeSet<&str> =
        environment.globals().map(|(name, _)| name).chain(names_of(source.name)).chain(["super", "loop", "caller"]).collect();
    let used: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
    used.iter()
        .filter(|name| !provided.contains(name.as_str()))
        .map(|name| {
            let line = source.text.lines().position(|line| has_word(line, name)).map(|index| index + 1);
            sources.fault(source.name, line, format!("`{name}` is not a name of this page; known are {}", known_names(source.name)))
        })
        .collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|sign: char| !sign.is_alphanumeric() && sign != '_').any(|found| found == word)
}

/// How a page is rendered.
pub(super) struct TryOut<'a> {
    pub(super) environment: &'a Environment<'static>,
    pub(super) render: &'a dyn Fn(&Sample, Language, &str) -> Result<String, Error>,
}

/// Renders one page for different sites, requests and things known, and returns the styles in it.
fn sample(sources: &Sources, try_out: &TryOut<'_>, samples: &Samples) -> Result<BTreeSet<String>, TemplateFault> {
    let name = samples.template;
    let mut styles = None;
    let sites = ["shop.example", "a & b <\"'>"];
    let tries =
        samples.all.iter().flat_map(|sample| Language::ALL.iter().flat_map(move |language| sites.map(|site| (sample, *language, site))));
    for (sample, language, site) in tries {
        let page = (try_out.render)(sample, language, site).map_err(|error| sources.fault_of(name, &error))?;
        if page.len() > PAGE_BYTES_MAX {
            return Err(sources.fault(name, None, format!("makes a page of more than {PAGE_BYTES_MAX} bytes; that is the most")));
        }
        if let Some((must, what)) = sample.must_show()
            && !page.contains(&must)
        {
            return Err(sources.fault(name, None, format!("must show {what}")));
        }
        let found = styles_of(&page);
        if styles.as_ref().is_some_and(|before| *before != found) {
            return Err(sources.fault(
                name,
                None,
                "has a <style> that changes with the site or the support code; it must be the same for all",
            ));
        }
        styles = Some(found);
    }
    Ok(styles.unwrap_or_default())
}

/// The text of every `<style>` of a page.
fn styles_of(page: &str) -> BTreeSet<String> {
    // ASCII letters only change case, so the places are the same in both.
    let lower = page.to_ascii_lowercase();
    let mut found = BTreeSet::new();
    let mut from = 0;
    while let Some(start) = lower.get(from..).and_then(|rest| rest.find("<style")).map(|at| from + at) {
        let Some(text) = lower.get(start..).and_then(|rest| rest.find('>')).map(|at| start + at + 1) else { break };
        let Some(end) = lower.get(text..).and_then(|rest| rest.find("</style")).map(|at| text + at) else { break };
        found.extend(page.get(text..end).map(str::to_owned));
        from = end;
    }
    found
}

/// Nothing is loaded, nothing is run, of styles only these are applied, and forms go to `forms`.
fn policy(styles: &BTreeSet<String>, forms: &str) -> String {
    let hashes: Vec<String> = styles.iter().map(|style| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(style)))).collect();
    let allowed = if hashes.is_empty() { "'none'".to_owned() } else { hashes.join(" ") };
    format!("default-src 'none'; style-src {allowed}; base-uri 'none'; form-action {forms}; frame-ancestors 'none'")
}
