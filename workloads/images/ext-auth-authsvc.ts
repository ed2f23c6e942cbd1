// ingress-nginx's ext-auth-example-authsvc: a server for auth-url that lets `User: internal` pass and tells who that is.
// Upstream: images/ext-auth-example-authsvc, which takes any value with one of the letters of "internal".
import { createIds } from "../../model/ids.ts";
import type { NamedTool } from "../tools/tool.ts";
import type { ImageSpec } from "./image.ts";
import { answerText, serveHttp, urlOf } from "./serve.ts";

const program: NamedTool = {
  name: "authsvc",
  run(_argv, io) {
    const ids = createIds(io.context.random);
    return serveHttp(io, 8080, (request, response) => {
      if (/[aeilnrt]/.test(String(request.headers["user"] ?? "")))
        return answerText(io, response, "ok", 200, [
          ["Other", "not used"],
          ["Userid", ids.uid()],
          ["Userrole", "admin"],
        ]);
      const code = Number(urlOf(request).searchParams.get("code"));
      answerText(io, response, "unauthorized", Number.isInteger(code) && code >= 200 && code < 600 ? code : 403);
    });
  },
};

export const extAuthAuthsvc: ImageSpec = {
  repositories: ["k8s-staging-ingress-nginx/ext-auth-example-authsvc", "ingress-nginx/ext-auth-example-authsvc"],
  entrypoint: ["/authsvc"],
  ports: [8080],
  programs: [program],
};
