// The line discipline of a TTY: echo, erase, Ctrl-C, Ctrl-D, history at a prompt, and newline translation on output.
// Counterpart: Linux n_tty plus the line editing of busybox ash. Leaves out completion, multi-line redraw and job control.
import { Readable, Writable } from "node:stream";

/** What a prompt yields: a line, Ctrl-C, or the end of input. */
export type PromptAnswer = { readonly type: "line"; readonly text: string } | { readonly type: "interrupt" } | { readonly type: "end" };

const ESCAPE = "\u001b";

/** A terminal over the raw bytes of an exec or attach. */
export class Terminal {
  /** Output as programs write it; newlines become CR LF. */
  readonly output: Writable;
  /** Called on Ctrl-C. */
  onInterrupt: (() => void) | undefined;
  readonly #raw: Writable;
  #line = "";
  #cursor = 0;
  #escape = "";
  #ready: (string | undefined)[] = [];
  #ended = false;
  #prompt: { readonly text: string; readonly resolve: (answer: PromptAnswer) => void } | undefined;
  #wanting: Readable | undefined;
  #history: string[] = [];
  #historyAt = 0;

  constructor(input: Readable, raw: Writable) {
    this.#raw = raw;
    this.output = new Writable({
      write(chunk: Buffer, _encoding, callback) {
        const text = chunk.includes(10) ? Buffer.from(chunk.toString("latin1").replace(/\r?\n/g, "\r\n"), "latin1") : chunk;
        if (raw.write(text) || raw.destroyed) return callback();
        raw.once("drain", () => callback());
      },
    });
    raw.on("error", () => {});
    input.on("data", (chunk: Buffer | string) => this.#type(chunk.toString()));
    for (const event of ["end", "close", "error"]) input.on(event, () => this.#end());
  }

  /** Shows a prompt and resolves with what is typed. */
  prompt(text: string): Promise<PromptAnswer> {
    this.#echo(text + this.#line);
    this.#historyAt = this.#history.length;
    return new Promise((resolve) => {
      this.#prompt = { text, resolve };
      this.#deliver();
    });
  }

  /** Standard input for one foreground program: line by line, ended by Ctrl-D. What it does not read stays for the next. */
  openStdin(): Readable {
    const stream = new Readable({
      highWaterMark: 0,
      read: () => {
        this.#wanting = stream;
        this.#deliver();
      },
    });
    return stream;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#ready.push(undefined);
    this.#deliver();
  }

  #deliver(): void {
    if (this.#ready.length === 0 && !this.#ended) return;
    if (this.#prompt) {
      const { resolve } = this.#prompt;
      this.#prompt = undefined;
      const text = this.#ready.shift();
      resolve(text === undefined ? { type: "end" } : { type: "line", text });
    } else if (this.#wanting) {
      const stream = this.#wanting;
      this.#wanting = undefined;
      const text = this.#ready.shift();
      stream.push(text === undefined ? null : `${text}\n`);
    }
  }

  #echo(text: string): void {
    if (!this.#raw.destroyed) this.#raw.write(text.replace(/\n/g, "\r\n"));
  }

  #type(text: string): void {
    for (const key of text) {
      if (this.#escape !== "" || key === ESCAPE) this.#typeEscape(key);
      else this.#typeKey(key);
    }
  }

  #typeKey(key: string): void {
    switch (key) {
      case "\r":
      case "\n":
        return this.#enter();
      case "\u0003":
        return this.#interrupt();
      case "\u0004":
        if (this.#line === "") {
          this.#ready.push(undefined);
          this.#deliver();
        }
        return;
      case "\u007f":
      case "\b":
        if (this.#cursor > 0) this.#edit(this.#line.slice(0, this.#cursor - 1) + this.#line.slice(this.#cursor), this.#cursor - 1);
        return;
      case "\u0015":
        return this.#edit(this.#line.slice(this.#cursor), 0);
      case "\u0017": {
        const kept = this.#line.slice(0, this.#cursor).replace(/\S+\s*$/, "");
        return this.#edit(kept + this.#line.slice(this.#cursor), kept.length);
      }
      case "\u0001":
        return this.#edit(this.#line, 0);
      case "\u0005":
        return this.#edit(this.#line, this.#line.length);
      case "\u000c":
        return this.#echo(`${ESCAPE}[H${ESCAPE}[J${this.#prompt?.text ?? ""}${this.#line}`);
      default:
        if (key >= " ") this.#edit(this.#line.slice(0, this.#cursor) + key + this.#line.slice(this.#cursor), this.#cursor + key.length);
    }
  }

  #typeEscape(key: string): void {
    this.#escape += key;
    if (this.#escape.length === 1 || (this.#escape.length === 2 && (key === "[" || key === "O")) || /[0-9;]/.test(key)) return;
    const sequence = this.#escape.slice(2);
    this.#escape = "";
    if (sequence === "D" && this.#cursor > 0) this.#edit(this.#line, this.#cursor - 1);
    else if (sequence === "C" && this.#cursor < this.#line.length) this.#edit(this.#line, this.#cursor + 1);
    else if (sequence === "H") this.#edit(this.#line, 0);
    else if (sequence === "F") this.#edit(this.#line, this.#line.length);
    else if (sequence === "A" && this.#prompt) this.#recall(-1);
    else if (sequence === "B" && this.#prompt) this.#recall(1);
  }

  #recall(step: number): void {
    const at = Math.max(0, Math.min(this.#history.length, this.#historyAt + step));
    this.#historyAt = at;
    const text = this.#history[at] ?? "";
    this.#edit(text, text.length);
  }

  /** Replaces the line on the screen: from the first difference on, and puts the cursor in its place. */
  #edit(line: string, cursor: number): void {
    let same = 0;
    while (same < line.length && same < this.#line.length && same < this.#cursor && line[same] === this.#line[same]) same++;
    const tail = line.slice(same);
    const blanks = Math.max(0, this.#line.length - line.length);
    const changed = line !== this.#line;
    const end = changed ? line.length + blanks : this.#cursor;
    if (changed) this.#echo("\b".repeat(this.#cursor - same) + tail + " ".repeat(blanks));
    this.#echo(cursor < end ? "\b".repeat(end - cursor) : line.slice(end, cursor));
    this.#line = line;
    this.#cursor = cursor;
  }

  #enter(): void {
    const text = this.#line;
    this.#line = "";
    this.#cursor = 0;
    this.#echo("\n");
    if (this.#prompt && text.trim() !== "" && this.#history.at(-1) !== text) this.#history.push(text);
    this.#ready.push(text);
    this.#deliver();
  }

  #interrupt(): void {
    this.#echo("^C\n");
    this.#line = "";
    this.#cursor = 0;
    this.#ready = [];
    const prompt = this.#prompt;
    this.#prompt = undefined;
    prompt?.resolve({ type: "interrupt" });
    this.onInterrupt?.();
  }
}
