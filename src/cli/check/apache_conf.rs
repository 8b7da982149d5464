//! Apache's configuration as a tree of directives, each with its file and line. Pure: whoever calls reads the files.
//!
//! The grammar is that of `util_cfgtree` and `ap_getword_conf`: a line a directive, `\` at its end joins the next, words are
//! quoted or not, `<Name …>` opens a section. `Include` is replaced by what it includes, `${NAME}` by what `Define` or the
//! environment say of it, and sections that ask for modules or definitions by what is in them, or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::cli::setup::made_by;

/// Files and sections within each other; Debian's own configuration has four.
const DEPTH_MAX: usize = 40;

/// More than this is not read: files that include each other make endless ones.
const DIRECTIVES_MAX: usize = 200_000;

/// What Debian builds into Apache.
const BUILT_IN: [&str; 8] = ["core", "so", "watchdog", "http", "log_config", "logio", "version", "unixd"];

/// One directive, or a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its name in lower case, without the `<` of a section.
    pub(super) name: String,
    /// Its words, without quotes, variables in their place.
    pub(super) words: Vec<String>,
    /// `file:line`.
    pub(super) place: String,
    /// How it is written, but for what a `Define` says.
    pub(super) written: String,
    /// What is in a section.
    pub(super) inside: Option<Vec<Line>>,
}

impl Line {
    /// The word at this place, from 0; empty where there is none.
    pub(super) fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    /// `file:line: as it is written`.
    pub(super) fn shown(&self) -> String {
        format!("{}: {}", self.place, self.written)
    }

    /// The lines of this name in it.
    pub(super) fn own<'l>(&'l self, name: &'l str) -> impl Iterator<Item = &'l Self> {
        self.inside.iter().flatten().filter(move |line| line.name == name)
    }
}

/// A configuration that was read.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The main file.
    pub(super) main: String,
    /// What stands in no section.
    pub(super) lines: Vec<Line>,
    /// The modules that are loaded, as `a2enmod` names them.
    pub(super) modules: BTreeSet<String>,
    /// What `Define` said.
    pub(super) defined: BTreeMap<String, Defined>,
    /// What the heads of the files say by which commands they were made.
    pub(super) made_by: Vec<String>,
    /// How many files there are.
    pub(super) files: usize,
    /// The files that are there and cannot be read, each with the reason.
    pub(super) unread: Vec<String>,
}

/// A value, and where it was said.
#[derive(Clone)]
pub(super) struct Defined {
    /// The value: a secret, maybe.
    pub(super) value: String,
    /// The file; empty for the environment.
    pub(super) file: String,
}

/// The value is not shown.
impl std::fmt::Debug for Defined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Defined({})", self.file)
    }
}

/// The files that a pattern means, by name, with what is in them.
pub(super) type Files<'f> = &'f mut dyn FnMut(&str) -> Vec<(String, String)>;

/// Reads `text` of the main file `name`, with what the environment says of variables.
pub(super) fn read(name: &str, text: &str, environment: &[(String, String)], files: Files<'_>) -> Result<Tree, String> {
    let mut tree = Tree { main: name.to_owned(), files: 1, ..Tree::default() };
    for (key, value) in environment {
        tree.defined.insert(key.clone(), Defined { value: value.clone(), file: String::new() });
    }
    tree.modules.extend(BUILT_IN.map(str::to_owned));
    let root = name.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
    let mut reader = Reader { tree, root, directives: 0, files };
    let mut lines = Vec::new();
    reader.file(name, text, 0, &mut lines)?;
    Ok(Tree { lines, ..reader.tree })
}

struct Reader<'f> {
    tree: Tree,
    root: String,
    directives: usize,
    files: Files<'f>,
}

/// A section that is open: its line, and what is in it so far; `None` where that is left out.
struct Open {
    line: Line,
    inside: Vec<Line>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is kept.
    Kept,
    /// Its lines stand where it stands.
    Taken,
    /// Nothing of it is there.
    Left,
}

