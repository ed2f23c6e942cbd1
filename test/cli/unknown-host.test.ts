// Names that are nearly right.
import t from "tap";
import { nearest } from "../../cli/unknown-host.ts";

const NAMES = ["web", "cart", "shop", "shop-pods", "kube-dns.kube-system"];
for (const [typed, expected] of [
  ["wev", "web"],
  ["we", "web"],
  ["wbe", "web"],
  ["webb", "web"],
  ["shpo", "shop"],
  ["shop-pod", "shop-pods"],
  ["crat", "cart"],
  ["web", ""],
  ["x", ""],
  ["db", ""],
  ["example", ""],
] as const)
  t.equal(nearest(typed, NAMES).join(" "), expected, typed);
t.strictSame(nearest("shoq", ["shops", "shop"]), ["shop", "shops"], "the nearest first");
