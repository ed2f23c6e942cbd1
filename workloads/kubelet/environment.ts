// A container's environment: service variables, envFrom, env with its references, and $(VAR) expansion.
// Upstream: pkg/kubelet/kubelet_pods.go makeEnvironmentVariables, pkg/kubelet/envvars, third_party/forked/golang/expansion.
import type { Container, EnvVar, Pod, Service } from "../../model/kinds/core-v1.ts";
import { ConfigMaps, Secrets, Services } from "../../model/resources.ts";
import type { Reader } from "../../store/contract.ts";
import { containerResource, podField, type PodAddresses } from "./downward-api.ts";

/** Why a container cannot be configured: the waiting reason CreateContainerConfigError, with upstream's message. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export interface EnvironmentSource extends PodAddresses {
  readonly reader: Reader;
  readonly pod: Pod;
  readonly allocatable: Readonly<Record<string, string>>;
}

type Env = Record<string, string>;

/** Replaces `$(NAME)` by its value; `$$` stands for `$`; references to unknown names stay as they are. */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  return text.replace(/\$\$|\$\(([^()]*)\)/g, (whole, name: string | undefined) => (name === undefined ? "$" : (lookup(name) ?? whole)));
}

/** All variables of a container. Throws ConfigError when a required ConfigMap, Secret or key is missing. */
export function containerEnvironment(container: Container, source: EnvironmentSource): Readonly<Env> {
  const services = serviceEnvironment(source.reader, source.pod);
  const env: Env = {};
  for (const from of container.envFrom ?? []) {
    const prefix = from.prefix ?? "";
    const reference = from.configMapRef ?? from.secretRef;
    const data = from.configMapRef ? configMapData(source, from.configMapRef.name) : secretData(source, from.secretRef?.name);
    if (!data && !reference?.optional) throw missingObject(from.configMapRef ? "configmap" : "secret", reference?.name);
    for (const [key, value] of Object.entries(data ?? {})) env[`${prefix}${key}`] = value;
  }
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom
      ? referencedValue(variable, container, source)
      : expand(variable.value ?? "", (name) => env[name] ?? services[name]);
    if (value !== undefined) env[variable.name] = value;
  }
  return Object.keys(env).length === 0 ? services : { ...services, ...env };
}

function missingObject(kind: string, name: string | undefined): ConfigError {
  return new ConfigError(`${kind} "${name ?? ""}" not found`);
}

function referencedValue(variable: EnvVar, container: Container, source: EnvironmentSource): string | undefined {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = variable.valueFrom ?? {};
  if (fieldRef) {
    const value = podField(source.pod, fieldRef, source);
    if (value === undefined) throw new ConfigError(`unsupported fieldPath: ${fieldRef.fieldPath}`);
    return value;
  }
  if (resourceFieldRef) {
    const { containerName } = resourceFieldRef;
    const of = containerName ? (source.pod.spec.containers.find((other) => other.name === containerName) ?? container) : container;
    return containerResource(of, resourceFieldRef, source.allocatable) ?? "";
  }
  const [kind, reference] = configMapKeyRef ? (["configmap", configMapKeyRef] as const) : (["secret", secretKeyRef] as const);
  if (!reference) return "";
  const data = configMapKeyRef ? configMapData(source, reference.name) : secretData(source, reference.name);
  const value = data?.[reference.key];
  if (value !== undefined || reference.optional) return value;
  if (!data) throw missingObject(kind, reference.name);
  const holder = kind === "configmap" ? "ConfigMap" : "Secret";
  throw new ConfigError(`couldn't find key ${reference.key} in ${holder} ${source.pod.metadata.namespace}/${reference.name ?? ""}`);
}

/** A ConfigMap's text entries, or undefined when there is none. */
export function configMapData({ reader, pod }: { reader: Reader; pod: Pod }, name: string | undefined): Readonly<Env> | undefined {
  const map = reader.get(ConfigMaps, pod.metadata.namespace ?? "", name ?? "");
  return map && { ...decoded(map.binaryData), ...map.data };
}

/** A Secret's entries, decoded, or undefined when there is none. */
export function secretData({ reader, pod }: { reader: Reader; pod: Pod }, name: string | undefined): Readonly<Env> | undefined {
  const secret = reader.get(Secrets, pod.metadata.namespace ?? "", name ?? "");
  return secret && { ...decoded(secret.data), ...secret.stringData };
}

function decoded(data: Readonly<Env> = {}): Env {
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString("utf8")]));
}

/** The variables of the namespace's Services (when the pod wants them) and always of default/kubernetes. */
export function serviceEnvironment(reader: Reader, pod: Pod): Readonly<Env> {
  const own = pod.spec.enableServiceLinks === false ? [] : reader.list(Services, { namespace: pod.metadata.namespace ?? "" });
  const api = reader.get(Services, "default", "kubernetes");
  return variablesOf([...own, ...(api && !own.includes(api) ? [api] : [])]);
}

/** The variables made last for a Service, with the Services they were made of: pods that start together share them. */
const made = new WeakMap<Service, { readonly services: readonly Service[]; readonly env: Readonly<Env> }>();

function variablesOf(services: readonly Service[]): Readonly<Env> {
  const [first] = services;
  if (!first) return {};
  const known = made.get(first);
  if (known?.services.length === services.length && known.services.every((service, index) => service === services[index])) return known.env;
  const env: Env = {};
  for (const service of services) addService(env, service);
  made.set(first, { services, env: Object.freeze(env) });
  return env;
}

function addService(env: Env, service: Service): void {
  const { clusterIP: ip, ports = [] } = service.spec;
  const [first] = ports;
  if (!ip || ip === "None" || !first) return;
  const upper = (text: string): string => text.toUpperCase().replaceAll("-", "_");
  const name = upper(service.metadata.name);
  const host = ip.includes(":") ? `[${ip}]` : ip;
  env[`${name}_SERVICE_HOST`] = ip;
  env[`${name}_SERVICE_PORT`] = String(first.port);
  for (const port of ports) if (port.name) env[`${name}_SERVICE_PORT_${upper(port.name)}`] = String(port.port);
  env[`${name}_PORT`] = `${(first.protocol ?? "TCP").toLowerCase()}://${host}:${first.port}`;
  for (const port of ports) {
    const protocol = port.protocol ?? "TCP";
    const link = `${name}_PORT_${port.port}_${protocol}`;
    env[link] = `${protocol.toLowerCase()}://${host}:${port.port}`;
    env[`${link}_PROTO`] = protocol.toLowerCase();
    env[`${link}_PORT`] = String(port.port);
    env[`${link}_ADDR`] = ip;
  }
}
