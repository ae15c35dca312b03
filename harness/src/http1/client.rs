//! One blocking connection, for single requests.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use isolab_core::http1::{ParseError, is_hop_by_hop};
use isolab_core::{Cause, Response, message};

use super::{Receiver, Wire};

/// How long one answer may take: longer than a cold `prepare` of any function.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long a client polls for an answer. Longer answers are waited for asleep, which leaves
/// the processor to others: waking up takes up to some 100 µs, 2 % of this.
const POLLED: Duration = Duration::from_millis(5);

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("no connection to {0}: {1}")]
    Connect(SocketAddr, std::io::Error),
    /// The connection broke, or no answer came in time.
    #[error("no answer from {0}: {1}")]
    Transfer(SocketAddr, std::io::Error),
    /// The answer is not HTTP.
    #[error("the answer is not an HTTP/1.1 response: {0}")]
    Malformed(#[from] ParseError),
    /// The answer has a part that HTTP forbids.
    #[error(transparent)]
    Invalid(#[from] Cause),
}

/// An answer, and how long it took.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The response with its whole body.
    pub response: Response,
    /// From before the request's first byte was written until the first byte of the response's body was
    /// read, or the end of a response without one.
    pub first_byte: Duration,
    /// The same until the response's last byte was read.
    pub duration: Duration,
}

/// A kept connection to a server. It is opened again after the server has closed it.
pub struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    receiver: Receiver,
    is_polling: bool,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// If there is no connection.
    pub fn connect(address: SocketAddr) -> Result<Self, ClientError> {
        let stream = Some(open(address)?);
        Ok(Self { address, stream, receiver: Receiver::default(), is_polling: false })
    }

    /// The same client, polling for the first 5 ms of each answer, so that its own wake-up is not
    /// part of a short answer's time. Its thread then needs a processor to itself.
    #[must_use]
    pub fn polling(self) -> Self {
        Self { is_polling: true, ..self }
    }

    /// The server's address as a `host` header names it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Gets a page of the front end.
    ///
    /// # Errors
    /// If there is no answer, or one that HTTP forbids.
    pub fn get(&mut self, target: &'static str) -> Result<Answer, ClientError> {
        let request = Wire::to(&Method::GET, target, &self.host(), HeaderMap::new(), Bytes::new());
        self.send(&request.expect("a static path and an address make a request"))
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// If there is no answer, or one that HTTP forbids.
    pub fn send(&mut self, wire: &Wire) -> Result<Answer, ClientError> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => open(self.address)?,
        };
        let begun = Instant::now();
        let failed = |error| ClientError::Transfer(self.address, error);
        stream.write_all(&wire.bytes).map_err(failed)?;
        let mut polled_until = self.is_polling.then(|| begun + POLLED);
        stream.set_nonblocking(self.is_polling).map_err(failed)?;
        self.receiver.reset();
        let (mut headers, mut first_byte) = (Vec::new(), None);
        let head = loop {
            let read = match stream.read(self.receiver.space()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock && polled_until.is_some() => {
                    if polled_until.take_if(|until| Instant::now() > *until).is_some() {
                        stream.set_nonblocking(false).map_err(failed)?;
                    }
                    std::hint::spin_loop();
                    continue;
                }
                result => result.map_err(failed)?,
            };
            let note = |name: &str, value: &[u8]| headers.push((name.to_ascii_lowercase(), value.to_vec()));
            let head = self.receiver.advance(read, &wire.method, note)?;
            if first_byte.is_none() && !self.receiver.body().is_empty() {
                first_byte = Some(begun.elapsed());
            }
            if let Some(head) = head {
                break head;
            }
        };
        let duration = begun.elapsed();
        if head.keep_alive {
            stream.set_nonblocking(false).map_err(failed)?;
            self.stream = Some(stream);
        }
        headers.retain(|(name, _)| !is_hop_by_hop(name));
        let body = Bytes::copy_from_slice(self.receiver.body());
        let first_byte = first_byte.unwrap_or(duration);
        Ok(Answer { response: message::response(head.status, headers, body)?, first_byte, duration })
    }
}

fn open(address: SocketAddr) -> Result<TcpStream, ClientError> {
    let failed = |error| ClientError::Connect(address, error);
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers each connection with the next of `answers`, whatever is asked.
    fn server(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    }

    #[test]
    fn a_connection_that_was_closed_is_opened_again() {
        let address = server(&[
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\nx-a: b\r\n\r\nab",
            "HTTP/1.1 404 Not Found\r\n\r\nuntil the end",
        ]);
        let mut client = Client::connect(address).unwrap();
        let first = client.get("/").unwrap().response;
        assert_eq!((&first.headers()["x-a"], first.body()), (&"b".parse().unwrap(), &"ab".into()));
        assert!(!first.headers().contains_key("connection"));
        let second = client.get("/").unwrap().response;
        assert_eq!((second.status().as_u16(), second.body()), (404, &"until the end".into()));
    }

    /// The second half of the answer comes after the client has stopped polling.
    #[test]
    fn a_polling_client_waits_for_long_answers_too() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for pause in [Duration::ZERO, POLLED * 3] {
                assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na").unwrap();
                let begun = Instant::now();
                while begun.elapsed() < pause {
                    std::thread::yield_now();
                }
                stream.write_all(b"b").unwrap();
            }
        });
        let mut client = Client::connect(address).unwrap().polling();
        assert_eq!(client.get("/").unwrap().response.body(), &"ab");
        let second = client.get("/").unwrap();
        assert_eq!(second.response.body(), &"ab");
        assert!(second.duration >= POLLED * 3, "{:?}", second.duration);
    }

    #[test]
    fn half_an_answer_is_an_error() {
        let mut client =
            Client::connect(server(&["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"])).unwrap();
        assert!(matches!(client.get("/"), Err(ClientError::Malformed(ParseError::Truncated))));
    }
}
