//! Loads a function's native library, and calls it.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arrayvec::ArrayVec;
use bytes::Bytes;
use isolab_sdk::library::{self, Header, Headers};
use isolab_sdk::wire;
use libloading::os::unix::{Library as Loaded, RTLD_LOCAL, RTLD_NOW};
use tempfile::TempDir;

use crate::{Cause, Request, Response, message};

/// Requests with at most this many headers need no memory for a list of them.
const FEW_HEADERS: usize = 32;

/// A loaded library. It stays loaded until the process ends.
#[derive(Clone, Copy)]
pub(super) struct Library {
    call: library::Call,
}

impl Library {
    /// Loads a library that [`guest::build`](crate::guest::build) has made, and initialises its
    /// function. `bytes` are those of the file. The same library that is loaded again stays as it is.
    pub(super) fn load(path: &Path, bytes: &[u8]) -> Result<Self, Cause> {
        let failed = |error: &dyn std::error::Error| {
            Cause::Artifact(format!("{} cannot be loaded: {error}", path.display()))
        };
        let version = Version::of(path, bytes).map_err(|error| failed(&error))?;
        // SAFETY: `direct` isolates nothing, so the library may do in this process whatever its
        // function does.
        let loaded = unsafe { Loaded::open(Some(version.path()), RTLD_NOW | RTLD_LOCAL) };
        let loaded = loaded.map_err(|error| failed(&error))?;
        // SAFETY: `isolab_sdk::export!`, which alone exports the symbol, gives it this type.
        let call = unsafe { loaded.get::<library::Call>(symbol(library::SYMBOL_PREFIX, path).as_bytes()) };
        let call = *call.map_err(|_| {
            let path = path.display();
            Cause::Artifact(format!("{path} exports no function; a function needs `isolab_sdk::export!`"))
        })?;
        let symbol = symbol(library::INITIALIZE_PREFIX, path);
        // SAFETY: as for the function itself.
        if let Ok(initialize) = unsafe { loaded.get::<library::Initialize>(symbol.as_bytes()) } {
            initialize();
        }
        // Threads may hold values of the library until they end, and constants of it are in
        // responses.
        std::mem::forget(loaded);
        Ok(Self { call })
    }

    /// Answers a request with a body of at most `limit_bytes`.
    pub(super) fn call(self, request: &Request, limit_bytes: u64) -> Result<Response, Cause> {
        let bytes = |text: &str| library::Bytes::of(text.as_bytes());
        let (mut few, mut many) = (ArrayVec::<Header, FEW_HEADERS>::new(), Vec::new());
        for (name, value) in &request.headers {
            let Ok(value) = value.to_str() else { continue };
            let header = Header { name: bytes(name.as_str()), value: bytes(value), is_constant: false };
            if few.is_full() || !many.is_empty() {
                many.extend(few.drain(..));
                many.push(header);
            } else {
                few.push(header);
            }
        }
        let headers = if many.is_empty() { few.as_slice() } else { many.as_slice() };
        let mut answer = Answer { limit_bytes, response: None };
        let request = library::Request {
            method: bytes(request.method.as_str()),
            path: bytes(request.path()),
            query: bytes(request.query()),
            headers: Headers::of(headers),
            body: library::Bytes::of(&request.body),
            respond,
            to: (&raw mut answer).cast(),
        };
        // SAFETY: everything in the request is borrowed from values that outlive the call.
        unsafe { (self.call)(&request) };
        answer.response.unwrap_or_else(|| Err(Cause::Internal("the library returned no response".into())))
    }
}

/// The file to load a library from.
enum Version {
    /// The library itself.
    First(PathBuf),
    /// A copy under another path. Given a path that it has loaded before, the loader answers with the library that lay
    /// there then.
    Later { path: PathBuf, _folder: TempDir },
}

impl Version {
    fn of(path: &Path, bytes: &[u8]) -> std::io::Result<Self> {
        /// The digests of all libraries that were loaded first from their paths.
        static FIRST: Mutex<BTreeMap<PathBuf, blake3::Hash>> = Mutex::new(BTreeMap::new());
        let digest = blake3::hash(bytes);
        // No code that can panic runs under the lock.
        let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        if *first.entry(path.to_owned()).or_insert(digest) == digest {
            return Ok(Self::First(path.to_owned()));
        }
        let folder = tempfile::tempdir()?;
        let copy = folder.path().join(path.file_name().unwrap_or_default());
        std::fs::write(&copy, bytes)?;
        Ok(Self::Later { path: copy, _folder: folder })
    }

    fn path(&self) -> &Path {
        match self {
            Self::First(path) | Self::Later { path, .. } => path,
        }
    }
}

/// A symbol of a library, which is named `libCRATE.so`.
fn symbol(prefix: &str, path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("{prefix}{}", name.strip_prefix("lib").unwrap_or(&name))
}

/// The place of an answer.
struct Answer {
    limit_bytes: u64,
    response: Option<Result<Response, Cause>>,
}