impl Reader<'_> {
    fn file(&mut self, name: &str, text: &str, depth: usize, into: &mut Vec<Line>) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("{name}: files include each other without an end"));
        }
        let file: Rc<str> = name.into();
        self.tree.made_by.extend(made_by(text).map(str::to_owned));
        let mut open: Vec<Open> = Vec::new();
        for (number, written) in logical(text) {
            self.directives += 1;
            if self.directives > DIRECTIVES_MAX {
                return Err(format!("{name}: there are more than {DIRECTIVES_MAX} directives"));
            }
            let is_left = open.iter().any(|section| section.kind == Kind::Left);
            if let Some(section) = written.strip_prefix("</") {
                let Some(closed) = open.pop() else { return Err(format!("{file}:{number}: <{section} closes nothing")) };
                let target = open.last_mut().map_or(&mut *into, |section| &mut section.inside);
                match closed.kind {
                    Kind::Kept => target.push(Line { inside: Some(closed.inside), ..closed.line }),
                    Kind::Taken => target.extend(closed.inside),
                    Kind::Left => {}
                }
                continue;
            }
            let is_section = written.starts_with('<');
            let plain = if is_section { written.trim_start_matches('<').trim_end_matches('>') } else { written.as_str() };
            let mut words = words(plain);
            if words.is_empty() {
                continue;
            }
            let name = words.remove(0).to_ascii_lowercase();
            if !is_left {
                for word in &mut words {
                    *word = self.expanded(word);
                }
            }
            let line = Line { name, words, place: format!("{file}:{number}"), written: written.clone(), inside: None };
            if is_section {
                let kind = if is_left { Kind::Left } else { self.kind(&line) };
                if open.len() > DEPTH_MAX {
                    return Err(format!("{}: sections within each other without an end", line.place));
                }
                open.push(Open { line, inside: Vec::new(), kind });
                continue;
            }
            if is_left {
                continue;
            }
            let target = open.last_mut().map_or(&mut *into, |section| &mut section.inside);
            self.take(line, &file, depth, target)?;
        }
        match open.last() {
            None => Ok(()),
            Some(section) => Err(format!("{}: <{}> is not closed", section.line.place, section.line.name)),
        }
    }

    fn take(&mut self, line: Line, file: &str, depth: usize, into: &mut Vec<Line>) -> Result<(), String> {
        match line.name.as_str() {
            "include" | "includeoptional" => {
                let pattern = self.absolute(line.word(0));
                for (name, text) in (self.files)(&pattern) {
                    self.tree.files += 1;
                    self.file(&name, &text, depth + 1, into)?;
                }
            }
            "loadmodule" => {
                self.tree.modules.insert(line.word(0).trim_end_matches("_module").to_owned());
            }
            "define" => {
                let defined = Defined { value: line.word(1).to_owned(), file: file.to_owned() };
                self.tree.defined.insert(line.word(0).to_owned(), defined);
            }
            "serverroot" => line.word(0).clone_into(&mut self.root),
            _ => into.push(line),
        }
        Ok(())
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.root) }
    }

    fn kind(&self, line: &Line) -> Kind {
        let (word, is_not) = line.word(0).strip_prefix('!').map_or((line.word(0), false), |word| (word, true));
        let holds = match line.name.as_str() {
            "ifmodule" => {
                let name = word.trim_start_matches("mod_").trim_end_matches(".c").trim_end_matches("_module");
                self.tree.modules.contains(name)
            }
            "ifdefine" => self.tree.defined.contains_key(word),
            // Whatever the version, what is in it is looked at.
            "ifversion" | "iffile" | "ifdirective" | "ifsection" => return Kind::Taken,
            _ => return Kind::Kept,
        };
        if holds == is_not { Kind::Left } else { Kind::Taken }
    }

    /// A word with each `${NAME}` replaced by what is said of it, but for the secret, which is nobody's to see.
    fn expanded(&self, word: &str) -> String {
        let mut rest = word;
        let mut whole = String::new();
        while let Some((before, after)) = rest.split_once("${") {
            whole.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                whole.push_str("${");
                rest = after;
                continue;
            };
            match self.tree.defined.get(name).filter(|_| name != SECRET) {
                Some(defined) => whole.push_str(&defined.value),
                None => whole.extend(["${", name, "}"]),
            }
            rest = behind;
        }
        whole + rest
    }
}

