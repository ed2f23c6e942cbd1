// etcd, as far as a gRPC probe sees it: its health service on the client port. Counterpart: the image of the gRPC liveness
// probe's tutorial. It stores nothing: any other call is answered as an unimplemented method.
import type { NamedTool } from "../tools/tool.ts";
import { serveGrpcHealth } from "./grpc-health.ts";
import type { ImageSpec } from "./image.ts";

const CLIENT_PORT = 2379;

const program: NamedTool = {
  name: "etcd",
  async run(argv, io) {
    const at = argv.findIndex((word) => /^--?listen-client-urls(=|$)/.test(word));
    const urls = at < 0 ? undefined : argv[at]?.includes("=") ? argv[at]?.replace(/^[^=]*=/, "") : argv[at + 1];
    const first = urls?.split(",")[0];
    const port = first === undefined ? CLIENT_PORT : Number(URL.parse(first)?.port || CLIENT_PORT);
    io.stderr.write(
      `{"level":"info","msg":"serving client traffic insecurely; this is loopkube's stand-in, which only tells its health","port":${port}}\n`,
    );
    return serveGrpcHealth(io, port, (service) => (service === "" ? "SERVING" : undefined));
  },
};

export const etcd: ImageSpec = {
  repositories: ["etcd", "google-containers/etcd", "etcd-development/etcd"],
  cmd: ["/usr/local/bin/etcd"],
  ports: [CLIENT_PORT],
  programs: [program],
};
