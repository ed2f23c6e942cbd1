// Services: allocation and validation inside the write, and the controllers that keep endpoints and load balancers.
export { type ServiceAdmissionOptions, serviceAdmission } from "./admission.ts";
export { createServiceControllers, type ServiceControllersOptions } from "./controllers.ts";
export { packSlices, type SliceChanges, type SliceContent } from "./slice-packing.ts";
