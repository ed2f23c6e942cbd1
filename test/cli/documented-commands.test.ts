// Every `loopkube …` command line in the documents names a command and options that exist.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import t from "tap";
import { createProgram } from "../../cli/main.ts";

const ROOT = join(import.meta.dirname, "../..");
const LINE = /\bloopkube ((?:[a-z][a-z-]*)(?: [^`\n|;&#)]*)?)/g;

const inFolder = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md"))
    .map((path) => join(folder, path));
const folderReadmes = readdirSync(ROOT, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith(".") && entry.name !== "node_modules")
  .flatMap(({ name }) => (readdirSync(join(ROOT, name)).includes("README.md") ? [join(name, "README.md")] : []));
const documents = [
  ...new Set(["README.md", "CHANGELOG.md", "CONTRIBUTING.md", ...folderReadmes, ...inFolder("docs"), ...inFolder("examples")]),
];

/** Code of a Markdown text: fenced blocks and spans. */
function codeOf(markdown: string): string {
  return [...markdown.matchAll(/```[a-z]*\n([\s\S]*?)```|`([^`\n]+)`/g)].map(([, block, span]) => block ?? span ?? "").join("\n");
}

/** What is wrong with a command line, if anything. */
function fault(line: string): string | undefined {
  const words = line.split(" -- ")[0]?.trim().split(/\s+/) ?? [];
  let command: Command = createProgram();
  while (words[0] !== undefined && command.commands.length > 0) {
    const name: string = words[0].split("|")[0] ?? "";
    const next = command.commands.find((each) => each.name() === name || each.aliases().includes(name));
    if (!next) break;
    command = next;
    words.shift();
  }
  if (command.parent === null) return words[0] === "help" ? undefined : `no command ${words[0]}`;
  const known = new Set(command.options.flatMap(({ long, short }) => [long, short]));
  const unknown = words
    .map((word) => /^--?[a-z][a-z-]*/i.exec(word)?.[0])
    .find((word) => word !== undefined && word !== "--help" && word !== "-h" && !known.has(word));
  return unknown === undefined ? undefined : `${command.name()} has no ${unknown}`;
}

t.equal(fault("curl --nonsense http://shop"), "curl has no --nonsense");
t.equal(fault("nonsense"), "no command nonsense");
t.ok(documents.length > 12, `${documents.length} documents`);
for (const document of documents) {
  const lines = [...codeOf(readFileSync(join(ROOT, document), "utf8")).matchAll(LINE)].map(([, line = ""]) => line.trim());
  const wrong = lines.filter((line) => fault(line) !== undefined).map((line) => `${line}: ${fault(line)}`);
  t.strictSame(wrong, [], document);
}
