// Taste made executable: what each source file must and must not contain. A rule is a function from a file to complaints.
import { topFolder } from "./import-table.ts";
import type { SourceFile } from "./source-tree.ts";

type Rule = (file: SourceFile) => readonly string[];

const isTest = (path: string): boolean => path.startsWith("test/");
const GENERATED = /^model\/kinds\//;
const VAGUE_NAMES = /(^|\/)(utils?|helpers?|common|types|misc)(\.|\/|$)/;
const KEBAB_FILE = /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|d))?\.ts$/;

const length: Rule = ({ path, text }) => {
  const lines = text.split("\n").length - 1;
  const wall = isTest(path) ? 500 : 400;
  return GENERATED.test(path) || lines <= wall ? [] : [`is ${lines} lines long; ${wall} is the wall`];
};

const fileName: Rule = ({ path }) => {
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (VAGUE_NAMES.test(path)) return ["is named after nothing in particular"];
  return KEBAB_FILE.test(name) ? [] : ["is not named in kebab-case"];
};

const introduction: Rule = ({ path, text }) => {
  const introduced = /^(#!.*\n)?(\/\/|\/\*)/.test(text);
  return introduced || isTest(path) ? [] : ["does not start by saying what it is"];
};

/** Complains about each line of code that matches. */
function never(pattern: RegExp, complaint: string, except: (path: string) => boolean = () => false): Rule {
  return ({ path, code }) =>
    except(path) ? [] : code.split("\n").flatMap((line, index) => (pattern.test(line) ? [`${complaint} (line ${index + 1})`] : []));
}

const mayTellTime = (path: string): boolean =>
  path === "model/clock.ts" || ["scripts", "bench", "test", "examples"].includes(topFolder(path));
const mayBeRandom = (path: string): boolean => ["scripts", "bench", "test", "examples"].includes(topFolder(path));

const suppressions: Rule = ({ text }) =>
  text
    .split("\n")
    .flatMap((line, index) =>
      /(^|\s)(\/\/|\/\*)\s*(@ts-(ignore|expect-error|nocheck)|(ox|es)lint-disable)/.test(line)
        ? [`silences a checker (line ${index + 1})`]
        : [],
    );

const sockets: Rule = ({ path, imports }) => {
  if (["netsim", "test", "bench", "scripts", "examples"].includes(topFolder(path))) return [];
  return imports
    .filter(({ specifier, typeOnly }) => !typeOnly && /^(node:)?(net|dgram|tls)$/.test(specifier))
    .map(({ specifier }) => `imports ${specifier}, which lives in netsim/ only`);
};

const RULES: readonly Rule[] = [
  length,
  fileName,
  introduction,
  suppressions,
  sockets,
  never(/(:|<|\bas|,|\||&|=>|extends)\s*any\b(?!\s*[(.:])/, "uses `any`", (path) => GENERATED.test(path)),
  never(/^\s*(export\s+)?(declare\s+)?(const\s+)?enum\s/, "declares an enum"),
  never(/^\s*(export\s+)?namespace\s+\w+\s*\{/, "declares a namespace"),
  never(/\bDate\.now\(|\bnew Date\(\s*\)/, "reads the time; only model/clock.ts does", mayTellTime),
  never(/(?<![.\w])(setTimeout|setInterval)\((?!.*\)(: \w+)? \{$)/, "sets a timer; only model/clock.ts does", mayTellTime),
  never(/\bMath\.random\(/, "is random; use model/random.ts", mayBeRandom),
];

/** `path: complaint` for everything that breaks a rule. */
export function brokenRules(file: SourceFile): readonly string[] {
  return RULES.flatMap((rule) => rule(file)).map((complaint) => `${file.path} ${complaint}`);
}
