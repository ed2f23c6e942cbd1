// Containers: ports, environment, probes, resources, mounts.
// Upstream: pkg/apis/core/validation/validation.go validateContainers and below. Left out: security contexts, devices, lifecycle limits.
import type { Container, ContainerPort, EnvVar, HTTPGetAction, LifecycleHandler, Probe } from "../../kinds/core-v1.ts";
import { validateResources } from "./container-resources.ts";
import type { FieldErrors } from "./field-errors.ts";
import { configKeyErrors, envNameErrors, formatErrors, portNameErrors } from "./names.ts";

const PULL_POLICIES = ["Always", "IfNotPresent", "Never"];
export const PROTOCOLS = ["SCTP", "TCP", "UDP"];

/** A list of containers, all of whose names must differ; `names` carries those of the other lists. */
export function validateContainers(
  containers: readonly Container[],
  field: string,
  volumes: ReadonlySet<string>,
  names: Set<string>,
  errors: FieldErrors,
): void {
  containers.forEach((container, i) => {
    const path = `${field}[${i}]`;
    if (!container.name) errors.required(`${path}.name`);
    else {
      errors.invalid(`${path}.name`, container.name, ...formatErrors("label", container.name));
      if (names.has(container.name)) errors.duplicate(`${path}.name`, container.name);
      names.add(container.name);
    }
    validateContainer(container, path, volumes, errors);
  });
}

function validateContainer(container: Container, path: string, volumes: ReadonlySet<string>, errors: FieldErrors): void {
  const { image = "" } = container;
  if (image === "") errors.required(`${path}.image`);
  else if (image !== image.trim()) errors.invalid(`${path}.image`, image, "must not have leading or trailing whitespace");
  errors.oneOf(`${path}.imagePullPolicy`, container.imagePullPolicy, PULL_POLICIES);
  errors.oneOf(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, ["FallbackToLogsOnError", "File"]);
  validatePorts(container.ports ?? [], `${path}.ports`, errors);
  (container.env ?? []).forEach((variable, i) => validateEnv(variable, `${path}.env[${i}]`, errors));
  (container.envFrom ?? []).forEach((source, i) => {
    const from = `${path}.envFrom[${i}]`;
    if (source.configMapRef && source.secretRef) errors.invalid(from, "", "may not have more than one field specified at a time");
    else if (!source.configMapRef && !source.secretRef) errors.invalid(from, "", "must specify one of: `configMapRef` or `secretRef`");
    if (source.configMapRef && !source.configMapRef.name) errors.required(`${from}.configMapRef.name`);
    if (source.secretRef && !source.secretRef.name) errors.required(`${from}.secretRef.name`);
  });
  validateMounts(container, path, volumes, errors);
  validateProbe(container.livenessProbe, `${path}.livenessProbe`, true, errors);
  validateProbe(container.readinessProbe, `${path}.readinessProbe`, false, errors);
  validateProbe(container.startupProbe, `${path}.startupProbe`, true, errors);
  for (const hook of ["postStart", "preStop"] as const) {
    const handler = container.lifecycle?.[hook];
    if (handler) validateHandler(handler, `${path}.lifecycle.${hook}`, errors);
  }
  validateResources(container.resources ?? {}, `${path}.resources`, errors);
}

function validatePorts(ports: readonly ContainerPort[], field: string, errors: FieldErrors): void {
  ports.forEach((port, i) => {
    const path = `${field}[${i}]`;
    if (port.name) errors.invalid(`${path}.name`, port.name, ...portNameErrors(port.name));
    if (!port.containerPort) errors.required(`${path}.containerPort`);
    else errors.port(`${path}.containerPort`, port.containerPort);
    if (port.hostPort) errors.port(`${path}.hostPort`, port.hostPort);
    errors.oneOf(`${path}.protocol`, port.protocol, PROTOCOLS);
  });
  errors.unique(ports.map((port, i) => [`${field}[${i}].name`, portNameErrors(port.name ?? "").length === 0 ? port.name : undefined]));
}

