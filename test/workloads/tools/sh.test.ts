import t from "tap";
import { fakeContainer } from "../../support/fake-container.ts";

// script → stdout; "!N" at the end of the expectation is the exit status. The output is what bash and dash
// print too, except where ash differs from them by design (dash has no ++, ** or ${x/y/z}; messages and $0 are the pod's).
const scripts: readonly (readonly [string, string])[] = [
  ["echo hello   world", "hello world\n"],
  [`echo 'a  b' "c  d" e\\ f`, "a  b c  d e f\n"],
  [`X=1; echo $X "\${X}2" '$X' \${Y:-none} \${Y-} \${X:+set}`, "1 12 $X none set\n"],
  ["x='a b  c'; for w in $x; do echo [$w]; done; echo \"$x\"", "[a]\n[b]\n[c]\na b  c\n"],
  ["echo $(echo in; echo side) `echo tick`", "in side tick\n"],
  ["echo $((1 + 2 * 3)) $(( (1+2)*3 % 5 )) $((7/2)) $((1<2 && 0||5))", "7 4 3 1\n"],
  ["i=5; echo $((i++)) $i $((i += 2)) $((i > 7 ? 1 : 2))", "5 6 8 1\n"],
  ["false || echo no; true && echo yes; ! true; echo $?", "no\nyes\n1\n"],
  ["if [ 1 -gt 2 ]; then echo a; elif test x = x; then echo b; else echo c; fi", "b\n"],
  ["i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done", "1\n3\n"],
  ["until false; do echo once; break; done", "once\n"],
  ["for i in $(seq 1 3); do echo $i; done | tail -n 1", "3\n"],
  ["case abc.txt in *.md|*.rst) echo doc;; a*.txt) echo text;; *) echo other;; esac", "text\n"],
  ["f() { echo \"$# $1 $2\"; return 3; }; f a 'b c'; echo $?", "2 a b c\n3\n"],
  ["g() { local x=in; echo $x; }; x=out; g; echo $x", "in\nout\n"],
  ["echo one > /tmp/f; echo two >> /tmp/f; cat < /tmp/f; cat /none 2>/dev/null || echo missing", "one\ntwo\nmissing\n"],
  ["{ echo out; echo err >&2; } 2>&1 | sort", "err\nout\n"],
  ["(cd /tmp; pwd; exit 4); echo $? $(pwd)", "/tmp\n4 /\n"],
  ["set -e; echo a; if false; then :; fi; false || true; false; echo never", "a\n!1"],
  ['set -- x \'y z\'; for a in "$@"; do echo "<$a>"; done; shift; echo $1 $#', "<x>\n<y z>\ny z 1\n"],
  ["cat <<EOF\nhi $((1+1)) `echo t`\n\tend\nEOF\necho after", "hi 2 t\n\tend\nafter\n"],
  ["cat <<'EOF' | tr a-z A-Z\nraw $x\nEOF", "RAW $X\n"],
  ["printf '%s-%03d\\n' a 7 b 12", "a-007\nb-012\n"],
  ["printf 'a:b c\\nd:e f\\n' | while IFS=: read -r k v; do echo \"$v=$k\"; done", "b c=a\ne f=d\n"],
  ["v=path/to/file.tar.gz; echo ${v##*/} ${v%.*} ${v%%.*} ${v#*/} ${#v}", "file.tar.gz path/to/file.tar path/to/file to/file.tar.gz 19\n"],
  ["v=aXbXc; echo ${v/X/-} ${v//X/-} ${v:1:3}", "a-bXc a-b-c XbX\n"],
  ["touch /tmp/a.x /tmp/b.x /tmp/c.y; cd /tmp; echo *.x; echo 'no*' \"*.x\" n*pe", "a.x b.x\nno* *.x n*pe\n"],
  ["export A=1; B=2; C=3 env | grep -E '^[ABC]=' | sort", "A=1\nC=3\n"],
  ["yes | head -n 2", "y\ny\n"],
  ["echo a; exit 3; echo b", "a\n!3"],
  ["nosuch; echo $?", "127\n"],
  ["trap 'echo bye' EXIT; echo hi", "hi\nbye\n"],
  ["sleep 0.01 & wait $!; echo done $?", "done 0\n"],
  ["eval 'x=5; echo $x'; . /dev/null; type echo; command -v cat", "5\necho is a shell builtin\n/bin/cat\n"],
  ['x=$(printf \'a\\n\\n\'); echo "[$x]"; echo "${z:=dflt}$z"', "[a]\ndfltdflt\n"],
  ['check="$(echo \'\')" && test -n "$check" && echo OK; echo end', "end\n"],
  ["[ -f /etc/hosts ] && [ -d /etc ] && [ ! -e /x ] && echo files", "files\n"],
  ["[ a = b -o \\( 1 -eq 1 -a -n x \\) ] && echo ok", "ok\n"],
  ["echo $(( 010 + 0x10 )) $((-7 % 3)) $((2**10))", "24 -1 1024\n"],
  ["for i in 1 2; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; done", "1a\n2a\n"],
  ["exec 2>&1; ls /none; echo $0", "ls: /none: No such file or directory\nsh\n"],
  ["echo \"a\\\"b\\$c\\\\d\" 'it'\\''s'", "a\"b$c\\d it's\n"],
  ["echo -e 'a\\tb'; echo -n x; echo", "a\tb\nx\n"],
  ["false | true; echo $?; true | false; echo $?", "0\n1\n"],
  ["# comment\necho a # tail\necho b#c", "a\nb#c\n"],
  ["a=1 b=2\necho $a$b\nif true\nthen\n  echo multi\nfi", "12\nmulti\n"],
  ["x=5; (x=6; echo $x); echo $x; { x=7; }; echo $x", "6\n5\n7\n"],
  ["echo ${#}; echo $((5 > 3)); echo ~; echo a~", "0\n1\n/root\na~\n"],
  ['while read l; do echo "got $l"; done < /etc/hostname', "got client\n"],
  ["echo $(case x in x) echo paren;; esac)", "paren\n"],
  ["echo $( (echo sub); echo two) $((1+(2*3))) $( ( echo a ) )", "sub two 7 a\n"],
  ['echo "$(echo "in $(echo deep)")"', "in deep\n"],
];

