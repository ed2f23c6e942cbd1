// Label selectors (as objects and as query text) and field selectors.
// Upstream: apimachinery pkg/labels/selector.go, pkg/fields/selector.go.
import { badRequest } from "./errors.ts";
import type { LabelSelector } from "./kinds/meta-v1.ts";
import { type LabelRequirement, parseLabelRequirements } from "./label-selector-text.ts";

type Labels = { readonly [key: string]: string };
export type LabelMatcher = (labels: Labels | undefined) => boolean;

const NONE: Labels = {};

function requirementMatches(requirement: LabelRequirement, labels: Labels): boolean {
  const value = labels[requirement.key];
  switch (requirement.operator) {
    case "=":
    case "in":
      return value !== undefined && requirement.values.includes(value);
    case "!=":
    case "notin":
      return value === undefined || !requirement.values.includes(value);
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case ">":
    case "<":
      return isOrdered(value, requirement.operator, requirement.values[0]);
  }
}

/** Labels that are no integers are in no order. */
function isOrdered(value: string | undefined, operator: ">" | "<", bound = ""): boolean {
  if (value === undefined || !/^[-+]?\d+$/.test(value)) return false;
  return operator === ">" ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
}

const matcher =
  (requirements: readonly LabelRequirement[]): LabelMatcher =>
  (labels = NONE) =>
    requirements.every((requirement) => requirementMatches(requirement, labels));

/** A plain map (Service.spec.selector): an empty or missing one matches nothing. */
export function matchesSelectorMap(selector: Labels | undefined, labels: Labels | undefined): boolean {
  const entries = Object.entries(selector ?? {});
  return entries.length > 0 && entries.every(([key, value]) => labels?.[key] === value);
}

/** metav1.LabelSelector: undefined matches nothing, an empty one everything. */
export function compileLabelSelector(selector: LabelSelector | undefined): LabelMatcher {
  if (!selector) return () => false;
  const operators = { In: "in", NotIn: "notin", Exists: "exists", DoesNotExist: "!" } as const;
  const requirements: LabelRequirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: "=",
    values: [value],
  }));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    requirements.push({ key, operator: operators[operator as keyof typeof operators] ?? "exists", values: values ?? [] });
  }
  return matcher(requirements);
}

/** Parses `a=b,c in (d,e),!f`; throws 400 with upstream's wording on a syntax error. */
export function parseLabelSelector(text: string): LabelMatcher {
  return matcher(parseLabelRequirements(text));
}

export interface FieldRequirement {
  readonly path: string;
  readonly negated: boolean;
  readonly value: string;
}

/** Parses `metadata.name=x,status.phase!=Running`. Throws 400 on a syntax error. */
export function parseFieldSelector(text: string): readonly FieldRequirement[] {
  return text
    .split(",")
    .filter((part) => part !== "")
    .map((part) => {
      const match = /^([^=!]+)(!=|==|=)(.*)$/.exec(part);
      if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
      return { path: (match[1] ?? "").trim(), negated: match[2] === "!=", value: match[3] ?? "" };
    });
}

/** The text at a dotted path of an object; "" when absent, as upstream's field sets have it. */
export function fieldValue(object: object, path: string): string {
  let value: unknown = object;
  for (const key of path.split(".")) {
    value = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  }
  return value === undefined || value === null ? "" : String(value);
}

export function matchesFields(object: object, requirements: readonly FieldRequirement[]): boolean {
  return requirements.every(({ path, negated, value }) => (fieldValue(object, path) === value) !== negated);
}
