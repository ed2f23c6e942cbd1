// `-H 'Name: value'`, as curl takes it.
import { InvalidArgumentError, Option } from "commander";

/** The option, whose value is all lines given. */
export const headerOption = (): Option =>
  new Option("-H, --header <header>", "add a header, may be repeated").argParser(headerLine).default([], "none");

function headerLine(text: string, all: readonly string[]): readonly string[] {
  if (!/^[!#$%&'*+.^_`|~\w-]+:[\t\x20-\x7e\x80-\xff]*$/.test(text))
    throw new InvalidArgumentError("not a header such as 'Host: shop.example'");
  return [...all, text];
}
