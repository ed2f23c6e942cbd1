import fc from "fast-check";
import t from "tap";
import { StatusError } from "../../../model/errors.ts";
import { apiVersionOf, BUILT_IN_RESOURCES } from "../../../model/resources.ts";
import { decodeProtobuf, decodeValue, isProtobuf } from "../../../model/schema/index.ts";
import { arbitraryMessage, bytesField, encodeEnvelope, encodeMessage } from "./protobuf-encoder.ts";

t.test("every served kind survives the round trip, and JSON decoding agrees", (t) => {
  // Own kinds have no protobuf form: clients send them as JSON.
  for (const type of BUILT_IN_RESOURCES.filter(({ group }) => group !== "loopkube.dev")) {
    const apiVersion = apiVersionOf(type);
    fc.assert(
      fc.property(arbitraryMessage(type.schema), (message) => {
        const object = { ...message, apiVersion, kind: type.kind };
        const { object: json } = decodeValue(type.schema, object);
        const decoded = decodeProtobuf(encodeEnvelope(apiVersion, type.kind, encodeMessage(type.schema, message)));
        return isEqual(json, object) && isEqual(decoded.object, json);
      }),
      { numRuns: 25, seed: 7 },
    );
    t.pass(type.kind);
  }
  t.end();
});

t.test("quirks", (t) => {
  const deployment = encodeMessage("apps/v1.Deployment", {
    metadata: { name: "web" },
    spec: { replicas: 0, minReadySeconds: 0, template: { spec: { volumes: [{ name: "v", configMap: { name: "c", optional: false } }] } } },
  });
  t.strictSame(decodeProtobuf(encodeEnvelope("apps/v1", "Deployment", deployment)).object, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: { replicas: 0, template: { spec: { volumes: [{ name: "v", configMap: { name: "c", optional: false } }] } } },
  });
  const options = encodeMessage("meta/v1.DeleteOptions", { gracePeriodSeconds: 0 });
  t.strictSame(decodeProtobuf(encodeEnvelope("policy/v1", "DeleteOptions", options)).object, {
    apiVersion: "policy/v1",
    kind: "DeleteOptions",
    gracePeriodSeconds: 0,
  });
  t.end();
});

t.test("hostile bytes are a 400", (t) => {
  const pod = encodeEnvelope("v1", "Pod", encodeMessage("core/v1.Pod", { metadata: { name: "p", labels: { a: "b" } } }));
  t.ok(isProtobuf(pod));
  const refused = (bytes: Buffer): boolean => {
    try {
      decodeProtobuf(bytes);
      return true;
    } catch (error) {
      return error instanceof StatusError && error.code === 400;
    }
  };
  for (let length = 0; length < pod.length; length++) t.ok(refused(pod.subarray(0, length)), `cut at ${length}`);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat({ max: pod.length }), (noise, at) => {
      return (
        refused(Buffer.concat([pod.subarray(0, at), noise, pod.subarray(at)])) && refused(encodeEnvelope("v1", "Pod", Buffer.from(noise)))
      );
    }),
    { numRuns: 500, seed: 7 },
  );
  const rows: [bytes: Buffer, message: RegExp][] = [
    [Buffer.from("{}"), /does not appear to be a protobuf message, expected prefix \[107 56 115 0\]/],
    [encodeEnvelope("v1", "Nothing", Buffer.alloc(0)), /no kind "Nothing" is registered for version "v1"/],
    [Buffer.from("k8s\0"), /Object 'Kind' is missing/],
    [encodeEnvelope("v1", "Pod", Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])), /unexpected EOF/],
    [encodeEnvelope("v1", "Pod", Buffer.from([0x0b])), /unsupported wire type 3/],
    [encodeEnvelope("v1", "Pod", Buffer.from([0x08, 0x01])), /field 1 has wire type 0, expected 2/],
  ];
  for (const [bytes, message] of rows) t.throws(() => decodeProtobuf(bytes), { code: 400, message });
  let nested = bytesField(1, Buffer.alloc(0));
  for (let i = 0; i < 5000; i++) nested = bytesField(1, nested);
  t.ok(refused(encodeEnvelope("v1", "Pod", nested)));
  t.end();
});

function isEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b);
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => isEqual(Reflect.get(a, key), Reflect.get(b, key)));
}
