//! A function's view of its request, and the server's of its answer: which parts pass between client
//! and function, and which are for the server alone.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use isolab_core::{Error, http1, message};

use crate::bill::Billing;
use crate::http::problem::Problem;
use crate::http::timing::{BILL, EXECUTOR, INSTANCE, SERVER_TIMING};

/// The parts of a request that only the server needs.
#[derive(Clone, Copy)]
pub(crate) struct Mount {
    /// How many bytes of the path name the function.
    pub(crate) len: usize,
    pub(crate) billing: Billing,
    /// Whether the request has headers that concern only its connection.
    pub(crate) has_hop_by_hop: bool,
}

/// The answer with its bill, if it has one.
pub(crate) fn with_bill(
    answered: Result<Response<Bytes>, Error>,
    bill: Option<HeaderValue>,
) -> Result<Response<Bytes>, Problem> {
    match answered {
        Ok(mut response) => {
            remove_own_headers(response.headers_mut());
            response.headers_mut().extend(bill.map(|bill| (BILL, bill)));
            Ok(response)
        }
        Err(error) => Err(problem_with_bill(error, bill)),
    }
}

/// The problem of an invocation that failed, with its bill, if it has one.
pub(crate) fn problem_with_bill(error: Error, bill: Option<HeaderValue>) -> Problem {
    let problem = Problem::from(error);
    match bill {
        Some(bill) => problem.header(BILL, bill),
        None => problem,
    }
}

/// The request as the function gets it. Takes all parts out of the client's request, and leaves out
/// those that only the server needs: a function does not see that it is billed.
pub(crate) fn mounted<B>(request: &mut Request<B>, body: Bytes, mount: Mount) -> message::Request {
    let method = std::mem::take(request.method_mut());
    let uri = std::mem::take(request.uri_mut());
    let mut headers = std::mem::take(request.headers_mut());
    if mount.has_hop_by_hop {
        remove_hop_by_hop(&mut headers);
    }
    if mount.billing.is_asked {
        headers.remove(BILL);
    }
    message::Request::mounted(method, uri, headers, body, mount.len)
}

/// Removes the headers that concern only the connection (RFC 9110, §7.6.1): those that the header
/// `Connection` names, and those that are known. No function sees them, with any executor.
#[inline(never)]
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let known = headers.keys().filter(|name| http1::is_hop_by_hop(name.as_str())).cloned();
    for name in known.chain(named).collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// Removes the headers that only the server may write. A function that writes headers
/// of the connection could break the framing of later responses.
pub(crate) fn remove_own_headers(headers: &mut HeaderMap) {
    static OWN: [HeaderName; 8] =
        [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE, SERVER_TIMING, INSTANCE, EXECUTOR, BILL];

    if headers.keys().any(|name| OWN.contains(name)) {
        for name in &OWN {
            headers.remove(name);
        }
    }
}
