// pause: waits for SIGTERM. registry.k8s.io/pause.
import type { NamedTool } from "../tools/tool.ts";
import type { ImageSpec } from "./image.ts";
import { stopped } from "./serve.ts";

const program: NamedTool = {
  name: "pause",
  run: async (_argv, io) => (await stopped(io.signal), io.stderr.write("Shutting down, got signal: Terminated\n"), 0),
};

export const pause: ImageSpec = {
  repositories: ["pause", "google_containers/pause", "e2e-test-images/pause", "rancher/mirrored-pause"],
  entrypoint: ["/pause"],
  programs: [program],
};
