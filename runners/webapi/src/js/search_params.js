"use strict";
// URLSearchParams: https://url.spec.whatwg.org/#interface-urlsearchparams
((internal) => {
  const { expose, host, isObject, makeIterable, need, pairOf, usvString } = internal;

  /** https://url.spec.whatwg.org/#concept-urlencoded-parser, as a list of pairs. */
  function parse(query) {
    const list = [];
    for (let start = 0; start < query.length; ) {
      const next = query.indexOf("&", start);
      const end = next < 0 ? query.length : next;
      const sign = query.indexOf("=", start);
      if (sign >= 0 && sign < end) {
        list.push([decode(query.slice(start, sign)), decode(query.slice(sign + 1, end))]);
      } else if (start < end) {
        list.push([decode(query.slice(start, end)), ""]);
      }
      start = end + 1;
    }
    return list;
  }

  function decode(text) {
    const spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
    if (!spaced.includes("%")) return spaced;
    try {
      return decodeURIComponent(spaced);
    } catch {
      // A stray `%`, or bytes that are not UTF-8, are errors to ECMAScript only.
      return host.decodeUtf8(percentDecode(host.encodeUtf8(spaced)), false, true);
    }
  }

  function percentDecode(bytes) {
    const isHex = (byte) => (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
    let end = 0;
    for (let i = 0; i < bytes.length; i++, end++) {
      if (bytes[i] === 0x25 && isHex(bytes[i + 1]) && isHex(bytes[i + 2])) {
        bytes[end] = parseInt(String.fromCharCode(bytes[i + 1], bytes[i + 2]), 16);
        i += 2;
      } else {
        bytes[end] = bytes[i];
      }
    }
    return bytes.subarray(0, end);
  }

  // The characters that encodeURIComponent leaves and the standard's percent-encode set encodes.
  function encode(text) {
    return encodeURIComponent(text)
      .replace(/[!'()~]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll("%20", "+");
  }

  function serialise(list) {
    return list.map(([name, value]) => `${encode(name)}=${encode(value)}`).join("&");
  }

  function listFrom(init) {
    if (!isObject(init)) {
      const query = usvString(init);
      return parse(query.startsWith("?") ? query.slice(1) : query);
    }
    const iterate = init[Symbol.iterator];
    const pairs = iterate == null ? Object.entries(init) : [...init].map((item) => pairOf(item, "URLSearchParams"));
    const list = pairs.map(([name, value]) => [usvString(name), usvString(value)]);
    // Replacing lone surrogates can make two names of a record equal; the last one wins.
    return iterate == null ? [...new Map(list)] : list;
  }

  let entryAt;

  class URLSearchParams {
    #list;
    /** Updates the URL that owns these parameters. */
    #changed = undefined;

    static {
      entryAt = (params, index) => {
        const entry = params.#list[index];
        return entry && [entry[0], entry[1]];
      };
      internal.isSearchParams = (value) => internal.isObject(value) && #list in value;
      internal.paramsOf = (query, changed) => {
        const params = new URLSearchParams();
        params.#list = parse(query);
        params.#changed = changed;
        return params;
      };
      internal.resetParams = (params, query) => {
        params.#list = parse(query);
      };
    }

    constructor(init = "") {
      this.#list = init === "" ? [] : listFrom(init);
    }

    get size() {
      return this.#list.length;
    }

    append(name, value) {
      need(arguments, 2, "URLSearchParams.append");
      this.#list.push([usvString(name), usvString(value)]);
      this.#update();
    }

    delete(name, value = undefined) {
      need(arguments, 1, "URLSearchParams.delete");
      const matches = matcher(name, value);
      this.#list = this.#list.filter((entry) => !matches(entry));
      this.#update();
    }

    get(name) {
      need(arguments, 1, "URLSearchParams.get");
      const key = usvString(name);
      for (const entry of this.#list) if (entry[0] === key) return entry[1];
      return null;
    }

    getAll(name) {
      need(arguments, 1, "URLSearchParams.getAll");
      return this.#list.filter(matcher(name)).map(([, value]) => value);
    }

    has(name, value = undefined) {
      need(arguments, 1, "URLSearchParams.has");
      return this.#list.some(matcher(name, value));
    }

    set(name, value) {
      need(arguments, 2, "URLSearchParams.set");
      const [key, text] = [usvString(name), usvString(value)];
      const first = this.#list.findIndex(matcher(key));
      if (first < 0) {
        this.#list.push([key, text]);
      } else {
        this.#list[first][1] = text;
        this.#list = this.#list.filter((entry, index) => index <= first || entry[0] !== key);
      }
      this.#update();
    }

    sort() {
      this.#list.sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0));
      this.#update();
    }

    toString() {
      return serialise(this.#list);
    }

    #update() {
      this.#changed?.(serialise(this.#list));
    }
  }

  function matcher(name, value = undefined) {
    const key = usvString(name);
    if (value === undefined) return (entry) => entry[0] === key;
    const text = usvString(value);
    return (entry) => entry[0] === key && entry[1] === text;
  }

  makeIterable(URLSearchParams, entryAt);
  expose(URLSearchParams);
})(globalThis.__isolab);
