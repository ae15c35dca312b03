// Greets `myName`, from the JSON body of a POST or else from the query: `functions/hello` in AssemblyScript.

import { Request, Response, answer, decoded, hexDigit, request } from "../assemblyscript/isolab";

const NOT_UNDERSTOOD = '{"error":"the body must be a JSON object, with a string as myName if it has one"}';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Reads JSON as strictly as `JSON.parse`. A method that returns `false` has met something that is not JSON. */
class Parser {
  private at: i32 = 0;
  /** The string that was read last. */
  string: string = "";

  constructor(private text: string) {}

  isAtEnd(): bool {
    return this.at === this.text.length;
  }

  private peek(): i32 {
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : -1;
  }

  skipSpace(): void {
    while (this.peek() === 0x20 || this.peek() === 0x09 || this.peek() === 0x0a || this.peek() === 0x0d) this.at += 1;
  }

  take(unit: i32): bool {
    if (this.peek() !== unit) return false;
    this.at += 1;
    return true;
  }

  takeWord(word: string): bool {
    if (!this.text.startsWith(word, this.at)) return false;
    this.at += word.length;
    return true;
  }

  /** Reads a string whose first quotation mark was read. */
  takeString(): bool {
    const units = new Array<string>();
    let start = this.at;
    for (; this.at < this.text.length; this.at++) {
      const unit = this.peek();
      if (unit < 0x20) return false;
      if (unit === QUOTE || unit === BACKSLASH) units.push(this.text.substring(start, this.at));
      if (unit === QUOTE) {
        this.at += 1;
        this.string = units.join("");
        return true;
      }
      if (unit === BACKSLASH) {
        const escaped = this.takeEscape();
        if (escaped < 0) return false;
        units.push(String.fromCharCode(escaped));
        start = this.at + 1;
      }
    }
    return false;
  }

  /** The unit that an escape means, -1 if there is no such escape. Stops at its last character. */
  private takeEscape(): i32 {
    this.at += 1;
    if (this.peek() === 0x75) {
      let unit = 0;
      for (let i = 0; i < 4; i++) {
        this.at += 1;
        const digit = hexDigit(this.peek());
        if (digit < 0) return -1;
        unit = (unit << 4) | digit;
      }
      return unit;
    }
    const place = '"\\/bfnrt'.indexOf(this.text.charAt(this.at));
    return this.at < this.text.length && place >= 0 ? '"\\/\b\f\n\r\t'.charCodeAt(place) : -1;
  }

  private takeDigits(): bool {
    const start = this.at;
    while (this.peek() >= 0x30 && this.peek() <= 0x39) this.at += 1;
    return this.at > start;
  }

  private skipNumber(): bool {
    this.takeWord("-");
    if (!this.takeWord("0") && !this.takeDigits()) return false;
    if (this.takeWord(".") && !this.takeDigits()) return false;
    if (!this.takeWord("e") && !this.takeWord("E")) return true;
    if (!this.takeWord("+")) this.takeWord("-");
    return this.takeDigits();
  }

  private skipScalar(): bool {
    if (this.take(QUOTE)) return this.takeString();
    return this.takeWord("null") || this.takeWord("true") || this.takeWord("false") || this.skipNumber();
  }

  /** Reads the name of a member and its colon. */
  takeName(): bool {
    this.skipSpace();
    if (!this.take(QUOTE) || !this.takeString()) return false;
    this.skipSpace();
    return this.take(COLON);
  }

  /** Skips a value. Its depth is kept on the heap: the sender decides it, and the stack is small. */
  skipValue(): bool {
    const open = new Array<i32>();
    do {
      this.skipSpace();
      const isObject = this.take(OPEN_OBJECT);
      if (isObject || this.take(OPEN_ARRAY)) {
        const end = isObject ? CLOSE_OBJECT : CLOSE_ARRAY;
        this.skipSpace();
        if (!this.take(end)) {
          open.push(end);
          if (isObject && !this.takeName()) return false;
          continue;
        }
      } else if (!this.skipScalar()) {
        return false;
      }
      // A value has ended here: another one follows, or its container ends as well.
      while (open.length > 0) {
        const end = open[open.length - 1];
        this.skipSpace();
        if (this.take(COMMA)) {
          if (end === CLOSE_OBJECT && !this.takeName()) return false;
          break;
        }
        if (!this.take(end)) return false;
        open.pop();
      }
    } while (open.length > 0);
    return true;
  }
}

/** The name in a body, "World" if it has none, null if the body is not valid. The last name counts. */
function nameIn(body: string): string | null {
  const parser = new Parser(body);
  let name: string | null = "World";
  parser.skipSpace();
  if (!parser.take(OPEN_OBJECT)) return null;
  parser.skipSpace();
  for (let isFirst = true; !parser.take(CLOSE_OBJECT); isFirst = false) {
    if (!isFirst && !parser.take(COMMA)) return null;
    if (!parser.takeName()) return null;
    const isName = parser.string === "myName";
    parser.skipSpace();
    if (isName && parser.take(QUOTE)) {
      if (!parser.takeString()) return null;
      name = isWellFormed(parser.string) ? parser.string : null;
    } else if (isName && parser.takeWord("null")) {
      name = "World";
    } else {
      if (!parser.skipValue()) return null;
      if (isName) name = null;
    }
    parser.skipSpace();
  }
  parser.skipSpace();
  return parser.isAtEnd() ? name : null;
}

/** JSON can escape half of a surrogate pair, which UTF-8 cannot represent. */
function isWellFormed(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i);
    if (point >= 0xd800 && point <= 0xdfff) return false;
    if (point > 0xffff) i += 1;
  }
  return true;
}

/** Text in the spelling of `JSON.stringify`. */
function escaped(text: string): string {
  const parts = new Array<string>();
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x20 && unit !== QUOTE && unit !== BACKSLASH) continue;
    parts.push(text.substring(start, i));
    start = i + 1;
    const place = '"\\\b\f\n\r\t'.indexOf(text.charAt(i));
    parts.push(place >= 0 ? "\\" + '"\\bfnrt'.charAt(place) : "\\u00" + unit.toString(16).padStart(2, "0"));
  }
  parts.push(text.substring(start));
  return parts.join("");
}

function nameOf(request: Request): string | null {
  if (request.method === "POST") {
    const body = decoded(request.body);
    // Fetch drops a byte order mark.
    return nameIn(body.startsWith("\ufeff") ? body.substring(1) : body);
  }
  const name = request.value("myName");
  return name === null ? "World" : name;
}

function handle(request: Request): Response {
  const name = nameOf(request);
  return name === null
    ? new Response(400, NOT_UNDERSTOOD)
    : new Response(200, `{"message":"Hello ${escaped(name)}"}`);
}

export { request as isolab_request };

export function isolab_handle(): usize {
  return answer(handle);
}
