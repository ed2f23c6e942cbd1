import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import t from "tap";
import { createTcpServer } from "../../../netsim/tcp-server.ts";
import { fakeContainer, FakeNetwork, type FakeContainer } from "../../support/fake-container.ts";
import { until } from "../../support/until.ts";
import { createCa, issueCertificate } from "../../../model/x509.ts";

const WEB = "127.96.0.12";

function world(): { client: FakeContainer; network: FakeNetwork; requests: string[] } {
  const network = new FakeNetwork();
  const requests: string[] = [];
  network.addName("web.default.svc.cluster.local", WEB);
  network.addName("pods.default.svc.cluster.local", "127.244.1.2", "127.244.1.3");
  network.addName("12.0.96.127.in-addr.arpa");
  network.names.set("12.0.96.127.in-addr.arpa", [
    { name: "12.0.96.127.in-addr.arpa.", type: "PTR", ttl: 5, data: "web.default.svc.cluster.local." },
  ]);
  network.names.set("_http._tcp.web.default.svc.cluster.local", [
    { name: "_http._tcp.web.default.svc.cluster.local.", type: "SRV", ttl: 5, data: "0 100 80 web.default.svc.cluster.local." },
  ]);
  const handler: RequestListener = (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://x");
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      requests.push(`${request.method ?? ""} ${request.url ?? ""} ${body}`);
      response.sendDate = false;
      if (pathname === "/redirect") response.writeHead(302, { Location: "/" }).end();
      else if (pathname === "/loop") response.writeHead(302, { Location: "/loop" }).end();
      else if (pathname === "/404") response.writeHead(404, { Connection: "close" }).end("gone\n");
      else if (pathname === "/slow") void 0;
      else if (pathname === "/cut") response.writeHead(200, { "Content-Length": "10" }).write("abc", () => response.destroy());
      else if (pathname === "/headers") response.writeHead(200, { Connection: "close" }).end(request.rawHeaders.join("|"));
      else response.writeHead(200, { Connection: "close", "X-Who": "web", "Content-Length": "3" }).end("hi\n");
    });
  };
  network.listen({ ip: WEB, port: 80 }, createServer(handler));
  network.listen(
    { ip: WEB, port: 81 },
    createTcpServer((socket) => (socket.resume(), socket.end())),
  );
  network.listen(
    { ip: WEB, port: 82 },
    createTcpServer((socket) => (socket.resume(), socket.end("not http\r\n\r\n"))),
  );
  network.listen(
    { ip: WEB, port: 7 },
    createTcpServer((socket) => socket.pipe(socket)),
  );
  network.silent.add("127.96.0.99");
  return { client: fakeContainer({ network }), network, requests };
}

type Row = readonly [script: string, code: number, out: string | RegExp, err?: string | RegExp];

async function check(t: Pick<typeof import("tap").default, "equal" | "match">, rows: readonly Row[], client: FakeContainer): Promise<void> {
  for (const [script, code, out, err = ""] of rows) {
    const result = await client.sh(script);
    t.equal(result.code, code, `${script}: status`);
    if (typeof out === "string") t.equal(result.out, out, script);
    else t.match(result.out, out, script);
    if (typeof err === "string") t.equal(result.err, err, `${script}: stderr`);
    else t.match(result.err, err, `${script}: stderr`);
  }
}

