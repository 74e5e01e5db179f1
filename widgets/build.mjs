// Bundles: one ES module for each component, classic scripts for the host, for the cards of claims and for
// what measures a claim again. The results are committed, so that the package installs from git without Node;
// a test builds again and compares the bytes.
import { build } from "esbuild";
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const components = JSON.parse(readFileSync(join(here, "frontier_widgets", "components.json"), "utf8"));
const outdir = process.argv[2] ?? join(here, "frontier_widgets", "static");
// Two folders may be given: where the figures' bundles go, and the one of other people's libraries that
// pictures in a frame need.
const libraries = process.argv[3] ?? join(here, "frontier_widgets");
const shared = {
  bundle: true,
  minify: true,
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
};

// D3's scales of numbers need none of its colours; BertViz's pictures do.
const alias = { "d3-color": join(here, "src", "base", "no_colors.ts") };

await Promise.all([
  // A figure's folder names its bundle; its style sheet lies beside its entry.
  ...Object.values(components).flatMap(({ entry }) => {
    const [folder, name] = [join(here, dirname(entry)), basename(dirname(entry))];
    return [
      build({
        ...shared,
        alias,
        format: "esm",
        entryPoints: [join(here, entry)],
        outfile: join(outdir, `${name}.js`),
      }),
      build({ ...shared, entryPoints: [join(folder, "style.css")], outfile: join(outdir, `${name}.css`) }),
    ];
  }),
  // BertViz asks a loader for jQuery and D3 5, which come from the network; in a frame it finds them here.
  build({
    ...shared,
    format: "iife",
    legalComments: "inline",
    stdin: {
      resolveDir: here,
      contents: `
        import { select } from "d3-selection";
        import { scaleOrdinal } from "d3-scale";
        import { schemeCategory10 } from "d3-scale-chromatic";
        import { hsl } from "d3-color";
        import $ from "jquery/dist/jquery.slim.js";
        window.$ = window.jQuery = $;
        const d3 = { version: "5", select, scaleOrdinal, schemeCategory10, hsl };
        window.require = { config() {} };
        window.requirejs = (names, start) => start($, d3);
      `,
    },
    outfile: join(libraries, "bertviz_libraries.js"),
  }),
  build({
    ...shared,
    format: "iife",
    loader: { ".css": "text" },
    entryPoints: [join(here, "src/host/index.ts")],
    outfile: join(outdir, "host.js"),
  }),
  build({
    ...shared,
    format: "iife",
    entryPoints: [join(here, "src/claims/index.ts")],
    outfile: join(outdir, "claims.js"),
  }),
  build({
    ...shared,
    format: "iife",
    entryPoints: [join(here, "src/claims/measures/index.ts")],
    outfile: join(outdir, "measures.js"),
  }),
]);
