// `loopkube fault`: something wrong with the links between clients and what they talk to, written as Fault objects.
import { Command } from "commander";
import type { ApiClient } from "../../cluster/api-client.ts";
import { realClock } from "../../model/clock.ts";
import { isStatus, StatusError } from "../../model/errors.ts";
import { faultPeerText, faultSettingsText, parseFaultPeer, parseFaultSettings } from "../../model/fault-text.ts";
import type { Fault, FaultPeer, FaultSettings, FaultSpec } from "../../model/kinds/loopkube-v1alpha1.ts";
import { connected, DIAGNOSTICS_PATH, withJson, withName } from "../connect.ts";
import { Failure } from "../failure.ts";
import { print, printJson, textTable } from "../terminal.ts";

const FAULTS_PATH = `${DIAGNOSTICS_PATH}/faults`;
/** A cluster with a propagation delay puts a fault in force that much later. */
const IN_FORCE_WITHIN_MS = 5000;

interface AddOptions {
  readonly name?: string;
  readonly as?: string;
  readonly from: string;
  readonly to: string;
}

export function faultCommand(): Command {
  const fault = new Command("fault").description("break links: latency, loss of bandwidth, resets, refusals, partitions");
  fault.addCommand(
    withName(new Command("add").description("add a fault between clients and what they talk to"))
      .argument(
        "<fault...>",
        "latency=50ms jitter=10ms rate=1Mbit reset=1% refuse first=3 partition slow-close=2s loss=5% duplicate=1% reorder=1% dns=SERVFAIL,10%,web.default.svc.cluster.local",
      )
      .option("--from <selector>", "clients: app=client, pod/[NS/]NAME, ns/NAME, node/NAME, svc/[NS/]NAME, host, an address block", "any")
      .option("--to <selector>", "what they talk to, in the same words", "any")
      .option("--as <name>", "name of the fault (default: fault-xxxxx)")
      .addHelpText(
        "after",
        "\nExamples:\n  loopkube fault add --from app=client --to svc/web latency=50ms jitter=10ms\n  loopkube fault add --to pod/web-1 partition\n  loopkube fault add --from ns/shop dns=SERVFAIL,10%",
      )
      .action((words: string[], options: AddOptions) => {
        const spec = readSpec(words, options);
        return connected(options, (client) => add(client, spec, options.as));
      }),
  );
  fault.addCommand(
    withJson(withName(new Command("list").alias("ls").description("list the faults in force"))).action(
      (options: { name?: string; output?: string }) =>
        connected(options, async (client) => {
          const items = await list(client);
          if (options.output === "json")
            return printJson({ faults: items.map(({ metadata, spec, status }) => ({ name: metadata.name, spec, status })) });
          if (items.length === 0) return print("there are no faults");
          const rows = items.map(({ metadata, spec }) => [
            metadata.name,
            faultPeerText(spec.from),
            faultPeerText(spec.to),
            faultSettingsText(spec),
          ]);
          print(textTable(["NAME", "FROM", "TO", "FAULT"], rows));
        }),
    ),
  );
  fault.addCommand(
    withName(new Command("remove").alias("rm").description("end faults"))
      .argument("[fault...]", "names, as list shows them")
      .option("--all", "every fault there is")
      .action((names: string[], options: { name?: string; all?: boolean }) => {
        if ((names.length === 0) === (options.all !== true))
          throw new Failure("which fault? give names, or --all", { advice: ["loopkube fault list"] });
        return connected(options, async (client) => {
          const chosen = options.all ? (await list(client)).map(({ metadata }) => metadata.name) : names;
          if (chosen.length === 0) print("there are no faults");
          for (const name of chosen) await remove(client, name);
        });
      }),
  );
  return fault;
}

async function list(client: ApiClient): Promise<readonly Fault[]> {
  const { items } = (await client.request("GET", FAULTS_PATH)) as unknown as { items: readonly Fault[] };
  return items;
}

function readSpec(words: readonly string[], { from, to }: AddOptions): FaultSpec {
  try {
    const [client, target] = [parseFaultPeer(from), parseFaultPeer(to)];
    const settings: FaultSettings = parseFaultSettings(words);
    return { ...(client ? { from: client } : {}), ...(target ? { to: target } : {}), ...settings };
  } catch (error) {
    if (error instanceof RangeError) throw new Failure(error.message, { advice: ["loopkube fault add --help"] });
    throw error;
  }
}

