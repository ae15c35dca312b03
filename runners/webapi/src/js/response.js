"use strict";
// Response: https://fetch.spec.whatwg.org/#response-class
((internal) => {
  const { bodyFrom, copyBody, expose, fillHeaders, hasHeader, isObject } = internal;
  const { mixBody, need, takeBody, typeFrom, usvString, wrapHeaders } = internal;

  const NULL_BODY = new Set([101, 103, 204, 205, 304]);
  const REDIRECT = new Set([301, 302, 303, 307, 308]);
  // https://www.rfc-editor.org/rfc/rfc9112#name-status-line: reason-phrase
  const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;

  // Web IDL's `unsigned short`: modulo 2^16.
  const statusFrom = (value) => value & 0xffff;

  let take;
  let peek;
  let put;

  class Response {
    #status = 200;
    #statusText = "";
    #list = [];
    #body = null;
    #used = false;
    #headers = undefined;
    #type = "default";
    #url = "";

    static {
      peek = (response) => [response.#body, response.#used];
      take = (response) => {
        const body = takeBody(response.#body, response.#used);
        response.#used = body !== null;
        return body;
      };
      put = (response, body) => {
        response.#body = body;
      };
      internal.responseFrom = (status, statusText, url, list, body) => {
        const response = new Response();
        response.#status = status;
        response.#statusText = statusText;
        response.#url = url;
        response.#list = list;
        response.#headers = wrapHeaders(list, true);
        response.#body = NULL_BODY.has(status) ? null : body;
        return response;
      };
      internal.flatten = (response) => {
        if (!isObject(response) || !(#status in response)) {
          throw new TypeError("the handler's answer is not a Response");
        }
        if (response.#status === 0) throw new TypeError("the handler's answer is an error response");
        const body = take(response);
        const { flows } = internal;
        const isFlow = flows !== undefined && flows.is(body);
        return [response.#status, response.#list, isFlow ? flows.answer(body) : body];
      };
    }

    constructor(body = null, init = undefined) {
      if (init !== undefined && init !== null) this.#set(init);
      if (body !== null) this.#give(bodyFrom(body), typeFrom(body));
    }

    static error() {
      const response = new Response();
      response.#type = "error";
      response.#status = 0;
      response.#headers = wrapHeaders(response.#list, true);
      return response;
    }

    static json(data, init = undefined) {
      need(arguments, 1, "Response.json");
      const text = JSON.stringify(data);
      if (text === undefined) throw new TypeError("the value has no form in JSON");
      const response = new Response(null, init);
      response.#give(text, "application/json");
      return response;
    }

    static redirect(url, status = 302) {
      need(arguments, 1, "Response.redirect");
      const { href } = new URL(usvString(url));
      const code = statusFrom(status);
      if (!REDIRECT.has(code)) throw new RangeError(`${status} is not the status of a redirect`);
      const response = new Response(null, { status: code });
      response.#list.push("location", href);
      response.#headers = wrapHeaders(response.#list, true);
      return response;
    }

    get type() {
      return this.#type;
    }

    get url() {
      return this.#url;
    }

    get redirected() {
      return false;
    }

    get status() {
      return this.#status;
    }

    get ok() {
      return this.#status >= 200 && this.#status < 300;
    }

    get statusText() {
      return this.#statusText;
    }

    get headers() {
      return (this.#headers ??= wrapHeaders(this.#list, false));
    }

    clone() {
      const [kept, body] = copyBody(takeBody(this.#body, this.#used));
      this.#body = kept;
      const copy = new Response();
      copy.#type = this.#type;
      copy.#url = this.#url;
      copy.#status = this.#status;
      copy.#statusText = this.#statusText;
      copy.#list = this.#list.slice();
      copy.#body = body;
      return copy;
    }

    #set(init) {
      if (!isObject(init)) throw new TypeError("a response's settings must be an object");
      const { headers, status, statusText } = init;
      if (status !== undefined) {
        const code = statusFrom(status);
        if (code < 200 || code > 599) throw new RangeError(`${status} is not the status of a response`);
        this.#status = code;
      }
      if (statusText !== undefined) {
        this.#statusText = `${statusText}`;
        if (!REASON.test(this.#statusText)) throw new TypeError("the status text has characters that HTTP forbids");
      }
      if (headers !== undefined) fillHeaders(this.#list, headers);
    }

    #give(body, type) {
      if (NULL_BODY.has(this.#status)) throw new TypeError(`a response of status ${this.#status} has no body`);
      this.#body = body;
      if (type !== null && !hasHeader(this.#list, "content-type")) this.#list.push("content-type", type);
    }
  }

  mixBody(Response, take, peek, put);
  expose(Response);
})(globalThis.__isolab);
