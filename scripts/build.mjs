// `npm run build`: the publishable package in dist/. TypeScript becomes JavaScript and declarations; every other file of the source
// folders that a program reads at run time is copied beside it.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { root } from "./bootstrap.mjs";

const COPIED = new Set([".json", ".html", ".css", ".js", ".mjs", ".svg", ".txt", ".yaml"]);
const dist = join(root, "dist");
const { include } = JSON.parse(readFileSync(join(root, "tsconfig.build.json"), "utf8"));

const start = performance.now();
rmSync(dist, { recursive: true, force: true });
const tsc = spawnSync(join(root, "node_modules", ".bin", "tsc"), ["-p", "tsconfig.build.json"], {
  cwd: root,
  stdio: "inherit",
  shell: process.platform === "win32",
});
if (tsc.status !== 0) process.exit(tsc.status ?? 1);

for (const folder of include.filter((name) => existsSync(join(root, name)))) {
  for (const file of filesBelow(join(root, folder)).filter((path) => COPIED.has(extname(path)))) {
    const target = join(dist, relative(root, file));
    mkdirSync(dirname(target), { recursive: true });
    cpSync(file, target);
  }
}

// tsc rewrites the paths in programs, and leaves them in declarations.
for (const file of filesBelow(dist).filter((path) => path.endsWith(".d.ts"))) {
  const text = readFileSync(file, "utf8");
  writeFileSync(file, text.replace(/((?:from|import)\s*\(?\s*")(\.{1,2}\/[^"]+)\.ts"/g, '$1$2.js"'));
}

const broken = filesBelow(dist)
  .filter((file) => file.endsWith(".js"))
  .flatMap((file) =>
    readFileSync(file, "utf8")
      .split("\n")
      .map((line, index) => ({ place: `${relative(root, file)}:${index + 1}`, line })),
  )
  .filter(({ line }) => /new URL\(\s*["'`][^"'`]*\.ts["'`]/.test(line));
for (const { place, line } of broken)
  process.stderr.write(`${place}: a path to TypeScript does not exist in the package: ${line.trim()}\n`);
if (broken.length > 0) process.exit(1);

const files = filesBelow(dist);
const kilobytes = Math.round(files.reduce((sum, file) => sum + statSync(file).size, 0) / 1024);
process.stdout.write(`dist: ${files.length} files, ${kilobytes} kB (${((performance.now() - start) / 1000).toFixed(1)} s)\n`);

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
