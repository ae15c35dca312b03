
test("a response has status, text and headers", () => {
  const response = new Response("a", { status: 404, statusText: "Gone?", headers: [["a", "1"], ["a", "2"]] });
  equal([response.status, response.statusText, response.ok, response.headers.get("a")], [404, "Gone?", false, "1, 2"]);
  const plain = new Response();
  equal([plain.status, plain.statusText, plain.ok, plain.type, plain.url, plain.redirected],
    [200, "", true, "default", "", false]);
  equal(Object.prototype.toString.call(plain), "[object Response]");
  equal(plain.headers === plain.headers, true);
  equal([new Response("", { status: 299 }).ok, new Response("", { status: 300 }).ok], [true, false]);
});

test("a status outside of 200 to 599 is a RangeError", () => {
  for (const status of [0, 99, 100, 101, 199, 600, 1000, -1, "x", NaN, null]) {
    throws(RangeError, () => new Response("", { status }));
  }
  equal(new Response(null, { status: "201" }).status, 201);
  equal(new Response(null, { status: 200.9 }).status, 200);
  equal(new Response(null, { status: undefined }).status, 200);
  equal(new Response(null, { status: 65536 + 200 }).status, 200);
});

test("a status without a body refuses one", () => {
  for (const status of [204, 205, 304]) {
    throws(TypeError, () => new Response("", { status }));
    equal(new Response(null, { status }).status, status);
  }
  throws(TypeError, () => Response.json({}, { status: 204 }));
});

test("invalid settings are refused", () => {
  throws(TypeError, () => new Response("", 1));
  throws(TypeError, () => new Response("", { statusText: "a\nb" }));
  throws(TypeError, () => new Response("", { statusText: "Ā" }));
  throws(TypeError, () => new Response("", { headers: { "a b": "1" } }));
  throws(TypeError, () => new Response("", { headers: null }));
  throws(TypeError, () => Response());
  equal(new Response("", null).status, 200);
});

test("headers may be changed", () => {
  const response = new Response("a");
  response.headers.set("Content-Type", "x/y");
  response.headers.append("a", "1");
  response.headers.delete("absent");
  equal([...response.headers], [["a", "1"], ["content-type", "x/y"]]);
});

test("Response.json serialises", async () => {
  const response = Response.json({ a: [1, "ü"] }, { status: 201, headers: { b: "2" } });
  equal([response.status, response.headers.get("content-type"), response.headers.get("b")],
    [201, "application/json", "2"]);
  equal(await response.text(), '{"a":[1,"ü"]}');
  equal(Response.json(1, { headers: { "content-type": "a/b" } }).headers.get("content-type"), "a/b");
  throws(TypeError, () => Response.json(undefined));
  throws(TypeError, () => Response.json(() => 1));
  throws(TypeError, () => Response.json(1n));
  throws(TypeError, () => Response.json());
  const circle = {};
  circle.circle = circle;
  throws(TypeError, () => Response.json(circle));
});

test("Response.redirect and Response.error", () => {
  const response = Response.redirect("http://h/a b", 301);
  equal([response.status, response.headers.get("location"), response.body], [301, "http://h/a%20b", null]);
  equal(Response.redirect("http://h/").status, 302);
  throws(TypeError, () => response.headers.set("a", "b"));
  throws(RangeError, () => Response.redirect("http://h/", 200));
  throws(TypeError, () => Response.redirect("nonsense"));
  const error = Response.error();
  equal([error.type, error.status, error.ok], ["error", 0, false]);
  throws(TypeError, () => error.headers.append("a", "b"));
});

test("a clone has everything of its own", async () => {
  const response = new Response("a", { status: 201, statusText: "Made", headers: { b: "1" } });
  const clone = response.clone();
  clone.headers.set("b", "2");
  equal([clone.status, clone.statusText, response.headers.get("b"), clone.headers.get("b")], [201, "Made", "1", "2"]);
  equal([await response.text(), await clone.text()], ["a", "a"]);
});

test("the handler is given a request, an environment and a context", async (request, env, ctx) => {
  equal(request instanceof Request, true);
  equal(typeof request.headers.get("x-test") === "string", true);
  equal([typeof env, Object.keys(env)], ["object", []]);
  equal(ctx.waitUntil(Promise.resolve()), undefined);
  equal(new URL(request.url).pathname, "/");
});
