//! The server's own pages, below `/-/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use isolab_core::{Function, Variant};
use serde::Serialize;

use crate::admin::{control, scrape};
use crate::http::problem::{self, Problem};
use crate::route::{Routes, Served};
use crate::worker::Worker;

/// Answers a request for a page.
pub(crate) async fn answer(worker: &Rc<Worker>, request: Request<Incoming>) -> Response<Bytes> {
    let routes = &worker.shared.routes;
    let uri = request.uri().clone();
    let page = uri.path().strip_prefix("/-/").unwrap_or_default();
    let result = match page {
        "healthz" => get(&request, || Ok(text("ok\n".into()))),
        "functions" => get(&request, || Ok(json(&functions(routes)))),
        "executors" => get(&request, || Ok(json(&executors(routes)))),
        "metrics" => get(&request, || Ok(metrics(worker))),
        "problems" => get(&request, || Ok(text(problems()))),
        _ => match page.split_once('/') {
            Some(("problems", name)) => get(&request, || problem_kind(name)),
            _ if worker.shared.config.control => control::answer(worker, page, request).await,
            _ => Err(unknown(page)),
        },
    };
    result.unwrap_or_else(Response::from)
}

pub(crate) fn unknown(page: &str) -> Problem {
    Problem::new(&problem::UNKNOWN_PAGE, format!("there is no page `/-/{page}` here"))
}

/// A page that is only read.
fn get(
    request: &Request<Incoming>,
    page: impl FnOnce() -> Result<Response<Bytes>, Problem>,
) -> Result<Response<Bytes>, Problem> {
    match *request.method() {
        Method::GET | Method::HEAD => page(),
        _ => Err(wrong_method(request.method(), "GET, HEAD")),
    }
}

pub(crate) fn wrong_method(method: &Method, allowed: &'static str) -> Problem {
    let detail = format!("{method} is not for this page; it takes {allowed}");
    Problem::new(&problem::METHOD, detail).header(ALLOW, HeaderValue::from_static(allowed))
}

/// A page of the given media type.
pub(crate) fn page(media_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

fn text(body: String) -> Response<Bytes> {
    page("text/plain; charset=utf-8", body)
}

pub(crate) fn json(value: &impl Serialize) -> Response<Bytes> {
    page("application/json", serde_json::to_vec(value).expect("a struct of text and numbers serialises"))
}

fn metrics(worker: &Worker) -> Response<Bytes> {
    let text = scrape::text(&worker.shared);
    page(scrape::MEDIA_TYPE, text.expect("text is written to memory without fail"))
}

fn problem_kind(name: &str) -> Result<Response<Bytes>, Problem> {
    let kind = problem::ALL.iter().find(|kind| kind.name == name);
    let kind = kind.ok_or_else(|| unknown(&format!("problems/{name}")))?;
    Ok(text(format!("{} ({})\n\n{}\n", kind.title, kind.status, kind.meaning)))
}

fn problems() -> String {
    let mut text = String::new();
    for kind in problem::ALL {
        let _ = writeln!(text, "{} {}: {}", kind.status.as_u16(), kind.name, kind.meaning);
    }
    text
}

#[derive(Serialize)]
struct FunctionPage<'a> {
    name: &'a str,
    variants: Vec<Variant>,
    limits: LimitsPage,
    /// How many there are.
    cases: usize,
}

#[derive(Serialize)]
struct LimitsPage {
    memory_bytes: u64,
    deadline_ms: u128,
    response_bytes: u64,
}

fn functions(routes: &Routes) -> Vec<FunctionPage<'_>> {
    let page = |function| {
        let limits = Function::limits(function);
        FunctionPage {
            name: function.name(),
            variants: function.variants().collect(),
            limits: LimitsPage {
                memory_bytes: limits.memory_bytes,
                deadline_ms: limits.deadline.as_millis(),
                response_bytes: limits.response_bytes,
            },
            cases: function.cases().len(),
        }
    };
    routes.library.iter().map(page).collect()
}

#[derive(Serialize)]
struct ExecutorPage<'a> {
    spec: &'a str,
    /// The spec with every setting.
    settings: String,
    versions: BTreeMap<String, String>,
    cells: Vec<CellPage<'a>>,
}

#[derive(Serialize)]
struct CellPage<'a> {
    function: &'a str,
    variant: Variant,
}

fn executors(routes: &Routes) -> Vec<ExecutorPage<'_>> {
    let page = |(place, served): (usize, &'_ std::sync::Arc<Served>)| {
        let cells = routes.of_executor(place);
        ExecutorPage {
            spec: &routes.executors[place].spec,
            settings: format!("{:#}", served.executor.spec()),
            versions: served.executor.versions().into_iter().collect(),
            cells: cells
                .map(|route| CellPage { function: route.function.name(), variant: route.variant })
                .collect(),
        }
    };
    routes.executors.iter().enumerate().map(page).collect()
}
