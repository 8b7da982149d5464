//! Nginx's configuration as a tree of directives, each with its file and line. Pure: whoever calls reads the files.
//!
//! The grammar is that of `ngx_conf_file.c`: words, quoted or not, up to `;` or a block in braces; `#` begins a comment
//! where a word could begin. `include` is replaced by what it includes.

use std::fmt;
use std::rc::Rc;

/// Blocks and files within each other; nginx's own configurations have five or six.
const DEPTH_MAX: usize = 40;

/// A configuration with more directives is not read: files that include each other make endless ones.
const DIRECTIVES_MAX: usize = 200_000;

/// Where a directive stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The file, as nginx names it.
    pub(super) file: Rc<str>,
    /// The line, counted from 1.
    pub(super) line: usize,
}

/// `file:line`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    /// Its name.
    pub(super) name: String,
    /// Its arguments, without quotes.
    pub(super) arguments: Vec<String>,
    /// Where it stands.
    pub(super) place: Place,
    /// What stands in its braces, if it has any.
    pub(super) block: Option<Vec<Directive>>,
}

impl Directive {
    /// The argument at this place, from 0; empty where there is none.
    pub(super) fn argument(&self, at: usize) -> &str {
        self.arguments.get(at).map_or("", String::as_str)
    }

    /// What stands in its braces.
    pub(super) fn inside(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// `file:line: directive …;`
    pub(super) fn shown(&self) -> String {
        format!("{}: {self}", self.place)
    }
}

/// As it is written, one line.
impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for argument in &self.arguments {
            if argument.is_empty() || argument.contains([' ', '\t', '\n', ';', '{', '}']) && !argument.contains("${") {
                write!(f, " \"{}\"", argument.replace('"', "\\\""))?;
            } else {
                write!(f, " {argument}")?;
            }
        }
        f.write_str(if self.block.is_some() { " { … }" } else { ";" })
    }
}

/// Why a configuration is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    /// Where.
    pub(super) place: Place,
    /// Why.
    pub(super) why: &'static str,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.why)
    }
}

/// The files that a pattern of `include` means, by name, with what is in them.
pub(super) type Including<'a> = dyn FnMut(&str) -> Vec<(String, String)> + 'a;

/// Reads the configuration whose main file is `name`, with all that it includes. Patterns that are relative are so to the
/// directory of the main file.
pub(super) fn read(name: &str, text: &str, including: &mut Including<'_>) -> Result<Vec<Directive>, Unread> {
    let prefix = name.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut reader = Reader { prefix, including, seen: 0 };
    reader.file(name, text, 0)
}

/// A configuration as `nginx -T` prints it: the files by name, the main one first; `None` if it is none.
pub(super) fn files_of_dump(dump: &str) -> Option<Vec<(String, String)>> {
    const HEAD: &str = "# configuration file ";
    let mut files: Vec<(String, String)> = Vec::new();
    for line in dump.split_inclusive('\n') {
        let head = line.strip_prefix(HEAD).and_then(|rest| rest.trim_end().strip_suffix(':'));
        match (head, files.last_mut()) {
            (Some(name), _) => files.push((name.to_owned(), String::new())),
            (None, Some((_, text))) => text.push_str(line),
            // What nginx says before the first file.
            (None, None) => {}
        }
    }
    (!files.is_empty()).then_some(files)
}

/// Whether a path is one of those that a pattern of `include` means: `*` and `?` stand for anything but `/`, `[a-c]` for
/// one of these.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    glob(&pattern.chars().collect::<Vec<_>>(), &path.chars().collect::<Vec<_>>())
}

fn glob(pattern: &[char], path: &[char]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            let most = path.iter().take_while(|sign| **sign != '/').count();
            (0..=most).any(|taken| path.get(taken..).is_some_and(|path| glob(rest, path)))
        }
        (['?', rest @ ..], [sign, path @ ..]) => *sign != '/' && glob(rest, path),
        (['[', rest @ ..], [sign, path @ ..]) => {
            let Some(end) = rest.iter().skip(1).position(|sign| *sign == ']').map(|end| end + 1) else { return false };
            let (Some(set), Some(rest)) = (rest.get(..end), rest.get(end + 1..)) else { return false };
            let (set, is_in) = match set {
                ['!' | '^', set @ ..] => (set, false),
                set => (set, true),
            };
            let ranged = set.windows(3).any(|three| matches!(three, [from, '-', to] if (*from..=*to).contains(sign)));
            (ranged || set.contains(sign)) == is_in && glob(rest, path)
        }
        ([first, rest @ ..], [sign, path @ ..]) => first == sign && glob(rest, path),
        _ => false,
    }
}

struct Reader<'a, 'b> {
    prefix: &'a str,
    including: &'a mut Including<'b>,
    seen: usize,
}

