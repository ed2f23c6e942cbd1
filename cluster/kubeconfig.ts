// The kubeconfig of a cluster: one cluster, user and context, all named loopkube-<name>, as kind names its own.
import { stringify } from "yaml";
import type { KeyPair } from "../model/x509.ts";

export interface KubeconfigEntry {
  /** `loopkube` for the default cluster, else `loopkube-<name>`. */
  readonly name: string;
  /** `https://127.0.0.1:6443`. */
  readonly server: string;
  /** PEM. */
  readonly ca: string;
  readonly admin: KeyPair;
}

/** A kubeconfig file's content as plain data. */
export interface Kubeconfig {
  apiVersion: "v1";
  kind: "Config";
  clusters: { name: string; cluster: Record<string, string> }[];
  users: { name: string; user: Record<string, string> }[];
  contexts: { name: string; context: Record<string, string> }[];
  "current-context": string;
  preferences?: Record<string, unknown>;
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

export function kubeconfigOf(entry: KubeconfigEntry): Kubeconfig {
  const { name } = entry;
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { "certificate-authority-data": base64(entry.ca), server: entry.server } }],
    users: [{ name, user: { "client-certificate-data": base64(entry.admin.cert), "client-key-data": base64(entry.admin.key) } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
}

export function kubeconfigText(config: Kubeconfig): string {
  return stringify(config, { lineWidth: 0 });
}
