// What names, labels, keys and ports may look like: each function lists upstream's complaints about a text.
// Upstream: apimachinery pkg/util/validation/validation.go.
import { ipFamily } from "../../ip.ts";

interface Format {
  readonly pattern: string;
  readonly maxLength: number;
  readonly message: string;
  readonly examples: readonly string[];
}

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const SUBDOMAIN_RULE = "lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const QUALIFIED_RULE = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

const FORMATS = {
  label: {
    pattern: LABEL,
    maxLength: 63,
    message:
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
    examples: ["my-name", "123-abc"],
  },
  subdomain: {
    pattern: SUBDOMAIN,
    maxLength: 253,
    message: `a lowercase RFC 1123 subdomain must consist of ${SUBDOMAIN_RULE}`,
    examples: ["example.com"],
  },
  dns1035: {
    pattern: "[a-z]([-a-z0-9]*[a-z0-9])?",
    maxLength: 63,
    message:
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
    examples: ["my-name", "abc-123"],
  },
  wildcard: {
    pattern: `\\*\\.${SUBDOMAIN}`,
    maxLength: 253,
    message:
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    examples: ["*.example.com"],
  },
  labelValue: {
    pattern: `(${QUALIFIED})?`,
    maxLength: 63,
    message: `a valid label must be an empty string or ${QUALIFIED_RULE.slice("must ".length)}`,
    examples: ["MyValue", "my_value", "12345"],
  },
  configKey: {
    pattern: "[-._a-zA-Z0-9]+",
    maxLength: 253,
    message: "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    examples: ["key.name", "KEY_NAME", "key-name"],
  },
  percent: {
    pattern: "[0-9]+%",
    maxLength: Infinity,
    message: "a valid percent string must be a numeric string followed by an ending '%'",
    examples: ["1%", "93%"],
  },
  headerName: {
    pattern: "[-A-Za-z0-9]+",
    maxLength: Infinity,
    message: "a valid HTTP header must consist of alphanumeric characters or '-'",
    examples: ["X-Header-Name"],
  },
} satisfies Record<string, Format>;

const COMPILED = new Map(Object.entries(FORMATS).map(([name, { pattern }]) => [name, new RegExp(`^${pattern}$`)]));

/** Complaints about a text of one format. */
export function formatErrors(name: keyof typeof FORMATS, value: string): string[] {
  const format: Format = FORMATS[name];
  const errors: string[] = [];
  if (value.length > format.maxLength) errors.push(`must be no more than ${format.maxLength} characters`);
  if (!COMPILED.get(name)?.test(value)) errors.push(regexError(format));
  return errors;
}

/** Complaints about a label or annotation key, or a finalizer: `prefix.example/name`. */
export function qualifiedNameErrors(value: string): string[] {
  const parts = value.split("/");
  const format: Format = { pattern: QUALIFIED, maxLength: 63, message: QUALIFIED_RULE, examples: ["MyName", "my.name", "123-abc"] };
  const errors: string[] = [];
  if (parts.length > 2) {
    return [`a qualified name ${regexError(format)} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const [prefix, name] = parts.length === 2 ? [parts[0] ?? "", parts[1] ?? ""] : [undefined, parts[0] ?? ""];
  if (prefix === "") errors.push("prefix part must be non-empty");
  else if (prefix !== undefined) errors.push(...formatErrors("subdomain", prefix).map((message) => `prefix part ${message}`));
  if (name === "") errors.push("name part must be non-empty");
  else if (name.length > 63) errors.push("name part must be no more than 63 characters");
  if (!QUALIFIED_PATTERN.test(name)) errors.push(`name part ${regexError(format)}`);
  return errors;
}

const QUALIFIED_PATTERN = new RegExp(`^${QUALIFIED}$`);

/** Complaints about a port's name. */
export function portNameErrors(name: string): string[] {
  const errors: string[] = [];
  if (name.length > 15) errors.push("must be no more than 15 characters");
  if (!/^[-a-z0-9]+$/.test(name)) errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!/[a-z]/.test(name)) errors.push("must contain at least one letter (a-z)");
  if (name.includes("--")) errors.push("must not contain consecutive hyphens");
  if (name.startsWith("-") || name.endsWith("-")) errors.push("must not begin or end with a hyphen");
  return errors;
}

/** Complaints about an environment variable's name. */
export function envNameErrors(name: string): string[] {
  if (name === "") return ["environment variable name must be non-empty"];
  return /^[ -<>-~]+$/.test(name)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** Complaints about a key of a ConfigMap or Secret. */
export function configKeyErrors(key: string): string[] {
  const errors = formatErrors("configKey", key);
  if (key === ".") errors.push("must not be '.'");
  if (key === "..") errors.push("must not be '..'");
  else if (key.startsWith("..")) errors.push("must not start with '..'");
  return errors;
}

/** Complaints about an address. */
export function ipErrors(text: string): string[] {
  return ipFamily(text) ? [] : ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"];
}

function regexError({ message, pattern, examples }: Format): string {
  const shown = examples.map((example) => `'${example}', `).join(" or ");
  return `${message} (e.g. ${shown}regex used for validation is '${pattern}')`;
}
