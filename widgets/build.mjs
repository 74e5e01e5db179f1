// Bundles: one ES module for each component, one classic script for the host. The results are committed, so that the
// package installs from git without Node; a test builds again and compares the bytes.
import { build } from "esbuild";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const outdir = process.argv[2] ?? join(here, "frontier_widgets", "static");
const shared = { bundle: true, minify: true, target: "es2022", charset: "utf8", legalComments: "none", logLevel: "warning" };

await Promise.all([
  ...["attention_pattern_analyzer", "long_context_strategies", "moe_routing"].flatMap((name) => [
    build({ ...shared, format: "esm", entryPoints: [join(here, `src/${name}.ts`)], outfile: join(outdir, `${name}.js`) }),
    build({ ...shared, entryPoints: [join(here, `src/${name}.css`)], outfile: join(outdir, `${name}.css`) }),
  ]),
  build({ ...shared, format: "iife", loader: { ".css": "text" }, entryPoints: [join(here, "src/host.ts")], outfile: join(outdir, "host.js") }),
]);
