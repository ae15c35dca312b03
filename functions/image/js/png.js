// Reads and writes PNG files with 8 bits a channel, RGB or RGBA (https://www.w3.org/TR/png-3/). `fflate` inflates.

import { unzlibSync, zlibSync } from "fflate";

/** Bytes of a pixel that is written: red, green, blue, opacity. */
export const CHANNELS = 4;

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const RGB = 2;
const RGBA = 6;
/** Bytes of a chunk without its content: length, type and checksum. */
const CHUNK_BYTES = 12;

const CRC = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function checksum(bytes) {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = CRC[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The image of a file, which throws if it is broken or of another kind. */
export function decode(file, pixelsMax) {
  const { IHDR: [header], IDAT: data, tRNS: transparency } = chunksOf(file);
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const width = view.getUint32(0);
  const height = view.getUint32(4);
  const [depth, color, compression, filter, interlace] = header.subarray(8);
  const channels = color === RGBA ? 4 : 3;
  const isPlain = depth === 8 && (color === RGB || color === RGBA) && !compression && !filter && !interlace;
  const pixels = width * height;
  if (!isPlain || transparency || pixels === 0 || pixels > pixelsMax) throw new RangeError("another kind of image");
  const out = new Uint8Array(height * (1 + width * channels));
  const lines = unzlibSync(joined(data), { out });
  if (lines.length < out.length) throw new RangeError("pixels are missing");
  return { width, height, channels, data: unfiltered(lines, width * channels, height, channels) };
}

/** The contents of all chunks, by type. */
function chunksOf(file) {
  if (SIGNATURE.some((byte, index) => file[index] !== byte)) throw new RangeError("not a PNG file");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const found = {};
  let type = "";
  for (let at = SIGNATURE.length; type !== "IEND"; ) {
    const end = at + CHUNK_BYTES + view.getUint32(at);
    const named = file.subarray(at + 4, end - 4);
    if (checksum(named) !== view.getUint32(end - 4)) throw new RangeError("a bit is wrong");
    type = String.fromCharCode(...named.subarray(0, 4));
    (found[type] ??= []).push(named.subarray(4));
    at = end;
  }
  return found;
}

function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** The pixels without the filter of each line, which predicts a byte from those to the left and above. */
function unfiltered(lines, lineBytes, height, channels) {
  const pixels = new Uint8Array(lineBytes * height);
  let above = new Uint8Array(lineBytes);
  for (let y = 0; y < height; y++) {
    const start = y * (1 + lineBytes);
    const line = pixels.subarray(y * lineBytes, (y + 1) * lineBytes);
    line.set(lines.subarray(start + 1, start + 1 + lineBytes));
    addPrediction(lines[start], line, above, channels);
    above = line;
  }
  return pixels;
}

function addPrediction(filter, line, above, channels) {
  if (filter > 4) throw new RangeError("there is no such filter");
  if (filter === 2) {
    for (let i = 0; i < line.length; i++) line[i] += above[i];
  } else if (filter !== 0) {
    const predict = [undefined, (left) => left, undefined, (left, up) => (left + up) >> 1, paeth][filter];
    for (let i = 0; i < channels; i++) line[i] += predict(0, above[i], 0);
    for (let i = channels; i < line.length; i++) {
      line[i] += predict(line[i - channels], above[i], above[i - channels]);
    }
  }
}

/** Of three neighbours, the one that is nearest to their plane. */
function paeth(left, up, corner) {
  const toLeft = Math.abs(up - corner);
  const toUp = Math.abs(left - corner);
  const toCorner = Math.abs(left + up - 2 * corner);
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** A file of RGBA pixels, which it stores: compressors differ, and stored bytes do not. */
export function encode(width, height, pixels) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, RGBA], 8);
  const lineBytes = width * CHANNELS;
  const lines = new Uint8Array(height * (1 + lineBytes));
  for (let y = 0; y < height; y++) {
    lines.set(pixels.subarray(y * lineBytes, (y + 1) * lineBytes), y * (1 + lineBytes) + 1);
  }
  const data = zlibSync(lines, { level: 0 });
  return joined([SIGNATURE, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", [])]);
}

function chunk(type, content) {
  const bytes = new Uint8Array(CHUNK_BYTES + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  for (let i = 0; i < type.length; i++) bytes[4 + i] = type.charCodeAt(i);
  bytes.set(content, 8);
  view.setUint32(bytes.length - 4, checksum(bytes.subarray(4, bytes.length - 4)));
  return bytes;
}
