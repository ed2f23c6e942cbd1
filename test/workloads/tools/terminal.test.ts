import { PassThrough } from "node:stream";
import t from "tap";
import { type Clock, realClock, VirtualClock } from "../../../model/clock.ts";
import { Collected, fakeContainer } from "../../support/fake-container.ts";
import { until } from "../../support/until.ts";
import { programTable, runTool, tools, type ExecutableNotFound } from "../../../workloads/tools/index.ts";

function session(argv: readonly string[] = ["sh"], clock: Clock = realClock) {
  const { context } = fakeContainer({ clock });
  const stdin = new PassThrough();
  const screen = new Collected();
  const stop = new AbortController();
  const exit = runTool(argv, context, { stdin, stdout: screen, stderr: screen, tty: true, signal: stop.signal }, programTable(tools));
  return { stdin, screen, exit, stop };
}

/** What a person types (each after the prompt has come back), and the screen that results. */
const dialogues: readonly (readonly [name: string, keys: readonly string[], screen: string, code: number])[] = [
  ["a command and Ctrl-D", ["echo hi\r", "\u0004"], "/ # echo hi\r\nhi\r\n/ # \r\n", 0],
  ["erase", ["echo ab\u007fc\r", "exit 3\r"], "/ # echo ab\b \bc\r\nac\r\n/ # exit 3\r\n", 3],
  ["Ctrl-C at the prompt", ["echo no\u0003", "echo $?\r", "\u0004"], "/ # echo no^C\r\n/ # echo $?\r\n130\r\n/ # \r\n", 0],
  ["continuation", ["if true\r", "then echo y; fi\r", "\u0004"], "/ # if true\r\n> then echo y; fi\r\ny\r\n/ # \r\n", 0],
  ["cd changes the prompt", ["cd /tmp\r", "\u0004"], "/ # cd /tmp\r\n/tmp # \r\n", 0],
  ["history", ["echo one\r", "\u001b[A\r", "\u0004"], "/ # echo one\r\none\r\n/ # echo one\r\none\r\n/ # \r\n", 0],
  ["unknown command", ["nosuch\r", "\u0004"], "/ # nosuch\r\nsh: nosuch: not found\r\n/ # \r\n", 127],
  [
    "a syntax error does not end the shell",
    [")\r", "echo ok\r", "\u0004"],
    '/ # )\r\nsh: syntax error: unexpected ")"\r\n/ # echo ok\r\nok\r\n/ # \r\n',
    0,
  ],
  ["insertion in the middle", ["echo ac\u001b[Db\r", "\u0004"], "/ # echo ac\bbc\b\r\nabc\r\n/ # \r\n", 0],
];

t.test("dialogues", async (t) => {
  for (const [name, keys, expected, code] of dialogues) {
    const { stdin, screen, exit } = session();
    let prompts = 0;
    for (const typed of keys) {
      prompts++;
      while ((screen.text.match(/(^|\n)(\S+ # |> )/g) ?? []).length < prompts) await new Promise((resolve) => setImmediate(resolve));
      stdin.write(typed);
    }
    t.equal(await exit, code, name);
    t.equal(screen.text, expected, name);
  }
});

t.test("Ctrl-C stops the foreground program, not the shell", async (t) => {
  const clock = new VirtualClock();
  const { stdin, screen, exit } = session(["sh"], clock);
  stdin.write("sleep 100\r");
  await until(() => clock.nextDueMs() !== undefined, "it sleeps");
  stdin.write("\u0003");
  await screen.until(/\^C\r\n\/ # $/);
  stdin.write("echo $?\r\u0004");
  t.equal(await exit, 0);
  t.match(screen.text, /130\r\n/);
});

t.test("a program reads the terminal until Ctrl-D, then the shell does", async (t) => {
  const { stdin, screen, exit } = session();
  stdin.write("cat\r");
  await screen.until(/cat\r\n/);
  stdin.write("line\r");
  await screen.until(/line\r\nline\r\n/);
  stdin.write("\u0004");
  await screen.until(/\/ # $/);
  stdin.write("read x; echo [$x]\r");
  await screen.until(/echo \[\$x\]\r\n/);
  stdin.write("typed\r");
  await screen.until(/\[typed\]\r\n\/ # $/);
  stdin.end();
  t.equal(await exit, 0);
});

t.test("without a shell", async (t) => {
  const sleeping = session(["sleep", "100"]);
  sleeping.stdin.write("\u0003");
  t.equal(await sleeping.exit, 130);
  const ls = session(["echo", "a"]);
  t.equal(await ls.exit, 0);
  t.equal(ls.screen.text, "a\r\n");
  const gone = session();
  gone.stop.abort();
  t.equal(await gone.exit, 0, "a client that leaves ends the shell");
});

t.test("no such program", async (t) => {
  const rows: readonly (readonly [string, string])[] = [
    ["nosuch", 'exec: "nosuch": executable file not found in $PATH: unknown'],
    ["/no/such", 'exec: "/no/such": stat /no/such: no such file or directory: unknown'],
  ];
  for (const [file, message] of rows) {
    await t.rejects(fakeContainer().run([file]), { name: "ExecutableNotFound", message } satisfies Partial<ExecutableNotFound>);
  }
  t.equal((await fakeContainer().run(["/bin/echo", "x"])).out, "x\n");
  t.equal((await fakeContainer().run(["sh"])).code, 0, "sh with nothing to read ends");
});
