//! The one place that asks the system for randomness.

/// `N` random bytes from the operating system.
///
/// # Panics
/// When the system has no randomness to give: nothing that Cloakroom makes would be safe then.
#[expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "this is the file that may; without randomness there is nothing to go on with"
)]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
