// What the controller is told: its command line and its ConfigMap, with upstream's defaults.
// Upstream: pkg/flags/flags.go, internal/ingress/controller/config/config.go. Leaves out keys that change nothing a client or a pod can see.
import { readCommandLine } from "./command-line.ts";
import { goInteger, parseBool } from "./go-values.ts";
import { exponentialBuckets, linearBuckets } from "../model/metrics.ts";

export { goDurationMs, parseBool } from "./go-values.ts";

/** The controller's command line. */
export interface ControllerFlags {
  readonly ingressClass: string;
  readonly controllerClass: string;
  readonly watchIngressWithoutClass: boolean;
  readonly ingressClassByName: boolean;
  readonly disableCatchAll: boolean;
  readonly enableSslPassthrough: boolean;
  /** Where upstream's nginx takes what is not passed through; no stream service may have it. */
  readonly sslPassthroughProxyPort: number;
  /** `namespace/name` */
  readonly defaultSslCertificate: string;
  readonly defaultBackendService: string;
  readonly configMap: string;
  readonly tcpServices: string;
  readonly udpServices: string;
  readonly publishService: string;
  readonly publishStatusAddress: string;
  readonly updateStatus: boolean;
  readonly updateStatusOnShutdown: boolean;
  readonly reportNodeInternalIp: boolean;
  /** --election-id: the name that the leader's metric has. */
  readonly electionId: string;
  /** --disable-leader-election: then nobody keeps the status of Ingresses. */
  readonly disableLeaderElection: boolean;
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly healthzPort: number;
  /** --status-port: nginx's status and configuration, for programs of the pod. */
  readonly statusPort: number;
  /** More ports that no stream service can have: --default-server-port, --profiler-port, --stream-port. */
  readonly ownPorts: readonly number[];
  /** --health-check-path */
  readonly healthPath: string;
  /** --shutdown-grace-period: SIGTERM changes nothing but /healthz for as long. */
  readonly shutdownGraceMs: number;
  readonly watchNamespace: string;
  /** A label selector; "" is every namespace. */
  readonly watchNamespaceSelector: string;
  readonly disableSvcExternalName: boolean;
  readonly metricsPerHost: boolean;
  readonly metricsPerUndefinedHost: boolean;
  readonly reportStatusClasses: boolean;
  /** Names of request metrics, with or without their prefix. */
  readonly excludeSocketMetrics: readonly string[];
  /** --time-buckets, --length-buckets, --size-buckets: upper bounds of the histograms of requests. */
  readonly buckets: { readonly time: readonly number[]; readonly length: readonly number[]; readonly size: readonly number[] };
  readonly enableAnnotationValidation: boolean;
  /** --annotations-prefix, without the slash behind it. */
  readonly annotationsPrefix: string;
  readonly deepInspect: boolean;
  readonly disableSyncEvents: boolean;
}

/** Upstream's defaults for a controller in namespace `ingress-nginx`. */
export const DEFAULT_FLAGS: ControllerFlags = {
  ingressClass: "nginx",
  controllerClass: "k8s.io/ingress-nginx",
  watchIngressWithoutClass: false,
  ingressClassByName: false,
  disableCatchAll: false,
  enableSslPassthrough: false,
  sslPassthroughProxyPort: 442,
  defaultSslCertificate: "",
  defaultBackendService: "",
  configMap: "ingress-nginx/ingress-nginx-controller",
  tcpServices: "",
  udpServices: "",
  publishService: "ingress-nginx/ingress-nginx-controller",
  publishStatusAddress: "",
  updateStatus: true,
  updateStatusOnShutdown: true,
  reportNodeInternalIp: false,
  electionId: "ingress-nginx-leader",
  disableLeaderElection: false,
  httpPort: 80,
  httpsPort: 443,
  healthzPort: 10254,
  statusPort: 10_246,
  ownPorts: [8181, 10_245, 10_247],
  healthPath: "/healthz",
  shutdownGraceMs: 0,
  watchNamespace: "",
  watchNamespaceSelector: "",
  disableSvcExternalName: false,
  metricsPerHost: true,
  metricsPerUndefinedHost: false,
  reportStatusClasses: false,
  excludeSocketMetrics: [],
  buckets: {
    time: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    length: linearBuckets(10, 10, 10),
    size: exponentialBuckets(10, 10, 7),
  },
  enableAnnotationValidation: true,
  annotationsPrefix: "nginx.ingress.kubernetes.io",
  deepInspect: true,
  disableSyncEvents: false,
};

/** Why the controller does not start: flags that are none, or that exclude or need each other. */
export function flagProblem(args: readonly string[]): string | undefined {
  const { values: flags, problem } = readCommandLine(args);
  if (problem !== undefined) return problem;
  const both = (one: string, other: string): boolean => (flags.get(one) ?? "") !== "" && (flags.get(other) ?? "") !== "";
  for (const [one, other] of [
    ["publish-service", "publish-status-address"],
    ["watch-namespace", "watch-namespace-selector"],
  ] as const)
    if (both(one, other)) return `flags --${one} and --${other} are mutually exclusive`;
  const { metricsPerHost, metricsPerUndefinedHost } = parseFlags(args);
  return metricsPerUndefinedHost && !metricsPerHost
    ? "--metrics-per-undefined-host=true must be passed with --metrics-per-host=true"
    : undefined;
}

