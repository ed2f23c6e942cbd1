// The acceptance lines as an unprivileged user, for whom port 80 is 8080 and 53 is 8053.
import t from "tap";
import { canBecomeNobody, hasProgram } from "../support/command.ts";
import { acceptance } from "./acceptance.ts";

const missing: string[] = [];
for (const program of ["kubectl", "curl", "dig", "nslookup"]) if (!(await hasProgram(program))) missing.push(program);

t.test("acceptance as an unprivileged user", { skip: await reason() }, (t) => {
  t.setTimeout(240_000);
  return acceptance(t, "nobody");
});

async function reason(): Promise<string | false> {
  if (missing.length > 0) return `not installed: ${missing.join(", ")}`;
  return (await canBecomeNobody()) ? false : "needs root and setpriv to become another user";
}
