//! `isolab invoke`: one request in this process, with every phase timed.
//!
//! The response's body goes to stdout as it is, everything else to stderr, so that the body
//! can be piped.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Uri};
use isolab_core::{
    Cause, Environment, Error, Executor, Function, Phase, Prepared, Request, Response, Spec, Variant,
};
use isolab_frontend::lifecycle::{self, Live, Timed};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::task::LocalSet;

use super::values::{self, LimitArgs};
use crate::exit::{BadInput, DONE, FAILED};
use crate::server::origin;
use crate::{executors, library};

/// How long after its deadline a function must have let go of its thread. Executors interrupt it within
/// some milliseconds.
const GRACE: Duration = Duration::from_secs(1);

/// `isolab invoke`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  isolab invoke wasm hello --query myName=Ada
  isolab invoke v8 json --variant js --data @request.json
  isolab invoke v8 ./handler.js --query name=Ada | jq .message

The response's body goes to stdout as it is; phases, bill, status and headers go to stderr. The
bill says the CPU time, page faults and peak memory of start and invocation.

Exit codes:
  0  the function answered, whatever the status
  1  the function failed: it threw, trapped, or exceeded its deadline or its memory
  2  bad input, or a function that cannot be built")]
pub struct InvokeArgs {
    /// Executor with its settings, such as `wasm:compiler=winch`
    #[arg(value_parser = values::spec)]
    pub spec: Spec,
    /// Function's name, or the path of its folder, its JavaScript file or its WASI command
    pub function: String,
    /// Variant: rust, js, module, command [default: the first that the executor can run]
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<Variant>,
    /// Query parameter; may be repeated
    #[arg(long, value_name = "K=V", value_parser = query)]
    pub query: Vec<(String, String)>,
    /// Body of a POST request; `@FILE` reads it from a file
    #[arg(long, value_name = "TEXT|@FILE", value_parser = values::body)]
    pub data: Option<Bytes>,
    /// Limits of functions that set none of their own.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Folder for artifacts [default: target/isolab-cache]
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

fn query(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`; write it as `K=V`"))?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

/// Prints the body on stdout, everything else on stderr.
pub fn run(arguments: InvokeArgs) -> Result<u8> {
    super::log_to_stderr();
    let InvokeArgs { spec, variant, .. } = arguments;
    let mut function = library::find(&arguments.function)?;
    function.set_default_limits(arguments.limits.limits());
    let request = request(&arguments.query, arguments.data)?;
    let origin = origin::start_for([&function], None)?;
    let environment = Environment {
        cache: super::cache(arguments.cache),
        run_id: super::run_id(),
        max_instances: 1,
        guest_cpu: None,
        hosts: origin.iter().map(|origin| (origin::host(), origin.address())).collect(),
    };

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let response = LocalSet::new().block_on(&runtime, async {
        let executor = executors::open(spec, &environment).await?;
        let answered = answer(&*executor, &function, variant, request).await;
        executor.close().await.context("cannot remove what the executor made")?;
        answered
    })?;
    eprintln!("status  {}", response.status());
    for (name, value) in response.headers() {
        eprintln!("header  {name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    match print(response.body()) {
        // The reader of a pipe has what it wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(DONE),
        printed => printed.map(|()| DONE).context("cannot print the body"),
    }
}

fn print(body: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(body)?;
    stdout.flush()
}

async fn answer(
    executor: &dyn Executor,
    function: &Function,
    variant: Option<Variant>,
    request: Request,
) -> Result<Response> {
    let variant = choose(executor, function, variant)?;
    let prepared = show("prepare", lifecycle::prepare(executor, function, variant).await)?;
    eprintln!("kind    {}", prepared.artifact().kind);
    let bound = |phase| Bound::begin(&*prepared, phase, executor, function);
    let starting = bound(Phase::Start);
    let started = Live::start_billed(&*prepared).await;
    drop(starting);
    let usage = started.usage;
    let live = show("start", started)?;
    let invoking = bound(Phase::Invoke);
    let (answered, bill) = live.invoke_billed(request, usage).await;
    drop(invoking);
    let response = show("invoke", answered);
    eprintln!("bill    {}", bill.value().to_str().unwrap_or_default());
    let _stopping = bound(Phase::Stop);
    show("stop", live.stop().await)?;
    response
}

/// Ends this process with an error unless it is dropped within the deadline: the function holds the only
/// thread then, and nothing can interrupt it.
struct Bound {
    /// Dropped with the bound.
    _open: Option<Sender<()>>,
}

impl Bound {
    fn begin(prepared: &dyn Prepared, phase: Phase, executor: &dyn Executor, function: &Function) -> Self {
        if !prepared.holds_thread() {
            return Self { _open: None };
        }
        let deadline = function.limits().deadline;
        let error = Error::new(phase, executor.spec(), function.name(), Cause::DeadlineExceeded(deadline))
            .hint("it could not be interrupted, so this process ends with it");
        let (sender, ended) = channel();
        thread::spawn(move || {
            if ended.recv_timeout(deadline.saturating_add(GRACE)) == Err(RecvTimeoutError::Timeout) {
                eprintln!("error: {error}");
                std::process::exit(FAILED.into());
            }
        });
        Self { _open: Some(sender) }
    }
}

/// The given variant, or by default the first that the executor can run.
fn choose(executor: &dyn Executor, function: &Function, variant: Option<Variant>) -> Result<Variant> {
    let candidates: Vec<_> = variant.map_or_else(|| function.variants().collect(), |variant| vec![variant]);
    let mut reason = format!("`{}` has no variant", function.name());
    for variant in candidates {
        let is_there = function.source(variant).is_some();
        match executor.supports(function, variant) {
            Ok(()) if is_there => return Ok(variant),
            Ok(()) => reason = format!("`{}` has no variant `{variant}`", function.name()),
            Err(unsupported) => reason = unsupported,
        }
    }
    Err(BadInput::because(format!("{} cannot run `{}`: {reason}", executor.spec(), function.name())))
}

fn request(pairs: &[(String, String)], data: Option<Bytes>) -> Result<Request> {
    let mut query = String::new();
    for (key, value) in pairs {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let separator = if query.is_empty() { "/?" } else { "&" };
        write!(query, "{separator}{}={}", encode(key), encode(value))?;
    }
    let uri: Uri = if query.is_empty() { Uri::from_static("/") } else { query.parse()? };
    let Some(data) = data else {
        return Ok(Request::new(Method::GET, uri, HeaderMap::new(), Bytes::new()));
    };
    let headers =
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))]);
    Ok(Request::new(Method::POST, uri, headers, data))
}

/// Prints how long a phase and its laps took, and passes on the phase's result.
fn show<T>(phase: &str, timed: Timed<Result<T, isolab_core::Error>>) -> Result<T> {
    let laps: Vec<_> = timed.laps.durations().map(|(lap, duration)| format!("{lap} {duration:?}")).collect();
    let laps = if laps.is_empty() { String::new() } else { format!("  ({})", laps.join(", ")) };
    eprintln!("{phase:7} {:?}{laps}", timed.duration);
    Ok(timed.value?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_parameters_are_encoded() {
        let pairs: Vec<_> = ["myName=Ä &=", "b="].iter().map(|text| query(text).unwrap()).collect();
        let request = request(&pairs, None).unwrap();
        assert_eq!((request.method.as_str(), request.query()), ("GET", "myName=%C3%84%20%26%3D&b="));
        assert!(query("novalue").is_err());
    }

    #[test]
    fn data_makes_the_request_a_post() {
        let request = request(&[], Some(values::body("{}").unwrap())).unwrap();
        assert_eq!((request.method, request.body), (Method::POST, Bytes::from("{}")));
        let error = values::body("@/nonexistent").unwrap_err();
        assert!(error.contains("/nonexistent"), "{error}");
    }
}
