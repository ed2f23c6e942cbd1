// ping, traceroute and their like: refused, because the network here carries TCP and UDP and no ICMP.
import { fail, isLookupError, type NamedTool } from "./tool.ts";

function refused(name: string): NamedTool {
  return {
    name,
    async run(argv, io) {
      const host = argv.slice(1).findLast((word) => !word.startsWith("-"));
      if (host === undefined) return fail(io, `Usage: ${name} HOST`);
      try {
        const [ip] = await io.context.lookup(host);
        return fail(io, `${name}: ${host} is ${ip ?? ""}, but this network carries no ICMP; try: nc -zv ${host} PORT`, 2);
      } catch (error) {
        if (!isLookupError(error)) throw error;
        return fail(io, `${name}: bad address '${host}'`);
      }
    },
  };
}

export const icmpTools: readonly NamedTool[] = ["ping", "ping6", "traceroute", "tracepath"].map(refused);
