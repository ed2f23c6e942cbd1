// How long a message is without compression: what CoreDNS counts and logs, for its plugins see messages before they are shortened.
// Upstream: miekg/dns Msg.Len, with Compress off. The OPT record of the answer is added later and does not count.
import { labelOctets, labelsOf } from "./name.ts";
import type { Query, Reply } from "./message.ts";
import type { ResourceRecord } from "./record.ts";

const [HEADER_BYTES, QUESTION_BYTES, RECORD_BYTES] = [12, 4, 10];

export function messageLength({ question }: Query, { answers, authorities, additionals }: Reply): number {
  let length = HEADER_BYTES + nameLength(question.name) + QUESTION_BYTES;
  for (const section of [answers, authorities, additionals])
    for (const record of section) length += nameLength(record.name) + RECORD_BYTES + dataLength(record);
  return length;
}

function nameLength(name: string): number {
  if (name === ".") return 1;
  if (!name.includes("\\")) return name.length + 1;
  return labelsOf(name).reduce((sum, label) => sum + 1 + labelOctets(label).length, 1);
}

function dataLength(record: ResourceRecord): number {
  switch (record.type) {
    case "A":
      return 4;
    case "AAAA":
      return 16;
    case "CNAME":
    case "PTR":
    case "NS":
      return nameLength(record.target);
    case "SRV":
      return 6 + nameLength(record.target);
    case "MX":
      return 2 + nameLength(record.exchange);
    case "TXT":
      return record.strings.reduce((sum, text) => sum + 1 + Math.min(255, text.length), 0);
    case "SOA":
      return 20 + nameLength(record.mname) + nameLength(record.rname);
    case "RAW":
      return record.data.length;
  }
}
