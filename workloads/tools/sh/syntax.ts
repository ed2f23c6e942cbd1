// The syntax tree of shell scripts.

/** A piece of a word. `quoted` pieces are not split or globbed. */
export type WordPart =
  | { readonly type: "text"; readonly text: string; readonly quoted: boolean }
  | { readonly type: "parameter"; readonly name: string; readonly operator?: string; readonly word?: Word; readonly quoted: boolean }
  | { readonly type: "command"; readonly body: List; readonly quoted: boolean }
  | { readonly type: "arithmetic"; readonly expression: Word; readonly quoted: boolean };

export type Word = readonly WordPart[];

/** `2>&1`, `> file`, `<<EOF`: the file descriptor, the operator and its word (a here-document's body). */
export interface Redirection {
  readonly fd: number;
  readonly operator: "<" | ">" | ">>" | ">&" | "<&" | "<<" | "<<<" | "&>";
  readonly target: Word;
}

export interface Assignment {
  readonly name: string;
  readonly value: Word;
}

export type Command =
  | {
      readonly type: "simple";
      readonly assignments: readonly Assignment[];
      readonly words: readonly Word[];
      readonly redirections: readonly Redirection[];
    }
  | { readonly type: "group"; readonly body: List; readonly subshell: boolean; readonly redirections: readonly Redirection[] }
  | {
      readonly type: "if";
      readonly branches: readonly { readonly condition: List; readonly body: List }[];
      readonly otherwise?: List;
      readonly redirections: readonly Redirection[];
    }
  | {
      readonly type: "while";
      readonly until: boolean;
      readonly condition: List;
      readonly body: List;
      readonly redirections: readonly Redirection[];
    }
  | {
      readonly type: "for";
      readonly name: string;
      readonly words?: readonly Word[];
      readonly body: List;
      readonly redirections: readonly Redirection[];
    }
  | {
      readonly type: "case";
      readonly subject: Word;
      readonly clauses: readonly { readonly patterns: readonly Word[]; readonly body: List }[];
      readonly redirections: readonly Redirection[];
    }
  | { readonly type: "function"; readonly name: string; readonly body: Command };

export interface Pipeline {
  readonly negated: boolean;
  readonly commands: readonly Command[];
}

/** Pipelines joined by && and ||; the first has the operator ";". */
export interface AndOr {
  readonly steps: readonly { readonly operator: ";" | "&&" | "||"; readonly pipeline: Pipeline }[];
  readonly background: boolean;
}

export type List = readonly AndOr[];

/** A script that is not one. `incomplete`: more lines could make it one. */
export class ShellSyntaxError extends Error {
  override readonly name = "ShellSyntaxError";
  readonly incomplete: boolean;
  constructor(message: string, incomplete = false) {
    super(message);
    this.incomplete = incomplete;
  }
}
