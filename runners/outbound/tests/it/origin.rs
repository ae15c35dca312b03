//! A host that answers each connection with given bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use isolab_core::function::{Grants, Host};
use isolab_core::{Cache, Environment};
use isolab_outbound::{Client, Outbound};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The granted host of the tests.
pub(crate) fn host() -> Host {
    Host { name: "origin".into(), port: 80 }
}

/// A client that is granted `origin`, which is at this address.
pub(crate) fn client(address: SocketAddr) -> Client {
    client_of(vec![host()], BTreeMap::from([(host(), address)]))
}

/// A client with these grants.
pub(crate) fn client_of(hosts: Vec<Host>, addresses: BTreeMap<Host, SocketAddr>) -> Client {
    let folder = std::env::temp_dir();
    let environment = Environment {
        cache: Cache::with_key(folder.join("unused"), folder.join("unused/key")),
        run_id: "test".into(),
        max_instances: 1,
        guest_cpu: None,
        hosts: addresses,
    };
    Client::new(&Arc::new(Outbound::new(&Grants { hosts, ..Grants::default() }, &environment)))
}

/// Serves every connection with `serve`, which gets its number.
pub(crate) async fn origin<F>(serve: impl Fn(usize, TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(number, stream));
        }
    });
    address
}

/// An origin that reads a head and then writes these bytes, and ends the connection.
pub(crate) async fn once(answer: Vec<u8>) -> SocketAddr {
    let answer = Arc::new(answer);
    origin(move |_, mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            head(&mut stream).await;
            // The client may have gone already.
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

/// Reads the head of a request.
pub(crate) async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(bytes).unwrap()
}