async function add(client: ApiClient, spec: FaultSpec, name: string | undefined): Promise<void> {
  const metadata = name === undefined ? { generateName: "fault-" } : { name };
  const body = { apiVersion: "loopkube.dev/v1alpha1", kind: "Fault", metadata, spec };
  const created = await create(client, body, spec);
  const { metadata: made, status } = await inForce(client, created);
  print(`fault/${made.name} added: from ${faultPeerText(spec.from)} to ${faultPeerText(spec.to)}: ${faultSettingsText(spec)}`);
  for (const peer of [spec.from, spec.to])
    if (peer && (await isMissing(client, peer))) print(`there is no ${faultPeerText(peer)}: it waits for one`);
  if (!status) return print(`it is not in force yet: see kubectl get fault ${made.name} -o yaml`);
  const { liveFlows = 0, unshapedFlows = 0 } = status;
  if (unshapedFlows > 0)
    print(`${unshapedFlows} of ${liveFlows} open connections that it matches go on unshaped: latency, rate and the like apply to new ones`);
  else if (liveFlows > 0) print(`${liveFlows} open connections matched`);
}

async function create(client: ApiClient, body: unknown, spec: FaultSpec): Promise<Fault> {
  try {
    return (await client.request("POST", FAULTS_PATH, body)) as unknown as Fault;
  } catch (error) {
    const { from, to, dns, ...others } = spec;
    if (!(error instanceof StatusError) || !dns || to?.service === undefined) throw error;
    if (!error.status.details?.causes?.some(({ field }) => field === "spec.to.service")) throw error;
    const { service, namespace = "default" } = to;
    const add = `loopkube fault add ${from ? `--from '${faultPeerText(from)}' ` : ""}`;
    const rest = faultSettingsText(others);
    throw new Failure(`svc/${namespace}/${service} is asked no DNS questions; what fails is questions about it:`, {
      advice: [
        `${add}${faultSettingsText({ dns: { ...dns, name: `${service}.${namespace}.svc.cluster.local` } })}`,
        ...(rest === "" ? [] : [`${add}--to '${faultPeerText(to)}' ${rest}`]),
      ],
    });
  }
}

/** True when an end names an object that there is not (yet); ends by labels or address are not looked up. */
async function isMissing(client: ApiClient, { pod, service, node, namespace = "default" }: FaultPeer): Promise<boolean> {
  const inNamespace = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  const path =
    pod !== undefined
      ? `${inNamespace}/pods/${encodeURIComponent(pod)}`
      : service !== undefined
        ? `${inNamespace}/services/${encodeURIComponent(service)}`
        : node === undefined
          ? inNamespace
          : `/api/v1/nodes/${encodeURIComponent(node)}`;
  try {
    await client.request("GET", path);
    return false;
  } catch (error) {
    if (isStatus(error, "NotFound")) return true;
    throw error;
  }
}

/** The fault once its status tells what it found. */
async function inForce(client: ApiClient, created: Fault): Promise<Fault> {
  const abort = new AbortController();
  const timer = realClock.after(IN_FORCE_WITHIN_MS, () => abort.abort());
  const query = new URLSearchParams({ watch: "true", fieldSelector: `metadata.name=${created.metadata.name}` });
  try {
    for await (const line of client.lines(`${FAULTS_PATH}?${query.toString()}`, abort.signal)) {
      if (line === "") continue;
      const { object } = JSON.parse(line) as { object: Fault };
      if (object.status?.observedGeneration !== undefined) return object;
    }
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  } finally {
    timer.cancel();
    abort.abort();
  }
  return created;
}

async function remove(client: ApiClient, name: string): Promise<void> {
  try {
    await client.request("DELETE", `${FAULTS_PATH}/${encodeURIComponent(name.replace(/^faults?\//, ""))}`);
  } catch (error) {
    if (isStatus(error, "NotFound")) throw new Failure(`no fault ${name}`, { advice: ["loopkube fault list"] });
    throw error;
  }
  print(`fault/${name.replace(/^faults?\//, "")} removed`);
}
