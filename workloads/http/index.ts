// The HTTP server of inline pods.
export { httpDate } from "./date.ts";
export { NodeDrain } from "./drain.ts";
export { answerFrom, type Handler, type HeaderList, type HttpRequest, type HttpResponse } from "./exchange.ts";
export { answerSafely, createHttpServer, type HttpServer, type HttpServerOptions } from "./server.ts";
