// The import law as ARCHITECTURE.md states it: its tables of folders and of dependencies, and which imports break them.
import type { SourceFile } from "./source-tree.ts";

export interface ImportTable {
  /** Folder → folders that it may import; "anything" where nothing is forbidden. In the table's order. */
  readonly folders: ReadonlyMap<string, ReadonlySet<string> | "anything">;
  /** Package → folders that may import it. */
  readonly packages: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Reads the tables whose header rows are `folder | … | may import` and `package | imported in | …`. */
export function parseImportTable(markdown: string): ImportTable {
  const rows = tableRows(markdown, ["folder", "what lives there", "may import"]).map(
    ([folder = "", , allowed = ""]) => [name(folder), allowed] as const,
  );
  const order = rows.map(([folder]) => folder);
  const folders = new Map<string, ReadonlySet<string> | "anything">();
  for (const [index, [folder, allowed]] of rows.entries()) {
    if (allowed === "anything") folders.set(folder, "anything");
    else if (allowed === "everything below") folders.set(folder, new Set(order.slice(index + 1)));
    else folders.set(folder, new Set(words(allowed)));
  }
  const packages = tableRows(markdown, ["package", "imported in", "why"]);
  return { folders, packages: new Map(packages.map(([title = "", where = ""]) => [name(title), new Set(words(where))])) };
}

function tableRows(markdown: string, header: readonly string[]): readonly (readonly string[])[] {
  const lines = markdown.split("\n").map(cells);
  const start = lines.findIndex((row) => row.join("|") === header.join("|"));
  if (start < 0) return [];
  const end = lines.findIndex((row, index) => index > start && row.length === 0);
  return lines.slice(start + 2, end < 0 ? undefined : end);
}

function cells(line: string): readonly string[] {
  return line.startsWith("|")
    ? line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim())
    : [];
}

function name(cell: string): string {
  return cell.replaceAll("`", "").replace(/\/$/, "");
}

function words(cell: string): readonly string[] {
  return cell
    .replace(/\([^)]*\)/g, "")
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

/** One line per import that the tables do not allow. Development packages are free in folders that may import anything. */
export function forbiddenImports(files: readonly SourceFile[], table: ImportTable): readonly string[] {
  return files.flatMap((file) => {
    const folder = topFolder(file.path);
    const allowed = table.folders.get(folder);
    if (allowed === undefined) return [`${file.path}: folder ${folder}/ is not in the table of ARCHITECTURE.md`];
    if (allowed === "anything") return [];
    return file.imports.flatMap(({ specifier, target }) => {
      if (specifier.startsWith("node:")) return [];
      if (target === undefined) {
        const owner = packageOf(specifier);
        return table.packages.get(owner)?.has(folder) ? [] : [`${file.path}: ${folder} may not import the package ${owner}`];
      }
      const other = topFolder(target);
      return other === folder || allowed.has(other) ? [] : [`${file.path}: ${folder} may not import ${target}`];
    });
  });
}

/** `cluster` of `cluster/x.ts`; `.` for a file at the root. */
export function topFolder(path: string): string {
  const slash = path.indexOf("/");
  return slash < 0 ? "." : path.slice(0, slash);
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** Every circle of imports between files (type-only imports aside), each written once as `a → b → a`. */
export function importCycles(files: readonly SourceFile[]): readonly string[] {
  const edges = new Map(
    files.map((file) => [file.path, file.imports.flatMap(({ target, typeOnly }) => (target && !typeOnly ? [target] : []))]),
  );
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const seen = trail.indexOf(path);
    if (seen >= 0) return void cycles.push([...trail.slice(seen), path].join(" → "));
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const file of files) visit(file.path, []);
  return cycles;
}
