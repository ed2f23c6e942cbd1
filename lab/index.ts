// The lab: load on real sockets, what the Service's algorithm should make of it, and the statistics to compare the two.
export { type LoadOptions, type LoadResult, runLoad } from "./load/run.ts";
export { EndpointTally, Tally } from "./load/tally.ts";
export { directTransport, gatewayTransport, type GatewayTransportOptions, type Transport } from "./load/transport.ts";
