// The desk: its one field for scans has the focus whenever nothing else is being typed. Scans and
// Ctrl+Enter wait their turn: each is about what the answer before it shows.
(() => {
  const typing = "input, select, textarea, button, a, summary, label";
  const taking = "input:not([type=checkbox], [type=radio]), select, textarea"; // what is typed
  const field = () => document.getElementById("desk-scan-text");
  const focus = () => field()?.focus({ preventScroll: true });
  const said = document.getElementById("desk-said");
  const form = document.getElementById("desk-scan");
  const sent = document.createElement("input"); // the scan that is sent; the field takes the next
  const steps = [];
  let asking = false;
  let inTurn = false; // the form sends a scan whose turn has come

  // Not at once, because a form that is being submitted cannot be submitted.
  const doNext = () =>
    setTimeout(() => {
      if (!asking) steps.shift()?.();
    });
  const wait = (step) => {
    steps.push(step);
    doNext();
  };
  const answered = () => {
    asking = false;
    doNext();
  };

  // Typed text goes into the field, also when a click elsewhere has taken its focus.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      wait(() => document.getElementById("desk-ship-button")?.click());
      return;
    }
    const sign = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (sign && event.key !== " " && !event.target.closest(taking)) focus();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(typing)) focus();
  });

  document.addEventListener("htmx:beforeRequest", () => {
    asking = true;
  });
  // A scan for the same parcel keeps what was typed into its forms and not sent yet.
  const typed = [];
  const parcel = () => document.querySelector("#desk input[name=line]")?.value;
  const isScan = (event) => event.detail.requestConfig?.elt === form;
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isScan(event)) return;
    for (const box of document.querySelectorAll("#desk input[type=text], #desk textarea"))
      if (box.id && box.value !== box.defaultValue)
        typed.push({ parcel: parcel(), id: box.id, before: box.defaultValue, value: box.value });
  });
  const restore = () => {
    for (const { id, before, value, ...was } of typed.splice(0)) {
      const box = document.getElementById(id);
      if (box?.value === before && was.parcel === parcel()) box.value = value;
    }
  };

  document.addEventListener("htmx:afterSwap", () => {
    restore();
    const wrong = document.querySelector("#desk .act__error")?.closest(".act__field, details");
    const box = wrong?.querySelector("input:not([type=hidden]), select, textarea");
    if (box && !field().value && !steps.length) box.focus();
    else focus();
  });
  document.addEventListener("htmx:afterSettle", answered);
  for (const failed of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(failed, () => {
      steps.length = 0; // the person looks again first
      if (said) said.textContent = said.dataset.failed;
      answered();
    });
  }
  document.addEventListener("DOMContentLoaded", () => {
    sent.type = "hidden";
    sent.name = field().name;
    field().removeAttribute("name");
    form.append(sent);
    form.addEventListener(
      "submit",
      (event) => {
        const scan = field().value;
        if (inTurn || !scan) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        field().value = "";
        wait(() => {
          sent.value = scan;
          inTurn = true;
          form.requestSubmit();
          inTurn = false;
        });
      },
      { capture: true },
    );
    focus();
  });
})();
