// The checks of `loopkube doctor`, one function each; adding one is a line in CHECKS.
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";
import { kubeconfigPath } from "./kubeconfig-file.ts";

export interface Check {
  readonly what: string;
  readonly result: "ok" | "note" | "fail";
  readonly found: string;
  readonly advice?: string;
}

const CHECKS: readonly (() => Promise<Check> | Check)[] = [
  nodeVersion,
  () => tool("kubectl", ["version", "--client", "-o", "json"], "install kubectl to talk to the cluster"),
  () => tool("curl", ["--version"], "any HTTP client will do"),
  () => tool("dig", ["-v"], "bind9-dnsutils has it; nslookup or `loopkube dig` will do"),
  loopbackRange,
  privilegedPorts,
  kubeconfigWritable,
];

export async function runChecks(): Promise<readonly Check[]> {
  return Promise.all(CHECKS.map((check) => check()));
}

function nodeVersion(): Check {
  const major = Number(process.versions.node.split(".")[0]);
  return {
    what: "Node",
    result: major >= 24 ? "ok" : "fail",
    found: process.version,
    ...(major >= 24 ? {} : { advice: "24 or newer is needed" }),
  };
}

function tool(name: string, args: readonly string[], advice: string): Promise<Check> {
  return new Promise((resolve) => {
    execFile(name, [...args], { timeout: 10_000 }, (error, stdout, stderr) => {
      if (error && (error as NodeJS.ErrnoException).code === "ENOENT")
        return resolve({ what: name, result: "note", found: "not installed", advice });
      const text = `${stdout}${stderr}`;
      const found = /"gitVersion":\s*"([^"]+)"/.exec(text)?.[1] ?? /\d+\.\d+[\w.-]*/.exec(text)?.[0] ?? "found";
      resolve({ what: name, result: "ok", found });
    });
  });
}

/** Loaded only here: it brings the whole cluster with it. */
async function probe(address: { readonly ip: string; readonly port: number }): Promise<string | undefined> {
  const { probeTcp } = await import("../cluster/index.ts");
  return probeTcp(address);
}

async function loopbackRange(): Promise<Check> {
  const code = await probe({ ip: "127.244.255.250", port: 0 });
  if (code === undefined) return { what: "addresses 127.x.y.z", result: "ok", found: "usable: the direct address plan works" };
  const advice = "the mapped plan is used; reach Services through the gateway";
  return { what: "addresses 127.x.y.z", result: "note", found: `not usable (${code})`, advice };
}

async function privilegedPorts(): Promise<Check> {
  const code = await probe({ ip: "127.244.255.250", port: 80 });
  if (code === undefined) return { what: "ports below 1024", result: "ok", found: "usable: Services listen on 80 and 443 themselves" };
  const advice =
    "port 80 of a Service is 8080 of the same address, 443 is 8443, 53 is 8053; or allow it: sysctl net.ipv4.ip_unprivileged_port_start=0";
  return { what: "ports below 1024", result: "note", found: `not usable for this user (${code})`, advice };
}

function kubeconfigWritable(): Check {
  const path = kubeconfigPath(undefined);
  let existing = path;
  while (!existsSync(existing)) existing = dirname(existing);
  try {
    accessSync(existing, constants.W_OK);
    return { what: "kubeconfig", result: "ok", found: path };
  } catch {
    return { what: "kubeconfig", result: "note", found: `${path} cannot be written`, advice: "loopkube up --own-kubeconfig" };
  }
}
