// Every kind of fault, in the order in which a flow meets them. Adding one is one file and one line here (and its field in the schema
// of kind Fault).
import { dns } from "./dns.ts";
import { duplicate } from "./duplicate.ts";
import type { FaultKind } from "./fault.ts";
import { first } from "./first.ts";
import { jitter } from "./jitter.ts";
import { latency } from "./latency.ts";
import { loss } from "./loss.ts";
import { partition } from "./partition.ts";
import { rate } from "./rate.ts";
import { refuse } from "./refuse.ts";
import { reorder } from "./reorder.ts";
import { reset } from "./reset.ts";
import { slowClose } from "./slow-close.ts";

export const FAULT_KINDS: readonly FaultKind[] = [
  first,
  partition,
  refuse,
  reset,
  loss,
  duplicate,
  dns,
  rate,
  latency,
  jitter,
  reorder,
  slowClose,
];
