//! The pages that every server has.

use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use serde::Serialize;

use super::{api, control, scrape};
use crate::http::problem::{self, Problem};
use crate::route::{Route, Routes, Served};
use crate::state::WorkerState;

/// Answers a request for a page.
pub(crate) async fn answer(worker: &Rc<WorkerState>, request: Request<Incoming>) -> Response<Bytes> {
    let routes = worker.server.routes();
    let uri = request.uri().clone();
    let result = match uri.path() {
        api::HEALTHZ => get(&request, || Ok(text(api::HEALTHY.into()))),
        api::FUNCTIONS => get(&request, || Ok(json(&functions(&routes)))),
        api::EXECUTORS => get(&request, || Ok(json(&executors(&routes)))),
        api::METRICS => get(&request, || Ok(metrics(worker))),
        api::PROBLEMS => get(&request, || Ok(text(problems()))),
        path => {
            let page = path.strip_prefix("/-/").unwrap_or_default();
            match page.split_once('/') {
                Some(("problems", name)) => get(&request, || problem_kind(name)),
                _ if worker.server.config.control => control::answer(worker, page, request).await,
                _ => Err(unknown(page)),
            }
        }
    };
    result.unwrap_or_else(Response::from)
}

pub(crate) fn unknown(page: &str) -> Problem {
    Problem::new(&problem::UNKNOWN_PAGE, format!("this server has no page `/-/{page}`"))
}

/// A page that can only be read.
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
    let detail = format!("this page does not take {method}; it takes {allowed}");
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

fn metrics(worker: &WorkerState) -> Response<Bytes> {
    let text = scrape::text(&worker.server);
    page(scrape::MEDIA_TYPE, text.expect("writing text to memory does not fail"))
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

fn functions(routes: &Routes) -> Vec<api::Function> {
    let page = |function: &isolab_core::Function| api::Function {
        name: function.name().to_owned(),
        variants: function.variants().collect(),
        limits: function.limits().into(),
        cases: function.cases().len(),
    };
    routes.library.iter().map(page).collect()
}

fn executors(routes: &Routes) -> Vec<api::Executor> {
    let cell =
        |route: &Arc<Route>| api::Cell { function: route.function.name().to_owned(), variant: route.variant };
    let page = |(index, served): (usize, &Arc<Served>)| api::Executor {
        spec: served.spec.clone(),
        settings: format!("{:#}", served.executor.spec()),
        versions: served.executor.versions().into_iter().collect(),
        cells: routes.of_executor(index).map(cell).collect(),
    };
    routes.executors.iter().enumerate().map(page).collect()
}
