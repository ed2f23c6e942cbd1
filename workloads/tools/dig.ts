// dig: @server, -t, -x, -p, +short +noall +answer +tcp +search +norecurse and the section switches, in BIND 9.18's print.
// Left out: -f, -k, DNSSEC, +trace, transfers of more than one message.
import type { DnsRecord, DnsStep, SocketAddress } from "../../model/ports.ts";
import { absolute, ask, isRecordType, reverseName, serverAddress, serverOf, unanswered } from "./dns-query.ts";
import { formatDate } from "./date.ts";
import { write } from "./streams.ts";
import { fail, type NamedTool, type ToolIo } from "./tool.ts";

const VERSION = "9.18.28";

export const dig: NamedTool = {
  name: "dig",
  async run(argv, io) {
    const on = new Set(["question", "answer", "authority", "additional", "comments", "cmd", "stats", "recurse", "edns"]);
    const questions: { name: string; type: string }[] = [];
    let server: SocketAddress | undefined;
    let serverText: string | undefined;
    let type: string | undefined;
    let port = 53;
    const words = argv.slice(1);
    for (let i = 0; i < words.length; i++) {
      const word = words[i] ?? "";
      const valued = /^-([xtpqcb])(.*)$/.exec(word);
      if (word === "-v") return (io.stderr.write(`DiG ${VERSION}\n`), 0);
      if (word === "-h") return (await write(io, "Usage:  dig [@global-server] [domain] [q-type] {q-opt}\n"), 0);
      if (word.startsWith("@")) serverText = word.slice(1);
      else if (word.startsWith("+")) {
        const error = switchOption(word.slice(1), on);
        if (error !== undefined) return fail(io, `Invalid option: +${error}\nUsage:  dig [@global-server] [domain] [q-type] {q-opt}`, 1);
      } else if (word === "-4" || word === "-6" || word === "-u" || word === "-r") continue;
      else if (valued) {
        const value = valued[2] === "" ? (words[++i] ?? "") : (valued[2] ?? "");
        if (valued[1] === "x") questions.push({ name: reverseName(value), type: "PTR" });
        else if (valued[1] === "t" && !isRecordType(value)) io.stderr.write(`;; Warning, ignoring invalid type ${value}\n`);
        else if (valued[1] === "t") type = value.toUpperCase();
        else if (valued[1] === "p") port = Number(value);
        else if (valued[1] === "q") questions.push({ name: value, type: "" });
      } else if (isRecordType(word)) {
        const last = questions.at(-1);
        if (last) last.type = word.toUpperCase();
        else type = word.toUpperCase();
      } else if (/^(IN|CH|HS)$/i.test(word)) continue;
      else questions.push({ name: word, type: "" });
    }
    if (questions.length === 0) questions.push({ name: ".", type: "NS" });
    if (serverText !== undefined) {
      server = await serverAddress(serverText, port, io);
      if (!server) return fail(io, `dig: couldn't get address for '${serverText}': not found`, 10);
    } else if (port !== 53) server = { ip: io.context.resolvConf.nameservers[0] ?? "127.0.0.1", port };
    let status = 0;
    for (const question of questions) {
      const asked = question.type || type || "A";
      const steps = await ask(
        {
          name: question.name,
          type: asked,
          search: on.has("search") && asked !== "AXFR",
          tcp: on.has("tcp") || asked === "AXFR",
          ...(server ? { server } : {}),
        },
        io,
      );
      const step = steps.at(-1);
      if (!step) continue;
      status = Math.max(status, await print(step, argv.slice(1), serverText, on, io));
    }
    return status;
  },
};

function switchOption(word: string, on: Set<string>): string | undefined {
  const negative = word.startsWith("no");
  const name = (negative ? word.slice(2) : word).replace(/=.*$/, "");
  const full: Readonly<Record<string, string>> = {
    vc: "tcp",
    domain: "search",
    defname: "search",
    rec: "recurse",
    multi: "multiline",
    add: "additional",
    auth: "authority",
  };
  const key = full[name] ?? name;
  if (key === "all") {
    for (const section of ["question", "answer", "authority", "additional", "comments", "stats"]) {
      if (negative) on.delete(section);
      else on.add(section);
    }
    if (negative) on.delete("cmd");
    return undefined;
  }
  const known = [
    "question",
    "answer",
    "authority",
    "additional",
    "comments",
    "cmd",
    "stats",
    "recurse",
    "short",
    "tcp",
    "search",
    "edns",
    "time",
    "timeout",
    "tries",
    "retry",
    "ndots",
    "bufsize",
    "dnssec",
    "cookie",
    "ttlid",
    "class",
    "identify",
    "multiline",
    "adflag",
    "cdflag",
    "ignore",
    "showsearch",
    "qr",
    "nssearch",
  ];
  if (!known.includes(key)) return word;
  if (negative) on.delete(key);
  else on.add(key);
  if (key === "short" && !negative)
    for (const section of ["question", "comments", "cmd", "stats", "authority", "additional"]) on.delete(section);
  return undefined;
}

