// curl's exit codes and what it says with them. Source: curl(1), EXIT CODES.
import { errnoOf, errnoText } from "./tool.ts";
import type { ExchangeError } from "./http-exchange.ts";

/** A transfer that failed, with curl's exit code. */
export class CurlFailure extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** What curl makes of a failed exchange; times are in milliseconds, `connectMs` the limit that was asked for. */
export function failureOf(
  error: ExchangeError,
  host: string,
  port: number,
  time: { elapsed: number; maxMs: number; connectMs: number | undefined; timedOut: boolean },
): CurlFailure {
  const code = errnoOf(error.cause);
  if (time.timedOut)
    return new CurlFailure(
      28,
      error.step === "connect" || error.step === "lookup"
        ? `Connection timed out after ${time.elapsed} milliseconds`
        : `Operation timed out after ${time.elapsed} milliseconds with 0 bytes received`,
    );
  switch (error.step) {
    case "lookup":
      return new CurlFailure(6, `Could not resolve host: ${host}`);
    case "connect":
      if (code === "ETIMEDOUT")
        return time.connectMs === undefined
          ? new CurlFailure(28, `Failed to connect to ${host} port ${port} after ${time.elapsed} ms: Could not connect to server`)
          : new CurlFailure(28, `Connection timed out after ${time.elapsed} milliseconds`);
      return new CurlFailure(7, `Failed to connect to ${host} port ${port} after ${time.elapsed} ms: Could not connect to server`);
    case "tls":
      return code === "ECONNRESET" || code === undefined || code.startsWith("ERR_SSL") || code === "EPROTO"
        ? new CurlFailure(35, `TLS connect error: ${error.message.split("\n")[0] ?? ""}`)
        : new CurlFailure(60, `SSL certificate problem: ${error.message}`);
    case "send":
    case "receive":
      if (code?.startsWith("HPE_"))
        return new CurlFailure(
          code === "HPE_INVALID_CONSTANT" ? 1 : 8,
          code === "HPE_INVALID_CONSTANT" ? "Received HTTP/0.9 when not allowed" : "Weird server reply",
        );
      return error.message === "socket hang up"
        ? new CurlFailure(52, "Empty reply from server")
        : new CurlFailure(56, `Recv failure: ${errnoText(code)}`);
  }
}
