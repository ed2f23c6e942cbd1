// Streaming subresources of pods: exec, attach, port-forward and log, over SPDY/3.1, WebSocket and plain HTTP.
export { handlePodStream, type PodStreamTarget } from "./pod-stream.ts";
export { logOptions, serveLogs } from "./logs.ts";
export { refuseUpgrade, upgradeRequired } from "./upgrade.ts";
