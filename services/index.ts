// Services: allocation and validation inside the write, and the controllers that keep endpoints and load balancers.
export { type ServiceAdmissionOptions, serviceAdmission } from "./admission.ts";
