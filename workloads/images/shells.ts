// Images that are a shell and tools: a container without a command runs sh, which ends at once when it has no terminal and no input.
import type { ImageSpec } from "./image.ts";

export const shellImages: readonly ImageSpec[] = [
  {
    repositories: [
      "busybox",
      "e2e-test-images/busybox",
      "google-containers/busybox",
      "google_containers/busybox",
      "radial/busyboxplus",
      "yauritux/busybox-curl",
      "odise/busybox-curl",
    ],
    cmd: ["sh"],
  },
  {
    repositories: [
      "alpine",
      "alpine/curl",
      "wbitt/network-multitool",
      "praqma/network-multitool",
      "nicolaka/netshoot",
      "infoblox/dnstools",
      "giantswarm/tiny-tools",
      "byrnedo/alpine-curl",
    ],
    cmd: ["/bin/sh"],
  },
  { repositories: ["ubuntu", "debian", "buildpack-deps", "centos", "fedora", "bash", "tutum/dnsutils", "amazonlinux"], cmd: ["bash"] },
  { repositories: ["curlimages/curl", "appropriate/curl", "rancher/curl", "e2e-test-images/curl"], entrypoint: ["curl"], cmd: ["--help"] },
  {
    repositories: [
      "e2e-test-images/jessie-dnsutils",
      "kubernetes-e2e-test-images/jessie-dnsutils",
      "kubernetes-e2e-test-images/dnsutils",
      "e2e-test-images/dnsutils",
      "dnsutils",
    ],
    cmd: ["sleep", "infinity"],
  },
];
