//! One request over a connection and its answer, and what the answer is worth.

use std::io;

use isolab_core::http1::Head;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Expected;
use super::outcome::Fault;
use crate::http1::{Receiver, Wire};

/// An answer's head, once its body is whole too; or why there is none.
pub type Answer = io::Result<Head>;

/// What an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerCheck {
    /// It counts.
    Right {
        /// Its body is another than the expected one, which is allowed.
        differs: bool,
    },
    /// It does not.
    Faulty(Fault),
}

/// Sends a request and reads its answer.
pub async fn exchange(stream: &mut TcpStream, receiver: &mut Receiver, wire: &Wire) -> Answer {
    stream.write_all(&wire.bytes).await?;
    receive(stream, receiver, wire).await
}

/// Reads the answer to a request that was sent.
pub async fn receive(stream: &mut TcpStream, receiver: &mut Receiver, wire: &Wire) -> Answer {
    receiver.reset();
    loop {
        let read = stream.read(receiver.space()).await?;
        let answer = receiver.advance(read, &wire.method, |_, _| {});
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        if let Some(head) = answer.map_err(invalid)? {
            return Ok(head);
        }
    }
}

/// Compares an answer with what is expected.
pub fn check(expected: &Expected, answer: &Answer, body: &[u8]) -> AnswerCheck {
    match answer {
        Err(_) => AnswerCheck::Faulty(Fault::Transfer),
        Ok(head) if head.status != expected.status => AnswerCheck::Faulty(Fault::Status),
        Ok(_) => match *body != expected.body[..] {
            true if expected.is_strict => AnswerCheck::Faulty(Fault::Body),
            differs => AnswerCheck::Right { differs },
        },
    }
}

/// Says what is wrong with a faulty answer.
pub fn reason(expected: &Expected, answer: &Answer, body: &[u8]) -> String {
    match answer {
        Err(error) => error.to_string(),
        Ok(head) if head.status != expected.status => {
            let text = String::from_utf8_lossy(body);
            format!("status {} instead of {}: {text}", head.status, expected.status)
        }
        Ok(_) => "a body that differs from what is expected".into(),
    }
}
