//! A file of which one part is a program's and the rest is people's: what the program writes stands between two comments,
//! and all else stays byte for byte, in its order, above and below.

use std::collections::HashSet;

use super::edit::name_of;
use super::file::lines;
use crate::domain::credential::UserName;

/// The comment above our lines. It is known by its first words.
const BEGIN: &str = "# BEGIN Cloakroom: it writes the lines from here to its END anew; yours stay, above and below";
const END: &str = "# END Cloakroom";

/// As far as the comments are known by.
const BEGIN_MARK: &[u8] = b"# BEGIN Cloakroom";
const END_MARK: &[u8] = b"# END Cloakroom";

/// A file with our lines in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Merged {
    /// The whole file; `None` where it says all this already.
    pub bytes: Option<Vec<u8>>,
    /// Lines of people under names that have the form of ours.
    pub alike: Vec<Alike>,
}

/// A line of somebody else under a name that may be one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Alike {
    /// Its number in the new file, from 1.
    pub line: usize,
    /// The name.
    pub user: UserName,
    /// Whether a line of ours has it, too, and which of both counts: that above.
    pub clash: Option<Counts>,
}

/// Which of two lines with one name web servers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counts {
    /// That of the person.
    Theirs,
    /// Ours.
    Ours,
}

/// Puts `ours`, names and hashes, into the file `bytes` in place of what stood for them there; below all else where nothing
/// did. A line that somebody wrote between ours is kept, below them; unless its name has the form of ours, which says that
/// it is one.
pub fn merge(bytes: &[u8], ours: &[(UserName, &str)]) -> Merged {
    let (mut above, mut below): (Vec<&[u8]>, Vec<&[u8]>) = (Vec::new(), Vec::new());
    let (mut is_behind, mut is_inside) = (false, false);
    for line in lines(bytes).filter(|_| !bytes.is_empty()) {
        let text = line.trim_ascii();
        if text.starts_with(BEGIN_MARK) {
            (is_behind, is_inside) = (true, true);
        } else if text.starts_with(END_MARK) {
            (is_behind, is_inside) = (true, false);
        } else if !(is_inside && user_of(line).is_some()) {
            if is_behind { below.push(line) } else { above.push(line) }
        }
    }
    let mut new = Vec::with_capacity(bytes.len() + 64 * ours.len());
    let mut put = |line: &[u8]| new.extend([line, b"\n"].concat());
    for line in &above {
        put(line);
    }
    put(BEGIN.as_bytes());
    for (user, hash) in ours {
        put(format!("{user}:{hash}").as_bytes());
    }
    put(END.as_bytes());
    for line in &below {
        put(line);
    }
    let names: HashSet<UserName> = ours.iter().map(|(user, _)| *user).collect();
    let alike = |first: usize, counts: Counts| {
        let names = &names;
        let alike = move |(place, line): (usize, &&[u8])| {
            let user = user_of(line)?;
            Some(Alike { line: first + place, user, clash: names.contains(&user).then_some(counts) })
        };
        move |lines: &[&[u8]]| lines.iter().enumerate().filter_map(alike).collect::<Vec<_>>()
    };
    let mut found = alike(1, Counts::Theirs)(&above);
    found.extend(alike(above.len() + ours.len() + 3, Counts::Ours)(&below));
    Merged { bytes: (new != bytes).then_some(new), alike: found }
}

/// What a file says, for who does not write it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The names of our lines, those between the comments.
    pub ours: Vec<UserName>,
    /// Names that have the form of ours elsewhere, each with the number of its line, from 1.
    pub alike: Vec<(usize, UserName)>,
    /// How many other names there are.
    pub others: usize,
}

/// Reads a file without changing it.
pub fn look(bytes: &[u8]) -> Seen {
    let (mut seen, mut is_inside) = (Seen::default(), false);
    for (number, line) in (1..).zip(lines(bytes)) {
        let text = line.trim_ascii();
        match user_of(line) {
            _ if text.starts_with(BEGIN_MARK) => is_inside = true,
            _ if text.starts_with(END_MARK) => is_inside = false,
            Some(user) if is_inside => seen.ours.push(user),
            Some(user) => seen.alike.push((number, user)),
            None => seen.others += usize::from(name_of(line).is_some()),
        }
    }
    seen
}

