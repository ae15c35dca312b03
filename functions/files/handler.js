// Answers the files of the granted folder `/data`: one that the query names, or a list of all.

import { lstat, readdir, readFile } from "node:fs/promises";

const FOLDER = "/data";
const ABSENT = ["ENOENT", "ENAMETOOLONG"];

export default {
  async fetch(request) {
    const name = new URL(request.url).searchParams.get("file");
    if (name === null) return text(200, await list());
    const body = await read(name);
    if (body === undefined) return text(404, "there is no such file");
    return new Response(body, { headers: { "content-type": "application/octet-stream" } });
  },
};

/** The bytes of a file, undefined if the folder itself has no such file. */
async function read(name) {
  if (["", ".", ".."].includes(name) || /[/\0]/.test(name)) return undefined;
  try {
    const found = await lstat(`${FOLDER}/${name}`);
    return found.isFile() ? await readFile(`${FOLDER}/${name}`) : undefined;
  } catch (error) {
    if (ABSENT.includes(error.code)) return undefined;
    throw error;
  }
}

async function list() {
  const entries = await readdir(FOLDER, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  const lines = names.map(async (name) => `${name} ${(await lstat(`${FOLDER}/${name}`)).size}\n`);
  return (await Promise.all(lines)).sort().join("");
}

function text(status, body) {
  return new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}
