// The 10,000 Services that all DNS contestants serve.
import type { Service } from "../model/kinds/core-v1.ts";

export const COUNT = 10_000;
const NAMESPACES = 20;

export const namespaceOf = (index: number): string => `ns-${index % NAMESPACES}`;
export const namespaces = (): readonly string[] => Array.from({ length: NAMESPACES }, (_, index) => namespaceOf(index));
export const hostOf = (index: number): string => `service-${index}.${namespaceOf(index)}.svc.cluster.local`;
export const addressOf = (index: number): string => `127.97.${index >> 8}.${index & 255}`;

export function serviceOf(index: number): Service {
  const clusterIP = addressOf(index);
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: `service-${index}`, namespace: namespaceOf(index) },
    spec: { type: "ClusterIP", clusterIP, clusterIPs: [clusterIP], ports: [{ name: "http", port: 80, protocol: "TCP" }] },
  };
}
