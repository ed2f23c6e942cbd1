// The version of CoreDNS that is modelled, as its log, its metrics and its chaos plugin tell it.
export const VERSION = "1.14.7";
