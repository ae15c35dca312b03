//! The bytes of a snapshot.

use std::borrow::Cow;

/// Functions of this binary that a snapshot refers to by their index.
pub(crate) type References = fn() -> Cow<'static, [v8::ExternalReference]>;

/// A snapshot. Isolates made from it read it for as long as they live.
#[derive(Debug)]
pub(crate) struct Blob {
    bytes: Vec<u8>,
    references: References,
}

impl Blob {
    /// A snapshot that was made with these references.
    pub(crate) fn new(bytes: Vec<u8>, references: References) -> Self {
        Self { bytes, references }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Adds the snapshot to what an isolate is made with.
    ///
    /// # Safety
    /// The blob must not be dropped before the isolate has ended.
    pub(super) unsafe fn add_to(&self, params: v8::CreateParams) -> v8::CreateParams {
        // SAFETY: the caller keeps the bytes for as long as anybody reads them, and a blob
        // never changes them.
        let bytes: &'static [u8] =
            unsafe { std::slice::from_raw_parts(self.bytes.as_ptr(), self.bytes.len()) };
        params.snapshot_blob(v8::StartupData::from(bytes)).external_references((self.references)())
    }
}