impl Reader<'_, '_> {
    fn file(&mut self, name: &str, text: &str, depth: usize) -> Result<Vec<Directive>, Unread> {
        let mut words = Words { file: name.into(), rest: text, line: 1 };
        let directives = self.block(&mut words, depth, false)?;
        Ok(directives)
    }

    /// The directives up to the end of the block, or of the file.
    fn block(&mut self, words: &mut Words<'_>, depth: usize, in_braces: bool) -> Result<Vec<Directive>, Unread> {
        let mut directives = Vec::new();
        let mut written: Option<Directive> = None;
        if depth > DEPTH_MAX {
            return Err(words.unread("blocks and files stand too deep within each other"));
        }
        loop {
            let place = words.place();
            match (words.next()?, written.as_mut()) {
                (Token::Word(name, line), None) => {
                    self.seen += 1;
                    if self.seen > DIRECTIVES_MAX {
                        return Err(words.unread("there are too many directives"));
                    }
                    let place = Place { line, ..place };
                    written = Some(Directive { name, arguments: Vec::new(), place, block: None });
                }
                (Token::Word(argument, _), Some(directive)) => directive.arguments.push(argument),
                (Token::Semicolon, Some(_)) => self.take(&mut directives, written.take(), depth)?,
                (Token::Open, Some(directive)) => {
                    directive.block = Some(if directive.name.ends_with("_by_lua_block") {
                        words.skip_foreign_block()?;
                        Vec::new()
                    } else {
                        self.block(words, depth + 1, true)?
                    });
                    self.take(&mut directives, written.take(), depth)?;
                }
                (Token::Close, None) if in_braces => return Ok(directives),
                (Token::End, None) if !in_braces => return Ok(directives),
                (Token::End, _) => return Err(words.unread("the file ends within a directive or a block")),
                (Token::Semicolon | Token::Open, None) | (Token::Close, _) => return Err(words.unread("this is not expected here")),
            }
        }
    }

    fn take(&mut self, directives: &mut Vec<Directive>, written: Option<Directive>, depth: usize) -> Result<(), Unread> {
        let Some(directive) = written else { return Ok(()) };
        if directive.name != "include" || directive.block.is_some() {
            directives.push(directive);
            return Ok(());
        }
        let pattern = directive.argument(0);
        let pattern =
            if pattern.starts_with('/') || self.prefix.is_empty() { pattern.to_owned() } else { format!("{}/{pattern}", self.prefix) };
        for (name, text) in (self.including)(&pattern) {
            directives.extend(self.file(&name, &text, depth + 1)?);
        }
        Ok(())
    }
}

enum Token {
    /// With the line that it begins on.
    Word(String, usize),
    Semicolon,
    Open,
    Close,
    End,
}

/// The words of one file.
struct Words<'a> {
    file: Rc<str>,
    rest: &'a str,
    line: usize,
}

