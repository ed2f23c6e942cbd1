// Names, ports and clients that are wrong, as a user types them: nothing acts as somebody else, and each answer says what to type next.
import t from "tap";
import { missingPrograms } from "../support/command.ts";
import { startLoopkube } from "../support/running-cluster.ts";

const NOT_KNOWN = /: not a name of the cluster \(names outside it are not forwarded\), or cluster DNS did not answer\n/;

t.test("wrong words", { skip: missingPrograms("kubectl") }, async (t) => {
  t.setTimeout(120_000);
  const cluster = await startLoopkube(t, "--demo --seed 7");
  const { http } = cluster.status.ingress;
  const set = await cluster.sh(`kubectl create deployment empty --image=hashicorp/http-echo --replicas=0 &&
    kubectl expose deployment empty --port=80 && kubectl wait --for=condition=Ready pod --all --timeout=60s`);
  t.equal(set.code, 0, "set up", { ...set });

  const failures: readonly (readonly [args: string, code: number, ...stderr: readonly (RegExp | string)[]])[] = [
    ["curl http://shpo", 22, NOT_KNOWN, "  Did you mean shop?\n", "  why: loopkube explain --to http://shpo/\n"],
    ["curl http://kube-dns", 22, "Did you mean kube-dns.kube-system?"],
    ["curl http://shop.example/cart", 22, `  an Ingress serves shop.example: loopkube curl -H 'Host: shop.example' http://${http}/cart\n`],
    [
      "curl http://shop:81 --timeout 300ms",
      22,
      /^error: shop:81: no answer within 0\.3 s\n {2}why: loopkube explain --to http:\/\/shop:81\/\n$/,
    ],
    [
      "curl -n 2 http://empty --from pod/client-0",
      22,
      /^\nempty:80: connection refused .*\n {2}why: loopkube explain --from pod\/client-0 --to http:\/\/empty\/\n$/,
    ],
    ["curl http://shop --from pod/client", 1, 'error: pods "client" not found\n'],
    ["curl http://shop --from client-0", 1, '"client-0" names no client: use pod/NAME, pod/NAMESPACE/NAME or host'],
    ["curl -X FOO http://shop", 22, "HTTP 400 Bad Request\n"],
    [`curl http://${http}/`, 22, "HTTP 404 Not Found\n"],
    ["load http://shpo", 1, /in the cluster's DNS\n {2}Did you mean shop\?\n {2}why: loopkube explain --to http:\/\/shpo\/\n$/],
    ["load http://empty -n 1", 1, /^why: loopkube explain --to http:\/\/empty\/\n$/],
    [`load http://${http}/ -H 'Host: none.example' -n 1`, 0],
    [`curl http://127.0.0.1:1/x -H 'Host: shop.example'`, 22, /\n {2}why: loopkube explain request http:\/\/shop\.example\/x\n$/],
    ["dig shpo", 1, /^Did you mean shop\?\nwhy: loopkube explain dns shpo\n$/],
    ["dig --from pod/client-0 shop aaaa", 1, /^why: loopkube explain dns --from pod\/client-0 shop AAAA\n$/],
    ["dig 127.0.0.1", 1, /^error: 127\.0\.0\.1 is an address, not a name\n {2}its name: loopkube dig 127\.0\.0\.1 PTR\n$/],
    ["dig a..b", 1, '"a..b" is no DNS name'],
    ["dump zone --as nft", 1, /^error: --as has no effect on zone\n {2}loopkube dump zone\n$/],
    ["dump rules --as nginx", 1, 'rules cannot be printed as "nginx"; there is: nft, iptables, ipvs'],
    ["dump routes --as nft", 1, 'routes cannot be printed as "nft"; there is: nginx'],
    ["dump faults", 0, "faults: empty\n"],
  ];
  for (const [args, code, ...expected] of failures) {
    const output = await cluster.sh(`loopkube ${args}`);
    t.equal(output.code, code, args, { ...output });
    for (const text of expected) t.match(output.stderr, text, args);
  }

  await t.test("connections that are reset", async (t) => {
    await cluster.sh("loopkube fault add --to svc/shop reset=100% --as torn");
    const reset =
      /^\n?(error: )?shop: the connection was reset before an answer had come\n {2}why: loopkube explain --to http:\/\/shop\/\n$/;
    t.match(await cluster.sh("loopkube curl http://shop"), { code: 22, stderr: reset });
    t.match(await cluster.sh("loopkube curl -n 2 http://shop"), { code: 22, stderr: reset, stdout: /^2 .* - /m });
    await cluster.sh("loopkube fault remove torn");
  });

  const answers: readonly (readonly [args: string, ...stdout: readonly (RegExp | string)[]])[] = [
    ["curl http://shop --from pod/client-0", /^RemoteAddr: 127\.2\d\d\.\d+\.\d+:/m],
    ["curl http://shop --from pod/default/client-0", /^RemoteAddr: 127\.2\d\d\.\d+\.\d+:/m],
    [`curl -H 'Host: shop.example' -H 'X-One: 1' http://${http}/`, /^Hostname: shop-/m, /^X-One: 1$/m],
    [`curl http://shop.default.svc.localhost:${cluster.status.gateway.split(":")[1]}/`, /^Hostname: shop-/m],
    ["curl -d a=b http://shop", /^POST \/ HTTP\/1\.1$/m],
    ["dig --from pod/client-0 shop AAAA", "no data: shop.default.svc.cluster.local. exists, but has no AAAA record"],
    [
      `dig $(kubectl get service shop -o 'jsonpath={.spec.clusterIP}') PTR`,
      /in-addr\.arpa\. +30 +IN +PTR +shop\.default\.svc\.cluster\.local\./,
    ],
    [
      `dig -x $(kubectl get service shop -o 'jsonpath={.spec.clusterIP}')`,
      /in-addr\.arpa\. +\d+ +IN +PTR +shop\.default\.svc\.cluster\.local\./,
    ],
    ["explain --to http://shpo", /has no address: nothing is tried\nDid you mean shop\?\n$/],
    ["explain dns shpo", /Did you mean shop\?\n$/],
    ["explain --to http://shop.example/", /its answer is passed on\n$/],
    ["explain --to http://shop:81", /is Service default\/shop, which has 80\/TCP \(http\)\n/],
    ["explain request shop.example/cart", /the pod sees GET \/cart/],
    ["fault ls", "there are no faults\n"],
    ["image ls", "no images were added\n"],
    ["image add shop/cart:1 -- node examples/cart-server.js", /^next: kubectl create deployment cart-2 --image=shop\/cart:1$/m],
  ];
  for (const [args, ...expected] of answers) {
    const output = await cluster.sh(`loopkube ${args}`);
    t.equal(output.code, args.includes("AAAA") ? 1 : 0, args, { ...output });
    for (const text of expected) t.match(output.stdout, text, args);
  }

  const program = "require('http').createServer((_, answer) => answer.end(Buffer.from([255, 0, 1]))).listen(process.env.PORT)";
  const bytes = await cluster.sh(`loopkube image add raw:1 -- node -e "${program}" && kubectl run raw --image=raw:1 --port=8000 &&
    kubectl wait --for=condition=Ready pod/raw --timeout=60s &&
    loopkube curl http://$(kubectl get pod raw -o 'jsonpath={.status.podIP}'):8000 | od -An -tx1`);
  t.match(bytes.stdout, / ff 00 01$/m, "an answer's bytes are passed on as they are", { ...bytes });

  await t.test("the kubelets' probes are in the trace when asked for", async (t) => {
    const all = (await cluster.sh("loopkube trace --probes")).stdout;
    t.match(all, / dial +TCP .*\[kubelet probe\]$/m);
    const probe = / #(\d+) .*\[kubelet probe\]$/m.exec(all)?.[1];
    const rest = (await cluster.sh("loopkube trace")).stdout;
    t.notMatch(rest, new RegExp(` #${probe} `), "none of its hops");
    t.match(rest, / verdict +dnat .*default\/shop:http/, "what clients do is there");
  });
});
