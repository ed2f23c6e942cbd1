import t from "tap";
import { VirtualClock } from "../../../model/clock.ts";
import { fakeContainer } from "../../support/fake-container.ts";
import { until } from "../../support/until.ts";

// script → stdout. GNU's tools print the same, except names of the machine, busybox's column widths and exit codes, and refusals of our own.
const rows: readonly (readonly [script: string, out: string | RegExp, code?: number])[] = [
  ["printf 'b\\na\\nc\\n' | sort -r | head -n 2", "c\nb\n"],
  ["printf '10\\n9\\n2\\n9\\n' | sort -nu", "2\n9\n10\n"],
  ["printf 'x 3\\ny 1\\nz 2\\n' | sort -k2 -n | cut -d' ' -f1 | tr -d '\\n'", "yzx"],
  ["printf 'a\\na\\nb\\n' | uniq -c", "      2 a\n      1 b\n"],
  ["printf 'one\\ntwo\\nthree\\n' | grep -n t", "2:two\n3:three\n"],
  ["printf 'one\\ntwo\\n' | grep -v one; echo no | grep -q yes; echo $?", "two\n1\n"],
  ["printf 'a1\\nb22\\n' | grep -oE '[0-9]+'", "1\n22\n"],
  ["printf 'a.b\\naxb\\n' | grep -c 'a\\.b'; printf 'a.b\\naxb\\n' | grep -F a.b; printf 'Foo\\n' | grep -i foo", "1\na.b\nFoo\n"],
  ["printf '1\\n2\\n3\\n4\\n5\\n' | grep -A1 -B1 3", "2\n3\n4\n"],
  ["grep -r localhost /etc | cut -d: -f1", "/etc/hosts\n"],
  ["printf 'a b  c\\n' | awk '{print $2, $NF, NF}'", "b c 3\n"],
  ["printf 'x:1\\ny:2\\n' | awk -F: '$2 == 2 {print $1 \"!\"}'", "y!\n"],
  ["printf 'h\\nweb 1\\ndb 2\\n' | awk 'NR>1 {print $1}'; printf 'web 1\\ndb 2\\n' | awk '/^db/'", "web\ndb\ndb 2\n"],
  ["echo | awk 'BEGIN{x=1}'; echo $?", "2\n"],
  ["echo aXbX | sed 's/X/-/g; s/a/[&]/'", "[a]-b-\n"],
  [
    "printf '1\\n2\\n3\\n' | sed -n '2,$p'; printf 'a/b\\n' | sed 's|/|:|'; printf 'k=v\\n' | sed -E 's/(.*)=(.*)/\\2=\\1/'",
    "2\n3\na:b\nv=k\n",
  ],
  ["echo a > /tmp/s; sed -i s/a/b/ /tmp/s; cat /tmp/s; printf 'x\\n\\ny\\n' | sed '/^$/d'", "b\nx\ny\n"],
  ["echo x | sed y/x/z/; echo $?", "1\n"],
  ["printf 'a b\\nc\\n' | wc; printf 'a b\\nc\\n' | wc -l; wc -c < /etc/hostname", "        2         3         6\n2\n7\n"],
  ["seq 3; seq -s, 1 2 7; seq 5 -2 1; seq -w 8 10", "1\n2\n3\n1,3,5,7\n5\n3\n1\n08\n09\n10\n"],
  ["seq 10 | tail -n 2; seq 10 | tail -n +9; seq 10 | head -n -8; echo hello | head -c 3", "9\n10\n9\n10\n1\n2\nhel"],
  ["printf 'ab cd\\n' | tr a-z A-Z; echo aabb | tr -s ab; echo a1b2 | tr -cd 0-9; echo", "AB CD\nab\n12\n"],
  ["echo x | tee /tmp/1 /tmp/2; echo y | tee -a /tmp/1 >/dev/null; cat /tmp/1 /tmp/2", "x\nx\ny\nx\n"],
  [
    "mkdir -p /tmp/a/b; touch /tmp/a/b/f; cp -r /tmp/a /tmp/c; mv /tmp/c/b/f /tmp/g; ls /tmp/c/b /tmp/g; rm -r /tmp/a; ls /tmp/a; echo $?",
    "/tmp/g\n\n/tmp/c/b:\n1\n",
  ],
  ["ls -a /tmp; mkdir /tmp; rmdir /tmp/x; rm /none; echo $?", ".\n..\n1\n"],
  ["cd /tmp && mkdir d && cd d && pwd && cd .. && rm -rf d && ls", "/tmp/d\n"],
  ["cat -n /etc/hostname; cat /none /etc/hostname; echo $?", "     1\tclient\nclient\n1\n"],
  ["hostname; hostname -i; whoami; id -u; uname -n; uname", "client\n127.244.1.5\nroot\n0\nclient\nLinux\n"],
  ["id; ps | tail -n +2 | head -n 1", "uid=0(root) gid=0(root) groups=0(root)\n    1 root      0:00 \n"],
  ["env -i A=1 env; printenv HOME; printenv NOPE; echo $?", "A=1\n/root\n1\n"],
  ["echo 'a b' c | xargs -n 1 echo -; echo x | xargs -I{} echo [{}]", "- a\n- b\n- c\n[x]\n"],
  ["echo hi | base64; echo aGkK | base64 -d; basename /a/b.c .c; dirname /a/b", "aGkK\nhi\nb\n/a\n"],
  ["which sh nosuch; echo $?", "/bin/sh\n1\n"],
  ["sleep x; echo $?; timeout 0.01 sleep 5; echo $?", "1\n143\n"],
  ["kill 99; echo $?; kill -0 1; echo $?", "1\n0\n"],
  ["date -u -d @0; date -d @86400 +%F; date -d 2024-02-29T12:00:00Z +%s", "Thu Jan  1 00:00:00 UTC 1970\n1970-01-02\n1709208000\n"],
  ["printf '%5s|%-5s|%05.1f|%x|%c|%%\\n' a b 3.14159 255 xyz; printf '%s %s\\n' 1 2 3", "    a|b    |003.1|ff|x|%\n1 2\n3 \n"],
  [
    "cd /tmp; mkdir t; echo one > t/1; echo two > t/2; tar cf - t | tar tf -; tar cf - t | (mkdir /tmp/o; tar xmf - -C /tmp/o); cat /tmp/o/t/2",
    "t/\nt/1\nt/2\ntwo\n",
  ],
  ["echo garbage | tar xf -; echo $?; tar cf - /none > /dev/null; echo $?", "1\n1\n"],
  ["printf 'GIF\\377' > /dev/null; head -z; echo $?", "1\n"],
  [
    "sh -c 'echo $0 $1' name arg; echo 'echo from stdin' | sh; echo 'echo script $1' > /tmp/x.sh; sh /tmp/x.sh a",
    "name arg\nfrom stdin\nscript a\n",
  ],
  ["echo '#!/bin/sh\necho ran $1' > /tmp/run; /tmp/run me", "ran me\n"],
];

