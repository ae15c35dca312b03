// Renders the orders in the JSON body of a POST as an HTML page.

const NOT_UNDERSTOOD =
  '{"error":"POST an object with a title and orders, as the documentation of the function has it"}';

export default {
  async fetch(request) {
    const page = request.method === "POST" ? await request.json().catch(() => undefined) : undefined;
    return isPage(page)
      ? new Response(String(render(page)), { headers: { "content-type": "text/html; charset=utf-8" } })
      : new Response(NOT_UNDERSTOOD, { status: 400, headers: { "content-type": "application/json" } });
  },
};

const render = ({ title, orders }) => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title}</title>
</head>
<body>
<h1>${title}</h1>
${orders.map(section)}</body>
</html>
`;

const section = ({ id, customer, email, note, paid, lines }, index) => html`<section id="${id}">
<h2>${String(index + 1)}. ${customer}</h2>
<p class="${paid ? "paid" : "open"}"><a href="mailto:${email}">${email}</a></p>
${note ? html`<blockquote>${note}</blockquote>\n` : ""}<table>
${lines.map(row)}</table>
</section>
`;

const row = ({ name, quantity, price }) =>
  html`<tr><td>${name}</td><td>${quantity}</td><td>${price}</td></tr>\n`;

/** Text that is HTML already. */
class Html {
  constructor(text) {
    this.text = text;
  }

  toString() {
    return this.text;
  }
}

/** A template: values that are text are escaped, and values that are HTML are taken as they are. */
function html(strings, ...values) {
  let text = strings[0];
  for (let i = 0; i < values.length; i++) text += insert(values[i]) + strings[i + 1];
  return new Html(text);
}

function insert(value) {
  if (value instanceof Html) return value.text;
  return Array.isArray(value) ? value.map(insert).join("") : escape(value);
}

const ESCAPES = { "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&#x27;", "/": "&#x2f;" };

function escape(text) {
  return text.replace(/[<>&"'/]/g, (character) => ESCAPES[character]);
}

function isPage(page) {
  return isText(page?.title) && Array.isArray(page.orders) && page.orders.every(isOrder);
}

function isOrder(order) {
  return [order?.id, order?.customer, order?.email].every(isText)
    && ((order.note ?? null) === null || isText(order.note))
    && typeof order.paid === "boolean"
    && Array.isArray(order.lines)
    && order.lines.every(isLine);
}

function isLine(line) {
  return [line?.name, line?.quantity, line?.price].every(isText);
}

/** JSON can escape half of a surrogate pair, which UTF-8 cannot represent. */
function isText(value) {
  return typeof value === "string" && value.isWellFormed();
}