t.test("curl", async (t) => {
  const { client, requests } = world();
  await check(
    t,
    [
      ["curl -s http://web/", 0, "hi\n"],
      ["curl -sS web", 0, "hi\n"],
      ["curl -s -i web", 0, "HTTP/1.1 200 OK\r\nConnection: close\r\nX-Who: web\r\nContent-Length: 3\r\n\r\nhi\n"],
      ["curl -sI web/404", 0, /^HTTP\/1.1 404 Not Found\r\nConnection: close\r\n/],
      ["curl -s -o /dev/null -w '%{http_code} %{remote_ip} %{size_download}\\n' web", 0, `200 ${WEB} 3\n`],
      ["curl -sfS web/404", 22, "", "curl: (22) The requested URL returned error: 404\n"],
      ["curl -sS -L -w '%{num_redirects}' web/redirect", 0, "hi\n1"],
      ["curl -sSL --max-redirs 3 web/loop", 47, "", "curl: (47) Maximum (3) redirects followed\n"],
      ["curl -sS nope", 6, "", "curl: (6) Could not resolve host: nope\n"],
      ["curl -s nope", 6, ""],
      ["curl -sS web:9", 7, "", /^curl: \(7\) Failed to connect to web port 9 after \d+ ms: Could not connect to server\n$/],
      ["curl -sS web:81", 52, "", "curl: (52) Empty reply from server\n"],
      ["curl -sS web:82", 1, "", "curl: (1) Received HTTP/0.9 when not allowed\n"],
      ["curl -sS -m 0.05 web/slow", 28, "", /^curl: \(28\) Operation timed out after \d+ milliseconds with 0 bytes received\n$/],
      ["curl -sS --connect-timeout 0.05 127.96.0.99", 28, "", /^curl: \(28\) Connection timed out after \d+ milliseconds\n$/],
      ["curl -sS -m 0.05 127.96.0.99", 28, "", /^curl: \(28\) Connection timed out after \d+ milliseconds\n$/],
      ["curl -sS web/cut", 18, "abc", "curl: (18) end of response with 7 bytes missing\n"],
      ["curl -sS ftp://web", 1, "", 'curl: (1) Protocol "ftp" not supported\n'],
      ["curl -sS 'http://web:99999/'", 3, "", "curl: (3) URL using bad/illegal format or missing URL\n"],
      ["curl --nope web", 2, "", "curl: option --nope: is unknown\ncurl: try 'curl --help' or 'curl --manual' for more information\n"],
      ["curl -F a=b web", 2, "", /^curl: option -F: is not supported by this stand-in\n/],
      ["curl", 2, "", /^curl: no URL specified!\n/],
      [
        "curl -s -H 'X-A: 1' -H 'Host: other' -H 'Accept:' -A me -u a:b web/headers",
        0,
        "Host|other|Authorization|Basic YTpi|User-Agent|me|X-A|1",
      ],
      [
        "curl -s -d a=1 -d b=2 web/post >/dev/null; echo x=y | curl -s --data-binary @- -X PUT web/put >/dev/null; curl -s -G -d q=1 web/get >/dev/null",
        0,
        "",
      ],
      ["curl -s --resolve x:80:127.96.0.12 http://x/", 0, "hi\n"],
      ["curl -sS --retry 1 --retry-delay 0 --retry-connrefused web:9", 7, "", /curl: \(7\).*\ncurl: \(7\)/],
      ["curl -s web > /tmp/f; curl -s -o /tmp/g web; curl -s -O web/name; cat /tmp/f /tmp/g /name", 0, "hi\nhi\nhi\n"],
      ["curl -s -o /none/x web", 23, ""],
      ["curl web", 0, "hi\n", /^ {2}% Total.*\n.*Speed\n100 {5}3 {2}100 {5}3 /],
    ],
    client,
  );
  t.ok(requests.includes("POST /post a=1&b=2"));
  t.ok(requests.includes("PUT /put x=y\n"));
  t.ok(requests.includes("GET /get?q=1 "));
  const verbose = await client.sh("curl -sv web");
  t.match(
    verbose.err,
    /^\* {3}Trying 127.96.0.12:80...\n\* Connected to web \(127.96.0.12\) port 80\n> GET \/ HTTP\/1.1\n> Host: web\n> User-Agent: curl\/[\d.]+\n> Accept: \*\/\*\n> \n< HTTP\/1.1 200 OK\n/,
  );
});