t.test("text and files", async (t) => {
  for (const [script, expected, code = 0] of rows) {
    const result = await fakeContainer().sh(script);
    if (typeof expected === "string")
      t.equal(result.out, expected, `${script}${result.err === "" ? "" : ` (stderr: ${result.err.trim()})`}`);
    else t.match(result.out, expected, script);
    t.equal(result.code, code, `${script}: status`);
  }
});

t.test("kill 1 stops the container", async (t) => {
  const container = fakeContainer();
  t.equal((await container.run(["kill", "1"])).code, 0);
  t.ok(container.context.signal.aborted);
});

t.test("sleep, date and tail -f follow the cluster's clock", async (t) => {
  const clock = new VirtualClock();
  const container = fakeContainer({ clock, files: { "/var/log/a": "1\n2\n" } });
  const slept = container.sh("date; sleep 1h; date -Iseconds");
  await until(() => clock.nextDueMs() !== undefined, "it waits");
  await clock.advance(3_600_000);
  t.equal((await slept).out, "Wed Jan  1 00:00:00 UTC 2025\n2025-01-01T01:00:00+00:00\n");
  const following = container.sh("tail -n 1 -f /var/log/a | head -n 2");
  await until(() => clock.nextDueMs() !== undefined, "it waits");
  container.context.files.write("/var/log/a", "1\n2\n3\n4\n");
  await clock.advance(1000);
  container.context.files.write("/var/log/a", "1\n2\n3\n4\n5\n");
  await clock.advance(1000);
  t.equal((await following).out, "2\n3\n");
  const waiting = container.sh("tail -n +1 -F /var/log/late | head -n 1");
  await until(() => clock.nextDueMs() !== undefined, "it waits");
  container.context.files.write("/var/log/late", "here\n");
  await clock.advance(1000);
  container.context.files.write("/var/log/late", "here\nand more\n");
  await clock.advance(1000);
  t.match(await waiting, { out: "here\n", err: "tail: can't open '/var/log/late': No such file or directory\n" });
});
