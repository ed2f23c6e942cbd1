// What an annotation group is: the names it owns, how their values are read, and the steps they put into a location's phases.
// Upstream: internal/ingress/annotations/*. A group is one file and one line in the list of index.ts.
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import { type Answer, page } from "../request/answer.ts";
import { assertNever } from "../../model/errors.ts";
import { type ControllerConfig, parseBool, splitList } from "../config.ts";
import type { Exchange, World } from "../request/exchange.ts";
import type { Phase } from "../routes/route-table.ts";
import type { Validator } from "./validators.ts";

/** In ascending order: `annotations-risk-level` of the ConfigMap allows up to one of them. */
export const RISKS = ["Low", "Medium", "High", "Critical"] as const;
export type Risk = (typeof RISKS)[number];

/** What becomes of an Ingress whose value fails its validator. */
export type OnInvalid =
  /** As if the annotation were absent; a Warning says so. */
  | "default"
  /** The Ingress is not served, and admission refuses it. */
  | "drop"
  /** Its locations answer 503. */
  | "deny"
  /** The whole group is as if absent. */
  | "skip";

export interface AnnotationRule {
  readonly risk: Risk;
  readonly valid: Validator;
  readonly onInvalid: OnInvalid;
  /** Other names, read when this one is absent. */
  readonly aliases: readonly string[];
}

const ruleOf =
  (risk: Risk) =>
  (valid: Validator, onInvalid: OnInvalid = "default", aliases: readonly string[] = []): AnnotationRule => ({
    risk,
    valid,
    onInvalid,
    aliases,
  });

export const low = ruleOf("Low");
export const medium = ruleOf("Medium");
export const high = ruleOf("High");
export const critical = ruleOf("Critical");

/** Something a location does in one phase. An answer ends the request; undefined goes on. */
export interface Step {
  readonly phase: Phase;
  /** Name of the annotation that asked for it. */
  readonly annotation: string;
  run(exchange: Exchange): Answer | undefined | Promise<Answer | undefined>;
}

/** Thrown while reading: the location answers 503, as upstream's LocationDenied. */
export class LocationDenied extends Error {
  override readonly name = "LocationDenied";
}

/** Thrown while reading: the Ingress is dropped, as upstream's ValidationError. */
export class InvalidAnnotation extends Error {
  override readonly name = "InvalidAnnotation";
}

/** Thrown while reading: the group is as if absent. */
export class GroupSkipped extends Error {
  override readonly name = "GroupSkipped";
}

/** What of the location a group may look at. */
export interface LocationFacts {
  readonly path: string;
  /** The path as nginx's location has it: `/cart` of a Prefix rule is one of `/cart` and one of `/cart/`. */
  readonly served: string;
  readonly host: string;
}

/** What annotations name. */
export type Objects = Pick<World, "secret" | "configMap">;

/** An object that an annotation needs. */
export interface Denial {
  readonly annotation: string;
  /** Why every location answers 503, in upstream's words; undefined while the object is as it has to be. */
  why(objects: Objects): string | undefined;
}

export interface AnnotationGroup<T> {
  /** Upstream's name of the group that it belongs to, which admission's messages use. */
  readonly upstream: string;
  /** By name without the prefix. */
  readonly annotations: Readonly<Record<string, AnnotationRule>>;
  parse(read: AnnotationReader): T;
  denial?(settings: T): Denial | undefined;
  /** Steps in the order in which they run within their phases. */
  steps?(settings: T, location: LocationFacts): readonly Step[];
}

/** What a group gives for one Ingress. */
export interface GroupResult<T> {
  readonly settings: T;
  /** Undefined: it never has any. */
  readonly steps: ((location: LocationFacts) => readonly Step[]) | undefined;
  readonly denial: Denial | undefined;
}

export interface CompilableGroup<T> extends AnnotationGroup<T> {
  compile(read: AnnotationReader): GroupResult<T>;
}

/** Declares a group. */
export function annotationGroup<T>(group: AnnotationGroup<T>): CompilableGroup<T> {
  return {
    ...group,
    compile(read) {
      const settings = group.parse(read);
      const denial = group.denial?.(settings);
      const first = denial ? [denialStep(denial)] : [];
      const steps = group.steps && ((location: LocationFacts) => [...first, ...(group.steps?.(settings, location) ?? [])]);
      return { settings, steps: steps ?? (denial && (() => first)), denial };
    },
  };
}

const denialStep = ({ annotation, why }: Denial): Step => ({
  phase: "location",
  annotation,
  run({ world }) {
    const reason = why(world);
    return reason === undefined ? undefined : page(503, `${annotation}: ${reason}`);
  },
});

/** Upstream's words for an object that its store has not. */
export const noObject = (key: string): string => `no object matching key ${JSON.stringify(key)} in local store`;

/** What a reader was asked for. */
export interface Looked {
  /** Annotations, aliases among them. */
  readonly names: Set<string>;
  /** For more of the Ingress than its annotations. */
  atIngress: boolean;
}

