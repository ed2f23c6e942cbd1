// The public face of ingress: the controller image, its admission, its status controller, and what can be asked about it.
import type { Clock } from "../model/clock.ts";
import type { Pod } from "../model/kinds/core-v1.ts";
import { splitKey } from "../model/object.ts";
import { Pods } from "../model/resources.ts";
import type { Component, Diagnostics, InlineImage } from "../model/ports.ts";
import type { Random } from "../model/random.ts";
import type { Admission, Store } from "../store/index.ts";
import { ingressAdmission } from "./report/admission.ts";
import { routesDiagnostics } from "./explain/diagnostics.ts";
import { ingressProgram, Running } from "./container/program.ts";
import { containerPrograms } from "./container/programs.ts";
import { Feeds } from "./routes/feeds.ts";
import { createStatusController } from "./report/status-controller.ts";

export { compileRoutes } from "./routes/route-compiler.ts";
export { DEFAULT_FLAGS, parseFlags, type ControllerFlags } from "./config.ts";
export { findLocation, findServer } from "./request/match.ts";
export type { RouteTable } from "./routes/route-table.ts";

export interface IngressOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Propagation delay of the store's changes, default 0. */
  readonly delayMs?: number;
}

export interface IngressFeature {
  /** The image `registry.k8s.io/ingress-nginx/controller`. Pods with equal flags share one route table. */
  readonly image: InlineImage;
  readonly diagnostics: Diagnostics;
  /** What upstream's admission webhook checks. */
  readonly admission: readonly Admission[];
  /** Keeps status.loadBalancer of the Ingresses that count, and warns of annotations without effect. */
  readonly component: Component;
}

export function createIngress({ store, clock, random, delayMs = 0 }: IngressOptions): IngressFeature {
  const feeds = new Feeds(store, clock, delayMs);
  const running = new Running();
  const pods = (): readonly Pod[] => {
    const { namespace } = splitKey(feeds.flags.configMap);
    return feeds.live.flatMap((feed) => [...feed.pods].flatMap((name) => store.get(Pods, namespace, name) ?? []));
  };
  return {
    image: {
      runtime: "inline",
      cmd: ["/nginx-ingress-controller"],
      program: ingressProgram({ feeds, running, store, clock, random }),
      programs: containerPrograms(({ context }) => running.of(context)),
    },
    diagnostics: routesDiagnostics({ store, feeds, clock, random }),
    admission: ingressAdmission(() => feeds.flags, feeds.checks, clock),
    component: createStatusController({
      store,
      clock,
      flags: () => feeds.flags,
      running: () => feeds.live.some(({ serving }) => serving),
      pods,
    }),
  };
}
