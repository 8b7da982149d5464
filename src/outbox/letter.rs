//! What letters look like: templates of this program, or those of the operator in their place. Each letter has a plain and an
//! HTML part; the first line of the plain one is its subject.

use std::ffi::OsStr;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;

use crate::config::Language;

/// A longer template is a mistake.
const TEMPLATE_BYTES_MAX: u64 = 256 * 1024;

/// A template that does not end must not hold the daemon up.
const FUEL: u64 = 1_000_000;

/// A subject is one line, and no mail program shows more of it.
const SUBJECT_CHARS_MAX: usize = 200;

/// What the first line of a plain part begins with.
const SUBJECT: &str = "Subject: ";

const BUILT_IN: [(&str, &str); 8] = [
    ("files.en.txt", include_str!("letters/files.en.txt")),
    ("files.en.html", include_str!("letters/files.en.html")),
    ("files.de.txt", include_str!("letters/files.de.txt")),
    ("files.de.html", include_str!("letters/files.de.html")),
    ("test.en.txt", include_str!("letters/test.en.txt")),
    ("test.en.html", include_str!("letters/test.en.html")),
    ("test.de.txt", include_str!("letters/test.de.txt")),
    ("test.de.html", include_str!("letters/test.de.html")),
];

/// Why a letter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Files can be fetched.
    Files,
    /// Somebody tries whether mail arrives.
    Test,
}

impl Occasion {
    const ALL: [Self; 2] = [Self::Files, Self::Test];

    const fn word(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Test => "test",
        }
    }
}

/// One file of a letter. URL and password do not print.
#[derive(Clone, Serialize)]
pub struct Enclosed {
    /// Its name.
    pub name: String,
    /// Where it is fetched.
    pub url: String,
    /// What the web server asks for, if anything.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// Until when, as it is written in a letter; never where nothing is said.
    pub expires: Option<String>,
    /// How many downloads are left; any number where nothing is said.
    pub downloads: Option<u32>,
    /// What the shop tells beside it: text of some lines each.
    pub notes: Vec<String>,
}

/// What a letter tells. It does not print.
pub struct Told<'a> {
    /// The site's name.
    pub site: &'a str,
    /// The files.
    pub files: &'a [Enclosed],
    /// Where all downloads of an order stand on one page, where there is one.
    pub page: Option<&'a str>,
}

impl fmt::Debug for Enclosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enclosed").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A letter as it is sent.
pub struct Rendered {
    /// Its subject, one line.
    pub subject: String,
    /// Its plain part.
    pub text: String,
    /// Its HTML part.
    pub html: String,
}

/// It holds what leads to files.
impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rendered(hidden)")
    }
}

/// What letters look like.
#[derive(Debug)]
pub struct Templates(Environment<'static>);

impl Templates {
    /// Those of this program.
    pub fn built_in() -> Result<Self, Vec<String>> {
        Self::of(BUILT_IN.map(|(name, text)| (name, text.to_owned())).into())
    }

    /// Those of this program, where `directory` has no others.
    pub fn read(directory: &Path) -> Result<Self, Vec<String>> {
        let mut texts = BUILT_IN.map(|(name, text)| (name, text.to_owned()));
        let mut faults = Vec::new();
        let entries = std::fs::read_dir(directory).map_err(|error| vec![format!("cannot be read: {error}")])?;
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            if let Some((name, text)) = texts.iter_mut().find(|(name, _)| path.file_name() == Some(OsStr::new(name))) {
                match template(&path) {
                    Ok(found) => *text = found,
                    Err(wrong) => faults.push(format!("{name}: {wrong}")),
                }
            } else if path.extension().is_some_and(|ending| ending == "txt" || ending == "html") {
                // A misspelt name would be passed over in silence.
                let known = BUILT_IN.map(|(name, _)| name).join(", ");
                faults.push(format!("{}: is not the name of a mail; they are {known}", path.display()));
            }
        }
        if faults.is_empty() { Self::of(texts.into()) } else { Err(faults) }
    }

    fn of(texts: Vec<(&'static str, String)>) -> Result<Self, Vec<String>> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Tags on lines of their own leave no empty lines in the letter.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| vec![error.to_string()])?);
        environment.set_fuel(Some(FUEL));
        let wrong = |name: &str, error: &minijinja::Error| {
            let line = error.line().map_or_else(String::new, |line| format!(":{line}"));
            let what = error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
            format!("{name}{line}: {what}")
        };
        let mut faults = Vec::new();
        for (name, text) in texts {
            if let Err(error) = environment.add_template_owned(name, text) {
                faults.push(wrong(name, &error));
            }
        }
        let templates = Self(environment);
        if !faults.is_empty() {
            return Err(faults);
        }
        // What cannot be written is known before a customer waits for it.
        for (occasion, language) in Occasion::ALL.into_iter().flat_map(|occasion| Language::ALL.map(|language| (occasion, language))) {
            for files in samples() {
                if let Err(fault) = templates.write(
                    occasion,
                    language,
                    &Told { site: "shop.example", files: &files, page: Some("https://shop.example/dl/o/token") },
                ) {
                    faults.push(fault);
                    break;
                }
            }
        }
        if faults.is_empty() { Ok(templates) } else { Err(faults) }
    }

    /// A letter that tells this.
    pub fn write(&self, occasion: Occasion, language: Language, told: &Told<'_>) -> Result<Rendered, String> {
        let Told { site, files, page } = *told;
        let part = |kind: &str| {
            let name = format!("{}.{}.{kind}", occasion.word(), language.code());
            let rendered = self
                .0
                .get_template(&name)
                .and_then(|template| template.render(context! { site, page, files => Value::from(Serde(files)) }));
            rendered.map(|text| (text, name.clone())).map_err(|error| {
                let line = error.line().map_or_else(String::new, |line| format!(":{line}"));
                format!("{name}{line}: {}", error.detail().map_or_else(|| error.kind().to_string(), str::to_owned))
            })
        };
        let ((text, name), (html, _)) = (part("txt")?, part("html")?);
        let (first, text) = text.split_once('\n').unwrap_or((&text, ""));
        let subject = first.strip_prefix(SUBJECT).ok_or_else(|| format!("{name}:1: must begin with `{SUBJECT}` and the subject"))?;
        // It becomes a header: one line, whatever stands in it.
        let subject: String =
            subject.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(SUBJECT_CHARS_MAX).collect();
        Ok(Rendered { subject: subject.trim().to_owned(), text: text.trim_start_matches('\n').to_owned(), html })
    }
}

fn template(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err("must be a file".to_owned());
    }
    file.take(TEMPLATE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| format!("cannot be read as UTF-8: {error}"))?;
    if text.len() as u64 > TEMPLATE_BYTES_MAX {
        return Err(format!("has more than {TEMPLATE_BYTES_MAX} bytes"));
    }
    Ok(text.trim_start_matches('\u{feff}').replace("\r\n", "\n"))
}