/// Copies a response of the library to its place.
unsafe extern "C" fn respond(to: *mut c_void, response: &library::Response) {
    // SAFETY: `to` is the `Answer` of the `Library::call` that waits for this, and nothing else
    // uses it meanwhile.
    let answer = unsafe { &mut *to.cast::<Answer>() };
    // SAFETY: the library keeps the response until this function returns.
    let (headers, body) = unsafe { (response.headers.get(), response.body.get()) };
    answer.response = Some(if body.len() as u64 > answer.limit_bytes {
        Err(Cause::ResponseTooLarge(answer.limit_bytes))
    } else if response.status == wire::THREW {
        Err(Cause::Threw(String::from_utf8_lossy(body).into_owned()))
    } else {
        let headers = headers.iter().map(copied);
        message::assemble(response.status, headers, Bytes::copy_from_slice(body))
    });
}

/// Name and value of a header. Constants are not copied.
fn copied(header: &Header) -> (&[u8], Bytes) {
    // SAFETY: the library keeps the response for as long as `header` is borrowed from it.
    let name = unsafe { header.name.get() };
    // SAFETY: the same; and a constant lives as long as the process, because the library stays
    // loaded.
    let value = unsafe {
        if header.is_constant {
            Bytes::from_static(header.value.get())
        } else {
            Bytes::copy_from_slice(header.value.get())
        }
    };
    (name, value)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, Method, Uri};

    use super::*;

    /// A library's side of a call: answers with what it was asked.
    unsafe extern "C" fn echo(request: &library::Request) {
        let handle = |request: &isolab_sdk::Request<'_>| {
            let text = format!(
                "{} {} {} {} {}",
                request.method,
                request.path,
                request.query,
                request.headers.len(),
                String::from_utf8_lossy(request.body)
            );
            let mut response = isolab_sdk::Response::text(201, text);
            let last = request.headers.last().map(|(name, value)| format!("{name}={value}"));
            response.headers.push(("x-last".into(), last.unwrap_or_default().into()));
            response
        };
        // SAFETY: the caller keeps to `library::Call`.
        unsafe { library::call(request, handle) };
    }

    fn request(headers: usize) -> Request {
        let header = |index: usize| {
            (
                HeaderName::from_bytes(format!("x-{index}").as_bytes()).unwrap(),
                index.to_string().parse().unwrap(),
            )
        };
        let headers = (0..headers).map(header).collect::<HeaderMap>();
        Request::new(Method::POST, Uri::from_static("/a/b?c=1"), headers, Bytes::from_static(b"body"))
    }

    #[test]
    fn a_request_of_any_size_arrives_and_its_answer_comes_back() {
        for headers in [0, 1, FEW_HEADERS, FEW_HEADERS + 1, 3 * FEW_HEADERS] {
            let response = Library { call: echo }.call(&request(headers), 100).unwrap();
            assert_eq!(response.status(), 201);
            assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
            let last = headers.checked_sub(1).map(|last| format!("x-{last}={last}")).unwrap_or_default();
            assert_eq!(response.headers()["x-last"], last.as_str());
            assert_eq!(*response.body(), format!("POST /a/b c=1 {headers} body"));
        }
    }

    #[test]
    fn a_response_beyond_its_limit_and_a_missing_one_are_errors() {
        unsafe extern "C" fn silent(_: &library::Request) {}
        let too_large = Library { call: echo }.call(&request(0), 3).unwrap_err();
        assert_eq!(too_large, Cause::ResponseTooLarge(3));
        let missing = Library { call: silent }.call(&request(0), 3).unwrap_err();
        assert!(matches!(missing, Cause::Internal(_)), "{missing}");
    }

    #[test]
    fn a_library_that_has_changed_is_loaded_beside_its_earlier_version() {
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("lib.rs"), folder.path().join("libversions.so"));
        let load = |version: u32| {
            let symbol = format!("{}versions", library::SYMBOL_PREFIX);
            let code = format!("#[unsafe(no_mangle)] pub extern \"C\" fn {symbol}() -> u32 {{ {version} }}");
            std::fs::write(&source, code).unwrap();
            let mut rustc = std::process::Command::new("rustc");
            rustc.args(["--edition", "2024", "--crate-type", "cdylib", "-o"]).args([&library, &source]);
            assert!(rustc.status().unwrap().success());
            let loaded = Library::load(&library, &std::fs::read(&library).unwrap()).unwrap();
            // SAFETY: the code above gives the symbol this type.
            unsafe { std::mem::transmute::<library::Call, extern "C" fn() -> u32>(loaded.call) }
        };
        let versions = [load(1), load(2), load(1)];
        assert_eq!(versions.map(|version| version()), [1, 2, 1]);
    }

    #[test]
    fn a_file_that_is_not_a_library_of_a_function_says_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.so");
        std::fs::write(&text, "text").unwrap();
        let error = Library::load(&text, b"text").err().unwrap().to_string();
        assert!(error.contains("text.so cannot be loaded"), "{error}");
        let foreign = Library::load(Path::new("libc.so.6"), b"").err().unwrap().to_string();
        assert!(foreign.contains("isolab_sdk::export!"), "{foreign}");
    }
}
