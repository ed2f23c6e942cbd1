// Request bodies as text: JSON and YAML 1.1, with the paths of duplicate keys that JSON.parse would swallow.
// Upstream: sigs.k8s.io/json, sigs.k8s.io/yaml. Left out: integers beyond 2^53.
import { LineCounter, type Node, type Tags, isAlias, isMap, isScalar, isSeq, parseAllDocuments } from "yaml";
import { StatusError, badRequest } from "../errors.ts";
import { scanJson } from "./json-scan.ts";

/** What a request body says: its value, and the paths of keys that stand in it twice. */
export interface ParsedBody {
  readonly value: unknown;
  /** `spec.replicas`, `spec.containers[0].image`. */
  readonly duplicates: readonly string[];
}

/** Parses JSON; throws 400 with Go's wording of the first syntax error. */
export function parseJson(text: string): ParsedBody {
  const scan = scanJson(text);
  if (scan.error !== undefined) throw badRequest(scan.error);
  return { value: JSON.parse(text) as unknown, duplicates: scan.duplicates };
}

/** YAML 1.1, but no dates and no base-60 numbers, and a dot alone is a text: options for the parser. */
export const KUBERNETES_YAML = {
  version: "1.1",
  customTags: (tags: Tags): Tags => tags.flatMap((tag) => (typeof tag === "string" || isRead(tag) ? [withoutDots(tag)] : [])),
} as const;

type Tag = Tags[number];

const isRead = (tag: Exclude<Tag, string>): boolean => !(tag.tag.endsWith(":timestamp") || ("format" in tag && tag.format === "TIME"));

/** The number tag that would take `.` takes what has a digit. */
function withoutDots(tag: Tag): Tag {
  if (typeof tag === "string" || !("test" in tag) || !tag.test?.test(".")) return tag;
  return { ...tag, test: /^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)$/ };
}

/** Parses one YAML document as Kubernetes does. Throws 400. */
export function parseYaml(text: string): ParsedBody {
  try {
    return parseDocument(text);
  } catch (error) {
    if (error instanceof StatusError) throw error;
    // Too many aliases, an alias of nothing, or a document nested deeper than the stack.
    throw badRequest(
      `yaml: ${error instanceof RangeError ? "exceeded max depth" : error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function parseDocument(text: string): ParsedBody {
  const lines = new LineCounter();
  const [document] = parseAllDocuments(text, {
    ...KUBERNETES_YAML,
    uniqueKeys: false,
    lineCounter: lines,
  }) as readonly import("yaml").Document.Parsed[];
  if (!document) return { value: null, duplicates: [] };
  const problem = document.errors[0];
  if (problem) throw badRequest(`yaml: line ${lines.linePos(problem.pos[0]).line}: ${problem.message.split("\n")[0] ?? ""}`);
  const duplicates: string[] = [];
  collectDuplicates(document.contents, "", duplicates, 0);
  return { value: document.toJS({ maxAliasCount: 100 }) as unknown, duplicates };
}

const MAX_DEPTH = 1000;

function collectDuplicates(node: Node | null, path: string, out: string[], depth: number): void {
  if (depth > MAX_DEPTH || isAlias(node)) return;
  if (isSeq(node)) node.items.forEach((item, index) => collectDuplicates(item as Node, `${path}[${index}]`, out, depth + 1));
  if (!isMap(node)) return;
  const seen = new Set<string>();
  for (const pair of node.items) {
    const key = isScalar(pair.key) ? String(pair.key.value) : "";
    const inner = path === "" ? key : `${path}.${key}`;
    if (seen.has(key) && key !== "<<") out.push(inner);
    seen.add(key);
    collectDuplicates(pair.value as Node | null, inner, out, depth + 1);
  }
}
