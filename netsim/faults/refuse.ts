// refuse: connections get ECONNREFUSED (on an accepted socket a reset, its handshake is done), datagrams port unreachable;
// connections open already are reset, as when a server goes down.
import type { FaultKind } from "./fault.ts";
import { readFlag } from "./setting.ts";

export const refuse: FaultKind = {
  field: "refuse",
  example: "refuse",
  read: (value) => (readFlag(value) ? { live: "reset", open: () => "refuse" } : undefined),
};
