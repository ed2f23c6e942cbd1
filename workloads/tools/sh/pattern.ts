// Shell patterns: *, ?, [a-z], [!a-z]; for `case`, `${x%…}` and file names.
import { posix } from "node:path";
import type { PodFiles } from "../../../model/ports.ts";
import { folderNames, isFolder, pathExists, resolvePath } from "../file-tree.ts";

/** A pattern's pieces: quoted text stands for itself. */
export type PatternPiece = { readonly text: string; readonly quoted: boolean };

/** The source of a regular expression for a pattern; `lazy` makes stars match as little as they can. */
export function patternSource(
  pieces: readonly PatternPiece[],
  options: { readonly lazy?: boolean; readonly paths?: boolean } = {},
): string {
  const any = options.paths ? "[^/]" : "[\\s\\S]";
  let out = "";
  for (const { text, quoted } of pieces) {
    for (let i = 0; i < text.length; i++) {
      const char = text.charAt(i);
      const end = text.indexOf("]", i + (text[i + 1] === "!" || text[i + 1] === "^" ? 3 : 2));
      if (quoted) out += escape(char);
      else if (char === "*") out += `${any}*${options.lazy ? "?" : ""}`;
      else if (char === "?") out += any;
      else if (char === "[" && end > 0) {
        const set = text.slice(i + 1, end);
        const named = set
          .replace(/\[:(\w+):$/, (_all, name: string) => CLASSES[name] ?? "")
          .replaceAll("\\", "\\\\")
          .replaceAll("[", "\\[");
        out += `[${named.replace(/^[!^]/, "^")}]`;
        i = end + (/\[:\w+:$/.test(set) && text[end + 1] === "]" ? 1 : 0);
      } else out += escape(char);
    }
  }
  return out;
}

const CLASSES: Readonly<Record<string, string>> = {
  alpha: "A-Za-z",
  digit: "0-9",
  alnum: "A-Za-z0-9",
  upper: "A-Z",
  lower: "a-z",
  space: " \\t\\n\\r",
  punct: "!-/:-@\\[-`{-~",
};

function escape(char: string): string {
  return /[\\^$.*+?()[\]{}|/-]/.test(char) ? `\\${char}` : char;
}

/** True when the whole text matches. */
export function matchesPattern(text: string, pieces: readonly PatternPiece[]): boolean {
  return new RegExp(`^(?:${patternSource(pieces)})$`).test(text);
}

/** `${x#p}`, `${x##p}`, `${x%p}`, `${x%%p}`: text without the matching prefix or suffix. */
export function trimPattern(text: string, operator: string, pieces: readonly PatternPiece[]): string {
  if (operator.startsWith("#")) {
    const match = new RegExp(`^(?:${patternSource(pieces, { lazy: operator === "#" })})`).exec(text);
    return match ? text.slice(match[0].length) : text;
  }
  const whole = new RegExp(`^(?:${patternSource(pieces)})$`);
  const longest = operator === "%%";
  for (let i = 0; i <= text.length; i++) {
    const at = longest ? i : text.length - i;
    if (whole.test(text.slice(at))) return text.slice(0, at);
  }
  return text;
}

/** Paths that match a file-name pattern, sorted; none when nothing matches or when it is no pattern. */
export function expandFileNames(files: PodFiles, cwd: string, pieces: readonly PatternPiece[]): readonly string[] {
  if (!pieces.some(({ text, quoted }) => !quoted && /[*?[]/.test(text))) return [];
  const segments: PatternPiece[][] = [[]];
  for (const { text, quoted } of pieces) {
    text.split("/").forEach((piece, index) => {
      if (index > 0) segments.push([]);
      segments.at(-1)?.push({ text: piece, quoted });
    });
  }
  let paths = [""];
  segments.forEach((segment, index) => {
    const plain = segment.map(({ text }) => text).join("");
    const join = (base: string, name: string): string => (index === 0 ? name : `${base}/${name}`);
    if (!segment.some(({ text, quoted }) => !quoted && /[*?[]/.test(text))) {
      paths = paths.map((base) => join(base, plain));
      return;
    }
    const regex = new RegExp(`^(?:${patternSource(segment, { paths: true })})$`);
    paths = paths.flatMap((base) => {
      const folder = index === 0 ? resolvePath(cwd, ".") : resolvePath(cwd, base === "" ? "/" : base);
      if (!isFolder(files, folder)) return [];
      const names = folderNames(files, folder).filter((name) => regex.test(name) && (!name.startsWith(".") || plain.startsWith(".")));
      return names.map((name) => join(base, name));
    });
  });
  return paths.filter((path) => pathExists(files, posix.resolve(cwd, path === "" ? "/" : path))).sort();
}
