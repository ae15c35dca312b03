// Greets `myName`, from the JSON body of a POST or else from the query.

const NOT_UNDERSTOOD = '{"error":"the body must be a JSON object, with a string as myName if it has one"}';

export default {
  async fetch(request) {
    const name = request.method === "POST"
      ? await nameFromBody(request)
      : new URL(request.url).searchParams.get("myName") ?? "World";
    return name === undefined
      ? json(400, NOT_UNDERSTOOD)
      : json(200, JSON.stringify({ message: `Hello ${name}` }));
  },
};

/** The name, "World" if the body has none, undefined if the body is not valid. */
async function nameFromBody(request) {
  const input = await request.json().catch(() => undefined);
  if (typeof input !== "object" || input === null || Array.isArray(input)) return undefined;
  const name = input.myName ?? "World";
  // JSON can escape half of a surrogate pair, which UTF-8 cannot represent.
  return typeof name === "string" && name.isWellFormed() ? name : undefined;
}

function json(status, body) {
  return new Response(body, { status, headers: { "content-type": "application/json" } });
}
