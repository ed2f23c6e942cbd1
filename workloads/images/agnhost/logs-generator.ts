// agnhost logs-generator: a number of log lines spread evenly over a time. Upstream: test/images/agnhost/logs-generator.
import { sleep } from "../../../model/clock.ts";
import { createIds } from "../../../model/ids.ts";
import { parseGoFlags } from "../../tools/flags.ts";
import { write } from "../../tools/streams.ts";
import { fail, terminationOf, type Tool } from "../../tools/tool.ts";
import { parseGoDuration } from "../go-text.ts";

const METHODS = ["POST", "GET", "PUT"];
const NAMESPACES = ["kube-system", "default", "ns"];

export const logsGenerator: Tool = async (argv, io) => {
  const flags = parseGoFlags(argv.slice(1), ["log-lines-total", "run-duration"], [], { t: "log-lines-total", d: "run-duration" });
  const total = Number(flags.get("log-lines-total") ?? 0);
  const duration = parseGoDuration(flags.get("run-duration") ?? "0s");
  if (!Number.isInteger(total) || total <= 0) return fail(io, `Invalid total number of lines: ${flags.get("log-lines-total") ?? 0}`);
  if (duration === undefined || duration <= 0) return fail(io, `Invalid duration: ${flags.get("run-duration") ?? "0s"}`);
  const { clock, random } = io.context;
  const ids = createIds(random);
  for (let id = 0; id < total; id++) {
    const method = METHODS[random.int(METHODS.length)] ?? "GET";
    const namespace = NAMESPACES[random.int(NAMESPACES.length)] ?? "default";
    const time = new Date(clock.now()).toISOString().slice(11, 23);
    await write(
      io,
      `I${new Date(clock.now()).toISOString().slice(5, 10).replace("-", "")} ${time}000       1 logs_generator.go:76] ${id} ${method} /api/v1/namespaces/${namespace}/pods/${ids.safe(3 + random.int(3))} ${200 + random.int(400)}\n`,
      io.stderr,
    );
    await sleep(clock, duration / total, io.signal).catch(() => {
      throw terminationOf(io.signal);
    });
  }
  return 0;
};
