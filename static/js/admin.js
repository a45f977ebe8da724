// Mark a pressed button and ignore further presses. The server refuses a second press too; this
// only avoids its error message.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form.act")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  form.querySelector("button[type=submit]")?.setAttribute("aria-disabled", "true");
});

// After "back" to a page whose form was sent, it can be sent again.
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form.act[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("button[type=submit]")?.removeAttribute("aria-disabled");
  }
});

// "/" goes to the search, unless a field would take it as text.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = document.getElementById("find-here") ?? document.getElementById("find");
  if (!field) return;
  event.preventDefault();
  if (field.checkVisibility()) field.focus();
  else location.assign(field.form.action);
});

// The theme has no main landmark, which screen readers use for navigation.
document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("main")?.setAttribute("role", "main");
});

// select2 fields lose the label of the field that they replace.
const nameChoosers = () => {
  for (const box of document.querySelectorAll("select.select2-hidden-accessible")) {
    const label = box.labels[0]?.textContent.trim();
    const shown = box.nextElementSibling?.querySelector(".select2-selection");
    for (const part of label && shown ? [shown, ...shown.querySelectorAll("[role=textbox]")] : []) {
      part.removeAttribute("aria-labelledby");
      part.setAttribute("aria-label", label);
    }
  }
};
// An opened select2 has a search box, which needs a label too.
const nameSearch = (event) => {
  const box = document.querySelector(".select2-container--open .select2-search__field");
  const label = event.target.labels?.[0]?.textContent.trim();
  if (box && label) box.setAttribute("aria-label", label);
};
// jQuery runs this after select2 has created the fields.
document.addEventListener("DOMContentLoaded", () => {
  const jquery = window.django?.jQuery;
  jquery?.(nameChoosers);
  jquery?.(document).on("select2:open", nameSearch);
});

// Django labels the two filters of a multiple choice by an empty span, which needs a role.
const nameFilters = () => {
  for (const icon of document.querySelectorAll(".help-tooltip[aria-label]")) {
    icon.setAttribute("role", "img");
  }
};
// Django creates the filters on load; this handler runs after it.
window.addEventListener("load", () => setTimeout(nameFilters));

// The theme writes the name of a chosen file into a text field that it expects beside it. Our field
// for several pictures has none.
document.addEventListener(
  "change",
  (event) => {
    if (event.target.matches("input.upload")) event.stopImmediatePropagation();
  },
  true,
);
