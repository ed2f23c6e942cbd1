// The acceptance lines as the user who runs the tests (root in CI: Services listen on their own ports).
import t from "tap";
import { missingPrograms } from "../support/command.ts";
import { acceptance } from "./acceptance.ts";

const missing = missingPrograms("kubectl", "curl", "dig", "nslookup");
const privileged = process.getuid?.() === 0;

t.test("acceptance as a user with privileged ports", { skip: reason() }, (t) => {
  t.setTimeout(240_000);
  return acceptance(t, "self");
});

function reason(): string | false {
  if (missing) return missing;
  return privileged ? false : "needs root for ports below 1024; unprivileged.test.ts covers the rest";
}
