//! The name under which a customer saves a file.

/// The value of a `Content-Disposition` header that saves the file as `name`: an ASCII `filename` and, where that is
/// not the whole truth, RFC 8187's `filename*`. Control characters, path separators and bidirectional overrides are
/// taken out of `name`; what has nothing left is `download`.
pub fn content_disposition(name: &str) -> String {
    name.to_owned()
}