/** Typed reads of one Ingress's annotations; a value that cannot be read is reported and its default used. */
export class AnnotationReader {
  readonly config: ControllerConfig;
  /** `name: reason` of values that were not usable. */
  readonly problems: string[] = [];
  readonly #values: Readonly<Record<string, string>>;
  readonly #rules: ReadonlyMap<string, AnnotationRule>;
  readonly #ingress: Ingress | undefined;
  readonly #looked: Looked | undefined;

  constructor(ingress: Ingress | undefined, config: ControllerConfig, rules: ReadonlyMap<string, AnnotationRule>, looked?: Looked) {
    this.#ingress = ingress;
    this.config = config;
    this.#rules = rules;
    this.#looked = looked;
    this.#values = ingress?.metadata.annotations ?? {};
  }
  get ingress(): Ingress | undefined {
    if (this.#looked) this.#looked.atIngress = true;
    return this.#ingress;
  }
  get namespace(): string {
    return this.ingress?.metadata.namespace ?? "";
  }
  /** Trimmed; undefined when absent, blank or not valid. Throws as the annotation's rule says. */
  text(name: string): string | undefined {
    const value = this.#valid(name)?.trim();
    return value === "" ? undefined : value;
  }
  /** The value of the name or of an alias, when it is valid. */
  #valid(name: string): string | undefined {
    const rule = this.#rules.get(name);
    const found = this.#has(name) ? name : rule?.aliases.find((alias) => this.#has(alias));
    if (this.#looked) for (const one of [name, ...(rule?.aliases ?? [])]) this.#looked.names.add(one);
    if (found === undefined) return undefined;
    const value = this.#values[this.config.prefix + found] ?? "";
    if (!rule || !this.config.validates || rule.valid(value)) return value;
    const message = `annotation ${this.config.prefix}${found} contains invalid value`;
    switch (rule.onInvalid) {
      case "drop":
        throw new InvalidAnnotation(message);
      case "deny":
        throw new LocationDenied(message);
      case "skip":
        this.problem(found, `invalid value ${JSON.stringify(value)}: it and its group have no effect`);
        throw new GroupSkipped(message);
      case "default":
        this.problem(found, `invalid value ${JSON.stringify(value)}: the default is used`);
        return undefined;
      default:
        return assertNever(rule.onInvalid);
    }
  }
  #has(name: string): boolean {
    return (this.#values[this.config.prefix + name] ?? "") !== "";
  }
  /** The Ingress has the annotation, whatever its value. */
  named(name: string): boolean {
    this.#looked?.names.add(name);
    return this.#values[this.config.prefix + name] !== undefined;
  }
  /** It has it, with nothing in it: no value, and yet not absent for some of upstream's parsers. */
  blank(name: string): boolean {
    return this.named(name) && this.text(name) === undefined;
  }
  flag(name: string, fallback: boolean): boolean {
    const text = this.text(name);
    const value = parseBool(text);
    if (text !== undefined && value === undefined) this.problem(name, `invalid value ${JSON.stringify(text)}: must be true or false`);
    return value ?? fallback;
  }
  number(name: string, fallback: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    // Go's integers end at 64 bits.
    if (/^[+-]?\d+$/.test(text) && Math.abs(Number(text)) < 2 ** 63) return Number(text);
    this.problem(name, `invalid value ${JSON.stringify(text)}: must be a number`);
    return fallback;
  }
  /** One of `choices`, compared without case. */
  choice<C extends string>(name: string, choices: readonly C[], fallback: C): C {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase());
    if (found === undefined) this.problem(name, `invalid value ${JSON.stringify(text)}: must be one of ${choices.join(", ")}`);
    return found ?? fallback;
  }
  /** nginx sizes: `8k`, `1m`, `2g`, bytes without a unit. */
  size(name: string, fallback: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const bytes = sizeBytes(text);
    if (bytes === undefined) this.problem(name, `invalid value ${JSON.stringify(text)}: must be a size such as 8k or 1m`);
    return bytes ?? fallback;
  }
  list(name: string): readonly string[] {
    return splitList(this.text(name) ?? "");
  }
  problem(name: string, reason: string): void {
    this.problems.push(`${this.config.prefix}${name}: ${reason}`);
  }
}

/** Bytes of an nginx size, or undefined. */
export function sizeBytes(text: string): number | undefined {
  const found = /^(\d+)([kKmMgG]?)$/.exec(text.trim());
  if (!found) return undefined;
  const unit = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(found[2] ?? "").toLowerCase()] ?? 1;
  return Number(found[1]) * unit;
}

/** Milliseconds of an nginx time (`30m`, `1h30m`, `5s`, `100ms`, seconds without a unit), or undefined. */
export function timeMs(text: string): number | undefined {
  if (!/^\d+(?:(?:ms|[smhdwMy])\s*\d+|\s+\d+)*(?:ms|[smhdwMy])?\s*$/.test(text)) return undefined;
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1e3, "": 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5, M: 2592e6, y: 31536e6 };
  let total = 0;
  for (const [, digits, unit = ""] of text.matchAll(/(\d+)(ms|[smhdwMy])?/g)) total += Number(digits) * (units[unit] ?? 1e3);
  return total;
}
