// whoami: tells a client its own address, port and protocol, in the additional section. Upstream: CoreDNS plugin/whoami.
import { canonicalIp } from "../../model/ip.ts";
import { emptyReply } from "../message.ts";
import { takesNothing } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";

export const whoamiPlugin: PluginType = {
  name: "whoami",
  setup(stanza) {
    takesNothing(stanza);
    return {
      name: "whoami",
      serve({ question: { name }, client, transport }) {
        const address = canonicalIp(client.ip) ?? client.ip;
        const owner = name === "." ? `_${transport}.` : `_${transport}.${name}`;
        return {
          ...emptyReply("NOERROR", "whoami", `asked by ${client.ip}:${client.port} over ${transport}`),
          aa: true,
          additionals: [
            { name, type: address.includes(":") ? "AAAA" : "A", ttl: 0, address },
            { name: owner, type: "SRV", ttl: 0, priority: 0, weight: 0, port: client.port, target: "." },
          ],
        };
      },
    };
  },
};
