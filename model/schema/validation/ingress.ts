// Ingresses and IngressClasses.
// Upstream: pkg/apis/networking/validation/validation.go.
import type { HTTPIngressPath, Ingress, IngressBackend, IngressClass, IngressClassParametersReference } from "../../kinds/networking-v1.ts";
import { ipFamily } from "../../ip.ts";
import type { Subresource } from "../../resources.ts";
import type { FieldErrors } from "./field-errors.ts";
import { formatErrors, ipErrors, portNameErrors } from "./names.ts";

const PATH_TYPES = ["Exact", "ImplementationSpecific", "Prefix"];
const FORBIDDEN_SEQUENCES = ["//", "/./", "/../", "%2f", "%2F"];
const FORBIDDEN_SUFFIXES = ["/..", "/."];

export function validateIngress(ingress: Ingress, errors: FieldErrors): void {
  const { spec = {} } = ingress;
  const rules = spec.rules ?? [];
  if (rules.length === 0 && !spec.defaultBackend) {
    errors.invalidGo("spec", "[]networking.IngressRule(nil)", "either `defaultBackend` or `rules` must be specified");
  }
  if (spec.defaultBackend) validateBackend(spec.defaultBackend, "spec.defaultBackend", errors);
  rules.forEach((rule, i) => {
    const path = `spec.rules[${i}]`;
    if (rule.host) validateHost(rule.host, `${path}.host`, errors);
    if (!rule.http) return;
    if (!rule.http.paths?.length) errors.required(`${path}.http.paths`);
    (rule.http.paths ?? []).forEach((item, j) => validatePath(item, `${path}.http.paths[${j}]`, errors));
  });
  (spec.tls ?? []).forEach(({ hosts, secretName }, i) => {
    (hosts ?? []).forEach((host, j) => errors.invalid(`spec.tls[${i}].hosts[${j}]`, host, ...hostErrors(host)));
    if (secretName) errors.invalid(`spec.tls[${i}].secretName`, secretName, ...formatErrors("subdomain", secretName));
  });
  if (spec.ingressClassName !== undefined) {
    errors.invalid("spec.ingressClassName", spec.ingressClassName, ...formatErrors("subdomain", spec.ingressClassName));
  }
}

const CLASS_ANNOTATION = "kubernetes.io/ingress.class";

export function validateIngressCreate({ metadata, spec }: Ingress, errors: FieldErrors): void {
  const annotated = metadata.annotations?.[CLASS_ANNOTATION];
  if (annotated === undefined || spec?.ingressClassName === undefined || annotated === spec.ingressClassName) return;
  errors.invalid(`annotations.${CLASS_ANNOTATION}`, annotated, "must match `ingressClassName` when both are specified");
}

/** By way of its status: the addresses that a controller announces. */
export function validateIngressUpdate({ status }: Ingress, _old: Ingress, errors: FieldErrors, subresource: Subresource | undefined): void {
  if (subresource !== "status") return;
  (status?.loadBalancer?.ingress ?? []).forEach(({ ip, hostname }, i) => {
    const field = `status.loadBalancer.ingress[${i}]`;
    if (ip) errors.invalid(`${field}.ip`, ip, ...ipErrors(ip));
    if (!hostname) return;
    errors.invalid(`${field}.hostname`, hostname, ...formatErrors("subdomain", hostname));
    if (ipFamily(hostname)) errors.invalid(`${field}.hostname`, hostname, "must be a DNS name, not an IP address");
  });
}

const hostErrors = (host: string): string[] => formatErrors(host.includes("*") ? "wildcard" : "subdomain", host);

function validateHost(host: string, field: string, errors: FieldErrors): void {
  if (ipFamily(host)) errors.invalid(field, host, "must be a DNS name, not an IP address");
  errors.invalid(field, host, ...hostErrors(host));
}

function validatePath(item: HTTPIngressPath, field: string, errors: FieldErrors): void {
  const { path = "", pathType } = item;
  if (!pathType) return errors.required(`${field}.pathType`, "pathType must be specified");
  if (pathType === "Exact" || pathType === "Prefix") {
    if (!path.startsWith("/")) errors.invalid(`${field}.path`, path, "must be an absolute path");
    for (const part of FORBIDDEN_SEQUENCES) if (path.includes(part)) errors.invalid(`${field}.path`, path, `must not contain '${part}'`);
    for (const end of FORBIDDEN_SUFFIXES) if (path.endsWith(end)) errors.invalid(`${field}.path`, path, `cannot end with '${end}'`);
  } else if (pathType === "ImplementationSpecific") {
    if (path !== "" && !path.startsWith("/")) errors.invalid(`${field}.path`, path, "must be an absolute path");
  } else errors.supported(`${field}.pathType`, pathType, PATH_TYPES);
  validateBackend(item.backend, `${field}.backend`, errors);
}

function validateBackend(backend: IngressBackend | undefined, field: string, errors: FieldErrors): void {
  const { service, resource } = backend ?? {};
  if (service && resource) return errors.invalid(field, "", "cannot set both resource and service backends");
  if (resource) {
    if (!resource.kind) errors.required(`${field}.resource.kind`);
    if (!resource.name) errors.required(`${field}.resource.name`);
    return;
  }
  if (!service) return errors.invalid(field, "", "resource or service backend is required");
  if (!service.name) errors.required(`${field}.service.name`);
  else errors.invalid(`${field}.service.name`, service.name, ...formatErrors("dns1035", service.name));
  const { name, number } = service.port ?? {};
  if (name && number) errors.invalid(field, "", "cannot set both port name & port number");
  else if (name) errors.invalid(`${field}.service.port.name`, name, ...portNameErrors(name));
  else if (number) errors.port(`${field}.service.port.number`, number);
  else errors.required(field, "port name or number is required");
}

export function validateIngressClass({ spec }: IngressClass, errors: FieldErrors): void {
  const { controller, parameters } = spec ?? {};
  if (!controller) errors.required("spec.controller");
  else {
    if (controller.length > 250) errors.tooLong("spec.controller", 250);
    const [domain = "", path] = controller.split(/\/(.*)/s);
    if (!domain || !path) errors.invalid("spec.controller", controller, 'must be a domain-prefixed path (such as "acme.io/foo")');
    else errors.invalid("spec.controller", domain, ...formatErrors("subdomain", domain));
  }
  if (parameters) validateParameters(parameters, errors);
}

function validateParameters({ apiGroup, kind, name, scope, namespace }: IngressClassParametersReference, errors: FieldErrors): void {
  const field = "spec.parameters";
  if (apiGroup) errors.invalid(`${field}.apiGroup`, apiGroup, ...formatErrors("subdomain", apiGroup));
  if (!kind) errors.required(`${field}.kind`);
  if (!name) errors.required(`${field}.name`);
  errors.oneOf(`${field}.scope`, scope, ["Cluster", "Namespace"]);
  if (scope === "Namespace") {
    if (namespace === undefined) errors.required(`${field}.namespace`, "`parameters.scope` is set to 'Namespace'");
    else errors.invalid(`${field}.namespace`, namespace, ...formatErrors("label", namespace));
  } else if (scope === "Cluster" && namespace !== undefined)
    errors.forbidden(`${field}.namespace`, "`parameters.scope` is set to 'Cluster'");
}

export function validateIngressClassUpdate({ spec }: IngressClass, old: IngressClass, errors: FieldErrors): void {
  if (spec?.controller !== old.spec?.controller) errors.invalid("spec.controller", spec?.controller ?? "", "field is immutable");
}
