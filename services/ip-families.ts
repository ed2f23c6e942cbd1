// Defaults and checks of ipFamilyPolicy and ipFamilies, before addresses are allocated.
// Upstream: pkg/registry/core/service/storage/alloc.go initIPFamilyFields.
import { type FieldError, invalid } from "../model/errors.ts";
import { ipFamily, type IpFamily } from "../model/ip.ts";
import type { Service } from "../model/kinds/core-v1.ts";
import { type Draft, equalJson } from "../model/object.ts";
import { Services } from "../model/resources.ts";
import { isHeadless } from "./service-fields.ts";
import { validateClusterIPs } from "./service-validation.ts";

const other = (family: string): IpFamily => (family === "IPv4" ? "IPv6" : "IPv4");

/** Fills in the fields of `service` in place; `configured` are the cluster's families, the default one first. Throws 422. */
export function initIpFamilies(service: Draft<Service>, old: Service | undefined, configured: readonly IpFamily[]): void {
  const { spec } = service;
  if (!spec || spec.type === "ExternalName") return;
  if (old && staysPreferDualStack(service, old)) return;
  const errors: FieldError[] = [];
  const stop = (): void => {
    if (errors.length > 0) throw invalid(Services, service.metadata.name, errors);
  };
  const selectorless = Object.keys(spec.selector ?? {}).length === 0;
  spec.ipFamilyPolicy ??= old?.spec?.ipFamilyPolicy ?? (isHeadless(service) && selectorless ? "RequireDualStack" : "SingleStack");
  validateClusterIPs(spec, (error) => errors.push(error));
  stop();
  const single = spec.ipFamilyPolicy === "SingleStack";
  const policyError = (detail: string): void =>
    void errors.push({ type: "Invalid", field: "spec.ipFamilyPolicy", value: spec.ipFamilyPolicy, detail });

  if (old?.spec) {
    const same = {
      ips: equalJson(spec.clusterIPs ?? [], old.spec.clusterIPs ?? []),
      families: equalJson(spec.ipFamilies ?? [], old.spec.ipFamilies ?? []),
    };
    if (single) {
      if (same.ips && (spec.clusterIPs?.length ?? 0) > 1) spec.clusterIPs = spec.clusterIPs?.slice(0, 1) ?? [];
      if (same.families && (spec.ipFamilies?.length ?? 0) > 1) spec.ipFamilies = spec.ipFamilies?.slice(0, 1) ?? [];
    } else {
      if (old.spec.clusterIPs?.length === 2 && spec.clusterIPs?.length === 1)
        policyError("must be 'SingleStack' to release the secondary cluster IP");
      if (old.spec.ipFamilies?.length === 2 && spec.ipFamilies?.length === 1)
        policyError("must be 'SingleStack' to release the secondary IP family");
    }
  }
  if (single && spec.clusterIPs?.length === 2)
    policyError("must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified");
  if (single && spec.ipFamilies?.length === 2)
    policyError("must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified");

  const families = [...(spec.ipFamilies ?? [])];
  for (const [i, ip] of (spec.clusterIPs ?? []).entries()) {
    if (ip === "None") break;
    const family = ipFamily(ip);
    if (!family || i < families.length) continue;
    if (configured.includes(family)) families.push(family);
    else
      errors.push({
        type: "Invalid",
        field: `spec.clusterIPs[${i}]`,
        value: spec.clusterIPs,
        detail: `${family} is not configured on this cluster`,
      });
  }
  stop();

  if (isHeadless(service) && selectorless) {
    if (families.length === 0) families.push(configured[0] ?? "IPv4");
    if (families.length < 2 && !single) families.push(other(families[0] ?? "IPv4"));
    spec.ipFamilies = families;
    return;
  }
  if (spec.ipFamilyPolicy === "RequireDualStack" && configured.length < 2)
    policyError("this cluster is not configured for dual-stack services");
  for (const [i, family] of families.entries()) {
    if (!configured.includes(family as IpFamily)) {
      errors.push({ type: "Invalid", field: `spec.ipFamilies[${i}]`, value: family, detail: "not configured on this cluster" });
    }
  }
  stop();
  if (families.length === 0) families.push(configured[0] ?? "IPv4");
  if (!single && families.length === 1 && configured.length === 2) families.push(other(families[0] ?? "IPv4"));
  spec.ipFamilies = families;
}

/** A cluster that has become dual-stack (or no longer is) leaves such a Service as it was. */
function staysPreferDualStack({ spec }: Draft<Service>, old: Service): boolean {
  const same = (field: "clusterIPs" | "ipFamilies"): boolean => equalJson(spec?.[field] ?? [], old.spec?.[field] ?? []);
  return (
    spec?.ipFamilyPolicy === "PreferDualStack" && old.spec?.ipFamilyPolicy === "PreferDualStack" && same("clusterIPs") && same("ipFamilies")
  );
}
