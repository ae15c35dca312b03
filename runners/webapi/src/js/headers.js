"use strict";
// Headers: https://fetch.spec.whatwg.org/#headers-class
//
// A list of headers is one flat array: name, value, name, value. The host uses the same form, so
// most requests need no Headers object.
((internal) => {
  const { expose, isObject, makeIterable, need, pairOf } = internal;

  const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  // Nearly all values match this: nothing to strip, and nothing to refuse.
  const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
  const OUTER_SPACE = /^[\t\n\r ]+|[\t\n\r ]+$/g;
  const REFUSED = /[\0\n\r]|[^\0-\xff]/;

  // The same few names come with every response. The bound keeps a handler that invents names
  // from filling the memory.
  const MOST_KNOWN_NAMES = 64;
  const knownNames = new Map();

  function normalName(name) {
    const known = knownNames.get(name);
    if (known !== undefined) return known;
    const text = `${name}`;
    if (!TOKEN.test(text)) throw new TypeError(`${JSON.stringify(text)} is not a header name`);
    const lower = text.toLowerCase();
    if (knownNames.size < MOST_KNOWN_NAMES) knownNames.set(text, lower);
    return lower;
  }

  function normalValue(value) {
    const text = `${value}`;
    if (PLAIN.test(text)) return text;
    const stripped = text.replace(OUTER_SPACE, "");
    if (REFUSED.test(stripped)) throw new TypeError(`${JSON.stringify(text)} is not a header value`);
    return stripped;
  }

  function find(list, name) {
    for (let i = 0; i < list.length; i += 2) if (list[i] === name) return i;
    return -1;
  }

  function combined(list, name) {
    const first = find(list, name);
    if (first < 0) return null;
    let value = list[first + 1];
    for (let i = first + 2; i < list.length; i += 2) if (list[i] === name) value += `, ${list[i + 1]}`;
    return value;
  }

  /** Removes `name` from `start` on, in place: a Headers object and its owner share the list. */
  function remove(list, name, start) {
    let end = start;
    for (let i = start; i < list.length; i += 2) {
      if (list[i] === name) continue;
      list[end] = list[i];
      list[end + 1] = list[i + 1];
      end += 2;
    }
    list.length = end;
  }

  /** Appends the headers of a HeadersInit. */
  function fill(list, init) {
    if (!isObject(init)) throw new TypeError("headers must be an object, a list of pairs or Headers");
    const other = init instanceof Headers ? listOf(init) : undefined;
    if (other !== undefined) {
      for (const item of other) list.push(item);
    } else if (init[Symbol.iterator] == null) {
      // Web IDL refuses symbols as keys. Looking for them would take longer than all the rest.
      for (const [name, value] of Object.entries(init)) list.push(normalName(name), normalValue(value));
    } else {
      for (const item of init) {
        const [name, value] = pairOf(item, "headers");
        list.push(normalName(name), normalValue(value));
      }
    }
  }

  /** Pairs in the order of names, values of one name combined; cookies stay apart. */
  function sortAndCombine(list) {
    const names = [...new Set(list.filter((_, index) => index % 2 === 0))].sort();
    return names.flatMap((name) =>
      name === "set-cookie"
        ? cookies(list).map((value) => [name, value])
        : [[name, combined(list, name)]]);
  }

  function cookies(list) {
    return list.filter((_, index) => index % 2 === 1 && list[index - 1] === "set-cookie");
  }

  let listOf;
  let entryAt;

  class Headers {
    #list = [];
    #immutable = false;
    #sorted = undefined;

    static {
      listOf = (headers) => (#list in headers ? headers.#list : undefined);
      entryAt = (headers, index) => {
        headers.#sorted ??= sortAndCombine(headers.#list);
        const entry = headers.#sorted[index];
        return entry && [entry[0], entry[1]];
      };
      internal.wrapHeaders = (list, immutable) => {
        const headers = new Headers();
        headers.#list = list;
        headers.#immutable = immutable;
        return headers;
      };
    }

    constructor(init = undefined) {
      if (init !== undefined) fill(this.#list, init);
    }

    append(name, value) {
      need(arguments, 2, "Headers.append");
      const [key, text] = [normalName(name), normalValue(value)];
      this.#change().push(key, text);
    }

    delete(name) {
      need(arguments, 1, "Headers.delete");
      const key = normalName(name);
      remove(this.#change(), key, 0);
    }

    get(name) {
      need(arguments, 1, "Headers.get");
      return combined(this.#list, normalName(name));
    }

    getSetCookie() {
      return cookies(this.#list);
    }

    has(name) {
      need(arguments, 1, "Headers.has");
      return find(this.#list, normalName(name)) >= 0;
    }

    set(name, value) {
      need(arguments, 2, "Headers.set");
      const [key, text] = [normalName(name), normalValue(value)];
      const list = this.#change();
      const first = find(list, key);
      if (first < 0) {
        list.push(key, text);
      } else {
        list[first + 1] = text;
        remove(list, key, first + 2);
      }
    }

    #change() {
      if (this.#immutable) throw new TypeError("these headers are immutable");
      this.#sorted = undefined;
      return this.#list;
    }
  }

  makeIterable(Headers, entryAt);
  expose(Headers);
  Object.assign(internal, { fillHeaders: fill, hasHeader: (list, name) => find(list, name) >= 0 });
})(globalThis.__isolab);
