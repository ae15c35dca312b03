
const BYTES = new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff]);

function bodies(init) {
  return [new Response(init), new Request("http://h/", { method: "POST", body: init })];
}

test("a body is read as text, JSON, bytes and buffer", async () => {
  for (const body of bodies('{"a":"ü"}')) equal(await body.text(), '{"a":"ü"}');
  for (const body of bodies('{"a":"ü"}')) equal(await body.json(), { a: "ü" });
  for (const body of bodies("ü")) equal(await body.arrayBuffer(), new Uint8Array([0xc3, 0xbc]).buffer);
  for (const body of bodies(BYTES)) equal(await body.arrayBuffer(), BYTES.buffer);
});

test("text drops a byte order mark and replaces malformed UTF-8", async () => {
  for (const body of bodies(BYTES)) equal(await body.text(), "a\ufffd");
  for (const body of bodies("\ufeffa\ud800")) equal(await body.text(), "a\ufffd");
  for (const body of bodies("\ufeff1")) equal(await body.json(), 1);
});

test("text drops one byte order mark only", async () => {
  for (const body of bodies("\ufeff\ufeffa")) equal(await body.text(), "\ufeffa");
});

test("a body is read once", async () => {
  for (const body of bodies("a")) {
    equal(body.bodyUsed, false);
    const reading = body.text();
    equal(body.bodyUsed, true);
    await reading;
    for (const method of ["text", "json", "arrayBuffer"]) await rejects(TypeError, body[method]());
    throws(TypeError, () => body.clone());
  }
});

test("no body is empty and never used", async () => {
  for (const body of [new Response(), new Response(null), new Response(undefined), new Request("http://h/")]) {
    equal([await body.text(), await body.text(), body.bodyUsed, body.body], ["", "", false, null]);
    equal((await body.arrayBuffer()).byteLength, 0);
    await rejects(SyntaxError, body.json());
  }
});

test("malformed JSON rejects with a SyntaxError", async () => {
  for (const text of ["", "{", "a", "{} x", "\u00a0"]) for (const body of bodies(text)) await rejects(SyntaxError, body.json());
});

test("a body keeps what its source was when it was made", async () => {
  const source = new Uint8Array([1, 2, 3, 4]);
  const response = new Response(source.subarray(1, 3));
  source.fill(9);
  const buffer = await response.arrayBuffer();
  equal([buffer, buffer.byteLength], [new Uint8Array([2, 3]).buffer, 2]);
  equal(await new Response(new Uint16Array([0x6261]).buffer).text(), "ab");
  equal(await new Response(new DataView(new Uint8Array([97, 98, 99]).buffer, 1, 1)).text(), "b");
});

test("a clone is a body of its own", async () => {
  for (const body of bodies(new Uint8Array([1, 2]))) {
    const clone = body.clone();
    new Uint8Array(await body.arrayBuffer()).fill(9);
    equal([await clone.arrayBuffer(), body.bodyUsed], [new Uint8Array([1, 2]).buffer, true]);
  }
});

test("a body brings its type along", async () => {
  const type = (init, headers) => new Response(init, { headers }).headers.get("content-type");
  equal(type("a"), "text/plain;charset=UTF-8");
  equal(type(new URLSearchParams("a=b")), "application/x-www-form-urlencoded;charset=UTF-8");
  equal(type(new Uint8Array(1)), null);
  equal(type(null), null);
  equal(type("a", { "Content-Type": "x/y" }), "x/y");
  equal(type(12), "text/plain;charset=UTF-8");
  for (const body of bodies(new URLSearchParams("a=b c"))) equal(await body.text(), "a=b+c");
  for (const body of bodies(12)) equal(await body.text(), "12");
});

test("a request has method, URL and headers", () => {
  const request = new Request("HTTP://H/a/../b?c#d", { method: "post", headers: { A: "1" }, body: "x" });
  equal([request.method, request.url, request.headers.get("a")], ["POST", "http://h/b?c#d", "1"]);
  equal(request.headers === request.headers, true);
  equal(new Request("http://h/").method, "GET");
  equal(new Request(new URL("http://h/x")).url, "http://h/x");
  equal(new Request("http://h/", { method: "pAtCh" }).method, "pAtCh");
  equal(Object.prototype.toString.call(request), "[object Request]");
});

test("requests that cannot be sent are refused", () => {
  for (const method of ["", "a b", "CONNECT", "trace", "Track"]) {
    throws(TypeError, () => new Request("http://h/", { method }));
  }
  throws(TypeError, () => new Request("http://h/", { body: "x" }));
  throws(TypeError, () => new Request("http://h/", { method: "head", body: "x" }));
  throws(TypeError, () => new Request("http://me:pw@h/"));
  throws(TypeError, () => new Request("http://"));
  throws(TypeError, () => new Request());
  throws(TypeError, () => new Request("http://h/", 1));
});

test("a request is made of another", async () => {
  const first = new Request("http://h/", { method: "PUT", headers: { a: "1" }, body: "x" });
  const second = new Request(first, { headers: { b: "2" } });
  equal([second.method, second.headers.get("a"), second.headers.get("b"), first.bodyUsed], ["PUT", null, "2", true]);
  throws(TypeError, () => new Request(first));
  const third = new Request(second, { body: "y" });
  equal([await third.text(), second.bodyUsed, await second.text()], ["y", false, "x"]);
  const copy = new Request(new Request("http://h/", { headers: { a: "1" } }));
  equal([copy.headers.get("a"), copy.method], ["1", "GET"]);
  throws(TypeError, () => new Request(new Request("http://h/", { method: "PUT", body: "x" }), { method: "GET" }));
});

test("headers of a clone are its own", () => {
  const request = new Request("http://h/", { headers: { a: "1" } });
  const clone = request.clone();
  clone.headers.set("a", "2");
  equal([request.headers.get("a"), clone.headers.get("a"), clone.url], ["1", "2", "http://h/"]);
});
