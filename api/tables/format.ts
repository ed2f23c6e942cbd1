// Texts that several printers share: lists that are cut short, label and selector texts. Upstream: printers/internalversion, labels.FormatLabels.
import type { LabelSelector } from "../../model/kinds/meta-v1.ts";

/** The first three items; ` + N more...` tells of the rest. `empty` stands for none. */
export function shortList(items: readonly string[], empty: string): string {
  const shown = items.slice(0, 3).join(",");
  if (items.length > 3) return `${shown} + ${items.length - 3} more...`;
  return shown === "" ? empty : shown;
}

/** `a=b,c=d` sorted by key, `<none>` when there are none. */
export function labelsText(labels: { readonly [key: string]: string } | undefined): string {
  const texts = Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return texts.length === 0 ? "<none>" : texts.sort().join(",");
}

/** A LabelSelector as selector text, `<none>` when it is missing or empty. */
export function selectorText(selector: LabelSelector | undefined): string {
  const texts: [string, string][] = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => [key, `${key}=${value}`]);
  for (const { key, operator, values } of selector?.matchExpressions ?? []) {
    const set = `(${[...(values ?? [])].sort().join(",")})`;
    const text = { In: `${key} in ${set}`, NotIn: `${key} notin ${set}`, Exists: key, DoesNotExist: `!${key}` }[operator];
    if (text === undefined) return "<error>";
    texts.push([key, text]);
  }
  if (texts.length === 0) return "<none>";
  return texts
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, text]) => text)
    .join(",");
}

/** Names and images of a pod template's containers, as the wide columns CONTAINERS and IMAGES. */
export function containerTexts(
  containers: readonly { readonly name: string; readonly image?: string }[] | undefined,
): readonly [string, string] {
  const list = containers ?? [];
  return [list.map(({ name }) => name).join(","), list.map(({ image }) => image ?? "").join(",")];
}
