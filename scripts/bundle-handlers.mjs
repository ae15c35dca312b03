// Makes the handlers that use libraries: `node scripts/bundle-handlers.mjs [--check]`.
//
// A function with `js/package.json` has its handler's source in `js/`, from `main.js` on. esbuild puts it and the
// libraries of `js/package-lock.json` into `handler.js`, and their licences into `js/LICENSES`. With `--check` nothing is
// written, and the exit code is 1 if a file would differ.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const functions = fileURLToPath(new URL("../functions", import.meta.url));
const isCheck = process.argv.includes("--check");

let differ = 0;
for (const name of fs.readdirSync(functions)) {
  if (!fs.existsSync(path.join(functions, name, "js/package.json"))) continue;
  const made = bundle(path.join(functions, name, "js"));
  for (const [file, content] of Object.entries(made)) {
    const target = path.join(functions, name, file);
    if (fs.existsSync(target) && fs.readFileSync(target, "utf8") === content) continue;
    differ += 1;
    console.log(`${path.relative(process.cwd(), target)} ${isCheck ? "is not what its sources make" : "made"}`);
    if (!isCheck) fs.writeFileSync(target, content);
  }
}
process.exitCode = isCheck && differ > 0 ? 1 : 0;

/** The files that the sources in a folder make, by their path in the function's folder. */
function bundle(folder) {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), "isolab-bundle-"));
  try {
    for (const file of fs.readdirSync(folder)) fs.copyFileSync(path.join(folder, file), path.join(work, file));
    execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"], {
      cwd: work,
      stdio: ["ignore", "ignore", "inherit"],
    });
    const { buildSync } = createRequire(path.join(work, "main.js"))("esbuild");
    const { outputFiles, metafile } = buildSync({
      absWorkingDir: work,
      entryPoints: ["main.js"],
      bundle: true,
      format: "esm",
      // QuickJS has all of it.
      target: "es2023",
      charset: "utf8",
      legalComments: "inline",
      metafile: true,
      write: false,
    });
    const packages = packagesOf(work, Object.keys(metafile.inputs));
    const list = packages.map(({ name, version, license }) => `${name} ${version} (${license})`).join(", ");
    const head = `// Made by scripts/bundle-handlers.mjs from js/ and ${list}. Their licences are in js/LICENSES.\n`;
    return {
      "handler.js": head + outputFiles[0].text,
      "js/LICENSES": packages.map(({ name, version, text }) => `${name} ${version}\n\n${text.trim()}\n`).join("\n\n"),
    };
  } finally {
    fs.rmSync(work, { recursive: true });
  }
}

/** The packages that files of the bundle come from, by name. */
function packagesOf(work, files) {
  const names = files.map((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]).filter(Boolean);
  return [...new Set(names)].sort().map((name) => {
    const folder = path.join(work, "node_modules", name);
    const { version, license } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
    const entries = fs.readdirSync(folder);
    // Some packages have their licence in the text that introduces them.
    const file = [/^licen[cs]e/i, /^readme/i].map((start) => entries.find((entry) => start.test(entry))).find(Boolean);
    if (file === undefined) throw new Error(`${name} has no file with its licence`);
    return { name, version, license, text: fs.readFileSync(path.join(folder, file), "utf8") };
  });
}
