// host (BIND) and getent hosts|ahosts (the C library's view: /etc/hosts first, then DNS with the search path).
import { ipFamily } from "../../model/ip.ts";
import { absolute, ask, relative, reverseName, serverAddress, serverOf, unanswered, isRecordType } from "./dns-query.ts";
import { write } from "./streams.ts";
import { fail, isLookupError, type NamedTool, type ToolIo } from "./tool.ts";

const host: NamedTool = {
  name: "host",
  async run(argv, io) {
    const words = [...argv.slice(1)];
    let types = ["A", "AAAA"];
    const operands: string[] = [];
    while (words.length > 0) {
      const word = words.shift() ?? "";
      if (word === "-t") types = [(words.shift() ?? "A").toUpperCase()];
      else if (word === "-W" || word === "-R") words.shift();
      else if (!word.startsWith("-")) operands.push(word);
    }
    const [name, serverText] = operands;
    const unknown = types.find((type) => !isRecordType(type));
    if (unknown !== undefined) return fail(io, `host: invalid type: ${unknown.toLowerCase()}`);
    if (name === undefined) return fail(io, "Usage: host [-t type] {hostname} [server]");
    const server = serverText === undefined ? undefined : await serverAddress(serverText, 53, io);
    if (serverText !== undefined && !server) return fail(io, `host: couldn't get address for '${serverText}': not found`);
    if (server) await write(io, `Using domain server:\nName: ${serverText ?? ""}\nAddress: ${server.ip}#${server.port}\nAliases: \n\n`);
    const reverse = ipFamily(name) !== undefined;
    let found = false;
    let asked = { name: reverse ? reverseName(name) : name, search: !reverse };
    for (const type of reverse ? ["PTR"] : types) {
      const step = (await ask({ ...asked, type, ...(server ? { server } : {}) }, io)).at(-1);
      if (!step) continue;
      // Where the search path has led is asked for the other types.
      asked = { name: step.answers.findLast((record) => record.type === "CNAME")?.data ?? absolute(step.name), search: false };
      if (unanswered(step)) {
        const { ip, port } = serverOf(step);
        await write(
          io,
          `;; communications error to ${ip}#${port}: ${step.rcode === "TIMEOUT" ? "timed out" : "connection refused"}\n;; no servers could be reached\n`,
        );
        return 1;
      }
      if (step.rcode !== "NOERROR") {
        await write(
          io,
          `Host ${reverse ? relative(step.name) : name} not found: ${step.rcode === "NXDOMAIN" ? "3(NXDOMAIN)" : step.rcode === "SERVFAIL" ? "2(SERVFAIL)" : "5(REFUSED)"}\n`,
        );
        return 1;
      }
      for (const record of step.answers) {
        found = true;
        const owner = relative(record.name);
        const texts: Readonly<Record<string, string>> = {
          A: "has address",
          AAAA: "has IPv6 address",
          CNAME: "is an alias for",
          PTR: "domain name pointer",
          SRV: "has SRV record",
          TXT: "descriptive text",
          NS: "name server",
        };
        await write(io, `${owner} ${texts[record.type] ?? `has ${record.type} record`} ${record.data}\n`);
      }
    }
    if (!found) await write(io, `${name} has no ${types[0] ?? "A"} record\n`);
    return Number(!found);
  },
};

const getent: NamedTool = {
  name: "getent",
  async run(argv, io) {
    const [, database, ...names] = argv;
    if (!["hosts", "ahosts", "ahostsv4", "ahostsv6"].includes(database ?? ""))
      return fail(io, `Unknown database: ${database ?? ""}\nTry \`getent hosts NAME'.`, 1);
    if (names.length === 0 && database === "hosts") {
      const lines = (io.files.read("/etc/hosts") ?? "")
        .split("\n")
        .map((line) => line.replace(/#.*/, "").trim().split(/\s+/))
        .filter(([ip]) => ip);
      await write(io, lines.map(([ip = "", ...rest]) => `${ip.padEnd(15)} ${rest.join(" ")}\n`).join(""));
      return 0;
    }
    let status = 0;
    for (const name of names) {
      try {
        const ips = (await io.context.lookup(name))
          .filter((ip) => database !== "ahostsv4" || ipFamily(ip) === "IPv4")
          .filter((ip) => database !== "ahostsv6" || ipFamily(ip) === "IPv6");
        if (database === "hosts") {
          const owner = await canonicalName(name, io);
          if (owner === undefined) status = 2;
          else await write(io, ips.map((ip) => `${ip.padEnd(15)} ${owner}\n`).join(""));
        } else {
          const kinds = ["STREAM", "DGRAM", "RAW"];
          const owner = ipFamily(name) ? name : (await canonicalName(name, io))?.split(" ")[0];
          await write(
            io,
            ips
              .flatMap((ip, index) =>
                kinds.map((kind, at) => `${ip.padEnd(15)} ${kind}${index === 0 && at === 0 ? ` ${owner ?? name}` : ""}\n`),
              )
              .join(""),
          );
        }
      } catch (error) {
        if (!isLookupError(error)) throw error;
        status = 2;
      }
    }
    return status;
  },
};

/** The name that the C library gives a host: its /etc/hosts line, the name that the search path found, or an address's PTR. */
async function canonicalName(name: string, io: ToolIo): Promise<string | undefined> {
  const reverse = ipFamily(name) !== undefined;
  const lines = (io.files.read("/etc/hosts") ?? "").split("\n").map((line) => line.replace(/#.*/, "").trim().split(/\s+/));
  const listed = lines.find(([ip, ...names]) => (reverse ? ip === name : names.includes(name)));
  if (listed) return listed.slice(1).join(" ");
  const step = (await ask({ name: reverse ? reverseName(name) : name, type: reverse ? "PTR" : "A", search: !reverse }, io)).at(-1);
  if (!reverse) return step && step.answers.length > 0 ? relative(step.name) : name;
  const pointer = step?.answers.find(({ type }) => type === "PTR")?.data;
  return pointer === undefined ? undefined : relative(pointer);
}

export const lookups: readonly NamedTool[] = [host, getent];
