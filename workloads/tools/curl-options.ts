// curl's command line. Options that need what is not here (proxies, cookies in files, HTTP/2, other protocols) are refused by name.
import { resolvePath, readFile } from "./file-tree.ts";
import { readAll } from "./streams.ts";
import type { ToolIo } from "./tool.ts";

export interface CurlOptions {
  readonly urls: string[];
  readonly headers: string[];
  readonly data: string[];
  readonly outputs: string[];
  readonly resolve: string[];
  /** Long names of the switches given. */
  readonly on: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
}

/** A command line that curl refuses: its message and exit code. */
export class CurlUsage extends Error {
  override readonly name = "CurlUsage";
  readonly code: number;
  constructor(message: string, code = 2) {
    super(message);
    this.code = code;
  }
}

const SWITCHES: Readonly<Record<string, string>> = {
  silent: "s",
  "show-error": "S",
  include: "i",
  head: "I",
  verbose: "v",
  "remote-name": "O",
  location: "L",
  insecure: "k",
  fail: "f",
  globoff: "g",
  get: "G",
  "no-buffer": "N",
  ipv4: "4",
  ipv6: "6",
  "progress-bar": "#",
  "fail-with-body": "",
  "http1.1": "",
  "http1.0": "0",
  compressed: "",
  "retry-connrefused": "",
  "retry-all-errors": "",
  "path-as-is": "",
  "no-progress-meter": "",
  "fail-early": "",
  "no-keepalive": "",
  "tcp-nodelay": "",
  "location-trusted": "",
  "create-dirs": "",
};
const VALUES: Readonly<Record<string, string>> = {
  output: "o",
  "write-out": "w",
  request: "X",
  data: "d",
  "data-raw": "",
  "data-binary": "",
  "data-ascii": "",
  "data-urlencode": "",
  json: "",
  header: "H",
  "max-time": "m",
  "connect-timeout": "",
  retry: "",
  "retry-delay": "",
  "retry-max-time": "",
  user: "u",
  "user-agent": "A",
  referer: "e",
  cookie: "b",
  resolve: "",
  cacert: "",
  url: "",
  "max-redirs": "",
  form: "F",
  "upload-file": "T",
  "keepalive-time": "",
  noproxy: "",
  interface: "",
};
const bySwitch = new Map(Object.entries(SWITCHES).flatMap(([long, short]) => (short === "" ? [] : [[short, long] as const])));
const byValue = new Map(Object.entries(VALUES).flatMap(([long, short]) => (short === "" ? [] : [[short, long] as const])));

/** Parses the arguments; `@file` and `@-` data are read. Throws CurlUsage. */
export async function parseCurl(args: readonly string[], io: ToolIo): Promise<CurlOptions> {
  const options = {
    urls: [] as string[],
    headers: [] as string[],
    data: [] as string[],
    outputs: [] as string[],
    resolve: [] as string[],
    on: new Set<string>(),
    values: new Map<string, string>(),
  };
  const give = async (long: string, value: string, written: string): Promise<void> => {
    switch (long) {
      case "header":
        return void options.headers.push(
          ...(value.startsWith("@") ? (await dataOf(value, io)).split("\n").filter((line) => line !== "") : [value]),
        );
      case "output":
        return void options.outputs.push(value);
      case "url":
        return void options.urls.push(value);
      case "resolve":
        return void options.resolve.push(value);
      case "data":
      case "data-ascii":
        return void options.data.push(value.startsWith("@") ? (await dataOf(value, io)).replace(/[\r\n]/g, "") : value);
      case "data-binary":
        return void options.data.push(value.startsWith("@") ? await dataOf(value, io) : value);
      case "json":
        options.headers.push("Content-Type: application/json", "Accept: application/json");
        return void options.data.push(value.startsWith("@") ? await dataOf(value, io) : value);
      case "data-raw":
        return void options.data.push(value);
      case "data-urlencode": {
        const at = value.indexOf("=");
        return void options.data.push(
          at < 0 ? encodeURIComponent(value) : `${value.slice(0, at)}${at > 0 ? "=" : ""}${encodeURIComponent(value.slice(at + 1))}`,
        );
      }
      case "form":
      case "upload-file":
      case "interface":
        throw new CurlUsage(`option ${written}: is not supported by this stand-in`);
      default:
        if (
          ["max-time", "connect-timeout", "retry", "retry-delay", "max-redirs", "retry-max-time"].includes(long) &&
          !/^-?\d+(\.\d+)?$/.test(value)
        ) {
          throw new CurlUsage(`option ${written}: expected a proper numerical parameter`);
        }
        options.values.set(long, value);
    }
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    const next = (): string => {
      const value = args[++i];
      if (value === undefined) throw new CurlUsage(`option ${arg}: requires parameter`);
      return value;
    };
    if (arg === "--" || !arg.startsWith("-") || arg === "-") {
      if (arg !== "--") options.urls.push(arg);
    } else if (arg.startsWith("--")) {
      const long = arg.slice(2);
      if (long in SWITCHES) options.on.add(long);
      else if (long in VALUES) await give(long, next(), arg);
      else if (long.startsWith("no-") && long.slice(3) in SWITCHES) options.on.delete(long.slice(3));
      else throw new CurlUsage(`option ${arg}: is unknown`);
    } else {
      for (let at = 1; at < arg.length; at++) {
        const letter = arg.charAt(at);
        const flag = bySwitch.get(letter);
        const valued = byValue.get(letter);
        if (flag !== undefined) options.on.add(flag);
        else if (valued !== undefined) {
          await give(valued, at + 1 < arg.length ? arg.slice(at + 1) : next(), arg);
          break;
        } else throw new CurlUsage(`option ${arg}: is unknown`);
      }
    }
  }
  if (options.urls.length === 0) throw new CurlUsage("no URL specified!");
  return options;
}

async function dataOf(value: string, io: ToolIo): Promise<string> {
  const name = value.slice(1);
  if (name === "-") return (await readAll(io.stdin, io.signal)).toString();
  const file = readFile(io.files, resolvePath(io.cwd, name));
  if ("error" in file) throw new CurlUsage(`Failed to open ${name}`, 26);
  return file.text;
}
