
test("queueMicrotask runs a function after the present code and in order", async () => {
  const seen = [];
  queueMicrotask(() => seen.push("first"));
  Promise.resolve().then(() => seen.push("second"));
  queueMicrotask(() => seen.push("third"));
  seen.push("now");
  await undefined;
  await undefined;
  equal(seen, ["now", "first", "second", "third"]);
});

test("queueMicrotask takes a function and answers nothing", () => {
  throws(TypeError, () => queueMicrotask());
  throws(TypeError, () => queueMicrotask(undefined));
  throws(TypeError, () => queueMicrotask("1 + 1"));
  equal(queueMicrotask(() => {}), undefined);
  equal([typeof queueMicrotask, queueMicrotask.length, queueMicrotask.name], ["function", 1, "queueMicrotask"]);
});

test("functions of the global are listed", () => {
  equal(Object.getOwnPropertyDescriptor(globalThis, "queueMicrotask").enumerable, true);
});

test("timers are there together or not at all", () => {
  const kinds = [typeof setTimeout, typeof setInterval, typeof clearTimeout, typeof clearInterval];
  equal(new Set(kinds).size, 1);
});
