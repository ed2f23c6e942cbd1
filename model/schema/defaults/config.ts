// Defaults of Secrets, Namespaces and Nodes.
// Upstream: pkg/apis/core/v1/defaults.go, and the stringData merge of pkg/apis/core/v1/conversion.go.
import type { Namespace, Node, Secret } from "../../kinds/core-v1.ts";
import type { Draft } from "../../object.ts";

export const defaultConfig = {
  "core/v1.Secret": (secret: Draft<Secret>): void => {
    secret.type ??= "Opaque";
    for (const [key, text] of Object.entries(secret.stringData ?? {})) {
      (secret.data ??= {})[key] = Buffer.from(text).toString("base64");
    }
    delete secret.stringData;
  },
  "core/v1.Namespace": (namespace: Draft<Namespace>): void => {
    const { metadata } = namespace;
    if (metadata.name) metadata.labels = { ...metadata.labels, "kubernetes.io/metadata.name": metadata.name };
  },
  "core/v1.Node": (node: Draft<Node>): void => {
    const status = node.status;
    if (!status?.capacity) return;
    status.allocatable ??= { ...status.capacity };
  },
};
