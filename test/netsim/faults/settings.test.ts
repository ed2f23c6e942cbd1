// How fault settings are read: what is taken, and what the complaint says.
import t from "tap";
import { FAULT_KINDS, FaultSetting } from "../../../netsim/index.ts";
import { readDurationMs, readRate, readShare } from "../../../netsim/faults/setting.ts";
import { ownSchemas } from "../../../model/schema/own-schemas.ts";

const kindOf = (field: string) => {
  const kind = FAULT_KINDS.find((each) => each.field === field);
  if (!kind) throw new Error(field);
  return kind;
};

/** The complaint, or "" when the setting is taken. */
function complaint(field: string, value: unknown): string {
  try {
    kindOf(field).read(value);
    return "";
  } catch (error) {
    return error instanceof FaultSetting ? `${error.field === undefined ? "" : `${error.field}: `}${error.message}` : String(error);
  }
}

t.test("units", async (t) => {
  for (const [text, expected] of [
    ["50ms", 50],
    ["1.5s", 1500],
    ["1m30s", 90_000],
    ["250us", 0.25],
    ["0s", 0],
  ] as const)
    t.equal(readDurationMs(text), expected, text);
  for (const [text, expected] of [
    ["1%", 0.01],
    ["100%", 1],
    ["0.5%", 0.005],
  ] as const)
    t.equal(readShare(text), expected, text);
  for (const [text, expected] of [
    ["1Mbit", 125],
    ["1mbit/s", 125],
    ["8kbit", 1],
    ["1Mbps", undefined],
    ["10MB", 10_000],
    ["1kB/s", 1],
  ] as const)
    if (expected !== undefined) t.equal(readRate(text), expected, text);
});

t.test("complaints", async (t) => {
  const duration = "must be a duration such as 50ms, 1.5s or 2m";
  const share = "must be a percentage from 0% to 100%, such as 1% or 0.5%";
  const rows: readonly (readonly [field: string, value: unknown, expected: string])[] = [
    ["latency", "50", duration],
    ["latency", "-5ms", duration],
    ["latency", 50, duration],
    ["latency", "", duration],
    ["latency", "2h", "must be no more than 1h"],
    ["jitter", "ms", duration],
    ["slowClose", "5 s", duration],
    ["reset", "101%", share],
    ["reset", 0.5, share],
    ["loss", "%", share],
    ["duplicate", "x%", share],
    ["reorder", "1 %", share],
    ["rate", "1", "must be a rate of at least 8bit such as 500kbit, 1Mbit or 1Gbit (bits per second), or 10MB (bytes per second)"],
    ["rate", "0bit", "must be a rate of at least 8bit such as 500kbit, 1Mbit or 1Gbit (bits per second), or 10MB (bytes per second)"],
    ["first", 0, "must be a whole number greater than 0"],
    ["first", Number.NaN, "must be a whole number greater than 0"],
    ["refuse", "yes", "must be true or false"],
    ["partition", 1, "must be true or false"],
    ["dns", "SERVFAIL", "must be an object with rcode, delay, share or name"],
    ["dns", {}, "must have an rcode or a delay"],
    ["dns", { rcode: "OOPS" }, "rcode: must be one of FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED"],
    ["dns", { delay: "1" }, `delay: ${duration}`],
    ["dns", { rcode: "SERVFAIL", share: "2" }, `share: ${share}`],
    ["dns", { rcode: "SERVFAIL", share: "20%", name: "web.default.svc.cluster.local", delay: "10ms" }, ""],
    ["latency", "50ms", ""],
    ["refuse", false, ""],
  ];
  for (const [field, value, expected] of rows) t.equal(complaint(field, value), expected, `${field}=${JSON.stringify(value)}`);
});

t.test("every kind has a field in the schema of kind Fault, and the other way round", async (t) => {
  const fields = ownSchemas["loopkube/v1alpha1.FaultSpec"]?.fields?.map((field) => field.json) ?? [];
  const others = ["from", "to", "direction"];
  t.strictSame(FAULT_KINDS.map((kind) => kind.field).sort(), fields.filter((field) => !others.includes(field ?? "")).sort());
});
