//! Share links: what people copy from Dropbox and its like opens a page; the direct form of it gives the file.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Whose share link a URL is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Share {
    /// `www.dropbox.com`.
    Dropbox,
    /// `drive.google.com`.
    GoogleDrive,
    /// `1drv.ms`, `onedrive.live.com`.
    OneDrive,
    /// `*.sharepoint.com`: `OneDrive` for companies.
    SharePoint,
    /// Nextcloud and ownCloud, on any host: `…/s/TOKEN`.
    Nextcloud,
}

impl Share {
    /// Its name, as people know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dropbox => "Dropbox",
            Self::GoogleDrive => "Google Drive",
            Self::OneDrive => "OneDrive",
            Self::SharePoint => "SharePoint",
            Self::Nextcloud => "Nextcloud",
        }
    }
}

/// Letters and digits of a token as Nextcloud makes it.
const NEXTCLOUD_TOKEN: usize = 15;

/// The URL that gives the file itself, and whose share link it was; any other URL as it is. The direct form is recognised
/// as well, and stays what it is.
pub(super) fn direct(authority: &str, path: &str, query: Option<&str>) -> (String, Option<Share>) {
    let found = match authority {
        "dropbox.com" | "www.dropbox.com" | "dl.dropbox.com" => dropbox(path, query),
        "drive.google.com" | "docs.google.com" | "drive.usercontent.google.com" => google(authority, path, query),
        "1drv.ms" | "onedrive.live.com" | "api.onedrive.com" => one_drive(authority, path, query),
        company if company.ends_with(".sharepoint.com") => share_point(company, path, query),
        other => nextcloud(other, path, query),
    };
    match found {
        Some((url, share)) => (url, Some(share)),
        None => (url_of(authority, path, query), None),
    }
}

fn url_of(authority: &str, path: &str, query: Option<&str>) -> String {
    let mut url = format!("https://{authority}{path}");
    if let Some(query) = query {
        // To write into a string does not fail.
        let _ = write!(url, "?{query}");
    }
    url
}

/// The parts of a query, as they stand.
fn parts(query: Option<&str>) -> impl Iterator<Item = &str> {
    query.unwrap_or_default().split('&').filter(|part| !part.is_empty())
}

fn name_of(part: &str) -> &str {
    part.split_once('=').map_or(part, |(name, _)| name)
}

fn value_of<'a>(query: Option<&'a str>, wanted: &str) -> Option<&'a str> {
    parts(query).find(|part| name_of(part) == wanted)?.split_once('=').map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// The query without `dropped`, and with `added` at its end.
fn changed(query: Option<&str>, dropped: &[&str], added: &str) -> String {
    let kept = parts(query).filter(|part| !dropped.contains(&name_of(part)));
    kept.chain([added]).collect::<Vec<_>>().join("&")
}

/// <https://help.dropbox.com/share/force-download>: `dl=1` gives the file, `dl=0` and `raw=1` show it.
fn dropbox(path: &str, query: Option<&str>) -> Option<(String, Share)> {
    let is_shared = ["/s/", "/scl/fi/", "/sh/", "/scl/fo/"].iter().any(|start| path.len() > start.len() && path.starts_with(start));
    let query = changed(query, &["dl", "raw", "st"], "dl=1");
    is_shared.then(|| (url_of("www.dropbox.com", path, Some(&query)), Share::Dropbox))
}

fn google(authority: &str, path: &str, query: Option<&str>) -> Option<(String, Share)> {
    let good = |id: &&str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let id = match path.strip_prefix("/file/d/") {
        Some(rest) => rest.split('/').next(),
        None if ["/open", "/uc", "/download"].contains(&path) => value_of(query, "id"),
        None => None,
    };
    // Documents that are made there are no files: what they are exported as is for their owner to choose.
    let id = id.filter(good).filter(|_| authority != "docs.google.com" || path == "/uc" || path.starts_with("/file/"))?;
    let key = value_of(query, "resourcekey").filter(good).map(|key| format!("&resourcekey={key}")).unwrap_or_default();
    let query = format!("id={id}&export=download&confirm=t{key}");
    Some((url_of("drive.usercontent.google.com", "/download", Some(&query)), Share::GoogleDrive))
}

/// <https://learn.microsoft.com/onedrive/developer/rest-api/api/shares_get#encoding-sharing-urls>
fn one_drive(authority: &str, path: &str, query: Option<&str>) -> Option<(String, Share)> {
    if authority == "api.onedrive.com" {
        let is_direct = path.starts_with("/v1.0/shares/u!") && path.ends_with("/root/content") && query.is_none();
        return is_direct.then(|| (url_of(authority, path, None), Share::OneDrive));
    }
    if path.len() < 2 && query.is_none() {
        return None;
    }
    let shared = URL_SAFE_NO_PAD.encode(url_of(authority, path, query));
    Some((format!("https://api.onedrive.com/v1.0/shares/u!{shared}/root/content"), Share::OneDrive))
}

