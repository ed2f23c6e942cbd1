// Datagrams sent to an echo, a window of them under way at any time.
import { createSocket } from "node:dgram";
import { realClock, sleep } from "../model/clock.ts";

const WINDOW = 64;
/** Without an answer for so long, the window is taken for lost and sent again. */
const LOST_MS = 100;

/** Answers per second of the echo at this address. */
export async function echoedPerSecond(host: string, port: number, seconds: number): Promise<number> {
  const socket = createSocket({ type: "udp4", lookup: (name, _options, found) => found(null, name, 4) });
  const message = Buffer.alloc(64, "x");
  let answers = 0;
  const send = (): void => socket.send(message, port, host);
  socket.on("message", () => {
    answers++;
    send();
  });
  const beganAt = realClock.monotonic();
  try {
    for (let seen = -1; realClock.monotonic() - beganAt < seconds * 1000; await sleep(realClock, LOST_MS)) {
      if (answers === seen || seen < 0) for (let i = 0; i < WINDOW; i++) send();
      seen = answers;
    }
    return (answers / (realClock.monotonic() - beganAt)) * 1000;
  } finally {
    socket.close();
  }
}
