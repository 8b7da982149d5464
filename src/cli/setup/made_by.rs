//! The command by which files were made: written into their heads, read back from there, and told for another time. What is
//! read may be anybody's, and is taken for nothing but options of `setup`.

use std::path::Path;

use clap::{Parser as _, ValueEnum};

use super::words::shell;
use super::{Arguments, Server, apache, included, whole};
use crate::cli::terminal::steers;
use crate::cli::{self, CONFIG_PATH, Command};

/// What stands in front of the command in the second line of a file, and behind it.
const BEFORE: &str = "# Made by `";
const BEHIND: &str = "`";

/// So many lines of a file are its head.
const LINES: usize = 2;

/// What makes Apache's files once more, and the line that includes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct MadeBy {
    /// This program with its configuration, as a shell takes it.
    pub(in crate::cli) program: String,
    /// The command, as a shell takes it.
    pub(in crate::cli) command: String,
    /// The line for each `<VirtualHost>` of the site.
    pub(in crate::cli) include: String,
}

impl MadeBy {
    /// As the manual has it, for the configuration in this file.
    pub(in crate::cli) fn usual(config: &Path) -> Self {
        let directory = apache::DIRECTORY;
        let program = program(unusual(config).as_deref());
        Self {
            command: format!("{program} setup apache --write {directory} --force"),
            include: format!("Include {}", included(directory, "vhost.conf")),
            program,
        }
    }

    /// As the head of a file for Apache has it that `setup` wrote.
    pub(in crate::cli) fn of(line: &str) -> Option<Self> {
        let words = words(line.strip_prefix(BEFORE)?)?;
        let says_config = words.iter().any(|word| word == "--config" || word.starts_with("--config="));
        let arguments = cli::Arguments::try_parse_from(words).ok()?;
        let Command::Setup(given) = &arguments.command else { return None };
        let directory = whole(given.write.as_deref().filter(|_| given.server == Server::Apache)?).ok()?;
        // What the environment says of it now was not said then.
        let config = says_config.then(|| unusual(&arguments.config)).flatten();
        let command = format!("{} --force", command(given, config.as_deref(), &directory)?);
        let include = format!("Include {}", included(&directory, "vhost.conf"));
        Some(Self { program: program(config.as_deref()), command, include })
    }
}

/// The file of a configuration that lies elsewhere than usual, if it can be said.
fn unusual(config: &Path) -> Option<String> {
    let path = (config != Path::new(CONFIG_PATH)).then(|| whole(config).ok()).flatten();
    path.filter(|path| !path.chars().any(steers))
}

/// This program, with the configuration that it is told.
fn program(config: Option<&str>) -> String {
    config.map_or_else(|| "cloakroom".to_owned(), |config| format!("cloakroom --config {}", shell(config)))
}

/// The line of a file that says by which command it was made.
pub(in crate::cli) fn line_of(text: &str) -> Option<&str> {
    text.lines().take(LINES).find(|line| line.starts_with(BEFORE))
}

/// The line for the head of a file.
pub(super) fn line(arguments: &Arguments, config: Option<&str>, directory: &str) -> String {
    // What would not stand in one line is not said.
    let said = command(arguments, config, directory).unwrap_or_else(|| format!("cloakroom setup {}", arguments.server.word()));
    format!("{BEFORE}{said}{BEHIND}")
}

/// The command with all that it was given, in an order of its own and without `--force`; `None` where a word of it would
/// steer a terminal.
fn command(arguments: &Arguments, config: Option<&str>, directory: &str) -> Option<String> {
    let mut words = vec![program(config)];
    let mut said = |option: &str, value: &str| words.extend([option.to_owned(), shell(value)]);
    said("setup", arguments.server.word());
    if let Some(downloads) = arguments.downloads.and_then(|downloads| downloads.to_possible_value()) {
        said("--downloads", downloads.get_name());
    }
    if arguments.htaccess {
        words.push("--htaccess".to_owned());
    }
    for (name, address) in &arguments.passed {
        words.extend(["--passed".to_owned(), shell(&format!("{name}={address}"))]);
    }
    words.extend(["--write".to_owned(), shell(directory)]);
    Some(words.join(" ")).filter(|line| !line.chars().any(steers))
}

