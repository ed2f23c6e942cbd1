// A store for tests: virtual clock, seeded ids, and small object makers.
import { VirtualClock } from "../../model/clock.ts";
import { createIds } from "../../model/ids.ts";
import type { ConfigMap, Pod } from "../../model/kinds/core-v1.ts";
import { seededRandom } from "../../model/random.ts";
import { createStore, type Store } from "../../store/index.ts";

export async function testStore(options: { logLimit?: number } = {}): Promise<{ store: Store; clock: VirtualClock }> {
  const clock = new VirtualClock();
  return { store: await createStore({ clock, ids: createIds(seededRandom(1)), ...options }), clock };
}

export function configMap(name: string, data: Record<string, string> = {}, labels: Record<string, string> = {}): ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default", labels }, data };
}

export function pod(name: string, spec: Partial<Pod["spec"]> = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    spec: { containers: [{ name: "main", image: "nginx" }], ...spec },
  };
}
