// The objects that every cluster has from the start: system namespaces, DNS, the ingress controller, the API's own Service.
// Upstream: kubeadm's addons and the deploy manifest of ingress-nginx. They are ordinary: scale coredns to 0 and nslookup fails.
import type { Deployment } from "../model/kinds/apps-v1.ts";
import type { ConfigMap, Namespace, Endpoints, Service } from "../model/kinds/core-v1.ts";
import type { EndpointSlice } from "../model/kinds/discovery-v1.ts";
import type { IngressClass } from "../model/kinds/networking-v1.ts";
import { ConfigMaps, Deployments, EndpointSlices, EndpointsResource, IngressClasses, Namespaces, Services } from "../model/resources.ts";
import type { Store } from "../store/index.ts";

export const COREDNS_IMAGE = "registry.k8s.io/coredns/coredns:v1.14.7";
export const INGRESS_IMAGE = "registry.k8s.io/ingress-nginx/controller:v1.15.1";
export const INGRESS_NAMESPACE = "ingress-nginx";
export const INGRESS_NAME = "ingress-nginx-controller";

export interface SystemAddresses {
  readonly apiServiceIp: string;
  readonly dnsServiceIp: string;
  /** The node at which the API listens, port 6443. */
  readonly apiNodeIp: string;
}

export interface SystemOptions extends SystemAddresses {
  readonly corefile: string;
  readonly corefileImports: Readonly<Record<string, string>>;
  readonly dnsReplicas: number;
}

/** Creates them, in the order in which they depend on each other. */
export async function createSystemObjects(store: Store, options: SystemOptions): Promise<void> {
  for (const name of ["default", "kube-system", "kube-public", "kube-node-lease", INGRESS_NAMESPACE]) {
    await store.create(Namespaces, namespace(name));
  }
  await store.create(Services, kubernetesService(options.apiServiceIp));
  await store.create(EndpointsResource, kubernetesEndpoints(options.apiNodeIp));
  await store.create(EndpointSlices, kubernetesSlice(options.apiNodeIp));
  await store.create(ConfigMaps, corefileMap({ ...options.corefileImports, Corefile: options.corefile }));
  await store.create(Services, dnsService(options.dnsServiceIp));
  await store.create(Deployments, dnsDeployment(options.dnsReplicas));
  await store.create(IngressClasses, nginxClass());
  await store.create(Services, ingressService());
  await store.create(Deployments, ingressDeployment());
}

function namespace(name: string): Namespace {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name }, spec: {} };
}

function kubernetesService(clusterIP: string): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "kubernetes", namespace: "default", labels: { component: "apiserver", provider: "kubernetes" } },
    spec: {
      clusterIP,
      clusterIPs: [clusterIP],
      type: "ClusterIP",
      ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: 6443 }],
    },
  };
}

/** The API server writes its slice itself, so its Endpoints are not mirrored. */
function kubernetesEndpoints(nodeIp: string): Endpoints {
  return {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: { name: "kubernetes", namespace: "default", labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
    subsets: [{ addresses: [{ ip: nodeIp }], ports: [{ name: "https", port: 6443, protocol: "TCP" }] }],
  };
}

function kubernetesSlice(nodeIp: string): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "kubernetes", namespace: "default", labels: { "kubernetes.io/service-name": "kubernetes" } },
    addressType: "IPv4",
    endpoints: [{ addresses: [nodeIp], conditions: { ready: true } }],
    ports: [{ name: "https", port: 6443, protocol: "TCP" }],
  };
}

function corefileMap(data: Readonly<Record<string, string>>): ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "coredns", namespace: "kube-system" }, data };
}

const DNS_LABELS = { "k8s-app": "kube-dns" };

function dnsService(clusterIP: string): Service {
  const labels = { ...DNS_LABELS, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS" };
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "kube-dns", namespace: "kube-system", labels },
    spec: {
      clusterIP,
      clusterIPs: [clusterIP],
      selector: DNS_LABELS,
      ports: [
        { name: "dns", port: 53, protocol: "UDP", targetPort: 53 },
        { name: "dns-tcp", port: 53, protocol: "TCP", targetPort: 53 },
        { name: "metrics", port: 9153, protocol: "TCP", targetPort: 9153 },
      ],
    },
  };
}

function dnsDeployment(replicas: number): Deployment {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "coredns", namespace: "kube-system", labels: DNS_LABELS },
    spec: {
      replicas,
      selector: { matchLabels: DNS_LABELS },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: { labels: DNS_LABELS },
        spec: {
          dnsPolicy: "Default",
          priorityClassName: "system-cluster-critical",
          tolerations: [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }],
          containers: [
            {
              name: "coredns",
              image: COREDNS_IMAGE,
              args: ["-conf", "/etc/coredns/Corefile"],
              ports: [
                { name: "dns", containerPort: 53, protocol: "UDP" },
                { name: "dns-tcp", containerPort: 53, protocol: "TCP" },
                { name: "metrics", containerPort: 9153, protocol: "TCP" },
              ],
              livenessProbe: { httpGet: { path: "/health", port: 8080, scheme: "HTTP" }, initialDelaySeconds: 60, failureThreshold: 5 },
              readinessProbe: { httpGet: { path: "/ready", port: 8181, scheme: "HTTP" } },
              volumeMounts: [{ name: "config-volume", mountPath: "/etc/coredns", readOnly: true }],
            },
          ],
          volumes: [{ name: "config-volume", configMap: { name: "coredns", items: [{ key: "Corefile", path: "Corefile" }] } }],
        },
      },
    },
  };
}

function nginxClass(): IngressClass {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "IngressClass",
    metadata: { name: "nginx", labels: INGRESS_LABELS },
    spec: { controller: "k8s.io/ingress-nginx" },
  };
}

export const INGRESS_LABELS = { "app.kubernetes.io/component": "controller", "app.kubernetes.io/name": "ingress-nginx" };

function ingressService(): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: INGRESS_NAME, namespace: INGRESS_NAMESPACE, labels: INGRESS_LABELS },
    spec: {
      type: "LoadBalancer",
      selector: INGRESS_LABELS,
      ports: [
        { name: "http", port: 80, protocol: "TCP", targetPort: "http", appProtocol: "http" },
        { name: "https", port: 443, protocol: "TCP", targetPort: "https", appProtocol: "https" },
      ],
    },
  };
}

function ingressDeployment(): Deployment {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: INGRESS_NAME, namespace: INGRESS_NAMESPACE, labels: INGRESS_LABELS },
    spec: {
      replicas: 1,
      selector: { matchLabels: INGRESS_LABELS },
      template: {
        metadata: { labels: INGRESS_LABELS },
        spec: {
          containers: [
            {
              name: "controller",
              image: INGRESS_IMAGE,
              args: ["/nginx-ingress-controller", "--ingress-class=nginx", "--controller-class=k8s.io/ingress-nginx"],
              ports: [
                { name: "http", containerPort: 80, protocol: "TCP" },
                { name: "https", containerPort: 443, protocol: "TCP" },
              ],
              readinessProbe: { httpGet: { path: "/healthz", port: 10254, scheme: "HTTP" } },
            },
          ],
        },
      },
    },
  };
}
