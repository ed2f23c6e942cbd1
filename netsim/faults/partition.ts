// partition: nothing gets through, whoever opened the flow: new ones time out, open ones stand still until it is gone.
import type { FaultKind } from "./fault.ts";
import { readFlag } from "./setting.ts";

export const partition: FaultKind = {
  field: "partition",
  example: "partition",
  read: (value) => (readFlag(value) ? { live: "stall", open: () => "drop" } : undefined),
};
