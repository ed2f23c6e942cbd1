// `kubectl get ipaddresses`. Upstream: printers/internalversion printIPAddress.
import { IPAddresses } from "../../model/resources.ts";
import { printer } from "./table.ts";

export const ipAddressPrinter = printer(IPAddresses, ["Name", "ParentRef"], ({ metadata, spec }) => {
  const parent = spec?.parentRef;
  const path = [parent?.resource, parent?.namespace, parent?.name].filter((part) => part !== undefined && part !== "");
  return [metadata.name, parent === undefined ? "" : `${parent.group ? `${parent.group}/` : ""}${path.join("/")}`];
});
