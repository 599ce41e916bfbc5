// Bundles the page into the folder that the Python package carries: node build.mjs FOLDER
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { build } from "esbuild";

const out = process.argv[2] ?? "../pachlocal/web/bundle";
const fresh = `${out}.new`;
await rm(fresh, { recursive: true, force: true });
await mkdir(fresh, { recursive: true });
const made = await build({
  entryPoints: { console: "src/main.tsx" },
  outdir: fresh,
  bundle: true,
  splitting: true, // what a view needs that few look at is loaded with it
  format: "esm",
  minify: true,
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  metafile: true,
  legalComments: "none",
  logLevel: "warning",
});
const names = Object.keys(made.metafile.outputs).map((file) => basename(file));
const script = names.find((name) => /^console-.*\.js$/.test(name));
const style = names.find((name) => name.endsWith(".css"));
await writeFile(
  `${fresh}/index.html`,
  `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>pachlocal</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M4 4l8 4-8 4' fill='none' stroke='%231a5fb4'/%3E%3Ccircle cx='4' cy='4' r='3' fill='%231a5fb4'/%3E%3Ccircle cx='4' cy='12' r='3' fill='%231a5fb4'/%3E%3Ccircle cx='12' cy='8' r='3' fill='%231a5fb4'/%3E%3C/svg%3E">
<link rel="stylesheet" href="/console/${style}">
<body><div id="page"></div>
<noscript>This page needs JavaScript.</noscript>
<script type="module" src="/console/${script}"></script>
`,
);
await rm(out, { recursive: true, force: true });
await rename(fresh, out);
