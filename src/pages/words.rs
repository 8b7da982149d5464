//! Why a refusal happened, in words for the customer. What happened and what to do stand in the table of
//! [`crate::domain::refusal`]; this is the sentence between them.

use crate::domain::refusal::Refusal;

/// Why it happened. Says nothing that the code and its status do not say already: a stranger learns no more from it.
pub(super) const fn why(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::BadRequest => "A part of it is missing, doubled, or written in a way that could mean two things.",
        Refusal::NoProof => "It opens only with a link that was made for it, and this address is not such a link.",
        Refusal::BadPassword => "Both must match exactly, capital letters too.",
        Refusal::LoginRequired => "This download opens only for people that the shop knows.",
        Refusal::NotPaid => "The download opens as soon as it has. Some ways of paying take a few days.",
        Refusal::BadProof => "It may have been cut short or changed on its way, for example by a line break in a mail.",
        Refusal::NotYetValid => "It was made for a later time.",
        Refusal::WrongPath => "Each link opens the file that it was made for, and no other.",
        Refusal::WrongNetwork => "It works only from certain networks, such as that of an office or a home.",
        Refusal::KeyRetired => "It was made with a key that the shop no longer uses.",
        Refusal::OnHold => "The shop has stopped it for now, for example to check the payment.",
        Refusal::Refunded => "The payment went back, and the downloads ended with it.",
        Refusal::Cancelled => "Its downloads ended when it was cancelled.",
        Refusal::Suspended => "The shop has stopped it for now.",
        Refusal::Revoked => "The shop has ended it.",
        Refusal::LimitReached => "The file may be downloaded a certain number of times, and that number is reached.",
        Refusal::NoRule => "No file and no page belongs to this address.",
        Refusal::UnknownLink => "It may have been cut short on its way, or it was removed.",
        Refusal::FileMissing => "Your link is in order, but the file that it opens cannot be found right now.",
        Refusal::DownloadRunning => "It is the last one that this link allows, and it has not ended yet.",
        Refusal::Expired => "The file could be downloaded until a certain time, and that time has passed.",
        Refusal::LinkExpired => "Links work for a limited time, so that a lost one does no harm for long.",
        Refusal::LinkReissued => "When a new link is made, the old one stops working.",
        Refusal::LockedOut => "The user name or the password was wrong several times, so it is refused for a while.",
        Refusal::TooManyConnections => "Some download programs fetch one file over many connections at once.",
        Refusal::ByteBudget => "It may be resumed and repeated, but not without end, and that limit is reached.",
        Refusal::TooManyNetworks => "It works from a few networks only. A phone that changes between Wi-Fi and mobile data uses two.",
        Refusal::Preparing => "It is being brought to where it can be sent from.",
        Refusal::CannotPrepare => "Your link is in order, but something has to be mended first at the place where the file is sent from.",
        Refusal::Overloaded => "Your link is not the cause of this.",
        Refusal::StoreDown => "It cannot be looked up right now who may download what, and without that nothing is sent.",
        Refusal::RemoteDown => "The place where it is kept does not answer.",
    }
}
