// Many clients in another process, since this one holds the server's ends of their connections.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { SocketAddress } from "../../model/ports.ts";

interface Where extends SocketAddress {
  /** First bytes on each connection. */
  readonly purpose: string;
  readonly total: number;
  readonly parallel: number;
}

export type SwarmCommand =
  /** Opens connections and keeps them. */
  | ({ readonly type: "open" } & Where)
  /** One byte to the echo and back on every connection that is kept. */
  | { readonly type: "ask" }
  /** Opens, asks once and closes. */
  | ({ readonly type: "churn" } & Where)
  | { readonly type: "drop"; readonly reset: boolean };

export interface SwarmAnswer {
  readonly held: number;
  /** By error code, of this command. */
  readonly failures: Readonly<Record<string, number>>;
  /** How kept connections ended that this end did not close, since the start. */
  readonly ended: Readonly<Record<string, number>>;
}

export class Swarm implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor() {
    const env = { ...process.env };
    delete env["NODE_OPTIONS"];
    this.#child = fork(fileURLToPath(new URL("./swarm-client.ts", import.meta.url)), { env, execArgv: [] });
  }
  async run(command: SwarmCommand): Promise<SwarmAnswer> {
    this.#child.send(command);
    const [answer] = (await once(this.#child, "message")) as [SwarmAnswer];
    return answer;
  }
  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.#child.kill(signal);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }
}
