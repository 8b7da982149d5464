//! What the API shows. Times are RFC 3339 UTC, sizes are bytes; no token stands in any view but in the answers that
//! make a link.

mod api_key;
mod credential;
mod delivery;
mod grant;
mod message;
mod order;

pub use api_key::{ApiKeyView, NewApiKeyView, RevokedApiKey};
pub use credential::{CredentialPage, CredentialView, RotatedView};
pub use delivery::{CourseView, DeliveryView, InterruptionView, ListedDelivery, RangeView, ReportView, RequestView};
pub use grant::{Amended, CopyView, EntryView, GrantPage, GrantView, Issued, LinkView, OfferedView, RevokedLink, SoldView};
pub use message::{LaneView, MessageView, Retried};
pub use order::{LineView, ListedOrder, OrderPageView, OrderView, SoldGrant};
