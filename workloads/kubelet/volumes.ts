// A pod's volumes as text files: made from the cluster's state each time they are read, so that a changed ConfigMap shows.
// Upstream: pkg/volume/{configmap,secret,emptydir,downwardapi,projected}, and claims. Left out: other volume types (an empty folder stands in for
// them, with an Event), modes, and that a subPath mount does not follow changes.
import type { Container, KeyToPath, PersistentVolumeClaim, Pod, Volume, VolumeProjection } from "../../model/kinds/core-v1.ts";
import { PersistentVolumeClaims } from "../../model/resources.ts";
import type { Reader } from "../../store/contract.ts";
import type { ClaimVolumes } from "./claim-volumes.ts";
import { containerResource, podField, type PodAddresses } from "./downward-api.ts";
import { configMapData, secretData } from "./environment.ts";
import { ForwardedFiles, GeneratedFile, LiveFiles, MemoryFiles, SubFiles, type FileSource, type Mount } from "./pod-files.ts";

export interface VolumeSourceOptions {
  readonly reader: Reader;
  /** The pod as it is now: labels change. */
  readonly pod: () => Pod;
  readonly addresses: PodAddresses;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly token: (pod: Pod) => string;
  readonly claims: ClaimVolumes;
}

type Entries = ReadonlyMap<string, string>;

/** Published by a controller for every namespace: a pod that is quicker than it need not wait. */
const ALWAYS_OPTIONAL = "kube-root-ca.crt";

export class PodVolumes {
  readonly #sources: ReadonlyMap<string, FileSource>;
  readonly #options: VolumeSourceOptions;

  constructor(options: VolumeSourceOptions) {
    this.#options = options;
    this.#sources = new Map((options.pod().spec.volumes ?? []).map((volume) => [volume.name, this.#source(volume)]));
  }
  /** The first volume whose ConfigMap, Secret or key is not there, as kubelet's FailedMount event words it. */
  missing(): string | undefined {
    for (const volume of this.#options.pod().spec.volumes ?? []) {
      const reason = this.#missingOf(volume);
      if (reason !== undefined) return `MountVolume.SetUp failed for volume "${volume.name}" : ${reason}`;
    }
    return undefined;
  }
  /** Volumes whose type is not modelled. */
  unmodelled(): readonly string[] {
    const modelled = ["emptyDir", "configMap", "secret", "downwardAPI", "projected", "persistentVolumeClaim"];
    return (this.#options.pod().spec.volumes ?? [])
      .filter((volume) => !modelled.some((key) => key in volume) && Object.keys(volume).length > 1)
      .map((volume) => volume.name);
  }
  /** The mounts of one container, with the files that kubelet itself provides. */
  mounts(container: Container, generated: Readonly<Record<string, () => string>>, expandPath: (text: string) => string): readonly Mount[] {
    const own = Object.entries(generated).map(([path, text]): Mount => ({ path, source: new GeneratedFile(text), readOnly: false }));
    const mounted = (container.volumeMounts ?? []).flatMap((mount): readonly Mount[] => {
      const volume = this.#sources.get(mount.name);
      const subPath = mount.subPathExpr === undefined ? mount.subPath : expandPath(mount.subPathExpr);
      if (!volume) return [];
      const source = subPath ? new SubFiles(volume, subPath) : volume;
      return [{ path: mount.mountPath.replace(/\/+$/, "") || "/", source, readOnly: mount.readOnly ?? false }];
    });
    const overridden = new Set(mounted.map((mount) => mount.path));
    return [...own.filter((mount) => !overridden.has(mount.path)), ...mounted];
  }

  #source(volume: Volume): FileSource {
    const { configMap, secret, downwardAPI, projected, persistentVolumeClaim } = volume;
    // Found when it is used: the claim may come after the pod.
    if (persistentVolumeClaim)
      return new ForwardedFiles(() => this.#options.claims.filesOf(this.#claim(persistentVolumeClaim.claimName)?.metadata.uid ?? ""));
    if (!configMap && !secret && !downwardAPI && !projected) return new MemoryFiles();
    return new LiveFiles(() => this.#entries(volume));
  }
  #claim(name: string): PersistentVolumeClaim | undefined {
    return this.#options.reader.get(PersistentVolumeClaims, this.#options.pod().metadata.namespace ?? "", name);
  }
  #entries({ configMap, secret, downwardAPI, projected }: Volume): Entries {
    if (projected) return new Map((projected.sources ?? []).flatMap((source) => [...this.#projection(source)]));
    const { secretName, ...rest } = secret ?? {};
    return this.#projection({
      ...(configMap ? { configMap } : {}),
      ...(secret ? { secret: { ...rest, ...(secretName === undefined ? {} : { name: secretName }) } } : {}),
      ...(downwardAPI ? { downwardAPI } : {}),
    });
  }
  #projection({ configMap, secret, downwardAPI, serviceAccountToken }: VolumeProjection): Entries {
    const pod = this.#options.pod();
    const at = { reader: this.#options.reader, pod };
    if (configMap) return select(configMapData(at, configMap.name), configMap.items);
    if (secret) return select(secretData(at, secret.name), secret.items);
    if (serviceAccountToken) return new Map([[serviceAccountToken.path, this.#options.token(pod)]]);
    return new Map(
      (downwardAPI?.items ?? []).map(({ path, fieldRef, resourceFieldRef }) => {
        if (fieldRef) return [path, podField(pod, fieldRef, this.#options.addresses) ?? ""];
        const container =
          pod.spec.containers.find((candidate) => candidate.name === resourceFieldRef?.containerName) ?? pod.spec.containers[0];
        const text = container && resourceFieldRef ? containerResource(container, resourceFieldRef, this.#options.allocatable) : undefined;
        return [path, text ?? ""];
      }),
    );
  }
  #missingOf({ configMap, secret, projected, persistentVolumeClaim }: Volume): string | undefined {
    if (persistentVolumeClaim && !this.#claim(persistentVolumeClaim.claimName))
      return `persistentvolumeclaim "${persistentVolumeClaim.claimName}" not found`;
    const at = { reader: this.#options.reader, pod: this.#options.pod() };
    const wanted = [
      ...(configMap ? [{ kind: "configmap", ...configMap }] : []),
      ...(secret ? [{ kind: "secret", ...secret, name: secret.secretName ?? "" }] : []),
      ...(projected?.sources ?? []).flatMap((source) => [
        ...(source.configMap ? [{ kind: "configmap", ...source.configMap }] : []),
        ...(source.secret ? [{ kind: "secret", ...source.secret }] : []),
      ]),
    ];
    for (const { kind, name = "", optional, items } of wanted) {
      if (optional || name === ALWAYS_OPTIONAL) continue;
      const data = kind === "configmap" ? configMapData(at, name) : secretData(at, name);
      if (!data) return `${kind} "${name}" not found`;
      const absent = items?.find((item) => data[item.key] === undefined);
      if (absent) return `${kind} references non-existent ${kind === "configmap" ? "config" : "secret"} key: ${absent.key}`;
    }
    return undefined;
  }
}

function select(data: Readonly<Record<string, string>> | undefined, items: readonly KeyToPath[] | undefined): Entries {
  if (!items) return new Map(Object.entries(data ?? {}));
  return new Map(items.flatMap(({ key, path }) => (data?.[key] === undefined ? [] : [[path, data[key]] as const])));
}
