// `/coredns` as people run it in a pod that serves already: its version and its plugins.
// Upstream: coremain/run.go.
import type { PodProgram } from "../model/ports.ts";
import { PLUGINS } from "./plugins/index.ts";
import { VERSION } from "./version.ts";

export const coredns: PodProgram = async (argv, { stdout, stderr }) => {
  const options = new Set(argv.slice(1).map((word) => word.replace(/^--/, "-")));
  if (options.has("-version")) {
    stdout.write(`CoreDNS-${VERSION}\nlinux/amd64, loopkube\n`);
    return 0;
  }
  if (options.has("-plugins")) {
    const names = PLUGINS.map(({ name }) => `  dns.${name}\n`).toSorted();
    stdout.write(`Server types:\n  dns\n\nCaddyfile loaders:\n  flag\n  default\n\nOther plugins:\n${names.join("")}`);
    return 0;
  }
  stderr.write("Listen: listen tcp :53: bind: address already in use\n");
  return 1;
};
