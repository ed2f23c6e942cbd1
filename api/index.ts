// The Kubernetes HTTP API: its public face.
export { type Api, type ApiOptions, createApi } from "./server.ts";
export { apiAdmission } from "./admission.ts";
export type { User } from "./authentication.ts";
export { ageOf, humanDuration } from "./human-duration.ts";
export { parseDestination } from "./destination.ts";
export { parsePeer } from "./peers.ts";
