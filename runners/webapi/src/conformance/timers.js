
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test("a timeout comes after the present code and its microtasks", async () => {
  const seen = [];
  setTimeout(() => seen.push("timeout"), 0);
  queueMicrotask(() => seen.push("microtask"));
  seen.push("now");
  await sleep(5);
  equal(seen, ["now", "microtask", "timeout"]);
});

test("timeouts come in the order of their delays, and then of their calls", async () => {
  const seen = [];
  for (const [delay, name] of [[30, "d"], [1, "a"], [15, "c"], [1, "b"]]) {
    setTimeout(() => seen.push(name), delay);
  }
  await sleep(45);
  equal(seen, ["a", "b", "c", "d"]);
});

test("microtasks run between two timeouts", async () => {
  const seen = [];
  setTimeout(() => {
    seen.push("first");
    Promise.resolve().then(() => seen.push("microtask"));
  }, 1);
  setTimeout(() => seen.push("second"), 1);
  await sleep(10);
  equal(seen, ["first", "microtask", "second"]);
});

test("a timeout passes its arguments on", async () => {
  const given = await new Promise((resolve) => setTimeout((...values) => resolve(values), 1, "a", undefined, 3));
  equal(given, ["a", undefined, 3]);
});

test("a delay may be left out, negative, fractional or no number", async () => {
  for (const delays of [[], [undefined], [-5], [0.9], ["1"], [NaN], ["x"], [null], [{}]]) {
    await new Promise((resolve) => setTimeout(resolve, ...delays));
  }
});

test("a cleared timeout never comes, and unknown ones are passed over", async () => {
  const seen = [];
  const cleared = setTimeout(() => seen.push("cleared"), 1);
  setTimeout(() => seen.push("kept"), 2);
  clearTimeout(cleared);
  clearTimeout(cleared);
  for (const unknown of [undefined, null, 0, -1, 1e9]) clearTimeout(unknown);
  clearTimeout();
  clearInterval();
  await sleep(10);
  equal(seen, ["kept"]);
});

test("a timeout can clear another that is due at the same time", async () => {
  const seen = [];
  let other;
  setTimeout(() => clearTimeout(other), 1);
  other = setTimeout(() => seen.push("other"), 1);
  await sleep(10);
  equal(seen, []);
});

test("an interval comes again until it is cleared, also by itself", async () => {
  let count = 0;
  await new Promise((resolve) => {
    const interval = setInterval((step) => {
      count += step;
      if (count < 30) return;
      clearInterval(interval);
      resolve();
    }, 1, 10);
  });
  await sleep(10);
  equal(count, 30);
  const cleared = setInterval(() => count++, 1);
  clearTimeout(cleared);
  await sleep(5);
  equal(count, 30);
});

test("a timer takes a function", () => {
  for (const set of [setTimeout, setInterval]) {
    throws(TypeError, () => set());
    throws(TypeError, () => set(undefined, 1));
  }
});

test("a promise may settle after several waits", async () => {
  let text = "";
  for (const letter of "wait") {
    await sleep(1);
    text += letter;
  }
  equal(text, "wait");
});

test("waits beside each other take the time of the longest", async () => {
  const seen = [];
  await Promise.all([3, 1, 2].map(async (place) => {
    await sleep(place * 5);
    seen.push(place);
  }));
  equal(seen, [1, 2, 3]);
});