/// The variable of the secret.
pub(super) const SECRET: &str = "CLOAKROOM_SECRET";

/// Lines with their numbers, joined where a `\` stands at their end, without comments.
fn logical(text: &str) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    let mut begun: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let (start, mut whole) = begun.take().unwrap_or((number, String::new()));
        if let Some(part) = line.strip_suffix('\\') {
            whole.push_str(part);
            begun = Some((start, whole));
            continue;
        }
        whole.push_str(line);
        let plain = whole.trim();
        if !plain.is_empty() && !plain.starts_with('#') {
            all.push((start, plain.to_owned()));
        }
    }
    all
}

/// The words of a line. In quotes a `\` stands for the quote, or for another `\`, behind it.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut letters = text.trim().chars().peekable();
    while let Some(first) = letters.next() {
        if first.is_whitespace() {
            continue;
        }
        let mut word = String::new();
        if first == '"' || first == '\'' {
            while let Some(letter) = letters.next() {
                match letter {
                    '\\' if letters.peek().is_some_and(|next| *next == first || *next == '\\') => word.extend(letters.next()),
                    letter if letter == first => break,
                    letter => word.push(letter),
                }
            }
        } else {
            word.push(first);
            while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace()) {
                word.push(letter);
            }
        }
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str, files: &[(&str, &str)]) -> Result<Tree, String> {
        let owned: Vec<(String, String)> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let mut find = |pattern: &str| owned.iter().filter(|(name, _)| name == pattern).cloned().collect();
        read("/etc/apache2/apache2.conf", text, &[("RUN".to_owned(), "www-data".to_owned())], &mut find)
    }

    #[test]
    fn sections_includes_variables_and_joined_lines_are_read_as_apache_reads_them() {
        let text = "# c\nLoadModule proxy_module /x.so\nUser ${RUN}\nInclude sites/a.conf\n\
            <IfModule mod_proxy.c>\n  ProxyPass \"/dl/\" \\\n    \"unix:/a b|scgi://x/\"\n</IfModule>\n\
            <IfModule !proxy_module>\nNever 1\n</IfModule>\n<IfDefine NOT>\n<Location /x>\nNever 2\n</Location>\n</IfDefine>\n";
        let site = "Define CLOAKROOM_SECRET s3cret\nDefine PLACE /srv\n<VirtualHost *:80>\n  <Directory \"${PLACE}/a \\\"b\\\\\">\n    \
            Require expr \"x == '${CLOAKROOM_SECRET}'\"\n  </Directory>\n</VirtualHost>\n";
        let tree = tree(text, &[("/etc/apache2/sites/a.conf", site)]).unwrap();
        assert!(tree.modules.contains("proxy") && tree.files == 2);
        let names: Vec<&str> = tree.lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["user", "virtualhost", "proxypass"]);
        assert_eq!(tree.lines[0].words, ["www-data"]);
        assert_eq!(
            (tree.lines[2].words.as_slice(), tree.lines[2].place.as_str()),
            (&["/dl/".to_owned(), "unix:/a b|scgi://x/".to_owned()][..], "/etc/apache2/apache2.conf:6")
        );
        let directory = tree.lines[1].own("directory").next().unwrap();
        assert_eq!(directory.word(0), "/srv/a \"b\\");
        let require = directory.own("require").next().unwrap();
        assert!(!format!("{tree:?}").contains("s3cret") && require.word(1).contains("${CLOAKROOM_SECRET}"), "{require:?}");
        assert_eq!(tree.defined[SECRET].value, "s3cret");
    }

    #[test]
    fn what_is_no_configuration_is_refused_and_never_a_panic() {
        for bad in ["</Location>", "<Location /a>\n", "Include /etc/apache2/again.conf"] {
            assert!(tree(bad, &[("/etc/apache2/again.conf", "Include /etc/apache2/again.conf")]).is_err(), "{bad}");
        }
        for odd in ["", "\\", "<", "<>\n</>", "\"", "'a", "${", "${A", "a ${", "Define", "LoadModule", "Include \"", "\u{0}\n\\\n\\"] {
            let _ = tree(odd, &[]);
        }
    }
}
