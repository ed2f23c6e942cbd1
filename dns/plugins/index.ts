// Every plugin, in the order of the chain: the order in a Corefile does not matter.
// Upstream: CoreDNS plugin.cfg.
import type { PluginType } from "../plugin.ts";
import { autopathPlugin } from "./autopath.ts";
import { cachePlugin } from "./cache.ts";
import { bufsizePlugin, healthPlugin, metadataPlugin, prometheusPlugin, readyPlugin, reloadPlugin } from "./endpoints.ts";
import { errorsPlugin } from "./errors.ts";
import { forwardPlugin } from "./forward.ts";
import { hostsPlugin } from "./hosts.ts";
import { k8sExternalPlugin } from "./k8s-external.ts";
import { kubernetesPlugin } from "./kubernetes.ts";
import { loadbalancePlugin } from "./loadbalance.ts";
import { logPlugin } from "./log.ts";
import { loopPlugin } from "./loop.ts";
import { rewritePlugin } from "./rewrite.ts";
import { transferPlugin } from "./transfer.ts";

export const PLUGINS: readonly PluginType[] = [
  metadataPlugin,
  reloadPlugin,
  bufsizePlugin,
  readyPlugin,
  healthPlugin,
  prometheusPlugin,
  errorsPlugin,
  logPlugin,
  loadbalancePlugin,
  rewritePlugin,
  autopathPlugin,
  cachePlugin,
  transferPlugin,
  hostsPlugin,
  k8sExternalPlugin,
  kubernetesPlugin,
  loopPlugin,
  forwardPlugin,
];
