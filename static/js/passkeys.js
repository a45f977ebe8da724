/* Asks the browser for a passkey. A form with `data-passkey="create"` or "get" has a button that
   begins it, and a hidden field for the answer. The server's options are JSON in the element that
   `data-options` names, or at the address `data-options-from`. */
(() => {
  "use strict";

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
      .replace(/=+$/, "");
  const listed = (credentials) => (credentials || []).map((each) => ({ ...each, id: bytes(each.id) }));

  /* ---- what the browser takes: bytes where the JSON has base64 */
  const asked = (options, form) => {
    const key = { ...options.publicKey, challenge: bytes(options.publicKey.challenge) };
    if (form.dataset.passkey === "get") return { publicKey: { ...key, allowCredentials: listed(key.allowCredentials) } };
    key.user = { ...key.user, id: bytes(key.user.id) };
    key.excludeCredentials = listed(key.excludeCredentials);
    const alone = form.elements.passwordless?.checked;
    key.authenticatorSelection = {
      ...key.authenticatorSelection,
      residentKey: alone ? "required" : "discouraged",
      requireResidentKey: Boolean(alone),
      ...(alone ? { userVerification: "required" } : {}),
    };
    return { publicKey: key };
  };

  /* ---- what the server takes: base64 where the browser has bytes */
  const told = (credential) => {
    const response = { clientDataJSON: text(credential.response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = text(credential.response[name]);
    }
    return {
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      response,
      clientExtensionResults: credential.getClientExtensionResults(),
    };
  };

  const optionsOf = async (form) => {
    const here = document.getElementById(form.dataset.options);
    if (here) return JSON.parse(here.textContent);
    const answer = await fetch(form.dataset.optionsFrom, { headers: { Accept: "application/json" } });
    return (await answer.json()).request_options;
  };

  const begin = async (form, button) => {
    const failed = form.querySelector("[data-passkey-failed]");
    failed.hidden = true;
    button.setAttribute("aria-busy", "true");
    try {
      const options = asked(await optionsOf(form), form);
      const credential = await navigator.credentials[form.dataset.passkey](options);
      form.elements.credential.value = JSON.stringify(told(credential));
      form.submit();
    } catch {
      failed.hidden = false;
      button.removeAttribute("aria-busy");
    }
  };

  document.querySelectorAll("form[data-passkey]").forEach((form) => {
    const button = form.querySelector("[data-passkey-begin]");
    if (!window.PublicKeyCredential) button.disabled = true;
    button.addEventListener("click", () => begin(form, button));
  });
})();
