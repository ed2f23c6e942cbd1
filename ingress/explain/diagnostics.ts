// What ingress tells about itself: the routes as text, why a request goes where it goes, and its state.
import type { Clock } from "../../model/clock.ts";
import { StatusError } from "../../model/errors.ts";
import type { ServicePort } from "../../model/kinds/core-v1.ts";
import type { BalanceAnswer, Diagnostics, ExplainQuestion } from "../../model/ports.ts";
import type { Random } from "../../model/random.ts";
import { ConfigMaps, Ingresses, IngressClasses, Services } from "../../model/resources.ts";
import { splitKey } from "../../model/object.ts";
import type { Store } from "../../store/index.ts";
import { choiceOf } from "../request/balance.ts";
import { DEFAULT_FLAGS } from "../config.ts";
import { dumpRoutes } from "./dump.ts";
import { dumpNginx } from "./dump-nginx.ts";
import { type ExplainParts, explainRequest, type Forwarded } from "./explain.ts";
import { explainStream } from "./explain-listener.ts";
import { findServer } from "../request/match.ts";
import { compileRoutes } from "../routes/route-compiler.ts";
import type { RouteTable } from "../routes/route-table.ts";
import type { Feeds } from "../routes/feeds.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";
import type { StreamService } from "../routes/stream-services.ts";

export interface DiagnosticsOptions {
  readonly store: Store;
  readonly feeds: Feeds;
  readonly clock: Clock;
  readonly random: Random;
}

const NOBODY = "no ingress-nginx-controller pod is serving: connections are refused";

/** Diagnostics named `routes`. */
export function routesDiagnostics({ store, feeds, clock, random }: DiagnosticsOptions): Diagnostics {
  const feed = (): RoutesFeed => feeds.live[0] ?? feeds.of(DEFAULT_FLAGS);
  /** The port of the controllers' own Service that is asked for. */
  const controllerPort = ({ host, ip, port }: ExplainQuestion): ServicePort | undefined => {
    const { namespace, name } = splitKey(feeds.flags.publishService);
    const service = store.get(Services, namespace, name);
    const addresses = [...(service?.spec.clusterIPs ?? []), ...(service?.status?.loadBalancer?.ingress ?? []).map((entry) => entry.ip)];
    return addresses.includes(host) || (ip !== undefined && addresses.includes(ip))
      ? service?.spec.ports?.find((entry) => entry.port === port)
      : undefined;
  };
  const streamOf = (question: ExplainQuestion): StreamService | undefined => {
    const port = controllerPort(question);
    const target = typeof port?.targetPort === "number" ? port.targetPort : port?.port;
    return feeds.live[0]?.streams.services.find((service) => service.protocol === question.protocol && service.port === target);
  };
  const parts = (live: RoutesFeed): ExplainParts => ({
    feed: live,
    clock,
    random: random.fork("explain"),
    ingress: (owner) => {
      const { namespace, name } = splitKey(owner);
      return store.get(Ingresses, namespace, name);
    },
  });
  return {
    name: "routes",
    status() {
      const { table, reloads } = feed();
      return {
        controllers: feeds.live.reduce((sum, live) => sum + live.holders, 0),
        ingresses: table.counted.length,
        ignored: table.ignored.size,
        hosts: table.hosts.size + table.wildcards.size,
        reloads,
      };
    },
    dump(options) {
      const live = feeds.live[0];
      const table = live?.table ?? fromStore(store);
      const as = options["as"];
      if (as === undefined) return dumpRoutes(table, live?.streams);
      if (as === "nginx") return dumpNginx(table, live?.streams);
      throw new StatusError(400, "BadRequest", `routes cannot be printed as ${JSON.stringify(as)}; there is: nginx`);
    },
    async explain(question) {
      const live = feed();
      const stream = streamOf(question);
      if (stream) return { title: `Ingress: ${stream.upstream}`, lines: explainStream(stream) };
      const url = parseUrl(question.to);
      if (!url) return undefined;
      const known = findServer(live.table, url.hostname) !== live.table.fallback;
      if (!known && !controllerPort(question)) return undefined;
      const { steps, forwarded } = await explainRequest(parts(live), { method: "GET", url, headers: [], clientIp: question.from.ip });
      const lines = steps.flatMap((step) => step.lines.map((line) => `${step.title}: ${line}`));
      const shown = feeds.live.length === 0 ? [NOBODY, ...lines] : lines;
      return { title: `Ingress: ${question.to}`, lines: shown, ...(forwarded && { balance: balanceOf(forwarded) }) };
    },
    async explainRequest(question) {
      if (question.type === "traced") return feeds.live.map((live) => live.traces.find(question.id)).find((steps) => steps !== undefined);
      const { url: text, method, headers, from, authStatus, podStatus } = question;
      const url = parseUrl(text);
      if (!url) return undefined;
      if (feeds.live.length === 0) return [{ title: "listener", lines: [NOBODY] }];
      const target = /^https?:\/\/[^/?#]*([^#]*)/i.exec(text)?.[1] ?? "/";
      const { steps, forwarded } = await explainRequest(parts(feed()), {
        method: method.toUpperCase(),
        url,
        target: target.startsWith("/") ? target : `/${target}`,
        headers,
        clientIp: from.ip,
        authStatus,
        podStatus,
      });
      if (!forwarded) return steps;
      const balance = balanceOf(forwarded);
      return steps.map((step) => (step.title === "balancer" ? { ...step, balance } : step));
    },
  };
}

/** Between which pods a request's upstream chooses. A cookie's answer depends on the client. */
function balanceOf({ exchange, backend, peers, balance }: Forwarded): BalanceAnswer {
  const choice = choiceOf(backend.upstream, balance, exchange);
  const how = choice.type === "hash" ? `hash of ${choice.expression}` : choice.type;
  const endpoints = peers.map(({ id }) => ({ address: id, pod: "", node: "" }));
  return {
    service: `${backend.namespace}/${backend.service}:${backend.port}`,
    algorithm: how,
    per: "request",
    affinitySeconds: 0,
    endpoints,
  };
}

/** The routes as they would be, while no controller runs. */
function fromStore(store: Store): RouteTable {
  const { namespace, name } = splitKey(DEFAULT_FLAGS.configMap);
  const config = store.get(ConfigMaps, namespace, name)?.data;
  return compileRoutes(DEFAULT_FLAGS, {
    ingresses: store.list(Ingresses),
    classes: store.list(IngressClasses),
    ...(config ? { config } : {}),
  });
}

function parseUrl(text: string): URL | undefined {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  return new URL(text);
}
