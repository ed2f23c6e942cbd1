// Validation of Faults inside the write, so that `kubectl apply` hears of every mistake at once.
import type { FieldError } from "../model/errors.ts";
import type { Pod, ServicePort } from "../model/kinds/core-v1.ts";
import type { Fault, FaultSpec } from "../model/kinds/loopkube-v1alpha1.ts";
import { equalJson } from "../model/object.ts";
import { Faults, Pods, Services } from "../model/resources.ts";
import { compileLabelSelector } from "../model/selectors.ts";
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
      for (const error of [...faultErrors(spec), ...deafServiceErrors(spec, tx), ...deafPodErrors(spec, tx)]) tx.reject(error);
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

/** Nor does a pod whose ports are all something else; one that declares none may be anything. */
function deafPodErrors({ dns, to }: FaultSpec, tx: Transaction): readonly FieldError[] {
  if (dns === undefined || !to || to.service !== undefined || (to.pod === undefined && to.podSelector === undefined)) return [];
  const { pod: name, namespace, podSelector } = to;
  const query = {
    ...(namespace === undefined ? {} : { namespace }),
    ...(podSelector ? { labels: compileLabelSelector(podSelector) } : {}),
  };
  const pods = tx.list(Pods, query).filter(({ metadata }) => name === undefined || metadata.name === name);
  if (pods.length === 0 || !pods.every(isDeaf)) return [];
  const who = name === undefined ? "a pod like this" : `Pod ${name}`;
  const detail = `${who} is asked no DNS questions: for the questions that it asks, name it in spec.from`;
  return [{ type: "Invalid", field: name === undefined ? "spec.to.podSelector" : "spec.to.pod", value: name ?? podSelector, detail }];
}

function isDeaf({ spec }: Pod): boolean {
  const ports = spec?.containers.flatMap((container) => container.ports ?? []) ?? [];
  return ports.length > 0 && !ports.some(({ containerPort: port, ...rest }) => mayAnswerDns({ ...rest, port }));
}

const mayAnswerDns = ({ name = "", protocol, port, targetPort }: Pick<ServicePort, "name" | "protocol" | "port" | "targetPort">): boolean =>
  protocol === "UDP" || port === 53 || targetPort === 53 || /dns|domain/.test(`${name} ${targetPort ?? ""}`);
