//! Public directories: what is put there, and taken away again.
//!
//! Everything happens relative to an open handle of the directory. What is made is made whole in `.cloakroom` inside it,
//! which nobody but us can enter, and moved into place in one step that never overwrites; what goes is moved back there in
//! one step, and looked at where nobody can exchange it, before it is unlinked. So a name is never half there, and nothing
//! that is not ours is removed, whoever works in the directory at the same moment.
//!
//! A [`Watch`] hears of what happens in them, and to the masters: hints that bring a look forward.
//!
//! Where the web server asks for a password, it reads the directory's [`HtpasswdFile`], which lies elsewhere.

mod copy;
mod copying;
mod directory;
mod former;
mod htpasswd_file;
mod listing;
mod seen;
mod stub;
mod watch;
mod zen_cart;
mod zen_cart_watch;

pub use copy::Copied;
pub use copying::{Done, NotCopied, Progress};
pub use directory::{ASIDE, Directories, DirectoryFault, NotPlaced, PublicDirectory};
pub use former::{Former, is_removed};
pub use htpasswd_file::{HtpasswdFile, NotWritten, Written};
pub use listing::{Listing, Names, Others, shown};
pub use seen::Seen;
pub use stub::{Taken, Tidied};
pub use watch::{Ear, Hint, Watch};
pub use zen_cart::{LinkDirectory, ZEN_CART_ASIDE, ZenCartPub};
pub use zen_cart_watch::{Heard, ZenCartWatch};
