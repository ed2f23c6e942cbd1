// Values as Go's %#v prints them in field errors: label maps and selectors, the ones that users meet.
// Upstream: fmt's %#v of map[string]string and metav1.LabelSelector.
import type { LabelSelector, LabelSelectorRequirement } from "../../kinds/meta-v1.ts";

/** `map[string]string{"a":"b"}`, keys in order; a missing one is `map[string]string(nil)`. */
export function goLabels(labels: { readonly [key: string]: string } | undefined): string {
  if (!labels || Object.keys(labels).length === 0) return "map[string]string(nil)";
  const entries = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[string]string{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(", ")}}`;
}

/** `v1.LabelSelector{MatchLabels:…, MatchExpressions:…}`. */
export function goLabelSelector({ matchLabels, matchExpressions }: LabelSelector): string {
  const list = matchExpressions?.length ? `{${matchExpressions.map(goRequirement).join(", ")}}` : "(nil)";
  return `v1.LabelSelector{MatchLabels:${goLabels(matchLabels)}, MatchExpressions:[]v1.LabelSelectorRequirement${list}}`;
}

function goRequirement({ key, operator, values }: LabelSelectorRequirement): string {
  const list = values ? `{${values.map((value) => JSON.stringify(value)).join(", ")}}` : "(nil)";
  return `v1.LabelSelectorRequirement{Key:${JSON.stringify(key)}, Operator:${JSON.stringify(operator)}, Values:[]string${list}}`;
}
