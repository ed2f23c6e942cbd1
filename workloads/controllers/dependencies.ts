// What every controller of this folder is built from.
import type { Clock } from "../../model/clock.ts";
import type { Random } from "../../model/random.ts";
import type { Store } from "../../store/contract.ts";

export interface ControllerDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
}
