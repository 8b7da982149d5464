//! The refusals of the last while, so that a support code can be explained.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::domain::id::RequestId;
use crate::domain::moment::Moment;
use crate::domain::question::Kind;
use crate::domain::refusal::Refusal;
use crate::domain::support::SupportCode;

/// So many are kept; the oldest goes first. With its two texts and its request id each has some 700 bytes: 7 MB at most.
const REFUSALS_MAX: usize = 10_000;

/// Strangers choose what is asked for: more of it than this is neither logged nor kept. A title of usual length fits.
const TEXT_BYTES_MAX: usize = 200;

/// One refusal, without any secret.
#[derive(Clone, Debug)]
pub struct Refused {
    /// When.
    pub at: Moment,
    /// Why.
    pub refusal: Refusal,
    /// When it may be otherwise, where that is known.
    pub until: Option<Moment>,
    /// Which question was asked.
    pub kind: Kind,
    /// Who asked.
    pub client: IpAddr,
    /// Which request.
    pub request: RequestId,
    /// What was asked for, as the log writes it: a path, or the id of a link or delivery.
    pub subject: String,
    /// Where the decision ended, in words for the sysadmin.
    pub detail: String,
}

impl Refused {
    /// The same with texts that are short enough to be logged and kept; where something was left out, they end in `…`.
    pub(super) fn shortened(mut self) -> Self {
        for text in [&mut self.subject, &mut self.detail] {
            if text.len() > TEXT_BYTES_MAX {
                text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
                text.push('…');
                text.shrink_to_fit();
            }
        }
        self
    }
}

/// The last refusals.
#[derive(Debug, Default)]
pub struct Remembered(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    order: VecDeque<SupportCode>,
    by_code: HashMap<SupportCode, Refused>,
}

impl Remembered {
    /// Keeps a refusal. A second one of the same request takes the place of the first.
    pub fn keep(&self, refused: Refused) {
        let code = SupportCode::of(&refused.request);
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.by_code.insert(code.clone(), refused).is_none() {
            ring.order.push_back(code);
        }
        if ring.order.len() > REFUSALS_MAX
            && let Some(oldest) = ring.order.pop_front()
        {
            ring.by_code.remove(&oldest);
        }
    }

    /// The refusal with that support code.
    pub fn find(&self, code: &SupportCode) -> Option<Refused> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_code.get(code).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(n: usize) -> Refused {
        Refused {
            at: Moment::EPOCH,
            refusal: Refusal::Expired,
            until: None,
            kind: Kind::Download,
            client: IpAddr::from([127, 0, 0, 1]),
            request: RequestId::parse(&format!("r{n}")).expect("a request id"),
            subject: String::new(),
            detail: String::new(),
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_says_so() {
        for (text, kept) in [
            (String::new(), String::new()),
            ("/a.zip".to_owned(), "/a.zip".to_owned()),
            ("a".repeat(200), "a".repeat(200)),
            ("a".repeat(201), "a".repeat(200) + "…"),
            ("ü".repeat(4000), "ü".repeat(100) + "…"),
            (format!("a{}", "ü".repeat(100)), format!("a{}…", "ü".repeat(99))),
            ("🎵".repeat(51), "🎵".repeat(50) + "…"),
        ] {
            let short = Refused { subject: text.clone(), detail: text.clone(), ..refused(1) }.shortened();
            assert_eq!((short.subject.as_str(), short.detail.as_str()), (kept.as_str(), kept.as_str()), "{text}");
            assert!(short.subject.capacity() <= TEXT_BYTES_MAX + '…'.len_utf8() || text.len() <= TEXT_BYTES_MAX, "{text}");
        }
    }

    #[test]
    fn the_oldest_refusal_is_forgotten_first_and_a_repeated_one_is_kept_once() {
        let remembered = Remembered::default();
        let code = |n: usize| SupportCode::of(&refused(n).request);
        for n in 0..=REFUSALS_MAX {
            remembered.keep(refused(n));
        }
        remembered.keep(refused(5));
        assert!(remembered.find(&code(0)).is_none());
        assert!(remembered.find(&code(1)).is_some());
        assert!(remembered.find(&code(REFUSALS_MAX)).is_some());
    }
}
