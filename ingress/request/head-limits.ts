// How large a request's head may be: lines that fit one of nginx's buffers, as many as all of them hold.
// Upstream: client_header_buffer_size and large_client_header_buffers; ngx_http_alloc_large_header_buffer, ngx_http_v2_state_process_header.
// nginx refuses with the first byte that does not fit; here a head of up to MAX_HEAD_BYTES is read to its end before.
import { sizeBytes } from "../annotations/annotation.ts";
import { type Answer, page } from "./answer.ts";
import type { ControllerConfig } from "../config.ts";
import { hpackLength } from "./hpack-length.ts";

/** What the parsers take; larger heads are refused by them. */
export const MAX_HEAD_BYTES = 131_072;

export interface HeadBuffers {
  /** client-header-buffer-size */
  readonly first: number;
  /** large-client-header-buffers */
  readonly count: number;
  readonly size: number;
}

/** Sizes of one head, each line with its end. */
export interface HeadSize {
  readonly requestLine: number;
  readonly longest: number;
  /** All header lines. */
  readonly total: number;
}

const known = new WeakMap<ControllerConfig, HeadBuffers>();

export function headBuffers(config: ControllerConfig): HeadBuffers {
  let buffers = known.get(config);
  if (!buffers) {
    const [count = "", size = ""] = config.text("large-client-header-buffers", "4 8k").split(/\s+/);
    buffers = {
      first: sizeBytes(config.text("client-header-buffer-size", "1k")) ?? 1024,
      count: Number(count) || 4,
      size: sizeBytes(size) ?? 8192,
    };
    known.set(config, buffers);
  }
  return buffers;
}

/** The answer to a head that does not fit. */
export function headTooLarge(size: HeadSize, rawHeaders: readonly string[], buffers: HeadBuffers): Answer | undefined {
  if (size.requestLine > buffers.size) return page(414, `a request line of more than ${buffers.size} bytes`);
  if (size.longest > buffers.size)
    return page(494, `a header line of ${size.longest} bytes: large-client-header-buffers allows ${buffers.size}`);
  if (fits(size.requestLine, rawHeaders, buffers)) return undefined;
  return page(494, `a head of ${size.requestLine + size.total} bytes does not fit ${buffers.count} buffers of ${buffers.size}`);
}

/** A line that a buffer's rest does not hold moves to the next buffer. */
function fits(requestLine: number, rawHeaders: readonly string[], { first, count, size }: HeadBuffers): boolean {
  let used = 0;
  let capacity = first;
  let large = 0;
  const take = (length: number): boolean => {
    if (used + length <= capacity) {
      used += length;
      return true;
    }
    capacity = size;
    used = length;
    return ++large <= count;
  };
  if (!take(requestLine)) return false;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    if (!take((rawHeaders[i]?.length ?? 0) + (rawHeaders[i + 1]?.length ?? 0) + 4)) return false;
  return take(2);
}

/** HTTP/2 has no answer for it: the connection ends. A name or value counts as it was sent, their sum as it was meant. */
export function fieldsTooLarge(rawHeaders: readonly string[], { count, size }: HeadBuffers): Answer | undefined {
  let total = 0;
  let large = false;
  for (const text of rawHeaders) {
    total += text.length;
    large ||= text.length > size && hpackLength(text) > size;
  }
  if (!large && total <= count * size) return undefined;
  return { ...page(494, `header fields of ${total} bytes: large-client-header-buffers allows ${count} of ${size}`), goaway: true };
}
