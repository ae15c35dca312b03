use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::join_all, stream};
use http::{Request, Response};
use isolab_core::function::Host;
use isolab_core::streams::{Broken, Pieces, collect};
use isolab_outbound::{BUFFER_BYTES, Body, Client, Error};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::origin::{client, client_of, head, host, once, origin};

fn get(url: &str) -> Request<Body> {
    Request::get(url).body(Body::Whole(Bytes::new())).unwrap()
}

async fn whole(response: Response<Option<Pieces>>) -> Result<Bytes, Broken> {
    collect(Bytes::new(), response.into_body(), u64::MAX).await
}

async fn failed(client: &Client, url: &str) -> String {
    client.send(get(url)).await.map(|answer| answer.status()).unwrap_err().to_string()
}

#[tokio::test]
async fn an_answer_comes_with_status_headers_and_body() {
    let address = once(b"HTTP/1.1 201 Created\r\nx-a: 1\r\ncontent-length: 3\r\n\r\nabc".to_vec()).await;
    let response = client(address).send(get("http://origin/")).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["x-a"]), (201, &"1".parse().unwrap()));
    assert_eq!(whole(response).await.unwrap(), "abc");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let address =
        once(b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n".to_vec())
            .await;
    let response = client(address).send(get("http://origin/")).await.unwrap();
    assert_eq!(response.status(), 302);
    assert!(response.body().is_none());
}

