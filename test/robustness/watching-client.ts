// A client of the API with fifty watches, until it is killed. Its parent sends the kubeconfig and hears when all of them run.
import { request } from "node:https";
import type { Kubeconfig } from "../../cluster/kubeconfig.ts";

const WATCHES = 50;
const RESOURCES = ["services", "pods", "events", "endpoints"];

process.once("message", (config: Kubeconfig) => {
  const decode = (text = ""): string => Buffer.from(text, "base64").toString();
  const [cluster, user] = [config.clusters[0]?.cluster, config.users[0]?.user];
  const tls = {
    ca: decode(cluster?.["certificate-authority-data"]),
    cert: decode(user?.["client-certificate-data"]),
    key: decode(user?.["client-key-data"]),
    agent: false,
  };
  let running = 0;
  for (let index = 0; index < WATCHES; index++) {
    const url = new URL(`/api/v1/${RESOURCES[index % RESOURCES.length]}?watch=1`, cluster?.["server"]);
    request(url, tls, (response) => {
      response.once("data", () => {
        if (++running === WATCHES) process.send?.("watching");
        // A quarter of them stop reading.
        if (index % 4 === 0) response.pause();
      });
    }).end();
  }
});
