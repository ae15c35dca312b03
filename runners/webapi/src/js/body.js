"use strict";
// Shared by Request and Response: https://fetch.spec.whatwg.org/#body-mixin
//
// A body is a string, a Uint8Array, null, or a flow where streams.js is evaluated. A string is
// converted only when a handler reads its bytes: the host encodes a response's string as UTF-8 itself.
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
    const flow = internal.flows?.from(init);
    if (flow !== undefined) return flow;
    if (isObject(init) && (typeof init.getReader === "function" || init[Symbol.asyncIterator] !== undefined)) {
      throw new TypeError("streams are not supported as bodies: collect the data in a string or in bytes");
    }
    return `${init}`;
  };

  /** The media type of a BodyInit, or null. */
  internal.typeFrom = (init) => {
    if (typeof init === "string") return TEXT;
    if (bytesOf(init) !== undefined || internal.flows?.from(init) !== undefined) return null;
    return isSearchParams(init) ? FORM : TEXT;
  };

  const isFlow = (body) => internal.flows !== undefined && internal.flows.is(body);

  /** `[body, copy]` of a body. Both can be read. */
  internal.copyBody = (body) => {
    if (isFlow(body)) return internal.flows.clone(body);
    return [body, typeof body === "object" && body !== null ? body.slice() : body];
  };

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

  const asJson = (body) => JSON.parse(asText(body));

  internal.asBytes = asBytes;

  function asArrayBuffer(body) {
    const { buffer, byteOffset, byteLength } = asBytes(body);
    return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
  }

  /**
   * Gives a class the methods that read a body. `take(self)` answers it and marks
   * it as used, or throws; `peek(self)` answers `[body, used]`; `put(self, body)` replaces it.
   */
  internal.mixBody = (Class, take, peek, put) => {
    const read = (self, as) => {
      const body = take(self);
      return isFlow(body) ? internal.flows.collect(body).then(as) : as(body);
    };
    const streamOf = (self, body, used) => {
      if (isFlow(body)) return body.stream;
      const flow = internal.flows.of(asBytes(body));
      // A body that has been read shows a stream that has been read.
      if (used) flow.stream.cancel();
      else put(self, flow);
      return flow.stream;
    };
    const unsupported = (what) => new TypeError(`${what} is not supported: use text(), json(), bytes() or arrayBuffer()`);
    const methods = {
      async arrayBuffer() {
        return read(this, asArrayBuffer);
      },
      async bytes() {
        return read(this, asBytes);
      },
      async json() {
        return read(this, asJson);
      },
      async text() {
        return read(this, asText);
      },
      async blob() {
        throw unsupported("blob()");
      },
      async formData() {
        throw unsupported("formData()");
      },
      get body() {
        const [body, used] = peek(this);
        if (body === null) return null;
        if (internal.flows === undefined) throw unsupported("a body's stream");
        return streamOf(this, body, used);
      },
      get bodyUsed() {
        const [body, used] = peek(this);
        return used || (isFlow(body) && body.isDisturbed);
      },
    };
    Object.defineProperties(Class.prototype, Object.getOwnPropertyDescriptors(methods));
  };

  internal.takeBody = (body, used) => {
    if (used) throw new TypeError("the body has been read already");
    if (isFlow(body) && body.isTaken) throw new TypeError("the body's stream has been read already, or is locked");
    return body;
  };
})(globalThis.__isolab);
