// The shape of a printed kind: its columns and how a row is made. Upstream: kubernetes pkg/printers and meta/v1 Table.
// Column descriptions are left empty: no client shows them.
import type { KubeObject } from "../../model/object.ts";
import type { ResourceType } from "../../model/resources.ts";

export interface ColumnDefinition {
  readonly name: string;
  readonly type: "string" | "integer";
  readonly format: string;
  readonly description: string;
  /** 0: always shown; 1: with `-o wide`. */
  readonly priority: number;
}

export type Cell = string | number;

/** How one kind is printed; `resource` is its plural and `group` its API group. */
export interface Printer {
  readonly group: string;
  readonly resource: string;
  readonly columns: readonly ColumnDefinition[];
  row(object: KubeObject, nowMs: number): readonly Cell[];
}

/** Column definitions from text: `"Name"` is the name column, `"#Data"` an integer, `"+IP"` wide only. */
export function columns(...names: readonly string[]): readonly ColumnDefinition[] {
  return names.map((text) => {
    const name = text.replace(/^[+#]+/, "");
    return {
      name,
      type: /^\+?#/.test(text) ? "integer" : "string",
      format: name === "Name" && !text.startsWith("+") ? "name" : "",
      description: "",
      priority: text.startsWith("+") ? 1 : 0,
    };
  });
}

/** A printer whose `row` sees the kind's own type. */
export function printer<T extends KubeObject>(
  type: ResourceType<T>,
  names: readonly string[],
  row: (object: T, nowMs: number) => readonly Cell[],
): Printer {
  return { group: type.group, resource: type.resource, columns: columns(...names), row: row as Printer["row"] };
}
