// bind: the addresses of the pod that a server block listens on. Two blocks may serve one zone at different addresses.
// Upstream: CoreDNS plugin/bind. A pod has its own addresses and 127.0.0.1; what is bound to the latter alone nobody reaches.
import { canonicalIp } from "../../model/ip.ts";
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import type { PluginType } from "../plugin.ts";

const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "::1"]);
const ANY: ReadonlySet<string> = new Set(["", "0.0.0.0", "::", "eth0"]);
const INTERFACES: ReadonlySet<string> = new Set(["lo", "eth0"]);

export const bindPlugin: PluginType = {
  name: "bind",
  stanzas: "together",
  setup(_first, env, all) {
    for (const stanza of all) readStanza(stanza);
    return {
      name: "bind",
      check() {
        for (const token of all.flatMap((stanza) => stanza.args)) {
          const host = canonicalIp(token.text) ?? token.text;
          if (INTERFACES.has(host) || LOOPBACK.has(host) || isReached(host, env.serverIPs)) continue;
          const address = host.includes(":") ? `[${host}]:${env.port}` : `${host}:${env.port}`;
          throw new CorefileError(`listen tcp ${address}: bind: cannot assign requested address`, token);
        }
      },
    };
  },
};

function readStanza(stanza: Directive): void {
  if (stanza.args.length === 0) throw new CorefileError("at least one address or interface name is expected", stanza.name);
  for (const line of stanza.body) {
    if (line.name.text !== "except") throw new CorefileError(`invalid option "${line.name.text}"`, line.name);
    if (line.args.length === 0)
      throw new CorefileError("at least one address or interface must be given to except subdirective", line.name);
  }
  for (const token of [...stanza.args, ...stanza.body.flatMap((line) => line.args)]) {
    if (!INTERFACES.has(token.text) && canonicalIp(token.text) === undefined)
      throw new CorefileError(`not a valid IP address or interface name: "${token.text}"`, token);
  }
}

/** True when what comes to the pod comes to this address of a server block; who has no addresses is only told what would be answered. */
export function isReached(host: string, serverIPs: readonly string[]): boolean {
  return ANY.has(host) || serverIPs.includes(canonicalIp(host) ?? host) || (serverIPs.length === 0 && !LOOPBACK.has(host));
}
