// The acceptance lines as the user who runs the tests (root in CI: Services listen on their own ports).
import t from "tap";
import { hasProgram } from "../support/command.ts";
import { acceptance } from "./acceptance.ts";

const missing: string[] = [];
for (const program of ["kubectl", "curl", "dig", "nslookup"]) if (!(await hasProgram(program))) missing.push(program);
const privileged = process.getuid?.() === 0;

t.test("acceptance as a user with privileged ports", { skip: reason() }, (t) => {
  t.setTimeout(240_000);
  return acceptance(t, "self");
});

function reason(): string | false {
  if (missing.length > 0) return `not installed: ${missing.join(", ")}`;
  return privileged ? false : "needs root for ports below 1024; unprivileged.test.ts covers the rest";
}
