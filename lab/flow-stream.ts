// The cluster's flows as its API server streams them: live from the moment this resolves.
import type { ApiClient } from "../cluster/index.ts";
import type { FlowRecord } from "../model/ports.ts";

/** Resolves once every flow that begins from now on will be yielded. Ends with the signal. */
export async function followFlows(client: ApiClient, signal: AbortSignal): Promise<AsyncIterable<FlowRecord>> {
  const lines = client.lines("/apis/loopkube.dev/v1alpha1/flows?follow=true", signal)[Symbol.asyncIterator]();
  // Flows that were alive before come first and end with an empty line.
  for (let line = await lines.next(); !line.done && line.value !== "";) line = await lines.next();
  return flows(lines);
}

async function* flows(lines: AsyncIterator<string>): AsyncIterable<FlowRecord> {
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    if (line.value !== "") yield JSON.parse(line.value) as FlowRecord;
  }
}
