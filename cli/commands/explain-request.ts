// `loopkube explain request`: what the Ingress controller would do with an HTTP request, step by step, or did with one that was traced.
import { Command } from "commander";
import type { ExplainAnswer } from "../../model/ports.ts";
import { connected, DIAGNOSTICS_PATH } from "../connect.ts";
import { explainOptions, withExplainOptions } from "../explain-options.ts";
import { printSteps } from "../explain-steps.ts";
import { headerOption } from "../header-line.ts";
import { print } from "../terminal.ts";

interface Options {
  readonly name?: string;
  readonly from?: string;
  readonly output?: string;
  readonly method: string;
  readonly header: readonly string[];
  readonly authStatus?: string;
  readonly podStatus?: string;
  readonly id?: string;
}

export function explainRequestCommand(): Command {
  const command = withExplainOptions(new Command("request"))
    .description("explain what the Ingress would do with an HTTP request: class, server, location, phases, canary, endpoints, answer")
    .argument("[url]", "http://HOST/PATH or https://HOST/PATH, as an Ingress names it")
    .option("-X, --method <method>", "request method", "GET")
    .addOption(headerOption())
    .option("--auth-status <status>", "take the server of auth-url to answer so; left out: what follows from each answer is told")
    .option("--pod-status <status>", "take every pod to answer so; left out: what follows from each status is told")
    .option("--id <trace>", "a request that was sent, by its X-Loopkube-Trace (ConfigMap key loopkube-trace)")
    .addHelpText("after", "\nExample:\n  loopkube explain request -X POST -H 'Cookie: a=b' https://shop.example/cart")
    .action((url: string | undefined) => {
      const options = explainOptions<Options>(command);
      if (url === undefined && options.id === undefined) return command.error("error: a URL or --id is required");
      return connected(options, async (client) => {
        const query = new URLSearchParams({
          from: options.from ?? "host",
          method: options.method,
          url: url === undefined ? "" : withScheme(url),
        });
        for (const line of options.header) query.append("header", line);
        if (options.authStatus !== undefined) query.set("authStatus", options.authStatus);
        if (options.podStatus !== undefined) query.set("podStatus", options.podStatus);
        if (options.id !== undefined) query.set("id", options.id);
        const answer = await client.request("GET", `${DIAGNOSTICS_PATH}/request?${query.toString()}`);
        const { steps } = answer as unknown as { steps: readonly ExplainAnswer[] };
        if (options.output === "json") print(JSON.stringify({ steps }, undefined, 2));
        else printSteps(steps);
      });
    });
  return command;
}

const withScheme = (url: string): string => (/^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `http://${url}`);
