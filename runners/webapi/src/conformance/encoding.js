
const decode = (bytes, options) => new TextDecoder("utf-8", options).decode(new Uint8Array(bytes));

test("text is encoded", () => {
  const encoder = new TextEncoder();
  equal(encoder.encoding, "utf-8");
  equal(encoder.encode("aü€😀"), new Uint8Array([97, 195, 188, 226, 130, 172, 240, 159, 152, 128]));
  equal(encoder.encode("\ud800a\udc00"), new Uint8Array([239, 191, 189, 97, 239, 191, 189]));
  equal([encoder.encode(), encoder.encode(undefined)], [new Uint8Array(), new Uint8Array()]);
  equal(encoder.encode(12), new Uint8Array([49, 50]));
  equal(encoder.encode("a\0b"), new Uint8Array([97, 0, 98]));
});

test("text is encoded into a given place", () => {
  const place = new Uint8Array(5);
  equal(new TextEncoder().encodeInto("aü😀", place), { read: 2, written: 3 });
  equal(place, new Uint8Array([97, 195, 188, 0, 0]));
  equal(new TextEncoder().encodeInto("😀\ud800", new Uint8Array(7)), { read: 3, written: 7 });
  equal(new TextEncoder().encodeInto("a", new Uint8Array()), { read: 0, written: 0 });
  throws(TypeError, () => new TextEncoder().encodeInto("a", [0]));
});

test("bytes are decoded", () => {
  equal(decode([97, 195, 188, 226, 130, 172, 240, 159, 152, 128]), "aü€😀");
  equal(decode([97, 0, 98]), "a\0b");
  equal(new TextDecoder().decode(), "");
  equal(new TextDecoder().decode(new Uint8Array([97, 98]).buffer), "ab");
  equal(new TextDecoder().decode(new Uint16Array([0x6261])), "ab");
  equal(new TextDecoder().decode(new DataView(new Uint8Array([97, 98, 99]).buffer, 1, 1)), "b");
  throws(TypeError, () => new TextDecoder().decode("a"));
  throws(TypeError, () => new TextDecoder().decode([97]));
});

test("malformed UTF-8 is replaced or refused", () => {
  // The Unicode standard, section 3.9, table 3-8.
  equal(decode([0x61, 0xf1, 0x80, 0x80, 0xe1, 0x80, 0xc2, 0x62, 0x80, 0x63, 0x80, 0xbf, 0x64]),
    "a\ufffd\ufffd\ufffdb\ufffdc\ufffd\ufffdd");
  equal(decode([0xed, 0xa0, 0x80, 0xc0, 0xaf]), "\ufffd\ufffd\ufffd\ufffd\ufffd");
  throws(TypeError, () => decode([0xff], { fatal: true }));
  throws(TypeError, () => decode([0xe2, 0x82], { fatal: true }));
  equal(decode([97], { fatal: true }), "a");
});

test("a byte order mark is dropped unless it is ignored", () => {
  const bytes = [0xef, 0xbb, 0xbf, 97, 0xef, 0xbb, 0xbf];
  equal(decode(bytes), "a\ufeff");
  equal(decode(bytes, { ignoreBOM: true }), "\ufeffa\ufeff");
});

test("a stream may be cut anywhere", () => {
  const bytes = [0xef, 0xbb, 0xbf, 97, 195, 188, 0xef, 0xbb, 0xbf, 240, 159, 152, 128, 0xe1, 0x80, 98, 0xf0, 0x8f];
  const expected = decode(bytes);
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      const decoder = new TextDecoder();
      const chunks = [bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)];
      const text = chunks.map((chunk) => decoder.decode(new Uint8Array(chunk), { stream: true })).join("");
      equal(text + decoder.decode(), expected);
    }
  }
});

test("a decoder is used again", () => {
  const decoder = new TextDecoder();
  for (let i = 0; i < 2; i++) {
    equal(decoder.decode(new Uint8Array([0xef, 0xbb, 0xbf, 97, 0xe2]), { stream: true }), "a");
    equal(decoder.decode(new Uint8Array([0x82, 0xac])), "€");
  }
  const fatal = new TextDecoder("utf8", { fatal: true });
  throws(TypeError, () => fatal.decode(new Uint8Array([0xff])));
  equal(fatal.decode(new Uint8Array([97])), "a");
});

test("labels name the encoding", () => {
  for (const label of ["utf-8", "UTF8", " utf-8\n", "unicode-1-1-utf-8", "x-unicode20utf8"]) {
    equal(new TextDecoder(label).encoding, "utf-8");
  }
  for (const label of ["", "no such encoding", "utf-8\0"]) throws(RangeError, () => new TextDecoder(label));
  const decoder = new TextDecoder("utf-8", { fatal: 1 });
  equal([decoder.fatal, decoder.ignoreBOM], [true, false]);
});

test("the console takes anything", () => {
  const circle = { get thrower() { throw new Error("read"); } };
  circle.circle = circle;
  const things = ["%s %d %i %f %o %j %c %% %x", "a", "1.5", "1.5", "1.5", {}, circle, "css", Symbol("s"), 1n, -0, null];
  for (const level of ["log", "info", "debug", "warn", "error"]) console[level](...things);
  console.log();
  console.log(circle, [1, , 3], new Map([[1, { a: new Set([2]) }]]), new Error("e"), () => 1, class A {}, new Date(NaN));
  console.log(Object.create(null), new Uint8Array(200), /x/g, Array(200).fill(0), Promise.resolve(1), new Proxy({}, {}));
  console.assert(false, "%s", "text");
  console.group("group");
  console.count();
  console.groupEnd();
  console.time("t");
  console.timeEnd("t");
  console.trace("here");
  console.dir(new Headers({ a: "1" }));
});
