//! Which paths are downloads.

use std::fmt;

/// Media types of downloads by the ends of names: archives, programs, images of disks, books and papers, sound, film.
/// Not what pages are made of (pictures, fonts, scripts).
const EXTENSIONS: &str = "7z aac aax aiff apk appimage avi azw3 bin bz2 cbr cbz deb dmg doc docx epub exe flac gz img ipa \
    iso jar m4a m4b m4v mkv mobi mov mp3 mp4 mpg msi odt ogg opus ova pdf pkg ppt pptx psd qcow2 rar rpm stl tar tgz txz \
    vhd vmdk wav webm wmv xls xlsx xz zip zst";

/// No longer end of a name is a media type.
const EXTENSION_BYTES_MAX: usize = 8;

/// Which paths are downloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Sorted, as [`packed`]; empty means any.
    extensions: Vec<u64>,
    /// Prefixes of paths; empty means everywhere.
    under: Vec<Vec<u8>>,
}

/// Why something is no end of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadExtension(String);

impl fmt::Display for BadExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` must be the end of a name such as zip, pdf or tar.gz", self.0)
    }
}

impl std::error::Error for BadExtension {}

impl Selection {
    /// The files with these ends of names, such as `zip` or `.tar.gz` (of which the last part counts), under these
    /// paths. Without ends: the usual ones, or all if there are paths. Without paths: everywhere.
    pub fn of(extensions: &[String], under: &[String]) -> Result<Self, BadExtension> {
        let usual: Vec<String> = EXTENSIONS.split_whitespace().map(str::to_owned).collect();
        let wanted = if extensions.is_empty() && under.is_empty() { &usual } else { extensions };
        let pack = |extension: &String| {
            let end = extension.rsplit('.').next().unwrap_or_default();
            packed(end.as_bytes()).ok_or_else(|| BadExtension(extension.clone()))
        };
        let mut extensions = wanted.iter().map(pack).collect::<Result<Vec<u64>, _>>()?;
        extensions.sort_unstable();
        extensions.dedup();
        let under = under.iter().map(|path| format!("/{}", path.trim_start_matches('/')).into_bytes()).collect();
        Ok(Self { extensions, under })
    }

    /// Whether `path`, without its query, is a download.
    pub fn wants(&self, path: &[u8]) -> bool {
        if !self.under.is_empty() && !self.under.iter().any(|under| path.starts_with(under)) {
            return false;
        }
        if self.extensions.is_empty() {
            // A directory's page is no file.
            return path.last().is_some_and(|&last| last != b'/');
        }
        extension(path).is_some_and(|extension| self.extensions.binary_search(&extension).is_ok())
    }

    /// The ends of names, for people.
    pub fn usual() -> String {
        EXTENSIONS.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The end of the path's name, packed.
fn extension(path: &[u8]) -> Option<u64> {
    let mut value = 0;
    let mut shift = 0;
    for &byte in path.iter().rev().take(EXTENSION_BYTES_MAX + 1) {
        match byte {
            b'.' if shift > 0 => return Some(value),
            byte if byte.is_ascii_alphanumeric() && shift < 64 => value |= u64::from(byte.to_ascii_lowercase()) << shift,
            _ => return None,
        }
        shift += 8;
    }
    None
}

/// An end of a name as one number: its letters in lower case, the last one lowest.
fn packed(end: &[u8]) -> Option<u64> {
    let good = (1..=EXTENSION_BYTES_MAX).contains(&end.len()) && end.iter().all(u8::is_ascii_alphanumeric);
    good.then(|| end.iter().fold(0, |value, byte| value << 8 | u64::from(byte.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(extensions: &[&str], under: &[&str]) -> Selection {
        let own = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        Selection::of(&own(extensions), &own(under)).unwrap()
    }

    #[test]
    fn a_download_is_told_by_its_name_and_place() {
        let (usual, zip, under, both) = (of(&[], &[]), of(&[".zip", "tar.gz"], &[]), of(&[], &["/files/"]), of(&["pdf"], &["files/"]));
        for (path, expected) in [
            ("/a.zip", [true, true, false, false]),
            ("/files/A.ZIP", [true, true, true, false]),
            ("/files/a.PdF", [true, false, true, true]),
            ("/files/a.html", [false, false, true, false]),
            ("/files/a", [false, false, true, false]),
            ("/files/", [false, false, false, false]),
            ("/a.tar.gz", [true, true, false, false]),
            ("/a.appimage", [true, false, false, false]),
            ("/a.appimages", [false; 4]),
            ("/a.zip/", [false; 4]),
            ("/a.zip/b", [false; 4]),
            ("/zip", [false; 4]),
            ("zip", [false; 4]),
            ("/.zip", [true, true, false, false]),
            ("/a.", [false; 4]),
            ("", [false; 4]),
            ("/a.png", [false; 4]),
        ] {
            let path = path.as_bytes();
            assert_eq!([usual.wants(path), zip.wants(path), under.wants(path), both.wants(path)], expected, "{path:?}");
        }
    }

    #[test]
    fn what_is_no_end_of_a_name_is_refused() {
        for bad in ["", ".", "a b", "zip/", "waytoolong", "*"] {
            assert!(Selection::of(&[bad.to_owned()], &[]).is_err(), "{bad:?}");
        }
    }
}
