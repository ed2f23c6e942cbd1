// agnhost porter: each SERVE_PORT_n=body (SERVE_TLS_PORT_n with CERT_FILE and KEY_FILE) in the environment is a port that answers with
// that body; without CERT_FILE the certificate is a self-signed one for localhost. Upstream: test/images/agnhost/porter. Leaves out
// SERVE_SCTP_PORT_n.
import { createServer as createTlsServer } from "node:https";
import { selfSignedCertificate } from "../../../model/x509.ts";
import { parseGoFlags } from "../../tools/flags.ts";
import { fail, type Tool, type ToolIo } from "../../tools/tool.ts";
import { goLogTime } from "../go-text.ts";
import { answerText, serveHttp } from "../serve.ts";

export const porter: Tool = async (argv, io) => {
  const json = parseGoFlags(argv.slice(1), [], ["json-response"]).get("json-response") === "true";
  const wanted = Object.entries(io.env).flatMap(([name, body]) => {
    const match = /^SERVE_(TLS_)?PORT_(\d+)$/.exec(name);
    return match ? [{ port: Number(match[2]), tls: match[1] !== undefined, body }] : [];
  });
  const pair = wanted.some(({ tls }) => tls) ? certificateOf(io) : undefined;
  if (pair && "error" in pair) return fail(io, pair.error);
  if (Object.keys(io.env).some((name) => name.startsWith("SERVE_SCTP_PORT_")))
    io.stderr.write("porter: SCTP is not carried by loopkube's network\n");
  const codes = await Promise.all(
    wanted.map(({ port, tls, body }) => {
      return serveHttp(
        io,
        port,
        (request, response) => {
          const text = json ? JSON.stringify({ Method: request.method, Body: body }) : body;
          answerText(io, response, text, 200, json ? [["Content-Type", "application/json"]] : []);
        },
        {
          ...(tls && pair ? { server: createTlsServer(pair) } : {}),
          onBusy: (reason) => `${goLogTime(io.context.clock.now())} listen tcp :${port}: bind: ${reason.toLowerCase()}`,
        },
      );
    }),
  );
  if (wanted.length === 0) return fail(io, "porter: no SERVE_PORT_n in the environment", 0);
  return Math.max(...codes);
};

function certificateOf(io: ToolIo): { readonly cert: string; readonly key: string } | { readonly error: string } {
  const { CERT_FILE: certFile, KEY_FILE: keyFile } = io.env;
  if (certFile === undefined || keyFile === undefined) {
    return selfSignedCertificate({
      commonName: "localhost",
      dnsNames: ["localhost"],
      usages: ["server"],
      days: 365,
      now: io.context.clock.now(),
    });
  }
  const [cert, key] = [io.files.read(certFile), io.files.read(keyFile)];
  if (cert === undefined || key === undefined)
    return { error: `open ${cert === undefined ? certFile : keyFile}: no such file or directory` };
  return { cert, key };
}
