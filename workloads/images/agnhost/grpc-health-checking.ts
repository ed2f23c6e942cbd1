// agnhost grpc-health-checking: the gRPC health service, turned to NOT_SERVING over HTTP or by time.
// Upstream: test/images/agnhost/grpc-health-checking.
import { parseGoFlags } from "../../tools/flags.ts";
import { fail, type Tool } from "../../tools/tool.ts";
import { serveGrpcHealth } from "../grpc-health.ts";
import { answerText, serveHttp } from "../serve.ts";

export const grpcHealthChecking: Tool = async (argv, io) => {
  const flags = parseGoFlags(argv.slice(1), ["port", "http-port", "delay-unhealthy-sec", "service"]);
  const [port, httpPort, delay] = [
    flags.get("port") ?? "5000",
    flags.get("http-port") ?? "8080",
    flags.get("delay-unhealthy-sec") ?? "-1",
  ].map(Number);
  if (
    port === undefined ||
    httpPort === undefined ||
    delay === undefined ||
    [port, httpPort, delay].some((each) => !Number.isInteger(each))
  )
    return fail(io, "Error: invalid argument: not a whole number");
  const { clock } = io.context;
  const start = clock.monotonic();
  const known = flags.get("service") ?? "";
  let serving = true;
  const control = serveHttp(io, httpPort, (request, response) => {
    if (request.url === "/make-not-serving") serving = false;
    else if (request.url === "/make-serving") serving = true;
    else return answerText(io, response, "404 page not found\n", 404);
    answerText(io, response, "");
  });
  const health = serveGrpcHealth(io, port, (service) => {
    if (service !== "" && service !== known) return undefined;
    const late = delay >= 0 && clock.monotonic() - start >= delay * 1000;
    return serving && !late ? "SERVING" : "NOT_SERVING";
  });
  return (
    (await Promise.race([control, health])) || (await Promise.all([control, health])).reduce((worst, code) => Math.max(worst, code), 0)
  );
};
