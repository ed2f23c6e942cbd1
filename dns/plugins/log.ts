// log: writes a line for each query, in the common log format or one given; of several stanzas the first that fits.
// Upstream: CoreDNS plugin/log and plugin/pkg/replacer. Metadata placeholders (`{/kubernetes/service}`) need the metadata plugin, else they print "-".
import { CorefileError, zonesOf } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import { then } from "../message.ts";
import { messageLength } from "../message-length.ts";
import type { Query, Reply } from "../message.ts";
import { collectsMetadata, queryMetadata } from "../metadata.ts";
import { isWithin } from "../name.ts";
import { argumentError, unknownProperty } from "../plugin.ts";
import type { DnsPlugin, PluginEnv, PluginType } from "../plugin.ts";
import { className, typeName } from "../record.ts";
import { replyClass, replyType } from "../reply-type.ts";
import { isKubernetesPlugin } from "./kubernetes.ts";

const COMMON = '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}';
const COMBINED = `${COMMON} "{>opcode}"`;
/** What is not known. */
const EMPTY = "-";
const CLASSES: ReadonlySet<string> = new Set(["all", "denial", "error", "success"]);

interface Rule {
  readonly zones: readonly string[];
  readonly format: string;
  readonly classes: ReadonlySet<string>;
}

export const logPlugin: PluginType = {
  name: "log",
  stanzas: "together",
  setup(_first, env, all) {
    const rules = all.map(readRule);
    return {
      name: "log",
      serve(query, next) {
        const rule = rules.find(({ zones }) => zones.some((zone) => isWithin(query.name, zone)));
        if (!rule) return next(query);
        const start = env.clock.monotonic();
        return then(next(query), (reply) => {
          if (rule.classes.has("all") || rule.classes.has(replyClass(query, reply)))
            env.log(`[INFO] ${render(rule.format, query, reply, (env.clock.monotonic() - start) / 1000, env)}`);
          return { ...reply, volatile: true };
        });
      },
    };
  },
};

/** `log [NAMES…] [FORMAT]`: the last of several words is the format, when it has a brace. */
function readRule({ args, body }: Directive): Rule {
  const last = args.at(-1)?.text ?? "";
  const format = args.length > 1 && last.includes("{") ? last : undefined;
  const names = format === undefined ? args : args.slice(0, -1);
  const classes = new Set<string>();
  for (const line of body) {
    if (line.name.text !== "class") unknownProperty(line);
    if (line.args.length === 0) argumentError(line);
    for (const token of line.args) {
      if (!CLASSES.has(token.text)) throw new CorefileError(`invalid Class: ${token.text}`, token);
      classes.add(token.text);
    }
  }
  return {
    zones: names.length === 0 ? ["."] : names.flatMap((token) => zonesOf(token.text)),
    format: (format ?? COMMON).replaceAll("{common}", COMMON).replaceAll("{combined}", COMBINED),
    classes: classes.size === 0 ? new Set(["all"]) : classes,
  };
}

/** What the reply says of itself is known for all names, once there is a metadata plugin. */
function metadataOf(query: Query, reply: Reply, plugins: readonly DnsPlugin[]): Readonly<Record<string, string>> {
  const view = collectsMetadata(plugins, query.name) ? plugins.find(isKubernetesPlugin)?.view : undefined;
  return {
    ...(view && queryMetadata(view, query)),
    "log/type": replyType(query, reply),
    "log/class": replyClass(query, reply),
    ...(reply.upstream === undefined ? {} : { "forward/upstream": reply.upstream }),
  };
}

function render(template: string, query: Query, reply: Reply, seconds: number, env: PluginEnv): string {
  const { edns } = query;
  const asked = reply.asked ?? query.question;
  const address = (ip: string): string => (ip.includes(":") ? `[${ip}]` : ip);
  const six = query.client.ip.includes(":");
  const flags = [
    ["qr", true],
    ["aa", reply.aa],
    ["tc", reply.tc],
    ["rd", reply.rd ?? query.recursionDesired],
    ["ra", reply.ra],
    ["ad", reply.ad],
    ["cd", query.checkingDisabled],
  ] as const;
  const values: Readonly<Record<string, string>> = {
    remote: address(query.client.ip),
    local: address(env.serverIPs.find((ip) => ip.includes(":") === six) ?? env.serverIPs[0] ?? ""),
    port: String(query.client.port),
    type: typeName(asked.type),
    class: className(asked.class),
    name: query.name,
    proto: query.transport,
    size: String(query.sizeBytes),
    rcode: reply.dropped ? EMPTY : reply.rcode,
    rsize: String(reply.dropped ? 0 : messageLength(query, reply)),
    // As Go prints it: no zeros at the end.
    duration: `${seconds.toFixed(9).replace(/\.?0+$/, "")}s`,
    ">id": String(query.id),
    ">opcode": String(query.opcode),
    ">do": String(edns?.do ?? false),
    ">bufsize": String(query.transport === "tcp" ? 65_535 : Math.max(512, edns?.udpSize ?? 512)),
    ">rflags": reply.dropped
      ? EMPTY
      : flags
          .filter(([, set]) => set)
          .map(([flag]) => flag)
          .join(","),
  };
  const plugins = env.plugins();
  const metadata = plugins.some((plugin) => plugin.metadataZones) ? metadataOf(query, reply, plugins) : {};
  return template.replace(/\{([^{}]+)\}/g, (whole, name: string) => {
    return name.startsWith("/") ? (metadata[name.slice(1)] ?? EMPTY) : (values[name] ?? whole);
  });
}
