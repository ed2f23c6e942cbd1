// A pod's files as a tree: paths resolved against a working directory, folders, and the folders that every image has.
// Files are text; modes, owners and links are not kept. Folders exist by having something in them, or by a path that ends in "/".
import { posix } from "node:path";
import type { PodFiles } from "../../model/ports.ts";

const STANDARD_FOLDERS = [
  "bin",
  "dev",
  "etc",
  "home",
  "lib",
  "opt",
  "proc",
  "root",
  "run",
  "sbin",
  "sys",
  "tmp",
  "usr",
  "usr/bin",
  "usr/local",
  "usr/sbin",
  "var",
  "var/log",
  "var/run",
];

/** The absolute, normal form of a path, without a trailing slash. */
export function resolvePath(cwd: string, path: string): string {
  return posix.resolve("/", cwd, path);
}

/** True when the path is a folder. */
export function isFolder(files: PodFiles, path: string): boolean {
  if (path === "/" || STANDARD_FOLDERS.includes(path.slice(1))) return true;
  if (files.read(path) !== undefined) return false;
  return files.list(path).length > 0 || files.list(posix.dirname(path)).includes(`${path}/`);
}

/** True when the path is a file or a folder. */
export function pathExists(files: PodFiles, path: string): boolean {
  return isDevice(path) || files.read(path) !== undefined || isFolder(files, path);
}

/** The character devices that redirections and tools know. */
export function isDevice(path: string): boolean {
  return (
    path === "/dev/null" ||
    path === "/dev/zero" ||
    path === "/dev/stdin" ||
    path === "/dev/stdout" ||
    path === "/dev/stderr" ||
    path === "/dev/tty"
  );
}

/** Names directly below a folder, sorted. */
export function folderNames(files: PodFiles, path: string): readonly string[] {
  const prefix = path === "/" ? "/" : `${path}/`;
  const names = new Set<string>();
  for (const entry of files.list(path)) {
    const name = (entry.startsWith(prefix) ? entry.slice(prefix.length) : entry).split("/")[0];
    if (name) names.add(name);
  }
  for (const folder of STANDARD_FOLDERS) {
    const full = `/${folder}`;
    if (posix.dirname(full) === path) names.add(posix.basename(full));
  }
  return [...names].sort();
}

/** Text of a file; a folder or an absent path is the error text that follows "name: ". */
export function readFile(files: PodFiles, path: string): { readonly text: string } | { readonly error: string } {
  if (path === "/dev/null") return { text: "" };
  const text = files.read(path);
  if (text !== undefined) return { text };
  return { error: isFolder(files, path) ? "Is a directory" : "No such file or directory" };
}

/** Writes a file, unless its folder is absent or the path is a folder: then the error text. */
export function writeFile(files: PodFiles, path: string, text: string): string | undefined {
  if (path === "/dev/null") return undefined;
  if (isFolder(files, path)) return "Is a directory";
  if (!isFolder(files, posix.dirname(path))) return "No such file or directory";
  try {
    files.write(path, text);
    return undefined;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EROFS" ? "Read-only file system" : "Permission denied";
  }
}

/** A path and everything below it, files and folders, parents first. */
export function walk(files: PodFiles, path: string): readonly { readonly path: string; readonly folder: boolean }[] {
  if (!isFolder(files, path)) return files.read(path) === undefined ? [] : [{ path, folder: false }];
  const below = folderNames(files, path).flatMap((name) => walk(files, posix.join(path, name)));
  return [{ path, folder: true }, ...below];
}

/** Removes a path and everything below it. */
export function removeTree(files: PodFiles, path: string): void {
  for (const entry of [...walk(files, path)].reverse()) files.remove(entry.folder ? `${entry.path}/` : entry.path);
}
