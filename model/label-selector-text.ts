// The text of a label selector (`a=b,c in (d,e),!f,n>3`) taken apart, with upstream's words for what is wrong with it.
// Upstream: apimachinery pkg/labels/selector.go (Lexer, Parser, NewRequirement).
import { badRequest, type FieldError, fieldErrorText } from "./errors.ts";
import { formatErrors, qualifiedNameErrors } from "./schema/validation/names.ts";

export interface LabelRequirement {
  readonly key: string;
  readonly operator: "=" | "!=" | "in" | "notin" | "exists" | "!" | ">" | "<";
  readonly values: readonly string[];
}

const BINARY: ReadonlyMap<string, LabelRequirement["operator"]> = new Map([
  ["in", "in"],
  ["notin", "notin"],
  ["=", "="],
  ["==", "="],
  ["!=", "!="],
  [">", ">"],
  ["<", "<"],
]);
const BINARY_NAMES = "in, notin, =, ==, !=, gt, lt";
const TOKEN = /\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)/y;
const END = "";

/** Throws 400 with upstream's text. An empty text has no requirements. */
export function parseLabelRequirements(text: string): readonly LabelRequirement[] {
  const tokens = tokensOf(text);
  const found: LabelRequirement[] = [];
  while (tokens.peek() !== END) {
    const first = tokens.peek();
    if (!isIdentifier(first) && first !== "!") throw fault(`found '${first}', expected: !, identifier, or 'end of string'`);
    found.push(requirement(tokens));
    const after = tokens.take();
    if (after === END) break;
    if (after !== ",") throw fault(`found '${after}', expected: ',' or 'end of string'`);
    const next = tokens.peek();
    if (!isIdentifier(next) && next !== "!") throw fault(`found '${next}', expected: identifier after ','`);
  }
  return found;
}

interface Tokens {
  peek(): string;
  take(): string;
}

function tokensOf(text: string): Tokens {
  const list = [...text.matchAll(new RegExp(TOKEN, "gy"))].map(([, token = END]) => token);
  let at = 0;
  return { peek: () => list[at] ?? END, take: () => list[at++] ?? END };
}

const isIdentifier = (token: string): boolean => token !== END && !/^[=!<>(),]/.test(token);
const fault = (detail: string): Error => badRequest(detail);
const unparsed = (detail: string): Error => badRequest(`unable to parse requirement: ${detail}`);

function requirement(tokens: Tokens): LabelRequirement {
  const absent = tokens.peek() === "!";
  if (absent) tokens.take();
  const key = tokens.take();
  if (!isIdentifier(key)) throw unparsed(`found '${key}', expected: identifier`);
  check("<nil>", key, qualifiedNameErrors(key));
  if (absent) return { key, operator: "!", values: [] };
  if (tokens.peek() === END || tokens.peek() === ",") return { key, operator: "exists", values: [] };
  const symbol = tokens.take();
  const operator = BINARY.get(symbol);
  if (!operator) throw unparsed(`found '${symbol}', expected: ${BINARY_NAMES}`);
  const isSet = operator === "in" || operator === "notin";
  return checked({ key, operator, values: isSet ? valueSet(tokens) : [exactValue(tokens)] });
}

function checked(made: LabelRequirement): LabelRequirement {
  const { key, operator, values } = made;
  if (values.length === 0) check("values", "", ["for 'in', 'notin' operators, values set can't be empty"]);
  values.forEach((value, i) => {
    const isOrder = operator === ">" || operator === "<";
    if (isOrder && !/^[-+]?\d+$/.test(value)) check(`values[${i}]`, value, ["for 'Gt', 'Lt' operators, the value must be an integer"]);
    check(`values[${i}][${key}]`, value, value === "" ? [] : formatErrors("labelValue", value));
  });
  return made;
}

function check(field: string, value: string, details: readonly string[]): void {
  const error: FieldError = { type: "Invalid", field, value, detail: details.join("; ") };
  if (details.length > 0) throw unparsed(fieldErrorText(error));
}

function exactValue(tokens: Tokens): string {
  const next = tokens.peek();
  if (next === END || next === ",") return "";
  tokens.take();
  if (isIdentifier(next)) return next;
  throw unparsed(`found '${next}', expected: identifier`);
}

function valueSet(tokens: Tokens): readonly string[] {
  const open = tokens.take();
  if (open !== "(") throw unparsed(`found '${open}' expected: '('`);
  const values = new Set<string>();
  if (tokens.peek() === ")") tokens.take();
  else for (let expected = true; expected;) expected = nextValue(tokens, values);
  return [...values].sort();
}

/** Reads one value and what ends it; false at the closing parenthesis. An empty place between commas is the empty value. */
function nextValue(tokens: Tokens, values: Set<string>): boolean {
  const token = tokens.peek();
  if (isIdentifier(token)) {
    tokens.take();
    values.add(token);
  } else if (token === "," || (token === ")" && values.size > 0)) values.add("");
  else throw unparsed(`found '${token}', expected: ',', ')' or identifier`);
  const end = tokens.take();
  if (end !== "," && end !== ")") throw unparsed(`found '${end}', expected: ',' or ')'`);
  return end === ",";
}
