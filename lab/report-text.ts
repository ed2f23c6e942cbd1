// A report for people: a table of pods, the totals, and what to make of them.
import type { EndpointReport, LoadReport } from "./report.ts";
import { CONFIDENCE } from "./expectation.ts";

export interface ReportText {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What follows the table. */
  readonly lines: readonly string[];
}

export function reportText(report: LoadReport): ReportText {
  const random = report.balance?.algorithm === "random" && report.balance.affinitySeconds === 0;
  const header = [
    "POD",
    "NODE",
    "CONNECTIONS",
    random ? `EXPECTED (${100 * CONFIDENCE} %)` : report.balance?.per === "request" ? "EXPECTED REQUESTS" : "EXPECTED",
    "REQUESTS",
    "SHARE",
    "P50 MS",
    "P95 MS",
    "P99 MS",
    "ERRORS",
  ];
  return { header, rows: report.endpoints.map((endpoint) => row(endpoint, report)), lines: summary(report) };
}

function row(each: EndpointReport, report: LoadReport): readonly string[] {
  const { pod, endpoint, node, connections, requests, share, latencyMs, errors } = each;
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
  const ms = (value: number | undefined): string => (value === undefined ? "-" : milliseconds(value));
  return [
    pod.replace(/^default\//, "") || endpoint || "(unknown)",
    node || "-",
    String(connections),
    expectedText(each, report),
    String(requests),
    `${(100 * share).toFixed(1)} %`,
    ms(latencyMs?.p50),
    ms(latencyMs?.p95),
    ms(latencyMs?.p99),
    String(failed),
  ];
}

function expectedText({ expected }: EndpointReport, { balance, endpoints }: LoadReport): string {
  if (!expected) return "-";
  const { low, high } = expected;
  const one = balance && balance.chiSquare === null && low === 0 && high > 1 && balance.algorithm !== "random";
  if (high === low) return String(low);
  if (one || (balance && balance.affinitySeconds > 0)) return endpoints.length === 1 ? String(high) : `0 or ${high}`;
  return `${low} to ${high}`;
}

function summary(report: LoadReport): readonly string[] {
  const { requests, durationSeconds, rate, connections, latencyMs, errors, balance } = report;
  const pace = `${plural(requests.sent, "request")} in ${durationSeconds.toFixed(2)} s (${rate.toFixed(rate < 100 ? 1 : 0)}/s)`;
  const kept = report.keepAlive ? "kept alive" : "one for each request";
  const lines = [`${pace}, ${requests.answered} answered, ${requests.failed} failed; ${plural(connections, "connection")}, ${kept}`];
  if (latencyMs) {
    const since = report.loop === "open" ? "from the time each was due" : "from sending";
    lines.push(`latency (ms, ${since}): ${LATENCIES.map((key) => `${key} ${milliseconds(latencyMs[key])}`).join(", ")}`);
  }
  for (const [cause, count] of Object.entries(errors).sort(([, a], [, b]) => b - a)) lines.push(`error: ${count} × ${cause}`);
  if (requests.unsent > 0)
    lines.push(`${plural(requests.unsent, "request")} due but never sent: every client was waiting (-c ${report.clients})`);
  else if (requests.delayed > 0)
    lines.push(`${plural(requests.delayed, "request")} waited for a free client (-c ${report.clients}); the wait counts as latency`);
  lines.push(balance ? `${balance.service}, ${balance.algorithm}: ${VERDICTS[balance.verdict]}. ${sentence(balance.why)}` : NO_CHOICE);
  return lines;
}

/** One line for while the load runs. */
export function progressText(
  tally: { readonly answered: number; readonly failed: number; readonly latency: { percentile(percent: number): number } },
  elapsedMs: number,
): string {
  const rate = elapsedMs === 0 ? 0 : (1000 * tally.answered) / elapsedMs;
  const p99 = milliseconds(tally.latency.percentile(99));
  return `${(elapsedMs / 1000).toFixed(1)} s  ${tally.answered} answered  ${rate.toFixed(0)}/s  p99 ${p99} ms  ${tally.failed} failed`;
}

const LATENCIES = ["p50", "p95", "p99", "max"] as const;
const VERDICTS = { "as expected": "as expected", "not as expected": "NOT as expected", unknown: "cannot be judged" } as const;
const NO_CHOICE =
  "No Service chooses an endpoint here (it has none, or its policy Local leaves none: see loopkube explain; or this is a pod, a headless name or a port of this machine): nothing to compare with.";

const milliseconds = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
const sentence = (text: string): string => `${text.replace(/^[a-z]/, (letter) => letter.toUpperCase())}.`;
