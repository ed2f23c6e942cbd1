// rewrite edns0: options of the query are set, appended, replaced or unset: local codes, NSID and the client's subnet.
// Upstream: CoreDNS plugin/rewrite/edns0.go. An option that a rule set is shown in the answer, unless the rule says `revert`.
import { canonicalIp } from "../../model/ip.ts";
import type { Token } from "../corefile.ts";
import type { Edns, EdnsOption, Query } from "../message.ts";
import { collectsMetadata, queryMetadata } from "../metadata.ts";
import { expandIpv6 } from "../name.ts";
import type { PluginEnv } from "../plugin.ts";
import { isKubernetesPlugin } from "../plugins/kubernetes.ts";
import { invalid } from "./rule.ts";
import type { RewriteRule, RuleReader } from "./rule.ts";

const [NSID, SUBNET] = [3, 8];
/** Of the OPT record that a query gets which had none. */
const UDP_BYTES = 4096;
const NO_EDNS: Edns = { udpSize: UDP_BYTES, version: 0, do: false, options: [] };
const VARIABLES: ReadonlySet<string> = new Set(["qname", "qtype", "client_ip", "client_port", "protocol", "server_ip", "server_port"]);

type Action = "set" | "append" | "replace" | "unset";
/** The data for a query; undefined when there is none to be had. */
type Data = (query: Query) => Uint8Array | undefined;

export const readEdns0Rule: RuleReader = (words, at, env) => {
  if (words.length < 2) return invalid("too few arguments for an EDNS0 rule", at);
  const [kind = "", verb = ""] = [words[0]?.toLowerCase(), words[1]?.toLowerCase()];
  const action = readAction(verb, at);
  const revert = action !== "unset" && words.at(-1) === "revert";
  const args = words.slice(2, revert ? -1 : undefined);
  const expect = (count: number, otherwise: string): void => {
    const wanted = action === "unset" && kind === "local" ? 1 : action === "unset" ? 0 : count;
    const unset = `${kind} unset action requires exactly ${kind === "local" ? "two arguments" : "one argument"}`;
    if (args.length !== wanted) invalid(action === "unset" ? unset : otherwise, at);
  };
  switch (kind) {
    case "local": {
      expect(2, "EDNS0 local rules require three or four args");
      const code = readUint16(args[0] ?? "", at);
      const data = action === "unset" ? () => new Uint8Array() : readData(args[1] ?? "", at, env);
      return { ...optionRule(code, action, data, revert), option: code };
    }
    case "nsid":
      expect(0, "EDNS0 NSID rules can accept no more than one arg");
      return optionRule(NSID, action, () => new Uint8Array(), revert);
    case "subnet": {
      expect(2, "EDNS0 subnet rules require three or four args");
      const [four = "0", six = "0"] = args;
      const [v4, v6] = [readBits(four, 32, "IPv4", at), readBits(six, 128, "IPv6", at)];
      return optionRule(SUBNET, action, (query) => subnetOf(query.client.ip, v4, v6), revert);
    }
    default:
      return invalid(`invalid rule type "${kind}"`, at);
  }
};

function readAction(verb: string, at: Token): Action {
  if (verb === "set" || verb === "append" || verb === "replace" || verb === "unset") return verb;
  return invalid(`invalid action: "${verb}"`, at);
}

/** A number in any of Go's notations. */
function readUint16(text: string, at: Token): number {
  const value = /^(?:0x[0-9a-f]+|0b[01]+|0o?[0-7]+|[1-9]\d*|0)$/i.test(text) ? Number(text.replace(/^0(?=[0-7])/, "0o")) : NaN;
  const reason = Number.isNaN(value) ? "invalid syntax" : "value out of range";
  return value <= 0xffff ? value : invalid(`strconv.ParseUint: parsing "${text}": ${reason}`, at);
}

function readBits(text: string, max: number, family: string, at: Token): number {
  const value = readUint16(text, at);
  return value <= max ? value : invalid(`invalid ${family} bit mask length ${value}`, at);
}

