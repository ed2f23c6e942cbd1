// NetworkPolicies and Faults in force: watches through a delayed cursor, holds the current tables, fills the fabric's hooks, and acts on
// open flows. With no policy and no fault the hooks are empty and cost nothing.
// Upstream: the policy half of a network plugin. Left out: conntrack's mercy, by which some plugins let denied flows that are open go on.
import type { Clock } from "../model/clock.ts";
import { log } from "../model/log.ts";
import { isStatus } from "../model/errors.ts";
import type { Fault, FaultStatus } from "../model/kinds/loopkube-v1alpha1.ts";
import type { NetworkPolicy } from "../model/kinds/networking-v1.ts";
import { equalJson, type ObjectKey } from "../model/object.ts";
import type { Component, Diagnostics, Flow, Peer, SocketAddress } from "../model/ports.ts";
import type { Random } from "../model/random.ts";
import { Faults, NetworkPolicies, Services } from "../model/resources.ts";
import { type Fabric, meetFaults, type Ordinals } from "../netsim/index.ts";
import { type Change, type Cursor, Follower, type Store } from "../store/index.ts";
import { type CompiledFault, compileFault } from "./compile-fault.ts";
import { faultDiagnostics, policyDiagnostics, type PolicyView } from "./diagnostics.ts";
import { concerns, type FaultQuestion, FaultTable } from "./fault-table.ts";
import { LiveStalls } from "./live-stalls.ts";
import { type CompiledPolicy, compileNetworkPolicy } from "./network-policy.ts";
import { Parties } from "./parties.ts";
import { partyText } from "./party.ts";
import { type PolicyAnswer, PolicyTable } from "./policy-table.ts";

export interface PolicyOptions {
  readonly store: Store;
  readonly fabric: Pick<Fabric, "hooks" | "flows" | "udpFlows" | "identify" | "decideAgain">;
  readonly clock: Clock;
  /** Source of the faults' choices. */
  readonly random: Random;
  /** How late the tables follow the store. Default 0. */
  readonly delayMs?: number;
}

export interface Policy extends Component {
  /** One for NetworkPolicies, one for Faults. */
  readonly diagnostics: readonly Diagnostics[];
}

/** An open flow whose endpoint is known, TCP or UDP. */
interface OpenFlow {
  readonly from: Peer;
  readonly protocol: Flow["protocol"];
  readonly endpoint: SocketAddress;
  readonly service: string | undefined;
}

export function createPolicy(options: PolicyOptions): Policy {
  return new FabricPolicy(options);
}

class FabricPolicy implements Policy, PolicyView {
  readonly diagnostics: readonly Diagnostics[];
  readonly parties: Parties;
  policies: PolicyTable;
  faults = new FaultTable([]);
  readonly #options: PolicyOptions;
  readonly #follower: Follower;
  readonly #compiledPolicies = new Map<ObjectKey, CompiledPolicy>();
  readonly #compiledFaults = new Map<ObjectKey, CompiledFault>();
  readonly #stalls: LiveStalls;
  /** Flows that a fault has dropped: when they are decided anew they are no further flows of their clients. */
  readonly #waiting = new WeakMap<Flow, Ordinals>();

