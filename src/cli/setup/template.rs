//! The shipped examples as templates: what `setup` writes is their text with other words in it, so that there is one way of
//! saying each thing. Pure.

/// An example without its head: the comment up to the first line of configuration, or the first blank line, tells people how
/// to fit it to their site, and that is done here.
pub(super) fn body(example: &str) -> &str {
    let mut rest = example;
    while let Some((line, after)) = rest.split_once('\n') {
        if !line.starts_with('#') {
            break;
        }
        rest = after;
    }
    rest.trim_start_matches('\n')
}

/// `text` with each of `words`, wherever it stands, replaced by what stands beside it. What was put in is not looked at
/// again, and of two words that begin at one place the longer one is meant.
pub(super) fn fill(text: &str, words: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let found = words.iter().filter(|(word, _)| !word.is_empty() && rest.starts_with(word)).max_by_key(|(word, _)| word.len());
        if let Some((word, value)) = found {
            filled.push_str(value);
            rest = rest.get(word.len()..).unwrap_or_default();
        } else {
            filled.push(letter);
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        }
    }
    filled
}

/// A part of a text, with what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut<'t> {
    /// What stands before it.
    pub(super) before: &'t str,
    /// Whole lines.
    pub(super) part: &'t str,
    /// What stands after it.
    pub(super) after: &'t str,
}

/// From the line that begins with `first`, blanks apart, to the next one that begins with `last`, both of them included.
/// Where there is none, all stands before it.
pub(super) fn cut<'t>(text: &'t str, first: &str, last: &str) -> Cut<'t> {
    let (mut at, mut begin) = (0, None);
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        if begin.is_none() && line.trim_start().starts_with(first) {
            begin = Some(at);
        }
        if let Some(begin) = begin.filter(|_| line.trim_start().starts_with(last)) {
            let [before, part, after] = [text.get(..begin), text.get(begin..end), text.get(end..)].map(Option::unwrap_or_default);
            return Cut { before, part, after };
        }
        at = end;
    }
    Cut { before: text, part: "", after: "" }
}

/// `text` without the lines of which this is true.
pub(super) fn without(text: &str, is_unwanted: impl Fn(&str) -> bool) -> String {
    text.split_inclusive('\n').filter(|line| !is_unwanted(line.trim())).collect()
}

/// The line of a comment that begins with `start`, which a site needs in another place; without the sign of the comment.
pub(super) fn in_comment<'t>(text: &'t str, start: &str) -> &'t str {
    text.lines().filter_map(|line| line.strip_prefix('#')).map(str::trim).find(|line| line.starts_with(start)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_where_the_configuration_begins() {
        for (example, expected) in [
            ("# a\n# b\nc d\n# e\n", "c d\n# e\n"),
            ("# a\n\n# b\nc\n", "# b\nc\n"),
            ("# a\n#\n# b\n\nc\n", "c\n"),
            ("c\n", "c\n"),
            ("# a\n", ""),
            ("", ""),
        ] {
            assert_eq!(body(example), expected, "{example:?}");
        }
    }

    #[test]
    fn words_are_replaced_once_and_the_longest_first() {
        let words = [("/srv/downloads/", "A"), ("/srv/downloads", "/dl/"), ("/dl/", "/srv/downloads")];
        assert_eq!(fill("x /srv/downloads/ /srv/downloads /dl/ ö", &words), "x A /dl/ /srv/downloads ö");
        assert_eq!(fill("", &words), "");
        assert_eq!(fill("abc", &[("", "x")]), "abc");
    }

    #[test]
    fn a_cut_has_whole_lines() {
        let text = "a\n  <B 1>\n  c\n  </B>\nd\n<B 2>\n</B>\n";
        assert_eq!(cut(text, "<B", "</B>"), Cut { before: "a\n", part: "  <B 1>\n  c\n  </B>\n", after: "d\n<B 2>\n</B>\n" });
        assert_eq!(cut(text, "d", "d").part, "d\n");
        for (first, last) in [("<B", "nowhere"), ("nowhere", "</B>")] {
            assert_eq!(cut(text, first, last), Cut { before: text, part: "", after: "" });
        }
    }

    #[test]
    fn what_stands_in_a_comment_is_found_without_its_sign() {
        assert_eq!(in_comment("# x\n#     CustomLog a b\nCustomLog c\n", "CustomLog"), "CustomLog a b");
        assert_eq!(in_comment("CustomLog c\n", "CustomLog"), "");
    }
}
