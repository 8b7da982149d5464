//! What the sources of a Zen Cart shop say: whether its own clean-up keeps still, and how its links are called.
//!
//! Zen Cart reads `includes/configure.php` (or `includes/local/configure.php`) and all of `includes/extra_configures/` on each
//! page, before the observer that makes the links (`includes/application_top.php`,
//! `includes/classes/observers/auto.downloads_via_redirect.php`; zencart/zencart@0306c470, the same since 1.5.6).

use std::fs;
use std::path::{Path, PathBuf};

/// The constant that keeps its clean-up still: seconds.
pub(super) const THRESHOLD: &str = "SYMLINK_GARBAGE_COLLECTION_THRESHOLD";

/// The constant by which links are not named with a dot in front.
const NO_DOT: &str = "DOWNLOADS_SKIP_DOT_PREFIX_ON_REDIRECT";

/// A file of constants is smaller.
const BYTES_MAX: u64 = 1024 * 1024;

/// Of so few seconds or less Zen Cart takes no notice.
const TAKEN_FROM: u64 = 301;

/// A shop, as its sources say.
#[derive(Debug)]
pub(super) struct Shop {
    /// Its directory.
    pub(super) root: PathBuf,
    /// How long its clean-up leaves links alone.
    pub(super) threshold: Threshold,
    /// Whether its links are named without a dot in front.
    pub(super) is_dotless: bool,
}

/// How long Zen Cart's clean-up leaves links alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Threshold {
    /// Nobody says it: 0 seconds.
    Unsaid,
    /// So many seconds, said there: `file:line`.
    Said(u64, String),
    /// Something that only PHP can read, said there.
    Unread(String),
}

impl Threshold {
    /// The seconds that Zen Cart goes by.
    pub(super) const fn seconds(&self) -> Option<u64> {
        match self {
            Self::Unsaid => Some(0),
            Self::Said(seconds, _) if *seconds < TAKEN_FROM => Some(0),
            Self::Said(seconds, _) => Some(*seconds),
            Self::Unread(_) => None,
        }
    }
}

impl Shop {
    /// The shop around a `pub/`; `Err` where there is none, or its sources cannot be read.
    pub(super) fn around(public: &Path) -> Result<Self, String> {
        let root = public.parent().unwrap_or(public).to_owned();
        let includes = root.join("includes");
        if !includes.join("application_top.php").is_file() {
            return Err(format!("no Zen Cart is seen around it: there is no {}", includes.join("application_top.php").display()));
        }
        let mut shop = Self { root, threshold: Threshold::Unsaid, is_dotless: false };
        for file in sources(&includes)? {
            let size = fs::metadata(&file).map_or(0, |found| found.len());
            let text =
                if size > BYTES_MAX { Ok(String::new()) } else { fs::read(&file).map(|text| String::from_utf8_lossy(&text).into_owned()) };
            let text = text.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
            shop.read(&file, &text);
        }
        Ok(shop)
    }

    fn read(&mut self, file: &Path, text: &str) {
        let mut in_comment = false;
        for (number, line) in (1..).zip(text.lines()) {
            let line = without_comments(line, &mut in_comment);
            // The first one holds: a constant is not defined twice.
            if let (Some(value), Threshold::Unsaid) = (defined(&line, THRESHOLD), &self.threshold) {
                let place = format!("{}:{number}", file.display());
                self.threshold =
                    product(value).map_or_else(|| Threshold::Unread(place.clone()), |seconds| Threshold::Said(seconds, place.clone()));
            }
            self.is_dotless |= defined(&line, NO_DOT).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        }
    }
}

/// The files that hold constants, in the order in which they are read.
fn sources(includes: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files: Vec<PathBuf> = ["local/configure.php", "configure.php"].map(|name| includes.join(name)).into();
    files.retain(|file| file.is_file());
    let extra = includes.join("extra_configures");
    let entries = fs::read_dir(&extra).map_err(|error| format!("{} cannot be listed: {error}", extra.display()))?;
    let mut more: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "php")).collect();
    more.sort();
    files.extend(more);
    Ok(files)
}

