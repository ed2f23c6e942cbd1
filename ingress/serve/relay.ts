// Two connections joined below HTTP: tcp-services and ssl-passthrough.
// Upstream: ngx_stream_proxy_module with proxy_half_close off, and tcpproxy's pipe: the first FIN ends both directions.
import type { Duplex } from "node:stream";
import type { Clock } from "../../model/clock.ts";

/** Ends both when nothing has passed for this long. */
export interface RelayIdle {
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** Copies both ways until one side has sent all: that is passed on, then both are closed. An error of one closes the other. */
export function relay(a: Duplex, b: Duplex, idle?: RelayIdle): void {
  copy(a, b);
  copy(b, a);
  if (idle) endWhenIdle(a, b, idle);
}

function copy(from: Duplex, to: Duplex): void {
  from.on("error", () => to.destroy());
  from.once("close", () => {
    if (!from.readableEnded) to.destroy();
  });
  from.once("end", () => {
    // What `to` still sends has nowhere to go.
    to.unpipe(from);
    to.resume();
    to.end(() => {
      from.destroy();
      to.destroy();
    });
  });
  from.pipe(to, { end: false });
}

function endWhenIdle(a: Duplex, b: Duplex, { clock, timeoutMs }: RelayIdle): void {
  let seenAt = clock.monotonic();
  const seen = (): void => void (seenAt = clock.monotonic());
  const look = (): void => {
    const left = seenAt + timeoutMs - clock.monotonic();
    if (left > 0) timer = clock.after(left, look, { background: true });
    else for (const end of [a, b]) end.destroy();
  };
  let timer = clock.after(timeoutMs, look, { background: true });
  for (const end of [a, b]) {
    end.on("data", seen);
    end.once("close", () => timer.cancel());
  }
}