/// The words of a line up to [`BEHIND`], as [`shell`] writes them; `None` for what it would not have written.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), None::<String>, false);
    let mut letters = line.chars();
    loop {
        match letters.next()? {
            '\'' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            letter if is_quoted => word.get_or_insert_default().push(letter),
            '\\' if letters.as_str().starts_with('\'') => word.get_or_insert_default().extend(letters.next()),
            ' ' => words.extend(word.take()),
            '`' => {
                words.extend(word.take());
                return Some(words);
            }
            letter if shell(&letter.to_string()).starts_with('\'') => return None,
            letter => word.get_or_insert_default().push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(line: &str) -> Option<String> {
        MadeBy::of(&format!("{BEFORE}{line}")).map(|made| made.command)
    }

    #[test]
    fn a_command_is_told_as_it_was_given_whatever_the_words_are() {
        for (given, told) in [
            ("cloakroom setup apache --write /etc/a` from /x.", "cloakroom setup apache --write /etc/a --force"),
            ("cloakroom setup --force --write /etc/a/ apache`", "cloakroom setup apache --write /etc/a --force"),
            (
                "cloakroom --config '/it'\\''s `a` here' setup apache --downloads rewrite-map --htaccess --passed 'a=b;c' --passed d=e --write '/a b'`",
                "cloakroom --config '/it'\\''s `a` here' setup apache --downloads rewrite-map --htaccess --passed 'a=b;c' --passed d=e --write '/a b' --force",
            ),
        ] {
            assert_eq!(made(given).as_deref(), Some(told), "{given}");
            let again = format!("{}`", told.strip_suffix(" --force").unwrap());
            assert_eq!(made(&again).as_deref(), Some(told), "{again}");
        }
        let include = |line: &str| MadeBy::of(&format!("{BEFORE}{line}")).unwrap().include;
        assert_eq!(include("cloakroom setup apache --write '/a b'`"), "Include \"/a b/vhost.conf\"");
        assert_eq!(
            MadeBy::of(&format!("{BEFORE}cloakroom setup apache --write /etc/apache2/cloakroom`")),
            Some(MadeBy::usual(Path::new(CONFIG_PATH)))
        );
        let usual = MadeBy::usual(Path::new("/it's/c.toml"));
        assert_eq!(usual.program, "cloakroom --config '/it'\\''s/c.toml'");
        assert_eq!(usual.command, format!("{} setup apache --write /etc/apache2/cloakroom --force", usual.program));
    }

    #[test]
    fn what_setup_would_not_have_written_is_not_told() {
        for other in [
            "",
            "`",
            "cloakroom setup apache`",
            "cloakroom setup nginx --write /etc/nginx/cloakroom`",
            "cloakroom setup apache --write /etc/a",
            "cloakroom setup apache --write /etc/a; reboot`",
            "cloakroom setup apache --write /etc/a && reboot`",
            "cloakroom setup apache --write $(reboot)`",
            "cloakroom setup apache --write \"/etc/a\"`",
            "cloakroom setup apache --write /etc/a --other`",
            "cloakroom setup apache --write '/etc/\u{1b}[2Ja'`",
            "cloakroom setup apache --write '/etc/a`",
            "cloakroom store move --to /etc/a`",
            "cloakroom setup --help`",
            "cloakroom setup apache --passed x --write /etc/a`",
        ] {
            assert_eq!(made(other), None, "{other}");
        }
        assert_eq!(line_of("# a: b.\n# Made by `x`\n"), Some("# Made by `x`"));
        assert_eq!((line_of("a\nb\n# Made by `x`\n"), line_of("")), (None, None));
    }
}
