// A LabelSelector as people type it: `app=web,tier in (a,b),!old`; `(all)` for an empty one.
// Upstream: apimachinery pkg/labels Selector.String.
import type { LabelSelector } from "../model/kinds/meta-v1.ts";

export function labelSelectorText(selector: LabelSelector | undefined): string {
  const parts = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    if (operator === "Exists") parts.push(key);
    else if (operator === "DoesNotExist") parts.push(`!${key}`);
    else parts.push(`${key} ${operator === "In" ? "in" : "notin"} (${values.join(",")})`);
  }
  return parts.length === 0 ? "(all)" : parts.join(",");
}
