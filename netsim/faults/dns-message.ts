// As much of a DNS message as a fault has to read: the name that is asked, and a reply without records.
// Upstream: RFC 1035 §4.1.
const HEADER_BYTES = 12;

/** The lower-case name of a query's first question; undefined when the bytes are no query. */
export function questionName(bytes: Uint8Array): string | undefined {
  if (bytes.byteLength < HEADER_BYTES || !looksLikeQuery(bytes)) return undefined;
  const end = questionEnd(bytes);
  if (end === undefined) return undefined;
  const labels: string[] = [];
  for (let at = HEADER_BYTES; at < end - 5; at += (bytes[at] ?? 0) + 1) {
    labels.push(Buffer.from(bytes.subarray(at + 1, at + 1 + (bytes[at] ?? 0))).toString("latin1"));
  }
  return labels.join(".").toLowerCase();
}

/** Where the first question's type and class end; names in a question are not compressed. */
function questionEnd(bytes: Uint8Array): number | undefined {
  let at = HEADER_BYTES;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63) return undefined;
    at += length + 1;
    if (length === 0) break;
  }
  return at + 4 <= bytes.byteLength ? at + 4 : undefined;
}

/** The question again, as a response with this code and no records. */
export function answerWith(query: Uint8Array, rcode: number): Uint8Array {
  const answer = Buffer.from(query.subarray(0, questionEnd(query) ?? HEADER_BYTES));
  answer[2] = 0x80 | ((query[2] ?? 0) & 0x79);
  answer[3] = rcode;
  answer.writeUInt16BE(1, 4);
  answer.fill(0, 6, HEADER_BYTES);
  return answer;
}

/** Whether the first eight bytes of a message can begin a query: a question, no response, no answers. */
export function looksLikeQuery(bytes: Uint8Array): boolean {
  return ((bytes[2] ?? 0x80) & 0xf8) === 0 && bytes[4] === 0 && bytes[5] === 1 && bytes[6] === 0 && bytes[7] === 0;
}
