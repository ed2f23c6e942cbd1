// The lab: load on real sockets, what the Service's algorithm should make of it, and the statistics to compare the two.
export { CONFIDENCE, judge, type Judgement, type Spread, spreadOf } from "./expectation.ts";
export { followFlows } from "./flow-stream.ts";
export { type LoadOptions, type LoadResult, runLoad } from "./load/run.ts";
export { EndpointTally, Tally } from "./load/tally.ts";
export { directTransport, gatewayTransport, type GatewayTransportOptions, type Transport } from "./load/transport.ts";
export { type EndpointReport, type LoadReport, type PodOf, reportOf, type ReportInput } from "./report.ts";
export { progressText, reportText, type ReportText } from "./report-text.ts";
export { type ClusterFacts, resolveTarget, type Target, TargetError } from "./target.ts";
