// The upstream cases over real sockets.
import t from "tap";
import { readCases } from "./case.ts";
import { runCases } from "./case-runner.ts";

/** What cannot apply here, and why; docs/fidelity.md says the same. */
const NOT_APPLICABLE: Readonly<Record<string, string>> = {
  "class-11b-no-permission-class": "the controller may always read IngressClasses: there is no RBAC",
  "class-11a-no-permission-annotation": "the controller may always read IngressClasses: there is no RBAC",
};

await runCases(t, readCases("ingress-nginx"), NOT_APPLICABLE);
