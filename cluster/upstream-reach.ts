// Explanations of the Ingress, with what NetworkPolicies say to its controller: a request that reaches no endpoint has another answer.
import type { BalanceAnswer, Diagnostics, ExplainAnswer, Peer } from "../model/ports.ts";

/** `ingress` as it is, its explanations completed by `policies` for flows from the controller; without one running they stay as they are. */
export function withUpstreamReach(ingress: Diagnostics, policies: readonly Diagnostics[], controller: () => Peer | undefined): Diagnostics {
  /** Undefined when every endpoint can be reached. */
  const barrier = async (balance: BalanceAnswer | undefined): Promise<ExplainAnswer | undefined> => {
    const from = controller();
    const [first] = balance?.endpoints ?? [];
    if (!from || !balance || !first) return undefined;
    const colon = first.address.lastIndexOf(":");
    const [ip, port] = [first.address.slice(0, colon).replace(/^\[|\]$/g, ""), Number(first.address.slice(colon + 1))];
    const policy = policies.find(({ name }) => name === "policy");
    const answer = await policy?.explain?.({ from, to: first.address, host: ip, ip, port, protocol: "TCP", balance });
    return answer?.title === "NetworkPolicy: allowed" ? undefined : answer;
  };
  return {
    ...ingress,
    async explain(question) {
      const answer = await ingress.explain?.(question);
      const found = answer?.balance?.per === "request" ? await barrier(answer.balance) : undefined;
      if (!answer || !found) return answer;
      const lines = answer.lines.filter((line) => !found.ends || !line.startsWith("answer: "));
      return {
        ...answer,
        lines: [...lines, found.title, ...found.lines.map((line) => `  ${line}`), ...(found.ends ? [`answer: ${NO_ANSWER}`] : [])],
      };
    },
    async explainRequest(question) {
      const steps = await ingress.explainRequest?.(question);
      const found = question.type === "asked" ? await barrier(steps?.find(({ balance }) => balance)?.balance) : undefined;
      if (!steps || !found) return steps;
      const isAnswer = ({ title }: ExplainAnswer): boolean => title === "answer";
      const answers = found.ends ? [{ title: "answer", lines: [NO_ANSWER] }] : steps.filter(isAnswer);
      return [...steps.filter((step) => !isAnswer(step)), found, ...answers];
    },
  };
}

const NO_ANSWER = "504 from the controller: no endpoint can be reached";
