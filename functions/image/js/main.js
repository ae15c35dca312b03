// Resizes the PNG image in the body of a POST to `width` x `height` pixels.

import { CHANNELS, decode, encode } from "./png.js";

const SIDE_MAX = 2048;
const SOURCE_PIXELS_MAX = 4_194_304;

const BAD_SIZE = "the query needs width and height, whole numbers from 1 to 2048";
const BAD_IMAGE = "POST a PNG image with 8 bits a channel, RGB or RGBA, not interlaced, of 4194304 pixels at most";

export default {
  async fetch(request) {
    const { searchParams } = new URL(request.url);
    const width = side(searchParams.get("width"));
    const height = side(searchParams.get("height"));
    if (width === undefined || height === undefined) return refuse(BAD_SIZE);
    const source = request.method === "POST" ? read(new Uint8Array(await request.arrayBuffer())) : undefined;
    if (source === undefined) return refuse(BAD_IMAGE);
    const image = encode(width, height, resize(source, width, height));
    return new Response(image, { headers: { "content-type": "image/png" } });
  },
};

function side(text) {
  const number = /^[0-9]{1,4}$/.test(text ?? "") ? Number(text) : 0;
  return number >= 1 && number <= SIDE_MAX ? number : undefined;
}

function refuse(reason) {
  return new Response(reason, { status: 400, headers: { "content-type": "text/plain; charset=utf-8" } });
}

/** The image, undefined if this function does not take it. */
function read(bytes) {
  try {
    return decode(bytes, SOURCE_PIXELS_MAX);
  } catch {
    return undefined;
  }
}

/**
 * Each pixel is the mean of the area that it covers, weighted by opacity. All numbers are whole and below 2^53, so
 * the result does not depend on the order of the sums.
 */
function resize({ width, height, channels, data }, newWidth, newHeight) {
  const result = new Uint8Array(newWidth * newHeight * CHANNELS);
  const columns = parts(width, newWidth);
  const rows = parts(height, newHeight);
  const sums = new Float64Array(newWidth * newHeight * CHANNELS);
  const line = new Float64Array(newWidth * CHANNELS);
  let row = 0;
  for (let y = 0; y < height; y++) {
    sumLine(line, data, y * width * channels, channels, columns);
    for (; row < rows.length && rows[row].from === y; row++) {
      const { to, weight } = rows[row];
      const start = to * line.length;
      for (let i = 0; i < line.length; i++) sums[start + i] += line[i] * weight;
    }
  }
  const area = width * height;
  for (let i = 0; i < sums.length; i += CHANNELS) {
    const opacity = sums[i + 3];
    for (let channel = 0; channel < 3; channel++) {
      result[i + channel] = opacity === 0 ? 0 : rounded(sums[i + channel], opacity);
    }
    result[i + 3] = rounded(opacity, area);
  }
  return result;
}

/** The sums of one line of the source, for each pixel of the result: colours times opacity, and opacity. */
function sumLine(line, data, start, channels, columns) {
  line.fill(0);
  for (const { from, to, weight } of columns) {
    const at = start + from * channels;
    const opacity = (channels === 4 ? data[at + 3] : 255) * weight;
    line[to * CHANNELS] += data[at] * opacity;
    line[to * CHANNELS + 1] += data[at + 1] * opacity;
    line[to * CHANNELS + 2] += data[at + 2] * opacity;
    line[to * CHANNELS + 3] += opacity;
  }
}

/**
 * How a side of `count` pixels is divided among `newCount`: which part of each pixel belongs to which. A pixel of the
 * source is `newCount` units wide, and one of the result `count` units.
 */
function parts(count, newCount) {
  const found = [];
  for (let at = 0; at < count * newCount; ) {
    const from = Math.floor(at / newCount);
    const to = Math.floor(at / count);
    const end = Math.min((from + 1) * newCount, (to + 1) * count);
    found.push({ from, to, weight: end - at });
    at = end;
  }
  return found;
}

/** The quotient to the nearest whole number, halves upwards. */
function rounded(dividend, divisor) {
  return Math.floor((dividend + Math.floor(divisor / 2)) / divisor);
}