/// A line of PHP without what is a comment in it. Strings with signs of comments in them are not expected beside constants.
fn without_comments(line: &str, in_comment: &mut bool) -> String {
    let (mut kept, mut rest) = (String::new(), line);
    loop {
        if *in_comment {
            let Some((_, after)) = rest.split_once("*/") else { return kept };
            (*in_comment, rest) = (false, after);
        }
        let Some((before, after)) = rest.split_once("/*") else {
            kept.push_str(rest);
            break;
        };
        kept.push_str(before);
        (*in_comment, rest) = (true, after);
    }
    let end = ["//", "#"].into_iter().filter_map(|sign| kept.find(sign)).min();
    kept.truncate(end.unwrap_or(kept.len()));
    kept
}

/// The value that `define('NAME', VALUE)` in `line` gives.
fn defined<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    // `if (!defined('NAME')) define('NAME', VALUE);`
    line.match_indices("define").find_map(|(place, word)| value_in(line.get(place + word.len()..)?, name))
}

/// The value in what follows `define`.
fn value_in<'l>(after: &'l str, name: &str) -> Option<&'l str> {
    let inside = after.trim_start().strip_prefix('(')?.trim_start();
    let quoted = inside.strip_prefix(['\'', '"'])?.strip_prefix(name)?.strip_prefix(['\'', '"'])?;
    let value = quoted.trim_start().strip_prefix(',')?;
    Some(value.split_once(')').map_or(value, |(value, _)| value).trim().trim_matches(['\'', '"']))
}

/// `3600`, `10 * 365 * 86400`
fn product(text: &str) -> Option<u64> {
    text.split('*').try_fold(1_u64, |product, factor| product.checked_mul(factor.trim().replace('_', "").parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constant_is_read_as_php_reads_it() {
        let said = |seconds| Threshold::Said(seconds, "c.php:2".to_owned());
        let mut seen = 0;
        for (line, threshold, seconds) in [
            ("define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 315360000);", said(315_360_000), Some(315_360_000)),
            ("  define( \"SYMLINK_GARBAGE_COLLECTION_THRESHOLD\" , '3600' );", said(3600), Some(3600)),
            ("define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 10*365*24*60*60); // ten years", said(315_360_000), Some(315_360_000)),
            ("if (!defined('X')) define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 301);", said(301), Some(301)),
            ("define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 300);", said(300), Some(0)),
            ("define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', YEAR);", Threshold::Unread("c.php:2".to_owned()), None),
            ("// define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 9999);", Threshold::Unsaid, Some(0)),
            ("# define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 9999);", Threshold::Unsaid, Some(0)),
            ("/* define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 9999); */", Threshold::Unsaid, Some(0)),
            ("/* x */ define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 9999);", said(9999), Some(9999)),
            ("define('OTHER', 9999); undefined", Threshold::Unsaid, Some(0)),
            ("SYMLINK_GARBAGE_COLLECTION_THRESHOLD", Threshold::Unsaid, Some(0)),
            ("", Threshold::Unsaid, Some(0)),
        ] {
            let mut shop = Shop { root: PathBuf::new(), threshold: Threshold::Unsaid, is_dotless: false };
            shop.read(Path::new("c.php"), &format!("<?php\n{line}\n"));
            assert_eq!((&shop.threshold, shop.threshold.seconds()), (&threshold, seconds), "{line}");
            seen += 1;
        }
        assert_eq!(seen, 13);
    }

    #[test]
    fn comments_of_many_lines_say_nothing_and_the_first_definition_holds() {
        let mut shop = Shop { root: PathBuf::new(), threshold: Threshold::Unsaid, is_dotless: false };
        let text = "<?php\n/* define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 1);\n define('DOWNLOADS_SKIP_DOT_PREFIX_ON_REDIRECT', true);\n*/\n\
                    define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 7200);\ndefine('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 9);\n";
        shop.read(Path::new("c.php"), text);
        assert_eq!((shop.threshold.seconds(), shop.is_dotless), (Some(7200), false));
        shop.read(Path::new("d.php"), "define('DOWNLOADS_SKIP_DOT_PREFIX_ON_REDIRECT', TRUE);");
        assert!(shop.is_dotless);
    }
}
