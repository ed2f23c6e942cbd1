// agnhost connect: dials HOST:PORT and exits 0, or prints TIMEOUT, REFUSED, DNS or OTHER and exits 1. Upstream: test/images/agnhost/connect.
import { parseGoFlags } from "../../tools/flags.ts";
import { errnoOf, fail, isLookupError, throwIfTerminated, type Tool } from "../../tools/tool.ts";
import { parseGoDuration } from "../go-text.ts";
import { dialUdp } from "./dial.ts";

export const connect: Tool = async (argv, io) => {
  const flags = parseGoFlags(argv.slice(1), ["timeout", "protocol", "udp-data"]);
  const destination = flags.rest[0] ?? "";
  const timeout = flags.get("timeout") ?? "0";
  const timeoutMs = parseGoDuration(timeout);
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(destination);
  if (timeoutMs === undefined)
    return fail(io, `Error: invalid argument "${timeout}" for "--timeout" flag: time: invalid duration "${timeout}"`);
  if (!match) return fail(io, `OTHER: address ${destination}: missing port in address`);
  const host = match[1] ?? match[2] ?? "";
  const port = Number(match[3]);
  const protocol = flags.get("protocol") ?? "tcp";
  if (protocol === "udp") {
    const result = await dialUdp(host, port, flags.get("udp-data") ?? "hostname", io);
    if ("response" in result) return 0;
    return fail(io, /no such host/.test(result.error) ? "DNS: no such host" : /refused/.test(result.error) ? "REFUSED" : "TIMEOUT");
  }
  if (protocol !== "tcp") return fail(io, "OTHER: SCTP is not carried by loopkube's network");
  try {
    const socket = await io.context.dial(host, port, { signal: io.signal, ...(timeoutMs > 0 ? { timeoutMs } : {}) });
    socket.destroy();
    return 0;
  } catch (error) {
    throwIfTerminated(io.signal);
    if (isLookupError(error)) return fail(io, `DNS: lookup ${host}: no such host`);
    const code = errnoOf(error);
    return fail(
      io,
      code === "ETIMEDOUT"
        ? "TIMEOUT"
        : code === "ECONNREFUSED"
          ? "REFUSED"
          : `OTHER: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
};
