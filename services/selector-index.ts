// Which Services select a pod, without looking at all of them: indexed by one label of each selector.
import type { Pod, Service } from "../model/kinds/core-v1.ts";
import { keyOf, type ObjectKey, objectKey } from "../model/object.ts";
import { matchesSelectorMap } from "../model/selectors.ts";
import { Pods, Services } from "../model/resources.ts";
import type { Reader } from "../store/contract.ts";
import { on, type Watch } from "../store/controller.ts";

export class SelectorIndex {
  readonly #reader: Reader;
  /** `namespace key=value` of a selector's first pair → names. May hold names that no longer match: lookups check. */
  readonly #names = new Map<string, Set<string>>();

  constructor(reader: Reader) {
    this.#reader = reader;
  }
  /** What brings a Service back to its controller: itself, and the pods that it selects or did. */
  readonly watches: readonly Watch[] = [
    on(Services, (service) => {
      this.#note(service);
      return [keyOf(service)];
    }),
    on(Pods, (pod) => this.#servicesOf(pod)),
  ];

  /** Notes a Service, at its creation and at each change. */
  #note(service: Service): void {
    const [pair] = Object.entries(service.spec?.selector ?? {});
    if (!pair) return;
    const key = `${service.metadata.namespace ?? ""} ${pair[0]}=${pair[1]}`;
    const names = this.#names.get(key);
    if (names) names.add(service.metadata.name);
    else this.#names.set(key, new Set([service.metadata.name]));
  }
  /** Keys of the Services that select this pod. */
  #servicesOf(pod: Pod): readonly ObjectKey[] {
    const { namespace = "", labels = {} } = pod.metadata;
    const found: ObjectKey[] = [];
    for (const [label, value] of Object.entries(labels)) {
      const names = this.#names.get(`${namespace} ${label}=${value}`);
      for (const name of names ?? []) {
        const service = this.#reader.get(Services, namespace, name);
        const selector = service?.spec?.selector;
        const [first] = Object.entries(selector ?? {});
        if (!service || first?.[0] !== label || first[1] !== value) names?.delete(name);
        else if (matchesSelectorMap(selector, labels)) found.push(keyOf(service));
      }
    }
    return found;
  }
}

/** `namespace/name` of the Service that labels name, in the object's namespace. */
export function serviceKeyOf(object: {
  readonly metadata: { readonly namespace?: string; readonly labels?: { readonly [key: string]: string } };
}): readonly ObjectKey[] {
  const name = object.metadata.labels?.["kubernetes.io/service-name"];
  return name ? [objectKey(object.metadata.namespace ?? "", name)] : [];
}
