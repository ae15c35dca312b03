//! The functions that the scripts of the web API need from an embedder.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use isolab_webapi::{decode_utf8, parse_url, set_url};
use rquickjs::prelude::Opt;
use rquickjs::{Ctx, Exception, Function, Object, Result, TypedArray};

/// The functions of the host that an engine needs.
#[derive(Clone, Copy, Debug)]
pub struct Platform {
    /// Takes a line of the console: its level, and the text without a line break.
    pub log: fn(level: &str, text: &str),
    /// A seed for `Math.random`, a different one at every call.
    pub seed: fn() -> u64,
    /// The time since an origin, which never goes back.
    pub now: fn() -> Duration,
    /// Returns when at least this time is over.
    pub sleep: fn(Duration),
}

/// The first exception of a request that nothing caught, as text.
#[derive(Clone, Default)]
pub(crate) struct Uncaught(Rc<RefCell<Option<String>>>);

impl Uncaught {
    /// The exception, which is forgotten.
    pub(crate) fn take(&self) -> Option<String> {
        self.0.borrow_mut().take()
    }

    /// Whether there is an exception.
    pub(crate) fn is_some(&self) -> bool {
        self.0.borrow().is_some()
    }

    fn put(&self, text: String) {
        self.0.borrow_mut().get_or_insert(text);
    }
}

/// Puts `__host` on the global.
pub(crate) fn install(ctx: &Ctx<'_>, platform: Platform, uncaught: &Uncaught) -> Result<()> {
    let host = Object::new(ctx.clone())?;

    let parse = |href: String, base: Opt<Option<String>>| {
        parse_url(&href, base.0.flatten().as_deref()).map(Vec::from)
    };
    let set = |href: String, part: String, value: String| set_url(&href, &part, &value).map(Vec::from);
    let log = move |level: String, text: String| (platform.log)(&level, &text);
    host.set("parseUrl", Function::new(ctx.clone(), parse)?)?;
    host.set("setUrl", Function::new(ctx.clone(), set)?)?;
    host.set("encodeUtf8", Function::new(ctx.clone(), encode)?)?;
    host.set("decodeUtf8", Function::new(ctx.clone(), decode)?)?;
    host.set("log", Function::new(ctx.clone(), log)?)?;
    let uncaught = uncaught.clone();
    host.set("fail", Function::new(ctx.clone(), move |text: String| uncaught.put(text))?)?;
    ctx.globals().set("__host", host)
}

fn encode(ctx: Ctx<'_>, text: String) -> Result<TypedArray<'_, u8>> {
    TypedArray::new(ctx, text.into_bytes())
}

#[allow(clippy::needless_pass_by_value, reason = "rquickjs gives arguments by value")]
fn decode<'js>(ctx: Ctx<'js>, bytes: TypedArray<'js, u8>, fatal: bool, ignore_bom: bool) -> Result<String> {
    let detached = || Exception::throw_type(&ctx, "the bytes are gone: their ArrayBuffer is detached");
    // SAFETY: no script runs while the bytes are decoded.
    let bytes = unsafe { bytes.as_bytes() }.ok_or_else(detached)?;
    let text = decode_utf8(bytes, fatal, ignore_bom);
    text.map(Into::into).map_err(|error| Exception::throw_type(&ctx, &error.to_string()))
}
