// The registry of live flows: slots are used again, the order is that of opening.
import t from "tap";
import { LiveFlow, LiveFlows } from "../../netsim/live-flow.ts";

const flow = (id: number): LiveFlow =>
  new LiveFlow(id, "TCP", { kind: "host", ip: "127.0.0.1" }, { ip: "127.0.0.1", port: id }, { ip: "127.96.0.1", port: 80 }, "node", false);

t.test("flows come and go", async (t) => {
  const removed: number[] = [];
  const flows = new LiveFlows(({ id }) => removed.push(id));
  const [a, b, c, d] = [flow(1), flow(2), flow(3), flow(4)];
  for (const each of [a, b, c]) flows.add(each);
  const ids = (): string =>
    flows
      .list()
      .map(({ id }) => id)
      .join(" ");
  t.equal(ids(), "1 2 3");
  flows.remove(a);
  t.equal(ids(), "2 3");
  t.notOk(flows.has(a));
  flows.add(d);
  t.equal(ids(), "2 3 4", "the free slot is used again, the list stays in the order of opening");
  t.notOk(flows.has(a), "another flow holds its slot now");
  flows.remove(a);
  t.equal(flows.size, 3, "removing twice frees nothing");
  t.ok(flows.has(d));
  t.same(removed, [1, 1]);
  t.notOk(flows.has(flow(9)), "never there");
  t.same(
    flows.where(({ id }) => id > 2).map(({ id }) => id),
    [3, 4],
  );
});
