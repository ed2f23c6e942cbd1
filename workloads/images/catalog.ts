// The built-in images by name. Adding an image is adding a file and a line in the list.
import type { Image } from "../../model/ports.ts";
import { agnhost, serveHostnameImage } from "./agnhost/image.ts";
import { bootcamp, helloApp, kubia, nodeHello } from "./hello-app.ts";
import { ealenEcho } from "./ealen-echo.ts";
import { customErrorPages } from "./custom-error-pages.ts";
import { e2eTestEcho, echoserver } from "./echoserver.ts";
import { etcd } from "./etcd.ts";
import { extAuthAuthsvc } from "./ext-auth-authsvc.ts";
import { fastcgiHelloserver } from "./fastcgi-helloserver.ts";
import { guestbookFrontend } from "./guestbook-frontend.ts";
import { helloBackend, helloFrontend } from "./hello-frontend.ts";
import { httpEcho } from "./http-echo.ts";
import { httpbin, goHttpbin } from "./httpbin.ts";
import { httpd } from "./httpd.ts";
import { inlineImage, type ImageSpec } from "./image.ts";
import { jmallocEcho } from "./jmalloc-echo.ts";
import { nginx } from "./nginx.ts";
import { pause } from "./pause.ts";
import { redis, redisFollower, redisSlave } from "./redis/image.ts";
import { shellImages } from "./shells.ts";
import { whoami } from "./whoami.ts";

const specs: readonly ImageSpec[] = [
  agnhost,
  bootcamp,
  customErrorPages,
  e2eTestEcho,
  ealenEcho,
  echoserver,
  etcd,
  extAuthAuthsvc,
  fastcgiHelloserver,
  goHttpbin,
  guestbookFrontend,
  helloApp,
  helloBackend,
  helloFrontend,
  httpEcho,
  httpbin,
  httpd,
  jmallocEcho,
  kubia,
  nginx,
  nodeHello,
  pause,
  redis,
  redisFollower,
  redisSlave,
  serveHostnameImage,
  ...shellImages,
  whoami,
];

/** Every built-in image by repository, without registry host, `library/` and tag: "nginx", "hashicorp/http-echo". */
export const builtInImages: ReadonlyMap<string, Image> = new Map(
  specs.flatMap((spec) => {
    const image = inlineImage(spec);
    return spec.repositories.map((repository) => [repository, image] as const);
  }),
);

/** `registry.k8s.io/e2e-test-images/agnhost:2.52@sha256:…` → `e2e-test-images/agnhost`. */
export function repositoryOf(reference: string): string {
  const named = reference.replace(/@[\w+.-]+:[0-9a-fA-F]+$/, "").replace(/:[\w][\w.-]{0,127}$/, "");
  const slash = named.indexOf("/");
  const first = slash < 0 ? "" : named.slice(0, slash);
  const isHost = first === "localhost" || /[.:]/.test(first);
  return (isHost ? named.slice(slash + 1) : named).replace(/^library\//, "");
}

/** The image that a reference names, of these images; undefined for one that is not there. */
export function findImage(reference: string, images: ReadonlyMap<string, Image> = builtInImages): Image | undefined {
  return images.get(repositoryOf(reference));
}

/** The built-in images and more: `extra` wins, and is keyed as builtInImages is. */
export function extendImages(extra: Iterable<readonly [string, Image]>): ReadonlyMap<string, Image> {
  return new Map([...builtInImages, ...extra]);
}
