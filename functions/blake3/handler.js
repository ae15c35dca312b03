// The BLAKE3 hash of the body, in lower-case hexadecimal; `?times=N` computes it N times.
//
// Written from the specification (https://github.com/BLAKE3-team/BLAKE3-specs), to whose sections
// the comments refer. Words are signed 32-bit integers, which engines handle without boxing.

const BLOCK_BYTES = 64;
const CHUNK_BYTES = 1024;

const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;

// Section 2.2, table 1: the first words of the fractional parts of the square
// roots of the first eight primes, as in SHA-256.
const IV = Int32Array.of(
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
);

// Section 2.2, table 2: how the message words move after each round.
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const ROUNDS = 7;
const SCHEDULE = schedule();

// Made once, because only one compression runs at a time.
const state = new Int32Array(16);
const message = new Int32Array(16);

const TIMES_MAX = 1000000;

export default {
  async fetch(request) {
    const input = new Uint8Array(await request.arrayBuffer());
    const text = new URL(request.url).searchParams.get("times") ?? "1";
    const times = /^[0-9]{1,7}$/.test(text) ? Number(text) : 0;
    if (times < 1 || times > TIMES_MAX) return plain(400, "times must be a whole number from 1 to 1000000");
    // Each hash replaces the one before, which is the same.
    let hash;
    for (let i = 0; i < times; i++) hash = subtree(input, 0, input.length, ROOT);
    return plain(200, hex(hash));
  },
};

function plain(status, body) {
  return new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}

/** The index of the word at each position of the block, for each round in turn. */
function schedule() {
  const words = new Uint8Array(16 * ROUNDS);
  for (let position = 0; position < 16; position++) words[position] = position;
  for (let i = 16; i < words.length; i++) words[i] = words[i - 16 - (i % 16) + PERMUTATION[i % 16]];
  return words;
}

/** The chaining value of the tree over input[start..end]; section 2.1. */
function subtree(input, start, end, root) {
  const length = end - start;
  if (length <= CHUNK_BYTES) return chunk(input, start, end, root);
  // The left side has as many whole chunks as the largest power of two that leaves at least one
  // byte for the right side.
  const fullChunks = Math.floor((length - 1) / CHUNK_BYTES);
  const middle = start + CHUNK_BYTES * 2 ** (31 - Math.clz32(fullChunks));
  const left = subtree(input, start, middle, 0);
  const right = subtree(input, middle, end, 0);
  message.set(left, 0);
  message.set(right, 8);
  const chaining = IV.slice();
  compress(chaining, 0, BLOCK_BYTES, PARENT | root);
  return chaining;
}

/** The chaining value of a chunk, which starts at a multiple of CHUNK_BYTES; section 2.4. */
function chunk(input, start, end, root) {
  const counter = start / CHUNK_BYTES;
  const chaining = IV.slice();
  let flags = CHUNK_START;
  let at = start;
  for (; end - at > BLOCK_BYTES; at += BLOCK_BYTES) {
    loadBlock(input, at);
    compress(chaining, counter, BLOCK_BYTES, flags);
    flags = 0;
  }
  loadPartialBlock(input, at, end);
  compress(chaining, counter, end - at, flags | CHUNK_END | root);
  return chaining;
}

function loadBlock(input, at) {
  for (let word = 0; word < 16; word++, at += 4) {
    message[word] = input[at] | (input[at + 1] << 8) | (input[at + 2] << 16) | (input[at + 3] << 24);
  }
}

/** Loads the last block of a chunk, padded with zeros. */
function loadPartialBlock(input, at, end) {
  message.fill(0);
  for (let i = 0; at + i < end; i++) message[i >> 2] |= input[at + i] << (8 * (i & 3));
}

/** Compresses `message` into `chaining`; section 2.2. */
function compress(chaining, counter, blockBytes, flags) {
  state.set(chaining, 0);
  for (let i = 0; i < 4; i++) state[8 + i] = IV[i];
  state[12] = counter;
  state[13] = counter / 2 ** 32;
  state[14] = blockBytes;
  state[15] = flags;
  for (let i = 0; i < SCHEDULE.length; i += 16) round(i);
  for (let i = 0; i < 8; i++) chaining[i] = state[i] ^ state[i + 8];
}

/** Mixes the columns of the 4 x 4 state, then its diagonals. */
function round(i) {
  mix(0, 4, 8, 12, message[SCHEDULE[i]], message[SCHEDULE[i + 1]]);
  mix(1, 5, 9, 13, message[SCHEDULE[i + 2]], message[SCHEDULE[i + 3]]);
  mix(2, 6, 10, 14, message[SCHEDULE[i + 4]], message[SCHEDULE[i + 5]]);
  mix(3, 7, 11, 15, message[SCHEDULE[i + 6]], message[SCHEDULE[i + 7]]);
  mix(0, 5, 10, 15, message[SCHEDULE[i + 8]], message[SCHEDULE[i + 9]]);
  mix(1, 6, 11, 12, message[SCHEDULE[i + 10]], message[SCHEDULE[i + 11]]);
  mix(2, 7, 8, 13, message[SCHEDULE[i + 12]], message[SCHEDULE[i + 13]]);
  mix(3, 4, 9, 14, message[SCHEDULE[i + 14]], message[SCHEDULE[i + 15]]);
}

/** The quarter-round G. */
function mix(ia, ib, ic, id, x, y) {
  let a = state[ia], b = state[ib], c = state[ic], d = state[id];
  a = (a + b + x) | 0;
  d = rotateRight(d ^ a, 16);
  c = (c + d) | 0;
  b = rotateRight(b ^ c, 12);
  a = (a + b + y) | 0;
  d = rotateRight(d ^ a, 8);
  c = (c + d) | 0;
  b = rotateRight(b ^ c, 7);
  state[ia] = a;
  state[ib] = b;
  state[ic] = c;
  state[id] = d;
}

function rotateRight(word, bits) {
  return (word >>> bits) | (word << (32 - bits));
}

/** The words as hexadecimal bytes, least significant byte first. */
function hex(words) {
  let text = "";
  for (const word of words) {
    for (let shift = 0; shift < 32; shift += 8) {
      text += ((word >>> shift) & 0xff).toString(16).padStart(2, "0");
    }
  }
  return text;
}
