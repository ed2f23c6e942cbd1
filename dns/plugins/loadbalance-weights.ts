// The weight file of loadbalance: domain names, each followed by lines of an address and its weight.
// Upstream: CoreDNS plugin/loadbalance/weighted.go.
import { canonicalIp } from "../../model/ip.ts";
import { CorefileError } from "../corefile.ts";
import type { Token } from "../corefile.ts";
import { fqdn } from "../name.ts";
import type { PluginEnv } from "../plugin.ts";

const MAX_WEIGHT = 255;

export class WeightFile {
  readonly #file: string;
  readonly #reloadMs: number;
  readonly #env: PluginEnv;
  #text: string | undefined;
  #readAtMs: number;
  #weights: ReadonlyMap<string, number> = new Map();

  /** Throws CorefileError for a file that cannot be read, unless it may come later. */
  constructor(token: Token, reloadMs: number, env: PluginEnv) {
    this.#file = token.text;
    this.#reloadMs = reloadMs;
    this.#env = env;
    this.#readAtMs = env.clock.now();
    this.#text = env.readFile(token.text);
    if (this.#text === undefined && reloadMs === 0) throw new CorefileError(`failed to open weight file ${token.text}`, token);
    const read = parse(this.#text ?? "", token.text);
    if (typeof read === "string") throw new CorefileError(read, token);
    this.#weights = read;
  }
  /** Of an address of a name; 1 when the file does not say. */
  of(name: string, address: string): number {
    this.#reload();
    return this.#weights.get(`${name} ${address}`) ?? 1;
  }
  /** A file that has become unreadable leaves the weights as they are. */
  #reload(): void {
    const now = this.#env.clock.now();
    if (this.#reloadMs === 0 || now - this.#readAtMs < this.#reloadMs) return;
    this.#readAtMs = now;
    const text = this.#env.readFile(this.#file);
    if (text === undefined || text === this.#text) return;
    this.#text = text;
    const read = parse(text, this.#file);
    if (typeof read === "string") this.#env.log(`[ERROR] plugin/loadbalance: ${read}`);
    else this.#weights = read;
  }
}

/** Weights by "name address", or what is wrong with the file. */
function parse(text: string, file: string): ReadonlyMap<string, number> | string {
  const weights = new Map<string, number>();
  let name: string | undefined;
  for (const line of text.split("\n").map((each) => each.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const [first = "", second, ...more] = line.split(/\s+/);
    if (more.length > 0) return `could not parse weight line:"${line}" in weight file ${file}`;
    const ip = canonicalIp(first);
    if (second === undefined) {
      if (ip !== undefined) return `wrong domain name:"${first}" in weight file ${file}. (Maybe a missing weight value?)`;
      name = fqdn(first);
      continue;
    }
    if (ip === undefined) return `wrong IP address:"${first}" in weight file ${file}`;
    const weight = /^\d+$/.test(second) ? Number(second) : 0;
    if (weight < 1 || weight > MAX_WEIGHT) return `wrong weight value:"${second}" in weight file ${file}`;
    if (name === undefined) return `missing domain name in weight file ${file}`;
    if (!weights.has(`${name} ${ip}`)) weights.set(`${name} ${ip}`, weight);
  }
  return weights;
}
