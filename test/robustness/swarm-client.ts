// The program behind `Swarm`: holds many sockets and does what its parent says, one command at a time.
import { connect, type Socket } from "node:net";
import type { SwarmAnswer, SwarmCommand } from "./swarm.ts";

const held = new Set<Socket>();
const ended: Record<string, number> = {};
/** Known from the start: an error may come before anybody waits for it. */
const errors = new WeakMap<Socket, string>();

const count = (counts: Record<string, number>, key: string): void => void (counts[key] = (counts[key] ?? 0) + 1);

function open({ ip, port, purpose }: { readonly ip: string; readonly port: number; readonly purpose: string }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: ip, port, noDelay: true });
    socket.once("connect", () => {
      socket.write(purpose);
      resolve(socket);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      errors.set(socket, error.code ?? error.message);
      reject(error);
    });
  });
}

/** Runs `task` `total` times, `parallel` at a time. */
async function many(total: number, parallel: number, task: () => Promise<void>): Promise<Record<string, number>> {
  const failures: Record<string, number> = {};
  let started = 0;
  const worker = async (): Promise<void> => {
    while (started < total) {
      started++;
      await task().catch((error: NodeJS.ErrnoException) => count(failures, error.code ?? error.message));
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return failures;
}

function hold(socket: Socket): void {
  if (socket.closed) return count(ended, errors.get(socket) ?? "end");
  held.add(socket);
  socket.once("close", () => {
    if (held.delete(socket)) count(ended, errors.get(socket) ?? "end");
  });
}

/** One byte there and back. */
function ask(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(new Error("closed"));
    socket.once("close", onClose);
    socket.once("data", () => {
      socket.off("close", onClose);
      resolve();
    });
    socket.write("x");
  });
}

async function run(command: SwarmCommand): Promise<SwarmAnswer> {
  switch (command.type) {
    case "open": {
      const failures = await many(command.total, command.parallel, async () => hold(await open(command)));
      return { held: held.size, failures, ended };
    }
    case "ask": {
      const sockets = [...held];
      const failures = await many(sockets.length, 256, async () => {
        const socket = sockets.pop();
        if (socket) await ask(socket);
      });
      return { held: held.size, failures, ended };
    }
    case "churn": {
      const failures = await many(command.total, command.parallel, async () => {
        const socket = await open(command);
        await ask(socket);
        await new Promise<void>((resolve) => {
          socket.once("close", () => resolve());
          // A reset leaves no TIME_WAIT behind, so that ports do not run out.
          socket.resetAndDestroy();
        });
      });
      return { held: held.size, failures, ended };
    }
    case "drop":
      for (const socket of held) {
        held.delete(socket);
        if (command.reset) socket.resetAndDestroy();
        else socket.destroy();
      }
      return { held: held.size, failures: {}, ended };
  }
}

process.on("message", (command: SwarmCommand) => void run(command).then((answer) => process.send?.(answer)));
process.on("disconnect", () => process.exit(0));
