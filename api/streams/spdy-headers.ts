// SPDY/3 name/value header blocks: one zlib stream per direction, primed with the protocol's dictionary.
// Source: draft-mbelshe-httpbis-spdy-00 §2.6.10. Blocks are inflated as they come; answers are written as stored deflate blocks,
// which any inflater reads, because a server of Kubernetes streams answers with empty headers.
import { constants, createInflate, type Inflate } from "node:zlib";

/** Names are lower case; a repeated header is joined with NUL, as on the wire. */
export type SpdyHeaders = ReadonlyMap<string, string>;

const DICTIONARY_WORDS = [
  "options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|accept-ranges|age|allow|authorization",
  "cache-control|connection|content-base|content-encoding|content-language|content-length|content-location|content-md5|content-range",
  "content-type|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified",
  "location|max-forwards|pragma|proxy-authenticate|proxy-authorization|range|referer|retry-after|server|te|trailer|transfer-encoding",
  "upgrade|user-agent|vary|via|warning|www-authenticate|method|get|status|200 OK|version|HTTP/1.1|url|public|set-cookie|keep-alive|origin",
].flatMap((line) => line.split("|"));

const DICTIONARY_TAIL =
  "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505" +
  "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found" +
  "500 Internal Server Error501 Not Implemented503 Service Unavailable" +
  "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT" +
  "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,public" +
  "privatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/** The dictionary both ends prime zlib with: words with a 32-bit length before each, then bare text. */
export const SPDY_DICTIONARY: Buffer = Buffer.concat([
  ...DICTIONARY_WORDS.flatMap((word) => [uint32(word.length), Buffer.from(word, "latin1")]),
  Buffer.from(DICTIONARY_TAIL, "latin1"),
]);

const MAX_BLOCK_BYTES = 64 * 1024;
/** An empty stored block: Go's inflater hands out what came before only when it meets one. */
const SYNC_FLUSH = Buffer.of(0, 0, 0, 0xff, 0xff);

/** Inflates the header blocks of one direction, in order; only one `inflate` may be under way. */
export class SpdyHeaderReader {
  readonly #zlib: Inflate = createInflate({ dictionary: SPDY_DICTIONARY, finishFlush: constants.Z_SYNC_FLUSH });
  #chunks: Buffer[] = [];
  #sizeBytes = 0;
  #fail: ((error: Error) => void) | undefined;

  constructor() {
    this.#zlib.on("data", (chunk: Buffer) => {
      this.#sizeBytes += chunk.length;
      if (this.#sizeBytes > MAX_BLOCK_BYTES) this.#fail?.(new Error("header block is too large"));
      else this.#chunks.push(chunk);
    });
    this.#zlib.on("error", (error) => this.#fail?.(error));
  }

  /** Rejects when the block is no zlib data, too large once inflated, or no list of names and values. */
  async inflate(block: Buffer): Promise<SpdyHeaders> {
    this.#chunks = [];
    this.#sizeBytes = 0;
    await new Promise<void>((resolve, reject) => {
      this.#fail = reject;
      this.#zlib.write(block, () => resolve());
    });
    return parseHeaders(Buffer.concat(this.#chunks));
  }

  close(): void {
    this.#fail = undefined;
    this.#zlib.destroy();
  }
}

/** Writes header blocks; the first one also opens the zlib stream. */
export class SpdyHeaderWriter {
  #opened = false;

  block(headers: SpdyHeaders): Buffer {
    const parts = [uint32(headers.size)];
    for (const [name, value] of headers) {
      for (const text of [Buffer.from(name, "latin1"), Buffer.from(value, "latin1")]) parts.push(uint32(text.length), text);
    }
    const body = Buffer.concat(parts);
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(body.length, 1);
    stored.writeUInt16LE(~body.length & 0xffff, 3);
    const start = this.#opened ? Buffer.alloc(0) : Buffer.of(0x78, 0x01);
    this.#opened = true;
    return Buffer.concat([start, stored, body, SYNC_FLUSH]);
  }
}

function parseHeaders(block: Buffer): SpdyHeaders {
  const headers = new Map<string, string>();
  let offset = 0;
  const take = (length: number): Buffer => {
    if (offset + length > block.length) throw new Error("header block is cut short");
    offset += length;
    return block.subarray(offset - length, offset);
  };
  const text = (): string => take(take(4).readUInt32BE()).toString("latin1");
  for (let left = take(4).readUInt32BE(); left > 0; left--) headers.set(text().toLowerCase(), text());
  return headers;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
