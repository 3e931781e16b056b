// The verifier beside the page, so that the page never stands still: told a file and keys, it answers what it found.
import { Lacking } from "./bytes.js";
import { NoCrypto } from "./ed25519.js";
import { trust, verified } from "./verify.js";

const EVERY_MS = 100;
let last = 0;

function told(what, share) {
  if (Date.now() - last < EVERY_MS) return;
  last = Date.now();
  postMessage({ what, share });
}

async function answer({ file, given, require }) {
  let trusted;
  try {
    trusted = await trust(given);
  } catch (problem) {
    if (!(problem instanceof Lacking)) throw problem;
    return { wrong: problem.message };
  }
  return { found: await verified(file, trusted, require, told) };
}

globalThis.onmessage = async ({ data }) => {
  try {
    postMessage(await answer(data));
  } catch (problem) {
    postMessage({ unable: problem instanceof NoCrypto ? problem.message : `The verifier itself broke down: ${problem.message}` });
  }
};
