// The programs that people run in the controller's container: itself, nginx, and dbg, by which the kubectl plugin looks into it.
// Upstream: cmd/nginx/main.go, cmd/dbg/main.go. Left out: the help of dbg's single commands.
import type { Json, JsonObject } from "../../model/json.ts";
import type { PodProgram, ProgramIo } from "../../model/ports.ts";
import { readCommandLine } from "../command-line.ts";
import { parseBool } from "../go-values.ts";
import { type RunningController, statusAnswer } from "./status-port.ts";
import { BANNER, NGINX_VERSION } from "./version.ts";

export const CONFIG_FILE = "/etc/nginx/nginx.conf";

type Find = (io: ProgramIo) => RunningController | undefined;

/** By name; each is found in the root and in bin folders. */
export function containerPrograms(find: Find): Readonly<Record<string, PodProgram>> {
  return {
    "nginx-ingress-controller": async (argv, io) => {
      io.stdout.write(BANNER);
      const { values, problem } = readCommandLine(argv.slice(1));
      if (parseBool(values.get("version")) === true) return 0;
      const { flags } = find(io)?.feed ?? {};
      return fail(io, problem ?? `port ${flags?.httpPort ?? 80} is already in use. Please check the flag --http-port`, 255);
    },
    nginx: async (argv, io) => nginx(argv.slice(1), io),
    dbg: async (argv, io) => {
      const words = argv.slice(1).filter((word) => !/^--status-port(=|$)/.test(word));
      const [command = "", verb = "", name] = words;
      const run = DEBUG[`${command} ${verb}`.trim()] ?? DEBUG[command];
      if (run) return run(name, io, find(io));
      const group = Object.keys(DEBUG).some((key) => key.startsWith(`${command} `));
      if (command === "" || command === "help" || command.startsWith("-") || group) return print(io, DEBUG_HELP);
      return print(
        io,
        `Error: unknown command "${command}" for "dbg"\nRun 'dbg --help' for usage.\nunknown command "${command}" for "dbg"`,
        1,
      );
    },
  };
}

function nginx(options: readonly string[], io: ProgramIo): number {
  const conf = (): string => io.context.files.read(CONFIG_FILE) ?? "";
  if (options.includes("-v") || options.includes("-V")) return fail(io, NGINX_VERSION, 0);
  if (options.includes("-s")) return 0;
  if (!options.includes("-t") && !options.includes("-T"))
    return fail(io, "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)");
  const tested = `nginx: the configuration file ${CONFIG_FILE} syntax is ok\nnginx: configuration file ${CONFIG_FILE} test is successful`;
  fail(io, tested, 0);
  return options.includes("-T") ? print(io, `# configuration file ${CONFIG_FILE}:\n${conf()}`) : 0;
}

type Debug = (name: string | undefined, io: ProgramIo, controller: RunningController | undefined) => number;

/** `show` of a body with status 200; what went wrong else. */
const asking =
  (path: (name: string) => string, show: (body: string, name: string) => string, missing?: (name: string) => string): Debug =>
  (name = "", io, controller) => {
    const target = path(name);
    if (!controller) return print(io, `Get "http://127.0.0.1:10246${target}": dial tcp 127.0.0.1:10246: connect: connection refused`);
    const { status, body } = statusAnswer(controller, "GET", target);
    if (status === 404 && missing) return print(io, missing(name));
    return print(io, status === 200 ? show(body, name) : `Nginx returned code ${status}`);
  };

/** A command that wants the name of one. */
const named =
  (run: Debug): Debug =>
  (name, io, controller) => {
    const problem = "accepts 1 arg(s), received 0";
    return name === undefined ? print(io, `Error: ${problem}\n${problem}`, 1) : run(name, io, controller);
  };

const pretty = (value: unknown): string => JSON.stringify(value, undefined, 2);
const backends = (body: string): readonly JsonObject[] => JSON.parse(body) as readonly JsonObject[];

/** By the words of the command. */
const DEBUG: Readonly<Record<string, Debug>> = {
  "backends all": asking(
    () => "/configuration/backends",
    (body) => pretty(backends(body)),
  ),
  "backends list": asking(
    () => "/configuration/backends",
    (body) =>
      backends(body)
        .map(({ name }) => String(name))
        .join("\n"),
  ),
  "backends get": named(
    asking(
      () => "/configuration/backends",
      (body, name) => {
        const found = backends(body).find((backend) => backend["name"] === name);
        return found ? pretty(sorted(found)) : "A backend of this name was not found.";
      },
    ),
  ),
  "certs get": named(
    asking(
      (name) => `/configuration/certs?hostname=${name}`,
      (body) => body.trimEnd(),
      (name) => `No cert found for host ${name}`,
    ),
  ),
  general: (_name, io) => print(io, "{}"),
  conf: (_name, io) => print(io, io.context.files.read(CONFIG_FILE) ?? `open ${CONFIG_FILE}: no such file or directory`),
};

/** As Go marshals a map: keys in order, at each level. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value as JsonObject).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, each]) => [key, sorted(each as Json)]));
}

const DEBUG_HELP = `dbg is a tool for quickly inspecting the state of the nginx instance

Usage:
  dbg [command]

Available Commands:
  backends    Inspect the dynamically-loaded backends information
  certs       Inspect dynamic SSL certificates
  conf        Dump the contents of /etc/nginx/nginx.conf
  general     Output the general dynamic lua state
  help        Help about any command

Flags:
  -h, --help              help for dbg
      --status-port int   Port to use for the lua HTTP endpoint configuration. (default 10246)

Use "dbg [command] --help" for more information about a command.`;

function print(io: ProgramIo, text: string, code = 0): number {
  io.stdout.write(`${text}\n`);
  return code;
}

function fail(io: ProgramIo, text: string, code = 1): number {
  io.stderr.write(`${text}\n`);
  return code;
}
