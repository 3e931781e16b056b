// Passkeys: a form that asks for a decision is signed when it is sent; the settings page makes a new one.
import "./evidence/approving.js"; // an approval is held to the plan's bytes first, or there is no passkey here

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
const base64 = (buffer) => btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""));
const websafe = (buffer) => base64(buffer).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const WORDS = {
  NotAllowedError: "No passkey answered. Press the button to try again.",
  InvalidStateError: "This device holds a passkey of yours already.",
  NotSupportedError: "This device offers no passkey of a kind that is taken.",
};

function why(problem) {
  return WORDS[problem.name] ?? `The browser refused: ${problem.message}`;
}
function elsewhere(place) {
  if (window.PublicKeyCredential && location.origin === place.dataset.origin) return "";
  return `Passkeys work at ${place.dataset.origin} alone; open the portal there.`;
}

async function signed(place, form) {
  // What is signed is the very statement that is sent: its hash is made here, not handed over by the page.
  const challenge = await crypto.subtle.digest("SHA-256", bytes(form.elements.statement.value));
  const allowCredentials = place.dataset.passkeys.split(" ").map((id) => ({ type: "public-key", id: bytes(id) }));
  const options = { challenge, rpId: place.dataset.party, allowCredentials, userVerification: "required" };
  const { id, response } = await navigator.credentials.get({ publicKey: options });
  form.elements.passkey_authenticator_data.value = base64(response.authenticatorData);
  form.elements.passkey_client_data.value = base64(response.clientDataJSON);
  form.elements.passkey_signature.value = base64(response.signature);
  form.elements.credential.value = id;
}

// Another choice than the one whose statement the page shows is looked at first: nothing is signed for it.
function chosenAnew(form) {
  const { shown, verdict } = form.elements;
  if (!shown) return false;
  const duties = [...form.querySelectorAll("input[name=duties]:checked")].map((one) => one.value);
  return [verdict.value, ...duties].join(" ") !== shown.value;
}

for (const place of document.querySelectorAll("[data-passkeys]")) {
  const form = place.closest("form"), box = place.querySelector("input[type=checkbox]"), hint = place.querySelector(".hint");
  place.hidden = false;
  const far = elsewhere(place);
  if (far) {
    box.checked = false;
    box.disabled = true;
    hint.textContent = far;
  }
  form.addEventListener("submit", async (event) => {
    if (!box.checked || form.elements.credential.value || event.submitter?.name === "look" || chosenAnew(form)) return;
    event.preventDefault();
    try {
      await signed(place, form);
      form.requestSubmit(event.submitter);
    } catch (problem) {
      hint.textContent = why(problem);
    }
  });
}
// A page that comes back from the browser's memory signs anew.
addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("input[name=credential]")) field.value = "";
});

const maker = document.querySelector("[data-passkey-options]");
if (maker) {
  const form = maker.closest("form"), hint = form.querySelector(".hint"), far = elsewhere(maker);
  maker.disabled = Boolean(far);
  hint.textContent = far || "The browser asks for a finger, a face or a PIN. Then another person, or an older key of yours, confirms it.";
  maker.addEventListener("click", async () => {
    const options = JSON.parse(maker.dataset.passkeyOptions);
    options.challenge = bytes(options.challenge);
    options.user.id = bytes(options.user.id);
    options.excludeCredentials = (options.excludeCredentials ?? []).map((one) => ({ ...one, id: bytes(one.id) }));
    try {
      const { id, response } = await navigator.credentials.create({ publicKey: options });
      form.elements.id.value = id;
      form.elements.clientDataJSON.value = websafe(response.clientDataJSON);
      form.elements.attestationObject.value = websafe(response.attestationObject);
      form.requestSubmit();
    } catch (problem) {
      hint.textContent = why(problem);
    }
  });
}
