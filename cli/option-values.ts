// Values of command-line options: each parses its text or throws InvalidArgumentError, which commander prints with the option's name.
import { InvalidArgumentError } from "commander";
import { type ClusterOptions, PROXY_MODES } from "../cluster/options.ts";
import { isCidr } from "../model/ip.ts";

type NodeModes = NonNullable<ClusterOptions["nodeProxyModes"]>;

/** An address block. */
export const cidr = (text: string): string => {
  if (!isCidr(text)) throw new InvalidArgumentError("not an address block such as 127.96.0.0/16");
  return text;
};

/** `primary`, or address blocks, separated by commas. */
export const nodePortAddresses = (text: string): readonly string[] => {
  if (text === "primary") return [text];
  const blocks = text.split(",");
  if (!blocks.every(isCidr)) throw new InvalidArgumentError("neither primary nor address blocks such as 127.18.0.2/32,127.18.0.3/32");
  return blocks;
};

/** `30000-32767` */
export const portRange = (text: string): { readonly first: number; readonly last: number } => {
  const [first = 0, last = 0] = /^\d+-\d+$/.test(text) ? text.split("-").map(Number) : [];
  if (first < 1 || last > 65535 || last < first) throw new InvalidArgumentError("not a port range such as 30000-32767");
  return { first, last };
};

/** A number of things, from 1 to 999. */
export const count = (text: string): number => {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError("not a number from 1 to 999");
  return Number(text);
};

/** `100ms`, `2s`, or plain milliseconds. */
export const duration = (text: string): number => {
  const match = /^(\d+(?:\.\d+)?)(ms|s)?$/.exec(text);
  if (!match) throw new InvalidArgumentError("not a duration such as 200ms or 2s");
  return Number(match[1]) * (match[2] === "s" ? 1000 : 1);
};

/** `node=mode`, collected over repetitions. */
export const nodeProxyMode = (text: string, all: NodeModes): NodeModes => {
  const [, node, mode] = /^([^=]+)=(\w+)$/.exec(text) ?? [];
  const known = PROXY_MODES.find((each) => each === mode);
  if (node === undefined || !known)
    throw new InvalidArgumentError(`not a node and its mode such as loopkube-worker=ipvs; modes: ${PROXY_MODES.join(", ")}`);
  return { ...all, [node]: known };
};
