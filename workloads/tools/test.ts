// test and [: strings, integers, files, !, -a, -o, parentheses; [[ is read as [ .
import { isFolder, pathExists, resolvePath } from "./file-tree.ts";
import { fail, type NamedTool, type Tool, type ToolIo } from "./tool.ts";

class TestError extends Error {}

const BINARY = ["=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef", "<", ">"];
const UNARY = ["-n", "-z", "-e", "-f", "-d", "-s", "-r", "-w", "-x", "-L", "-h", "-t", "-p", "-S", "-b", "-c"];

function integer(text: string): bigint {
  if (!/^\s*[-+]?\d+\s*$/.test(text)) throw new TestError(`${text}: bad number`);
  return BigInt(text.trim());
}

function binary(left: string, operator: string, right: string): boolean {
  switch (operator) {
    case "=":
    case "==":
      return left === right;
    case "!=":
      return left !== right;
    case "<":
      return left < right;
    case ">":
      return left > right;
    case "-eq":
      return integer(left) === integer(right);
    case "-ne":
      return integer(left) !== integer(right);
    case "-lt":
      return integer(left) < integer(right);
    case "-le":
      return integer(left) <= integer(right);
    case "-gt":
      return integer(left) > integer(right);
    case "-ge":
      return integer(left) >= integer(right);
    default:
      throw new TestError(`${operator}: files here have no times`);
  }
}

function unary(operator: string, operand: string, io: ToolIo): boolean {
  const path = resolvePath(io.cwd, operand);
  switch (operator) {
    case "-n":
      return operand !== "";
    case "-z":
      return operand === "";
    case "-e":
    case "-r":
    case "-w":
      return operand !== "" && pathExists(io.files, path);
    case "-x":
      return operand !== "" && (isFolder(io.files, path) || io.programs.has(operand.replace(/^.*\//, "")));
    case "-f":
      return io.files.read(path) !== undefined;
    case "-d":
      return isFolder(io.files, path);
    case "-s":
      return (io.files.read(path) ?? "") !== "";
    case "-t":
      return io.tty;
    case "-c":
      return path.startsWith("/dev/") && pathExists(io.files, path) && !isFolder(io.files, path);
    default:
      return false;
  }
}

/** The truth of a test's words. Throws TestError. */
function evaluate(words: readonly string[], io: ToolIo): boolean {
  let at = 0;
  const or = (): boolean => {
    let value = and();
    while (words[at] === "-o" || words[at] === "||") {
      at++;
      const right = and();
      value ||= right;
    }
    return value;
  };
  const and = (): boolean => {
    let value = not();
    while (words[at] === "-a" || words[at] === "&&") {
      at++;
      const right = not();
      value &&= right;
    }
    return value;
  };
  const not = (): boolean => {
    if (words[at] === "!" && at + 1 < words.length) {
      at++;
      return !not();
    }
    return primary();
  };
  const primary = (): boolean => {
    const word = words[at];
    if (word === undefined) throw new TestError("argument expected");
    const operator = words[at + 1] ?? "";
    const right = words[at + 2];
    if (BINARY.includes(operator) && right !== undefined) {
      at += 3;
      return binary(word, operator, right);
    }
    if (word === "(" && words.length > at + 1) {
      at++;
      const value = or();
      if (words[at++] !== ")") throw new TestError("closing paren expected");
      return value;
    }
    if (UNARY.includes(word) && at + 1 < words.length) {
      at += 2;
      return unary(word, words[at - 1] ?? "", io);
    }
    at++;
    return word !== "";
  };
  if (words.length === 0) return false;
  if (words.length === 1) return words[0] !== "";
  const value = or();
  if (at < words.length) throw new TestError(`${words[at] ?? ""}: unknown operand`);
  return value;
}

const run: Tool = async (argv, io) => {
  const name = argv[0] ?? "test";
  const closing = name === "[" ? "]" : name === "[[" ? "]]" : undefined;
  if (closing !== undefined && argv.at(-1) !== closing) return fail(io, `sh: ${name}: missing ${closing}`, 2);
  try {
    return Number(!evaluate(argv.slice(1, closing === undefined ? undefined : -1), io));
  } catch (error) {
    if (error instanceof TestError) return fail(io, `sh: ${error.message}`, 2);
    throw error;
  }
};

/** `test`, `[` and `[[`. */
export const tests: readonly NamedTool[] = ["test", "[", "[["].map((name) => ({ name, run }));