/// Letters as they may have to be written.
fn samples() -> Vec<Vec<Enclosed>> {
    let bare = Enclosed {
        notes: Vec::new(),
        name: "a \"b\" & <c>.zip".to_owned(),
        url: "https://shop.example/dl/l/token/a.zip".to_owned(),
        user: None,
        password: None,
        expires: None,
        downloads: None,
    };
    let full = Enclosed {
        notes: vec!["Serial number\n7F3K-22AB".to_owned()],
        user: Some("k7m2-9xqt".to_owned()),
        password: Some("secret".to_owned()),
        expires: Some("2030-03-17 17:46 UTC".to_owned()),
        downloads: Some(1),
        ..bare.clone()
    };
    let several = Enclosed { downloads: Some(5), ..full.clone() };
    vec![vec![], vec![bare.clone()], vec![full.clone()], vec![bare, full, several]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_has_a_subject_and_two_parts_that_say_the_same() {
        let templates = Templates::built_in().expect("the built-in ones");
        let mut seen = 0;
        for (occasion, language) in Occasion::ALL.into_iter().flat_map(|occasion| Language::ALL.map(|language| (occasion, language))) {
            for files in samples() {
                let letter = templates
                    .write(occasion, language, &Told { site: "shop.example", files: &files, page: Some("https://shop.example/dl/o/token") })
                    .expect("a letter");
                assert!(!letter.subject.is_empty() && !letter.subject.contains('\n') && letter.text.starts_with(char::is_alphabetic));
                assert!(letter.html.contains("<html lang=\"") && letter.html.contains(language.code()));
                if occasion == Occasion::Files {
                    for part in [&letter.text, &letter.html.replace("&#x2f;", "/")] {
                        for file in &files {
                            for told in [Some(&file.url), file.user.as_ref(), file.password.as_ref(), file.expires.as_ref()] {
                                assert!(told.is_none_or(|told| part.contains(told.as_str())), "{told:?}: {part}");
                            }
                        }
                    }
                    assert!(files.is_empty() || letter.text.contains("a \"b\" & <c>.zip"), "{}", letter.text);
                    assert!(!letter.html.contains("<c>"), "{}", letter.html);
                }
                seen += 1;
            }
        }
        assert_eq!(seen, 16);
    }

    #[test]
    fn templates_of_the_operator_take_the_place_of_ours_and_faults_name_file_and_line() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("written");
        write("files.en.txt", "Subject: Yours\r\n\r\nHello {{ files|length }}\r\n");
        write("README.md", "what is here");
        let templates = Templates::read(directory.path()).expect("they are good");
        let letter =
            templates.write(Occasion::Files, Language::English, &Told { site: "shop.example", files: &[], page: None }).expect("a letter");
        assert_eq!((letter.subject.as_str(), letter.text.as_str()), ("Yours", "Hello 0"));
        for (name, text, told) in [
            ("files.en.txt", "Hello", "must begin with `Subject: `"),
            ("files.de.txt", "Subject: a\n\n{{ nothing }}", "files.de.txt:3"),
            ("files.de.txt", "Subject: a\n\n{% if %}", "files.de.txt:3"),
            ("files.fr.txt", "Subject: a\n\nb", "is not the name of a mail"),
            ("test.en.html", "{% for a in range(10000) %}{% for b in range(10000) %}a{% endfor %}{% endfor %}", "test.en.html"),
        ] {
            write(name, text);
            let faults = Templates::read(directory.path()).expect_err(told);
            assert!(faults.iter().any(|fault| fault.contains(told)), "{faults:?}");
            std::fs::remove_file(directory.path().join(name)).expect("removed");
        }
        assert!(Templates::read(&directory.path().join("none")).is_err());
    }

    #[test]
    fn a_subject_is_one_line_whatever_stands_in_it() {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("files.en.txt"), "Subject: {{ site }}\n\ntext").expect("written");
        let templates = Templates::read(directory.path()).expect("they are good");
        let letter =
            templates.write(Occasion::Files, Language::English, &Told { site: "a\rBcc: x@y", files: &[], page: None }).expect("a letter");
        assert_eq!(letter.subject, "a Bcc: x@y");
    }
}
