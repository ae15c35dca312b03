"use strict";
// URL: https://url.spec.whatwg.org/#url-class. The host parses and serialises.
((internal) => {
  const { expose, host, need, paramsOf, resetParams, usvString } = internal;

  // In the order in which the host returns them.
  const PARTS = [
    "href",
    "origin",
    "protocol",
    "username",
    "password",
    "host",
    "hostname",
    "port",
    "pathname",
    "search",
    "hash",
  ];
  const HREF = PARTS.indexOf("href");
  const SEARCH = PARTS.indexOf("search");

  // The URL of nearly every request. If parsing would change nothing (no dot segment, nothing to
  // encode, no empty query), its parts are cut out here, which is cheaper than eleven strings
  // from the host.
  const PLAIN = /^http:\/\/localhost(\/[\w~!$&'()*+,;=:@/-]*)(\?[\w~!$&()*+,;=:@/?.%-]+)?$/;

  function parsePlain(text) {
    const match = PLAIN.exec(text);
    if (match === null) return null;
    const [href, path, search = ""] = match;
    return [href, "http://localhost", "http:", "", "", "localhost", "localhost", "", path, search, ""];
  }

  function parse(url, base) {
    const text = usvString(url);
    if (base !== undefined) return host.parseUrl(text, usvString(base));
    return parsePlain(text) ?? host.parseUrl(text, undefined);
  }

  let get;
  let set;

  class URL {
    #parts;
    #params = undefined;

    static {
      get = (url, index) => url.#parts[index];
      set = (url, index, value) => {
        const parts = host.setUrl(url.#parts[HREF], PARTS[index], usvString(value));
        if (parts == null) throw new TypeError(`Invalid URL: ${value}`);
        url.#parts = parts;
        if (url.#params !== undefined && (index === HREF || index === SEARCH)) {
          resetParams(url.#params, parts[SEARCH].slice(1));
        }
      };
      internal.hrefOf = (input) => {
        const url = new URL(input);
        if (url.username !== "" || url.password !== "") {
          throw new TypeError(`a URL with a user name or a password cannot be requested: ${input}`);
        }
        return url.href;
      };
    }

    constructor(url, base = undefined) {
      need(arguments, 1, "URL");
      const parts = parse(url, base);
      if (parts == null) throw new TypeError(`Invalid URL: ${url}`);
      this.#parts = parts;
    }

    static canParse(url, base = undefined) {
      need(arguments, 1, "URL.canParse");
      return parse(url, base) != null;
    }

    static parse(url, base = undefined) {
      need(arguments, 1, "URL.parse");
      return URL.canParse(url, base) ? new URL(url, base) : null;
    }

    get searchParams() {
      this.#params ??= paramsOf(this.#parts[SEARCH].slice(1), (query) => {
        const parts = host.setUrl(this.#parts[HREF], "search", query);
        if (parts == null) throw new TypeError("The URL is too long with these parameters");
        this.#parts = parts;
      });
      return this.#params;
    }

    toString() {
      return this.#parts[HREF];
    }

    toJSON() {
      return this.#parts[HREF];
    }
  }

  for (const [index, part] of PARTS.entries()) {
    const accessors = {
      get() {
        return get(this, index);
      },
      set(value) {
        set(this, index, value);
      },
    };
    if (part === "origin") delete accessors.set;
    Object.defineProperty(URL.prototype, part, { configurable: true, ...accessors });
  }

  expose(URL);
})(globalThis.__isolab);
