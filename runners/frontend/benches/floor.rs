//! What the front end, its pools and its clock cost: `direct` behind them, next to a
//! bare hyper server that answers the same bytes.
//!
//! Every sample sends one request on each of 64 kept connections and then reads all
//! answers, so that the server always has work and its speed is what is measured.
//! For figures to publish, pin the process to two processors that nothing else uses.

use std::convert::Infallible;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use isolab_core::direct::{Direct, SETTINGS};
use isolab_core::{Executor, Function, Library, Reuse, Spec, guest};
use isolab_frontend::{Config, Server};
use tokio::runtime::{Builder, LocalOptions};

const CONNECTIONS: usize = 64;
const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// hyper on one thread, and nothing else.
fn bare() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let service = service_fn(async |_| {
                let body = Bytes::from_static(b"{\"message\":\"Hello World\"}");
                let mut response = http::Response::new(Full::new(body));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Ok::<_, Infallible>(response)
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::task::spawn_local(connection);
        }
    };
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        runtime.unwrap().block_on(serve);
    });
    address
}

/// The front end with one worker and `direct`.
fn direct(reuse: Reuse) -> SocketAddr {
    let mut library = Library::default();
    library.insert(Function::load(&guest::workspace().join("functions/hello")).unwrap());
    let spec = Spec::parse("direct").unwrap().resolve(SETTINGS).unwrap();
    let executor: Arc<dyn Executor> = Arc::new(Direct::new(spec, &[("hello", function_hello::handle)]));
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = Config { listen, workers: 1, reuse, ..Config::default() };
    let server = Server::bind(config, vec![executor], library).unwrap();
    let address = server.local_addr();
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(server.run(std::future::pending())).unwrap();
    });
    address
}

/// Sends a request on every connection, then reads every answer.
fn exchange(connections: &mut [TcpStream], buffer: &mut [u8]) {
    for connection in &mut *connections {
        connection.write_all(REQUEST).unwrap();
    }
    for connection in connections {
        let mut len = 0;
        while !buffer[..len].ends_with(b"Hello World\"}") {
            let read = connection.read(&mut buffer[len..]).unwrap();
            assert!(read > 0, "the server closed a connection");
            len += read;
        }
        black_box(&buffer[..len]);
    }
}

fn floor(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("floor");
    group.throughput(Throughput::Elements(CONNECTIONS as u64)).warm_up_time(Duration::from_secs(1));
    for (name, address) in
        [("bare-hyper", bare()), ("direct-warm", direct(Reuse::Warm)), ("direct-fresh", direct(Reuse::Fresh))]
    {
        let mut connections: Vec<_> =
            (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
        let mut buffer = [0; 4_096];
        group.bench_function(name, |bencher| bencher.iter(|| exchange(&mut connections, &mut buffer)));
    }
    group.finish();
}

criterion_group!(benches, floor);
criterion_main!(benches);
