// Time from `loopkube up` to the first answer of curl through a Service, and memory: empty, and with 1,000 inline pods.
import { fork, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { realClock, sleep } from "../model/clock.ts";
import { figure, summarise, temporaryFolder } from "./measure.ts";

/** `command` is the program and first arguments that run loopkube: the checkout's entry, or the built package's. */
export async function benchStartup(rounds: number, command: readonly string[], label: string): Promise<string> {
  const figures: number[] = [];
  for (let round = 0; round < rounds; round++) figures.push(await firstAnswerMs(command));
  const { median, low, high } = summarise(label, figures);
  return `| ${label}: \`up\` to the first answer through a Service | ${figure(median)} ms | ${figure(low)} … ${figure(high)} |`;
}

async function firstAnswerMs(command: readonly string[]): Promise<number> {
  using folder = temporaryFolder();
  const env = { ...process.env, HOME: folder.path, XDG_STATE_HOME: folder.path, KUBECONFIG: join(folder.path, "kubeconfig"), NO_COLOR: "1" };
  const [program = "", ...args] = command;
  const began = realClock.monotonic();
  const child = spawn(program, [...args, "up", "--demo", "--own-kubeconfig"], { env, stdio: ["ignore", "pipe", "ignore"] });
  try {
    for (;;) {
      if (await answers("127.18.0.2", 30080)) return realClock.monotonic() - began;
      if (realClock.monotonic() - began > 20_000) throw new Error("no answer within 20 s");
      await sleep(realClock, 2);
    }
  } finally {
    child.kill("SIGTERM");
    await new Promise((resolve) => child.once("exit", resolve));
  }
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host, port, agent: false, timeout: 1000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    request.on("error", () => resolve(false));
  });
}

export async function benchMemory(): Promise<string> {
  const [empty, full] = [await residentMb("0"), await residentMb("1000")];
  return [
    `| an empty cluster of 3 nodes | ${figure(empty)} MB RSS | |`,
    `| 1,000 inline pods more | ${figure(full - empty)} MB RSS | |`,
  ].join("\n");
}

async function residentMb(replicas: string): Promise<number> {
  const child = fork(join(import.meta.dirname, "bench-cluster.ts"), { env: { ...process.env, REPLICAS: replicas }, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  await new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`the cluster ended with code ${code}`)));
  });
  const resident = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1024;
  child.kill("SIGTERM");
  await new Promise((resolve) => child.once("exit", resolve));
  return resident;
}
