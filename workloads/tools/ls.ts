// ls: names, -a, -A, -1, -d, -l (sizes are true; owner and mode are root's; files carry no time, so the pod's start stands in), -R.
import { posix } from "node:path";
import { folderNames, isFolder, pathExists, resolvePath } from "./file-tree.ts";
import { parseGetopt } from "./flags.ts";
import { toolWithUsage } from "./usage.ts";
import { write } from "./streams.ts";
import type { ToolIo } from "./tool.ts";

function longLine(io: ToolIo, path: string, name: string): string {
  const folder = isFolder(io.files, path);
  const size = folder ? 4096 : Buffer.byteLength(io.files.read(path) ?? "");
  const started = new Date(io.context.pod.status?.startTime ?? io.context.clock.now());
  const month = started.toLocaleString("en-US", { month: "short", timeZone: "UTC" });
  const time = `${month} ${String(started.getUTCDate()).padStart(2)} ${started.toISOString().slice(11, 16)}`;
  return `${folder ? "drwxr-xr-x    2" : "-rw-r--r--    1"} root     root      ${String(size).padStart(8)} ${time} ${name}\n`;
}

export const ls = toolWithUsage("ls", "[-1AaCdFlR] [FILE]...", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "1AaCdFlRhtrSi");
  const names = flags.rest.length > 0 ? flags.rest : ["."];
  let status = 0;
  const print = async (entries: readonly { readonly name: string; readonly path: string }[]): Promise<void> => {
    if (flags.has("l")) for (const { name, path } of entries) await write(io, longLine(io, path, name));
    else if (io.tty && !flags.has("1")) await write(io, entries.length > 0 ? `${entries.map(({ name }) => name).join("  ")}\n` : "");
    else for (const { name } of entries) await write(io, `${name}\n`);
  };
  const files: { name: string; path: string }[] = [];
  const folders: { name: string; path: string }[] = [];
  for (const name of names) {
    const path = resolvePath(io.cwd, name);
    if (!pathExists(io.files, path)) {
      io.stderr.write(`ls: ${name}: No such file or directory\n`);
      status = 1;
    } else (isFolder(io.files, path) && !flags.has("d") ? folders : files).push({ name, path });
  }
  await print(files);
  const many = names.length > 1 || flags.has("R");
  const show = async ({ name, path }: { name: string; path: string }, first: boolean): Promise<void> => {
    if (many) await write(io, `${first ? "" : "\n"}${name}:\n`);
    const below = folderNames(io.files, path).filter((entry) => flags.has("a") || flags.has("A") || !entry.startsWith("."));
    const dots = flags.has("a") ? [".", ".."] : [];
    const entries = [...dots, ...below].map((entry) => ({ name: entry, path: posix.join(path, entry) }));
    if (flags.has("l")) await write(io, `total ${entries.length * 4}\n`);
    await print(entries);
    if (flags.has("R"))
      for (const entry of entries.slice(dots.length))
        if (isFolder(io.files, entry.path)) await show({ name: `${name}/${entry.name}`, path: entry.path }, false);
  };
  for (const [index, folder] of folders.entries()) await show(folder, index === 0 && files.length === 0);
  return status;
});
