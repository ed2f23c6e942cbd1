// Word expansion: parameters, command substitution, arithmetic, field splitting, file names. Upstream: POSIX.1-2017 2.6.
import type { PodFiles } from "../../../model/ports.ts";
import { evaluateArithmetic, ArithmeticError } from "./arithmetic.ts";
import { expandFileNames, patternSource, trimPattern, type PatternPiece } from "./pattern.ts";
import { ShellError, type ShellState } from "./state.ts";
import type { List, Word, WordPart } from "./syntax.ts";

/** What expansion needs of the shell. */
export interface Expander {
  readonly state: ShellState;
  readonly files: PodFiles;
  /** Output of a command substitution, trailing newlines removed. */
  substitute(body: List): Promise<string>;
}

type Parameter = Extract<WordPart, { type: "parameter" }>;

/** Expands words to arguments: split, globbed, empty unquoted ones gone. */
export async function expandWords(words: readonly Word[], expander: Expander): Promise<string[]> {
  const out: string[] = [];
  for (const word of words) {
    for (const field of await expandFields(word, expander)) {
      const names = expander.state.options.has("f") ? [] : expandFileNames(expander.files, expander.state.cwd, field);
      if (names.length > 0) out.push(...names);
      else out.push(field.map(({ text }) => text).join(""));
    }
  }
  return out;
}

/** Expands a word to one text, unsplit: for assignments, redirections, `case`. */
export async function expandText(word: Word, expander: Expander): Promise<string> {
  return (await expandPieces(word, expander)).map(({ text }) => text).join("");
}

/** Expands a word to a pattern, in which quoted text stands for itself. */
export async function expandPieces(word: Word, expander: Expander): Promise<PatternPiece[]> {
  const pieces: PatternPiece[] = [];
  for (const part of withTilde(word, expander.state)) {
    if (part.type === "text") pieces.push(part);
    else pieces.push({ text: await partText(part, expander), quoted: part.quoted });
  }
  return pieces;
}

async function expandFields(word: Word, expander: Expander): Promise<PatternPiece[][]> {
  const fields: PatternPiece[][] = [];
  let current: PatternPiece[] | undefined;
  const append = (piece: PatternPiece): void => void (current ??= []).push(piece);
  const close = (): void => {
    if (current) fields.push(current);
    current = undefined;
  };
  const split = (text: string): void => {
    const separators = expander.state.get("IFS") ?? " \t\n";
    let rest = "";
    let hard = false;
    const flush = (): void => {
      if (rest !== "") append({ text: rest, quoted: false });
      rest = "";
    };
    for (const char of text) {
      if (!separators.includes(char)) {
        rest += char;
        hard = false;
        continue;
      }
      flush();
      if (" \t\n".includes(char)) close();
      else {
        if (hard || !current) current ??= [];
        close();
        hard = true;
      }
    }
    flush();
  };
  const appendPart = async (part: WordPart): Promise<void> => {
    if (part.type === "text") return append(part);
    if (part.type === "parameter" && (part.name === "@" || (part.name === "*" && !part.quoted)) && part.operator === undefined) {
      expander.state.positional.forEach((value, index) => {
        if (index > 0) close();
        if (part.quoted) append({ text: value, quoted: true });
        else split(value);
      });
      return;
    }
    if (part.type === "parameter" && part.word && /^:?[-+]$/.test(part.operator ?? "")) {
      const value = parameterValue(part.name, expander.state);
      const isUnset = value === undefined || ((part.operator ?? "").startsWith(":") && value === "");
      if (isUnset === (part.operator ?? "").endsWith("-")) {
        for (const inner of part.word) {
          if (inner.type === "text" && !inner.quoted && !part.quoted) split(inner.text);
          else await appendPart(inner);
        }
        return;
      }
    }
    const text = await partText(part, expander);
    if (part.quoted) append({ text, quoted: true });
    else split(text);
  };
  for (const part of withTilde(word, expander.state)) await appendPart(part);
  close();
  return fields;
}

function withTilde(word: Word, state: ShellState): Word {
  const [first, ...rest] = word;
  if (first?.type !== "text" || first.quoted || !/^~(\/|$)/.test(first.text)) return word;
  return [{ type: "text", text: (state.get("HOME") ?? "~") + first.text.slice(1), quoted: true }, ...rest];
}

