// kube-proxy: Services and EndpointSlices compiled to rules, flows evaluated against them on each node.
export { compileService, isProxied, serviceOfSlice } from "./compile.ts";
export { Chooser, type ChooserOptions, type Choice } from "./chooser.ts";
export { type Decision, evaluate } from "./evaluate.ts";
export { PROXY_MODES, type ProxyConfig, type ProxyMode } from "./proxy-config.ts";
export { type Rule, Rules, rulesOf } from "./rules.ts";
export { type EndpointSets, hostPort, type ProxyEndpoint, type ServicePort, type ServiceTable } from "./service-port.ts";
export { categorize, type NodeView } from "./topology.ts";
export { createProxy, type Proxy, type ProxyFabric, type ProxyOptions } from "./proxy.ts";
export { isStaleUdp } from "./conntrack.ts";
export { healthAnswer, localReadyEndpoints } from "./health-check.ts";
