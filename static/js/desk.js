// The desk: its one field for scans has the focus whenever nothing else is being typed.
(() => {
  const typing = "input, select, textarea, button, a, summary, label";
  const field = () => document.getElementById("desk-scan-text");
  const focus = () => field()?.focus({ preventScroll: true });
  const said = document.getElementById("desk-said");

  // Typed text goes into the field, also when a click elsewhere has taken its focus.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      document.getElementById("desk-ship-button")?.click();
      return;
    }
    const sign = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (sign && event.key !== " " && !event.target.closest("input, select, textarea")) focus();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest(typing)) focus();
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.closest?.("#desk-said")) return;
    const wrong = document.querySelector("#desk .act__error")?.closest(".act__field, details");
    const box = wrong?.querySelector("input:not([type=hidden]), select, textarea");
    const scan = field();
    if (scan) scan.value = "";
    if (box) box.focus();
    else focus();
  });
  for (const failed of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(failed, () => {
      if (said) said.textContent = said.dataset.failed;
    });
  }
  document.addEventListener("DOMContentLoaded", focus);
})();
