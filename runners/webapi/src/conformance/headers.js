
test("names are matched in any case and shown in lower case", () => {
  const headers = new Headers({ "X-One": "1" });
  equal([headers.get("x-one"), headers.get("X-ONE"), headers.has("X-one")], ["1", "1", true]);
  equal([...headers], [["x-one", "1"]]);
});

test("an absent header is null", () => equal(new Headers().get("x"), null));

test("iteration is sorted and combines", () => {
  const headers = new Headers([["b", "1"], ["a", "2"], ["B", "3"]]);
  equal([...headers.entries()], [["a", "2"], ["b", "1, 3"]]);
  equal([...headers.keys()], ["a", "b"]);
  equal([...headers.values()], ["2", "1, 3"]);
});

test("cookies are combined by get but not by iteration", () => {
  const headers = new Headers([["set-cookie", "a=1"], ["x", "y"], ["Set-Cookie", "b=2"]]);
  equal(headers.get("set-cookie"), "a=1, b=2");
  equal(headers.getSetCookie(), ["a=1", "b=2"]);
  equal([...headers], [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x", "y"]]);
  equal(new Headers().getSetCookie(), []);
});

test("set replaces all values, append adds, delete removes", () => {
  const headers = new Headers();
  headers.append("a", "1");
  headers.append("b", "2");
  headers.append("A", "3");
  headers.set("a", "4");
  equal([...headers], [["a", "4"], ["b", "2"]]);
  headers.append("a", "5");
  headers.delete("B");
  headers.delete("absent");
  equal([...headers], [["a", "4, 5"]]);
  headers.set("c", 6);
  equal(headers.get("c"), "6");
});

test("iteration sees changes", () => {
  const headers = new Headers({ a: "1", c: "3" });
  const seen = [];
  for (const [name] of headers) {
    seen.push(name);
    if (name === "a") headers.set("b", "2");
  }
  equal(seen, ["a", "b", "c"]);
});

test("values are stripped of outer white space", () => {
  equal(new Headers({ a: " \t\r\n1 2\t \n" }).get("a"), "1 2");
  equal(new Headers({ a: "" }).get("a"), "");
  equal(new Headers({ a: "  " }).get("a"), "");
  equal(new Headers({ a: "caf\xe9" }).get("a"), "caf\xe9");
});

test("names and values that HTTP forbids are refused", () => {
  for (const name of ["", " ", "a b", "a:", "é", "(a)", "a\n"]) {
    throws(TypeError, () => new Headers({ [name]: "1" }));
    throws(TypeError, () => new Headers().get(name));
    throws(TypeError, () => new Headers().append(name, "1"));
  }
  for (const value of ["a\nb", "a\rb", "a\0b", "\u0100", "😀"]) {
    throws(TypeError, () => new Headers({ a: value }));
    throws(TypeError, () => new Headers().set("a", value));
  }
  throws(TypeError, () => new Headers().append("a", Symbol("b")));
});

test("a Headers is made of Headers, pairs, any iterable and records", () => {
  const first = new Headers([["a", "1"], ["a", "2"]]);
  const second = new Headers(first);
  second.set("a", "3");
  equal([first.get("a"), second.get("a")], ["1, 2", "3"]);
  equal([...new Headers(new Map([["b", "2"], ["a", "1"]]))], [["a", "1"], ["b", "2"]]);
  equal([...new Headers(new Set([new Set(["a", "1"])]))], [["a", "1"]]);
  equal([...new Headers(Object.create({ inherited: "1" }))], []);
  equal([...new Headers(undefined)], []);
});

test("headers ignore the hidden properties of a record", () => {
  equal([...new Headers(Object.create({}, { hidden: { value: "1" } }))], []);
});

test("other inits are refused", () => {
  for (const init of [null, 1, "a", true, [["a"]], [["a", "b", "c"]], ["ab"], [1]]) {
    throws(TypeError, () => new Headers(init));
  }
});

test("forEach calls with value, name and the headers", () => {
  const headers = new Headers({ b: "2", a: "1" });
  const seen = [];
  headers.forEach(function (value, name, all) {
    seen.push([value, name, all === headers, this.mark]);
  }, { mark: 1 });
  equal(seen, [["1", "a", true, 1], ["2", "b", true, 1]]);
  throws(TypeError, () => headers.forEach({}));
});

test("missing arguments are refused", () => {
  const headers = new Headers();
  for (const [method, count] of [["append", 1], ["set", 1], ["get", 0], ["has", 0], ["delete", 0]]) {
    throws(TypeError, () => headers[method](...Array(count).fill("a")));
  }
});

test("another this is refused", () => {
  for (const method of ["get", "has", "delete", "getSetCookie", "entries", "forEach"]) {
    throws(TypeError, () => Headers.prototype[method].call({}, "a"));
  }
  throws(TypeError, () => Headers());
});

test("the class looks like one of the platform", () => {
  equal(Object.prototype.toString.call(new Headers()), "[object Headers]");
  equal(Headers.prototype[Symbol.iterator] === Headers.prototype.entries, true);
  equal(Object.prototype.propertyIsEnumerable.call(globalThis, "Headers"), false);
  equal(Object.prototype.propertyIsEnumerable.call(Headers.prototype, "get"), true);
  equal(new Headers()[Symbol.iterator]()[Symbol.toStringTag], "Headers Iterator");
});
