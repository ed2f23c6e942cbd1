// What the command line names must be there when the controller starts: Services and a namespace.
// Upstream: cmd/nginx/main.go.
import { Namespaces, Services } from "../../model/resources.ts";
import type { Reader } from "../../store/index.ts";
import { readCommandLine } from "../command-line.ts";

/** Why the controller ends at once. */
export function missingObject(args: readonly string[], reader: Pick<Reader, "get">): string | undefined {
  const { values: flags } = readCommandLine(args);
  for (const flag of ["default-backend-service", "publish-service"]) {
    const key = flags.get(flag) ?? "";
    const [namespace = "", name = "", ...rest] = key.split("/");
    if (key === "") continue;
    if (!key.includes("/") || rest.length > 0) return `invalid format (namespace/name) found in '${key}'`;
    if (!reader.get(Services, namespace, name))
      return `no service with name ${name} found in namespace ${namespace}: services ${JSON.stringify(name)} not found`;
  }
  const watched = flags.get("watch-namespace") ?? "";
  if (watched === "" || reader.get(Namespaces, "", watched)) return undefined;
  return `No namespace with name ${watched} found: namespaces ${JSON.stringify(watched)} not found`;
}