/** Columns as BIND lays them out: tabs to a multiple of 8, or one space where the column has been passed. */
function columns(cells: readonly string[], stops: readonly number[]): string {
  let out = "";
  let at = 0;
  cells.forEach((cell, index) => {
    const to = stops[index - 1] ?? 0;
    const tabs = Math.floor(to / 8) - Math.floor(at / 8);
    if (index > 0) {
      out += at < to ? "\t".repeat(tabs) : " ";
      at = at < to ? to : at + 1;
    }
    out += cell;
    at += cell.length;
  });
  return out;
}

function recordLine({ name, type, ttl, data }: DnsRecord): string {
  return `${columns([absolute(name), String(ttl), "IN", type, data], [24, 32, 40, 48])}\n`;
}

async function print(
  step: DnsStep,
  args: readonly string[],
  serverText: string | undefined,
  on: ReadonlySet<string>,
  io: ToolIo,
): Promise<number> {
  const { ip, port } = serverOf(step);
  let out = "";
  if (on.has("cmd") && !on.has("short")) {
    out += `\n; <<>> DiG ${VERSION} <<>> ${args.join(" ")}\n`;
    if (serverText !== undefined) out += "; (1 server found)\n";
    out += ";; global options: +cmd\n";
  }
  if (unanswered(step)) {
    const problem = step.rcode === "TIMEOUT" ? "timed out" : "connection refused";
    const line = `;; communications error to ${ip}#${port}: ${problem}\n`;
    const tries = Number(args.find((word) => /^\+(tries|retry)=\d+$/.test(word))?.replace(/^.*=/, "") ?? 3);
    await write(io, `${line.repeat(Math.max(1, tries))}${out};; no servers could be reached\n\n`);
    return 9;
  }
  if (step.type === "AXFR") {
    const failed = step.rcode !== "NOERROR" || step.answers.length === 0;
    await write(io, `${out}${failed ? "; Transfer failed.\n" : step.answers.map(recordLine).join("")}`);
    return 0;
  }
  if (on.has("short")) {
    await write(io, step.answers.map(({ data }) => `${data}\n`).join(""));
    return 0;
  }
  const sections: readonly [string, string, readonly DnsRecord[]][] = [
    ["answer", "ANSWER", step.answers],
    ["authority", "AUTHORITY", step.authorities],
    ["additional", "ADDITIONAL", step.additionals],
  ];
  if (on.has("comments")) {
    const id = step.id ?? io.context.random.int(65536);
    const flags = step.flags.map((flag) => flag.toLowerCase()).filter((flag) => flag !== "");
    out += `;; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: ${step.rcode}, id: ${id}\n`;
    out += `;; flags: ${flags.join(" ")}; QUERY: 1, ANSWER: ${step.answers.length}, AUTHORITY: ${step.authorities.length}, ADDITIONAL: ${step.additionals.length}\n`;
    if (flags.includes("rd") && !flags.includes("ra")) out += ";; WARNING: recursion requested but not available\n";
    out += "\n";
  }
  if (on.has("question")) {
    if (on.has("comments")) out += ";; QUESTION SECTION:\n";
    out += `;${columns([absolute(step.name), "IN", step.type], [32, 40])}\n\n`;
  }
  for (const [name, title, records] of sections) {
    if (!on.has(name) || records.length === 0) continue;
    out += `${on.has("comments") ? `;; ${title} SECTION:\n` : ""}${records.map(recordLine).join("")}${on.has("comments") ? "\n" : ""}`;
  }
  if (on.has("stats")) {
    const when = formatDate(io.context.clock.now(), "%a %b %d %H:%M:%S UTC %Y");
    out += `;; Query time: ${Math.round(step.durationMs)} msec\n;; SERVER: ${ip}#${port}(${serverText ?? ip}) (${step.tcp ? "TCP" : "UDP"})\n;; WHEN: ${when}\n;; MSG SIZE  rcvd: ${step.sizeBytes}\n\n`;
  }
  await write(io, out);
  return 0;
}
