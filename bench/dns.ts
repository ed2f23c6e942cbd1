// Cluster DNS beside dnsmasq, unbound and a bare dns2 server with the same names (dnsperf); then a large headless Service over TCP,
// and a large zone.
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { realClock } from "../model/clock.ts";
import { encodeQuery } from "../dns/index.ts";
import { addressOf, COUNT, hostOf, namespaceOf } from "./dns-names.ts";
import { figure, interleave, output, ratioTable, startPeer, summarise, temporaryFolder, waitForPort, type Result } from "./measure.ts";

const [DNSMASQ, BARE, UNBOUND] = [20_053, 20_054, 20_056];
const ASKED = [hostOf(1), hostOf(2), `nope.${namespaceOf(1)}.svc.cluster.local`];
const HEADLESS = "many.default.svc.cluster.local.";
const HEADLESS_PODS = 1000;

interface Address {
  readonly ip: string;
  readonly port: number;
}
interface Ready {
  readonly udp: Address;
  readonly tcp: Address;
}

export async function benchDns(rounds: number, seconds: number): Promise<string> {
  using folder = temporaryFolder();
  const repeated = join(folder.path, "repeated");
  const distinct = join(folder.path, "distinct");
  const unboundConfig = join(folder.path, "unbound.conf");
  writeFileSync(repeated, ASKED.map((name) => `${name} A\n`).join(""));
  writeFileSync(distinct, Array.from({ length: COUNT }, (_, index) => `${hostOf(index)} A\n`).join(""));
  writeFileSync(unboundConfig, unboundText(folder.path));
  const server = fork(join(import.meta.dirname, "dns-server.ts"), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const ready = message<Ready>(server);
  const peers = [
    startPeer("dnsmasq", [
      ...["--keep-in-foreground", "--no-resolv", "--no-hosts", "--no-daemon", "--cache-size=10000", "--local=/cluster.local/"],
      ...["--listen-address=127.0.0.1", "--bind-interfaces", `--port=${DNSMASQ}`, "--conf-file=/dev/null", `--pid-file=${folder.path}/pid`],
      ...[1, 2].map((index) => `--host-record=${hostOf(index)},${addressOf(index)}`),
    ]),
    startPeer("unbound", ["-d", "-c", unboundConfig]),
    startPeer(process.execPath, [join(import.meta.dirname, "bare-dns2.ts")], { PORT: String(BARE) }),
  ];
  const ask = async ({ ip, port }: Address, file: string): Promise<number> => {
    const text = await output("dnsperf", [
      "-s",
      ip,
      "-p",
      String(port),
      "-d",
      file,
      "-l",
      String(seconds),
      "-c",
      "10",
      "-q",
      "200",
      "-t",
      "1",
    ]);
    return Number(/Queries per second:\s+([\d.]+)/.exec(text)?.[1]);
  };
  const local = (port: number): Address => ({ ip: "127.0.0.1", port });
  try {
    const { udp, tcp } = await ready;
    for (const port of [DNSMASQ, UNBOUND]) await waitForPort("127.0.0.1", port);
    await ask(local(BARE), repeated);
    const known = await interleave(
      [
        { name: "dnsmasq", measure: () => ask(local(DNSMASQ), repeated) },
        { name: "unbound", measure: () => ask(local(UNBOUND), repeated) },
        { name: "bare dns2 server", measure: () => ask(local(BARE), repeated) },
        { name: "cluster DNS", measure: () => ask(udp, repeated) },
      ],
      rounds,
    );
    // More names than cache holds, asked in a circle: each has gone again before its turn comes.
    const missed = await interleave(
      [
        { name: "bare dns2 server", measure: () => ask(local(BARE), distinct) },
        { name: "cluster DNS", measure: () => ask(udp, distinct) },
      ],
      rounds,
    );
    const tables = [
      ratioTable("Repeated questions over UDP (`dnsperf`)", "questions/s", known),
      `Cluster DNS is ${ratio(known[3], known[2])} × the bare dns2 server.\n`,
      ratioTable("10,000 distinct names, every question a miss", "questions/s", missed),
      await headlessTable(server, tcp, rounds),
      await zoneTable(rounds),
    ];
    return tables.join("\n");
  } finally {
    server.kill("SIGTERM");
    for (const peer of peers) await peer.close();
  }
}

function unboundText(folder: string): string {
  const records = [1, 2].map((index) => `  local-data: "${hostOf(index)}. 30 IN A ${addressOf(index)}"`);
  const options = ['username: ""', 'chroot: ""', "num-threads: 1", `interface: 127.0.0.1@${UNBOUND}`, "do-daemonize: no", "use-syslog: no"];
  const lines = [
    ...options,
    `pidfile: "${folder}/unbound.pid"`,
    "access-control: 127.0.0.0/8 allow",
    'local-zone: "cluster.local." static',
  ];
  return `server:\n${lines.map((line) => `  ${line}`).join("\n")}\n${records.join("\n")}\nremote-control:\n  control-enable: no\n`;
}

const ratio = (one: Result | undefined, other: Result | undefined): string => ((one?.median ?? NaN) / (other?.median ?? NaN)).toFixed(2);

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`the process under measurement ended with code ${code}`));
    child.once("exit", onExit);
    child.once("message", (value) => {
      child.off("exit", onExit);
      resolve(value as T);
    });
  });
}

