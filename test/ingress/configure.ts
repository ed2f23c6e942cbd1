// The controller's ConfigMap, changed while it runs.
import { ConfigMaps } from "../../model/resources.ts";
import type { World } from "./harness.ts";

export async function configure(to: World, data: Readonly<Record<string, string>>): Promise<void> {
  const metadata = { namespace: "ingress-nginx", name: "ingress-nginx-controller" };
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data } as const;
  if (to.store.get(ConfigMaps, metadata.namespace, metadata.name)) await to.store.update(ConfigMaps, object);
  else await to.create(ConfigMaps, object);
  await to.settle();
}
