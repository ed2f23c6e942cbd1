// The real kubectl against an in-process API server over HTTPS, with a client certificate of the test's own CA.
import { execFile } from "node:child_process";
import { existsSync, realpathSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Test } from "tap";
import { createCa, issueCertificate } from "../../model/x509.ts";
import { type InProcessApi, startApi } from "./in-process-api.ts";

export interface KubectlResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs kubectl to its end. `input` is its stdin. */
export type Kubectl = (args: readonly string[] | string, input?: string) => Promise<KubectlResult>;

const MINORS = [27, 28, 29, 30, 31, 32, 33];

/** Paths of the kubectl versions that are installed beside the kubectl on the PATH, by minor version. */
export function installedKubectls(): ReadonlyMap<number, string> {
  const first = (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "kubectl"))
    .find((path) => existsSync(path));
  if (first === undefined) return new Map();
  const folder = dirname(realpathSync(first));
  return new Map(MINORS.map((minor) => [minor, join(folder, `kubectl.1.${minor}`)] as const).filter(([, path]) => existsSync(path)));
}

export interface KubectlApi extends InProcessApi {
  /** A runner of the kubectl at this path, with a cache and kubeconfig of its own. */
  kubectl(path: string): Kubectl;
}

/** Starts an HTTPS API server and writes its kubeconfig into the test's folder. */
export async function startKubectlApi(t: Test): Promise<KubectlApi> {
  const now = Date.now();
  const ca = createCa("kubernetes", now);
  const validity = { days: 1, now };
  const serving = issueCertificate(ca, { commonName: "kube-apiserver", ipAddresses: ["127.0.0.1"], usages: ["server"], ...validity });
  const client = issueCertificate(ca, {
    commonName: "kubernetes-admin",
    organizations: ["system:masters"],
    usages: ["client"],
    ...validity,
  });
  const api = await startApi(t, { tls: { key: serving.key, cert: serving.cert, ca: ca.cert } });
  const folder = t.testdir();
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const kubeconfig = join(folder, "kubeconfig");
  const user = { "client-certificate-data": base64(client.cert), "client-key-data": base64(client.key) };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "c", cluster: { server: api.url, "certificate-authority-data": base64(ca.cert) } }],
      users: [{ name: "u", user }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    }),
  );
  return {
    ...api,
    kubectl: (path) => (args, input) => run(path, args, { folder, kubeconfig, input }),
  };
}

function run(
  path: string,
  args: readonly string[] | string,
  { folder, kubeconfig, input }: { readonly folder: string; readonly kubeconfig: string; readonly input: string | undefined },
): Promise<KubectlResult> {
  const words = typeof args === "string" ? args.split(" ") : args;
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: folder, KUBE_EDITOR: "true" };
  return new Promise((resolve) => {
    const options = { env, timeout: 30_000, maxBuffer: 16 * 1024 * 1024 };
    const child = execFile(path, [`--cache-dir=${join(folder, "cache")}`, ...words], options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
    });
    child.stdin?.end(input ?? "");
  });
}
