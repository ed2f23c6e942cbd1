// Maglev hashing (Eisenbud et al., NSDI 2016): a prime-sized table that targets fill in turn, each along its own permutation.
// Nearly perfect balance, small disruption. Weights: a target takes its turn in that share of the rounds.
import { type BalancerKind, eligible, loadBlind, type Target, weightOf } from "./balancer.ts";
import { hash32 } from "../model/random.ts";

/** Table of target indexes; `size` must be prime and well above the number of targets. Independent of the order of `targets`. */
export function maglevTable(targets: readonly Target[], size = 65537): Int32Array {
  const order = targets.map((_, index) => index).sort((a, b) => ((targets[a]?.id ?? "") < (targets[b]?.id ?? "") ? -1 : 1));
  const maxWeight = Math.max(...targets.map(weightOf), 0);
  const slots = order.map((index) => {
    const id = targets[index]?.id ?? "";
    return {
      index,
      at: hash32(id, 1) % size,
      skip: (hash32(id, 2) % (size - 1)) + 1,
      share: weightOf(targets[index] ?? { id }) / maxWeight,
      due: 0,
    };
  });
  const table = new Int32Array(size).fill(-1);
  if (slots.length === 0 || maxWeight === 0) return table;
  for (let filled = 0; filled < size;) {
    for (const slot of slots) {
      slot.due += slot.share;
      if (slot.due < 1 - 1e-9) continue;
      slot.due -= 1;
      while ((table[slot.at] ?? 0) >= 0) slot.at = (slot.at + slot.skip) % size;
      table[slot.at] = slot.index;
      if (++filled === size) break;
    }
  }
  return table;
}

export const maglev: BalancerKind = {
  name: "maglev",
  summary: "consistent hashing of the key through a Maglev table",
  create({ tableSize = 65537 }) {
    let last: readonly Target[] = [];
    let signature = "";
    let table = maglevTable([], tableSize);
    return {
      ...loadBlind,
      pick(targets, { key }) {
        const open = eligible(targets);
        if (open !== last) {
          const now = open.map((target) => `${target.id}*${weightOf(target)}`).join();
          if (now !== signature) table = maglevTable(open, tableSize);
          [last, signature] = [open, now];
        }
        return open[table[hash32(key) % tableSize] ?? -1];
      },
    };
  },
};
