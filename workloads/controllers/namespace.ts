// The namespace controllers: a terminating namespace is emptied, a live one has its default ServiceAccount and the cluster's CA.
// Upstream: pkg/controller/namespace, pkg/controller/serviceaccount, pkg/controller/certificates/rootcacertpublisher.
import { timestamp } from "../../model/clock.ts";
import { isStatus } from "../../model/errors.ts";
import type { ConfigMap, Namespace, NamespaceCondition, ServiceAccount } from "../../model/kinds/core-v1.ts";
import { splitKey } from "../../model/object.ts";
import type { Component } from "../../model/ports.ts";
import { ConfigMaps, Events, Namespaces, qualifiedResource, ServiceAccounts, type ResourceType } from "../../model/resources.ts";
import type { Store } from "../../store/contract.ts";
import { createController, on } from "../../store/controller.ts";
import type { ControllerDependencies } from "./dependencies.ts";

/** Deletes all that is in a terminating namespace, then lets it go. */
export function createNamespaceController({ store, clock }: ControllerDependencies): Component {
  const types = store.resources.filter((type) => type.namespaced && type !== Events);
  return createController({
    name: "namespace",
    store,
    clock,
    watches: [
      on(Namespaces, (namespace) => (namespace.metadata.deletionTimestamp === undefined ? [] : [namespace.metadata.name])),
      ...types.map((type) => on(type, (object) => terminatingNamespace(store, object.metadata.namespace))),
    ],
    async reconcile(name) {
      const namespace = store.get(Namespaces, "", name);
      if (!namespace || namespace.metadata.deletionTimestamp === undefined) return;
      for (const type of types) await empty(store, type, name);
      const left = types.map((type) => ({ type, count: store.list(type, { namespace: name }).length })).filter(({ count }) => count > 0);
      if (left.length > 0) return tellRemaining(store, namespace, left, timestamp(clock));
      await empty(store, Events, name);
      await finalize(store, namespace);
    },
  });
}

function terminatingNamespace(store: Store, name: string | undefined): readonly string[] {
  return name !== undefined && store.get(Namespaces, "", name)?.metadata.deletionTimestamp !== undefined ? [name] : [];
}

async function empty(store: Store, type: ResourceType, namespace: string): Promise<void> {
  for (const object of store.list(type, { namespace })) {
    if (object.metadata.deletionTimestamp !== undefined) continue;
    try {
      await store.delete(type, namespace, object.metadata.name, { propagationPolicy: "Background" });
    } catch (error) {
      if (!isStatus(error, "NotFound")) throw error;
    }
  }
}

async function tellRemaining(
  store: Store,
  namespace: Namespace,
  left: readonly { type: ResourceType; count: number }[],
  now: string,
): Promise<void> {
  const resources = left.map(({ type, count }) => `${qualifiedResource(type)}. has ${count} resource instances`).join(", ");
  const condition: NamespaceCondition = {
    type: "NamespaceContentRemaining",
    status: "True",
    lastTransitionTime: now,
    reason: "SomeResourcesRemain",
    message: `Some resources are remaining: ${resources}`,
  };
  const old = namespace.status?.conditions?.find((other) => other.type === condition.type);
  if (old?.message === condition.message) return;
  await store.update(Namespaces, { ...namespace, status: { phase: "Terminating", conditions: [condition] } }, { subresource: "status" });
}

async function finalize(store: Store, namespace: Namespace): Promise<void> {
  const finalizers = (namespace.spec.finalizers ?? []).filter((finalizer) => finalizer !== "kubernetes");
  const current = store.get(Namespaces, "", namespace.metadata.name);
  if (!current) return;
  await store.update(Namespaces, { ...current, spec: finalizers.length > 0 ? { finalizers } : {} }, { subresource: "finalize" });
}

/** Puts ServiceAccount `default` and ConfigMap `kube-root-ca.crt` into each namespace, again when they are deleted. */
export function createNamespaceContentController({ store, clock }: ControllerDependencies, caCertificate: string): Component {
  return createController({
    name: "namespace-content",
    store,
    clock,
    watches: [
      on(Namespaces, (namespace) => [namespace.metadata.name]),
      on(ServiceAccounts, (account) => (account.metadata.name === "default" ? [account.metadata.namespace ?? ""] : [])),
      on(ConfigMaps, (map) => (map.metadata.name === "kube-root-ca.crt" ? [map.metadata.namespace ?? ""] : [])),
    ],
    async reconcile(key) {
      const { name } = splitKey(key);
      const namespace = store.get(Namespaces, "", name);
      if (!namespace || namespace.metadata.deletionTimestamp !== undefined) return;
      const account: ServiceAccount = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace: name } };
      if (!store.get(ServiceAccounts, name, "default")) await createUnlessThere(store, ServiceAccounts, account);
      const data = { "ca.crt": caCertificate };
      const map: ConfigMap = {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: {
          name: "kube-root-ca.crt",
          namespace: name,
          annotations: {
            "kubernetes.io/description":
              "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
          },
        },
        data,
      };
      const existing = store.get(ConfigMaps, name, "kube-root-ca.crt");
      if (!existing) await createUnlessThere(store, ConfigMaps, map);
      else if (existing.data?.["ca.crt"] !== caCertificate) await store.update(ConfigMaps, { ...existing, data });
    },
  });
}

async function createUnlessThere<T extends ServiceAccount | ConfigMap>(store: Store, type: ResourceType<T>, object: T): Promise<void> {
  try {
    await store.create(type, object);
  } catch (error) {
    if (!isStatus(error, "AlreadyExists") && !isStatus(error, "Forbidden")) throw error;
  }
}
