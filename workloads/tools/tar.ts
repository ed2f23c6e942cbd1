// tar: c, x and t of ustar archives on standard input and output or a file, with -C, -f, -m, -p, -v: what `kubectl cp` needs.
// Files here are text: content that is not UTF-8 is refused instead of being spoiled. Left out: compression, links, times.
import { posix } from "node:path";
import { isFolder, pathExists, resolvePath, walk, writeFile } from "./file-tree.ts";
import { readAll, write } from "./streams.ts";
import { fail, type NamedTool, type ToolIo } from "./tool.ts";

const BLOCK = 512;

interface Entry {
  readonly name: string;
  readonly folder: boolean;
  readonly data: Buffer;
}

function header(name: string, folder: boolean, size: number, atMs: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const split = name.length > 100 ? name.lastIndexOf("/", 155) : -1;
  block.write(split < 0 ? name : name.slice(split + 1), 0, 100);
  block.write(folder ? "0000755\0" : "0000644\0", 100);
  block.write("0000000\u00000000000\0", 108);
  block.write(
    `${size.toString(8).padStart(11, "0")}\0${Math.floor(atMs / 1000)
      .toString(8)
      .padStart(11, "0")}\0`,
    124,
  );
  block.write("        ", 148);
  block.write(folder ? "5" : "0", 156);
  block.write("ustar\u000000", 257);
  block.write("root", 265);
  block.write("root", 297);
  if (split >= 0) block.write(name.slice(0, split), 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** The entries of an archive; undefined when it is none. GNU and pax long names are understood. */
export function readArchive(archive: Buffer): readonly Entry[] | undefined {
  const entries: Entry[] = [];
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= archive.length;) {
    const block = archive.subarray(at, at + BLOCK);
    if (block.every((byte) => byte === 0)) return entries;
    const field = (from: number, length: number): string => block.toString("utf8", from, from + length).replace(/\0[\s\S]*$/, "");
    const size = parseInt(field(124, 12).trim() || "0", 8);
    const sum = parseInt(field(148, 8).trim(), 8);
    const actual = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
    if (Number.isNaN(size) || sum !== actual) return undefined;
    const data = archive.subarray(at + BLOCK, at + BLOCK + size);
    if (data.length < size) return undefined;
    const kind = field(156, 1);
    const prefix = field(257, 5) === "ustar" ? field(345, 155) : "";
    const name = longName ?? (prefix === "" ? field(0, 100) : `${prefix}/${field(0, 100)}`);
    longName = undefined;
    if (kind === "L") longName = data.toString().replace(/\0[\s\S]*$/, "");
    else if (kind === "x") longName = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(data.toString())?.[1];
    else if (kind === "5") entries.push({ name, folder: true, data: Buffer.alloc(0) });
    else if (kind === "0" || kind === "") entries.push({ name, folder: false, data: Buffer.from(data) });
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return entries.length > 0 ? entries : undefined;
}

/** An archive of these paths, named as they were given. */
function makeArchive(
  names: readonly string[],
  base: string,
  io: ToolIo,
): { readonly archive: Buffer; readonly missing: readonly string[] } {
  const blocks: Buffer[] = [];
  const missing: string[] = [];
  for (const name of names) {
    const path = resolvePath(base, name);
    if (!pathExists(io.files, path)) missing.push(name);
    for (const entry of walk(io.files, path)) {
      const relative = posix.join(name, entry.path.slice(path.length)).replace(/^\/+/, "") || ".";
      const data = entry.folder ? Buffer.alloc(0) : Buffer.from(io.files.read(entry.path) ?? "");
      blocks.push(
        header(entry.folder ? `${relative}/` : relative, entry.folder, data.length, io.context.clock.now()),
        data,
        Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK),
      );
    }
  }
  return { archive: Buffer.concat([...blocks, Buffer.alloc(BLOCK * 2)]), missing };
}

function unpack(entries: readonly Entry[], base: string, verbose: boolean, io: ToolIo): number {
  let status = 0;
  for (const { name, folder, data } of entries) {
    const path = resolvePath(base, name.replace(/^\/+/, ""));
    if (name.split("/").includes("..")) {
      status = fail(io, `tar: name with '..' skipped: '${name}'`);
      continue;
    }
    if (folder) {
      if (!isFolder(io.files, path)) io.files.write(`${path}/`, "");
    } else {
      const text = data.toString();
      const parent = posix.dirname(path);
      if (!isFolder(io.files, parent)) io.files.write(`${parent}/`, "");
      const error = Buffer.from(text).equals(data) ? writeFile(io.files, path, text) : "binary content is not carried by pods' files";
      if (error !== undefined) status = fail(io, `tar: can't open '${name}': ${error}`);
    }
    if (verbose) io.stdout.write(`${name}\n`);
  }
  return status;
}

export const tar: NamedTool = {
  name: "tar",
  async run(argv, io) {
    const words = argv.slice(1);
    const letters = new Set<string>();
    let archiveName = "-";
    let base = io.cwd;
    const names: string[] = [];
    for (let i = 0; i < words.length; i++) {
      const word = words[i] ?? "";
      if (word === "--" || word.startsWith("--no-") || word.startsWith("--warning")) continue;
      if (!(i === 0 || (word.startsWith("-") && word.length > 1))) {
        names.push(word);
        continue;
      }
      for (const letter of word.replace(/^-/, "")) {
        if (!"cxtfmvpoCk".includes(letter)) return fail(io, `tar: invalid option -- '${letter}'`);
        letters.add(letter);
        if (letter === "f") archiveName = words[++i] ?? "-";
        if (letter === "C") base = resolvePath(io.cwd, words[++i] ?? ".");
      }
    }
    if (letters.has("C") && !isFolder(io.files, base))
      return fail(io, `tar: can't change directory to '${base}': No such file or directory`);
    const path = resolvePath(io.cwd, archiveName);
    if (letters.has("c")) {
      if (names.length === 0) return fail(io, "tar: empty archive");
      const { archive, missing } = makeArchive(names, base, io);
      if (archiveName === "-") await write(io, archive);
      else {
        const error = writeFile(io.files, path, archive.toString());
        if (error !== undefined) return fail(io, `tar: can't open '${archiveName}': ${error}`);
      }
      for (const name of missing) io.stderr.write(`tar: ${name}: No such file or directory\n`);
      return missing.length > 0 ? fail(io, "tar: error exit delayed from previous errors") : 0;
    }
    if (!letters.has("x") && !letters.has("t")) return fail(io, "tar: need at least one option of c, x, t");
    const stored = archiveName === "-" ? undefined : io.files.read(path);
    if (archiveName !== "-" && stored === undefined) return fail(io, `tar: can't open '${archiveName}': No such file or directory`);
    const entries = readArchive(stored === undefined ? await readAll(io.stdin, io.signal) : Buffer.from(stored));
    if (!entries) return fail(io, "tar: invalid tar magic");
    const chosen = entries.filter(
      ({ name }) => names.length === 0 || names.some((wanted) => name === wanted || name.startsWith(`${wanted.replace(/\/$/, "")}/`)),
    );
    if (letters.has("x")) return unpack(chosen, base, letters.has("v"), io);
    await write(io, chosen.map(({ name }) => `${name}\n`).join(""));
    return 0;
  },
};
