//! Rust sources as the architecture test reads them: code without comments and strings, as names and paths. Not a
//! parser; it knows just enough never to miss a path that the compiler would follow.

/// `FooBar` and `foo_bar` are `foo` and `bar`.
pub(crate) fn parts_of(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for letter in name.chars() {
        let starts = letter == '_' || letter.is_uppercase() && !parts.last().unwrap().ends_with(char::is_uppercase);
        if starts {
            parts.push(String::new());
        }
        if letter != '_' {
            parts.last_mut().unwrap().push(letter);
        }
    }
    parts.iter().map(|part| part.to_lowercase()).filter(|part| !part.is_empty()).collect()
}

/// The text with comments, strings and characters blanked; lines stay where they are.
pub(crate) fn code_only(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let end = match letters[at] {
            '/' if letters.get(at + 1) == Some(&'/') => find(&letters, at, "\n"),
            '/' if letters.get(at + 1) == Some(&'*') => end_of_block_comment(&letters, at),
            '"' => end_of_string(&letters, at),
            'r' if !follows_name(&letters, at) && raw_hashes(&letters, at).is_some() => end_of_raw(&letters, at),
            '\'' if letters.get(at + 1) == Some(&'\\') => find(&letters, at + 3, "'") + 1,
            '\'' if letters.get(at + 2) == Some(&'\'') => at + 3,
            other => {
                code.push(other);
                at += 1;
                continue;
            }
        };
        let end = end.min(letters.len());
        code.extend(letters[at..end].iter().map(|letter| if *letter == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    code
}

fn find(letters: &[char], from: usize, what: &str) -> usize {
    let what: Vec<char> = what.chars().collect();
    (from..letters.len()).find(|&at| letters[at..].starts_with(&what)).unwrap_or(letters.len())
}

fn end_of_block_comment(letters: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start + 2, 1);
    while at < letters.len() && depth > 0 {
        match (letters[at], letters.get(at + 1)) {
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    at
}

fn end_of_string(letters: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < letters.len() && letters[at] != '"' {
        at += if letters[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// `b` and `c` may stand before the `r` of a raw string; any other letter makes it the end of a name.
fn follows_name(letters: &[char], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|at| letters[at]).filter(|letter| letter.is_alphanumeric() || *letter == '_');
    before(1).is_some_and(|letter| !"bc".contains(letter) || before(2).is_some())
}

fn raw_hashes(letters: &[char], at: usize) -> Option<usize> {
    let hashes = letters[at + 1..].iter().take_while(|letter| **letter == '#').count();
    (letters.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

fn end_of_raw(letters: &[char], at: usize) -> usize {
    let hashes = raw_hashes(letters, at).unwrap_or(0);
    let end = format!("\"{}", "#".repeat(hashes));
    find(letters, at + hashes + 2, &end) + hashes + 1
}

/// Names, `::` and single signs, each with its line.
pub(crate) fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let name = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
            let end = if name > 0 { name } else { "::".len().min(rest.len()) * usize::from(rest.starts_with("::")) };
            let end = if end > 0 { end } else { first.len_utf8() };
            tokens.push((number, &rest[..end]));
            rest = rest[end..].trim_start();
        }
    }
    tokens
}

fn is_name(token: &str) -> bool {
    token == "*" || token.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

/// Every `a::b::c`, with groups `a::{b, c::d}` taken apart.
pub(crate) fn paths<'a>(tokens: &[(usize, &'a str)]) -> Vec<(usize, Vec<&'a str>)> {
    let mut found = Vec::new();
    // The prefixes of the groups that are open, and of the blocks (none).
    let mut open: Vec<Option<Vec<&str>>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (line, token) = tokens[at];
        at += 1;
        match token {
            "{" => open.push(None),
            "}" => drop(open.pop()),
            name if is_name(name) && name != "*" || name == "*" && open.last().is_some_and(Option::is_some) => {
                let mut path = open.last().cloned().flatten().unwrap_or_default();
                path.push(name);
                while at + 1 < tokens.len() && tokens[at].1 == "::" && is_name(tokens[at + 1].1) {
                    path.push(tokens[at + 1].1);
                    at += 2;
                }
                if at + 1 < tokens.len() && tokens[at].1 == "::" && tokens[at + 1].1 == "{" {
                    open.push(Some(path));
                    at += 2;
                } else {
                    found.push((line, path));
                }
            }
            _ => {}
        }
    }
    found
}

/// The code with `#[cfg(test)] mod tests { … }` blanked; `mod tests` without the attribute is a violation.
pub(crate) fn without_tests(code: &str, fault: &mut impl FnMut(usize, String)) -> String {
    let Some(at) = code.find("mod tests") else { return code.to_owned() };
    let (before, tests) = code.split_at(at);
    if !before.trim_end().ends_with("#[cfg(test)]") {
        fault(before.lines().count(), "`mod tests` without `#[cfg(test)]`".to_owned());
        return code.to_owned();
    }
    let mut depth = 0_usize;
    let end = tests.char_indices().find_map(|(at, letter)| {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0 && (letter == '}' || letter == ';')).then_some(at + 1)
    });
    let (tests, after) = tests.split_at(end.unwrap_or(tests.len()));
    let blank: String = tests.chars().filter(|letter| *letter == '\n').collect();
    format!("{before}{blank}{after}")
}
