// The kinds of events that end a run.
export const SEALS = new Set(["run.finished", "run.canceled", "run.denied", "run.rejected", "run.expired", "run.interrupted"]);