t.test("curl over TLS", async (t) => {
  const { client, network } = world();
  const ca = createCa("test", Date.now());
  const { key, cert } = issueCertificate(ca, { commonName: "web", dnsNames: ["web"], usages: ["server"], days: 1 });
  network.listen(
    { ip: WEB, port: 443 },
    createTlsServer({ key, cert }, (_request, response) => response.end("secret\n")),
  );
  client.context.files.write("/ca.crt", ca.cert);
  await check(
    t,
    [
      ["curl -sk https://web/", 0, "secret\n"],
      ["curl -s --cacert /ca.crt https://web/", 0, "secret\n"],
      ["curl -sS https://web/", 60, "", /^curl: \(60\) SSL certificate problem: /],
      ["curl -sS https://web:80/", 35, "", /^curl: \(35\) TLS connect error: /],
      ["wget -q --no-check-certificate -O - https://web/", 0, "secret\n"],
    ],
    client,
  );
});

t.test("wget", async (t) => {
  const { client } = world();
  await check(
    t,
    [
      ["wget -q -O - http://web", 0, "hi\n"],
      ["wget -qO- web/redirect", 0, "hi\n"],
      ["wget -O- nope", 1, "", "wget: bad address 'nope'\n"],
      ["wget -q -O - web:9", 1, "", `wget: can't connect to remote host (${WEB}): Connection refused\n`],
      ["wget -q -T 0.05 -O - web/slow", 1, "", "wget: download timed out\n"],
      ["wget -qO- web/404", 1, "", "wget: server returned error: HTTP/1.1 404 Not Found\n"],
      ["wget --spider -q web && echo there", 0, "there\n"],
      [
        "wget web/file && cat file",
        0,
        "hi\n",
        /^Connecting to web \(127.96.0.12:80\)\nsaving to 'file'\nfile +100% \|\*+\| +3 {2}0:00:00 ETA\n'file' saved\n$/,
      ],
      ["wget", 1, "", /missing URL/],
    ],
    client,
  );
});

t.test("host asks for the other types of what the search path has found", async (t) => {
  const { client } = world();
  const asked: string[] = [];
  const { query } = client.context.resolve;
  Object.assign(client.context.resolve, {
    query: (...args: Parameters<typeof query>) => {
      asked.push(`${args[2]} ${args[3]} ${args[4]?.search ?? true}`);
      return query(...args);
    },
  });
  await client.sh("host web");
  t.strictSame(asked, ["web A true", "web.default.svc.cluster.local. AAAA false"]);
});

t.test("nc", async (t) => {
  const { client, network } = world();
  network.listenUdp({ ip: WEB, port: 53 }, (message, _source, reply) => reply(Buffer.from(`re:${Buffer.from(message).toString()}`)));
  await check(
    t,
    [
      ["nc -zv web 80", 0, "", `Connection to web (${WEB}) 80 port [tcp/http] succeeded!\n`],
      ["nc -zv -w1 web 9", 1, "", `nc: connect to web (${WEB}) port 9 (tcp) failed: Connection refused\n`],
      ["nc -z nope 80", 1, "", 'nc: getaddrinfo for host "nope" port 80: Name or service not known\n'],
      ["nc -z -w 0.05 127.96.0.99 80", 1, ""],
      ["printf 'GET /404 HTTP/1.0\\r\\n\\r\\n' | nc web 80", 0, /^HTTP\/1.1 404 Not Found\r\n/],
      ["echo ping | nc -u -w 1 web 53", 0, "re:ping\n"],
      ["nc -zuv web 9", 1, ""],
      ["nc web 99999", 1, "", "nc: port number out of range: 99999\n"],
    ],
    client,
  );
  const listening = client.sh("nc -l -p 5000");
  await until(() => network.listens({ ip: "127.244.1.5", port: 5000 }), "it listens");
  t.equal((await client.sh("echo sent | nc -N 127.244.1.5 5000")).code, 0);
  const { code, out, err } = await listening;
  t.equal(code, 0);
  t.strictSame([out, err], ["sent\n", ""]);
});

