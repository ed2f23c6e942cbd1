// `loopkube completion bash|zsh|fish`: a completion script made from the command line's own description.
import { Argument, Command } from "commander";
import { print } from "../terminal.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

export function completionCommand(): Command {
  return new Command("completion")
    .description("print a completion script")
    .addArgument(new Argument("<shell>", "which shell").choices([...SHELLS]))
    .addHelpText("after", "\nExample:\n  source <(loopkube completion bash)")
    .action((shell: Shell, _options: unknown, self: Command) => print(SCRIPTS[shell](commandsOf(self.parent ?? self))));
}

/** A command or a subcommand, and what can follow it. */
interface Completable {
  /** `fault add`. */
  readonly path: string;
  readonly description: string;
  /** Subcommands, values of arguments, options. */
  readonly words: readonly string[];
}

function commandsOf(program: Command, prefix = ""): readonly Completable[] {
  return program.commands.flatMap((command) => {
    const path = `${prefix}${command.name()}`;
    const words = [
      ...command.commands.map((inner) => inner.name()),
      ...command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
      ...command.options.map((option) => option.long ?? option.short ?? ""),
    ];
    return [{ path, description: command.description(), words }, ...commandsOf(command, `${path} `)];
  });
}

const isTop = ({ path }: Completable): boolean => !path.includes(" ");

/** Branches of a shell's `case`, subcommands before their command, which also stands for what follows its options. */
const branches = (commands: readonly Completable[], action: (words: string) => string): string =>
  commands
    .toSorted((a, b) => (isTop(a) ? 1 : 0) - (isTop(b) ? 1 : 0))
    .map((command) => `    "${command.path}"${isTop(command) ? `|"${command.path} "*` : ""}) ${action(command.words.join(" "))} ;;`)
    .join("\n");

const SCRIPTS: Readonly<Record<Shell, (commands: readonly Completable[]) => string>> = {
  bash: (commands) => `_loopkube() {
  local current=\${COMP_WORDS[COMP_CWORD]} words=""
  local typed=\${COMP_WORDS[1]}
  (( COMP_CWORD > 2 )) && typed="$typed \${COMP_WORDS[2]}"
  (( COMP_CWORD == 1 )) && typed=""
  case $typed in
    "") words="${commands
      .filter(isTop)
      .map(({ path }) => path)
      .join(" ")}" ;;
${branches(commands, (words) => `words="${words}"`)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _loopkube loopkube`,
  zsh: (commands) => `#compdef loopkube
_loopkube() {
  if (( CURRENT == 2 )); then
    local -a commands=(${commands
      .filter(isTop)
      .map(({ path, description }) => `'${path}:${description.replaceAll("'", "'\\''")}'`)
      .join(" ")})
    _describe command commands
    return
  fi
  local typed=$words[2]
  (( CURRENT > 3 )) && typed="$typed $words[3]"
  case $typed in
${branches(commands, (words) => `compadd -- ${words}`)}
  esac
}
compdef _loopkube loopkube`,
  fish: (commands) =>
    commands
      .flatMap(({ path, description, words }) => {
        const seen = path.split(" ").map((name) => `__fish_seen_subcommand_from ${name}`);
        const quoted = description.replaceAll("'", "\\'");
        return [
          ...(seen.length === 1 ? [`complete -c loopkube -n __fish_use_subcommand -a ${path} -d '${quoted}'`] : []),
          ...words.map((word) => {
            const what = word.startsWith("--") ? `-l ${word.slice(2)}` : `-a ${word}`;
            return `complete -c loopkube -n '${seen.join("; and ")}' ${what}`;
          }),
        ];
      })
      .join("\n"),
};