#[tokio::test]
async fn only_granted_hosts_are_asked() {
    let address = once(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let client = client(address);
    for url in [
        "http://other/",
        "http://origin:81/",
        "http://origin.other/",
        "http://origin@other/",
        "http://127.0.0.1:80/",
        &format!("http://{address}/"),
    ] {
        assert!(failed(&client, url).await.contains("is not granted the host"), "{url}");
    }
    for url in ["https://origin/", "/", "origin:80"] {
        assert!(failed(&client, url).await.contains("plain HTTP"), "{url}");
    }
    for url in ["http://ORIGIN/", "http://origin:80/", "http://other@origin/"] {
        assert!(client.send(get(url)).await.is_ok(), "{url}");
    }
    let connect = Request::connect("http://origin/").body(Body::Whole(Bytes::new())).unwrap();
    assert!(matches!(client.send(connect).await, Err(Error::NotHttp(_))));
}

#[tokio::test]
async fn the_resolver_is_asked_for_hosts_without_an_address() {
    let address = once(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
    let local = Host { name: "localhost".into(), port: address.port() };
    let unknown = Host { name: "unknown.invalid".into(), port: 80 };
    let client = client_of(vec![local.clone(), unknown], BTreeMap::new());
    assert_eq!(client.send(get(&format!("http://{local}/"))).await.unwrap().status(), 204);
    let error = failed(&client, "http://unknown.invalid/").await;
    assert!(error.contains("`unknown.invalid:80` cannot be reached: "), "{error}");
}

#[tokio::test]
async fn a_host_that_refuses_breaks_off_or_speaks_no_http_is_named_with_the_reason() {
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let error = failed(&client(closed.local_addr().unwrap()), "http://origin/").await;
    assert!(error.starts_with("`origin:80` cannot be reached: ") && error.contains("refused"), "{error}");
    let large = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(4 * BUFFER_BYTES));
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nx-a",
        "SSH-2.0-x\r\n\r\n",
        &large,
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let address = once(answer.as_bytes().to_vec()).await;
        let error = failed(&client(address), "http://origin/").await;
        assert!(error.starts_with("the exchange with `origin:80` broke off: "), "{error}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_after_its_first_pieces() {
    for answer in ["content-length: 9\r\n\r\nabc", "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let address = once(format!("HTTP/1.1 200 OK\r\n{answer}").into_bytes()).await;
        let response = client(address).send(get("http://origin/")).await.unwrap();
        let mut pieces = response.into_body().unwrap();
        assert_eq!(pieces.next().await, Some(Ok("abc".into())));
        let Broken(error) = pieces.next().await.unwrap().unwrap_err();
        assert!(error.starts_with("the exchange with `origin:80` broke off: "), "{error}");
    }
}

#[tokio::test]
async fn headers_of_the_connection_are_not_the_functions_to_set() {
    let address = origin(|_, mut stream| async move {
        let text = head(&mut stream).await;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let request = Request::post("http://origin/a?b")
        .header("host", "elsewhere")
        .header("content-length", "99")
        .header("transfer-encoding", "chunked")
        .header("connection", "close, X-Named")
        .header("x-named", "1")
        .header("upgrade", "websocket")
        .header("x-kept", "1");
    let request = request.body(Body::Whole("abc".into())).unwrap();
    let seen = whole(client(address).send(request).await.unwrap()).await.unwrap();
    let mut lines: Vec<_> = std::str::from_utf8(&seen).unwrap().trim_end().split("\r\n").collect();
    lines.sort_unstable();
    assert_eq!(lines, ["POST /a?b HTTP/1.1", "content-length: 3", "host: origin", "x-kept: 1"]);
}

#[tokio::test]
async fn a_streamed_body_is_sent_piece_by_piece() {
    let address = origin(|_, mut stream| async move {
        head(&mut stream).await;
        let mut piece = [0; 6];
        stream.read_exact(&mut piece).await.unwrap();
        // The answer comes before the request is whole.
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        while !rest.ends_with(b"0\r\n\r\n") {
            rest.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"1\r\nb\r\n0\r\n\r\n").await.unwrap();
    })
    .await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let sent = stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let request = Request::post("http://origin/").body(Body::Pieces(sent.boxed())).unwrap();
    sender.send(Ok(Bytes::from("x"))).await.unwrap();
    let mut pieces = client(address).send(request).await.unwrap().into_body().unwrap();
    assert_eq!(pieces.next().await, Some(Ok("a".into())));
    sender.send(Ok(Bytes::from("y"))).await.unwrap();
    drop(sender);
    assert_eq!(pieces.next().await, Some(Ok("b".into())));
    assert_eq!(pieces.next().await, None);
}

#[tokio::test]
async fn a_request_whose_body_breaks_off_fails() {
    let address = once(Vec::new()).await;
    let body: Pieces =
        stream::iter([Ok(Bytes::from("x")), Err(Broken("the source dried up".into()))]).boxed();
    let request = Request::post("http://origin/").body(Body::Pieces(body)).unwrap();
    let error = client(address).send(request).await.map(|answer| answer.status()).unwrap_err();
    let expected = Error::BrokeOff { host: host(), reason: "the source dried up".into() };
    assert_eq!(error, expected);
}

#[tokio::test]
async fn connections_are_kept_for_the_next_request() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let address = origin(move |number, mut stream| {
        counter.fetch_max(number + 1, SeqCst);
        async move {
            while !head(&mut stream).await.is_empty() {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na").await.unwrap();
            }
        }
    })
    .await;
    let client = client(address);
    for _ in 0..20 {
        assert_eq!(whole(client.send(get("http://origin/")).await.unwrap()).await.unwrap(), "a");
        // The connection's own task notes the end of the answer.
        tokio::task::yield_now().await;
    }
    assert!(connections.load(SeqCst) < 20);
    let answers = join_all((0..50).map(|_| client.send(get("http://origin/")))).await;
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_request_that_is_given_up_ends_its_connection() {
    let (gone, mut heard) = tokio::sync::mpsc::channel(1);
    let address = origin(move |_, mut stream| {
        let gone = gone.clone();
        async move {
            head(&mut stream).await;
            gone.send("asked").await.unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
            gone.send("gone").await.unwrap();
        }
    })
    .await;
    let client = client(address);
    let mut sending = Box::pin(client.send(get("http://origin/")));
    assert!((&mut sending).now_or_never().is_none());
    let asked = tokio::select! {
        answer = &mut sending => panic!("{:?}", answer.map(|answer| answer.status())),
        heard = heard.recv() => heard,
    };
    drop(sending);
    assert_eq!((asked, heard.recv().await), (Some("asked"), Some("gone")));
}
