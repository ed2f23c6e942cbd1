// Watches: one JSON line per event, until the client leaves, the time is over or the revision is gone. A slow reader is waited for.
// Upstream: apiserver handlers/watch.go, pkg/storage/cacher (bookmarks, WatchList: KEP 3157).
import { isStatus, StatusError } from "../../model/errors.ts";
import type { KubeObject } from "../../model/object.ts";
import { apiVersionOf, type ResourceType } from "../../model/resources.ts";
import type { WatchEvent } from "../../store/index.ts";
import type { Answer, ApiContext, ApiRequest } from "../context.ts";
import { type ListOptions, parseRevision, tooLargeRevision } from "../list-options.ts";
import { type Presentation, presentationOf } from "../present.ts";
import { statusOf } from "../send.ts";
import type { Target } from "../target.ts";
import { written } from "../written.ts";

const DEFAULT_TIMEOUT_SECONDS = 1800;
const INITIAL_EVENTS_END = "k8s.io/initial-events-end";

/** Where the store's watch begins, and whether the present state comes first. */
function startOf({ store }: ApiContext, options: ListOptions): number {
  const { resourceVersion, sendInitialEvents } = options;
  const asked = resourceVersion === "" ? 0 : parseRevision(resourceVersion);
  if (asked > store.revision) throw tooLargeRevision(asked, store.revision);
  if (sendInitialEvents === true) return 0;
  return sendInitialEvents === false && asked === 0 ? store.revision : asked;
}

function bookmarkOf(type: ResourceType, revision: number, ended: boolean): object {
  return {
    kind: type.kind,
    apiVersion: apiVersionOf(type),
    metadata: {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(ended ? { annotations: { [INITIAL_EVENTS_END]: "true" } } : {}),
    },
  };
}

export async function watchObjects(request: ApiRequest, context: ApiContext, target: Target, options: ListOptions): Promise<Answer> {
  const presentation = presentationOf(request, context, target.type);
  const from = startOf(context, options);
  const timeout = new AbortController();
  const timer = context.clock.after((options.timeoutSeconds || DEFAULT_TIMEOUT_SECONDS) * 1000, () => timeout.abort(), {
    background: true,
  });
  const signal = AbortSignal.any([request.signal, timeout.signal]);
  const { response } = request;
  response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-cache, private" });
  response.flushHeaders();
  context.metrics.watchBegins();
  try {
    const bookmarks = options.allowWatchBookmarks;
    const events = context.store.watch(target.type, {
      ...options.query,
      from,
      bookmarks: bookmarks || options.sendInitialEvents === true,
      signal,
    });
    const encode = encoder(target.type, presentation, options);
    for await (const event of events) {
      const line = encode(event);
      if (line !== undefined) await written(response, line, signal);
      if (signal.aborted) break;
    }
  } catch (error) {
    if (!signal.aborted) response.write(errorLine(error));
  } finally {
    timer.cancel();
    context.metrics.watchEnds();
  }
  response.end();
  return { type: "sent" };
}

/** Makes the line of each event; undefined for a bookmark that was not asked for. */
function encoder(type: ResourceType, presentation: Presentation, options: ListOptions): (event: WatchEvent) => string | undefined {
  let withColumns = true;
  return (event) => {
    if (event.type !== "BOOKMARK") {
      if (presentation.form === "object") return `{"type":"${event.type}","object":${textOf(event.object)}}\n`;
      const object = presentation.object(event.object, { withColumns });
      withColumns = false;
      return `${JSON.stringify({ type: event.type, object })}\n`;
    }
    const ended = event.initial && options.sendInitialEvents === true;
    if (event.initial ? !ended : !options.allowWatchBookmarks) return undefined;
    const bookmark = bookmarkOf(type, event.revision, ended);
    const object = presentation.form === "Table" ? emptyTable(event.revision, bookmark) : bookmark;
    return `${JSON.stringify({ type: "BOOKMARK", object })}\n`;
  };
}

/** The last object's JSON: a thousand watchers of one change share it. */
const lastText: { object?: KubeObject; text: string } = { text: "" };

function textOf(object: KubeObject): string {
  if (lastText.object !== object) Object.assign(lastText, { object, text: JSON.stringify(object) });
  return lastText.text;
}

function emptyTable(revision: number, bookmark: object): object {
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: { resourceVersion: String(revision) },
    columnDefinitions: [],
    rows: [{ cells: [], object: bookmark }],
  };
}

function errorLine(error: unknown): string {
  const gone = isStatus(error, "Expired");
  const status = gone && error instanceof Error ? new StatusError(410, "Expired", error.message).status : statusOf(error);
  return `${JSON.stringify({ type: "ERROR", object: status })}\n`;
}
