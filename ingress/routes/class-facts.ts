// What decides whether an Ingress counts, read from the store as it is.
import { IngressClasses, Namespaces } from "../../model/resources.ts";
import type { Reader } from "../../store/index.ts";
import type { ClassFacts } from "./ingress-class.ts";

export function classFacts(reader: Pick<Reader, "get">): ClassFacts {
  return {
    classOf: (name) => reader.get(IngressClasses, "", name),
    namespaceLabels: (name) => {
      const found = reader.get(Namespaces, "", name);
      return found && (found.metadata.labels ?? {});
    },
  };
}
