// How V8's heap grows and how it optimises in the command: imported first, so that it holds for the whole run. The library leaves its host
// alone. Upstream: V8's flag definitions. Flags that size the heap take effect at its creation only; these are read as it runs.
import { setFlagsFromString } from "node:v8";
import { growUnderLoad } from "./young-generation.ts";

// The young generation stays as large as loading the program has made it until there is load, and the old one is collected when it is half
// as large again: a thousand pods in 50 MB less, for collections that are small and run beside the program.
setFlagsFromString("--semi-space-growth-factor=1");
growUnderLoad();
setFlagsFromString("--heap-growing-percent=50");

// What a starting cluster makes stays, and V8 learns from it to allocate objects of the same places in the old generation at once. A server's
// connections then go there too, and drag along all that they refer to: a fifth of the processor's time for each new connection.
setFlagsFromString("--no-allocation-site-pretenuring");

// Node's streams and HTTP server meet more shapes of socket here than in a plain server: of pods, probes, TLS, child processes. V8 remembers
// four shapes for each place in the code and looks up every property once there is a fifth; with more room a kept-alive request costs a
// sixth less.
setFlagsFromString("--max-valid-polymorphic-map-count=12");
