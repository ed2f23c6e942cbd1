// A store with the admission steps of Services, and what a write is refused with.
import { VirtualClock } from "../../model/clock.ts";
import { StatusError } from "../../model/errors.ts";
import { createIds } from "../../model/ids.ts";
import type { Service, ServiceSpec } from "../../model/kinds/core-v1.ts";
import { seededRandom } from "../../model/random.ts";
import { serviceAdmission } from "../../services/index.ts";
import { createStore, type Store } from "../../store/index.ts";

export const dual = ["127.96.0.0/16", "fd00:10:96::/112"];

export async function open(serviceCIDRs: readonly string[] = ["127.96.0.0/16"]): Promise<Store> {
  const random = seededRandom("services");
  const store = await createStore({ clock: new VirtualClock(), ids: createIds(random) });
  store.admit(...serviceAdmission({ serviceCIDRs, random, clusterBlocks: ["127.244.0.0/16", "127.18.0.0/16"] }));
  return store;
}
export const service = (name: string, spec: ServiceSpec): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "default" },
  spec,
});
export const web = (extra: ServiceSpec = {}): ServiceSpec => ({ selector: { app: "web" }, ports: [{ port: 80 }], ...extra });
export const refusal = async (write: Promise<unknown>): Promise<string> => {
  try {
    await write;
    return "accepted";
  } catch (error) {
    if (error instanceof StatusError) return error.message;
    throw error;
  }
};
