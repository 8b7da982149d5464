//! What an audit found. Plain data; whoever prints it says what each number can prove.

use super::judge::Measure;
use crate::domain::moment::Moment;

/// All that an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The first and the last line for a download.
    pub span: Option<(Moment, Moment)>,
    /// Lines for downloads by their answers.
    pub hits: Hits,
    /// The sessions and what became of them.
    pub sessions: Sessions,
    /// Bytes of the answers 200 and 206.
    pub bytes_sent: u64,
    /// Bytes of the downloads that are complete, each once.
    pub bytes_complete: u64,
    /// Files that were asked for and answered with 200 or 206.
    pub files: u64,
    /// Files of which several sizes were seen: replaced, or encoded on the way.
    pub files_of_several_sizes: u64,
    /// Clients: an address with an agent each.
    pub clients: u64,
    /// The files with the most complete downloads.
    pub top_files: Vec<FoundFile>,
    /// The clients with the most bytes.
    pub top_clients: Vec<FoundClient>,
    /// Addresses that were fetched whole from more networks than expected: links with a query, paths without one, paths
    /// with many queries; each with the most networks first.
    pub shared: Vec<Shared>,
    /// How many there are of them, shown or not.
    pub shared_all: u64,
    /// Clients that call themselves robots.
    pub robots: Strangers,
    /// Clients with very many refusals of names of downloads.
    pub scanners: Strangers,
    /// What the log's column of bytes counts.
    pub measure: Measure,
    /// Sessions of which the log itself told the ranges.
    pub told: u64,
    /// What was too much to be kept.
    pub beyond: Beyond,
}

/// Lines for downloads by their answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// All of them.
    pub all: u64,
    /// 200 to GET.
    pub whole: u64,
    /// 206 to GET.
    pub part: u64,
    /// HEAD.
    pub head: u64,
    /// 304.
    pub not_modified: u64,
    /// 416.
    pub not_satisfiable: u64,
    /// Other 3xx.
    pub redirected: u64,
    /// Other 4xx.
    pub refused: u64,
    /// 5xx.
    pub failed: u64,
    /// Other methods, and answers that never began.
    pub other: u64,
}

/// The sessions and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// All of them.
    pub all: u64,
    /// Complete, by one answer.
    pub whole: u64,
    /// Complete, by several answers together.
    pub joined: u64,
    /// Of the complete ones, those of a file whose size only one client saw.
    pub unsure: u64,
    /// How often a client of a complete one got the whole file once more.
    pub again: u64,
    /// Begun and not all sent.
    pub broken_off: u64,
    /// Only ranges, and not all.
    pub parts: u64,
    /// Of files whose size was never seen.
    pub unknown: u64,
}

impl Sessions {
    /// The true downloads.
    pub const fn complete(&self) -> u64 {
        self.whole + self.joined
    }
}

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundFile {
    /// Host, where the log names it, and path; as the client wrote them.
    pub name: String,
    /// Answers 200 and 206.
    pub hits: u64,
    /// Its sessions.
    pub sessions: Sessions,
    /// Bytes of its answers.
    pub bytes: u64,
    /// Its size, as inferred or told.
    pub size: Option<u64>,
    /// How sure the size is.
    pub surety: Surety,
}

/// How sure a file's size is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Surety {
    /// It was never seen.
    #[default]
    None,
    /// One client saw it: it may be a transfer that broke off.
    Once,
    /// Several clients got as many bytes.
    Agreed,
    /// There are several sizes on which clients agree.
    Several,
    /// The log tells it.
    Told,
}

/// One client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundClient {
    /// Its address.
    pub address: String,
    /// What it calls itself.
    pub agent: String,
    /// Lines for downloads.
    pub hits: u64,
    /// Sessions.
    pub sessions: u64,
    /// Complete ones.
    pub complete: u64,
    /// Bytes of its answers.
    pub bytes: u64,
    /// Whether it calls itself a robot.
    pub robot: bool,
}

/// One address that many networks fetched whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Host and path.
    pub name: String,
    /// What of the query.
    pub query: SharedQuery,
    /// Networks (/24, /56) that fetched it whole.
    pub networks: u64,
}

/// Which queries a shared address has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedQuery {
    /// None: whoever knows the path has it.
    None,
    /// This one: its text where it was kept, and a number to tell it from others.
    One {
        /// The query, as the client wrote it.
        text: Option<String>,
        /// A digest of it.
        digest: u64,
    },
    /// So many different ones.
    Several(u64),
}

/// Clients of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strangers {
    /// How many.
    pub clients: u64,
    /// Their lines for downloads.
    pub hits: u64,
    /// Their complete downloads.
    pub complete: u64,
}

/// What was too much to be kept. All zero for logs of usual size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beyond {
    /// Answers with bytes that no session took in: too many files or clients.
    pub not_followed: u64,
    /// Sessions that ended early to make room.
    pub closed_early: u64,
    /// Sessions that were judged by the sizes known in the middle of the log.
    pub judged_early: u64,
    /// Networks of shared addresses that were not remembered.
    pub networks: u64,
}
