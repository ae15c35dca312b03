// The n-th Fibonacci number by naive recursion: `functions/fibonacci` in AssemblyScript.

import { Request, Response, answer, request } from "../assemblyscript/isolab";

const DEFAULT: u32 = 20;
const GREATEST: u32 = 47;

function fibonacci(n: u32): u32 {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

/** The number of one or two digits, `GREATEST` + 1 for any other text. */
function parse(text: string): u32 {
  if (text.length < 1 || text.length > 2) return GREATEST + 1;
  let n: u32 = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return GREATEST + 1;
    n = n * 10 + digit;
  }
  return n;
}

function handle(request: Request): Response {
  const text = request.value("n");
  const n = text === null ? DEFAULT : parse(text);
  return n > GREATEST
    ? new Response(400, '{"error":"n must be a whole number from 0 to 47"}')
    : new Response(200, `{"n":${n},"fibonacci":${fibonacci(n)}}`);
}

export { request as isolab_request };

export function isolab_handle(): usize {
  return answer(handle);
}