/// The name of a line, if it has the form of ours. Web servers take a line without a colon for that of its name.
fn user_of(line: &[u8]) -> Option<UserName> {
    let name = name_of(line).unwrap_or_else(|| line.trim_ascii());
    std::str::from_utf8(name).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn user(text: &str) -> UserName {
        text.parse().expect(text)
    }

    /// The block with these lines.
    fn block(lines: &str) -> String {
        format!("{BEGIN}\n{lines}{END}\n")
    }

    #[test]
    fn our_lines_are_replaced_and_those_of_people_stay_where_they_are() {
        let ours = [(user("aaaa-aaaa"), "NEW"), (user("bbbb-bbbb"), "TOO")];
        let new = block("aaaa-aaaa:NEW\nbbbb-bbbb:TOO\n");
        let old = block("aaaa-aaaa:OLD\ncccc-cccc:GONE\n");
        let unclosed = old.replace(&format!("{END}\n"), "");
        for (before, above, below) in [
            (String::new(), "", ""),
            ("bob:x\n".to_owned(), "bob:x\n", ""),
            ("bob:x".to_owned(), "bob:x\n", ""),
            ("# a comment\n\nbob:x\r\nnonsense\n".to_owned(), "# a comment\n\nbob:x\r\nnonsense\n", ""),
            (old.clone(), "", ""),
            (format!("bob:x\n{old}amy:y\n"), "bob:x\n", "amy:y\n"),
            (format!("bob:x\n{}amy:y\n", old.replace('\n', "\r\n")), "bob:x\n", "amy:y\n"),
            (old.replace("writes", "wrote"), "", ""),
            // Somebody wrote between ours.
            (old.replace("cccc-cccc:GONE", "amy:y\n# mine\ncccc-cccc:GONE"), "", "amy:y\n# mine\n"),
            // Somebody took a comment away, or both.
            (format!("bob:x\n{unclosed}amy:y\n"), "bob:x\n", "amy:y\n"),
            (format!("bob:x\n{END}\namy:y\n"), "bob:x\n", "amy:y\n"),
            // Two files were joined.
            (format!("bob:x\n{old}amy:y\n{old}eve:z\n"), "bob:x\n", "amy:y\neve:z\n"),
        ] {
            let merged = merge(before.as_bytes(), &ours).bytes.expect(&before);
            assert_eq!(String::from_utf8_lossy(&merged), format!("{above}{new}{below}"), "{before:?}");
            assert_eq!(merge(&merged, &ours), Merged { bytes: None, alike: Vec::new() }, "{before:?}");
        }
        let empty = merge(b"bob:x\n", &[]).bytes.expect("a block");
        assert_eq!(String::from_utf8_lossy(&empty), format!("bob:x\n{}", block("")));
    }

    #[test]
    fn lines_of_people_under_names_like_ours_are_told() {
        let ours = [(user("aaaa-aaaa"), "NEW")];
        let text = format!("bob:x\naaaa-aaaa:mine\n# bbbb-bbbb:y\n{}cccc-cccc:z\naaaa-aaaa\n", block("aaaa-aaaa:NEW\n"));
        let merged = merge(text.as_bytes(), &ours);
        let told = |line, name: &str, clash| Alike { line, user: user(name), clash };
        assert_eq!(merged.bytes, None);
        let clash = (Some(Counts::Theirs), Some(Counts::Ours));
        assert_eq!(merged.alike, [told(2, "aaaa-aaaa", clash.0), told(7, "cccc-cccc", None), told(8, "aaaa-aaaa", clash.1)]);
    }

    #[test]
    fn a_file_is_seen_as_it_is_without_being_changed() {
        let (one, two) = (user("aaaa-aaaa"), user("bbbb-bbbb"));
        for (text, ours, alike, others) in [
            (String::new(), vec![], vec![], 0),
            (format!("bob:x\n\n# eve:y\nnonsense\n{}amy:y", block("aaaa-aaaa:H\nbbbb-bbbb:I\n")), vec![one, two], vec![], 2),
            (format!("bbbb-bbbb:x\n{}aaaa-aaaa\n", block("aaaa-aaaa:H\n")), vec![one], vec![(1, two), (5, one)], 0),
            (block("aaaa-aaaa:H\nbob:x\n").replace(END, ""), vec![one], vec![], 1),
        ] {
            assert_eq!(look(text.as_bytes()), Seen { ours, alike, others }, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_file_loses_a_line_of_others_and_a_second_time_changes_nothing(
            lines in prop::collection::vec(prop_oneof![
                Just(BEGIN.to_owned()), Just(END.to_owned()), Just("aaaa-aaaa:OLD".to_owned()), "[a-z#: \\r]{0,12}",
            ], 0..12),
        ) {
            let ours = [(user("aaaa-aaaa"), "NEW")];
            let before = lines.join("\n");
            let merged = merge(before.as_bytes(), &ours);
            let after = String::from_utf8(merged.bytes.unwrap_or_else(|| before.clone().into_bytes())).expect("text");
            let is_mark = |line: &&str| line.trim_ascii().starts_with("# BEGIN Cloakroom") || line.trim_ascii().starts_with("# END Cloakroom");
            let of_people = |text: &str| text.split('\n').filter(|line| !is_mark(line) && !line.starts_with("aaaa-aaaa:") && !line.is_empty()).map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(of_people(&before), of_people(&after));
            prop_assert_eq!(after.matches("aaaa-aaaa:NEW\n").count(), 1);
            prop_assert_eq!(merge(after.as_bytes(), &ours).bytes, None);
        }
    }
}
