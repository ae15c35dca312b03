"use strict";
// Request: https://fetch.spec.whatwg.org/#request-class
((internal) => {
  const { bodyFrom, copyBody, expose, fillHeaders, hasHeader, hrefOf, isObject } = internal;
  const { mixBody, need, takeBody, typeFrom, wrapHeaders } = internal;

  // Only these scripts have it, so only they can make a request of raw parts.
  const RAW = Symbol("raw");
  const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  const NORMALISED = new Set(["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]);
  const FORBIDDEN = new Set(["CONNECT", "TRACE", "TRACK"]);

  function methodFrom(value) {
    const text = `${value}`;
    const upper = text.toUpperCase();
    if (!METHOD.test(text) || FORBIDDEN.has(upper)) {
      throw new TypeError(`${JSON.stringify(text)} is not a method of a request`);
    }
    return NORMALISED.has(upper) ? upper : text;
  }

  let partsOf;
  let take;
  let peek;
  let put;

  class Request {
    #method;
    #url;
    #list;
    #body;
    #used = false;
    #headers = undefined;

    static {
      partsOf = (value) => (isObject(value) && #method in value ? value.#parts() : undefined);
      peek = (request) => [request.#body, request.#used];
      take = (request) => {
        const body = takeBody(request.#body, request.#used);
        request.#used = body !== null;
        return body;
      };
      put = (request, body) => {
        request.#body = body;
      };
      internal.requestFrom = (method, url, list, body) => new Request(RAW, method, url, list, body);
    }

    // With RAW the parts follow; otherwise `method` is the RequestInit.
    constructor(input, method = undefined, url = undefined, list = undefined, body = undefined) {
      if (input !== RAW) {
        need(arguments, 1, "Request");
        [method, url, list, body] = partsFrom(input, method);
      }
      this.#method = method;
      this.#url = url;
      this.#list = list;
      this.#body = body;
    }

    get method() {
      return this.#method;
    }

    get url() {
      return this.#url;
    }

    get headers() {
      return (this.#headers ??= wrapHeaders(this.#list, false));
    }

    clone() {
      const [kept, copy] = copyBody(takeBody(this.#body, this.#used));
      this.#body = kept;
      return new Request(RAW, this.#method, this.#url, this.#list.slice(), copy);
    }

    #parts() {
      return { method: this.#method, url: this.#url, list: this.#list };
    }
  }

  /** `[method, url, headers, body]` of the public constructor's arguments. */
  function partsFrom(input, init = {}) {
    if (init !== null && !isObject(init)) throw new TypeError("a request's settings must be an object");
    const settings = init ?? {};
    const other = partsOf(input);
    const url = other?.url ?? hrefOf(input);
    const method = settings.method === undefined ? other?.method ?? "GET" : methodFrom(settings.method);
    const list = settings.headers === undefined ? other?.list.slice() ?? [] : [];
    if (settings.headers !== undefined) fillHeaders(list, settings.headers);
    return [method, url, list, requestBody(method, settings.body, list, other && input)];
  }

  function requestBody(method, init, list, other) {
    const given = init !== undefined && init !== null;
    const inherited = !given && other !== undefined && peek(other)[0] !== null;
    if ((given || inherited) && (method === "GET" || method === "HEAD")) {
      throw new TypeError(`a request with method ${method} cannot have a body`);
    }
    if (inherited) return take(other);
    if (!given) return null;
    const type = typeFrom(init);
    if (type !== null && !hasHeader(list, "content-type")) list.push("content-type", type);
    return bodyFrom(init);
  }

  Object.assign(internal, { partsOf, takeRequest: take });
  mixBody(Request, take, peek, put);
  expose(Request);
})(globalThis.__isolab);
