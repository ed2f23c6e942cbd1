// Every plugin, in the order of the chain: the order in a Corefile does not matter.
// Upstream: CoreDNS plugin.cfg.
import type { PluginType } from "../plugin.ts";
import { aclPlugin } from "./acl.ts";
import { anyPlugin } from "./any.ts";
import { autopathPlugin } from "./autopath.ts";
import { bindPlugin } from "./bind.ts";
import { cachePlugin } from "./cache.ts";
import { chaosPlugin } from "./chaos.ts";
import { debugPlugin } from "./debug.ts";
import { bufsizePlugin, healthPlugin, metadataPlugin, prometheusPlugin, readyPlugin, reloadPlugin } from "./endpoints.ts";
import { errorsPlugin } from "./errors.ts";
import { forwardPlugin } from "./forward.ts";
import { headerPlugin } from "./header.ts";
import { hostsPlugin } from "./hosts.ts";
import { k8sExternalPlugin } from "./k8s-external.ts";
import { kubernetesPlugin } from "./kubernetes.ts";
import { loadbalancePlugin } from "./loadbalance.ts";
import { localPlugin } from "./local.ts";
import { logPlugin } from "./log.ts";
import { loopPlugin } from "./loop.ts";
import { minimalPlugin } from "./minimal.ts";
import { nsidPlugin } from "./nsid.ts";
import { rewritePlugin } from "./rewrite.ts";
import { transferPlugin } from "./transfer.ts";
import { whoamiPlugin } from "./whoami.ts";

export const PLUGINS: readonly PluginType[] = [
  metadataPlugin,
  reloadPlugin,
  nsidPlugin,
  bufsizePlugin,
  bindPlugin,
  debugPlugin,
  readyPlugin,
  healthPlugin,
  prometheusPlugin,
  errorsPlugin,
  logPlugin,
  localPlugin,
  anyPlugin,
  chaosPlugin,
  loadbalancePlugin,
  rewritePlugin,
  autopathPlugin,
  aclPlugin,
  cachePlugin,
  headerPlugin,
  minimalPlugin,
  transferPlugin,
  hostsPlugin,
  k8sExternalPlugin,
  kubernetesPlugin,
  loopPlugin,
  forwardPlugin,
  whoamiPlugin,
];
