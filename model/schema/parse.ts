/** What a request body says: its value, and the paths of keys that stand in it twice. */
export interface ParsedBody {
  readonly value: unknown;
  /** `spec.replicas`, `spec.containers[0].image`. */
  readonly duplicates: readonly string[];
}
export function parseJson(_text: string): ParsedBody {
  throw new Error("not yet");
}
export function parseYaml(_text: string): ParsedBody {
  throw new Error("not yet");
}