function readData(text: string, at: Token, env: PluginEnv): Data {
  if (text.startsWith("{") && text.endsWith("}")) return readVariable(text.slice(1, -1), at, env);
  if (!text.startsWith("0x")) return () => Buffer.from(text, "latin1");
  if (!/^0x(?:[0-9a-f]{2})*$/i.test(text)) return invalid(`encoding/hex: invalid data "${text}"`, at);
  return () => Buffer.from(text.slice(2), "hex");
}

function readVariable(name: string, at: Token, env: PluginEnv): Data {
  if (!VARIABLES.has(name) && !/^[^/]+\/[^/]+(?:\/[^/]+)*$/.test(name)) return invalid(`unsupported variable name "{${name}}"`, at);
  const u16 = (value: number): Uint8Array => Buffer.from([value >> 8, value & 255]);
  return (query) => {
    const six = query.client.ip.includes(":");
    switch (name) {
      case "qname":
        return Buffer.from(query.question.name, "latin1");
      case "qtype":
        return u16(query.question.type);
      case "client_ip":
        return addressBytes(query.client.ip);
      case "client_port":
        return u16(query.client.port);
      case "protocol":
        return Buffer.from(query.transport);
      case "server_ip":
        return addressBytes(env.serverIPs.find((ip) => ip.includes(":") === six) ?? "");
      case "server_port":
        return u16(env.port);
      default: {
        const plugins = env.plugins();
        const view = collectsMetadata(plugins, query.name) ? plugins.find(isKubernetesPlugin)?.view : undefined;
        const value = view && queryMetadata(view, query)[name];
        return value ? Buffer.from(value) : undefined;
      }
    }
  };
}

/** The octets of an address. */
function addressBytes(ip: string): Uint8Array | undefined {
  const canonical = canonicalIp(ip);
  if (canonical === undefined) return undefined;
  return canonical.includes(":") ? Buffer.from(expandIpv6(canonical), "hex") : Buffer.from(canonical.split(".").map(Number));
}

/** RFC 7871: family, prefix lengths, and the octets of the address that the prefix covers, the rest of the last one cleared. */
function subnetOf(ip: string, v4: number, v6: number): Uint8Array | undefined {
  const address = addressBytes(ip);
  if (!address) return undefined;
  const bits = address.length === 4 ? v4 : v6;
  const prefix = Buffer.from(address.subarray(0, Math.ceil(bits / 8)));
  const last = prefix.length - 1;
  if (bits % 8 !== 0) prefix[last] = (prefix[last] ?? 0) & (0xff << (8 - (bits % 8)));
  return Buffer.concat([Buffer.from([0, address.length === 4 ? 1 : 2, bits, 0]), prefix]);
}

function optionRule(code: number, action: Action, data: Data, revert: boolean): RewriteRule {
  return {
    rewrite(query) {
      const edns = query.edns ?? NO_EDNS;
      const old = edns.options.find((option) => option.code === code);
      if (action === "unset")
        return rewritten(
          query,
          edns,
          edns.options.filter((option) => option !== old),
          undefined,
        );
      if (old ? action === "append" : action === "replace") return undefined;
      const bytes = data(query);
      if (!bytes) return undefined;
      const option = { code, data: bytes };
      const options = old ? edns.options.map((each) => (each === old ? option : each)) : [...edns.options, option];
      return rewritten(query, edns, options, revert ? (shown) => restored(shown, code, old) : undefined);
    },
  };
}

function rewritten(
  query: Query,
  edns: Edns,
  options: readonly EdnsOption[],
  shown: ((edns: Edns) => Edns) | undefined,
): ReturnType<RewriteRule["rewrite"]> {
  return { query: { ...query, edns: { ...edns, options } }, responses: shown ? [{ edns: shown }] : [] };
}

/** The options with this one as it was before, or gone. */
function restored(edns: Edns, code: number, old: EdnsOption | undefined): Edns {
  const options = edns.options.flatMap((option) => (option.code === code ? (old ?? []) : option));
  return { ...edns, options };
}
