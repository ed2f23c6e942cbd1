// head and tail: -n, -c, -q, -v; tail +N, tail -f and -F (files are looked at again every second; /dev/null waits for ever).
import { sleep } from "../../model/clock.ts";
import { resolvePath } from "./file-tree.ts";
import { parseGetopt } from "./flags.ts";
import { inputs, linesOf } from "./inputs.ts";
import { chunks, lines, readAll, write } from "./streams.ts";
import { aborted, fail, throwIfTerminated, type NamedTool, type ToolIo } from "./tool.ts";
import { toolWithUsage } from "./usage.ts";

/** `-5` as `-n 5`, as both programs accept. */
function modern(args: readonly string[]): readonly string[] {
  return args.flatMap((word, index) =>
    index === 0 && /^[-+]\d+$/.test(word) ? ["-n", word.startsWith("-") ? word.slice(1) : word] : [word],
  );
}

const SCALE: Readonly<Record<string, number>> = { "": 1, k: 1024, K: 1024, m: 1048576, M: 1048576, b: 512 };

function amount(text: string): number | undefined {
  const match = /^[-+]?(\d+)([kKmMb]?)$/.exec(text);
  return match ? Number(match[1]) * (SCALE[match[2] ?? ""] ?? 1) : undefined;
}

const head = toolWithUsage("head", "[-n N] [-c N] [FILE]...", async (argv, io) => {
  const flags = parseGetopt(modern(argv.slice(1)), "n:c:qv");
  const limit = amount(flags.get("c") ?? flags.get("n") ?? "10");
  if (limit === undefined) return fail(io, `head: invalid number '${flags.get("c") ?? flags.get("n") ?? ""}'`);
  let status = 0;
  const all = inputs(flags.rest, io);
  for (const [index, input] of all.entries()) {
    if (input.error !== undefined) {
      io.stderr.write(`head: ${input.name}: ${input.error}\n`);
      status = 1;
      continue;
    }
    if (all.length > 1 && !flags.has("q")) await write(io, `${index > 0 ? "\n" : ""}==> ${input.name} <==\n`);
    if ((flags.get("n") ?? "").startsWith("-")) {
      const kept = linesOf((await readAll(input.stream, io.signal)).toString()).slice(0, -limit);
      await write(io, kept.map((line) => `${line}\n`).join(""));
    } else if (flags.has("c")) {
      let left = limit;
      for await (const chunk of left > 0 ? chunks(input.stream, io.signal) : []) {
        await write(io, chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) break;
      }
    } else {
      let left = limit;
      for await (const line of left > 0 ? lines(input.stream, io.signal) : []) {
        await write(io, `${line}\n`);
        if (--left <= 0) break;
      }
    }
  }
  return status;
});

async function follow(io: ToolIo, name: string): Promise<number> {
  const path = resolvePath(io.cwd, name);
  if (path === "/dev/null" || name === "-") {
    await aborted(io.signal);
    throwIfTerminated(io.signal);
  }
  let seen = Buffer.from(io.files.read(path) ?? "").length;
  for (;;) {
    await sleep(io.context.clock, 1000, io.signal);
    const data = Buffer.from(io.files.read(path) ?? "");
    if (data.length < seen) seen = 0;
    if (data.length > seen) await write(io, data.subarray(seen));
    seen = data.length;
  }
}

const tail = toolWithUsage("tail", "[-f] [-n N] [-c N] [FILE]...", async (argv, io) => {
  const flags = parseGetopt(modern(argv.slice(1)), "n:c:fFqvs:");
  const written = flags.get("c") ?? flags.get("n") ?? "10";
  const limit = amount(written);
  if (limit === undefined) return fail(io, `tail: invalid number '${written}'`);
  let status = 0;
  const all = inputs(flags.rest, io);
  for (const [index, input] of all.entries()) {
    if (input.error !== undefined) {
      io.stderr.write(`tail: can't open '${input.name}': ${input.error}\n`);
      status = 1;
      continue;
    }
    if (all.length > 1 && !flags.has("q")) await write(io, `${index > 0 ? "\n" : ""}==> ${input.name} <==\n`);
    const data = await readAll(input.stream, io.signal);
    if (flags.has("c"))
      await write(io, written.startsWith("+") ? data.subarray(limit - 1) : data.subarray(Math.max(0, data.length - limit)));
    else {
      const all = data.toString().split(/(?<=\n)/);
      const kept = written.startsWith("+") ? all.slice(Math.max(0, limit - 1)) : limit === 0 ? [] : all.slice(-limit);
      await write(io, kept.join(""));
    }
  }
  if (!flags.has("f") && !flags.has("F")) return status;
  // -F follows the name: a file that is not there yet is waited for.
  const names = flags.rest.filter((name) => flags.has("F") || all.some((input) => input.name === name && input.error === undefined));
  try {
    return await Promise.race(names.length > 0 ? names.map((name) => follow(io, name)) : [follow(io, "-")]);
  } catch (error) {
    throwIfTerminated(io.signal);
    throw error;
  }
});

export const ends: readonly NamedTool[] = [head, tail];
