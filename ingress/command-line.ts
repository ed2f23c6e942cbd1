// The controller's command line as pflag reads it: `--name=value`, `--name value`, and switches, which take no word after them.
// Upstream: pkg/flags/flags.go with klog's flags.
import { goDurationMs, goInteger, parseBool } from "./go-values.ts";

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

const SWITCHES: ReadonlySet<string> = new Set(
  words(`
    deep-inspect disable-catch-all disable-full-test disable-leader-election disable-svc-external-name disable-sync-events
    enable-annotation-validation enable-metrics enable-ssl-chain-completion enable-ssl-passthrough enable-topology-aware-routing
    ingress-class-by-name metrics-per-host metrics-per-undefined-host profiling report-node-internal-ip-address report-status-classes
    update-status update-status-on-shutdown version watch-ingress-without-class
    add_dir_header alsologtostderr logtostderr one_output skip_headers skip_log_headers`),
);

const NUMBERS: ReadonlySet<string> = new Set(
  words(`
    default-server-port dynamic-configuration-retries health-check-timeout healthz-port http-port https-port maxmind-retries-count
    monitor-max-batch-size post-shutdown-grace-period profiler-port shutdown-grace-period ssl-passthrough-proxy-port status-port
    status-update-interval stream-port`),
);

const DURATIONS: ReadonlySet<string> = new Set(["election-ttl", "maxmind-retries-timeout", "sync-period"]);

/** Lists of them, but for two. */
const FLOATS: ReadonlySet<string> = new Set(["bucket-factor", "length-buckets", "size-buckets", "sync-rate-limit", "time-buckets"]);

const TEXTS: ReadonlySet<string> = new Set(
  words(`
    annotations-prefix apiserver-host certificate-authority configmap controller-class default-backend-service
    default-ssl-certificate election-id exclude-socket-metrics health-check-path healthz-host ingress-class
    internal-logger-address kubeconfig max-buckets maxmind-edition-ids maxmind-license-key maxmind-mirror
    profiler-address publish-service publish-status-address tcp-services-configmap udp-services-configmap validating-webhook
    validating-webhook-certificate validating-webhook-key watch-namespace watch-namespace-selector
    log_backtrace_at log_dir log_file log_file_max_size stderrthreshold v vmodule`),
);

export interface CommandLine {
  readonly values: ReadonlyMap<string, string>;
  /** Why the program ends before it has begun. */
  readonly problem: string | undefined;
}

/** The last of a name counts. Words that are no flags are passed over. */
export function readCommandLine(args: readonly string[]): CommandLine {
  const values = new Map<string, string>();
  const wrong = (problem: string): CommandLine => ({ values, problem });
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] ?? "";
    // The image's entry point is `dumb-init --`, which may be written out.
    if (argument === "--" && i === 0) continue;
    if (argument === "--") break;
    if (!/^-./.test(argument)) continue;
    // The one flag of a single letter is klog's verbosity: -v=2, -v2, -v 2.
    const short = /^-v(?:=?(.+))?$/s.exec(argument);
    const [, name = "", inline] = short ? ["", "v", short[1]] : (/^--([^=-][^=]*)(?:=(.*))?$/s.exec(argument) ?? []);
    if (name === "") return wrong(argument.startsWith("--") ? `bad flag syntax: ${argument}` : unknownShort(argument));
    const isSwitch = SWITCHES.has(name);
    if (!isSwitch && ![NUMBERS, DURATIONS, FLOATS, TEXTS].some((kind) => kind.has(name))) return wrong(`unknown flag: --${name}`);
    const value = inline ?? (isSwitch ? "true" : args[++i]);
    if (value === undefined) return wrong(short ? `flag needs an argument: 'v' in ${argument}` : `flag needs an argument: --${name}`);
    const why = unreadable(name, value);
    if (why !== undefined) return wrong(`invalid argument ${JSON.stringify(value)} for "--${name}" flag: ${why}`);
    values.set(name, value);
  }
  return { values, problem: undefined };
}

/** In the words of strconv and time. */
function unreadable(name: string, value: string): string | undefined {
  const syntax = (parser: string, text = value): string => `strconv.Parse${parser}: parsing ${JSON.stringify(text)}: invalid syntax`;
  if (SWITCHES.has(name)) return parseBool(value) === undefined ? syntax("Bool") : undefined;
  if (NUMBERS.has(name)) return goInteger(value) === undefined ? syntax("Int") : undefined;
  if (DURATIONS.has(name)) {
    if (goDurationMs(value.replace(/^[+-]/, "")) !== undefined) return undefined;
    return `time: ${/^[\d.]+$/.test(value) ? "missing unit in" : "invalid"} duration ${JSON.stringify(value)}`;
  }
  const texts = !FLOATS.has(name) ? [] : name.endsWith("-buckets") ? value.split(",") : [value];
  const wrong = texts.find((text) => /^\s*$|\s/.test(text) || Number.isNaN(Number(text)));
  return wrong === undefined ? undefined : syntax("Float", wrong);
}

const unknownShort = (argument: string): string => `unknown shorthand flag: '${argument[1]}' in ${argument}`;
