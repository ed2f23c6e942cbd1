// The published package: what `npm pack` holds, and that it runs and imports where there is no checkout and no TypeScript.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import t from "tap";
import { WITHOUT_RUNNER } from "../support/command.ts";

const root = join(import.meta.dirname, "../..");
const folder = mkdtempSync(join(tmpdir(), "loopkube-package-"));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string; dependencies: Record<string, string> };
const run = (cwd: string, command: string, ...args: readonly string[]): string =>
  execFileSync("env", [...WITHOUT_RUNNER.slice(1), command, ...args], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** A copy of the working tree's own files, so that building does not disturb it. */
const copy = join(folder, "copy");
for (const file of run(root, "git", "ls-files", "--cached", "--others", "--exclude-standard").trim().split("\n")) {
  mkdirSync(dirname(join(copy, file)), { recursive: true });
  try {
    cpSync(join(root, file), join(copy, file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
run(copy, process.execPath, "scripts/build.mjs");
const [packed] = JSON.parse(
  run(copy, "npm", "--cache", join(folder, "npm"), "pack", "--json", "--ignore-scripts", "--pack-destination", folder),
) as readonly {
  filename: string;
  files: readonly { path: string }[];
}[];

t.test("contents", (t) => {
  const paths = packed?.files.map(({ path }) => path) ?? [];
  const top = new Set(paths.map((path) => path.split("/")[0]));
  const known = new Set(["bin", "dist", "docs", "examples", "package.json", "README.md", "LICENSE", "CHANGELOG.md"]);
  t.strictSame(
    [...top].filter((name) => name === undefined || !known.has(name)),
    [],
    "nothing else at the top",
  );
  for (const path of ["bin/loopkube.mjs", "dist/cli/main.js", "dist/cluster/index.js", "dist/cluster/index.d.ts", "LICENSE"])
    t.ok(paths.includes(path), path);
  t.strictSame(
    paths.filter((path) => path.startsWith("dist/") && path.endsWith(".ts") && !path.endsWith(".d.ts")),
    [],
    "no sources",
  );
  t.strictSame(
    paths.filter((path) => /(^|\/)(test|node_modules)\//.test(path)),
    [],
    "no tests",
  );
  t.end();
});

t.test("installed elsewhere", (t) => {
  const app = join(folder, "app");
  const modules = join(app, "node_modules");
  mkdirSync(join(modules, "loopkube"), { recursive: true });
  run(folder, "tar", "-xzf", packed?.filename ?? "", "-C", join(modules, "loopkube"), "--strip-components=1");
  for (const name of Object.keys(manifest.dependencies)) symlinkSync(join(root, "node_modules", name), join(modules, name));

  t.equal(run(app, process.execPath, join(modules, "loopkube/bin/loopkube.mjs"), "--version").trim(), manifest.version, "the command");
  writeFileSync(join(app, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(app, "main.js"), 'import * as loopkube from "loopkube"; console.log(typeof loopkube.startCluster);');
  t.equal(run(app, process.execPath, "main.js").trim(), "function", "the library");

  writeFileSync(
    join(app, "main.ts"),
    'import { startCluster } from "loopkube";\nexport const start: () => Promise<unknown> = () => startCluster({});\n',
  );
  symlinkSync(join(root, "node_modules/@types"), join(modules, "@types"));
  const options = [
    "--noEmit",
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2024",
    "--lib",
    "es2024,esnext.disposable",
    "--types",
    "node",
    "main.ts",
  ];
  t.equal(run(app, process.execPath, join(root, "node_modules/typescript/bin/tsc"), ...options), "", "its types");
  t.end();
});
