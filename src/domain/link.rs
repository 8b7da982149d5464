//! Links: stored, revocable URLs of a grant.
//!
//! | state | refusal | begins | ends |
//! |---|---|---|---|
//! | revoked | `revoked` | a person withdraws it | never |
//! | expired | `link_expired` | its time is over | never: a new one is made |
//! | good | – | it is made | one of these |

use super::id::{GrantId, LinkId};
use super::moment::Moment;
use super::refusal::Refusal;

/// A URL of a grant, with a lifetime of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its id, which its token carries.
    pub id: LinkId,
    /// The grant that it opens.
    pub grant: GrantId,
    /// When it was made.
    pub created: Moment,
    /// From this moment on no click is answered.
    pub expires: Moment,
    /// Whether a person withdrew it.
    pub revoked: bool,
}

impl Link {
    /// Refuses a click on a link that was withdrawn or whose time is over.
    pub fn check(&self, now: Moment) -> Result<(), Refusal> {
        if self.revoked {
            return Err(Refusal::Revoked);
        }
        if now >= self.expires { Err(Refusal::LinkExpired) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_until_its_time_is_over_or_a_person_withdraws_it() {
        for (revoked, now, answer) in [
            (false, 0, Ok(())),
            (false, 9, Ok(())),
            (false, 10, Err(Refusal::LinkExpired)),
            (true, 0, Err(Refusal::Revoked)),
            (true, 10, Err(Refusal::Revoked)),
        ] {
            let (id, grant) = (LinkId::new([1; 12]), GrantId::new([2; 12]));
            let link = Link { id, grant, created: Moment::EPOCH, expires: Moment::from_seconds(10), revoked };
            assert_eq!(link.check(Moment::from_seconds(now)), answer, "{revoked} {now}");
        }
    }
}
