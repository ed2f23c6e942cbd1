// What kind of reply it is: for log's classes and for minimal. Upstream: CoreDNS plugin/pkg/response typify.go and classify.go; no signatures are looked at.
import type { Query, Reply } from "./message.ts";

export type ReplyType = "NOERROR" | "NXDOMAIN" | "NODATA" | "DELEGATION" | "SERVERERROR" | "OTHERERROR" | "META";
export type ReplyClass = "success" | "denial" | "error";

const [NOTIFY, IXFR, AXFR] = [4, 251, 252];
const CLASSES: Readonly<Partial<Record<ReplyType, ReplyClass>>> = {
  NOERROR: "success",
  DELEGATION: "success",
  NXDOMAIN: "denial",
  NODATA: "denial",
};

export function replyType({ question: { type }, opcode }: Query, { rcode, answers, authorities, dropped }: Reply): ReplyType {
  if (dropped) return "OTHERERROR";
  if (type === AXFR || type === IXFR || opcode === NOTIFY) return "META";
  if (rcode === "SERVFAIL" || rcode === "NOTIMP") return "SERVERERROR";
  if (rcode === "NXDOMAIN") return answers.length > 0 ? "OTHERERROR" : "NXDOMAIN";
  if (rcode !== "NOERROR") return "OTHERERROR";
  if (answers.length > 0) return "NOERROR";
  if (authorities.some((record) => record.type === "SOA")) return "NODATA";
  return authorities.some((record) => record.type === "NS") ? "DELEGATION" : "NOERROR";
}

export function replyClass(query: Query, reply: Reply): ReplyClass {
  return CLASSES[replyType(query, reply)] ?? "error";
}