/** `$(POD_NAMESPACE)` is expanded before. Of a command line with a problem, what is before it counts. */
export function parseFlags(args: readonly string[]): ControllerFlags {
  const flags = readCommandLine(args).values;
  const text = (name: string, fallback: string): string => flags.get(name) ?? fallback;
  const flag = (name: string, fallback: boolean): boolean => parseBool(flags.get(name)) ?? fallback;
  const port = (name: string, fallback: number): number => {
    const value = goInteger(flags.get(name) ?? "") ?? fallback;
    return value > 0 && value < 65536 ? value : fallback;
  };
  const bounds = (name: string, fallback: readonly number[]): readonly number[] => {
    const numbers = splitList(text(name, "")).map(Number);
    const rising = numbers.every((bound, i) => bound > (numbers[i - 1] ?? -Infinity));
    return numbers.length > 0 && rising ? numbers : fallback;
  };
  const d = DEFAULT_FLAGS;
  return {
    ingressClass: text("ingress-class", d.ingressClass),
    controllerClass: text("controller-class", d.controllerClass),
    watchIngressWithoutClass: flag("watch-ingress-without-class", d.watchIngressWithoutClass),
    ingressClassByName: flag("ingress-class-by-name", d.ingressClassByName),
    disableCatchAll: flag("disable-catch-all", d.disableCatchAll),
    enableSslPassthrough: flag("enable-ssl-passthrough", d.enableSslPassthrough),
    sslPassthroughProxyPort: port("ssl-passthrough-proxy-port", d.sslPassthroughProxyPort),
    defaultSslCertificate: text("default-ssl-certificate", d.defaultSslCertificate),
    defaultBackendService: text("default-backend-service", d.defaultBackendService),
    configMap: text("configmap", d.configMap),
    tcpServices: text("tcp-services-configmap", d.tcpServices),
    udpServices: text("udp-services-configmap", d.udpServices),
    publishService: text("publish-service", d.publishService),
    publishStatusAddress: text("publish-status-address", d.publishStatusAddress),
    updateStatus: flag("update-status", d.updateStatus),
    updateStatusOnShutdown: flag("update-status-on-shutdown", d.updateStatusOnShutdown),
    reportNodeInternalIp: flag("report-node-internal-ip-address", d.reportNodeInternalIp),
    electionId: text("election-id", d.electionId),
    disableLeaderElection: flag("disable-leader-election", d.disableLeaderElection),
    httpPort: port("http-port", d.httpPort),
    httpsPort: port("https-port", d.httpsPort),
    healthzPort: port("healthz-port", d.healthzPort),
    statusPort: port("status-port", d.statusPort),
    ownPorts: ["default-server-port", "profiler-port", "stream-port"].map((name, i) => port(name, d.ownPorts[i] ?? 0)),
    healthPath: text("health-check-path", d.healthPath),
    shutdownGraceMs: Math.max(0, goInteger(text("shutdown-grace-period", "0")) ?? 0) * 1000,
    watchNamespace: text("watch-namespace", d.watchNamespace),
    watchNamespaceSelector: text("watch-namespace-selector", d.watchNamespaceSelector),
    disableSvcExternalName: flag("disable-svc-external-name", d.disableSvcExternalName),
    metricsPerHost: flag("metrics-per-host", d.metricsPerHost),
    metricsPerUndefinedHost: flag("metrics-per-undefined-host", d.metricsPerUndefinedHost),
    reportStatusClasses: flag("report-status-classes", d.reportStatusClasses),
    excludeSocketMetrics: splitList(text("exclude-socket-metrics", "")),
    buckets: {
      time: bounds("time-buckets", d.buckets.time),
      length: bounds("length-buckets", d.buckets.length),
      size: bounds("size-buckets", d.buckets.size),
    },
    deepInspect: flag("deep-inspect", d.deepInspect),
    enableAnnotationValidation: flag("enable-annotation-validation", d.enableAnnotationValidation),
    annotationsPrefix: text("annotations-prefix", d.annotationsPrefix),
    disableSyncEvents: flag("disable-sync-events", d.disableSyncEvents),
  };
}

/** What of the command line has a say in how an Ingress is read. */
export type ReadingFlags = Pick<ControllerFlags, "enableAnnotationValidation" | "deepInspect" | "annotationsPrefix">;

/** The controller's ConfigMap: text by key, read with upstream's defaults. */
export class ControllerConfig {
  readonly data: Readonly<Record<string, string>>;
  /** --enable-annotation-validation */
  readonly validates: boolean;
  /** --deep-inspect */
  readonly inspects: boolean;
  /** What names of annotations begin with: --annotations-prefix and a slash. */
  readonly prefix: string;
  constructor(data: Readonly<Record<string, string>> = {}, flags: ReadingFlags = DEFAULT_FLAGS) {
    this.data = data;
    this.validates = flags.enableAnnotationValidation;
    this.inspects = flags.deepInspect;
    this.prefix = `${flags.annotationsPrefix}/`;
  }
  text(key: string, fallback = ""): string {
    return this.data[key]?.trim() ?? fallback;
  }
  /** What is not one is as if absent, and "" is false (mapstructure's weak decoding). */
  flag(key: string, fallback: boolean): boolean {
    return this.data[key] === "" ? false : (parseBool(this.data[key]) ?? fallback);
  }
  /** The same, and "" is 0. */
  number(key: string, fallback: number): number {
    const text = this.data[key];
    return text === "" ? 0 : ((text === undefined ? undefined : goInteger(text)) ?? fallback);
  }
  /** Of the keys that upstream reads before the others: decimal digits alone. */
  decimal(key: string, fallback: number): number {
    const text = this.data[key] ?? "";
    return /^[+-]?\d+$/.test(text) ? Number(text) : fallback;
  }
  /** A comma-separated list without blanks. */
  list(key: string, fallback = ""): readonly string[] {
    return splitList(this.text(key, fallback));
  }
}

/** Comma-separated items, trimmed, blanks dropped. */
export function splitList(text: string): readonly string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
