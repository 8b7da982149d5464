//! Answers on their way from the thread that decides to those who asked.
//!
//! To wake a task of another thread costs a system call each time, and a batch has hundreds of answers for few threads.
//! So one of those who asked is woken, and wakes the others from where that costs nothing; if it has gone away
//! meanwhile, its going wakes them.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::store::Down;

/// Those of one batch who wait.
#[derive(Default)]
pub(super) struct Round {
    wakers: Mutex<Vec<Waker>>,
}

impl Round {
    /// Wakes one of those whose answers are there. Called once, when all of the batch are.
    pub(super) fn begin(&self) {
        // Whoever stands here has not taken the round yet, and will end it, now or by going away.
        let first = lock(&self.wakers).pop();
        if let Some(first) = first {
            first.wake();
        }
    }

    fn wake_all(&self) {
        let wakers = std::mem::take(&mut *lock(&self.wakers));
        for waker in wakers {
            waker.wake();
        }
    }
}

struct Slot<T> {
    answer: Option<Result<T, Down>>,
    waker: Option<Waker>,
    /// Who else is to be woken.
    round: Option<Arc<Round>>,
    is_gone: bool,
}

/// Where the answer is put. Dropped without one, it says that nothing was decided.
pub(super) struct Sender<T>(Option<Arc<Mutex<Slot<T>>>>);

/// Who waits for the answer.
pub(super) struct Answer<T>(Arc<Mutex<Slot<T>>>);

/// Both ends.
pub(super) fn answer<T>() -> (Sender<T>, Answer<T>) {
    let slot = Arc::new(Mutex::new(Slot { answer: None, waker: None, round: None, is_gone: false }));
    (Sender(Some(Arc::clone(&slot))), Answer(slot))
}

impl<T> Sender<T> {
    /// Puts the answer there; [`Round::begin`] tells. Whoever asked may have gone away.
    pub(super) fn send(mut self, answer: Result<T, Down>, round: &Arc<Round>) {
        let Some(slot) = self.0.take() else { return };
        let mut slot = lock(&slot);
        if slot.is_gone {
            return;
        }
        slot.answer = Some(answer);
        // Who was never asked to wait finds the answer without being woken.
        if let Some(waker) = slot.waker.take() {
            lock(&round.wakers).push(waker);
            slot.round = Some(Arc::clone(round));
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            let mut slot = lock(&slot);
            slot.answer = Some(Err(Down::Unreachable));
            if let Some(waker) = slot.waker.take() {
                drop(slot);
                waker.wake();
            }
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, Down>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = lock(&self.0);
        let Some(answer) = slot.answer.take() else {
            slot.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        let round = slot.round.take();
        drop(slot);
        if let Some(round) = round {
            round.wake_all();
        }
        Poll::Ready(answer)
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let mut slot = lock(&self.0);
        slot.is_gone = true;
        let round = slot.round.take();
        drop(slot);
        if let Some(round) = round {
            round.wake_all();
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// One who waits, and how often it was woken.
    fn waiting() -> (Sender<u32>, Answer<u32>, Arc<Woken>) {
        let (sender, mut answer) = answer();
        let woken = Arc::new(Woken::default());
        assert!(poll(&mut answer, &woken).is_pending());
        (sender, answer, woken)
    }

    fn poll(answer: &mut Answer<u32>, woken: &Arc<Woken>) -> Poll<Result<u32, Down>> {
        Pin::new(answer).poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken))))
    }

    fn count(woken: &[&Arc<Woken>]) -> Vec<usize> {
        woken.iter().map(|woken| woken.0.load(Ordering::SeqCst)).collect()
    }

    #[test]
    fn one_is_woken_and_wakes_the_others() {
        let ((a, mut of_a, woken_a), (b, mut of_b, woken_b), (c, mut of_c, woken_c)) = (waiting(), waiting(), waiting());
        let round = Arc::new(Round::default());
        for (sender, number) in [(a, 1), (b, 2), (c, 3)] {
            sender.send(Ok(number), &round);
        }
        assert_eq!(count(&[&woken_a, &woken_b, &woken_c]), [0, 0, 0]);
        round.begin();
        assert_eq!(count(&[&woken_a, &woken_b, &woken_c]), [0, 0, 1]);
        assert_eq!(poll(&mut of_c, &woken_c), Poll::Ready(Ok(3)));
        assert_eq!(count(&[&woken_a, &woken_b, &woken_c]), [1, 1, 1]);
        assert_eq!((poll(&mut of_a, &woken_a), poll(&mut of_b, &woken_b)), (Poll::Ready(Ok(1)), Poll::Ready(Ok(2))));
    }

    #[test]
    fn nobody_is_forgotten_when_some_go_away_at_any_moment() {
        // Who goes away after how many answers: 0 before all, 3 after all, 4 after one was woken.
        let mut seen = 0;
        for moment in 0..=4 {
            for goes in 0..3 {
                let (mut senders, mut answers) = (Vec::new(), Vec::new());
                for _ in 0..3 {
                    let (sender, answer, woken) = waiting();
                    senders.push(sender);
                    answers.push((Some(answer), woken));
                }
                let round = Arc::new(Round::default());
                for (number, sender) in (0_u32..).zip(senders) {
                    if moment == number {
                        answers[goes].0 = None;
                    }
                    sender.send(Ok(number), &round);
                }
                if moment == 3 {
                    answers[goes].0 = None;
                }
                round.begin();
                if moment == 4 {
                    answers[goes].0 = None;
                }
                // Whoever was woken is polled, as often as it takes.
                for _ in 0..3 {
                    for (answer, woken) in answers.iter_mut().filter(|(_, woken)| woken.0.load(Ordering::SeqCst) > 0) {
                        if let Some(mut ready) = answer.take() {
                            assert!(poll(&mut ready, woken).is_ready());
                            seen += 1;
                        }
                    }
                }
                assert!(answers.iter().all(|(answer, _)| answer.is_none()), "moment {moment}, {goes} goes");
            }
        }
        assert_eq!(seen, 30);
    }

    #[test]
    fn who_waits_for_nobody_is_told_so() {
        let (sender, mut answer, woken) = waiting();
        drop(sender);
        assert_eq!((count(&[&woken]), poll(&mut answer, &woken)), (vec![1], Poll::Ready(Err(Down::Unreachable))));
    }
}
