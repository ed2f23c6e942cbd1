// An nftables table as plain data, and its text as `nft list ruleset` writes it: `nft -f` loads that text unmodified.
// Upstream: sigs.k8s.io/knftables. Rules are text in nft's own canonical spelling; nothing here evaluates them.

/** A set, or with `verdicts` a verdict map. */
export interface NftSet {
  /** `ipv4_addr`, `ipv4_addr . inet_proto . inet_service`. */
  readonly type: string;
  readonly verdicts: boolean;
  readonly flags?: string;
  /** What the kernel gives a dynamic set. */
  readonly sizeLimit?: number;
  /** Seconds that an element lives. */
  readonly timeoutSeconds?: number;
  readonly comment?: string;
  readonly elements: Map<string, NftElement>;
}

export interface NftElement {
  readonly comment?: string;
  /** `goto service-…`, `drop`; maps only. */
  readonly verdict?: string;
}

export interface NftChain {
  /** `type nat hook output priority -100`; absent for a chain that is jumped to. */
  readonly hook?: string;
  readonly comment?: string;
  readonly rules: readonly string[];
}

export interface NftTable {
  readonly family: "ip" | "ip6";
  readonly name: string;
  readonly comment: string;
  readonly sets: Map<string, NftSet>;
  readonly chains: Map<string, NftChain>;
}

/** The table as `nft list table` prints it. */
export function nftTableText(table: NftTable): string {
  const blocks = [
    ...[...table.sets].map(([name, set]) => setLines(name, set)),
    ...[...table.chains].map(([name, chain]) => chainLines(name, chain)),
  ];
  const lines = [`table ${table.family} ${table.name} {`, `\tcomment "${table.comment}"`];
  blocks.forEach((block, i) => lines.push(...(i === 0 ? [] : [""]), ...block));
  return `${lines.join("\n")}\n}\n`;
}

function setLines(name: string, set: NftSet): readonly string[] {
  const lines = [`\t${set.verdicts ? "map" : "set"} ${name} {`, `\t\ttype ${set.type}${set.verdicts ? " : verdict" : ""}`];
  if (set.sizeLimit !== undefined) lines.push(`\t\tsize ${set.sizeLimit}`);
  if (set.flags !== undefined) lines.push(`\t\tflags ${set.flags}`);
  if (set.timeoutSeconds !== undefined) lines.push(`\t\ttimeout ${durationText(set.timeoutSeconds)}`);
  if (set.comment !== undefined) lines.push(`\t\tcomment "${set.comment}"`);
  if (set.elements.size > 0) {
    const separator = set.verdicts || set.type.includes(" . ") ? ",\n\t\t\t     " : ", ";
    lines.push(`\t\telements = { ${[...set.elements].map(elementText).join(separator)} }`);
  }
  return [...lines, "\t}"];
}

function elementText([key, { comment, verdict }]: readonly [string, NftElement]): string {
  return `${key}${comment === undefined ? "" : ` comment "${comment}"`}${verdict === undefined ? "" : ` : ${verdict}`}`;
}

function chainLines(name: string, chain: NftChain): readonly string[] {
  const lines = [`\tchain ${name} {`];
  if (chain.comment !== undefined) lines.push(`\t\tcomment "${chain.comment}"`);
  if (chain.hook !== undefined) lines.push(`\t\t${chain.hook}; policy accept;`);
  return [...lines, ...chain.rules.map((rule) => `\t\t${rule}`), "\t}"];
}

/** `10800` → `3h`, `90` → `1m30s`. */
function durationText(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  return parts.map(([count, unit]) => (count > 0 ? `${count}${unit}` : "")).join("") || "0s";
}
