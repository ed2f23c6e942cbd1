import { X509Certificate, createPrivateKey } from "node:crypto";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { integer, objectIdentifier, time } from "../../model/der.ts";
import { createCa, issueCertificate, selfSignedCertificate } from "../../model/x509.ts";

const NOW = Date.UTC(2026, 10, 21, 12);

t.test("DER forms", (t) => {
  const rows: readonly (readonly [string, Buffer, string])[] = [
    ["integer 0", integer(Buffer.of(0)), "020100"],
    ["integer 127", integer(Buffer.of(127)), "02017f"],
    ["integer 128 gets a sign octet", integer(Buffer.of(128)), "02020080"],
    ["integer with leading zeros", integer(Buffer.of(0, 0, 1, 2)), "02020102"],
    ["oid 2.5.4.3", objectIdentifier("2.5.4.3"), "0603550403"],
    ["oid with long arcs", objectIdentifier("1.2.840.10045.4.3.2"), "06082a8648ce3d040302"],
    ["2049 is UTCTime", time(Date.UTC(2049, 11, 31, 23, 59, 59)), `170d${Buffer.from("491231235959Z").toString("hex")}`],
    ["2050 is GeneralizedTime", time(Date.UTC(2050, 0, 1)), `180f${Buffer.from("20500101000000Z").toString("hex")}`],
  ];
  for (const [name, got, want] of rows) t.equal(got.toString("hex"), want, name);
  t.end();
});

t.test("an authority and what it issues", (t) => {
  const ca = createCa("kubernetes", NOW);
  const authority = new X509Certificate(ca.cert);
  t.equal(authority.subject, "CN=kubernetes");
  t.ok(authority.ca, "basicConstraints says CA");
  t.ok(authority.verify(authority.publicKey), "signed by itself");

  const server = issueCertificate(ca, {
    commonName: "kube-apiserver",
    dnsNames: ["kubernetes", "kubernetes.default.svc"],
    ipAddresses: ["127.0.0.1", "127.96.0.1", "::1"],
    usages: ["server"],
    days: 365,
  });
  const serverCert = new X509Certificate(server.cert);
  t.ok(serverCert.verify(authority.publicKey), "signed by the authority");
  t.ok(serverCert.checkIssued(authority));
  t.ok(serverCert.checkPrivateKey(createPrivateKey(server.key)));
  t.equal(
    serverCert.subjectAltName,
    "DNS:kubernetes, DNS:kubernetes.default.svc, IP Address:127.0.0.1, IP Address:127.96.0.1, IP Address:0:0:0:0:0:0:0:1",
  );
  t.equal(serverCert.validFrom, "Nov 21 11:55:00 2026 GMT");
  t.equal(serverCert.validTo, "Nov 21 12:00:00 2027 GMT");
  t.notOk(serverCert.ca);
  t.notOk(
    serverCert.verify(new X509Certificate(createCa("kubernetes", NOW).cert).publicKey),
    "another authority of the same name does not do",
  );

  const client = new X509Certificate(
    issueCertificate(ca, { commonName: "kubernetes-admin", organizations: ["system:masters"], usages: ["client"], days: 1 }).cert,
  );
  t.equal(client.subject, "O=system:masters\nCN=kubernetes-admin");
  t.same(client.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
  t.end();
});

t.test("the ingress controller's own certificate", (t) => {
  const { cert } = selfSignedCertificate({
    commonName: "Kubernetes Ingress Controller Fake Certificate",
    organizations: ["Acme Co"],
    dnsNames: ["ingress.local"],
    usages: ["server"],
    days: 365,
    now: NOW,
  });
  const parsed = new X509Certificate(cert);
  t.equal(parsed.subject, "O=Acme Co\nCN=Kubernetes Ingress Controller Fake Certificate");
  t.equal(parsed.issuer, parsed.subject);
  t.equal(parsed.subjectAltName, "DNS:ingress.local");
  t.ok(parsed.verify(parsed.publicKey));
  t.end();
});

t.test("names that cannot stand in a certificate", (t) => {
  const ca = createCa("kubernetes", NOW);
  const issue = (names: { dnsNames?: string[]; ipAddresses?: string[] }) => () =>
    issueCertificate(ca, { commonName: "x", usages: ["server"], days: 1, ...names });
  t.throws(issue({ ipAddresses: ["10.1"] }), new RangeError('"10.1" is not an IP address'));
  t.throws(issue({ dnsNames: ["bücher.example"] }), new RangeError('DNS name "bücher.example" is not ASCII'));
  t.end();
});

const noOpenssl = spawnSync("openssl", ["version"]).error ? "openssl is not installed" : false;

t.test("openssl agrees", { skip: noOpenssl }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), "loopkube-x509-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const ca = createCa("kubernetes", NOW);
  const leaf = issueCertificate(ca, { commonName: "a", dnsNames: ["a.example"], usages: ["server", "client"], days: 30 });
  writeFileSync(join(folder, "ca.crt"), ca.cert);
  writeFileSync(join(folder, "leaf.crt"), leaf.cert);
  const at = String(NOW / 1000);
  const verify = (purpose: string) =>
    execFileSync("openssl", ["verify", "-x509_strict", "-attime", at, "-purpose", purpose, "-CAfile", "ca.crt", "leaf.crt"], {
      cwd: folder,
      encoding: "utf8",
    });
  t.equal(verify("sslserver"), "leaf.crt: OK\n");
  t.equal(verify("sslclient"), "leaf.crt: OK\n");
  t.end();
});

t.test("mutual TLS between Node's own client and server", async (t) => {
  const ca = createCa("kubernetes", Date.now());
  const server = issueCertificate(ca, { commonName: "server", ipAddresses: ["127.0.0.1"], usages: ["server"], days: 1 });
  const client = issueCertificate(ca, { commonName: "jane", organizations: ["dev"], usages: ["client"], days: 1 });
  const https = createServer({ ...server, ca: ca.cert, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    response.end("getPeerCertificate" in request.socket ? "mutual" : "plain");
  });
  await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
  t.teardown(() => https.close());
  const address = https.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const body = await new Promise<string>((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", ca: ca.cert, ...client, agent: false }, (response) => {
      response.setEncoding("utf8").on("data", resolve);
    });
    sent.on("error", reject).end();
  });
  t.equal(body, "mutual");
});
