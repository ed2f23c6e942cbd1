// Validation of Faults inside the write, so that `kubectl apply` hears of every mistake at once.
import type { FieldError } from "../model/errors.ts";
import type { ServicePort } from "../model/kinds/core-v1.ts";
import type { Fault, FaultSpec } from "../model/kinds/loopkube-v1alpha1.ts";
import { equalJson } from "../model/object.ts";
import { Faults, Services } from "../model/resources.ts";
import type { Admission, Transaction } from "../store/index.ts";
import { faultErrors } from "./compile-fault.ts";

export function faultAdmission(): Admission {
  return {
    name: "Faults",
    types: [Faults],
    operations: ["CREATE", "UPDATE"],
    admit({ object, old }, tx) {
      const { spec } = object as unknown as Fault;
      if (old && equalJson((old as unknown as Fault).spec, spec)) return;
      for (const error of [...faultErrors(spec), ...deafServiceErrors(spec, tx)]) tx.reject(error);
    },
  };
}

/** A dns fault acts on the questions that clients ask a DNS server: a Service that is none never sees one. */
function deafServiceErrors({ dns, to }: FaultSpec, tx: Transaction): readonly FieldError[] {
  if (dns === undefined || to?.service === undefined) return [];
  const { service: name, namespace = "default" } = to;
  const ports = tx.get(Services, namespace, name)?.spec?.ports;
  if (!ports || ports.some(mayAnswerDns)) return [];
  const detail = `Service ${name} is asked no DNS questions: for questions about it, leave spec.to out and set spec.dns.name to ${name}.${namespace}.svc.cluster.local`;
  return [{ type: "Invalid", field: "spec.to.service", value: name, detail }];
}

const mayAnswerDns = ({ name = "", protocol, port, targetPort }: ServicePort): boolean =>
  protocol === "UDP" || port === 53 || targetPort === 53 || /dns|domain/.test(`${name} ${targetPort ?? ""}`);
