// Objects that the API's tests send or put into the store, and the paths of their namespace.
import type { ConfigMap } from "../../model/kinds/core-v1.ts";

/** Where namespace default has its ConfigMaps, Pods and other objects of the core group. */
export const CORE = "/api/v1/namespaces/default";
/** Where it has its Deployments. */
export const APPS = "/apis/apps/v1/namespaces/default";

export const configMap = (name: string, data: object = {}): object => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data });
export const pod = (name: string): object => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name },
  spec: { containers: [{ name: "c", image: "nginx" }] },
});
export const deployment = (name: string, replicas = 2): object => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image: "nginx" }] } },
  },
});

/** A ConfigMap to put into the store without asking the API. */
export const stored = (name: string, labels: Record<string, string> = {}): ConfigMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default", labels },
});
