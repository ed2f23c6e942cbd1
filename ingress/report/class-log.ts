// What upstream's controller says in its log of each Ingress that comes, changes or goes: whose class it has found, and which it ignores.
// Upstream: store.go ingEventHandler, GetIngressClass. Ingresses of namespaces that are not watched are not spoken of.
import type { Ingress } from "../../model/kinds/networking-v1.ts";
import type { ControllerFlags } from "../config.ts";
import { noObject } from "../annotations/annotation.ts";
import { CLASS_ANNOTATION, type ClassFacts, ignoredBecause, unwatchedBecause } from "../routes/ingress-class.ts";

/** Where in upstream's source, and what. */
export type ClassLine = readonly [place: string, text: string];

export class ClassLog {
  readonly #flags: ControllerFlags;
  readonly #facts: ClassFacts;
  /** As they were when they were last spoken of. */
  readonly #known = new Map<string, Ingress>();

  constructor(flags: ControllerFlags, facts: ClassFacts) {
    this.#flags = flags;
    this.#facts = facts;
  }
  /** `ingress` is the object by now; undefined: it is gone. */
  line(key: string, ingress: Ingress | undefined): ClassLine | undefined {
    const last = this.#known.get(key);
    const before = last && ingress && last.metadata.uid !== ingress.metadata.uid ? undefined : last;
    if (ingress) this.#known.set(key, ingress);
    else this.#known.delete(key);
    const object = ingress ?? before;
    if (!object || unwatchedBecause(object, this.#flags, this.#facts) !== undefined) return undefined;
    const of = `ingress=${JSON.stringify(key)}`;
    const error = this.#error(object);
    const ignoring = `"Ignoring ingress because of error while validating ingress class" ${of} error=${JSON.stringify(error)}`;
    if (!ingress) return error === undefined ? undefined : ["store.go:406", ignoring];
    const found = `${of} ingressclass=${JSON.stringify(this.#classOf(ingress))}`;
    if (!before) return error === undefined ? ["store.go:443", `"Found valid IngressClass" ${found}`] : ["store.go:439", ignoring];
    const was = this.#error(before);
    if (was !== undefined && error === undefined) return ["store.go:489", `"creating ingress" ${found}`];
    if (was === undefined && error !== undefined) return ["store.go:492", `"removing ingress because of unknown ingressclass" ${of}`];
    return undefined;
  }
  #classOf({ spec, metadata }: Ingress): string {
    return spec.ingressClassName ?? metadata.annotations?.[CLASS_ANNOTATION] ?? "_";
  }
  #error(ingress: Ingress): string | undefined {
    if (ignoredBecause(ingress, this.#flags, this.#facts) === undefined) return undefined;
    const name = ingress.spec.ingressClassName;
    if (name !== undefined && name !== "") return noObject(name);
    return ingress.metadata.annotations?.[CLASS_ANNOTATION] === undefined
      ? "ingress does not contain a valid IngressClass"
      : "ingress class annotation is not equal to the expected by Ingress Controller";
  }
}
