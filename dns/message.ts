// What is asked and what is answered, free of wire format: the values that pass along the plugin chain.
// Upstream: CoreDNS request.Request and dns.Msg.
import type { SocketAddress } from "../model/ports.ts";
import { typeName } from "./record.ts";
import type { ResourceRecord } from "./record.ts";

/** Response codes by name (RFC 1035, 2136, 2845, 2930, 6891, 7873). */
export const RCODES = {
  ...{
    NOERROR: 0,
    FORMERR: 1,
    SERVFAIL: 2,
    NXDOMAIN: 3,
    NOTIMP: 4,
    REFUSED: 5,
    YXDOMAIN: 6,
    YXRRSET: 7,
    NXRRSET: 8,
    NOTAUTH: 9,
    NOTZONE: 10,
  },
  ...{ BADVERS: 16, BADKEY: 17, BADTIME: 18, BADMODE: 19, BADNAME: 20, BADALG: 21, BADTRUNC: 22, BADCOOKIE: 23 },
} as const;
export type Rcode = keyof typeof RCODES;
const RCODE_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(RCODES).map(([name, code]) => [code, name]));

/** The code of this number; undefined when it has no name. */
export function rcodeOf(code: number): Rcode | undefined {
  const name = RCODE_NAMES.get(code);
  return name !== undefined && isRcode(name) ? name : undefined;
}

/** True for the name of a response code, in capitals. */
export function isRcode(name: string): name is Rcode {
  return Object.hasOwn(RCODES, name);
}

/** "NXDOMAIN", or "RCODE9". */
export function rcodeName(code: number): string {
  return RCODE_NAMES.get(code) ?? `RCODE${code}`;
}

export interface Question {
  /** As asked, letter case kept, fully qualified. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

export interface EdnsOption {
  readonly code: number;
  readonly data: Uint8Array;
}

/** The OPT record of a query. */
export interface Edns {
  readonly udpSize: number;
  readonly version: number;
  readonly do: boolean;
  readonly options: readonly EdnsOption[];
  /** Codes that the answer shows beside those that every server hands back. */
  readonly shown?: ReadonlySet<number>;
}

export interface Query {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  readonly authenticData: boolean;
  readonly question: Question;
  /** The question's name in lower case. */
  readonly name: string;
  readonly edns: Edns | undefined;
  readonly transport: "udp" | "tcp";
  readonly client: SocketAddress;
  /** Size of the query in bytes. */
  readonly sizeBytes: number;
  /** Serial in an IXFR's authority section. */
  readonly ixfrSerial?: number;
}

/** A reason, for people: which plugin decided, on what ground. */
export interface Reason {
  readonly plugin: string;
  readonly text: string;
}

export interface Reply {
  readonly rcode: Rcode;
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
  readonly aa: boolean;
  readonly tc?: boolean;
  readonly ra?: boolean;
  /** Where it is not the question's. */
  readonly rd?: boolean;
  /** Says that an upstream has validated it. */
  readonly ad?: boolean;
  readonly why: readonly Reason[];
  /** What went wrong, when nobody could answer: what the errors plugin writes. */
  readonly failure?: string;
  /** A code that came back along the chain, not yet a message: what keeps, measures or changes messages does not see it. */
  readonly unwritten?: boolean;
  /** The code that came back along the chain, where another was written. */
  readonly returned?: Rcode;
  /** The question that the inner plugins were asked, where rewrite made another of it. */
  readonly asked?: Question;
  /** No server block has taken the question. */
  readonly outside?: boolean;
  /** The server that forward asked for it. */
  readonly upstream?: string;
  /** The OPT record to answer, where it is not the query's own. */
  readonly edns?: Edns;
  /** Lower-case zone that answered; names within it take the query's spelling of it. */
  readonly zone?: string;
  /** Clock milliseconds until which this very reply may be given again (set by cache). */
  readonly keepUntil?: number;
  /** Asked before: worth keeping in encoded form. Absent where nothing remembers questions. */
  readonly repeated?: boolean;
  /** Counts one more use of a kept reply. */
  readonly countHit?: () => void;
  /** Not sent: the client is to hear nothing. */
  readonly dropped?: boolean;
  /** Never given again from memory: it depends on more than the question. */
  readonly volatile?: boolean;
}

/** A reply without records. */
export function emptyReply(rcode: Rcode, plugin: string, text: string): Reply {
  return { rcode, answers: [], authorities: [], additionals: [], aa: false, why: [{ plugin, text }] };
}

/** A code that a plugin gives back instead of a message. */
export function bareCode(rcode: Rcode, plugin: string, text: string): Reply {
  return { ...emptyReply(rcode, plugin, text), unwritten: true };
}

/** A code because something went wrong: `failure`, which is also the reason when none is given. */
export function failedReply(rcode: Rcode, plugin: string, failure: string, text = failure): Reply {
  return { ...bareCode(rcode, plugin, text), failure };
}

/** The same query with another question: what a plugin asks of the chain on its own behalf. */
export function requery(query: Query, name: string, type = query.question.type): Query {
  return { ...query, question: { name, type, class: query.question.class }, name: name.toLowerCase() };
}

/** `web.default.svc.cluster.local. A`. */
export function questionText(question: Question): string {
  return `${question.name} ${typeName(question.type)}`;
}

/** Continues at once with a value that is there, later with a promised one. */
export function then<T, U>(value: T | Promise<T>, use: (value: T) => U | Promise<U>): U | Promise<U> {
  return value instanceof Promise ? value.then(use) : use(value);
}
