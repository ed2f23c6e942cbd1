// first: the rule meets only the first so many flows of each client, counted from when it came. Alone, it refuses them.
import type { FaultKind } from "./fault.ts";
import { readCount } from "./setting.ts";

export const first: FaultKind = {
  field: "first",
  example: "first=3",
  read: (value) => ({ firstFlows: readCount(value) }),
};
