// kubernetes: answers for Services and pods from the compiled zone; chases CNAMEs that leave it through the server's own chain.
// Upstream: CoreDNS plugin/kubernetes. Options that speak of the API connection are read and have no effect: the store is in this process.
import { parseLabelSelector } from "../../model/selectors.ts";
import { answer, soaRecord } from "../answer.ts";
import { CorefileError } from "../corefile.ts";
import type { Directive } from "../corefile.ts";
import { requery, then } from "../message.ts";
import type { Reply } from "../message.ts";
import { isReverse, matchZone } from "../name.ts";
import {
  argumentError,
  durationArgument,
  fallsThrough,
  fallthroughZones,
  integerArgument,
  unknownProperty,
  zonesFrom,
  zonesNamed,
} from "../plugin.ts";
import type { DnsPlugin, PluginEnv, PluginType } from "../plugin.ts";
import { clientSearchPath } from "../search-path.ts";
import { transferRecords } from "../transfer-records.ts";
import { defaultKubernetesOptions, ZoneView } from "../view.ts";
import type { KubernetesOptions } from "../view.ts";

/** What the stanza says. */
interface Stanza extends KubernetesOptions {
  readonly fallthrough: readonly string[] | undefined;
}

/** The plugin with its view, for k8s_external. */
export interface KubernetesPlugin extends DnsPlugin {
  readonly view: ZoneView;
}

export const kubernetesPlugin: PluginType = {
  name: "kubernetes",
  setup: (stanza, env) => createKubernetesPlugin(readStanza(stanza, env), env),
};

/** True for the plugin made here. */
export function isKubernetesPlugin(plugin: DnsPlugin): plugin is KubernetesPlugin {
  return "view" in plugin && plugin.view instanceof ZoneView;
}

function createKubernetesPlugin(options: Stanza, env: PluginEnv): KubernetesPlugin {
  const view = new ZoneView(env.zone, options, env.serverIPs);
  return {
    name: "kubernetes",
    view,
    ready: () => env.zone.synced,
    serve(query, next) {
      const answered = answer(view, query.question.name, query.question.type, query.name);
      if (!answered) return next(query);
      const { reply, external } = answered;
      if (answered.missing && fallsThrough(options.fallthrough, query.name)) {
        return then(next(query), (other) => ({
          ...other,
          why: [...reply.why, { plugin: "kubernetes", text: "fell through to the next plugin" }, ...other.why],
        }));
      }
      if (!external) return reply;
      return then(env.ask(requery(query, external.target, external.type)), (chased) => chasedReply(reply, external.target, chased));
    },
    transfer(zone, serial) {
      if (matchZone(zone, options.zones) !== zone) return undefined;
      const soa = soaRecord(view, zone);
      return serial !== 0 && soa.type === "SOA" && serial === soa.serial ? [soa] : [soa, ...transferRecords(view, zone), soa];
    },
    searchPath(query) {
      const zone = matchZone(query.name, options.zones);
      return options.pods === "verified" && zone !== undefined ? clientSearchPath(env, query, zone) : [];
    },
  };
}

/** Made anew, without `zone`: foreign records have a life of their own, so only cache may keep the reply. */
function chasedReply(reply: Reply, target: string, chased: Reply): Reply {
  const text = `${target} is outside the zone: asked the server itself, ${chased.rcode}`;
  const { rcode, answers, authorities, additionals, aa, why } = reply;
  return {
    rcode,
    answers: [...answers, ...chased.answers],
    authorities,
    additionals,
    aa,
    tc: chased.tc ?? false,
    why: [...why, { plugin: "kubernetes", text }, ...chased.why],
  };
}

