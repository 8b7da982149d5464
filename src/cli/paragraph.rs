//! Sentences for a terminal. Pure.

use super::terminal::visible;

/// Lines of output are no longer than this: the terminal that is always there.
pub(super) const WIDTH: usize = 80;

/// `text` in lines of at most [`WIDTH`], the first after `lead`, the others below its end. What could steer the terminal
/// is made visible; a word that is longer than a line stands on one of its own.
pub(super) fn paragraph(lead: &str, text: &str) -> String {
    let indent = " ".repeat(lead.chars().count());
    let mut lines = vec![lead.to_owned()];
    let mut used = lead.chars().count();
    let mut is_first = true;
    for word in words(&visible(text)) {
        let length = word.chars().count();
        if !is_first && used + 1 + length > WIDTH {
            lines.push(indent.clone());
            used = indent.len();
            is_first = true;
        }
        if let Some(line) = lines.last_mut() {
            if !is_first {
                line.push(' ');
                used += 1;
            }
            line.push_str(&word);
        }
        used += length;
        is_first = false;
    }
    lines.join("\n")
}

/// The words of a text; a command in backticks is one, so that it can be copied.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_inside = false;
    for word in text.split_whitespace() {
        match words.last_mut().filter(|_| is_inside) {
            Some(command) => {
                command.push(' ');
                command.push_str(word);
            }
            None => words.push(word.to_owned()),
        }
        is_inside ^= word.matches('`').count() % 2 == 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_stays_within_the_width_and_below_its_lead() {
        let text = paragraph("  - ", &"wort ".repeat(40));
        assert_eq!(text.split_whitespace().filter(|word| *word == "wort").count(), 40);
        assert!(text.lines().count() > 2);
        for (number, line) in text.lines().enumerate() {
            assert!(line.chars().count() <= WIDTH && line.starts_with(if number == 0 { "  - wort" } else { "    wort" }), "{line:?}");
        }
        assert_eq!(paragraph("- ", "a\u{1b}[2J b"), "- a\u{fffd}[2J b");
        let command = "`cloakroom grant extend g-00000000000000000000 --for 7d`";
        assert_eq!(
            paragraph("- ", &format!("its time is over and more: {command} (or)")),
            format!("- its time is over and more:\n  {command} (or)")
        );
        assert_eq!(paragraph("x  ", ""), "x  ");
        assert_eq!(paragraph("- ", &format!("a {} b", "y".repeat(100))), format!("- a\n  {}\n  b", "y".repeat(100)));
    }
}
