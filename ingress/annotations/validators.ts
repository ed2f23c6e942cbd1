// What a value may look like before it is read at all: upstream's validators, as far as an annotation can fail them.
// Upstream: internal/ingress/annotations/parser/validators.go.
import { isCidr, canonicalIp } from "../../model/ip.ts";
import { parseBool } from "../config.ts";

export type Validator = (value: string) => boolean;

/** Matches the whole value; blanks are taken out before, unless `blanks` keeps them. */
export const matching = (pattern: RegExp, blanks: "drop" | "keep" = "drop"): Validator => {
  return (value) => {
    const text = blanks === "drop" ? value.replaceAll(" ", "") : value;
    return pattern.test(text) && !/[\r\n]/.test(text);
  };
};

/** One of the options, trimmed. */
export const oneOf = (options: readonly string[], letters: "exact" | "any case" = "exact"): Validator => {
  return (value) => options.includes(letters === "exact" ? value.trim() : value.trim().toLowerCase());
};

export const BOOL: Validator = (value) => parseBool(value) !== undefined;
export const INTEGER: Validator = (value) => /^[+-]?\d+$/.test(value) && Math.abs(Number(value)) < 2 ** 63;
export const ANYTHING: Validator = () => true;
export const CIDRS: Validator = (value) => value.split(",").every((item) => isCidr(item.trim()) || canonicalIp(item.trim()) !== undefined);
export const ON_OFF = oneOf(["on", "off"]);

const WORD = "\\-._~a-zA-Z0-9/:";
const REGEX_CHARS = new RegExp(`^[${WORD}^$[\\](){}*+?|&=\\\\]*$`);

/** Names and addresses: `namespace/name`, `host:port`. */
export const BASIC_PATTERN = new RegExp(`^[${WORD}]*$`);
export const BASIC = matching(BASIC_PATTERN);
export const BASIC_WITH_BLANKS = matching(new RegExp(`^[${WORD} ]*$`), "keep");
/** The same with commas and blanks. */
export const EXTENDED = matching(new RegExp(`^[${WORD}, ]*$`), "keep");
/** A full URL with its query. */
export const URL_CHARS = matching(new RegExp(`^[${WORD},?&=]*$`));
export const URL_CHARS_KEPT = matching(new RegExp(`^[${WORD},?&=]*$`), "keep");
export const URL_WITH_VARIABLES = matching(new RegExp(`^[${WORD}, ?&=$]*$`));
/** A path with `$1`. */
export const PATH_WITH_CAPTURES = matching(new RegExp(`^/?[${WORD}$]*$`));
export const PATH_WITH_CAPTURES_KEPT = matching(new RegExp(`^/?[${WORD}$]*$`), "keep");
export const VARIABLES = matching(/^[A-Za-z0-9\-_${}]*$/);
export const HEADER_NAMES = matching(/^[A-Za-z0-9\-_, ]*$/);
export const SIZE = matching(/^\d+[bkmg]?$/i);
export const REGEX: Validator = matching(REGEX_CHARS, "keep");
export const SERVER_NAME: Validator = (value) => REGEX_CHARS.test(value.trim());
export const SERVER_NAMES: Validator = (value) => value.split(",").every(SERVER_NAME);
/** RFC 1035 label. */
export const SERVICE_NAME: Validator = (value) => value.length <= 63 && /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/.test(value);

/** `CN=` and a regular expression. */
export const COMMON_NAME: Validator = (value) => {
  if (!value.startsWith("CN=")) return false;
  try {
    return new RegExp(value.slice(3)) instanceof RegExp;
  } catch {
    return false;
  }
};
