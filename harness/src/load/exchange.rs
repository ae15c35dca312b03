//! One request over a connection, its answer, and the check of that answer.

use std::io;

use isolab_core::http1::Head;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Expected;
use super::outcome::Fault;
use crate::http1::{Receiver, Wire};

/// The head of a complete answer, or the error that prevented it.
pub type Answer = io::Result<Head>;

/// The result of checking an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerCheck {
    /// The answer counts.
    Right {
        /// Whether its body differs from the expected one, if that is allowed.
        differs: bool,
    },
    /// The answer does not count.
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

/// Compares an answer with the expected one.
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

/// The fault of an answer, in words.
pub fn reason(expected: &Expected, answer: &Answer, body: &[u8]) -> String {
    match answer {
        Err(error) => error.to_string(),
        Ok(head) if head.status != expected.status => {
            let text = String::from_utf8_lossy(body);
            format!("status {} instead of {}: {text}", head.status, expected.status)
        }
        Ok(_) => "the body is not the expected one".into(),
    }
}