impl Words<'_> {
    fn place(&self) -> Place {
        Place { file: Rc::clone(&self.file), line: self.line }
    }

    fn unread(&self, why: &'static str) -> Unread {
        Unread { place: self.place(), why }
    }

    fn step(&mut self) -> Option<char> {
        let mut signs = self.rest.chars();
        let sign = signs.next()?;
        self.rest = signs.as_str();
        if sign == '\n' {
            self.line += 1;
        }
        Some(sign)
    }

    fn next(&mut self) -> Result<Token, Unread> {
        loop {
            match self.rest.chars().next() {
                None => return Ok(Token::End),
                Some('#') => while self.step().is_some_and(|sign| sign != '\n') {},
                Some(sign) if sign.is_ascii_whitespace() => drop(self.step()),
                Some(_) => break,
            }
        }
        let line = self.line;
        match self.rest.chars().next() {
            Some(';') => Ok(self.one(Token::Semicolon)),
            Some('{') => Ok(self.one(Token::Open)),
            Some('}') => Ok(self.one(Token::Close)),
            Some(quote @ ('"' | '\'')) => {
                self.step();
                Ok(Token::Word(self.quoted(quote)?, line))
            }
            _ => Ok(Token::Word(self.plain(), line)),
        }
    }

    fn one(&mut self, token: Token) -> Token {
        self.step();
        token
    }

    fn quoted(&mut self, quote: char) -> Result<String, Unread> {
        let mut word = String::new();
        loop {
            match self.step() {
                None => return Err(self.unread("a quote is not closed")),
                Some(sign) if sign == quote => return Ok(word),
                Some('\\') => self.escaped(&mut word),
                Some(sign) => word.push(sign),
            }
        }
    }

    fn plain(&mut self) -> String {
        let mut word = String::new();
        while let Some(sign) = self.rest.chars().next() {
            // `${name}` is a variable, and its brace opens no block.
            if sign.is_ascii_whitespace() || sign == ';' || sign == '{' && !word.ends_with('$') {
                break;
            }
            self.step();
            if sign == '\\' {
                self.escaped(&mut word);
            } else {
                word.push(sign);
            }
        }
        word
    }

    /// What follows a `\`: `\"`, `\'` and `\\` lose it, `\t`, `\r` and `\n` become what they mean, all else keeps it.
    fn escaped(&mut self, word: &mut String) {
        match self.step() {
            Some(sign @ ('"' | '\'' | '\\')) => word.push(sign),
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            Some(sign) => word.extend(['\\', sign]),
            None => word.push('\\'),
        }
    }

    /// A block in another language, after its `{`.
    fn skip_foreign_block(&mut self) -> Result<(), Unread> {
        let mut open = 1_usize;
        while open > 0 {
            match self.step() {
                None => return Err(self.unread("a block is not closed")),
                Some('{') => open += 1,
                Some('}') => open -= 1,
                Some(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Result<Vec<Directive>, Unread> {
        read("/etc/nginx/nginx.conf", text, &mut |_| Vec::new())
    }

    #[test]
    fn directives_are_read_with_their_lines_quotes_and_blocks() {
        let text = "user www-data; # comment; { }\nhttp {\n  log_format a 'x \\'y\\' '\n 'z';\n  map $a ${b}c { default \"\"; }\n\n  gzip\n  on;\n}\n";
        let all = tree(text).unwrap();
        let http = all[1].inside();
        let shown: Vec<String> = http.iter().map(Directive::shown).collect();
        assert_eq!(
            shown,
            [
                "/etc/nginx/nginx.conf:3: log_format a \"x 'y' \" z;",
                "/etc/nginx/nginx.conf:5: map $a ${b}c { … }",
                "/etc/nginx/nginx.conf:7: gzip on;"
            ]
        );
        assert_eq!(http[1].inside()[0].arguments, [""]);
        assert_eq!(all[0].argument(0), "www-data");
    }

    #[test]
    fn what_nginx_would_not_read_is_not_read_either() {
        for bad in ["a", "a {", "}", ";", "{", "a 'b", "a { b; ", "x_by_lua_block { {", &"a {".repeat(100)] {
            assert!(tree(bad).is_err(), "{bad}");
        }
        for good in ["", "# only this", "x_by_lua_block { if (a) { } } b;", "a \\;b;", "a \\"] {
            assert_eq!(tree(good).is_ok(), good != "a \\", "{good}");
        }
    }

    #[test]
    fn what_is_included_stands_in_the_place_of_the_include_and_an_endless_one_is_refused() {
        let files = [("/etc/nginx/conf.d/a.conf", "one;"), ("/etc/nginx/conf.d/b.conf", "\ntwo;"), ("/etc/nginx/conf.d/c.txt", "no;")];
        let mut include = |pattern: &str| {
            files.iter().filter(|(name, _)| matches(pattern, name)).map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
        };
        let all = read("/etc/nginx/nginx.conf", "zero; include conf.d/*.conf; three;", &mut include).unwrap();
        let shown: Vec<String> = all.iter().map(Directive::shown).collect();
        assert_eq!(
            shown,
            [
                "/etc/nginx/nginx.conf:1: zero;",
                "/etc/nginx/conf.d/a.conf:1: one;",
                "/etc/nginx/conf.d/b.conf:2: two;",
                "/etc/nginx/nginx.conf:1: three;"
            ]
        );
        let mut endless = |_: &str| vec![("/b".to_owned(), "include b; include b;".to_owned())];
        assert!(read("/a", "include b;", &mut endless).is_err());
    }

    #[test]
    fn a_pattern_means_what_the_shell_means_by_it() {
        for (pattern, path, yes) in [
            ("/a/*.conf", "/a/b.conf", true),
            ("/a/*.conf", "/a/b/c.conf", false),
            ("/a/*", "/a/", true),
            ("/a/?.c", "/a/x.c", true),
            ("/a/?.c", "/a//.c", false),
            ("/a/[a-c]*", "/a/bz", true),
            ("/a/[!a-c]*", "/a/bz", false),
            ("/a/[", "/a/[", false),
            ("/a/b", "/a/b", true),
            ("/a/b", "/a/bc", false),
        ] {
            assert_eq!(matches(pattern, path), yes, "{pattern} {path}");
        }
    }

    #[test]
    fn a_dump_is_taken_apart_into_its_files() {
        let dump = "nginx: the configuration file /n syntax is ok\n# configuration file /n:\nuser a;\ninclude b;\n\n# configuration file /b:\nx;\n";
        let files = files_of_dump(dump).unwrap();
        assert_eq!(files, [("/n".to_owned(), "user a;\ninclude b;\n\n".to_owned()), ("/b".to_owned(), "x;\n".to_owned())]);
        assert_eq!(files_of_dump("user a;\n"), None);
    }
}
