// Redirections and pipes: they turn a program's io into another one.
import { Readable, Writable } from "node:stream";
import { isFolder, readFile, resolvePath, writeFile } from "../file-tree.ts";
import { sinkStream, textStream } from "../streams.ts";
import type { ToolIo } from "../tool.ts";
import { expandText, type Expander } from "./expand.ts";
import { ShellError } from "./state.ts";
import type { Redirection } from "./syntax.ts";

/** `io` after the redirections, left to right. Throws ShellError (code 1) when a file cannot be opened. */
export async function redirect(io: ToolIo, redirections: readonly Redirection[], expander: Expander): Promise<ToolIo> {
  let out = io;
  for (const { fd, operator, target } of redirections) {
    const word = await expandText(target, expander);
    switch (operator) {
      case "<<":
        out = { ...out, stdin: textStream(word), tty: false };
        break;
      case "<<<":
        out = { ...out, stdin: textStream(`${word}\n`), tty: false };
        break;
      case "<":
        out = { ...out, stdin: openInput(out, word, expander.state.cwd), tty: false };
        break;
      case "<&":
        if (word === "-") out = { ...out, stdin: undefined, tty: false };
        break;
      case ">&":
        if (word === "1") out = withOutput(out, fd, out.stdout);
        else if (word === "2") out = withOutput(out, fd, out.stderr);
        else if (word === "-") out = withOutput(out, fd, nowhere());
        else if (/^\d+$/.test(word)) throw new ShellError(`${word}: Bad file descriptor`, 1);
        else {
          const file = openOutput(out, word, expander.state.cwd, false);
          out = { ...out, stdout: file, stderr: file, tty: false };
        }
        break;
      case "&>": {
        const file = openOutput(out, word, expander.state.cwd, false);
        out = { ...out, stdout: file, stderr: file, tty: false };
        break;
      }
      case ">":
      case ">>":
        out = withOutput(out, fd, openOutput(out, word, expander.state.cwd, operator === ">>"));
        break;
    }
  }
  return out;
}

function withOutput(io: ToolIo, fd: number, stream: Writable): ToolIo {
  if (fd === 1) return { ...io, stdout: stream, tty: io.tty && stream === io.stdout };
  if (fd === 2) return { ...io, stderr: stream };
  throw new ShellError(`${fd}: Bad file descriptor`, 1);
}

function nowhere(): Writable {
  return sinkStream(() => {});
}

function openInput(io: ToolIo, word: string, cwd: string): Readable | undefined {
  const path = resolvePath(cwd, word);
  if (path === "/dev/null") return undefined;
  if (path === "/dev/stdin" || path === "/dev/tty") return io.stdin;
  const file = readFile(io.files, path);
  if ("text" in file) return textStream(file.text);
  if (file.error === "Is a directory") return undefined;
  throw new ShellError(`can't open ${word}: no such file`, 1);
}

function openOutput(io: ToolIo, word: string, cwd: string, append: boolean): Writable {
  const path = resolvePath(cwd, word);
  if (path === "/dev/null") return nowhere();
  if (path === "/dev/stdout" || path === "/dev/tty" || path === "/proc/1/fd/1")
    return path === "/proc/1/fd/1" ? io.context.stdout : io.stdout;
  if (path === "/dev/stderr" || path === "/proc/1/fd/2") return path === "/dev/stderr" ? io.stderr : io.context.stderr;
  if (isFolder(io.files, path)) throw new ShellError(`can't create ${word}: Is a directory`, 1);
  const error = writeFile(io.files, path, append ? (io.files.read(path) ?? "") : "");
  if (error !== undefined)
    throw new ShellError(`can't create ${word}: ${error === "No such file or directory" ? "nonexistent directory" : error}`, 1);
  return sinkStream((chunk) => void writeFile(io.files, path, (io.files.read(path) ?? "") + chunk.toString()));
}

/** A pipe between two programs; `onBroken` is called when the writer writes after the reader has gone (SIGPIPE). */
export function createPipe(onBroken: () => void): { readonly input: Writable; readonly output: Readable; closeReader(): void } {
  let resume: (() => void) | undefined;
  let gone = false;
  const output = new Readable({
    read() {
      resume?.();
      resume = undefined;
    },
  });
  const input = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      if (gone) onBroken();
      if (gone || output.push(chunk)) callback();
      else resume = callback;
    },
    final(callback) {
      output.push(null);
      callback();
    },
  });
  return {
    input,
    output,
    closeReader() {
      gone = true;
      if (resume) onBroken();
      resume?.();
      resume = undefined;
    },
  };
}
