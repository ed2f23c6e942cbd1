// loopkube as a library: `import { startCluster } from "loopkube"`.
export { type ApiClient, createApiClient } from "./api-client.ts";
export { type Applied, applyManifests, ManifestError, type Manifests } from "./apply.ts";
export { startCluster } from "./cluster.ts";
export type { ClusterFault, FaultOptions } from "./faults.ts";
export type { ClusterFetchInit } from "./fetch.ts";
export { type Kubeconfig, kubeconfigText } from "./kubeconfig.ts";
export { type ClusterOptions, FREE_PORTS, type HostPorts, PROXY_MODES, type ProxyMode, WELL_KNOWN_PORTS } from "./options.ts";
export type { Cluster } from "./running-cluster.ts";
export { type Clock, realClock, VirtualClock } from "../model/clock.ts";
export { StatusError } from "../model/errors.ts";
export type { ContainerContext, DnsRecord, Image } from "../model/ports.ts";
/** Handles of the kinds, for `cluster.store`: `cluster.store.list(resources.Pods)`. */
export * as resources from "../model/resources.ts";
export { probeTcp } from "../netsim/index.ts";
/** The HTTP server of the built-in images, for programs of inline pods; a node:http server does as well, more slowly. */
export { createHttpServer, type Handler, type HttpRequest, type HttpResponse, type HttpServerOptions } from "../workloads/index.ts";
export { checkCorefile, CorefileError, type CorefileFiles } from "../dns/index.ts";
