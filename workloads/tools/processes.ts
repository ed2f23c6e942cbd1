// kill, ps, which, xargs, basename, dirname, base64: a container here is one process, number 1.
import { posix } from "node:path";
import { parseGetopt } from "./flags.ts";
import { readInputs } from "./inputs.ts";
import { findProgram } from "./run-tool.ts";
import { readAll, write } from "./streams.ts";
import { fail, type NamedTool } from "./tool.ts";
import { toolWithUsage } from "./usage.ts";

const kill: NamedTool = {
  name: "kill",
  async run(argv, io) {
    const words = argv.slice(1);
    if (words[0] === "-l") return (await write(io, "HUP INT QUIT KILL USR1 USR2 PIPE TERM\n"), 0);
    let name = "TERM";
    if (words[0] === "-s") name = words.splice(0, 2)[1] ?? "";
    else if (words[0]?.startsWith("-")) name = (words.shift() ?? "").slice(1);
    const plain = name.replace(/^SIG/, "");
    const stops = ["TERM", "15", "KILL", "9", "INT", "2", "QUIT", "3"].includes(plain);
    if (!stops && !["0", "HUP", "1", "USR1", "USR2"].includes(plain)) return fail(io, `kill: bad signal name '${name}'`);
    if (words.length === 0) return fail(io, "kill: you need to specify whom to kill");
    let status = 0;
    for (const word of words) {
      if (!/^\d+$/.test(word)) status = fail(io, `kill: invalid number '${word}'`);
      else if (word !== "1") status = fail(io, `kill: can't kill pid ${word}: No such process`);
      else if (stops && !io.context.kill) status = fail(io, "kill: can't kill pid 1: Operation not permitted");
      // The kernel does not deliver SIGKILL to a process 1 from inside its own namespace.
      else if (stops && plain !== "KILL" && plain !== "9") io.context.kill?.("SIGTERM");
    }
    return status;
  },
};

const ps: NamedTool = {
  name: "ps",
  async run(argv, io) {
    const rows = [`    1 root      0:00 ${io.context.argv.join(" ")}`, `   ${io.tty ? "12" : "11"} root      0:00 ${argv.join(" ")}`];
    await write(io, `PID   USER     TIME  COMMAND\n${rows.join("\n")}\n`);
    return 0;
  },
};

const which: NamedTool = {
  name: "which",
  async run(argv, io) {
    let status = 0;
    for (const name of argv.slice(1)) {
      if (findProgram(io.programs, name)) await write(io, `${name.includes("/") ? name : `/bin/${name}`}\n`);
      else status = 1;
    }
    return status;
  },
};

const xargs = toolWithUsage("xargs", "[-r] [-n N] [-I TEXT] [PROGRAM ARGS]", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "rn:I:t0P:", {}, true);
  const command = flags.rest.length > 0 ? flags.rest : ["echo"];
  const program = findProgram(io.programs, command[0] ?? "");
  if (!program) return fail(io, `xargs: ${command[0] ?? ""}: No such file or directory`, 127);
  const text = (await readAll(io.stdin, io.signal)).toString();
  const place = flags.get("I");
  const words = (flags.has("0") ? text.split("\0") : place === undefined ? text.split(/\s+/) : text.split("\n")).filter(
    (word) => word !== "",
  );
  const size = place === undefined ? Number(flags.get("n") ?? Math.max(1, words.length)) : 1;
  let status = 0;
  for (let at = 0; at < words.length || (at === 0 && !flags.has("r") && place === undefined); at += size) {
    const group = words.slice(at, at + size);
    const line = place === undefined ? [...command, ...group] : command.map((word) => word.replaceAll(place, group[0] ?? ""));
    if ((await program(line, { ...io, stdin: undefined })) !== 0) status = 123;
  }
  return status;
});

const base64 = toolWithUsage("base64", "[-d] [-w N] [FILE]", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "dDw:i", { decode: "d", wrap: "w:" });
  const { text, failed } = await readInputs("base64", flags.rest, io);
  if (flags.has("d") || flags.has("D")) await write(io, Buffer.from(text, "base64"));
  else {
    const width = Number(flags.get("w") ?? 76);
    const encoded = Buffer.from(text).toString("base64");
    await write(io, width === 0 ? encoded : `${encoded.replace(new RegExp(`(.{${width}})(?=.)`, "g"), "$1\n")}\n`);
  }
  return Number(failed);
});

export const processes: readonly NamedTool[] = [
  kill,
  ps,
  which,
  xargs,
  base64,
  { name: "basename", run: async (argv, io) => (await write(io, `${posix.basename(argv[1] ?? "", argv[2] ?? "")}\n`), 0) },
  { name: "dirname", run: async (argv, io) => (await write(io, `${posix.dirname(argv[1] ?? "")}\n`), 0) },
];
