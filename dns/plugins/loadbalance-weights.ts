// The weight file of loadbalance: domain names, each followed by lines of an address and its weight.
// Upstream: CoreDNS plugin/loadbalance/weighted.go.
import { canonicalIp } from "../../model/ip.ts";
import { CorefileError } from "../corefile.ts";
import type { Token } from "../corefile.ts";
import { fqdn } from "../name.ts";
import { durationText } from "../plugin.ts";
import type { PluginEnv } from "../plugin.ts";

const MAX_WEIGHT = 255;
const UNREADABLE = "failed to open weight file";

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
    if (this.#text === undefined && reloadMs === 0) throw new CorefileError(UNREADABLE, token);
    if (this.#text === undefined)
      env.log(`[WARNING] plugin/loadbalance: Failed to open weight file:${UNREADABLE}. Will try again in ${durationText(reloadMs)}`);
    const read = parse(this.#text ?? "", token.text);
    if (typeof read === "string") throw new CorefileError(read, token);
    this.#take(read);
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
    if (text === this.#text && text !== undefined) return;
    const read = text === undefined ? UNREADABLE : parse(text, this.#file);
    if (text !== undefined) this.#text = text;
    if (typeof read === "string") this.#env.log(`[ERROR] plugin/loadbalance: ${read}`);
    else this.#take(read);
  }
  #take(weights: ReadonlyMap<string, number>): void {
    this.#weights = weights;
    if (this.#text !== undefined) this.#env.log(`[INFO] plugin/loadbalance: Successfully reloaded weight file ${this.#file}`);
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
