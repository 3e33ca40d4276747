// Logging in with a passkey, and making one: the browser signs what the page asks for.
"use strict";

const toBytes = (text) => Uint8Array.from(
  atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
const toText = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const post = async (path, body) => {
  const answer = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  return answer.json();
};

const written = (made) => {
  const response = {};
  for (const key of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (made.response[key]) response[key] = toText(made.response[key]);
  }
  return { id: made.id, rawId: toText(made.rawId), type: made.type, response };
};

const logIn = async () => {
  const { state, publicKey } = await post("/login/passkey/begin", {});
  publicKey.challenge = toBytes(publicKey.challenge);
  const made = await navigator.credentials.get({ publicKey });
  const { to } = await post("/login/passkey/finish", { state, credential: written(made) });
  location.assign(to);
};

const makeNew = async (form) => {
  const person = { email: form.email.value, name: form.elements.name.value };
  const { state, publicKey } = await post("/login/passkey/new/begin", person);
  publicKey.challenge = toBytes(publicKey.challenge);
  publicKey.user.id = new TextEncoder().encode(publicKey.user.id);
  const made = await navigator.credentials.create({ publicKey });
  const answer = { ...person, state, credential: written(made) };
  const { line } = await post("/login/passkey/new/finish", answer);
  document.getElementById("passkey-line").textContent = line;
  document.getElementById("passkey-made").hidden = false;
};

const act = async (does) => {
  const told = document.getElementById("passkey-told");
  told.textContent = "";
  try {
    await does();
  } catch (error) {
    told.textContent = error.message;
  }
};

const button = document.getElementById("passkey-login");
if (button) button.addEventListener("click", () => act(logIn));
const form = document.getElementById("passkey-new");
if (form) form.addEventListener("submit", (event) => {
  event.preventDefault();
  act(() => makeNew(form));
});

const sign = async (button) => {
  const { sign: challenge, place, mark, token } = button.dataset;
  const told = document.getElementById("sign-told");
  button.disabled = true;
  try {
    const made = await navigator.credentials.get({ publicKey: {
      challenge: toBytes(challenge), rpId: place, userVerification: "required",
    } });
    const fields = { mark, form_token: token, credential: JSON.stringify(written(made)) };
    const answer = await fetch("/act/sign", { method: "POST", body: new URLSearchParams(fields) });
    const said = answer.headers.get("Content-Type").includes("json") ? await answer.json()
      : { refused: (await answer.text()).trim() };
    told.textContent = said.refused || [`Pushed ${said.commit}`, ...said.lines].join("\n");
    button.hidden = !said.refused;
  } catch (error) {
    told.textContent = error.message;
    button.disabled = false;
  }
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-sign]");
  if (button) sign(button);
});
