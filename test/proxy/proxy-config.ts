// How the nodes of the proxy's tests are set up where nothing else is said.
import type { ProxyConfig } from "../../proxy/index.ts";

export const proxyConfig: ProxyConfig = {
  mode: "iptables",
  serviceCIDRs: [],
  clusterCIDRs: [],
  nodePortAddresses: undefined,
  masqueradeAll: false,
  localDetector: true,
  localhostNodePorts: true,
};
