// Validation of Faults inside the write, so that `kubectl apply` hears of every mistake at once.
import { Faults } from "../model/resources.ts";
import type { Fault } from "../model/kinds/loopkube-v1alpha1.ts";
import type { Admission } from "../store/index.ts";
import { faultErrors } from "./compile-fault.ts";

export function faultAdmission(): Admission {
  return {
    name: "Faults",
    types: [Faults],
    operations: ["CREATE", "UPDATE"],
    admit({ object }, tx) {
      const fault = object as unknown as Fault;
      for (const error of faultErrors(fault.spec)) tx.reject(error);
    },
  };
}
