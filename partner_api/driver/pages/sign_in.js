// Signs a driver in by a passkey, or lets him make one after a one-time code or an invitation.
// Nothing is kept here; every step is checked by the server, which knows this browser by a cookie.
"use strict";

(() => {
  const main = document.getElementById("sign-in");
  const words = JSON.parse(main.dataset.words);
  const part = (id) => document.getElementById(id);
  const said = part("said");
  let codeId = "";
  let proof = {};

  const tell = (text) => {
    said.textContent = "";
    said.textContent = text;
  };

  const fold = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

  const unfold = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

  const post = async (path, body) => {
    const answer = await fetch(path, {
      method: "POST",
      credentials: "same-origin",
      cache: "no-store",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const found = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(found.code), found);
    return found;
  };

  const explain = (error) => {
    if (error.name === "NotAllowedError" || error.name === "AbortError") return words.cancelled;
    if (error.name === "InvalidStateError") return words.exists;
    if (error.name === "TypeError") return words.offline;
    const left = (error.facts || {}).tries_left;
    const text = words[error.code] || words.failed;
    return text.replace("{n}", left).replace("{reference}", error.reference || "");
  };

  const run = async (button, work) => {
    if (button.disabled) return;
    button.disabled = true;
    tell("");
    try {
      await work();
    } catch (error) {
      tell(explain(error));
    } finally {
      button.disabled = false;
    }
  };

  const usePasskey = async () => {
    const options = await post("/auth/passkeys/assertion-options", {});
    options.challenge = unfold(options.challenge);
    for (const each of options.allowCredentials || []) each.id = unfold(each.id);
    const made = await navigator.credentials.get({ publicKey: options });
    const body = {
      id: fold(made.rawId),
      client_data: fold(made.response.clientDataJSON),
      authenticator_data: fold(made.response.authenticatorData),
      signature: fold(made.response.signature),
    };
    if (made.response.userHandle) body.user_handle = fold(made.response.userHandle);
    const path = main.dataset.mode === "step_up" ? "/auth/step-up" : "/auth/passkeys/assertion";
    go((await post(path, body)).location);
  };

  const makePasskey = async () => {
    const options = await post("/auth/passkeys/registration-options", proof);
    options.challenge = unfold(options.challenge);
    options.user.id = unfold(options.user.id);
    for (const each of options.excludeCredentials || []) each.id = unfold(each.id);
    const made = await navigator.credentials.create({ publicKey: options });
    const found = await post("/auth/passkeys/registration", {
      id: fold(made.rawId),
      client_data: fold(made.response.clientDataJSON),
      attestation_object: fold(made.response.attestationObject),
    });
    go(found.location);
  };

  const go = (place) => {
    tell(words.going);
    location.replace(place);
  };

  const offerPasskey = () => {
    part("by-passkey").hidden = true;
    part("by-code").hidden = true;
    part("by-ticket").hidden = false;
    part("make-passkey").focus();
  };

  const askCode = async () => {
    const address = part("address").value.trim();
    const channel = address.includes("@") ? "email" : "sms";
    codeId = (await post("/auth/one-time-codes", { channel, address, purpose: "recover" })).code_id;
    part("check-code").hidden = false;
    part("code").value = "";
    part("code").focus();
    tell(words.sent);
  };

  const checkCode = async () => {
    const code = part("code").value.trim();
    const found = await post(`/auth/one-time-codes/${codeId}/check`, { code });
    proof = { ticket: found.ticket };
    offerPasskey();
  };

  if (!window.PublicKeyCredential) {
    tell(words.unsupported);
    return;
  }
  part("use-passkey").addEventListener("click", (event) => run(event.currentTarget, usePasskey));
  part("make-passkey").addEventListener("click", (event) => run(event.currentTarget, makePasskey));
  for (const [id, work] of [["ask-code", askCode], ["check-code", checkCode]]) {
    part(id).addEventListener("submit", (event) => {
      event.preventDefault();
      run(event.currentTarget.querySelector("button"), work);
    });
  }
  const invitation = new URLSearchParams(location.hash.slice(1)).get("invitation");
  if (invitation) {
    history.replaceState(null, "", location.pathname + location.search);
    proof = { invitation };
    offerPasskey();
  } else if (main.dataset.mode === "create") {
    offerPasskey();
  }
})();
