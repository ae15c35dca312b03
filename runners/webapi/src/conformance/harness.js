// A handler that tests the web API from the inside. It answers in JSON with the failures of the
// tests below, which are written from the standards.

export default {
  async fetch(request, env, ctx) {
    const failed = [];
    for (const [name, run] of tests) {
      try {
        await run(request, env, ctx);
      } catch (error) {
        failed.push({ name, error: `${error}` });
      }
    }
    return Response.json({ ran: tests.length, failed });
  },
};

const tests = [];

function test(name, run) {
  tests.push([name, run]);
}

/** Values as text that tells apart what JSON does not. */
function show(value) {
  if (typeof value === "string") return JSON.stringify(value);
  if (ArrayBuffer.isView(value)) return `bytes${show([...value])}`;
  if (value instanceof ArrayBuffer) return `buffer${show([...new Uint8Array(value)])}`;
  if (Array.isArray(value)) return `[${value.map(show).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value).map(([key, item]) => `${key}:${show(item)}`).join(",")}}`;
  }
  return String(value);
}

function equal(actual, expected) {
  if (show(actual) !== show(expected)) throw new Error(`${show(actual)} instead of ${show(expected)}`);
}

function throws(Type, run) {
  let outcome;
  try {
    outcome = `answered ${show(run())}`;
  } catch (error) {
    if (error instanceof Type) return;
    outcome = `threw ${error}`;
  }
  throw new Error(`${outcome} instead of throwing a ${Type.name}`);
}

async function rejects(Type, promise) {
  let outcome;
  try {
    outcome = `answered ${show(await promise)}`;
  } catch (error) {
    if (error instanceof Type) return;
    outcome = `rejected with ${error}`;
  }
  throw new Error(`${outcome} instead of rejecting with a ${Type.name}`);
}
