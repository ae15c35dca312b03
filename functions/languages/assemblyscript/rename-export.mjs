// Renames an exported function of a module: `node rename-export.mjs MODULE OLD NEW`. The compiler takes identifiers only.

import fs from "node:fs";

import binaryen from "binaryen";

const [file, old, name] = process.argv.slice(2);
const module = binaryen.readBinary(fs.readFileSync(file));
module.setFeatures(binaryen.Features.All);
const { value } = binaryen.getExportInfo(module.getExport(old));
module.removeExport(old);
module.addFunctionExport(value, name);
if (!module.validate()) throw new Error(`${file} is not valid any more`);
fs.writeFileSync(file, module.emitBinary());
