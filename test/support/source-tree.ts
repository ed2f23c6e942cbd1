// The project's own files as the presubmit test sees them: text, text without comments and literals, and what each file imports.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";

export interface SourceFile {
  /** Relative to the root, with `/`. */
  readonly path: string;
  readonly text: string;
  /** The text with comments, strings and regular expressions blanked out; line numbers stay. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  /** As written: `../model/ip.ts`, `node:net`, `ws`. */
  readonly specifier: string;
  /** Path relative to the root for a file of the project, else undefined. */
  readonly target: string | undefined;
  readonly typeOnly: boolean;
}

const IGNORED = new Set(["node_modules", "dist"]);

/** All .ts files below `root`, sorted by path. */
export function readSourceTree(root: string): readonly SourceFile[] {
  return filesBelow(root, (name) => name.endsWith(".ts"))
    .map((path) => parseSource(relative(root, path).split(sep).join("/"), readFileSync(path, "utf8")))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

function filesBelow(folder: string, wanted: (name: string) => boolean): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith(".") || IGNORED.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path, wanted);
    return entry.isFile() && wanted(entry.name) ? [path] : [];
  });
}

export function parseSource(path: string, text: string): SourceFile {
  return { path, text, code: blank(text), imports: importsOf(path, blankComments(text)) };
}

const STATIC = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?((?:[\w*$]|\{[^}]*\}|[\s,])*?)\s*from\s*["']([^"']+)["']/g;
const BARE = /(?:^|\n)\s*import\s*["']([^"']+)["']/g;
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']\s*\)(\.\w)?/g;

function importsOf(path: string, text: string): readonly Import[] {
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean): void => {
    const target = specifier.startsWith(".") ? join(dirname(path), specifier).split(sep).join("/") : undefined;
    found.push({ specifier, target, typeOnly });
  };
  for (const [, typeWord, clause = "", specifier = ""] of text.matchAll(STATIC))
    add(specifier, typeWord !== undefined || onlyInlineTypes(clause));
  for (const [, specifier = ""] of text.matchAll(BARE)) add(specifier, false);
  // `import("x").Name` in a type position is followed by a member; `await import("x")` is not.
  for (const [, specifier = "", member] of text.matchAll(DYNAMIC)) add(specifier, member !== undefined);
  return found;
}

function onlyInlineTypes(clause: string): boolean {
  const names = /^\s*\{([^}]*)\}\s*$/.exec(clause)?.[1];
  const parts = names
    ?.split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  return parts !== undefined && parts.length > 0 && parts.every((name) => name.startsWith("type "));
}

const TOKENS =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|(?<=[(,=:[!&|?{};\n]\s*|=>\s*|return\s+)\/(?![/*])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/g;

function spaces(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

/** Blanks comments, strings, templates and regular expressions. */
function blank(text: string): string {
  return text.replace(TOKENS, spaces);
}

function blankComments(text: string): string {
  return text.replace(TOKENS, (token) => (token.startsWith("//") || token.startsWith("/*") ? spaces(token) : token));
}
