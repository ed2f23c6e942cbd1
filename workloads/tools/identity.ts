// Who and where: hostname, whoami, id, uname, pwd, tty, nproc, arch.
import { ipsOf } from "../kubelet/downward-api.ts";
import { parseGetopt } from "./flags.ts";
import { write } from "./streams.ts";
import { toolWithUsage } from "./usage.ts";
import type { NamedTool, ToolIo } from "./tool.ts";

/** The user id the container runs as: securityContext.runAsUser, else root. */
function userId(io: ToolIo): number {
  const spec = io.context.pod.spec;
  const container = spec?.containers.find(({ name }) => name === io.context.container);
  return container?.securityContext?.runAsUser ?? spec?.securityContext?.runAsUser ?? 0;
}

/** The pod's full name: the /etc/hosts entry of its own address, else the hostname. */
function fullName(io: ToolIo): string {
  const line = io.files
    .read("/etc/hosts")
    ?.split("\n")
    .find((entry) => entry.split(/\s+/)[0] === io.context.peer.ip);
  return line?.split(/\s+/)[1] ?? io.context.hostname;
}

const hostname = toolWithUsage("hostname", "[-sidfI]", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "sidfI");
  if (flags.rest.length > 0) {
    io.stderr.write("hostname: sethostname: Operation not permitted\n");
    return 1;
  }
  const ips = ipsOf(io.context.peer);
  if (flags.has("i") || flags.has("I")) await write(io, `${ips.join(" ")}${flags.has("I") ? " " : ""}\n`);
  else if (flags.has("f")) await write(io, `${fullName(io)}\n`);
  else if (flags.has("d")) await write(io, `${fullName(io).split(".").slice(1).join(".")}\n`);
  else await write(io, `${flags.has("s") ? (io.context.hostname.split(".")[0] ?? "") : io.context.hostname}\n`);
  return 0;
});

const uname = toolWithUsage("uname", "[-amnrspvio]", async (argv, io) => {
  const flags = parseGetopt(argv.slice(1), "amnrspvio", { all: "a" });
  const fields: readonly [string, string][] = [
    ["s", "Linux"],
    ["n", io.context.hostname],
    ["r", "0.0.0-loopkube"],
    ["v", "#1 loopkube"],
    ["m", process.arch === "arm64" ? "aarch64" : "x86_64"],
    ["o", "Linux"],
  ];
  const chosen = fields.filter(([letter]) => flags.has("a") || flags.has(letter) || (letter === "s" && flags.values.size === 0));
  await write(io, `${chosen.map(([, text]) => text).join(" ")}\n`);
  return 0;
});

export const identity: readonly NamedTool[] = [
  hostname,
  uname,
  {
    name: "whoami",
    run: async (_argv, io) =>
      userId(io) === 0 ? (await write(io, "root\n"), 0) : (io.stderr.write(`whoami: unknown uid ${userId(io)}\n`), 1),
  },
  {
    name: "id",
    async run(argv, io) {
      const uid = userId(io);
      const name = uid === 0 ? "(root)" : "";
      const short = argv.slice(1).find((word) => /^-[ugG]/.test(word));
      if (short !== undefined) await write(io, `${short.includes("n") && uid === 0 ? "root" : uid}\n`);
      else await write(io, `uid=${uid}${name} gid=${uid}${name} groups=${uid}${name}\n`);
      return 0;
    },
  },
  { name: "pwd", run: async (_argv, io) => (await write(io, `${io.cwd}\n`), 0) },
  { name: "tty", run: async (_argv, io) => (await write(io, io.tty ? "/dev/pts/0\n" : "not a tty\n"), Number(!io.tty)) },
  { name: "nproc", run: async (_argv, io) => (await write(io, "1\n"), 0) },
  { name: "arch", run: async (_argv, io) => (await write(io, `${process.arch === "arm64" ? "aarch64" : "x86_64"}\n`), 0) },
];
