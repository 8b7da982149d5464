//! JWTs that were pasted where they do not belong are left out of what is told.

/// A run this long may be half a token or more, and is not shown; of less the rest cannot be guessed. No token is shorter.
pub(super) const SECRET_LENGTH_MIN: usize = 20;

/// What stands in the place of a secret.
pub(super) const LEFT_OUT: &str = "(left out)";

/// Whether a JWT, or the beginning of one, stands anywhere in `text`. In a canonical path no letter of it is encoded.
pub(super) fn has_jwt(text: &str) -> bool {
    first_jwt(text).is_some()
}

/// `text` without the JWTs in it.
pub(super) fn without_jwts(text: String) -> String {
    if !has_jwt(&text) {
        return text;
    }
    let (mut clean, mut rest) = (String::new(), text.as_str());
    while let Some((before, after)) = first_jwt(rest) {
        clean.push_str(before);
        clean.push_str(LEFT_OUT);
        rest = after;
    }
    clean + rest
}

/// What is before the first JWT and what is behind it: `{"`, in base64, begins it.
fn first_jwt(text: &str) -> Option<(&str, &str)> {
    let is_other = |char: char| !(char.is_ascii_alphanumeric() || "-_.".contains(char));
    text.match_indices("eyJ").find_map(|(at, _)| {
        let (before, from) = text.split_at_checked(at)?;
        let (run, after) = from.split_at_checked(from.find(is_other).unwrap_or(from.len()))?;
        (run.len() >= SECRET_LENGTH_MIN).then_some((before, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_is_left_out_wherever_it_stands() {
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln-_a";
        for (text, clean) in [
            (format!("/dl/f/masters/a.zip&jwt={jwt}"), "/dl/f/masters/a.zip&jwt=(left out)"),
            (format!("a.zip%26jwt%3D{jwt}%26x"), "a.zip%26jwt%3D(left out)%26x"),
            (format!("no rule covers `/{jwt}/ü/{jwt}`"), "no rule covers `/(left out)/ü/(left out)`"),
            (format!("eyJ eyJ/{jwt}"), "eyJ eyJ/(left out)"),
            (format!("x{jwt}"), "x(left out)"),
            ("eyJhbGciOiJIUzI1NiJ9".to_owned(), "(left out)"),
        ] {
            assert!(has_jwt(&text), "{text}");
            assert_eq!(without_jwts(text), clean);
        }
        for text in ["", "eyJ", "eyJoe.zip", "a/eyJhbGci/OiJIUzI1NiJ9", "ü", "EYJhbGciOiJIUzI1NiJ9.eyJ"] {
            assert!(!has_jwt(text), "{text}");
            assert_eq!(without_jwts(text.to_owned()), text);
        }
    }
}
