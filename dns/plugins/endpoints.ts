// health, ready and prometheus: pages over HTTP on the pod's address; reload, bufsize and metadata: settings of the server.
// Upstream: CoreDNS plugin/{health,ready,metrics,reload,bufsize,metadata}.
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import { argumentError, durationArgument, portArgument, unknownProperty, zonesFrom } from "../plugin.ts";
import { VERSION } from "../version.ts";
import type { DnsPlugin, PluginType } from "../plugin.ts";

/** Stands in the chain and lets everything through. */
const passOn: NonNullable<DnsPlugin["serve"]> = (query, next) => next(query);

export const healthPlugin: PluginType = {
  name: "health",
  setup(stanza, env): DnsPlugin & { readonly lameduckMs: number } {
    let lameduckMs = 0;
    if (stanza.args.length > 1) argumentError(stanza);
    for (const line of stanza.body) {
      if (line.name.text !== "lameduck") unknownProperty(line);
      if (line.args.length !== 1) argumentError(line);
      lameduckMs = readLameduck(line);
    }
    const duration = env.metrics.histogram("coredns_health_request_duration_seconds", {});
    env.metrics.counter("coredns_health_request_failures_total", {});
    const respond = (): { status: number; type: string; body: string } => {
      duration.observe(0);
      return { status: 200, type: "text/plain; charset=utf-8", body: "OK" };
    };
    return { name: "health", lameduckMs, page: { port: portArgument(stanza.args[0], 8080), path: "/health", respond } };
  },
};

function readLameduck(line: Directive): number {
  try {
    return durationArgument(line.args[0], line);
  } catch {
    const text = line.args[0]?.text ?? "";
    const message = `unable to parse lameduck duration value: '${text}' : time: invalid duration "${text}"`;
    throw new CorefileError(message, line.args[0] ?? line.name);
  }
}

/** How long a stopping server goes on answering. */
export function lameduckOf(plugins: readonly DnsPlugin[]): number {
  const health = plugins.find((plugin) => plugin.name === "health");
  return health && "lameduckMs" in health && typeof health.lameduckMs === "number" ? health.lameduckMs : 0;
}

export const readyPlugin: PluginType = {
  name: "ready",
  setup(stanza, env) {
    if (stanza.args.length > 1) argumentError(stanza);
    for (const line of stanza.body) {
      if (line.name.text !== "monitor") unknownProperty(line);
      const [type] = line.args;
      if (!type || line.args.length > 1) argumentError(line);
      if (type.text !== "until-ready" && type.text !== "continuously")
        throw new CorefileError(`monitor type '${type.text}' not supported`, type);
    }
    const respond = (): { status: number; type: string; body: string } => {
      const waiting = env
        .plugins()
        .filter((plugin) => plugin.ready?.() === false)
        .map((plugin) => plugin.name);
      if (waiting.length > 0) env.log(`[INFO] plugin/ready: Plugins not ready: "${waiting.join(",")}"`);
      return {
        status: waiting.length === 0 ? 200 : 503,
        type: "text/plain; charset=utf-8",
        body: waiting.length === 0 ? "OK" : waiting.join(","),
      };
    };
    return { name: "ready", page: { port: portArgument(stanza.args[0], 8181), path: "/ready", respond } };
  },
};

export const prometheusPlugin: PluginType = {
  name: "prometheus",
  setup(stanza, env) {
    if (stanza.args.length > 1) argumentError(stanza);
    for (const line of stanza.body) {
      // Metrics of a runtime that is not here.
      if (line.name.text !== "runtime_metrics") throw new CorefileError(`unknown option: ${line.name.text}`, line.name);
      if (line.args.length > 0) argumentError(line);
    }
    env.metrics.counter("coredns_build_info", { goversion: "", revision: "", version: VERSION }).value = 1;
    env.metrics.counter("coredns_panics_total", {});
    const labels = { server: env.server, zone: env.blockZones[0] ?? ".", view: "" };
    const started = (): void => {
      for (const { name, serve } of env.plugins()) if (serve) env.metrics.counter("coredns_plugin_enabled", { ...labels, name }).value = 1;
    };
    const respond = (): { status: number; type: string; body: string } => ({
      status: 200,
      type: "text/plain; version=0.0.4; charset=utf-8",
      body: env.metrics.text(),
    });
    return { name: "prometheus", serve: passOn, started, page: { port: portArgument(stanza.args[0], 9153), path: "/metrics", respond } };
  },
};

/** The ConfigMap is watched, so a change is live at once: the interval is read and has no effect. */
export const reloadPlugin: PluginType = {
  name: "reload",
  setup(stanza) {
    if (stanza.args.length > 2) argumentError(stanza);
    const [interval, jitter] = stanza.args.map((token) => durationArgument(token, stanza));
    if (interval !== undefined && interval < 2000)
      throw new CorefileError("interval value must be greater or equal to 2s", stanza.args[0] ?? stanza.name);
    if (jitter !== undefined && jitter !== 0 && jitter < 1000)
      throw new CorefileError("jitter value must be 0 or greater or equal to 1s", stanza.args[1] ?? stanza.name);
    for (const line of stanza.body) unknownProperty(line);
    return { name: "reload" };
  },
};

/** Lets `log` print what metadata.ts knows of a query. */
export const metadataPlugin: PluginType = {
  name: "metadata",
  setup(stanza, env) {
    const [line] = stanza.body;
    if (line) argumentError({ ...line, args: [] });
    return { name: "metadata", metadataZones: zonesFrom(stanza.args, env), serve: passOn };
  },
};

/** The server itself lowers what clients advertise: see `bufsizeOf`. */
export const bufsizePlugin: PluginType = {
  name: "bufsize",
  setup(stanza) {
    if (stanza.args.length > 1) argumentError(stanza);
    for (const line of stanza.body) unknownProperty(line);
    const [size] = stanza.args;
    const bytes = size ? (/^[+-]?\d+$/.test(size.text) ? Number(size.text) : 0) : 1232;
    if (bytes < 512 || bytes > 4096) argumentError(stanza);
    return { name: "bufsize", bytes, serve: passOn } satisfies DnsPlugin & { bytes: number };
  },
};

/** The largest UDP answer that the bufsize plugin of these allows. */
export function bufsizeOf(plugins: readonly DnsPlugin[]): number {
  const bufsize = plugins.find((plugin) => plugin.name === "bufsize");
  return bufsize && "bytes" in bufsize && typeof bufsize.bytes === "number" ? bufsize.bytes : 65_535;
}
