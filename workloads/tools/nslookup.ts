// nslookup: name or address, an optional server, -type=T, in the print of busybox ≥ 1.34 and of BIND (`bind`), which differ in little.
// Left out: the interactive mode.
import type { DnsStep, SocketAddress } from "../../model/ports.ts";
import { ipFamily } from "../../model/ip.ts";
import { ask, relative, reverseName, serverAddress, serverOf, unanswered, isRecordType } from "./dns-query.ts";
import { write } from "./streams.ts";
import { fail, type NamedTool, type ToolIo } from "./tool.ts";

export const nslookup: NamedTool = {
  name: "nslookup",
  async run(argv, io) {
    let types: string[] = [];
    let port = 53;
    const operands: string[] = [];
    for (const word of argv.slice(1)) {
      const option = /^-(?:(?:query|querytype|type|q|t)=(\w+)|port=(\d+)|(?:timeout|retry)=\d+|debug)$/i.exec(word);
      if (option?.[1] !== undefined)
        types = option[1].toUpperCase() === "ANY" ? ["A", "AAAA", "SRV", "TXT"] : [...types, option[1].toUpperCase()];
      else if (option?.[2] !== undefined) port = Number(option[2]);
      else if (word.startsWith("-") && !option)
        return fail(io, `nslookup: unrecognized option: ${word}\nUsage: nslookup [-type=QUERY_TYPE] HOST [DNS_SERVER]`);
      else if (!option) operands.push(word);
    }
    const [name, serverText] = operands;
    const unknown = types.find((type) => !isRecordType(type));
    if (unknown !== undefined) return fail(io, `nslookup: invalid query type '${unknown.toLowerCase()}'`);
    if (name === undefined) return fail(io, "Usage: nslookup [-type=QUERY_TYPE] HOST [DNS_SERVER]");
    let server: SocketAddress | undefined;
    if (serverText !== undefined) {
      server = await serverAddress(serverText, port, io);
      if (!server) return fail(io, `nslookup: couldn't get address for '${serverText}': not found`);
    } else if (port !== 53) server = { ip: io.context.resolvConf.nameservers[0] ?? "127.0.0.1", port };
    return lookUp(name, types, server, serverText, io);
  },
};

async function lookUp(
  name: string,
  types: readonly string[],
  server: SocketAddress | undefined,
  serverText: string | undefined,
  io: ToolIo,
): Promise<number> {
  const reverse = ipFamily(name) !== undefined;
  const wanted = reverse ? ["PTR"] : types.length > 0 ? types : ["A", "AAAA"];
  const results: DnsStep[] = [];
  for (const type of wanted) {
    const steps = await ask({ name: reverse ? reverseName(name) : name, type, search: !reverse, ...(server ? { server } : {}) }, io);
    const last = steps.at(-1);
    if (last) results.push(last);
    if (last && unanswered(last)) break;
  }
  const [first] = results;
  if (!first) return 1;
  const { ip, port } = serverOf(first);
  if (unanswered(first)) {
    const line = `;; communications error to ${ip}#${port}: ${first.rcode === "TIMEOUT" ? "timed out" : "connection refused"}\n`;
    await write(io, `${line.repeat(3)};; no servers could be reached\n\n`);
    return 1;
  }
  let out = `Server:\t\t${serverText ?? ip}\nAddress:\t${ip.includes(":") ? `[${ip}]` : ip}:${port}\n\n`;
  const answered = results.filter((step) => step.answers.length > 0);
  const found = answered.length > 0;
  for (const step of found ? answered : results.slice(0, 1)) {
    const owner = relative(step.name);
    if (found) out += answerText(step);
    else if (step.rcode === "NOERROR") out += `*** Can't find ${owner}: No answer\n`;
    else out += `** server can't find ${reverse ? owner : step.rcode === "NXDOMAIN" ? owner : name}: ${step.rcode}\n`;
  }
  await write(io, `${out}\n`);
  return Number(!found);
}

function answerText(step: DnsStep): string {
  return step.answers
    .map(({ name, type, data }) => {
      const owner = relative(name);
      switch (type) {
        case "A":
        case "AAAA":
          return `Name:\t${owner}\nAddress: ${data}\n`;
        case "CNAME":
          return `${owner}\tcanonical name = ${data}\n`;
        case "PTR":
          return `${owner}\tname = ${data}\n`;
        case "SRV":
          return `${owner}\tservice = ${data}\n`;
        case "TXT":
          return `${owner}\ttext = ${data}\n`;
        case "NS":
          return `${owner}\tnameserver = ${data}\n`;
        default:
          return `${owner}\t${type} ${data}\n`;
      }
    })
    .join("");
}
