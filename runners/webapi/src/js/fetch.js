"use strict";
// fetch: https://fetch.spec.whatwg.org/#fetch-method
//
// Only for granted hosts and plain HTTP. A redirect is an answer like others, and an encoded body
// stays encoded.
((internal) => {
  const { asBytes, flows, host, partsOf, responseFrom, takeRequest } = internal;

  function send(request, resolve, reject) {
    const { method, url, list } = partsOf(request);
    const body = takeRequest(request);
    const isFlow = flows.is(body);
    const answered = (error, status, statusText, headers, number) => {
      if (error !== undefined) return reject(new TypeError(error));
      const flow = number === undefined ? null : flows.fromHost(number);
      resolve(responseFrom(status, statusText, url, headers, flow));
    };
    const bytes = body === null || isFlow ? null : asBytes(body);
    const number = host.fetch(method, url.split("#", 1)[0], list, bytes, isFlow, answered);
    if (isFlow) flows.upload(body, number);
  }

  const functions = {
    async fetch(input, init = undefined) {
      internal.need(arguments, 1, "fetch");
      const request = new Request(input, init);
      return new Promise((resolve, reject) => send(request, resolve, reject));
    },
  };
  Object.defineProperty(globalThis, "fetch", {
    configurable: true,
    enumerable: true,
    writable: true,
    value: functions.fetch,
  });
})(globalThis.__isolab);