async function partText(part: Exclude<WordPart, { type: "text" }>, expander: Expander): Promise<string> {
  switch (part.type) {
    case "command":
      return expander.substitute(part.body);
    case "arithmetic": {
      const expression = await expandText(part.expression, expander);
      try {
        return String(evaluateArithmetic(expression, expander.state));
      } catch (error) {
        if (error instanceof ArithmeticError) throw new ShellError(error.message);
        throw error;
      }
    }
    case "parameter":
      return parameterText(part, expander);
  }
}

/** The value of a parameter, special ones too, or undefined when it is not set. */
export function parameterValue(name: string, state: ShellState): string | undefined {
  switch (name) {
    case "?":
      return String(state.status);
    case "$":
      return String(state.pid);
    case "!":
      return state.lastBackground === "" ? undefined : state.lastBackground;
    case "#":
      return String(state.positional.length);
    case "-":
      return [...state.options].filter((option) => option.length === 1).join("") + (state.interactive ? "i" : "");
    case "0":
      return state.name;
    case "@":
    case "*":
      return state.positional.length > 0 ? state.positional.join((state.get("IFS") ?? " ").slice(0, 1)) : undefined;
    default:
      return /^\d+$/.test(name) ? state.positional[Number(name) - 1] : state.get(name);
  }
}

async function parameterText(part: Parameter, expander: Expander): Promise<string> {
  const { name, operator = "", word = [] } = part;
  const value = parameterValue(name, expander.state);
  const isUnset = value === undefined || (operator.startsWith(":") && value === "");
  switch (operator) {
    case ":-":
    case "-":
      return isUnset ? expandText(word, expander) : value;
    case ":+":
    case "+":
      return isUnset ? "" : expandText(word, expander);
    case ":=":
    case "=": {
      if (!isUnset) return value;
      const text = await expandText(word, expander);
      expander.state.set(name, text);
      return text;
    }
    case ":?":
    case "?":
      if (!isUnset) return value;
      throw new ShellError(`${name}: ${word.length > 0 ? await expandText(word, expander) : "parameter not set"}`);
  }
  if (value === undefined && expander.state.options.has("u") && name !== "@" && name !== "*")
    throw new ShellError(`${name}: parameter not set`);
  const text = value ?? "";
  switch (operator) {
    case "length":
      return String(name === "@" || name === "*" ? expander.state.positional.length : [...text].length);
    case "#":
    case "##":
    case "%":
    case "%%":
      return trimPattern(text, operator, await expandPieces(word, expander));
    case "/":
    case "//":
      return replace(text, operator === "//", await expandPieces(word, expander));
    case ":": {
      const [offset = "0", length] = (await expandText(word, expander)).split(":");
      const from = Number(evaluateArithmetic(offset, expander.state));
      const start = from < 0 ? Math.max(0, text.length + from) : from;
      if (length === undefined) return text.slice(start);
      const count = Number(evaluateArithmetic(length, expander.state));
      return text.slice(start, count < 0 ? count : start + count);
    }
    default:
      return text;
  }
}

function replace(text: string, all: boolean, pieces: readonly PatternPiece[]): string {
  const at = pieces.findIndex((piece) => !piece.quoted && piece.text.includes("/"));
  const flat = pieces.flatMap((piece) => [...piece.text].map((char) => ({ text: char, quoted: piece.quoted })));
  const slash = flat.findIndex((piece) => piece.text === "/" && (at < 0 || !piece.quoted));
  const pattern = slash < 0 ? flat : flat.slice(0, slash);
  const replacement =
    slash < 0
      ? ""
      : flat
          .slice(slash + 1)
          .map((piece) => piece.text)
          .join("");
  if (pattern.length === 0) return text;
  const joined: PatternPiece[] = [];
  for (const piece of pattern) {
    const last = joined.at(-1);
    if (last && last.quoted === piece.quoted) joined[joined.length - 1] = { text: last.text + piece.text, quoted: last.quoted };
    else joined.push(piece);
  }
  return text.replace(new RegExp(patternSource(joined), all ? "g" : ""), () => replacement);
}
