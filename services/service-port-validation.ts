// What makes a Service's ports invalid, with upstream's messages.
// Upstream: pkg/apis/core/validation/validation.go validateServicePort and the port part of ValidateService.
import type { FieldError } from "../model/errors.ts";
import type { ServicePort, ServiceSpec } from "../model/kinds/core-v1.ts";

type Report = (error: FieldError) => void;

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_HELP =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const PORT_HELP = "must be between 1 and 65535, inclusive";
const KUBELET_PORT = 10_250;

/** Go's %#v of the port that upstream prints as a duplicate. */
const goServicePort = (port: ServicePort): string =>
  `core.ServicePort{Name:"", Protocol:${JSON.stringify(port.protocol ?? "TCP")}, AppProtocol:(*string)(nil), Port:${port.port}, TargetPort:intstr.IntOrString{Type:0, IntVal:0, StrVal:""}, NodePort:0}`;

export function validateServicePorts(spec: ServiceSpec, report: Report): void {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  const keys = new Set<string>();
  const nodePorts = new Set<string>();
  ports.forEach((port, i) => {
    const field = `spec.ports[${i}]`;
    validatePort(port, field, ports.length > 1, names, report);
    if (spec.type === "LoadBalancer" && port.port === KUBELET_PORT) {
      report({
        type: "Invalid",
        field,
        value: port.port,
        detail: `may not expose port ${KUBELET_PORT} externally since it is used by kubelet`,
      });
    }
    if (spec.type === "ClusterIP" && port.nodePort) {
      report({ type: "Forbidden", field: `${field}.nodePort`, detail: "may not be used when `type` is 'ClusterIP'" });
    }
    const key = `${port.protocol}/${port.port}`;
    if (keys.has(key)) report({ type: "Duplicate", field, valueText: goServicePort(port) });
    keys.add(key);
    if (!port.nodePort || spec.type === "ClusterIP") return;
    const nodePortKey = `${port.protocol}/${port.nodePort}`;
    if (nodePorts.has(nodePortKey)) report({ type: "Duplicate", field: `${field}.nodePort`, value: port.nodePort });
    nodePorts.add(nodePortKey);
  });
}

function validatePort(port: ServicePort, field: string, named: boolean, names: Set<string>, report: Report): void {
  const { name = "", targetPort } = port;
  if (name === "") {
    if (named) report({ type: "Required", field: `${field}.name` });
  } else {
    if (!LABEL.test(name)) report({ type: "Invalid", field: `${field}.name`, value: name, detail: LABEL_HELP });
    if (name.length > 63) report({ type: "Invalid", field: `${field}.name`, value: name, detail: "must be no more than 63 characters" });
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
}

/** Upstream: apimachinery validation.IsValidPortName. */
function portNameErrors(name: string): readonly string[] {
  const errors: string[] = [];
  if (name.length > 15) errors.push("must be no more than 15 characters");
  if (!/^[-a-z0-9]+$/.test(name)) errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!/[a-z]/.test(name)) errors.push("must contain at least one letter (a-z)");
  if (name.includes("--")) errors.push("must not contain consecutive hyphens");
  if (name.startsWith("-") || name.endsWith("-")) errors.push("must not begin or end with a hyphen");
  return errors;
}
