// Time from `loopkube up` to the first answer of curl through a Service, and memory: empty, and with 1,000 inline pods.
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { realClock } from "../model/clock.ts";
import { figure, summarise, temporaryFolder } from "./measure.ts";

/** `command` is the program and first arguments that run loopkube: the checkout's entry, or the built package's. */
export async function benchStartup(rounds: number, command: readonly string[], label: string): Promise<string> {
  const figures: number[] = [];
  for (let round = 0; round < rounds; round++) figures.push(await firstAnswerMs(command));
  const { median, low, high } = summarise(label, figures);
  return `| ${label}: \`up\` to the first answer through a Service | ${figure(median)} ms | ${figure(low)} … ${figure(high)} |`;
}

/** `up` prints its status when every pod is ready; the first request through the demo's NodePort follows. */
async function firstAnswerMs(command: readonly string[]): Promise<number> {
  return whileUp(command, ["--demo"], async (status, began) => {
    const [host = "", port = ""] = status.reachable.nodePort.split(":");
    await answer(host, Number(port));
    return realClock.monotonic() - began;
  });
}

/** Runs `up` with these arguments, and `work` when it has printed its status. */
async function whileUp<T>(
  command: readonly string[],
  options: readonly string[],
  work: (status: Status, began: number, pid: number | undefined) => Promise<T>,
): Promise<T> {
  using folder = temporaryFolder();
  const env = { ...process.env, HOME: folder.path, XDG_STATE_HOME: folder.path, KUBECONFIG: join(folder.path, "kubeconfig") };
  const [program = "", ...args] = command;
  const began = realClock.monotonic();
  const child = spawn(program, [...args, "up", ...options, "--own-kubeconfig", "-o", "json"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  try {
    return await work(await statusOf(child.stdout), began, child.pid);
  } finally {
    child.kill("SIGTERM");
    await exited;
  }
}

interface Status {
  readonly reachable: { readonly nodePort: string };
}

async function statusOf(stdout: Readable): Promise<Status> {
  let text = "";
  for await (const chunk of stdout as AsyncIterable<Buffer>) {
    text += chunk.toString();
    if (text.trimEnd().endsWith("\n}")) return JSON.parse(text) as Status;
  }
  throw new Error(`up ended without a status:\n${text}`);
}

function answer(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    get({ host, port, agent: false, timeout: 5000 }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`answered ${response.statusCode}`));
    }).on("error", reject);
  });
}

export async function benchMemory(command: readonly string[]): Promise<string> {
  const empty = await whileUp(command, [], async (_status, _began, pid) => residentMbOf(pid));
  const [six, full] = [await residentMb("6", "0"), await residentMb("6", "1000")];
  return [
    `| an empty cluster of 3 nodes | ${figure(empty)} MB RSS | |`,
    `| 1,000 inline pods more, on 6 nodes | ${figure(full - six)} MB RSS | |`,
  ].join("\n");
}

async function residentMb(nodes: string, replicas: string): Promise<number> {
  const child = fork(join(import.meta.dirname, "bench-cluster.ts"), {
    env: { ...process.env, NODES: nodes, REPLICAS: replicas },
    execArgv: ["--import", join(import.meta.dirname, "../bin/lean-http.mjs")],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  await new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`the cluster ended with code ${code}`)));
  });
  const resident = residentMbOf(child.pid);
  child.kill("SIGTERM");
  await new Promise((resolve) => child.once("exit", resolve));
  return resident;
}

function residentMbOf(pid: number | undefined): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}
