// What a log or a listener makes of the controller's ConfigMap, made anew when that has changed.
import type { ControllerConfig } from "../config.ts";

/** The last result of `make` for as long as the same configuration asks. */
export function perConfig<T>(make: (config: ControllerConfig) => T): (config: ControllerConfig) => T {
  let last: { readonly config: ControllerConfig; readonly made: T } | undefined;
  return (config) => {
    if (last?.config !== config) last = { config, made: make(config) };
    return last.made;
  };
}
