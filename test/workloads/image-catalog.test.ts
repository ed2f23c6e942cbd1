import t from "tap";
import { fullImageName, imageNameCandidates } from "../../workloads/kubelet/image-catalog.ts";

t.test("names to try for an image, most exact first", (t) => {
  const rows = [
    ["nginx", "nginx"],
    ["nginx:1.27", "nginx:1.27 nginx"],
    ["docker.io/library/nginx:1.27", "docker.io/library/nginx:1.27 docker.io/library/nginx nginx:1.27 nginx"],
    [
      "registry.k8s.io/e2e-test-images/agnhost:2.39",
      "registry.k8s.io/e2e-test-images/agnhost:2.39 registry.k8s.io/e2e-test-images/agnhost e2e-test-images/agnhost:2.39 e2e-test-images/agnhost",
    ],
    ["localhost:5000/a/b@sha256:0af", "localhost:5000/a/b@sha256:0af localhost:5000/a/b a/b@sha256:0af a/b"],
  ] as const;
  for (const [name, candidates] of rows) t.equal(imageNameCandidates(name).join(" "), candidates);
  t.end();
});

t.test("full names as the container runtime prints them", (t) => {
  const rows = [
    ["nginx", "docker.io/library/nginx:latest"],
    ["a/b:1", "docker.io/a/b:1"],
    ["ghcr.io/a/b", "ghcr.io/a/b:latest"],
    ["localhost:5000/x:2", "localhost:5000/x:2"],
  ] as const;
  for (const [name, full] of rows) t.equal(fullImageName(name), full);
  t.end();
});