function validateEnv(variable: EnvVar, path: string, errors: FieldErrors): void {
  if (!variable.name) errors.required(`${path}.name`);
  else errors.invalid(`${path}.name`, variable.name, ...envNameErrors(variable.name));
  const source = variable.valueFrom;
  if (!source) return;
  const from = `${path}.valueFrom`;
  const count = Object.values(source).filter((value) => value !== undefined).length;
  if (count === 0) errors.invalid(from, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`");
  else if (variable.value) errors.invalid(from, "", "may not be specified when `value` is not empty");
  else if (count > 1) errors.invalid(from, "", "may not have more than one field specified at a time");
  for (const kind of ["configMapKeyRef", "secretKeyRef"] as const) {
    const reference = source[kind];
    if (!reference) continue;
    if (!reference.name) errors.required(`${from}.${kind}.name`);
    if (!reference.key) errors.required(`${from}.${kind}.key`);
    else errors.invalid(`${from}.${kind}.key`, reference.key, ...configKeyErrors(reference.key));
  }
  const fieldPath = source.fieldRef?.fieldPath;
  if (source.fieldRef && !fieldPath) errors.required(`${from}.fieldRef.fieldPath`);
  else if (fieldPath && !ENV_FIELDS.includes(fieldPath) && !/^metadata\.(labels|annotations)\['[^']+'\]$/.test(fieldPath)) {
    if (!/^(metadata|spec|status)\./.test(fieldPath))
      errors.invalid(`${from}.fieldRef.fieldPath`, fieldPath, `error converting fieldPath: field label not supported: ${fieldPath}`);
    else errors.supported(`${from}.fieldRef.fieldPath`, fieldPath, ENV_FIELDS);
  }
}

const ENV_FIELDS = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];

function validateMounts(container: Container, path: string, volumes: ReadonlySet<string>, errors: FieldErrors): void {
  const paths = new Set<string>();
  (container.volumeMounts ?? []).forEach((mount, i) => {
    const field = `${path}.volumeMounts[${i}]`;
    if (!mount.name) errors.required(`${field}.name`);
    else if (!volumes.has(mount.name)) errors.notFound(`${field}.name`, mount.name);
    if (!mount.mountPath) errors.required(`${field}.mountPath`);
    else if (paths.has(mount.mountPath)) errors.invalid(`${field}.mountPath`, mount.mountPath, "must be unique");
    paths.add(mount.mountPath);
    for (const key of ["subPath", "subPathExpr"] as const) {
      const value = mount[key];
      if (value?.startsWith("/")) errors.invalid(`${field}.${key}`, value, "must be a relative path");
      if (value?.split("/").includes("..")) errors.invalid(`${field}.${key}`, value, "must not contain '..'");
    }
  });
}

function validateProbe(probe: Probe | undefined, path: string, onlyOneSuccess: boolean, errors: FieldErrors): void {
  if (!probe) return;
  validateHandler(probe, path, errors, probe.grpc ? 1 : 0);
  if (probe.grpc) errors.port(`${path}.grpc.port`, probe.grpc.port);
  for (const key of ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] as const) {
    errors.nonNegative(`${path}.${key}`, probe[key]);
  }
  if (onlyOneSuccess && probe.successThreshold !== undefined && probe.successThreshold !== 1) {
    errors.invalid(`${path}.successThreshold`, probe.successThreshold, "must be 1");
  }
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0) errors.invalid(`${path}.terminationGracePeriodSeconds`, grace, "must be greater than 0");
}

function validateHandler(handler: LifecycleHandler, path: string, errors: FieldErrors, others = 0): void {
  let count = others;
  const one = (key: string, check: () => void): void => {
    if (count++ > 0) errors.forbidden(`${path}.${key}`, "may not specify more than 1 handler type");
    else check();
  };
  const { exec, httpGet, tcpSocket, sleep } = handler;
  if (exec) one("exec", () => void (exec.command?.length || errors.required(`${path}.exec.command`)));
  if (httpGet) one("httpGet", () => validateHttpGet(httpGet, `${path}.httpGet`, errors));
  if (tcpSocket) one("tcpSocket", () => validatePortOrName(`${path}.tcpSocket.port`, tcpSocket.port, errors));
  if (sleep) one("sleep", () => errors.nonNegative(`${path}.sleep.seconds`, sleep.seconds));
  if (count === 0) errors.required(path, "must specify a handler type");
}

function validateHttpGet(action: HTTPGetAction, path: string, errors: FieldErrors): void {
  if (!action.path) errors.required(`${path}.path`);
  validatePortOrName(`${path}.port`, action.port, errors);
  errors.supported(`${path}.scheme`, action.scheme, ["HTTP", "HTTPS"]);
  for (const header of action.httpHeaders ?? [])
    errors.invalid(`${path}.httpHeaders`, header.name, ...formatErrors("headerName", header.name));
}

/** A number of a port or the name of one. */
export function validatePortOrName(field: string, port: number | string | undefined, errors: FieldErrors): void {
  if (typeof port === "string") errors.invalid(field, port, ...portNameErrors(port));
  else errors.port(field, port);
}
