// What runs for an image that nobody knows: its pod's own command, when that is one of the small tools (`sleep 3600`), else an echo of
// each request on every containerPort, that says it is a stand-in.
import { answerFrom, createHttpServer } from "../http/index.ts";
import type { ContainerContext, Image } from "../../model/ports.ts";

const DEFAULT_PORT = 80;

/** Runs a command with the small tools; rejects with an error named ExecutableNotFound. */
type RunCommand = (command: readonly string[], context: ContainerContext) => Promise<number>;

/** The stand-in for an unknown image; the echo's response header X-Loopkube-Unknown-Image names it. */
export function unknownImage(name: string, runCommand: RunCommand): Extract<Image, { readonly runtime: "inline" }> {
  return {
    runtime: "inline",
    async program(context) {
      if (context.argv.length === 0) return echo(name, context);
      try {
        return await runCommand(context.argv, context);
      } catch (error) {
        if (error instanceof Error && error.name === "ExecutableNotFound") return echo(name, context);
        throw error;
      }
    },
  };
}

async function echo(name: string, context: ContainerContext): Promise<number> {
  const server = createHttpServer(async (request, response) => {
    const lines = [
      `${request.method ?? "GET"} ${request.url ?? "/"} HTTP/${request.httpVersion}`,
      ...request.rawHeaders.flatMap((value, index, all) => (index % 2 === 0 ? [`${value}: ${all[index + 1] ?? ""}`] : [])),
      "",
      "",
    ];
    response.writeHead(200, {
      "Content-Type": "text/plain; charset=utf-8",
      "X-Loopkube-Unknown-Image": name,
      "X-Pod-Name": context.hostname,
    });
    response.write(lines.join("\n"));
    await answerFrom(request, response);
  });
  const declared = context.ports.length > 0 ? context.ports : [{ containerPort: DEFAULT_PORT, protocol: "TCP" as const }];
  for (const { containerPort, protocol } of declared) {
    if (protocol === "TCP") await context.listen(containerPort, server);
    if (protocol === "UDP") await context.listenUdp(containerPort, (message, _source, reply) => reply(message));
  }
  context.stdout.write(`loopkube does not know the image ${name}: this echo server stands in for it\n`);
  if (!context.signal.aborted) await new Promise((resolve) => context.signal.addEventListener("abort", resolve, { once: true }));
  server.closeIdleConnections();
  return 0;
}
