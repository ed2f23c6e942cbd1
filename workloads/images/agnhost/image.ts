// agnhost, the Kubernetes e2e tests' all-purpose image, as a table of subcommands. Adding a subcommand is adding a line.
// Upstream: kubernetes test/images/agnhost. Subcommands that are not here are refused as unknown commands.
import { FlagError } from "../../tools/flags.ts";
import { fail, type NamedTool, type Tool } from "../../tools/tool.ts";
import type { ImageSpec } from "../image.ts";
import { connect } from "./connect.ts";
import { grpcHealthChecking } from "./grpc-health-checking.ts";
import { guestbook } from "./guestbook.ts";
import { logsGenerator } from "./logs-generator.ts";
import { netexec } from "./netexec.ts";
import { dnsServerList, dnsSuffix, entrypointTester, etcHosts, liveness, pause, tcpReset, testWebserver } from "./plain.ts";
import { porter } from "./porter.ts";
import { serveHostname } from "./serve-hostname.ts";

const subcommands: Readonly<Record<string, Tool>> = {
  connect,
  "dns-server-list": dnsServerList,
  "dns-suffix": dnsSuffix,
  "entrypoint-tester": entrypointTester,
  "etc-hosts": etcHosts,
  "grpc-health-checking": grpcHealthChecking,
  guestbook,
  liveness,
  "logs-generator": logsGenerator,
  netexec,
  pause,
  porter,
  "serve-hostname": serveHostname,
  "tcp-reset": tcpReset,
  "test-webserver": testWebserver,
};

const program: NamedTool = {
  name: "agnhost",
  async run(argv, io) {
    const name = argv[1];
    if (name === undefined || name === "--help" || name === "help")
      return fail(
        io,
        `Usage:\n  app [command]\n\nAvailable Commands:\n${Object.keys(subcommands)
          .map((key) => `  ${key}\n`)
          .join("")}`,
        0,
      );
    if (name === "--version") return fail(io, "agnhost version 2.52", 0);
    const subcommand = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
    if (!subcommand) return fail(io, `Error: unknown command ${JSON.stringify(name)} for "app"\nRun 'app --help' for usage.`);
    try {
      return await subcommand(argv.slice(1), io);
    } catch (error) {
      if (!(error instanceof FlagError)) throw error;
      return fail(io, `Error: ${error.kind === "unknown" ? `unknown flag: --${error.flag}` : `flag needs an argument: --${error.flag}`}`);
    }
  },
};

export const agnhost: ImageSpec = {
  repositories: [
    "e2e-test-images/agnhost",
    "kubernetes-e2e-test-images/agnhost",
    "agnhost",
    "e2e-test-images/agnhost-amd64",
    "e2e-test-images/agnhost-arm64",
  ],
  entrypoint: ["/agnhost"],
  cmd: ["pause"],
  programs: [program],
};

/** The image of its own that `agnhost serve-hostname` once was; the "Debug Services" page still names it. */
export const serveHostnameImage: ImageSpec = {
  repositories: ["serve_hostname", "serve-hostname", "google-containers/serve_hostname", "google_containers/serve_hostname"],
  entrypoint: ["/serve_hostname"],
  ports: [9376],
  programs: [{ name: "serve_hostname", run: serveHostname }],
};
