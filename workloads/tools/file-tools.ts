// Tools that change files: touch, mkdir, rmdir, rm, cp, mv, chmod and chown (files have neither mode nor owner: accepted for root).
import { posix } from "node:path";
import { isFolder, pathExists, readFile, removeTree, resolvePath, walk, writeFile } from "./file-tree.ts";
import { parseGetopt } from "./flags.ts";
import { fail, type NamedTool, type ToolIo } from "./tool.ts";
import { toolWithUsage } from "./usage.ts";

const touch = toolWithUsage("touch", "FILE...", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "cam");
  let status = 0;
  for (const name of flags.rest) {
    const path = resolvePath(io.cwd, name);
    const error = pathExists(io.files, path) || flags.has("c") ? undefined : writeFile(io.files, path, "");
    if (error !== undefined) status = fail(io, `touch: ${name}: ${error}`);
  }
  return status;
});

const mkdir = toolWithUsage("mkdir", "[-p] DIRECTORY...", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "pm:", { parents: "p" });
  let status = 0;
  for (const name of flags.rest) {
    const path = resolvePath(io.cwd, name);
    const complain = (reason: string): number => fail(io, `mkdir: can't create directory '${name}': ${reason}`);
    if (pathExists(io.files, path)) {
      if (!flags.has("p") || !isFolder(io.files, path)) status = complain("File exists");
    } else if (!flags.has("p") && !isFolder(io.files, posix.dirname(path))) status = complain("No such file or directory");
    else io.files.write(`${path}/`, "");
  }
  return status;
});

const rmdir = toolWithUsage("rmdir", "DIRECTORY...", async (argv, io) => {
  let status = 0;
  for (const name of argv.slice(1)) {
    const path = resolvePath(io.cwd, name);
    if (!isFolder(io.files, path))
      status = fail(io, `rmdir: '${name}': ${pathExists(io.files, path) ? "Not a directory" : "No such file or directory"}`);
    else if (walk(io.files, path).length > 1) status = fail(io, `rmdir: '${name}': Directory not empty`);
    else io.files.remove(`${path}/`);
  }
  return status;
});

const rm = toolWithUsage("rm", "[-rf] FILE...", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "rRfiv");
  let status = 0;
  for (const name of flags.rest) {
    const path = resolvePath(io.cwd, name);
    if (!pathExists(io.files, path)) {
      if (!flags.has("f")) status = fail(io, `rm: can't remove '${name}': No such file or directory`);
    } else if (isFolder(io.files, path) && !flags.has("r") && !flags.has("R")) status = fail(io, `rm: '${name}' is a directory`);
    else removeTree(io.files, path);
  }
  return status;
});

function copyTree(io: ToolIo, from: string, to: string): string | undefined {
  for (const entry of walk(io.files, from)) {
    const target = to + entry.path.slice(from.length);
    if (entry.folder) io.files.write(`${target}/`, "");
    else {
      const error = writeFile(io.files, target, io.files.read(entry.path) ?? "");
      if (error !== undefined) return error;
    }
  }
  return undefined;
}

function transfer(name: "cp" | "mv"): NamedTool {
  return toolWithUsage(name, `${name === "cp" ? "[-r] " : ""}SOURCE... DEST`, async (argv, io) => {
    const flags = parseGetopt(argv.slice(1), "rRafpTvi");
    const sources = flags.rest.slice(0, -1);
    const target = flags.rest.at(-1);
    if (target === undefined || sources.length === 0) return fail(io, `${name}: missing file operand`);
    const into = resolvePath(io.cwd, target);
    const intoFolder = isFolder(io.files, into);
    if (sources.length > 1 && !intoFolder) return fail(io, `${name}: target '${target}' is not a directory`);
    let status = 0;
    for (const source of sources) {
      const from = resolvePath(io.cwd, source);
      const to = intoFolder ? posix.join(into, posix.basename(from)) : into;
      const file = readFile(io.files, from);
      const folder = "error" in file && file.error === "Is a directory";
      let error: string | undefined;
      if ("error" in file && !folder) error = `can't ${name === "cp" ? "stat" : "rename"} '${source}': ${file.error}`;
      else if (folder && name === "cp" && !["r", "R", "a"].some((flag) => flags.has(flag))) error = `omitting directory '${source}'`;
      else if (from === to) error = `'${source}' and '${to}' are the same file`;
      else {
        const failed = folder ? copyTree(io, from, to) : writeFile(io.files, to, "text" in file ? file.text : "");
        if (failed !== undefined) error = `can't create '${target}': ${failed}`;
        else if (name === "mv") removeTree(io.files, from);
      }
      if (error !== undefined) status = fail(io, `${name}: ${error}`);
    }
    return status;
  });
}

function accepted(name: string): NamedTool {
  return {
    name,
    async run(argv, io) {
      let status = 0;
      const names = argv
        .slice(1)
        .filter((word) => !word.startsWith("-"))
        .slice(1);
      for (const operand of names)
        if (!pathExists(io.files, resolvePath(io.cwd, operand))) status = fail(io, `${name}: ${operand}: No such file or directory`);
      return status;
    },
  };
}

export const fileTools: readonly NamedTool[] = [
  touch,
  mkdir,
  rmdir,
  rm,
  transfer("cp"),
  transfer("mv"),
  accepted("chmod"),
  accepted("chown"),
];
