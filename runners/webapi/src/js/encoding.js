"use strict";
// TextEncoder and TextDecoder for UTF-8: https://encoding.spec.whatwg.org/
((internal) => {
  const { bytesOf, expose, host, isObject, need, usvString } = internal;

  // https://encoding.spec.whatwg.org/#names-and-labels, the row of UTF-8.
  const LABELS = new Set([
    "unicode-1-1-utf-8",
    "unicode11utf8",
    "unicode20utf8",
    "utf-8",
    "utf8",
    "x-unicode20utf8",
  ]);

  class TextEncoder {
    get encoding() {
      return "utf-8";
    }

    encode(input = "") {
      return host.encodeUtf8(usvString(input));
    }

    encodeInto(source, destination) {
      need(arguments, 2, "TextEncoder.encodeInto");
      const text = usvString(source);
      if (!(destination instanceof Uint8Array)) throw new TypeError("encodeInto writes to a Uint8Array");
      const end = prefixThatFits(text, destination.length);
      const bytes = host.encodeUtf8(text.slice(0, end));
      destination.set(bytes);
      return { read: end, written: bytes.length };
    }
  }

  /** How many UTF-16 units of `text` take at most `room` bytes, none cut in half. */
  function prefixThatFits(text, room) {
    let at = 0;
    while (at < text.length) {
      const code = text.codePointAt(at);
      room -= code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
      if (room < 0) break;
      at += code < 0x10000 ? 1 : 2;
    }
    return at;
  }

  class TextDecoder {
    #fatal;
    #ignoreBOM;
    /** The beginning of a character that a stream has not completed yet. */
    #held = new Uint8Array();
    /** Whether the stream is past the place of a byte order mark. */
    #begun = false;

    constructor(label = "utf-8", options = {}) {
      if (!LABELS.has(`${label}`.trim().toLowerCase())) {
        throw new RangeError(`the encoding ${JSON.stringify(`${label}`)} is not supported, only UTF-8 is`);
      }
      if (options !== null && !isObject(options)) throw new TypeError("the options must be an object");
      this.#fatal = Boolean(options?.fatal);
      this.#ignoreBOM = Boolean(options?.ignoreBOM);
    }

    get encoding() {
      return "utf-8";
    }

    get fatal() {
      return this.#fatal;
    }

    get ignoreBOM() {
      return this.#ignoreBOM;
    }

    decode(input = undefined, options = {}) {
      const bytes = input === undefined ? new Uint8Array() : bytesOf(input);
      if (bytes === undefined) throw new TypeError("only an ArrayBuffer or a view of one can be decoded");
      const all = this.#held.length === 0 ? bytes : joined(this.#held, bytes);
      const stream = Boolean(options?.stream);
      const held = stream ? unfinished(all) : 0;
      const keepMark = this.#ignoreBOM || this.#begun;
      // The state for the next call is set first, so that it holds after an error too.
      this.#begun = stream && (this.#begun || all.length > held);
      this.#held = all.slice(all.length - held);
      return host.decodeUtf8(all.subarray(0, all.length - held), this.#fatal, keepMark);
    }
  }

  function joined(first, second) {
    const bytes = new Uint8Array(first.length + second.length);
    bytes.set(first);
    bytes.set(second, first.length);
    return bytes;
  }

  /** How many bytes at the end begin a character that more bytes could complete. */
  function unfinished(bytes) {
    const most = Math.min(3, bytes.length);
    for (let count = 1; count <= most; count++) {
      const lead = bytes[bytes.length - count];
      if (lead >= 0x80 && lead < 0xc0) continue;
      return count < lengthOf(lead) && (count === 1 || mayFollow(lead, bytes[bytes.length - count + 1])) ? count : 0;
    }
    return 0;
  }

  function lengthOf(lead) {
    if (lead >= 0xc2 && lead < 0xe0) return 2;
    if (lead >= 0xe0 && lead < 0xf0) return 3;
    return lead >= 0xf0 && lead < 0xf5 ? 4 : 1;
  }

  // The bounds of the second byte: https://encoding.spec.whatwg.org/#utf-8-decoder
  function mayFollow(lead, second) {
    if (lead === 0xe0) return second >= 0xa0;
    if (lead === 0xed) return second < 0xa0;
    if (lead === 0xf0) return second >= 0x90;
    return lead !== 0xf4 || second < 0x90;
  }

  expose(TextEncoder);
  expose(TextDecoder);
})(globalThis.__isolab);
