// Servers in turns under one load: rates, and the processor time that one unit of them costs.
import { figure, interleave, summarise } from "./measure.ts";
import { processorTimeUs } from "./server-time.ts";

/** Where a contestant answers, and which processes do the work. */
export interface Server {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly pids: readonly number[];
  /** Header lines of each request, where the load is HTTP. */
  readonly headers?: readonly string[];
  /** Done before each of its turns. */
  readonly before?: () => Promise<void>;
}

export type Load = (server: Server, seconds: number) => Promise<number>;

/** A Markdown table: every contestant as a ratio of the first, with the processor time of all its processes for one unit. */
export async function comparison(
  title: string,
  unit: string,
  servers: readonly Server[],
  load: Load,
  rounds: number,
  seconds: number,
): Promise<string> {
  const costs = new Map(servers.map(({ name }): [string, number[]] => [name, []]));
  const measure = async (server: Server): Promise<number> => {
    await server.before?.();
    const before = processorTimeUs(server.pids);
    const rate = await load(server, seconds);
    costs.get(server.name)?.push((processorTimeUs(server.pids) - before) / (rate * seconds));
    return rate;
  };
  // What runs for the first time is compiled as it runs, the longer the more code it is: not what a server's day is like.
  for (const server of [...servers, ...servers]) {
    await server.before?.();
    await load(server, seconds);
  }
  const results = await interleave(
    servers.map((server) => ({ name: server.name, measure: () => measure(server) })),
    rounds,
  );
  const base = results[0]?.median ?? Number.NaN;
  const rows = results.map(({ name, median, low, high }) => {
    const cost = figure(summarise(name, costs.get(name) ?? []).median);
    return `| ${name} | ${(median / base).toFixed(2)} | ${figure(median)} | ${figure(low)} … ${figure(high)} | ${cost} |`;
  });
  const one = unit.replace(/s?\/s$/, "");
  return [
    `### ${title}`,
    "",
    `| contestant | ratio | median ${unit} | range | processor time, µs per ${one} |`,
    "| --- | --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}
