//! Requests and responses in the memory of a Wasm guest, by the exports of `isolab_sdk::wasm`.

use bytes::Bytes;
use isolab_sdk::{Request, wire};

use crate::{Cause, Response, message};

/// The export that makes room for a request of the given size, and returns its address.
pub const REQUEST: &str = "isolab_request";

/// The export that answers the request, and returns the address of the response.
pub const HANDLE: &str = "isolab_handle";

/// The export of a function whose bodies flow. It answers the request, and returns 0, or the address of
/// the text that says why it failed.
pub const STREAM: &str = "isolab_stream";

/// How many bytes of the text of a failure are read.
const COMPLAINT_BYTES: usize = 4096;

/// The exports to run before the first request, in this order, if there are any: the constructors
/// of a reactor, and the function's own initialisation. A snapshot has run them already.
pub const INITIALIZERS: [&str; 2] = ["_initialize", isolab_sdk::INITIALIZE];

/// How many bytes of a response may be status and headers, beside its body.
const HEAD_BYTES: u64 = 64 << 10;

/// The bytes that a request takes in the guest's memory.
///
/// # Errors
/// If a memory with 32-bit addresses has no room for it.
pub fn request_len(request: &Request<'_>) -> Result<u32, Cause> {
    u32::try_from(wire::request_len(request))
        .map_err(|_| Cause::Internal("the request is larger than a 32-bit memory".into()))
}

/// Writes a request of `len` bytes to the room that the guest made for it.
///
/// # Errors
/// If that room is outside of the memory.
pub fn write_request(request: &Request<'_>, memory: &mut [u8], at: u32, len: u32) -> Result<(), Cause> {
    let room = memory.get_mut(at as usize..).and_then(|room| room.get_mut(..len as usize));
    let room =
        room.ok_or_else(|| Cause::Trapped("its room for the request is outside of its memory".into()))?;
    wire::write_request(request, room);
    Ok(())
}

/// The response at an address, where its length precedes it. The limit is checked before
/// anything is copied.
///
/// # Errors
/// If it is larger than its limit, lies outside of the memory, or is not a response.
pub fn read_response(memory: &[u8], at: u32, limit_bytes: u64) -> Result<Response, Cause> {
    let outside = || Cause::InvalidResponse("it is outside of the memory".into());
    let (len, rest) =
        memory.get(at as usize..).and_then(|rest| rest.split_first_chunk()).ok_or_else(outside)?;
    let len = u32::from_le_bytes(*len);
    if u64::from(len) > limit_bytes.saturating_add(HEAD_BYTES) {
        return Err(Cause::ResponseTooLarge(limit_bytes));
    }
    let bytes = rest.get(..len as usize).ok_or_else(outside)?;
    decode_response(bytes, limit_bytes)
}

/// The text at an address that [`STREAM`] returned, where its length precedes it; `None` if the address
/// is 0.
///
/// # Errors
/// If it lies outside of the memory.
pub fn read_complaint(memory: &[u8], at: u32) -> Result<Option<String>, Cause> {
    if at == 0 {
        return Ok(None);
    }
    let outside = || Cause::Trapped("the text of its failure is outside of its memory".into());
    let (len, rest) =
        memory.get(at as usize..).and_then(|rest| rest.split_first_chunk()).ok_or_else(outside)?;
    let text = rest.get(..u32::from_le_bytes(*len) as usize).ok_or_else(outside)?;
    Ok(Some(String::from_utf8_lossy(&text[..text.len().min(COMPLAINT_BYTES)]).into_owned()))
}

/// The response in these bytes, whose body may have `limit_bytes`.
///
/// # Errors
/// If it is larger than its limit, is not a response, or says that the function threw.
pub fn decode_response(bytes: &[u8], limit_bytes: u64) -> Result<Response, Cause> {
    let parts =
        wire::decode_response_parts(bytes).map_err(|error| Cause::InvalidResponse(error.to_string()))?;
    if parts.body.len() as u64 > limit_bytes {
        return Err(Cause::ResponseTooLarge(limit_bytes));
    }
    if parts.status == wire::THREW {
        return Err(Cause::Threw(String::from_utf8_lossy(parts.body).into_owned()));
    }
    message::response(parts.status, parts.headers, Bytes::copy_from_slice(parts.body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(body: &str) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        wire::encode_response(&isolab_sdk::Response::text(200, body), &mut bytes);
        let len = (bytes.len() - 8) as u32;
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        bytes
    }

    #[test]
    fn a_response_is_read_from_the_memory() {
        let response = read_response(&memory("four"), 4, 4).unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (200, b"four".as_slice()));
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    }

    #[test]
    fn a_function_can_say_that_it_threw() {
        let mut bytes = Vec::new();
        let threw =
            isolab_sdk::Response { status: wire::THREW, headers: Vec::new(), body: b"Error: no".into() };
        wire::encode_response(&threw, &mut bytes);
        assert_eq!(decode_response(&bytes, 9).unwrap_err(), Cause::Threw("Error: no".into()));
        assert_eq!(decode_response(&bytes, 8).unwrap_err(), Cause::ResponseTooLarge(8));
    }

    #[test]
    fn the_text_of_a_failure_is_read_in_part_at_most() {
        let mut bytes = vec![0, 2, 0, 0, 0, b'n', b'o'];
        assert_eq!(read_complaint(&bytes, 0), Ok(None));
        assert_eq!(read_complaint(&bytes, 1), Ok(Some("no".into())));
        for at in [2, 4, 7, u32::MAX] {
            assert!(matches!(read_complaint(&bytes, at), Err(Cause::Trapped(_))), "{at}");
        }
        bytes.extend([b'x'; 2 * COMPLAINT_BYTES]);
        bytes[1..5].copy_from_slice(&(2 * COMPLAINT_BYTES as u32).to_le_bytes());
        assert_eq!(read_complaint(&bytes, 1).unwrap().unwrap().len(), COMPLAINT_BYTES);
    }

    #[test]
    fn bad_addresses_and_lengths_are_errors() {
        let mut bytes = memory("four");
        assert_eq!(read_response(&bytes, 4, 3).unwrap_err(), Cause::ResponseTooLarge(3));
        for at in [bytes.len() as u32 - 3, bytes.len() as u32, u32::MAX] {
            assert!(matches!(read_response(&bytes, at, 4), Err(Cause::InvalidResponse(_))), "{at}");
        }
        bytes[4] += 1;
        assert!(matches!(read_response(&bytes, 4, 4), Err(Cause::InvalidResponse(_))));
        bytes[4..8].fill(0xff);
        assert_eq!(read_response(&bytes, 4, 4).unwrap_err(), Cause::ResponseTooLarge(4));
    }
}
