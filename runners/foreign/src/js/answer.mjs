// Calls a handler in a foreign runtime as the lab's own servers do. A header tells the executor why there is no
// response.

const FAILURE = "x-isolab-failure";
const FAILURE_LENGTH = 1000;

/** The handler of a module, if it is one. */
export function handlerOf(module) {
  if (typeof module.default?.fetch === "function") return module.default;
  throw new TypeError("the module's default export has no function `fetch`");
}

/** The environment variables that the function is granted: a JSON object, or nothing. */
export function granted(json) {
  return Object.freeze(JSON.parse(json ?? "{}"));
}

export async function answer(handler, request, environment, context) {
  let response;
  try {
    response = await handler.fetch(request, environment, context);
  } catch (thrown) {
    return failure("threw", describe(thrown));
  }
  if (!(response instanceof Response)) return failure("invalid-response", "the handler returned no Response");
  if (response.bodyUsed) return failure("threw", "TypeError: the body of the response was used before");
  return response;
}

/** `fetch` of a function that is granted no host. */
export async function refuseHost(input, init) {
  const { hostname, port } = new URL(new Request(input, init).url);
  const host = `${hostname}:${port || 80}`;
  throw new TypeError(`the function is not granted the host \`${host}\`: name it under \`grants.hosts\` in function.toml`);
}

function failure(cause, text) {
  const shown = encodeURIComponent(text.slice(0, FAILURE_LENGTH).toWellFormed());
  return new Response(null, { status: 500, headers: { [FAILURE]: `${cause}:${shown}` } });
}

function describe(thrown) {
  try {
    return thrown instanceof Error ? `${thrown.stack ?? thrown}` : `${String(thrown)} was thrown, which is not an Error`;
  } catch {
    return "something was thrown that cannot be shown";
  }
}
