// The guest side of a function in AssemblyScript, as `isolab_sdk::wasm` is that of one in Rust.
//
// The host calls `isolab_request(len)` and writes the request to the address that it returns. Then it calls
// `isolab_handle()`, which returns the address of the response's length; the response follows. `functions/sdk/src/wire.rs`
// describes both messages. A function exports the first as it is, and the second around its handler.

export class Request {
  constructor(
    public method: string,
    public query: string,
    public body: Uint8Array,
  ) {}

  /** The first value of a name in the query, null if there is none. */
  value(name: string): string | null {
    const pairs = this.query.split("&");
    for (let i = 0; i < pairs.length; i++) {
      if (pairs[i].length === 0) continue;
      const equals = pairs[i].indexOf("=");
      const end = equals < 0 ? pairs[i].length : equals;
      if (unescaped(pairs[i].substring(0, end)) === name) return unescaped(pairs[i].substring(end + 1));
    }
    return null;
  }
}

export class Response {
  constructor(
    public status: u32,
    /** JSON. */
    public body: string,
  ) {}
}

const CONTENT_TYPE = "content-type";
const JSON_TYPE = "application/json";

let incoming = new Uint8Array(0);
let outgoing = new Uint8Array(0);

export function request(len: i32): usize {
  incoming = new Uint8Array(len);
  return incoming.dataStart;
}

export function answer(handle: (request: Request) => Response): usize {
  const reader = new Reader(incoming);
  const method = decoded(reader.text());
  reader.text();
  const query = decoded(reader.text());
  for (let headers = reader.number(); headers > 0; headers--) {
    reader.text();
    reader.text();
  }
  const response = handle(new Request(method, query, reader.text()));
  const body = String.UTF8.encode(response.body);
  const len = 4 + 4 + 4 + CONTENT_TYPE.length + 4 + JSON_TYPE.length + 4 + body.byteLength;
  const writer = new Writer(4 + len);
  writer.number(len);
  writer.number(response.status);
  writer.number(1);
  writer.text(String.UTF8.encode(CONTENT_TYPE));
  writer.text(String.UTF8.encode(JSON_TYPE));
  writer.text(body);
  outgoing = writer.bytes;
  return outgoing.dataStart;
}

class Reader {
  private at: i32 = 0;

  constructor(private bytes: Uint8Array) {}

  number(): u32 {
    const number = load<u32>(this.bytes.dataStart + this.at);
    this.at += 4;
    return number;
  }

  text(): Uint8Array {
    const len = <i32>this.number();
    const text = this.bytes.subarray(this.at, this.at + len);
    this.at += len;
    return text;
  }
}

class Writer {
  bytes: Uint8Array;
  private at: i32 = 0;

  constructor(len: i32) {
    this.bytes = new Uint8Array(len);
  }

  number(number: u32): void {
    store<u32>(this.bytes.dataStart + this.at, number);
    this.at += 4;
  }

  text(text: ArrayBuffer): void {
    this.number(text.byteLength);
    memory.copy(this.bytes.dataStart + this.at, changetype<usize>(text), text.byteLength);
    this.at += text.byteLength;
  }
}

/** Text as Fetch decodes it: what is not UTF-8 becomes U+FFFD (https://encoding.spec.whatwg.org/#utf-8-decoder). */
export function decoded(bytes: Uint8Array): string {
  // The three bytes of U+FFFD may stand for one.
  const valid = new Uint8Array(3 * bytes.length);
  let len = 0;
  for (let i = 0; i < bytes.length; ) {
    const start = i;
    const first = bytes[i++];
    let more = following(first);
    let isWhole = first < 0x80 || more > 0;
    let least: u8 = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    let greatest: u8 = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    for (; isWhole && more > 0; more--) {
      isWhole = i < bytes.length && bytes[i] >= least && bytes[i] <= greatest;
      if (isWhole) i += 1;
      least = 0x80;
      greatest = 0xbf;
    }
    if (isWhole) {
      for (let at = start; at < i; at++) valid[len++] = bytes[at];
    } else {
      valid[len++] = 0xef;
      valid[len++] = 0xbf;
      valid[len++] = 0xbd;
    }
  }
  return String.UTF8.decodeUnsafe(valid.dataStart, len);
}

/** How many bytes follow a first byte of UTF-8. */
function following(first: u8): i32 {
  if (first >= 0xc2 && first <= 0xdf) return 1;
  if (first >= 0xe0 && first <= 0xef) return 2;
  return first >= 0xf0 && first <= 0xf4 ? 3 : 0;
}

/** A part of a query as it is meant: without `+` and `%`. */
function unescaped(text: string): string {
  const source = Uint8Array.wrap(String.UTF8.encode(text));
  const bytes = new Uint8Array(source.length);
  let len = 0;
  for (let i = 0; i < source.length; i++) {
    const byte = source[i];
    const high = i + 2 < source.length ? hexDigit(source[i + 1]) : -1;
    const low = i + 2 < source.length ? hexDigit(source[i + 2]) : -1;
    if (byte === 0x25 && high >= 0 && low >= 0) {
      bytes[len++] = <u8>((high << 4) | low);
      i += 2;
    } else {
      bytes[len++] = byte === 0x2b ? 0x20 : byte;
    }
  }
  return decoded(bytes.subarray(0, len));
}

/** The value of a hexadecimal digit, -1 for other characters. */
export function hexDigit(digit: i32): i32 {
  if (digit >= 0x30 && digit <= 0x39) return digit - 0x30;
  const letter = digit | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}
