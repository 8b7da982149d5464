//! Customers who never stop asking, and who count every answer that is not the one they came for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use crate::servers::http::try_get;

/// Who asks at the same time. With nginx and the daemon on the same machine more only wait for each other.
const CUSTOMERS: usize = 4;

/// A running load; [`Load::end`] tells what came of it.
pub struct Load {
    ends: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    customers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Asks nginx at `port` for `target` over and over, and expects `body` each time.
    pub fn begin(port: u16, target: &str, body: &[u8]) -> Self {
        let (ends, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let customers = (0..CUSTOMERS).map(|_| {
            let (ends, asked, target, body) = (Arc::clone(&ends), Arc::clone(&asked), target.to_owned(), body.to_vec());
            thread::spawn(move || {
                let mut failed = vec![];
                while !ends.load(Ordering::Relaxed) {
                    match try_get(port, &target) {
                        Some(answer) if answer.status == 200 && answer.body == body => {}
                        Some(answer) => failed.push(format!("{}: {}", answer.status, answer.text())),
                        None => failed.push("no answer".to_owned()),
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                failed
            })
        });
        let customers = customers.collect();
        Self { ends, asked, customers }
    }

    /// How many answers came so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Stops, and gives how many answers came, and what was wrong with those that were.
    pub fn end(self) -> (usize, Vec<String>) {
        self.ends.store(true, Ordering::Relaxed);
        let failed = self.customers.into_iter().flat_map(|customer| customer.join().unwrap()).collect();
        (self.asked.load(Ordering::Relaxed), failed)
    }
}
