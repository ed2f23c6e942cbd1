// custom-http-errors, default-backend, disable-proxy-intercept-errors: error answers that another Service gives.
// Upstream: internal/ingress/annotations/{customhttperrors,defaultbackend,disableproxyintercepterrors}; nginx.tmpl CUSTOM_ERRORS.
import { annotationGroup } from "./annotation.ts";

export interface CustomErrors {
  readonly codes: ReadonlySet<number>;
  /** Service of the Ingress's namespace; "" is the global default backend. */
  readonly defaultBackend: string;
  readonly interceptDisabled: boolean;
}

export const customErrors = annotationGroup<CustomErrors>({
  name: "customErrors",
  annotations: ["custom-http-errors", "default-backend", "disable-proxy-intercept-errors"],
  parse(read) {
    const own = read.list("custom-http-errors");
    const codes = (own.length > 0 ? own : read.config.list("custom-http-errors")).flatMap((text) => {
      const code = Number(text);
      if (Number.isInteger(code) && code >= 400 && code <= 599) return [code];
      read.problem("custom-http-errors", `${text} is not an error status`);
      return [];
    });
    return {
      codes: new Set(codes),
      defaultBackend: read.text("default-backend") ?? "",
      interceptDisabled: read.flag("disable-proxy-intercept-errors", read.config.flag("disable-proxy-intercept-errors", false)),
    };
  },
});
