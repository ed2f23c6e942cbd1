// What became of one request, as the access log and the metrics tell it: when it came, what was sent, and each pod that was asked.
// Upstream: ngx_http_upstream_state_t, and what ngx_http_log_module asks of a request. Times are of the monotonic clock, in ms.

/** One pod that was asked. */
export interface Try {
  /** `ip:port` */
  readonly address: string;
  readonly startedAt: number;
  connectedAt: number | undefined;
  /** The head of the answer was there. */
  answeredAt: number | undefined;
  endedAt: number | undefined;
  /** What the pod answered, or what its failure amounts to; 0 when the client left before. */
  status: number;
  /** Of its body. */
  bytes: number;
  /** Name, value, name, value. */
  headers: readonly string[];
  /** Asked before it. */
  readonly before: Try | undefined;
  /** The one before was of another Service: the answer to an error. */
  readonly elsewhere: boolean;
}

export class RequestRecord {
  readonly startedAt: number;
  /** Body bytes towards the client, without the framing of chunks. */
  bodyBytes = 0;
  /** `SIZE CRLF … CRLF` around each chunk. */
  framingBytes = 0;
  /** Body bytes from the client, when they are known. */
  receivedBytes = 0;
  /** The client has been told to send its body. */
  continued = false;
  /** Name of the canary's upstream when it was chosen. */
  alternative = "";
  lastTry: Try | undefined;
  #elsewhere = false;

  constructor(startedAt: number) {
    this.startedAt = startedAt;
  }
  begin(address: string, startedAt: number): Try {
    const made: Try = {
      address,
      startedAt,
      connectedAt: undefined,
      answeredAt: undefined,
      endedAt: undefined,
      status: 0,
      bytes: 0,
      headers: [],
      before: this.lastTry,
      elsewhere: this.#elsewhere,
    };
    this.#elsewhere = false;
    this.lastTry = made;
    return made;
  }
  /** No peer is left: nginx then asks the place that the template writes in its upstream, which no connection reaches. */
  beginNowhere(now: number): void {
    const made = this.begin("0.0.0.1:80", now);
    [made.status, made.endedAt] = [502, now];
  }
  /** A kept connection turned out closed: nginx asks again as if it had not. */
  forget(asked: Try): void {
    if (this.lastTry === asked) this.lastTry = asked.before;
  }
  /** What follows is asked of another Service. */
  turnElsewhere(): void {
    this.#elsewhere = this.lastTry !== undefined;
  }
  /** First to last. */
  get tries(): readonly Try[] {
    const tries: Try[] = [];
    for (let at = this.lastTry; at; at = at.before) tries.unshift(at);
    return tries;
  }
}

/** Bytes of a request's head on the wire; what a client pads around values is not counted. */
export function headBytes(method: string, target: string, rawHeaders: readonly string[]): number {
  // "GET" SP target SP "HTTP/1.1" CRLF … CRLF
  let size = method.length + target.length + 14;
  for (const text of rawHeaders) size += text.length + 2;
  return size;
}

/** Text of each try, as nginx's variables list them: pods of one Service by commas, Services by colons. Undefined: nobody was asked. */
export function triesText(record: RequestRecord, of: (asked: Try) => string): string | undefined {
  const { lastTry } = record;
  if (!lastTry?.before) return lastTry && of(lastTry);
  return record.tries.map((asked, i) => `${i === 0 ? "" : asked.elsewhere ? " : " : ", "}${of(asked)}`).join("");
}

/** A header line by its variable's name, in which `_` stands for `-`. */
export function lineOf(lines: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < lines.length; i += 2) if (lines[i]?.toLowerCase().replaceAll("-", "_") === name) return lines[i + 1];
  return undefined;
}
