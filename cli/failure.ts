// A failure that is the user's to fix: printed as one message with what to do, never as a stack.

export class Failure extends Error {
  override readonly name = "Failure";
  /** Lines that say what to type or change next. */
  readonly advice: readonly string[];
  readonly exitCode: number;
  constructor(
    message: string,
    options: { readonly advice?: readonly string[]; readonly exitCode?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.advice = options.advice ?? [];
    this.exitCode = options.exitCode ?? 1;
  }
}