fn share_point(authority: &str, path: &str, query: Option<&str>) -> Option<(String, Share)> {
    // `/:u:/g/personal/…`: the letter says what is shared; a folder (`f`) is no file.
    let kind = path.strip_prefix("/:")?.split(':').next()?;
    let is_file = kind.len() == 1 && kind != "f";
    let query = changed(query, &["download", "web"], "download=1");
    is_file.then(|| (url_of(authority, path, Some(&query)), Share::SharePoint))
}

fn nextcloud(authority: &str, path: &str, query: Option<&str>) -> Option<(String, Share)> {
    let share = path.strip_suffix("/download").unwrap_or(path);
    let (before, token) = share.rsplit_once("/s/")?;
    let is_token = token.len() == NEXTCLOUD_TOKEN && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    // Below another path it may be anything.
    let is_home = before.is_empty() || before.ends_with("/index.php") || before.matches('/').count() == 1;
    (is_token && is_home).then(|| (url_of(authority, &format!("{share}/download"), query), Share::Nextcloud))
}

#[cfg(test)]
mod tests {
    use crate::domain::locator::{Locator, Place, Remote};

    use super::*;

    fn read(text: &str) -> (String, Option<Share>) {
        match text.parse() {
            Ok(Locator::Remote(Remote { place: Place::Https(url, share), .. })) => (url, share),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn share_links_become_what_gives_the_file_itself_and_stay_so() {
        let mut seen = 0;
        for (shared, url, share) in [
            ("https://www.dropbox.com/s/abc123/a.zip?dl=0", "https://www.dropbox.com/s/abc123/a.zip?dl=1", Share::Dropbox),
            ("https://dropbox.com/s/abc123/a.zip", "https://www.dropbox.com/s/abc123/a.zip?dl=1", Share::Dropbox),
            (
                "https://www.dropbox.com/scl/fi/x1/a.zip?rlkey=k9&st=zz&dl=0",
                "https://www.dropbox.com/scl/fi/x1/a.zip?rlkey=k9&dl=1",
                Share::Dropbox,
            ),
            (
                "https://drive.google.com/file/d/1AbC_-9/view?usp=sharing",
                "https://drive.usercontent.google.com/download?id=1AbC_-9&export=download&confirm=t",
                Share::GoogleDrive,
            ),
            (
                "https://drive.google.com/open?usp=x&id=1AbC&resourcekey=0-k",
                "https://drive.usercontent.google.com/download?id=1AbC&export=download&confirm=t&resourcekey=0-k",
                Share::GoogleDrive,
            ),
            (
                "https://drive.google.com/uc?export=download&id=1AbC",
                "https://drive.usercontent.google.com/download?id=1AbC&export=download&confirm=t",
                Share::GoogleDrive,
            ),
            (
                "https://1drv.ms/u/s!AtokenX?e=abc",
                "https://api.onedrive.com/v1.0/shares/u!aHR0cHM6Ly8xZHJ2Lm1zL3UvcyFBdG9rZW5YP2U9YWJj/root/content",
                Share::OneDrive,
            ),
            (
                "https://acme-my.sharepoint.com/:u:/g/personal/anna/EabC?e=xyz",
                "https://acme-my.sharepoint.com/:u:/g/personal/anna/EabC?e=xyz&download=1",
                Share::SharePoint,
            ),
            ("https://cloud.example/s/aB3dE6gH9jK2mN5", "https://cloud.example/s/aB3dE6gH9jK2mN5/download", Share::Nextcloud),
            (
                "https://h.example/nextcloud/index.php/s/aB3dE6gH9jK2mN5/download?path=%2F",
                "https://h.example/nextcloud/index.php/s/aB3dE6gH9jK2mN5/download?path=%2F",
                Share::Nextcloud,
            ),
            ("https://h.example:8443/nc/s/aB3dE6gH9jK2mN5", "https://h.example:8443/nc/s/aB3dE6gH9jK2mN5/download", Share::Nextcloud),
        ] {
            assert_eq!(read(shared), (url.to_owned(), Some(share)), "{shared}");
            assert_eq!(read(url), (url.to_owned(), Some(share)), "again: {url}");
            assert!(!share.name().is_empty());
            seen += 1;
        }
        assert_eq!(seen, 11);
    }

    #[test]
    fn what_only_looks_like_a_share_link_is_left_alone() {
        for url in [
            "https://www.dropbox.com/home/a.zip",
            "https://www.dropbox.com/s/",
            "https://dropbox.com.evil.example/s/abc/a.zip?dl=0",
            "https://drive.google.com/drive/folders/1AbC",
            "https://drive.google.com/open?usp=x",
            "https://drive.google.com/file/d/",
            "https://drive.google.com/file/d/a%2Fb/view",
            "https://docs.google.com/document/d/1AbC/edit",
            "https://acme.sharepoint.com/:f:/g/personal/anna/EabC",
            "https://acme.sharepoint.com/sites/a.zip",
            "https://h.example/s/short",
            "https://h.example/s/aB3dE6gH9jK2mN5X",
            "https://h.example/a/b/s/aB3dE6gH9jK2mN5",
            "https://api.onedrive.com/v1.0/drive/root",
        ] {
            assert_eq!(read(url), (url.to_owned(), None), "{url}");
        }
    }
}
