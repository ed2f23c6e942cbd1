// The body of every measured HTTP answer.

export const PAYLOAD = "hello from the bench\n";
