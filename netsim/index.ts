// The public face of netsim: addresses, listeners, flows.
export {
  createAddressPlan,
  fallbackPort,
  type AddressBlock,
  type AddressPlan,
  type AddressPlanKind,
  type AddressPlanOptions,
} from "./address-plan.ts";
export { borrowReads, returnReads } from "./accepted-socket.ts";
export { claimClusterIndex, type ClusterIndexClaim } from "./cluster-index.ts";
export { type DescriptorPressure } from "./descriptor-budget.ts";
export { type FabricDialOptions } from "./dial.ts";
export { createDuplexPair, MemorySocket } from "./duplex-pair.ts";
export { addressError, errnoOf, hostPort, streamError, type ErrnoCode } from "./errno.ts";
export { createFabric, type Fabric, type FabricOptions, type FabricStats, type HostPort } from "./fabric.ts";
export { type FabricHooks, type FabricNode, type FlowCounters } from "./fabric-state.ts";
export { FAULT_KINDS } from "./faults/kinds.ts";
export { type Fault, type FaultKind, FaultSetting } from "./faults/fault.ts";
export { FaultRule, type FlowFaults, meetFaults, type Ordinals, type ShapedDirection } from "./faults/fault-rule.ts";
export { FlowFeed } from "./flow-feed.ts";
export { FlowTrace } from "./flow-trace.ts";
export { carrierOf, resetConnection } from "./hand-over.ts";
export { isLoopback } from "./ip-block.ts";
export { type Delivery, type LiveFlow, type LiveFlows } from "./live-flow.ts";
export { pipeBoth } from "./pipe.ts";
export { probeTcp } from "./probe.ts";
export { createPodIpam, type PodIpam } from "./pod-ipam.ts";
export { type FabricDatagramSocket } from "./udp.ts";
export { type UdpFlow, type UdpFlows } from "./udp-flows.ts";
export { createGateway, type Gateway, type GatewayOptions } from "./gateway.ts";
export { createTcpServer, TcpServer } from "./tcp-server.ts";
export { createTlsContext, type SecureContext } from "./tls-context.ts";
