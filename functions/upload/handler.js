// Answers with the SHA-256 hash of the body in lower-case hexadecimal, and its size. The body flows: the
// function holds one piece of it at a time.

const BLOCK_BYTES = 64;
/** The block ends with the length of the message: 8 bytes. */
const LENGTH_BYTES = 8;

export default {
  async fetch(request) {
    if (typeof ReadableStream !== "function") return new Response("this engine has no streams", { status: 501 });
    const hash = new Sha256();
    if (request.body !== null) {
      for await (const piece of request.body) hash.update(piece);
    }
    const bytes = hash.length;
    return new Response(JSON.stringify({ sha256: hash.digest(), bytes }), {
      headers: { "content-type": "application/json" },
    });
  },
};

/** The first 32 bits of the fraction of a number. */
const fraction = (number) => ((number % 1) * 2 ** 32) | 0;

const PRIMES = [];
for (let number = 2; PRIMES.length < 64; number++) {
  if (PRIMES.every((prime) => number % prime !== 0)) PRIMES.push(number);
}
// FIPS 180-4, 4.2.2 and 5.3.3: of the cube roots and square roots of the first primes.
const ROUNDS = Int32Array.from(PRIMES, (prime) => fraction(prime ** (1 / 3)));
const INITIAL = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(prime ** 0.5));

/** https://doi.org/10.6028/NIST.FIPS.180-4 */
class Sha256 {
  length = 0;
  #state = INITIAL.slice();
  #block = new Uint8Array(BLOCK_BYTES);
  #view = new DataView(this.#block.buffer);
  #words = new Int32Array(64);

  update(bytes) {
    let start = 0;
    while (start < bytes.length) {
      const used = this.length % BLOCK_BYTES;
      const end = Math.min(start + BLOCK_BYTES - used, bytes.length);
      this.#block.set(bytes.subarray(start, end), used);
      this.length += end - start;
      start = end;
      if (this.length % BLOCK_BYTES === 0) this.#compress();
    }
  }

  digest() {
    const bits = this.length * 8;
    const used = this.length % BLOCK_BYTES;
    this.#block.fill(0, used);
    this.#block[used] = 0x80;
    if (used >= BLOCK_BYTES - LENGTH_BYTES) {
      this.#compress();
      this.#block.fill(0);
    }
    this.#view.setUint32(BLOCK_BYTES - 8, Math.floor(bits / 2 ** 32));
    this.#view.setUint32(BLOCK_BYTES - 4, bits >>> 0);
    this.#compress();
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #compress() {
    const words = this.#words;
    for (let i = 0; i < 16; i++) words[i] = this.#view.getInt32(4 * i);
    for (let i = 16; i < 64; i++) {
      const [before, last] = [words[i - 15], words[i - 2]];
      const s0 = rotate(before, 7) ^ rotate(before, 18) ^ (before >>> 3);
      const s1 = rotate(last, 17) ^ rotate(last, 19) ^ (last >>> 10);
      words[i] = words[i - 16] + s0 + words[i - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = this.#state;
    for (let i = 0; i < 64; i++) {
      const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
      const first = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
      const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
      const second = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => {
      this.#state[i] += word;
    });
  }
}

function rotate(word, bits) {
  return (word >>> bits) | (word << (32 - bits));
}