  constructor(options: PolicyOptions) {
    const { store, delayMs = 0 } = options;
    this.#options = options;
    const types = [...Parties.types, NetworkPolicies, Faults];
    this.#follower = new Follower({ store, name: "policy", delayMs, types, take: (batch, cursor) => this.#sync(batch, cursor) });
    this.parties = new Parties((ip) => options.fabric.identify(ip));
    this.policies = this.#policyTable();
    this.#stalls = new LiveStalls(options.fabric);
    this.diagnostics = [policyDiagnostics(this), faultDiagnostics(this)];
  }
  start(): Promise<void> {
    return this.#follower.start();
  }
  async stop(): Promise<void> {
    await this.#follower.stop();
    const { hooks } = this.#options.fabric;
    hooks.policy = undefined;
    hooks.fault = undefined;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** One flow by the NetworkPolicies in force. */
  #evaluate(from: Peer, endpoint: SocketAddress, protocol: Flow["protocol"]): PolicyAnswer {
    const question = { from: this.parties.of(from), to: this.parties.at(endpoint.ip), port: endpoint.port, protocol };
    return this.policies.evaluate(question);
  }
  #question(from: Peer, endpoint: SocketAddress, service: string | undefined): FaultQuestion {
    return { from: this.parties.of(from), to: this.parties.at(endpoint.ip), service };
  }

  async #sync(batch: readonly Change[], cursor: Cursor): Promise<void> {
    let partiesChanged = false;
    let policiesChanged = false;
    const changedFaults: Change[] = [];
    for (const change of batch) {
      if (change.type === NetworkPolicies) {
        this.#notePolicy(change.key, change.object as NetworkPolicy | undefined);
        policiesChanged = true;
      } else if (change.type === Faults) changedFaults.push(change);
      else partiesChanged = this.parties.note(change) || partiesChanged;
    }
    if (policiesChanged) this.policies = this.#policyTable();
    const before = this.faults.faults;
    const fresh = changedFaults.flatMap((change) => this.#noteFault(change.key, change.object as Fault | undefined, cursor) ?? []);
    if (changedFaults.length > 0) this.faults = new FaultTable([...this.#compiledFaults.values()]);
    if (!partiesChanged && !policiesChanged && changedFaults.length === 0) return;
    this.#install();
    this.#forgetShaped(before.filter((fault) => !this.faults.faults.includes(fault)));
    const statuses = fresh.map((fault) => [fault.name, this.#act(fault)] as const);
    this.#enforce();
    this.#options.fabric.decideAgain();
    for (const [name, status] of statuses) await this.#report(name, status);
  }
  #notePolicy(key: ObjectKey, policy: NetworkPolicy | undefined): void {
    if (policy) this.#compiledPolicies.set(key, compileNetworkPolicy(policy));
    else this.#compiledPolicies.delete(key);
  }
  #policyTable(): PolicyTable {
    return new PolicyTable([...this.#compiledPolicies.values()], (name) => this.parties.labelsOfNamespace(name));
  }
  /** The compiled fault when it is new or another than before; one that stays keeps its count of flows. */
  #noteFault(key: ObjectKey, fault: Fault | undefined, cursor: Cursor): CompiledFault | undefined {
    if (!fault) return void this.#compiledFaults.delete(key);
    const before = this.#compiledFaults.get(key);
    if (before && equalJson(before.spec, fault.spec)) return undefined;
    const selectorOf = (namespace: string, name: string): FaultLabels => cursor.get(Services, namespace, name)?.spec.selector;
    const compiled = compileFault(fault, this.#options.random, selectorOf);
    this.#compiledFaults.set(key, compiled);
    return compiled;
  }
  #install(): void {
    const { hooks } = this.#options.fabric;
    hooks.policy = this.policies.policies.length === 0 ? undefined : (flow, endpoint) => this.#evaluate(flow.from, endpoint, flow.protocol);
    hooks.fault =
      this.faults.faults.length === 0
        ? undefined
        : (flow, endpoint, verdict) => {
            const service = verdict.type === "dnat" ? verdict.service : undefined;
            const matching = this.faults.matching(this.#question(flow.from, endpoint, service));
            if (matching.length === 0) return undefined;
            const ordinals = this.#waiting.get(flow) ?? new Map();
            const rules = matching.map((fault) => fault.rule);
            const faults = meetFaults(rules, partyText(flow.from), ordinals);
            if (faults?.opening === "drop") this.#waiting.set(flow, ordinals);
            return faults;
          };
  }
  /** What a fault that has just come does to open flows, but for standing still; answers what it found. */
  #act(fault: CompiledFault): FaultStatus {
    const { flows } = this.#options.fabric;
    let [live, unshaped] = [0, 0];
    for (const flow of flows.list()) {
      const { endpoint } = flow;
      if (!endpoint || this.#isOwnLoopback(flow.from, endpoint)) continue;
      if (!concerns(fault, this.#question(flow.from, endpoint, flow.service))) continue;
      live++;
      if (fault.rule.resets && fault.rule.resetsLive(partyText(flow.from))) flow.reset();
      else if (fault.rule.shapesStreams) unshaped++;
    }
    this.#forgetShaped([fault]);
    return { liveFlows: live, unshapedFlows: unshaped };
  }
  /** UDP flows have no opening: with their next datagram they are decided anew. */
  #forgetShaped(faults: readonly CompiledFault[]): void {
    const shaping = faults.filter(({ rule }) => rule.shapesPackets || rule.resets);
    if (shaping.length === 0) return;
    this.#options.fabric.udpFlows.deleteWhere(({ from, endpoint, service }) => {
      const question = this.#question(from, endpoint, service);
      return shaping.some((fault) => concerns(fault, question));
    });
  }
  #enforce(): void {
    const [policies, faults] = [this.policies.policies.length > 0, this.faults.faults.some((fault) => fault.rule.stalls)];
    this.#stalls.enforce(policies || faults ? (flow) => this.#stands(flow, policies, faults) : undefined);
  }
  #stands(flow: OpenFlow, policies: boolean, faults: boolean): boolean {
    if (this.#isOwnLoopback(flow.from, flow.endpoint)) return false;
    if (policies && !this.#evaluate(flow.from, flow.endpoint, flow.protocol).allowed) return true;
    return faults && this.faults.stalls(this.#question(flow.from, flow.endpoint, flow.service));
  }
  #isOwnLoopback(from: Peer, endpoint: SocketAddress): boolean {
    return from.kind === "pod" && from.ip === endpoint.ip;
  }
  async #report(name: string, found: FaultStatus): Promise<void> {
    try {
      await this.#options.store.mutate(
        Faults,
        "",
        name,
        (fault) => {
          fault.status = { observedGeneration: fault.metadata.generation ?? 1, ...found };
        },
        { subresource: "status" },
      );
    } catch (error) {
      if (!isStatus(error, "NotFound")) log("warn", `policy: status of fault ${name}`, { error });
    }
  }
}

type FaultLabels = { readonly [key: string]: string } | undefined;
