// The types of loopkube.dev/v1alpha1, a group of this project's own. Not generated.
import type { ObjectMeta } from "../object.ts";
import type { LabelSelector } from "./meta-v1.ts";

/** A fault on the links between clients and what they talk to. No upstream counterpart. */
export interface Fault {
  readonly apiVersion: "loopkube.dev/v1alpha1";
  readonly kind: "Fault";
  readonly metadata: ObjectMeta;
  readonly spec: FaultSpec;
  readonly status?: FaultStatus;
}

export interface FaultSpec extends FaultSettings {
  /** Clients; absent: all. */
  readonly from?: FaultPeer;
  /** What they talk to; absent: everything. */
  readonly to?: FaultPeer;
  /** Which way latency, jitter, rate, slowClose, loss, duplicate and reorder work; default Both. */
  readonly direction?: "Both" | "Forward" | "Back";
}

/** What is wrong with the link; at least one. Durations are `50ms`, shares `1%`, rates `1Mbit`. */
export interface FaultSettings {
  readonly latency?: string;
  readonly jitter?: string;
  readonly rate?: string;
  readonly reset?: string;
  readonly refuse?: boolean;
  readonly first?: number;
  readonly partition?: boolean;
  readonly slowClose?: string;
  readonly loss?: string;
  readonly duplicate?: string;
  readonly reorder?: string;
  readonly dns?: FaultDns;
}

export interface FaultDns {
  readonly rcode?: string;
  readonly delay?: string;
  readonly share?: string;
  /** The name asked for, or one above it; absent: all. */
  readonly name?: string;
}

/** An end of a flow: all that is given must hold. */
export interface FaultPeer {
  /** Pods with these labels. */
  readonly podSelector?: LabelSelector;
  /** Pods of this namespace, and with `service` the Service's. */
  readonly namespace?: string;
  /** The pod with this name. */
  readonly pod?: string;
  /** This node and the pods on it. */
  readonly node?: string;
  /** Programs of this machine that are neither pod nor node (false: anything else). */
  readonly host?: boolean;
  /** In `to`: flows through this Service; in `from`: the pods that it selects. */
  readonly service?: string;
  /** Addresses in this block. */
  readonly cidr?: string;
}

export interface FaultStatus {
  readonly observedGeneration?: number;
  /** Open connections that the rule matched when it came. */
  readonly liveFlows?: number;
  /** Those of them that go on unshaped: shaping works on connections opened afterwards. */
  readonly unshapedFlows?: number;
}
