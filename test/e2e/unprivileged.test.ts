// The acceptance lines as an unprivileged user, for whom port 80 is 8080 and 53 is 8053.
import t from "tap";
import { canBecomeNobody, missingPrograms } from "../support/command.ts";
import { acceptance } from "./acceptance.ts";

const missing = missingPrograms("kubectl", "curl", "dig", "nslookup");

t.test("acceptance as an unprivileged user", { skip: await reason() }, (t) => {
  t.setTimeout(240_000);
  return acceptance(t, "nobody");
});

async function reason(): Promise<string | false> {
  if (missing) return missing;
  return (await canBecomeNobody()) ? false : "needs root and setpriv to become another user";
}
