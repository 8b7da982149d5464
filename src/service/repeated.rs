//! Calls that may be repeated ([`crate::domain::repeated`]): a caller that did not hear the answer asks again and gets the
//! same one, and nothing is made twice, not over a crash either.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::site::Site;
use crate::clock;
use crate::domain::id::{ID_BYTES, MessageId};
use crate::domain::message::Message;
use crate::domain::repeated::{ANSWER_BYTES_MAX, Begun, CallName, Fingerprint, KeptAnswer, NamedCall, Seed};
use crate::proof::sealed;
use crate::random;
use crate::store::Down;

/// The calls with a name that are being answered at this moment.
#[derive(Debug, Default)]
pub struct RunningCalls(Mutex<HashSet<CallName>>);

/// What a call with a name is told.
pub enum Told {
    /// It is to be answered.
    Go(Turn),
    /// The same is being answered.
    Running,
    /// It was answered: with this status, and this body.
    Answered(u16, Vec<u8>),
    /// It was answered, and the key is gone under which that is sealed.
    Sealed(String),
    /// The name stands for another call.
    Other,
    /// Too many are remembered.
    Full,
    /// No key signs, so that no answer could be kept.
    NoKey,
}

/// A call that is being answered. As long as this lives, nobody else answers it.
pub struct Turn {
    running: Arc<RunningCalls>,
    name: CallName,
    print: Fingerprint,
    /// What the ids of what it makes follow from.
    pub seed: Seed,
    /// Whether it began before, and was cut off or failed before its answer was kept.
    pub is_again: bool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

/// What tells a call from others.
pub fn fingerprint(method: &str, path: &str, body: &[u8]) -> Fingerprint {
    let parts = [method.as_bytes(), path.as_bytes(), body];
    let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part.len().to_le_bytes()).chain_update(part));
    Fingerprint(hash.finalize().into())
}

/// What an answer is sealed beside.
fn about(name: &CallName, print: &Fingerprint) -> Vec<u8> {
    [name.caller.as_bytes(), b"\0", name.key.as_bytes(), b"\0", &print.0].concat()
}

/// Begins a call, or finds what was answered before.
pub async fn begin(site: &Site, name: CallName, print: Fingerprint) -> Result<Told, Down> {
    if site.keys.signing().is_none() {
        return Ok(Told::NoKey);
    }
    if !site.calls.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone()) {
        return Ok(Told::Running);
    }
    let mut turn = Turn { running: Arc::clone(&site.calls), name, print, seed: Seed(random::bytes()), is_again: false };
    let call = NamedCall { name: turn.name.clone(), print, seed: turn.seed, at: clock::now() };
    Ok(match site.callers.begin_call(call).await? {
        Begun::Open(seed) => {
            (turn.seed, turn.is_again) = (seed, seed != turn.seed);
            Told::Go(turn)
        }
        Begun::Answered(KeptAnswer { status, kid, sealed }) => {
            let key = site.keys.find(&kid).map(|(key, _)| key);
            match key.and_then(|key| sealed::open(key, &about(&turn.name, &print), &sealed)) {
                Some(body) => Told::Answered(status, body),
                None => Told::Sealed(kid),
            }
        }
        Begun::Other => Told::Other,
        Begun::Full => Told::Full,
    })
}

impl Turn {
    /// Keeps the answer, so that it is given again.
    pub async fn answered(self, site: &Site, status: u16, body: &[u8]) -> Result<(), Down> {
        let key = site.keys.signing().filter(|_| body.len() <= ANSWER_BYTES_MAX);
        let sealed =
            key.and_then(|key| Some((key.id().to_owned(), sealed::seal(key, &about(&self.name, &self.print), random::bytes(), body)?)));
        match sealed {
            Some((kid, sealed)) => site.callers.end_call(self.name.clone(), KeptAnswer { status, kid, sealed }).await,
            // What it made is found by its ids when it comes again.
            None => Ok(()),
        }
    }

    /// Nothing was made: the name may be used again, for another call.
    pub async fn refused(self, site: &Site) -> Result<(), Down> {
        site.callers.forget_call(self.name.clone()).await
    }
}

/// Where the ids of what is made come from.
#[derive(Clone, Copy, Debug, Default)]
pub enum Ids {
    /// Random bits.
    #[default]
    Random,
    /// The call that makes it: the same call makes the same ids.
    Of(Seed),
}

impl Ids {
    /// The bits of the id of `what`.
    pub fn bits(self, what: &str) -> [u8; ID_BYTES] {
        let Self::Of(Seed(seed)) = self else { return random::bytes() };
        let hash: [u8; 32] = Sha256::new().chain_update(seed).chain_update(what).finalize().into();
        hash.first_chunk().copied().unwrap_or_default()
    }

    /// A message as the call writes it that makes it: the same call writes it once.
    pub(super) fn named(self, message: Message) -> Message {
        let Self::Of(_) = self else { return message };
        Message { id: MessageId::new(self.bits("message")), ..message }
    }
}
