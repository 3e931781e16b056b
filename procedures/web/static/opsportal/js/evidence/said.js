// What people signed, as it stands in a body.
import { fromBase64, get, loaded, row, textOf } from "./bytes.js";

export const statementOf = (body) => fromBase64(get(body, "statement", ""));
// What the statement of a body says; an empty object where there is none.
export function saidIn(body) {
  const data = statementOf(body);
  return data.length ? loaded(textOf(data)) : row({});
}
