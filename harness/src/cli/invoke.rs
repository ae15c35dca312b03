//! `isolab invoke`: one request in this process, with every phase timed.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Uri};
use isolab_core::{Environment, Executor, Function, Request, Response, Spec, Variant};
use isolab_frontend::lifecycle::{self, Live, Timed};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::task::LocalSet;

use crate::exit::{BadInput, DONE};
use crate::{executors, library};

/// `isolab invoke`.
#[derive(Debug, Args)]
pub struct InvokeArgs {
    /// The executor, with its settings
    pub spec: String,
    /// A function's name or path
    pub function: String,
    /// The variant [default: the first that the executor can run]
    #[arg(long, value_name = "VARIANT")]
    pub variant: Option<String>,
    /// A pair of the query
    #[arg(long, value_name = "K=V")]
    pub query: Vec<String>,
    /// The body of a POST; `@FILE` reads it from a file
    #[arg(long, value_name = "TEXT|@FILE")]
    pub data: Option<String>,
    /// Where artifacts are kept
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// Prints the body on stdout, everything else on stderr.
pub fn run(arguments: &InvokeArgs) -> Result<u8> {
    super::log_to_stderr();
    let spec = executors::resolve(Spec::parse(&arguments.spec)?)?;
    let variant = arguments.variant.as_deref().map(super::variant).transpose()?;
    let function = function(&arguments.function)?;
    let request = request(arguments)?;
    let environment = Environment {
        cache: super::cache(arguments.cache.as_ref()),
        run_id: super::run_id(),
        max_instances: 1,
    };

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let response = LocalSet::new().block_on(&runtime, async {
        let executor = executors::open(spec, &environment).await?;
        let answered = answer(&*executor, &function, variant, request).await;
        executor.close().await.context("what the executor made cannot be removed")?;
        answered
    })?;
    eprintln!("status  {}", response.status());
    std::io::stdout().write_all(response.body()).context("the body cannot be printed")?;
    Ok(DONE)
}

async fn answer(
    executor: &dyn Executor,
    function: &Function,
    variant: Option<Variant>,
    request: Request,
) -> Result<Response> {
    let variant = choose(executor, function, variant)?;
    let prepared = show("prepare", lifecycle::prepare(executor, function, variant).await)?;
    let mut live = show("start", Live::start(&*prepared).await)?;
    let response = show("invoke", live.invoke(request).await);
    show("stop", live.stop().await)?;
    response
}

/// The variant asked for, if the executor can run it; else the first that it can.
fn choose(executor: &dyn Executor, function: &Function, asked: Option<Variant>) -> Result<Variant> {
    let candidates: Vec<_> = asked.map_or_else(|| function.variants().collect(), |asked| vec![asked]);
    let mut reasons = String::new();
    for variant in candidates {
        let is_there = function.source(variant).is_some();
        match executor.supports(function, variant) {
            Ok(()) if is_there => return Ok(variant),
            Ok(()) => reasons = format!("`{}` has no variant `{variant}`", function.name()),
            Err(reason) => reasons = reason,
        }
    }
    Err(BadInput::because(format!("{} cannot run `{}`: {reasons}", executor.spec(), function.name())))
}

fn function(asked: &str) -> Result<Function> {
    if asked.contains('/') {
        return Ok(Function::load(Path::new(asked))?);
    }
    Ok(library::open(&[])?.get(asked)?.clone())
}

fn request(arguments: &InvokeArgs) -> Result<Request> {
    let mut query = String::new();
    for pair in &arguments.query {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| BadInput::because(format!("--query `{pair}` is no `K=V`")))?;
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let separator = if query.is_empty() { "/?" } else { "&" };
        write!(query, "{separator}{}={}", encode(key), encode(value))?;
    }
    let uri: Uri = if query.is_empty() { Uri::from_static("/") } else { query.parse()? };
    let Some(data) = &arguments.data else {
        return Ok(Request::new(Method::GET, uri, HeaderMap::new(), Bytes::new()));
    };
    let headers =
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))]);
    Ok(Request::new(Method::POST, uri, headers, super::data(data)?))
}

/// Prints how long a phase took, with its laps, and passes on what came of it.
fn show<T>(phase: &str, timed: Timed<Result<T, isolab_core::Error>>) -> Result<T> {
    let laps: Vec<_> = timed.laps.durations().map(|(lap, duration)| format!("{lap} {duration:?}")).collect();
    let laps = if laps.is_empty() { String::new() } else { format!("  ({})", laps.join(", ")) };
    eprintln!("{phase:7} {:?}{laps}", timed.duration);
    Ok(timed.value?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(query: &[&str], data: Option<&str>) -> InvokeArgs {
        InvokeArgs {
            spec: "direct".into(),
            function: "hello".into(),
            variant: None,
            query: query.iter().map(|pair| (*pair).to_owned()).collect(),
            data: data.map(str::to_owned),
            cache: None,
        }
    }

    #[test]
    fn pairs_of_the_query_are_encoded() {
        let asked = request(&arguments(&["myName=Ä &=", "b="], None)).unwrap();
        assert_eq!((asked.method.as_str(), asked.query()), ("GET", "myName=%C3%84%20%26%3D&b="));
        assert!(request(&arguments(&["novalue"], None)).is_err());
    }

    #[test]
    fn data_makes_it_a_post() {
        let asked = request(&arguments(&[], Some("{}"))).unwrap();
        assert_eq!((asked.method, asked.body), (Method::POST, Bytes::from("{}")));
        let error = request(&arguments(&[], Some("@/nonexistent"))).unwrap_err().to_string();
        assert!(error.contains("/nonexistent"), "{error}");
    }
}