async function headlessTable(server: ChildProcess, tcp: Address, rounds: number): Promise<string> {
  const client = new TcpClient(tcp);
  await client.connected;
  const query = encodeQuery(1, HEADLESS, 1);
  const changed: number[] = [];
  const repeated: number[] = [];
  const roundTrips: number[] = [];
  const small = encodeQuery(2, `${hostOf(0)}.`, 1);
  for (let round = 0; round < rounds * 5; round++) {
    // A reload drops what cache holds; the change itself makes the zone anew.
    for (const order of ["change", "empty"]) {
      const done = message(server);
      server.send(order);
      await done;
    }
    changed.push(await client.ask(query, HEADLESS_PODS));
    await client.ask(query, HEADLESS_PODS);
    await client.ask(query, HEADLESS_PODS);
    for (let i = 0; i < 20; i++) repeated.push(await client.ask(query, HEADLESS_PODS));
    for (let i = 0; i < 20; i++) roundTrips.push(await client.ask(small, 1));
  }
  client.close();
  return millisecondsTable(`Headless Service with ${HEADLESS_PODS.toLocaleString("en")} pods, over TCP`, [
    summarise("first answer after a change", changed),
    summarise("repeated", repeated),
    summarise("a Service's one address, for comparison", roundTrips),
  ]);
}

/** Reads into one buffer: what it measures is the server's time more than its own. */
class TcpClient {
  readonly connected: Promise<unknown>;
  readonly #socket: Socket;
  readonly #buffer = Buffer.allocUnsafeSlow(65_536);
  readonly #answer = Buffer.allocUnsafeSlow(65_536);
  #bytes = 0;
  #onWhole: (() => void) | undefined;

  constructor({ ip, port }: Address) {
    const callback = (count: number): boolean => {
      this.#buffer.copy(this.#answer, this.#bytes, 0, count);
      this.#bytes += count;
      if (this.#bytes >= 2 && this.#bytes >= this.#answer.readUInt16BE(0) + 2) this.#onWhole?.();
      return true;
    };
    this.#socket = connect({ host: ip, port, noDelay: true, onread: { buffer: this.#buffer, callback } });
    this.connected = once(this.#socket, "connect");
  }
  /** Milliseconds from question to whole answer, which holds so many records. */
  ask(query: Buffer, wanted: number): Promise<number> {
    const frame = Buffer.concat([Buffer.from([query.length >> 8, query.length & 255]), query]);
    this.#bytes = 0;
    return new Promise((resolve, reject) => {
      const start = realClock.monotonic();
      this.#onWhole = () => {
        const milliseconds = realClock.monotonic() - start;
        const answers = this.#answer.readUInt16BE(8);
        if (answers === wanted) resolve(milliseconds);
        else reject(new Error(`${answers} answers instead of ${wanted}`));
      };
      this.#socket.write(frame);
    });
  }
  close(): void {
    this.#socket.destroy();
  }
}

interface ZoneFigures {
  readonly loadMs: number;
  readonly longestPauseMs: number;
  readonly changeMs: readonly number[];
}

async function zoneTable(rounds: number): Promise<string> {
  const figures: ZoneFigures[] = [];
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    const child = fork(join(import.meta.dirname, "dns-zone.ts"), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    figures.push(await message<ZoneFigures>(child));
  }
  return millisecondsTable("Zone of 10,000 Services and 100,000 endpoints", [
    summarise(
      "read from the store and compiled",
      figures.map((each) => each.loadMs),
    ),
    summarise(
      "longest pause of the event loop meanwhile",
      figures.map((each) => each.longestPauseMs),
    ),
    summarise(
      "one change visible in an answer",
      figures.flatMap((each) => each.changeMs),
    ),
  ]);
}

function millisecondsTable(title: string, results: readonly Result[]): string {
  const rows = results.map(({ name, median, low, high }) => `| ${name} | ${figure(median)} | ${figure(low)} … ${figure(high)} |`);
  return [`### ${title}`, "", "| what | median ms | range |", "| --- | --- | --- |", ...rows, ""].join("\n");
}
