// loop: sends a random HINFO question through the chain; when forwarding brings it back, the server ends, for every query would circle.
// Upstream: CoreDNS plugin/loop. Without forward there can be no loop, and nothing is sent.
import { takesNothing } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";

const HINFO = 13;
const PROBE_DELAY_MS = 2000;
const ALLOWED = 2;

export const loopPlugin: PluginType = {
  name: "loop",
  setup(stanza, env) {
    takesNothing(stanza);
    const [zone = "."] = env.blockZones;
    const probe = `${env.random.int(2 ** 31)}.${env.random.int(2 ** 31)}.${zone === "." ? "" : zone}`;
    let seen = 0;
    const send = (): void => {
      if (!env.plugins().some((plugin) => plugin.name === "forward")) return;
      const question = { name: probe, type: HINFO, class: 1 };
      const origin = {
        transport: "udp",
        client: { ip: env.serverIPs[0] ?? "127.0.0.1", port: 53 },
        sizeBytes: 0,
        edns: undefined,
      } as const;
      void env.ask({
        ...origin,
        id: 0,
        opcode: 0,
        recursionDesired: true,
        checkingDisabled: false,
        authenticData: false,
        question,
        name: probe,
      });
    };
    const timer = env.clock.after(PROBE_DELAY_MS, send, { background: true });
    return {
      name: "loop",
      close: () => timer.cancel(),
      serve(query, next) {
        if (query.name === probe && query.question.type === HINFO && ++seen === ALLOWED + 1) {
          const way = `Loop (${query.client.ip}:${query.client.port} -> ${env.server.slice("dns://".length)}) detected for zone "${zone}"`;
          env.fatal(`plugin/loop: ${way}, see https://coredns.io/plugins/loop#troubleshooting. Query: "HINFO ${probe}"`);
        }
        return next(query);
      },
    };
  },
};