t.test("dig, nslookup, host, getent", async (t) => {
  const { client } = world();
  const full = "web.default.svc.cluster.local";
  await check(
    t,
    [
      [`dig +short ${full}`, 0, `${WEB}\n`],
      ["dig +short +search web", 0, `${WEB}\n`],
      ["dig +short web", 0, ""],
      [
        "dig +noall +answer +search pods A",
        0,
        "pods.default.svc.cluster.local. 5 IN\tA\t127.244.1.2\npods.default.svc.cluster.local. 5 IN\tA\t127.244.1.3\n",
      ],
      [`dig -x ${WEB} +short`, 0, `${full}.\n`],
      [
        `dig @127.96.0.10 ${full}`,
        0,
        new RegExp(
          `^\n; <<>> DiG [\\d.]+ <<>> @127.96.0.10 ${full}\n; \\(1 server found\\)\n;; global options: \\+cmd\n;; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 4242\n;; flags: qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 0\n;; WARNING: recursion requested but not available\n\n;; QUESTION SECTION:\n;${full}.\tIN\tA\n\n;; ANSWER SECTION:\n${full}. 5 IN\tA\t${WEB}\n\n;; Query time: 1 msec\n;; SERVER: 127.96.0.10#53\\(127.96.0.10\\) \\(UDP\\)\n;; WHEN: .* UTC \\d{4}\n;; MSG SIZE {2}rcvd: 105\n\n$`,
        ),
      ],
      [
        "dig nope.example +tcp",
        0,
        /status: NXDOMAIN[\s\S]*;; AUTHORITY SECTION:\ncluster.local.\t\t5\tIN\tSOA\tns.dns.cluster.local. [\s\S]*\(TCP\)/,
      ],
      ["dig +nope web", 1, "", /^Invalid option: \+nope\n/],
      [`dig +short -t nonsense ${full}`, 0, `${WEB}\n`, ";; Warning, ignoring invalid type nonsense\n"],
      ["nslookup -type=nonsense web", 1, "", /invalid query type 'nonsense'/],
      ["host -t nonsense web", 1, "", /invalid type: nonsense/],
      ["dig @nowhere web", 10, "", "dig: couldn't get address for 'nowhere': not found\n"],
      ["nslookup web", 0, `Server:\t\t127.96.0.10\nAddress:\t127.96.0.10:53\n\nName:\t${full}\nAddress: ${WEB}\n\n`],
      ["nslookup nope", 1, "Server:\t\t127.96.0.10\nAddress:\t127.96.0.10:53\n\n** server can't find nope: NXDOMAIN\n\n"],
      [`nslookup ${WEB}`, 0, /12.0.96.127.in-addr.arpa\tname = web.default.svc.cluster.local.\n/],
      [`nslookup -type=srv _http._tcp.${full}`, 0, /\tservice = 0 100 80 web.default.svc.cluster.local.\n/],
      ["nslookup -type=srv web", 1, /\*\*\* Can't find web.default.svc.cluster.local: No answer\n/],
      ["host web", 0, `${full} has address ${WEB}\n`],
      ["host nope", 1, "Host nope not found: 3(NXDOMAIN)\n"],
      ["getent hosts web", 0, `${WEB}     ${full}\n`],
      [`getent hosts ${WEB}`, 0, `${WEB}     ${full}\n`],
      ["getent hosts client", 0, "127.244.1.5     client\n"],
      ["getent hosts nope", 2, ""],
      ["getent ahosts web", 0, `${WEB}     STREAM ${full}\n${WEB}     DGRAM\n${WEB}     RAW\n`],
      ["getent ahosts client", 0, "127.244.1.5     STREAM client\n127.244.1.5     DGRAM\n127.244.1.5     RAW\n"],
      [`getent ahostsv4 ${WEB}`, 0, `${WEB}     STREAM ${WEB}\n${WEB}     DGRAM\n${WEB}     RAW\n`],
      ["dig axfr cluster.local", 0, /^\n; <<>> DiG [\d.]+ <<>> axfr cluster.local\n;; global options: \+cmd\n; Transfer failed.\n$/],
      ["ping -c 1 web", 2, "", `ping: web is ${WEB}, but this network carries no ICMP; try: nc -zv web PORT\n`],
    ],
    client,
  );
});
