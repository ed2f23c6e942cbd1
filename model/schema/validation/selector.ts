// Label selectors. Upstream: apimachinery pkg/apis/meta/v1/validation/validation.go ValidateLabelSelector.
import type { LabelSelector } from "../../kinds/meta-v1.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabels } from "./metadata.ts";
import { formatErrors, qualifiedNameErrors } from "./names.ts";

export function validateLabelSelector(selector: LabelSelector, path: string, errors: FieldErrors): void {
  validateLabels(selector.matchLabels, `${path}.matchLabels`, errors);
  (selector.matchExpressions ?? []).forEach(({ key, operator, values }, i) => {
    const field = `${path}.matchExpressions[${i}]`;
    if (operator === "In" || operator === "NotIn") {
      if (!values?.length) errors.required(`${field}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (operator === "Exists" || operator === "DoesNotExist") {
      if (values?.length) errors.forbidden(`${field}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else errors.invalid(`${field}.operator`, operator ?? "", "not a valid selector operator");
    errors.invalid(`${field}.key`, key ?? "", ...qualifiedNameErrors(key ?? ""));
    (values ?? []).forEach((value, j) => errors.invalid(`${field}.values[${j}]`, value, ...formatErrors("labelValue", value)));
  });
}
