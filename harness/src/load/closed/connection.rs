//! One connection's loop: send, read, compare, again.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::TcpStream;

use super::ClosedLoad;
use super::counter::AnswerCounter;
use crate::http1::Receiver;
use crate::load::exchange::{Answer, AnswerCheck, check, exchange, reason};
use crate::load::{Expected, Fault};

/// Opens one connection.
pub async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends until the last window is over. A broken connection is counted as a fault and opened
/// again; if that fails, this loop ends.
pub async fn drive<F: FnMut()>(
    load: &ClosedLoad,
    address: SocketAddr,
    mut stream: TcpStream,
    counter: &RefCell<AnswerCounter<F>>,
) {
    let mut receiver = Receiver::default();
    let mut sent = Instant::now();
    while counter.borrow().is_open() {
        let answer = exchange(&mut stream, &mut receiver, &load.request).await;
        let now = Instant::now();
        let keep_alive = answer.as_ref().is_ok_and(|head| head.keep_alive);
        record(&mut counter.borrow_mut(), &load.expected, &answer, receiver.body(), sent, now);
        // Read the answers of other connections before sending more: they must not grow old in
        // the kernel's buffer.
        tokio::task::yield_now().await;
        sent = Instant::now();
        if !keep_alive && counter.borrow().is_open() {
            match open(address).await {
                Ok(opened) => stream = opened,
                Err(error) => {
                    counter.borrow_mut().fault(Fault::Transfer, now, || error.to_string());
                    return;
                }
            }
            sent = Instant::now();
        }
    }
}

fn record<F: FnMut()>(
    counter: &mut AnswerCounter<F>,
    expected: &Expected,
    answer: &Answer,
    body: &[u8],
    sent: Instant,
    now: Instant,
) {
    match check(expected, answer, body) {
        AnswerCheck::Right { differs } => counter.right(now.duration_since(sent), now, differs),
        AnswerCheck::Faulty(fault) => counter.fault(fault, now, || reason(expected, answer, body)),
    }
}
