// log: writes a line for each query, in the common log format or one given.
// Upstream: CoreDNS plugin/log. Metadata placeholders (`{/kubernetes/service}`) need the metadata plugin, else they print "-".
import { encodeReply } from "../encode.ts";
import { then } from "../message.ts";
import type { Query, Reply } from "../message.ts";
import { queryMetadata } from "../metadata.ts";
import { matchZone } from "../name.ts";
import { unknownProperty, zonesFrom } from "../plugin.ts";
import type { PluginType } from "../plugin.ts";
import { className, typeName } from "../record.ts";
import { isKubernetesPlugin } from "./kubernetes.ts";

const COMMON = '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}';
const COMBINED =
  '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize} {>opcode}" {rcode} {>rflags} {rsize} {duration}';

export const logPlugin: PluginType = {
  name: "log",
  stanzas: "each",
  setup(stanza, env) {
    const format = stanza.args.find((token) => token.text.includes("{"))?.text ?? COMMON;
    const zones = zonesFrom(
      stanza.args.filter((token) => !token.text.includes("{")),
      { ...env, blockZones: ["."] },
    );
    const classes = new Set(
      stanza.body.flatMap((line) => (line.name.text === "class" ? line.args.map((token) => token.text) : unknownProperty(line))),
    );
    const template = format.replaceAll("{common}", COMMON).replaceAll("{combined}", COMBINED);
    return {
      name: "log",
      serve(query, next) {
        if (matchZone(query.name, zones) === undefined) return next(query);
        const start = env.clock.monotonic();
        return then(next(query), (reply) => {
          if (classes.size === 0 || classes.has("all") || classes.has(classOf(reply))) {
            const plugins = env.plugins();
            const view = plugins.some((plugin) => plugin.name === "metadata") ? plugins.find(isKubernetesPlugin)?.view : undefined;
            env.log(
              `[INFO] ${render(template, query, reply, (env.clock.monotonic() - start) / 1000, view ? queryMetadata(view, query) : {})}`,
            );
          }
          return { ...reply, volatile: true };
        });
      },
    };
  },
};

function classOf(reply: Reply): "success" | "denial" | "error" {
  if (reply.rcode === "NXDOMAIN") return "denial";
  if (reply.rcode !== "NOERROR") return "error";
  return reply.answers.length > 0 ? "success" : "denial";
}

function render(template: string, query: Query, reply: Reply, seconds: number, metadata: Readonly<Record<string, string>>): string {
  const { question, edns } = query;
  const flags = [
    ["qr", true],
    ["aa", reply.aa],
    ["tc", reply.tc],
    ["rd", query.recursionDesired],
    ["ra", reply.ra],
    ["cd", query.checkingDisabled],
  ] as const;
  const values: Readonly<Record<string, string>> = {
    remote: query.client.ip.includes(":") ? `[${query.client.ip}]` : query.client.ip,
    port: String(query.client.port),
    type: typeName(question.type),
    class: className(question.class),
    name: question.name,
    proto: query.transport,
    size: String(query.sizeBytes),
    rcode: reply.rcode,
    duration: `${seconds.toFixed(9)}s`,
    ">id": String(query.id),
    ">opcode": String(query.opcode),
    ">do": String(edns?.do ?? false),
    ">bufsize": String(query.transport === "tcp" ? 65_535 : Math.max(512, edns?.udpSize ?? 512)),
    ">rflags": flags
      .filter(([, set]) => set)
      .map(([flag]) => flag)
      .join(","),
  };
  return template.replace(/\{([^{}]+)\}/g, (_, name: string) => {
    if (name === "rsize") return String(encodeReply(query, reply, 65_535).bytes.length);
    return (name.startsWith("/") ? metadata[name.slice(1)] : values[name]) || "-";
  });
}
