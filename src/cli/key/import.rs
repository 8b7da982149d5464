//! `cloakroom key import`: the file of a key from a secret that another program has already.

use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use super::super::Common;
use super::super::failure::Failure;
use super::super::failure::warn;
use super::{made, named, not_made};
use crate::config::Configuration;
use crate::keys;
use crate::proof::key::{SECRET_BYTES_MIN, SigningKey};

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
The configuration names the key first, as for `key new`. The form must be said, since 64 hexadecimal digits are base64 too. \
The secret is never an argument, which every user of the machine could read:

  cloakroom key import shop --format hex < secret.hex
  pass show shop/links | cloakroom key import shop --format base64";

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The key's id, as in `[[key]] id = "main"`.
    #[arg(value_name = "ID")]
    id: String,

    /// Where the secret is read; without it, from standard input.
    #[arg(value_name = "FILE")]
    from: Option<PathBuf>,

    /// How the secret is written. Blanks and line ends around it are left out, but for `raw`.
    #[arg(long, value_enum, value_name = "FORM")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Letters, digits, `-`, `_`.
    Base64url,
    /// Letters, digits, `+`, `/`.
    Base64,
    /// Hexadecimal digits.
    Hex,
    /// The bytes themselves, a line end at the end among them.
    Raw,
}

/// The longest secret: its line of base64url still fits into a key file.
const SECRET_BYTES_MAX: usize = 512;

/// More than any form of such a secret takes.
const INPUT_BYTES_MAX: usize = 2 * SECRET_BYTES_MAX + 64;

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let configuration = common.load()?;
    let entry = named(common, &configuration, &arguments.id)?;
    let input = input(arguments.from.as_deref())?;
    let secret = decode(&input, arguments.format).map_err(Failure::usage)?;
    let key = SigningKey::new(&entry.id, &secret).map_err(|bad| Failure::usage(bad.to_string()))?;
    is_new(&configuration, &key)?;
    keys::create(&entry.file, &secret).map_err(|error| Failure::failed(not_made(&entry.file, &error)))?;
    made(common, &configuration, entry, &format!("{} bytes", secret.len()))
}

fn input(from: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if let Some(path) = from {
        return File::open(path).and_then(read).map_err(|error| Failure::failed(format!("{}: {error}", path.display())));
    }
    if std::io::stdin().is_terminal() {
        warn("the secret, then Ctrl-D (it is shown as it is typed):");
    }
    read(std::io::stdin().lock()).map_err(|error| Failure::failed(format!("standard input: {error}")))
}

fn read(source: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // One allocation that is wiped; a buffer that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(INPUT_BYTES_MAX + 2));
    source.take(u64::try_from(INPUT_BYTES_MAX + 1).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The secret itself, or what is wrong with it; nothing of it stands in the words.
fn decode(input: &[u8], format: Format) -> Result<Zeroizing<Vec<u8>>, String> {
    let text = input.trim_ascii();
    let engine = |alphabet: &alphabet::Alphabet| {
        GeneralPurpose::new(alphabet, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent))
    };
    let secret = match format {
        Format::Raw => Some(input.to_vec()),
        Format::Base64url => engine(&alphabet::URL_SAFE).decode(text).ok(),
        Format::Base64 => engine(&alphabet::STANDARD).decode(text).ok(),
        Format::Hex => hexadecimal(text),
    };
    let secret = Zeroizing::new(secret.ok_or_else(|| {
        let what = match format {
            Format::Base64url => "base64url: letters, digits, `-` and `_`",
            Format::Base64 => "base64: letters, digits, `+` and `/`",
            Format::Hex => "hexadecimal: an even number of digits and letters from a to f",
            Format::Raw => "bytes",
        };
        format!("the secret must be one line of {what}")
    })?);
    match secret.len() {
        0 => Err("the secret is empty: was anything written to standard input?".to_owned()),
        few if few < SECRET_BYTES_MIN => {
            Err(format!("the secret has {few} bytes; it must have at least {SECRET_BYTES_MIN}, since a shorter one can be guessed"))
        }
        many if many > SECRET_BYTES_MAX => Err(format!("the secret must have at most {SECRET_BYTES_MAX} bytes; is this another file?")),
        _ => Ok(secret),
    }
}

fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect()
}

/// Each key needs a secret of its own, so that its id says who signed.
fn is_new(configuration: &Configuration, key: &SigningKey) -> Result<(), Failure> {
    for entry in configuration.keys.iter().filter(|entry| entry.id != key.id()) {
        // A file that cannot be read is told by `key list` and `check`.
        let other = keys::load(std::slice::from_ref(entry));
        if other.is_ok_and(|ring| ring.iter().any(|(other, _)| other.has_secret_of(key))) {
            return Err(Failure::usage(format!("this is the secret of the key `{}`; each key needs one of its own", entry.id)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 00 01 02 … 1f.
    const SECRET: [u8; 32] =
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31];

    #[test]
    fn each_form_gives_the_same_secret() {
        for (input, format) in [
            ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n", Format::Base64url),
            ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", Format::Base64url),
            ("  AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\r\n", Format::Base64),
            ("000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F\n", Format::Hex),
        ] {
            assert_eq!(decode(input.as_bytes(), format).as_deref().map(Vec::as_slice), Ok(&SECRET[..]), "{input}");
        }
        let mut raw = SECRET.to_vec();
        raw.push(b'\n');
        assert_eq!(decode(&raw, Format::Raw).as_deref(), Ok(&raw), "a line end is a byte like any other");
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_repeated() {
        for (input, format, words) in [
            ("", Format::Base64url, "is empty"),
            ("\n\n", Format::Hex, "is empty"),
            ("", Format::Raw, "is empty"),
            ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg", Format::Base64url, "has 31 bytes"),
            ("+/ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", Format::Base64url, "one line of base64url"),
            ("-_ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", Format::Base64, "one line of base64"),
            ("AAECAwQFBgcICQoLDA0O\nDxAREhMUFRYXGBkaGxwdHh8", Format::Base64url, "one line"),
            ("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1", Format::Hex, "even number"),
            ("g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", Format::Hex, "hexadecimal"),
            ("0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", Format::Hex, "hexadecimal"),
        ] {
            let said = decode(input.as_bytes(), format).expect_err(words);
            assert!(said.contains(words), "{input:?}: {said}");
            assert!(input.trim().len() < 8 || !said.contains(&input.trim()[..8]), "{said}");
        }
        assert!(decode(&[7; SECRET_BYTES_MAX + 1], Format::Raw).is_err());
        assert!(decode(&[7; SECRET_BYTES_MAX], Format::Raw).is_ok());
    }
}
