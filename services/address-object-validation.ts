// Checks of IPAddress and ServiceCIDR objects. Upstream: pkg/apis/networking/validation ValidateIPAddress, ValidateServiceCIDR.
// Own rule: a ServiceCIDR lies in the cluster's own service blocks, since the network carries no others.
import type { FieldError } from "../model/errors.ts";
import { canonicalIp, Cidr, isCidr } from "../model/ip.ts";
import type { IPAddress, ServiceCIDR } from "../model/kinds/networking-v1.ts";
import { equalJson } from "../model/object.ts";
import { IPAddresses, ServiceCIDRs } from "../model/resources.ts";
import type { Admission } from "../store/contract.ts";

/** `serviceCIDRs`: the cluster's own. */
export function addressObjectValidation(serviceCIDRs: readonly Cidr[]): Admission {
  return {
    name: "AddressObjects",
    types: [IPAddresses, ServiceCIDRs],
    operations: ["CREATE", "UPDATE"],
    admit({ type, object, old, subresource }, tx) {
      if (subresource !== undefined) return;
      const reject = (error: FieldError): void => tx.reject(error);
      if (type === IPAddresses) {
        const address = object as unknown as IPAddress;
        if (!old) return checkIpAddress(address, reject);
        const value = address.spec?.parentRef;
        if (!equalJson(value, (old as IPAddress).spec?.parentRef))
          reject({ type: "Invalid", field: "spec.parentRef", value, detail: "field is immutable" });
      } else {
        const cidr = object as unknown as ServiceCIDR;
        if (!old || changesCidrs(cidr, old as ServiceCIDR, reject)) checkServiceCidr(cidr, serviceCIDRs, reject);
      }
    },
  };
}

/** A second block may come, for a second family; true when it did. */
function changesCidrs({ spec }: ServiceCIDR, old: ServiceCIDR, reject: (error: FieldError) => void): boolean {
  const [now, before] = [spec?.cidrs ?? [], old.spec?.cidrs ?? []];
  const detail = "field is immutable";
  const grows = before.length === 1 && now.length === 2;
  if (!grows && now.length !== before.length) reject({ type: "Invalid", field: "spec.cidrs", value: now, detail });
  else before.forEach((text, i) => text !== now[i] && reject({ type: "Invalid", field: `spec.cidrs[${i}]`, value: now[i] ?? "", detail }));
  return grows;
}

function checkIpAddress({ metadata, spec }: IPAddress, reject: (error: FieldError) => void): void {
  const { name } = metadata;
  const canonical = canonicalIp(name);
  if (canonical === undefined) {
    reject({
      type: "Invalid",
      field: "metadata.name",
      value: name,
      detail: "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
    });
  } else if (canonical !== name) {
    reject({ type: "Invalid", field: "metadata.name", value: name, detail: `must be in canonical form ("${canonical}")` });
  }
  if (!spec?.parentRef) return reject({ type: "Required", field: "spec.parentRef", detail: "" });
  if (!spec.parentRef.resource) reject({ type: "Required", field: "spec.parentRef.resource", detail: "" });
  if (!spec.parentRef.name) reject({ type: "Required", field: "spec.parentRef.name", detail: "" });
}

function checkServiceCidr({ spec }: ServiceCIDR, serviceCIDRs: readonly Cidr[], reject: (error: FieldError) => void): void {
  const cidrs = spec?.cidrs ?? [];
  if (cidrs.length === 0) return reject({ type: "Required", field: "spec.cidrs", detail: "at least one CIDR required" });
  if (cidrs.length > 2) return reject({ type: "Invalid", field: "spec.cidrs", value: spec, detail: "may only hold up to 2 values" });
  cidrs.forEach((text, i) => {
    const field = `spec.cidrs[${i}]`;
    if (!isCidr(text)) {
      return reject({ type: "Invalid", field, value: text, detail: "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)" });
    }
    const block = new Cidr(text);
    if (String(block) !== text) reject({ type: "Invalid", field, value: text, detail: `must be in canonical form ("${String(block)}")` });
    const own = serviceCIDRs.some((mine) => mine.contains(block.at(0)) && mine.contains(block.at(block.size - 1n)));
    if (!own) {
      const detail = `must lie in ${serviceCIDRs.join(" or ")}: this cluster's network carries no other Service addresses`;
      reject({ type: "Invalid", field, value: text, detail });
    }
  });
  const families = cidrs.filter(isCidr).map((text) => new Cidr(text).family);
  if (families.length === 2 && families[0] === families[1]) {
    reject({
      type: "Invalid",
      field: "spec.cidrs",
      value: cidrs,
      detail: "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
    });
  }
}
