// The schema of loopkube.dev/v1alpha1, in the form of types.json.
import type { SchemaField, SchemaType } from "./schema-type.ts";

const field = (json: string, type: string, description: string): SchemaField => ({
  json,
  type,
  description,
  optional: true,
  omitempty: true,
});

const metadata: readonly SchemaField[] = [
  { inline: true, type: "meta/v1.TypeMeta" },
  { json: "metadata", type: "meta/v1.ObjectMeta", optional: true, omitempty: true },
];

export const ownSchemas: Readonly<Record<string, SchemaType>> = {
  "loopkube/v1alpha1.Fault": {
    description: "A fault on the links between clients and what they talk to.",
    fields: [
      ...metadata,
      field("spec", "loopkube/v1alpha1.FaultSpec", "Which links, and what is wrong with them."),
      { ...field("status", "loopkube/v1alpha1.FaultStatus", "What the fault found when it came."), pointer: true },
    ],
  },
  "loopkube/v1alpha1.FaultSpec": {
    fields: [
      { ...field("from", "loopkube/v1alpha1.FaultPeer", "Clients; absent: all."), pointer: true },
      { ...field("to", "loopkube/v1alpha1.FaultPeer", "What they talk to; absent: everything."), pointer: true },
      field("direction", "string", "Which way shaping works: Both (default), Forward (client to endpoint) or Back."),
      field("latency", "string", "Every piece arrives this much later, e.g. 50ms."),
      field("jitter", "string", "Each piece arrives up to this much earlier or later, e.g. 10ms."),
      field("rate", "string", "Bandwidth of each connection, e.g. 1Mbit (bits) or 10MB (bytes) a second."),
      field("reset", "string", "This share of connections is reset, e.g. 1%."),
      field("refuse", "bool", "Connections are refused; open ones are reset."),
      field("first", "int32", "Only this many connections of each client meet the fault; alone, they are refused."),
      field("partition", "bool", "Nothing gets through: new connections time out, open ones stand still."),
      field("slowClose", "string", "The end of a connection arrives this much later, e.g. 2s."),
      field("loss", "string", "This share of UDP datagrams is lost, e.g. 10%."),
      field("duplicate", "string", "This share of UDP datagrams arrives twice."),
      field("reorder", "string", "This share of UDP datagrams is overtaken by later ones."),
      { ...field("dns", "loopkube/v1alpha1.FaultDns", "DNS questions over UDP fail or are late."), pointer: true },
    ],
  },
  "loopkube/v1alpha1.FaultDns": {
    fields: [
      field("rcode", "string", "The answer: SERVFAIL, NXDOMAIN, REFUSED, NOTIMP or FORMERR."),
      field("delay", "string", "Questions arrive this much later, e.g. 200ms."),
      field("share", "string", "Only this share of questions, e.g. 10%."),
      field("name", "string", "Only questions for this name or below it."),
    ],
  },
  "loopkube/v1alpha1.FaultPeer": {
    structType: "atomic",
    description: "An end of a flow: all that is given must hold.",
    fields: [
      { ...field("podSelector", "meta/v1.LabelSelector", "Pods with these labels."), pointer: true },
      field("namespace", "string", "Pods of this namespace; with service, the namespace of the Service (default: default)."),
      field("pod", "string", "The pod with this name."),
      field("node", "string", "This node and the pods on it."),
      { ...field("host", "bool", "Programs of this machine that are neither pod nor node."), pointer: true },
      field("service", "string", "In to: flows through this Service; in from: the pods that it selects."),
      field("cidr", "string", "Addresses in this block."),
    ],
  },
  "loopkube/v1alpha1.FaultStatus": {
    fields: [
      field("observedGeneration", "int64", "The generation of the spec that is in force."),
      field("liveFlows", "int32", "Open connections that the rule matched when it came."),
      field("unshapedFlows", "int32", "Those of them that go on unshaped: shaping works on connections opened afterwards."),
    ],
  },
};
