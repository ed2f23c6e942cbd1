// A container's view of files: its own writable root with volumes mounted over it, all as text.
// Upstream: volume mounts as the container runtime sets them up. Left out: modes, owners, links, binary content.
import type { PodFiles } from "../../model/ports.ts";

/** Files below one mount point; paths are relative, without a leading slash, "" being the mount point itself. */
export interface FileSource {
  read(path: string): string | undefined;
  /** Names directly below; a folder's name ends in "/". */
  list(path: string): readonly string[];
  /** Throws EROFS when the source cannot be written. */
  write(path: string, text: string): void;
  remove(path: string): boolean;
}

export interface Mount {
  /** Absolute, without a trailing slash. */
  readonly path: string;
  readonly source: FileSource;
  readonly readOnly: boolean;
}

/** An errno error as a failed file operation gives it. */
export function readOnlyFileSystem(path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`EROFS: read-only file system, open '${path}'`), { code: "EROFS", path });
}

function namesBelow(paths: Iterable<string>, folder: string): readonly string[] {
  const prefix = folder === "" ? "" : `${folder}/`;
  const names = new Set<string>();
  for (const path of paths) {
    if (!path.startsWith(prefix) || path.length === prefix.length) continue;
    const rest = path.slice(prefix.length);
    const slash = rest.indexOf("/");
    names.add(slash < 0 ? rest : rest.slice(0, slash + 1));
  }
  return [...names].toSorted();
}

/** Writable files in memory: a container's root or an emptyDir. */
export class MemoryFiles implements FileSource {
  readonly #files = new Map<string, string | (() => string)>();
  read(path: string): string | undefined {
    const text = this.#files.get(path);
    return typeof text === "function" ? text() : text;
  }
  list(path: string): readonly string[] {
    return namesBelow(this.#files.keys(), path);
  }
  write(path: string, text: string): void {
    this.#files.set(path, text);
  }
  generate(path: string, text: () => string): void {
    this.#files.set(path, text);
  }
  remove(path: string): boolean {
    const folder = path.endsWith("/") ? path : `${path}/`;
    let removed = this.#files.delete(path);
    for (const other of this.#files.keys()) if (other.startsWith(folder)) removed = this.#files.delete(other) || removed;
    return removed;
  }
}

/** Read-only files made from the cluster's state each time they are looked at: a ConfigMap, a Secret, the downward API. */
export class LiveFiles implements FileSource {
  readonly #entries: () => ReadonlyMap<string, string>;
  constructor(entries: () => ReadonlyMap<string, string>) {
    this.#entries = entries;
  }
  read(path: string): string | undefined {
    return this.#entries().get(path);
  }
  list(path: string): readonly string[] {
    return namesBelow(this.#entries().keys(), path);
  }
  write(path: string): void {
    throw readOnlyFileSystem(path);
  }
  remove(path: string): boolean {
    throw readOnlyFileSystem(path);
  }
}

/** One generated file, such as /etc/hosts, that the container may overwrite. */
export class GeneratedFile implements FileSource {
  readonly #text: () => string;
  #written: string | undefined;
  constructor(text: () => string) {
    this.#text = text;
  }
  read(path: string): string | undefined {
    return path === "" ? (this.#written ?? this.#text()) : undefined;
  }
  list(): readonly string[] {
    return [];
  }
  write(_path: string, text: string): void {
    this.#written = text;
  }
  remove(path: string): boolean {
    throw Object.assign(new Error(`EBUSY: resource busy or locked, unlink '${path}'`), { code: "EBUSY", path });
  }
}

/** Another source, which is looked up each time. */
export class ForwardedFiles implements FileSource {
  readonly #source: () => FileSource;
  constructor(source: () => FileSource) {
    this.#source = source;
  }
  read(path: string): string | undefined {
    return this.#source().read(path);
  }
  list(path: string): readonly string[] {
    return this.#source().list(path);
  }
  write(path: string, text: string): void {
    this.#source().write(path, text);
  }
  remove(path: string): boolean {
    return this.#source().remove(path);
  }
}

/** A part of another source: a volume's subPath, which may be a folder or a single file. */
export class SubFiles implements FileSource {
  readonly #source: FileSource;
  readonly #base: string;
  constructor(source: FileSource, base: string) {
    this.#source = source;
    this.#base = base.replace(/^\/+|\/+$/g, "");
  }
  #at(path: string): string {
    return path === "" ? this.#base : `${this.#base}/${path}`;
  }
  read(path: string): string | undefined {
    return this.#source.read(this.#at(path));
  }
  list(path: string): readonly string[] {
    return this.#source.list(this.#at(path));
  }
  write(path: string, text: string): void {
    this.#source.write(this.#at(path), text);
  }
  remove(path: string): boolean {
    return this.#source.remove(this.#at(path));
  }
}

/** Resolves absolute paths to the innermost mount. */
export class ContainerFiles implements PodFiles {
  readonly #root = new MemoryFiles();
  readonly #mounts: readonly Mount[];
  constructor(mounts: readonly Mount[]) {
    this.#mounts = mounts.toSorted((a, b) => b.path.length - a.path.length);
  }
  read(path: string): string | undefined {
    const { source, rest } = this.#locate(path);
    return source.read(rest);
  }
  write(path: string, text: string): void {
    const { source, rest, readOnly } = this.#locate(path);
    if (readOnly) throw readOnlyFileSystem(path);
    source.write(path.endsWith("/") && rest !== "" ? `${rest}/` : rest, text);
  }
  generate(path: string, text: () => string): void {
    this.#root.generate(normalise(path).slice(1), text);
  }
  remove(path: string): boolean {
    const { source, rest, readOnly } = this.#locate(path);
    if (readOnly) throw readOnlyFileSystem(path);
    return source.remove(rest);
  }
  list(path: string): readonly string[] {
    const folder = normalise(path);
    const { source, rest } = this.#locate(folder);
    const prefix = folder === "/" ? "/" : `${folder}/`;
    const found = new Set(source.list(rest).map((name) => `${prefix}${name}`));
    for (const mount of this.#mounts) {
      if (!mount.path.startsWith(prefix) || mount.path === folder) continue;
      const below = mount.path.slice(prefix.length);
      const slash = below.indexOf("/");
      const isFile = slash < 0 && mount.source.read("") !== undefined;
      found.add(`${prefix}${slash < 0 ? below : below.slice(0, slash)}${isFile ? "" : "/"}`);
    }
    return [...found].toSorted();
  }
  #locate(path: string): { readonly source: FileSource; readonly rest: string; readonly readOnly: boolean } {
    const wanted = normalise(path);
    for (const mount of this.#mounts) {
      if (wanted === mount.path) return { source: mount.source, rest: "", readOnly: mount.readOnly };
      if (wanted.startsWith(`${mount.path}/`)) {
        return { source: mount.source, rest: wanted.slice(mount.path.length + 1), readOnly: mount.readOnly };
      }
    }
    return { source: this.#root, rest: wanted.slice(1), readOnly: false };
  }
}

/** `/a/./b//../c/` → `/a/c`. */
function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
