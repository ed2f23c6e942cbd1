// The image `registry.k8s.io/ingress-nginx/controller`: reads its flags, follows the store, serves until SIGTERM.
// Upstream: cmd/nginx/main.go.
import { createServer } from "node:http";
import { sleep, type Clock } from "../../model/clock.ts";
import { keyOf } from "../../model/object.ts";
import type { ContainerContext, InlineProgram } from "../../model/ports.ts";
import type { Random } from "../../model/random.ts";
import type { Store } from "../../store/index.ts";
import { readCommandLine } from "../command-line.ts";
import { flagProblem, parseBool, parseFlags } from "../config.ts";
import type { Feeds } from "../routes/feeds.ts";
import { namespaceSelector } from "../routes/ingress-class.ts";
import { dumpNginx } from "../explain/dump-nginx.ts";
import { missingObject } from "../routes/named-objects.ts";
import { tellReloads } from "../report/reload-events.ts";
import { Controller } from "../serve/controller.ts";
import { clearStatus } from "../report/status-controller.ts";
import { CONFIG_FILE } from "./programs.ts";
import { type RunningController, statusPort } from "./status-port.ts";
import { BANNER } from "./version.ts";

/** A pod that cannot read the store serves what it has, after this long. */
const SYNC_LIMIT_MS = 5000;

/** Exit codes of klog.Fatal and of pflag. */
const FATAL = 255;
const USAGE = 2;

/** The controllers that serve, by their pods. */
export class Running {
  readonly #controllers = new Map<string, RunningController>();
  of({ pod }: ContainerContext): RunningController | undefined {
    return this.#controllers.get(keyOf(pod));
  }
  add({ pod }: ContainerContext, controller: RunningController): Disposable {
    this.#controllers.set(keyOf(pod), controller);
    return { [Symbol.dispose]: () => void this.#controllers.delete(keyOf(pod)) };
  }
}

export interface ProgramOptions {
  readonly store: Store;
  readonly feeds: Feeds;
  readonly running: Running;
  readonly clock: Clock;
  readonly random: Random;
}

export function ingressProgram({ feeds, running, store, clock, random }: ProgramOptions): InlineProgram {
  return async (context) => {
    const args = context.argv.slice(1);
    const line = readCommandLine(args);
    context.stdout.write(BANNER);
    if (line.problem === undefined && parseBool(line.values.get("version")) === true) return 0;
    const flags = parseFlags(args);
    const problem = flagProblem(args);
    if (problem !== undefined) {
      context.stderr.write(`${problem}\n`);
      return line.problem === undefined ? FATAL : USAGE;
    }
    try {
      namespaceSelector(flags.watchNamespaceSelector);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      context.stderr.write(`failed to parse --watch-namespace-selector=${flags.watchNamespaceSelector}, error: ${why}\n`);
      return FATAL;
    }
    const missing = missingObject(args, store);
    if (missing !== undefined) {
      context.stderr.write(`${missing}\n`);
      return FATAL;
    }
    const feed = feeds.of(flags);
    await using held = feed.acquire(context.pod.metadata.name);
    void held;
    await Promise.race([feed.synced, sleep(clock, SYNC_LIMIT_MS, context.signal).catch(() => undefined)]);
    const controller = new Controller({ feed, checks: feeds.checks, clock, random: random.fork(context.pod.metadata.name) }, context);
    try {
      await controller.start();
    } catch (error) {
      context.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      await controller.stop();
      return 1;
    }
    const inspected: RunningController = {
      feed,
      fakeCertificate: controller.fakeCertificate,
      connections: () => controller.connections(),
    };
    using found = running.add(context, inspected);
    void found;
    await using status = await context.listen(flags.statusPort, createServer(statusPort(inspected, context.peer.ip)));
    void status;
    context.files.generate(CONFIG_FILE, () => dumpNginx(feed.table, feed.streams));
    using told = tellReloads({ feed, pod: context.pod, store, clock, log: context.stderr });
    void told;
    if (!context.signal.aborted)
      await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve(), { once: true }));
    controller.shutDown();
    if (flags.shutdownGraceMs > 0) {
      // Longer than the pod's own grace period it cannot be: SIGKILL comes then.
      const graceMs = (context.pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
      await sleep(clock, Math.min(flags.shutdownGraceMs, graceMs));
    }
    feed.leave(context.pod.metadata.name);
    await clearStatus(store, flags, context.pod, feed.table.counted);
    await controller.stop();
    return 0;
  };
}
