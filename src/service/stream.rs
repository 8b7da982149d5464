//! Our own bytes: a file read and sent by Cloakroom itself, and reported as the feed of a web server would report it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::outcome::{Counted, Sending};
use super::site::Site;
use crate::clock;
use crate::dialect::standalone::{self, StreamHead};
use crate::domain::account::Reported;
use crate::domain::delivery::Report;
use crate::domain::id::RequestId;
use crate::domain::question::{Method, Question};
use crate::domain::refusal::Refusal;
use crate::domain::units::Rate;

/// Bytes read at once. Two such chunks wait at most, so a download costs 192 KiB.
const CHUNK_BYTES: usize = 64 * 1024;

/// Why a body ended early.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Chunks that wait for a slow client.
const CHUNKS_WAITING: usize = 2;

/// Opens the file and makes head and body of the answer. Delivering consumes the sending; where it fails, the request is
/// reported as one that sent nothing.
pub fn open(site: &Arc<Site>, sending: Sending, question: &Question, headers: &HeaderMap) -> Result<(StreamHead, FileBody), Refusal> {
    let Sending { file, version, name, rate, counted, .. } = sending;
    let account =
        counted.map(|counted| Account { site: Arc::clone(site), counted, request: question.request.clone(), status: 500, from: None });
    // Dropped before its bytes are known it reports an answer that did not end as it should.
    let mut body = FileBody { chunks: mpsc::channel(1).1, length: u64::MAX, sent: 0, account };
    let (source, current) = site.storages.open_file(&file).map_err(|_absent| Refusal::FileMissing)?;
    if current != version {
        return Err(Refusal::LinkExpired);
    }
    let delivery = counted.map(|counted| counted.delivery);
    let head = standalone::stream_head(&question.range, headers, &version, &name, delivery).ok_or(Refusal::FileMissing)?;
    let (first, length) = if question.method == Method::Head { (0, 0) } else { (head.first, head.length) };
    if let Some(account) = &mut body.account {
        account.status = head.status;
        account.from = (head.status < 300).then_some((head.first, version.size));
    }
    body.chunks = read(source, first, length, rate);
    body.length = length;
    Ok((head, body))
}

/// Reads on the blocking pool, no faster than the client takes it and than the rate allows.
fn read(file: File, first: u64, length: u64, rate: Option<Rate>) -> mpsc::Receiver<std::io::Result<Bytes>> {
    let (give, take) = mpsc::channel(CHUNKS_WAITING);
    if length == 0 {
        return take;
    }
    tokio::spawn(async move {
        let file = Arc::new(file);
        let mut at = first;
        let end = first.saturating_add(length);
        while at < end {
            let size = usize::try_from(end - at).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
            let source = Arc::clone(&file);
            let chunk = tokio::task::spawn_blocking(move || read_chunk(&source, at, size)).await;
            let chunk = chunk.unwrap_or_else(|_| Err(std::io::ErrorKind::Interrupted.into()));
            let ended = chunk.is_err();
            at = at.saturating_add(size as u64);
            if give.send(chunk).await.is_err() || ended {
                return;
            }
            if let Some(Rate(rate)) = rate {
                let millis = (size as u64).saturating_mul(1000) / rate;
                // Who has gone is not waited for: the file would stay open all that time.
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(millis)) => {}
                    () = give.closed() => return,
                }
            }
        }
    });
    take
}

fn read_chunk(file: &File, at: u64, size: usize) -> std::io::Result<Bytes> {
    let mut chunk = vec![0_u8; size];
    file.read_exact_at(&mut chunk, at)?;
    Ok(chunk.into())
}

/// A file's bytes on their way; reports what was taken when it ends, however it ends.
pub struct FileBody {
    chunks: mpsc::Receiver<std::io::Result<Bytes>>,
    length: u64,
    sent: u64,
    account: Option<Account>,
}

struct Account {
    site: Arc<Site>,
    counted: Counted,
    request: RequestId,
    status: u16,
    from: Option<(u64, u64)>,
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let chunk = std::task::ready!(self.chunks.poll_recv(context));
        Poll::Ready(chunk.map(|chunk| {
            let bytes = chunk?;
            self.sent = self.sent.saturating_add(bytes.len() as u64);
            Ok(Frame::data(bytes))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.sent == self.length
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length.saturating_sub(self.sent))
    }
}

impl Drop for FileBody {
    fn drop(&mut self) {
        let Some(Account { site, counted, request, status, from }) = self.account.take() else { return };
        let report = Report { ended: clock::now(), status, bytes: self.sent, finished: self.sent == self.length, from };
        let reported = Reported { delivery: counted.delivery, request, report, seen: None };
        site.streams.put(reported);
    }
}
