// What `explain request` foretells for a request of a case, and where it differs from the answer that came.
import { Services } from "../../model/resources.ts";
import type { Asked, Got } from "./client.ts";
import type { Said, World } from "./harness.ts";

/** An answer, and what pods were asked for it. */
interface Answered {
  readonly got: Got;
  readonly said: readonly Said[];
}

/** Client certificates and targets that are no paths cannot be put into a question; where a pod's X-Accel-Redirect leads is the pod's to say. */
export async function explainDifferences(asked: Asked, answered: Answered, world: World): Promise<readonly string[]> {
  const { said } = answered;
  if (asked.pair || asked.path?.startsWith("/") === false || said.some(({ redirects }) => redirects)) return [];
  const auth = said.findLast(({ to }) => to === "auth");
  if (auth) return differences(asked, answered, auth.status, world);
  // Nobody was asked: the answer was kept from before, or there was none, which is as good as 500.
  let wrong: readonly string[] = [];
  for (const status of [world.said.findLast(({ to }) => to === "auth")?.status, 500]) {
    wrong = await differences(asked, answered, status, world);
    if (wrong.length === 0) break;
  }
  return wrong;
}

type Steps = Readonly<Record<string, readonly string[]>>;

/** Explained twice: with what the pod and the server of auth-url have said, and as if nobody knew. */
async function differences(asked: Asked, answered: Answered, authStatus: number | undefined, world: World): Promise<readonly string[]> {
  const podStatus = answered.said.find(({ to }) => to === "pod")?.status;
  const told = await explain(asked, { authStatus, podStatus }, world);
  const ends = [...(told["answer"] ?? []), ...(told["access phases"] ?? []).filter((line) => line.startsWith("once limits are used up: "))];
  const wrong = ends.map((line) => endDifferences(line, told, answered, world));
  if (!wrong.some((found) => found?.length === 0)) return [...wrong.flatMap((found) => found ?? []), `told was ${JSON.stringify(told)}`];
  const open = await explain(asked, {}, world);
  const refusal =
    authStatus === undefined ? undefined : (/^40[13]$/.exec(String(authStatus))?.[0] ?? (authStatus >= 300 ? "anything else" : undefined));
  const conditional = Object.values(open)
    .flat()
    .find((line) => new RegExp(`^(?:if auth-url says ${refusal}|but when it says (?:\\d+, )*${podStatus})\\b.*: `).test(line));
  const differs = conditional === undefined ? [] : (endDifferences(conditional, open, answered, world) ?? []);
  return differs.length === 0 ? [] : [...differs, `told was ${JSON.stringify(open)}`];
}

async function explain(
  { scheme = "http", method = "GET", host, path = "/", headers = {}, sni, body }: Asked,
  assumed: { readonly authStatus?: number | undefined; readonly podStatus?: number | undefined },
  world: World,
): Promise<Steps> {
  const lines = [...Object.entries(headers), ...(host === undefined || host === null ? [] : [["Host", host] as const])];
  if (body !== undefined && headers["Content-Length"] === undefined) lines.push(["Content-Length", String(body.length)]);
  const url = `${scheme}://${scheme === "https" ? (sni ?? "127.0.0.1") : "127.0.0.1"}${path}`;
  const from = { kind: "host", ip: "127.0.0.1" } as const;
  const steps = await world.diagnostics.explainRequest?.({ type: "asked", from, method, url, headers: lines, ...assumed });
  return Object.fromEntries((steps ?? []).map((step) => [step.title, step.lines]));
}

/** Undefined: the line tells of no end. */
function endDifferences(
  line: string,
  { upstream = [], balancer = [], tries = [], answer = [] }: Steps,
  { got, said }: Answered,
  world: World,
): readonly string[] | undefined {
  const wrong: string[] = [];
  const same = (what: string, foretold: unknown, is: unknown): void => {
    if (foretold !== is) wrong.push(`${what}: ${String(foretold)} is foretold, not ${String(is)}`);
  };
  const pod = said.find(({ to }) => to === "pod");
  const other = said.findLast(({ to }) => to === "error");
  const replaced = /Service default\/(\S+) answers instead, as custom-http-errors says, asked for (\S+)/.exec(line);
  const [, status, location] = /answers (\d+)[^]*?(?:\(Location: (.*?)\)(?:;.*)?)?$/.exec(line) ?? [];
  if (replaced) {
    same("Service of an error", replaced[1], other?.service);
    same("path of an error", replaced[2], other?.path);
    same("status of an error", got.status, other?.status);
  } else if (status === undefined) {
    if (line !== "its answer is passed on") return undefined;
    // No pod was there, or none said anything; or the default-backend annotation's Service was asked in the first place.
    if (!other)
      same(
        "its status among them",
        true,
        tries.some((text) => new RegExp(`\\b${got.status} (?:when|after)`).test(text)),
      );
    else
      same(
        "Service instead",
        upstream.find((text) => text.includes(`annotation's Service ${other.service} answers instead`)) !== undefined,
        true,
      );
  } else {
    same("status", Number(status), got.status);
    if (!line.endsWith(", as the pod says")) {
      same("Service", undefined, got.headers["x-service"]);
      same("Location", location, got.headers["location"]);
      return wrong;
    }
    const service = /goes to Service default\/(\S+)/.exec(upstream.join("\n"))?.[1] ?? "";
    const { externalName, clusterIP } = world.store.get(Services, "default", service)?.spec ?? {};
    same("what the pod sees", answer.includes(`the pod sees ${pod?.method} ${pod?.path}`), true);
    if (externalName === undefined) same("Service", service, got.headers["x-service"]);
    const [text = ""] = balancer.flatMap((of) => / among (.*?)(?:, as .*)?$/.exec(of)?.[1] ?? []);
    const peers = /leads to (\S+)/.exec(balancer.join("\n"))?.[1] ?? text;
    const own = [externalName ?? pod?.ip, clusterIP].flatMap((host) => (host === undefined ? [] : [`${host.replace(/\.$/, "")}:80`]));
    same(
      "pod",
      peers.split(", ").some((peer) => own.includes(peer)),
      true,
    );
  }
  return wrong;
}
