// From a command to the API server of the cluster it means.
import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { type ApiClient, createApiClient } from "../cluster/api-client.ts";
import type { JsonObject } from "../model/object.ts";
import { Failure } from "./failure.ts";
import { type RunState, runningCluster } from "./run-state.ts";

export const DIAGNOSTICS_PATH = "/apis/loopkube.dev/v1alpha1";

/** Adds `--name`, by which a command finds its cluster. */
export function withName(command: Command): Command {
  return command.option("--name <name>", "the cluster's name (default: kubectl's current one, or the only one)");
}

/** `--name lab `, for a command to type next; nothing when it was not needed. */
export const nameWords = ({ name }: { readonly name?: string }): string => (name === undefined ? "" : `--name ${name} `);

/** `--from pod/web `, likewise. */
export const fromWords = ({ from = "host" }: { readonly from?: string }): string => (from === "host" ? "" : `--from ${from} `);

/** `why: loopkube explain …` for a request that failed. */
export function whyLine(url: URL, options: { readonly name?: string; readonly from?: string; readonly header: readonly string[] }): string {
  const host = options.header
    .find((line) => /^host:/i.test(line))
    ?.slice("host:".length)
    .trim();
  if (host) return `why: loopkube explain request ${nameWords(options)}${fromWords(options)}http://${host}${url.pathname}${url.search}`;
  return `why: loopkube explain ${nameWords(options)}${fromWords(options)}--to ${url.href}`;
}

/** Adds `-o json`. */
export function withJson(command: Command): Command {
  return command.addOption(new Option("-o, --output <format>", "print it as data").choices(["json"]));
}

/** Runs `work` with a client of the running cluster. */
export async function connected<T>(
  options: { readonly name?: string },
  work: (client: ApiClient, state: RunState) => Promise<T>,
): Promise<T> {
  const state = runningCluster(options.name);
  let kubeconfig: string;
  try {
    kubeconfig = readFileSync(state.kubeconfig, "utf8");
  } catch (error) {
    throw new Failure(`the cluster's kubeconfig ${state.kubeconfig} cannot be read`, {
      cause: error,
      advice: ["loopkube down; loopkube up"],
    });
  }
  using client = createApiClient(kubeconfig);
  return await work(client, state);
}

/** `…/what?a=b`, leaving out undefined values. */
export function diagnosticsPath(what: string, query: Readonly<Record<string, string | undefined>> = {}): string {
  const defined = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const search = new URLSearchParams(defined).toString();
  return `${DIAGNOSTICS_PATH}/${what}${search === "" ? "" : `?${search}`}`;
}

export async function fetchStatus(client: ApiClient, state: RunState): Promise<JsonObject> {
  const { cluster, kind: _kind, apiVersion: _apiVersion, ...sections } = await client.request("GET", diagnosticsPath("status"));
  return { ...(cluster as JsonObject), kubeconfig: state.kubeconfig, ...sections };
}
