// What makes a Service's ports invalid, with upstream's messages.
// Upstream: pkg/apis/core/validation/validation.go validateServicePort and the port part of ValidateService.
import type { FieldError } from "../model/errors.ts";
import type { ServicePort, ServiceSpec } from "../model/kinds/core-v1.ts";
import { formatErrors, portNameErrors, qualifiedNameErrors } from "../model/schema/validation/names.ts";

type Report = (error: FieldError) => void;

const PORT_HELP = "must be between 1 and 65535, inclusive";

/** Go's %#v of the port that upstream prints as a duplicate. */
const goServicePort = (port: ServicePort): string =>
  `core.ServicePort{Name:"", Protocol:${JSON.stringify(port.protocol ?? "TCP")}, AppProtocol:(*string)(nil), Port:${port.port}, TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}, NodePort:0}`;

/** Each port by itself, and the names among themselves. */
export function validateServicePorts(spec: ServiceSpec, report: Report): void {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  ports.forEach((port, i) => validatePort(port, `spec.ports[${i}]`, ports.length > 1, names, report));
}

/** NodePorts that a ClusterIP Service may not have, and numbers that come twice for a protocol. */
export function validateDuplicatePorts(spec: ServiceSpec, report: Report): void {
  const ports = spec.ports ?? [];
  const seen = new Set<string>();
  const isAgain = (key: string): boolean => seen.size === seen.add(key).size;
  if (spec.type === "ClusterIP") {
    ports.forEach(({ nodePort }, i) => {
      if (nodePort) report({ type: "Forbidden", field: `spec.ports[${i}].nodePort`, detail: "may not be used when `type` is 'ClusterIP'" });
    });
  }
  ports.forEach(({ nodePort, protocol }, i) => {
    if (nodePort && isAgain(`node ${protocol}/${nodePort}`))
      report({ type: "Duplicate", field: `spec.ports[${i}].nodePort`, value: nodePort });
  });
  ports.forEach((port, i) => {
    if (isAgain(`${port.protocol}/${port.port}`)) report({ type: "Duplicate", field: `spec.ports[${i}]`, valueText: goServicePort(port) });
  });
}

function validatePort(port: ServicePort, field: string, named: boolean, names: Set<string>, report: Report): void {
  const { name = "", targetPort } = port;
  if (name === "") {
    if (named) report({ type: "Required", field: `${field}.name` });
  } else {
    for (const detail of formatErrors("label", name)) report({ type: "Invalid", field: `${field}.name`, value: name, detail });
    if (names.has(name)) report({ type: "Duplicate", field: `${field}.name`, value: name });
    names.add(name);
  }
  const inRange = (value: number): boolean => Number.isInteger(value) && value >= 1 && value <= 65_535;
  if (!inRange(port.port)) report({ type: "Invalid", field: `${field}.port`, value: port.port, detail: PORT_HELP });
  if (port.protocol && !["SCTP", "TCP", "UDP"].includes(port.protocol)) {
    report({ type: "NotSupported", field: `${field}.protocol`, value: port.protocol, supported: ["SCTP", "TCP", "UDP"] });
  }
  if (typeof targetPort === "number" && !inRange(targetPort)) {
    report({ type: "Invalid", field: `${field}.targetPort`, value: targetPort, detail: PORT_HELP });
  }
  if (typeof targetPort === "string") {
    for (const detail of portNameErrors(targetPort)) report({ type: "Invalid", field: `${field}.targetPort`, value: targetPort, detail });
  }
  if (port.appProtocol !== undefined) {
    const value = port.appProtocol;
    for (const detail of qualifiedNameErrors(value)) report({ type: "Invalid", field: `${field}.appProtocol`, value, detail });
  }
}
