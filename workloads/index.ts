// The public face of workloads: pods and what makes them.
export { workloadAdmission } from "./admission.ts";
export { type NodeConfig } from "./controllers/node.ts";
export { createHttpServer, type Handler, type HttpRequest, type HttpResponse, type HttpServerOptions } from "./http/index.ts";
export { builtInImages, findImage, withTools } from "./images/index.ts";
export { IMAGES_CONFIG_MAP, IMAGES_NAMESPACE, moduleProgram } from "./kubelet/image-catalog.ts";
export { type ExecTool } from "./kubelet/node-services.ts";
export { type ClusterDns } from "./kubelet/pod-dns.ts";
export { type GatewayAddress } from "./runtimes/proxy-variables.ts";
export { createWorkloads } from "./built-in.ts";
export { assembleWorkloads, type PodAddressPool, type WorkloadFabric, type Workloads, type WorkloadsOptions } from "./workloads.ts";
