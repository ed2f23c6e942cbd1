// How texts of the ConfigMap become values.
// Facts: ingress-nginx template/configmap.go ReadConfig and configmap_test.go; mapstructure's decoding with WeaklyTypedInput; strconv.
import t from "tap";
import { ControllerConfig, goDurationMs } from "../../ingress/config.ts";
import { compileAnnotations } from "../../ingress/annotations/index.ts";

const config = (value: string): ControllerConfig => new ControllerConfig({ key: value });

t.test("true and false", async (t) => {
  const rows: readonly (readonly [text: string, whenTrue: boolean, whenFalse: boolean])[] = [
    ["true", true, true],
    ["T", true, true],
    ["0", false, false],
    ["", false, false],
    ["yes", true, false],
    ["on", true, false],
    [" true", true, false],
    ["TrUe", true, false],
  ];
  for (const [text, whenTrue, whenFalse] of rows)
    t.strictSame([config(text).flag("key", true), config(text).flag("key", false)], [whenTrue, whenFalse], text);
  t.strictSame([config("x").flag("other", true), config("x").flag("other", false)], [true, false]);
});

t.test("numbers", async (t) => {
  const rows: readonly (readonly [text: string, number: number, decimal: number])[] = [
    ["12", 12, 12],
    ["-3", -3, -3],
    ["+3", 3, 3],
    ["", 0, 7],
    ["0x1F", 31, 7],
    ["017", 15, 17],
    ["0o17", 15, 7],
    ["0b101", 5, 7],
    ["1_000", 1000, 7],
    ["0", 0, 0],
    ["08", 7, 8],
    ["20k", 7, 7],
    ["1.5", 7, 7],
    [" 5", 7, 7],
    ["_1", 7, 7],
  ];
  for (const [text, number, decimal] of rows)
    t.strictSame([config(text).number("key", 7), config(text).decimal("key", 7)], [number, decimal], text);
});

t.test("durations and lists", async (t) => {
  t.strictSame([goDurationMs("35s"), goDurationMs("3zxs"), goDurationMs("5")], [35_000, undefined, undefined]);
  t.strictSame(config(" el1, el2,el3,,").list("key"), ["el1", "el2", "el3"]);
  t.strictSame(config("").list("key"), []);
});

/** What the keys of global-auth and custom-http-errors come to. */
const settings = (data: Readonly<Record<string, string>>): ReturnType<typeof compileAnnotations>["settings"] =>
  compileAnnotations(undefined, new ControllerConfig(data)).settings;

t.test("global-auth-*: what cannot be read is as if absent", async (t) => {
  const url = { "global-auth-url": "http://bar.foo.com/external-auth" };
  const auth = (data: Readonly<Record<string, string>>): (typeof access)["external"] => settings({ ...url, ...data }).access.external;
  const { access } = settings({});
  for (const bad of ["bar", "http://", "http://foo..bar.com"]) {
    t.equal(auth({ "global-auth-url": bad }).url, "", bad);
    t.equal(auth({ "global-auth-signin": bad }).signin, "", bad);
  }
  t.equal(auth({}).url, url["global-auth-url"]);
  t.strictSame([auth({ "global-auth-method": "FOO" }).method, auth({ "global-auth-method": "POST" }).method], ["", "POST"]);
  const cookies = ["true", "false", "", "error string"].map((text) => auth({ "global-auth-always-set-cookie": text }).alwaysSetCookie);
  t.strictSame(cookies, [true, false, false, false]);
  const headers: readonly (readonly [string, readonly string[]])[] = [
    ["h1", ["h1"]],
    ["", []],
    ["  ", []],
    [",1,,2,", ["1", "2"]],
    ["1 2", []],
    ["1+2", []],
  ];
  for (const [text, expected] of headers) t.strictSame(auth({ "global-auth-response-headers": text }).responseHeaders, expected, text);
});

t.test("custom-http-errors of the ConfigMap", async (t) => {
  const codes = (text: string): readonly number[] => [...settings({ "custom-http-errors": text }).customHttpErrors.everywhere];
  t.strictSame(codes("300,400,demo"), [300, 400]);
  t.strictSame(codes("299, 599 ,600"), [599]);
});
