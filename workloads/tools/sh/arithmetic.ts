// Shell arithmetic, `$((…))`: C's integer expressions over 64-bit numbers with variables and assignment.
// Upstream: POSIX.1-2017 2.6.4, busybox shell/math.c.

/** A bad expression; the message is the shell's. */
export class ArithmeticError extends Error {
  override readonly name = "ArithmeticError";
}

/** How an expression reads and sets variables. */
export interface Variables {
  get(name: string): string | undefined;
  set(name: string, value: string): void;
}

const BINARY: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["|"],
  ["^"],
  ["&"],
  ["==", "!="],
  ["<=", ">=", "<", ">"],
  ["<<", ">>"],
  ["+", "-"],
  ["*", "/", "%"],
  ["**"],
];
const TOKEN =
  /\s*(0[xX][0-9a-fA-F]+|\d+|[A-Za-z_][A-Za-z0-9_]*|<<=|>>=|\*\*|\+\+|--|&&|\|\||<<|>>|[=!<>]=|[-+*/%&|^]=|[-+*/%&|^!~<>?:=(),])/y;

/** The value of an expression; an empty one is 0. Throws ArithmeticError. */
export function evaluateArithmetic(expression: string, variables: Variables): bigint {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  const source = expression.trimEnd();
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source);
    if (!match?.[1]) throw new ArithmeticError("arithmetic syntax error");
    tokens.push(match[1]);
  }
  if (tokens.length === 0) return 0n;
  const parser = new Evaluator(tokens, variables);
  const value = parser.comma(true);
  if (!parser.done) throw new ArithmeticError("arithmetic syntax error");
  return value;
}

class Evaluator {
  readonly #tokens: readonly string[];
  readonly #variables: Variables;
  #at = 0;

  constructor(tokens: readonly string[], variables: Variables) {
    this.#tokens = tokens;
    this.#variables = variables;
  }
  get done(): boolean {
    return this.#at >= this.#tokens.length;
  }
  /** `live` is false in the branch not taken, where nothing is assigned. */
  comma(live: boolean): bigint {
    let value = this.#assignment(live);
    while (this.#take(",")) value = this.#assignment(live);
    return value;
  }
  #peek(): string {
    return this.#tokens[this.#at] ?? "";
  }
  #take(token: string): boolean {
    if (this.#peek() !== token) return false;
    this.#at++;
    return true;
  }
  #assignment(live: boolean): bigint {
    const name = this.#peek();
    const operator = this.#tokens[this.#at + 1] ?? "";
    if (/^[A-Za-z_]/.test(name) && /^([-+*/%&|^]|<<|>>)?=$/.test(operator)) {
      this.#at += 2;
      const right = this.#assignment(live);
      const value = operator === "=" ? right : apply(operator.slice(0, -1), this.#variable(name), right, live);
      if (live) this.#variables.set(name, String(value));
      return value;
    }
    return this.#conditional(live);
  }
  #conditional(live: boolean): bigint {
    const condition = this.#binary(0, live);
    if (!this.#take("?")) return condition;
    const yes = this.#assignment(live && condition !== 0n);
    if (!this.#take(":")) throw new ArithmeticError("arithmetic syntax error");
    const no = this.#assignment(live && condition === 0n);
    return condition !== 0n ? yes : no;
  }
  #binary(level: number, live: boolean): bigint {
    const operators = BINARY[level];
    if (!operators) return this.#unary(live);
    let left = this.#binary(level + 1, live);
    for (;;) {
      const operator = this.#peek();
      if (!operators.includes(operator)) return left;
      this.#at++;
      if (operator === "&&" || operator === "||") {
        const decided = operator === "&&" ? left === 0n : left !== 0n;
        const right = this.#binary(level + 1, live && !decided);
        left = decided ? BigInt(operator === "||") : BigInt(right !== 0n);
      } else if (operator === "**") left = apply(operator, left, this.#binary(level, live), live);
      else left = apply(operator, left, this.#binary(level + 1, live), live);
    }
  }
  #unary(live: boolean): bigint {
    const token = this.#peek();
    this.#at++;
    if (token === "-") return -this.#unary(live);
    if (token === "+") return this.#unary(live);
    if (token === "!") return BigInt(this.#unary(live) === 0n);
    if (token === "~") return ~this.#unary(live);
    if (token === "++" || token === "--") {
      const name = this.#peek();
      if (!/^[A-Za-z_]/.test(name)) throw new ArithmeticError("arithmetic syntax error");
      this.#at++;
      return this.#step(name, token, live);
    }
    if (token === "(") {
      const value = this.comma(live);
      if (!this.#take(")")) throw new ArithmeticError("arithmetic syntax error");
      return value;
    }
    if (/^\d/.test(token)) return number(token);
    if (!/^[A-Za-z_]/.test(token)) throw new ArithmeticError("arithmetic syntax error");
    const value = this.#variable(token);
    const suffix = this.#peek();
    if (suffix === "++" || suffix === "--") {
      this.#at++;
      this.#step(token, suffix, live);
    }
    return value;
  }
  #step(name: string, operator: string, live: boolean): bigint {
    const value = BigInt.asIntN(64, this.#variable(name) + (operator === "++" ? 1n : -1n));
    if (live) this.#variables.set(name, String(value));
    return value;
  }
  #variable(name: string): bigint {
    const text = (this.#variables.get(name) ?? "").trim();
    if (text === "") return 0n;
    if (/^-?(0[xX][0-9a-fA-F]+|\d+)$/.test(text)) return text.startsWith("-") ? -number(text.slice(1)) : number(text);
    throw new ArithmeticError("arithmetic syntax error");
  }
}

function number(text: string): bigint {
  if (/^0[0-7]+$/.test(text)) return BigInt(`0o${text.slice(1)}`);
  if (/^0\d/.test(text)) throw new ArithmeticError("arithmetic syntax error");
  return BigInt.asIntN(64, BigInt(text));
}

function apply(operator: string, left: bigint, right: bigint, live: boolean): bigint {
  if ((operator === "/" || operator === "%") && right === 0n) {
    if (live) throw new ArithmeticError("divide by zero");
    return 0n;
  }
  if (operator === "**" && (right < 0n || right > 64n)) throw new ArithmeticError("exponent out of range");
  const results: Readonly<Record<string, () => bigint>> = {
    "+": () => left + right,
    "-": () => left - right,
    "*": () => left * right,
    "/": () => left / right,
    "%": () => left % right,
    "**": () => left ** right,
    "<<": () => left << (right & 63n),
    ">>": () => left >> (right & 63n),
    "&": () => left & right,
    "|": () => left | right,
    "^": () => left ^ right,
    "==": () => BigInt(left === right),
    "!=": () => BigInt(left !== right),
    "<": () => BigInt(left < right),
    ">": () => BigInt(left > right),
    "<=": () => BigInt(left <= right),
    ">=": () => BigInt(left >= right),
  };
  return BigInt.asIntN(64, results[operator]?.() ?? 0n);
}
