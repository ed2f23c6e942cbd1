// `loopkube completion bash|zsh|fish`: a completion script made from the command line's own description.
import { Argument, Command } from "commander";
import { print } from "../terminal.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

export function completionCommand(): Command {
  return new Command("completion")
    .description("print a completion script")
    .addArgument(new Argument("<shell>").choices([...SHELLS]))
    .addHelpText("after", "\nExample:\n  source <(loopkube completion bash)")
    .action((shell: Shell, _options: unknown, self: Command) => print(SCRIPTS[shell](commandsOf(self.parent ?? self))));
}

interface Completable {
  readonly name: string;
  readonly description: string;
  readonly options: readonly string[];
}

function commandsOf(program: Command): readonly Completable[] {
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: [...command.options.map((option) => option.long ?? option.short ?? ""), ...command.commands.map((sub) => sub.name())],
  }));
}

const SCRIPTS: Readonly<Record<Shell, (commands: readonly Completable[]) => string>> = {
  bash: (commands) => `_loopkube() {
  local current=\${COMP_WORDS[COMP_CWORD]}
  case \${COMP_CWORD} in
    1) COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")}" -- "$current")) ;;
    *) case \${COMP_WORDS[1]} in
${commands.map(({ name, options }) => `      ${name}) COMPREPLY=($(compgen -W "${options.join(" ")}" -- "$current")) ;;`).join("\n")}
    esac ;;
  esac
}
complete -o default -F _loopkube loopkube`,
  zsh: (commands) => `#compdef loopkube
_loopkube() {
  if (( CURRENT == 2 )); then
    local -a commands=(${commands.map(({ name, description }) => `'${name}:${description.replaceAll("'", "")}'`).join(" ")})
    _describe command commands
  else
    case $words[2] in
${commands.map(({ name, options }) => `      ${name}) compadd -- ${options.join(" ")} ;;`).join("\n")}
    esac
  fi
}
compdef _loopkube loopkube`,
  fish: (commands) =>
    commands
      .flatMap(({ name, description, options }) => [
        `complete -c loopkube -n __fish_use_subcommand -a ${name} -d '${description.replaceAll("'", "")}'`,
        ...options.map((option) => {
          const what = option.startsWith("--") ? `-l ${option.slice(2)}` : `-a ${option}`;
          return `complete -c loopkube -n '__fish_seen_subcommand_from ${name}' ${what}`;
        }),
      ])
      .join("\n"),
};
