"use strict";
// Shared by Request and Response: https://fetch.spec.whatwg.org/#body-mixin
//
// A body is a string, a Uint8Array or null. A string is converted only when a handler reads its
// bytes: the host encodes a response's string as UTF-8 itself.
((internal) => {
  const { bytesOf, host, isObject, isSearchParams } = internal;

  const TEXT = "text/plain;charset=UTF-8";
  const FORM = "application/x-www-form-urlencoded;charset=UTF-8";
  const MARK = 0xfeff;

  /** The body of a BodyInit. */
  internal.bodyFrom = (init) => {
    if (typeof init === "string") return init;
    const bytes = bytesOf(init);
    if (bytes !== undefined) return bytes.slice();
    if (isObject(init) && (typeof init.getReader === "function" || init[Symbol.asyncIterator] !== undefined)) {
      throw new TypeError("streams are not supported as bodies: collect the data in a string or in bytes");
    }
    return `${init}`;
  };

  /** The media type of a BodyInit, or null. */
  internal.typeFrom = (init) => {
    if (typeof init === "string") return TEXT;
    if (bytesOf(init) !== undefined) return null;
    return isSearchParams(init) ? FORM : TEXT;
  };

  internal.copyBody = (body) => (typeof body === "object" && body !== null ? body.slice() : body);

  // "UTF-8 decode" drops a byte order mark: encoding the string would turn its U+FEFF into one.
  function asText(body) {
    if (body === null) return "";
    if (typeof body !== "string") return host.decodeUtf8(body, false, false);
    const text = body.toWellFormed();
    return text.charCodeAt(0) === MARK ? text.slice(1) : text;
  }

  function asBytes(body) {
    if (body === null) return new Uint8Array();
    return typeof body === "string" ? host.encodeUtf8(body.toWellFormed()) : body;
  }

  function asArrayBuffer(body) {
    const { buffer, byteOffset, byteLength } = asBytes(body);
    return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
  }

  /**
   * Gives a class the methods that read a body. `take(self)` answers it and marks
   * it as used, or throws; `peek(self)` answers `[body, used]`.
   */
  internal.mixBody = (Class, take, peek) => {
    const unsupported = (what) => new TypeError(`${what} is not supported: use text(), json(), bytes() or arrayBuffer()`);
    const methods = {
      async arrayBuffer() {
        return asArrayBuffer(take(this));
      },
      async bytes() {
        return asBytes(take(this));
      },
      async json() {
        return JSON.parse(asText(take(this)));
      },
      async text() {
        return asText(take(this));
      },
      async blob() {
        throw unsupported("blob()");
      },
      async formData() {
        throw unsupported("formData()");
      },
      get body() {
        if (peek(this)[0] === null) return null;
        throw unsupported("a body's stream");
      },
      get bodyUsed() {
        return peek(this)[1];
      },
    };
    Object.defineProperties(Class.prototype, Object.getOwnPropertyDescriptors(methods));
  };

  internal.takeBody = (body, used) => {
    if (used) throw new TypeError("the body has been read already");
    return body;
  };
})(globalThis.__isolab);
