
const encoder = new TextEncoder();
const bytes = (text) => encoder.encode(text);

/** A stream of texts as bytes. */
function streamOf(...texts) {
  return new ReadableStream({
    pull(controller) {
      if (texts.length === 0) controller.close();
      else controller.enqueue(bytes(texts.shift()));
    },
  });
}

async function textOf(stream) {
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of stream) text += decoder.decode(piece, { stream: true });
  return text + decoder.decode();
}

function bodies(stream) {
  return [
    () => new Response(stream()),
    () => new Request("http://h/", { method: "POST", body: stream(), duplex: "half" }),
  ].map((make) => make());
}

test("a body that is a stream is read as text, JSON and buffer", async () => {
  for (const body of bodies(() => streamOf('{"a":', '"\u00fc"}'))) equal(await body.text(), '{"a":"\u00fc"}');
  for (const body of bodies(() => streamOf('{"a":', "1}"))) equal(await body.json(), { a: 1 });
  for (const body of bodies(() => streamOf("a", "b"))) equal(await body.arrayBuffer(), bytes("ab").buffer);
  for (const body of bodies(() => streamOf())) equal(await body.text(), "");
});

test("a body that is a stream has no type and shows that stream", () => {
  const stream = streamOf("a");
  const response = new Response(stream);
  equal([response.headers.get("content-type"), response.body === stream, response.bodyUsed], [null, true, false]);
});

test("a whole body has a stream, too", async () => {
  for (const init of ["gr\u00fc\u00df", bytes("gr\u00fc\u00df")]) {
    for (const body of bodies(() => init)) {
      equal(body.body instanceof ReadableStream, true);
      equal(body.body === body.body, true);
      equal(body.bodyUsed, false);
      equal(await textOf(body.body), "gr\u00fc\u00df");
      equal(body.bodyUsed, true);
      await rejects(TypeError, body.text());
    }
  }
});

test("a body whose stream is locked cannot be read or cloned", async () => {
  for (const body of bodies(() => streamOf("a"))) {
    const reader = body.body.getReader();
    equal(body.bodyUsed, false);
    await rejects(TypeError, body.text());
    throws(TypeError, () => body.clone());
    equal((await reader.read()).value, bytes("a"));
    equal(body.bodyUsed, true);
  }
});

test("a body that has been read is used", async () => {
  for (const body of bodies(() => streamOf("a"))) {
    const reading = body.text();
    equal(body.bodyUsed, true);
    equal(await reading, "a");
    await rejects(TypeError, body.text());
  }
});

test("streams that are locked or read cannot be bodies", async () => {
  const locked = streamOf("a");
  locked.getReader();
  throws(TypeError, () => new Response(locked));
  const read = streamOf("a", "b");
  const reader = read.getReader();
  await reader.read();
  reader.releaseLock();
  throws(TypeError, () => new Response(read));
});

test("a clone of a body that is a stream is a body of its own", async () => {
  for (const body of bodies(() => streamOf("a", "b"))) {
    const clone = body.clone();
    equal([await clone.text(), await body.text()], ["ab", "ab"]);
  }
});

test("a stream that fails fails its readers", async () => {
  const failing = () => new ReadableStream({ pull() { throw new RangeError("dried up"); } });
  for (const body of bodies(failing)) await rejects(RangeError, body.text());
});

test("pieces of a body must be bytes", async () => {
  const strings = () => new ReadableStream({ start(controller) { controller.enqueue("a"); controller.close(); } });
  for (const body of bodies(strings)) await rejects(TypeError, body.text());
});

test("a stream is asked for pieces only as they are wanted", async () => {
  let pulled = 0;
  const stream = new ReadableStream({ pull(controller) { pulled += 1; controller.enqueue(bytes("a")); } }, { highWaterMark: 0 });
  const reader = new Response(stream).body.getReader();
  for (let read = 1; read < 4; read++) {
    await reader.read();
    equal(pulled, read);
  }
  await reader.cancel();
});

test("a stream that is cancelled hears the reason", async () => {
  let heard;
  const response = new Response(new ReadableStream({ cancel(reason) { heard = reason; } }));
  await response.body.cancel("enough");
  equal([heard, response.bodyUsed], ["enough", true]);
});

test("a stream is piped through a transformation", async () => {
  const upper = new TransformStream({
    transform(piece, controller) {
      controller.enqueue(bytes(new TextDecoder().decode(piece).toUpperCase()));
    },
  });
  equal(await new Response(streamOf("a", "b").pipeThrough(upper)).text(), "AB");
});

test("requests to nowhere are rejected", async () => {
  for (const url of ["nothing", "http://", "x:y"]) await rejects(TypeError, fetch(url));
  await rejects(TypeError, fetch());
});