t.test("scripts", async (t) => {
  for (const [script, expected] of scripts) {
    const { code, out, err } = await fakeContainer().sh(script);
    const [, text = "", status = "0"] = /^([\s\S]*?)(?:!(\d+))?$/.exec(expected) ?? [];
    t.equal(out, text, `${script}${err === "" ? "" : ` (stderr: ${err.trim()})`}`);
    t.equal(code, Number(status), `status of: ${script}`);
  }
});

const errors: readonly (readonly [string, string, number])[] = [
  ["foo", "sh: foo: not found\n", 127],
  ["if true; then", "sh: syntax error: unexpected end of file\n", 2],
  ["echo )", 'sh: syntax error: unexpected ")"\n', 2],
  ["cd /nowhere", "sh: cd: can't cd to /nowhere: No such file or directory\n", 2],
  ["cat < /nowhere", "sh: can't open /nowhere: no such file\n", 1],
  ["echo x > /no/where", "sh: can't create /no/where: nonexistent directory\n", 1],
  ["echo $((1/0))", "sh: divide by zero\n", 2],
  ["set -u; echo $nope", "sh: nope: parameter not set\n", 2],
  ["echo ${x?}", "sh: x: parameter not set\n", 2],
  ["set -x; echo 'a b' c", "+ echo 'a b' c\n", 0],
  ["readonly r=1; r=2", "sh: r: is read only\n", 2],
  ["echo 'abc", "sh: syntax error: unterminated quoted string\n", 2],
];

t.test("errors", async (t) => {
  for (const [script, message, status] of errors) {
    const { code, err } = await fakeContainer().sh(script);
    t.equal(err, message, script);
    t.equal(code, status, `status of: ${script}`);
  }
});

t.test("garbage never throws", async (t) => {
  const pieces = [
    "if",
    "$(",
    "`",
    "'",
    '"',
    "${",
    "((",
    "))",
    ";;",
    "|",
    "&&",
    "\0",
    "case",
    "in",
    "<<",
    "EOF",
    "\n",
    "}",
    "{",
    "!",
    "$",
    "\\",
  ];
  let seed = 7;
  for (let i = 0; i < 300; i++) {
    const script = Array.from({ length: 6 }, () => pieces[(seed = (seed * 1103515245 + 12345) & 0x7fffffff) % pieces.length]).join(" ");
    const { code } = await fakeContainer().sh(script);
    t.ok(code >= 0 && code < 256, JSON.stringify(script));
  }
});

t.test("SIGTERM stops a loop, and a TERM trap runs", async (t) => {
  const looping = fakeContainer();
  const loop = looping.sh("while true; do sleep 1; done");
  setImmediate(() => looping.terminate());
  t.equal((await loop).code, 143);
  const trapping = fakeContainer();
  const trapped = trapping.sh("trap 'echo stopping; exit 5' TERM; while :; do sleep 1; done");
  setImmediate(() => setImmediate(() => trapping.terminate()));
  t.match(await trapped, { code: 5, out: "stopping\n" });
});
