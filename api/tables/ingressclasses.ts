// `kubectl get ingressclasses`. Upstream: printers/internalversion printIngressClass.
import { IngressClasses } from "../../model/resources.ts";
import { ageOf } from "../human-duration.ts";
import { printer } from "./table.ts";

export const ingressClassPrinter = printer(IngressClasses, ["Name", "Controller", "Parameters", "Age"], ({ metadata, spec }, nowMs) => {
  const parameters = spec?.parameters;
  const group = parameters?.apiGroup === undefined ? "" : `.${parameters.apiGroup}`;
  return [
    metadata.name,
    spec?.controller ?? "",
    parameters === undefined ? "<none>" : `${parameters.kind}${group}/${parameters.name}`,
    ageOf(metadata.creationTimestamp, nowMs),
  ];
});
