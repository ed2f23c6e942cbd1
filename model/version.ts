// The Kubernetes version that the API server, the nodes and kubectl's dispatcher see.

export const KUBERNETES_VERSION = "v1.33.4";
