// Taste made executable: the import law of ARCHITECTURE.md, the rules for each file, and what must be true of the repository.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { forbiddenImports, importCycles, parseImportTable, topFolder } from "./support/import-table.ts";
import { brokenRules } from "./support/source-rules.ts";
import { parseSource, readSourceTree } from "./support/source-tree.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

const table = parseImportTable(read("ARCHITECTURE.md"));
const files = readSourceTree(root);

/** Folders whose face is not an index.ts: the command's is main.ts, the vocabulary is imported file by file. */
const WITHOUT_INDEX = new Set(["cli", "model"]);

t.test("the import table", (t) => {
  t.ok(table.folders.size >= 15, "is found in ARCHITECTURE.md");
  t.strictSame(forbiddenImports(files, table), []);
  t.strictSame(importCycles(files), [], "no file imports itself in a circle");
  t.end();
});

t.test("every file", (t) => {
  t.ok(files.length > 100, "was read");
  t.strictSame(files.flatMap(brokenRules), []);
  t.end();
});

t.test("every folder shows its face", (t) => {
  const paths = new Set(files.map((file) => file.path));
  const folders = [...table.folders].flatMap(([folder, allowed]) => (allowed === "anything" || WITHOUT_INDEX.has(folder) ? [] : [folder]));
  const used = folders.filter((folder) => files.some((file) => topFolder(file.path) === folder));
  t.strictSame(
    used.filter((folder) => !paths.has(`${folder}/index.ts`)),
    [],
    "index.ts",
  );
  t.end();
});

t.test("dependencies", (t) => {
  const manifest = JSON.parse(read("package.json")) as { dependencies: Record<string, string>; devDependencies: Record<string, string> };
  t.strictSame(Object.keys(manifest.dependencies).sort(), [...table.packages.keys()].sort(), "each is argued in ARCHITECTURE.md");
  const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
  t.strictSame(
    versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)),
    [],
    "are pinned",
  );
  const imported = new Set(files.flatMap((file) => file.imports.map(({ specifier }) => specifier)));
  t.strictSame(
    Object.keys(manifest.dependencies).filter((name) => !imported.has(name) && !usedWithRequire(name)),
    [],
    "are used",
  );
  t.notMatch(read("package-lock.json"), /"resolved": "https?:/, "the lock file names no registry");
  t.end();
});

/** A package that must be loaded with createRequire is not imported. */
function usedWithRequire(name: string): boolean {
  return files.some((file) => topFolder(file.path) !== "test" && file.text.includes(`require("${name}")`));
}

t.test("README", { skip: existsSync(join(root, "README.md")) ? false : "there is none yet" }, (t) => {
  const mentioned = [...read("README.md").matchAll(/\b(?:examples|docs|bench)\/[\w./-]*\w/g)].map(([path]) => path);
  t.strictSame(
    [...new Set(mentioned)].filter((path) => !existsSync(join(root, path))),
    [],
    "every file it names exists",
  );
  t.end();
});

t.test("the rules can tell right from wrong", (t) => {
  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ["dns/x.ts", "const a: any = 1;", /uses `any` \(line 2\)/],
    ["dns/x.ts", "const a = b as any;", /uses `any`/],
    ["dns/x.ts", "let a: Map<string, any>;", /uses `any`/],
    ["dns/x.ts", "// @ts-ignore", /silences a checker/],
    ["dns/x.ts", 'import { connect } from "node:net";', /imports node:net/],
    ["dns/x.ts", "const now = Date.now();", /reads the time/],
    ["dns/x.ts", "setTimeout(go, 1);", /sets a timer/],
    ["dns/x.ts", "Math.random();", /is random/],
    ["dns/x.ts", "enum A {}", /declares an enum/],
    ["dns/utils.ts", "", /named after nothing/],
    ["dns/someThing.ts", "", /kebab-case/],
    ["dns/x.ts", "\n".repeat(400), /401 lines long/],
  ];
  for (const [path, text, complaint] of wrong)
    t.match(brokenRules(parseSource(path, `// What it is.\n${text}`)).join("\n"), complaint, text.trim() || path);
  const right = [
    'import type { Socket } from "node:net";',
    'import { type Socket, type Server } from "node:net";',
    'const text = "as any"; // any, Date.now()',
    "const date = new Date(clock.now());",
    "const pattern = /Math.random(any)/;",
    "const matches = (word: string) => /^as any$/.test(word);",
    "/** setTimeout( and `any` in prose */",
  ];
  for (const text of right) t.strictSame(brokenRules(parseSource("dns/x.ts", `// What it is.\n${text}`)), [], text);
  t.match(brokenRules(parseSource("dns/x.ts", "const a = 1;")).join(), /does not start by saying what it is/);

  const law = parseImportTable(
    "| folder | what lives there | may import |\n| --- | --- | --- |\n| `a/` | x | everything below |\n| `b/` | x | d (part) |\n| `c/` | x | |\n\n| package | imported in | why |\n|-|-|-|\n| `p` | c | x |\n",
  );
  const source = (path: string, ...specifiers: readonly string[]) =>
    parseSource(path, specifiers.map((specifier) => `import x from "${specifier}";`).join("\n"));
  t.strictSame(
    forbiddenImports(
      [source("a/x.ts", "../b/x.ts", "../c/x.ts", "node:fs"), source("c/x.ts", "p"), source("b/x.ts", "../d/x.ts", "./y.ts")],
      law,
    ),
    [],
  );
  t.strictSame(forbiddenImports([source("b/x.ts", "../c/x.ts", "p"), source("c/x.ts", "../../a/x.ts".slice(3)), source("z/x.ts")], law), [
    "b/x.ts: b may not import c/x.ts",
    "b/x.ts: b may not import the package p",
    "c/x.ts: c may not import a/x.ts",
    "z/x.ts: folder z/ is not in the table of ARCHITECTURE.md",
  ]);
  t.strictSame(importCycles([source("a/x.ts", "./y.ts"), source("a/y.ts", "./x.ts")]), ["a/x.ts → a/y.ts → a/x.ts"]);
  t.end();
});