function readStanza(stanza: Directive, env: PluginEnv): Stanza {
  const zones = zonesFrom(stanza.args, env);
  if (zones.every((zone) => isReverse(`.${zone}`))) throw new CorefileError("non-reverse zone name must be used", stanza.name);
  let options: Stanza = { ...defaultKubernetesOptions(zones), fallthrough: undefined };
  for (const line of stanza.body) options = { ...options, ...readLine(line, options) };
  if (options.namespaces.size > 0 && options.namespaceLabels)
    throw new CorefileError("namespaces and namespace_labels cannot both be set", stanza.name);
  const foreign = options.multiclusterZones.find((zone) => !zones.includes(zone));
  if (foreign !== undefined)
    throw new CorefileError(
      `is not authoritative for the multicluster zone ${foreign} (authoritative zones: [${zones.join(" ")}])`,
      stanza.name,
    );
  if (options.zonal && options.noEndpoints) throw new CorefileError("zonal requires the endpoint cache; remove noendpoints", stanza.name);
  return options;
}

function readLine(line: Directive, before: Stanza): Partial<Stanza> {
  const { args } = line;
  const words = args.map((token) => token.text);
  const exactly = (...counts: readonly number[]): void => void (counts.includes(args.length) || argumentError(line));
  switch (line.name.text) {
    case "endpoint_pod_names":
      exactly(0);
      return { endpointPodNames: true };
    case "noendpoints":
      exactly(0);
      return { noEndpoints: true };
    case "zonal":
      exactly(0);
      return { zonal: true };
    case "pods": {
      exactly(1);
      const mode = words[0];
      if (mode === "disabled" || mode === "insecure" || mode === "verified") return { pods: mode };
      throw new CorefileError(`wrong value for pods: ${mode},  must be one of: disabled, verified, insecure`, args[0] ?? line.name);
    }
    case "namespaces":
      if (args.length === 0) argumentError(line);
      return { namespaces: new Set([...before.namespaces, ...words]) };
    case "labels":
      if (args.length === 0) argumentError(line);
      return { labels: selector(line, "label selector") };
    case "namespace_labels":
      if (args.length === 0) argumentError(line);
      return { namespaceLabels: selector(line, "namespace_label selector") };
    case "ttl":
      return { ttl: integerArgument(args[0], line, 0, 3600) };
    case "fallthrough":
      return { fallthrough: fallthroughZones(line) };
    case "ignore":
      if (args.length === 0) return {};
      if (words[0] !== "empty_service") throw new CorefileError(`unable to parse ignore value: '${words[0]}'`, args[0] ?? line.name);
      return { ignoreEmptyService: true };
    case "multicluster":
      return { multiclusterZones: zonesNamed(args) };
    case "startup_timeout":
      if (!args[0]) argumentError(line);
      try {
        durationArgument(args[0], line);
      } catch {
        throw new CorefileError(`failed to parse startup_timeout: ${words[0]}, time: invalid duration "${words[0]}"`, args[0]);
      }
      return {};
    case "endpoint":
      if (args.length === 0) argumentError(line);
      return {};
    case "tls":
      exactly(3);
      return {};
    case "kubeconfig":
      exactly(1, 2);
      return {};
    case "apiserver_qps":
    case "apiserver_burst":
    case "apiserver_max_inflight": {
      exactly(1);
      const isFloat = line.name.text === "apiserver_qps";
      const number = isFloat ? /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i : /^[+-]?\d+$/;
      if (!number.test(words[0] ?? "")) {
        const failure = `strconv.${isFloat ? "ParseFloat" : "Atoi"}: parsing "${words[0]}": invalid syntax`;
        throw new CorefileError(`invalid ${line.name.text} "${words[0]}": ${failure}`, args[0] ?? line.name);
      }
      const value = Number(words[0]);
      if (value < 0) throw new CorefileError(`${line.name.text} must be >= 0`, args[0] ?? line.name);
      return {};
    }
    default:
      return unknownProperty(line);
  }
}

function selector(line: Directive, what: string): ReturnType<typeof parseLabelSelector> {
  const text = line.args.map((token) => token.text).join(" ");
  try {
    return parseLabelSelector(text);
  } catch (error) {
    throw new CorefileError(
      `unable to parse ${what} value: '${text}': ${error instanceof Error ? error.message : ""}`,
      line.args[0] ?? line.name,
    );
  }
}
