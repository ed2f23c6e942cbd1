// Writes the controller's own answers.
import type { ServerResponse } from "node:http";
import { type Answer, reasonOf } from "../request/answer.ts";
import type { Exchange } from "../request/exchange.ts";
import { addHsts } from "../request/headers.ts";
import { serverHeader, shown, signed } from "../request/server-header.ts";
import { expand, withoutVariables } from "../request/variables.ts";
import type { RoutesFeed } from "../routes/routes-feed.ts";

/** What of the feed answers look at. */
export type AnswerFeed = Pick<RoutesFeed, "table" | "configMap">;

/** add-headers, also where no location has answered. */
function addedEverywhere(feed: AnswerFeed): readonly (readonly [name: string, value: string])[] {
  const key = feed.table.config.text("add-headers");
  const all = key === "" ? [] : Object.entries(feed.configMap(key) ?? {});
  return shown(feed.table.config) ? all : all.filter(([name]) => name.toLowerCase() !== "server");
}

/** Head and body of an answer; steps' response headers stand on it as on any other. */
export function sendAnswer(
  response: ServerResponse,
  answer: Answer,
  exchange: Exchange | undefined,
  head: boolean,
  feed: AnswerFeed,
): void {
  const { config } = feed.table;
  if (response.headersSent || response.destroyed) return;
  const http2 = "stream" in response;
  const lines: string[] = [];
  const put = (name: string, value: string): void => void lines.push(http2 ? name.toLowerCase() : name, value);
  const everywhere = addedEverywhere(feed);
  if (exchange) {
    for (const [name, value] of everywhere)
      if (!exchange.responseHeaders.has(name.toLowerCase())) exchange.setResponseText(name, () => expand(exchange, value));
    addHsts(exchange);
  }
  const own = new Set(answer.headers.map(([name]) => name.toLowerCase()));
  for (const [name, value] of answer.headers) put(name, value);
  for (const [lower, [name, value]] of exchange?.responseHeaders ?? []) if (!own.has(lower) && value !== "") put(name, value);
  if (!exchange) for (const [name, value] of everywhere) if (!own.has(name.toLowerCase())) put(name, withoutVariables(value));
  for (const [name, value] of exchange?.added(answer.status) ?? []) put(name, value);
  const server = lines.some((text, i) => i % 2 === 0 && text.toLowerCase() === "server") ? undefined : serverHeader(config);
  if (server !== undefined) put("Server", server);
  const body = Buffer.from(signed(answer.body, config), "latin1");
  put("Content-Length", String(body.length));
  if (answer.close === true && !http2) put("Connection", "close");
  if (http2) response.writeHead(answer.status, lines);
  else response.writeHead(answer.status, reasonOf(answer.status), lines);
  const bodiless = head || answer.status === 204 || answer.status === 304;
  if (exchange?.record && !bodiless) exchange.record.bodyBytes = body.length;
  response.end(bodiless ? undefined : body);
}
